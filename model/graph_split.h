/* Splitting: a convolution that reads a concat becomes a chain of partial convolutions, one for
 * each tensor that the concat joins, each adding to what those before it came to.
 *
 * What it is good for: a part dies once its partial convolution has run, and the concat, if nobody
 * else reads it, never exists. What it costs: the sums are added up in another order, so that the
 * result differs from that of the network in its last bits. Which convolutions are worth it is
 * the planner's business; that the chains are right is checked by plan/verify_split.h, which
 * shares no code with this.
 *
 * A partial convolution is an op as any other: conv with tess_op.kernel_channels > 0. The parts
 * are the concat's inputs, those of a concat among them in its place, in the order in which they
 * are computed: so the chain can start with what is there first. The first partial convolution
 * starts from the biases, the last has the activation. All are of the convolution's layer and use
 * the convolution's weights in the file.
 *
 * Reference: the channel-wise rewriting of B. H. Ahn et al., "Ordering Chaos: Memory-Aware
 * Scheduling of Irregularly Wired Neural Networks for Edge Devices", MLSys 2020, section 3.3.
 */
#ifndef TESS_MODEL_GRAPH_SPLIT_H
#define TESS_MODEL_GRAPH_SPLIT_H

#include "base/error.h"
#include "model/graph.h"

enum { TESS_SPLIT_MAX_PARTS = 64 };

/* Parts that op `op` would be split into, at most TESS_SPLIT_MAX_PARTS; 0 if it cannot be: it is
 * no convolution, is grouped, is a part already, has more parts, or reads no concat. */
int tess_graph_n_parts(const struct tess_graph *graph, int op);

/* New graph in which the ops marked in is_split [n_ops], which all can be, are split; the other
 * ops keep their order. Concats that nobody reads any more are gone, their layers
 * TESS_LAYER_DISSOLVED. hash is the new graph's own, source_hash that of `graph`, which is not
 * itself the result of a split. TESS_E_NOMEM. */
enum tess_status tess_graph_split(const struct tess_graph *graph, const bool *is_split,
                                  struct tess_graph **split_out,
                                  struct tess_error *error);

#endif
