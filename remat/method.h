/* What every method of rematerialization implements: a sequence within a budget of bytes that
 * takes little more time than running every task once.
 *
 * Methods are siblings: one file each, remat_NAME.c, one descriptor, listed by
 * tess_remat_methods(). All are deterministic as long as they end before their time limit; all
 * end early when base/deadline.h says that somebody ended all searches. A method never claims what
 * it has not proven. From a graph to a sequence with places in one call: remat/remat.h.
 */
#ifndef TESS_REMAT_METHOD_H
#define TESS_REMAT_METHOD_H

#include "remat/sequence.h"

struct tess_remat_limits {
    double seconds; /* of wall time from the call on; what was found by then counts */
    int64_t memory_bytes; /* that a search may hold */
};

/* 30 s, 1 GiB. */
void tess_remat_limits_init(struct tess_remat_limits *limits);

struct tess_remat_result {
    /* Always a sequence that tess_remat_check accepts, the budget aside: the cheapest found within
     * the budget, or, if none was found, the one of least peak. Zeroed before the call; the caller
     * releases it in every case. */
    struct tess_remat_sequence sequence;
    struct tess_remat_value value; /* of the sequence */
    bool fits;                     /* value.peak_bytes <= budget_bytes */
    int64_t lower_bound_cost;      /* no sequence within the budget costs less */
    /* No sequence has a lower peak, whatever it costs (with this most_runs and order to keep). */
    int64_t lower_bound_bytes;
    /* fits: value.cost == lower_bound_cost, none within the budget is cheaper.
     * Otherwise: lower_bound_bytes > budget_bytes, none is within the budget. */
    bool is_proven;
    const char *won_by; /* the name of the method that found the sequence; static */
};

struct tess_remat_method {
    const char *name;
    const char *description; /* one line for --help */
    /* TESS_E_NOMEM; TESS_E_USAGE if this build lacks what the method needs (a solver). That no
     * sequence was found within the budget is a result, not an error. */
    enum tess_status (*run)(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error);
};

/* The default: runs the others as time allows; where nothing fits, looks for the smallest budget
 * within which something does. */
extern const struct tess_remat_method tess_remat_best;
/* Searches all states; for graphs of at most 32 tasks and 64 tensors and at most 3 runs of each,
 * else it returns problem->order. */
extern const struct tess_remat_method tess_remat_exact;
/* Retention intervals on a staged grid of events, by constraint propagation and large neighbourhood
 * search (ICML 2023). Keeps problem->order in any case. */
extern const struct tess_remat_method tess_remat_moccasin;
/* Splits lifetimes one after the other, greedily, again and again with chance. */
extern const struct tess_remat_method tess_remat_greedy;
/* An integer programme of the gaps between uses, along the order: remat/remat_gap.h. */
extern const struct tess_remat_method tess_remat_gap;
/* The published integer programme of all stages along the order: a baseline. TESS_E_USAGE if the
 * graph is too large. */
extern const struct tess_remat_method tess_remat_checkmate;

/* Reorders by annealing what splitting leaves above the budget, in turns. Does nothing for problems
 * that keep an order. */
extern const struct tess_remat_method tess_remat_reorder;

/* All methods, ending with NULL, the default first. */
const struct tess_remat_method *const *tess_remat_methods(void);

/* The one of that name, or NULL. */
const struct tess_remat_method *tess_remat_method_find(const char *name);

/* The same, from what `result` holds. */
enum tess_status tess_remat_reorder_from(const struct tess_remat_problem *problem,
                                         double seconds, struct tess_remat_result *result,
                                         struct tess_error *error);

/* For methods: begins a result with problem->order, every task once, and the bounds that need no
 * search. TESS_E_NOMEM. */
enum tess_status tess_remat_result_init(struct tess_remat_result *result,
                                        const struct tess_remat_problem *problem,
                                        const char *won_by, struct tess_error *error);

/* Takes `sequence` (copied) if it is better than what there is: within the budget and cheaper, or
 * nearer to it if nothing is within. Cost: of tess_remat_measure; same errors. */
enum tess_status tess_remat_result_offer(struct tess_remat_result *result,
                                         const struct tess_remat_problem *problem,
                                         const struct tess_remat_sequence *sequence,
                                         const char *won_by, struct tess_error *error);

/* Raises the bounds to these if they are higher, and says what is proven now. */
void tess_remat_result_raise(struct tess_remat_result *result,
                             const struct tess_remat_problem *problem,
                             int64_t lower_bound_cost, int64_t lower_bound_bytes);

#endif
