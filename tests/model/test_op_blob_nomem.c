/* Every allocation of making blobs and of reading them from files fails once: the result is
 * TESS_E_NOMEM and nothing leaks (dev preset). */
#include "tests/model/failing_memory.h"

#include <assert.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/paged_file.h"
#include "model/packed.h"

#define calloc failing_calloc
#define aligned_alloc failing_aligned_alloc

#include "model/op_blob.c"

#undef calloc
#undef aligned_alloc

#define CFG                                                                              \
    TESTING_NET "[conv]\nfilters=20\nsize=3\npad=1\n[maxpool]\n[conv]\nfilters=3\n"

static char folder[] = "/tmp/tessera-test-XXXXXX";
static struct tess_graph *graph;

static enum tess_status fill_with_zeros(void *context, int op, int first_block,
                                        int n_blocks, void *packed_out,
                                        struct tess_error *error)
{
    (void)context, (void)first_block, (void)error;
    memset(packed_out, 0, (size_t)(n_blocks * tess_packed_block_bytes(graph, op)));
    return TESS_OK;
}

static void blob_path(void *context, int op, char *path_out, size_t size)
{
    (void)context;
    snprintf(path_out, size, "%s/blob%d", folder, op);
}

/* Makes the blobs; with `writes` their files, too. */
static enum tess_status make(bool writes)
{
    struct tess_op_blobs blobs;
    enum tess_status status = tess_op_blobs_init(
        &blobs, graph, (struct tess_packed_source){fill_with_zeros, NULL}, NULL, NULL,
        NULL);
    for (int i = 0; writes && i < blobs.n_blobs; i++) {
        char path[TESS_OP_BLOB_PATH], bytes[64 * 1024];
        size_t n_bytes = (size_t)blobs.blobs[i].n_bytes;
        assert_true(n_bytes <= sizeof bytes);
        blob_path(NULL, blobs.blobs[i].op, path, sizeof path);
        assert_int_equal(tess_op_blobs_read(&blobs, i, 0, (int64_t)n_bytes, bytes, NULL),
                         TESS_OK);
        assert_int_equal(tess_file_write(path, bytes, n_bytes, NULL), TESS_OK);
    }
    tess_op_blobs_release(&blobs);
    return status;
}

static enum tess_status open_files(void)
{
    struct tess_op_blob_files *files = NULL;
    enum tess_status status =
        tess_op_blob_files_open(graph, blob_path, NULL, true, &files, NULL);
    assert_int_equal(status == TESS_OK, files != NULL);
    tess_op_blob_files_close(files);
    return status;
}

static enum tess_status make_and_open(void)
{
    enum tess_status status = make(false);
    return status == TESS_OK ? open_files() : status;
}

static void test_blobs_survive_each_failed_allocation(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    graph = testing_graph(CFG);
    assert_int_equal(make(true), TESS_OK);
    /* Making, opening, and once without failure. */
    assert_int_equal(fail_each(make_and_open), 5 + 4 + 1);
    for (int op = 0; op < graph->n_ops; op++) {
        char path[TESS_OP_BLOB_PATH];
        blob_path(NULL, op, path, sizeof path);
        unlink(path);
    }
    tess_graph_destroy(graph);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blobs_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
