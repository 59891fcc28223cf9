/* Monotonic time for measurements. Never wall-clock time.
 */
#ifndef TESS_BASE_CLOCK_H
#define TESS_BASE_CLOCK_H

#include <time.h>

/* Microseconds since an arbitrary start. */
static inline double tess_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

#endif
