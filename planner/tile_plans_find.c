#include "planner/tile_plans_find.h"

#include <assert.h>

#include "planner/cluster_tile.h"

struct finder {
    const struct tess_cluster_plan *cluster_plan;
    const struct tess_graph *graph;
    const struct tess_planner_options *options;
    struct tess_tile_place place;
    struct tess_cluster_payload most; /* of all tiles */
    struct tess_tile_plans *plans;
    struct tess_error *error;
};

static enum tess_status find_shape(const struct finder *finder,
                                   const struct tess_stage *stage,
                                   struct tess_tile_shape *shape)
{
    const struct tess_kernel_facts *facts = &finder->options->facts;
    struct tess_cluster_payload payload =
        tess_cluster_payload_of(stage, &shape->tile.input, &shape->tile.output,
                                finder->cluster_plan->sends_bytes);
    int64_t beside_bytes = tess_cluster_tile_beside(stage, &shape->tile, &payload,
                                                    &finder->most, &finder->place, facts);
    return tess_cluster_tile_plan(shape->tile.graph, finder->options, &finder->place,
                                  beside_bytes, &shape->plan, &shape->least_bytes,
                                  finder->error);
}

/* The shapes that stage `number` brings; *n_done counts shapes, which are numbered as they come. */
static enum tess_status find_stage(const struct finder *finder, int number, int *n_done)
{
    const struct tess_cluster_stage *has = &finder->cluster_plan->stages[number];
    struct tess_tile_plans *plans = finder->plans;
    struct tess_stage stage;
    enum tess_status status =
        tess_stage_init(&stage, finder->graph, has->ops, has->n_ops, finder->error);
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++) {
        int shape = plans->shape_of[plans->first_tile[number] + i];
        assert(shape <= *n_done);
        if (shape == *n_done) {
            status = find_shape(finder, &stage, &plans->shapes[shape]);
            (*n_done)++;
        }
    }
    tess_stage_release(&stage);
    return status;
}

static enum tess_status find_most(struct finder *finder)
{
    const struct tess_cluster_plan *plan = finder->cluster_plan;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < plan->n_stages && status == TESS_OK; i++) {
        const struct tess_cluster_stage *has = &plan->stages[i];
        struct tess_stage stage;
        status =
            tess_stage_init(&stage, finder->graph, has->ops, has->n_ops, finder->error);
        if (status == TESS_OK)
            status = tess_cluster_raise_most(&stage, has, plan->sends_bytes,
                                             &finder->most, finder->error);
        tess_stage_release(&stage);
    }
    return status;
}

static enum tess_status find_all(const struct finder *finder)
{
    int n_done = 0;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < finder->cluster_plan->n_stages && status == TESS_OK; i++)
        status = find_stage(finder, i, &n_done);
    return status;
}

static bool fits_all(const struct tess_tile_plans *plans)
{
    for (int i = 0; i < plans->n_shapes; i++)
        if (!plans->shapes[i].plan)
            return false;
    return true;
}

static void forget(struct tess_tile_plans *plans)
{
    for (int i = 0; i < plans->n_shapes; i++) {
        tess_plan_destroy(plans->shapes[i].plan);
        plans->shapes[i].plan = NULL;
        plans->shapes[i].least_bytes = 0;
    }
}

enum tess_status tess_tile_plans_find(const struct tess_cluster_plan *cluster_plan,
                                      const struct tess_graph *graph,
                                      const struct tess_tile_plans_node *node,
                                      struct tess_tile_plans *plans,
                                      struct tess_error *error)
{
    bool keeps = tess_cluster_keeps(graph, &node->planner.facts, node->memory_bytes);
    struct finder finder = {.cluster_plan = cluster_plan,
                            .graph = graph,
                            .options = &node->planner,
                            .place = {.is_coordinator = node->is_coordinator,
                                      .keeps_weights = keeps,
                                      .memory_bytes = node->memory_bytes},
                            .plans = plans,
                            .error = error};
    enum tess_status status = find_most(&finder);
    if (status == TESS_OK)
        status = find_all(&finder);
    if (status == TESS_OK && keeps && !fits_all(plans)) {
        keeps = finder.place.keeps_weights = false;
        forget(plans);
        status = find_all(&finder);
    }
    plans->keeps_weights = keeps;
    return status;
}
