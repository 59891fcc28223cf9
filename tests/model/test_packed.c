/* The packed form of weights: sizes, which filters a block holds, where each weight is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/packed.h"
#include "tests/support/small_graph.h"

static struct tess_graph *conv_graph(int channels, int kernel, int groups, int filters)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    struct tess_shape in = {9, 9, channels};
    op.window = small_graph_window(kernel, 1, 0);
    op.groups = groups;
    struct tess_shape out = small_graph_window_shape(in, op.window, filters);
    return small_graph_create(in, &op, &out, 1);
}

static void assert_block(const struct tess_graph *graph, int block, int begin, int end)
{
    int begin_out, end_out;
    tess_packed_block_filters(graph, 0, block, &begin_out, &end_out);
    assert_int_equal(begin_out, begin);
    assert_int_equal(end_out, end);
    for (int filter = begin; filter < end; filter++)
        assert_int_equal(tess_packed_block_of(graph, 0, filter), block);
}

static void test_the_last_block_is_filled_up(void **state)
{
    (void)state;
    struct tess_graph *graph = conv_graph(3, 3, 1, 40);
    assert_int_equal(tess_packed_n_blocks(graph, 0), 3);
    assert_int_equal(tess_packed_block_bytes(graph, 0), (27 + 1) * 64);
    assert_block(graph, 0, 0, 16);
    assert_block(graph, 1, 16, 32);
    assert_block(graph, 2, 32, 40);
    tess_graph_destroy(graph);
}

static void test_blocks_never_span_channel_groups(void **state)
{
    (void)state;
    struct tess_graph *graph = conv_graph(6, 1, 2, 40);
    assert_int_equal(tess_packed_n_blocks(graph, 0), 4);
    assert_int_equal(tess_packed_block_bytes(graph, 0), (3 + 1) * 64);
    assert_block(graph, 0, 0, 16);
    assert_block(graph, 1, 16, 20);
    assert_block(graph, 2, 20, 36);
    assert_block(graph, 3, 36, 40);
    tess_graph_destroy(graph);
}

static void test_depthwise_blocks_hold_neighbouring_channels(void **state)
{
    (void)state;
    struct tess_graph *graph = conv_graph(20, 3, 20, 20);
    assert_int_equal(tess_packed_n_blocks(graph, 0), 2);
    assert_int_equal(tess_packed_block_bytes(graph, 0), (9 + 1) * 64);
    assert_block(graph, 0, 0, 16);
    assert_block(graph, 1, 16, 20);
    tess_graph_destroy(graph);
}

/* Groups of one channel and several filters are not depthwise: one block each. */
static void test_a_channel_multiplier_keeps_groups_apart(void **state)
{
    (void)state;
    struct tess_graph *graph = conv_graph(4, 3, 4, 8);
    assert_int_equal(tess_packed_n_blocks(graph, 0), 4);
    assert_block(graph, 1, 2, 4);
    tess_graph_destroy(graph);
}

/* Weight number i of filter f is 1000 f + i, its bias -f. */
static void check_fill(const struct tess_graph *graph, int block, int n_per_filter)
{
    int begin, end;
    tess_packed_block_filters(graph, 0, block, &begin, &end);
    int n = end - begin;
    float *kernel = calloc((size_t)(n * n_per_filter), sizeof(float)), bias[16];
    for (int f = 0; f < n; f++) {
        bias[f] = (float)-(begin + f);
        for (int i = 0; i < n_per_filter; i++)
            kernel[f * n_per_filter + i] = (float)(1000 * (begin + f) + i);
    }
    size_t bytes = (size_t)tess_packed_block_bytes(graph, 0);
    assert_int_equal(bytes, (size_t)(n_per_filter + 1) * 64);
    float *packed = aligned_alloc(64, bytes);
    memset(packed, 0xff, bytes);
    tess_packed_fill(graph, 0, block, kernel, bias, packed);
    for (int lane = 0; lane < 16; lane++) {
        bool is_there = lane < n;
        assert_true(packed[lane] == (is_there ? bias[lane] : 0.0f));
        for (int i = 0; i < n_per_filter; i++)
            assert_true(packed[16 * (i + 1) + lane] ==
                        (is_there ? kernel[lane * n_per_filter + i] : 0.0f));
    }
    free(packed);
    free(kernel);
}

static void test_weights_of_a_block_are_interleaved(void **state)
{
    (void)state;
    struct tess_graph *dense = conv_graph(6, 3, 2, 40);
    struct tess_graph *depthwise = conv_graph(20, 3, 20, 20);
    for (int block = 0; block < 4; block++)
        check_fill(dense, block, 27);
    for (int block = 0; block < 2; block++)
        check_fill(depthwise, block, 9);
    tess_graph_destroy(dense);
    tess_graph_destroy(depthwise);
}

static void test_connected_is_a_convolution_over_the_map(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONNECTED, 0, &input);
    op.window.kernel_h = 5;
    op.window.kernel_w = 4;
    struct tess_shape in = {5, 4, 3}, out = {1, 1, 17};
    struct tess_graph *graph = small_graph_create(in, &op, &out, 1);
    assert_int_equal(tess_packed_n_blocks(graph, 0), 2);
    assert_int_equal(tess_packed_block_bytes(graph, 0), (60 + 1) * 64);
    check_fill(graph, 1, 60);
    tess_graph_destroy(graph);
}

/* What the file's order of a kernel, [C/groups][taps], packs to is what [taps][C/groups] does. */
static void check_stored(struct tess_graph *graph, int block)
{
    int begin, end, n_filters = graph->tensors[graph->ops[0].output].c;
    tess_packed_block_filters(graph, 0, block, &begin, &end);
    const struct tess_window *window = &graph->ops[0].window;
    int n_taps = window->kernel_h * window->kernel_w;
    int n_per_filter = (int)(tess_op_n_kernel(graph, &graph->ops[0]) / n_filters);
    int n_channels = n_per_filter / n_taps;
    size_t n_floats = (size_t)((end - begin) * n_per_filter);
    float *kernel = calloc(n_floats, sizeof(float)), bias[16];
    float *stored = calloc(n_floats, sizeof(float));
    for (int f = 0; f < end - begin; f++) {
        bias[f] = (float)-f;
        for (int tap = 0; tap < n_taps; tap++)
            for (int c = 0; c < n_channels; c++) {
                float value = (float)(100000 * f + 1000 * tap + c);
                kernel[f * n_per_filter + tap * n_channels + c] = value;
                stored[f * n_per_filter + c * n_taps + tap] = value;
            }
    }
    size_t bytes = (size_t)tess_packed_block_bytes(graph, 0);
    void *expected = aligned_alloc(64, bytes), *found = aligned_alloc(64, bytes);
    memset(found, 0xff, bytes);
    tess_packed_fill(graph, 0, block, kernel, bias, expected);
    tess_packed_fill_stored(graph, 0, block, stored, bias, found);
    assert_memory_equal(expected, found, bytes);
    free(expected);
    free(found);
    free(kernel);
    free(stored);
}

static void test_the_files_order_packs_to_the_same(void **state)
{
    (void)state;
    for (int kernel = 1; kernel <= 5; kernel++)
        for (int channels = 1; channels <= 36; channels += 5) {
            struct tess_graph *dense = conv_graph(channels, kernel, 1, 16 + channels);
            struct tess_graph *grouped = conv_graph(2 * channels, kernel, 2, 42);
            struct tess_graph *depthwise =
                conv_graph(channels, kernel, channels, channels);
            for (int block = 0; block < 2; block++) {
                check_stored(dense, block);
                check_stored(grouped, block);
            }
            check_stored(depthwise, 0);
            tess_graph_destroy(dense);
            tess_graph_destroy(grouped);
            tess_graph_destroy(depthwise);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_block_is_filled_up),
        cmocka_unit_test(test_blocks_never_span_channel_groups),
        cmocka_unit_test(test_depthwise_blocks_hold_neighbouring_channels),
        cmocka_unit_test(test_a_channel_multiplier_keeps_groups_apart),
        cmocka_unit_test(test_weights_of_a_block_are_interleaved),
        cmocka_unit_test(test_the_files_order_packs_to_the_same),
        cmocka_unit_test(test_connected_is_a_convolution_over_the_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
