/* Making an executor that streams while memory runs out, at each allocation once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "executor/executor.h"
#include "model/packed.h"
#include "tests/support/random_net.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

static enum tess_status read_zeros(void *context, int op, int first_block, int n_blocks,
                                   void *packed_out, struct tess_error *error)
{
    (void)first_block, (void)error;
    memset(packed_out, 0, (size_t)(n_blocks * tess_packed_block_bytes(context, op)));
    return TESS_OK;
}

static enum tess_status no_rows(void *context, const struct tess_plane *rows,
                                struct tess_error *error)
{
    (void)context, (void)error;
    for (int y = 0; y < rows->n_rows; y++)
        memset(rows->data + (size_t)y * rows->row_stride, 0,
               sizeof(float) * rows->row_stride);
    return TESS_OK;
}

/* Creates with `n` allocations to be had, then runs with none. */
static enum tess_status attempt(const struct tess_layout *layout,
                                const struct tess_executor_options *options, long n,
                                struct tess_error *error)
{
    struct tess_executor *executor = NULL;
    struct tess_row_source input = {no_rows, NULL};
    tess_error_init(error);
    n_until_failure = n;
    enum tess_status status = tess_executor_create(layout, options, &executor, error);
    n_until_failure = -1;
    assert_int_equal(executor != NULL, status == TESS_OK);
    if (executor) {
        n_until_failure = 0;
        status = tess_executor_run(executor, &input, NULL, NULL, error);
        n_until_failure = -1;
    }
    tess_executor_destroy(executor);
    return status;
}

static void check_case(uint64_t seed, long *n_refusals)
{
    struct tess_random_net nets;
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    struct tess_layout *layout = NULL;
    struct tess_error error;
    struct tess_rng rng;
    tess_random_net_init(&nets);
    nets.kinds = 1u << TESS_OP_CONV;
    tess_random_plan_init(&plans);
    plans.streamed_percent = 50;
    tess_kernel_nat.facts(&facts);
    tess_rng_init(&rng, seed);
    struct tess_graph *graph = tess_random_net_create(&nets, &rng);
    struct tess_plan *plan = tess_random_plan_create(&plans, graph, &facts, &rng);
    assert_int_equal(tess_layout_create(graph, plan, &layout, NULL), TESS_OK);
    struct tess_executor_options options = {
        .family = &tess_kernel_nat, .blocks = {read_zeros, graph}, .n_threads = 1};
    /* What the C library keeps for its next thread is no leak. */
    assert_int_equal(attempt(layout, &options, -1, &error), TESS_OK);
    enum tess_status status = TESS_E_NOMEM;
    for (long n = 0; status != TESS_OK; n++) {
        long n_before = n_live;
        status = attempt(layout, &options, n, &error);
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        assert_int_equal(error.status, status);
        assert_int_equal(n_live, n_before);
        assert_int_equal(tess_kernel_nat.heap_bytes(), 0);
        *n_refusals += status != TESS_OK;
    }
    tess_layout_destroy(layout);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
}

static void
test_streaming_survives_every_refusal_and_runs_without_allocating(void **state)
{
    (void)state;
    enum { N_CASES = 20 };
    long n_refusals = 0;
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (uint64_t seed = 0; seed < N_CASES; seed++)
        check_case(seed, &n_refusals);
    tess_kernel_nat.stop();
    assert_true(n_refusals > 4 * N_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_streaming_survives_every_refusal_and_runs_without_allocating),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
