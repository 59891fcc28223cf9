/* The wall around the solver: answers, limits, and that nothing gets out. */
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rng.h"
#include "solver/milp.h"
#include "tests/support/random_net.h"

static struct tess_milp *new_milp(void)
{
    struct tess_milp *milp = NULL;
    assert_int_equal(tess_milp_create(&milp, NULL), TESS_OK);
    return milp;
}

static struct tess_milp_result solve(struct tess_milp *milp,
                                     const struct tess_milp_limits *limits)
{
    struct tess_milp_result result;
    assert_int_equal(tess_milp_solve(milp, limits, &result, NULL), TESS_OK);
    return result;
}

/* A knapsack: largest value of things within a weight, as a minimum. */
static struct tess_milp *knapsack(int n, int64_t seed)
{
    struct tess_milp *milp = new_milp();
    struct tess_rng rng;
    int total = 0;
    tess_rng_init(&rng, (uint64_t)seed);
    for (int j = 0; j < n; j++)
        tess_milp_add_column(milp, 0, 1, true, -tess_rng_int(&rng, 20, 60));
    tess_milp_begin_row(milp, -INFINITY, 1000);
    for (int j = 0; j < n; j++) {
        int weight = tess_rng_int(&rng, 20, 60);
        tess_milp_add_term(milp, j, weight);
        total += weight;
    }
    assert_true(total > 0);
    return milp;
}

static void test_a_small_programme_has_its_optimum(void **state)
{
    (void)state;
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    for (int presolve = 0; presolve < 2; presolve++) {
        struct tess_milp *milp = new_milp();
        int x = tess_milp_add_column(milp, 0, 10, true, -3);
        int y = tess_milp_add_column(milp, 0, INFINITY, false, -2);
        tess_milp_begin_row(milp, -INFINITY, 7.5);
        tess_milp_add_term(milp, x, 1);
        tess_milp_add_term(milp, y, 1);
        tess_milp_add_term(milp, x, 1); /* twice: 2 x + y <= 7.5 */
        tess_milp_begin_row(milp, -INFINITY, 5);
        tess_milp_add_term(milp, y, 1);
        limits.without_presolve = !presolve;
        struct tess_milp_result result = solve(milp, &limits);
        assert_int_equal(result.answer, TESS_MILP_OPTIMAL);
        assert_true(result.has_solution);
        assert_float_equal(result.cost, -13, 1e-9);
        assert_float_equal(result.bound, -13, 1e-9);
        assert_float_equal(tess_milp_value(milp, x), 1, 0);
        assert_float_equal(tess_milp_value(milp, y), 5, 1e-9);
        tess_milp_destroy(milp);
    }
}

static void test_crossed_bounds_and_rows_are_infeasible(void **state)
{
    (void)state;
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    for (int which = 0; which < 3; which++) {
        struct tess_milp *milp = new_milp();
        int x = tess_milp_add_column(milp, which == 0 ? 2 : 0, 1, false, 1);
        tess_milp_begin_row(milp, which == 1 ? 3 : 0, 2);
        tess_milp_add_term(milp, x, 1);
        tess_milp_begin_row(milp, which == 2 ? 5 : 0, 6);
        tess_milp_add_term(milp, x, 1);
        struct tess_milp_result result = solve(milp, &limits);
        assert_int_equal(result.answer, TESS_MILP_INFEASIBLE);
        assert_false(result.has_solution);
        assert_true(isinf(result.bound) && result.bound > 0);
        tess_milp_destroy(milp);
    }
}

static void test_no_columns_no_rows_and_no_end(void **state)
{
    (void)state;
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    for (int presolve = 0; presolve < 2; presolve++) {
        limits.without_presolve = !presolve;
        struct tess_milp *empty = new_milp(), *endless = new_milp();
        solve(empty, &limits); /* whatever it answers */
        tess_milp_add_column(endless, -INFINITY, INFINITY, false, 1);
        tess_milp_begin_row(endless, -INFINITY, 1);
        tess_milp_add_term(endless, 0, 1);
        struct tess_milp_result result = solve(endless, &limits);
        assert_int_equal(result.answer, TESS_MILP_UNBOUNDED);
        tess_milp_destroy(empty);
        tess_milp_destroy(endless);
    }
}

static void test_the_incumbent_comes_back_if_nothing_is_better(void **state)
{
    (void)state;
    struct tess_milp *milp = knapsack(30, 7);
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    struct tess_milp_result result = solve(milp, &limits);
    assert_int_equal(result.answer, TESS_MILP_OPTIMAL);
    double best[30], cost = result.cost;
    for (int j = 0; j < 30; j++)
        best[j] = tess_milp_value(milp, j);
    limits.incumbent = best;
    limits.without_presolve = true;
    limits.without_cuts = true;
    result = solve(milp, &limits);
    assert_int_equal(result.answer, TESS_MILP_OPTIMAL);
    assert_float_equal(result.cost, cost, 1e-9);
    limits.seconds = 0; /* no time to find anything */
    result = solve(milp, &limits);
    assert_true(result.has_solution);
    assert_float_equal(result.cost, cost, 1e-9);
    assert_true(result.bound <= cost);
    /* One that breaks the row is not taken. */
    for (int j = 0; j < 30; j++)
        best[j] = 1;
    result = solve(milp, &limits);
    assert_false(result.has_solution);
    tess_milp_destroy(milp);
}

static void test_a_cutoff_below_the_optimum_is_infeasible(void **state)
{
    (void)state;
    struct tess_milp *milp = knapsack(25, 3);
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    double cost = solve(milp, &limits).cost;
    for (int presolve = 0; presolve < 2; presolve++) {
        limits.without_presolve = !presolve;
        limits.cutoff = cost - 1;
        assert_int_equal(solve(milp, &limits).answer, TESS_MILP_INFEASIBLE);
        limits.cutoff = cost;
        struct tess_milp_result result = solve(milp, &limits);
        assert_int_equal(result.answer, TESS_MILP_OPTIMAL);
        assert_float_equal(result.cost, cost, 1e-9);
    }
    tess_milp_destroy(milp);
}

/* Equal parts of odd sums: a tree without end. */
static struct tess_milp *endless_search(int n)
{
    struct tess_milp *milp = new_milp();
    for (int j = 0; j < n; j++)
        tess_milp_add_column(milp, 0, 1, true, j % 7);
    tess_milp_begin_row(milp, n / 2 * 2 + 1, n / 2 * 2 + 1);
    for (int j = 0; j < n; j++)
        tess_milp_add_term(milp, j, 2);
    for (int i = 0; i < n; i++) {
        tess_milp_begin_row(milp, -INFINITY, 3);
        for (int j = 0; j < 5; j++)
            tess_milp_add_term(milp, (i * 7 + j * j * 3) % n, 1);
    }
    return milp;
}

static void test_the_time_limit_is_kept_and_the_bound_holds(void **state)
{
    (void)state;
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    limits.seconds = 0.3;
    for (int presolve = 0; presolve < 2; presolve++) {
        struct tess_milp *milp = endless_search(61);
        double start_us = tess_clock_us();
        limits.without_presolve = !presolve;
        limits.without_cuts = true;
        struct tess_milp_result result = solve(milp, &limits);
        double seconds = (tess_clock_us() - start_us) * 1e-6;
        assert_true(seconds < 10);
        assert_true(result.answer == TESS_MILP_LIMIT ||
                    result.answer == TESS_MILP_INFEASIBLE);
        assert_false(result.has_solution);
        tess_milp_destroy(milp);
    }
}

static void test_a_memory_limit_is_an_answer(void **state)
{
    (void)state;
    struct tess_milp *milp = knapsack(20000, 5);
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    limits.memory_bytes = 1 << 20;
    struct tess_milp_result result = solve(milp, &limits);
    assert_int_equal(result.answer, TESS_MILP_LIMIT);
    tess_milp_destroy(milp);
    milp = knapsack(20, 5); /* and the solver works as before */
    assert_int_equal(solve(milp, &limits).answer, TESS_MILP_OPTIMAL);
    tess_milp_destroy(milp);
}

/* Numbers that make GLPK give up must not end the program, nor reach the terminal. */
static void test_nothing_gets_out(void **state)
{
    (void)state;
    int ends[2], kept = dup(STDOUT_FILENO);
    char byte;
    struct tess_milp_limits limits;
    tess_milp_limits_init(&limits);
    limits.memory_bytes = 1 << 20;
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    assert_true(dup2(ends[1], STDOUT_FILENO) >= 0);
    for (int which = 0; which < 3; which++) {
        struct tess_milp *milp = which ? knapsack(10, which) : knapsack(20000, 1);
        if (which == 2) {
            tess_milp_begin_row(milp, 1e300, INFINITY);
            tess_milp_add_term(milp, 0, 1e-300);
        }
        solve(milp, &limits);
        tess_milp_destroy(milp);
    }
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}

/* ---- random programmes against trying everything ---- */

enum { MAX_COLUMNS = 5, MAX_ROWS = 5, HIGHEST = 3 };

struct small {
    int n_columns, n_rows;
    int cost[MAX_COLUMNS], high[MAX_COLUMNS];
    int weight[MAX_ROWS][MAX_COLUMNS], low[MAX_ROWS], limit[MAX_ROWS];
};

static void draw(struct small *small, struct tess_rng *rng)
{
    small->n_columns = tess_rng_int(rng, 1, MAX_COLUMNS);
    small->n_rows = tess_rng_int(rng, 0, MAX_ROWS);
    for (int j = 0; j < small->n_columns; j++) {
        small->cost[j] = tess_rng_int(rng, -5, 5);
        small->high[j] = tess_rng_int(rng, 0, HIGHEST);
    }
    for (int i = 0; i < small->n_rows; i++) {
        for (int j = 0; j < small->n_columns; j++)
            small->weight[i][j] = tess_rng_int(rng, 0, 2) ? tess_rng_int(rng, -6, 6) : 0;
        small->low[i] = tess_rng_int(rng, -12, 4);
        small->limit[i] = small->low[i] + tess_rng_int(rng, 0, 9);
    }
}

/* The least cost of all points of the grid; INT_MAX: none is feasible. */
static int brute_cost(const struct small *small)
{
    int best = INT_MAX, x[MAX_COLUMNS] = {0};
    for (;;) {
        int cost = 0, j = 0;
        bool is_good = true;
        for (int i = 0; i < small->n_rows && is_good; i++) {
            int sum = 0;
            for (int k = 0; k < small->n_columns; k++)
                sum += small->weight[i][k] * x[k];
            is_good = sum >= small->low[i] && sum <= small->limit[i];
        }
        for (int k = 0; k < small->n_columns; k++)
            cost += small->cost[k] * x[k];
        if (is_good && cost < best)
            best = cost;
        while (j < small->n_columns && x[j] == small->high[j])
            x[j++] = 0;
        if (j == small->n_columns)
            return best;
        x[j]++;
    }
}

static struct tess_milp *build(const struct small *small)
{
    struct tess_milp *milp = new_milp();
    for (int j = 0; j < small->n_columns; j++)
        tess_milp_add_column(milp, 0, small->high[j], true, small->cost[j]);
    for (int i = 0; i < small->n_rows; i++) {
        tess_milp_begin_row(milp, small->low[i], small->limit[i]);
        for (int j = 0; j < small->n_columns; j++)
            if (small->weight[i][j])
                tess_milp_add_term(milp, j, small->weight[i][j]);
    }
    return milp;
}

static void test_random_programmes_against_all_points(void **state)
{
    (void)state;
    int n_cases = 3000;
    uint64_t seed = tess_random_seed(9900000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct small small;
        struct tess_milp_limits limits;
        tess_rng_init(&rng, seed + (uint64_t)i);
        draw(&small, &rng);
        int best = brute_cost(&small);
        struct tess_milp *milp = build(&small);
        tess_milp_limits_init(&limits);
        limits.without_presolve = tess_rng_int(&rng, 0, 1);
        limits.without_cuts = tess_rng_int(&rng, 0, 1);
        if (best < INT_MAX && tess_rng_int(&rng, 0, 2) == 0)
            limits.cutoff = best;
        struct tess_milp_result result = solve(milp, &limits);
        bool is_right = best == INT_MAX
                            ? result.answer == TESS_MILP_INFEASIBLE
                            : result.answer == TESS_MILP_OPTIMAL && result.cost == best;
        if (!is_right)
            fail_msg("seed %" PRIu64 ": best %d, answer %d, cost %g, %s",
                     seed + (uint64_t)i, best, (int)result.answer, result.cost,
                     result.message);
        tess_milp_destroy(milp);
    }
}

/* Wild numbers: any answer, but an answer, and a solution only if it is one. */
static void test_wild_programmes_do_no_harm(void **state)
{
    (void)state;
    int n_cases = 1500, n_by_answer[TESS_MILP_FAULT + 1] = {0};
    uint64_t seed = tess_random_seed(9910000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_milp_limits limits;
        struct tess_milp *milp = new_milp();
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_columns = tess_rng_int(&rng, 0, 12), n_rows = tess_rng_int(&rng, 0, 12);
        for (int j = 0; j < n_columns; j++)
            tess_milp_add_column(
                milp,
                tess_rng_int(&rng, 0, 3) ? -1.0 * tess_rng_int(&rng, 0, 9) : -INFINITY,
                tess_rng_int(&rng, 0, 3) ? 1.0 * tess_rng_int(&rng, -1, 9) : INFINITY,
                tess_rng_int(&rng, 0, 1),
                ldexp(tess_rng_int(&rng, -9, 9), tess_rng_int(&rng, -60, 60)));
        for (int k = 0; k < n_rows; k++) {
            double low = ldexp(tess_rng_int(&rng, -9, 9), tess_rng_int(&rng, -40, 40));
            tess_milp_begin_row(milp, low, low + tess_rng_int(&rng, -1, 20));
            for (int j = 0; j < n_columns; j++)
                tess_milp_add_term(
                    milp, tess_rng_int(&rng, 0, n_columns - 1),
                    ldexp(tess_rng_int(&rng, -9, 9), tess_rng_int(&rng, -60, 60)));
        }
        tess_milp_limits_init(&limits);
        limits.seconds = 0.02;
        limits.without_presolve = tess_rng_int(&rng, 0, 1);
        struct tess_milp_result result = solve(milp, &limits);
        assert_in_range(result.answer, 0, TESS_MILP_FAULT);
        assert_true(result.answer != TESS_MILP_OPTIMAL || result.has_solution);
        assert_true(!result.has_solution || result.bound <= result.cost);
        n_by_answer[result.answer]++;
        tess_milp_destroy(milp);
    }
    printf("optimal %d, infeasible %d, unbounded %d, limit %d, fault %d\n",
           n_by_answer[0], n_by_answer[1], n_by_answer[2], n_by_answer[3],
           n_by_answer[4]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_small_programme_has_its_optimum),
        cmocka_unit_test(test_crossed_bounds_and_rows_are_infeasible),
        cmocka_unit_test(test_no_columns_no_rows_and_no_end),
        cmocka_unit_test(test_the_incumbent_comes_back_if_nothing_is_better),
        cmocka_unit_test(test_a_cutoff_below_the_optimum_is_infeasible),
        cmocka_unit_test(test_the_time_limit_is_kept_and_the_bound_holds),
        cmocka_unit_test(test_a_memory_limit_is_an_answer),
        cmocka_unit_test(test_nothing_gets_out),
        cmocka_unit_test(test_random_programmes_against_all_points),
        cmocka_unit_test(test_wild_programmes_do_no_harm),
    };
    if (!tess_milp_is_available()) {
        printf("no solver in this build\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
