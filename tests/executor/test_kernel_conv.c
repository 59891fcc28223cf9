/* The plain convolution against the definition written down once more, more slowly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/kernel_lab.h"
#include "tests/support/small_graph.h"

static int start(void **state)
{
    (void)state;
    return (int)tess_kernel_ref.start(0, NULL);
}

/* The order of graph.h and kernel_conv.c: bias, rows, columns, channels. `volatile` keeps
 * the compiler from anything but these operations. */
static float naive_sum(const struct kernel_lab *lab, int y, int x, int filter)
{
    const struct tess_op *op = &lab->graph->ops[0];
    const struct tess_window *window = &op->window;
    const struct tess_tensor *in = &lab->graph->tensors[op->inputs[0]];
    int n_group = in->c / op->groups;
    int group = filter / (lab->graph->tensors[op->output].c / op->groups);
    const float *weight =
        lab->kernel +
        (size_t)filter * (size_t)(window->kernel_h * window->kernel_w * n_group);
    volatile float sum = lab->bias[filter];
    for (int i = 0; i < window->kernel_h; i++) {
        for (int j = 0; j < window->kernel_w; j++) {
            int in_y = y * window->stride_h - window->pad_top + i * window->dilation_h;
            int in_x = x * window->stride_w - window->pad_left + j * window->dilation_w;
            for (int c = 0; c < n_group; c++) {
                float value = 0.0f;
                if (in_y >= 0 && in_y < in->h && in_x >= 0 && in_x < in->w)
                    value =
                        lab->in[0][(in_y * in->w + in_x) * in->c + group * n_group + c];
                volatile float product = value * *weight++;
                sum = sum + product;
            }
        }
    }
    return sum;
}

static void test_random_convolutions_equal_the_definition_bit_for_bit(void **state)
{
    (void)state;
    uint64_t seed = kernel_lab_seed(11);
    for (uint64_t round = 0; round < 150; round++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + round);
        struct kernel_lab lab;
        struct tess_graph *graph = kernel_lab_random_conv(&rng, 20);
        graph->ops[0].activation = TESS_ACT_LINEAR;
        kernel_lab_init(&lab, graph, 0, &rng);
        const struct tess_tensor *out = &graph->tensors[1];
        float *whole = kernel_lab_whole(&lab, &tess_kernel_ref);
        for (int i = 0; i < out->h * out->w * out->c; i++) {
            int pixel = i / out->c;
            float expected = naive_sum(&lab, pixel / out->w, pixel % out->w, i % out->c);
            assert_memory_equal(&expected, &whole[i], sizeof(float));
        }
        free(whole);
        kernel_lab_release(&lab);
    }
}

static void test_padding_multiplies_zero_even_where_only_its_sign_shows(void **state)
{
    (void)state;
    /* One pixel, 3x1 kernel: only padding above and below, all weights negative and the
     * bias -0: the sum is -0 only if every product -w * 0 = -0 is added. */
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    op.window = (struct tess_window){3, 1, 1, 1, 1, 1, 1, 0};
    struct tess_shape in = {1, 1, 1}, out = {1, 1, 1};
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    struct kernel_lab lab;
    kernel_lab_init(&lab, small_graph_create(in, &op, &out, 1), 0, &rng);
    lab.in[0][0] = 0.0f;
    lab.bias[0] = -0.0f;
    for (int i = 0; i < 3; i++)
        lab.kernel[i] = -1.0f;
    float *whole = kernel_lab_whole(&lab, &tess_kernel_ref);
    assert_true(signbit(whole[0]));
    free(whole);
    lab.kernel[0] = 1.0f; /* + 0 * 1 makes it +0 */
    whole = kernel_lab_whole(&lab, &tess_kernel_ref);
    assert_false(signbit(whole[0]));
    free(whole);
    kernel_lab_release(&lab);
}

static void test_activations_have_their_textbook_values(void **state)
{
    (void)state;
    const struct {
        enum tess_activation activation;
        float x, y;
    } cases[] = {
        {TESS_ACT_LINEAR, -3.0f, -3.0f},      {TESS_ACT_LEAKY, -2.0f, -0.2f},
        {TESS_ACT_LEAKY, 2.0f, 2.0f},         {TESS_ACT_RELU, -1.0f, 0.0f},
        {TESS_ACT_RELU, 1.5f, 1.5f},          {TESS_ACT_RELU6, 7.0f, 6.0f},
        {TESS_ACT_RELU6, -7.0f, 0.0f},        {TESS_ACT_LOGISTIC, 0.0f, 0.5f},
        {TESS_ACT_LOGISTIC, 2.0f, 0.880797f}, {TESS_ACT_MISH, 1.0f, 0.865098f},
        {TESS_ACT_MISH, -40.0f, 0.0f},        {TESS_ACT_MISH, 50.0f, 50.0f},
        {TESS_ACT_SWISH, 1.0f, 0.731059f},    {TESS_ACT_HSWISH, 1.0f, 0.666667f},
        {TESS_ACT_HSWISH, -4.0f, 0.0f},       {TESS_ACT_HSWISH, 5.0f, 5.0f},
        {TESS_ACT_ELU, -1.0f, -0.632121f},    {TESS_ACT_ELU, 3.0f, 3.0f},
        {TESS_ACT_TANH, 0.5f, 0.462117f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int input = TESS_GRAPH_INPUT;
        struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
        op.activation = cases[i].activation;
        struct tess_shape in = {1, 1, 1}, out = {1, 1, 1};
        struct tess_rng rng;
        tess_rng_init(&rng, 1);
        struct kernel_lab lab;
        kernel_lab_init(&lab, small_graph_create(in, &op, &out, 1), 0, &rng);
        lab.in[0][0] = cases[i].x;
        lab.kernel[0] = 1.0f;
        lab.bias[0] = 0.0f;
        float *whole = kernel_lab_whole(&lab, &tess_kernel_ref);
        assert_float_equal(whole[0], cases[i].y, 1e-5f);
        free(whole);
        kernel_lab_release(&lab);
    }
}

static void test_a_failing_reader_of_weights_leaves_nothing_behind(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, 5);
    int input = TESS_GRAPH_INPUT;
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, 0, &input);
    struct tess_shape in = {4, 4, 8}, out = {4, 4, 40};
    struct kernel_lab lab;
    kernel_lab_init(&lab, small_graph_create(in, &op, &out, 1), 0, &rng);
    struct lab_run run = lab_run_whole(&lab, &tess_kernel_ref);
    for (int64_t n_reads = 0; n_reads < 3; n_reads++) {
        lab.n_kernel_reads = n_reads;
        assert_null(kernel_lab_create(&lab, &run));
        assert_int_equal(tess_kernel_ref.heap_bytes(), 0);
    }
    lab.n_kernel_reads = 3;
    struct tess_kernel *kernel = kernel_lab_create(&lab, &run);
    assert_non_null(kernel);
    assert_true(tess_kernel_ref.heap_bytes() > 0);
    tess_kernel_ref.destroy(kernel);
    assert_int_equal(tess_kernel_ref.heap_bytes(), 0);
    kernel_lab_release(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_convolutions_equal_the_definition_bit_for_bit),
        cmocka_unit_test(test_padding_multiplies_zero_even_where_only_its_sign_shows),
        cmocka_unit_test(test_activations_have_their_textbook_values),
        cmocka_unit_test(test_a_failing_reader_of_weights_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
