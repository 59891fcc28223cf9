/* When to stop looking for something better: at a time, or when the user says so.
 *
 * Whoever searches asks now and then whether the deadline is past, and if it is, ends with what it
 * has. Stops nothing by itself; for the time, ask base/clock.h.
 */
#ifndef TESS_BASE_DEADLINE_H
#define TESS_BASE_DEADLINE_H

#include <stdbool.h>

/* Is it later than this (of tess_clock_us), or did somebody end all searches? */
bool tess_deadline_is_past(double deadline_us);

/* From now on every deadline of this process is past. A signal handler may call it. */
void tess_deadline_end_all(void);

/* Did somebody? */
bool tess_deadline_is_ended(void);

#endif
