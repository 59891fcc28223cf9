/* Lines that the tables of schedules share. Part of the planner program. */
#ifndef TESS_CLI_PLANNER_TABLE_H
#define TESS_CLI_PLANNER_TABLE_H

#include <stdint.h>

#include "base/text.h"

/* Appends the beginning of a line: what it is of, and its bytes, exactly and rounded. */
void tess_table_put_bytes(struct tess_text *text, const char *what, int64_t bytes);

/* Appends the line of an arena: its bytes, and how many more they are than the peak. */
void tess_table_put_arena(struct tess_text *text, int64_t arena_bytes,
                          int64_t peak_bytes);

#endif
