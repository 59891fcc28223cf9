/* A tile of a stage as a network of its own: it computes one rectangle of the stage's output from
 * the rectangle of the stage's input that this takes, halo included, and nothing else.
 *
 * It is a graph like any other: planner, verifier and executor need not know that it is a part.
 * Its input is the input bundle of partition/stage.h within `input`; its results are the output
 * bundle within `output`, and parts of some ops' outputs that make up the side bundle. Every
 * element has the bits that it has in the whole network, with kernels that keep the law of
 * docs/numerics.md at any place of any map.
 *
 * Weights are the whole network's: layers, weights offsets and n_weights stay, so that readers of
 * weights that go by them (model/compiled.h, model/weights.h) take the tile's graph in place of
 * the whole one. For others `origins` says which op is which.
 */
#ifndef TESS_PARTITION_TILE_GRAPH_H
#define TESS_PARTITION_TILE_GRAPH_H

#include "base/error.h"
#include "partition/stage.h"

/* A map of the side bundle: rows and columns of the output of an op, from `row` and `col` on. */
struct tess_tile_side {
    int op;
    int row, col, h, w;
};

struct tess_tile_graph {
    struct tess_graph *graph;
    int *
        origins; /* [graph->n_ops] the op of the whole graph, -1 for slices, concats and crops
                     that only the tile has */
    struct tess_region input, output;
    int output_op; /* whose output is the output bundle */
    int n_sides;
    struct tess_tile_side *sides; /* [n_sides] in the order of the side bundle */
};

/* Makes the tile of `stage` that computes `output`; the whole output if the stage cannot be cut.
 * Tiles of one shape at like places have graphs of equal hash. The tile keeps nothing of the
 * stage. TESS_E_NOMEM. Cost: O(ops and layers). */
enum tess_status tess_tile_graph_init(struct tess_tile_graph *tile,
                                      const struct tess_stage *stage,
                                      const struct tess_region *output,
                                      struct tess_error *error);
void tess_tile_graph_release(
    struct tess_tile_graph *tile); /* accepts zeroed memory, NULL */

#endif
