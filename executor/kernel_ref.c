/* Family `ref`: the plain loops and nothing else. */
#include "executor/kernel_priv.h"

static struct tess_kernel_heap ref_heap;
static struct tess_kernel_facts ref_facts;

static bool ref_has_kernel(const struct tess_graph *graph, int op)
{
    enum tess_op_kind kind = graph->ops[op].kind;
    return kind != TESS_OP_CONCAT && kind != TESS_OP_SLICE;
}

static enum tess_status ref_start(int64_t budget_bytes, struct tess_error *error)
{
    (void)error;
    tess_kernel_heap_start(&ref_heap, budget_bytes);
    ref_facts = (struct tess_kernel_facts){
        .family = "ref",
        .align_bytes = TESS_FACTS_BLOCK_ALIGN,
        .filter_block = TESS_PLAIN_FILTER_BLOCK,
        .channel_block = 1,
        .pixel_block = 1,
        .filter_slice = TESS_PLAIN_FILTER_BLOCK,
        .call_pixels = INT32_MAX,
        .depthwise_block = 1,
        .kernel_overhead_bytes = tess_plain_overhead_bytes(),
    };
    tess_plain_measure_process(&ref_facts);
    return TESS_OK;
}

static void ref_stop(void) {}

static void ref_facts_copy(struct tess_kernel_facts *facts_out)
{
    *facts_out = ref_facts;
}

static int64_t ref_heap_bytes(void)
{
    return atomic_load(&ref_heap.now_bytes);
}

static int64_t ref_heap_peak_bytes(void)
{
    return atomic_load(&ref_heap.peak_bytes);
}

static enum tess_status ref_create(const struct tess_graph *graph, int op,
                                   const struct tess_filter_source *filters,
                                   const struct tess_kernel_options *options,
                                   struct pthreadpool *pool,
                                   struct tess_kernel **kernel_out,
                                   struct tess_error *error)
{
    (void)pool;
    struct tess_kernel_request request = {graph,   op,         filters,
                                          options, &ref_facts, &ref_heap};
    return tess_plain_create(&request, kernel_out, error);
}

static enum tess_status ref_run(struct tess_kernel *kernel,
                                const struct tess_kernel_call *call,
                                struct pthreadpool *pool, struct tess_error *error)
{
    return kernel->run(kernel, call, pool, error);
}

const struct tess_kernel_family tess_kernel_ref = {
    .name = "ref",
    .description = "plain loops: slow, portable, the oracle",
    .has_kernel = ref_has_kernel,
    .start = ref_start,
    .stop = ref_stop,
    .facts = ref_facts_copy,
    .heap_bytes = ref_heap_bytes,
    .heap_peak_bytes = ref_heap_peak_bytes,
    .create = ref_create,
    .destroy = tess_kernel_release,
    .run = ref_run,
};
