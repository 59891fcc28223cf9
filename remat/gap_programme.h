/* The choice of what to drop and compute anew along a timeline, as an integer programme. The
 * formulation is told in gap_programme.c.
 */
#ifndef TESS_REMAT_GAP_PROGRAMME_H
#define TESS_REMAT_GAP_PROGRAMME_H

#include "remat/gap_timeline.h"
#include "remat/units.h"
#include "solver/milp.h"

/* Runs of one moment in the order in which they happen. */
struct tess_gap_moment {
    int n_runs, first_run; /* in by_moment */
    int n_rows, first_row; /* of memory while they run */
};

struct tess_gap_programme {
    const struct tess_gap_timeline *timeline; /* borrowed */
    struct tess_remat_units units;
    int *first_hold;                 /* [n_tensors] column of the first point's "held" */
    struct tess_gap_moment *moments; /* [n_tasks + 1] */
    int *by_moment;     /* [n_runs] runs by moment, then place; columns are 0.. */
    bool is_infeasible; /* some place needs too much whatever is dropped */
    struct tess_milp *milp;
};

/* Builds the programme of the cheapest runs that keep to the budget. If it is relaxed, runs may
 * happen in part: that is soon solved and says which are worth a look. Those with is_off [n_runs],
 * which may be NULL, must not happen. TESS_E_NOMEM; the caller
 * releases in every case. Cost: O(n_tasks * points) for the rows of memory. */
enum tess_status tess_gap_programme_init(struct tess_gap_programme *programme,
                                         const struct tess_gap_timeline *timeline,
                                         bool is_relaxed, const bool *is_off,
                                         struct tess_error *error);
void tess_gap_programme_release(struct tess_gap_programme *programme); /* zeroed, NULL */

/* What the columns are [columns of milp] for this sequence; false: the timeline lacks a moment at
 * which it runs something. Whether they keep to the rows is not looked at. */
bool tess_gap_programme_fill(const struct tess_gap_programme *programme,
                             const struct tess_remat_sequence *sequence,
                             double *values_out);

/* The sequence of the solution that the solver found last. TESS_E_NOMEM. */
enum tess_status tess_gap_programme_read(const struct tess_gap_programme *programme,
                                         struct tess_remat_sequence *sequence_out,
                                         struct tess_error *error);

#endif
