#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "planner/cluster_climb_priv.h"
#include "planner/cluster_tile.h"
#include "planner/cluster_tiling.h"

/* TUNING: assumed. What a stage and a tile more are not worth: kernels are made, plans searched. */
static const double stage_us = 1000, tile_us = 200;

/* A tile that does not fit: the way out of this leads uphill. */
static const double misfit_us = 1e9;

static bool set_stage(struct tess_climber *climber, int first, int end,
                      struct climb_stage *it)
{
    enum tess_status status = tess_stage_init(&it->stage, climber->graph,
                                              climber->ops + first, end - first, NULL);
    it->state = IS_NONE;
    it->most_pixels = INT64_MAX;
    if (status == TESS_OK) {
        it->state = IS_STAGE;
        it->load_us = tess_cluster_load_us(&it->stage, climber->options);
        it->disk_us = tess_cluster_disk_us(&it->stage, climber->options);
    } else if (status != TESS_E_CONFIG) {
        it->state = UNKNOWN;
        climber->is_broken = true;
    }
    return it->state == IS_STAGE;
}

struct climb_stage *tess_climber_stage(struct tess_climber *climber, int first, int end)
{
    size_t width = (size_t)climber->graph->n_ops + 1;
    struct climb_stage *it = &climber->stages[(size_t)first * width + (size_t)end];
    assert(first < end && end <= climber->graph->n_ops);
    if (it->state == UNKNOWN)
        set_stage(climber, first, end, it);
    return it->state == IS_STAGE ? it : NULL;
}

static const struct climb_tile *look_up(struct tess_climber *climber,
                                        const struct climb_stage *stage,
                                        const struct tess_region *output)
{
    uint64_t hash = (uint64_t)(stage - climber->stages);
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        hash = (hash ^ (uint64_t)output->axis[axis].begin) * UINT64_C(0x9e3779b97f4a7c15);
        hash = (hash ^ (uint64_t)output->axis[axis].end) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    struct climb_tile *tile = &climber->known[hash % CLIMB_KNOWN_TILES];
    if (tile->stage == stage && tess_region_is_equal(&tile->output, output))
        return tile;
    tess_stage_regions(&stage->stage, output, climber->regions);
    *tile = (struct climb_tile){
        .stage = stage,
        .output = *output,
        .input = climber->regions[stage->stage.n_ops],
        .us = tess_cluster_tile_us(&stage->stage, climber->regions, climber->options)};
    return tile;
}

void tess_climber_learn(struct tess_climber *climber,
                        const struct tess_cluster_plan *plan)
{
    double all_found_us = 0, all_known_us = 0;
    for (int i = 0; i < plan->n_stages; i++) {
        const struct tess_cluster_stage *has = &plan->stages[i];
        struct climb_stage *stage =
            tess_climber_stage(climber, has->ops[0], has->ops[has->n_ops - 1] + 1);
        double found_us = 0, known_us = 0;
        for (int at = 0; stage && at < has->n_tiles; at++) {
            found_us += has->tiles[at].predicted_us;
            known_us += look_up(climber, stage, &has->tiles[at].output)->us;
            if (!climber->keeps_weights[has->tiles[at].node])
                known_us += stage->load_us;
        }
        if (found_us <= 0 || known_us <= 0)
            continue;
        stage->ratio = found_us / known_us;
        all_found_us += found_us;
        all_known_us += known_us;
    }
    if (all_known_us > 0)
        climber->ratio = all_found_us / all_known_us;
}

static bool reserve(struct tess_climber *climber, int n_tiles)
{
    if (n_tiles <= climber->capacity)
        return true;
    int capacity = tess_max_int(2 * climber->capacity, n_tiles);
    struct tess_frame_tile *tiles =
        realloc(climber->tiles, sizeof *tiles * (size_t)capacity);
    climber->is_broken = climber->is_broken || !tiles;
    if (!tiles)
        return false;
    climber->tiles = tiles;
    climber->capacity = capacity;
    return true;
}

/* What coordinators order the tiles of a stage by. */
static double cost_us(const struct tess_climber *climber,
                      const struct tess_frame_tile *it)
{
    return it->compute_us + (climber->keeps_weights[it->node] ? 0 : it->load_us);
}

/* Appends the tiles of one stage to those of the frame, the costliest first. False if they are
 * no tiles; *n_misfits counts those that are forbidden. */
static bool add_tiles(struct tess_climber *climber, const struct climb_stage *stage,
                      const struct tess_spread *spread, int first, int *n_misfits)
{
    struct tess_region regions[TESS_SPREAD_TILES];
    if ((spread->n_tiles > 1 && !stage->stage.can_cut) ||
        !tess_spread_regions(spread, stage->stage.output.h, stage->stage.output.w,
                             regions))
        return false;
    double ratio = stage->ratio > 0 ? stage->ratio : climber->ratio;
    for (int i = 0; i < spread->n_tiles; i++) {
        const struct climb_tile *known = look_up(climber, stage, &regions[i]);
        struct tess_frame_tile tile = {.input = known->input,
                                       .output = regions[i],
                                       .compute_us = known->us * ratio,
                                       .load_us = stage->load_us * ratio,
                                       .load_disk_us = stage->disk_us,
                                       .node = spread->tiles[i].node};
        int at = first + i;
        *n_misfits += tess_region_n_pixels(&regions[i]) > stage->most_pixels;
        for (; at > first &&
               cost_us(climber, &climber->tiles[at - 1]) < cost_us(climber, &tile);
             at--)
            climber->tiles[at] = climber->tiles[at - 1];
        climber->tiles[at] = tile;
    }
    return true;
}

void tess_climber_weigh(struct tess_climber *climber, struct tess_chain *chain)
{
    int n_tiles = 0, n_misfits = 0, first = 0;
    chain->us = INFINITY;
    for (int i = 0; i < chain->n_stages; i++) {
        const struct tess_chain_stage *has = &chain->stages[i];
        struct climb_stage *stage = tess_climber_stage(climber, first, has->end);
        if (!stage || !reserve(climber, n_tiles + has->spread.n_tiles) ||
            !add_tiles(climber, stage, &has->spread, n_tiles, &n_misfits))
            return;
        climber->frame_ops[i] = &stage->stage;
        climber->frame_stages[i].first_tile = n_tiles;
        climber->frame_stages[i].n_tiles = has->spread.n_tiles;
        n_tiles += has->spread.n_tiles;
        first = has->end;
    }
    assert(first == climber->graph->n_ops);
    climber->n_left -= n_tiles;
    struct tess_frame frame = {.cluster = climber->cluster,
                               .keeps_weights = climber->keeps_weights,
                               .kept_bytes = climber->kept_bytes,
                               .messages = tess_message_cost_typical(),
                               .splits_results = true,
                               .n_stages = chain->n_stages,
                               .n_tiles = n_tiles,
                               .stages = climber->frame_stages,
                               .tiles = climber->tiles,
                               .reads = climber->reads};
    double us = -1;
    if (tess_frame_set_reads(climber->frame_ops, chain->n_stages,
                             climber->options->sends_bytes, climber->frame_stages,
                             climber->reads) == TESS_OK)
        us = tess_frame_run(&frame);
    climber->is_broken = climber->is_broken || us < 0;
    chain->us = us < 0 ? INFINITY
                       : us + stage_us * chain->n_stages + tile_us * n_tiles +
                             misfit_us * n_misfits;
}

bool tess_climber_move_edge(struct tess_climber *climber, struct tess_chain *chain,
                            int stage, int tile, int column, double by)
{
    const struct tess_spread *like = NULL;
    bool has_moved = false;
    int first = 0;
    for (int i = 0; i < chain->n_stages; i++) {
        struct tess_spread *spread = &chain->stages[i].spread;
        const struct climb_stage *of =
            tess_climber_stage(climber, first, chain->stages[i].end);
        first = chain->stages[i].end;
        if (stage >= 0 ? i != stage : spread->n_tiles == 1)
            continue;
        like = like ? like : spread;
        if (!of || spread->n_tiles != like->n_tiles ||
            spread->n_columns != like->n_columns)
            continue;
        double line = column >= 0 ? of->stage.output.w : of->stage.output.h;
        double step = stage >= 0 ? by / line : by;
        has_moved = (column >= 0 ? tess_spread_move_right(spread, column, step)
                                 : tess_spread_move_bottom(spread, tile, step)) ||
                    has_moved;
    }
    return has_moved;
}
