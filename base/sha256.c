#include "base/sha256.h"

#include <string.h>

/* Reference: FIPS 180-4, Secure Hash Standard, 4.1.2, 4.2.2, 5.1.1, 5.3.3, 6.2. */

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
    0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
    0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
    0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
    0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
    0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
    0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2};

static uint32_t rotate(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void expand(const uint8_t *block, uint32_t w[64])
{
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    expand(block, w);
    for (int t = 0; t < 64; t++) {
        uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                      ((e & f) ^ (~e & g)) + round_constants[t] + w[t];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                      ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t sum[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += sum[i];
}

void tess_sha256_start(struct tess_sha256_run *run)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(run, 0, sizeof *run);
    memcpy(run->state, start, sizeof start);
}

void tess_sha256_add(struct tess_sha256_run *run, const void *bytes, size_t n_bytes)
{
    const uint8_t *at = bytes;
    while (n_bytes > 0) {
        size_t used = run->n_bytes % sizeof run->block;
        if (used == 0 && n_bytes >= sizeof run->block) {
            compress(run->state, at);
            used = sizeof run->block;
        } else {
            size_t n = sizeof run->block - used;
            if (n > n_bytes)
                n = n_bytes;
            memcpy(run->block + used, at, n);
            if (used + n == sizeof run->block)
                compress(run->state, run->block);
            used = n;
        }
        run->n_bytes += used;
        at += used;
        n_bytes -= used;
    }
}

struct tess_sha256 tess_sha256_end(struct tess_sha256_run *run)
{
    static const uint8_t padding[64] = {0x80};
    struct tess_sha256 hash;
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(run->n_bytes * 8 >> (56 - 8 * i));
    size_t used = run->n_bytes % 64;
    tess_sha256_add(run, padding, used < 56 ? 56 - used : 120 - used);
    tess_sha256_add(run, length, sizeof length);
    for (int i = 0; i < TESS_SHA256_BYTES; i++)
        hash.bytes[i] = (uint8_t)(run->state[i / 4] >> (24 - 8 * (i % 4)));
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
