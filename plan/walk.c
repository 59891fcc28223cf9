/* Problem: turn a layout into steps, in the order in which they are to be done.
 *
 * Method: four nested loops, see the header. Per op and tile: clear what lies outside the map,
 * gather what cannot be read in place, run, put the result where it belongs, copy a share that
 * leaves the group to its stored map.
 *
 * Invariant: a storage's padding is cleared after its first writer ran in a tile (a dense result
 * may lie there before) and before anyone reads it; stored maps are cleared once, before.
 */
#include "plan/walk.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"
#include "plan/layout_priv.h"

struct walker {
    const struct tess_layout *layout;
    tess_step_visitor *visit;
    void *context;
    struct tess_error *error;
    enum tess_status status; /* the first that was not TESS_OK */
    int group, tile_row, tile_col;
    int op;
};

struct window {
    struct tess_range rows, cols;
};

static bool is_window_empty(struct window window)
{
    return tess_range_is_empty(window.rows) || tess_range_is_empty(window.cols);
}

static struct tess_place place_in(const struct walker *walker, struct tess_slot slot,
                                  int tensor, struct window window)
{
    const struct tess_storage *storage = &walker->layout->storages[slot.storage];
    struct tess_range rows = tess_storage_rows(storage, walker->tile_row);
    struct tess_range cols = tess_storage_cols(storage, walker->tile_col);
    if (is_window_empty(
            window)) /* an address of its own all the same, within the storage */
        window = (struct window){{rows.begin, rows.begin}, {cols.begin, cols.begin}};
    int64_t row_stride = (int64_t)tess_range_len(cols) * storage->channels;
    int64_t skipped = (window.rows.begin - rows.begin) * row_stride +
                      (int64_t)(window.cols.begin - cols.begin) * storage->channels +
                      slot.channel;
    return (struct tess_place){
        .tensor = tensor,
        .offset = storage->offset + 4 * skipped,
        .row = window.rows.begin,
        .col = window.cols.begin,
        .n_rows = tess_range_len(window.rows),
        .n_cols = tess_range_len(window.cols),
        .channels = walker->layout->graph->tensors[tensor].c,
        .row_stride = row_stride,
        .pixel_stride = storage->channels,
    };
}

/* A window laid out densely at `offset`. */
static struct tess_place dense_at(const struct walker *walker, int64_t offset, int tensor,
                                  struct window window)
{
    int channels = walker->layout->graph->tensors[tensor].c;
    return (struct tess_place){
        .tensor = tensor,
        .offset = offset,
        .row = window.rows.begin,
        .col = window.cols.begin,
        .n_rows = tess_range_len(window.rows),
        .n_cols = tess_range_len(window.cols),
        .channels = channels,
        .row_stride = (int64_t)tess_range_len(window.cols) * channels,
        .pixel_stride = channels,
    };
}

/* The part of a place that `window` names. */
static struct tess_place sub_place(struct tess_place place, struct window window)
{
    place.offset += 4 * ((window.rows.begin - place.row) * place.row_stride +
                         (window.cols.begin - place.col) * place.pixel_stride);
    place.row = window.rows.begin;
    place.col = window.cols.begin;
    place.n_rows = tess_range_len(window.rows);
    place.n_cols = tess_range_len(window.cols);
    return place;
}

static void emit(struct walker *walker, struct tess_step *step)
{
    if (walker->status != TESS_OK)
        return;
    step->op = walker->op;
    step->group = walker->group;
    step->tile_row = walker->tile_row;
    step->tile_col = walker->tile_col;
    walker->status = walker->visit(walker->context, step, walker->error);
}

static void emit_fill(struct walker *walker, struct tess_place place,
                      struct window window)
{
    if (is_window_empty(window))
        return;
    struct tess_step step = {.kind = TESS_STEP_FILL, .out = sub_place(place, window)};
    emit(walker, &step);
}

static void emit_copy(struct walker *walker, struct tess_place from, struct tess_place to)
{
    struct tess_step step = {.kind = TESS_STEP_COPY, .n_in = 1, .in = {from}, .out = to};
    emit(walker, &step);
}

static struct window map_of(const struct walker *walker, int tensor)
{
    const struct tess_tensor *of = &walker->layout->graph->tensors[tensor];
    return (struct window){{0, of->h}, {0, of->w}};
}

static struct tess_range range_below(struct tess_range range, int end)
{
    return (struct tess_range){range.begin, tess_min_int(range.end, end)};
}

static struct tess_range range_from(struct tess_range range, int begin)
{
    return (struct tess_range){tess_max_int(range.begin, begin), range.end};
}

/* Clears the parts of `place` that lie outside the map of its tensor, rows from `first_row`. */
static void emit_padding(struct walker *walker, struct tess_place place, int first_row)
{
    struct window map = map_of(walker, place.tensor);
    struct tess_range rows = {tess_max_int(place.row, first_row),
                              place.row + place.n_rows};
    struct tess_range cols = {place.col, place.col + place.n_cols};
    struct tess_range inside = tess_range_clamp(rows, map.rows.end);
    emit_fill(walker, place, (struct window){range_below(rows, 0), cols});
    emit_fill(walker, place, (struct window){range_from(rows, map.rows.end), cols});
    emit_fill(walker, place, (struct window){inside, range_below(cols, 0)});
    emit_fill(walker, place, (struct window){inside, range_from(cols, map.cols.end)});
}

/* Everything a storage holds in this tile, all its channels. */
static struct tess_place whole_storage(const struct walker *walker, int storage_id)
{
    const struct tess_storage *storage = &walker->layout->storages[storage_id];
    struct window window = {tess_storage_rows(storage, walker->tile_row),
                            tess_storage_cols(storage, walker->tile_col)};
    return place_in(walker, (struct tess_slot){storage_id, 0}, storage->tensor, window);
}

/* Takes the rows of the network's input that `place` holds from `first_row` on. */
static void emit_input(struct walker *walker, struct tess_place place, int first_row)
{
    struct window map = map_of(walker, TESS_GRAPH_INPUT);
    struct tess_range rows = {tess_max_int(place.row, first_row),
                              place.row + place.n_rows};
    struct window window = {tess_range_clamp(rows, map.rows.end), map.cols};
    if (is_window_empty(window))
        return;
    struct tess_step step = {.kind = TESS_STEP_INPUT, .out = sub_place(place, window)};
    emit(walker, &step);
}

/* Stored maps whose life begins here get their rows of zeros, the network's input its values. */
static void start_stored(struct walker *walker, int tick)
{
    for (int i = 0; i < walker->layout->n_storages; i++) {
        const struct tess_storage *storage = &walker->layout->storages[i];
        if (storage->group >= 0 || storage->first_tick != tick)
            continue;
        struct tess_place place = whole_storage(walker, i);
        if (storage->tensor == TESS_GRAPH_INPUT)
            emit_input(walker, place, INT32_MIN);
        emit_padding(walker, place, INT32_MIN);
    }
}

/* Tile-local storages first written at this tick get their padding. */
static void start_local(struct walker *walker, int tick)
{
    for (int i = 0; i < walker->layout->n_storages; i++) {
        const struct tess_storage *storage = &walker->layout->storages[i];
        if (storage->group != walker->group || storage->is_rolling ||
            storage->first_tick != tick)
            continue;
        struct tess_place place = whole_storage(walker, i);
        if (place.n_rows > 0 && place.n_cols > 0)
            emit_padding(walker, place, INT32_MIN);
    }
}

/* Rolling windows advance to the band: rows still needed move to the front, new rows outside
 * the map are cleared. */
static void roll(struct walker *walker)
{
    int band = walker->tile_row;
    for (int i = 0; i < walker->layout->n_storages; i++) {
        const struct tess_storage *storage = &walker->layout->storages[i];
        if (storage->group != walker->group || !storage->is_rolling)
            continue;
        struct tess_range now = tess_storage_rows(storage, band);
        struct tess_range before = now;
        if (band > 0)
            before = tess_storage_rows(storage, band - 1);
        struct tess_place place = whole_storage(walker, i);
        struct tess_range kept = {now.begin, tess_min_int(before.end, now.end)};
        if (band > 0 && now.begin > before.begin && !tess_range_is_empty(kept)) {
            struct window window = {kept, {place.col, place.col + place.n_cols}};
            struct tess_step step = {.kind = TESS_STEP_MOVE, .n_in = 1};
            step.out = sub_place(place, window);
            step.in[0] = step.out;
            step.in[0].offset =
                storage->offset + 4 * (now.begin - before.begin) * place.row_stride;
            emit(walker, &step);
        }
        int first_new = band == 0 ? INT32_MIN : before.end;
        if (storage->tensor == TESS_GRAPH_INPUT)
            emit_input(walker, place, first_new);
        emit_padding(walker, place, first_new);
    }
}

static struct window computes_in(const struct walker *walker, int at)
{
    const struct tess_tiles *tiles = &walker->layout->tiles[walker->group];
    return (struct window){tess_tiles_computes(tiles, TESS_ROWS, walker->tile_row, at),
                           tess_tiles_computes(tiles, TESS_COLS, walker->tile_col, at)};
}

static struct window needs_of(const struct walker *walker, int input)
{
    return (struct window){
        tess_layout_needs(walker->layout, walker->op, input, TESS_ROWS, walker->tile_row),
        tess_layout_needs(walker->layout, walker->op, input, TESS_COLS,
                          walker->tile_col)};
}

static struct tess_place input_place(struct walker *walker, int input)
{
    const struct tess_layout *layout = walker->layout;
    int tensor = layout->graph->ops[walker->op].inputs[input];
    int temp = layout->ops[walker->op].in_temp[input];
    struct tess_slot source = tess_layout_source(layout, walker->op, input);
    struct window needs = needs_of(walker, input);
    if (temp < 0)
        return place_in(walker, source, tensor, needs);
    struct tess_place gathered =
        dense_at(walker, layout->temps[temp].offset, tensor, needs);
    struct window map = map_of(walker, tensor);
    struct window inside = {tess_range_clamp(needs.rows, map.rows.end),
                            tess_range_clamp(needs.cols, map.cols.end)};
    if (!is_window_empty(inside))
        emit_copy(walker, place_in(walker, source, tensor, inside),
                  sub_place(gathered, inside));
    emit_padding(walker, gathered, INT32_MIN);
    return gathered;
}

static void emit_run(struct walker *walker, struct window computes)
{
    const struct tess_layout *layout = walker->layout;
    const struct tess_op *op = &layout->graph->ops[walker->op];
    const struct tess_op_layout *how = &layout->ops[walker->op];
    struct tess_slot target = tess_layout_target(layout, walker->op);
    struct tess_place out = place_in(walker, target, op->output, computes);
    struct tess_step step = {.kind = TESS_STEP_RUN, .n_in = op->n_inputs, .out = out};
    for (int input = 0; input < op->n_inputs; input++)
        step.in[input] = input_place(walker, input);
    if (how->out_temp >= 0)
        step.out =
            dense_at(walker, layout->temps[how->out_temp].offset, op->output, computes);
    else if (how->is_spread)
        step.out = dense_at(walker, layout->storages[target.storage].offset, op->output,
                            computes);
    emit(walker, &step);
    if (how->out_temp >= 0 || how->is_spread)
        emit_copy(walker, step.out, out);
}

static void emit_concat(struct walker *walker, struct window computes)
{
    const struct tess_layout *layout = walker->layout;
    const struct tess_op *op = &layout->graph->ops[walker->op];
    struct tess_slot target = tess_layout_target(layout, walker->op);
    int channel = target.channel;
    for (int input = 0; input < op->n_inputs; input++) {
        int tensor = op->inputs[input];
        if (!tess_layout_is_view(layout, walker->op, input)) {
            struct tess_slot part = {target.storage, channel};
            emit_copy(walker,
                      place_in(walker, tess_layout_source(layout, walker->op, input),
                               tensor, computes),
                      place_in(walker, part, tensor, computes));
        }
        channel += layout->graph->tensors[tensor].c;
    }
}

/* A share of a tensor that is also read inside the group goes out to its stored map. */
static void emit_share(struct walker *walker, int at)
{
    const struct tess_layout *layout = walker->layout;
    const struct tess_op *op = &layout->graph->ops[walker->op];
    struct tess_slot local = layout->local[op->output],
                     stored = layout->stored[op->output];
    if (local.storage < 0 || stored.storage < 0)
        return;
    if (op->kind == TESS_OP_SLICE &&
        layout->stored[op->inputs[0]].storage == stored.storage)
        return; /* goes out with the tensor it is a slice of */
    const struct tess_tiles *tiles = &layout->tiles[walker->group];
    struct window share = {tess_tiles_share(tiles, TESS_ROWS, walker->tile_row, at),
                           tess_tiles_share(tiles, TESS_COLS, walker->tile_col, at)};
    if (!is_window_empty(share))
        emit_copy(walker, place_in(walker, local, op->output, share),
                  place_in(walker, stored, op->output, share));
}

static void walk_op(struct walker *walker, int at)
{
    const struct tess_layout *layout = walker->layout;
    const struct tess_group *group = &layout->plan->groups[walker->group];
    int tick = group->first + at;
    walker->op = layout->plan->order[tick];
    const struct tess_op *op = &layout->graph->ops[walker->op];
    struct window computes = computes_in(walker, at);
    if (walker->tile_row == 0 && walker->tile_col == 0)
        start_stored(walker, tick);
    bool is_idle = is_window_empty(computes);
    if (!is_idle && op->kind == TESS_OP_CONCAT)
        emit_concat(walker, computes);
    else if (!is_idle && op->kind != TESS_OP_SLICE)
        emit_run(walker, computes);
    start_local(walker, tick);
    emit_share(walker,
               at); /* idle ops too: what they share may have been computed before */
    if (is_idle)
        return;
    struct tess_step done = {.kind = TESS_STEP_DONE};
    done.out =
        place_in(walker, tess_layout_target(layout, walker->op), op->output, computes);
    emit(walker, &done);
}

static void walk_group(struct walker *walker)
{
    const struct tess_layout *layout = walker->layout;
    const struct tess_group *group = &layout->plan->groups[walker->group];
    for (int row = 0; row < group->tiling.n_rows; row++) {
        for (int col = 0; col < group->tiling.n_cols; col++) {
            walker->tile_row = row;
            walker->tile_col = col;
            walker->op = layout->plan->order[group->first];
            if (col == 0)
                roll(walker);
            for (int at = 0; at <= group->last - group->first; at++)
                walk_op(walker, at);
            if (walker->status != TESS_OK)
                return;
        }
    }
}

enum tess_status tess_walk(const struct tess_layout *layout, tess_step_visitor *visit,
                           void *context, struct tess_error *error)
{
    struct walker walker = {
        .layout = layout, .visit = visit, .context = context, .error = error};
    for (int group = 0; group < layout->plan->n_groups && walker.status == TESS_OK;
         group++) {
        walker.group = group;
        walk_group(&walker);
    }
    return walker.status;
}

static struct tess_place stored_map(const struct tess_layout *layout, int tensor)
{
    struct walker walker = {.layout = layout};
    assert(layout->stored[tensor].storage >= 0);
    return place_in(&walker, layout->stored[tensor], tensor, map_of(&walker, tensor));
}

struct tess_place tess_walk_output(const struct tess_layout *layout, int tensor)
{
    assert(layout->graph->tensors[tensor].is_output);
    return stored_map(layout, tensor);
}
