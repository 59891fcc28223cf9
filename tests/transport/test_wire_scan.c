#include "transport/wire_scan.h"

#include "base/rng.h"
#include "tests/transport/transport_testing.h"

static void expect(const char *bytes, size_t n_bytes, enum tess_wire_scan expected)
{
    char *exact = malloc(n_bytes ? n_bytes : 1); /* no byte to spare: overruns show */
    if (!exact)
        fail();
    memcpy(exact, bytes, n_bytes);
    assert_int_equal(tess_wire_scan(exact, n_bytes), expected);
    free(exact);
}

#define EXPECT(literal, result) expect(literal, sizeof(literal) - 1, result)

static void test_each_format_of_the_subset_passes(void **state)
{
    (void)state;
    EXPECT("\x00", TESS_SCAN_OK);
    EXPECT("\xff", TESS_SCAN_OK);
    EXPECT("\x93\x01\xcc\xff\xcd\x01\x02", TESS_SCAN_OK);
    EXPECT("\xce\x01\x02\x03\x04", TESS_SCAN_OK);
    EXPECT("\xcf\x01\x02\x03\x04\x05\x06\x07\x08", TESS_SCAN_OK);
    EXPECT("\xd0\x01", TESS_SCAN_OK);
    EXPECT("\xd1\x01\x02", TESS_SCAN_OK);
    EXPECT("\xd2\x01\x02\x03\x04", TESS_SCAN_OK);
    EXPECT("\xd3\x01\x02\x03\x04\x05\x06\x07\x08", TESS_SCAN_OK);
    EXPECT("\xa3"
           "abc",
           TESS_SCAN_OK);
    EXPECT("\xd9\x01"
           "a",
           TESS_SCAN_OK);
    EXPECT("\xda\x00\x01"
           "a",
           TESS_SCAN_OK);
    EXPECT("\xdb\x00\x00\x00\x01"
           "a",
           TESS_SCAN_OK);
    EXPECT("\xc4\x02\x00\x00", TESS_SCAN_OK);
    EXPECT("\xc5\x00\x01\x00", TESS_SCAN_OK);
    EXPECT("\xc6\x00\x00\x00\x01\x00", TESS_SCAN_OK);
    EXPECT("\xdc\x00\x01\x00", TESS_SCAN_OK);
    EXPECT("\xdd\x00\x00\x00\x01\x00", TESS_SCAN_OK);
    EXPECT("\x90", TESS_SCAN_OK);
}

static void test_other_types_are_refused(void **state)
{
    (void)state;
    const unsigned char types[] = {0xc0, 0xc1, 0xc2, 0xc3, 0xc7, 0xc8, 0xc9, 0xca, 0xcb,
                                   0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xde, 0xdf, 0x80, 0x8f};
    for (size_t i = 0; i < sizeof types; i++) {
        unsigned char bytes[20] = {types[i]};
        assert_int_equal(tess_wire_scan(bytes, sizeof bytes), TESS_SCAN_TYPE);
    }
}

/* What makes msgpack-c ask for gigabytes. */
static void test_bombs_are_refused(void **state)
{
    (void)state;
    EXPECT("\xdd\xff\xff\xff\xff", TESS_SCAN_TOO_MANY);
    EXPECT("\xdd\x3f\xff\xff\xff", TESS_SCAN_TOO_MANY);
    EXPECT("\xdf\xff\xff\xff\xff", TESS_SCAN_TYPE);
    EXPECT("\xdb\xff\xff\xff\xff", TESS_SCAN_TRUNCATED);
    EXPECT("\xc6\xff\xff\xff\xff", TESS_SCAN_TRUNCATED);
    EXPECT("\x92\x91\xdd\x00\x00\x01\x00", TESS_SCAN_TOO_MANY);
}

static void test_truncated_and_trailing_bytes_are_refused(void **state)
{
    (void)state;
    const char whole[] = "\x93\xcd\x01\x02\xa2hi\x91\xce\x01\x02\x03\x04";
    for (size_t n = 0; n + 1 < sizeof whole; n++) {
        enum tess_wire_scan result = tess_wire_scan(whole, n);
        assert_true(result == TESS_SCAN_TRUNCATED || result == TESS_SCAN_TOO_MANY);
    }
    EXPECT(whole, TESS_SCAN_OK);
    EXPECT("\x91\x01\x01", TESS_SCAN_TRAILING);
    EXPECT("\x01\x01", TESS_SCAN_TRAILING);
}

static void test_depth_is_limited(void **state)
{
    (void)state;
    EXPECT("\x91\x91\x91\x90", TESS_SCAN_OK);
    EXPECT("\x91\x91\x91\x91\x01", TESS_SCAN_OK);
    EXPECT("\x91\x91\x91\x91\x90", TESS_SCAN_TOO_DEEP);
    EXPECT("\x91\x91\x91\x91\x91\x01", TESS_SCAN_TOO_DEEP);
}

static void test_items_are_limited(void **state)
{
    (void)state;
    char bytes[200] = "\xdc\x00";
    bytes[2] = TESS_WIRE_ITEMS_MAX - 1;
    expect(bytes, 3 + TESS_WIRE_ITEMS_MAX - 1, TESS_SCAN_OK);
    bytes[2] = (char)TESS_WIRE_ITEMS_MAX;
    expect(bytes, 3 + TESS_WIRE_ITEMS_MAX, TESS_SCAN_TOO_MANY);
    /* Many empty arrays cost a byte each. */
    memset(bytes, 0x90, sizeof bytes);
    bytes[0] = '\x9f';
    bytes[1] = '\xdc';
    bytes[2] = 0;
    bytes[3] = 120;
    expect(bytes, 160, TESS_SCAN_TOO_MANY);
}

static void test_length_is_limited(void **state)
{
    (void)state;
    char bytes[TESS_WIRE_HEADER_MAX_BYTES + 1] = "\xc5\x03\xfd";
    expect(bytes, TESS_WIRE_HEADER_MAX_BYTES, TESS_SCAN_OK);
    expect(bytes, TESS_WIRE_HEADER_MAX_BYTES + 1, TESS_SCAN_TOO_LONG);
}

static void test_random_bytes_end_in_an_answer(void **state)
{
    (void)state;
    struct tess_rng rng;
    int n_ok = 0;
    tess_rng_init(&rng, 11);
    for (int i = 0; i < 200000; i++) {
        char bytes[24];
        size_t n = (size_t)tess_rng_int(&rng, 0, sizeof bytes);
        for (size_t k = 0; k < n; k++)
            bytes[k] = (char)tess_rng_next(&rng);
        n_ok += tess_wire_scan(bytes, n) == TESS_SCAN_OK;
    }
    assert_true(n_ok > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_format_of_the_subset_passes),
        cmocka_unit_test(test_other_types_are_refused),
        cmocka_unit_test(test_bombs_are_refused),
        cmocka_unit_test(test_truncated_and_trailing_bytes_are_refused),
        cmocka_unit_test(test_depth_is_limited),
        cmocka_unit_test(test_items_are_limited),
        cmocka_unit_test(test_length_is_limited),
        cmocka_unit_test(test_random_bytes_end_in_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
