#include "model/graph_reorder.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_build.h"

struct reorderer {
    const struct tess_graph *from;
    struct tess_graph_builder builder;
    int *becomes; /* [n_tensors] of `from`, in the new graph */
};

static enum tess_status add_op(struct reorderer *reorderer, int id,
                               struct tess_error *error)
{
    struct tess_op op = reorderer->from->ops[id];
    const struct tess_tensor *output = &reorderer->from->tensors[op.output];
    struct tess_shape shape = {output->h, output->w, output->c};
    int *becomes = &reorderer->becomes[op.output];
    int *inputs = malloc(sizeof *inputs * (size_t)op.n_inputs);
    if (!inputs)
        return tess_error_nomem(error);
    for (int i = 0; i < op.n_inputs; i++) {
        inputs[i] = reorderer->becomes[op.inputs[i]];
        assert(inputs[i] >= 0);
    }
    op.inputs = inputs;
    enum tess_status status =
        tess_graph_builder_add_op(&reorderer->builder, &op, shape, becomes, error);
    free(inputs);
    return status;
}

static enum tess_status make(struct reorderer *reorderer, const int *order,
                             struct tess_error *error)
{
    const struct tess_graph *from = reorderer->from;
    const struct tess_tensor *input = &from->tensors[TESS_GRAPH_INPUT];
    enum tess_status status =
        tess_graph_builder_init(&reorderer->builder, from->name, error);
    if (status != TESS_OK)
        return status;
    tess_graph_builder_set_input(&reorderer->builder,
                                 (struct tess_shape){input->h, input->w, input->c});
    reorderer->builder.graph->picture = from->picture;
    for (int tensor = 0; tensor < from->n_tensors; tensor++)
        reorderer->becomes[tensor] = tensor == TESS_GRAPH_INPUT ? tensor : -1;
    for (int i = 0; i < from->n_ops && status == TESS_OK; i++)
        status = add_op(reorderer, order[i], error);
    for (int i = 0; i < from->n_layers && status == TESS_OK; i++) {
        const struct tess_layer *layer = &from->layers[i];
        int tensor =
            layer->tensor >= 0 ? reorderer->becomes[layer->tensor] : layer->tensor;
        status = tess_graph_builder_add_layer(&reorderer->builder, layer->name,
                                              layer->line, tensor, error);
    }
    reorderer->builder.graph->n_weights = from->n_weights;
    return status;
}

enum tess_status tess_graph_reorder(const struct tess_graph *graph, const int *order,
                                    struct tess_graph **graph_out,
                                    struct tess_error *error)
{
    struct reorderer reorderer = {.from = graph};
    reorderer.becomes = malloc(sizeof *reorderer.becomes * (size_t)graph->n_tensors);
    if (!reorderer.becomes)
        return tess_error_nomem(error);
    enum tess_status status = make(&reorderer, order, error);
    if (status == TESS_OK)
        status = tess_graph_builder_finish(&reorderer.builder, graph_out, error);
    tess_graph_builder_release(&reorderer.builder);
    free(reorderer.becomes);
    return status;
}

static bool shrinks(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    return it->n_inputs == 1 && tess_tensor_bytes(&graph->tensors[it->output]) <=
                                    tess_tensor_bytes(&graph->tensors[it->inputs[0]]) / 2;
}

/* Appends the op, and after it what shrinks its output, each followed by what shrinks that. The op
 * next in the graph needs not be called for if this one stays before it. Returns the number of ops
 * in the order. */
static int put_op(const struct tess_graph *graph, int op, bool is_moved, int *order,
                  int n)
{
    const struct tess_tensor *output = &graph->tensors[graph->ops[op].output];
    order[n++] = op;
    for (int i = 0; i < output->n_consumers; i++) {
        int reader = output->consumers[i];
        if (shrinks(graph, reader) && (is_moved || reader > op + 1))
            n = put_op(graph, reader, true, order, n);
    }
    return n;
}

void tess_graph_shrinking_order(const struct tess_graph *graph, int *order_out)
{
    int n = 0;
    for (int op = 0; op < graph->n_ops; op++) {
        bool is_there = false;
        for (int i = 0; i < n; i++)
            is_there = is_there || order_out[i] == op;
        if (!is_there)
            n = put_op(graph, op, false, order_out, n);
    }
    assert(n == graph->n_ops);
}
