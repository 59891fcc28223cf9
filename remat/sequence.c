#include "remat/sequence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "schedule/peak.h"

void tess_remat_sequence_release(struct tess_remat_sequence *sequence)
{
    if (!sequence)
        return;
    free(sequence->tasks);
    *sequence = (struct tess_remat_sequence){0};
}

enum tess_status tess_remat_sequence_reserve(struct tess_remat_sequence *sequence,
                                             int capacity, struct tess_error *error)
{
    if (capacity <= sequence->capacity)
        return TESS_OK;
    int *tasks = realloc(sequence->tasks, sizeof *tasks * (size_t)capacity);
    if (!tasks)
        return tess_error_nomem(error);
    sequence->tasks = tasks;
    sequence->capacity = capacity;
    return TESS_OK;
}

enum tess_status tess_remat_sequence_set(struct tess_remat_sequence *sequence,
                                         const int *tasks, int n,
                                         struct tess_error *error)
{
    enum tess_status status = tess_remat_sequence_reserve(sequence, n, error);
    if (status != TESS_OK)
        return status;
    if (n > 0)
        memcpy(sequence->tasks, tasks, sizeof *tasks * (size_t)n);
    sequence->n = n;
    return TESS_OK;
}

bool tess_remat_may_repeat(const struct tess_task_graph *graph, int task_id)
{
    const struct tess_task *task = &graph->tasks[task_id];
    for (int k = 0; k < task->n_outputs; k++)
        if (graph->tensors[task->outputs[k]].n_producers > 1)
            return false;
    return true;
}

int64_t tess_remat_least_cost(const struct tess_remat_problem *problem)
{
    int64_t cost = 0;
    for (int i = 0; i < problem->graph->n_tasks; i++) {
        assert(problem->costs[i] >= 0 &&
               problem->costs[i] <= TESS_REMAT_LIMIT_COST - cost);
        cost += problem->costs[i];
    }
    return cost;
}

int64_t tess_remat_least_bytes(const struct tess_remat_problem *problem)
{
    return tess_peak_repeated_bound(problem->graph);
}

/* ---- copies ---- */

/* While the copies are made. */
struct making {
    const struct tess_task_graph *graph;
    const struct tess_remat_sequence *sequence;
    struct tess_remat_copies *copies;
    int *newest;    /* [n_tensors] copy, -1: none yet */
    int *n_written; /* [n_tensors] producers that have run, in all */
    bool *has_run;  /* [n_tasks] */
};

static int begin_copy(struct making *making, int tensor, int at)
{
    int copy = making->copies->n_copies++;
    if (making->newest[tensor] >= 0)
        making->copies->copies[making->newest[tensor]].is_last = false;
    making->copies->copies[copy] = (struct tess_remat_copy){tensor, at, at, true};
    making->newest[tensor] = copy;
    return copy;
}

static enum tess_status read_inputs(struct making *making, int at,
                                    struct tess_error *error)
{
    const struct tess_task_graph *graph = making->graph;
    struct tess_remat_copies *copies = making->copies;
    const struct tess_task *task = &graph->tasks[making->sequence->tasks[at]];
    copies->first_read[at + 1] = copies->first_read[at] + task->n_inputs;
    for (int k = 0; k < task->n_inputs; k++) {
        int t = task->inputs[k];
        if (making->newest[t] < 0 || making->n_written[t] < graph->tensors[t].n_producers)
            return tess_error_set(
                error, TESS_E_VERIFY,
                "position %d: task %d reads tensor %d, which nobody has "
                "written",
                at, making->sequence->tasks[at], t);
        copies->reads[copies->first_read[at] + k] = making->newest[t];
        copies->copies[making->newest[t]].last = at;
    }
    return TESS_OK;
}

static enum tess_status run_task(struct making *making, int at, struct tess_error *error)
{
    const struct tess_task_graph *graph = making->graph;
    struct tess_remat_copies *copies = making->copies;
    int task_id = making->sequence->tasks[at];
    const struct tess_task *task = &graph->tasks[task_id];
    if (making->has_run[task_id] && !tess_remat_may_repeat(graph, task_id))
        return tess_error_set(error, TESS_E_VERIFY,
                              "position %d: task %d must not run again", at, task_id);
    making->has_run[task_id] = true;
    enum tess_status status = read_inputs(making, at, error);
    if (status != TESS_OK)
        return status;
    copies->first_made[at + 1] = copies->first_made[at] + task->n_outputs;
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        bool is_added_to = graph->tensors[t].n_producers > 1 && making->n_written[t] > 0;
        int copy = is_added_to ? making->newest[t] : begin_copy(making, t, at);
        copies->copies[copy].last = at;
        copies->made[copies->first_made[at] + k] = copy;
        making->n_written[t]++;
    }
    return TESS_OK;
}

static enum tess_status start(struct making *making, struct tess_error *error)
{
    const struct tess_task_graph *graph = making->graph;
    const struct tess_remat_sequence *sequence = making->sequence;
    struct tess_remat_copies *copies = making->copies;
    size_t n_reads = 1, n_made = 1, n = (size_t)sequence->n + 1;
    for (int at = 0; at < sequence->n; at++) {
        int task = sequence->tasks[at];
        if (task < 0 || task >= graph->n_tasks)
            return tess_error_set(error, TESS_E_VERIFY, "position %d: no task %d", at,
                                  task);
        n_reads += (size_t)graph->tasks[task].n_inputs;
        n_made += (size_t)graph->tasks[task].n_outputs;
    }
    making->newest = malloc(sizeof *making->newest * ((size_t)graph->n_tensors + 1));
    making->n_written = calloc((size_t)graph->n_tensors + 1, sizeof *making->n_written);
    making->has_run = calloc((size_t)graph->n_tasks + 1, sizeof *making->has_run);
    copies->copies = malloc(sizeof *copies->copies * (n_made + (size_t)graph->n_tensors));
    copies->first_read = calloc(n, sizeof *copies->first_read);
    copies->reads = malloc(sizeof *copies->reads * n_reads);
    copies->first_made = calloc(n, sizeof *copies->first_made);
    copies->made = malloc(sizeof *copies->made * n_made);
    bool has_all = making->newest && making->n_written && making->has_run &&
                   copies->copies && copies->first_read && copies->reads &&
                   copies->first_made && copies->made;
    return has_all ? TESS_OK : tess_error_nomem(error);
}

static enum tess_status make(struct making *making, struct tess_error *error)
{
    const struct tess_task_graph *graph = making->graph;
    for (int t = 0; t < graph->n_tensors; t++) {
        making->newest[t] = -1;
        if (graph->tensors[t].is_input)
            making->copies->copies[begin_copy(making, t, 0)].last = -1;
    }
    for (int at = 0; at < making->sequence->n; at++) {
        enum tess_status status = run_task(making, at, error);
        if (status != TESS_OK)
            return status;
    }
    for (int i = 0; i < graph->n_tasks; i++)
        if (!making->has_run[i])
            return tess_error_set(error, TESS_E_VERIFY, "task %d does not run", i);
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_retained)
            making->copies->copies[making->newest[t]].last = making->sequence->n - 1;
    return TESS_OK;
}

enum tess_status tess_remat_copies_init(struct tess_remat_copies *copies,
                                        const struct tess_task_graph *graph,
                                        const struct tess_remat_sequence *sequence,
                                        struct tess_error *error)
{
    struct making making = {.graph = graph, .sequence = sequence, .copies = copies};
    *copies = (struct tess_remat_copies){0};
    enum tess_status status = start(&making, error);
    if (status == TESS_OK)
        status = make(&making, error);
    free(making.newest);
    free(making.n_written);
    free(making.has_run);
    return status;
}

void tess_remat_copies_release(struct tess_remat_copies *copies)
{
    if (!copies)
        return;
    free(copies->copies);
    free(copies->first_read);
    free(copies->reads);
    free(copies->first_made);
    free(copies->made);
    *copies = (struct tess_remat_copies){0};
}

/* ---- the evaluator ---- */

/* Of the bytes of a run's inputs and output, those that count twice. */
static int64_t overwritten_bytes(const struct tess_task_graph *graph, int task_id,
                                 const struct tess_remat_copies *copies, int at)
{
    const struct tess_task *task = &graph->tasks[task_id];
    if (!(task->flags & TESS_TASK_OVERWRITES) || task->n_outputs != 1 ||
        graph->tensors[task->outputs[0]].n_producers > 1)
        return 0;
    int64_t bytes = graph->tensors[task->outputs[0]].bytes;
    for (int k = 0; k < task->n_inputs; k++) {
        const struct tess_remat_copy *copy =
            &copies->copies[copies->reads[copies->first_read[at] + k]];
        bool dies = copy->last == at &&
                    !(copy->is_last && graph->tensors[copy->tensor].is_retained);
        if (dies && graph->tensors[copy->tensor].bytes == bytes)
            return bytes;
    }
    return 0;
}

/* change [n + 1] holds zeros; the most bytes alive at one moment. */
static int64_t add_up(const struct tess_task_graph *graph,
                      const struct tess_remat_sequence *sequence,
                      const struct tess_remat_copies *copies, int64_t *change,
                      int64_t *bytes_out)
{
    int64_t alive = 0, most = 0;
    for (int c = 0; c < copies->n_copies; c++) {
        const struct tess_remat_copy *copy = &copies->copies[c];
        if (copy->first <= copy->last) {
            change[copy->first] += graph->tensors[copy->tensor].bytes;
            change[copy->last + 1] -= graph->tensors[copy->tensor].bytes;
        } else if (sequence->n == 0 && graph->tensors[copy->tensor].is_retained) {
            most += graph->tensors[copy->tensor].bytes;
        }
    }
    for (int at = 0; at < sequence->n; at++) {
        alive += change[at];
        int64_t bytes = alive - overwritten_bytes(graph, sequence->tasks[at], copies, at);
        most = tess_max_i64(most, bytes);
        if (bytes_out)
            bytes_out[at] = bytes;
    }
    return most;
}

enum tess_status tess_remat_measure(const struct tess_remat_problem *problem,
                                    const struct tess_remat_sequence *sequence,
                                    struct tess_remat_value *value_out,
                                    int64_t *bytes_out, struct tess_error *error)
{
    struct tess_remat_copies copies;
    int64_t *change = calloc((size_t)sequence->n + 1, sizeof *change);
    enum tess_status status =
        tess_remat_copies_init(&copies, problem->graph, sequence, error);
    if (status == TESS_OK && !change)
        status = tess_error_nomem(error);
    if (status == TESS_OK) {
        value_out->peak_bytes =
            add_up(problem->graph, sequence, &copies, change, bytes_out);
        value_out->cost = 0;
        for (int at = 0; at < sequence->n; at++)
            value_out->cost += problem->costs[sequence->tasks[at]];
    }
    free(change);
    tess_remat_copies_release(&copies);
    return status;
}
