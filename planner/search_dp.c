/* Problem: over all ways to cut the schedule into segments and all tilings of each, and all
 * choices of the weights that are held, find the fastest plan for a budget.
 *
 * Method: once, a table of all segments and tilings (planner/table.h), and of it the paths that
 * can be best for some budget (planner/paths.h). For a budget: a bound on the time of each path,
 * from its peak and from what prices say of its weights; paths are proposed by rising bound
 * until the bound is no better than what was found. A proposal comes back with its exact
 * memory, which sharing makes larger or smaller than the path's, and the exact choice of weights.
 * If nothing fits, the paths with the least peaks are proposed, so that the smallest budget that
 * works is known and works.
 *
 * Invariant: which paths are proposed depends on graph, options and budget only.
 *
 * Cost: the table dominates; a budget costs some tens of layouts.
 *
 * Worked example: paths (peak 10 MB, 5 ms) and (peak 4 MB, 6 ms), 20 MB of weights that take 2 ms
 * to stream. With 26 MB the first would have 16 MB left for weights: 5 ms + 2 ms * 4 / 20 = 5.4;
 * the second holds them all: 6. The first is proposed, and found to take 5.5 ms with its slots;
 * 6 is no better.
 *
 * Not done: orders; the planner runs the search once for each it wants tried.
 */
#include "planner/search.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "plan/slices.h"
#include "planner/paths.h"
#include "planner/table.h"

/* TUNING: with more proposals than these no plan of the darknet networks got faster by 0.1 %, or
 * the smallest smaller by 1 % (2026-11). */
enum { MAX_PROPOSALS = 48, MAX_SMALL_PROPOSALS = 48, HOPED_PART = 8 };
static const double worth_trying = 0.9995;

struct dp {
    struct tess_table table;
    struct tess_paths paths;
    int64_t fixed_bytes; /* of every plan: all but arena, workspaces, weights and slots */
    int64_t weights_bytes;
    int64_t slots_bytes; /* of the smallest slices of all weights, and their reader */
    int64_t least_slots_bytes; /* of the smallest slices of any weights */
};

/* A path as a budget sees it. */
struct rank {
    int path;
    double bound_us;
    int64_t bytes; /* activations and workspaces */
};

static enum tess_status find_fixed(struct dp *dp,
                                   const struct tess_search_problem *problem,
                                   struct tess_error *error)
{
    const struct tess_graph *graph = problem->graph;
    const struct tess_kernel_facts *facts = &problem->options->facts;
    struct tess_plan *plan = NULL;
    enum tess_status status = tess_plan_create(graph, &plan, error);
    if (status != TESS_OK)
        return status;
    plan->facts = *facts;
    plan->n_threads = problem->options->n_threads;
    status = tess_planner_predict(graph, problem->options, plan, error);
    const struct tess_memory *memory = &plan->memory;
    dp->fixed_bytes = memory->peak - memory->arena - memory->workspace - memory->weights;
    dp->weights_bytes = memory->weights;
    tess_plan_destroy(plan);
    int64_t least_block_bytes = dp->table.most_block_bytes;
    for (int op = 0; op < graph->n_ops; op++)
        if (dp->table.most_block_bytes > 0 && tess_op_has_weights(&graph->ops[op]))
            least_block_bytes =
                tess_min_i64(least_block_bytes, tess_packed_block_bytes(graph, op));
    dp->slots_bytes = tess_slices_window_bytes(facts, dp->table.most_block_bytes,
                                               dp->table.most_block_bytes);
    dp->least_slots_bytes =
        tess_slices_window_bytes(facts, least_block_bytes, least_block_bytes);
    return status;
}

static void destroy(void *state)
{
    struct dp *dp = state;
    tess_paths_release(&dp->paths);
    tess_table_release(&dp->table);
    free(dp);
}

static enum tess_status create(const struct tess_search_problem *problem,
                               void **state_out, struct tess_error *error)
{
    struct dp *dp = calloc(1, sizeof *dp);
    if (!dp)
        return tess_error_nomem(error);
    enum tess_status status = tess_table_init(&dp->table, problem, error);
    if (status == TESS_OK)
        status = tess_paths_init(&dp->paths, &dp->table, error);
    if (status == TESS_OK)
        status = find_fixed(dp, problem, error);
    if (status == TESS_OK)
        *state_out = dp;
    else
        destroy(dp);
    return status;
}

static int n_evaluated(const void *state)
{
    return ((const struct dp *)state)->table.n_evaluated;
}

static double bound_us(const struct dp *dp, int path, int64_t budget_bytes)
{
    const struct tess_path *of = &dp->paths.paths[path];
    int64_t room = budget_bytes - dp->fixed_bytes - of->peak_bytes - of->workspace_bytes;
    if (budget_bytes == 0 || room >= dp->weights_bytes)
        return of->time_us;
    if (dp->table.most_block_bytes == 0 || room < dp->least_slots_bytes)
        return INFINITY;
    return of->time_us +
           tess_paths_bound_us(&dp->paths, path, tess_max_i64(0, room - dp->slots_bytes));
}

static int compare_ranks(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->bound_us < y->bound_us || x->bound_us > y->bound_us)
        return x->bound_us < y->bound_us ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    return x->path - y->path;
}

static enum tess_status propose_path(const struct dp *dp, int path,
                                     const struct tess_search_sink *sink,
                                     struct tess_group *groups,
                                     struct tess_search_outcome *outcome_out,
                                     struct tess_error *error)
{
    const struct tess_path *of = &dp->paths.paths[path];
    for (int i = 0; i < of->n_entries; i++) {
        const struct tess_table_entry *entry =
            &dp->table.entries[dp->paths.entries[of->first_entry + i]];
        const struct tess_table_segment *segment = &dp->table.segments[entry->segment];
        groups[i] = (struct tess_group){
            .first = segment->first, .last = segment->last, .tiling = entry->tiling};
    }
    return sink->propose(sink->context, groups, of->n_entries, outcome_out, error);
}

/* By rising bound, until the next could not be faster, and at most so many from the first that
 * counts on. */
static enum tess_status propose_ranked(const struct dp *dp, struct rank *ranks,
                                       const struct tess_search_sink *sink,
                                       struct tess_group *groups,
                                       struct tess_search_outcome *outcome,
                                       struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int n_left = MAX_PROPOSALS;
    qsort(ranks, (size_t)dp->paths.n_paths, sizeof *ranks, compare_ranks);
    for (int i = 0; i < dp->paths.n_paths && n_left > 0 && status == TESS_OK; i++) {
        if (ranks[i].bound_us >= outcome->best_us * worth_trying)
            break;
        status = propose_path(dp, ranks[i].path, sink, groups, outcome, error);
        n_left -= outcome->best_us < (double)INFINITY;
    }
    return status;
}

static enum tess_status propose_small(const struct dp *dp, struct rank *ranks,
                                      const struct tess_search_sink *sink,
                                      struct tess_group *groups, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int n = tess_min_int(dp->paths.n_paths, MAX_SMALL_PROPOSALS);
    for (int i = 0; i < dp->paths.n_paths; i++)
        ranks[i].bound_us = 0;
    qsort(ranks, (size_t)dp->paths.n_paths, sizeof *ranks, compare_ranks);
    for (int i = 0; i < n && status == TESS_OK; i++) {
        struct tess_search_outcome outcome;
        status = propose_path(dp, ranks[i].path, sink, groups, &outcome, error);
    }
    return status;
}

/* Ranks for a budget. With `hopes`, those that fit only if sharing makes them smaller than they
 * look, the others not. */
static void rank_paths(const struct dp *dp, int64_t budget_bytes, bool hopes,
                       struct rank *ranks)
{
    for (int i = 0; i < dp->paths.n_paths; i++) {
        const struct tess_path *path = &dp->paths.paths[i];
        double us = bound_us(dp, i, budget_bytes);
        if (hopes)
            us = us < (double)INFINITY
                     ? INFINITY
                     : bound_us(dp, i, budget_bytes + path->peak_bytes / HOPED_PART);
        ranks[i] = (struct rank){i, us, path->peak_bytes + path->workspace_bytes};
    }
}

static enum tess_status propose(const struct tess_search_problem *problem, void *state,
                                int64_t budget_bytes, const struct tess_search_sink *sink,
                                struct tess_error *error)
{
    const struct dp *dp = state;
    enum tess_status status = TESS_OK;
    struct tess_search_outcome outcome = {false, INFINITY};
    struct tess_group *groups = calloc((size_t)problem->graph->n_ops, sizeof *groups);
    struct rank *ranks = calloc((size_t)dp->paths.n_paths, sizeof *ranks);
    if (!groups || !ranks)
        status = tess_error_nomem(error);
    for (int hopes = 0; hopes < 2 && status == TESS_OK; hopes++) {
        rank_paths(dp, budget_bytes, hopes, ranks);
        status = propose_ranked(dp, ranks, sink, groups, &outcome, error);
    }
    if (status == TESS_OK && outcome.best_us >= (double)INFINITY)
        status = propose_small(dp, ranks, sink, groups, error);
    free(ranks);
    free(groups);
    return status;
}

const struct tess_search tess_search_dp = {
    .name = "dp",
    .description =
        "any cuts, tilings and streamed weights, dynamic programming (default)",
    .tries_orders = true,
    .can_stream = true,
    .create = create,
    .propose = propose,
    .n_evaluated = n_evaluated,
    .destroy = destroy,
};
