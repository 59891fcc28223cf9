#include "plan/cluster.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "partition/tiles.h"

int64_t tess_cluster_kept_bytes(int64_t memory_bytes, int64_t peak_bytes)
{
    if (memory_bytes == 0)
        return TESS_CLUSTER_KEPT_BYTES;
    int64_t left_bytes = memory_bytes - peak_bytes;
    return tess_max_i64(tess_min_i64(left_bytes, TESS_CLUSTER_KEPT_BYTES), 0);
}

enum tess_status tess_cluster_plan_create(const struct tess_graph *graph,
                                          const struct tess_cluster *cluster,
                                          struct tess_cluster_plan **plan_out,
                                          struct tess_error *error)
{
    assert(cluster->n_nodes >= 1 && cluster->n_nodes <= TESS_CLUSTER_MOST_NODES);
    struct tess_cluster_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return tess_error_nomem(error);
    snprintf(plan->model, sizeof plan->model, "%s", graph->name);
    plan->model_hash = graph->hash;
    plan->sends_bytes = true;
    plan->cluster = *cluster;
    *plan_out = plan;
    return TESS_OK;
}

static void release_stage(struct tess_cluster_stage *stage)
{
    free(stage->ops);
    free(stage->tiles);
}

void tess_cluster_plan_destroy(struct tess_cluster_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_stages; i++)
        release_stage(&plan->stages[i]);
    free(plan->stages);
    free(plan);
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

enum tess_status tess_cluster_plan_add(struct tess_cluster_plan *plan, const int *ops,
                                       int n_ops, const struct tess_cluster_tile *tiles,
                                       int n_tiles, struct tess_error *error)
{
    assert(n_ops > 0 && n_tiles > 0);
    size_t n_stages = (size_t)plan->n_stages + 1;
    struct tess_cluster_stage *stages =
        realloc(plan->stages, sizeof *plan->stages * n_stages);
    if (!stages)
        return tess_error_nomem(error);
    plan->stages = stages;
    struct tess_cluster_stage stage = {.n_ops = n_ops, .n_tiles = n_tiles};
    stage.ops = malloc(sizeof *ops * (size_t)n_ops);
    stage.tiles = malloc(sizeof *tiles * (size_t)n_tiles);
    if (!stage.ops || !stage.tiles) {
        release_stage(&stage);
        return tess_error_nomem(error);
    }
    memcpy(stage.ops, ops, sizeof *ops * (size_t)n_ops);
    qsort(stage.ops, (size_t)n_ops, sizeof *ops, compare_ints);
    memcpy(stage.tiles, tiles, sizeof *tiles * (size_t)n_tiles);
    plan->stages[plan->n_stages++] = stage;
    return TESS_OK;
}

static int find_node(const struct tess_cluster *cluster, const char *name)
{
    for (int i = 0; i < cluster->n_nodes; i++)
        if (strcmp(cluster->nodes[i].name, name) == 0)
            return i;
    return -1;
}

enum tess_status tess_cluster_plan_set_cluster(struct tess_cluster_plan *plan,
                                               const struct tess_cluster *cluster,
                                               struct tess_error *error)
{
    int becomes[TESS_CLUSTER_MOST_NODES];
    for (int i = 0; i < plan->cluster.n_nodes; i++)
        becomes[i] = find_node(cluster, plan->cluster.nodes[i].name);
    for (int pass = 0; pass < 2; pass++) /* looks first, changes then */
        for (int i = 0; i < plan->n_stages; i++)
            for (int at = 0; at < plan->stages[i].n_tiles; at++) {
                int *node = &plan->stages[i].tiles[at].node;
                if (pass == 1)
                    *node = becomes[*node];
                else if (becomes[*node] < 0)
                    return tess_error_set(error, TESS_E_CONFIG,
                                          "there is no node %s, which the cluster plan "
                                          "has tiles for",
                                          plan->cluster.nodes[*node].name);
            }
    plan->cluster = *cluster;
    return TESS_OK;
}

struct tess_cluster_payload tess_cluster_payload_of(const struct tess_stage *stage,
                                                    const struct tess_region *input,
                                                    const struct tess_region *output,
                                                    bool sends_bytes)
{
    bool is_bytes = sends_bytes && stage->input.n_tensors == 1 &&
                    stage->input.tensors[0] == TESS_GRAPH_INPUT;
    return (struct tess_cluster_payload){
        .in_bytes = tess_region_n_pixels(input) * stage->input.c * (is_bytes ? 1 : 4),
        .out_bytes = tess_region_n_pixels(output) * tess_stage_pixel_values(stage) * 4};
}

struct tess_cluster_tile *tess_cluster_grid(const struct tess_region *whole, int n_rows,
                                            int n_cols)
{
    struct tess_range rows = whole->axis[TESS_ROWS], cols = whole->axis[TESS_COLS];
    assert(n_rows >= 1 && n_rows <= tess_range_len(rows) && rows.begin == 0);
    assert(n_cols >= 1 && n_cols <= tess_range_len(cols) && cols.begin == 0);
    struct tess_cluster_tile *tiles =
        calloc((size_t)n_rows * (size_t)n_cols, sizeof *tiles);
    int *row_edges = malloc(sizeof *row_edges * ((size_t)n_rows + 1));
    int *col_edges = malloc(sizeof *col_edges * ((size_t)n_cols + 1));
    if (!tiles || !row_edges || !col_edges) {
        free(tiles);
        tiles = NULL;
        goto out;
    }
    tess_split_extent(rows.end, n_rows, 0, row_edges);
    tess_split_extent(cols.end, n_cols, 0, col_edges);
    for (int r = 0; r < n_rows; r++)
        for (int c = 0; c < n_cols; c++)
            tiles[r * n_cols + c].output = (struct tess_region){
                {{row_edges[r], row_edges[r + 1]}, {col_edges[c], col_edges[c + 1]}}};
out:
    free(row_edges);
    free(col_edges);
    return tiles;
}

/* ---- check ---- */

static bool overlap(const struct tess_region *a, const struct tess_region *b)
{
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++)
        if (a->axis[axis].end <= b->axis[axis].begin ||
            b->axis[axis].end <= a->axis[axis].begin)
            return false;
    return true;
}

static bool is_inside(const struct tess_region *part, const struct tess_region *whole)
{
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++)
        if (part->axis[axis].begin < 0 || tess_range_is_empty(part->axis[axis]) ||
            part->axis[axis].end > whole->axis[axis].end)
            return false;
    return true;
}

/* Tiles inside, none overlapping, as many pixels as the whole: they cover it exactly. */
static enum tess_status check_tiles(const struct tess_cluster_plan *plan, int number,
                                    const struct tess_stage *stage,
                                    struct tess_error *error)
{
    const struct tess_cluster_stage *has = &plan->stages[number];
    struct tess_region whole = tess_stage_whole(stage);
    int64_t n_pixels = 0;
    for (int i = 0; i < has->n_tiles; i++) {
        const struct tess_cluster_tile *tile = &has->tiles[i];
        if (tile->node < 0 || tile->node >= plan->cluster.n_nodes)
            return tess_error_set(error, TESS_E_CONFIG,
                                  "stage %d, tile %d is for a node that there is not",
                                  number, i);
        if (!is_inside(&tile->output, &whole))
            return tess_error_set(
                error, TESS_E_CONFIG,
                "stage %d, tile %d is empty or reaches beyond the %dx%d map", number, i,
                stage->output.h, stage->output.w);
        for (int j = 0; j < i; j++)
            if (overlap(&tile->output, &has->tiles[j].output))
                return tess_error_set(error, TESS_E_CONFIG,
                                      "stage %d, tiles %d and %d overlap", number, j, i);
        n_pixels += tess_region_n_pixels(&tile->output);
    }
    if (n_pixels != tess_region_n_pixels(&whole))
        return tess_error_set(error, TESS_E_CONFIG,
                              "the tiles of stage %d leave %" PRId64
                              " of the %dx%d map's pixels out",
                              number, tess_region_n_pixels(&whole) - n_pixels,
                              stage->output.h, stage->output.w);
    if (has->n_tiles > 1 && !stage->can_cut) {
        tess_error_set(error, TESS_E_CONFIG,
                       "stage %d holds a layer that reads whole maps and cannot be cut",
                       number);
        tess_error_hint(error, "give it one tile, or put that layer into a stage of its "
                               "own");
        return TESS_E_CONFIG;
    }
    return TESS_OK;
}

/* Marks the ops of a stage; they come after what they read. */
static enum tess_status check_order(const struct tess_cluster_plan *plan, int number,
                                    const struct tess_graph *graph, int *stage_of,
                                    struct tess_error *error)
{
    const struct tess_cluster_stage *stage = &plan->stages[number];
    for (int at = 0; at < stage->n_ops; at++) {
        int op = stage->ops[at];
        if (op < 0 || op >= graph->n_ops || stage_of[op] >= 0)
            return tess_error_set(error, TESS_E_CONFIG,
                                  "stage %d holds op %d, which there is not or which an "
                                  "earlier stage holds",
                                  number, op);
        stage_of[op] = number;
        for (int i = 0; i < graph->ops[op].n_inputs; i++) {
            int producer = graph->tensors[graph->ops[op].inputs[i]].producer;
            if (producer >= 0 && stage_of[producer] < 0)
                return tess_error_set(
                    error, TESS_E_CONFIG,
                    "stage %d: layer %d runs before layer %d, which it reads", number,
                    graph->ops[op].layer, graph->ops[producer].layer);
        }
    }
    return TESS_OK;
}

static enum tess_status check_stage(const struct tess_cluster_plan *plan, int number,
                                    const struct tess_graph *graph, int *stage_of,
                                    struct tess_error *error)
{
    struct tess_stage stage;
    enum tess_status status = check_order(plan, number, graph, stage_of, error);
    if (status != TESS_OK)
        return status;
    status = tess_stage_init(&stage, graph, plan->stages[number].ops,
                             plan->stages[number].n_ops, error);
    if (status != TESS_OK)
        return status;
    status = check_tiles(plan, number, &stage, error);
    tess_stage_release(&stage);
    return status;
}

enum tess_status tess_cluster_plan_check(const struct tess_cluster_plan *plan,
                                         const struct tess_graph *graph, int *stage_out,
                                         struct tess_error *error)
{
    int *stage_of = malloc(sizeof *stage_of * (size_t)graph->n_ops);
    enum tess_status status = TESS_OK;
    int number = 0, n_ops = 0;
    if (!stage_of)
        return tess_error_nomem(error);
    for (int op = 0; op < graph->n_ops; op++)
        stage_of[op] = -1;
    if (stage_out)
        *stage_out = -1;
    if (plan->model_hash != graph->hash)
        status = tess_error_set(error, TESS_E_CONFIG,
                                "the cluster plan was made for another network");
    for (; number < plan->n_stages && status == TESS_OK; number++) {
        status = check_stage(plan, number, graph, stage_of, error);
        n_ops += plan->stages[number].n_ops;
        if (status != TESS_OK && stage_out)
            *stage_out = number;
    }
    for (int op = 0; op < graph->n_ops && status == TESS_OK && n_ops < graph->n_ops; op++)
        if (stage_of[op] < 0)
            status = tess_error_set(error, TESS_E_CONFIG, "layer %d is in no stage",
                                    graph->ops[op].layer);
    free(stage_of);
    return status;
}
