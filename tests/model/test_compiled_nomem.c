/* Every allocation of writing, opening and reading compiled models fails once: the result
 * is TESS_E_NOMEM, nothing leaks (dev preset), no half-made file appears.
 * What they call is covered by test_model_nomem.c. */
#include "tests/model/failing_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "model/compiled_priv.h"
#include "model/packed.h"

#undef strdup
#define malloc failing_malloc
#define calloc failing_calloc
#define aligned_alloc failing_aligned_alloc
#define strdup failing_strdup

#include "base/paged_file.c"
#include "model/compiled.c"
#include "model/compiled_layout.c"
#include "model/compiled_write.c"

#undef malloc
#undef calloc
#undef aligned_alloc
#undef strdup

#define CFG TESTING_NET "[conv]\nfilters=20\nsize=3\npad=1\n[conv]\nfilters=3\n"

static char folder[] = "/tmp/tessera-test-XXXXXX";
static char path[64];
static struct tess_graph *graph;

static enum tess_status fill_with_zeros(void *context, int op, int first_block,
                                        int n_blocks, void *packed_out,
                                        struct tess_error *error)
{
    (void)context, (void)first_block, (void)error;
    memset(packed_out, 0, (size_t)(n_blocks * tess_packed_block_bytes(graph, op)));
    return TESS_OK;
}

static enum tess_status write_and_open(void)
{
    struct tess_compiled *compiled = NULL;
    struct tess_compiled_job job = {
        .cfg = CFG,
        .n_cfg_bytes = sizeof CFG - 1,
        .graph = graph,
        .blocks = {fill_with_zeros, NULL},
    };
    unlink(path);
    enum tess_status status = tess_compiled_write(&job, path, NULL);
    assert_int_equal(status == TESS_OK, access(path, F_OK) == 0);
    if (status == TESS_OK)
        status = tess_compiled_open(path, false, &compiled, NULL);
    assert_int_equal(status == TESS_OK, compiled != NULL);
    tess_compiled_destroy(compiled);
    return status;
}

static void test_compiled_models_survive_each_failed_allocation(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model", folder);
    graph = testing_graph(CFG);
    assert_true(fail_each(write_and_open) > 8);
    tess_graph_destroy(graph);
    unlink(path);
    assert_int_equal(rmdir(folder), 0); /* no temporary file is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compiled_models_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
