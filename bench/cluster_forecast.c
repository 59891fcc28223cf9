/* What the planner predicts for clusters of equal nodes, beside DeepThings' plan (layers 0..15 in
 * 5x5 tiles, the rest on the coordinator) on the same nodes: for people.
 *
 *     cluster_forecast CFG [PROFILE [SPEED [MBIT [MEMORY]]]]
 *
 * SPEED of each node relative to the profile, 0.1; MBIT per second of each link, 100; MEMORY of
 * each process, 0 for no limit.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/file.h"
#include "executor/kernel.h"
#include "model/darknet.h"
#include "plan/cluster_text.h"
#include "planner/cluster_plan.h"

static void die(const struct tess_error *error)
{
    fprintf(stderr, "cluster_forecast: %s\n", error->message);
    exit(1);
}

static struct tess_graph *read_graph(const char *path)
{
    struct tess_text text = {0};
    struct tess_graph *graph = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_file_read(path, 1 << 20, &text, &error) != TESS_OK ||
        tess_darknet_parse(tess_text_string(&text), strlen(tess_text_string(&text)), path,
                           &graph, NULL, &error) != TESS_OK)
        die(&error);
    tess_text_release(&text);
    return graph;
}

static void read_profile(const char *path, struct tess_profile *profile)
{
    struct tess_text text = {0};
    struct tess_error error;
    tess_error_init(&error);
    if (tess_file_read(path, 1 << 20, &text, &error) != TESS_OK ||
        tess_profile_read(tess_text_string(&text), strlen(tess_text_string(&text)), path,
                          profile, &error) != TESS_OK)
        die(&error);
    tess_text_release(&text);
}

static struct tess_cluster_plan *deepthings(const struct tess_graph *graph,
                                            const struct tess_cluster *cluster)
{
    enum { LAST_LAYER = 15, SIDE = 5 };
    struct tess_cluster_plan *plan = NULL;
    struct tess_stage stage;
    struct tess_error error;
    tess_error_init(&error);
    int *ops = calloc((size_t)graph->n_ops, sizeof *ops), n_first = 0;
    for (int op = 0; ops && op < graph->n_ops; op++) {
        ops[op] = op;
        n_first += graph->ops[op].layer <= LAST_LAYER;
    }
    if (!ops || n_first == graph->n_ops ||
        tess_cluster_plan_create(graph, cluster, &plan, &error) != TESS_OK)
        die(&error);
    for (int part = 0; part < 2; part++) {
        const int *these = part == 0 ? ops : ops + n_first;
        int n_these = part == 0 ? n_first : graph->n_ops - n_first;
        int side = part == 0 ? SIDE : 1;
        if (tess_stage_init(&stage, graph, these, n_these, &error) != TESS_OK) {
            tess_cluster_plan_destroy(plan);
            free(ops);
            return NULL; /* maps of two sizes cross the cut */
        }
        struct tess_region whole = tess_stage_whole(&stage);
        struct tess_cluster_tile *tiles = tess_cluster_grid(&whole, side, side);
        if (!tiles || tess_cluster_plan_add(plan, these, n_these, tiles, side * side,
                                            &error) != TESS_OK)
            die(&error);
        free(tiles);
        tess_stage_release(&stage);
    }
    plan->sends_bytes = false;
    free(ops);
    return plan;
}

static void print_plan(const struct tess_graph *graph,
                       const struct tess_cluster_plan *plan)
{
    for (int i = 0; i < plan->n_stages; i++) {
        const struct tess_cluster_stage *stage = &plan->stages[i];
        struct tess_text layers = {0};
        tess_cluster_write_layers(stage, graph, &layers);
        printf("    layers %s, %d tiles, %.0f ms:", tess_text_string(&layers),
               stage->n_tiles, stage->predicted_us / 1e3);
        tess_text_release(&layers);
        for (int tile = 0; tile < stage->n_tiles; tile++) {
            const struct tess_range *axis = stage->tiles[tile].output.axis;
            printf(" %d:%dx%d", stage->tiles[tile].node, tess_range_len(axis[TESS_ROWS]),
                   tess_range_len(axis[TESS_COLS]));
        }
        printf("\n");
    }
}

static void print_row(const char *what, const struct tess_cluster_plan *plan,
                      double alone_us, double search_us)
{
    int64_t most_bytes[2] = {0, 0};
    for (int i = 0; i < plan->n_stages; i++)
        for (int tile = 0; tile < plan->stages[i].n_tiles; tile++) {
            bool is_worker = plan->stages[i].tiles[tile].node != TESS_CLUSTER_COORDINATOR;
            most_bytes[is_worker] = tess_max_i64(most_bytes[is_worker],
                                                 plan->stages[i].tiles[tile].peak_bytes);
        }
    printf("%-12s %d nodes  %7.0f ms  %.2f times  %5.1f MB moved  peaks %.1f and %.1f MiB"
           "  found in %.1f s\n",
           what, plan->cluster.n_nodes, plan->predicted_us / 1e3,
           alone_us / plan->predicted_us, (double)plan->moved_bytes / 1e6,
           (double)most_bytes[0] / 1048576, (double)most_bytes[1] / 1048576,
           search_us / 1e6);
}

static struct tess_cluster equal_nodes(int n_nodes, double speed, double mbit,
                                       int64_t memory_bytes)
{
    struct tess_cluster cluster = {.n_nodes = n_nodes};
    for (int i = 0; i < n_nodes; i++) {
        cluster.nodes[i] = (struct tess_cluster_node){.speed = speed,
                                                      .memory_bytes = memory_bytes,
                                                      .link_mbit = mbit,
                                                      .latency_us = 500};
        snprintf(cluster.nodes[i].name, sizeof cluster.nodes[i].name, "n%d", i);
    }
    cluster.nodes[0].memory_bytes = 0; /* it holds the maps between stages */
    return cluster;
}

/* One node, everything at once. */
static double alone_us(const struct tess_graph *graph,
                       const struct tess_cluster_options *options, double speed)
{
    struct tess_plan *plan = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_planner_plan(graph, &options->planner, &plan, NULL, &error) != TESS_OK)
        die(&error);
    double us = plan->predicted_us / speed;
    tess_plan_destroy(plan);
    return us;
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 2, 4, 6};
    struct tess_cluster_options options;
    struct tess_error error;
    int64_t memory_bytes = 0;
    tess_error_init(&error);
    if (argc < 2)
        return 2;
    tess_cluster_options_init(&options);
    struct tess_graph *graph = read_graph(argv[1]);
    if (argc > 2)
        read_profile(argv[2], &options.planner.profile);
    double speed = argc > 3 ? strtod(argv[3], NULL) : 0.1;
    double mbit = argc > 4 ? strtod(argv[4], NULL) : 100;
    if (argc > 5 && !tess_parse_bytes(argv[5], &memory_bytes))
        return 2;
    if (tess_kernel_nat.start(0, &error) != TESS_OK)
        die(&error);
    tess_kernel_nat.facts(&options.planner.facts);
    double one_us = alone_us(graph, &options, speed);
    printf("untiled on one node: %.0f ms\n", one_us / 1e3);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct tess_cluster cluster = equal_nodes(counts[i], speed, mbit, memory_bytes);
        struct tess_cluster_plan *plan = NULL;
        double start_us = tess_clock_us();
        if (tess_cluster_plan_find(graph, &cluster, &options, &plan, &error) != TESS_OK)
            die(&error);
        print_row("found", plan, one_us, tess_clock_us() - start_us);
        print_plan(graph, plan);
        tess_cluster_plan_destroy(plan);
        cluster = equal_nodes(counts[i], speed, mbit, 0);
        plan = deepthings(graph, &cluster);
        if (!plan)
            continue;
        if (tess_cluster_plan_predict(graph, &options, true, plan, NULL, NULL, &error) !=
            TESS_OK)
            die(&error);
        print_row("DeepThings", plan, one_us, 0);
        tess_cluster_plan_destroy(plan);
    }
    tess_kernel_nat.stop();
    tess_graph_destroy(graph);
    return 0;
}
