/* A graph of tasks within a budget: a sequence in which tasks may run more than once, and a place
 * for each copy of a tensor.
 *
 * One call from a graph to a sequence that the independent checkers (remat/sequence_check.h,
 * schedule/check.h) have passed. Where the best order fits the budget, nothing runs twice. How
 * sequences are found: remat/method.h. Reads no files and prints nothing.
 */
#ifndef TESS_REMAT_REMAT_H
#define TESS_REMAT_REMAT_H

#include "remat/expansion.h"
#include "remat/method.h"
#include "schedule/ordering.h"

struct tess_remat_options {
    enum tess_memory_model model;
    int64_t alignment;     /* >= 1; sizes are rounded up to it, offsets multiples of it */
    int64_t budget_bytes;  /* used if budget_percent is 0 */
    double budget_percent; /* of the peak of the file's order, rounded up; or 0 */
    bool keeps_order;      /* of the file */
    int most_runs;         /* of one task */
    const struct tess_remat_method *method;
    const struct tess_order_method *order_method; /* finds the order to begin with */
    double seconds;                               /* for everything */
    int64_t memory_bytes;
};

/* In place, alignment 1, budget 100 %, three runs at most, the default methods, 60 s, 1 GiB. */
void tess_remat_options_init(struct tess_remat_options *options);

struct tess_remat {
    struct tess_task_graph *counted; /* as model and alignment count it */
    int64_t *costs; /* [n_tasks] as used: all 1 if those given are all 0 */
    int *order;     /* [n_tasks] that was begun with */
    struct tess_remat_problem problem; /* made of the above */
    struct tess_remat_result result;
    struct tess_remat_expansion expansion; /* of result.sequence */
    int64_t *offsets;        /* [expansion.copies.n_copies] from the start of the arena */
    int64_t file_peak_bytes; /* every task once, in the file's order */
    int64_t order_peak_bytes; /* every task once, in the order begun with */
    int64_t least_cost;       /* of every task once */
    int64_t arena_bytes;
    const char *placed_by; /* what found the places */
    double search_us, place_us;
};

/* Finds a sequence for `graph` (as it was created, not counted) with these costs [n_tasks], and
 * places for it. That the budget cannot be kept is a result: result.fits is false and the
 * sequence is the one of least peak found. TESS_E_MODEL if sizes or costs are too large,
 * TESS_E_VERIFY if a checker objects, TESS_E_NOMEM, and what the method says. The caller
 * releases in every case. */
enum tess_status tess_remat_init(struct tess_remat *remat,
                                 const struct tess_task_graph *graph,
                                 const int64_t *costs,
                                 const struct tess_remat_options *options,
                                 struct tess_error *error);
void tess_remat_release(struct tess_remat *remat); /* accepts zeroed and NULL */

/* How far `cost` is above every task once, in percent. */
double tess_remat_extra_percent(const struct tess_remat *remat, int64_t cost);

#endif
