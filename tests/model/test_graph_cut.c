#include "tests/model/model_testing.h"

#define CONV "[convolutional]\nfilters=8\nsize=3\npad=1\nactivation=leaky\n"
#define PASSTHROUGH                                                                      \
    TESTING_NET CONV CONV "[maxpool]\nsize=2\nstride=2\n" CONV                           \
                          "[upsample]\n[route]\nlayers=-1,1\n" CONV

static struct tess_graph *cut(const struct tess_graph *whole, int first, int last)
{
    struct tess_graph *part = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_graph_cut(whole, first, last, &part, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_graph_assert_valid(part);
    return part;
}

static void check_refused(const struct tess_graph *whole, int first, int last,
                          const char *message, const char *hint)
{
    struct tess_graph *part = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_graph_cut(whole, first, last, &part, &error), TESS_E_USAGE);
    assert_null(part);
    assert_string_equal(error.message, message);
    assert_string_equal(error.hint, hint);
}

static void test_cut_of_everything_is_the_same_network(void **state)
{
    (void)state;
    struct tess_graph *whole = testing_graph(PASSTHROUGH);
    struct tess_graph *part = cut(whole, 0, whole->n_layers - 1);
    struct tess_text a = {0}, b = {0};
    testing_dump(&a, whole);
    testing_dump(&b, part);
    assert_string_equal(a.data, b.data);
    assert_true(whole->hash == part->hash);
    tess_text_release(&a);
    tess_text_release(&b);
    tess_graph_destroy(part);
    tess_graph_destroy(whole);
}

static void test_cut_keeps_layer_numbers_and_weights_offsets(void **state)
{
    (void)state;
    struct tess_graph *whole = testing_graph(PASSTHROUGH);
    struct tess_graph *part = cut(whole, 2, 4);
    assert_int_equal(part->n_ops, 3);
    assert_int_equal(part->n_layers, whole->n_layers);
    assert_int_equal(part->layers[1].tensor, -1);
    assert_int_equal(part->layers[2].tensor, 1);
    assert_int_equal(part->layers[4].tensor, 3);
    assert_int_equal(part->layers[5].tensor, -1);
    assert_string_equal(part->layers[5].name, "route");
    assert_int_equal(part->ops[1].layer, 3);
    assert_int_equal(part->ops[1].weights_offset, whole->ops[3].weights_offset);
    assert_int_equal(part->n_weights, whole->n_weights);
    assert_int_equal(part->tensors[TESS_GRAPH_INPUT].h, 8);
    assert_int_equal(part->tensors[TESS_GRAPH_INPUT].c, 8);
    assert_true(part->tensors[3].is_output);
    assert_false(part->tensors[2].is_output);
    tess_graph_destroy(part);
    tess_graph_destroy(whole);
}

static void test_cut_before_a_branch_may_contain_all_of_it(void **state)
{
    (void)state;
    struct tess_graph *whole = testing_graph(PASSTHROUGH);
    struct tess_graph *part = cut(whole, 2, 6); /* the route reads layer 1 as well */
    assert_int_equal(part->tensors[TESS_GRAPH_INPUT].n_consumers, 2);
    assert_int_equal(part->ops[3].kind, TESS_OP_CONCAT);
    assert_int_equal(part->ops[3].inputs[1], TESS_GRAPH_INPUT);
    tess_graph_destroy(part);
    tess_graph_destroy(whole);
}

static void test_cut_through_a_branch_is_refused(void **state)
{
    (void)state;
    struct tess_graph *whole = testing_graph(PASSTHROUGH);
    check_refused(
        whole, 3, 6,
        "layers 3 to 6 read the results of both layer 1 and layer 2 from before "
        "them (-1 is the network's input)",
        "cut where a single tensor crosses, e.g. from layer 2 on");
    tess_graph_destroy(whole);
}

static void test_cut_needs_layers_that_exist_and_compute(void **state)
{
    (void)state;
    struct tess_graph *whole = testing_graph(TESTING_NET CONV "[dropout]\n" CONV);
    check_refused(whole, 1, 1, "layers 1 to 1 compute nothing", "");
    check_refused(whole, 2, 1, "there are no layers 2 to 1: the network has 0 to 2", "");
    check_refused(whole, -1, 1, "there are no layers -1 to 1: the network has 0 to 2",
                  "");
    check_refused(whole, 0, 3, "there are no layers 0 to 3: the network has 0 to 2", "");
    tess_graph_destroy(whole);
}

static void test_picture_stays_only_with_the_networks_input(void **state)
{
    (void)state;
    struct tess_graph *whole =
        testing_graph("[net]\nheight=10\nwidth=10\nchannels=3\n[crop]\ncrop_height="
                      "8\ncrop_width=8\n" CONV CONV);
    struct tess_graph *front = cut(whole, 0, 1), *back = cut(whole, 2, 2);
    assert_int_equal(front->picture.image_h, 10);
    assert_int_equal(front->picture.crop_top, 1);
    assert_int_equal(back->picture.image_h, 8);
    assert_int_equal(back->picture.crop_top, 0);
    assert_true(front->picture.scale > 1.5F && back->picture.scale < 1.5F);
    tess_graph_destroy(front);
    tess_graph_destroy(back);
    tess_graph_destroy(whole);
}

static void test_heads_are_copied_with_their_anchors(void **state)
{
    (void)state;
    struct tess_graph *whole =
        testing_graph(TESTING_NET CONV "[conv]\nfilters=14\n[yolo]\nclasses=2\nnum=2\n"
                                       "anchors=1,2,3,4\n");
    struct tess_graph *part = cut(whole, 1, 2);
    tess_graph_destroy(whole);
    assert_int_equal(part->ops[1].head.n_anchors, 2);
    assert_true(part->ops[1].head.anchors[3] > 3.5F);
    tess_graph_destroy(part);
}

static void test_every_cut_of_a_network_is_valid_or_refused(void **state)
{
    (void)state;
    struct tess_graph *whole = testing_graph(PASSTHROUGH);
    for (int first = 0; first < whole->n_layers; first++)
        for (int last = first; last < whole->n_layers; last++) {
            struct tess_graph *part = NULL;
            if (tess_graph_cut(whole, first, last, &part, NULL) == TESS_OK)
                tess_graph_assert_valid(part);
            tess_graph_destroy(part);
        }
    tess_graph_destroy(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_of_everything_is_the_same_network),
        cmocka_unit_test(test_cut_keeps_layer_numbers_and_weights_offsets),
        cmocka_unit_test(test_cut_before_a_branch_may_contain_all_of_it),
        cmocka_unit_test(test_cut_through_a_branch_is_refused),
        cmocka_unit_test(test_cut_needs_layers_that_exist_and_compute),
        cmocka_unit_test(test_picture_stays_only_with_the_networks_input),
        cmocka_unit_test(test_heads_are_copied_with_their_anchors),
        cmocka_unit_test(test_every_cut_of_a_network_is_valid_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
