/* From a graph to a sequence with places in one call. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "remat/remat.h"
#include "schedule/peak.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

static void test_sequences_have_places(void **state)
{
    (void)state;
    int n_cases = 300, n_repeat = 0, n_infeasible = 0;
    uint64_t seed = tess_random_seed(3, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_remat_options options;
        struct tess_remat remat;
        int64_t costs[16];
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = tess_random_tasks_create(9, &rng);
        for (int k = 0; k < 16; k++)
            costs[k] = i % 3 == 0 ? 0 : tess_rng_int(&rng, 0, 9);
        tess_remat_options_init(&options);
        options.model = (enum tess_memory_model)tess_rng_int(&rng, 0, 2);
        options.alignment = tess_rng_int(&rng, 0, 1) ? 1 : 96;
        options.keeps_order = tess_rng_int(&rng, 0, 1);
        options.budget_percent = tess_rng_int(&rng, 40, 100);
        options.seconds = 5;
        if (tess_remat_init(&remat, graph, costs, &options, NULL) != TESS_OK)
            fail_msg("seed %" PRIu64, seed + (uint64_t)i);
        assert_true(remat.arena_bytes >= remat.result.value.peak_bytes);
        assert_int_equal(remat.expansion.graph->n_tasks, remat.result.sequence.n);
        assert_true(remat.result.is_proven);
        n_repeat += remat.result.sequence.n > remat.counted->n_tasks;
        n_infeasible += !remat.result.fits;
        tess_remat_release(&remat);
        tess_task_graph_destroy(graph);
    }
    printf("seed %" PRIu64 ": %d graphs, %d with repeated tasks, %d infeasible\n", seed,
           n_cases, n_repeat, n_infeasible);
    assert_true(n_repeat > n_cases / 20 && n_infeasible > n_cases / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_have_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
