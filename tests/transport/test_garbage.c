#include "transport/garbage.h"

#include "tests/transport/transport_testing.h"

enum { SECOND = 1000000 };

static void test_first_is_told_at_once_and_the_rest_each_second(void **state)
{
    (void)state;
    struct tess_garbage garbage = {0};
    assert_true(tess_garbage_due_us(&garbage) == INT64_MAX);
    assert_true(tess_garbage_comes(&garbage, 5));
    for (int i = 0; i < 1000; i++)
        assert_false(tess_garbage_comes(&garbage, 6 + i));
    assert_int_equal(tess_garbage_due_us(&garbage), 5 + SECOND);
    assert_int_equal(tess_garbage_take(&garbage, 4 + SECOND), 0);
    assert_int_equal(tess_garbage_take(&garbage, 5 + SECOND), 1000);
    assert_int_equal(tess_garbage_take(&garbage, 6 + SECOND), 0);
    assert_false(tess_garbage_comes(&garbage, 7 + SECOND));
    assert_int_equal(tess_garbage_take(&garbage, 5 + 2 * SECOND), 1);
    assert_true(tess_garbage_due_us(&garbage) == INT64_MAX);
}

static void test_rare_ones_are_all_told(void **state)
{
    (void)state;
    struct tess_garbage garbage = {0};
    for (int i = 1; i < 100; i++) {
        assert_true(tess_garbage_comes(&garbage, (int64_t)i * SECOND));
        assert_int_equal(tess_garbage_take(&garbage, (int64_t)i * SECOND + 10), 0);
    }
}

/* Nobody took in time: what comes then waits for its turn. */
static void test_order_is_kept(void **state)
{
    (void)state;
    struct tess_garbage garbage = {0};
    assert_true(tess_garbage_comes(&garbage, 1));
    assert_false(tess_garbage_comes(&garbage, 2));
    assert_false(tess_garbage_comes(&garbage, 9 * SECOND));
    assert_int_equal(tess_garbage_take(&garbage, 9 * SECOND), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_is_told_at_once_and_the_rest_each_second),
        cmocka_unit_test(test_rare_ones_are_all_told),
        cmocka_unit_test(test_order_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
