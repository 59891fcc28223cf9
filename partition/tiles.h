/* A group of ops cut into a grid of tiles: which rows and columns each tile computes of
 * each op's output.
 *
 * A group is a run of ops in schedule order. Its outputs are the tensors that someone
 * outside reads, or that are network outputs. Tile (r, c) owns a share of every output;
 * shares cover each output exactly. Regions propagate backward from the shares through
 * the ops of the group (partition/region.h), taking the hull where several ops read one
 * tensor.
 *
 *   recompute: each tile computes all it needs by itself; tiles overlap inside the group
 *              (fused tile partitioning; Zhao, Barijough, Gerstlauer, "DeepThings", TCAD 2018)
 *   reuse:     tiles run in raster order and each computes only what no earlier tile has; what
 *              later tiles read again is kept (DeepThings' data reuse, made exact). The rows of
 *              the grid are bands of the group's first maps; every other op follows as far as
 *              its inputs reach, so that each keeps the fewest rows (a minimal-buffer schedule
 *              of synchronous dataflow; Bhattacharyya, Murthy, Lee, 1996).
 *
 * No tile computes a single pixel of a larger map: some kernels would round it
 * differently (needs_two_pixels in plan/facts.h). A tile may compute a line more than it
 * shares for that.
 *
 * Knows nothing about memory: ask plan/layout.h.
 */
#ifndef TESS_PARTITION_TILES_H
#define TESS_PARTITION_TILES_H

#include "base/error.h"
#include "partition/region.h"

enum tess_halo { TESS_HALO_RECOMPUTE, TESS_HALO_REUSE };

struct tess_tiling {
    int n_rows, n_cols; /* tiles of the grid, at least 1x1 */
    enum tess_halo halo;
};

/* One axis of the grid. */
struct tess_tile_axis {
    int n_tiles;
    struct tess_range *computes; /* [n_tiles][n_ops] output range that the tile computes;
                                    may be empty */
    struct tess_range *shares; /* [n_tiles][n_ops] the part of it that the tile owns of a
                                  group output; empty for ops that are no group output */
};

struct tess_tiles {
    const struct tess_graph *graph; /* borrowed */
    int n_ops;
    const int *ops; /* borrowed: [n_ops] op ids in the order they run */
    struct tess_tiling tiling;
    bool *is_output;               /* [n_ops] does the group put this op's tensor out? */
    struct tess_tile_axis axis[2]; /* by enum tess_axis */
};

/* Can these ops be cut into more than one tile? False if one of them reads whole maps. If
 * not, *op_out names the first that cannot (may be NULL). */
bool tess_tiles_can_cut(const struct tess_graph *graph, const int *ops, int n_ops,
                        int *op_out);

/* Most rows of tiles that a grid over these ops may have: the rows of the last op's map, or with
 * halos reused those of the group's tallest. It may have as many columns as the last map. */
int tess_tiles_max_rows(const struct tess_graph *graph, const int *ops, int n_ops,
                        enum tess_halo halo);

/* Cuts the group. Work is balanced: with halos recomputed, tiles at the border of the map, which
 * have a halo on one side only, get more of the output. With halos reused, a band may complete
 * no row of an output. `ops` must outlive the tiles. TESS_E_CONFIG for a grid that does not fit
 * the group, TESS_E_NOMEM. Cost: O(n_ops * (rows + cols) + rows of all maps). */
enum tess_status tess_tiles_init(struct tess_tiles *tiles, const struct tess_graph *graph,
                                 const int *ops, int n_ops, struct tess_tiling tiling,
                                 struct tess_error *error);
void tess_tiles_release(struct tess_tiles *tiles); /* accepts zeroed memory and NULL */

/* What tile number `tile` computes, or owns, of the op at position `at` in the group. */
struct tess_range tess_tiles_computes(const struct tess_tiles *tiles, enum tess_axis axis,
                                      int tile, int at);
struct tess_range tess_tiles_share(const struct tess_tiles *tiles, enum tess_axis axis,
                                   int tile, int at);

/* Multiply-adds of the whole group over all tiles, redundant ones included. */
int64_t tess_tiles_macs(const struct tess_tiles *tiles);

/* Asserts: shares cover every output exactly and in order, no tile of the last op is
 * empty, every range lies in its map, reuse computes nothing twice. */
void tess_tiles_assert_valid(const struct tess_tiles *tiles);

/* Splits [0, extent) into n_parts non-empty parts: interior parts of one size, the outer
 * two larger by `outer_bonus` where room allows. edges_out: [n_parts + 1]. */
void tess_split_extent(int extent, int n_parts, int outer_bonus, int *edges_out);

#endif
