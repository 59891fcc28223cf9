#include "model/compiled.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/crc32c.h"
#include "base/paged_file.h"
#include "model/compiled_priv.h"
#include "model/darknet.h"
#include "model/packed.h"

struct tess_compiled {
    struct tess_paged_file *file;
    const char *path; /* of the file */
    int64_t n_bytes;
    struct tess_graph *graph;
    struct tess_compiled_layout layout;
    uint32_t *crcs;      /* [layout.n_blocks] */
    int64_t n_cfg_bytes; /* at layout.cfg_at */
};

/* --- opening --- */

static enum tess_status damaged(const struct tess_compiled *compiled, const char *what,
                                struct tess_error *error)
{
    tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0, "%s", what);
    tess_error_hint(error, "the file is damaged: copy it again, or compile it again");
    return TESS_E_MODEL;
}

/* The header while it is being checked. */
struct header {
    unsigned char fixed[TESS_COMPILED_FIXED_BYTES];
    unsigned char *rest; /* what follows `fixed`: tables, name, cfg, zeros */
    int64_t header_bytes, file_bytes, n_cfg_bytes;
    int64_t n_name_bytes, n_entries, n_blocks;
};

static bool has_magic(const unsigned char *bytes)
{
    return memcmp(bytes, TESS_COMPILED_MAGIC, TESS_COMPILED_MAGIC_BYTES) == 0;
}

static enum tess_status read_fixed(const struct tess_compiled *compiled,
                                   struct header *header, struct tess_error *error)
{
    unsigned char *fixed = header->fixed;
    int64_t n_bytes = tess_min_i64(compiled->n_bytes, sizeof header->fixed);
    memset(fixed, 0, sizeof header->fixed);
    enum tess_status status =
        tess_paged_file_read(compiled->file, 0, n_bytes, fixed, error);
    if (status != TESS_OK)
        return status;
    if (!has_magic(fixed))
        return tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0,
                             "not a compiled model");
    uint32_t version = tess_compiled_get_u32(fixed + TESS_COMPILED_AT_VERSION);
    if (version != TESS_COMPILED_VERSION) {
        tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0,
                      "compiled model of format %lu, this program reads format %d",
                      (unsigned long)version, TESS_COMPILED_VERSION);
        tess_error_hint(error,
                        "compile the cfg and its weights again, with this program");
        return TESS_E_MODEL;
    }
    if (tess_crc32c(0, fixed, TESS_COMPILED_AT_FIXED_CRC) !=
        tess_compiled_get_u32(fixed + TESS_COMPILED_AT_FIXED_CRC))
        return damaged(compiled, "the header's checksum is wrong", error);
    return TESS_OK;
}

/* A size of 64 bits, or INT64_MAX for what no size can be. */
static int64_t get_size(const unsigned char *at)
{
    uint64_t value = tess_compiled_get_u64(at);
    return value <= INT64_MAX ? (int64_t)value : INT64_MAX;
}

/* The sizes are consistent with each other and with the file's. A checksum keeps accidents
 * away, but anybody can compute one. */
static bool are_sizes_sane(const struct header *header)
{
    if (header->n_cfg_bytes > TESS_COMPILED_LIMIT_CFG ||
        header->n_name_bytes > TESS_COMPILED_NAME_BYTES ||
        header->header_bytes > TESS_COMPILED_HEADER_LIMIT)
        return false;
    /* None of the terms is above 2^37. */
    int64_t used_bytes =
        TESS_COMPILED_FIXED_BYTES + TESS_COMPILED_ENTRY_BYTES * header->n_entries +
        4 * header->n_blocks + header->n_name_bytes + header->n_cfg_bytes;
    return tess_round_up(used_bytes, TESS_COMPILED_PAGE_BYTES) == header->header_bytes &&
           header->file_bytes >= header->header_bytes;
}

static enum tess_status check_sizes(const struct tess_compiled *compiled,
                                    struct header *header, struct tess_error *error)
{
    const unsigned char *fixed = header->fixed;
    header->header_bytes = get_size(fixed + TESS_COMPILED_AT_HEADER_BYTES);
    header->file_bytes = get_size(fixed + TESS_COMPILED_AT_FILE_BYTES);
    header->n_cfg_bytes = get_size(fixed + TESS_COMPILED_AT_CFG_BYTES);
    header->n_name_bytes = tess_compiled_get_u32(fixed + TESS_COMPILED_AT_NAME_BYTES);
    header->n_entries = tess_compiled_get_u32(fixed + TESS_COMPILED_AT_N_ENTRIES);
    header->n_blocks = tess_compiled_get_u32(fixed + TESS_COMPILED_AT_N_BLOCKS);
    if (tess_compiled_get_u32(fixed + TESS_COMPILED_AT_BLOCK) != TESS_PACKED_BLOCK ||
        tess_compiled_get_u32(fixed + TESS_COMPILED_AT_ZERO) != 0 ||
        !are_sizes_sane(header))
        return damaged(compiled, "the sizes in the header contradict each other", error);
    if (header->file_bytes == compiled->n_bytes)
        return TESS_OK;
    tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0,
                  "the compiled model has %lld bytes, but the file has %lld",
                  (long long)header->file_bytes, (long long)compiled->n_bytes);
    tess_error_hint(error, "the file is %s: copy it again, or compile it again",
                    compiled->n_bytes < header->file_bytes ? "cut off" : "damaged");
    return TESS_E_MODEL;
}

static enum tess_status read_rest(const struct tess_compiled *compiled,
                                  struct header *header, struct tess_error *error)
{
    int64_t n_bytes = header->header_bytes - TESS_COMPILED_FIXED_BYTES;
    header->rest = malloc((size_t)n_bytes);
    if (!header->rest)
        return tess_error_nomem(error);
    enum tess_status status = tess_paged_file_read(
        compiled->file, TESS_COMPILED_FIXED_BYTES, n_bytes, header->rest, error);
    if (status == TESS_OK &&
        tess_crc32c(0, header->rest, (size_t)n_bytes) !=
            tess_compiled_get_u32(header->fixed + TESS_COMPILED_AT_REST_CRC))
        status = damaged(compiled, "the checksum of cfg and tables is wrong", error);
    return status;
}

/* Where something is in `rest`, given its offset in the file. */
static const unsigned char *at_offset(const struct header *header, int64_t offset)
{
    assert(offset >= TESS_COMPILED_FIXED_BYTES && offset <= header->header_bytes);
    return header->rest + (offset - TESS_COMPILED_FIXED_BYTES);
}

/* The graph of the cfg inside. That importer, limits and messages are those for a cfg is
 * the point of carrying the text. */
static enum tess_status build_graph(struct tess_compiled *compiled,
                                    const struct header *header, struct tess_error *error)
{
    char file_name[TESS_COMPILED_NAME_BYTES + sizeof ".cfg"];
    int64_t name_at = TESS_COMPILED_FIXED_BYTES +
                      TESS_COMPILED_ENTRY_BYTES * header->n_entries +
                      4 * header->n_blocks;
    const char *name = (const char *)at_offset(header, name_at);
    size_t n_name_bytes = (size_t)header->n_name_bytes;
    if (!tess_compiled_is_name(name, n_name_bytes))
        return damaged(compiled, "the network's name is not printable", error);
    memcpy(file_name, name, n_name_bytes);
    memcpy(file_name + n_name_bytes, ".cfg", sizeof ".cfg");
    struct tess_error inner;
    tess_error_init(&inner);
    enum tess_status status =
        tess_darknet_parse(name + n_name_bytes, (size_t)header->n_cfg_bytes, file_name,
                           &compiled->graph, NULL, &inner);
    if (status == TESS_E_NOMEM)
        return tess_error_nomem(error);
    if (status == TESS_OK)
        return TESS_OK;
    tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0,
                  "the cfg inside is not understood, line %d: %s", inner.line,
                  inner.message);
    tess_error_hint(error, "the file is damaged or was made by another version of the "
                           "program: compile it again");
    return TESS_E_MODEL;
}

/* Are the tables those that the graph calls for? Nothing of them is trusted, so two ops
 * can share no byte and none can lie outside the file. */
static bool are_tables_right(const struct tess_compiled *compiled,
                             const struct header *header)
{
    const struct tess_compiled_layout *layout = &compiled->layout;
    if (layout->header_bytes != header->header_bytes ||
        layout->file_bytes != header->file_bytes ||
        layout->n_entries != header->n_entries || layout->n_blocks != header->n_blocks)
        return false;
    const unsigned char *at = header->rest;
    for (int i = 0; i < layout->n_entries; i++, at += TESS_COMPILED_ENTRY_BYTES) {
        unsigned char expected[TESS_COMPILED_ENTRY_BYTES];
        tess_compiled_put_entry(&layout->entries[i], expected);
        if (memcmp(at, expected, sizeof expected) != 0)
            return false;
    }
    at = at_offset(header, layout->cfg_at + header->n_cfg_bytes);
    for (const unsigned char *end = at_offset(header, layout->header_bytes); at < end;
         at++)
        if (*at != 0)
            return false;
    return true;
}

static enum tess_status read_tables(struct tess_compiled *compiled,
                                    const struct header *header, struct tess_error *error)
{
    struct tess_compiled_layout *layout = &compiled->layout;
    enum tess_status status =
        tess_compiled_layout_init(layout, compiled->graph, (size_t)header->n_name_bytes,
                                  (size_t)header->n_cfg_bytes, error);
    if (status == TESS_OK && !are_tables_right(compiled, header)) {
        status = tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0,
                               "the tables do not belong to the cfg inside");
        tess_error_hint(error,
                        "the file is damaged or was made by another version of the "
                        "program: compile it again");
    }
    if (status != TESS_OK)
        return status;
    compiled->n_cfg_bytes = header->n_cfg_bytes;
    compiled->crcs = calloc((size_t)layout->n_blocks + 1, sizeof *compiled->crcs);
    if (!compiled->crcs)
        return tess_error_nomem(error);
    const unsigned char *at = at_offset(header, layout->crcs_at);
    for (int64_t i = 0; i < layout->n_blocks; i++)
        compiled->crcs[i] = tess_compiled_get_u32(at + 4 * i);
    return TESS_OK;
}

static enum tess_status read_header(struct tess_compiled *compiled,
                                    struct tess_error *error)
{
    struct header header = {.rest = NULL};
    enum tess_status status = read_fixed(compiled, &header, error);
    if (status == TESS_OK)
        status = check_sizes(compiled, &header, error);
    if (status == TESS_OK)
        status = read_rest(compiled, &header, error);
    if (status == TESS_OK)
        status = build_graph(compiled, &header, error);
    if (status == TESS_OK)
        status = read_tables(compiled, &header, error);
    free(header.rest);
    return status;
}

bool tess_compiled_detect(const char *path)
{
    unsigned char magic[TESS_COMPILED_MAGIC_BYTES];
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = pread(fd, magic, sizeof magic, 0);
    close(fd);
    return n == TESS_COMPILED_MAGIC_BYTES && has_magic(magic);
}

enum tess_status tess_compiled_open(const char *path, bool leaves_cache,
                                    struct tess_compiled **compiled_out,
                                    struct tess_error *error)
{
    struct tess_compiled *compiled = calloc(1, sizeof *compiled);
    if (!compiled)
        return tess_error_nomem(error);
    enum tess_status status = tess_paged_file_open(path, &compiled->file, error);
    if (status == TESS_OK) {
        compiled->path = tess_paged_file_path(compiled->file);
        compiled->n_bytes = tess_paged_file_bytes(compiled->file);
        status = read_header(compiled, error);
    }
    if (status != TESS_OK) {
        tess_compiled_destroy(compiled);
        return status;
    }
    tess_paged_file_stream(compiled->file, leaves_cache);
    *compiled_out = compiled;
    return TESS_OK;
}

void tess_compiled_destroy(struct tess_compiled *compiled)
{
    if (!compiled)
        return;
    tess_paged_file_destroy(compiled->file);
    tess_compiled_layout_release(&compiled->layout);
    tess_graph_destroy(compiled->graph);
    free(compiled->crcs);
    free(compiled);
}

const struct tess_graph *tess_compiled_graph(const struct tess_compiled *compiled)
{
    return compiled->graph;
}

void tess_compiled_drop_graph(struct tess_compiled *compiled)
{
    tess_graph_destroy(compiled->graph);
    compiled->graph = NULL;
}

enum tess_status tess_compiled_cfg(const struct tess_compiled *compiled,
                                   struct tess_text *text_out, struct tess_error *error)
{
    char *cfg = malloc((size_t)compiled->n_cfg_bytes + 1);
    if (!cfg)
        return tess_error_nomem(error);
    enum tess_status status = tess_paged_file_read(
        compiled->file, compiled->layout.cfg_at, compiled->n_cfg_bytes, cfg, error);
    if (status == TESS_OK)
        tess_text_append(text_out, cfg, (size_t)compiled->n_cfg_bytes);
    free(cfg);
    return status == TESS_OK && text_out->is_broken ? tess_error_nomem(error) : status;
}

int64_t tess_compiled_bytes(const struct tess_compiled *compiled)
{
    return compiled->n_bytes;
}

/* --- reading --- */

/* The entry of an op, found by what a cut graph keeps of it. */
static int find_entry(const struct tess_compiled *compiled, const struct tess_op *op)
{
    const struct tess_compiled_layout *layout = &compiled->layout;
    int low = 0, high = layout->n_entries;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (layout->entries[middle].weights_offset <= op->weights_offset)
            low = middle;
        else
            high = middle;
    }
    assert(low < high && layout->entries[low].weights_offset == op->weights_offset);
    assert(layout->entries[low].layer == op->layer);
    return low;
}

void tess_compiled_cursor_init(struct tess_compiled_cursor *cursor,
                               const struct tess_compiled *compiled,
                               const struct tess_op *op, int first_block, int n_blocks)
{
    assert(tess_op_has_weights(op));
    int at = find_entry(compiled, op);
    const struct tess_compiled_entry *entry = &compiled->layout.entries[at];
    assert(first_block >= 0 && n_blocks >= 0 &&
           first_block <= entry->n_blocks - n_blocks);
    *cursor = (struct tess_compiled_cursor){
        .compiled = compiled,
        .entry = at,
        .position = first_block * entry->block_bytes,
        .end = (first_block + n_blocks) * entry->block_bytes,
    };
}

static enum tess_status wrong_block(const struct tess_compiled_cursor *cursor,
                                    int64_t block, struct tess_error *error)
{
    const struct tess_compiled *compiled = cursor->compiled;
    const struct tess_compiled_entry *entry = &compiled->layout.entries[cursor->entry];
    tess_error_at(error, TESS_E_MODEL, compiled->path, 0, 0,
                  "layer %d, block %lld of its %d: the weights' checksum is wrong",
                  entry->layer, (long long)block, entry->n_blocks);
    tess_error_hint(error, "the file is damaged: copy it again, or compile it again");
    return TESS_E_MODEL;
}

/* Takes bytes that were read into the checksums of their blocks, and moves past them. */
static enum tess_status take(struct tess_compiled_cursor *cursor, const char *bytes,
                             int64_t n_bytes, struct tess_error *error)
{
    const struct tess_compiled *compiled = cursor->compiled;
    const struct tess_compiled_entry *entry = &compiled->layout.entries[cursor->entry];
    while (n_bytes > 0) {
        int64_t block = cursor->position / entry->block_bytes;
        int64_t block_end = (block + 1) * entry->block_bytes;
        int64_t n = tess_min_i64(n_bytes, block_end - cursor->position);
        cursor->crc = tess_crc32c(cursor->crc, bytes, (size_t)n);
        cursor->position += n;
        bytes += n;
        n_bytes -= n;
        if (cursor->position < block_end)
            continue;
        if (cursor->crc != compiled->crcs[entry->first_block + block])
            return wrong_block(cursor, block, error);
        cursor->crc = 0;
    }
    return TESS_OK;
}

enum tess_status tess_compiled_cursor_read(struct tess_compiled_cursor *cursor,
                                           int64_t n_bytes, void *bytes_out,
                                           struct tess_error *error)
{
    const struct tess_compiled *compiled = cursor->compiled;
    int64_t offset = compiled->layout.entries[cursor->entry].offset;
    int64_t at_once_bytes = tess_paged_file_best_bytes(compiled->file);
    char *to = bytes_out;
    assert(n_bytes >= 0 && n_bytes <= cursor->end - cursor->position);
    while (n_bytes > 0) {
        int64_t n = tess_min_i64(n_bytes, at_once_bytes);
        enum tess_status status =
            tess_paged_file_read(compiled->file, offset + cursor->position, n, to, error);
        if (status == TESS_OK)
            status = take(cursor, to, n, error);
        if (status != TESS_OK)
            return status;
        to += n;
        n_bytes -= n;
    }
    return TESS_OK;
}

enum tess_status tess_compiled_read(const struct tess_compiled *compiled, int op,
                                    int first_block, int n_blocks, void *packed_out,
                                    struct tess_error *error)
{
    struct tess_compiled_cursor cursor;
    assert(op >= 0 && op < compiled->graph->n_ops);
    tess_compiled_cursor_init(&cursor, compiled, &compiled->graph->ops[op], first_block,
                              n_blocks);
    return tess_compiled_cursor_read(&cursor, cursor.end - cursor.position, packed_out,
                                     error);
}
