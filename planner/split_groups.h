/* The groups of a plan, handed on to the same network with more convolutions split.
 *
 * So that what a split is worth can be seen with everything else as it was. Proposes plans; whether
 * they are valid says tess_plan_check, and what they are worth whoever lays them out.
 */
#ifndef TESS_PLANNER_SPLIT_GROUPS_H
#define TESS_PLANNER_SPLIT_GROUPS_H

#include "base/error.h"
#include "plan/plan.h"

/* New plan for `to`, with the order, groups, copies, facts and threads of `plan`, which is for
 * `from`; both are splits of one network, and all that is split in `from` is in `to`. Nothing is
 * streamed. The parts of a convolution run in its group, in its place; with `is_early` those before
 * the last of `layer`'s run right after what they wait for, in the group of that. Groups that
 * would be empty are gone. TESS_E_NOMEM. Cost: O(n_ops^2). */
enum tess_status tess_split_groups(const struct tess_graph *from,
                                   const struct tess_plan *plan,
                                   const struct tess_graph *to, int layer, bool is_early,
                                   struct tess_plan **plan_out, struct tess_error *error);

#endif
