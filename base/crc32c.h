/* CRC-32C (Castagnoli) of bytes: the checksum of stored weights.
 *
 * Detects accidents, a flipped bit always; nothing that somebody means to do. Fingerprints
 * of texts are base/hash.h's.
 */
#ifndef TESS_BASE_CRC32C_H
#define TESS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of everything `crc` covers followed by `bytes`; `crc` is 0 for nothing yet.
 * RFC 3720, B.4. Uses the processor's instructions (SSE4.2, ARMv8 CRC) where it has them,
 * else tables. Safe from any thread. */
uint32_t tess_crc32c(uint32_t crc, const void *bytes, size_t n_bytes);

/* The same by tables on every machine: what the instructions are tested against. */
uint32_t tess_crc32c_by_table(uint32_t crc, const void *bytes, size_t n_bytes);

#endif
