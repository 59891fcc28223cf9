/* Problem: which moments are worth a column of an integer programme that decides what to drop and
 * when to compute it anew. With all moments for all tensors it would be Checkmate's programme,
 * with squares of columns; a sequence that is worth anything needs few of them.
 *
 * Method: a run is a candidate
 *   1. at the end of a gap of its output that covers a place over the budget, and at a few moments
 *      inside it, before places where one of its inputs is used for the last time: there it need
 *      not be held for this;
 *   2. at the moment of another candidate that reads its output, which is then dead or may be
 *      dropped: chains of recomputations, up to a depth. Beyond it the output can only be held.
 * Candidates of 2. at one moment serve all who read there, and what is held for one is held for
 * all.
 *
 * Invariant: a run has a point on the lines of all its outputs. What it reads has a point at its
 * moment, or is held there anyway, or may be dropped only as a whole (the point after it tells).
 *
 * Cost: points are inserted into sorted arrays.
 *
 * Worked example: order a b c d; a's output x is read by b and d, b's y by c; the place of c is
 * over the budget. Line of x: uses at 1 and 3. The gap from 1 to 3 covers place 2: the run of a at
 * moment 3. It reads nothing, so there are no chances. Line of y: a use at 2, no gap. If a read z,
 * used by nobody else, z's line would have a chance at 3: held from 0 to 3, or, if the depth is 2,
 * computed at 3 by another run of its task.
 */
#include "remat/gap_timeline.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "schedule/peak.h"

/* ---- queries ---- */

int tess_gap_line_find(const struct tess_gap_line *line, int moment)
{
    int low = 0, high = line->n_points;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (line->points[middle].moment < moment)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct tess_gap_point *point_at(const struct tess_gap_line *line, int moment)
{
    int i = tess_gap_line_find(line, moment);
    return i < line->n_points && line->points[i].moment == moment ? &line->points[i]
                                                                  : NULL;
}

int tess_gap_timeline_run(const struct tess_gap_timeline *timeline, int task, int moment)
{
    const struct tess_task *what = &timeline->problem->graph->tasks[task];
    const struct tess_gap_point *point =
        what->n_outputs > 0 ? point_at(&timeline->lines[what->outputs[0]], moment) : NULL;
    return point ? point->run : -1;
}

/* ---- uses ---- */

static enum tess_status insert(struct tess_gap_line *line, struct tess_gap_point point,
                               struct tess_error *error)
{
    if (line->n_points == line->capacity) {
        int capacity = line->capacity ? 2 * line->capacity : 4;
        struct tess_gap_point *points =
            realloc(line->points, sizeof *points * (size_t)capacity);
        if (!points)
            return tess_error_nomem(error);
        line->points = points;
        line->capacity = capacity;
    }
    int at = tess_gap_line_find(line, point.moment);
    memmove(line->points + at + 1, line->points + at,
            sizeof *line->points * (size_t)(line->n_points - at));
    line->points[at] = point;
    line->n_points++;
    return TESS_OK;
}

static bool is_fixed(const struct tess_gap_timeline *timeline, int tensor)
{
    const struct tess_task_tensor *what = &timeline->problem->graph->tensors[tensor];
    return what->is_input ||
           !tess_remat_may_repeat(timeline->problem->graph, what->producers[0]);
}

/* A tensor that stays what it is while anybody reads or writes it. */
static void fix(struct tess_gap_timeline *timeline, int tensor)
{
    const struct tess_task_tensor *what = &timeline->problem->graph->tensors[tensor];
    struct tess_gap_line *line = &timeline->lines[tensor];
    int n = timeline->problem->graph->n_tasks;
    line->is_fixed = true;
    line->birth = what->is_input ? 0 : n;
    line->death = -1;
    for (int i = 0; i < what->n_producers; i++) {
        line->birth = tess_min_int(line->birth, timeline->place[what->producers[i]]);
        line->death = tess_max_int(line->death, timeline->place[what->producers[i]]);
    }
    for (int i = 0; i < what->n_consumers; i++)
        line->death = tess_max_int(line->death, timeline->place[what->consumers[i]]);
    if (what->is_retained)
        line->death = n;
}

static enum tess_status add_uses(struct tess_gap_timeline *timeline, int tensor,
                                 struct tess_error *error)
{
    const struct tess_task_tensor *what = &timeline->problem->graph->tensors[tensor];
    struct tess_gap_line *line = &timeline->lines[tensor];
    struct tess_gap_point point = {.is_use = true, .run = -1};
    enum tess_status status = TESS_OK;
    if (is_fixed(timeline, tensor)) {
        fix(timeline, tensor);
        return TESS_OK;
    }
    line->birth = timeline->place[what->producers[0]];
    line->death = -1;
    for (int i = 0; i < what->n_consumers && status == TESS_OK; i++) {
        point.moment = timeline->place[what->consumers[i]];
        status = insert(line, point, error);
    }
    point.moment = timeline->problem->graph->n_tasks;
    return status == TESS_OK && what->is_retained ? insert(line, point, error) : status;
}

/* ---- runs and chances ---- */

/* Puts a point with this run, or none, onto the line, unless it is there. */
static enum tess_status meet(struct tess_gap_line *line, int moment, int run,
                             struct tess_error *error)
{
    struct tess_gap_point *point = point_at(line, moment);
    if (point) {
        if (run >= 0)
            point->run = run;
        return TESS_OK;
    }
    return insert(line, (struct tess_gap_point){.moment = moment, .run = run}, error);
}

static enum tess_status add_run(struct tess_gap_timeline *timeline, int task, int moment,
                                int depth, struct tess_error *error)
{
    const struct tess_task *what = &timeline->problem->graph->tasks[task];
    enum tess_status status = TESS_OK;
    assert(moment > timeline->place[task]);
    if (tess_gap_timeline_run(timeline, task, moment) >= 0)
        return TESS_OK;
    if (timeline->n_runs == timeline->capacity) {
        int capacity = timeline->capacity ? 2 * timeline->capacity : 64;
        struct tess_gap_run *runs =
            realloc(timeline->runs, sizeof *runs * (size_t)capacity);
        if (!runs)
            return tess_error_nomem(error);
        timeline->runs = runs;
        timeline->capacity = capacity;
    }
    timeline->runs[timeline->n_runs] =
        (struct tess_gap_run){.task = task, .moment = moment, .depth = depth};
    for (int i = 0; i < what->n_outputs && status == TESS_OK; i++)
        status =
            meet(&timeline->lines[what->outputs[i]], moment, timeline->n_runs, error);
    timeline->n_runs++;
    return status;
}

/* The last use of a tensor that is read at all. */
static int last_use(const struct tess_gap_timeline *timeline, int tensor)
{
    const struct tess_gap_line *line = &timeline->lines[tensor];
    if (line->is_fixed)
        return line->death;
    for (int i = line->n_points - 1; i >= 0; i--)
        if (line->points[i].is_use)
            return line->points[i].moment;
    return line->birth;
}

/* The largest moment below `below`, and above `above`, before which the last use of some input of
 * the task is: while it is there the run needs no more for it. -1: none. */
static int early_moment(const struct tess_gap_timeline *timeline, int task, int above,
                        int below)
{
    const struct tess_task *what = &timeline->problem->graph->tasks[task];
    int best = -1;
    for (int i = 0; i < what->n_inputs; i++) {
        int last = last_use(timeline, what->inputs[i]);
        if (last > above && last < below)
            best = tess_max_int(best, last);
    }
    return best;
}

static bool is_useful(const struct tess_gap_timeline *timeline, int begin, int end,
                      const struct tess_gap_detail *detail)
{
    for (int place = begin + 1; place < end; place++)
        if (detail->covers_all || timeline->is_over[place])
            return true;
    return false;
}

/* The runs that end a tensor's gaps: at the end of each, and some early ones. */
static enum tess_status add_gap_runs(struct tess_gap_timeline *timeline, int tensor,
                                     const struct tess_gap_detail *detail,
                                     struct tess_error *error)
{
    struct tess_gap_line *line = &timeline->lines[tensor];
    int task =
        line->is_fixed ? -1 : timeline->problem->graph->tensors[tensor].producers[0];
    enum tess_status status = TESS_OK;
    int begin = line->birth;
    if (line->is_fixed || (detail->is_free && !detail->is_free[task]))
        return TESS_OK;
    for (int i = 0; i < line->n_points && status == TESS_OK; i++) {
        if (!line->points[i].is_use)
            continue;
        int end = line->points[i].moment, early = end;
        if (is_useful(timeline, begin, end, detail)) {
            status = add_run(timeline, task, end, 1, error);
            for (int k = 0; k < detail->n_early && status == TESS_OK; k++) {
                early = early_moment(timeline, task, begin + 1, early);
                if (early < 0 || !is_useful(timeline, begin, early, detail))
                    break;
                status = add_run(timeline, task, early, 1, error);
            }
        }
        begin = end;
        i = tess_gap_line_find(line, end); /* points may have come before this one */
    }
    return status;
}

/* Is there a run between the uses before and after this moment, or at the one after? If not, a
 * tensor is held there anyway. */
static bool may_be_dropped(const struct tess_gap_line *line, int moment)
{
    int at = tess_gap_line_find(line, moment);
    for (int i = at; i < line->n_points; i++) {
        if (line->points[i].run >= 0)
            return true;
        if (line->points[i].is_use)
            break;
    }
    return false;
}

/* What a run reads must be there: a chance to hold it until then or, not too deep, to compute it.
 */
static enum tess_status add_chances(struct tess_gap_timeline *timeline,
                                    struct tess_gap_run run,
                                    const struct tess_gap_detail *detail,
                                    struct tess_error *error)
{
    const struct tess_task *what = &timeline->problem->graph->tasks[run.task];
    enum tess_status status = TESS_OK;
    for (int i = 0; i < what->n_inputs && status == TESS_OK; i++) {
        int tensor = what->inputs[i];
        struct tess_gap_line *line = &timeline->lines[tensor];
        bool is_alive = last_use(timeline, tensor) >= run.moment;
        if (is_alive && (line->is_fixed || !(detail->splits || run.is_of_start)))
            continue;
        const struct tess_gap_point *point = point_at(line, run.moment);
        if (point && point->is_use)
            continue;
        int producer =
            line->is_fixed ? -1 : timeline->problem->graph->tensors[tensor].producers[0];
        if (run.depth < detail->depth && producer >= 0 &&
            (!detail->is_free || detail->is_free[producer]))
            status = add_run(timeline, producer, run.moment, run.depth + 1, error);
        else if (!is_alive || may_be_dropped(line, run.moment))
            status = meet(line, run.moment, -1, error);
    }
    return status;
}

/* The runs of the start, wherever they are. */
static enum tess_status add_start(struct tess_gap_timeline *timeline,
                                  const struct tess_gap_detail *detail,
                                  struct tess_error *error)
{
    int n = detail->start ? detail->start->n : 0, moment = 0;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < n && status == TESS_OK; i++) {
        int task = detail->start->tasks[i];
        if (timeline->place[task] == moment) {
            moment++;
            continue;
        }
        if (timeline->problem->graph->tasks[task].n_outputs == 0)
            continue;
        status = add_run(timeline, task, moment, 1, error);
        if (status != TESS_OK)
            return status;
        struct tess_gap_run *run =
            &timeline->runs[tess_gap_timeline_run(timeline, task, moment)];
        run->is_of_start = true;
        run->is_fixed = detail->is_free && !detail->is_free[task];
        if (run->is_fixed)
            run->depth = detail->depth;
    }
    return status;
}

/* ---- life ---- */

static enum tess_status start(struct tess_gap_timeline *timeline,
                              struct tess_error *error)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    size_t n = (size_t)graph->n_tasks + 1;
    int64_t peak, *bytes = calloc(n, sizeof *bytes);
    timeline->place = calloc(n, sizeof *timeline->place);
    timeline->is_over = calloc(n, sizeof *timeline->is_over);
    timeline->lines = calloc((size_t)graph->n_tensors + 1, sizeof *timeline->lines);
    if (!bytes || !timeline->place || !timeline->is_over || !timeline->lines) {
        free(bytes);
        return tess_error_nomem(error);
    }
    enum tess_status status =
        tess_peak_of_order(graph, timeline->order, &peak, bytes, error);
    for (int i = 0; i < graph->n_tasks && status == TESS_OK; i++) {
        timeline->place[timeline->order[i]] = i;
        timeline->is_over[i] = bytes[i] > timeline->problem->budget_bytes;
    }
    free(bytes);
    return status;
}

enum tess_status tess_gap_timeline_init(struct tess_gap_timeline *timeline,
                                        const struct tess_remat_problem *problem,
                                        const int *order,
                                        const struct tess_gap_detail *detail,
                                        struct tess_error *error)
{
    int n_tensors = problem->graph->n_tensors;
    *timeline = (struct tess_gap_timeline){.problem = problem, .order = order};
    enum tess_status status = start(timeline, error);
    for (int tensor = 0; tensor < n_tensors && status == TESS_OK; tensor++)
        status = add_uses(timeline, tensor, error);
    if (status == TESS_OK)
        status = add_start(timeline, detail, error);
    for (int tensor = 0; tensor < n_tensors && status == TESS_OK; tensor++)
        status = add_gap_runs(timeline, tensor, detail, error);
    for (int i = 0; i < timeline->n_runs && status == TESS_OK; i++)
        status = add_chances(timeline, timeline->runs[i], detail, error);
    return status;
}

void tess_gap_timeline_release(struct tess_gap_timeline *timeline)
{
    if (!timeline)
        return;
    if (timeline->lines)
        for (int i = 0; i < timeline->problem->graph->n_tensors; i++)
            free(timeline->lines[i].points);
    free(timeline->place);
    free(timeline->is_over);
    free(timeline->lines);
    free(timeline->runs);
    *timeline = (struct tess_gap_timeline){0};
}
