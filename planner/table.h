/* All candidate groups of one graph in one order: what a search chooses from.
 *
 * Filled once, independent of any budget. Of the tilings of a segment only those are kept that
 * no other beats in memory and in time, held or streamed. Chooses nothing: ask a search.
 */
#ifndef TESS_PLANNER_TABLE_H
#define TESS_PLANNER_TABLE_H

#include "base/error.h"
#include "planner/search.h"

/* A segment under one tiling. */
struct tess_table_entry {
    int64_t peak_bytes, workspace_bytes; /* as in struct tess_segment_cost */
    double time_us;                      /* with all weights held */
    double read_us;                      /* what streaming all of them costs besides */
    struct tess_tiling tiling;
    int segment;
    int n_reads; /* where in tess_table.n_reads those of its ops begin */
};

/* Positions [first, last]; its entries are [begin, end), peaks ascending. */
struct tess_table_segment {
    int first, last;
    int begin, end;
};

struct tess_table {
    int n_ops;
    int n_segments, n_entries;
    struct tess_table_segment *segments; /* by last, then from near to far */
    struct tess_table_entry *entries;
    int *n_reads;
    int64_t *weights_bytes;   /* [n_ops] by position: what could be streamed; else 0 */
    double *read_us;          /* [n_ops] of reading those once, in the smallest slices */
    int64_t most_block_bytes; /* of weights that could be streamed */
    int n_evaluated;
};

/* TESS_E_NOMEM. `problem` is not kept. */
enum tess_status tess_table_init(struct tess_table *table,
                                 const struct tess_search_problem *problem,
                                 struct tess_error *error);
void tess_table_release(struct tess_table *table); /* accepts zeroed memory */

#endif
