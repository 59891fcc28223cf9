/* What every search method implements: propose plans, the most promising first.
 *
 * Two phases: what does not depend on the budget is prepared once, then proposals are made for
 * one budget after the other. A method proposes groups; the planner lays each proposal out
 * exactly, chooses which weights are held (planner/residency.h), says what came of it and
 * remembers the best. Methods are siblings: one file each, one descriptor.
 */
#ifndef TESS_PLANNER_SEARCH_H
#define TESS_PLANNER_SEARCH_H

#include "plan/layout.h"
#include "planner/planner.h"

/* What came of a proposal. */
struct tess_search_outcome {
    bool fits;
    double best_us; /* the fastest so far that fits, of all methods and orders; INFINITY:
                       none */
};

/* Where proposals go. The groups are copied. */
struct tess_search_sink {
    enum tess_status (*propose)(void *context, const struct tess_group *groups,
                                int n_groups, struct tess_search_outcome *outcome_out,
                                struct tess_error *error);
    void *context;
};

/* What to plan: groups are runs of positions in `order`. */
struct tess_search_problem {
    const struct tess_graph *graph;             /* borrowed */
    const struct tess_planner_options *options; /* borrowed */
    const int *order; /* borrowed: [n_ops] schedule position -> op id */
};

struct tess_search {
    const char *name;
    const char *description; /* one line for --help */
    bool tries_orders;       /* else only the graph's own order is asked for */
    bool can_stream;         /* else proposals are taken with all weights held */
    /* New state of a problem, which outlives it; methods without any leave *state_out alone.
     * TESS_E_NOMEM. */
    enum tess_status (*create)(const struct tess_search_problem *problem,
                               void **state_out, struct tess_error *error);
    /* Proposes for a budget, 0: none. */
    enum tess_status (*propose)(const struct tess_search_problem *problem, void *state,
                                int64_t budget_bytes, const struct tess_search_sink *sink,
                                struct tess_error *error);
    int (*n_evaluated)(const void *state); /* segments laid out; NULL: none */
    void (*destroy)(void *state);          /* NULL where there is no state */
};

extern const struct tess_search tess_search_dp;
extern const struct tess_search tess_search_mafat;
extern const struct tess_search tess_search_untiled;
extern const struct tess_search tess_search_ilp; /* TESS_E_USAGE without GLPK */

/* The methods, ending with NULL, the default first. */
const struct tess_search *const *tess_searches(void);
const struct tess_search *tess_search_find(const char *name); /* NULL if unknown */

#endif
