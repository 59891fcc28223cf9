#include "base/text.h"

#include <locale.h>

#include "tests/base/base_testing.h"

static void test_text_grows_and_stays_terminated(void **state)
{
    (void)state;
    struct tess_text text;
    tess_text_init(&text);
    assert_string_equal(tess_text_string(&text), "");
    for (int i = 0; i < 1000; i++)
        tess_text_printf(&text, "%d,", i % 10);
    tess_text_append(&text, "end", 3);
    assert_false(text.is_broken);
    assert_int_equal(text.len, 2003);
    assert_int_equal(strlen(text.data), 2003);
    assert_string_equal(text.data + 1998, "9,end");
    tess_text_release(&text);
    tess_text_release(&text);
    tess_text_release(NULL);
}

static void test_integers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "-",  "+1", " 1",  "1 ",
                                      "1.0", "0x", "1e", "--1", "9223372036854775808"};
    int64_t value = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tess_parse_i64(bad[i], INT64_MIN, INT64_MAX, &value));
    assert_false(tess_parse_i64("11", 0, 10, &value));
    assert_false(tess_parse_i64("-1", 0, 10, &value));
    assert_int_equal(value, 42);
    assert_true(tess_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &value));
    assert_true(value == INT64_MIN);
    assert_true(tess_parse_i64("007", 0, 10, &value));
    assert_int_equal(value, 7);
}

static void test_decimals_are_finite_and_use_a_point(void **state)
{
    (void)state;
    static const char *const bad[] = {"",     "nan", "inf", "-inf", "0x1p3", "1,5",
                                      "1.5f", " 1",  "1 ",  "e5",   "1e999", "."};
    double value = 42;
    setlocale(LC_ALL, ""); /* whatever the user has */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(tess_parse_double(bad[i], &value));
    assert_true(value > 41.9 && value < 42.1);
    assert_true(tess_parse_double(".5", &value) && value > 0.49 && value < 0.51);
    assert_true(tess_parse_double("-1e-3", &value) && value < 0 && value > -0.0011);
}

static void check_bytes(const char *string, int64_t expected)
{
    int64_t bytes = -1;
    if (!tess_parse_bytes(string, &bytes) || bytes != expected)
        fail_msg("%s gives %lld", string, (long long)bytes);
}

static void test_sizes_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "M",      "-1M", "1 M",
                                      "1MM", "1.2.3M", "1e3", "99999999GG"};
    check_bytes("0", 0);
    check_bytes("812B", 812);
    check_bytes("64M", INT64_C(64) << 20);
    check_bytes("64MiB", INT64_C(64) << 20);
    check_bytes("64mb", 64000000);
    check_bytes("1.5K", 1536);
    check_bytes("2G", INT64_C(2) << 30);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t bytes = 42;
        assert_false(tess_parse_bytes(bad[i], &bytes));
        assert_int_equal(bytes, 42);
    }
}

static void test_exact_sizes_read_back(void **state)
{
    (void)state;
    static const int64_t sizes[] = {0,    1,       1023,     1024,
                                    1536, 1048576, 67108864, 1234567890123};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char buffer[24];
        check_bytes(tess_format_bytes_exact(sizes[i], buffer, sizeof buffer), sizes[i]);
    }
    char buffer[16];
    assert_string_equal(tess_format_bytes(812, buffer, sizeof buffer), "812 B");
    assert_string_equal(tess_format_bytes(39007027, buffer, sizeof buffer), "37.2 MiB");
}

static void test_nearest_word_finds_slips_only(void **state)
{
    (void)state;
    static const char *const words[] = {"filters", "size", "stride", "pad", NULL};
    assert_string_equal(tess_nearest_word("filter", words), "filters");
    assert_string_equal(tess_nearest_word("Stride", words), "stride");
    assert_string_equal(tess_nearest_word("fliters", words), "filters");
    assert_null(tess_nearest_word("momentum", words));
    assert_null(tess_nearest_word("x", words));
    assert_null(tess_nearest_word("", words));
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(tess_nearest_word(longer, words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_grows_and_stays_terminated),
        cmocka_unit_test(test_integers_are_read_whole_or_not_at_all),
        cmocka_unit_test(test_decimals_are_finite_and_use_a_point),
        cmocka_unit_test(test_sizes_are_read_as_people_write_them),
        cmocka_unit_test(test_exact_sizes_read_back),
        cmocka_unit_test(test_nearest_word_finds_slips_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
