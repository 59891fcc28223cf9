#include "tests/support/graph_draft.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void draft_init(struct draft *draft, struct tess_rng *rng)
{
    *draft = (struct draft){.rng = rng};
    draft->tasks = calloc(DRAFT_MAX_TASKS, sizeof *draft->tasks);
    draft->tensors = calloc(DRAFT_MAX_TASKS, sizeof *draft->tensors);
    draft->maps = calloc(DRAFT_MAX_TASKS, sizeof *draft->maps);
    draft->outputs = calloc(DRAFT_MAX_TASKS, sizeof *draft->outputs);
    draft->reads = calloc(DRAFT_MAX_READS, sizeof *draft->reads);
    if (!draft->tasks || !draft->tensors || !draft->maps || !draft->outputs ||
        !draft->reads)
        abort();
}

struct tess_task_graph *draft_finish(struct draft *draft)
{
    struct tess_task_graph *graph = NULL;
    struct tess_tasks_spec spec = {draft->n_tasks, draft->n_tensors, draft->tasks,
                                   draft->tensors};
    struct tess_error error;
    tess_error_init(&error);
    if (tess_task_graph_create(&spec, &graph, NULL, &error) != TESS_OK) {
        fprintf(stderr, "draft: %s\n", error.message);
        abort();
    }
    free(draft->tasks);
    free(draft->tensors);
    free(draft->maps);
    free(draft->outputs);
    free(draft->reads);
    return graph;
}

int draft_input(struct draft *draft, int side, int channels)
{
    int tensor = draft->n_tensors++;
    assert(tensor < DRAFT_MAX_TASKS && side > 0 && channels > 0);
    draft->tensors[tensor].bytes = (int64_t)side * side * channels;
    draft->tensors[tensor].is_input = true;
    draft->maps[tensor] = (struct draft_map){side, channels};
    return tensor;
}

int draft_task(struct draft *draft, unsigned flags, int n_inputs, const int *inputs,
               int side, int channels)
{
    int task = draft->n_tasks++, tensor = draft_input(draft, side, channels);
    assert(task < DRAFT_MAX_TASKS && draft->n_reads + n_inputs <= DRAFT_MAX_READS);
    draft->tensors[tensor].is_input = false;
    draft->outputs[task] = tensor;
    draft->tasks[task] = (struct tess_task_spec){
        flags, n_inputs, 1, draft->reads + draft->n_reads, &draft->outputs[task]};
    for (int i = 0; i < n_inputs; i++)
        draft->reads[draft->n_reads++] = inputs[i];
    return tensor;
}

int draft_conv(struct draft *draft, int input, int channels, int stride)
{
    int side = (draft->maps[input].side + stride - 1) / stride;
    return draft_task(draft, 0, 1, &input, side, channels);
}

int draft_relu(struct draft *draft, int input)
{
    struct draft_map map = draft->maps[input];
    return draft_task(draft, TESS_TASK_OVERWRITES, 1, &input, map.side, map.channels);
}

int draft_pool(struct draft *draft, int input, int stride)
{
    return draft_conv(draft, input, draft->maps[input].channels, stride);
}

int draft_upsample(struct draft *draft, int input, int factor)
{
    struct draft_map map = draft->maps[input];
    return draft_task(draft, 0, 1, &input, map.side * factor, map.channels);
}

int draft_add(struct draft *draft, int n_inputs, const int *inputs)
{
    struct draft_map map = draft->maps[inputs[0]];
    return draft_task(draft, TESS_TASK_OVERWRITES, n_inputs, inputs, map.side,
                      map.channels);
}

int draft_concat(struct draft *draft, int n_inputs, const int *inputs)
{
    int channels = 0;
    for (int i = 0; i < n_inputs; i++)
        channels += draft->maps[inputs[i]].channels;
    return draft_task(draft, TESS_TASK_CONCAT, n_inputs, inputs,
                      draft->maps[inputs[0]].side, channels);
}

int draft_separable(struct draft *draft, int input, int channels, int stride)
{
    int active = draft_relu(draft, input);
    return draft_conv(draft, draft_pool(draft, active, stride), channels, 1);
}

void draft_retain(struct draft *draft, int tensor)
{
    draft->tensors[tensor].is_retained = true;
}
