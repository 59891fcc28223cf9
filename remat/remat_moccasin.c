/* The Moccasin formulation, solved by constraint propagation and large neighbourhood search.
 *
 * Problem: tasks first run in a given order. Task v has up to C retention intervals [start, end]:
 * from a run of it to the last use of what that run computed. Their starts are integers on the
 * staged event grid: stage k ends with the first run of the k-th task of the order, before it any
 * earlier tasks may run again, in the same order; so the event of task p in stage k is number
 *
 *     e(k, p) = k (k + 1) / 2 + p,   p <= k                                               (1)
 *
 * and the first interval of task v starts at e(v, v). At every event the sizes of the intervals
 * that hold it must sum to no more than the budget (2: cumulative). Each run lies in an interval of
 * every task it reads (3: coverage). Minimise the sum of the costs of all intervals. Two integers
 * an interval, so O(n) variables; there is no reordering.
 *
 * Method: given the starts, the ends that hold the least follow from (3). So the search is over
 * starts. Where (2) is violated most, some interval that is not needed at that event must be
 * split there: its task starts anew at a later stage, up to that of the next use. Branch over
 * which one; having tried one, retain it over the event in all that follows, which takes values
 * from the domain of its next start. Propagation at each violated event: what must be there, as
 * it is used there, cannot be computed again, or is retained, must not sum to more than the budget;
 * and the cheapest way (by fractions) to free what is too much must not cost more than what
 * is left below the best solution. Large neighbourhoods: a few intervals near each other are
 * given up and the search fills in what is cheapest there, within a number of failures.
 * Phase 1 brings the peak of the order given below the budget, phase 2 brings the cost down.
 *
 * Not done: starts between the use of an input that is alive and the next use are not tried;
 * what takes outputs of one task at a time is not split further.
 *
 * Reference: Bartan, Li, Teague, Lott, Dilkina, "Moccasin: Efficient Tensor Rematerialization for
 * Neural Networks", ICML 2023 (there solved by CP-SAT).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/rng.h"
#include "remat/method.h"
#include "remat/timeline.h"

/* TUNING: branches of a violated event; failures of one search (2026-11). */
enum { MAX_BRANCHES = 6, MAX_DEPTH = 200, FEW_FAILURES = 40, MANY_FAILURES = 400 };

/* A start of a task that is not its first. */
struct start {
    int stage, place; /* place: of the task in the order */
};

/* What a task must retain: its tensors at an event. */
struct retained {
    int task;
    int64_t event;
};

struct branch {
    int task, stage;
    double score;
};

struct moccasin {
    const struct tess_remat_problem *problem;
    struct tess_remat_result *result;
    struct tess_timeline timeline;
    struct tess_remat_sequence sequence; /* of `starts` */
    struct tess_rng rng;
    double deadline_us;
    int *place_of;        /* [n_tasks] */
    struct start *starts; /* sorted by event */
    int n_starts, room_starts;
    int64_t *events; /* [room of the sequence] of each run */
    int room_events;
    struct retained retained[MAX_DEPTH * MAX_BRANCHES];
    int n_retained;
    struct start *best; /* what was found last */
    int n_best;
    int64_t best_cost;  /* INT64_MAX while nothing fits */
    double best_excess; /* then: the least so far */
    bool is_new;        /* best was found in this search */
    int n_failures, limit_failures;
};

static int64_t event_of(int stage, int place)
{
    return (int64_t)stage * (stage + 1) / 2 + place; /* equation (1) */
}

/* ---- from starts to a sequence ---- */

static enum tess_status make_room(struct moccasin *moccasin, int n_runs,
                                  struct tess_error *error)
{
    enum tess_status status =
        tess_remat_sequence_reserve(&moccasin->sequence, n_runs, error);
    if (status != TESS_OK || n_runs <= moccasin->room_events)
        return status;
    free(moccasin->events);
    moccasin->room_events = 2 * n_runs;
    moccasin->events = malloc(sizeof *moccasin->events * (size_t)moccasin->room_events);
    return moccasin->events ? TESS_OK : tess_error_nomem(error);
}

static enum tess_status show_starts(struct moccasin *moccasin, struct tess_error *error)
{
    const int *order = moccasin->problem->order;
    int n_tasks = moccasin->problem->graph->n_tasks, n = 0, next = 0;
    enum tess_status status =
        make_room(moccasin, n_tasks + moccasin->n_starts + 1, error);
    if (status != TESS_OK)
        return status;
    for (int stage = 0; stage <= n_tasks; stage++) {
        for (; next < moccasin->n_starts && moccasin->starts[next].stage == stage;
             next++) {
            moccasin->events[n] = event_of(stage, moccasin->starts[next].place);
            moccasin->sequence.tasks[n++] = order[moccasin->starts[next].place];
        }
        if (stage == n_tasks)
            break;
        moccasin->events[n] = event_of(stage, stage);
        moccasin->sequence.tasks[n++] = order[stage];
    }
    moccasin->sequence.n = n;
    return tess_timeline_set(&moccasin->timeline, &moccasin->sequence, error);
}

static enum tess_status add_start(struct moccasin *moccasin, struct start start,
                                  int *at_out, struct tess_error *error)
{
    if (moccasin->n_starts == moccasin->room_starts) {
        int room = 2 * moccasin->room_starts + 16;
        struct start *starts = realloc(moccasin->starts, sizeof *starts * (size_t)room);
        if (starts)
            moccasin->starts = starts;
        struct start *best = realloc(moccasin->best, sizeof *best * (size_t)room);
        if (best)
            moccasin->best = best;
        if (!starts || !best)
            return tess_error_nomem(error);
        moccasin->room_starts = room;
    }
    int at = moccasin->n_starts++;
    int64_t event = event_of(start.stage, start.place);
    for (; at > 0 && event_of(moccasin->starts[at - 1].stage,
                              moccasin->starts[at - 1].place) > event;
         at--)
        moccasin->starts[at] = moccasin->starts[at - 1];
    moccasin->starts[at] = start;
    *at_out = at;
    return TESS_OK;
}

static void remove_start(struct moccasin *moccasin, int at)
{
    moccasin->n_starts--;
    memmove(moccasin->starts + at, moccasin->starts + at + 1,
            sizeof *moccasin->starts * (size_t)(moccasin->n_starts - at));
}

static void keep_best(struct moccasin *moccasin)
{
    moccasin->n_best = moccasin->n_starts;
    if (moccasin->n_starts > 0)
        memcpy(moccasin->best, moccasin->starts,
               sizeof *moccasin->best * (size_t)moccasin->n_starts);
    moccasin->is_new = true;
}

/* ---- branching and propagation ---- */

/* An interval that is alive at a violated event and not used there. */
struct candidate {
    int task, copy;
    int64_t bytes;
    int last_use, next_use; /* positions around the event; next: n for the end */
    double ratio;           /* cost of splitting it per byte */
};

/* Is the task to be retained at some event after `from` and before `to`? */
static bool is_retained(const struct moccasin *moccasin, int task, int64_t from,
                        int64_t to)
{
    for (int k = 0; k < moccasin->n_retained; k++)
        if (moccasin->retained[k].task == task && moccasin->retained[k].event > from &&
            moccasin->retained[k].event < to)
            return true;
    return false;
}

/* The candidate that copy c is at `position`; false if it is none. */
static bool make_candidate(const struct moccasin *moccasin, int c, int position,
                           struct candidate *candidate)
{
    const struct tess_timeline *timeline = &moccasin->timeline;
    const struct tess_timeline_copy *copy = &timeline->copies[c];
    if (copy->first < 0 || copy->first >= position || copy->last <= position)
        return false;
    int task = timeline->sequence.tasks[copy->first];
    const int *uses = timeline->uses + copy->first_use;
    int n_before = tess_timeline_uses_before(timeline, c, position + 1);
    int last = n_before > 0 ? uses[n_before - 1] : copy->first;
    int64_t bytes = moccasin->problem->graph->tensors[copy->tensor].bytes;
    if (!timeline->may_repeat[task] || last == position || bytes == 0 ||
        timeline->n_runs[task] >= moccasin->problem->most_runs ||
        is_retained(moccasin, task, moccasin->events[last],
                    moccasin->events[position] + 1))
        return false;
    *candidate = (struct candidate){
        task,
        c,
        bytes,
        last,
        n_before < copy->n_uses ? uses[n_before] : timeline->sequence.n,
        (double)moccasin->problem->costs[task] / (double)bytes};
    return true;
}

/* Least cost, by fractions, of freeing so many bytes with the candidates that are open; negative
 * if they do not suffice. */
static double bound_freeing(struct candidate *candidates, int n, int64_t need)
{
    double cost = 0;
    for (int i = 1; i < n; i++) { /* few: by insertion */
        struct candidate one = candidates[i];
        int at = i;
        for (; at > 0 && candidates[at - 1].ratio > one.ratio; at--)
            candidates[at] = candidates[at - 1];
        candidates[at] = one;
    }
    for (int i = 0; i < n && need > 0; i++) {
        int64_t bytes = tess_min_i64(need, candidates[i].bytes);
        cost += candidates[i].ratio * (double)bytes;
        need -= bytes;
    }
    return need > 0 ? -1 : cost;
}

static void offer_branch(struct branch *branches, int *n_branches, struct branch branch)
{
    int at = *n_branches;
    if (at == MAX_BRANCHES) {
        if (branches[at - 1].score >= branch.score)
            return;
        at--;
    } else {
        (*n_branches)++;
    }
    for (; at > 0 && branches[at - 1].score < branch.score; at--)
        branches[at] = branches[at - 1];
    branches[at] = branch;
}

/* Values of the next start of a candidate that are worth a try: the stage of the next use, and
 * those in which an input dies that would be needed longer. */
static void offer_starts(struct moccasin *moccasin, const struct candidate *candidate,
                         int position, struct branch *branches, int *n_branches)
{
    struct tess_timeline *timeline = &moccasin->timeline;
    const struct tess_task_graph *graph = moccasin->problem->graph;
    const struct tess_task *task = &graph->tasks[candidate->task];
    int place = moccasin->place_of[candidate->task];
    for (int k = -1; k < task->n_inputs; k++) {
        int before = candidate->next_use; /* the run comes before this position */
        if (k >= 0) {
            int input = tess_timeline_copy_before(timeline, task->inputs[k], before);
            before = timeline->copies[input].last + 1;
            if (before <= position || before >= candidate->next_use)
                continue;
        }
        /* The stage of the run at `before`; the start's event must be neither earlier than the
         * violated one nor than what comes before. */
        int stage = graph->n_tasks;
        if (before < timeline->sequence.n) {
            int at = before;
            while (timeline->n_runs[timeline->sequence.tasks[at]] > 1 &&
                   moccasin->events[at] !=
                       event_of(moccasin->place_of[timeline->sequence.tasks[at]],
                                moccasin->place_of[timeline->sequence.tasks[at]]))
                at++;
            stage = moccasin->place_of[timeline->sequence.tasks[at]];
        }
        if (stage <= place || event_of(stage, place) <= moccasin->events[position] ||
            is_retained(moccasin, candidate->task, moccasin->events[candidate->last_use],
                        event_of(stage, place)))
            continue;
        double gain = timeline->excess -
                      tess_timeline_ask_insert(timeline, candidate->task, before);
        double cost = (double)moccasin->problem->costs[candidate->task] + 1;
        double luck = 1 + 0.3 * (double)tess_rng_float(&moccasin->rng);
        offer_branch(branches, n_branches,
                     (struct branch){candidate->task, stage, gain * luck / cost});
    }
}

static int most_violated(const struct tess_timeline *timeline)
{
    int best = 0;
    for (int at = 0; at < timeline->sequence.n; at++)
        if (timeline->bytes[at] > timeline->bytes[best])
            best = at;
    return best;
}

/* Fills the branches of the node that the timeline shows; none: it fails. */
static enum tess_status find_branches(struct moccasin *moccasin, struct branch *branches,
                                      int *n_branches, int64_t *event_out,
                                      struct tess_error *error)
{
    struct tess_timeline *timeline = &moccasin->timeline;
    int position = most_violated(timeline), n = 0;
    int64_t need = timeline->bytes[position] - moccasin->problem->budget_bytes;
    *event_out = moccasin->events[position];
    struct candidate *candidates =
        malloc(sizeof *candidates * ((size_t)timeline->n_copies + 1));
    if (!candidates)
        return tess_error_nomem(error);
    for (int c = 0; c < timeline->n_copies; c++)
        n += make_candidate(moccasin, c, position, &candidates[n]);
    double least = bound_freeing(candidates, n, need);
    bool fails =
        least < 0 || (double)timeline->cost + least >= (double)moccasin->best_cost;
    for (int i = 0; i < n && !fails; i++)
        offer_starts(moccasin, &candidates[i], position, branches, n_branches);
    free(candidates);
    return TESS_OK;
}

static bool is_over(const struct moccasin *moccasin)
{
    return moccasin->n_failures >= moccasin->limit_failures ||
           tess_deadline_is_past(moccasin->deadline_us);
}

static enum tess_status search(struct moccasin *moccasin, int depth,
                               struct tess_error *error)
{
    struct branch branches[MAX_BRANCHES];
    int n_branches = 0, n_retained = moccasin->n_retained;
    int64_t event = 0;
    enum tess_status status = show_starts(moccasin, error);
    if (status != TESS_OK)
        return status;
    const struct tess_timeline *timeline = &moccasin->timeline;
    if (timeline->excess <= 0) {
        if (timeline->cost < moccasin->best_cost) {
            moccasin->best_cost = timeline->cost;
            keep_best(moccasin);
            return tess_remat_result_offer(moccasin->result, moccasin->problem,
                                           &moccasin->sequence, tess_remat_moccasin.name,
                                           error);
        }
        return TESS_OK;
    }
    if (moccasin->best_cost == INT64_MAX && timeline->excess < moccasin->best_excess) {
        moccasin->best_excess = timeline->excess;
        keep_best(moccasin);
    }
    if (depth < MAX_DEPTH)
        status = find_branches(moccasin, branches, &n_branches, &event, error);
    moccasin->n_failures += n_branches == 0;
    for (int i = 0; i < n_branches && status == TESS_OK && !is_over(moccasin); i++) {
        struct start start = {branches[i].stage, moccasin->place_of[branches[i].task]};
        int at = 0;
        status = add_start(moccasin, start, &at, error);
        if (status != TESS_OK)
            break;
        status = search(moccasin, depth + 1, error);
        remove_start(moccasin, at);
        bool is_same_next =
            i + 1 < n_branches && branches[i + 1].task == branches[i].task;
        if (!is_same_next && moccasin->n_retained < MAX_DEPTH * MAX_BRANCHES)
            moccasin->retained[moccasin->n_retained++] =
                (struct retained){branches[i].task, event};
    }
    moccasin->n_retained = n_retained;
    return status;
}

/* ---- neighbourhoods ---- */

/* Makes the best the starts to go on from, but for some that are given up. */
static void give_up_some(struct moccasin *moccasin, int n_given_up)
{
    struct tess_rng *rng = &moccasin->rng;
    moccasin->n_starts = 0;
    int centre = moccasin->n_best > 0 ? tess_rng_int(rng, 0, moccasin->n_best - 1) : 0;
    int first = tess_max_int(0, centre - n_given_up / 2);
    for (int k = 0; k < moccasin->n_best; k++) {
        bool is_near = k >= first && k < first + n_given_up;
        if (!is_near || tess_rng_int(rng, 0, 5) == 0)
            moccasin->starts[moccasin->n_starts++] = moccasin->best[k];
    }
}

static enum tess_status improve(struct moccasin *moccasin, struct tess_error *error)
{
    enum { MAX_IDLE = 3000, FEW = 3, MANY = 14 };
    enum tess_status status = TESS_OK;
    for (int n_idle = 0;
         status == TESS_OK && n_idle < MAX_IDLE && !moccasin->result->is_proven &&
         !tess_deadline_is_past(moccasin->deadline_us);
         n_idle++) {
        give_up_some(moccasin, tess_rng_int(&moccasin->rng, FEW, MANY));
        moccasin->is_new = false;
        moccasin->n_retained = moccasin->n_failures = 0;
        moccasin->limit_failures = FEW_FAILURES;
        status = search(moccasin, 0, error);
        if (moccasin->is_new)
            n_idle = 0;
    }
    return status;
}

static enum tess_status start_from_order(struct moccasin *moccasin,
                                         struct tess_error *error)
{
    const struct tess_remat_problem *problem = moccasin->problem;
    int n_tasks = problem->graph->n_tasks;
    moccasin->place_of = malloc(sizeof *moccasin->place_of * ((size_t)n_tasks + 1));
    if (!moccasin->place_of)
        return tess_error_nomem(error);
    for (int at = 0; at < n_tasks; at++)
        moccasin->place_of[problem->order[at]] = at;
    tess_rng_init(&moccasin->rng, 2);
    moccasin->best_cost = INT64_MAX;
    moccasin->best_excess = INFINITY;
    moccasin->limit_failures = MANY_FAILURES;
    return tess_timeline_init(&moccasin->timeline, problem, error);
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    double deadline_us = tess_clock_us() + limits->seconds * 1e6;
    enum tess_status status =
        tess_remat_result_init(result, problem, tess_remat_moccasin.name, error);
    if (status != TESS_OK || result->is_proven)
        return status;
    struct moccasin *moccasin = calloc(1, sizeof *moccasin);
    if (!moccasin)
        return tess_error_nomem(error);
    moccasin->problem = problem;
    moccasin->result = result;
    moccasin->deadline_us = deadline_us;
    status = start_from_order(moccasin, error);
    if (status == TESS_OK)
        status = search(moccasin, 0, error);
    if (status == TESS_OK)
        status = improve(moccasin, error);
    tess_timeline_release(&moccasin->timeline);
    tess_remat_sequence_release(&moccasin->sequence);
    free(moccasin->place_of);
    free(moccasin->starts);
    free(moccasin->best);
    free(moccasin->events);
    free(moccasin);
    return status;
}

const struct tess_remat_method tess_remat_moccasin = {
    .name = "moccasin",
    .description = "retention intervals by constraint propagation, in a fixed order",
    .run = run,
};
