/* Problem: offsets of blocks that are placed in a given order.
 *
 * Method: first fit, into the lowest gap between the placed blocks that share a step; or best
 * fit, into the tightest.
 *
 * Invariant: blocks placed that share a step do not overlap.
 *
 * Cost: a block's placed neighbours are sorted by insertion: they are few.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/arith.h"
#include "schedule/placement_priv.h"

static bool share_a_step(const struct tess_block *a, const struct tess_block *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

/* Lists of neighbours: O(n^2) to find, linear in their number to keep. */
static enum tess_status find_near(struct tess_fit *fit, struct tess_error *error)
{
    int n_near = 0, capacity = 0;
    for (int i = 0; i < fit->n_blocks; i++) {
        fit->first_near[i] = n_near;
        for (int k = 0; k < fit->n_blocks; k++) {
            if (k == i || fit->sizes[i] == 0 || fit->sizes[k] == 0 ||
                !share_a_step(&fit->blocks[i], &fit->blocks[k]))
                continue;
            if (n_near == capacity) {
                capacity = capacity ? 2 * capacity : 1024;
                int *near = capacity < INT32_MAX / 2
                                ? realloc(fit->near, sizeof *near * (size_t)capacity)
                                : NULL;
                if (!near)
                    return tess_error_nomem(error);
                fit->near = near;
            }
            fit->near[n_near++] = k;
        }
    }
    fit->first_near[fit->n_blocks] = n_near;
    return TESS_OK;
}

enum tess_status tess_fit_init(struct tess_fit *fit, const struct tess_block *blocks,
                               int n_blocks, int64_t alignment, struct tess_error *error)
{
    size_t n = (size_t)n_blocks + 1;
    *fit = (struct tess_fit){.blocks = blocks, .n_blocks = n_blocks};
    fit->sizes = malloc(n * sizeof *fit->sizes);
    fit->offsets = calloc(n, sizeof *fit->offsets);
    fit->first_near = malloc(n * sizeof *fit->first_near);
    fit->order = malloc(n * sizeof *fit->order);
    fit->position = malloc(n * sizeof *fit->position);
    fit->lie = malloc(n * sizeof *fit->lie);
    if (!fit->sizes || !fit->offsets || !fit->first_near || !fit->order ||
        !fit->position || !fit->lie)
        return tess_error_nomem(error);
    for (int i = 0; i < n_blocks; i++) {
        fit->sizes[i] = tess_round_up(blocks[i].bytes, alignment);
        fit->order[i] = fit->position[i] = i;
    }
    return find_near(fit, error);
}

void tess_fit_release(struct tess_fit *fit)
{
    free(fit->sizes);
    free(fit->offsets);
    free(fit->first_near);
    free(fit->near);
    free(fit->order);
    free(fit->position);
    free(fit->lie);
}

/* Gathers the neighbours placed before a block, by rising begin; returns how many. */
static int gather(struct tess_fit *fit, int block)
{
    struct tess_placed *lie = fit->lie;
    int n_lie = 0;
    fit->work += fit->first_near[block + 1] - fit->first_near[block];
    for (int k = fit->first_near[block]; k < fit->first_near[block + 1]; k++) {
        int other = fit->near[k];
        if (fit->position[other] >= fit->position[block])
            continue;
        struct tess_placed placed = {fit->offsets[other],
                                     fit->offsets[other] + fit->sizes[other]};
        int at = n_lie++;
        for (; at > 0 && lie[at - 1].begin > placed.begin; at--)
            lie[at] = lie[at - 1];
        lie[at] = placed;
        fit->work += n_lie - at;
    }
    return n_lie;
}

static int64_t find_gap(const struct tess_fit *fit, int n_lie, int64_t size,
                        bool is_best_fit)
{
    int64_t free_from = 0, found = -1, tightest = INT64_MAX;
    for (int i = 0; i < n_lie; i++) {
        int64_t room = fit->lie[i].begin - free_from;
        if (room >= size && room < tightest) {
            found = free_from;
            tightest = room;
            if (!is_best_fit)
                break;
        }
        free_from = tess_max_i64(free_from, fit->lie[i].end);
    }
    return found >= 0 ? found : free_from;
}

int64_t tess_fit_place(struct tess_fit *fit, int from, bool is_best_fit,
                       int64_t capacity_bytes, int64_t limit_bytes)
{
    int64_t beyond = 0;
    for (int i = from; i < fit->n_blocks; i++)
        fit->position[fit->order[i]] = i;
    for (int i = 0; i < fit->n_blocks && beyond <= limit_bytes; i++) {
        int block = fit->order[i];
        if (i >= from)
            fit->offsets[block] =
                find_gap(fit, gather(fit, block), fit->sizes[block], is_best_fit);
        int64_t over = fit->offsets[block] + fit->sizes[block] - capacity_bytes;
        if (over > 0)
            beyond += tess_min_i64(over, fit->sizes[block]);
    }
    return beyond;
}

int64_t tess_fit_arena_bytes(const struct tess_fit *fit)
{
    int64_t arena = 0;
    for (int i = 0; i < fit->n_blocks; i++)
        if (fit->sizes[i] > 0)
            arena = tess_max_i64(arena, fit->offsets[i] + fit->sizes[i]);
    return arena;
}
