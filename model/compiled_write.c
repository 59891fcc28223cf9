#include "model/compiled.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "model/compiled_priv.h"
#include "model/packed.h"

struct writer {
    const struct tess_compiled_job *job;
    const char *path; /* for messages */
    char *temporary;  /* beside it */
    int fd;
    struct tess_compiled_layout layout;
    size_t n_name_bytes;
    unsigned char *header; /* [layout.header_bytes] */
    void *block;           /* the largest block's size */
};

static enum tess_status io_error(const struct writer *writer, const char *verb,
                                 struct tess_error *error)
{
    return tess_error_at(error, TESS_E_IO, writer->path, 0, 0, "cannot %s: %s", verb,
                         strerror(errno));
}

static enum tess_status write_at(const struct writer *writer, const void *bytes,
                                 int64_t n_bytes, int64_t offset,
                                 struct tess_error *error)
{
    const char *from = bytes;
    while (n_bytes > 0) {
        ssize_t n = pwrite(writer->fd, from, (size_t)n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error(writer, "write", error);
        from += n;
        offset += n;
        n_bytes -= n;
    }
    return TESS_OK;
}

/* Devices and pipes cannot be replaced by a rename. */
static enum tess_status create_beside(struct writer *writer, struct tess_error *error)
{
    struct stat info;
    if (stat(writer->path, &info) == 0 && !S_ISREG(info.st_mode))
        return tess_error_at(error, TESS_E_IO, writer->path, 0, 0,
                             "cannot write: not a regular file");
    size_t n_path_bytes = strlen(writer->path);
    char *temporary = malloc(n_path_bytes + sizeof ".XXXXXX");
    if (!temporary)
        return tess_error_nomem(error);
    memcpy(temporary, writer->path, n_path_bytes);
    memcpy(temporary + n_path_bytes, ".XXXXXX", sizeof ".XXXXXX");
    writer->fd = mkostemp(temporary, O_CLOEXEC);
    if (writer->fd < 0) {
        free(temporary);
        return io_error(writer, "create", error);
    }
    writer->temporary = temporary;
    return TESS_OK;
}

static enum tess_status allocate(struct writer *writer, struct tess_error *error)
{
    const struct tess_compiled_job *job = writer->job;
    enum tess_status status = tess_compiled_layout_init(
        &writer->layout, job->graph, writer->n_name_bytes, job->n_cfg_bytes, error);
    if (status != TESS_OK)
        return status;
    int64_t most_bytes = 64;
    for (int i = 0; i < writer->layout.n_entries; i++)
        if (writer->layout.entries[i].block_bytes > most_bytes)
            most_bytes = writer->layout.entries[i].block_bytes;
    assert(most_bytes % 64 == 0);
    writer->header = calloc(1, (size_t)writer->layout.header_bytes);
    writer->block = aligned_alloc(64, (size_t)most_bytes);
    return writer->header && writer->block ? TESS_OK : tess_error_nomem(error);
}

/* Writes an op's blocks and notes their checksums. */
static enum tess_status write_entry(struct writer *writer,
                                    const struct tess_compiled_entry *entry,
                                    struct tess_error *error)
{
    const struct tess_compiled_job *job = writer->job;
    const struct tess_compiled_layout *layout = &writer->layout;
    for (int i = 0; i < entry->n_blocks; i++) {
        int64_t at = entry->offset + i * entry->block_bytes;
        enum tess_status status =
            job->blocks.read(job->blocks.context, entry->op, i, 1, writer->block, error);
        if (status == TESS_OK)
            status = write_at(writer, writer->block, entry->block_bytes, at, error);
        if (status != TESS_OK)
            return status;
        tess_compiled_put_u32(writer->header + layout->crcs_at +
                                  4 * (entry->first_block + i),
                              tess_crc32c(0, writer->block, (size_t)entry->block_bytes));
        if (job->progress)
            job->progress(job->progress_context,
                          (double)(at + entry->block_bytes) / (double)layout->file_bytes);
    }
    return TESS_OK;
}

static void fill_header(struct writer *writer)
{
    const struct tess_compiled_job *job = writer->job;
    const struct tess_compiled_layout *layout = &writer->layout;
    unsigned char *header = writer->header, *name = header + layout->name_at;
    memcpy(header, TESS_COMPILED_MAGIC, TESS_COMPILED_MAGIC_BYTES);
    tess_compiled_put_u32(header + TESS_COMPILED_AT_VERSION, TESS_COMPILED_VERSION);
    tess_compiled_put_u32(header + TESS_COMPILED_AT_BLOCK, TESS_PACKED_BLOCK);
    tess_compiled_put_u64(header + TESS_COMPILED_AT_HEADER_BYTES,
                          (uint64_t)layout->header_bytes);
    tess_compiled_put_u64(header + TESS_COMPILED_AT_FILE_BYTES,
                          (uint64_t)layout->file_bytes);
    tess_compiled_put_u64(header + TESS_COMPILED_AT_CFG_BYTES, job->n_cfg_bytes);
    tess_compiled_put_u32(header + TESS_COMPILED_AT_NAME_BYTES,
                          (uint32_t)writer->n_name_bytes);
    tess_compiled_put_u32(header + TESS_COMPILED_AT_N_ENTRIES,
                          (uint32_t)layout->n_entries);
    tess_compiled_put_u32(header + TESS_COMPILED_AT_N_BLOCKS, (uint32_t)layout->n_blocks);
    for (int i = 0; i < layout->n_entries; i++)
        tess_compiled_put_entry(&layout->entries[i], header + TESS_COMPILED_FIXED_BYTES +
                                                         i * TESS_COMPILED_ENTRY_BYTES);
    memcpy(name, job->graph->name, writer->n_name_bytes);
    memcpy(header + layout->cfg_at, job->cfg, job->n_cfg_bytes);
    tess_compiled_put_u32(
        header + TESS_COMPILED_AT_REST_CRC,
        tess_crc32c(0, header + TESS_COMPILED_FIXED_BYTES,
                    (size_t)layout->header_bytes - TESS_COMPILED_FIXED_BYTES));
    tess_compiled_put_u32(header + TESS_COMPILED_AT_FIXED_CRC,
                          tess_crc32c(0, header, TESS_COMPILED_AT_FIXED_CRC));
}

static enum tess_status write_file(struct writer *writer, struct tess_error *error)
{
    const struct tess_compiled_layout *layout = &writer->layout;
    /* At once, so that the gaps between ops are zeros. */
    if (ftruncate(writer->fd, (off_t)layout->file_bytes) != 0)
        return io_error(writer, "write", error);
    for (int i = 0; i < layout->n_entries; i++) {
        enum tess_status status = write_entry(writer, &layout->entries[i], error);
        if (status != TESS_OK)
            return status;
    }
    fill_header(writer);
    enum tess_status status =
        write_at(writer, writer->header, layout->header_bytes, 0, error);
    if (status == TESS_OK && fchmod(writer->fd, 0644) != 0)
        status = io_error(writer, "write", error);
    return status;
}

static enum tess_status close_and_rename(struct writer *writer, struct tess_error *error)
{
    int fd = writer->fd;
    writer->fd = -1;
    if (close(fd) != 0 || rename(writer->temporary, writer->path) != 0)
        return io_error(writer, "write", error);
    free(writer->temporary);
    writer->temporary = NULL;
    return TESS_OK;
}

enum tess_status tess_compiled_write(const struct tess_compiled_job *job,
                                     const char *path, struct tess_error *error)
{
    assert(job->n_cfg_bytes <= TESS_COMPILED_LIMIT_CFG);
    struct writer writer = {.job = job, .path = path, .fd = -1};
    writer.n_name_bytes = strlen(job->graph->name);
    enum tess_status status = TESS_OK;
    if (!tess_compiled_is_name(job->graph->name, writer.n_name_bytes))
        status =
            tess_error_set(error, TESS_E_MODEL,
                           "the network's name is empty, longer than %d bytes or has "
                           "control characters",
                           TESS_COMPILED_NAME_BYTES);
    if (status == TESS_OK)
        status = allocate(&writer, error);
    if (status == TESS_OK)
        status = create_beside(&writer, error);
    if (status == TESS_OK)
        status = write_file(&writer, error);
    if (status == TESS_OK)
        status = close_and_rename(&writer, error);
    if (writer.fd >= 0)
        close(writer.fd);
    if (writer.temporary) {
        unlink(writer.temporary);
        free(writer.temporary);
    }
    free(writer.block);
    free(writer.header);
    tess_compiled_layout_release(&writer.layout);
    return status;
}
