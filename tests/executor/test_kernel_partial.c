/* Partial convolutions in every family: they go on from the sums they are given, wherever those
 * lie, in any window and slice; a chain of them is the whole convolution within rounding. */
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

static const struct tess_kernel_family *const families[] = {
    &tess_kernel_ref, &tess_kernel_nat, &tess_kernel_xnn};
enum { N_FAMILIES = sizeof families / sizeof families[0] };

static struct pthreadpool *two_threads;

static int start(void **state)
{
    (void)state;
    two_threads = pthreadpool_create(2);
    for (int i = 0; i < N_FAMILIES; i++)
        if (families[i]->start(0, NULL))
            return 1;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pthreadpool_destroy(two_threads);
    for (int i = 0; i < N_FAMILIES; i++)
        families[i]->stop();
    return 0;
}

/* Op 1 goes on from op 0, both a half of a kernel over twice the input's channels. */
static struct tess_graph *chain_graph(struct tess_rng *rng, int size)
{
    int inputs[2] = {TESS_GRAPH_INPUT, 1};
    struct tess_shape in = {tess_rng_int(rng, 1, size), tess_rng_int(rng, 1, size),
                            tess_rng_int(rng, 1, size)};
    struct tess_op ops[2] = {tess_op_neutral(TESS_OP_CONV, 0, inputs),
                             tess_op_neutral(TESS_OP_CONV, 0, inputs)};
    int kernel = tess_rng_int(rng, 0, 1) ? 1 : 3;
    ops[0].window = small_graph_window(kernel, tess_rng_int(rng, 1, 2), kernel / 2);
    ops[0].kernel_channels = 2 * (int)in.c;
    ops[1] = ops[0];
    ops[1].n_inputs = 2;
    ops[1].channel_begin = (int)in.c;
    ops[1].layer = 1;
    ops[1].activation = (enum tess_activation)tess_rng_int(rng, 0, TESS_ACT_N_KINDS - 1);
    struct tess_shape out =
        small_graph_window_shape(in, ops[0].window, tess_rng_int(rng, 1, 2 * size));
    struct tess_shape outs[2] = {out, out};
    return small_graph_create(in, ops, outs, 2);
}

/* One output element before its activation, in double. */
static double sum_at(const struct kernel_lab *lab, int y, int x, int filter)
{
    const struct tess_op *op = &lab->graph->ops[lab->op];
    const struct tess_tensor *in = &lab->graph->tensors[op->inputs[0]];
    const struct tess_tensor *out = &lab->graph->tensors[op->output];
    const struct tess_window *window = &op->window;
    double sum = (double)lab->in[1][(y * out->w + x) * out->c + filter];
    const float *weight =
        lab->kernel + (ptrdiff_t)filter * window->kernel_h * window->kernel_w * in->c;
    for (int tap = 0; tap < window->kernel_h * window->kernel_w; tap++, weight += in->c) {
        int row = y * window->stride_h - window->pad_top + tap / window->kernel_w;
        int col = x * window->stride_w - window->pad_left + tap % window->kernel_w;
        if (row < 0 || row >= in->h || col < 0 || col >= in->w)
            continue;
        for (int c = 0; c < in->c; c++)
            sum +=
                (double)weight[c] * (double)lab->in[0][(row * in->w + col) * in->c + c];
    }
    return sum;
}

static float *expected_of(const struct kernel_lab *lab)
{
    const struct tess_op *op = &lab->graph->ops[lab->op];
    const struct tess_tensor *out = &lab->graph->tensors[op->output];
    float *values = malloc((size_t)lab->n_out * sizeof *values);
    for (int i = 0; i < lab->n_out; i++) {
        int pixel = i / out->c;
        values[i] = (float)sum_at(lab, pixel / out->w, pixel % out->w, i % out->c);
    }
    tess_activate(op->activation, values, lab->n_out);
    return values;
}

static void assert_near(const struct kernel_lab *lab, const float *expected,
                        const float *found, const char *what, uint64_t seed)
{
    for (int64_t i = 0; i < lab->n_out; i++)
        if (!(fabs((double)expected[i] - (double)found[i]) < 2e-5))
            fail_msg("seed %llu, %s: element %lld is %g, not %g",
                     (unsigned long long)seed, what, (long long)i, (double)found[i],
                     (double)expected[i]);
}

/* Windows that cover the output, each with sums from planes of their own. */
static void compute_in_windows(struct kernel_lab *lab, struct tess_kernel *kernel,
                               const struct lab_run *run, struct tess_rng *rng,
                               float *out)
{
    struct lab_window whole = lab_window_whole(lab), window = whole;
    for (int row = 0; row < whole.row_end; row = window.row_end) {
        window.row_begin = row;
        window.row_end = tess_rng_int(rng, row + 1, whole.row_end);
        for (int col = 0; col < whole.col_end; col = window.col_end) {
            window.col_begin = col;
            window.col_end = tess_rng_int(rng, col + 1, whole.col_end);
            kernel_lab_compute(lab, kernel, run, window, out);
        }
    }
}

static void check_family(struct kernel_lab *lab, const struct tess_kernel_family *family,
                         const float *expected, struct tess_rng *rng, uint64_t seed)
{
    float *whole = kernel_lab_whole(lab, family);
    assert_near(lab, expected, whole, family->name, seed);
    struct lab_run run = lab_run_whole(lab, family);
    run.pool = tess_rng_int(rng, 0, 1) ? two_threads : NULL;
    run.in_extra = tess_rng_int(rng, 0, 3);
    run.out_extra = tess_rng_int(rng, 0, 3);
    struct tess_kernel *kernel = kernel_lab_create(lab, &run);
    assert_non_null(kernel);
    float *parts = malloc((size_t)lab->n_out * sizeof *parts);
    compute_in_windows(lab, kernel, &run, rng, parts);
    assert_memory_equal(parts, whole, (size_t)lab->n_out * sizeof *parts);
    free(parts);
    family->destroy(kernel);
    free(whole);
}

static void test_sums_go_on_from_those_given(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(71);
    for (uint64_t round = 0; round < 200; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, chain_graph(&rng, 20), 1, &rng);
        float *expected = expected_of(&lab);
        for (int i = 0; i < N_FAMILIES; i++)
            check_family(&lab, families[i], expected, &rng, seed + round);
        free(expected);
        kernel_lab_release(&lab);
    }
}

static struct tess_plane plane_of(const struct tess_tensor *tensor, float *values)
{
    return (struct tess_plane){
        .data = values,
        .n_rows = tensor->h,
        .n_cols = tensor->w,
        .channels = tensor->c,
        .row_stride = (size_t)tensor->w * (size_t)tensor->c,
        .pixel_stride = (size_t)tensor->c,
    };
}

static void test_sums_may_lie_where_the_output_goes(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(72);
    for (uint64_t round = 0; round < 100; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, chain_graph(&rng, 20), 1, &rng);
        const struct tess_tensor *in = &lab.graph->tensors[TESS_GRAPH_INPUT];
        const struct tess_tensor *out = &lab.graph->tensors[2];
        for (int i = 0; i < N_FAMILIES; i++) {
            float *apart = kernel_lab_whole(&lab, families[i]);
            float *here = malloc((size_t)lab.n_out * sizeof *here);
            memcpy(here, lab.in[1], (size_t)lab.n_out * sizeof *here);
            struct lab_run run = lab_run_whole(&lab, families[i]);
            struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
            struct tess_kernel_call call = {
                .in = {plane_of(in, lab.in[0]), plane_of(out, here)},
                .out = plane_of(out, here)};
            assert_int_equal(families[i]->run(kernel, &call, NULL, NULL), TESS_OK);
            assert_memory_equal(here, apart, (size_t)lab.n_out * sizeof *here);
            families[i]->destroy(kernel);
            free(here);
            free(apart);
        }
        kernel_lab_release(&lab);
    }
}

/* All blocks of the op, packed. */
static char *pack(const struct kernel_lab *lab, int64_t *block_bytes_out)
{
    int n_blocks = tess_packed_n_blocks(lab->graph, lab->op);
    int64_t block_bytes = tess_packed_block_bytes(lab->graph, lab->op);
    int64_t n_per_filter = tess_op_n_kernel(lab->graph, &lab->graph->ops[lab->op]) /
                           lab->graph->tensors[2].c;
    char *packed = aligned_alloc(64, (size_t)(n_blocks * block_bytes));
    for (int block = 0; block < n_blocks; block++) {
        int begin, end;
        tess_packed_block_filters(lab->graph, lab->op, block, &begin, &end);
        tess_packed_fill(lab->graph, lab->op, block, lab->kernel + begin * n_per_filter,
                         lab->bias + begin, packed + block * block_bytes);
    }
    *block_bytes_out = block_bytes;
    return packed;
}

static void test_slices_of_blocks_have_the_bits_of_the_whole(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(73);
    for (uint64_t round = 0; round < 100; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, chain_graph(&rng, 40), 1, &rng);
        int64_t block_bytes;
        char *packed = pack(&lab, &block_bytes);
        float *whole = kernel_lab_whole(&lab, &tess_kernel_nat);
        float *parts = malloc((size_t)lab.n_out * sizeof *parts);
        struct lab_run run = lab_run_whole(&lab, &tess_kernel_nat);
        run.without_weights = true;
        struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
        int n_blocks = tess_packed_n_blocks(lab.graph, lab.op);
        for (int first = 0; first < n_blocks; first += run.n_blocks) {
            run.first_block = first;
            run.n_blocks = tess_rng_int(&rng, 1, n_blocks - first);
            run.packed = packed + first * block_bytes;
            kernel_lab_compute(&lab, kernel, &run, lab_window_whole(&lab), parts);
        }
        assert_memory_equal(parts, whole, (size_t)lab.n_out * sizeof *parts);
        tess_kernel_nat.destroy(kernel);
        free(parts);
        free(whole);
        free(packed);
        kernel_lab_release(&lab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_go_on_from_those_given),
        cmocka_unit_test(test_sums_may_lie_where_the_output_goes),
        cmocka_unit_test(test_slices_of_blocks_have_the_bits_of_the_whole),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
