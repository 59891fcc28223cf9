/* Problem: what a cluster plan's tiles take, in time and memory, and when each stage is done.
 *
 * Method: make each tile a graph of its own and ask the planner for one device for its fastest plan
 * within what its node leaves after messages: the input being read and the one that comes next,
 * and the result. Tiles of one shape are asked for once. Then run the stages on clocks
 * (planner/cluster_time.h).
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
#include "planner/cluster_tiling.h"
#include "planner/cluster_time.h"

/* What one shape of tile takes within one budget. */
struct tess_shape_cost {
    uint64_t hash;
    int64_t budget_bytes;
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
    int64_t all_weights_bytes;
    struct tess_cluster_costs *costs;
};

static enum tess_status search(const struct predictor *predictor,
                               const struct tess_graph *graph, int64_t budget_bytes,
                               struct tess_shape_cost *cost_out, struct tess_error *error)
{
    struct tess_planner_options options = predictor->options->planner;
    struct tess_planner_report report = {0};
    struct tess_plan *plan = NULL;
    struct tess_error found;
    tess_error_init(&found);
    options.budget_bytes = budget_bytes;
    enum tess_status status = tess_planner_plan(graph, &options, &plan, &report, &found);
    *cost_out =
        (struct tess_shape_cost){.hash = graph->hash, .budget_bytes = budget_bytes};
    if (status == TESS_E_INFEASIBLE) {
        cost_out->peak_bytes = report.smallest_bytes;
        return TESS_OK;
    }
    if (status != TESS_OK)
        return tess_error_set(error, status, "%s", found.message);
    cost_out->fits = true;
    cost_out->peak_bytes = plan->memory.peak;
    cost_out->weights_bytes = plan->memory.weights;
    cost_out->us = plan->predicted_us;
    tess_plan_destroy(plan);
    return TESS_OK;
}

void tess_cluster_costs_release(struct tess_cluster_costs *costs)
{
    free(costs->shapes);
    memset(costs, 0, sizeof *costs);
}

static enum tess_status look_up(struct predictor *predictor,
                                const struct tess_graph *graph, int64_t budget_bytes,
                                struct tess_shape_cost *cost_out,
                                struct tess_error *error)
{
    struct tess_cluster_costs *costs = predictor->costs;
    for (int i = 0; i < costs->n; i++) {
        const struct tess_shape_cost *known = &costs->shapes[i];
        if (known->hash == graph->hash && known->budget_bytes == budget_bytes) {
            *cost_out = *known;
            return TESS_OK;
        }
    }
    enum tess_status status = search(predictor, graph, budget_bytes, cost_out, error);
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
    costs->shapes[costs->n++] = *cost_out;
    return TESS_OK;
}

/* Payloads of a tile. */
static void set_bytes(const struct predictor *predictor, const struct tess_stage *stage,
                      const struct tess_tile_graph *tile, struct tess_tile_job *job)
{
    bool is_input = stage->input.tensors[0] == TESS_GRAPH_INPUT &&
                    stage->input.n_tensors == 1 && predictor->plan->sends_bytes;
    job->in_bytes =
        tess_region_n_pixels(&tile->input) * stage->input.c * (is_input ? 1 : 4);
    job->out_bytes = tess_region_n_pixels(&tile->output) * stage->output.c * 4;
}

/* Bytes that `node` holds beside the tile's own plan. The coordinator holds the maps between the
 * stages, whole. */
static int64_t held_bytes(const struct tess_stage *stage, const struct tess_tile_job *job,
                          int node)
{
    if (node != TESS_CLUSTER_COORDINATOR)
        return 2 * job->in_bytes + job->out_bytes;
    return 4 * ((int64_t)stage->input.h * stage->input.w * stage->input.c +
                (int64_t)stage->output.h * stage->output.w * stage->output.c);
}

static int64_t weights_bytes(const struct tess_graph *graph,
                             const struct tess_cluster_options *options)
{
    int64_t bytes = 0;
    for (int op = 0; op < graph->n_ops; op++)
        bytes += tess_facts_weights_bytes(&options->planner.facts, graph, op);
    return bytes;
}

void tess_cluster_keep(const struct tess_graph *graph, const struct tess_cluster *cluster,
                       const struct tess_cluster_options *options,
                       bool keeps_out[TESS_CLUSTER_MOST_NODES])
{
    int64_t bytes = weights_bytes(graph, options);
    for (int node = 0; node < cluster->n_nodes; node++) {
        int64_t has_bytes = cluster->nodes[node].memory_bytes;
        keeps_out[node] =
            has_bytes == 0 ||
            has_bytes - options->planner.facts.base_bytes >= bytes + bytes / 2;
    }
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
    const struct tess_cluster_node *who = &predictor->plan->cluster.nodes[node];
    struct tess_shape_cost cost;
    set_bytes(predictor, stage, graph, job);
    int64_t beside_bytes = held_bytes(stage, job, node);
    int64_t budget_bytes = 0;
    if (predictor->keeps_weights[node])
        beside_bytes += predictor->all_weights_bytes -
                        weights_bytes(graph->graph, predictor->options);
    if (who->memory_bytes > 0)
        budget_bytes = tess_max_i64(who->memory_bytes - beside_bytes, 1);
    enum tess_status status =
        look_up(predictor, graph->graph, budget_bytes, &cost, error);
    if (status != TESS_OK)
        return status;
    tile->peak_bytes = cost.peak_bytes + beside_bytes;
    if (!cost.fits)
        return does_not_fit(predictor, stage, node, tile->peak_bytes, error);
    tile->predicted_us = job->compute_us = cost.us;
    job->load_us = (double)cost.weights_bytes /
                   predictor->options->planner.profile.stream_bytes_per_us;
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
    double rate = predictor->options->planner.profile.bytes_per_us / TESS_CLUSTER_COPIES;
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
        has->predicted_us = tess_cluster_stage_us(
            &plan->cluster, predictor->keeps_weights, rate, jobs, has->n_tiles);
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
    predictor.all_weights_bytes = weights_bytes(graph, options);
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
