#include "model/graph.h"

#include "tests/model/model_testing.h"

#define CONV(filters)                                                                    \
    "[convolutional]\nfilters=" #filters "\nsize=3\npad=1\nactivation=leaky\n"

static void test_consumers_are_listed_once_and_in_order(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph(TESTING_NET CONV(8) CONV(8) "[route]\nlayers=0,0,-1\n" CONV(2));
    const struct tess_tensor *first = &graph->tensors[graph->layers[0].tensor];
    assert_int_equal(first->n_consumers, 2);
    assert_int_equal(first->consumers[0], 1);
    assert_int_equal(first->consumers[1], 2);
    assert_int_equal(first->producer, 0);
    assert_int_equal(graph->tensors[TESS_GRAPH_INPUT].producer, -1);
    tess_graph_destroy(graph);
}

static void test_outputs_are_heads_softmaxes_and_loose_ends(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph(TESTING_NET CONV(7) "[yolo]\nanchors=1,1\nclasses=2\n" CONV(
            4) "[route]\nlayers=0\n" CONV(8) "[avgpool]\n[softmax]\n" CONV(3));
    static const bool expected[] = {false, true, true, false, false, false, true, true};
    for (int i = 0; i < graph->n_layers; i++)
        assert_int_equal(graph->tensors[graph->layers[i].tensor].is_output, expected[i]);
    tess_graph_destroy(graph);
}

static void test_input_is_never_an_output(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph("[net]\nheight=8\nwidth=8\nchannels=4\n[dropout]\n" CONV(
            8) "[route]\nlayers=0\n");
    assert_int_equal(graph->layers[2].tensor, TESS_GRAPH_INPUT);
    assert_false(graph->tensors[TESS_GRAPH_INPUT].is_output);
    assert_true(graph->tensors[1].is_output);
    tess_graph_destroy(graph);
}

static void test_counts_of_a_grouped_convolution(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        TESTING_NET
        "[conv]\nfilters=12\nsize=3\npad=1\nstride=2\ngroups=2\nbatch_normalize=1\n");
    const struct tess_op *op = &graph->ops[0];
    assert_int_equal(tess_op_n_kernel(graph, op), 12 * 9 * 2);
    assert_int_equal(tess_op_n_weights(graph, op), 12 * 9 * 2 + 4 * 12);
    assert_int_equal(tess_op_macs(graph, op), 4 * 4 * 12 * 9 * 2);
    assert_int_equal(tess_tensor_bytes(&graph->tensors[op->output]), 4 * 4 * 12 * 4);
    assert_int_equal(graph->n_weights, 12 * 9 * 2 + 4 * 12);
    assert_true(tess_op_has_weights(op));
    assert_false(tess_op_is_depthwise(graph, op));
    assert_false(tess_op_reads_whole(op));
    tess_graph_destroy(graph);
}

static void test_depthwise_needs_one_channel_in_and_out_per_group(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(TESTING_NET "[conv]\nfilters=4\ngroups=4\n"
                                                         "[conv]\nfilters=8\ngroups=4\n"
                                                         "[conv]\nfilters=1\n");
    assert_true(tess_op_is_depthwise(graph, &graph->ops[0]));
    assert_false(tess_op_is_depthwise(graph, &graph->ops[1]));
    assert_false(tess_op_is_depthwise(graph, &graph->ops[2]));
    tess_graph_destroy(graph);
}

static void test_ops_that_only_move_data_cost_nothing(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        TESTING_NET "[maxpool]\nsize=2\nstride=2\n[upsample]\n[reorg]\nstride=2\n"
                    "[shortcut]\nfrom=-1\n[avgpool]\n");
    assert_int_equal(tess_op_macs(graph, &graph->ops[0]), 0);
    assert_int_equal(tess_op_macs(graph, &graph->ops[1]), 0);
    assert_int_equal(tess_op_macs(graph, &graph->ops[2]), 0);
    assert_int_equal(tess_op_macs(graph, &graph->ops[3]), 4 * 4 * 16);
    assert_int_equal(tess_op_macs(graph, &graph->ops[4]), 4 * 4 * 16);
    assert_true(tess_op_reads_whole(&graph->ops[2]));
    assert_true(tess_op_reads_whole(&graph->ops[4]));
    tess_graph_destroy(graph);
}

static void test_every_kind_and_activation_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < TESS_OP_N_KINDS; i++)
        assert_non_null(tess_op_kind_name((enum tess_op_kind)i));
    for (int i = 0; i < TESS_ACT_N_KINDS; i++)
        assert_non_null(tess_activation_name((enum tess_activation)i));
}

static void test_layers_are_found_from_both_ends(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(TESTING_NET CONV(8) CONV(8) CONV(8));
    int layer = 77;
    assert_true(tess_graph_find_layer(graph, 0, &layer));
    assert_int_equal(layer, 0);
    assert_true(tess_graph_find_layer(graph, -1, &layer));
    assert_int_equal(layer, 2);
    assert_true(tess_graph_find_layer(graph, -3, &layer));
    assert_int_equal(layer, 0);
    assert_false(tess_graph_find_layer(graph, 3, &layer));
    assert_false(tess_graph_find_layer(graph, -4, &layer));
    assert_false(tess_graph_find_layer(graph, INT64_MIN, &layer));
    assert_int_equal(layer, 0);
    tess_graph_destroy(graph);
}

static uint64_t hash_of(const char *cfg)
{
    struct tess_graph *graph = testing_graph(cfg);
    uint64_t hash = graph->hash;
    tess_graph_destroy(graph);
    return hash;
}

static void test_hash_ignores_names_lines_and_layers_without_effect(void **state)
{
    (void)state;
    uint64_t hash = hash_of(TESTING_NET CONV(8) CONV(8));
    assert_true(hash == hash_of("# comment\n" TESTING_NET "\n\n" CONV(8) CONV(8)));
    assert_true(hash == hash_of(TESTING_NET "[dropout]\n" CONV(8) "[dropout]\n" CONV(8)));
}

static void test_hash_notices_what_changes_the_result(void **state)
{
    (void)state;
    static const char *const cfgs[] = {
        TESTING_NET CONV(8) CONV(8),
        TESTING_NET CONV(8) CONV(9),
        TESTING_NET CONV(8) CONV(8) CONV(8),
        "[net]\nheight=8\nwidth=9\nchannels=4\n" CONV(8) CONV(8),
        TESTING_NET CONV(8) "[conv]\nfilters=8\nsize=3\npad=1\nactivation=mish\n",
        TESTING_NET CONV(
            8) "[conv]\nfilters=8\nsize=3\npad=1\nactivation=leaky\ngroups=2\n",
        TESTING_NET CONV(8) "[conv]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"
                            "batch_normalize=1\n",
        TESTING_NET CONV(8) "[shortcut]\nfrom=-1\n",
        TESTING_NET CONV(8) "[shortcut]\nfrom=-1\nbeta=2\n",
        TESTING_NET CONV(7) "[region]\nclasses=2\nanchors=1,2\n",
        TESTING_NET CONV(7) "[region]\nclasses=2\nanchors=1,3\n",
        TESTING_NET CONV(7) "[region]\nclasses=2\nanchors=1,3\nsoftmax=1\n",
        TESTING_NET CONV(7) "[yolo]\nclasses=2\nanchors=1,3\n",
        TESTING_NET "[crop]\ncrop_height=8\ncrop_width=8\n" CONV(8) CONV(8),
    };
    enum { N = sizeof cfgs / sizeof *cfgs };
    uint64_t hashes[N];
    for (int i = 0; i < N; i++) {
        hashes[i] = hash_of(cfgs[i]);
        for (int j = 0; j < i; j++)
            assert_true(hashes[i] != hashes[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_consumers_are_listed_once_and_in_order),
        cmocka_unit_test(test_outputs_are_heads_softmaxes_and_loose_ends),
        cmocka_unit_test(test_input_is_never_an_output),
        cmocka_unit_test(test_counts_of_a_grouped_convolution),
        cmocka_unit_test(test_depthwise_needs_one_channel_in_and_out_per_group),
        cmocka_unit_test(test_ops_that_only_move_data_cost_nothing),
        cmocka_unit_test(test_every_kind_and_activation_has_a_name),
        cmocka_unit_test(test_layers_are_found_from_both_ends),
        cmocka_unit_test(test_hash_ignores_names_lines_and_layers_without_effect),
        cmocka_unit_test(test_hash_notices_what_changes_the_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
