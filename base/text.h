/* Text that people read and write: numbers, sizes, and a string that grows.
 *
 * The parsers accept exactly one value and nothing around it; they refuse signs, spaces and
 * suffixes that they do not name. Structured formats (YAML, JSON, cfg) belong to the modules
 * that own them.
 */
#ifndef TESS_BASE_TEXT_H
#define TESS_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A growing, always NUL-terminated string. Zeroed memory is a valid empty text. Appending
 * never fails visibly: after an allocation failure the text is `is_broken` and stays as it
 * was, so a writer checks once, at the end. */
struct tess_text {
    char *data; /* NULL while empty */
    size_t len; /* without the NUL */
    size_t capacity;
    bool is_broken;
};

void tess_text_init(struct tess_text *text);
void tess_text_release(struct tess_text *text); /* accepts zeroed memory and NULL */
const char *tess_text_string(const struct tess_text *text); /* borrowed, "" when empty */
void tess_text_append(struct tess_text *text, const char *bytes, size_t n_bytes);
void tess_text_printf(struct tess_text *text, const char *format, ...) TESS_PRINTF(2, 3);

/* Decimal integer in [low, high], optional leading '-', the whole string. */
bool tess_parse_i64(const char *string, int64_t low, int64_t high, int64_t *value_out);

/* Finite decimal number, the whole string, '.' as the decimal point in every locale. */
bool tess_parse_double(const char *string, double *value_out);

/* Bytes: a non-negative decimal number, optionally with one fractional part, and an optional
 * suffix K, M, G (powers of 1024; KiB, MiB, GiB mean the same) or B. KB, MB, GB are powers of
 * 1000. Case does not matter. "64M" is 67108864. */
bool tess_parse_bytes(const char *string, int64_t *bytes_out);

/* Writes a size the way people say it, "37.2 MiB" or "812 B". Returns `buffer`. `size` >= 16. */
const char *tess_format_bytes(int64_t bytes, char *buffer, size_t size);

/* Size as tess_parse_bytes reads it back exactly: "64M", "1536K" or plain bytes. `size` >= 24. */
const char *tess_format_bytes_exact(int64_t bytes, char *buffer, size_t size);

/* The candidate nearest to `word` by edit distance, or NULL if none is near enough to be a
 * likely typing mistake. `candidates` ends with NULL. Cost: O(total length * |word|). */
const char *tess_nearest_word(const char *word, const char *const *candidates);

#endif
