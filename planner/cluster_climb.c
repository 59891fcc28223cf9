/* Problem: stages and tilings of a network whose frame is done first, nodes being unequal.
 *
 * Method: local search. A chain is changed in one place, put on clocks whole, and kept if it is
 * faster. Moves, in this order, again and again until none helps:
 *   - cuts: two stages become one, one becomes two, a cut moves by up to three ops;
 *   - spreads: that of a neighbouring stage, or an even one, of this stage or of all;
 *   - edges: of one stage, or of all that have the same number of tiles;
 *   - halves: tiles cut in two, so that a node receives one while it computes the other;
 *   - nodes: two change places, or one takes another's tile.
 *
 * Invariant: the chain's time never grows.
 *
 * Cost: a few thousand frames on clocks, bounded by the number of tiles in them, so that the same
 * input gives the same plan on any machine.
 *
 * Not done: ways out of a local optimum, other than to start from several chains.
 *
 * Reference: Aarts, Lenstra (eds.), "Local Search in Combinatorial Optimization", 1997.
 */
#include "planner/cluster_climb.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/cluster_climb_priv.h"
#include "planner/cluster_tile.h"

enum { MOST_COLUMNS = 3, MOST_PER_NODE = 2, CUT_MOVES = 3 };

/* TUNING: of the tiles that may be put on clocks. Climbs end by themselves sooner, as a rule:
 * YOLOv2 on six nodes takes half of it. */
static const double climb_part = 0.15, wander_part = 0.375;

/* A gain that counts. */
static const double least_gain_us = 1;

enum tess_status tess_climber_create(const struct tess_graph *graph,
                                     const struct tess_cluster *cluster,
                                     const struct tess_cluster_options *options,
                                     struct tess_climber **climber_out)
{
    size_t n_ops = (size_t)graph->n_ops;
    struct tess_climber *climber = calloc(1, sizeof *climber);
    if (!climber)
        return TESS_E_NOMEM;
    climber->graph = graph;
    climber->cluster = cluster;
    climber->options = options;
    climber->ratio = 1;
    climber->ops = calloc(n_ops, sizeof *climber->ops);
    climber->stages = calloc(n_ops * (n_ops + 1), sizeof *climber->stages);
    climber->known = calloc(CLIMB_KNOWN_TILES, sizeof *climber->known);
    climber->regions = calloc(n_ops + 1, sizeof *climber->regions);
    climber->frame_ops = calloc(n_ops, sizeof *climber->frame_ops);
    climber->frame_stages = calloc(n_ops, sizeof *climber->frame_stages);
    climber->reads = calloc(n_ops * n_ops, sizeof *climber->reads);
    enum tess_status status = tess_chain_init(&climber->trial, graph);
    if (status == TESS_OK)
        status = tess_chain_init(&climber->current, graph);
    if (status != TESS_OK || !climber->ops || !climber->stages || !climber->known ||
        !climber->regions || !climber->frame_ops || !climber->frame_stages ||
        !climber->reads) {
        tess_climber_destroy(climber);
        return TESS_E_NOMEM;
    }
    tess_cluster_keep(graph, cluster, options, climber->keeps_weights);
    for (int op = 0; op < graph->n_ops; op++)
        climber->ops[op] = op;
    for (int node = 0; node < cluster->n_nodes; node++) {
        int64_t memory_bytes = cluster->nodes[node].memory_bytes;
        /* Peaks are not known yet. */
        climber->kept_bytes[node] =
            tess_cluster_kept_bytes(memory_bytes, memory_bytes - memory_bytes / 16);
        climber->shares[node] = cluster->nodes[node].speed;
    }
    climber->first_node =
        cluster->n_nodes > 1 && cluster->nodes[TESS_CLUSTER_COORDINATOR].only_serves;
    *climber_out = climber;
    return TESS_OK;
}

void tess_climber_destroy(struct tess_climber *climber)
{
    if (!climber)
        return;
    size_t n_stages = (size_t)climber->graph->n_ops * ((size_t)climber->graph->n_ops + 1);
    for (size_t i = 0; i < n_stages && climber->stages; i++)
        if (climber->stages[i].state == IS_STAGE)
            tess_stage_release(&climber->stages[i].stage);
    free(climber->ops);
    free(climber->stages);
    free(climber->known);
    free(climber->regions);
    free(climber->frame_ops);
    free(climber->frame_stages);
    free(climber->reads);
    free(climber->tiles);
    tess_chain_release(&climber->trial);
    tess_chain_release(&climber->current);
    free(climber);
}

enum tess_status tess_climber_forbid(struct tess_climber *climber, int first, int end,
                                     int64_t n_pixels)
{
    struct climb_stage *stage = tess_climber_stage(climber, first, end);
    if (!stage)
        return TESS_E_NOMEM;
    if (stage->most_pixels >= n_pixels)
        stage->most_pixels = n_pixels - 1;
    return TESS_OK;
}

bool tess_climber_read(struct tess_climber *climber, const struct tess_cluster_plan *plan,
                       struct tess_chain *chain_out)
{
    int end = 0;
    chain_out->n_stages = plan->n_stages;
    for (int i = 0; i < plan->n_stages; i++) {
        const struct tess_cluster_stage *has = &plan->stages[i];
        if (has->ops[0] != end || has->ops[has->n_ops - 1] != end + has->n_ops - 1)
            return false;
        struct climb_stage *stage = tess_climber_stage(climber, end, end + has->n_ops);
        end += has->n_ops;
        chain_out->stages[i].end = end;
        if (!stage ||
            !tess_spread_of(&chain_out->stages[i].spread, has->tiles, has->n_tiles,
                            stage->stage.output.h, stage->stage.output.w))
            return false;
    }
    tess_climber_weigh(climber, chain_out);
    return isfinite(chain_out->us);
}

enum tess_status tess_climber_write(struct tess_climber *climber,
                                    const struct tess_chain *chain,
                                    struct tess_cluster_plan **plan_out,
                                    struct tess_error *error)
{
    struct tess_region regions[TESS_SPREAD_TILES];
    struct tess_cluster_tile tiles[TESS_SPREAD_TILES];
    struct tess_cluster_plan *plan = NULL;
    int first = 0;
    enum tess_status status =
        tess_cluster_plan_create(climber->graph, climber->cluster, &plan, error);
    for (int i = 0; i < chain->n_stages && status == TESS_OK; i++) {
        const struct tess_spread *spread = &chain->stages[i].spread;
        int end = chain->stages[i].end;
        const struct climb_stage *stage = tess_climber_stage(climber, first, end);
        assert(stage);
        tess_spread_regions(spread, stage->stage.output.h, stage->stage.output.w,
                            regions);
        for (int at = 0; at < spread->n_tiles; at++)
            tiles[at] = (struct tess_cluster_tile){.output = regions[at],
                                                   .node = spread->tiles[at].node};
        status = tess_cluster_plan_add(plan, climber->ops + first, end - first, tiles,
                                       spread->n_tiles, error);
        first = end;
    }
    if (status == TESS_OK) {
        plan->sends_bytes = climber->options->sends_bytes;
        *plan_out = plan;
    } else {
        tess_cluster_plan_destroy(plan);
    }
    return status;
}

/* ---- moves ---- */

/* The trial becomes the chain if it is faster. Afterwards they are equal. */
static bool try_it(struct tess_climber *climber, struct tess_chain *chain)
{
    bool is_better = false;
    if (climber->n_left > 0 && !climber->is_broken) {
        tess_climber_weigh(climber, &climber->trial);
        is_better = climber->trial.us < chain->us - least_gain_us;
    }
    if (is_better)
        tess_chain_copy(chain, &climber->trial);
    else
        tess_chain_copy(&climber->trial, chain);
    return is_better;
}

static bool try_merge(struct tess_climber *climber, struct tess_chain *chain, int stage,
                      bool takes_second)
{
    tess_chain_merge(&climber->trial, stage, takes_second);
    return try_it(climber, chain);
}

static bool try_split(struct tess_climber *climber, struct tess_chain *chain, int stage,
                      int end)
{
    tess_chain_split(&climber->trial, stage, end);
    return try_it(climber, chain);
}

static bool try_cuts(struct tess_climber *climber, struct tess_chain *chain)
{
    bool is_better = false;
    for (int i = 0; i + 1 < chain->n_stages; i++) {
        if (try_merge(climber, chain, i, false) ||
            (i + 1 < chain->n_stages && try_merge(climber, chain, i, true))) {
            is_better = true;
            continue;
        }
        for (int by = -CUT_MOVES; by <= CUT_MOVES; by++) {
            int end = chain->stages[i].end + by;
            if (by == 0 || end <= tess_chain_begin(chain, i) ||
                end >= chain->stages[i + 1].end)
                continue;
            climber->trial.stages[i].end = end;
            is_better = try_it(climber, chain) || is_better;
        }
    }
    for (int i = 0; i < chain->n_stages; i++)
        for (int end = tess_chain_begin(chain, i) + 1; end < chain->stages[i].end; end++)
            is_better = try_split(climber, chain, i, end) || is_better;
    return is_better;
}

static bool try_spread(struct tess_climber *climber, struct tess_chain *chain, int stage,
                       const struct tess_spread *spread)
{
    tess_spread_copy(&climber->trial.stages[stage].spread, spread);
    return try_it(climber, chain);
}

static bool try_spreads(struct tess_climber *climber, struct tess_chain *chain)
{
    struct tess_spread *spread = &climber->spread;
    int n_nodes = climber->cluster->n_nodes;
    bool is_better = false;
    for (int i = 0; i < chain->n_stages; i++) {
        if (i > 0)
            is_better =
                try_spread(climber, chain, i, &chain->stages[i - 1].spread) || is_better;
        if (i + 1 < chain->n_stages)
            is_better =
                try_spread(climber, chain, i, &chain->stages[i + 1].spread) || is_better;
        tess_spread_single(spread, climber->first_node);
        is_better = try_spread(climber, chain, i, spread) || is_better;
    }
    for (int columns = 1; columns <= MOST_COLUMNS; columns++)
        for (int per_node = 1; per_node <= MOST_PER_NODE; per_node++) {
            if (!tess_spread_even(spread, climber->shares, climber->first_node, n_nodes,
                                  columns, per_node))
                continue;
            for (int i = 0; i < chain->n_stages; i++)
                if (chain->stages[i].spread.n_tiles > 1)
                    tess_spread_copy(&climber->trial.stages[i].spread, spread);
            is_better = try_it(climber, chain) || is_better;
            for (int i = 0; i < chain->n_stages; i++)
                is_better = try_spread(climber, chain, i, spread) || is_better;
        }
    return is_better;
}

/* Goes on as long as it helps. */
static bool try_edge(struct tess_climber *climber, struct tess_chain *chain, int stage,
                     int tile, int column)
{
    static const double lines[] = {1, -1, 2, -2}, parts[] = {0.01, -0.01, 0.03, -0.03};
    bool is_better = false;
    for (int i = 0; i < 4; i++)
        while (tess_climber_move_edge(climber, &climber->trial, stage, tile, column,
                                      stage >= 0 ? lines[i] : parts[i]) &&
               try_it(climber, chain))
            is_better = true;
    return is_better;
}

static bool try_edges(struct tess_climber *climber, struct tess_chain *chain)
{
    bool is_better = false;
    for (int stage = -1; stage < chain->n_stages; stage++) {
        int like = stage >= 0 ? stage : 0;
        while (stage < 0 && like + 1 < chain->n_stages &&
               chain->stages[like].spread.n_tiles == 1)
            like++;
        for (int i = 0; i < chain->stages[like].spread.n_tiles; i++)
            is_better = try_edge(climber, chain, stage, i, -1) || is_better;
        for (int i = 0; i + 1 < chain->stages[like].spread.n_columns; i++)
            is_better = try_edge(climber, chain, stage, 0, i) || is_better;
    }
    return is_better;
}

static bool try_halves(struct tess_climber *climber, struct tess_chain *chain)
{
    bool is_better = false;
    for (int i = 0; i < chain->n_stages; i++) {
        struct tess_spread *spread = &climber->trial.stages[i].spread;
        for (int tile = spread->n_tiles - 1; tile >= 0; tile--)
            tess_spread_halve(spread, tile);
        is_better = try_it(climber, chain) || is_better;
        for (int tile = 0; tile < spread->n_tiles; tile++) {
            if (tess_spread_halve(spread, tile))
                is_better = try_it(climber, chain) || is_better;
            if (tess_spread_join(spread, tile))
                is_better = try_it(climber, chain) || is_better;
        }
    }
    return is_better;
}

static bool try_swap(struct tess_climber *climber, struct tess_chain *chain, int stage,
                     int a, int b)
{
    tess_chain_swap(&climber->trial, stage, a, b);
    return try_it(climber, chain);
}

static bool try_nodes(struct tess_climber *climber, struct tess_chain *chain)
{
    int n_nodes = climber->cluster->n_nodes;
    bool is_better = false;
    for (int stage = -1; stage < chain->n_stages; stage++)
        for (int a = climber->first_node; a < n_nodes; a++)
            for (int b = a + 1; b < n_nodes; b++)
                is_better = try_swap(climber, chain, stage, a, b) || is_better;
    for (int stage = 0; stage < chain->n_stages; stage++)
        for (int tile = 0; tile < chain->stages[stage].spread.n_tiles; tile++)
            for (int node = climber->first_node; node < n_nodes; node++) {
                int *has = &climber->trial.stages[stage].spread.tiles[tile].node;
                if (*has == node)
                    continue;
                *has = node;
                is_better = try_it(climber, chain) || is_better;
            }
    return is_better;
}

/* Until no move helps. */
static void climb(struct tess_climber *climber, struct tess_chain *chain)
{
    bool is_better = true;
    tess_chain_copy(&climber->trial, chain);
    while (is_better && climber->n_left > 0 && !climber->is_broken) {
        is_better = try_cuts(climber, chain);
        is_better = try_spreads(climber, chain) || is_better;
        is_better = try_edges(climber, chain) || is_better;
        is_better = try_halves(climber, chain) || is_better;
        is_better = try_nodes(climber, chain) || is_better;
    }
}

enum tess_status tess_climber_climb(struct tess_climber *climber,
                                    struct tess_chain *chain)
{
    climber->n_left = climber->options->search_tiles * climb_part;
    tess_climber_weigh(climber, chain);
    climb(climber, chain);
    return climber->is_broken ? TESS_E_NOMEM : TESS_OK;
}

enum tess_status tess_climber_anneal(struct tess_climber *climber,
                                     struct tess_chain *chain, uint64_t seed)
{
    climber->n_left = climber->options->search_tiles * wander_part;
    tess_climber_weigh(climber, chain);
    tess_climber_wander(climber, chain, seed);
    climber->n_left = climber->options->search_tiles * climb_part;
    climb(climber, chain);
    return climber->is_broken ? TESS_E_NOMEM : TESS_OK;
}
