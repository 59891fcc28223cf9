#include "model/compiled.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/hash.h"
#include "model/compiled_priv.h"
#include "model/packed.h"
#include "model/synth.h"
#include "model/weights.h"
#include "tests/model/model_testing.h"

/* Dense with batch norm, grouped, depthwise, none of 16 filters, and one read whole. */
#define CFG                                                                              \
    TESTING_NET                                                                          \
    "[conv]\nfilters=38\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"           \
    "[conv]\nfilters=36\nsize=1\ngroups=2\n[maxpool]\nsize=2\nstride=2\n"                \
    "[conv]\nfilters=36\nsize=3\npad=1\ngroups=36\nbatch_normalize=1\n"                  \
    "[route]\nlayers=-1,-2\n[connected]\noutput=17\n[softmax]\n"

static char folder[] = "/tmp/tessera-test-XXXXXX";
static char weights_path[64], compiled_path[64], other_path[64];
static struct tess_graph *graph;
static struct tess_weights *weights;
static float *scratch;

static void compile_to(const char *path)
{
    struct tess_error error;
    struct tess_packed_darknet from = {weights, graph, scratch,
                                       tess_packed_scratch_bytes(graph)};
    struct tess_compiled_job job = {
        .cfg = CFG,
        .n_cfg_bytes = sizeof CFG - 1,
        .graph = graph,
        .blocks = tess_packed_from_darknet(&from),
    };
    tess_error_init(&error);
    if (tess_compiled_write(&job, path, &error) != TESS_OK)
        fail_msg("%s: %s", path, error.message);
}

static int make_files(void **state)
{
    (void)state;
    struct tess_error error;
    tess_error_init(&error);
    if (!mkdtemp(folder))
        return 1;
    snprintf(weights_path, sizeof weights_path, "%s/weights", folder);
    snprintf(compiled_path, sizeof compiled_path, "%s/compiled", folder);
    snprintf(other_path, sizeof other_path, "%s/other", folder);
    graph = testing_graph(CFG);
    if (tess_synth_write(graph, 5, weights_path, &error) != TESS_OK ||
        tess_weights_open(graph, weights_path, &weights, &error) != TESS_OK)
        return 1;
    scratch = malloc((size_t)tess_packed_scratch_bytes(graph));
    if (!scratch)
        return 1;
    compile_to(compiled_path);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    free(scratch);
    tess_weights_destroy(weights);
    tess_graph_destroy(graph);
    unlink(weights_path);
    unlink(compiled_path);
    unlink(other_path);
    return rmdir(folder); /* fails if a temporary file was left behind */
}

static struct tess_compiled *open_right(const char *path, bool leaves_cache)
{
    struct tess_error error;
    struct tess_compiled *compiled = NULL;
    tess_error_init(&error);
    if (tess_compiled_open(path, leaves_cache, &compiled, &error) != TESS_OK)
        fail_msg("%s: %s", path, error.message);
    return compiled;
}

static void *allocate(int64_t n_bytes)
{
    void *memory = aligned_alloc(64, (size_t)tess_round_up(n_bytes + 1, 64));
    if (!memory)
        fail();
    return memory;
}

/* Reads all blocks and returns what the first wrong op says. */
static enum tess_status read_everything(const struct tess_compiled *compiled,
                                        struct tess_error *error)
{
    const struct tess_graph *whole = tess_compiled_graph(compiled);
    enum tess_status status = TESS_OK;
    for (int op = 0; op < whole->n_ops && status == TESS_OK; op++) {
        if (!tess_op_has_weights(&whole->ops[op]))
            continue;
        int n_blocks = tess_packed_n_blocks(whole, op);
        void *blocks = allocate(n_blocks * tess_packed_block_bytes(whole, op));
        status = tess_compiled_read(compiled, op, 0, n_blocks, blocks, error);
        free(blocks);
    }
    return status;
}

/* --- what goes in comes out --- */

static void test_network_inside_is_the_cfgs(void **state)
{
    (void)state;
    struct tess_compiled *compiled = open_right(compiled_path, false);
    struct tess_text before = {0}, after = {0};
    testing_dump(&before, graph);
    testing_dump(&after, tess_compiled_graph(compiled));
    assert_string_equal(tess_text_string(&after), tess_text_string(&before));
    assert_true(tess_compiled_graph(compiled)->hash == graph->hash);
    tess_text_release(&before);
    tess_text_release(&after);
    tess_compiled_destroy(compiled);
}

static void expect_blocks(struct tess_packed_source right,
                          struct tess_packed_source found, int op, int first, int n)
{
    struct tess_error error;
    int64_t n_bytes = n * tess_packed_block_bytes(graph, op);
    void *a = allocate(n_bytes), *b = allocate(n_bytes);
    tess_error_init(&error);
    assert_int_equal(right.read(right.context, op, first, n, a, &error), TESS_OK);
    assert_int_equal(found.read(found.context, op, first, n, b, &error), TESS_OK);
    assert_memory_equal(a, b, (size_t)n_bytes);
    free(a);
    free(b);
}

static void test_every_run_of_blocks_reads_back(void **state)
{
    (void)state;
    struct tess_packed_darknet darknet = {weights, graph, scratch,
                                          tess_packed_scratch_bytes(graph)};
    for (int leaves_cache = 0; leaves_cache < 2; leaves_cache++) {
        struct tess_compiled *compiled = open_right(compiled_path, leaves_cache);
        struct tess_packed_compiled from = {compiled, graph};
        for (int op = 0; op < graph->n_ops; op++) {
            if (!tess_op_has_weights(&graph->ops[op]))
                continue;
            int n_blocks = tess_packed_n_blocks(graph, op);
            for (int first = 0; first < n_blocks; first++)
                for (int n = 0; n <= n_blocks - first; n++)
                    expect_blocks(tess_packed_from_darknet(&darknet),
                                  tess_packed_from_compiled(&from), op, first, n);
        }
        tess_compiled_destroy(compiled);
    }
}

static void expect_filters(struct tess_packed_compiled *from, int op, int begin, int end)
{
    const struct tess_graph *part = from->graph;
    int n_all = part->tensors[part->ops[op].output].c, n = end - begin;
    int64_t n_kernel = tess_op_n_kernel(part, &part->ops[op]) / n_all * n;
    size_t n_bytes = (size_t)(n_kernel + n) * sizeof(float);
    float *right = allocate((int64_t)n_bytes), *found = allocate((int64_t)n_bytes);
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(
        tess_weights_read(weights, part, op, begin, end, right, right + n_kernel, &error),
        TESS_OK);
    assert_int_equal(
        tess_packed_read_filters(from, op, begin, end, found, found + n_kernel, &error),
        TESS_OK);
    assert_memory_equal(right, found, n_bytes);
    free(right);
    free(found);
}

static void expect_all_filters(struct tess_packed_compiled *from)
{
    const struct tess_graph *part = from->graph;
    for (int op = 0; op < part->n_ops; op++) {
        if (!tess_op_has_weights(&part->ops[op]))
            continue;
        int n = part->tensors[part->ops[op].output].c;
        for (int begin = 0; begin < n; begin += 5)
            for (int end = begin + 1; end <= n; end++)
                expect_filters(from, op, begin, end);
    }
}

static void test_filters_come_back_bit_for_bit(void **state)
{
    (void)state;
    struct tess_compiled *compiled = open_right(compiled_path, false);
    struct tess_packed_compiled from = {compiled, graph};
    expect_all_filters(&from);
    tess_compiled_destroy(compiled);
}

static void test_part_of_the_network_finds_its_weights(void **state)
{
    (void)state;
    struct tess_compiled *compiled = open_right(compiled_path, false);
    for (int first = 0; first < 5; first++) {
        struct tess_graph *part = NULL;
        if (tess_graph_cut(tess_compiled_graph(compiled), first, first < 3 ? 3 : 5, &part,
                           NULL) != TESS_OK)
            continue;
        struct tess_packed_compiled from = {compiled, part};
        expect_all_filters(&from);
        tess_graph_destroy(part);
    }
    tess_compiled_destroy(compiled);
}

static void test_pieces_of_any_size_are_checked(void **state)
{
    (void)state;
    struct tess_compiled *compiled = open_right(compiled_path, true);
    int64_t n_bytes = 3 * tess_packed_block_bytes(graph, 0);
    char *whole = allocate(n_bytes), *pieces = allocate(n_bytes);
    assert_int_equal(tess_compiled_read(compiled, 0, 0, 3, whole, NULL), TESS_OK);
    for (int64_t step = 1; step < 4000; step += 333) {
        struct tess_compiled_cursor cursor;
        tess_compiled_cursor_init(&cursor, compiled, &graph->ops[0], 0, 3);
        for (int64_t at = 0; at < n_bytes; at += step)
            assert_int_equal(tess_compiled_cursor_read(&cursor,
                                                       tess_min_i64(step, n_bytes - at),
                                                       pieces + at, NULL),
                             TESS_OK);
        assert_memory_equal(whole, pieces, (size_t)n_bytes);
    }
    free(whole);
    free(pieces);
    tess_compiled_destroy(compiled);
}

static void *read_in_thread(void *compiled)
{
    struct tess_error error;
    tess_error_init(&error);
    for (int i = 0; i < 20; i++)
        read_everything(compiled, &error);
    return error.status == TESS_OK ? compiled : NULL;
}

static void test_threads_share_one_reader(void **state)
{
    (void)state;
    struct tess_compiled *compiled = open_right(compiled_path, true);
    pthread_t other;
    void *result = NULL;
    assert_int_equal(pthread_create(&other, NULL, read_in_thread, compiled), 0);
    assert_non_null(read_in_thread(compiled));
    assert_int_equal(pthread_join(other, &result), 0);
    assert_non_null(result);
    tess_compiled_destroy(compiled);
}

static void *read_both_ways(void *compiled)
{
    struct tess_packed_darknet darknet = {weights, graph, scratch,
                                          tess_packed_scratch_bytes(graph)};
    struct tess_packed_compiled from = {compiled, graph};
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_has_weights(&graph->ops[op]))
            expect_blocks(tess_packed_from_darknet(&darknet),
                          tess_packed_from_compiled(&from), op, 0,
                          tess_packed_n_blocks(graph, op));
    expect_all_filters(&from);
    return compiled;
}

static void test_a_thread_with_a_small_stack_can_read(void **state)
{
    (void)state;
    struct tess_compiled *compiled = open_right(compiled_path, true);
    pthread_attr_t small;
    pthread_t thread;
    void *result = NULL;
    assert_int_equal(pthread_attr_init(&small), 0);
    assert_int_equal(pthread_attr_setstacksize(&small, 64 * 1024), 0);
    assert_int_equal(pthread_create(&thread, &small, read_both_ways, compiled), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
    pthread_attr_destroy(&small);
    tess_compiled_destroy(compiled);
}

/* --- the bytes --- */

static void test_same_job_gives_the_same_bytes(void **state)
{
    (void)state;
    compile_to(other_path);
    struct tess_text a = testing_read(compiled_path), b = testing_read(other_path);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    /* On every machine: synth and folding are IEEE arithmetic, the rest is layout. */
    assert_int_equal(tess_hash_bytes(TESS_HASH_START, a.data, a.len),
                     UINT64_C(0x60dfa096d66f001d));
    tess_text_release(&a);
    tess_text_release(&b);
}

static void test_files_are_detected_by_their_first_bytes(void **state)
{
    (void)state;
    assert_true(tess_compiled_detect(compiled_path));
    assert_false(tess_compiled_detect(weights_path));
    assert_false(tess_compiled_detect(folder));
    assert_false(tess_compiled_detect("/none/file"));
    assert_false(tess_compiled_detect("/dev/null"));
    assert_int_equal(tess_file_write(other_path, TESS_COMPILED_MAGIC, 7, NULL), TESS_OK);
    assert_false(tess_compiled_detect(other_path));
}

static enum tess_status refuse_block(void *context, int op, int first_block, int n_blocks,
                                     void *packed_out, struct tess_error *error)
{
    (void)context, (void)op, (void)first_block, (void)n_blocks, (void)packed_out;
    return tess_error_set(error, TESS_E_MODEL, "no such block");
}

static void test_failed_write_leaves_the_old_file(void **state)
{
    (void)state;
    struct tess_compiled_job job = {
        .cfg = CFG,
        .n_cfg_bytes = sizeof CFG - 1,
        .graph = graph,
        .blocks = {refuse_block, NULL},
    };
    assert_int_equal(tess_compiled_write(&job, compiled_path, NULL), TESS_E_MODEL);
    assert_int_equal(tess_compiled_write(&job, "/none/file", NULL), TESS_E_IO);
    assert_int_equal(tess_compiled_write(&job, "/dev/null", NULL), TESS_E_IO);
    struct tess_compiled *compiled = open_right(compiled_path, false);
    assert_int_equal(read_everything(compiled, NULL), TESS_OK);
    tess_compiled_destroy(compiled);
}

/* --- damage --- */

/* Opens other_path and reads everything; the error has a message and names the file. */
static enum tess_status attempt(struct tess_error *error)
{
    struct tess_compiled *compiled = NULL;
    tess_error_init(error);
    enum tess_status status = tess_compiled_open(other_path, false, &compiled, error);
    assert_int_equal(status == TESS_OK, compiled != NULL);
    if (status == TESS_OK)
        status = read_everything(compiled, error);
    tess_compiled_destroy(compiled);
    assert_int_equal(status, error->status);
    if (status != TESS_OK) {
        assert_true(error->message[0] != '\0');
        assert_string_equal(error->file, other_path);
    }
    return status;
}

/* A copy of the right file at other_path, to be damaged. */
static int open_copy(const struct tess_text *file)
{
    assert_int_equal(tess_file_write(other_path, file->data, file->len, NULL), TESS_OK);
    int fd = open(other_path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Changes the byte at `at` of the copy, tries it, and changes the byte back. */
static void expect_damage(int fd, const struct tess_text *file, size_t at, int change,
                          struct tess_error *error)
{
    char damaged = (char)(file->data[at] ^ change);
    assert_int_equal(pwrite(fd, &damaged, 1, (off_t)at), 1);
    assert_int_equal(attempt(error), TESS_E_MODEL);
    assert_int_equal(pwrite(fd, &file->data[at], 1, (off_t)at), 1);
}

static void test_every_flipped_bit_of_the_header_is_an_error(void **state)
{
    (void)state;
    struct tess_text file = testing_read(compiled_path);
    struct tess_error error;
    uint64_t n_header = tess_compiled_get_u64((const unsigned char *)file.data +
                                              TESS_COMPILED_AT_HEADER_BYTES);
    assert_true(n_header < file.len);
    int fd = open_copy(&file);
    for (size_t at = 0; at < n_header; at++)
        for (int bit = 0; bit < 8; bit += at < TESS_COMPILED_FIXED_BYTES ? 1 : 5)
            expect_damage(fd, &file, at, 1 << bit, &error);
    close(fd);
    tess_text_release(&file);
}

static void test_every_flipped_weight_names_its_layer_and_block(void **state)
{
    (void)state;
    struct tess_text file = testing_read(compiled_path);
    struct tess_compiled_layout layout;
    assert_int_equal(tess_compiled_layout_init(&layout, graph, strlen(graph->name),
                                               sizeof CFG - 1, NULL),
                     TESS_OK);
    assert_int_equal(layout.file_bytes, file.len);
    int fd = open_copy(&file);
    for (int i = 0; i < layout.n_entries; i++) {
        const struct tess_compiled_entry *entry = &layout.entries[i];
        int64_t n_bytes = entry->n_blocks * entry->block_bytes;
        for (int64_t at = 0; at < n_bytes; at += 61) {
            struct tess_error error;
            char expected[64];
            expect_damage(fd, &file, (size_t)(entry->offset + at), 0x10, &error);
            snprintf(expected, sizeof expected, "layer %d, block %lld of", entry->layer,
                     (long long)(at / entry->block_bytes));
            assert_non_null(strstr(error.message, expected));
            assert_non_null(strstr(error.hint, "damaged"));
        }
    }
    close(fd);
    tess_compiled_layout_release(&layout);
    tess_text_release(&file);
}

static void test_cut_off_and_extended_files_are_refused(void **state)
{
    (void)state;
    struct tess_text file = testing_read(compiled_path);
    struct tess_error error;
    close(open_copy(&file));
    assert_int_equal(truncate(other_path, (off_t)file.len + 1), 0);
    assert_int_equal(attempt(&error), TESS_E_MODEL);
    for (size_t n = file.len - 1; n > 0; n -= n < 200 ? 1 : 99) {
        assert_int_equal(truncate(other_path, (off_t)n), 0);
        assert_int_equal(attempt(&error), TESS_E_MODEL);
        if (n >= TESS_COMPILED_FIXED_BYTES)
            assert_non_null(strstr(error.hint, "cut off"));
    }
    assert_int_equal(truncate(other_path, 0), 0);
    assert_int_equal(attempt(&error), TESS_E_MODEL);
    tess_text_release(&file);
}

static void test_file_that_shrinks_while_open_is_an_io_error(void **state)
{
    (void)state;
    compile_to(other_path);
    struct tess_compiled *compiled = open_right(other_path, false);
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(truncate(other_path, 9000), 0);
    assert_int_equal(read_everything(compiled, &error), TESS_E_IO);
    tess_compiled_destroy(compiled);
}

/* --- forgery: the checksums are right, the content is not --- */

static void forge(struct tess_text *file)
{
    unsigned char *bytes = (unsigned char *)file->data;
    uint64_t n_header = tess_compiled_get_u64(bytes + TESS_COMPILED_AT_HEADER_BYTES);
    if (n_header >= TESS_COMPILED_FIXED_BYTES && n_header <= file->len)
        tess_compiled_put_u32(bytes + TESS_COMPILED_AT_REST_CRC,
                              tess_crc32c(0, bytes + TESS_COMPILED_FIXED_BYTES,
                                          n_header - TESS_COMPILED_FIXED_BYTES));
    tess_compiled_put_u32(bytes + TESS_COMPILED_AT_FIXED_CRC,
                          tess_crc32c(0, bytes, TESS_COMPILED_AT_FIXED_CRC));
}

/* Puts `n_bytes` of `value` at `at`, mends the checksums and expects `words`. */
static void expect_forged(size_t at, uint64_t value, int n_bytes, const char *words)
{
    struct tess_text file = testing_read(compiled_path);
    struct tess_error error;
    for (int i = 0; i < n_bytes; i++)
        file.data[at + (size_t)i] = (char)(unsigned char)(value >> (8 * i));
    forge(&file);
    close(open_copy(&file));
    assert_int_equal(attempt(&error), TESS_E_MODEL);
    if (!strstr(error.message, words))
        fail_msg("\"%s\" instead of \"%s\"", error.message, words);
    assert_true(error.hint[0] != '\0');
    tess_text_release(&file);
}

static void test_forged_sizes_are_refused(void **state)
{
    (void)state;
    const uint64_t sizes[] = {0,
                              1,
                              4095,
                              8192,
                              1 << 20,
                              INT32_MAX,
                              UINT32_MAX,
                              (uint64_t)1 << 37,
                              INT64_MAX,
                              UINT64_MAX,
                              (uint64_t)INT64_MAX - 4095};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        expect_forged(TESS_COMPILED_AT_HEADER_BYTES, sizes[i], 8, "sizes");
        expect_forged(TESS_COMPILED_AT_CFG_BYTES, sizes[i], 8, "");
        expect_forged(TESS_COMPILED_AT_FILE_BYTES, sizes[i], 8, "");
        expect_forged(TESS_COMPILED_AT_NAME_BYTES, sizes[i], 4, "");
        expect_forged(TESS_COMPILED_AT_N_ENTRIES, sizes[i], 4, "");
        expect_forged(TESS_COMPILED_AT_N_BLOCKS, sizes[i], 4, "");
    }
    expect_forged(TESS_COMPILED_AT_BLOCK, 8, 4, "sizes");
    expect_forged(TESS_COMPILED_AT_ZERO, 1, 4, "sizes");
}

static void test_forged_tables_are_refused(void **state)
{
    (void)state;
    for (size_t at = 0; at < 2 * TESS_COMPILED_ENTRY_BYTES; at += 4)
        expect_forged(TESS_COMPILED_FIXED_BYTES + at, 8192, 4, "tables do not belong");
    expect_forged(4095, 1, 1, "tables do not belong"); /* the zeros after the cfg */
}

static void test_forged_name_and_cfg_are_refused(void **state)
{
    (void)state;
    struct tess_text file = testing_read(compiled_path);
    const char *cfg = memmem(file.data, file.len, "[net]", 5);
    assert_non_null(cfg);
    size_t at = (size_t)(cfg - file.data);
    expect_forged(at - 1, '/', 1, "name");
    expect_forged(at - 1, 0, 1, "name");
    expect_forged(at - 1, '\n', 1, "name");
    expect_forged(at + 1, 'N' + ('N' << 8), 2, "cfg inside is not understood, line 1");
    cfg = memmem(file.data, file.len, "groups=2", 8);
    assert_non_null(cfg);
    at = (size_t)(cfg - file.data) + 7;
    expect_forged(at, '7', 1, "cfg inside is not understood, line");
    cfg = memmem(file.data, file.len, "output=17", 9);
    assert_non_null(cfg);
    at = (size_t)(cfg - file.data) + 7;
    expect_forged(at, '3' + ('3' << 8), 2, "tables do not belong");
    expect_forged(at, '1' + ('6' << 8), 2, "tables do not belong");
    tess_text_release(&file);
}

static void test_other_versions_say_what_to_do(void **state)
{
    (void)state;
    expect_forged(TESS_COMPILED_AT_VERSION, 2, 4,
                  "format 2, this program reads format 1");
    expect_forged(TESS_COMPILED_AT_VERSION, 0, 4, "format 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_inside_is_the_cfgs),
        cmocka_unit_test(test_every_run_of_blocks_reads_back),
        cmocka_unit_test(test_filters_come_back_bit_for_bit),
        cmocka_unit_test(test_part_of_the_network_finds_its_weights),
        cmocka_unit_test(test_pieces_of_any_size_are_checked),
        cmocka_unit_test(test_threads_share_one_reader),
        cmocka_unit_test(test_a_thread_with_a_small_stack_can_read),
        cmocka_unit_test(test_same_job_gives_the_same_bytes),
        cmocka_unit_test(test_files_are_detected_by_their_first_bytes),
        cmocka_unit_test(test_failed_write_leaves_the_old_file),
        cmocka_unit_test(test_every_flipped_bit_of_the_header_is_an_error),
        cmocka_unit_test(test_every_flipped_weight_names_its_layer_and_block),
        cmocka_unit_test(test_cut_off_and_extended_files_are_refused),
        cmocka_unit_test(test_file_that_shrinks_while_open_is_an_io_error),
        cmocka_unit_test(test_forged_sizes_are_refused),
        cmocka_unit_test(test_forged_tables_are_refused),
        cmocka_unit_test(test_forged_name_and_cfg_are_refused),
        cmocka_unit_test(test_other_versions_say_what_to_do),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
