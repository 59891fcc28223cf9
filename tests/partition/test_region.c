/* What ops read, against the definition: every pixel under every output pixel. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/arith.h"
#include "partition/region.h"
#include "tests/support/random_net.h"
#include "tests/support/small_graph.h"

static const struct tess_range NOTHING = {0, 0};

static void assert_range(struct tess_range range, int begin, int end)
{
    assert_int_equal(range.begin, begin);
    assert_int_equal(range.end, end);
}

/* ---- ranges ---- */

static void test_the_hull_of_an_empty_range_adds_nothing(void **state)
{
    (void)state;
    struct tess_range some = {3, 5}, empty = {9, 9}, inverted = {12, 2};
    assert_range(tess_range_hull(some, empty), 3, 5);
    assert_range(tess_range_hull(inverted, some), 3, 5);
    assert_range(tess_range_hull(some, (struct tess_range){-2, 1}), -2, 5);
    assert_true(tess_range_is_empty(tess_range_hull(empty, inverted)));
    assert_int_equal(tess_range_len(inverted), 0);
}

static void test_a_range_outside_the_map_clamps_to_nothing(void **state)
{
    (void)state;
    assert_range(tess_range_clamp((struct tess_range){-2, 3}, 10), 0, 3);
    assert_range(tess_range_clamp((struct tess_range){8, 13}, 10), 8, 10);
    assert_true(tess_range_is_empty(tess_range_clamp((struct tess_range){-4, 0}, 10)));
    assert_true(tess_range_is_empty(tess_range_clamp((struct tess_range){10, 12}, 10)));
}

static void test_all_empty_ranges_are_equal(void **state)
{
    (void)state;
    assert_true(
        tess_range_is_equal((struct tess_range){4, 4}, (struct tess_range){7, 2}));
    assert_false(
        tess_range_is_equal((struct tess_range){4, 5}, (struct tess_range){4, 4}));
    assert_true(
        tess_range_is_equal((struct tess_range){4, 5}, (struct tess_range){4, 5}));
}

/* ---- reads ---- */

static void read_line(struct tess_range *reads, int64_t line)
{
    struct tess_range one = {(int)line, (int)line + 1};
    *reads = tess_range_hull(*reads, one);
}

/* Equation by definition, one output line at a time. */
static struct tess_range brute_reads(const struct tess_graph *graph, int op_id, int input,
                                     enum tess_axis axis, struct tess_range out)
{
    const struct tess_op *op = &graph->ops[op_id];
    const struct tess_window *window = &op->window;
    const struct tess_tensor *in = &graph->tensors[op->inputs[input]];
    const struct tess_tensor *to = &graph->tensors[op->output];
    bool is_rows = axis == TESS_ROWS;
    int extent = is_rows ? in->h : in->w, to_extent = is_rows ? to->h : to->w;
    int stride = in->w > to->w ? in->w / to->w : 1;
    int sample = to->w > in->w ? to->w / in->w : 1;
    struct tess_range reads = NOTHING;
    for (int line = out.begin; line < out.end; line++) {
        if (tess_op_reads_whole(op)) {
            read_line(&reads, 0);
            read_line(&reads, extent - 1);
        } else if (op->kind == TESS_OP_CONV || op->kind == TESS_OP_MAXPOOL) {
            for (int k = 0; k < (is_rows ? window->kernel_h : window->kernel_w); k++)
                read_line(&reads, is_rows ? line * window->stride_h - window->pad_top +
                                                k * window->dilation_h
                                          : line * window->stride_w - window->pad_left +
                                                k * window->dilation_w);
        } else if (op->kind == TESS_OP_UPSAMPLE) {
            read_line(&reads, line / op->factor);
        } else if (op->kind == TESS_OP_ADD && input == 1) {
            if (line % sample == 0 && line / sample < tess_min_int(extent, to_extent))
                read_line(&reads, line / sample * stride);
        } else if (op->kind == TESS_OP_CROP) {
            read_line(&reads, is_rows ? op->row_begin + line * window->stride_h
                                      : op->col_begin + line * window->stride_w);
        } else {
            read_line(&reads, line);
        }
    }
    return reads;
}

static void test_reads_are_the_hull_of_the_pixels_under_the_output(void **state)
{
    (void)state;
    struct tess_random_net nets;
    tess_random_net_init(&nets);
    int n_cases = 500;
    uint64_t seed = tess_random_seed(9000000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        for (int op = 0; op < graph->n_ops; op++) {
            for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
                int extent = tess_tensor_extent(&graph->tensors[graph->ops[op].output],
                                                (enum tess_axis)axis);
                struct tess_range out;
                out.begin = tess_rng_int(&rng, 0, extent - 1);
                out.end = tess_rng_int(&rng, out.begin + 1, extent);
                int input = tess_rng_int(&rng, 0, graph->ops[op].n_inputs - 1);
                struct tess_range reads =
                    tess_op_reads(graph, op, input, (enum tess_axis)axis, out);
                bool is_right = tess_range_is_equal(
                    reads, brute_reads(graph, op, input, (enum tess_axis)axis, out));
                if (!is_right)
                    fprintf(stderr, "TESS_TEST_SEED=%" PRIu64 ", op %d axis %d\n",
                            seed + (uint64_t)i, op, axis);
                assert_true(is_right);
                assert_true(tess_range_is_empty(
                    tess_op_reads(graph, op, input, (enum tess_axis)axis, NOTHING)));
            }
        }
        tess_graph_destroy(graph);
    }
}

static void test_a_window_may_read_beyond_the_map(void **state)
{
    (void)state;
    int input = 0;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    struct tess_shape in = {10, 10, 1};
    op.window = small_graph_window(3, 1, 1);
    struct tess_shape out = small_graph_window_shape(in, op.window, 1);
    struct tess_graph *graph = small_graph_create(in, &op, &out, 1);
    assert_range(tess_op_reads(graph, 0, 0, TESS_ROWS, (struct tess_range){0, 5}), -1, 6);
    assert_range(tess_op_reads(graph, 0, 0, TESS_COLS, (struct tess_range){5, 10}), 4,
                 11);
    tess_graph_destroy(graph);
}

static void test_a_halo_grows_by_half_a_dilated_kernel(void **state)
{
    (void)state;
    int input = 0;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    struct tess_shape in = {20, 20, 1}, out = {20, 20, 1};
    op.window = small_graph_window(3, 1, 2);
    op.window.dilation_h = op.window.dilation_w = 2;
    struct tess_graph *graph = small_graph_create(in, &op, &out, 1);
    assert_range(tess_op_reads(graph, 0, 0, TESS_ROWS, (struct tess_range){7, 9}), 5, 11);
    tess_graph_destroy(graph);
}

static void test_a_shortcut_reads_only_what_both_maps_have(void **state)
{
    (void)state;
    int inputs[2] = {0, 1};
    struct tess_op ops[2] = {tess_op_neutral(TESS_OP_CONV, 0, inputs),
                             tess_op_neutral(TESS_OP_ADD, 1, inputs)};
    struct tess_shape in = {8, 8, 2}, outs[2] = {{4, 4, 2}, {8, 8, 2}};
    ops[0].window = small_graph_window(2, 2, 0);
    ops[1].n_inputs = 2;
    struct tess_graph *graph = small_graph_create(in, ops, outs, 2);
    /* Every other row of the sum has a partner. */
    assert_range(tess_op_reads(graph, 1, 1, TESS_ROWS, (struct tess_range){0, 8}), 0, 4);
    assert_range(tess_op_reads(graph, 1, 1, TESS_ROWS, (struct tess_range){3, 5}), 2, 3);
    assert_true(tess_range_is_empty(
        tess_op_reads(graph, 1, 1, TESS_ROWS, (struct tess_range){3, 4})));
    tess_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_hull_of_an_empty_range_adds_nothing),
        cmocka_unit_test(test_a_range_outside_the_map_clamps_to_nothing),
        cmocka_unit_test(test_all_empty_ranges_are_equal),
        cmocka_unit_test(test_reads_are_the_hull_of_the_pixels_under_the_output),
        cmocka_unit_test(test_a_window_may_read_beyond_the_map),
        cmocka_unit_test(test_a_halo_grows_by_half_a_dilated_kernel),
        cmocka_unit_test(test_a_shortcut_reads_only_what_both_maps_have),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
