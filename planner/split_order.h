/* An order for networks with split convolutions (model/graph_split.h).
 *
 * The graph lists the parts of a convolution one after the other, where the convolution was. A part
 * that could run long before may be worth running then: what it reads need not wait, only the
 * sums, which may be smaller. Knows nothing of memory beyond that: which order is best is found
 * out by planning with it.
 */
#ifndef TESS_PLANNER_SPLIT_ORDER_H
#define TESS_PLANNER_SPLIT_ORDER_H

#include "base/error.h"
#include "model/graph.h"

/* Fills order_out [n_ops]: the graph's own, but the parts of a chain as early as they can run
 * wherever no more bytes wait then: summed over tensors, their bytes times the other ops that run
 * while they are there. TESS_E_NOMEM. Cost: O(chains * (ops + inputs)). */
enum tess_status tess_split_order(const struct tess_graph *graph, int *order_out,
                                  struct tess_error *error);

#endif
