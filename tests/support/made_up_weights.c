#include "tests/support/made_up_weights.h"

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "model/packed.h"

static enum tess_status read_filters(void *context, int op, int begin, int end,
                                     float *kernel, float *bias, struct tess_error *error)
{
    const struct tess_made_up_weights *from = context;
    const struct tess_graph *graph = from->graph;
    int origin = from->origins ? from->origins[op] : op;
    int64_t n_per_filter = tess_op_n_kernel(graph, &graph->ops[op]) /
                           graph->tensors[graph->ops[op].output].c;
    float scale = 3.0f / sqrtf((float)n_per_filter);
    (void)error;
    for (int filter = begin; filter < end; filter++) {
        struct tess_rng rng;
        tess_rng_init(&rng, (uint64_t)origin * 100000 + (uint64_t)filter);
        bias[filter - begin] = tess_rng_float(&rng) - 0.5f;
        for (int64_t i = 0; i < n_per_filter; i++)
            kernel[(filter - begin) * n_per_filter + i] =
                scale * (tess_rng_float(&rng) - 0.5f);
    }
    return TESS_OK;
}

static enum tess_status read_blocks(void *context, int op, int first_block, int n_blocks,
                                    void *packed_out, struct tess_error *error)
{
    struct tess_made_up_weights *from = context;
    int64_t block_bytes = tess_packed_block_bytes(from->graph, op);
    from->n_reads++;
    if (from->n_until_failure > 0 && --from->n_until_failure == 0)
        return tess_error_set(error, TESS_E_MODEL, "the weights of op %d are damaged",
                              op);
    if (from->n_read)
        from->n_read[op] += n_blocks;
    float *kernel = malloc((size_t)block_bytes), bias[TESS_PACKED_BLOCK];
    if (!kernel)
        return tess_error_nomem(error);
    for (int i = 0; i < n_blocks; i++) {
        int begin, end;
        tess_packed_block_filters(from->graph, op, first_block + i, &begin, &end);
        read_filters(context, op, begin, end, kernel, bias, NULL);
        tess_packed_fill(from->graph, op, first_block + i, kernel, bias,
                         (char *)packed_out + i * block_bytes);
    }
    free(kernel);
    return TESS_OK;
}

struct tess_filter_source tess_made_up_filters(struct tess_made_up_weights *from)
{
    return (struct tess_filter_source){read_filters, from};
}

struct tess_packed_source tess_made_up_blocks(struct tess_made_up_weights *from)
{
    return (struct tess_packed_source){read_blocks, from};
}
