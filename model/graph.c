#include "model/graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void tess_graph_destroy(struct tess_graph *graph)
{
    if (!graph)
        return;
    for (int i = 0; i < graph->n_ops; i++) {
        free(graph->ops[i].inputs);
        free(graph->ops[i].head.anchors);
    }
    for (int i = 0; i < graph->n_tensors; i++)
        free(graph->tensors[i].consumers);
    free(graph->ops);
    free(graph->tensors);
    free(graph->layers);
    free(graph->name);
    free(graph);
}

/* Does `op` read its input number `which` for the first time there? */
static bool is_first_read(const struct tess_op *op, int which)
{
    for (int i = 0; i < which; i++)
        if (op->inputs[i] == op->inputs[which])
            return false;
    return true;
}

static enum tess_status link_consumers(struct tess_graph *graph, struct tess_error *error)
{
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        graph->tensors[op->output].producer = i;
        for (int j = 0; j < op->n_inputs; j++)
            graph->tensors[op->inputs[j]].n_consumers += is_first_read(op, j);
    }
    for (int i = 0; i < graph->n_tensors; i++) {
        struct tess_tensor *tensor = &graph->tensors[i];
        if (tensor->n_consumers == 0)
            continue;
        tensor->consumers =
            calloc((size_t)tensor->n_consumers, sizeof *tensor->consumers);
        if (!tensor->consumers)
            return tess_error_nomem(error);
        tensor->n_consumers = 0; /* counted again while the list is filled */
    }
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        for (int j = 0; j < op->n_inputs; j++) {
            struct tess_tensor *tensor = &graph->tensors[op->inputs[j]];
            if (is_first_read(op, j))
                tensor->consumers[tensor->n_consumers++] = i;
        }
    }
    return TESS_OK;
}

static void mark_outputs(struct tess_graph *graph)
{
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        struct tess_tensor *tensor = &graph->tensors[op->output];
        bool is_result = op->kind == TESS_OP_REGION || op->kind == TESS_OP_YOLO ||
                         op->kind == TESS_OP_SOFTMAX;
        tensor->is_output = is_result || tensor->n_consumers == 0;
    }
    for (int i = graph->n_layers - 1; i >= 0; i--) {
        if (graph->layers[i].tensor < 0)
            continue; /* left out */
        graph->tensors[graph->layers[i].tensor].is_output = true;
        break;
    }
    graph->tensors[TESS_GRAPH_INPUT].is_output = false;
}

static uint64_t hash_float(uint64_t hash, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return tess_hash_i64(hash, bits);
}

static uint64_t hash_op(uint64_t hash, const struct tess_op *op)
{
    const struct tess_window *window = &op->window;
    const struct tess_head *head = &op->head;
    const int64_t numbers[] = {
        op->kind,           op->n_inputs,       op->output,          op->activation,
        window->kernel_h,   window->kernel_w,   window->stride_h,    window->stride_w,
        window->dilation_h, window->dilation_w, window->pad_top,     window->pad_left,
        op->groups,         op->has_batch_norm, op->channel_begin,   op->factor,
        op->is_reverse,     op->weights_offset, head->n_classes,     head->coords,
        head->n_anchors,    head->is_softmax,   head->is_background,
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        hash = tess_hash_i64(hash, numbers[i]);
    for (int i = 0; i < op->n_inputs; i++)
        hash = tess_hash_i64(hash, op->inputs[i]);
    for (int i = 0; i < 2 * head->n_anchors; i++)
        hash = hash_float(hash, head->anchors[i]);
    if (op->kind == TESS_OP_CROP) {
        hash = tess_hash_i64(hash, op->row_begin);
        hash = tess_hash_i64(hash, op->col_begin);
    }
    hash = hash_float(hash, head->scale_x_y);
    hash = hash_float(hash, op->alpha);
    if (tess_op_is_partial(op))
        hash = tess_hash_i64(hash, op->kernel_channels);
    return hash_float(hash, op->beta);
}

static uint64_t hash_graph(const struct tess_graph *graph)
{
    const struct tess_picture *picture = &graph->picture;
    uint64_t hash = TESS_HASH_START;
    hash = tess_hash_i64(hash, picture->image_h);
    hash = tess_hash_i64(hash, picture->image_w);
    hash = tess_hash_i64(hash, picture->crop_top);
    hash = tess_hash_i64(hash, picture->crop_left);
    hash = hash_float(hash, picture->scale);
    hash = hash_float(hash, picture->offset);
    hash = tess_hash_i64(hash, graph->n_tensors);
    for (int i = 0; i < graph->n_tensors; i++) {
        const struct tess_tensor *tensor = &graph->tensors[i];
        hash = tess_hash_i64(hash, tensor->h);
        hash = tess_hash_i64(hash, tensor->w);
        hash = tess_hash_i64(hash, tensor->c);
        hash = tess_hash_i64(hash, tensor->is_output);
    }
    hash = tess_hash_i64(hash, graph->n_ops);
    for (int i = 0; i < graph->n_ops; i++)
        hash = hash_op(hash, &graph->ops[i]);
    return tess_hash_i64(hash, graph->n_weights);
}

enum tess_status tess_graph_finish(struct tess_graph *graph, struct tess_error *error)
{
    assert(graph->n_tensors == graph->n_ops + 1);
    enum tess_status status = link_consumers(graph, error);
    if (status != TESS_OK)
        return status;
    mark_outputs(graph);
    graph->source_hash = graph->hash = hash_graph(graph);
    return TESS_OK;
}

int64_t tess_tensor_bytes(const struct tess_tensor *tensor)
{
    assert(tensor->h >= 1 && tensor->w >= 1 && tensor->c >= 1);
    return (int64_t)sizeof(float) * tensor->h * tensor->w * tensor->c;
}

static int64_t tensor_elems(const struct tess_tensor *tensor)
{
    return (int64_t)tensor->h * tensor->w * tensor->c;
}

int64_t tess_op_macs(const struct tess_graph *graph, const struct tess_op *op)
{
    const struct tess_tensor *in = &graph->tensors[op->inputs[0]];
    const struct tess_tensor *out = &graph->tensors[op->output];
    switch (op->kind) {
    case TESS_OP_CONV:
    case TESS_OP_CONNECTED: return tess_op_n_kernel(graph, op) * out->h * out->w;
    case TESS_OP_AVGPOOL: return tensor_elems(in);
    case TESS_OP_ADD: return tensor_elems(out);
    case TESS_OP_MAXPOOL:
    case TESS_OP_CONCAT:
    case TESS_OP_SLICE:
    case TESS_OP_UPSAMPLE:
    case TESS_OP_REORG:
    case TESS_OP_SOFTMAX:
    case TESS_OP_REGION:
    case TESS_OP_YOLO:
    case TESS_OP_CROP: return 0;
    }
    assert(false && "unknown op kind");
    return 0;
}

int64_t tess_op_n_kernel(const struct tess_graph *graph, const struct tess_op *op)
{
    if (!tess_op_has_weights(op))
        return 0;
    int n_channels = graph->tensors[op->inputs[0]].c / op->groups;
    int64_t n_taps = (int64_t)op->window.kernel_h * op->window.kernel_w;
    return graph->tensors[op->output].c * n_taps * n_channels;
}

int64_t tess_op_n_weights(const struct tess_graph *graph, const struct tess_op *op)
{
    if (!tess_op_has_weights(op))
        return 0;
    int64_t n_filters = graph->tensors[op->output].c;
    return tess_op_n_kernel(graph, op) + n_filters * (op->has_batch_norm ? 4 : 1);
}

bool tess_op_has_weights(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONV || op->kind == TESS_OP_CONNECTED;
}

bool tess_op_is_partial(const struct tess_op *op)
{
    return op->kernel_channels > 0;
}

bool tess_op_accumulates(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONV && op->n_inputs == 2;
}

bool tess_op_is_depthwise(const struct tess_graph *graph, const struct tess_op *op)
{
    return op->kind == TESS_OP_CONV && op->groups > 1 &&
           op->groups == graph->tensors[op->inputs[0]].c &&
           op->groups == graph->tensors[op->output].c;
}

bool tess_op_reads_whole(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONNECTED || op->kind == TESS_OP_AVGPOOL ||
           op->kind == TESS_OP_REORG || op->kind == TESS_OP_SOFTMAX;
}

const char *tess_op_kind_name(enum tess_op_kind kind)
{
    static const char *const names[TESS_OP_N_KINDS] = {
        [TESS_OP_CONV] = "conv",       [TESS_OP_CONNECTED] = "connected",
        [TESS_OP_MAXPOOL] = "maxpool", [TESS_OP_AVGPOOL] = "avgpool",
        [TESS_OP_CONCAT] = "concat",   [TESS_OP_SLICE] = "slice",
        [TESS_OP_ADD] = "add",         [TESS_OP_UPSAMPLE] = "upsample",
        [TESS_OP_REORG] = "reorg",     [TESS_OP_SOFTMAX] = "softmax",
        [TESS_OP_REGION] = "region",   [TESS_OP_YOLO] = "yolo",
        [TESS_OP_CROP] = "crop",
    };
    assert((int)kind >= 0 && (int)kind < TESS_OP_N_KINDS);
    return names[kind];
}

const char *tess_activation_name(enum tess_activation activation)
{
    static const char *const names[TESS_ACT_N_KINDS] = {
        [TESS_ACT_LINEAR] = "linear",     [TESS_ACT_LEAKY] = "leaky",
        [TESS_ACT_RELU] = "relu",         [TESS_ACT_RELU6] = "relu6",
        [TESS_ACT_LOGISTIC] = "logistic", [TESS_ACT_MISH] = "mish",
        [TESS_ACT_SWISH] = "swish",       [TESS_ACT_HSWISH] = "hard_swish",
        [TESS_ACT_ELU] = "elu",           [TESS_ACT_TANH] = "tanh",
    };
    assert((int)activation >= 0 && (int)activation < TESS_ACT_N_KINDS);
    return names[activation];
}

bool tess_graph_find_layer(const struct tess_graph *graph, int64_t number, int *layer_out)
{
    if (number < -(int64_t)graph->n_layers || number >= graph->n_layers)
        return false;
    *layer_out = (int)(number < 0 ? number + graph->n_layers : number);
    return true;
}
