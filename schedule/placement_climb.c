/* Problem: an order in which first fit places blocks within a capacity.
 *
 * Method: hill climb. What counts are the bytes that blocks reach beyond the capacity, all
 * together: the arena alone would say nothing as long as one block of many is still too high. A
 * step moves such a block before one of its neighbours that was placed earlier, or a neighbour
 * behind it, or any block anywhere. A step is taken if the bytes do not grow; rarely, if they do.
 *
 * Invariant: `order`, `position` and `offsets` of the fit are those of the current order.
 *
 * Cost: a step places the blocks from the first that moved on.
 *
 * Reference: hill climbing over placement orders as in TVM's USMP; the measure is of our own.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "base/rng.h"
#include "schedule/placement_priv.h"

/* TUNING: one step in 500 goes up: enough to get over the last gaps on networks (2026-11). */
enum { UPHILL = 500 };

struct climb {
    struct tess_fit *fit;
    struct tess_rng rng;
    int64_t capacity;
    int *kept_order; /* what a step is taken back to */
    int64_t *kept_offsets;
};

/* A block beyond the capacity, drawn evenly. */
static int draw_high(struct climb *climb)
{
    const struct tess_fit *fit = climb->fit;
    int n_high = 0, drawn = 0;
    for (int i = 0; i < fit->n_blocks; i++)
        if (fit->offsets[i] + fit->sizes[i] > climb->capacity &&
            tess_rng_int(&climb->rng, 0, n_high++) == 0)
            drawn = i;
    return drawn;
}

/* Moves one block within the order; the first position that changed. */
static int move(struct tess_fit *fit, int from, int to)
{
    int *order = fit->order, block = order[from];
    if (from < to)
        memmove(order + from, order + from + 1, sizeof *order * (size_t)(to - from));
    else
        memmove(order + to + 1, order + to, sizeof *order * (size_t)(from - to));
    order[to] = block;
    for (int i = tess_min_int(from, to); i <= tess_max_int(from, to); i++)
        fit->position[order[i]] = i;
    return tess_min_int(from, to);
}

static int step(struct climb *climb)
{
    struct tess_fit *fit = climb->fit;
    int first = fit->n_blocks;
    for (int n = tess_rng_int(&climb->rng, 1, 3); n > 0; n--) {
        int kind = tess_rng_int(&climb->rng, 0, 3);
        int high = draw_high(climb);
        int n_near = fit->first_near[high + 1] - fit->first_near[high];
        int from = fit->position[high], to = 0;
        if (kind == 0 || n_near == 0) {
            from = tess_rng_int(&climb->rng, 0, fit->n_blocks - 1);
            to = tess_rng_int(&climb->rng, 0, fit->n_blocks - 1);
        } else {
            int other = fit->near[fit->first_near[high] +
                                  tess_rng_int(&climb->rng, 0, n_near - 1)];
            to = fit->position[other];
            if (kind == 1) { /* the neighbour behind it */
                int swapped = from;
                from = to;
                to = swapped;
            }
        }
        first = tess_min_int(first, move(fit, from, to));
    }
    return first;
}

static void climb_on(struct climb *climb, int64_t work, double deadline_us,
                     int64_t *offsets_out, int64_t *arena_out)
{
    struct tess_fit *fit = climb->fit;
    size_t n = (size_t)fit->n_blocks;
    int64_t beyond = tess_fit_place(fit, 0, false, climb->capacity, INT64_MAX);
    int64_t until = fit->work + work;
    for (int64_t i = 0; fit->work<until && * arena_out> climb->capacity; i++) {
        if (i % 16 == 15 && tess_deadline_is_past(deadline_us))
            return;
        memcpy(climb->kept_order, fit->order, n * sizeof *fit->order);
        memcpy(climb->kept_offsets, fit->offsets, n * sizeof *fit->offsets);
        fit->work++;
        bool goes_up = tess_rng_int(&climb->rng, 0, UPHILL - 1) == 0;
        int from = step(climb);
        int64_t now = tess_fit_place(fit, from, false, climb->capacity,
                                     goes_up ? INT64_MAX : beyond);
        if (now > beyond && !goes_up) {
            memcpy(fit->order, climb->kept_order, n * sizeof *fit->order);
            memcpy(fit->offsets, climb->kept_offsets, n * sizeof *fit->offsets);
            for (int k = from; k < fit->n_blocks; k++)
                fit->position[fit->order[k]] = k;
            continue;
        }
        beyond = now;
        int64_t arena = tess_fit_arena_bytes(fit);
        if (arena < *arena_out) {
            *arena_out = arena;
            memcpy(offsets_out, fit->offsets, n * sizeof *fit->offsets);
        }
    }
}

enum tess_status tess_placement_climb(struct tess_fit *fit, int64_t capacity_bytes,
                                      int64_t work, double deadline_us,
                                      int64_t *offsets_out, int64_t *arena_out,
                                      struct tess_error *error)
{
    size_t n = (size_t)fit->n_blocks + 1;
    enum tess_status status = TESS_OK;
    struct climb climb = {.fit = fit, .capacity = capacity_bytes};
    tess_rng_init(&climb.rng, 1);
    climb.kept_order = malloc(n * sizeof *climb.kept_order);
    climb.kept_offsets = malloc(n * sizeof *climb.kept_offsets);
    if (!climb.kept_order || !climb.kept_offsets)
        status = tess_error_nomem(error);
    else
        climb_on(&climb, work, deadline_us, offsets_out, arena_out);
    free(climb.kept_order);
    free(climb.kept_offsets);
    return status;
}
