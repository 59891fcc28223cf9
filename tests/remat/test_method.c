/* Every method of rematerialization against brute force. */
#include "tests/remat/remat_trials.h"

static void test_default_is_the_best_there_is(void **state)
{
    (void)state;
    try_remat(7, 300, 1, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_is_the_best_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
