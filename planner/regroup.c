/* Problem: groups as tasks, in the order of the least peak.
 *
 * Method: the task graph of the plan (graph_model.h) is counted with concats as views, as layouts
 * have them, and ordered exactly. That model knows no in-place chains across concats, so that what
 * counts in the end is the layout of the plan with its groups in the new order.
 *
 * Invariant: groups keep their ops, tilings and the order inside.
 *
 * Not done: untiled groups of several ops; no search makes them.
 */
#include "planner/regroup.h"

#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "plan/layout.h"
#include "planner/graph_model.h"
#include "planner/order.h"
#include "schedule/peak.h"

static bool is_each_a_task(const struct tess_plan *plan)
{
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[i];
        bool is_tiled = group->tiling.n_rows > 1 || group->tiling.n_cols > 1;
        if (!is_tiled && group->last > group->first)
            return false;
    }
    return true;
}

/* Fills order [n_groups] if some order has a lower peak than the groups as they are. */
static enum tess_status order_groups(const struct tess_layout *layout, int *order,
                                     bool *is_better_out, struct tess_error *error)
{
    struct tess_graph_file file = {0};
    struct tess_task_graph *counted = NULL;
    int64_t alignment = tess_max_i64(layout->plan->facts.align_bytes, 4), peak = 0;
    *is_better_out = false;
    enum tess_status status = tess_graph_file_of_plan(&file, layout, error);
    if (status == TESS_OK)
        status = tess_task_graph_count(file.graph, TESS_MODEL_VIEW, alignment, &counted,
                                       error);
    if (status != TESS_OK || counted->n_tasks != layout->plan->n_groups)
        goto out;
    for (int i = 0; i < counted->n_tasks; i++)
        order[i] = i;
    status = tess_peak_of_order(counted, order, &peak, NULL, error);
    if (status == TESS_OK && tess_peak_trivial_bound(counted) < peak) {
        int64_t least = INT64_MAX;
        status = tess_order_of_tasks(counted, order, &least, error);
        *is_better_out = status == TESS_OK && least < peak;
    }
out:
    tess_task_graph_destroy(counted);
    tess_graph_file_release(&file);
    return status;
}

/* New plan with the groups in this order. */
static enum tess_status permute(const struct tess_plan *plan, const int *order,
                                struct tess_plan **permuted_out, struct tess_error *error)
{
    struct tess_plan *permuted = tess_plan_copy(plan);
    if (!permuted)
        return tess_error_nomem(error);
    int at = 0;
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[order[i]];
        int n_ops = group->last - group->first + 1;
        memcpy(permuted->order + at, plan->order + group->first,
               sizeof *plan->order * (size_t)n_ops);
        permuted->groups[i] = *group;
        permuted->groups[i].first = at;
        permuted->groups[i].last = at + n_ops - 1;
        at += n_ops;
    }
    *permuted_out = permuted;
    return TESS_OK;
}

enum tess_status tess_regroup(const struct tess_graph *graph,
                              const struct tess_plan *plan,
                              struct tess_plan **regrouped_out, struct tess_error *error)
{
    struct tess_layout *layout = NULL, *trial = NULL;
    struct tess_plan *permuted = NULL;
    bool is_better = false;
    int *order = malloc(sizeof *order * ((size_t)plan->n_groups + 1));
    *regrouped_out = NULL;
    if (!order)
        return tess_error_nomem(error);
    enum tess_status status = TESS_OK;
    if (is_each_a_task(plan))
        status = tess_layout_create(graph, plan, &layout, error);
    if (status == TESS_OK && layout)
        status = order_groups(layout, order, &is_better, error);
    if (status == TESS_OK && is_better)
        status = permute(plan, order, &permuted, error);
    if (status == TESS_OK && permuted)
        status = tess_layout_create(graph, permuted, &trial, error);
    if (status == TESS_OK && trial && trial->arena_bytes < layout->arena_bytes) {
        *regrouped_out = permuted;
        permuted = NULL;
    }
    tess_layout_destroy(trial);
    tess_layout_destroy(layout);
    tess_plan_destroy(permuted);
    free(order);
    return status;
}
