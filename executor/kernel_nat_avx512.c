/* Inner kernels of family `nat` for AVX-512F: 32 registers of 16 lanes. */
#include "executor/kernel_nat_tile_priv.h"

/* TUNING: at most 28 sums leave room for the weights and the spread input; four blocks,
 * because filters come in powers of two and because few instructions keep the clock high;
 * with one block 11 pixels, whose addresses fit into registers. All of YOLOv2 at most 4, 3,
 * 2 blocks at once: 377, 381, 389 ms. 38x38x256, 3x3, by blocks: 11 x 1 171 GFLOP/s, 10 x 1
 * 166, 14 x 1 144; 14 x 2 193, 13 x 2 183, 12 x 2 176 (2026-11). */
NAT_DENSE(6, 4)
NAT_DENSE(4, 4)
NAT_DENSE(2, 4)
NAT_DENSE(1, 4)
NAT_DENSE(9, 3)
NAT_DENSE(6, 3)
NAT_DENSE(4, 3)
NAT_DENSE(2, 3)
NAT_DENSE(1, 3)
NAT_DENSE(14, 2)
NAT_DENSE(8, 2)
NAT_DENSE(4, 2)
NAT_DENSE(2, 2)
NAT_DENSE(1, 2)
NAT_DENSE(11, 1)
NAT_DENSE(8, 1)
NAT_DENSE(4, 1)
NAT_DENSE(2, 1)
NAT_DENSE(1, 1)
NAT_DEPTHWISE(8)
NAT_DEPTHWISE(4)
NAT_DEPTHWISE(1)

const struct tess_nat_isa tess_nat_avx512 = {
    .name = "avx512",
    .n_blocks = 4,
    .pass_elems = 2048, /* TUNING: 512 KiB, half of the smallest second cache */
    .dense =
        {
            {5,
             {{11, dense_11x1},
              {8, dense_8x1},
              {4, dense_4x1},
              {2, dense_2x1},
              {1, dense_1x1}}},
            {5,
             {{14, dense_14x2},
              {8, dense_8x2},
              {4, dense_4x2},
              {2, dense_2x2},
              {1, dense_1x2}}},
            {5,
             {{9, dense_9x3},
              {6, dense_6x3},
              {4, dense_4x3},
              {2, dense_2x3},
              {1, dense_1x3}}},
            {4, {{6, dense_6x4}, {4, dense_4x4}, {2, dense_2x4}, {1, dense_1x4}}},
        },
    .depthwise = {3, {{8, depthwise_8}, {4, depthwise_4}, {1, depthwise_1}}},
};
