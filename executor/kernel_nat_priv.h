/* The parts of family `nat`, for files kernel_nat*.c only.
 *
 * An instruction set is a table of inner kernels (struct tess_nat_isa), all compiled from
 * kernel_nat_tile_priv.h. kernel_nat_conv.c cuts a call into their tiles, kernel_nat.c
 * chooses the set.
 */
#ifndef TESS_EXECUTOR_KERNEL_NAT_PRIV_H
#define TESS_EXECUTOR_KERNEL_NAT_PRIV_H

#include "executor/kernel_priv.h"
#include "model/packed.h"

enum {
    TESS_NAT_MAX_PIXELS = 16, /* of a tile */
    TESS_NAT_MAX_BLOCKS = 4,  /* blocks of filters of a tile */
    TESS_NAT_MAX_SIZES = 6    /* inner kernels for one number of blocks */
};

/* Some output pixels times some blocks of filters, and a part of the chain that leads to
 * each element: runs of input floats that lie side by side. Serially, for each pixel p
 * and filter lane l of block b:
 *     sum = bias ? bias[b * block_elems + l] : out[p][16 b + l]
 *     for run r, for i < run_elems[r], w the next weights of 16 lanes:
 *         sum = w[b * block_elems + l] * pixels[r * n_pixels + p][i] + sum
 *     out[p][16 b + l] = activation(sum)
 * and for depthwise convolutions, which have one block and one weight per run:
 *         sum = w[l] * pixels[r * n_pixels + p][l] + sum
 */
struct tess_nat_tile {
    int n_runs;
    const float *const *pixels; /* [n_runs][n_pixels] */
    const int *run_elems;       /* [n_runs] */
    const float *weights;
    const float *bias;  /* NULL: goes on from what `out` holds */
    size_t block_elems; /* between the weights, and the biases, of two blocks */
    float *const *out;  /* [n_pixels] */
    const float *ahead, *ahead_end;  /* weights that may be fetched on the way */
    enum tess_activation activation; /* linear, leaky, relu, relu6 */
};

struct tess_nat_kernel {
    int n_pixels;
    void (*run)(const struct tess_nat_tile *tile);
};

/* Inner kernels that differ in pixels only, more pixels first; the last has one. */
struct tess_nat_sizes {
    int n;
    struct tess_nat_kernel kernels[TESS_NAT_MAX_SIZES];
};

struct tess_nat_isa {
    const char *name;
    int n_blocks;   /* at most at once */
    int pass_elems; /* weights per filter of a pass at most, whole taps */
    struct tess_nat_sizes dense[TESS_NAT_MAX_BLOCKS]; /* [blocks - 1] */
    struct tess_nat_sizes depthwise;
};

extern const struct tess_nat_isa tess_nat_generic; /* vectors of 4 lanes */
#if defined(__x86_64__)
extern const struct tess_nat_isa tess_nat_avx2;
extern const struct tess_nat_isa tess_nat_avx512;
#endif

/* New kernel of an op with weights. */
enum tess_status tess_nat_conv_create(const struct tess_kernel_request *request,
                                      const struct tess_nat_isa *isa,
                                      struct tess_kernel **kernel_out,
                                      struct tess_error *error);

/* Bytes of kernel_overhead_bytes that it uses. */
int64_t tess_nat_conv_bytes(void);

#endif
