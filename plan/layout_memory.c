#include "plan/layout.h"

#include "base/arith.h"
#include "plan/slices.h"

/* A small block of the C library's heap. */
enum { LIST_BYTES = 32 };

/* Are the op's weights read in packed blocks, which lie outside its kernel? */
static bool is_packed(const struct tess_layout *layout, int op)
{
    return layout->plan->facts.has_packed_weights != 0 &&
           tess_op_has_weights(&layout->graph->ops[op]);
}

int64_t tess_layout_scratch_bytes(const struct tess_layout *layout)
{
    const struct tess_plan *plan = layout->plan;
    int64_t bytes = 0;
    for (int op = 0; op < plan->n_ops; op++) {
        /* Packed blocks are made in place; slices of streamed ones count as window. */
        bool is_unpacked = plan->facts.has_unpacked_source && !plan->streamed[op];
        if (is_unpacked || !is_packed(layout, op))
            bytes = tess_max_i64(
                bytes, tess_facts_scratch_bytes(&plan->facts, layout->graph, op));
    }
    return bytes;
}

int64_t tess_layout_arena_bytes(const struct tess_layout *layout)
{
    return tess_max_i64(layout->arena_bytes, tess_layout_scratch_bytes(layout));
}

/* Heap of the layout's own tables, which grow with the number of bands. */
static int64_t table_bytes(const struct tess_layout *layout)
{
    int64_t n_ranges = 0;
    for (int group = 0; group < layout->plan->n_groups; group++) {
        const struct tess_tiles *tiles = &layout->tiles[group];
        int64_t n_lines = tiles->axis[TESS_ROWS].n_tiles + tiles->axis[TESS_COLS].n_tiles;
        n_ranges += 2 * n_lines * tiles->n_ops; /* computes and shares */
    }
    for (int i = 0; i < layout->n_storages; i++)
        n_ranges += layout->storages[i].n_rows + layout->storages[i].n_cols;
    return n_ranges * (int64_t)sizeof(struct tess_range);
}

/* Heap that a split network takes more than the one it was made of, in whose place it comes after
 * the base was measured: ops, tensors, their lists. */
static int64_t split_bytes(const struct tess_layout *layout)
{
    const struct tess_graph *graph = layout->graph;
    const int64_t op_bytes =
        sizeof(struct tess_op) + sizeof(struct tess_tensor) + 4 * LIST_BYTES;
    int64_t bytes = 0;
    for (int op = 0; op < graph->n_ops; op++)
        bytes += tess_op_accumulates(&graph->ops[op]) ? op_bytes : 0;
    return bytes;
}

int64_t tess_layout_workspace_bytes(const struct tess_layout *layout, int op)
{
    if (is_packed(layout, op))
        return tess_facts_bare_bytes(&layout->plan->facts);
    return tess_facts_workspace_bytes(&layout->plan->facts, layout->graph, op,
                                      layout->ops[op].largest);
}

int64_t tess_layout_slots_bytes(const struct tess_layout *layout)
{
    int64_t slot_bytes = tess_slices_slot_bytes(layout->plan, layout->graph);
    return TESS_SLICES_N_SLOTS * tess_round_up(slot_bytes, TESS_FACTS_PAGE_BYTES);
}

/* What reading weights holds during a run. */
static int64_t window_bytes(const struct tess_layout *layout)
{
    const struct tess_plan *plan = layout->plan;
    int64_t bytes = plan->facts.source_bytes;
    int64_t slot_bytes = tess_slices_slot_bytes(plan, layout->graph);
    if (slot_bytes > 0)
        bytes += tess_slices_window_bytes(
            &plan->facts, slot_bytes, tess_slices_most_block_bytes(plan, layout->graph));
    return bytes;
}

void tess_layout_memory(const struct tess_layout *layout, struct tess_memory *memory_out)
{
    const struct tess_kernel_facts *facts = &layout->plan->facts;
    bool has_weights = false;
    memory_out->base = facts->base_bytes + table_bytes(layout) + split_bytes(layout);
    memory_out->threads = facts->thread_bytes * (layout->plan->n_threads - 1);
    memory_out->weights = memory_out->workspace = 0;
    for (int op = 0; op < layout->plan->n_ops; op++) {
        if (!layout->plan->streamed[op])
            memory_out->weights += tess_facts_weights_bytes(facts, layout->graph, op);
        memory_out->workspace += tess_layout_workspace_bytes(layout, op);
        has_weights |= tess_op_has_weights(&layout->graph->ops[op]);
    }
    if (facts->has_packed_weights) /* they lie in one piece */
        memory_out->weights = tess_round_up(memory_out->weights, TESS_FACTS_PAGE_BYTES);
    memory_out->arena = tess_layout_arena_bytes(layout);
    memory_out->window = has_weights ? window_bytes(layout) : 0;
    memory_out->peak = tess_memory_sum(memory_out);
}
