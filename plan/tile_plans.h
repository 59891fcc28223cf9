/* The tiles of a cluster plan as one node computes them: each shape of tile with the plan of its
 * own that the planner for one device found within the node's memory.
 *
 * Tiles of one stage and one shape share a plan. The text form is what the planner program prints
 * and a node reads: a line "keeps_weights: yes" or "no", then for each shape, in the order in which
 * the stages list their tiles, a plan (plan/plan_text.h) or a line "least: BYTES" where none fits;
 * each of them ended by a zero byte.
 *
 * Bytes are those of the whole process: a plan's budget is what the node may hold, its
 * memory.input what the node holds beside the tile (planner/cluster_tile.h): messages, and the
 * weights of other tiles if it keeps them. A node that keeps all weights streams none.
 */
#ifndef TESS_PLAN_TILE_PLANS_H
#define TESS_PLAN_TILE_PLANS_H

#include "base/text.h"
#include "partition/tile_graph.h"
#include "plan/cluster.h"
#include "plan/layout.h"

struct tess_tile_shape {
    struct tess_tile_graph tile; /* the first tile of this shape */
    struct tess_plan *plan;      /* owned; NULL: does not fit */
    struct tess_layout *layout;  /* owned, of `plan`; made by reading */
    int64_t least_bytes; /* that the process would have to hold, if it does not fit */
};

struct tess_tile_plans {
    bool keeps_weights; /* there is room for all weights of the network, for good */
    int n_shapes;
    struct tess_tile_shape *shapes; /* [n_shapes] */
    int *shape_of;   /* [tiles of all stages, in the plan's order] index of its shape */
    int *first_tile; /* [n_stages] index of a stage's first tile in shape_of */
};

/* The shapes of a plan that passes tess_cluster_plan_check, without plans yet. TESS_E_NOMEM.
 * Release after success or failure. */
enum tess_status tess_tile_plans_init(struct tess_tile_plans *plans,
                                      const struct tess_cluster_plan *cluster_plan,
                                      const struct tess_graph *graph,
                                      struct tess_error *error);
void tess_tile_plans_release(struct tess_tile_plans *plans); /* accepts zeroed memory */

void tess_tile_plans_write(const struct tess_tile_plans *plans,
                           struct tess_text *text_out);

/* Fills in the plans of `plans`, which is initialised, and makes their layouts; plans that it had
 * are gone. Every plan is checked against its tile's graph, and verified (plan/verify.h).
 * TESS_E_CONFIG, TESS_E_NOMEM, TESS_E_VERIFY; TESS_E_INFEASIBLE for a plan that takes more than the
 * budget it names. After a failure some shapes have plans, and some may have a plan without a
 * layout: release them. */
enum tess_status tess_tile_plans_read(struct tess_tile_plans *plans, const char *text,
                                      size_t n_bytes, struct tess_error *error);

#endif
