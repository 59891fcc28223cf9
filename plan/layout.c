/* Problem: sizes, lifetimes and offsets of all buffers of a plan.
 *
 * Method: worlds and sharing first (layout_slots.c). Then extents: a storage holds, for each
 * tile, the hull of what is computed into it and what is read from it, padding that kernels do
 * not supply included. A rolling storage holds in band r what band r or any later one still
 * reads:
 *     begin(r) = min over r' >= r of its needs' begins
 *     end(r)   = max over r' <= r of its needs' and computes' ends
 * Then temps: a kernel that wants dense rows reads in place if what it needs is exactly as wide
 * as what the storage holds, in every tile, and from a gathered copy otherwise; outputs alike.
 *
 * Offsets last (schedule/placement.h): ticks are steps, storages and temps blocks.
 *
 * Invariant: sizes, lifetimes and offsets depend on graph, plan and facts only.
 *
 * Cost: O(sum over ops of inputs * (tile rows + tile columns)), plus the placement.
 *
 * Worked example: 3x3 convolutions A, B (padding 1) on 10 rows, bands of 5 rows, halos reused,
 * a kernel that wants rows of zeros: A's output is held as [-1,6), then [4,11): 7 rows.
 *
 * Reference: the buffer bound of synchronous dataflow schedules for the rolling windows.
 */
#include "plan/layout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "plan/layout_priv.h"
#include "schedule/placement.h"

static const struct tess_range EMPTY = {0, 0};

struct tess_range tess_storage_rows(const struct tess_storage *storage, int tile)
{
    return storage->rows[storage->n_rows > 1 ? tile : 0];
}

struct tess_range tess_storage_cols(const struct tess_storage *storage, int tile)
{
    return storage->cols[storage->n_cols > 1 ? tile : 0];
}

struct tess_slot tess_layout_source(const struct tess_layout *layout, int op, int input)
{
    int tensor = layout->graph->ops[op].inputs[input];
    int producer = layout->graph->tensors[tensor].producer;
    /* The network's input is local only to the one group that reads it. */
    bool is_here =
        producer < 0 || tess_layout_is_in_group(layout, producer, layout->group_of[op]);
    bool is_local = is_here && layout->local[tensor].storage >= 0;
    return is_local ? layout->local[tensor] : layout->stored[tensor];
}

struct tess_slot tess_layout_target(const struct tess_layout *layout, int op)
{
    int tensor = layout->graph->ops[op].output;
    return layout->local[tensor].storage >= 0 ? layout->local[tensor]
                                              : layout->stored[tensor];
}

bool tess_layout_is_view(const struct tess_layout *layout, int op_id, int input)
{
    const struct tess_op *op = &layout->graph->ops[op_id];
    if (op->kind != TESS_OP_CONCAT && op->kind != TESS_OP_SLICE)
        return false;
    struct tess_slot source = tess_layout_source(layout, op_id, input);
    struct tess_slot target = tess_layout_target(layout, op_id);
    int channel = target.channel;
    if (op->kind == TESS_OP_SLICE)
        return source.storage == target.storage;
    for (int i = 0; i < input; i++)
        channel += layout->graph->tensors[op->inputs[i]].c;
    return source.storage == target.storage && source.channel == channel;
}

const struct tess_tiles *tess_layout_tiles(const struct tess_layout *layout, int op)
{
    return &layout->tiles[layout->group_of[op]];
}

struct tess_range tess_layout_computes(const struct tess_layout *layout, int op,
                                       enum tess_axis axis, int tile)
{
    int group = layout->group_of[op];
    int at = layout->position[op] - layout->plan->groups[group].first;
    return tess_tiles_computes(&layout->tiles[group], axis, tile, at);
}

struct tess_range tess_layout_needs(const struct tess_layout *layout, int op, int input,
                                    enum tess_axis axis, int tile)
{
    const struct tess_tensor *tensor =
        &layout->graph->tensors[layout->graph->ops[op].inputs[input]];
    int extent = tess_tensor_extent(tensor, axis);
    struct tess_range out = tess_layout_computes(layout, op, axis, tile);
    if (tess_range_is_empty(out))
        return EMPTY;
    const struct tess_op_layout *how = &layout->ops[op];
    bool is_full_width = tess_layout_tiles(layout, op)->axis[TESS_COLS].n_tiles == 1;
    if (axis == TESS_COLS && is_full_width && how->pads_cols)
        return (struct tess_range){0, extent}; /* kernels take whole rows as they lie */
    struct tess_range reads = tess_op_reads(layout->graph, op, input, axis, out);
    bool is_padded = axis == TESS_ROWS ? how->pads_rows : how->pads_cols;
    return is_padded ? tess_range_clamp(reads, extent) : reads;
}

/* ---- lifetimes, sizes, offsets ---- */

/* First or last tick at which `op` can touch memory that it shares with other ticks: the whole
 * group where the group is tiled. `op` may lie outside the groups laid out. */
static int tick_of(const struct tess_layout *layout, int op, bool is_last)
{
    const struct tess_group *group = &layout->plan->groups[layout->group_of[op]];
    if (!tess_group_is_tiled(group))
        return layout->position[op];
    return is_last ? group->last : group->first;
}

static void live(struct tess_storage *storage, int first, int last)
{
    storage->first_tick = tess_min_int(storage->first_tick, first);
    storage->last_tick = tess_max_int(storage->last_tick, last);
}

static void set_stored_life(struct tess_layout *layout, int tensor)
{
    const struct tess_tensor *of = &layout->graph->tensors[tensor];
    struct tess_storage *storage = &layout->storages[layout->stored[tensor].storage];
    if (of->producer >= 0)
        live(storage, tick_of(layout, of->producer, false),
             tick_of(layout, of->producer, true));
    for (int i = 0; i < of->n_consumers; i++) {
        /* The network's input is read in when it is first wanted. */
        int last = tick_of(layout, of->consumers[i], true);
        live(storage, of->producer < 0 ? tick_of(layout, of->consumers[i], false) : last,
             last);
    }
    if (of->is_output)
        live(storage, layout->plan->n_ops - 1, layout->plan->n_ops - 1);
}

static void set_local_life(struct tess_layout *layout, int tensor)
{
    const struct tess_tensor *of = &layout->graph->tensors[tensor];
    struct tess_storage *storage = &layout->storages[layout->local[tensor].storage];
    const struct tess_group *group = &layout->plan->groups[storage->group];
    if (storage->is_rolling) {
        live(storage, group->first, group->last);
        return;
    }
    int first = layout->position[of->producer];
    live(storage, first, first);
    for (int i = 0; i < of->n_consumers; i++)
        if (tess_layout_is_in_group(layout, of->consumers[i], storage->group))
            live(storage, first, layout->position[of->consumers[i]]);
}

static void set_storages(struct tess_layout *layout)
{
    for (int i = 0; i < layout->n_storages; i++) {
        struct tess_storage *storage = &layout->storages[i];
        int n_rows = 0, n_cols = 0;
        for (int r = 0; r < storage->n_rows; r++)
            n_rows = tess_max_int(n_rows, tess_range_len(storage->rows[r]));
        for (int c = 0; c < storage->n_cols; c++)
            n_cols = tess_max_int(n_cols, tess_range_len(storage->cols[c]));
        storage->bytes = tess_layout_bytes(layout, n_rows, n_cols, storage->channels);
        storage->first_tick = layout->plan->n_ops;
        storage->last_tick = -1;
    }
    for (int tensor = 0; tensor < layout->graph->n_tensors; tensor++) {
        if (layout->stored[tensor].storage >= 0)
            set_stored_life(layout, tensor);
        if (layout->local[tensor].storage >= 0)
            set_local_life(layout, tensor);
    }
}

/* Storages, then temps. Of one group alone, only its own ticks count. */
static void list_blocks(const struct tess_layout *layout, const struct tess_group *only,
                        struct tess_block *blocks)
{
    for (int i = 0; i < layout->n_storages; i++) {
        const struct tess_storage *storage = &layout->storages[i];
        blocks[i] = (struct tess_block){storage->first_tick, storage->last_tick,
                                        storage->bytes, 0};
        if (only) {
            blocks[i].first_step = tess_max_int(storage->first_tick, only->first);
            blocks[i].last_step = tess_min_int(storage->last_tick, only->last);
        }
    }
    for (int i = 0; i < layout->n_temps; i++)
        blocks[layout->n_storages + i] = (struct tess_block){
            layout->temps[i].tick, layout->temps[i].tick, layout->temps[i].bytes, 0};
}

/* Every layout of a plan, whoever makes it, must come out the same: limits count work, not time.
 * TUNING: of the layouts that the planner looks at for the darknet networks few have a gap after
 * the greedy orders, and these limits close it in milliseconds (2026-11). */
static void limit_placement(struct tess_placement *placement,
                            const struct tess_plan *plan)
{
    tess_placement_init(placement);
    placement->alignment = tess_max_i64(plan->facts.align_bytes, 4);
    placement->limit_climb_work = 200000;
    placement->limit_exact_work = 4000000;
    if (plan->is_placed_greedily)
        placement->parts_off = TESS_PLACEMENT_CLIMB | TESS_PLACEMENT_EXACT;
}

static enum tess_status place(struct tess_layout *layout, const struct tess_group *only,
                              struct tess_error *error)
{
    int n_blocks = layout->n_storages + layout->n_temps;
    struct tess_placement placement;
    struct tess_block *blocks = calloc((size_t)n_blocks + 1, sizeof *blocks);
    if (!blocks)
        return tess_error_nomem(error);
    list_blocks(layout, only, blocks);
    limit_placement(&placement, layout->plan);
    enum tess_status status =
        tess_placement_bound(blocks, n_blocks, placement.alignment, &layout->live_bytes,
                             &layout->live_tick, error);
    if (status == TESS_OK && !only) {
        status = tess_placement_find(&placement, blocks, n_blocks, error);
        layout->arena_bytes = placement.arena_bytes;
    }
    for (int i = 0; i < layout->n_storages; i++)
        layout->storages[i].offset = blocks[i].offset;
    for (int i = 0; i < layout->n_temps; i++)
        layout->temps[i].offset = blocks[layout->n_storages + i].offset;
    free(blocks);
    return status;
}

/* ---- create ---- */

static enum tess_status start(struct tess_layout *layout, struct tess_error *error)
{
    size_t n_ops = (size_t)layout->plan->n_ops;
    layout->tiles = calloc((size_t)layout->plan->n_groups, sizeof *layout->tiles);
    layout->position = malloc(n_ops * sizeof *layout->position);
    layout->group_of = malloc(n_ops * sizeof *layout->group_of);
    layout->ops = calloc(n_ops, sizeof *layout->ops);
    layout->temps = calloc(3 * n_ops, sizeof *layout->temps);
    if (!layout->tiles || !layout->position || !layout->group_of || !layout->ops ||
        !layout->temps)
        return tess_error_nomem(error);
    for (int at = 0; at < layout->plan->n_ops; at++)
        layout->position[layout->plan->order[at]] = at;
    for (int group = 0; group < layout->plan->n_groups; group++)
        for (int at = layout->plan->groups[group].first;
             at <= layout->plan->groups[group].last; at++)
            layout->group_of[layout->plan->order[at]] = group;
    return TESS_OK;
}

static enum tess_status build(struct tess_layout *layout, int group_begin, int group_end,
                              struct tess_error *error)
{
    const struct tess_plan *plan = layout->plan;
    enum tess_status status = start(layout, error);
    for (int group = group_begin; group < group_end && status == TESS_OK; group++) {
        const struct tess_group *in = &plan->groups[group];
        status =
            tess_tiles_init(&layout->tiles[group], layout->graph, plan->order + in->first,
                            in->last - in->first + 1, in->tiling, error);
    }
    if (status == TESS_OK)
        status = tess_layout_make_slots(layout, group_begin, group_end, error);
    if (status == TESS_OK)
        status = tess_layout_start_extents(layout, error);
    if (status != TESS_OK)
        return status;
    for (int group = group_begin; group < group_end; group++)
        tess_layout_set_calls(layout, group);
    for (int group = group_begin; group < group_end; group++)
        tess_layout_set_extents(layout, group);
    for (int group = group_begin; group < group_end; group++)
        tess_layout_set_temps(layout, group);
    set_storages(layout);
    bool is_whole = group_begin == 0 && group_end == plan->n_groups;
    return place(layout, is_whole ? NULL : &plan->groups[group_begin], error);
}

static enum tess_status create(const struct tess_graph *graph,
                               const struct tess_plan *plan, int group_begin,
                               int group_end, struct tess_layout **layout_out,
                               struct tess_error *error)
{
    struct tess_layout *layout = calloc(1, sizeof *layout);
    if (!layout)
        return tess_error_nomem(error);
    layout->graph = graph;
    layout->plan = plan;
    enum tess_status status = build(layout, group_begin, group_end, error);
    if (status != TESS_OK)
        tess_layout_destroy(layout);
    else
        *layout_out = layout;
    return status;
}

enum tess_status tess_layout_create(const struct tess_graph *graph,
                                    const struct tess_plan *plan,
                                    struct tess_layout **layout_out,
                                    struct tess_error *error)
{
    return create(graph, plan, 0, plan->n_groups, layout_out, error);
}

enum tess_status tess_layout_create_group(const struct tess_graph *graph,
                                          const struct tess_plan *plan, int group,
                                          struct tess_layout **layout_out,
                                          struct tess_error *error)
{
    assert(group >= 0 && group < plan->n_groups);
    return create(graph, plan, group, group + 1, layout_out, error);
}

void tess_layout_destroy(struct tess_layout *layout)
{
    if (!layout)
        return;
    if (layout->tiles)
        for (int group = 0; group < layout->plan->n_groups; group++)
            tess_tiles_release(&layout->tiles[group]);
    for (int i = 0; i < layout->n_storages; i++) {
        free(layout->storages[i].rows);
        free(layout->storages[i].cols);
    }
    free(layout->tiles);
    free(layout->position);
    free(layout->group_of);
    free(layout->stored);
    free(layout->local);
    free(layout->storages);
    free(layout->temps);
    free(layout->ops);
    free(layout);
}

void tess_layout_assert_valid(const struct tess_layout *layout)
{
    const struct tess_graph *graph = layout->graph;
    for (int i = 0; i < layout->n_storages; i++) {
        const struct tess_storage *storage = &layout->storages[i];
        assert(storage->bytes > 0 && storage->channels > 0);
        assert(storage->first_tick >= 0 && storage->first_tick <= storage->last_tick);
        assert(storage->last_tick < layout->plan->n_ops);
        assert(storage->offset >= 0 &&
               storage->offset + storage->bytes <= layout->arena_bytes);
        (void)storage;
    }
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        struct tess_slot slots[2] = {layout->stored[tensor], layout->local[tensor]};
        for (int world = 0; world < 2; world++)
            assert(slots[world].storage < 0 ||
                   slots[world].channel + graph->tensors[tensor].c <=
                       layout->storages[slots[world].storage].channels);
        (void)slots;
    }
    for (int op = 0; op < graph->n_ops; op++)
        assert(tess_layout_target(layout, op).storage >= 0);
    assert(layout->live_bytes <= layout->arena_bytes);
}
