/* The network as it comes: one group per op, nothing tiled. The baseline of every comparison.
 */
#include "planner/search.h"

#include <stdlib.h>

static enum tess_status propose(const struct tess_search_problem *problem, void *state,
                                int64_t budget_bytes, const struct tess_search_sink *sink,
                                struct tess_error *error)
{
    const struct tess_graph *graph = problem->graph;
    struct tess_search_outcome outcome;
    (void)state;
    (void)budget_bytes;
    struct tess_group *groups = calloc((size_t)graph->n_ops, sizeof *groups);
    if (!groups)
        return tess_error_nomem(error);
    for (int at = 0; at < graph->n_ops; at++)
        groups[at] = (struct tess_group){
            .first = at, .last = at, .tiling = {1, 1, TESS_HALO_RECOMPUTE}};
    enum tess_status status =
        sink->propose(sink->context, groups, graph->n_ops, &outcome, error);
    free(groups);
    return status;
}

const struct tess_search tess_search_untiled = {
    .name = "untiled",
    .description = "every layer whole, one after the other; weights streamed at need",
    .can_stream = true,
    .propose = propose,
};
