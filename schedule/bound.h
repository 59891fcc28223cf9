/* A peak below which no order goes, by minimum cuts. */
#ifndef TESS_SCHEDULE_BOUND_H
#define TESS_SCHEDULE_BOUND_H

#include "schedule/chains.h"

/* Raises *bound_inout to the largest, over tasks, of the least that can be alive while the task
 * runs, or to `enough` once that is reached. Stops when `deadline_us` (base/clock.h) has passed:
 * what was found is valid. `singles` are the tasks, unfused. TESS_E_NOMEM.
 * Cost: one or two maximum flows per task, on the tasks that are neither before nor after it. */
enum tess_status tess_bound_by_cuts(const struct tess_chains *singles, int64_t enough,
                                    double deadline_us, int64_t *bound_inout,
                                    struct tess_error *error);

#endif
