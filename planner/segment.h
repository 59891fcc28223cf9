/* One segment of the schedule under one tiling: its memory and its time.
 *
 * What a search needs to know about a candidate group, without knowing how groups are laid out.
 */
#ifndef TESS_PLANNER_SEGMENT_H
#define TESS_PLANNER_SEGMENT_H

#include "base/error.h"
#include "planner/search.h"

struct tess_segment_cost {
    int64_t peak_bytes; /* activations alive at the worst tick, those included that merely
                                survive the segment */
    int64_t workspace_bytes; /* held for the whole run by the segment's kernels */
    double time_us;          /* with all weights held */
    const int
        *n_reads; /* [last - first + 1] tiles in which each op computes: how often it
                           would read its weights; valid until the next evaluation */
};

/* Evaluates candidate groups of one graph in one order. */
struct tess_segmenter {
    const struct tess_graph *graph;             /* borrowed */
    const struct tess_planner_options *options; /* borrowed */
    struct tess_plan *plan;                     /* scratch */
    int *position;                              /* [n_ops] op id -> schedule position */
    int *n_reads;                               /* [n_ops] scratch */
    int n_evaluated;
};

enum tess_status tess_segmenter_init(struct tess_segmenter *segmenter,
                                     const struct tess_search_problem *problem,
                                     struct tess_error *error);
void tess_segmenter_release(struct tess_segmenter *segmenter); /* accepts zeroed memory */

/* Positions [first, last] as one group with `tiling`, everything else whole. */
enum tess_status tess_segment_evaluate(struct tess_segmenter *segmenter, int first,
                                       int last, struct tess_tiling tiling,
                                       struct tess_segment_cost *cost_out,
                                       struct tess_error *error);

/* Can positions [first, last] sit in one tiled group? */
bool tess_segment_can_tile(const struct tess_segmenter *segmenter, int first, int last);

enum { TESS_SEGMENT_MAX_TILINGS = 64 };

/* The tilings worth trying for positions [first, last], the untiled one first when it is a single
 * op and the only one when that op cannot be tiled. Returns how many. */
int tess_segment_tilings(const struct tess_segmenter *segmenter, int first, int last,
                         struct tess_tiling tilings_out[TESS_SEGMENT_MAX_TILINGS]);

#endif
