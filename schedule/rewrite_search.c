/* Problem: which concats to dissolve, so that the rewritten graph has an order of a low peak.
 *
 * Method:
 * 1. Order the graph as it is.
 * 2. Grow: of the concats left, take those nearest to a moment of the peak, in the order found:
 *    the first 4, 2, 1, then 8, 16, .. up to all, until the peak is lower. A choice whose bound by
 *    minimum cuts is not below the peak is not ordered at all; of those that are, the order is
 *    looked for in haste: what is hard to order is seldom worth it.
 * 3. Shrink: put concats back, half of those chosen at a time, then quarters, down to single ones,
 *    wherever the order found, followed as far as it goes, keeps its peak. Back to 2, from the
 *    moment where the peak is now, until it does not fall any more, or is at the floor: what a task
 *    needs that no choice changes.
 * 4. Order the choice once more if the order that is there is not proven.
 *
 * Invariant: `best` is a choice with an order, and its peak never rises.
 *
 * Cost: orders in 2 and 4, some per fall of the peak; 3 needs O(concats) passes over the graph.
 *
 * Worked example: x (1) -> a (4), x -> b (4), concat c (8) -> convolution y (2). Plain: 16 while c
 * is made. There is one concat, so 2 tries that: x and a, 5; the addend of a, x + a + y = 7; b,
 * x + y + b = 7; the addend of b, 6. So 7. 3 tries to put it back and finds 16.
 *
 * Not done: proving that no other choice is better (tests/schedule/test_rewrite.c counts how often
 * one is, among small graphs); dissolving a concat for some of its readers only.
 *
 * Reference: for what a choice consists of, rewrite.h; the search is our own.
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

/* TUNING: 4 before 2 and 1, as in a cell several concats must go before anything is gained; with 1
 * first DenseNet-121 ends at 1404928 bytes instead of 1304576. Hasty orders get a share of the
 * time left, in percent, and so little memory that the search ends before the clock does: every
 * choice that ever helped in DenseNet-121, NASNet, DARTS and UNet++ was ordered within 8 MiB, most
 * that end there are hopeless, and so are those with yet more concats. 2026-11. */
enum {
    FIRST_STEP = 4,
    PLAIN_PERCENT = 50,
    HASTY_PERCENT = 25,
    HASTY_BYTES = 8 << 20,
    PATIENCE = 1,
    MAX_STEPS = 36
};

enum verdict { LOWER, NOT_LOWER, UNKNOWN };

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
    int64_t floor_bytes;
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

static enum tess_status order_trial(struct rewrite_search *search, int percent,
                                    bool is_hasty)
{
    struct tess_order_limits limits = search->options->limits;
    limits.seconds = seconds_left(search) * percent / 100;
    if (is_hasty) {
        limits.memory_bytes = tess_min_i64(limits.memory_bytes, HASTY_BYTES);
        limits.parts_off |= TESS_ORDER_WINDOWS;
    }
    search->n_orders++;
    return search->options->method->run(search->trial.found.counted, &limits,
                                        &search->trial.found.order, search->error);
}

/* The trial's choice becomes the best one's. */
static void copy_best(struct rewrite_search *search)
{
    memcpy(search->trial.dissolve, search->best.dissolve,
           sizeof *search->best.dissolve * (size_t)search->graph->n_tasks);
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
    double deadline = tess_clock_us() + seconds_left(search) * 1e4 * HASTY_PERCENT;
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

/* The best choice and these: has it an order of a lower peak? If so, takes it. */
static enum tess_status try_with(struct rewrite_search *search, const struct site *sites,
                                 int n_sites, enum verdict *verdict_out)
{
    const struct tess_order_result *trial = &search->trial.found.order;
    int64_t to_beat = search->best.found.order.peak_bytes;
    bool is_made, is_ruled_out = false;
    copy_best(search);
    for (int i = 0; i < n_sites; i++)
        search->trial.dissolve[sites[i].task] = true;
    enum tess_status status = try_trial(search, &is_made);
    if (status == TESS_OK && is_made)
        status = rule_out(search, &is_ruled_out);
    *verdict_out = is_ruled_out ? NOT_LOWER : UNKNOWN;
    if (status != TESS_OK || !is_made || is_ruled_out)
        return status;
    status = order_trial(search, HASTY_PERCENT, true);
    if (status != TESS_OK)
        return status == TESS_E_INFEASIBLE ? TESS_OK : status;
    if (trial->peak_bytes < to_beat) {
        take_trial(search);
        *verdict_out = LOWER;
    } else if (trial->lower_bound_bytes >= to_beat) {
        *verdict_out = NOT_LOWER;
    }
    return TESS_OK;
}

/* Fills steps with how many concats to try: 4, 2, 1, then 8, 16, .. up to all. */
static int list_steps(int n_sites, int *steps)
{
    int n = 0;
    if (n_sites > 0)
        steps[n++] = tess_min_int(FIRST_STEP, n_sites);
    for (int step = FIRST_STEP / 2; step > 0; step /= 2)
        if (step < n_sites)
            steps[n++] = step;
    for (int before = FIRST_STEP; before < n_sites; before = steps[n - 1])
        steps[n++] = before < n_sites / 2 ? 2 * before : n_sites;
    assert(n <= MAX_STEPS);
    return n;
}

/* *is_lower_out: the peak is lower now. */
static enum tess_status grow(struct rewrite_search *search, struct site *sites,
                             bool *is_lower_out)
{
    enum verdict verdict = NOT_LOWER;
    int n_sites, n_steps, steps[MAX_STEPS], patience = PATIENCE;
    enum tess_status status = list_sites(search, sites, &n_sites);
    n_steps = status == TESS_OK ? list_steps(n_sites, steps) : 0;
    for (int i = 0;
         i < n_steps && patience > 0 && verdict != LOWER && seconds_left(search) > 0;
         i++) {
        status = try_with(search, sites, steps[i], &verdict);
        if (status != TESS_OK)
            break;
        patience -= verdict == UNKNOWN;
    }
    *is_lower_out = verdict == LOWER;
    return status;
}

/* ---- shrink ---- */

/* The best choice without those of these concats that it has; takes it if its peak is no higher
 * in the same order. */
static enum tess_status try_without(struct rewrite_search *search, const int *chosen,
                                    int n_chosen)
{
    struct tess_rewrite_found *trial = &search->trial.found, *best = &search->best.found;
    bool is_made, is_other = false;
    copy_best(search);
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
    for (int share = n_chosen / 2; share > 0; share /= 2)
        for (int first = 0;
             first < n_chosen && status == TESS_OK && seconds_left(search) > 0;
             first += share)
            status = try_without(search, chosen + first,
                                 tess_min_int(share, n_chosen - first));
    return status;
}

/* Orders the best choice as a graph of its own. */
static enum tess_status order_best(struct rewrite_search *search)
{
    bool is_made;
    copy_best(search);
    enum tess_status status = try_trial(search, &is_made);
    assert(status != TESS_OK || is_made);
    if (status == TESS_OK)
        status = order_trial(search, 100, false);
    if (status != TESS_OK)
        return status == TESS_E_INFEASIBLE ? TESS_OK : status;
    if (search->trial.found.order.peak_bytes <= search->best.found.order.peak_bytes)
        take_trial(search);
    return TESS_OK;
}

/* ---- all together ---- */

/* Could the tensor be no more than others that the same task reads? */
static bool may_view(const struct rewrite_search *search, int tensor_id)
{
    const struct tess_task_tensor *tensor = &search->graph->tensors[tensor_id];
    return search->options->model == TESS_MODEL_VIEW && tensor->n_producers == 1 &&
           (search->graph->tasks[tensor->producers[0]].flags & TESS_TASK_CONCAT);
}

/* The most bytes of a task that no choice changes, or at the end. */
static enum tess_status find_floor(struct rewrite_search *search)
{
    const struct tess_task_graph *graph = search->graph;
    bool *is_fixed = calloc((size_t)graph->n_tasks + 1, sizeof *is_fixed);
    enum tess_status status =
        is_fixed ? tess_rewrite_find_fixed(graph, is_fixed, search->error)
                 : tess_error_nomem(search->error);
    for (int t = 0; t < graph->n_tensors; t++)
        if (graph->tensors[t].is_retained)
            search->floor_bytes += graph->tensors[t].bytes;
    for (int i = 0; i < graph->n_tasks && status == TESS_OK; i++) {
        const struct tess_task *task = &graph->tasks[i];
        bool overwrites = search->options->model != TESS_MODEL_BASE &&
                          tess_task_may_overwrite(graph, i);
        int64_t bytes = 0;
        for (int k = 0; k < task->n_inputs; k++)
            if (task->n_inputs == 1 || !may_view(search, task->inputs[k]))
                bytes += graph->tensors[task->inputs[k]].bytes;
        for (int k = 0; k < task->n_outputs && !overwrites; k++)
            bytes += graph->tensors[task->outputs[k]].bytes;
        if (is_fixed[i])
            search->floor_bytes = tess_max_i64(search->floor_bytes, bytes);
    }
    free(is_fixed);
    return status;
}

static enum tess_status choose(struct rewrite_search *search, int n_sites)
{
    size_t n_tasks = (size_t)search->graph->n_tasks + 1;
    struct site *sites = calloc(n_tasks, sizeof *sites);
    int *chosen = calloc(n_tasks, sizeof *chosen);
    bool is_lower = true;
    enum tess_status status = sites && chosen ? make_trial(search, search->error)
                                              : tess_error_nomem(search->error);
    if (status == TESS_OK)
        status = order_trial(search, n_sites ? PLAIN_PERCENT : 100, false);
    if (status == TESS_OK)
        take_trial(search);
    int64_t plain_bytes = search->best.found.order.peak_bytes;
    if (status == TESS_OK)
        status = find_floor(search);
    while (status == TESS_OK && is_lower && seconds_left(search) > 0 &&
           search->best.found.order.peak_bytes > search->floor_bytes) {
        status = grow(search, sites, &is_lower);
        if (status == TESS_OK && is_lower)
            status = shrink(search, chosen);
    }
    if (status == TESS_OK && !search->best.found.order.is_proven)
        status = order_best(search);
    search->best.found.plain_bytes = plain_bytes;
    search->best.found.floor_bytes = search->floor_bytes;
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
