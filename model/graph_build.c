#include "model/graph_build.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* Makes room for one more element of `size` bytes in an array that holds `count`. */
static bool make_room(void **array, int *capacity, int count, size_t size)
{
    assert(count >= 0 && count <= *capacity && size > 0);
    if (count < *capacity)
        return true;
    int grown = *capacity ? 2 * *capacity : 16;
    void *bigger = realloc(*array, (size_t)grown * size);
    if (!bigger)
        return false;
    *array = bigger;
    *capacity = grown;
    return true;
}

static int add_tensor(struct tess_graph_builder *builder, struct tess_shape shape)
{
    struct tess_graph *graph = builder->graph;
    void *tensors = graph->tensors;
    assert(tess_shape_is_sane(shape));
    bool has_room = make_room(&tensors, &builder->tensor_capacity, graph->n_tensors,
                              sizeof *graph->tensors);
    graph->tensors = tensors;
    if (!has_room)
        return -1;
    struct tess_tensor *tensor = &graph->tensors[graph->n_tensors];
    memset(tensor, 0, sizeof *tensor);
    tensor->h = (int)shape.h;
    tensor->w = (int)shape.w;
    tensor->c = (int)shape.c;
    tensor->producer = -1;
    return graph->n_tensors++;
}

enum tess_status tess_graph_builder_init(struct tess_graph_builder *builder,
                                         const char *name, struct tess_error *error)
{
    struct tess_shape one = {1, 1, 1};
    memset(builder, 0, sizeof *builder);
    builder->graph = calloc(1, sizeof *builder->graph);
    if (!builder->graph)
        return tess_error_nomem(error);
    builder->graph->name = strdup(name);
    if (!builder->graph->name || add_tensor(builder, one) != TESS_GRAPH_INPUT)
        return tess_error_nomem(error);
    tess_graph_builder_set_input(builder, one);
    return TESS_OK;
}

void tess_graph_builder_release(struct tess_graph_builder *builder)
{
    if (!builder)
        return;
    tess_graph_destroy(builder->graph);
    memset(builder, 0, sizeof *builder);
}

void tess_graph_builder_set_input(struct tess_graph_builder *builder,
                                  struct tess_shape shape)
{
    struct tess_graph *graph = builder->graph;
    assert(graph->n_ops == 0 && tess_shape_is_sane(shape));
    struct tess_tensor *input = &graph->tensors[TESS_GRAPH_INPUT];
    input->h = (int)shape.h;
    input->w = (int)shape.w;
    input->c = (int)shape.c;
    graph->picture = (struct tess_picture){
        .image_h = input->h, .image_w = input->w, .scale = 1, .offset = 0};
}

bool tess_shape_is_sane(struct tess_shape shape)
{
    bool is_each_sane = shape.h >= 1 && shape.h <= TESS_LIMIT_SIDE && shape.w >= 1 &&
                        shape.w <= TESS_LIMIT_SIDE && shape.c >= 1 &&
                        shape.c <= TESS_LIMIT_CHANNELS;
    return is_each_sane && shape.h * shape.w * shape.c <= TESS_LIMIT_ELEMS;
}

struct tess_op tess_op_neutral(enum tess_op_kind kind, int layer, int *input)
{
    assert((int)kind >= 0 && (int)kind < TESS_OP_N_KINDS && layer >= 0);
    struct tess_op op = {
        .kind = kind,
        .layer = layer,
        .n_inputs = 1,
        .inputs = input,
        .output = -1,
        .window = {.kernel_h = 1,
                   .kernel_w = 1,
                   .stride_h = 1,
                   .stride_w = 1,
                   .dilation_h = 1,
                   .dilation_w = 1},
        .groups = 1,
        .factor = 1,
        .alpha = 1,
        .beta = 1,
        .weights_offset = -1,
    };
    return op;
}

/* A copy of `n_bytes` at `from`; NULL for none or when memory is short. */
static void *copy_of(const void *from, size_t n_bytes)
{
    void *copy = n_bytes ? malloc(n_bytes) : NULL;
    if (copy)
        memcpy(copy, from, n_bytes);
    return copy;
}

/* Deep copy of `op` to the end of the graph's list, which has room. */
static bool append_copy(struct tess_graph *graph, const struct tess_op *op)
{
    size_t anchor_bytes = 2 * sizeof(float) * (size_t)op->head.n_anchors;
    struct tess_op copy = *op;
    copy.inputs = copy_of(op->inputs, sizeof *op->inputs * (size_t)op->n_inputs);
    copy.head.anchors = copy_of(op->head.anchors, anchor_bytes);
    if (!copy.inputs || (anchor_bytes && !copy.head.anchors)) {
        free(copy.inputs);
        free(copy.head.anchors);
        return false;
    }
    graph->ops[graph->n_ops++] = copy;
    return true;
}

enum tess_status tess_graph_builder_add_op(struct tess_graph_builder *builder,
                                           const struct tess_op *op,
                                           struct tess_shape shape, int *tensor_out,
                                           struct tess_error *error)
{
    struct tess_graph *graph = builder->graph;
    assert(op->n_inputs >= 1);
    for (int i = 0; i < op->n_inputs; i++)
        assert(op->inputs[i] >= 0 && op->inputs[i] < graph->n_tensors);
    void *ops = graph->ops;
    bool has_room =
        make_room(&ops, &builder->op_capacity, graph->n_ops, sizeof *graph->ops);
    graph->ops = ops;
    if (!has_room || !append_copy(graph, op))
        return tess_error_nomem(error);
    int tensor = add_tensor(builder, shape);
    if (tensor < 0)
        return tess_error_nomem(error);
    struct tess_op *added = &graph->ops[graph->n_ops - 1];
    added->output = tensor;
    if (added->weights_offset < 0)
        added->weights_offset = tess_op_has_weights(added) ? graph->n_weights : 0;
    int64_t end = added->weights_offset + tess_op_n_weights(graph, added);
    graph->n_weights = tess_max_i64(graph->n_weights, end);
    *tensor_out = tensor;
    return TESS_OK;
}

enum tess_status tess_graph_builder_add_layer(struct tess_graph_builder *builder,
                                              const char *name, int line, int tensor,
                                              struct tess_error *error)
{
    struct tess_graph *graph = builder->graph;
    assert(tensor >= TESS_LAYER_DISSOLVED && tensor < graph->n_tensors);
    void *layers = graph->layers;
    bool has_room = make_room(&layers, &builder->layer_capacity, graph->n_layers,
                              sizeof *graph->layers);
    graph->layers = layers;
    if (!has_room)
        return tess_error_nomem(error);
    struct tess_layer *layer = &graph->layers[graph->n_layers++];
    memset(layer, 0, sizeof *layer);
    snprintf(layer->name, sizeof layer->name, "%s", name);
    layer->line = line;
    layer->tensor = tensor;
    return TESS_OK;
}

enum tess_status tess_graph_builder_finish(struct tess_graph_builder *builder,
                                           struct tess_graph **graph_out,
                                           struct tess_error *error)
{
    enum tess_status status = tess_graph_finish(builder->graph, error);
    if (status != TESS_OK)
        return status;
    *graph_out = builder->graph;
    builder->graph = NULL;
    tess_graph_builder_release(builder);
    return TESS_OK;
}
