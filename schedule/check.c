#include "schedule/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Positions in the order, both included; `first` > `last` if the tensor never lives. */
struct lifetime {
    int first, last;
};

static enum tess_status find_positions(const struct tess_task_graph *graph,
                                       const int *order, int *position,
                                       struct tess_error *error)
{
    for (int i = 0; i < graph->n_tasks; i++)
        position[i] = -1;
    for (int at = 0; at < graph->n_tasks; at++) {
        int task = order[at];
        if (task < 0 || task >= graph->n_tasks)
            return tess_error_set(error, TESS_E_VERIFY, "position %d: no task %d", at,
                                  task);
        if (position[task] >= 0)
            return tess_error_set(error, TESS_E_VERIFY,
                                  "task %d runs at positions %d and %d", task,
                                  position[task], at);
        position[task] = at;
    }
    return TESS_OK;
}

static enum tess_status check_needs(const struct tess_task_graph *graph,
                                    const int *position, struct tess_error *error)
{
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        for (int p = 0; p < tensor->n_producers; p++)
            for (int c = 0; c < tensor->n_consumers; c++)
                if (position[tensor->producers[p]] >= position[tensor->consumers[c]])
                    return tess_error_set(
                        error, TESS_E_VERIFY,
                        "task %d reads tensor %d before task %d has written it",
                        tensor->consumers[c], t, tensor->producers[p]);
    }
    return TESS_OK;
}

static struct lifetime find_lifetime(const struct tess_task_graph *graph, int tensor_id,
                                     const int *position)
{
    const struct tess_task_tensor *tensor = &graph->tensors[tensor_id];
    struct lifetime life = {graph->n_tasks, -1};
    for (int p = 0; p < tensor->n_producers; p++) {
        int at = position[tensor->producers[p]];
        life.first = at < life.first ? at : life.first;
        life.last = at > life.last ? at : life.last;
    }
    for (int c = 0; c < tensor->n_consumers; c++) {
        int at = position[tensor->consumers[c]];
        life.last = at > life.last ? at : life.last;
    }
    if (tensor->is_input)
        life.first = 0;
    if (tensor->is_retained)
        life.last = graph->n_tasks - 1;
    return life;
}

/* May `output`, made by the task at `at`, lie on `input`, and does this die there? */
static bool may_overwrite(const struct tess_task_graph *graph, int task_id, int input,
                          int output)
{
    const struct tess_task *task = &graph->tasks[task_id];
    bool reads_it = false;
    for (int k = 0; k < task->n_inputs; k++)
        reads_it |= task->inputs[k] == input;
    return (task->flags & TESS_TASK_OVERWRITES) && task->n_outputs == 1 &&
           task->outputs[0] == output && reads_it &&
           graph->tensors[output].n_producers == 1 &&
           !graph->tensors[input].is_retained &&
           graph->tensors[input].bytes == graph->tensors[output].bytes;
}

/* Of the bytes of a task's inputs and output, those that count twice. */
static int64_t overwritten_bytes(const struct tess_task_graph *graph, int task_id,
                                 const struct lifetime *lives, int at)
{
    const struct tess_task *task = &graph->tasks[task_id];
    for (int k = 0; k < task->n_inputs; k++)
        if (task->n_outputs == 1 && lives[task->inputs[k]].last == at &&
            may_overwrite(graph, task_id, task->inputs[k], task->outputs[0]))
            return graph->tensors[task->outputs[0]].bytes;
    return 0;
}

static int64_t most_alive(const struct tess_task_graph *graph, const int *order,
                          const struct lifetime *lives, int64_t *change)
{
    int64_t most = 0, alive = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        if (lives[t].first > lives[t].last) {
            if (graph->n_tasks == 0 && graph->tensors[t].is_retained)
                most += graph->tensors[t].bytes;
            continue;
        }
        change[lives[t].first] += graph->tensors[t].bytes;
        change[lives[t].last + 1] -= graph->tensors[t].bytes;
    }
    for (int at = 0; at < graph->n_tasks; at++) {
        alive += change[at];
        int64_t bytes = alive - overwritten_bytes(graph, order[at], lives, at);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Fills lives [n_tensors] from an order that is one. */
static enum tess_status find_lifetimes(const struct tess_task_graph *graph,
                                       const int *order, struct lifetime *lives,
                                       struct tess_error *error)
{
    int *position = malloc(sizeof *position * (size_t)(graph->n_tasks + 1));
    if (!position)
        return tess_error_nomem(error);
    enum tess_status status = find_positions(graph, order, position, error);
    if (status == TESS_OK)
        status = check_needs(graph, position, error);
    for (int t = 0; t < graph->n_tensors && status == TESS_OK; t++)
        lives[t] = find_lifetime(graph, t, position);
    free(position);
    return status;
}

enum tess_status tess_check_order(const struct tess_task_graph *graph, const int *order,
                                  int64_t *peak_out, struct tess_error *error)
{
    struct lifetime *lives = malloc(sizeof *lives * (size_t)(graph->n_tensors + 1));
    int64_t *change = calloc((size_t)graph->n_tasks + 1, sizeof *change);
    enum tess_status status = TESS_OK;
    if (!lives || !change)
        status = tess_error_nomem(error);
    if (status == TESS_OK)
        status = find_lifetimes(graph, order, lives, error);
    if (status == TESS_OK)
        *peak_out = most_alive(graph, order, lives, change);
    free(lives);
    free(change);
    return status;
}

struct places {
    const struct tess_task_graph *graph;
    const int *order;
    const struct lifetime *lives;
    const int64_t *offsets;
};

static bool is_looked_at(const struct places *places, int tensor)
{
    return places->graph->tensors[tensor].bytes > 0 &&
           places->lives[tensor].first <= places->lives[tensor].last;
}

/* Is `output` put onto `input` at the task with which this dies? */
static bool takes_over(const struct places *places, int input, int output)
{
    int at = places->lives[input].last;
    return at == places->lives[output].first &&
           places->offsets[input] == places->offsets[output] &&
           may_overwrite(places->graph, places->order[at], input, output);
}

static bool collide(const struct places *places, int a, int b)
{
    const struct lifetime *x = &places->lives[a], *y = &places->lives[b];
    if (x->first > y->last || y->first > x->last)
        return false;
    int64_t a_end = places->offsets[a] + places->graph->tensors[a].bytes;
    int64_t b_end = places->offsets[b] + places->graph->tensors[b].bytes;
    if (places->offsets[a] >= b_end || places->offsets[b] >= a_end)
        return false;
    return !takes_over(places, a, b) && !takes_over(places, b, a);
}

static enum tess_status check_pairs(const struct places *places, int64_t arena_bytes,
                                    int64_t alignment, struct tess_error *error)
{
    for (int a = 0; a < places->graph->n_tensors; a++) {
        if (!is_looked_at(places, a))
            continue;
        int64_t offset = places->offsets[a];
        if (offset < 0 || offset % alignment != 0 ||
            offset > arena_bytes - places->graph->tensors[a].bytes)
            return tess_error_set(error, TESS_E_VERIFY,
                                  "tensor %d at offset %lld is outside the arena or "
                                  "not aligned",
                                  a, (long long)offset);
        for (int b = 0; b < a; b++)
            if (is_looked_at(places, b) && collide(places, a, b))
                return tess_error_set(error, TESS_E_VERIFY,
                                      "tensors %d and %d are alive together and overlap",
                                      b, a);
    }
    return TESS_OK;
}

enum tess_status tess_check_places(const struct tess_task_graph *graph, const int *order,
                                   const int64_t *offsets, int64_t arena_bytes,
                                   int64_t alignment, struct tess_error *error)
{
    assert(alignment >= 1);
    struct lifetime *lives = malloc(sizeof *lives * (size_t)(graph->n_tensors + 1));
    if (!lives)
        return tess_error_nomem(error);
    enum tess_status status = find_lifetimes(graph, order, lives, error);
    struct places places = {graph, order, lives, offsets};
    if (status == TESS_OK)
        status = check_pairs(&places, arena_bytes, alignment, error);
    free(lives);
    return status;
}
