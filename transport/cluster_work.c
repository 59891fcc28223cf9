#include "transport/cluster_work.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

struct maker {
    const struct tess_cluster_plan *plan;
    const struct tess_graph *graph;
    const struct tess_cluster_input *input; /* NULL: the network's */
    struct tess_cluster_work *work;
    bool has_times; /* predicted, of all tiles */
    int *numbers;   /* [n_tensors of the graph] number in the work, -1: none yet */
    struct tess_error *error;
};

/* The tensors of a bundle get numbers. */
static void number_bundle(struct maker *maker, const struct tess_bundle *bundle)
{
    struct tess_cluster_work *work = maker->work;
    for (int i = 0; i < bundle->n_tensors; i++) {
        int id = bundle->tensors[i];
        if (maker->numbers[id] >= 0)
            continue;
        const struct tess_tensor *tensor = &maker->graph->tensors[id];
        bool is_input = id == TESS_GRAPH_INPUT;
        int element_bytes = is_input && maker->plan->sends_bytes ? 1 : 4;
        work->tensors[work->work.n_tensors] = id;
        work->maps[work->work.n_tensors] =
            is_input && maker->input
                ? maker->input->map
                : (struct tess_part_map){tensor->h, tensor->w, tensor->c, element_bytes};
        maker->numbers[id] = work->work.n_tensors++;
    }
}

/* Adds the maps of a bundle, within the region, to the parts. */
static void add_parts(const struct maker *maker, const struct tess_bundle *bundle,
                      const struct tess_region *region, struct tess_parts *parts)
{
    for (int i = 0; i < bundle->n_tensors; i++) {
        struct tess_part *part = &parts->at[parts->n++];
        int number = maker->numbers[bundle->tensors[i]];
        const struct tess_part_map *map = &maker->work->maps[number];
        *part = (struct tess_part){.tensor = number,
                                   .rows = region->axis[TESS_ROWS],
                                   .cols = region->axis[TESS_COLS],
                                   .channels = {0, map->c},
                                   .element_bytes = map->element_bytes};
        if (bundle->tensors[i] == TESS_GRAPH_INPUT && maker->input) {
            part->rows =
                maker->input->rows(maker->input->context, region->axis[TESS_ROWS]);
            part->cols = (struct tess_range){0, map->w};
        }
    }
}

/* The costliest first; of equal ones the first. */
static void sort_tiles(struct tess_cluster_work *work, struct tess_work_stage stage)
{
    for (int i = stage.first_tile + 1; i < stage.first_tile + stage.n_tiles; i++) {
        struct tess_work_tile tile = work->tiles[i];
        struct tess_cluster_place place = work->places[i];
        int at = i;
        for (; at > stage.first_tile && work->tiles[at - 1].cost < tile.cost; at--) {
            work->tiles[at] = work->tiles[at - 1];
            work->places[at] = work->places[at - 1];
        }
        work->tiles[at] = tile;
        work->places[at] = place;
    }
}

static enum tess_status add_tiles(struct maker *maker, int number,
                                  const struct tess_stage *stage)
{
    const struct tess_cluster_stage *has = &maker->plan->stages[number];
    struct tess_cluster_work *work = maker->work;
    struct tess_region *regions = calloc((size_t)stage->n_ops + 1, sizeof *regions);
    if (!regions)
        return tess_error_nomem(maker->error);
    work->stages[number] = (struct tess_work_stage){work->work.n_tiles, has->n_tiles};
    for (int i = 0; i < has->n_tiles; i++) {
        int at = work->work.n_tiles++;
        tess_stage_regions(stage, &has->tiles[i].output, regions);
        struct tess_region side = tess_stage_side(stage, &has->tiles[i].output);
        add_parts(maker, &stage->input, &regions[stage->n_ops], &work->tiles[at].inputs);
        add_parts(maker, &stage->output, &has->tiles[i].output, &work->tiles[at].outputs);
        add_parts(maker, &stage->side, &side, &work->tiles[at].outputs);
        work->tiles[at].cost =
            maker->has_times
                ? tess_max_i64((int64_t)(has->tiles[i].predicted_us * 1000), 1)
                : tess_max_i64(tess_stage_macs(stage, regions), 1);
        work->tiles[at].planned = has->tiles[i].node + 1;
        work->places[at] = (struct tess_cluster_place){number, i};
    }
    sort_tiles(work, work->stages[number]);
    free(regions);
    return TESS_OK;
}

static enum tess_status add_stage(struct maker *maker, int number)
{
    const struct tess_cluster_stage *has = &maker->plan->stages[number];
    struct tess_stage stage;
    enum tess_status status =
        tess_stage_init(&stage, maker->graph, has->ops, has->n_ops, maker->error);
    if (status != TESS_OK)
        return status;
    int most = tess_max_int(stage.input.n_tensors,
                            stage.output.n_tensors + stage.side.n_tensors);
    if (most > TESS_PARTS_MAX) {
        tess_stage_release(&stage);
        tess_error_set(maker->error, TESS_E_CONFIG,
                       "%d maps cross a cut at layers %d to %d, more than the %d that a "
                       "tile may have",
                       most, maker->graph->ops[has->ops[0]].layer,
                       maker->graph->ops[has->ops[has->n_ops - 1]].layer, TESS_PARTS_MAX);
        return TESS_E_CONFIG;
    }
    number_bundle(maker, &stage.input);
    number_bundle(maker, &stage.output);
    number_bundle(maker, &stage.side);
    status = add_tiles(maker, number, &stage);
    tess_stage_release(&stage);
    return status;
}

static bool has_times(const struct tess_cluster_plan *plan)
{
    for (int i = 0; i < plan->n_stages; i++)
        for (int j = 0; j < plan->stages[i].n_tiles; j++)
            if (!(plan->stages[i].tiles[j].predicted_us > 0))
                return false;
    return true;
}

static enum tess_status make(struct maker *maker)
{
    const struct tess_cluster_plan *plan = maker->plan;
    struct tess_cluster_work *work = maker->work;
    size_t n_tensors = (size_t)maker->graph->n_tensors, n_tiles = 0;
    enum tess_status status = TESS_OK;
    maker->has_times = has_times(plan);
    for (int i = 0; i < plan->n_stages; i++)
        n_tiles += (size_t)plan->stages[i].n_tiles;
    work->maps = calloc(n_tensors, sizeof *work->maps);
    work->tensors = calloc(n_tensors, sizeof *work->tensors);
    work->stages = calloc((size_t)plan->n_stages, sizeof *work->stages);
    work->tiles = calloc(n_tiles, sizeof *work->tiles);
    work->places = calloc(n_tiles, sizeof *work->places);
    maker->numbers = malloc(sizeof *maker->numbers * n_tensors);
    if (!work->maps || !work->tensors || !work->stages || !work->tiles || !work->places ||
        !maker->numbers)
        return tess_error_nomem(maker->error);
    for (size_t i = 0; i < n_tensors; i++)
        maker->numbers[i] = -1;
    for (int i = 0; i < plan->n_stages && status == TESS_OK; i++)
        status = add_stage(maker, i);
    work->work.tensors = work->maps;
    work->work.n_stages = plan->n_stages;
    work->work.stages = work->stages;
    work->work.tiles = work->tiles;
    if (status == TESS_OK)
        tess_work_set_rests(&work->work, work->tiles);
    return status == TESS_OK ? tess_work_check(&work->work, maker->error) : status;
}

enum tess_status tess_cluster_work_init(struct tess_cluster_work *work,
                                        const struct tess_cluster_plan *plan,
                                        const struct tess_graph *graph,
                                        const struct tess_cluster_input *input,
                                        struct tess_error *error)
{
    struct maker maker = {
        .plan = plan, .graph = graph, .input = input, .work = work, .error = error};
    assert(plan->n_stages >= 1);
    memset(work, 0, sizeof *work);
    enum tess_status status = make(&maker);
    free(maker.numbers);
    if (status != TESS_OK)
        tess_cluster_work_release(work);
    return status;
}

void tess_cluster_work_release(struct tess_cluster_work *work)
{
    if (!work)
        return;
    free(work->maps);
    free(work->tensors);
    free(work->stages);
    free(work->tiles);
    free(work->places);
    memset(work, 0, sizeof *work);
}
