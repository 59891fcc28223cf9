#include "executor/weight_labels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/packed.h"

struct tess_weight_label {
    int op, first_block, n_blocks;
    const char *begin, *end;
};

enum tess_status tess_weight_labels_init(struct tess_weight_labels *labels,
                                         const struct tess_graph *graph,
                                         const struct tess_packed_source *blocks,
                                         const struct tess_memory_block *block,
                                         struct tess_error *error)
{
    int capacity = 2 * graph->n_ops + 2; /* some of them outdated; more are forgotten */
    *labels = (struct tess_weight_labels){
        .graph = graph, .blocks = *blocks, .block = block, .capacity = capacity};
    labels->labels = malloc((size_t)capacity * sizeof *labels->labels);
    return labels->labels ? TESS_OK : tess_error_nomem(error);
}

void tess_weight_labels_release(struct tess_weight_labels *labels)
{
    free(labels->labels);
    memset(labels, 0, sizeof *labels);
}

static void remove_label(struct tess_weight_labels *labels, int i)
{
    labels->labels[i] = labels->labels[--labels->n_labels];
}

/* Removes what the block has lost since: all if it moved, else what is not resident. */
static void remove_lost(struct tess_weight_labels *labels)
{
    const struct tess_memory_block *block = labels->block;
    if (labels->data != block->data)
        labels->n_labels = 0;
    labels->data = block->data;
    for (int i = labels->n_labels - 1; i >= 0; i--)
        if (labels->labels[i].end - block->data > block->touched_bytes)
            remove_label(labels, i);
}

void tess_weight_labels_before_fit(struct tess_weight_labels *labels)
{
    remove_lost(labels);
}

static bool is_there(const struct tess_weight_labels *labels,
                     const struct tess_weight_label *wanted)
{
    for (int i = 0; i < labels->n_labels; i++) {
        const struct tess_weight_label *label = &labels->labels[i];
        if (label->op == wanted->op && label->begin == wanted->begin &&
            label->first_block == wanted->first_block &&
            label->n_blocks >= wanted->n_blocks)
            return true;
    }
    return false;
}

static void remove_overlapping(struct tess_weight_labels *labels,
                               const struct tess_weight_label *written)
{
    for (int i = labels->n_labels - 1; i >= 0; i--)
        if (labels->labels[i].begin < written->end &&
            written->begin < labels->labels[i].end)
            remove_label(labels, i);
}

static enum tess_status read_blocks(void *context, int op, int first_block, int n_blocks,
                                    void *packed_out, struct tess_error *error)
{
    struct tess_weight_labels *labels = context;
    char *packed = packed_out;
    struct tess_weight_label label = {
        op, first_block, n_blocks, packed,
        packed + n_blocks * tess_packed_block_bytes(labels->graph, op)};
    remove_lost(labels);
    if (is_there(labels, &label))
        return TESS_OK;
    remove_overlapping(labels, &label);
    enum tess_status status = labels->blocks.read(labels->blocks.context, op, first_block,
                                                  n_blocks, packed_out, error);
    if (status != TESS_OK)
        return status;
    if (labels->n_labels == labels->capacity)
        remove_label(labels, 0);
    labels->labels[labels->n_labels++] = label;
    return TESS_OK;
}

struct tess_packed_source tess_weight_labels_source(struct tess_weight_labels *labels)
{
    return (struct tess_packed_source){read_blocks, labels};
}
