/* Kernel facts: what a kernel family needs of memory, as plain numbers that travel with a plan.
 *
 * The family measures them once per start (executor/kernel.h); the planner, the lowering and
 * the verifier only use the functions below, so that they never meet a kernel. Speeds are not
 * here: ask plan/profile.h.
 */
#ifndef TESS_PLAN_FACTS_H
#define TESS_PLAN_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/graph.h"

/* All numbers are int64_t so that one table can name, print and parse them. */
struct tess_kernel_facts {
    char family[16];
    int64_t align_bytes;    /* every buffer starts at a multiple of this */
    int64_t tail_bytes;     /* readable bytes that must follow the last element of a buffer */
    int64_t filter_block;   /* packed filters are padded to a multiple; 0: not packed at all */
    int64_t channel_block;  /* packed input channels are padded to a multiple */
    int64_t pixel_block;    /* pointer tables are padded to a multiple of this many pixels */
    int64_t filter_slice;   /* filters per packed slice, the last one may have fewer */
    int64_t call_pixels;    /* output pixels per inner call at most, but at least one row */
    int64_t depthwise_block;      /* depthwise: packed channels are padded to a multiple */
    int64_t pack_tail_bytes;      /* bytes that follow each packed slice */
    int64_t pointer_bytes;        /* bytes of pointer table per tap and output pixel */
    int64_t slice_overhead_bytes; /* heap bookkeeping per packed slice, besides its zero row */
    int64_t kernel_overhead_bytes;/* heap bookkeeping per kernel */
    int64_t base_bytes;     /* resident memory of a process that has started the family and
                               holds neither weights nor arena: code, libraries, stacks */
    int64_t thread_bytes;   /* resident memory that each further thread adds */
};

/* The numbers by name, in the order in which they are written to plans. */
struct tess_fact_field {
    const char *name;
    int64_t *value; /* borrowed from the facts given */
};
enum { TESS_FACTS_N_FIELDS = 14 };
void tess_facts_fields(struct tess_kernel_facts *facts,
                       struct tess_fact_field fields_out[TESS_FACTS_N_FIELDS]);

/* The largest output window of an op that a plan asks for. */
struct tess_call_shape {
    int n_rows, n_cols;
};

/* How a kernel wants its input. */
struct tess_kernel_caps {
    bool needs_dense_rows; /* row_stride must be n_cols * pixel_stride, input and output */
    bool can_pad_rows;     /* supplies padding above and below the map itself */
    bool can_pad_cols;     /* supplies padding left and right itself, in calls of full width */
};
struct tess_kernel_caps tess_facts_caps(const struct tess_kernel_facts *facts,
                                        const struct tess_graph *graph, int op,
                                        struct tess_call_shape largest);

/* Bytes a kernel holds for its weights once packed, all of its slices; 0 without weights. */
int64_t tess_facts_weights_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op);

/* Bytes a kernel holds besides, for calls of at most `largest`: pointer tables, zero rows,
 * bookkeeping. */
int64_t tess_facts_workspace_bytes(const struct tess_kernel_facts *facts,
                                   const struct tess_graph *graph, int op,
                                   struct tess_call_shape largest);

/* Least scratch that making the kernel needs, for unpacking one slice of weights. */
int64_t tess_facts_scratch_bytes(const struct tess_kernel_facts *facts,
                                 const struct tess_graph *graph, int op);

#endif
