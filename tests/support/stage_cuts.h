/* Where networks can be cut into stages, and stages into tiles, at random. */
#ifndef TESS_TESTS_SUPPORT_STAGE_CUTS_H
#define TESS_TESTS_SUPPORT_STAGE_CUTS_H

#include <stdbool.h>

#include "base/rng.h"
#include "model/graph.h"
#include "partition/region.h"
#include "partition/stage.h"

/* can_end[first * n_ops + last]: are ops first..last a stage, and can what follows be cut into
 * stages? New, for free(); NULL if the network cannot be cut into stages at all. */
bool *tess_stage_cuts_find(const struct tess_graph *graph);

/* The stage that begins with op `first`: of about max_ops ops at most, if it can be. Its last
 * op. */
int tess_stage_cuts_draw(struct tess_stage *stage, const struct tess_graph *graph,
                         const bool *can_end, int first, int max_ops,
                         struct tess_rng *rng);

enum { TESS_STAGE_CUTS_MOST = 8 };

/* Rows and columns of tiles, of any sizes. */
struct tess_stage_tiles {
    int edges[2][TESS_STAGE_CUTS_MOST + 1];
    int n_parts[2];
};
void tess_stage_tiles_draw(struct tess_stage_tiles *tiles, const struct tess_stage *stage,
                           int max_tiles, struct tess_rng *rng);
struct tess_region tess_stage_tiles_at(const struct tess_stage_tiles *tiles, int row,
                                       int col);

#endif
