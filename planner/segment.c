#include "planner/segment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "plan/layout.h"
#include "planner/cost.h"

enum tess_status tess_segmenter_init(struct tess_segmenter *segmenter,
                                     const struct tess_search_problem *problem,
                                     struct tess_error *error)
{
    const struct tess_graph *graph = problem->graph;
    memset(segmenter, 0, sizeof *segmenter);
    segmenter->graph = graph;
    segmenter->options = problem->options;
    segmenter->position = calloc((size_t)graph->n_ops, sizeof *segmenter->position);
    segmenter->n_reads = calloc((size_t)graph->n_ops, sizeof *segmenter->n_reads);
    enum tess_status status = segmenter->position && segmenter->n_reads
                                  ? tess_plan_create(graph, &segmenter->plan, error)
                                  : tess_error_nomem(error);
    if (status != TESS_OK) {
        tess_segmenter_release(segmenter);
        return status;
    }
    segmenter->plan->facts = problem->options->facts;
    for (int at = 0; at < graph->n_ops; at++) {
        segmenter->plan->order[at] = problem->order[at];
        segmenter->position[problem->order[at]] = at;
    }
    return TESS_OK;
}

void tess_segmenter_release(struct tess_segmenter *segmenter)
{
    tess_plan_destroy(segmenter->plan);
    free(segmenter->position);
    free(segmenter->n_reads);
    memset(segmenter, 0, sizeof *segmenter);
}

/* Makes the scratch plan consist of the segment and single ops. */
static int arrange(struct tess_segmenter *segmenter, int first, int last,
                   struct tess_tiling tiling)
{
    struct tess_plan *plan = segmenter->plan;
    const struct tess_tiling whole = {1, 1, TESS_HALO_RECOMPUTE};
    int n_groups = 0;
    for (int at = 0; at < first; at++)
        plan->groups[n_groups++] =
            (struct tess_group){.first = at, .last = at, .tiling = whole};
    plan->groups[n_groups++] =
        (struct tess_group){.first = first, .last = last, .tiling = tiling};
    for (int at = last + 1; at < plan->n_ops; at++)
        plan->groups[n_groups++] =
            (struct tess_group){.first = at, .last = at, .tiling = whole};
    plan->n_groups = n_groups;
    return first;
}

/* Tensors made before the segment and read only after it. */
static int64_t surviving_bytes(const struct tess_segmenter *segmenter, int first,
                               int last)
{
    const struct tess_graph *graph = segmenter->graph;
    int64_t bytes = 0;
    for (int i = 0; i < graph->n_tensors; i++) {
        const struct tess_tensor *tensor = &graph->tensors[i];
        bool is_read_here = false, is_read_later = tensor->is_output;
        for (int c = 0; c < tensor->n_consumers; c++) {
            int reader = segmenter->position[tensor->consumers[c]];
            is_read_here |= reader >= first && reader <= last;
            is_read_later |= reader > last;
        }
        bool is_older =
            tensor->producer < 0 || segmenter->position[tensor->producer] < first;
        if (is_older && is_read_later && !is_read_here)
            bytes += tess_tensor_bytes(tensor);
    }
    return bytes;
}

enum tess_status tess_segment_evaluate(struct tess_segmenter *segmenter, int first,
                                       int last, struct tess_tiling tiling,
                                       struct tess_segment_cost *cost_out,
                                       struct tess_error *error)
{
    assert(first >= 0 && first <= last && last < segmenter->graph->n_ops);
    const struct tess_graph *graph = segmenter->graph;
    struct tess_layout *layout = NULL;
    int group = arrange(segmenter, first, last, tiling);
    enum tess_status status =
        tess_layout_create_group(graph, segmenter->plan, group, &layout, error);
    if (status != TESS_OK)
        return status;
    segmenter->n_evaluated++;
    cost_out->peak_bytes = layout->live_bytes + surviving_bytes(segmenter, first, last);
    cost_out->workspace_bytes = 0;
    for (int at = first; at <= last; at++) {
        int op = segmenter->plan->order[at];
        cost_out->workspace_bytes += tess_layout_workspace_bytes(layout, op);
        segmenter->n_reads[at - first] = (int)tess_cost_n_reads(layout, op);
    }
    cost_out->n_reads = segmenter->n_reads;
    cost_out->time_us = tess_cost_group_us(layout, group, &segmenter->options->profile);
    tess_layout_destroy(layout);
    return TESS_OK;
}

static const struct tess_op *op_at(const struct tess_segmenter *segmenter, int at)
{
    return &segmenter->graph->ops[segmenter->plan->order[at]];
}

bool tess_segment_can_tile(const struct tess_segmenter *segmenter, int first, int last)
{
    for (int at = first; at <= last; at++)
        if (tess_op_reads_whole(op_at(segmenter, at)))
            return false;
    return true;
}

static int add_tiling(struct tess_tiling *tilings, int n_tilings,
                      struct tess_tiling tiling)
{
    for (int i = 0; i < n_tilings; i++)
        if (memcmp(&tilings[i], &tiling, sizeof tiling) == 0)
            return n_tilings;
    if (n_tilings == TESS_SEGMENT_MAX_TILINGS)
        return n_tilings;
    tilings[n_tilings] = tiling;
    return n_tilings + 1;
}

int tess_segment_tilings(const struct tess_segmenter *segmenter, int first, int last,
                         struct tess_tiling tilings_out[TESS_SEGMENT_MAX_TILINGS])
{
    /* TUNING: rows per band and grids that ever won on the YOLO, ResNet and VGG networks
     * (2026-11); finer grids than 8 only add redundant work. */
    static const int band_rows[] = {1, 2, 4, 8, 16, 32, 64};
    static const int grid_sides[] = {2, 3, 4, 5, 6, 8};
    const struct tess_planner_options *options = segmenter->options;
    const struct tess_graph *graph = segmenter->graph;
    const struct tess_tensor *out = &graph->tensors[op_at(segmenter, last)->output];
    int n = 0;
    if (first == last)
        n = add_tiling(tilings_out, n, (struct tess_tiling){1, 1, TESS_HALO_RECOMPUTE});
    if (!tess_segment_can_tile(segmenter, first, last))
        return n;
    int n_max_rows = tess_tiles_max_rows(graph, segmenter->plan->order + first,
                                         last - first + 1, TESS_HALO_REUSE);
    for (size_t i = 0; options->allows_reuse && i < sizeof band_rows / sizeof *band_rows;
         i++) {
        int n_bands = (int)tess_div_up(n_max_rows, band_rows[i]);
        if (n_bands > 1)
            n = add_tiling(tilings_out, n,
                           (struct tess_tiling){n_bands, 1, TESS_HALO_REUSE});
    }
    for (size_t i = 0;
         options->allows_recompute && i < sizeof grid_sides / sizeof *grid_sides; i++) {
        int side = grid_sides[i];
        if (side > out->h || side > out->w)
            break;
        n = add_tiling(tilings_out, n,
                       (struct tess_tiling){side, 1, TESS_HALO_RECOMPUTE});
        if (options->allows_columns)
            n = add_tiling(tilings_out, n,
                           (struct tess_tiling){side, side, TESS_HALO_RECOMPUTE});
    }
    return n;
}
