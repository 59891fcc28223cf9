/* Problem: improve an order of many tasks whose peak is high in few places.
 *
 * Method: local search. A move takes a set D of tasks closed under "needs" and reorders to "D as
 * it was, then the rest as it was". For the states I of the old order the new one passes I and D,
 * then I or D; with a D of few bytes alive neither is much above I. The sets tried are the
 * smallest and the largest state with the fewest bytes alive
 *   - of those in which the task v at a peak can run next, for all tasks at high places;     (1)
 *   - of those that contain the task at one place before the peak and lack that at one place after,
 *     places drawn at random, nearer ones more often.                                        (2)
 * A move is kept if the order's score falls: its peak, then the sum of squares of what is above
 * the floor.
 *
 * Invariant: the order is valid, its score falls.
 *
 * Cost: a maximum flow and an evaluation per trial; the flows of (1) do not depend on the order
 * and are kept.
 *
 * Worked example: order a b c d, where a makes 10 bytes that d reads, b -> c is a chain that
 * peaks at 20 and leaves 1. Peak 30, in c. The state with the fewest bytes in which c can run is
 * {b}: D = {b}: b a c d; then, at c again, with c at the peak still over a, (2) draws D = {b, c}.
 *
 * Not done: undoing moves; equal scores.
 */
#include "schedule/climb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "base/rng.h"
#include "schedule/cut.h"
#include "schedule/peak.h"

/* TUNING: 400 random pairs around the peak without success end the search; on random layered
 * graphs of 500 and 1000 tasks nine of ten successes came within 60 (2026-11). */
enum { N_PAIR_TRIALS = 400 };

struct score {
    int64_t peak;
    double excess; /* sum of squares above the floor */
};

struct place {
    int64_t bytes;
    int task;
};

struct climbing {
    const struct tess_climb *climb;
    const struct tess_task_graph *graph;
    int *order, *trial; /* [n_tasks]; `order` is the caller's */
    int64_t *bytes;     /* [n_tasks] of the order's places */
    struct place *places;
    unsigned char *sets[2]; /* [n_tasks] bit sets [n_tasks], where has_set */
    bool *has_set[2];
    size_t set_bytes;
    struct tess_cut cut;
    struct score score;
    struct tess_rng rng;
};

static enum tess_status evaluate(struct climbing *climbing, const int *order,
                                 struct score *score_out, struct tess_error *error)
{
    struct score score = {0, 0};
    enum tess_status status =
        tess_peak_of_order(climbing->graph, order, &score.peak, climbing->bytes, error);
    for (int i = 0; i < climbing->graph->n_tasks && status == TESS_OK; i++) {
        double above = (double)(climbing->bytes[i] - climbing->climb->floor_bytes);
        if (above > 0)
            score.excess += above * above;
    }
    *score_out = score;
    return status;
}

static bool is_lower(const struct score *a, const struct score *b)
{
    return a->peak != b->peak ? a->peak < b->peak : a->excess < b->excess;
}

/* Tries the set on side RUN of the cut, or in the bit set if there is one. */
static enum tess_status try_set(struct climbing *climbing, const unsigned char *set,
                                bool *is_better_out, struct tess_error *error)
{
    int n_tasks = climbing->graph->n_tasks, n_in = 0, n_out = 0;
    bool is_split = false;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < n_tasks; i++) {
            int task = climbing->order[i];
            bool is_in = set ? set[task >> 3] >> (task & 7) & 1
                             : climbing->cut.side[task] == TESS_SIDE_RUN;
            if (pass == 0)
                n_in += is_in;
            else if (is_in)
                climbing->trial[i - n_out] = task;
            else
                climbing->trial[n_in + n_out++] = task;
            is_split |= pass == 1 && is_in && n_out > 0;
        }
    }
    *is_better_out = false;
    if (!is_split) /* the order passes this state already */
        return TESS_OK;
    struct score score;
    enum tess_status status = evaluate(climbing, climbing->trial, &score, error);
    if (status != TESS_OK || !is_lower(&score, &climbing->score))
        return status;
    climbing->score = score;
    memcpy(climbing->order, climbing->trial, sizeof *climbing->trial * (size_t)n_tasks);
    *is_better_out = true;
    return TESS_OK;
}

/* The smallest and largest state with the fewest bytes in which the task can run (1). */
static enum tess_status find_sets(struct climbing *climbing, int task_id,
                                  struct tess_error *error)
{
    struct tess_cut *cut = &climbing->cut;
    const struct tess_task *task = &climbing->graph->tasks[task_id];
    for (int is_largest = 0; is_largest < 2; is_largest++) {
        int64_t bytes;
        tess_cut_free_all(cut);
        tess_cut_set(cut, task_id, TESS_SIDE_WAITS);
        for (int k = 0; k < task->n_before; k++)
            tess_cut_set(cut, task->before[k], TESS_SIDE_RUN);
        enum tess_status status = tess_cut_find(cut, INT64_MAX, &bytes, error);
        if (status != TESS_OK)
            return status;
        tess_cut_decide(cut, is_largest);
        unsigned char *set =
            climbing->sets[is_largest] + climbing->set_bytes * (size_t)task_id;
        for (int i = 0; i < climbing->graph->n_tasks; i++)
            if (cut->side[i] == TESS_SIDE_RUN)
                set[i >> 3] |= (unsigned char)(1 << (i & 7));
        climbing->has_set[is_largest][task_id] = true;
    }
    return TESS_OK;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x->task - y->task;
}

static bool is_over(const struct climbing *climbing)
{
    return climbing->score.peak <= climbing->climb->floor_bytes ||
           tess_deadline_is_past(climbing->climb->deadline_us);
}

/* One round of (1), from the highest place down to the floor. */
static enum tess_status try_places(struct climbing *climbing, bool *is_better_out,
                                   struct tess_error *error)
{
    int n_tasks = climbing->graph->n_tasks;
    enum tess_status status =
        evaluate(climbing, climbing->order, &climbing->score, error);
    for (int i = 0; i < n_tasks; i++)
        climbing->places[i] = (struct place){climbing->bytes[i], climbing->order[i]};
    qsort(climbing->places, (size_t)n_tasks, sizeof *climbing->places, compare_places);
    for (int i = 0; i < n_tasks && status == TESS_OK && !is_over(climbing); i++) {
        int task = climbing->places[i].task;
        if (climbing->places[i].bytes <= climbing->climb->floor_bytes)
            break;
        if (!climbing->has_set[0][task])
            status = find_sets(climbing, task, error);
        for (int k = 0; k < 2 && status == TESS_OK; k++) {
            bool is_better;
            status =
                try_set(climbing, climbing->sets[k] + climbing->set_bytes * (size_t)task,
                        &is_better, error);
            *is_better_out |= is_better;
        }
    }
    return status;
}

/* Trials of (2), up to the first that succeeds. */
static enum tess_status try_pairs(struct climbing *climbing, bool *is_better_out,
                                  struct tess_error *error)
{
    int n_tasks = climbing->graph->n_tasks, at = 0;
    struct score score;
    enum tess_status status = evaluate(climbing, climbing->order, &score, error);
    for (int i = 0; i < n_tasks; i++)
        if (climbing->bytes[i] > climbing->bytes[at])
            at = i;
    for (int trial = 0; trial < N_PAIR_TRIALS && status == TESS_OK && !*is_better_out &&
                        !is_over(climbing);
         trial++) {
        int reach = tess_rng_int(&climbing->rng, 1, tess_max_int(2, n_tasks / 4));
        int from = at - tess_rng_int(&climbing->rng, 0, reach - 1);
        int to = at + 1 + tess_rng_int(&climbing->rng, 0, reach - 1);
        bool is_largest = tess_rng_int(&climbing->rng, 0, 1);
        from = tess_max_int(from, 0);
        to = tess_min_int(to, n_tasks - 1);
        if (from >= to)
            continue;
        int64_t bytes;
        tess_cut_free_all(&climbing->cut);
        tess_cut_set(&climbing->cut, climbing->order[from], TESS_SIDE_RUN);
        tess_cut_set(&climbing->cut, climbing->order[to], TESS_SIDE_WAITS);
        status = tess_cut_find(&climbing->cut, INT64_MAX, &bytes, error);
        if (status != TESS_OK)
            break;
        tess_cut_decide(&climbing->cut, is_largest);
        status = try_set(climbing, NULL, is_better_out, error);
    }
    return status;
}

static enum tess_status start(struct climbing *climbing, struct tess_error *error)
{
    size_t n = (size_t)climbing->graph->n_tasks + 1;
    climbing->set_bytes = (n + 7) / 8;
    climbing->trial = malloc(n * sizeof *climbing->trial);
    climbing->bytes = malloc(n * sizeof *climbing->bytes);
    climbing->places = malloc(n * sizeof *climbing->places);
    bool has_all = climbing->trial && climbing->bytes && climbing->places;
    for (int k = 0; k < 2; k++) {
        climbing->sets[k] = calloc(n, climbing->set_bytes);
        climbing->has_set[k] = calloc(n, sizeof *climbing->has_set[k]);
        has_all = has_all && climbing->sets[k] && climbing->has_set[k];
    }
    if (!has_all)
        return tess_error_nomem(error);
    return tess_cut_init(&climbing->cut, climbing->climb->singles, error);
}

static void release(struct climbing *climbing)
{
    free(climbing->trial);
    free(climbing->bytes);
    free(climbing->places);
    for (int k = 0; k < 2; k++) {
        free(climbing->sets[k]);
        free(climbing->has_set[k]);
    }
    tess_cut_release(&climbing->cut);
}

enum tess_status tess_climb_by_cuts(const struct tess_climb *climb, int *order_inout,
                                    struct tess_error *error)
{
    struct climbing climbing = {
        .climb = climb, .graph = climb->singles->graph, .order = order_inout};
    tess_rng_init(&climbing.rng, climb->seed);
    enum tess_status status = start(&climbing, error);
    for (bool is_better = true; is_better && status == TESS_OK;) {
        is_better = false;
        status = try_places(&climbing, &is_better, error);
        if (status == TESS_OK && !is_better && !is_over(&climbing))
            status = try_pairs(&climbing, &is_better, error);
    }
    release(&climbing);
    return status;
}
