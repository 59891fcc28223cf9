/* Laying a plan out and verifying it while memory runs out, at each allocation once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plan/layout.h"
#include "plan/verify.h"
#include "tests/support/random_net.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

enum { N_CASES = 12 };

/* A case of some size: every third layout is of the first group alone. */
static void init_case(struct tess_random_case *made, int number)
{
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    tess_random_case_init(made, &nets, &plans, 9800000 + (uint64_t)number);
}

static enum tess_status create_layout(const struct tess_random_case *made, bool is_whole,
                                      struct tess_layout **layout_out,
                                      struct tess_error *error)
{
    return is_whole
               ? tess_layout_create(made->graph, made->plan, layout_out, error)
               : tess_layout_create_group(made->graph, made->plan, 0, layout_out, error);
}

static void test_laying_out_survives_every_refusal(void **state)
{
    (void)state;
    long n_refusals = 0;
    for (int number = 0; number < N_CASES; number++) {
        struct tess_random_case made;
        init_case(&made, number);
        enum tess_status status = TESS_E_NOMEM;
        for (long n = 0; status != TESS_OK; n++) {
            struct tess_layout *layout = NULL;
            struct tess_error error;
            tess_error_init(&error);
            long n_before = n_live;
            n_until_failure = n;
            status = create_layout(&made, number % 3 != 0, &layout, &error);
            n_until_failure = -1;
            assert_true(status == TESS_OK || status == TESS_E_NOMEM);
            assert_int_equal(error.status, status);
            assert_int_equal(layout != NULL, status == TESS_OK);
            tess_layout_destroy(layout);
            assert_int_equal(n_live, n_before);
            n_refusals += status != TESS_OK;
        }
        tess_random_case_release(&made);
    }
    assert_true(n_refusals > 20 * N_CASES);
}

static void test_verifying_survives_every_refusal(void **state)
{
    (void)state;
    long n_refusals = 0;
    for (int number = 0; number < N_CASES; number++) {
        struct tess_random_case made;
        init_case(&made, number);
        enum tess_status status = TESS_E_NOMEM;
        for (long n = 0; status != TESS_OK; n++) {
            struct tess_verdict verdict = {.n_steps = -1};
            struct tess_error error;
            tess_error_init(&error);
            long n_before = n_live;
            n_until_failure = n;
            status = tess_verify(made.layout, &verdict, &error);
            n_until_failure = -1;
            assert_true(status == TESS_OK || status == TESS_E_NOMEM);
            assert_int_equal(error.status, status);
            assert_int_equal(verdict.n_steps != -1, status == TESS_OK);
            assert_int_equal(n_live, n_before);
            n_refusals += status != TESS_OK;
        }
        tess_random_case_release(&made);
    }
    assert_true(n_refusals > 4 * N_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laying_out_survives_every_refusal),
        cmocka_unit_test(test_verifying_survives_every_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
