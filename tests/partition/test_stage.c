/* Stages: what crosses a cut, and what a rectangle of the output takes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "partition/tile_graph.h"
#include "tests/support/random_net.h"
#include "tests/support/small_graph.h"

/* t1 = conv3x3(t0), t2 = t1 + t0, on 10x10. */
static struct tess_graph *residual(void)
{
    int inputs[2] = {1, 0};
    struct tess_shape shape = {10, 10, 2};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[1]),
                            tess_op_neutral(TESS_OP_ADD, 1, inputs)};
    ops[0].window = small_graph_window(3, 1, 1);
    ops[1].n_inputs = 2;
    return small_graph_create(shape, ops, (struct tess_shape[]){shape, shape}, 2);
}

static void check_range(struct tess_range range, int begin, int end)
{
    assert_int_equal(range.begin, begin);
    assert_int_equal(range.end, end);
}

static void test_the_worked_examples(void **state)
{
    (void)state;
    struct tess_graph *graph = residual();
    struct tess_stage stage;
    struct tess_tile_graph tile;
    struct tess_region regions[3], output = {{{4, 6}, {0, 10}}};
    assert_int_equal(tess_stage_init(&stage, graph, (int[]){0, 1}, 2, NULL), TESS_OK);
    tess_stage_regions(&stage, &output, regions);
    check_range(regions[1].axis[TESS_ROWS], 4, 6);
    check_range(regions[0].axis[TESS_ROWS], 4, 6);
    check_range(regions[2].axis[TESS_ROWS], 3, 7);
    check_range(regions[2].axis[TESS_COLS], 0, 10);
    assert_int_equal(tess_stage_macs(&stage, regions), 20 * (9 * 2 * 2 + 2));
    assert_int_equal(tess_tile_graph_init(&tile, &stage, &output, NULL), TESS_OK);
    tess_graph_assert_valid(tile.graph);
    assert_int_equal(tile.graph->n_ops, 3);
    assert_int_equal(tile.graph->tensors[TESS_GRAPH_INPUT].h, 4);
    assert_int_equal(tile.graph->ops[0].window.pad_top, 0);
    assert_int_equal(tile.graph->ops[0].window.pad_left, 1);
    assert_int_equal(tile.graph->tensors[1].h, 2);
    assert_int_equal(tile.graph->ops[1].kind, TESS_OP_CROP);
    assert_int_equal(tile.graph->ops[1].row_begin, 1);
    assert_int_equal(tile.origins[0], 0);
    assert_int_equal(tile.origins[1], -1);
    assert_int_equal(tile.origins[2], 1);
    tess_tile_graph_release(&tile);
    tess_stage_release(&stage);
    tess_graph_destroy(graph);
}

static void test_tiles_of_one_shape_inside_the_map_are_one_network(void **state)
{
    (void)state;
    struct tess_graph *graph = residual();
    struct tess_stage stage;
    struct tess_tile_graph tiles[3];
    assert_int_equal(tess_stage_init(&stage, graph, (int[]){1, 0}, 2, NULL), TESS_OK);
    for (int i = 0; i < 3; i++) {
        struct tess_region output = {{{2 + 3 * i, 4 + 3 * i}, {0, 10}}};
        assert_int_equal(tess_tile_graph_init(&tiles[i], &stage, &output, NULL), TESS_OK);
    }
    assert_true(tiles[0].graph->hash == tiles[1].graph->hash);
    assert_true(tiles[0].graph->hash != tiles[2].graph->hash); /* ends with the map */
    for (int i = 0; i < 3; i++)
        tess_tile_graph_release(&tiles[i]);
    tess_stage_release(&stage);
    tess_graph_destroy(graph);
}

static void test_maps_of_two_sizes_are_no_bundle(void **state)
{
    (void)state;
    int inputs[2] = {0, 1};
    struct tess_shape large = {9, 9, 2}, small = {4, 4, 2};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                            tess_op_neutral(TESS_OP_MAXPOOL, 1, &inputs[0])};
    ops[1].window = small_graph_window(2, 2, 0);
    struct tess_graph *graph =
        small_graph_create(large, ops, (struct tess_shape[]){large, small}, 2);
    struct tess_stage stage;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_stage_init(&stage, graph, (int[]){0, 1}, 2, &error),
                     TESS_E_CONFIG);
    assert_string_equal(error.message, "the stage of layers 0 to 1 puts out maps of two "
                                       "sizes, of layers 0 and 1 (-1 is the network's "
                                       "input)");
    assert_string_equal(error.hint, "end a stage before or after layer 1");
    tess_graph_destroy(graph);
}

/* A convolution and, from its output, half the rows and columns: what skips over that. */
static void test_larger_maps_are_on_the_side(void **state)
{
    (void)state;
    int inputs[3] = {0, 1, 1};
    struct tess_shape large = {8, 8, 2}, small = {4, 4, 2}, thin = {8, 8, 1};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                            tess_op_neutral(TESS_OP_MAXPOOL, 1, &inputs[1]),
                            tess_op_neutral(TESS_OP_CONV, 2, &inputs[2])};
    ops[0].window = small_graph_window(3, 1, 1);
    ops[1].window = small_graph_window(2, 2, 0);
    ops[2].window = small_graph_window(1, 1, 0);
    struct tess_graph *graph =
        small_graph_create(large, ops, (struct tess_shape[]){large, small, thin}, 3);
    struct tess_stage stage;
    struct tess_tile_graph tile;
    struct tess_region regions[4], output = {{{1, 2}, {0, 4}}};
    assert_int_equal(tess_stage_init(&stage, graph, (int[]){0, 1, 2}, 3, NULL), TESS_OK);
    assert_int_equal(stage.output.n_tensors, 1);
    assert_int_equal(stage.output.tensors[0], 2);
    assert_int_equal(stage.side.n_tensors, 1);
    assert_int_equal(stage.side.tensors[0], 3);
    assert_int_equal(tess_stage_pixel_values(&stage), 2 + 4 * 1);
    tess_stage_regions(&stage, &output, regions);
    check_range(regions[0].axis[TESS_ROWS], 2, 4);
    check_range(regions[2].axis[TESS_ROWS], 2, 4);
    check_range(regions[3].axis[TESS_ROWS], 1, 5);
    assert_int_equal(tess_tile_graph_init(&tile, &stage, &output, NULL), TESS_OK);
    tess_graph_assert_valid(tile.graph);
    assert_int_equal(tile.origins[tile.output_op], 1);
    assert_int_equal(tile.n_sides, 1);
    assert_int_equal(tile.origins[tile.sides[0].op], 2);
    assert_int_equal(tile.sides[0].row, 0);
    assert_int_equal(tile.sides[0].h, 2);
    assert_int_equal(tile.sides[0].w, 8);
    tess_tile_graph_release(&tile);
    tess_stage_release(&stage);
    tess_graph_destroy(graph);
}

/* ---- properties ---- */

static bool is_within(struct tess_range inner, struct tess_range outer)
{
    return tess_range_is_equal(tess_range_hull(inner, outer), outer);
}

/* Does every op find what it reads for its region, and is none a single pixel of more? */
static void check_regions(const struct tess_stage *stage,
                          const struct tess_region *regions, enum tess_axis axis)
{
    const struct tess_graph *graph = stage->graph;
    for (int at = 0; at < stage->n_ops; at++) {
        const struct tess_op *op = &graph->ops[stage->ops[at]];
        const struct tess_tensor *out = &graph->tensors[op->output];
        struct tess_range computes = regions[at].axis[axis];
        assert_true(computes.begin >= 0 && computes.end <= tess_tensor_extent(out, axis));
        assert_true(op->kind == TESS_OP_SLICE || tess_range_len(computes) > 1 ||
                    !tess_tensor_is_pixel_thin(out, axis));
        for (int input = 0; input < op->n_inputs; input++) {
            const struct tess_tensor *in = &graph->tensors[op->inputs[input]];
            struct tess_range reads = tess_range_clamp(
                tess_op_reads(graph, stage->ops[at], input, axis, computes),
                tess_tensor_extent(in, axis));
            assert_true(
                is_within(reads, regions[stage->place[op->inputs[input]]].axis[axis]));
        }
    }
}

static void check_stage(const struct tess_stage *stage, struct tess_rng *rng)
{
    const struct tess_graph *graph = stage->graph;
    struct tess_region output = tess_stage_whole(stage);
    struct tess_region *regions = calloc((size_t)stage->n_ops + 1, sizeof *regions);
    assert_non_null(regions);
    for (int i = 0; i < stage->input.n_tensors; i++)
        for (int at = 0; at < stage->n_ops; at++)
            assert_true(graph->ops[stage->ops[at]].output != stage->input.tensors[i]);
    for (int axis = TESS_ROWS; axis <= TESS_COLS && stage->can_cut; axis++) {
        int begin = tess_rng_int(rng, 0, output.axis[axis].end - 1);
        int end = tess_rng_int(rng, begin + 1, output.axis[axis].end);
        output.axis[axis] = (struct tess_range){begin, end};
    }
    tess_stage_regions(stage, &output, regions);
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        check_regions(stage, regions, (enum tess_axis)axis);
        for (int i = 0; i < stage->output.n_tensors; i++)
            assert_true(
                is_within(output.axis[axis],
                          regions[stage->place[stage->output.tensors[i]]].axis[axis]));
        struct tess_region side = tess_stage_side(stage, &output);
        for (int i = 0; i < stage->side.n_tensors; i++)
            assert_true(
                is_within(side.axis[axis],
                          regions[stage->place[stage->side.tensors[i]]].axis[axis]));
    }
    free(regions);
}

static void test_stages_of_random_networks(void **state)
{
    (void)state;
    struct tess_random_net nets;
    int n_cases = 1000, n_stages = 0;
    uint64_t seed = tess_random_seed(9300000, &n_cases);
    tess_random_net_init(&nets);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        int ops[64];
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        int first = tess_rng_int(&rng, 0, graph->n_ops - 1), n_ops = 0;
        int last = tess_rng_int(&rng, first, graph->n_ops - 1);
        struct tess_stage stage;
        assert_true(graph->n_ops <= 64);
        for (int op = first; op <= last; op++)
            ops[n_ops++] = op;
        if (tess_stage_init(&stage, graph, ops, n_ops, NULL) == TESS_OK) {
            check_stage(&stage, &rng);
            n_stages++;
            tess_stage_release(&stage);
        }
        tess_graph_destroy(graph);
    }
    print_message("%d stages\n", n_stages);
    assert_true(n_cases == 1 || n_stages > n_cases / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_worked_examples),
        cmocka_unit_test(test_tiles_of_one_shape_inside_the_map_are_one_network),
        cmocka_unit_test(test_maps_of_two_sizes_are_no_bundle),
        cmocka_unit_test(test_larger_maps_are_on_the_side),
        cmocka_unit_test(test_stages_of_random_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
