/* What the memory models make of a graph, against their definition applied to the graph itself:
 * the same bytes alive for the same order, on random small graphs.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "schedule/check.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

enum { MAX_TASKS = 16, MAX_TENSORS = 64 };

/* A graph under a model, evaluated from the definitions; at most 16 tasks. */
struct naive {
    const struct tess_task_graph *graph; /* not counted by any model */
    enum tess_memory_model model;
    int viewed_by
        [MAX_TENSORS]; /* the concat whose output a tensor is part of; -1: none */
    int64_t bytes[MAX_TENSORS]; /* that the tensor itself holds */
    int n_viewed, n_nested;
};

static bool is_viewed(const struct tess_task_graph *graph, const struct tess_task *concat,
                      int part)
{
    const struct tess_task_tensor *tensor = &graph->tensors[part];
    const struct tess_task_tensor *output = &graph->tensors[concat->outputs[0]];
    int64_t sum = 0;
    int n_concats = 0;
    for (int k = 0; k < concat->n_inputs; k++)
        sum += graph->tensors[concat->inputs[k]].bytes;
    for (int k = 0; k < tensor->n_consumers; k++)
        n_concats += graph->tasks[tensor->consumers[k]].flags & TESS_TASK_CONCAT ? 1 : 0;
    return sum == output->bytes && concat->n_outputs == 1 && output->n_producers == 1 &&
           n_concats == 1 && !tensor->is_input && !tensor->is_retained;
}

static void init_naive(struct naive *naive, const struct tess_task_graph *graph,
                       enum tess_memory_model model, const int *order)
{
    *naive = (struct naive){.graph = graph, .model = model};
    for (int t = 0; t < graph->n_tensors; t++) {
        naive->viewed_by[t] = -1;
        naive->bytes[t] = graph->tensors[t].bytes;
    }
    for (int i = 0; i < graph->n_tasks && model == TESS_MODEL_VIEW; i++) {
        const struct tess_task *task = &graph->tasks[order[i]];
        for (int k = 0; k < task->n_inputs && (task->flags & TESS_TASK_CONCAT); k++) {
            int part = task->inputs[k];
            if (!is_viewed(graph, task, part))
                continue;
            naive->viewed_by[part] = order[i];
            naive->bytes[task->outputs[0]] -= naive->bytes[part];
            naive->n_viewed++;
            naive->n_nested += naive->bytes[part] != graph->tensors[part].bytes;
        }
    }
}

/* Must the tensor be there once `n_run` tasks of the order have run? Somebody reads it, or what
 * views it, later; or it is retained, or what views it is. place [n_tasks] in the order. */
static bool is_wanted(const struct naive *naive, int tensor_id, const int *place,
                      int n_run)
{
    const struct tess_task_graph *graph = naive->graph;
    const struct tess_task_tensor *tensor = &graph->tensors[tensor_id];
    if (tensor->is_retained)
        return true;
    for (int k = 0; k < tensor->n_consumers; k++)
        if (place[tensor->consumers[k]] >= n_run)
            return true;
    for (int k = 0; k < tensor->n_producers && tensor->n_consumers == 0; k++)
        if (place[tensor->producers[k]] >= n_run)
            return true;
    int viewer = naive->viewed_by[tensor_id];
    return viewer >= 0 && is_wanted(naive, graph->tasks[viewer].outputs[0], place, n_run);
}

static bool is_made(const struct naive *naive, int tensor_id, const int *place, int n_run)
{
    const struct tess_task_tensor *tensor = &naive->graph->tensors[tensor_id];
    for (int k = 0; k < tensor->n_producers; k++)
        if (place[tensor->producers[k]] < n_run)
            return true;
    return tensor->is_input;
}

/* Does the task read the tensor, itself or through views? */
static bool reads(const struct naive *naive, const struct tess_task *task, int tensor_id)
{
    for (int k = 0; k < task->n_inputs; k++)
        if (task->inputs[k] == tensor_id)
            return true;
    int viewer = naive->viewed_by[tensor_id];
    return viewer >= 0 && reads(naive, task, naive->graph->tasks[viewer].outputs[0]);
}

/* Bytes that the output of the task at a place shares with an input that dies. */
static int64_t overwritten(const struct naive *naive, int at, const int *order,
                           const int *place)
{
    const struct tess_task_graph *graph = naive->graph;
    const struct tess_task *task = &graph->tasks[order[at]];
    if (naive->model == TESS_MODEL_BASE || !(task->flags & TESS_TASK_OVERWRITES) ||
        task->n_outputs != 1 || graph->tensors[task->outputs[0]].n_producers != 1)
        return 0;
    int64_t wanted = naive->bytes[task->outputs[0]];
    for (int t = 0; t < graph->n_tensors; t++)
        if (reads(naive, task, t) && naive->bytes[t] == wanted &&
            !is_wanted(naive, t, place, at + 1))
            return wanted;
    return 0;
}

static int64_t naive_peak(const struct naive *naive, const int *order)
{
    const struct tess_task_graph *graph = naive->graph;
    int place[MAX_TASKS];
    int64_t peak = 0;
    for (int i = 0; i < graph->n_tasks; i++)
        place[order[i]] = i;
    for (int at = 0; at <= graph->n_tasks; at++) {
        int64_t between = 0, during = 0;
        for (int t = 0; t < graph->n_tensors; t++) {
            bool is_alive =
                is_made(naive, t, place, at) && is_wanted(naive, t, place, at);
            between += is_alive ? naive->bytes[t] : 0;
            bool is_output = false;
            for (int k = 0; at < graph->n_tasks && k < graph->tasks[order[at]].n_outputs;
                 k++)
                is_output |= graph->tasks[order[at]].outputs[k] == t;
            during += is_alive || is_output ? naive->bytes[t] : 0;
        }
        if (at < graph->n_tasks)
            during -= overwritten(naive, at, order, place);
        peak = between > peak ? between : peak;
        peak = during > peak ? during : peak;
    }
    return peak;
}

/* Of the tasks that can run any one next. */
static void draw_order(const struct tess_task_graph *graph, struct tess_rng *rng,
                       int *order_out)
{
    bool has_run[MAX_TASKS] = {false};
    for (int n = 0; n < graph->n_tasks;) {
        int task = tess_rng_int(rng, 0, graph->n_tasks - 1);
        bool can_run = !has_run[task];
        for (int k = 0; k < graph->tasks[task].n_before; k++)
            can_run = can_run && has_run[graph->tasks[task].before[k]];
        if (!can_run)
            continue;
        has_run[task] = true;
        order_out[n++] = task;
    }
}

static void test_models_count_what_they_define(void **state)
{
    (void)state;
    int n_cases = 3000, n_viewed = 0, n_nested = 0, n_overwritten = 0, n_copied = 0;
    uint64_t seed = tess_random_seed(9720000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = tess_random_tasks_create(10, &rng);
        int order[MAX_TASKS], file_order[MAX_TASKS];
        int64_t peaks[3];
        assert_int_equal(tess_task_graph_file_order(graph, file_order, NULL), TESS_OK);
        draw_order(graph, &rng, order);
        for (int model = TESS_MODEL_BASE; model <= TESS_MODEL_VIEW; model++) {
            struct tess_task_graph *counted = NULL;
            struct naive naive;
            assert_int_equal(tess_task_graph_count(graph, (enum tess_memory_model)model,
                                                   1, &counted, NULL),
                             TESS_OK);
            tess_task_graph_assert_valid(counted);
            init_naive(&naive, graph, (enum tess_memory_model)model, file_order);
            assert_int_equal(tess_check_order(counted, order, &peaks[model], NULL),
                             TESS_OK);
            int64_t peak = naive_peak(&naive, order);
            if (peak != peaks[model])
                fail_msg("seed %" PRIu64 ", %s: %" PRId64 ", counted as %" PRId64,
                         seed + (uint64_t)i,
                         tess_memory_model_name((enum tess_memory_model)model), peak,
                         peaks[model]);
            n_viewed += naive.n_viewed;
            n_nested += naive.n_nested;
            tess_task_graph_destroy(counted);
        }
        n_overwritten += peaks[TESS_MODEL_INPLACE] < peaks[TESS_MODEL_BASE];
        n_copied += peaks[TESS_MODEL_VIEW] != peaks[TESS_MODEL_INPLACE];
        tess_task_graph_destroy(graph);
    }
    printf("%d graphs: %d viewed parts, %d of them views; in place saves in %d, views "
           "matter "
           "in %d\n",
           n_cases, n_viewed, n_nested, n_overwritten, n_copied);
    if (n_cases >= 3000)
        assert_true(n_viewed > 100 && n_nested > 5 && n_overwritten > 30 &&
                    n_copied > 30);
}

/* The short and the long tier's trials rest on these graphs being odd in every way. */
static void test_random_graphs_are_odd_in_every_way(void **state)
{
    (void)state;
    enum {
        OUTPUTS,
        OVERWRITES,
        CONCAT,
        NO_INPUT,
        RETAINED_READ,
        RETAINED_INPUT,
        UNREAD,
        UNREAD_INPUT,
        NO_BYTES,
        PRODUCERS,
        N_KINDS
    };
    static const char *const names[] = {
        "several outputs",      "overwriting",         "concats",
        "tasks without inputs", "retained and read",   "retained inputs",
        "outputs nobody reads", "inputs nobody reads", "no bytes",
        "several producers"};
    int n_graphs[N_KINDS] = {0};
    for (uint64_t seed = 9710000; seed < 9711000; seed++) {
        bool has[N_KINDS] = {false};
        struct tess_rng rng;
        tess_rng_init(&rng, seed);
        struct tess_task_graph *graph = tess_random_tasks_create(12, &rng);
        for (int i = 0; i < graph->n_tasks; i++) {
            has[OUTPUTS] |= graph->tasks[i].n_outputs > 1;
            has[OVERWRITES] |= (graph->tasks[i].flags & TESS_TASK_OVERWRITES) != 0;
            has[CONCAT] |= (graph->tasks[i].flags & TESS_TASK_CONCAT) != 0;
            has[NO_INPUT] |= graph->tasks[i].n_inputs == 0;
        }
        for (int t = 0; t < graph->n_tensors; t++) {
            const struct tess_task_tensor *tensor = &graph->tensors[t];
            has[RETAINED_READ] |= tensor->is_retained && tensor->n_consumers > 0;
            has[RETAINED_INPUT] |= tensor->is_retained && tensor->is_input;
            has[UNREAD] |=
                !tensor->is_input && !tensor->is_retained && !tensor->n_consumers;
            has[UNREAD_INPUT] |= tensor->is_input && !tensor->n_consumers;
            has[NO_BYTES] |= tensor->bytes == 0;
            has[PRODUCERS] |= tensor->n_producers > 1;
        }
        for (int kind = 0; kind < N_KINDS; kind++)
            n_graphs[kind] += has[kind];
        tess_task_graph_destroy(graph);
    }
    for (int kind = 0; kind < N_KINDS; kind++) {
        printf("%s: %d of 1000 graphs\n", names[kind], n_graphs[kind]);
        assert_true(n_graphs[kind] >= 30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_count_what_they_define),
        cmocka_unit_test(test_random_graphs_are_odd_in_every_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
