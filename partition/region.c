#include "partition/region.h"

#include <assert.h>

#include "base/arith.h"

static const struct tess_range EMPTY = {0, 0};

bool tess_range_is_empty(struct tess_range range)
{
    return range.begin >= range.end;
}

int tess_range_len(struct tess_range range)
{
    return tess_range_is_empty(range) ? 0 : range.end - range.begin;
}

bool tess_range_is_equal(struct tess_range a, struct tess_range b)
{
    if (tess_range_is_empty(a) || tess_range_is_empty(b))
        return tess_range_is_empty(a) && tess_range_is_empty(b);
    return a.begin == b.begin && a.end == b.end;
}

struct tess_range tess_range_hull(struct tess_range a, struct tess_range b)
{
    if (tess_range_is_empty(a))
        return tess_range_is_empty(b) ? EMPTY : b;
    if (tess_range_is_empty(b))
        return a;
    return (struct tess_range){tess_min_int(a.begin, b.begin),
                               tess_max_int(a.end, b.end)};
}

struct tess_range tess_range_clamp(struct tess_range range, int extent)
{
    assert(extent > 0);
    struct tess_range inside = {tess_max_int(range.begin, 0),
                                tess_min_int(range.end, extent)};
    return tess_range_is_empty(inside) ? EMPTY : inside;
}

int tess_tensor_extent(const struct tess_tensor *tensor, enum tess_axis axis)
{
    return axis == TESS_ROWS ? tensor->h : tensor->w;
}

bool tess_tensor_is_pixel_thin(const struct tess_tensor *tensor, enum tess_axis axis)
{
    return axis == TESS_COLS ? tensor->w > 1 : tensor->w == 1 && tensor->h > 1;
}

struct tess_range tess_range_two_lines(struct tess_range range, int extent)
{
    assert(extent > 1);
    if (tess_range_len(range) != 1)
        return range;
    if (range.end < extent)
        range.end++;
    else
        range.begin--;
    return range;
}

struct tess_region tess_region_whole(const struct tess_tensor *tensor)
{
    return (struct tess_region){{{0, tensor->h}, {0, tensor->w}}};
}

bool tess_region_is_equal(const struct tess_region *a, const struct tess_region *b)
{
    return tess_range_is_equal(a->axis[TESS_ROWS], b->axis[TESS_ROWS]) &&
           tess_range_is_equal(a->axis[TESS_COLS], b->axis[TESS_COLS]);
}

int64_t tess_region_n_pixels(const struct tess_region *region)
{
    return (int64_t)tess_range_len(region->axis[TESS_ROWS]) *
           tess_range_len(region->axis[TESS_COLS]);
}

static struct tess_range window_reads(const struct tess_window *window,
                                      enum tess_axis axis, struct tess_range out)
{
    bool is_rows = axis == TESS_ROWS;
    int stride = is_rows ? window->stride_h : window->stride_w;
    int kernel = is_rows ? window->kernel_h : window->kernel_w;
    int dilation = is_rows ? window->dilation_h : window->dilation_w;
    int pad = is_rows ? window->pad_top : window->pad_left;
    assert(stride > 0 && kernel > 0 && dilation > 0);
    return (struct tess_range){/* equation (1) */
                               stride * out.begin - pad, stride * (out.end - 1) - pad +
                                                             dilation * (kernel - 1) + 1};
}

static struct tess_range crop_reads(const struct tess_op *op, enum tess_axis axis,
                                    struct tess_range out)
{
    bool is_rows = axis == TESS_ROWS;
    int begin = is_rows ? op->row_begin : op->col_begin;
    int stride = is_rows ? op->window.stride_h : op->window.stride_w;
    return (struct tess_range){begin + stride * out.begin,
                               begin + stride * (out.end - 1) + 1};
}

/* What a shortcut reads of its second input where the shapes differ, equation (3). darknet
 * derives stride and sample from the widths and uses them for the rows too. */
static struct tess_range shortcut_reads(const struct tess_graph *graph,
                                        const struct tess_op *op, enum tess_axis axis,
                                        struct tess_range out)
{
    const struct tess_tensor *from = &graph->tensors[op->inputs[1]];
    const struct tess_tensor *to = &graph->tensors[op->output];
    int stride = tess_max_int(from->w / to->w, 1);
    int sample = tess_max_int(to->w / from->w, 1);
    int extent = tess_tensor_extent(from, axis);
    int n_shared = tess_min_int(extent, tess_tensor_extent(to, axis));
    int first = (int)tess_div_up(out.begin, sample);
    int last = tess_min_int((out.end - 1) / sample, n_shared - 1);
    if (first > last)
        return EMPTY;
    struct tess_range reads = {first * stride, last * stride + 1};
    return tess_range_clamp(reads, extent);
}

struct tess_range tess_op_reads(const struct tess_graph *graph, int op_id, int input,
                                enum tess_axis axis, struct tess_range out)
{
    assert(op_id >= 0 && op_id < graph->n_ops);
    const struct tess_op *op = &graph->ops[op_id];
    assert(input >= 0 && input < op->n_inputs);
    const struct tess_tensor *read = &graph->tensors[op->inputs[input]];
    if (tess_range_is_empty(out))
        return EMPTY;
    if (tess_op_accumulates(op) && input == 1)
        return out; /* sums so far */
    if (tess_op_reads_whole(op))
        return (struct tess_range){0, tess_tensor_extent(read, axis)};
    switch (op->kind) {
    case TESS_OP_CONV:
    case TESS_OP_MAXPOOL: return window_reads(&op->window, axis, out);
    case TESS_OP_UPSAMPLE: /* equation (2) */
        return (struct tess_range){out.begin / op->factor,
                                   (out.end - 1) / op->factor + 1};
    case TESS_OP_CROP: return crop_reads(op, axis, out);
    case TESS_OP_ADD: return input == 0 ? out : shortcut_reads(graph, op, axis, out);
    case TESS_OP_CONCAT:
    case TESS_OP_SLICE:
    case TESS_OP_REGION:
    case TESS_OP_YOLO: return out;
    case TESS_OP_CONNECTED:
    case TESS_OP_AVGPOOL:
    case TESS_OP_REORG:
    case TESS_OP_SOFTMAX: break; /* read whole, handled above */
    }
    assert(false);
    return EMPTY;
}
