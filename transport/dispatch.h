/* Which node gets which tile: earliest finish time.
 *
 * Problem. Tiles wait; nodes differ in speed and link; each may hold a few tiles. Giving a
 * tile to whoever is free makes the slowest node's last tile the end of the stage.
 *
 * Method. List scheduling by earliest finish time over ALL waiting tiles, in their order, as
 * if every node's queue were endless: a tile goes to the node that would finish it first,
 * counting what the node already holds, its transfer and its computation. Only then is room
 * looked at: what falls to a node beyond its room stays here and is decided anew at the
 * next event, with newer measurements. So a slow node gets a tile only if the fast ones
 * would finish that tile later, even with all they have to do before.
 *
 * Cost. O(tiles * nodes). Nothing is allocated.
 *
 * Worked example. Speeds 4 and 1 (cost per us), no transfer, tiles of cost 8, 8, 8, 8, 8, 8:
 * node 0 would finish the first four at 2, 4, 6 and 8 (node 1 at 8: a tie goes to the lower
 * number), the fifth goes to node 1 (8 < 10), the sixth to node 0 (10 < 16).
 *
 * A node that computed some of the tile's input, and kept it, gets only the rest: that is in the
 * transfer, and so tiles tend to stay where their input is.
 *
 * Not done: looking ahead to later stages.
 *
 * Reference: H. Topcuoglu, S. Hariri, M. Wu, "Performance-effective and low-complexity task
 * scheduling for heterogeneous computing", IEEE TPDS 13(3), 2002: the processor selection
 * of HEFT, without its insertion.
 */
#ifndef TESS_TRANSPORT_DISPATCH_H
#define TESS_TRANSPORT_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

enum { TESS_DISPATCH_NODES_MAX = 33 };

/* Times in us from now on; rates per us, above 0. */
struct tess_dispatch_node {
    bool is_reserve; /* gets only what no other node can do */
    bool is_able;
    bool is_slow;   /* much slower than planned: what is planned for it need not stay */
    int room_tiles; /* that may be given to it now */
    int64_t room_bytes;
    uint64_t unable_stages; /* bit s: not stage s */
    double cost_per_us;
    double link_bytes_per_us;     /* 0: no link, nothing is transferred */
    double latency_us;            /* of one way */
    double link_free_us, free_us; /* when what it holds has arrived, is computed */
};

struct tess_dispatch_tile {
    int stage;
    int64_t cost;
    int64_t input_bytes, output_bytes; /* whole */
    const int64_t *moved_bytes;        /* [n_nodes] of the input, to that node */
    uint64_t unable_nodes;             /* bit n: not on node n */
    int planned;                       /* node that it is planned for, -1: none */

    /* Answers. */
    int node;     /* -1: nobody can */
    bool is_sent; /* there is room: give it now */
    double arrive_us, computed_us, finish_us;
};

/* `uplink_bytes_per_us`: of the coordinator, shared by all; 0: not limited. Sets the answers
 * of all tiles; changes the nodes' rooms and times accordingly. Ties go to the lower node. */
void tess_dispatch(struct tess_dispatch_node *nodes, int n_nodes,
                   double uplink_bytes_per_us, struct tess_dispatch_tile *tiles,
                   int n_tiles);

#endif
