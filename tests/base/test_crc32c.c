#include "base/crc32c.h"

#include "base/rng.h"
#include "tests/base/base_testing.h"

enum { N_LONG_BYTES = 200000 };

static unsigned char *random_bytes(size_t n_bytes)
{
    struct tess_rng rng;
    unsigned char *bytes = malloc(n_bytes);
    tess_rng_init(&rng, 7);
    if (!bytes)
        fail();
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (unsigned char)tess_rng_next(&rng);
    return bytes;
}

static void expect(const void *bytes, size_t n_bytes, uint32_t crc)
{
    assert_int_equal(tess_crc32c(0, bytes, n_bytes), crc);
    assert_int_equal(tess_crc32c_by_table(0, bytes, n_bytes), crc);
}

/* RFC 3720, B.4, and the catalogue's check value. */
static void test_published_sums(void **state)
{
    (void)state;
    unsigned char bytes[32];
    const unsigned char read_command[48] = {
        [0] = 0x01,  [1] = 0xc0,  [16] = 0x14, [22] = 0x04,
        [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02,
    };
    expect("", 0, 0);
    expect("123456789", 9, 0xe3069283);
    memset(bytes, 0, sizeof bytes);
    expect(bytes, sizeof bytes, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    expect(bytes, sizeof bytes, 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    expect(bytes, sizeof bytes, 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(31 - i);
    expect(bytes, sizeof bytes, 0x113fdb5c);
    expect(read_command, sizeof read_command, 0xd9963a56);
}

static void test_instructions_agree_with_tables_at_every_length(void **state)
{
    (void)state;
    const size_t lengths[] = {255,   8191,  8192,  24575, 24576,       24577,
                              49151, 49152, 73728, 99999, N_LONG_BYTES};
    unsigned char *bytes = random_bytes(N_LONG_BYTES + 8);
    for (size_t n = 0; n < 100; n++)
        for (size_t skip = 0; skip < 8; skip++)
            assert_int_equal(tess_crc32c(0, bytes + skip, n),
                             tess_crc32c_by_table(0, bytes + skip, n));
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (size_t skip = 0; skip < 8; skip += 3)
            assert_int_equal(tess_crc32c(0, bytes + skip, lengths[i]),
                             tess_crc32c_by_table(0, bytes + skip, lengths[i]));
    free(bytes);
}

static void test_sum_of_parts_is_that_of_the_whole(void **state)
{
    (void)state;
    unsigned char *bytes = random_bytes(N_LONG_BYTES);
    uint32_t whole = tess_crc32c(0, bytes, N_LONG_BYTES);
    for (size_t cut = 0; cut < N_LONG_BYTES; cut += 12347) {
        uint32_t first = tess_crc32c(0, bytes, cut);
        assert_int_equal(tess_crc32c(first, bytes + cut, N_LONG_BYTES - cut), whole);
        first = tess_crc32c_by_table(0, bytes, cut);
        assert_int_equal(tess_crc32c_by_table(first, bytes + cut, N_LONG_BYTES - cut),
                         whole);
    }
    free(bytes);
}

static void test_each_flipped_bit_shows(void **state)
{
    (void)state;
    unsigned char *bytes = random_bytes(N_LONG_BYTES);
    uint32_t whole = tess_crc32c(0, bytes, N_LONG_BYTES);
    for (size_t at = 0; at < N_LONG_BYTES; at += 1499) {
        bytes[at] ^= (unsigned char)(1u << (at % 8));
        assert_int_not_equal(tess_crc32c(0, bytes, N_LONG_BYTES), whole);
        bytes[at] ^= (unsigned char)(1u << (at % 8));
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_sums),
        cmocka_unit_test(test_instructions_agree_with_tables_at_every_length),
        cmocka_unit_test(test_sum_of_parts_is_that_of_the_whole),
        cmocka_unit_test(test_each_flipped_bit_shows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
