/* A schedule: an order of few bytes alive at once, and a place for each tensor.
 *
 * One call from a graph of tasks to an order and offsets that the independent checker
 * (schedule/check.h) has passed. How orders are found: schedule/ordering.h; what may be rewritten
 * first: schedule/rewrite_search.h; places: schedule/placement.h. Reads no files and prints
 * nothing.
 */
#ifndef TESS_SCHEDULE_SCHEDULE_H
#define TESS_SCHEDULE_SCHEDULE_H

#include "schedule/ordering.h"
#include "schedule/placement.h"
#include "schedule/rewrite_search.h"

struct tess_schedule_options {
    enum tess_memory_model model;
    int64_t alignment; /* >= 1; sizes are rounded up to it, offsets are multiples of it */
    const struct tess_order_method *method;
    struct tess_order_limits
        limits;             /* of the whole: a tenth of the time is for the places */
    bool rewrites;          /* dissolve concats where that lowers the peak */
    int accumulator_factor; /* then: see schedule/rewrite.h */
};

/* In place, alignment 1, the exact method with its own limits, nothing rewritten. */
void tess_schedule_options_init(struct tess_schedule_options *options);

struct tess_schedule {
    struct tess_task_graph
        *counted; /* what is scheduled, as model and alignment count it */
    struct tess_rewrite_found
        found;        /* how it was rewritten; zeroed without options.rewrites.
                                        Its graph and its order are those of the schedule */
    int *order;       /* [n_tasks] of what is scheduled */
    int64_t *offsets; /* [n_tensors] from the start of the arena; 0 for what takes none */
    struct tess_order_result result; /* its order is the one above */
    int64_t
        file_peak_bytes; /* of the tasks as they were given, in the order of the file */
    int64_t arena_bytes;
    const char *placed_by;     /* what found the places: "greedy", "climb", "exact" */
    double order_us, place_us; /* rewriting is part of the first */
};

/* Schedules `graph` (as it was created, not counted). TESS_E_MODEL if it is too large for the
 * model or the alignment, TESS_E_VERIFY if the checker objects, TESS_E_NOMEM, and what the method
 * says. The caller releases in every case. */
enum tess_status tess_schedule_init(struct tess_schedule *schedule,
                                    const struct tess_task_graph *graph,
                                    const struct tess_schedule_options *options,
                                    struct tess_error *error);
void tess_schedule_release(struct tess_schedule *schedule); /* accepts zeroed and NULL */

#endif
