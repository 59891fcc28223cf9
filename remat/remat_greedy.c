/* Greedy interval splitting, again and again.
 *
 * The first sequence is the given order, repaired greedily (remat/repair.h). From then on a part
 * of the sequence is undone - some runs more are left out, some runs moved - and repaired anew with
 * some chance in it; what costs no more, or little more, is where the next round begins
 * ("threshold accepting"; the threshold falls from round to round and rises again).
 *
 * Reference: G. Schrimpf, J. Schneider, H. Stamm-Wilbrandt, G. Dueck, "Record breaking
 * optimization results using the ruin and recreate principle", J. Comput. Phys. 159, 2000.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "remat/method.h"
#include "remat/repair.h"

/* TUNING: rounds from one high threshold to the next; rounds without anything better before the
 * search ends, so that small graphs end (2026-11). */
enum { ROUNDS_PER_CYCLE = 400, MAX_IDLE_CYCLES = 25 };

struct search {
    const struct tess_remat_problem *problem;
    struct tess_remat_result *result;
    struct tess_timeline timeline;
    struct tess_repair repair;
    struct tess_repair_base current;
    struct tess_remat_sequence scratch;
    int64_t best_cost, best_peak; /* of what was offered; best_peak while none fits */
    bool *has_run;                /* [n_tasks] scratch */
    int *repeats, room_repeats;   /* scratch: positions */
};

static enum tess_status offer(struct search *search, struct tess_error *error)
{
    const struct tess_timeline *timeline = &search->timeline;
    bool fits = timeline->excess <= 0;
    if (fits ? timeline->cost >= search->best_cost
             : search->best_cost < INT64_MAX || timeline->peak_bytes >= search->best_peak)
        return TESS_OK;
    if (fits)
        search->best_cost = timeline->cost;
    else
        search->best_peak = timeline->peak_bytes;
    return tess_remat_result_offer(search->result, search->problem, &timeline->sequence,
                                   tess_remat_greedy.name, error);
}

/* Positions of runs that are not the first of their task. */
static enum tess_status list_repeats(struct search *search, int *n_out,
                                     struct tess_error *error)
{
    const struct tess_timeline *timeline = &search->timeline;
    int n = 0, n_tasks = search->problem->graph->n_tasks;
    if (timeline->sequence.n > search->room_repeats) {
        free(search->repeats);
        search->room_repeats = 2 * timeline->sequence.n;
        search->repeats = malloc(sizeof *search->repeats * (size_t)search->room_repeats);
        if (!search->repeats)
            return tess_error_nomem(error);
    }
    memset(search->has_run, 0, sizeof *search->has_run * (size_t)n_tasks);
    for (int at = 0; at < timeline->sequence.n; at++) {
        int task = timeline->sequence.tasks[at];
        if (search->has_run[task])
            search->repeats[n++] = at;
        search->has_run[task] = true;
    }
    *n_out = n;
    return TESS_OK;
}

/* Leaves out the repeats [begin, end) but a few. */
static enum tess_status leave_out(struct search *search, int begin, int end,
                                  struct tess_error *error)
{
    struct tess_remat_sequence *kept = &search->scratch;
    const struct tess_remat_sequence *now = &search->timeline.sequence;
    enum tess_status status = tess_remat_sequence_reserve(kept, now->n, error);
    if (status != TESS_OK)
        return status;
    kept->n = 0;
    for (int at = 0, k = begin; at < now->n; at++) {
        bool is_listed = k < end && search->repeats[k] == at;
        k += is_listed;
        if (!is_listed || tess_rng_int(&search->repair.rng, 0, 4) == 0)
            kept->tasks[kept->n++] = now->tasks[at];
    }
    return tess_timeline_set(&search->timeline, kept, error);
}

/* Undoes a part of the sequence. */
static enum tess_status ruin(struct search *search, struct tess_error *error)
{
    enum { MOST_LEFT_OUT = 12, MOST_SHAKES = 6, REACH = 30 };
    struct tess_rng *rng = &search->repair.rng;
    int n = search->timeline.sequence.n, n_repeats = 0;
    int centre = tess_rng_int(rng, 0, n - 1);
    enum tess_status status = list_repeats(search, &n_repeats, error);
    if (status != TESS_OK)
        return status;
    if (n_repeats > 0) {
        int k = tess_rng_int(rng, 0, n_repeats - 1);
        int most = tess_rng_int(rng, 0, 9) == 0
                       ? tess_rng_int(rng, 1, n_repeats)
                       : tess_rng_int(rng, 1, tess_min_int(n_repeats, MOST_LEFT_OUT));
        int begin = tess_max_int(0, k - most / 2);
        centre = search->repeats[k];
        status = leave_out(search, begin, tess_min_int(n_repeats, begin + most), error);
    }
    if (search->problem->keeps_order)
        return status;
    int reach = tess_rng_int(rng, 2, REACH);
    for (int k = tess_rng_int(rng, 0, MOST_SHAKES); k > 0 && status == TESS_OK; k--)
        status = tess_repair_shake(&search->repair,
                                   tess_min_int(centre, search->timeline.sequence.n - 1),
                                   reach, error);
    return status;
}

/* Is what the timeline holds where the next round may begin? */
static bool is_acceptable(const struct search *search, double threshold)
{
    const struct tess_timeline *timeline = &search->timeline;
    if (timeline->excess > 0 || search->current.excess > 0)
        return timeline->excess <= search->current.excess;
    return (double)timeline->cost <= (double)search->current.cost + threshold;
}

static enum tess_status play_round(struct search *search, double threshold,
                                   struct tess_error *error)
{
    struct tess_repair *repair = &search->repair;
    enum tess_status status =
        tess_timeline_set(&search->timeline, &search->current.sequence, error);
    if (status == TESS_OK)
        status = ruin(search, error);
    repair->noise = 0.1 + tess_rng_float(&repair->rng);
    if (tess_rng_int(&repair->rng, 0, 3) == 0)
        repair->noise *= 4;
    repair->limit_cost = search->current.excess > 0
                             ? INT64_MAX
                             : search->current.cost + (int64_t)threshold + 1;
    if (status == TESS_OK)
        status = tess_repair_run(repair, error);
    if (status == TESS_OK)
        status = tess_repair_prune(repair, error);
    if (status == TESS_OK)
        status = offer(search, error);
    return status == TESS_OK && is_acceptable(search, threshold)
               ? tess_repair_keep(&search->repair, &search->current, error)
               : status;
}

static enum tess_status improve(struct search *search, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int64_t best_cost = search->best_cost, best_peak = search->best_peak;
    for (int round = 0, n_idle = 0;
         status == TESS_OK && n_idle < MAX_IDLE_CYCLES * ROUNDS_PER_CYCLE &&
         !search->result->is_proven && !tess_deadline_is_past(search->repair.deadline_us);
         round++) {
        double part = (double)(round % ROUNDS_PER_CYCLE) / ROUNDS_PER_CYCLE;
        status = play_round(search, search->repair.average_cost * (1 - part), error);
        n_idle++;
        if (search->best_cost < best_cost || search->best_peak < best_peak)
            n_idle = 0;
        best_cost = search->best_cost;
        best_peak = search->best_peak;
    }
    return status;
}

static enum tess_status start(struct search *search, double seconds,
                              struct tess_error *error)
{
    const struct tess_remat_problem *problem = search->problem;
    search->best_cost = search->best_peak = INT64_MAX;
    search->has_run =
        calloc((size_t)problem->graph->n_tasks + 1, sizeof *search->has_run);
    if (!search->has_run)
        return tess_error_nomem(error);
    enum tess_status status = tess_timeline_init(&search->timeline, problem, error);
    tess_repair_init(&search->repair, &search->timeline, seconds, 1);
    return status == TESS_OK
               ? tess_timeline_set(&search->timeline, &search->result->sequence, error)
               : status;
}

static enum tess_status search_from(struct search *search, struct tess_error *error)
{
    enum tess_status status = tess_repair_run(&search->repair, error);
    if (status == TESS_OK)
        status = tess_repair_prune(&search->repair, error);
    if (status == TESS_OK)
        status = offer(search, error);
    if (status == TESS_OK)
        status = tess_repair_keep(&search->repair, &search->current, error);
    return status == TESS_OK ? improve(search, error) : status;
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    struct search search = {.problem = problem, .result = result};
    enum tess_status status =
        tess_remat_result_init(result, problem, tess_remat_greedy.name, error);
    if (status != TESS_OK || result->is_proven || problem->graph->n_tasks == 0)
        return status;
    status = start(&search, limits->seconds, error);
    if (status == TESS_OK)
        status = search_from(&search, error);
    tess_timeline_release(&search.timeline);
    tess_remat_sequence_release(&search.current.sequence);
    tess_remat_sequence_release(&search.scratch);
    free(search.has_run);
    free(search.repeats);
    return status;
}

const struct tess_remat_method tess_remat_greedy = {
    .name = "greedy",
    .description = "splits lifetimes one after the other, then again with chance",
    .run = run,
};
