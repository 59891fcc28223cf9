/* XNNPACK's kernels: right within rounding, as large as the facts say, silent after
 * create. */
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
#include "executor/xnn_heap.h"
#include "tests/support/kernel_lab.h"
#include "tests/support/small_graph.h"

static struct tess_kernel_facts facts;
static struct pthreadpool *two_threads;

static int start(void **state)
{
    (void)state;
    if (tess_kernel_ref.start(0, NULL) || tess_kernel_xnn.start(0, NULL))
        return -1;
    tess_kernel_xnn.facts(&facts);
    two_threads = pthreadpool_create(2);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    pthreadpool_destroy(two_threads);
    tess_kernel_xnn.stop();
    return 0;
}

static void square_lab(struct kernel_lab *lab, struct tess_shape in,
                       struct tess_window window, int filters)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    op.window = window;
    struct tess_shape out = small_graph_window_shape(in, window, filters);
    struct tess_rng rng;
    tess_rng_init(&rng, 3);
    kernel_lab_init(lab, small_graph_create(in, &op, &out, 1), 0, &rng);
}

/* Largest difference to the plain kernel, relative to the largest output. */
static double relative_error(struct kernel_lab *lab)
{
    float *expected = kernel_lab_whole(lab, &tess_kernel_ref);
    float *actual = kernel_lab_whole(lab, &tess_kernel_xnn);
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

static void test_random_convolutions_are_those_of_ref_within_rounding(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(31);
    for (uint64_t round = 0; round < 300; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        kernel_lab_init(&lab, kernel_lab_random_conv(&rng, 36), 0, &rng);
        assert_true(relative_error(&lab) < 1e-5);
        kernel_lab_release(&lab);
    }
}

static void test_connected_reads_the_whole_map(void **state)
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
    assert_false(tess_facts_is_plain(&facts, lab.graph, 0));
    assert_true(relative_error(&lab) < 1e-5);
    kernel_lab_release(&lab);
}

/* Shapes of real networks at sides that run fast: every kind of inner kernel, one slice
 * and many, one chunk and many. */
static const struct facts_case {
    struct tess_shape in;
    int kernel_h, kernel_w, stride, dilation, pad, groups, filters;
} facts_cases[] = {
    {{38, 38, 3}, 3, 3, 1, 1, 1, 1, 32},      {{64, 64, 3}, 7, 7, 2, 1, 3, 1, 64},
    {{19, 19, 1024}, 3, 3, 1, 1, 1, 1, 64},   {{19, 19, 1024}, 1, 1, 1, 1, 0, 1, 425},
    {{40, 30, 64}, 3, 3, 2, 1, 1, 1, 128},    {{26, 26, 96}, 1, 1, 2, 1, 0, 1, 200},
    {{26, 26, 33}, 3, 3, 1, 2, 2, 1, 47},     {{30, 30, 20}, 5, 5, 1, 1, 2, 1, 20},
    {{30, 30, 20}, 1, 7, 1, 1, 0, 1, 20},     {{30, 30, 20}, 7, 1, 1, 1, 3, 1, 33},
    {{28, 28, 128}, 3, 3, 1, 1, 1, 32, 128},  {{28, 28, 96}, 5, 5, 1, 1, 2, 2, 256},
    {{56, 56, 72}, 3, 3, 1, 1, 1, 72, 72},    {{56, 56, 72}, 3, 3, 2, 1, 1, 72, 72},
    {{28, 28, 100}, 5, 5, 1, 1, 2, 100, 100}, {{28, 28, 100}, 5, 5, 2, 1, 2, 100, 100},
    {{28, 28, 100}, 3, 3, 1, 2, 2, 100, 100}, {{28, 28, 100}, 7, 7, 1, 1, 3, 100, 100},
    {{28, 28, 1}, 3, 3, 1, 1, 1, 1, 1},       {{28, 28, 1}, 5, 5, 3, 1, 2, 1, 65},
    {{13, 13, 512}, 3, 3, 1, 1, 1, 1, 130},   {{1, 1, 512}, 1, 1, 1, 1, 0, 1, 1000},
};

static void facts_lab(struct kernel_lab *lab, const struct facts_case *it)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    op.window = (struct tess_window){it->kernel_h, it->kernel_w, it->stride, it->stride,
                                     it->dilation, it->dilation, it->pad,    it->pad};
    if (it->kernel_w == 1)
        op.window.pad_left = 0;
    op.groups = it->groups;
    struct tess_shape out = small_graph_window_shape(it->in, op.window, it->filters);
    struct tess_rng rng;
    tess_rng_init(&rng, 3);
    kernel_lab_init(lab, small_graph_create(it->in, &op, &out, 1), 0, &rng);
}

/* What the kernel holds and what it has used of it: never more than predicted, and at
 * most 1 % + 2 KiB less. */
static void check_bytes(struct kernel_lab *lab, const struct lab_run *run)
{
    int64_t before = tess_kernel_xnn.heap_bytes();
    struct tess_kernel *kernel = kernel_lab_create(lab, run);
    assert_non_null(kernel);
    int64_t predicted = tess_facts_weights_bytes(&facts, lab->graph, 0) +
                        tess_facts_workspace_bytes(&facts, lab->graph, 0, run->largest);
    int64_t held = tess_kernel_xnn.heap_bytes() - before;
    assert_int_equal(held, predicted);
    assert_true(kernel->pen.used_bytes <= held);
    int64_t page_bytes = predicted < 64 * 1024 ? 0 : 4096;
    assert_true(predicted - kernel->pen.used_bytes <=
                predicted / 100 + 2048 + page_bytes);
    tess_kernel_xnn.destroy(kernel);
    assert_int_equal(tess_kernel_xnn.heap_bytes(), before);
}

static void test_kernels_hold_what_the_facts_predict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof facts_cases / sizeof facts_cases[0]; i++) {
        struct kernel_lab lab;
        facts_lab(&lab, &facts_cases[i]);
        struct lab_run run = lab_run_whole(&lab, &tess_kernel_xnn);
        check_bytes(&lab, &run);
        run.pads_rows = false;
        check_bytes(&lab, &run);
        run.largest.n_rows = 1;
        check_bytes(&lab, &run);
        run.largest.n_rows = tess_min_int(3, lab.graph->tensors[1].h);
        run.largest.n_cols = tess_min_int(5, lab.graph->tensors[1].w);
        run.pads_cols = tess_facts_is_plain(&facts, lab.graph, 0);
        check_bytes(&lab, &run);
        kernel_lab_release(&lab);
    }
}

static void test_running_asks_for_no_memory(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof facts_cases / sizeof facts_cases[0]; i++) {
        struct kernel_lab lab;
        facts_lab(&lab, &facts_cases[i]);
        struct lab_run run = lab_run_whole(&lab, &tess_kernel_xnn);
        run.pads_rows = false;
        run.pool = i % 2 ? two_threads : NULL;
        if (tess_facts_is_plain(&facts, lab.graph, 0)) {
            kernel_lab_release(&lab);
            continue;
        }
        struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
        assert_non_null(kernel);
        int64_t used_bytes = kernel->pen.used_bytes;
        atomic_store(&tess_xnn_heap.is_closed, true);
        float *out = calloc((size_t)lab.n_out, sizeof(float));
        struct lab_window window = lab_window_whole(&lab);
        int h = window.row_end;
        for (window.row_begin = 0; window.row_begin < h;
             window.row_begin = window.row_end) {
            window.row_end = tess_min_int(window.row_begin + 1 + window.row_begin, h);
            kernel_lab_compute(&lab, kernel, &run, window, out); /* asserts success */
        }
        assert_int_equal(kernel->pen.used_bytes, used_bytes);
        atomic_store(&tess_xnn_heap.is_closed, false);
        tess_kernel_xnn.destroy(kernel);
        free(out);
        kernel_lab_release(&lab);
    }
}

static void test_a_kernel_over_the_cap_is_refused_with_budget(void **state)
{
    (void)state;
    struct kernel_lab lab;
    square_lab(&lab, (struct tess_shape){8, 8, 64}, small_graph_window(3, 1, 1), 64);
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_xnn);
    int64_t needed = tess_facts_weights_bytes(&facts, lab.graph, 0) +
                     tess_facts_workspace_bytes(&facts, lab.graph, 0, run.largest);
    atomic_store(&tess_xnn_heap.cap_bytes, tess_kernel_xnn.heap_bytes() + needed - 64);
    assert_null(kernel_lab_create(&lab, &run));
    atomic_store(&tess_xnn_heap.cap_bytes, tess_kernel_xnn.heap_bytes() + needed + 64);
    struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
    assert_non_null(kernel);
    tess_kernel_xnn.destroy(kernel);
    atomic_store(&tess_xnn_heap.cap_bytes, 0);
    kernel_lab_release(&lab);
}

static void test_a_failing_reader_of_weights_leaves_nothing_behind(void **state)
{
    (void)state;
    struct kernel_lab lab;
    square_lab(&lab, (struct tess_shape){4, 4, 200}, small_graph_window(3, 1, 1), 300);
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_xnn);
    int64_t before = tess_kernel_xnn.heap_bytes();
    for (int64_t n_reads = 0; n_reads < 3; n_reads++) {
        lab.n_kernel_reads = n_reads;
        assert_null(kernel_lab_create(&lab, &run));
        assert_int_equal(tess_kernel_xnn.heap_bytes(), before);
    }
    kernel_lab_release(&lab);
}

static void test_a_kernel_lives_in_memory_it_is_given(void **state)
{
    (void)state;
    struct kernel_lab lab;
    square_lab(&lab, (struct tess_shape){9, 9, 24}, small_graph_window(3, 1, 1), 40);
    float *expected = kernel_lab_whole(&lab, &tess_kernel_xnn);
    struct tess_call_shape largest = {9, 9};
    int64_t bytes = tess_facts_weights_bytes(&facts, lab.graph, 0) +
                    tess_facts_workspace_bytes(&facts, lab.graph, 0, largest);
    bytes = tess_round_up(bytes, 64);
    int64_t scratch_bytes = tess_facts_scratch_bytes(&facts, lab.graph, 0);
    float *scratch = malloc((size_t)scratch_bytes);
    struct tess_kernel_options options = {
        .pads_rows = true,
        .pads_cols = true,
        .max_out_rows = 9,
        .max_out_cols = 9,
        .scratch = scratch,
        .scratch_bytes = scratch_bytes,
        .input_pixel_stride = 24,
        .output_pixel_stride = 40,
        .memory = aligned_alloc(64, (size_t)bytes),
        .memory_bytes = bytes - 64,
    };
    int64_t before = tess_kernel_xnn.heap_bytes();
    memset(options.memory, 0xff, (size_t)bytes); /* need not be cleared */
    struct tess_kernel *kernel = NULL;
    assert_int_equal(
        tess_kernel_xnn.create(lab.graph, 0, &lab.source, &options, NULL, &kernel, NULL),
        TESS_E_BUDGET);
    options.memory_bytes = bytes;
    assert_int_equal(
        tess_kernel_xnn.create(lab.graph, 0, &lab.source, &options, NULL, &kernel, NULL),
        TESS_OK);
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_xnn);
    float *out = calloc((size_t)lab.n_out, sizeof(float));
    kernel_lab_compute(&lab, kernel, &run, lab_window_whole(&lab), out);
    assert_memory_equal(out, expected, (size_t)lab.n_out * sizeof(float));
    assert_int_equal(tess_kernel_xnn.heap_bytes(), before);
    tess_kernel_xnn.destroy(kernel);
    free(options.memory);
    free(scratch);
    free(expected);
    free(out);
    kernel_lab_release(&lab);
}

/* Several kernels at once, called in turns: their tables and zeros must not mix. */
static void test_kernels_do_not_disturb_each_other(void **state)
{
    (void)state;
    enum { N = 3 };
    struct kernel_lab labs[N];
    struct tess_kernel *kernels[N];
    struct lab_run runs[N];
    float *expected[N];
    square_lab(&labs[0], (struct tess_shape){12, 12, 8}, small_graph_window(3, 1, 1),
               200);
    square_lab(&labs[1], (struct tess_shape){12, 12, 8}, small_graph_window(3, 2, 1),
               200);
    square_lab(&labs[2], (struct tess_shape){12, 12, 16}, small_graph_window(5, 1, 2),
               40);
    for (int i = 0; i < N; i++) {
        runs[i] = lab_run_whole(&labs[i], &tess_kernel_xnn);
        expected[i] = kernel_lab_whole(&labs[i], &tess_kernel_xnn);
        kernels[i] = kernel_lab_create(&labs[i], &runs[i]);
    }
    for (int turn = 0; turn < 9; turn++) {
        int i = turn % N;
        float *out = calloc((size_t)labs[i].n_out, sizeof(float));
        kernel_lab_compute(&labs[i], kernels[i], &runs[i], lab_window_whole(&labs[i]),
                           out);
        assert_memory_equal(out, expected[i], (size_t)labs[i].n_out * sizeof(float));
        free(out);
    }
    for (int i = 0; i < N; i++) {
        tess_kernel_xnn.destroy(kernels[i]);
        free(expected[i]);
        kernel_lab_release(&labs[i]);
    }
}

static void test_the_facts_are_those_of_a_real_library(void **state)
{
    (void)state;
    assert_true(facts.filter_block >= 2 && facts.filter_block <= 64);
    assert_true(facts.pixel_block >= 2 && facts.pixel_block <= 16);
    assert_true(facts.channel_block >= 1 && facts.channel_block <= 8);
    assert_true(facts.depthwise_taps >> 9 & 1);
    assert_true(facts.depthwise_block >= 4);
    assert_int_equal(facts.filter_slice % facts.filter_block, 0);
    assert_true(facts.base_bytes > 1 << 20);
    struct tess_kernel_facts again;
    tess_kernel_xnn.stop();
    assert_int_equal(tess_kernel_xnn.start(0, NULL), TESS_OK);
    tess_kernel_xnn.facts(&again);
    again.base_bytes = facts.base_bytes; /* the only one that may vary */
    assert_memory_equal(&facts, &again, sizeof facts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_convolutions_are_those_of_ref_within_rounding),
        cmocka_unit_test(test_connected_reads_the_whole_map),
        cmocka_unit_test(test_kernels_hold_what_the_facts_predict),
        cmocka_unit_test(test_running_asks_for_no_memory),
        cmocka_unit_test(test_a_kernel_over_the_cap_is_refused_with_budget),
        cmocka_unit_test(test_a_failing_reader_of_weights_leaves_nothing_behind),
        cmocka_unit_test(test_a_kernel_lives_in_memory_it_is_given),
        cmocka_unit_test(test_kernels_do_not_disturb_each_other),
        cmocka_unit_test(test_the_facts_are_those_of_a_real_library),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
