#include "executor/executor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <pthreadpool.h>

#include "base/arith.h"
#include "base/clock.h"
#include "executor/weight_store.h"
#include "model/packed.h"
#include "plan/walk.h"

struct tess_executor {
    const struct tess_layout *layout;
    const struct tess_kernel_family *family;
    struct tess_kernel **kernels;      /* [n_ops], NULL for views and copies */
    struct tess_weight_store *weights; /* NULL: in the kernels */
    bool is_on_shelf;                  /* that is, the weights */
    pthreadpool_t pool;                /* NULL: the caller's thread only */
    pthreadpool_t own_pool;            /* to be destroyed; NULL: none */
    struct tess_memory_block *arena;   /* others may move it between runs */
    struct tess_memory_block own_arena;
    int64_t arena_bytes; /* at the front of it */
    int64_t heap_bytes;
};

struct run {
    struct tess_executor *executor;
    const struct tess_row_source *input;
    const struct tess_observer *observer;
    double *group_us;
    double group_start_us;
    int group;
};

static bool has_kernel(const struct tess_op *op)
{
    return op->kind != TESS_OP_CONCAT && op->kind != TESS_OP_SLICE;
}

static int channels_of(const struct tess_layout *layout, struct tess_slot slot)
{
    return layout->storages[slot.storage].channels;
}

static struct tess_kernel_options kernel_options(const struct tess_executor *executor,
                                                 int op_id)
{
    const struct tess_layout *layout = executor->layout;
    const struct tess_graph *graph = layout->graph;
    const struct tess_op *op = &graph->ops[op_id];
    const struct tess_op_layout *how = &layout->ops[op_id];
    struct tess_kernel_options options = {
        .pads_rows = how->pads_rows,
        .pads_cols = how->pads_cols,
        .max_out_rows = how->largest.n_rows,
        .max_out_cols = how->largest.n_cols,
        .without_weights = executor->weights && tess_op_has_weights(op),
        .scratch = (float *)(void *)executor->arena->data,
        .scratch_bytes = executor->arena_bytes,
    };
    bool is_gathered = how->in_temp[0] >= 0;
    bool is_scattered = how->out_temp >= 0 || how->is_spread;
    options.input_pixel_stride =
        is_gathered ? graph->tensors[op->inputs[0]].c
                    : channels_of(layout, tess_layout_source(layout, op_id, 0));
    options.output_pixel_stride =
        is_scattered ? graph->tensors[op->output].c
                     : channels_of(layout, tess_layout_target(layout, op_id));
    return options;
}

/* The kernel of `op`, and its weights. */
static enum tess_status make_kernel(struct tess_executor *executor, int op,
                                    const struct tess_filter_source *filters,
                                    struct tess_error *error)
{
    const struct tess_graph *graph = executor->layout->graph;
    if (!has_kernel(&graph->ops[op]))
        return TESS_OK;
    struct tess_kernel_options options = kernel_options(executor, op);
    enum tess_status status = executor->family->create(
        graph, op, filters, &options, executor->pool, &executor->kernels[op], error);
    if (status == TESS_OK && executor->weights)
        status = tess_weight_store_load(executor->weights, op, error);
    return status;
}

static enum tess_status check_memory(const struct tess_executor *executor,
                                     struct tess_error *error)
{
    struct tess_memory memory = {0};
    tess_layout_memory(executor->layout, &memory);
    int64_t allowed_bytes = memory.workspace;
    if (!executor->is_on_shelf)
        allowed_bytes += memory.weights;
    if (executor->weights && !executor->is_on_shelf)
        allowed_bytes += tess_layout_slots_bytes(executor->layout);
    if (executor->heap_bytes <= allowed_bytes)
        return TESS_OK;
    return tess_error_set(error, TESS_E_BUDGET,
                          "the kernels hold %lld bytes where the plan allows %lld for "
                          "weights and workspace",
                          (long long)executor->heap_bytes, (long long)allowed_bytes);
}

static enum tess_status make_kernels(struct tess_executor *executor,
                                     const struct tess_executor_options *options,
                                     struct tess_error *error)
{
    int n_ops = executor->layout->graph->n_ops;
    int64_t heap_before = executor->family->heap_bytes();
    for (int op = 0; op < n_ops; op++) {
        enum tess_status status = make_kernel(executor, op, &options->filters, error);
        if (status != TESS_OK)
            return status;
        if (options->progress)
            options->progress(options->progress_context, op + 1, n_ops);
    }
    executor->heap_bytes = executor->family->heap_bytes() - heap_before;
    if (executor->weights)
        executor->heap_bytes += tess_weight_store_bytes(executor->weights);
    return check_memory(executor, error);
}

static bool is_streaming(const struct tess_plan *plan)
{
    for (int op = 0; op < plan->n_ops; op++)
        if (plan->streamed[op])
            return true;
    return false;
}

static enum tess_status make_store(struct tess_executor *executor,
                                   const struct tess_executor_options *options,
                                   struct tess_error *error)
{
    const struct tess_plan *plan = executor->layout->plan;
    assert(options->family->uses_packed == (plan->facts.has_packed_weights != 0));
    executor->is_on_shelf = options->family->uses_packed && options->shelf;
    struct tess_weight_supply supply = {options->blocks, options->weight_memory,
                                        options->shelf, options->shelf_origins};
    if (options->family->uses_packed)
        return tess_weight_store_create(executor->layout, &supply, &executor->weights,
                                        error);
    if (!is_streaming(plan))
        return TESS_OK;
    tess_error_set(error, TESS_E_CONFIG, "kernels of family %s cannot stream weights",
                   options->family->name);
    tess_error_hint(error, "use --kernels nat, or remove the line \"streamed\"");
    return TESS_E_CONFIG;
}

static enum tess_status fit_arena(struct tess_executor *executor,
                                  struct tess_memory_block *shared,
                                  struct tess_error *error)
{
    executor->arena = shared ? shared : &executor->own_arena;
    executor->arena_bytes = tess_layout_arena_bytes(executor->layout);
    return tess_memory_block_fit(executor->arena, executor->arena_bytes, error);
}

static enum tess_status take_pool(struct tess_executor *executor,
                                  const struct tess_executor_options *options,
                                  struct tess_error *error)
{
    executor->pool = options->pool;
    if (options->pool || options->n_threads == 1)
        return TESS_OK;
    executor->pool = executor->own_pool = pthreadpool_create((size_t)options->n_threads);
    if (executor->pool)
        return TESS_OK;
    return tess_error_set(error, TESS_E_NOMEM, "cannot start %d threads",
                          options->n_threads);
}

enum tess_status tess_executor_create(const struct tess_layout *layout,
                                      const struct tess_executor_options *options,
                                      struct tess_executor **executor_out,
                                      struct tess_error *error)
{
    assert(options->n_threads >= 1);
    enum tess_status status = TESS_OK;
    struct tess_executor *executor = calloc(1, sizeof *executor);
    if (!executor)
        return tess_error_nomem(error);
    executor->layout = layout;
    executor->family = options->family;
    executor->kernels = calloc((size_t)layout->plan->n_ops, sizeof(struct tess_kernel *));
    if (!executor->kernels) {
        status = tess_error_nomem(error);
        goto out;
    }
    status = take_pool(executor, options, error);
    if (status == TESS_OK)
        status = fit_arena(executor, options->arena, error);
    if (status == TESS_OK)
        status = make_store(executor, options, error);
    if (status == TESS_OK)
        status = make_kernels(executor, options, error);
    if (status == TESS_OK && !executor->weights) /* what unpacking left is of no use */
        madvise(executor->arena->data, (size_t)executor->arena_bytes, MADV_DONTNEED);
out:
    if (status != TESS_OK)
        tess_executor_destroy(executor);
    else
        *executor_out = executor;
    return status;
}

void tess_executor_drop_kernels(struct tess_executor *executor)
{
    for (int op = 0; executor->kernels && op < executor->layout->plan->n_ops; op++) {
        executor->family->destroy(executor->kernels[op]);
        executor->kernels[op] = NULL;
    }
    tess_weight_store_destroy(executor->weights);
    executor->weights = NULL;
}

void tess_executor_destroy(struct tess_executor *executor)
{
    if (!executor)
        return;
    tess_executor_drop_kernels(executor);
    free(executor->kernels);
    tess_memory_block_release(&executor->own_arena);
    if (executor->own_pool)
        pthreadpool_destroy(executor->own_pool);
    free(executor);
}

static struct tess_plane plane_at(const struct tess_executor *executor,
                                  const struct tess_place *place)
{
    assert(place->offset >= 0 && place->offset <= executor->arena_bytes);
    return (struct tess_plane){
        .data = (float *)(void *)(executor->arena->data + place->offset),
        .row = place->row,
        .col = place->col,
        .n_rows = place->n_rows,
        .n_cols = place->n_cols,
        .channels = place->channels,
        .row_stride = (size_t)place->row_stride,
        .pixel_stride = (size_t)place->pixel_stride,
    };
}

struct tess_plane tess_executor_output(struct tess_executor *executor, int tensor)
{
    struct tess_place place = tess_walk_output(executor->layout, tensor);
    return plane_at(executor, &place);
}

int64_t tess_executor_heap_bytes(const struct tess_executor *executor)
{
    return executor->heap_bytes;
}

static void fill(const struct tess_plane *out)
{
    size_t channels = (size_t)out->channels, n_cols = (size_t)out->n_cols;
    for (int y = 0; y < out->n_rows; y++) {
        float *row = out->data + (size_t)y * out->row_stride;
        if (out->pixel_stride == channels) {
            memset(row, 0, n_cols * channels * sizeof *row);
            continue;
        }
        for (size_t x = 0; x < n_cols; x++)
            memset(row + x * out->pixel_stride, 0, channels * sizeof *row);
    }
}

static void copy_row(float *to, size_t to_stride, const float *from, size_t from_stride,
                     size_t n_cols, size_t channels)
{
    if (to_stride == channels && from_stride == channels) {
        memmove(to, from, n_cols * channels * sizeof *to);
        return;
    }
    for (size_t x = 0; x < n_cols; x++)
        memcpy(to + x * to_stride, from + x * from_stride, channels * sizeof *to);
}

/* From the last row to the first: a dense result can be spread over the memory it lies in. */
static void copy(const struct tess_plane *in, const struct tess_plane *out)
{
    assert(in->row == out->row && in->col == out->col && in->channels == out->channels);
    for (int y = out->n_rows - 1; y >= 0; y--)
        copy_row(out->data + (size_t)y * out->row_stride, out->pixel_stride,
                 in->data + (size_t)y * in->row_stride, in->pixel_stride,
                 (size_t)out->n_cols, (size_t)out->channels);
}

static void move(const struct tess_plane *in, const struct tess_plane *out)
{
    for (int y = 0; y < out->n_rows; y++)
        memmove(out->data + (size_t)y * out->row_stride,
                in->data + (size_t)y * in->row_stride,
                out->row_stride * sizeof *out->data);
}

static void enter_group(struct run *run, int group)
{
    if (group == run->group)
        return;
    double now = tess_clock_us();
    if (run->group >= 0 && run->group_us)
        run->group_us[run->group] = now - run->group_start_us;
    run->group = group;
    run->group_start_us = now;
}

static enum tess_status read_input(struct run *run, const struct tess_plane *rows,
                                   struct tess_error *error)
{
    double start_us = tess_clock_us();
    enum tess_status status = run->input->read(run->input->context, rows, error);
    run->group_start_us += tess_clock_us() - start_us;
    return status;
}

static enum tess_status run_slices(struct tess_executor *executor, int op,
                                   struct tess_kernel_call *call,
                                   struct tess_error *error)
{
    int n_blocks = tess_packed_n_blocks(executor->layout->graph, op);
    enum tess_status status = TESS_OK;
    for (int done = 0; done < n_blocks && status == TESS_OK; done += call->n_blocks) {
        struct tess_weight_slice slice;
        status = tess_weight_store_take(executor->weights, op, &slice, error);
        if (status != TESS_OK)
            return status;
        assert(slice.first_block == done);
        call->packed = slice.packed;
        call->first_block = slice.first_block;
        call->n_blocks = slice.n_blocks;
        status =
            executor->family->run(executor->kernels[op], call, executor->pool, error);
        tess_weight_store_give_back(executor->weights);
    }
    return status;
}

static enum tess_status run_kernel(struct tess_executor *executor, int op,
                                   struct tess_kernel_call *call,
                                   struct tess_error *error)
{
    if (executor->layout->plan->streamed[op] && !executor->is_on_shelf)
        return run_slices(executor, op, call, error);
    if (executor->weights)
        call->packed = tess_weight_store_resident(executor->weights, op);
    return executor->family->run(executor->kernels[op], call, executor->pool, error);
}

static enum tess_status do_step(void *context, const struct tess_step *step,
                                struct tess_error *error)
{
    struct run *run = context;
    struct tess_executor *executor = run->executor;
    enter_group(run, step->group);
    struct tess_kernel_call call = {.out = plane_at(executor, &step->out)};
    for (int i = 0; i < step->n_in; i++)
        call.in[i] = plane_at(executor, &step->in[i]);
    switch (step->kind) {
    case TESS_STEP_INPUT: return read_input(run, &call.out, error);
    case TESS_STEP_FILL: fill(&call.out); return TESS_OK;
    case TESS_STEP_COPY: copy(&call.in[0], &call.out); return TESS_OK;
    case TESS_STEP_MOVE: move(&call.in[0], &call.out); return TESS_OK;
    case TESS_STEP_RUN: return run_kernel(executor, step->op, &call, error);
    case TESS_STEP_DONE:
        if (run->observer)
            return run->observer->done(run->observer->context, step->op, &call.out,
                                       error);
        return TESS_OK;
    }
    return tess_error_set(error, TESS_E_INTERNAL, "unknown step");
}

enum tess_status tess_executor_run(struct tess_executor *executor,
                                   const struct tess_row_source *input,
                                   const struct tess_observer *observer,
                                   double *group_us_out, struct tess_error *error)
{
    struct run run = {.executor = executor,
                      .input = input,
                      .observer = observer,
                      .group_us = group_us_out,
                      .group = -1};
    if (executor->weights)
        tess_weight_store_begin_run(executor->weights);
    enum tess_status status = tess_walk(executor->layout, do_step, &run, error);
    if (executor->weights)
        tess_weight_store_end_run(executor->weights);
    enter_group(&run, executor->layout->plan->n_groups); /* closes the last one */
    return status;
}
