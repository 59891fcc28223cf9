/* A rewritten graph while it is written down: tasks and tensors with where they come from. */
#ifndef TESS_SCHEDULE_REWRITE_DRAFT_H
#define TESS_SCHEDULE_REWRITE_DRAFT_H

#include "schedule/rewrite.h"

/* A list that grows up to `limit`. */
struct tess_rewrite_list {
    int *at;
    int n, capacity, limit;
};

struct tess_draft_task {
    struct tess_rewritten_task what;
    unsigned flags;
    int first_use, n_inputs, n_outputs; /* in `uses`, the inputs first */
};

struct tess_draft_tensor {
    struct tess_rewritten_tensor what;
    struct tess_tensor_spec spec;
    int mark;   /* the caller's, -1 at first */
    int new_id; /* in the result */
};

/* Starts zeroed, but for uses.limit. */
struct tess_rewrite_draft {
    struct tess_draft_task *tasks;
    struct tess_draft_tensor *tensors;
    int n_tasks, n_tensors, task_capacity, tensor_capacity;
    struct tess_rewrite_list uses;
};

void tess_rewrite_draft_release(struct tess_rewrite_draft *draft);

/* Adds to the end of a list. TESS_E_NOMEM, TESS_E_MODEL if it is full. */
enum tess_status tess_rewrite_list_push(struct tess_rewrite_list *list, int value,
                                        struct tess_error *error);

/* Adds a tensor, numbered from 0 on. TESS_E_NOMEM. */
enum tess_status tess_rewrite_draft_tensor(struct tess_rewrite_draft *draft,
                                           struct tess_rewritten_tensor what,
                                           struct tess_tensor_spec spec, int *tensor_out,
                                           struct tess_error *error);

/* Adds a task that reads and writes nothing yet. TESS_E_NOMEM. */
enum tess_status tess_rewrite_draft_task(struct tess_rewrite_draft *draft,
                                         struct tess_rewritten_task what, unsigned flags,
                                         struct tess_error *error);

/* Adds inputs to the task added last; then outputs, after which no inputs follow. TESS_E_NOMEM,
 * TESS_E_MODEL if there are too many. */
enum tess_status tess_rewrite_draft_inputs(struct tess_rewrite_draft *draft,
                                           const int *inputs, int n_inputs,
                                           struct tess_error *error);
enum tess_status tess_rewrite_draft_outputs(struct tess_rewrite_draft *draft,
                                            const int *outputs, int n_outputs,
                                            struct tess_error *error);

/* Fills in graph, tasks and tensors of the result, without tensors that are neither an input nor
 * used. Once. TESS_E_NOMEM, TESS_E_MODEL if the sizes are too large together. */
enum tess_status tess_rewrite_draft_finish(struct tess_rewrite_draft *draft,
                                           struct tess_rewritten *result,
                                           struct tess_error *error);

#endif
