/* The independent checker of orders and of places: shares no code with those who propose.
 *
 * schedule/peak.h follows what is alive from task to task; this works from lifetimes, interval by
 * interval, straight from the definition in schedule/task_graph.h. It corrects nothing.
 */
#ifndef TESS_SCHEDULE_CHECK_H
#define TESS_SCHEDULE_CHECK_H

#include "schedule/task_graph.h"

/* Is `order` [n_tasks] every task once, each after all that it needs, and how much is alive at
 * most? TESS_E_VERIFY with a message if not, TESS_E_NOMEM. Cost: O(size). */
enum tess_status tess_check_order(const struct tess_task_graph *graph, const int *order,
                                  int64_t *peak_out, struct tess_error *error);

/* Do tensors that are alive together keep apart in the arena, but for an output on the input that
 * it overwrites; is each inside, and aligned? offsets [n_tensors] in bytes; tensors of no bytes
 * or that never live are not looked at. `order` must have passed tess_check_order.
 * TESS_E_VERIFY, TESS_E_NOMEM. Cost: O(n_tensors^2). */
enum tess_status tess_check_places(const struct tess_task_graph *graph, const int *order,
                                   const int64_t *offsets, int64_t arena_bytes,
                                   int64_t alignment, struct tess_error *error);

#endif
