/* The evaluator of sequences against the checker, which goes backwards. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "remat/method.h"
#include "remat/sequence_check.h"
#include "schedule/peak.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

enum { MAX_TASKS = 10, MAX_RUNS = 40 };

static const int64_t unit_costs[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* Runs tasks by chance, each when all that it reads has been written at some time. */
static void draw_sequence(const struct tess_task_graph *graph, int n_more,
                          struct tess_rng *rng, struct tess_remat_sequence *sequence)
{
    int n_runs[16] = {0}, n_left = graph->n_tasks;
    sequence->n = 0;
    while (graph->n_tasks > 0 && (n_left > 0 || n_more > 0)) {
        int task = tess_rng_int(rng, 0, graph->n_tasks - 1);
        bool is_ready =
            n_runs[task] == 0 || (n_more > 0 && tess_remat_may_repeat(graph, task));
        for (int k = 0; k < graph->tasks[task].n_before; k++)
            is_ready &= n_runs[graph->tasks[task].before[k]] > 0;
        if (!is_ready) {
            n_more -= n_left == 0; /* what is left may be such as must not run again */
            continue;
        }
        n_left -= n_runs[task] == 0;
        n_more -= n_runs[task]++ > 0;
        sequence->tasks[sequence->n++] = task;
    }
}

static struct tess_task_graph *random_counted(struct tess_rng *rng)
{
    struct tess_task_graph *graph = tess_random_tasks_create(MAX_TASKS, rng), *counted;
    enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(rng, 0, 2);
    assert_int_equal(tess_task_graph_count(graph, model, 1, &counted, NULL), TESS_OK);
    tess_task_graph_destroy(graph);
    return counted;
}

static void test_evaluator_and_checker_agree(void **state)
{
    (void)state;
    int n_cases = 5000, n_repeating = 0;
    uint64_t seed = tess_random_seed(77, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_counted(&rng);
        int tasks[MAX_RUNS], order[16];
        struct tess_remat_sequence sequence = {0, MAX_RUNS, tasks};
        struct tess_remat_problem problem = {
            .graph = graph, .costs = unit_costs, .order = order, .most_runs = MAX_RUNS};
        struct tess_remat_value value, checked;
        draw_sequence(graph, tess_rng_int(&rng, 0, 8), &rng, &sequence);
        n_repeating += sequence.n > graph->n_tasks;
        assert_int_equal(tess_remat_measure(&problem, &sequence, &value, NULL, NULL),
                         TESS_OK);
        assert_int_equal(tess_remat_check(&problem, &sequence, &checked, NULL), TESS_OK);
        if (value.peak_bytes != checked.peak_bytes || value.cost != checked.cost)
            fail_msg("seed %" PRIu64 ": peak %" PRId64 ", checker %" PRId64,
                     seed + (uint64_t)i, value.peak_bytes, checked.peak_bytes);
        assert_true(tess_remat_least_bytes(&problem) <= value.peak_bytes);
        /* Leaving something out breaks both or neither. */
        if (sequence.n > 0) {
            int at = tess_rng_int(&rng, 0, sequence.n - 1);
            for (int k = at; k + 1 < sequence.n; k++)
                tasks[k] = tasks[k + 1];
            sequence.n--;
            enum tess_status status =
                tess_remat_measure(&problem, &sequence, &value, NULL, NULL);
            assert_int_equal(status,
                             tess_remat_check(&problem, &sequence, &checked, NULL));
            if (status == TESS_OK)
                assert_int_equal(value.peak_bytes, checked.peak_bytes);
        }
        tess_task_graph_destroy(graph);
    }
    assert_true(n_repeating > n_cases / 4);
    printf("seed %" PRIu64 ": %d sequences, %d repeat tasks\n", seed, n_cases,
           n_repeating);
}

static void test_an_order_costs_what_orders_cost(void **state)
{
    (void)state;
    int n_cases = 1000;
    uint64_t seed = tess_random_seed(5, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_counted(&rng);
        int order[16];
        int64_t peak;
        struct tess_remat_problem problem = {
            .graph = graph, .costs = unit_costs, .order = order, .most_runs = 2};
        struct tess_remat_result result = {0};
        assert_int_equal(tess_task_graph_file_order(graph, order, NULL), TESS_OK);
        assert_int_equal(tess_peak_of_order(graph, order, &peak, NULL, NULL), TESS_OK);
        problem.budget_bytes = peak;
        assert_int_equal(tess_remat_result_init(&result, &problem, "file", NULL),
                         TESS_OK);
        if (result.value.peak_bytes != peak || !result.fits || !result.is_proven)
            fail_msg("seed %" PRIu64 ": peak %" PRId64 ", of the order %" PRId64,
                     seed + (uint64_t)i, result.value.peak_bytes, peak);
        tess_remat_sequence_release(&result.sequence);
        tess_task_graph_destroy(graph);
    }
}

/* a -> b -> c, and c reads a, too. */
static struct tess_task_graph *triangle(void)
{
    static const int a[] = {0}, b[] = {1}, c[] = {2}, both[] = {0, 1};
    struct tess_task_spec tasks[] = {
        {0, 0, 1, NULL, a}, {0, 1, 1, a, b}, {0, 2, 1, both, c}};
    struct tess_tensor_spec tensors[] = {{.bytes = 4}, {.bytes = 10}, {.bytes = 1}};
    struct tess_tasks_spec spec = {3, 3, tasks, tensors};
    struct tess_task_graph *graph;
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    return graph;
}

static void test_checker_refuses(void **state)
{
    (void)state;
    struct tess_task_graph *graph = triangle();
    int order[] = {0, 1, 2};
    struct tess_remat_problem problem = {
        .graph = graph, .costs = unit_costs, .order = order, .most_runs = 2};
    static const struct {
        int n, tasks[5];
        enum tess_status status;
    } cases[] = {{3, {0, 1, 2}, TESS_OK},          {4, {0, 1, 0, 2}, TESS_OK},
                 {2, {0, 1}, TESS_E_VERIFY},       {3, {1, 0, 2}, TESS_E_VERIFY},
                 {4, {0, 1, 2, 3}, TESS_E_VERIFY}, {5, {0, 0, 1, 0, 2}, TESS_E_VERIFY}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int tasks[5];
        for (int k = 0; k < 5; k++)
            tasks[k] = cases[i].tasks[k];
        struct tess_remat_sequence sequence = {cases[i].n, 5, tasks};
        struct tess_remat_value value;
        assert_int_equal(tess_remat_check(&problem, &sequence, &value, NULL),
                         cases[i].status);
    }
    tess_task_graph_destroy(graph);
}

static void test_checker_keeps_an_order(void **state)
{
    (void)state;
    static const int made[] = {0, 1};
    struct tess_task_spec tasks[] = {{.n_outputs = 1, .outputs = made},
                                     {.n_outputs = 1, .outputs = made + 1}};
    struct tess_tensor_spec tensors[] = {{.bytes = 1}, {.bytes = 1}};
    struct tess_tasks_spec spec = {2, 2, tasks, tensors};
    struct tess_task_graph *graph;
    int order[] = {0, 1}, turned[] = {1, 0, 1};
    struct tess_remat_value value;
    struct tess_remat_sequence sequence = {3, 3, turned};
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    struct tess_remat_problem problem = {
        .graph = graph, .costs = unit_costs, .order = order, .most_runs = 2};
    assert_int_equal(tess_remat_check(&problem, &sequence, &value, NULL), TESS_OK);
    assert_int_equal(value.cost, 3);
    problem.keeps_order = true;
    assert_int_equal(tess_remat_check(&problem, &sequence, &value, NULL), TESS_E_VERIFY);
    tess_task_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_evaluator_and_checker_agree),
        cmocka_unit_test(test_an_order_costs_what_orders_cost),
        cmocka_unit_test(test_checker_refuses),
        cmocka_unit_test(test_checker_keeps_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
