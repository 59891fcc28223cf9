#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/base/base_testing.h"

static char folder[] = "/tmp/tessera-test-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/file", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if a temporary file was left behind */
}

static void test_written_file_reads_back_and_replaces(void **state)
{
    (void)state;
    struct tess_text text = {0};
    assert_int_equal(tess_file_write(path, "old and long", 12, NULL), TESS_OK);
    assert_int_equal(tess_file_write(path, "new", 3, NULL), TESS_OK);
    tess_text_append(&text, ">", 1);
    assert_int_equal(tess_file_read(path, 3, &text, NULL), TESS_OK);
    assert_string_equal(text.data, ">new");
    tess_text_release(&text);
}

static void test_file_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct tess_text text = {0};
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_file_write(path, "four", 4, NULL), TESS_OK);
    assert_int_equal(tess_file_read(path, 3, &text, &error), TESS_E_IO);
    assert_string_equal(error.file, path);
    tess_text_release(&text);
}

static void test_missing_places_are_io_errors(void **state)
{
    (void)state;
    struct tess_text text = {0};
    assert_int_equal(tess_file_read("/none/file", 10, &text, NULL), TESS_E_IO);
    assert_int_equal(tess_file_write("/none/file", "x", 1, NULL), TESS_E_IO);
}

static void test_a_text_is_written_unless_it_is_broken(void **state)
{
    (void)state;
    struct tess_text text = {0}, got = {0};
    tess_text_append(&text, "whole", 5);
    assert_int_equal(tess_file_write_text(path, &text, NULL), TESS_OK);
    text.is_broken = true;
    tess_text_append(&text, " and more", 9);
    assert_int_equal(tess_file_write_text(path, &text, NULL), TESS_E_NOMEM);
    assert_int_equal(tess_file_read(path, 9, &got, NULL), TESS_OK);
    assert_string_equal(got.data, "whole");
    tess_text_release(&text);
    tess_text_release(&got);
}

static void test_devices_are_written_in_place(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(tess_file_write("/dev/null", "x", 1, NULL), TESS_OK);
    assert_int_equal(stat("/dev/null", &info), 0);
    assert_true(S_ISCHR(info.st_mode));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_file_reads_back_and_replaces),
        cmocka_unit_test(test_file_over_the_limit_is_refused),
        cmocka_unit_test(test_missing_places_are_io_errors),
        cmocka_unit_test(test_a_text_is_written_unless_it_is_broken),
        cmocka_unit_test(test_devices_are_written_in_place),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
