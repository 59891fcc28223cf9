/* Graphs of a few ops for tests of kernels and plans. Anything that goes wrong while
 * making one is an assertion. */
#ifndef TESS_TESTS_SMALL_GRAPH_H
#define TESS_TESTS_SMALL_GRAPH_H

#include "model/graph.h"
#include "model/graph_build.h"

/* New graph of `n_ops` copies of `ops`, op i putting out tensor i + 1 of shape outs[i] as
 * layer i. Tensor 0 is the input. */
struct tess_graph *small_graph_create(struct tess_shape input, const struct tess_op *ops,
                                      const struct tess_shape *outs, int n_ops);

/* The usual output shape of a window op on `in`: every window that fits the padded map,
 * the padding being equal on both sides. Channels are `filters`. */
struct tess_shape small_graph_window_shape(struct tess_shape in,
                                           struct tess_window window, int filters);

/* A square window, undilated. */
struct tess_window small_graph_window(int kernel, int stride, int pad);

#endif
