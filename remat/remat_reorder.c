/* Reordering and splitting in turns.
 *
 * Some runs more than the first are left out of the best sequence so far. What is left, each run
 * a task of an expanded graph, is reordered by annealing so that less is above the budget
 * (remat/anneal.h); what is then still above it is repaired greedily (remat/repair.h). What costs
 * no more is where the next round begins.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "remat/anneal.h"
#include "remat/expansion.h"
#include "remat/method.h"
#include "remat/repair.h"

struct search {
    const struct tess_remat_problem *problem;
    struct tess_remat_result *result;
    struct tess_timeline timeline;
    struct tess_repair repair;
    struct tess_repair_base current;
    struct tess_remat_sequence trial;
    bool *has_run; /* [n_tasks] scratch */
};

/* The current sequence without some of the runs that are not the first of their task: those from
 * a random one on. */
static enum tess_status leave_out(struct search *search, struct tess_error *error)
{
    const struct tess_remat_sequence *now = &search->current.sequence;
    struct tess_rng *rng = &search->repair.rng;
    int n_tasks = search->problem->graph->n_tasks, n_repeats = now->n - n_tasks;
    int first = n_repeats > 0 ? tess_rng_int(rng, 0, n_repeats - 1) : 0;
    int end = first + tess_rng_int(rng, 1, 4), k = 0;
    enum tess_status status = tess_remat_sequence_reserve(&search->trial, now->n, error);
    if (status != TESS_OK)
        return status;
    memset(search->has_run, 0, sizeof *search->has_run * (size_t)n_tasks);
    search->trial.n = 0;
    for (int at = 0; at < now->n; at++) {
        int task = now->tasks[at];
        bool is_left_out = search->has_run[task] && k >= first && k < end;
        k += search->has_run[task];
        search->has_run[task] = true;
        if (!is_left_out)
            search->trial.tasks[search->trial.n++] = task;
    }
    return TESS_OK;
}

static enum tess_status reorder(struct search *search, int64_t n_trials, double warmth,
                                struct tess_error *error)
{
    struct tess_remat_expansion expansion;
    int n = search->trial.n, *order = malloc(sizeof *order * ((size_t)n + 1));
    enum tess_status status =
        tess_remat_expand(&expansion, search->problem->graph, &search->trial, error);
    if (status == TESS_OK && !order)
        status = tess_error_nomem(error);
    if (status == TESS_OK) {
        struct tess_anneal anneal = {.graph = expansion.graph,
                                     .budget_bytes = search->problem->budget_bytes,
                                     .n_trials = n_trials,
                                     .warmth = warmth,
                                     .seed = tess_rng_next(&search->repair.rng),
                                     .deadline_us = search->repair.deadline_us};
        for (int at = 0; at < n; at++)
            order[at] = at;
        status = tess_anneal_order(&anneal, order, error);
    }
    for (int at = 0; at < n && status == TESS_OK; at++)
        order[at] = search->trial.tasks[order[at]];
    if (status == TESS_OK)
        status = tess_remat_sequence_set(&search->trial, order, n, error);
    tess_remat_expansion_release(&expansion);
    free(order);
    return status;
}

/* Repairs the trial; keeps it if it is no worse than where this round began. */
static enum tess_status judge(struct search *search, struct tess_error *error)
{
    struct tess_repair *repair = &search->repair;
    const struct tess_timeline *timeline = &search->timeline;
    enum tess_status status = tess_timeline_set(&search->timeline, &search->trial, error);
    repair->noise = tess_rng_float(&repair->rng);
    repair->limit_cost =
        search->current.excess > 0 ? INT64_MAX : search->current.cost + 1;
    if (status == TESS_OK)
        status = tess_repair_run(repair, error);
    if (status == TESS_OK)
        status = tess_repair_prune(repair, error);
    if (status != TESS_OK)
        return status;
    bool is_worse = timeline->excess > search->current.excess ||
                    (timeline->excess <= 0 && search->current.excess <= 0 &&
                     timeline->cost > search->current.cost);
    if (is_worse)
        return TESS_OK;
    status = tess_remat_result_offer(search->result, search->problem, &timeline->sequence,
                                     tess_remat_reorder.name, error);
    return status == TESS_OK ? tess_repair_keep(&search->repair, &search->current, error)
                             : status;
}

static enum tess_status improve(struct search *search, struct tess_error *error)
{
    enum { MAX_IDLE = 300 };
    enum tess_status status = TESS_OK;
    int64_t cost = search->current.cost;
    for (int n_idle = 0;
         status == TESS_OK && n_idle < MAX_IDLE && !search->result->is_proven &&
         !tess_deadline_is_past(search->repair.deadline_us);
         n_idle++) {
        struct tess_rng *rng = &search->repair.rng;
        int n = search->current.sequence.n;
        int64_t n_trials = (int64_t)n * tess_rng_int(rng, 10, 200);
        double warmth = tess_rng_float(rng);
        status = leave_out(search, error);
        if (status == TESS_OK)
            status = reorder(search, n_trials, warmth * warmth, error);
        if (status == TESS_OK)
            status = judge(search, error);
        if (search->current.cost < cost)
            n_idle = 0;
        cost = search->current.cost;
    }
    return status;
}

static enum tess_status start(struct search *search, double seconds,
                              struct tess_error *error)
{
    const struct tess_remat_problem *problem = search->problem;
    search->has_run =
        calloc((size_t)problem->graph->n_tasks + 1, sizeof *search->has_run);
    if (!search->has_run)
        return tess_error_nomem(error);
    enum tess_status status = tess_timeline_init(&search->timeline, problem, error);
    tess_repair_init(&search->repair, &search->timeline, seconds, 3);
    if (status == TESS_OK)
        status = tess_timeline_set(&search->timeline, &search->result->sequence, error);
    return status == TESS_OK ? tess_repair_keep(&search->repair, &search->current, error)
                             : status;
}

enum tess_status tess_remat_reorder_from(const struct tess_remat_problem *problem,
                                         double seconds, struct tess_remat_result *result,
                                         struct tess_error *error)
{
    struct search search = {.problem = problem, .result = result};
    if (result->is_proven || problem->graph->n_tasks == 0 || problem->keeps_order)
        return TESS_OK;
    enum tess_status status = start(&search, seconds, error);
    if (status == TESS_OK)
        status = improve(&search, error);
    tess_timeline_release(&search.timeline);
    tess_remat_sequence_release(&search.current.sequence);
    tess_remat_sequence_release(&search.trial);
    free(search.has_run);
    return status;
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    enum tess_status status =
        tess_remat_result_init(result, problem, tess_remat_reorder.name, error);
    return status == TESS_OK
               ? tess_remat_reorder_from(problem, limits->seconds, result, error)
               : status;
}

const struct tess_remat_method tess_remat_reorder = {
    .name = "reorder",
    .description = "splits and reorders in turns",
    .run = run,
};
