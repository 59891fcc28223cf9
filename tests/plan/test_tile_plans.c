/* Plans of tiles: which tiles share a shape, and a text that survives and that is judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/tile_plans.h"
#include "tests/support/random_cluster.h"
#include "tests/support/random_net.h"
#include "tests/support/small_graph.h"

/* ---- one small case: two convolutions on 12x8, in four bands and in one ---- */

struct small_case {
    struct tess_graph *graph;
    struct tess_cluster_plan *cluster_plan;
    struct tess_tile_plans plans;
};

static void add_grid(struct small_case *it, int op, int n_rows)
{
    struct tess_region whole = {{{0, 12}, {0, 8}}};
    struct tess_cluster_tile *tiles = tess_cluster_grid(&whole, n_rows, 1);
    assert_non_null(tiles);
    assert_int_equal(tess_cluster_plan_add(it->cluster_plan, &op, 1, tiles, n_rows, NULL),
                     TESS_OK);
    free(tiles);
}

static void small_case_init(struct small_case *it)
{
    int inputs[2] = {0, 1};
    struct tess_shape shape = {12, 8, 2};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                            tess_op_neutral(TESS_OP_CONV, 1, &inputs[1])};
    struct tess_cluster cluster = {.n_nodes = 1};
    ops[0].window = ops[1].window = small_graph_window(3, 1, 1);
    it->graph = small_graph_create(shape, ops, (struct tess_shape[]){shape, shape}, 2);
    assert_int_equal(
        tess_cluster_plan_create(it->graph, &cluster, &it->cluster_plan, NULL), TESS_OK);
    add_grid(it, 0, 4);
    add_grid(it, 1, 1);
    assert_int_equal(tess_tile_plans_init(&it->plans, it->cluster_plan, it->graph, NULL),
                     TESS_OK);
}

static void small_case_release(struct small_case *it)
{
    tess_tile_plans_release(&it->plans);
    tess_cluster_plan_destroy(it->cluster_plan);
    tess_graph_destroy(it->graph);
}

static void test_tiles_of_one_shape_are_one(void **state)
{
    (void)state;
    struct small_case it;
    small_case_init(&it);
    /* The first and the last band are at an edge, those between are alike. */
    static const int expected[] = {0, 1, 1, 2, 3};
    assert_int_equal(it.plans.n_shapes, 4);
    for (int i = 0; i < 5; i++)
        assert_int_equal(it.plans.shape_of[i], expected[i]);
    assert_int_equal(it.plans.first_tile[0], 0);
    assert_int_equal(it.plans.first_tile[1], 4);
    assert_int_equal(it.plans.shapes[1].tile.output.axis[TESS_ROWS].begin, 3);
    small_case_release(&it);
}

/* Two layers that differ in nothing but their weights. */
static void test_tiles_of_two_stages_never_share_a_shape(void **state)
{
    (void)state;
    struct small_case it;
    struct tess_tile_plans plans;
    small_case_init(&it);
    struct tess_cluster_plan *two = NULL;
    assert_int_equal(
        tess_cluster_plan_create(it.graph, &it.cluster_plan->cluster, &two, NULL),
        TESS_OK);
    struct tess_cluster_plan *old = it.cluster_plan;
    it.cluster_plan = two;
    add_grid(&it, 0, 1);
    add_grid(&it, 1, 1);
    assert_int_equal(tess_tile_plans_init(&plans, two, it.graph, NULL), TESS_OK);
    assert_int_equal(plans.n_shapes, 2);
    tess_tile_plans_release(&plans);
    tess_cluster_plan_destroy(old);
    small_case_release(&it);
}

/* ---- text ---- */

static void give_plan(struct tess_tile_shape *shape, int percent_streamed,
                      struct tess_rng *rng)
{
    struct tess_random_plan how;
    struct tess_kernel_facts facts;
    tess_random_plan_init(&how);
    how.streamed_percent = percent_streamed;
    tess_random_facts(&facts, rng);
    shape->plan = tess_random_plan_create(&how, shape->tile.graph, &facts, rng);
    assert_int_equal(
        tess_layout_create(shape->tile.graph, shape->plan, &shape->layout, NULL),
        TESS_OK);
    tess_layout_memory(shape->layout, &shape->plan->memory);
}

static void check_refused(struct small_case *it, const char *text, size_t n_bytes,
                          const char *message)
{
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_tile_plans_read(&it->plans, text, n_bytes, &error),
                     TESS_E_CONFIG);
    if (message)
        assert_non_null(strstr(error.message, message));
}

#define REFUSED(it, text, message) check_refused(it, text, sizeof(text) - 1, message)

static void test_malformed_text_is_refused(void **state)
{
    (void)state;
    struct small_case it;
    small_case_init(&it);
#define FOUR "least: 7\n\0least: 7\n\0least: 7\n\0least: 7\n\0"
#define LARGEST "9223372036854775807"
    REFUSED(&it, "", "ends early");
    REFUSED(&it, "keeps_weights: yes\n", "ends early");
    REFUSED(&it, "keeps_weights: maybe\n\0" FOUR, "keeps_weights must be");
    REFUSED(&it, "keeps_weights: yes\n\0least: 7\n\0", "ends early");
    REFUSED(&it, "keeps_weights: yes\n\0" FOUR "least: 7\n\0", "more plans than");
    REFUSED(&it, "keeps_weights: yes\n\0" FOUR "x", "more plans than");
    REFUSED(&it, "keeps_weights: no\n\0least: 0\n\0", "least must be");
    REFUSED(&it, "keeps_weights: no\n\0least: 7\0", "least must be");
    REFUSED(&it, "keeps_weights: no\n\0least: \0", "least must be");
    REFUSED(&it, "keeps_weights: no\n\0least: 7 \n\0", "least must be");
    REFUSED(&it, "keeps_weights: no\n\0least: 1" LARGEST "\n\0", "least must be");
    REFUSED(&it, "keeps_weights: no\n\0plan: 1\nmodel_hash: 0\n\0", NULL);
    static const char good[] =
        "keeps_weights: no\n\0least: " LARGEST "\n\0least: 7\n\0least: 7\n\0least: 8\n\0";
    assert_int_equal(tess_tile_plans_read(&it.plans, good, sizeof good - 1, NULL),
                     TESS_OK);
    assert_true(it.plans.shapes[0].least_bytes == INT64_MAX);
    assert_int_equal(it.plans.shapes[3].least_bytes, 8);
    small_case_release(&it);
}

/* A plan of another shape, or one that streams where all weights are kept. */
static void test_plans_that_do_not_belong_are_refused(void **state)
{
    (void)state;
    struct small_case it;
    struct tess_rng rng;
    struct tess_text text = {0}, other = {0};
    small_case_init(&it);
    tess_rng_init(&rng, 5);
    for (int i = 0; i < it.plans.n_shapes; i++)
        it.plans.shapes[i].least_bytes = 7;
    give_plan(&it.plans.shapes[0], 100, &rng);
    assert_true(it.plans.shapes[0].plan->streamed[0]);
    it.plans.keeps_weights = true;
    tess_tile_plans_write(&it.plans, &text);
    it.plans.keeps_weights = false;
    tess_tile_plans_write(&it.plans, &other);
    check_refused(&it, text.data, text.len, "streams none");
    assert_int_equal(tess_tile_plans_read(&it.plans, other.data, other.len, NULL),
                     TESS_OK);
    tess_text_release(&text);
    tess_text_release(&other);
    /* The first shape's plan in the second place: the hash tells. */
    it.plans.shapes[1].plan = it.plans.shapes[0].plan;
    it.plans.shapes[1].layout = it.plans.shapes[0].layout;
    it.plans.shapes[0].plan = NULL;
    it.plans.shapes[0].layout = NULL;
    it.plans.shapes[0].least_bytes = 7;
    tess_tile_plans_write(&it.plans, &text);
    check_refused(&it, text.data, text.len, "the plan was made for");
    tess_text_release(&text);
    small_case_release(&it);
}

static void check_sizes(const struct tess_tile_plans *plans,
                        const struct tess_cluster_plan *cluster_plan)
{
    for (int i = 0; i < cluster_plan->n_stages; i++)
        for (int tile = 0; tile < cluster_plan->stages[i].n_tiles; tile++) {
            int shape = plans->shape_of[plans->first_tile[i] + tile];
            assert_in_range(shape, 0, plans->n_shapes - 1);
            assert_int_equal(
                tess_region_n_pixels(&plans->shapes[shape].tile.output),
                tess_region_n_pixels(&cluster_plan->stages[i].tiles[tile].output));
        }
}

/* Every beginning of the text is no text. */
static void check_beginnings(struct tess_tile_plans *plans, const struct tess_text *text,
                             struct tess_rng *rng)
{
    for (int i = 0; i < 5; i++) {
        size_t len = (size_t)tess_rng_int(rng, 0, (int)text->len - 1);
        assert_int_equal(tess_tile_plans_read(plans, text->data, len, NULL),
                         TESS_E_CONFIG);
    }
}

static void check_round_trip(const struct tess_graph *graph,
                             const struct tess_cluster_plan *cluster_plan,
                             struct tess_rng *rng)
{
    struct tess_tile_plans plans, again;
    struct tess_text text = {0}, second = {0};
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_tile_plans_init(&plans, cluster_plan, graph, NULL), TESS_OK);
    assert_int_equal(tess_tile_plans_init(&again, cluster_plan, graph, NULL), TESS_OK);
    check_sizes(&plans, cluster_plan);
    plans.keeps_weights = tess_rng_int(rng, 0, 1);
    for (int i = 0; i < plans.n_shapes; i++) {
        if (tess_rng_int(rng, 0, 3) > 0)
            give_plan(&plans.shapes[i], plans.keeps_weights ? 0 : 30, rng);
        else
            plans.shapes[i].least_bytes = tess_rng_int(rng, 1, 1 << 30);
    }
    tess_tile_plans_write(&plans, &text);
    check_beginnings(&again, &text, rng);
    if (tess_tile_plans_read(&again, text.data, text.len, &error) != TESS_OK)
        fail_msg("%d:%d: %s", error.line, error.col, error.message);
    assert_int_equal(again.keeps_weights, plans.keeps_weights);
    for (int i = 0; i < plans.n_shapes; i++)
        assert_int_equal(again.shapes[i].layout != NULL, plans.shapes[i].plan != NULL);
    tess_tile_plans_write(&again, &second);
    assert_int_equal(text.len, second.len);
    assert_memory_equal(text.data, second.data, text.len);
    tess_text_release(&text);
    tess_text_release(&second);
    tess_tile_plans_release(&plans);
    tess_tile_plans_release(&again);
}

static void test_plans_of_random_tiles_survive_their_text(void **state)
{
    (void)state;
    struct tess_random_net nets;
    int n_cases = 150, n_planned = 0;
    uint64_t seed = tess_random_seed(20261170, &n_cases);
    tess_random_net_init(&nets);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        struct tess_cluster_plan *cluster_plan = tess_random_cluster_plan(graph, &rng);
        if (cluster_plan) {
            print_message("TESS_TEST_SEED=%llu\n",
                          (unsigned long long)(seed + (uint64_t)i));
            assert_int_equal(tess_cluster_plan_check(cluster_plan, graph, NULL, NULL),
                             TESS_OK);
            check_round_trip(graph, cluster_plan, &rng);
            n_planned++;
        }
        tess_cluster_plan_destroy(cluster_plan);
        tess_graph_destroy(graph);
    }
    assert_true(n_cases == 1 || n_planned > n_cases / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_of_one_shape_are_one),
        cmocka_unit_test(test_tiles_of_two_stages_never_share_a_shape),
        cmocka_unit_test(test_malformed_text_is_refused),
        cmocka_unit_test(test_plans_that_do_not_belong_are_refused),
        cmocka_unit_test(test_plans_of_random_tiles_survive_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
