/* Climbing: never worse than where it began, no worse than the best assignment of small plans'
 * tiles by brute force, the same at every call. And spreads, chains. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "planner/cluster_climb_priv.h"
#include "planner/cluster_tiling.h"
#include "tests/support/random_net.h"

enum { MOST_TILES = 8 };

static void options_init(struct tess_cluster_options *options)
{
    tess_cluster_options_init(options);
    options->search_tiles = 20000;
    for (int i = 0; i < TESS_SPEED_N_CLASSES; i++)
        options->planner.profile.macs_per_us[i] = 10;
    options->planner.profile.stream_bytes_per_us = 1000;
}

static struct tess_cluster random_nodes(struct tess_rng *rng)
{
    struct tess_cluster cluster = {.n_nodes = tess_rng_int(rng, 2, 3)};
    for (int i = 0; i < cluster.n_nodes; i++) {
        cluster.nodes[i] =
            (struct tess_cluster_node){.speed = 0.25 * tess_rng_int(rng, 1, 8),
                                       .link_mbit = 10 * tess_rng_int(rng, 1, 10),
                                       .latency_us = tess_rng_int(rng, 0, 500)};
        snprintf(cluster.nodes[i].name, sizeof cluster.nodes[i].name, "n%d", i);
    }
    return cluster;
}

/* A chain of convolutions and pools, maps of at most 24 rows. */
static struct tess_graph *random_chain(struct tess_rng *rng)
{
    struct tess_random_net nets;
    tess_random_net_init(&nets);
    nets.kinds = 1u << TESS_OP_CONV | 1u << TESS_OP_MAXPOOL;
    nets.chain_percent = 100;
    nets.max_side = 24;
    nets.max_ops = 6;
    return tess_random_net_create(&nets, rng);
}

/* One or two stages of bands, at most MOST_TILES tiles. False if they are no plan. */
static bool random_start(struct tess_climber *climber, struct tess_rng *rng,
                         struct tess_chain *chain)
{
    int n_ops = climber->graph->n_ops, n_nodes = climber->cluster->n_nodes;
    chain->n_stages = n_ops > 1 ? tess_rng_int(rng, 1, 2) : 1;
    chain->stages[0].end = chain->n_stages == 2 ? tess_rng_int(rng, 1, n_ops - 1) : n_ops;
    chain->stages[chain->n_stages - 1].end = n_ops;
    for (int i = 0; i < chain->n_stages; i++)
        if (!tess_spread_even(&chain->stages[i].spread, climber->shares, 0, n_nodes, 1,
                              1))
            return false;
    tess_climber_weigh(climber, chain);
    return isfinite(chain->us);
}

/* The least time over all assignments of nodes to the chain's tiles. */
static double brute_force(struct tess_climber *climber, const struct tess_chain *chain)
{
    int *nodes[MOST_TILES], n_tiles = 0, n_nodes = climber->cluster->n_nodes;
    double best_us = INFINITY;
    struct tess_chain trial;
    assert_int_equal(tess_chain_init(&trial, climber->graph), TESS_OK);
    tess_chain_copy(&trial, chain);
    for (int i = 0; i < trial.n_stages; i++)
        for (int at = 0; at < trial.stages[i].spread.n_tiles; at++) {
            assert_true(n_tiles < MOST_TILES);
            nodes[n_tiles] = &trial.stages[i].spread.tiles[at].node;
            *nodes[n_tiles++] = 0;
        }
    for (int digit = 0; digit < n_tiles;) {
        tess_climber_weigh(climber, &trial);
        best_us = fmin(best_us, trial.us);
        for (digit = 0; digit < n_tiles && ++*nodes[digit] == n_nodes; digit++)
            *nodes[digit] = 0;
    }
    tess_chain_release(&trial);
    return best_us;
}

static void check_chain(const struct tess_chain *chain, const struct tess_graph *graph)
{
    for (int i = 0; i < chain->n_stages; i++)
        assert_true(chain->stages[i].end > tess_chain_begin(chain, i));
    assert_int_equal(chain->stages[chain->n_stages - 1].end, graph->n_ops);
}

static void test_climbs_beat_every_assignment_of_the_tiles_they_begin_with(void **state)
{
    (void)state;
    int n_cases = 60, n_tried = 0;
    uint64_t seed = tess_random_seed(20261123, &n_cases);
    struct tess_cluster_options options;
    options_init(&options);
    for (int c = 0; c < n_cases; c++) {
        struct tess_rng rng;
        struct tess_climber *climber = NULL;
        struct tess_chain chain, annealed;
        tess_rng_init(&rng, seed + (uint64_t)c);
        struct tess_graph *graph = random_chain(&rng);
        struct tess_cluster cluster = random_nodes(&rng);
        assert_int_equal(tess_climber_create(graph, &cluster, &options, &climber),
                         TESS_OK);
        assert_int_equal(tess_chain_init(&chain, graph), TESS_OK);
        assert_int_equal(tess_chain_init(&annealed, graph), TESS_OK);
        if (random_start(climber, &rng, &chain)) {
            double start_us = chain.us, least_us = brute_force(climber, &chain);
            n_tried++;
            assert_true(least_us <= start_us);
            assert_int_equal(tess_climber_climb(climber, &chain), TESS_OK);
            check_chain(&chain, graph);
            tess_chain_copy(&annealed, &chain);
            assert_int_equal(tess_climber_anneal(climber, &annealed, 1), TESS_OK);
            check_chain(&annealed, graph);
            if (chain.us > start_us || annealed.us > chain.us ||
                annealed.us > 1.02 * least_us)
                fail_msg("TESS_TEST_SEED=%llu: %f, climbed %f, annealed %f, brute force "
                         "%f",
                         (unsigned long long)(seed + (uint64_t)c), start_us, chain.us,
                         annealed.us, least_us);
        }
        tess_chain_release(&chain);
        tess_chain_release(&annealed);
        tess_climber_destroy(climber);
        tess_graph_destroy(graph);
    }
    assert_true(n_cases == 1 || n_tried > n_cases / 2);
}

static void test_the_same_input_gives_the_same_plan(void **state)
{
    (void)state;
    struct tess_cluster_options options;
    struct tess_rng rng;
    struct tess_cluster_plan *plans[2] = {NULL, NULL};
    struct tess_error error;
    tess_error_init(&error);
    options_init(&options);
    tess_rng_init(&rng, 7);
    struct tess_graph *graph = random_chain(&rng);
    struct tess_cluster cluster = random_nodes(&rng);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            tess_cluster_plan_find(graph, &cluster, &options, &plans[i], &error),
            TESS_OK);
    assert_int_equal(plans[0]->n_stages, plans[1]->n_stages);
    for (int i = 0; i < plans[0]->n_stages; i++) {
        assert_int_equal(plans[0]->stages[i].n_tiles, plans[1]->stages[i].n_tiles);
        for (int at = 0; at < plans[0]->stages[i].n_tiles; at++) {
            const struct tess_cluster_tile *a = &plans[0]->stages[i].tiles[at];
            const struct tess_cluster_tile *b = &plans[1]->stages[i].tiles[at];
            assert_true(tess_region_is_equal(&a->output, &b->output));
            assert_int_equal(a->node, b->node);
            assert_true(a->predicted_us == b->predicted_us);
        }
    }
    tess_cluster_plan_destroy(plans[0]);
    tess_cluster_plan_destroy(plans[1]);
    tess_graph_destroy(graph);
}

/* The search on top of earliest finish times keeps what it cannot beat. */
static void test_searching_longer_is_never_predicted_to_be_worse(void **state)
{
    (void)state;
    int n_cases = 30, n_better = 0;
    uint64_t seed = tess_random_seed(20261124, &n_cases);
    struct tess_cluster_options options;
    options_init(&options);
    for (int c = 0; c < n_cases; c++) {
        struct tess_rng rng;
        struct tess_error error;
        struct tess_cluster_plan *first = NULL, *searched = NULL;
        tess_error_init(&error);
        tess_rng_init(&rng, seed + (uint64_t)c);
        struct tess_graph *graph = random_chain(&rng);
        struct tess_cluster cluster = random_nodes(&rng);
        options.search_tiles = 0;
        assert_int_equal(
            tess_cluster_plan_find(graph, &cluster, &options, &first, &error), TESS_OK);
        options.search_tiles = 20000;
        assert_int_equal(
            tess_cluster_plan_find(graph, &cluster, &options, &searched, &error),
            TESS_OK);
        assert_true(searched->predicted_us <= first->predicted_us);
        n_better += searched->predicted_us < 0.999 * first->predicted_us;
        tess_cluster_plan_destroy(first);
        tess_cluster_plan_destroy(searched);
        tess_graph_destroy(graph);
    }
    assert_true(n_cases == 1 || n_better > 0);
}

static void test_forbidden_tiles_are_left(void **state)
{
    (void)state;
    struct tess_cluster_options options;
    struct tess_rng rng;
    struct tess_climber *climber = NULL;
    struct tess_chain chain;
    options_init(&options);
    tess_rng_init(&rng, 7);
    struct tess_graph *graph = random_chain(&rng);
    struct tess_cluster cluster = random_nodes(&rng);
    assert_int_equal(tess_climber_create(graph, &cluster, &options, &climber), TESS_OK);
    assert_int_equal(tess_chain_init(&chain, graph), TESS_OK);
    chain.n_stages = 1;
    chain.stages[0].end = graph->n_ops;
    tess_spread_single(&chain.stages[0].spread, 0);
    tess_climber_weigh(climber, &chain);
    assert_true(isfinite(chain.us));
    const struct climb_stage *stage = tess_climber_stage(climber, 0, graph->n_ops);
    int64_t n_pixels = (int64_t)stage->stage.output.h * stage->stage.output.w;
    double free_us = chain.us;
    assert_int_equal(tess_climber_forbid(climber, 0, graph->n_ops, n_pixels), TESS_OK);
    tess_climber_weigh(climber, &chain);
    assert_true(chain.us > 1000 * free_us);
    assert_int_equal(tess_climber_climb(climber, &chain), TESS_OK);
    assert_true(chain.us < 1000 * free_us);
    assert_true(chain.n_stages > 1 || chain.stages[0].spread.n_tiles > 1);
    tess_chain_release(&chain);
    tess_climber_destroy(climber);
    tess_graph_destroy(graph);
}

static void check_covers(const struct tess_spread *spread, int height, int width)
{
    struct tess_region regions[TESS_SPREAD_TILES];
    int64_t n_pixels = 0;
    assert_true(tess_spread_regions(spread, height, width, regions));
    for (int i = 0; i < spread->n_tiles; i++) {
        n_pixels += tess_region_n_pixels(&regions[i]);
        for (int j = 0; j < i; j++)
            assert_true(regions[i].axis[0].begin >= regions[j].axis[0].end ||
                        regions[j].axis[0].begin >= regions[i].axis[0].end ||
                        regions[i].axis[1].begin >= regions[j].axis[1].end ||
                        regions[j].axis[1].begin >= regions[i].axis[1].end);
    }
    assert_int_equal(n_pixels, (int64_t)height * width);
}

static void test_spreads_cover_the_map_as_nodes_are_fast(void **state)
{
    (void)state;
    static const double shares[] = {1, 1, 2};
    static struct tess_spread spread, again;
    struct tess_region regions[TESS_SPREAD_TILES];
    struct tess_cluster_tile tiles[TESS_SPREAD_TILES] = {{.node = 0}};
    assert_true(tess_spread_even(&spread, shares, 0, 3, 1, 2));
    check_covers(&spread, 40, 10);
    tess_spread_regions(&spread, 40, 10, regions);
    static const int ends[] = {5, 10, 15, 20, 30, 40}, nodes[] = {0, 0, 1, 1, 2, 2};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(regions[i].axis[TESS_ROWS].end, ends[i]);
        assert_int_equal(spread.tiles[i].node, nodes[i]);
        tiles[i].output = regions[i];
        tiles[i].node = nodes[i];
    }
    assert_true(tess_spread_of(&again, tiles, 6, 40, 10));
    assert_int_equal(again.n_tiles, 6);
    check_covers(&again, 40, 10);
    assert_false(tess_spread_of(&again, tiles, 5, 40, 10)); /* a hole */
    /* Columns of one node and of two; the second node alone has as much as the first. */
    assert_true(tess_spread_even(&spread, shares, 0, 3, 2, 1));
    check_covers(&spread, 30, 40);
    tess_spread_regions(&spread, 30, 40, regions);
    assert_int_equal(regions[0].axis[TESS_COLS].end, 10);
    assert_int_equal(regions[1].axis[TESS_ROWS].end, 10);
    assert_false(tess_spread_even(&spread, shares, 0, 3, 4, 1));
    assert_true(tess_spread_even(&spread, shares, 0, 3, 1, 2));
    assert_false(tess_spread_regions(&spread, 3, 10, regions)); /* six tiles */
}

static void test_spreads_change_at_one_edge(void **state)
{
    (void)state;
    static const double shares[] = {1, 1};
    static struct tess_spread spread;
    assert_true(tess_spread_even(&spread, shares, 0, 2, 1, 1));
    assert_true(tess_spread_move_bottom(&spread, 0, 0.25));
    assert_false(tess_spread_move_bottom(&spread, 0, 0.25)); /* nothing below is left */
    assert_false(tess_spread_move_bottom(&spread, 1, -0.1)); /* the map's edge */
    assert_false(tess_spread_move_right(&spread, 0, -0.1));
    assert_true(spread.tiles[0].bottom == 0.75);
    assert_true(tess_spread_halve(&spread, 1));
    assert_int_equal(spread.n_tiles, 3);
    assert_true(spread.tiles[1].bottom == 0.875 && spread.tiles[1].node == 1);
    check_covers(&spread, 16, 4);
    assert_true(tess_spread_join(&spread, 0));
    assert_int_equal(spread.n_tiles, 2);
    assert_true(spread.tiles[0].bottom == 0.875 && spread.tiles[0].node == 0);
    assert_false(tess_spread_join(&spread, 1));
    check_covers(&spread, 16, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_climbs_beat_every_assignment_of_the_tiles_they_begin_with),
        cmocka_unit_test(test_the_same_input_gives_the_same_plan),
        cmocka_unit_test(test_searching_longer_is_never_predicted_to_be_worse),
        cmocka_unit_test(test_forbidden_tiles_are_left),
        cmocka_unit_test(test_spreads_cover_the_map_as_nodes_are_fast),
        cmocka_unit_test(test_spreads_change_at_one_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
