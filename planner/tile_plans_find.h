/* Plans for the tiles of a cluster plan on one node: for each shape the fastest that fits.
 *
 * The node's own facts and memory count, not what the cluster plan assumed of it. Which tiles the
 * node will get is not known: it has a plan for each.
 */
#ifndef TESS_PLANNER_TILE_PLANS_FIND_H
#define TESS_PLANNER_TILE_PLANS_FIND_H

#include "plan/tile_plans.h"
#include "planner/planner.h"

struct tess_tile_plans_node {
    struct tess_planner_options planner; /* the node's; its budget does not matter */
    bool is_coordinator;
    int64_t memory_bytes; /* that the process may hold; 0: no limit */
};

/* Fills in the plans, without layouts, and whether the node keeps all weights: if it has room for
 * them (planner/cluster_tile.h) and every tile fits with all of them held. `plans` is initialised
 * for `cluster_plan`, which passes tess_cluster_plan_check. Shapes for which nothing fits have no
 * plan and the least bytes that would do. TESS_E_USAGE, TESS_E_NOMEM. Cost: a search per shape. */
enum tess_status tess_tile_plans_find(const struct tess_cluster_plan *cluster_plan,
                                      const struct tess_graph *graph,
                                      const struct tess_tile_plans_node *node,
                                      struct tess_tile_plans *plans,
                                      struct tess_error *error);

#endif
