/* Inner kernels of family `nat` for AVX-512F: 32 registers of 16 lanes. */
#include "executor/kernel_nat_tile_priv.h"

/* TUNING: 27 sums leave room for three vectors of weights and the spread input. Relative
 * to XNNPACK over YOLOv2's layers with 3x3 kernels: 9 x 3 1.27, 8 x 3 1.23, 6 x 4 1.21,
 * 14 x 2 1.17, 12 x 2 1.13; many pixels, whose distances are powers of two, compete for
 * few lines of the first cache (2026-11). */
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
NAT_DENSE(14, 1)
NAT_DENSE(8, 1)
NAT_DENSE(4, 1)
NAT_DENSE(2, 1)
NAT_DENSE(1, 1)
NAT_DEPTHWISE(8)
NAT_DEPTHWISE(4)
NAT_DEPTHWISE(1)

const struct tess_nat_isa tess_nat_avx512 = {
    .name = "avx512",
    .n_blocks = 3,
    .pass_elems =
        2048, /* TUNING: 384 KiB, a part of the smallest second cache of 1 MiB */
    .dense =
        {
            {5,
             {{14, dense_14x1},
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
        },
    .depthwise = {3, {{8, depthwise_8}, {4, depthwise_4}, {1, depthwise_1}}},
};
