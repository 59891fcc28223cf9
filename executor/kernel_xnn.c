/* Family `xnn`: convolution and connected by XNNPACK, everything else by the plain loops.
 */
#include "executor/kernel_xnn_priv.h"

#include <assert.h>
#include <string.h>
#include <xnnpack.h>

#include "executor/process_memory.h"
#include "executor/xnn_heap.h"

/* The library keeps a copy of this until the process ends. */
static const struct xnn_allocator allocator = {
    .allocate = tess_xnn_allocate,
    .reallocate = tess_xnn_reallocate,
    .deallocate = tess_xnn_deallocate,
    .aligned_allocate = tess_xnn_aligned_allocate,
    .aligned_deallocate = tess_xnn_deallocate,
};
static struct tess_kernel_facts xnn_facts;
static bool is_started;

static bool xnn_has_kernel(const struct tess_graph *graph, int op)
{
    return tess_kernel_ref.has_kernel(graph, op);
}

static enum tess_status xnn_start(int64_t budget_bytes, struct tess_error *error)
{
    assert(!is_started);
    tess_kernel_heap_start(&tess_xnn_heap, budget_bytes);
    if (xnn_initialize(&allocator) != xnn_status_success)
        return tess_error_set(error, TESS_E_INTERNAL,
                              "XNNPACK does not support this processor");
    enum tess_status status = tess_xnn_probe(&xnn_facts, error);
    if (status) {
        xnn_deinitialize();
        return status;
    }
    tess_plain_measure_process(&xnn_facts);
    tess_kernel_heap_start(&tess_xnn_heap, budget_bytes); /* forgets the probes' peak */
    is_started = true;
    return TESS_OK;
}

static void xnn_stop(void)
{
    if (is_started)
        xnn_deinitialize();
    is_started = false;
}

static void xnn_facts_copy(struct tess_kernel_facts *facts_out)
{
    assert(is_started);
    *facts_out = xnn_facts;
}

static int64_t xnn_heap_bytes(void)
{
    return atomic_load(&tess_xnn_heap.now_bytes);
}

static int64_t xnn_heap_peak_bytes(void)
{
    return atomic_load(&tess_xnn_heap.peak_bytes);
}

static enum tess_status xnn_create(const struct tess_graph *graph, int op,
                                   const struct tess_filter_source *filters,
                                   const struct tess_kernel_options *options,
                                   struct pthreadpool *pool,
                                   struct tess_kernel **kernel_out,
                                   struct tess_error *error)
{
    (void)pool;
    assert(is_started);
    struct tess_kernel_request request = {graph,   op,         filters,
                                          options, &xnn_facts, &tess_xnn_heap};
    if (tess_facts_is_plain(&xnn_facts, graph, op))
        return tess_plain_create(&request, kernel_out, error);
    return tess_xnn_conv_create(&request, kernel_out, error);
}

static enum tess_status xnn_run(struct tess_kernel *kernel,
                                const struct tess_kernel_call *call,
                                struct pthreadpool *pool, struct tess_error *error)
{
    return kernel->run(kernel, call, pool, error);
}

const struct tess_kernel_family tess_kernel_xnn = {
    .name = "xnn",
    .description = "XNNPACK",
    .has_kernel = xnn_has_kernel,
    .start = xnn_start,
    .stop = xnn_stop,
    .facts = xnn_facts_copy,
    .heap_bytes = xnn_heap_bytes,
    .heap_peak_bytes = xnn_heap_peak_bytes,
    .create = xnn_create,
    .destroy = tess_kernel_release,
    .run = xnn_run,
};
