#include "executor/weight_shelf.h"

#include <assert.h>
#include <stdlib.h>

#include "executor/kernel_heap.h"
#include "model/packed.h"

struct tess_weight_shelf {
    const struct tess_graph *graph;
    struct tess_packed_source blocks;
    struct tess_kernel_heap heap;
    struct tess_pen *pens; /* [n_ops] of one piece each, or empty */
};

enum tess_status tess_weight_shelf_create(const struct tess_graph *graph,
                                          const struct tess_packed_source *blocks,
                                          struct tess_weight_shelf **shelf_out,
                                          struct tess_error *error)
{
    struct tess_weight_shelf *shelf = calloc(1, sizeof *shelf);
    struct tess_pen *pens = calloc((size_t)graph->n_ops, sizeof *pens);
    if (!shelf || !pens) {
        free(pens);
        free(shelf);
        return tess_error_nomem(error);
    }
    shelf->graph = graph;
    shelf->blocks = *blocks;
    shelf->pens = pens;
    *shelf_out = shelf;
    return TESS_OK;
}

void tess_weight_shelf_destroy(struct tess_weight_shelf *shelf)
{
    if (!shelf)
        return;
    for (int op = 0; op < shelf->graph->n_ops; op++)
        tess_pen_release(&shelf->pens[op]);
    free(shelf->pens);
    free(shelf);
}

int64_t tess_weight_shelf_bytes(const struct tess_weight_shelf *shelf)
{
    return atomic_load(&shelf->heap.now_bytes);
}

enum tess_status tess_weight_shelf_find(struct tess_weight_shelf *shelf, int op,
                                        const void **packed_out, struct tess_error *error)
{
    assert(op >= 0 && tess_op_has_weights(&shelf->graph->ops[op]));
    struct tess_pen *pen = &shelf->pens[op];
    if (!pen->data) {
        int n_blocks = tess_packed_n_blocks(shelf->graph, op);
        int64_t bytes = n_blocks * tess_packed_block_bytes(shelf->graph, op);
        enum tess_status status = tess_pen_init(pen, &shelf->heap, NULL, 0, bytes, error);
        if (status == TESS_OK)
            status = shelf->blocks.read(shelf->blocks.context, op, 0, n_blocks, pen->data,
                                        error);
        if (status != TESS_OK) {
            tess_pen_release(pen);
            return status;
        }
    }
    *packed_out = pen->data;
    return TESS_OK;
}
