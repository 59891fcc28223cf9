/* Problem: chains that no single move makes better, but several would.
 *
 * Method: simulated annealing. Random moves of the kinds of planner/cluster_climb.c; one that makes
 * the frame longer by d is kept with probability exp(-d / temperature). The temperature falls from
 * a two-hundredth of the frame's time to a thousandth.
 *
 * Cost: tiles on clocks, as many as the climber has left. The same seed gives the same chain.
 *
 * Reference: Kirkpatrick, Gelatt, Vecchi, "Optimization by simulated annealing", Science 220, 1983.
 */
#include <assert.h>
#include <math.h>

#include "base/arith.h"
#include "base/rng.h"
#include "planner/cluster_climb_priv.h"

enum { MOST_COLUMNS = 3, MOST_PER_NODE = 2, CUT_MOVES = 3, LINES = 2 };

/* TUNING: YOLOv2 on six nodes: 1440 to 1460 ms; from a fiftieth on nothing was found, of 1511. */
static const double hot = 0.005, cold = 0.001;

static int pick(struct tess_rng *rng, int n)
{
    return tess_rng_int(rng, 0, n - 1);
}

static bool move_cut(struct tess_chain *chain, struct tess_rng *rng)
{
    int stage = pick(rng, chain->n_stages), begin = tess_chain_begin(chain, stage);
    int kind = pick(rng, 4);
    if (kind == 0) {
        if (chain->stages[stage].end - begin < 2)
            return false;
        tess_chain_split(chain, stage,
                         tess_rng_int(rng, begin + 1, chain->stages[stage].end - 1));
        return true;
    }
    if (stage + 1 == chain->n_stages)
        return false;
    if (kind == 1) {
        tess_chain_merge(chain, stage, pick(rng, 2));
        return true;
    }
    int end = chain->stages[stage].end + tess_rng_int(rng, -CUT_MOVES, CUT_MOVES);
    if (end <= begin || end >= chain->stages[stage + 1].end ||
        end == chain->stages[stage].end)
        return false;
    chain->stages[stage].end = end;
    return true;
}

static bool move_spread(struct tess_climber *climber, struct tess_chain *chain,
                        struct tess_rng *rng)
{
    int stage = pick(rng, chain->n_stages), from = stage + (pick(rng, 2) ? 1 : -1);
    struct tess_spread *spread = &chain->stages[stage].spread;
    int kind = pick(rng, 4);
    if (kind == 0)
        return tess_spread_even(spread, climber->shares, climber->first_node,
                                climber->cluster->n_nodes, 1 + pick(rng, MOST_COLUMNS),
                                1 + pick(rng, MOST_PER_NODE));
    if (kind == 1) {
        tess_spread_single(spread, climber->first_node);
        return true;
    }
    if (from < 0 || from >= chain->n_stages)
        return false;
    tess_spread_copy(spread, &chain->stages[from].spread);
    return true;
}

static bool move_edge(struct tess_climber *climber, struct tess_chain *chain,
                      struct tess_rng *rng)
{
    int stage = pick(rng, chain->n_stages);
    const struct tess_spread *spread = &chain->stages[stage].spread;
    bool is_column = spread->n_columns > 1 && pick(rng, 4) == 0;
    double by = tess_rng_int(rng, 1, LINES) * (pick(rng, 2) ? 1 : -1);
    return tess_climber_move_edge(climber, chain, stage, pick(rng, spread->n_tiles),
                                  is_column ? pick(rng, spread->n_columns) : -1, by);
}

static bool move_tile(struct tess_chain *chain, struct tess_rng *rng)
{
    struct tess_spread *spread = &chain->stages[pick(rng, chain->n_stages)].spread;
    int tile = pick(rng, spread->n_tiles);
    return pick(rng, 2) ? tess_spread_halve(spread, tile)
                        : tess_spread_join(spread, tile);
}

static bool move_node(const struct tess_climber *climber, struct tess_chain *chain,
                      struct tess_rng *rng)
{
    int stage = pick(rng, chain->n_stages), first = climber->first_node;
    struct tess_spread *spread = &chain->stages[stage].spread;
    int a = tess_rng_int(rng, first, climber->cluster->n_nodes - 1);
    int b = tess_rng_int(rng, first, climber->cluster->n_nodes - 1);
    int tile = pick(rng, spread->n_tiles), kind = pick(rng, 8);
    if (kind > 3) {
        struct tess_spread_tile *one = &spread->tiles[tile];
        struct tess_spread_tile *other = &spread->tiles[pick(rng, spread->n_tiles)];
        a = one->node;
        one->node = other->node;
        other->node = a;
        return one->node != other->node;
    }
    if (kind == 0)
        tess_chain_swap(chain, -1, a, b);
    else if (kind == 1)
        tess_chain_swap(chain, stage, a, b);
    else
        spread->tiles[tile].node = a;
    return true;
}

static bool move(struct tess_climber *climber, struct tess_chain *chain,
                 struct tess_rng *rng)
{
    int kind = pick(rng, 100);
    if (kind < 15)
        return move_cut(chain, rng);
    if (kind < 22)
        return move_spread(climber, chain, rng);
    if (kind < 65)
        return move_edge(climber, chain, rng);
    if (kind < 75)
        return move_tile(chain, rng);
    return move_node(climber, chain, rng);
}

void tess_climber_wander(struct tess_climber *climber, struct tess_chain *chain,
                         uint64_t seed)
{
    struct tess_chain *current = &climber->current, *trial = &climber->trial;
    double n_tiles = climber->n_left, start_us = chain->us;
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    tess_chain_copy(current, chain);
    tess_chain_copy(trial, chain);
    while (climber->n_left > 0 && !climber->is_broken) {
        double done = 1 - climber->n_left / n_tiles;
        double temperature_us = start_us * hot * pow(cold / hot, done);
        climber->n_left--; /* trials that are no plan count, too */
        if (!move(climber, trial, &rng)) {
            tess_chain_copy(trial, current);
            continue;
        }
        tess_climber_weigh(climber, trial);
        double worse_us = trial->us - current->us;
        if (worse_us <= 0 ||
            (double)tess_rng_float(&rng) < exp(-worse_us / temperature_us))
            tess_chain_copy(current, trial);
        else
            tess_chain_copy(trial, current);
        if (current->us < chain->us)
            tess_chain_copy(chain, current);
    }
}
