/* The exact method: bounds from both sides, then a search that closes what is left between them.
 *
 * 1. Fusion (chains.h) makes the graph smaller and keeps its least peak.
 * 2. Upper bound: the file's order, two greedy orders, then a beam.
 * 3. Lower bound: minimum cuts (bound.h). If they meet, the order is proven.
 * 4. Upper bound: cut search (climb.h).
 * 5. Exact search (lattice.h), which raises the lower bound as it goes; a wider beam after its
 *    first thousands of states.
 * 6. If that gives up: windows around the peak, searched exactly, while there is time (window.h).
 * Whatever ends first, what is returned is an order and a bound that hold.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "schedule/beam.h"
#include "schedule/bound.h"
#include "schedule/climb.h"
#include "schedule/greedy.h"
#include "schedule/lattice.h"
#include "schedule/ordering.h"
#include "schedule/peak.h"
#include "schedule/window.h"

/* When each part ends at the latest, in percent of the time limit. */
enum {
    BOUND_PERCENT = 25,
    BEAM_PERCENT = 40,
    CLIMB_PERCENT = 55,
    WIDE_BEAM_PERCENT = 65,
    LATTICE_PERCENT = 75
};

/* TUNING: states expanded from one side before the other is tried, at first; and in the search
 * that comes before the wide beam, which takes as long as some 5000 (2026-11). */
enum { START_STATES = 250, FEW_STATES = 4000 };
#define ALL_STATES (INT64_C(1) << 40)

struct exact {
    const struct tess_task_graph *graph;
    const struct tess_order_limits *limits;
    double start_us;
    struct tess_chains singles, chains;
    int *order;       /* [n_tasks] best so far, borrowed from the result */
    int *chain_order; /* [n_chains] best so far that runs chains without a break */
    int *trial, *chain_trial;
    int64_t upper_bytes;       /* peak of `order` */
    int64_t chain_upper_bytes; /* peak of `chain_order` */
    int64_t lower_bytes;
    int64_t n_expanded;
};

static bool is_on(const struct exact *exact, enum tess_order_part part)
{
    return !(exact->limits->parts_off & (unsigned)part);
}

static double deadline(const struct exact *exact, int percent)
{
    return exact->start_us + exact->limits->seconds * 1e4 * percent;
}

static bool is_closed(const struct exact *exact)
{
    return exact->lower_bytes >= exact->upper_bytes;
}

/* Takes chain_trial if it is better than what there is. */
static enum tess_status take_chains(struct exact *exact, struct tess_error *error)
{
    int64_t peak;
    tess_chains_expand(&exact->chains, exact->chain_trial, exact->trial);
    enum tess_status status =
        tess_peak_of_order(exact->graph, exact->trial, &peak, NULL, error);
    if (status != TESS_OK)
        return status;
    if (peak < exact->chain_upper_bytes) {
        exact->chain_upper_bytes = peak;
        memcpy(exact->chain_order, exact->chain_trial,
               sizeof *exact->chain_order * (size_t)exact->chains.n_chains);
    }
    if (peak < exact->upper_bytes) {
        exact->upper_bytes = peak;
        memcpy(exact->order, exact->trial,
               sizeof *exact->order * (size_t)exact->graph->n_tasks);
    }
    return TESS_OK;
}

/* Takes an order of tasks that may break chains up, and the orders of chains nearest to it. */
static enum tess_status take_tasks(struct exact *exact, const int *order,
                                   struct tess_error *error)
{
    int64_t peak;
    enum tess_status status = tess_peak_of_order(exact->graph, order, &peak, NULL, error);
    if (status == TESS_OK && peak < exact->upper_bytes) {
        exact->upper_bytes = peak;
        memcpy(exact->order, order, sizeof *order * (size_t)exact->graph->n_tasks);
    }
    for (int is_by_first = 0; is_by_first < 2 && status == TESS_OK; is_by_first++) {
        tess_chains_contract(&exact->chains, order, is_by_first, exact->trial,
                             exact->chain_trial);
        status = take_chains(exact, error);
    }
    return status;
}

static enum tess_status take_quick_orders(struct exact *exact, struct tess_error *error)
{
    size_t n = (size_t)exact->graph->n_tasks + 1;
    int *order = malloc(sizeof *order * n);
    enum tess_status status = order
                                  ? tess_task_graph_file_order(exact->graph, order, error)
                                  : tess_error_nomem(error);
    if (status == TESS_OK)
        status = take_tasks(exact, order, error);
    free(order);
    for (int rule = 0; rule < 2 && status == TESS_OK; rule++) {
        status = tess_greedy_order(&exact->chains, (enum tess_greedy_rule)rule, true,
                                   exact->chain_trial, error);
        if (status == TESS_OK)
            status = take_chains(exact, error);
    }
    return status;
}

static enum tess_status raise_bound(struct exact *exact, struct tess_error *error)
{
    exact->lower_bytes = tess_peak_trivial_bound(exact->graph);
    if (!is_on(exact, TESS_ORDER_CUTS) || is_closed(exact))
        return TESS_OK;
    return tess_bound_by_cuts(&exact->singles, exact->upper_bytes,
                              deadline(exact, BOUND_PERCENT), &exact->lower_bytes, error);
}

static enum tess_status try_beam(struct exact *exact, int width, int until_percent,
                                 struct tess_error *error)
{
    struct tess_beam beam = {.chains = &exact->chains,
                             .width = width,
                             .upper_bytes = exact->upper_bytes,
                             .floor_bytes = exact->lower_bytes,
                             .memory_bytes = exact->limits->memory_bytes,
                             .deadline_us = deadline(exact, until_percent)};
    bool is_found = false;
    if (is_closed(exact) || !is_on(exact, TESS_ORDER_BEAM))
        return TESS_OK;
    enum tess_status status =
        tess_beam_search(&beam, exact->chain_trial, &is_found, error);
    return status == TESS_OK && is_found ? take_chains(exact, error) : status;
}

static enum tess_status climb(struct exact *exact, struct tess_error *error)
{
    int64_t n_tasks = exact->graph->n_tasks;
    if (is_closed(exact) || !is_on(exact, TESS_ORDER_CLIMB) ||
        n_tasks * n_tasks / 4 > exact->limits->memory_bytes / 2)
        return TESS_OK;
    struct tess_climb options = {.singles = &exact->singles,
                                 .floor_bytes = exact->lower_bytes,
                                 .deadline_us = deadline(exact, CLIMB_PERCENT)};
    size_t n = (size_t)exact->graph->n_tasks + 1;
    int *order = malloc(sizeof *order * n);
    if (!order)
        return tess_error_nomem(error);
    memcpy(order, exact->order, sizeof *order * (n - 1));
    enum tess_status status = tess_climb_by_cuts(&options, order, error);
    if (status == TESS_OK)
        status = take_tasks(exact, order, error);
    free(order);
    return status;
}

/* Upper bounds that take longer. */
static enum tess_status improve(struct exact *exact, struct tess_error *error)
{
    enum tess_status status = try_beam(exact, 8, BEAM_PERCENT, error);
    if (status == TESS_OK)
        status = try_beam(exact, 64, BEAM_PERCENT, error);
    return status == TESS_OK ? climb(exact, error) : status;
}

static void init_lattice(const struct exact *exact, int64_t limit_states,
                         int64_t max_states, struct tess_lattice *lattice)
{
    *lattice =
        (struct tess_lattice){.chains = &exact->chains,
                              .floor_bytes = exact->lower_bytes,
                              .upper_bytes = exact->upper_bytes,
                              .limit_states = limit_states,
                              .max_limit_states = max_states,
                              .memory_bytes = exact->limits->memory_bytes,
                              .deadline_us = deadline(exact, LATTICE_PERCENT),
                              .without_safe = !is_on(exact, TESS_ORDER_SAFE),
                              .without_valleys = !is_on(exact, TESS_ORDER_VALLEYS)};
}

/* Expands from one side, then the other, so many states at first, so many at last. */
static enum tess_status search(struct exact *exact, int64_t limit_states,
                               int64_t max_states, struct tess_error *error)
{
    if (is_closed(exact))
        return TESS_OK;
    struct tess_lattice lattice;
    enum tess_lattice_answer answer;
    init_lattice(exact, limit_states, max_states, &lattice);
    memcpy(exact->chain_trial, exact->chain_order,
           sizeof *exact->chain_trial * (size_t)exact->chains.n_chains);
    enum tess_status status = tess_lattice_search(&lattice, exact->chain_trial, 0,
                                                  exact->chains.n_chains, &answer, error);
    if (status != TESS_OK)
        return status;
    exact->lower_bytes = tess_min_i64(lattice.floor_bytes, exact->upper_bytes);
    exact->n_expanded += lattice.n_expanded;
    if (answer == TESS_LATTICE_FOUND)
        status = take_chains(exact, error);
    assert(status != TESS_OK || answer == TESS_LATTICE_GAVE_UP || is_closed(exact));
    return status;
}

static enum tess_status search_windows(struct exact *exact, struct tess_error *error)
{
    if (is_closed(exact) || !is_on(exact, TESS_ORDER_WINDOWS))
        return TESS_OK;
    struct tess_lattice lattice;
    init_lattice(exact, START_STATES, ALL_STATES, &lattice);
    lattice.deadline_us = deadline(exact, 100);
    memcpy(exact->chain_trial, exact->chain_order,
           sizeof *exact->chain_trial * (size_t)exact->chains.n_chains);
    enum tess_status status = tess_window_search(&lattice, exact->chain_trial, error);
    exact->n_expanded += lattice.n_expanded;
    return status == TESS_OK ? take_chains(exact, error) : status;
}

static enum tess_status start(struct exact *exact, struct tess_error *error)
{
    size_t n = (size_t)exact->graph->n_tasks + 1;
    exact->trial = malloc(n * sizeof *exact->trial);
    exact->chain_order = malloc(n * sizeof *exact->chain_order);
    exact->chain_trial = malloc(n * sizeof *exact->chain_trial);
    if (!exact->trial || !exact->chain_order || !exact->chain_trial)
        return tess_error_nomem(error);
    enum tess_status status = tess_chains_single(&exact->singles, exact->graph, error);
    if (status != TESS_OK)
        return status;
    return is_on(exact, TESS_ORDER_FUSION)
               ? tess_chains_fuse(&exact->chains, exact->graph, error)
               : tess_chains_single(&exact->chains, exact->graph, error);
}

static void release(struct exact *exact)
{
    tess_chains_release(&exact->singles);
    tess_chains_release(&exact->chains);
    free(exact->trial);
    free(exact->chain_order);
    free(exact->chain_trial);
}

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    struct exact exact = {.graph = graph,
                          .limits = limits,
                          .start_us = tess_clock_us(),
                          .order = result_out->order,
                          .upper_bytes = INT64_MAX,
                          .chain_upper_bytes = INT64_MAX};
    enum tess_status status = start(&exact, error);
    if (status == TESS_OK)
        status = take_quick_orders(&exact, error);
    if (status == TESS_OK)
        status = raise_bound(&exact, error);
    if (status == TESS_OK)
        status = improve(&exact, error);
    const char *closed_by = is_closed(&exact) ? "bound" : "search";
    if (status == TESS_OK)
        status = search(&exact, START_STATES, FEW_STATES, error);
    if (status == TESS_OK)
        status = try_beam(&exact, 512, WIDE_BEAM_PERCENT, error);
    if (status == TESS_OK)
        status = search(&exact, 4 * FEW_STATES, ALL_STATES, error);
    if (status == TESS_OK)
        status = search_windows(&exact, error);
    result_out->n_expanded = exact.n_expanded;
    result_out->n_fused = exact.chains.n_chains;
    if (status == TESS_OK)
        status = tess_order_result_finish(graph, exact.lower_bytes,
                                          is_closed(&exact) ? closed_by : "limit",
                                          result_out, error);
    release(&exact);
    return status;
}

const struct tess_order_method tess_method_exact = {
    .name = "exact",
    .description = "the best order, or the best found in time and how far it can be off",
    .run = run,
};
