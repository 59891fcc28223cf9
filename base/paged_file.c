/* Problem: read a file and leave the page cache as it was, without a kernel younger than 2018 and
 *   without being slower than the system's reading ahead.
 * Method: the file is cut into pieces. Before the stream begins, each is *found*, if all of
 *   its pages are in the cache, or else *ours*. mincore() tells which pages are. It does not
 *   tell those who may not write the file, and says "all" instead: hence one byte of each
 *   piece that is said to be there is read with RWF_NOWAIT, which takes only what is cached.
 *   Where that fails nothing more can be believed, and all that follows is ours. Pieces of
 *   ours are read past the cache. Disks give whole sectors to aligned memory only: one
 *   vectored read brings the sectors at both edges to the stack and what lies between them to
 *   its place, or less than a sector beside it, to be moved.
 *       file     |....####|########|########|###.....|   wanted: #
 *       goes to      edge   memory   memory   edge
 *   A piece that was found and has left the cache since becomes ours. Where the file system
 *   cannot, ours are read through the cache, and dropped when the stream leaves them.
 * Invariant: whatever is missing lies in pieces of ours, so that it does not matter who
 *   brings it in and when. Of ours, the cache has the piece last read, and what was read
 *   aside. The system does not read ahead: pages on their way from the disk cannot be given
 *   back, and a process that fills its memory limit would be ended for them.
 * Cost: two system calls per piece when the stream begins, one when it is read; past the cache,
 *   one for all pieces that are read at once.
 * Not done: a piece that another program brings in while we read is dropped, or not used. On a
 *   file system without RWF_NOWAIT everything counts as ours. Disks with sectors of 4096 bytes
 *   are read through the cache.
 */
#include "base/paged_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arith.h"

enum { PIECE = TESS_PAGED_FILE_PIECE_BYTES };

/* Linux keeps files in units (folios) of up to 2 MiB. */
enum { UNIT_PIECES = (2 << 20) / PIECE };

/* The file is asked about in ranges of so many bytes. */
enum { RANGE_BYTES = 16 << 20, LEAST_PAGE_BYTES = 4096 };

/* TUNING: bytes that stay in a second-level cache, and bytes after which a disk's latency no longer
 * counts: past the cache, reads of 256 KiB cost 15 ms of a processor for 100 MB, of 1 MiB 5, of
 * 4 MiB 3; through it, 25 to 50. November 2026. */
enum { CACHED_BYTES = 256 * 1024, DIRECT_BYTES = 4 << 20 };

struct tess_paged_file {
    char *path;
    int fd;
    int direct_fd; /* the same file past the cache; -1: none */
    int64_t n_bytes, n_pieces;
    bool leaves_cache;
    atomic_bool is_refused;  /* nothing is to be read past the cache, or nothing can */
    atomic_llong last_piece; /* that the stream read through the cache */
    atomic_bool *is_ours;    /* [n_pieces]; once the stream begins, only ever set */
};

/* --- life --- */

static enum tess_status open_regular(struct tess_paged_file *file,
                                     struct tess_error *error)
{
    struct stat info;
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &info) != 0)
        return tess_error_at(error, TESS_E_IO, file->path, 0, 0, "cannot open: %s",
                             strerror(errno));
    if (!S_ISREG(info.st_mode))
        return tess_error_at(error, TESS_E_IO, file->path, 0, 0, "not a regular file");
    file->n_bytes = info.st_size;
    file->n_pieces = tess_div_up(file->n_bytes, PIECE);
    file->is_ours = calloc((size_t)file->n_pieces + 1, sizeof *file->is_ours);
    if (!file->is_ours)
        return tess_error_nomem(error);
    /* Advice, here and below: a system that does not take it reads more slowly or remembers
     * more. */
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
    return TESS_OK;
}

enum tess_status tess_paged_file_open(const char *path, struct tess_paged_file **file_out,
                                      struct tess_error *error)
{
    struct tess_paged_file *file = calloc(1, sizeof *file);
    if (!file)
        return tess_error_nomem(error);
    file->fd = file->direct_fd = -1;
    file->path = strdup(path);
    enum tess_status status = file->path ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = open_regular(file, error);
    if (status != TESS_OK) {
        tess_paged_file_destroy(file);
        return status;
    }
    *file_out = file;
    return TESS_OK;
}

/* Drops `piece` if it is ours. What the system read ahead for others lies in larger units,
 * and only those are dropped that lie wholly inside: hence once more what came before. */
static void drop(const struct tess_paged_file *file, int64_t piece)
{
    int64_t begin = piece + 1;
    while (begin > 0 && piece + 1 - begin < UNIT_PIECES && file->is_ours[begin - 1])
        begin--;
    if (begin <= piece)
        (void)posix_fadvise(file->fd, (off_t)(begin * PIECE),
                            (off_t)((piece + 1 - begin) * PIECE), POSIX_FADV_DONTNEED);
}

void tess_paged_file_destroy(struct tess_paged_file *file)
{
    if (!file)
        return;
    for (int64_t piece = 0; file->leaves_cache && piece < file->n_pieces; piece++)
        drop(file, piece);
    if (file->fd >= 0)
        close(file->fd);
    if (file->direct_fd >= 0)
        close(file->direct_fd);
    free(file->is_ours);
    free(file->path);
    free(file);
}

const char *tess_paged_file_path(const struct tess_paged_file *file)
{
    return file->path;
}

int64_t tess_paged_file_bytes(const struct tess_paged_file *file)
{
    return file->n_bytes;
}

/* --- what is cached --- */

/* Makes the pieces ours of which a page is missing, in the `n_bytes` at `offset`. */
static void find_missing(struct tess_paged_file *file, int64_t offset, int64_t n_bytes)
{
    unsigned char is_cached[RANGE_BYTES / LEAST_PAGE_BYTES];
    int64_t page_bytes = sysconf(_SC_PAGESIZE);
    assert(page_bytes >= LEAST_PAGE_BYTES && n_bytes <= RANGE_BYTES);
    /* A mapping of which no page is touched takes no memory. */
    void *range =
        mmap(NULL, (size_t)n_bytes, PROT_READ, MAP_SHARED, file->fd, (off_t)offset);
    if (range == MAP_FAILED)
        return;
    if (mincore(range, (size_t)n_bytes, is_cached) == 0)
        for (int64_t at = 0; at < n_bytes; at += page_bytes)
            if (!(is_cached[at / page_bytes] & 1))
                file->is_ours[(offset + at) / PIECE] = true;
    (void)munmap(range, (size_t)n_bytes);
}

/* Is the first byte of a piece cached? If not, the system may begin to read its page, and now
 * and then it has it before it answers. */
static bool has_first_byte(const struct tess_paged_file *file, int64_t piece)
{
    char byte;
    struct iovec to = {&byte, 1};
    return preadv2(file->fd, &to, 1, (off_t)(piece * PIECE), RWF_NOWAIT) == 1;
}

/* Makes everything ours from the first piece on that was said to be cached and is not. */
static void find_lie(struct tess_paged_file *file)
{
    int64_t piece = 0;
    while (piece < file->n_pieces &&
           (file->is_ours[piece] || has_first_byte(file, piece)))
        piece++;
    for (; piece < file->n_pieces; piece++)
        file->is_ours[piece] = true;
}

void tess_paged_file_stream(struct tess_paged_file *file, bool leaves_cache)
{
    file->leaves_cache = leaves_cache;
    if (leaves_cache && !file->is_refused && file->direct_fd < 0)
        file->direct_fd = open(file->path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    if (leaves_cache) {
        for (int64_t at = 0; at < file->n_bytes; at += RANGE_BYTES)
            find_missing(file, at, tess_min_i64(RANGE_BYTES, file->n_bytes - at));
        find_lie(file);
    }
    (void)posix_fadvise(file->fd, 0, 0,
                        leaves_cache ? POSIX_FADV_RANDOM : POSIX_FADV_SEQUENTIAL);
}

void tess_paged_file_allow_direct(struct tess_paged_file *file, bool is_allowed)
{
    file->is_refused = !is_allowed;
}

void tess_paged_file_pause(struct tess_paged_file *file)
{
    if (file->leaves_cache && file->n_bytes > 0)
        drop(file, file->last_piece);
}

/* --- reading --- */

enum tess_status tess_paged_file_read_aside(struct tess_paged_file *file, int64_t offset,
                                            int64_t n_bytes, void *bytes_out,
                                            struct tess_error *error)
{
    char *to = bytes_out;
    assert(offset >= 0 && n_bytes >= 0 && offset <= file->n_bytes - n_bytes);
    while (n_bytes > 0) {
        ssize_t n = pread(file->fd, to, (size_t)n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tess_error_at(error, TESS_E_IO, file->path, 0, 0, "cannot read: %s",
                                 strerror(errno));
        if (n == 0)
            return tess_error_at(error, TESS_E_IO, file->path, 0, 0,
                                 "the file became shorter while it was read");
        to += n;
        offset += n;
        n_bytes -= n;
    }
    return TESS_OK;
}

static bool is_direct(const struct tess_paged_file *file)
{
    return file->leaves_cache && file->direct_fd >= 0 && !file->is_refused;
}

int64_t tess_paged_file_best_bytes(const struct tess_paged_file *file)
{
    return is_direct(file) ? DIRECT_BYTES : CACHED_BYTES;
}

/* --- past the cache --- */

enum { SECTOR = TESS_PAGED_FILE_ALIGNMENT };

/* Reads past the cache. False if the system would not, or gave less: nothing is lost then. */
static bool read_direct(struct tess_paged_file *file, int64_t offset, int64_t n_bytes,
                        char *to)
{
    /* Before the first whole sector; after the last that fits into aligned memory. */
    _Alignas(SECTOR) char edges[4 * SECTOR];
    char *aligned = to + (SECTOR - (uintptr_t)to % SECTOR) % SECTOR;
    int64_t end = offset + n_bytes, n_head = (SECTOR - offset % SECTOR) % SECTOR;
    int64_t room = tess_min_i64(end - (offset + n_head), to + n_bytes - aligned);
    if (room < SECTOR)
        return false;
    int64_t n_middle = room - room % SECTOR, n_tail = n_bytes - n_head - n_middle;
    int64_t lead_bytes = n_head > 0 ? SECTOR : 0;
    assert(n_tail >= 0 && n_tail < 2 * SECTOR);
    struct iovec parts[] = {{edges, (size_t)lead_bytes},
                            {aligned, (size_t)n_middle},
                            {edges + SECTOR, (size_t)tess_round_up(n_tail, SECTOR)}};
    ssize_t n = preadv(file->direct_fd, parts, 3, (off_t)(offset + n_head - lead_bytes));
    if (n < lead_bytes + n_middle + n_tail) {
        file->is_refused = file->is_refused || (n < 0 && errno == EINVAL);
        return false;
    }
    memmove(to + n_head, aligned, (size_t)n_middle);
    memcpy(to, edges + SECTOR - n_head, (size_t)n_head);
    memcpy(to + n_head + n_middle, edges + SECTOR, (size_t)n_tail);
    return true;
}

/* Takes the bytes from the cache if all are there. */
static bool read_cached(const struct tess_paged_file *file, int64_t offset,
                        int64_t n_bytes, char *to)
{
    struct iovec all = {to, (size_t)n_bytes};
    return preadv2(file->fd, &all, 1, (off_t)offset, RWF_NOWAIT) == n_bytes;
}

/* The end of what begins at `offset` and lies in pieces that are all ours, or all not; `end` at
 * most. */
static int64_t end_of_run(const struct tess_paged_file *file, int64_t offset, int64_t end)
{
    int64_t piece = offset / PIECE;
    bool is_ours = file->is_ours[piece];
    while ((piece + 1) * PIECE < end && file->is_ours[piece + 1] == is_ours)
        piece++;
    return tess_min_i64(end, (piece + 1) * PIECE);
}

/* Pieces of ours past the cache, others from it. What was found and has gone becomes ours. False
 * if the system would not. */
static bool read_past(struct tess_paged_file *file, int64_t offset, int64_t n_bytes,
                      char *to)
{
    for (int64_t n, end = offset + n_bytes; offset < end; offset += n, to += n) {
        n = end_of_run(file, offset, end) - offset;
        if (!file->is_ours[offset / PIECE]) {
            n = tess_min_i64(n, (offset / PIECE + 1) * PIECE - offset);
            if (read_cached(file, offset, n, to))
                continue;
            file->is_ours[offset / PIECE] = true;
        }
        if (!read_direct(file, offset, n, to))
            return false;
    }
    return true;
}

/* --- reading on --- */

static enum tess_status read_through(struct tess_paged_file *file, int64_t offset,
                                     int64_t n_bytes, char *to, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int64_t n; n_bytes > 0 && status == TESS_OK;
         offset += n, to += n, n_bytes -= n) {
        int64_t piece = offset / PIECE;
        n = tess_min_i64(n_bytes, (piece + 1) * PIECE - offset);
        status = tess_paged_file_read_aside(file, offset, n, to, error);
        int64_t last = atomic_exchange(&file->last_piece, piece);
        if (file->leaves_cache && last != piece)
            drop(file, last);
    }
    return status;
}

enum tess_status tess_paged_file_read(struct tess_paged_file *file, int64_t offset,
                                      int64_t n_bytes, void *bytes_out,
                                      struct tess_error *error)
{
    assert(offset >= 0 && n_bytes >= 0 && offset <= file->n_bytes - n_bytes);
    if (is_direct(file) && read_past(file, offset, n_bytes, bytes_out))
        return TESS_OK;
    return read_through(file, offset, n_bytes, bytes_out, error);
}
