#include "planner/order.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arith.h"

/* A schedule being built or followed. */
struct progress {
    const struct tess_graph *graph;
    bool *has_run; /* [n_ops] */
    int *n_unread; /* [n_tensors] consumers still to run */
    int64_t live_bytes;
};

static enum tess_status start(struct progress *progress, const struct tess_graph *graph,
                              struct tess_error *error)
{
    *progress = (struct progress){.graph = graph};
    progress->has_run = calloc((size_t)graph->n_ops, sizeof *progress->has_run);
    progress->n_unread = calloc((size_t)graph->n_tensors, sizeof *progress->n_unread);
    if (!progress->has_run || !progress->n_unread)
        return tess_error_nomem(error);
    for (int i = 0; i < graph->n_tensors; i++)
        progress->n_unread[i] = graph->tensors[i].n_consumers;
    progress->live_bytes = tess_tensor_bytes(&graph->tensors[TESS_GRAPH_INPUT]);
    return TESS_OK;
}

static void release(struct progress *progress)
{
    free(progress->has_run);
    free(progress->n_unread);
}

static bool can_run(const struct progress *progress, int op_id)
{
    const struct tess_op *op = &progress->graph->ops[op_id];
    for (int i = 0; i < op->n_inputs; i++) {
        int producer = progress->graph->tensors[op->inputs[i]].producer;
        if (producer >= 0 && !progress->has_run[producer])
            return false;
    }
    return !progress->has_run[op_id];
}

static bool reads_before(const struct tess_op *op, int input)
{
    for (int i = 0; i < input; i++)
        if (op->inputs[i] == op->inputs[input])
            return true;
    return false;
}

/* Bytes that die when the op has run. */
static int64_t freed_by(const struct progress *progress, const struct tess_op *op)
{
    int64_t bytes = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        const struct tess_tensor *tensor = &progress->graph->tensors[op->inputs[i]];
        if (!reads_before(op, i) && progress->n_unread[op->inputs[i]] == 1 &&
            !tensor->is_output)
            bytes += tess_tensor_bytes(tensor);
    }
    return bytes;
}

static int64_t output_bytes(const struct progress *progress, const struct tess_op *op)
{
    return tess_tensor_bytes(&progress->graph->tensors[op->output]);
}

static void run(struct progress *progress, int op_id)
{
    const struct tess_op *op = &progress->graph->ops[op_id];
    assert(can_run(progress, op_id));
    progress->live_bytes += output_bytes(progress, op) - freed_by(progress, op);
    progress->has_run[op_id] = true;
    for (int i = 0; i < op->n_inputs; i++)
        if (!reads_before(op, i))
            progress->n_unread[op->inputs[i]]--;
}

enum tess_status tess_order_greedy(const struct tess_graph *graph, int *order_out,
                                   struct tess_error *error)
{
    struct progress progress;
    enum tess_status status = start(&progress, graph, error);
    for (int at = 0; at < graph->n_ops && status == TESS_OK; at++) {
        int best = -1;
        int64_t best_growth = INT64_MAX;
        for (int op = 0; op < graph->n_ops; op++) {
            if (!can_run(&progress, op))
                continue;
            const struct tess_op *candidate = &graph->ops[op];
            int64_t growth =
                output_bytes(&progress, candidate) - freed_by(&progress, candidate);
            if (growth < best_growth) {
                best_growth = growth;
                best = op;
            }
        }
        assert(best >= 0);
        run(&progress, best);
        order_out[at] = best;
    }
    release(&progress);
    return status;
}

int64_t tess_order_byte_ticks(const struct tess_graph *graph, const int *order)
{
    struct progress progress;
    int64_t sum = 0;
    if (start(&progress, graph, NULL) == TESS_OK) {
        for (int at = 0; at < graph->n_ops; at++) {
            sum += progress.live_bytes + output_bytes(&progress, &graph->ops[order[at]]);
            run(&progress, order[at]);
        }
    }
    release(&progress);
    return sum;
}
