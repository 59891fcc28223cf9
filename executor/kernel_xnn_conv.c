/* Convolution and connected by XNNPACK.
 *
 * Problem: one XNNPACK operator over a whole layer keeps 8 bytes of pointers per tap and
 * output pixel (26 MB for 3x3 over 608x608), and its weights do not stay in cache.
 *
 * Method: the filters are cut into slices, each its own operator that writes its channels
 * into the interleaved output. The rows of a call are cut into chunks of at most
 * call_pixels pixels. For each chunk, for each slice: set up, run, apply the activation
 * while the result is in cache. Chunks are of equal height, or two heights that differ by
 * one, because the library rebuilds its pointers when the height changes and otherwise
 * only shifts them.
 *
 * Invariant: before a chunk, all operators of a kernel were last set up with the same shape and
 * input, and the table they share holds the pointers for these (see xnn_heap.h). Hence chunks
 * outside, slices inside, and all slices read the same first channel.
 *
 * Cost: a set-up is about a microsecond per slice and chunk, and one pass over the table where
 * the height changes. Weights are read once per chunk.
 *
 * Worked example: 3x3, 256 to 512 channels on 38x38, slices of 384 KiB, chunks of 400 pixels. A
 * filter packs to 9220 bytes, so slices are [0,32) [32,64) ... [480,512): 42 filters would fit,
 * in blocks of 16 that is 32. 400 pixels are 10 rows, so 38 rows take 4 chunks of 10, 10, 9 and
 * 9 rows: the table, of at most 402 * 9 pointers or 29 KB, is rebuilt twice.
 *
 * Not done: merging the columns of a kernel row into channels where there are only three of
 * them (the first layer runs at half the speed of the others); planes that are not dense.
 */
#include "executor/kernel_xnn_priv.h"

#include <assert.h>
#include <math.h>
#include <xnnpack.h>

#include "base/arith.h"
#include "executor/xnn_heap.h"

struct conv_slice {
    xnn_operator_t op;
    int begin, end; /* filters */
};

struct xnn_conv {
    struct tess_kernel kernel;
    int call_pixels;
    int n_slices;
    struct conv_slice *slices;
    size_t
        first_channel; /* of the input, where a grouped op computes only some filters */
    int needed_w;      /* columns under the window of one output column, ditto rows */
    int needed_h;
    bool needs_two_pixels; /* see tess_kernel_caps */
    size_t input_pixel_stride, output_pixel_stride;
    /* What the operators pad; 0 where padding is in memory. */
    int pad_top, pad_left, pad_right, pad_bottom;
    enum tess_activation activation; /* what is left to apply after the operator */
};

int64_t tess_xnn_conv_bytes(void)
{
    return tess_round_up(sizeof(struct xnn_conv), TESS_FACTS_BLOCK_ALIGN);
}

int64_t tess_xnn_slice_bytes(void)
{
    return sizeof(struct conv_slice);
}

static void xnn_conv_undo(struct tess_kernel *kernel)
{
    struct xnn_conv *conv = (struct xnn_conv *)kernel;
    for (int i = 0; i < conv->n_slices; i++)
        xnn_delete_operator(conv->slices[i].op); /* accepts NULL */
}

static enum tess_status translate(enum xnn_status status, struct tess_error *error)
{
    if (status == xnn_status_success)
        return TESS_OK;
    if (status == xnn_status_out_of_memory)
        return tess_error_set(error, TESS_E_BUDGET,
                              "XNNPACK needs more memory than its kernel was given");
    return tess_error_set(error, TESS_E_INTERNAL, "XNNPACK failed with status %d",
                          (int)status);
}

/* ---- Running
 * ---------------------------------------------------------------------------- */

/* Part of a call that one operator is set up for. */
struct chunk {
    size_t in_rows, in_cols;
    const float *in;
    struct tess_plane out;
};

/* Sets up every slice for a chunk with nothing run between, or runs each after its
 * set-up. */
static enum tess_status do_chunk(struct xnn_conv *conv, const struct chunk *chunk,
                                 bool is_run, struct pthreadpool *pool,
                                 struct tess_error *error)
{
    for (int i = 0; i < conv->n_slices; i++) {
        const struct conv_slice *slice = &conv->slices[i];
        struct tess_plane out = chunk->out;
        out.data += slice->begin - conv->kernel.filters.begin;
        out.channels = slice->end - slice->begin;
        enum xnn_status status = xnn_setup_convolution2d_nhwc_f32(
            slice->op, 1, chunk->in_rows, chunk->in_cols, chunk->in, out.data, pool);
        if (status == xnn_status_success && is_run)
            status = xnn_run_operator(slice->op, pool);
        if (status != xnn_status_success)
            return translate(status, error);
        if (is_run)
            tess_activate_plane(conv->activation, &out, pool);
    }
    return TESS_OK;
}

/* Output rows [begin, begin + n_rows) of a call. */
static struct chunk chunk_of(const struct xnn_conv *conv,
                             const struct tess_kernel_call *call, int begin, int n_rows)
{
    const struct tess_window *window = &conv->kernel.op->window;
    const struct tess_plane *in = &call->in[0];
    int in_row = begin * window->stride_h - window->pad_top + conv->pad_top;
    int in_rows = (n_rows - 1) * window->stride_h + conv->needed_h - conv->pad_top -
                  conv->pad_bottom;
    int in_col = call->out.col * window->stride_w - window->pad_left + conv->pad_left;
    int in_cols = (call->out.n_cols - 1) * window->stride_w + conv->needed_w -
                  conv->pad_left - conv->pad_right;
    assert(in_rows > 0 && in->row <= in_row && in_row + in_rows <= in->row + in->n_rows);
    /* The library's rows are as wide as the plane's, and it fills them with output. */
    assert(in->col == in_col && in_cols <= in->n_cols &&
           in->n_cols < in_cols + window->stride_w);
    (void)in_cols;
    struct chunk chunk = {
        .in_rows = (size_t)in_rows,
        .in_cols = (size_t)in->n_cols,
        .in = tess_plane_at(in, in_row, in_col) + conv->first_channel,
        .out = call->out,
    };
    chunk.out.row = begin;
    chunk.out.n_rows = n_rows;
    chunk.out.data = tess_plane_at(&call->out, begin, call->out.col);
    return chunk;
}

static bool is_dense(const struct tess_plane *plane)
{
    return plane->n_rows == 1 ||
           plane->row_stride == (size_t)plane->n_cols * plane->pixel_stride;
}

static enum tess_status xnn_conv_run(struct tess_kernel *kernel,
                                     const struct tess_kernel_call *call,
                                     struct pthreadpool *pool, struct tess_error *error)
{
    struct xnn_conv *conv = (struct xnn_conv *)kernel;
    const struct tess_plane *out = &call->out;
    assert(out->channels == kernel->filters.end - kernel->filters.begin);
    assert(is_dense(out) && out->pixel_stride == conv->output_pixel_stride);
    assert(is_dense(&call->in[0]) &&
           call->in[0].pixel_stride == conv->input_pixel_stride);
    if (conv->needs_two_pixels && out->n_rows == 1 && out->n_cols == 1)
        return tess_error_set(
            error, TESS_E_INTERNAL,
            "a single pixel was asked of a kernel that rounds it differently");
    int most_rows = tess_max_int(conv->call_pixels / out->n_cols, 1);
    int n_chunks = (int)tess_div_up(out->n_rows, most_rows);
    int row = out->row;
    for (int i = 0; i < n_chunks; i++) {
        int n_rows = out->n_rows / n_chunks + (i < out->n_rows % n_chunks);
        struct chunk chunk = chunk_of(conv, call, row, n_rows);
        enum tess_status status = do_chunk(conv, &chunk, true, pool, error);
        if (status)
            return status;
        row += n_rows;
    }
    assert(row == out->row + out->n_rows);
    return TESS_OK;
}

/* ---- Making
 * ----------------------------------------------------------------------------- */

/* The clamp that the operator does for free; the rest stays in conv->activation. */
static void fuse_activation(struct xnn_conv *conv, float *low_out, float *high_out)
{
    enum tess_activation activation = conv->kernel.op->activation;
    bool is_clamp = activation == TESS_ACT_RELU || activation == TESS_ACT_RELU6;
    *low_out = is_clamp ? 0.0f : -INFINITY;
    *high_out = activation == TESS_ACT_RELU6 ? 6.0f : INFINITY;
    conv->activation = is_clamp ? TESS_ACT_LINEAR : activation;
}

static enum tess_status make_operator(struct xnn_conv *conv,
                                      const struct tess_kernel_request *request,
                                      struct conv_slice *slice, struct tess_error *error)
{
    const struct tess_op *op = conv->kernel.op;
    const struct tess_window *window = &op->window;
    const struct tess_kernel_options *options = request->options;
    int n_filters = request->graph->tensors[op->output].c;
    int groups = op->kind == TESS_OP_CONV ? op->groups : 1;
    int group_channels = request->graph->tensors[op->inputs[0]].c / groups;
    int n = slice->end - slice->begin;
    int slice_groups = tess_max_int(n / (n_filters / groups), 1);
    size_t n_weights = (size_t)n * (size_t)group_channels * (size_t)window->kernel_h *
                       (size_t)window->kernel_w;
    float *weights = options->scratch, *bias = weights + n_weights;
    assert(options->scratch_bytes >= (int64_t)((n_weights + (size_t)n) * sizeof(float)));
    enum tess_status status =
        request->filters->read(request->filters->context, request->op, slice->begin,
                               slice->end, weights, bias, error);
    if (status)
        return status;
    float low, high;
    fuse_activation(conv, &low, &high);
    return translate(
        xnn_create_convolution2d_nhwc_f32(
            (uint32_t)conv->pad_top, (uint32_t)tess_max_int(conv->pad_right, 0),
            (uint32_t)tess_max_int(conv->pad_bottom, 0), (uint32_t)conv->pad_left,
            (uint32_t)window->kernel_h, (uint32_t)window->kernel_w,
            (uint32_t)window->stride_h, (uint32_t)window->stride_w,
            (uint32_t)window->dilation_h, (uint32_t)window->dilation_w,
            (uint32_t)slice_groups, (size_t)group_channels, (size_t)(n / slice_groups),
            (size_t)options->input_pixel_stride, (size_t)options->output_pixel_stride,
            weights, bias, low, high, 0, &slice->op),
        error);
}

/* Sets up every operator once, so that each gets hold of the shared table while the loan
 * is open; run never allocates. The pointers are never followed: a run with the same
 * shape shifts them, and the address chosen lies behind the row of zeros, so that none of
 * them is taken for padding then. */
static enum tess_status bind_table(struct xnn_conv *conv,
                                   const struct tess_xnn_loan *loan,
                                   const struct tess_kernel_options *options,
                                   struct tess_error *error)
{
    const struct tess_window *window = &conv->kernel.op->window;
    int n_rows = conv->pad_top > 0 || conv->pad_bottom > 0 ? options->max_out_rows : 1;
    unsigned char *nowhere = loan->zeros ? loan->zeros : conv->kernel.pen.data;
    struct chunk chunk = {
        .in_rows = (size_t)((n_rows - 1) * window->stride_h + conv->needed_h -
                            conv->pad_top - conv->pad_bottom),
        .in_cols = (size_t)((options->max_out_cols - 1) * window->stride_w +
                            conv->needed_w - conv->pad_left - conv->pad_right),
        .in = (const float *)(const void *)(nowhere + TESS_FACTS_BLOCK_ALIGN),
        .out = {.data = (float *)(void *)nowhere},
    };
    return do_chunk(conv, &chunk, false, NULL, error);
}

static enum tess_status make_operators(struct xnn_conv *conv,
                                       const struct tess_kernel_request *request,
                                       struct tess_error *error)
{
    struct tess_filter_range filters = conv->kernel.filters;
    const struct tess_kernel_options *options = request->options;
    struct tess_call_shape largest = {options->max_out_rows, options->max_out_cols};
    struct tess_xnn_loan loan = {
        .pen = &conv->kernel.pen,
        .table_bytes =
            tess_facts_table_bytes(request->facts, request->graph, request->op, largest),
    };
    enum tess_status status = TESS_OK;
    tess_xnn_loan_open(&loan);
    for (int begin = filters.begin; begin < filters.end && !status;) {
        struct conv_slice *slice = &conv->slices[conv->n_slices++];
        slice->op = NULL;
        slice->begin = begin;
        slice->end = tess_facts_slice_end(request->facts, request->graph, request->op,
                                          filters, begin);
        tess_xnn_loan_next_operator(&loan);
        status = make_operator(conv, request, slice, error);
        begin = slice->end;
    }
    if (!status)
        status = bind_table(conv, &loan, options, error);
    tess_xnn_loan_close();
    assert(!loan.is_short); /* the facts predicted the block */
    return status;
}

static void describe(struct xnn_conv *conv, const struct tess_kernel_request *request)
{
    const struct tess_op *op = conv->kernel.op;
    const struct tess_window *window = &op->window;
    int groups = op->kind == TESS_OP_CONV ? op->groups : 1;
    int n_filters = request->graph->tensors[op->output].c;
    int group = conv->kernel.filters.begin / (n_filters / groups);
    conv->first_channel =
        (size_t)group * (size_t)(request->graph->tensors[op->inputs[0]].c / groups);
    conv->input_pixel_stride = (size_t)request->options->input_pixel_stride;
    conv->output_pixel_stride = (size_t)request->options->output_pixel_stride;
    conv->call_pixels = (int)request->facts->call_pixels;
    conv->needed_h = window->dilation_h * (window->kernel_h - 1) + 1;
    conv->needed_w = window->dilation_w * (window->kernel_w - 1) + 1;
    if (request->options->pads_rows) {
        conv->pad_top = window->pad_top;
        conv->pad_bottom =
            tess_max_int(tess_facts_pad_bottom(request->graph, request->op), 0);
    }
    if (request->options->pads_cols) {
        conv->pad_left = window->pad_left;
        conv->pad_right =
            tess_max_int(tess_facts_pad_right(request->graph, request->op), 0);
    }
    struct tess_call_shape largest = {request->options->max_out_rows,
                                      request->options->max_out_cols};
    conv->needs_two_pixels =
        tess_facts_caps(request->facts, request->graph, request->op, largest)
            .needs_two_pixels;
    conv->kernel.run = xnn_conv_run;
    conv->kernel.undo = xnn_conv_undo;
}

enum tess_status tess_xnn_conv_create(const struct tess_kernel_request *request,
                                      struct tess_kernel **kernel_out,
                                      struct tess_error *error)
{
    struct tess_kernel *kernel = NULL;
    enum tess_status status =
        tess_kernel_init(request, sizeof(struct xnn_conv), &kernel, error);
    if (status)
        return status;
    struct xnn_conv *conv = (struct xnn_conv *)kernel;
    describe(conv, request);
    int n_slices = 0;
    for (int begin = kernel->filters.begin; begin < kernel->filters.end; n_slices++)
        begin = tess_facts_slice_end(request->facts, request->graph, request->op,
                                     kernel->filters, begin);
    conv->slices = tess_pen_take(&kernel->pen, n_slices * (int64_t)sizeof *conv->slices);
    assert(conv->slices);
    status = make_operators(conv, request, error);
    if (status) {
        tess_kernel_release(kernel);
        return status;
    }
    *kernel_out = kernel;
    return TESS_OK;
}
