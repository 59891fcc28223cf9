/* The bit-identity law: whatever windows, threads, strides and filters a plan asks for,
 * the bits are those of one whole call on one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthreadpool.h>

#include "base/arith.h"
#include "tests/support/kernel_lab.h"
#include "tests/support/small_graph.h"

enum { N_ROUNDS = 300, SIDE = 24 };

static const struct tess_kernel_family *const families[] = {
    &tess_kernel_ref, &tess_kernel_xnn, &tess_kernel_nat};
enum { N_FAMILIES = sizeof families / sizeof families[0] };
static struct pthreadpool *pools[2]; /* one thread, two threads */

static int start(void **state)
{
    (void)state;
    pools[0] = NULL;
    pools[1] = pthreadpool_create(2);
    return tess_kernel_ref.start(0, NULL) || tess_kernel_xnn.start(0, NULL) ||
           tess_kernel_nat.start(0, NULL);
}

static int stop(void **state)
{
    (void)state;
    pthreadpool_destroy(pools[1]);
    for (size_t i = 0; i < N_FAMILIES; i++)
        families[i]->stop();
    return 0;
}

static void assert_same(const struct kernel_lab *lab, const float *a, const float *b)
{
    assert_memory_equal(a, b, (size_t)lab->n_out * sizeof(float));
}

static bool needs_two_pixels(const struct kernel_lab *lab,
                             const struct tess_kernel_family *family)
{
    struct tess_kernel_facts facts;
    family->facts(&facts);
    return tess_facts_caps(&facts, lab->graph, lab->op, (struct tess_call_shape){1, 1})
        .needs_two_pixels;
}

/* A kernel for random windows of at most random size, its planes a bit wider than needed.
 */
static struct lab_run random_run(const struct kernel_lab *lab,
                                 const struct tess_kernel_family *family,
                                 struct tess_rng *rng)
{
    struct tess_kernel_facts facts;
    family->facts(&facts);
    struct lab_run run = lab_run_whole(lab, family);
    /* Families that do not promise single pixels are asked for whole rows, or, where
     * these are single pixels, for all. */
    bool is_paired = needs_two_pixels(lab, family);
    bool is_full_width = is_paired || tess_rng_int(rng, 0, 1) == 0;
    if (!is_paired || run.largest.n_cols > 1)
        run.largest.n_rows = tess_rng_int(rng, 1, run.largest.n_rows);
    if (!is_full_width)
        run.largest.n_cols = tess_rng_int(rng, 1, run.largest.n_cols);
    struct tess_kernel_caps caps =
        tess_facts_caps(&facts, lab->graph, lab->op, run.largest);
    bool is_free = !caps.needs_dense_rows;
    run.pads_rows = caps.can_pad_rows && tess_rng_int(rng, 0, 1) == 0;
    run.pads_cols =
        caps.can_pad_cols && (is_full_width || is_free) && tess_rng_int(rng, 0, 1) == 0;
    run.in_extra = tess_rng_int(rng, 0, 2);
    run.out_extra = tess_rng_int(rng, 0, 2);
    run.row_extra = is_free ? tess_rng_int(rng, 0, 2) : 0;
    run.pool = pools[tess_rng_int(rng, 0, 1)];
    return run;
}

/* Covers the output with windows up to the run's largest, in random steps. A kernel that
 * pads columns is asked for full width, one that pads rows for full height, as the caps
 * say. */
static void compute_in_windows(struct kernel_lab *lab, const struct lab_run *run,
                               struct tess_rng *rng, float *out)
{
    struct lab_window whole = lab_window_whole(lab);
    struct tess_kernel *kernel = kernel_lab_create(lab, run);
    assert_non_null(kernel);
    bool is_rigid = run->family == &tess_kernel_xnn;
    bool is_paired = needs_two_pixels(lab, run->family);
    bool is_full_height =
        (is_rigid && run->pads_rows) || (is_paired && whole.col_end == 1);
    bool is_full_width = (is_rigid && run->pads_cols) || is_paired;
    for (int row = 0, n_rows; row < whole.row_end; row += n_rows) {
        n_rows = tess_rng_int(rng, 1, run->largest.n_rows);
        n_rows =
            tess_min_int(is_full_height ? whole.row_end : n_rows, whole.row_end - row);
        for (int col = 0, n_cols; col < whole.col_end; col += n_cols) {
            n_cols = tess_rng_int(rng, 1, run->largest.n_cols);
            n_cols =
                tess_min_int(is_full_width ? whole.col_end : n_cols, whole.col_end - col);
            struct lab_window window = {row, row + n_rows, col, col + n_cols};
            kernel_lab_compute(lab, kernel, run, window, out);
        }
    }
    run->family->destroy(kernel);
}

static void check_convolutions(const struct tess_kernel_family *family, uint64_t seed)
{
    for (uint64_t round = 0; round < N_ROUNDS; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, kernel_lab_random_conv(&rng, SIDE), 0, &rng);
        float *whole = kernel_lab_whole(&lab, family);
        float *tiled = calloc((size_t)lab.n_out, sizeof(float));
        struct lab_run run = random_run(&lab, family, &rng);
        compute_in_windows(&lab, &run, &rng, tiled);
        if (memcmp(whole, tiled, (size_t)lab.n_out * sizeof(float)) != 0)
            print_error("seed %llu\n", (unsigned long long)(seed + round));
        assert_same(&lab, whole, tiled);
        free(whole);
        free(tiled);
        kernel_lab_release(&lab);
    }
}

static void test_windows_of_plain_convolutions_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    check_convolutions(&tess_kernel_ref, kernel_lab_seed(1));
}

static void test_windows_of_xnn_convolutions_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    check_convolutions(&tess_kernel_xnn, kernel_lab_seed(2));
}

/* With every instruction set, the kernels being the same source. */
static void test_windows_of_our_convolutions_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    static const char *const isas[] = {"generic", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        tess_kernel_nat.stop();
        setenv("TESS_NAT_ISA", isas[i], 1);
        if (tess_kernel_nat.start(0, NULL) == TESS_OK)
            check_convolutions(&tess_kernel_nat, kernel_lab_seed(5));
        else
            print_message("no %s here\n", isas[i]);
    }
    unsetenv("TESS_NAT_ISA");
    tess_kernel_nat.stop();
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
}

static void check_windows_often(struct kernel_lab *lab,
                                const struct tess_kernel_family *family,
                                struct tess_rng *rng)
{
    float *whole = kernel_lab_whole(lab, family);
    float *tiled = calloc((size_t)lab->n_out, sizeof(float));
    for (int round = 0; round < 6; round++) {
        struct lab_run run = random_run(lab, family, rng);
        memset(tiled, 0, (size_t)lab->n_out * sizeof(float));
        compute_in_windows(lab, &run, rng, tiled);
        assert_same(lab, whole, tiled);
    }
    free(whole);
    free(tiled);
}

/* Layers large enough for several chunks and slices. */
static void test_chunks_and_slices_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    const struct {
        struct tess_shape in;
        int kernel, stride, filters;
    } layers[] = {{{70, 40, 8}, 3, 1, 70},
                  {{41, 90, 5}, 3, 2, 40},
                  {{60, 60, 20}, 1, 1, 90},
                  {{64, 64, 3}, 7, 2, 16},
                  {{11, 12, 700}, 3, 1, 33}};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        int input = TESS_GRAPH_INPUT;
        struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
        op.window =
            small_graph_window(layers[i].kernel, layers[i].stride, layers[i].kernel / 2);
        op.activation = TESS_ACT_LEAKY;
        struct tess_shape out =
            small_graph_window_shape(layers[i].in, op.window, layers[i].filters);
        struct tess_rng rng;
        tess_rng_init(&rng, i);
        struct kernel_lab lab;
        kernel_lab_init(&lab, small_graph_create(layers[i].in, &op, &out, 1), 0, &rng);
        check_windows_often(&lab, &tess_kernel_xnn, &rng);
        check_windows_often(&lab, &tess_kernel_nat, &rng);
        kernel_lab_release(&lab);
    }
}

/* Every pixel asked for alone: the case in which a library is tempted by a kernel of its
 * own. */
static void test_single_pixels_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 40; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, kernel_lab_seed(3) + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, kernel_lab_random_conv(&rng, 12), 0, &rng);
        for (size_t i = 0; i < N_FAMILIES; i++) {
            struct lab_run run = lab_run_whole(&lab, families[i]);
            run.largest = (struct tess_call_shape){1, 1};
            if (needs_two_pixels(&lab, families[i]))
                continue; /* promises nothing for them */
            run.pads_rows = run.pads_cols = families[i] != &tess_kernel_xnn;
            float *whole = kernel_lab_whole(&lab, families[i]);
            float *tiled = calloc((size_t)lab.n_out, sizeof(float));
            compute_in_windows(&lab, &run, &rng, tiled);
            assert_same(&lab, whole, tiled);
            free(whole);
            free(tiled);
        }
        kernel_lab_release(&lab);
    }
}

static void test_kernels_of_some_filters_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 100; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, kernel_lab_seed(4) + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, kernel_lab_random_conv(&rng, 48), 0, &rng);
        const struct tess_op *op = &lab.graph->ops[0];
        int n = lab.graph->tensors[op->output].c;
        int step = n / op->groups; /* cuts lie between groups */
        if (op->groups == 1)
            step = 1;
        for (size_t i = 0; i < N_FAMILIES; i++) {
            float *whole = kernel_lab_whole(&lab, families[i]);
            float *cut = calloc((size_t)lab.n_out, sizeof(float));
            struct lab_run run = lab_run_whole(&lab, families[i]);
            int middle = tess_rng_int(&rng, 0, n / step) * step;
            for (int half = 0; half < 2; half++) {
                run.filters.begin = half == 0 ? 0 : middle;
                run.filters.end = half == 0 ? middle : n;
                if (run.filters.begin == run.filters.end)
                    continue;
                struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
                assert_non_null(kernel);
                kernel_lab_compute(&lab, kernel, &run, lab_window_whole(&lab), cut);
                families[i]->destroy(kernel);
            }
            assert_same(&lab, whole, cut);
            free(whole);
            free(cut);
        }
        kernel_lab_release(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows_of_plain_convolutions_have_the_bits_of_the_whole),
        cmocka_unit_test(test_windows_of_xnn_convolutions_have_the_bits_of_the_whole),
        cmocka_unit_test(test_windows_of_our_convolutions_have_the_bits_of_the_whole),
        cmocka_unit_test(test_chunks_and_slices_have_the_bits_of_the_whole),
        cmocka_unit_test(test_single_pixels_have_the_bits_of_the_whole),
        cmocka_unit_test(test_kernels_of_some_filters_have_the_bits_of_the_whole),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
