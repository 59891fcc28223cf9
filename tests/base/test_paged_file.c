#include "base/paged_file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/error.h"
#include "base/rng.h"
#include "tests/base/base_testing.h"

/* Larger than what systems read ahead; not a whole number of pieces. */
enum { N_BYTES = (24 << 20) + 12345, PIECE = TESS_PAGED_FILE_PIECE_BYTES };

static char path[] = "/tmp/tessera-test-XXXXXX";
static unsigned char *content; /* of the file */

static int make_file(void **state)
{
    (void)state;
    struct tess_rng rng;
    int fd = mkstemp(path);
    content = malloc(N_BYTES);
    if (fd < 0 || !content)
        return 1;
    tess_rng_init(&rng, 1);
    for (int i = 0; i < N_BYTES; i++)
        content[i] = (unsigned char)tess_rng_int(&rng, 0, 255);
    bool is_done = write(fd, content, N_BYTES) == N_BYTES && fchmod(fd, 0644) == 0;
    return close(fd) == 0 && is_done ? 0 : 1;
}

static int remove_file(void **state)
{
    (void)state;
    free(content);
    return unlink(path);
}

/* Bytes of the file's [begin, end) that are in the page cache. */
static int64_t cached_bytes(int64_t begin, int64_t end)
{
    static unsigned char is_cached[N_BYTES / 4096 + 1];
    int64_t page_bytes = sysconf(_SC_PAGESIZE), n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, N_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mincore(map, N_BYTES, is_cached), 0);
    for (int64_t at = begin; at < end; at += page_bytes)
        n += is_cached[at / page_bytes] & 1 ? page_bytes : 0;
    munmap(map, N_BYTES);
    close(fd);
    return n;
}

/* Leaves the first `n_bytes` in the page cache and nothing after them. */
static void warm(int64_t n_bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* nothing ahead */
    char *bytes = malloc((size_t)n_bytes + 1);
    assert_int_equal(pread(fd, bytes, (size_t)n_bytes, 0), n_bytes);
    free(bytes);
    close(fd);
    if (cached_bytes(n_bytes, N_BYTES) > 0) {
        print_message("SKIPPED: %s cannot be dropped from the page cache\n", path);
        skip();
    }
}

/* Most is expected of both ways. */
static bool is_direct;

static struct tess_paged_file *open_right(void)
{
    struct tess_paged_file *file = NULL;
    assert_int_equal(tess_paged_file_open(path, &file, NULL), TESS_OK);
    tess_paged_file_allow_direct(file, is_direct);
    assert_int_equal(tess_paged_file_bytes(file), N_BYTES);
    assert_string_equal(tess_paged_file_path(file), path);
    return file;
}

/* Reads the file from `begin` on in slices. */
static void read_on(struct tess_paged_file *file, int64_t begin, int64_t slice_bytes)
{
    unsigned char *slice = malloc((size_t)slice_bytes);
    for (int64_t at = begin, n; at < N_BYTES; at += n) {
        n = tess_min_i64(slice_bytes, N_BYTES - at);
        assert_int_equal(tess_paged_file_read(file, at, n, slice, NULL), TESS_OK);
        assert_memory_equal(slice, content + at, (size_t)n);
    }
    free(slice);
}

/* Any program may drop or fill the page cache at any time: what is expected of it has some
 * attempts. */
enum { N_ATTEMPTS = 5 };

/* The first `n_warm` bytes are cached, the file is streamed twice and closed. Are they cached
 * still, and nothing else? */
static bool is_left(int64_t n_warm, int64_t slice_bytes)
{
    warm(n_warm);
    struct tess_paged_file *file = open_right();
    tess_paged_file_stream(file, true);
    read_on(file, 0, slice_bytes);
    read_on(file, 0, slice_bytes);
    /* The last piece has not been left. */
    bool is_right = cached_bytes(0, N_BYTES) <= n_warm + PIECE;
    tess_paged_file_destroy(file);
    int64_t n_found = n_warm / PIECE * PIECE;
    if (n_warm == N_BYTES)
        n_found = N_BYTES;
    return is_right && cached_bytes(0, n_found) >= n_found &&
           cached_bytes(tess_round_up(n_found, PIECE), N_BYTES) == 0;
}

static void expect_left(int64_t n_warm, int64_t slice_bytes)
{
    bool is_right = false;
    for (int i = 0; i < N_ATTEMPTS && !is_right; i++)
        is_right = is_left(n_warm, slice_bytes);
    assert_true(is_right);
}

static void test_cached_file_stays_cached(void **state)
{
    (void)state;
    expect_left(N_BYTES, 700000);
    expect_left(N_BYTES, 3 << 20);
}

static void test_file_that_was_not_cached_leaves_nothing(void **state)
{
    (void)state;
    expect_left(0, 700000);
    expect_left(0, 3 << 20);
    expect_left(0, 60000);
}

static void test_partly_cached_file_keeps_that_part(void **state)
{
    (void)state;
    expect_left(40 * PIECE, 700000);
    expect_left(40 * PIECE + 5 * 4096, 100000);
    expect_left(PIECE - 4096, 700000);
}

/* As is_left, for a reader who may not write the file. */
static bool is_left_by_another(int64_t n_warm)
{
    warm(n_warm);
    assert_int_equal(seteuid(65534), 0);
    struct tess_paged_file *file = open_right();
    tess_paged_file_stream(file, true);
    read_on(file, 0, 700000);
    tess_paged_file_destroy(file);
    assert_int_equal(seteuid(0), 0);
    int64_t n_cached = cached_bytes(0, N_BYTES);
    /* Trying what is there may bring it in at once: a piece is found too many. */
    return n_cached >= n_warm && n_cached <= n_warm + 4 * PIECE;
}

/* The system tells only those who may write a file what of it is cached. */
static void test_the_same_for_files_of_others(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("SKIPPED: needs to be root to have a file of somebody else\n");
        skip();
    }
    const int64_t warmths[] = {0, N_BYTES, 40 * PIECE};
    for (int i = 0; i < 3; i++) {
        bool is_right = false;
        for (int j = 0; j < N_ATTEMPTS && !is_right; j++)
            is_right = is_left_by_another(warmths[i]);
        assert_true(is_right);
    }
}

static void test_bytes_left_out_and_read_aside_are_dropped(void **state)
{
    (void)state;
    int64_t n_cached = N_BYTES;
    /* What the system still reads ahead when the file is closed, it may leave there. */
    for (int i = 0; i < N_ATTEMPTS && n_cached > 0; i++) {
        warm(0);
        struct tess_paged_file *file = open_right();
        tess_paged_file_stream(file, true);
        char byte;
        for (int64_t at = 0; at < N_BYTES; at += 100000) {
            int64_t aside = N_BYTES - 1 - at;
            assert_int_equal(tess_paged_file_read(file, at, 1, &byte, NULL), TESS_OK);
            assert_int_equal(byte, (char)content[at]);
            assert_int_equal(tess_paged_file_read_aside(file, aside, 1, &byte, NULL),
                             TESS_OK);
            assert_int_equal(byte, (char)content[aside]);
        }
        tess_paged_file_destroy(file);
        n_cached = cached_bytes(0, N_BYTES);
    }
    assert_int_equal(n_cached, 0);
}

/* Of a file that was not cached, and of one that was. */
static void test_a_pause_leaves_nothing_but_what_was_found(void **state)
{
    (void)state;
    for (int64_t n_warm = 0; n_warm <= N_BYTES; n_warm += N_BYTES) {
        int64_t n_before = 0, n_after = -1;
        for (int i = 0;
             i < N_ATTEMPTS && ((n_before == 0 && !is_direct) || n_after != n_warm);
             i++) {
            warm(n_warm);
            struct tess_paged_file *file = open_right();
            tess_paged_file_stream(file, true);
            read_on(file, N_BYTES - 5 * PIECE, 60000);
            n_before = cached_bytes(0, N_BYTES);
            tess_paged_file_pause(file);
            n_after = tess_min_i64(cached_bytes(0, N_BYTES), N_BYTES);
            tess_paged_file_destroy(file);
        }
        assert_true(n_before > 0 || is_direct);
        assert_int_equal(n_after, n_warm);
    }
}

static void test_the_system_decides_unless_asked(void **state)
{
    (void)state;
    for (int i = 0, n_right = 0; n_right < 2; i++) {
        bool is_stream = n_right > 0;
        assert_true(i < 2 * N_ATTEMPTS);
        warm(0);
        struct tess_paged_file *file = open_right();
        if (is_stream)
            tess_paged_file_stream(file, false);
        read_on(file, 0, 700000);
        tess_paged_file_destroy(file);
        n_right += cached_bytes(0, N_BYTES) >= N_BYTES;
    }
}

static uint64_t some_seed(void)
{
    const char *given = getenv("TESS_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : 22;
    printf("TESS_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

static void test_any_bytes_are_the_files(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, some_seed());
    unsigned char *bytes = malloc(1 << 20);
    warm(10 * PIECE);
    struct tess_paged_file *file = open_right();
    tess_paged_file_stream(file, true);
    for (int i = 0; i < 300; i++) {
        int n = tess_rng_int(&rng, 0, 1 << tess_rng_int(&rng, 0, 20));
        int at = tess_rng_int(&rng, 0, N_BYTES - n);
        assert_int_equal((i % 3 ? tess_paged_file_read
                                : tess_paged_file_read_aside)(file, at, n, bytes, NULL),
                         TESS_OK);
        assert_memory_equal(bytes, content + at, (size_t)n);
    }
    tess_paged_file_destroy(file);
    free(bytes);
}

/* Sectors and memory need not agree, and nothing beside the memory is written. */
static void test_any_address_gets_what_it_asked_for(void **state)
{
    (void)state;
    enum { GUARD = 1024, MOST = 1 << 18, FILL = 0xa5 };
    struct tess_rng rng;
    unsigned char *memory = malloc(MOST + 3 * GUARD);
    tess_rng_init(&rng, some_seed());
    warm(3 * PIECE);
    struct tess_paged_file *file = open_right();
    tess_paged_file_stream(file, true);
    for (int i = 0; i < 2000; i++) {
        int n = tess_rng_int(&rng, 0, 1 << tess_rng_int(&rng, 9, 18));
        int at = i % 10 == 0 ? N_BYTES - n : tess_rng_int(&rng, 0, 8 * PIECE);
        unsigned char *to = memory + GUARD + tess_rng_int(&rng, 0, GUARD);
        memset(to - GUARD, FILL, GUARD);
        memset(to + n, FILL, GUARD);
        assert_int_equal(tess_paged_file_read(file, at, n, to, NULL), TESS_OK);
        assert_memory_equal(to, content + at, (size_t)n);
        for (int k = 1; k <= GUARD; k++)
            assert_true(to[-k] == FILL && to[n + k - 1] == FILL);
    }
    tess_paged_file_destroy(file);
    free(memory);
}

/* Does the system read this file past the cache? */
static bool can_be_direct(struct tess_paged_file *file)
{
    if (is_direct && tess_paged_file_best_bytes(file) > PIECE)
        return true;
    print_message("SKIPPED: nothing is read past the page cache\n");
    return false;
}

static void test_nothing_comes_into_the_cache_that_is_read_past_it(void **state)
{
    (void)state;
    int64_t most_bytes = N_BYTES;
    for (int i = 0; i < N_ATTEMPTS && most_bytes > 0; i++) {
        warm(0);
        struct tess_paged_file *file = open_right();
        tess_paged_file_stream(file, true);
        unsigned char *slice = malloc(3 * PIECE);
        bool can_be = can_be_direct(file);
        most_bytes = can_be ? 0 : -1;
        for (int64_t at = 0; can_be && at + 3 * PIECE <= N_BYTES; at += 3 * PIECE) {
            assert_int_equal(tess_paged_file_read(file, at, 3 * PIECE, slice, NULL),
                             TESS_OK);
            most_bytes = tess_max_i64(most_bytes, cached_bytes(0, N_BYTES));
        }
        free(slice);
        tess_paged_file_destroy(file);
    }
    assert_true(most_bytes <= 0);
}

static void test_what_was_found_and_has_gone_is_read_and_does_not_stay(void **state)
{
    (void)state;
    int64_t n_cached = N_BYTES;
    for (int i = 0; i < N_ATTEMPTS && n_cached > 0; i++) {
        warm(N_BYTES);
        struct tess_paged_file *file = open_right();
        tess_paged_file_stream(file, true);
        bool can_be = can_be_direct(file);
        warm(0);
        read_on(file, 0, 700000);
        tess_paged_file_destroy(file);
        n_cached = can_be ? cached_bytes(0, N_BYTES) : 0;
    }
    assert_int_equal(n_cached, 0);
}

static void *read_half(void *file)
{
    read_on(file, N_BYTES / 2, 100000);
    return NULL;
}

static void test_threads_share_one_file(void **state)
{
    (void)state;
    int64_t n_cached = N_BYTES;
    for (int i = 0; i < N_ATTEMPTS && n_cached > 0; i++) {
        warm(0);
        struct tess_paged_file *file = open_right();
        tess_paged_file_stream(file, true);
        pthread_t other;
        assert_int_equal(pthread_create(&other, NULL, read_half, file), 0);
        read_on(file, 0, 70000);
        assert_int_equal(pthread_join(other, NULL), 0);
        tess_paged_file_destroy(file);
        n_cached = cached_bytes(0, N_BYTES);
    }
    assert_int_equal(n_cached, 0);
}

static void test_what_cannot_be_read_is_an_io_error(void **state)
{
    (void)state;
    struct tess_error error;
    struct tess_paged_file *file = NULL;
    assert_int_equal(tess_paged_file_open("/none/file", &file, NULL), TESS_E_IO);
    assert_int_equal(tess_paged_file_open("/tmp", &file, NULL), TESS_E_IO);
    assert_int_equal(tess_paged_file_open("/dev/zero", &file, NULL), TESS_E_IO);
    assert_null(file);
    tess_paged_file_destroy(NULL);

    for (int n = 100; n <= 10000; n *= 100) {
        char other[] = "/tmp/tessera-test-XXXXXX", bytes[10000];
        int fd = mkstemp(other);
        assert_true(fd >= 0 && write(fd, content, (size_t)n) == n && fsync(fd) == 0);
        assert_int_equal(tess_paged_file_open(other, &file, NULL), TESS_OK);
        tess_paged_file_allow_direct(file, is_direct);
        tess_paged_file_stream(file, true);
        assert_int_equal(ftruncate(fd, n / 2), 0);
        tess_error_init(&error);
        assert_int_equal(tess_paged_file_read(file, 0, n, bytes, &error), TESS_E_IO);
        assert_non_null(strstr(error.message, "became shorter"));
        assert_string_equal(error.file, other);
        tess_paged_file_destroy(file);
        file = NULL;
        close(fd);
        unlink(other);
    }
}

static void test_empty_file_can_be_opened(void **state)
{
    (void)state;
    char other[] = "/tmp/tessera-test-XXXXXX", byte;
    struct tess_paged_file *file = NULL;
    int fd = mkstemp(other);
    assert_int_equal(tess_paged_file_open(other, &file, NULL), TESS_OK);
    tess_paged_file_stream(file, true);
    assert_int_equal(tess_paged_file_bytes(file), 0);
    assert_int_equal(tess_paged_file_read(file, 0, 0, &byte, NULL), TESS_OK);
    tess_paged_file_destroy(file);
    close(fd);
    unlink(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cached_file_stays_cached),
        cmocka_unit_test(test_file_that_was_not_cached_leaves_nothing),
        cmocka_unit_test(test_partly_cached_file_keeps_that_part),
        cmocka_unit_test(test_the_same_for_files_of_others),
        cmocka_unit_test(test_bytes_left_out_and_read_aside_are_dropped),
        cmocka_unit_test(test_a_pause_leaves_nothing_but_what_was_found),
        cmocka_unit_test(test_the_system_decides_unless_asked),
        cmocka_unit_test(test_any_bytes_are_the_files),
        cmocka_unit_test(test_any_address_gets_what_it_asked_for),
        cmocka_unit_test(test_nothing_comes_into_the_cache_that_is_read_past_it),
        cmocka_unit_test(test_what_was_found_and_has_gone_is_read_and_does_not_stay),
        cmocka_unit_test(test_threads_share_one_file),
        cmocka_unit_test(test_what_cannot_be_read_is_an_io_error),
        cmocka_unit_test(test_empty_file_can_be_opened),
    };
    int n_failed =
        cmocka_run_group_tests_name("through the cache", tests, make_file, remove_file);
    is_direct = true;
    strcpy(path, "/tmp/tessera-test-XXXXXX");
    return n_failed +
           cmocka_run_group_tests_name("past the cache", tests, make_file, remove_file);
}
