/* Problem: which concats to dissolve, so that the rewritten graph has an order of a low peak.
 *
 * Method:
 * 1. Order the graph as it is.
 * 2. Grow: of the concats left, take those nearest to a moment of the peak, in the order found:
 *    the first FIRST_STEP, then twice as many, up to all, until the peak is lower. Then again,
 *    from the new order's peak. A choice whose bound by minimum cuts is not below the peak is not
 *    ordered at all.
 * 3. Shrink: put concats back, half of those chosen at a time, then quarters, down to single ones,
 *    wherever the order found, followed as far as it goes, keeps its peak.
 * 4. Order what is left once more, for a proof.
 *
 * Invariant: `best` is a rewriting with an order of it, and its peak never rises.
 *
 * Cost: an order per step of 2, one for 4; 3 needs O(sites) passes over the graph.
 *
 * Worked example: x -> a (4), x -> b (4), concat c (8) -> convolution y (2). Plain: 16 while c is
 * made. With c dissolved: a, then its addend of y: 4 and 2, then b: 2 + 4 and x. One site, which
 * 2 takes first; 3 tries to put it back and finds 16.
 *
 * Not done: trying all choices; rewriting only some of a concat's readers.
 */
#include "schedule/rewrite_search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "schedule/bound.h"
#include "schedule/peak.h"
#include "schedule/rewrite_follow.h"

/* TUNING: cells have few concats, and several must go before anything is gained: 4 take one order
 * less than 1 to get SwiftNet's cells; 2025-11. Shares are of the time left, in percent. */
enum { FIRST_STEP = 4, PLAIN_PERCENT = 50, GROW_PERCENT = 25 };

/* A choice and its order. */
struct choice {
    bool *dissolve; /* [n_tasks] */
    struct tess_rewrite_found found;
};

struct rewrite_search {
    const struct tess_task_graph *graph;
    const struct tess_rewrite_options *options;
    double start_us;
    struct choice best, trial;
    int n_orders;
    struct tess_error *error;
};

struct site {
    int task, distance; /* of positions, to the next moment of the peak */
};

void tess_rewrite_options_init(struct tess_rewrite_options *options)
{
    *options = (struct tess_rewrite_options){.model = TESS_MODEL_VIEW,
                                             .alignment = 1,
                                             .accumulator_factor = 1,
                                             .method = &tess_method_exact};
    tess_order_limits_init(&options->limits);
}

static double seconds_left(const struct rewrite_search *search)
{
    double used = (tess_clock_us() - search->start_us) * 1e-6;
    return used < search->options->limits.seconds ? search->options->limits.seconds - used
                                                  : 0;
}

/* Rewrites and counts the trial's choice. */
static enum tess_status make_trial(struct rewrite_search *search,
                                   struct tess_error *error)
{
    const struct tess_rewrite_options *options = search->options;
    struct tess_rewrite_found *found = &search->trial.found;
    tess_rewrite_found_release(found);
    enum tess_status status =
        tess_rewrite_apply(&found->rewritten, search->graph, search->trial.dissolve,
                           options->accumulator_factor, error);
    if (status == TESS_OK)
        status = tess_task_graph_count(found->rewritten.graph, options->model,
                                       options->alignment, &found->counted, error);
    if (status != TESS_OK)
        return status;
    size_t n_tasks = (size_t)found->counted->n_tasks + 1;
    found->order.order = malloc(sizeof *found->order.order * n_tasks);
    return found->order.order ? TESS_OK : tess_error_nomem(error);
}

/* The same; *is_made_out: it has not grown too large. */
static enum tess_status try_trial(struct rewrite_search *search, bool *is_made_out)
{
    enum tess_status status = make_trial(search, NULL);
    *is_made_out = status == TESS_OK;
    return status == TESS_OK || status == TESS_E_MODEL ? TESS_OK
                                                       : tess_error_nomem(search->error);
}

static enum tess_status order_trial(struct rewrite_search *search, int percent)
{
    struct tess_order_limits limits = search->options->limits;
    limits.seconds = seconds_left(search) * percent / 100;
    search->n_orders++;
    return search->options->method->run(search->trial.found.counted, &limits,
                                        &search->trial.found.order, search->error);
}

static void take_trial(struct rewrite_search *search)
{
    struct choice taken = search->trial;
    search->trial = search->best;
    search->best = taken;
}

/* Is it proven that no order of the trial is below the best? */
static enum tess_status rule_out(struct rewrite_search *search, bool *is_hopeless_out)
{
    struct tess_chains singles = {0};
    int64_t bound = 0, enough = search->best.found.order.peak_bytes;
    double deadline = tess_clock_us() + seconds_left(search) * 1e4 * GROW_PERCENT;
    enum tess_status status =
        tess_chains_single(&singles, search->trial.found.counted, search->error);
    if (status == TESS_OK)
        status = tess_bound_by_cuts(&singles, enough, deadline, &bound, search->error);
    tess_chains_release(&singles);
    *is_hopeless_out = bound >= enough;
    return status;
}

/* ---- grow ---- */

static int compare_sites(const void *a, const void *b)
{
    const struct site *x = a, *y = b;
    return x->distance != y->distance ? x->distance - y->distance : x->task - y->task;
}

/* Fills distance [n_tasks of the best] to the nearest position where the peak is reached. */
static void measure_distances(const int64_t *task_bytes, int64_t peak, int n_tasks,
                              int *distance)
{
    int last = -1;
    for (int at = 0; at < n_tasks; at++) {
        last = task_bytes[at] == peak ? at : last;
        distance[at] = last >= 0 ? at - last : n_tasks;
    }
    last = -1;
    for (int at = n_tasks - 1; at >= 0; at--) {
        last = task_bytes[at] == peak ? at : last;
        if (last >= 0)
            distance[at] = tess_min_int(distance[at], last - at);
    }
}

/* The concats left, the nearest first. */
static enum tess_status list_sites(struct rewrite_search *search, struct site *sites,
                                   int *n_sites_out)
{
    const struct tess_rewrite_found *best = &search->best.found;
    size_t n_tasks = (size_t)best->counted->n_tasks + 1;
    int64_t peak, *task_bytes = malloc(sizeof *task_bytes * n_tasks);
    int *distance = malloc(sizeof *distance * n_tasks), n_sites = 0;
    enum tess_status status =
        task_bytes && distance ? TESS_OK : tess_error_nomem(search->error);
    if (status == TESS_OK)
        status = tess_peak_of_order(best->counted, best->order.order, &peak, task_bytes,
                                    search->error);
    if (status == TESS_OK) {
        measure_distances(task_bytes, peak, best->counted->n_tasks, distance);
        for (int at = 0; at < best->counted->n_tasks; at++) {
            int task = best->rewritten.tasks[best->order.order[at]].origin;
            if (tess_rewrite_is_site(search->graph, task))
                sites[n_sites++] = (struct site){task, distance[at]};
        }
        qsort(sites, (size_t)n_sites, sizeof *sites, compare_sites);
        *n_sites_out = n_sites;
    }
    free(task_bytes);
    free(distance);
    return status;
}

/* The best choice and these; takes it if its peak is lower. */
static enum tess_status try_sites(struct rewrite_search *search, const struct site *sites,
                                  int n_sites, bool *is_better_out)
{
    bool is_made, is_ruled_out = false;
    *is_better_out = false;
    memcpy(search->trial.dissolve, search->best.dissolve,
           sizeof *search->best.dissolve * (size_t)search->graph->n_tasks);
    for (int i = 0; i < n_sites; i++)
        search->trial.dissolve[sites[i].task] = true;
    enum tess_status status = try_trial(search, &is_made);
    if (status == TESS_OK && is_made)
        status = rule_out(search, &is_ruled_out);
    if (status != TESS_OK || !is_made || is_ruled_out)
        return status;
    status = order_trial(search, GROW_PERCENT);
    if (status != TESS_OK)
        return status == TESS_E_INFEASIBLE ? TESS_OK : status;
    *is_better_out =
        search->trial.found.order.peak_bytes < search->best.found.order.peak_bytes;
    if (*is_better_out)
        take_trial(search);
    return TESS_OK;
}

static enum tess_status grow(struct rewrite_search *search, struct site *sites)
{
    bool is_better = true;
    while (is_better) {
        int n_sites;
        enum tess_status status = list_sites(search, sites, &n_sites);
        is_better = false;
        for (int step = FIRST_STEP, n_tried = 0;
             status == TESS_OK && !is_better && n_tried < n_sites; step *= 2) {
            n_tried = tess_min_int(step, n_sites);
            status = try_sites(search, sites, n_tried, &is_better);
        }
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

/* ---- shrink ---- */

/* The best choice without those of these concats that it has; takes it if its peak is no higher
 * in the same order. */
static enum tess_status try_without(struct rewrite_search *search, const int *chosen,
                                    int n_chosen)
{
    struct tess_rewrite_found *trial = &search->trial.found, *best = &search->best.found;
    bool is_made, is_other = false;
    memcpy(search->trial.dissolve, search->best.dissolve,
           sizeof *search->best.dissolve * (size_t)search->graph->n_tasks);
    for (int i = 0; i < n_chosen; i++) {
        is_other |= search->trial.dissolve[chosen[i]];
        search->trial.dissolve[chosen[i]] = false;
    }
    if (!is_other)
        return TESS_OK;
    enum tess_status status = try_trial(search, &is_made);
    if (status != TESS_OK || !is_made)
        return status;
    status = tess_rewrite_follow(&best->rewritten, best->order.order, &trial->rewritten,
                                 trial->order.order, search->error);
    if (status == TESS_OK)
        status = tess_order_result_finish(trial->counted, 0, "none", &trial->order,
                                          search->error);
    if (status == TESS_OK && trial->order.peak_bytes <= best->order.peak_bytes)
        take_trial(search);
    return status;
}

static enum tess_status shrink(struct rewrite_search *search, int *chosen)
{
    int n_chosen = 0;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < search->graph->n_tasks; i++)
        if (search->best.dissolve[i])
            chosen[n_chosen++] = i;
    for (int share = n_chosen / 2; share > 0 && status == TESS_OK; share /= 2)
        for (int first = 0; first < n_chosen && status == TESS_OK; first += share)
            status = try_without(search, chosen + first,
                                 tess_min_int(share, n_chosen - first));
    return status;
}

/* Orders the best choice as a graph of its own. */
static enum tess_status order_best(struct rewrite_search *search)
{
    bool is_made;
    memcpy(search->trial.dissolve, search->best.dissolve,
           sizeof *search->best.dissolve * (size_t)search->graph->n_tasks);
    enum tess_status status = try_trial(search, &is_made);
    assert(status != TESS_OK || is_made);
    if (status == TESS_OK)
        status = order_trial(search, 100);
    if (status != TESS_OK)
        return status == TESS_E_INFEASIBLE ? TESS_OK : status;
    if (search->trial.found.order.peak_bytes <= search->best.found.order.peak_bytes)
        take_trial(search);
    return TESS_OK;
}

/* ---- all together ---- */

static enum tess_status choose(struct rewrite_search *search, int n_sites)
{
    size_t n_tasks = (size_t)search->graph->n_tasks + 1;
    struct site *sites = calloc(n_tasks, sizeof *sites);
    int *chosen = calloc(n_tasks, sizeof *chosen);
    enum tess_status status = sites && chosen ? make_trial(search, search->error)
                                              : tess_error_nomem(search->error);
    if (status == TESS_OK)
        status = order_trial(search, n_sites ? PLAIN_PERCENT : 100);
    int64_t plain_bytes = search->trial.found.order.peak_bytes;
    if (status == TESS_OK) {
        take_trial(search);
        status = grow(search, sites);
    }
    if (status == TESS_OK && search->best.found.order.peak_bytes < plain_bytes) {
        status = shrink(search, chosen);
        if (status == TESS_OK)
            status = order_best(search);
    }
    search->best.found.plain_bytes = plain_bytes;
    free(sites);
    free(chosen);
    return status;
}

enum tess_status tess_rewrite_find(struct tess_rewrite_found *found,
                                   const struct tess_task_graph *graph,
                                   const struct tess_rewrite_options *options,
                                   struct tess_error *error)
{
    struct rewrite_search search = {
        .graph = graph, .options = options, .start_us = tess_clock_us(), .error = error};
    size_t n_tasks = (size_t)graph->n_tasks + 1;
    int n_sites = 0;
    *found = (struct tess_rewrite_found){0};
    for (int i = 0; i < graph->n_tasks; i++)
        n_sites += tess_rewrite_is_site(graph, i);
    search.best.dissolve = calloc(n_tasks, sizeof *search.best.dissolve);
    search.trial.dissolve = calloc(n_tasks, sizeof *search.trial.dissolve);
    enum tess_status status = search.best.dissolve && search.trial.dissolve
                                  ? choose(&search, n_sites)
                                  : tess_error_nomem(error);
    if (status == TESS_OK) {
        *found = search.best.found;
        search.best.found = (struct tess_rewrite_found){0};
        found->n_sites = n_sites;
        found->n_orders = search.n_orders;
    }
    tess_rewrite_found_release(&search.best.found);
    tess_rewrite_found_release(&search.trial.found);
    free(search.best.dissolve);
    free(search.trial.dissolve);
    return status;
}

void tess_rewrite_found_release(struct tess_rewrite_found *found)
{
    if (!found)
        return;
    tess_rewritten_release(&found->rewritten);
    tess_task_graph_destroy(found->counted);
    free(found->order.order);
    *found = (struct tess_rewrite_found){0};
}
