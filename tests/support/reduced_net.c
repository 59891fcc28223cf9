#include "tests/support/reduced_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/text.h"
#include "model/darknet.h"

#define FOLDER "/usr/share/darknet/cfg"

/* `line` of a cfg, reduced. */
static void put_reduced(struct tess_text *text, const char *line, int side)
{
    int n_filters = 0;
    if (strncmp(line, "width=", 6) == 0)
        tess_text_printf(text, "width=%d\n", side);
    else if (strncmp(line, "height=", 7) == 0)
        tess_text_printf(text, "height=%d\n", side);
    else if (sscanf(line, "filters=%d", &n_filters) == 1 && n_filters % 64 == 0)
        tess_text_printf(text, "filters=%d\n", n_filters / 8);
    else
        tess_text_printf(text, "%s\n", line);
}

struct tess_graph *tess_reduced_net_create(const char *name, int side)
{
    if (access(FOLDER, R_OK) != 0)
        return NULL;
    char path[64];
    struct tess_text whole = {0}, reduced = {0};
    struct tess_error error;
    struct tess_graph *graph = NULL;
    tess_error_init(&error);
    snprintf(path, sizeof path, FOLDER "/%s.cfg", name);
    if (tess_file_read(path, 1 << 20, &whole, &error) != TESS_OK)
        fail_msg("%s", error.message);
    char *rest = whole.data;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        put_reduced(&reduced, line, side);
    if (tess_darknet_parse(tess_text_string(&reduced), strlen(tess_text_string(&reduced)),
                           name, &graph, NULL, &error) != TESS_OK)
        fail_msg("%s: line %d: %s", name, error.line, error.message);
    tess_text_release(&whole);
    tess_text_release(&reduced);
    return graph;
}
