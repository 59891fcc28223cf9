/* The default: runs the other methods as time allows and takes the best of what they find.
 *
 * Where nothing is found within the budget, it looks for the smallest budget within which
 * something is: bisection between what any sequence needs and the least peak found, each step
 * with a share of the time.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "remat/anneal.h"
#include "remat/cost_bound.h"
#include "remat/method.h"
#include "remat/remat_gap.h"
#include "solver/milp.h"

/* Shares of the time that is left: exact search of small graphs; annealing, splitting in the order
 * that it finds and in the one given; splitting where the order is to be kept; a step towards
 * the smallest budget. */
static const double exact_share = 0.4, anneal_share = 0.45, annealed_share = 0.5,
                    given_share = 0.3, reorder_share = 0.6, greedy_share = 0.6,
                    gap_share = 0.6, moccasin_share = 0.7, bisection_share = 0.15;

/* TUNING: up to here all states of most graphs can be searched (2026-11). */
enum { FEW_TASKS = 24 };

struct best {
    const struct tess_remat_problem *problem;
    struct tess_remat_limits limits;
    double deadline_us;
    struct tess_remat_result *result;
};

static double seconds_left(const struct best *best)
{
    return fmax(0, (best->deadline_us - tess_clock_us()) / 1e6);
}

/* Runs a method on a variant of the problem; what it proves counts if `proves`. */
static enum tess_status try_method(struct best *best,
                                   const struct tess_remat_method *method,
                                   const struct tess_remat_problem *variant,
                                   double seconds, bool proves, struct tess_error *error)
{
    struct tess_remat_result found = {0};
    struct tess_remat_limits limits = best->limits;
    limits.seconds = seconds;
    enum tess_status status = method->run(variant, &limits, &found, error);
    if (status == TESS_OK)
        status = tess_remat_result_offer(best->result, best->problem, &found.sequence,
                                         found.won_by, error);
    if (status == TESS_OK && proves)
        tess_remat_result_raise(best->result, best->problem, found.lower_bound_cost,
                                found.lower_bound_bytes);
    tess_remat_sequence_release(&found.sequence);
    return status;
}

/* The methods that find something soon, on a variant of the problem. */
static enum tess_status try_quickly(struct best *best,
                                    const struct tess_remat_problem *variant,
                                    double seconds, bool *is_infeasible_out,
                                    struct tess_error *error)
{
    struct tess_remat_result found = {0};
    struct tess_remat_limits limits = best->limits;
    limits.seconds = seconds;
    const struct tess_remat_method *method =
        variant->graph->n_tasks <= FEW_TASKS ? &tess_remat_exact : &tess_remat_greedy;
    enum tess_status status = method->run(variant, &limits, &found, error);
    if (status == TESS_OK && !found.is_proven && method == &tess_remat_exact) {
        tess_remat_sequence_release(&found.sequence);
        method = &tess_remat_greedy;
        status = method->run(variant, &limits, &found, error);
    }
    if (status == TESS_OK)
        status = tess_remat_result_offer(best->result, best->problem, &found.sequence,
                                         method->name, error);
    *is_infeasible_out = status == TESS_OK && found.is_proven && !found.fits;
    if (*is_infeasible_out)
        tess_remat_result_raise(best->result, best->problem, 0, found.lower_bound_bytes);
    tess_remat_sequence_release(&found.sequence);
    return status;
}

/* Bisects between budgets too small and the least peak found. The first try is with no more than
 * any sequence needs. */
static enum tess_status find_smallest_budget(struct best *best, struct tess_error *error)
{
    enum { MAX_STEPS = 64 };
    struct tess_remat_problem variant = *best->problem;
    enum tess_status status = TESS_OK;
    int64_t low =
        tess_max_i64(best->result->lower_bound_bytes, best->problem->budget_bytes + 1);
    variant.budget_bytes = low;
    for (int step = 0; step < MAX_STEPS && status == TESS_OK; step++) {
        bool is_infeasible = false;
        if (low >= best->result->value.peak_bytes ||
            tess_deadline_is_past(best->deadline_us))
            break;
        status = try_quickly(best, &variant, seconds_left(best) * bisection_share,
                             &is_infeasible, error);
        int64_t high = best->result->value.peak_bytes;
        if (high > variant.budget_bytes)
            low = variant.budget_bytes + 1; /* proven, or not: nothing was found */
        if (is_infeasible)
            low = tess_max_i64(low, best->result->lower_bound_bytes);
        variant.budget_bytes = low + (tess_max_i64(low, high) - low) / 2;
    }
    return status;
}

/* Anneals the order from several seeds as long as there is time for another; the one with the least
 * above the budget stays in order [n_tasks]. */
static enum tess_status anneal_order(struct best *best, double seconds, int *order,
                                     struct tess_error *error)
{
    enum { MOST_SEEDS = 4, TRIALS_PER_TASK = 1500 };
    const struct tess_remat_problem *problem = best->problem;
    size_t n_bytes = sizeof *order * (size_t)problem->graph->n_tasks;
    double least = INFINITY, until_us = tess_clock_us() + seconds * 1e6, took_us = 0;
    int *trial = malloc(n_bytes + 1);
    enum tess_status status = trial ? TESS_OK : tess_error_nomem(error);
    for (uint64_t seed = 1; seed <= MOST_SEEDS && status == TESS_OK && least > 0;
         seed++) {
        double start_us = tess_clock_us();
        if (start_us + took_us > until_us)
            break;
        struct tess_anneal anneal = {.graph = problem->graph,
                                     .budget_bytes = problem->budget_bytes,
                                     .n_trials = (int64_t)problem->graph->n_tasks *
                                                 TRIALS_PER_TASK,
                                     .warmth = 4,
                                     .seed = seed,
                                     .deadline_us = until_us};
        memcpy(trial, problem->order, n_bytes);
        status = tess_anneal_order(&anneal, trial, error);
        if (status == TESS_OK && anneal.excess < least) {
            least = anneal.excess;
            memcpy(order, trial, n_bytes);
        }
        took_us = tess_clock_us() - start_us;
    }
    free(trial);
    return status;
}

/* Along the order in which the tasks of the best sequence run for the first time. */
static enum tess_status try_gaps(struct best *best, double seconds,
                                 struct tess_error *error)
{
    struct tess_remat_limits limits = best->limits;
    limits.seconds = seconds;
    return tess_milp_is_available() && !best->result->is_proven
               ? tess_remat_gap_improve(best->problem, &limits, best->result, error)
               : TESS_OK;
}

/* First in the order that was annealed, then with other orders of what was found. */
static enum tess_status search_orders(struct best *best, struct tess_error *error)
{
    struct tess_remat_problem variant = *best->problem;
    int *order = malloc(sizeof *order * ((size_t)variant.graph->n_tasks + 1));
    if (!order)
        return tess_error_nomem(error);
    enum tess_status status =
        anneal_order(best, seconds_left(best) * anneal_share, order, error);
    variant.order = order;
    if (status == TESS_OK)
        status = try_method(best, &tess_remat_greedy, &variant,
                            seconds_left(best) * annealed_share, true, error);
    if (status == TESS_OK && !best->result->is_proven)
        status = try_method(best, &tess_remat_greedy, best->problem,
                            seconds_left(best) * given_share, true, error);
    if (status == TESS_OK && best->result->fits)
        status = tess_remat_reorder_from(
            best->problem, seconds_left(best) * reorder_share, best->result, error);
    if (status == TESS_OK && best->result->fits)
        status = try_gaps(best, seconds_left(best), error);
    free(order);
    return status;
}

/* In the order given. */
static enum tess_status search_splits(struct best *best, struct tess_error *error)
{
    enum tess_status status = try_method(best, &tess_remat_greedy, best->problem,
                                         seconds_left(best) * greedy_share, true, error);
    if (status == TESS_OK)
        status = try_gaps(best, seconds_left(best) * gap_share, error);
    if (status == TESS_OK && !best->result->is_proven)
        status = try_method(best, &tess_remat_moccasin, best->problem,
                            seconds_left(best) * moccasin_share, true, error);
    return status;
}

/* The result with every task once, and the bounds that need no search. */
static enum tess_status begin(struct best *best, struct tess_error *error)
{
    const struct tess_remat_problem *problem = best->problem;
    int64_t cost;
    enum tess_status status =
        tess_remat_result_init(best->result, problem, "order", error);
    if (status == TESS_OK && !best->result->is_proven)
        status = tess_remat_bound_cost(problem, &cost, error);
    if (status != TESS_OK || best->result->is_proven)
        return status;
    bool is_infeasible = cost == INT64_MAX;
    tess_remat_result_raise(best->result, problem, is_infeasible ? 0 : cost,
                            is_infeasible ? problem->budget_bytes + 1 : 0);
    return TESS_OK;
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    struct best best = {problem, *limits, tess_clock_us() + limits->seconds * 1e6,
                        result};
    enum tess_status status = begin(&best, error);
    if (status == TESS_OK && !result->is_proven && problem->graph->n_tasks <= FEW_TASKS)
        status = try_method(&best, &tess_remat_exact, problem,
                            seconds_left(&best) * exact_share, true, error);
    if (status == TESS_OK && !result->is_proven)
        status = problem->keeps_order ? search_splits(&best, error)
                                      : search_orders(&best, error);
    if (status == TESS_OK && !result->fits)
        status = find_smallest_budget(&best, error);
    return status;
}

const struct tess_remat_method tess_remat_best = {
    .name = "best",
    .description = "the best of what the others find in time",
    .run = run,
};
