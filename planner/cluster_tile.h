/* One tile on one node: what the node holds beside the tile's own plan, and that plan.
 *
 * Predictions of a cluster plan (planner/cluster_predict.c) and the plans that a node makes for its
 * tiles (planner/tile_plans_find.h) both ask here, so that they agree.
 */
#ifndef TESS_PLANNER_CLUSTER_TILE_H
#define TESS_PLANNER_CLUSTER_TILE_H

#include "partition/tile_graph.h"
#include "plan/cluster.h"
#include "planner/planner.h"

/* The node that computes it. */
struct tess_tile_place {
    bool is_coordinator;
    bool
        keeps_weights; /* all of the network's, from frame to frame: nothing is streamed */
    int64_t memory_bytes; /* that the whole process may hold; 0: no limit */
};

/* Bytes of all packed weights of the network or tile. */
int64_t tess_cluster_weights_bytes(const struct tess_graph *graph,
                                   const struct tess_kernel_facts *facts);

/* Does a process that may hold `memory_bytes` (0: no limit) keep all weights of the network? If
 * there is room for them and half as much again. */
bool tess_cluster_keeps(const struct tess_graph *graph,
                        const struct tess_kernel_facts *facts, int64_t memory_bytes);

/* Raises *most to the largest messages of the stage's tiles, in and out. TESS_E_NOMEM. */
enum tess_status tess_cluster_raise_most(const struct tess_stage *stage,
                                         const struct tess_cluster_stage *has,
                                         bool sends_bytes,
                                         struct tess_cluster_payload *most,
                                         struct tess_error *error);

/* Bytes that the node holds beside the tile's plan. A worker: the messages of this tile and of
 * those before and after it, which may be any of the cluster plan: `most` is the largest of all
 * its tiles, in and out. The coordinator: the maps before and after the stage, whole, as floats.
 * Either: the weights of other tiles, if it keeps them. */
int64_t tess_cluster_tile_beside(const struct tess_stage *stage,
                                 const struct tess_tile_graph *tile,
                                 const struct tess_cluster_payload *payload,
                                 const struct tess_cluster_payload *most,
                                 const struct tess_tile_place *place,
                                 const struct tess_kernel_facts *facts);

/* The fastest plan of the tile's `graph` there: its budget is the place's memory, and what is held
 * beside it counts as memory.input, so that memory.peak is that of the process. `options` are
 * those of any tile. If none fits, *plan_out is NULL and *least_bytes_out what the process would
 * have to hold. TESS_E_USAGE, TESS_E_NOMEM. */
enum tess_status tess_cluster_tile_plan(const struct tess_graph *graph,
                                        const struct tess_planner_options *options,
                                        const struct tess_tile_place *place,
                                        int64_t beside_bytes, struct tess_plan **plan_out,
                                        int64_t *least_bytes_out,
                                        struct tess_error *error);

#endif
