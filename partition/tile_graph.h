/* A tile of a stage as a network of its own: it computes one rectangle of the stage's output from
 * the rectangle of the stage's input that this takes, halo included, and nothing else.
 *
 * It is a graph like any other: planner, verifier and executor need not know that it is a part.
 * Its input is the input bundle of partition/stage.h within `input`, its only result the last
 * op's output, the output bundle within `output`. Every element has the bits that it has in the
 * whole network, with kernels that keep the law of docs/numerics.md at any place of any map.
 *
 * Weights are the whole network's: layers, weights offsets and n_weights stay, so that readers of
 * weights that go by them (model/compiled.h, model/weights.h) take the tile's graph in place of
 * the whole one. For others `origins` says which op is which.
 */
#ifndef TESS_PARTITION_TILE_GRAPH_H
#define TESS_PARTITION_TILE_GRAPH_H

#include "base/error.h"
#include "partition/stage.h"

struct tess_tile_graph {
    struct tess_graph *graph;
    int *
        origins; /* [graph->n_ops] the op of the whole graph, -1 for slices, concats and crops
                     that only the tile has */
    struct tess_region input, output;
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
