#include "transport/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

enum { KEY_CHARS = TESS_LINK_KEY - 1, FILE_MAX_BYTES = 64 * 1024 };

/* --- words --- */

/* A line of two words and where they are. */
struct line {
    int number;
    const char *first, *second;
    int n_first, n_second;
    int second_col; /* 1-based */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int word_length(const char *at, const char *end)
{
    int n = 0;
    while (at + n < end && !is_blank(at[n]))
        n++;
    return n;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* Splits [at, end). TESS_E_CONFIG if there is anything but two words. */
static enum tess_status split(const char *path, const char *at, const char *end,
                              struct line *line, struct tess_error *error)
{
    const char *begin = at;
    line->first = skip_blanks(at, end);
    line->n_first = word_length(line->first, end);
    line->second = skip_blanks(line->first + line->n_first, end);
    line->n_second = word_length(line->second, end);
    line->second_col = (int)(line->second - begin) + 1;
    const char *rest = skip_blanks(line->second + line->n_second, end);
    if (line->n_second == 0 || rest < end)
        return tess_error_at(error, TESS_E_CONFIG, path, line->number,
                             line->n_second ? (int)(rest - begin) + 1 : line->second_col,
                             "expected two words, a name and a key");
    return TESS_OK;
}

static bool is_ignored(const char *at, const char *end)
{
    at = skip_blanks(at, end);
    return at == end || (*at == '#' && (at + 1 == end || is_blank(at[1])));
}

static enum tess_status read_key(const char *path, const struct line *line,
                                 char key_out[TESS_LINK_KEY], struct tess_error *error)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
                                 "TUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    bool is_right = line->n_second == KEY_CHARS;
    for (int i = 0; is_right && i < KEY_CHARS; i++)
        is_right = line->second[i] && strchr(digits, line->second[i]);
    if (!is_right)
        return tess_error_at(error, TESS_E_CONFIG, path, line->number, line->second_col,
                             "a key has %d characters of Z85", KEY_CHARS);
    memcpy(key_out, line->second, KEY_CHARS);
    key_out[KEY_CHARS] = '\0';
    return TESS_OK;
}

/* --- lines --- */

typedef enum tess_status (*line_reader)(void *context, const char *path,
                                        const struct line *line,
                                        struct tess_error *error);

static enum tess_status read_lines(const char *path, line_reader reader, void *context,
                                   struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = tess_file_read(path, FILE_MAX_BYTES, &text, error);
    struct line line = {0};
    const char *end = text.data ? text.data + text.len : NULL;
    for (const char *at = text.data; status == TESS_OK && at && at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        line.number++;
        if (!is_ignored(at, stop)) {
            status = split(path, at, stop, &line, error);
            if (status == TESS_OK)
                status = reader(context, path, &line, error);
        }
        at = stop + 1;
    }
    if (text.data)
        explicit_bzero(text.data, text.len); /* it may hold a secret */
    tess_text_release(&text);
    return status;
}

static bool is_word(const struct line *line, const char *word)
{
    return line->n_first == (int)strlen(word) &&
           memcmp(line->first, word, strlen(word)) == 0;
}

static enum tess_status read_pair_line(void *context, const char *path,
                                       const struct line *line, struct tess_error *error)
{
    struct tess_link_keys *keys = context;
    char *key = is_word(line, "public")   ? keys->public_key
                : is_word(line, "secret") ? keys->secret_key
                                          : NULL;
    if (!key || key[0])
        return tess_error_at(error, TESS_E_CONFIG, path, line->number, 1,
                             "expected one line `public KEY` and one `secret KEY`");
    return read_key(path, line, key, error);
}

/* --- pairs --- */

static enum tess_status io_error(struct tess_error *error, const char *path,
                                 const char *verb)
{
    return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot %s: %s", verb,
                         strerror(errno));
}

enum tess_status tess_auth_write_keys(const char *path, const struct tess_link_keys *keys,
                                      struct tess_error *error)
{
    char text[160], *public_path = NULL;
    enum tess_status status = TESS_OK;
    int n = snprintf(text, sizeof text, "public %s\nsecret %s\n", keys->public_key,
                     keys->secret_key);
    if (asprintf(&public_path, "%s.pub", path) < 0)
        return tess_error_nomem(error);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        status = io_error(error, path, "create");
    } else {
        bool is_written = write(fd, text, (size_t)n) == n;
        if (close(fd) != 0 || !is_written) {
            status = io_error(error, path, "write");
            unlink(path);
        }
    }
    explicit_bzero(text, sizeof text);
    if (status == TESS_OK) {
        n = snprintf(text, sizeof text, "public %s\n", keys->public_key);
        status = tess_file_write(public_path, text, (size_t)n, error);
    }
    free(public_path);
    return status;
}

static enum tess_status check_secret(const char *path, struct tess_error *error)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return io_error(error, path, "open");
    if (info.st_uid == geteuid() && (info.st_mode & 077)) {
        enum tess_status status =
            tess_error_at(error, TESS_E_CONFIG, path, 0, 0,
                          "others than its owner may read this secret key");
        tess_error_hint(error, "chmod 600 %s", path);
        return status;
    }
    return TESS_OK;
}

enum tess_status tess_auth_read_keys(const char *path, struct tess_link_keys *keys_out,
                                     struct tess_error *error)
{
    struct tess_link_keys keys = {0};
    enum tess_status status = check_secret(path, error);
    if (status == TESS_OK)
        status = read_lines(path, read_pair_line, &keys, error);
    if (status == TESS_OK && (!keys.public_key[0] || !keys.secret_key[0]))
        status = tess_error_at(error, TESS_E_CONFIG, path, 0, 0,
                               "the file lacks a public or a secret key");
    if (status == TESS_OK)
        *keys_out = keys;
    explicit_bzero(&keys, sizeof keys);
    return status;
}

enum tess_status tess_auth_read_public(const char *path, char key_out[TESS_LINK_KEY],
                                       struct tess_error *error)
{
    struct tess_link_keys keys = {0};
    enum tess_status status = read_lines(path, read_pair_line, &keys, error);
    if (status == TESS_OK && !keys.public_key[0])
        status = tess_error_at(error, TESS_E_CONFIG, path, 0, 0,
                               "the file lacks a public key");
    if (status == TESS_OK)
        memcpy(key_out, keys.public_key, TESS_LINK_KEY);
    explicit_bzero(&keys, sizeof keys);
    return status;
}

/* --- the list --- */

struct list {
    struct tess_link_allowed *workers; /* [TESS_AUTH_WORKERS_MAX] */
    int n;
};

static enum tess_status read_worker_line(void *context, const char *path,
                                         const struct line *line,
                                         struct tess_error *error)
{
    struct list *list = context;
    struct tess_link_allowed worker = {0};
    if (list->n == TESS_AUTH_WORKERS_MAX)
        return tess_error_at(error, TESS_E_CONFIG, path, line->number, 1,
                             "more than %d workers", TESS_AUTH_WORKERS_MAX);
    if (line->n_first >= TESS_WIRE_NAME)
        return tess_error_at(error, TESS_E_CONFIG, path, line->number, 1,
                             "a name has at most %d characters", TESS_WIRE_NAME - 1);
    for (int i = 0; i < line->n_first; i++)
        if (line->first[i] <= ' ' || line->first[i] > '~')
            return tess_error_at(error, TESS_E_CONFIG, path, line->number, 1,
                                 "a name has printable ASCII characters only");
    memcpy(worker.name, line->first, (size_t)line->n_first);
    enum tess_status status = read_key(path, line, worker.public_key, error);
    for (int i = 0; status == TESS_OK && i < list->n; i++)
        if (strcmp(list->workers[i].name, worker.name) == 0 ||
            strcmp(list->workers[i].public_key, worker.public_key) == 0)
            status =
                tess_error_at(error, TESS_E_CONFIG, path, line->number, 1,
                              "name or key of %s appears twice", list->workers[i].name);
    if (status == TESS_OK)
        list->workers[list->n++] = worker;
    return status;
}

enum tess_status tess_auth_read_allowed(const char *path,
                                        struct tess_link_allowed **allowed_out,
                                        int *n_out, struct tess_error *error)
{
    struct list list = {calloc(TESS_AUTH_WORKERS_MAX, sizeof *list.workers), 0};
    if (!list.workers)
        return tess_error_nomem(error);
    enum tess_status status = read_lines(path, read_worker_line, &list, error);
    if (status != TESS_OK) {
        free(list.workers);
        return status;
    }
    *allowed_out = list.workers;
    *n_out = list.n;
    return TESS_OK;
}
