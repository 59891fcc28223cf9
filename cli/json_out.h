/* A JSON writer over a growing text.
 *
 * It places commas, line breaks and indentation, and escapes strings; the result is
 * always valid JSON (RFC 8259). It refuses to read JSON and to build trees: values go out
 * as they come. Calling it out of order is a bug and asserts. Memory failures show in the
 * text's `is_broken`, once, at the end.
 *
 *     struct tess_json json;
 *     tess_json_init(&json, &text);
 *     tess_json_begin(&json, TESS_JSON_OBJECT);
 *     tess_json_put_int(&json, "objects", 3);
 *     tess_json_end(&json);
 */
#ifndef TESS_CLI_JSON_OUT_H
#define TESS_CLI_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum { TESS_JSON_MAX_DEPTH = 32 };

enum tess_json_kind {
    TESS_JSON_OBJECT,      /* a line for each member */
    TESS_JSON_ARRAY,       /* a line for each element */
    TESS_JSON_FLAT_OBJECT, /* one line, and so is everything inside */
    TESS_JSON_FLAT_ARRAY
};

struct tess_json {
    struct tess_text *text; /* borrowed */
    int depth;              /* containers that are open */
    struct {
        bool is_object, is_flat;
        int n_items;
    } open[TESS_JSON_MAX_DEPTH];
    bool has_key; /* a key waits for its value */
};

/* Starts a document at the end of `text`, which is borrowed until the last value is
 * written. */
void tess_json_init(struct tess_json *json, struct tess_text *text);

/* Opens a container, as a value; ends the innermost one. The end of the outermost
 * container ends the document with a newline. */
void tess_json_begin(struct tess_json *json, enum tess_json_kind kind);
void tess_json_end(struct tess_json *json);

/* Names the next value; inside objects only. */
void tess_json_key(struct tess_json *json, const char *key);

/* Values. A string's bytes that are not UTF-8 become U+FFFD; NULL becomes null. */
void tess_json_string(struct tess_json *json, const char *string);
void tess_json_int(struct tess_json *json, int64_t value);
void tess_json_bool(struct tess_json *json, bool value);
void tess_json_null(struct tess_json *json);

/* A number with up to 9 significant digits, as few as give the same float back (0.9f is
 * written as 0.9); '.' in every locale. NaN and infinities, which JSON lacks, become
 * null. */
void tess_json_double(struct tess_json *json, double value);

/* Members of objects: a key and its value. */
void tess_json_put_string(struct tess_json *json, const char *key, const char *string);
void tess_json_put_int(struct tess_json *json, const char *key, int64_t value);
void tess_json_put_bool(struct tess_json *json, const char *key, bool value);
void tess_json_put_double(struct tess_json *json, const char *key, double value);

#endif
