/* What the kernel families share: the kernel object, and the plain loops that do every
 * op.
 *
 * For files kernel_*.c only; everyone else goes through executor/kernel.h.
 */
#ifndef TESS_EXECUTOR_KERNEL_PRIV_H
#define TESS_EXECUTOR_KERNEL_PRIV_H

#include <pthreadpool.h>

#include "executor/kernel.h"
#include "executor/kernel_heap.h"

/* What create gets, in one parameter. */
struct tess_kernel_request {
    const struct tess_graph *graph;
    int op;
    const struct tess_filter_source *filters;
    const struct tess_kernel_options *options;
    const struct tess_kernel_facts *facts;
    struct tess_kernel_heap *heap;
};

/* The first member of every kernel; the kernel itself is the first piece of its block. */
struct tess_kernel {
    const struct tess_graph *graph;
    const struct tess_op *op;
    struct tess_filter_range
        filters; /* {0, C of the output} for ops without weights, too */
    enum tess_status (*run)(struct tess_kernel *kernel,
                            const struct tess_kernel_call *call, struct pthreadpool *pool,
                            struct tess_error *error);
    void (*undo)(
        struct tess_kernel *kernel); /* before the block goes; NULL: nothing to do */
    struct tess_pen pen;
};

/* New kernel object of `bytes` (at least a struct tess_kernel, cleared) at the front of a
 * block as large as the facts say for the request. */
enum tess_status tess_kernel_init(const struct tess_kernel_request *request, size_t bytes,
                                  struct tess_kernel **kernel_out,
                                  struct tess_error *error);
void tess_kernel_release(struct tess_kernel *kernel); /* accepts NULL */

/* New plain kernel of any op except concat and slice. */
enum tess_status tess_plain_create(const struct tess_kernel_request *request,
                                   struct tess_kernel **kernel_out,
                                   struct tess_error *error);

/* The same for an op with weights: its loops and their packed weights. */
enum tess_status tess_plain_conv_create(const struct tess_kernel_request *request,
                                        struct tess_kernel **kernel_out,
                                        struct tess_error *error);

/* Bytes of kernel_overhead_bytes that plain kernels use. */
int64_t tess_plain_overhead_bytes(void);

/* Sets base_bytes and thread_bytes from this process as it is now. */
void tess_plain_measure_process(struct tess_kernel_facts *facts);

/* One op without weights on one call; whole rows are spread over the pool. */
void tess_plain_maxpool(const struct tess_kernel *kernel,
                        const struct tess_kernel_call *call, struct pthreadpool *pool);
void tess_plain_avgpool(const struct tess_kernel *kernel,
                        const struct tess_kernel_call *call, struct pthreadpool *pool);
void tess_plain_add(const struct tess_kernel *kernel, const struct tess_kernel_call *call,
                    struct pthreadpool *pool);
void tess_plain_upsample(const struct tess_kernel *kernel,
                         const struct tess_kernel_call *call, struct pthreadpool *pool);
void tess_plain_crop(const struct tess_kernel *kernel,
                     const struct tess_kernel_call *call, struct pthreadpool *pool);
void tess_plain_reorg(const struct tess_kernel *kernel,
                      const struct tess_kernel_call *call, struct pthreadpool *pool);
void tess_plain_softmax(const struct tess_kernel *kernel,
                        const struct tess_kernel_call *call, struct pthreadpool *pool);
void tess_plain_head(const struct tess_kernel *kernel,
                     const struct tess_kernel_call *call, struct pthreadpool *pool);

/* Replaces n floats by their activation. A pure function of each element: the same float
 * gives the same result wherever it stands. */
void tess_activate(enum tess_activation activation, float *values, int64_t n);

/* The same for a whole plane, spread over the pool. */
void tess_activate_plane(enum tess_activation activation, const struct tess_plane *plane,
                         struct pthreadpool *pool);

/* Calls run(context, i) for i in [0, n_rows), on the pool if there is one and the whole
 * work, `row_elems` elements a row, is worth waking it for. */
void tess_for_rows(struct pthreadpool *pool, int n_rows, int64_t row_elems,
                   pthreadpool_task_1d_t run, void *context);

/* Pixel (y, x) of the map in a plane that holds it. */
static inline float *tess_plane_at(const struct tess_plane *plane, int y, int x)
{
    return plane->data + (size_t)(y - plane->row) * plane->row_stride +
           (size_t)(x - plane->col) * plane->pixel_stride;
}

static inline bool tess_plane_has(const struct tess_plane *plane, int y, int x)
{
    return y >= plane->row && y - plane->row < plane->n_rows && x >= plane->col &&
           x - plane->col < plane->n_cols;
}

#endif
