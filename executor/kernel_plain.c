#include "executor/kernel_priv.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"
#include "executor/process_memory.h"

/* TUNING: waking the pool costs a few microseconds, in which one core moves about this
 * many elements (2 cores, AVX-512, 2026-02). */
static const int64_t serial_elems = 16 * 1024;

/* TUNING: what a worker of pthreadpool adds to the resident memory (stack, thread-local
 * data): 8 to 16 KiB measured on x86-64 with pages of 4 KiB, 2026-02; larger pages round
 * up. */
static const int64_t thread_resident_bytes = 32 * 1024;

void tess_for_rows(struct pthreadpool *pool, int n_rows, int64_t row_elems,
                   pthreadpool_task_1d_t run, void *context)
{
    assert(n_rows >= 0 && row_elems >= 0);
    if (n_rows * row_elems < serial_elems)
        pool = NULL;
    pthreadpool_parallelize_1d(pool, run, context, (size_t)n_rows, 0);
}

static int64_t block_bytes(const struct tess_kernel_request *request,
                           struct tess_filter_range filters)
{
    const struct tess_kernel_options *options = request->options;
    struct tess_call_shape largest = {options->max_out_rows, options->max_out_cols};
    if (options->without_weights)
        return tess_facts_bare_bytes(request->facts);
    int64_t bytes = tess_facts_weights_bytes_of(request->facts, request->graph,
                                                request->op, filters) +
                    tess_facts_workspace_bytes_of(request->facts, request->graph,
                                                  request->op, filters, largest);
    return tess_round_up(bytes, TESS_FACTS_BLOCK_ALIGN);
}

enum tess_status tess_kernel_init(const struct tess_kernel_request *request, size_t bytes,
                                  struct tess_kernel **kernel_out,
                                  struct tess_error *error)
{
    const struct tess_op *op = &request->graph->ops[request->op];
    const struct tess_kernel_options *options = request->options;
    struct tess_filter_range filters = options->filters;
    assert(bytes >= sizeof(struct tess_kernel));
    if (filters.end == 0)
        filters.end = request->graph->tensors[op->output].c;
    assert(0 <= filters.begin && filters.begin < filters.end &&
           filters.end <= request->graph->tensors[op->output].c);
    struct tess_pen pen;
    enum tess_status status =
        tess_pen_init(&pen, request->heap, options->memory, options->memory_bytes,
                      block_bytes(request, filters), error);
    if (status)
        return status;
    struct tess_kernel *kernel = tess_pen_take(&pen, (int64_t)bytes);
    assert(kernel); /* kernel_overhead_bytes covers it */
    memset(kernel, 0, bytes);
    kernel->graph = request->graph;
    kernel->op = op;
    kernel->filters = filters;
    kernel->pen = pen;
    *kernel_out = kernel;
    return TESS_OK;
}

void tess_kernel_release(struct tess_kernel *kernel)
{
    if (!kernel)
        return;
    if (kernel->undo)
        kernel->undo(kernel);
    struct tess_pen pen = kernel->pen; /* the kernel lies inside its own block */
    tess_pen_release(&pen);
}

int64_t tess_plain_overhead_bytes(void)
{
    return TESS_FACTS_BLOCK_ALIGN * 4;
}

void tess_plain_measure_process(struct tess_kernel_facts *facts)
{
    facts->base_bytes = tess_process_resident_bytes();
    facts->thread_bytes = thread_resident_bytes;
}

static void run_op(const struct tess_kernel *kernel, const struct tess_kernel_call *call,
                   struct pthreadpool *pool)
{
    switch (kernel->op->kind) {
    case TESS_OP_MAXPOOL: tess_plain_maxpool(kernel, call, pool); return;
    case TESS_OP_AVGPOOL: tess_plain_avgpool(kernel, call, pool); return;
    case TESS_OP_ADD: tess_plain_add(kernel, call, pool); return;
    case TESS_OP_UPSAMPLE: tess_plain_upsample(kernel, call, pool); return;
    case TESS_OP_REORG: tess_plain_reorg(kernel, call, pool); return;
    case TESS_OP_SOFTMAX: tess_plain_softmax(kernel, call, pool); return;
    case TESS_OP_REGION:
    case TESS_OP_YOLO: tess_plain_head(kernel, call, pool); return;
    case TESS_OP_CROP: tess_plain_crop(kernel, call, pool); return;
    case TESS_OP_CONV:
    case TESS_OP_CONNECTED:
    case TESS_OP_CONCAT:
    case TESS_OP_SLICE: break;
    }
    assert(false && "op without a plain kernel");
}

static enum tess_status plain_run(struct tess_kernel *kernel,
                                  const struct tess_kernel_call *call,
                                  struct pthreadpool *pool, struct tess_error *error)
{
    (void)error;
    assert(call->out.channels == kernel->graph->tensors[kernel->op->output].c);
    run_op(kernel, call, pool);
    return TESS_OK;
}

enum tess_status tess_plain_create(const struct tess_kernel_request *request,
                                   struct tess_kernel **kernel_out,
                                   struct tess_error *error)
{
    const struct tess_op *op = &request->graph->ops[request->op];
    assert(op->kind != TESS_OP_CONCAT && op->kind != TESS_OP_SLICE);
    if (tess_op_has_weights(op))
        return tess_plain_conv_create(request, kernel_out, error);
    struct tess_kernel *kernel;
    enum tess_status status = tess_kernel_init(request, sizeof *kernel, &kernel, error);
    if (status)
        return status;
    kernel->run = plain_run;
    *kernel_out = kernel;
    return TESS_OK;
}
