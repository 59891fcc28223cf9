/* Plans for clusters: covers, memory, unequal nodes, and what the planner predicts for YOLOv2. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/darknet.h"
#include "plan/cluster_text.h"
#include "planner/cluster_plan.h"
#include "tests/support/random_net.h"

#define YOLOV2 "/usr/share/darknet/cfg/yolov2.cfg"

/* A family with packed weights whose process takes 5 MiB; 8000 multiply-adds per us, a tenth of
 * which a node does; weights are read at 1 GB/s. */
static void options_init(struct tess_cluster_options *options)
{
    tess_cluster_options_init(options);
    options->search_tiles = 100000; /* tests are short */
    options->planner.facts = (struct tess_kernel_facts){.family = "nat",
                                                        .align_bytes = 64,
                                                        .tail_bytes = 64,
                                                        .filter_block = 1,
                                                        .channel_block = 1,
                                                        .pixel_block = 1,
                                                        .call_pixels = INT32_MAX,
                                                        .depthwise_block = 1,
                                                        .has_packed_weights = 1,
                                                        .kernel_overhead_bytes = 256,
                                                        .base_bytes = 5 << 20};
    struct tess_profile *profile = &options->planner.profile;
    for (int i = 0; i < TESS_SPEED_N_CLASSES; i++)
        profile->macs_per_us[i] = 50000;
    profile->bytes_per_us = 5000;
    profile->stream_bytes_per_us = 2000;
    profile->call_us = profile->row_us = 0;
}

static struct tess_cluster equal_nodes(int n_nodes, int64_t memory_bytes)
{
    struct tess_cluster cluster = {.n_nodes = n_nodes};
    for (int i = 0; i < n_nodes; i++) {
        cluster.nodes[i] = (struct tess_cluster_node){.speed = 0.1,
                                                      .link_mbit = 100,
                                                      .latency_us = 500,
                                                      .memory_bytes = memory_bytes};
        snprintf(cluster.nodes[i].name, sizeof cluster.nodes[i].name, "n%d", i);
    }
    cluster.nodes[0].memory_bytes = 0;
    return cluster;
}

static struct tess_cluster_plan *find(const struct tess_graph *graph,
                                      const struct tess_cluster *cluster,
                                      const struct tess_cluster_options *options)
{
    struct tess_cluster_plan *plan = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_cluster_plan_find(graph, cluster, options, &plan, &error) != TESS_OK ||
        tess_cluster_plan_check(plan, graph, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
    return plan;
}

static struct tess_graph *yolov2(void)
{
    struct tess_text text = {0};
    struct tess_graph *graph = NULL;
    if (access(YOLOV2, R_OK) != 0)
        skip();
    assert_int_equal(tess_file_read(YOLOV2, 1 << 20, &text, NULL), TESS_OK);
    assert_int_equal(tess_darknet_parse(tess_text_string(&text),
                                        strlen(tess_text_string(&text)), "yolov2.cfg",
                                        &graph, NULL, NULL),
                     TESS_OK);
    tess_text_release(&text);
    return graph;
}

static void test_yolov2_on_more_nodes_is_predicted_to_be_faster(void **state)
{
    (void)state;
    static const int counts[] = {2, 4, 6};
    static const double least[] = {1.5, 2.3, 2.8};
    struct tess_graph *graph = yolov2();
    struct tess_cluster_options options;
    options_init(&options);
    struct tess_cluster cluster = equal_nodes(1, 0);
    struct tess_cluster_plan *alone = find(graph, &cluster, &options);
    assert_int_equal(alone->n_stages, 1);
    assert_int_equal(alone->moved_bytes, 0);
    for (int i = 0; i < 3; i++) {
        cluster = equal_nodes(counts[i], 0);
        struct tess_cluster_plan *plan = find(graph, &cluster, &options);
        double speedup = alone->predicted_us / plan->predicted_us;
        print_message("%d nodes: %.0f ms, %.2f times, %.1f MB moved, %d stages\n",
                      counts[i], plan->predicted_us / 1e3, speedup,
                      (double)plan->moved_bytes / 1e6, plan->n_stages);
        assert_true(speedup >= least[i] && speedup <= counts[i]);
        tess_cluster_plan_destroy(plan);
    }
    tess_cluster_plan_destroy(alone);
    tess_graph_destroy(graph);
}

static void test_deepthings_plan_is_expressible_and_gains_little(void **state)
{
    (void)state;
    struct tess_graph *graph = yolov2();
    struct tess_cluster_plan *plan = NULL;
    struct tess_cluster_options options;
    struct tess_text text = {0};
    struct tess_error error;
    tess_error_init(&error);
    options_init(&options);
    struct tess_cluster cluster = equal_nodes(1, 0);
    cluster.nodes[0].speed = 1;
    cluster.nodes[0].link_mbit = 940;
    struct tess_cluster_plan *alone = find(graph, &cluster, &options);
    if (tess_file_read("configs/clusters/deepthings-yolov2.yaml", 1 << 20, &text,
                       &error) != TESS_OK ||
        tess_cluster_plan_read(tess_text_string(&text), strlen(tess_text_string(&text)),
                               "deepthings-yolov2.yaml", graph, &plan, &error) != TESS_OK)
        fail_msg("%d: %s", error.line, error.message);
    for (int node = 0; node < plan->cluster.n_nodes;
         node++) { /* ten times as fast, all */
        plan->cluster.nodes[node].link_mbit *= 10;
        plan->cluster.nodes[node].latency_us /= 10;
    }
    if (tess_cluster_plan_predict(graph, &options, true, plan, NULL, NULL, &error) !=
        TESS_OK)
        fail_msg("%d: %s", error.line, error.message);
    double speedup = alone->predicted_us / plan->predicted_us;
    print_message("DeepThings on 4 nodes: %.2f times\n", speedup);
    assert_int_equal(plan->n_stages, 2);
    assert_int_equal(plan->stages[0].n_tiles, 25);
    assert_true(speedup > 1.0 && speedup < 1.4);
    tess_text_release(&text);
    tess_cluster_plan_destroy(plan);
    tess_cluster_plan_destroy(alone);
    tess_graph_destroy(graph);
}

static void test_every_tile_stays_in_its_nodes_memory(void **state)
{
    (void)state;
    struct tess_graph *graph = yolov2();
    struct tess_cluster_options options;
    struct tess_cluster cluster = equal_nodes(4, 48 << 20);
    options_init(&options);
    struct tess_cluster_plan *plan = find(graph, &cluster, &options);
    int n_worker_tiles = 0;
    for (int i = 0; i < plan->n_stages; i++)
        for (int tile = 0; tile < plan->stages[i].n_tiles; tile++) {
            const struct tess_cluster_tile *it = &plan->stages[i].tiles[tile];
            if (it->node == 0)
                continue;
            n_worker_tiles++;
            assert_true(it->peak_bytes > 5 << 20 && it->peak_bytes <= 48 << 20);
        }
    assert_true(n_worker_tiles >= 3 * 4);
    tess_cluster_plan_destroy(plan);
    tess_graph_destroy(graph);
}

/* The coordinator's part of the multiply-adds of layers 18 and later, which have most weights. */
static double late_share(const struct tess_cluster_plan *plan,
                         const struct tess_graph *graph)
{
    double own = 0, all = 0;
    for (int i = 0; i < plan->n_stages; i++) {
        const struct tess_cluster_stage *stage = &plan->stages[i];
        double macs = 0, n_own = 0, n_pixels = 0;
        for (int at = 0; at < stage->n_ops; at++) {
            const struct tess_op *op = &graph->ops[stage->ops[at]];
            if (op->layer >= 18 && tess_op_has_weights(op))
                macs += (double)tess_op_macs(graph, op);
        }
        for (int at = 0; at < stage->n_tiles; at++) {
            double n = (double)tess_region_n_pixels(&stage->tiles[at].output);
            n_pixels += n;
            n_own += stage->tiles[at].node == TESS_CLUSTER_COORDINATOR ? n : 0;
        }
        own += macs * n_own / n_pixels;
        all += macs;
    }
    return own / all;
}

static void
test_slow_disks_leave_heavy_layers_to_whoever_holds_their_weights(void **state)
{
    (void)state;
    struct tess_graph *graph = yolov2();
    struct tess_cluster cluster = equal_nodes(4, 48 << 20);
    struct tess_cluster_options fast, slow;
    options_init(&fast);
    fast.search_tiles = 0;
    slow = fast;
    slow.planner.profile.disk_bytes_per_us = 40; /* a memory card */
    struct tess_cluster_plan *blind = find(graph, &cluster, &fast);
    struct tess_cluster_plan *plan = find(graph, &cluster, &slow);
    double blind_us = blind->predicted_us, blind_share = late_share(blind, graph);
    assert_int_equal(
        tess_cluster_plan_predict(graph, &slow, false, blind, NULL, NULL, NULL), TESS_OK);
    print_message(
        "coordinator's part of the late layers %.2f, with slow disks %.2f; %.0f "
        "ms, %.0f planned for these\n",
        blind_share, late_share(plan, graph), blind->predicted_us / 1000,
        plan->predicted_us / 1000);
    assert_true(blind->predicted_us > blind_us); /* weights are read in every frame */
    assert_true(plan->predicted_us < 0.8 * blind->predicted_us);
    assert_true(late_share(plan, graph) > blind_share + 0.2);

    /* Without a limit all weights stay where they are: disks do not matter. */
    double kept_us[2];
    for (int i = 0; i < 2; i++) {
        for (int node = 0; node < 4; node++)
            blind->cluster.nodes[node].memory_bytes = 0;
        assert_int_equal(tess_cluster_plan_predict(graph, i == 0 ? &fast : &slow, false,
                                                   blind, NULL, NULL, NULL),
                         TESS_OK);
        kept_us[i] = blind->predicted_us;
    }
    assert_true(kept_us[0] == kept_us[1]);
    tess_cluster_plan_destroy(blind);
    tess_cluster_plan_destroy(plan);
    tess_graph_destroy(graph);
}

static void test_a_node_that_cannot_even_start_is_named(void **state)
{
    (void)state;
    struct tess_graph *graph = yolov2();
    struct tess_cluster_options options;
    struct tess_cluster cluster = equal_nodes(2, 1 << 20);
    struct tess_cluster_plan *plan = NULL;
    struct tess_error error;
    tess_error_init(&error);
    options_init(&options);
    assert_int_equal(tess_cluster_plan_find(graph, &cluster, &options, &plan, &error),
                     TESS_E_INFEASIBLE);
    assert_null(plan);
    assert_non_null(strstr(error.message, "node n1 has 1"));
    tess_graph_destroy(graph);
}

/* Room to start, but for no tile of the network. */
static void test_tiles_that_fit_nowhere_are_named(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_rng rng;
    struct tess_cluster_options options;
    struct tess_cluster cluster = equal_nodes(1, 0);
    struct tess_cluster_plan *plan = NULL;
    struct tess_error error;
    tess_error_init(&error);
    options_init(&options);
    tess_random_net_init(&nets);
    nets.kinds = 1u << TESS_OP_CONV;
    nets.chain_percent = 100;
    tess_rng_init(&rng, 3);
    struct tess_graph *graph = tess_random_net_create(&nets, &rng);
    cluster.nodes[0].memory_bytes = options.planner.facts.base_bytes + 10;
    assert_int_equal(tess_cluster_plan_find(graph, &cluster, &options, &plan, &error),
                     TESS_E_INFEASIBLE);
    assert_null(plan);
    assert_non_null(strstr(error.message, "node n0 has 5"));
    assert_non_null(strstr(error.message, "but a tile of layers"));
    tess_graph_destroy(graph);
}

static void test_unequal_nodes_get_unequal_tiles(void **state)
{
    (void)state;
    struct tess_graph *graph = yolov2();
    struct tess_cluster_options options;
    struct tess_cluster cluster = equal_nodes(3, 0);
    double work_us[3] = {0};
    options_init(&options);
    cluster.nodes[2].speed = 0.03;
    struct tess_cluster_plan *plan = find(graph, &cluster, &options);
    for (int i = 0; i < plan->n_stages; i++)
        for (int tile = 0; tile < plan->stages[i].n_tiles; tile++)
            work_us[plan->stages[i].tiles[tile].node] +=
                plan->stages[i].tiles[tile].predicted_us;
    print_message("work %.0f, %.0f, %.0f ms of speed 1\n", work_us[0] / 1e3,
                  work_us[1] / 1e3, work_us[2] / 1e3);
    assert_true(work_us[2] < 0.5 * work_us[1] && work_us[1] < work_us[0] * 1.05);
    tess_cluster_plan_destroy(plan);
    tess_graph_destroy(graph);
}

static void test_plans_of_random_networks_are_whole_and_survive_their_text(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_cluster_options options;
    int n_cases = 60, n_planned = 0;
    uint64_t seed = tess_random_seed(20261150, &n_cases);
    tess_random_net_init(&nets);
    nets.max_side = 40;
    options_init(&options);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_error error;
        struct tess_cluster_plan *plan = NULL, *again = NULL;
        struct tess_text text = {0}, second = {0};
        tess_error_init(&error);
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        struct tess_cluster cluster = equal_nodes(tess_rng_int(&rng, 1, 5), 0);
        options.search_tiles = 10000;
        for (int node = 0; node < cluster.n_nodes; node++)
            cluster.nodes[node].speed = 0.000001 * tess_rng_int(&rng, 1, 20);
        enum tess_status status =
            tess_cluster_plan_find(graph, &cluster, &options, &plan, &error);
        if (status == TESS_E_CONFIG) { /* maps of two sizes cross every cut */
            tess_graph_destroy(graph);
            continue;
        }
        n_planned++;
        assert_int_equal(status, TESS_OK);
        assert_int_equal(tess_cluster_plan_check(plan, graph, NULL, NULL), TESS_OK);
        assert_true(isfinite(plan->predicted_us) && plan->predicted_us > 0);
        tess_cluster_plan_write(plan, graph, &text);
        if (tess_cluster_plan_read(tess_text_string(&text),
                                   strlen(tess_text_string(&text)), "plan.yaml", graph,
                                   &again, &error) != TESS_OK)
            fail_msg("TESS_TEST_SEED=%llu: line %d: %s",
                     (unsigned long long)(seed + (uint64_t)i), error.line, error.message);
        tess_cluster_plan_write(again, graph, &second);
        assert_string_equal(tess_text_string(&text), tess_text_string(&second));
        tess_text_release(&text);
        tess_text_release(&second);
        tess_cluster_plan_destroy(plan);
        tess_cluster_plan_destroy(again);
        tess_graph_destroy(graph);
    }
    assert_true(n_cases == 1 || n_planned > n_cases / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yolov2_on_more_nodes_is_predicted_to_be_faster),
        cmocka_unit_test(test_deepthings_plan_is_expressible_and_gains_little),
        cmocka_unit_test(test_every_tile_stays_in_its_nodes_memory),
        cmocka_unit_test(
            test_slow_disks_leave_heavy_layers_to_whoever_holds_their_weights),
        cmocka_unit_test(test_a_node_that_cannot_even_start_is_named),
        cmocka_unit_test(test_tiles_that_fit_nowhere_are_named),
        cmocka_unit_test(test_unequal_nodes_get_unequal_tiles),
        cmocka_unit_test(test_plans_of_random_networks_are_whole_and_survive_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
