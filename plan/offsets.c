/* Problem: dynamic storage allocation with known lifetimes (NP-hard in general).
 *
 * Method: greedy first fit over several orders of the buffers; the arena of the best order is
 * kept. First fit: of the placed buffers that share a tick with the new one, sorted by offset,
 * take the lowest gap that holds it. When the best greedy is above the bound, improve it by a
 * bounded hill climb: buffers that end above the bound move to the front of the order.
 *
 * Invariant: after k buffers, no two placed buffers that share a tick overlap.
 *
 * Cost: O(n^2) per order, at most N_ORDERS + N_CLIMBS orders.
 *
 * Worked example: A [0,1] 4 bytes, B [1,2] 2 bytes, C [2,3] 4 bytes; bound 6.
 *   by size: A at 0, C at 0 (no common tick), B at 4: arena 6.
 *
 * Not done: exact search; buffers of a neural network's layers are placed without a gap by the
 * greedy orders in practice.
 *
 * Reference: Pisarchyk and Lee, "Efficient memory management for deep neural net inference",
 * MLSys workshop 2020 (greedy by size).
 */
#include "plan/offsets.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* TUNING: 60 climbs closed every gap left by the greedy orders on the darknet networks
 * (2026-11); each costs one placement, microseconds for tens of buffers. */
enum { N_ORDERS = 4, N_CLIMBS = 60 };

struct placement {
    const struct tess_live_range *ranges;
    int n_ranges;
    int64_t *offsets; /* [n_ranges] */
    int *order;       /* [n_ranges] */
    int *by_offset;   /* [n_ranges] placed neighbours, sorted by offset */
};

int64_t tess_offsets_live_bytes(const struct tess_live_range *ranges, int n_ranges,
                                int *tick_out)
{
    int64_t most = 0;
    int most_tick = 0;
    /* The maximum is reached where some range begins. */
    for (int i = 0; i < n_ranges; i++) {
        int tick = ranges[i].first_tick;
        int64_t live = 0;
        for (int j = 0; j < n_ranges; j++)
            if (ranges[j].first_tick <= tick && tick <= ranges[j].last_tick)
                live += ranges[j].bytes;
        if (live > most || (live == most && live > 0 && tick < most_tick)) {
            most = live;
            most_tick = tick;
        }
    }
    if (tick_out)
        *tick_out = most_tick;
    return most;
}

static bool share_a_tick(const struct tess_live_range *a, const struct tess_live_range *b)
{
    return a->first_tick <= b->last_tick && b->first_tick <= a->last_tick;
}

static int64_t lowest_gap(const struct placement *placement, int n_placed, int buffer)
{
    const struct tess_live_range *ranges = placement->ranges;
    int n_near = 0;
    for (int i = 0; i < n_placed; i++) {
        int other = placement->order[i];
        if (!share_a_tick(&ranges[buffer], &ranges[other]) || ranges[other].bytes == 0)
            continue;
        int at = n_near++;
        for (; at > 0 && placement->offsets[placement->by_offset[at - 1]] >
                             placement->offsets[other];
             at--)
            placement->by_offset[at] = placement->by_offset[at - 1];
        placement->by_offset[at] = other;
    }
    int64_t lowest = 0;
    for (int i = 0; i < n_near; i++) {
        int other = placement->by_offset[i];
        if (placement->offsets[other] - lowest >= ranges[buffer].bytes)
            break;
        int64_t end = placement->offsets[other] + ranges[other].bytes;
        if (end > lowest)
            lowest = end;
    }
    return lowest;
}

static int64_t place_in_order(struct placement *placement)
{
    int64_t arena = 0;
    for (int i = 0; i < placement->n_ranges; i++) {
        int buffer = placement->order[i];
        placement->offsets[buffer] = lowest_gap(placement, i, buffer);
        int64_t end = placement->offsets[buffer] + placement->ranges[buffer].bytes;
        if (end > arena)
            arena = end;
    }
    return arena;
}

static int compare_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* Is `a` placed before `b` in greedy order number `rule`? Ties go to the lower index. */
static bool is_before(const struct tess_live_range *ranges, int rule, int a, int b)
{
    const struct tess_live_range *x = &ranges[a], *y = &ranges[b];
    int64_t x_span = x->last_tick - x->first_tick, y_span = y->last_tick - y->first_tick;
    int order = 0;
    switch (rule) {
    case 0: order = compare_i64(y->bytes, x->bytes); break;
    case 1: order = compare_i64(y_span, x_span); break;
    case 2: order = compare_i64(y->bytes * (y_span + 1), x->bytes * (x_span + 1)); break;
    default: order = compare_i64(x->first_tick, y->first_tick); break;
    }
    if (order == 0)
        order = compare_i64(y->bytes, x->bytes);
    return order != 0 ? order < 0 : a < b;
}

static void sort_order(struct placement *placement, int rule)
{
    for (int i = 0; i < placement->n_ranges; i++) {
        int at = i;
        for (; at > 0 && is_before(placement->ranges, rule, i, placement->order[at - 1]);
             at--)
            placement->order[at] = placement->order[at - 1];
        placement->order[at] = i;
    }
}

/* Moves a buffer that ends at the arena's top to the front of the order, rotating through the
 * candidates with the climb's number. */
static void promote_top(struct placement *placement, int64_t arena, int climb)
{
    int n_top = 0;
    for (int pass = 0; pass < 2; pass++) {
        int seen = 0;
        for (int i = 0; i < placement->n_ranges; i++) {
            int buffer = placement->order[i];
            if (placement->offsets[buffer] + placement->ranges[buffer].bytes != arena)
                continue;
            if (pass == 0) {
                n_top++;
            } else if (seen++ == climb % n_top) {
                int to = i * (climb % 3) / 3; /* front, a third, two thirds of the way */
                memmove(placement->order + to + 1, placement->order + to,
                        sizeof *placement->order * (size_t)(i - to));
                placement->order[to] = buffer;
                return;
            }
        }
    }
}

static void keep(struct tess_live_range *ranges, const struct placement *placement)
{
    for (int i = 0; i < placement->n_ranges; i++)
        ranges[i].offset = placement->offsets[i];
}

enum tess_status tess_offsets_place(struct tess_live_range *ranges, int n_ranges,
                                    int64_t *arena_out, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    size_t n = (size_t)n_ranges + 1;
    struct placement placement = {.ranges = ranges, .n_ranges = n_ranges};
    placement.offsets = calloc(n, sizeof *placement.offsets);
    placement.order = calloc(n, sizeof *placement.order);
    placement.by_offset = calloc(n, sizeof *placement.by_offset);
    if (!placement.offsets || !placement.order || !placement.by_offset) {
        status = tess_error_nomem(error);
        goto out;
    }
    int64_t bound = tess_offsets_live_bytes(ranges, n_ranges, NULL);
    int64_t best = INT64_MAX;
    int best_rule = 0;
    for (int rule = 0; rule < N_ORDERS && best > bound; rule++) {
        sort_order(&placement, rule);
        int64_t arena = place_in_order(&placement);
        if (arena < best) {
            best = arena;
            best_rule = rule;
            keep(ranges, &placement);
        }
    }
    if (best > bound) {
        sort_order(&placement, best_rule);
        int64_t arena = place_in_order(&placement);
        for (int climb = 0; climb < N_CLIMBS && best > bound; climb++) {
            promote_top(&placement, arena, climb);
            arena = place_in_order(&placement);
            if (arena < best) {
                best = arena;
                keep(ranges, &placement);
            }
        }
    }
    *arena_out = n_ranges > 0 ? best : 0;
    assert(*arena_out >= bound);
out:
    free(placement.offsets);
    free(placement.order);
    free(placement.by_offset);
    return status;
}
