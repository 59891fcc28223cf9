/* Orders in which the ops of a graph can run.
 *
 * The order decides how long tensors wait: YOLOv2's passthrough keeps 3 MB for eleven layers if
 * its 1x1 convolution runs where the cfg has it, and 0.4 MB if it runs at once. Proposes orders;
 * which is best is found out by planning with each (planner/planner.h).
 */
#ifndef TESS_PLANNER_ORDER_H
#define TESS_PLANNER_ORDER_H

#include "base/error.h"
#include "model/graph.h"
#include "schedule/task_graph.h"

/* Fills order_out [n_ops] by greedy list scheduling: of the ops that can run, always the one
 * after which the fewest bytes are alive, the first in the graph's own order of equals.
 * TESS_E_NOMEM. Cost: O(n_ops^2 * inputs). */
enum tess_status tess_order_greedy(const struct tess_graph *graph, int *order_out,
                                   struct tess_error *error);

/* Fills order_out [n_ops] with one of the least peak when ops run whole, concats are views and
 * ops overwrite what they may: the exact method (schedule/ordering.h). *peak_out: its peak,
 * *own_peak_out that of `own` [n_ops], a valid order, in the same model. Where nothing better than
 * this is proven, it is this. TESS_E_NOMEM. */
enum tess_status tess_order_exact(const struct tess_graph *graph, const int *own,
                                  int *order_out, int64_t *peak_out,
                                  int64_t *own_peak_out, struct tess_error *error);

/* The same for tasks: order_out [n_tasks] and its peak; INT64_MAX, and no order, where none was
 * proven within limits that are wide for graphs of some hundred tasks. */
enum tess_status tess_order_of_tasks(const struct tess_task_graph *counted,
                                     int *order_out, int64_t *peak_out,
                                     struct tess_error *error);

/* Bytes of tensors alive, summed over the ops when they run whole in this order, each with its
 * inputs and output: how much the tensors wait. 0 without memory. */
int64_t tess_order_byte_ticks(const struct tess_graph *graph, const int *order);

#endif
