/* The published programme against brute force, and against the programme of gaps where the two
 * look at the same sequences. */
#include <string.h>

#include "schedule/peak.h"
#include "tests/remat/gap_trials.h"

/* By hand: what is best computes nothing twice in one stage, so all must agree. */
static void test_agrees_where_the_models_coincide(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct {
        struct hand_task tasks[7];
        int n;
        int64_t budget_bytes, cost;
    } cases[] = {
        {{{4, 3, {0}}, {1, 5, {1}}, {1, 5, {2}}, {1, 5, {1}}}, 4, 5, 18 + 3},
        {{{4, 3, {0}},
          {4, 2, {1}},
          {1, 1, {2}},
          {7, 1, {3}},
          {1, 1, {4}},
          {1, 1, {2, 5}}},
         6,
         9,
         9 + 5},
        {{{2, 1, {0}}, {2, 7, {1}}, {4, 1, {2}}, {1, 1, {2, 3}}, {1, 1, {1, 4}}},
         5,
         7,
         11 + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hand hand;
        bool is_proven;
        hand_init(&hand, cases[i].tasks, cases[i].n, cases[i].budget_bytes);
        assert_int_equal(brute_remat_cost(&hand.problem), cases[i].cost);
        assert_int_equal(checked_cost(&tess_remat_gap, &hand.problem, -1, 5, &is_proven),
                         cases[i].cost);
        assert_int_equal(
            checked_cost(&tess_remat_checkmate, &hand.problem, -1, 5, &is_proven),
            cases[i].cost);
        hand_release(&hand);
    }
}

/* Does no task put its output onto an input? That is not counted in the programme. */
static bool is_plain(const struct tess_task_graph *graph)
{
    for (int i = 0; i < graph->n_tasks; i++)
        if (tess_task_may_overwrite(graph, i))
            return false;
    return true;
}

/* It misses what prolongs an input, computes anew at the very end or twice in a stage. */
static void test_never_better_than_the_best(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct method_trials trials = {.method = &tess_remat_checkmate,
                                                .first_seed = 51,
                                                .n_cases = 120,
                                                .keeps_order = true,
                                                .counts = is_plain,
                                                .least_best = 80};
    try_method(&trials);
}

/* A chain of so many tasks needs more columns than are worth building. */
static void test_says_when_a_graph_is_too_large(void **state)
{
    (void)state;
    skip_without_solver();
    enum { N = 300 };
    static struct tess_task_spec tasks[N];
    static struct tess_tensor_spec tensors[N];
    static int lists[N][3], order[N];
    static int64_t costs[N];
    struct tess_task_graph *graph, *counted;
    struct tess_remat_limits limits;
    struct tess_remat_result result = {0};
    struct tess_error error = {0};
    for (int i = 0; i < N; i++) { /* the last one reads the first's output, too */
        lists[i][0] = i - 1;
        lists[i][1] = 0;
        lists[i][2] = i;
        tasks[i] = (struct tess_task_spec){.n_inputs = i == 0 ? 0 : 1 + (i == N - 1),
                                           .n_outputs = 1,
                                           .inputs = lists[i],
                                           .outputs = lists[i] + 2};
        tensors[i].bytes = 1;
        costs[i] = 1;
        order[i] = i;
    }
    struct tess_tasks_spec spec = {N, N, tasks, tensors};
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    assert_int_equal(tess_task_graph_count(graph, TESS_MODEL_BASE, 1, &counted, NULL),
                     TESS_OK);
    /* 3 bytes are needed at the end; the first output in between makes it 3 everywhere. */
    tensors[1].bytes = 2;
    struct tess_remat_problem problem = {counted, costs, order, true, 2, 2};
    tess_remat_limits_init(&limits);
    assert_int_equal(tess_remat_least_bytes(&problem), 3);
    problem.budget_bytes = 3;
    assert_int_equal(tess_remat_checkmate.run(&problem, &limits, &result, &error),
                     TESS_OK);
    assert_true(result.fits);
    tess_remat_sequence_release(&result.sequence);
    tess_task_graph_destroy(graph);
    tess_task_graph_destroy(counted);
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    assert_int_equal(tess_task_graph_count(graph, TESS_MODEL_BASE, 1, &counted, NULL),
                     TESS_OK);
    problem.graph = counted;
    result = (struct tess_remat_result){0};
    assert_int_equal(tess_remat_checkmate.run(&problem, &limits, &result, &error),
                     TESS_E_USAGE);
    assert_non_null(strstr(error.message, "too large"));
    tess_remat_sequence_release(&result.sequence);
    tess_task_graph_destroy(graph);
    tess_task_graph_destroy(counted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_where_the_models_coincide),
        cmocka_unit_test(test_never_better_than_the_best),
        cmocka_unit_test(test_says_when_a_graph_is_too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
