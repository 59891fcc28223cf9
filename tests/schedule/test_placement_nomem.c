/* Placing blocks where memory is scarce: each allocation fails once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "schedule/placement.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

/* Seven blocks that need greedy orders, climb and exact search: no arena of the bound is there. */
static enum tess_status place(int n_allocations)
{
    struct tess_block blocks[] = {{2, 4, 4, -1}, {3, 5, 3, -1}, {0, 1, 8, -1},
                                  {4, 6, 2, -1}, {7, 7, 7, -1}, {1, 3, 5, -1},
                                  {5, 7, 6, -1}};
    struct tess_placement placement;
    tess_placement_init(&placement);
    placement.alignment = 1;
    placement.limit_climb_work = 1000;
    placement.limit_exact_work = 2000; /* too little to refute it at once */
    n_until_failure = n_allocations;
    enum tess_status status =
        tess_placement_find(&placement, blocks, sizeof blocks / sizeof *blocks, NULL);
    n_until_failure = -1;
    assert_true(status != TESS_OK || placement.arena_bytes >= 14);
    return status;
}

static void test_each_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    int n_failures = 0;
    for (enum tess_status status = TESS_E_NOMEM; status != TESS_OK; n_failures++) {
        long before = n_live;
        status = place(n_failures);
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        assert_int_equal(n_live, before);
        assert_true(n_failures < 1000);
    }
    assert_true(n_failures > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failing_allocation_is_reported_and_leaks_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
