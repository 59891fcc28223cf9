/* A proposal: groups laid out whole, with exact memory, whatever the budget; and for a budget the
 * weights that are held.
 */
#ifndef TESS_PLANNER_PROPOSAL_H
#define TESS_PLANNER_PROPOSAL_H

#include "base/error.h"
#include "planner/planner.h"
#include "planner/residency.h"

struct tess_proposal {
    struct tess_plan *plan; /* all weights held, memory and times predicted */
    int live_tick;          /* at which most activations are alive */
    /* What could be streamed; empty if nothing may. */
    struct tess_streamable *streamables;
    int n_streamables;
    int64_t least_bytes; /* the smallest peak of any choice of weights */
};

/* Lays out `plan`, which it takes, even on failure. May weights be streamed? TESS_E_NOMEM. */
enum tess_status tess_proposal_create(const struct tess_graph *graph,
                                      const struct tess_planner_options *options,
                                      struct tess_plan *plan, bool can_stream,
                                      struct tess_proposal **proposal_out,
                                      struct tess_error *error);
void tess_proposal_destroy(struct tess_proposal *proposal); /* accepts NULL */

/* New proposal with concats turned from views into copies where that lowers the peak, greedily,
 * one after the other: a view makes the whole output live from its first input on. NULL in
 * *copied_out if no copy does. */
enum tess_status tess_proposal_copy_concats(const struct tess_graph *graph,
                                            const struct tess_planner_options *options,
                                            const struct tess_proposal *proposal,
                                            struct tess_proposal **copied_out,
                                            struct tess_error *error);

/* New proposal with its groups in another order that lowers the peak (planner/regroup.h). NULL in
 * *reordered_out if none does. */
enum tess_status tess_proposal_reorder(const struct tess_graph *graph,
                                       const struct tess_planner_options *options,
                                       const struct tess_proposal *proposal,
                                       struct tess_proposal **reordered_out,
                                       struct tess_error *error);

/* Chooses weights for a budget (0: none). *time_us_out: predicted time of the whole plan. Looks no
 * further once it is clear that it takes `limit_us` or more: then, and if nothing fits,
 * TESS_E_INFEASIBLE without a message. The caller releases the residency. */
enum tess_status tess_proposal_fit(const struct tess_proposal *proposal,
                                   const struct tess_planner_options *options,
                                   int64_t budget_bytes, double limit_us,
                                   struct tess_residency *residency_out,
                                   double *time_us_out, struct tess_error *error);

/* New plan of the proposal with these weights streamed, predictions updated. TESS_E_NOMEM. */
enum tess_status tess_proposal_plan(const struct tess_graph *graph,
                                    const struct tess_planner_options *options,
                                    const struct tess_proposal *proposal,
                                    const struct tess_residency *residency,
                                    struct tess_plan **plan_out,
                                    struct tess_error *error);

#endif
