/* Streamed weights: the slices in which an op's packed blocks (model/packed.h) are read.
 *
 * A slice is some neighbouring blocks, computed by one kernel call; a slot is the memory of a
 * slice. There are two slots, so that one slice is read while another is computed. Derived
 * from plan and graph alone: the layout counts with it, the executor reads by it.
 */
#ifndef TESS_PLAN_SLICES_H
#define TESS_PLAN_SLICES_H

#include <stdint.h>

#include "model/graph.h"
#include "model/packed.h"
#include "plan/plan.h"

enum {
    TESS_SLICES_N_SLOTS = 2,
    /* Memory of the thread that reads: its stack, and what the system keeps for it.
     * TUNING: measured 28 to 36 KiB on x86-64 with glibc 2.36, 2026-11. */
    TESS_SLICES_READER_BYTES = 48 * 1024
};

/* Blocks of `block_bytes` each, of which an op has `n_blocks`, that are read at once where a
 * slice has at most `slice_bytes`, no less than a block. Never less where that is more. */
int tess_slices_blocks_within(int64_t slice_bytes, int64_t block_bytes, int n_blocks);

/* Memory that reading holds for slots of `slot_bytes` and the thread that fills them. Weights
 * that are packed while they are read take room for the largest block besides. */
int64_t tess_slices_window_bytes(const struct tess_kernel_facts *facts,
                                 int64_t slot_bytes, int64_t most_block_bytes);

/* Blocks of op `op` that are read at once, the last time perhaps fewer; 0 if it is not
 * streamed. */
int tess_slices_blocks(const struct tess_plan *plan, const struct tess_graph *graph,
                       int op);

/* Slices of the op, 0 if it is not streamed. */
int tess_slices_count(const struct tess_plan *plan, const struct tess_graph *graph,
                      int op);

/* Bytes of a slot: the largest slice of any op. 0 if nothing is streamed. */
int64_t tess_slices_slot_bytes(const struct tess_plan *plan,
                               const struct tess_graph *graph);

/* The largest block of any streamed op: no slice can be smaller. 0 if nothing is. */
int64_t tess_slices_most_block_bytes(const struct tess_plan *plan,
                                     const struct tess_graph *graph);

#endif
