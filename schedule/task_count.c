/* How a memory model counts a graph: which tasks overwrite, which concats are views. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "schedule/task_graph.h"

struct counting {
    const struct tess_task_graph *graph;
    struct tess_tensor_spec *tensors; /* [n_tensors] */
    struct tess_task_spec *tasks;     /* [n_tasks] */
    int *viewed_by;                   /* [n_tensors] the concat that views it, or -1 */
    int *seen_by; /* [n_tensors] task whose reads were last gathered */
    int *reads;   /* all inputs, in blocks that `tasks` points into */
    int64_t n_reads, capacity;
    int *first_read; /* [n_tasks + 1] where a task's inputs begin in `reads` */
};

static bool is_view(const struct counting *counting, int tensor_id)
{
    const struct tess_task_tensor *tensor = &counting->graph->tensors[tensor_id];
    int n_concats = 0;
    for (int k = 0; k < tensor->n_consumers; k++)
        n_concats +=
            (counting->graph->tasks[tensor->consumers[k]].flags & TESS_TASK_CONCAT) != 0;
    return !tensor->is_retained && !tensor->is_input && n_concats == 1;
}

/* In an order in which tasks can run, so that a viewed part's own views are known. */
static void find_views(struct counting *counting, const int *order)
{
    const struct tess_task_graph *graph = counting->graph;
    for (int at = 0; at < graph->n_tasks; at++) {
        const struct tess_task *task = &graph->tasks[order[at]];
        if (!tess_task_is_plain_concat(graph, order[at]))
            continue;
        struct tess_tensor_spec *output = &counting->tensors[task->outputs[0]];
        for (int k = 0; k < task->n_inputs; k++) {
            int part = task->inputs[k];
            if (!is_view(counting, part))
                continue;
            counting->viewed_by[part] = order[at];
            output->bytes -= counting->tensors[part].bytes;
        }
        counting->tasks[order[at]].flags &= ~(unsigned)TESS_TASK_OVERWRITES;
        assert(output->bytes >= 0);
    }
}

/* What concats of concats of concats make all of their readers read. */
enum { LIMIT_READS = 1 << 25 };

static bool add_read(struct counting *counting, int tensor)
{
    if (counting->n_reads == LIMIT_READS)
        return false;
    if (counting->n_reads == counting->capacity) {
        int64_t capacity = counting->capacity ? 2 * counting->capacity : 256;
        int *reads = realloc(counting->reads, sizeof *reads * (size_t)capacity);
        if (!reads)
            return false;
        counting->reads = reads;
        counting->capacity = capacity;
    }
    counting->reads[counting->n_reads++] = tensor;
    return true;
}

/* Adds a tensor and all that it views, over any number of concats; a list grows at its end
 * while it is read, as a queue does. */
static bool add_reads_of(struct counting *counting, int task_id)
{
    const struct tess_task_graph *graph = counting->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t next = counting->n_reads;
    counting->first_read[task_id] = (int)next;
    for (int k = 0; k < task->n_inputs; k++) {
        counting->seen_by[task->inputs[k]] = task_id;
        if (!add_read(counting, task->inputs[k]))
            return false;
    }
    for (; next < counting->n_reads; next++) {
        const struct tess_task_tensor *tensor = &graph->tensors[counting->reads[next]];
        if (tensor->n_producers != 1)
            continue;
        const struct tess_task *maker = &graph->tasks[tensor->producers[0]];
        for (int k = 0; k < maker->n_inputs; k++) {
            int part = maker->inputs[k];
            if (counting->viewed_by[part] != tensor->producers[0] ||
                counting->seen_by[part] == task_id)
                continue;
            counting->seen_by[part] = task_id;
            if (!add_read(counting, part))
                return false;
        }
    }
    return true;
}

/* A retained output retains what it views: from the last task to the first. */
static void retain_views(struct counting *counting, const int *order)
{
    const struct tess_task_graph *graph = counting->graph;
    for (int at = graph->n_tasks - 1; at >= 0; at--) {
        const struct tess_task *task = &graph->tasks[order[at]];
        for (int k = 0; k < task->n_inputs; k++)
            if (counting->viewed_by[task->inputs[k]] == order[at] &&
                counting->tensors[task->outputs[0]].is_retained)
                counting->tensors[task->inputs[k]].is_retained = true;
    }
}

static enum tess_status start(struct counting *counting,
                              const struct tess_task_graph *graph,
                              struct tess_error *error)
{
    size_t n_tasks = (size_t)graph->n_tasks + 1, n_tensors = (size_t)graph->n_tensors + 1;
    *counting = (struct counting){.graph = graph};
    counting->tensors = calloc(n_tensors, sizeof *counting->tensors);
    counting->tasks = calloc(n_tasks, sizeof *counting->tasks);
    counting->viewed_by = malloc(n_tensors * sizeof *counting->viewed_by);
    counting->seen_by = malloc(n_tensors * sizeof *counting->seen_by);
    counting->first_read = calloc(n_tasks, sizeof *counting->first_read);
    if (!counting->tensors || !counting->tasks || !counting->viewed_by ||
        !counting->seen_by || !counting->first_read)
        return tess_error_nomem(error);
    for (int t = 0; t < graph->n_tensors; t++) {
        counting->viewed_by[t] = counting->seen_by[t] = -1;
        counting->tensors[t] =
            (struct tess_tensor_spec){graph->tensors[t].bytes, graph->tensors[t].is_input,
                                      graph->tensors[t].is_retained};
    }
    for (int i = 0; i < graph->n_tasks; i++)
        counting->tasks[i] =
            (struct tess_task_spec){.flags = graph->tasks[i].flags,
                                    .n_outputs = graph->tasks[i].n_outputs,
                                    .outputs = graph->tasks[i].outputs};
    return TESS_OK;
}

static void release(struct counting *counting)
{
    free(counting->tensors);
    free(counting->tasks);
    free(counting->viewed_by);
    free(counting->seen_by);
    free(counting->first_read);
    free(counting->reads);
}

static enum tess_status apply_views(struct counting *counting, struct tess_error *error)
{
    const struct tess_task_graph *graph = counting->graph;
    int *order = malloc(sizeof *order * (size_t)(graph->n_tasks + 1));
    if (!order)
        return tess_error_nomem(error);
    enum tess_status status = tess_task_graph_file_order(graph, order, error);
    if (status == TESS_OK) {
        find_views(counting, order);
        retain_views(counting, order);
    }
    free(order);
    return status;
}

enum tess_status tess_task_graph_count(const struct tess_task_graph *graph,
                                       enum tess_memory_model model, int64_t alignment,
                                       struct tess_task_graph **counted_out,
                                       struct tess_error *error)
{
    assert(alignment >= 1);
    struct counting counting;
    enum tess_status status = start(&counting, graph, error);
    if (status == TESS_OK && model == TESS_MODEL_VIEW)
        status = apply_views(&counting, error);
    for (int i = 0; i < graph->n_tasks && status == TESS_OK; i++) {
        if (!add_reads_of(&counting, i))
            status = counting.n_reads < LIMIT_READS
                         ? tess_error_nomem(error)
                         : tess_error_set(error, TESS_E_MODEL,
                                          "too many views of views for this model");
        counting.tasks[i].n_inputs = (int)counting.n_reads - counting.first_read[i];
        if (model == TESS_MODEL_BASE)
            counting.tasks[i].flags &= ~(unsigned)TESS_TASK_OVERWRITES;
    }
    if (status != TESS_OK)
        goto out;
    for (int i = 0; i < graph->n_tasks && counting.reads; i++) /* NULL: nothing is read */
        counting.tasks[i].inputs = counting.reads + counting.first_read[i];
    for (int t = 0; t < graph->n_tensors; t++) {
        int64_t bytes = counting.tensors[t].bytes;
        if (bytes > TESS_TASKS_LIMIT_BYTES - alignment) {
            status = tess_error_set(error, TESS_E_MODEL,
                                    "tensor %d is too large for the alignment", t);
            goto out;
        }
        counting.tensors[t].bytes = tess_round_up(bytes, alignment);
    }
    struct tess_tasks_spec spec = {graph->n_tasks, graph->n_tensors, counting.tasks,
                                   counting.tensors};
    status = tess_task_graph_create(&spec, counted_out, NULL, error);
out:
    release(&counting);
    return status;
}
