/* Inner kernels of family `nat` for AVX-512F: 32 registers of 16 lanes. */
#include "executor/kernel_nat_tile_priv.h"

/* TUNING: 24 sums leave room for weights and the spread input; 12 pixels still have an
 * address register each (2026-02, see bench/kernel_speed.c). */
NAT_DENSE(12, 1)
NAT_DENSE(8, 1)
NAT_DENSE(4, 1)
NAT_DENSE(2, 1)
NAT_DENSE(1, 1)
NAT_DENSE(12, 2)
NAT_DENSE(8, 2)
NAT_DENSE(4, 2)
NAT_DENSE(2, 2)
NAT_DENSE(1, 2)
NAT_DEPTHWISE(8)
NAT_DEPTHWISE(4)
NAT_DEPTHWISE(1)

const struct tess_nat_isa tess_nat_avx512 = {
    .name = "avx512",
    .n_blocks = 2,
    .dense =
        {
            {5,
             {{12, dense_12x1},
              {8, dense_8x1},
              {4, dense_4x1},
              {2, dense_2x1},
              {1, dense_1x1}}},
            {5,
             {{12, dense_12x2},
              {8, dense_8x2},
              {4, dense_4x2},
              {2, dense_2x2},
              {1, dense_1x2}}},
        },
    .depthwise = {3, {{8, depthwise_8}, {4, depthwise_4}, {1, depthwise_1}}},
};
