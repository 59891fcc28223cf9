/* Orders of random small graphs against brute force: the long tier. */
#include "tests/schedule/order_trials.h"

static void test_exact_and_serenity_find_the_best_order(void **state)
{
    (void)state;
    try_methods(12, 10000, 9710000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_and_serenity_find_the_best_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
