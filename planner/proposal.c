#include "planner/proposal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "plan/layout.h"
#include "planner/cost.h"
#include "planner/regroup.h"

static enum tess_status list_streamables(struct tess_proposal *proposal,
                                         const struct tess_layout *layout,
                                         struct tess_error *error)
{
    const struct tess_plan *plan = proposal->plan;
    proposal->streamables = calloc((size_t)plan->n_ops, sizeof *proposal->streamables);
    if (!proposal->streamables)
        return tess_error_nomem(error);
    for (int at = 0; at < plan->n_ops; at++)
        if (tess_op_has_weights(&layout->graph->ops[plan->order[at]]))
            proposal->streamables[proposal->n_streamables++] =
                tess_cost_streamable(layout, plan->order[at]);
    return TESS_OK;
}

/* Bytes that are neither weights nor slots. */
static int64_t other_bytes(const struct tess_proposal *proposal)
{
    return proposal->plan->memory.peak - proposal->plan->memory.weights;
}

static struct tess_residency_problem
problem_of(const struct tess_proposal *proposal,
           const struct tess_planner_options *options, int64_t budget_bytes)
{
    return (struct tess_residency_problem){
        .ops = proposal->streamables,
        .n_ops = proposal->n_streamables,
        .facts = &options->facts,
        .profile = &options->profile,
        .available_bytes = budget_bytes - other_bytes(proposal),
    };
}

enum tess_status tess_proposal_create(const struct tess_graph *graph,
                                      const struct tess_planner_options *options,
                                      struct tess_plan *plan, bool can_stream,
                                      struct tess_proposal **proposal_out,
                                      struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    struct tess_proposal *proposal = calloc(1, sizeof *proposal);
    if (!proposal) {
        tess_plan_destroy(plan);
        return tess_error_nomem(error);
    }
    proposal->plan = plan;
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    if (status != TESS_OK)
        goto out;
    plan->memory.input = options->input_bytes;
    tess_layout_memory(layout, &plan->memory);
    tess_planner_predict_times(layout, options, plan);
    proposal->live_tick = layout->live_tick;
    proposal->least_bytes = plan->memory.peak;
    if (can_stream)
        status = list_streamables(proposal, layout, error);
    if (status == TESS_OK && proposal->n_streamables > 0) {
        struct tess_residency_problem problem = problem_of(proposal, options, 0);
        proposal->least_bytes =
            other_bytes(proposal) + tess_residency_least_bytes(&problem);
    }
out:
    tess_layout_destroy(layout);
    if (status == TESS_OK)
        *proposal_out = proposal;
    else
        tess_proposal_destroy(proposal);
    return status;
}

void tess_proposal_destroy(struct tess_proposal *proposal)
{
    if (!proposal)
        return;
    tess_plan_destroy(proposal->plan);
    free(proposal->streamables);
    free(proposal);
}

/* Could copying into this concat lower the peak: is its output alive, or made, at the tick of the
 * peak? Its inputs come before it, and what reads it after. */
static bool is_alive(const struct tess_layout *layout, int op)
{
    struct tess_slot slot = layout->stored[layout->graph->ops[op].output];
    if (slot.storage < 0)
        return true;
    const struct tess_storage *storage = &layout->storages[slot.storage];
    return storage->first_tick <= layout->live_tick &&
           layout->live_tick <= storage->last_tick;
}

/* Makes the concat copy if that lowers the peak; `*layout` is then of the new plan. */
static enum tess_status try_copy(const struct tess_graph *graph, struct tess_plan *plan,
                                 int op, struct tess_layout **layout,
                                 struct tess_error *error)
{
    struct tess_layout *trial = NULL;
    struct tess_memory before = plan->memory;
    plan->copies[op] = true;
    enum tess_status status = tess_layout_create(graph, plan, &trial, error);
    if (status != TESS_OK)
        return status;
    tess_layout_memory(trial, &plan->memory);
    if (plan->memory.peak < before.peak) {
        tess_layout_destroy(*layout);
        *layout = trial;
    } else {
        plan->copies[op] = false;
        plan->memory = before;
        tess_layout_destroy(trial);
    }
    return TESS_OK;
}

/* One concat after the other, again as long as the peak falls and moves to other concats. */
static enum tess_status try_copies(const struct tess_graph *graph, struct tess_plan *plan,
                                   bool *has_copied_out, struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    int64_t first_peak = plan->memory.peak, peak = 0;
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    while (status == TESS_OK && peak != plan->memory.peak) {
        peak = plan->memory.peak;
        for (int op = 0; op < graph->n_ops && status == TESS_OK; op++)
            if (graph->ops[op].kind == TESS_OP_CONCAT && !plan->copies[op] &&
                is_alive(layout, op))
                status = try_copy(graph, plan, op, &layout, error);
    }
    tess_layout_destroy(layout);
    *has_copied_out = plan->memory.peak < first_peak;
    return status;
}

enum tess_status tess_proposal_copy_concats(const struct tess_graph *graph,
                                            const struct tess_planner_options *options,
                                            const struct tess_proposal *proposal,
                                            struct tess_proposal **copied_out,
                                            struct tess_error *error)
{
    bool has_copied = false;
    struct tess_plan *plan = tess_plan_copy(proposal->plan);
    if (!plan)
        return tess_error_nomem(error);
    enum tess_status status = try_copies(graph, plan, &has_copied, error);
    if (status == TESS_OK && has_copied)
        return tess_proposal_create(graph, options, plan, proposal->n_streamables > 0,
                                    copied_out, error);
    tess_plan_destroy(plan);
    if (status == TESS_OK)
        *copied_out = NULL;
    return status;
}

enum tess_status tess_proposal_reorder(const struct tess_graph *graph,
                                       const struct tess_planner_options *options,
                                       const struct tess_proposal *proposal,
                                       struct tess_proposal **reordered_out,
                                       struct tess_error *error)
{
    struct tess_plan *plan = NULL;
    enum tess_status status = tess_regroup(graph, proposal->plan, &plan, error);
    *reordered_out = NULL;
    if (status == TESS_OK && plan)
        status = tess_proposal_create(graph, options, plan, proposal->n_streamables > 0,
                                      reordered_out, error);
    return status;
}

enum tess_status tess_proposal_fit(const struct tess_proposal *proposal,
                                   const struct tess_planner_options *options,
                                   int64_t budget_bytes, double limit_us,
                                   struct tess_residency *residency_out,
                                   double *time_us_out, struct tess_error *error)
{
    double time_us = proposal->plan->predicted_us;
    if (budget_bytes > 0 && proposal->least_bytes > budget_bytes)
        return TESS_E_INFEASIBLE;
    if (time_us >= limit_us)
        return TESS_E_INFEASIBLE;
    if (budget_bytes == 0 || proposal->plan->memory.peak <= budget_bytes) {
        *residency_out = (struct tess_residency){.is_proven = true};
        *time_us_out = time_us;
        return TESS_OK;
    }
    struct tess_residency_problem problem = problem_of(proposal, options, budget_bytes);
    if (time_us + tess_residency_bound_us(&problem) >= limit_us)
        return TESS_E_INFEASIBLE;
    enum tess_status status = tess_residency_solve(&problem, residency_out, error);
    if (status == TESS_OK)
        *time_us_out = time_us + residency_out->read_us;
    return status;
}

enum tess_status tess_proposal_plan(const struct tess_graph *graph,
                                    const struct tess_planner_options *options,
                                    const struct tess_proposal *proposal,
                                    const struct tess_residency *residency,
                                    struct tess_plan **plan_out, struct tess_error *error)
{
    struct tess_plan *plan = tess_plan_copy(proposal->plan);
    if (!plan)
        return tess_error_nomem(error);
    for (int i = 0; residency->is_streamed && i < proposal->n_streamables; i++)
        plan->streamed[proposal->streamables[i].op] = residency->is_streamed[i];
    plan->slice_bytes = residency->slice_bytes;
    enum tess_status status = tess_planner_predict(graph, options, plan, error);
    if (status == TESS_OK)
        *plan_out = plan;
    else
        tess_plan_destroy(plan);
    return status;
}
