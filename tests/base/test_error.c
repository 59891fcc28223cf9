#include "base/error.h"

#include "tests/base/base_testing.h"

static void test_first_error_wins(void **state)
{
    (void)state;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_error_at(&error, TESS_E_MODEL, "a.cfg", 3, 4, "%s", "first"),
                     TESS_E_MODEL);
    assert_int_equal(tess_error_set(&error, TESS_E_IO, "second"), TESS_E_IO);
    assert_int_equal(error.status, TESS_E_MODEL);
    assert_string_equal(error.message, "first");
    assert_string_equal(error.file, "a.cfg");
    assert_int_equal(error.line, 3);
    assert_int_equal(error.col, 4);
}

static void test_error_struct_is_optional(void **state)
{
    (void)state;
    assert_int_equal(tess_error_set(NULL, TESS_E_IO, "x"), TESS_E_IO);
    assert_int_equal(tess_error_at(NULL, TESS_E_IO, NULL, 0, 0, "x"), TESS_E_IO);
    assert_int_equal(tess_error_nomem(NULL), TESS_E_NOMEM);
    tess_error_hint(NULL, "x");
}

static void test_hint_needs_an_error_and_stays(void **state)
{
    (void)state;
    struct tess_error error;
    tess_error_init(&error);
    tess_error_hint(&error, "too early");
    assert_string_equal(error.hint, "");
    tess_error_nomem(&error);
    tess_error_hint(&error, "close %s", "something");
    tess_error_hint(&error, "other advice");
    assert_string_equal(error.hint, "close something");
}

static void test_long_messages_are_cut_not_overrun(void **state)
{
    (void)state;
    struct tess_error error;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    tess_error_init(&error);
    tess_error_at(&error, TESS_E_MODEL, text, 1, 1, "%s", text);
    tess_error_hint(&error, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(strlen(error.hint), sizeof error.hint - 1);
    assert_int_equal(strlen(error.file), sizeof error.file - 1);
}

static void test_exit_codes_are_the_documented_ones(void **state)
{
    (void)state;
    static const int codes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1};
    for (int i = TESS_OK; i <= TESS_E_NOMEM; i++) {
        assert_int_equal(tess_status_exit_code((enum tess_status)i), codes[i]);
        assert_non_null(tess_status_name((enum tess_status)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_error_struct_is_optional),
        cmocka_unit_test(test_hint_needs_an_error_and_stays),
        cmocka_unit_test(test_long_messages_are_cut_not_overrun),
        cmocka_unit_test(test_exit_codes_are_the_documented_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
