/* Problem: a lower bound of the cost of all sequences within the budget, for an order of first
 * runs that is fixed.
 *
 * Method: when task p of the order runs for the first time, its inputs and outputs are there. Any
 * other tensor that was written before and that somebody reads who has not yet run is there, too,
 * or its task must run again afterwards. So tasks have to be chosen for which that is so, whose
 * tensors free what is too much; the cheapest choice by fractions of tasks is a bound. Where p may
 * overwrite, an input of its output's size may go as well. The largest over all p counts.
 *
 * Worked example: a (4 bytes, cost 5) is read by b and e of a b c d e. While c runs there are its
 * input and output, 12, and a: 16. Within 14 bytes 2 must go, and only a can: half of it is enough
 * for the fraction, which makes 2.5: no sequence costs less than 3 more.
 *
 * Not done: adding up what moments far apart force.
 */
#include "remat/cost_bound.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"

/* A task whose tensors can go at a moment. */
struct item {
    int64_t bytes, cost;
};

struct bounding {
    const struct tess_remat_problem *problem;
    int *position;      /* [n_tasks] in the order */
    int *first, *last;  /* [n_tensors] positions */
    int64_t *goes;      /* [n_tasks] bytes of each that can go at this moment */
    struct item *items; /* [n_tasks] */
};

static bool is_fixed(const struct tess_remat_problem *problem)
{
    const struct tess_task_graph *graph = problem->graph;
    if (problem->keeps_order)
        return true;
    for (int at = 1; at < graph->n_tasks; at++) {
        const struct tess_task *task = &graph->tasks[problem->order[at]];
        bool needs_it = false;
        for (int k = 0; k < task->n_before; k++)
            needs_it |= task->before[k] == problem->order[at - 1];
        if (!needs_it)
            return false;
    }
    return true;
}

static void find_lifetimes(struct bounding *bounding)
{
    const struct tess_task_graph *graph = bounding->problem->graph;
    for (int at = 0; at < graph->n_tasks; at++)
        bounding->position[bounding->problem->order[at]] = at;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        int first = tensor->is_input ? -1 : graph->n_tasks, last = -1;
        for (int k = 0; k < tensor->n_producers; k++) {
            first = tess_min_int(first, bounding->position[tensor->producers[k]]);
            last = tess_max_int(last, bounding->position[tensor->producers[k]]);
        }
        for (int k = 0; k < tensor->n_consumers; k++)
            last = tess_max_int(last, bounding->position[tensor->consumers[k]]);
        bounding->first[t] = first;
        bounding->last[t] = tensor->is_retained ? graph->n_tasks : last;
    }
}

/* Does the task at this position read or write the tensor so that it must be there? */
static bool is_used(const struct tess_task_graph *graph, const struct tess_task *task,
                    int tensor)
{
    bool reads = false, may_overwrite = (task->flags & TESS_TASK_OVERWRITES) &&
                                        task->n_outputs == 1 &&
                                        graph->tensors[task->outputs[0]].n_producers == 1;
    for (int k = 0; k < task->n_outputs; k++)
        if (task->outputs[k] == tensor)
            return true;
    for (int k = 0; k < task->n_inputs; k++)
        reads |= task->inputs[k] == tensor;
    return reads && !(may_overwrite && graph->tensors[task->outputs[0]].bytes ==
                                           graph->tensors[tensor].bytes);
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    double left = (double)x->cost * (double)y->bytes;
    double right = (double)y->cost * (double)x->bytes;
    return (left > right) - (left < right);
}

/* Cheapest cost, by fractions, of so many bytes; -1: they are not to be had. */
static double cover(struct item *items, int n, int64_t need)
{
    double cost = 0;
    qsort(items, (size_t)n, sizeof *items, compare_items);
    for (int i = 0; i < n && need > 0; i++) {
        int64_t bytes = tess_min_i64(need, items[i].bytes);
        cost += (double)items[i].cost * ((double)bytes / (double)items[i].bytes);
        need -= bytes;
    }
    return need > 0 ? -1 : cost;
}

/* What the moment forces; -1: nothing is within the budget. */
static double bound_moment(struct bounding *bounding, int at)
{
    const struct tess_remat_problem *problem = bounding->problem;
    const struct tess_task_graph *graph = problem->graph;
    const struct tess_task *task = &graph->tasks[problem->order[at]];
    int64_t alive = 0, saved = 0;
    int n = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        if (bounding->first[t] > at || bounding->last[t] < at)
            continue;
        alive += tensor->bytes;
        if (is_used(graph, task, t))
            continue;
        int maker = tensor->n_producers == 1 ? tensor->producers[0] : -1;
        if (bounding->last[t] == at) /* an input that p overwrites and nobody needs */
            saved = tess_max_i64(saved, tensor->bytes);
        else if (maker >= 0 && problem->most_runs > 1 &&
                 tess_remat_may_repeat(graph, maker))
            bounding->goes[maker] += tensor->bytes;
    }
    for (int i = 0; i < graph->n_tasks; i++) {
        if (bounding->goes[i] > 0)
            bounding->items[n++] = (struct item){bounding->goes[i], problem->costs[i]};
        bounding->goes[i] = 0;
    }
    return cover(bounding->items, n, alive - saved - problem->budget_bytes);
}

static enum tess_status start(struct bounding *bounding, struct tess_error *error)
{
    size_t n = (size_t)bounding->problem->graph->n_tasks + 1;
    size_t n_tensors = (size_t)bounding->problem->graph->n_tensors + 1;
    bounding->position = malloc(sizeof *bounding->position * n);
    bounding->first = malloc(sizeof *bounding->first * n_tensors);
    bounding->last = malloc(sizeof *bounding->last * n_tensors);
    bounding->goes = calloc(n, sizeof *bounding->goes);
    bounding->items = malloc(sizeof *bounding->items * n);
    return bounding->position && bounding->first && bounding->last && bounding->goes &&
                   bounding->items
               ? TESS_OK
               : tess_error_nomem(error);
}

enum tess_status tess_remat_bound_cost(const struct tess_remat_problem *problem,
                                       int64_t *cost_out, struct tess_error *error)
{
    struct bounding bounding = {.problem = problem};
    int64_t least = tess_remat_least_cost(problem);
    double most = 0;
    *cost_out = least;
    if (!is_fixed(problem))
        return TESS_OK;
    enum tess_status status = start(&bounding, error);
    if (status == TESS_OK) {
        find_lifetimes(&bounding);
        for (int at = 0; at < problem->graph->n_tasks && most >= 0; at++) {
            double forced = bound_moment(&bounding, at);
            most = forced < 0 ? -1 : fmax(most, forced);
        }
        /* Sums of fractions are a little off; costs are integers. */
        *cost_out = most < 0 ? INT64_MAX : least + (int64_t)ceil(most * (1 - 1e-9));
    }
    free(bounding.position);
    free(bounding.first);
    free(bounding.last);
    free(bounding.goes);
    free(bounding.items);
    return status;
}
