#include "base/text.h"

#include <assert.h>
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_LIMIT = 64 };

void tess_text_init(struct tess_text *text)
{
    memset(text, 0, sizeof *text);
}

void tess_text_release(struct tess_text *text)
{
    if (!text)
        return;
    free(text->data);
    memset(text, 0, sizeof *text);
}

const char *tess_text_string(const struct tess_text *text)
{
    return text->data ? text->data : "";
}

static bool make_room(struct tess_text *text, size_t n_more)
{
    if (text->is_broken)
        return false;
    if (n_more < text->capacity - text->len && text->data)
        return true;
    size_t capacity = text->capacity ? text->capacity : 128;
    while (capacity - text->len <= n_more) {
        if (capacity > SIZE_MAX / 2)
            goto broken;
        capacity *= 2;
    }
    char *data = realloc(text->data, capacity);
    if (!data)
        goto broken;
    text->data = data;
    text->capacity = capacity;
    return true;
broken:
    text->is_broken = true;
    return false;
}

void tess_text_append(struct tess_text *text, const char *bytes, size_t n_bytes)
{
    if (!make_room(text, n_bytes))
        return;
    memcpy(text->data + text->len, bytes, n_bytes);
    text->len += n_bytes;
    text->data[text->len] = '\0';
}

void tess_text_printf(struct tess_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n_bytes = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n_bytes >= 0 && make_room(text, (size_t)n_bytes)) {
        vsnprintf(text->data + text->len, text->capacity - text->len, format, again);
        text->len += (size_t)n_bytes;
    }
    va_end(again);
}

bool tess_parse_i64(const char *string, int64_t low, int64_t high, int64_t *value_out)
{
    const char *digit = string + (*string == '-');
    bool is_negative = *string == '-';
    if (!isdigit((unsigned char)*digit))
        return false;
    int64_t value = 0;
    for (; *digit; digit++) {
        if (!isdigit((unsigned char)*digit))
            return false;
        int step = *digit - '0';
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, is_negative ? -step : step, &value))
            return false;
    }
    if (value < low || value > high)
        return false;
    *value_out = value;
    return true;
}

bool tess_parse_double(const char *string, double *value_out)
{
    /* strtod honours the locale's decimal point; a private "C" locale keeps files portable. */
    static locale_t c_locale;
    if (!c_locale)
        c_locale = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!isdigit((unsigned char)*string) && *string != '-' && *string != '+' &&
        *string != '.')
        return false;
    for (const char *at = string; *at; at++)
        if (!isdigit((unsigned char)*at) && !strchr("+-.eE", *at))
            return false; /* hexadecimal floats, "inf" and "nan" */
    char *end = NULL;
    double value = c_locale ? strtod_l(string, &end, c_locale) : strtod(string, &end);
    if (end == string || *end || !isfinite(value))
        return false;
    *value_out = value;
    return true;
}

static bool unit_bytes(const char *suffix, double *unit_out)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1024.0},
        {"kib", 1024.0},
        {"kb", 1e3},
        {"m", 1048576.0},
        {"mib", 1048576.0},
        {"mb", 1e6},
        {"g", 1073741824.0},
        {"gib", 1073741824.0},
        {"gb", 1e9},
    };
    char lower[8] = "";
    size_t len = strlen(suffix);
    if (len >= sizeof lower)
        return false;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)suffix[i]);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(lower, units[i].name) == 0) {
            *unit_out = units[i].bytes;
            return true;
        }
    }
    return false;
}

bool tess_parse_bytes(const char *string, int64_t *bytes_out)
{
    size_t n_number = strspn(string, "0123456789.");
    char number[40];
    double unit, value;
    if (n_number == 0 || n_number >= sizeof number ||
        !unit_bytes(string + n_number, &unit))
        return false;
    memcpy(number, string, n_number);
    number[n_number] = '\0';
    if (!tess_parse_double(number, &value) || value * unit > 9e18)
        return false;
    int64_t whole;
    if (tess_parse_i64(number, 0, INT64_MAX,
                       &whole)) { /* exact where no fraction is given */
        if (__builtin_mul_overflow(whole, (int64_t)unit, bytes_out))
            return false;
        return true;
    }
    *bytes_out = (int64_t)(value * unit);
    return true;
}

const char *tess_format_bytes(int64_t bytes, char *buffer, size_t size)
{
    assert(size >= 16);
    double value = (double)bytes;
    if (bytes < 10 * 1024)
        snprintf(buffer, size, "%lld B", (long long)bytes);
    else if (bytes < 1024 * 1024)
        snprintf(buffer, size, "%.1f KiB", value / 1024);
    else if (bytes < 10LL * 1024 * 1024 * 1024)
        snprintf(buffer, size, "%.1f MiB", value / 1048576);
    else
        snprintf(buffer, size, "%.1f GiB", value / 1073741824);
    return buffer;
}

const char *tess_format_bytes_exact(int64_t bytes, char *buffer, size_t size)
{
    assert(size >= 24);
    const int64_t mega = 1048576, kilo = 1024;
    if (bytes > 0 && bytes % mega == 0)
        snprintf(buffer, size, "%lldM", (long long)(bytes / mega));
    else if (bytes > 0 && bytes % kilo == 0)
        snprintf(buffer, size, "%lldK", (long long)(bytes / kilo));
    else
        snprintf(buffer, size, "%lld", (long long)bytes);
    return buffer;
}

/* Levenshtein distance; words longer than WORD_LIMIT are never typing mistakes of ours. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    size_t row[WORD_LIMIT + 1];
    if (n_a > WORD_LIMIT || n_b > WORD_LIMIT)
        return SIZE_MAX;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            bool is_same =
                tolower((unsigned char)a[i - 1]) == tolower((unsigned char)b[j - 1]);
            size_t best = diagonal + !is_same;
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n_b];
}

const char *tess_nearest_word(const char *word, const char *const *candidates)
{
    const char *nearest = NULL;
    size_t nearest_distance = SIZE_MAX;
    for (; *candidates; candidates++) {
        size_t distance = edit_distance(word, *candidates);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = *candidates;
        }
    }
    /* One slip for short words, two or three for longer ones. */
    size_t allowed = 1 + strlen(word) / 4;
    return nearest && nearest_distance <= allowed && nearest_distance < strlen(word)
               ? nearest
               : NULL;
}
