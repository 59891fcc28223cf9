#include "model/graph.h"

#include <assert.h>
#include <stdlib.h>

#include "model/graph_build.h"

enum { NO_TENSOR = -1 };

/* A cut in the making: layers [first, last] of `whole`. */
struct cut {
    const struct tess_graph *whole;
    int first, last;
    int source; /* tensor of `whole` that becomes the input, NO_TENSOR if none is read */
    int *map;   /* [whole->n_tensors] id in the new graph, NO_TENSOR if it is not there */
    struct tess_graph_builder builder;
};

static bool has_op(const struct cut *cut, int op)
{
    int layer = cut->whole->ops[op].layer;
    return layer >= cut->first && layer <= cut->last;
}

/* Layer whose op produces `tensor`; -1 for the network's input. */
static int source_layer(const struct tess_graph *graph, int tensor)
{
    int producer = graph->tensors[tensor].producer;
    return producer < 0 ? -1 : graph->ops[producer].layer;
}

static enum tess_status two_sources(const struct cut *cut, int tensor,
                                    struct tess_error *error)
{
    int a = source_layer(cut->whole, cut->source), b = source_layer(cut->whole, tensor);
    tess_error_set(error, TESS_E_USAGE,
                   "layers %d to %d read the results of both layer %d and layer %d from "
                   "before them (-1 is the network's input)",
                   cut->first, cut->last, a < b ? a : b, a < b ? b : a);
    tess_error_hint(error, "cut where a single tensor crosses, e.g. from layer %d on",
                    (a < b ? a : b) + 1);
    return TESS_E_USAGE;
}

static enum tess_status find_source(struct cut *cut, struct tess_error *error)
{
    const struct tess_graph *whole = cut->whole;
    for (int i = 0; i < whole->n_ops; i++) {
        if (!has_op(cut, i))
            continue;
        const struct tess_op *op = &whole->ops[i];
        for (int j = 0; j < op->n_inputs; j++) {
            int producer = whole->tensors[op->inputs[j]].producer;
            if (producer >= 0 && has_op(cut, producer))
                continue;
            if (cut->source != NO_TENSOR && cut->source != op->inputs[j])
                return two_sources(cut, op->inputs[j], error);
            cut->source = op->inputs[j];
        }
    }
    if (cut->source == NO_TENSOR)
        return tess_error_set(error, TESS_E_USAGE, "layers %d to %d compute nothing",
                              cut->first, cut->last);
    return TESS_OK;
}

static enum tess_status copy_op(struct cut *cut, const struct tess_op *op,
                                struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    struct tess_op copy = *op;
    int *inputs = calloc((size_t)op->n_inputs, sizeof *inputs);
    if (!inputs)
        return tess_error_nomem(error);
    for (int i = 0; i < op->n_inputs; i++) {
        inputs[i] = cut->map[op->inputs[i]];
        assert(inputs[i] != NO_TENSOR);
    }
    copy.inputs = inputs;
    const struct tess_tensor *out = &cut->whole->tensors[op->output];
    struct tess_shape shape = {out->h, out->w, out->c};
    status = tess_graph_builder_add_op(&cut->builder, &copy, shape, &cut->map[op->output],
                                       error);
    free(inputs);
    return status;
}

static enum tess_status copy_parts(struct cut *cut, struct tess_error *error)
{
    const struct tess_graph *whole = cut->whole;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < whole->n_ops && status == TESS_OK; i++)
        if (has_op(cut, i))
            status = copy_op(cut, &whole->ops[i], error);
    for (int i = 0; i < whole->n_layers && status == TESS_OK; i++) {
        const struct tess_layer *layer = &whole->layers[i];
        bool is_inside = i >= cut->first && i <= cut->last;
        status = tess_graph_builder_add_layer(
            &cut->builder, layer->name, layer->line,
            is_inside ? cut->map[layer->tensor] : NO_TENSOR, error);
    }
    return status;
}

enum tess_status tess_graph_cut(const struct tess_graph *graph, int first, int last,
                                struct tess_graph **graph_out, struct tess_error *error)
{
    if (first < 0 || first > last || last >= graph->n_layers)
        return tess_error_set(error, TESS_E_USAGE,
                              "there are no layers %d to %d: the network has 0 to %d",
                              first, last, graph->n_layers - 1);
    struct cut cut = {.whole = graph, .first = first, .last = last, .source = NO_TENSOR};
    enum tess_status status = find_source(&cut, error);
    if (status != TESS_OK)
        return status;
    cut.map = malloc(sizeof *cut.map * (size_t)graph->n_tensors);
    if (!cut.map)
        return tess_error_nomem(error);
    for (int i = 0; i < graph->n_tensors; i++)
        cut.map[i] = NO_TENSOR;
    cut.map[cut.source] = TESS_GRAPH_INPUT;
    const struct tess_tensor *source = &graph->tensors[cut.source];
    struct tess_shape shape = {source->h, source->w, source->c};
    status = tess_graph_builder_init(&cut.builder, graph->name, error);
    if (status != TESS_OK)
        goto out;
    tess_graph_builder_set_input(&cut.builder, shape);
    if (cut.source == TESS_GRAPH_INPUT)
        cut.builder.graph->picture = graph->picture;
    status = copy_parts(&cut, error);
    if (status != TESS_OK)
        goto out;
    cut.builder.graph->n_weights = graph->n_weights;
    status = tess_graph_builder_finish(&cut.builder, graph_out, error);
out:
    free(cut.map);
    tess_graph_builder_release(&cut.builder);
    return status;
}
