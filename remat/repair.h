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
    double average_cost; /* of a run */
    double unit_cost;    /* what a change that costs nothing is reckoned to cost */
    double noise;        /* 0: always the best change; else by chance a worse one */
    double deadline_us;  /* base/clock.h */
    int64_t limit_cost;  /* give up once the sequence costs as much */
};

/* What a timeline held: where the next round begins. Zeroed memory is empty. */
struct tess_repair_base {
    struct tess_remat_sequence sequence; /* the owner releases it */
    double excess;
    int64_t cost;
};

/* To work on this timeline (borrowed) for so many seconds from now; without noise, and at any
 * cost. */
void tess_repair_init(struct tess_repair *repair, struct tess_timeline *timeline,
                      double seconds, uint64_t seed);

/* Makes what the timeline holds the base. TESS_E_NOMEM. */
enum tess_status tess_repair_keep(const struct tess_repair *repair,
                                  struct tess_repair_base *base,
                                  struct tess_error *error);

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
