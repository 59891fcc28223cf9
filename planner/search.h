/* What every search method implements: propose plans, fastest first.
 *
 * A method proposes; tess_planner_plan lays each proposal out exactly, takes the first that fits
 * the budget and remembers the smallest. Methods are siblings: one file each, one descriptor.
 */
#ifndef TESS_PLANNER_SEARCH_H
#define TESS_PLANNER_SEARCH_H

#include "plan/layout.h"
#include "planner/planner.h"

/* Where proposals go. Returns TESS_OK to ask for more; `*is_enough_out` becomes true once the
 * proposal fits and the method should stop. The groups are copied. */
struct tess_search_sink {
    enum tess_status (*propose)(void *context, const struct tess_group *groups,
                                int n_groups, bool *is_enough_out,
                                struct tess_error *error);
    void *context;
};

/* What to plan: groups are runs of positions in `order`. */
struct tess_search_problem {
    const struct tess_graph *graph;
    const struct tess_planner_options *options;
    const int *order; /* [n_ops] schedule position -> op id */
};

struct tess_search {
    const char *name;
    const char *description; /* one line for --help */
    bool tries_orders;       /* else only the graph's own order is asked for */
    enum tess_status (*run)(const struct tess_search_problem *problem,
                            const struct tess_search_sink *sink, int *n_evaluated_out,
                            struct tess_error *error);
};

extern const struct tess_search tess_search_dp;
extern const struct tess_search tess_search_mafat;
extern const struct tess_search tess_search_untiled;
extern const struct tess_search tess_search_ilp; /* GLPK, or its absence */

/* The methods, ending with NULL, the default first. */
const struct tess_search *const *tess_searches(void);
const struct tess_search *tess_search_find(const char *name); /* NULL if unknown */

#endif
