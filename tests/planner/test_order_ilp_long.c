/* The method `ilp` on random small graphs against brute force: the long tier. */
#include "tests/planner/order_ilp_trials.h"

static void test_the_programme_finds_the_best_order(void **state)
{
    (void)state;
    try_ilp(11, 10000, 9930000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_programme_finds_the_best_order),
    };
    if (!tess_milp_is_available()) {
        printf("no solver in this build\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
