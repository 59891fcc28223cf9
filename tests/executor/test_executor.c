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
#include "model/packed.h"
#include "tests/support/network_maps.h"
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

/* The same in packed blocks. The n-th read fails, counted from 0; -1: none does. */
struct blocks {
    const struct tess_graph *graph;
    int n_reads, failing_read;
};

static enum tess_status made_up_blocks(void *context, int op, int first_block,
                                       int n_blocks, void *packed_out,
                                       struct tess_error *error)
{
    struct blocks *blocks = context;
    struct tess_graph *graph = (struct tess_graph *)(uintptr_t)blocks->graph;
    int64_t block_bytes = tess_packed_block_bytes(graph, op);
    if (blocks->n_reads++ == blocks->failing_read)
        return tess_error_set(error, TESS_E_MODEL, "read %d is damaged",
                              blocks->failing_read);
    float *kernel = malloc((size_t)block_bytes), bias[TESS_PACKED_BLOCK];
    if (!kernel)
        return tess_error_nomem(error);
    for (int i = 0; i < n_blocks; i++) {
        int begin, end;
        tess_packed_block_filters(graph, op, first_block + i, &begin, &end);
        made_up_filters(graph, op, begin, end, kernel, bias, NULL);
        tess_packed_fill(graph, op, first_block + i, kernel, bias,
                         (char *)packed_out + i * block_bytes);
    }
    free(kernel);
    return TESS_OK;
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

/* What is held is what the plan says, to the byte where no library has a say. */
static void check_held(const struct tess_layout *layout,
                       const struct tess_executor *executor,
                       const struct tess_kernel_family *family)
{
    struct tess_memory memory = {0};
    tess_layout_memory(layout, &memory);
    int64_t held_bytes = tess_executor_heap_bytes(executor);
    int64_t planned_bytes = memory.weights + memory.workspace;
    for (int op = 0; op < layout->graph->n_ops; op++) {
        enum tess_op_kind kind = layout->graph->ops[op].kind;
        if (kind == TESS_OP_CONCAT || kind == TESS_OP_SLICE) /* counted, never made */
            planned_bytes -= tess_layout_workspace_bytes(layout, op);
    }
    if (family->uses_packed)
        planned_bytes += tess_layout_slots_bytes(layout);
    assert_true(held_bytes <= planned_bytes);
    if (family != &tess_kernel_xnn)
        assert_int_equal(held_bytes, planned_bytes);
}

/* What the observer puts together from tiles. */
static struct tess_network_maps run_plan(const struct tess_kernel_family *family,
                                         struct tess_graph *graph,
                                         const struct tess_plan *plan, int n_threads)
{
    struct tess_error error;
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct tess_network_maps maps = tess_network_maps_create(graph);
    struct tess_observer observer = tess_network_maps_observer(&maps);
    struct tess_row_source input = {read_rows, NULL};
    struct blocks blocks = {.graph = graph, .failing_read = -1};
    struct tess_executor_options options = {.family = family,
                                            .filters = {made_up_filters, graph},
                                            .blocks = {made_up_blocks, &blocks},
                                            .n_threads = n_threads};
    tess_error_init(&error);
    assert_int_equal(tess_layout_create(graph, plan, &layout, &error), TESS_OK);
    enum tess_status status = tess_executor_create(layout, &options, &executor, &error);
    if (status != TESS_OK)
        fail_msg("create: %s", error.message);
    check_held(layout, executor, family);
    for (int pass = 0; pass < 2; pass++) { /* the second run finds what the first left */
        status = tess_executor_run(executor, &input, &observer, NULL, &error);
        if (status != TESS_OK)
            fail_msg("run: %s", error.message);
    }
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
    return maps;
}

static bool is_same(const struct tess_network_maps *a, const struct tess_network_maps *b)
{
    for (int op = 0; op < a->graph->n_ops; op++) {
        int output = a->graph->ops[op].output;
        const struct tess_tensor *tensor = &a->graph->tensors[output];
        if (tensor->is_output && memcmp(a->maps[output], b->maps[output],
                                        (size_t)tess_tensor_bytes(tensor)) != 0)
            return false;
    }
    return true;
}

static void check_family(const struct tess_kernel_family *family, int n_cases,
                         int n_threads, int streamed_percent)
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
    plans.streamed_percent = streamed_percent;
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
        struct tess_network_maps whole = run_plan(family, graph, untiled, 1);
        struct tess_network_maps tiled = run_plan(family, graph, plan, n_threads);
        if (!is_same(&whole, &tiled)) {
            tess_random_net_print(graph, plan);
            fail_msg("tiled differs from untiled: TESS_TEST_SEED=%llu",
                     (unsigned long long)(seed + (uint64_t)i));
        }
        tess_network_maps_destroy(&whole);
        tess_network_maps_destroy(&tiled);
        tess_plan_destroy(untiled);
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
    family->stop();
}

static void test_tiled_is_untiled_bit_for_bit_with_plain_kernels(void **state)
{
    (void)state;
    check_family(&tess_kernel_ref, 300, 1, 0);
}

static void test_tiled_is_untiled_bit_for_bit_with_xnnpack(void **state)
{
    (void)state;
    check_family(&tess_kernel_xnn, 300, 1, 0);
}

static void test_tiled_is_untiled_bit_for_bit_with_our_kernels(void **state)
{
    (void)state;
    check_family(&tess_kernel_nat, 300, 1, 0);
    check_family(&tess_kernel_nat, 60, 2, 0);
}

static void test_streamed_and_tiled_is_resident_and_untiled_bit_for_bit(void **state)
{
    (void)state;
    check_family(&tess_kernel_nat, 300, 1, 50);
    check_family(&tess_kernel_nat, 100, 1, 100);
    check_family(&tess_kernel_nat, 60, 2, 60);
}

static void test_tiled_is_untiled_bit_for_bit_on_two_threads(void **state)
{
    (void)state;
    check_family(&tess_kernel_xnn, 60, 2, 0);
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

/* ---- streaming that goes wrong ---- */

/* A small network whose plan streams, ready to run. */
struct stream {
    struct tess_graph *graph;
    struct tess_plan *plan;
    struct tess_layout *layout;
    struct tess_executor *executor;
    struct blocks blocks;
    struct tess_network_maps right; /* what comes out when nothing goes wrong */
    int n_loads;                    /* reads during creation */
};

static uint64_t last_seed;

static int say_seed(void **state)
{
    (void)state;
    print_message("last case: TESS_TEST_SEED=%llu\n", (unsigned long long)last_seed);
    return 0;
}

static void stream_init(struct stream *stream, uint64_t seed)
{
    struct tess_random_net nets;
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    struct tess_rng rng;
    struct tess_error error;
    last_seed = seed;
    tess_error_init(&error);
    tess_random_net_init(&nets);
    nets.max_ops = 6;
    nets.max_channels = 40;
    nets.kinds = 1u << TESS_OP_CONV | 1u << TESS_OP_MAXPOOL;
    tess_random_plan_init(&plans);
    plans.streamed_percent = 70;
    tess_rng_init(&rng, seed);
    tess_kernel_nat.facts(&facts);
    stream->graph = tess_random_net_create(&nets, &rng);
    stream->plan = tess_random_plan_create(&plans, stream->graph, &facts, &rng);
    stream->right = run_plan(&tess_kernel_nat, stream->graph, stream->plan, 1);
    stream->blocks = (struct blocks){.graph = stream->graph, .failing_read = -1};
    struct tess_executor_options options = {.family = &tess_kernel_nat,
                                            .blocks = {made_up_blocks, &stream->blocks},
                                            .n_threads = 1};
    assert_int_equal(
        tess_layout_create(stream->graph, stream->plan, &stream->layout, &error),
        TESS_OK);
    assert_int_equal(
        tess_executor_create(stream->layout, &options, &stream->executor, &error),
        TESS_OK);
    stream->n_loads = stream->blocks.n_reads;
}

static void stream_release(struct stream *stream)
{
    tess_executor_destroy(stream->executor);
    tess_network_maps_destroy(&stream->right);
    tess_layout_destroy(stream->layout);
    tess_plan_destroy(stream->plan);
    tess_graph_destroy(stream->graph);
}

/* Told of tiles, which must be right; and asked for rows. Gives up after so many. */
struct impatient {
    const struct stream *stream;
    int n_calls, last_call; /* -1: never gives up */
};

static enum tess_status give_up(struct impatient *impatient, struct tess_error *error)
{
    if (impatient->n_calls++ != impatient->last_call)
        return TESS_OK;
    return tess_error_set(error, TESS_E_IO, "had enough");
}

static enum tess_status compare_tile(void *context, int op, const struct tess_plane *tile,
                                     struct tess_error *error)
{
    struct impatient *impatient = context;
    const struct stream *stream = impatient->stream;
    const struct tess_tensor *out =
        &stream->graph->tensors[stream->graph->ops[op].output];
    for (int y = 0; y < tile->n_rows; y++)
        for (int x = 0; x < tile->n_cols; x++)
            assert_memory_equal(tile->data + (size_t)y * tile->row_stride +
                                    (size_t)x * tile->pixel_stride,
                                stream->right.maps[stream->graph->ops[op].output] +
                                    (size_t)((tile->row + y) * out->w + tile->col + x) *
                                        (size_t)out->c,
                                sizeof(float) * (size_t)out->c);
    return give_up(impatient, error);
}

static enum tess_status read_some_rows(void *context, const struct tess_plane *rows,
                                       struct tess_error *error)
{
    enum tess_status status = read_rows(NULL, rows, error);
    return status == TESS_OK ? give_up(context, error) : status;
}

/* One run in which read `failing_read` fails and the caller gives up at call `last_call`.
 * Whatever tiles are told are right. */
static enum tess_status run_stream(struct stream *stream, int failing_read, int last_call,
                                   struct tess_error *error)
{
    struct impatient impatient = {stream, 0, last_call};
    struct tess_observer observer = {compare_tile, &impatient};
    struct tess_row_source input = {read_some_rows, &impatient};
    tess_error_init(error);
    stream->blocks.n_reads = 0;
    stream->blocks.failing_read = failing_read;
    return tess_executor_run(stream->executor, &input, &observer, NULL, error);
}

static void test_each_read_that_fails_ends_the_run_and_no_other(void **state)
{
    (void)state;
    int n_cases = 60, n_failures = 0;
    uint64_t seed = tess_random_seed(20261123, &n_cases);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        struct stream stream;
        struct tess_error error;
        char expected[64];
        stream_init(&stream, seed + (uint64_t)i);
        assert_int_equal(run_stream(&stream, -1, -1, &error), TESS_OK);
        int n_reads = stream.blocks.n_reads;
        for (int k = 0; k < n_reads; k++, n_failures++) {
            assert_int_equal(run_stream(&stream, k, -1, &error), TESS_E_MODEL);
            snprintf(expected, sizeof expected, "read %d is damaged", k);
            assert_string_equal(error.message, expected);
            assert_int_equal(stream.blocks.n_reads, k + 1); /* none after it */
            if (k % 2 == 0) /* else one failure follows the other */
                assert_int_equal(run_stream(&stream, -1, -1, &error), TESS_OK);
        }
        assert_int_equal(run_stream(&stream, n_reads, -1, &error), TESS_OK);
        stream_release(&stream);
    }
    assert_true(n_cases == 1 || n_failures > 5 * n_cases);
    tess_kernel_nat.stop();
}

static void test_a_run_that_ends_early_leaves_nothing_behind(void **state)
{
    (void)state;
    int n_cases = 60;
    uint64_t seed = tess_random_seed(20261124, &n_cases);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        struct stream stream;
        struct tess_error error;
        enum tess_status status = TESS_E_IO;
        stream_init(&stream, seed + (uint64_t)i);
        for (int k = 0; status != TESS_OK; k++) {
            status = run_stream(&stream, -1, k, &error);
            if (status == TESS_OK)
                break;
            assert_int_equal(status, TESS_E_IO);
            assert_string_equal(error.message, "had enough");
            if (k % 2 == 0)
                assert_int_equal(run_stream(&stream, -1, -1, &error), TESS_OK);
        }
        if (i % 3 == 0) /* destroyed right after a run that ended early */
            assert_int_equal(run_stream(&stream, -1, 0, &error), TESS_E_IO);
        if (i % 3 == 1)
            tess_executor_drop_kernels(stream.executor);
        stream_release(&stream);
    }
    tess_kernel_nat.stop();
}

static void test_each_weight_that_cannot_be_loaded_ends_creation(void **state)
{
    (void)state;
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct stream stream;
        struct tess_error error;
        stream_init(&stream, seed);
        for (int k = 0; k < stream.n_loads; k++) {
            struct tess_executor *executor = NULL;
            struct blocks blocks = {.graph = stream.graph, .failing_read = k};
            struct tess_executor_options options = {.family = &tess_kernel_nat,
                                                    .blocks = {made_up_blocks, &blocks},
                                                    .n_threads = 1};
            int64_t heap_bytes = tess_kernel_nat.heap_bytes();
            tess_error_init(&error);
            assert_int_equal(
                tess_executor_create(stream.layout, &options, &executor, &error),
                TESS_E_MODEL);
            assert_null(executor);
            assert_non_null(strstr(error.message, "is damaged"));
            assert_int_equal(tess_kernel_nat.heap_bytes(), heap_bytes);
        }
        stream_release(&stream);
    }
    tess_kernel_nat.stop();
}

static void test_other_families_do_not_stream(void **state)
{
    (void)state;
    struct stream stream;
    struct tess_executor *executor = NULL;
    struct tess_layout *layout = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    stream_init(&stream, 3);
    assert_true(tess_layout_slots_bytes(stream.layout) > 0);
    assert_int_equal(tess_kernel_ref.start(0, NULL), TESS_OK);
    struct tess_plan *plan = tess_plan_copy(stream.plan);
    assert_non_null(plan);
    tess_kernel_ref.facts(&plan->facts);
    assert_int_equal(tess_layout_create(stream.graph, plan, &layout, NULL), TESS_OK);
    struct tess_executor_options options = {.family = &tess_kernel_ref,
                                            .filters = {made_up_filters, stream.graph},
                                            .n_threads = 1};
    assert_int_equal(tess_executor_create(layout, &options, &executor, &error),
                     TESS_E_CONFIG);
    assert_null(executor);
    assert_non_null(strstr(error.message, "family ref"));
    assert_non_null(strstr(error.hint, "--kernels nat"));
    tess_layout_destroy(layout);
    tess_plan_destroy(plan);
    tess_kernel_ref.stop();
    stream_release(&stream);
    tess_kernel_nat.stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_with_plain_kernels),
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_with_xnnpack),
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_with_our_kernels),
        cmocka_unit_test(test_tiled_is_untiled_bit_for_bit_on_two_threads),
        cmocka_unit_test(test_streamed_and_tiled_is_resident_and_untiled_bit_for_bit),
        cmocka_unit_test(test_weights_that_cannot_be_read_end_creation),
        cmocka_unit_test(test_each_weight_that_cannot_be_loaded_ends_creation),
        cmocka_unit_test_teardown(test_each_read_that_fails_ends_the_run_and_no_other,
                                  say_seed),
        cmocka_unit_test_teardown(test_a_run_that_ends_early_leaves_nothing_behind,
                                  say_seed),
        cmocka_unit_test(test_other_families_do_not_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
