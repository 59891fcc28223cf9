/* The compiled model file: a network and its weights in one file, the weights packed
 * (model/packed.h) and checksummed, laid out to be read in slices. docs/compiled-model.md
 * describes the bytes.
 *
 * The network inside is the cfg text it was compiled from, read by the importer as ever.
 * A reader holds the graph and the tables, never weights; every byte of weights that it
 * hands out has been checked. Does not unpack, and does not read darknet's weights files:
 * model/packed_source.h does either.
 */
#ifndef TESS_MODEL_COMPILED_H
#define TESS_MODEL_COMPILED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"
#include "model/graph.h"
#include "model/packed_source.h"

enum { TESS_COMPILED_VERSION = 1 };

/* --- writing --- */

struct tess_compiled_job {
    const char *cfg; /* the text that `graph` was made from */
    size_t n_cfg_bytes;
    const struct tess_graph *graph;
    struct tess_packed_source blocks;             /* of all ops of `graph` */
    void (*progress)(void *context, double done); /* 0 to 1; may be NULL */
    void *progress_context;
};

/* Writes `path`, replacing an old file only when complete. The same job gives the same
 * bytes on every machine. Holds one block at a time. TESS_E_IO, TESS_E_NOMEM, TESS_E_MODEL
 * for a network beyond what the format can say, or what the source of blocks returns. */
enum tess_status tess_compiled_write(const struct tess_compiled_job *job,
                                     const char *path, struct tess_error *error);

/* --- reading --- */

struct tess_compiled;

/* Does `path` begin as compiled models do? Looks into regular files only: a pipe keeps its
 * bytes. False also for what cannot be opened: whoever opens it will say why. */
bool tess_compiled_detect(const char *path);

/* Opens `path` and checks everything but the weights' checksums: version, size, checksum
 * of header and tables, and that the tables are those that the network inside calls for.
 * With `leaves_cache` the system's page cache is left as it is found (base/paged_file.h),
 * so that streaming a file larger than memory does not push out what others need.
 * TESS_E_MODEL (one sentence, and a hint), TESS_E_IO, TESS_E_NOMEM. The caller destroys. */
enum tess_status tess_compiled_open(const char *path, bool leaves_cache,
                                    struct tess_compiled **compiled_out,
                                    struct tess_error *error);
void tess_compiled_destroy(struct tess_compiled *compiled); /* accepts NULL */

/* The network inside, borrowed. */
const struct tess_graph *tess_compiled_graph(const struct tess_compiled *compiled);

/* Gives the network inside back: there is none from now on, nor tess_compiled_read. Cursors are
 * told their op by whoever has one. */
void tess_compiled_drop_graph(struct tess_compiled *compiled);

/* Appends the cfg text inside. TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_compiled_cfg(const struct tess_compiled *compiled,
                                   struct tess_text *text_out, struct tess_error *error);

/* Bytes of the file. */
int64_t tess_compiled_bytes(const struct tess_compiled *compiled);

/* A run of an op's blocks being read from first to last, in pieces of any size. Reads
 * change only the cursor: any number of threads may read one file, each with its own. */
struct tess_compiled_cursor {
    const struct tess_compiled *compiled; /* borrowed */
    int entry;                            /* of the file's table of ops */
    int64_t position, end;                /* bytes from the op's first block on */
    uint32_t crc;                         /* of the current block so far */
};

/* Begins before block `first_block`. `op` has weights and is the file's, or of a graph cut
 * from it (tess_graph_cut). The blocks are the op's (tess_packed_n_blocks). */
void tess_compiled_cursor_init(struct tess_compiled_cursor *cursor,
                               const struct tess_compiled *compiled,
                               const struct tess_op *op, int first_block, int n_blocks);

/* Reads the next `n_bytes`, at most what is left of the run. Each block's checksum is
 * compared when its last byte is read: until then its bytes are unchecked. TESS_E_MODEL
 * naming layer and block, TESS_E_IO. */
enum tess_status tess_compiled_cursor_read(struct tess_compiled_cursor *cursor,
                                           int64_t n_bytes, void *bytes_out,
                                           struct tess_error *error);

/* Reads blocks [first_block, first_block + n_blocks) of the file's op `op` whole, so that
 * on success everything in `packed_out` (tess_packed_block_bytes each) is checked; on
 * failure its content is undefined. Errors as above. Cost: one sequential read, and the
 * checksum at more than memory's usual speed. Safe from any thread. */
enum tess_status tess_compiled_read(const struct tess_compiled *compiled, int op,
                                    int first_block, int n_blocks, void *packed_out,
                                    struct tess_error *error);

#endif
