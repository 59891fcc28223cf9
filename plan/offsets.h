/* Offsets: places for buffers whose lifetimes are known, in one arena.
 *
 * Dynamic storage allocation: buffers that live at a common tick must not overlap; the arena
 * should be no larger than the most bytes alive at one tick. Knows nothing about tensors.
 */
#ifndef TESS_PLAN_OFFSETS_H
#define TESS_PLAN_OFFSETS_H

#include <stdint.h>

#include "base/error.h"

struct tess_live_range {
    int first_tick, last_tick; /* both included */
    int64_t bytes;             /* >= 0, a multiple of the alignment wanted */
    int64_t offset;            /* out */
};

/* Most bytes alive at one tick; *tick_out (may be NULL) is the first such tick. */
int64_t tess_offsets_live_bytes(const struct tess_live_range *ranges, int n_ranges,
                                int *tick_out);

/* Fills the offsets; *arena_out is the bytes needed. Tries several greedy orders and keeps the
 * best, the first of equals. Deterministic. TESS_E_NOMEM. Cost: O(n_ranges^2) per order. */
enum tess_status tess_offsets_place(struct tess_live_range *ranges, int n_ranges,
                                    int64_t *arena_out, struct tess_error *error);

#endif
