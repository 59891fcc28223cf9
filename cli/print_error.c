#include "cli/verbs.h"

#include <stdio.h>

void tess_print_error(const struct tess_error *error)
{
    if (!error->message[0])
        return;
    if (error->file[0]) {
        fprintf(stderr, "%s:", error->file);
        if (error->line > 0)
            fprintf(stderr, "%d:", error->line);
        if (error->col > 0)
            fprintf(stderr, "%d:", error->col);
        fprintf(stderr, " ");
    }
    fprintf(stderr, "error: %s\n", error->message);
    if (error->hint[0])
        fprintf(stderr, "hint: %s\n", error->hint);
}
