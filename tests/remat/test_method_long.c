/* Every method of rematerialization against brute force, many graphs. */
#include "tests/remat/remat_trials.h"

static void test_default_is_the_best_there_is(void **state)
{
    (void)state;
    try_remat(8, 2000, 5000, 5);
}

static void test_larger_graphs(void **state)
{
    (void)state;
    try_remat(12, 200, 90000, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_the_best_there_is),
        cmocka_unit_test(test_larger_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
