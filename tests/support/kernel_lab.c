#include "tests/support/kernel_lab.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/text.h"
#include "model/packed.h"
#include "tests/support/small_graph.h"

static const float guard = 12345.75f;

static float *random_floats(struct tess_rng *rng, int64_t n, float scale)
{
    float *values = malloc((size_t)n * sizeof(float) + 64);
    assert(values);
    for (int64_t i = 0; i < n; i++)
        values[i] = (tess_rng_float(rng) * 2.0f - 1.0f) * scale;
    return values;
}

static const struct tess_op *op_of(const struct kernel_lab *lab)
{
    return &lab->graph->ops[lab->op];
}

static const struct tess_tensor *input_of(const struct kernel_lab *lab, int i)
{
    return &lab->graph->tensors[op_of(lab)->inputs[i]];
}

static const struct tess_tensor *output_of(const struct kernel_lab *lab)
{
    return &lab->graph->tensors[op_of(lab)->output];
}

static enum tess_status read_filters(void *context, int op, int begin, int end,
                                     float *kernel, float *bias, struct tess_error *error)
{
    struct kernel_lab *lab = context;
    assert(op == lab->op && 0 <= begin && begin < end && end <= output_of(lab)->c);
    if (lab->n_kernel_reads-- <= 0)
        return tess_error_set(error, TESS_E_MODEL, "rehearsed failure");
    size_t per_filter =
        (size_t)(tess_op_n_kernel(lab->graph, op_of(lab)) / output_of(lab)->c);
    memcpy(kernel, lab->kernel + (size_t)begin * per_filter,
           (size_t)(end - begin) * per_filter * sizeof(float));
    memcpy(bias, lab->bias + begin, (size_t)(end - begin) * sizeof(float));
    return TESS_OK;
}

static int64_t elems(const struct tess_tensor *tensor)
{
    return (int64_t)tensor->h * tensor->w * tensor->c;
}

void kernel_lab_init(struct kernel_lab *lab, struct tess_graph *graph, int op,
                     struct tess_rng *rng)
{
    memset(lab, 0, sizeof *lab);
    lab->graph = graph;
    lab->op = op;
    const struct tess_op *it = op_of(lab);
    for (int i = 0; i < it->n_inputs && i < 2; i++)
        lab->in[i] = random_floats(rng, elems(input_of(lab, i)), 1.0f);
    lab->n_out = elems(output_of(lab));
    if (tess_op_has_weights(it)) {
        int64_t n_kernel = tess_op_n_kernel(graph, it);
        float per_filter = (float)(n_kernel / output_of(lab)->c);
        lab->kernel = random_floats(rng, n_kernel, sqrtf(3.0f / per_filter));
        lab->bias = random_floats(rng, output_of(lab)->c, 0.5f);
    }
    lab->source = (struct tess_filter_source){read_filters, lab};
    lab->n_kernel_reads = INT64_MAX;
}

void kernel_lab_release(struct kernel_lab *lab)
{
    free(lab->in[0]);
    free(lab->in[1]);
    free(lab->kernel);
    free(lab->bias);
    tess_graph_destroy(lab->graph);
}

struct lab_run lab_run_whole(const struct kernel_lab *lab,
                             const struct tess_kernel_family *family)
{
    struct lab_run run = {.family = family};
    run.largest = (struct tess_call_shape){output_of(lab)->h, output_of(lab)->w};
    struct tess_kernel_facts facts;
    family->facts(&facts);
    struct tess_kernel_caps caps =
        tess_facts_caps(&facts, lab->graph, lab->op, run.largest);
    run.pads_rows = caps.can_pad_rows;
    run.pads_cols = caps.can_pad_cols;
    return run;
}

struct tess_kernel *kernel_lab_create(struct kernel_lab *lab, const struct lab_run *run)
{
    struct tess_kernel_facts facts;
    run->family->facts(&facts);
    int64_t scratch_bytes = tess_facts_scratch_bytes(&facts, lab->graph, lab->op);
    if (run->filters.end > 0)
        scratch_bytes =
            tess_facts_scratch_bytes_of(&facts, lab->graph, lab->op, run->filters);
    float *scratch = malloc((size_t)scratch_bytes + 1);
    struct tess_kernel_options options = {
        .pads_rows = run->pads_rows,
        .pads_cols = run->pads_cols,
        .max_out_rows = run->largest.n_rows,
        .max_out_cols = run->largest.n_cols,
        .scratch = scratch,
        .scratch_bytes = scratch_bytes,
        .input_pixel_stride = input_of(lab, 0)->c + run->in_extra,
        .output_pixel_stride = output_of(lab)->c + run->out_extra,
        .filters = run->filters,
        .without_weights = run->without_weights,
    };
    struct tess_kernel *kernel = NULL;
    run->family->create(lab->graph, lab->op, &lab->source, &options, run->pool, &kernel,
                        NULL);
    free(scratch);
    return kernel;
}

struct lab_window lab_window_whole(const struct kernel_lab *lab)
{
    return (struct lab_window){0, output_of(lab)->h, 0, output_of(lab)->w};
}

/* New plane over [row, +n_rows) x [col, +n_cols), filled with guards. */
static struct tess_plane new_plane(int row, int n_rows, int col, int n_cols, int channels,
                                   int extra, int row_extra)
{
    struct tess_plane plane = {
        .row = row, .col = col, .n_rows = n_rows, .n_cols = n_cols};
    plane.channels = channels;
    plane.pixel_stride = (size_t)(channels + extra);
    plane.row_stride = plane.pixel_stride * (size_t)n_cols + (size_t)row_extra;
    size_t n = plane.row_stride * (size_t)n_rows;
    plane.data = malloc(n * sizeof(float) + 64);
    assert(plane.data);
    for (size_t i = 0; i < n; i++)
        plane.data[i] = guard;
    return plane;
}

/* Copies the part of the map that the plane covers, zeros outside the map. */
static void fill_plane(const struct tess_plane *plane, const struct tess_tensor *map,
                       const float *values)
{
    size_t n = (size_t)plane->channels;
    for (int y = plane->row; y < plane->row + plane->n_rows; y++) {
        for (int x = plane->col; x < plane->col + plane->n_cols; x++) {
            float *pixel = plane->data + (size_t)(y - plane->row) * plane->row_stride +
                           (size_t)(x - plane->col) * plane->pixel_stride;
            bool is_inside = y >= 0 && y < map->h && x >= 0 && x < map->w;
            if (is_inside)
                memcpy(pixel, values + ((size_t)y * (size_t)map->w + (size_t)x) * n,
                       n * sizeof(float));
            else
                memset(pixel, 0, n * sizeof(float));
        }
    }
}

/* What a window needs of an input: with window ops the rows and columns under it, less the
 * padding that the kernel supplies, of sums so far the window itself; with others the
 * whole map. */
static struct tess_plane gather(const struct kernel_lab *lab, const struct lab_run *run,
                                struct lab_window window, int i)
{
    const struct tess_op *op = op_of(lab);
    const struct tess_tensor *map = input_of(lab, i);
    int row = 0, row_end = map->h, col = 0, col_end = map->w;
    bool is_windowed = op->kind == TESS_OP_CONV || op->kind == TESS_OP_CONNECTED ||
                       op->kind == TESS_OP_MAXPOOL;
    const struct tess_window *w = &op->window;
    if (tess_op_accumulates(op) && i == 1) {
        row = window.row_begin;
        row_end = window.row_end;
        col = window.col_begin;
        col_end = window.col_end;
    } else if (is_windowed) {
        row = window.row_begin * w->stride_h - w->pad_top;
        row_end = (window.row_end - 1) * w->stride_h - w->pad_top +
                  w->dilation_h * (w->kernel_h - 1) + 1;
        col = window.col_begin * w->stride_w - w->pad_left;
        col_end = (window.col_end - 1) * w->stride_w - w->pad_left +
                  w->dilation_w * (w->kernel_w - 1) + 1;
    }
    if (run->pads_rows) {
        row = tess_max_int(row, 0);
        row_end = tess_min_int(row_end, map->h);
    }
    if (run->pads_cols) {
        col = tess_max_int(col, 0);
        col_end = tess_min_int(col_end, map->w);
        /* A window of full width is given the full rows, used or not. */
        if (window.col_begin == 0 && window.col_end == output_of(lab)->w)
            col_end = map->w;
    }
    struct tess_plane plane = new_plane(row, row_end - row, col, col_end - col, map->c,
                                        i == 0 ? run->in_extra : 0, run->row_extra);
    fill_plane(&plane, map, lab->in[i]);
    return plane;
}

/* Copies the channels of `filters` and asserts that the others were left alone. The
 * plane begins with channel `first`. */
static void scatter(const struct kernel_lab *lab, const struct tess_plane *out,
                    struct tess_filter_range filters, int first, float *whole_out)
{
    const struct tess_tensor *tensor = output_of(lab);
    size_t begin = (size_t)(filters.begin - first), end = (size_t)(filters.end - first);
    for (int y = out->row; y < out->row + out->n_rows; y++) {
        for (int x = out->col; x < out->col + out->n_cols; x++) {
            const float *pixel = out->data + (size_t)(y - out->row) * out->row_stride +
                                 (size_t)(x - out->col) * out->pixel_stride;
            memcpy(whole_out +
                       ((size_t)y * (size_t)tensor->w + (size_t)x) * (size_t)tensor->c +
                       filters.begin,
                   pixel + begin, (end - begin) * sizeof(float));
            for (size_t c = 0; c < out->pixel_stride; c++)
                assert((c >= begin && c < end) || pixel[c] == guard);
        }
        const float *row_end = out->data + (size_t)(y - out->row + 1) * out->row_stride;
        size_t n_pixel_elems = (size_t)out->n_cols * out->pixel_stride;
        for (size_t i = n_pixel_elems; i < out->row_stride; i++)
            assert(row_end[i - out->row_stride] == guard);
        (void)row_end;
    }
}

/* The filters of the run's blocks. */
static struct tess_filter_range block_filters(const struct kernel_lab *lab,
                                              const struct lab_run *run)
{
    struct tess_filter_range filters;
    int unused;
    tess_packed_block_filters(lab->graph, lab->op, run->first_block, &filters.begin,
                              &unused);
    tess_packed_block_filters(lab->graph, lab->op, run->first_block + run->n_blocks - 1,
                              &unused, &filters.end);
    return filters;
}

void kernel_lab_compute(struct kernel_lab *lab, struct tess_kernel *kernel,
                        const struct lab_run *run, struct lab_window window,
                        float *whole_out)
{
    const struct tess_tensor *tensor = output_of(lab);
    struct tess_filter_range filters = run->filters;
    if (filters.end == 0)
        filters.end = tensor->c;
    int n = filters.end - filters.begin;
    struct tess_kernel_call call = {
        .in = {gather(lab, run, window, 0)},
        .out = new_plane(window.row_begin, window.row_end - window.row_begin,
                         window.col_begin, window.col_end - window.col_begin, n,
                         tensor->c + run->out_extra - n, run->row_extra),
        .packed = run->packed,
        .first_block = run->first_block,
        .n_blocks = run->n_blocks,
    };
    if (op_of(lab)->n_inputs > 1)
        call.in[1] = gather(lab, run, window, 1);
    enum tess_status status = run->family->run(kernel, &call, run->pool, NULL);
    assert(!status);
    (void)status;
    if (run->n_blocks > 0)
        filters = block_filters(lab, run);
    scatter(lab, &call.out, filters, run->filters.begin, whole_out);
    free(call.in[0].data);
    free(call.in[1].data);
    free(call.out.data);
}

float *kernel_lab_whole(struct kernel_lab *lab, const struct tess_kernel_family *family)
{
    struct lab_run run = lab_run_whole(lab, family);
    struct tess_kernel *kernel = kernel_lab_create(lab, &run);
    float *out = malloc((size_t)lab->n_out * sizeof(float) + 1);
    assert(kernel && out);
    kernel_lab_compute(lab, kernel, &run, lab_window_whole(lab), out);
    family->destroy(kernel);
    return out;
}

/* One side of a window and of the output it gives on `in`; the output may be one more
 * than usual where that keeps the last window on the map, or one less. */
static void random_side(struct tess_rng *rng, int in, int kernel, int dilation,
                        int *stride_out, int *pad_out, int64_t *side_out)
{
    int reach = dilation * (kernel - 1) + 1;
    *stride_out = tess_rng_int(rng, 1, 3);
    *pad_out = tess_rng_int(rng, 0, reach - 1);
    int least = in - *pad_out; /* of output positions that begin on the map */
    (void)least;
    int64_t side = tess_max_i64((in + 2 * *pad_out - reach) / *stride_out + 1, 1);
    if (in + 2 * *pad_out < reach)
        side = 1;
    side = tess_max_i64(side + tess_rng_int(rng, -1, 1), 1);
    while (side > 1 && (side - 1) * *stride_out - *pad_out >= in)
        side--;
    *side_out = side;
}

struct tess_graph *kernel_lab_random_conv(struct tess_rng *rng, int size)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    int channels = tess_rng_int(rng, 1, size), filters = tess_rng_int(rng, 1, size);
    int style = tess_rng_int(rng, 0, 3);
    if (style == 0) {
        op.groups = tess_rng_int(rng, 1, 4);
        channels = tess_max_int(channels / 4, 1) * op.groups;
        filters = tess_max_int(filters / 4, 1) * op.groups;
    } else if (style == 1) {
        op.groups = filters = channels;
    }
    const int kernels[] = {1, 1, 2, 3, 3, 3, 4, 5};
    op.window.kernel_h = kernels[tess_rng_int(rng, 0, 7)];
    op.window.kernel_w =
        tess_rng_int(rng, 0, 3) ? op.window.kernel_h : kernels[tess_rng_int(rng, 0, 7)];
    op.window.dilation_h = tess_rng_int(rng, 0, 3) ? 1 : 2;
    op.window.dilation_w = tess_rng_int(rng, 0, 3) ? 1 : 2;
    op.activation = (enum tess_activation)tess_rng_int(rng, 0, TESS_ACT_N_KINDS - 1);
    struct tess_shape in = {tess_rng_int(rng, 1, size), tess_rng_int(rng, 1, size),
                            channels};
    struct tess_shape out = {1, 1, filters};
    random_side(rng, (int)in.h, op.window.kernel_h, op.window.dilation_h,
                &op.window.stride_h, &op.window.pad_top, &out.h);
    random_side(rng, (int)in.w, op.window.kernel_w, op.window.dilation_w,
                &op.window.stride_w, &op.window.pad_left, &out.w);
    return small_graph_create(in, &op, &out, 1);
}

uint64_t kernel_lab_seed(uint64_t seed)
{
    int64_t given = 0;
    const char *text = getenv("TESS_TEST_SEED");
    if (text && tess_parse_i64(text, 0, INT64_MAX, &given))
        seed = (uint64_t)given;
    fprintf(stderr, "TESS_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}
