#include "plan/facts.h"

#include <assert.h>

#include "base/arith.h"
#include "model/packed.h"

static const int64_t float_bytes = (int64_t)sizeof(float);

void tess_facts_fields(struct tess_kernel_facts *facts,
                       struct tess_fact_field fields_out[TESS_FACTS_N_FIELDS])
{
    const struct tess_fact_field fields[TESS_FACTS_N_FIELDS] = {
        {"align_bytes", &facts->align_bytes},
        {"tail_bytes", &facts->tail_bytes},
        {"filter_block", &facts->filter_block},
        {"channel_block", &facts->channel_block},
        {"pixel_block", &facts->pixel_block},
        {"filter_slice", &facts->filter_slice},
        {"slice_bytes", &facts->slice_bytes},
        {"call_pixels", &facts->call_pixels},
        {"depthwise_block", &facts->depthwise_block},
        {"depthwise_taps", &facts->depthwise_taps},
        {"has_odd_pixel", &facts->has_odd_pixel},
        {"pack_tail_bytes", &facts->pack_tail_bytes},
        {"pointer_bytes", &facts->pointer_bytes},
        {"has_packed_weights", &facts->has_packed_weights},
        {"slice_overhead_bytes", &facts->slice_overhead_bytes},
        {"kernel_overhead_bytes", &facts->kernel_overhead_bytes},
        {"base_bytes", &facts->base_bytes},
        {"thread_bytes", &facts->thread_bytes},
        {"source_bytes", &facts->source_bytes},
        {"has_unpacked_source", &facts->has_unpacked_source},
    };
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        fields_out[i] = fields[i];
}

/* An op with weights, in the words of a convolution. */
struct filter_shape {
    int n_filters;
    int group_filters;
    int group_channels;
    int64_t n_taps;
    bool is_depthwise; /* one channel and one filter per group, even if that is all */
};

static struct filter_shape shape_of(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    assert(tess_op_has_weights(it));
    int groups = it->kind == TESS_OP_CONV ? it->groups : 1;
    assert(groups > 0);
    struct filter_shape shape;
    shape.n_filters = graph->tensors[it->output].c;
    shape.group_filters = shape.n_filters / groups;
    shape.group_channels = graph->tensors[it->inputs[0]].c / groups;
    shape.n_taps = (int64_t)it->window.kernel_h * it->window.kernel_w;
    shape.is_depthwise = shape.group_filters == 1 && shape.group_channels == 1;
    assert(shape.group_filters > 0 && shape.group_channels > 0 && shape.n_taps > 0);
    return shape;
}

static struct tess_filter_range all_filters(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    struct tess_filter_range range = {0, 0};
    if (tess_op_has_weights(it))
        range.end = graph->tensors[it->output].c;
    return range;
}

/* What one dimension of the map needs beyond its end. */
static int pad_end(int n_out, int stride, int dilation, int kernel, int pad_begin,
                   int n_in)
{
    return (n_out - 1) * stride + dilation * (kernel - 1) + 1 - pad_begin - n_in;
}

int tess_facts_pad_right(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    const struct tess_window *window = &it->window;
    return pad_end(graph->tensors[it->output].w, window->stride_w, window->dilation_w,
                   window->kernel_w, window->pad_left, graph->tensors[it->inputs[0]].w);
}

int tess_facts_pad_bottom(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    const struct tess_window *window = &it->window;
    return pad_end(graph->tensors[it->output].h, window->stride_h, window->dilation_h,
                   window->kernel_h, window->pad_top, graph->tensors[it->inputs[0]].h);
}

/* Does the family read the op's weights in the portable packed form? */
static bool is_packed(const struct tess_kernel_facts *facts,
                      const struct tess_graph *graph, int op)
{
    return facts->has_packed_weights != 0 && tess_op_has_weights(&graph->ops[op]);
}

bool tess_facts_is_plain(const struct tess_kernel_facts *facts,
                         const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    if (is_packed(facts, graph, op))
        return false;
    if (facts->pointer_bytes == 0 || !tess_op_has_weights(it) || tess_op_accumulates(it))
        return true;
    /* The library derives the width of the output from that of the input. More unused
     * columns than this make another output column. */
    if (tess_facts_pad_right(graph, op) <= -it->window.stride_w)
        return true;
    struct filter_shape shape = shape_of(graph, op);
    if (!shape.is_depthwise)
        return false;
    /* Other depthwise convolutions the library would do as groups of one padded filter.
     */
    return shape.n_taps > 62 || (facts->depthwise_taps >> shape.n_taps & 1) == 0;
}

static bool is_padded(const struct tess_graph *graph, int op)
{
    const struct tess_window *window = &graph->ops[op].window;
    return window->pad_top > 0 || window->pad_left > 0 ||
           tess_facts_pad_right(graph, op) > 0 || tess_facts_pad_bottom(graph, op) > 0;
}

bool tess_facts_can_accumulate(const struct tess_kernel_facts *facts)
{
    return facts->has_packed_weights != 0 || facts->pointer_bytes == 0;
}

struct tess_kernel_caps tess_facts_caps(const struct tess_kernel_facts *facts,
                                        const struct tess_graph *graph, int op,
                                        struct tess_call_shape largest)
{
    if (tess_facts_is_plain(facts, graph, op) || is_packed(facts, graph, op))
        return (struct tess_kernel_caps){.can_pad_rows = true, .can_pad_cols = true};
    const struct tess_tensor *out = &graph->tensors[graph->ops[op].output];
    bool is_whole = largest.n_rows == out->h && largest.n_cols == out->w;
    return (struct tess_kernel_caps){
        .needs_dense_rows = true,
        .can_pad_rows = is_whole && out->h <= tess_facts_call_rows(facts, out->w),
        .can_pad_cols = true,
        .needs_two_pixels = facts->has_odd_pixel != 0 && (int64_t)out->h * out->w > 1,
    };
}

int tess_facts_call_rows(const struct tess_kernel_facts *facts, int n_cols)
{
    assert(n_cols > 0);
    return (int)tess_min_i64(tess_max_i64(1, facts->call_pixels / n_cols), INT32_MAX);
}

/* Filters of a slice, a multiple of filter_block. */
static int64_t most_filters(const struct tess_kernel_facts *facts,
                            const struct filter_shape *shape)
{
    int64_t n = facts->filter_slice;
    int64_t n_channels = tess_round_up(shape->group_channels, facts->channel_block);
    if (facts->slice_bytes > 0)
        n = tess_min_i64(n, facts->slice_bytes /
                                (float_bytes * (shape->n_taps * n_channels + 1)));
    return tess_max_i64(n / facts->filter_block, 1) * facts->filter_block;
}

int tess_facts_slice_end(const struct tess_kernel_facts *facts,
                         const struct tess_graph *graph, int op,
                         struct tess_filter_range filters, int begin)
{
    struct filter_shape shape = shape_of(graph, op);
    assert(filters.begin <= begin && begin < filters.end &&
           filters.end <= shape.n_filters);
    int end = filters.end;
    if (is_packed(facts, graph, op)) {
        int block_begin, block_end;
        tess_packed_block_filters(graph, op, tess_packed_block_of(graph, op, begin),
                                  &block_begin, &block_end);
        return tess_min_int(block_end, end);
    }
    if (shape.is_depthwise)
        return end;
    if (tess_facts_is_plain(facts, graph, op)) {
        int group_end = (begin / shape.group_filters + 1) * shape.group_filters;
        return tess_min_int(tess_min_int(begin + TESS_PLAIN_FILTER_BLOCK, group_end),
                            end);
    }
    /* Slices share their pointer table, so they must read the same channels: groups stay
     * together. A single channel is not cut because a slice of one filter would be a
     * depthwise convolution to the library. */
    bool is_whole = shape.group_filters < shape.n_filters || shape.group_channels == 1;
    if (is_whole || facts->filter_slice == 0)
        return end;
    /* For the same reason a short remainder, for which the library may have another inner
     * kernel with another table, joins the slice before it. */
    int64_t cut = begin + most_filters(facts, &shape);
    return end - cut < facts->filter_block ? end : (int)cut;
}

static int64_t slice_weights_bytes(const struct tess_kernel_facts *facts,
                                   const struct filter_shape *shape, bool is_plain,
                                   int n_filters)
{
    int64_t n_lanes, n_taps;
    if (shape->is_depthwise) {
        n_lanes = is_plain ? n_filters : tess_round_up(n_filters, facts->depthwise_block);
        n_taps = shape->n_taps;
    } else if (is_plain) {
        n_lanes = TESS_PLAIN_FILTER_BLOCK;
        n_taps = shape->n_taps * shape->group_channels;
    } else {
        int64_t in_group = tess_min_i64(n_filters, shape->group_filters);
        int64_t block = facts->filter_block;
        if (shape->group_channels ==
            1) /* a slice of one filter becomes a depthwise one */
            block = tess_max_i64(block, facts->depthwise_block);
        n_lanes = n_filters / in_group * tess_round_up(in_group, block);
        n_taps =
            shape->n_taps * tess_round_up(shape->group_channels, facts->channel_block);
    }
    int64_t tail_bytes = is_plain ? 0 : facts->pack_tail_bytes;
    return tess_round_up(n_lanes * (n_taps + 1) * float_bytes + tail_bytes,
                         TESS_FACTS_BLOCK_ALIGN);
}

int64_t tess_facts_weights_bytes_of(const struct tess_kernel_facts *facts,
                                    const struct tess_graph *graph, int op,
                                    struct tess_filter_range filters)
{
    if (!tess_op_has_weights(&graph->ops[op]))
        return 0;
    if (is_packed(facts, graph, op)) {
        if (filters.begin == filters.end)
            return 0;
        int first = tess_packed_block_of(graph, op, filters.begin);
        int last = tess_packed_block_of(graph, op, filters.end - 1);
        return (last - first + 1) * tess_packed_block_bytes(graph, op);
    }
    struct filter_shape shape = shape_of(graph, op);
    bool is_plain = tess_facts_is_plain(facts, graph, op);
    int64_t bytes = 0;
    for (int begin = filters.begin, end; begin < filters.end; begin = end) {
        end = tess_facts_slice_end(facts, graph, op, filters, begin);
        bytes += slice_weights_bytes(facts, &shape, is_plain, end - begin);
    }
    return bytes;
}

int64_t tess_facts_weights_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op)
{
    return tess_facts_weights_bytes_of(facts, graph, op, all_filters(graph, op));
}

int64_t tess_facts_table_bytes(const struct tess_kernel_facts *facts,
                               const struct tess_graph *graph, int op,
                               struct tess_call_shape largest)
{
    const struct tess_window *window = &graph->ops[op].window;
    struct filter_shape shape = shape_of(graph, op);
    bool is_matrix_product = shape.n_taps == 1 && window->stride_h == 1 &&
                             window->stride_w == 1 && !is_padded(graph, op);
    if (is_matrix_product)
        return 0;
    assert(largest.n_rows > 0 && largest.n_cols > 0);
    int64_t n_pixels = tess_min_i64((int64_t)largest.n_rows * largest.n_cols,
                                    tess_max_i64(facts->call_pixels, largest.n_cols));
    int64_t n_pointers = shape.n_taps * tess_round_up(n_pixels, facts->pixel_block);
    if (shape.group_channels == 1) {
        /* Depthwise: one run of pointers per output row, column by column: kernel_w
         * columns for its first pixel, for each further one those that it adds, or all if
         * dilated. */
        int step = window->dilation_w == 1 ? window->stride_w : window->kernel_w;
        int64_t n_rows = tess_min_i64(largest.n_rows, n_pixels);
        int64_t n_extra = n_rows * tess_max_int(window->kernel_w - step, 0);
        n_pointers =
            tess_max_i64(n_pointers, window->kernel_h * (n_extra + n_pixels * step));
    }
    return n_pointers * facts->pointer_bytes;
}

/* A piece of the kernel's block with its header. */
static int64_t piece_bytes(int64_t bytes)
{
    return TESS_FACTS_BLOCK_ALIGN + tess_round_up(bytes, TESS_FACTS_BLOCK_ALIGN);
}

/* What a kernel's block holds besides weights, before the block is rounded. */
static int64_t bookkeeping_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op,
                                 struct tess_filter_range filters,
                                 struct tess_call_shape largest)
{
    int64_t bytes = facts->kernel_overhead_bytes;
    if (tess_facts_is_plain(facts, graph, op) || is_packed(facts, graph, op))
        return bytes;
    struct filter_shape shape = shape_of(graph, op);
    for (int begin = filters.begin; begin < filters.end;
         begin = tess_facts_slice_end(facts, graph, op, filters, begin))
        bytes += facts->slice_overhead_bytes;
    int64_t table_bytes = tess_facts_table_bytes(facts, graph, op, largest);
    if (table_bytes > 0)
        bytes += piece_bytes(table_bytes);
    if (is_padded(graph, op)) {
        int64_t n_channels = tess_round_up(shape.group_channels, facts->channel_block);
        if (shape.group_channels == 1)
            n_channels =
                tess_max_i64(n_channels, tess_round_up(filters.end - filters.begin,
                                                       facts->depthwise_block));
        bytes += piece_bytes(n_channels * float_bytes + facts->tail_bytes);
    }
    return bytes;
}

int64_t tess_facts_workspace_bytes_of(const struct tess_kernel_facts *facts,
                                      const struct tess_graph *graph, int op,
                                      struct tess_filter_range filters,
                                      struct tess_call_shape largest)
{
    int64_t weights_bytes = tess_facts_weights_bytes_of(facts, graph, op, filters);
    int64_t block_bytes =
        weights_bytes + bookkeeping_bytes(facts, graph, op, filters, largest);
    int64_t align = block_bytes < TESS_FACTS_MAP_FROM_BYTES ? TESS_FACTS_BLOCK_ALIGN
                                                            : TESS_FACTS_PAGE_BYTES;
    return tess_round_up(block_bytes, align) - weights_bytes;
}

int64_t tess_facts_workspace_bytes(const struct tess_kernel_facts *facts,
                                   const struct tess_graph *graph, int op,
                                   struct tess_call_shape largest)
{
    return tess_facts_workspace_bytes_of(facts, graph, op, all_filters(graph, op),
                                         largest);
}

int64_t tess_facts_bare_bytes(const struct tess_kernel_facts *facts)
{
    assert(facts->has_packed_weights &&
           facts->kernel_overhead_bytes < TESS_FACTS_MAP_FROM_BYTES);
    return tess_round_up(facts->kernel_overhead_bytes, TESS_FACTS_BLOCK_ALIGN);
}

int64_t tess_facts_scratch_bytes_of(const struct tess_kernel_facts *facts,
                                    const struct tess_graph *graph, int op,
                                    struct tess_filter_range filters)
{
    if (!tess_op_has_weights(&graph->ops[op]))
        return 0;
    if (is_packed(facts, graph, op)) /* whole blocks, even for some of their filters */
        return tess_packed_block_bytes(graph, op);
    struct filter_shape shape = shape_of(graph, op);
    int64_t n_most = 0;
    for (int begin = filters.begin, end; begin < filters.end; begin = end) {
        end = tess_facts_slice_end(facts, graph, op, filters, begin);
        n_most = tess_max_i64(n_most, end - begin);
    }
    return n_most * (shape.n_taps * shape.group_channels + 1) * float_bytes;
}

int64_t tess_facts_scratch_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op)
{
    return tess_facts_scratch_bytes_of(facts, graph, op, all_filters(graph, op));
}
