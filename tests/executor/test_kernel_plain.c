/* The ops without weights: small cases worked by hand, and darknet's loops restated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthreadpool.h>

#include "tests/support/kernel_lab.h"
#include "tests/support/small_graph.h"

static struct pthreadpool *two_threads;

static int start(void **state)
{
    (void)state;
    two_threads = pthreadpool_create(2);
    return (int)tess_kernel_ref.start(0, NULL);
}

static int stop(void **state)
{
    (void)state;
    pthreadpool_destroy(two_threads);
    return 0;
}

/* A lab for one op on the network's input. */
static void one_op(struct kernel_lab *lab, const struct tess_op *op, struct tess_shape in,
                   struct tess_shape out)
{
    struct tess_rng rng;
    tess_rng_init(&rng, 7);
    kernel_lab_init(lab, small_graph_create(in, op, &out, 1), 0, &rng);
}

/* The whole op, and the same in windows of 3 x 2 on two threads: equal bit for bit. */
static float *whole_and_tiled(struct kernel_lab *lab)
{
    float *whole = kernel_lab_whole(lab, &tess_kernel_ref);
    float *tiled = calloc((size_t)lab->n_out, sizeof(float));
    struct lab_run run = lab_run_whole(lab, &tess_kernel_ref);
    struct lab_window all = lab_window_whole(lab);
    run.in_extra = 1;
    run.out_extra = 2;
    run.pool = two_threads;
    struct tess_kernel *kernel = kernel_lab_create(lab, &run);
    for (int row = 0; row < all.row_end; row += 3) {
        for (int col = 0; col < all.col_end; col += 2) {
            struct lab_window window = {row, row + 3, col, col + 2};
            if (window.row_end > all.row_end)
                window.row_end = all.row_end;
            if (window.col_end > all.col_end)
                window.col_end = all.col_end;
            kernel_lab_compute(lab, kernel, &run, window, tiled);
        }
    }
    tess_kernel_ref.destroy(kernel);
    assert_memory_equal(whole, tiled, (size_t)lab->n_out * sizeof(float));
    free(tiled);
    return whole;
}

static void test_maxpool_ignores_what_lies_outside_the_map(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, kernel_lab_seed(21));
    for (int round = 0; round < 100; round++) {
        int input = TESS_GRAPH_INPUT;
        struct tess_op op = tess_op_neutral(TESS_OP_MAXPOOL, 0, &input);
        int kernel = tess_rng_int(&rng, 1, 5);
        op.window = small_graph_window(kernel, tess_rng_int(&rng, 1, 3),
                                       tess_rng_int(&rng, 0, kernel - 1));
        struct tess_shape in = {tess_rng_int(&rng, 5, 12), tess_rng_int(&rng, 5, 12), 3};
        struct tess_shape out = small_graph_window_shape(in, op.window, 3);
        struct kernel_lab lab;
        one_op(&lab, &op, in, out);
        for (int64_t i = 0; i < in.h * in.w * in.c; i++)
            lab.in[0][i] -= 2.0f; /* below the zeros of physical padding */
        float *whole = whole_and_tiled(&lab);
        for (int64_t i = 0; i < lab.n_out; i++) {
            int c = (int)(i % 3), x = (int)(i / 3 % out.w), y = (int)(i / 3 / out.w);
            float largest = -FLT_MAX;
            for (int j = 0; j < kernel * kernel; j++) {
                int in_y = y * op.window.stride_h - op.window.pad_top + j / kernel;
                int in_x = x * op.window.stride_w - op.window.pad_left + j % kernel;
                if (in_y >= 0 && in_y < in.h && in_x >= 0 && in_x < in.w)
                    largest = fmaxf(largest, lab.in[0][(in_y * in.w + in_x) * 3 + c]);
            }
            assert_true(whole[i] == largest);
        }
        free(whole);
        kernel_lab_release(&lab);
    }
}

static void test_maxpool_of_darknet_tiny_keeps_the_map_size(void **state)
{
    (void)state;
    /* size 2, stride 1, padding 1 in all: the last window sees one row and one column. */
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_MAXPOOL, 0, &input);
    op.window = small_graph_window(2, 1, 0);
    struct tess_shape shape = {2, 2, 1};
    struct kernel_lab lab;
    one_op(&lab, &op, shape, shape);
    const float in[] = {1, 2, 3, -4}, expected[] = {3, 2, 3, -4};
    memcpy(lab.in[0], in, sizeof in);
    float *whole = whole_and_tiled(&lab);
    assert_memory_equal(whole, expected, sizeof expected);
    free(whole);
    kernel_lab_release(&lab);
}

static void test_avgpool_is_the_mean_of_each_channel(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_AVGPOOL, 0, &input);
    struct tess_shape in = {2, 2, 2}, out = {1, 1, 2};
    struct kernel_lab lab;
    one_op(&lab, &op, in, out);
    const float values[] = {1, 10, 2, 20, 3, 30, 6, 60}, expected[] = {3, 30};
    memcpy(lab.in[0], values, sizeof values);
    float *whole = whole_and_tiled(&lab);
    assert_memory_equal(whole, expected, sizeof expected);
    free(whole);
    kernel_lab_release(&lab);
}

static void test_upsample_repeats_and_scales(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_UPSAMPLE, 0, &input);
    op.factor = 2;
    op.alpha = 0.5f;
    struct tess_shape in = {5, 3, 4}, out = {10, 6, 4};
    struct kernel_lab lab;
    one_op(&lab, &op, in, out);
    float *whole = whole_and_tiled(&lab);
    for (int i = 0; i < 10 * 6 * 4; i++) {
        int c = i % 4, x = i / 4 % 6, y = i / 24;
        assert_true(whole[i] == 0.5f * lab.in[0][(y / 2 * 3 + x / 2) * 4 + c]);
    }
    free(whole);
    kernel_lab_release(&lab);
}

static void test_crop_keeps_the_bits_of_a_part(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CROP, 0, &input);
    op.row_begin = 2;
    op.col_begin = 1;
    struct tess_shape in = {7, 5, 3}, out = {4, 3, 3};
    struct kernel_lab lab;
    one_op(&lab, &op, in, out);
    const float odd[] = {-INFINITY, -0.0f, NAN}; /* pixel (2, 1) */
    memcpy(lab.in[0] + (2 * 5 + 1) * 3, odd, sizeof odd);
    float *whole = whole_and_tiled(&lab);
    for (int y = 0; y < 4; y++)
        assert_memory_equal(whole + y * 9, lab.in[0] + ((y + 2) * 5 + 1) * 3,
                            9 * sizeof(float));
    free(whole);
    kernel_lab_release(&lab);
}

static void test_crop_takes_every_second_pixel(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CROP, 0, &input);
    op.row_begin = 1;
    op.window.stride_h = op.window.stride_w = 2;
    struct tess_shape in = {8, 5, 1}, out = {4, 3, 1};
    struct kernel_lab lab;
    one_op(&lab, &op, in, out);
    float *whole = whole_and_tiled(&lab);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 3; x++)
            assert_true(whole[y * 3 + x] == lab.in[0][(1 + 2 * y) * 5 + 2 * x]);
    free(whole);
    kernel_lab_release(&lab);
}

/* darknet's reorg_cpu on planar maps. */
static void planar_reorg(const float *x, int w, int h, int c, int s, bool is_reverse,
                         float *out)
{
    int out_c = c / (s * s);
    for (int k = 0; k < c; k++) {
        for (int j = 0; j < h; j++) {
            for (int i = 0; i < w; i++) {
                int in_index = i + w * (j + h * k);
                int c2 = k % out_c, off = k / out_c;
                int w2 = i * s + off % s, h2 = j * s + off / s;
                int out_index = w2 + w * s * (h2 + h * s * c2);
                if (is_reverse)
                    out[out_index] = x[in_index];
                else
                    out[in_index] = x[out_index];
            }
        }
    }
}

static void check_reorg(struct tess_shape in, int s, bool is_reverse)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_REORG, 0, &input);
    op.factor = s;
    op.is_reverse = is_reverse;
    struct tess_shape out = {in.h / s, in.w / s, in.c * s * s};
    if (is_reverse)
        out = (struct tess_shape){in.h * s, in.w * s, in.c / (s * s)};
    struct kernel_lab lab;
    one_op(&lab, &op, in, out);
    float *planar_in = malloc((size_t)lab.n_out * sizeof(float));
    float *planar_out = malloc((size_t)lab.n_out * sizeof(float));
    for (int64_t i = 0; i < lab.n_out; i++)
        planar_in[i % in.c * in.h * in.w + i / in.c] = lab.in[0][i];
    planar_reorg(planar_in, (int)in.w, (int)in.h, (int)in.c, s, is_reverse, planar_out);
    float *whole = whole_and_tiled(&lab);
    for (int64_t i = 0; i < lab.n_out; i++)
        assert_true(whole[i] == planar_out[i % out.c * out.h * out.w + i / out.c]);
    free(whole);
    free(planar_in);
    free(planar_out);
    kernel_lab_release(&lab);
}

static void test_reorg_moves_every_element_as_darknet_does(void **state)
{
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        check_reorg((struct tess_shape){4, 6, 8}, 2, direction);
        check_reorg((struct tess_shape){6, 6, 18}, 3, direction);
        check_reorg((struct tess_shape){2, 2, 4}, 2, direction);
        check_reorg((struct tess_shape){26, 26, 64}, 2, direction);
        check_reorg((struct tess_shape){4, 4, 5}, 1, direction);
    }
}

/* in[0] is the input; in[1] another shape, made from it by a convolution. */
static void add_lab(struct kernel_lab *lab, struct tess_shape in, struct tess_shape other,
                    struct tess_window window, struct tess_op add)
{
    int input = TESS_GRAPH_INPUT;
    int both[] = {TESS_GRAPH_INPUT, 1};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &input), add};
    ops[0].window = window;
    ops[1].inputs = both;
    ops[1].n_inputs = 2;
    struct tess_shape outs[] = {other, in};
    struct tess_rng rng;
    tess_rng_init(&rng, 7);
    kernel_lab_init(lab, small_graph_create(in, ops, outs, 2), 1, &rng);
}

static void test_add_scales_both_sides_then_activates(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op add = tess_op_neutral(TESS_OP_ADD, 0, &input);
    add.alpha = 0.5f;
    add.beta = -2.0f;
    add.activation = TESS_ACT_RELU;
    struct kernel_lab lab;
    struct tess_shape shape = {5, 4, 3};
    add_lab(&lab, shape, shape, small_graph_window(1, 1, 0), add);
    float *whole = whole_and_tiled(&lab);
    for (int64_t i = 0; i < lab.n_out; i++)
        assert_true(whole[i] == fmaxf(0.5f * lab.in[0][i] + -2.0f * lab.in[1][i], 0.0f));
    free(whole);
    kernel_lab_release(&lab);
}

static void test_add_of_a_larger_map_takes_every_second_pixel(void **state)
{
    (void)state;
    /* in[0] 4x4x5, in[1] 8x8x3 (by stride: convolutions cannot enlarge, so the small one
     * is made from the large one and swapped). */
    int input = TESS_GRAPH_INPUT, swapped[] = {1, TESS_GRAPH_INPUT};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &input),
                            tess_op_neutral(TESS_OP_ADD, 0, &input)};
    ops[0].window = small_graph_window(1, 2, 0);
    ops[1].inputs = swapped;
    ops[1].n_inputs = 2;
    struct tess_shape in = {8, 8, 3}, outs[] = {{4, 4, 5}, {4, 4, 5}};
    struct tess_rng rng;
    tess_rng_init(&rng, 7);
    struct kernel_lab lab;
    kernel_lab_init(&lab, small_graph_create(in, ops, outs, 2), 1, &rng);
    float *whole = whole_and_tiled(&lab);
    for (int i = 0; i < 4 * 4 * 5; i++) {
        int c = i % 5, x = i / 5 % 4, y = i / 20;
        float expected = lab.in[0][i];
        if (c < 3)
            expected += lab.in[1][(2 * y * 8 + 2 * x) * 3 + c];
        assert_true(whole[i] == expected);
    }
    free(whole);
    kernel_lab_release(&lab);
}

static void test_add_of_a_smaller_map_reaches_every_second_pixel(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op add = tess_op_neutral(TESS_OP_ADD, 0, &input);
    add.alpha = 3.0f; /* what in[1] does not reach is not scaled */
    struct kernel_lab lab;
    add_lab(&lab, (struct tess_shape){6, 6, 2}, (struct tess_shape){3, 3, 4},
            small_graph_window(1, 2, 0), add);
    float *whole = whole_and_tiled(&lab);
    for (int i = 0; i < 6 * 6 * 2; i++) {
        int c = i % 2, x = i / 2 % 6, y = i / 12;
        float expected = lab.in[0][i];
        if (x % 2 == 0 && y % 2 == 0)
            expected = 3.0f * expected + lab.in[1][(y / 2 * 3 + x / 2) * 4 + c];
        assert_true(whole[i] == expected);
    }
    free(whole);
    kernel_lab_release(&lab);
}

static void test_add_works_in_place(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct kernel_lab lab;
    struct tess_shape shape = {3, 3, 4};
    add_lab(&lab, shape, shape, small_graph_window(1, 1, 0),
            tess_op_neutral(TESS_OP_ADD, 0, &input));
    float *whole = kernel_lab_whole(&lab, &tess_kernel_ref);
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_ref);
    struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
    struct tess_plane first = {lab.in[0], 0, 0, 3, 3, 4, 12, 4};
    struct tess_plane second = first;
    second.data = lab.in[1];
    struct tess_kernel_call call = {.in = {first, second}, .out = first};
    assert_int_equal(tess_kernel_ref.run(kernel, &call, NULL, NULL), TESS_OK);
    assert_memory_equal(whole, lab.in[0], (size_t)lab.n_out * sizeof(float));
    tess_kernel_ref.destroy(kernel);
    free(whole);
    kernel_lab_release(&lab);
}

static void test_softmax_sums_to_one_in_each_group(void **state)
{
    (void)state;
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_SOFTMAX, 0, &input);
    op.groups = 2;
    op.alpha = 0.5f;
    struct tess_shape shape = {1, 1, 4};
    struct kernel_lab lab;
    one_op(&lab, &op, shape, shape);
    const float in[] = {1000.0f, 1002.0f, -3.0f, -3.0f};
    memcpy(lab.in[0], in, sizeof in);
    float *whole = kernel_lab_whole(&lab, &tess_kernel_ref);
    float e = expf(1.0f);
    assert_float_equal(whole[0], 1.0f / (1.0f + e), 1e-6f);
    assert_float_equal(whole[1], e / (1.0f + e), 1e-6f);
    assert_float_equal(whole[2], 0.5f, 1e-6f);
    assert_float_equal(whole[3], 0.5f, 1e-6f);
    free(whole);
    kernel_lab_release(&lab);
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static void head_lab(struct kernel_lab *lab, enum tess_op_kind kind,
                     struct tess_head head)
{
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(kind, 0, &input);
    static float anchors[] = {1, 1, 2, 2};
    op.head = head;
    op.head.coords = 4;
    op.head.n_anchors = 2;
    op.head.anchors = anchors;
    struct tess_shape shape = {4, 3, 2 * (5 + head.n_classes)};
    one_op(lab, &op, shape, shape);
}

static void test_region_squashes_boxes_and_normalises_classes(void **state)
{
    (void)state;
    struct kernel_lab lab;
    head_lab(&lab, TESS_OP_REGION,
             (struct tess_head){.n_classes = 3, .is_softmax = true});
    float *whole = whole_and_tiled(&lab);
    for (int run = 0; run < 4 * 3 * 2; run++) {
        const float *in = lab.in[0] + run * 8, *out = whole + run * 8;
        float sum = expf(in[5]) + expf(in[6]) + expf(in[7]);
        assert_float_equal(out[0], sigmoid(in[0]), 1e-6f);
        assert_float_equal(out[1], sigmoid(in[1]), 1e-6f);
        assert_true(out[2] == in[2] && out[3] == in[3]);
        assert_float_equal(out[4], sigmoid(in[4]), 1e-6f);
        for (int c = 5; c < 8; c++)
            assert_float_equal(out[c], expf(in[c]) / sum, 1e-6f);
    }
    free(whole);
    kernel_lab_release(&lab);
}

static void test_region_with_background_counts_it_as_a_class(void **state)
{
    (void)state;
    struct kernel_lab lab;
    head_lab(
        &lab, TESS_OP_REGION,
        (struct tess_head){.n_classes = 2, .is_softmax = true, .is_background = true});
    float *whole = whole_and_tiled(&lab);
    for (int run = 0; run < 4 * 3 * 2; run++) {
        const float *in = lab.in[0] + run * 7, *out = whole + run * 7;
        float sum = expf(in[4]) + expf(in[5]) + expf(in[6]);
        for (int c = 4; c < 7; c++)
            assert_float_equal(out[c], expf(in[c]) / sum, 1e-6f);
    }
    free(whole);
    kernel_lab_release(&lab);
}

static void test_yolo_stretches_the_grid_and_squashes_classes(void **state)
{
    (void)state;
    struct kernel_lab lab;
    head_lab(&lab, TESS_OP_YOLO, (struct tess_head){.n_classes = 3, .scale_x_y = 1.2f});
    float *whole = whole_and_tiled(&lab);
    for (int run = 0; run < 4 * 3 * 2; run++) {
        const float *in = lab.in[0] + run * 8, *out = whole + run * 8;
        assert_float_equal(out[0], 1.2f * sigmoid(in[0]) - 0.1f, 1e-6f);
        assert_float_equal(out[1], 1.2f * sigmoid(in[1]) - 0.1f, 1e-6f);
        assert_true(out[2] == in[2] && out[3] == in[3]);
        for (int c = 4; c < 8; c++)
            assert_float_equal(out[c], sigmoid(in[c]), 1e-6f);
    }
    free(whole);
    kernel_lab_release(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maxpool_ignores_what_lies_outside_the_map),
        cmocka_unit_test(test_maxpool_of_darknet_tiny_keeps_the_map_size),
        cmocka_unit_test(test_avgpool_is_the_mean_of_each_channel),
        cmocka_unit_test(test_upsample_repeats_and_scales),
        cmocka_unit_test(test_crop_keeps_the_bits_of_a_part),
        cmocka_unit_test(test_crop_takes_every_second_pixel),
        cmocka_unit_test(test_reorg_moves_every_element_as_darknet_does),
        cmocka_unit_test(test_add_scales_both_sides_then_activates),
        cmocka_unit_test(test_add_of_a_larger_map_takes_every_second_pixel),
        cmocka_unit_test(test_add_of_a_smaller_map_reaches_every_second_pixel),
        cmocka_unit_test(test_add_works_in_place),
        cmocka_unit_test(test_softmax_sums_to_one_in_each_group),
        cmocka_unit_test(test_region_squashes_boxes_and_normalises_classes),
        cmocka_unit_test(test_region_with_background_counts_it_as_a_class),
        cmocka_unit_test(test_yolo_stretches_the_grid_and_squashes_classes),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
