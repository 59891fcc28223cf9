#include "planner/cost.h"

#include <assert.h>

#include "base/arith.h"
#include "model/packed.h"
#include "plan/slices.h"

struct group_view {
    const struct tess_layout *layout;
    const struct tess_tiles *tiles;
    const struct tess_profile *profile;
};

static struct group_view view_of(const struct tess_layout *layout, int group,
                                 const struct tess_profile *profile)
{
    assert(group >= 0 && group < layout->plan->n_groups);
    return (struct group_view){layout, &layout->tiles[group], profile};
}

/* Lines of the op at `at` that all tiles of one axis compute, and in how many tiles any. */
static int64_t lines_of(const struct tess_tiles *tiles, enum tess_axis axis, int at,
                        int64_t *n_tiles_out)
{
    int64_t n_lines = 0, n_tiles = 0;
    for (int tile = 0; tile < tiles->axis[axis].n_tiles; tile++) {
        int len = tess_range_len(tess_tiles_computes(tiles, axis, tile, at));
        n_lines += len;
        n_tiles += len > 0;
    }
    if (n_tiles_out)
        *n_tiles_out = n_tiles;
    return n_lines;
}

static const struct tess_op *op_at(const struct group_view *view, int at)
{
    return &view->layout->graph->ops[view->tiles->ops[at]];
}

static bool moves_nothing(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONCAT || op->kind == TESS_OP_SLICE;
}

double tess_cost_compute_us(const struct tess_layout *layout, int group,
                            const struct tess_profile *profile)
{
    struct group_view view = view_of(layout, group, profile);
    double total_us = 0;
    for (int at = 0; at < view.tiles->n_ops; at++) {
        const struct tess_op *op = op_at(&view, at);
        const struct tess_tensor *out = &layout->graph->tensors[op->output];
        double share = (double)lines_of(view.tiles, TESS_ROWS, at, NULL) *
                       (double)lines_of(view.tiles, TESS_COLS, at, NULL) /
                       ((double)out->h * out->w);
        if (tess_op_has_weights(op)) {
            enum tess_speed_class speed =
                tess_speed_class_of(layout->graph, view.tiles->ops[at]);
            total_us += share * (double)tess_op_macs(layout->graph, op) /
                        profile->macs_per_us[speed];
        } else if (!moves_nothing(op)) {
            double bytes = (double)tess_tensor_bytes(out);
            for (int i = 0; i < op->n_inputs; i++)
                bytes +=
                    (double)tess_tensor_bytes(&layout->graph->tensors[op->inputs[i]]);
            total_us += share * bytes / profile->bytes_per_us;
        }
    }
    return total_us;
}

/* Bytes of the input as all tiles of the group read it, halos counted as often as read. */
static double bytes_needed(const struct group_view *view, int op, int input)
{
    double n_rows = 0, n_cols = 0;
    for (int tile = 0; tile < view->tiles->axis[TESS_ROWS].n_tiles; tile++)
        n_rows +=
            tess_range_len(tess_layout_needs(view->layout, op, input, TESS_ROWS, tile));
    for (int tile = 0; tile < view->tiles->axis[TESS_COLS].n_tiles; tile++)
        n_cols +=
            tess_range_len(tess_layout_needs(view->layout, op, input, TESS_COLS, tile));
    int tensor = view->layout->graph->ops[op].inputs[input];
    return n_rows * n_cols * 4.0 * view->layout->graph->tensors[tensor].c;
}

/* Share of an op's data that has left the cache by the time it is read: what a tile reads and
 * puts out together beyond the cache's size. */
static double missing_share(const struct group_view *view, int at, double computed_bytes)
{
    int op_id = view->tiles->ops[at];
    int64_t n_tile_rows, n_tile_cols;
    double bytes = computed_bytes;
    lines_of(view->tiles, TESS_ROWS, at, &n_tile_rows);
    lines_of(view->tiles, TESS_COLS, at, &n_tile_cols);
    for (int input = 0; input < op_at(view, at)->n_inputs; input++)
        bytes += bytes_needed(view, op_id, input);
    double tile_bytes = bytes / ((double)n_tile_rows * (double)n_tile_cols);
    double missing = tile_bytes - view->profile->cache_bytes;
    return missing > 0 ? missing / tile_bytes : 0;
}

static double op_traffic_bytes(const struct group_view *view, int at)
{
    const struct tess_layout *layout = view->layout;
    int op_id = view->tiles->ops[at];
    const struct tess_op *op = op_at(view, at);
    const struct tess_op_layout *how = &layout->ops[op_id];
    double computed = (double)lines_of(view->tiles, TESS_ROWS, at, NULL) *
                      (double)lines_of(view->tiles, TESS_COLS, at, NULL) * 4.0 *
                      layout->graph->tensors[op->output].c;
    double missing = computed > 0 ? missing_share(view, at, computed) : 0;
    double bytes = 0;
    for (int input = 0; input < op->n_inputs; input++) {
        if (moves_nothing(op)) {
            if (!tess_layout_is_view(layout, op_id, input))
                bytes += 2 * computed / op->n_inputs;
            continue;
        }
        struct tess_slot source = tess_layout_source(layout, op_id, input);
        bool is_local = layout->storages[source.storage].group >= 0;
        bytes += (is_local ? missing : 1) * bytes_needed(view, op_id, input);
        if (how->in_temp[input] >= 0)
            bytes += bytes_needed(view, op_id, input);
    }
    bool is_stored = layout->stored[op->output].storage >= 0;
    if (!moves_nothing(op))
        bytes += (is_stored ? 1 : missing) * computed;
    if (how->is_spread || how->out_temp >= 0)
        bytes += computed;
    return bytes;
}

static double rolled_bytes(const struct group_view *view, int group)
{
    double bytes = 0;
    for (int i = 0; i < view->layout->n_storages; i++) {
        const struct tess_storage *storage = &view->layout->storages[i];
        if (storage->group != group || !storage->is_rolling)
            continue;
        double row_bytes = 4.0 * storage->channels * tess_range_len(storage->cols[0]);
        for (int r = 1; r < storage->n_rows; r++)
            if (storage->rows[r].begin > storage->rows[r - 1].begin &&
                storage->rows[r - 1].end > storage->rows[r].begin)
                bytes += row_bytes * (storage->rows[r - 1].end - storage->rows[r].begin);
    }
    return bytes;
}

/* Held weights that have left the cache when the next tile needs them. Streamed ones are counted
 * by tess_cost_stream_us. */
static double fetched_weights_bytes(const struct group_view *view, int at)
{
    const struct tess_layout *layout = view->layout;
    int op_id = view->tiles->ops[at];
    if (!tess_op_has_weights(op_at(view, at)) || layout->plan->streamed[op_id])
        return 0;
    double missing =
        (double)tess_facts_weights_bytes(&layout->plan->facts, layout->graph, op_id) -
        view->profile->cache_bytes;
    return missing > 0 ? (double)tess_cost_n_reads(layout, op_id) * missing : 0;
}

double tess_cost_traffic_us(const struct tess_layout *layout, int group,
                            const struct tess_profile *profile)
{
    /* TUNING: weights are read in order and ahead of their use, which costs a third of a copy of
     * as many bytes: YOLOv2's layers of 1024 channels took 1.56, 1.30 and 1.09 times as long in
     * bands of 1, 2 and 4 rows of 19 as whole. November 2026. */
    const double fetch_cost = 1 / 3.0;
    struct group_view view = view_of(layout, group, profile);
    double bytes = rolled_bytes(&view, group);
    for (int at = 0; at < view.tiles->n_ops; at++)
        bytes +=
            op_traffic_bytes(&view, at) + fetch_cost * fetched_weights_bytes(&view, at);
    return bytes / profile->bytes_per_us;
}

double tess_cost_calls_us(const struct tess_layout *layout, int group,
                          const struct tess_profile *profile)
{
    struct group_view view = view_of(layout, group, profile);
    double total_us = 0;
    for (int at = 0; at < view.tiles->n_ops; at++) {
        const struct tess_op *op = op_at(&view, at);
        if (moves_nothing(op))
            continue;
        int64_t n_tile_rows, n_tile_cols;
        double n_rows = (double)lines_of(view.tiles, TESS_ROWS, at, &n_tile_rows);
        lines_of(view.tiles, TESS_COLS, at, &n_tile_cols);
        total_us += profile->call_us * (double)n_tile_rows * (double)n_tile_cols;
        if (tess_op_has_weights(op))
            total_us += profile->row_us * n_rows * (double)n_tile_cols;
    }
    return total_us;
}

int64_t tess_cost_n_reads(const struct tess_layout *layout, int op)
{
    const struct tess_tiles *tiles = &layout->tiles[layout->group_of[op]];
    int at = layout->position[op] - layout->plan->groups[layout->group_of[op]].first;
    int64_t n_tile_rows, n_tile_cols;
    lines_of(tiles, TESS_ROWS, at, &n_tile_rows);
    lines_of(tiles, TESS_COLS, at, &n_tile_cols);
    return n_tile_rows * n_tile_cols;
}

struct tess_streamable tess_cost_streamable_once(const struct tess_graph *graph,
                                                 const struct tess_kernel_facts *facts,
                                                 int op)
{
    return (struct tess_streamable){
        .op = op,
        .weights_bytes = tess_facts_weights_bytes(facts, graph, op),
        .block_bytes = tess_packed_block_bytes(graph, op),
        .n_blocks = tess_packed_n_blocks(graph, op),
        .n_reads = 1,
    };
}

struct tess_streamable tess_cost_streamable(const struct tess_layout *layout, int op)
{
    struct tess_streamable what =
        tess_cost_streamable_once(layout->graph, &layout->plan->facts, op);
    what.n_reads = tess_cost_n_reads(layout, op);
    what.macs = tess_op_macs(layout->graph, &layout->graph->ops[op]);
    what.speed = tess_speed_class_of(layout->graph, op);
    return what;
}

/* What computing by slices of a few blocks takes beyond computing by many, relative to that. */
static double narrow_share(const struct tess_streamable *what, int n_blocks)
{
    /* TUNING: kernels compute four blocks for each value that they fetch, or fewer. YOLOv2's deep
     * layers by slices of 1, 2, 3 blocks against 4 and more. November 2026. */
    static const double shares[][3] = {{0.25, 0.09, 0.05}, {0.42, 0.15, 0.05}};
    assert(n_blocks >= 1);
    if (n_blocks > 3 || n_blocks >= what->n_blocks)
        return 0;
    return shares[what->speed == TESS_SPEED_CONV_POINT][n_blocks - 1];
}

double tess_cost_read_us(const struct tess_streamable *what, int64_t slice_bytes,
                         const struct tess_kernel_facts *facts,
                         const struct tess_profile *profile)
{
    int n_blocks =
        tess_slices_blocks_within(slice_bytes, what->block_bytes, what->n_blocks);
    double n_slices = (double)tess_div_up(what->n_blocks, n_blocks);
    double bytes_per_us = facts->has_unpacked_source ? profile->pack_bytes_per_us
                                                     : profile->stream_bytes_per_us;
    double compute_us = (double)what->macs / profile->macs_per_us[what->speed];
    return (double)what->n_reads * ((double)what->weights_bytes / bytes_per_us +
                                    n_slices * profile->slice_us) +
           narrow_share(what, n_blocks) * compute_us;
}

double tess_cost_stream_us(const struct tess_layout *layout, int group,
                           const struct tess_profile *profile)
{
    const struct tess_plan *plan = layout->plan;
    int64_t slice_bytes = plan->slice_bytes;
    if (slice_bytes == 0)
        slice_bytes = tess_slices_most_block_bytes(plan, layout->graph);
    double total_us = 0;
    for (int at = plan->groups[group].first; at <= plan->groups[group].last; at++) {
        if (!plan->streamed[plan->order[at]])
            continue;
        struct tess_streamable what = tess_cost_streamable(layout, plan->order[at]);
        total_us += tess_cost_read_us(&what, slice_bytes, &plan->facts, profile);
    }
    return total_us;
}

double tess_cost_group_us(const struct tess_layout *layout, int group,
                          const struct tess_profile *profile)
{
    return tess_cost_compute_us(layout, group, profile) +
           tess_cost_traffic_us(layout, group, profile) +
           tess_cost_calls_us(layout, group, profile) +
           tess_cost_stream_us(layout, group, profile);
}
