#include "planner/cluster_tile.h"

#include <assert.h>
#include <stdlib.h>

#include "base/arith.h"

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

static int64_t bundle_bytes(const struct tess_bundle *bundle)
{
    return (int64_t)bundle->h * bundle->w * bundle->c * 4;
}

enum tess_status tess_cluster_raise_most(const struct tess_stage *stage,
                                         const struct tess_cluster_stage *has,
                                         bool sends_bytes,
                                         struct tess_cluster_payload *most,
                                         struct tess_error *error)
{
    struct tess_region *regions = calloc((size_t)stage->n_ops + 1, sizeof *regions);
    if (!regions)
        return tess_error_nomem(error);
    for (int i = 0; i < has->n_tiles; i++) {
        const struct tess_region *output = &has->tiles[i].output;
        tess_stage_regions(stage, output, regions);
        struct tess_cluster_payload payload =
            tess_cluster_payload_of(stage, &regions[stage->n_ops], output, sends_bytes);
        most->in_bytes = tess_max_i64(most->in_bytes, payload.in_bytes);
        most->out_bytes = tess_max_i64(most->out_bytes, payload.out_bytes);
    }
    free(regions);
    return TESS_OK;
}

/* What a worker holds of messages while it has the arena of tile C: transport/worker.h says what it
 * takes, transport/node_worker.c what that is in memory, transport/coordinator_give.c what comes.
 * Each tile has an input `in` and an output `out`; I and O are the largest of all tiles.
 *
 * Of C itself: in(C) and out(C), and once more its output maps if they are several, as they are
 * computed side by side and sent one after the other.
 * Of others: a worker has credit for two tiles, so that one more, N, is there or on its way. An
 * output is sent in two parts, which are copies, and N comes once the first part of P, the tile
 * before C, has arrived. Messages keep their order: what P waited for has arrived by then, and the
 * first part of the tile before P when C came. CURVE holds a message three times while it encrypts
 * it: 2 O more at most.
 *  (1) N is there: what was sent of it and the whole input made of that and of what is kept, 2 I;
 *      and the second part of P, 3 O with its encryption.
 *  (2) N is not there yet: both parts of P and the second of the tile before, 2 O, and 2 O.
 *  (3) C is done and its parts are copied, O: in (1), where the whole input is all there is of N
 *      by then, that makes I + 2 O and 2 O; in (2) 3 O and 2 O.
 *  (4) Nothing is left of C but the second part of its output, and N has come and the next is on
 *      its way: 3 I and 3 O, in place of all the others.
 * So: in(C) + out(C) + the largest of 2 I + 3 O, I + 4 O and 5 O; or 3 I + 3 O.
 * tests/planner/test_cluster_tile.c tries orders of events.
 *
 * Not counted: outputs kept for later tiles, for which tess_cluster_kept_bytes gives what the peak
 * of all this leaves; pieces of weights, which come before tiles do. The rest of libzmq is in what
 * workers hold in any case (cli/node_verb_worker.c). */
static int64_t messages_bytes(const struct tess_stage *stage,
                              const struct tess_tile_graph *tile,
                              const struct tess_cluster_payload *payload,
                              const struct tess_cluster_payload *most)
{
    int64_t split_bytes = stage->output.n_tensors > 1
                              ? tess_region_n_pixels(&tile->output) * stage->output.c * 4
                              : 0;
    int64_t own_bytes = payload->in_bytes + payload->out_bytes + split_bytes;
    int64_t other_bytes = 2 * tess_max_i64(most->in_bytes, most->out_bytes);
    return 3 * most->out_bytes +
           tess_max_i64(own_bytes + other_bytes, 3 * most->in_bytes);
}

int64_t tess_cluster_tile_beside(const struct tess_stage *stage,
                                 const struct tess_tile_graph *tile,
                                 const struct tess_cluster_payload *payload,
                                 const struct tess_cluster_payload *most,
                                 const struct tess_tile_place *place,
                                 const struct tess_kernel_facts *facts)
{
    int64_t bytes = place->is_coordinator
                        ? bundle_bytes(&stage->input) + bundle_bytes(&stage->output) +
                              bundle_bytes(&stage->side)
                        : messages_bytes(stage, tile, payload, most);
    assert(most->in_bytes >= payload->in_bytes && most->out_bytes >= payload->out_bytes);
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
