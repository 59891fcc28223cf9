/* Problem: is there an order of tasks with a peak of at most B bytes? With B just below the best
 * that is known, "no" proves it, and "yes" is a better one.
 *
 * Method: fuse; add what every order within B has (planner/precedence.h): this alone may show that
 * there is none; then ask the solver for the least peak (planner/order_programme.h):
 *   a small programme with B at the peak that is known, and the known order handed to the solver's
 *   callback as its first solution: one run gives the answer;
 *   a large one with B just below: no known order is within B, but the solver's presolver can be
 *   used, which cannot be told a solution, and both it and the search for pairs make more of the
 *   tighter limit. What it finds is the next B, until it finds nothing.
 * If time is up the solver's own bound is one for all orders: for those within B by its tree, for
 * the others by B.
 *
 * Invariant: lower_bytes <= the least peak <= upper_bytes, the peak of `order`.
 *
 * Cost: exponential at worst, within the limits.
 *
 * Worked example: known are 100 and the bound 90, sizes are multiples of 5. B = 99: the solver
 * looks from 90 to 95 and finds none: 100 is proven. Had it found 95, and been sure, that.
 */
#include "planner/order_closing.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "planner/order_parts.h"
#include "planner/order_programme.h"
#include "planner/precedence.h"
#include "schedule/peak.h"

/* TUNING: programmes beyond this get nowhere in a minute, and GLPK's presolver alone takes longer
 * than that (2026-11). */
enum { MOST_COLUMNS = 30000, MOST_TERMS = 3000000 };

/* TUNING: binary columns of a programme that gets the incumbent. SwiftNet's cell B, 166 of them,
 * takes 14 s with it and 2 s with the presolver, a DARTS cell, 104, 0.1 s either way (2026-11). */
enum { SMALL_COLUMNS = 110 };

/* Of the time left, what looking for precedences may take: once, and per step of a bisection. */
static const double FORCE_SHARE = 0.3, BISECT_SHARE = 0.05;

enum { MOST_BISECTIONS = 6 };

/* The solver's bounds are off by no more than this. */
static const double BOUND_TOLERANCE = 1e-6;

struct attempt {
    struct tess_order_closing *closing;
    const struct tess_task_graph *graph; /* sizes may be rounded */
    struct tess_chains chains;
    struct tess_precedence precedence;
    struct tess_order_programme programme;
    int *chain_order, *order;
    double *values;
};

static double seconds_left(const struct attempt *attempt)
{
    return (attempt->closing->deadline_us - tess_clock_us()) * 1e-6;
}

/* Bytes of whole units that `n_units` is, at least. */
static int64_t bound_bytes(const struct tess_order_programme *programme, double n_units)
{
    double least = ceil(n_units - BOUND_TOLERANCE * fmax(1, fabs(n_units)));
    return least < 0 ? 0 : (int64_t)least * programme->unit_bytes;
}

/* Takes the solver's order if it is better. */
static enum tess_status take_solution(struct attempt *attempt, struct tess_error *error)
{
    struct tess_order_closing *closing = attempt->closing;
    int64_t peak;
    tess_order_programme_read(&attempt->programme, attempt->chain_order);
    tess_chains_expand(&attempt->chains, attempt->chain_order, attempt->order);
    enum tess_status status =
        tess_peak_of_order(closing->graph, attempt->order, &peak, NULL, error);
    if (status == TESS_OK && peak < closing->upper_bytes) {
        closing->upper_bytes = peak;
        memcpy(closing->order, attempt->order,
               sizeof *closing->order * (size_t)closing->graph->n_tasks);
    }
    return status;
}

/* The known order as the solver sees it; *values_out stays NULL if it is none of whole chains. */
static enum tess_status find_incumbent(struct attempt *attempt, int64_t limit,
                                       double **values_out, struct tess_error *error)
{
    size_t n = (size_t)tess_milp_n_columns(attempt->programme.milp) + 1;
    int64_t peak = INT64_MAX;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < 2 && peak > limit && status == TESS_OK; i++) {
        tess_chains_contract(&attempt->chains, attempt->closing->order, i, attempt->order,
                             attempt->chain_order);
        tess_chains_expand(&attempt->chains, attempt->chain_order, attempt->order);
        status = tess_peak_of_order(attempt->graph, attempt->order, &peak, NULL, error);
    }
    if (status != TESS_OK || peak > limit)
        return status;
    *values_out = calloc(n, sizeof **values_out);
    if (!*values_out)
        return tess_error_nomem(error);
    tess_order_programme_fill(&attempt->programme, attempt->chain_order, peak,
                              *values_out);
    return TESS_OK;
}

/* Solves the programme of orders of at most `limit` bytes. */
static enum tess_status solve(struct attempt *attempt, int64_t limit, bool has_incumbent,
                              struct tess_error *error)
{
    struct tess_order_closing *closing = attempt->closing;
    struct tess_milp *milp = attempt->programme.milp;
    struct tess_milp_limits limits;
    struct tess_milp_result result;
    tess_milp_limits_init(&limits);
    limits.seconds = seconds_left(attempt);
    limits.memory_bytes = closing->memory_bytes;
    enum tess_status status = TESS_OK;
    if (has_incumbent)
        status = find_incumbent(attempt, limit, &attempt->values, error);
    limits.incumbent = attempt->values;
    limits.without_presolve = attempt->values != NULL;
    closing->n_solved += tess_milp_n_integers(milp) - 1;
    if (status == TESS_OK)
        status = tess_milp_solve(milp, &limits, &result, error);
    if (status != TESS_OK)
        return status;
    closing->n_nodes += result.n_nodes;
    if (result.has_solution)
        status = take_solution(attempt, error);
    int64_t bound = has_incumbent ? limit : limit + 1;
    if (result.answer != TESS_MILP_INFEASIBLE)
        bound = isinf(result.bound) || result.answer == TESS_MILP_FAULT
                    ? 0
                    : tess_min_i64(bound, bound_bytes(&attempt->programme, result.bound));
    closing->lower_bytes = tess_max_i64(closing->lower_bytes, bound);
    return status;
}

static void release(struct attempt *attempt)
{
    tess_order_programme_release(&attempt->programme);
    tess_precedence_release(&attempt->precedence);
    tess_chains_release(&attempt->chains);
    free(attempt->chain_order);
    free(attempt->order);
    free(attempt->values);
}

/* Fuses and finds what all orders within the limit have; *is_possible_out: if there are any.
 * Whoever calls it releases in every case. */
static enum tess_status prepare(struct attempt *attempt,
                                struct tess_order_closing *closing,
                                const struct tess_task_graph *graph, int64_t limit,
                                double share, bool *is_possible_out,
                                struct tess_error *error)
{
    size_t n = (size_t)graph->n_tasks + 1;
    *attempt = (struct attempt){.closing = closing, .graph = graph};
    attempt->chain_order = malloc(sizeof *attempt->chain_order * n);
    attempt->order = malloc(sizeof *attempt->order * n);
    if (!attempt->chain_order || !attempt->order)
        return tess_error_nomem(error);
    enum tess_status status = closing->parts_off & TESS_ORDER_FUSION
                                  ? tess_chains_single(&attempt->chains, graph, error)
                                  : tess_chains_fuse(&attempt->chains, graph, error);
    if (status == TESS_OK)
        status = tess_precedence_init(&attempt->precedence, &attempt->chains, error);
    if (status == TESS_OK && !(closing->parts_off & TESS_ORDER_CUTS))
        status =
            tess_precedence_force(&attempt->precedence, limit,
                                  tess_clock_us() + share * 1e6 * seconds_left(attempt),
                                  is_possible_out, error);
    return status;
}

/* Builds the programme and solves it if it is one that can be. */
static enum tess_status build_and_solve(struct attempt *attempt, int64_t limit,
                                        bool has_incumbent, struct tess_error *error)
{
    if (tess_order_programme_count(&attempt->precedence) > MOST_COLUMNS)
        return TESS_OK;
    enum tess_status status =
        tess_order_programme_init(&attempt->programme, &attempt->precedence,
                                  attempt->closing->lower_bytes, limit, error);
    if (status == TESS_OK &&
        tess_milp_n_columns(attempt->programme.milp) <= MOST_COLUMNS &&
        tess_milp_n_terms(attempt->programme.milp) <= MOST_TERMS &&
        !tess_deadline_is_past(attempt->closing->deadline_us))
        status = solve(attempt, limit, has_incumbent, error);
    return status;
}

/* Looks for orders of fewer than closing->upper_bytes; `has_order`: one of as many is known. */
static enum tess_status look_below(struct tess_order_closing *closing,
                                   const struct tess_task_graph *graph, bool has_order,
                                   struct tess_error *error)
{
    struct attempt attempt;
    bool is_possible = true;
    int64_t limit = closing->upper_bytes - 1;
    enum tess_status status =
        prepare(&attempt, closing, graph, limit, FORCE_SHARE, &is_possible, error);
    if (status == TESS_OK && !is_possible) {
        closing->lower_bytes = limit + 1;
    } else if (status == TESS_OK) {
        bool is_small =
            has_order && tess_order_programme_count(&attempt.precedence) <= SMALL_COLUMNS;
        if (is_small) {
            release(&attempt);
            limit++;
            status = prepare(&attempt, closing, graph, limit, FORCE_SHARE, &is_possible,
                             error);
        }
        if (status == TESS_OK)
            status = build_and_solve(&attempt, limit, is_small, error);
    }
    release(&attempt);
    return status;
}

/* The graph with sizes that the solver can count; NULL if it is that already. */
static enum tess_status round_sizes(const struct tess_task_graph *graph,
                                    struct tess_task_graph **rounded_out,
                                    struct tess_error *error)
{
    int64_t sum = 0;
    for (int t = 0; t < graph->n_tensors; t++)
        sum += graph->tensors[t].bytes;
    if (sum / tess_order_unit_bytes(graph) <= TESS_ORDER_PROGRAMME_MOST_UNITS)
        return TESS_OK;
    int *order = malloc(sizeof *order * ((size_t)graph->n_tasks + 1));
    if (!order)
        return tess_error_nomem(error);
    for (int i = 0; i < graph->n_tasks; i++)
        order[i] = i;
    enum tess_status status = tess_order_part_create(
        graph, order, 0, graph->n_tasks, sum / TESS_ORDER_PROGRAMME_MOST_UNITS + 1,
        rounded_out, error);
    free(order);
    return status;
}

/* Raises the bound to where pairs alone do not show any more that there is no order: by
 * bisection, since what is shown of a limit holds below it. */
static enum tess_status raise_bound(struct tess_order_closing *closing,
                                    const struct tess_task_graph *graph,
                                    struct tess_error *error)
{
    int64_t none = closing->lower_bytes - 1, unclear = closing->upper_bytes;
    enum tess_status status = TESS_OK;
    if (closing->parts_off & TESS_ORDER_CUTS)
        return TESS_OK;
    for (int i = 0; i < MOST_BISECTIONS && none + 1 < unclear && status == TESS_OK; i++) {
        struct attempt attempt;
        bool is_possible = true;
        /* First the limit that would end it all. */
        int64_t limit = i == 0 ? unclear - 1 : none + (unclear - none) / 2;
        status =
            prepare(&attempt, closing, graph, limit, BISECT_SHARE, &is_possible, error);
        release(&attempt);
        if (is_possible)
            unclear = limit;
        else
            none = limit;
    }
    if (status == TESS_OK)
        closing->lower_bytes = tess_max_i64(closing->lower_bytes, none + 1);
    return status;
}

enum tess_status tess_order_close(struct tess_order_closing *closing,
                                  struct tess_error *error)
{
    struct tess_task_graph *rounded = NULL;
    enum tess_status status = round_sizes(closing->graph, &rounded, error);
    const struct tess_task_graph *graph = rounded ? rounded : closing->graph;
    if (status == TESS_OK && closing->lower_bytes < closing->upper_bytes)
        status = raise_bound(closing, graph, error);
    for (int64_t upper = INT64_MAX; status == TESS_OK;) {
        if (closing->lower_bytes >= closing->upper_bytes ||
            closing->upper_bytes >= upper || tess_deadline_is_past(closing->deadline_us))
            break;
        upper = closing->upper_bytes;
        status = look_below(closing, graph, true, error);
    }
    tess_task_graph_destroy(rounded);
    return status;
}

enum tess_status tess_order_certify(const struct tess_task_graph *graph, int64_t bytes,
                                    const struct tess_order_limits *limits,
                                    int *order_out,
                                    enum tess_certificate *certificate_out,
                                    struct tess_error *error)
{
    struct tess_task_graph *rounded = NULL;
    struct tess_order_closing closing = {.graph = graph,
                                         .deadline_us =
                                             tess_clock_us() + limits->seconds * 1e6,
                                         .memory_bytes = limits->memory_bytes,
                                         .parts_off = limits->parts_off,
                                         .order = order_out,
                                         .upper_bytes = bytes};
    enum tess_status status = round_sizes(graph, &rounded, error);
    if (status == TESS_OK)
        status = look_below(&closing, rounded ? rounded : graph, false, error);
    tess_task_graph_destroy(rounded);
    if (status == TESS_OK)
        *certificate_out = closing.upper_bytes < bytes    ? TESS_REFUTED
                           : closing.lower_bytes >= bytes ? TESS_CERTIFIED
                                                          : TESS_UNDECIDED;
    return status;
}
