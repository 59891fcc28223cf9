#include "model/packed.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the packed form is little-endian and is never converted");

enum { LANES = TESS_PACKED_BLOCK };

/* What the blocks of an op have in common. */
struct shape {
    int n_filters;
    int run_filters; /* neighbouring filters that may share a block: a channel group's,
                        or all of a depthwise op */
    int64_t filter_elems;
};

static struct shape shape_of(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    assert(tess_op_has_weights(it));
    struct shape shape = {.n_filters = graph->tensors[it->output].c};
    int groups = it->kind == TESS_OP_CONV ? it->groups : 1;
    shape.run_filters =
        tess_op_is_depthwise(graph, it) ? shape.n_filters : shape.n_filters / groups;
    shape.filter_elems = tess_op_n_kernel(graph, it) / shape.n_filters;
    assert(shape.run_filters > 0 && shape.filter_elems > 0);
    return shape;
}

static int run_blocks(const struct shape *shape)
{
    return (int)tess_div_up(shape->run_filters, TESS_PACKED_BLOCK);
}

int tess_packed_n_blocks(const struct tess_graph *graph, int op)
{
    struct shape shape = shape_of(graph, op);
    return shape.n_filters / shape.run_filters * run_blocks(&shape);
}

int64_t tess_packed_block_bytes(const struct tess_graph *graph, int op)
{
    struct shape shape = shape_of(graph, op);
    return (shape.filter_elems + 1) * TESS_PACKED_BLOCK * (int64_t)sizeof(float);
}

void tess_packed_block_filters(const struct tess_graph *graph, int op, int block,
                               int *begin_out, int *end_out)
{
    struct shape shape = shape_of(graph, op);
    assert(0 <= block && block < tess_packed_n_blocks(graph, op));
    int run = block / run_blocks(&shape);
    int in_run = block % run_blocks(&shape) * TESS_PACKED_BLOCK;
    *begin_out = run * shape.run_filters + in_run;
    *end_out = *begin_out + tess_min_int(TESS_PACKED_BLOCK, shape.run_filters - in_run);
}

int tess_packed_block_of(const struct tess_graph *graph, int op, int filter)
{
    struct shape shape = shape_of(graph, op);
    assert(0 <= filter && filter < shape.n_filters);
    return filter / shape.run_filters * run_blocks(&shape) +
           filter % shape.run_filters / TESS_PACKED_BLOCK;
}

/* Rows of a block, each an element of 16 filters. Filters are `filter_elems` apart; element
 * i of a filter, in the order c, t, makes row t * n_channels + c. */
struct rows {
    const float *kernel;
    float *packed;
    int64_t filter_elems, n_channels;
    int n_filters;
};

/* Four neighbouring elements or lanes; compilers know what the processor has for them. */
typedef float floats4 __attribute__((vector_size(16)));

static floats4 load4(const float *at)
{
    floats4 value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void store4(float *at, floats4 value)
{
    memcpy(at, &value, sizeof value);
}

/* Makes four lanes of four rows out of four elements of four filters. */
static void transpose4(const float *from, int64_t filter_elems, float *const to[4],
                       int lane)
{
    floats4 a = load4(from), b = load4(from + filter_elems);
    floats4 c = load4(from + 2 * filter_elems), d = load4(from + 3 * filter_elems);
    floats4 ac_low = __builtin_shufflevector(a, c, 0, 4, 1, 5);
    floats4 ac_high = __builtin_shufflevector(a, c, 2, 6, 3, 7);
    floats4 bd_low = __builtin_shufflevector(b, d, 0, 4, 1, 5);
    floats4 bd_high = __builtin_shufflevector(b, d, 2, 6, 3, 7);
    store4(to[0] + lane, __builtin_shufflevector(ac_low, bd_low, 0, 4, 1, 5));
    store4(to[1] + lane, __builtin_shufflevector(ac_low, bd_low, 2, 6, 3, 7));
    store4(to[2] + lane, __builtin_shufflevector(ac_high, bd_high, 0, 4, 1, 5));
    store4(to[3] + lane, __builtin_shufflevector(ac_high, bd_high, 2, 6, 3, 7));
}

/* Makes the rows to[n] of elements [first, first + n). The filters are read a cache line at
 * a time: at some distances all 16 compete for the same lines. */
static void fill_rows(const struct rows *rows, int64_t first, int n, float *const *to)
{
    const float *from = rows->kernel + first;
    int lane = 0;
    for (; n == LANES && lane + 4 <= rows->n_filters; lane += 4)
        for (int i = 0; i < LANES; i += 4)
            transpose4(from + lane * rows->filter_elems + i, rows->filter_elems, to + i,
                       lane);
    for (; lane < rows->n_filters; lane++)
        for (int i = 0; i < n; i++)
            to[i][lane] = from[lane * rows->filter_elems + i];
}

/* Packs a block of filters [n_channels][n_taps]. */
static void fill(const struct tess_graph *graph, int op, int block, int64_t n_taps,
                 const float *kernel, const float *bias, float *packed)
{
    struct shape shape = shape_of(graph, op);
    int begin, end;
    tess_packed_block_filters(graph, op, block, &begin, &end);
    struct rows rows = {
        .kernel = kernel,
        .packed = packed + TESS_PACKED_BLOCK,
        .filter_elems = shape.filter_elems,
        .n_channels = shape.filter_elems / n_taps,
        .n_filters = end - begin,
    };
    if (rows.n_filters < TESS_PACKED_BLOCK)
        memset(packed, 0, (size_t)tess_packed_block_bytes(graph, op));
    memcpy(packed, bias, (size_t)rows.n_filters * sizeof(float));
    int64_t channel = 0, tap = 0;
    for (int64_t i = 0; i < shape.filter_elems; i += LANES) {
        int n = (int)tess_min_i64(LANES, shape.filter_elems - i);
        float *to[LANES];
        for (int row = 0; row < n; row++) {
            to[row] = rows.packed + (tap * rows.n_channels + channel) * LANES;
            if (++tap == n_taps) {
                tap = 0;
                channel++;
            }
        }
        fill_rows(&rows, i, n, to);
    }
}

void tess_packed_fill(const struct tess_graph *graph, int op, int block,
                      const float *kernel, const float *bias, void *packed_out)
{
    fill(graph, op, block, 1, kernel, bias, packed_out);
}

void tess_packed_fill_stored(const struct tess_graph *graph, int op, int block,
                             const float *kernel, const float *bias, void *packed_out)
{
    const struct tess_window *window = &graph->ops[op].window;
    fill(graph, op, block, (int64_t)window->kernel_h * window->kernel_w, kernel, bias,
         packed_out);
}
