/* Small graphs by hand, one output per task, for the tests of programmes. */
#ifndef TESS_TESTS_REMAT_GAP_TRIALS_H
#define TESS_TESTS_REMAT_GAP_TRIALS_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "remat/method.h"
#include "remat/sequence_check.h"
#include "solver/milp.h"
#include "tests/support/random_net.h"
#include "tests/support/random_remat.h"

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

/* Runs a method on it: the cost, checked; INT64_MAX if it does not fit. */
static inline int64_t method_cost(const struct tess_remat_method *method,
                                  const struct tess_remat_problem *problem,
                                  bool *is_proven_out)
{
    struct tess_remat_limits limits;
    struct tess_remat_result result = {0};
    struct tess_remat_value value;
    tess_remat_limits_init(&limits);
    limits.seconds = 5;
    assert_int_equal(method->run(problem, &limits, &result, NULL), TESS_OK);
    assert_int_equal(tess_remat_check(problem, &result.sequence, &value, NULL), TESS_OK);
    assert_int_equal(value.peak_bytes, result.value.peak_bytes);
    assert_int_equal(value.cost, result.value.cost);
    assert_int_equal(result.fits, value.peak_bytes <= problem->budget_bytes);
    int64_t cost = result.fits ? value.cost : INT64_MAX;
    *is_proven_out = result.is_proven;
    tess_remat_sequence_release(&result.sequence);
    return cost;
}

#endif
