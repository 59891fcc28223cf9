#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cli/json_out.h"

static struct tess_text text;
static struct tess_json json;

static int start(void **state)
{
    (void)state;
    tess_text_init(&text);
    tess_json_init(&json, &text);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    tess_text_release(&text);
    return 0;
}

static void assert_text(const char *expected)
{
    assert_string_equal(tess_text_string(&text), expected);
    tess_text_release(&text);
    tess_json_init(&json, &text);
}

static void assert_number(double value, const char *expected)
{
    tess_json_double(&json, value);
    assert_text(expected);
}

static void assert_string(const char *value, const char *expected)
{
    tess_json_string(&json, value);
    assert_text(expected);
}

static void test_containers_are_indented_and_flat_ones_stay_on_a_line(void **state)
{
    (void)state;
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "name", "dog");
    tess_json_key(&json, "objects");
    tess_json_begin(&json, TESS_JSON_ARRAY);
    for (int i = 0; i < 2; i++) {
        tess_json_begin(&json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_int(&json, "id", i);
        tess_json_key(&json, "box");
        tess_json_begin(&json, TESS_JSON_ARRAY); /* flat because it is inside */
        tess_json_int(&json, -1);
        tess_json_bool(&json, true);
        tess_json_end(&json);
        tess_json_end(&json);
    }
    tess_json_end(&json);
    tess_json_key(&json, "rest");
    tess_json_null(&json);
    tess_json_end(&json);
    assert_text("{\n"
                "  \"name\": \"dog\",\n"
                "  \"objects\": [\n"
                "    {\"id\": 0, \"box\": [-1, true]},\n"
                "    {\"id\": 1, \"box\": [-1, true]}\n"
                "  ],\n"
                "  \"rest\": null\n"
                "}\n");
}

static void test_empty_containers_stay_closed(void **state)
{
    (void)state;
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_key(&json, "a");
    tess_json_begin(&json, TESS_JSON_ARRAY);
    tess_json_end(&json);
    tess_json_end(&json);
    assert_text("{\n  \"a\": []\n}\n");
    tess_json_begin(&json, TESS_JSON_FLAT_ARRAY);
    tess_json_end(&json);
    assert_text("[]\n");
}

static void test_strings_are_escaped(void **state)
{
    (void)state;
    assert_string("a\"b\\c\n\t\r\b\f\x01\x7f/",
                  "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u007f/\"");
    assert_string(NULL, "null");
    assert_string("", "\"\"");
}

static void test_utf8_passes_and_other_bytes_are_replaced(void **state)
{
    (void)state;
#define BAD "\xef\xbf\xbd"
    assert_string("\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x95",
                  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x95\"");
    assert_string("a\xffz", "\"a" BAD "z\"");
    assert_string("\xc0\xaf", "\"" BAD BAD "\"");                 /* overlong */
    assert_string("\xe0\x80\xaf", "\"" BAD BAD BAD "\"");         /* overlong */
    assert_string("\xed\xa0\x80", "\"" BAD BAD BAD "\"");         /* surrogate */
    assert_string("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* beyond U+10FFFF */
    assert_string("\xe2\x82", "\"" BAD BAD "\"");                 /* cut */
    assert_string("\xf0\x9f\x90", "\"" BAD BAD BAD "\"");
#undef BAD
}

static void test_numbers_are_short_and_come_back(void **state)
{
    (void)state;
    assert_number(0, "0");
    assert_number((double)0.9f, "0.9");
    assert_number(0.1, "0.1");
    assert_number(-2.5, "-2.5");
    assert_number(1e300, "1e+300");
    assert_number(16777216, "16777216");
    assert_number(3.14159265358979, "3.14159265");
    assert_number((double)0x1.fffffep+127f, "3.4028235e+38");
    assert_number((double)0x1p-149f, "1e-45");
}

static void test_numbers_json_lacks_become_null(void **state)
{
    (void)state;
    assert_number((double)NAN, "null");
    assert_number((double)INFINITY, "null");
    assert_number((double)-INFINITY, "null");
}

static void test_every_float_comes_back(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, 5);
    for (int i = 0; i < 20000; i++) {
        uint32_t bits = (uint32_t)tess_rng_next(&rng);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        tess_json_double(&json, (double)value);
        assert_true(strtof(tess_text_string(&text), NULL) == value);
        tess_text_release(&text);
    }
}

static void test_the_locale_does_not_change_numbers(void **state)
{
    (void)state;
    static const char *const locales[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const char *chosen = NULL;
    for (size_t i = 0; !chosen && i < sizeof locales / sizeof *locales; i++)
        chosen = setlocale(LC_NUMERIC, locales[i]);
    if (!chosen) {
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    tess_json_double(&json, 0.5);
    setlocale(LC_NUMERIC, "C");
    assert_text("0.5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_containers_are_indented_and_flat_ones_stay_on_a_line, start, stop),
        cmocka_unit_test_setup_teardown(test_empty_containers_stay_closed, start, stop),
        cmocka_unit_test_setup_teardown(test_strings_are_escaped, start, stop),
        cmocka_unit_test_setup_teardown(test_utf8_passes_and_other_bytes_are_replaced,
                                        start, stop),
        cmocka_unit_test_setup_teardown(test_numbers_are_short_and_come_back, start,
                                        stop),
        cmocka_unit_test_setup_teardown(test_numbers_json_lacks_become_null, start, stop),
        cmocka_unit_test_setup_teardown(test_every_float_comes_back, start, stop),
        cmocka_unit_test_setup_teardown(test_the_locale_does_not_change_numbers, start,
                                        stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
