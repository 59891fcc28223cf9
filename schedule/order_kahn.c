/* Breadth first, as many frameworks sort: a queue of the tasks that can run, first in first out;
 * at the start and after each task the ones that can run now queue up by their ids.
 *
 * Reference: A. B. Kahn, "Topological sorting of large networks", CACM 5 (11), 1962. */
#include <stdlib.h>

#include "schedule/ordering.h"

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    (void)limits;
    int *n_waiting = malloc(sizeof *n_waiting * (size_t)(graph->n_tasks + 1));
    if (!n_waiting)
        return tess_error_nomem(error);
    int *queue = result_out->order, n_queued = 0;
    for (int i = 0; i < graph->n_tasks; i++) {
        n_waiting[i] = graph->tasks[i].n_before;
        if (n_waiting[i] == 0)
            queue[n_queued++] = i;
    }
    for (int next = 0; next < n_queued; next++) {
        const struct tess_task *task = &graph->tasks[queue[next]];
        for (int k = 0; k < task->n_after; k++)
            if (--n_waiting[task->after[k]] == 0)
                queue[n_queued++] = task->after[k];
    }
    free(n_waiting);
    result_out->n_expanded = 0;
    result_out->n_fused = graph->n_tasks;
    return tess_order_result_finish(graph, 0, "none", result_out, error);
}

const struct tess_order_method tess_method_kahn = {
    .name = "kahn",
    .description = "breadth first: tasks queue up as they become able to run",
    .run = run,
};
