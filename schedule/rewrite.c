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
#include <string.h>

#include "base/arith.h"

/* Uses of tensors by tasks and parts: concats of concats could multiply them. */
enum { LIMIT_USES = 1 << 24 };

/* A list that grows. */
struct ints {
    int *at;
    int n, capacity;
};

struct span {
    int first, n; /* in a list; of a tensor's parts: n == 0 if it is whole */
};

struct draft_task {
    struct tess_rewritten_task what;
    unsigned flags;
    struct span inputs, outputs; /* of `uses` */
};

struct draft_tensor {
    struct tess_rewritten_tensor what;
    struct tess_tensor_spec spec;
    int seen_by; /* see has_twice */
    int new_id;  /* in the result; -1: gone */
};

struct rewriting {
    const struct tess_task_graph *graph;
    const bool *dissolve;
    int accumulator_factor;
    struct draft_task *tasks;
    struct draft_tensor *tensors; /* those of the graph, then new ones */
    int n_tasks, n_tensors, task_capacity, tensor_capacity;
    struct ints uses;   /* what tasks read and write */
    struct ints list;   /* what tensors in parts are made of */
    struct span *parts; /* [graph->n_tensors] of `list` */
    struct tess_rewritten *result;
    struct tess_error *error;
};

/* ---- what could be done, from the graph alone ---- */

/* Is the output nothing but the inputs side by side, each once, and written by no other task? */
static bool is_plain_concat(const struct tess_task_graph *graph, int task_id)
{
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t sum = 0;
    if (!(task->flags & TESS_TASK_CONCAT) || task->n_outputs != 1)
        return false;
    for (int k = 0; k < task->n_inputs; k++)
        sum += graph->tensors[task->inputs[k]].bytes;
    const struct tess_task_tensor *output = &graph->tensors[task->outputs[0]];
    return task->n_inputs > 0 && sum == output->bytes && output->n_producers == 1;
}

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
            !is_single(graph, task, TESS_TASK_PARTWISE) && !is_plain_concat(graph, task))
            return false;
    }
    return tensor->n_consumers > 0 && !tensor->is_retained;
}

bool tess_rewrite_is_site(const struct tess_task_graph *graph, int task)
{
    return is_plain_concat(graph, task) &&
           is_read_in_parts(graph, graph->tasks[task].outputs[0]);
}

/* ---- lists that grow ---- */

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

static enum tess_status push(struct rewriting *rewriting, struct ints *ints, int value)
{
    if (ints->n == LIMIT_USES)
        return tess_error_set(rewriting->error, TESS_E_MODEL,
                              "concats of concats have more than %d parts", LIMIT_USES);
    int *at = with_room(ints->at, ints->n, &ints->capacity, sizeof *at);
    if (!at)
        return tess_error_nomem(rewriting->error);
    ints->at = at;
    at[ints->n++] = value;
    return TESS_OK;
}

static enum tess_status add_tensor(struct rewriting *rewriting,
                                   struct tess_rewritten_tensor what, int64_t bytes,
                                   int *tensor_out)
{
    struct draft_tensor *tensors =
        with_room(rewriting->tensors, rewriting->n_tensors, &rewriting->tensor_capacity,
                  sizeof *tensors);
    if (!tensors)
        return tess_error_nomem(rewriting->error);
    rewriting->tensors = tensors;
    *tensor_out = rewriting->n_tensors++;
    tensors[*tensor_out] = (struct draft_tensor){what, {.bytes = bytes}, -1, -1};
    return TESS_OK;
}

/* Copies what `inputs` and `outputs` list, which are not in lists of `rewriting`. */
static enum tess_status add_task(struct rewriting *rewriting,
                                 struct tess_rewritten_task what, unsigned flags,
                                 const int *inputs, int n_inputs, const int *outputs,
                                 int n_outputs)
{
    enum tess_status status = TESS_OK;
    struct draft_task *tasks = with_room(rewriting->tasks, rewriting->n_tasks,
                                         &rewriting->task_capacity, sizeof *tasks);
    if (!tasks)
        return tess_error_nomem(rewriting->error);
    rewriting->tasks = tasks;
    tasks[rewriting->n_tasks++] =
        (struct draft_task){what,
                            flags,
                            {rewriting->uses.n, n_inputs},
                            {rewriting->uses.n + n_inputs, n_outputs}};
    for (int k = 0; k < n_inputs && status == TESS_OK; k++)
        status = push(rewriting, &rewriting->uses, inputs[k]);
    for (int k = 0; k < n_outputs && status == TESS_OK; k++)
        status = push(rewriting, &rewriting->uses, outputs[k]);
    return status;
}

/* ---- the pass ---- */

/* Puts a tensor together if it is in parts; from here on it is whole. */
static enum tess_status gather(struct rewriting *rewriting, int tensor)
{
    const struct tess_task_graph *graph = rewriting->graph;
    struct span parts = rewriting->parts[tensor];
    if (parts.n == 0)
        return TESS_OK;
    int maker = graph->tensors[tensor].producers[0];
    bool is_concat = is_plain_concat(graph, maker);
    struct tess_rewritten_task what = {
        maker, is_concat ? TESS_REWRITE_WHOLE : TESS_REWRITE_GATHER, 0, 1};
    if (is_concat)
        rewriting->result->n_dissolved--;
    rewriting->parts[tensor] = (struct span){0, 0};
    return add_task(rewriting, what,
                    is_concat ? graph->tasks[maker].flags : TESS_TASK_CONCAT,
                    rewriting->list.at + parts.first, parts.n, &tensor, 1);
}

static enum tess_status keep_whole(struct rewriting *rewriting, int task_id)
{
    const struct tess_task *task = &rewriting->graph->tasks[task_id];
    struct tess_rewritten_task what = {task_id, TESS_REWRITE_WHOLE, 0, 1};
    enum tess_status status = TESS_OK;
    for (int k = 0; k < task->n_inputs && status == TESS_OK; k++)
        status = gather(rewriting, task->inputs[k]);
    return status == TESS_OK ? add_task(rewriting, what, task->flags, task->inputs,
                                        task->n_inputs, task->outputs, task->n_outputs)
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
            status = push(rewriting, &rewriting->list, task->inputs[k]);
        for (int i = 0; i < parts.n && status == TESS_OK; i++)
            status =
                push(rewriting, &rewriting->list, rewriting->list.at[parts.first + i]);
        if (status != TESS_OK)
            return status;
    }
    span_out->n = rewriting->list.n - span_out->first;
    *is_once_out = true;
    for (int i = 0; i < span_out->n; i++) {
        int *seen_by =
            &rewriting->tensors[rewriting->list.at[span_out->first + i]].seen_by;
        *is_once_out &= *seen_by != task_id;
        *seen_by = task_id;
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
                    task->outputs, 1);
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
        int64_t bytes;
        if (!tess_mul_i64(rewriting->graph->tensors[output].bytes,
                          rewriting->accumulator_factor, &bytes))
            return tess_error_set(rewriting->error, TESS_E_MODEL,
                                  "the sums of task %d are too large", task_id);
        status = add_tensor(rewriting, what, bytes, &sums);
    }
    for (int k = 0; k < parts.n && status == TESS_OK; k++) {
        struct tess_rewritten_task what = {task_id, TESS_REWRITE_PART, k, parts.n};
        status = add_task(rewriting, what, task->flags,
                          &rewriting->list.at[parts.first + k], 1, &sums, 1);
    }
    rewriting->result->n_summed++;
    struct tess_rewritten_task finish = {task_id, TESS_REWRITE_FINISH, 0, 1};
    return status == TESS_OK && is_wider
               ? add_task(rewriting, finish, 0, &sums, 1, &output, 1)
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
        if (rewriting->tensors[part].spec.bytes % *input_out != 0)
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
        int64_t bytes = rewriting->tensors[part].spec.bytes / per_input * per_output;
        status = add_tensor(rewriting, (struct tess_rewritten_tensor){output, k, parts.n},
                            bytes, &new_part);
        if (status == TESS_OK)
            status = add_task(rewriting, what, task->flags, &part, 1, &new_part, 1);
        if (status == TESS_OK)
            status = push(rewriting, &rewriting->list, new_part);
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
    if (is_plain_concat(graph, task_id))
        return rewrite_concat(rewriting, task_id);
    bool is_in_parts = task->n_inputs == 1 && rewriting->parts[task->inputs[0]].n > 0;
    if (is_in_parts && is_single(graph, task_id, TESS_TASK_SUMS))
        return rewrite_sums(rewriting, task_id);
    if (is_in_parts && is_single(graph, task_id, TESS_TASK_PARTWISE))
        return rewrite_partwise(rewriting, task_id);
    return keep_whole(rewriting, task_id);
}

/* ---- the result ---- */

/* Numbers the tensors that are still there, and tells the result what they are. */
static int number_tensors(struct rewriting *rewriting, struct tess_tensor_spec *specs_out)
{
    int n = 0;
    for (int i = 0; i < rewriting->uses.n; i++)
        rewriting->tensors[rewriting->uses.at[i]].new_id = 0;
    for (int t = 0; t < rewriting->n_tensors; t++) {
        struct draft_tensor *tensor = &rewriting->tensors[t];
        if (tensor->new_id < 0 && !tensor->spec.is_input)
            continue;
        rewriting->result->tensors[n] = tensor->what;
        specs_out[n] = tensor->spec;
        tensor->new_id = n++;
    }
    for (int i = 0; i < rewriting->uses.n; i++)
        rewriting->uses.at[i] = rewriting->tensors[rewriting->uses.at[i]].new_id;
    return n;
}

static enum tess_status make_result(struct rewriting *rewriting)
{
    struct tess_rewritten *result = rewriting->result;
    size_t n_tasks = (size_t)rewriting->n_tasks + 1;
    size_t n_tensors = (size_t)rewriting->n_tensors + 1;
    struct tess_tensor_spec *tensors = calloc(n_tensors, sizeof *tensors);
    struct tess_task_spec *tasks = calloc(n_tasks, sizeof *tasks);
    result->tasks = calloc(n_tasks, sizeof *result->tasks);
    result->tensors = calloc(n_tensors, sizeof *result->tensors);
    enum tess_status status = TESS_OK;
    if (!tensors || !tasks || !result->tasks || !result->tensors) {
        status = tess_error_nomem(rewriting->error);
        goto out;
    }
    struct tess_tasks_spec spec = {rewriting->n_tasks, number_tensors(rewriting, tensors),
                                   tasks, tensors};
    for (int i = 0; i < rewriting->n_tasks; i++) {
        const struct draft_task *task = &rewriting->tasks[i];
        tasks[i] = (struct tess_task_spec){task->flags, task->inputs.n, task->outputs.n,
                                           rewriting->uses.at + task->inputs.first,
                                           rewriting->uses.at + task->outputs.first};
        result->tasks[i] = task->what;
    }
    status = tess_task_graph_create(&spec, &result->graph, NULL, rewriting->error);
out:
    free(tensors);
    free(tasks);
    return status;
}

static enum tess_status rewrite_all(struct rewriting *rewriting, int *order)
{
    const struct tess_task_graph *graph = rewriting->graph;
    enum tess_status status = TESS_OK;
    for (int t = 0; t < graph->n_tensors && status == TESS_OK; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        int id = -1;
        status = add_tensor(rewriting, (struct tess_rewritten_tensor){t, 0, 1},
                            tensor->bytes, &id);
        if (status != TESS_OK)
            break;
        rewriting->tensors[id].spec.is_input = tensor->is_input;
        rewriting->tensors[id].spec.is_retained = tensor->is_retained;
    }
    if (status == TESS_OK)
        status = tess_task_graph_file_order(graph, order, rewriting->error);
    for (int at = 0; at < graph->n_tasks && status == TESS_OK; at++)
        status = rewrite_task(rewriting, order[at]);
    return status == TESS_OK ? make_result(rewriting) : status;
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
    *rewritten = (struct tess_rewritten){0};
    rewriting.parts = calloc((size_t)graph->n_tensors + 1, sizeof *rewriting.parts);
    int *order = malloc(sizeof *order * ((size_t)graph->n_tasks + 1));
    enum tess_status status = rewriting.parts && order ? rewrite_all(&rewriting, order)
                                                       : tess_error_nomem(error);
    free(order);
    free(rewriting.parts);
    free(rewriting.tasks);
    free(rewriting.tensors);
    free(rewriting.uses.at);
    free(rewriting.list.at);
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
