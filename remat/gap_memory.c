/* The rows of memory of the programme of gaps: (5) and (6) of gap_programme.c. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "remat/gap_programme_priv.h"
#include "schedule/peak.h"

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

static void put(struct rows *rows, int row, struct tess_gap_amount amount, double units)
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

static double units_of(const struct tess_gap_programme *programme, int tensor)
{
    return tess_remat_units_of(
        &programme->units, programme->timeline->problem->graph->tensors[tensor].bytes);
}

/* While the tasks at places run (5): from the point before, exclusive if the task there uses it,
 * to this one. */
static void put_segments(struct rows *rows, int tensor)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_gap_line *line = tess_gap_line_of(programme, tensor);
    double units = units_of(programme, tensor);
    int previous = line->is_fixed ? line->death : line->birth;
    bool is_use = true;
    for (int i = 0; i < line->n_points; i++) {
        struct tess_gap_amount hold = tess_gap_hold(programme, tensor, i);
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
    const struct tess_gap_line *line = tess_gap_line_of(programme, tensor);
    double units = units_of(programme, tensor);
    int n = programme->timeline->problem->graph->n_tasks;
    for (int place = line->birth; place <= line->death && place < n; place++)
        put(rows, place, tess_gap_always, units);
    for (int p = line->birth + 1; p <= line->death; p++) {
        const struct tess_gap_moment *moment = &programme->moments[p];
        for (int k = 0; k < moment->n_rows; k++)
            put(rows, moment->first_row + k, tess_gap_always, units);
    }
}

/* An input that surely dies is the best to overwrite, then one that may. */
static int rank(struct tess_gap_amount hold)
{
    return hold.column >= 0 ? 1 : hold.constant > 0 ? 2 : 0;
}

/* What the task at a place reads and writes, once if it overwrites an input that dies. */
static void put_task(struct rows *rows, int place)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_task_graph *graph = programme->timeline->problem->graph;
    const struct tess_task *task = &graph->tasks[programme->timeline->order[place]];
    struct tess_gap_amount best = tess_gap_always;
    double saved = 0;
    for (int i = 0; i < task->n_inputs + task->n_outputs; i++) {
        int tensor =
            i < task->n_inputs ? task->inputs[i] : task->outputs[i - task->n_inputs];
        if (!tess_gap_line_of(programme, tensor)->is_fixed)
            put(rows, place, tess_gap_always, units_of(programme, tensor));
    }
    if (!tess_task_may_overwrite(graph, programme->timeline->order[place]))
        return;
    for (int i = 0; i < task->n_inputs; i++) {
        const struct tess_gap_line *line = tess_gap_line_of(programme, task->inputs[i]);
        if (graph->tensors[task->inputs[i]].bytes !=
                graph->tensors[task->outputs[0]].bytes ||
            (line->is_fixed && line->death > place))
            continue;
        int at = tess_gap_line_find(line, place + 1);
        struct tess_gap_amount hold = tess_gap_hold(programme, task->inputs[i], at);
        if (saved == 0 || rank(hold) < rank(best))
            best = hold;
        saved = units_of(programme, task->inputs[i]);
    }
    put(rows, place, best, saved);
    put(rows, place, tess_gap_always, -saved);
}

/* A tensor with a point at a moment with runs (6): it is there before it is computed if it was
 * held; if it is only a chance, after its last reader it is there if it is held further. */
static void put_point(struct rows *rows, int tensor, int i)
{
    const struct tess_gap_programme *programme = rows->programme;
    const struct tess_gap_point *point = &tess_gap_line_of(programme, tensor)->points[i];
    const struct tess_gap_moment *moment = &programme->moments[point->moment];
    struct tess_gap_amount hold = tess_gap_hold(programme, tensor, i);
    struct tess_gap_amount next = tess_gap_hold(programme, tensor, i + 1);
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
            put(rows, row, tess_gap_column(point->run), units_of(programme, tensor));
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
            const struct tess_gap_line *line =
                tess_gap_line_of(programme, task->inputs[i]);
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
        const struct tess_gap_line *line = tess_gap_line_of(programme, tensor);
        int at = tess_gap_line_find(line, p);
        if (at < line->n_points && line->points[at].moment == p)
            put_point(rows, tensor, at);
    }
}

/* Puts the gathered rows into the programme, without those that cannot be too high. */
static enum tess_status emit_rows(struct tess_gap_programme *programme, struct rows *rows,
                                  struct tess_error *error)
{
    double budget = programme->units.budget;
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

enum tess_status tess_gap_add_memory(struct tess_gap_programme *programme,
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
        if (tess_gap_line_of(programme, tensor)->is_fixed)
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
