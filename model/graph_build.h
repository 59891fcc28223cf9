/* Making a graph op by op: what importers share.
 *
 * Holds the limits every graph keeps, so that sizes downstream cannot overflow. Does not
 * read any file format and does not judge whether a shape makes sense: importers check
 * what the user wrote, with line and column, before they add an op.
 */
#ifndef TESS_MODEL_GRAPH_BUILD_H
#define TESS_MODEL_GRAPH_BUILD_H

#include "model/graph.h"

enum {
    TESS_LIMIT_SIDE = 65536,       /* rows or columns of a plane */
    TESS_LIMIT_CHANNELS = 1 << 20, /* channels of a tensor */
    TESS_LIMIT_LAYERS = 4096,      /* layers of a network */
    TESS_LIMIT_WINDOW = 1024,      /* kernel side, stride and dilation of a window */
    TESS_LIMIT_ELEMS = INT32_MAX,  /* elements of a tensor, floats of an op's kernel */
};
#define TESS_LIMIT_MACS (INT64_C(1) << 50) /* multiply-adds of one op */

struct tess_shape {
    int64_t h, w, c;
};

struct tess_graph_builder {
    struct tess_graph *graph; /* owned until tess_graph_builder_finish */
    int op_capacity, tensor_capacity, layer_capacity;
};

/* Begins a graph with the given name and an input of one element. TESS_E_NOMEM; the
 * caller releases in every case. */
enum tess_status tess_graph_builder_init(struct tess_graph_builder *builder,
                                         const char *name, struct tess_error *error);
void tess_graph_builder_release(
    struct tess_graph_builder *builder); /* accepts zeroed memory */

/* Gives the input its shape (within the limits) and the graph a neutral picture of the
 * same size. Only before the first op. */
void tess_graph_builder_set_input(struct tess_graph_builder *builder,
                                  struct tess_shape shape);

/* Is every dimension, and their product, at least one and within the limits? */
bool tess_shape_is_sane(struct tess_shape shape);

/* An op of `kind` with one input `input` from `layer`, everything else neutral: window of
 * one pixel, one group, linear, alpha and beta 1, factor 1. `input` is borrowed: ops with
 * several inputs point `inputs` to their own array and set n_inputs. */
struct tess_op tess_op_neutral(enum tess_op_kind kind, int layer, int *input);

/* Appends a copy of `op` (its inputs and anchors are copied too), puts out a tensor of
 * `shape`, and counts its weights: an op with weights_offset -1 gets its place after
 * those of the ops before. `op->output` is ignored. TESS_E_NOMEM. */
enum tess_status tess_graph_builder_add_op(struct tess_graph_builder *builder,
                                           const struct tess_op *op,
                                           struct tess_shape shape, int *tensor_out,
                                           struct tess_error *error);

/* Appends a layer that puts out `tensor` (-1: none). Names are cut to what fits.
 * TESS_E_NOMEM. */
enum tess_status tess_graph_builder_add_layer(struct tess_graph_builder *builder,
                                              const char *name, int line, int tensor,
                                              struct tess_error *error);

/* Hands the finished graph over and leaves the builder empty. TESS_E_NOMEM. */
enum tess_status tess_graph_builder_finish(struct tess_graph_builder *builder,
                                           struct tess_graph **graph_out,
                                           struct tess_error *error);

#endif
