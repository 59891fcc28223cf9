#include "cli/planner_table.h"

#include <inttypes.h>

void tess_table_put_bytes(struct tess_text *text, const char *what, int64_t bytes)
{
    char rounded[24];
    tess_format_bytes(bytes, rounded, sizeof rounded);
    tess_text_printf(text, "%-12s %14" PRId64 " B  %10s", what, bytes, rounded);
}

void tess_table_put_arena(struct tess_text *text, int64_t arena_bytes, int64_t peak_bytes)
{
    double more = (double)(arena_bytes - peak_bytes);
    tess_table_put_bytes(text, "arena", arena_bytes);
    if (arena_bytes == peak_bytes)
        tess_text_printf(text, "  no byte more than the peak\n");
    else
        tess_text_printf(text, "  %.2f %% more than the peak\n",
                         peak_bytes > 0 ? 100.0 * more / (double)peak_bytes : 0);
}
