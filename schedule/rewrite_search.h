/* Chooses what to rewrite: concats without which the least peak is lower, and the order then.
 *
 * schedule/rewrite.h does the rewriting. What is worth it is only known from orders: this orders
 * the graph as it is, then dissolves concats near the moment of the peak, ever more of them until
 * the peak falls, again and again; in the end it takes back what did not help. The peak is never
 * above that of the graph as it is. Whether another choice had a lower one is not proven, unless
 * it is floor_bytes; that no order of the graph chosen has is, if the method proves it.
 */
#ifndef TESS_SCHEDULE_REWRITE_SEARCH_H
#define TESS_SCHEDULE_REWRITE_SEARCH_H

#include "schedule/ordering.h"
#include "schedule/rewrite.h"

struct tess_rewrite_options {
    enum tess_memory_model model;
    int64_t alignment;
    int accumulator_factor; /* see tess_rewrite_apply */
    const struct tess_order_method *method;
    struct tess_order_limits limits; /* seconds: of all together */
};

/* View, not aligned, sums in the type of the tensor, the exact method with its limits. */
void tess_rewrite_options_init(struct tess_rewrite_options *options);

struct tess_rewrite_found {
    struct tess_rewritten rewritten;
    struct tess_task_graph *counted; /* its graph, counted by the model */
    struct tess_order_result order;  /* of `counted`; owns order.order */
    int64_t plain_bytes;             /* the peak without rewriting */
    int64_t
        floor_bytes; /* no choice has a lower peak: tasks that none changes need this */
    int n_sites, n_orders; /* concats to choose from; orders that were looked for */
};

/* Chooses for `graph` (not counted yet). TESS_E_NOMEM, and what the method returns for the graph
 * as it is; release in every case. Deterministic as long as no time limit ends anything. */
enum tess_status tess_rewrite_find(struct tess_rewrite_found *found,
                                   const struct tess_task_graph *graph,
                                   const struct tess_rewrite_options *options,
                                   struct tess_error *error);
void tess_rewrite_found_release(struct tess_rewrite_found *found); /* zeroed, NULL too */

#endif
