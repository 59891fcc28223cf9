/* 64-bit fingerprints of texts and facts, to notice that a plan belongs to another model.
 *
 * Not cryptographic: it detects accidents, not attacks.
 */
#ifndef TESS_BASE_HASH_H
#define TESS_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define TESS_HASH_START UINT64_C(0xcbf29ce484222325)

/* FNV-1a over bytes, continued from `hash` (TESS_HASH_START for a new one). */
static inline uint64_t tess_hash_bytes(uint64_t hash, const void *bytes, size_t n_bytes)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* The same over an integer's value, independent of the machine's byte order. */
static inline uint64_t tess_hash_i64(uint64_t hash, int64_t value)
{
    for (int shift = 0; shift < 64; shift += 8) {
        unsigned char byte = (unsigned char)((uint64_t)value >> shift);
        hash = tess_hash_bytes(hash, &byte, 1);
    }
    return hash;
}

#endif
