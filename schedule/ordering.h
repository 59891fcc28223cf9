/* What every ordering method implements: an order of few bytes alive at once, and how far from
 * the best it can be at most.
 *
 * Methods are siblings: one file each, order_NAME.c, one descriptor. Callers hand lists of them
 * around; the ones here are tess_order_methods(), others may be added to them. All are
 * deterministic as long as they end before their time limit. A method never claims what it has not
 * proven: lower_bound_bytes <= least peak possible <= peak_bytes.
 */
#ifndef TESS_SCHEDULE_ORDERING_H
#define TESS_SCHEDULE_ORDERING_H

#include "schedule/task_graph.h"

/* Parts of the exact method that can be left out, to see what they are worth. */
enum tess_order_part {
    TESS_ORDER_FUSION = 1,   /* chains become one */
    TESS_ORDER_CUTS = 2,     /* lower bound by minimum cuts */
    TESS_ORDER_BEAM = 4,     /* upper bound by beam search */
    TESS_ORDER_CLIMB = 8,    /* upper bound by cut search */
    TESS_ORDER_SAFE = 16,    /* safe moves without branching */
    TESS_ORDER_VALLEYS = 32, /* commits at valleys */
    TESS_ORDER_WINDOWS = 64  /* window search when the rest ran out of time */
};

struct tess_order_limits {
    double seconds;       /* of wall time; what was found by then is the result */
    int64_t memory_bytes; /* that a search may hold */
    unsigned parts_off;   /* of tess_order_part */
};

/* 60 s, 1 GiB, every part. */
void tess_order_limits_init(struct tess_order_limits *limits);

struct tess_order_result {
    int *order; /* [n_tasks], the caller's, filled in */
    int64_t peak_bytes;
    int64_t lower_bound_bytes; /* no order has a lower peak */
    bool is_proven;            /* peak_bytes == lower_bound_bytes */
    int64_t n_expanded;        /* states that a search expanded */
    int n_fused;               /* tasks left after fusion; n_tasks without */
    const char *closed_by; /* what ended the search, a word: "bound", "search", "time" */
    /* Of methods by integer programming, 0 elsewhere: parts solved by themselves; binary columns
     * before anything is done (a task in a slot), after fusion and pruning, given to the solver. */
    int n_parts;
    int64_t n_variables_full, n_variables, n_variables_solved;
};

struct tess_order_method {
    const char *name;
    const char *description; /* one line for --help */
    /* Orders `graph` (counted by a model: tess_task_graph_count). result_out->order is set by the
     * caller, the rest by the method. TESS_E_NOMEM; TESS_E_INFEASIBLE if a method gives up
     * without any order, which only those do that say so in their description. */
    enum tess_status (*run)(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error);
};

/* Always an order and a bound; proven unless time or memory ended the search. */
extern const struct tess_order_method tess_method_exact;
/* Begins with Kahn's order. A part of the graph for which time or memory does not suffice stays
 * as it is there, and the result is not proven; its bound is what the parts that were solved
 * need, and one more than any budget within which a part was shown to have no order. */
extern const struct tess_order_method tess_method_serenity;
extern const struct tess_order_method tess_method_greedy;
extern const struct tess_order_method tess_method_dfs;
extern const struct tess_order_method tess_method_kahn;
extern const struct tess_order_method tess_method_file;

/* The methods above, ending with NULL, the default first. */
const struct tess_order_method *const *tess_order_methods(void);

/* The one of that name in such a list, or NULL. */
const struct tess_order_method *
tess_order_method_find(const struct tess_order_method *const *methods, const char *name);

/* For methods: evaluates result->order, sets the peak, and the bound to the better of `bound` and
 * the trivial one. */
enum tess_status tess_order_result_finish(const struct tess_task_graph *graph,
                                          int64_t bound_bytes, const char *closed_by,
                                          struct tess_order_result *result,
                                          struct tess_error *error);

#endif
