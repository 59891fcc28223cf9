/* Task graphs of networks under construction: tensors by height, width, channels. Aborts without
 * memory: for tests and measurements only.
 */
#ifndef TESS_TESTS_SUPPORT_GRAPH_DRAFT_H
#define TESS_TESTS_SUPPORT_GRAPH_DRAFT_H

#include "base/rng.h"
#include "schedule/task_graph.h"

enum { DRAFT_MAX_TASKS = 8192, DRAFT_MAX_READS = 1 << 17 };

struct draft_map {
    int side, channels; /* side * side * channels bytes */
};

struct draft {
    struct tess_rng *rng; /* borrowed */
    int n_tasks, n_tensors, n_reads;
    struct tess_task_spec *tasks;
    struct tess_tensor_spec *tensors;
    struct draft_map *maps; /* of the tensors */
    int *outputs;           /* of the tasks: one each */
    int *reads;
};

void draft_init(struct draft *draft, struct tess_rng *rng);

/* New graph of what was drawn; frees the draft. */
struct tess_task_graph *draft_finish(struct draft *draft);

/* Each adds one task (draft_input: none) and returns the tensor it makes. Inputs are tensors; the
 * same twice is allowed. */
int draft_input(struct draft *draft, int side, int channels);
int draft_task(struct draft *draft, unsigned flags, int n_inputs, const int *inputs,
               int side, int channels);

int draft_conv(struct draft *draft, int input, int channels, int stride);
int draft_relu(struct draft *draft, int input); /* may overwrite */
int draft_pool(struct draft *draft, int input, int stride);
int draft_upsample(struct draft *draft, int input, int factor);
int draft_add(struct draft *draft, int n_inputs, const int *inputs); /* may overwrite */
int draft_concat(struct draft *draft, int n_inputs, const int *inputs);

/* relu, depthwise and pointwise convolution. */
int draft_separable(struct draft *draft, int input, int channels, int stride);

void draft_retain(struct draft *draft, int tensor);

#endif
