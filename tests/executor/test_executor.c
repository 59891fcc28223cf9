#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "executor/executor.h"
#include "tests/support/random_net.h"

/* Weights of an op, made up from its number: the same for every kernel made of it. */
static enum tess_status made_up_filters(void *context, int op, int begin, int end,
                                        float *kernel, float *bias,
                                        struct tess_error *error)
{
    const struct tess_graph *graph = context;
    int64_t n_per_filter = tess_op_n_kernel(graph, &graph->ops[op]) /
                           graph->tensors[graph->ops[op].output].c;
    (void)error;
    for (int filter = begin; filter < end; filter++) {
        struct tess_rng rng;
        tess_rng_init(&rng, (uint64_t)op * 100000 + (uint64_t)filter);
        bias[filter - begin] = tess_rng_float(&rng) - 0.5f;
        for (int64_t i = 0; i < n_per_filter; i++)
            kernel[(filter - begin) * n_per_filter + i] = tess_rng_float(&rng) - 0.5f;
    }
    return TESS_OK;
}

/* Every output tensor, dense, as the observer puts it together from tiles. */
struct collected {
    const struct tess_graph *graph;
    float **maps; /* [n_ops] */
};

static enum tess_status collect(void *context, int op, const struct tess_plane *tile,
                                struct tess_error *error)
{
    struct collected *collected = context;
    const struct tess_tensor *out =
        &collected->graph->tensors[collected->graph->ops[op].output];
    (void)error;
    for (int y = 0; y < tile->n_rows; y++)
        for (int x = 0; x < tile->n_cols; x++)
            memcpy(collected->maps[op] + ((size_t)(tile->row + y) * (size_t)out->w +
                                          (size_t)(tile->col + x)) *
                                             (size_t)out->c,
                   tile->data + (size_t)y * tile->row_stride +
                       (size_t)x * tile->pixel_stride,
                   sizeof(float) * (size_t)out->c);
    return TESS_OK;
}

static struct collected *collected_create(const struct tess_graph *graph)
{
    struct collected *collected = calloc(1, sizeof *collected);
    assert_non_null(collected);
    collected->graph = graph;
    collected->maps = calloc((size_t)graph->n_ops, sizeof(float *));
    assert_non_null(collected->maps);
    for (int op = 0; op < graph->n_ops; op++) {
        collected->maps[op] =
            calloc(1, (size_t)tess_tensor_bytes(&graph->tensors[graph->ops[op].output]));
        assert_non_null(collected->maps[op]);
    }
    return collected;
}

static void collected_destroy(struct collected *collected)
{
    for (int op = 0; op < collected->graph->n_ops; op++)
        free(collected->maps[op]);
    free(collected->maps);
    free(collected);
}

/* Values that depend on nothing but the pixel. */
static enum tess_status read_rows(void *context, const struct tess_plane *rows,
                                  struct tess_error *error)
{
    (void)context, (void)error;
    for (int y = 0; y < rows->n_rows; y++) {
        struct tess_rng rng;
        tess_rng_init(&rng, (uint64_t)(rows->row + y));
        for (int x = 0; x < rows->n_cols; x++)
            for (int c = 0; c < rows->channels; c++)
                rows->data[(size_t)y * rows->row_stride + (size_t)x * rows->pixel_stride +
                           (size_t)c] = tess_rng_float(&rng) - 0.5f;
    }
    return TESS_OK;
}

static struct collected *run_plan(const struct tess_kernel_family *family,
                                  struct tess_graph *graph, const struct tess_plan *plan,
                                  int n_threads)
{
    struct tess_error error;
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct collected *collected = collected_create(graph);
    struct tess_observer observer = {collect, collected};
    struct tess_row_source input = {read_rows, NULL};
    struct tess_executor_options options = {
        .family = family, .filters = {made_up_filters, graph}, .n_threads = n_threads};
    tess_error_init(&error);
    assert_int_equal(tess_layout_create(graph, plan, &layout, &error), TESS_OK);
    enum tess_status status = tess_executor_create(layout, &options, &executor, &error);
    if (status != TESS_OK)
        fail_msg("create: %s", error.message);
    for (int pass = 0; pass < 2; pass++) { /* the second run finds what the first left */
        status = tess_executor_run(executor, &input, &observer, NULL, &error);
        if (status != TESS_OK)
            fail_msg("run: %s", error.message);
    }
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
    return collected;
}

static bool is_same(const struct collected *a, const struct collected *b)
{
    for (int op = 0; op < a->graph->n_ops; op++) {
        size_t bytes =
            (size_t)tess_tensor_bytes(&a->graph->tensors[a->graph->ops[op].output]);
        bool is_whole = a->graph->tensors[a->graph->ops[op].output].is_output;
        if (is_whole && memcmp(a->maps[op], b->maps[op], bytes) != 0)
            return false;
    }
    return true;
}

static void check_family(const struct tess_kernel_family *family, int n_cases,
                         int n_threads)
{
    struct tess_random_net nets;
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    uint64_t seed = tess_random_seed(20261121, &n_cases);
    tess_random_net_init(&nets);
    nets.max_side = 20;
    nets.max_channels = 40; /* more than one packed slice */
    nets.has_activations = true;
    tess_random_plan_init(&plans);
    assert_int_equal(family->start(0, NULL), TESS_OK);
    family->facts(&facts);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_plan *untiled = NULL;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        struct tess_plan *plan = tess_random_plan_create(&plans, graph, &facts, &rng);
        assert_int_equal(tess_plan_create(graph, &untiled, NULL), TESS_OK);
        untiled->facts = facts;
        struct collected *whole = run_plan(family, graph, untiled, 1);
        struct collected *tiled = run_plan(family, graph, plan, n_threads);
        if (!is_same(whole, tiled)) {
            tess_random_net_print(graph, plan);
            fail_msg("tiled differs from untiled: TESS_TEST_SEED=%llu",
                     (unsigned long long)(seed + (uint64_t)i));
        }
        collected_destroy(whole);
        collected_destroy(tiled);
        tess_plan_destroy(untiled);
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
    family->stop();
}

static void test_tiled_is_untiled_bit_for_bit_with_plain_kernels(void **state)
{
    (void)state;
    check_family(&tess_kernel_ref, 300, 1);
}

static void test_tiled_is_untiled_bit_for_bit_with_xnnpack(void **state)
{
    (void)state;
    check_family(&tess_kernel_xnn, 300, 1);
}

static void test_tiled_is_untiled_bit_for_bit_with_our_kernels(void **state)
{
    (void)state;
    check_family(&tess_kernel_nat, 300, 1);
    check_family(&tess_kernel_nat, 60, 2);
}

static void test_tiled_is_untiled_bit_for_bit_on_two_threads(void **state)
{
    (void)state;
    check_family(&tess_kernel_xnn, 60, 2);
}

static enum tess_status no_filters(void *context, int op, int begin, int end,
                                   float *kernel, float *bias, struct tess_error *error)
{
    (void)context, (void)op, (void)begin, (void)end, (void)kernel, (void)bias;
    return tess_error_set(error, TESS_E_MODEL, "damaged");
}

static void test_weights_that_cannot_be_read_end_creation(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_rng rng;
    struct tess_plan *plan = NULL;
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct tess_error error;
    tess_error_init(&error);
    tess_random_net_init(&nets);
    nets.kinds = 1u << TESS_OP_CONV;
    tess_rng_init(&rng, 5);
    struct tess_graph *graph = tess_random_net_create(&nets, &rng);
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    assert_int_equal(tess_kernel_ref.start(0, NULL), TESS_OK);
    tess_kernel_ref.facts(&plan->facts);
    assert_int_equal(tess_layout_create(graph, plan, &layout, NULL), TESS_OK);
    struct tess_executor_options options = {
        .family = &tess_kernel_ref, .filters = {no_filters, NULL}, .n_threads = 1};
    assert_int_equal(tess_executor_create(layout, &options, &executor, &error),
                     TESS_E_MODEL);
    assert_null(executor);
    assert_string_equal(error.message, "damaged");
    assert_int_equal(tess_kernel_ref.heap_bytes(), 0);
    tess_layout_destroy(layout);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
    tess_kernel_ref.stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_with_plain_kernels),
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_with_xnnpack),
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_with_our_kernels),
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_on_two_threads),
        cmocka_unit_test(test_weights_that_cannot_be_read_end_creation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
