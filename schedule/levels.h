/* Dynamic programming over states, level by level: all sets of one more task at a time.
 *
 * The engine of the serenity method. Works on a segment of a valid order: tasks at [begin, end)
 * such that every order of the graph runs those before it first and those behind it last.
 */
#ifndef TESS_SCHEDULE_LEVELS_H
#define TESS_SCHEDULE_LEVELS_H

#include "schedule/chains.h"

struct tess_levels {
    const struct tess_chains *singles; /* borrowed: the tasks */
    const int *order;                  /* [n_tasks] borrowed, valid */
    int begin, end;                    /* the segment */
    int64_t budget_bytes;              /* states on whose way more is alive are dropped */
    int64_t limit_states;              /* on one level */
    int64_t memory_bytes;
    double deadline_us; /* base/clock.h */
    int64_t n_states;   /* out: added to */
};

enum tess_levels_answer {
    TESS_LEVELS_SOLVED,   /* the segment's best order */
    TESS_LEVELS_NONE,     /* no order of the segment keeps within the budget */
    TESS_LEVELS_TOO_MANY, /* a level went over the limit of states */
    TESS_LEVELS_NO_ROOM   /* memory or time is up */
};

/* Finds the best order of the segment; fills segment_out [end - begin] and *peak_out if solved.
 * TESS_E_NOMEM. Cost: O(states * (ready tasks * tensors + n_tasks / 64)). */
enum tess_status tess_levels_solve(struct tess_levels *levels, int *segment_out,
                                   int64_t *peak_out, enum tess_levels_answer *answer_out,
                                   struct tess_error *error);

#endif
