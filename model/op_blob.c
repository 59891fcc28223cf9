#include "model/op_blob.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/crc32c.h"
#include "base/paged_file.h"
#include "model/packed.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "checksums are little-endian and are never converted");

enum { ALIGNMENT = 64, CHECKSUM_BYTES = 4 };

/* What the blob of an op looks like. The limits of graphs keep all sizes below 2^42. */
struct shape {
    int layer, n_blocks;
    int64_t block_bytes;
};

static struct shape shape_of(const struct tess_graph *graph, int op)
{
    return (struct shape){
        .layer = graph->ops[op].layer,
        .n_blocks = tess_packed_n_blocks(graph, op),
        .block_bytes = tess_packed_block_bytes(graph, op),
    };
}

/* Where the checksums begin. */
static int64_t all_blocks_bytes(const struct shape *shape)
{
    return shape->n_blocks * shape->block_bytes;
}

static int64_t blob_bytes(const struct shape *shape)
{
    return all_blocks_bytes(shape) + (int64_t)shape->n_blocks * CHECKSUM_BYTES;
}

int64_t tess_op_blob_bytes(const struct tess_graph *graph, int op)
{
    assert(op >= 0 && op < graph->n_ops);
    if (!tess_op_has_weights(&graph->ops[op]))
        return 0;
    struct shape shape = shape_of(graph, op);
    return blob_bytes(&shape);
}

/* --- making --- */

/* The list of blobs, without their hashes, and memory for the rest. */
static enum tess_status allocate(struct tess_op_blobs *blobs, struct tess_error *error)
{
    const struct tess_graph *graph = blobs->graph;
    int64_t most_bytes = ALIGNMENT;
    int n_blobs = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n_blobs += tess_op_has_weights(&graph->ops[op]);
    blobs->blobs = calloc((size_t)n_blobs + 1, sizeof *blobs->blobs);
    blobs->checksums = calloc((size_t)n_blobs + 1, sizeof *blobs->checksums);
    if (!blobs->blobs || !blobs->checksums)
        return tess_error_nomem(error);
    for (int op = 0; op < graph->n_ops; op++) {
        if (!tess_op_has_weights(&graph->ops[op]))
            continue;
        struct shape shape = shape_of(graph, op);
        int at = blobs->n_blobs++;
        blobs->blobs[at].op = op;
        blobs->blobs[at].n_bytes = blob_bytes(&shape);
        blobs->checksums[at] =
            calloc((size_t)shape.n_blocks, sizeof *blobs->checksums[at]);
        if (!blobs->checksums[at])
            return tess_error_nomem(error);
        most_bytes = tess_max_i64(most_bytes, shape.block_bytes);
    }
    assert(blobs->n_blobs == n_blobs && most_bytes % ALIGNMENT == 0);
    blobs->block = aligned_alloc(ALIGNMENT, (size_t)most_bytes);
    return blobs->block ? TESS_OK : tess_error_nomem(error);
}

/* How far the hashing of all blobs is. */
struct counter {
    void (*progress)(void *context, double done);
    void *context;
    int64_t done_bytes, all_bytes;
};

static void count(struct counter *counter, int64_t n_bytes)
{
    counter->done_bytes += n_bytes;
    if (counter->progress)
        counter->progress(counter->context,
                          (double)counter->done_bytes / (double)counter->all_bytes);
}

static enum tess_status hash_blob(struct tess_op_blobs *blobs, int index,
                                  struct counter *counter, struct tess_error *error)
{
    struct tess_op_blob *blob = &blobs->blobs[index];
    struct shape shape = shape_of(blobs->graph, blob->op);
    uint32_t *checksums = blobs->checksums[index];
    size_t table_bytes = (size_t)shape.n_blocks * CHECKSUM_BYTES;
    struct tess_sha256_run run;
    tess_sha256_start(&run);
    for (int i = 0; i < shape.n_blocks; i++) {
        enum tess_status status = blobs->blocks.read(blobs->blocks.context, blob->op, i,
                                                     1, blobs->block, error);
        if (status != TESS_OK)
            return status;
        checksums[i] = tess_crc32c(0, blobs->block, (size_t)shape.block_bytes);
        tess_sha256_add(&run, blobs->block, (size_t)shape.block_bytes);
        count(counter, shape.block_bytes);
    }
    tess_sha256_add(&run, checksums, table_bytes);
    blob->hash = tess_sha256_end(&run);
    count(counter, (int64_t)table_bytes);
    return TESS_OK;
}

enum tess_status tess_op_blobs_init(struct tess_op_blobs *blobs,
                                    const struct tess_graph *graph,
                                    struct tess_packed_source blocks,
                                    void (*progress)(void *context, double done),
                                    void *progress_context, struct tess_error *error)
{
    struct counter counter = {.progress = progress, .context = progress_context};
    *blobs = (struct tess_op_blobs){
        .graph = graph,
        .blocks = blocks,
        .held_blob = -1,
        .held_block = -1,
    };
    enum tess_status status = allocate(blobs, error);
    for (int i = 0; i < blobs->n_blobs && status == TESS_OK; i++)
        counter.all_bytes += blobs->blobs[i].n_bytes;
    for (int i = 0; i < blobs->n_blobs && status == TESS_OK; i++)
        status = hash_blob(blobs, i, &counter, error);
    return status;
}

void tess_op_blobs_release(struct tess_op_blobs *blobs)
{
    for (int i = 0; i < blobs->n_blobs; i++)
        free(blobs->checksums[i]);
    free(blobs->checksums);
    free(blobs->blobs);
    free(blobs->block);
    *blobs = (struct tess_op_blobs){.held_blob = -1, .held_block = -1};
}

/* Blocks [first, first + n) to `to`, if they still are what was hashed. A file that changes under
 * us would else be noticed only by whoever has the whole blob. */
static enum tess_status read_same(const struct tess_op_blobs *blobs, int index, int first,
                                  int n, void *to, struct tess_error *error)
{
    int op = blobs->blobs[index].op;
    struct shape shape = shape_of(blobs->graph, op);
    enum tess_status status =
        blobs->blocks.read(blobs->blocks.context, op, first, n, to, error);
    const char *at = to;
    for (int i = first; i < first + n && status == TESS_OK; i++, at += shape.block_bytes)
        if (tess_crc32c(0, at, (size_t)shape.block_bytes) != blobs->checksums[index][i]) {
            status = tess_error_set(error, TESS_E_MODEL,
                                    "layer %d, block %d of its %d: the weights have "
                                    "changed since they were first read",
                                    shape.layer, i, shape.n_blocks);
            tess_error_hint(error, "begin again, and leave the model's file alone");
        }
    return status;
}

/* Puts a block into blobs->block, unless it is there. */
static enum tess_status hold(struct tess_op_blobs *blobs, int index, int block,
                             struct tess_error *error)
{
    if (blobs->held_blob == index && blobs->held_block == block)
        return TESS_OK;
    blobs->held_blob = -1;
    enum tess_status status = read_same(blobs, index, block, 1, blobs->block, error);
    if (status != TESS_OK)
        return status;
    blobs->held_blob = index;
    blobs->held_block = block;
    return TESS_OK;
}

enum tess_status tess_op_blobs_read(struct tess_op_blobs *blobs, int index,
                                    int64_t offset, int64_t n_bytes, void *bytes_out,
                                    struct tess_error *error)
{
    assert(index >= 0 && index < blobs->n_blobs);
    assert(offset >= 0 && n_bytes >= 0);
    assert(offset <= blobs->blobs[index].n_bytes - n_bytes);
    struct shape shape = shape_of(blobs->graph, blobs->blobs[index].op);
    int64_t table_at = all_blocks_bytes(&shape);
    char *to = bytes_out;
    int64_t end = offset + n_bytes;
    for (int64_t n; offset < tess_min_i64(end, table_at); offset += n, to += n) {
        int block = (int)(offset / shape.block_bytes);
        int64_t in_block = offset % shape.block_bytes;
        int n_whole = (int)((tess_min_i64(end, table_at) - offset) / shape.block_bytes);
        enum tess_status status;
        if (in_block == 0 && n_whole > 0 && (uintptr_t)to % ALIGNMENT == 0) {
            n = n_whole * shape.block_bytes;
            status = read_same(blobs, index, block, n_whole, to, error);
        } else {
            n = tess_min_i64(end - offset, shape.block_bytes - in_block);
            status = hold(blobs, index, block, error);
            if (status == TESS_OK)
                memcpy(to, (const char *)blobs->block + in_block, (size_t)n);
        }
        if (status != TESS_OK)
            return status;
    }
    if (offset < end)
        memcpy(to, (const char *)blobs->checksums[index] + (offset - table_at),
               (size_t)(end - offset));
    return TESS_OK;
}

/* --- reading --- */

struct op_file {
    struct tess_paged_file *file; /* NULL for an op without weights */
    struct shape shape;
    uint32_t *checksums; /* [shape.n_blocks] */
};

struct tess_op_blob_files {
    int n_ops;
    struct op_file *ops; /* [n_ops] */
    int last_op;         /* that was read; -1 for none */
};

static enum tess_status open_blob(struct op_file *op, const char *path, bool leaves_cache,
                                  struct tess_error *error)
{
    enum tess_status status = tess_paged_file_open(path, &op->file, error);
    if (status != TESS_OK)
        return status;
    int64_t n_bytes = tess_paged_file_bytes(op->file), right = blob_bytes(&op->shape);
    if (n_bytes != right) {
        tess_error_at(error, TESS_E_MODEL, path, 0, 0,
                      "layer %d: the weights have %lld bytes, but the file has %lld",
                      op->shape.layer, (long long)right, (long long)n_bytes);
        tess_error_hint(error, "the file is %s: remove it",
                        n_bytes < right ? "cut off" : "damaged");
        return TESS_E_MODEL;
    }
    op->checksums = calloc((size_t)op->shape.n_blocks, sizeof *op->checksums);
    if (!op->checksums)
        return tess_error_nomem(error);
    tess_paged_file_stream(op->file, leaves_cache);
    status = tess_paged_file_read(op->file, all_blocks_bytes(&op->shape),
                                  (int64_t)op->shape.n_blocks * CHECKSUM_BYTES,
                                  op->checksums, error);
    tess_paged_file_pause(op->file);
    return status;
}

enum tess_status
tess_op_blob_files_open(const struct tess_graph *graph,
                        void (*path)(void *context, int op, char *path_out, size_t size),
                        void *context, bool leaves_cache,
                        struct tess_op_blob_files **files_out, struct tess_error *error)
{
    struct tess_op_blob_files *files = calloc(1, sizeof *files);
    if (!files)
        return tess_error_nomem(error);
    files->last_op = -1;
    files->ops = calloc((size_t)graph->n_ops + 1, sizeof *files->ops);
    enum tess_status status = files->ops ? TESS_OK : tess_error_nomem(error);
    for (int op = 0; op < graph->n_ops && status == TESS_OK; op++) {
        files->n_ops = op + 1;
        if (!tess_op_has_weights(&graph->ops[op]))
            continue;
        char name[TESS_OP_BLOB_PATH] = "";
        path(context, op, name, sizeof name);
        files->ops[op].shape = shape_of(graph, op);
        status = open_blob(&files->ops[op], name, leaves_cache, error);
    }
    if (status != TESS_OK) {
        tess_op_blob_files_close(files);
        return status;
    }
    *files_out = files;
    return TESS_OK;
}

void tess_op_blob_files_close(struct tess_op_blob_files *files)
{
    if (!files)
        return;
    for (int op = 0; op < files->n_ops; op++) {
        tess_paged_file_destroy(files->ops[op].file);
        free(files->ops[op].checksums);
    }
    free(files->ops);
    free(files);
}

/* How far the blocks that are read are checked. */
struct check {
    const struct op_file *op;
    int block;        /* that is being checked */
    int64_t in_block; /* bytes of it that were */
    uint32_t crc;     /* of those */
};

/* The next `n_bytes`. */
static enum tess_status check_on(struct check *check, const char *bytes, int64_t n_bytes,
                                 struct tess_error *error)
{
    const struct op_file *op = check->op;
    for (int64_t n; n_bytes > 0; bytes += n, n_bytes -= n) {
        n = tess_min_i64(n_bytes, op->shape.block_bytes - check->in_block);
        check->crc = tess_crc32c(check->crc, bytes, (size_t)n);
        check->in_block += n;
        if (check->in_block < op->shape.block_bytes)
            continue;
        if (check->crc != op->checksums[check->block]) {
            tess_error_at(error, TESS_E_MODEL, tess_paged_file_path(op->file), 0, 0,
                          "layer %d, block %d of its %d: the weights' checksum is wrong",
                          op->shape.layer, check->block, op->shape.n_blocks);
            tess_error_hint(error, "the file is damaged: remove it");
            return TESS_E_MODEL;
        }
        *check = (struct check){.op = op, .block = check->block + 1};
    }
    return TESS_OK;
}

static enum tess_status read_blobs(void *context, int op, int first_block, int n_blocks,
                                   void *packed_out, struct tess_error *error)
{
    struct tess_op_blob_files *files = context;
    assert(op >= 0 && op < files->n_ops);
    const struct op_file *from = &files->ops[op];
    assert(from->file && first_block >= 0 && n_blocks >= 0);
    assert(first_block <= from->shape.n_blocks - n_blocks);
    /* Together the files leave no more in the page cache than one of them may. */
    if (files->last_op >= 0 && files->last_op != op)
        tess_paged_file_pause(files->ops[files->last_op].file);
    files->last_op = op;
    struct check check = {.op = from, .block = first_block};
    int64_t offset = first_block * from->shape.block_bytes;
    int64_t end = offset + n_blocks * from->shape.block_bytes;
    int64_t at_once_bytes = tess_paged_file_best_bytes(from->file);
    char *to = packed_out;
    for (int64_t n; offset < end; offset += n, to += n) {
        n = tess_min_i64(end - offset, at_once_bytes);
        enum tess_status status = tess_paged_file_read(from->file, offset, n, to, error);
        if (status == TESS_OK)
            status = check_on(&check, to, n, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

struct tess_packed_source tess_packed_from_blobs(struct tess_op_blob_files *files)
{
    return (struct tess_packed_source){read_blobs, files};
}
