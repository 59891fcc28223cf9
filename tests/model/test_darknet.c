#include "model/darknet.h"

#include "tests/model/model_testing.h"

#define CONV "[convolutional]\nfilters=8\nsize=3\nstride=1\npad=1\nactivation=leaky\n"

static void test_layers_that_compute_nothing_pass_their_input_on(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph(TESTING_NET CONV "[dropout]\n" CONV "[route]\nlayers=0\n[cost]\n");
    assert_int_equal(graph->n_ops, 2);
    assert_int_equal(graph->n_layers, 5);
    assert_int_equal(graph->layers[1].tensor, graph->layers[0].tensor);
    assert_int_equal(graph->layers[3].tensor, graph->layers[0].tensor);
    assert_int_equal(graph->layers[4].tensor, graph->layers[0].tensor);
    assert_true(graph->tensors[graph->layers[4].tensor].is_output); /* the last layer's */
    tess_graph_destroy(graph);
}

static void test_name_is_the_file_without_folders_and_suffix(void **state)
{
    (void)state;
    static const char cfg[] = TESTING_NET CONV;
    static const char *const names[][2] = {
        {"a/b/yolo.v2.cfg", "yolo.v2"}, {"plain", "plain"}, {"/x/.cfg", ".cfg"}};
    for (size_t i = 0; i < 3; i++) {
        struct tess_graph *graph = NULL;
        assert_int_equal(
            tess_darknet_parse(cfg, sizeof cfg - 1, names[i][0], &graph, NULL, NULL),
            TESS_OK);
        assert_string_equal(graph->name, names[i][1]);
        tess_graph_destroy(graph);
    }
}

static void test_failure_needs_no_error_struct(void **state)
{
    (void)state;
    struct tess_graph *graph = NULL;
    assert_int_equal(tess_darknet_parse("[net]\n", 6, "x.cfg", &graph, NULL, NULL),
                     TESS_E_MODEL);
    assert_null(graph);
}

static void test_first_error_stays_recorded(void **state)
{
    (void)state;
    struct tess_graph *graph = NULL;
    struct tess_error error;
    tess_error_init(&error);
    tess_error_set(&error, TESS_E_USAGE, "earlier");
    assert_int_equal(tess_darknet_parse("[net]\n", 6, "x.cfg", &graph, NULL, &error),
                     TESS_E_MODEL);
    assert_string_equal(error.message, "earlier");
}

static void test_missing_file_is_an_io_error(void **state)
{
    (void)state;
    struct tess_graph *graph = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_darknet_load("tests/cases/none.cfg", &graph, NULL, &error),
                     TESS_E_IO);
    assert_null(graph);
}

static void test_warnings_stop_after_a_hundred(void **state)
{
    (void)state;
    struct tess_text cfg = {0}, warnings = {0};
    struct tess_graph *graph = NULL;
    tess_text_printf(&cfg, TESTING_NET);
    for (int i = 0; i < 120; i++)
        tess_text_printf(&cfg, "[convolutional]\nphase_of_moon_%d=1\n", i);
    assert_int_equal(
        tess_darknet_parse(cfg.data, cfg.len, "x.cfg", &graph, &warnings, NULL), TESS_OK);
    int n_lines = 0;
    for (const char *at = warnings.data; (at = strchr(at, '\n')); at++)
        n_lines++;
    assert_int_equal(n_lines, 101);
    tess_graph_destroy(graph);
    tess_text_release(&cfg);
    tess_text_release(&warnings);
}

static void test_thousands_of_layers_are_fine(void **state)
{
    (void)state;
    struct tess_text cfg = {0};
    struct tess_graph *graph = NULL;
    tess_text_printf(&cfg, TESTING_NET);
    for (int i = 0; i < 4096; i++)
        tess_text_printf(&cfg, i % 2 ? "[shortcut]\nfrom=%d\n" : "[maxpool]\nsize=1\n",
                         i / 2);
    assert_int_equal(tess_darknet_parse(cfg.data, cfg.len, "x.cfg", &graph, NULL, NULL),
                     TESS_OK);
    assert_int_equal(graph->n_ops, 4096);
    tess_graph_destroy(graph);
    tess_text_release(&cfg);
}

/* One conv of the given window on a map of `side`; its output side by stepping the
 * window. */
static int brute_force_side(int side, int size, int stride, int padding)
{
    int n = 0;
    for (int at = -padding; at + size <= side + padding; at += stride)
        n++;
    return n;
}

static void test_random_windows_agree_with_stepping(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, testing_seed(20250101));
    int n_accepted = 0;
    for (int i = 0; i < 2000; i++) {
        char cfg[256];
        struct tess_graph *graph = NULL;
        int h = tess_rng_int(&rng, 1, 40), w = tess_rng_int(&rng, 1, 40);
        int size = tess_rng_int(&rng, 1, 11), stride = tess_rng_int(&rng, 1, 5);
        int padding = tess_rng_int(&rng, 0, 12);
        int n = snprintf(
            cfg, sizeof cfg,
            "[net]\nheight=%d\nwidth=%d\nchannels=1\n[conv]\nsize=%d\nstride=%d\n"
            "padding=%d\n",
            h, w, size, stride, padding);
        bool is_sound = padding < size && tess_min_int(h, w) + 2 * padding >= size;
        enum tess_status status =
            tess_darknet_parse(cfg, (size_t)n, "x.cfg", &graph, NULL, NULL);
        assert_int_equal(status, is_sound ? TESS_OK : TESS_E_MODEL);
        if (!graph)
            continue;
        tess_graph_assert_valid(graph);
        assert_int_equal(graph->tensors[1].h, brute_force_side(h, size, stride, padding));
        assert_int_equal(graph->tensors[1].w, brute_force_side(w, size, stride, padding));
        tess_graph_destroy(graph);
        n_accepted++;
    }
    assert_true(n_accepted > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_that_compute_nothing_pass_their_input_on),
        cmocka_unit_test(test_name_is_the_file_without_folders_and_suffix),
        cmocka_unit_test(test_failure_needs_no_error_struct),
        cmocka_unit_test(test_first_error_stays_recorded),
        cmocka_unit_test(test_missing_file_is_an_io_error),
        cmocka_unit_test(test_warnings_stop_after_a_hundred),
        cmocka_unit_test(test_thousands_of_layers_are_fine),
        cmocka_unit_test(test_random_windows_agree_with_stepping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
