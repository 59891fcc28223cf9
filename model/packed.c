#include "model/packed.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the packed form is little-endian and is never converted");

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

void tess_packed_fill(const struct tess_graph *graph, int op, int block,
                      const float *kernel, const float *bias, void *packed_out)
{
    struct shape shape = shape_of(graph, op);
    int begin, end;
    tess_packed_block_filters(graph, op, block, &begin, &end);
    int n = end - begin;
    float *packed = packed_out;
    if (n < TESS_PACKED_BLOCK)
        memset(packed, 0, (size_t)tess_packed_block_bytes(graph, op));
    memcpy(packed, bias, (size_t)n * sizeof(float));
    packed += TESS_PACKED_BLOCK;
    /* Writes in order; reads 16 streams, which caches follow. */
    for (int64_t i = 0; i < shape.filter_elems; i++) {
        for (int lane = 0; lane < n; lane++)
            packed[lane] = kernel[lane * shape.filter_elems + i];
        packed += TESS_PACKED_BLOCK;
    }
}
