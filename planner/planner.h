/* The planner: the fastest plan that fits a budget, or the smallest budget that any plan fits.
 *
 * Searches over groups and tilings with one of several methods (planner/search.h); memory is
 * exact, time is a model (planner/cost.h). Runs nothing and reads no files.
 */
#ifndef TESS_PLANNER_PLANNER_H
#define TESS_PLANNER_PLANNER_H

#include "base/error.h"
#include "model/graph.h"
#include "plan/layout.h"
#include "plan/plan.h"
#include "plan/profile.h"

struct tess_planner_options {
    int64_t budget_bytes; /* of tess_planner_plan; 0: no limit, the fastest plan wins */
    const char *search;   /* name of a method: "dp", "mafat", ... */
    struct tess_kernel_facts facts;
    struct tess_profile profile;
    int n_threads;
    int64_t input_bytes; /* memory that reading the network's input holds */
    /* Off switches of the techniques. */
    bool allows_reuse;     /* halos kept instead of recomputed */
    bool allows_recompute; /* fused tiles that recompute their halos */
    bool allows_columns;   /* grids with more than one column */
    bool allows_copies;    /* concats that copy where views would hold more memory */
    bool allows_reorder;   /* other orders than the cfg's */
    bool allows_placement; /* offsets searched for, not only taken from greedy orders */
    bool allows_streaming; /* weights read again rather than held, if the family can */
    /* Not a technique of the planner, and off: ask planner/rewriting.h. */
    bool allows_rewrite; /* convolutions of concats split, if the family can */
};

/* All techniques on, search "dp", no budget, default profile; facts zeroed. */
void tess_planner_options_init(struct tess_planner_options *options);

/* Do they let weights be streamed, and can the kernel family? */
bool tess_planner_can_stream(const struct tess_planner_options *options);

/* What the planner says besides the plan. */
struct tess_planner_report {
    int64_t
        smallest_bytes; /* least budget that some plan found fits; the smallest feasible
                               one if none fits the budget asked for */
    int limiting_layer; /* darknet's number of the layer at which that plan peaks */
    int n_evaluated;    /* segments and plans whose memory was laid out */
};

/* Plans for one budget: a planner that is created, asked once and destroyed. On success *plan_out
 * is a new plan within the budget, with predictions. If no plan fits: TESS_E_INFEASIBLE, with the
 * smallest feasible budget and the limiting layer in the message and in `report_out` (may be
 * NULL). TESS_E_USAGE for an unknown search, TESS_E_NOMEM. */
enum tess_status tess_planner_plan(const struct tess_graph *graph,
                                   const struct tess_planner_options *options,
                                   struct tess_plan **plan_out,
                                   struct tess_planner_report *report_out,
                                   struct tess_error *error);

/* The same for many budgets of one graph: what does not depend on the budget is done once. */
struct tess_planner;

/* New; `graph` is borrowed, options are copied but for their strings. TESS_E_USAGE for an unknown
 * search, TESS_E_NOMEM. */
enum tess_status tess_planner_create(const struct tess_graph *graph,
                                     const struct tess_planner_options *options,
                                     struct tess_planner **planner_out,
                                     struct tess_error *error);
void tess_planner_destroy(struct tess_planner *planner); /* accepts NULL */

/* As tess_planner_plan. The plan does not depend on what was asked for before. */
enum tess_status tess_planner_find(struct tess_planner *planner, int64_t budget_bytes,
                                   struct tess_plan **plan_out,
                                   struct tess_planner_report *report_out,
                                   struct tess_error *error);

/* Fills the predictions of a plan (memory, time, per group) from its groups, facts and options.
 * The plan must pass tess_plan_check. */
enum tess_status tess_planner_predict(const struct tess_graph *graph,
                                      const struct tess_planner_options *options,
                                      struct tess_plan *plan, struct tess_error *error);

/* Its times alone, from its layout. */
void tess_planner_predict_times(const struct tess_layout *layout,
                                const struct tess_planner_options *options,
                                struct tess_plan *plan);

#endif
