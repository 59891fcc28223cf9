#include "cli/json_out.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { INDENT_COLUMNS = 2, MAX_DIGITS = 9 };

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

void tess_json_init(struct tess_json *json, struct tess_text *text)
{
    memset(json, 0, sizeof *json);
    json->text = text;
}

static void put(struct tess_json *json, const char *string)
{
    tess_text_append(json->text, string, strlen(string));
}

static void break_line(struct tess_json *json)
{
    tess_text_printf(json->text, "\n%*s", INDENT_COLUMNS * json->depth, "");
}

/* Comma and line break before the next item of the innermost container. */
static void separate(struct tess_json *json)
{
    if (json->depth == 0)
        return;
    const bool is_flat = json->open[json->depth - 1].is_flat;
    const bool is_first = json->open[json->depth - 1].n_items == 0;
    json->open[json->depth - 1].n_items++;
    if (!is_first)
        put(json, is_flat ? ", " : ",");
    if (!is_flat)
        break_line(json);
}

/* What every value does first. */
static void start_value(struct tess_json *json)
{
    assert(json->depth == 0 || json->has_key == json->open[json->depth - 1].is_object);
    if (!json->has_key)
        separate(json);
    json->has_key = false;
}

void tess_json_begin(struct tess_json *json, enum tess_json_kind kind)
{
    assert(json->depth < TESS_JSON_MAX_DEPTH);
    const bool is_object = kind == TESS_JSON_OBJECT || kind == TESS_JSON_FLAT_OBJECT;
    const bool is_flat = kind == TESS_JSON_FLAT_OBJECT || kind == TESS_JSON_FLAT_ARRAY;
    const bool is_inside_flat = json->depth > 0 && json->open[json->depth - 1].is_flat;
    start_value(json);
    put(json, is_object ? "{" : "[");
    json->open[json->depth].is_object = is_object;
    json->open[json->depth].is_flat = is_flat || is_inside_flat;
    json->open[json->depth].n_items = 0;
    json->depth++;
}

void tess_json_end(struct tess_json *json)
{
    assert(json->depth > 0 && !json->has_key);
    json->depth--;
    if (json->open[json->depth].n_items > 0 && !json->open[json->depth].is_flat)
        break_line(json);
    put(json, json->open[json->depth].is_object ? "}" : "]");
    if (json->depth == 0)
        put(json, "\n");
}

/* Bytes of the UTF-8 character at `at`, 0 if there is none: the table of well-formed
 * sequences of the Unicode standard (table 3-7), which shuts out overlong forms and
 * surrogates. */
static size_t utf8_length(const unsigned char *at)
{
    if (at[0] < 0x80)
        return 1;
    if (at[0] < 0xc2 || at[0] > 0xf4)
        return 0;
    size_t length = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    unsigned char low = 0x80, high = 0xbf;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf) /* a NUL ends the loop here as well */
            return 0;
    return length;
}

static void put_escaped(struct tess_json *json, unsigned char byte)
{
    static const char named[] = "\b\f\n\r\t\"\\";
    static const char *const escapes[] = {"\\b", "\\f",  "\\n", "\\r",
                                          "\\t", "\\\"", "\\\\"};
    const char *place = strchr(named, byte);
    if (place)
        put(json, escapes[place - named]);
    else
        tess_text_printf(json->text, "\\u%04x", byte);
}

static void put_string(struct tess_json *json, const char *string)
{
    const unsigned char *at = (const unsigned char *)string;
    put(json, "\"");
    while (*at) {
        size_t length = utf8_length(at);
        if (length == 0)
            put(json, replacement);
        else if (*at < ' ' || *at == '"' || *at == '\\' || *at == 0x7f)
            put_escaped(json, *at);
        else
            tess_text_append(json->text, (const char *)at, length);
        at += length ? length : 1;
    }
    put(json, "\"");
}

void tess_json_key(struct tess_json *json, const char *key)
{
    assert(json->depth > 0 && json->open[json->depth - 1].is_object && !json->has_key);
    separate(json);
    put_string(json, key);
    put(json, ": ");
    json->has_key = true;
}

void tess_json_string(struct tess_json *json, const char *string)
{
    start_value(json);
    if (string)
        put_string(json, string);
    else
        put(json, "null");
}

void tess_json_int(struct tess_json *json, int64_t value)
{
    start_value(json);
    tess_text_printf(json->text, "%lld", (long long)value);
}

void tess_json_bool(struct tess_json *json, bool value)
{
    start_value(json);
    put(json, value ? "true" : "false");
}

void tess_json_null(struct tess_json *json)
{
    start_value(json);
    put(json, "null");
}

/* Writes `n_digits` significant digits. A locale may have put another mark, of any
 * length, in place of the decimal point. */
static void format_number(double value, int n_digits, char *buffer, size_t size)
{
    snprintf(buffer, size, "%.*g", n_digits, value);
    char *to = buffer;
    bool has_point = false;
    for (const char *at = buffer; *at; at++) {
        if (strchr("+-0123456789eE", *at)) {
            *to++ = *at;
        } else if (!has_point) {
            *to++ = '.';
            has_point = true;
        }
    }
    *to = '\0';
}

void tess_json_double(struct tess_json *json, double value)
{
    if (!isfinite(value)) {
        tess_json_null(json);
        return;
    }
    start_value(json);
    /* A number that came from a float needs the digits of a float only. */
    const bool is_float = fabs(value) <= (double)FLT_MAX && (double)(float)value == value;
    char digits[48];
    for (int n_digits = 1; n_digits <= MAX_DIGITS; n_digits++) {
        double back;
        format_number(value, n_digits, digits, sizeof digits);
        if (tess_parse_double(digits, &back) &&
            (is_float ? (float)back == (float)value : back == value))
            break;
    }
    put(json, digits);
}

void tess_json_put_string(struct tess_json *json, const char *key, const char *string)
{
    tess_json_key(json, key);
    tess_json_string(json, string);
}

void tess_json_put_int(struct tess_json *json, const char *key, int64_t value)
{
    tess_json_key(json, key);
    tess_json_int(json, value);
}

void tess_json_put_bool(struct tess_json *json, const char *key, bool value)
{
    tess_json_key(json, key);
    tess_json_bool(json, value);
}

void tess_json_put_double(struct tess_json *json, const char *key, double value)
{
    tess_json_key(json, key);
    tess_json_double(json, value);
}
