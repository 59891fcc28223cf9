/* Blocks of memory with lifetimes: what an order of tasks asks an arena for.
 *
 * An output that overwrites an input shares its block: the input ends and the output begins at
 * that task. Every other tensor has a block of its own.
 *
 * So has a part that a concat views (TESS_MODEL_VIEW), and it stays where it lies: parts are not
 * moved next to each other. The concat's output has a block for the parts that are copied only; who
 * reads it reads these and each viewed part at its own offset, as a kernel does that takes its
 * channels from a list of places. This is what tess_task_graph_count counts, so that an arena can
 * be as small as the peak, and what tess_check_places demands. Parts side by side would have to
 * keep the room of those not yet written: that is what plan/layout.h does, for kernels that read
 * one block.
 */
#ifndef TESS_SCHEDULE_BLOCKS_H
#define TESS_SCHEDULE_BLOCKS_H

#include "schedule/task_graph.h"

struct tess_block {
    int first_step, last_step; /* positions of the order, both included */
    int64_t bytes;             /* >= 0 */
    int64_t offset;            /* filled in by schedule/placement.h */
};

struct tess_blocks {
    int n_blocks;
    struct tess_block *blocks;
    int *block_of; /* [n_tensors]; -1: of no bytes, or never alive */
};

/* The blocks of a graph (counted by a model) in this valid order; the most bytes alive at one step
 * are the order's peak. TESS_E_NOMEM; the caller releases in every case. */
enum tess_status tess_blocks_init(struct tess_blocks *blocks,
                                  const struct tess_task_graph *graph, const int *order,
                                  struct tess_error *error);
void tess_blocks_release(struct tess_blocks *blocks); /* accepts zeroed and NULL */

/* The tensors' offsets [n_tensors], from those of their blocks; 0 where there is none. */
void tess_blocks_offsets(const struct tess_blocks *blocks,
                         const struct tess_task_graph *graph, int64_t *offsets_out);

#endif
