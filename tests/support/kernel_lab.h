/* One op with random weights and input, to be run by any kernel family on any window. */
#ifndef TESS_TESTS_KERNEL_LAB_H
#define TESS_TESTS_KERNEL_LAB_H

#include "base/rng.h"
#include "executor/kernel.h"

struct kernel_lab {
    struct tess_graph *graph;
    int op;
    float *kernel,
        *bias;     /* of the op, as tess_weights_read gives them; NULL without weights */
    float *in[2];  /* [H,W,C] of the op's inputs, NULL if it has fewer */
    int64_t n_out; /* elements of the output */
    struct tess_filter_source source; /* reads `kernel` and `bias` */
    int64_t n_kernel_reads;           /* calls of source.read that may still succeed */
};

/* Takes `graph`. Values are in [-1, 1); weights such that results stay near that. */
void kernel_lab_init(struct kernel_lab *lab, struct tess_graph *graph, int op,
                     struct tess_rng *rng);
void kernel_lab_release(struct kernel_lab *lab);

/* A kernel as a plan would have it. */
struct lab_run {
    const struct tess_kernel_family *family;
    bool pads_rows, pads_cols;
    struct tess_call_shape largest;
    struct tess_filter_range filters; /* 0, 0 for all */
    int in_extra, out_extra; /* channels by which pixel strides exceed the tensors' */
    int row_extra; /* floats between rows, of families that need no dense ones */
    bool without_weights;
    const void *packed; /* of each call, like the blocks */
    int first_block, n_blocks;
    struct pthreadpool *pool;
};

/* Options for kernels that may compute the whole output at once. */
struct lab_run lab_run_whole(const struct kernel_lab *lab,
                             const struct tess_kernel_family *family);

struct tess_kernel *kernel_lab_create(struct kernel_lab *lab, const struct lab_run *run);

/* Half-open rows and columns of the output. */
struct lab_window {
    int row_begin, row_end, col_begin, col_end;
};
struct lab_window lab_window_whole(const struct kernel_lab *lab);

/* Computes a window into its place of `whole_out`, an [H,W,C] of all output channels.
 * Planes are gathered as the run says, in memory of their own, with guard values around.
 */
void kernel_lab_compute(struct kernel_lab *lab, struct tess_kernel *kernel,
                        const struct lab_run *run, struct lab_window window,
                        float *whole_out);

/* New output of a whole op in one call. */
float *kernel_lab_whole(struct kernel_lab *lab, const struct tess_kernel_family *family);

/* A random convolution: dense, grouped or depthwise, strided, dilated, padded, with an
 * output that may leave columns unused or ask for more padding on one side. `size` bounds
 * sides and channels. */
struct tess_graph *kernel_lab_random_conv(struct tess_rng *rng, int size);

/* TESS_TEST_SEED, or `seed`; printed. */
uint64_t kernel_lab_seed(uint64_t seed);

#endif
