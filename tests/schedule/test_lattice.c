/* The exact search by itself, without any bound to lean on. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "schedule/check.h"
#include "schedule/lattice.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

static struct tess_lattice unlimited(const struct tess_chains *chains)
{
    return (struct tess_lattice){.chains = chains,
                                 .upper_bytes = INT64_MAX,
                                 .limit_states = 3,
                                 .max_limit_states = INT64_MAX / 8,
                                 .memory_bytes = 1 << 24,
                                 .deadline_us = tess_clock_us() + 1e9};
}

static struct tess_task_graph *random_counted(uint64_t seed, int max_tasks)
{
    struct tess_rng rng;
    struct tess_task_graph *graph, *counted = NULL;
    tess_rng_init(&rng, seed);
    graph = tess_random_tasks_create(max_tasks, &rng);
    enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(&rng, 0, 2);
    assert_int_equal(tess_task_graph_count(graph, model, 1, &counted, NULL), TESS_OK);
    tess_task_graph_destroy(graph);
    return counted;
}

/* The peak of what the search finds under a limit that makes it change sides often. */
static int64_t found_peak(const struct tess_task_graph *graph, unsigned variant)
{
    int chain_order[16], order[16];
    int64_t peak;
    enum tess_lattice_answer answer;
    struct tess_chains chains;
    enum tess_status status = variant & 1 ? tess_chains_single(&chains, graph, NULL)
                                          : tess_chains_fuse(&chains, graph, NULL);
    assert_int_equal(status, TESS_OK);
    struct tess_lattice lattice = unlimited(&chains);
    lattice.limit_states = variant & 2 ? 3 : 1000;
    lattice.without_safe = (variant & 12) == 4;
    lattice.without_valleys = (variant & 12) == 8;
    assert_int_equal(tess_task_graph_file_order(graph, order, NULL), TESS_OK);
    int scratch[16];
    tess_chains_contract(&chains, order, false, scratch, chain_order);
    assert_int_equal(
        tess_lattice_search(&lattice, chain_order, 0, chains.n_chains, &answer, NULL),
        TESS_OK);
    assert_int_equal(answer, TESS_LATTICE_FOUND);
    tess_chains_expand(&chains, chain_order, order);
    assert_int_equal(tess_check_order(graph, order, &peak, NULL), TESS_OK);
    assert_true(peak <= lattice.floor_bytes || graph->n_tasks == 0);
    tess_chains_release(&chains);
    return peak;
}

static void test_the_search_needs_no_bound(void **state)
{
    (void)state;
    int n_cases = 4000;
    uint64_t seed = tess_random_seed(9800000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_task_graph *graph = random_counted(seed + (uint64_t)i, 11);
        int64_t brute = tess_brute_peak(graph);
        for (unsigned variant = 0; variant < 12; variant++) {
            int64_t peak = found_peak(graph, variant);
            if (peak != brute)
                fail_msg("seed %" PRIu64 ", variant %u: best %" PRId64 ", found %" PRId64,
                         seed + (uint64_t)i, variant, brute, peak);
        }
        tess_task_graph_destroy(graph);
    }
    printf("%d graphs in 12 variants each\n", n_cases);
}

/* Told that only orders below the best are of interest, it finds none. */
static void test_nothing_is_below_the_best(void **state)
{
    (void)state;
    int n_cases = 1000;
    uint64_t seed = tess_random_seed(9810000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_task_graph *graph = random_counted(seed + (uint64_t)i, 10);
        int order[16];
        enum tess_lattice_answer answer;
        struct tess_chains chains;
        assert_int_equal(tess_chains_single(&chains, graph, NULL), TESS_OK);
        assert_int_equal(tess_task_graph_file_order(graph, order, NULL), TESS_OK);
        struct tess_lattice lattice = unlimited(&chains);
        lattice.upper_bytes = tess_brute_peak(graph);
        /* A floor that is a target: all below `upper` is as good. */
        lattice.floor_bytes = i & 1 ? 0 : lattice.upper_bytes - 1;
        assert_int_equal(
            tess_lattice_search(&lattice, order, 0, chains.n_chains, &answer, NULL),
            TESS_OK);
        assert_int_equal(answer, TESS_LATTICE_NONE);
        tess_chains_release(&chains);
        tess_task_graph_destroy(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_search_needs_no_bound),
        cmocka_unit_test(test_nothing_is_below_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
