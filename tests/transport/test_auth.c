#include "transport/auth.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/transport/transport_testing.h"

#define KEY_A "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define KEY_B "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

struct folder {
    char path[64], file[80], public_file[88];
};

static void begin(struct folder *folder)
{
    strcpy(folder->path, "/tmp/tess_auth_XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/key", folder->path);
    snprintf(folder->public_file, sizeof folder->public_file, "%s.pub", folder->file);
}

static void end(struct folder *folder)
{
    unlink(folder->file);
    unlink(folder->public_file);
    assert_int_equal(rmdir(folder->path), 0);
}

static void write_file(const struct folder *folder, const char *text)
{
    assert_int_equal(tess_file_write(folder->file, text, strlen(text), NULL), TESS_OK);
    assert_int_equal(chmod(folder->file, 0600), 0);
}

static void test_pair_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct folder folder;
    struct tess_link_keys keys, read;
    char public_key[TESS_LINK_KEY];
    struct stat info;
    begin(&folder);
    assert_int_equal(tess_link_zmq_generate(&keys, NULL), TESS_OK);
    assert_int_equal(tess_auth_write_keys(folder.file, &keys, NULL), TESS_OK);
    assert_int_equal(tess_auth_read_keys(folder.file, &read, NULL), TESS_OK);
    assert_string_equal(read.public_key, keys.public_key);
    assert_string_equal(read.secret_key, keys.secret_key);
    assert_int_equal(tess_auth_read_public(folder.public_file, public_key, NULL),
                     TESS_OK);
    assert_string_equal(public_key, keys.public_key);
    assert_int_equal(stat(folder.file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    end(&folder);
}

static void test_key_is_never_overwritten(void **state)
{
    (void)state;
    struct folder folder;
    struct tess_link_keys keys = {KEY_A, KEY_B}, other = {KEY_B, KEY_A}, read;
    struct tess_error error;
    begin(&folder);
    tess_error_init(&error);
    assert_int_equal(tess_auth_write_keys(folder.file, &keys, NULL), TESS_OK);
    assert_int_equal(tess_auth_write_keys(folder.file, &other, &error), TESS_E_IO);
    assert_string_equal(error.message, "cannot create: File exists");
    assert_int_equal(tess_auth_read_keys(folder.file, &read, NULL), TESS_OK);
    assert_string_equal(read.public_key, KEY_A);
    end(&folder);
}

static void test_secret_that_others_can_read_is_refused(void **state)
{
    (void)state;
    struct folder folder;
    struct tess_link_keys keys = {KEY_A, KEY_B};
    struct tess_error error;
    begin(&folder);
    tess_error_init(&error);
    assert_int_equal(tess_auth_write_keys(folder.file, &keys, NULL), TESS_OK);
    assert_int_equal(chmod(folder.file, 0640), 0);
    assert_int_equal(tess_auth_read_keys(folder.file, &keys, &error), TESS_E_CONFIG);
    assert_string_equal(error.message, "others than its owner may read this secret key");
    assert_non_null(strstr(error.hint, "chmod 600"));
    end(&folder);
}

static void test_secret_of_another_owner_is_that_owners_affair(void **state)
{
    (void)state;
    struct folder folder;
    struct tess_link_keys keys = {KEY_A, KEY_B}, read;
    if (geteuid() != 0)
        skip(); /* nobody else may give a file away */
    begin(&folder);
    assert_int_equal(tess_auth_write_keys(folder.file, &keys, NULL), TESS_OK);
    assert_int_equal(chmod(folder.file, 0640), 0);
    assert_int_equal(chown(folder.file, 1, (gid_t)-1), 0);
    assert_int_equal(tess_auth_read_keys(folder.file, &read, NULL), TESS_OK);
    assert_string_equal(read.secret_key, KEY_B);
    end(&folder);
}

static void expect_pair_error(const char *text, int line, int col, const char *message)
{
    struct folder folder;
    struct tess_link_keys keys;
    struct tess_error error;
    begin(&folder);
    tess_error_init(&error);
    write_file(&folder, text);
    assert_int_equal(tess_auth_read_keys(folder.file, &keys, &error), TESS_E_CONFIG);
    assert_string_equal(error.message, message);
    assert_int_equal(error.line, line);
    assert_int_equal(error.col, col);
    end(&folder);
}

static void test_mistakes_in_a_pair_are_named_with_their_place(void **state)
{
    (void)state;
    const char *lacks = "the file lacks a public or a secret key";
    const char *lines = "expected one line `public KEY` and one `secret KEY`";
    expect_pair_error("", 0, 0, lacks);
    expect_pair_error("public " KEY_A "\n", 0, 0, lacks);
    expect_pair_error("public " KEY_A "\npublic " KEY_A "\n", 2, 1, lines);
    expect_pair_error("# note\nprivate " KEY_A "\n", 2, 1, lines);
    expect_pair_error("public  short\n", 1, 9, "a key has 40 characters of Z85");
    expect_pair_error("public " KEY_A "x\n", 1, 8, "a key has 40 characters of Z85");
    expect_pair_error("public\n", 1, 7, "expected two words, a name and a key");
    expect_pair_error("public " KEY_A " x\n", 1, 49,
                      "expected two words, a name and a key");
}

static void test_list_of_workers_is_read(void **state)
{
    (void)state;
    struct folder folder;
    struct tess_link_allowed *allowed = NULL;
    int n = -1;
    begin(&folder);
    write_file(&folder, "# our boards\n\n  w1 " KEY_A "\r\n#\nboard-2\t" KEY_B);
    assert_int_equal(tess_auth_read_allowed(folder.file, &allowed, &n, NULL), TESS_OK);
    assert_int_equal(n, 2);
    assert_string_equal(allowed[0].name, "w1");
    assert_string_equal(allowed[0].public_key, KEY_A);
    assert_string_equal(allowed[1].name, "board-2");
    assert_string_equal(allowed[1].public_key, KEY_B);
    free(allowed);
    write_file(&folder, "");
    assert_int_equal(tess_auth_read_allowed(folder.file, &allowed, &n, NULL), TESS_OK);
    assert_int_equal(n, 0);
    free(allowed);
    end(&folder);
}

static void expect_list_error(const char *text, int line, const char *message)
{
    struct folder folder;
    struct tess_link_allowed *allowed = NULL;
    struct tess_error error;
    int n = -1;
    begin(&folder);
    tess_error_init(&error);
    write_file(&folder, text);
    assert_int_equal(tess_auth_read_allowed(folder.file, &allowed, &n, &error),
                     TESS_E_CONFIG);
    assert_string_equal(error.message, message);
    assert_int_equal(error.line, line);
    assert_true(!allowed && n == -1);
    end(&folder);
}

static void test_mistakes_in_a_list_are_named_with_their_place(void **state)
{
    (void)state;
    expect_list_error("w1 " KEY_A "\nw1 " KEY_B "\n", 2,
                      "name or key of w1 appears twice");
    expect_list_error("w1 " KEY_A "\nw2 " KEY_A "\n", 2,
                      "name or key of w1 appears twice");
    expect_list_error("w\x01 " KEY_A "\n", 1,
                      "a name has printable ASCII characters only");
    expect_list_error(
        "0123456789012345678901234567890123456789012345678901234567890123 " KEY_A, 1,
        "a name has at most 63 characters");
    expect_list_error("w1\n", 1, "expected two words, a name and a key");
}

static void test_missing_file_is_an_error(void **state)
{
    (void)state;
    struct tess_link_keys keys;
    struct tess_link_allowed *allowed;
    char public_key[TESS_LINK_KEY];
    int n;
    assert_int_equal(tess_auth_read_keys("/nonexistent", &keys, NULL), TESS_E_IO);
    assert_int_equal(tess_auth_read_public("/nonexistent", public_key, NULL), TESS_E_IO);
    assert_int_equal(tess_auth_read_allowed("/nonexistent", &allowed, &n, NULL),
                     TESS_E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair_is_read_as_it_was_written),
        cmocka_unit_test(test_key_is_never_overwritten),
        cmocka_unit_test(test_secret_that_others_can_read_is_refused),
        cmocka_unit_test(test_secret_of_another_owner_is_that_owners_affair),
        cmocka_unit_test(test_mistakes_in_a_pair_are_named_with_their_place),
        cmocka_unit_test(test_list_of_workers_is_read),
        cmocka_unit_test(test_mistakes_in_a_list_are_named_with_their_place),
        cmocka_unit_test(test_missing_file_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
