/* Problem: the order with the least peak, as SERENITY finds it.
 *
 * Method: divide: at tasks that every other task must precede or follow, every order passes
 * through the same states, so the parts between them are ordered by themselves. Conquer:
 * dynamic programming over states (levels.h) with a soft budget: states on whose way more is
 * alive are dropped. The budget begins at the peak of Kahn's order; too many states on a level:
 * down, half-way to the last that was too small; no order within it: up, half-way to the last
 * that had too many. When the two meet, levels may be larger.
 *
 * Invariant: no order of the part is within the largest budget that had none.
 *
 * Cost: exponential in the width of a part, at worst; see levels.h.
 *
 * Worked example: a task of the part holds 40 in any case, Kahn's peak is 100: too many. 69: too
 * many. 54: none. 61: solved, peak 60.
 *
 * Not done, here: graph rewriting. The published limit is wall time per level; ours is a number of
 * states, so that the same graph gives the same order.
 *
 * Reference: Ahn et al., MLSys 2020, sections 3.2 and 3.3.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "schedule/frontier.h"
#include "schedule/levels.h"
#include "schedule/ordering.h"
#include "schedule/peak.h"

/* TUNING: 20000 states take about 0.1 s per level; most cells need fewer (2026-11). */
enum { START_STATES = 20000, MAX_PART = 1 << 14 };

struct serenity {
    const struct tess_task_graph *graph;
    struct tess_levels levels;
    int *segment;        /* [n_tasks] */
    int64_t *task_bytes; /* [n_tasks] of the order that we begin with */
    int64_t lower_bytes;
};

/* Marks in is_cut [n_tasks] the places of the order at which the only ready task is, from both
 * ends. */
static enum tess_status find_cuts(const struct tess_chains *singles, const int *order,
                                  bool *is_cut, struct tess_error *error)
{
    int n_tasks = singles->n_chains;
    for (int i = 0; i < n_tasks; i++)
        is_cut[i] = true;
    for (int is_backward = 0; is_backward < 2; is_backward++) {
        struct tess_frontier frontier;
        enum tess_status status =
            tess_frontier_init(&frontier, singles, is_backward, error);
        for (int i = 0; i < n_tasks && status == TESS_OK; i++) {
            int at = is_backward ? n_tasks - 1 - i : i;
            is_cut[at] = is_cut[at] && frontier.n_ready == 1;
            tess_frontier_run(&frontier, order[at]);
        }
        tess_frontier_release(&frontier);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

/* Orders one part, in place. If it cannot, the order stays and the bound is what is proven. */
static enum tess_status solve_part(struct serenity *serenity, int *order, int begin,
                                   int end, struct tess_error *error)
{
    struct tess_levels *levels = &serenity->levels;
    int64_t none = serenity->lower_bytes - 1, too_many = INT64_MAX, peak = 0;
    enum tess_levels_answer answer = TESS_LEVELS_NO_ROOM;
    levels->begin = begin;
    levels->end = end;
    levels->limit_states = START_STATES;
    levels->budget_bytes = 0;
    for (int i = begin; i < end; i++)
        levels->budget_bytes =
            tess_max_i64(levels->budget_bytes, serenity->task_bytes[i]);
    int64_t upper = levels->budget_bytes;
    if (upper <= serenity->lower_bytes || end - begin > MAX_PART)
        return TESS_OK;
    for (;;) {
        enum tess_status status =
            tess_levels_solve(levels, serenity->segment, &peak, &answer, error);
        if (status != TESS_OK)
            return status;
        if (answer == TESS_LEVELS_SOLVED || answer == TESS_LEVELS_NO_ROOM)
            break;
        if (answer == TESS_LEVELS_NONE)
            none = levels->budget_bytes;
        else
            too_many = levels->budget_bytes;
        assert(none < upper);
        if (none + 1 < too_many) {
            levels->budget_bytes = none + (too_many - none) / 2;
            continue;
        }
        /* They met: up again, with larger levels if these were too small. */
        if (answer == TESS_LEVELS_TOO_MANY)
            levels->limit_states *= 4;
        too_many = tess_min_i64(upper, too_many + (upper - too_many + 1) / 2);
        levels->budget_bytes = too_many;
    }
    if (answer == TESS_LEVELS_SOLVED) {
        memcpy(order + begin, serenity->segment, sizeof *order * (size_t)(end - begin));
        none = peak - 1;
    }
    serenity->lower_bytes = tess_max_i64(serenity->lower_bytes, none + 1);
    return TESS_OK;
}

static enum tess_status solve_parts(struct serenity *serenity, int *order,
                                    const bool *is_cut, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int begin = 0, at = 0; at < serenity->graph->n_tasks && status == TESS_OK; at++)
        if (is_cut[at] || at + 1 == serenity->graph->n_tasks) {
            /* A part ends with the task that it is cut at. */
            status = solve_part(serenity, order, begin, at + 1, error);
            begin = at + 1;
        }
    return status;
}

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    size_t n = (size_t)graph->n_tasks + 1;
    struct tess_chains singles;
    struct serenity serenity = {.graph = graph};
    int *order = malloc(sizeof *order * n);
    bool *is_cut = malloc(sizeof *is_cut * n);
    serenity.segment = malloc(sizeof *serenity.segment * n);
    serenity.task_bytes = malloc(sizeof *serenity.task_bytes * n);
    enum tess_status status = tess_chains_single(&singles, graph, error);
    if (status == TESS_OK &&
        (!order || !is_cut || !serenity.segment || !serenity.task_bytes))
        status = tess_error_nomem(error);
    if (status == TESS_OK)
        status = tess_method_kahn.run(graph, limits, result_out, error);
    if (status != TESS_OK)
        goto out;
    memcpy(order, result_out->order, sizeof *order * (size_t)graph->n_tasks);
    int64_t peak;
    status = tess_peak_of_order(graph, order, &peak, serenity.task_bytes, error);
    serenity.lower_bytes = tess_peak_trivial_bound(graph);
    serenity.levels =
        (struct tess_levels){.singles = &singles,
                             .order = order,
                             .memory_bytes = limits->memory_bytes,
                             .deadline_us = tess_clock_us() + limits->seconds * 1e6};
    if (status == TESS_OK)
        status = find_cuts(&singles, order, is_cut, error);
    if (status == TESS_OK)
        status = solve_parts(&serenity, result_out->order, is_cut, error);
    result_out->n_expanded = serenity.levels.n_states;
    if (status == TESS_OK)
        status = tess_order_result_finish(graph, serenity.lower_bytes, "search",
                                          result_out, error);
    if (status == TESS_OK && !result_out->is_proven)
        result_out->closed_by = "limit";
out:
    free(order);
    free(is_cut);
    free(serenity.segment);
    free(serenity.task_bytes);
    tess_chains_release(&singles);
    return status;
}

const struct tess_order_method tess_method_serenity = {
    .name = "serenity",
    .description = "dynamic programming over sets of tasks, divided, within soft budgets",
    .run = run,
};
