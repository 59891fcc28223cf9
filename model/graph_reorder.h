/* The same network with its ops in another order.
 */
#ifndef TESS_MODEL_GRAPH_REORDER_H
#define TESS_MODEL_GRAPH_REORDER_H

#include "model/graph.h"

/* New graph whose op i is op order[i] of `graph`; layers, weights and their places stay. Every op
 * comes after those that it reads. hash and source_hash are its own, in the graph's own order
 * the graph's hash. TESS_E_NOMEM. */
enum tess_status tess_graph_reorder(const struct tess_graph *graph, const int *order,
                                    struct tess_graph **graph_out,
                                    struct tess_error *error);

/* Fills order_out [n_ops]: the graph's own order, but what makes a map at most half as large as the
 * only one it reads comes right after the op that makes that one, so that the large one need not
 * live on for it. If there are several, each is followed by what shrinks its own map before the
 * next. Cost: O(n_ops^2). */
void tess_graph_shrinking_order(const struct tess_graph *graph, int *order_out);

#endif
