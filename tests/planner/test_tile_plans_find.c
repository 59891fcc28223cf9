/* Plans of one node's tiles: within its memory, and those that the cluster's planner predicted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/cluster_plan.h"
#include "planner/tile_plans_find.h"
#include "tests/support/random_cluster.h"
#include "tests/support/random_net.h"

enum { BASE_BYTES = 1 << 20 };

static struct tess_kernel_facts facts_of_blocks(void)
{
    return (struct tess_kernel_facts){.family = "nat",
                                      .align_bytes = 64,
                                      .tail_bytes = 64,
                                      .filter_block = 1,
                                      .channel_block = 1,
                                      .pixel_block = 1,
                                      .call_pixels = INT32_MAX,
                                      .depthwise_block = 1,
                                      .has_packed_weights = 1,
                                      .kernel_overhead_bytes = 256,
                                      .base_bytes = BASE_BYTES};
}

struct random_case {
    struct tess_graph *graph;
    struct tess_cluster_plan *cluster_plan;
};

static bool random_case_init(struct random_case *it, uint64_t seed, struct tess_rng *rng)
{
    struct tess_random_net nets;
    tess_random_net_init(&nets);
    nets.max_side = 24;
    nets.max_channels = 12;
    tess_rng_init(rng, seed);
    it->graph = tess_random_net_create(&nets, rng);
    it->cluster_plan = tess_random_cluster_plan(it->graph, rng);
    return it->cluster_plan != NULL;
}

static void random_case_release(struct random_case *it)
{
    tess_cluster_plan_destroy(it->cluster_plan);
    tess_graph_destroy(it->graph);
}

static void check_shapes(const struct tess_tile_plans *plans, int64_t memory_bytes)
{
    for (int i = 0; i < plans->n_shapes; i++) {
        const struct tess_tile_shape *shape = &plans->shapes[i];
        if (!shape->plan) {
            assert_true(memory_bytes > 0 && shape->least_bytes > memory_bytes);
            continue;
        }
        assert_int_equal(tess_plan_check(shape->plan, shape->tile.graph, NULL), TESS_OK);
        assert_true(memory_bytes == 0 || shape->plan->memory.peak <= memory_bytes);
        for (int op = 0; op < shape->plan->n_ops && plans->keeps_weights; op++)
            assert_false(shape->plan->streamed[op]);
    }
}

/* What is written is read, laid out and verified. */
static void check_text(const struct random_case *it, const struct tess_tile_plans *plans)
{
    struct tess_tile_plans again;
    struct tess_text text = {0};
    struct tess_error error;
    tess_error_init(&error);
    tess_tile_plans_write(plans, &text);
    assert_int_equal(tess_tile_plans_init(&again, it->cluster_plan, it->graph, NULL),
                     TESS_OK);
    if (tess_tile_plans_read(&again, text.data, text.len, &error) != TESS_OK)
        fail_msg("%s", error.message);
    for (int i = 0; i < plans->n_shapes; i++)
        if (plans->shapes[i].plan)
            assert_int_equal(again.shapes[i].plan->memory.peak,
                             plans->shapes[i].plan->memory.peak);
    tess_tile_plans_release(&again);
    tess_text_release(&text);
}

static void find(const struct random_case *it, bool is_coordinator, int64_t memory_bytes,
                 struct tess_tile_plans *plans)
{
    struct tess_tile_plans_node node = {.is_coordinator = is_coordinator,
                                        .memory_bytes = memory_bytes};
    tess_planner_options_init(&node.planner);
    node.planner.facts = facts_of_blocks();
    assert_int_equal(tess_tile_plans_init(plans, it->cluster_plan, it->graph, NULL),
                     TESS_OK);
    assert_int_equal(
        tess_tile_plans_find(it->cluster_plan, it->graph, &node, plans, NULL), TESS_OK);
    check_shapes(plans, memory_bytes);
}

static int64_t most_least_bytes(const struct tess_tile_plans *plans)
{
    int64_t bytes = 0;
    for (int i = 0; i < plans->n_shapes; i++)
        if (plans->shapes[i].least_bytes > bytes)
            bytes = plans->shapes[i].least_bytes;
    return bytes;
}

/* Without a limit everything fits and is kept; within the least that was named, all fits, too.
 * Returns whether there was a least. */
static bool check_least(const struct random_case *it, bool is_coordinator)
{
    struct tess_tile_plans plans;
    find(it, is_coordinator, 0, &plans);
    assert_true(plans.keeps_weights);
    assert_int_equal(most_least_bytes(&plans), 0);
    check_text(it, &plans);
    tess_tile_plans_release(&plans);
    find(it, is_coordinator, BASE_BYTES + 2048, &plans);
    check_text(it, &plans);
    int64_t least_bytes = most_least_bytes(&plans);
    tess_tile_plans_release(&plans);
    if (least_bytes == 0)
        return false;
    find(it, is_coordinator, least_bytes, &plans);
    assert_int_equal(most_least_bytes(&plans), 0);
    tess_tile_plans_release(&plans);
    return true;
}

static void test_plans_of_random_tiles_fit_what_was_said_to_suffice(void **state)
{
    (void)state;
    int n_cases = 120, n_tight = 0;
    uint64_t seed = tess_random_seed(20261171, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct random_case it;
        struct tess_rng rng;
        print_message("TESS_TEST_SEED=%llu\n", (unsigned long long)(seed + (uint64_t)i));
        if (random_case_init(&it, seed + (uint64_t)i, &rng))
            n_tight += check_least(&it, tess_rng_int(&rng, 0, 1));
        random_case_release(&it);
    }
    assert_true(n_cases == 1 || n_tight > n_cases / 4);
}

/* How many tiles of `node` were compared: what was predicted of them is what was found, and the
 * reading of held weights where the node does not keep them. */
static int compare_tiles(const struct tess_cluster_plan *predicted, int node,
                         const struct tess_tile_plans *plans,
                         const struct tess_profile *profile)
{
    int n_compared = 0;
    for (int stage = 0; stage < predicted->n_stages; stage++)
        for (int at = 0; at < predicted->stages[stage].n_tiles; at++) {
            const struct tess_cluster_tile *tile = &predicted->stages[stage].tiles[at];
            int shape = plans->shape_of[plans->first_tile[stage] + at];
            const struct tess_plan *plan = plans->shapes[shape].plan;
            if (tile->node != node)
                continue;
            assert_int_equal(plan->memory.peak, tile->peak_bytes);
            double load_us = (double)plan->memory.weights / profile->stream_bytes_per_us;
            double us = plan->predicted_us + (plans->keeps_weights ? 0 : load_us);
            assert_true(us == tile->predicted_us);
            n_compared++;
        }
    return n_compared;
}

static int compare_node(const struct random_case *it, struct tess_rng *rng)
{
    struct tess_cluster_options options;
    struct tess_tile_plans plans;
    struct tess_cluster *cluster = &it->cluster_plan->cluster;
    int64_t memory_bytes = BASE_BYTES + (int64_t)tess_rng_int(rng, 20, 400) * 1024;
    int last = cluster->n_nodes - 1;
    tess_cluster_options_init(&options);
    options.planner.facts = facts_of_blocks();
    for (int node = 0; node < cluster->n_nodes; node++)
        cluster->nodes[node].memory_bytes = memory_bytes;
    if (tess_cluster_plan_predict(it->graph, &options, false, it->cluster_plan, NULL,
                                  NULL, NULL) != TESS_OK)
        return 0;
    find(it, last == TESS_CLUSTER_COORDINATOR, memory_bytes, &plans);
    int n_compared =
        compare_tiles(it->cluster_plan, last, &plans, &options.planner.profile);
    tess_tile_plans_release(&plans);
    return n_compared;
}

static void test_nodes_find_what_was_predicted(void **state)
{
    (void)state;
    int n_cases = 80, n_compared = 0;
    uint64_t seed = tess_random_seed(20261172, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct random_case it;
        struct tess_rng rng;
        print_message("TESS_TEST_SEED=%llu\n", (unsigned long long)(seed + (uint64_t)i));
        if (random_case_init(&it, seed + (uint64_t)i, &rng))
            n_compared += compare_node(&it, &rng);
        random_case_release(&it);
    }
    print_message("%d tiles compared\n", n_compared);
    assert_true(n_cases == 1 || n_compared > n_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_of_random_tiles_fit_what_was_said_to_suffice),
        cmocka_unit_test(test_nodes_find_what_was_predicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
