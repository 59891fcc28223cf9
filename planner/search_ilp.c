/* Problem: the same as search_dp.c, solved by an integer linear programme instead: an independent
 * certificate for the dynamic programme.
 *
 * Method: one binary x_s per segment and tiling; segments chain from the first op to the last,
 * which is a unit flow through the cut points 0..n:
 *     sum of x_s leaving 0 = 1;  for 0 < k < n: leaving k = entering k           (1)
 *     P >= peak_s x_s for every s                                                (2)
 *     P + sum workspace_s x_s <= available                                       (3)
 *     minimise sum time_s x_s                                                    (4)
 * If (1)-(3) have no solution, P + sum workspace_s x_s is minimised instead, which proposes the
 * smallest plan. Where sharing of storages makes the exact peak differ from (2), the limit in (3)
 * is lowered by the difference and the programme solved again.
 *
 * Columns of type (2) that exceed the limit by themselves are left out. The solver stops at a
 * time limit and then gives its best plan so far.
 *
 * Cost: exponential at worst; some seconds for networks of 30 ops. Memory: proportional to
 * segments * tilings.
 *
 * Not done: long networks (use dp); orders other than the graph's own.
 *
 * Not in a build without a solver: then it is listed, and says so when asked (solver/milp.h).
 */
#include "planner/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "planner/segment.h"
#include "solver/milp.h"

/* TUNING: YOLOv2's 31 ops give 4000 columns and need under 10 s at any budget (2026-11). */
enum { MAX_SEGMENT_OPS = 24, TIME_LIMIT_SECONDS = 60, MAX_ROUNDS = 8 };

struct column {
    int first, last;
    struct tess_tiling tiling;
    struct tess_segment_cost cost;
};

struct programme {
    const struct tess_graph *graph;
    struct column *columns;
    int n_columns, capacity;
    int n_evaluated;
};

static enum tess_status add_column(struct programme *programme,
                                   const struct column *column, struct tess_error *error)
{
    if (programme->n_columns == programme->capacity) {
        int capacity = programme->capacity ? 2 * programme->capacity : 256;
        struct column *columns =
            realloc(programme->columns, sizeof *columns * (size_t)capacity);
        if (!columns)
            return tess_error_nomem(error);
        programme->columns = columns;
        programme->capacity = capacity;
    }
    programme->columns[programme->n_columns++] = *column;
    return TESS_OK;
}

static enum tess_status add_segment(struct programme *programme,
                                    struct tess_segmenter *segmenter, int first, int last,
                                    struct tess_error *error)
{
    struct tess_tiling tilings[TESS_SEGMENT_MAX_TILINGS];
    int n_tilings = tess_segment_tilings(segmenter, first, last, tilings);
    enum tess_status status = TESS_OK;
    for (int i = 0; i < n_tilings && status == TESS_OK; i++) {
        struct column column = {.first = first, .last = last, .tiling = tilings[i]};
        status = tess_segment_evaluate(segmenter, first, last, tilings[i], &column.cost,
                                       error);
        if (status == TESS_OK)
            status = add_column(programme, &column, error);
    }
    return status;
}

static enum tess_status add_columns(struct programme *programme,
                                    struct tess_segmenter *segmenter,
                                    struct tess_error *error)
{
    const struct tess_graph *graph = programme->graph;
    for (int first = 0; first < graph->n_ops; first++) {
        for (int last = first; last < graph->n_ops && last - first < MAX_SEGMENT_OPS;
             last++) {
            if (first < last && !tess_segment_can_tile(segmenter, first, last))
                break;
            enum tess_status status =
                add_segment(programme, segmenter, first, last, error);
            if (status != TESS_OK)
                return status;
        }
    }
    return TESS_OK;
}

/* Columns 0..n_columns - 1 are the segments, n_columns is P. */
static void add_flow_row(const struct programme *programme, struct tess_milp *milp,
                         int cut)
{
    tess_milp_begin_row(milp, cut == 0, cut == 0); /* equation (1) */
    for (int i = 0; i < programme->n_columns; i++) {
        const struct column *column = &programme->columns[i];
        int weight = (column->first == cut) - (column->last + 1 == cut);
        if (weight != 0)
            tess_milp_add_term(milp, i, weight);
    }
}

static void add_memory_rows(const struct programme *programme, struct tess_milp *milp,
                            double available)
{
    int peak = programme->n_columns;
    for (int i = 0; i < programme->n_columns; i++) { /* equation (2) */
        tess_milp_begin_row(milp, 0, INFINITY);
        tess_milp_add_term(milp, i, -(double)programme->columns[i].cost.peak_bytes);
        tess_milp_add_term(milp, peak, 1);
    }
    if (available <= 0)
        return;
    tess_milp_begin_row(milp, -INFINITY, available); /* equation (3) */
    for (int i = 0; i < programme->n_columns; i++)
        tess_milp_add_term(milp, i, (double)programme->columns[i].cost.workspace_bytes);
    tess_milp_add_term(milp, peak, 1);
}

static void build(const struct programme *programme, double available, bool for_memory,
                  struct tess_milp *milp)
{
    for (int i = 0; i < programme->n_columns; i++) {
        const struct tess_segment_cost *cost = &programme->columns[i].cost;
        bool is_too_big = available > 0 && (double)cost->peak_bytes > available;
        tess_milp_add_column(milp, 0, is_too_big ? 0 : 1, true,
                             for_memory ? (double)cost->workspace_bytes : cost->time_us);
    }
    tess_milp_add_column(milp, 0, INFINITY, false, for_memory ? 1 : 0);
    for (int cut = 0; cut < programme->graph->n_ops; cut++)
        add_flow_row(programme, milp, cut);
    add_memory_rows(programme, milp, available);
}

/* Lists the chosen groups in order. Returns their number, 0 if they are no path: a broken solution
 * is no solution. */
static int read_groups(const struct programme *programme, const struct tess_milp *milp,
                       struct tess_group *groups)
{
    int n_groups = 0;
    for (int at = 0; at < programme->graph->n_ops;) {
        int next = at;
        for (int i = 0; i < programme->n_columns && next == at; i++) {
            const struct column *column = &programme->columns[i];
            if (column->first == at && tess_milp_value(milp, i) > 0.5) {
                groups[n_groups++] = (struct tess_group){
                    .first = at, .last = column->last, .tiling = column->tiling};
                next = column->last + 1;
            }
        }
        if (next == at)
            return 0;
        at = next;
    }
    return n_groups;
}

/* Solves; *n_groups_out is 0 if there is no plan. */
static enum tess_status solve(const struct programme *programme, double available,
                              bool for_memory, struct tess_group *groups,
                              int *n_groups_out, struct tess_error *error)
{
    struct tess_milp *milp = NULL;
    struct tess_milp_limits limits;
    struct tess_milp_result result;
    enum tess_status status = tess_milp_create(&milp, error);
    if (status != TESS_OK)
        return status;
    build(programme, available, for_memory, milp);
    tess_milp_limits_init(&limits);
    limits.seconds = TIME_LIMIT_SECONDS;
    limits.without_cuts = true;
    status = tess_milp_solve(milp, &limits, &result, error);
    if (status == TESS_OK)
        *n_groups_out = result.has_solution ? read_groups(programme, milp, groups) : 0;
    tess_milp_destroy(milp);
    return status;
}

/* What the activations and workspaces may take: the budget less what every plan needs. */
static enum tess_status find_available(const struct tess_graph *graph,
                                       const struct tess_planner_options *options,
                                       int64_t budget_bytes, int64_t *available_out,
                                       struct tess_error *error)
{
    struct tess_plan *plan = NULL;
    *available_out = 0;
    if (budget_bytes == 0)
        return TESS_OK;
    enum tess_status status = tess_plan_create(graph, &plan, error);
    if (status == TESS_OK) {
        plan->facts = options->facts;
        plan->n_threads = options->n_threads;
        status = tess_planner_predict(graph, options, plan, error);
    }
    if (status == TESS_OK) {
        const struct tess_memory *memory = &plan->memory;
        int64_t fixed = memory->peak - memory->arena - memory->workspace;
        *available_out = tess_max_i64(1, budget_bytes - fixed);
    }
    tess_plan_destroy(plan);
    return status;
}

static enum tess_status solve_rounds(const struct programme *programme, int64_t available,
                                     const struct tess_search_sink *sink,
                                     struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    struct tess_search_outcome outcome = {0};
    struct tess_group *groups = calloc((size_t)programme->graph->n_ops, sizeof *groups);
    if (!groups)
        return tess_error_nomem(error);
    int64_t limit = available;
    for (int round = 0; round < MAX_ROUNDS && status == TESS_OK && !outcome.fits;
         round++) {
        int n_groups = 0;
        status = solve(programme, (double)limit, false, groups, &n_groups, error);
        if (status != TESS_OK || n_groups == 0)
            break;
        status = sink->propose(sink->context, groups, n_groups, &outcome, error);
        limit -= tess_max_i64(1, limit / 50); /* sharing made it larger: ask for less */
    }
    if (status == TESS_OK && !outcome.fits) {
        int n_groups = 0;
        status = solve(programme, 0, true, groups, &n_groups, error);
        if (status == TESS_OK && n_groups > 0)
            status = sink->propose(sink->context, groups, n_groups, &outcome, error);
        else if (status == TESS_OK)
            status =
                tess_error_set(error, TESS_E_INTERNAL,
                               "the solver found no plan at all within its time limit");
    }
    free(groups);
    return status;
}

static void destroy(void *state)
{
    struct programme *programme = state;
    free(programme->columns);
    free(programme);
}

static enum tess_status create(const struct tess_search_problem *problem,
                               void **state_out, struct tess_error *error)
{
    struct tess_segmenter segmenter;
    struct programme *programme = calloc(1, sizeof *programme);
    if (!programme)
        return tess_error_nomem(error);
    programme->graph = problem->graph;
    enum tess_status status = tess_segmenter_init(&segmenter, problem, error);
    if (status == TESS_OK) {
        status = add_columns(programme, &segmenter, error);
        programme->n_evaluated = segmenter.n_evaluated;
        tess_segmenter_release(&segmenter);
    }
    if (status == TESS_OK)
        *state_out = programme;
    else
        destroy(programme);
    return status;
}

static enum tess_status propose(const struct tess_search_problem *problem, void *state,
                                int64_t budget_bytes, const struct tess_search_sink *sink,
                                struct tess_error *error)
{
    int64_t available = 0;
    enum tess_status status =
        find_available(problem->graph, problem->options, budget_bytes, &available, error);
    return status == TESS_OK ? solve_rounds(state, available, sink, error) : status;
}

static int n_evaluated(const void *state)
{
    return ((const struct programme *)state)->n_evaluated;
}

const struct tess_search tess_search_ilp = {
    .name = "ilp",
    .description = "the same groups from an integer programme: a check of dp, slow",
    .can_stream = true,
    .create = create,
    .propose = propose,
    .n_evaluated = n_evaluated,
    .destroy = destroy,
};
