#include "planner/planner.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "plan/layout.h"
#include "planner/cost.h"
#include "planner/order.h"
#include "planner/proposal.h"
#include "planner/search.h"
#include "planner/split_order.h"

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
    options->allows_placement = true;
    options->allows_streaming = true;
}

bool tess_planner_can_stream(const struct tess_planner_options *options)
{
    return options->allows_streaming && options->facts.has_packed_weights != 0;
}

/* TUNING: another order without a lower peak is searched, too, if tensors wait a 64th less in it.
 * YOLOv2's passthrough saves 5 %; for YOLOv3 it would double the time of planning and change
 * nothing (2026-11). */
enum { REORDER_STEPS = 64 };

/* An order of the ops and what was found out about it so far. */
struct course {
    struct tess_plan *base; /* what every proposal starts from */
    struct tess_search_problem problem;
    void *state;
    bool is_prepared;
};

/* A proposal as it came and, once that was tried, with concats that copy, and of these two the
 * better one with its groups in another order. */
struct known {
    int course;
    uint64_t hash; /* of the groups */
    struct tess_proposal *proposal, *copied, *reordered;
    bool has_tried_copies, has_tried_orders;
};

enum { OWN_ORDER, OTHER_ORDER, N_ORDERS };

struct tess_planner {
    const struct tess_graph *graph;
    struct tess_planner_options options;
    const struct tess_search *search;
    struct course courses[N_ORDERS];
    bool has_other_order; /* one that is worth trying */
    struct known *known;  /* all proposals so far */
    int n_known, capacity;
};

/* What the proposals for one budget come to. */
struct selection {
    struct tess_planner *planner;
    int course;
    int64_t budget_bytes;
    const struct tess_proposal *best; /* the fastest that fits; NULL so far */
    struct tess_residency residency;  /* its */
    double best_us;
    const struct tess_proposal *smallest;
};

void tess_planner_predict_times(const struct tess_layout *layout,
                                const struct tess_planner_options *options,
                                struct tess_plan *plan)
{
    plan->predicted_us = 0;
    for (int group = 0; group < plan->n_groups; group++) {
        plan->groups[group].predicted_us =
            tess_cost_group_us(layout, group, &options->profile);
        plan->predicted_us += plan->groups[group].predicted_us;
    }
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
    tess_planner_predict_times(layout, options, plan);
    tess_layout_destroy(layout);
    return TESS_OK;
}

/* ---- create ---- */

static enum tess_status start_course(struct tess_planner *planner, int which,
                                     struct tess_error *error)
{
    struct course *course = &planner->courses[which];
    enum tess_status status = tess_plan_create(planner->graph, &course->base, error);
    if (status != TESS_OK)
        return status;
    snprintf(course->base->search, sizeof course->base->search, "%s",
             planner->search->name);
    course->base->facts = planner->options.facts;
    course->base->n_threads = planner->options.n_threads;
    course->base->is_placed_greedily = !planner->options.allows_placement;
    if (planner->graph->hash != planner->graph->source_hash) /* it has parts to place */
        status = tess_split_order(planner->graph, course->base->order, error);
    course->problem = (struct tess_search_problem){planner->graph, &planner->options,
                                                   course->base->order};
    return status;
}

/* The exact order where its peak is lower than that of the graph's own; else one that keeps few
 * bytes alive over time, as tiles of early layers leave the peak to what waits. */
static enum tess_status find_other_order(struct tess_planner *planner,
                                         struct tess_error *error)
{
    int *order = planner->courses[OTHER_ORDER].base->order;
    const int *own = planner->courses[OWN_ORDER].base->order;
    int64_t own_ticks = tess_order_byte_ticks(planner->graph, own);
    int64_t peak = 0, own_peak = 0;
    enum tess_status status =
        tess_order_exact(planner->graph, own, order, &peak, &own_peak, error);
    planner->has_other_order = peak < own_peak;
    if (status != TESS_OK || planner->has_other_order)
        return status;
    status = tess_order_greedy(planner->graph, order, error);
    if (status == TESS_OK) {
        int64_t ticks = tess_order_byte_ticks(planner->graph, order);
        planner->has_other_order = ticks < own_ticks - own_ticks / REORDER_STEPS;
    }
    return status;
}

enum tess_status tess_planner_create(const struct tess_graph *graph,
                                     const struct tess_planner_options *options,
                                     struct tess_planner **planner_out,
                                     struct tess_error *error)
{
    const struct tess_search *search = tess_search_find(options->search);
    if (!search)
        return tess_error_set(error, TESS_E_USAGE, "unknown search \"%s\"",
                              options->search);
    struct tess_planner *planner = calloc(1, sizeof *planner);
    if (!planner)
        return tess_error_nomem(error);
    planner->graph = graph;
    planner->options = *options;
    planner->search = search;
    enum tess_status status = TESS_OK;
    for (int which = 0; which < N_ORDERS && status == TESS_OK; which++)
        status = start_course(planner, which, error);
    if (status == TESS_OK && search->tries_orders && options->allows_reorder)
        status = find_other_order(planner, error);
    if (status == TESS_OK)
        *planner_out = planner;
    else
        tess_planner_destroy(planner);
    return status;
}

void tess_planner_destroy(struct tess_planner *planner)
{
    if (!planner)
        return;
    for (int which = 0; which < N_ORDERS; which++) {
        if (planner->courses[which].state)
            planner->search->destroy(planner->courses[which].state);
        tess_plan_destroy(planner->courses[which].base);
    }
    for (int i = 0; i < planner->n_known; i++) {
        tess_proposal_destroy(planner->known[i].proposal);
        tess_proposal_destroy(planner->known[i].copied);
        tess_proposal_destroy(planner->known[i].reordered);
    }
    free(planner->known);
    free(planner);
}

/* ---- proposals ---- */

static uint64_t hash_of(const struct tess_group *groups, int n_groups)
{
    uint64_t hash = tess_hash_i64(TESS_HASH_START, n_groups);
    for (int i = 0; i < n_groups; i++) {
        hash = tess_hash_i64(hash, groups[i].first);
        hash = tess_hash_i64(hash, groups[i].tiling.n_rows);
        hash = tess_hash_i64(hash, groups[i].tiling.n_cols);
        hash = tess_hash_i64(hash, groups[i].tiling.halo);
    }
    return hash;
}

static enum tess_status add_known(struct tess_planner *planner, int course,
                                  const struct tess_group *groups, int n_groups,
                                  struct tess_error *error)
{
    if (planner->n_known == planner->capacity) {
        int capacity = planner->capacity ? 2 * planner->capacity : 64;
        struct known *larger = realloc(planner->known, sizeof *larger * (size_t)capacity);
        if (!larger)
            return tess_error_nomem(error);
        planner->known = larger;
        planner->capacity = capacity;
    }
    struct known *known = &planner->known[planner->n_known];
    *known = (struct known){.course = course, .hash = hash_of(groups, n_groups)};
    struct tess_plan *plan = tess_plan_copy(planner->courses[course].base);
    enum tess_status status = plan ? tess_plan_set_groups(plan, groups, n_groups, error)
                                   : tess_error_nomem(error);
    if (status != TESS_OK) {
        tess_plan_destroy(plan);
        return status;
    }
    bool can_stream =
        planner->search->can_stream && tess_planner_can_stream(&planner->options);
    status = tess_proposal_create(planner->graph, &planner->options, plan, can_stream,
                                  &known->proposal, error);
    planner->n_known += status == TESS_OK;
    return status;
}

/* Number of the proposal with these groups, laid out if it is new. */
static enum tess_status look_up(struct tess_planner *planner, int course,
                                const struct tess_group *groups, int n_groups,
                                int *index_out, struct tess_error *error)
{
    uint64_t hash = hash_of(groups, n_groups);
    for (int i = 0; i < planner->n_known; i++) {
        if (planner->known[i].course == course && planner->known[i].hash == hash) {
            *index_out = i;
            return TESS_OK;
        }
    }
    *index_out = planner->n_known;
    return add_known(planner, course, groups, n_groups, error);
}

static enum tess_status try_proposal(struct selection *selection,
                                     const struct tess_proposal *proposal, bool *fits_out,
                                     struct tess_error *error)
{
    struct tess_residency residency = {0};
    double time_us = INFINITY;
    if (!selection->smallest || proposal->least_bytes < selection->smallest->least_bytes)
        selection->smallest = proposal;
    if (selection->budget_bytes == 0 || proposal->least_bytes <= selection->budget_bytes)
        *fits_out = true;
    enum tess_status status =
        tess_proposal_fit(proposal, &selection->planner->options, selection->budget_bytes,
                          selection->best_us, &residency, &time_us, error);
    if (status == TESS_E_INFEASIBLE)
        return TESS_OK;
    if (status == TESS_OK && time_us < selection->best_us) {
        tess_residency_release(&selection->residency);
        selection->best = proposal;
        selection->best_us = time_us;
        selection->residency = residency;
        return TESS_OK;
    }
    tess_residency_release(&residency);
    return status;
}

/* What else the proposal could be where memory is tight: each tried once, and remembered. */
static enum tess_status make_variants(struct tess_planner *planner, struct known *known,
                                      struct tess_error *error)
{
    const struct tess_planner_options *options = &planner->options;
    enum tess_status status = TESS_OK;
    if (options->allows_copies && !known->has_tried_copies) {
        status = tess_proposal_copy_concats(planner->graph, options, known->proposal,
                                            &known->copied, error);
        known->has_tried_copies = status == TESS_OK;
    }
    if (status == TESS_OK && options->allows_reorder && planner->search->tries_orders &&
        !known->has_tried_orders) {
        status = tess_proposal_reorder(planner->graph, options,
                                       known->copied ? known->copied : known->proposal,
                                       &known->reordered, error);
        known->has_tried_orders = status == TESS_OK;
    }
    return status;
}

static enum tess_status consider(void *context, const struct tess_group *groups,
                                 int n_groups, struct tess_search_outcome *outcome_out,
                                 struct tess_error *error)
{
    struct selection *selection = context;
    struct tess_planner *planner = selection->planner;
    int64_t budget_bytes = selection->budget_bytes;
    int index;
    bool fits = false;
    enum tess_status status =
        look_up(planner, selection->course, groups, n_groups, &index, error);
    if (status == TESS_OK)
        status = try_proposal(selection, planner->known[index].proposal, &fits, error);
    if (status != TESS_OK)
        return status;
    struct known *known = &planner->known[index];
    bool is_tight = budget_bytes > 0 && known->proposal->plan->memory.peak > budget_bytes;
    if (is_tight)
        status = make_variants(planner, known, error);
    if (status == TESS_OK && is_tight && known->copied)
        status = try_proposal(selection, known->copied, &fits, error);
    if (status == TESS_OK && is_tight && known->reordered)
        status = try_proposal(selection, known->reordered, &fits, error);
    outcome_out->fits = fits;
    outcome_out->best_us = selection->best_us;
    return status;
}

/* ---- find ---- */

static enum tess_status search_course(struct selection *selection, int which,
                                      struct tess_error *error)
{
    struct tess_planner *planner = selection->planner;
    struct course *course = &planner->courses[which];
    struct tess_search_sink sink = {consider, selection};
    selection->course = which;
    if (!course->is_prepared && planner->search->create) {
        enum tess_status status =
            planner->search->create(&course->problem, &course->state, error);
        if (status != TESS_OK)
            return status;
    }
    course->is_prepared = true;
    return planner->search->propose(&course->problem, course->state,
                                    selection->budget_bytes, &sink, error);
}

static enum tess_status report_infeasible(const struct selection *selection,
                                          struct tess_error *error)
{
    const struct tess_proposal *smallest = selection->smallest;
    const struct tess_memory *memory = &smallest->plan->memory;
    char budget[32], weights[32], arena[32], base[32];
    int64_t process_bytes = memory->base + memory->threads + memory->input;
    tess_format_bytes(selection->budget_bytes, budget, sizeof budget);
    tess_format_bytes(smallest->least_bytes - process_bytes - memory->arena, weights,
                      sizeof weights);
    tess_format_bytes(memory->arena, arena, sizeof arena);
    tess_format_bytes(process_bytes, base, sizeof base);
    /* The next start may measure more base memory. Rounded up, so that the number printed works
     * when it is typed back. */
    int64_t smallest_bytes = smallest->least_bytes + TESS_BASE_SPREAD_BYTES;
    long long smallest_kib = (long long)((smallest_bytes + 1023) / 1024);
    int layer =
        selection->planner->graph->ops[smallest->plan->order[smallest->live_tick]].layer;
    tess_error_set(
        error, TESS_E_INFEASIBLE,
        "no plan fits %s; the smallest budget that works is %lldK (weights %s, "
        "process %s, activations %s, most of them at layer %d)",
        budget, smallest_kib, weights, base, arena, layer);
    tess_error_hint(error, "run again with --memory %lldK", smallest_kib);
    return TESS_E_INFEASIBLE;
}

static void report_on(const struct selection *selection,
                      struct tess_planner_report *report)
{
    const struct tess_planner *planner = selection->planner;
    const struct tess_proposal *smallest = selection->smallest;
    report->smallest_bytes = smallest->least_bytes + TESS_BASE_SPREAD_BYTES;
    report->limiting_layer =
        planner->graph->ops[smallest->plan->order[smallest->live_tick]].layer;
    report->n_evaluated = planner->n_known;
    for (int which = 0; which < N_ORDERS; which++)
        if (planner->courses[which].state && planner->search->n_evaluated)
            report->n_evaluated +=
                planner->search->n_evaluated(planner->courses[which].state);
}

enum tess_status tess_planner_find(struct tess_planner *planner, int64_t budget_bytes,
                                   struct tess_plan **plan_out,
                                   struct tess_planner_report *report_out,
                                   struct tess_error *error)
{
    struct selection selection = {
        .planner = planner, .budget_bytes = budget_bytes, .best_us = INFINITY};
    struct tess_plan *plan = NULL;
    enum tess_status status = search_course(&selection, OWN_ORDER, error);
    /* Without a budget the order does not matter. */
    if (status == TESS_OK && planner->has_other_order && budget_bytes > 0)
        status = search_course(&selection, OTHER_ORDER, error);
    if (status != TESS_OK)
        goto out;
    assert(selection.smallest);
    if (report_out)
        report_on(&selection, report_out);
    status = selection.best
                 ? tess_proposal_plan(planner->graph, &planner->options, selection.best,
                                      &selection.residency, &plan, error)
                 : report_infeasible(&selection, error);
    if (status == TESS_OK) {
        plan->budget_bytes = budget_bytes;
        assert(budget_bytes == 0 || plan->memory.peak <= budget_bytes);
        *plan_out = plan;
    }
out:
    tess_residency_release(&selection.residency);
    return status;
}

enum tess_status tess_planner_plan(const struct tess_graph *graph,
                                   const struct tess_planner_options *options,
                                   struct tess_plan **plan_out,
                                   struct tess_planner_report *report_out,
                                   struct tess_error *error)
{
    struct tess_planner *planner = NULL;
    enum tess_status status = tess_planner_create(graph, options, &planner, error);
    if (status == TESS_OK)
        status = tess_planner_find(planner, options->budget_bytes, plan_out, report_out,
                                   error);
    tess_planner_destroy(planner);
    return status;
}
