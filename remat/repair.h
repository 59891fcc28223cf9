/* Brings a timeline within the budget, change by change, each time the one that takes away the
 * most excess for its cost. See repair.c for what changes there are.
 */
#ifndef TESS_REMAT_REPAIR_H
#define TESS_REMAT_REPAIR_H

#include "base/rng.h"
#include "remat/timeline.h"

struct tess_repair {
    struct tess_timeline *timeline; /* borrowed */
    struct tess_rng rng;
    double unit_cost;   /* what a change that costs nothing is reckoned to cost */
    double noise;       /* 0: always the best change; else by chance a worse one */
    double deadline_us; /* base/clock.h */
    int64_t limit_cost; /* give up once the sequence costs as much */
};

/* Changes the timeline until nothing is above the budget; or until no change helps, the sequence
 * costs too much, or time is up. TESS_E_NOMEM. */
enum tess_status tess_repair_run(struct tess_repair *repair, struct tess_error *error);

/* Leaves out runs, dear ones first, as long as the excess does not grow. TESS_E_NOMEM. */
enum tess_status tess_repair_prune(struct tess_repair *repair, struct tess_error *error);

/* Moves a run somewhere by chance, to or from a place at most `reach` positions from `centre`.
 * TESS_E_NOMEM. */
enum tess_status tess_repair_shake(struct tess_repair *repair, int centre, int reach,
                                   struct tess_error *error);

#endif
