/* Problem: an order of n chains of tasks whose peak is the least, as an integer programme.
 *
 * Method: chains run in slots 0..n-1. Binary X[c,t]: chain c has run by the end of slot t;
 * x[c,t] = X[c,t] - X[c,t-1] is 1 in the slot where it runs.
 *     X[c,t-1] <= X[c,t];   X[b,t] <= X[a,t-1] for a directly before b;
 *     sum_c X[c,t] = t + 1                                                                  (1)
 * Topology-aware pruning: with p chains before c and q after it in any order, X[c,t] = 0 for t < p
 * and 1 for t >= n-1-q; only what is between are columns.                                   (2)
 * A tensor k has been made, S[k,t], once one of its makers has run, and is dead, E[k,t], once all
 * its enders have (its consumers, or its makers if nobody reads it; never if it is retained):
 *     S[k,t] >= X[m,t] for each maker m;   E[k,t] <= X[e,t] for each ender e                (3)
 * Only makers with no other maker before them count, and enders with none after them; with one of
 * those S or E is that X, and no column. Between slots t-1 and t are alive
 *     F[t] = sum_k size[k] (S[k,t-1] - E[k,t-1])                                            (4)
 * While step j of chain c runs, there are `bytes[c,j]` more (planner/chain_steps.h), less what has
 * died at the chain's earlier steps for good. If input u of c can die with it, but other chains Q
 * must have run for that, which are neither before nor after c:
 *     D[u,c,t] <= x[c,t];   D[u,c,t] <= X[q,t-1] for q in Q                                 (5)
 * An output put onto an input that dies at this very step counts once. With candidates u:
 *     W[c,j,t] <= x[c,t];   W[c,j,t] <= sum_u D[u,c,t]                                      (6)
 * So for each slot t and each j (of a chain with fewer steps that matter, its last):
 *     F[t] + sum_c (bytes[c,j] x[c,t] - sum size[u] D[u,c,t] - saved[c,j] W[c,j,t])
 *          + sum over k with several makers of size[k] (S[k,t] - S[k,t-1])  <=  M           (7)
 * minimise M, an integer between the floor and the limit.
 *
 * Exactness: X is 0 or 1, and by (1) an order. M falls with S and rises with E, D, W falling; the
 * other way round for (3), (5), (6), so at the optimum S, E, D, W are as large or small as they
 * may be: max of makers, min of enders, min of their bounds: all 0 or 1 and what they stand for.
 * They need not be declared integers.
 *
 * Cost: at most n^2 binaries, far fewer with (2); some n^2 rows.
 *
 * Worked example: in (4) -> a -> x (4) and in -> b -> y (2), a may overwrite `in`. Slots 0, 1; no
 * one before another, so X[a,0] and X[b,0] are columns, X[a,1] = X[b,1] = 1. `in` dies with a if b
 * has run: D[in,a,0] <= x[a,0], <= 0; D[in,a,1] <= x[a,1], <= X[b,0]. Slot 0: 4 + 4 X[a,0] -
 * 4 D[in,a,0] + 2 X[b,0] <= M. Slot 1: 4 + 4 X[a,0] + 2 X[b,0] + 4 (1 - X[a,0]) - 4 D[in,a,1] +
 * 2 (1 - X[b,0]) <= M. Best is b first: 6 and 4 + 2 + 4 - 4 = 6.
 *
 * Not done: which of several equal branches comes first is not fixed.
 *
 * Reference: the published memory-aware ILP (Zhong et al., ICCAD 2023, arXiv 2308.13898) is known
 * to us by its abstract only: "topology-aware variable pruning". (2) is our reading, (4)-(7) our
 * own.
 */
#include "planner/order_programme.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

/* A column, or a number that needs none. */
enum { NO = -1, YES = -2 };

/* One row while it is gathered: what is a number goes to the other side. */
struct row {
    struct tess_row_term {
        int column;
        double weight;
    } * terms;
    size_t n_terms, capacity;
    double constant;
    bool is_broken;
};

static void add(struct row *row, int reference, double weight)
{
    if (reference == YES)
        row->constant += weight;
    if (reference < 0 || row->is_broken || weight == 0)
        return;
    if (row->n_terms == row->capacity) {
        size_t capacity = row->capacity ? 2 * row->capacity : 256;
        struct tess_row_term *terms = realloc(row->terms, sizeof *terms * capacity);
        if (!terms) {
            row->is_broken = true;
            return;
        }
        row->terms = terms;
        row->capacity = capacity;
    }
    row->terms[row->n_terms++] = (struct tess_row_term){reference, weight};
}

/* Puts the row into the programme, unless it has only numbers, and begins the next. */
static void emit(struct tess_order_programme *programme, struct row *row, double low,
                 double high)
{
    if (row->n_terms > 0) {
        tess_milp_begin_row(programme->milp, low - row->constant, high - row->constant);
        for (size_t i = 0; i < row->n_terms; i++)
            tess_milp_add_term(programme->milp, row->terms[i].column,
                               row->terms[i].weight);
    }
    row->n_terms = 0;
    row->constant = 0;
}

/* a <= b, where both are columns or numbers. */
static void emit_at_most(struct tess_order_programme *programme, struct row *row, int a,
                         int b)
{
    if (a == NO || b == YES || a == b)
        return;
    add(row, a, 1);
    add(row, b, -1);
    emit(programme, row, -INFINITY, 0);
}

static double units(const struct tess_order_programme *programme, int64_t bytes)
{
    assert(bytes % programme->unit_bytes == 0);
    return (double)(bytes / programme->unit_bytes);
}

static double tensor_units(const struct tess_order_programme *programme, int tensor)
{
    return units(programme, programme->precedence->chains.graph->tensors[tensor].bytes);
}

/* ---- columns ---- */

/* "Chain has run by the end of slot": a column, NO or YES. */
static int has_run(const struct tess_order_programme *programme, int chain, int slot)
{
    if (slot < programme->earliest[chain])
        return NO;
    if (slot >= programme->latest[chain])
        return YES;
    return programme->first_run[chain] + slot - programme->earliest[chain];
}

static int is_so(const struct tess_order_programme *programme,
                 const struct tess_span *span, int slot)
{
    if (span->chain >= 0)
        return has_run(programme, span->chain, slot);
    if (slot < span->from)
        return NO;
    return slot >= span->to ? YES : span->first_column + slot - span->from;
}

static int add_columns(struct tess_order_programme *programme, int n, bool is_integer)
{
    int first = tess_milp_n_columns(programme->milp);
    for (int i = 0; i < n; i++)
        tess_milp_add_column(programme->milp, 0, 1, is_integer, 0);
    return first;
}

/* Lists the chains of tasks that matter: with no other of them after (before) them. */
static int list_chains(const struct tess_precedence *precedence, const int *tasks,
                       int n_tasks, bool is_last, int *list)
{
    int n = 0, n_kept = 0;
    for (int i = 0; i < n_tasks; i++) {
        int chain = precedence->chains.chain_of[tasks[i]], k = 0;
        while (k < n && list[k] != chain)
            k++;
        if (k == n)
            list[n++] = chain;
    }
    for (int i = 0; i < n; i++) {
        bool matters = true;
        for (int k = 0; k < n && matters; k++)
            matters = is_last ? !tess_precedence_is_before(precedence, list[i], list[k])
                              : !tess_precedence_is_before(precedence, list[k], list[i]);
        if (matters) { /* the others stay in the list, behind: they are still compared with */
            int kept = list[i];
            list[i] = list[n_kept];
            list[n_kept++] = kept;
        }
    }
    return n_kept;
}

/* The columns and rows (3) of one tensor's beginning or end, `list` [n_list] its makers or
 * enders. */
static void add_span(struct tess_order_programme *programme, struct row *row,
                     struct tess_span *span, bool is_end, const int *list, int n_list)
{
    if (n_list == 1) {
        span->chain = list[0];
        return;
    }
    span->from = programme->earliest[list[0]];
    span->to = programme->latest[list[0]];
    for (int i = 1; i < n_list; i++) {
        int from = programme->earliest[list[i]], to = programme->latest[list[i]];
        span->from =
            is_end ? tess_max_int(span->from, from) : tess_min_int(span->from, from);
        span->to = is_end ? tess_max_int(span->to, to) : tess_min_int(span->to, to);
    }
    span->first_column =
        add_columns(programme, tess_max_int(0, span->to - span->from), false);
    for (int slot = span->from; slot < span->to; slot++)
        for (int i = 0; i < n_list; i++) {
            int column = is_so(programme, span, slot),
                run = has_run(programme, list[i], slot);
            emit_at_most(programme, row, is_end ? column : run, is_end ? run : column);
        }
}

static void add_tensor(struct tess_order_programme *programme, struct row *row,
                       int tensor_id, int *list)
{
    const struct tess_precedence *precedence = programme->precedence;
    const struct tess_task_tensor *tensor = &precedence->chains.graph->tensors[tensor_id];
    struct tess_span *begun = &programme->begun[tensor_id];
    struct tess_span *ended = &programme->ended[tensor_id];
    bool is_dead = tensor->n_consumers == 0;
    *begun = *ended = (struct tess_span){.chain = -1, .to = 0};
    if (tensor_units(programme, tensor_id) == 0 ||
        (is_dead && tensor->is_input && !tensor->is_retained))
        return;
    if (tensor->is_input)
        begun->from = begun->to = -1; /* there from the start */
    else
        add_span(
            programme, row, begun, false, list,
            list_chains(precedence, tensor->producers, tensor->n_producers, false, list));
    if (tensor->is_retained)
        ended->from = ended->to = programme->n + 1;
    else
        add_span(programme, row, ended, true, list,
                 list_chains(precedence, is_dead ? tensor->producers : tensor->consumers,
                             is_dead ? tensor->n_producers : tensor->n_consumers, true,
                             list));
    begun->is_there = ended->is_there = begun->chain < 0 || begun->chain != ended->chain;
}

/* x of equation (1), times a weight. */
static void add_runs_in(const struct tess_order_programme *programme, struct row *row,
                        int chain, int slot, double weight)
{
    add(row, has_run(programme, chain, slot), weight);
    add(row, has_run(programme, chain, slot - 1), -weight);
}

/* Columns of what can die or be saved in the slots of a chain, and rows (5) and (6). */
static void add_deaths(struct tess_order_programme *programme, struct row *row, int chain)
{
    const struct tess_task_graph *graph = programme->precedence->chains.graph;
    const struct tess_chain_steps *steps = &programme->steps[chain];
    int from = programme->earliest[chain];
    int n_slots = programme->latest[chain] - from + 1;
    for (int i = 0; i < steps->n_deaths; i++) {
        const struct tess_chain_death *death = &steps->deaths[i];
        int first = add_columns(programme, n_slots, false);
        programme->first_death[chain][i] = first;
        for (int k = 0; k < n_slots; k++) {
            add(row, first + k, 1);
            add_runs_in(programme, row, chain, from + k, -1);
            emit(programme, row, -INFINITY, 0);
            for (int q = 0; q < death->n_others; q++)
                emit_at_most(programme, row, first + k,
                             has_run(programme, steps->others[death->first_other + q],
                                     from + k - 1));
        }
    }
    for (int j = 0; j < steps->n_steps; j++) {
        if (steps->steps[j].saved_bytes == 0 || steps->steps[j].is_beneath)
            continue;
        int first = add_columns(programme, n_slots, false);
        programme->first_save[chain][j] = first;
        for (int k = 0; k < n_slots; k++) {
            add(row, first + k, 1);
            add_runs_in(programme, row, chain, from + k, -1);
            emit(programme, row, -INFINITY, 0);
            add(row, first + k, 1);
            for (int i = 0; i < steps->n_deaths; i++)
                if (tess_chain_death_saves(steps, graph, i, j))
                    add(row, programme->first_death[chain][i] + k, -1);
            emit(programme, row, -INFINITY, 0);
        }
    }
}

/* ---- rows ---- */

static void add_order_rows(struct tess_order_programme *programme, struct row *row)
{
    const struct tess_chains *chains = &programme->precedence->chains;
    for (int c = 0; c < programme->n; c++)
        for (int slot = programme->earliest[c]; slot <= programme->latest[c]; slot++) {
            emit_at_most(programme, row, has_run(programme, c, slot - 1),
                         has_run(programme, c, slot));
            for (int k = 0; k < chains->chains[c].n_before; k++)
                emit_at_most(programme, row, has_run(programme, c, slot),
                             has_run(programme, chains->chains[c].before[k], slot - 1));
        }
    for (int slot = 0; slot < programme->n; slot++) {
        for (int c = 0; c < programme->n; c++)
            add(row, has_run(programme, c, slot), 1);
        emit(programme, row, slot + 1, slot + 1);
    }
}

/* The `number`-th step of a chain that is not beneath others, or its last such. */
static int pick_step(const struct tess_chain_steps *steps, int number)
{
    int found = -1;
    for (int j = 0; j < steps->n_steps && number >= 0; j++)
        if (!steps->steps[j].is_beneath) {
            found = j;
            number--;
        }
    assert(found >= 0);
    return found;
}

static void add_step(const struct tess_order_programme *programme, struct row *row,
                     int chain, int step, int slot)
{
    const struct tess_chain_steps *steps = &programme->steps[chain];
    int at = slot - programme->earliest[chain];
    if (slot < programme->earliest[chain] || slot > programme->latest[chain])
        return;
    add_runs_in(programme, row, chain, slot, units(programme, steps->steps[step].bytes));
    for (int i = 0; i < steps->n_deaths; i++)
        if (steps->deaths[i].step < step)
            add(row, programme->first_death[chain][i] + at,
                -tensor_units(programme, steps->deaths[i].tensor));
    if (steps->steps[step].saved_bytes > 0)
        add(row, programme->first_save[chain][step] + at,
            -units(programme, steps->steps[step].saved_bytes));
}

/* Equation (7) for one slot and one number of steps. */
static void add_peak_row(struct tess_order_programme *programme, struct row *row,
                         int slot, int number)
{
    const struct tess_task_graph *graph = programme->precedence->chains.graph;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_span *begun = &programme->begun[t];
        if (!begun->is_there)
            continue;
        double size = tensor_units(programme, t);
        bool has_more_makers = graph->tensors[t].n_producers > 1;
        add(row, is_so(programme, begun, has_more_makers ? slot : slot - 1), size);
        add(row, is_so(programme, &programme->ended[t], slot - 1), -size);
    }
    for (int c = 0; c < programme->n; c++)
        add_step(programme, row, c, pick_step(&programme->steps[c], number), slot);
    add(row, programme->peak, -1);
    emit(programme, row, -INFINITY, 0);
}

static int most_steps(const struct tess_order_programme *programme)
{
    int most = 0;
    for (int c = 0; c < programme->n; c++) {
        int n = 0;
        for (int j = 0; j < programme->steps[c].n_steps; j++)
            n += !programme->steps[c].steps[j].is_beneath;
        most = tess_max_int(most, n);
    }
    return most;
}

/* ---- the whole ---- */

int64_t tess_order_unit_bytes(const struct tess_task_graph *graph)
{
    int64_t unit = 0;
    for (int t = 0; t < graph->n_tensors; t++)
        for (int64_t bytes = graph->tensors[t].bytes; bytes;) {
            int64_t rest = unit % bytes;
            unit = bytes;
            bytes = rest;
        }
    return tess_max_i64(1, unit);
}

int64_t tess_order_programme_count(const struct tess_precedence *precedence)
{
    int64_t n = precedence->chains.n_chains, n_columns = 0;
    for (int c = 0; c < n; c++)
        n_columns += n - 1 - tess_precedence_count(precedence, c, true) -
                     tess_precedence_count(precedence, c, false);
    return n_columns;
}

static enum tess_status measure_chains(struct tess_order_programme *programme,
                                       struct tess_error *error)
{
    for (int c = 0; c < programme->n; c++) {
        struct tess_chain_steps *steps = &programme->steps[c];
        enum tess_status status =
            tess_chain_steps_init(steps, programme->precedence, c, error);
        if (status != TESS_OK)
            return status;
        programme->first_death[c] =
            malloc(sizeof **programme->first_death * ((size_t)steps->n_deaths + 1));
        programme->first_save[c] =
            malloc(sizeof **programme->first_save * ((size_t)steps->n_steps + 1));
        if (!programme->first_death[c] || !programme->first_save[c])
            return tess_error_nomem(error);
    }
    return TESS_OK;
}

static enum tess_status start(struct tess_order_programme *programme,
                              const struct tess_precedence *precedence,
                              struct tess_error *error)
{
    size_t n = (size_t)precedence->chains.n_chains + 1;
    size_t n_tensors = (size_t)precedence->chains.graph->n_tensors + 1;
    *programme = (struct tess_order_programme){.precedence = precedence,
                                               .n = precedence->chains.n_chains};
    programme->earliest = malloc(sizeof *programme->earliest * n);
    programme->latest = malloc(sizeof *programme->latest * n);
    programme->first_run = malloc(sizeof *programme->first_run * n);
    programme->begun = calloc(n_tensors, sizeof *programme->begun);
    programme->ended = calloc(n_tensors, sizeof *programme->ended);
    programme->steps = calloc(n, sizeof *programme->steps);
    programme->first_death = calloc(n, sizeof *programme->first_death);
    programme->first_save = calloc(n, sizeof *programme->first_save);
    if (!programme->earliest || !programme->latest || !programme->first_run ||
        !programme->begun || !programme->ended || !programme->steps ||
        !programme->first_death || !programme->first_save)
        return tess_error_nomem(error);
    enum tess_status status = tess_milp_create(&programme->milp, error);
    return status == TESS_OK ? measure_chains(programme, error) : status;
}

static void build(struct tess_order_programme *programme, struct row *row, int *list,
                  int64_t floor_bytes, int64_t limit_bytes)
{
    const struct tess_precedence *precedence = programme->precedence;
    programme->unit_bytes = tess_order_unit_bytes(precedence->chains.graph);
    programme->peak = tess_milp_add_column(
        programme->milp,
        (double)tess_div_up(tess_max_i64(0, floor_bytes), programme->unit_bytes),
        (double)tess_div_floor(limit_bytes, programme->unit_bytes), true, 1);
    for (int c = 0; c < programme->n; c++) { /* equation (2) */
        programme->earliest[c] = tess_precedence_count(precedence, c, false);
        programme->latest[c] =
            programme->n - 1 - tess_precedence_count(precedence, c, true);
        programme->first_run[c] =
            add_columns(programme, programme->latest[c] - programme->earliest[c], true);
    }
    add_order_rows(programme, row);
    for (int t = 0; t < precedence->chains.graph->n_tensors; t++)
        add_tensor(programme, row, t, list);
    for (int c = 0; c < programme->n; c++)
        add_deaths(programme, row, c);
    int n_steps = most_steps(programme);
    for (int slot = 0; slot < programme->n; slot++)
        for (int number = 0; number < n_steps; number++)
            add_peak_row(programme, row, slot, number);
}

enum tess_status tess_order_programme_init(struct tess_order_programme *programme,
                                           const struct tess_precedence *precedence,
                                           int64_t floor_bytes, int64_t limit_bytes,
                                           struct tess_error *error)
{
    const struct tess_task_graph *graph = precedence->chains.graph;
    struct row row = {0};
    int *list = malloc(sizeof *list * ((size_t)graph->n_tasks + 1));
    enum tess_status status = start(programme, precedence, error);
    if (status == TESS_OK && !list)
        status = tess_error_nomem(error);
    if (status == TESS_OK)
        build(programme, &row, list, floor_bytes, limit_bytes);
    if (status == TESS_OK && (row.is_broken || tess_milp_is_broken(programme->milp)))
        status = tess_error_nomem(error);
    free(row.terms);
    free(list);
    return status;
}

void tess_order_programme_release(struct tess_order_programme *programme)
{
    if (!programme)
        return;
    for (int c = 0; c < programme->n; c++) {
        if (programme->steps)
            tess_chain_steps_release(&programme->steps[c]);
        if (programme->first_death)
            free(programme->first_death[c]);
        if (programme->first_save)
            free(programme->first_save[c]);
    }
    free(programme->earliest);
    free(programme->latest);
    free(programme->first_run);
    free(programme->begun);
    free(programme->ended);
    free(programme->steps);
    free(programme->first_death);
    free(programme->first_save);
    tess_milp_destroy(programme->milp);
    *programme = (struct tess_order_programme){0};
}

/* ---- between orders and columns ---- */

/* The value of a column, or of a number. */
static double value_of(const double *values, int reference)
{
    return reference < 0 ? reference == YES : values[reference];
}

static void fill_span(const struct tess_order_programme *programme,
                      const struct tess_span *span, bool is_end, const int *tasks,
                      int n_tasks, double *values)
{
    for (int slot = span->from; span->chain < 0 && slot < span->to; slot++) {
        double value = is_end;
        for (int i = 0; i < n_tasks; i++) {
            int chain = programme->precedence->chains.chain_of[tasks[i]];
            double run = value_of(values, has_run(programme, chain, slot));
            value = is_end ? fmin(value, run) : fmax(value, run);
        }
        values[is_so(programme, span, slot)] = value;
    }
}

static void fill_deaths(const struct tess_order_programme *programme, int chain, int slot,
                        double *values)
{
    const struct tess_chain_steps *steps = &programme->steps[chain];
    int at = slot - programme->earliest[chain];
    for (int i = 0; i < steps->n_deaths; i++) {
        double dies = 1;
        for (int q = 0; q < steps->deaths[i].n_others; q++)
            dies = fmin(
                dies,
                value_of(values, has_run(programme,
                                         steps->others[steps->deaths[i].first_other + q],
                                         slot - 1)));
        values[programme->first_death[chain][i] + at] = dies;
        int step = steps->deaths[i].step;
        if (dies > 0 && !steps->steps[step].is_beneath &&
            tess_chain_death_saves(steps, programme->precedence->chains.graph, i, step))
            values[programme->first_save[chain][step] + at] = 1;
    }
}

void tess_order_programme_fill(const struct tess_order_programme *programme,
                               const int *chain_order, int64_t peak_bytes,
                               double *values_out)
{
    const struct tess_task_graph *graph = programme->precedence->chains.graph;
    for (int j = 0; j < tess_milp_n_columns(programme->milp); j++)
        values_out[j] = 0;
    values_out[programme->peak] = units(programme, peak_bytes);
    for (int at = 0; at < programme->n; at++)
        for (int slot = at; slot < programme->n; slot++)
            if (has_run(programme, chain_order[at], slot) >= 0)
                values_out[has_run(programme, chain_order[at], slot)] = 1;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        bool is_dead = tensor->n_consumers == 0;
        if (!programme->begun[t].is_there)
            continue;
        fill_span(programme, &programme->begun[t], false, tensor->producers,
                  tensor->n_producers, values_out);
        fill_span(programme, &programme->ended[t], true,
                  is_dead ? tensor->producers : tensor->consumers,
                  is_dead ? tensor->n_producers : tensor->n_consumers, values_out);
    }
    for (int at = 0; at < programme->n; at++) {
        int chain = chain_order[at];
        if (at >= programme->earliest[chain] && at <= programme->latest[chain])
            fill_deaths(programme, chain, at, values_out);
    }
}

void tess_order_programme_read(const struct tess_order_programme *programme,
                               int *chain_order_out)
{
    for (int c = 0; c < programme->n; c++) {
        int slot = programme->earliest[c];
        while (slot < programme->latest[c] &&
               tess_milp_value(programme->milp, has_run(programme, c, slot)) < 0.5)
            slot++;
        chain_order_out[slot] = c;
    }
}
