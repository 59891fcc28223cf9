/* Where packed blocks of weights (model/packed.h) come from: one interface over compiled
 * models and darknet's weights files, and the way back from blocks to plain filters.
 *
 * Caches nothing and allocates nothing: memory is the caller's.
 */
#ifndef TESS_MODEL_PACKED_SOURCE_H
#define TESS_MODEL_PACKED_SOURCE_H

#include <stdint.h>

#include "base/error.h"
#include "model/graph.h"

struct tess_compiled;
struct tess_weights;

/* Reads blocks [first_block, first_block + n_blocks) of op `op` to `packed_out`, aligned
 * to 64, of tess_packed_block_bytes each. On failure the content is undefined. Calls may
 * come from any thread, one at a time. */
struct tess_packed_source {
    enum tess_status (*read)(void *context, int op, int first_block, int n_blocks,
                             void *packed_out, struct tess_error *error);
    void *context;
};

/* Blocks of a compiled file, for the ops of `graph`: the file's own or a cut or split of it (the
 * blocks of partial convolutions are read whole, and their channels kept).
 * Everything is borrowed and outlives the source. */
struct tess_packed_compiled {
    const struct tess_compiled *compiled;
    const struct tess_graph *graph;
};
struct tess_packed_source tess_packed_from_compiled(struct tess_packed_compiled *from);

/* Blocks packed while they are read from a darknet weights file, for the ops of `graph`:
 * the one the file was opened with or a cut or split of it. Everything is borrowed. `scratch` is
 * used during reads only and holds tess_packed_scratch_bytes(graph). */
struct tess_packed_darknet {
    struct tess_weights *weights;
    const struct tess_graph *graph;
    float *scratch;
    int64_t scratch_bytes;
};
struct tess_packed_source tess_packed_from_darknet(struct tess_packed_darknet *from);

/* The blocks of another graph's ops: op `op` is op origins[op] there, as the tiles of a stage
 * say it (partition/tile_graph.h). For sources that go by op numbers; the two above find the
 * ops of a tile's graph by themselves. Both are borrowed. */
struct tess_packed_renumbered {
    struct tess_packed_source blocks;
    const int *origins;
};
struct tess_packed_source tess_packed_renumber(struct tess_packed_renumbered *from);

/* What packing the largest block of `graph` takes; 0 for a graph without weights. */
int64_t tess_packed_scratch_bytes(const struct tess_graph *graph);

/* The way back. Reads filters [begin, end) of op `op` from a compiled file as
 * tess_weights_read does from darknet's, with the same bits: kernel
 * [end-begin][kernel_h][kernel_w][C/groups], bias [end-begin]. `context` is a struct
 * tess_packed_compiled; together they make a kernel family's filter source
 * (executor/kernel.h). Holds TESS_PACKED_WINDOW_BYTES on the stack. Blocks are read and
 * checked whole, so a range that ends inside one costs the block. Errors as
 * tess_compiled_read. */
enum tess_status tess_packed_read_filters(void *context, int op, int begin, int end,
                                          float *kernel, float *bias,
                                          struct tess_error *error);

enum { TESS_PACKED_WINDOW_BYTES = 16 * 1024 };

#endif
