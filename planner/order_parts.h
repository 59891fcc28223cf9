/* Divides the ordering of a task graph into parts that can be ordered by themselves.
 *
 * A state D (the tasks that have run by some place of an order) divides if some best order passes
 * through it. When that is certain: order_parts.c.
 */
#ifndef TESS_PLANNER_ORDER_PARTS_H
#define TESS_PLANNER_ORDER_PARTS_H

#include "schedule/chains.h"

/* Marks in is_divided_out [n_tasks + 1] the places of a valid order [n_tasks] before whose task
 * the state divides; 0 and n_tasks always do. Places not looked at by `deadline_us`
 * (base/clock.h) are not marked. `singles`: the tasks, unfused. TESS_E_NOMEM. Cost: one minimum
 * cut per place where no fewer bytes are alive before or after it and task that could run there.
 */
enum tess_status tess_order_divide(const struct tess_chains *singles, const int *order,
                                   double deadline_us, bool *is_divided_out,
                                   struct tess_error *error);

/* The tasks at [begin, end) of a valid order, between two states that divide, as a graph of their
 * own: task i is the order's task begin + i, so 0, 1, 2.. is valid. What is alive before the part
 * is an input, what is needed behind it is retained. Sizes become multiples of unit_bytes,
 * rounded down; 1 leaves them as they are. New graph. TESS_E_NOMEM. */
enum tess_status tess_order_part_create(const struct tess_task_graph *graph,
                                        const int *order, int begin, int end,
                                        int64_t unit_bytes,
                                        struct tess_task_graph **part_out,
                                        struct tess_error *error);

#endif
