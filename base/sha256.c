#include "base/sha256.h"

#include <sodium.h>
#include <string.h>

/* sodium_init is not called: it prepares random numbers and picks among ways to do a thing, and
 * of SHA-256 the library has one. */

_Static_assert(sizeof(struct tess_sha256_run) >= sizeof(crypto_hash_sha256_state) &&
                   _Alignof(struct tess_sha256_run) >= _Alignof(crypto_hash_sha256_state),
               "the library's state has its room");
_Static_assert(TESS_SHA256_BYTES == crypto_hash_sha256_BYTES, "hashes have one size");

/* None of the library's functions for this can fail: they return 0. */

static crypto_hash_sha256_state *state_of(struct tess_sha256_run *run)
{
    return (crypto_hash_sha256_state *)(void *)run;
}

void tess_sha256_start(struct tess_sha256_run *run)
{
    memset(run, 0, sizeof *run);
    (void)crypto_hash_sha256_init(state_of(run));
}

void tess_sha256_add(struct tess_sha256_run *run, const void *bytes, size_t n_bytes)
{
    (void)crypto_hash_sha256_update(state_of(run), bytes, n_bytes);
}

struct tess_sha256 tess_sha256_end(struct tess_sha256_run *run)
{
    struct tess_sha256 hash;
    (void)crypto_hash_sha256_final(state_of(run), hash.bytes);
    return hash;
}

struct tess_sha256 tess_sha256_of(const void *bytes, size_t n_bytes)
{
    struct tess_sha256_run run;
    tess_sha256_start(&run);
    tess_sha256_add(&run, bytes, n_bytes);
    return tess_sha256_end(&run);
}

bool tess_sha256_is_equal(const struct tess_sha256 *a, const struct tess_sha256 *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

const char *tess_sha256_text(const struct tess_sha256 *hash, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < TESS_SHA256_BYTES; i++) {
        text[2 * i] = digits[hash->bytes[i] >> 4];
        text[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    text[2 * TESS_SHA256_BYTES] = '\0';
    return text;
}

static int value_of(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool tess_sha256_parse(const char *text, struct tess_sha256 *hash_out)
{
    struct tess_sha256 hash;
    for (int i = 0; i < TESS_SHA256_BYTES; i++) {
        int high = value_of(text[2 * i]);
        int low = high < 0 ? -1 : value_of(text[2 * i + 1]);
        if (low < 0)
            return false;
        hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (text[2 * TESS_SHA256_BYTES] != '\0')
        return false;
    *hash_out = hash;
    return true;
}
