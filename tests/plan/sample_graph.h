/* Small networks made in code, for tests and fuzzers of plans: no importer, no files.
 *
 * The sample has each oddity that the text of plans must cope with: a layer without an
 * op, one with several, ops that cannot be cut, branches that can run in either order.
 */
#ifndef TESS_TESTS_PLAN_SAMPLE_GRAPH_H
#define TESS_TESTS_PLAN_SAMPLE_GRAPH_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph.h"

#define SAMPLE_HASH                                                                      \
    UINT64_C(0x0123456789abcdef) /* fixed, so that recorded plans stay valid */

/* An empty network with room for `n_most` ops and layers. Ends the program without
 * memory. */
static inline struct tess_graph *sample_begin(const char *name, int n_most, int side,
                                              int channels)
{
    struct tess_graph *graph = calloc(1, sizeof *graph);
    size_t n = (size_t)n_most;
    if (!graph)
        abort();
    graph->name = strdup(name);
    graph->ops = calloc(n, sizeof *graph->ops);
    graph->tensors = calloc(n + 1, sizeof *graph->tensors);
    graph->layers = calloc(n, sizeof *graph->layers);
    if (!graph->name || !graph->ops || !graph->tensors || !graph->layers)
        abort();
    graph->picture.image_h = graph->picture.image_w = side;
    graph->picture.scale = 1;
    graph->tensors[0].h = graph->tensors[0].w = side;
    graph->tensors[0].c = channels;
    graph->tensors[0].producer = -1;
    graph->n_tensors = 1;
    return graph;
}

/* Adds an op of the next layer (or of the last one) and returns its tensor. Its kernel is
 * 3x3 padded, or 2x2 stride 2 for a maxpool. */
static inline int sample_add(struct tess_graph *graph, enum tess_op_kind kind,
                             int channels, const int *inputs, int n_inputs)
{
    const struct tess_tensor *in = &graph->tensors[inputs[0]];
    struct tess_op *op = &graph->ops[graph->n_ops++];
    struct tess_tensor *out = &graph->tensors[graph->n_tensors];
    bool is_window = kind == TESS_OP_CONV || kind == TESS_OP_MAXPOOL;
    int kernel = kind == TESS_OP_CONV ? 3 : kind == TESS_OP_MAXPOOL ? 2 : 1;
    int stride = kind == TESS_OP_MAXPOOL ? 2 : 1;
    int factor = kind == TESS_OP_REORG ? 2 : 1;
    *op = (struct tess_op){
        .kind = kind, .n_inputs = n_inputs, .groups = 1, .factor = factor};
    op->layer = graph->n_layers;
    op->output = graph->n_tensors++;
    op->alpha = op->beta = 1;
    op->window = (struct tess_window){kernel, kernel, stride, stride, 1, 1, 0, 0};
    if (kind == TESS_OP_CONV)
        op->window.pad_top = op->window.pad_left = 1;
    op->inputs = calloc((size_t)n_inputs, sizeof *op->inputs);
    if (!op->inputs)
        abort();
    memcpy(op->inputs, inputs, sizeof *inputs * (size_t)n_inputs);
    out->h = (is_window ? in->h / stride : in->h) / factor;
    out->w = (is_window ? in->w / stride : in->w) / factor;
    out->c = channels;
    return op->output;
}

static inline void sample_add_layer(struct tess_graph *graph, const char *name,
                                    int tensor)
{
    struct tess_layer *layer = &graph->layers[graph->n_layers++];
    strncpy(layer->name, name, sizeof layer->name - 1);
    layer->tensor = tensor;
}

static inline int sample_layer(struct tess_graph *graph, enum tess_op_kind kind,
                               int channels, int input)
{
    int tensor = sample_add(graph, kind, channels, &input, 1);
    sample_add_layer(graph, tess_op_kind_name(kind), tensor);
    return tensor;
}

static inline int sample_concat(struct tess_graph *graph, int a, int b)
{
    int inputs[] = {a, b}, channels = graph->tensors[a].c + graph->tensors[b].c;
    return sample_add(graph, TESS_OP_CONCAT, channels, inputs, 2);
}

static inline struct tess_graph *sample_end(struct tess_graph *graph)
{
    if (tess_graph_finish(graph, NULL) != TESS_OK)
        abort();
    return graph;
}

/*  0 conv 32x32x8    1 pool 16x16x8    2 conv x16    3 conv x8    4 conv x16    5 pool
 * 8x8 6 conv 8x8x32     7 = layer 4       8 conv 16x16x8 of it       9 reorg 8x8x32 10
 * concat 9, 6    11 concat of slices of 9 and 6: three ops   12 concat 10, 11 13 conv
 * 8x8x10 */
static inline struct tess_graph *sample_graph(void)
{
    struct tess_graph *graph = sample_begin("sample", 20, 32, 3);
    int at = sample_layer(graph, TESS_OP_CONV, 8, TESS_GRAPH_INPUT);
    at = sample_layer(graph, TESS_OP_MAXPOOL, 8, at);
    at = sample_layer(graph, TESS_OP_CONV, 16, at);
    at = sample_layer(graph, TESS_OP_CONV, 8, at);
    int branch = sample_layer(graph, TESS_OP_CONV, 16, at);
    at = sample_layer(graph, TESS_OP_MAXPOOL, 16, branch);
    int main_path = sample_layer(graph, TESS_OP_CONV, 32, at);
    sample_add_layer(graph, "route", branch);
    at = sample_layer(graph, TESS_OP_CONV, 8, branch);
    int passthrough = sample_layer(graph, TESS_OP_REORG, 32, at);
    int joined = sample_concat(graph, passthrough, main_path);
    sample_add_layer(graph, "route", joined);
    int a = sample_add(graph, TESS_OP_SLICE, 16, &passthrough, 1);
    int b = sample_add(graph, TESS_OP_SLICE, 16, &main_path, 1);
    int halves = sample_concat(graph, a, b);
    sample_add_layer(graph, "route", halves);
    at = sample_concat(graph, joined, halves);
    sample_add_layer(graph, "route", at);
    sample_layer(graph, TESS_OP_CONV, 10, at);
    sample_end(graph);
    graph->source_hash = graph->hash = SAMPLE_HASH;
    return graph;
}

#endif
