/* Grids: shares that are exact, tiles that find all they read, work that is even. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "partition/tiles.h"
#include "tests/support/random_net.h"
#include "tests/support/small_graph.h"

/* ---- properties ---- */

/* Position of the op that puts out input number `input` of the op at `at`, or -1. */
static int producer_at(const struct tess_tiles *tiles, int at, int input)
{
    const struct tess_graph *graph = tiles->graph;
    int producer = graph->tensors[graph->ops[tiles->ops[at]].inputs[input]].producer;
    for (int from = 0; from < at; from++)
        if (tiles->ops[from] == producer)
            return from;
    return -1;
}

/* Is line `line` of the op at `at` there once tile `tile` has run that op? */
static bool is_line_there(const struct tess_tiles *tiles, enum tess_axis axis, int tile,
                          int at, int line)
{
    bool is_reuse = tiles->tiling.halo == TESS_HALO_REUSE;
    for (int earlier = is_reuse ? 0 : tile; earlier <= tile; earlier++) {
        struct tess_range range = tess_tiles_computes(tiles, axis, earlier, at);
        if (range.begin <= line && line < range.end)
            return true;
    }
    return false;
}

/* Every tile can run: what its ops read of the group has been computed. */
static bool can_run(const struct tess_tiles *tiles, enum tess_axis axis, int tile)
{
    for (int at = 0; at < tiles->n_ops; at++) {
        const struct tess_op *op = &tiles->graph->ops[tiles->ops[at]];
        struct tess_range computes = tess_tiles_computes(tiles, axis, tile, at);
        struct tess_range share = tess_tiles_share(tiles, axis, tile, at);
        for (int line = share.begin; line < share.end; line++)
            if (!is_line_there(tiles, axis, tile, at, line))
                return false;
        for (int input = 0; input < op->n_inputs; input++) {
            int from = producer_at(tiles, at, input);
            if (from < 0 || tess_range_is_empty(computes))
                continue;
            const struct tess_tensor *read = &tiles->graph->tensors[op->inputs[input]];
            struct tess_range reads = tess_range_clamp(
                tess_op_reads(tiles->graph, tiles->ops[at], input, axis, computes),
                tess_tensor_extent(read, axis));
            for (int line = reads.begin; line < reads.end; line++)
                if (!is_line_there(tiles, axis, tile, from, line))
                    return false;
        }
    }
    return true;
}

static void test_every_tile_finds_what_it_reads(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    plans.max_tiles = 8;
    int n_cases = 2000;
    uint64_t seed = tess_random_seed(9100000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        tess_random_facts(&facts, &rng);
        struct tess_plan *plan = tess_random_plan_create(&plans, graph, &facts, &rng);
        for (int k = 0; k < plan->n_groups; k++) {
            const struct tess_group *group = &plan->groups[k];
            struct tess_tiles tiles;
            assert_int_equal(tess_tiles_init(&tiles, graph, plan->order + group->first,
                                             group->last - group->first + 1,
                                             group->tiling, NULL),
                             TESS_OK);
            tess_tiles_assert_valid(&tiles);
            bool is_right = true;
            for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++)
                for (int tile = 0; tile < tiles.axis[axis].n_tiles; tile++)
                    is_right = is_right && can_run(&tiles, (enum tess_axis)axis, tile);
            if (!is_right) {
                fprintf(stderr, "TESS_TEST_SEED=%" PRIu64 ", group %d\n",
                        seed + (uint64_t)i, k);
                tess_random_net_print(graph, plan);
            }
            assert_true(is_right);
            tess_tiles_release(&tiles);
        }
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
}

/* ---- examples ---- */

/* `n_ops` 3x3 convolutions, padding 1, on a square map. */
static struct tess_graph *conv_chain(int n_ops, int side)
{
    int inputs[8];
    struct tess_op ops[8];
    struct tess_shape in = {side, side, 1}, outs[8];
    assert_true(n_ops <= 8);
    for (int op = 0; op < n_ops; op++) {
        inputs[op] = op;
        ops[op] = tess_op_neutral(TESS_OP_CONV, op, &inputs[op]);
        ops[op].window = small_graph_window(3, 1, 1);
        outs[op] = in;
    }
    return small_graph_create(in, ops, outs, n_ops);
}

static void assert_range(struct tess_range range, int begin, int end)
{
    assert_int_equal(range.begin, begin);
    assert_int_equal(range.end, end);
}

/* The worked example of partition/tiles.c. */
static void test_recomputed_halos_overlap_inside_the_group(void **state)
{
    (void)state;
    const int order[] = {0, 1};
    struct tess_graph *graph = conv_chain(2, 10);
    struct tess_tiles tiles;
    struct tess_tiling tiling = {2, 2, TESS_HALO_RECOMPUTE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, NULL), TESS_OK);
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        enum tess_axis which = (enum tess_axis)axis;
        assert_range(tess_tiles_computes(&tiles, which, 0, 0), 0, 6);
        assert_range(tess_tiles_computes(&tiles, which, 1, 0), 4, 10);
        assert_range(tess_tiles_share(&tiles, which, 0, 1), 0, 5);
        assert_range(tess_tiles_share(&tiles, which, 1, 1), 5, 10);
    }
    /* 12 x 12 pixels of op 0 and 10 x 10 of op 1, nine multiply-adds each. */
    assert_int_equal(tess_tiles_macs(&tiles), 9 * (144 + 100));
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

static void test_reused_halos_compute_nothing_twice(void **state)
{
    (void)state;
    const int order[] = {0, 1, 2, 3};
    struct tess_graph *graph = conv_chain(4, 12);
    struct tess_tiles tiles;
    struct tess_tiling tiling = {5, 3, TESS_HALO_REUSE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 4, tiling, NULL), TESS_OK);
    assert_int_equal(tess_tiles_macs(&tiles), 4 * 9 * 144);
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

/* The worked example of partition/tiles.c: bands are those of the first op, and the second
 * follows as far as its input has come. */
static void test_reused_rows_follow_the_first_op(void **state)
{
    (void)state;
    const int order[] = {0, 1};
    struct tess_graph *graph = conv_chain(2, 10);
    struct tess_tiles tiles;
    struct tess_tiling tiling = {2, 2, TESS_HALO_REUSE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, NULL), TESS_OK);
    assert_range(tess_tiles_computes(&tiles, TESS_ROWS, 0, 0), 0, 5);
    assert_range(tess_tiles_computes(&tiles, TESS_ROWS, 1, 0), 5, 10);
    assert_range(tess_tiles_computes(&tiles, TESS_ROWS, 0, 1), 0, 4);
    assert_range(tess_tiles_computes(&tiles, TESS_ROWS, 1, 1), 4, 10);
    /* Columns are driven from the last op. */
    assert_range(tess_tiles_computes(&tiles, TESS_COLS, 0, 0), 0, 6);
    assert_range(tess_tiles_computes(&tiles, TESS_COLS, 1, 0), 6, 10);
    assert_range(tess_tiles_computes(&tiles, TESS_COLS, 0, 1), 0, 5);
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

static void test_reused_rows_may_be_as_many_as_the_tallest_map_has(void **state)
{
    (void)state;
    int inputs[] = {0, 1};
    struct tess_op ops[2] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                             tess_op_neutral(TESS_OP_MAXPOOL, 1, &inputs[1])};
    struct tess_shape in = {8, 8, 1}, outs[2] = {{8, 8, 1}, {4, 4, 1}};
    ops[1].window = small_graph_window(2, 2, 0);
    struct tess_graph *graph = small_graph_create(in, ops, outs, 2);
    const int order[] = {0, 1};
    assert_int_equal(tess_tiles_max_rows(graph, order, 2, TESS_HALO_RECOMPUTE), 4);
    assert_int_equal(tess_tiles_max_rows(graph, order, 2, TESS_HALO_REUSE), 8);
    struct tess_tiles tiles;
    struct tess_tiling tiling = {8, 1, TESS_HALO_REUSE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, NULL), TESS_OK);
    tess_tiles_assert_valid(&tiles);
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

static void test_an_axis_that_is_not_cut_is_computed_whole(void **state)
{
    (void)state;
    int inputs[] = {0, 1};
    struct tess_op ops[2] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                             tess_op_neutral(TESS_OP_CONV, 1, &inputs[1])};
    struct tess_shape in = {8, 8, 1}, outs[2] = {{8, 8, 1}, {4, 4, 1}};
    ops[1].window = small_graph_window(1, 2, 0); /* reads columns 0, 2, 4, 6 */
    struct tess_graph *graph = small_graph_create(in, ops, outs, 2);
    const int order[] = {0, 1};
    struct tess_tiles tiles;
    struct tess_tiling tiling = {2, 1, TESS_HALO_RECOMPUTE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, NULL), TESS_OK);
    assert_range(tess_tiles_computes(&tiles, TESS_COLS, 0, 0), 0, 8);
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

static void test_seven_columns_in_five_parts_leave_no_part_empty(void **state)
{
    (void)state;
    int edges[6];
    for (int bonus = 0; bonus < 4; bonus++) {
        tess_split_extent(7, 5, bonus, edges);
        assert_int_equal(edges[0], 0);
        assert_int_equal(edges[5], 7);
        for (int part = 0; part < 5; part++)
            assert_true(edges[part] < edges[part + 1]);
    }
}

static void test_outer_parts_get_the_bonus(void **state)
{
    (void)state;
    int edges[5];
    tess_split_extent(40, 4, 6, edges);
    assert_int_equal(edges[1], 6 + 7);
    assert_int_equal(edges[2], 20);
    assert_int_equal(edges[3], 40 - 13);
    tess_split_extent(4, 4, 6, edges); /* no room for a bonus */
    assert_int_equal(edges[1], 1);
}

/* Tiles at the border of the map have a halo on one side only: 15 rows less of six ops. They
 * get more of the output instead, so that no tile does much more than another. */
static void test_work_is_balanced(void **state)
{
    (void)state;
    const int order[] = {0, 1, 2, 3, 4, 5};
    struct tess_graph *graph = conv_chain(6, 96);
    struct tess_tiles tiles;
    struct tess_tiling tiling = {8, 1, TESS_HALO_RECOMPUTE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 6, tiling, NULL), TESS_OK);
    int least = INT32_MAX, most = 0;
    for (int tile = 0; tile < 8; tile++) {
        int n_rows = 0;
        for (int at = 0; at < 6; at++)
            n_rows += tess_range_len(tess_tiles_computes(&tiles, TESS_ROWS, tile, at));
        least = n_rows < least ? n_rows : least;
        most = n_rows > most ? n_rows : most;
    }
    assert_true(most - least <= 9); /* a row and a half of each op */
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

static void test_no_tile_computes_a_single_pixel(void **state)
{
    (void)state;
    const int order[] = {0, 1};
    struct tess_graph *graph = conv_chain(2, 5);
    for (int halo = TESS_HALO_RECOMPUTE; halo <= TESS_HALO_REUSE; halo++) {
        struct tess_tiles tiles;
        struct tess_tiling tiling = {5, 5, (enum tess_halo)halo};
        assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, NULL), TESS_OK);
        for (int tile = 0; tile < 5; tile++)
            for (int at = 0; at < 2; at++)
                assert_int_not_equal(
                    tess_range_len(tess_tiles_computes(&tiles, TESS_COLS, tile, at)), 1);
        tess_tiles_release(&tiles);
    }
    tess_graph_destroy(graph);
}

/* ---- refusals ---- */

static void test_a_grid_finer_than_the_map_is_refused(void **state)
{
    (void)state;
    const int order[] = {0};
    struct tess_graph *graph = conv_chain(1, 4);
    struct tess_tiles tiles;
    struct tess_error error;
    tess_error_init(&error);
    struct tess_tiling tiling = {5, 1, TESS_HALO_RECOMPUTE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 1, tiling, &error),
                     TESS_E_CONFIG);
    assert_non_null(strstr(error.message, "5x1"));
    assert_non_null(strstr(error.hint, "4x4"));
    tiling.n_rows = 0;
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 1, tiling, NULL),
                     TESS_E_CONFIG);
    tess_graph_destroy(graph);
}

static void test_an_op_that_reads_whole_maps_is_not_cut(void **state)
{
    (void)state;
    int inputs[] = {0, 1};
    struct tess_op ops[2] = {tess_op_neutral(TESS_OP_CONV, 3, &inputs[0]),
                             tess_op_neutral(TESS_OP_REORG, 7, &inputs[1])};
    struct tess_shape in = {4, 4, 4}, outs[2] = {{4, 4, 4}, {2, 2, 16}};
    ops[1].factor = 2;
    struct tess_graph *graph = small_graph_create(in, ops, outs, 2);
    const int order[] = {0, 1};
    int blocker = -1;
    struct tess_tiles tiles;
    struct tess_error error;
    tess_error_init(&error);
    assert_false(tess_tiles_can_cut(graph, order, 2, &blocker));
    assert_int_equal(blocker, 1);
    assert_true(tess_tiles_can_cut(graph, order, 1, NULL));
    struct tess_tiling tiling = {2, 1, TESS_HALO_RECOMPUTE};
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, &error),
                     TESS_E_CONFIG);
    assert_non_null(strstr(error.message, "reorg"));
    tiling.n_rows = 1; /* in one tile it may be */
    assert_int_equal(tess_tiles_init(&tiles, graph, order, 2, tiling, NULL), TESS_OK);
    tess_tiles_release(&tiles);
    tess_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_tile_finds_what_it_reads),
        cmocka_unit_test(test_recomputed_halos_overlap_inside_the_group),
        cmocka_unit_test(test_reused_halos_compute_nothing_twice),
        cmocka_unit_test(test_reused_rows_follow_the_first_op),
        cmocka_unit_test(test_reused_rows_may_be_as_many_as_the_tallest_map_has),
        cmocka_unit_test(test_an_axis_that_is_not_cut_is_computed_whole),
        cmocka_unit_test(test_seven_columns_in_five_parts_leave_no_part_empty),
        cmocka_unit_test(test_outer_parts_get_the_bonus),
        cmocka_unit_test(test_work_is_balanced),
        cmocka_unit_test(test_no_tile_computes_a_single_pixel),
        cmocka_unit_test(test_a_grid_finer_than_the_map_is_refused),
        cmocka_unit_test(test_an_op_that_reads_whole_maps_is_not_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
