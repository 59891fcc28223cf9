#include "planner/order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "planner/graph_model.h"
#include "schedule/ordering.h"
#include "schedule/peak.h"

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

enum tess_status tess_order_of_tasks(const struct tess_task_graph *counted,
                                     int *order_out, int64_t *peak_out,
                                     struct tess_error *error)
{
    struct tess_order_limits limits;
    struct tess_order_result result = {.order = order_out};
    tess_order_limits_init(&limits);
    /* TUNING: networks of a hundred ops take milliseconds. What is proven does not depend on the
     * clock; what is not is not used, so that plans do not either (2026-11). */
    limits.seconds = 0.5;
    limits.memory_bytes = INT64_C(64) << 20;
    limits.parts_off = TESS_ORDER_WINDOWS;
    enum tess_status status = tess_method_exact.run(counted, &limits, &result, error);
    if (status == TESS_OK)
        *peak_out = result.is_proven ? result.peak_bytes : INT64_MAX;
    return status;
}

enum tess_status tess_order_exact(const struct tess_graph *graph, const int *own,
                                  int *order_out, int64_t *peak_out,
                                  int64_t *own_peak_out, struct tess_error *error)
{
    struct tess_graph_file file = {0};
    struct tess_task_graph *counted = NULL;
    enum tess_status status = tess_graph_file_of_network(&file, graph, true, error);
    if (status == TESS_OK)
        status = tess_task_graph_count(file.graph, TESS_MODEL_VIEW, 64, &counted, error);
    if (status == TESS_OK)
        status = tess_peak_of_order(counted, own, own_peak_out, NULL, error);
    if (status == TESS_OK)
        status = tess_order_of_tasks(counted, order_out, peak_out, error);
    if (status == TESS_OK && *peak_out >= *own_peak_out) {
        *peak_out = *own_peak_out;
        memcpy(order_out, own, sizeof *own * (size_t)graph->n_ops);
    }
    tess_task_graph_destroy(counted);
    tess_graph_file_release(&file);
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
