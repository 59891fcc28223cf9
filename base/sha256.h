/* SHA-256: names for contents. Two contents of one name are not to be expected even if
 * somebody looks for them, so what was fetched by its name is what was asked for.
 *
 * A wall around libsodium, whose header base/sha256.c alone includes. For detecting accidents
 * base/crc32c.h is faster.
 */
#ifndef TESS_BASE_SHA256_H
#define TESS_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TESS_SHA256_BYTES = 32, TESS_SHA256_HEX = 65 };

struct tess_sha256 {
    uint8_t bytes[TESS_SHA256_BYTES];
};

/* A hash being computed, in place: room for the library's state. */
struct tess_sha256_run {
    uint64_t room[13];
};

/* FIPS 180-4. Start, add the bytes in pieces of any size, end. */
void tess_sha256_start(struct tess_sha256_run *run);
void tess_sha256_add(struct tess_sha256_run *run, const void *bytes, size_t n_bytes);
struct tess_sha256 tess_sha256_end(struct tess_sha256_run *run);

/* The hash of one piece. */
struct tess_sha256 tess_sha256_of(const void *bytes, size_t n_bytes);

bool tess_sha256_is_equal(const struct tess_sha256 *a, const struct tess_sha256 *b);

/* Writes 64 lower-case digits and a NUL to `text` [TESS_SHA256_HEX] and returns it. */
const char *tess_sha256_text(const struct tess_sha256 *hash, char *text);

/* Reads exactly 64 lower-case digits. */
bool tess_sha256_parse(const char *text, struct tess_sha256 *hash_out);

#endif
