#include "planner/planner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "plan/layout.h"
#include "planner/cost.h"
#include "planner/order.h"
#include "planner/search.h"

const struct tess_search *const *tess_searches(void)
{
    static const struct tess_search *const all[] = {&tess_search_dp, &tess_search_mafat,
                                                    &tess_search_untiled,
                                                    &tess_search_ilp, NULL};
    return all;
}

const struct tess_search *tess_search_find(const char *name)
{
    for (const struct tess_search *const *at = tess_searches(); *at; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

void tess_planner_options_init(struct tess_planner_options *options)
{
    memset(options, 0, sizeof *options);
    options->search = tess_searches()[0]->name;
    options->n_threads = 1;
    tess_profile_init(&options->profile);
    options->allows_reuse = true;
    options->allows_recompute = true;
    options->allows_columns = true;
    options->allows_copies = true;
    options->allows_reorder = true;
}

/* TUNING: another order is searched, too, if tensors wait a 64th less in it. YOLOv2's passthrough
 * saves 5 %; for YOLOv3 it would double the time of planning and change nothing (2026-11). */
enum { REORDER_STEPS = 64 };

/* What the proposals of a search come to. */
struct selection {
    const struct tess_graph *graph;
    const struct tess_planner_options *options;
    struct tess_plan *base;     /* what every proposal starts from */
    struct tess_plan *chosen;   /* the first in this order that fits; NULL so far */
    struct tess_plan *best;     /* the fastest chosen in any order; NULL so far */
    struct tess_plan *smallest; /* least peak of all proposals */
    int n_evaluated;
};

static enum tess_status lay_out(const struct tess_graph *graph, struct tess_plan *plan,
                                int64_t input_bytes, int *live_tick_out,
                                struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    if (status != TESS_OK)
        return status;
    plan->memory.input = input_bytes;
    tess_layout_memory(layout, &plan->memory);
    if (live_tick_out)
        *live_tick_out = layout->live_tick;
    tess_layout_destroy(layout);
    return TESS_OK;
}

/* Turns views of concats into copies where that lowers the peak: a view makes the whole output
 * live from its first input on. Greedy, one concat after the other. */
static enum tess_status try_copies(const struct selection *selection,
                                   struct tess_plan *plan, struct tess_error *error)
{
    if (!selection->options->allows_copies)
        return TESS_OK;
    for (int op = 0; op < selection->graph->n_ops; op++) {
        if (selection->graph->ops[op].kind != TESS_OP_CONCAT)
            continue;
        struct tess_memory before = plan->memory;
        plan->copies[op] = true;
        enum tess_status status =
            lay_out(selection->graph, plan, selection->options->input_bytes, NULL, error);
        if (status != TESS_OK)
            return status;
        if (plan->memory.peak >= before.peak) {
            plan->copies[op] = false;
            plan->memory = before;
        }
    }
    return TESS_OK;
}

static bool fits(const struct selection *selection, const struct tess_plan *plan)
{
    int64_t budget = selection->options->budget_bytes;
    return budget == 0 || plan->memory.peak <= budget;
}

static enum tess_status consider(void *context, const struct tess_group *groups,
                                 int n_groups, bool *is_enough_out,
                                 struct tess_error *error)
{
    struct selection *selection = context;
    struct tess_plan *plan = tess_plan_copy(selection->base);
    if (!plan)
        return tess_error_nomem(error);
    enum tess_status status = tess_plan_set_groups(plan, groups, n_groups, error);
    if (status == TESS_OK)
        status =
            lay_out(selection->graph, plan, selection->options->input_bytes, NULL, error);
    if (status == TESS_OK && !fits(selection, plan))
        status = try_copies(selection, plan, error);
    if (status != TESS_OK) {
        tess_plan_destroy(plan);
        return status;
    }
    selection->n_evaluated++;
    if (fits(selection, plan) && !selection->chosen) {
        selection->chosen = tess_plan_copy(plan);
        *is_enough_out = selection->chosen != NULL;
    }
    if (!selection->smallest || plan->memory.peak < selection->smallest->memory.peak) {
        tess_plan_destroy(selection->smallest);
        selection->smallest = plan;
        plan = NULL;
    }
    tess_plan_destroy(plan);
    return TESS_OK;
}

enum tess_status tess_planner_predict(const struct tess_graph *graph,
                                      const struct tess_planner_options *options,
                                      struct tess_plan *plan, struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    if (status != TESS_OK)
        return status;
    plan->memory.input = options->input_bytes;
    tess_layout_memory(layout, &plan->memory);
    plan->predicted_us = 0;
    for (int group = 0; group < plan->n_groups; group++) {
        plan->groups[group].predicted_us =
            tess_cost_group_us(layout, group, &options->profile);
        plan->predicted_us += plan->groups[group].predicted_us;
    }
    tess_layout_destroy(layout);
    return TESS_OK;
}

static enum tess_status find_limit(const struct selection *selection,
                                   struct tess_planner_report *report,
                                   struct tess_error *error)
{
    int tick = 0;
    enum tess_status status = lay_out(selection->graph, selection->smallest,
                                      selection->options->input_bytes, &tick, error);
    if (status != TESS_OK)
        return status;
    /* The next start may measure more base memory. */
    report->smallest_bytes = selection->smallest->memory.peak + TESS_BASE_SPREAD_BYTES;
    report->limiting_layer =
        selection->graph->ops[selection->smallest->order[tick]].layer;
    return TESS_OK;
}

static enum tess_status report_infeasible(const struct selection *selection,
                                          const struct tess_planner_report *report,
                                          struct tess_error *error)
{
    const struct tess_memory *memory = &selection->smallest->memory;
    char budget[32], weights[32], arena[32], base[32];
    tess_format_bytes(selection->options->budget_bytes, budget, sizeof budget);
    tess_format_bytes(memory->weights + memory->workspace + memory->window, weights,
                      sizeof weights);
    tess_format_bytes(memory->arena, arena, sizeof arena);
    tess_format_bytes(memory->base + memory->threads + memory->input, base, sizeof base);
    /* Rounded up, so that the number printed works when it is typed back. */
    long long smallest_kib = (long long)((report->smallest_bytes + 1023) / 1024);
    tess_error_set(
        error, TESS_E_INFEASIBLE,
        "no plan fits %s; the smallest budget that works is %lldK (weights %s, "
        "process %s, activations %s, most of them at layer %d)",
        budget, smallest_kib, weights, base, arena, report->limiting_layer);
    tess_error_hint(error, "run again with --memory %lldK", smallest_kib);
    return TESS_E_INFEASIBLE;
}

static enum tess_status start_selection(struct selection *selection,
                                        const struct tess_search *search,
                                        struct tess_error *error)
{
    const struct tess_planner_options *options = selection->options;
    enum tess_status status = tess_plan_create(selection->graph, &selection->base, error);
    if (status != TESS_OK)
        return status;
    snprintf(selection->base->search, sizeof selection->base->search, "%s", search->name);
    selection->base->facts = options->facts;
    selection->base->n_threads = options->n_threads;
    selection->base->budget_bytes = options->budget_bytes;
    return TESS_OK;
}

/* Searches in the order that the base plan has and keeps what it finds if that is the fastest. */
static enum tess_status search_order(struct selection *selection,
                                     const struct tess_search *search,
                                     struct tess_error *error)
{
    int n_evaluated = 0;
    struct tess_search_sink sink = {consider, selection};
    struct tess_search_problem problem = {selection->graph, selection->options,
                                          selection->base->order};
    enum tess_status status = search->run(&problem, &sink, &n_evaluated, error);
    selection->n_evaluated += n_evaluated;
    if (status == TESS_OK && selection->chosen)
        status = tess_planner_predict(selection->graph, selection->options,
                                      selection->chosen, error);
    if (status != TESS_OK || !selection->chosen)
        return status;
    if (!selection->best ||
        selection->chosen->predicted_us < selection->best->predicted_us) {
        tess_plan_destroy(selection->best);
        selection->best = selection->chosen;
    } else {
        tess_plan_destroy(selection->chosen);
    }
    selection->chosen = NULL;
    return TESS_OK;
}

/* The graph's own order, and one that keeps few bytes alive if that is another and memory
 * matters. */
static enum tess_status search_orders(struct selection *selection,
                                      const struct tess_search *search,
                                      struct tess_error *error)
{
    const struct tess_planner_options *options = selection->options;
    enum tess_status status = search_order(selection, search, error);
    if (status != TESS_OK || !search->tries_orders || !options->allows_reorder ||
        options->budget_bytes == 0)
        return status;
    int64_t own_ticks = tess_order_byte_ticks(selection->graph, selection->base->order);
    status = tess_order_greedy(selection->graph, selection->base->order, error);
    int64_t ticks = tess_order_byte_ticks(selection->graph, selection->base->order);
    bool is_worth_it = ticks < own_ticks - own_ticks / REORDER_STEPS;
    return status == TESS_OK && is_worth_it ? search_order(selection, search, error)
                                            : status;
}

enum tess_status tess_planner_plan(const struct tess_graph *graph,
                                   const struct tess_planner_options *options,
                                   struct tess_plan **plan_out,
                                   struct tess_planner_report *report_out,
                                   struct tess_error *error)
{
    const struct tess_search *search = tess_search_find(options->search);
    if (!search)
        return tess_error_set(error, TESS_E_USAGE, "unknown search \"%s\"",
                              options->search);
    struct selection selection = {.graph = graph, .options = options};
    struct tess_planner_report report = {0};
    enum tess_status status = start_selection(&selection, search, error);
    if (status == TESS_OK)
        status = search_orders(&selection, search, error);
    if (status != TESS_OK)
        goto out;
    assert(selection.smallest);
    status = find_limit(&selection, &report, error);
    if (status == TESS_OK && !selection.best)
        status = report_infeasible(&selection, &report, error);
    if (status == TESS_OK) {
        *plan_out = selection.best;
        selection.best = NULL;
    }
    report.n_evaluated = selection.n_evaluated;
    if (report_out)
        *report_out = report;
out:
    tess_plan_destroy(selection.base);
    tess_plan_destroy(selection.chosen);
    tess_plan_destroy(selection.best);
    tess_plan_destroy(selection.smallest);
    return status;
}
