#include "transport/blobs.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"

enum { OWNER_MAX = 64, FOLDER_MAX = 800, WINDOW_BYTES = 64 * 1024, VERIFIED = 512 };

/* A whole file that had its hash when this process looked. */
struct verified {
    struct tess_sha256 hash;
    dev_t device;
    ino_t inode;
    off_t n_bytes;
    struct timespec changed;
};

/* The hash of what was put of one blob, from its beginning on. */
struct running {
    struct tess_sha256 hash; /* of the whole blob, as asked for */
    int64_t n_bytes;         /* put and added; 0: nothing is running */
    struct tess_sha256_run run;
};

struct tess_blobs {
    char folder[FOLDER_MAX];
    char owner[OWNER_MAX];
    int64_t cap_bytes;
    struct tess_sha256 *own; /* [n_own] of the current plan */
    int n_own, capacity;
    struct running running;
    struct verified verified[VERIFIED]; /* the latest, a ring */
    int64_t n_verified;
};

static enum tess_status io_error(struct tess_error *error, const char *path,
                                 const char *verb)
{
    return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot %s: %s", verb,
                         strerror(errno));
}

enum tess_status tess_blobs_create(const char *folder, const char *owner,
                                   int64_t cap_bytes, struct tess_blobs **blobs_out,
                                   struct tess_error *error)
{
    assert(cap_bytes >= 0);
    if (strlen(folder) >= FOLDER_MAX)
        return tess_error_set(error, TESS_E_IO, "the cache's path is too long");
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return io_error(error, folder, "make the folder");
    if (access(folder, R_OK | W_OK | X_OK) != 0)
        return io_error(error, folder, "use the folder");
    struct tess_blobs *blobs = calloc(1, sizeof *blobs);
    if (!blobs)
        return tess_error_nomem(error);
    strcpy(blobs->folder, folder);
    for (int i = 0; owner[i] && i + 1 < OWNER_MAX; i++)
        blobs->owner[i] = isalnum((unsigned char)owner[i]) ? owner[i] : '_';
    blobs->cap_bytes = cap_bytes;
    *blobs_out = blobs;
    return TESS_OK;
}

void tess_blobs_destroy(struct tess_blobs *blobs)
{
    if (!blobs)
        return;
    free(blobs->own);
    free(blobs);
}

void tess_blobs_begin(struct tess_blobs *blobs)
{
    blobs->n_own = 0;
}

/* --- names --- */

const char *tess_blobs_path(const struct tess_blobs *blobs,
                            const struct tess_sha256 *hash, char *path, size_t size)
{
    char text[TESS_SHA256_HEX];
    assert(size >= TESS_BLOBS_PATH);
    snprintf(path, size, "%s/%s", blobs->folder, tess_sha256_text(hash, text));
    return path;
}

static const char *part_path(const struct tess_blobs *blobs,
                             const struct tess_sha256 *hash, char *path)
{
    char text[TESS_SHA256_HEX];
    snprintf(path, TESS_BLOBS_PATH, "%s/%s.%s.part", blobs->folder,
             tess_sha256_text(hash, text), blobs->owner);
    return path;
}

/* Does the file's name begin with the hash of a blob of the current plan? */
static bool is_own(const struct tess_blobs *blobs, const char *name)
{
    char text[TESS_SHA256_HEX];
    for (int i = 0; i < blobs->n_own; i++)
        if (strncmp(name, tess_sha256_text(&blobs->own[i], text), TESS_SHA256_HEX - 1) ==
            0)
            return true;
    return false;
}

static enum tess_status add_own(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                                struct tess_error *error)
{
    for (int i = 0; i < blobs->n_own; i++)
        if (tess_sha256_is_equal(&blobs->own[i], hash))
            return TESS_OK;
    if (blobs->n_own == blobs->capacity) {
        int capacity = blobs->capacity ? 2 * blobs->capacity : 64;
        struct tess_sha256 *own = realloc(blobs->own, sizeof *own * (size_t)capacity);
        if (!own)
            return tess_error_nomem(error);
        blobs->own = own;
        blobs->capacity = capacity;
    }
    blobs->own[blobs->n_own++] = *hash;
    return TESS_OK;
}

/* --- room --- */

struct survey {
    int64_t total_bytes;
    bool has_oldest; /* among those that may be removed */
    struct timespec oldest_time;
    int64_t oldest_bytes;
    char oldest[TESS_BLOBS_PATH];
};

static bool is_older(struct timespec a, struct timespec b)
{
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/* A blob's use is its time of access: that of change tells whether its content is the same. */
static struct timespec used_time(const struct stat *info)
{
    return is_older(info->st_atim, info->st_mtim) ? info->st_mtim : info->st_atim;
}

static void mark_used(const char *path)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    utimensat(AT_FDCWD, path, times, 0); /* where that fails, it only ages */
}

/* Is this a name that we give? Others' files are not ours to count or remove. */
static bool is_blob_name(const char *name)
{
    for (int i = 0; i < TESS_SHA256_HEX - 1; i++)
        if (!isxdigit((unsigned char)name[i]))
            return false;
    size_t length = strlen(name);
    return length == TESS_SHA256_HEX - 1 ||
           (name[TESS_SHA256_HEX - 1] == '.' && strcmp(name + length - 5, ".part") == 0);
}

static enum tess_status survey(const struct tess_blobs *blobs, struct survey *survey_out,
                               struct tess_error *error)
{
    struct survey found = {0};
    DIR *folder = opendir(blobs->folder);
    if (!folder)
        return io_error(error, blobs->folder, "read the folder");
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        char path[TESS_BLOBS_PATH + 256];
        struct stat info;
        snprintf(path, sizeof path, "%s/%s", blobs->folder, entry->d_name);
        if (!is_blob_name(entry->d_name) || strlen(path) >= TESS_BLOBS_PATH ||
            stat(path, &info) != 0)
            continue;
        found.total_bytes += info.st_size;
        if (is_own(blobs, entry->d_name) ||
            (found.has_oldest && !is_older(used_time(&info), found.oldest_time)))
            continue;
        found.has_oldest = true;
        found.oldest_time = used_time(&info);
        found.oldest_bytes = info.st_size;
        strcpy(found.oldest, path);
    }
    closedir(folder);
    *survey_out = found;
    return TESS_OK;
}

enum tess_status tess_blobs_total(const struct tess_blobs *blobs, int64_t *bytes_out,
                                  struct tess_error *error)
{
    struct survey found;
    enum tess_status status = survey(blobs, &found, error);
    if (status == TESS_OK)
        *bytes_out = found.total_bytes;
    return status;
}

static enum tess_status make_room(const struct tess_blobs *blobs, int64_t n_bytes,
                                  struct tess_error *error)
{
    for (;;) {
        struct survey found;
        enum tess_status status = survey(blobs, &found, error);
        if (status != TESS_OK || blobs->cap_bytes == 0 ||
            n_bytes <= blobs->cap_bytes - found.total_bytes)
            return status;
        if (!found.has_oldest)
            return tess_error_at(error, TESS_E_BUDGET, blobs->folder, 0, 0,
                                 "the plan's weights exceed the cache's limit of %lld "
                                 "bytes",
                                 (long long)blobs->cap_bytes);
        if (unlink(found.oldest) != 0 && errno != ENOENT)
            return io_error(error, found.oldest, "remove");
    }
}

/* --- content --- */

/* Sets whether the file has the hash; false as well if there is no such file. */
static enum tess_status verify(const char *path, const struct tess_sha256 *hash,
                               int64_t n_bytes, bool *is_right_out,
                               struct tess_error *error)
{
    static const struct tess_sha256 none;
    struct tess_sha256_run run;
    struct tess_sha256 actual = none;
    int64_t total = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return io_error(error, path, "open");
    unsigned char *window = fd < 0 ? NULL : malloc(WINDOW_BYTES);
    tess_sha256_start(&run);
    ssize_t n = window ? 1 : 0;
    while (n > 0) {
        n = read(fd, window, WINDOW_BYTES);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0) {
            tess_sha256_add(&run, window, (size_t)n);
            total += n;
        }
    }
    actual = tess_sha256_end(&run);
    if (fd >= 0)
        close(fd);
    free(window);
    if (fd >= 0 && !window)
        return tess_error_nomem(error);
    *is_right_out =
        fd >= 0 && n == 0 && total == n_bytes && tess_sha256_is_equal(&actual, hash);
    return TESS_OK;
}

static bool is_same_file(const struct verified *known, const struct stat *info)
{
    return known->device == info->st_dev && known->inode == info->st_ino &&
           known->n_bytes == info->st_size &&
           known->changed.tv_sec == info->st_mtim.tv_sec &&
           known->changed.tv_nsec == info->st_mtim.tv_nsec;
}

static bool was_verified(const struct tess_blobs *blobs, const struct tess_sha256 *hash,
                         const struct stat *info)
{
    for (int i = 0; i < VERIFIED && i < blobs->n_verified; i++)
        if (tess_sha256_is_equal(&blobs->verified[i].hash, hash) &&
            is_same_file(&blobs->verified[i], info))
            return true;
    return false;
}

/* `info` is from before the file was read: a change meanwhile is seen. */
static void remember(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                     const struct stat *info)
{
    blobs->verified[blobs->n_verified++ % VERIFIED] =
        (struct verified){.hash = *hash,
                          .device = info->st_dev,
                          .inode = info->st_ino,
                          .n_bytes = info->st_size,
                          .changed = info->st_mtim};
}

/* verify(), but not twice in one process. */
static enum tess_status verify_whole(struct tess_blobs *blobs, const char *path,
                                     const struct tess_sha256 *hash, int64_t n_bytes,
                                     bool *is_right_out, struct tess_error *error)
{
    struct stat info;
    bool has_info = stat(path, &info) == 0;
    if (has_info && info.st_size == n_bytes && was_verified(blobs, hash, &info)) {
        *is_right_out = true;
        return TESS_OK;
    }
    enum tess_status status = verify(path, hash, n_bytes, is_right_out, error);
    if (status == TESS_OK && *is_right_out && has_info)
        remember(blobs, hash, &info);
    return status;
}

enum tess_status tess_blobs_find(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                                 int64_t n_bytes, int64_t *here_bytes_out,
                                 struct tess_error *error)
{
    char whole[TESS_BLOBS_PATH], part[TESS_BLOBS_PATH];
    struct stat info;
    bool is_right = false;
    assert(n_bytes > 0);
    tess_blobs_path(blobs, hash, whole, sizeof whole);
    part_path(blobs, hash, part);
    enum tess_status status = add_own(blobs, hash, error);
    if (status == TESS_OK)
        status = verify_whole(blobs, whole, hash, n_bytes, &is_right, error);
    if (status != TESS_OK)
        return status;
    if (is_right) {
        mark_used(whole);
        *here_bytes_out = n_bytes;
        return TESS_OK;
    }
    if (unlink(whole) != 0 && errno != ENOENT)
        return io_error(error, whole, "remove");
    int64_t here_bytes = stat(part, &info) == 0 ? info.st_size : 0;
    if (here_bytes == n_bytes) { /* the process ended before it was verified */
        status = tess_blobs_finish(blobs, hash, n_bytes, &here_bytes, error);
        if (status != TESS_OK)
            return status;
    } else if (here_bytes > n_bytes) { /* none of ours */
        unlink(part);
        here_bytes = 0;
    }
    status = make_room(blobs, n_bytes - here_bytes, error);
    if (status == TESS_OK)
        *here_bytes_out = here_bytes;
    return status;
}

static bool write_all(int fd, const char *bytes, int64_t n_bytes, int64_t offset)
{
    while (n_bytes > 0) {
        ssize_t n = pwrite(fd, bytes, (size_t)n_bytes, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        offset += n;
        n_bytes -= n;
    }
    return true;
}

/* Adds a piece that was written to the hash, if it continues it. */
static void add_running(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                        int64_t offset, const void *piece, int64_t n_piece)
{
    struct running *running = &blobs->running;
    if (offset == 0) {
        running->hash = *hash;
        running->n_bytes = 0;
        tess_sha256_start(&running->run);
    } else if (running->n_bytes != offset ||
               !tess_sha256_is_equal(&running->hash, hash)) {
        return;
    }
    tess_sha256_add(&running->run, piece, (size_t)n_piece);
    running->n_bytes = offset + n_piece;
}

enum tess_status tess_blobs_put(struct tess_blobs *blobs, const struct tess_sha256 *hash,
                                int64_t n_bytes, int64_t offset, const void *piece,
                                int64_t n_piece, int64_t *here_bytes_out,
                                struct tess_error *error)
{
    char part[TESS_BLOBS_PATH];
    struct stat info;
    assert(offset >= 0 && n_piece > 0 && n_piece <= n_bytes - offset);
    part_path(blobs, hash, part);
    int fd = open(part, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return io_error(error, part, "create");
    if (fstat(fd, &info) != 0) {
        close(fd);
        return io_error(error, part, "look at");
    }
    if (info.st_size != offset) {
        close(fd);
        *here_bytes_out = tess_min_i64(info.st_size, n_bytes - 1);
        return TESS_OK;
    }
    bool is_written = write_all(fd, piece, n_piece, offset);
    int write_errno = errno;
    if (close(fd) != 0 && is_written) {
        is_written = false;
        write_errno = errno;
    }
    if (!is_written) {
        unlink(part);
        errno = write_errno;
        return io_error(error, part, "write");
    }
    add_running(blobs, hash, offset, piece, n_piece);
    *here_bytes_out = offset + n_piece;
    return TESS_OK;
}

/* Sets whether the part has the hash: from what was put if that was all, else by reading. */
static enum tess_status verify_part(struct tess_blobs *blobs, const char *part,
                                    const struct tess_sha256 *hash, int64_t n_bytes,
                                    bool *is_right_out, struct tess_error *error)
{
    struct running *running = &blobs->running;
    struct stat info;
    bool has_all =
        running->n_bytes == n_bytes && tess_sha256_is_equal(&running->hash, hash);
    if (!has_all)
        return verify(part, hash, n_bytes, is_right_out, error);
    struct tess_sha256 actual = tess_sha256_end(&running->run);
    running->n_bytes = 0;
    *is_right_out = stat(part, &info) == 0 && info.st_size == n_bytes &&
                    tess_sha256_is_equal(&actual, hash);
    return TESS_OK;
}

enum tess_status tess_blobs_finish(struct tess_blobs *blobs,
                                   const struct tess_sha256 *hash, int64_t n_bytes,
                                   int64_t *here_bytes_out, struct tess_error *error)
{
    char whole[TESS_BLOBS_PATH], part[TESS_BLOBS_PATH];
    struct stat info;
    bool is_right;
    tess_blobs_path(blobs, hash, whole, sizeof whole);
    part_path(blobs, hash, part);
    bool has_info = stat(part, &info) == 0;
    enum tess_status status = verify_part(blobs, part, hash, n_bytes, &is_right, error);
    if (status != TESS_OK)
        return status;
    if (!is_right) {
        unlink(part);
        *here_bytes_out = 0;
        return TESS_OK;
    }
    if (rename(part, whole) != 0)
        return io_error(error, whole, "write");
    if (has_info)
        remember(blobs, hash, &info);
    *here_bytes_out = n_bytes;
    return TESS_OK;
}
