/* Splitting convolutions of concats: what the new graph is made of, and which weights its partial
 * convolutions have, read from darknet's files and from compiled ones. */
#include "model/graph_split.h"

#include <unistd.h>

#include "model/compiled.h"
#include "model/packed.h"
#include "model/synth.h"
#include "model/weights.h"
#include "tests/model/model_testing.h"

/* Layer 0 puts out 3 channels, 1 five; 2 joins 1 and 0; 3 convolves that; 4 joins 3 and 2; 5 and 6
 * convolve that. */
#define CFG                                                                              \
    TESTING_NET "[conv]\nfilters=3\nsize=1\n[conv]\nfilters=5\nsize=3\npad=1\n"          \
                "[route]\nlayers=-1,-2\n"                                                \
                "[conv]\nfilters=20\nsize=3\npad=1\nbatch_normalize=1\n"                 \
                "activation=leaky\n[route]\nlayers=-1,-2\n"                              \
                "[conv]\nfilters=7\nsize=3\npad=1\nactivation=relu\n"                    \
                "[conv]\nfilters=9\nsize=1\ngroups=1\n"

/* The graph with the convolutions of these layers split. */
static struct tess_graph *split_at(const struct tess_graph *graph, const int *layers,
                                   int n_layers)
{
    struct tess_graph *split = NULL;
    bool *is_split = calloc((size_t)graph->n_ops, sizeof *is_split);
    for (int i = 0; i < n_layers; i++)
        is_split[graph->tensors[graph->layers[layers[i]].tensor].producer] = true;
    assert_int_equal(tess_graph_split(graph, is_split, &split, NULL), TESS_OK);
    tess_graph_assert_valid(split);
    free(is_split);
    return split;
}

static int op_of_layer(const struct tess_graph *graph, int layer)
{
    return graph->tensors[graph->layers[layer].tensor].producer;
}

static void test_a_chain_takes_the_place_of_the_convolution(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    struct tess_graph *split = split_at(graph, (int[]){3}, 1);
    assert_int_equal(split->n_ops, graph->n_ops + 1);
    const struct tess_op *first = &split->ops[3], *last = &split->ops[4];
    assert_int_equal(first->inputs[0], 1); /* layer 0 runs before layer 1 */
    assert_int_equal(first->n_inputs, 1);
    assert_int_equal(first->channel_begin, 5);
    assert_int_equal(first->activation, TESS_ACT_LINEAR);
    assert_int_equal(last->inputs[0], 2);
    assert_int_equal(last->inputs[1], first->output);
    assert_int_equal(last->channel_begin, 0);
    assert_int_equal(last->activation, TESS_ACT_LEAKY);
    for (const struct tess_op *op = first; op <= last; op++) {
        assert_int_equal(op->kernel_channels, 8);
        assert_int_equal(op->layer, 3);
        assert_int_equal(op->weights_offset, graph->ops[3].weights_offset);
        assert_true(tess_op_is_partial(op));
    }
    assert_int_equal(split->layers[3].tensor, last->output);
    int64_t macs = tess_op_macs(split, first) + tess_op_macs(split, last);
    assert_int_equal(macs, tess_op_macs(graph, &graph->ops[3]));
    assert_int_equal(split->n_weights, graph->n_weights);
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
}

static void test_concats_go_when_nobody_reads_them(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    struct tess_graph *one = split_at(graph, (int[]){3}, 1);
    assert_true(one->layers[2].tensor >= 0); /* layer 4 joins it to another */
    struct tess_graph *all = split_at(graph, (int[]){3, 5}, 2);
    assert_int_equal(all->layers[2].tensor, TESS_LAYER_DISSOLVED);
    assert_int_equal(all->layers[4].tensor, TESS_LAYER_DISSOLVED);
    for (int op = 0; op < all->n_ops; op++)
        assert_int_equal(all->ops[op].kind, TESS_OP_CONV);
    tess_graph_destroy(all);
    tess_graph_destroy(one);
    tess_graph_destroy(graph);
}

static void test_concats_of_concats_are_taken_apart(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    assert_int_equal(tess_graph_n_parts(graph, op_of_layer(graph, 5)), 3);
    struct tess_graph *split = split_at(graph, (int[]){5}, 1);
    int last = op_of_layer(split, 5);
    const int channels[] = {25, 20, 0}, tensors[] = {1, 2, 4};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(split->ops[last - 2 + i].channel_begin, channels[i]);
        assert_int_equal(split->ops[last - 2 + i].inputs[0], tensors[i]);
    }
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
}

static void test_outputs_of_the_network_are_kept(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        TESTING_NET "[conv]\nfilters=3\n[conv]\nfilters=3\n[route]\nlayers=-1,-2\n"
                    "[conv]\nfilters=2\n[route]\nlayers=-2\n");
    struct tess_graph *split = split_at(graph, (int[]){3}, 1);
    assert_true(split->layers[2].tensor >= 0);
    assert_true(split->tensors[split->layers[2].tensor].is_output);
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
}

static void test_other_ops_cannot_be_split(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        TESTING_NET "[conv]\nfilters=4\n[route]\nlayers=-1,-1\n[conv]\nfilters=8\n"
                    "groups=2\n[maxpool]\nsize=2\n[conv]\nfilters=2\n");
    for (int op = 0; op < graph->n_ops; op++)
        assert_int_equal(tess_graph_n_parts(graph, op), 0);
    tess_graph_destroy(graph);
}

static void test_the_hash_tells_splits_apart_and_the_source_is_known(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(CFG);
    assert_true(graph->source_hash == graph->hash);
    struct tess_graph *none = split_at(graph, NULL, 0);
    assert_true(none->hash == graph->hash);
    uint64_t hashes[3] = {graph->hash};
    for (int i = 1; i < 3; i++) {
        struct tess_graph *split = split_at(graph, (int[]){i == 1 ? 3 : 5}, 1);
        assert_true(split->source_hash == graph->hash);
        hashes[i] = split->hash;
        tess_graph_destroy(split);
    }
    assert_true(hashes[0] != hashes[1] && hashes[1] != hashes[2] &&
                hashes[0] != hashes[2]);
    tess_graph_destroy(none);
    tess_graph_destroy(graph);
}

static void test_one_tensor_may_be_several_parts(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(
        TESTING_NET "[conv]\nfilters=4\n[route]\nlayers=-1,-1\n[conv]\nfilters=8\n");
    struct tess_graph *split = split_at(graph, (int[]){2}, 1);
    assert_int_equal(split->ops[1].inputs[0], split->ops[2].inputs[0]);
    assert_int_equal(split->ops[1].channel_begin, 0);
    assert_int_equal(split->ops[2].channel_begin, 4);
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
}

/* ---- weights ---- */

static char folder[] = "/tmp/tessera-test-XXXXXX";

struct files {
    char weights_path[64], compiled_path[64];
    struct tess_graph *graph, *split;
    struct tess_weights *weights;
    struct tess_compiled *compiled;
    float *scratch;
};

static void compile(const struct files *files)
{
    struct tess_packed_darknet from = {files->weights, files->graph, files->scratch,
                                       tess_packed_scratch_bytes(files->graph)};
    struct tess_compiled_job job = {
        .cfg = CFG,
        .n_cfg_bytes = sizeof CFG - 1,
        .graph = files->graph,
        .blocks = tess_packed_from_darknet(&from),
    };
    assert_int_equal(tess_compiled_write(&job, files->compiled_path, NULL), TESS_OK);
}

static int make_files(void **state)
{
    static struct files files;
    if (!mkdtemp(folder))
        return 1;
    snprintf(files.weights_path, sizeof files.weights_path, "%s/weights", folder);
    snprintf(files.compiled_path, sizeof files.compiled_path, "%s/compiled", folder);
    files.graph = testing_graph(CFG);
    files.split = split_at(files.graph, (int[]){3, 5, 6}, 2);
    files.scratch = malloc((size_t)tess_packed_scratch_bytes(files.graph));
    if (tess_synth_write(files.graph, 5, files.weights_path, NULL) ||
        tess_weights_open(files.graph, files.weights_path, &files.weights, NULL))
        return 1;
    compile(&files);
    *state = &files;
    return tess_compiled_open(files.compiled_path, false, &files.compiled, NULL) !=
           TESS_OK;
}

static int remove_files(void **state)
{
    struct files *files = *state;
    tess_compiled_destroy(files->compiled);
    tess_weights_destroy(files->weights);
    tess_graph_destroy(files->graph);
    tess_graph_destroy(files->split);
    free(files->scratch);
    unlink(files->weights_path);
    unlink(files->compiled_path);
    return rmdir(folder);
}

/* The partial op's weights, out of those of the whole convolution. */
static void expected_weights(const struct files *files, int op, float *kernel,
                             float *bias)
{
    const struct tess_op *partial = &files->split->ops[op];
    int whole = op_of_layer(files->graph, partial->layer);
    int64_t n_whole = tess_op_n_kernel(files->graph, &files->graph->ops[whole]);
    int n_filters = files->split->tensors[partial->output].c;
    int n_channels = files->split->tensors[partial->inputs[0]].c;
    int n_taps = partial->window.kernel_h * partial->window.kernel_w;
    float *all = malloc((size_t)n_whole * sizeof *all);
    assert_int_equal(tess_weights_read(files->weights, files->graph, whole, 0, n_filters,
                                       all, bias, NULL),
                     TESS_OK);
    for (int row = 0; row < n_filters * n_taps; row++)
        memcpy(kernel + (size_t)(row * n_channels),
               all + (size_t)(row * partial->kernel_channels + partial->channel_begin),
               (size_t)n_channels * sizeof *kernel);
    free(all);
}

/* Reads filters [begin, end) in both orders and from both files, and all blocks. */
static void check_weights(struct files *files, int op, int begin, int end)
{
    const struct tess_graph *split = files->split;
    size_t n_kernel = (size_t)tess_op_n_kernel(split, &split->ops[op]);
    size_t n_filters = (size_t)split->tensors[split->ops[op].output].c;
    size_t n_per_filter = n_kernel / n_filters, n = (size_t)(end - begin);
    float *expected = calloc(2 * (n_kernel + n_filters), sizeof *expected);
    float *found = expected + n_kernel + n_filters;
    expected_weights(files, op, expected, expected + n_kernel);
    struct tess_packed_compiled from = {files->compiled, split};
    for (int i = 0; i < 2; i++) {
        enum tess_status status =
            i ? tess_packed_read_filters(&from, op, begin, end, found, found + n_kernel,
                                         NULL)
              : tess_weights_read(files->weights, split, op, begin, end, found,
                                  found + n_kernel, NULL);
        assert_int_equal(status, TESS_OK);
        assert_memory_equal(found, expected + (size_t)begin * n_per_filter,
                            n * n_per_filter * sizeof *found);
        assert_memory_equal(found + n_kernel, expected + n_kernel + begin,
                            n * sizeof *found);
        memset(found, 0, (n_kernel + n_filters) * sizeof *found);
    }
    free(expected);
}

/* Blocks of either source are those packed from the expected weights. */
static void check_blocks(struct files *files, int op)
{
    const struct tess_graph *split = files->split;
    int64_t block_bytes = tess_packed_block_bytes(split, op);
    int n_blocks = tess_packed_n_blocks(split, op);
    size_t n_kernel = (size_t)tess_op_n_kernel(split, &split->ops[op]);
    int n_filters = split->tensors[split->ops[op].output].c;
    size_t n_per_filter = n_kernel / (size_t)n_filters;
    float *kernel = calloc(n_kernel + (size_t)n_filters, sizeof *kernel);
    char *blocks = aligned_alloc(64, (size_t)(3 * n_blocks * block_bytes));
    expected_weights(files, op, kernel, kernel + n_kernel);
    for (int block = 0; block < n_blocks; block++) {
        int begin, end;
        tess_packed_block_filters(split, op, block, &begin, &end);
        tess_packed_fill(split, op, block, kernel + (size_t)begin * n_per_filter,
                         kernel + n_kernel + begin, blocks + block * block_bytes);
    }
    struct tess_packed_compiled compiled = {files->compiled, split};
    struct tess_packed_darknet darknet = {files->weights, split, files->scratch,
                                          tess_packed_scratch_bytes(split)};
    const struct tess_packed_source sources[] = {tess_packed_from_compiled(&compiled),
                                                 tess_packed_from_darknet(&darknet)};
    for (int i = 0; i < 2; i++) {
        char *found = blocks + (1 + i) * n_blocks * block_bytes;
        for (int first = 0; first < n_blocks; first += 2) /* two at a time */
            assert_int_equal(sources[i].read(sources[i].context, op, first,
                                             n_blocks - first < 2 ? 1 : 2,
                                             found + first * block_bytes, NULL),
                             TESS_OK);
        assert_memory_equal(found, blocks, (size_t)(n_blocks * block_bytes));
    }
    free(blocks);
    free(kernel);
}

static void test_partial_convolutions_have_their_channels_of_the_weights(void **state)
{
    struct files *files = *state;
    for (int op = 0; op < files->split->n_ops; op++) {
        if (!tess_op_is_partial(&files->split->ops[op]))
            continue;
        int n_filters = files->split->tensors[files->split->ops[op].output].c;
        check_weights(files, op, 0, n_filters);
        check_weights(files, op, 2, n_filters - 1);
        check_blocks(files, op);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_takes_the_place_of_the_convolution),
        cmocka_unit_test(test_concats_go_when_nobody_reads_them),
        cmocka_unit_test(test_concats_of_concats_are_taken_apart),
        cmocka_unit_test(test_outputs_of_the_network_are_kept),
        cmocka_unit_test(test_other_ops_cannot_be_split),
        cmocka_unit_test(test_the_hash_tells_splits_apart_and_the_source_is_known),
        cmocka_unit_test(test_one_tensor_may_be_several_parts),
        cmocka_unit_test_setup_teardown(
            test_partial_convolutions_have_their_channels_of_the_weights, make_files,
            remove_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
