#include "planner/split_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* Orders of one graph being compared. */
struct orders {
    const struct tess_graph *graph;
    int *best, *trial; /* [n_ops] position -> op */
    int *position;     /* [n_ops] op -> position in `trial` */
    int *n_before;     /* [n_ops] by op: ops before it that are no parts */
};

/* Bytes times ops: what waits in this order, and how long. Parts are not counted as ops, since
 * where they run is what is asked. */
static double waiting(struct orders *orders, const int *order)
{
    const struct tess_graph *graph = orders->graph;
    double sum = 0;
    int n_before = 0;
    for (int at = 0; at < graph->n_ops; at++) {
        orders->n_before[order[at]] = n_before;
        n_before += !tess_op_is_partial(&graph->ops[order[at]]);
    }
    for (int i = 0; i < graph->n_tensors; i++) {
        const struct tess_tensor *tensor = &graph->tensors[i];
        int first = tensor->producer < 0 ? 0 : orders->n_before[tensor->producer];
        int last = first;
        for (int j = 0; j < tensor->n_consumers; j++)
            last = tess_max_int(last, orders->n_before[tensor->consumers[j]]);
        sum += (double)tess_tensor_bytes(tensor) * (last - first);
    }
    return sum;
}

static void find_positions(struct orders *orders)
{
    for (int at = 0; at < orders->graph->n_ops; at++)
        orders->position[orders->trial[at]] = at;
}

/* Moves `op` in `trial` to the first position at which all that it reads is there. */
static void move_early(struct orders *orders, int op)
{
    const struct tess_op *it = &orders->graph->ops[op];
    int from = orders->position[op], to = 0;
    for (int i = 0; i < it->n_inputs; i++) {
        int producer = orders->graph->tensors[it->inputs[i]].producer;
        if (producer >= 0)
            to = tess_max_int(to, orders->position[producer] + 1);
    }
    assert(to <= from);
    memmove(orders->trial + to + 1, orders->trial + to,
            sizeof *orders->trial * (size_t)(from - to));
    orders->trial[to] = op;
    find_positions(orders);
}

/* The chain of which `first` is the first part, all but the last one early. */
static void try_chain(struct orders *orders, int first)
{
    const struct tess_graph *graph = orders->graph;
    size_t bytes = sizeof *orders->best * (size_t)graph->n_ops;
    memcpy(orders->trial, orders->best, bytes);
    find_positions(orders);
    for (int op = first; op + 1 < graph->n_ops; op++) {
        const struct tess_op *next = &graph->ops[op + 1];
        if (!tess_op_accumulates(next) || next->inputs[1] != graph->ops[op].output)
            break;
        move_early(orders, op);
    }
    if (waiting(orders, orders->trial) <= waiting(orders, orders->best))
        memcpy(orders->best, orders->trial, bytes);
}

enum tess_status tess_split_order(const struct tess_graph *graph, int *order_out,
                                  struct tess_error *error)
{
    size_t n_ops = (size_t)graph->n_ops;
    struct orders orders = {.graph = graph, .best = order_out};
    enum tess_status status = TESS_OK;
    orders.trial = malloc(sizeof *orders.trial * n_ops);
    orders.position = malloc(sizeof *orders.position * n_ops);
    orders.n_before = malloc(sizeof *orders.n_before * n_ops);
    if (!orders.trial || !orders.position || !orders.n_before) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int op = 0; op < graph->n_ops; op++)
        order_out[op] = op;
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_is_partial(&graph->ops[op]) && graph->ops[op].n_inputs == 1)
            try_chain(&orders, op);
out:
    free(orders.trial);
    free(orders.position);
    free(orders.n_before);
    return status;
}
