/* When the tiles of a stage are done: who computes which, and how messages share the links.
 *
 * A model. A star: the coordinator sends each tile's input to its node and gets the result back;
 * its own tiles move nothing. Each way, the coordinator's link carries one message after the other
 * at its own rate, and so does a node's. A node receives its next tile while it computes one.
 * Messages cost processors time, too: they are copied and checked. No device and no socket is
 * touched here.
 */
#ifndef TESS_PLANNER_CLUSTER_TIME_H
#define TESS_PLANNER_CLUSTER_TIME_H

#include "plan/cluster.h"

/* What handling messages takes of a processor of speed 1: packing, encrypting, checking, the
 * system's copies; and, for each, waking up whoever has a part in it. */
struct tess_message_cost {
    double us_per_byte, us;
    double copy_us_per_byte; /* of what the coordinator's own tiles read and write */
};

/* TUNING: per byte what threads of a worker that talk took over loopback with keys; per message
 * fitted to five plans of YOLOv2-608 on six boards (a tenth of a core each, 100 Mbit/s, keys; 2026)
 * of 1.6 to 2.0 s, predicted within 9 %: such a board gets its tenth once in 20 ms, and whoever has
 * used it waits. The coordinator's tiles read its maps in place. */
struct tess_message_cost tess_message_cost_typical(void);

struct tess_tile_job {
    double compute_us;     /* on a device of speed 1 */
    double load_us;        /* reading its weights there, on nodes that do not keep them */
    double load_disk_us;   /* that their disks take for it, however fast the device is */
    double stream_disk_us; /* and for weights that are read while it computes */
    int64_t in_bytes, out_bytes;
    int node; /* in: the node that has it, or -1 for whichever is done with it first; out: the
                 node */
    double done_us; /* out: when its result is in place */
};

/* What of a processor of this speed the tile takes, as if of speed 1: weights that it holds are
 * read before it computes, others meanwhile, and where the disk is slower the node waits for it.
 * On a node that keeps all weights only computing counts. */
double tess_cluster_tile_work(const struct tess_tile_job *job, bool keeps_weights,
                              double speed);

/* Runs the jobs of one stage in the given order and returns when the last is done, from an idle
 * cluster at time 0. A job without a node goes to the one that finishes it first (earliest finish
 * time; Topcuoglu, Hariri, Wu, IEEE TPDS 13(3), 2002), the first of equals, never to one that only
 * serves unless it is alone. Nodes with
 * keeps_weights[node] have all weights in memory from the frame before.
 * Cost: O(jobs * nodes). */
double tess_cluster_stage_us(const struct tess_cluster *cluster,
                             const bool *keeps_weights, struct tess_message_cost messages,
                             struct tess_tile_job *jobs, int n_jobs);

#endif
