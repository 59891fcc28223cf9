/* The default: runs the other methods as time allows and takes the best of what they find.
 *
 * Where nothing is found within the budget, it looks for the smallest budget within which
 * something is: bisection between what any sequence needs and the least peak found, each step
 * with a share of the time.
 */
#include <math.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "remat/method.h"

/* Shares of the time that is left. */
static const double exact_share = 0.4, greedy_share = 0.9, bisection_share = 0.15;

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

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    struct best best = {problem, *limits, tess_clock_us() + limits->seconds * 1e6,
                        result};
    enum tess_status status = tess_remat_result_init(result, problem, "order", error);
    if (status == TESS_OK && !result->is_proven && problem->graph->n_tasks <= FEW_TASKS)
        status = try_method(&best, &tess_remat_exact, problem,
                            seconds_left(&best) * exact_share, true, error);
    if (status == TESS_OK && !result->is_proven)
        status = try_method(&best, &tess_remat_greedy, problem,
                            seconds_left(&best) * greedy_share, true, error);
    if (status == TESS_OK && !result->fits)
        status = find_smallest_budget(&best, error);
    return status;
}

const struct tess_remat_method tess_remat_best = {
    .name = "best",
    .description = "the best of what the others find in time",
    .run = run,
};
