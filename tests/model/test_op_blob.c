/* Blobs as they are made: what has one, its hash, its pieces. Their files are those of
 * test_op_blob_files.c. */
#include "base/crc32c.h"
#include "tests/model/op_blob_testing.h"

/* --- a source that counts and changes what it gives --- */

struct watched {
    struct tess_packed_source from;
    int n_reads, n_blocks; /* calls, and blocks they were about */
    const char *last_to;   /* where the last call put them */
    bool is_changed;       /* from now on a bit differs */
    int n_until_error;     /* calls that still succeed; negative: all */
};

static enum tess_status read_watched(void *context, int op, int first_block, int n_blocks,
                                     void *packed_out, struct tess_error *error)
{
    struct watched *watched = context;
    if (watched->n_until_error == 0)
        return tess_error_set(error, TESS_E_IO, "no more");
    watched->n_until_error--;
    watched->n_reads++;
    watched->n_blocks += n_blocks;
    watched->last_to = packed_out;
    assert_int_equal((uintptr_t)packed_out % 64, 0);
    enum tess_status status = watched->from.read(watched->from.context, op, first_block,
                                                 n_blocks, packed_out, error);
    if (status == TESS_OK && watched->is_changed)
        *(char *)packed_out ^= 4;
    return status;
}

static struct watched watch(struct tess_packed_source from)
{
    return (struct watched){.from = from, .n_until_error = -1};
}

/* What blob `index` is by its description; the caller frees. */
static char *right_blob(const struct tess_op_blobs *blobs, int index)
{
    int op = blobs->blobs[index].op, n_blocks = tess_packed_n_blocks(blobs->graph, op);
    int64_t block_bytes = tess_packed_block_bytes(blobs->graph, op);
    assert_int_equal(blobs->blobs[index].n_bytes, n_blocks * (block_bytes + 4));
    char *blob = allocate(blobs->blobs[index].n_bytes);
    assert_int_equal(
        blobs->blocks.read(blobs->blocks.context, op, 0, n_blocks, blob, NULL), TESS_OK);
    for (int i = 0; i < n_blocks; i++) {
        uint32_t crc =
            tess_crc32c_by_table(0, blob + i * block_bytes, (size_t)block_bytes);
        for (int byte = 0; byte < 4; byte++)
            blob[n_blocks * block_bytes + 4 * i + byte] = (char)(crc >> (8 * byte));
    }
    return blob;
}

/* --- making --- */

static void test_every_op_with_weights_has_a_blob(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    assert_int_equal(blobs.n_blobs, N_BLOBS);
    int at = 0;
    for (int op = 0; op < graph->n_ops; op++) {
        int64_t n_bytes = tess_op_blob_bytes(graph, op);
        assert_int_equal(n_bytes > 0, tess_op_has_weights(&graph->ops[op]));
        if (n_bytes == 0)
            continue;
        assert_int_equal(blobs.blobs[at].op, op);
        assert_int_equal(blobs.blobs[at++].n_bytes, n_bytes);
    }
    assert_int_equal(at, N_BLOBS);
    tess_op_blobs_release(&blobs);
    tess_op_blobs_release(&blobs);
}

static void test_a_network_without_weights_has_no_blobs(void **state)
{
    (void)state;
    struct tess_graph *bare = testing_graph(TESTING_NET "[maxpool]\nsize=2\nstride=2\n");
    struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
    struct tess_op_blobs blobs;
    struct tess_op_blob_files *files = NULL;
    make_from(&blobs, bare, (struct tess_packed_source){read_watched, &watched});
    assert_int_equal(blobs.n_blobs, 0);
    assert_int_equal(watched.n_reads, 0);
    assert_int_equal(tess_op_blob_bytes(bare, 0), 0);
    assert_int_equal(tess_op_blob_files_open(bare, NULL, NULL, true, &files, NULL),
                     TESS_OK);
    tess_op_blob_files_close(files);
    tess_op_blob_files_close(NULL);
    tess_op_blobs_release(&blobs);
    tess_graph_destroy(bare);
}

static void test_compiled_and_darknets_weights_have_the_same_hashes(void **state)
{
    (void)state;
    expect_same_hashes(graph, tess_packed_from_compiled(&from_compiled),
                       tess_packed_from_darknet(&from_weights));
    expect_same_hashes(split, tess_packed_from_compiled(&split_from_compiled),
                       tess_packed_from_darknet(&split_from_weights));
}

static void test_hash_is_that_of_blocks_and_their_checksums(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    char text[TESS_SHA256_HEX];
    make_from(&blobs, split, tess_packed_from_darknet(&split_from_weights));
    for (int i = 0; i < blobs.n_blobs; i++) {
        char *blob = right_blob(&blobs, i);
        struct tess_sha256 hash = tess_sha256_of(blob, (size_t)blobs.blobs[i].n_bytes);
        assert_true(tess_sha256_is_equal(&hash, &blobs.blobs[i].hash));
        free(blob);
    }
    /* On every machine: synth and folding are IEEE arithmetic, the rest is layout. */
    assert_string_equal(
        tess_sha256_text(&blobs.blobs[0].hash, text),
        "27d7aca52b4fd32fe8e2f0d12f2bcb0ad1549c0bc0771a98bfd462afa417740d");
    tess_op_blobs_release(&blobs);
}

struct heard {
    int n;
    double last;
};

static void hear(void *context, double done)
{
    struct heard *heard = context;
    assert_true(done > heard->last && done <= 1);
    heard->last = done;
    heard->n++;
}

static void test_progress_goes_up_to_one(void **state)
{
    (void)state;
    struct heard heard = {0};
    struct tess_op_blobs blobs;
    assert_int_equal(tess_op_blobs_init(&blobs, graph,
                                        tess_packed_from_compiled(&from_compiled), hear,
                                        &heard, NULL),
                     TESS_OK);
    assert_true(heard.last == 1);
    assert_true(heard.n > 2 * N_BLOBS);
    tess_op_blobs_release(&blobs);
}

/* --- pieces --- */

/* A piece of a blob, put where memory is aligned or not, and nothing beside it. */
static void expect_piece(struct tess_op_blobs *blobs, int index, const char *blob,
                         int64_t offset, int64_t n_bytes, int shift)
{
    struct tess_error error;
    char *memory = allocate(shift + n_bytes + 1);
    memset(memory, 0x5a, (size_t)(shift + n_bytes + 1));
    tess_error_init(&error);
    assert_int_equal(
        tess_op_blobs_read(blobs, index, offset, n_bytes, memory + shift, &error),
        TESS_OK);
    assert_memory_equal(memory + shift, blob + offset, (size_t)n_bytes);
    for (int i = 0; i < shift; i++)
        assert_int_equal(memory[i], 0x5a);
    assert_int_equal(memory[shift + n_bytes], 0x5a);
    free(memory);
}

static void test_any_piece_is_the_blobs(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    struct tess_rng rng;
    tess_rng_init(&rng, testing_seed(20261121));
    make_from(&blobs, graph, tess_packed_from_darknet(&from_weights));
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < blobs.n_blobs; i++) {
            char *blob = right_blob(&blobs, i);
            int all = (int)blobs.blobs[i].n_bytes;
            int unit = (int)tess_packed_block_bytes(graph, blobs.blobs[i].op);
            expect_piece(&blobs, i, blob, 0, all, tess_rng_int(&rng, 0, 1));
            expect_piece(&blobs, i, blob, all, 0, 0);
            for (int j = 0; j < 20; j++) {
                int begin = tess_rng_int(&rng, 0, all);
                if (tess_rng_int(&rng, 0, 2) == 0)
                    begin = begin / unit * unit;
                int end = tess_rng_int(&rng, begin, all);
                if (tess_rng_int(&rng, 0, 2) == 0 && end / unit * unit >= begin)
                    end = end / unit * unit;
                int shift = tess_rng_int(&rng, 0, 1) ? tess_rng_int(&rng, 0, 63) : 0;
                expect_piece(&blobs, i, blob, begin, end - begin, shift);
            }
            free(blob);
        }
    tess_op_blobs_release(&blobs);
}

/* Blobs of several ops at once, as several workers ask for them. */
static void test_pieces_of_different_blobs_may_alternate(void **state)
{
    (void)state;
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, tess_packed_from_compiled(&from_compiled));
    char *first = right_blob(&blobs, 0), *last = right_blob(&blobs, N_BLOBS - 1);
    for (int at = 0; at + 10 < blobs.blobs[0].n_bytes; at += 333) {
        expect_piece(&blobs, 0, first, at, 10, 0);
        expect_piece(&blobs, N_BLOBS - 1, last, at, 10, 0);
    }
    free(first);
    free(last);
    tess_op_blobs_release(&blobs);
}

static void test_pieces_in_order_read_each_block_once(void **state)
{
    (void)state;
    struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, (struct tess_packed_source){read_watched, &watched});
    int n_large = 0;
    for (int i = 0; i < blobs.n_blobs; i++) {
        int op = blobs.blobs[i].op;
        char *piece = allocate(PIECE_BYTES);
        n_large += tess_packed_block_bytes(graph, op) > PIECE_BYTES;
        watched.n_blocks = 0;
        for (int64_t at = 0, n; at < blobs.blobs[i].n_bytes; at += n) {
            n = tess_min_i64(PIECE_BYTES, blobs.blobs[i].n_bytes - at);
            assert_int_equal(tess_op_blobs_read(&blobs, i, at, n, piece, NULL), TESS_OK);
        }
        assert_int_equal(watched.n_blocks, tess_packed_n_blocks(graph, op));
        free(piece);
    }
    assert_true(n_large > 0 && n_large < N_BLOBS);
    tess_op_blobs_release(&blobs);
}

static void test_whole_blocks_are_read_straight_to_their_place(void **state)
{
    (void)state;
    struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, (struct tess_packed_source){read_watched, &watched});
    int64_t n_bytes = blobs.blobs[0].n_bytes;
    char *memory = allocate(n_bytes + 4);
    watched.n_reads = 0;
    assert_int_equal(tess_op_blobs_read(&blobs, 0, 0, n_bytes, memory, NULL), TESS_OK);
    assert_int_equal(watched.n_reads, 1);
    assert_ptr_equal(watched.last_to, memory);
    assert_int_equal(tess_op_blobs_read(&blobs, 0, 0, n_bytes, memory + 4, NULL),
                     TESS_OK);
    assert_ptr_equal(watched.last_to, blobs.block);
    free(memory);
    tess_op_blobs_release(&blobs);
}

static void test_weights_that_change_are_not_sent(void **state)
{
    (void)state;
    struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, (struct tess_packed_source){read_watched, &watched});
    int64_t block_bytes = tess_packed_block_bytes(graph, blobs.blobs[0].op);
    char *memory = allocate(2 * block_bytes);
    for (int shift = 0; shift < 2; shift++) {
        struct tess_error error;
        tess_error_init(&error);
        watched.is_changed = true;
        assert_int_equal(tess_op_blobs_read(&blobs, 0, block_bytes, block_bytes,
                                            memory + shift, &error),
                         TESS_E_MODEL);
        assert_non_null(strstr(error.message, "layer 1, block 1 of its 3"));
        assert_non_null(strstr(error.message, "changed"));
        assert_true(error.hint[0] != '\0');
        watched.is_changed = false;
        assert_int_equal(
            tess_op_blobs_read(&blobs, 0, block_bytes, block_bytes, memory + shift, NULL),
            TESS_OK);
    }
    free(memory);
    tess_op_blobs_release(&blobs);
}

static void test_a_block_that_failed_takes_the_held_ones_place(void **state)
{
    (void)state;
    struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, (struct tess_packed_source){read_watched, &watched});
    int64_t block_bytes = tess_packed_block_bytes(graph, blobs.blobs[0].op);
    char *blob = right_blob(&blobs, 0), byte;
    expect_piece(&blobs, 0, blob, 0, 100, 0);
    watched.is_changed = true;
    assert_int_equal(tess_op_blobs_read(&blobs, 0, block_bytes, 1, &byte, NULL),
                     TESS_E_MODEL);
    watched.is_changed = false;
    expect_piece(&blobs, 0, blob, 0, 100, 0);
    expect_piece(&blobs, 0, blob, block_bytes, 100, 0);
    free(blob);
    tess_op_blobs_release(&blobs);
}

static void test_what_the_source_reports_is_passed_on(void **state)
{
    (void)state;
    for (int n_good = 0; n_good < 9; n_good += 4) {
        struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
        struct tess_op_blobs blobs;
        struct tess_error error;
        tess_error_init(&error);
        watched.n_until_error = n_good;
        assert_int_equal(
            tess_op_blobs_init(&blobs, graph,
                               (struct tess_packed_source){read_watched, &watched}, NULL,
                               NULL, &error),
            TESS_E_IO);
        assert_string_equal(error.message, "no more");
        assert_int_equal(watched.n_reads, n_good);
        tess_op_blobs_release(&blobs);
    }
    struct watched watched = watch(tess_packed_from_compiled(&from_compiled));
    struct tess_op_blobs blobs;
    make_from(&blobs, graph, (struct tess_packed_source){read_watched, &watched});
    char byte;
    watched.n_until_error = 0;
    assert_int_equal(tess_op_blobs_read(&blobs, 0, 0, 1, &byte, NULL), TESS_E_IO);
    tess_op_blobs_release(&blobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_op_with_weights_has_a_blob),
        cmocka_unit_test(test_a_network_without_weights_has_no_blobs),
        cmocka_unit_test(test_compiled_and_darknets_weights_have_the_same_hashes),
        cmocka_unit_test(test_hash_is_that_of_blocks_and_their_checksums),
        cmocka_unit_test(test_progress_goes_up_to_one),
        cmocka_unit_test(test_any_piece_is_the_blobs),
        cmocka_unit_test(test_pieces_of_different_blobs_may_alternate),
        cmocka_unit_test(test_pieces_in_order_read_each_block_once),
        cmocka_unit_test(test_whole_blocks_are_read_straight_to_their_place),
        cmocka_unit_test(test_weights_that_change_are_not_sent),
        cmocka_unit_test(test_a_block_that_failed_takes_the_held_ones_place),
        cmocka_unit_test(test_what_the_source_reports_is_passed_on),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
