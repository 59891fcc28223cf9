/* Any bytes as a cluster and as a cluster plan: an error with a place, or a value whose canonical
 * text reads back to itself. */
#include <assert.h>
#include <string.h>

#include "plan/cluster_text.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/fuzz_yaml.h"
#include "tests/plan/sample_graph.h"

static void try_cluster(const char *text, size_t n_bytes)
{
    struct tess_cluster cluster, again;
    struct tess_text first = {0}, second = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_cluster_read(text, n_bytes, "fuzz.yaml", &cluster, &error);
    check_error(&error, status);
    if (status != TESS_OK)
        return;
    tess_cluster_write(&cluster, &first);
    status = tess_cluster_read(first.data, first.len, "fuzz.yaml", &again, &error);
    assert(status == TESS_OK && again.n_nodes == cluster.n_nodes);
    tess_cluster_write(&again, &second);
    assert(strcmp(first.data, second.data) == 0);
    tess_text_release(&first);
    tess_text_release(&second);
}

static void try_plan(const char *text, size_t n_bytes, const struct tess_graph *graph)
{
    struct tess_cluster_plan *plan = NULL, *again = NULL;
    struct tess_text first = {0}, second = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_cluster_plan_read(text, n_bytes, "fuzz.yaml", graph, &plan, &error);
    check_error(&error, status);
    assert((status == TESS_OK) == (plan != NULL));
    if (!plan)
        return;
    assert(tess_cluster_plan_check(plan, graph, NULL, NULL) == TESS_OK);
    tess_cluster_plan_write(plan, graph, &first);
    status =
        tess_cluster_plan_read(first.data, first.len, "fuzz.yaml", graph, &again, &error);
    assert(status == TESS_OK && again->n_stages == plan->n_stages);
    tess_cluster_plan_write(again, graph, &second);
    assert(strcmp(first.data, second.data) == 0);
    tess_cluster_plan_destroy(plan);
    tess_cluster_plan_destroy(again);
    tess_text_release(&first);
    tess_text_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct tess_graph *graph = sample_graph();
    struct tess_error error;
    bool has_stages = false;
    tess_error_init(&error);
    check_error(&error,
                tess_cluster_has_stages(text, size, "fuzz.yaml", &has_stages, &error));
    try_cluster(text, size);
    try_plan(text, size, graph);
    tess_graph_destroy(graph);
    return 0;
}
