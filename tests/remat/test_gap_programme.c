/* The programme of gaps: its worked example, and random ones whose solutions must be what it says
 * they are. */
#include "remat/gap_programme.h"

#include <stdlib.h>

#include "solver/milp_priv.h"
#include "tests/remat/gap_trials.h"

static const struct tess_gap_detail coarse = {.depth = 1};
static const struct tess_gap_detail finest = {
    .depth = 3, .n_early = 3, .splits = true, .covers_all = true};

/* The worked example: x is read by b and d, y by c. */
static const struct hand_task example[] = {
    {4, 3, {0}}, {1, 5, {1}}, {1, 5, {2}}, {1, 5, {1}}};

static void test_worked_example(void **state)
{
    (void)state;
    struct hand hand;
    struct tess_gap_timeline timeline;
    struct tess_gap_programme programme;
    struct tess_remat_sequence sequence = {0};
    struct tess_milp_limits limits;
    struct tess_milp_result found;
    hand_init(&hand, example, 4, 5);
    assert_int_equal(
        tess_gap_timeline_init(&timeline, &hand.problem, hand.order, &coarse, NULL),
        TESS_OK);
    assert_int_equal(timeline.n_runs, 1);
    assert_int_equal(timeline.runs[0].task, 0);
    assert_int_equal(timeline.runs[0].moment, 3);
    assert_int_equal(tess_gap_timeline_run(&timeline, 0, 3), 0);
    assert_int_equal(tess_gap_timeline_run(&timeline, 0, 2), -1);
    assert_int_equal(timeline.lines[0].n_points, 2);
    assert_int_equal(tess_gap_programme_init(&programme, &timeline, false, NULL, NULL),
                     TESS_OK);
    assert_false(programme.is_infeasible);
    tess_milp_limits_init(&limits);
    if (tess_milp_is_available()) {
        static const int expected[] = {0, 1, 2, 0, 3};
        assert_int_equal(tess_milp_solve(programme.milp, &limits, &found, NULL), TESS_OK);
        assert_int_equal(found.answer, TESS_MILP_OPTIMAL);
        assert_int_equal(tess_gap_programme_read(&programme, &sequence, NULL), TESS_OK);
        assert_int_equal(sequence.n, 5);
        assert_memory_equal(sequence.tasks, expected, sizeof expected);
    }
    tess_remat_sequence_release(&sequence);
    tess_gap_programme_release(&programme);
    tess_gap_timeline_release(&timeline);
    hand_release(&hand);
}

/* Solves one programme. Its solution is a sequence within the budget that costs what the
 * programme says, and is a solution if it is filled in again. */
static bool try_programme(const struct tess_remat_problem *problem,
                          const struct tess_gap_detail *detail, int64_t *cost_out)
{
    struct tess_gap_timeline timeline;
    struct tess_gap_programme programme;
    struct tess_remat_sequence sequence = {0};
    struct tess_remat_value value;
    struct tess_milp_limits limits;
    struct tess_milp_result found = {0};
    assert_int_equal(
        tess_gap_timeline_init(&timeline, problem, problem->order, detail, NULL),
        TESS_OK);
    assert_int_equal(tess_gap_programme_init(&programme, &timeline, false, NULL, NULL),
                     TESS_OK);
    tess_milp_limits_init(&limits);
    if (!programme.is_infeasible)
        assert_int_equal(tess_milp_solve(programme.milp, &limits, &found, NULL), TESS_OK);
    if (found.has_solution) {
        double *again =
            calloc((size_t)tess_milp_n_columns(programme.milp) + 1, sizeof *again);
        double cost = -1;
        assert_non_null(again);
        assert_int_equal(found.answer, TESS_MILP_OPTIMAL);
        assert_int_equal(tess_gap_programme_read(&programme, &sequence, NULL), TESS_OK);
        assert_int_equal(tess_remat_check(problem, &sequence, &value, NULL), TESS_OK);
        assert_true(value.peak_bytes <= problem->budget_bytes);
        *cost_out = tess_remat_least_cost(problem) +
                    (int64_t)(found.cost * programme.units.cost + 0.5);
        assert_int_equal(value.cost, *cost_out);
        assert_true(tess_gap_programme_fill(&programme, &sequence, again));
        assert_true(tess_milp_is_solution(programme.milp, again, &cost));
        assert_true(cost < found.cost + 0.5);
        free(again);
    }
    tess_remat_sequence_release(&sequence);
    tess_gap_programme_release(&programme);
    tess_gap_timeline_release(&timeline);
    return found.has_solution;
}

static void test_solutions_are_what_they_say(void **state)
{
    (void)state;
    int n_cases = 200, n_solved = 0, n_finer = 0, n_best = 0, n_possible = 0;
    uint64_t seed = tess_random_seed(300, &n_cases);
    for (int i = 0; i < n_cases && tess_milp_is_available(); i++) {
        struct random_remat random;
        struct tess_rng rng;
        int64_t first = INT64_MAX, second = INT64_MAX;
        tess_rng_init(&rng, seed + (uint64_t)i);
        random_remat_init(&random, 7, &rng);
        random.problem.keeps_order = true;
        int64_t brute = brute_remat_cost(&random.problem);
        bool is_solved = try_programme(&random.problem, &coarse, &first);
        bool is_finer = try_programme(&random.problem, &finest, &second);
        if (second > first || (brute >= 0 && second < brute))
            fail_msg("seed %" PRIu64 ": coarse %" PRId64 ", fine %" PRId64
                     ", best %" PRId64,
                     seed + (uint64_t)i, first, second, brute);
        n_solved += is_solved;
        n_finer += is_finer && second < first;
        n_possible += brute >= 0 && brute != INT64_MAX;
        n_best += brute >= 0 && brute != INT64_MAX && second == brute;
        random_remat_release(&random);
    }
    printf("seed %" PRIu64 ": %d programmes, %d solved, %d better in detail; best in %d "
           "of %d\n",
           seed, n_cases, n_solved, n_finer, n_best, n_possible);
    if (tess_milp_is_available())
        assert_true(n_solved > n_cases / 4 && n_finer > 0 &&
                    n_best > n_possible * 8 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_example),
        cmocka_unit_test(test_solutions_are_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
