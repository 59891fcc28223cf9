/* Kernel facts: what a kernel family needs of memory, as plain numbers that travel with a
 * plan.
 *
 * The family measures them once per start (executor/kernel.h); the planner, the lowering
 * and the verifier only use the functions below, so that they never meet a kernel. Speeds
 * are not here: ask plan/profile.h.
 *
 * A kernel holds one block of exactly weights_bytes + workspace_bytes; nothing else is
 * allocated for it, then or later.
 */
#ifndef TESS_PLAN_FACTS_H
#define TESS_PLAN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/graph.h"

/* All numbers are int64_t so that one table can name, print and parse them. */
struct tess_kernel_facts {
    char family[16];
    int64_t align_bytes; /* every buffer starts at a multiple of this */
    int64_t tail_bytes; /* readable bytes that must follow the last element of a buffer */
    int64_t filter_block;  /* packed filters are padded to a multiple */
    int64_t channel_block; /* packed input channels are padded to a multiple */
    int64_t pixel_block; /* pointer tables are padded to a multiple of this many pixels */
    int64_t filter_slice; /* filters per packed slice at most, whole blocks; the last
                             slice may have up to a block more; 0: packed in one piece */
    int64_t slice_bytes;  /* bytes of a slice at most, but at least one block; 0: any */
    int64_t call_pixels;  /* output pixels per inner call at most, but at least one row */
    int64_t depthwise_block; /* depthwise: packed channels are padded to a multiple */
    int64_t depthwise_taps;  /* bit t set: depthwise kernels of t taps are native */
    int64_t has_odd_pixel; /* 1: calls of a single output pixel use another inner kernel,
                              which rounds differently */
    int64_t pack_tail_bytes;    /* bytes that follow each packed slice, its rounding */
    int64_t pointer_bytes;      /* bytes of pointer table per tap and output pixel; 0: the
                                family needs no tables, every op is `plain` (see below) */
    int64_t has_packed_weights; /* 1: reads weights in the form of model/packed.h, pads
                                   by itself and takes any strides; of the fields above
                                   only the first two matter */
    int64_t slice_overhead_bytes;  /* bookkeeping per packed slice */
    int64_t kernel_overhead_bytes; /* bookkeeping per kernel */
    int64_t base_bytes;   /* resident memory of a process that has started the family and
                             holds neither weights nor arena: code, libraries, stacks */
    int64_t thread_bytes; /* resident memory that each further thread adds */
    int64_t source_bytes; /* memory that reading weights from their file holds */
    int64_t has_unpacked_source; /* 1: weights are packed while they are read, which takes
                                    memory for a block more, and time */
};

/* The numbers by name, in the order in which they are written to plans. */
struct tess_fact_field {
    const char *name;
    int64_t *value; /* borrowed from the facts given */
};
enum { TESS_FACTS_N_FIELDS = 20 };
void tess_facts_fields(struct tess_kernel_facts *facts,
                       struct tess_fact_field fields_out[TESS_FACTS_N_FIELDS]);

/* Base memory is measured in steps of this. Address randomisation makes two starts of one
 * program differ, by at most the spread.
 * TUNING: 200 starts on x86-64 lay within three neighbouring steps of 128 KiB, 2026-11. */
enum {
    TESS_BASE_STEP_BYTES = 64 * 1024,
    TESS_BASE_SPREAD_BYTES = 4 * TESS_BASE_STEP_BYTES
};

/* The largest output window of an op that a plan asks for. */
struct tess_call_shape {
    int n_rows, n_cols;
};

/* How a kernel wants its input.
 *
 * Where it needs dense rows, the columns of the input plane are exactly those under the
 * output window: [stride_w * col - pad_left, + stride_w * (n_cols - 1) + dilation_w *
 * (kernel_w - 1)
 * + 1) and at most stride_w - 1 further ones; columns and rows outside the map are
 * physical zeros, unless the kernel supplies them. */
struct tess_kernel_caps {
    bool
        needs_dense_rows; /* row_stride must be n_cols * pixel_stride, input and output */
    bool can_pad_rows;    /* supplies padding above and below the map itself */
    bool
        can_pad_cols; /* supplies padding left and right itself, in calls of full width */
    bool needs_two_pixels; /* a window of one pixel, unless the map has no more, would not
                              have the bits it has in larger windows: do not ask for it */
};
struct tess_kernel_caps tess_facts_caps(const struct tess_kernel_facts *facts,
                                        const struct tess_graph *graph, int op,
                                        struct tess_call_shape largest);

/* Bytes a kernel holds for its weights once packed, all of its slices; 0 without weights.
 */
int64_t tess_facts_weights_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op);

/* Bytes a kernel holds besides, for calls of at most `largest`: pointer tables, zero
 * rows, bookkeeping. */
int64_t tess_facts_workspace_bytes(const struct tess_kernel_facts *facts,
                                   const struct tess_graph *graph, int op,
                                   struct tess_call_shape largest);

/* All bytes that a kernel made without weights holds, of families with packed weights. */
int64_t tess_facts_bare_bytes(const struct tess_kernel_facts *facts);

/* Least scratch that making the kernel needs, for unpacking one slice of weights. */
int64_t tess_facts_scratch_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op);

/* Filters (output channels) of an op with weights: kernels can be made for a part of
 * them. */
struct tess_filter_range {
    int begin, end; /* half-open */
};

/* The first two and the scratch for a kernel that computes only `filters`. Depthwise
 * convolutions may be cut anywhere, too. */
int64_t tess_facts_weights_bytes_of(const struct tess_kernel_facts *facts,
                                    const struct tess_graph *graph, int op,
                                    struct tess_filter_range filters);
int64_t tess_facts_workspace_bytes_of(const struct tess_kernel_facts *facts,
                                      const struct tess_graph *graph, int op,
                                      struct tess_filter_range filters,
                                      struct tess_call_shape largest);
int64_t tess_facts_scratch_bytes_of(const struct tess_kernel_facts *facts,
                                    const struct tess_graph *graph, int op,
                                    struct tess_filter_range filters);

/* The contract between these sums and the families, of no use to others. ----------------
 */

enum {
    TESS_PLAIN_FILTER_BLOCK =
        16,                      /* filters that the plain convolution computes at once */
    TESS_FACTS_BLOCK_ALIGN = 64, /* the pieces of a kernel's block start at multiples */
    /* Blocks of this size and more are mapped, in whole pages: below it the rounding would
     * cost more than what the C library's heap may keep after a free. */
    TESS_FACTS_MAP_FROM_BYTES = 64 * 1024,
    TESS_FACTS_PAGE_BYTES = 4096
};

/* Is `op` done by the plain loops that all families share, rather than by the family's
 * library? Such ops take any strides and pad everything themselves. */
bool tess_facts_is_plain(const struct tess_kernel_facts *facts,
                         const struct tess_graph *graph, int op);

/* Does the family add up partial convolutions (model/graph_split.h) itself? Others leave those that
 * accumulate to the plain loops: right, but slow. */
bool tess_facts_can_accumulate(const struct tess_kernel_facts *facts);

/* End of the slice of filters that begins at `begin`, packed as one piece: a block of
 * model/packed.h where weights have that form. Grouped ops are not sliced, except so and
 * by the plain loops, whose slices never span groups. */
int tess_facts_slice_end(const struct tess_kernel_facts *facts,
                         const struct tess_graph *graph, int op,
                         struct tess_filter_range filters, int begin);

/* Bytes of pointer table for calls of at most `largest`; 0 where none is needed. */
int64_t tess_facts_table_bytes(const struct tess_kernel_facts *facts,
                               const struct tess_graph *graph, int op,
                               struct tess_call_shape largest);

/* Output rows per inner call on windows `n_cols` wide. */
int tess_facts_call_rows(const struct tess_kernel_facts *facts, int n_cols);

/* Columns of padding to the right of the map that the op's output shape asks for;
 * negative where the last columns of the map are not used. Rows below likewise. */
int tess_facts_pad_right(const struct tess_graph *graph, int op);
int tess_facts_pad_bottom(const struct tess_graph *graph, int op);

#endif
