#include "planner/curve.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/hash.h"
#include "planner/cost.h"

/* TUNING: steps of an eighth show every bend of YOLOv2's curve; between budgets with other groups
 * and times at least a fiftieth apart, a quarter of that (2026-11). */
static const double grid_step = 1.125, worth_refining = 1.02;
enum { MAX_POINTS = 400, N_REFINEMENTS = 2 };

struct sample {
    struct tess_curve_point point;
    uint64_t groups_hash;
};

struct sampler {
    const struct tess_graph *graph;
    struct tess_planner *planner;
    struct sample *samples; /* budgets rise */
    int n_samples;
};

static uint64_t hash_groups(const struct tess_plan *plan)
{
    uint64_t hash = TESS_HASH_START;
    for (int at = 0; at < plan->n_ops; at++)
        hash = tess_hash_i64(hash, plan->order[at]);
    for (int i = 0; i < plan->n_groups; i++) {
        hash = tess_hash_i64(hash, plan->groups[i].first);
        hash = tess_hash_i64(hash, plan->groups[i].tiling.n_rows);
        hash = tess_hash_i64(hash, plan->groups[i].tiling.n_cols);
        hash = tess_hash_i64(hash, plan->groups[i].tiling.halo);
    }
    return hash;
}

static enum tess_status count_weights(const struct tess_graph *graph,
                                      const struct tess_plan *plan,
                                      struct tess_curve_point *point,
                                      struct tess_error *error)
{
    struct tess_layout *layout = NULL;
    enum tess_status status = tess_layout_create(graph, plan, &layout, error);
    if (status != TESS_OK)
        return status;
    for (int op = 0; op < plan->n_ops; op++) {
        if (!plan->streamed[op])
            continue;
        struct tess_streamable what = tess_cost_streamable(layout, op);
        point->n_streamed_ops++;
        point->streamed_bytes += what.weights_bytes;
        point->read_bytes += what.weights_bytes * what.n_reads;
    }
    tess_layout_destroy(layout);
    return TESS_OK;
}

/* Plans for one budget and puts the sample at its place. */
static enum tess_status take(struct sampler *sampler, int64_t budget_bytes, int at,
                             struct tess_error *error)
{
    struct tess_plan *plan = NULL;
    enum tess_status status =
        tess_planner_find(sampler->planner, budget_bytes, &plan, NULL, error);
    if (status != TESS_OK)
        return status;
    struct sample sample = {
        .point = {.budget_bytes = budget_bytes,
                  .peak_bytes = plan->memory.peak,
                  .predicted_us = plan->predicted_us,
                  .n_groups = plan->n_groups},
        .groups_hash = hash_groups(plan),
    };
    status = count_weights(sampler->graph, plan, &sample.point, error);
    tess_plan_destroy(plan);
    if (status != TESS_OK)
        return status;
    assert(sampler->n_samples < MAX_POINTS);
    memmove(sampler->samples + at + 1, sampler->samples + at,
            sizeof *sampler->samples * (size_t)(sampler->n_samples - at));
    sampler->samples[at] = sample;
    sampler->n_samples++;
    return TESS_OK;
}

/* Whole KiB, which people can type. */
static int64_t in_kib(double bytes)
{
    return tess_round_up((int64_t)bytes, 1024);
}

/* From `least` to `most`, both included. */
static enum tess_status take_grid(struct sampler *sampler, int64_t least, int64_t most,
                                  struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int n_steps = 1;
    if (most > least)
        n_steps = (int)fmin(MAX_POINTS / 4,
                            ceil(log((double)most / (double)least) / log(grid_step)));
    for (int step = 0; step <= n_steps && status == TESS_OK; step++) {
        double ratio = (double)tess_max_i64(most, least) / (double)least;
        int64_t budget_bytes = in_kib((double)least * pow(ratio, (double)step / n_steps));
        status = take(sampler, budget_bytes, sampler->n_samples, error);
    }
    return status;
}

/* Halves the steps over which groups change and much time is won. */
static enum tess_status refine(struct sampler *sampler, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    for (int i = 0; i + 1 < sampler->n_samples && status == TESS_OK; i++) {
        const struct sample *low = &sampler->samples[i], *high = low + 1;
        bool is_bend =
            low->groups_hash != high->groups_hash &&
            low->point.predicted_us > high->point.predicted_us * worth_refining;
        int64_t middle = in_kib(
            ((double)low->point.budget_bytes + (double)high->point.budget_bytes) / 2);
        if (!is_bend || sampler->n_samples == MAX_POINTS ||
            middle >= high->point.budget_bytes)
            continue;
        status = take(sampler, middle, i + 1, error);
        i++;
    }
    return status;
}

/* The samples that are faster than all smaller ones. */
static void keep_best(const struct sampler *sampler, struct tess_curve *curve)
{
    double best_us = INFINITY;
    uint64_t hash = 0;
    for (int i = 0; i < sampler->n_samples; i++) {
        const struct sample *sample = &sampler->samples[i];
        if (sample->point.predicted_us >= best_us)
            continue;
        best_us = sample->point.predicted_us;
        struct tess_curve_point *point = &curve->points[curve->n_points++];
        *point = sample->point;
        point->has_new_groups = curve->n_points == 1 || sample->groups_hash != hash;
        hash = sample->groups_hash;
    }
}

/* The smallest budget that works and the one of the fastest plan. */
static enum tess_status find_ends(struct sampler *sampler, int64_t *least_out,
                                  int64_t *most_out, int *limiting_layer_out,
                                  struct tess_error *error)
{
    struct tess_planner_report report;
    struct tess_plan *plan = NULL;
    enum tess_status status =
        tess_planner_find(sampler->planner, 1, &plan, &report, NULL);
    tess_plan_destroy(plan);
    plan = NULL;
    if (status != TESS_OK && status != TESS_E_INFEASIBLE)
        return tess_planner_find(sampler->planner, 1, &plan, &report, error);
    status = tess_planner_find(sampler->planner, 0, &plan, NULL, error);
    if (status != TESS_OK)
        return status;
    *least_out = report.smallest_bytes;
    *most_out = plan->memory.peak + TESS_BASE_SPREAD_BYTES;
    *limiting_layer_out = report.limiting_layer;
    tess_plan_destroy(plan);
    return TESS_OK;
}

enum tess_status tess_curve_init(struct tess_curve *curve, const struct tess_graph *graph,
                                 struct tess_planner *planner, struct tess_error *error)
{
    struct sampler sampler = {.graph = graph, .planner = planner};
    int64_t least = 0, most = 0;
    memset(curve, 0, sizeof *curve);
    sampler.samples = calloc(MAX_POINTS, sizeof *sampler.samples);
    curve->points = calloc(MAX_POINTS, sizeof *curve->points);
    enum tess_status status =
        sampler.samples && curve->points ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = find_ends(&sampler, &least, &most, &curve->limiting_layer, error);
    if (status == TESS_OK)
        status = take_grid(&sampler, least, most, error);
    for (int i = 0; i < N_REFINEMENTS && status == TESS_OK; i++)
        status = refine(&sampler, error);
    if (status == TESS_OK)
        keep_best(&sampler, curve);
    else
        tess_curve_release(curve);
    free(sampler.samples);
    return status;
}

void tess_curve_release(struct tess_curve *curve)
{
    free(curve->points);
    memset(curve, 0, sizeof *curve);
}
