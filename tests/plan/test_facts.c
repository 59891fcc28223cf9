/* The sums over kernel facts, with facts made up for the purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/facts.h"
#include "tests/support/small_graph.h"

static const struct tess_kernel_facts native = {
    .family = "test",
    .align_bytes = 64,
    .tail_bytes = 16,
    .filter_block = 8,
    .channel_block = 2,
    .pixel_block = 6,
    .filter_slice = 32,
    .slice_bytes = 4096,
    .call_pixels = 100,
    .depthwise_block = 4,
    .depthwise_taps = 1 << 9 | 1 << 4,
    .pointer_bytes = 8,
    .slice_overhead_bytes = 1024,
    .kernel_overhead_bytes = 512,
};
static const struct tess_kernel_facts plain = {.family = "ref",
                                               .kernel_overhead_bytes = 256};

static const struct tess_kernel_facts packed = {
    .family = "nat", .has_packed_weights = 1, .kernel_overhead_bytes = 256};

static struct tess_graph *conv_graph(struct tess_shape in, struct tess_window window,
                                     int groups, int filters)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    op.window = window;
    op.groups = groups;
    struct tess_shape out = small_graph_window_shape(in, window, filters);
    return small_graph_create(in, &op, &out, 1);
}

static void test_every_field_is_named_once(void **state)
{
    (void)state;
    struct tess_kernel_facts facts = native;
    struct tess_fact_field fields[TESS_FACTS_N_FIELDS];
    tess_facts_fields(&facts, fields);
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++) {
        assert_non_null(fields[i].name);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(fields[i].name, fields[j].name);
            assert_ptr_not_equal(fields[i].value, fields[j].value);
        }
    }
    assert_int_equal(sizeof facts,
                     sizeof facts.family + TESS_FACTS_N_FIELDS * sizeof(int64_t));
}

static void test_a_small_layer_worked_by_hand(void **state)
{
    (void)state;
    /* 3x3 over 10x10x3 to 20 filters. A filter packs 9 taps of 3 channels, padded to 4,
     * and a bias: 37 floats, 148 bytes; 4096 bytes hold 27 filters, in blocks of 8: 24,
     * so all 20 are one slice of 24 lanes. */
    struct tess_graph *graph =
        conv_graph((struct tess_shape){10, 10, 3}, small_graph_window(3, 1, 1), 1, 20);
    struct tess_call_shape whole = {10, 10}, row = {1, 10};
    assert_int_equal(tess_facts_weights_bytes(&native, graph, 0),
                     24 * 148 + 32); /* to 64 */
    assert_int_equal(tess_facts_scratch_bytes(&native, graph, 0), 20 * 28 * 4);
    /* 100 pixels are padded to 102, 9 pointers each; a row of zeros has 4 channels and a
     * tail; each piece has a header of 64 bytes and ends on 64. */
    int64_t table_bytes = 102 * 9 * 8;
    assert_int_equal(tess_facts_table_bytes(&native, graph, 0, whole), table_bytes);
    assert_int_equal(tess_facts_workspace_bytes(&native, graph, 0, whole),
                     512 + 1024 + (64 + 7360) + (64 + 64));
    assert_int_equal(tess_facts_table_bytes(&native, graph, 0, row), 12 * 9 * 8);
    /* The plain loops pack two blocks of 16 lanes. */
    assert_int_equal(tess_facts_weights_bytes(&plain, graph, 0), 2 * 16 * 28 * 4);
    assert_int_equal(tess_facts_workspace_bytes(&plain, graph, 0, whole), 256);
    assert_int_equal(tess_facts_scratch_bytes(&plain, graph, 0), 16 * 28 * 4);
    tess_graph_destroy(graph);
}

static void test_padding_is_left_to_a_kernel_only_where_it_can(void **state)
{
    (void)state;
    struct tess_graph *graph =
        conv_graph((struct tess_shape){10, 10, 3}, small_graph_window(3, 1, 1), 1, 20);
    struct tess_graph *large =
        conv_graph((struct tess_shape){11, 10, 3}, small_graph_window(3, 1, 1), 1, 20);
    struct tess_kernel_caps caps =
        tess_facts_caps(&native, graph, 0, (struct tess_call_shape){10, 10});
    assert_true(caps.needs_dense_rows && caps.can_pad_rows && caps.can_pad_cols);
    caps = tess_facts_caps(&native, graph, 0, (struct tess_call_shape){9, 10});
    assert_false(caps.can_pad_rows);
    assert_true(caps.can_pad_cols);
    caps = tess_facts_caps(&native, large, 0, (struct tess_call_shape){11, 10});
    assert_false(caps.can_pad_rows); /* two inner calls */
    caps = tess_facts_caps(&plain, large, 0, (struct tess_call_shape){3, 3});
    assert_true(!caps.needs_dense_rows && caps.can_pad_rows && caps.can_pad_cols);
    tess_graph_destroy(graph);
    tess_graph_destroy(large);
}

static void test_odd_pixels_are_refused_unless_the_map_is_one(void **state)
{
    (void)state;
    struct tess_kernel_facts odd = native;
    odd.has_odd_pixel = 1;
    struct tess_graph *graph =
        conv_graph((struct tess_shape){2, 1, 3}, small_graph_window(1, 1, 0), 1, 20);
    struct tess_graph *single =
        conv_graph((struct tess_shape){1, 1, 3}, small_graph_window(1, 1, 0), 1, 20);
    struct tess_call_shape pixel = {1, 1};
    assert_true(tess_facts_caps(&odd, graph, 0, pixel).needs_two_pixels);
    assert_false(tess_facts_caps(&odd, single, 0, pixel).needs_two_pixels);
    assert_false(tess_facts_caps(&native, graph, 0, pixel).needs_two_pixels);
    tess_graph_destroy(graph);
    tess_graph_destroy(single);
}

static void test_depthwise_of_unknown_size_is_plain(void **state)
{
    (void)state;
    for (int kernel = 2; kernel <= 9; kernel++) {
        struct tess_graph *graph = conv_graph((struct tess_shape){12, 12, 8},
                                              small_graph_window(kernel, 1, 0), 8, 8);
        assert_int_equal(tess_facts_is_plain(&native, graph, 0), kernel > 3);
        tess_graph_destroy(graph);
    }
}

static void test_unused_columns_beyond_a_stride_are_plain(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    op.window = small_graph_window(3, 2, 0);
    for (int width = 1; width <= 4; width++) {
        struct tess_shape in = {9, 9, 4}, out = {4, width, 4};
        struct tess_graph *graph = small_graph_create(in, &op, &out, 1);
        assert_int_equal(tess_facts_pad_right(graph, 0), 2 * width + 1 - 9);
        assert_int_equal(tess_facts_is_plain(&native, graph, 0), width < 4);
        tess_graph_destroy(graph);
    }
}

/* Slices of random layers cover the filters in order; parts of a layer cost together what
 * their slices cost. */
static void test_slices_cover_the_filters(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, 9);
    for (int round = 0; round < 500; round++) {
        int groups = tess_rng_int(&rng, 0, 2) ? 1 : tess_rng_int(&rng, 1, 6);
        struct tess_shape in = {9, 9, groups * tess_rng_int(&rng, 1, 40)};
        int filters = groups * tess_rng_int(&rng, 1, 60);
        int kernel = tess_rng_int(&rng, 1, 3);
        struct tess_graph *graph =
            conv_graph(in, small_graph_window(kernel, 1, kernel / 2), groups, filters);
        const struct tess_kernel_facts *facts =
            tess_rng_int(&rng, 0, 1) ? &native : &plain;
        struct tess_filter_range all = {0, filters};
        int n_slices = 0;
        int64_t bytes = 0;
        for (int begin = 0, end; begin < filters; begin = end, n_slices++) {
            end = tess_facts_slice_end(facts, graph, 0, all, begin);
            assert_true(begin < end && end <= filters);
            struct tess_filter_range slice = {begin, end};
            bytes += tess_facts_weights_bytes_of(facts, graph, 0, slice);
            if (facts == &native && groups == 1 && end < filters)
                assert_int_equal((end - begin) % native.filter_block, 0);
        }
        assert_int_equal(bytes, tess_facts_weights_bytes(facts, graph, 0));
        assert_true(tess_facts_scratch_bytes(facts, graph, 0) <=
                    (tess_op_n_kernel(graph, &graph->ops[0]) + filters) * 4);
        tess_graph_destroy(graph);
    }
}

static void test_packed_weights_are_whole_blocks_and_need_nothing_else(void **state)
{
    (void)state;
    /* 3x3 over 10x10x3 to 20 filters: 27 weights and a bias for each of 16 lanes, twice.
     * Filters 15 to 17 lie in both blocks. */
    struct tess_graph *graph =
        conv_graph((struct tess_shape){10, 10, 3}, small_graph_window(3, 1, 1), 1, 20);
    struct tess_call_shape whole = {10, 10};
    struct tess_filter_range middle = {15, 17}, last = {16, 20};
    assert_false(tess_facts_is_plain(&packed, graph, 0));
    assert_int_equal(tess_facts_weights_bytes(&packed, graph, 0), 2 * 28 * 64);
    assert_int_equal(tess_facts_weights_bytes_of(&packed, graph, 0, middle), 2 * 28 * 64);
    assert_int_equal(tess_facts_weights_bytes_of(&packed, graph, 0, last), 28 * 64);
    assert_int_equal(tess_facts_slice_end(&packed, graph, 0, middle, 15), 16);
    assert_int_equal(tess_facts_scratch_bytes(&packed, graph, 0), 28 * 64);
    assert_int_equal(tess_facts_workspace_bytes(&packed, graph, 0, whole), 256);
    assert_int_equal(tess_facts_bare_bytes(&packed), 256);
    struct tess_kernel_caps caps =
        tess_facts_caps(&packed, graph, 0, (struct tess_call_shape){2, 3});
    assert_true(caps.can_pad_rows && caps.can_pad_cols);
    assert_false(caps.needs_dense_rows || caps.needs_two_pixels);
    tess_graph_destroy(graph);
}

static void test_workspace_grows_with_the_window(void **state)
{
    (void)state;
    struct tess_graph *graph =
        conv_graph((struct tess_shape){30, 30, 3}, small_graph_window(3, 1, 1), 1, 20);
    for (int rows = 1; rows < 30; rows++) {
        for (int cols = 1; cols < 30; cols++) {
            struct tess_call_shape it = {rows, cols}, taller = {rows + 1, cols},
                                   wider = {rows, cols + 1};
            int64_t bytes = tess_facts_workspace_bytes(&native, graph, 0, it);
            assert_true(bytes <= tess_facts_workspace_bytes(&native, graph, 0, taller));
            assert_true(bytes <= tess_facts_workspace_bytes(&native, graph, 0, wider));
        }
    }
    tess_graph_destroy(graph);
}

static void test_ops_without_weights_hold_only_their_bookkeeping(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_MAXPOOL, 0, &input);
    op.window = small_graph_window(2, 2, 0);
    struct tess_shape in = {8, 8, 4}, out = {4, 4, 4};
    struct tess_graph *graph = small_graph_create(in, &op, &out, 1);
    struct tess_call_shape whole = {4, 4};
    assert_int_equal(tess_facts_weights_bytes(&native, graph, 0), 0);
    assert_int_equal(tess_facts_scratch_bytes(&native, graph, 0), 0);
    assert_int_equal(tess_facts_workspace_bytes(&native, graph, 0, whole), 512);
    tess_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_named_once),
        cmocka_unit_test(test_a_small_layer_worked_by_hand),
        cmocka_unit_test(test_padding_is_left_to_a_kernel_only_where_it_can),
        cmocka_unit_test(test_odd_pixels_are_refused_unless_the_map_is_one),
        cmocka_unit_test(test_depthwise_of_unknown_size_is_plain),
        cmocka_unit_test(test_unused_columns_beyond_a_stride_are_plain),
        cmocka_unit_test(test_slices_cover_the_filters),
        cmocka_unit_test(test_packed_weights_are_whole_blocks_and_need_nothing_else),
        cmocka_unit_test(test_workspace_grows_with_the_window),
        cmocka_unit_test(test_ops_without_weights_hold_only_their_bookkeeping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
