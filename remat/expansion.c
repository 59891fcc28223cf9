#include "remat/expansion.h"

#include <stdlib.h>

static void fill(const struct tess_task_graph *graph,
                 const struct tess_remat_sequence *sequence,
                 const struct tess_remat_copies *copies, struct tess_task_spec *tasks,
                 struct tess_tensor_spec *tensors)
{
    for (int c = 0; c < copies->n_copies; c++) {
        const struct tess_task_tensor *tensor = &graph->tensors[copies->copies[c].tensor];
        tensors[c] = (struct tess_tensor_spec){.bytes = tensor->bytes,
                                               .is_input = tensor->is_input,
                                               .is_retained = tensor->is_retained &&
                                                              copies->copies[c].is_last};
    }
    for (int at = 0; at < sequence->n; at++) {
        const struct tess_task *task = &graph->tasks[sequence->tasks[at]];
        tasks[at] =
            (struct tess_task_spec){.flags = task->flags,
                                    .n_inputs = task->n_inputs,
                                    .n_outputs = task->n_outputs,
                                    .inputs = copies->reads + copies->first_read[at],
                                    .outputs = copies->made + copies->first_made[at]};
    }
}

enum tess_status tess_remat_expand(struct tess_remat_expansion *expansion,
                                   const struct tess_task_graph *graph,
                                   const struct tess_remat_sequence *sequence,
                                   struct tess_error *error)
{
    *expansion = (struct tess_remat_expansion){0};
    enum tess_status status =
        tess_remat_copies_init(&expansion->copies, graph, sequence, error);
    if (status != TESS_OK)
        return status;
    int n_copies = expansion->copies.n_copies;
    struct tess_task_spec *tasks = malloc(sizeof *tasks * ((size_t)sequence->n + 1));
    struct tess_tensor_spec *tensors = malloc(sizeof *tensors * ((size_t)n_copies + 1));
    if (!tasks || !tensors) {
        status = tess_error_nomem(error);
        goto out;
    }
    fill(graph, sequence, &expansion->copies, tasks, tensors);
    struct tess_tasks_spec spec = {sequence->n, n_copies, tasks, tensors};
    status = tess_task_graph_create(&spec, &expansion->graph, NULL, error);
out:
    free(tasks);
    free(tensors);
    return status;
}

void tess_remat_expansion_release(struct tess_remat_expansion *expansion)
{
    if (!expansion)
        return;
    tess_task_graph_destroy(expansion->graph);
    tess_remat_copies_release(&expansion->copies);
    *expansion = (struct tess_remat_expansion){0};
}
