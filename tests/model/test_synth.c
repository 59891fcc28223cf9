#include "model/synth.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "model/weights.h"
#include "tests/model/model_testing.h"

#define CFG                                                                              \
    TESTING_NET                                                                          \
    "[conv]\nfilters=16\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"           \
    "[maxpool]\nsize=2\nstride=2\n"                                                      \
    "[conv]\nfilters=16\nsize=3\npad=1\nactivation=leaky\n"                              \
    "[shortcut]\nfrom=-2\nactivation=leaky\n"                                            \
    "[connected]\noutput=7\nbatch_normalize=1\nactivation=linear\n"                      \
    "[yolo]\nclasses=2\nanchors=1,1\n"

static char folder[] = "/tmp/tessera-test-XXXXXX";
static char path[64], other[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/a.weights", folder);
    snprintf(other, sizeof other, "%s/b.weights", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder); /* fails if a temporary file was left behind */
}

static uint64_t file_hash(const char *file)
{
    struct tess_text bytes = testing_read(file);
    uint64_t hash = tess_hash_bytes(TESS_HASH_START, bytes.data, bytes.len);
    tess_text_release(&bytes);
    return hash;
}

static void test_same_seed_gives_the_same_bytes_on_every_machine(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    assert_int_equal(tess_synth_write(graph, 1, path, NULL), TESS_OK);
    assert_int_equal(tess_synth_write(graph, 1, other, NULL), TESS_OK);
    assert_true(file_hash(path) == file_hash(other));
    assert_true(file_hash(path) == UINT64_C(0xa7db58dc8bc957cb));
    assert_int_equal(tess_synth_write(graph, 2, other, NULL), TESS_OK);
    assert_true(file_hash(path) != file_hash(other));
    tess_graph_destroy(graph);
}

static void test_written_file_fits_its_graph(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    struct tess_weights *weights = NULL;
    assert_int_equal(tess_synth_write(graph, 9, path, NULL), TESS_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_size, 20 + 4 * graph->n_weights);
    assert_int_equal(info.st_mode & 0777, 0644);
    assert_int_equal(tess_weights_open(graph, path, &weights, NULL), TESS_OK);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_kernels_have_the_spread_of_their_fan_in(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph("[net]\nheight=8\nwidth=8\nchannels=64\n"
                      "[conv]\nfilters=64\nsize=3\nactivation=linear\n"
                      "[conv]\nfilters=64\nsize=3\nactivation=linear\n");
    struct tess_weights *weights = NULL;
    float *kernel = calloc(64 * 64 * 9, sizeof *kernel), bias[64];
    assert_int_equal(tess_synth_write(graph, 9, path, NULL), TESS_OK);
    assert_int_equal(tess_weights_open(graph, path, &weights, NULL), TESS_OK);
    assert_int_equal(tess_weights_read(weights, graph, 1, 0, 64, kernel, bias, NULL),
                     TESS_OK);
    double sum = 0, squares = 0;
    for (int i = 0; i < 64 * 64 * 9; i++) {
        sum += (double)kernel[i];
        squares += (double)kernel[i] * (double)kernel[i];
    }
    assert_true(fabs(sum / (64 * 64 * 9)) < 1e-3);
    assert_true(fabs(squares / 64 - 1) < 0.05); /* each filter: variance 1 from input 1 */
    free(kernel);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_objectness_before_a_head_is_rare(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    struct tess_weights *weights = NULL;
    float *kernel = calloc(7 * 16 * 16, sizeof *kernel), bias[7];
    assert_int_equal(tess_synth_write(graph, 9, path, NULL), TESS_OK);
    assert_int_equal(tess_weights_open(graph, path, &weights, NULL), TESS_OK);
    int connected = graph->n_ops - 2;
    assert_int_equal(
        tess_weights_read(weights, graph, connected, 0, 7, kernel, bias, NULL), TESS_OK);
    for (int i = 0; i < 7; i++)
        assert_int_equal(bias[i] < -3, i == 4);
    free(kernel);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
}

static void test_unwritable_places_are_io_errors_and_stay_as_they_were(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_synth_write(graph, 1, "/none/a.weights", &error), TESS_E_IO);
    assert_string_equal(error.file, "/none/a.weights");
    assert_int_equal(tess_synth_write(graph, 1, folder, NULL), TESS_E_IO);
    assert_int_equal(tess_synth_write(graph, 1, "/dev/null", NULL), TESS_E_IO);
    struct stat info;
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    tess_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_gives_the_same_bytes_on_every_machine),
        cmocka_unit_test(test_written_file_fits_its_graph),
        cmocka_unit_test(test_kernels_have_the_spread_of_their_fan_in),
        cmocka_unit_test(test_objectness_before_a_head_is_rare),
        cmocka_unit_test(test_unwritable_places_are_io_errors_and_stay_as_they_were),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
