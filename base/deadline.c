#include "base/deadline.h"

#include <signal.h>

#include "base/clock.h"

static volatile sig_atomic_t is_ended;

bool tess_deadline_is_past(double deadline_us)
{
    return is_ended || tess_clock_us() > deadline_us;
}

void tess_deadline_end_all(void)
{
    is_ended = 1;
}

bool tess_deadline_is_ended(void)
{
    return is_ended != 0;
}
