/* What must be paid at least: the runs that one violated moment of a fixed order forces. */
#ifndef TESS_REMAT_COST_BOUND_H
#define TESS_REMAT_COST_BOUND_H

#include "remat/sequence.h"

/* *cost_out: no sequence within the budget in which the tasks first run in problem->order costs
 * less; INT64_MAX: there is none. Holds for all sequences if each task of the order needs the one
 * before it, or if the order is kept; otherwise *cost_out is tess_remat_least_cost.
 * TESS_E_NOMEM. Cost: O(n_tasks * tensors alive * log). */
enum tess_status tess_remat_bound_cost(const struct tess_remat_problem *problem,
                                       int64_t *cost_out, struct tess_error *error);

#endif
