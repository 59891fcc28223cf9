/* An order of one rewriting of a graph, taken over to another rewriting of the same graph. */
#ifndef TESS_SCHEDULE_REWRITE_FOLLOW_H
#define TESS_SCHEDULE_REWRITE_FOLLOW_H

#include "schedule/rewrite.h"

/* Fills order_out [target->graph->n_tasks]: a valid order that keeps to `order` of `source` where
 * it can. A task that is in parts in one of the two goes where the last of its parts is, a concat
 * that only the target has where its last input is made. Says nothing about the peak.
 * TESS_E_NOMEM. Cost: O(tasks * tasks that can run at once). */
enum tess_status tess_rewrite_follow(const struct tess_rewritten *source,
                                     const int *order,
                                     const struct tess_rewritten *target, int *order_out,
                                     struct tess_error *error);

#endif
