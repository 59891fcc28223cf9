/* The bytes of a compiled model file, shared by its writer and its reader: where things
 * are, derived from the network alone. docs/compiled-model.md has the tables.
 */
#ifndef TESS_MODEL_COMPILED_PRIV_H
#define TESS_MODEL_COMPILED_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/cfg_text.h"
#include "model/graph.h"

/* A byte no text has, then a line end and an end-of-text mark, which transfers that take
 * the file for text change. */
#define TESS_COMPILED_MAGIC "\x89TSS\r\n\x1a\n"

enum {
    TESS_COMPILED_MAGIC_BYTES = 8,
    TESS_COMPILED_PAGE_BYTES = 4096, /* alignment of each op's blocks */
    TESS_COMPILED_FIXED_BYTES = 64,  /* the part of the header that never grows */
    TESS_COMPILED_ENTRY_BYTES = 32,
    TESS_COMPILED_NAME_BYTES = 255,         /* at most */
    TESS_COMPILED_HEADER_LIMIT = 128 << 20, /* bytes: 30 million blocks */
    TESS_COMPILED_LIMIT_CFG = TESS_CFG_LIMIT_BYTES
};

/* Offsets in the fixed part. */
enum {
    TESS_COMPILED_AT_VERSION = 8,
    TESS_COMPILED_AT_BLOCK = 12,
    TESS_COMPILED_AT_HEADER_BYTES = 16,
    TESS_COMPILED_AT_FILE_BYTES = 24,
    TESS_COMPILED_AT_CFG_BYTES = 32,
    TESS_COMPILED_AT_NAME_BYTES = 40,
    TESS_COMPILED_AT_N_ENTRIES = 44,
    TESS_COMPILED_AT_N_BLOCKS = 48,
    TESS_COMPILED_AT_ZERO = 52,
    TESS_COMPILED_AT_REST_CRC = 56,
    TESS_COMPILED_AT_FIXED_CRC = 60
};

/* An op with weights. */
struct tess_compiled_entry {
    int op, layer;
    int n_blocks;
    int64_t first_block; /* of the file's, counted over all ops */
    int64_t block_bytes;
    int64_t offset;         /* of its first block in the file */
    int64_t weights_offset; /* tess_op.weights_offset: names the op in cut graphs, too */
};

/* Where everything is. */
struct tess_compiled_layout {
    int n_entries;
    struct tess_compiled_entry *entries; /* [n_entries], weights_offset ascending */
    int64_t n_blocks;
    int64_t crcs_at, name_at,
        cfg_at; /* offsets in the file; entries follow the fixed part */
    int64_t header_bytes, file_bytes;
};

/* Derives the layout of `graph`'s file. TESS_E_MODEL if the format cannot hold it,
 * TESS_E_NOMEM; the layout is zeroed then. */
enum tess_status tess_compiled_layout_init(struct tess_compiled_layout *layout,
                                           const struct tess_graph *graph,
                                           size_t n_name_bytes, size_t n_cfg_bytes,
                                           struct tess_error *error);
void tess_compiled_layout_release(struct tess_compiled_layout *layout); /* zeroed: fine */

/* May a file carry this name of a network? It is printed and becomes part of messages. */
bool tess_compiled_is_name(const char *name, size_t n_bytes);

/* The entry of an op, TESS_COMPILED_ENTRY_BYTES as in the file. */
void tess_compiled_put_entry(const struct tess_compiled_entry *entry, unsigned char *at);

/* Little-endian on every machine. */
static inline void tess_compiled_put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static inline void tess_compiled_put_u64(unsigned char *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static inline uint32_t tess_compiled_get_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

static inline uint64_t tess_compiled_get_u64(const unsigned char *at)
{
    return (uint64_t)tess_compiled_get_u32(at) | (uint64_t)tess_compiled_get_u32(at + 4)
                                                     << 32;
}

#endif
