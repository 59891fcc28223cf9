/* Places for blocks: nothing overlaps, no more than the bound where that is possible. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arith.h"
#include "schedule/check.h"
#include "schedule/ordering.h"
#include "schedule/placement.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

enum { MAX_BLOCKS = 40, MAX_STEPS = 14 };

static bool share_a_step(const struct tess_block *a, const struct tess_block *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

static void assert_placed(const struct tess_block *blocks, int n_blocks, int64_t arena,
                          int64_t alignment)
{
    for (int i = 0; i < n_blocks; i++) {
        assert_true(blocks[i].offset >= 0 && blocks[i].offset + blocks[i].bytes <= arena);
        assert_int_equal(blocks[i].offset % alignment, 0);
        for (int k = 0; k < i; k++)
            if (share_a_step(&blocks[i], &blocks[k]))
                assert_true(blocks[i].offset + blocks[i].bytes <= blocks[k].offset ||
                            blocks[k].offset + blocks[k].bytes <= blocks[i].offset ||
                            blocks[i].bytes == 0 || blocks[k].bytes == 0);
    }
}

static void make_blocks(struct tess_block *blocks, int n_blocks, struct tess_rng *rng)
{
    for (int i = 0; i < n_blocks; i++) {
        int first = tess_rng_int(rng, 0, MAX_STEPS - 1);
        int last = tess_rng_int(rng, first, MAX_STEPS - 1);
        if (tess_rng_int(rng, 0, 1))
            last = tess_min_int(first + 1, MAX_STEPS - 1);
        blocks[i] = (struct tess_block){first, last, tess_rng_int(rng, 0, 300), -1};
    }
}

static void test_blocks_alive_together_never_overlap(void **state)
{
    (void)state;
    int n_cases = 300;
    uint64_t seed = tess_random_seed(9900000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_block blocks[MAX_BLOCKS], again[MAX_BLOCKS];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_blocks = tess_rng_int(&rng, 0, MAX_BLOCKS);
        make_blocks(blocks, n_blocks, &rng);
        memcpy(again, blocks, sizeof again);
        struct tess_placement placement, repeated;
        tess_placement_init(&placement);
        placement.alignment = i % 3 ? 64 : 1;
        placement.limit_climb_work = 100000;
        placement.limit_exact_work = 100000;
        placement.parts_off = (unsigned)i & 3;
        repeated = placement;
        assert_int_equal(tess_placement_find(&placement, blocks, n_blocks, NULL),
                         TESS_OK);
        assert_true(placement.arena_bytes >= placement.bound_bytes || n_blocks == 0);
        assert_placed(blocks, n_blocks, placement.arena_bytes, placement.alignment);
        assert_int_equal(tess_placement_find(&repeated, again, n_blocks, NULL), TESS_OK);
        for (int k = 0; k < n_blocks; k++)
            assert_int_equal(blocks[k].offset, again[k].offset);
    }
}

/* Counted step by step. */
static int64_t brute_bound(const struct tess_block *blocks, int n_blocks,
                           int64_t alignment, int *step_out)
{
    int64_t most = 0;
    *step_out = 0;
    for (int step = 0; step < MAX_STEPS; step++) {
        int64_t alive = 0;
        for (int i = 0; i < n_blocks; i++)
            if (blocks[i].first_step <= step && step <= blocks[i].last_step)
                alive += tess_round_up(blocks[i].bytes, alignment);
        if (alive > most) {
            most = alive;
            *step_out = step;
        }
    }
    return most;
}

static void test_the_bound_is_the_most_alive_at_the_first_such_step(void **state)
{
    (void)state;
    int n_cases = 1000;
    uint64_t seed = tess_random_seed(9940000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_block blocks[MAX_BLOCKS];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_blocks = tess_rng_int(&rng, 0, MAX_BLOCKS), step, brute_step;
        int64_t alignment = i % 3 ? 64 : 1, bound;
        make_blocks(blocks, n_blocks, &rng);
        assert_int_equal(
            tess_placement_bound(blocks, n_blocks, alignment, &bound, &step, NULL),
            TESS_OK);
        assert_int_equal(bound, brute_bound(blocks, n_blocks, alignment, &brute_step));
        assert_int_equal(step, brute_step);
    }
}

/* A chain, as networks without branches have it: two neighbours live together. */
static void test_a_chain_is_placed_without_a_gap(void **state)
{
    (void)state;
    int n_cases = 200;
    uint64_t seed = tess_random_seed(9950000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_block blocks[MAX_BLOCKS];
        struct tess_rng rng;
        struct tess_placement placement;
        tess_placement_init(&placement);
        tess_rng_init(&rng, seed + (uint64_t)i);
        for (int k = 0; k < MAX_BLOCKS; k++)
            blocks[k] = (struct tess_block){k, k + 1, 64 * tess_rng_int(&rng, 1, 99), -1};
        assert_int_equal(tess_placement_find(&placement, blocks, MAX_BLOCKS, NULL),
                         TESS_OK);
        assert_placed(blocks, MAX_BLOCKS, placement.arena_bytes, 64);
        assert_int_equal(placement.arena_bytes, placement.bound_bytes);
    }
}

/* ---- the best there is ---- */

struct optimum {
    struct tess_block *blocks;
    int n_blocks;
    bool is_placed[MAX_BLOCKS];
    int64_t best, bound; /* least arena so far; at the bound it ends */
};

static int64_t lowest_place(const struct optimum *optimum, int block)
{
    int64_t offset = 0;
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        for (int i = 0; i < optimum->n_blocks; i++) {
            const struct tess_block *other = &optimum->blocks[i];
            if (!optimum->is_placed[i] || other->bytes == 0 ||
                !share_a_step(other, &optimum->blocks[block]) ||
                offset + optimum->blocks[block].bytes <= other->offset ||
                other->offset + other->bytes <= offset)
                continue;
            offset = other->offset + other->bytes;
            has_moved = true;
        }
    }
    return offset;
}

/* Some order of placing each as low as it goes is optimal. */
static void search(struct optimum *optimum, int n_placed, int64_t arena)
{
    if (arena >= optimum->best || optimum->best == optimum->bound)
        return;
    if (n_placed == optimum->n_blocks) {
        optimum->best = arena;
        return;
    }
    for (int i = 0; i < optimum->n_blocks; i++) {
        if (optimum->is_placed[i])
            continue;
        optimum->blocks[i].offset = lowest_place(optimum, i);
        optimum->is_placed[i] = true;
        search(optimum, n_placed + 1,
               tess_max_i64(arena, optimum->blocks[i].offset + optimum->blocks[i].bytes));
        optimum->is_placed[i] = false;
    }
}

/* Lifetimes and sizes that greedy orders do not always place well. */
static void make_awkward(struct tess_block *blocks, int n_blocks, struct tess_rng *rng)
{
    for (int k = 0; k < n_blocks; k++) {
        int first = tess_rng_int(rng, 0, 7);
        int last = first + tess_rng_int(rng, 0, 4);
        blocks[k] = (struct tess_block){first, tess_min_int(last, 9),
                                        64 * tess_rng_int(rng, 1, 6), -1};
    }
}

/* With and without the climb before it. */
static void test_the_exact_search_finds_the_least_arena(void **state)
{
    (void)state;
    int n_cases = 1500, n_found = 0;
    uint64_t seed = tess_random_seed(9910000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_block blocks[MAX_BLOCKS], brute[MAX_BLOCKS];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_blocks = tess_rng_int(&rng, 5, 9);
        make_awkward(blocks, n_blocks, &rng);
        memcpy(brute, blocks, sizeof brute);
        struct tess_placement placement;
        tess_placement_init(&placement);
        placement.parts_off = i % 4 ? TESS_PLACEMENT_CLIMB : 0;
        assert_int_equal(tess_placement_find(&placement, blocks, n_blocks, NULL),
                         TESS_OK);
        assert_placed(blocks, n_blocks, placement.arena_bytes, 64);
        assert_true(placement.is_least);
        struct optimum optimum = {.blocks = brute,
                                  .n_blocks = n_blocks,
                                  .best = INT64_MAX,
                                  .bound = placement.bound_bytes};
        search(&optimum, 0, 0);
        if (placement.arena_bytes != optimum.best)
            fail_msg("seed %" PRIu64 ": arena %" PRId64 ", best %" PRId64,
                     seed + (uint64_t)i, placement.arena_bytes, optimum.best);
        n_found += strcmp(placement.found_by, "exact") == 0;
    }
    printf("%d instances: the exact search improved %d\n", n_cases, n_found);
    assert_true(n_cases < 1500 || n_found > 0);
}

/* Thirteen bytes are alive at most, and yet no arena of thirteen holds them. */
static void test_a_gap_that_no_placement_closes_is_proven(void **state)
{
    (void)state;
    struct tess_block blocks[] = {{2, 4, 4, -1}, {3, 5, 3, -1}, {0, 1, 8, -1},
                                  {4, 6, 2, -1}, {7, 7, 7, -1}, {1, 3, 5, -1},
                                  {5, 7, 6, -1}};
    enum { N = sizeof blocks / sizeof blocks[0] };
    struct tess_placement placement;
    tess_placement_init(&placement);
    placement.alignment = 1;
    assert_int_equal(tess_placement_find(&placement, blocks, N, NULL), TESS_OK);
    assert_int_equal(placement.bound_bytes, 13);
    assert_int_equal(placement.arena_bytes, 14);
    assert_true(placement.is_least);
    assert_placed(blocks, N, placement.arena_bytes, 1);
    struct optimum optimum = {
        .blocks = blocks, .n_blocks = N, .best = INT64_MAX, .bound = 13};
    search(&optimum, 0, 0);
    assert_int_equal(optimum.best, 14);
}

/* ---- arenas filled to the last byte ---- */

/* Cuts a rectangle of steps and bytes into n_blocks blocks, by cuts that halve one of them: an
 * arena of its height holds them without a gap. */
static int make_full(struct tess_block *blocks, int n_blocks, int n_steps, int64_t bytes,
                     struct tess_rng *rng)
{
    int n = 1;
    blocks[0] = (struct tess_block){0, n_steps - 1, bytes, 0};
    for (int tries = 0; n < n_blocks && tries < 100 * n_blocks; tries++) {
        struct tess_block *block = &blocks[tess_rng_int(rng, 0, n - 1)];
        int length = block->last_step - block->first_step + 1;
        if (tess_rng_int(rng, 0, 1) && length > 1) {
            blocks[n] = *block;
            block->last_step = block->first_step + tess_rng_int(rng, 0, length - 2);
            blocks[n++].first_step = block->last_step + 1;
        } else if (block->bytes > 64) {
            blocks[n] = *block;
            block->bytes = 64 * tess_rng_int(rng, 1, (int)(block->bytes / 64) - 1);
            blocks[n].bytes -= block->bytes;
            blocks[n++].offset += block->bytes;
        }
    }
    return n;
}

static void test_full_arenas_are_found_again(void **state)
{
    (void)state;
    int n_cases = 60, n_met = 0, n_exact = 0;
    uint64_t seed = tess_random_seed(9930000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_block blocks[MAX_BLOCKS];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_blocks =
            make_full(blocks, tess_rng_int(&rng, 10, MAX_BLOCKS), 30, 64 * 1000, &rng);
        struct tess_placement placement;
        tess_placement_init(&placement);
        placement.parts_off = i & 1 ? TESS_PLACEMENT_CLIMB : 0;
        assert_int_equal(tess_placement_find(&placement, blocks, n_blocks, NULL),
                         TESS_OK);
        assert_placed(blocks, n_blocks, placement.arena_bytes, 64);
        assert_int_equal(placement.bound_bytes, 64 * 1000);
        n_met += placement.arena_bytes == 64 * 1000;
        n_exact += strcmp(placement.found_by, "exact") == 0;
    }
    printf("%d full arenas: %d found again, %d of them by the exact search\n", n_cases,
           n_met, n_exact);
    assert_true(n_met == n_cases);
}

/* What an order asks for is its peak, and offsets pass the checker that knows nothing of blocks. */
static void test_blocks_of_an_order_are_its_peak(void **state)
{
    (void)state;
    int n_cases = 2000;
    uint64_t seed = tess_random_seed(9920000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_task_graph *graph, *counted = NULL;
        tess_rng_init(&rng, seed + (uint64_t)i);
        graph = tess_random_tasks_create(14, &rng);
        enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(&rng, 0, 2);
        assert_int_equal(tess_task_graph_count(graph, model, 64, &counted, NULL),
                         TESS_OK);
        int order[16];
        int64_t offsets[64];
        struct tess_order_result result = {.order = order};
        struct tess_order_limits limits;
        struct tess_blocks blocks;
        struct tess_placement placement;
        tess_order_limits_init(&limits);
        tess_placement_init(&placement);
        const struct tess_order_method *method =
            i & 1 ? &tess_method_kahn : &tess_method_greedy;
        assert_int_equal(method->run(counted, &limits, &result, NULL), TESS_OK);
        assert_int_equal(tess_blocks_init(&blocks, counted, order, NULL), TESS_OK);
        assert_int_equal(
            tess_placement_find(&placement, blocks.blocks, blocks.n_blocks, NULL),
            TESS_OK);
        assert_int_equal(placement.bound_bytes, result.peak_bytes);
        tess_blocks_offsets(&blocks, counted, offsets);
        struct tess_error error;
        tess_error_init(&error);
        if (tess_check_places(counted, order, offsets, placement.arena_bytes, 64,
                              &error) != TESS_OK)
            fail_msg("seed %" PRIu64 ": %s", seed + (uint64_t)i, error.message);
        tess_blocks_release(&blocks);
        tess_task_graph_destroy(counted);
        tess_task_graph_destroy(graph);
    }
}

/* The worked example. */
static void test_three_blocks_take_the_bound(void **state)
{
    (void)state;
    struct tess_block blocks[] = {{0, 1, 4, -1}, {1, 2, 2, -1}, {2, 3, 4, -1}};
    struct tess_placement placement;
    tess_placement_init(&placement);
    placement.alignment = 1;
    assert_int_equal(tess_placement_find(&placement, blocks, 3, NULL), TESS_OK);
    assert_int_equal(placement.arena_bytes, 6);
    assert_int_equal(blocks[0].offset, 0);
    assert_int_equal(blocks[1].offset, 4);
    assert_int_equal(blocks[2].offset, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_alive_together_never_overlap),
        cmocka_unit_test(test_the_bound_is_the_most_alive_at_the_first_such_step),
        cmocka_unit_test(test_a_chain_is_placed_without_a_gap),
        cmocka_unit_test(test_the_exact_search_finds_the_least_arena),
        cmocka_unit_test(test_a_gap_that_no_placement_closes_is_proven),
        cmocka_unit_test(test_full_arenas_are_found_again),
        cmocka_unit_test(test_blocks_of_an_order_are_its_peak),
        cmocka_unit_test(test_three_blocks_take_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
