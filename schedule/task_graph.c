#include "schedule/task_graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Sorts and drops what is there twice; the new length. */
static int sort_unique(int *list, int n)
{
    if (n > 1)
        qsort(list, (size_t)n, sizeof *list, compare_ints);
    int n_kept = 0;
    for (int i = 0; i < n; i++)
        if (n_kept == 0 || list[n_kept - 1] != list[i])
            list[n_kept++] = list[i];
    return n_kept;
}

static enum tess_status refuse(struct tess_task_fault *fault_out, int task, int tensor,
                               struct tess_error *error, const char *what)
{
    if (fault_out)
        *fault_out = (struct tess_task_fault){task, tensor};
    if (task >= 0 && tensor >= 0)
        return tess_error_set(error, TESS_E_MODEL, "task %d, tensor %d: %s", task, tensor,
                              what);
    if (task >= 0 || tensor >= 0)
        return tess_error_set(error, TESS_E_MODEL, "%s %d: %s",
                              task >= 0 ? "task" : "tensor", task >= 0 ? task : tensor,
                              what);
    return tess_error_set(error, TESS_E_MODEL, "%s", what);
}

static enum tess_status check_spec(const struct tess_tasks_spec *spec,
                                   struct tess_task_fault *fault_out,
                                   struct tess_error *error)
{
    int64_t sum = 0;
    for (int i = 0; i < spec->n_tensors; i++) {
        int64_t bytes = spec->tensors[i].bytes;
        if (bytes < 0)
            return refuse(fault_out, -1, i, error, "its size is negative");
        if (!tess_add_i64(sum, bytes, &sum) || sum > TESS_TASKS_LIMIT_BYTES)
            return refuse(fault_out, -1, i, error,
                          "the sizes are too large to be added up");
    }
    for (int i = 0; i < spec->n_tasks; i++) {
        const struct tess_task_spec *task = &spec->tasks[i];
        for (int k = 0; k < task->n_inputs + task->n_outputs; k++) {
            bool is_output = k >= task->n_inputs;
            int tensor = is_output ? task->outputs[k - task->n_inputs] : task->inputs[k];
            if (tensor < 0 || tensor >= spec->n_tensors)
                return refuse(fault_out, i, tensor, error, "there is no such tensor");
            if (is_output && spec->tensors[tensor].is_input)
                return refuse(fault_out, i, tensor, error,
                              "a task writes what is an input of the graph");
        }
    }
    return TESS_OK;
}

/* Of the spec: tensors named by tasks. */
static int64_t count_uses(const struct tess_tasks_spec *spec)
{
    int64_t n_uses = 0;
    for (int i = 0; i < spec->n_tasks; i++)
        n_uses += spec->tasks[i].n_inputs + spec->tasks[i].n_outputs;
    return n_uses;
}

/* Copies tensors' lists of the tasks to `at`; where the next list goes. */
static int *copy_uses(struct tess_task_graph *graph, const struct tess_tasks_spec *spec,
                      int *at)
{
    for (int i = 0; i < spec->n_tasks; i++) {
        const struct tess_task_spec *from = &spec->tasks[i];
        struct tess_task *task = &graph->tasks[i];
        task->flags = from->flags;
        if (from->n_inputs)
            memcpy(at, from->inputs, sizeof *at * (size_t)from->n_inputs);
        task->inputs = at;
        task->n_inputs = sort_unique(at, from->n_inputs);
        at += task->n_inputs;
        if (from->n_outputs)
            memcpy(at, from->outputs, sizeof *at * (size_t)from->n_outputs);
        task->outputs = at;
        task->n_outputs = sort_unique(at, from->n_outputs);
        at += task->n_outputs;
    }
    return at;
}

/* Turns the tasks' lists round: producers and consumers of each tensor, rising as tasks are. */
static int *link_tensors(struct tess_task_graph *graph, int *at)
{
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < graph->n_tasks; i++) {
            const struct tess_task *task = &graph->tasks[i];
            for (int k = 0; k < task->n_outputs; k++) {
                struct tess_task_tensor *tensor = &graph->tensors[task->outputs[k]];
                if (pass == 1)
                    at[tensor->producers - graph->lists + tensor->n_producers] = i;
                tensor->n_producers++;
            }
            for (int k = 0; k < task->n_inputs; k++) {
                struct tess_task_tensor *tensor = &graph->tensors[task->inputs[k]];
                if (pass == 1)
                    at[tensor->consumers - graph->lists + tensor->n_consumers] = i;
                tensor->n_consumers++;
            }
        }
        int n_used = 0;
        for (int t = 0; t < graph->n_tensors && pass == 0; t++) {
            struct tess_task_tensor *tensor = &graph->tensors[t];
            tensor->producers = graph->lists + n_used;
            n_used += tensor->n_producers;
            tensor->consumers = graph->lists + n_used;
            n_used += tensor->n_consumers;
            tensor->n_producers = tensor->n_consumers = 0;
        }
    }
    int n_used = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        struct tess_task_tensor *tensor = &graph->tensors[t];
        tensor->producers = at + (tensor->producers - graph->lists);
        tensor->consumers = at + (tensor->consumers - graph->lists);
        n_used += tensor->n_producers + tensor->n_consumers;
    }
    return at + n_used;
}

/* Fills `before` or `after` of the task; NULL `at` only counts what it takes at most. */
static int gather(const struct tess_task_graph *graph, int task_id, bool is_before,
                  int *at)
{
    const struct tess_task *task = &graph->tasks[task_id];
    int n = 0, n_tensors = is_before ? task->n_inputs : task->n_outputs;
    for (int i = 0; i < n_tensors; i++) {
        const struct tess_task_tensor *tensor =
            &graph->tensors[is_before ? task->inputs[i] : task->outputs[i]];
        int n_more = is_before ? tensor->n_producers : tensor->n_consumers;
        if (at && n_more)
            memcpy(at + n, is_before ? tensor->producers : tensor->consumers,
                   sizeof *at * (size_t)n_more);
        n += n_more;
    }
    return at ? sort_unique(at, n) : n;
}

static enum tess_status link_tasks(struct tess_task_graph *graph, int64_t n_uses,
                                   struct tess_error *error)
{
    int64_t n_edges = 0;
    for (int i = 0; i < graph->n_tasks; i++)
        n_edges += gather(graph, i, true, NULL) + gather(graph, i, false, NULL);
    if (n_edges > 2 * (int64_t)TESS_TASKS_LIMIT_PAIRS)
        return tess_error_set(error, TESS_E_MODEL,
                              "more than %d pairs of tasks need each other",
                              TESS_TASKS_LIMIT_PAIRS);
    /* The lists so far are pointed into: the edges get the rest of a block that is moved once. */
    int *lists = malloc(sizeof *lists * (size_t)(2 * n_uses + n_edges + 1));
    if (!lists)
        return tess_error_nomem(error);
    memcpy(lists, graph->lists, sizeof *lists * (size_t)(2 * n_uses));
    for (int i = 0; i < graph->n_tasks; i++) {
        struct tess_task *task = &graph->tasks[i];
        task->inputs = lists + (task->inputs - graph->lists);
        task->outputs = lists + (task->outputs - graph->lists);
    }
    for (int t = 0; t < graph->n_tensors; t++) {
        struct tess_task_tensor *tensor = &graph->tensors[t];
        tensor->producers = lists + (tensor->producers - graph->lists);
        tensor->consumers = lists + (tensor->consumers - graph->lists);
    }
    free(graph->lists);
    graph->lists = lists;
    int *at = lists + 2 * n_uses;
    for (int i = 0; i < graph->n_tasks; i++) {
        struct tess_task *task = &graph->tasks[i];
        task->before = at;
        task->n_before = gather(graph, i, true, at);
        at += task->n_before;
        task->after = at;
        task->n_after = gather(graph, i, false, at);
        at += task->n_after;
    }
    return TESS_OK;
}

/* ---- orders ---- */

/* A heap of tasks, the lowest id on top. */
static void push_task(int *heap, int *n_heap, int task)
{
    int at = (*n_heap)++;
    for (; at > 0 && heap[(at - 1) / 2] > task; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = task;
}

static int pop_task(int *heap, int *n_heap)
{
    int top = heap[0], last = heap[--*n_heap], at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child + 1 < *n_heap && heap[child + 1] < heap[child])
            child++;
        if (child >= *n_heap || heap[child] >= last)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* As many tasks as can run, in file order; fewer than all if there is a cycle. Leaves in
 * `n_waiting` [n_tasks] what each still waits for. */
static int run_what_can(const struct tess_task_graph *graph, int *order_out,
                        int *n_waiting, int *heap)
{
    int n_heap = 0, n_run = 0;
    for (int i = 0; i < graph->n_tasks; i++) {
        n_waiting[i] = graph->tasks[i].n_before;
        if (n_waiting[i] == 0)
            push_task(heap, &n_heap, i);
    }
    while (n_heap > 0) {
        int task = pop_task(heap, &n_heap);
        order_out[n_run++] = task;
        for (int k = 0; k < graph->tasks[task].n_after; k++)
            if (--n_waiting[graph->tasks[task].after[k]] == 0)
                push_task(heap, &n_heap, graph->tasks[task].after[k]);
    }
    return n_run;
}

/* A task on a cycle: from one that waits, back along those that wait as often as there are
 * tasks. */
static int find_on_cycle(const struct tess_task_graph *graph, const int *n_waiting)
{
    int task = 0;
    while (n_waiting[task] == 0)
        task++;
    for (int step = 0; step < graph->n_tasks; step++) {
        int k = 0;
        while (n_waiting[graph->tasks[task].before[k]] == 0)
            k++;
        task = graph->tasks[task].before[k];
    }
    return task;
}

static enum tess_status order_tasks(const struct tess_task_graph *graph, int *order_out,
                                    int *on_cycle_out, struct tess_error *error)
{
    size_t n = (size_t)graph->n_tasks + 1;
    int *work = malloc(sizeof *work * 2 * n);
    if (!work)
        return tess_error_nomem(error);
    int n_run = run_what_can(graph, order_out, work, work + n);
    *on_cycle_out = n_run < graph->n_tasks ? find_on_cycle(graph, work) : -1;
    free(work);
    return TESS_OK;
}

enum tess_status tess_task_graph_file_order(const struct tess_task_graph *graph,
                                            int *order_out, struct tess_error *error)
{
    int on_cycle;
    enum tess_status status = order_tasks(graph, order_out, &on_cycle, error);
    assert(status != TESS_OK || on_cycle < 0);
    return status;
}

static enum tess_status check_links(const struct tess_task_graph *graph,
                                    struct tess_task_fault *fault_out,
                                    struct tess_error *error)
{
    for (int t = 0; t < graph->n_tensors; t++)
        if (!graph->tensors[t].is_input && graph->tensors[t].n_producers == 0)
            return refuse(fault_out, -1, t, error,
                          "no task writes it and it is no input of the graph");
    int *order = malloc(sizeof *order * (size_t)(graph->n_tasks + 1));
    if (!order)
        return tess_error_nomem(error);
    int on_cycle;
    enum tess_status status = order_tasks(graph, order, &on_cycle, error);
    free(order);
    if (status == TESS_OK && on_cycle >= 0)
        return refuse(fault_out, on_cycle, -1, error,
                      "the task needs, over others, what it makes itself");
    return status;
}

/* ---- create, destroy ---- */

enum tess_status tess_task_graph_create(const struct tess_tasks_spec *spec,
                                        struct tess_task_graph **graph_out,
                                        struct tess_task_fault *fault_out,
                                        struct tess_error *error)
{
    assert(spec->n_tasks >= 0 && spec->n_tensors >= 0);
    enum tess_status status = check_spec(spec, fault_out, error);
    if (status != TESS_OK)
        return status;
    int64_t n_uses = count_uses(spec);
    struct tess_task_graph *graph = calloc(1, sizeof *graph);
    if (!graph)
        return tess_error_nomem(error);
    graph->n_tasks = spec->n_tasks;
    graph->n_tensors = spec->n_tensors;
    graph->tasks = calloc((size_t)spec->n_tasks + 1, sizeof *graph->tasks);
    graph->tensors = calloc((size_t)spec->n_tensors + 1, sizeof *graph->tensors);
    graph->lists = calloc((size_t)(2 * n_uses) + 1, sizeof *graph->lists);
    if (!graph->tasks || !graph->tensors || !graph->lists) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int t = 0; t < spec->n_tensors; t++) {
        graph->tensors[t].bytes = spec->tensors[t].bytes;
        graph->tensors[t].is_input = spec->tensors[t].is_input;
        graph->tensors[t].is_retained = spec->tensors[t].is_retained;
    }
    link_tensors(graph, copy_uses(graph, spec, graph->lists));
    status = link_tasks(graph, n_uses, error);
    if (status == TESS_OK)
        status = check_links(graph, fault_out, error);
    if (status != TESS_OK)
        goto out;
    *graph_out = graph;
    graph = NULL;
out:
    tess_task_graph_destroy(graph);
    return status;
}

void tess_task_graph_destroy(struct tess_task_graph *graph)
{
    if (!graph)
        return;
    free(graph->tasks);
    free(graph->tensors);
    free(graph->lists);
    free(graph);
}

bool tess_task_is_plain_concat(const struct tess_task_graph *graph, int task_id)
{
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t sum = 0;
    if (!(task->flags & TESS_TASK_CONCAT) || task->n_inputs == 0 || task->n_outputs != 1)
        return false;
    for (int k = 0; k < task->n_inputs; k++)
        sum += graph->tensors[task->inputs[k]].bytes;
    const struct tess_task_tensor *output = &graph->tensors[task->outputs[0]];
    return sum == output->bytes && output->n_producers == 1;
}

static const char *const model_names[] = {"base", "inplace", "view"};

const char *tess_memory_model_name(enum tess_memory_model model)
{
    return model_names[model];
}

bool tess_memory_model_find(const char *name, enum tess_memory_model *model_out)
{
    for (int i = 0; i < (int)(sizeof model_names / sizeof *model_names); i++)
        if (strcmp(name, model_names[i]) == 0) {
            *model_out = (enum tess_memory_model)i;
            return true;
        }
    return false;
}

static void assert_rising(const int *list, int n, int n_ids)
{
    for (int i = 0; i < n; i++)
        assert(list[i] >= 0 && list[i] < n_ids && (i == 0 || list[i - 1] < list[i]));
    (void)list;
    (void)n_ids;
}

void tess_task_graph_assert_valid(const struct tess_task_graph *graph)
{
    int64_t sum = 0;
    for (int i = 0; i < graph->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[i];
        assert_rising(task->inputs, task->n_inputs, graph->n_tensors);
        assert_rising(task->outputs, task->n_outputs, graph->n_tensors);
        assert_rising(task->before, task->n_before, graph->n_tasks);
        assert_rising(task->after, task->n_after, graph->n_tasks);
    }
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        assert(tensor->bytes >= 0 && tensor->bytes <= TESS_TASKS_LIMIT_BYTES - sum);
        sum += tensor->bytes;
        assert(tensor->is_input == (tensor->n_producers == 0));
        assert_rising(tensor->producers, tensor->n_producers, graph->n_tasks);
        assert_rising(tensor->consumers, tensor->n_consumers, graph->n_tasks);
    }
}
