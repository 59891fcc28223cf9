/* A stage: a run of ops that several nodes compute together, each some rectangles of what the
 * stage puts out.
 *
 * The maps that a stage reads from before form one bundle, channels side by side in the order of
 * their tensor ids; so do the maps that it puts out. A bundle's maps have one plane size, or the
 * ops are no stage; but a stage may put out a second bundle, whose maps are so and so many times
 * larger than those of the first and that no op inside reads: what skips over layers that shrink
 * maps. Between stages only bundles are known: who holds which rectangle is not said here. A tile
 * of a stage as a network of its own: partition/tile_graph.h.
 *
 * Unlike a group of a plan (partition/tiles.h), a stage has no grid: a tile is any rectangle of
 * the outputs, and computes all it needs from the stage's inputs.
 */
#ifndef TESS_PARTITION_STAGE_H
#define TESS_PARTITION_STAGE_H

#include "base/error.h"
#include "partition/region.h"

/* Tensors of one plane size, side by side: [H,W,C] with the sum of their channels. */
struct tess_bundle {
    int n_tensors;
    int *tensors; /* [n_tensors] ids, ascending */
    int h, w, c;
};

struct tess_stage {
    const struct tess_graph *graph; /* borrowed */
    int n_ops;
    int *ops;                 /* [n_ops] op ids, ascending: they can run in this order */
    int *place;               /* [n_tensors of the graph] position in `ops` of the op that
                                   puts it out, n_ops for tensors of `input`, else -1 */
    struct tess_bundle input; /* what the ops read and do not put out */
    struct tess_bundle
        output;              /* what ops outside read, and results of the network; of two
                                  sizes those of the smaller maps. Tiles are cut by these */
    struct tess_bundle side; /* those of the larger maps; may be empty */
    int side_scale[2];       /* rows and columns of `side` to one of `output` */
    bool can_cut;            /* false: its only tile is the whole output */
};

/* The stage of `n_ops` different ops, in any order. Ops between them that they depend on must be
 * among them; that is the caller's schedule. TESS_E_CONFIG, naming layers, if inputs or outputs
 * differ in their plane size; TESS_E_NOMEM. Cost: O(ops and tensors of the graph). */
enum tess_status tess_stage_init(struct tess_stage *stage, const struct tess_graph *graph,
                                 const int *ops, int n_ops, struct tess_error *error);
void tess_stage_release(struct tess_stage *stage); /* accepts zeroed memory and NULL */

/* What computing `output` of the stage's output, and what of its side belongs to that, takes: of
 * each op's output the region computed
 * (regions_out[0..n_ops)), and of the input bundle the region read (regions_out[n_ops]). Where
 * several ops read one tensor it is the hull of what they read. Of a stage that cannot be cut
 * `output` must be the whole, and all regions are. Cost: O(n_ops). */
void tess_stage_regions(const struct tess_stage *stage, const struct tess_region *output,
                        struct tess_region *regions_out);

/* Values that a stage puts out for each pixel of its output bundle, those of the side included. */
int64_t tess_stage_pixel_values(const struct tess_stage *stage);

/* The rectangle of the side bundle that belongs to `output` of the output bundle. */
struct tess_region tess_stage_side(const struct tess_stage *stage,
                                   const struct tess_region *output);

/* The whole output. */
struct tess_region tess_stage_whole(const struct tess_stage *stage);

/* Multiply-adds within `regions`, as tess_stage_regions fills them. */
int64_t tess_stage_macs(const struct tess_stage *stage,
                        const struct tess_region *regions);

#endif
