#include "tests/support/random_tasks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_TASKS = 16, MAX_TENSORS = 64, MAX_USES = 6 };

struct draft {
    struct tess_tensor_spec tensors[MAX_TENSORS];
    int maker[MAX_TENSORS]; /* -1: an input */
    struct tess_task_spec tasks[MAX_TASKS];
    int inputs[MAX_TASKS][MAX_USES], outputs[MAX_TASKS][MAX_USES];
    int n_tasks, n_tensors;
    bool is_closed[MAX_TENSORS]; /* nobody may add to it any more: it is read */
    bool is_plain; /* any sizes, one output, nothing odd: more of the search is at work */
};

static int add_tensor(struct draft *draft, int maker, struct tess_rng *rng)
{
    static const int sizes[] = {0, 1, 2, 2, 3, 4, 4, 7};
    int tensor = draft->n_tensors++;
    assert(tensor < MAX_TENSORS);
    draft->tensors[tensor] =
        (struct tess_tensor_spec){.bytes = 64 * sizes[tess_rng_int(rng, 0, 7)],
                                  .is_input = maker < 0,
                                  .is_retained = tess_rng_int(rng, 0, 7) == 0};
    if (draft->is_plain)
        draft->tensors[tensor] = (struct tess_tensor_spec){
            .bytes = tess_rng_int(rng, 1, 30), .is_input = maker < 0};
    draft->maker[tensor] = maker;
    return tensor;
}

static void draw_inputs(struct draft *draft, int task, struct tess_rng *rng)
{
    struct tess_task_spec *spec = &draft->tasks[task];
    int n_tensors = draft->n_tensors;
    for (int k = tess_rng_int(rng, task > 0, 3); k > 0 && n_tensors > 0; k--) {
        int tensor = tess_rng_int(rng, 0, n_tensors - 1);
        if (tess_rng_int(rng, 0, 1)) /* rather a new one */
            tensor = tess_rng_int(rng, n_tensors > 4 ? n_tensors - 4 : 0, n_tensors - 1);
        draft->is_closed[tensor] = true;
        draft->inputs[task][spec->n_inputs++] = tensor;
        if (tess_rng_int(rng, 0, 9) == 0)
            draft->inputs[task][spec->n_inputs++] = tensor;
    }
    spec->inputs = draft->inputs[task];
}

static void draw_outputs(struct draft *draft, int task, struct tess_rng *rng)
{
    struct tess_task_spec *spec = &draft->tasks[task];
    int n_outputs = tess_rng_int(rng, 0, 9) == 0 ? 0 : 1 + (tess_rng_int(rng, 0, 4) == 0);
    spec->outputs = draft->outputs[task];
    if (draft->is_plain) {
        draft->outputs[task][spec->n_outputs++] = add_tensor(draft, task, rng);
        return;
    }
    int older = draft->n_tensors ? tess_rng_int(rng, 0, draft->n_tensors - 1) : 0;
    if (n_outputs == 1 && draft->n_tensors && draft->maker[older] >= 0 &&
        !draft->is_closed[older] && tess_rng_int(rng, 0, 2) == 0) {
        draft->outputs[task][spec->n_outputs++] = older;
        return;
    }
    for (int k = 0; k < n_outputs; k++)
        draft->outputs[task][spec->n_outputs++] = add_tensor(draft, task, rng);
    if (spec->n_outputs != 1 || spec->n_inputs == 0)
        return;
    struct tess_tensor_spec *output = &draft->tensors[spec->outputs[0]];
    if (tess_rng_int(rng, 0, 2) == 0) {
        spec->flags |= TESS_TASK_OVERWRITES;
        output->bytes = draft->tensors[spec->inputs[0]].bytes;
    } else if (tess_rng_int(rng, 0, 2) == 0) {
        spec->flags |= TESS_TASK_CONCAT;
        output->bytes = 0;
        for (int k = 0; k < spec->n_inputs; k++)
            output->bytes += draft->tensors[spec->inputs[k]].bytes;
    }
}

struct tess_task_graph *tess_random_tasks_create(int max_tasks, struct tess_rng *rng)
{
    struct draft draft = {0};
    struct tess_task_graph *graph = NULL;
    assert(max_tasks <= MAX_TASKS);
    draft.is_plain = tess_rng_int(rng, 0, 1);
    for (int n = tess_rng_int(rng, 0, 2); n > 0; n--)
        add_tensor(&draft, -1, rng);
    draft.n_tasks =
        tess_rng_int(rng, draft.is_plain ? (max_tasks + 1) / 2 : 1, max_tasks);
    for (int i = 0; i < draft.n_tasks; i++) {
        draw_inputs(&draft, i, rng);
        draw_outputs(&draft, i, rng);
    }
    struct tess_tasks_spec spec = {draft.n_tasks, draft.n_tensors, draft.tasks,
                                   draft.tensors};
    struct tess_error error;
    tess_error_init(&error);
    if (tess_task_graph_create(&spec, &graph, NULL, &error) != TESS_OK) {
        fprintf(stderr, "random graph: %s\n", error.message);
        exit(1);
    }
    return graph;
}

/* ---- brute force ---- */

static bool is_in(unsigned set, int task)
{
    return set >> task & 1;
}

/* Is it alive between tasks, when `set` has run? */
static bool is_alive(const struct tess_task_tensor *tensor, unsigned set)
{
    bool is_made = tensor->is_input, is_wanted = tensor->is_retained;
    for (int k = 0; k < tensor->n_producers; k++)
        is_made |= is_in(set, tensor->producers[k]);
    for (int k = 0; k < tensor->n_consumers; k++)
        is_wanted |= !is_in(set, tensor->consumers[k]);
    for (int k = 0; k < tensor->n_producers && tensor->n_consumers == 0; k++)
        is_wanted |= !is_in(set, tensor->producers[k]);
    return is_made && is_wanted;
}

static int64_t bytes_alive(const struct tess_task_graph *graph, unsigned set)
{
    int64_t bytes = 0;
    for (int t = 0; t < graph->n_tensors; t++)
        bytes += is_alive(&graph->tensors[t], set) ? graph->tensors[t].bytes : 0;
    return bytes;
}

static bool can_run(const struct tess_task_graph *graph, unsigned set, int task)
{
    for (int k = 0; k < graph->tasks[task].n_before; k++)
        if (!is_in(set, graph->tasks[task].before[k]))
            return false;
    return !is_in(set, task);
}

static int64_t bytes_while(const struct tess_task_graph *graph, unsigned set, int task_id)
{
    const struct tess_task *task = &graph->tasks[task_id];
    unsigned after = set | 1U << task_id;
    int64_t bytes = bytes_alive(graph, set), saved = 0;
    for (int k = 0; k < task->n_outputs; k++)
        if (!is_alive(&graph->tensors[task->outputs[k]], set))
            bytes += graph->tensors[task->outputs[k]].bytes;
    if (!(task->flags & TESS_TASK_OVERWRITES) || task->n_outputs != 1 ||
        graph->tensors[task->outputs[0]].n_producers != 1)
        return bytes;
    for (int k = 0; k < task->n_inputs; k++) {
        const struct tess_task_tensor *input = &graph->tensors[task->inputs[k]];
        if (!is_alive(input, after) &&
            input->bytes == graph->tensors[task->outputs[0]].bytes)
            saved = input->bytes;
    }
    return bytes - saved;
}

int64_t tess_brute_peak(const struct tess_task_graph *graph)
{
    assert(graph->n_tasks <= MAX_TASKS);
    unsigned n_sets = 1U << graph->n_tasks;
    int64_t *best = malloc(sizeof *best * n_sets);
    if (!best)
        exit(1);
    for (unsigned set = 1; set < n_sets; set++)
        best[set] = INT64_MAX;
    best[0] = bytes_alive(graph, 0);
    for (unsigned set = 0; set < n_sets; set++)
        for (int task = 0; task < graph->n_tasks && best[set] != INT64_MAX; task++) {
            if (!can_run(graph, set, task))
                continue;
            int64_t most = bytes_while(graph, set, task);
            most = most > best[set] ? most : best[set];
            if (most < best[set | 1U << task])
                best[set | 1U << task] = most;
        }
    int64_t peak = best[n_sets - 1];
    free(best);
    return peak;
}
