/* What memory buys: the plans for all budgets, from the smallest that works to the one beyond
 * which more changes nothing.
 */
#ifndef TESS_PLANNER_CURVE_H
#define TESS_PLANNER_CURVE_H

#include "planner/planner.h"

struct tess_curve_point {
    int64_t budget_bytes; /* asked for */
    int64_t peak_bytes;   /* of the plan, not above it */
    double predicted_us;
    int n_groups, n_streamed_ops;
    int64_t streamed_bytes; /* packed weights that are not held */
    int64_t read_bytes;  /* of weights, in one run: streamed ones as often as they are */
    bool has_new_groups; /* other groups or tilings than the point before */
};

struct tess_curve {
    int n_points;
    struct tess_curve_point *points; /* budgets rise, times fall strictly */
    int limiting_layer;              /* at which the smallest plan peaks */
};

/* Budgets on a geometric grid, closer where groups change; `planner` is one for `graph`. What the
 * planner says of an infeasible budget cannot happen; TESS_E_NOMEM. Cost: some tens of
 * tess_planner_find. */
enum tess_status tess_curve_init(struct tess_curve *curve, const struct tess_graph *graph,
                                 struct tess_planner *planner, struct tess_error *error);
void tess_curve_release(struct tess_curve *curve); /* accepts zeroed memory */

#endif
