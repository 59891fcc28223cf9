#include "remat/timeline.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

enum tess_status tess_timeline_init(struct tess_timeline *timeline,
                                    const struct tess_remat_problem *problem,
                                    struct tess_error *error)
{
    const struct tess_task_graph *graph = problem->graph;
    *timeline = (struct tess_timeline){.problem = problem};
    timeline->n_runs = calloc((size_t)graph->n_tasks + 1, sizeof *timeline->n_runs);
    timeline->may_repeat = calloc((size_t)graph->n_tasks + 1, sizeof(bool));
    timeline->newest = calloc((size_t)graph->n_tensors + 1, sizeof *timeline->newest);
    if (!timeline->n_runs || !timeline->may_repeat || !timeline->newest)
        return tess_error_nomem(error);
    for (int i = 0; i < graph->n_tasks; i++)
        timeline->may_repeat[i] = tess_remat_may_repeat(graph, i);
    return TESS_OK;
}

static void free_arrays(struct tess_timeline *timeline)
{
    free(timeline->copies);
    free(timeline->first_made);
    free(timeline->made);
    free(timeline->first_read);
    free(timeline->reads);
    free(timeline->uses);
    free(timeline->plain);
    free(timeline->bytes);
    free(timeline->carried);
    free(timeline->change);
    free(timeline->fill);
}

void tess_timeline_release(struct tess_timeline *timeline)
{
    if (!timeline)
        return;
    tess_remat_sequence_release(&timeline->sequence);
    free(timeline->n_runs);
    free(timeline->may_repeat);
    free(timeline->newest);
    free_arrays(timeline);
    *timeline = (struct tess_timeline){0};
}

/* ---- building ---- */

/* Room for the sequence, and half as much again. */
static enum tess_status make_room(struct tess_timeline *timeline,
                                  struct tess_error *error)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    const struct tess_remat_sequence *sequence = &timeline->sequence;
    int n_reads = 0, n_made = graph->n_tensors;
    for (int at = 0; at < sequence->n; at++) {
        n_reads += graph->tasks[sequence->tasks[at]].n_inputs;
        n_made += graph->tasks[sequence->tasks[at]].n_outputs;
    }
    if (timeline->copies && sequence->n <= timeline->room_runs &&
        n_reads <= timeline->room_reads && n_made <= timeline->room_made)
        return TESS_OK;
    free_arrays(timeline);
    timeline->room_runs = sequence->n + sequence->n / 2 + 8;
    timeline->room_reads = n_reads + n_reads / 2 + 8;
    timeline->room_made = n_made + n_made / 2 + 8;
    size_t n = (size_t)timeline->room_runs + 2, reads = (size_t)timeline->room_reads;
    size_t made = (size_t)timeline->room_made;
    timeline->copies = malloc(sizeof *timeline->copies * made);
    timeline->first_made = malloc(sizeof *timeline->first_made * n);
    timeline->made = malloc(sizeof *timeline->made * made);
    timeline->first_read = malloc(sizeof *timeline->first_read * n);
    timeline->reads = malloc(sizeof *timeline->reads * reads);
    timeline->uses = malloc(sizeof *timeline->uses * reads);
    timeline->plain = malloc(sizeof *timeline->plain * n);
    timeline->bytes = malloc(sizeof *timeline->bytes * n);
    timeline->carried = malloc(sizeof *timeline->carried * n);
    timeline->change = calloc(n, sizeof *timeline->change);
    timeline->fill = malloc(sizeof *timeline->fill * made);
    bool has_all = timeline->copies && timeline->first_made && timeline->made &&
                   timeline->first_read && timeline->reads && timeline->uses &&
                   timeline->plain && timeline->bytes && timeline->carried &&
                   timeline->change && timeline->fill;
    return has_all ? TESS_OK : tess_error_nomem(error);
}

static int begin_copy(struct tess_timeline *timeline, int tensor, int at)
{
    int copy = timeline->n_copies++, earlier = timeline->newest[tensor];
    if (earlier >= 0)
        timeline->copies[earlier].later = copy;
    timeline->copies[copy] = (struct tess_timeline_copy){
        .tensor = tensor, .first = at, .last = at, .earlier = earlier, .later = -1};
    timeline->newest[tensor] = copy;
    return copy;
}

static void run_task(struct tess_timeline *timeline, int at)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    int task_id = timeline->sequence.tasks[at];
    const struct tess_task *task = &graph->tasks[task_id];
    int *reads = timeline->reads + timeline->first_read[at];
    int *made = timeline->made + timeline->first_made[at];
    timeline->first_read[at + 1] = timeline->first_read[at] + task->n_inputs;
    timeline->first_made[at + 1] = timeline->first_made[at] + task->n_outputs;
    for (int k = 0; k < task->n_inputs; k++) {
        int copy = timeline->newest[task->inputs[k]];
        assert(copy >= 0);
        reads[k] = copy;
        timeline->copies[copy].n_uses++;
        timeline->copies[copy].last = at;
    }
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        bool is_added_to = graph->tensors[t].n_producers > 1 && timeline->newest[t] >= 0;
        made[k] = is_added_to ? timeline->newest[t] : begin_copy(timeline, t, at);
        timeline->copies[made[k]].last = at;
    }
    timeline->n_runs[task_id]++;
    timeline->cost += timeline->problem->costs[task_id];
}

static void list_uses(struct tess_timeline *timeline)
{
    int n = 0;
    for (int c = 0; c < timeline->n_copies; c++) {
        timeline->copies[c].first_use = timeline->fill[c] = n;
        n += timeline->copies[c].n_uses;
    }
    for (int at = 0; at < timeline->sequence.n; at++)
        for (int r = timeline->first_read[at]; r < timeline->first_read[at + 1]; r++)
            timeline->uses[timeline->fill[timeline->reads[r]]++] = at;
}

/* What the run at this position saves by overwriting. */
static int64_t saved_bytes(const struct tess_timeline *timeline, int at)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    const struct tess_task *task = &graph->tasks[timeline->sequence.tasks[at]];
    if (!(task->flags & TESS_TASK_OVERWRITES) || task->n_outputs != 1 ||
        graph->tensors[task->outputs[0]].n_producers > 1)
        return 0;
    int64_t wanted = graph->tensors[task->outputs[0]].bytes;
    for (int r = timeline->first_read[at]; r < timeline->first_read[at + 1]; r++) {
        const struct tess_timeline_copy *copy = &timeline->copies[timeline->reads[r]];
        bool is_kept = copy->later < 0 && graph->tensors[copy->tensor].is_retained;
        if (copy->last == at && !is_kept && graph->tensors[copy->tensor].bytes == wanted)
            return wanted;
    }
    return 0;
}

static double above(const struct tess_timeline *timeline, int64_t bytes)
{
    return bytes > timeline->problem->budget_bytes
               ? (double)(bytes - timeline->problem->budget_bytes)
               : 0;
}

static void add_up(struct tess_timeline *timeline)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    int64_t alive = 0, *change = timeline->change;
    for (int c = 0; c < timeline->n_copies; c++) {
        const struct tess_timeline_copy *copy = &timeline->copies[c];
        if (copy->last < 0)
            continue;
        change[tess_max_int(0, copy->first)] += graph->tensors[copy->tensor].bytes;
        change[copy->last + 1] -= graph->tensors[copy->tensor].bytes;
    }
    timeline->excess = 0;
    timeline->peak_bytes = 0;
    for (int at = 0; at < timeline->sequence.n; at++) {
        alive += change[at];
        timeline->plain[at] = timeline->carried[at] = alive;
        for (int k = timeline->first_made[at]; k < timeline->first_made[at + 1]; k++) {
            const struct tess_timeline_copy *copy = &timeline->copies[timeline->made[k]];
            if (copy->first == at)
                timeline->carried[at] -= graph->tensors[copy->tensor].bytes;
        }
        timeline->bytes[at] = alive - saved_bytes(timeline, at);
        timeline->peak_bytes = tess_max_i64(timeline->peak_bytes, timeline->bytes[at]);
        timeline->excess += above(timeline, timeline->bytes[at]);
    }
    memset(change, 0, sizeof *change * ((size_t)timeline->sequence.n + 1));
    timeline->carried[timeline->sequence.n] = 0;
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_retained)
            timeline->carried[timeline->sequence.n] += graph->tensors[t].bytes;
}

static enum tess_status build(struct tess_timeline *timeline, struct tess_error *error)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    enum tess_status status = make_room(timeline, error);
    if (status != TESS_OK)
        return status;
    memset(timeline->n_runs, 0, sizeof *timeline->n_runs * (size_t)graph->n_tasks);
    timeline->n_copies = 0;
    timeline->cost = 0;
    timeline->first_read[0] = timeline->first_made[0] = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        timeline->newest[t] = -1;
        if (graph->tensors[t].is_input)
            begin_copy(timeline, t, -1);
    }
    for (int at = 0; at < timeline->sequence.n; at++)
        run_task(timeline, at);
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_retained)
            timeline->copies[timeline->newest[t]].last = timeline->sequence.n - 1;
    list_uses(timeline);
    add_up(timeline);
    return TESS_OK;
}

enum tess_status tess_timeline_set(struct tess_timeline *timeline,
                                   const struct tess_remat_sequence *sequence,
                                   struct tess_error *error)
{
    enum tess_status status =
        tess_remat_sequence_set(&timeline->sequence, sequence->tasks, sequence->n, error);
    return status == TESS_OK ? build(timeline, error) : status;
}

/* ---- queries ---- */

int tess_timeline_copy_before(const struct tess_timeline *timeline, int tensor,
                              int position)
{
    int copy = timeline->newest[tensor];
    while (copy >= 0 && timeline->copies[copy].first >= position)
        copy = timeline->copies[copy].earlier;
    return copy;
}

int tess_timeline_uses_before(const struct tess_timeline *timeline, int copy,
                              int position)
{
    const int *uses = timeline->uses + timeline->copies[copy].first_use;
    int low = 0, high = timeline->copies[copy].n_uses;
    while (low < high) {
        int middle = (low + high) / 2;
        if (uses[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- asking ---- */

/* What a change does: bytes more or fewer in stretches of positions, one position less, one
 * more. */
struct question {
    struct tess_timeline *timeline;
    int low, high; /* positions touched: [low, high) */
    int left_out;  /* -1: none */
    int64_t extra; /* bytes alive at the position that is new; -1: none is */
};

static void add(struct question *question, int first, int last, int64_t bytes)
{
    first = tess_max_int(0, first);
    if (first > last)
        return;
    question->timeline->change[first] += bytes;
    question->timeline->change[last + 1] -= bytes;
    question->low = tess_min_int(question->low, first);
    question->high = tess_max_int(question->high, last + 1);
}

static double answer(struct question *question)
{
    struct tess_timeline *timeline = question->timeline;
    int64_t *change = timeline->change, more = 0;
    double excess = timeline->excess;
    for (int at = question->low; at < question->high; at++) {
        more += change[at];
        change[at] = 0;
        if (more != 0 && at != question->left_out)
            excess += above(timeline, timeline->bytes[at] + more) -
                      above(timeline, timeline->bytes[at]);
    }
    change[tess_max_int(question->high, 0)] = 0;
    if (question->left_out >= 0)
        excess -= above(timeline, timeline->bytes[question->left_out]);
    if (question->extra >= 0)
        excess += above(timeline, question->extra);
    return excess < 0.5 ? 0 : excess; /* sums of integers */
}

static struct question begin_question(struct tess_timeline *timeline)
{
    return (struct question){timeline, timeline->sequence.n, 0, -1, -1};
}

double tess_timeline_ask_insert(struct tess_timeline *timeline, int task_id, int position)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    const struct tess_task *task = &graph->tasks[task_id];
    struct question question = begin_question(timeline);
    question.extra = timeline->carried[position];
    for (int k = 0; k < task->n_outputs; k++) {
        int t = task->outputs[k];
        int c = tess_timeline_copy_before(timeline, t, position);
        const struct tess_timeline_copy *copy = &timeline->copies[c];
        if (copy->last < position) {
            question.extra += graph->tensors[t].bytes;
            continue;
        }
        int n_before = tess_timeline_uses_before(timeline, c, position);
        int last =
            n_before > 0 ? timeline->uses[copy->first_use + n_before - 1] : copy->first;
        add(&question, last + 1, position - 1, -graph->tensors[t].bytes);
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int t = task->inputs[k];
        int c = tess_timeline_copy_before(timeline, t, position);
        const struct tess_timeline_copy *copy = &timeline->copies[c];
        if (copy->last >= position)
            continue;
        question.extra += graph->tensors[t].bytes;
        add(&question, copy->last + 1, position - 1, graph->tensors[t].bytes);
    }
    return answer(&question);
}

/* The run at `position` no longer reads this copy. */
static void stop_reading(struct question *question, int c, int position)
{
    const struct tess_timeline *timeline = question->timeline;
    const struct tess_timeline_copy *copy = &timeline->copies[c];
    const struct tess_task_graph *graph = timeline->problem->graph;
    if (copy->last != position ||
        (copy->later < 0 && graph->tensors[copy->tensor].is_retained))
        return;
    int last = copy->n_uses > 1 ? timeline->uses[copy->first_use + copy->n_uses - 2]
                                : copy->first;
    add(question, last + 1, position, -graph->tensors[copy->tensor].bytes);
}

double tess_timeline_ask_erase(struct tess_timeline *timeline, int position)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    struct question question = begin_question(timeline);
    question.left_out = position;
    for (int r = timeline->first_read[position]; r < timeline->first_read[position + 1];
         r++)
        stop_reading(&question, timeline->reads[r], position);
    for (int k = timeline->first_made[position]; k < timeline->first_made[position + 1];
         k++) {
        const struct tess_timeline_copy *copy = &timeline->copies[timeline->made[k]];
        assert(copy->earlier >= 0);
        if (copy->last > position)
            add(&question, timeline->copies[copy->earlier].last + 1, position,
                graph->tensors[copy->tensor].bytes);
    }
    return answer(&question);
}

/* The run that came at `position` reads a copy of this tensor before `to`, as well or instead;
 * the bytes that the new position has more than what is carried there. */
static int64_t read_elsewhere(struct question *question, int c, int position, int to)
{
    const struct tess_timeline *timeline = question->timeline;
    int tensor = timeline->copies[c].tensor;
    int64_t bytes = timeline->problem->graph->tensors[tensor].bytes;
    int other = tess_timeline_copy_before(timeline, tensor, to);
    const struct tess_timeline_copy *copy = &timeline->copies[other];
    if (other != c || to < position)
        stop_reading(question, c, position);
    int last = copy->last;
    if (other == c && to < position && last == position) {
        bool is_kept =
            copy->later < 0 && timeline->problem->graph->tensors[tensor].is_retained;
        last = is_kept            ? last
               : copy->n_uses > 1 ? timeline->uses[copy->first_use + copy->n_uses - 2]
                                  : copy->first;
    }
    if (last >= to)
        return 0;
    add(question, last + 1, to - 1, bytes);
    /* Carried over `to` it is only if it lived so long; if it did so for this run alone, the
     * stretch was taken back above. */
    return copy->last >= to ? 0 : bytes;
}

double tess_timeline_ask_move(struct tess_timeline *timeline, int position, int to)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    struct question question = begin_question(timeline);
    question.left_out = position;
    question.extra = timeline->carried[to];
    for (int r = timeline->first_read[position]; r < timeline->first_read[position + 1];
         r++)
        question.extra += read_elsewhere(&question, timeline->reads[r], position, to);
    for (int k = timeline->first_made[position]; k < timeline->first_made[position + 1];
         k++) {
        const struct tess_timeline_copy *copy = &timeline->copies[timeline->made[k]];
        int64_t bytes = graph->tensors[copy->tensor].bytes;
        bool is_carried = copy->first < to && copy->last >= to;
        if (!is_carried)
            question.extra += bytes;
        if (to > position)
            add(&question, position, tess_min_int(copy->last, to - 1), -bytes);
        else if (copy->last > position)
            add(&question, to, position, bytes);
    }
    return answer(&question);
}

/* ---- changing ---- */

enum tess_status tess_timeline_insert(struct tess_timeline *timeline, int task,
                                      int position, struct tess_error *error)
{
    struct tess_remat_sequence *sequence = &timeline->sequence;
    int room = sequence->n + 1 > sequence->capacity ? 2 * sequence->n + 8 : 0;
    enum tess_status status = tess_remat_sequence_reserve(sequence, room, error);
    if (status != TESS_OK)
        return status;
    memmove(sequence->tasks + position + 1, sequence->tasks + position,
            sizeof *sequence->tasks * (size_t)(sequence->n - position));
    sequence->tasks[position] = task;
    sequence->n++;
    return build(timeline, error);
}

enum tess_status tess_timeline_erase(struct tess_timeline *timeline, int position,
                                     struct tess_error *error)
{
    struct tess_remat_sequence *sequence = &timeline->sequence;
    sequence->n--;
    memmove(sequence->tasks + position, sequence->tasks + position + 1,
            sizeof *sequence->tasks * (size_t)(sequence->n - position));
    return build(timeline, error);
}

enum tess_status tess_timeline_move(struct tess_timeline *timeline, int position, int to,
                                    struct tess_error *error)
{
    int *tasks = timeline->sequence.tasks, task = tasks[position];
    if (to > position) {
        to--;
        memmove(tasks + position, tasks + position + 1,
                sizeof *tasks * (size_t)(to - position));
    } else {
        memmove(tasks + to + 1, tasks + to, sizeof *tasks * (size_t)(position - to));
    }
    tasks[to] = task;
    return build(timeline, error);
}
