/* Greedy list scheduling: of the tasks that can run, always the one after which the fewest bytes
 * are alive; of equals the one with the lower peak, then the lower id. */
#include "schedule/frontier.h"
#include "schedule/greedy.h"
#include "schedule/ordering.h"

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    struct tess_chains singles;
    (void)limits;
    enum tess_status status = tess_chains_single(&singles, graph, error);
    if (status == TESS_OK)
        status = tess_greedy_order(&singles, TESS_GREEDY_FEWEST, false, result_out->order,
                                   error);
    result_out->n_expanded = 0;
    result_out->n_fused = graph->n_tasks;
    tess_chains_release(&singles);
    return status == TESS_OK
               ? tess_order_result_finish(graph, 0, "none", result_out, error)
               : status;
}

const struct tess_order_method tess_method_greedy = {
    .name = "greedy",
    .description = "always the task after which the fewest bytes are alive",
    .run = run,
};
