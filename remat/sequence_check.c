#include "remat/sequence_check.h"

#include <stdlib.h>

struct check {
    const struct tess_task_graph *graph;
    int *n_runs;     /* [n_tasks] */
    int *n_to_write; /* [n_tensors] of its producers, those before this position */
    bool *is_needed; /* [n_tensors] by what follows */
    int64_t needed_bytes;
};

static enum tess_status check_runs(const struct tess_remat_problem *problem,
                                   const struct tess_remat_sequence *sequence,
                                   int *n_runs, int64_t *cost_out,
                                   struct tess_error *error)
{
    int n_tasks = problem->graph->n_tasks, n_first = 0;
    for (int at = 0; at < sequence->n; at++) {
        int task = sequence->tasks[at];
        if (task < 0 || task >= n_tasks)
            return tess_error_set(error, TESS_E_VERIFY, "no task %d at position %d", task,
                                  at);
        if (n_runs[task]++ == 0) {
            if (problem->keeps_order && problem->order[n_first] != task)
                return tess_error_set(error, TESS_E_VERIFY,
                                      "task %d runs at position %d, out of order", task,
                                      at);
            n_first++;
        }
        if (n_runs[task] > problem->most_runs)
            return tess_error_set(error, TESS_E_VERIFY, "task %d runs more than %d times",
                                  task, problem->most_runs);
        *cost_out += problem->costs[task];
    }
    return n_first == n_tasks
               ? TESS_OK
               : tess_error_set(error, TESS_E_VERIFY, "%d of %d tasks do not run",
                                n_tasks - n_first, n_tasks);
}

static void need(struct check *check, int tensor, bool is_needed)
{
    if (check->is_needed[tensor] != is_needed)
        check->needed_bytes += is_needed ? check->graph->tensors[tensor].bytes
                                         : -check->graph->tensors[tensor].bytes;
    check->is_needed[tensor] = is_needed;
}

/* Bytes of inputs that die here and make room for the output. */
static int64_t shared_bytes(const struct check *check, const struct tess_task *task)
{
    if (task->n_outputs != 1 || !(task->flags & TESS_TASK_OVERWRITES))
        return 0;
    const struct tess_task_tensor *output = &check->graph->tensors[task->outputs[0]];
    for (int k = 0; k < task->n_inputs && output->n_producers == 1; k++)
        if (!check->is_needed[task->inputs[k]] &&
            check->graph->tensors[task->inputs[k]].bytes == output->bytes)
            return output->bytes;
    return 0;
}

/* Goes from after a run to before it; the bytes alive during it. */
static enum tess_status step_back(struct check *check, int task_id, int64_t *bytes_out,
                                  struct tess_error *error)
{
    const struct tess_task *task = &check->graph->tasks[task_id];
    int64_t shared = shared_bytes(check, task);
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        if (check->graph->tensors[t].n_producers > 1 && check->n_runs[task_id] > 1)
            return tess_error_set(error, TESS_E_VERIFY,
                                  "task %d adds to tensor %d more than once", task_id, t);
        need(check, t, true);
        check->n_to_write[t]--;
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int t = task->inputs[k];
        const struct tess_task_tensor *tensor = &check->graph->tensors[t];
        if (tensor->n_producers > 1 && check->n_to_write[t] < tensor->n_producers)
            return tess_error_set(error, TESS_E_VERIFY,
                                  "task %d reads tensor %d too early", task_id, t);
        need(check, t, true);
    }
    *bytes_out = check->needed_bytes - shared;
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        bool is_first =
            check->graph->tensors[t].n_producers == 1 || check->n_to_write[t] == 0;
        if (is_first)
            need(check, t, false);
    }
    return TESS_OK;
}

static enum tess_status go_back(struct check *check,
                                const struct tess_remat_sequence *sequence,
                                int64_t *peak_out, struct tess_error *error)
{
    const struct tess_task_graph *graph = check->graph;
    for (int t = 0; t < graph->n_tensors; t++) {
        check->n_to_write[t] = graph->tensors[t].n_producers;
        need(check, t, graph->tensors[t].is_retained);
    }
    int64_t peak = check->needed_bytes;
    for (int at = sequence->n - 1; at >= 0; at--) {
        int64_t bytes = 0;
        enum tess_status status = step_back(check, sequence->tasks[at], &bytes, error);
        if (status != TESS_OK)
            return status;
        peak = bytes > peak ? bytes : peak;
    }
    for (int t = 0; t < graph->n_tensors; t++)
        if (check->is_needed[t] && !graph->tensors[t].is_input)
            return tess_error_set(error, TESS_E_VERIFY,
                                  "tensor %d is read before it is written", t);
    *peak_out = check->needed_bytes > peak ? check->needed_bytes : peak;
    return TESS_OK;
}

enum tess_status tess_remat_check(const struct tess_remat_problem *problem,
                                  const struct tess_remat_sequence *sequence,
                                  struct tess_remat_value *value_out,
                                  struct tess_error *error)
{
    const struct tess_task_graph *graph = problem->graph;
    struct check check = {.graph = graph};
    struct tess_remat_value value = {0};
    check.n_runs = calloc((size_t)graph->n_tasks + 1, sizeof *check.n_runs);
    check.n_to_write = calloc((size_t)graph->n_tensors + 1, sizeof *check.n_to_write);
    check.is_needed = calloc((size_t)graph->n_tensors + 1, sizeof *check.is_needed);
    enum tess_status status = TESS_OK;
    if (!check.n_runs || !check.n_to_write || !check.is_needed)
        status = tess_error_nomem(error);
    if (status == TESS_OK)
        status = check_runs(problem, sequence, check.n_runs, &value.cost, error);
    if (status == TESS_OK)
        status = go_back(&check, sequence, &value.peak_bytes, error);
    if (status == TESS_OK)
        *value_out = value;
    free(check.n_runs);
    free(check.n_to_write);
    free(check.is_needed);
    return status;
}
