/* The method "gap": what chains and early recomputation bring, and random graphs against brute
 * force. Its programme by itself: test_gap_programme.c. */
#include "remat/remat_gap.h"

#include "tests/remat/gap_trials.h"

static int64_t hand_cost(const struct hand_task *tasks, int n, int64_t budget_bytes)
{
    struct hand hand;
    bool is_proven;
    hand_init(&hand, tasks, n, budget_bytes);
    int64_t cost = checked_cost(&tess_remat_gap, &hand.problem, -1, 5, &is_proven);
    assert_int_equal(cost, brute_remat_cost(&hand.problem));
    hand_release(&hand);
    return cost;
}

static void test_what_fits_runs_once(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct hand_task tasks[] = {{4, 3, {0}}, {1, 5, {1}}, {1, 5, {1, 2}}};
    assert_int_equal(hand_cost(tasks, 3, 6), 13);
}

/* a -> b -> d, while c needs nearly everything: b's output cannot be held, nor a's for it. */
static void test_a_chain_is_computed_anew(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct hand_task tasks[] = {{4, 3, {0}}, {4, 2, {1}}, {1, 1, {2}},
                                             {7, 1, {3}}, {1, 1, {4}}, {1, 1, {2, 5}}};
    /* a b c big e, then a and b again for the last. */
    assert_int_equal(hand_cost(tasks, 6, 9), 9 + 5);
}

/* z, which a reads, dies early, but a's output is wanted late: it is computed anew before z's last
 * use, beyond the peak, not at its own. Computing z anew would cost 100. */
static void test_early_inside_a_gap(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct hand_task tasks[] = {
        {2, 100, {0}},  /* z */
        {4, 3, {1}},    /* a */
        {1, 1, {2}},    /* reads a */
        {6, 1, {3}},    /* the peak: 2 + 1 + 6 */
        {1, 1, {1, 4}}, /* z's last use */
        {4, 1, {5}},    /* with z and a: 2 + 1 + 4 + 4 */
        {1, 1, {2, 6}}, /* reads a */
    };
    assert_int_equal(hand_cost(tasks, 7, 10), 108 + 3);
}

static void test_never_better_than_the_best(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct method_trials trials = {
        .method = &tess_remat_gap, .first_seed = 4711, .n_cases = 150, .least_best = 60};
    try_method(&trials);
}

/* It begins with what it is given, and only improves it. */
static void test_a_start_is_kept_or_improved(void **state)
{
    (void)state;
    skip_without_solver();
    static const struct hand_task tasks[] = {{4, 3, {0}}, {4, 2, {1}}, {1, 1, {2}},
                                             {7, 1, {3}}, {1, 1, {4}}, {1, 1, {2, 5}}};
    int dear[] = {0, 1, 0, 2, 3, 4, 0, 1, 5};
    struct hand hand;
    struct tess_remat_limits limits;
    struct tess_remat_result result = {0};
    struct tess_remat_sequence sequence = {9, 9, dear};
    hand_init(&hand, tasks, 6, 9);
    tess_remat_limits_init(&limits);
    assert_int_equal(tess_remat_result_init(&result, &hand.problem, "test", NULL),
                     TESS_OK);
    assert_int_equal(
        tess_remat_result_offer(&result, &hand.problem, &sequence, "test", NULL),
        TESS_OK);
    assert_true(result.fits);
    assert_int_equal(result.value.cost, 9 + 5 + 3);
    assert_int_equal(tess_remat_gap_improve(&hand.problem, &limits, &result, NULL),
                     TESS_OK);
    assert_int_equal(result.value.cost, 9 + 5);
    assert_string_equal(result.won_by, "gap");
    tess_remat_sequence_release(&result.sequence);
    hand_release(&hand);
}

static void test_without_solver_it_says_so(void **state)
{
    (void)state;
    if (tess_milp_is_available())
        skip();
    static const struct hand_task tasks[] = {{4, 3, {0}}, {1, 5, {1}}};
    struct hand hand;
    struct tess_remat_limits limits;
    struct tess_remat_result result = {0};
    hand_init(&hand, tasks, 2, 4);
    tess_remat_limits_init(&limits);
    assert_int_equal(tess_remat_gap.run(&hand.problem, &limits, &result, NULL),
                     TESS_E_USAGE);
    tess_remat_sequence_release(&result.sequence);
    hand_release(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_runs_once),
        cmocka_unit_test(test_a_chain_is_computed_anew),
        cmocka_unit_test(test_early_inside_a_gap),
        cmocka_unit_test(test_never_better_than_the_best),
        cmocka_unit_test(test_a_start_is_kept_or_improved),
        cmocka_unit_test(test_without_solver_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
