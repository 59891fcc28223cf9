/* Problem: ask GLPK, a library that ends the process when something is wrong, without ever being
 * ended by it.
 *
 * Method: all of GLPK's objects are made, used and freed within one call. Whatever it wants to
 * print goes to a hook that drops it. When it gives up (its own assertions, wrong arguments,
 * memory refused or beyond the limit) it calls an error hook before it aborts; the hook jumps
 * back here, and glp_free_env frees everything that GLPK has allocated, whatever state that was
 * in. The same jump ends steps that run far over the time limit: the solver does not look at
 * the clock everywhere, but it reports progress, which is text, which passes the hook.
 *
 * What the branch-and-cut tree has proven and found so far is written down at every callback, so
 * that it survives such a jump: the least bound of all open nodes, and each better solution (but
 * not under the presolver, where the callback sees a transformed programme).
 *
 * Invariant: between calls GLPK holds no memory and knows no hook.
 *
 * Cost: a copy of the programme, then the solver.
 *
 * Not done: interrupting a step of GLPK that neither looks at the clock nor reports.
 *
 * Reference: GLPK 5.0 reference manual, sections 5.2 (callbacks) and 6.1 (environment).
 */
#include <assert.h>
#include <glpk.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "solver/milp.h"
#include "solver/milp_priv.h"

/* Beyond the time limit, before a step that does not end is left by force. */
static const double GRACE_US = 0.5e6;

/* One call of the solver. Nothing of it lives on the stack of a function that is jumped out of. */
struct run {
    struct tess_milp *milp;
    struct tess_milp_limits limits;
    struct tess_milp_result result;
    double deadline_us;
    glp_prob *problem;
    double *values;    /* [n_columns] the best solution so far */
    double *incumbent; /* [n_columns + 1] as GLPK counts, from 1 */
    bool has_incumbent, is_injected, is_late, can_jump, has_values;
    jmp_buf back;
};

static double seconds_left(const struct run *run)
{
    return (run->deadline_us - tess_clock_us()) * 1e-6;
}

static int time_limit_ms(const struct run *run)
{
    double ms = seconds_left(run) * 1e3;
    return ms < 1 ? 1 : ms > INT_MAX / 2 ? INT_MAX / 2 : (int)ms;
}

/* All that GLPK prints. What it says last before it gives up is the reason. */
static int on_text(void *info, const char *text)
{
    struct run *run = info;
    size_t n = strcspn(text, "\n");
    if (n > 0 && strncmp(text, "Error detected in file", 22) != 0)
        snprintf(run->result.message, sizeof run->result.message, "%.*s",
                 (int)tess_min_i64((int64_t)n, (int64_t)sizeof run->result.message - 1),
                 text);
    if (run->can_jump && tess_deadline_is_past(run->deadline_us + GRACE_US)) {
        run->is_late = true;
        longjmp(run->back, 1);
    }
    return 1;
}

static void on_error(void *info)
{
    struct run *run = info;
    if (run->can_jump)
        longjmp(run->back, 1);
}

static int bounds_type(double low, double high)
{
    if (isinf(low))
        return isinf(high) ? GLP_FR : GLP_UP;
    return isinf(high) ? GLP_LO : low < high ? GLP_DB : GLP_FX;
}

static void load_columns(struct run *run)
{
    const struct tess_milp *milp = run->milp;
    if (milp->n_columns > 0)
        glp_add_cols(run->problem, milp->n_columns);
    for (int j = 0; j < milp->n_columns; j++) {
        const struct tess_milp_column *column = &milp->columns[j];
        if (column->is_integer)
            glp_set_col_kind(run->problem, j + 1, GLP_IV);
        glp_set_col_bnds(run->problem, j + 1, bounds_type(column->low, column->high),
                         column->low, column->high);
        glp_set_obj_coef(run->problem, j + 1, column->cost);
    }
}

static void load_rows(struct run *run, int *indices, double *weights)
{
    const struct tess_milp *milp = run->milp;
    for (int i = 0; i <= milp->n_rows; i++) {
        int n = 0;
        if (i == milp->n_rows) { /* the last row is the cutoff */
            if (isinf(run->limits.cutoff))
                break;
            for (int j = 0; j < milp->n_columns; j++)
                if (milp->columns[j].cost != 0) {
                    indices[++n] = j + 1;
                    weights[n] = milp->columns[j].cost;
                }
        } else {
            for (int64_t k = milp->rows[i].first; k < milp->rows[i + 1].first; k++) {
                indices[++n] = milp->terms[k].column + 1;
                weights[n] = milp->terms[k].weight;
            }
        }
        double low = i < milp->n_rows ? milp->rows[i].low : -INFINITY;
        double high = i < milp->n_rows ? milp->rows[i].high : run->limits.cutoff;
        int row = glp_add_rows(run->problem, 1);
        glp_set_row_bnds(run->problem, row, bounds_type(low, high), low, high);
        glp_set_mat_row(run->problem, row, n, indices, weights);
    }
}

static void note_bound(struct run *run, double bound)
{
    if (bound > run->result.bound)
        run->result.bound = bound;
}

static void note_values(struct run *run)
{
    double cost = glp_mip_obj_val(run->problem);
    if (run->has_values && cost >= run->result.cost)
        return;
    run->result.cost = cost;
    for (int j = 0; j < run->milp->n_columns; j++)
        run->values[j] = glp_mip_col_val(run->problem, j + 1);
    run->has_values = true;
}

/* Runs at every step of the tree. */
static void on_tree(glp_tree *tree, void *info)
{
    struct run *run = info;
    int n_nodes = 0, best = glp_ios_best_node(tree);
    glp_ios_tree_size(tree, NULL, NULL, &n_nodes);
    run->result.n_nodes = n_nodes;
    if (best != 0) {
        double bound = glp_ios_node_bound(tree, best);
        double known = INFINITY;
        if (glp_mip_status(glp_ios_get_prob(tree)) == GLP_FEAS)
            known = glp_mip_obj_val(glp_ios_get_prob(tree));
        note_bound(run, fmin(bound, known));
    }
    if (run->limits.without_presolve) {
        if (glp_ios_reason(tree) == GLP_IHEUR && run->has_incumbent &&
            !run->is_injected) {
            run->is_injected = true;
            glp_ios_heur_sol(tree, run->incumbent);
        }
        if (glp_ios_reason(tree) == GLP_IBINGO)
            note_values(run);
    }
    if (tess_deadline_is_past(run->deadline_us))
        glp_ios_terminate(tree);
}

static void set_parameters(struct run *run, glp_iocp *parameters)
{
    int cuts = run->limits.without_cuts ? GLP_OFF : GLP_ON;
    glp_init_iocp(parameters);
    /* Text is what gives the hook a chance to look at the clock; nobody sees it. */
    parameters->msg_lev = GLP_MSG_ALL;
    parameters->out_frq = 500;
    parameters->out_dly = 0;
    parameters->tm_lim = time_limit_ms(run);
    parameters->presolve = run->limits.without_presolve ? GLP_OFF : GLP_ON;
    parameters->gmi_cuts = parameters->mir_cuts = cuts;
    parameters->cov_cuts = parameters->clq_cuts = cuts;
    parameters->cb_func = on_tree;
    parameters->cb_info = run;
}

/* The relaxation, which the tree needs solved beforehand. False: there is an answer already. */
static bool solve_relaxation(struct run *run)
{
    glp_smcp parameters;
    glp_init_smcp(&parameters);
    parameters.msg_lev = GLP_MSG_ALL;
    parameters.out_frq = 500;
    parameters.out_dly = 0;
    parameters.presolve = GLP_ON;
    parameters.tm_lim = time_limit_ms(run);
    glp_scale_prob(run->problem, GLP_SF_AUTO);
    int code = glp_simplex(run->problem, &parameters);
    int state = glp_get_status(run->problem);
    if (code == GLP_ENOPFS || (code == 0 && state == GLP_NOFEAS))
        run->result.answer = TESS_MILP_INFEASIBLE;
    else if (code == GLP_ENODFS || (code == 0 && state == GLP_UNBND))
        run->result.answer = TESS_MILP_UNBOUNDED;
    else if (code == GLP_ETMLIM)
        run->result.answer = TESS_MILP_LIMIT;
    if (code != 0 || state != GLP_OPT)
        return false;
    note_bound(run, glp_get_obj_val(run->problem));
    return true;
}

static void solve_tree(struct run *run)
{
    glp_iocp parameters;
    set_parameters(run, &parameters);
    int code = glp_intopt(run->problem, &parameters);
    int state = glp_mip_status(run->problem);
    if (state == GLP_OPT || state == GLP_FEAS)
        note_values(run);
    if (code == GLP_ENOPFS || (code == 0 && state == GLP_NOFEAS))
        run->result.answer = TESS_MILP_INFEASIBLE;
    else if (code == GLP_ENODFS)
        run->result.answer = TESS_MILP_UNBOUNDED;
    else if (code == GLP_ETMLIM || code == GLP_ESTOP)
        run->result.answer = TESS_MILP_LIMIT;
    else if (code == 0 && state == GLP_OPT)
        run->result.answer = TESS_MILP_OPTIMAL;
}

/* Everything that GLPK may leave by a jump. `result.answer` is a fault until it is known. */
static void solve_inside(struct run *run, int *indices, double *weights)
{
    if (setjmp(run->back) != 0)
        return;
    run->can_jump = true;
    glp_error_hook(on_error, run);
    glp_mem_limit(
        (int)tess_min_i64(INT_MAX, tess_max_i64(1, run->limits.memory_bytes >> 20)));
    run->problem = glp_create_prob();
    glp_set_obj_dir(run->problem, GLP_MIN);
    load_columns(run);
    load_rows(run, indices, weights);
    if (!run->limits.without_presolve || solve_relaxation(run))
        solve_tree(run);
}

static bool is_out_of_memory(const struct run *run)
{
    return strstr(run->result.message, "memory") != NULL;
}

/* What the values and the bound amount to, as far as they stand up. */
static void conclude(struct run *run)
{
    struct tess_milp_result *result = &run->result;
    assert(run->has_values || result->answer != TESS_MILP_OPTIMAL);
    if (run->has_values) {
        result->has_solution = true;
        tess_milp_is_solution(run->milp, run->values, &result->cost);
        memcpy(run->milp->values, run->values,
               sizeof *run->values * (size_t)run->milp->n_columns);
        result->bound = fmin(result->bound, result->cost);
    }
    if (result->answer == TESS_MILP_OPTIMAL)
        result->bound = result->cost;
    if (result->answer == TESS_MILP_INFEASIBLE && result->has_solution)
        result->answer = TESS_MILP_FAULT; /* the incumbent says otherwise */
    if (result->answer == TESS_MILP_INFEASIBLE)
        result->bound = INFINITY;
    if (result->answer != TESS_MILP_FAULT)
        result->message[0] = '\0';
}

/* A programme with bounds that cross has no solution; GLPK calls it a mistake. */
static bool has_crossed_bounds(const struct tess_milp *milp)
{
    for (int j = 0; j < milp->n_columns; j++)
        if (milp->columns[j].low > milp->columns[j].high)
            return true;
    for (int i = 0; i < milp->n_rows; i++)
        if (milp->rows[i].low > milp->rows[i].high)
            return true;
    return false;
}

static void take_incumbent(struct run *run)
{
    const struct tess_milp *milp = run->milp;
    double cost;
    if (!run->limits.incumbent ||
        !tess_milp_is_solution(milp, run->limits.incumbent, &cost) ||
        cost > run->limits.cutoff)
        return;
    run->has_incumbent = run->has_values = true;
    run->result.cost = cost;
    memcpy(run->values, run->limits.incumbent,
           sizeof *run->values * (size_t)milp->n_columns);
    memcpy(run->incumbent + 1, run->values,
           sizeof *run->values * (size_t)milp->n_columns);
}

static void try_once(struct run *run, int *indices, double *weights)
{
    run->result.answer = TESS_MILP_FAULT;
    run->result.bound = -INFINITY;
    run->result.n_nodes = 0;
    run->is_injected = false;
    if (glp_init_env() > 1) {
        snprintf(run->result.message, sizeof run->result.message, "no memory to start");
        return;
    }
    glp_term_hook(on_text, run);
    solve_inside(run, indices, weights);
    run->can_jump = false;
    glp_free_env(); /* and with it the problem */
    if (run->result.answer == TESS_MILP_FAULT && (run->is_late || is_out_of_memory(run)))
        run->result.answer = TESS_MILP_LIMIT;
    double cost;
    if (run->has_values && !tess_milp_is_solution(run->milp, run->values, &cost)) {
        run->result.answer = TESS_MILP_FAULT;
        run->has_values = false;
        snprintf(run->result.message, sizeof run->result.message,
                 "the solution does not keep to the rows");
    }
}

static void solve(struct run *run, int *indices, double *weights)
{
    run->deadline_us = tess_clock_us() + run->limits.seconds * 1e6;
    take_incumbent(run);
    if (has_crossed_bounds(run->milp))
        run->result.answer = TESS_MILP_INFEASIBLE;
    else
        try_once(run, indices, weights);
    if (run->result.answer == TESS_MILP_FAULT) {
        /* GLPK 5.0's presolver and cuts break an assertion on some small programmes, and give
         * wrong solutions to a few. */
        run->limits.without_presolve = run->limits.without_cuts = true;
        take_incumbent(run);
        try_once(run, indices, weights);
    }
    conclude(run);
}

enum tess_status tess_milp_solve(struct tess_milp *milp,
                                 const struct tess_milp_limits *limits,
                                 struct tess_milp_result *result_out,
                                 struct tess_error *error)
{
    size_t n = (size_t)milp->n_columns + 2;
    if (milp->is_broken || !tess_milp_merge_terms(milp))
        return tess_error_nomem(error);
    struct run *run = calloc(1, sizeof *run);
    double *values = calloc(n, sizeof *values), *kept = calloc(n, sizeof *kept);
    double *incumbent = calloc(n, sizeof *incumbent),
           *weights = calloc(n, sizeof *weights);
    int *indices = calloc(n, sizeof *indices);
    enum tess_status status = TESS_OK;
    if (!run || !values || !kept || !incumbent || !weights || !indices) {
        status = tess_error_nomem(error);
        free(kept);
        goto out;
    }
    free(milp->values);
    milp->values = kept;
    run->milp = milp;
    run->limits = *limits;
    run->values = values;
    run->incumbent = incumbent;
    solve(run, indices, weights);
    *result_out = run->result;
out:
    free(run);
    free(values);
    free(incumbent);
    free(weights);
    free(indices);
    return status;
}

bool tess_milp_is_available(void)
{
    return true;
}
