/* The network as it comes: one group per op, nothing tiled. The baseline of every comparison.
 */
#include "planner/search.h"

#include <stdlib.h>

static enum tess_status run(const struct tess_search_problem *problem,
                            const struct tess_search_sink *sink, int *n_evaluated_out,
                            struct tess_error *error)
{
    const struct tess_graph *graph = problem->graph;
    bool is_enough = false;
    struct tess_group *groups = calloc((size_t)graph->n_ops, sizeof *groups);
    if (!groups)
        return tess_error_nomem(error);
    for (int at = 0; at < graph->n_ops; at++)
        groups[at] = (struct tess_group){
            .first = at, .last = at, .tiling = {1, 1, TESS_HALO_RECOMPUTE}};
    enum tess_status status =
        sink->propose(sink->context, groups, graph->n_ops, &is_enough, error);
    *n_evaluated_out = 0;
    free(groups);
    return status;
}

const struct tess_search tess_search_untiled = {
    .name = "untiled",
    .description = "every layer whole, one after the other",
    .run = run,
};
