/* Maximum flow, and with it the minimum cut, of a network that is built, solved and forgotten.
 *
 * Problem: the largest flow from a source to a sink through arcs with capacities.
 *
 * Method: Dinic. Number the nodes by their distance from the source over arcs with room left;
 * push flow along paths on which the number always rises until none is left; repeat until the
 * sink cannot be reached. What the source still reaches is one side of a minimum cut.
 *
 * Invariant: what flows into a node flows out; an arc and its reverse have together the room
 * that they began with.
 *
 * Cost: O(n^2 m), in practice near-linear on the networks of schedule/cut.h.
 *
 * Worked example: S->a 3, a->T 2, S->b 1, a->b 5, b->T 9: first S-a-T 2 and S-b-T 1, then
 * S-a-b-T 1; the flow is 4, and only S can reach itself: the cut is its arcs, 3 + 1.
 *
 * Reference: E. A. Dinic, Soviet Math. Doklady 11, 1970.
 */
#ifndef TESS_SCHEDULE_FLOW_H
#define TESS_SCHEDULE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

/* Of arcs that no cut may go through; no sum of true capacities reaches it. */
#define TESS_FLOW_UNCUTTABLE (INT64_MAX / 4)

enum { TESS_FLOW_SOURCE = 0, TESS_FLOW_SINK = 1 };

struct tess_flow_arc {
    int to, next; /* next arc out of the same node; -1: none. Arc k ^ 1 is its reverse. */
    int64_t room;
};

/* Zeroed memory is a valid network without memory. Adding never fails visibly: after an
 * allocation failure the network is_broken, and whoever builds it looks once, at the end. */
struct tess_flow {
    int n_nodes, n_arcs, node_capacity, arc_capacity;
    struct tess_flow_arc *arcs;
    int *first; /* [n_nodes] arc out of it */
    int *level; /* [n_nodes] distance; -1: not reached */
    int *now;   /* [n_nodes] arc to try next */
    int *queue; /* [n_nodes] */
    bool is_broken;
};

void tess_flow_release(struct tess_flow *flow); /* accepts zeroed memory and NULL */

/* Forgets the network, keeps its memory: source and sink are there, and no arc. */
void tess_flow_clear(struct tess_flow *flow);
int tess_flow_add_node(struct tess_flow *flow);
void tess_flow_add_arc(struct tess_flow *flow, int from, int to, int64_t room);

/* The largest flow, or the first found that is at least `enough`. Not on a broken network. */
int64_t tess_flow_run(struct tess_flow *flow, int64_t enough);

/* After a run to the end: marks in flow->level, >= 0, the nodes that the source reaches: the
 * smallest source side of a minimum cut. */
void tess_flow_mark_source_side(struct tess_flow *flow);

/* The same with the nodes from which the sink is reached: the smallest sink side. */
void tess_flow_mark_sink_side(struct tess_flow *flow);

#endif
