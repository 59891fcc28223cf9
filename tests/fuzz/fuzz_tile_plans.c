/* Any bytes as the plans of a node's tiles: an error, or plans whose canonical text reads back to
 * itself. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "plan/tile_plans.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/plan/sample_graph.h"

/* One stage, two bands. */
static struct tess_cluster_plan *two_bands(const struct tess_graph *graph)
{
    struct tess_cluster cluster = {.n_nodes = 1};
    struct tess_cluster_plan *plan = NULL;
    struct tess_stage stage = {0};
    int ops[] = {0, 1};
    enum tess_status status = tess_stage_init(&stage, graph, ops, 2, NULL);
    if (status == TESS_OK)
        status = tess_cluster_plan_create(graph, &cluster, &plan, NULL);
    assert(status == TESS_OK);
    struct tess_region whole = tess_stage_whole(&stage);
    struct tess_cluster_tile *tiles = tess_cluster_grid(&whole, 2, 1);
    assert(tiles);
    status = tess_cluster_plan_add(plan, ops, 2, tiles, 2, NULL);
    assert(status == TESS_OK);
    free(tiles);
    tess_stage_release(&stage);
    return plan;
}

static void check_again(const struct tess_tile_plans *plans,
                        const struct tess_cluster_plan *cluster_plan,
                        const struct tess_graph *graph)
{
    struct tess_tile_plans again;
    struct tess_text first = {0}, second = {0};
    tess_tile_plans_write(plans, &first);
    enum tess_status status = tess_tile_plans_init(&again, cluster_plan, graph, NULL);
    if (status == TESS_OK)
        status = tess_tile_plans_read(&again, first.data, first.len, NULL);
    assert(status == TESS_OK);
    tess_tile_plans_write(&again, &second);
    assert(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    tess_text_release(&first);
    tess_text_release(&second);
    tess_tile_plans_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tess_graph *graph = sample_graph();
    struct tess_cluster_plan *cluster_plan = two_bands(graph);
    struct tess_tile_plans plans;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_tile_plans_init(&plans, cluster_plan, graph, &error);
    assert(status == TESS_OK);
    status = tess_tile_plans_read(&plans, (const char *)data, size, &error);
    assert(error.status == status);
    assert(status == TESS_OK || status == TESS_E_CONFIG || status == TESS_E_VERIFY ||
           status == TESS_E_INFEASIBLE);
    if (status == TESS_OK)
        check_again(&plans, cluster_plan, graph);
    else
        assert(error.message[0] && !strchr(error.message, '\n'));
    tess_tile_plans_release(&plans);
    tess_cluster_plan_destroy(cluster_plan);
    tess_graph_destroy(graph);
    return 0;
}
