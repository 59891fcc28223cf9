/* Problem: what a cluster plan's tiles take, in time and memory, and when each stage is done.
 *
 * Method: make each tile a graph of its own and ask the planner for one device for its fastest plan
 * within what its node leaves (planner/cluster_tile.h). Tiles of one shape are asked for once.
 * Then run the frame on clocks (planner/cluster_frame.h).
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
#include "planner/cluster_frame.h"
#include "planner/cluster_plan.h"
#include "planner/cluster_tile.h"
#include "planner/cluster_tiling.h"
#include "planner/cost.h"

/* What one shape of tile takes within one budget, both less what is held beside its plan. */
struct tess_shape_cost {
    uint64_t hash;
    int64_t budget_bytes; /* INT64_MAX: no limit */
    bool keeps_weights;
    bool fits;
    int64_t peak_bytes;     /* the least budget, if it does not fit */
    int64_t weights_bytes;  /* that it holds while it runs */
    int64_t streamed_bytes; /* of weights, that it reads meanwhile, as often as it does */
    double us;
};

struct predictor {
    const struct tess_graph *graph;
    const struct tess_cluster_options *options;
    struct tess_cluster_plan *plan;
    bool assigns;
    bool keeps_weights[TESS_CLUSTER_MOST_NODES];
    struct tess_cluster_payload most; /* of all tiles */
    struct tess_cluster_costs *costs;
    /* By stage, and by tile in the plan's order. */
    struct tess_stage *stages;
    struct tess_frame_stage *frame_stages;
    struct tess_tile_job *jobs;
    struct tess_region *inputs;
};

/* What the plan streams, for each tile of its own. */
static enum tess_status count_streamed(const struct tess_graph *graph,
                                       const struct tess_plan *plan, int64_t *bytes_out,
                                       struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    int64_t bytes = 0;
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    for (int op = 0; op < plan->n_ops && status == TESS_OK; op++)
        if (plan->streamed[op])
            bytes += tess_facts_weights_bytes(&plan->facts, graph, op) *
                     tess_cost_n_reads(layout, op);
    tess_layout_destroy(layout);
    *bytes_out = bytes;
    return status;
}

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
    if (plan)
        status = count_streamed(graph, plan, &cost->streamed_bytes, error);
    tess_plan_destroy(plan);
    return status;
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
    predictor->inputs[job - predictor->jobs] = graph->input;
    const struct tess_planner_options *options = &predictor->options->planner;
    double disk = options->profile.disk_bytes_per_us;
    struct tess_tile_place place = {
        .is_coordinator = node == TESS_CLUSTER_COORDINATOR,
        .keeps_weights = predictor->keeps_weights[node],
        .memory_bytes = predictor->plan->cluster.nodes[node].memory_bytes};
    struct tess_shape_cost cost;
    struct tess_cluster_payload payload = tess_cluster_payload_of(
        stage, &graph->input, &graph->output, predictor->plan->sends_bytes);
    int64_t beside_bytes = tess_cluster_tile_beside(
        stage, graph, &payload, &predictor->most, &place, &options->facts);
    enum tess_status status =
        look_up(predictor, graph->graph, &place, beside_bytes, &cost, error);
    if (status != TESS_OK)
        return status;
    tile->peak_bytes = cost.peak_bytes + beside_bytes;
    if (!cost.fits)
        return does_not_fit(predictor, stage, node, tile->peak_bytes, error);
    job->in_bytes = payload.in_bytes;
    job->out_bytes = payload.out_bytes;
    job->compute_us = cost.us;
    job->load_us = (double)cost.weights_bytes / options->profile.stream_bytes_per_us;
    if (disk > 0) {
        job->load_disk_us = (double)cost.weights_bytes / disk;
        job->stream_disk_us = (double)cost.streamed_bytes / disk;
    }
    tile->predicted_us = job->compute_us + (place.keeps_weights ? 0 : job->load_us);
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

/* Times and peaks of a stage's tiles, and their places in the frame. */
static enum tess_status predict_stage(struct predictor *predictor, int number,
                                      int *tile_out, struct tess_error *error)
{
    struct tess_cluster_plan *plan = predictor->plan;
    struct tess_cluster_stage *has = &plan->stages[number];
    const struct tess_stage *stage = &predictor->stages[number];
    struct tess_frame_stage *frame_stage = &predictor->frame_stages[number];
    struct tess_tile_job *jobs = predictor->jobs + frame_stage->first_tile;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++) {
        *tile_out = i;
        status = predict_tile(predictor, stage, &has->tiles[i], &jobs[i], error);
    }
    if (status != TESS_OK || !predictor->assigns)
        return status;
    tess_cluster_stage_us(&plan->cluster, predictor->keeps_weights,
                          tess_message_cost_typical(), jobs, has->n_tiles);
    predictor->assigns = false; /* memory counts where the tile is computed */
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++)
        if (jobs[i].node != has->tiles[i].node) {
            has->tiles[i].node = jobs[i].node;
            *tile_out = i;
            status = predict_tile(predictor, stage, &has->tiles[i], &jobs[i], error);
        }
    predictor->assigns = true;
    return status;
}
/* What nodes can keep of their results beside the tile that takes most. */
static void set_kept(const struct tess_cluster_plan *plan,
                     int64_t kept_bytes[TESS_CLUSTER_MOST_NODES])
{
    for (int node = 0; node < plan->cluster.n_nodes; node++) {
        int64_t peak_bytes = 0, memory_bytes = plan->cluster.nodes[node].memory_bytes;
        for (int i = 0; i < plan->n_stages; i++)
            for (int at = 0; at < plan->stages[i].n_tiles; at++)
                if (plan->stages[i].tiles[at].node == node)
                    peak_bytes =
                        tess_max_i64(peak_bytes, plan->stages[i].tiles[at].peak_bytes);
        kept_bytes[node] = tess_cluster_kept_bytes(memory_bytes, peak_bytes);
    }
}

/* What coordinators order the tiles of a stage by. */
static double cost_us(const struct predictor *predictor, const struct tess_frame_tile *it)
{
    return it->compute_us + (predictor->keeps_weights[it->node] ? 0 : it->load_us);
}

/* The frame's tiles of a stage, the costliest first, as coordinators give them. */
static void set_tiles(const struct predictor *predictor, int number,
                      struct tess_frame_tile *tiles)
{
    const struct tess_cluster_stage *has = &predictor->plan->stages[number];
    int first = predictor->frame_stages[number].first_tile;
    for (int i = 0; i < has->n_tiles; i++) {
        const struct tess_tile_job *job = &predictor->jobs[first + i];
        struct tess_frame_tile tile = {.input = predictor->inputs[first + i],
                                       .output = has->tiles[i].output,
                                       .compute_us = job->compute_us,
                                       .load_us = job->load_us,
                                       .load_disk_us = job->load_disk_us,
                                       .stream_disk_us = job->stream_disk_us,
                                       .node = has->tiles[i].node};
        int at = first + i;
        for (;
             at > first && cost_us(predictor, &tiles[at - 1]) < cost_us(predictor, &tile);
             at--)
            tiles[at] = tiles[at - 1];
        tiles[at] = tile;
    }
}

static enum tess_status run_frame(const struct predictor *predictor, int n_tiles,
                                  struct tess_error *error)
{
    struct tess_cluster_plan *plan = predictor->plan;
    size_t n_stages = (size_t)plan->n_stages;
    int64_t kept_bytes[TESS_CLUSTER_MOST_NODES];
    struct tess_frame_tile *tiles = calloc((size_t)n_tiles, sizeof *tiles);
    int64_t *reads = calloc(n_stages * n_stages, sizeof *reads);
    const struct tess_stage **stages = calloc(n_stages, sizeof *stages);
    double us = -1;
    if (!tiles || !reads || !stages)
        goto out;
    set_kept(plan, kept_bytes);
    for (int i = 0; i < plan->n_stages; i++) {
        stages[i] = &predictor->stages[i];
        set_tiles(predictor, i, tiles);
    }
    struct tess_frame frame = {.cluster = &plan->cluster,
                               .keeps_weights = predictor->keeps_weights,
                               .kept_bytes = kept_bytes,
                               .messages = tess_message_cost_typical(),
                               .splits_results = true,
                               .n_stages = plan->n_stages,
                               .n_tiles = n_tiles,
                               .stages = predictor->frame_stages,
                               .tiles = tiles,
                               .reads = reads};
    if (tess_frame_set_reads(stages, plan->n_stages, plan->sends_bytes,
                             predictor->frame_stages, reads) == TESS_OK)
        us = tess_frame_run(&frame);
    if (us < 0)
        goto out;
    plan->predicted_us = us;
    plan->moved_bytes = tess_frame_moved_bytes(&frame);
    for (int i = 0; i < plan->n_stages; i++)
        plan->stages[i].predicted_us =
            frame.stages[i].end_us - (i > 0 ? frame.stages[i - 1].end_us : 0);
out:
    free(tiles);
    free(reads);
    free(stages);
    return us < 0 ? tess_error_nomem(error) : TESS_OK;
}

/* The stages, and the largest messages of all tiles. */
static enum tess_status set_stages(struct predictor *predictor, int *stage_out,
                                   struct tess_error *error)
{
    const struct tess_cluster_plan *plan = predictor->plan;
    enum tess_status status = TESS_OK;
    int n_tiles = 0;
    for (int i = 0; i < plan->n_stages && status == TESS_OK; i++) {
        const struct tess_cluster_stage *has = &plan->stages[i];
        *stage_out = i;
        predictor->frame_stages[i].first_tile = n_tiles;
        predictor->frame_stages[i].n_tiles = has->n_tiles;
        n_tiles += has->n_tiles;
        status = tess_stage_init(&predictor->stages[i], predictor->graph, has->ops,
                                 has->n_ops, error);
        if (status == TESS_OK)
            status = tess_cluster_raise_most(&predictor->stages[i], has,
                                             plan->sends_bytes, &predictor->most, error);
    }
    return status;
}

static enum tess_status predict_all(struct predictor *predictor, int n_tiles,
                                    int at_fault_out[2], struct tess_error *error)
{
    enum tess_status status = set_stages(predictor, &at_fault_out[0], error);
    for (int i = 0; i < predictor->plan->n_stages && status == TESS_OK; i++) {
        at_fault_out[0] = i;
        status = predict_stage(predictor, i, &at_fault_out[1], error);
    }
    return status == TESS_OK ? run_frame(predictor, n_tiles, error) : status;
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
    size_t n_stages = (size_t)plan->n_stages, n_tiles = 0;
    enum tess_status status = TESS_E_NOMEM;
    for (size_t i = 0; i < n_stages; i++)
        n_tiles += (size_t)plan->stages[i].n_tiles;
    tess_cluster_keep(graph, &plan->cluster, options, predictor.keeps_weights);
    predictor.stages = calloc(n_stages, sizeof *predictor.stages);
    predictor.frame_stages = calloc(n_stages, sizeof *predictor.frame_stages);
    predictor.jobs = calloc(n_tiles, sizeof *predictor.jobs);
    predictor.inputs = calloc(n_tiles, sizeof *predictor.inputs);
    if (predictor.stages && predictor.frame_stages && predictor.jobs && predictor.inputs)
        status = predict_all(&predictor, (int)n_tiles, at_fault_out, error);
    else
        tess_error_nomem(error);
    for (size_t i = 0; i < n_stages && predictor.stages; i++)
        tess_stage_release(&predictor.stages[i]);
    free(predictor.stages);
    free(predictor.frame_stages);
    free(predictor.jobs);
    free(predictor.inputs);
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
