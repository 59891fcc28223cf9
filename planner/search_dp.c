/* Problem: over all ways to cut the schedule into segments and all tilings of each, find the
 * plans that no other beats in both memory and time.
 *
 * Method: dynamic programming over cut points. front[k] holds the Pareto front of (memory, time)
 * over all plans of the first k ops. A segment [i, k) with a tiling extends each point of
 * front[i]:
 *     peak      = max(peak of the point, peak of the segment)          (1)
 *     workspace = sum, time = sum                                      (2)
 * A tensor that lives across a segment counts in it, so (1) is exact for plans whose storages
 * do not share; sharing is settled when the proposals are laid out whole, fastest first.
 *
 * Invariant: front[k] is sorted by time, and memory falls strictly along it.
 *
 * Cost: segments * tilings layouts of a group, then products of small fronts.
 *
 * Worked example: two ops, A 10 MB in 1 ms, B 4 MB in 1 ms, both together tiled 3 MB in 3 ms.
 *   front[1] = {(10, 1)}; front[2] = {(10, 2), (3, 3)}.
 *
 * Not done: orders; the caller runs the search once for each it wants tried.
 */
#include "planner/search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "planner/segment.h"

/* TUNING: points nearer than 1/256 in memory are one choice; no plan of the darknet networks
 * changed by more than 0.5 % in time when it was 1/4096 (2026-11). */
enum { MEMORY_STEPS = 256 };

/* TUNING: longest segment tried, in ops. 24 reaches from YOLOv2's input to its passthrough; long
 * networks consist of many like blocks, and SEGMENT_TRIALS segments keep planning them within
 * some seconds on a slow core (2026-11). */
enum { MAX_SEGMENT_OPS = 24, MIN_SEGMENT_OPS = 6, SEGMENT_TRIALS = 4000 };

struct point {
    int64_t peak_bytes, workspace_bytes;
    double time_us;
    int from, from_index; /* front and point that it extends; -1: start */
    struct tess_tiling tiling;
};

struct front {
    struct point *points;
    int n_points, capacity;
};

static int64_t memory_of(const struct point *point)
{
    return point->peak_bytes + point->workspace_bytes;
}

static bool front_add(struct front *front, const struct point *point)
{
    if (front->n_points == front->capacity) {
        int capacity = front->capacity ? 2 * front->capacity : 64;
        struct point *points = realloc(front->points, sizeof *points * (size_t)capacity);
        if (!points)
            return false;
        front->points = points;
        front->capacity = capacity;
    }
    front->points[front->n_points++] = *point;
    return true;
}

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->time_us < y->time_us || x->time_us > y->time_us)
        return x->time_us < y->time_us ? -1 : 1;
    if (memory_of(x) != memory_of(y))
        return memory_of(x) < memory_of(y) ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->from_index - y->from_index;
}

/* Drops what is beaten in both memory and time, and what saves next to nothing. */
static void prune(struct front *front)
{
    if (front->n_points == 0)
        return;
    qsort(front->points, (size_t)front->n_points, sizeof *front->points, compare_points);
    int64_t smallest = INT64_MAX;
    for (int i = 0; i < front->n_points; i++)
        smallest = tess_min_i64(smallest, memory_of(&front->points[i]));
    int n_kept = 0;
    int64_t last = INT64_MAX;
    for (int i = 0; i < front->n_points; i++) {
        int64_t memory = memory_of(&front->points[i]);
        bool is_worth_it = last == INT64_MAX || memory < last - last / MEMORY_STEPS;
        if (memory >= last || (!is_worth_it && memory != smallest))
            continue;
        front->points[n_kept++] = front->points[i];
        last = memory;
    }
    front->n_points = n_kept;
}

static bool extend(struct front *fronts, int first, int last, struct tess_tiling tiling,
                   const struct tess_segment_cost *cost)
{
    for (int i = 0; i < fronts[first].n_points; i++) {
        const struct point *before = &fronts[first].points[i];
        struct point point = {
            .peak_bytes = tess_max_i64(before->peak_bytes, cost->peak_bytes),
            .workspace_bytes = before->workspace_bytes + cost->workspace_bytes,
            .time_us = before->time_us + cost->time_us,
            .from = first,
            .from_index = i,
            .tiling = tiling,
        };
        if (!front_add(&fronts[last + 1], &point))
            return false;
    }
    return true;
}

static enum tess_status extend_segment(struct tess_segmenter *segmenter,
                                       struct front *fronts, int first, int last,
                                       struct tess_error *error)
{
    struct tess_tiling tilings[TESS_SEGMENT_MAX_TILINGS];
    int n_tilings = tess_segment_tilings(segmenter, first, last, tilings);
    for (int i = 0; i < n_tilings; i++) {
        struct tess_segment_cost cost;
        enum tess_status status =
            tess_segment_evaluate(segmenter, first, last, tilings[i], &cost, error);
        if (status != TESS_OK)
            return status;
        if (!extend(fronts, first, last, tilings[i], &cost))
            return tess_error_nomem(error);
    }
    return TESS_OK;
}

static int longest_segment(const struct tess_graph *graph)
{
    int affordable = tess_max_int(MIN_SEGMENT_OPS, SEGMENT_TRIALS / graph->n_ops);
    return tess_min_int(MAX_SEGMENT_OPS, affordable);
}

static enum tess_status fill_fronts(struct tess_segmenter *segmenter,
                                    struct front *fronts, struct tess_error *error)
{
    const struct tess_graph *graph = segmenter->graph;
    const struct point nothing = {.from = -1, .from_index = -1};
    int longest = longest_segment(graph);
    if (!front_add(&fronts[0], &nothing))
        return tess_error_nomem(error);
    for (int last = 0; last < graph->n_ops; last++) {
        for (int first = last; first >= 0 && last - first < longest; first--) {
            if (first < last && !tess_segment_can_tile(segmenter, first, last))
                break;
            enum tess_status status =
                extend_segment(segmenter, fronts, first, last, error);
            if (status != TESS_OK)
                return status;
        }
        prune(&fronts[last + 1]);
        assert(fronts[last + 1].n_points > 0);
    }
    return TESS_OK;
}

/* The groups of a point of the last front, in order. */
static int groups_of(const struct front *fronts, int n_ops, int index,
                     struct tess_group *groups)
{
    int n_groups = 0, at = n_ops;
    for (const struct point *point = &fronts[at].points[index]; point->from >= 0;
         point = &fronts[at].points[index]) {
        groups[n_groups++] = (struct tess_group){
            .first = point->from, .last = at - 1, .tiling = point->tiling};
        at = point->from;
        index = point->from_index;
    }
    for (int i = 0; i < n_groups / 2; i++) {
        struct tess_group swap = groups[i];
        groups[i] = groups[n_groups - 1 - i];
        groups[n_groups - 1 - i] = swap;
    }
    return n_groups;
}

static enum tess_status propose(const struct front *fronts, int n_ops,
                                const struct tess_search_sink *sink,
                                struct tess_error *error)
{
    bool is_enough = false;
    enum tess_status status = TESS_OK;
    struct tess_group *groups = calloc((size_t)n_ops, sizeof *groups);
    if (!groups)
        return tess_error_nomem(error);
    for (int i = 0; i < fronts[n_ops].n_points && status == TESS_OK && !is_enough; i++) {
        int n_groups = groups_of(fronts, n_ops, i, groups);
        status = sink->propose(sink->context, groups, n_groups, &is_enough, error);
    }
    free(groups);
    return status;
}

static enum tess_status run(const struct tess_search_problem *problem,
                            const struct tess_search_sink *sink, int *n_evaluated_out,
                            struct tess_error *error)
{
    const struct tess_graph *graph = problem->graph;
    struct tess_segmenter segmenter;
    struct front *fronts = NULL;
    enum tess_status status = tess_segmenter_init(&segmenter, problem, error);
    if (status != TESS_OK)
        return status;
    fronts = calloc((size_t)graph->n_ops + 1, sizeof *fronts);
    if (!fronts) {
        status = tess_error_nomem(error);
        goto out;
    }
    status = fill_fronts(&segmenter, fronts, error);
    if (status == TESS_OK)
        status = propose(fronts, graph->n_ops, sink, error);
    *n_evaluated_out = segmenter.n_evaluated;
out:
    for (int i = 0; fronts && i <= graph->n_ops; i++)
        free(fronts[i].points);
    free(fronts);
    tess_segmenter_release(&segmenter);
    return status;
}

const struct tess_search tess_search_dp = {
    .name = "dp",
    .description =
        "any cuts and tilings, dynamic programming over Pareto fronts (default)",
    .tries_orders = true,
    .run = run,
};
