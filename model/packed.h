/* The packed form of weights: the same bytes on every machine, in the order in which kernels of
 * the `nat` family read them, so that a slice of filters is one sequential read and needs no
 * further preparation.
 *
 * Filters come in blocks of TESS_PACKED_BLOCK. A block never spans channel groups: each group's
 * last block is filled up with zero filters. Batch normalisation is folded. One block is
 *     bias    [16]                      float32, little-endian
 *     kernel  [kernel_h][kernel_w][C/groups][16]
 * and a depthwise convolution's blocks hold 16 neighbouring channels (groups) each:
 *     bias    [16]
 *     kernel  [kernel_h][kernel_w][16]
 * All blocks of an op have one size, a multiple of 64 bytes.
 *
 * Does not know files (model/compiled.h) and kernels (executor/kernel_nat.c).
 */
#ifndef TESS_MODEL_PACKED_H
#define TESS_MODEL_PACKED_H

#include <stdint.h>

#include "base/error.h"
#include "model/graph.h"

enum { TESS_PACKED_BLOCK = 16 };

/* Blocks of an op with weights, and bytes of each. */
int tess_packed_n_blocks(const struct tess_graph *graph, int op);
int64_t tess_packed_block_bytes(const struct tess_graph *graph, int op);

/* Filters (output channels) [*begin_out, *end_out) that block `block` computes. */
void tess_packed_block_filters(const struct tess_graph *graph, int op, int block,
                               int *begin_out, int *end_out);

/* The block that computes output channel `filter`. */
int tess_packed_block_of(const struct tess_graph *graph, int op, int filter);

/* Packs the filters of one block. kernel: [n][kernel_h][kernel_w][C/groups] and bias: [n], n
 * being the filters of the block, as tess_weights_read gives them. packed_out:
 * tess_packed_block_bytes, aligned to 64. */
void tess_packed_fill(const struct tess_graph *graph, int op, int block,
                      const float *kernel, const float *bias, void *packed_out);

/* The same from kernels [n][C/groups][kernel_h][kernel_w], as tess_weights_read_stored gives
 * them. */
void tess_packed_fill_stored(const struct tess_graph *graph, int op, int block,
                             const float *kernel, const float *bias, void *packed_out);

#endif
