#include "plan/yaml_doc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "base/text.h"

struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t n_bytes;
    const char *file_name;
    int64_t n_nodes, limit_nodes;
    struct tess_error *error;
};

static enum tess_status read_value(struct reader *reader, const yaml_event_t *event,
                                   const yaml_event_t *key, int depth,
                                   struct tess_yaml_node **slot);

static enum tess_status error_at_event(struct reader *reader, const yaml_event_t *event,
                                       const char *message)
{
    return tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name,
                         (int)event->start_mark.line + 1,
                         (int)event->start_mark.column + 1, "%s", message);
}

/* Line and column, counted in bytes, of a byte of the file. */
static void find_place(const struct reader *reader, size_t offset, int *line_out,
                       int *col_out)
{
    int line = 1, col = 1;
    for (size_t i = 0; i < offset && i < reader->n_bytes; i++) {
        bool is_newline = reader->text[i] == '\n';
        line += is_newline;
        col = is_newline ? 1 : col + 1;
    }
    *line_out = line;
    *col_out = col;
}

/* libyaml compares each tag directive with all before it: a minute for a file of them. */
static enum tess_status refuse_directives(struct reader *reader)
{
    const char *found = memmem(reader->text, reader->n_bytes, "%TAG", 4);
    int line, col;
    if (!found)
        return TESS_OK;
    find_place(reader, (size_t)(found - reader->text), &line, &col);
    return tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, line, col,
                         "tag directives (%%TAG) are not supported");
}

/* Says what libyaml stumbled over. It marks no place for bytes that are no text, only
 * their offset. */
static enum tess_status syntax_error(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return tess_error_nomem(reader->error);
    int line = (int)parser->problem_mark.line + 1;
    int col = (int)parser->problem_mark.column + 1;
    if (parser->error == YAML_READER_ERROR)
        find_place(reader, parser->problem_offset, &line, &col);
    const char *problem = parser->problem ? parser->problem : "broken";
    if (parser->context)
        tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, line, col,
                      "no valid YAML: %s %s", problem, parser->context);
    else
        tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name, line, col,
                      "no valid YAML: %s", problem);
    if (parser->error == YAML_READER_ERROR)
        tess_error_hint(reader->error, "the file must be text in UTF-8");
    else
        tess_error_hint(reader->error,
                        "indent with blanks, never tabs; write \"key: value\" "
                        "with a blank after the colon");
    return TESS_E_CONFIG;
}

/* The next event; the caller deletes it in every case. */
static enum tess_status next_event(struct reader *reader, yaml_event_t *event_out)
{
    memset(event_out, 0, sizeof *event_out);
    return yaml_parser_parse(&reader->parser, event_out) ? TESS_OK : syntax_error(reader);
}

static enum tess_status refuse_extras(struct reader *reader, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_ALIAS_EVENT)
        return error_at_event(reader, event, "aliases (*name) are not supported");
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (anchor)
        return error_at_event(reader, event, "anchors (&name) are not supported");
    if (tag)
        return error_at_event(reader, event, "tags (!name) are not supported");
    if (event->type == YAML_SCALAR_EVENT &&
        memchr(event->data.scalar.value, '\0', event->data.scalar.length))
        return error_at_event(reader, event, "a NUL byte does not belong in a text");
    return TESS_OK;
}

/* A node and its texts, in one block. */
static struct tess_yaml_node *new_node(const yaml_event_t *event, const yaml_event_t *key)
{
    bool is_scalar = event->type == YAML_SCALAR_EVENT;
    size_t n_text = is_scalar ? event->data.scalar.length : 0;
    size_t n_key = key ? key->data.scalar.length : 0;
    assert(is_scalar || event->type == YAML_SEQUENCE_START_EVENT ||
           event->type == YAML_MAPPING_START_EVENT);
    assert(!key || key->type == YAML_SCALAR_EVENT);
    struct tess_yaml_node *node = calloc(1, sizeof *node + n_text + n_key + 2);
    if (!node)
        return NULL;
    char *text = (char *)(node + 1), *key_text = text + n_text + 1;
    if (is_scalar)
        memcpy(text, event->data.scalar.value, n_text);
    node->kind = is_scalar                                  ? TESS_YAML_SCALAR
                 : event->type == YAML_SEQUENCE_START_EVENT ? TESS_YAML_LIST
                                                            : TESS_YAML_MAP;
    node->text = text;
    node->is_quoted = is_scalar && event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->line = (int)event->start_mark.line + 1;
    node->col = (int)event->start_mark.column + 1;
    if (key) {
        memcpy(key_text, key->data.scalar.value, n_key);
        node->key = key_text;
        node->key_line = (int)key->start_mark.line + 1;
        node->key_col = (int)key->start_mark.column + 1;
    }
    return node;
}

static enum tess_status read_list(struct reader *reader, struct tess_yaml_node *list,
                                  int depth)
{
    struct tess_yaml_node **slot = &list->first;
    for (;;) {
        yaml_event_t event;
        enum tess_status status = next_event(reader, &event);
        bool is_end = event.type == YAML_SEQUENCE_END_EVENT;
        if (status == TESS_OK && !is_end)
            status = read_value(reader, &event, NULL, depth, slot);
        yaml_event_delete(&event);
        if (status != TESS_OK || is_end)
            return status;
        slot = &(*slot)->next;
        list->n_children++;
    }
}

static enum tess_status check_key(struct reader *reader, const struct tess_yaml_node *map,
                                  const yaml_event_t *key)
{
    if (key->type != YAML_SCALAR_EVENT)
        return error_at_event(reader, key, "a key must be a word");
    enum tess_status status = refuse_extras(reader, key);
    if (status != TESS_OK)
        return status;
    if (map->n_children == TESS_YAML_LIMIT_KEYS)
        return error_at_event(reader, key, "more keys than any mapping here can have");
    const struct tess_yaml_node *twin =
        tess_yaml_find(map, (const char *)key->data.scalar.value);
    if (!twin)
        return TESS_OK;
    tess_error_at(reader->error, TESS_E_CONFIG, reader->file_name,
                  (int)key->start_mark.line + 1, (int)key->start_mark.column + 1,
                  "%s is given twice, first in line %d",
                  tess_yaml_quote_text(twin->key).text, twin->key_line);
    return TESS_E_CONFIG;
}

static enum tess_status read_map(struct reader *reader, struct tess_yaml_node *map,
                                 int depth)
{
    struct tess_yaml_node **slot = &map->first;
    for (;;) {
        yaml_event_t key, value;
        memset(&value, 0, sizeof value);
        enum tess_status status = next_event(reader, &key);
        bool is_end = key.type == YAML_MAPPING_END_EVENT;
        if (status == TESS_OK && !is_end)
            status = check_key(reader, map, &key);
        if (status == TESS_OK && !is_end)
            status = next_event(reader, &value);
        if (status == TESS_OK && !is_end)
            status = read_value(reader, &value, &key, depth, slot);
        yaml_event_delete(&key);
        yaml_event_delete(&value);
        if (status != TESS_OK || is_end)
            return status;
        slot = &(*slot)->next;
        map->n_children++;
    }
}

/* Reads the value that `event` begins into *slot. Recursion is as deep as the limit
 * allows. */
static enum tess_status read_value(struct reader *reader, const yaml_event_t *event,
                                   const yaml_event_t *key, int depth,
                                   struct tess_yaml_node **slot)
{
    assert(!*slot && depth <= TESS_YAML_LIMIT_DEPTH);
    enum tess_status status = refuse_extras(reader, event);
    if (status != TESS_OK)
        return status;
    if (reader->n_nodes++ == reader->limit_nodes)
        return error_at_event(reader, event,
                              "the file has more entries than it may have");
    *slot = new_node(event, key);
    if (!*slot)
        return tess_error_nomem(reader->error);
    if ((*slot)->kind == TESS_YAML_SCALAR)
        return TESS_OK;
    if (depth == TESS_YAML_LIMIT_DEPTH)
        return error_at_event(reader, event, "mappings and lists are nested too deeply");
    return (*slot)->kind == TESS_YAML_LIST ? read_list(reader, *slot, depth + 1)
                                           : read_map(reader, *slot, depth + 1);
}

/* stream start, document start, value, document end, stream end */
static enum tess_status read_stream(struct reader *reader, struct tess_yaml_node **root)
{
    const yaml_event_type_t wanted[] = {YAML_STREAM_START_EVENT,
                                        YAML_DOCUMENT_START_EVENT, YAML_NO_EVENT,
                                        YAML_DOCUMENT_END_EVENT, YAML_STREAM_END_EVENT};
    enum tess_status status = TESS_OK;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted && status == TESS_OK; i++) {
        yaml_event_t event;
        status = next_event(reader, &event);
        if (status == TESS_OK && wanted[i] == YAML_NO_EVENT)
            status = read_value(reader, &event, NULL, 0, root);
        else if (status == TESS_OK && event.type != wanted[i])
            status = error_at_event(reader, &event,
                                    event.type == YAML_STREAM_END_EVENT
                                        ? "the file is empty"
                                        : "the file holds more than one document");
        yaml_event_delete(&event);
    }
    return status;
}

enum tess_status tess_yaml_init(struct tess_yaml *yaml, const char *text, size_t n_bytes,
                                const char *file_name, struct tess_error *error)
{
    assert(text);
    struct reader reader = {.text = text,
                            .n_bytes = n_bytes,
                            .file_name = file_name,
                            .limit_nodes = TESS_YAML_LIMIT_NODES,
                            .error = error};
    memset(yaml, 0, sizeof *yaml);
    yaml->file_name = file_name;
    if (n_bytes > TESS_YAML_LIMIT_BYTES)
        return tess_error_at(error, TESS_E_CONFIG, file_name, 0, 0,
                             "the file is larger than %d KiB",
                             TESS_YAML_LIMIT_BYTES / 1024);
    enum tess_status status = refuse_directives(&reader);
    if (status != TESS_OK)
        return status;
    if (!yaml_parser_initialize(&reader.parser))
        return tess_error_nomem(error);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, n_bytes);
    status = read_stream(&reader, &yaml->root);
    yaml_parser_delete(&reader.parser);
    assert(status != TESS_OK || yaml->root);
    return status;
}

static void destroy_nodes(struct tess_yaml_node *node)
{
    while (node) {
        struct tess_yaml_node *next = node->next;
        destroy_nodes(node->first);
        free(node);
        node = next;
    }
}

void tess_yaml_release(struct tess_yaml *yaml)
{
    if (!yaml)
        return;
    destroy_nodes(yaml->root);
    memset(yaml, 0, sizeof *yaml);
}

const struct tess_yaml_node *tess_yaml_find(const struct tess_yaml_node *map,
                                            const char *key)
{
    assert(map->kind == TESS_YAML_MAP);
    for (const struct tess_yaml_node *node = map->first; node; node = node->next)
        if (strcmp(node->key, key) == 0)
            return node;
    return NULL;
}

const char *tess_yaml_label(const struct tess_yaml_node *node)
{
    return node->key ? node->key : "the entry";
}

/* Messages are one line of at most 40 bytes of the user's text. */
struct tess_yaml_quote tess_yaml_quote_text(const char *text)
{
    enum { N_SHOWN = 40 };
    struct tess_yaml_quote quote;
    size_t n_shown = strlen(text);
    bool is_cut = n_shown > N_SHOWN;
    if (is_cut)
        for (n_shown = N_SHOWN;
             n_shown > 0 && ((unsigned char)text[n_shown] & 0xc0) == 0x80;)
            n_shown--; /* not inside a UTF-8 sequence */
    char shown[N_SHOWN + 1];
    for (size_t i = 0; i < n_shown; i++) {
        unsigned char byte = (unsigned char)text[i];
        shown[i] = byte < ' ' || byte == 0x7f ? '?' : text[i];
    }
    shown[n_shown] = '\0';
    snprintf(quote.text, sizeof quote.text, "\"%s%s\"", shown, is_cut ? "..." : "");
    return quote;
}

struct tess_yaml_quote tess_yaml_quote(const struct tess_yaml_node *node)
{
    struct tess_yaml_quote quote = {"a list"};
    if (node->kind == TESS_YAML_SCALAR && node->text[0])
        return tess_yaml_quote_text(node->text);
    if (node->kind == TESS_YAML_SCALAR)
        snprintf(quote.text, sizeof quote.text, "nothing");
    else if (node->kind == TESS_YAML_MAP)
        snprintf(quote.text, sizeof quote.text, "a mapping");
    return quote;
}

enum tess_status tess_yaml_error(const struct tess_yaml *yaml,
                                 const struct tess_yaml_node *node,
                                 struct tess_error *error, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return tess_error_at(error, TESS_E_CONFIG, yaml->file_name, node->line, node->col,
                         "%s", message);
}

enum tess_status tess_yaml_key_error(const struct tess_yaml *yaml,
                                     const struct tess_yaml_node *node,
                                     struct tess_error *error, const char *format, ...)
{
    assert(node->key);
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return tess_error_at(error, TESS_E_CONFIG, yaml->file_name, node->key_line,
                         node->key_col, "%s", message);
}

enum tess_status tess_yaml_expect(const struct tess_yaml *yaml,
                                  const struct tess_yaml_node *node,
                                  enum tess_yaml_kind kind, struct tess_error *error)
{
    static const char *const names[] = {"a single value", "a list", "a mapping"};
    if (node->kind == kind)
        return TESS_OK;
    return tess_yaml_error(yaml, node, error, "%s must be %s, not %s",
                           tess_yaml_label(node), names[kind],
                           tess_yaml_quote(node).text);
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

static void suggest_key(const char *key, const char *const *known,
                        struct tess_error *error)
{
    const char *nearest = tess_nearest_word(key, known);
    struct tess_text all;
    tess_text_init(&all);
    for (size_t i = 0; known[i]; i++)
        tess_text_printf(&all, i ? ", %s" : "%s", known[i]);
    if (nearest)
        tess_error_hint(error, "did you mean \"%s\"?", nearest);
    else
        tess_error_hint(error, "known here: %s", tess_text_string(&all));
    tess_text_release(&all);
}

enum tess_status tess_yaml_expect_keys(const struct tess_yaml *yaml,
                                       const struct tess_yaml_node *map,
                                       const char *const *known, struct tess_error *error)
{
    enum tess_status status = tess_yaml_expect(yaml, map, TESS_YAML_MAP, error);
    if (status != TESS_OK)
        return status;
    for (const struct tess_yaml_node *node = map->first; node; node = node->next) {
        if (is_known(node->key, known))
            continue;
        tess_yaml_key_error(yaml, node, error, "unknown key %s",
                            tess_yaml_quote_text(node->key).text);
        suggest_key(node->key, known, error);
        return TESS_E_CONFIG;
    }
    return TESS_OK;
}

enum tess_status tess_yaml_int(const struct tess_yaml *yaml,
                               const struct tess_yaml_node *node, int64_t low,
                               int64_t high, int64_t *value_out, struct tess_error *error)
{
    assert(low <= high);
    if (node->kind == TESS_YAML_SCALAR &&
        tess_parse_i64(node->text, low, high, value_out))
        return TESS_OK;
    return tess_yaml_error(yaml, node, error,
                           "%s must be a whole number from %lld to %lld, not %s",
                           tess_yaml_label(node), (long long)low, (long long)high,
                           tess_yaml_quote(node).text);
}

enum tess_status tess_yaml_bytes(const struct tess_yaml *yaml,
                                 const struct tess_yaml_node *node, int64_t low,
                                 int64_t high, int64_t *bytes_out,
                                 struct tess_error *error)
{
    assert(0 <= low && low <= high);
    int64_t bytes;
    if (node->kind != TESS_YAML_SCALAR || !tess_parse_bytes(node->text, &bytes))
        return tess_yaml_error(yaml, node, error,
                               "%s must be a size such as 64M or 67108864, not %s",
                               tess_yaml_label(node), tess_yaml_quote(node).text);
    if (bytes < low || bytes > high)
        return tess_yaml_error(yaml, node, error, "%s of %s is too %s",
                               tess_yaml_label(node), tess_yaml_quote(node).text,
                               bytes < low ? "small" : "large");
    *bytes_out = bytes;
    return TESS_OK;
}

enum tess_status tess_yaml_decimal(const struct tess_yaml *yaml,
                                   const struct tess_yaml_node *node, double low,
                                   double high, double *value_out,
                                   struct tess_error *error)
{
    assert(low <= high);
    double value;
    if (node->kind == TESS_YAML_SCALAR && tess_parse_double(node->text, &value) &&
        value >= low && value <= high) {
        *value_out = value;
        return TESS_OK;
    }
    return tess_yaml_error(yaml, node, error, "%s must be a number from %g to %g, not %s",
                           tess_yaml_label(node), low, high, tess_yaml_quote(node).text);
}

enum tess_status tess_yaml_name(const struct tess_yaml *yaml,
                                const struct tess_yaml_node *node, char *name_out,
                                size_t size, struct tess_error *error)
{
    assert(size > 1);
    enum tess_status status = tess_yaml_expect(yaml, node, TESS_YAML_SCALAR, error);
    if (status != TESS_OK)
        return status;
    size_t len = strlen(node->text);
    bool is_printable = true;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)node->text[i];
        if (byte < ' ' || byte == 0x7f)
            is_printable = false;
    }
    if (len == 0 || len >= size || !is_printable)
        return tess_yaml_error(
            yaml, node, error,
            "%s must be a name of 1 to %d printable characters, not %s",
            tess_yaml_label(node), (int)size - 1, tess_yaml_quote(node).text);
    memcpy(name_out, node->text, len + 1);
    return TESS_OK;
}
