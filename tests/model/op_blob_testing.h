/* What the tests of blobs share: a network with every kind of blob, split and unsplit, its
 * weights in both kinds of file, and what is made of them. Included by one test file each; not
 * for product code. */
#ifndef TESS_TESTS_OP_BLOB_TESTING_H
#define TESS_TESTS_OP_BLOB_TESTING_H

#include <unistd.h>

#include "model/compiled.h"
#include "model/graph_split.h"
#include "model/op_blob.h"
#include "model/packed.h"
#include "model/synth.h"
#include "model/weights.h"
#include "tests/model/model_testing.h"

/* Dense with batch norm, grouped, depthwise, none of 16 filters; ops without weights first, last
 * and between; one of a concat, to be split; one whose blocks are larger than a piece of a
 * message and than what is read at once (288064 bytes, two of them); one read whole. */
#define CFG                                                                              \
    TESTING_NET                                                                          \
    "[maxpool]\nsize=2\nstride=1\n"                                                      \
    "[conv]\nfilters=38\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"           \
    "[conv]\nfilters=36\nsize=1\ngroups=2\n[maxpool]\nsize=2\nstride=2\n"                \
    "[conv]\nfilters=36\nsize=3\npad=1\ngroups=36\nbatch_normalize=1\n"                  \
    "[route]\nlayers=-1,-2\n[conv]\nfilters=500\nsize=1\n"                               \
    "[conv]\nfilters=20\nsize=3\npad=1\n[connected]\noutput=17\n[softmax]\n"

enum { N_BLOBS = 6, PIECE_BYTES = 256 * 1024, MOST_OPS = 64 };

static char folder[] = "/tmp/tessera-test-XXXXXX";
static char weights_path[64], compiled_path[64];
static struct tess_graph *graph,
    *split; /* of CFG; with the convolution of the concat split */
static struct tess_weights *weights;
static struct tess_compiled *compiled;
static float *scratch;
static struct tess_packed_darknet from_weights, split_from_weights;
static struct tess_packed_compiled from_compiled, split_from_compiled;

static inline enum tess_status compile(struct tess_error *error)
{
    struct tess_compiled_job job = {
        .cfg = CFG,
        .n_cfg_bytes = sizeof CFG - 1,
        .graph = graph,
        .blocks = tess_packed_from_darknet(&from_weights),
    };
    enum tess_status status = tess_compiled_write(&job, compiled_path, error);
    if (status == TESS_OK)
        status = tess_compiled_open(compiled_path, false, &compiled, error);
    return status;
}

static inline int make_files(void **state)
{
    (void)state;
    struct tess_error error;
    bool is_split[MOST_OPS] = {false};
    tess_error_init(&error);
    if (!mkdtemp(folder))
        return 1;
    snprintf(weights_path, sizeof weights_path, "%s/weights", folder);
    snprintf(compiled_path, sizeof compiled_path, "%s/compiled", folder);
    graph = testing_graph(CFG);
    for (int op = 0; op < graph->n_ops; op++)
        is_split[op] = tess_graph_n_parts(graph, op) > 0;
    if (tess_graph_split(graph, is_split, &split, &error) != TESS_OK ||
        tess_synth_write(graph, 5, weights_path, &error) != TESS_OK ||
        tess_weights_open(graph, weights_path, &weights, &error) != TESS_OK)
        return 1;
    int64_t scratch_bytes = tess_packed_scratch_bytes(graph);
    scratch = malloc((size_t)scratch_bytes);
    from_weights = (struct tess_packed_darknet){weights, graph, scratch, scratch_bytes};
    split_from_weights =
        (struct tess_packed_darknet){weights, split, scratch, scratch_bytes};
    if (!scratch || compile(&error) != TESS_OK)
        return 1;
    from_compiled = (struct tess_packed_compiled){compiled, graph};
    split_from_compiled = (struct tess_packed_compiled){compiled, split};
    return split->n_ops > graph->n_ops - 1 ? 0 : 1;
}

static inline int remove_files(void **state)
{
    (void)state;
    tess_compiled_destroy(compiled);
    tess_weights_destroy(weights);
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
    free(scratch);
    unlink(weights_path);
    unlink(compiled_path);
    return rmdir(folder); /* fails if a blob's file was left behind */
}

static inline void *allocate(int64_t n_bytes)
{
    void *memory = aligned_alloc(64, (size_t)tess_round_up(n_bytes + 1, 64));
    if (!memory)
        fail();
    return memory;
}

static inline void make_from(struct tess_op_blobs *blobs, const struct tess_graph *of,
                             struct tess_packed_source blocks)
{
    struct tess_error error;
    tess_error_init(&error);
    if (tess_op_blobs_init(blobs, of, blocks, NULL, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
}

static inline void expect_same_hashes(const struct tess_graph *of,
                                      struct tess_packed_source a,
                                      struct tess_packed_source b)
{
    struct tess_op_blobs of_a, of_b;
    make_from(&of_a, of, a);
    make_from(&of_b, of, b);
    assert_int_equal(of_a.n_blobs, of_b.n_blobs);
    for (int i = 0; i < of_a.n_blobs; i++) {
        assert_true(tess_sha256_is_equal(&of_a.blobs[i].hash, &of_b.blobs[i].hash));
        for (int j = 0; j < i; j++)
            assert_false(tess_sha256_is_equal(&of_a.blobs[i].hash, &of_a.blobs[j].hash));
    }
    tess_op_blobs_release(&of_a);
    tess_op_blobs_release(&of_b);
}

#endif
