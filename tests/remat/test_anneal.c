/* Orders by annealing: valid, no worse than before, of the excess they claim. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arith.h"
#include "base/clock.h"
#include "remat/anneal.h"
#include "schedule/check.h"
#include "schedule/peak.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

static double excess_of(const struct tess_task_graph *graph, const int *order,
                        int64_t budget)
{
    int64_t peak, *bytes = calloc((size_t)graph->n_tasks + 1, sizeof *bytes);
    double excess = 0;
    assert_non_null(bytes);
    assert_int_equal(tess_check_order(graph, order, &peak, NULL), TESS_OK);
    assert_int_equal(tess_peak_of_order(graph, order, &peak, bytes, NULL), TESS_OK);
    for (int at = 0; at < graph->n_tasks; at++)
        excess += (double)tess_max_i64(0, bytes[at] - budget);
    free(bytes);
    return excess;
}

static void test_excess_is_that_of_the_order(void **state)
{
    (void)state;
    int n_cases = 2000, n_better = 0;
    uint64_t seed = tess_random_seed(11, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_task_graph *graph, *counted;
        int order[16];
        tess_rng_init(&rng, seed + (uint64_t)i);
        graph = tess_random_tasks_create(14, &rng);
        assert_int_equal(tess_task_graph_count(graph, TESS_MODEL_BASE, 1, &counted, NULL),
                         TESS_OK);
        assert_int_equal(tess_task_graph_file_order(counted, order, NULL), TESS_OK);
        struct tess_anneal anneal = {.graph = counted,
                                     .budget_bytes = tess_rng_int(&rng, 0, 1000),
                                     .n_trials = 300,
                                     .warmth = 1,
                                     .seed = seed,
                                     .deadline_us = tess_clock_us() + 1e9};
        double before = excess_of(counted, order, anneal.budget_bytes);
        assert_int_equal(tess_anneal_order(&anneal, order, NULL), TESS_OK);
        double after = excess_of(counted, order, anneal.budget_bytes);
        if (after > before || after != anneal.excess)
            fail_msg("seed %" PRIu64 ": %g before, %g after, claimed %g",
                     seed + (uint64_t)i, before, after, anneal.excess);
        n_better += after < before;
        tess_task_graph_destroy(counted);
        tess_task_graph_destroy(graph);
    }
    assert_true(n_better > n_cases / 20);
    printf("seed %" PRIu64 ": %d of %d orders are better\n", seed, n_better, n_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_excess_is_that_of_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
