/* Problem: streamed weights are checked as they come, so the checksum must be faster than
 * any disk and than memory in practice.
 *
 * Method: the processor's instruction takes 8 bytes each cycle but needs 3 cycles for its
 * result, so three stripes of a stretch are summed side by side and then joined: the
 * checksum of A followed by B is that of A moved past |B| zero bytes, xor that of B begun
 * at 0. Moving is a multiplication by x^(8|B|) modulo the polynomial, which costs some
 * hundred cycles per stretch. Without the instruction: slicing by 8, M. Kounavis, F. Berry,
 * "A systematic approach to building high performance software-based CRC generators",
 * ISCC 2005.
 *
 * Invariant: between calls a checksum is stored inverted (RFC 3720); inside this file `sum`
 * is the bare remainder, bit-reflected: bit 31 is the coefficient of x^0.
 *
 * Cost: on a 3 GHz x86, 18 GB/s from cache for stretches, 7 GB/s for less than one,
 * 1.2 GB/s by table.
 */
#include "base/crc32c.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAS_INSTRUCTION 1
#define TARGET __attribute__((target("sse4.2")))
#define ADD_8(sum, word) ((uint32_t)_mm_crc32_u64((sum), (word)))
#define ADD_1(sum, byte) (_mm_crc32_u8((sum), (byte)))
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define HAS_INSTRUCTION 1
#if defined(__clang__)
#define TARGET __attribute__((target("crc")))
#else
#define TARGET __attribute__((target("+crc")))
#endif
#define ADD_8(sum, word) (__crc32cd((sum), (word)))
#define ADD_1(sum, byte) (__crc32cb((sum), (byte)))
#else
#define HAS_INSTRUCTION 0
#endif

#define POLYNOMIAL UINT32_C(0x82f63b78) /* reflected, without x^32 */

enum { N_TABLES = 8, N_BYTE_VALUES = 256 };

static uint32_t tables[N_TABLES][N_BYTE_VALUES];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

/* tables[k][b]: the remainder of byte b followed by k zero bytes. */
static void fill_tables(void)
{
    for (uint32_t byte = 0; byte < N_BYTE_VALUES; byte++) {
        uint32_t sum = byte;
        for (int bit = 0; bit < 8; bit++)
            sum = (sum >> 1) ^ (sum & 1 ? POLYNOMIAL : 0);
        tables[0][byte] = sum;
    }
    for (int k = 1; k < N_TABLES; k++)
        for (int byte = 0; byte < N_BYTE_VALUES; byte++) {
            uint32_t before = tables[k - 1][byte];
            tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
        }
}

/* Little-endian on every machine. Not a loop: that compilers fail to make one load of. */
static uint64_t load_8(const unsigned char *at)
{
    return (uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
           (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
           (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56;
}

uint32_t tess_crc32c_by_table(uint32_t crc, const void *bytes, size_t n_bytes)
{
    const unsigned char *at = bytes;
    uint32_t sum = ~crc;
    pthread_once(&tables_once, fill_tables);
    for (; n_bytes >= 8; n_bytes -= 8, at += 8) {
        uint64_t word = load_8(at) ^ sum;
        sum = 0;
        for (int i = 0; i < N_TABLES; i++)
            sum ^= tables[N_TABLES - 1 - i][(word >> (8 * i)) & 0xff];
    }
    for (; n_bytes > 0; n_bytes--, at++)
        sum = (sum >> 8) ^ tables[0][(sum ^ *at) & 0xff];
    return ~sum;
}

#if HAS_INSTRUCTION

/* TUNING: bytes of a stripe. Joining costs a few percent at 8 KiB; with longer stripes
 * fewer blocks of weights hold a whole stretch. 4, 8 and 16 KiB differ by less than the
 * noise on blocks of 64 KiB and more (2026-11, x86). */
enum { STRIPE_BYTES = 8192 };

/* x^(8 * STRIPE_BYTES) modulo the polynomial; tests/base/test_crc32c.c compares the result
 * with the tables. */
#define PAST_STRIPE UINT32_C(0x28461564)

/* The product of two remainders modulo the polynomial. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (int i = 31; i >= 0; i--) {
        product ^= b & (0 - (a >> i & 1));
        b = (b >> 1) ^ (POLYNOMIAL & (0 - (b & 1)));
    }
    return product;
}

static bool has_instruction(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("sse4.2");
#else
    const unsigned long crc32_bit = 1UL << 7; /* HWCAP_CRC32 */
    return (getauxval(AT_HWCAP) & crc32_bit) != 0;
#endif
}

/* Three stripes side by side, joined. */
TARGET static uint32_t add_stretch(uint32_t sum, const unsigned char *at)
{
    uint32_t second = 0, third = 0;
    for (int i = 0; i < STRIPE_BYTES; i += 8) {
        sum = ADD_8(sum, load_8(at + i));
        second = ADD_8(second, load_8(at + STRIPE_BYTES + i));
        third = ADD_8(third, load_8(at + 2 * STRIPE_BYTES + i));
    }
    sum = multiply(PAST_STRIPE, sum) ^ second;
    return multiply(PAST_STRIPE, sum) ^ third;
}

TARGET static uint32_t by_instruction(uint32_t crc, const unsigned char *at,
                                      size_t n_bytes)
{
    uint32_t sum = ~crc;
    for (; n_bytes >= 3 * STRIPE_BYTES; n_bytes -= 3 * STRIPE_BYTES) {
        sum = add_stretch(sum, at);
        at += 3 * STRIPE_BYTES;
    }
    for (; n_bytes >= 8; n_bytes -= 8, at += 8)
        sum = ADD_8(sum, load_8(at));
    for (; n_bytes > 0; n_bytes--, at++)
        sum = ADD_1(sum, *at);
    return ~sum;
}

uint32_t tess_crc32c(uint32_t crc, const void *bytes, size_t n_bytes)
{
    assert(bytes || n_bytes == 0);
    return has_instruction() ? by_instruction(crc, bytes, n_bytes)
                             : tess_crc32c_by_table(crc, bytes, n_bytes);
}

#else

uint32_t tess_crc32c(uint32_t crc, const void *bytes, size_t n_bytes)
{
    assert(bytes || n_bytes == 0);
    return tess_crc32c_by_table(crc, bytes, n_bytes);
}

#endif
