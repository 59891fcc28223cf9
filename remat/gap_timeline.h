/* Where a tensor may be dropped, held and computed anew between the tasks of a fixed order.
 *
 * A moment p is the instant before the task at place p runs, or the end (p = n_tasks). A tensor's
 * line is the list of the moments at which it may have to be there: the places of its consumers,
 * where it must be (a use), and moments at which a task that reads it may run again (a chance).
 * Between a use and the next one is a retention gap. From one point to the next the tensor is held
 * or not; at a point it may be computed by another run of its task. gap_programme.h makes an
 * integer programme of this; nothing here is decided.
 */
#ifndef TESS_REMAT_GAP_TIMELINE_H
#define TESS_REMAT_GAP_TIMELINE_H

#include "remat/sequence.h"

/* How many points there are. Every sequence that a coarser line has, a finer one has, too. */
struct tess_gap_detail {
    int depth;   /* recomputations that need each other: 1 .. 3; the rest must be held */
    int n_early; /* candidate moments inside a gap, besides its end */
    bool
        splits; /* chances inside gaps, too; else an input must be held over its whole gap */
    bool covers_all; /* gaps that cover no place over the budget as well */
    /* Whose gaps are looked at, [n_tasks], and what runs again besides; NULL: all, nothing. */
    const bool *is_free;
    const struct tess_remat_sequence *start;
};

struct tess_gap_run {
    int task, moment, depth;
    bool is_of_start; /* happens in `start` */
    bool is_fixed;    /* and must, for the task is not free */
};

struct tess_gap_point {
    int moment;
    bool is_use;
    int run; /* that makes it anew at this moment, -1: none may */
};

struct tess_gap_line {
    /* The first and last place at which a tensor that cannot be computed anew is alive: one that
     * is an input, or that several tasks add to. Of others the place of the producer, -1. */
    int birth, death;
    bool is_fixed;
    int n_points, capacity;
    struct tess_gap_point
        *points; /* [n_points] rising; of a fixed one those after its death */
};

struct tess_gap_timeline {
    const struct tess_remat_problem *problem; /* borrowed */
    const int *order;                         /* [n_tasks] borrowed */
    int *place;                               /* [n_tasks] in the order */
    bool *is_over;               /* [n_tasks] places that need more than the budget */
    struct tess_gap_line *lines; /* [n_tensors] */
    int n_runs, capacity;
    struct tess_gap_run *runs; /* [n_runs] the shallow ones first */
};

/* Lays out the lines for this valid order, in which tasks run first in detail->start, too.
 * TESS_E_NOMEM; the caller releases in every case. Cost: O(sum of squares of points per line). */
enum tess_status tess_gap_timeline_init(struct tess_gap_timeline *timeline,
                                        const struct tess_remat_problem *problem,
                                        const int *order,
                                        const struct tess_gap_detail *detail,
                                        struct tess_error *error);
void tess_gap_timeline_release(struct tess_gap_timeline *timeline); /* zeroed, NULL */

/* The first point of the line at this moment or later; n_points if there is none. */
int tess_gap_line_find(const struct tess_gap_line *line, int moment);

/* The run of this task at this moment, -1: there is none. */
int tess_gap_timeline_run(const struct tess_gap_timeline *timeline, int task, int moment);

#endif
