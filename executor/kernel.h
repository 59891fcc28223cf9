/* What every kernel family implements: one op, any part of its output.
 *
 * A kernel is made once per op and then run on windows of its output. It knows nothing
 * about tiles, schedules or arenas; it takes planes of memory with the map position of
 * their first pixel and computes exactly the output plane it is given. Concat and slice
 * have no kernels: they are views or copies, which the plan decides and the executor
 * does.
 *
 * Bit-identity law: the value of an output element depends only on the op's weights and
 * on the input elements under its window (padding included), never on the shape or
 * position of the window that is asked for, nor on the number of threads.
 */
#ifndef TESS_EXECUTOR_KERNEL_H
#define TESS_EXECUTOR_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/graph.h"
#include "plan/facts.h"

/* A window of a tensor in memory: rows x cols pixels of `channels` floats. Pixel (y, x)
 * of the map lies at data + (y - row) * row_stride + (x - col) * pixel_stride, in floats,
 * for y in [row, row + n_rows) and x in [col, col + n_cols). `row` and `col` may be
 * negative where the memory carries physical padding. The strides are at least what dense
 * storage takes, except that pixel_stride alone may exceed `channels`: a plane may be
 * some channels of a wider one. */
struct tess_plane {
    float *data;
    int row, col;
    int n_rows, n_cols;
    int channels;
    size_t row_stride, pixel_stride;
};

/* One call. `out` lies inside the map. A kernel reads what its window map says from `in`;
 * positions outside `in[i]` but also outside the map are padding that the kernel supplies
 * itself; positions inside the map are always inside `in[i]`. Which padding may be left
 * to a kernel, and when planes must be dense, is in the facts (plan/facts.h:
 * tess_kernel_caps).
 *
 * The planes may not overlap, except that add, softmax and the heads work in place: out
 * may be in[0], the same plane exactly; and a convolution that accumulates
 * (tess_op_accumulates) may have its sum so far, in[1], where out is. A kernel made for
 * some filters only (tess_kernel_options) has as many output channels, and out.data is the
 * first of them.
 *
 * Families that use packed weights (tess_kernel_family) also compute a part of the
 * filters: those of `n_blocks` blocks of model/packed.h from the op's block `first_block`
 * on; the other channels of out (and in[1]) are left alone. `packed` holds these blocks, one after
 * the other and aligned to 64 bytes; NULL stands for the weights that the kernel was made
 * with. Other families ignore these three.
 */
struct tess_kernel_call {
    struct tess_plane in[2];
    struct tess_plane out;
    const void *packed;
    int first_block, n_blocks; /* both 0: all that the kernel computes */
};

struct pthreadpool; /* the worker threads, NULL for none */

/* Reads filters [begin, end) of the op a kernel is being made for: kernel
 * [n][kh][kw][cin/groups] and bias [n], as tess_weights_read does. */
struct tess_filter_source {
    enum tess_status (*read)(void *context, int op, int begin, int end, float *kernel,
                             float *bias, struct tess_error *error);
    void *context;
};

struct tess_kernel_options {
    bool pads_rows; /* the kernel supplies rows of padding above and below the map */
    bool pads_cols; /* the kernel supplies columns of padding left and right of the map */
    int max_out_rows; /* the largest output window that will be asked for */
    int max_out_cols;
    float *scratch;        /* memory for unpacking weights, only during create */
    int64_t scratch_bytes; /* at least what the facts ask for */
    int input_pixel_stride, output_pixel_stride; /* floats, of every call to come */
    /* Conv, connected: the filters to compute, both 0 for all of them. In a grouped op
     * the range begins and ends at a group. */
    struct tess_filter_range filters;
    /* Families that use packed weights: make the kernel without them. Its memory is then
     * tess_facts_bare_bytes, `filters` and scratch may be NULL, and every call brings
     * weights. */
    bool without_weights;
    /* Where the kernel lives until it is destroyed: weights_bytes + workspace_bytes of
     * the facts, aligned to align_bytes, borrowed. NULL: on the family's own heap. */
    void *memory;
    int64_t memory_bytes;
};

struct tess_kernel; /* belongs to its family */

struct tess_kernel_family {
    const char *name;
    const char *description;
    bool uses_packed; /* takes the weights of a call in the form of model/packed.h */

    /* Is the family usable on this machine and for this op? */
    bool (*has_kernel)(const struct tess_graph *graph, int op);

    /* Process-wide preparation and its undoing. `budget_bytes` caps what the family's
     * library may hold on its own heap, <= 0 for no cap. */
    enum tess_status (*start)(int64_t budget_bytes, struct tess_error *error);
    void (*stop)(void);

    /* What kernels of this family need; after start. See plan/facts.h. */
    void (*facts)(struct tess_kernel_facts *facts_out);

    /* Bytes on the family's own heap now and at most since start. */
    int64_t (*heap_bytes)(void);
    int64_t (*heap_peak_bytes)(void);

    /* Makes the kernel of `op`. `filters` and `options` are used only during the call,
     * `graph` until destroy. TESS_E_BUDGET if the cap or the memory given is too small,
     * TESS_E_NOMEM, or what `filters` returns. */
    enum tess_status (*create)(const struct tess_graph *graph, int op,
                               const struct tess_filter_source *filters,
                               const struct tess_kernel_options *options,
                               struct pthreadpool *pool, struct tess_kernel **kernel_out,
                               struct tess_error *error);
    void (*destroy)(struct tess_kernel *kernel); /* accepts NULL */

    /* Computes call->out. Allocates nothing. `pool` NULL computes on the calling thread;
     * the result is the same. One call at a time per kernel. TESS_E_INTERNAL,
     * TESS_E_BUDGET. */
    enum tess_status (*run)(struct tess_kernel *kernel,
                            const struct tess_kernel_call *call, struct pthreadpool *pool,
                            struct tess_error *error);
};

/* Plain loops, every op: the oracle. */
extern const struct tess_kernel_family tess_kernel_ref;
/* XNNPACK: convolution and connected; the other ops are the plain ones of `ref`. */
extern const struct tess_kernel_family tess_kernel_xnn;

/* Our own convolutions, which read portable packed weights where they lie; the other ops
 * are the plain ones of `ref`. */
extern const struct tess_kernel_family tess_kernel_nat;

/* The family called `name` ("ref", "xnn", "nat"; "auto" is the default one), or NULL. */
const struct tess_kernel_family *tess_kernel_family_find(const char *name);

#endif
