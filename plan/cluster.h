/* A cluster plan: how one inference is spread over several nodes. Data only, made to be edited by
 * hand and to be carried to the nodes.
 *
 * Node 0 is the coordinator. It has the network's input, holds every bundle between two stages,
 * and computes tiles like any other node. The tiles of a stage cover its output exactly and depend
 * on nothing but its input: each runs once what it reads of earlier stages is there. Which node
 * computes a tile is a prediction: a coordinator may give it to another.
 *
 * What a stage reads and puts out follows from its ops: ask partition/stage.h; a tile as a network
 * of its own is in partition/tile_graph.h. The text form is in plan/cluster_text.h.
 */
#ifndef TESS_PLAN_CLUSTER_H
#define TESS_PLAN_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "partition/stage.h"

enum { TESS_CLUSTER_MOST_NODES = 64, TESS_CLUSTER_COORDINATOR = 0 };

/* What workers keep and when they cut a result in two, for who predicts it and who does it.
 * TUNING: half of all results of YOLOv2-608 in seven stages is 5 MiB; a message more is not worth
 * it for a little. */
enum {
    TESS_CLUSTER_KEPT_TILES = 16,      /* whose outputs a worker keeps, at most */
    TESS_CLUSTER_KEPT_BYTES = 8 << 20, /* of them, at most */
    TESS_CLUSTER_LEAST_REST =
        4 /* the later part of a result is a fourth of it at least */
};

/* Bytes of results that a worker keeps, so that they need not come back to it: what its memory (0:
 * no limit) leaves beside its peak, within reason. */
int64_t tess_cluster_kept_bytes(int64_t memory_bytes, int64_t peak_bytes);

struct tess_cluster_node {
    char name[32];
    double speed;     /* of computing, relative to the device that was profiled; > 0 */
    bool only_serves; /* the coordinator: computes only what nobody else can */
    int64_t memory_bytes; /* that the whole process may hold; 0: no limit */
    double link_mbit;     /* megabits per second, each way; > 0 */
    double latency_us;    /* of a message, one way */
};

struct tess_cluster {
    int n_nodes; /* at least 1 */
    struct tess_cluster_node nodes[TESS_CLUSTER_MOST_NODES];
};

struct tess_cluster_tile {
    struct tess_region output; /* of the stage's output bundle */
    int node;                  /* predicted */
    double predicted_us; /* of computing it on the profiled device; 0: not predicted */
    int64_t peak_bytes;  /* the node's, while it computes this; 0: not predicted */
};

struct tess_cluster_stage {
    int n_ops;
    int *ops; /* [n_ops] op ids, ascending */
    int n_tiles;
    struct tess_cluster_tile *tiles; /* [n_tiles] */
    double predicted_us;             /* from its first message to its last */
};

struct tess_cluster_plan {
    char model[64];
    uint64_t model_hash;
    bool
        sends_bytes; /* the network's input goes out as one byte per value, else as floats */
    struct tess_cluster cluster;
    int n_stages;
    struct tess_cluster_stage
        *stages; /* each after those that it reads; each op is in one */
    double predicted_us;
    int64_t moved_bytes; /* predicted payloads, both ways */
};

/* A plan for `graph` and `cluster` (copied) without stages. TESS_E_NOMEM. */
enum tess_status tess_cluster_plan_create(const struct tess_graph *graph,
                                          const struct tess_cluster *cluster,
                                          struct tess_cluster_plan **plan_out,
                                          struct tess_error *error);
void tess_cluster_plan_destroy(struct tess_cluster_plan *plan); /* accepts NULL */

/* Appends a stage of `n_ops` ops and `n_tiles` tiles, both copied. TESS_E_NOMEM. */
enum tess_status tess_cluster_plan_add(struct tess_cluster_plan *plan, const int *ops,
                                       int n_ops, const struct tess_cluster_tile *tiles,
                                       int n_tiles, struct tess_error *error);

/* Puts the nodes of `cluster` in the place of the plan's: tiles stay with the nodes of their name,
 * and the first node is the coordinator. TESS_E_CONFIG if `cluster` lacks a node that has a
 * tile. */
enum tess_status tess_cluster_plan_set_cluster(struct tess_cluster_plan *plan,
                                               const struct tess_cluster *cluster,
                                               struct tess_error *error);

/* Does the plan fit the graph: its hash, every op in one stage, after the ops it reads, every stage
 * one of partition/stage.h, tiles covering its output exactly, nodes that exist? TESS_E_CONFIG.
 * With `stage_out` (may be NULL) the stage at fault, or -1. */
enum tess_status tess_cluster_plan_check(const struct tess_cluster_plan *plan,
                                         const struct tess_graph *graph, int *stage_out,
                                         struct tess_error *error);

/* What the message with a tile's input carries, and the one with its output. */
struct tess_cluster_payload {
    int64_t in_bytes, out_bytes;
};

/* Of the tile that computes `output` of the stage's output and reads `input` of its input bundle.
 * Maps are floats; with `sends_bytes` the network's input is one byte per value. */
struct tess_cluster_payload tess_cluster_payload_of(const struct tess_stage *stage,
                                                    const struct tess_region *input,
                                                    const struct tess_region *output,
                                                    bool sends_bytes);

/* New tiles of an even grid over `whole`: [n_rows * n_cols], on node 0, nothing predicted. NULL
 * without memory. Rows and columns are at most those of `whole`. */
struct tess_cluster_tile *tess_cluster_grid(const struct tess_region *whole, int n_rows,
                                            int n_cols);

#endif
