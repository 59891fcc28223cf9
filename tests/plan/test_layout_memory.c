/* The terms of memory where weights are packed blocks, worked by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plan/layout.h"
#include "plan/slices.h"
#include "plan/verify.h"
#include "tests/plan/sample_graph.h"

/* Two convolutions 3x3 on a map of 4x4: 32 to 64 channels, then to 16. */
enum {
    A_BLOCK = (9 * 32 + 1) * 64, /* four of these */
    B_BLOCK = (9 * 64 + 1) * 64, /* one of these */
    SOURCE = 1000
};

struct made {
    struct tess_graph *graph;
    struct tess_plan *plan;
};

static void make(struct made *made, int has_unpacked_source)
{
    made->graph = sample_begin("two", 2, 4, 32);
    int a = sample_layer(made->graph, TESS_OP_CONV, 64, TESS_GRAPH_INPUT);
    sample_layer(made->graph, TESS_OP_CONV, 16, a);
    sample_end(made->graph);
    assert_int_equal(tess_plan_create(made->graph, &made->plan, NULL), TESS_OK);
    made->plan->facts = (struct tess_kernel_facts){
        .family = "nat",
        .align_bytes = 64,
        .has_packed_weights = 1,
        .kernel_overhead_bytes = 200,
        .source_bytes = SOURCE,
        .has_unpacked_source = has_unpacked_source,
    };
}

static void release(struct made *made)
{
    tess_plan_destroy(made->plan);
    tess_graph_destroy(made->graph);
}

/* What the layout and the verifier say, which must be one. */
static struct tess_memory memory_of(const struct made *made, int64_t *maps_bytes_out)
{
    struct tess_layout *layout = NULL;
    struct tess_memory memory = {0};
    struct tess_verdict verdict;
    assert_int_equal(tess_layout_create(made->graph, made->plan, &layout, NULL), TESS_OK);
    tess_layout_memory(layout, &memory);
    assert_int_equal(tess_verify(layout, &verdict, NULL), TESS_OK);
    assert_int_equal(verdict.memory.arena, memory.arena);
    assert_int_equal(verdict.memory.peak, memory.peak);
    *maps_bytes_out = layout->arena_bytes;
    assert_true(layout->arena_bytes < A_BLOCK);
    tess_layout_destroy(layout);
    return memory;
}

static void test_resident_blocks_lie_in_one_piece_beside_bare_kernels(void **state)
{
    (void)state;
    struct made made;
    int64_t maps_bytes;
    make(&made, 0);
    struct tess_memory memory = memory_of(&made, &maps_bytes);
    assert_true(4 * A_BLOCK + B_BLOCK == 110912);
    assert_int_equal(memory.weights, 28 * 4096);
    assert_int_equal(memory.workspace, 2 * 256);
    assert_int_equal(memory.arena, maps_bytes);
    assert_int_equal(memory.window, SOURCE);
    release(&made);
}

static void test_packing_while_loading_takes_a_block_in_place_of_the_arena(void **state)
{
    (void)state;
    struct made made;
    int64_t maps_bytes;
    make(&made, 1);
    assert_int_equal(memory_of(&made, &maps_bytes).arena, B_BLOCK);
    made.plan->streamed[1] = true; /* B is not loaded, then */
    assert_int_equal(memory_of(&made, &maps_bytes).arena, A_BLOCK);
    made.plan->streamed[0] = true;
    assert_int_equal(memory_of(&made, &maps_bytes).arena, maps_bytes);
    release(&made);
}

static void test_streamed_blocks_take_two_slots_and_a_reader(void **state)
{
    (void)state;
    struct made made;
    int64_t maps_bytes;
    make(&made, 0);
    made.plan->streamed[1] = true;
    struct tess_memory memory = memory_of(&made, &maps_bytes);
    int64_t slots_bytes = 2 * 10 * 4096; /* a block of B, 36928 bytes, in whole pages */
    assert_int_equal(memory.weights, 19 * 4096);
    assert_int_equal(memory.workspace, 2 * 256);
    assert_int_equal(memory.window, SOURCE + TESS_SLICES_READER_BYTES + slots_bytes);
    made.plan->facts.has_unpacked_source = 1;
    memory = memory_of(&made, &maps_bytes);
    assert_int_equal(memory.window,
                     SOURCE + TESS_SLICES_READER_BYTES + slots_bytes + 10 * 4096);
    made.plan->streamed[0] = true;
    assert_int_equal(memory_of(&made, &maps_bytes).weights, 0);
    release(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resident_blocks_lie_in_one_piece_beside_bare_kernels),
        cmocka_unit_test(test_packing_while_loading_takes_a_block_in_place_of_the_arena),
        cmocka_unit_test(test_streamed_blocks_take_two_slots_and_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
