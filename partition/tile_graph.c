/* Problem: a graph of ordinary ops that computes a rectangle of a stage's output and has the bits
 * of the whole.
 *
 * Method: partition/stage.h says which region of each op is computed. Copy the ops, each with its
 * region as its map. Output line y of the copy is line y + a of the map and reads from
 * S*(y + a) - P on, which is line S*y - (P + i - S*a) of an input that begins at i:
 *     pad = P + i - S*a                                                                     (1)
 * It is positive only where the tile touches the map's border, where i = 0, and lines beyond the
 * input's end are padding only where it ends with the map: tiles pad where the map is padded.
 * Where pad would be negative, an op of another kind reads the tensor further out, and the window
 * reads what is left of it after a crop. So do ops that need maps of equal sizes; a sum with a
 * larger map, of which it takes every n-th pixel, reads these. A bundle that
 * comes in is taken apart by slices, one that goes out put together by a concat.
 *
 * Invariant: tensor made[t] of the tile holds region regions[place[t]] of tensor t.
 *
 * Worked example: the residual block of partition/stage.c, rows [4,6) of 10: the input is rows
 * [3,7), 4 of them. conv3x3 reads it with pad_top = 1 + 3 - 4 = 0 and puts out 2 rows; the sum
 * needs t0 in rows [4,6): crop from row 1 on, 2 rows.
 *
 * Not done: crops as views.
 *
 * Reference: Zhao, Barijough, Gerstlauer, "DeepThings", IEEE TCAD 37(11), 2018, section IV, for
 * the regions; there tiles are no networks of their own.
 */
#include "partition/tile_graph.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "model/graph_build.h"

enum { NONE = -1 };

/* A tile in the making. Arrays by tensor of the whole graph. */
struct making {
    const struct tess_stage *stage;
    struct tess_graph_builder builder;
    struct tess_region *regions; /* [n_ops + 1] of tess_stage_regions */
    int *made;                   /* tensor in the tile, NONE so far */
    int *cropped;                /* and its latest crop, NONE if there is none, */
    struct tess_region *crops;   /* which holds this region */
    int *origins, capacity;      /* of the ops so far */
    int result;                  /* tensor in the tile that is the output bundle */
};

static enum tess_status start(struct making *making, struct tess_error *error)
{
    const struct tess_stage *stage = making->stage;
    size_t n_tensors = (size_t)stage->graph->n_tensors;
    /* Each op brings a crop for each of its inputs at most, bundles their slices, a concat
     * and its crops. */
    making->capacity = stage->input.n_tensors + stage->output.n_tensors + 1;
    for (int at = 0; at < stage->n_ops; at++)
        making->capacity += 1 + stage->graph->ops[stage->ops[at]].n_inputs;
    making->regions = calloc((size_t)stage->n_ops + 1, sizeof *making->regions);
    making->made = malloc(sizeof *making->made * n_tensors);
    making->cropped = malloc(sizeof *making->cropped * n_tensors);
    making->crops = calloc(n_tensors, sizeof *making->crops);
    making->origins = malloc(sizeof *making->origins * (size_t)making->capacity);
    if (!making->regions || !making->made || !making->cropped || !making->crops ||
        !making->origins)
        return tess_error_nomem(error);
    for (size_t tensor = 0; tensor < n_tensors; tensor++)
        making->made[tensor] = making->cropped[tensor] = NONE;
    return tess_graph_builder_init(&making->builder, stage->graph->name, error);
}

static void end(struct making *making)
{
    free(making->regions);
    free(making->made);
    free(making->cropped);
    free(making->crops);
    free(making->origins);
    tess_graph_builder_release(&making->builder);
}

static struct tess_shape shape_of(const struct tess_region *region, int channels)
{
    return (struct tess_shape){tess_range_len(region->axis[TESS_ROWS]),
                               tess_range_len(region->axis[TESS_COLS]), channels};
}

static const struct tess_region *region_of(const struct making *making, int tensor)
{
    int place = making->stage->place[tensor];
    assert(place >= 0);
    return &making->regions[place];
}

static enum tess_status add_op(struct making *making, const struct tess_op *op,
                               struct tess_shape shape, int origin, int *tensor_out,
                               struct tess_error *error)
{
    int n_ops = making->builder.graph->n_ops;
    assert(n_ops < making->capacity);
    making->origins[n_ops] = origin;
    return tess_graph_builder_add_op(&making->builder, op, shape, tensor_out, error);
}

/* Takes the input bundle apart. */
static enum tess_status add_inputs(struct making *making, struct tess_error *error)
{
    const struct tess_stage *stage = making->stage;
    const struct tess_bundle *bundle = &stage->input;
    const struct tess_region *region = &making->regions[stage->n_ops];
    int input = TESS_GRAPH_INPUT, first_layer = stage->graph->ops[stage->ops[0]].layer;
    struct tess_op slice = tess_op_neutral(TESS_OP_SLICE, first_layer, &input);
    enum tess_status status = TESS_OK;
    tess_graph_builder_set_input(&making->builder, shape_of(region, bundle->c));
    if (bundle->n_tensors == 1)
        making->made[bundle->tensors[0]] = TESS_GRAPH_INPUT;
    for (int i = 0; i < bundle->n_tensors && bundle->n_tensors > 1; i++) {
        int tensor = bundle->tensors[i], channels = stage->graph->tensors[tensor].c;
        status = add_op(making, &slice, shape_of(region, channels), NONE,
                        &making->made[tensor], error);
        if (status != TESS_OK)
            return status;
        slice.channel_begin += channels;
    }
    return TESS_OK;
}

/* Every `stride`-th pixel of `tensor` from those in `region` on, as many as `shape` says. */
static enum tess_status add_crop(struct making *making, int tensor,
                                 const struct tess_region *region, int stride,
                                 struct tess_shape shape, int layer, int *tensor_out,
                                 struct tess_error *error)
{
    const struct tess_region *has = region_of(making, tensor);
    struct tess_op op = tess_op_neutral(TESS_OP_CROP, layer, &making->made[tensor]);
    op.row_begin = region->axis[TESS_ROWS].begin - has->axis[TESS_ROWS].begin;
    op.col_begin = region->axis[TESS_COLS].begin - has->axis[TESS_COLS].begin;
    op.window.stride_h = op.window.stride_w = stride;
    return add_op(making, &op, shape, NONE, tensor_out, error);
}

/* The tile's tensor that holds exactly `region` of `tensor`. */
static enum tess_status crop(struct making *making, int tensor,
                             const struct tess_region *region, int layer, int *tensor_out,
                             struct tess_error *error)
{
    const struct tess_region *has = region_of(making, tensor);
    assert(making->made[tensor] != NONE);
    if (tess_region_is_equal(has, region)) {
        *tensor_out = making->made[tensor];
        return TESS_OK;
    }
    if (making->cropped[tensor] == NONE ||
        !tess_region_is_equal(&making->crops[tensor], region)) {
        int channels = making->stage->graph->tensors[tensor].c;
        enum tess_status status =
            add_crop(making, tensor, region, 1, shape_of(region, channels), layer,
                     &making->cropped[tensor], error);
        if (status != TESS_OK)
            return status;
        making->crops[tensor] = *region;
    }
    *tensor_out = making->cropped[tensor];
    return TESS_OK;
}

/* Does the op take its input as it is, which holds `has` rather than just `reads`? */
static bool takes_more(const struct tess_op *op, int input, const struct tess_region *has,
                       const struct tess_region *reads)
{
    switch (op->kind) {
    case TESS_OP_SLICE: return true; /* its region follows its input's */
    case TESS_OP_CROP: return true;
    case TESS_OP_CONV:
    case TESS_OP_MAXPOOL: /* lines after those it reads are just not read */
        return input == 0 && has->axis[TESS_ROWS].begin == reads->axis[TESS_ROWS].begin &&
               has->axis[TESS_COLS].begin == reads->axis[TESS_COLS].begin;
    case TESS_OP_CONNECTED:
    case TESS_OP_AVGPOOL:
    case TESS_OP_CONCAT:
    case TESS_OP_ADD:
    case TESS_OP_UPSAMPLE:
    case TESS_OP_REORG:
    case TESS_OP_SOFTMAX:
    case TESS_OP_REGION:
    case TESS_OP_YOLO: break;
    }
    return false;
}

/* Input number `input` of op `id`, where the op can read it: its tensor in the tile and the
 * region that this holds. */
static enum tess_status find_input(struct making *making, int id, int input,
                                   int *tensor_out, struct tess_region *holds_out,
                                   struct tess_error *error)
{
    const struct tess_graph *whole = making->stage->graph;
    const struct tess_op *op = &whole->ops[id];
    int tensor = op->inputs[input];
    const struct tess_region *computes = region_of(making, op->output);
    const struct tess_region *has = region_of(making, tensor);
    struct tess_region reads;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++)
        reads.axis[axis] = tess_range_clamp(
            tess_op_reads(whole, id, input, (enum tess_axis)axis, computes->axis[axis]),
            tess_tensor_extent(&whole->tensors[tensor], (enum tess_axis)axis));
    int stride = whole->tensors[tensor].w / whole->tensors[op->output].w;
    if (op->kind == TESS_OP_ADD && input == 1 && stride > 1 && making->stage->can_cut) {
        *holds_out = *computes;
        return add_crop(making, tensor, &reads, stride,
                        shape_of(computes, whole->tensors[tensor].c), op->layer,
                        tensor_out, error);
    }
    bool is_whole = !making->stage->can_cut; /* everything is then computed as ever */
    *holds_out = is_whole || takes_more(op, input, has, &reads) ? *has : reads;
    return crop(making, tensor, holds_out, op->layer, tensor_out, error);
}

static int pad_of(int stride, int pad, const struct tess_region *in,
                  const struct tess_region *out, enum tess_axis axis)
{
    int moved = pad + in->axis[axis].begin - stride * out->axis[axis].begin; /* (1) */
    assert(moved >= 0);
    return moved;
}

/* Moves the op from the map to the region `out` of it, given the region of its first input. */
static void move_window(struct tess_op *op, const struct tess_region *in,
                        const struct tess_region *out)
{
    struct tess_window *window = &op->window;
    if (op->kind == TESS_OP_CONV || op->kind == TESS_OP_MAXPOOL) {
        window->pad_top = pad_of(window->stride_h, window->pad_top, in, out, TESS_ROWS);
        window->pad_left = pad_of(window->stride_w, window->pad_left, in, out, TESS_COLS);
    }
    if (op->kind == TESS_OP_CROP) {
        op->row_begin += window->stride_h * out->axis[TESS_ROWS].begin;
        op->row_begin -= in->axis[TESS_ROWS].begin;
        op->col_begin += window->stride_w * out->axis[TESS_COLS].begin;
        op->col_begin -= in->axis[TESS_COLS].begin;
    }
}

static enum tess_status copy_op(struct making *making, int id, struct tess_error *error)
{
    const struct tess_graph *whole = making->stage->graph;
    struct tess_op copy = whole->ops[id];
    const struct tess_region *out = region_of(making, copy.output);
    int channels = whole->tensors[copy.output].c, output = copy.output;
    struct tess_region holds[2] = {{{{0, 0}, {0, 0}}}};
    enum tess_status status = TESS_OK;
    copy.inputs = malloc(sizeof *copy.inputs * (size_t)copy.n_inputs);
    if (!copy.inputs)
        return tess_error_nomem(error);
    for (int i = 0; i < copy.n_inputs && status == TESS_OK; i++)
        status =
            find_input(making, id, i, &copy.inputs[i], &holds[tess_min_int(i, 1)], error);
    if (status == TESS_OK) {
        move_window(&copy, &holds[0], out);
        status = add_op(making, &copy, shape_of(out, channels), id, &making->made[output],
                        error);
    }
    free(copy.inputs);
    return status;
}

/* Puts the output bundle together. */
static enum tess_status add_output(struct making *making,
                                   const struct tess_region *output, int *tensor_out,
                                   struct tess_error *error)
{
    const struct tess_stage *stage = making->stage;
    const struct tess_bundle *bundle = &stage->output;
    int layer = stage->graph->ops[stage->ops[stage->n_ops - 1]].layer;
    enum tess_status status = TESS_OK;
    int *parts = malloc(sizeof *parts * (size_t)bundle->n_tensors);
    if (!parts)
        return tess_error_nomem(error);
    for (int i = 0; i < bundle->n_tensors && status == TESS_OK; i++)
        status = crop(making, bundle->tensors[i], output, layer, &parts[i], error);
    if (status == TESS_OK && bundle->n_tensors > 1) {
        struct tess_op concat = tess_op_neutral(TESS_OP_CONCAT, layer, parts);
        concat.n_inputs = bundle->n_tensors;
        status =
            add_op(making, &concat, shape_of(output, bundle->c), NONE, tensor_out, error);
    } else if (status == TESS_OK) {
        *tensor_out = parts[0];
    }
    free(parts);
    return status;
}

/* Is it the output of an op that only the tile has? */
static bool is_own(const struct making *making, int tensor)
{
    const struct tess_graph *graph = making->builder.graph;
    for (int op = 0; op < graph->n_ops; op++)
        if (graph->ops[op].output == tensor)
            return making->origins[op] == NONE;
    return false;
}

/* The layers keep their numbers; those outside the stage put nothing out. */
static enum tess_status add_layers(struct making *making, int output,
                                   struct tess_error *error)
{
    const struct tess_stage *stage = making->stage;
    const struct tess_graph *whole = stage->graph;
    int last = whole->ops[stage->ops[stage->n_ops - 1]].layer;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < whole->n_layers && status == TESS_OK; i++) {
        const struct tess_layer *layer = &whole->layers[i];
        bool is_bundle = i == last && is_own(making, output);
        int tensor = is_bundle ? output : NONE;
        if (i <= last && !is_bundle && layer->tensor >= 0 &&
            stage->place[layer->tensor] >= 0 &&
            stage->place[layer->tensor] < stage->n_ops)
            tensor = making->made[layer->tensor];
        status = tess_graph_builder_add_layer(&making->builder, layer->name, layer->line,
                                              tensor, error);
    }
    return status;
}

static enum tess_status make(struct making *making, const struct tess_region *output,
                             struct tess_error *error)
{
    const struct tess_stage *stage = making->stage;
    int result = NONE;
    tess_stage_regions(stage, output, making->regions);
    enum tess_status status = add_inputs(making, error);
    for (int at = 0; at < stage->n_ops && status == TESS_OK; at++)
        status = copy_op(making, stage->ops[at], error);
    if (status == TESS_OK)
        status = add_output(making, output, &result, error);
    if (status == TESS_OK)
        status = add_layers(making, result, error);
    making->result = result;
    return status;
}

static int op_of(const struct tess_graph *graph, int tensor)
{
    return graph->tensors[tensor].producer;
}

static enum tess_status set_sides(const struct making *making,
                                  struct tess_tile_graph *tile, struct tess_error *error)
{
    const struct tess_stage *stage = making->stage;
    struct tess_region part = tess_stage_side(stage, &tile->output);
    size_t n_sides = (size_t)stage->side.n_tensors;
    tile->sides = calloc(n_sides + 1, sizeof *tile->sides);
    if (!tile->sides)
        return tess_error_nomem(error);
    for (int i = 0; i < stage->side.n_tensors; i++) {
        int tensor = stage->side.tensors[i];
        const struct tess_region *has = region_of(making, tensor);
        tile->sides[tile->n_sides++] = (struct tess_tile_side){
            .op = op_of(tile->graph, making->made[tensor]),
            .row = part.axis[TESS_ROWS].begin - has->axis[TESS_ROWS].begin,
            .col = part.axis[TESS_COLS].begin - has->axis[TESS_COLS].begin,
            .h = tess_range_len(part.axis[TESS_ROWS]),
            .w = tess_range_len(part.axis[TESS_COLS])};
    }
    tile->output_op = op_of(tile->graph, making->result);
    return TESS_OK;
}

enum tess_status tess_tile_graph_init(struct tess_tile_graph *tile,
                                      const struct tess_stage *stage,
                                      const struct tess_region *output,
                                      struct tess_error *error)
{
    struct making making = {.stage = stage};
    memset(tile, 0, sizeof *tile);
    enum tess_status status = start(&making, error);
    if (status == TESS_OK)
        status = make(&making, output, error);
    if (status != TESS_OK)
        goto out;
    making.builder.graph->n_weights = stage->graph->n_weights;
    status = tess_graph_builder_finish(&making.builder, &tile->graph, error);
    if (status != TESS_OK)
        goto out;
    tile->origins = making.origins;
    making.origins = NULL;
    tile->input = making.regions[stage->n_ops];
    tile->output = *output;
    status = set_sides(&making, tile, error);
out:
    if (status != TESS_OK)
        tess_tile_graph_release(tile);
    end(&making);
    return status;
}

void tess_tile_graph_release(struct tess_tile_graph *tile)
{
    if (!tile)
        return;
    tess_graph_destroy(tile->graph);
    free(tile->origins);
    free(tile->sides);
    memset(tile, 0, sizeof *tile);
}
