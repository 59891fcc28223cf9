/* Problem: pick a fused tiling for one device from a small family: two groups of layers, each
 * cut into a square grid, halos recomputed; the layers behind them run whole.
 *
 * Method: the published search. Grids from coarse to fine; for each grid, the cut between the
 * groups from late to early ("no cut" first); the second group's grid is at most 2x2. The first
 * configuration whose predicted memory fits is taken. Where the paper tiles the first 16 layers
 * of YOLOv2, this takes all layers before the last one that halves the map; cuts lie behind
 * layers that halve it, as the paper's do.
 *
 * Cost: at most MAX_GRID * (number of cuts + 1) proposals.
 *
 * Worked example (YOLOv2, layers 0..15): 1x1/NoCut, 2x2/NoCut, 2x2/12/2x2, 2x2/8/2x2,
 * 2x2/4/2x2, 2x2/2/2x2, 3x3/NoCut, 3x3/12/2x2, ...
 *
 * Not done: the paper's linear memory predictor; memory here is exact.
 *
 * Reference: J. Farley, A. Gerstlauer, "MAFAT: Memory-Aware Fusing and Tiling of Neural
 * Networks for Accelerated Edge Inference", 2021, section 3.
 */
#include "planner/search.h"

#include <stdlib.h>

#include "base/arith.h"

enum { MAX_GRID = 5, SECOND_GRID = 2 };

static bool halves_the_map(const struct tess_graph *graph, int op_id)
{
    const struct tess_op *op = &graph->ops[op_id];
    return (op->kind == TESS_OP_CONV || op->kind == TESS_OP_MAXPOOL) &&
           op->window.stride_h > 1;
}

/* Ops [0, end) can be tiled: they come before the last op that halves the map and before the
 * first that reads whole maps. For a part of a network that has no such op, all of it. */
static int tiled_end(const struct tess_graph *graph)
{
    int blocker = graph->n_ops, last_halving = -1;
    for (int op = graph->n_ops - 1; op >= 0; op--)
        if (tess_op_reads_whole(&graph->ops[op]))
            blocker = op;
    bool is_followed_by_heads = false;
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_reads_whole(&graph->ops[op]) || graph->ops[op].kind == TESS_OP_YOLO)
            is_followed_by_heads = true;
    if (!is_followed_by_heads)
        return blocker;
    for (int op = 0; op < blocker; op++)
        if (halves_the_map(graph, op))
            last_halving = op;
    return last_halving > 0 ? last_halving : blocker;
}

static struct tess_tiling grid_for(const struct tess_graph *graph, int last_op, int n)
{
    const struct tess_tensor *out = &graph->tensors[graph->ops[last_op].output];
    return (struct tess_tiling){tess_min_int(n, out->h), tess_min_int(n, out->w),
                                TESS_HALO_RECOMPUTE};
}

/* The first group has an n x n grid and ends before op `cut`, the second before `end`. */
struct configuration {
    int n, cut, end; /* cut == end: no second group */
};

static enum tess_status configure(const struct tess_graph *graph,
                                  const struct tess_search_sink *sink,
                                  struct tess_group *groups,
                                  struct configuration configuration, bool *fits_out,
                                  struct tess_error *error)
{
    int n = configuration.n, cut = configuration.cut, end = configuration.end;
    int n_groups = 0;
    struct tess_search_outcome outcome;
    if (cut > 0)
        groups[n_groups++] = (struct tess_group){
            .first = 0, .last = cut - 1, .tiling = grid_for(graph, cut - 1, n)};
    if (cut < end)
        groups[n_groups++] = (struct tess_group){
            .first = cut,
            .last = end - 1,
            .tiling = grid_for(graph, end - 1, tess_min_int(n, SECOND_GRID))};
    for (int op = end; op < graph->n_ops; op++)
        groups[n_groups++] = (struct tess_group){
            .first = op, .last = op, .tiling = {1, 1, TESS_HALO_RECOMPUTE}};
    enum tess_status status =
        sink->propose(sink->context, groups, n_groups, &outcome, error);
    *fits_out = status == TESS_OK && outcome.fits;
    return status;
}

static enum tess_status propose(const struct tess_search_problem *problem, void *state,
                                int64_t budget_bytes, const struct tess_search_sink *sink,
                                struct tess_error *error)
{
    const struct tess_graph *graph = problem->graph;
    enum tess_status status = TESS_OK;
    bool fits = false;
    int end = tiled_end(graph);
    (void)state;
    (void)budget_bytes;
    struct tess_group *groups = calloc((size_t)graph->n_ops + 2, sizeof *groups);
    if (!groups)
        return tess_error_nomem(error);
    for (int n = 1; n <= MAX_GRID && status == TESS_OK && !fits; n++) {
        for (int cut = end; cut > 0 && status == TESS_OK && !fits; cut--) {
            bool is_cut_point = cut == end || (n > 1 && halves_the_map(graph, cut - 1));
            if (is_cut_point)
                status = configure(graph, sink, groups,
                                   (struct configuration){n, cut, end}, &fits, error);
        }
    }
    if (end == 0 && status == TESS_OK) /* nothing can be tiled */
        status =
            configure(graph, sink, groups, (struct configuration){1, 0, 0}, &fits, error);
    free(groups);
    return status;
}

const struct tess_search tess_search_mafat = {
    .name = "mafat",
    .description =
        "two fused groups, square grids, first fit (the published single-device search)",
    .propose = propose,
};
