#include "schedule/rewrite_draft.h"

#include <assert.h>
#include <stdlib.h>

void tess_rewrite_draft_release(struct tess_rewrite_draft *draft)
{
    free(draft->tasks);
    free(draft->tensors);
    free(draft->uses.at);
    *draft = (struct tess_rewrite_draft){0};
}

/* Room for one more at `n`: the block, moved if need be; NULL if there is no memory. */
static void *with_room(void *block, int n, int *capacity, size_t item_bytes)
{
    if (n < *capacity)
        return block;
    int wanted = *capacity ? 2 * *capacity : 64;
    void *grown = realloc(block, item_bytes * (size_t)wanted);
    if (grown)
        *capacity = wanted;
    return grown;
}

enum tess_status tess_rewrite_list_push(struct tess_rewrite_list *list, int value,
                                        struct tess_error *error)
{
    if (list->n == list->limit)
        return tess_error_set(error, TESS_E_MODEL,
                              "concats of concats have more than %d parts", list->limit);
    int *at = with_room(list->at, list->n, &list->capacity, sizeof *at);
    if (!at)
        return tess_error_nomem(error);
    list->at = at;
    at[list->n++] = value;
    return TESS_OK;
}

enum tess_status tess_rewrite_draft_tensor(struct tess_rewrite_draft *draft,
                                           struct tess_rewritten_tensor what,
                                           struct tess_tensor_spec spec, int *tensor_out,
                                           struct tess_error *error)
{
    struct tess_draft_tensor *tensors = with_room(
        draft->tensors, draft->n_tensors, &draft->tensor_capacity, sizeof *tensors);
    if (!tensors)
        return tess_error_nomem(error);
    draft->tensors = tensors;
    *tensor_out = draft->n_tensors++;
    tensors[*tensor_out] = (struct tess_draft_tensor){what, spec, -1, -1};
    return TESS_OK;
}

enum tess_status tess_rewrite_draft_task(struct tess_rewrite_draft *draft,
                                         struct tess_rewritten_task what, unsigned flags,
                                         struct tess_error *error)
{
    struct tess_draft_task *tasks =
        with_room(draft->tasks, draft->n_tasks, &draft->task_capacity, sizeof *tasks);
    if (!tasks)
        return tess_error_nomem(error);
    draft->tasks = tasks;
    tasks[draft->n_tasks++] = (struct tess_draft_task){what, flags, draft->uses.n, 0, 0};
    return TESS_OK;
}

/* `tensors` are not in draft->uses, which moves. */
static enum tess_status use(struct tess_rewrite_draft *draft, const int *tensors, int n,
                            int *n_inout, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int k = 0; k < n && status == TESS_OK; k++)
        status = tess_rewrite_list_push(&draft->uses, tensors[k], error);
    *n_inout += n;
    return status;
}

enum tess_status tess_rewrite_draft_inputs(struct tess_rewrite_draft *draft,
                                           const int *inputs, int n_inputs,
                                           struct tess_error *error)
{
    struct tess_draft_task *task = &draft->tasks[draft->n_tasks - 1];
    assert(task->n_outputs == 0);
    return use(draft, inputs, n_inputs, &task->n_inputs, error);
}

enum tess_status tess_rewrite_draft_outputs(struct tess_rewrite_draft *draft,
                                            const int *outputs, int n_outputs,
                                            struct tess_error *error)
{
    struct tess_draft_task *task = &draft->tasks[draft->n_tasks - 1];
    return use(draft, outputs, n_outputs, &task->n_outputs, error);
}

/* Numbers the tensors that are still there, and tells the result what they are; how many. */
static int number_tensors(struct tess_rewrite_draft *draft, struct tess_rewritten *result,
                          struct tess_tensor_spec *specs_out)
{
    int n = 0;
    for (int i = 0; i < draft->uses.n; i++)
        draft->tensors[draft->uses.at[i]].new_id = 0;
    for (int t = 0; t < draft->n_tensors; t++) {
        struct tess_draft_tensor *tensor = &draft->tensors[t];
        if (tensor->new_id < 0 && !tensor->spec.is_input)
            continue;
        result->tensors[n] = tensor->what;
        specs_out[n] = tensor->spec;
        tensor->new_id = n++;
    }
    for (int i = 0; i < draft->uses.n; i++)
        draft->uses.at[i] = draft->tensors[draft->uses.at[i]].new_id;
    return n;
}

enum tess_status tess_rewrite_draft_finish(struct tess_rewrite_draft *draft,
                                           struct tess_rewritten *result,
                                           struct tess_error *error)
{
    size_t n_tasks = (size_t)draft->n_tasks + 1;
    size_t n_tensors = (size_t)draft->n_tensors + 1;
    struct tess_tensor_spec *tensors = calloc(n_tensors, sizeof *tensors);
    struct tess_task_spec *tasks = calloc(n_tasks, sizeof *tasks);
    enum tess_status status = TESS_OK;
    result->tasks = calloc(n_tasks, sizeof *result->tasks);
    result->tensors = calloc(n_tensors, sizeof *result->tensors);
    if (!tensors || !tasks || !result->tasks || !result->tensors) {
        status = tess_error_nomem(error);
        goto out;
    }
    struct tess_tasks_spec spec = {draft->n_tasks, number_tensors(draft, result, tensors),
                                   tasks, tensors};
    for (int i = 0; i < draft->n_tasks; i++) {
        const struct tess_draft_task *task = &draft->tasks[i];
        bool has_uses = task->n_inputs + task->n_outputs > 0;
        const int *uses = has_uses ? draft->uses.at + task->first_use : NULL;
        const int *outputs = has_uses ? uses + task->n_inputs : NULL;
        tasks[i] = (struct tess_task_spec){task->flags, task->n_inputs, task->n_outputs,
                                           uses, outputs};
        result->tasks[i] = task->what;
    }
    status = tess_task_graph_create(&spec, &result->graph, NULL, error);
out:
    free(tensors);
    free(tasks);
    return status;
}
