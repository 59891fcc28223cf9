#include "model/weights.h"

#include <math.h>
#include <unistd.h>

#include "model/synth.h"
#include "tests/model/model_testing.h"
#include "tests/support/recorded_cases.h"

/* One conv with batch norm, one connected with batch norm, both tiny. */
#define SMALL_CFG                                                                        \
    "[net]\nheight=3\nwidth=2\nchannels=2\n"                                             \
    "[conv]\nfilters=4\nsize=3\npad=1\ngroups=2\nbatch_normalize=1\nactivation=linear\n" \
    "[connected]\noutput=3\nbatch_normalize=1\nactivation=linear\n"

static char temporary[] = "/tmp/tessera-test-XXXXXX";

static int make_temporary(void **state)
{
    (void)state;
    int fd = mkstemp(temporary);
    return fd < 0 || close(fd) != 0;
}

static int remove_temporary(void **state)
{
    (void)state;
    return unlink(temporary);
}

static struct tess_weights *open_weights(const struct tess_graph *graph)
{
    struct tess_weights *weights = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_weights_open(graph, temporary, &weights, &error) != TESS_OK)
        fail_msg("%s (%s)", error.message, error.hint);
    return weights;
}

/* The file's float number `i`: every one different, all positive. */
static float number(int64_t i)
{
    return 0.25F + (float)(i % 1000) * 0.001F;
}

static void write_numbers(int64_t n)
{
    struct tess_text bytes = {0};
    static const uint32_t header[5] = {0, 2, 0, 0, 0};
    tess_text_append(&bytes, (const char *)header, sizeof header);
    for (int64_t i = 0; i < n; i++) {
        float value = number(i);
        tess_text_append(&bytes, (const char *)&value, sizeof value);
    }
    assert_int_equal(tess_file_write(temporary, bytes.data, bytes.len, NULL), TESS_OK);
    tess_text_release(&bytes);
}

struct op_numbers {
    int64_t biases, scales, means, variances, kernel; /* in floats after the header */
    int n_filters, n_channels, n_taps;
};

/* Against the formula, element by element, from the order the file format documents. */
static void check_op(struct tess_weights *weights, const struct tess_graph *graph, int op,
                     const struct op_numbers *at)
{
    const int n_per_filter = at->n_channels * at->n_taps;
    float *kernel = calloc((size_t)(at->n_filters * n_per_filter), sizeof *kernel);
    float *bias = calloc((size_t)at->n_filters, sizeof *bias);
    assert_int_equal(
        tess_weights_read(weights, graph, op, 0, at->n_filters, kernel, bias, NULL),
        TESS_OK);
    for (int filter = 0; filter < at->n_filters; filter++) {
        double factor = (double)number(at->scales + filter) /
                        (sqrt((double)number(at->variances + filter)) + 1e-6);
        double expected = (double)number(at->biases + filter) -
                          factor * (double)number(at->means + filter);
        assert_true(fabs((double)bias[filter] - expected) < 1e-6);
        for (int channel = 0; channel < at->n_channels; channel++)
            for (int tap = 0; tap < at->n_taps; tap++) {
                int64_t index =
                    at->kernel + filter * n_per_filter + channel * at->n_taps + tap;
                float found =
                    kernel[filter * n_per_filter + tap * at->n_channels + channel];
                assert_true(fabs((double)found - factor * (double)number(index)) < 1e-6);
            }
    }
    free(kernel);
    free(bias);
}

static void test_batch_norm_is_folded_and_taps_come_before_channels(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(SMALL_CFG);
    write_numbers(graph->n_weights);
    struct tess_weights *weights = open_weights(graph);
    struct op_numbers conv = {0, 4, 8, 12, 16, 4, 1, 9};
    check_op(weights, graph, 0, &conv);
    const int64_t base = 16 + 36; /* connected: biases, kernel, then the statistics */
    struct op_numbers connected = {base,     base + 75, base + 78, base + 81,
                                   base + 3, 3,         4,         6};
    check_op(weights, graph, 1, &connected);
    assert_int_equal(graph->n_weights, base + 84);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_without_batch_norm_weights_are_the_files_bits(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph("[net]\nheight=1\nwidth=1\nchannels=3\n[conv]\nfilters=2\n");
    write_numbers(graph->n_weights);
    struct tess_weights *weights = open_weights(graph);
    float kernel[6], bias[2], expected[8];
    for (int i = 0; i < 8; i++)
        expected[i] = number(i);
    assert_int_equal(tess_weights_read(weights, graph, 0, 0, 2, kernel, bias, NULL),
                     TESS_OK);
    assert_memory_equal(bias, expected, sizeof bias);
    assert_memory_equal(kernel, expected + 2, sizeof kernel);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_slices_of_filters_equal_the_whole(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        "[net]\nheight=8\nwidth=8\nchannels=32\n"
        "[conv]\nfilters=300\nsize=3\npad=1\nbatch_normalize=1\n[connected]\noutput=5\n");
    assert_int_equal(tess_synth_write(graph, 3, temporary, NULL), TESS_OK);
    struct tess_weights *weights = open_weights(graph);
    struct tess_rng rng;
    tess_rng_init(&rng, testing_seed(11));
    for (int op = 0; op < graph->n_ops; op++) {
        int n_filters = graph->tensors[graph->ops[op].output].c;
        int64_t n_kernel = tess_op_n_kernel(graph, &graph->ops[op]);
        int64_t n_per_filter = n_kernel / n_filters;
        float *whole = calloc((size_t)(n_kernel + n_filters), sizeof *whole);
        float *parts = calloc((size_t)(n_kernel + n_filters), sizeof *parts);
        assert_int_equal(tess_weights_read(weights, graph, op, 0, n_filters, whole,
                                           whole + n_kernel, NULL),
                         TESS_OK);
        for (int begin = 0, end; begin < n_filters; begin = end) {
            end = begin + tess_rng_int(&rng, 1, n_filters - begin);
            assert_int_equal(tess_weights_read(weights, graph, op, begin, end,
                                               parts + begin * n_per_filter,
                                               parts + n_kernel + begin, NULL),
                             TESS_OK);
        }
        assert_memory_equal(whole, parts, sizeof *whole * (size_t)(n_kernel + n_filters));
        free(whole);
        free(parts);
    }
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

/* 21x21 taps of 40 channels: a filter is larger than the window, which splits rows of taps.
 * 1100 filters: more than statistics are held for. */
static void test_the_files_order_holds_the_same_numbers(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        "[net]\nheight=22\nwidth=22\nchannels=40\n"
        "[conv]\nfilters=3\nsize=21\nbatch_normalize=1\n"
        "[conv]\nfilters=1100\nsize=2\nbatch_normalize=1\n[connected]\noutput=5\n");
    assert_int_equal(tess_synth_write(graph, 4, temporary, NULL), TESS_OK);
    struct tess_weights *weights = open_weights(graph);
    tess_weights_leave_cache(weights);
    for (int op = 0; op < graph->n_ops; op++) {
        const struct tess_window *window = &graph->ops[op].window;
        int n_filters = graph->tensors[graph->ops[op].output].c;
        int64_t n_kernel = tess_op_n_kernel(graph, &graph->ops[op]);
        int64_t n_per_filter = n_kernel / n_filters;
        int64_t n_taps = (int64_t)window->kernel_h * window->kernel_w;
        int64_t n_channels = n_per_filter / n_taps;
        float *kernel = calloc((size_t)(n_kernel + n_filters), sizeof *kernel);
        float *stored = calloc((size_t)(n_kernel + n_filters), sizeof *stored);
        assert_int_equal(tess_weights_read(weights, graph, op, 0, n_filters, kernel,
                                           kernel + n_kernel, NULL),
                         TESS_OK);
        assert_int_equal(tess_weights_read_stored(weights, graph, op, 0, n_filters,
                                                  stored, stored + n_kernel, NULL),
                         TESS_OK);
        for (int64_t i = 0; i < n_kernel; i++) {
            int64_t filter = i / n_per_filter, in_filter = i % n_per_filter;
            int64_t channel = in_filter / n_taps, tap = in_filter % n_taps;
            int64_t at = filter * n_per_filter + tap * n_channels + channel;
            assert_memory_equal(&kernel[at], &stored[i], sizeof *kernel);
        }
        assert_memory_equal(kernel + n_kernel, stored + n_kernel,
                            sizeof *kernel * (size_t)n_filters);
        free(kernel);
        free(stored);
    }
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_cut_graph_reads_the_same_weights(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(SMALL_CFG), *part = NULL;
    assert_int_equal(tess_graph_cut(graph, 1, 1, &part, NULL), TESS_OK);
    write_numbers(graph->n_weights);
    struct tess_weights *weights = open_weights(graph);
    float whole[75], cut[75];
    assert_int_equal(tess_weights_read(weights, graph, 1, 0, 3, whole, whole + 72, NULL),
                     TESS_OK);
    assert_int_equal(tess_weights_read(weights, part, 0, 0, 3, cut, cut + 72, NULL),
                     TESS_OK);
    assert_memory_equal(whole, cut, sizeof whole);
    tess_weights_destroy(weights);
    tess_graph_destroy(part);
    tess_graph_destroy(graph);
}

/* Resident pages of files, from the kernel's own count; -1 if unknown. */
static int64_t resident_file_bytes(void)
{
    struct tess_text text = {0};
    int64_t kilobytes = -1;
    if (tess_file_read("/proc/self/status", 1 << 16, &text, NULL) == TESS_OK) {
        const char *line = strstr(tess_text_string(&text), "RssFile:");
        kilobytes = line ? strtoll(line + strlen("RssFile:"), NULL, 10) : -1;
    }
    tess_text_release(&text);
    return kilobytes < 0 ? -1 : kilobytes * 1024;
}

static void test_reading_gives_the_files_pages_back(void **state)
{
    (void)state;
    if (resident_file_bytes() < 0) {
        print_message("SKIPPED: /proc/self/status does not tell RssFile\n");
        skip();
    }
    struct tess_graph *graph = testing_graph("[net]\nheight=1\nwidth=1\nchannels=2048\n["
                                             "conv]\nfilters=2048\nbatch_normalize=1\n");
    assert_int_equal(tess_synth_write(graph, 5, temporary, NULL), TESS_OK);
    struct tess_weights *weights = open_weights(graph);
    float *kernel = calloc(2048 * 2048 + 2048, sizeof *kernel);
    float *bias = kernel + 2048 * 2048;
    assert_int_equal(tess_weights_read(weights, graph, 0, 0, 1, kernel, bias, NULL),
                     TESS_OK);
    int64_t before = resident_file_bytes();
    assert_int_equal(tess_weights_read(weights, graph, 0, 0, 2048, kernel, bias, NULL),
                     TESS_OK);
    assert_true(resident_file_bytes() - before < 1 << 20); /* of 16 MiB */
    free(kernel);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_missing_file_and_folder_are_io_errors(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(SMALL_CFG);
    struct tess_weights *weights = NULL;
    assert_int_equal(tess_weights_open(graph, "tests/none.weights", &weights, NULL),
                     TESS_E_IO);
    assert_int_equal(tess_weights_open(graph, "tests", &weights, NULL), TESS_E_IO);
    assert_null(weights);
    tess_weights_destroy(NULL);
    tess_graph_destroy(graph);
}

/* Reads everything, as a program would, in either order of kernels. */
static enum tess_status read_all(struct tess_weights *weights,
                                 const struct tess_graph *graph, bool is_stored,
                                 struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int op = 0; op < graph->n_ops && status == TESS_OK; op++) {
        int n_filters = graph->tensors[graph->ops[op].output].c;
        int64_t n_kernel = tess_op_n_kernel(graph, &graph->ops[op]);
        if (n_kernel == 0)
            continue;
        float *kernel = calloc((size_t)(n_kernel + n_filters), sizeof *kernel);
        status = (is_stored ? tess_weights_read_stored : tess_weights_read)(
            weights, graph, op, 0, n_filters, kernel, kernel + n_kernel, error);
        free(kernel);
    }
    return status;
}

static void check_case(const char *folder, bool is_stored)
{
    char path[600];
    struct tess_weights *weights = NULL;
    struct tess_text found = {0};
    struct tess_error error;
    tess_error_init(&error);
    print_message("%s\n", folder);
    struct tess_text cfg = recorded_input(folder, "input.cfg");
    struct tess_graph *graph = testing_graph(tess_text_string(&cfg));
    snprintf(path, sizeof path, "%s/input.bin", folder);
    enum tess_status status = tess_weights_open(graph, path, &weights, &error);
    if (status == TESS_OK)
        status = read_all(weights, graph, is_stored, &error);
    bool is_good = strstr(folder, "/ok-") != NULL;
    assert_int_equal(status, is_good ? TESS_OK : TESS_E_MODEL);
    if (!is_good) {
        snprintf(error.file, sizeof error.file,
                 "input.bin"); /* not the checkout's path */
        testing_print_error(&found, &error);
        recorded_expect(folder, "error", &found);
    }
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
    tess_text_release(&cfg);
    tess_text_release(&found);
}

static void check_both_orders(const char *folder, void *context)
{
    (void)context;
    check_case(folder, false);
    check_case(folder, true);
}

static void test_every_case_gives_its_error(void **state)
{
    (void)state;
    assert_true(recorded_each("tests/cases/weights", check_both_orders, NULL) >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm_is_folded_and_taps_come_before_channels),
        cmocka_unit_test(test_without_batch_norm_weights_are_the_files_bits),
        cmocka_unit_test(test_slices_of_filters_equal_the_whole),
        cmocka_unit_test(test_the_files_order_holds_the_same_numbers),
        cmocka_unit_test(test_cut_graph_reads_the_same_weights),
        cmocka_unit_test(test_reading_gives_the_files_pages_back),
        cmocka_unit_test(test_missing_file_and_folder_are_io_errors),
        cmocka_unit_test(test_every_case_gives_its_error),
    };
    return cmocka_run_group_tests(tests, make_temporary, remove_temporary);
}
