/* Problem: the tiling of a stage that is done first, nodes being unequal and links shared.
 *
 * Method: three families of tilings, each put on clocks (planner/cluster_time.h).
 *   - even grids of up to four times as many tiles as nodes, tiles to whoever is done first;
 *   - one band for each node or two, in a few columns, of heights that follow what each node got
 *     done: begin with its speed, then its bands grow by the ratio of the mean time to its own,
 *     again and again. The best of all rounds counts, since heights are whole rows.
 *
 * Cost: O(tilings * tiles * ops).
 *
 * Not done: bands of unequal widths.
 */
#include "planner/cluster_tiling.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "planner/cluster_time.h"

enum { TILES_PER_NODE = 4, MAX_COLUMNS = 3, MAX_BANDS = 3, BALANCE_ROUNDS = 20 };

struct tryer {
    const struct tess_stage *stage;
    const struct tess_cluster *cluster;
    const struct tess_cluster_options *options;
    bool keeps_weights[TESS_CLUSTER_MOST_NODES];
    double load_us, disk_us;
    const struct tess_tiling_wish *wish;
    int max_tiles;
    struct tess_region *regions;     /* [n_ops + 1] scratch */
    struct tess_tile_job *jobs;      /* [max_tiles] */
    struct tess_cluster_tile *tiles; /* [max_tiles] being tried */
    struct tess_cluster_tile *best;  /* [max_tiles] */
    int n_best;                      /* 0: nothing yet */
    double best_us;
};

double tess_cluster_tile_us(const struct tess_stage *stage,
                            const struct tess_region *regions,
                            const struct tess_cluster_options *options)
{
    const struct tess_graph *graph = stage->graph;
    const struct tess_profile *profile = &options->planner.profile;
    double total_us = 0;
    for (int at = 0; at < stage->n_ops; at++) {
        int id = stage->ops[at];
        const struct tess_op *op = &graph->ops[id];
        const struct tess_tensor *out = &graph->tensors[op->output];
        double share =
            (double)tess_region_n_pixels(&regions[at]) / ((double)out->h * out->w);
        double bytes = (double)tess_tensor_bytes(out);
        if (op->kind == TESS_OP_CONCAT || op->kind == TESS_OP_SLICE)
            continue;
        for (int i = 0; i < op->n_inputs; i++)
            bytes += (double)tess_tensor_bytes(&graph->tensors[op->inputs[i]]);
        total_us += profile->call_us + share * bytes / profile->bytes_per_us;
        if (!tess_op_has_weights(op))
            continue;
        total_us += share * (double)tess_op_macs(graph, op) /
                    profile->macs_per_us[tess_speed_class_of(graph, id)];
        total_us += profile->row_us * tess_range_len(regions[at].axis[TESS_ROWS]);
        /* Held weights come from memory once a tile, as in planner/cost.c. */
        double fetched =
            (double)tess_facts_weights_bytes(&options->planner.facts, graph, id) -
            profile->cache_bytes;
        total_us += fmax(fetched, 0) / (3 * profile->bytes_per_us);
    }
    return total_us;
}

static double weights_bytes(const struct tess_stage *stage,
                            const struct tess_cluster_options *options)
{
    double bytes = 0;
    for (int at = 0; at < stage->n_ops; at++)
        bytes += (double)tess_facts_weights_bytes(&options->planner.facts, stage->graph,
                                                  stage->ops[at]);
    return bytes;
}

double tess_cluster_load_us(const struct tess_stage *stage,
                            const struct tess_cluster_options *options)
{
    return weights_bytes(stage, options) / options->planner.profile.stream_bytes_per_us;
}

double tess_cluster_disk_us(const struct tess_stage *stage,
                            const struct tess_cluster_options *options)
{
    double bytes_per_us = options->planner.profile.disk_bytes_per_us;
    return bytes_per_us > 0 ? weights_bytes(stage, options) / bytes_per_us : 0;
}

/* Bytes of the input that lie below the output: nodes that computed the same part of the map before
 * have them. */
static int64_t bytes_there(const struct tess_stage *stage,
                           const struct tess_region *input,
                           const struct tess_region *output)
{
    int extents[2][2] = {{stage->input.h, stage->output.h},
                         {stage->input.w, stage->output.w}};
    int64_t bytes = (int64_t)stage->input.c * 4;
    if (stage->input.n_tensors == 1 && stage->input.tensors[0] == TESS_GRAPH_INPUT)
        return 0;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        int64_t in = extents[axis][0], out = extents[axis][1];
        int64_t begin = output->axis[axis].begin * in / out;
        int64_t end = output->axis[axis].end * in / out;
        begin = tess_max_i64(begin, input->axis[axis].begin);
        end = tess_min_i64(end, input->axis[axis].end);
        bytes *= tess_max_i64(end - begin, 0);
    }
    return bytes;
}

/* Puts the first `n_tiles` of tryer->tiles on clocks; tiles without a node (-1) go anywhere. */
static void try_tiles(struct tryer *tryer, int n_tiles)
{
    const struct tess_stage *stage = tryer->stage;
    assert(n_tiles <= tryer->max_tiles);
    bool fits = true;
    for (int i = 0; i < n_tiles; i++) {
        const struct tess_region *output = &tryer->tiles[i].output;
        tess_stage_regions(stage, output, tryer->regions);
        struct tess_cluster_payload payload = tess_cluster_payload_of(
            stage, &tryer->regions[stage->n_ops], output, tryer->options->sends_bytes);
        tryer->jobs[i] = (struct tess_tile_job){
            .compute_us = tess_cluster_tile_us(stage, tryer->regions, tryer->options),
            .load_us = tryer->load_us,
            .load_disk_us = tryer->disk_us, /* what is streamed is not known yet */
            .in_bytes = payload.in_bytes,
            .out_bytes = payload.out_bytes,
            .node = tryer->tiles[i].node,
        };
        if (tryer->wish->aligned_columns > 0)
            tryer->jobs[i].in_bytes -=
                bytes_there(stage, &tryer->regions[stage->n_ops], output);
        fits = fits && tess_region_n_pixels(output) <= tryer->wish->most_pixels;
    }
    double us = tess_cluster_stage_us(tryer->cluster, tryer->keeps_weights,
                                      tess_message_cost_typical(), tryer->jobs, n_tiles);
    if (!fits || us >= tryer->best_us)
        return;
    tryer->best_us = us;
    tryer->n_best = n_tiles;
    memcpy(tryer->best, tryer->tiles, sizeof *tryer->tiles * (size_t)n_tiles);
    for (int i = 0; i < n_tiles; i++)
        tryer->best[i].node = tryer->jobs[i].node;
}

static enum tess_status try_grid(struct tryer *tryer, int n_rows, int n_cols,
                                 struct tess_error *error)
{
    struct tess_region whole = tess_stage_whole(tryer->stage);
    struct tess_cluster_tile *grid = tess_cluster_grid(&whole, n_rows, n_cols);
    if (!grid)
        return tess_error_nomem(error);
    int n_tiles = n_rows * n_cols;
    memcpy(tryer->tiles, grid, sizeof *grid * (size_t)n_tiles);
    for (int i = 0; i < n_tiles; i++)
        tryer->tiles[i].node = -1;
    free(grid);
    try_tiles(tryer, n_tiles);
    return TESS_OK;
}

/* Bands of one node each, tile i in column i % n_columns. The n_nodes nodes that compute, the first
 * being node `first`, take turns; from the second turn on without the first `n_once`. */
struct banding {
    int first, n_nodes, n_once;
    int n_tiles, n_columns;
    double shares[TESS_CLUSTER_MOST_NODES]; /* of the rows, by those nodes */
};

static int turn_of(const struct banding *banding, int tile)
{
    int n_again = banding->n_nodes - banding->n_once;
    return tile < banding->n_nodes
               ? tile
               : banding->n_once + (tile - banding->n_nodes) % n_again;
}

/* Sets the tiles of one column from their nodes' shares, at least a row each. */
static void set_column(struct tryer *tryer, const struct banding *banding, int column)
{
    int height = tryer->stage->output.h;
    int width = tryer->stage->output.w, n_columns = banding->n_columns;
    int n_left = (banding->n_tiles - column - 1) / n_columns + 1, begin = 0;
    double total = 0, sum = 0;
    for (int i = column; i < banding->n_tiles; i += n_columns)
        total += banding->shares[turn_of(banding, i)];
    for (int i = column; i < banding->n_tiles; i += n_columns) {
        sum += banding->shares[turn_of(banding, i)];
        n_left--;
        int end = (int)(height * (sum / total) + 0.5);
        end = tess_min_int(tess_max_int(end, begin + 1), height - n_left);
        if (n_left == 0)
            end = height;
        tryer->tiles[i] = (struct tess_cluster_tile){
            .output = {{{begin, end},
                        {width * column / n_columns, width * (column + 1) / n_columns}}},
            .node = banding->first + turn_of(banding, i)};
        begin = end;
    }
}

/* `per_worker` bands for each worker: with two, it receives one while it computes the other. The
 * coordinator receives nothing, and has one. */
static void try_balanced(struct tryer *tryer, int n_columns, int per_worker)
{
    int first = tryer->cluster->nodes[TESS_CLUSTER_COORDINATOR].only_serves;
    int n_nodes = tryer->cluster->n_nodes - first, n_once = 1 - first;
    struct banding banding = {.first = first,
                              .n_nodes = n_nodes,
                              .n_once = n_once,
                              .n_tiles = n_once + (n_nodes - n_once) * per_worker,
                              .n_columns = n_columns};
    if (n_columns > tryer->stage->output.w || n_columns > banding.n_tiles ||
        (banding.n_tiles + n_columns - 1) / n_columns > tryer->stage->output.h)
        return;
    for (int node = 0; node < n_nodes; node++)
        banding.shares[node] = tryer->cluster->nodes[first + node].speed;
    for (int round = 0; round < BALANCE_ROUNDS; round++) {
        double ends_us[TESS_CLUSTER_MOST_NODES] = {0}, mean_us = 0;
        for (int column = 0; column < n_columns; column++)
            set_column(tryer, &banding, column);
        try_tiles(tryer, banding.n_tiles);
        for (int i = 0; i < banding.n_tiles; i++)
            ends_us[turn_of(&banding, i)] =
                fmax(ends_us[turn_of(&banding, i)], tryer->jobs[i].done_us);
        for (int node = 0; node < n_nodes; node++)
            mean_us += ends_us[node] / n_nodes;
        for (int node = 0; node < n_nodes; node++)
            banding.shares[node] *= pow(mean_us / ends_us[node], 0.7);
    }
}

static enum tess_status try_all(struct tryer *tryer, struct tess_error *error)
{
    const struct tess_stage *stage = tryer->stage;
    int n_nodes = tryer->cluster->n_nodes;
    enum tess_status status = try_grid(tryer, 1, 1, error);
    if (!stage->can_cut)
        return status;
    if (tryer->wish->aligned_columns > 0) {
        for (int per_worker = 1; per_worker <= 2 && n_nodes > 1; per_worker++)
            try_balanced(tryer, tryer->wish->aligned_columns, per_worker);
        return status;
    }
    for (int n_cols = 1; n_cols <= MAX_COLUMNS; n_cols++) {
        int max_rows = tess_min_int(tryer->max_tiles / n_cols, stage->output.h);
        for (int n_rows = 1;
             n_rows <= max_rows && n_cols <= stage->output.w && status == TESS_OK;
             n_rows++)
            status = try_grid(tryer, n_rows, n_cols, error);
    }
    for (int per_worker = 1; per_worker <= MAX_BANDS && n_nodes > 1; per_worker++)
        for (int n_columns = 1; n_columns <= MAX_COLUMNS; n_columns++)
            try_balanced(tryer, n_columns, per_worker);
    return status;
}

enum tess_status tess_cluster_tiling_find(const struct tess_stage *stage,
                                          const struct tess_cluster *cluster,
                                          const struct tess_cluster_options *options,
                                          const struct tess_tiling_wish *wish,
                                          struct tess_tiling_found *found_out,
                                          struct tess_error *error)
{
    struct tryer tryer = {.stage = stage,
                          .cluster = cluster,
                          .options = options,
                          .wish = wish,
                          .max_tiles = TILES_PER_NODE * cluster->n_nodes,
                          .best_us = wish->below_us};
    size_t n_tiles = (size_t)tryer.max_tiles;
    tess_cluster_keep(stage->graph, cluster, options, tryer.keeps_weights);
    tryer.load_us = tess_cluster_load_us(stage, options);
    tryer.disk_us = tess_cluster_disk_us(stage, options);
    tryer.regions = calloc((size_t)stage->n_ops + 1, sizeof *tryer.regions);
    tryer.jobs = calloc(n_tiles, sizeof *tryer.jobs);
    tryer.tiles = calloc(n_tiles, sizeof *tryer.tiles);
    tryer.best = calloc(n_tiles, sizeof *tryer.best);
    enum tess_status status = TESS_OK;
    if (tryer.regions && tryer.jobs && tryer.tiles && tryer.best)
        status = try_all(&tryer, error);
    else
        status = tess_error_nomem(error);
    if (status == TESS_OK) {
        *found_out = (struct tess_tiling_found){tryer.best_us, tryer.n_best,
                                                tryer.n_best > 0 ? tryer.best : NULL};
        tryer.best = tryer.n_best > 0 ? NULL : tryer.best;
    }
    free(tryer.regions);
    free(tryer.jobs);
    free(tryer.tiles);
    free(tryer.best);
    return status;
}
