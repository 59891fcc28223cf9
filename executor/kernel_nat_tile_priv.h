/* The inner kernels of family `nat`, written once for all instruction sets: included by
 * one source per set, which instantiates them for its tile sizes.
 *
 * Problem: a convolution spends its time in sums of products; at two fused operations of
 * a vector per cycle, nothing else may take a processor's attention.
 *
 * Method: a tile of n_pixels times n_blocks blocks of sums stays in registers. For every
 * input float of the runs, the weights of the blocks are loaded once and used for all
 * pixels, and one float of each pixel is spread over a vector and used for all blocks:
 * n_pixels + n_blocks * vectors loads for n_pixels * n_blocks * vectors operations. Sizes
 * are constants of each instance, so that the compiler unrolls all loops over them and
 * keeps the arrays in registers. On the way, weights that will be needed soon are brought
 * into the second cache, one line a round, as far as the caller asks; more at once would
 * hold up other loads.
 *
 * Invariant: each element's sum is one chain in the order of struct tess_nat_tile; which
 * instance computes it, and at which place in the tile, does not show.
 *
 * Cost: AVX-512, 6 pixels x 4 blocks: 10 loads for 24 operations, 12 cycles.
 *
 * Worked example: two pixels, one block of 16 lanes, one run of two floats, vectors of 16:
 *     a0 = bias; a1 = bias
 *     w = weights[0..15];  a0 = w * pixels[0][0] + a0;  a1 = w * pixels[1][0] + a1
 *     w = weights[16..31]; a0 = w * pixels[0][1] + a0;  a1 = w * pixels[1][1] + a1
 *     out[0] = activation(a0); out[1] = activation(a1)
 *
 * Not done: padding and slices that end within a block; the caller gives zeros to read
 * and memory of its own to write.
 *
 * Reference: K. Goto, R. van de Geijn, "Anatomy of high-performance matrix
 * multiplication", ACM TOMS 34(3), 2008; M. Dukhan, "The indirect convolution algorithm",
 * 2019.
 */
#ifndef TESS_EXECUTOR_KERNEL_NAT_TILE_PRIV_H
#define TESS_EXECUTOR_KERNEL_NAT_TILE_PRIV_H

#include "executor/kernel_nat_priv.h"
#include "executor/kernel_nat_vector_priv.h"

enum {
    NAT_BLOCK_VECTORS = TESS_PACKED_BLOCK / NAT_LANES,
    NAT_UNROLLED = 4, /* input floats of one round of the inner loop */
    NAT_MAX_VECTORS = TESS_NAT_MAX_BLOCKS * NAT_BLOCK_VECTORS
};

/* Every use has constant sizes, and would be lost without inlining. */
#define NAT_INLINE static inline __attribute__((always_inline))

/* Before loops over constant sizes: they must disappear, also where the compiler is shy. */
#if defined(__clang__)
#define NAT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NAT_UNROLL _Pragma("GCC unroll 16")
#endif

/* As tess_activate does it. */
NAT_INLINE nat_vector nat_activate(enum tess_activation activation, nat_vector x)
{
    if (activation == TESS_ACT_LEAKY)
        return nat_max(x, x * nat_splat(0.1f));
    if (activation == TESS_ACT_RELU || activation == TESS_ACT_RELU6)
        x = nat_max(x, nat_splat(0.0f));
    if (activation == TESS_ACT_RELU6)
        x = nat_min(x, nat_splat(6.0f));
    return x;
}

NAT_INLINE void nat_store_sums(const struct tess_nat_tile *tile, int n_pixels,
                               int n_vectors, nat_vector sums[][NAT_MAX_VECTORS],
                               enum tess_activation activation)
{
    NAT_UNROLL
    for (int p = 0; p < n_pixels; p++) {
        float *out = tile->out[p];
        NAT_UNROLL
        for (int v = 0; v < n_vectors; v++)
            nat_store(out + v * NAT_LANES, nat_activate(activation, sums[p][v]));
    }
}

/* A choice around the stores rather than in them: one branch per tile. */
NAT_INLINE void nat_finish(const struct tess_nat_tile *tile, int n_pixels, int n_vectors,
                           nat_vector sums[][NAT_MAX_VECTORS])
{
    if (tile->activation == TESS_ACT_LEAKY)
        nat_store_sums(tile, n_pixels, n_vectors, sums, TESS_ACT_LEAKY);
    else if (tile->activation == TESS_ACT_RELU)
        nat_store_sums(tile, n_pixels, n_vectors, sums, TESS_ACT_RELU);
    else if (tile->activation == TESS_ACT_RELU6)
        nat_store_sums(tile, n_pixels, n_vectors, sums, TESS_ACT_RELU6);
    else
        nat_store_sums(tile, n_pixels, n_vectors, sums, TESS_ACT_LINEAR);
}

/* Where vector v of several blocks lies in the weights or biases of the first. */
NAT_INLINE size_t nat_vector_at(const struct tess_nat_tile *tile, int v)
{
    return (size_t)(v / NAT_BLOCK_VECTORS) * tile->block_elems +
           (size_t)(v % NAT_BLOCK_VECTORS * NAT_LANES);
}

NAT_INLINE void nat_begin(const struct tess_nat_tile *tile, int n_pixels, int n_vectors,
                          nat_vector sums[][NAT_MAX_VECTORS])
{
    NAT_UNROLL
    for (int p = 0; p < n_pixels; p++) {
        NAT_UNROLL
        for (int v = 0; v < n_vectors; v++)
            sums[p][v] = tile->bias ? nat_load(tile->bias + nat_vector_at(tile, v))
                                    : nat_load(tile->out[p] + v * NAT_LANES);
    }
}

/* The weights of one input float times that float of each pixel. */
NAT_INLINE void nat_step(int n_pixels, int n_blocks, nat_vector sums[][NAT_MAX_VECTORS],
                         const float *const *weights, ptrdiff_t offset,
                         const float *const *in, ptrdiff_t i)
{
    nat_vector w[NAT_MAX_VECTORS];
    NAT_UNROLL
    for (int v = 0; v < n_blocks * NAT_BLOCK_VECTORS; v++)
        w[v] = nat_load(weights[v / NAT_BLOCK_VECTORS] + offset +
                        v % NAT_BLOCK_VECTORS * NAT_LANES);
    NAT_UNROLL
    for (int p = 0; p < n_pixels; p++) {
        nat_vector x = nat_splat(in[p][i]);
        NAT_UNROLL
        for (int v = 0; v < n_blocks * NAT_BLOCK_VECTORS; v++)
            sums[p][v] = nat_madd(sums[p][v], w[v], x);
    }
}

/* Brings the next line of the weights ahead into the second cache. */
NAT_INLINE const float *nat_look_ahead(const float *ahead, const float *end)
{
    if (ahead >= end)
        return ahead;
    __builtin_prefetch(ahead, 0, 2);
    return ahead + TESS_PACKED_BLOCK;
}

NAT_INLINE void nat_advance(const float **weights, int n_blocks, ptrdiff_t n)
{
    NAT_UNROLL
    for (int b = 0; b < n_blocks; b++) {
        weights[b] += n * TESS_PACKED_BLOCK;
        /* A register of its own for each: compilers count offsets from one instead, and
         * run out of registers for these. */
        __asm__("" : "+r"(weights[b]));
    }
}

NAT_INLINE void nat_dense(const struct tess_nat_tile *tile, int n_pixels, int n_blocks)
{
    nat_vector sums[TESS_NAT_MAX_PIXELS][NAT_MAX_VECTORS];
    const struct tess_nat_tile here = *tile; /* stores cannot change it */
    const float *weights[TESS_NAT_MAX_BLOCKS], *ahead = here.ahead;
    nat_begin(&here, n_pixels, n_blocks * NAT_BLOCK_VECTORS, sums);
    NAT_UNROLL
    for (int b = 0; b < n_blocks; b++)
        weights[b] = here.weights + (size_t)b * here.block_elems;
    for (int r = 0; r < here.n_runs; r++) {
        const float *in[TESS_NAT_MAX_PIXELS];
        NAT_UNROLL
        for (int p = 0; p < n_pixels; p++)
            in[p] = here.pixels[r * n_pixels + p];
        const ptrdiff_t n = here.run_elems[r];
        ptrdiff_t i = 0;
        for (; i + NAT_UNROLLED <= n; i += NAT_UNROLLED) {
            ahead = nat_look_ahead(ahead, here.ahead_end);
            NAT_UNROLL
            for (int u = 0; u < NAT_UNROLLED; u++)
                nat_step(n_pixels, n_blocks, sums, weights, u * TESS_PACKED_BLOCK, in,
                         i + u);
            nat_advance(weights, n_blocks, NAT_UNROLLED);
        }
        for (; i < n; i++) {
            nat_step(n_pixels, n_blocks, sums, weights, 0, in, i);
            nat_advance(weights, n_blocks, 1);
        }
    }
    nat_finish(&here, n_pixels, n_blocks * NAT_BLOCK_VECTORS, sums);
}

NAT_INLINE void nat_depthwise(const struct tess_nat_tile *tile, int n_pixels)
{
    nat_vector sums[TESS_NAT_MAX_PIXELS][NAT_MAX_VECTORS];
    const float *weights = tile->weights;
    nat_begin(tile, n_pixels, NAT_BLOCK_VECTORS, sums);
    for (int r = 0; r < tile->n_runs; r++, weights += TESS_PACKED_BLOCK) {
        NAT_UNROLL
        for (int p = 0; p < n_pixels; p++) {
            const float *in = tile->pixels[r * n_pixels + p];
            NAT_UNROLL
            for (int v = 0; v < NAT_BLOCK_VECTORS; v++)
                sums[p][v] = nat_madd(sums[p][v], nat_load(weights + v * NAT_LANES),
                                      nat_load(in + v * NAT_LANES));
        }
    }
    nat_finish(tile, n_pixels, NAT_BLOCK_VECTORS, sums);
}

/* Instances: functions dense_PxB and depthwise_P. */
#define NAT_DENSE(P, B)                                                                  \
    static void dense_##P##x##B(const struct tess_nat_tile *tile)                        \
    {                                                                                    \
        nat_dense(tile, P, B);                                                           \
    }
#define NAT_DEPTHWISE(P)                                                                 \
    static void depthwise_##P(const struct tess_nat_tile *tile)                          \
    {                                                                                    \
        nat_depthwise(tile, P);                                                          \
    }

#endif
