/* The weights of one op as a blob: a run of bytes that is named by its hash, sent to other nodes
 * and kept there in a file.
 *
 * A blob is the op's packed blocks (model/packed.h) one after the other, then a CRC-32C of each
 * block, 4 bytes little-endian. The same op has the same bytes on every machine and whichever
 * file they come from. Who keeps blobs and who sends them is not said here.
 */
#ifndef TESS_MODEL_OP_BLOB_H
#define TESS_MODEL_OP_BLOB_H

#include <stdbool.h>

#include "base/sha256.h"
#include "model/packed_source.h"

/* Bytes of the blob of op `op`; 0 for an op without weights. */
int64_t tess_op_blob_bytes(const struct tess_graph *graph, int op);

/* --- making: bytes of blobs from any source of blocks --- */

struct tess_op_blob {
    int op;
    int64_t n_bytes; /* tess_op_blob_bytes */
    struct tess_sha256 hash;
};

/* The blobs of a network's ops with weights, in the order of their ids. Holds 4 bytes for each
 * block, and the largest block. */
struct tess_op_blobs {
    const struct tess_graph *graph; /* borrowed */
    struct tess_packed_source
        blocks; /* of the graph's ops; what it reads from is borrowed */
    int n_blobs;
    struct tess_op_blob *blobs; /* [n_blobs] */
    uint32_t **checksums;       /* [n_blobs][blocks of its op] */
    void *block;                /* for pieces that begin or end inside a block */
    int held_blob, held_block;  /* what is in `block`; -1 for nothing */
};

/* Reads every block once, to hash it. `progress` (may be NULL) is told 0 to 1. TESS_E_NOMEM, or
 * what the source reports. Release after success or failure. */
enum tess_status tess_op_blobs_init(struct tess_op_blobs *blobs,
                                    const struct tess_graph *graph,
                                    struct tess_packed_source blocks,
                                    void (*progress)(void *context, double done),
                                    void *progress_context, struct tess_error *error);
void tess_op_blobs_release(struct tess_op_blobs *blobs); /* accepts zeroed memory */

/* Bytes [offset, offset + n_bytes) of blob `index`, all within it. Calls may come from any
 * thread, one at a time. TESS_E_MODEL, naming layer and block, if the source no longer gives
 * what was hashed; else what the source reports. Then bytes_out is undefined.
 * Cost: reads the blocks that the bytes are of. Those that lie whole in `bytes_out`, at a
 * multiple of 64 in memory, are read straight to it, others through `block`: pieces that follow
 * each other read a block once. */
enum tess_status tess_op_blobs_read(struct tess_op_blobs *blobs, int index,
                                    int64_t offset, int64_t n_bytes, void *bytes_out,
                                    struct tess_error *error);

/* --- reading: blocks from the files of blobs --- */

struct tess_op_blob_files; /* open files and checksums: a source of blocks */

enum { TESS_OP_BLOB_PATH = 1024 }; /* bytes of a path */

/* Opens the files of the blobs of all ops of `graph` that have weights: `path` writes the path of
 * op `op`'s to path_out, `size` = TESS_OP_BLOB_PATH. Graph and context are used during the call
 * only. With `leaves_cache` the system's page cache is left as it is found (base/paged_file.h).
 * Reads the checksums, no weights. Holds an open file for each op with weights and 4 bytes for
 * each block. TESS_E_IO, TESS_E_MODEL naming the layer for a file of another size,
 * TESS_E_NOMEM. The caller closes. */
enum tess_status
tess_op_blob_files_open(const struct tess_graph *graph,
                        void (*path)(void *context, int op, char *path_out, size_t size),
                        void *context, bool leaves_cache,
                        struct tess_op_blob_files **files_out, struct tess_error *error);
void tess_op_blob_files_close(struct tess_op_blob_files *files); /* accepts NULL */

/* The blocks of the graph's ops; `files` is borrowed. Every block handed out has been checked.
 * TESS_E_MODEL naming layer and block, TESS_E_IO. */
struct tess_packed_source tess_packed_from_blobs(struct tess_op_blob_files *files);

#endif
