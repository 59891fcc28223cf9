/* Problem: a proven lower bound on the peak of every order.
 *
 * Method: in every order each task v runs in some state I that contains all that v needs and
 * neither v nor what needs it. So while v runs at least
 *     min over such I of alive(I) + bytes that v makes                                     (1)
 * are alive; one minimum cut. If v may overwrite an input, nothing need be made; then the larger of
 *     min alive(I)   and   min alive(I + v)                                                (2)
 * counts. The bound is the largest over all v. Tasks with large tensors go first: mostly one of
 * them reaches `enough`.
 *
 * Invariant: the bound so far holds for every order.
 *
 * Cost: a flow per task (two if it overwrites).
 *
 * Worked example: in (1) -> a -> x (4) and in -> b -> y (4), both read by c. For a: alive(I) is
 * least with b not yet run: 1, and 4 are made: 5. For c: x and y, and what c makes.
 */
#include "schedule/bound.h"

#include <stdlib.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "schedule/cut.h"
#include "schedule/peak.h"

struct weighed_task {
    int64_t bytes; /* of its tensors */
    int task;
};

static int compare_weights(const void *a, const void *b)
{
    const struct weighed_task *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->task - y->task;
}

static struct weighed_task weigh(const struct tess_task_graph *graph, int task_id)
{
    const struct tess_task *task = &graph->tasks[task_id];
    struct weighed_task weighed = {0, task_id};
    for (int k = 0; k < task->n_inputs; k++)
        weighed.bytes += graph->tensors[task->inputs[k]].bytes;
    for (int k = 0; k < task->n_outputs; k++)
        weighed.bytes += graph->tensors[task->outputs[k]].bytes;
    return weighed;
}

/* Bytes that the task makes in any case: tensors that others add to may be there already. */
static int64_t made_bytes(const struct tess_task_graph *graph, int task_id)
{
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t bytes = 0;
    for (int k = 0; k < task->n_outputs; k++)
        if (graph->tensors[task->outputs[k]].n_producers == 1)
            bytes += graph->tensors[task->outputs[k]].bytes;
    return bytes;
}

static enum tess_status bound_task(struct tess_cut *cut, int task_id, int64_t enough,
                                   int64_t *bound_inout, struct tess_error *error)
{
    const struct tess_task_graph *graph = cut->chains->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    bool overwrites = tess_task_may_overwrite(graph, task_id);
    int64_t made = overwrites ? 0 : made_bytes(graph, task_id), bytes;
    tess_cut_free_all(cut);
    tess_cut_set(cut, task_id, TESS_SIDE_WAITS);
    for (int k = 0; k < task->n_before; k++)
        tess_cut_set(cut, task->before[k], TESS_SIDE_RUN);
    enum tess_status status = tess_cut_find(cut, enough - made, &bytes, error); /* (1) */
    if (status != TESS_OK)
        return status;
    *bound_inout = tess_max_i64(*bound_inout, bytes + made);
    if (overwrites) {
        cut->side[task_id] = TESS_SIDE_RUN;
        status = tess_cut_find(cut, enough, &bytes, error); /* (2) */
        if (status == TESS_OK)
            *bound_inout = tess_max_i64(*bound_inout, bytes);
    }
    return status;
}

enum tess_status tess_bound_by_cuts(const struct tess_chains *singles, int64_t enough,
                                    double deadline_us, int64_t *bound_inout,
                                    struct tess_error *error)
{
    const struct tess_task_graph *graph = singles->graph;
    int64_t bound = tess_max_i64(*bound_inout, tess_peak_trivial_bound(graph));
    struct tess_cut cut;
    enum tess_status status = tess_cut_init(&cut, singles, error);
    struct weighed_task *tasks = malloc(sizeof *tasks * (size_t)(graph->n_tasks + 1));
    if (status == TESS_OK && !tasks)
        status = tess_error_nomem(error);
    for (int i = 0; i < graph->n_tasks && status == TESS_OK; i++)
        tasks[i] = weigh(graph, i);
    if (status == TESS_OK)
        qsort(tasks, (size_t)graph->n_tasks, sizeof *tasks, compare_weights);
    for (int i = 0; i < graph->n_tasks && status == TESS_OK && bound < enough; i++) {
        if (tess_deadline_is_past(deadline_us))
            break;
        status = bound_task(&cut, tasks[i].task, enough, &bound, error);
    }
    if (status == TESS_OK)
        *bound_inout = tess_min_i64(bound, enough);
    free(tasks);
    tess_cut_release(&cut);
    return status;
}
