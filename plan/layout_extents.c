/* Problem: what each storage holds in each tile, how kernels are called, and which inputs and
 * outputs have to go through a temp.
 *
 * Method: see layout.c, whose second half this is. Calls first, because they decide which
 * padding kernels supply; then extents, the hull of all that is written and read; then temps,
 * where what a storage holds is not what a kernel can take.
 *
 * Invariant: after tess_layout_set_extents of all groups, every range that a tile reads or
 * writes lies within what its storage holds in that tile, or goes through a temp.
 */
#include "plan/layout_priv.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arith.h"

static struct tess_range extent_at(const struct tess_storage *storage,
                                   enum tess_axis axis, int tile)
{
    return axis == TESS_ROWS ? tess_storage_rows(storage, tile)
                             : tess_storage_cols(storage, tile);
}

static struct tess_range hull_of(struct tess_range *into, struct tess_range range)
{
    *into = tess_range_hull(*into, range);
    return *into;
}

/* ---- calls: largest window and padding of each op ---- */

static bool needs_dense(const struct tess_layout *layout, int op)
{
    return tess_facts_caps(&layout->plan->facts, layout->graph, op,
                           layout->ops[op].largest)
        .needs_dense_rows;
}

/* Most lines of the op at `at` that a tile computes; *is_equal_out: do all tiles that compute
 * any compute as many? */
static int most_lines(const struct tess_tiles *tiles, enum tess_axis axis, int at,
                      bool *is_equal_out)
{
    int most = 0, least = INT32_MAX;
    for (int tile = 0; tile < tiles->axis[axis].n_tiles; tile++) {
        int n_lines = tess_range_len(tess_tiles_computes(tiles, axis, tile, at));
        if (n_lines == 0)
            continue;
        most = tess_max_int(most, n_lines);
        least = tess_min_int(least, n_lines);
    }
    *is_equal_out = most == least;
    return most;
}

void tess_layout_set_calls(struct tess_layout *layout, int group)
{
    const struct tess_tiles *tiles = &layout->tiles[group];
    for (int at = 0; at < tiles->n_ops; at++) {
        struct tess_op_layout *how = &layout->ops[tiles->ops[at]];
        bool has_equal_rows, has_equal_cols;
        how->in_temp[0] = how->in_temp[1] = how->out_temp = -1;
        how->largest.n_rows = most_lines(tiles, TESS_ROWS, at, &has_equal_rows);
        how->largest.n_cols = most_lines(tiles, TESS_COLS, at, &has_equal_cols);
        struct tess_kernel_caps caps = tess_facts_caps(
            &layout->plan->facts, layout->graph, tiles->ops[at], how->largest);
        bool is_full_width = tiles->axis[TESS_COLS].n_tiles == 1;
        assert(!is_full_width || has_equal_cols);
        /* A kernel that pads rows of the whole map must not meet a smaller tile, too. */
        how->pads_rows = caps.can_pad_rows && (has_equal_rows || !caps.needs_dense_rows);
        how->pads_cols = caps.can_pad_cols && (is_full_width || !caps.needs_dense_rows);
    }
}

/* ---- extents ---- */

static bool make_extents(struct tess_storage *storage, int n_rows, int n_cols)
{
    storage->n_rows = n_rows;
    storage->n_cols = n_cols;
    storage->rows = calloc((size_t)n_rows, sizeof *storage->rows);
    storage->cols = calloc((size_t)n_cols, sizeof *storage->cols);
    return storage->rows && storage->cols;
}

enum tess_status tess_layout_start_extents(struct tess_layout *layout,
                                           struct tess_error *error)
{
    for (int i = 0; i < layout->n_storages; i++) {
        struct tess_storage *storage = &layout->storages[i];
        const struct tess_tensor *tensor = &layout->graph->tensors[storage->tensor];
        int n_rows = 1, n_cols = 1;
        if (storage->group >= 0) {
            n_rows = layout->tiles[storage->group].axis[TESS_ROWS].n_tiles;
            n_cols = layout->tiles[storage->group].axis[TESS_COLS].n_tiles;
        }
        if (storage->is_rolling)
            n_cols = 1;
        if (!make_extents(storage, n_rows, n_cols))
            return tess_error_nomem(error);
        if (storage->group < 0)
            storage->rows[0] = (struct tess_range){0, tensor->h};
        if (storage->group < 0 || storage->is_rolling)
            storage->cols[0] = (struct tess_range){0, tensor->w};
    }
    return TESS_OK;
}

/* Widens what a storage holds by a range that some tile computes into it or reads from it.
 * Stored maps grow by rows of zeros only; their width is fixed. */
static void widen(struct tess_storage *storage, enum tess_axis axis, int tile,
                  struct tess_range range)
{
    if (axis == TESS_ROWS)
        hull_of(&storage->rows[storage->n_rows > 1 ? tile : 0], range);
    else if (storage->group >= 0 && !storage->is_rolling)
        hull_of(&storage->cols[storage->n_cols > 1 ? tile : 0], range);
}

static void widen_for_op(struct tess_layout *layout, int op_id, enum tess_axis axis,
                         int tile)
{
    const struct tess_op *op = &layout->graph->ops[op_id];
    const struct tess_tiles *tiles = tess_layout_tiles(layout, op_id);
    bool is_cut_wide = tiles->axis[TESS_COLS].n_tiles > 1;
    struct tess_range computes = tess_layout_computes(layout, op_id, axis, tile);
    struct tess_storage *target =
        &layout->storages[tess_layout_target(layout, op_id).storage];
    if (target->group >= 0) {
        /* A share can lag behind what was computed ahead of it for later ops of the group. */
        int at = layout->position[op_id] - layout->plan->groups[target->group].first;
        widen(target, axis, tile, computes);
        if (layout->stored[op->output].storage >= 0)
            widen(target, axis, tile, tess_tiles_share(tiles, axis, tile, at));
    }
    for (int input = 0; input < op->n_inputs; input++) {
        struct tess_storage *source =
            &layout->storages[tess_layout_source(layout, op_id, input).storage];
        /* Out of a stored or rolling map, a tile narrower than the map is gathered if its
         * kernel wants dense rows: no use to keep zeros there. */
        bool is_gathered = is_cut_wide && (source->group < 0 || source->is_rolling) &&
                           needs_dense(layout, op_id);
        struct tess_range needs = tess_layout_needs(layout, op_id, input, axis, tile);
        if (is_gathered) {
            int tensor = op->inputs[input];
            needs = tess_range_clamp(
                needs, tess_tensor_extent(&layout->graph->tensors[tensor], axis));
        }
        widen(source, axis, tile, needs);
    }
}

/* From what each band touches to what each band holds; see the top of the file. */
static void roll(struct tess_storage *storage)
{
    struct tess_range *rows = storage->rows;
    int end = 0, begin = 0;
    bool is_first = true;
    for (int r = 0; r < storage->n_rows; r++) {
        bool is_touched = !tess_range_is_empty(rows[r]);
        if (is_touched)
            end = is_first ? rows[r].end : tess_max_int(end, rows[r].end);
        is_first = is_first && !is_touched;
        if (!is_touched)
            rows[r].begin = INT32_MAX;
        rows[r].end = end;
    }
    begin = INT32_MAX;
    for (int r = storage->n_rows - 1; r >= 0; r--) {
        begin = tess_min_int(begin, rows[r].begin);
        rows[r].begin = tess_min_int(begin, rows[r].end);
    }
}

void tess_layout_set_extents(struct tess_layout *layout, int group)
{
    const struct tess_tiles *tiles = &layout->tiles[group];
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++)
        for (int tile = 0; tile < tiles->axis[axis].n_tiles; tile++)
            for (int at = 0; at < tiles->n_ops; at++)
                widen_for_op(layout, tiles->ops[at], (enum tess_axis)axis, tile);
    for (int i = 0; i < layout->n_storages; i++)
        if (layout->storages[i].group == group && layout->storages[i].is_rolling)
            roll(&layout->storages[i]);
}

/* ---- temps ---- */

static bool holds(struct tess_range outer, struct tess_range inner)
{
    return tess_range_is_empty(inner) ||
           (outer.begin <= inner.begin && inner.end <= outer.end);
}

/* Can the op read this input where it lies, in every tile? */
static bool is_readable_in_place(const struct tess_layout *layout, int op, int input)
{
    const struct tess_tiles *tiles = tess_layout_tiles(layout, op);
    const struct tess_storage *source =
        &layout->storages[tess_layout_source(layout, op, input).storage];
    bool is_dense = needs_dense(layout, op);
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        for (int tile = 0; tile < tiles->axis[axis].n_tiles; tile++) {
            struct tess_range has = extent_at(source, (enum tess_axis)axis, tile);
            struct tess_range needs =
                tess_layout_needs(layout, op, input, (enum tess_axis)axis, tile);
            if (!holds(has, needs))
                return false;
            if (axis == TESS_COLS && is_dense && !tess_range_is_empty(needs) &&
                !tess_range_is_equal(has, needs))
                return false;
        }
    }
    return true;
}

static bool is_writable_in_place(const struct tess_layout *layout, int op)
{
    const struct tess_tiles *tiles = tess_layout_tiles(layout, op);
    const struct tess_storage *target =
        &layout->storages[tess_layout_target(layout, op).storage];
    if (!needs_dense(layout, op))
        return true;
    for (int tile = 0; tile < tiles->axis[TESS_COLS].n_tiles; tile++) {
        struct tess_range computes = tess_layout_computes(layout, op, TESS_COLS, tile);
        if (!tess_range_is_empty(computes) &&
            !tess_range_is_equal(computes, tess_storage_cols(target, tile)))
            return false;
    }
    return true;
}

int64_t tess_layout_bytes(const struct tess_layout *layout, int64_t n_rows,
                          int64_t n_cols, int64_t channels)
{
    const struct tess_kernel_facts *facts = &layout->plan->facts;
    int64_t unit = tess_max_i64(facts->align_bytes, 4);
    return tess_round_up(n_rows * n_cols * channels * 4 + facts->tail_bytes, unit);
}

static int add_temp(struct tess_layout *layout, int op, int64_t bytes)
{
    layout->temps[layout->n_temps] =
        (struct tess_temp){.tick = layout->position[op], .bytes = bytes};
    return layout->n_temps++;
}

static int longest_needs(const struct tess_layout *layout, int op, int input,
                         enum tess_axis axis)
{
    int longest = 0;
    for (int tile = 0; tile < tess_layout_tiles(layout, op)->axis[axis].n_tiles; tile++)
        longest = tess_max_int(
            longest, tess_range_len(tess_layout_needs(layout, op, input, axis, tile)));
    return longest;
}

/* Does only this tensor live in the storage, in tiles of its own? Then a dense result may lie
 * at its start for a moment. */
static bool is_alone(const struct tess_layout *layout, int tensor)
{
    int storage = layout->local[tensor].storage;
    if (storage < 0 || layout->storages[storage].is_rolling)
        return false;
    for (int other = 0; other < layout->graph->n_tensors; other++)
        if (other != tensor && layout->local[other].storage == storage)
            return false;
    return true;
}

void tess_layout_set_temps(struct tess_layout *layout, int group)
{
    const struct tess_tiles *tiles = &layout->tiles[group];
    for (int at = 0; at < tiles->n_ops; at++) {
        int op_id = tiles->ops[at];
        const struct tess_op *op = &layout->graph->ops[op_id];
        struct tess_op_layout *how = &layout->ops[op_id];
        if (op->kind == TESS_OP_CONCAT || op->kind == TESS_OP_SLICE)
            continue;
        assert(op->n_inputs <= 2);
        for (int input = 0; input < op->n_inputs; input++) {
            if (is_readable_in_place(layout, op_id, input))
                continue;
            int channels = layout->graph->tensors[op->inputs[input]].c;
            how->in_temp[input] =
                add_temp(layout, op_id,
                         tess_layout_bytes(
                             layout, longest_needs(layout, op_id, input, TESS_ROWS),
                             longest_needs(layout, op_id, input, TESS_COLS), channels));
        }
        if (is_writable_in_place(layout, op_id))
            continue;
        if (is_alone(layout, op->output))
            how->is_spread = true;
        else
            how->out_temp = add_temp(
                layout, op_id,
                tess_layout_bytes(layout, how->largest.n_rows, how->largest.n_cols,
                                  layout->graph->tensors[op->output].c));
    }
}
