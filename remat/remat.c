#include "remat/remat.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/clock.h"
#include "remat/sequence_check.h"
#include "schedule/check.h"
#include "schedule/placement.h"

/* Of the time limit: for the order to begin with, and for order and sequence. */
static const double order_share = 0.1, search_share = 0.93;

void tess_remat_options_init(struct tess_remat_options *options)
{
    *options = (struct tess_remat_options){.model = TESS_MODEL_INPLACE,
                                           .alignment = 1,
                                           .budget_percent = 100,
                                           .most_runs = 3,
                                           .method = tess_remat_methods()[0],
                                           .order_method = &tess_method_exact,
                                           .seconds = 60,
                                           .memory_bytes = INT64_C(1) << 30};
}

static enum tess_status take_costs(struct tess_remat *remat, const int64_t *costs,
                                   struct tess_error *error)
{
    int n_tasks = remat->counted->n_tasks;
    int64_t sum = 0;
    remat->costs = malloc(sizeof *remat->costs * ((size_t)n_tasks + 1));
    if (!remat->costs)
        return tess_error_nomem(error);
    for (int i = 0; i < n_tasks; i++) {
        if (costs[i] < 0 || costs[i] > TESS_REMAT_LIMIT_COST - sum)
            return tess_error_set(error, TESS_E_MODEL,
                                  "the cost of task %d is negative, or all are too large",
                                  i);
        sum += costs[i];
        remat->costs[i] = costs[i];
    }
    for (int i = 0; i < n_tasks && sum == 0; i++)
        remat->costs[i] = 1;
    return TESS_OK;
}

static int64_t find_budget(const struct tess_remat *remat,
                           const struct tess_remat_options *options)
{
    if (options->budget_percent <= 0)
        return options->budget_bytes;
    double bytes = options->budget_percent / 100 * (double)remat->file_peak_bytes;
    /* 80 % of a multiple of 5 is a whole number, if not in binary fractions. */
    double limit = (double)(TESS_TASKS_LIMIT_BYTES);
    return (int64_t)fmin(limit, ceil(bytes * (1 - 1e-12)));
}

/* The file's order, and a better one to begin with unless that is to be kept, or fits. */
static enum tess_status find_order(struct tess_remat *remat,
                                   const struct tess_remat_options *options,
                                   struct tess_error *error)
{
    const struct tess_task_graph *graph = remat->counted;
    remat->order = malloc(sizeof *remat->order * ((size_t)graph->n_tasks + 1));
    if (!remat->order)
        return tess_error_nomem(error);
    enum tess_status status = tess_task_graph_file_order(graph, remat->order, error);
    if (status == TESS_OK)
        status = tess_check_order(graph, remat->order, &remat->file_peak_bytes, error);
    if (status != TESS_OK)
        return status;
    remat->problem.budget_bytes = find_budget(remat, options);
    if (!options->keeps_order && remat->file_peak_bytes > remat->problem.budget_bytes) {
        struct tess_order_limits limits = {options->seconds * order_share,
                                           options->memory_bytes, 0};
        struct tess_order_result order = {.order = remat->order};
        status = options->order_method->run(graph, &limits, &order, error);
    }
    return status == TESS_OK
               ? tess_check_order(graph, remat->order, &remat->order_peak_bytes, error)
               : status;
}

static enum tess_status search(struct tess_remat *remat,
                               const struct tess_remat_options *options, double start_us,
                               struct tess_error *error)
{
    double spent = (tess_clock_us() - start_us) / 1e6;
    struct tess_remat_limits limits = {fmax(0, options->seconds * search_share - spent),
                                       options->memory_bytes};
    struct tess_remat_value value;
    enum tess_status status =
        options->method->run(&remat->problem, &limits, &remat->result, error);
    remat->search_us = tess_clock_us() - start_us;
    if (status == TESS_OK)
        status =
            tess_remat_check(&remat->problem, &remat->result.sequence, &value, error);
    if (status == TESS_OK && (value.peak_bytes != remat->result.value.peak_bytes ||
                              value.cost != remat->result.value.cost))
        status = tess_error_set(
            error, TESS_E_VERIFY,
            "%s says a peak of %lld and a cost of %lld, the checker %lld and %lld",
            options->method->name, (long long)remat->result.value.peak_bytes,
            (long long)remat->result.value.cost, (long long)value.peak_bytes,
            (long long)value.cost);
    return status;
}

/* Places for the copies; the runs are the order 0, 1, 2, ... of the expansion. */
static enum tess_status find_places(struct tess_remat *remat, const int *runs,
                                    int64_t alignment, double deadline_us,
                                    struct tess_error *error)
{
    const struct tess_task_graph *graph = remat->expansion.graph;
    struct tess_placement placement;
    struct tess_blocks blocks = {0};
    int64_t peak = 0;
    enum tess_status status = tess_check_order(graph, runs, &peak, error);
    if (status == TESS_OK && peak != remat->result.value.peak_bytes)
        status = tess_error_set(
            error, TESS_E_VERIFY, "the runs as tasks have a peak of %lld, not %lld",
            (long long)peak, (long long)remat->result.value.peak_bytes);
    if (status == TESS_OK)
        status = tess_blocks_init(&blocks, graph, runs, error);
    tess_placement_init(&placement);
    placement.alignment = alignment;
    placement.deadline_us = deadline_us;
    if (status == TESS_OK)
        status = tess_placement_find(&placement, blocks.blocks, blocks.n_blocks, error);
    if (status == TESS_OK) {
        tess_blocks_offsets(&blocks, graph, remat->offsets);
        remat->arena_bytes = placement.arena_bytes;
        remat->placed_by = placement.found_by;
        status = tess_check_places(graph, runs, remat->offsets, remat->arena_bytes,
                                   alignment, error);
    }
    tess_blocks_release(&blocks);
    return status;
}

static enum tess_status place(struct tess_remat *remat, int64_t alignment,
                              double deadline_us, struct tess_error *error)
{
    double start_us = tess_clock_us();
    enum tess_status status = tess_remat_expand(&remat->expansion, remat->counted,
                                                &remat->result.sequence, error);
    if (status != TESS_OK)
        return status;
    size_t n = (size_t)remat->expansion.copies.n_copies + 1;
    int n_runs = remat->result.sequence.n;
    int *runs = malloc(sizeof *runs * ((size_t)n_runs + 1));
    remat->offsets = calloc(n, sizeof *remat->offsets);
    if (!remat->offsets || !runs)
        status = tess_error_nomem(error);
    for (int at = 0; at < n_runs && runs; at++)
        runs[at] = at;
    if (status == TESS_OK)
        status = find_places(remat, runs, alignment, deadline_us, error);
    free(runs);
    remat->place_us = tess_clock_us() - start_us;
    return status;
}

enum tess_status tess_remat_init(struct tess_remat *remat,
                                 const struct tess_task_graph *graph,
                                 const int64_t *costs,
                                 const struct tess_remat_options *options,
                                 struct tess_error *error)
{
    assert(options->alignment >= 1 && options->method && options->order_method);
    assert(options->most_runs >= 1 && options->most_runs <= TESS_REMAT_LIMIT_RUNS);
    double start_us = tess_clock_us();
    *remat = (struct tess_remat){0};
    enum tess_status status = tess_task_graph_count(
        graph, options->model, options->alignment, &remat->counted, error);
    if (status == TESS_OK)
        status = take_costs(remat, costs, error);
    if (status == TESS_OK)
        status = find_order(remat, options, error);
    if (status != TESS_OK)
        return status;
    remat->problem = (struct tess_remat_problem){
        remat->counted,       remat->costs,       remat->order,
        options->keeps_order, options->most_runs, remat->problem.budget_bytes};
    remat->least_cost = tess_remat_least_cost(&remat->problem);
    status = search(remat, options, start_us, error);
    return status == TESS_OK ? place(remat, options->alignment,
                                     start_us + options->seconds * 1e6, error)
                             : status;
}

void tess_remat_release(struct tess_remat *remat)
{
    if (!remat)
        return;
    tess_task_graph_destroy(remat->counted);
    free(remat->costs);
    free(remat->order);
    tess_remat_sequence_release(&remat->result.sequence);
    tess_remat_expansion_release(&remat->expansion);
    free(remat->offsets);
    *remat = (struct tess_remat){0};
}

double tess_remat_extra_percent(const struct tess_remat *remat, int64_t cost)
{
    return remat->least_cost > 0
               ? 100.0 * (double)(cost - remat->least_cost) / (double)remat->least_cost
               : 0;
}
