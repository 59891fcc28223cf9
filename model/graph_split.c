/* Problem: the graph in which some convolutions of concats are chains of partial ones.
 *
 * Method: from the last op to the first, find out which concats somebody still reads; then copy
 * op by op, leaving out the others, with a chain in place of each convolution to split.
 *
 * Invariant: every tensor of the old graph but the outputs of concats left out has its image in
 * the new one, of the same shape and value but for rounding.
 *
 * Cost: O(ops + inputs + parts), and the channels of a concat to find its parts.
 *
 * Worked example: A [.,.,2] is op 0, B [.,.,3] op 1, C = concat(B, A) op 2, D = conv(C) op 3, last
 *   of layer 3, activation leaky. Splitting D: parts A of channels [3,5), B of [0,3). New ops:
 *     0 A   1 B   2 conv(A), channels 3.., of 5, linear   3 conv(B, sum 2), channels 0.., leaky
 */
#include "model/graph_split.h"

#include <assert.h>
#include <stdlib.h>

#include "model/graph_build.h"

enum { NO_TENSOR = -1 };

/* A tensor that is no concat, and the channel of the whole at which it begins. */
struct part {
    int tensor, channel;
};

struct parts {
    int n;
    struct part list[TESS_SPLIT_MAX_PARTS];
};

struct splitter {
    const struct tess_graph *from;
    const bool *is_split; /* [n_ops] */
    bool *is_read;        /* [n_tensors] by an op that stays */
    int *map;             /* [n_tensors] id in the new graph */
    struct tess_graph_builder builder;
};

static const struct tess_op *concat_behind(const struct tess_graph *graph, int tensor)
{
    int producer = graph->tensors[tensor].producer;
    bool is_concat = producer >= 0 && graph->ops[producer].kind == TESS_OP_CONCAT;
    return is_concat ? &graph->ops[producer] : NULL;
}

/* The parts of `tensor`, in no order. False if they are too many. */
static bool find_parts(const struct tess_graph *graph, int tensor, struct parts *parts)
{
    /* Those still to be looked at; each is or has a part, and no two share a channel. */
    struct parts open = {.n = 1, .list = {{tensor, 0}}};
    parts->n = 0;
    while (open.n > 0) {
        struct part part = open.list[--open.n];
        const struct tess_op *concat = concat_behind(graph, part.tensor);
        if (!concat) {
            parts->list[parts->n++] = part;
            continue;
        }
        if (parts->n + open.n + concat->n_inputs > TESS_SPLIT_MAX_PARTS)
            return false;
        for (int i = 0; i < concat->n_inputs; i++) {
            open.list[open.n++] = (struct part){concat->inputs[i], part.channel};
            part.channel += graph->tensors[concat->inputs[i]].c;
        }
    }
    return true;
}

/* Tensor ids ascend in the order of the ops. */
static int compare_parts(const void *left, const void *right)
{
    const struct part *a = left, *b = right;
    if (a->tensor != b->tensor)
        return a->tensor < b->tensor ? -1 : 1;
    return (a->channel > b->channel) - (a->channel < b->channel);
}

int tess_graph_n_parts(const struct tess_graph *graph, int op)
{
    assert(op >= 0 && op < graph->n_ops);
    const struct tess_op *it = &graph->ops[op];
    struct parts parts;
    if (it->kind != TESS_OP_CONV || it->groups != 1 || tess_op_is_partial(it) ||
        !concat_behind(graph, it->inputs[0]) || !find_parts(graph, it->inputs[0], &parts))
        return 0;
    return parts.n;
}

/* ---- what stays ---- */

static bool is_dissolved(const struct splitter *splitter, int op)
{
    const struct tess_op *it = &splitter->from->ops[op];
    return it->kind == TESS_OP_CONCAT && !splitter->is_read[it->output] &&
           !splitter->from->tensors[it->output].is_output;
}

static void mark_read(struct splitter *splitter)
{
    const struct tess_graph *from = splitter->from;
    for (int op = from->n_ops - 1; op >= 0; op--) {
        if (splitter->is_split[op] || is_dissolved(splitter, op))
            continue; /* the parts of a split one are no concats: they stay anyway */
        for (int i = 0; i < from->ops[op].n_inputs; i++)
            splitter->is_read[from->ops[op].inputs[i]] = true;
    }
}

/* ---- copying ---- */

static enum tess_status add(struct splitter *splitter, const struct tess_op *op,
                            int *tensor_out, struct tess_error *error)
{
    const struct tess_tensor *out = &splitter->from->tensors[op->output];
    struct tess_shape shape = {out->h, out->w, out->c};
    return tess_graph_builder_add_op(&splitter->builder, op, shape, tensor_out, error);
}

static enum tess_status copy_op(struct splitter *splitter, const struct tess_op *op,
                                struct tess_error *error)
{
    struct tess_op copy = *op;
    int *inputs = calloc((size_t)op->n_inputs, sizeof *inputs);
    if (!inputs)
        return tess_error_nomem(error);
    for (int i = 0; i < op->n_inputs; i++) {
        inputs[i] = splitter->map[op->inputs[i]];
        assert(inputs[i] >= 0);
    }
    copy.inputs = inputs;
    enum tess_status status = add(splitter, &copy, &splitter->map[op->output], error);
    free(inputs);
    return status;
}

static enum tess_status add_chain(struct splitter *splitter, const struct tess_op *op,
                                  struct tess_error *error)
{
    const struct tess_graph *from = splitter->from;
    struct parts parts;
    bool has_parts = find_parts(from, op->inputs[0], &parts);
    assert(has_parts && parts.n >= 2);
    (void)has_parts;
    qsort(parts.list, (size_t)parts.n, sizeof *parts.list, compare_parts);
    int sum = NO_TENSOR;
    for (int i = 0; i < parts.n; i++) {
        int inputs[2] = {splitter->map[parts.list[i].tensor], sum};
        struct tess_op partial = *op;
        partial.inputs = inputs;
        partial.n_inputs = i == 0 ? 1 : 2;
        partial.kernel_channels = from->tensors[op->inputs[0]].c;
        partial.channel_begin = parts.list[i].channel;
        partial.activation = i == parts.n - 1 ? op->activation : TESS_ACT_LINEAR;
        enum tess_status status = add(splitter, &partial, &sum, error);
        if (status != TESS_OK)
            return status;
    }
    splitter->map[op->output] = sum;
    return TESS_OK;
}

static enum tess_status copy_parts(struct splitter *splitter, struct tess_error *error)
{
    const struct tess_graph *from = splitter->from;
    enum tess_status status = TESS_OK;
    for (int op = 0; op < from->n_ops && status == TESS_OK; op++) {
        const struct tess_op *it = &from->ops[op];
        if (splitter->is_split[op])
            status = add_chain(splitter, it, error);
        else if (!is_dissolved(splitter, op))
            status = copy_op(splitter, it, error);
    }
    for (int i = 0; i < from->n_layers && status == TESS_OK; i++) {
        const struct tess_layer *layer = &from->layers[i];
        int tensor = layer->tensor < 0 ? layer->tensor : splitter->map[layer->tensor];
        status = tess_graph_builder_add_layer(&splitter->builder, layer->name,
                                              layer->line, tensor, error);
    }
    return status;
}

static enum tess_status start(struct splitter *splitter, struct tess_error *error)
{
    const struct tess_graph *from = splitter->from;
    size_t n_tensors = (size_t)from->n_tensors;
    splitter->is_read = calloc(n_tensors, sizeof *splitter->is_read);
    splitter->map = malloc(sizeof *splitter->map * n_tensors);
    if (!splitter->is_read || !splitter->map)
        return tess_error_nomem(error);
    for (int i = 0; i < from->n_tensors; i++)
        splitter->map[i] = TESS_LAYER_DISSOLVED;
    splitter->map[TESS_GRAPH_INPUT] = TESS_GRAPH_INPUT;
    enum tess_status status =
        tess_graph_builder_init(&splitter->builder, from->name, error);
    if (status != TESS_OK)
        return status;
    const struct tess_tensor *input = &from->tensors[TESS_GRAPH_INPUT];
    tess_graph_builder_set_input(&splitter->builder,
                                 (struct tess_shape){input->h, input->w, input->c});
    splitter->builder.graph->picture = from->picture;
    return TESS_OK;
}

enum tess_status tess_graph_split(const struct tess_graph *graph, const bool *is_split,
                                  struct tess_graph **split_out, struct tess_error *error)
{
    struct splitter splitter = {.from = graph, .is_split = is_split};
    struct tess_graph *split = NULL;
    assert(graph->source_hash == graph->hash);
    enum tess_status status = start(&splitter, error);
    if (status != TESS_OK)
        goto out;
    mark_read(&splitter);
    status = copy_parts(&splitter, error);
    if (status != TESS_OK)
        goto out;
    splitter.builder.graph->n_weights = graph->n_weights;
    status = tess_graph_builder_finish(&splitter.builder, &split, error);
    if (status != TESS_OK)
        goto out;
    split->source_hash = graph->hash;
    *split_out = split;
out:
    free(splitter.is_read);
    free(splitter.map);
    tess_graph_builder_release(&splitter.builder);
    return status;
}
