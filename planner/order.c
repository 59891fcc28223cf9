#include "planner/order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "planner/graph_model.h"
#include "schedule/ordering.h"
#include "schedule/peak.h"

/* New task graph of the ops: task and op have one number. */
static enum tess_status count_ops(const struct tess_graph *graph, bool views_slices,
                                  enum tess_memory_model model, int64_t alignment,
                                  struct tess_task_graph **counted_out,
                                  struct tess_error *error)
{
    struct tess_graph_file file = {0};
    enum tess_status status =
        tess_graph_file_of_network(&file, graph, views_slices, error);
    if (status == TESS_OK)
        status = tess_task_graph_count(file.graph, model, alignment, counted_out, error);
    tess_graph_file_release(&file);
    return status;
}

static enum tess_status count_whole_ops(const struct tess_graph *graph,
                                        struct tess_task_graph **counted_out,
                                        struct tess_error *error)
{
    return count_ops(graph, false, TESS_MODEL_BASE, 1, counted_out, error);
}

/* Of the tasks that wait for none (n_waiting 0; of those that have run it is -1) the first after
 * which the fewest bytes are alive. */
static int choose_task(const struct tess_live *live, const int *n_waiting)
{
    int best = -1;
    int64_t fewest = INT64_MAX, after;
    for (int task = 0; task < live->graph->n_tasks; task++) {
        if (n_waiting[task] != 0)
            continue;
        tess_live_probe(live, task, &after);
        if (after < fewest) {
            fewest = after;
            best = task;
        }
    }
    assert(best >= 0);
    return best;
}

static void run_greedily(struct tess_live *live, int *n_waiting, int *order_out)
{
    for (int task = 0; task < live->graph->n_tasks; task++)
        n_waiting[task] = live->graph->tasks[task].n_before;
    for (int at = 0; at < live->graph->n_tasks; at++) {
        int best = choose_task(live, n_waiting);
        const struct tess_task *task = &live->graph->tasks[best];
        tess_live_run(live, best);
        n_waiting[best] = -1;
        for (int k = 0; k < task->n_after; k++)
            n_waiting[task->after[k]]--;
        order_out[at] = best;
    }
}

enum tess_status tess_order_greedy(const struct tess_graph *graph, int *order_out,
                                   struct tess_error *error)
{
    struct tess_task_graph *counted = NULL;
    struct tess_live live = {0};
    int *n_waiting = malloc(sizeof *n_waiting * ((size_t)graph->n_ops + 1));
    enum tess_status status = n_waiting ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = count_whole_ops(graph, &counted, error);
    if (status == TESS_OK)
        status = tess_live_init(&live, counted, error);
    if (status == TESS_OK)
        run_greedily(&live, n_waiting, order_out);
    tess_live_release(&live);
    tess_task_graph_destroy(counted);
    free(n_waiting);
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
    struct tess_task_graph *counted = NULL;
    enum tess_status status =
        count_ops(graph, true, TESS_MODEL_VIEW, 64, &counted, error);
    if (status == TESS_OK)
        status = tess_peak_of_order(counted, own, own_peak_out, NULL, error);
    if (status == TESS_OK)
        status = tess_order_of_tasks(counted, order_out, peak_out, error);
    if (status == TESS_OK && *peak_out >= *own_peak_out) {
        *peak_out = *own_peak_out;
        memcpy(order_out, own, sizeof *own * (size_t)graph->n_ops);
    }
    tess_task_graph_destroy(counted);
    return status;
}

int64_t tess_order_byte_ticks(const struct tess_graph *graph, const int *order)
{
    struct tess_task_graph *counted = NULL;
    int64_t sum = 0, peak;
    int64_t *op_bytes = malloc(sizeof *op_bytes * ((size_t)graph->n_ops + 1));
    if (op_bytes && count_whole_ops(graph, &counted, NULL) == TESS_OK &&
        tess_peak_of_order(counted, order, &peak, op_bytes, NULL) == TESS_OK)
        for (int at = 0; at < graph->n_ops; at++)
            sum += op_bytes[at];
    tess_task_graph_destroy(counted);
    free(op_bytes);
    return sum;
}
