/* Plans that may split convolutions of concats (model/graph_split.h): which ones, if any.
 *
 * A search around the planner (planner/planner.h), which plans the network as it is and split in
 * this way and that, and judges by what comes out. A split plan's results differ from the
 * network's in their last bits: only who allows it gets one, and only where it is needed or
 * faster.
 */
#ifndef TESS_PLANNER_REWRITING_H
#define TESS_PLANNER_REWRITING_H

#include "base/error.h"
#include "planner/planner.h"

/* As tess_planner_plan. If the plan found splits convolutions, *split_out is a new graph that it is
 * for; else NULL, and the plan is for `graph`. Splits only if no plan of the network itself fits
 * the budget, or if the plan is faster by a hundredth at least. Without a budget nothing is split;
 * nor by kernel families that cannot add up sums themselves. Errors and report are those of what
 * came closest. */
enum tess_status tess_rewriting_plan(const struct tess_graph *graph,
                                     const struct tess_planner_options *options,
                                     struct tess_graph **split_out,
                                     struct tess_plan **plan_out,
                                     struct tess_planner_report *report_out,
                                     struct tess_error *error);

#endif
