/* What planner/cluster_frame.c (clocks) and cluster_frame_needs.c (who waits for whom, and what is
 * sent) share. */
#ifndef TESS_PLANNER_CLUSTER_FRAME_PRIV_H
#define TESS_PLANNER_CLUSTER_FRAME_PRIV_H

#include "planner/cluster_frame.h"

/* Of one tile. */
struct tess_frame_need {
    int stage;
    int n_waits; /* results that are not there yet, or not what others need of them */
    int n_own;   /* tiles of its node before it */
    int64_t own_bytes;   /* of their results */
    int64_t first_bytes; /* of its result: what comes first */
    int64_t rest_bytes;  /* what comes after that; 0: nothing */
};

/* Fills needs[n_tiles], and in_bytes of all tiles. Cost: O(tiles^2). */
void tess_frame_set_needs(struct tess_frame *frame, struct tess_frame_need *needs);

/* The tile's result is in place, but for its rest, or with `is_rest` that: those that wait for it
 * wait for one less. */
void tess_frame_supply(const struct tess_frame *frame, struct tess_frame_need *needs,
                       int tile, bool is_rest);

#endif
