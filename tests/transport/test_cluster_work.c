/* Cluster plans as work: every plan of a random network becomes work that can be run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/random_net.h"
#include "transport/cluster_work.h"

/* Stages of random lengths and grids; NULL if the network cannot be cut so. */
static struct tess_cluster_plan *random_plan(const struct tess_graph *graph,
                                             struct tess_rng *rng)
{
    struct tess_cluster cluster = {
        .n_nodes = 1, .nodes = {{.name = "a", .speed = 1, .link_mbit = 100}}};
    struct tess_cluster_plan *plan = NULL;
    int *ops = malloc(sizeof *ops * (size_t)graph->n_ops);
    assert_non_null(ops);
    assert_int_equal(tess_cluster_plan_create(graph, &cluster, &plan, NULL), TESS_OK);
    for (int op = 0; op < graph->n_ops; op++)
        ops[op] = op;
    plan->sends_bytes = tess_rng_int(rng, 0, 1) == 1;
    for (int first = 0, tries = 0; first < graph->n_ops && plan;) {
        struct tess_stage stage;
        int n_ops = tess_rng_int(rng, 1, graph->n_ops - first);
        if (tess_stage_init(&stage, graph, ops + first, n_ops, NULL) != TESS_OK) {
            if (++tries > 100) {
                tess_cluster_plan_destroy(plan);
                plan = NULL;
            }
            continue;
        }
        struct tess_region whole = tess_stage_whole(&stage);
        int n_rows = stage.can_cut ? tess_rng_int(rng, 1, stage.output.h) : 1;
        int n_cols = stage.can_cut ? tess_rng_int(rng, 1, stage.output.w) : 1;
        struct tess_cluster_tile *tiles = tess_cluster_grid(&whole, n_rows, n_cols);
        assert_non_null(tiles);
        assert_int_equal(
            tess_cluster_plan_add(plan, ops + first, n_ops, tiles, n_rows * n_cols, NULL),
            TESS_OK);
        free(tiles);
        tess_stage_release(&stage);
        first += n_ops;
    }
    free(ops);
    return plan;
}

static void test_plans_of_random_networks_become_work(void **state)
{
    (void)state;
    struct tess_random_net nets;
    int n_cases = 300, n_made = 0;
    uint64_t seed = tess_random_seed(20261160, &n_cases);
    tess_random_net_init(&nets);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_error error;
        struct tess_cluster_work work;
        tess_error_init(&error);
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        struct tess_cluster_plan *plan = random_plan(graph, &rng);
        if (plan && tess_cluster_work_init(&work, plan, graph, NULL, &error) == TESS_OK) {
            n_made++;
            assert_int_equal(tess_work_check(&work.work, NULL), TESS_OK);
            assert_int_equal(work.work.n_stages, plan->n_stages);
            assert_int_equal(work.tensors[0], TESS_GRAPH_INPUT);
            assert_int_equal(work.maps[0].element_bytes, plan->sends_bytes ? 1 : 4);
            for (int t = 0; t < work.work.n_tiles; t++) {
                struct tess_cluster_place place = work.places[t];
                const struct tess_region *output =
                    &plan->stages[place.stage].tiles[place.tile].output;
                const struct tess_part *part = &work.tiles[t].outputs.at[0];
                assert_true(tess_range_is_equal(part->rows, output->axis[TESS_ROWS]) &&
                            tess_range_is_equal(part->cols, output->axis[TESS_COLS]));
            }
            tess_cluster_work_release(&work);
        } else if (plan) { /* more maps cross a cut than a tile has parts */
            assert_int_equal(error.status, TESS_E_CONFIG);
        }
        tess_cluster_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
    print_message("%d of %d plans\n", n_made, n_cases);
    assert_true(n_cases == 1 || n_made > n_cases / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_of_random_networks_become_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
