/* Problem: dynamic storage allocation with known lifetimes (NP-hard).
 *
 * Method: blocks that hang together over time are placed by themselves. Greedy orders first: by
 * size, by size times lifetime, by lifetime, by first step, each in both fits
 * (placement_fit.c). If these leave a gap to the bound: a short exact search for an arena of the
 * bound (placement_exact.c), a hill climb from the best of them (placement_climb.c), a long exact
 * search. Where there is no such arena, or none is found, the exact search halves the gap between
 * what is refuted and what is there.
 *
 * Invariant: no two placed blocks that share a step overlap.
 *
 * Cost: the greedy orders O(sum over blocks of its neighbours); the rest as the limits say.
 *
 * Worked example: A steps [0,1] 4 bytes, B [1,2] 2, C [2,3] 4: bound 6. By size: A at 0, C at 0
 * (no common step), B at 4: 6.
 *
 * Reference: Pisarchyk and Lee, "Efficient memory management for deep neural net inference",
 * MLSys workshop 2020; hill climbing as in TVM's USMP.
 */
#include "schedule/placement.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "schedule/placement_priv.h"

/* TUNING: a hundredth of the exact search's work, 0.1 s, closes every gap that greedy orders leave
 * on networks of up to 1000 ops (2026-11). */
enum { N_RULES = 4, QUICK = 100 };

/* What has been found. */
struct best {
    int64_t arena, *offsets;
    int *order; /* of the last placement kept */
    const char *found_by;
    bool is_least;
};

/* Blocks by first step. */
struct start {
    struct tess_block block;
    int index;
};

void tess_placement_init(struct tess_placement *placement)
{
    *placement = (struct tess_placement){.alignment = 64,
                                         .limit_climb_work = 100000000,
                                         .limit_exact_work = 2000000000,
                                         .deadline_us = 1e300,
                                         .found_by = "greedy"};
}

/* ---- the bound ---- */

struct event {
    int step;
    int64_t bytes; /* change from this step on */
};

static int compare_events(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* ends first */
}

enum tess_status tess_placement_bound(const struct tess_block *blocks, int n_blocks,
                                      int64_t alignment, int64_t *bound_out,
                                      int *step_out, struct tess_error *error)
{
    struct event *events = malloc(sizeof *events * (2 * (size_t)n_blocks + 1));
    if (!events)
        return tess_error_nomem(error);
    for (int i = 0; i < n_blocks; i++) {
        int64_t bytes = tess_round_up(blocks[i].bytes, alignment);
        events[2 * i] = (struct event){blocks[i].first_step, bytes};
        events[2 * i + 1] = (struct event){blocks[i].last_step + 1, -bytes};
    }
    qsort(events, 2 * (size_t)n_blocks, sizeof *events, compare_events);
    int64_t alive = 0, most = 0;
    int step = 0;
    for (int i = 0; i < 2 * n_blocks; i++) {
        alive += events[i].bytes;
        if (alive > most) {
            most = alive;
            step = events[i].step;
        }
    }
    *bound_out = most;
    if (step_out)
        *step_out = step;
    free(events);
    return TESS_OK;
}

/* ---- greedy orders ---- */

struct weighed_block {
    double first, second; /* falling */
    int block;
};

static int compare_weights(const void *a, const void *b)
{
    const struct weighed_block *x = a, *y = b;
    if (x->first < y->first || x->first > y->first)
        return x->first > y->first ? -1 : 1;
    if (x->second < y->second || x->second > y->second)
        return x->second > y->second ? -1 : 1;
    return x->block - y->block;
}

static void sort_by_rule(struct tess_fit *fit, int rule, struct weighed_block *weighed)
{
    for (int i = 0; i < fit->n_blocks; i++) {
        const struct tess_block *block = &fit->blocks[i];
        double size = (double)fit->sizes[i];
        double steps = (double)(block->last_step - block->first_step + 1);
        double weights[N_RULES] = {size, size * steps, steps, -block->first_step};
        weighed[i] = (struct weighed_block){weights[rule], size, i};
    }
    qsort(weighed, (size_t)fit->n_blocks, sizeof *weighed, compare_weights);
    for (int i = 0; i < fit->n_blocks; i++)
        fit->order[i] = weighed[i].block;
}

static void keep(const struct tess_fit *fit, struct best *best, const char *found_by)
{
    size_t n = (size_t)fit->n_blocks;
    best->arena = tess_fit_arena_bytes(fit);
    best->found_by = found_by;
    memcpy(best->offsets, fit->offsets, sizeof *fit->offsets * n);
    memcpy(best->order, fit->order, sizeof *fit->order * n);
}

static enum tess_status place_greedily(struct tess_fit *fit, int64_t bound,
                                       struct best *best, struct tess_error *error)
{
    struct weighed_block *weighed = malloc(sizeof *weighed * ((size_t)fit->n_blocks + 1));
    if (!weighed)
        return tess_error_nomem(error);
    for (int i = 0; i < 2 * N_RULES && best->arena > bound; i++) {
        sort_by_rule(fit, i / 2, weighed);
        tess_fit_place(fit, 0, i % 2 == 1, INT64_MAX, INT64_MAX);
        if (tess_fit_arena_bytes(fit) < best->arena)
            keep(fit, best, "greedy");
    }
    free(weighed);
    return TESS_OK;
}

/* ---- all together ---- */

/* Looks for an arena of `capacity`; *answer_out says what came out. */
static enum tess_status place_exactly(const struct tess_placement *placement,
                                      struct tess_fit *fit, int64_t capacity,
                                      int64_t work, struct best *best,
                                      enum tess_exact_answer *answer_out,
                                      struct tess_error *error)
{
    enum tess_status status =
        tess_placement_exact(fit->blocks, fit->sizes, fit->n_blocks, capacity, &work,
                             placement->deadline_us, fit->offsets, answer_out, error);
    if (status == TESS_OK && *answer_out == TESS_EXACT_FOUND)
        keep(fit, best, "exact");
    return status;
}

static enum tess_status climb(const struct tess_placement *placement,
                              struct tess_fit *fit, struct best *best,
                              struct tess_error *error)
{
    int64_t before = best->arena;
    memcpy(fit->order, best->order, sizeof *fit->order * (size_t)fit->n_blocks);
    enum tess_status status =
        tess_placement_climb(fit, placement->bound_bytes, placement->limit_climb_work,
                             placement->deadline_us, best->offsets, &best->arena, error);
    best->found_by = best->arena < before ? "climb" : best->found_by;
    return status;
}

/* Arenas between what is refuted and what is there, the bound first. */
static enum tess_status halve_gap(const struct tess_placement *placement,
                                  struct tess_fit *fit, struct best *best,
                                  struct tess_error *error)
{
    int64_t low = placement->bound_bytes, capacity = low;
    int64_t work = placement->limit_exact_work / 2;
    best->is_least = true;
    while (low < best->arena) {
        enum tess_exact_answer answer = TESS_EXACT_LIMIT;
        enum tess_status status =
            place_exactly(placement, fit, capacity, work, best, &answer, error);
        if (status != TESS_OK)
            return status;
        if (answer != TESS_EXACT_FOUND) {
            best->is_least &= answer == TESS_EXACT_NONE;
            low = capacity + placement->alignment;
        }
        int64_t units = (best->arena - low) / placement->alignment;
        capacity = low + units / 2 * placement->alignment;
        work /= 2;
    }
    return TESS_OK;
}

static enum tess_status improve(const struct tess_placement *placement,
                                struct tess_fit *fit, struct best *best,
                                struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    enum tess_exact_answer answer = TESS_EXACT_LIMIT;
    bool has_exact = !(placement->parts_off & TESS_PLACEMENT_EXACT);
    bool has_climb = !(placement->parts_off & TESS_PLACEMENT_CLIMB);
    if (has_exact && has_climb) /* most arenas of the bound are found at once */
        status = place_exactly(placement, fit, placement->bound_bytes,
                               placement->limit_exact_work / QUICK, best, &answer, error);
    if (status == TESS_OK && answer == TESS_EXACT_LIMIT && has_climb)
        status = climb(placement, fit, best, error);
    if (status == TESS_OK && has_exact)
        status = halve_gap(placement, fit, best, error);
    return status;
}

/* Blocks that hang together, towards an arena of bound_bytes. */
static enum tess_status place_part(const struct tess_placement *placement,
                                   struct tess_block *blocks, int n_blocks,
                                   struct best *best, struct tess_error *error)
{
    struct tess_fit fit;
    *best = (struct best){.arena = INT64_MAX};
    enum tess_status status =
        tess_fit_init(&fit, blocks, n_blocks, placement->alignment, error);
    best->offsets = calloc((size_t)n_blocks + 1, sizeof *best->offsets);
    best->order = calloc((size_t)n_blocks + 1, sizeof *best->order);
    if (status == TESS_OK && (!best->offsets || !best->order))
        status = tess_error_nomem(error);
    if (status == TESS_OK)
        status = place_greedily(&fit, placement->bound_bytes, best, error);
    if (status == TESS_OK && best->arena > placement->bound_bytes)
        status = improve(placement, &fit, best, error);
    for (int i = 0; i < n_blocks && status == TESS_OK; i++)
        blocks[i].offset = best->offsets[i];
    tess_fit_release(&fit);
    free(best->offsets);
    free(best->order);
    return status;
}

static int compare_starts(const void *a, const void *b)
{
    const struct start *x = a, *y = b;
    if (x->block.first_step != y->block.first_step)
        return x->block.first_step < y->block.first_step ? -1 : 1;
    return x->index - y->index;
}

/* Places each run of blocks that hang together; those before share no step with those after. */
static enum tess_status place_parts(struct tess_placement *placement,
                                    struct tess_block *blocks, struct start *starts,
                                    struct tess_block *part, int n_blocks,
                                    struct tess_error *error)
{
    for (int begin = 0, end; begin < n_blocks; begin = end) {
        int last_step = starts[begin].block.last_step;
        struct best best;
        end = begin;
        while (end < n_blocks &&
               (end == begin || starts[end].block.first_step <= last_step)) {
            last_step = tess_max_int(last_step, starts[end].block.last_step);
            part[end - begin] = starts[end].block;
            end++;
        }
        enum tess_status status = place_part(placement, part, end - begin, &best, error);
        if (status != TESS_OK)
            return status;
        for (int i = begin; i < end; i++)
            blocks[starts[i].index].offset = part[i - begin].offset;
        if (best.arena <= placement->arena_bytes)
            continue;
        placement->arena_bytes = best.arena;
        placement->found_by = best.found_by;
        placement->is_least = best.is_least || best.arena == placement->bound_bytes;
    }
    return TESS_OK;
}

enum tess_status tess_placement_find(struct tess_placement *placement,
                                     struct tess_block *blocks, int n_blocks,
                                     struct tess_error *error)
{
    placement->arena_bytes = 0;
    placement->is_least = true;
    placement->found_by = "greedy";
    enum tess_status status = tess_placement_bound(blocks, n_blocks, placement->alignment,
                                                   &placement->bound_bytes, NULL, error);
    struct start *starts = malloc(sizeof *starts * ((size_t)n_blocks + 1));
    struct tess_block *part = malloc(sizeof *part * ((size_t)n_blocks + 1));
    if (status == TESS_OK && (!starts || !part))
        status = tess_error_nomem(error);
    if (status == TESS_OK) {
        for (int i = 0; i < n_blocks; i++)
            starts[i] = (struct start){blocks[i], i};
        if (n_blocks > 1)
            qsort(starts, (size_t)n_blocks, sizeof *starts, compare_starts);
        status = place_parts(placement, blocks, starts, part, n_blocks, error);
    }
    assert(status != TESS_OK || placement->arena_bytes >= placement->bound_bytes);
    free(starts);
    free(part);
    return status;
}
