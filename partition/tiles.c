/* Problem: cut a group of ops into a grid so that the tiles' shares of every output are
 * exact, tiles know what to compute of every op, and their work is even.
 *
 * Method: the axes are independent. Per axis and tile, walk the ops backward: an op's
 * range is the hull of its share and of what later ops of the group read of it, clamped
 * to the map. With halos reused, do so for all tiles up to this one at once (ranges from
 * line 0 on) and keep what lies beyond the ranges of the tile before. Rows of halos reused are
 * driven from the other side: each band brings the next rows of the ops that read nothing of the
 * group, and every other op follows as far as its inputs have come. No op waits for rows that
 * later ops ask for, so none has to keep more than its window and the rows of one step.
 *
 * Invariant: when op k is visited, the ranges of all its readers in the group are final,
 * because readers come later in the order.
 *
 * Cost: O(tiles * sum of inputs) per axis, where looking up a producer's position is
 * O(1).
 *
 * Worked example: two 3x3 stride-1 convolutions on 10 rows, 2 tiles, recompute.
 *   shares of op 1:   [0,5) [5,10)
 *   computes of op 0: reads of op 1 clamped = [-1,6) -> [0,6), [4,11) -> [4,10)
 *   reuse instead, columns: op 0: [0,6) and [6,10)
 *   reuse instead, rows:    op 0: [0,5) and [5,10); op 1: [0,4) and [4,10)
 *
 * Not done: tiles of different shapes in one row of the grid.
 *
 * Reference: Zhao, Barijough, Gerstlauer, "DeepThings", IEEE TCAD 37(11), 2018, section
 * IV.
 */
#include "partition/tiles.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

bool tess_tiles_can_cut(const struct tess_graph *graph, const int *ops, int n_ops,
                        int *op_out)
{
    for (int at = 0; at < n_ops; at++) {
        if (tess_op_reads_whole(&graph->ops[ops[at]])) {
            if (op_out)
                *op_out = ops[at];
            return false;
        }
    }
    return true;
}

void tess_split_extent(int extent, int n_parts, int outer_bonus, int *edges_out)
{
    assert(n_parts > 0 && extent >= n_parts && outer_bonus >= 0);
    /* The bonus must leave at least one row for each interior part. */
    int bonus = n_parts > 2 ? tess_min_int(outer_bonus, (extent - n_parts) / 2) : 0;
    int shared = extent - 2 * bonus;
    edges_out[0] = 0;
    for (int part = 1; part < n_parts; part++)
        edges_out[part] = bonus + (int)((int64_t)shared * part / n_parts);
    edges_out[n_parts] = extent;
}

static struct tess_range *range_at(struct tess_range *ranges,
                                   const struct tess_tiles *tiles, int tile, int at)
{
    return &ranges[(size_t)tile * (size_t)tiles->n_ops + (size_t)at];
}

struct tess_range tess_tiles_computes(const struct tess_tiles *tiles, enum tess_axis axis,
                                      int tile, int at)
{
    assert(tile >= 0 && tile < tiles->axis[axis].n_tiles && at >= 0 && at < tiles->n_ops);
    return *range_at(tiles->axis[axis].computes, tiles, tile, at);
}

struct tess_range tess_tiles_share(const struct tess_tiles *tiles, enum tess_axis axis,
                                   int tile, int at)
{
    assert(tile >= 0 && tile < tiles->axis[axis].n_tiles && at >= 0 && at < tiles->n_ops);
    return *range_at(tiles->axis[axis].shares, tiles, tile, at);
}

static const struct tess_tensor *output_of(const struct tess_tiles *tiles, int at)
{
    return &tiles->graph->tensors[tiles->graph->ops[tiles->ops[at]].output];
}

/* Marks the tensors that leave the group. `position` maps op id to place in the group or
 * -1. */
static void find_outputs(struct tess_tiles *tiles, const int *position)
{
    for (int at = 0; at < tiles->n_ops; at++) {
        const struct tess_tensor *tensor = output_of(tiles, at);
        bool is_read_outside = tensor->is_output;
        for (int i = 0; i < tensor->n_consumers; i++)
            if (position[tensor->consumers[i]] < 0)
                is_read_outside = true;
        tiles->is_output[at] = is_read_outside;
    }
}

/* Widens a range of one line to two. With halos reused, the lines that count are those
 * beyond `n_done`, and the lines that it leaves to later tiles are none or two, as well.
 */
static struct tess_range with_two_lines(struct tess_range range, enum tess_halo halo,
                                        int n_done, int extent)
{
    assert(extent > 1);
    if (halo == TESS_HALO_REUSE && range.end > n_done) {
        assert(n_done <= extent - 2);
        range.end = tess_max_int(range.end, n_done + 2);
        if (range.end == extent - 1)
            range.end = extent;
    } else if (halo == TESS_HALO_RECOMPUTE) {
        range = tess_range_two_lines(range, extent);
    }
    return range;
}

/* Adds to the computes of one tile all that its shares need, walking backward. `ends`
 * [n_ops]: how far earlier tiles of a cut axis have come; NULL to take single lines as
 * they are. */
static void propagate(struct tess_tiles *tiles, enum tess_axis axis, const int *position,
                      const int *ends, struct tess_range *computes)
{
    const struct tess_graph *graph = tiles->graph;
    for (int at = tiles->n_ops - 1; at >= 0; at--) {
        const struct tess_op *op = &graph->ops[tiles->ops[at]];
        if (ends && tess_tensor_is_pixel_thin(output_of(tiles, at), axis))
            computes[at] = with_two_lines(computes[at], tiles->tiling.halo, ends[at],
                                          tess_tensor_extent(output_of(tiles, at), axis));
        for (int input = 0; input < op->n_inputs; input++) {
            int producer = graph->tensors[op->inputs[input]].producer;
            int from = producer < 0 ? -1 : position[producer];
            if (from < 0)
                continue; /* comes from outside the group, whole */
            assert(from < at);
            struct tess_range reads =
                tess_op_reads(graph, tiles->ops[at], input, axis, computes[at]);
            int extent = tess_tensor_extent(output_of(tiles, from), axis);
            reads = tess_range_clamp(reads, extent);
            /* Ranges of halos reused begin at line 0, also behind a crop. */
            if (tiles->tiling.halo == TESS_HALO_REUSE && !tess_range_is_empty(reads))
                reads.begin = 0;
            computes[from] = tess_range_hull(computes[from], reads);
        }
    }
}

static int64_t macs_per_line(const struct tess_tiles *tiles, int at, enum tess_axis axis)
{
    int64_t macs = tess_op_macs(tiles->graph, &tiles->graph->ops[tiles->ops[at]]);
    return macs / tess_tensor_extent(output_of(tiles, at), axis);
}

/* How many lines of the last output a one-sided halo costs in work: the mean over the
 * group of the lines recomputed beside an interior tile, weighted by multiply-adds. */
static int halo_in_output_lines(struct tess_tiles *tiles, enum tess_axis axis,
                                const int *position, struct tess_range *scratch)
{
    int last = tiles->n_ops - 1;
    int extent = tess_tensor_extent(output_of(tiles, last), axis);
    memset(scratch, 0, sizeof *scratch * (size_t)tiles->n_ops);
    scratch[last] = (struct tess_range){extent / 2, extent / 2 + 1};
    propagate(tiles, axis, position, NULL, scratch);
    int64_t work = 0, useful = 0;
    for (int at = 0; at < tiles->n_ops; at++) {
        int64_t per_line = macs_per_line(tiles, at, axis);
        int64_t lines = tess_tensor_extent(output_of(tiles, at), axis);
        work += per_line * tess_range_len(scratch[at]);
        useful += per_line * lines / extent;
    }
    if (useful <= 0 || work <= useful)
        return 0;
    return (int)(work / (2 * useful)); /* (work - useful) / (2 useful), rounded */
}

/* Keeps of every range only what lies beyond the same op's range in the tile before. */
static void keep_new_part(struct tess_tiles *tiles, struct tess_tile_axis *axis, int tile,
                          int *ends)
{
    for (int at = 0; at < tiles->n_ops; at++) {
        struct tess_range *range = range_at(axis->computes, tiles, tile, at);
        if (tess_range_is_empty(*range)) {
            *range = (struct tess_range){0, 0};
            continue;
        }
        range->begin = tess_max_int(range->begin, ends[at]);
        ends[at] = tess_max_int(ends[at], range->end);
        if (tess_range_is_empty(*range))
            *range = (struct tess_range){0, 0};
    }
}

/* How far op `at` can come when its inputs from the group are complete up to `ends`. */
static int reach(const struct tess_tiles *tiles, const int *position, const int *ends,
                 int at, int limit)
{
    const struct tess_graph *graph = tiles->graph;
    const struct tess_op *op = &graph->ops[tiles->ops[at]];
    int end = ends[at];
    for (; end < limit; end++) {
        struct tess_range row = {end, end + 1};
        for (int input = 0; input < op->n_inputs; input++) {
            const struct tess_tensor *tensor = &graph->tensors[op->inputs[input]];
            int from = tensor->producer < 0 ? -1 : position[tensor->producer];
            if (from < 0)
                continue;
            struct tess_range reads = tess_range_clamp(
                tess_op_reads(graph, tiles->ops[at], input, TESS_ROWS, row), tensor->h);
            if (!tess_range_is_empty(reads) && reads.end > ends[from])
                return end;
        }
    }
    return end;
}

static bool reads_of_group(const struct tess_tiles *tiles, const int *position, int at)
{
    const struct tess_op *op = &tiles->graph->ops[tiles->ops[at]];
    for (int input = 0; input < op->n_inputs; input++) {
        int producer = tiles->graph->tensors[op->inputs[input]].producer;
        if (producer >= 0 && position[producer] >= 0)
            return true;
    }
    return false;
}

/* Cuts the rows of a group whose halos are reused. `needs` [n_ops] is scratch. */
static void stream_rows(struct tess_tiles *tiles, const int *position, int *ends,
                        struct tess_range *needs)
{
    struct tess_tile_axis *axis = &tiles->axis[TESS_ROWS];
    for (int at = 0; at < tiles->n_ops; at++) {
        int extent = output_of(tiles, at)->h;
        needs[at] = (struct tess_range){0, tiles->is_output[at] ? extent : 0};
        ends[at] = 0;
    }
    propagate(tiles, TESS_ROWS, position, ends, needs);
    for (int at = 0; at < tiles->n_ops; at++)
        ends[at] = needs[at].begin;
    for (int band = 0; band < axis->n_tiles; band++) {
        bool is_last = band == axis->n_tiles - 1;
        for (int at = 0; at < tiles->n_ops; at++) {
            const struct tess_tensor *out = output_of(tiles, at);
            int begin = ends[at], limit = needs[at].end;
            int due = (int)tess_div_up((int64_t)out->h * (band + 1), axis->n_tiles);
            int end = tess_min_int(due, limit);
            if (reads_of_group(tiles, position, at))
                end = reach(tiles, position, ends, at, limit);
            end = is_last ? limit : tess_max_int(end, begin);
            /* A single pixel is neither computed nor left over. */
            if (tess_tensor_is_pixel_thin(out, TESS_ROWS) && end == limit - 1)
                end--;
            if (tess_tensor_is_pixel_thin(out, TESS_ROWS) && end - begin == 1)
                end = begin;
            struct tess_range range = {begin, tess_max_int(end, begin)};
            ends[at] = range.end;
            *range_at(axis->computes, tiles, band, at) =
                tess_range_is_empty(range) ? (struct tess_range){0, 0} : range;
            if (tiles->is_output[at])
                *range_at(axis->shares, tiles, band, at) = range;
        }
    }
}

static void cut_axis(struct tess_tiles *tiles, enum tess_axis which, const int *position,
                     int *scratch)
{
    struct tess_tile_axis *axis = &tiles->axis[which];
    int last = tiles->n_ops - 1, n_tiles = axis->n_tiles;
    int *edges = scratch, *ends = scratch + n_tiles + 1;
    int reference = tess_tensor_extent(output_of(tiles, last), which);
    int bonus = 0;
    if (tiles->tiling.halo == TESS_HALO_RECOMPUTE && n_tiles > 2)
        bonus = halo_in_output_lines(tiles, which, position, axis->computes);
    /* Interior parts pay two halos and the outer parts one: giving each outer part one
     * halo more of the output makes all parts cost the same. */
    tess_split_extent(reference, n_tiles, bonus, edges);
    memset(ends, 0, sizeof *ends * (size_t)tiles->n_ops);
    for (int tile = 0; tile < n_tiles; tile++) {
        struct tess_range *computes = range_at(axis->computes, tiles, tile, 0);
        for (int at = 0; at < tiles->n_ops; at++) {
            struct tess_range share = {0, 0};
            int extent = tess_tensor_extent(output_of(tiles, at), which);
            if (tiles->is_output[at]) {
                share.begin = (int)((int64_t)edges[tile] * extent / reference);
                share.end = (int)((int64_t)edges[tile + 1] * extent / reference);
            }
            *range_at(axis->shares, tiles, tile, at) = share;
            /* An axis that is not cut is computed whole, lines that nobody reads
             * included: kernels that pad by themselves are made for calls of the full
             * width. */
            computes[at] = n_tiles == 1 ? (struct tess_range){0, extent} : share;
            /* From line 0 on: a tile in which one reader of an op rests must not skip
             * lines that this reader needs in the next tile. */
            if (tiles->tiling.halo == TESS_HALO_REUSE)
                computes[at].begin = 0;
        }
        propagate(tiles, which, position, n_tiles > 1 ? ends : NULL, computes);
        if (tiles->tiling.halo == TESS_HALO_REUSE)
            keep_new_part(tiles, axis, tile, ends);
    }
}

int tess_tiles_max_rows(const struct tess_graph *graph, const int *ops, int n_ops,
                        enum tess_halo halo)
{
    int max_rows = graph->tensors[graph->ops[ops[n_ops - 1]].output].h;
    for (int at = 0; at < n_ops && halo == TESS_HALO_REUSE; at++)
        max_rows = tess_max_int(max_rows, graph->tensors[graph->ops[ops[at]].output].h);
    return max_rows;
}

static enum tess_status check_grid(const struct tess_graph *graph, const int *ops,
                                   int n_ops, struct tess_tiling tiling,
                                   struct tess_error *error)
{
    const struct tess_op *last = &graph->ops[ops[n_ops - 1]];
    const struct tess_tensor *out = &graph->tensors[last->output];
    int blocker = 0;
    if (tiling.n_rows < 1 || tiling.n_cols < 1)
        return tess_error_set(error, TESS_E_CONFIG,
                              "a grid needs at least 1x1 tiles, not %dx%d", tiling.n_rows,
                              tiling.n_cols);
    if (tiling.n_rows == 1 && tiling.n_cols == 1)
        return TESS_OK;
    int max_rows = tess_tiles_max_rows(graph, ops, n_ops, tiling.halo);
    if (tiling.n_rows > max_rows || tiling.n_cols > out->w) {
        tess_error_set(error, TESS_E_CONFIG,
                       "grid %dx%d is finer than the %dx%d map that layer %d puts out",
                       tiling.n_rows, tiling.n_cols, out->h, out->w, last->layer);
        tess_error_hint(error, "use at most %dx%d tiles for this group", max_rows,
                        out->w);
        return TESS_E_CONFIG;
    }
    if (!tess_tiles_can_cut(graph, ops, n_ops, &blocker)) {
        tess_error_set(
            error, TESS_E_CONFIG,
            "layer %d (%s) needs its whole input map and cannot sit in a tiled group",
            graph->ops[blocker].layer, tess_op_kind_name(graph->ops[blocker].kind));
        tess_error_hint(error, "end the tiled group before layer %d",
                        graph->ops[blocker].layer);
        return TESS_E_CONFIG;
    }
    return TESS_OK;
}

enum tess_status tess_tiles_init(struct tess_tiles *tiles, const struct tess_graph *graph,
                                 const int *ops, int n_ops, struct tess_tiling tiling,
                                 struct tess_error *error)
{
    assert(n_ops > 0);
    enum tess_status status = check_grid(graph, ops, n_ops, tiling, error);
    if (status != TESS_OK)
        return status;
    memset(tiles, 0, sizeof *tiles);
    tiles->graph = graph;
    tiles->ops = ops;
    tiles->n_ops = n_ops;
    tiles->tiling = tiling;
    tiles->axis[TESS_ROWS].n_tiles = tiling.n_rows;
    tiles->axis[TESS_COLS].n_tiles = tiling.n_cols;
    int n_scratch = tess_max_int(tiling.n_rows, tiling.n_cols) + 1 + n_ops;
    int *scratch = malloc(sizeof *scratch * (size_t)n_scratch);
    int *position = malloc(sizeof *position * (size_t)graph->n_ops);
    tiles->is_output = calloc((size_t)n_ops, sizeof *tiles->is_output);
    struct tess_range *needs = calloc((size_t)n_ops, sizeof *needs);
    bool has_memory = scratch && position && needs && tiles->is_output;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        size_t n_ranges = (size_t)tiles->axis[axis].n_tiles * (size_t)n_ops;
        tiles->axis[axis].computes = calloc(n_ranges, sizeof(struct tess_range));
        tiles->axis[axis].shares = calloc(n_ranges, sizeof(struct tess_range));
        if (!tiles->axis[axis].computes || !tiles->axis[axis].shares)
            has_memory = false;
    }
    if (!has_memory) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int op = 0; op < graph->n_ops; op++)
        position[op] = -1;
    for (int at = 0; at < n_ops; at++)
        position[ops[at]] = at;
    find_outputs(tiles, position);
    if (tiling.halo == TESS_HALO_REUSE && tiling.n_rows > 1)
        stream_rows(tiles, position, scratch, needs);
    else
        cut_axis(tiles, TESS_ROWS, position, scratch);
    cut_axis(tiles, TESS_COLS, position, scratch);
out:
    free(scratch);
    free(needs);
    free(position);
    if (status != TESS_OK)
        tess_tiles_release(tiles);
    return status;
}

void tess_tiles_release(struct tess_tiles *tiles)
{
    if (!tiles)
        return;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        free(tiles->axis[axis].computes);
        free(tiles->axis[axis].shares);
    }
    free(tiles->is_output);
    memset(tiles, 0, sizeof *tiles);
}

static int64_t lines_computed(const struct tess_tiles *tiles, enum tess_axis axis, int at)
{
    int64_t n_lines = 0;
    for (int tile = 0; tile < tiles->axis[axis].n_tiles; tile++)
        n_lines += tess_range_len(tess_tiles_computes(tiles, axis, tile, at));
    return n_lines;
}

int64_t tess_tiles_macs(const struct tess_tiles *tiles)
{
    int64_t macs = 0;
    for (int at = 0; at < tiles->n_ops; at++) {
        const struct tess_tensor *out = output_of(tiles, at);
        int64_t whole = tess_op_macs(tiles->graph, &tiles->graph->ops[tiles->ops[at]]);
        int64_t per_pixel = whole / ((int64_t)out->h * out->w);
        macs += per_pixel * lines_computed(tiles, TESS_ROWS, at) *
                lines_computed(tiles, TESS_COLS, at);
    }
    return macs;
}

void tess_tiles_assert_valid(const struct tess_tiles *tiles)
{
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        for (int at = 0; at < tiles->n_ops; at++) {
            int extent = tess_tensor_extent(output_of(tiles, at), (enum tess_axis)axis);
            int owned = 0, computed = 0;
            for (int tile = 0; tile < tiles->axis[axis].n_tiles; tile++) {
                struct tess_range share =
                    tess_tiles_share(tiles, (enum tess_axis)axis, tile, at);
                struct tess_range computes =
                    tess_tiles_computes(tiles, (enum tess_axis)axis, tile, at);
                assert(computes.begin >= 0 && computes.end <= extent);
                assert(tess_range_len(computes) != 1 ||
                       !tess_tensor_is_pixel_thin(output_of(tiles, at),
                                                  (enum tess_axis)axis));
                if (tiles->is_output[at]) {
                    assert(share.begin == owned && share.end >= share.begin);
                    owned = share.end;
                    assert(at != tiles->n_ops - 1 || !tess_range_is_empty(share) ||
                           tiles->tiling.halo == TESS_HALO_REUSE);
                }
                if (tiles->tiling.halo == TESS_HALO_REUSE &&
                    !tess_range_is_empty(computes)) {
                    assert(computes.begin >= computed);
                    computed = computes.end;
                }
            }
            assert(!tiles->is_output[at] || owned == extent);
            (void)extent;
            (void)owned;
            (void)computed;
        }
    }
}
