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

/* --- making: bytes of blobs from any source of blocks --- */

struct tess_op_blob {
    int op;
    int64_t n_bytes;
    struct tess_sha256 hash;
};

/* The blobs of a network's ops with weights, in the order of their ids. Reads every block
 * once, to hash it; afterwards only the blocks asked for. */
struct tess_op_blobs {
    const struct tess_graph *graph;   /* borrowed */
    struct tess_packed_source blocks; /* of the graph's ops; borrowed */
    int n_blobs;
    struct tess_op_blob *blobs; /* [n_blobs] */
    uint32_t **checksums;       /* [n_blobs][blocks of its op] */
    void *block;                /* one block, for pieces that begin or end inside one */
};

/* `progress` (may be NULL) is told 0 to 1. TESS_E_NOMEM, what the source reports. Release after
 * success or failure. */
enum tess_status tess_op_blobs_init(struct tess_op_blobs *blobs,
                                    const struct tess_graph *graph,
                                    struct tess_packed_source blocks,
                                    void (*progress)(void *context, double done),
                                    void *progress_context, struct tess_error *error);
void tess_op_blobs_release(struct tess_op_blobs *blobs); /* accepts zeroed memory */

/* Bytes [offset, offset + n_bytes) of blob `index`. What the source reports. Holds one block. */
enum tess_status tess_op_blobs_read(struct tess_op_blobs *blobs, int index,
                                    int64_t offset, int64_t n_bytes, void *bytes_out,
                                    struct tess_error *error);

/* --- reading: blocks from the files of blobs --- */

/* Bytes of the op's blob; 0 for an op without weights. */
int64_t tess_op_blob_bytes(const struct tess_graph *graph, int op);

struct tess_op_blob_files; /* open files and checksums: a source of blocks */

/* Opens the files of the blobs of all ops of `graph` that have weights: `path` fills in the name of
 * op `op`'s. With `leaves_cache` the system's page cache is left as it is found. TESS_E_IO,
 * TESS_E_MODEL for a file of another size, TESS_E_NOMEM. */
enum tess_status
tess_op_blob_files_open(const struct tess_graph *graph,
                        void (*path)(void *context, int op, char *path_out, size_t size),
                        void *context, bool leaves_cache,
                        struct tess_op_blob_files **files_out, struct tess_error *error);
void tess_op_blob_files_close(struct tess_op_blob_files *files); /* accepts NULL */

/* Every block handed out has been checked. TESS_E_MODEL naming layer and block, TESS_E_IO. */
struct tess_packed_source tess_packed_from_blobs(struct tess_op_blob_files *files);

#endif
