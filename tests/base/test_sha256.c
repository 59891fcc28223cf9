#include "base/sha256.h"

#include "base/rng.h"
#include "tests/base/base_testing.h"

static void expect(const void *bytes, size_t n_bytes, const char *expected)
{
    char text[TESS_SHA256_HEX];
    struct tess_sha256 hash = tess_sha256_of(bytes, n_bytes);
    assert_string_equal(tess_sha256_text(&hash, text), expected);
}

/* FIPS 180-4's examples, and those of NIST's secure hash validation list. */
static void test_published_hashes(void **state)
{
    (void)state;
    expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect("\xbd", 1, "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b");
}

static void test_a_million_letters(void **state)
{
    (void)state;
    char text[TESS_SHA256_HEX];
    char letters[1000];
    struct tess_sha256_run run;
    memset(letters, 'a', sizeof letters);
    tess_sha256_start(&run);
    for (int i = 0; i < 1000; i++)
        tess_sha256_add(&run, letters, sizeof letters);
    struct tess_sha256 hash = tess_sha256_end(&run);
    assert_string_equal(
        tess_sha256_text(&hash, text),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_pieces_of_any_size_give_the_hash_of_the_whole(void **state)
{
    (void)state;
    unsigned char bytes[300];
    struct tess_rng rng;
    tess_rng_init(&rng, 3);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)tess_rng_next(&rng);
    for (size_t n = 0; n < sizeof bytes; n += 7) {
        struct tess_sha256 whole = tess_sha256_of(bytes, n);
        for (size_t piece = 1; piece < 140; piece += 3) {
            struct tess_sha256_run run;
            tess_sha256_start(&run);
            for (size_t at = 0; at < n; at += piece)
                tess_sha256_add(&run, bytes + at, n - at < piece ? n - at : piece);
            struct tess_sha256 hash = tess_sha256_end(&run);
            assert_true(tess_sha256_is_equal(&hash, &whole));
        }
    }
}

static void test_text_is_read_back_and_nothing_else_is(void **state)
{
    (void)state;
    char text[TESS_SHA256_HEX + 1] = "";
    struct tess_sha256 hash = tess_sha256_of("x", 1), read;
    assert_true(tess_sha256_parse(tess_sha256_text(&hash, text), &read));
    assert_true(tess_sha256_is_equal(&hash, &read));
    text[5] = 'A';
    assert_false(tess_sha256_parse(text, &read));
    text[5] = '0';
    text[64] = '0';
    assert_false(tess_sha256_parse(text, &read));
    text[63] = '\0';
    assert_false(tess_sha256_parse(text, &read));
    assert_false(tess_sha256_parse("", &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_hashes),
        cmocka_unit_test(test_a_million_letters),
        cmocka_unit_test(test_pieces_of_any_size_give_the_hash_of_the_whole),
        cmocka_unit_test(test_text_is_read_back_and_nothing_else_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
