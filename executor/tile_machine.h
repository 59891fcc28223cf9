/* Computes tiles of stages, one after the other: each tile a network of its own, with a plan of
 * its own, from the weights of the whole network.
 *
 * Keeps what the next tile may need: the executor of the tile before, for another of its shape;
 * the memory that arenas take; and, where memory allows it, all weights and all executors from
 * frame to frame. Serial equivalent of a run: create an executor for the tile's layout, run it,
 * destroy it. Knows no network between nodes and no files.
 */
#ifndef TESS_EXECUTOR_TILE_MACHINE_H
#define TESS_EXECUTOR_TILE_MACHINE_H

#include <stdbool.h>

#include "executor/executor.h"

struct tess_tile_machine;

struct tess_tile_machine_config {
    const struct tess_graph *graph;          /* the whole network, borrowed */
    const struct tess_kernel_family *family; /* started; uses_packed */
    struct tess_packed_source blocks;        /* of the whole network's ops */
    int n_threads;                           /* at least 1 */
    bool keeps_weights; /* read each op's weights once and keep them, and executors too */
};

/* TESS_E_NOMEM. */
enum tess_status tess_tile_machine_create(const struct tess_tile_machine_config *config,
                                          struct tess_tile_machine **machine_out,
                                          struct tess_error *error);
void tess_tile_machine_destroy(struct tess_tile_machine *machine); /* accepts NULL */

/* Sets up for tiles of this shape, so that the first one takes no longer than others: with weights
 * kept, reads them. Without, it is of use for the shape that comes first only. Arguments and
 * errors as below. */
enum tess_status tess_tile_machine_prepare(struct tess_tile_machine *machine,
                                           const struct tess_layout *layout,
                                           const int *origins, struct tess_error *error);

/* Rows and columns of an op's output, from `row` and `col` on: to `map`, dense [h, w, channels]. */
struct tess_tile_result {
    int op, row, col, h, w;
    float *map;
};

/* One tile. `layout` is that of the tile's graph, and tells shapes apart: it stays where it is as
 * long as the machine. `origins` [n_ops of the tile's graph]: its ops in the whole network, -1 for
 * those that only the tile has (partition/tile_graph.h). Its outputs go where `results` say. What
 * executor and source of weights report; another tile may follow. */
enum tess_status tess_tile_machine_run(struct tess_tile_machine *machine,
                                       const struct tess_layout *layout,
                                       const int *origins,
                                       const struct tess_row_source *input,
                                       const struct tess_tile_result *results,
                                       int n_results, struct tess_error *error);

#endif
