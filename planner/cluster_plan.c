/* Problem: cut points and tilings of least predicted time over all layers of a network.
 *
 * Method: dynamic programming over cut points in the graph's own order, but for ops that shrink
 * what must else be sent on: they come as soon as they can (model/graph_reorder.h). Stages run
 * one after the other, so with best(b) the least time of ops [0, b):
 *     best(0) = 0,   best(b) = min over a < b of best(a) + stage(a, b) + 1 ms               (1)
 * stage(a, b) is the least over the tilings that planner/cluster_tiling.c tries. Memory is asked
 * for afterwards: if a tile of the best plan does not fit its node, tiles of ops [a, b) as large as
 * that one are forbidden and (1) is solved again.
 *
 * Invariant: best(b) is the time of a plan of [0, b) none of whose tiles is forbidden.
 *
 * Cost: O(n_ops * max_stage_ops) stages; each is tried only if its multiply-adds alone, spread
 * evenly, leave it a chance.
 *
 * Worked example: two ops of 10 and 40 ms on one node: best(1) = 11, best(2) = min(best(0) +
 * stage(0, 2) + 1 = 51, best(1) + stage(1, 2) + 1 = 52): one stage.
 *
 * Not done: other orders of the ops; stages whose tiles overlap in time.
 *
 * Reference: the recurrence is the one of planner/search_dp.c; Zhao, Barijough, Gerstlauer,
 * "DeepThings", IEEE TCAD 37(11), 2018, has one stage, of the first layers.
 */
#include "planner/cluster_plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/text.h"
#include "model/graph_reorder.h"
#include "planner/cluster_climb.h"
#include "planner/cluster_tiling.h"

/* TUNING: longer stages recompute more than they save; YOLOv2 and YOLOv3 were planned with at most
 * 12 ops a stage where 40 were allowed. */
enum { MAX_STAGE_OPS = 24, MAX_ROUNDS = 200, MAX_CLIMBS = 20, MAX_COLUMNS = 3 };

/* TUNING: five seconds at 1.5 us each. */
enum { WALKS = 2, SEARCH_TILES = 4000000 };

/* TUNING: assumed. A stage more has its kernels made and its threads woken; what it moves is
 * counted. Without it equal plans would be cut to pieces. */
static const double stage_us = 1000;

void tess_cluster_options_init(struct tess_cluster_options *options)
{
    memset(options, 0, sizeof *options);
    tess_planner_options_init(&options->planner);
    options->sends_bytes = true;
    options->max_stage_ops = MAX_STAGE_OPS;
    options->search_tiles = SEARCH_TILES;
}

/* Tiles of ops [first, end) with as many pixels are not tried again. */
struct forbidden {
    int first, end;
    int64_t n_pixels;
};

struct cut {
    double best_us; /* of the ops before */
    int first;      /* of the stage that ends here; -1: none does */
    int n_tiles;
    struct tess_cluster_tile *tiles; /* of that stage */
};

struct finder {
    const struct tess_graph *graph;
    const struct tess_cluster *cluster;
    const struct tess_cluster_options *options;
    struct cut *cuts; /* [n_ops + 1] */
    int *ops;         /* [n_ops] 0, 1, 2, ... */
    double
        *least_us; /* [n_ops + 1] multiply-adds of the ops before, on all nodes at once */
    struct forbidden *forbidden;
    int n_forbidden;
    int aligned_columns; /* what tilings are asked for */
    struct tess_cluster_costs costs;
    struct tess_climber *climber;
    struct tess_error *error;
};

static int64_t most_pixels(const struct finder *finder, int first, int end)
{
    int64_t most = INT64_MAX;
    for (int i = 0; i < finder->n_forbidden; i++)
        if (finder->forbidden[i].first == first && finder->forbidden[i].end == end)
            most = tess_min_i64(most, finder->forbidden[i].n_pixels - 1);
    return most;
}

static enum tess_status try_stage(struct finder *finder, int first, int end)
{
    struct cut *cut = &finder->cuts[end];
    double before_us = finder->cuts[first].best_us;
    double least_us = finder->least_us[end] - finder->least_us[first];
    if (!isfinite(before_us) || before_us + least_us >= cut->best_us)
        return TESS_OK;
    struct tess_stage stage;
    struct tess_tiling_found found = {0};
    struct tess_tiling_wish wish = {.below_us = cut->best_us - before_us - stage_us,
                                    .most_pixels = most_pixels(finder, first, end),
                                    .aligned_columns = finder->aligned_columns};
    enum tess_status status =
        tess_stage_init(&stage, finder->graph, finder->ops + first, end - first, NULL);
    if (status == TESS_E_CONFIG)
        return TESS_OK; /* maps of two sizes */
    if (status != TESS_OK)
        return tess_error_nomem(finder->error);
    status = tess_cluster_tiling_find(&stage, finder->cluster, finder->options, &wish,
                                      &found, finder->error);
    tess_stage_release(&stage);
    if (status == TESS_OK && found.tiles) {
        free(cut->tiles);
        *cut = (struct cut){before_us + found.us + stage_us, first, found.n_tiles,
                            found.tiles};
    }
    return status;
}

static enum tess_status solve(struct finder *finder)
{
    int n_ops = finder->graph->n_ops;
    enum tess_status status = TESS_OK;
    for (int end = 0; end <= n_ops; end++) {
        free(finder->cuts[end].tiles);
        finder->cuts[end] = (struct cut){end == 0 ? 0 : INFINITY, -1, 0, NULL};
    }
    for (int end = 1; end <= n_ops; end++)
        for (int first = 0; first < end && status == TESS_OK; first++)
            if (end - first <= finder->options->max_stage_ops || end - first == n_ops)
                status = try_stage(finder, first, end);
    return status;
}

/* Adds the stages up to op `end`, the first one first. */
static enum tess_status add_stages(const struct finder *finder, int end,
                                   struct tess_cluster_plan *plan)
{
    const struct cut *cut = &finder->cuts[end];
    if (end == 0)
        return TESS_OK;
    enum tess_status status = add_stages(finder, cut->first, plan);
    if (status == TESS_OK)
        status = tess_cluster_plan_add(plan, finder->ops + cut->first, end - cut->first,
                                       cut->tiles, cut->n_tiles, finder->error);
    return status;
}

static enum tess_status nothing_found(const struct finder *finder, struct tess_error *why)
{
    if (why->status != TESS_OK) {
        tess_error_set(finder->error, TESS_E_INFEASIBLE, "%s", why->message);
        return TESS_E_INFEASIBLE;
    }
    return tess_error_set(finder->error, TESS_E_CONFIG,
                          "%s cannot be cut into stages: maps of two sizes cross every "
                          "cut",
                          finder->graph->name);
}

/* A new plan of the cuts found. */
static enum tess_status make_plan(const struct finder *finder,
                                  struct tess_cluster_plan **plan_out)
{
    struct tess_cluster_plan *plan = NULL;
    enum tess_status status =
        tess_cluster_plan_create(finder->graph, finder->cluster, &plan, finder->error);
    if (status != TESS_OK)
        return status;
    plan->sends_bytes = finder->options->sends_bytes;
    status = add_stages(finder, finder->graph->n_ops, plan);
    if (status == TESS_OK)
        *plan_out = plan;
    else
        tess_cluster_plan_destroy(plan);
    return status;
}

/* The plan `at_fault` says where it does not fit: nothing as large is tried again. */
static enum tess_status
forbid(struct finder *finder, const struct tess_cluster_plan *plan, const int at_fault[2])
{
    const struct tess_cluster_stage *bad = &plan->stages[at_fault[0]];
    int64_t n_pixels = tess_region_n_pixels(&bad->tiles[at_fault[1]].output);
    int first = bad->ops[0], end = bad->ops[bad->n_ops - 1] + 1;
    finder->forbidden[finder->n_forbidden++] = (struct forbidden){first, end, n_pixels};
    return tess_climber_forbid(finder->climber, first, end, n_pixels) == TESS_OK
               ? TESS_OK
               : tess_error_nomem(finder->error);
}

/* Solves, predicts, and forbids what does not fit, until all fits. */
static enum tess_status find_fitting(struct finder *finder,
                                     struct tess_cluster_plan **plan_out)
{
    struct tess_error why;
    tess_error_init(&why);
    for (;;) {
        struct tess_cluster_plan *plan = NULL;
        int at_fault[2] = {0, 0};
        enum tess_status status = solve(finder);
        if (status == TESS_OK && (!isfinite(finder->cuts[finder->graph->n_ops].best_us) ||
                                  finder->n_forbidden >= MAX_ROUNDS))
            status = nothing_found(finder, &why);
        if (status == TESS_OK)
            status = make_plan(finder, &plan);
        if (status != TESS_OK)
            return status;
        tess_error_init(&why);
        status = tess_cluster_predict(finder->graph, finder->options, false,
                                      &finder->costs, plan, at_fault, &why);
        if (status == TESS_OK) {
            *plan_out = plan;
            return TESS_OK;
        }
        if (status != TESS_E_INFEASIBLE)
            tess_error_set(finder->error, status, "%s", why.message);
        else if (forbid(finder, plan, at_fault) == TESS_OK)
            status = TESS_OK;
        tess_cluster_plan_destroy(plan);
        if (status != TESS_OK)
            return status;
    }
}

/* Predicts what the climber found, and tells it what it took; *plan becomes that if it is faster.
 * *fits_out: it fits its nodes. Otherwise nothing like it is tried again. */
static enum tess_status weigh_chain(struct finder *finder, const struct tess_chain *chain,
                                    struct tess_cluster_plan **plan, bool *fits_out)
{
    struct tess_cluster_plan *found = NULL;
    struct tess_error why;
    int at_fault[2] = {0, 0};
    tess_error_init(&why);
    enum tess_status status =
        tess_climber_write(finder->climber, chain, &found, finder->error);
    if (status != TESS_OK)
        return status;
    status = tess_cluster_predict(finder->graph, finder->options, false, &finder->costs,
                                  found, at_fault, &why);
    *fits_out = status == TESS_OK;
    if (status == TESS_E_INFEASIBLE)
        status = forbid(finder, found, at_fault);
    else if (status != TESS_OK)
        tess_error_set(finder->error, status, "%s", why.message);
    else
        tess_climber_learn(finder->climber, found);
    if (*fits_out && found->predicted_us < (*plan)->predicted_us) {
        struct tess_cluster_plan *worse = *plan;
        *plan = found;
        found = worse;
    }
    tess_cluster_plan_destroy(found);
    return status;
}

/* Climbs from `chain`, or with `walk` > 0 first wanders about, until what is found
 * fits; and once more with what was learned of its tiles. */
static enum tess_status improve(struct finder *finder, struct tess_chain *chain, int walk,
                                struct tess_cluster_plan **plan)
{
    enum tess_status status = TESS_OK;
    int n_fitting = 0;
    for (int i = 0; i < MAX_CLIMBS && n_fitting < 2 && status == TESS_OK; i++) {
        bool fits = false;
        status = i == 0 && walk > 0
                     ? tess_climber_anneal(finder->climber, chain, (uint64_t)walk)
                     : tess_climber_climb(finder->climber, chain);
        if (status != TESS_OK)
            return tess_error_nomem(finder->error);
        status = weigh_chain(finder, chain, plan, &fits);
        n_fitting += fits;
    }
    return status;
}

/* From the plan, and from the best cuts for nodes that lie over all maps alike; at last from the
 * best of all that. */
static enum tess_status improve_all(struct finder *finder,
                                    struct tess_cluster_plan **plan)
{
    struct tess_chain chain = {0};
    enum tess_status status = tess_chain_init(&chain, finder->graph);
    if (status != TESS_OK)
        return tess_error_nomem(finder->error);
    tess_climber_learn(finder->climber, *plan);
    if (tess_climber_read(finder->climber, *plan, &chain))
        status = improve(finder, &chain, 0, plan);
    for (int columns = 1; columns <= MAX_COLUMNS && status == TESS_OK; columns++) {
        struct tess_cluster_plan *start = NULL;
        finder->aligned_columns = columns;
        status = solve(finder);
        if (status != TESS_OK || !isfinite(finder->cuts[finder->graph->n_ops].best_us))
            continue;
        status = make_plan(finder, &start);
        if (status == TESS_OK && tess_climber_read(finder->climber, start, &chain))
            status = improve(finder, &chain, 0, plan);
        tess_cluster_plan_destroy(start);
    }
    for (int walk = 1; walk <= WALKS; walk++)
        if (status == TESS_OK && tess_climber_read(finder->climber, *plan, &chain))
            status = improve(finder, &chain, walk, plan);
    tess_chain_release(&chain);
    return status;
}

static enum tess_status find(struct finder *finder, struct tess_cluster_plan **plan_out)
{
    struct tess_cluster_plan *plan = NULL;
    enum tess_status status = find_fitting(finder, &plan);
    if (status == TESS_OK && finder->cluster->n_nodes > 1 &&
        finder->options->search_tiles > 0)
        status = improve_all(finder, &plan);
    if (status == TESS_OK)
        *plan_out = plan;
    else
        tess_cluster_plan_destroy(plan);
    return status;
}

/* Multiply-adds at full speed on all nodes: no stage takes less. */
static void set_least(struct finder *finder)
{
    const struct tess_profile *profile = &finder->options->planner.profile;
    double speed = 0;
    for (int node = 0; node < finder->cluster->n_nodes; node++)
        if (!finder->cluster->nodes[node].only_serves || finder->cluster->n_nodes == 1)
            speed += finder->cluster->nodes[node].speed;
    finder->least_us[0] = 0;
    for (int op = 0; op < finder->graph->n_ops; op++) {
        double us = 0;
        if (tess_op_has_weights(&finder->graph->ops[op]))
            us = (double)tess_op_macs(finder->graph, &finder->graph->ops[op]) /
                 profile->macs_per_us[tess_speed_class_of(finder->graph, op)] / speed;
        finder->least_us[op + 1] = finder->least_us[op] + us;
        finder->ops[op] = op;
    }
}

/* Can every node start at all? */
static enum tess_status check_nodes(const struct tess_cluster *cluster,
                                    const struct tess_cluster_options *options,
                                    struct tess_error *error)
{
    int64_t base_bytes = options->planner.facts.base_bytes;
    for (int i = 0; i < cluster->n_nodes; i++) {
        const struct tess_cluster_node *node = &cluster->nodes[i];
        char has[32], needs[32];
        if (node->memory_bytes > 0 && node->memory_bytes <= base_bytes)
            return tess_error_set(
                error, TESS_E_INFEASIBLE,
                "node %s has %s, but a process that computes nothing yet takes %s",
                node->name, tess_format_bytes(node->memory_bytes, has, sizeof has),
                tess_format_bytes(base_bytes, needs, sizeof needs));
    }
    return TESS_OK;
}

/* With the ops in the graph's own order. */
static enum tess_status find_in_order(const struct tess_graph *graph,
                                      const struct tess_cluster *cluster,
                                      const struct tess_cluster_options *options,
                                      struct tess_cluster_plan **plan_out,
                                      struct tess_error *error)
{
    struct finder finder = {
        .graph = graph, .cluster = cluster, .options = options, .error = error};
    size_t n_ops = (size_t)graph->n_ops;
    enum tess_status status = check_nodes(cluster, options, error);
    if (status != TESS_OK)
        return status;
    finder.cuts = calloc(n_ops + 1, sizeof *finder.cuts);
    finder.ops = calloc(n_ops, sizeof *finder.ops);
    finder.least_us = calloc(n_ops + 1, sizeof *finder.least_us);
    finder.forbidden = calloc(MAX_ROUNDS + 1 + MAX_CLIMBS * (1 + MAX_COLUMNS + WALKS),
                              sizeof *finder.forbidden);
    if (finder.cuts && finder.ops && finder.least_us && finder.forbidden &&
        tess_climber_create(graph, cluster, options, &finder.climber) == TESS_OK) {
        set_least(&finder);
        status = find(&finder, plan_out);
    } else {
        status = tess_error_nomem(error);
    }
    for (size_t end = 0; end <= n_ops && finder.cuts; end++)
        free(finder.cuts[end].tiles);
    free(finder.cuts);
    free(finder.ops);
    free(finder.least_us);
    free(finder.forbidden);
    tess_cluster_costs_release(&finder.costs);
    tess_climber_destroy(finder.climber);
    return status;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* A plan for the reordered graph becomes one for the graph itself. */
static void rename_ops(struct tess_cluster_plan *plan, const struct tess_graph *graph,
                       const int *order)
{
    plan->model_hash = graph->hash;
    for (int i = 0; i < plan->n_stages; i++) {
        struct tess_cluster_stage *stage = &plan->stages[i];
        for (int at = 0; at < stage->n_ops; at++)
            stage->ops[at] = order[stage->ops[at]];
        qsort(stage->ops, (size_t)stage->n_ops, sizeof *stage->ops, compare_ints);
    }
}

enum tess_status tess_cluster_plan_find(const struct tess_graph *graph,
                                        const struct tess_cluster *cluster,
                                        const struct tess_cluster_options *options,
                                        struct tess_cluster_plan **plan_out,
                                        struct tess_error *error)
{
    struct tess_graph *reordered = NULL;
    int *order = malloc(sizeof *order * (size_t)graph->n_ops);
    if (!order)
        return tess_error_nomem(error);
    tess_graph_shrinking_order(graph, order);
    enum tess_status status = tess_graph_reorder(graph, order, &reordered, error);
    if (status == TESS_OK)
        status = find_in_order(reordered, cluster, options, plan_out, error);
    if (status == TESS_OK)
        rename_ops(*plan_out, graph, order);
    tess_graph_destroy(reordered);
    free(order);
    return status;
}
