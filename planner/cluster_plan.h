/* The planner for several nodes: where to cut a network into stages, and each stage into tiles, so
 * that a frame takes the least time, every tile within its node's memory.
 *
 * Times are a model (planner/cost.h, planner/cluster_time.h); the memory of a tile is what the
 * planner for one device finds for it, streamed weights included. Runs nothing.
 */
#ifndef TESS_PLANNER_CLUSTER_PLAN_H
#define TESS_PLANNER_CLUSTER_PLAN_H

#include "plan/cluster.h"
#include "planner/planner.h"

struct tess_cluster_options {
    struct tess_planner_options
        planner;       /* of tiles; its budget does not matter. The profile is
                                            that of a node of speed 1 */
    bool sends_bytes;  /* the network's input goes out as one byte per value */
    int max_stage_ops; /* longest stage that is tried */
    double
        search_tiles; /* put on clocks after the first search, in about; 0: it is all */
};

/* All techniques on, default profile, input in bytes; facts zeroed. */
void tess_cluster_options_init(struct tess_cluster_options *options);

/* Plans. On success *plan_out is a new plan with predictions, which passes
 * tess_cluster_plan_check. TESS_E_INFEASIBLE, with node, layers and bytes, if no tiling that is
 * tried fits; TESS_E_CONFIG for a network that has no stages (maps of two sizes wherever it is
 * cut); TESS_E_NOMEM. Cost: the square of the ops, times the nodes. */
enum tess_status tess_cluster_plan_find(const struct tess_graph *graph,
                                        const struct tess_cluster *cluster,
                                        const struct tess_cluster_options *options,
                                        struct tess_cluster_plan **plan_out,
                                        struct tess_error *error);

/* Which nodes keep all weights of the network in memory, from frame to frame
 * (tess_cluster_keeps). Others read what a tile needs when it comes, or stream it. */
void tess_cluster_keep(const struct tess_graph *graph, const struct tess_cluster *cluster,
                       const struct tess_cluster_options *options,
                       bool keeps_out[TESS_CLUSTER_MOST_NODES]);

/* Fills the predictions of a plan that passes tess_cluster_plan_check: of each tile its time and
 * its node's peak, of stages and plan times and bytes. With `assigns` tiles also get their nodes,
 * each the one that finishes it first. TESS_E_INFEASIBLE if a tile does not fit its node:
 * *stage_out and *tile_out (may be NULL) say which. TESS_E_NOMEM. Cost: a search for each tile of
 * another shape. */
enum tess_status tess_cluster_plan_predict(const struct tess_graph *graph,
                                           const struct tess_cluster_options *options,
                                           bool assigns, struct tess_cluster_plan *plan,
                                           int *stage_out, int *tile_out,
                                           struct tess_error *error);

#endif
