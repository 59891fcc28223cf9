/* The order in which the graph's author wrote the tasks, as far as it is a valid one. */
#include "schedule/ordering.h"

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    (void)limits;
    result_out->n_expanded = 0;
    result_out->n_fused = graph->n_tasks;
    enum tess_status status = tess_task_graph_file_order(graph, result_out->order, error);
    return status == TESS_OK
               ? tess_order_result_finish(graph, 0, "none", result_out, error)
               : status;
}

const struct tess_order_method tess_method_file = {
    .name = "file",
    .description = "as the file has them",
    .run = run,
};
