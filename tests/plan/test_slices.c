#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "plan/slices.h"
#include "tests/plan/sample_graph.h"

static struct tess_plan *plan_of(const struct tess_graph *graph)
{
    struct tess_plan *plan = NULL;
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    return plan;
}

static void nothing_streamed_takes_nothing(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan = plan_of(graph);
    plan->slice_bytes = 1 << 20;
    assert_int_equal(tess_slices_slot_bytes(plan, graph), 0);
    assert_int_equal(tess_slices_most_block_bytes(plan, graph), 0);
    assert_int_equal(tess_slices_blocks(plan, graph, 0), 0);
    assert_int_equal(tess_slices_count(plan, graph, 0), 0);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
}

/* A slice as small as can be is one block of the op with the largest; others get more. */
static void the_default_is_the_largest_block(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan = plan_of(graph);
    int64_t most_bytes = 0;
    for (int op = 0; op < graph->n_ops; op++) {
        plan->streamed[op] = tess_op_has_weights(&graph->ops[op]);
        if (plan->streamed[op] && tess_packed_block_bytes(graph, op) > most_bytes)
            most_bytes = tess_packed_block_bytes(graph, op);
    }
    assert_int_equal(tess_slices_most_block_bytes(plan, graph), most_bytes);
    assert_int_equal(tess_slices_slot_bytes(plan, graph), most_bytes);
    for (int op = 0; op < graph->n_ops; op++)
        if (plan->streamed[op])
            assert_true(tess_slices_blocks(plan, graph, op) >= 1);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
}

/* Whatever the size: slices cover the blocks, none is empty, none is larger than asked for,
 * and with a larger size there are never more. */
static void slices_cover_the_blocks(void **state)
{
    (void)state;
    uint64_t seed = 20261121;
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 300; round++) {
        struct tess_graph *graph = sample_begin("wide", 4, 8, 3);
        sample_layer(graph, TESS_OP_CONV, (int)tess_rng_int(&rng, 1, 2000),
                     TESS_GRAPH_INPUT);
        sample_end(graph);
        struct tess_plan *plan = plan_of(graph);
        plan->streamed[0] = true;
        int64_t block_bytes = tess_packed_block_bytes(graph, 0);
        int n_blocks = tess_packed_n_blocks(graph, 0), n_before = n_blocks;
        for (int most = 1; most <= n_blocks + 1; most++) {
            plan->slice_bytes = most * block_bytes + tess_rng_int(&rng, 0, 63);
            int n = tess_slices_blocks(plan, graph, 0);
            int n_slices = tess_slices_count(plan, graph, 0);
            assert_in_range(n, 1, most);
            assert_true(n * n_slices >= n_blocks && n * (n_slices - 1) < n_blocks);
            assert_true(n_slices <= n_before);
            n_before = n_slices;
        }
        assert_int_equal(n_before, 1);
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_streamed_takes_nothing),
        cmocka_unit_test(the_default_is_the_largest_block),
        cmocka_unit_test(slices_cover_the_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
