#include "remat/timeline.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

enum { BLOCK = 32 }; /* positions */

enum tess_status tess_timeline_init(struct tess_timeline *timeline,
                                    const struct tess_remat_problem *problem,
                                    struct tess_error *error)
{
    const struct tess_task_graph *graph = problem->graph;
    *timeline = (struct tess_timeline){.problem = problem};
    timeline->n_runs = calloc((size_t)graph->n_tasks + 1, sizeof *timeline->n_runs);
    timeline->may_repeat = calloc((size_t)graph->n_tasks + 1, sizeof(bool));
    timeline->newest = calloc((size_t)graph->n_tensors + 1, sizeof *timeline->newest);
    int most = 0;
    for (int i = 0; i < graph->n_tasks; i++)
        most = tess_max_int(most, graph->tasks[i].n_inputs + graph->tasks[i].n_outputs);
    /* A move reads every input elsewhere: two stretches each. */
    timeline->events = malloc(sizeof *timeline->events * (4 * (size_t)most + 4));
    if (!timeline->n_runs || !timeline->may_repeat || !timeline->newest ||
        !timeline->events)
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
    free(timeline->most);
    free(timeline->n_above);
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
    free(timeline->events);
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
    timeline->n_above = malloc(sizeof *timeline->n_above * n);
    timeline->most = malloc(sizeof *timeline->most * (n / BLOCK + 1));
    timeline->fill = malloc(sizeof *timeline->fill * made);
    bool has_all = timeline->copies && timeline->first_made && timeline->made &&
                   timeline->first_read && timeline->reads && timeline->uses &&
                   timeline->plain && timeline->bytes && timeline->carried &&
                   timeline->change && timeline->most && timeline->n_above &&
                   timeline->fill;
    return has_all ? TESS_OK : tess_error_nomem(error);
}

static int begin_copy(struct tess_timeline *timeline, int tensor, int at)
{
    int copy = timeline->n_copies++, earlier = timeline->newest[tensor];
    if (earlier >= 0)
        timeline->copies[earlier].later = copy;
    timeline->copies[copy] = (struct tess_timeline_copy){.tensor = tensor,
                                                         .first = at,
                                                         .last = at,
                                                         .last_made = at,
                                                         .earlier = earlier,
                                                         .later = -1};
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
        timeline->copies[made[k]].last = timeline->copies[made[k]].last_made = at;
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
    timeline->n_above[0] = 0;
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
        timeline->n_above[at + 1] =
            timeline->n_above[at] +
            (timeline->bytes[at] > timeline->problem->budget_bytes);
        int64_t *most = &timeline->most[at / BLOCK];
        *most =
            at % BLOCK ? tess_max_i64(*most, timeline->bytes[at]) : timeline->bytes[at];
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

int tess_timeline_first_need(const struct tess_timeline *timeline, int position)
{
    int need = timeline->sequence.n;
    int task = timeline->sequence.tasks[position];
    if (!timeline->may_repeat[task] ||
        (timeline->problem->graph->tasks[task].n_outputs == 0 &&
         timeline->n_runs[task] > 1))
        return position;
    for (int k = timeline->first_made[position]; k < timeline->first_made[position + 1];
         k++) {
        const struct tess_timeline_copy *copy = &timeline->copies[timeline->made[k]];
        if (copy->n_uses > 0)
            need = tess_min_int(need, timeline->uses[copy->first_use]);
        if (copy->later >= 0)
            need = tess_min_int(need, timeline->copies[copy->later].first);
    }
    return need;
}

int tess_timeline_first_chance(const struct tess_timeline *timeline, int position)
{
    const struct tess_task_graph *graph = timeline->problem->graph;
    int task = timeline->sequence.tasks[position], from = 0;
    if (!timeline->may_repeat[task] ||
        (graph->tasks[task].n_outputs == 0 && timeline->n_runs[task] > 1))
        return position;
    for (int r = timeline->first_read[position]; r < timeline->first_read[position + 1];
         r++) {
        const struct tess_timeline_copy *copy = &timeline->copies[timeline->reads[r]];
        if (graph->tensors[copy->tensor].n_producers > 1)
            return position;
        from = tess_max_int(from, copy->first + 1);
    }
    for (int k = timeline->first_made[position]; k < timeline->first_made[position + 1];
         k++) {
        int earlier = timeline->copies[timeline->made[k]].earlier;
        if (earlier >= 0)
            from = tess_max_int(from, timeline->copies[earlier].last + 1);
    }
    return from;
}

/* ---- asking ---- */

/* What a change does: bytes more or fewer in stretches of positions, one position less, one
 * more. */
struct question {
    struct tess_timeline *timeline;
    int n_events;
    int left_out;  /* -1: none */
    int64_t extra; /* bytes alive at the position that is new; -1: none is */
};

static void add_event(struct question *question, int position, int64_t bytes)
{
    struct tess_timeline_event *events = question->timeline->events;
    int at = question->n_events++;
    for (; at > 0 && events[at - 1].position > position; at--)
        events[at] = events[at - 1];
    events[at] = (struct tess_timeline_event){position, bytes};
}

static void add(struct question *question, int first, int last, int64_t bytes)
{
    first = tess_max_int(0, first);
    if (first > last || bytes == 0)
        return;
    add_event(question, first, bytes);
    add_event(question, last + 1, -bytes);
}

/* By how much the excess of the positions [begin, end) grows with so many bytes more. */
static double stretch(const struct tess_timeline *timeline, int begin, int end,
                      int64_t more)
{
    int64_t budget = timeline->problem->budget_bytes;
    const int64_t *bytes = timeline->bytes;
    double excess = 0;
    for (int at = begin; at < end;) {
        int block = at / BLOCK, next = tess_min_int(end, (block + 1) * BLOCK);
        int64_t most = timeline->most[block];
        for (; at < next && tess_max_i64(most, most + more) > budget; at++) {
            int64_t before = tess_max_i64(bytes[at] - budget, 0);
            excess += (double)(tess_max_i64(bytes[at] + more - budget, 0) - before);
        }
        at = next;
    }
    return excess;
}

static double answer(const struct question *question)
{
    const struct tess_timeline *timeline = question->timeline;
    const struct tess_timeline_event *events = timeline->events;
    double excess = timeline->excess;
    int64_t more = 0;
    for (int k = 0; k + 1 < question->n_events; k++) {
        int begin = events[k].position, end = events[k + 1].position;
        int left_out = question->left_out;
        more += events[k].bytes;
        if (more == 0)
            continue;
        excess += stretch(timeline, begin, end, more);
        if (begin <= left_out && left_out < end)
            excess -= stretch(timeline, left_out, left_out + 1, more);
    }
    if (question->left_out >= 0)
        excess -= above(timeline, timeline->bytes[question->left_out]);
    if (question->extra >= 0)
        excess += above(timeline, question->extra);
    return excess < 0.5 ? 0 : excess; /* sums of integers */
}

static struct question begin_question(struct tess_timeline *timeline)
{
    return (struct question){timeline, 0, -1, -1};
}

/* The last position of a copy; n, behind all, if it is retained. */
static int end_of(const struct tess_timeline *timeline,
                  const struct tess_timeline_copy *copy)
{
    bool is_kept =
        copy->later < 0 && timeline->problem->graph->tensors[copy->tensor].is_retained;
    return is_kept ? timeline->sequence.n : copy->last;
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
        if (end_of(timeline, copy) < position) {
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
        if (end_of(timeline, copy) >= position)
            continue;
        question.extra += graph->tensors[t].bytes;
        add(&question, end_of(timeline, copy) + 1, position - 1, graph->tensors[t].bytes);
    }
    return answer(&question);
}

/* The last position of a copy if its last use is left out. */
static int end_before(const struct tess_timeline *timeline,
                      const struct tess_timeline_copy *copy)
{
    return copy->n_uses > 1 ? timeline->uses[copy->first_use + copy->n_uses - 2]
                            : copy->last_made;
}

/* The run at `position` no longer reads this copy. */
static void stop_reading(struct question *question, int c, int position)
{
    const struct tess_timeline *timeline = question->timeline;
    const struct tess_timeline_copy *copy = &timeline->copies[c];
    const struct tess_task_graph *graph = timeline->problem->graph;
    if (end_of(timeline, copy) == position)
        add(question, end_before(timeline, copy) + 1, position,
            -graph->tensors[copy->tensor].bytes);
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
        if (end_of(timeline, copy) > position)
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
    int last = end_of(timeline, copy);
    if (other == c && to < position && last == position)
        last = end_before(timeline, copy);
    if (last >= to)
        return 0;
    add(question, last + 1, to - 1, bytes);
    /* Carried over `to` it is only if it lived so long; if it did so for this run alone, the
     * stretch was taken back above. */
    return end_of(timeline, copy) >= to ? 0 : bytes;
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
        bool is_carried = copy->first < to && end_of(timeline, copy) >= to;
        if (!is_carried)
            question.extra += bytes;
        if (to > position)
            add(&question, position, tess_min_int(end_of(timeline, copy), to - 1),
                -bytes);
        else if (end_of(timeline, copy) > position)
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
