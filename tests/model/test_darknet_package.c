/* The cfg files that Debian's package darknet installs, against what is known of them.
 * The counts of weights are those of the published weights files (bytes without header /
 * 4); shapes and layers are what darknet itself makes of them. Skipped where the package
 * is absent. */
#include "tests/model/model_testing.h"

#include <unistd.h>

#define FOLDER "/usr/share/darknet/cfg"

struct known {
    const char *name;
    int n_layers, n_ops;
    int64_t n_weights;
    int output[3]; /* rows, columns, channels of the last layer */
};

static const struct known known[] = {
    {"alexnet", 14, 12, 62378344, {1, 1, 1000}},
    {"cifar", 17, 14, 7687050, {1, 1, 10}},
    {"darknet", 16, 16, 7323480, {1, 1, 1000}},
    {"darknet19", 26, 26, 20856776, {1, 1, 1000}},
    {"darknet19_448", 26, 26, 20856776, {1, 1, 1000}},
    {"darknet53", 78, 78, 41645640, {1, 1, 1000}},
    {"darknet53_448", 78, 78, 41645640, {1, 1, 1000}},
    {"densenet201", 305, 305, 17206440, {1, 1, 1000}},
    {"extraction", 27, 27, 23455400, {1, 1, 1000}},
    {"extraction.conv", 27, 27, 23428136, {1, 1, 1000}},
    {"extraction22k", 27, 27, 97605650, {1, 1, 21842}},
    {"jnet-conv", 18, 18, 18870048, {1, 1, 1024}},
    {"resnet101", 138, 137, 41870248, {1, 1, 1000}},
    {"resnet152", 205, 205, 57559976, {1, 1, 1000}},
    {"resnet18", 29, 29, 11523496, {1, 1, 1000}},
    {"resnet34", 53, 53, 21639080, {1, 1, 1000}},
    {"resnet50", 69, 69, 22825896, {1, 1, 1000}},
    {"resnext101-32x4d", 137, 137, 41639208, {1, 1, 1000}},
    {"resnext152-32x4d", 205, 205, 56730920, {1, 1, 1000}},
    {"resnext50", 69, 69, 22312872, {1, 1, 1000}},
    {"tiny", 22, 22, 1046488, {1, 1, 1000}},
    {"vgg-16", 25, 22, 138357544, {1, 1, 1000}},
    {"vgg-conv", 18, 18, 14714688, {7, 7, 512}},
    {"yolov2-tiny-voc", 16, 16, 15867885, {13, 13, 125}},
    {"yolov2-tiny", 16, 16, 11237145, {13, 13, 425}},
    {"yolov2-voc", 32, 31, 50676061, {13, 13, 125}},
    {"yolov2", 32, 31, 50983561, {19, 19, 425}},
    {"yolov3-openimages", 107, 105, 64807342, {76, 76, 1818}},
    {"yolov3-spp", 114, 110, 63052381, {76, 76, 255}},
    {"yolov3-tiny", 24, 23, 8858734, {26, 26, 255}},
    {"yolov3-voc", 107, 105, 61678657, {52, 52, 75}},
    {"yolov3", 107, 105, 62001757, {76, 76, 255}},
};
enum { N_KNOWN = sizeof known / sizeof *known };

/* Files that need what this project does not have, and the word its error must name. */
static const char *const refused[][2] = {
    {"darknet9000", "tree"},   {"go", "extra"},
    {"gru", "height"},         {"rnn", "height"},
    {"strided", "activation"}, {"yolo9000", "tree"},
    {"yolov1", "local"},       {"yolov1-tiny", "detection"},
};

static struct tess_graph *load(const char *name, struct tess_error *error)
{
    char path[256];
    struct tess_graph *graph = NULL;
    struct tess_text warnings = {0};
    tess_error_init(error);
    snprintf(path, sizeof path, FOLDER "/%s.cfg", name);
    enum tess_status status = tess_darknet_load(path, &graph, &warnings, error);
    assert_int_equal(status == TESS_OK, graph != NULL);
    assert_string_equal(tess_text_string(&warnings), "");
    tess_text_release(&warnings);
    return graph;
}

static void skip_without_package(void)
{
    if (access(FOLDER "/yolov2.cfg", R_OK) != 0) {
        print_message("SKIPPED: no " FOLDER " (Debian package darknet)\n");
        skip();
    }
}

static void test_package_files_have_their_known_shapes(void **state)
{
    (void)state;
    skip_without_package();
    for (int i = 0; i < N_KNOWN; i++) {
        struct tess_error error;
        struct tess_graph *graph = load(known[i].name, &error);
        print_message("%s %s\n", known[i].name, error.message);
        assert_non_null(graph);
        tess_graph_assert_valid(graph);
        const struct tess_tensor *out =
            &graph->tensors[graph->layers[graph->n_layers - 1].tensor];
        assert_int_equal(graph->n_layers, known[i].n_layers);
        assert_int_equal(graph->n_ops, known[i].n_ops);
        assert_int_equal(graph->n_weights, known[i].n_weights);
        assert_int_equal(out->h, known[i].output[0]);
        assert_int_equal(out->w, known[i].output[1]);
        assert_int_equal(out->c, known[i].output[2]);
        assert_true(out->is_output);
        tess_graph_destroy(graph);
    }
}

static void test_other_package_files_are_refused_with_a_reason(void **state)
{
    (void)state;
    skip_without_package();
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct tess_error error;
        assert_null(load(refused[i][0], &error));
        assert_int_equal(error.status, TESS_E_MODEL);
        assert_true(error.line > 0);
        assert_non_null(strstr(error.message, refused[i][1]));
    }
}

static void test_yolov2_passthrough_is_where_the_paper_has_it(void **state)
{
    (void)state;
    skip_without_package();
    struct tess_error error;
    struct tess_graph *graph = load("yolov2", &error);
    assert_non_null(graph);
    const struct tess_tensor *early = &graph->tensors[graph->layers[16].tensor];
    assert_int_equal(early->n_consumers,
                     2); /* the pool after it and the 1x1 of layer 26 */
    assert_int_equal(graph->ops[early->consumers[1]].layer, 26);
    assert_int_equal(tess_tensor_bytes(early), 38 * 38 * 512 * 4);
    const struct tess_tensor *joined = &graph->tensors[graph->layers[28].tensor];
    assert_int_equal(joined->c, 256 + 1024);
    const struct tess_op *head = &graph->ops[graph->n_ops - 1];
    assert_int_equal(head->kind, TESS_OP_REGION);
    assert_int_equal(head->head.n_anchors, 5);
    assert_true(head->head.is_softmax);
    tess_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_package_files_have_their_known_shapes),
        cmocka_unit_test(test_other_package_files_are_refused_with_a_reason),
        cmocka_unit_test(test_yolov2_passthrough_is_where_the_paper_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
