/* Problem: the cheapest runs along a timeline that keep to the budget, as an integer programme.
 *
 * Method: binary r[v,p]: task v runs again at moment p. For the points of a tensor's line, in
 * order, i - 1 before i: h[i]: it is held from the one to the other, also just before a run at i.
 * At a use it must be there; at a chance it is there if h[i] + r[i] >= 1. With only one output of
 * the task h[i] = 1 - r[i] at a use, or 1 if no run is there: no column.
 *     h[i] <= h[i-1] + r[i-1]          if i-1 is a chance: what is held was there          (1)
 *     h[i] + r[i] >= 1                 if i is a use                                       (2)
 *     r[v,p] <= h[i] + r[i]            for each input of v with a chance i at p;
 *     r[v,p] <= h[i]                   if it has no point at p, i being the next one       (3)
 *     sum over p of r[v,p] <= most_runs - 1                                                (4)
 * Given r, the least h are 0 or 1, and less is never worse: they need not be declared integers.
 * Memory while the task at place q runs: its inputs and outputs, and
 *     sum of size * h[i] over segments i that cover q                                      (5)
 * from the place after a use, or the moment of a chance, to the moment of i, exclusive. If it may
 * overwrite an input u that has no use after q, or whose next point's h is a column, then less
 * size[u] * (1 - h[next point of u]).
 * Memory while runs happen at moment p, in the order of the tasks' places, after the k-th:  (6)
 *     segments that cover p: size * h; a point there that is a use: h, and r if its place among
 *     the runs is <= k; a chance, as long as a run after the k-th - 1 reads it: the same; after
 *     its last possible reader: h of the next segment.
 * There is one row for each k after which something may be dropped, and the last: between two of
 * them memory only rises. Runs at moments do not count as overwriting.
 * Rows that cannot exceed the budget are left out.
 *
 * Exactness: every solution is a sequence within the budget: (5) and (6) count no less than
 * remat/sequence.h does, more only where a run overwrites, where a chance's later readers do not
 * run, and by rounding sizes up to units.
 *
 * Cost: r: the runs of the timeline. Rows of memory: places and moments, times what lies across.
 *
 * Worked example: of gap_timeline.c, x of 4 bytes, y of 1, all outputs of c and d 1, budget 5:
 * r = r[a,3]. Place 1 (b): x + y = 5. Place 2 (c): 1 + 1 + 4 (1 - r) <= 5: r = 1. Moment 3: x is a
 * use: 4 (1 - r) + 4 r = 4. Place 3 (d): 4 + 1 = 5. The sequence is a b c a d.
 *
 * Not done: two runs of one task at one moment.
 *
 * Reference: the gaps are those of retention intervals (Moccasin, ICML 2023); with a point at every
 * moment of every line this would be Checkmate's programme (MLSys 2020).
 */
#include "remat/gap_programme.h"

#include "remat/gap_programme_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "schedule/peak.h"

/* ---- columns ---- */

static bool is_only_output(const struct tess_gap_programme *programme, int tensor)
{
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    return graph->tasks[graph->tensors[tensor].producers[0]].n_outputs == 1;
}

/* Does being held until this point have a column of its own? At a use it does not: what is not
 * computed there is held; unless the run is worth it for the sake of another output. */
static bool has_hold_column(const struct tess_gap_programme *programme, int tensor, int i)
{
    const struct tess_gap_point *point = &tess_gap_line_of(programme, tensor)->points[i];
    return !point->is_use || (point->run >= 0 && !is_only_output(programme, tensor));
}

struct tess_gap_amount tess_gap_hold(const struct tess_gap_programme *programme,
                                     int tensor, int i)
{
    const struct tess_gap_line *line = tess_gap_line_of(programme, tensor);
    if (i >= line->n_points)
        return tess_gap_nothing;
    if (has_hold_column(programme, tensor, i))
        return tess_gap_column(programme->first_hold[tensor] + i);
    if (line->points[i].run < 0)
        return tess_gap_always;
    return (struct tess_gap_amount){1, -1, line->points[i].run};
}

static struct tess_gap_amount run_of(const struct tess_gap_point *point)
{
    return point->run >= 0 ? tess_gap_column(point->run) : tess_gap_nothing;
}

static void add_columns(struct tess_gap_programme *programme, bool is_relaxed,
                        const bool *is_off)
{
    const struct tess_gap_timeline *timeline = programme->timeline;
    const struct tess_remat_problem *problem = timeline->problem;
    for (int i = 0; i < timeline->n_runs; i++)
        tess_milp_add_column(programme->milp, timeline->runs[i].is_fixed,
                             !(is_off && is_off[i]), !is_relaxed,
                             (double)problem->costs[timeline->runs[i].task] /
                                 programme->units.cost);
    for (int tensor = 0; tensor < problem->graph->n_tensors; tensor++) {
        int n = timeline->lines[tensor].n_points;
        bool has_any = false;
        for (int i = 0; i < n; i++)
            has_any |= has_hold_column(programme, tensor, i);
        programme->first_hold[tensor] = tess_milp_n_columns(programme->milp);
        for (int i = 0; i < n && has_any; i++)
            tess_milp_add_column(programme->milp, 0,
                                 has_hold_column(programme, tensor, i), false, 0);
    }
}

/* ---- rows of what must be there ---- */

static void add_amount(struct tess_milp *milp, struct tess_gap_amount amount, double sign)
{
    if (amount.column >= 0)
        tess_milp_add_term(milp, amount.column, sign * amount.weight);
}

/* a <= b + c */
static void emit_at_most(struct tess_milp *milp, struct tess_gap_amount a,
                         struct tess_gap_amount b, struct tess_gap_amount c)
{
    double most = a.constant + fmax(0, a.weight);
    double least = b.constant + fmin(0, b.weight) + c.constant + fmin(0, c.weight);
    if (most <= least)
        return;
    tess_milp_begin_row(milp, -INFINITY, b.constant + c.constant - a.constant);
    add_amount(milp, a, 1);
    add_amount(milp, b, -1);
    add_amount(milp, c, -1);
}

/* (1) and (2): what is held was there; what is used is held or computed. */
static void emit_line(struct tess_gap_programme *programme, int tensor)
{
    const struct tess_gap_line *line = tess_gap_line_of(programme, tensor);
    for (int i = 0; i < line->n_points; i++) {
        const struct tess_gap_point *point = &line->points[i];
        if (i > 0 && !line->points[i - 1].is_use)
            emit_at_most(programme->milp, tess_gap_hold(programme, tensor, i),
                         tess_gap_hold(programme, tensor, i - 1), run_of(point - 1));
        if (point->is_use && has_hold_column(programme, tensor, i))
            emit_at_most(programme->milp, tess_gap_always,
                         tess_gap_hold(programme, tensor, i), run_of(point));
    }
}

/* (3): what a run reads is there at its moment. */
static void emit_needs(struct tess_gap_programme *programme, int run)
{
    const struct tess_gap_run *what = &programme->timeline->runs[run];
    const struct tess_task *task =
        &programme->timeline->problem->graph->tasks[what->task];
    for (int i = 0; i < task->n_inputs; i++) {
        const struct tess_gap_line *line = tess_gap_line_of(programme, task->inputs[i]);
        int at = tess_gap_line_find(line, what->moment);
        if (line->is_fixed && line->death >= what->moment)
            continue;
        assert(at < line->n_points);
        const struct tess_gap_point *point = &line->points[at];
        if (point->moment == what->moment && point->is_use)
            continue;
        emit_at_most(programme->milp, tess_gap_column(run),
                     tess_gap_hold(programme, task->inputs[i], at),
                     point->moment == what->moment ? run_of(point) : tess_gap_nothing);
    }
}

/* (4): no task runs too often. */
static enum tess_status emit_most_runs(struct tess_gap_programme *programme,
                                       struct tess_error *error)
{
    const struct tess_gap_timeline *timeline = programme->timeline;
    const struct tess_remat_problem *problem = timeline->problem;
    int n = problem->graph->n_tasks;
    int *n_runs = calloc((size_t)n + 1, sizeof *n_runs);
    if (!n_runs)
        return tess_error_nomem(error);
    for (int i = 0; i < timeline->n_runs; i++)
        n_runs[timeline->runs[i].task]++;
    for (int task = 0; task < n; task++) {
        if (n_runs[task] < problem->most_runs)
            continue;
        const struct tess_gap_line *line =
            tess_gap_line_of(programme, problem->graph->tasks[task].outputs[0]);
        tess_milp_begin_row(programme->milp, -INFINITY, problem->most_runs - 1);
        for (int i = 0; i < line->n_points; i++)
            if (line->points[i].run >= 0)
                tess_milp_add_term(programme->milp, line->points[i].run, 1);
    }
    free(n_runs);
    return TESS_OK;
}

/* ---- solutions ---- */

/* Does a run of this moment that happens read the tensor? */
static bool is_read(const struct tess_gap_programme *programme, int tensor, int p,
                    const double *values)
{
    const struct tess_gap_moment *moment = &programme->moments[p];
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    for (int k = 0; k < moment->n_runs; k++) {
        int run = programme->by_moment[moment->first_run + k];
        const struct tess_task *task = &graph->tasks[programme->timeline->runs[run].task];
        for (int i = 0; i < task->n_inputs && values[run] > 0.5; i++)
            if (task->inputs[i] == tensor)
                return true;
    }
    return false;
}

/* Holds a tensor as little as the runs allow. */
static void fill_line(const struct tess_gap_programme *programme, int tensor,
                      double *values)
{
    const struct tess_gap_line *line = tess_gap_line_of(programme, tensor);
    bool is_held = false;
    for (int i = line->n_points - 1; i >= 0; i--) {
        const struct tess_gap_point *point = &line->points[i];
        bool is_made = point->run >= 0 && values[point->run] > 0.5;
        bool is_wanted =
            point->is_use || is_held || is_read(programme, tensor, point->moment, values);
        is_held = is_wanted && !is_made;
        if (has_hold_column(programme, tensor, i))
            values[programme->first_hold[tensor] + i] = is_held;
        is_held = is_held && !(i > 0 && line->points[i - 1].is_use);
    }
}

bool tess_gap_programme_fill(const struct tess_gap_programme *programme,
                             const struct tess_remat_sequence *sequence,
                             double *values_out)
{
    const struct tess_gap_timeline *timeline = programme->timeline;
    int moment = 0, n = timeline->problem->graph->n_tasks;
    for (int i = 0; i < tess_milp_n_columns(programme->milp); i++)
        values_out[i] = 0;
    for (int i = 0; i < sequence->n; i++) {
        int task = sequence->tasks[i];
        if (moment < n && timeline->order[moment] == task) {
            moment++;
            continue;
        }
        int run = timeline->place[task] < moment
                      ? tess_gap_timeline_run(timeline, task, moment)
                      : -1;
        if (run < 0)
            return false;
        values_out[run] = 1;
    }
    for (int tensor = 0; tensor < timeline->problem->graph->n_tensors; tensor++)
        fill_line(programme, tensor, values_out);
    return true;
}

enum tess_status tess_gap_programme_read(const struct tess_gap_programme *programme,
                                         struct tess_remat_sequence *sequence_out,
                                         struct tess_error *error)
{
    const struct tess_gap_timeline *timeline = programme->timeline;
    int n_tasks = timeline->problem->graph->n_tasks, n = 0;
    enum tess_status status =
        tess_remat_sequence_reserve(sequence_out, n_tasks + timeline->n_runs, error);
    for (int p = 0; p <= n_tasks && status == TESS_OK; p++) {
        const struct tess_gap_moment *moment = &programme->moments[p];
        for (int k = 0; k < moment->n_runs; k++) {
            int run = programme->by_moment[moment->first_run + k];
            if (tess_milp_value(programme->milp, run) > 0.5)
                sequence_out->tasks[n++] = timeline->runs[run].task;
        }
        if (p < n_tasks)
            sequence_out->tasks[n++] = timeline->order[p];
    }
    if (status == TESS_OK)
        sequence_out->n = n;
    return status;
}

/* ---- life ---- */

struct key {
    int moment, place, run;
};

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return x->moment != y->moment ? x->moment - y->moment : x->place - y->place;
}

static enum tess_status sort_runs(struct tess_gap_programme *programme,
                                  struct tess_error *error)
{
    const struct tess_gap_timeline *timeline = programme->timeline;
    struct key *keys = malloc(sizeof *keys * ((size_t)timeline->n_runs + 1));
    if (!keys)
        return tess_error_nomem(error);
    for (int i = 0; i < timeline->n_runs; i++)
        keys[i] = (struct key){timeline->runs[i].moment,
                               timeline->place[timeline->runs[i].task], i};
    qsort(keys, (size_t)timeline->n_runs, sizeof *keys, compare_keys);
    for (int i = timeline->n_runs - 1; i >= 0; i--) {
        programme->by_moment[i] = keys[i].run;
        programme->moments[keys[i].moment].first_run = i;
        programme->moments[keys[i].moment].n_runs++;
    }
    free(keys);
    return TESS_OK;
}

enum tess_status tess_gap_programme_init(struct tess_gap_programme *programme,
                                         const struct tess_gap_timeline *timeline,
                                         bool is_relaxed, const bool *is_off,
                                         struct tess_error *error)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    *programme = (struct tess_gap_programme){.timeline = timeline};
    programme->first_hold =
        calloc((size_t)graph->n_tensors + 1, sizeof *programme->first_hold);
    programme->moments = calloc((size_t)graph->n_tasks + 1, sizeof *programme->moments);
    programme->by_moment =
        calloc((size_t)timeline->n_runs + 1, sizeof *programme->by_moment);
    if (!programme->first_hold || !programme->moments || !programme->by_moment)
        return tess_error_nomem(error);
    enum tess_status status = tess_milp_create(&programme->milp, error);
    if (status == TESS_OK)
        status = sort_runs(programme, error);
    if (status != TESS_OK)
        return status;
    tess_remat_units_init(&programme->units, timeline->problem);
    add_columns(programme, is_relaxed, is_off);
    for (int tensor = 0; tensor < graph->n_tensors; tensor++)
        emit_line(programme, tensor);
    for (int run = 0; run < timeline->n_runs; run++)
        emit_needs(programme, run);
    status = emit_most_runs(programme, error);
    return status == TESS_OK ? tess_gap_add_memory(programme, error) : status;
}

void tess_gap_programme_release(struct tess_gap_programme *programme)
{
    if (!programme)
        return;
    free(programme->first_hold);
    free(programme->moments);
    free(programme->by_moment);
    tess_milp_destroy(programme->milp);
    *programme = (struct tess_gap_programme){0};
}
