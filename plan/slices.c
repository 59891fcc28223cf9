#include "plan/slices.h"

#include <assert.h>

#include "base/arith.h"

/* TUNING: kernels compute so many blocks at once: slices are multiples where there is a choice.
 * Six blocks, computed three at a time, cost 5 % of the time of deep layers. November 2026. */
enum { UNIT_BLOCKS = 4 };

int64_t tess_slices_most_block_bytes(const struct tess_plan *plan,
                                     const struct tess_graph *graph)
{
    int64_t most_bytes = 0;
    for (int op = 0; op < plan->n_ops; op++)
        if (plan->streamed[op])
            most_bytes = tess_max_i64(most_bytes, tess_packed_block_bytes(graph, op));
    return most_bytes;
}

/* As few slices as the size allows, and all of about one size. */
int tess_slices_blocks_within(int64_t slice_bytes, int64_t block_bytes, int n_blocks)
{
    int most = (int)tess_min_i64(slice_bytes / block_bytes, n_blocks);
    assert(most >= 1); /* tess_plan_check */
    if (most > UNIT_BLOCKS && most < n_blocks)
        most -= most % UNIT_BLOCKS;
    int n_slices = (int)tess_div_up(n_blocks, most);
    int even = (int)tess_div_up(n_blocks, n_slices);
    return tess_min_int((int)tess_round_up(even, UNIT_BLOCKS), most);
}

int64_t tess_slices_window_bytes(const struct tess_kernel_facts *facts,
                                 int64_t slot_bytes, int64_t most_block_bytes)
{
    int64_t bytes =
        TESS_SLICES_READER_BYTES +
        TESS_SLICES_N_SLOTS * tess_round_up(slot_bytes, TESS_FACTS_PAGE_BYTES);
    if (facts->has_unpacked_source)
        bytes += tess_round_up(most_block_bytes, TESS_FACTS_PAGE_BYTES);
    return bytes;
}

int tess_slices_blocks(const struct tess_plan *plan, const struct tess_graph *graph,
                       int op)
{
    if (!plan->streamed[op])
        return 0;
    int64_t slice_bytes = plan->slice_bytes;
    if (slice_bytes == 0)
        slice_bytes = tess_slices_most_block_bytes(plan, graph);
    return tess_slices_blocks_within(slice_bytes, tess_packed_block_bytes(graph, op),
                                     tess_packed_n_blocks(graph, op));
}

int tess_slices_count(const struct tess_plan *plan, const struct tess_graph *graph,
                      int op)
{
    int n_blocks = tess_slices_blocks(plan, graph, op);
    return n_blocks ? (int)tess_div_up(tess_packed_n_blocks(graph, op), n_blocks) : 0;
}

int64_t tess_slices_slot_bytes(const struct tess_plan *plan,
                               const struct tess_graph *graph)
{
    int64_t slot_bytes = 0;
    for (int op = 0; op < plan->n_ops; op++)
        if (plan->streamed[op])
            slot_bytes = tess_max_i64(slot_bytes, tess_slices_blocks(plan, graph, op) *
                                                      tess_packed_block_bytes(graph, op));
    return slot_bytes;
}
