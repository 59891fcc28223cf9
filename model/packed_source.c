#include "model/packed_source.h"

#include <assert.h>

#include "base/arith.h"
#include "model/compiled.h"
#include "model/packed.h"
#include "model/weights.h"

enum { LANES = TESS_PACKED_BLOCK, WINDOW_FLOATS = TESS_PACKED_WINDOW_BYTES / 4 };

/* --- from a compiled file --- */

/* Reads and drops rows of a block. */
static enum tess_status skip_rows(struct tess_compiled_cursor *cursor, int64_t n_rows,
                                  struct tess_error *error)
{
    _Alignas(64) float window[WINDOW_FLOATS];
    enum tess_status status = TESS_OK;
    for (int64_t row = 0, n; row < n_rows && status == TESS_OK; row += n) {
        n = tess_min_i64(n_rows - row, WINDOW_FLOATS / LANES);
        status = tess_compiled_cursor_read(cursor, n * LANES * (int64_t)sizeof *window,
                                           window, error);
    }
    return status;
}

/* The rows that a partial convolution has of a block: the biases and, of each tap, those of its
 * channels. The others are read, too, for the checksum. */
static enum tess_status read_share(struct tess_compiled_cursor *cursor,
                                   const struct tess_graph *graph,
                                   const struct tess_op *op, float *packed,
                                   struct tess_error *error)
{
    int n_taps = op->window.kernel_h * op->window.kernel_w;
    int64_t n_channels = graph->tensors[op->inputs[0]].c;
    int64_t n_after = op->kernel_channels - op->channel_begin - n_channels;
    const int64_t row_bytes = LANES * (int64_t)sizeof *packed;
    enum tess_status status = tess_compiled_cursor_read(cursor, row_bytes, packed, error);
    packed += LANES;
    for (int tap = 0; tap < n_taps && status == TESS_OK; tap++) {
        status = skip_rows(cursor, op->channel_begin, error);
        if (status == TESS_OK)
            status =
                tess_compiled_cursor_read(cursor, n_channels * row_bytes, packed, error);
        if (status == TESS_OK)
            status = skip_rows(cursor, n_after, error);
        packed += n_channels * LANES;
    }
    return status;
}

static enum tess_status read_compiled(void *context, int op, int first_block,
                                      int n_blocks, void *packed_out,
                                      struct tess_error *error)
{
    const struct tess_packed_compiled *from = context;
    const struct tess_op *what = &from->graph->ops[op];
    struct tess_compiled_cursor cursor;
    tess_compiled_cursor_init(&cursor, from->compiled, what, first_block, n_blocks);
    if (!tess_op_is_partial(what))
        return tess_compiled_cursor_read(&cursor, cursor.end - cursor.position,
                                         packed_out, error);
    int64_t block_bytes = tess_packed_block_bytes(from->graph, op);
    char *to = packed_out;
    enum tess_status status = TESS_OK;
    for (int block = 0; block < n_blocks && status == TESS_OK; block++)
        status = read_share(&cursor, from->graph, what,
                            (float *)(void *)(to + block * block_bytes), error);
    return status;
}

struct tess_packed_source tess_packed_from_compiled(struct tess_packed_compiled *from)
{
    return (struct tess_packed_source){read_compiled, from};
}

/* --- from darknet's weights --- */

int64_t tess_packed_scratch_bytes(const struct tess_graph *graph)
{
    int64_t most_bytes = 0;
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_has_weights(&graph->ops[op]))
            most_bytes = tess_max_i64(most_bytes, tess_packed_block_bytes(graph, op));
    return most_bytes; /* a block's filters and biases take no more unpacked */
}

static enum tess_status read_darknet(void *context, int op, int first_block, int n_blocks,
                                     void *packed_out, struct tess_error *error)
{
    const struct tess_packed_darknet *from = context;
    int64_t block_bytes = tess_packed_block_bytes(from->graph, op);
    assert(from->scratch_bytes >= block_bytes);
    float *bias = from->scratch, *kernel = bias + LANES;
    char *to = packed_out;
    for (int block = first_block; block < first_block + n_blocks; block++) {
        int begin, end;
        tess_packed_block_filters(from->graph, op, block, &begin, &end);
        enum tess_status status = tess_weights_read_stored(
            from->weights, from->graph, op, begin, end, kernel, bias, error);
        if (status != TESS_OK)
            return status;
        tess_packed_fill_stored(from->graph, op, block, kernel, bias, to);
        to += block_bytes;
    }
    return TESS_OK;
}

struct tess_packed_source tess_packed_from_darknet(struct tess_packed_darknet *from)
{
    assert(from->scratch_bytes >= tess_packed_scratch_bytes(from->graph));
    return (struct tess_packed_source){read_darknet, from};
}

/* --- of another graph --- */

static enum tess_status read_renumbered(void *context, int op, int first_block,
                                        int n_blocks, void *packed_out,
                                        struct tess_error *error)
{
    const struct tess_packed_renumbered *from = context;
    assert(from->origins[op] >= 0);
    return from->blocks.read(from->blocks.context, from->origins[op], first_block,
                             n_blocks, packed_out, error);
}

struct tess_packed_source tess_packed_renumber(struct tess_packed_renumbered *from)
{
    return (struct tess_packed_source){read_renumbered, from};
}

/* --- back to filters --- */

/* Filters being unpacked, and the block they are in. Of the channels of a block each tap has
 * `n_channels`, of which [channel_begin, channel_end) are asked for. */
struct unpacking {
    int64_t n_channels, channel_begin, channel_end;
    int begin, end;             /* asked for */
    int block_begin, block_end; /* in the block */
    int64_t filter_elems;       /* of one filter's kernel, as asked for */
    int64_t block_rows;
    float *kernel, *bias;
};

/* Which element of the kernels asked for element i of a block's is; -1 for none. */
static int64_t element_of(const struct unpacking *to, int64_t i)
{
    int64_t channel = i % to->n_channels;
    if (channel < to->channel_begin || channel >= to->channel_end)
        return -1;
    return i / to->n_channels * (to->channel_end - to->channel_begin) + channel -
           to->channel_begin;
}

/* Puts rows [first_row, first_row + n_rows) of the block where they belong. Row 0 holds
 * the biases of 16 filters, row 1 + i element i of their kernels. */
static void unpack_rows(const struct unpacking *to, const float *rows, int64_t first_row,
                        int64_t n_rows)
{
    int first = tess_max_int(to->block_begin, to->begin);
    int last = tess_min_int(to->block_end, to->end);
    for (int64_t row = first_row; row < first_row + n_rows; row++, rows += LANES) {
        int64_t element = row == 0 ? 0 : element_of(to, row - 1);
        for (int filter = first; filter < last && element >= 0; filter++) {
            float value = rows[filter - to->block_begin];
            int64_t index = filter - to->begin;
            if (row == 0)
                to->bias[index] = value;
            else
                to->kernel[index * to->filter_elems + element] = value;
        }
    }
}

static enum tess_status unpack_block(struct tess_compiled_cursor *cursor,
                                     const struct unpacking *to, struct tess_error *error)
{
    _Alignas(64) float window[WINDOW_FLOATS];
    int64_t n_rows = to->block_rows;
    for (int64_t row = 0, n; row < n_rows; row += n) {
        n = tess_min_i64(n_rows - row, WINDOW_FLOATS / LANES);
        enum tess_status status = tess_compiled_cursor_read(
            cursor, n * LANES * (int64_t)sizeof *window, window, error);
        if (status != TESS_OK)
            return status;
        unpack_rows(to, window, row, n);
    }
    return TESS_OK;
}

/* The parameters are those that kernel families call. */
enum tess_status tess_packed_read_filters(void *context, int op, int begin, int end,
                                          float *kernel, float *bias,
                                          struct tess_error *error)
{
    const struct tess_packed_compiled *from = context;
    const struct tess_op *what = &from->graph->ops[op];
    int n_filters = from->graph->tensors[what->output].c;
    assert(0 <= begin && begin < end && end <= n_filters);
    int64_t n_taps = (int64_t)what->window.kernel_h * what->window.kernel_w;
    struct unpacking to = {
        .begin = begin,
        .end = end,
        .filter_elems = tess_op_n_kernel(from->graph, what) / n_filters,
        .kernel = kernel,
        .bias = bias,
    };
    to.n_channels = to.channel_end = to.filter_elems / n_taps;
    if (tess_op_is_partial(what)) {
        to.n_channels = what->kernel_channels;
        to.channel_begin = what->channel_begin;
        to.channel_end += what->channel_begin;
    }
    to.block_rows = 1 + to.n_channels * n_taps;
    int first_block = tess_packed_block_of(from->graph, op, begin);
    int end_block = tess_packed_block_of(from->graph, op, end - 1) + 1;
    struct tess_compiled_cursor cursor;
    tess_compiled_cursor_init(&cursor, from->compiled, what, first_block,
                              end_block - first_block);
    for (int block = first_block; block < end_block; block++) {
        tess_packed_block_filters(from->graph, op, block, &to.block_begin, &to.block_end);
        enum tess_status status = unpack_block(&cursor, &to, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}
