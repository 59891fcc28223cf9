/* What the parts of placement share. */
#ifndef TESS_SCHEDULE_PLACEMENT_PRIV_H
#define TESS_SCHEDULE_PLACEMENT_PRIV_H

#include <stdbool.h>

#include "schedule/placement.h"

/* Where a placed block lies. */
struct tess_placed {
    int64_t begin, end;
};

/* Blocks being placed one after the other, each as low as it goes: everything is in the order. */
struct tess_fit {
    const struct tess_block *blocks;
    int n_blocks;
    int64_t *sizes; /* [n_blocks] rounded up */
    int *first_near,
        *near; /* blocks that share a step with block i, neither of no bytes */
    int *order, *position;   /* [n_blocks] and its inverse */
    int64_t *offsets;        /* [n_blocks] in that order */
    struct tess_placed *lie; /* scratch */
    int64_t work;            /* neighbours looked at so far */
};

enum tess_status tess_fit_init(struct tess_fit *fit, const struct tess_block *blocks,
                               int n_blocks, int64_t alignment, struct tess_error *error);
void tess_fit_release(struct tess_fit *fit);

/* Places the blocks from position `from` of the order on, into the lowest gap that holds each or
 * into the tightest; those before are placed. Fills `position` from there on, too. Returns the
 * bytes that blocks hold beyond `capacity_bytes`, all together; stops once these are more than
 * `limit_bytes`. Cost: O(sum of the blocks' neighbours, squared at worst). */
int64_t tess_fit_place(struct tess_fit *fit, int from, bool is_best_fit,
                       int64_t capacity_bytes, int64_t limit_bytes);

int64_t tess_fit_arena_bytes(const struct tess_fit *fit);

/* Hill climb over orders, from the one in `fit`, towards an arena of capacity_bytes: until
 * it has looked at `work` neighbours. Leaves the best arena's offsets in `offsets_out`
 * [n_blocks], the arena in *arena_out, where either is better than what is there. TESS_E_NOMEM. */
enum tess_status tess_placement_climb(struct tess_fit *fit, int64_t capacity_bytes,
                                      int64_t work, double deadline_us,
                                      int64_t *offsets_out, int64_t *arena_out,
                                      struct tess_error *error);

enum tess_exact_answer {
    TESS_EXACT_FOUND,
    TESS_EXACT_NONE,  /* there is none: proven */
    TESS_EXACT_LIMIT, /* work or time ran out */
};

/* The exact search: offsets [n_blocks] with no block beyond `capacity_bytes`, if there are any.
 * `sizes` are the blocks' rounded bytes. *work_left, which is counted down, is the number of
 * blocks, and of sections of theirs, that it may look at. TESS_E_NOMEM. */
enum tess_status tess_placement_exact(const struct tess_block *blocks,
                                      const int64_t *sizes, int n_blocks,
                                      int64_t capacity_bytes, int64_t *work_left,
                                      double deadline_us, int64_t *offsets_out,
                                      enum tess_exact_answer *answer_out,
                                      struct tess_error *error);

#endif
