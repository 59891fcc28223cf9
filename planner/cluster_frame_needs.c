#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "planner/cluster_frame_priv.h"

/* As transport/kept.h and transport/work.c have it: a worker keeps at most so many results, and a
 * rest is sent by itself if it is at least one part in so many. */

static int64_t common_pixels(const struct tess_region *a, const struct tess_region *b)
{
    int64_t pixels = 1;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        int begin = tess_max_int(a->axis[axis].begin, b->axis[axis].begin);
        int end = tess_min_int(a->axis[axis].end, b->axis[axis].end);
        pixels *= tess_max_int(end - begin, 0);
    }
    return pixels;
}

static int64_t out_bytes(const struct tess_frame *frame, int tile, int stage)
{
    return tess_region_n_pixels(&frame->tiles[tile].output) *
           frame->stages[stage].output_pixel_bytes;
}

/* Bytes per pixel that tiles of stage `stage` read of those of stage `from`. */
static int64_t reads(const struct tess_frame *frame, int stage, int from)
{
    return frame->reads[stage * frame->n_stages + from];
}

/* Does the node of `tile` still have its own result `from` when the tile is to be computed? */
static bool is_kept(const struct tess_frame *frame, const struct tess_frame_need *needs,
                    int tile, int from)
{
    int node = frame->tiles[tile].node;
    return frame->tiles[from].node == node &&
           needs[tile].n_own - needs[from].n_own <= TESS_CLUSTER_KEPT_TILES &&
           needs[tile].own_bytes - needs[from].own_bytes <= frame->kept_bytes[node];
}

/* Does `tile` wait for all of the result `from`? Otherwise for what of it others need. */
static bool waits_for_rest(const struct tess_frame *frame,
                           const struct tess_frame_need *needs, int tile, int from)
{
    const struct tess_frame_tile *tiles = frame->tiles;
    return needs[from].rest_bytes > 0 && tiles[tile].node == tiles[from].node &&
           !is_kept(frame, needs, tile, from);
}

static void set_input(struct tess_frame *frame, struct tess_frame_need *needs, int tile)
{
    struct tess_frame_tile *it = &frame->tiles[tile];
    int stage = needs[tile].stage;
    it->in_bytes =
        frame->stages[stage].input_pixel_bytes * tess_region_n_pixels(&it->input);
    for (int from = 0; from < stage; from++) {
        int64_t pixel_bytes = reads(frame, stage, from);
        const struct tess_frame_stage *before = &frame->stages[from];
        if (pixel_bytes == 0)
            continue;
        for (int i = before->first_tile; i < before->first_tile + before->n_tiles; i++) {
            int64_t pixels = common_pixels(&it->input, &frame->tiles[i].output);
            needs[tile].n_waits += pixels > 0;
            it->in_bytes += is_kept(frame, needs, tile, i) ? 0 : pixels * pixel_bytes;
        }
    }
    it->in_bytes = it->node == TESS_CLUSTER_COORDINATOR ? 0 : it->in_bytes;
}

/* The rectangle loses the side that costs least of those that leave nothing of `needed`. */
static void shrink(struct tess_region *rest, const struct tess_region *needed)
{
    struct tess_region best = {{{0, 0}, {0, 0}}};
    if (common_pixels(rest, needed) == 0)
        return;
    for (int side = 0; side < 4; side++) {
        struct tess_region part = *rest;
        struct tess_range *range = &part.axis[side / 2];
        const struct tess_range *away = &needed->axis[side / 2];
        if (side % 2 == 0)
            range->begin = tess_max_int(range->begin, away->end);
        else
            range->end = tess_min_int(range->end, away->begin);
        if (tess_region_n_pixels(&part) > tess_region_n_pixels(&best))
            best = part;
    }
    *rest = best;
}

/* The largest rectangle, or so, of a tile's result that no other node reads. Empty if there is
 * little of it, or if nobody reads any. */
static struct tess_region rest_of(const struct tess_frame *frame,
                                  const struct tess_frame_need *needs, int tile)
{
    const struct tess_frame_tile *it = &frame->tiles[tile];
    const struct tess_region none = {{{0, 0}, {0, 0}}};
    struct tess_region rest = it->output;
    int stage = needs[tile].stage;
    bool is_read = false;
    for (int to = stage + 1; to < frame->n_stages; to++) {
        const struct tess_frame_stage *after = &frame->stages[to];
        if (reads(frame, to, stage) == 0)
            continue;
        is_read = true;
        for (int i = after->first_tile; i < after->first_tile + after->n_tiles; i++)
            if (frame->tiles[i].node != it->node)
                shrink(&rest, &frame->tiles[i].input);
    }
    return is_read && tess_region_n_pixels(&rest) * TESS_CLUSTER_LEAST_REST >=
                          tess_region_n_pixels(&it->output)
               ? rest
               : none;
}

/* How the tile's result is sent. */
static void set_result(struct tess_frame *frame, struct tess_frame_need *needs, int tile)
{
    int stage = needs[tile].stage;
    int64_t bytes = out_bytes(frame, tile, stage), rest_bytes = 0;
    if (frame->splits_results && frame->tiles[tile].node != TESS_CLUSTER_COORDINATOR) {
        struct tess_region rest = rest_of(frame, needs, tile);
        rest_bytes =
            tess_region_n_pixels(&rest) * frame->stages[stage].output_pixel_bytes;
    }
    needs[tile].first_bytes = bytes - rest_bytes;
    needs[tile].rest_bytes = rest_bytes;
}

void tess_frame_set_needs(struct tess_frame *frame, struct tess_frame_need *needs)
{
    int64_t sums[TESS_CLUSTER_MOST_NODES] = {0};
    int n_own[TESS_CLUSTER_MOST_NODES] = {0};
    for (int stage = 0, tile = 0; stage < frame->n_stages; stage++) {
        assert(frame->stages[stage].first_tile == tile);
        for (int i = 0; i < frame->stages[stage].n_tiles; i++, tile++) {
            int64_t *sum = &sums[frame->tiles[tile].node];
            needs[tile] = (struct tess_frame_need){.own_bytes = *sum};
            needs[tile].n_own = n_own[frame->tiles[tile].node]++;
            needs[tile].stage = stage;
            *sum += out_bytes(frame, tile, stage);
        }
    }
    for (int tile = 0; tile < frame->n_tiles; tile++) {
        set_input(frame, needs, tile);
        set_result(frame, needs, tile);
    }
}

void tess_frame_supply(const struct tess_frame *frame, struct tess_frame_need *needs,
                       int tile, bool is_rest)
{
    int stage = needs[tile].stage;
    for (int to = stage + 1; to < frame->n_stages; to++) {
        const struct tess_frame_stage *after = &frame->stages[to];
        if (reads(frame, to, stage) == 0)
            continue;
        for (int i = after->first_tile; i < after->first_tile + after->n_tiles; i++)
            if (common_pixels(&frame->tiles[i].input, &frame->tiles[tile].output) > 0 &&
                waits_for_rest(frame, needs, i, tile) == is_rest)
                needs[i].n_waits--;
    }
}

enum tess_status tess_frame_set_reads(const struct tess_stage *const *stages,
                                      int n_stages, bool sends_bytes,
                                      struct tess_frame_stage *frame_stages,
                                      int64_t *reads_out)
{
    const struct tess_graph *graph = stages[0]->graph;
    int *stage_of = calloc((size_t)graph->n_ops, sizeof *stage_of);
    if (!stage_of)
        return TESS_E_NOMEM;
    memset(reads_out, 0, sizeof *reads_out * (size_t)n_stages * (size_t)n_stages);
    for (int i = 0; i < n_stages; i++) {
        const struct tess_stage *stage = stages[i];
        frame_stages[i].input_pixel_bytes = 0;
        frame_stages[i].output_pixel_bytes = tess_stage_pixel_values(stage) * 4;
        for (int at = 0; at < stage->n_ops; at++)
            stage_of[stage->ops[at]] = i;
        for (int t = 0; t < stage->input.n_tensors; t++) {
            const struct tess_tensor *tensor = &graph->tensors[stage->input.tensors[t]];
            if (tensor->producer < 0)
                frame_stages[i].input_pixel_bytes += tensor->c * (sends_bytes ? 1 : 4);
            else
                reads_out[i * n_stages + stage_of[tensor->producer]] += tensor->c * 4;
        }
    }
    free(stage_of);
    return TESS_OK;
}

int64_t tess_frame_moved_bytes(const struct tess_frame *frame)
{
    int64_t bytes = 0;
    for (int stage = 0; stage < frame->n_stages; stage++)
        for (int i = 0; i < frame->stages[stage].n_tiles; i++) {
            int tile = frame->stages[stage].first_tile + i;
            if (frame->tiles[tile].node != TESS_CLUSTER_COORDINATOR)
                bytes += frame->tiles[tile].in_bytes + out_bytes(frame, tile, stage);
        }
    return bytes;
}
