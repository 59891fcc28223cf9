/* Offsets: nothing overlaps, the arena is near the best there is, the same input gives the
 * same places. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arith.h"
#include "plan/offsets.h"
#include "tests/support/random_net.h"

enum { MAX_RANGES = 40, MAX_TICKS = 12 };

static bool share_a_tick(const struct tess_live_range *a, const struct tess_live_range *b)
{
    return a->first_tick <= b->last_tick && b->first_tick <= a->last_tick;
}

static void assert_placed(const struct tess_live_range *ranges, int n_ranges,
                          int64_t arena)
{
    for (int i = 0; i < n_ranges; i++) {
        assert_true(ranges[i].offset >= 0 && ranges[i].offset + ranges[i].bytes <= arena);
        for (int j = 0; j < i; j++)
            if (share_a_tick(&ranges[i], &ranges[j]))
                assert_true(ranges[i].offset + ranges[i].bytes <= ranges[j].offset ||
                            ranges[j].offset + ranges[j].bytes <= ranges[i].offset ||
                            ranges[i].bytes == 0 || ranges[j].bytes == 0);
    }
}

static void make_ranges(struct tess_live_range *ranges, int n_ranges,
                        struct tess_rng *rng)
{
    for (int i = 0; i < n_ranges; i++) {
        ranges[i].first_tick = tess_rng_int(rng, 0, MAX_TICKS - 1);
        ranges[i].last_tick = tess_rng_int(rng, ranges[i].first_tick, MAX_TICKS - 1);
        if (tess_rng_int(rng, 0, 2)) /* most buffers live for a step or two */
            ranges[i].last_tick = tess_min_int(ranges[i].first_tick + 1, MAX_TICKS - 1);
        ranges[i].bytes = 64 * tess_rng_int(rng, 0, 20);
        ranges[i].offset = -1;
    }
}

/* Live bytes counted tick by tick. */
static int64_t brute_live(const struct tess_live_range *ranges, int n_ranges,
                          int *tick_out)
{
    int64_t most = 0;
    *tick_out = 0;
    for (int tick = 0; tick < MAX_TICKS; tick++) {
        int64_t live = 0;
        for (int i = 0; i < n_ranges; i++)
            if (ranges[i].first_tick <= tick && tick <= ranges[i].last_tick)
                live += ranges[i].bytes;
        if (live > most) {
            most = live;
            *tick_out = tick;
        }
    }
    return most;
}

static void test_live_bytes_are_the_most_at_one_tick(void **state)
{
    (void)state;
    int n_cases = 1000;
    uint64_t seed = tess_random_seed(9200000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_live_range ranges[MAX_RANGES];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_ranges = tess_rng_int(&rng, 0, MAX_RANGES), tick, brute_tick;
        make_ranges(ranges, n_ranges, &rng);
        assert_int_equal(tess_offsets_live_bytes(ranges, n_ranges, &tick),
                         brute_live(ranges, n_ranges, &brute_tick));
        assert_int_equal(tick, brute_tick);
    }
}

static void test_buffers_alive_together_never_overlap(void **state)
{
    (void)state;
    int n_cases = 1000;
    uint64_t seed = tess_random_seed(9300000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_live_range ranges[MAX_RANGES], again[MAX_RANGES];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        int n_ranges = tess_rng_int(&rng, 0, MAX_RANGES);
        int64_t arena = -1, arena_again = -1;
        make_ranges(ranges, n_ranges, &rng);
        memcpy(again, ranges, sizeof again);
        assert_int_equal(tess_offsets_place(ranges, n_ranges, &arena, NULL), TESS_OK);
        assert_true(arena >= tess_offsets_live_bytes(ranges, n_ranges, NULL));
        assert_placed(ranges, n_ranges, arena);
        assert_int_equal(tess_offsets_place(again, n_ranges, &arena_again, NULL),
                         TESS_OK);
        assert_int_equal(arena, arena_again);
        for (int k = 0; k < n_ranges; k++)
            assert_int_equal(ranges[k].offset, again[k].offset);
    }
}

/* ---- the best there is ---- */

/* Placing in the order of an optimum's offsets, each as low as it goes, gives no larger an
 * arena: the best over all orders is optimal. */
struct optimum {
    struct tess_live_range *ranges;
    int n_ranges;
    bool is_placed[MAX_RANGES];
    int64_t best;
};

static int64_t lowest_place(const struct optimum *optimum, int range)
{
    int64_t offset = 0;
    for (bool has_moved = true; has_moved;) {
        has_moved = false;
        for (int i = 0; i < optimum->n_ranges; i++) {
            const struct tess_live_range *other = &optimum->ranges[i];
            if (!optimum->is_placed[i] || other->bytes == 0 ||
                !share_a_tick(other, &optimum->ranges[range]) ||
                offset + optimum->ranges[range].bytes <= other->offset ||
                other->offset + other->bytes <= offset)
                continue;
            offset = other->offset + other->bytes;
            has_moved = true;
        }
    }
    return offset;
}

static void search(struct optimum *optimum, int n_placed, int64_t arena)
{
    if (arena >= optimum->best)
        return;
    if (n_placed == optimum->n_ranges) {
        optimum->best = arena;
        return;
    }
    for (int i = 0; i < optimum->n_ranges; i++) {
        if (optimum->is_placed[i])
            continue;
        optimum->ranges[i].offset = lowest_place(optimum, i);
        optimum->is_placed[i] = true;
        search(optimum, n_placed + 1,
               tess_max_i64(arena, optimum->ranges[i].offset + optimum->ranges[i].bytes));
        optimum->is_placed[i] = false;
    }
}

static void test_small_instances_are_mostly_placed_optimally(void **state)
{
    (void)state;
    int n_cases = 400, n_optimal = 0;
    uint64_t seed = tess_random_seed(9400000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_live_range ranges[MAX_RANGES];
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct optimum optimum = {.ranges = ranges, .n_ranges = tess_rng_int(&rng, 1, 7)};
        make_ranges(ranges, optimum.n_ranges, &rng);
        int64_t arena;
        assert_int_equal(tess_offsets_place(ranges, optimum.n_ranges, &arena, NULL),
                         TESS_OK);
        optimum.best = arena + 1;
        search(&optimum, 0, 0);
        assert_true(optimum.best <= arena);
        assert_true(10 * arena <= 13 * optimum.best);
        n_optimal += arena == optimum.best;
    }
    printf("%d of %d small instances placed optimally\n", n_optimal, n_cases);
    assert_true(100 * n_optimal >= 98 * n_cases);
}

/* A chain, as networks without branches have it: two neighbours live together. */
static void test_a_chain_is_placed_without_a_gap(void **state)
{
    (void)state;
    int n_cases = 200;
    uint64_t seed = tess_random_seed(9500000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_live_range ranges[MAX_RANGES];
        struct tess_rng rng;
        int64_t arena;
        tess_rng_init(&rng, seed + (uint64_t)i);
        for (int k = 0; k < MAX_RANGES; k++)
            ranges[k] =
                (struct tess_live_range){k, k + 1, 64 * tess_rng_int(&rng, 1, 99), -1};
        assert_int_equal(tess_offsets_place(ranges, MAX_RANGES, &arena, NULL), TESS_OK);
        assert_placed(ranges, MAX_RANGES, arena);
        assert_int_equal(arena, tess_offsets_live_bytes(ranges, MAX_RANGES, NULL));
    }
}

/* The worked example of plan/offsets.c. */
static void test_three_buffers_take_the_bound(void **state)
{
    (void)state;
    struct tess_live_range ranges[] = {{0, 1, 4, -1}, {1, 2, 2, -1}, {2, 3, 4, -1}};
    int64_t arena;
    assert_int_equal(tess_offsets_place(ranges, 3, &arena, NULL), TESS_OK);
    assert_int_equal(arena, 6);
    assert_int_equal(ranges[0].offset, 0);
    assert_int_equal(ranges[1].offset, 4);
    assert_int_equal(ranges[2].offset, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_bytes_are_the_most_at_one_tick),
        cmocka_unit_test(test_buffers_alive_together_never_overlap),
        cmocka_unit_test(test_small_instances_are_mostly_placed_optimally),
        cmocka_unit_test(test_a_chain_is_placed_without_a_gap),
        cmocka_unit_test(test_three_buffers_take_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
