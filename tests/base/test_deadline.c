#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/deadline.h"

static void end_all(int number)
{
    (void)number;
    tess_deadline_end_all();
}

static void deadlines_pass_with_time_and_when_a_signal_ends_all(void **state)
{
    (void)state;
    double in_an_hour_us = tess_clock_us() + 3600e6;
    assert_false(tess_deadline_is_past(in_an_hour_us));
    assert_true(tess_deadline_is_past(tess_clock_us() - 1));
    assert_false(tess_deadline_is_ended());
    signal(SIGUSR1, end_all);
    raise(SIGUSR1);
    assert_true(tess_deadline_is_past(in_an_hour_us));
    assert_true(tess_deadline_is_ended());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deadlines_pass_with_time_and_when_a_signal_ends_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
