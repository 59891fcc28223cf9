/* The ordering method `ilp`: fuse, divide, and an integer programme for what bounds leave open.
 *
 * 1. Upper bound: the orders that heuristics find on the fused graph: the file's, two greedy ones,
 *    beams, cut search. The exact search (schedule/lattice.h) is not asked: this method is to
 *    check it.
 * 2. Lower bound: minimum cuts. If they meet, the order is proven.
 * 3. Division at states that some best order passes (order_parts.h). Each part is a graph of its
 *    own; the peak is the largest of theirs.
 * 4. Part by part, the smallest first, the integer programme (order_closing.h). A part whose order
 *    is no higher than what another must have is left as it is.
 * Whatever ends first, what is returned is an order and a bound that hold.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "planner/order_closing.h"
#include "planner/order_parts.h"
#include "planner/order_programme.h"
#include "planner/ordering_ilp.h"
#include "planner/precedence.h"
#include "schedule/beam.h"
#include "schedule/bound.h"
#include "schedule/climb.h"
#include "schedule/greedy.h"
#include "schedule/peak.h"

/* Shares of the time limit, in percent, by whose end each phase before the programme ends. */
enum { BOUND_UNTIL = 15, BEAM_UNTIL = 25, CLIMB_UNTIL = 30, DIVIDE_UNTIL = 35 };

struct ilp {
    const struct tess_task_graph *graph;
    const struct tess_order_limits *limits;
    double start_us;
    struct tess_chains singles, chains;
    int *order; /* [n_tasks] the best so far, borrowed from the result */
    int *trial, *chain_trial;
    bool *is_divided; /* [n_tasks + 1] */
    int64_t upper_bytes, lower_bytes;
    struct tess_order_closing
        closing; /* of the part at work; its counts are of all parts */
};

static bool is_on(const struct ilp *ilp, enum tess_order_part part)
{
    return !(ilp->limits->parts_off & (unsigned)part);
}

static double deadline(const struct ilp *ilp, int percent)
{
    return ilp->start_us + ilp->limits->seconds * 1e4 * percent;
}

static bool is_closed(const struct ilp *ilp)
{
    return ilp->lower_bytes >= ilp->upper_bytes;
}

/* ---- bounds ---- */

static enum tess_status take(struct ilp *ilp, const int *order, struct tess_error *error)
{
    int64_t peak;
    enum tess_status status = tess_peak_of_order(ilp->graph, order, &peak, NULL, error);
    if (status == TESS_OK && peak < ilp->upper_bytes) {
        ilp->upper_bytes = peak;
        memcpy(ilp->order, order, sizeof *order * (size_t)ilp->graph->n_tasks);
    }
    return status;
}

static enum tess_status take_chains(struct ilp *ilp, struct tess_error *error)
{
    tess_chains_expand(&ilp->chains, ilp->chain_trial, ilp->trial);
    return take(ilp, ilp->trial, error);
}

static enum tess_status take_quick_orders(struct ilp *ilp, struct tess_error *error)
{
    enum tess_status status = tess_task_graph_file_order(ilp->graph, ilp->trial, error);
    if (status == TESS_OK)
        status = take(ilp, ilp->trial, error);
    for (int rule = 0; rule < 2 && status == TESS_OK; rule++) {
        status = tess_greedy_order(&ilp->chains, (enum tess_greedy_rule)rule, true,
                                   ilp->chain_trial, error);
        if (status == TESS_OK)
            status = take_chains(ilp, error);
    }
    return status;
}

static enum tess_status raise_bound(struct ilp *ilp, struct tess_error *error)
{
    ilp->lower_bytes = tess_peak_trivial_bound(ilp->graph);
    if (!is_on(ilp, TESS_ORDER_CUTS) || is_closed(ilp))
        return TESS_OK;
    return tess_bound_by_cuts(&ilp->singles, ilp->upper_bytes, deadline(ilp, BOUND_UNTIL),
                              &ilp->lower_bytes, error);
}

static enum tess_status search_beams(struct ilp *ilp, struct tess_error *error)
{
    static const int widths[] = {8, 64, 512};
    enum tess_status status = TESS_OK;
    for (size_t i = 0; i < sizeof widths / sizeof *widths && status == TESS_OK; i++) {
        struct tess_beam beam = {.chains = &ilp->chains,
                                 .width = widths[i],
                                 .upper_bytes = ilp->upper_bytes,
                                 .floor_bytes = ilp->lower_bytes,
                                 .memory_bytes = ilp->limits->memory_bytes,
                                 .deadline_us = deadline(ilp, BEAM_UNTIL)};
        bool is_found = false;
        if (is_closed(ilp) || !is_on(ilp, TESS_ORDER_BEAM))
            break;
        status = tess_beam_search(&beam, ilp->chain_trial, &is_found, error);
        if (status == TESS_OK && is_found)
            status = take_chains(ilp, error);
    }
    return status;
}

static enum tess_status climb(struct ilp *ilp, struct tess_error *error)
{
    if (is_closed(ilp) || !is_on(ilp, TESS_ORDER_CLIMB))
        return TESS_OK;
    struct tess_climb options = {.singles = &ilp->singles,
                                 .floor_bytes = ilp->lower_bytes,
                                 .deadline_us = deadline(ilp, CLIMB_UNTIL)};
    memcpy(ilp->trial, ilp->order, sizeof *ilp->trial * (size_t)ilp->graph->n_tasks);
    enum tess_status status = tess_climb_by_cuts(&options, ilp->trial, error);
    return status == TESS_OK ? take(ilp, ilp->trial, error) : status;
}

/* ---- parts ---- */

struct part {
    int begin, end; /* places in the order */
    int64_t peak;
};

static int compare_parts(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    int n_x = x->end - x->begin, n_y = y->end - y->begin;
    return n_x != n_y ? n_x - n_y : x->begin - y->begin;
}

/* Lists the parts, the smallest first: they need little of the time. */
static enum tess_status list_parts(const struct ilp *ilp, struct part *parts,
                                   int *n_parts_out, struct tess_error *error)
{
    int n = ilp->graph->n_tasks, n_parts = 0;
    int64_t *bytes = malloc(sizeof *bytes * ((size_t)n + 1)), peak;
    if (!bytes)
        return tess_error_nomem(error);
    enum tess_status status =
        tess_peak_of_order(ilp->graph, ilp->order, &peak, bytes, error);
    for (int at = 0, begin = 0; at < n && status == TESS_OK; at++) {
        if (at == begin)
            parts[n_parts] = (struct part){.begin = begin};
        parts[n_parts].peak = tess_max_i64(parts[n_parts].peak, bytes[at]);
        if (ilp->is_divided[at + 1]) {
            parts[n_parts++].end = at + 1;
            begin = at + 1;
        }
    }
    free(bytes);
    if (n_parts > 1)
        qsort(parts, (size_t)n_parts, sizeof *parts, compare_parts);
    *n_parts_out = n_parts;
    return status;
}

/* Orders one part better, or proves that it cannot be. ilp->lower_bytes rises with it: what one
 * part must have, the whole must. */
static enum tess_status close_part(struct ilp *ilp, struct part *part, double until_us,
                                   struct tess_error *error)
{
    struct tess_task_graph *graph = NULL;
    struct tess_order_closing *closing = &ilp->closing;
    int n = part->end - part->begin;
    enum tess_status status = tess_order_part_create(ilp->graph, ilp->order, part->begin,
                                                     part->end, 1, &graph, error);
    if (status != TESS_OK)
        return status;
    for (int i = 0; i < n; i++)
        ilp->chain_trial[i] = i;
    closing->graph = graph;
    closing->deadline_us = until_us;
    closing->memory_bytes = ilp->limits->memory_bytes;
    closing->parts_off = ilp->limits->parts_off;
    closing->order = ilp->chain_trial;
    closing->upper_bytes = part->peak;
    closing->lower_bytes = ilp->lower_bytes; /* what is below is of no interest */
    status = tess_order_close(closing, error);
    if (status == TESS_OK && closing->upper_bytes < part->peak) {
        memcpy(ilp->trial, ilp->order + part->begin, sizeof *ilp->trial * (size_t)n);
        for (int i = 0; i < n; i++)
            ilp->order[part->begin + i] = ilp->trial[closing->order[i]];
        part->peak = closing->upper_bytes;
    }
    tess_task_graph_destroy(graph);
    return status;
}

/* Closes the parts one after the other. The bound of the whole is the largest of the parts'; a
 * part whose order is as low as the bound so far needs no look. */
static enum tess_status close_parts(struct ilp *ilp, struct part *parts, int n_parts,
                                    struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int n_open = 0;
    for (int i = 0; i < n_parts; i++)
        n_open += parts[i].peak > ilp->lower_bytes;
    for (int i = 0; i < n_parts && status == TESS_OK; i++) {
        double now_us = tess_clock_us(), end_us = deadline(ilp, 100);
        if (tess_deadline_is_past(end_us) || parts[i].peak <= ilp->lower_bytes)
            continue;
        double until_us = now_us + (end_us - now_us) / tess_max_int(1, n_open--);
        status = close_part(ilp, &parts[i], until_us, error);
        if (status == TESS_OK)
            ilp->lower_bytes = tess_max_i64(ilp->lower_bytes, ilp->closing.lower_bytes);
    }
    return status;
}

static enum tess_status divide_and_close(struct ilp *ilp,
                                         struct tess_order_result *result,
                                         struct tess_error *error)
{
    int n_parts = 0;
    struct part *parts = malloc(sizeof *parts * ((size_t)ilp->graph->n_tasks + 1));
    if (!parts)
        return tess_error_nomem(error);
    enum tess_status status = TESS_OK;
    if (is_on(ilp, TESS_ORDER_VALLEYS))
        status = tess_order_divide(&ilp->singles, ilp->order, deadline(ilp, DIVIDE_UNTIL),
                                   ilp->is_divided, error);
    ilp->is_divided[ilp->graph->n_tasks] = true;
    if (status == TESS_OK)
        status = list_parts(ilp, parts, &n_parts, error);
    if (status == TESS_OK)
        status = close_parts(ilp, parts, n_parts, error);
    result->n_parts = n_parts;
    int64_t highest = 0;
    for (int i = 0; i < n_parts; i++)
        highest = tess_max_i64(highest, parts[i].peak);
    ilp->upper_bytes = tess_min_i64(ilp->upper_bytes, highest);
    free(parts);
    return status;
}

/* ---- the method ---- */

static enum tess_status start(struct ilp *ilp, struct tess_order_result *result,
                              struct tess_error *error)
{
    size_t n = (size_t)ilp->graph->n_tasks + 1;
    ilp->trial = malloc(n * sizeof *ilp->trial);
    ilp->chain_trial = malloc(n * sizeof *ilp->chain_trial);
    ilp->is_divided = calloc(n, sizeof *ilp->is_divided);
    if (!ilp->trial || !ilp->chain_trial || !ilp->is_divided)
        return tess_error_nomem(error);
    enum tess_status status = tess_chains_single(&ilp->singles, ilp->graph, error);
    if (status == TESS_OK)
        status = is_on(ilp, TESS_ORDER_FUSION)
                     ? tess_chains_fuse(&ilp->chains, ilp->graph, error)
                     : tess_chains_single(&ilp->chains, ilp->graph, error);
    result->n_variables_full = (int64_t)ilp->graph->n_tasks * ilp->graph->n_tasks;
    struct tess_precedence precedence = {0};
    if (status == TESS_OK)
        status = tess_precedence_init(&precedence, &ilp->chains, error);
    if (status == TESS_OK)
        result->n_variables = tess_order_programme_count(&precedence);
    tess_precedence_release(&precedence);
    return status;
}

static void release(struct ilp *ilp)
{
    tess_chains_release(&ilp->singles);
    tess_chains_release(&ilp->chains);
    free(ilp->trial);
    free(ilp->chain_trial);
    free(ilp->is_divided);
}

static enum tess_status run(const struct tess_task_graph *graph,
                            const struct tess_order_limits *limits,
                            struct tess_order_result *result_out,
                            struct tess_error *error)
{
    struct ilp ilp = {.graph = graph,
                      .limits = limits,
                      .start_us = tess_clock_us(),
                      .order = result_out->order,
                      .upper_bytes = INT64_MAX};
    const char *closed_by = "bound";
    enum tess_status status = start(&ilp, result_out, error);
    if (status == TESS_OK)
        status = take_quick_orders(&ilp, error);
    if (status == TESS_OK)
        status = raise_bound(&ilp, error);
    if (status == TESS_OK)
        status = search_beams(&ilp, error);
    if (status == TESS_OK)
        status = climb(&ilp, error);
    if (status == TESS_OK && !is_closed(&ilp)) {
        closed_by = "programme";
        status = divide_and_close(&ilp, result_out, error);
    }
    ilp.lower_bytes = tess_round_up(ilp.lower_bytes, tess_order_unit_bytes(graph));
    result_out->n_expanded = ilp.closing.n_nodes;
    result_out->n_variables_solved = ilp.closing.n_solved;
    result_out->n_fused = ilp.chains.n_chains;
    if (status == TESS_OK)
        status = tess_order_result_finish(graph, ilp.lower_bytes,
                                          is_closed(&ilp) ? closed_by : "limit",
                                          result_out, error);
    release(&ilp);
    return status;
}

const struct tess_order_method tess_method_ilp = {
    .name = "ilp",
    .description = "an integer programme for what fusion, division and bounds leave open",
    .run = run,
};

const struct tess_order_method *const *tess_order_methods_all(void)
{
    static const struct tess_order_method *const all[] = {
        &tess_method_exact, &tess_method_serenity, &tess_method_ilp,  &tess_method_greedy,
        &tess_method_dfs,   &tess_method_kahn,     &tess_method_file, NULL};
    return all;
}
