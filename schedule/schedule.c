#include "schedule/schedule.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "schedule/check.h"

/* Of the time limit; where an order takes all of its own, places still need some. */
static const double order_share = 0.9;

void tess_schedule_options_init(struct tess_schedule_options *options)
{
    *options = (struct tess_schedule_options){.model = TESS_MODEL_INPLACE,
                                              .alignment = 1,
                                              .method = &tess_method_exact,
                                              .accumulator_factor = 1};
    tess_order_limits_init(&options->limits);
}

/* Takes memory for an order of the graph, and puts in that of the file. */
static enum tess_status start_order(struct tess_schedule *schedule,
                                    struct tess_error *error)
{
    const struct tess_task_graph *graph = schedule->counted;
    schedule->order = malloc(sizeof *schedule->order * (size_t)(graph->n_tasks + 1));
    if (!schedule->order)
        return tess_error_nomem(error);
    schedule->result.order = schedule->order;
    enum tess_status status = tess_task_graph_file_order(graph, schedule->order, error);
    return status == TESS_OK ? tess_check_order(graph, schedule->order,
                                                &schedule->file_peak_bytes, error)
                             : status;
}

static enum tess_status rewrite(struct tess_schedule *schedule,
                                const struct tess_task_graph *graph,
                                const struct tess_schedule_options *options,
                                const struct tess_order_limits *limits,
                                struct tess_error *error)
{
    struct tess_rewrite_options how;
    tess_rewrite_options_init(&how);
    how.model = options->model;
    how.alignment = options->alignment;
    how.accumulator_factor = options->accumulator_factor;
    how.method = options->method;
    how.limits = *limits;
    enum tess_status status = tess_rewrite_find(&schedule->found, graph, &how, error);
    if (status != TESS_OK)
        return status;
    /* What was found is what is scheduled from here on. */
    tess_task_graph_destroy(schedule->counted);
    free(schedule->order);
    schedule->result = schedule->found.order;
    schedule->order = schedule->result.order;
    schedule->counted = schedule->found.counted;
    schedule->found.counted = NULL;
    schedule->found.order.order = NULL;
    return TESS_OK;
}

static enum tess_status find_order(struct tess_schedule *schedule,
                                   const struct tess_task_graph *graph,
                                   const struct tess_schedule_options *options,
                                   struct tess_error *error)
{
    struct tess_order_limits limits = options->limits;
    double start_us = tess_clock_us();
    int64_t checked_bytes;
    limits.seconds *= order_share;
    enum tess_status status =
        options->rewrites
            ? rewrite(schedule, graph, options, &limits, error)
            : options->method->run(schedule->counted, &limits, &schedule->result, error);
    schedule->order_us = tess_clock_us() - start_us;
    if (status == TESS_OK)
        status =
            tess_check_order(schedule->counted, schedule->order, &checked_bytes, error);
    if (status == TESS_OK && checked_bytes != schedule->result.peak_bytes)
        status = tess_error_set(
            error, TESS_E_VERIFY, "%s says a peak of %lld, the checker %lld",
            options->method->name, (long long)schedule->result.peak_bytes,
            (long long)checked_bytes);
    return status;
}

static enum tess_status find_places(struct tess_schedule *schedule,
                                    const struct tess_schedule_options *options,
                                    double deadline_us, struct tess_error *error)
{
    struct tess_placement placement;
    struct tess_blocks blocks;
    double start_us = tess_clock_us();
    schedule->offsets =
        calloc((size_t)schedule->counted->n_tensors + 1, sizeof *schedule->offsets);
    if (!schedule->offsets)
        return tess_error_nomem(error);
    enum tess_status status =
        tess_blocks_init(&blocks, schedule->counted, schedule->order, error);
    tess_placement_init(&placement);
    placement.alignment = options->alignment;
    placement.deadline_us = deadline_us;
    if (status == TESS_OK)
        status = tess_placement_find(&placement, blocks.blocks, blocks.n_blocks, error);
    if (status == TESS_OK) {
        tess_blocks_offsets(&blocks, schedule->counted, schedule->offsets);
        schedule->arena_bytes = placement.arena_bytes;
        schedule->placed_by = placement.found_by;
        schedule->place_us = tess_clock_us() - start_us;
        status = tess_check_places(schedule->counted, schedule->order, schedule->offsets,
                                   schedule->arena_bytes, options->alignment, error);
    }
    tess_blocks_release(&blocks);
    return status;
}

enum tess_status tess_schedule_init(struct tess_schedule *schedule,
                                    const struct tess_task_graph *graph,
                                    const struct tess_schedule_options *options,
                                    struct tess_error *error)
{
    assert(options->alignment >= 1 && options->method);
    double deadline_us = tess_clock_us() + options->limits.seconds * 1e6;
    *schedule = (struct tess_schedule){0};
    enum tess_status status = tess_task_graph_count(
        graph, options->model, options->alignment, &schedule->counted, error);
    if (status == TESS_OK)
        status = start_order(schedule, error);
    if (status == TESS_OK)
        status = find_order(schedule, graph, options, error);
    if (status == TESS_OK)
        status = find_places(schedule, options, deadline_us, error);
    return status;
}

void tess_schedule_release(struct tess_schedule *schedule)
{
    if (!schedule)
        return;
    tess_task_graph_destroy(schedule->counted);
    tess_rewrite_found_release(&schedule->found);
    free(schedule->order);
    free(schedule->offsets);
    *schedule = (struct tess_schedule){0};
}
