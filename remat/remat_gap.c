/* Problem: drop and compute anew as little as possible along a fixed order, on graphs of up to
 * some thousand tasks, with an integer programme.
 *
 * Method: the programme of gap_programme.h at several details.
 *   1. Coarse: each gap is closed at its end or not at all. Where that is too large or takes too
 *      long, greedy splitting gives something to begin with; or at last, where nothing else does.
 *   2. Fine, while it is small: recomputation early inside gaps, chains of recomputations that
 *      need each other, inputs held in common. Each only looks for what is cheaper.
 *   3. Neighbourhoods, else: a set of tasks is free, the others run again where they do now. The
 *      set is what the relaxed coarse programme runs again, what the best sequence so far does,
 *      some that lie idle over a place beyond the budget, and what those read. The free tasks'
 *      programme is relaxed first; only runs that happen there in part, or happen now, are columns
 *      of the integer programme.
 *
 * Invariant: the best sequence so far is a solution of every programme of the neighbourhoods,
 * which are asked only for a cheaper one.
 *
 * Cost: 0.01 s for training graphs of 50 to 70 tasks; a second or less per neighbourhood.
 *
 * Not done: a bound. What is optimal for a programme is so among sequences that compute anew at
 * its moments only, which proves nothing about others. Which neighbourhoods are solved is
 * independent of the clock only while none of them meets its limit of time.
 *
 * Reference: retention intervals are those of Moccasin (ICML 2023); fixing what the relaxation
 * and the incumbent agree on is RINS (Danna, Rothberg, Le Pape, 2005).
 */
#include "remat/remat_gap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/rng.h"
#include "remat/gap_programme.h"

/* TUNING: November 2026, GLPK 5.0, random layered graphs of 100 to 1000 tasks: with more terms
 * whole programmes find nothing in seconds; tiny ones need nothing to begin with; neighbourhoods
 * are best when their relaxation has between few and many. */
static const int64_t coarse_terms = 130000, fine_terms = 30000, tiny_terms = 2000;
static const int64_t few_terms = 45000, many_terms = 90000;
static const double first_size = 15, first_size_per_task = 11000;
static const double part_seconds = 1, fine_seconds = 4;
static const int most_vain = 120; /* neighbourhoods in turn in which nothing is found */

/* Shares of the time limit by whose end a phase ends, but for the relaxation: that takes. */
static const double coarse_share = 0.15, greedy_share = 0.2, fine_share = 0.3,
                    relaxed_share = 0.2;

/* How neighbourhoods look at their tasks, in turn. */
enum { N_VIEWS = 4 };
static const struct tess_gap_detail views[N_VIEWS] = {
    {.depth = 1},
    {.depth = 2, .n_early = 1},
    {.depth = 2, .n_early = 1, .splits = true},
    {.depth = 3, .n_early = 2, .splits = true},
};

struct gap {
    const struct tess_remat_problem *problem;
    const struct tess_remat_limits *limits;
    struct tess_remat_result *result;
    double start_us;
    int *order;         /* [n_tasks] of the first runs of the best sequence */
    bool *is_free;      /* [n_tasks] */
    bool *is_promising; /* [n_tasks] runs again in the relaxed coarse programme */
    int *pool;          /* [n_tasks + n_tensors] tasks that may be freed */
    struct tess_rng rng;
    bool ignores_known; /* programmes need not be cheaper than the best so far */
    enum tess_milp_answer answer; /* of the last programme */
    int64_t n_terms;              /* of the last programme, or its relaxation */
};

static double deadline(const struct gap *gap, double share)
{
    return gap->start_us + gap->limits->seconds * 1e6 * share;
}

static size_t n_tasks(const struct gap *gap)
{
    return (size_t)gap->problem->graph->n_tasks;
}

/* The order in which tasks run first; is_free is scratch. */
static void take_order(struct gap *gap)
{
    int n = 0;
    memset(gap->is_free, 0, sizeof *gap->is_free * n_tasks(gap));
    for (int i = 0; i < gap->result->sequence.n; i++) {
        int task = gap->result->sequence.tasks[i];
        if (!gap->is_free[task])
            gap->order[n++] = task;
        gap->is_free[task] = true;
    }
}

/* ---- programmes ---- */

/* Solves for something cheaper than what there is; gap->answer. */
static enum tess_status solve(struct gap *gap, struct tess_gap_programme *programme,
                              bool has_cuts, double until_us, bool *has_solution_out,
                              struct tess_error *error)
{
    struct tess_milp_limits limits;
    struct tess_milp_result found;
    tess_milp_limits_init(&limits);
    limits.seconds = fmax(1e-3, (until_us - tess_clock_us()) * 1e-6);
    limits.memory_bytes = gap->limits->memory_bytes;
    limits.without_cuts = !has_cuts;
    if (gap->result->fits && !gap->ignores_known) {
        int64_t extra = gap->result->value.cost - tess_remat_least_cost(gap->problem);
        limits.cutoff = (double)extra / programme->units.cost - 1 + 1e-6;
    }
    gap->answer = TESS_MILP_INFEASIBLE;
    *has_solution_out = false;
    if (programme->is_infeasible)
        return TESS_OK;
    enum tess_status status = tess_milp_solve(programme->milp, &limits, &found, error);
    if (status != TESS_OK)
        return status;
    gap->answer = found.answer;
    *has_solution_out = found.has_solution;
    return TESS_OK;
}

/* Solves the relaxed programme; off_out [n_runs] says what does not happen in it. */
static enum tess_status relax(struct gap *gap, const struct tess_gap_timeline *timeline,
                              double until_us, bool *off_out, struct tess_error *error)
{
    struct tess_gap_programme programme;
    bool has_solution = false;
    enum tess_status status =
        tess_gap_programme_init(&programme, timeline, true, NULL, error);
    gap->n_terms = status == TESS_OK ? tess_milp_n_terms(programme.milp) : 0;
    if (status == TESS_OK)
        status = solve(gap, &programme, false, until_us, &has_solution, error);
    for (int i = 0; i < timeline->n_runs && has_solution; i++)
        off_out[i] = tess_milp_value(programme.milp, i) < 1e-4;
    tess_gap_programme_release(&programme);
    return status;
}

static enum tess_status take_solution(struct gap *gap,
                                      const struct tess_gap_programme *programme,
                                      struct tess_error *error)
{
    struct tess_remat_sequence sequence = {0};
    enum tess_status status = tess_gap_programme_read(programme, &sequence, error);
    if (status == TESS_OK)
        status = tess_remat_result_offer(gap->result, gap->problem, &sequence,
                                         tess_remat_gap.name, error);
    tess_remat_sequence_release(&sequence);
    return status;
}

/* Builds and solves the integer programme, unless it has more terms than this. */
static enum tess_status solve_whole(struct gap *gap,
                                    const struct tess_gap_timeline *timeline,
                                    const bool *is_off, int64_t most_terms,
                                    double until_us, struct tess_error *error)
{
    struct tess_gap_programme programme;
    bool has_solution = false;
    enum tess_status status =
        tess_gap_programme_init(&programme, timeline, false, is_off, error);
    gap->answer = TESS_MILP_LIMIT;
    if (!is_off)
        gap->n_terms = status == TESS_OK ? tess_milp_n_terms(programme.milp) : 0;
    if (status == TESS_OK && tess_milp_n_terms(programme.milp) <= most_terms)
        status = solve(gap, &programme, !is_off, until_us, &has_solution, error);
    if (status == TESS_OK && has_solution)
        status = take_solution(gap, &programme, error);
    tess_gap_programme_release(&programme);
    return status;
}

/* One programme of all tasks at this detail. */
static enum tess_status solve_all(struct gap *gap, struct tess_gap_detail detail,
                                  int64_t most_terms, double until_us,
                                  struct tess_error *error)
{
    struct tess_gap_timeline timeline;
    enum tess_status status =
        tess_gap_timeline_init(&timeline, gap->problem, gap->order, &detail, error);
    if (status == TESS_OK)
        status = solve_whole(gap, &timeline, NULL, most_terms, until_us, error);
    tess_gap_timeline_release(&timeline);
    return status;
}

/* One programme of the free tasks, the others as they are. */
static enum tess_status solve_free(struct gap *gap, struct tess_gap_detail detail,
                                   double until_us, struct tess_error *error)
{
    struct tess_gap_timeline timeline;
    bool *is_off = NULL;
    detail.is_free = gap->is_free;
    detail.start = &gap->result->sequence;
    enum tess_status status =
        tess_gap_timeline_init(&timeline, gap->problem, gap->order, &detail, error);
    if (status != TESS_OK)
        goto out;
    is_off = calloc((size_t)timeline.n_runs + 1, sizeof *is_off);
    if (!is_off) {
        status = tess_error_nomem(error);
        goto out;
    }
    status = relax(gap, &timeline, until_us, is_off, error);
    for (int i = 0; i < timeline.n_runs; i++)
        is_off[i] = is_off[i] && !timeline.runs[i].is_of_start;
    if (status == TESS_OK && gap->answer == TESS_MILP_OPTIMAL)
        status = solve_whole(gap, &timeline, is_off, INT64_MAX, until_us, error);
out:
    tess_gap_timeline_release(&timeline);
    free(is_off);
    return status;
}

/* ---- neighbourhoods ---- */

/* Which tasks the relaxed coarse programme runs again, whatever has been found. */
static enum tess_status find_promising(struct gap *gap, struct tess_error *error)
{
    struct tess_gap_timeline timeline;
    const struct tess_gap_detail coarse = {.depth = 1};
    double until_us = tess_clock_us() + gap->limits->seconds * 1e6 * relaxed_share;
    bool *is_off = NULL;
    enum tess_status status =
        tess_gap_timeline_init(&timeline, gap->problem, gap->order, &coarse, error);
    if (status != TESS_OK)
        goto out;
    is_off = malloc((size_t)timeline.n_runs + 1);
    if (!is_off) {
        status = tess_error_nomem(error);
        goto out;
    }
    memset(is_off, true, (size_t)timeline.n_runs + 1);
    gap->ignores_known = true;
    status = relax(gap, &timeline, until_us, is_off, error);
    gap->ignores_known = false;
    for (int i = 0; i < timeline.n_runs; i++)
        if (!is_off[i])
            gap->is_promising[timeline.runs[i].task] = true;
out:
    tess_gap_timeline_release(&timeline);
    free(is_off);
    return status;
}

/* Frees n random ones of pool[0 .. n_pool). */
static void free_some(struct gap *gap, int n_pool, int n)
{
    for (int i = 0; i < n && i < n_pool; i++) {
        int k = tess_rng_int(&gap->rng, i, n_pool - 1), task = gap->pool[k];
        gap->pool[k] = gap->pool[i];
        gap->pool[i] = task;
        gap->is_free[task] = true;
    }
}

/* Into the pool: tasks that are promising or run again. is_free is scratch. */
static int gather_core(struct gap *gap)
{
    const struct tess_remat_sequence *sequence = &gap->result->sequence;
    int n = 0, place = 0;
    memcpy(gap->is_free, gap->is_promising, sizeof *gap->is_free * n_tasks(gap));
    for (int i = 0; i < sequence->n; i++) {
        int task = sequence->tasks[i];
        if (place < (int)n_tasks(gap) && gap->order[place] == task)
            place++;
        else
            gap->is_free[task] = true;
    }
    for (int i = 0; i < (int)n_tasks(gap); i++)
        if (gap->is_free[i])
            gap->pool[n++] = i;
    memset(gap->is_free, 0, sizeof *gap->is_free * n_tasks(gap));
    return n;
}

/* Into the pool: the tasks whose tensors lie idle over a random place over the budget. */
static int gather_idle(struct gap *gap, const struct tess_gap_timeline *timeline)
{
    const struct tess_task_graph *graph = gap->problem->graph;
    int n_over = 0, place = 0, n = 0;
    for (int i = 0; i < graph->n_tasks; i++)
        if (timeline->is_over[i] && tess_rng_int(&gap->rng, 0, n_over++) == 0)
            place = i;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        const struct tess_gap_line *line = &timeline->lines[tensor];
        int at = tess_gap_line_find(line, place);
        if (!line->is_fixed && line->birth < place && at < line->n_points &&
            line->points[at].moment > place)
            gap->pool[n++] = graph->tensors[tensor].producers[0];
    }
    return n;
}

/* Into the pool: what the free tasks need. */
static int gather_inputs(struct gap *gap, const struct tess_gap_timeline *timeline)
{
    const struct tess_task_graph *graph = gap->problem->graph;
    int n = 0;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        const struct tess_task_tensor *what = &graph->tensors[tensor];
        bool is_read = false;
        for (int i = 0; i < what->n_consumers; i++)
            is_read |= gap->is_free[what->consumers[i]];
        if (is_read && !timeline->lines[tensor].is_fixed)
            gap->pool[n++] = what->producers[0];
    }
    return n;
}

/* Frees about `size` tasks: core, idle, and half as many of what they read. */
static void choose(struct gap *gap, const struct tess_gap_timeline *timeline, int size)
{
    int n_core = gather_core(gap);
    free_some(gap, n_core, size);
    free_some(gap, gather_idle(gap, timeline), tess_max_int(size / 2, size - n_core));
    free_some(gap, gather_inputs(gap, timeline), size / 2);
}

static enum tess_status search_around(struct gap *gap,
                                      const struct tess_gap_timeline *timeline,
                                      struct tess_error *error)
{
    double size = first_size + first_size_per_task / (double)n_tasks(gap);
    double sizes[N_VIEWS] = {size, size, size, size};
    int n_vain = 0;
    enum tess_status status = find_promising(gap, error);
    for (int i = 0; status == TESS_OK && n_vain < most_vain; i++) {
        double now_us = tess_clock_us();
        int64_t cost = gap->result->value.cost;
        if (tess_deadline_is_past(deadline(gap, 1)))
            break;
        size = sizes[i % N_VIEWS];
        choose(gap, timeline, (int)size);
        status = solve_free(gap, views[i % N_VIEWS],
                            fmin(deadline(gap, 1), now_us + part_seconds * 1e6), error);
        n_vain = gap->result->value.cost < cost ? 0 : n_vain + 1;
        if (gap->answer == TESS_MILP_LIMIT || gap->n_terms > many_terms)
            sizes[i % N_VIEWS] = fmax(6, size * 0.8);
        else if (gap->n_terms < few_terms)
            sizes[i % N_VIEWS] = fmin(size * 1.25, (double)n_tasks(gap));
    }
    return status;
}

/* ---- the method ---- */

/* What greedy splitting finds. */
static enum tess_status try_greedy(struct gap *gap, struct tess_error *error)
{
    struct tess_remat_limits limits = *gap->limits;
    struct tess_remat_result greedy = {0};
    limits.seconds *= greedy_share;
    enum tess_status status =
        tess_remat_greedy.run(gap->problem, &limits, &greedy, error);
    if (status == TESS_OK)
        status = tess_remat_result_offer(gap->result, gap->problem, &greedy.sequence,
                                         greedy.won_by, error);
    tess_remat_sequence_release(&greedy.sequence);
    take_order(gap);
    return status;
}

/* The programmes of all tasks, from coarse to fine as far as they are small. Its answer is not a
 * limit if the finest was solved. */
static enum tess_status search_all(struct gap *gap, struct tess_error *error)
{
    const struct tess_gap_detail coarse = {.depth = 1};
    const struct tess_gap_detail fine[] = {
        {.depth = 2, .n_early = 1, .splits = true},
        {.depth = 3, .n_early = 3, .splits = true, .covers_all = true}};
    enum tess_status status = TESS_OK;
    if (!gap->result->fits) {
        status = solve_all(gap, coarse, coarse_terms, deadline(gap, coarse_share), error);
        if (status == TESS_OK && gap->answer != TESS_MILP_OPTIMAL &&
            gap->n_terms > tiny_terms)
            status = try_greedy(gap, error);
    }
    double until_us =
        tess_clock_us() + 1e6 * fmin(fine_seconds, gap->limits->seconds * fine_share);
    for (int i = 0; i < 2 && status == TESS_OK; i++) {
        status = solve_all(gap, fine[i], fine_terms, until_us, error);
        if (gap->answer == TESS_MILP_LIMIT)
            break;
    }
    return status;
}

static enum tess_status search(struct gap *gap, struct tess_error *error)
{
    struct tess_gap_timeline timeline;
    enum tess_status status = search_all(gap, error);
    if (status != TESS_OK || (gap->result->fits && gap->answer != TESS_MILP_LIMIT))
        return status;
    if (!gap->result->fits)
        status = try_greedy(gap, error);
    if (status != TESS_OK || !gap->result->fits)
        return status;
    status =
        tess_gap_timeline_init(&timeline, gap->problem, gap->order, &views[0], error);
    if (status == TESS_OK)
        status = search_around(gap, &timeline, error);
    tess_gap_timeline_release(&timeline);
    return status;
}

enum tess_status tess_remat_gap_improve(const struct tess_remat_problem *problem,
                                        const struct tess_remat_limits *limits,
                                        struct tess_remat_result *result,
                                        struct tess_error *error)
{
    struct gap gap = {.problem = problem,
                      .limits = limits,
                      .result = result,
                      .start_us = tess_clock_us()};
    size_t n = (size_t)problem->graph->n_tasks + 1;
    enum tess_status status = TESS_OK;
    if (!tess_milp_is_available())
        return tess_error_set(error, TESS_E_USAGE, "this build has no integer solver");
    if (result->is_proven)
        return TESS_OK;
    tess_rng_init(&gap.rng, 1);
    gap.order = malloc(n * sizeof *gap.order);
    gap.is_free = calloc(n, sizeof *gap.is_free);
    gap.is_promising = calloc(n, sizeof *gap.is_promising);
    gap.pool = malloc((n + (size_t)problem->graph->n_tensors) * sizeof *gap.pool);
    if (!gap.order || !gap.is_free || !gap.is_promising || !gap.pool) {
        status = tess_error_nomem(error);
        goto out;
    }
    take_order(&gap);
    status = search(&gap, error);
out:
    free(gap.order);
    free(gap.is_free);
    free(gap.is_promising);
    free(gap.pool);
    return status;
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    enum tess_status status =
        tess_remat_result_init(result, problem, tess_remat_gap.name, error);
    return status == TESS_OK ? tess_remat_gap_improve(problem, limits, result, error)
                             : status;
}

const struct tess_remat_method tess_remat_gap = {
    .name = "gap",
    .description = "an integer programme of the gaps between uses, along one order",
    .run = run,
};
