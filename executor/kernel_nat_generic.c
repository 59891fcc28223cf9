/* Inner kernels of family `nat` with vectors of 4 lanes: NEON with 32 registers, SSE2 with
 * 16, or whatever the compiler makes of them. */
#include "executor/kernel_nat_tile_priv.h"

NAT_DENSE(2, 1)
NAT_DENSE(1, 1)
NAT_DEPTHWISE(2)
NAT_DEPTHWISE(1)
#if !defined(__x86_64__)
NAT_DENSE(6, 1)
NAT_DENSE(4, 1)
#endif

const struct tess_nat_isa tess_nat_generic = {
    .name = "generic",
    .n_blocks = 1,
    .pass_elems = 512, /* TUNING: 32 KiB, as little as small boards have first cache */
#if defined(__x86_64__)
    .dense = {{2, {{2, dense_2x1}, {1, dense_1x1}}}},
#else
    .dense = {{4, {{6, dense_6x1}, {4, dense_4x1}, {2, dense_2x1}, {1, dense_1x1}}}},
#endif
    .depthwise = {2, {{2, depthwise_2}, {1, depthwise_1}}},
};
