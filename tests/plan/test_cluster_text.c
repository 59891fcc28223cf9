/* Cluster files and cluster plans as text: everything survives, and errors have a place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan/cluster_text.h"
#include "tests/support/small_graph.h"

/* Two convolutions on 8x8, a pool to 4x4. */
static struct tess_graph *graph_create(void)
{
    int inputs[3] = {0, 1, 2};
    struct tess_shape large = {8, 8, 2}, small = {4, 4, 2};
    struct tess_op ops[] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                            tess_op_neutral(TESS_OP_CONV, 1, &inputs[1]),
                            tess_op_neutral(TESS_OP_MAXPOOL, 2, &inputs[2])};
    ops[0].window = small_graph_window(3, 1, 1);
    ops[1].window = small_graph_window(1, 1, 0);
    ops[2].window = small_graph_window(2, 2, 0);
    return small_graph_create(large, ops, (struct tess_shape[]){large, large, small}, 3);
}

#define NODES                                                                            \
    "cluster: 1\n"                                                                       \
    "nodes:\n"                                                                           \
    "  - name: gate\n"                                                                   \
    "    speed: 1\n"                                                                     \
    "    mbit: 940\n"                                                                    \
    "    latency_ms: 0.3\n"                                                              \
    "  - name: w1\n"                                                                     \
    "    speed: 0.25\n"                                                                  \
    "    memory: 48M\n"                                                                  \
    "    mbit: 94.5\n"                                                                   \
    "    latency_ms: 0.5\n"

static struct tess_cluster_plan *read_plan(const struct tess_graph *graph,
                                           const char *text)
{
    struct tess_cluster_plan *plan = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_cluster_plan_read(text, strlen(text), "c.yaml", graph, &plan, &error) !=
        TESS_OK)
        fail_msg("%d:%d: %s", error.line, error.col, error.message);
    return plan;
}

static void test_a_cluster_file_survives(void **state)
{
    (void)state;
    struct tess_cluster cluster;
    struct tess_text text = {0};
    assert_int_equal(tess_cluster_read(NODES, strlen(NODES), "c.yaml", &cluster, NULL),
                     TESS_OK);
    assert_int_equal(cluster.n_nodes, 2);
    assert_string_equal(cluster.nodes[1].name, "w1");
    assert_int_equal(cluster.nodes[0].memory_bytes, 0);
    assert_int_equal(cluster.nodes[1].memory_bytes, 48 << 20);
    assert_true(cluster.nodes[1].latency_us == 500.0);
    tess_cluster_write(&cluster, &text);
    assert_string_equal(tess_text_string(&text), NODES);
    tess_text_release(&text);
}

static void test_grids_and_single_tiles_are_spelled_out(void **state)
{
    (void)state;
    struct tess_graph *graph = graph_create();
    struct tess_cluster_plan *plan =
        read_plan(graph, NODES "stages:\n  - layers: 0..1\n    grid: 2x1\n  - ops: 2\n");
    struct tess_text text = {0};
    char expected[1024];
    snprintf(expected, sizeof expected,
             "%smodel: %s\nmodel_hash: %016llx\ninput: bytes\nstages:\n"
             "  - layers: [0..1]\n    tiles:\n"
             "      - rows: 0..3\n        cols: 0..7\n        node: gate\n"
             "      - rows: 4..7\n        cols: 0..7\n        node: w1\n"
             "  - layers: [2]\n    tiles:\n"
             "      - rows: 0..3\n        cols: 0..3\n        node: gate\n",
             NODES, graph->name, (unsigned long long)graph->hash);
    tess_cluster_plan_write(plan, graph, &text);
    assert_string_equal(tess_text_string(&text), expected);
    struct tess_cluster_plan *again = read_plan(graph, expected);
    assert_int_equal(again->n_stages, 2);
    assert_int_equal(again->stages[0].tiles[1].node, 1);
    tess_cluster_plan_destroy(again);
    tess_cluster_plan_destroy(plan);
    tess_text_release(&text);
    tess_graph_destroy(graph);
}

static void check_layers(const struct tess_graph *graph, int *ops, int n_ops,
                         const char *expected)
{
    const struct tess_cluster_stage stage = {.n_ops = n_ops, .ops = ops};
    struct tess_text text = {0};
    tess_cluster_write_layers(&stage, graph, &text);
    assert_string_equal(tess_text_string(&text), expected);
    tess_text_release(&text);
}

static void test_layers_of_a_stage_are_ranges_without_what_is_elsewhere(void **state)
{
    (void)state;
    struct tess_graph *graph = graph_create();
    check_layers(graph, (int[]){1}, 1, "1");
    check_layers(graph, (int[]){0, 1, 2}, 3, "0..2");
    check_layers(graph, (int[]){0, 2}, 2, "0, 2");
    tess_graph_destroy(graph);
}

static void check_refused(const char *text, int line, int col, const char *message)
{
    struct tess_graph *graph = graph_create();
    struct tess_cluster_plan *plan = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(
        tess_cluster_plan_read(text, strlen(text), "c.yaml", graph, &plan, &error),
        TESS_E_CONFIG);
    assert_null(plan);
    assert_string_equal(error.message, message);
    assert_int_equal(error.line, line);
    assert_int_equal(error.col, col);
    tess_graph_destroy(graph);
}

static void test_what_is_wrong_has_a_place(void **state)
{
    (void)state;
    check_refused("nodes: []\n", 1, 1, "the line \"cluster\" is missing here");
    check_refused("cluster: 1\nnodes: []\n", 2, 8, "a cluster needs a node");
    check_refused("cluster: 1\nnodes:\n  - name: a\n  - name: a\n", 4, 11,
                  "two nodes are called a");
    check_refused(NODES, 1, 1, "the line \"stages\" is missing here");
    check_refused(NODES "stages:\n  - grid: 2x1\n", 13, 5,
                  "a stage has either layers or ops");
    check_refused(NODES "stages:\n  - layers: 0..7\n", 13, 13,
                  "expected a layer from 0 to 2 or a range FIRST..LAST of them, not "
                  "\"0..7\"");
    check_refused(NODES "stages:\n  - layers: 0..2\n    grid: 9x1\n", 14, 11,
                  "grid must be ROWSxCOLUMNS of tiles, at most 4x4, not \"9x1\"");
    check_refused(NODES "stages:\n  - layers: 0..1\n", 13, 3, "layer 2 is in no stage");
    check_refused(NODES "stages:\n  - layers: 2\n  - layers: 0..1\n", 13, 5,
                  "stage 0: layer 2 runs before layer 1, which it reads");
    check_refused(NODES "stages:\n  - layers: 0..2\n    tiles:\n      - rows: 0..2\n"
                        "        cols: 0..3\n",
                  13, 5, "the tiles of stage 0 leave 4 of the 4x4 map's pixels out");
    check_refused(NODES "stages:\n  - layers: 0..2\n    tiles:\n"
                        "      - {rows: 0..2, cols: 0..3}\n"
                        "      - {rows: 2..3, cols: 0..3}\n",
                  13, 5, "stage 0, tiles 0 and 1 overlap");
    check_refused(NODES "stages:\n  - layers: 0..2\n    tiles:\n"
                        "      - {rows: 0..3, cols: 0..3, node: w7}\n",
                  15, 40, "there is no node \"w7\"");
    check_refused(NODES "model_hash: 0000000000000001\nstages: []\n", 12, 13,
                  "the cluster plan was made for another network");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cluster_file_survives),
        cmocka_unit_test(test_grids_and_single_tiles_are_spelled_out),
        cmocka_unit_test(test_layers_of_a_stage_are_ranges_without_what_is_elsewhere),
        cmocka_unit_test(test_what_is_wrong_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
