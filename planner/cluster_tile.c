#include "planner/cluster_tile.h"

#include <assert.h>

#include "base/arith.h"

/* TUNING: what workers offer at most. Half of all results of YOLOv2-608 in seven stages is
 * 5 MiB. */
enum { MOST_KEPT_BYTES = 8 << 20 };

int64_t tess_cluster_weights_bytes(const struct tess_graph *graph,
                                   const struct tess_kernel_facts *facts)
{
    int64_t bytes = 0;
    for (int op = 0; op < graph->n_ops; op++)
        bytes += tess_facts_weights_bytes(facts, graph, op);
    return bytes;
}

bool tess_cluster_keeps(const struct tess_graph *graph,
                        const struct tess_kernel_facts *facts, int64_t memory_bytes)
{
    int64_t bytes = tess_cluster_weights_bytes(graph, facts);
    return memory_bytes == 0 || memory_bytes - facts->base_bytes >= bytes + bytes / 2;
}

int64_t tess_cluster_kept_bytes(int64_t memory_bytes, int64_t peak_bytes)
{
    if (memory_bytes == 0)
        return MOST_KEPT_BYTES;
    return tess_max_i64(tess_min_i64(memory_bytes - peak_bytes, MOST_KEPT_BYTES), 0);
}

static int64_t bundle_bytes(const struct tess_bundle *bundle)
{
    return (int64_t)bundle->h * bundle->w * bundle->c * 4;
}

int64_t tess_cluster_tile_beside(const struct tess_stage *stage,
                                 const struct tess_tile_graph *tile,
                                 const struct tess_cluster_payload *payload,
                                 const struct tess_tile_place *place,
                                 const struct tess_kernel_facts *facts)
{
    int64_t bytes = place->is_coordinator
                        ? bundle_bytes(&stage->input) + bundle_bytes(&stage->output) +
                              bundle_bytes(&stage->side)
                        : 2 * payload->in_bytes + payload->out_bytes;
    if (place->keeps_weights)
        bytes += tess_cluster_weights_bytes(stage->graph, facts) -
                 tess_cluster_weights_bytes(tile->graph, facts);
    return bytes;
}

enum tess_status tess_cluster_tile_plan(const struct tess_graph *graph,
                                        const struct tess_planner_options *options,
                                        const struct tess_tile_place *place,
                                        int64_t beside_bytes, struct tess_plan **plan_out,
                                        int64_t *least_bytes_out,
                                        struct tess_error *error)
{
    struct tess_planner_options own = *options;
    struct tess_planner_report report = {0};
    struct tess_plan *plan = NULL;
    struct tess_error found;
    assert(beside_bytes >= 0);
    tess_error_init(&found);
    own.budget_bytes = place->memory_bytes;
    own.input_bytes = beside_bytes;
    own.allows_streaming = own.allows_streaming && !place->keeps_weights;
    enum tess_status status = tess_planner_plan(graph, &own, &plan, &report, &found);
    if (status == TESS_E_INFEASIBLE)
        *least_bytes_out = report.smallest_bytes;
    else if (status != TESS_OK)
        return tess_error_set(error, status, "%s", found.message);
    *plan_out = plan;
    return TESS_OK;
}
