/* Problem: what a cluster plan's tiles take, in time and memory, and when each stage is done.
 *
 * Method: make each tile a graph of its own and ask the planner for one device for its fastest plan
 * within what its node leaves (planner/cluster_tile.h). Tiles of one shape are asked for once.
 * Then run the stages on clocks (planner/cluster_time.h).
 *
 * Cost: one search per shape and budget.
 *
 * Not done: nodes that keep the weights of some of their stages.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/text.h"
#include "partition/tile_graph.h"
#include "planner/cluster_plan.h"
#include "planner/cluster_tile.h"
#include "planner/cluster_tiling.h"
#include "planner/cluster_time.h"

/* What one shape of tile takes within one budget, both less what is held beside its plan. */
struct tess_shape_cost {
    uint64_t hash;
    int64_t budget_bytes; /* INT64_MAX: no limit */
    bool keeps_weights;
    bool fits;
    int64_t peak_bytes;    /* the least budget, if it does not fit */
    int64_t weights_bytes; /* that it holds while it runs */
    double us;
};

struct predictor {
    const struct tess_graph *graph;
    const struct tess_cluster_options *options;
    struct tess_cluster_plan *plan;
    bool assigns;
    bool keeps_weights[TESS_CLUSTER_MOST_NODES];
    struct tess_cluster_costs *costs;
};

static enum tess_status search(const struct predictor *predictor,
                               const struct tess_graph *graph,
                               const struct tess_tile_place *place, int64_t beside_bytes,
                               struct tess_shape_cost *cost, struct tess_error *error)
{
    struct tess_plan *plan = NULL;
    int64_t least_bytes = 0;
    enum tess_status status =
        tess_cluster_tile_plan(graph, &predictor->options->planner, place, beside_bytes,
                               &plan, &least_bytes, error);
    if (status != TESS_OK)
        return status;
    cost->fits = plan != NULL;
    cost->peak_bytes = (plan ? plan->memory.peak : least_bytes) - beside_bytes;
    cost->weights_bytes = plan ? plan->memory.weights : 0;
    cost->us = plan ? plan->predicted_us : 0;
    tess_plan_destroy(plan);
    return TESS_OK;
}

void tess_cluster_costs_release(struct tess_cluster_costs *costs)
{
    free(costs->shapes);
    memset(costs, 0, sizeof *costs);
}

static enum tess_status look_up(struct predictor *predictor,
                                const struct tess_graph *graph,
                                const struct tess_tile_place *place, int64_t beside_bytes,
                                struct tess_shape_cost *cost_out,
                                struct tess_error *error)
{
    struct tess_cluster_costs *costs = predictor->costs;
    struct tess_shape_cost cost = {
        .hash = graph->hash,
        .budget_bytes =
            place->memory_bytes > 0 ? place->memory_bytes - beside_bytes : INT64_MAX,
        .keeps_weights = place->keeps_weights};
    for (int i = 0; i < costs->n; i++) {
        const struct tess_shape_cost *known = &costs->shapes[i];
        if (known->hash == cost.hash && known->budget_bytes == cost.budget_bytes &&
            known->keeps_weights == cost.keeps_weights) {
            *cost_out = *known;
            return TESS_OK;
        }
    }
    enum tess_status status = search(predictor, graph, place, beside_bytes, &cost, error);
    if (status != TESS_OK)
        return status;
    if (costs->n == costs->capacity) {
        int capacity = costs->capacity ? 2 * costs->capacity : 32;
        struct tess_shape_cost *larger =
            realloc(costs->shapes, sizeof *larger * (size_t)capacity);
        if (!larger)
            return tess_error_nomem(error);
        costs->shapes = larger;
        costs->capacity = capacity;
    }
    costs->shapes[costs->n++] = *cost_out = cost;
    return TESS_OK;
}

void tess_cluster_keep(const struct tess_graph *graph, const struct tess_cluster *cluster,
                       const struct tess_cluster_options *options,
                       bool keeps_out[TESS_CLUSTER_MOST_NODES])
{
    for (int node = 0; node < cluster->n_nodes; node++)
        keeps_out[node] = tess_cluster_keeps(graph, &options->planner.facts,
                                             cluster->nodes[node].memory_bytes);
}

static enum tess_status does_not_fit(const struct predictor *predictor,
                                     const struct tess_stage *stage, int node,
                                     int64_t needs_bytes, struct tess_error *error)
{
    const struct tess_graph *graph = predictor->graph;
    const struct tess_cluster_node *who = &predictor->plan->cluster.nodes[node];
    char needs[32], has[32];
    tess_error_set(error, TESS_E_INFEASIBLE,
                   "node %s has %s, but a tile of layers %d to %d takes %s there",
                   who->name, tess_format_bytes(who->memory_bytes, has, sizeof has),
                   graph->ops[stage->ops[0]].layer,
                   graph->ops[stage->ops[stage->n_ops - 1]].layer,
                   tess_format_bytes(needs_bytes, needs, sizeof needs));
    tess_error_hint(error, "cut these layers into more tiles or shorter stages");
    return TESS_E_INFEASIBLE;
}

/* Time and peak of one tile on one node. */
static enum tess_status predict_on(struct predictor *predictor,
                                   const struct tess_stage *stage,
                                   const struct tess_tile_graph *graph, int node,
                                   struct tess_cluster_tile *tile,
                                   struct tess_tile_job *job, struct tess_error *error)
{
    const struct tess_planner_options *options = &predictor->options->planner;
    struct tess_tile_place place = {
        .is_coordinator = node == TESS_CLUSTER_COORDINATOR,
        .keeps_weights = predictor->keeps_weights[node],
        .memory_bytes = predictor->plan->cluster.nodes[node].memory_bytes};
    struct tess_shape_cost cost;
    struct tess_cluster_payload payload = tess_cluster_payload_of(
        stage, &graph->input, &graph->output, predictor->plan->sends_bytes);
    int64_t beside_bytes =
        tess_cluster_tile_beside(stage, graph, &payload, &place, &options->facts);
    enum tess_status status =
        look_up(predictor, graph->graph, &place, beside_bytes, &cost, error);
    if (status != TESS_OK)
        return status;
    tile->peak_bytes = cost.peak_bytes + beside_bytes;
    if (!cost.fits)
        return does_not_fit(predictor, stage, node, tile->peak_bytes, error);
    job->in_bytes = payload.in_bytes;
    job->out_bytes = payload.out_bytes;
    tile->predicted_us = job->compute_us = cost.us;
    job->load_us = (double)cost.weights_bytes / options->profile.stream_bytes_per_us;
    job->node = predictor->assigns ? -1 : node;
    return TESS_OK;
}

static enum tess_status predict_tile(struct predictor *predictor,
                                     const struct tess_stage *stage,
                                     struct tess_cluster_tile *tile,
                                     struct tess_tile_job *job, struct tess_error *error)
{
    struct tess_tile_graph graph;
    enum tess_status status = tess_tile_graph_init(&graph, stage, &tile->output, error);
    if (status == TESS_OK)
        status = predict_on(predictor, stage, &graph, tile->node, tile, job, error);
    tess_tile_graph_release(&graph);
    return status;
}

static enum tess_status predict_stage(struct predictor *predictor,
                                      struct tess_cluster_stage *has, int *tile_out,
                                      struct tess_error *error)
{
    struct tess_cluster_plan *plan = predictor->plan;
    struct tess_stage stage;
    struct tess_tile_job *jobs = calloc((size_t)has->n_tiles, sizeof *jobs);
    if (!jobs)
        return tess_error_nomem(error);
    enum tess_status status =
        tess_stage_init(&stage, predictor->graph, has->ops, has->n_ops, error);
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++) {
        *tile_out = i;
        status = predict_tile(predictor, &stage, &has->tiles[i], &jobs[i], error);
    }
    if (status == TESS_OK)
        has->predicted_us =
            tess_cluster_stage_us(&plan->cluster, predictor->keeps_weights,
                                  tess_message_cost_typical(), jobs, has->n_tiles);
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++) {
        if (jobs[i].node != TESS_CLUSTER_COORDINATOR)
            plan->moved_bytes += jobs[i].in_bytes + jobs[i].out_bytes;
        /* Memory counts where the tile is computed. */
        if (jobs[i].node != has->tiles[i].node) {
            has->tiles[i].node = jobs[i].node;
            predictor->assigns = false;
            *tile_out = i;
            status = predict_tile(predictor, &stage, &has->tiles[i], &jobs[i], error);
            predictor->assigns = true;
        }
    }
    tess_stage_release(&stage);
    free(jobs);
    return status;
}

enum tess_status tess_cluster_predict(const struct tess_graph *graph,
                                      const struct tess_cluster_options *options,
                                      bool assigns, struct tess_cluster_costs *costs,
                                      struct tess_cluster_plan *plan, int at_fault_out[2],
                                      struct tess_error *error)
{
    struct predictor predictor = {.graph = graph,
                                  .options = options,
                                  .plan = plan,
                                  .assigns = assigns,
                                  .costs = costs};
    enum tess_status status = TESS_OK;
    tess_cluster_keep(graph, &plan->cluster, options, predictor.keeps_weights);
    plan->predicted_us = 0;
    plan->moved_bytes = 0;
    for (int i = 0; i < plan->n_stages && status == TESS_OK; i++) {
        at_fault_out[0] = i;
        status = predict_stage(&predictor, &plan->stages[i], &at_fault_out[1], error);
        plan->predicted_us += plan->stages[i].predicted_us;
    }
    return status;
}

enum tess_status tess_cluster_plan_predict(const struct tess_graph *graph,
                                           const struct tess_cluster_options *options,
                                           bool assigns, struct tess_cluster_plan *plan,
                                           int *stage_out, int *tile_out,
                                           struct tess_error *error)
{
    struct tess_cluster_costs costs = {0};
    int at_fault[2] = {0, 0};
    enum tess_status status =
        tess_cluster_predict(graph, options, assigns, &costs, plan, at_fault, error);
    tess_cluster_costs_release(&costs);
    if (status != TESS_OK && stage_out)
        *stage_out = at_fault[0];
    if (status != TESS_OK && tile_out)
        *tile_out = at_fault[1];
    return status;
}
