#include "tests/support/random_remat.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "schedule/peak.h"
#include "tests/support/random_tasks.h"

void random_remat_init(struct random_remat *random, int max_tasks, struct tess_rng *rng)
{
    struct tess_task_graph *graph = tess_random_tasks_create(max_tasks, rng);
    int64_t peak = 0;
    *random = (struct random_remat){0};
    enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(rng, 0, 2);
    if (tess_task_graph_count(graph, model, 1, &random->graph, NULL) != TESS_OK ||
        tess_task_graph_file_order(random->graph, random->order, NULL) != TESS_OK ||
        tess_peak_of_order(random->graph, random->order, &peak, NULL, NULL) != TESS_OK)
        abort();
    tess_task_graph_destroy(graph);
    for (int i = 0; i < random->graph->n_tasks; i++)
        random->costs[i] = tess_rng_int(rng, 0, 9);
    random->problem =
        (struct tess_remat_problem){.graph = random->graph,
                                    .costs = random->costs,
                                    .order = random->order,
                                    .keeps_order = tess_rng_int(rng, 0, 1),
                                    .most_runs = tess_rng_int(rng, 0, 3) ? 2 : 3,
                                    .budget_bytes = peak};
    /* Somewhere between what every sequence needs and what the order needs. */
    int64_t least = tess_remat_least_bytes(&random->problem);
    if (least < peak)
        random->problem.budget_bytes =
            least - 1 + tess_rng_int(rng, 0, (int)(peak - least));
}

void random_remat_release(struct random_remat *random)
{
    tess_task_graph_destroy(random->graph);
    *random = (struct random_remat){0};
}

/* ---- brute force: relaxation of all states, in rounds, until nothing gets cheaper ---- */

enum { BRUTE_SLOTS = 1 << 20, BRUTE_STATES = 600000 };

struct brute_state {
    uint64_t key; /* which tensors are held, and two bits for each task's runs */
    uint32_t held;
    int64_t cost;
};

struct brute {
    const struct tess_remat_problem *problem;
    struct brute_state *states;
    int *slots, *stack, n_states, n_stack;
    bool is_full;
};

static void offer(struct brute *brute, uint32_t held, uint64_t runs, int64_t cost)
{
    uint64_t key = runs << 32 | held;
    uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 44;
    while (brute->slots[at] >= 0 && brute->states[brute->slots[at]].key != key)
        at = (at + 1) & (BRUTE_SLOTS - 1);
    int state = brute->slots[at];
    if (state >= 0 && brute->states[state].cost <= cost)
        return;
    if (state < 0 && brute->n_states == BRUTE_STATES) {
        brute->is_full = true;
        return;
    }
    if (state < 0)
        state = brute->slots[at] = brute->n_states++;
    brute->states[state] = (struct brute_state){key, held, cost};
    if (brute->n_stack == 8 * BRUTE_STATES)
        brute->is_full = true;
    else
        brute->stack[brute->n_stack++] = state;
}

static int64_t bytes_of(const struct tess_task_graph *graph, uint32_t set)
{
    int64_t bytes = 0;
    for (int t = 0; t < graph->n_tensors; t++)
        bytes += set >> t & 1 ? graph->tensors[t].bytes : 0;
    return bytes;
}

static int runs_of(uint64_t runs, int task)
{
    return (int)(runs >> (2 * task) & 3);
}

/* Must it stay because it cannot be made again, or is not yet complete? */
static bool is_bound_to_stay(const struct tess_task_graph *graph, int t, uint64_t runs)
{
    const struct tess_task_tensor *tensor = &graph->tensors[t];
    bool is_awaited = tensor->is_retained;
    if (tensor->n_producers == 1)
        return false;
    for (int k = 0; k < tensor->n_consumers; k++)
        is_awaited |= runs_of(runs, tensor->consumers[k]) == 0;
    for (int k = 0; k < tensor->n_producers; k++)
        is_awaited |= runs_of(runs, tensor->producers[k]) == 0;
    return is_awaited;
}

static void try_run(struct brute *brute, const struct brute_state *state, int i)
{
    const struct tess_task_graph *graph = brute->problem->graph;
    const struct tess_task *task = &graph->tasks[i];
    uint64_t runs = state->key >> 32;
    uint32_t made = 0;
    bool adds = false;
    for (int k = 0; k < task->n_outputs; k++) {
        made |= UINT32_C(1) << task->outputs[k];
        adds |= graph->tensors[task->outputs[k]].n_producers > 1;
    }
    if (runs_of(runs, i) >= (adds ? 1 : brute->problem->most_runs))
        return;
    for (int k = 0; k < task->n_inputs; k++) {
        const struct tess_task_tensor *input = &graph->tensors[task->inputs[k]];
        if (!(state->held >> task->inputs[k] & 1))
            return;
        for (int p = 0; p < input->n_producers; p++)
            if (runs_of(runs, input->producers[p]) == 0)
                return;
    }
    for (int at = 0; brute->problem->keeps_order && runs_of(runs, i) == 0; at++) {
        if (brute->problem->order[at] == i)
            break;
        if (runs_of(runs, brute->problem->order[at]) == 0)
            return;
    }
    uint32_t all = state->held | made;
    int64_t bytes = bytes_of(graph, all), cost = state->cost + brute->problem->costs[i];
    runs += UINT64_C(1) << (2 * i);
    if (bytes <= brute->problem->budget_bytes)
        offer(brute, all, runs, cost);
    if (!(task->flags & TESS_TASK_OVERWRITES) || task->n_outputs != 1 || adds)
        return;
    for (int k = 0; k < task->n_inputs; k++) {
        int input = task->inputs[k];
        int64_t size = graph->tensors[input].bytes;
        if (size == graph->tensors[task->outputs[0]].bytes &&
            !is_bound_to_stay(graph, input, runs) &&
            bytes - size <= brute->problem->budget_bytes)
            offer(brute, all & ~(UINT32_C(1) << input), runs, cost);
    }
}

static bool is_end(const struct tess_task_graph *graph, const struct brute_state *state)
{
    for (int i = 0; i < graph->n_tasks; i++)
        if (runs_of(state->key >> 32, i) == 0)
            return false;
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_retained && !(state->held >> t & 1))
            return false;
    return true;
}

int64_t brute_remat_cost(const struct tess_remat_problem *problem)
{
    const struct tess_task_graph *graph = problem->graph;
    struct brute brute = {.problem = problem};
    uint32_t start = 0;
    int64_t best = INT64_MAX;
    assert(graph->n_tasks <= 16);
    if (graph->n_tensors > 31)
        return -1;
    brute.states = malloc(sizeof *brute.states * BRUTE_STATES);
    brute.slots = malloc(sizeof *brute.slots * BRUTE_SLOTS);
    brute.stack = malloc(sizeof *brute.stack * 8 * BRUTE_STATES);
    assert(brute.states && brute.slots && brute.stack);
    memset(brute.slots, -1, sizeof *brute.slots * BRUTE_SLOTS);
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_input &&
            (graph->tensors[t].is_retained || graph->tensors[t].n_consumers > 0))
            start |= UINT32_C(1) << t;
    if (bytes_of(graph, start) <= problem->budget_bytes)
        offer(&brute, start, 0, 0);
    while (brute.n_stack > 0 && !brute.is_full) {
        struct brute_state state = brute.states[brute.stack[--brute.n_stack]];
        if (is_end(graph, &state) && state.cost < best)
            best = state.cost;
        for (int i = 0; i < graph->n_tasks; i++)
            try_run(&brute, &state, i);
        for (int t = 0; t < graph->n_tensors; t++)
            if (state.held >> t & 1 && !is_bound_to_stay(graph, t, state.key >> 32))
                offer(&brute, state.held & ~(UINT32_C(1) << t), state.key >> 32,
                      state.cost);
    }
    free(brute.states);
    free(brute.slots);
    free(brute.stack);
    return brute.is_full ? -1 : best;
}
