#include "schedule/peak.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

enum tess_status tess_live_init(struct tess_live *live,
                                const struct tess_task_graph *graph,
                                struct tess_error *error)
{
    *live = (struct tess_live){.graph = graph};
    live->n_unread = malloc(sizeof *live->n_unread * (size_t)(graph->n_tensors + 1));
    live->n_written = calloc((size_t)graph->n_tensors + 1, sizeof *live->n_written);
    if (!live->n_unread || !live->n_written) {
        tess_live_release(live);
        return tess_error_nomem(error);
    }
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        live->n_unread[t] = tensor->n_consumers + tensor->is_retained;
        if (tensor->is_input && live->n_unread[t] > 0)
            live->bytes += tensor->bytes;
    }
    return TESS_OK;
}

void tess_live_release(struct tess_live *live)
{
    if (!live)
        return;
    free(live->n_unread);
    free(live->n_written);
    *live = (struct tess_live){0};
}

/* The size that a dying input must have to be overwritten; -1: none can be. */
static int64_t overwritable_bytes(const struct tess_task_graph *graph,
                                  const struct tess_task *task)
{
    if (!(task->flags & TESS_TASK_OVERWRITES) || task->n_outputs != 1)
        return -1;
    const struct tess_task_tensor *output = &graph->tensors[task->outputs[0]];
    return output->n_producers == 1 ? output->bytes : -1;
}

int64_t tess_live_run(struct tess_live *live, int task_id)
{
    const struct tess_task_graph *graph = live->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t made = 0, freed = 0, wanted = overwritable_bytes(graph, task), saved = 0;
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        if (live->n_written[t]++ == 0)
            made += graph->tensors[t].bytes;
        /* A tensor that nobody reads dies with its last producer. */
        if (live->n_unread[t] == 0 && live->n_written[t] == graph->tensors[t].n_producers)
            freed += graph->tensors[t].bytes;
        assert(live->n_written[t] <= graph->tensors[t].n_producers);
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int t = task->inputs[k];
        assert(live->n_written[t] == graph->tensors[t].n_producers);
        if (--live->n_unread[t] > 0)
            continue;
        freed += graph->tensors[t].bytes;
        if (graph->tensors[t].bytes == wanted)
            saved = wanted;
    }
    int64_t most = live->bytes + made - saved;
    live->bytes += made - freed;
    return most;
}

int64_t tess_live_undo(struct tess_live *live, int task_id)
{
    const struct tess_task_graph *graph = live->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t made = 0, freed = 0, wanted = overwritable_bytes(graph, task), saved = 0;
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        if (live->n_unread[t] == 0 && live->n_written[t] == graph->tensors[t].n_producers)
            freed += graph->tensors[t].bytes;
        if (--live->n_written[t] == 0)
            made += graph->tensors[t].bytes;
        assert(live->n_written[t] >= 0);
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int t = task->inputs[k];
        if (live->n_unread[t]++ > 0)
            continue;
        freed += graph->tensors[t].bytes;
        if (graph->tensors[t].bytes == wanted)
            saved = wanted;
    }
    live->bytes += freed - made;
    return live->bytes + made - saved;
}

int64_t tess_live_probe(const struct tess_live *live, int task_id, int64_t *after_out)
{
    const struct tess_task_graph *graph = live->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    int64_t made = 0, freed = 0, wanted = overwritable_bytes(graph, task), saved = 0;
    for (int k = 0; k < task->n_outputs; k++) {
        const struct tess_task_tensor *tensor = &graph->tensors[task->outputs[k]];
        int n_written = live->n_written[task->outputs[k]];
        made += n_written == 0 ? tensor->bytes : 0;
        if (live->n_unread[task->outputs[k]] == 0 && n_written + 1 == tensor->n_producers)
            freed += tensor->bytes;
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int64_t bytes = graph->tensors[task->inputs[k]].bytes;
        if (live->n_unread[task->inputs[k]] > 1)
            continue;
        freed += bytes;
        if (bytes == wanted)
            saved = wanted;
    }
    *after_out = live->bytes + made - freed;
    return live->bytes + made - saved;
}

enum tess_status tess_peak_of_order(const struct tess_task_graph *graph, const int *order,
                                    int64_t *peak_out, int64_t *task_bytes_out,
                                    struct tess_error *error)
{
    struct tess_live live;
    enum tess_status status = tess_live_init(&live, graph, error);
    if (status != TESS_OK)
        return status;
    int64_t peak = live.bytes;
    for (int at = 0; at < graph->n_tasks; at++) {
        int64_t bytes = tess_live_run(&live, order[at]);
        peak = tess_max_i64(peak, bytes);
        if (task_bytes_out)
            task_bytes_out[at] = bytes;
    }
    tess_live_release(&live);
    *peak_out = peak;
    return TESS_OK;
}

/* With `is_repeatable` a retained tensor can be overwritten, too, unless it is an input: it is
 * computed anew. */
static bool may_overwrite(const struct tess_task_graph *graph,
                          const struct tess_task *task, bool is_repeatable)
{
    int64_t wanted = overwritable_bytes(graph, task);
    for (int k = 0; k < task->n_inputs; k++) {
        const struct tess_task_tensor *input = &graph->tensors[task->inputs[k]];
        bool stays = input->is_retained && (input->is_input || !is_repeatable);
        if (input->bytes == wanted && !stays)
            return true;
    }
    return false;
}

bool tess_task_may_overwrite(const struct tess_task_graph *graph, int task_id)
{
    return may_overwrite(graph, &graph->tasks[task_id], false);
}

static int64_t trivial_bound(const struct tess_task_graph *graph, bool is_repeatable)
{
    int64_t at_start = 0, at_end = 0, bound = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        if (tensor->is_input && (tensor->is_retained || tensor->n_consumers > 0))
            at_start += tensor->bytes;
        if (tensor->is_retained)
            at_end += tensor->bytes;
    }
    for (int i = 0; i < graph->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[i];
        bool overwrites = may_overwrite(graph, task, is_repeatable);
        int64_t bytes = 0;
        for (int k = 0; k < task->n_inputs; k++)
            bytes += graph->tensors[task->inputs[k]].bytes;
        for (int k = 0; k < task->n_outputs && !overwrites; k++)
            bytes += graph->tensors[task->outputs[k]].bytes;
        bound = tess_max_i64(bound, bytes);
    }
    return tess_max_i64(bound, tess_max_i64(at_start, at_end));
}

int64_t tess_peak_trivial_bound(const struct tess_task_graph *graph)
{
    return trivial_bound(graph, false);
}

int64_t tess_peak_repeated_bound(const struct tess_task_graph *graph)
{
    return trivial_bound(graph, true);
}
