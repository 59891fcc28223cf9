#include "model/compiled_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "model/packed.h"

static int count_entries(const struct tess_graph *graph)
{
    int n_entries = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n_entries += tess_op_has_weights(&graph->ops[op]);
    return n_entries;
}

/* Everything of the entries but the offsets, which depend on how many blocks there are. */
static void fill_entries(struct tess_compiled_layout *layout,
                         const struct tess_graph *graph)
{
    int at = 0;
    for (int op = 0; op < graph->n_ops; op++) {
        if (!tess_op_has_weights(&graph->ops[op]))
            continue;
        struct tess_compiled_entry *entry = &layout->entries[at++];
        *entry = (struct tess_compiled_entry){
            .op = op,
            .layer = graph->ops[op].layer,
            .n_blocks = tess_packed_n_blocks(graph, op),
            .first_block = layout->n_blocks,
            .block_bytes = tess_packed_block_bytes(graph, op),
            .weights_offset = graph->ops[op].weights_offset,
        };
        assert(at < 2 || entry[-1].weights_offset < entry->weights_offset);
        layout->n_blocks += entry->n_blocks; /* at most 2^20 x 4096 */
    }
    assert(at == layout->n_entries);
}

static bool place_entries(struct tess_compiled_layout *layout)
{
    int64_t end = layout->header_bytes;
    for (int i = 0; i < layout->n_entries; i++) {
        struct tess_compiled_entry *entry = &layout->entries[i];
        int64_t bytes;
        if (end > INT64_MAX - TESS_COMPILED_PAGE_BYTES)
            return false;
        entry->offset = tess_round_up(end, TESS_COMPILED_PAGE_BYTES);
        if (!tess_mul_i64(entry->n_blocks, entry->block_bytes, &bytes) ||
            !tess_add_i64(entry->offset, bytes, &end))
            return false;
    }
    layout->file_bytes = end;
    return true;
}

enum tess_status tess_compiled_layout_init(struct tess_compiled_layout *layout,
                                           const struct tess_graph *graph,
                                           size_t n_name_bytes, size_t n_cfg_bytes,
                                           struct tess_error *error)
{
    assert(n_name_bytes <= TESS_COMPILED_NAME_BYTES);
    assert(n_cfg_bytes <= TESS_COMPILED_LIMIT_CFG);
    *layout = (struct tess_compiled_layout){.n_entries = count_entries(graph)};
    layout->entries = calloc((size_t)layout->n_entries + 1, sizeof *layout->entries);
    if (!layout->entries)
        return tess_error_nomem(error);
    fill_entries(layout, graph);
    layout->crcs_at = TESS_COMPILED_FIXED_BYTES +
                      (int64_t)TESS_COMPILED_ENTRY_BYTES * layout->n_entries;
    layout->name_at = layout->crcs_at + 4 * layout->n_blocks;
    layout->cfg_at = layout->name_at + (int64_t)n_name_bytes;
    layout->header_bytes =
        tess_round_up(layout->cfg_at + (int64_t)n_cfg_bytes, TESS_COMPILED_PAGE_BYTES);
    if (layout->header_bytes <= TESS_COMPILED_HEADER_LIMIT && place_entries(layout))
        return TESS_OK;
    tess_compiled_layout_release(layout);
    return tess_error_set(error, TESS_E_MODEL,
                          "the network has more weights than a compiled file can hold");
}

void tess_compiled_layout_release(struct tess_compiled_layout *layout)
{
    free(layout->entries);
    memset(layout, 0, sizeof *layout);
}

bool tess_compiled_is_name(const char *name, size_t n_bytes)
{
    enum { FIRST_PRINTABLE = 0x20, DELETE = 0x7f };
    if (n_bytes == 0 || n_bytes > TESS_COMPILED_NAME_BYTES)
        return false;
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char byte = (unsigned char)name[i];
        if (byte < FIRST_PRINTABLE || byte == DELETE || byte == '/')
            return false;
    }
    return true;
}

void tess_compiled_put_entry(const struct tess_compiled_entry *entry, unsigned char *at)
{
    tess_compiled_put_u32(at, (uint32_t)entry->layer);
    tess_compiled_put_u32(at + 4, (uint32_t)entry->n_blocks);
    tess_compiled_put_u64(at + 8, (uint64_t)entry->block_bytes);
    tess_compiled_put_u64(at + 16, (uint64_t)entry->offset);
    tess_compiled_put_u64(at + 24, (uint64_t)entry->weights_offset);
}
