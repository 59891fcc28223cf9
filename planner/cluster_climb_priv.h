/* What planner/cluster_climb.c and cluster_wander.c (moves) and cluster_weigh.c (what a chain
 * takes) share. */
#ifndef TESS_PLANNER_CLUSTER_CLIMB_PRIV_H
#define TESS_PLANNER_CLUSTER_CLIMB_PRIV_H

#include "planner/cluster_climb.h"
#include "planner/cluster_frame.h"

/* A run of ops as a stage, once it was asked for. */
struct climb_stage {
    enum { UNKNOWN, IS_STAGE, IS_NONE } state;
    struct tess_stage stage;
    double load_us, disk_us;
    int64_t most_pixels; /* that a tile may have */
    double
        ratio; /* of its tiles' times to those by their ops and weights; 0: not known */
};

/* What a tile was found to take. */
struct climb_tile {
    const struct climb_stage *stage; /* NULL: empty */
    struct tess_region output, input;
    double us;
};

enum { CLIMB_KNOWN_TILES = 1 << 15 };

struct tess_climber {
    const struct tess_graph *graph;
    const struct tess_cluster *cluster;
    const struct tess_cluster_options *options;
    bool keeps_weights[TESS_CLUSTER_MOST_NODES];
    int64_t kept_bytes[TESS_CLUSTER_MOST_NODES];
    double shares[TESS_CLUSTER_MOST_NODES]; /* speeds */
    int first_node;                         /* that computes */
    int *ops;                               /* [n_ops] 0, 1, 2, ... */
    struct climb_stage *stages;             /* [n_ops][n_ops + 1] by first op and end */
    struct climb_tile *known;               /* [CLIMB_KNOWN_TILES] */
    struct tess_region *regions;            /* [n_ops + 1] scratch */
    const struct tess_stage **frame_ops;    /* [n_ops] scratch */
    struct tess_frame_stage *frame_stages;  /* [n_ops] */
    int64_t *reads;                         /* [n_ops][n_ops] */
    struct tess_frame_tile *tiles;          /* [capacity] */
    int capacity;
    struct tess_chain trial, current;
    struct tess_spread spread; /* scratch */
    double ratio;              /* of all stages that are known */
    double n_left;             /* tiles that may still be put on clocks */
    bool is_broken;            /* no memory */
};

/* The run as a stage, NULL if it is none or without memory. */
struct climb_stage *tess_climber_stage(struct tess_climber *climber, int first, int end);

/* Moves an edge of one stage, or with -1 of all that have as many tiles and columns as the first
 * that is cut, by lines or by a part of the map: the right edge of `column`, with -1 the lower one
 * of `tile`. False if nothing moved. */
bool tess_climber_move_edge(struct tess_climber *climber, struct tess_chain *chain,
                            int stage, int tile, int column, double by);

/* Simulated annealing until n_left is used up: *chain becomes the best met. Needs
 * chain->us. */
void tess_climber_wander(struct tess_climber *climber, struct tess_chain *chain,
                         uint64_t seed);

/* Sets chain->us. */
void tess_climber_weigh(struct tess_climber *climber, struct tess_chain *chain);

#endif
