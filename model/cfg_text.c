#include "model/cfg_text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Reading position. The storage never runs out: a line takes at most its own bytes plus
 * one. */
struct reader {
    struct tess_cfg *cfg;
    const char *file_name;
    const char *begin, *end; /* of the current line, without its newline */
    int line;
    size_t n_stored;
    int n_options, option_capacity;
    int section_capacity;
    struct tess_error *error;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static int col_of(const struct reader *reader, const char *at)
{
    assert(at >= reader->begin && at <= reader->end);
    return (int)(at - reader->begin) + 1;
}

/* Copies [from, to) without blanks to the storage. */
static const char *store(struct reader *reader, const char *from, const char *to)
{
    char *stored = reader->cfg->storage + reader->n_stored;
    for (const char *at = from; at < to; at++)
        if (!is_blank(*at))
            reader->cfg->storage[reader->n_stored++] = *at;
    reader->cfg->storage[reader->n_stored++] = '\0';
    return stored;
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

static enum tess_status grow(void **array, int count, int *capacity, size_t size,
                             struct tess_error *error)
{
    if (count < *capacity)
        return TESS_OK;
    int grown = *capacity ? 2 * *capacity : 64;
    void *bigger = realloc(*array, (size_t)grown * size);
    if (!bigger)
        return tess_error_nomem(error);
    *array = bigger;
    *capacity = grown;
    return TESS_OK;
}

static enum tess_status check_bytes(const struct reader *reader)
{
    if (reader->end - reader->begin > TESS_CFG_LIMIT_LINE)
        return tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line,
                             TESS_CFG_LIMIT_LINE + 1, "line is longer than %d bytes",
                             TESS_CFG_LIMIT_LINE);
    for (const char *at = reader->begin; at < reader->end; at++) {
        unsigned char byte = (unsigned char)*at;
        if ((byte < ' ' && !is_blank(*at)) || byte == 0x7f) {
            tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line,
                          col_of(reader, at), "byte 0x%02x does not belong in a text",
                          byte);
            tess_error_hint(reader->error, "is this a cfg file, not a weights file?");
            return TESS_E_MODEL;
        }
    }
    return TESS_OK;
}

static enum tess_status add_section(struct reader *reader, const char *at,
                                    const char *end)
{
    struct tess_cfg *cfg = reader->cfg;
    const char *close = memchr(at, ']', (size_t)(end - at));
    int col = col_of(reader, at);
    if (!close || skip_blanks(close + 1, end) != end)
        return tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line,
                             close ? col_of(reader, close + 1) : col_of(reader, end),
                             close ? "text after the section's name"
                                   : "the section's name lacks its closing ]");
    if (cfg->n_sections == TESS_CFG_LIMIT_SECTIONS)
        return tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line,
                             col, "more than %d layers", TESS_CFG_LIMIT_SECTIONS - 1);
    void *sections = cfg->sections;
    enum tess_status status = grow(&sections, cfg->n_sections, &reader->section_capacity,
                                   sizeof *cfg->sections, reader->error);
    cfg->sections = sections;
    if (status != TESS_OK)
        return status;
    cfg->sections[cfg->n_sections++] = (struct tess_cfg_section){
        .name = store(reader, at + 1, close), .line = reader->line, .col = col};
    return TESS_OK;
}

static enum tess_status add_option(struct reader *reader, const char *at, const char *end)
{
    struct tess_cfg *cfg = reader->cfg;
    const char *equals = memchr(at, '=', (size_t)(end - at));
    int col = col_of(reader, at);
    if (!equals || equals == at) {
        tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line, col,
                      "expected [section] or key=value");
        return TESS_E_MODEL;
    }
    if (cfg->n_sections == 0)
        return tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line,
                             col, "option before the first [section]");
    struct tess_cfg_section *section = &cfg->sections[cfg->n_sections - 1];
    if (section->n_options == TESS_CFG_LIMIT_OPTIONS)
        return tess_error_at(reader->error, TESS_E_MODEL, reader->file_name, reader->line,
                             col, "more than %d options in one section",
                             TESS_CFG_LIMIT_OPTIONS);
    void *options = cfg->options;
    enum tess_status status = grow(&options, reader->n_options, &reader->option_capacity,
                                   sizeof *cfg->options, reader->error);
    cfg->options = options;
    if (status != TESS_OK)
        return status;
    const char *raw_value = skip_blanks(equals + 1, end);
    struct tess_cfg_option *option = &cfg->options[reader->n_options++];
    option->key = store(reader, at, equals);
    option->value = store(reader, equals + 1, end);
    option->raw_value = raw_value;
    option->line = reader->line;
    option->key_col = col;
    option->value_col = col_of(reader, raw_value);
    section->n_options++;
    return TESS_OK;
}

static enum tess_status read_line(struct reader *reader)
{
    enum tess_status status = check_bytes(reader);
    if (status != TESS_OK)
        return status;
    const char *at = skip_blanks(reader->begin, reader->end);
    const char *end = at;
    while (end < reader->end && *end != '#' && *end != ';')
        end++;
    if (at == end)
        return TESS_OK;
    return *at == '[' ? add_section(reader, at, end) : add_option(reader, at, end);
}

/* Sections learn where their options begin only now, because the array moved as it grew.
 */
static void attach_options(struct tess_cfg *cfg)
{
    int n_before = 0;
    for (int i = 0; i < cfg->n_sections; i++) {
        struct tess_cfg_section *section = &cfg->sections[i];
        section->options = section->n_options ? &cfg->options[n_before] : NULL;
        n_before += section->n_options;
    }
}

enum tess_status tess_cfg_init(struct tess_cfg *cfg, const char *text, size_t n_bytes,
                               const char *file_name, struct tess_error *error)
{
    memset(cfg, 0, sizeof *cfg);
    if (n_bytes > TESS_CFG_LIMIT_BYTES)
        return tess_error_at(error, TESS_E_MODEL, file_name, 0, 0,
                             "a cfg longer than %d bytes is not one",
                             TESS_CFG_LIMIT_BYTES);
    cfg->storage = malloc(n_bytes + 2);
    if (!cfg->storage)
        return tess_error_nomem(error);
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    struct reader reader = {.cfg = cfg, .file_name = file_name, .error = error};
    const char *end = text + n_bytes;
    const char *at = text;
    if (n_bytes >= 3 && memcmp(at, byte_order_mark, 3) == 0)
        at += 3;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        reader.begin = at;
        reader.end = newline ? newline : end;
        reader.line++;
        enum tess_status status = read_line(&reader);
        if (status != TESS_OK)
            return status;
        at = newline ? newline + 1 : end;
    }
    assert(reader.n_stored <= n_bytes + 2);
    attach_options(cfg);
    return TESS_OK;
}

void tess_cfg_release(struct tess_cfg *cfg)
{
    if (!cfg)
        return;
    free(cfg->storage);
    free(cfg->sections);
    free(cfg->options);
    memset(cfg, 0, sizeof *cfg);
}

const struct tess_cfg_option *tess_cfg_find(const struct tess_cfg_section *section,
                                            const char *key)
{
    for (int i = 0; i < section->n_options; i++)
        if (strcmp(section->options[i].key, key) == 0)
            return &section->options[i];
    return NULL;
}

int tess_cfg_value_col(const struct tess_cfg_option *option, size_t offset)
{
    size_t len = strlen(option->value);
    if (offset >= len)
        offset = len ? len - 1 : 0;
    const char *at = option->raw_value;
    for (size_t i = 0; i < offset; i++) {
        at++;
        while (is_blank(*at))
            at++;
    }
    return option->value_col + (int)(at - option->raw_value);
}
