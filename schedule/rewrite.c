/* Problem: task graph -> one that computes the same without some concats.
 * Method: one pass over the tasks in an order in which they can run. Of every tensor it is known
 *   whether it is there whole or in parts; a task that reads one in parts takes them one by one,
 *   or has them put together first.
 * Invariant: a tensor in parts is a span of tensors that tasks before have written. It is put
 *   together at most once, by a task before the first that needs it so; from then on it is whole.
 * Cost: O(size of the result).
 * Worked example: a, b -> concat c -> convolution y. c is dissolved: it gets the span {a, b} and
 *   no task. The convolution becomes two tasks, a -> y and b -> y. Tensor c is gone.
 * Reference: rewrite.h.
 */
#include "schedule/rewrite.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arith.h"
#include "schedule/rewrite_draft.h"

/* Concats of concats can multiply tasks. The result has at most so many times the uses of tensors
 * by tasks that the graph has, and some; DenseNet-201 has 6.6 times the tasks if all concats go. */
enum { MOST_TIMES = 32, SOME_USES = 4096 };

struct span {
    int first, n; /* of `list`; n == 0: the tensor is whole */
};

struct rewriting {
    const struct tess_task_graph *graph;
    const bool *dissolve;
    int accumulator_factor;
    struct tess_rewrite_draft draft; /* its tensors: those of the graph, then new ones */
    struct tess_rewrite_list list;   /* what tensors in parts are made of */
    struct span *parts;              /* [graph->n_tensors] */
    struct tess_rewritten *result;
    struct tess_error *error;
};

/* ---- what could be done, from the graph alone ---- */

static bool is_single(const struct tess_task_graph *graph, int task_id, unsigned flag)
{
    const struct tess_task *task = &graph->tasks[task_id];
    if (!(task->flags & flag) || task->n_inputs != 1 || task->n_outputs != 1)
        return false;
    return flag == TESS_TASK_SUMS || graph->tensors[task->outputs[0]].n_producers == 1;
}

/* Is the tensor read, and only by tasks that can take it in parts? */
static bool is_read_in_parts(const struct tess_task_graph *graph, int tensor_id)
{
    const struct tess_task_tensor *tensor = &graph->tensors[tensor_id];
    for (int k = 0; k < tensor->n_consumers; k++) {
        int task = tensor->consumers[k];
        if (!is_single(graph, task, TESS_TASK_SUMS) &&
            !is_single(graph, task, TESS_TASK_PARTWISE) &&
            !tess_task_is_plain_concat(graph, task))
            return false;
    }
    return tensor->n_consumers > 0 && !tensor->is_retained;
}

bool tess_rewrite_is_site(const struct tess_task_graph *graph, int task)
{
    return tess_task_is_plain_concat(graph, task) &&
           is_read_in_parts(graph, graph->tasks[task].outputs[0]);
}

/* Marks in the order of tasks; comes_in_parts [n_tensors], all false: tensors that readers may find
 * in parts. */
static void find_fixed(const struct tess_task_graph *graph, const int *order,
                       bool *comes_in_parts, bool *is_fixed_out)
{
    for (int at = 0; at < graph->n_tasks; at++) {
        const struct tess_task *task = &graph->tasks[order[at]];
        bool reads_parts = false;
        for (int k = 0; k < task->n_inputs; k++)
            reads_parts |= comes_in_parts[task->inputs[k]];
        is_fixed_out[order[at]] =
            !reads_parts && !tess_task_is_plain_concat(graph, order[at]);
        if (tess_rewrite_is_site(graph, order[at]) ||
            (reads_parts && is_single(graph, order[at], TESS_TASK_PARTWISE) &&
             is_read_in_parts(graph, task->outputs[0])))
            comes_in_parts[task->outputs[0]] = true;
    }
}

enum tess_status tess_rewrite_find_fixed(const struct tess_task_graph *graph,
                                         bool *is_fixed_out, struct tess_error *error)
{
    int *order = malloc(sizeof *order * ((size_t)graph->n_tasks + 1));
    bool *comes_in_parts = calloc((size_t)graph->n_tensors + 1, sizeof *comes_in_parts);
    enum tess_status status = order && comes_in_parts ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = tess_task_graph_file_order(graph, order, error);
    if (status == TESS_OK)
        find_fixed(graph, order, comes_in_parts, is_fixed_out);
    free(order);
    free(comes_in_parts);
    return status;
}

/* ---- the pass ---- */

static enum tess_status push_part(struct rewriting *rewriting, int tensor)
{
    return tess_rewrite_list_push(&rewriting->list, tensor, rewriting->error);
}

static enum tess_status add_task(struct rewriting *rewriting,
                                 struct tess_rewritten_task what, unsigned flags,
                                 const int *inputs, int n_inputs, int output)
{
    struct tess_rewrite_draft *draft = &rewriting->draft;
    struct tess_error *error = rewriting->error;
    enum tess_status status = tess_rewrite_draft_task(draft, what, flags, error);
    if (status == TESS_OK)
        status = tess_rewrite_draft_inputs(draft, inputs, n_inputs, error);
    return status == TESS_OK ? tess_rewrite_draft_outputs(draft, &output, 1, error)
                             : status;
}

/* Puts a tensor together if it is in parts; from here on it is whole. */
static enum tess_status gather(struct rewriting *rewriting, int tensor)
{
    const struct tess_task_graph *graph = rewriting->graph;
    struct span parts = rewriting->parts[tensor];
    if (parts.n == 0)
        return TESS_OK;
    int maker = graph->tensors[tensor].producers[0];
    bool is_concat = tess_task_is_plain_concat(graph, maker);
    struct tess_rewritten_task what = {
        maker, is_concat ? TESS_REWRITE_WHOLE : TESS_REWRITE_GATHER, 0, 1};
    if (is_concat)
        rewriting->result->n_dissolved--;
    rewriting->parts[tensor] = (struct span){0, 0};
    return add_task(rewriting, what,
                    is_concat ? graph->tasks[maker].flags : TESS_TASK_CONCAT,
                    rewriting->list.at + parts.first, parts.n, tensor);
}

static enum tess_status keep_whole(struct rewriting *rewriting, int task_id)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    struct tess_rewritten_task what = {task_id, TESS_REWRITE_WHOLE, 0, 1};
    struct tess_rewrite_draft *draft = &rewriting->draft;
    struct tess_error *error = rewriting->error;
    enum tess_status status = TESS_OK;
    for (int k = 0; k < task->n_inputs && status == TESS_OK; k++)
        status = gather(rewriting, task->inputs[k]);
    if (status == TESS_OK)
        status = tess_rewrite_draft_task(draft, what, task->flags, error);
    if (status == TESS_OK)
        status = tess_rewrite_draft_inputs(draft, task->inputs, task->n_inputs, error);
    return status == TESS_OK
               ? tess_rewrite_draft_outputs(draft, task->outputs, task->n_outputs, error)
               : status;
}

/* Lists what the concat is made of, at the end of the list; *is_once_out: nothing is twice. */
static enum tess_status list_parts(struct rewriting *rewriting, int task_id,
                                   struct span *span_out, bool *is_once_out)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    enum tess_status status = TESS_OK;
    span_out->first = rewriting->list.n;
    for (int k = 0; k < task->n_inputs; k++) {
        struct span parts = rewriting->parts[task->inputs[k]];
        if (parts.n == 0)
            status = push_part(rewriting, task->inputs[k]);
        for (int i = 0; i < parts.n && status == TESS_OK; i++)
            status = push_part(rewriting, rewriting->list.at[parts.first + i]);
        if (status != TESS_OK)
            return status;
    }
    span_out->n = rewriting->list.n - span_out->first;
    *is_once_out = true;
    for (int i = 0; i < span_out->n; i++) {
        int part = rewriting->list.at[span_out->first + i];
        *is_once_out &= rewriting->draft.tensors[part].mark != task_id;
        rewriting->draft.tensors[part].mark = task_id;
    }
    return TESS_OK;
}

static enum tess_status rewrite_concat(struct rewriting *rewriting, int task_id)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    struct span span;
    bool is_once;
    enum tess_status status = list_parts(rewriting, task_id, &span, &is_once);
    if (status != TESS_OK)
        return status;
    if (is_once && rewriting->dissolve[task_id]) {
        rewriting->parts[task->outputs[0]] = span;
        rewriting->result->n_dissolved++;
        return TESS_OK;
    }
    rewriting->list.n = span.first; /* nobody else's */
    if (!is_once)
        return keep_whole(rewriting, task_id);
    struct tess_rewritten_task what = {task_id, TESS_REWRITE_WHOLE, 0, 1};
    return add_task(rewriting, what, task->flags, rewriting->list.at + span.first, span.n,
                    task->outputs[0]);
}

static enum tess_status rewrite_sums(struct rewriting *rewriting, int task_id)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    struct span parts = rewriting->parts[task->inputs[0]];
    int output = task->outputs[0], sums = output;
    bool is_wider = rewriting->accumulator_factor > 1 && parts.n > 1;
    enum tess_status status = TESS_OK;
    if (is_wider) {
        struct tess_rewritten_tensor what = {output, -1, 1};
        struct tess_tensor_spec spec = {0};
        if (!tess_mul_i64(rewriting->graph->tensors[output].bytes,
                          rewriting->accumulator_factor, &spec.bytes))
            return tess_error_set(rewriting->error, TESS_E_MODEL,
                                  "the sums of task %d are too large", task_id);
        status = tess_rewrite_draft_tensor(&rewriting->draft, what, spec, &sums,
                                           rewriting->error);
    }
    for (int k = 0; k < parts.n && status == TESS_OK; k++) {
        struct tess_rewritten_task what = {task_id, TESS_REWRITE_PART, k, parts.n};
        status = add_task(rewriting, what, task->flags,
                          &rewriting->list.at[parts.first + k], 1, sums);
    }
    rewriting->result->n_summed++;
    struct tess_rewritten_task finish = {task_id, TESS_REWRITE_FINISH, 0, 1};
    return status == TESS_OK && is_wider
               ? add_task(rewriting, finish, 0, &sums, 1, output)
               : status;
}

/* Bytes of output per bytes of input, as a fraction; false if a part has no whole number. */
static bool find_ratio(const struct rewriting *rewriting, int task_id,
                       int64_t *output_out, int64_t *input_out)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    struct span parts = rewriting->parts[task->inputs[0]];
    int64_t input = rewriting->graph->tensors[task->inputs[0]].bytes;
    int64_t output = rewriting->graph->tensors[task->outputs[0]].bytes;
    int64_t a = input, b = output;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    if (input == 0)
        return false;
    *output_out = output / a;
    *input_out = input / a;
    for (int k = 0; k < parts.n; k++) {
        int part = rewriting->list.at[parts.first + k];
        if (rewriting->draft.tensors[part].spec.bytes % *input_out != 0)
            return false;
    }
    return true;
}

static enum tess_status rewrite_partwise(struct rewriting *rewriting, int task_id)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    struct span parts = rewriting->parts[task->inputs[0]];
    int output = task->outputs[0];
    int64_t per_output = 0, per_input = 1;
    if (!find_ratio(rewriting, task_id, &per_output, &per_input))
        return keep_whole(rewriting, task_id);
    struct span made = {rewriting->list.n, parts.n};
    enum tess_status status = TESS_OK;
    for (int k = 0; k < parts.n && status == TESS_OK; k++) {
        struct tess_rewritten_task what = {task_id, TESS_REWRITE_PART, k, parts.n};
        int part = rewriting->list.at[parts.first + k], new_part = -1;
        struct tess_rewritten_tensor made_part = {output, k, parts.n};
        struct tess_tensor_spec spec = {0};
        spec.bytes = rewriting->draft.tensors[part].spec.bytes / per_input * per_output;
        status = tess_rewrite_draft_tensor(&rewriting->draft, made_part, spec, &new_part,
                                           rewriting->error);
        if (status == TESS_OK)
            status = add_task(rewriting, what, task->flags, &part, 1, new_part);
        if (status == TESS_OK)
            status = push_part(rewriting, new_part);
    }
    rewriting->parts[output] = made;
    rewriting->result->n_parted++;
    if (status == TESS_OK && !is_read_in_parts(rewriting->graph, output))
        status = gather(rewriting, output);
    return status;
}

static enum tess_status rewrite_task(struct rewriting *rewriting, int task_id)
{
    const struct tess_task_graph *graph = rewriting->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    if (tess_task_is_plain_concat(graph, task_id))
        return rewrite_concat(rewriting, task_id);
    bool is_in_parts = task->n_inputs == 1 && rewriting->parts[task->inputs[0]].n > 0;
    if (is_in_parts && is_single(graph, task_id, TESS_TASK_SUMS))
        return rewrite_sums(rewriting, task_id);
    if (is_in_parts && is_single(graph, task_id, TESS_TASK_PARTWISE))
        return rewrite_partwise(rewriting, task_id);
    return keep_whole(rewriting, task_id);
}

static enum tess_status rewrite_all(struct rewriting *rewriting, int *order)
{
    const struct tess_task_graph *graph = rewriting->graph;
    enum tess_status status = TESS_OK;
    for (int t = 0; t < graph->n_tensors && status == TESS_OK; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        struct tess_rewritten_tensor what = {t, 0, 1};
        struct tess_tensor_spec spec = {tensor->bytes, tensor->is_input,
                                        tensor->is_retained};
        int same = t;
        status = tess_rewrite_draft_tensor(&rewriting->draft, what, spec, &same,
                                           rewriting->error);
        assert(same == t);
    }
    if (status == TESS_OK)
        status = tess_task_graph_file_order(graph, order, rewriting->error);
    for (int at = 0; at < graph->n_tasks && status == TESS_OK; at++)
        status = rewrite_task(rewriting, order[at]);
    return status == TESS_OK ? tess_rewrite_draft_finish(
                                   &rewriting->draft, rewriting->result, rewriting->error)
                             : status;
}

enum tess_status tess_rewrite_apply(struct tess_rewritten *rewritten,
                                    const struct tess_task_graph *graph,
                                    const bool *dissolve, int accumulator_factor,
                                    struct tess_error *error)
{
    assert(accumulator_factor >= 1);
    for (int i = 0; i < graph->n_tasks; i++)
        assert(!dissolve[i] || tess_rewrite_is_site(graph, i));
    struct rewriting rewriting = {.graph = graph,
                                  .dissolve = dissolve,
                                  .accumulator_factor = accumulator_factor,
                                  .result = rewritten,
                                  .error = error};
    int64_t n_uses = SOME_USES;
    for (int i = 0; i < graph->n_tasks; i++)
        n_uses +=
            MOST_TIMES * ((int64_t)graph->tasks[i].n_inputs + graph->tasks[i].n_outputs);
    rewriting.draft.uses.limit = rewriting.list.limit =
        (int)tess_min_i64(n_uses, INT32_MAX / 4);
    *rewritten = (struct tess_rewritten){0};
    rewriting.parts = calloc((size_t)graph->n_tensors + 1, sizeof *rewriting.parts);
    int *order = malloc(sizeof *order * ((size_t)graph->n_tasks + 1));
    enum tess_status status = rewriting.parts && order ? rewrite_all(&rewriting, order)
                                                       : tess_error_nomem(error);
    free(order);
    free(rewriting.parts);
    free(rewriting.list.at);
    tess_rewrite_draft_release(&rewriting.draft);
    return status;
}

void tess_rewritten_release(struct tess_rewritten *rewritten)
{
    if (!rewritten)
        return;
    tess_task_graph_destroy(rewritten->graph);
    free(rewritten->tasks);
    free(rewritten->tensors);
    *rewritten = (struct tess_rewritten){0};
}
