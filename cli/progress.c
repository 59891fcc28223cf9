#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

void tess_progress_init(struct tess_progress *progress, const char *label, bool is_wanted)
{
    *progress = (struct tess_progress){.label = label,
                                       .start_us = tess_clock_us(),
                                       .is_enabled = is_wanted && isatty(STDERR_FILENO)};
}

void tess_progress_show(struct tess_progress *progress, double done)
{
    enum { WIDTH = 30 };
    if (!progress->is_enabled)
        return;
    double now_us = tess_clock_us();
    if (now_us - progress->start_us < 1e6 || now_us - progress->shown_us < 1e5)
        return;
    char bar[WIDTH + 1];
    int n_full = (int)(done * WIDTH + 0.5);
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < n_full ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %3.0f %%", progress->label, bar, done * 100);
    fflush(stderr);
    progress->shown_us = now_us;
    progress->is_shown = true;
}

void tess_progress_finish(struct tess_progress *progress)
{
    if (progress->is_shown)
        fprintf(stderr, "\r\033[K");
    progress->is_shown = false;
}
