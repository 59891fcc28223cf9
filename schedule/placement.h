/* Places for blocks whose lifetimes are known, in the smallest arena.
 *
 * Dynamic storage allocation: blocks that live at a common step must not overlap. No arena is
 * smaller than the most bytes alive at one step; the aim is to need no more. Greedy orders, a hill
 * climb over orders and an exact search, each only if the one before left a gap. Knows nothing of
 * tensors: ask schedule/blocks.h, which says what views and overwriting tasks mean for places.
 */
#ifndef TESS_SCHEDULE_PLACEMENT_H
#define TESS_SCHEDULE_PLACEMENT_H

#include <stdbool.h>

#include "schedule/blocks.h"

enum tess_placement_part { TESS_PLACEMENT_CLIMB = 1, TESS_PLACEMENT_EXACT = 2 };

struct tess_placement {
    int64_t alignment;        /* of offsets; sizes are rounded up to it */
    int64_t limit_climb_work; /* neighbours that the hill climb looks at */
    int64_t limit_exact_work; /* blocks and steps that the exact search looks at */
    double deadline_us;       /* base/clock.h */
    unsigned parts_off;       /* of tess_placement_part */
    int64_t arena_bytes;      /* out: needed */
    int64_t bound_bytes;      /* out: no arena is smaller */
    bool is_least;            /* out: proven that no arena is smaller than arena_bytes */
    const char *found_by;     /* out: "greedy", "climb", "exact" */
};

/* Alignment 64, limits that end within some seconds for hundreds of blocks, no deadline. */
void tess_placement_init(struct tess_placement *placement);

/* Fills the blocks' offsets. Deterministic if the deadline does not end it. TESS_E_NOMEM. */
enum tess_status tess_placement_find(struct tess_placement *placement,
                                     struct tess_block *blocks, int n_blocks,
                                     struct tess_error *error);

/* Most bytes alive at one step, sizes rounded up to `alignment`; *step_out (may be NULL) is the
 * first such step, 0 if nothing is ever alive. TESS_E_NOMEM. */
enum tess_status tess_placement_bound(const struct tess_block *blocks, int n_blocks,
                                      int64_t alignment, int64_t *bound_out,
                                      int *step_out, struct tess_error *error);

#endif
