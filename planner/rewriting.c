/* Problem: which convolutions of concats to split, so that a plan fits the budget, or is faster.
 *
 * Method: plan the network as it is, for the budget or, if none fits, for the smallest one that
 * does. Then hill climbing with that plan's groups: split one convolution after the other, its
 * parts in its place or as early as they can run, and keep what is better. Better is, in this
 * order: a plan that fits, a shorter time, a smaller budget that would do. At last plan from
 * nothing what is split so, and, as a start of its own, the network with all that can be split.
 *
 * Invariant: `best` fits the budget if anything seen does.
 *
 * Cost: four runs of the planner at most, and MAX_ROUNDS * 2 layouts for each convolution that can
 * be split.
 *
 * Not done: sets of splits of which no part is better.
 */
#include "planner/rewriting.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_split.h"
#include "planner/proposal.h"
#include "planner/search.h"
#include "planner/split_groups.h"

/* TUNING: a third round has found nothing on YOLOv3 and DenseNet201; 2026-11. */
enum { MAX_ROUNDS = 2 };

/* TUNING: networks of more parts than these are planned for too long; 2026-11. */
enum { MAX_PARTS_AT_ONCE = 128 };

/* TUNING: predicted times are not so exact that less would mean anything; 2026-11. */
static const double least_gain = 0.01;

/* A set of splits and a plan of what it makes of the network. */
struct trial {
    bool *is_split;           /* [n_ops] of the network */
    struct tess_graph *graph; /* split; NULL: nothing is */
    struct tess_plan *plan;   /* streams nothing unless it is `is_final` */
    bool is_final;            /* the planner's own */
    int64_t least_bytes;      /* the smallest budget of these groups */
    double time_us;           /* within the budget; INFINITY: does not fit */
};

struct rewriting {
    const struct tess_graph *graph;
    const struct tess_planner_options *options;
    struct trial best;
    struct tess_planner_report report; /* of the network as it is */
    struct tess_error said;            /* by the planner of it, if no plan fits */
};

static void release(struct trial *trial)
{
    tess_plan_destroy(trial->plan);
    tess_graph_destroy(trial->graph);
    free(trial->is_split);
    memset(trial, 0, sizeof *trial);
}

static const struct tess_graph *graph_of(const struct rewriting *rewriting,
                                         const struct trial *trial)
{
    return trial->graph ? trial->graph : rewriting->graph;
}

static bool is_better(const struct trial *a, const struct trial *b)
{
    if (isinf(a->time_us) && isinf(b->time_us))
        return a->least_bytes < b->least_bytes;
    return a->time_us < b->time_us;
}

/* A trial that begins with the splits of `from`. */
static enum tess_status start_trial(const struct rewriting *rewriting,
                                    const struct trial *from, struct trial *trial,
                                    struct tess_error *error)
{
    size_t n_ops = (size_t)rewriting->graph->n_ops;
    *trial = (struct trial){.is_split = calloc(n_ops, sizeof *trial->is_split),
                            .time_us = INFINITY,
                            .least_bytes = INT64_MAX};
    if (!trial->is_split)
        return tess_error_nomem(error);
    if (from)
        memcpy(trial->is_split, from->is_split, n_ops * sizeof *trial->is_split);
    return TESS_OK;
}

static enum tess_status split(const struct rewriting *rewriting, struct trial *trial,
                              struct tess_error *error)
{
    bool is_any = false;
    for (int op = 0; op < rewriting->graph->n_ops; op++)
        is_any = is_any || trial->is_split[op];
    return is_any
               ? tess_graph_split(rewriting->graph, trial->is_split, &trial->graph, error)
               : TESS_OK;
}

/* Makes the trial the best if it is better; releases what is not. */
static bool keep_better(struct rewriting *rewriting, struct trial *trial)
{
    if (!trial->plan || !is_better(trial, &rewriting->best)) {
        release(trial);
        return false;
    }
    release(&rewriting->best);
    rewriting->best = *trial;
    return true;
}

/* ---- with the groups of the best ---- */

static bool can_stream(const struct rewriting *rewriting)
{
    const struct tess_search *search = tess_search_find(rewriting->options->search);
    return search->can_stream && tess_planner_can_stream(rewriting->options);
}

/* Lays out the trial's plan and says what it is worth. Plans that are none are worth nothing. */
static enum tess_status judge(const struct rewriting *rewriting, struct trial *trial,
                              struct tess_error *error)
{
    const struct tess_graph *graph = graph_of(rewriting, trial);
    struct tess_proposal *proposal = NULL;
    struct tess_residency residency = {0};
    if (tess_plan_check(trial->plan, graph, NULL) != TESS_OK) {
        tess_plan_destroy(trial->plan);
        trial->plan = NULL;
        return TESS_OK;
    }
    struct tess_plan *plan = tess_plan_copy(trial->plan);
    if (!plan)
        return tess_error_nomem(error);
    enum tess_status status = tess_proposal_create(
        graph, rewriting->options, plan, can_stream(rewriting), &proposal, error);
    if (status != TESS_OK)
        return status;
    trial->least_bytes = proposal->least_bytes;
    status =
        tess_proposal_fit(proposal, rewriting->options, rewriting->options->budget_bytes,
                          INFINITY, &residency, &trial->time_us, error);
    tess_residency_release(&residency);
    tess_proposal_destroy(proposal);
    return status == TESS_E_INFEASIBLE ? TESS_OK : status;
}

/* Splits `op` besides, in the groups of the best. */
static enum tess_status try_split(struct rewriting *rewriting, int op, bool is_early,
                                  bool *is_kept_out, struct tess_error *error)
{
    struct trial trial;
    const struct trial *best = &rewriting->best;
    *is_kept_out = false;
    enum tess_status status = start_trial(rewriting, best, &trial, error);
    if (status != TESS_OK)
        return status;
    trial.is_split[op] = true;
    status = split(rewriting, &trial, error);
    if (status == TESS_OK)
        status = tess_split_groups(graph_of(rewriting, best), best->plan, trial.graph,
                                   rewriting->graph->ops[op].layer, is_early, &trial.plan,
                                   error);
    if (status == TESS_OK)
        status = judge(rewriting, &trial, error);
    if (status == TESS_OK)
        *is_kept_out = keep_better(rewriting, &trial);
    else
        release(&trial);
    return status;
}

static enum tess_status climb(struct rewriting *rewriting, struct tess_error *error)
{
    bool is_any = true;
    for (int round = 0; round < MAX_ROUNDS && is_any; round++) {
        is_any = false;
        for (int op = 0; op < rewriting->graph->n_ops; op++) {
            bool is_kept = false;
            for (int is_early = 0; is_early < 2 && !is_kept; is_early++) {
                if (rewriting->best.is_split[op] ||
                    tess_graph_n_parts(rewriting->graph, op) == 0)
                    continue;
                enum tess_status status =
                    try_split(rewriting, op, is_early, &is_kept, error);
                if (status != TESS_OK)
                    return status;
            }
            is_any = is_any || is_kept;
        }
    }
    return TESS_OK;
}

/* ---- from nothing ---- */

/* Plans what the trial's splits make: within the budget, or as small as can be. */
static enum tess_status plan_trial(struct rewriting *rewriting, struct trial *trial,
                                   struct tess_planner_report *report,
                                   struct tess_error *said, struct tess_error *error)
{
    const struct tess_graph *graph = graph_of(rewriting, trial);
    struct tess_planner_options options = *rewriting->options;
    struct tess_planner *planner = NULL;
    tess_error_init(said);
    enum tess_status status = tess_planner_create(graph, &options, &planner, error);
    if (status != TESS_OK)
        return status;
    trial->is_final = true;
    status = tess_planner_find(planner, options.budget_bytes, &trial->plan, report, said);
    if (status == TESS_OK) {
        trial->time_us = trial->plan->predicted_us;
        trial->least_bytes = trial->plan->memory.peak;
    } else if (status == TESS_E_INFEASIBLE) {
        trial->least_bytes = report->smallest_bytes - TESS_BASE_SPREAD_BYTES;
        status =
            tess_planner_find(planner, trial->least_bytes, &trial->plan, NULL, error);
    } else {
        *error = *said;
    }
    tess_planner_destroy(planner);
    return status;
}

static int count_parts(const struct tess_graph *graph)
{
    int n = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n += tess_graph_n_parts(graph, op);
    return n;
}

/* Plans the splits of the best, or all that there are, and keeps that if it is better. */
static enum tess_status plan_anew(struct rewriting *rewriting, bool is_all,
                                  struct tess_error *error)
{
    struct trial trial;
    struct tess_planner_report report;
    struct tess_error said;
    enum tess_status status = start_trial(rewriting, &rewriting->best, &trial, error);
    for (int op = 0; is_all && status == TESS_OK && op < rewriting->graph->n_ops; op++)
        trial.is_split[op] = tess_graph_n_parts(rewriting->graph, op) > 0;
    if (status == TESS_OK)
        status = split(rewriting, &trial, error);
    if (status == TESS_OK)
        status = plan_trial(rewriting, &trial, &report, &said, error);
    if (status == TESS_OK)
        keep_better(rewriting, &trial);
    else
        release(&trial);
    return status;
}

static bool may_split(const struct rewriting *rewriting)
{
    return rewriting->options->allows_rewrite && rewriting->options->budget_bytes > 0 &&
           tess_facts_can_accumulate(&rewriting->options->facts) &&
           count_parts(rewriting->graph) > 0;
}

/* Looks for splits, starting from the plan of the network as it is. */
static enum tess_status search(struct rewriting *rewriting, struct tess_error *error)
{
    bool has_few_parts = count_parts(rewriting->graph) <= MAX_PARTS_AT_ONCE;
    enum tess_status status = climb(rewriting, error);
    if (status == TESS_OK && rewriting->best.graph)
        status = plan_anew(rewriting, false, error);
    if (status == TESS_OK && has_few_parts)
        status = plan_anew(rewriting, true, error);
    if (status == TESS_OK && has_few_parts && rewriting->best.graph)
        status = climb(rewriting, error);
    return status;
}

/* ---- the result ---- */

/* Chooses the weights of a plan that has only groups yet. */
static enum tess_status complete(const struct rewriting *rewriting, struct trial *trial,
                                 struct tess_error *error)
{
    const struct tess_graph *graph = graph_of(rewriting, trial);
    const struct tess_planner_options *options = rewriting->options;
    struct tess_proposal *proposal = NULL;
    struct tess_residency residency = {0};
    struct tess_plan *plan = trial->plan;
    double time_us;
    trial->plan = NULL;
    enum tess_status status = tess_proposal_create(
        graph, options, plan, can_stream(rewriting), &proposal, error);
    if (status == TESS_OK)
        status = tess_proposal_fit(proposal, options, options->budget_bytes, INFINITY,
                                   &residency, &time_us, error);
    if (status == TESS_OK)
        status =
            tess_proposal_plan(graph, options, proposal, &residency, &trial->plan, error);
    if (status == TESS_OK)
        trial->plan->budget_bytes = options->budget_bytes;
    tess_residency_release(&residency);
    tess_proposal_destroy(proposal);
    return status;
}

/* What the planner said of the network as it is, with the budget that does when it is split. */
static enum tess_status report_infeasible(const struct rewriting *rewriting,
                                          struct tess_error *error)
{
    const struct trial *best = &rewriting->best;
    if (!best->graph) {
        if (error)
            *error = rewriting->said;
        return TESS_E_INFEASIBLE;
    }
    /* As the planner's own message has it: the next start may measure more base memory. */
    long long kib =
        (long long)((best->least_bytes + TESS_BASE_SPREAD_BYTES + 1023) / 1024);
    tess_error_set(error, TESS_E_INFEASIBLE,
                   "no plan fits, split or not; the smallest budget that works is %lldK",
                   kib);
    tess_error_hint(error, "run again with --memory %lldK", kib);
    return TESS_E_INFEASIBLE;
}

enum tess_status tess_rewriting_plan(const struct tess_graph *graph,
                                     const struct tess_planner_options *options,
                                     struct tess_graph **split_out,
                                     struct tess_plan **plan_out,
                                     struct tess_planner_report *report_out,
                                     struct tess_error *error)
{
    struct rewriting rewriting = {.graph = graph, .options = options};
    struct trial *best = &rewriting.best;
    struct trial whole = {.is_split = NULL};
    enum tess_status status = start_trial(&rewriting, NULL, best, error);
    if (status == TESS_OK)
        status = plan_trial(&rewriting, best, &rewriting.report, &rewriting.said, error);
    if (status != TESS_OK || !may_split(&rewriting))
        goto out;
    whole = *best; /* kept aside: it may be as good */
    status = start_trial(&rewriting, NULL, best, error);
    if (status == TESS_OK) {
        best->plan = tess_plan_copy(whole.plan);
        status = best->plan ? judge(&rewriting, best, error) : tess_error_nomem(error);
    }
    if (status == TESS_OK)
        status = search(&rewriting, error);
    if (status == TESS_OK && !isinf(whole.time_us) &&
        best->time_us >= (1 - least_gain) * whole.time_us) {
        release(best);
        *best = whole;
        whole = (struct trial){.is_split = NULL};
    }
    rewriting.report.smallest_bytes = best->least_bytes + TESS_BASE_SPREAD_BYTES;
    if (status == TESS_OK && !isinf(best->time_us) && !best->is_final)
        status = complete(&rewriting, best, error);
out:
    if (status == TESS_OK && isinf(best->time_us))
        status = report_infeasible(&rewriting, error);
    if ((status == TESS_OK || status == TESS_E_INFEASIBLE) && report_out)
        *report_out = rewriting.report;
    if (status == TESS_OK) {
        *plan_out = best->plan;
        *split_out = best->graph;
        best->plan = NULL;
        best->graph = NULL;
    }
    release(best);
    release(&whole);
    return status;
}
