#include "cli/names.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

static const char byte_order_mark[] = "\xef\xbb\xbf";

/* Weights or an image given by mistake hold control characters within a few bytes. */
static enum tess_status check_is_text(const char *path, const struct tess_text *text,
                                      struct tess_error *error)
{
    int line = 1, col = 1;
    for (size_t i = 0; i < text->len; i++, col++) {
        unsigned char byte = (unsigned char)text->data[i];
        if (byte == '\n') {
            line++;
            col = 0;
        } else if ((byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f) {
            enum tess_status status =
                tess_error_at(error, TESS_E_CONFIG, path, line, col,
                              "names cannot hold the byte 0x%02x", byte);
            tess_error_hint(error, "a names file is plain text with one class a line");
            return status;
        }
    }
    return TESS_OK;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Cuts the white space at both ends of [begin, end), where a NUL may be written. */
static char *trim(char *begin, char *end)
{
    while (end > begin && is_blank(end[-1]))
        end--;
    *end = '\0';
    while (is_blank(*begin))
        begin++;
    return begin;
}

/* At least as many as split() will find; an unfinished last line counts. */
static int count_lines(const char *text)
{
    int n_lines = 1;
    for (; *text; text++)
        n_lines += *text == '\n';
    return n_lines;
}

/* Fills `names`, whose arrays are allocated, from its text. */
static void split(struct tess_names *names, char *text)
{
    int n_lines = 0;
    while (text) {
        char *end = strchr(text, '\n');
        char *next = end ? end + 1 : NULL;
        names->lines[n_lines] = trim(text, end ? end : text + strlen(text));
        n_lines++;
        /* Blank lines between names keep their number, those at the end do not. */
        if (*names->lines[n_lines - 1])
            names->n_lines = n_lines;
        text = next;
    }
}

enum tess_status tess_names_load(const char *path, struct tess_names *names_out,
                                 struct tess_error *error)
{
    struct tess_names names = {0};
    struct tess_text text = {0};
    enum tess_status status = tess_file_read(path, TESS_NAMES_MAX_BYTES, &text, error);
    if (status == TESS_OK)
        status = check_is_text(path, &text, error);
    if (status != TESS_OK)
        goto out;
    /* An empty text has no buffer to keep. */
    if (text.len > 0) {
        names.lines = calloc((size_t)count_lines(text.data), sizeof *names.lines);
        if (!names.lines) {
            status = tess_error_nomem(error);
            goto out;
        }
        names.text = text.data;
        text = (struct tess_text){0}; /* handed over */
        bool has_mark = strncmp(names.text, byte_order_mark, 3) == 0;
        split(&names, names.text + (has_mark ? 3 : 0));
    }
    if (names.n_lines == 0) {
        status =
            tess_error_at(error, TESS_E_CONFIG, path, 0, 0, "the file holds no names");
        tess_error_hint(error, "write one class name a line, class 0 first");
        goto out;
    }
    *names_out = names;
    names = (struct tess_names){0};
out:
    tess_names_release(&names);
    tess_text_release(&text);
    return status;
}

void tess_names_release(struct tess_names *names)
{
    if (!names)
        return;
    free(names->lines);
    free(names->text);
    memset(names, 0, sizeof *names);
}

const char *tess_names_get(const struct tess_names *names, int class_id, char *buffer,
                           size_t size)
{
    assert(class_id >= 0 && size >= TESS_NAMES_BUFFER_BYTES);
    if (names && class_id < names->n_lines && *names->lines[class_id])
        return names->lines[class_id];
    snprintf(buffer, size, "class %d", class_id);
    return buffer;
}
