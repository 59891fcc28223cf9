/* When the tiles of a whole frame are done: which wait for which, what each message still has to
 * carry, and how messages and tiles share links and processors.
 *
 * A model of a star. The coordinator gives a tile to its node once it has what the tile reads of
 * earlier ones, or the node has: there is no other barrier between stages. A node keeps what it
 * computes of the frame, so that messages carry to it only what others computed. Of a result what
 * other nodes need may travel first. Nodes are given: planner/cluster_time.h finds some. No device
 * and no socket is touched here.
 */
#ifndef TESS_PLANNER_CLUSTER_FRAME_H
#define TESS_PLANNER_CLUSTER_FRAME_H

#include "partition/stage.h"
#include "planner/cluster_time.h"

/* Tiles of the frame, in the order in which the coordinator gives those that could go out. */
struct tess_frame_tile {
    struct tess_region input, output;                         /* of the stage's bundles */
    double compute_us, load_us, load_disk_us, stream_disk_us; /* as in tess_tile_job */
    int node;
    int64_t
        in_bytes; /* out: that the message to the node carries; 0 for the coordinator */
    double begin_us; /* out: when it is given to the node */
    double done_us;  /* out: when its result is in place */
};

/* Tiles [first_tile, first_tile + n_tiles). */
struct tess_frame_stage {
    int first_tile, n_tiles;
    int64_t input_pixel_bytes; /* that it reads of the network's input; 0: it does not */
    int64_t output_pixel_bytes;
    double end_us; /* out: when it and all stages before it are done */
};

struct tess_frame {
    const struct tess_cluster *cluster; /* borrowed */
    const bool *keeps_weights;          /* [n_nodes] borrowed */
    const int64_t *kept_bytes; /* [n_nodes] borrowed: of results that a node keeps */
    struct tess_message_cost messages;
    bool splits_results; /* workers send first what other nodes need */
    int n_stages, n_tiles;
    struct tess_frame_stage *stages; /* borrowed */
    struct tess_frame_tile *tiles;   /* borrowed */
    const int64_t
        *reads; /* [n_stages][n_stages] borrowed: bytes that a stage (row) reads of
                             a pixel that an earlier one puts out; 0: none */
};

/* Runs the frame on an idle cluster from time 0, fills what is out, and returns when the last tile
 * is done. A negative number without memory. Cost: O(tiles * (tiles + nodes)). */
double tess_frame_run(struct tess_frame *frame);

/* What stages read of each other, from their bundles: fills pixel bytes of `frame_stages`
 * [n_stages] and `reads_out` [n_stages][n_stages]. The network's input goes out as bytes or floats.
 * TESS_E_NOMEM. */
enum tess_status tess_frame_set_reads(const struct tess_stage *const *stages,
                                      int n_stages, bool sends_bytes,
                                      struct tess_frame_stage *frame_stages,
                                      int64_t *reads_out);

/* Bytes on the links, both ways, of a frame that was run. */
int64_t tess_frame_moved_bytes(const struct tess_frame *frame);

#endif
