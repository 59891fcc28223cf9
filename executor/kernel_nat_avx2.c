/* Inner kernels of family `nat` for AVX2 with FMA: 16 registers of 8 lanes. */
#include "executor/kernel_nat_tile_priv.h"

NAT_DENSE(6, 1)
NAT_DENSE(4, 1)
NAT_DENSE(2, 1)
NAT_DENSE(1, 1)
NAT_DEPTHWISE(4)
NAT_DEPTHWISE(1)

const struct tess_nat_isa tess_nat_avx2 = {
    .name = "avx2",
    .n_blocks = 1,
    .pass_elems = 2048, /* TUNING: 128 KiB, half of the smallest second cache */
    .dense = {{4, {{6, dense_6x1}, {4, dense_4x1}, {2, dense_2x1}, {1, dense_1x1}}}},
    .depthwise = {2, {{4, depthwise_4}, {1, depthwise_1}}},
};
