/* Problem: networks and plans that a property test has not been written with in mind.
 *
 * Method: add ops one by one. Draw a kind, then inputs among the tensors so far; where a
 * kind has no input that suits it, the op becomes a convolution, which any tensor suits.
 * Whatever nobody reads is an output of the network, so graphs with several outputs come
 * by themselves.
 *
 * Invariant: after every op the graph so far is one that tess_graph_assert_valid accepts.
 */
#include "tests/support/random_net.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "model/graph_build.h"
#include "model/graph_split.h"
#include "plan/slices.h"

enum { MAX_INPUTS = 4 };

struct maker {
    const struct tess_random_net *options;
    struct tess_rng *rng;
    struct tess_graph_builder builder;
};

static void need(bool is_fine)
{
    if (is_fine)
        return;
    fprintf(stderr, "random_net: out of memory\n");
    abort();
}

static bool chance(struct tess_rng *rng, int percent)
{
    return tess_rng_int(rng, 0, 99) < percent;
}

void tess_random_net_init(struct tess_random_net *options)
{
    *options = (struct tess_random_net){
        .max_ops = 12,
        .max_side = 14,
        .max_channels = 6,
        .max_kernel = 4,
        .kinds = (1u << TESS_OP_N_KINDS) - 1,
        .chain_percent = 60,
    };
}

static const struct tess_tensor *tensor_of(const struct maker *maker, int tensor)
{
    return &maker->builder.graph->tensors[tensor];
}

static int pick_tensor(struct maker *maker)
{
    int newest = maker->builder.graph->n_tensors - 1;
    if (chance(maker->rng, maker->options->chain_percent))
        return newest;
    return tess_rng_int(maker->rng, 0, newest);
}

static enum tess_activation pick_activation(struct maker *maker)
{
    if (!maker->options->has_activations)
        return TESS_ACT_LINEAR;
    return (enum tess_activation)tess_rng_int(maker->rng, 0, TESS_ACT_N_KINDS - 1);
}

static int add(struct maker *maker, const struct tess_op *op, struct tess_shape shape)
{
    int tensor = -1;
    struct tess_op copy = *op;
    copy.layer = maker->builder.graph->n_layers;
    need(tess_graph_builder_add_op(&maker->builder, &copy, shape, &tensor, NULL) ==
         TESS_OK);
    need(tess_graph_builder_add_layer(&maker->builder, tess_op_kind_name(op->kind),
                                      copy.layer + 1, tensor, NULL) == TESS_OK);
    return tensor;
}

/* One axis of a window and the size of what it puts out: mostly what its padding asks
 * for, sometimes a few lines more (padding after the end) or fewer (lines that nobody
 * reads). */
struct window_axis {
    int kernel, stride, dilation, pad, n_out;
};

static struct window_axis pick_axis(struct maker *maker, int extent)
{
    struct tess_rng *rng = maker->rng;
    struct window_axis axis = {.kernel = tess_rng_int(rng, 1, maker->options->max_kernel),
                               .stride = 1,
                               .dilation = 1};
    if (chance(rng, 40))
        axis.stride = tess_rng_int(rng, 1, 3);
    if (chance(rng, 20))
        axis.dilation = 2;
    int reach = axis.dilation * (axis.kernel - 1) + 1;
    axis.pad = chance(rng, 60) ? reach / 2 : tess_rng_int(rng, 0, reach - 1);
    axis.pad = tess_min_int(axis.pad, reach - 1);
    int most = (extent - 1 + axis.pad) / axis.stride + 1;
    int usual = (extent + 2 * axis.pad - reach) / axis.stride + 1;
    axis.n_out = chance(rng, 75) ? usual : tess_rng_int(rng, usual - 1, most);
    axis.n_out = tess_max_int(1, tess_min_int(axis.n_out, most));
    return axis;
}

static void pick_window(struct maker *maker, const struct tess_tensor *in,
                        struct tess_op *op, struct tess_shape *shape)
{
    struct window_axis rows = pick_axis(maker, in->h), cols = pick_axis(maker, in->w);
    if (in->h == in->w && chance(maker->rng, 70))
        cols = rows;
    op->window =
        (struct tess_window){rows.kernel,   cols.kernel,   rows.stride, cols.stride,
                             rows.dilation, cols.dilation, rows.pad,    cols.pad};
    shape->h = rows.n_out;
    shape->w = cols.n_out;
}

/* Largest divisor of `value` that is at most `most`. */
static int divisor_below(int value, int most)
{
    int divisor = tess_min_int(value, most);
    while (value % divisor)
        divisor--;
    return divisor;
}

static int add_conv_of(struct maker *maker, int input, int n_filters)
{
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_shape shape = {.c = n_filters};
    pick_window(maker, in, &op, &shape);
    if (chance(maker->rng, 25)) {
        op.groups = divisor_below(in->c, tess_rng_int(maker->rng, 1, in->c));
        shape.c = (int64_t)op.groups * tess_rng_int(maker->rng, 1, 2);
    }
    op.activation = pick_activation(maker);
    op.has_batch_norm = chance(maker->rng, 50);
    return add(maker, &op, shape);
}

static void add_conv(struct maker *maker)
{
    add_conv_of(maker, pick_tensor(maker),
                tess_rng_int(maker->rng, 1, maker->options->max_channels));
}

/* A 1x1 convolution that brings `input` to `n_filters` channels on the same map. */
static int add_point_conv(struct maker *maker, int input, int n_filters)
{
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    struct tess_shape shape = {in->h, in->w, n_filters};
    op.activation = pick_activation(maker);
    return add(maker, &op, shape);
}

static bool add_maxpool(struct maker *maker)
{
    int input = pick_tensor(maker);
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(TESS_OP_MAXPOOL, 0, &input);
    struct tess_shape shape = {.c = in->c};
    pick_window(maker, in, &op, &shape);
    op.window.dilation_h = op.window.dilation_w = 1;
    /* Without dilation the reach is shorter: keep the padding below it. */
    op.window.pad_top = tess_min_int(op.window.pad_top, op.window.kernel_h - 1);
    op.window.pad_left = tess_min_int(op.window.pad_left, op.window.kernel_w - 1);
    shape.h =
        tess_min_i64(shape.h, (in->h - 1 + op.window.pad_top) / op.window.stride_h + 1);
    shape.w =
        tess_min_i64(shape.w, (in->w - 1 + op.window.pad_left) / op.window.stride_w + 1);
    add(maker, &op, shape);
    return true;
}

/* Ops of one input that they read whole. */
static bool add_whole(struct maker *maker, enum tess_op_kind kind)
{
    int input = pick_tensor(maker);
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(kind, 0, &input);
    struct tess_shape shape = {1, 1, in->c};
    if (kind == TESS_OP_CONNECTED) {
        op.window.kernel_h = in->h;
        op.window.kernel_w = in->w;
        op.activation = pick_activation(maker);
        shape.c = tess_rng_int(maker->rng, 1, maker->options->max_channels);
    } else if (kind == TESS_OP_SOFTMAX) {
        if (in->h != 1 || in->w != 1)
            return false;
        op.groups = divisor_below(in->c, tess_rng_int(maker->rng, 1, in->c));
    } else if (kind == TESS_OP_REORG) {
        op.factor = 2;
        op.is_reverse = chance(maker->rng, 50);
        if (in->c % 4 || (!op.is_reverse && (in->h % 2 || in->w % 2)))
            return false;
        if (op.is_reverse)
            shape = (struct tess_shape){in->h * 2, in->w * 2, in->c / 4};
        else
            shape = (struct tess_shape){in->h / 2, in->w / 2, in->c * 4};
        if (shape.h > 2 * maker->options->max_side ||
            shape.w > 2 * maker->options->max_side)
            return false;
    }
    add(maker, &op, shape);
    return true;
}

static bool add_concat(struct maker *maker)
{
    int inputs[MAX_INPUTS], n_wanted = tess_rng_int(maker->rng, 2, MAX_INPUTS);
    struct tess_op op = tess_op_neutral(TESS_OP_CONCAT, 0, inputs);
    inputs[0] = pick_tensor(maker);
    const struct tess_tensor *first = tensor_of(maker, inputs[0]);
    struct tess_shape shape = {first->h, first->w, first->c};
    for (int tries = 0; tries < 24 && op.n_inputs < n_wanted; tries++) {
        int other = tess_rng_int(maker->rng, 0, maker->builder.graph->n_tensors - 1);
        const struct tess_tensor *in = tensor_of(maker, other);
        bool is_again = other == inputs[op.n_inputs - 1];
        if (in->h != first->h || in->w != first->w ||
            (is_again && !chance(maker->rng, 10)))
            continue;
        inputs[op.n_inputs++] = other;
        shape.c += in->c;
    }
    if (op.n_inputs < 2 || shape.c > 8 * maker->options->max_channels)
        return false;
    if (chance(maker->rng, 50)) { /* the newest need not come last */
        int swapped = inputs[0];
        inputs[0] = inputs[op.n_inputs - 1];
        inputs[op.n_inputs - 1] = swapped;
    }
    add(maker, &op, shape);
    return true;
}

static bool add_slice(struct maker *maker)
{
    int input = pick_tensor(maker);
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(TESS_OP_SLICE, 0, &input);
    op.channel_begin =
        chance(maker->rng, 30) ? 0 : tess_rng_int(maker->rng, 0, in->c - 1);
    int most = in->c - op.channel_begin;
    int n_channels = chance(maker->rng, 30) ? most : tess_rng_int(maker->rng, 1, most);
    add(maker, &op, (struct tess_shape){in->h, in->w, n_channels});
    return true;
}

/* Would darknet's shortcut take these two maps together? */
static bool can_add(const struct tess_tensor *to, const struct tess_tensor *from)
{
    return from->h / to->h == from->w / to->w && to->h / from->h == to->w / from->w;
}

static bool add_add(struct maker *maker)
{
    int inputs[2] = {pick_tensor(maker), -1};
    bool wants_same = chance(maker->rng, 60);
    const struct tess_tensor *to = tensor_of(maker, inputs[0]);
    for (int tries = 0; tries < 24 && inputs[1] < 0; tries++) {
        int other = tess_rng_int(maker->rng, 0, maker->builder.graph->n_tensors - 1);
        const struct tess_tensor *from = tensor_of(maker, other);
        bool is_same = from->h == to->h && from->w == to->w && from->c == to->c;
        if (can_add(to, from) && (is_same || !wants_same) &&
            (other != inputs[0] || chance(maker->rng, 5)))
            inputs[1] = other;
    }
    if (inputs[1] < 0)
        return false;
    struct tess_op op = tess_op_neutral(TESS_OP_ADD, 0, inputs);
    op.n_inputs = 2;
    op.alpha = chance(maker->rng, 70) ? 1.0f : 0.5f;
    op.activation = pick_activation(maker);
    add(maker, &op, (struct tess_shape){to->h, to->w, to->c});
    return true;
}

static bool add_upsample(struct maker *maker)
{
    int input = pick_tensor(maker);
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(TESS_OP_UPSAMPLE, 0, &input);
    op.factor = tess_rng_int(maker->rng, 1, 3);
    struct tess_shape shape = {in->h * op.factor, in->w * op.factor, in->c};
    if (shape.h > 2 * maker->options->max_side || shape.w > 2 * maker->options->max_side)
        return false;
    add(maker, &op, shape);
    return true;
}

static bool add_crop(struct maker *maker)
{
    int input = pick_tensor(maker);
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(TESS_OP_CROP, 0, &input);
    op.row_begin = tess_rng_int(maker->rng, 0, in->h / 2);
    op.col_begin = tess_rng_int(maker->rng, 0, in->w / 2);
    op.row_begin = tess_min_int(op.row_begin, in->h - 1);
    op.col_begin = tess_min_int(op.col_begin, in->w - 1);
    if (chance(maker->rng, 30))
        op.window.stride_h = op.window.stride_w = tess_rng_int(maker->rng, 1, 3);
    int most_h = (in->h - 1 - op.row_begin) / op.window.stride_h + 1;
    int most_w = (in->w - 1 - op.col_begin) / op.window.stride_w + 1;
    struct tess_shape shape = {tess_rng_int(maker->rng, 1, most_h),
                               tess_rng_int(maker->rng, 1, most_w), in->c};
    add(maker, &op, shape);
    return true;
}

static bool add_head(struct maker *maker, enum tess_op_kind kind)
{
    float anchors[] = {1.5f, 2.0f, 3.0f, 2.5f};
    int n_anchors = tess_rng_int(maker->rng, 1, 2),
        n_classes = tess_rng_int(maker->rng, 1, 3);
    int input = add_point_conv(maker, pick_tensor(maker), n_anchors * (5 + n_classes));
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(kind, 0, &input);
    op.head = (struct tess_head){.n_classes = n_classes,
                                 .coords = 4,
                                 .n_anchors = n_anchors,
                                 .anchors = anchors,
                                 .is_softmax = kind == TESS_OP_REGION && n_classes > 1,
                                 .scale_x_y = 1.0f};
    add(maker, &op, (struct tess_shape){in->h, in->w, in->c});
    return true;
}

static bool add_kind(struct maker *maker, enum tess_op_kind kind)
{
    switch (kind) {
    case TESS_OP_CONV: return false; /* what the caller adds then */
    case TESS_OP_MAXPOOL: return add_maxpool(maker);
    case TESS_OP_CONNECTED:
    case TESS_OP_AVGPOOL:
    case TESS_OP_REORG:
    case TESS_OP_SOFTMAX: return chance(maker->rng, 40) && add_whole(maker, kind);
    case TESS_OP_CONCAT: return add_concat(maker);
    case TESS_OP_SLICE: return add_slice(maker);
    case TESS_OP_ADD: return add_add(maker);
    case TESS_OP_UPSAMPLE: return add_upsample(maker);
    case TESS_OP_REGION:
    case TESS_OP_YOLO: return chance(maker->rng, 50) && add_head(maker, kind);
    case TESS_OP_CROP: return add_crop(maker);
    }
    return false;
}

/* A concat and a convolution of it that keeps the size of the map. */
static bool add_joined(struct maker *maker)
{
    if (!add_concat(maker))
        return false;
    int input = maker->builder.graph->n_tensors - 1;
    const struct tess_tensor *in = tensor_of(maker, input);
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    int kernel = 2 * tess_rng_int(maker->rng, 0, 1) + 1;
    op.window.kernel_h = op.window.kernel_w = kernel;
    op.window.pad_top = op.window.pad_left = kernel / 2;
    if (maker->options->has_activations)
        op.activation = TESS_ACT_LEAKY;
    add(maker, &op,
        (struct tess_shape){in->h, in->w,
                            tess_rng_int(maker->rng, 1, maker->options->max_channels)});
    return true;
}

/* The graph, which it takes, with some convolutions split. */
static struct tess_graph *split(const struct tess_random_net *options,
                                struct tess_graph *graph, struct tess_rng *rng)
{
    struct tess_graph *made = NULL;
    bool *is_split = calloc((size_t)graph->n_ops, sizeof *is_split);
    need(is_split != NULL);
    for (int op = 0; op < graph->n_ops; op++)
        is_split[op] =
            tess_graph_n_parts(graph, op) > 0 && chance(rng, options->split_percent);
    need(tess_graph_split(graph, is_split, &made, NULL) == TESS_OK);
    free(is_split);
    tess_graph_destroy(graph);
    tess_graph_assert_valid(made);
    return made;
}

struct tess_graph *tess_random_net_create(const struct tess_random_net *options,
                                          struct tess_rng *rng)
{
    struct maker maker = {.options = options, .rng = rng};
    struct tess_graph *graph = NULL;
    need(tess_graph_builder_init(&maker.builder, "random", NULL) == TESS_OK);
    struct tess_shape input = {.h = tess_rng_int(rng, 1, options->max_side),
                               .c = tess_rng_int(rng, 1, options->max_channels)};
    input.w = chance(rng, 50) ? input.h : tess_rng_int(rng, 1, options->max_side);
    tess_graph_builder_set_input(&maker.builder, input);
    int n_ops = tess_rng_int(rng, 1, options->max_ops);
    while (maker.builder.graph->n_ops < n_ops) {
        bool is_joined = options->joined_percent > 0 &&
                         chance(rng, options->joined_percent) && add_joined(&maker);
        if (is_joined)
            continue;
        /* Half of the ops are convolutions, as in real networks. */
        enum tess_op_kind kind =
            (enum tess_op_kind)tess_rng_int(rng, 0, TESS_OP_N_KINDS - 1);
        bool is_wanted = (options->kinds >> kind & 1) && chance(rng, 60);
        if (!is_wanted || !add_kind(&maker, kind))
            add_conv(&maker);
    }
    need(tess_graph_builder_finish(&maker.builder, &graph, NULL) == TESS_OK);
    tess_graph_builder_release(&maker.builder);
    tess_graph_assert_valid(graph);
    return options->split_percent > 0 ? split(options, graph, rng) : graph;
}

/* ---- plans ---- */

void tess_random_plan_init(struct tess_random_plan *options)
{
    *options = (struct tess_random_plan){
        .max_tiles = 5, .tiled_percent = 80, .cut_percent = 25, .has_columns = true};
}

static bool can_run(const struct tess_graph *graph, const bool *has_run, int op)
{
    for (int i = 0; i < graph->ops[op].n_inputs; i++) {
        int producer = graph->tensors[graph->ops[op].inputs[i]].producer;
        if (producer >= 0 && !has_run[producer])
            return false;
    }
    return !has_run[op];
}

/* A random topological order. */
static void pick_order(const struct tess_graph *graph, struct tess_rng *rng,
                       int *order_out)
{
    bool *has_run = calloc((size_t)graph->n_ops, sizeof *has_run);
    need(has_run != NULL);
    for (int at = 0; at < graph->n_ops; at++) {
        int n_ready = 0, picked = -1;
        for (int op = 0; op < graph->n_ops; op++)
            if (can_run(graph, has_run, op) && tess_rng_int(rng, 0, n_ready++) == 0)
                picked = op;
        assert(picked >= 0);
        has_run[picked] = true;
        order_out[at] = picked;
    }
    free(has_run);
}

static void pick_tiling(const struct tess_random_plan *options,
                        const struct tess_graph *graph, const struct tess_plan *plan,
                        struct tess_rng *rng, struct tess_group *group)
{
    const int *ops = plan->order + group->first;
    int n_ops = group->last - group->first + 1;
    const struct tess_tensor *last = &graph->tensors[graph->ops[ops[n_ops - 1]].output];
    group->tiling = (struct tess_tiling){1, 1, TESS_HALO_RECOMPUTE};
    if (chance(rng, 50))
        group->tiling.halo = TESS_HALO_REUSE;
    if (!tess_tiles_can_cut(graph, ops, n_ops, NULL) ||
        !chance(rng, options->tiled_percent))
        return;
    int most_rows = tess_tiles_max_rows(graph, ops, n_ops, group->tiling.halo);
    if (!chance(rng, 20))
        most_rows = tess_min_int(most_rows, options->max_tiles);
    group->tiling.n_rows = tess_rng_int(rng, 1, most_rows);
    if (options->has_columns && chance(rng, 60))
        group->tiling.n_cols =
            tess_rng_int(rng, 1, tess_min_int(last->w, options->max_tiles));
}

/* Slices of one block of the largest op, or of a few. */
static void pick_streamed(const struct tess_random_plan *options,
                          const struct tess_graph *graph, struct tess_rng *rng,
                          struct tess_plan *plan)
{
    if (options->streamed_percent == 0)
        return;
    for (int op = 0; op < graph->n_ops; op++)
        plan->streamed[op] = tess_op_has_weights(&graph->ops[op]) &&
                             chance(rng, options->streamed_percent);
    int64_t most_bytes = tess_slices_most_block_bytes(plan, graph);
    if (most_bytes > 0 && chance(rng, 75))
        plan->slice_bytes =
            most_bytes * tess_rng_int(rng, 1, 4) + tess_rng_int(rng, 0, 200);
}

struct tess_plan *tess_random_plan_create(const struct tess_random_plan *options,
                                          const struct tess_graph *graph,
                                          const struct tess_kernel_facts *facts,
                                          struct tess_rng *rng)
{
    struct tess_plan *plan = NULL;
    need(tess_plan_create(graph, &plan, NULL) == TESS_OK);
    plan->facts = *facts;
    plan->n_threads = 1;
    if (!options->is_natural_order)
        pick_order(graph, rng, plan->order);
    int n_groups = 0;
    for (int first = 0, last; first < graph->n_ops; first = last + 1) {
        last = first;
        while (last + 1 < graph->n_ops && !chance(rng, options->cut_percent))
            last++;
        /* Ops that read whole maps would leave few groups to tile: mostly cut around
         * them. */
        for (int at = first + 1; at <= last; at++)
            if (chance(rng, 90) &&
                (!tess_tiles_can_cut(graph, plan->order + at, 1, NULL) ||
                 !tess_tiles_can_cut(graph, plan->order + at - 1, 1, NULL)))
                last = at - 1;
        struct tess_group *group = &plan->groups[n_groups++];
        *group = (struct tess_group){.first = first, .last = last};
        pick_tiling(options, graph, plan, rng, group);
    }
    plan->n_groups = n_groups;
    for (int op = 0; op < graph->n_ops; op++)
        plan->copies[op] = graph->ops[op].kind == TESS_OP_CONCAT && chance(rng, 30);
    pick_streamed(options, graph, rng, plan);
    struct tess_error error;
    tess_error_init(&error);
    if (tess_plan_check(plan, graph, &error) != TESS_OK) {
        fprintf(stderr, "random_net: %s\n", error.message);
        abort();
    }
    return plan;
}

void tess_random_facts(struct tess_kernel_facts *facts_out, struct tess_rng *rng)
{
    memset(facts_out, 0, sizeof *facts_out);
    facts_out->align_bytes = chance(rng, 50) ? 64 : 4;
    facts_out->base_bytes = 1 << 20;
    facts_out->thread_bytes = 1 << 16;
    facts_out->call_pixels = 1 << tess_rng_int(rng, 0, 10);
    facts_out->tail_bytes = 4 * tess_rng_int(rng, 0, 4);
    snprintf(facts_out->family, sizeof facts_out->family, "ref");
    if (chance(rng, 40))
        return;
    snprintf(facts_out->family, sizeof facts_out->family, "xnn");
    facts_out->filter_block = 8;
    facts_out->channel_block = 4;
    facts_out->pixel_block = 4;
    facts_out->filter_slice = chance(rng, 50) ? 0 : 8;
    facts_out->depthwise_block = 8;
    facts_out->depthwise_taps = chance(rng, 50) ? 1 << 9 | 1 << 4 : 0;
    facts_out->pointer_bytes = 8;
    facts_out->has_odd_pixel = 1;
}

void tess_random_case_init(struct tess_random_case *made,
                           const struct tess_random_net *nets,
                           const struct tess_random_plan *plans, uint64_t seed)
{
    struct tess_rng rng;
    struct tess_kernel_facts facts;
    tess_rng_init(&rng, seed);
    made->graph = tess_random_net_create(nets, &rng);
    tess_random_facts(&facts, &rng);
    made->plan = tess_random_plan_create(plans, made->graph, &facts, &rng);
    need(tess_layout_create(made->graph, made->plan, &made->layout, NULL) == TESS_OK);
}

void tess_random_case_release(struct tess_random_case *made)
{
    tess_layout_destroy(made->layout);
    tess_plan_destroy(made->plan);
    tess_graph_destroy(made->graph);
}

uint64_t tess_random_seed(uint64_t seed, int *n_cases_out)
{
    const char *given = getenv("TESS_TEST_SEED"), *n_cases = getenv("TESS_TEST_CASES");
    if (n_cases && *n_cases)
        *n_cases_out = (int)strtol(n_cases, NULL, 10);
    if (!given || !*given)
        return seed;
    *n_cases_out = 1;
    return strtoull(given, NULL, 0);
}

static void print_op(const struct tess_graph *graph, int op_id)
{
    const struct tess_op *op = &graph->ops[op_id];
    const struct tess_tensor *out = &graph->tensors[op->output];
    const struct tess_window *window = &op->window;
    fprintf(stderr, "  op %d %s", op_id, tess_op_kind_name(op->kind));
    for (int i = 0; i < op->n_inputs; i++)
        fprintf(stderr, "%s%d", i ? "," : " t", op->inputs[i]);
    fprintf(stderr, " -> t%d [%d,%d,%d]%s", op->output, out->h, out->w, out->c,
            out->is_output ? " out" : "");
    if (op->kind == TESS_OP_CONV || op->kind == TESS_OP_MAXPOOL)
        fprintf(stderr, " k%dx%d s%dx%d d%dx%d p%d,%d g%d", window->kernel_h,
                window->kernel_w, window->stride_h, window->stride_w, window->dilation_h,
                window->dilation_w, window->pad_top, window->pad_left, op->groups);
    if (op->kind == TESS_OP_SLICE)
        fprintf(stderr, " from channel %d", op->channel_begin);
    fprintf(stderr, "\n");
}

void tess_random_net_print(const struct tess_graph *graph, const struct tess_plan *plan)
{
    const struct tess_tensor *input = &graph->tensors[TESS_GRAPH_INPUT];
    fprintf(stderr, "input [%d,%d,%d], family %s, call_pixels %" PRId64 "\n", input->h,
            input->w, input->c, plan->facts.family, plan->facts.call_pixels);
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[i];
        fprintf(stderr, "group %d: %dx%d %s\n", i, group->tiling.n_rows,
                group->tiling.n_cols,
                group->tiling.halo == TESS_HALO_REUSE ? "reuse" : "recompute");
        for (int at = group->first; at <= group->last; at++) {
            print_op(graph, plan->order[at]);
            if (plan->copies[plan->order[at]])
                fprintf(stderr, "    copies\n");
            if (plan->streamed[plan->order[at]])
                fprintf(stderr, "    streamed\n");
        }
    }
}
