/* Networks whose convolutions of concats are split, run: any plan of the split network gives the
 * bits of its untiled run, and the network's own results within rounding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "executor/executor.h"
#include "model/graph_split.h"
#include "model/packed.h"
#include "tests/support/random_net.h"

/* Made up from the op's place in the weights file: a partial convolution has its channels of
 * those of the whole. */
static enum tess_status made_up_filters(void *context, int op, int begin, int end,
                                        float *kernel, float *bias,
                                        struct tess_error *error)
{
    const struct tess_graph *graph = context;
    const struct tess_op *it = &graph->ops[op];
    int n_channels = graph->tensors[it->inputs[0]].c / it->groups, first = 0;
    int n_whole = n_channels, n_taps = it->window.kernel_h * it->window.kernel_w;
    (void)error;
    if (tess_op_is_partial(it)) {
        n_whole = it->kernel_channels;
        first = it->channel_begin;
    }
    float scale = sqrtf(6.0f / (float)(n_whole * n_taps));
    for (int filter = begin; filter < end; filter++) {
        struct tess_rng rng;
        tess_rng_init(&rng, (uint64_t)it->weights_offset * 4096 + (uint64_t)filter);
        *bias++ = tess_rng_float(&rng) - 0.5f;
        for (int i = 0; i < n_taps * n_whole; i++) {
            float value = (tess_rng_float(&rng) - 0.5f) * scale;
            if (i % n_whole >= first && i % n_whole < first + n_channels)
                *kernel++ = value;
        }
    }
    return TESS_OK;
}

static enum tess_status made_up_blocks(void *context, int op, int first_block,
                                       int n_blocks, void *packed_out,
                                       struct tess_error *error)
{
    struct tess_graph *graph = context;
    int64_t block_bytes = tess_packed_block_bytes(graph, op);
    float *kernel = malloc((size_t)block_bytes), bias[TESS_PACKED_BLOCK];
    assert_non_null(kernel);
    for (int i = 0; i < n_blocks; i++) {
        int begin, end;
        tess_packed_block_filters(graph, op, first_block + i, &begin, &end);
        made_up_filters(graph, op, begin, end, kernel, bias, error);
        tess_packed_fill(graph, op, first_block + i, kernel, bias,
                         (char *)packed_out + i * block_bytes);
    }
    free(kernel);
    return TESS_OK;
}

static enum tess_status read_rows(void *context, const struct tess_plane *rows,
                                  struct tess_error *error)
{
    (void)context, (void)error;
    for (int y = 0; y < rows->n_rows; y++) {
        struct tess_rng rng;
        tess_rng_init(&rng, (uint64_t)(rows->row + y));
        for (size_t i = 0; i < (size_t)(rows->n_cols * rows->channels); i++) {
            size_t channels = (size_t)rows->channels;
            rows->data[(size_t)y * rows->row_stride + i / channels * rows->pixel_stride +
                       i % channels] = tess_rng_float(&rng) - 0.5f;
        }
    }
    return TESS_OK;
}

/* All outputs of the network, one dense map after the other. */
struct results {
    float *values;
    size_t n;
};

static void take_output(struct results *results, const struct tess_plane *plane)
{
    size_t channels = (size_t)plane->channels;
    size_t n = (size_t)plane->n_rows * (size_t)plane->n_cols * channels;
    results->values = realloc(results->values, (results->n + n) * sizeof(float));
    assert_non_null(results->values);
    for (int y = 0; y < plane->n_rows; y++)
        for (int x = 0; x < plane->n_cols; x++, results->n += channels)
            memcpy(results->values + results->n,
                   plane->data + (size_t)y * plane->row_stride +
                       (size_t)x * plane->pixel_stride,
                   channels * sizeof(float));
}

static struct results run(const struct tess_kernel_family *family,
                          struct tess_graph *graph, const struct tess_plan *plan,
                          int n_threads)
{
    struct tess_error error;
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct results results = {0};
    struct tess_row_source input = {read_rows, NULL};
    struct tess_executor_options options = {.family = family,
                                            .filters = {made_up_filters, graph},
                                            .blocks = {made_up_blocks, graph},
                                            .n_threads = n_threads};
    tess_error_init(&error);
    enum tess_status status = tess_layout_create(graph, plan, &layout, &error);
    if (status == TESS_OK)
        status = tess_executor_create(layout, &options, &executor, &error);
    for (int pass = 0; pass < 2 && status == TESS_OK; pass++) /* sums start anew */
        status = tess_executor_run(executor, &input, NULL, NULL, &error);
    if (status != TESS_OK)
        fail_msg("%s", error.message);
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        if (!graph->tensors[tensor].is_output)
            continue;
        struct tess_plane plane = tess_executor_output(executor, tensor);
        take_output(&results, &plane);
    }
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
    return results;
}

static struct results run_untiled(const struct tess_kernel_family *family,
                                  struct tess_graph *graph)
{
    struct tess_plan *plan = NULL;
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    family->facts(&plan->facts);
    struct results results = run(family, graph, plan, 1);
    tess_plan_destroy(plan);
    return results;
}

/* Largest difference, relative to the largest result. */
static double difference(const struct results *a, const struct results *b)
{
    double largest = 1e-30, error = 0;
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        double distance = fabs((double)a->values[i] - (double)b->values[i]);
        largest = fmax(largest, fabs((double)a->values[i]));
        error = distance > error || isnan(distance) ? distance : error;
    }
    return error / largest;
}

/* Splits what can be. NULL if there is nothing. */
static struct tess_graph *split(const struct tess_graph *graph)
{
    struct tess_graph *made = NULL;
    bool *is_split = calloc((size_t)graph->n_ops, sizeof *is_split), is_any = false;
    for (int op = 0; op < graph->n_ops; op++) {
        is_split[op] = tess_graph_n_parts(graph, op) > 0;
        is_any = is_any || is_split[op];
    }
    if (is_any)
        assert_int_equal(tess_graph_split(graph, is_split, &made, NULL), TESS_OK);
    free(is_split);
    return made;
}

static void init_nets(struct tess_random_net *nets)
{
    tess_random_net_init(nets);
    nets->max_ops = 14;
    nets->max_channels = 40;
    nets->chain_percent = 80;
    nets->joined_percent = 30;
    nets->has_activations = true;
    nets->kinds = 1u << TESS_OP_CONCAT | 1u << TESS_OP_MAXPOOL | 1u << TESS_OP_UPSAMPLE;
}

/* One net: untiled, split and untiled, split by any plan. False if it has nothing to split. */
static bool check_net(const struct tess_kernel_family *family, int n_threads,
                      int streamed_percent, uint64_t seed)
{
    struct tess_random_net nets;
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    init_nets(&nets);
    tess_random_plan_init(&plans);
    plans.streamed_percent = streamed_percent;
    family->facts(&facts);
    struct tess_graph *graph = tess_random_net_create(&nets, &rng);
    struct tess_graph *parts = split(graph);
    if (parts) {
        struct tess_plan *plan = tess_random_plan_create(&plans, parts, &facts, &rng);
        struct results whole = run_untiled(family, graph);
        struct results summed = run_untiled(family, parts);
        struct results planned = run(family, parts, plan, n_threads);
        double error = difference(&whole, &summed);
        bool is_same =
            planned.n == summed.n &&
            memcmp(planned.values, summed.values, summed.n * sizeof *summed.values) == 0;
        if (!(error < 1e-5) || !is_same) {
            tess_random_net_print(parts, plan);
            fail_msg("TESS_TEST_SEED=%llu: %g from the network, %s bits as untiled",
                     (unsigned long long)seed, error, is_same ? "same" : "other");
        }
        free(whole.values);
        free(summed.values);
        free(planned.values);
        tess_plan_destroy(plan);
        tess_graph_destroy(parts);
    }
    tess_graph_destroy(graph);
    return parts != NULL;
}

static void check_family(const struct tess_kernel_family *family, int n_cases,
                         int n_threads, int streamed_percent)
{
    int n_split = 0;
    uint64_t seed = tess_random_seed(20261122, &n_cases);
    assert_int_equal(family->start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++)
        n_split += check_net(family, n_threads, streamed_percent, seed + (uint64_t)i);
    family->stop();
    print_message("%d of %d nets split\n", n_split, n_cases);
    assert_true(3 * n_split > n_cases || n_cases == 1);
}

static void test_split_networks_run_with_plain_kernels(void **state)
{
    (void)state;
    check_family(&tess_kernel_ref, 200, 1, 0);
}

static void test_split_networks_run_with_our_kernels(void **state)
{
    (void)state;
    check_family(&tess_kernel_nat, 200, 1, 0);
    check_family(&tess_kernel_nat, 60, 2, 0);
}

static void test_split_networks_run_with_streamed_weights(void **state)
{
    (void)state;
    check_family(&tess_kernel_nat, 150, 1, 60);
    check_family(&tess_kernel_nat, 60, 2, 100);
}

static void test_split_networks_run_with_xnnpack_and_plain_sums(void **state)
{
    (void)state;
    check_family(&tess_kernel_xnn, 150, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_networks_run_with_plain_kernels),
        cmocka_unit_test(test_split_networks_run_with_our_kernels),
        cmocka_unit_test(test_split_networks_run_with_streamed_weights),
        cmocka_unit_test(test_split_networks_run_with_xnnpack_and_plain_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
