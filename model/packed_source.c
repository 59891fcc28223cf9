#include "model/packed_source.h"

#include <assert.h>

#include "base/arith.h"
#include "model/compiled.h"
#include "model/packed.h"
#include "model/weights.h"

enum { LANES = TESS_PACKED_BLOCK, WINDOW_FLOATS = TESS_PACKED_WINDOW_BYTES / 4 };

/* --- from a compiled file --- */

static enum tess_status read_compiled(void *context, int op, int first_block,
                                      int n_blocks, void *packed_out,
                                      struct tess_error *error)
{
    const struct tess_packed_compiled *from = context;
    struct tess_compiled_cursor cursor;
    tess_compiled_cursor_init(&cursor, from->compiled, &from->graph->ops[op], first_block,
                              n_blocks);
    return tess_compiled_cursor_read(&cursor, cursor.end - cursor.position, packed_out,
                                     error);
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

/* --- back to filters --- */

/* Filters being unpacked, and the block they are in. */
struct unpacking {
    int begin, end;             /* asked for */
    int block_begin, block_end; /* in the block */
    int64_t filter_elems;       /* of one filter's kernel */
    float *kernel, *bias;
};

/* Puts rows [first_row, first_row + n_rows) of the block where they belong. Row 0 holds
 * the biases of 16 filters, row 1 + i element i of their kernels. */
static void unpack_rows(const struct unpacking *to, const float *rows, int64_t first_row,
                        int64_t n_rows)
{
    int first = tess_max_int(to->block_begin, to->begin);
    int last = tess_min_int(to->block_end, to->end);
    for (int64_t row = first_row; row < first_row + n_rows; row++, rows += LANES)
        for (int filter = first; filter < last; filter++) {
            float value = rows[filter - to->block_begin];
            int64_t index = filter - to->begin;
            if (row == 0)
                to->bias[index] = value;
            else
                to->kernel[index * to->filter_elems + row - 1] = value;
        }
}

static enum tess_status unpack_block(struct tess_compiled_cursor *cursor,
                                     const struct unpacking *to, struct tess_error *error)
{
    _Alignas(64) float window[WINDOW_FLOATS];
    int64_t n_rows = 1 + to->filter_elems;
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
    struct unpacking to = {
        .begin = begin,
        .end = end,
        .filter_elems = tess_op_n_kernel(from->graph, what) / n_filters,
        .kernel = kernel,
        .bias = bias,
    };
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
