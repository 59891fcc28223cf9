#include "transport/blobs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/transport/transport_testing.h"

enum { N_BYTES = 10000 };

static unsigned char content[N_BYTES];

struct cache {
    char folder[64];
    struct tess_blobs *blobs;
    struct tess_sha256 hash; /* of content */
};

static void begin(struct cache *cache, int64_t cap_bytes)
{
    for (int i = 0; i < N_BYTES; i++)
        content[i] = (unsigned char)(i * 31 + i / 256);
    strcpy(cache->folder, "/tmp/tess_blobs_XXXXXX");
    assert_non_null(mkdtemp(cache->folder));
    cache->hash = tess_sha256_of(content, N_BYTES);
    assert_int_equal(
        tess_blobs_create(cache->folder, "w1", cap_bytes, &cache->blobs, NULL), TESS_OK);
}

static void end(struct cache *cache)
{
    char command[128];
    tess_blobs_destroy(cache->blobs);
    snprintf(command, sizeof command, "rm -rf %s", cache->folder);
    assert_int_equal(system(command), 0);
}

/* As a process that begins anew in the same folder. */
static void restart(struct cache *cache)
{
    tess_blobs_destroy(cache->blobs);
    assert_int_equal(tess_blobs_create(cache->folder, "w1", 0, &cache->blobs, NULL),
                     TESS_OK);
}

static int64_t find(struct cache *cache)
{
    int64_t here = -1;
    assert_int_equal(tess_blobs_find(cache->blobs, &cache->hash, N_BYTES, &here, NULL),
                     TESS_OK);
    return here;
}

static int64_t put(struct cache *cache, int64_t offset, int64_t n_bytes)
{
    int64_t here = -1;
    assert_int_equal(tess_blobs_put(cache->blobs, &cache->hash, N_BYTES, offset,
                                    content + offset, n_bytes, &here, NULL),
                     TESS_OK);
    if (here == N_BYTES)
        assert_int_equal(
            tess_blobs_finish(cache->blobs, &cache->hash, N_BYTES, &here, NULL), TESS_OK);
    return here;
}

static void test_blob_comes_in_pieces_and_stays(void **state)
{
    (void)state;
    struct cache cache;
    char path[TESS_BLOBS_PATH];
    begin(&cache, 0);
    assert_int_equal(find(&cache), 0);
    assert_int_equal(put(&cache, 0, 4000), 4000);
    tess_blobs_path(cache.blobs, &cache.hash, path, sizeof path);
    assert_int_not_equal(access(path, F_OK), 0); /* never in part */
    restart(&cache);
    assert_int_equal(find(&cache), 4000); /* a new process goes on */
    assert_int_equal(put(&cache, 4000, 6000), N_BYTES);
    assert_int_equal(find(&cache), N_BYTES);
    assert_int_equal(access(path, R_OK), 0);
    end(&cache);
}

static void test_pieces_out_of_turn_change_nothing(void **state)
{
    (void)state;
    struct cache cache;
    begin(&cache, 0);
    assert_int_equal(put(&cache, 0, 3000), 3000);
    assert_int_equal(put(&cache, 0, 3000), 3000);
    assert_int_equal(put(&cache, 5000, 1000), 3000);
    assert_int_equal(put(&cache, 3000, 7000), N_BYTES);
    end(&cache);
}

static void test_other_owner_has_parts_of_its_own(void **state)
{
    (void)state;
    struct cache cache;
    struct tess_blobs *other;
    int64_t here = -1;
    begin(&cache, 0);
    put(&cache, 0, 3000);
    assert_int_equal(tess_blobs_create(cache.folder, "../w2", 0, &other, NULL), TESS_OK);
    assert_int_equal(tess_blobs_find(other, &cache.hash, N_BYTES, &here, NULL), TESS_OK);
    assert_int_equal(here, 0);
    put(&cache, 3000, 7000);
    assert_int_equal(tess_blobs_find(other, &cache.hash, N_BYTES, &here, NULL), TESS_OK);
    assert_int_equal(here, N_BYTES); /* whole ones are everybody's */
    tess_blobs_destroy(other);
    end(&cache);
}

static void test_wrong_content_never_becomes_a_blob(void **state)
{
    (void)state;
    struct cache cache;
    begin(&cache, 0);
    content[9999] ^= 1;
    assert_int_equal(put(&cache, 0, N_BYTES), 0);
    assert_int_equal(find(&cache), 0);
    content[9999] ^= 1;
    assert_int_equal(put(&cache, 0, N_BYTES), N_BYTES);
    end(&cache);
}

/* Changes a byte of the file; its time of change is then `seconds`, or what it was if 0. */
static void spoil(const char *path, int64_t seconds)
{
    struct stat info;
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &info), 0);
    assert_int_equal(pwrite(fd, "x", 1, 5000), 1);
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    if (seconds)
        times[1] = (struct timespec){seconds, 0};
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static void test_spoilt_blob_is_removed_when_looked_for(void **state)
{
    (void)state;
    struct cache cache;
    char path[TESS_BLOBS_PATH];
    begin(&cache, 0);
    put(&cache, 0, N_BYTES);
    tess_blobs_path(cache.blobs, &cache.hash, path, sizeof path);
    spoil(path, 1000);
    assert_int_equal(find(&cache), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    put(&cache, 0, N_BYTES);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(find(&cache), 0);
    end(&cache);
}

static void test_file_that_was_verified_is_read_again_by_another_process(void **state)
{
    (void)state;
    struct cache cache;
    char path[TESS_BLOBS_PATH];
    begin(&cache, 0);
    put(&cache, 0, N_BYTES);
    restart(&cache);
    assert_int_equal(find(&cache), N_BYTES);
    tess_blobs_path(cache.blobs, &cache.hash, path, sizeof path);
    spoil(path, 0);
    tess_blobs_begin(cache.blobs);
    assert_int_equal(find(&cache), N_BYTES); /* who does not read it cannot see that */
    restart(&cache);
    assert_int_equal(find(&cache), 0);
    end(&cache);
}

/* Pieces of two blobs in turn, one begun by a process before: whether they were hashed while
 * they came or are read at the end, only what is right becomes a blob. */
static void test_pieces_in_any_company_are_verified(void **state)
{
    (void)state;
    struct cache cache;
    int64_t here = -1;
    begin(&cache, 0);
    struct tess_sha256 other = tess_sha256_of(content, 5000);
    assert_int_equal(put(&cache, 0, 3000), 3000);
    assert_int_equal(
        tess_blobs_put(cache.blobs, &other, 5000, 0, content, 5000, &here, NULL),
        TESS_OK);
    assert_int_equal(put(&cache, 3000, 3000), 6000);
    assert_int_equal(tess_blobs_finish(cache.blobs, &other, 5000, &here, NULL), TESS_OK);
    assert_int_equal(here, 5000);
    restart(&cache);
    content[7000] ^= 1;
    assert_int_equal(find(&cache), 6000);
    assert_int_equal(put(&cache, 6000, 4000), 0);
    content[7000] ^= 1;
    assert_int_equal(put(&cache, 0, 6000), 6000);
    assert_int_equal(put(&cache, 6000, 4000), N_BYTES);
    end(&cache);
}

static void test_whole_part_that_was_not_verified_is_when_looked_for(void **state)
{
    (void)state;
    struct cache cache;
    int64_t here = -1;
    begin(&cache, 0);
    for (int wrong = 0; wrong < 2; wrong++) {
        content[9] ^= (unsigned char)wrong;
        assert_int_equal(tess_blobs_put(cache.blobs, &cache.hash, N_BYTES, 0, content,
                                        N_BYTES, &here, NULL),
                         TESS_OK);
        restart(&cache);
        assert_int_equal(find(&cache), wrong ? 0 : N_BYTES);
        char path[TESS_BLOBS_PATH];
        tess_blobs_path(cache.blobs, &cache.hash, path, sizeof path);
        assert_int_equal(unlink(path), wrong ? -1 : 0);
    }
    end(&cache);
}

/* A limit on file sizes stands for a disk that is full. */
static void test_full_disk_is_an_error_and_leaves_nothing(void **state)
{
    (void)state;
    struct cache cache;
    struct rlimit limit, before;
    struct tess_error error;
    int64_t here = -1, total = -1;
    begin(&cache, 0);
    put(&cache, 0, 3000);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = before;
    limit.rlim_cur = 5000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    tess_error_init(&error);
    enum tess_status status = tess_blobs_put(cache.blobs, &cache.hash, N_BYTES, 3000,
                                             content + 3000, 7000, &here, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, TESS_E_IO);
    assert_string_equal(error.message, "cannot write: File too large");
    assert_int_equal(here, -1);
    assert_int_equal(tess_blobs_total(cache.blobs, &total, NULL), TESS_OK);
    assert_int_equal(total, 0);
    end(&cache);
}

/* A blob of its own content; returns its hash. */
static struct tess_sha256 put_other(struct cache *cache, int value, int64_t seconds)
{
    unsigned char other[N_BYTES];
    int64_t here = -1;
    char path[TESS_BLOBS_PATH];
    const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
    memset(other, value, sizeof other);
    struct tess_sha256 hash = tess_sha256_of(other, N_BYTES);
    assert_int_equal(
        tess_blobs_put(cache->blobs, &hash, N_BYTES, 0, other, N_BYTES, &here, NULL),
        TESS_OK);
    assert_int_equal(here, N_BYTES);
    assert_int_equal(tess_blobs_finish(cache->blobs, &hash, N_BYTES, &here, NULL),
                     TESS_OK);
    assert_int_equal(here, N_BYTES);
    tess_blobs_path(cache->blobs, &hash, path, sizeof path);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    return hash;
}

static void test_blobs_used_longest_ago_make_room(void **state)
{
    (void)state;
    struct cache cache;
    char path[TESS_BLOBS_PATH];
    int64_t total = -1, here = -1;
    begin(&cache, 3 * N_BYTES);
    struct tess_sha256 newer = put_other(&cache, 1, 2000);
    struct tess_sha256 oldest = put_other(&cache, 2, 1000);
    put_other(&cache, 3, 3000);
    assert_int_equal(find(&cache), 0);
    tess_blobs_path(cache.blobs, &oldest, path, sizeof path);
    assert_int_not_equal(access(path, F_OK), 0);
    tess_blobs_path(cache.blobs, &newer, path, sizeof path);
    assert_int_equal(access(path, F_OK), 0);
    put(&cache, 0, N_BYTES);
    assert_int_equal(tess_blobs_total(cache.blobs, &total, NULL), TESS_OK);
    assert_int_equal(total, 3 * N_BYTES);
    /* What was found is used now. */
    assert_int_equal(tess_blobs_find(cache.blobs, &newer, N_BYTES, &here, NULL), TESS_OK);
    assert_int_equal(here, N_BYTES);
    end(&cache);
}

static void test_blobs_of_the_plan_never_make_room(void **state)
{
    (void)state;
    struct cache cache;
    struct tess_error error;
    int64_t here = -1;
    struct tess_sha256 larger = tess_sha256_of("larger", 6);
    begin(&cache, 15000);
    assert_int_equal(find(&cache), 0);
    put(&cache, 0, N_BYTES);
    tess_error_init(&error);
    assert_int_equal(tess_blobs_find(cache.blobs, &larger, N_BYTES, &here, &error),
                     TESS_E_BUDGET);
    assert_string_equal(error.message,
                        "the plan's weights exceed the cache's limit of 15000 bytes");
    tess_blobs_begin(cache.blobs); /* another plan does not need the first */
    assert_int_equal(tess_blobs_find(cache.blobs, &larger, N_BYTES, &here, NULL),
                     TESS_OK);
    assert_int_equal(here, 0);
    end(&cache);
}

static void test_foreign_files_are_left_alone(void **state)
{
    (void)state;
    struct cache cache;
    char path[128];
    int64_t total = -1;
    begin(&cache, N_BYTES);
    snprintf(path, sizeof path, "%s/README", cache.folder);
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_int_equal(write(fd, content, 5000), 5000);
    close(fd);
    assert_int_equal(find(&cache), 0);
    put(&cache, 0, N_BYTES);
    assert_int_equal(tess_blobs_total(cache.blobs, &total, NULL), TESS_OK);
    assert_int_equal(total, N_BYTES);
    assert_int_equal(access(path, F_OK), 0);
    end(&cache);
}

static void test_folder_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct tess_blobs *blobs = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_blobs_create("/nonexistent/cache", "w", 0, &blobs, &error),
                     TESS_E_IO);
    assert_string_equal(error.message,
                        "cannot make the folder: No such file or directory");
    assert_null(blobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blob_comes_in_pieces_and_stays),
        cmocka_unit_test(test_pieces_out_of_turn_change_nothing),
        cmocka_unit_test(test_other_owner_has_parts_of_its_own),
        cmocka_unit_test(test_wrong_content_never_becomes_a_blob),
        cmocka_unit_test(test_spoilt_blob_is_removed_when_looked_for),
        cmocka_unit_test(test_file_that_was_verified_is_read_again_by_another_process),
        cmocka_unit_test(test_pieces_in_any_company_are_verified),
        cmocka_unit_test(test_whole_part_that_was_not_verified_is_when_looked_for),
        cmocka_unit_test(test_full_disk_is_an_error_and_leaves_nothing),
        cmocka_unit_test(test_blobs_used_longest_ago_make_room),
        cmocka_unit_test(test_blobs_of_the_plan_never_make_room),
        cmocka_unit_test(test_foreign_files_are_left_alone),
        cmocka_unit_test(test_folder_that_cannot_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
