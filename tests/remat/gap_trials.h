/* Small graphs by hand, one output per task, and random ones, for the tests of programmes. */
#ifndef TESS_TESTS_REMAT_GAP_TRIALS_H
#define TESS_TESTS_REMAT_GAP_TRIALS_H

#include "tests/remat/remat_trials.h"

enum { HAND_TASKS = 10, HAND_INPUTS = 3 };

/* A task and its output, which has the task's number. Inputs: numbers + 1, 0: none. */
struct hand_task {
    int bytes, cost, inputs[HAND_INPUTS];
};

struct hand {
    struct tess_task_graph *graph;
    int64_t costs[HAND_TASKS];
    int order[HAND_TASKS];
    struct tess_remat_problem problem;
};

static inline void hand_init(struct hand *hand, const struct hand_task *tasks, int n,
                             int64_t budget_bytes)
{
    struct tess_task_spec specs[HAND_TASKS] = {{0}};
    struct tess_tensor_spec tensors[HAND_TASKS] = {{0}};
    int lists[HAND_TASKS][HAND_INPUTS + 1];
    struct tess_task_graph *graph = NULL;
    for (int i = 0; i < n; i++) {
        lists[i][HAND_INPUTS] = i;
        specs[i].n_outputs = 1;
        specs[i].outputs = &lists[i][HAND_INPUTS];
        specs[i].inputs = lists[i];
        for (int k = 0; k < HAND_INPUTS && tasks[i].inputs[k] > 0; k++)
            lists[i][specs[i].n_inputs++] = tasks[i].inputs[k] - 1;
        tensors[i].bytes = tasks[i].bytes;
        hand->costs[i] = tasks[i].cost;
        hand->order[i] = i;
    }
    struct tess_tasks_spec spec = {n, n, specs, tensors};
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    assert_int_equal(tess_task_graph_count(graph, TESS_MODEL_BASE, 1, &hand->graph, NULL),
                     TESS_OK);
    tess_task_graph_destroy(graph);
    hand->problem = (struct tess_remat_problem){.graph = hand->graph,
                                                .costs = hand->costs,
                                                .order = hand->order,
                                                .keeps_order = true,
                                                .most_runs = 3,
                                                .budget_bytes = budget_bytes};
}

static inline void hand_release(struct hand *hand)
{
    tess_task_graph_destroy(hand->graph);
}

/* For methods that ask a solver. */
static inline void skip_without_solver(void)
{
    if (!tess_milp_is_available())
        skip();
}

struct method_trials {
    const struct tess_remat_method *method;
    uint64_t first_seed;
    int n_cases;
    bool keeps_order;                               /* of all; else of those given so */
    bool (*counts)(const struct tess_task_graph *); /* NULL: all do */
    int least_best;                                 /* of a hundred that count */
};

/* Random graphs of up to 7 tasks: the method finds nothing better than brute force, proves nothing
 * that is not so, and finds the best of most graphs that fit at all. */
static inline void try_method(const struct method_trials *trials)
{
    int n_cases = trials->n_cases, n_best = 0, n_possible = 0;
    uint64_t seed = tess_random_seed(trials->first_seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct random_remat random;
        struct tess_rng rng;
        bool is_proven;
        tess_rng_init(&rng, seed + (uint64_t)i);
        random_remat_init(&random, 7, &rng);
        random.problem.keeps_order = random.problem.keeps_order || trials->keeps_order;
        int64_t brute = brute_remat_cost(&random.problem);
        int64_t cost =
            checked_cost(trials->method, &random.problem, brute, 5, &is_proven);
        if (brute >= 0 && (cost < brute || (is_proven && cost != brute)))
            fail_msg("seed %" PRIu64 ": best %" PRId64 ", found %" PRId64,
                     seed + (uint64_t)i, brute, cost);
        bool is_possible = brute >= 0 && brute != INT64_MAX &&
                           (!trials->counts || trials->counts(random.graph));
        n_possible += is_possible;
        n_best += is_possible && cost == brute;
        random_remat_release(&random);
    }
    printf("seed %" PRIu64 ": %d graphs, best in %d of %d that count\n", seed, n_cases,
           n_best, n_possible);
    assert_true(n_possible > n_cases / 4);
    assert_true(n_best > n_possible * trials->least_best / 100);
}

#endif
