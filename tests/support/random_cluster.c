#include "tests/support/random_cluster.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"

enum { MOST_ROWS = 4, MOST_COLS = 3 };

static void need(bool is_there)
{
    if (!is_there)
        abort();
}

static struct tess_cluster random_nodes(struct tess_rng *rng)
{
    struct tess_cluster cluster = {.n_nodes = tess_rng_int(rng, 1, 4)};
    for (int i = 0; i < cluster.n_nodes; i++) {
        struct tess_cluster_node *node = &cluster.nodes[i];
        node->speed = 0.01 * tess_rng_int(rng, 1, 200);
        node->link_mbit = tess_rng_int(rng, 1, 1000);
        node->latency_us = tess_rng_int(rng, 0, 1000);
        snprintf(node->name, sizeof node->name, "n%d", i);
    }
    return cluster;
}

/* Cuts one tile with two rows or more in two: tiles of one stage are then of unlike shapes. */
static int cut_one(struct tess_cluster_tile *tiles, int n_tiles, struct tess_rng *rng)
{
    int which = tess_rng_int(rng, 0, n_tiles - 1);
    struct tess_range *rows = &tiles[which].output.axis[TESS_ROWS];
    if (tess_range_len(*rows) < 2)
        return n_tiles;
    int edge = tess_rng_int(rng, rows->begin + 1, rows->end - 1);
    tiles[n_tiles] = tiles[which];
    tiles[n_tiles].output.axis[TESS_ROWS].begin = edge;
    rows->end = edge;
    return n_tiles + 1;
}

static void add_stage(struct tess_cluster_plan *plan, const struct tess_stage *stage,
                      struct tess_rng *rng)
{
    struct tess_region whole = tess_stage_whole(stage);
    struct tess_cluster_tile tiles[MOST_ROWS * MOST_COLS + 1];
    int n_rows = tess_rng_int(rng, 1, tess_min_int(MOST_ROWS, stage->output.h));
    int n_cols = tess_rng_int(rng, 1, tess_min_int(MOST_COLS, stage->output.w));
    if (!stage->can_cut)
        n_rows = n_cols = 1;
    int n_tiles = n_rows * n_cols;
    struct tess_cluster_tile *grid = tess_cluster_grid(&whole, n_rows, n_cols);
    need(grid != NULL);
    for (int i = 0; i < n_tiles; i++)
        tiles[i] = grid[i];
    free(grid);
    if (stage->can_cut && tess_rng_int(rng, 0, 1))
        n_tiles = cut_one(tiles, n_tiles, rng);
    for (int i = 0; i < n_tiles; i++)
        tiles[i].node = tess_rng_int(rng, 0, plan->cluster.n_nodes - 1);
    need(tess_cluster_plan_add(plan, stage->ops, stage->n_ops, tiles, n_tiles, NULL) ==
         TESS_OK);
}

struct tess_cluster_plan *tess_random_cluster_plan(const struct tess_graph *graph,
                                                   struct tess_rng *rng)
{
    struct tess_cluster cluster = random_nodes(rng);
    struct tess_cluster_plan *plan = NULL;
    int *ops = malloc(sizeof *ops * (size_t)graph->n_ops);
    int first = 0, end = 1;
    need(ops && tess_cluster_plan_create(graph, &cluster, &plan, NULL) == TESS_OK);
    for (int op = 0; op < graph->n_ops; op++)
        ops[op] = op;
    plan->sends_bytes = tess_rng_int(rng, 0, 1);
    for (; end <= graph->n_ops; end++) {
        struct tess_stage stage;
        if (end < graph->n_ops && tess_rng_int(rng, 0, 2) > 0)
            continue;
        enum tess_status status =
            tess_stage_init(&stage, graph, ops + first, end - first, NULL);
        need(status != TESS_E_NOMEM);
        if (status != TESS_OK)
            continue;
        add_stage(plan, &stage, rng);
        tess_stage_release(&stage);
        first = end;
    }
    free(ops);
    if (first == graph->n_ops)
        return plan;
    tess_cluster_plan_destroy(plan);
    return NULL;
}
