/* Convolution and connected of family `nat`: cuts a call into tiles for the inner kernels.
 *
 * Problem: compute any window of the output from weights and input as they lie in memory,
 * with no workspace, near the speed of the processor's multipliers.
 *
 * Method: the filters are in blocks of 16 (model/packed.h); a unit is a few neighbouring
 * blocks, what one inner kernel computes at once. Units times ranges of output pixels are
 * the items that threads take. Within an item the chain of sums of each element is cut
 * into passes of at most pass_elems weights per filter:
 *     for each unit, range of pixels           (item)
 *       for each pass                          its weights stay in the cache
 *         for each tile of pixels in the range
 *           inner kernel: out = activation(pass of (bias or out))
 * While a pass is computed, its tiles fetch the weights of the next one. Between passes a
 * sum waits in its place of the output, which holds it exactly. The input under a tap is a
 * run of neighbouring floats; where pixels are dense and the window lies on the map, the
 * runs of a row of taps become one. Taps in the padding read zeros.
 *
 * Convolutions that accumulate go on from in[1] instead of the biases: it is brought to the output
 * first, unless it is there, and all passes are as the second of others.
 *
 * Invariant: each element is bias, then weight times input for (row, column, channel) of
 * the window in that order, whatever items, passes, tiles and runs were made.
 *
 * Cost: a pass of a tile of P pixels reads P * pass_elems inputs and as many weights as
 * one filter block times units has, from cache; sums travel to memory once per pass.
 *
 * Worked example: 1x4 map of 2 channels, kernel 1x3, padding 1, 16 filters, tiles of two
 * pixels, one pass. Input floats a0 a1 | b0 b1 | c0 c1 | d0 d1. Taps are runs of 2.
 *     tile 0, pixels 0 1: not inside. runs: {zeros, a0}, {a0, b0}, {b0, c0}, 2 floats each
 *     tile 1, pixels 2 3: not inside. runs: {b0, c0}, {c0, d0}, {d0, zeros}
 * With padding 0 there is one tile, pixels 0 1, inside: one run {a0, b0} of 6 floats.
 *
 * Not done: Winograd's and other algorithms that round differently from tile to tile.
 *
 * Reference: see kernel_nat_tile_priv.h.
 */
#include "executor/kernel_nat_pass_priv.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

enum { LANES = TESS_PACKED_BLOCK };

/* TUNING: input that an item reads at most, so that it stays in the second cache for the
 * next pass and unit. With 0.7 MiB YOLOv2's layers were 2 % slower, with 1.4 MiB equally
 * fast (L2 of 2 MiB, 2026-11). */
static const int64_t item_input_bytes = 1024 * 1024;

/* What padding reads. A run never is longer. */
static const float zeros[TESS_NAT_RUN_ELEMS];

struct nat_conv {
    struct tess_kernel kernel;
    const struct tess_nat_isa *isa;
    int op;
    int group_channels, n_taps;
    bool is_depthwise, accumulates;
    int first_block, end_block; /* that hold the kernel's filters */
    size_t block_elems;
    const float *resident; /* blocks from first_block on; NULL: made without weights */
};

/* One call. */
struct job {
    const struct nat_conv *conv;
    const struct tess_kernel_call *call;
    const float *packed; /* block first_block */
    int first_block, end_block;
    int n_units; /* neighbouring blocks computed at once */
    int64_t n_pixels, item_pixels;
};

/* Blocks of one channel group that one inner kernel computes. */
struct unit {
    int begin, end;           /* blocks */
    int lane_begin, lane_end; /* that are stored, of each block; part of them if there
                                 is one block */
    size_t in_channel;
    ptrdiff_t out_channel; /* of lane 0 */
};

/* Weights that the tiles of a pass fetch for what comes next. A line is what one input
 * float needs of one block. */
struct ahead {
    const float *weights; /* of the first block */
    size_t block_elems;
    int64_t block_lines; /* wanted of each block */
    int64_t n_lines;     /* of all blocks */
    int64_t tile_lines;  /* each tile's share */
    int64_t n_done;
    const float *begin, *end; /* the share of the tile at hand */
};

/* Output pixels of a tile and where their windows begin. */
struct tile {
    int n;          /* of the inner kernel */
    int n_real;     /* less at the end of a range: the last pixel is then repeated */
    bool is_inside; /* no window reads padding */
    int y[TESS_NAT_MAX_PIXELS], x[TESS_NAT_MAX_PIXELS];
    ptrdiff_t offset[TESS_NAT_MAX_PIXELS]; /* of (y, x) in the input plane, floats */
    float *out[TESS_NAT_MAX_PIXELS];
};

int64_t tess_nat_conv_bytes(void)
{
    return tess_round_up(sizeof(struct nat_conv), TESS_FACTS_BLOCK_ALIGN);
}

/* ---- Tiles ------------------------------------------------------------------------- */

/* The largest inner kernel, or the smallest that computes all of `n_left`. */
static const struct tess_nat_kernel *choose_kernel(const struct tess_nat_sizes *sizes,
                                                   int64_t n_left)
{
    int i = 0;
    while (i + 1 < sizes->n && sizes->kernels[i + 1].n_pixels >= n_left)
        i++;
    return &sizes->kernels[i];
}

static void repeat_last_pixel(struct tile *tile)
{
    for (int p = tile->n_real; p < tile->n; p++) {
        tile->y[p] = tile->y[p - 1];
        tile->x[p] = tile->x[p - 1];
        tile->offset[p] = tile->offset[p - 1];
        tile->out[p] = tile->out[p - 1];
    }
}

/* Places the tile of `n` pixels from `pixel` on, counted row by row, but not beyond
 * `end`. */
static void place_tile(const struct job *job, const struct unit *unit, int64_t pixel,
                       int64_t end, int n, struct tile *tile)
{
    const struct tess_op *op = job->conv->kernel.op;
    const struct tess_window *window = &op->window;
    const struct tess_plane *in = &job->call->in[0], *out = &job->call->out;
    int reach_y = window->dilation_h * (window->kernel_h - 1);
    int reach_x = window->dilation_w * (window->kernel_w - 1);
    int row = (int)(pixel / out->n_cols), col = (int)(pixel % out->n_cols);
    size_t step = (size_t)window->stride_w * in->pixel_stride;
    tile->n = n;
    tile->n_real = (int)tess_min_i64(n, end - pixel);
    tile->is_inside = true;
    for (int p = 0; p < tile->n_real;) {
        int y = (out->row + row) * window->stride_h - window->pad_top - in->row;
        int x = (out->col + col) * window->stride_w - window->pad_left - in->col;
        ptrdiff_t offset = (ptrdiff_t)y * (ptrdiff_t)in->row_stride +
                           (ptrdiff_t)x * (ptrdiff_t)in->pixel_stride;
        float *to = out->data + (size_t)row * out->row_stride +
                    (size_t)col * out->pixel_stride + unit->out_channel;
        int n_here = tess_min_int(tile->n_real - p, out->n_cols - col);
        int last_x = x + (n_here - 1) * window->stride_w;
        tile->is_inside = tile->is_inside && y >= 0 && x >= 0 &&
                          y + reach_y < in->n_rows && last_x + reach_x < in->n_cols;
        for (int end_p = p + n_here; p < end_p; p++) {
            tile->y[p] = y;
            tile->x[p] = x;
            tile->offset[p] = offset;
            tile->out[p] = to;
            x += window->stride_w;
            offset += (ptrdiff_t)step;
            to += out->pixel_stride;
        }
        col = 0;
        row++;
    }
    repeat_last_pixel(tile);
}

/* Output that the next tile will write: waiting for it would hold up the short chains of
 * a first layer. */
static void fetch_output(const struct unit *unit, const struct tile *tile)
{
    for (int p = 0; p < tile->n_real; p++)
        for (int block = 0; block < unit->end - unit->begin; block++)
            __builtin_prefetch(tile->out[p] + block * LANES, 1, 3);
}

/* The input pixels of a pass: pixels_out [runs][tile->n]. Returns the runs chosen. */
static const struct tess_nat_run *find_pixels(const struct job *job,
                                              const struct tess_nat_pass *pass,
                                              const struct unit *unit,
                                              const struct tile *tile, int *n_runs_out,
                                              const float **pixels_out)
{
    const struct tess_plane *in = &job->call->in[0];
    const float *data = in->data + unit->in_channel;
    if (tile->is_inside) {
        for (int r = 0; r < pass->n_merged; r++)
            for (int p = 0; p < tile->n; p++)
                *pixels_out++ = data + (tile->offset[p] + pass->merged[r].offset);
        *n_runs_out = pass->n_merged;
        return pass->merged;
    }
    for (int r = 0; r < pass->n_runs; r++) {
        const struct tess_nat_run *run = &pass->runs[r];
        for (int p = 0; p < tile->n; p++) {
            int y = tile->y[p] + run->y, x = tile->x[p] + run->x;
            bool is_inside = y >= 0 && y < in->n_rows && x >= 0 && x < in->n_cols;
            *pixels_out++ = is_inside ? data + (tile->offset[p] + run->offset) : zeros;
        }
    }
    *n_runs_out = pass->n_runs;
    return pass->runs;
}

static bool is_fused(enum tess_activation activation)
{
    return activation == TESS_ACT_LINEAR || activation == TESS_ACT_LEAKY ||
           activation == TESS_ACT_RELU || activation == TESS_ACT_RELU6;
}

/* The rest of the input channels of a block may not be there: copies what is. `copies`
 * has LANES floats for each of the n pixels. */
static void copy_lanes(const struct unit *unit, int n, const float **pixels,
                       float (*copies)[LANES])
{
    size_t n_bytes = (size_t)(unit->lane_end - unit->lane_begin) * sizeof(float);
    for (int i = 0; i < n; i++) {
        memset(copies[i], 0, sizeof copies[i]);
        memcpy(copies[i] + unit->lane_begin, pixels[i] + unit->lane_begin, n_bytes);
        pixels[i] = copies[i];
    }
}

/* Runs an inner kernel on a block of which only some lanes are there. */
static void run_part(const struct unit *unit, const struct tess_nat_kernel *kernel,
                     struct tess_nat_tile *inner, const struct tile *tile)
{
    float sums[TESS_NAT_MAX_PIXELS][LANES];
    float *out[TESS_NAT_MAX_PIXELS];
    size_t n_bytes = (size_t)(unit->lane_end - unit->lane_begin) * sizeof(float);
    int begin = unit->lane_begin;
    for (int p = 0; p < tile->n; p++) {
        out[p] = sums[p];
        memset(sums[p], 0, sizeof sums[p]);
        if (!inner->bias)
            memcpy(sums[p] + begin, tile->out[p] + begin, n_bytes);
    }
    inner->out = out;
    kernel->run(inner);
    for (int p = 0; p < tile->n_real; p++)
        memcpy(tile->out[p] + begin, sums[p] + begin, n_bytes);
}

static bool is_part(const struct unit *unit)
{
    return unit->lane_end - unit->lane_begin < LANES;
}

static const float *block_at(const struct job *job, int block)
{
    return job->packed + (size_t)(block - job->first_block) * job->conv->block_elems;
}

static void run_tile(const struct job *job, const struct tess_nat_pass *pass,
                     const struct unit *unit, const struct tess_nat_kernel *kernel,
                     const struct tile *tile, const struct ahead *ahead)
{
    const struct nat_conv *conv = job->conv;
    enum tess_activation activation = conv->kernel.op->activation;
    const float *pixels[TESS_NAT_MAX_RUNS * TESS_NAT_MAX_PIXELS];
    float copies[TESS_NAT_MAX_RUNS * TESS_NAT_MAX_PIXELS][LANES];
    int elems[TESS_NAT_MAX_RUNS], n_runs;
    const struct tess_nat_run *runs = find_pixels(job, pass, unit, tile, &n_runs, pixels);
    for (int r = 0; r < n_runs; r++)
        elems[r] = runs[r].elems;
    const float *block = block_at(job, unit->begin);
    struct tess_nat_tile inner = {
        .n_runs = n_runs,
        .pixels = pixels,
        .run_elems = elems,
        .weights = block + (pass->first_elem + 1) * LANES,
        .bias = pass->is_first && !conv->accumulates ? block : NULL,
        .block_elems = conv->block_elems,
        .out = tile->out,
        .ahead = ahead->begin,
        .ahead_end = ahead->end,
        .activation =
            pass->is_last && is_fused(activation) ? activation : TESS_ACT_LINEAR,
    };
    if (is_part(unit)) {
        if (conv->is_depthwise)
            copy_lanes(unit, n_runs * tile->n, pixels, copies);
        run_part(unit, kernel, &inner, tile);
    } else {
        kernel->run(&inner);
    }
    if (!pass->is_last || is_fused(activation))
        return;
    int n_channels = (unit->end - unit->begin - 1) * LANES + unit->lane_end;
    for (int p = 0; p < tile->n_real; p++)
        tess_activate(activation, tile->out[p] + unit->lane_begin,
                      n_channels - unit->lane_begin);
}

/* ---- Units and items --------------------------------------------------------------- */

/* The filters of a block that the kernel was made for, as a unit. */
static struct unit unit_of_block(const struct nat_conv *conv, int block)
{
    const struct tess_kernel *kernel = &conv->kernel;
    const struct tess_op *op = kernel->op;
    int begin, end, groups = op->kind == TESS_OP_CONV ? op->groups : 1;
    tess_packed_block_filters(kernel->graph, conv->op, block, &begin, &end);
    int group = begin / (kernel->graph->tensors[op->output].c / groups);
    return (struct unit){
        .begin = block,
        .end = block + 1,
        .lane_begin = tess_max_int(kernel->filters.begin - begin, 0),
        .lane_end = tess_min_int(kernel->filters.end, end) - begin,
        .in_channel = (size_t)(group * conv->group_channels),
        .out_channel = begin - kernel->filters.begin,
    };
}

/* The first unit among the blocks [begin, end): as many as go together, being whole and
 * of one channel group. */
static struct unit make_unit(const struct nat_conv *conv, int begin, int end)
{
    struct unit unit = unit_of_block(conv, begin);
    while (unit.end < end && !is_part(&unit)) {
        struct unit next = unit_of_block(conv, unit.end);
        if (is_part(&next) || next.in_channel != unit.in_channel)
            break;
        unit.end++;
    }
    return unit;
}

/* What comes after a pass: the next one of the unit, or the next unit's first. */
static struct ahead look_ahead(const struct job *job, const struct tess_nat_pass *pass,
                               const struct unit *unit, int64_t n_tiles)
{
    int n_blocks = unit->end - unit->begin;
    struct ahead ahead = {.block_elems = job->conv->block_elems,
                          .block_lines = pass->n_elems};
    if (pass->is_last) {
        n_blocks = tess_min_int(n_blocks, job->end_block - unit->end);
        ahead.weights = block_at(job, unit->end);
    } else {
        ahead.weights =
            block_at(job, unit->begin) + (1 + pass->first_elem + pass->n_elems) * LANES;
    }
    ahead.n_lines = ahead.block_lines * n_blocks;
    ahead.tile_lines = tess_div_up(ahead.n_lines, n_tiles);
    return ahead;
}

/* The share of the next tile: what is left, at most, of one block. */
static void take_share(struct ahead *ahead)
{
    ahead->begin = ahead->end = NULL;
    if (ahead->n_done == ahead->n_lines)
        return;
    int64_t block = ahead->n_done / ahead->block_lines;
    int64_t line = ahead->n_done % ahead->block_lines;
    int64_t n = tess_min_i64(ahead->tile_lines, ahead->block_lines - line);
    ahead->begin = ahead->weights + (size_t)block * ahead->block_elems + line * LANES;
    ahead->end = ahead->begin + n * LANES;
    ahead->n_done += n;
}

static void compute_unit(const struct job *job, const struct unit *unit, int64_t begin,
                         int64_t end)
{
    const struct nat_conv *conv = job->conv;
    const struct tess_nat_sizes *sizes =
        conv->is_depthwise ? &conv->isa->depthwise
                           : &conv->isa->dense[unit->end - unit->begin - 1];
    const struct tess_nat_chain chain = {
        .window = &conv->kernel.op->window,
        .in = &job->call->in[0],
        .n_taps = conv->n_taps,
        .group_channels = conv->group_channels,
        .pass_elems = conv->isa->pass_elems,
        .is_depthwise = conv->is_depthwise,
    };
    struct tess_nat_pass pass = {.tap = 0};
    struct tile tiles[2];
    while (!pass.is_last) {
        tess_nat_pass_next(&chain, &pass);
        struct ahead ahead = look_ahead(
            job, &pass, unit, tess_div_up(end - begin, sizes->kernels[0].n_pixels));
        const struct tess_nat_kernel *kernel = choose_kernel(sizes, end - begin);
        place_tile(job, unit, begin, end, kernel->n_pixels, &tiles[0]);
        int i = 0;
        for (int64_t pixel = begin; pixel < end; i ^= 1) {
            const struct tess_nat_kernel *next = NULL;
            pixel += tiles[i].n_real;
            if (pixel < end) {
                next = choose_kernel(sizes, end - pixel);
                place_tile(job, unit, pixel, end, next->n_pixels, &tiles[i ^ 1]);
                fetch_output(unit, &tiles[i ^ 1]);
            }
            take_share(&ahead);
            run_tile(job, &pass, unit, kernel, &tiles[i], &ahead);
            kernel = next;
        }
    }
}

static void compute_item(void *context, size_t index)
{
    const struct job *job = context;
    int n_blocks = job->end_block - job->first_block;
    int i = (int)(index % (size_t)job->n_units);
    /* Equal shares: inner kernels for few blocks are slower. */
    int first = job->first_block + (int)((int64_t)n_blocks * i / job->n_units);
    int last = job->first_block + (int)((int64_t)n_blocks * (i + 1) / job->n_units);
    int64_t begin = (int64_t)(index / (size_t)job->n_units) * job->item_pixels;
    int64_t end = tess_min_i64(begin + job->item_pixels, job->n_pixels);
    while (first < last) {
        struct unit unit = make_unit(job->conv, first, last);
        compute_unit(job, &unit, begin, end);
        first = unit.end;
    }
}

/* Output pixels of an item: as many as reuse weights, as few as keep the input in cache
 * and give every thread some. */
static int64_t choose_item_pixels(const struct job *job, struct pthreadpool *pool)
{
    const struct nat_conv *conv = job->conv;
    const struct tess_window *window = &conv->kernel.op->window;
    int64_t pixel_bytes = (int64_t)window->stride_h * window->stride_w *
                          job->call->in[0].channels * (int64_t)sizeof(float);
    int n_blocks = conv->isa->n_blocks;
    int64_t tile_pixels = conv->is_depthwise
                              ? conv->isa->depthwise.kernels[0].n_pixels
                              : conv->isa->dense[n_blocks - 1].kernels[0].n_pixels;
    int64_t n = tess_max_i64(item_input_bytes / pixel_bytes, 8 * tile_pixels);
    int64_t n_threads = (int64_t)pthreadpool_get_threads_count(pool);
    int64_t n_ranges = tess_div_up(job->n_pixels, n);
    if (n_threads > 1)
        n_ranges = tess_max_i64(n_ranges, tess_div_up(4 * n_threads, job->n_units));
    n = tess_div_up(job->n_pixels, n_ranges);
    return tess_round_up(tess_max_i64(n, 1), tile_pixels);
}

/* Brings the sums so far to the places of the channels that the job computes. */
static void bring_sums(const struct job *job)
{
    const struct tess_plane *sums = &job->call->in[1], *out = &job->call->out;
    struct unit first = unit_of_block(job->conv, job->first_block);
    struct unit last = unit_of_block(job->conv, job->end_block - 1);
    ptrdiff_t begin = first.out_channel + first.lane_begin;
    size_t n = (size_t)(last.out_channel + last.lane_end - begin);
    assert(begin >= 0 && (size_t)begin + n <= (size_t)out->channels);
    if (tess_plane_at(sums, out->row, out->col) == out->data)
        return;
    for (int y = out->row; y < out->row + out->n_rows; y++)
        for (int x = out->col; x < out->col + out->n_cols; x++)
            memcpy(tess_plane_at(out, y, x) + begin, tess_plane_at(sums, y, x) + begin,
                   n * sizeof *out->data);
}

static enum tess_status nat_conv_run(struct tess_kernel *kernel,
                                     const struct tess_kernel_call *call,
                                     struct pthreadpool *pool, struct tess_error *error)
{
    (void)error;
    const struct nat_conv *conv = (const struct nat_conv *)kernel;
    assert(call->out.channels == kernel->filters.end - kernel->filters.begin);
    struct job job = {
        .conv = conv,
        .call = call,
        .first_block = conv->first_block,
        .end_block = conv->end_block,
        .n_pixels = (int64_t)call->out.n_rows * call->out.n_cols,
    };
    if (call->n_blocks > 0) {
        job.first_block = call->first_block;
        job.end_block = call->first_block + call->n_blocks;
        assert(conv->first_block <= job.first_block && job.end_block <= conv->end_block);
    }
    assert(call->packed || conv->resident);
    job.packed = call->packed;
    if (!job.packed)
        job.packed = conv->resident +
                     (size_t)(job.first_block - conv->first_block) * conv->block_elems;
    if (conv->accumulates)
        bring_sums(&job);
    int most = conv->is_depthwise ? 1 : conv->isa->n_blocks;
    job.n_units = (int)tess_div_up(job.end_block - job.first_block, most);
    job.item_pixels = choose_item_pixels(&job, pool);
    int n_items = (int)tess_div_up(job.n_pixels, job.item_pixels) * job.n_units;
    /* The pool is worth waking for so many vectors of products. */
    int64_t item_vectors = job.item_pixels * most * (int64_t)conv->block_elems / LANES;
    tess_for_rows(pool, n_items, item_vectors, compute_item, &job);
    return TESS_OK;
}

/* ---- Making ------------------------------------------------------------------------ */

static enum tess_status pack_blocks(struct nat_conv *conv,
                                    const struct tess_kernel_request *request,
                                    struct tess_error *error)
{
    int64_t block_bytes = tess_packed_block_bytes(request->graph, request->op);
    int64_t n_weights = (int64_t)conv->n_taps * conv->group_channels;
    float *packed = tess_pen_take(&conv->kernel.pen,
                                  (conv->end_block - conv->first_block) * block_bytes);
    float *unpacked = request->options->scratch;
    assert(packed); /* the facts predicted the block */
    assert(request->options->scratch_bytes >= block_bytes);
    conv->resident = packed;
    for (int block = conv->first_block; block < conv->end_block; block++) {
        int begin, end;
        tess_packed_block_filters(request->graph, request->op, block, &begin, &end);
        float *bias = unpacked + (end - begin) * n_weights;
        enum tess_status status = request->filters->read(
            request->filters->context, request->op, begin, end, unpacked, bias, error);
        if (status)
            return status;
        tess_packed_fill(request->graph, request->op, block, unpacked, bias, packed);
        packed += conv->block_elems;
    }
    return TESS_OK;
}

enum tess_status tess_nat_conv_create(const struct tess_kernel_request *request,
                                      const struct tess_nat_isa *isa,
                                      struct tess_kernel **kernel_out,
                                      struct tess_error *error)
{
    struct tess_kernel *kernel = NULL;
    enum tess_status status =
        tess_kernel_init(request, sizeof(struct nat_conv), &kernel, error);
    if (status)
        return status;
    struct nat_conv *conv = (struct nat_conv *)kernel;
    const struct tess_op *op = kernel->op;
    int groups = op->kind == TESS_OP_CONV ? op->groups : 1;
    conv->isa = isa;
    conv->op = request->op;
    conv->n_taps = op->window.kernel_h * op->window.kernel_w;
    conv->group_channels = request->graph->tensors[op->inputs[0]].c / groups;
    conv->is_depthwise = tess_op_is_depthwise(request->graph, op);
    conv->accumulates = tess_op_accumulates(op);
    conv->first_block =
        tess_packed_block_of(request->graph, request->op, kernel->filters.begin);
    conv->end_block =
        tess_packed_block_of(request->graph, request->op, kernel->filters.end - 1) + 1;
    conv->block_elems =
        (size_t)tess_packed_block_bytes(request->graph, request->op) / sizeof(float);
    kernel->run = nat_conv_run;
    if (!request->options->without_weights)
        status = pack_blocks(conv, request, error);
    if (status) {
        tess_kernel_release(kernel);
        return status;
    }
    *kernel_out = kernel;
    return TESS_OK;
}
