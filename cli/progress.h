/* A progress bar on a terminal, for anything above a second. Silent everywhere else.
 */
#ifndef TESS_CLI_PROGRESS_H
#define TESS_CLI_PROGRESS_H

#include <stdbool.h>

struct tess_progress {
    const char *label; /* borrowed */
    double start_us, shown_us;
    bool is_enabled, is_shown;
};

/* Starts the clock. Nothing is shown unless standard error is a terminal and `is_wanted`. */
void tess_progress_init(struct tess_progress *progress, const char *label,
                        bool is_wanted);

/* Says how much is done, 0 to 1. Draws at most ten times a second, first after a second. */
void tess_progress_show(struct tess_progress *progress, double done);

/* Removes the bar. */
void tess_progress_finish(struct tess_progress *progress);

#endif
