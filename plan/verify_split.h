/* Independent check of a split network (model/graph_split.h): does it compute, but for rounding,
 * what the network computes?
 *
 * Follows both graphs op by op and derives anew which channels a convolution of a concat reads.
 * Shares no code with what made the split, nor with the planner that asked for it. Whether the
 * plan of the split network runs it rightly is the question of plan/verify.h.
 *
 * Finds: channels of a kernel that no part has, or two; a part of another tensor, or of other
 * channels, than the concat has there; sums that are dropped, read twice or begun twice; an
 * activation before the last part; any other op, output or layer that differs.
 */
#ifndef TESS_PLAN_VERIFY_SPLIT_H
#define TESS_PLAN_VERIFY_SPLIT_H

#include "base/error.h"
#include "model/graph.h"

/* `split` against `graph`. TESS_E_VERIFY with one sentence that names the layer, TESS_E_NOMEM.
 * Cost: O(ops + channels of the convolutions split, times the depth of concats). */
enum tess_status tess_verify_split(const struct tess_graph *graph,
                                   const struct tess_graph *split,
                                   struct tess_error *error);

#endif
