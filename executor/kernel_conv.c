/* Plain convolution, the oracle of every other one.
 *
 * Each output element is one chain of correctly rounded operations, in this order and no
 * other: bias (or what an accumulating op goes on from), then for each tap (kernel row,
 * kernel column), then for each input channel of the group, sum = sum + weight * input.
 * Padding is not skipped: it multiplies 0, as zeros in memory would. Filters are computed
 * 16 at a time so that the compiler can vectorise across them, which leaves each chain as
 * it is.
 */
#include "executor/kernel_priv.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

enum { LANES = TESS_PLAIN_FILTER_BLOCK };

struct plain_conv {
    struct tess_kernel kernel;
    int group_filters, group_channels, n_taps;
    bool is_depthwise;
    /* Dense: per block of filters [LANES] biases, then [taps][channels][LANES].
     * Depthwise: [C] biases, then [taps][C]. */
    float *packed;
};

_Static_assert(sizeof(struct plain_conv) <= 4 * TESS_FACTS_BLOCK_ALIGN,
               "tess_plain_overhead_bytes");

struct conv_task {
    const struct plain_conv *conv;
    const struct tess_kernel_call *call;
};

/* The input pixel under one tap, NULL where the kernel pads. */
static const float *tap_pixel(const struct conv_task *task, int tap, int out_y, int out_x)
{
    const struct tess_window *window = &task->conv->kernel.op->window;
    const struct tess_plane *in = &task->call->in[0];
    int y = out_y * window->stride_h - window->pad_top +
            tap / window->kernel_w * window->dilation_h;
    int x = out_x * window->stride_w - window->pad_left +
            tap % window->kernel_w * window->dilation_w;
    return tess_plane_has(in, y, x) ? tess_plane_at(in, y, x) : NULL;
}

/* sums[lane] += weights[c][lane] * pixel[c], or times 0 for padding. */
static void add_tap(float *restrict sums, const float *restrict weights,
                    const float *restrict pixel, int n_channels)
{
    for (int c = 0; c < n_channels; c++) {
        float value = pixel ? pixel[c] : 0.0f;
        for (int lane = 0; lane < LANES; lane++)
            sums[lane] += weights[c * LANES + lane] * value;
    }
}

/* What n sums from filter `begin` on start from: biases, or the sums so far. */
static void begin_sums(const struct conv_task *task, int y, int x, int begin, int n,
                       const float *biases, float *sums)
{
    const struct tess_kernel *kernel = &task->conv->kernel;
    const float *from = biases;
    if (tess_op_accumulates(kernel->op))
        from = tess_plane_at(&task->call->in[1], y, x) + (begin - kernel->filters.begin);
    memmove(sums, from, (size_t)n * sizeof *sums); /* they may be there already */
}

static void dense_pixel(const struct conv_task *task, int y, int x, float *out)
{
    const struct plain_conv *conv = task->conv;
    struct tess_filter_range filters = conv->kernel.filters;
    const float *weights = conv->packed;
    for (int begin = filters.begin, end; begin < filters.end; begin = end) {
        int group = begin / conv->group_filters;
        end = tess_min_int(tess_min_int((group + 1) * conv->group_filters, begin + LANES),
                           filters.end);
        float sums[LANES] = {0};
        begin_sums(task, y, x, begin, end - begin, weights, sums);
        weights += LANES;
        for (int tap = 0; tap < conv->n_taps; tap++) {
            const float *pixel = tap_pixel(task, tap, y, x);
            if (pixel)
                pixel += (size_t)group * (size_t)conv->group_channels;
            add_tap(sums, weights, pixel, conv->group_channels);
            weights += (size_t)conv->group_channels * LANES;
        }
        memcpy(out + (begin - filters.begin), sums,
               (size_t)(end - begin) * sizeof(float));
    }
}

static void depthwise_pixel(const struct conv_task *task, int y, int x, float *out)
{
    const struct plain_conv *conv = task->conv;
    struct tess_filter_range filters = conv->kernel.filters;
    size_t n = (size_t)(filters.end - filters.begin);
    const float *weights = conv->packed;
    begin_sums(task, y, x, filters.begin, (int)n, weights, out);
    for (int tap = 0; tap < conv->n_taps; tap++) {
        const float *pixel = tap_pixel(task, tap, y, x);
        weights += n;
        if (pixel) {
            pixel += filters.begin;
            for (size_t c = 0; c < n; c++)
                out[c] += weights[c] * pixel[c];
        } else {
            for (size_t c = 0; c < n; c++)
                out[c] += weights[c] * 0.0f;
        }
    }
}

static void conv_row(void *context, size_t row)
{
    const struct conv_task *task = context;
    const struct tess_plane *out = &task->call->out;
    int y = out->row + (int)row;
    for (int x = out->col; x < out->col + out->n_cols; x++) {
        float *pixel = tess_plane_at(out, y, x);
        if (task->conv->is_depthwise)
            depthwise_pixel(task, y, x, pixel);
        else
            dense_pixel(task, y, x, pixel);
        tess_activate(task->conv->kernel.op->activation, pixel, out->channels);
    }
}

static enum tess_status plain_conv_run(struct tess_kernel *kernel,
                                       const struct tess_kernel_call *call,
                                       struct pthreadpool *pool, struct tess_error *error)
{
    (void)error;
    const struct plain_conv *conv = (const struct plain_conv *)kernel;
    assert(call->out.channels == kernel->filters.end - kernel->filters.begin);
    struct conv_task task = {conv, call};
    int64_t row_macs = (int64_t)call->out.n_cols * call->out.channels * conv->n_taps *
                       conv->group_channels;
    tess_for_rows(pool, call->out.n_rows, row_macs, conv_row, &task);
    return TESS_OK;
}

/* Unpacks filters [begin, end), one block or (depthwise) all of them, and lays them out
 * at `packed`. */
static enum tess_status pack_block(const struct plain_conv *conv,
                                   const struct tess_kernel_request *request,
                                   struct tess_filter_range block, float *packed,
                                   struct tess_error *error)
{
    int n = block.end - block.begin;
    int n_lanes = conv->is_depthwise ? n : LANES;
    int64_t n_weights = (int64_t)conv->n_taps * conv->group_channels;
    float *unpacked = request->options->scratch;
    float *bias = unpacked + n * n_weights;
    assert(request->options->scratch_bytes >=
           n * (n_weights + 1) * (int64_t)sizeof(float));
    enum tess_status status =
        request->filters->read(request->filters->context, request->op, block.begin,
                               block.end, unpacked, bias, error);
    if (status)
        return status;
    memset(packed, 0, (size_t)(n_lanes * (n_weights + 1)) * sizeof(float));
    memcpy(packed, bias, (size_t)n * sizeof(float));
    packed += n_lanes;
    for (int lane = 0; lane < n; lane++) {
        for (int64_t i = 0; i < n_weights; i++)
            packed[i * n_lanes + lane] = unpacked[lane * n_weights + i];
    }
    return TESS_OK;
}

static enum tess_status pack_all(struct plain_conv *conv,
                                 const struct tess_kernel_request *request,
                                 struct tess_error *error)
{
    struct tess_filter_range filters = conv->kernel.filters;
    int64_t bytes =
        tess_facts_weights_bytes_of(request->facts, request->graph, request->op, filters);
    conv->packed = tess_pen_take(&conv->kernel.pen, bytes);
    assert(conv->packed);
    float *packed = conv->packed;
    struct tess_filter_range block = filters;
    for (; block.begin < filters.end; block.begin = block.end) {
        block.end = tess_facts_slice_end(request->facts, request->graph, request->op,
                                         filters, block.begin);
        enum tess_status status = pack_block(conv, request, block, packed, error);
        if (status)
            return status;
        packed += (int64_t)LANES * (conv->n_taps * (int64_t)conv->group_channels + 1);
    }
    return TESS_OK;
}

enum tess_status tess_plain_conv_create(const struct tess_kernel_request *request,
                                        struct tess_kernel **kernel_out,
                                        struct tess_error *error)
{
    struct tess_kernel *kernel = NULL;
    enum tess_status status =
        tess_kernel_init(request, sizeof(struct plain_conv), &kernel, error);
    if (status)
        return status;
    struct plain_conv *conv = (struct plain_conv *)kernel;
    const struct tess_op *op = kernel->op;
    int groups = op->kind == TESS_OP_CONV ? op->groups : 1;
    conv->n_taps = op->window.kernel_h * op->window.kernel_w;
    conv->group_filters = request->graph->tensors[op->output].c / groups;
    conv->group_channels = request->graph->tensors[op->inputs[0]].c / groups;
    conv->is_depthwise = conv->group_filters == 1 && conv->group_channels == 1;
    kernel->run = plain_conv_run;
    status = pack_all(conv, request, error);
    if (status) {
        tess_kernel_release(kernel);
        return status;
    }
    *kernel_out = kernel;
    return TESS_OK;
}
