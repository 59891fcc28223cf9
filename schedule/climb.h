/* Cut search: lowers the peak of an order of tasks by moving whole states into its way. */
#ifndef TESS_SCHEDULE_CLIMB_H
#define TESS_SCHEDULE_CLIMB_H

#include "schedule/chains.h"

struct tess_climb {
    const struct tess_chains *singles; /* borrowed: the tasks, unfused */
    int64_t floor_bytes;               /* no order is below; ends when it is reached */
    double deadline_us;                /* base/clock.h */
    uint64_t seed;
};

/* Improves order_inout [n_tasks] in place; it stays valid and its peak never rises. Ends when
 * nothing is found any more. The same seed gives the same order, if time does not end it.
 * TESS_E_NOMEM. Cost: a maximum flow per trial; n_tasks^2 / 4 bytes. */
enum tess_status tess_climb_by_cuts(const struct tess_climb *climb, int *order_inout,
                                    struct tess_error *error);

#endif
