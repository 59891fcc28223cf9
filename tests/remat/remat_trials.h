/* Methods against brute force, for the short and the long tier. */
#ifndef TESS_TESTS_REMAT_REMAT_TRIALS_H
#define TESS_TESTS_REMAT_REMAT_TRIALS_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "remat/cost_bound.h"
#include "remat/method.h"
#include "remat/sequence_check.h"
#include "solver/milp.h"
#include "tests/support/random_net.h"
#include "tests/support/random_remat.h"

/* Runs a method: a sequence that the checker accepts and bounds that hold. Returns its cost,
 * INT64_MAX if it does not fit. */
static inline int64_t checked_cost(const struct tess_remat_method *method,
                                   const struct tess_remat_problem *problem,
                                   int64_t brute, double seconds, bool *is_proven_out)
{
    struct tess_remat_limits limits;
    struct tess_remat_result result = {0};
    struct tess_remat_value value;
    tess_remat_limits_init(&limits);
    limits.seconds = seconds;
    enum tess_status status = method->run(problem, &limits, &result, NULL);
    if (status == TESS_E_USAGE && !tess_milp_is_available()) { /* it needs a solver */
        tess_remat_sequence_release(&result.sequence);
        *is_proven_out = false;
        return INT64_MAX;
    }
    assert_int_equal(status, TESS_OK);
    assert_int_equal(tess_remat_check(problem, &result.sequence, &value, NULL), TESS_OK);
    assert_int_equal(value.peak_bytes, result.value.peak_bytes);
    assert_int_equal(value.cost, result.value.cost);
    assert_int_equal(result.fits, value.peak_bytes <= problem->budget_bytes);
    assert_true(result.lower_bound_bytes <= value.peak_bytes);
    assert_true(brute < 0 || result.lower_bound_cost <= brute);
    if (result.is_proven && result.fits)
        assert_int_equal(result.lower_bound_cost, value.cost);
    if (result.is_proven && !result.fits)
        assert_true(result.lower_bound_bytes > problem->budget_bytes);
    assert_true(result.won_by != NULL);
    int64_t cost = result.fits ? value.cost : INT64_MAX;
    *is_proven_out = result.is_proven;
    tess_remat_sequence_release(&result.sequence);
    return cost;
}

/* The default finds and proves what brute force finds, the others find nothing better. Brute force
 * may give up on so many in a hundred. */
static inline void try_remat(int max_tasks, int n_cases, uint64_t first_seed,
                             int most_skipped)
{
    int n_dear = 0, n_infeasible = 0, n_skipped = 0, n_bounded = 0;
    uint64_t seed = tess_random_seed(first_seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct random_remat random;
        struct tess_rng rng;
        bool is_proven;
        int64_t bound;
        tess_rng_init(&rng, seed + (uint64_t)i);
        random_remat_init(&random, max_tasks, &rng);
        int64_t brute = brute_remat_cost(&random.problem);
        int64_t cost =
            checked_cost(tess_remat_methods()[0], &random.problem, brute, 10, &is_proven);
        assert_int_equal(tess_remat_bound_cost(&random.problem, &bound, NULL), TESS_OK);
        if (brute >= 0 && bound > brute)
            fail_msg("seed %" PRIu64 ": best %" PRId64 ", bound %" PRId64,
                     seed + (uint64_t)i, brute, bound);
        n_bounded += bound > tess_remat_least_cost(&random.problem);
        n_skipped += brute < 0;
        n_infeasible += brute == INT64_MAX;
        n_dear += brute != INT64_MAX && brute > tess_remat_least_cost(&random.problem);
        if (brute >= 0 && (cost != brute || !is_proven))
            fail_msg("seed %" PRIu64 ": best %" PRId64 ", found %" PRId64 "%s",
                     seed + (uint64_t)i, brute, cost, is_proven ? "" : ", not proven");
        for (int k = 1; tess_remat_methods()[k] && i % 8 == 0; k++) {
            cost = checked_cost(tess_remat_methods()[k], &random.problem, brute, 0.02,
                                &is_proven);
            if (brute >= 0 && cost < brute)
                fail_msg("seed %" PRIu64 ": %s is below the best", seed + (uint64_t)i,
                         tess_remat_methods()[k]->name);
        }
        random_remat_release(&random);
    }
    printf("seed %" PRIu64
           ": %d graphs of up to %d tasks, %d need more runs, %d cannot fit, "
           "%d too large to try\n",
           seed, n_cases, max_tasks, n_dear, n_infeasible, n_skipped);
    assert_true(n_bounded > n_cases / 20);
    assert_true(n_dear > n_cases / 10 && n_infeasible > n_cases / 20);
    assert_true(n_skipped <= n_cases * most_skipped / 100);
}

#endif
