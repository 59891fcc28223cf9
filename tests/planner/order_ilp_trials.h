/* The method `ilp` and its certificate against brute force, for the short and the long tier. */
#ifndef TESS_TESTS_PLANNER_ORDER_ILP_TRIALS_H
#define TESS_TESTS_PLANNER_ORDER_ILP_TRIALS_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "planner/order_closing.h"
#include "planner/ordering_ilp.h"
#include "schedule/check.h"
#include "solver/milp.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

/* What one way of running the method did, over all graphs. */
struct ilp_tally {
    int n_by_solver; /* graphs for which the solver was asked */
    int64_t n_nodes;
};

static struct tess_task_graph *random_counted(int max_tasks, struct tess_rng *rng)
{
    struct tess_task_graph *graph = tess_random_tasks_create(max_tasks, rng);
    struct tess_task_graph *counted = NULL;
    enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(rng, 0, 2);
    int64_t alignment = tess_rng_int(rng, 0, 1) ? 1 : 96;
    assert_int_equal(tess_task_graph_count(graph, model, alignment, &counted, NULL),
                     TESS_OK);
    tess_task_graph_destroy(graph);
    return counted;
}

/* Runs the method: proven, and the order checked by the checker. Returns the peak. */
static int64_t ilp_peak(const struct tess_task_graph *graph, unsigned parts_off,
                        uint64_t seed, struct ilp_tally *tally)
{
    int order[16];
    int64_t checked;
    struct tess_order_result result = {.order = order};
    struct tess_order_limits limits;
    tess_order_limits_init(&limits);
    limits.parts_off = parts_off;
    assert_int_equal(tess_method_ilp.run(graph, &limits, &result, NULL), TESS_OK);
    assert_int_equal(tess_check_order(graph, order, &checked, NULL), TESS_OK);
    assert_int_equal(checked, result.peak_bytes);
    if (!result.is_proven)
        fail_msg("seed %" PRIu64 ", parts off %u: not proven, %" PRId64 " to %" PRId64,
                 seed, parts_off, result.lower_bound_bytes, result.peak_bytes);
    assert_true(result.n_variables <= result.n_variables_full);
    assert_true(result.n_variables_solved == 0 || result.n_parts > 0);
    tally->n_by_solver += result.n_variables_solved > 0;
    tally->n_nodes += result.n_expanded;
    return result.peak_bytes;
}

/* Nothing is below the best, something is below more than that. */
static void check_certificates(const struct tess_task_graph *graph, int64_t best,
                               unsigned parts_off, uint64_t seed)
{
    int order[16];
    int64_t peak;
    struct tess_order_limits limits;
    enum tess_certificate below, above;
    tess_order_limits_init(&limits);
    limits.parts_off = parts_off;
    assert_int_equal(tess_order_certify(graph, best, &limits, order, &below, NULL),
                     TESS_OK);
    assert_int_equal(tess_order_certify(graph, best + 1, &limits, order, &above, NULL),
                     TESS_OK);
    if (below != TESS_CERTIFIED || above != TESS_REFUTED)
        fail_msg("seed %" PRIu64 ", parts off %u: certificates %d, %d", seed, parts_off,
                 (int)below, (int)above);
    assert_int_equal(tess_check_order(graph, order, &peak, NULL), TESS_OK);
    assert_int_equal(peak, best);
}

static void try_ilp(int max_tasks, int n_cases, uint64_t first_seed)
{
    struct ilp_tally whole = {0}, bare = {0}, mixed = {0};
    uint64_t seed = tess_random_seed(first_seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_counted(max_tasks, &rng);
        int64_t best = tess_brute_peak(graph);
        /* The programme by itself, too, and with any of its helpers. */
        unsigned all = TESS_ORDER_FUSION | TESS_ORDER_CUTS | TESS_ORDER_BEAM |
                       TESS_ORDER_CLIMB | TESS_ORDER_VALLEYS;
        unsigned some = (unsigned)tess_rng_int(&rng, 0, 63);
        int64_t peaks[] = {ilp_peak(graph, 0, seed + (uint64_t)i, &whole),
                           ilp_peak(graph, all, seed + (uint64_t)i, &bare),
                           ilp_peak(graph, some, seed + (uint64_t)i, &mixed)};
        if (peaks[0] != best || peaks[1] != best || peaks[2] != best)
            fail_msg("seed %" PRIu64 ", parts off %u: best %" PRId64 ", found %" PRId64
                     " %" PRId64 " %" PRId64,
                     seed + (uint64_t)i, some, best, peaks[0], peaks[1], peaks[2]);
        check_certificates(graph, best, some, seed + (uint64_t)i);
        tess_task_graph_destroy(graph);
    }
    printf(
        "%d graphs of up to %d tasks; the solver was asked for %d, bare for %d (%" PRId64
        " nodes), mixed for %d\n",
        n_cases, max_tasks, whole.n_by_solver, bare.n_by_solver, bare.n_nodes,
        mixed.n_by_solver);
}

#endif
