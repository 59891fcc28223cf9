/* A compiled model, tried as it is and with its checksums mended, because a fuzzer never
 * guesses one. Anything else is a cfg: what is compiled from it must open and read back. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "model/compiled.h"
#include "model/compiled_priv.h"
#include "model/darknet.h"
#include "model/packed.h"
#include "tests/fuzz/fuzz_target.h"

enum { LIMIT_BYTES = 1 << 22 };

static int64_t packed_bytes(const struct tess_graph *graph, int op)
{
    if (!tess_op_has_weights(&graph->ops[op]))
        return 0;
    return tess_packed_n_blocks(graph, op) * tess_packed_block_bytes(graph, op);
}

static void *allocate(int64_t n_bytes)
{
    void *memory = aligned_alloc(64, (size_t)n_bytes);
    if (!memory)
        abort();
    return memory;
}

/* Blocks whose every byte depends on where it is. */
static enum tess_status make_blocks(void *context, int op, int first_block, int n_blocks,
                                    void *packed_out, struct tess_error *error)
{
    (void)error;
    int64_t block_bytes = tess_packed_block_bytes(context, op);
    unsigned char *to = packed_out;
    for (int64_t i = 0; i < n_blocks * block_bytes; i++)
        to[i] = (unsigned char)((op + 1) * (first_block * block_bytes + i + 7) >> 3);
    return TESS_OK;
}

/* Reads all there is; `is_ours`: it was written here a moment ago. */
static void read_everything(const struct tess_compiled *compiled, bool is_ours)
{
    const struct tess_graph *graph = tess_compiled_graph(compiled);
    for (int op = 0; op < graph->n_ops; op++) {
        struct tess_error error;
        int64_t n_bytes = packed_bytes(graph, op);
        tess_error_init(&error);
        if (n_bytes == 0 || n_bytes > LIMIT_BYTES)
            continue;
        int n_filters = graph->tensors[graph->ops[op].output].c;
        char *blocks = allocate(n_bytes), *others = allocate(n_bytes);
        struct tess_packed_compiled from = {compiled, graph};
        float *bias = (float *)(void *)others, *kernel = bias + n_filters;
        int n_blocks = tess_packed_n_blocks(graph, op);
        enum tess_status status =
            tess_compiled_read(compiled, op, 0, n_blocks, blocks, &error);
        assert(status == TESS_OK || (status == TESS_E_MODEL && error.message[0]));
        assert(status ==
               tess_packed_read_filters(&from, op, 0, n_filters, kernel, bias, NULL));
        if (is_ours) {
            struct tess_graph *context = (struct tess_graph *)(uintptr_t)graph;
            assert(status == TESS_OK);
            make_blocks(context, op, 0, n_blocks, others, NULL);
            assert(memcmp(blocks, others, (size_t)n_bytes) == 0);
        }
        free(blocks);
        free(others);
    }
}

static void try_file(const char *path, bool is_ours)
{
    struct tess_compiled *compiled = NULL;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_compiled_open(path, false, &compiled, &error);
    assert((status == TESS_OK) == (compiled != NULL));
    assert(status == TESS_OK || (error.message[0] && !is_ours));
    if (compiled)
        read_everything(compiled, is_ours);
    tess_compiled_destroy(compiled);
}

static void try_bytes(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = memfd_create("compiled", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size)
        try_file(path, false);
    if (fd >= 0)
        close(fd);
}

/* Makes the checksums right, and the file as long as it says if that is not much. */
static void try_mended(const uint8_t *data, size_t size)
{
    uint64_t n_file = tess_compiled_get_u64(data + TESS_COMPILED_AT_FILE_BYTES);
    uint64_t n_header = tess_compiled_get_u64(data + TESS_COMPILED_AT_HEADER_BYTES);
    if (n_file < TESS_COMPILED_FIXED_BYTES || n_file > LIMIT_BYTES)
        n_file = size;
    uint8_t *copy = calloc(1, n_file);
    if (!copy)
        abort();
    memcpy(copy, data, n_file < size ? n_file : size);
    if (n_header >= TESS_COMPILED_FIXED_BYTES && n_header <= n_file)
        tess_compiled_put_u32(copy + TESS_COMPILED_AT_REST_CRC,
                              tess_crc32c(0, copy + TESS_COMPILED_FIXED_BYTES,
                                          n_header - TESS_COMPILED_FIXED_BYTES));
    tess_compiled_put_u32(copy + TESS_COMPILED_AT_FIXED_CRC,
                          tess_crc32c(0, copy, TESS_COMPILED_AT_FIXED_CRC));
    try_bytes(copy, n_file);
    free(copy);
}

static void try_cfg(const char *cfg, size_t n_bytes)
{
    char path[64];
    struct tess_graph *graph = NULL;
    int64_t total_bytes = 0;
    if (tess_darknet_parse(cfg, n_bytes, "fuzz.cfg", &graph, NULL, NULL) != TESS_OK)
        return;
    for (int op = 0; op < graph->n_ops && total_bytes <= LIMIT_BYTES; op++)
        total_bytes += packed_bytes(graph, op);
    struct tess_compiled_job job = {
        .cfg = cfg,
        .n_cfg_bytes = n_bytes,
        .graph = graph,
        .blocks = {make_blocks, graph},
    };
    snprintf(path, sizeof path, "/dev/shm/tessera-fuzz-%d", (int)getpid());
    if (total_bytes <= LIMIT_BYTES && tess_compiled_write(&job, path, NULL) == TESS_OK) {
        try_file(path, true);
        unlink(path);
    }
    tess_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_compiled = size >= TESS_COMPILED_FIXED_BYTES &&
                       memcmp(data, TESS_COMPILED_MAGIC, TESS_COMPILED_MAGIC_BYTES) == 0;
    if (!is_compiled) {
        try_cfg((const char *)data, size);
        return 0;
    }
    try_bytes(data, size);
    try_mended(data, size);
    return 0;
}
