#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum tess_status io_error(struct tess_error *error, const char *path,
                                 const char *verb)
{
    return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot %s: %s", verb,
                         strerror(errno));
}

enum tess_status tess_file_read(const char *path, int64_t limit_bytes,
                                struct tess_text *text_out, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error(error, path, "open");
    int64_t total = 0;
    char chunk[4096];
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = io_error(error, path, "read");
            break;
        }
        if (n == 0)
            break;
        total += n;
        if (total > limit_bytes) {
            status = tess_error_at(error, TESS_E_IO, path, 0, 0,
                                   "file is longer than the %lld bytes expected at most",
                                   (long long)limit_bytes);
            break;
        }
        tess_text_append(text_out, chunk, (size_t)n);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    if (status == TESS_OK && text_out->is_broken)
        status = tess_error_nomem(error);
    return status;
}

static bool write_all(int fd, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

/* Devices and pipes cannot be replaced by a rename; they are written in place. */
static bool is_replaceable(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 || S_ISREG(info.st_mode);
}

enum tess_status tess_file_write(const char *path, const void *bytes, size_t n_bytes,
                                 struct tess_error *error)
{
    if (strcmp(path, "-") == 0)
        return write_all(STDOUT_FILENO, bytes, n_bytes) ? TESS_OK
                                                        : io_error(error, path, "write");
    if (!is_replaceable(path)) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool is_written = fd >= 0 && write_all(fd, bytes, n_bytes);
        if (fd >= 0)
            close(fd);
        return is_written ? TESS_OK : io_error(error, path, "write");
    }
    enum tess_status status = TESS_OK;
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return tess_error_nomem(error);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        status = io_error(error, path, "create");
        goto out;
    }
    bool is_written = write_all(fd, bytes, n_bytes) && fchmod(fd, 0644) == 0;
    if (close(fd) != 0)
        is_written = false;
    if (!is_written || rename(temporary, path) != 0) {
        status = io_error(error, path, "write");
        unlink(temporary);
    }
out:
    free(temporary);
    return status;
}

enum tess_status tess_file_write_text(const char *path, const struct tess_text *text,
                                      struct tess_error *error)
{
    return text->is_broken ? tess_error_nomem(error)
                           : tess_file_write(path, text->data, text->len, error);
}
