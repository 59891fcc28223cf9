/* Work whose arithmetic shows every mistake: each output element is a hash of what a 3x3 window
 * of the inputs holds, so a tile that is wrong, stale, misplaced or made from stale input
 * differs from the untiled result.
 */
#ifndef TESS_TESTS_SUPPORT_FAKE_TILES_H
#define TESS_TESTS_SUPPORT_FAKE_TILES_H

#include <stdint.h>

#include "transport/work.h"

enum { FAKE_TENSORS = 6, FAKE_STAGES = 4, FAKE_TILES_MAX = 64 };

struct fake_work {
    struct tess_part_map tensors[FAKE_TENSORS];
    struct tess_work_stage stages[FAKE_STAGES];
    struct tess_work_tile tiles[FAKE_TILES_MAX];
    struct tess_work work; /* points into the above: do not copy */
};

/* Tensor 0, uint8, is given. Stage 0 makes 1; stage 1 makes 2 and 3 from 1; stage 2 makes 4
 * from 2, cut by channels; stage 3 makes 5 from 4 and 3. Cuts are random; `cost` is that of a
 * whole stage. */
void fake_work_init(struct fake_work *fake, uint64_t seed, int64_t cost);

/* In 16, 8, 12 and 8 equal tiles. */
void fake_work_init_even(struct fake_work *fake, int64_t cost);

/* Plans each tile for the one of the nodes 1 to n_nodes in whose share of the rows it begins. */
void fake_work_plan(struct fake_work *fake, int n_nodes);

/* The same maps in one tile a stage. */
void fake_work_init_untiled(struct fake_work *fake);

int64_t fake_tensor_bytes(const struct fake_work *fake, int tensor);

/* Runs a tile: input and output are packed parts, as tess_tile_runner. */
void fake_run(const struct tess_work *work, int stage, int tile,
              const unsigned char *input, unsigned char *output);

/* The given tensor of a frame. */
void fake_input(const struct fake_work *fake, int64_t frame, unsigned char *tensor);

#endif
