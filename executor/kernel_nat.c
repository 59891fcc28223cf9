/* Family `nat`: our own convolution and connected, everything else by the plain loops.
 *
 * The instruction set is the best that the processor has. TESS_NAT_ISA=generic|avx2|avx512
 * in the environment asks for a certain one: for tests and benchmarks.
 */
#include "executor/kernel_nat_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* Best first. */
static const struct tess_nat_isa *const isas[] = {
#if defined(__x86_64__)
    &tess_nat_avx512,
    &tess_nat_avx2,
#endif
    &tess_nat_generic,
};
enum { N_ISAS = sizeof isas / sizeof isas[0] };

static struct tess_kernel_heap nat_heap;
static struct tess_kernel_facts nat_facts;
static const struct tess_nat_isa *nat_isa; /* NULL while not started */

static bool is_usable(const struct tess_nat_isa *isa)
{
#if defined(__x86_64__)
    if (isa == &tess_nat_avx512)
        return __builtin_cpu_supports("avx512f") != 0;
    if (isa == &tess_nat_avx2)
        return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
#endif
    return isa == &tess_nat_generic;
}

/* NULL if `name`, unless empty, is not the name of a usable one. */
static const struct tess_nat_isa *choose_isa(const char *name)
{
    for (int i = 0; i < N_ISAS; i++) {
        bool is_asked = !name || !name[0] || strcmp(name, isas[i]->name) == 0;
        if (is_asked && is_usable(isas[i]))
            return isas[i];
    }
    return NULL;
}

static bool nat_has_kernel(const struct tess_graph *graph, int op)
{
    return tess_kernel_ref.has_kernel(graph, op);
}

static enum tess_status nat_start(int64_t budget_bytes, struct tess_error *error)
{
    assert(!nat_isa);
    const char *asked = getenv("TESS_NAT_ISA");
    const struct tess_nat_isa *isa = choose_isa(asked);
    if (!isa) {
        tess_error_set(error, TESS_E_USAGE,
                       "TESS_NAT_ISA=%s: this processor has no such instruction set",
                       asked);
        tess_error_hint(error, "use generic, avx2 or avx512, or leave it unset");
        return TESS_E_USAGE;
    }
    tess_kernel_heap_start(&nat_heap, budget_bytes);
    nat_facts = (struct tess_kernel_facts){
        .family = "nat",
        .align_bytes = TESS_FACTS_BLOCK_ALIGN,
        .filter_block = TESS_PACKED_BLOCK,
        .channel_block = 1,
        .pixel_block = 1,
        .filter_slice = TESS_PACKED_BLOCK,
        .call_pixels = INT32_MAX,
        .depthwise_block = TESS_PACKED_BLOCK,
        .has_packed_weights = 1,
        .kernel_overhead_bytes =
            tess_max_i64(tess_nat_conv_bytes(), tess_plain_overhead_bytes()),
    };
    tess_plain_measure_process(&nat_facts);
    nat_isa = isa;
    return TESS_OK;
}

static void nat_stop(void)
{
    nat_isa = NULL;
}

static void nat_facts_copy(struct tess_kernel_facts *facts_out)
{
    assert(nat_isa);
    *facts_out = nat_facts;
}

static int64_t nat_heap_bytes(void)
{
    return atomic_load(&nat_heap.now_bytes);
}

static int64_t nat_heap_peak_bytes(void)
{
    return atomic_load(&nat_heap.peak_bytes);
}

static enum tess_status nat_create(const struct tess_graph *graph, int op,
                                   const struct tess_filter_source *filters,
                                   const struct tess_kernel_options *options,
                                   struct pthreadpool *pool,
                                   struct tess_kernel **kernel_out,
                                   struct tess_error *error)
{
    (void)pool;
    assert(nat_isa);
    struct tess_kernel_request request = {graph,   op,         filters,
                                          options, &nat_facts, &nat_heap};
    if (tess_facts_is_plain(&nat_facts, graph, op))
        return tess_plain_create(&request, kernel_out, error);
    return tess_nat_conv_create(&request, nat_isa, kernel_out, error);
}

static enum tess_status nat_run(struct tess_kernel *kernel,
                                const struct tess_kernel_call *call,
                                struct pthreadpool *pool, struct tess_error *error)
{
    return kernel->run(kernel, call, pool, error);
}

const struct tess_kernel_family tess_kernel_nat = {
    .name = "nat",
    .description = "our own convolutions on packed weights",
    .uses_packed = true,
    .has_kernel = nat_has_kernel,
    .start = nat_start,
    .stop = nat_stop,
    .facts = nat_facts_copy,
    .heap_bytes = nat_heap_bytes,
    .heap_peak_bytes = nat_heap_peak_bytes,
    .create = nat_create,
    .destroy = tess_kernel_release,
    .run = nat_run,
};
