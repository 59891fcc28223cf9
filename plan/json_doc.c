#include "plan/json_doc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Bytes of the file, and where they are for people. */
struct span {
    size_t begin, n_bytes; /* without quotes */
    int line, col;
    bool is_quoted;
};

struct reader {
    const char *file_name;
    const unsigned char *text;
    size_t n_bytes, at;
    int line;
    size_t line_begin;
    size_t n_continued; /* bytes since line_begin that only continue a character */
    int64_t n_nodes, limit_nodes;
    struct tess_error *error;
};

static enum tess_status read_value(struct reader *reader, const struct span *key,
                                   int depth, struct tess_yaml_node **slot);

/* ---- places and messages ---- */

static int column(const struct reader *reader)
{
    return (int)(reader->at - reader->line_begin - reader->n_continued) + 1;
}

static struct span here(const struct reader *reader)
{
    return (struct span){reader->at, 0, reader->line, column(reader), false};
}

static enum tess_status error_here(struct reader *reader, const char *message)
{
    return tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, reader->line,
                         column(reader), "%s", message);
}

/* What the file has where it should have something else. */
static enum tess_status expected(struct reader *reader, const char *what)
{
    char found[32] = "the end of the file";
    if (reader->at < reader->n_bytes) {
        unsigned char byte = reader->text[reader->at];
        if (byte > ' ' && byte < 0x7f)
            snprintf(found, sizeof found, "'%c'", byte);
        else
            snprintf(found, sizeof found, "byte 0x%02x", byte);
    }
    tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, reader->line,
                  column(reader), "no valid JSON: expected %s, found %s", what, found);
    if (reader->at == reader->n_bytes)
        tess_error_hint(reader->error, "was the file cut off?");
    return TESS_E_CONFIG;
}

/* ---- tokens ---- */

static bool is_at(const struct reader *reader, unsigned char byte)
{
    return reader->at < reader->n_bytes && reader->text[reader->at] == byte;
}

static void skip_blanks(struct reader *reader)
{
    for (; reader->at < reader->n_bytes; reader->at++) {
        unsigned char byte = reader->text[reader->at];
        if (byte == '\n') {
            reader->line++;
            reader->line_begin = reader->at + 1;
            reader->n_continued = 0;
        } else if (byte != ' ' && byte != '\t' && byte != '\r') {
            return;
        }
    }
}

/* Bytes of the character of UTF-8 at `at`, 0 if there is none. */
static size_t character_bytes(const struct reader *reader)
{
    const unsigned char *at = reader->text + reader->at;
    size_t n_left = reader->n_bytes - reader->at;
    size_t n = at[0] < 0x80                     ? 1
               : at[0] >= 0xc2 && at[0] <= 0xdf ? 2
               : (at[0] & 0xf0) == 0xe0         ? 3
               : at[0] >= 0xf0 && at[0] <= 0xf4 ? 4
                                                : 0;
    if (n == 0 || n > n_left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool is_overlong = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xf0 && at[1] < 0x90);
    bool is_surrogate = at[0] == 0xed && at[1] >= 0xa0;
    bool is_beyond = at[0] == 0xf4 && at[1] >= 0x90;
    return is_overlong || is_surrogate || is_beyond ? 0 : n;
}

/* The four hexadecimal digits of \uXXXX at `at`, -1 if they are not there. */
static int hex_value(const struct reader *reader, size_t at)
{
    int value = 0;
    if (reader->n_bytes - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        int digit = reader->text[at + i];
        if (digit >= '0' && digit <= '9')
            digit -= '0';
        else if (digit >= 'a' && digit <= 'f')
            digit -= 'a' - 10;
        else if (digit >= 'A' && digit <= 'F')
            digit -= 'A' - 10;
        else
            return -1;
        value = 16 * value + digit;
    }
    return value;
}

/* The character that the \uXXXX at `at`, or the pair of them, stands for, -1 if none; its bytes
 * in the file. */
static int escaped_character(const struct reader *reader, size_t at, size_t *n_bytes_out)
{
    int first = hex_value(reader, at + 2);
    *n_bytes_out = 6;
    if (first < 0xd800 || first > 0xdfff)
        return first;
    if (first >= 0xdc00 || reader->n_bytes - at < 12 || reader->text[at + 6] != '\\' ||
        reader->text[at + 7] != 'u')
        return -1;
    int second = hex_value(reader, at + 8);
    *n_bytes_out = 12;
    return second >= 0xdc00 && second <= 0xdfff
               ? 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
               : -1;
}

/* Steps over the backslash at hand and what it escapes. */
static enum tess_status skip_escape(struct reader *reader)
{
    size_t n_bytes = 2;
    if (reader->at + 1 == reader->n_bytes) {
        reader->at++;
        return expected(reader, "the end of a string");
    }
    if (reader->text[reader->at + 1] == 'u') {
        int character = reader->n_bytes - reader->at < 6
                            ? -1
                            : escaped_character(reader, reader->at, &n_bytes);
        if (character < 0)
            return error_here(reader, "no valid JSON: \\u stands for no character");
        if (character == 0)
            return error_here(reader, "a NUL byte does not belong in a text");
    } else if (!memchr("\"\\/bfnrt", reader->text[reader->at + 1], 8)) {
        return error_here(reader, "no valid JSON: no such escape in a string");
    }
    reader->at += n_bytes;
    return TESS_OK;
}

/* Steps over a string and checks all of it. */
static enum tess_status scan_string(struct reader *reader, struct span *span_out)
{
    struct span span = here(reader);
    span.is_quoted = true;
    span.begin = ++reader->at;
    while (reader->at < reader->n_bytes && reader->text[reader->at] != '"') {
        unsigned char byte = reader->text[reader->at];
        if (byte == '\\') {
            enum tess_status status = skip_escape(reader);
            if (status != TESS_OK)
                return status;
            continue;
        }
        size_t n_bytes = character_bytes(reader);
        if (byte < ' ') {
            error_here(reader, "no valid JSON: a control character inside a string");
            tess_error_hint(reader->error, "a line break is \\n; is a quote missing?");
            return TESS_E_CONFIG;
        }
        if (n_bytes == 0)
            return error_here(reader, "no valid JSON: a string that is not UTF-8");
        reader->at += n_bytes;
        reader->n_continued += n_bytes - 1;
    }
    if (reader->at == reader->n_bytes)
        return expected(reader, "the end of a string");
    span.n_bytes = reader->at++ - span.begin;
    *span_out = span;
    return TESS_OK;
}

static size_t n_digits(const struct reader *reader, size_t at)
{
    size_t n = 0;
    while (at + n < reader->n_bytes && reader->text[at + n] >= '0' &&
           reader->text[at + n] <= '9')
        n++;
    return n;
}

static enum tess_status scan_number(struct reader *reader, struct span *span_out)
{
    struct span span = here(reader);
    reader->at += is_at(reader, '-');
    size_t n = n_digits(reader, reader->at);
    if (n > 1 && is_at(reader, '0'))
        return error_here(reader, "no valid JSON: a number that begins with 0");
    reader->at += n;
    if (n == 0)
        return expected(reader, "a digit");
    if (is_at(reader, '.')) {
        reader->at++;
        n = n_digits(reader, reader->at);
        reader->at += n;
        if (n == 0)
            return expected(reader, "a digit");
    }
    if (is_at(reader, 'e') || is_at(reader, 'E')) {
        reader->at++;
        reader->at += is_at(reader, '+') || is_at(reader, '-');
        n = n_digits(reader, reader->at);
        reader->at += n;
        if (n == 0)
            return expected(reader, "a digit");
    }
    span.n_bytes = reader->at - span.begin;
    *span_out = span;
    return TESS_OK;
}

static enum tess_status scan_word(struct reader *reader, struct span *span_out)
{
    static const char *const words[] = {"true", "false", "null"};
    static const char *const foreign[] = {"NaN",  "nan",   "Infinity",  "inf", "True",
                                          "None", "False", "-Infinity", "-inf"};
    size_t n_left = reader->n_bytes - reader->at;
    const unsigned char *at = reader->text + reader->at;
    struct span span = here(reader);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        span.n_bytes = strlen(words[i]);
        if (span.n_bytes <= n_left && memcmp(at, words[i], span.n_bytes) == 0) {
            reader->at += span.n_bytes;
            *span_out = span;
            return TESS_OK;
        }
    }
    enum tess_status status = expected(reader, "a value");
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        size_t n = strlen(foreign[i]);
        if (n <= n_left && memcmp(at, foreign[i], n) == 0)
            tess_error_hint(reader->error, "JSON has no %s", foreign[i]);
    }
    if (is_at(reader, '\'') || is_at(reader, '/') || is_at(reader, '#'))
        tess_error_hint(reader->error, "JSON has neither comments nor single quotes");
    return status;
}

/* ---- nodes ---- */

static char *put_character(char *to, int character)
{
    if (character < 0x80) {
        *to++ = (char)character;
    } else if (character < 0x800) {
        *to++ = (char)(0xc0 | character >> 6);
        *to++ = (char)(0x80 | (character & 0x3f));
    } else if (character < 0x10000) {
        *to++ = (char)(0xe0 | character >> 12);
        *to++ = (char)(0x80 | (character >> 6 & 0x3f));
        *to++ = (char)(0x80 | (character & 0x3f));
    } else {
        *to++ = (char)(0xf0 | character >> 18);
        *to++ = (char)(0x80 | (character >> 12 & 0x3f));
        *to++ = (char)(0x80 | (character >> 6 & 0x3f));
        *to++ = (char)(0x80 | (character & 0x3f));
    }
    return to;
}

/* The text of a checked span, with its NUL; never longer than the span and that. */
static void decode(const struct reader *reader, const struct span *span, char *to)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    size_t at = span->begin, end = span->begin + span->n_bytes;
    while (at < end) {
        unsigned char byte = reader->text[at];
        if (byte != '\\' || !span->is_quoted) {
            *to++ = (char)byte;
            at++;
        } else if (reader->text[at + 1] == 'u') {
            size_t n_bytes;
            to = put_character(to, escaped_character(reader, at, &n_bytes));
            at += n_bytes;
        } else {
            *to++ = meanings[strchr(escapes, reader->text[at + 1]) - escapes];
            at += 2;
        }
    }
    *to = '\0';
}

/* A node and its texts, in one block. */
static enum tess_status add_node(struct reader *reader, enum tess_yaml_kind kind,
                                 const struct span *value, const struct span *key,
                                 struct tess_yaml_node **slot)
{
    if (reader->n_nodes++ == reader->limit_nodes)
        return tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, value->line,
                             value->col, "the file has more entries than it may have");
    size_t n_key = key ? key->n_bytes : 0;
    struct tess_yaml_node *node = calloc(1, sizeof *node + value->n_bytes + n_key + 2);
    if (!node)
        return tess_error_nomem(reader->error);
    char *text = (char *)(node + 1), *key_text = text + value->n_bytes + 1;
    decode(reader, value, text);
    node->kind = kind;
    node->line = value->line;
    node->col = value->col;
    node->text = text;
    node->is_quoted = value->is_quoted;
    if (key) {
        decode(reader, key, key_text);
        node->key = key_text;
        node->key_line = key->line;
        node->key_col = key->col;
    }
    *slot = node;
    return TESS_OK;
}

static int compare_keys(const void *a, const void *b)
{
    const struct tess_yaml_node *x = *(const struct tess_yaml_node *const *)a;
    const struct tess_yaml_node *y = *(const struct tess_yaml_node *const *)b;
    int order = strcmp(x->key, y->key);
    if (order == 0)
        order = x->key_line - y->key_line;
    return order ? order : x->key_col - y->key_col;
}

/* Sorts the keys: objects can have any number of them. */
static enum tess_status check_twins(struct reader *reader,
                                    const struct tess_yaml_node *map)
{
    enum { N_FEW = 16 };
    const struct tess_yaml_node *few[N_FEW], **nodes = few;
    int n = 0;
    if (map->n_children > N_FEW)
        nodes = malloc(sizeof *nodes * (size_t)map->n_children);
    if (!nodes)
        return tess_error_nomem(reader->error);
    for (const struct tess_yaml_node *node = map->first; node; node = node->next)
        nodes[n++] = node;
    qsort(nodes, (size_t)n, sizeof *nodes, compare_keys);
    enum tess_status status = TESS_OK;
    for (int i = 1; i < n && status == TESS_OK; i++)
        if (strcmp(nodes[i - 1]->key, nodes[i]->key) == 0)
            status = tess_error_at(
                reader->error, TESS_E_CONFIG, reader->file_name, nodes[i]->key_line,
                nodes[i]->key_col, "%s is given twice, first in line %d",
                tess_yaml_quote_text(nodes[i]->key).text, nodes[i - 1]->key_line);
    if (nodes != few)
        free(nodes);
    return status;
}

/* ---- containers ---- */

static enum tess_status read_key(struct reader *reader, struct span *key_out)
{
    if (!is_at(reader, '"'))
        return expected(reader, "a key in double quotes");
    enum tess_status status = scan_string(reader, key_out);
    if (status != TESS_OK)
        return status;
    skip_blanks(reader);
    if (!is_at(reader, ':'))
        return expected(reader, "':' after a key");
    reader->at++;
    skip_blanks(reader);
    return TESS_OK;
}

/* Steps over the comma before another entry, or over the end. */
static enum tess_status read_between(struct reader *reader, unsigned char end,
                                     bool *is_end_out)
{
    skip_blanks(reader);
    *is_end_out = is_at(reader, end);
    if (!*is_end_out && !is_at(reader, ','))
        return expected(reader, end == ']' ? "',' or ']' after an entry of a list"
                                           : "',' or '}' after a value");
    struct span comma = here(reader);
    reader->at++;
    if (*is_end_out)
        return TESS_OK;
    skip_blanks(reader);
    if (is_at(reader, end))
        return tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, comma.line,
                             comma.col, "no valid JSON: a comma after the last entry");
    return TESS_OK;
}

static enum tess_status read_container(struct reader *reader, struct tess_yaml_node *node,
                                       int depth)
{
    bool is_map = node->kind == TESS_YAML_MAP, is_end;
    unsigned char end = is_map ? '}' : ']';
    struct tess_yaml_node **slot = &node->first;
    reader->at++;
    skip_blanks(reader);
    is_end = is_at(reader, end);
    reader->at += is_end;
    while (!is_end) {
        struct span key;
        enum tess_status status = is_map ? read_key(reader, &key) : TESS_OK;
        if (status == TESS_OK)
            status = read_value(reader, is_map ? &key : NULL, depth, slot);
        if (status != TESS_OK)
            return status;
        slot = &(*slot)->next;
        node->n_children++;
        status = read_between(reader, end, &is_end);
        if (status != TESS_OK)
            return status;
    }
    return is_map ? check_twins(reader, node) : TESS_OK;
}

/* Reads the value at hand into *slot. Recursion is as deep as the limit allows. */
static enum tess_status read_value(struct reader *reader, const struct span *key,
                                   int depth, struct tess_yaml_node **slot)
{
    struct span span = here(reader);
    bool is_map = is_at(reader, '{');
    enum tess_status status = TESS_OK;
    if (is_map || is_at(reader, '[')) {
        if (depth == TESS_JSON_DOC_LIMIT_DEPTH)
            return error_here(reader, "the file is nested too deeply");
        status =
            add_node(reader, is_map ? TESS_YAML_MAP : TESS_YAML_LIST, &span, key, slot);
        return status == TESS_OK ? read_container(reader, *slot, depth + 1) : status;
    }
    if (is_at(reader, '"'))
        status = scan_string(reader, &span);
    else if (n_digits(reader, reader->at) > 0 ||
             (is_at(reader, '-') && n_digits(reader, reader->at + 1) > 0))
        status = scan_number(reader, &span);
    else
        status = scan_word(reader, &span);
    return status == TESS_OK ? add_node(reader, TESS_YAML_SCALAR, &span, key, slot)
                             : status;
}

static enum tess_status read_document(struct reader *reader, struct tess_yaml_node **root)
{
    static const char mark[] = "\xef\xbb\xbf"; /* that some editors begin UTF-8 with */
    if (reader->n_bytes >= 3 && memcmp(reader->text, mark, 3) == 0)
        reader->at = reader->line_begin = 3;
    skip_blanks(reader);
    if (reader->at == reader->n_bytes)
        return error_here(reader, "the file is empty");
    enum tess_status status = read_value(reader, NULL, 0, root);
    if (status != TESS_OK)
        return status;
    skip_blanks(reader);
    return reader->at == reader->n_bytes
               ? TESS_OK
               : expected(reader, "nothing after the end of the document");
}

enum tess_status tess_json_doc_init(struct tess_yaml *doc, const char *text,
                                    size_t n_bytes, const char *file_name,
                                    const struct tess_yaml_limits *limits,
                                    struct tess_error *error)
{
    assert(text && limits->bytes < INT32_MAX);
    struct reader reader = {.file_name = file_name,
                            .text = (const unsigned char *)text,
                            .n_bytes = n_bytes,
                            .line = 1,
                            .limit_nodes = limits->nodes,
                            .error = error};
    *doc = (struct tess_yaml){.file_name = file_name};
    if ((int64_t)n_bytes > limits->bytes)
        return tess_error_at(error, TESS_E_CONFIG, file_name, 0, 0,
                             "the file is larger than %lld KiB",
                             (long long)(limits->bytes / 1024));
    enum tess_status status = read_document(&reader, &doc->root);
    assert(status != TESS_OK || doc->root);
    return status;
}
