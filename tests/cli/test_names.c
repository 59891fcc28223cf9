#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/names.h"

/* Loads `n_bytes` of content through a temporary file. */
static enum tess_status load_bytes(const char *content, size_t n_bytes,
                                   struct tess_names *names, struct tess_error *error)
{
    char path[] = "/tmp/tess_names_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, n_bytes), n_bytes);
    close(fd);
    tess_error_init(error);
    enum tess_status status = tess_names_load(path, names, error);
    unlink(path);
    return status;
}

static enum tess_status load(const char *content, struct tess_names *names,
                             struct tess_error *error)
{
    return load_bytes(content, strlen(content), names, error);
}

static void assert_name(const struct tess_names *names, int class_id,
                        const char *expected)
{
    char buffer[TESS_NAMES_BUFFER_BYTES];
    assert_string_equal(tess_names_get(names, class_id, buffer, sizeof buffer), expected);
}

static void test_line_ends_and_spaces_do_not_belong_to_names(void **state)
{
    (void)state;
    struct tess_names names;
    struct tess_error error;
    assert_int_equal(
        load("\xef\xbb\xbfperson\r\n  traffic light \t\ndog", &names, &error), TESS_OK);
    assert_int_equal(names.n_lines, 3);
    assert_name(&names, 0, "person");
    assert_name(&names, 1, "traffic light");
    assert_name(&names, 2, "dog");
    tess_names_release(&names);
}

static void test_classes_without_a_name_are_numbered(void **state)
{
    (void)state;
    struct tess_names names;
    struct tess_error error;
    assert_int_equal(load("a\n\nc\n\n\n", &names, &error), TESS_OK);
    assert_int_equal(names.n_lines, 3);
    assert_name(&names, 1, "class 1");
    assert_name(&names, 2, "c");
    assert_name(&names, 12, "class 12");
    assert_name(&names, INT32_MAX, "class 2147483647");
    assert_name(NULL, 0, "class 0");
    tess_names_release(&names);
}

static void test_files_that_hold_no_names_are_refused(void **state)
{
    (void)state;
    struct tess_names names;
    struct tess_error error;
    assert_int_equal(load("", &names, &error), TESS_E_CONFIG);
    assert_int_equal(load("\n \r\n", &names, &error), TESS_E_CONFIG);
    assert_non_null(strstr(error.message, "no names"));
    assert_int_equal(tess_names_load("no/such.names", &names, NULL), TESS_E_IO);
}

static void test_binary_files_are_refused_with_their_place(void **state)
{
    (void)state;
    struct tess_names names;
    struct tess_error error;
    assert_int_equal(load_bytes("ok\nab\0c", 7, &names, &error), TESS_E_CONFIG);
    assert_int_equal(error.line, 2);
    assert_int_equal(error.col, 3);
    assert_non_null(strstr(error.message, "0x00"));
    assert_true(error.hint[0] != '\0');
}

static void test_endless_files_are_refused(void **state)
{
    (void)state;
    struct tess_names names;
    struct tess_error error;
    char *content = malloc(TESS_NAMES_MAX_BYTES + 1);
    assert_non_null(content);
    memset(content, 'x', TESS_NAMES_MAX_BYTES + 1);
    assert_int_equal(load_bytes(content, TESS_NAMES_MAX_BYTES + 1, &names, &error),
                     TESS_E_IO);
    assert_int_equal(load_bytes(content, TESS_NAMES_MAX_BYTES, &names, &error), TESS_OK);
    tess_names_release(&names);
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_ends_and_spaces_do_not_belong_to_names),
        cmocka_unit_test(test_classes_without_a_name_are_numbered),
        cmocka_unit_test(test_files_that_hold_no_names_are_refused),
        cmocka_unit_test(test_binary_files_are_refused_with_their_place),
        cmocka_unit_test(test_endless_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
