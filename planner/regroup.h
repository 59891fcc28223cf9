/* Another order of a plan's groups, in which fewer bytes are alive.
 *
 * A search cuts one order of the ops into groups; once these are fixed, what lies between them and
 * what each holds is known, and the exact method (schedule/ordering.h) orders them as tasks. For
 * orders of single ops: planner/order.h.
 */
#ifndef TESS_PLANNER_REGROUP_H
#define TESS_PLANNER_REGROUP_H

#include "model/graph.h"
#include "plan/plan.h"

/* New plan with the same groups in another order and a smaller arena, predictions as they were, or
 * NULL in *regrouped_out if none was found. The plan must pass tess_plan_check. TESS_E_NOMEM.
 * Cost: a layout; where some order could be better at all, milliseconds for a hundred groups. */
enum tess_status tess_regroup(const struct tess_graph *graph,
                              const struct tess_plan *plan,
                              struct tess_plan **regrouped_out, struct tess_error *error);

#endif
