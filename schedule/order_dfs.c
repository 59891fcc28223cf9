/* Depth first: reverse postorder over "after", from the last source to the first, into followers
 * by rising ids. Each branch is finished before the next begins. */
#include <stdlib.h>
#include <string.h>

#include "schedule/ordering.h"

struct visit {
    int *stack;  /* [n_tasks] tasks entered and not left */
    int *n_seen; /* [n_tasks] followers looked at; -1: not entered */
    int n_left;  /* places of the order still free, filled from its end */
};

static void visit_from(const struct tess_task_graph *graph, int source,
                       struct visit *visit, int *order)
{
    int n_stack = 0;
    visit->stack[n_stack++] = source;
    visit->n_seen[source] = 0;
    while (n_stack > 0) {
        int top = visit->stack[n_stack - 1];
        const struct tess_task *task = &graph->tasks[top];
        if (visit->n_seen[top] == task->n_after) {
            order[--visit->n_left] = top;
            n_stack--;
            continue;
        }
        int next = task->after[visit->n_seen[top]++];
        if (visit->n_seen[next] < 0) {
            visit->n_seen[next] = 0;
            visit->stack[n_stack++] = next;
        }
    }
}

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    (void)limits;
    size_t n = (size_t)graph->n_tasks + 1;
    int *work = malloc(sizeof *work * 2 * n);
    if (!work)
        return tess_error_nomem(error);
    struct visit visit = {work, work + n, graph->n_tasks};
    memset(visit.n_seen, 0xff, sizeof *work * n);
    for (int i = graph->n_tasks - 1; i >= 0; i--)
        if (graph->tasks[i].n_before == 0)
            visit_from(graph, i, &visit, result_out->order);
    free(work);
    result_out->n_expanded = 0;
    result_out->n_fused = graph->n_tasks;
    return tess_order_result_finish(graph, 0, "none", result_out, error);
}

const struct tess_order_method tess_method_dfs = {
    .name = "dfs",
    .description = "depth first: each branch to its end before the next",
    .run = run,
};
