/* Blobs as files: blocks read from them, and damage. */
#include <fcntl.h>
#include <sys/mman.h>

#include "base/paged_file.h"
#include "tests/model/op_blob_testing.h"

static void blob_path(void *context, int op, char *path_out, size_t size)
{
    (void)context;
    assert_true(op >= 0 && op < MOST_OPS);
    snprintf(path_out, size, "%s/blob%d", folder, op);
}

/* Writes the files of all blobs, in pieces as messages bring them. */
static void write_files(struct tess_op_blobs *blobs)
{
    char path[TESS_OP_BLOB_PATH], *piece = allocate(PIECE_BYTES);
    for (int i = 0; i < blobs->n_blobs; i++) {
        blob_path(NULL, blobs->blobs[i].op, path, sizeof path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        assert_true(fd >= 0);
        for (int64_t at = 0, n; at < blobs->blobs[i].n_bytes; at += n) {
            n = tess_min_i64(PIECE_BYTES, blobs->blobs[i].n_bytes - at);
            assert_int_equal(tess_op_blobs_read(blobs, i, at, n, piece, NULL), TESS_OK);
            assert_int_equal(write(fd, piece, (size_t)n), n);
        }
        close(fd);
    }
    free(piece);
}

static void remove_blobs(const struct tess_graph *of)
{
    char path[TESS_OP_BLOB_PATH];
    for (int op = 0; op < of->n_ops; op++) {
        blob_path(NULL, op, path, sizeof path);
        assert_int_equal(unlink(path) == 0, tess_op_blob_bytes(of, op) > 0);
    }
}

/* The files of all blobs of a graph, and what they are of. */
static void make_blob_files(struct tess_op_blobs *blobs, const struct tess_graph *of,
                            struct tess_packed_source blocks)
{
    make_from(blobs, of, blocks);
    write_files(blobs);
}

static struct tess_op_blob_files *open_right(const struct tess_graph *of,
                                             bool leaves_cache)
{
    struct tess_op_blob_files *files = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_op_blob_files_open(of, blob_path, NULL, leaves_cache, &files, &error) !=
        TESS_OK)
        fail_msg("%s: %s", error.file, error.message);
    return files;
}

static void expect_blocks(const struct tess_graph *of, struct tess_packed_source right,
                          struct tess_packed_source found, int op, int first, int n)
{
    int64_t n_bytes = n * tess_packed_block_bytes(of, op);
    void *a = allocate(n_bytes), *b = allocate(n_bytes);
    assert_int_equal(right.read(right.context, op, first, n, a, NULL), TESS_OK);
    assert_int_equal(found.read(found.context, op, first, n, b, NULL), TESS_OK);
    assert_memory_equal(a, b, (size_t)n_bytes);
    free(a);
    free(b);
}

static void expect_all_blocks(const struct tess_graph *of,
                              struct tess_packed_source right,
                              struct tess_packed_source found)
{
    for (int op = 0; op < of->n_ops; op++) {
        if (!tess_op_has_weights(&of->ops[op]))
            continue;
        int n_blocks = tess_packed_n_blocks(of, op);
        expect_blocks(of, right, found, op, 0, 0);
        for (int first = 0; first < n_blocks; first++) {
            expect_blocks(of, right, found, op, first, 1);
            expect_blocks(of, right, found, op, 0, first + 1);
        }
    }
}

static void test_blocks_of_the_files_are_those_of_the_source(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        const struct tess_graph *of = i < 2 ? graph : split;
        struct tess_packed_source right =
            tess_packed_from_compiled(i < 2 ? &from_compiled : &split_from_compiled);
        struct tess_op_blobs blobs;
        make_blob_files(&blobs, of, right);
        struct tess_op_blob_files *files = open_right(of, i % 2);
        expect_all_blocks(of, right, tess_packed_from_blobs(files));
        tess_op_blob_files_close(files);
        tess_op_blobs_release(&blobs);
        remove_blobs(of);
    }
}

/* Sends what a node got on to another: the hashes stay. */
static void test_blobs_of_blobs_are_the_same(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    make_blob_files(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    struct tess_op_blob_files *files = open_right(graph, true);
    expect_same_hashes(graph, tess_packed_from_blobs(files),
                       tess_packed_from_darknet(&from_weights));
    tess_op_blob_files_close(files);
    tess_op_blobs_release(&blobs);
    remove_blobs(graph);
}

/* --- damage --- */

/* Changes a bit of a blob's file. */
static void flip(int op, int64_t at)
{
    char path[TESS_OP_BLOB_PATH], byte;
    blob_path(NULL, op, path, sizeof path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    close(fd);
}

/* With a bit changed at `at`, block `block` of `op` is wrong and its neighbours are right. */
static void expect_wrong_block(int op, int64_t at, int block)
{
    struct tess_error error;
    char expected[64], path[TESS_OP_BLOB_PATH];
    void *memory = allocate(tess_packed_block_bytes(graph, op));
    flip(op, at);
    struct tess_op_blob_files *files = open_right(graph, at % 2);
    struct tess_packed_source from = tess_packed_from_blobs(files);
    for (int i = 0; i < tess_packed_n_blocks(graph, op); i++) {
        tess_error_init(&error);
        assert_int_equal(from.read(from.context, op, i, 1, memory, &error),
                         i == block ? TESS_E_MODEL : TESS_OK);
        if (i != block)
            continue;
        snprintf(expected, sizeof expected,
                 "layer %d, block %d of its %d:", graph->ops[op].layer, block,
                 tess_packed_n_blocks(graph, op));
        blob_path(NULL, op, path, sizeof path);
        assert_non_null(strstr(error.message, expected));
        assert_non_null(strstr(error.hint, "damaged"));
        assert_string_equal(error.file, path);
    }
    tess_op_blob_files_close(files);
    flip(op, at);
    free(memory);
}

static void test_every_flipped_bit_names_its_layer_and_block(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    make_blob_files(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    for (int i = 0; i < blobs.n_blobs; i++) {
        int op = blobs.blobs[i].op, n_blocks = tess_packed_n_blocks(graph, op);
        int64_t block_bytes = tess_packed_block_bytes(graph, op);
        int64_t step = tess_max_i64(61, n_blocks * block_bytes / 12 - 1);
        for (int64_t at = 0; at < n_blocks * block_bytes; at += step)
            expect_wrong_block(op, at, (int)(at / block_bytes));
        for (int at = 0; at<4 * n_blocks; at += n_blocks> 4 ? 13 : 1)
            expect_wrong_block(op, n_blocks * block_bytes + at, at / 4);
    }
    tess_op_blobs_release(&blobs);
    remove_blobs(graph);
}

static void expect_refused(enum tess_status right, const char *words, const char *hint)
{
    struct tess_op_blob_files *files = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(
        tess_op_blob_files_open(graph, blob_path, NULL, true, &files, &error), right);
    assert_null(files);
    assert_non_null(strstr(error.message, words));
    assert_non_null(strstr(error.hint, hint));
}

static void test_files_of_another_size_are_refused(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    char path[TESS_OP_BLOB_PATH];
    make_blob_files(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    int op = blobs.blobs[2].op;
    off_t n_bytes = (off_t)blobs.blobs[2].n_bytes;
    blob_path(NULL, op, path, sizeof path);
    assert_int_equal(truncate(path, n_bytes + 1), 0);
    expect_refused(TESS_E_MODEL, "layer 4: the weights have", "is damaged");
    const off_t cuts[] = {n_bytes - 1, n_bytes - 5, 1024, 1, 0};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_int_equal(truncate(path, cuts[i]), 0);
        expect_refused(TESS_E_MODEL, "layer 4: the weights have", "cut off");
    }
    unlink(path);
    expect_refused(TESS_E_IO, "cannot open", "");
    write_files(&blobs);
    tess_op_blobs_release(&blobs);
    remove_blobs(graph);
}

static void test_a_file_that_shrinks_while_open_is_an_io_error(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    char path[TESS_OP_BLOB_PATH];
    make_blob_files(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    struct tess_op_blob_files *files = open_right(graph, false);
    struct tess_packed_source from = tess_packed_from_blobs(files);
    int op = blobs.blobs[0].op;
    void *memory = allocate(tess_packed_block_bytes(graph, op));
    blob_path(NULL, op, path, sizeof path);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(from.read(from.context, op, 0, 1, memory, NULL), TESS_E_IO);
    free(memory);
    tess_op_blob_files_close(files);
    tess_op_blobs_release(&blobs);
    remove_blobs(graph);
}

/* --- the page cache --- */

/* Bytes of a blob's file that are in the page cache. */
static int64_t cached_bytes(int op)
{
    char path[TESS_OP_BLOB_PATH];
    unsigned char is_cached[1024];
    int64_t page_bytes = sysconf(_SC_PAGESIZE), all = tess_op_blob_bytes(graph, op),
            n = 0;
    assert_true(tess_div_up(all, page_bytes) <= (int64_t)sizeof is_cached);
    blob_path(NULL, op, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *map = mmap(NULL, (size_t)all, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mincore(map, (size_t)all, is_cached), 0);
    for (int64_t at = 0; at < all; at += page_bytes)
        n += is_cached[at / page_bytes] & 1 ? page_bytes : 0;
    munmap(map, (size_t)all);
    close(fd);
    return n;
}

static int64_t drop_all(const struct tess_op_blobs *blobs)
{
    int64_t n_cached = 0;
    for (int i = 0; i < blobs->n_blobs; i++) {
        char path[TESS_OP_BLOB_PATH];
        blob_path(NULL, blobs->blobs[i].op, path, sizeof path);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fsync(fd), 0);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
        n_cached += cached_bytes(blobs->blobs[i].op);
    }
    return n_cached;
}

/* Reads all blobs one after the other. What is left in the cache of those before the last? */
static int64_t left_in_cache(const struct tess_op_blobs *blobs, int64_t *last_bytes_out)
{
    int64_t n_cached = 0;
    struct tess_op_blob_files *files = open_right(graph, true);
    struct tess_packed_source from = tess_packed_from_blobs(files);
    for (int i = 0; i < blobs->n_blobs; i++) {
        int op = blobs->blobs[i].op, n_blocks = tess_packed_n_blocks(graph, op);
        void *memory = allocate(blobs->blobs[i].n_bytes);
        assert_int_equal(from.read(from.context, op, 0, n_blocks, memory, NULL), TESS_OK);
        free(memory);
    }
    for (int i = 0; i < blobs->n_blobs - 1; i++)
        n_cached += cached_bytes(blobs->blobs[i].op);
    *last_bytes_out = cached_bytes(blobs->blobs[blobs->n_blobs - 1].op);
    tess_op_blob_files_close(files);
    return n_cached;
}

/* Others may bring files in at any time: some attempts. */
static void test_only_the_file_being_read_is_in_the_cache(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    int64_t n_cached = -1, last_bytes = -1;
    make_blob_files(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    bool can_drop = drop_all(&blobs) == 0;
    for (int i = 0; i < 5 && can_drop && n_cached != 0; i++) {
        drop_all(&blobs);
        n_cached = left_in_cache(&blobs, &last_bytes);
    }
    tess_op_blobs_release(&blobs);
    remove_blobs(graph);
    if (!can_drop) {
        print_message("SKIPPED: files cannot be dropped from the page cache\n");
        skip();
    }
    assert_int_equal(n_cached, 0);
    assert_true(last_bytes <= 2 * TESS_PAGED_FILE_PIECE_BYTES); /* none, past the cache */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_of_the_files_are_those_of_the_source),
        cmocka_unit_test(test_blobs_of_blobs_are_the_same),
        cmocka_unit_test(test_every_flipped_bit_names_its_layer_and_block),
        cmocka_unit_test(test_files_of_another_size_are_refused),
        cmocka_unit_test(test_a_file_that_shrinks_while_open_is_an_io_error),
        cmocka_unit_test(test_only_the_file_being_read_is_in_the_cache),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
