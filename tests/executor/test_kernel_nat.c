/* Our own kernels: right within rounding with every instruction set, the same bits for
 * slices of blocks, as large as the facts say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthreadpool.h>

#include "base/arith.h"
#include "executor/kernel_priv.h"
#include "model/packed.h"
#include "tests/support/kernel_lab.h"
#include "tests/support/small_graph.h"

static const char *const isas[] = {"generic", "avx2", "avx512"};
enum { N_ISAS = sizeof isas / sizeof isas[0] };

static struct pthreadpool *two_threads;

static int start(void **state)
{
    (void)state;
    two_threads = pthreadpool_create(2);
    return tess_kernel_ref.start(0, NULL) || tess_kernel_nat.start(0, NULL);
}

static int stop(void **state)
{
    (void)state;
    pthreadpool_destroy(two_threads);
    tess_kernel_nat.stop();
    return 0;
}

/* Starts the family again with an instruction set, NULL for the best; false if the
 * processor has it not. */
static bool restart(const char *isa)
{
    tess_kernel_nat.stop();
    if (isa)
        setenv("TESS_NAT_ISA", isa, 1);
    bool is_there = tess_kernel_nat.start(0, NULL) == TESS_OK;
    unsetenv("TESS_NAT_ISA");
    return is_there;
}

/* Largest difference to the plain kernel, relative to the largest output. */
static double relative_error(struct kernel_lab *lab)
{
    float *expected = kernel_lab_whole(lab, &tess_kernel_ref);
    float *actual = kernel_lab_whole(lab, &tess_kernel_nat);
    double largest = 1e-30, error = 0.0;
    for (int64_t i = 0; i < lab->n_out; i++) {
        double difference = fabs((double)expected[i] - (double)actual[i]);
        largest = fmax(largest, fabs((double)expected[i]));
        error = difference > error || isnan(difference) ? difference : error;
    }
    free(expected);
    free(actual);
    return error / largest;
}

static void check_random_convolutions(uint64_t seed)
{
    for (uint64_t round = 0; round < 300; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, kernel_lab_random_conv(&rng, 36), 0, &rng);
        double error = relative_error(&lab);
        if (!(error < 1e-5))
            fail_msg("seed %llu: error %g", (unsigned long long)(seed + round), error);
        kernel_lab_release(&lab);
    }
}

static void test_random_convolutions_are_those_of_ref_within_rounding(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(51);
    for (int i = 0; i < N_ISAS; i++)
        if (restart(isas[i]))
            check_random_convolutions(seed + 1000 * (uint64_t)i);
    assert_true(restart(NULL));
}

static void layer_lab(struct kernel_lab *lab, struct tess_shape in, int kernel,
                      int stride, int groups, int filters)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    op.window = small_graph_window(kernel, stride, kernel / 2);
    op.groups = groups;
    op.activation = TESS_ACT_LEAKY;
    struct tess_shape out = small_graph_window_shape(in, op.window, filters);
    struct tess_rng rng;
    tess_rng_init(&rng, 3);
    kernel_lab_init(lab, small_graph_create(in, &op, &out, 1), 0, &rng);
}

static const struct layer {
    struct tess_shape in;
    int kernel, stride, groups, filters;
} layers[] = {
    {{38, 38, 3}, 3, 1, 1, 32},     {{64, 64, 3}, 7, 2, 1, 64},
    {{7, 7, 1100}, 3, 1, 1, 40},    {{19, 19, 1024}, 1, 1, 1, 425},
    {{28, 28, 128}, 3, 1, 32, 128}, {{28, 28, 96}, 5, 1, 2, 68},
    {{56, 56, 72}, 3, 1, 72, 72},   {{28, 28, 100}, 7, 1, 100, 100},
    {{28, 28, 1}, 3, 1, 1, 1},      {{1, 1, 512}, 1, 1, 1, 1000},
};
enum { N_LAYERS = sizeof layers / sizeof layers[0] };

static void lab_of(struct kernel_lab *lab, const struct layer *layer)
{
    layer_lab(lab, layer->in, layer->kernel, layer->stride, layer->groups,
              layer->filters);
}

static void test_real_layers_are_those_of_ref_within_rounding(void **state)
{
    (void)state;
    for (int i = 0; i < N_LAYERS; i++) {
        struct kernel_lab lab;
        lab_of(&lab, &layers[i]);
        assert_true(relative_error(&lab) < 1e-5);
        kernel_lab_release(&lab);
    }
}

/* Plans may mix processors: fused sums are the same on all that have them. */
static void test_instruction_sets_with_fused_sums_have_the_same_bits(void **state)
{
    (void)state;
    if (!restart("avx512")) {
        assert_true(restart(NULL));
        skip();
    }
    for (int i = 0; i < N_LAYERS; i++) {
        struct kernel_lab lab;
        lab_of(&lab, &layers[i]);
        assert_true(restart("avx512"));
        float *wide = kernel_lab_whole(&lab, &tess_kernel_nat);
        assert_true(restart("avx2"));
        float *narrow = kernel_lab_whole(&lab, &tess_kernel_nat);
        assert_memory_equal(wide, narrow, (size_t)lab.n_out * sizeof(float));
        free(wide);
        free(narrow);
        kernel_lab_release(&lab);
    }
    assert_true(restart(NULL));
}

static void test_connected_reads_the_whole_map_at_any_stride(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONNECTED, 0, &input);
    op.window.kernel_h = 5;
    op.window.kernel_w = 4;
    op.activation = TESS_ACT_LEAKY;
    struct tess_shape in = {5, 4, 30}, out = {1, 1, 77};
    struct tess_rng rng;
    tess_rng_init(&rng, 3);
    struct kernel_lab lab;
    kernel_lab_init(&lab, small_graph_create(in, &op, &out, 1), 0, &rng);
    assert_true(relative_error(&lab) < 1e-5);
    float *dense = kernel_lab_whole(&lab, &tess_kernel_nat);
    float *strided = calloc((size_t)lab.n_out, sizeof(float));
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_nat);
    run.in_extra = 3;
    run.row_extra = 5;
    struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
    kernel_lab_compute(&lab, kernel, &run, lab_window_whole(&lab), strided);
    assert_memory_equal(dense, strided, (size_t)lab.n_out * sizeof(float));
    tess_kernel_nat.destroy(kernel);
    free(dense);
    free(strided);
    kernel_lab_release(&lab);
}

/* New packed weights of the whole op. */
static unsigned char *pack(const struct kernel_lab *lab)
{
    int n_blocks = tess_packed_n_blocks(lab->graph, 0);
    int64_t block_bytes = tess_packed_block_bytes(lab->graph, 0);
    int64_t per_filter = block_bytes / 64 - 1;
    unsigned char *packed = aligned_alloc(64, (size_t)(n_blocks * block_bytes));
    for (int block = 0; block < n_blocks; block++) {
        int begin, end;
        tess_packed_block_filters(lab->graph, 0, block, &begin, &end);
        tess_packed_fill(lab->graph, 0, block, lab->kernel + begin * per_filter,
                         lab->bias + begin, packed + block * block_bytes);
    }
    return packed;
}

/* Slices of random length, given with the call or of the kernel's own weights. */
static void check_slices(struct kernel_lab *lab, struct tess_rng *rng)
{
    int n_blocks = tess_packed_n_blocks(lab->graph, 0);
    int64_t block_bytes = tess_packed_block_bytes(lab->graph, 0);
    unsigned char *packed = pack(lab);
    float *whole = kernel_lab_whole(lab, &tess_kernel_nat);
    struct lab_run run = lab_run_whole(lab, &tess_kernel_nat);
    run.without_weights = tess_rng_int(rng, 0, 3) > 0;
    run.pool = tess_rng_int(rng, 0, 1) ? two_threads : NULL;
    run.out_extra = tess_rng_int(rng, 0, 2);
    struct tess_kernel *kernel = kernel_lab_create(lab, &run);
    assert_non_null(kernel);
    float *sliced = calloc((size_t)lab->n_out, sizeof(float));
    for (; run.first_block < n_blocks; run.first_block += run.n_blocks) {
        run.n_blocks = tess_rng_int(rng, 1, n_blocks - run.first_block);
        if (run.without_weights)
            run.packed = packed + run.first_block * block_bytes;
        kernel_lab_compute(lab, kernel, &run, lab_window_whole(lab), sliced);
    }
    assert_memory_equal(whole, sliced, (size_t)lab->n_out * sizeof(float));
    tess_kernel_nat.destroy(kernel);
    free(packed);
    free(whole);
    free(sliced);
}

static void test_slices_of_blocks_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(52);
    for (uint64_t round = 0; round < 200; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, kernel_lab_random_conv(&rng, 80), 0, &rng);
        check_slices(&lab, &rng);
        kernel_lab_release(&lab);
    }
}

static void test_two_threads_have_the_bits_of_one(void **state)
{
    (void)state;
    for (int i = 0; i < N_LAYERS; i++) {
        struct kernel_lab lab;
        lab_of(&lab, &layers[i]);
        float *whole = kernel_lab_whole(&lab, &tess_kernel_nat);
        struct lab_run run = lab_run_whole(&lab, &tess_kernel_nat);
        run.pool = two_threads;
        struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
        float *out = calloc((size_t)lab.n_out, sizeof(float));
        kernel_lab_compute(&lab, kernel, &run, lab_window_whole(&lab), out);
        assert_memory_equal(whole, out, (size_t)lab.n_out * sizeof(float));
        tess_kernel_nat.destroy(kernel);
        free(whole);
        free(out);
        kernel_lab_release(&lab);
    }
}

static void test_kernels_hold_what_the_facts_predict(void **state)
{
    (void)state;
    struct tess_kernel_facts facts;
    tess_kernel_nat.facts(&facts);
    for (int i = 0; i < N_LAYERS; i++) {
        struct kernel_lab lab;
        lab_of(&lab, &layers[i]);
        struct lab_run run = lab_run_whole(&lab, &tess_kernel_nat);
        int64_t weights_bytes = tess_facts_weights_bytes(&facts, lab.graph, 0);
        int64_t workspace_bytes =
            tess_facts_workspace_bytes(&facts, lab.graph, 0, run.largest);
        assert_int_equal(weights_bytes, tess_packed_n_blocks(lab.graph, 0) *
                                            tess_packed_block_bytes(lab.graph, 0));
        assert_int_equal(tess_facts_scratch_bytes(&facts, lab.graph, 0),
                         tess_packed_block_bytes(lab.graph, 0));
        assert_true(workspace_bytes <= 512 + TESS_FACTS_PAGE_BYTES);
        struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
        assert_int_equal(tess_kernel_nat.heap_bytes(), weights_bytes + workspace_bytes);
        assert_true(kernel->pen.used_bytes > weights_bytes);
        tess_kernel_nat.destroy(kernel);
        run.without_weights = true;
        kernel = kernel_lab_create(&lab, &run);
        assert_int_equal(tess_kernel_nat.heap_bytes(), tess_facts_bare_bytes(&facts));
        assert_true(tess_facts_bare_bytes(&facts) <= 512);
        tess_kernel_nat.destroy(kernel);
        assert_int_equal(tess_kernel_nat.heap_bytes(), 0);
        kernel_lab_release(&lab);
    }
}

static void test_a_failing_reader_of_weights_leaves_nothing_behind(void **state)
{
    (void)state;
    struct kernel_lab lab;
    layer_lab(&lab, (struct tess_shape){4, 4, 20}, 3, 1, 1, 60);
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_nat);
    for (int64_t n_reads = 0; n_reads < 4; n_reads++) {
        lab.n_kernel_reads = n_reads;
        assert_null(kernel_lab_create(&lab, &run));
        assert_int_equal(tess_kernel_nat.heap_bytes(), 0);
    }
    kernel_lab_release(&lab);
}

static void test_an_unknown_instruction_set_is_refused(void **state)
{
    (void)state;
    struct tess_error error;
    tess_error_init(&error);
    tess_kernel_nat.stop();
    setenv("TESS_NAT_ISA", "mmx", 1);
    assert_int_equal(tess_kernel_nat.start(0, &error), TESS_E_USAGE);
    unsetenv("TESS_NAT_ISA");
    assert_non_null(strstr(error.message, "mmx"));
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
}

static void test_the_family_is_found_by_name_and_uses_packed_weights(void **state)
{
    (void)state;
    assert_ptr_equal(tess_kernel_family_find("nat"), &tess_kernel_nat);
    assert_true(tess_kernel_nat.uses_packed);
    assert_false(tess_kernel_ref.uses_packed);
    assert_false(tess_kernel_xnn.uses_packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_convolutions_are_those_of_ref_within_rounding),
        cmocka_unit_test(test_real_layers_are_those_of_ref_within_rounding),
        cmocka_unit_test(test_instruction_sets_with_fused_sums_have_the_same_bits),
        cmocka_unit_test(test_connected_reads_the_whole_map_at_any_stride),
        cmocka_unit_test(test_slices_of_blocks_have_the_bits_of_the_whole),
        cmocka_unit_test(test_two_threads_have_the_bits_of_one),
        cmocka_unit_test(test_kernels_hold_what_the_facts_predict),
        cmocka_unit_test(test_a_failing_reader_of_weights_leaves_nothing_behind),
        cmocka_unit_test(test_an_unknown_instruction_set_is_refused),
        cmocka_unit_test(test_the_family_is_found_by_name_and_uses_packed_weights),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
