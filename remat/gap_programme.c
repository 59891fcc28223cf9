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

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "schedule/peak.h"

/* More units than this in sum are too many for the solver's floating point. */
static const int64_t MOST_UNITS = 1 << 19;

/* constant + weight * column */
struct amount {
    double constant, weight;
    int column;
};

static const struct amount NOTHING = {0, 0, -1};
static const struct amount ALWAYS = {1, 0, -1};

static struct amount of_column(int column)
{
    return (struct amount){0, 1, column};
}

/* Rows of memory while they are gathered: places first, then those of moments. */
struct rows {
    const struct tess_gap_programme *programme;
    int n_rows;
    double *constants; /* [n_rows] */
    struct term {
        int row, column;
        double weight;
    } * terms;
    size_t n_terms, capacity;
    bool is_broken;
    int *thresholds; /* [rows of moments] how many runs of the moment have happened */
    int *last_read;  /* [n_tensors] by the runs of a moment, -1: none */
};

static void put(struct rows *rows, int row, struct amount amount, double units)
{
    rows->constants[row] += amount.constant * units;
    if (amount.column < 0 || units == 0 || rows->is_broken)
        return;
    if (rows->n_terms == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 4096;
        struct term *terms = realloc(rows->terms, sizeof *terms * capacity);
        if (!terms) {
            rows->is_broken = true;
            return;
        }
        rows->terms = terms;
        rows->capacity = capacity;
    }
    rows->terms[rows->n_terms++] =
        (struct term){row, amount.column, amount.weight * units};
}

/* ---- units ---- */

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void choose_units(struct tess_gap_programme *programme)
{
    const struct tess_remat_problem *problem = programme->timeline->problem;
    int64_t bytes = 0, cost = 0;
    for (int i = 0; i < problem->graph->n_tensors; i++)
        bytes = gcd(bytes, problem->graph->tensors[i].bytes);
    for (int i = 0; i < problem->graph->n_tasks; i++)
        cost = gcd(cost, problem->costs[i]);
    programme->unit_bytes = tess_max_i64(tess_max_i64(1, bytes),
                                         tess_div_up(problem->budget_bytes, MOST_UNITS));
    if (programme->unit_bytes > bytes &&
        bytes > 0) /* a multiple rounds fewer of them up */
        programme->unit_bytes = tess_round_up(programme->unit_bytes, bytes);
    programme->cost_unit = (double)tess_max_i64(1, cost);
}

static double units_of(const struct tess_gap_programme *programme, int tensor)
{
    return (double)tess_div_up(programme->timeline->problem->graph->tensors[tensor].bytes,
                               programme->unit_bytes);
}

/* ---- columns ---- */

static const struct tess_gap_line *line_of(const struct tess_gap_programme *programme,
                                           int tensor)
{
    return &programme->timeline->lines[tensor];
}

static bool is_only_output(const struct tess_gap_programme *programme, int tensor)
{
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    return graph->tasks[graph->tensors[tensor].producers[0]].n_outputs == 1;
}

/* Does being held until this point have a column of its own? At a use it does not: what is not
 * computed there is held; unless the run is worth it for the sake of another output. */
static bool has_hold_column(const struct tess_gap_programme *programme, int tensor, int i)
{
    const struct tess_gap_point *point = &line_of(programme, tensor)->points[i];
    return !point->is_use || (point->run >= 0 && !is_only_output(programme, tensor));
}

/* Is the tensor held from the point before to this one? Nobody holds it beyond the last. */
static struct amount hold_of(const struct tess_gap_programme *programme, int tensor,
                             int i)
{
    const struct tess_gap_line *line = line_of(programme, tensor);
    if (i >= line->n_points)
        return NOTHING;
    if (has_hold_column(programme, tensor, i))
        return of_column(programme->first_hold[tensor] + i);
    if (line->points[i].run < 0)
        return ALWAYS;
    return (struct amount){1, -1, line->points[i].run};
}

static struct amount run_of(const struct tess_gap_point *point)
{
    return point->run >= 0 ? of_column(point->run) : NOTHING;
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
                                 programme->cost_unit);
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

static void add_amount(struct tess_milp *milp, struct amount amount, double sign)
{
    if (amount.column >= 0)
        tess_milp_add_term(milp, amount.column, sign * amount.weight);
}

/* a <= b + c */
static void emit_at_most(struct tess_milp *milp, struct amount a, struct amount b,
                         struct amount c)
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
    const struct tess_gap_line *line = line_of(programme, tensor);
    for (int i = 0; i < line->n_points; i++) {
        const struct tess_gap_point *point = &line->points[i];
        if (i > 0 && !line->points[i - 1].is_use)
            emit_at_most(programme->milp, hold_of(programme, tensor, i),
                         hold_of(programme, tensor, i - 1), run_of(point - 1));
        if (point->is_use && has_hold_column(programme, tensor, i))
            emit_at_most(programme->milp, ALWAYS, hold_of(programme, tensor, i),
                         run_of(point));
    }
}

/* (3): what a run reads is there at its moment. */
static void emit_needs(struct tess_gap_programme *programme, int run)
{
    const struct tess_gap_run *what = &programme->timeline->runs[run];
    const struct tess_task *task =
        &programme->timeline->problem->graph->tasks[what->task];
    for (int i = 0; i < task->n_inputs; i++) {
        const struct tess_gap_line *line = line_of(programme, task->inputs[i]);
        int at = tess_gap_line_find(line, what->moment);
        if (line->is_fixed && line->death >= what->moment)
            continue;
        assert(at < line->n_points);
        const struct tess_gap_point *point = &line->points[at];
        if (point->moment == what->moment && point->is_use)
            continue;
        emit_at_most(programme->milp, of_column(run),
                     hold_of(programme, task->inputs[i], at),
                     point->moment == what->moment ? run_of(point) : NOTHING);
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
            line_of(programme, problem->graph->tasks[task].outputs[0]);
        tess_milp_begin_row(programme->milp, -INFINITY, problem->most_runs - 1);
        for (int i = 0; i < line->n_points; i++)
            if (line->points[i].run >= 0)
                tess_milp_add_term(programme->milp, line->points[i].run, 1);
    }
    free(n_runs);
    return TESS_OK;
}

/* ---- rows of memory ---- */

/* While the tasks at places run (5): from the point before, exclusive if the task there uses it,
 * to this one. */
static void put_segments(struct rows *rows, int tensor)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_gap_line *line = line_of(programme, tensor);
    double units = units_of(programme, tensor);
    int previous = line->is_fixed ? line->death : line->birth;
    bool is_use = true;
    for (int i = 0; i < line->n_points; i++) {
        struct amount hold = hold_of(programme, tensor, i);
        int end = line->points[i].moment;
        for (int place = is_use ? previous + 1 : previous; place < end; place++)
            put(rows, place, hold, units);
        for (int p = previous + 1; p < end; p++) {
            const struct tess_gap_moment *moment = &programme->moments[p];
            for (int k = 0; k < moment->n_rows; k++)
                put(rows, moment->first_row + k, hold, units);
        }
        previous = end;
        is_use = line->points[i].is_use;
    }
}

static void put_fixed(struct rows *rows, int tensor)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_gap_line *line = line_of(programme, tensor);
    double units = units_of(programme, tensor);
    int n = programme->timeline->problem->graph->n_tasks;
    for (int place = line->birth; place <= line->death && place < n; place++)
        put(rows, place, ALWAYS, units);
    for (int p = line->birth + 1; p <= line->death; p++) {
        const struct tess_gap_moment *moment = &programme->moments[p];
        for (int k = 0; k < moment->n_rows; k++)
            put(rows, moment->first_row + k, ALWAYS, units);
    }
}

/* An input that surely dies is the best to overwrite, then one that may. */
static int rank(struct amount hold)
{
    return hold.column >= 0 ? 1 : hold.constant > 0 ? 2 : 0;
}

/* What the task at a place reads and writes, once if it overwrites an input that dies. */
static void put_task(struct rows *rows, int place)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    const struct tess_task *task = &graph->tasks[programme->timeline->order[place]];
    struct amount best = ALWAYS;
    double saved = 0;
    for (int i = 0; i < task->n_inputs + task->n_outputs; i++) {
        int tensor =
            i < task->n_inputs ? task->inputs[i] : task->outputs[i - task->n_inputs];
        if (!line_of(programme, tensor)->is_fixed)
            put(rows, place, ALWAYS, units_of(programme, tensor));
    }
    if (!tess_task_may_overwrite(graph, programme->timeline->order[place]))
        return;
    for (int i = 0; i < task->n_inputs; i++) {
        const struct tess_gap_line *line = line_of(programme, task->inputs[i]);
        if (graph->tensors[task->inputs[i]].bytes !=
                graph->tensors[task->outputs[0]].bytes ||
            (line->is_fixed && line->death > place))
            continue;
        int at = tess_gap_line_find(line, place + 1);
        struct amount hold = hold_of(programme, task->inputs[i], at);
        if (saved == 0 || rank(hold) < rank(best))
            best = hold;
        saved = units_of(programme, task->inputs[i]);
    }
    put(rows, place, best, saved);
    put(rows, place, ALWAYS, -saved);
}

/* A tensor with a point at a moment with runs (6): it is there before it is computed if it was
 * held; if it is only a chance, after its last reader it is there if it is held further. */
static void put_point(struct rows *rows, int tensor, int i)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_gap_point *point = &line_of(programme, tensor)->points[i];
    const struct tess_gap_moment *moment = &programme->moments[point->moment];
    struct amount hold = hold_of(programme, tensor, i);
    struct amount next = hold_of(programme, tensor, i + 1);
    int made = INT32_MAX, last = point->is_use ? INT32_MAX : rows->last_read[tensor];
    bool is_made = false;
    for (int k = 0; k < moment->n_runs && point->run >= 0; k++)
        if (programme->by_moment[moment->first_run + k] == point->run)
            made = k;
    for (int k = 0; k < moment->n_rows; k++) {
        int row = moment->first_row + k, now = rows->thresholds[row];
        bool is_new = now >= made && !is_made; /* at least while it is made it is there */
        is_made |= is_new;
        if (now > last && !is_new) {
            put(rows, row, next, units_of(programme, tensor));
            continue;
        }
        put(rows, row, hold, units_of(programme, tensor));
        if (now >= made)
            put(rows, row, of_column(point->run), units_of(programme, tensor));
    }
}

static int compare_ints(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* One row for each run of the moment after which some input may be dropped, and the last. */
static void find_thresholds(struct tess_gap_programme *programme, struct rows *rows,
                            int p)
{
    struct tess_gap_moment *moment = &programme->moments[p];
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    int *found = rows->thresholds + rows->n_rows, n = 0;
    for (int k = 0; k < moment->n_runs; k++) {
        const struct tess_gap_run *run =
            &programme->timeline->runs[programme->by_moment[moment->first_run + k]];
        const struct tess_task *task = &graph->tasks[run->task];
        bool is_last = k == moment->n_runs - 1;
        for (int i = 0; i < task->n_inputs && !is_last; i++) {
            const struct tess_gap_line *line = line_of(programme, task->inputs[i]);
            int at = tess_gap_line_find(line, p);
            is_last = at < line->n_points && line->points[at].moment == p &&
                      !line->points[at].is_use && rows->last_read[task->inputs[i]] == k;
        }
        if (is_last)
            found[n++] = k;
    }
    qsort(found, (size_t)n, sizeof *found, compare_ints);
    moment->first_row = rows->n_rows;
    moment->n_rows = n;
    rows->n_rows += n;
}

static void mark_reads(const struct tess_gap_programme *programme, struct rows *rows,
                       int p, bool is_on)
{
    const struct tess_gap_moment *moment = &programme->moments[p];
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    for (int k = 0; k < moment->n_runs; k++) {
        const struct tess_gap_run *run =
            &programme->timeline->runs[programme->by_moment[moment->first_run + k]];
        const struct tess_task *task = &graph->tasks[run->task];
        for (int i = 0; i < task->n_inputs; i++)
            rows->last_read[task->inputs[i]] = is_on ? k : -1;
    }
}

static void put_moment(struct rows *rows, int p)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        const struct tess_gap_line *line = line_of(programme, tensor);
        int at = tess_gap_line_find(line, p);
        if (at < line->n_points && line->points[at].moment == p)
            put_point(rows, tensor, at);
    }
}

/* Puts the gathered rows into the programme, without those that cannot be too high. */
static enum tess_status emit_rows(struct tess_gap_programme *programme, struct rows *rows,
                                  struct tess_error *error)
{
    double budget = (double)tess_div_floor(programme->timeline->problem->budget_bytes,
                                           programme->unit_bytes);
    size_t n_rows = (size_t)rows->n_rows;
    size_t *begin = calloc(n_rows + 2, sizeof *begin);
    struct term *sorted = malloc(sizeof *sorted * (rows->n_terms + 1));
    if (!begin || !sorted || rows->is_broken) {
        free(begin);
        free(sorted);
        return tess_error_nomem(error);
    }
    for (size_t i = 0; i < rows->n_terms; i++)
        begin[rows->terms[i].row + 2]++;
    for (size_t i = 2; i < n_rows + 2; i++)
        begin[i] += begin[i - 1];
    for (size_t i = 0; i < rows->n_terms; i++)
        sorted[begin[rows->terms[i].row + 1]++] = rows->terms[i];
    for (size_t row = 0; row < n_rows; row++) {
        double least = rows->constants[row], most = least;
        for (size_t i = begin[row]; i < begin[row + 1]; i++) {
            least += fmin(0, sorted[i].weight);
            most += fmax(0, sorted[i].weight);
        }
        programme->is_infeasible |= least > budget;
        if (most <= budget)
            continue;
        tess_milp_begin_row(programme->milp, -INFINITY, budget - rows->constants[row]);
        for (size_t i = begin[row]; i < begin[row + 1]; i++)
            tess_milp_add_term(programme->milp, sorted[i].column, sorted[i].weight);
    }
    free(begin);
    free(sorted);
    return TESS_OK;
}

static enum tess_status add_memory_rows(struct tess_gap_programme *programme,
                                        struct tess_error *error)
{
    const struct tess_gap_timeline *timeline = programme->timeline;
    const struct tess_task_graph *graph = timeline->problem->graph;
    size_t most = (size_t)graph->n_tasks + (size_t)timeline->n_runs + 1;
    struct rows rows = {.programme = programme, .n_rows = graph->n_tasks};
    enum tess_status status = TESS_OK;
    rows.thresholds = calloc(most, sizeof *rows.thresholds);
    rows.constants = calloc(most, sizeof *rows.constants);
    rows.last_read = malloc(sizeof *rows.last_read * ((size_t)graph->n_tensors + 1));
    if (!rows.thresholds || !rows.constants || !rows.last_read) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int tensor = 0; tensor < graph->n_tensors; tensor++)
        rows.last_read[tensor] = -1;
    for (int p = 0; p <= graph->n_tasks; p++) {
        mark_reads(programme, &rows, p, true);
        find_thresholds(programme, &rows, p);
        if (programme->moments[p].n_runs > 0)
            put_moment(&rows, p);
        mark_reads(programme, &rows, p, false);
    }
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        put_segments(&rows, tensor);
        if (line_of(programme, tensor)->is_fixed)
            put_fixed(&rows, tensor);
    }
    for (int place = 0; place < graph->n_tasks; place++)
        put_task(&rows, place);
    status = emit_rows(programme, &rows, error);
out:
    free(rows.thresholds);
    free(rows.constants);
    free(rows.last_read);
    free(rows.terms);
    return status;
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
    const struct tess_gap_line *line = line_of(programme, tensor);
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
    choose_units(programme);
    add_columns(programme, is_relaxed, is_off);
    for (int tensor = 0; tensor < graph->n_tensors; tensor++)
        emit_line(programme, tensor);
    for (int run = 0; run < timeline->n_runs; run++)
        emit_needs(programme, run);
    status = emit_most_runs(programme, error);
    return status == TESS_OK ? add_memory_rows(programme, error) : status;
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
