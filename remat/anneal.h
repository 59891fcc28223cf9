/* Moves tasks of an order by simulated annealing, so that less is above a budget.
 *
 * What an order costs in extra runs is not how high its peak is but how much of it is above the
 * budget, and for how long. Takes no notice of outputs that overwrite inputs. For the least peak
 * ask schedule/ordering.h.
 */
#ifndef TESS_REMAT_ANNEAL_H
#define TESS_REMAT_ANNEAL_H

#include "schedule/task_graph.h"

struct tess_anneal {
    const struct tess_task_graph *graph; /* borrowed, counted by a model */
    int64_t budget_bytes;
    int64_t n_trials; /* moves that are considered */
    double warmth;    /* of the beginning: 1 is a mean change of a move */
    uint64_t seed;
    double deadline_us; /* base/clock.h */
    double excess;      /* out: sum over the positions of what is above the budget */
};

/* Improves order_inout [n_tasks] in place: the order of least excess that was met. The same seed
 * gives the same order, if time does not end it. TESS_E_NOMEM. Cost: per trial O(degree + distance
 * moved). */
enum tess_status tess_anneal_order(struct tess_anneal *anneal, int *order_inout,
                                   struct tess_error *error);

#endif
