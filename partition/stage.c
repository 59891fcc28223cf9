/* Problem: what must be computed of every op of a stage, and read of its inputs, to have one
 * rectangle of its outputs.
 *
 * Method: walk the ops backward; an op's region is the hull of what later ops read of its output
 * and of the rectangle, if it puts out a part of it. A region is widened where an op computes
 * more than is asked for: whole blocks of an upsampling, and two lines rather than one pixel. Then
 * forward: a slice has the rows and columns of what it is taken from, since it costs nothing.
 *
 * Invariant: when an op is visited, the regions of all its readers in the stage are final.
 *
 * Cost: O(sum of inputs).
 *
 * Worked example: a residual block on 10 rows, t1 = conv3x3(t0), t2 = t1 + t0, rows [4,6) of t2:
 *     t2 [4,6)   t1 [4,6)   t0: hull of [3,7) for the convolution and [4,6) for the sum: [3,7)
 */
#include "partition/stage.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "model/graph_build.h"

enum { NOWHERE = -1 };

static int layer_of(const struct tess_graph *graph, int tensor)
{
    int producer = graph->tensors[tensor].producer;
    return producer < 0 ? -1 : graph->ops[producer].layer;
}

/* Adds a tensor to the end of a bundle that has room. */
static enum tess_status add_tensor(const struct tess_stage *stage,
                                   struct tess_bundle *bundle, int tensor,
                                   struct tess_error *error)
{
    const struct tess_graph *graph = stage->graph;
    const struct tess_tensor *added = &graph->tensors[tensor];
    assert(bundle->n_tensors == 0 || tensor > bundle->tensors[bundle->n_tensors - 1]);
    if (bundle->n_tensors > 0 && (added->h != bundle->h || added->w != bundle->w)) {
        int first = layer_of(graph, bundle->tensors[0]), second = layer_of(graph, tensor);
        tess_error_set(error, TESS_E_CONFIG,
                       "the stage of layers %d to %d %s maps of two sizes, of layers %d "
                       "and %d (-1 is the network's input)",
                       graph->ops[stage->ops[0]].layer,
                       graph->ops[stage->ops[stage->n_ops - 1]].layer,
                       bundle == &stage->input ? "reads" : "puts out", first, second);
        tess_error_hint(error, "end a stage before or after layer %d",
                        first < second ? second : first);
        return TESS_E_CONFIG;
    }
    struct tess_shape shape = {added->h, added->w, (int64_t)bundle->c + added->c};
    if (!tess_shape_is_sane(shape))
        return tess_error_set(error, TESS_E_CONFIG,
                              "the maps that cross the cut at layer %d are more than one "
                              "tensor may hold",
                              layer_of(graph, tensor));
    bundle->tensors[bundle->n_tensors++] = tensor;
    bundle->h = added->h;
    bundle->w = added->w;
    bundle->c += added->c;
    return TESS_OK;
}

static bool is_read_outside(const struct tess_stage *stage,
                            const struct tess_tensor *tensor)
{
    bool is_outside = tensor->is_output;
    for (int i = 0; i < tensor->n_consumers; i++) {
        int output = stage->graph->ops[tensor->consumers[i]].output;
        int place = stage->place[output];
        is_outside = is_outside || place == NOWHERE || place == stage->n_ops;
    }
    return is_outside;
}

static void mark_places(struct tess_stage *stage)
{
    const struct tess_graph *graph = stage->graph;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++)
        stage->place[tensor] = NOWHERE;
    for (int at = 0; at < stage->n_ops; at++)
        stage->place[graph->ops[stage->ops[at]].output] = at;
    for (int at = 0; at < stage->n_ops; at++) {
        const struct tess_op *op = &graph->ops[stage->ops[at]];
        for (int i = 0; i < op->n_inputs; i++)
            if (stage->place[op->inputs[i]] == NOWHERE)
                stage->place[op->inputs[i]] = stage->n_ops;
    }
}

static bool is_put_out(const struct tess_stage *stage, int tensor)
{
    int place = stage->place[tensor];
    return place != NOWHERE && place != stage->n_ops &&
           is_read_outside(stage, &stage->graph->tensors[tensor]);
}

/* Of what is put out, a map with the fewest rows, then columns. */
static const struct tess_tensor *smallest_output(const struct tess_stage *stage)
{
    const struct tess_graph *graph = stage->graph;
    const struct tess_tensor *smallest = NULL;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        const struct tess_tensor *map = &graph->tensors[tensor];
        if (is_put_out(stage, tensor) &&
            (!smallest || map->h < smallest->h ||
             (map->h == smallest->h && map->w < smallest->w)))
            smallest = map;
    }
    return smallest;
}

static bool is_read_inside(const struct tess_stage *stage,
                           const struct tess_tensor *tensor)
{
    for (int i = 0; i < tensor->n_consumers; i++) {
        int output = stage->graph->ops[tensor->consumers[i]].output;
        int place = stage->place[output];
        if (place != NOWHERE && place != stage->n_ops)
            return true;
    }
    return false;
}

/* The bundle for a map that is put out: one of another size than the smallest is on the side, if
 * it is so and so many times as large. One that is read inside, too, is not: of that a tile
 * computes what its readers take, which may be less. */
static struct tess_bundle *bundle_for(struct tess_stage *stage,
                                      const struct tess_tensor *smallest, int tensor)
{
    const struct tess_tensor *map = &stage->graph->tensors[tensor];
    bool is_alike = map->h == smallest->h && map->w == smallest->w;
    bool is_multiple = map->h % smallest->h == 0 && map->w % smallest->w == 0;
    return is_alike || !is_multiple || is_read_inside(stage, map) ? &stage->output
                                                                  : &stage->side;
}

static enum tess_status find_bundles(struct tess_stage *stage, struct tess_error *error)
{
    const struct tess_graph *graph = stage->graph;
    const struct tess_tensor *smallest = smallest_output(stage);
    enum tess_status status = TESS_OK;
    for (int tensor = 0; tensor < graph->n_tensors && status == TESS_OK; tensor++) {
        if (stage->place[tensor] == stage->n_ops)
            status = add_tensor(stage, &stage->input, tensor, error);
        else if (is_put_out(stage, tensor))
            status =
                add_tensor(stage, bundle_for(stage, smallest, tensor), tensor, error);
    }
    if (status == TESS_OK && stage->side.n_tensors > 0) {
        stage->side_scale[TESS_ROWS] = stage->side.h / stage->output.h;
        stage->side_scale[TESS_COLS] = stage->side.w / stage->output.w;
    }
    return status;
}

/* A sum with a larger map takes some pixels of it, which a crop can do beforehand; what a smaller
 * one reaches depends on the widths of whole maps. */
static bool can_cut(const struct tess_graph *graph, const struct tess_op *op)
{
    if (op->kind == TESS_OP_ADD) {
        const struct tess_tensor *from = &graph->tensors[op->inputs[1]];
        const struct tess_tensor *to = &graph->tensors[op->output];
        return from->h >= to->h && from->w >= to->w;
    }
    return !tess_op_reads_whole(op);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

enum tess_status tess_stage_init(struct tess_stage *stage, const struct tess_graph *graph,
                                 const int *ops, int n_ops, struct tess_error *error)
{
    assert(n_ops > 0 && n_ops <= graph->n_ops);
    size_t n_tensors = (size_t)graph->n_tensors;
    memset(stage, 0, sizeof *stage);
    stage->graph = graph;
    stage->n_ops = n_ops;
    stage->ops = malloc(sizeof *stage->ops * (size_t)n_ops);
    stage->place = malloc(sizeof *stage->place * n_tensors);
    stage->input.tensors = malloc(sizeof *stage->input.tensors * n_tensors);
    stage->output.tensors = malloc(sizeof *stage->output.tensors * (size_t)n_ops);
    stage->side.tensors = malloc(sizeof *stage->side.tensors * (size_t)n_ops);
    enum tess_status status = TESS_OK;
    if (!stage->ops || !stage->place || !stage->input.tensors || !stage->output.tensors ||
        !stage->side.tensors) {
        status = tess_error_nomem(error);
        goto out;
    }
    memcpy(stage->ops, ops, sizeof *ops * (size_t)n_ops);
    qsort(stage->ops, (size_t)n_ops, sizeof *stage->ops, compare_ints);
    stage->can_cut = true;
    for (int at = 0; at < n_ops; at++) {
        assert(at == 0 || stage->ops[at] > stage->ops[at - 1]);
        stage->can_cut = stage->can_cut && can_cut(graph, &graph->ops[stage->ops[at]]);
    }
    mark_places(stage);
    status = find_bundles(stage, error);
out:
    if (status != TESS_OK)
        tess_stage_release(stage);
    return status;
}

void tess_stage_release(struct tess_stage *stage)
{
    if (!stage)
        return;
    free(stage->ops);
    free(stage->place);
    free(stage->input.tensors);
    free(stage->output.tensors);
    free(stage->side.tensors);
    memset(stage, 0, sizeof *stage);
}

int64_t tess_stage_pixel_values(const struct tess_stage *stage)
{
    int64_t n_pixels =
        (int64_t)stage->side_scale[TESS_ROWS] * stage->side_scale[TESS_COLS];
    return stage->output.c + n_pixels * stage->side.c;
}

struct tess_region tess_stage_side(const struct tess_stage *stage,
                                   const struct tess_region *output)
{
    struct tess_region side = *output;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        side.axis[axis].begin *= stage->side_scale[axis];
        side.axis[axis].end *= stage->side_scale[axis];
    }
    return side;
}

struct tess_region tess_stage_whole(const struct tess_stage *stage)
{
    return (struct tess_region){{{0, stage->output.h}, {0, stage->output.w}}};
}

static void all_whole(const struct tess_stage *stage, struct tess_region *regions_out)
{
    const struct tess_graph *graph = stage->graph;
    for (int at = 0; at < stage->n_ops; at++)
        regions_out[at] =
            tess_region_whole(&graph->tensors[graph->ops[stage->ops[at]].output]);
    regions_out[stage->n_ops] =
        (struct tess_region){{{0, stage->input.h}, {0, stage->input.w}}};
}

/* What the op computes when `range` of its output is asked for. */
static struct tess_range widened(const struct tess_graph *graph, const struct tess_op *op,
                                 enum tess_axis axis, struct tess_range range)
{
    const struct tess_tensor *out = &graph->tensors[op->output];
    if (tess_tensor_is_pixel_thin(out, axis))
        range = tess_range_two_lines(range, tess_tensor_extent(out, axis));
    if (op->kind == TESS_OP_UPSAMPLE) {
        range.begin = range.begin / op->factor * op->factor;
        range.end = (int)tess_round_up(range.end, op->factor);
    }
    return range;
}

static void propagate(const struct tess_stage *stage, enum tess_axis axis,
                      struct tess_region *regions)
{
    const struct tess_graph *graph = stage->graph;
    for (int at = stage->n_ops - 1; at >= 0; at--) {
        int id = stage->ops[at];
        const struct tess_op *op = &graph->ops[id];
        struct tess_range *range = &regions[at].axis[axis];
        assert(!tess_range_is_empty(*range));
        *range = widened(graph, op, axis, *range);
        for (int input = 0; input < op->n_inputs; input++) {
            int tensor = op->inputs[input], from = stage->place[tensor];
            assert(from > NOWHERE && (from < at || from == stage->n_ops));
            struct tess_range reads =
                tess_range_clamp(tess_op_reads(graph, id, input, axis, *range),
                                 tess_tensor_extent(&graph->tensors[tensor], axis));
            struct tess_range *read = &regions[from].axis[axis];
            *read = tess_range_hull(*read, reads);
        }
    }
}

void tess_stage_regions(const struct tess_stage *stage, const struct tess_region *output,
                        struct tess_region *regions_out)
{
    const struct tess_graph *graph = stage->graph;
    struct tess_region whole = tess_stage_whole(stage);
    if (!stage->can_cut) {
        assert(tess_region_is_equal(output, &whole));
        all_whole(stage, regions_out);
        return;
    }
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++)
        assert(output->axis[axis].begin >= 0 &&
               !tess_range_is_empty(output->axis[axis]) &&
               output->axis[axis].end <= whole.axis[axis].end);
    (void)whole;
    memset(regions_out, 0, sizeof *regions_out * (size_t)(stage->n_ops + 1));
    for (int i = 0; i < stage->output.n_tensors; i++)
        regions_out[stage->place[stage->output.tensors[i]]] = *output;
    for (int i = 0; i < stage->side.n_tensors; i++)
        regions_out[stage->place[stage->side.tensors[i]]] =
            tess_stage_side(stage, output);
    propagate(stage, TESS_ROWS, regions_out);
    propagate(stage, TESS_COLS, regions_out);
    for (int at = 0; at < stage->n_ops; at++) {
        const struct tess_op *op = &graph->ops[stage->ops[at]];
        if (op->kind == TESS_OP_SLICE)
            regions_out[at] = regions_out[stage->place[op->inputs[0]]];
    }
}

int64_t tess_stage_macs(const struct tess_stage *stage, const struct tess_region *regions)
{
    const struct tess_graph *graph = stage->graph;
    int64_t macs = 0;
    for (int at = 0; at < stage->n_ops; at++) {
        const struct tess_op *op = &graph->ops[stage->ops[at]];
        const struct tess_tensor *out = &graph->tensors[op->output];
        int64_t per_pixel = tess_op_macs(graph, op) / ((int64_t)out->h * out->w);
        macs += per_pixel * tess_region_n_pixels(&regions[at]);
    }
    return macs;
}
