#include "schedule/blocks.h"

#include <assert.h>
#include <stdlib.h>

#include "schedule/peak.h"

/* Begins the blocks of a task's outputs, or goes on with that of a dying input. */
static void begin_outputs(struct tess_blocks *blocks, const struct tess_live *live,
                          int task_id, int step)
{
    const struct tess_task_graph *graph = live->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    int taken = -1;
    for (int k = 0; k < task->n_inputs && taken < 0; k++) {
        int input = task->inputs[k];
        if (tess_task_may_overwrite(graph, task_id) && live->n_unread[input] == 1 &&
            !graph->tensors[input].is_retained &&
            graph->tensors[input].bytes == graph->tensors[task->outputs[0]].bytes)
            taken = blocks->block_of[input];
    }
    for (int k = 0; k < task->n_outputs; k++) {
        int output = task->outputs[k];
        if (blocks->block_of[output] >= 0 || graph->tensors[output].bytes == 0)
            continue;
        if (taken < 0) {
            blocks->blocks[blocks->n_blocks] =
                (struct tess_block){step, step, graph->tensors[output].bytes, 0};
            blocks->block_of[output] = blocks->n_blocks++;
        } else {
            blocks->block_of[output] = taken;
        }
    }
}

/* All tensors of the task are alive at this step. */
static void touch(struct tess_blocks *blocks, const struct tess_task *task, int step)
{
    for (int k = 0; k < task->n_inputs + task->n_outputs; k++) {
        int tensor =
            k < task->n_inputs ? task->inputs[k] : task->outputs[k - task->n_inputs];
        if (blocks->block_of[tensor] >= 0)
            blocks->blocks[blocks->block_of[tensor]].last_step = step;
    }
}

enum tess_status tess_blocks_init(struct tess_blocks *blocks,
                                  const struct tess_task_graph *graph, const int *order,
                                  struct tess_error *error)
{
    size_t n = (size_t)graph->n_tensors + 1;
    struct tess_live live;
    *blocks = (struct tess_blocks){0};
    blocks->blocks = malloc(n * sizeof *blocks->blocks);
    blocks->block_of = malloc(n * sizeof *blocks->block_of);
    if (!blocks->blocks || !blocks->block_of)
        return tess_error_nomem(error);
    enum tess_status status = tess_live_init(&live, graph, error);
    if (status != TESS_OK)
        return status;
    int last_step = graph->n_tasks > 0 ? graph->n_tasks - 1 : 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        blocks->block_of[t] = -1;
        if (!tensor->is_input || live.n_unread[t] == 0 || tensor->bytes == 0)
            continue;
        blocks->blocks[blocks->n_blocks] = (struct tess_block){0, 0, tensor->bytes, 0};
        blocks->block_of[t] = blocks->n_blocks++;
    }
    for (int step = 0; step < graph->n_tasks; step++) {
        begin_outputs(blocks, &live, order[step], step);
        touch(blocks, &graph->tasks[order[step]], step);
        tess_live_run(&live, order[step]);
    }
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_retained && blocks->block_of[t] >= 0)
            blocks->blocks[blocks->block_of[t]].last_step = last_step;
    tess_live_release(&live);
    return TESS_OK;
}

void tess_blocks_release(struct tess_blocks *blocks)
{
    if (!blocks)
        return;
    free(blocks->blocks);
    free(blocks->block_of);
    *blocks = (struct tess_blocks){0};
}

void tess_blocks_offsets(const struct tess_blocks *blocks,
                         const struct tess_task_graph *graph, int64_t *offsets_out)
{
    for (int t = 0; t < graph->n_tensors; t++)
        offsets_out[t] =
            blocks->block_of[t] >= 0 ? blocks->blocks[blocks->block_of[t]].offset : 0;
}
