/* Problem: the published integer programme, as a baseline for the others.
 *
 * Method: n stages; stage t computes the t-th task of the order, and before it, in the order of
 * the tasks, any earlier ones anew. Binaries: R[t,v]: v runs in stage t; S[t,x]: tensor x is held
 * from stage t-1 into stage t; F[t,x,v]: x is freed in stage t after v, which reads or makes it.
 *     R[t,v_t] = 1;   S[t+1,x] <= S[t,x] + R[t,maker of x]                                  (1)
 *     R[t,v] <= S[t,x] + R[t,maker of x]    for each input x of v                           (2)
 *     hazards = 1 - R[t,v] + S[t+1,x] + sum over readers w of x after v of R[t,w]           (3)
 *     1 - F[t,x,v] <= hazards <= (their largest value) * (1 - F[t,x,v])                     (4)
 *     U[t,v] = U[t,v before] - sum of what is freed after that + what v makes               (5)
 *     0 <= U[t,v] <= budget;   minimise the cost of all R
 * U before the first run of stage t is what is held into it.
 *
 * Exactness: the cheapest among sequences that compute nothing twice in one stage. What a task
 * overwrites is not counted: every solution is a sequence within the budget.
 * An input of the graph, or a tensor that several tasks add to, is there until its last use and
 * no longer: no task that reads it may run after that.
 *
 * Cost: n^2 / 2 columns each for R and S, for F n / 2 times all inputs and outputs.
 *
 * Not done: the published rounding of the relaxation; a bound: sequences that compute a task twice
 * before another's first run are not looked at.
 *
 * Reference: Jain et al., "Checkmate", MLSys 2020.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/arith.h"
#include "base/clock.h"
#include "remat/method.h"
#include "remat/units.h"
#include "solver/milp.h"

/* TUNING: GLPK 5.0 finds nothing in minutes for some 11000 columns (November 2026, a training graph
 * of 71 tasks). With so many it is still asked; beyond, building them is a waste. */
enum { MOST_COLUMNS = 40000 };

struct checkmate {
    const struct tess_remat_problem *problem;
    int n;
    int *place;        /* [n] of each task */
    int *first, *last; /* [n_tensors] places between which those that stay are alive */
    struct tess_remat_units units;
    int *run;   /* [n][n] column of R[t, place of v], -1: none */
    int *held;  /* [n + 1][n_tensors] column of S[t,x], -1: none */
    int *freed; /* [n_tensors] columns of F[t,x,v] at the stage and task at hand */
    struct tess_milp *milp;
};

static int run_of(const struct checkmate *checkmate, int stage, int place)
{
    return checkmate->run[(size_t)stage * (size_t)checkmate->n + (size_t)place];
}

static int held_of(const struct checkmate *checkmate, int stage, int tensor)
{
    return checkmate->held[(size_t)stage * (size_t)checkmate->problem->graph->n_tensors +
                           (size_t)tensor];
}

static const struct tess_task *task_at(const struct checkmate *checkmate, int place)
{
    return &checkmate->problem->graph->tasks[checkmate->problem->order[place]];
}

/* May be dropped and computed anew. */
static bool is_free(const struct checkmate *checkmate, int tensor)
{
    return checkmate->first[tensor] < 0;
}

static int maker_of(const struct checkmate *checkmate, int tensor)
{
    return checkmate->place[checkmate->problem->graph->tensors[tensor].producers[0]];
}

static void add(struct checkmate *checkmate, int column, double weight)
{
    if (column >= 0 && weight != 0)
        tess_milp_add_term(checkmate->milp, column, weight);
}

/* ---- columns ---- */

static bool may_run(const struct checkmate *checkmate, int stage, int place)
{
    const struct tess_task *task = task_at(checkmate, place);
    if (stage == place)
        return true;
    if (stage < place || !tess_remat_may_repeat(checkmate->problem->graph,
                                                checkmate->problem->order[place]))
        return false;
    for (int i = 0; i < task->n_inputs; i++)
        if (!is_free(checkmate, task->inputs[i]) &&
            checkmate->last[task->inputs[i]] < stage)
            return false;
    return true;
}

static void add_columns(struct checkmate *checkmate)
{
    const struct tess_task_graph *graph = checkmate->problem->graph;
    int n = checkmate->n;
    for (int t = 0; t < n; t++)
        for (int place = 0; place < n; place++) {
            double cost =
                (double)checkmate->problem->costs[checkmate->problem->order[place]];
            checkmate->run[(size_t)t * (size_t)n + (size_t)place] =
                may_run(checkmate, t, place)
                    ? tess_milp_add_column(checkmate->milp, t == place, 1, true,
                                           cost / checkmate->units.cost)
                    : -1;
        }
    for (int t = 0; t <= n; t++)
        for (int x = 0; x < graph->n_tensors; x++) {
            bool is_there = is_free(checkmate, x) && t > maker_of(checkmate, x) &&
                            (t < n || graph->tensors[x].is_retained);
            checkmate->held[(size_t)t * (size_t)graph->n_tensors + (size_t)x] =
                is_there ? tess_milp_add_column(checkmate->milp, t == n, 1, true, 0) : -1;
        }
}

/* How many there will be, of F as well. */
static int64_t count_columns(const struct checkmate *checkmate)
{
    const struct tess_task_graph *graph = checkmate->problem->graph;
    int64_t n = checkmate->n, sum = n * (n + 1) / 2 + n * graph->n_tensors / 2;
    for (int place = 0; place < checkmate->n; place++)
        sum += (n - place) * (task_at(checkmate, place)->n_inputs +
                              task_at(checkmate, place)->n_outputs + 1);
    return sum;
}

/* ---- rows ---- */

/* (1), (2) */
static void emit_presence(struct checkmate *checkmate, int stage)
{
    const struct tess_task_graph *graph = checkmate->problem->graph;
    for (int x = 0; x < graph->n_tensors; x++) {
        if (held_of(checkmate, stage + 1, x) < 0)
            continue;
        tess_milp_begin_row(checkmate->milp, -INFINITY, 0);
        add(checkmate, held_of(checkmate, stage + 1, x), 1);
        add(checkmate, held_of(checkmate, stage, x), -1);
        add(checkmate, run_of(checkmate, stage, maker_of(checkmate, x)), -1);
    }
    for (int place = 0; place <= stage; place++) {
        const struct tess_task *task = task_at(checkmate, place);
        if (run_of(checkmate, stage, place) < 0)
            continue;
        for (int i = 0; i < task->n_inputs; i++) {
            int x = task->inputs[i];
            if (!is_free(checkmate, x))
                continue;
            tess_milp_begin_row(checkmate->milp, -INFINITY, 0);
            add(checkmate, run_of(checkmate, stage, place), 1);
            add(checkmate, held_of(checkmate, stage, x), -1);
            add(checkmate, run_of(checkmate, stage, maker_of(checkmate, x)), -1);
        }
    }
}

/* (3), (4): the column of F for a tensor that a run reads or makes. */
static int add_freed(struct checkmate *checkmate, int stage, int place, int x)
{
    const struct tess_task_tensor *tensor = &checkmate->problem->graph->tensors[x];
    int freed = tess_milp_add_column(checkmate->milp, 0, 1, true, 0);
    for (int side = 0; side < 2; side++) {
        int n_hazards = 1 + (held_of(checkmate, stage + 1, x) >= 0);
        for (int i = 0; i < tensor->n_consumers; i++) {
            int reader = checkmate->place[tensor->consumers[i]];
            n_hazards += reader > place && reader <= stage &&
                         run_of(checkmate, stage, reader) >= 0;
        }
        /* Of hazards + weight of F: at least 1, at most all there can be. */
        if (side == 0)
            tess_milp_begin_row(checkmate->milp, 1 - 1, INFINITY);
        else
            tess_milp_begin_row(checkmate->milp, -INFINITY, n_hazards - 1);
        add(checkmate, freed, side == 0 ? 1 : n_hazards);
        add(checkmate, run_of(checkmate, stage, place), -1);
        add(checkmate, held_of(checkmate, stage + 1, x), 1);
        for (int i = 0; i < tensor->n_consumers; i++) {
            int reader = checkmate->place[tensor->consumers[i]];
            if (reader > place && reader <= stage)
                add(checkmate, run_of(checkmate, stage, reader), 1);
        }
    }
    return freed;
}

/* Bytes of what stays until its last use, while the task at a place runs in a stage. */
static double stays(const struct checkmate *checkmate, int stage, int place)
{
    double units = 0;
    for (int x = 0; x < checkmate->problem->graph->n_tensors; x++)
        if (!is_free(checkmate, x) && stage <= checkmate->last[x] &&
            (stage > checkmate->first[x] || place >= checkmate->first[x]))
            units += tess_remat_units_of(&checkmate->units,
                                         checkmate->problem->graph->tensors[x].bytes);
    return units;
}

/* (5): each U a column, with a row that links it to the one before, or to what is held. */
static void emit_memory(struct checkmate *checkmate, int stage)
{
    const struct tess_task_graph *graph = checkmate->problem->graph;
    int used = -1, before = -1;
    for (int place = 0; place <= stage; place++) {
        int run = run_of(checkmate, stage, place);
        const struct tess_task *task = task_at(checkmate, place);
        if (run < 0)
            continue;
        double most = checkmate->units.budget - stays(checkmate, stage, place);
        int next = tess_milp_add_column(checkmate->milp, 0, most, false, 0);
        int n_freed = 0;
        const struct tess_task *last = before >= 0 ? task_at(checkmate, before) : NULL;
        for (int i = 0; last && i < last->n_inputs + last->n_outputs; i++) {
            int x =
                i < last->n_inputs ? last->inputs[i] : last->outputs[i - last->n_inputs];
            if (is_free(checkmate, x))
                checkmate->freed[n_freed++] = add_freed(checkmate, stage, before, x);
        }
        tess_milp_begin_row(checkmate->milp, 0, 0);
        add(checkmate, next, -1);
        add(checkmate, used, 1);
        for (int x = 0; x < graph->n_tensors && used < 0; x++)
            add(checkmate, held_of(checkmate, stage, x),
                tess_remat_units_of(&checkmate->units, graph->tensors[x].bytes));
        for (int i = 0, k = 0; last && i < last->n_inputs + last->n_outputs; i++) {
            int x =
                i < last->n_inputs ? last->inputs[i] : last->outputs[i - last->n_inputs];
            if (is_free(checkmate, x))
                add(checkmate, checkmate->freed[k++],
                    -tess_remat_units_of(&checkmate->units, graph->tensors[x].bytes));
        }
        for (int i = 0; i < task->n_outputs; i++)
            if (is_free(checkmate, task->outputs[i]))
                add(checkmate, run,
                    tess_remat_units_of(&checkmate->units,
                                        graph->tensors[task->outputs[i]].bytes));
        used = next;
        before = place;
    }
}

static void emit_most_runs(struct checkmate *checkmate)
{
    for (int place = 0; place < checkmate->n; place++) {
        tess_milp_begin_row(checkmate->milp, -INFINITY, checkmate->problem->most_runs);
        for (int t = place; t < checkmate->n; t++)
            add(checkmate, run_of(checkmate, t, place), 1);
    }
}

/* ---- the method ---- */

static void find_lives(struct checkmate *checkmate)
{
    const struct tess_task_graph *graph = checkmate->problem->graph;
    for (int x = 0; x < graph->n_tensors; x++) {
        const struct tess_task_tensor *tensor = &graph->tensors[x];
        int first = tensor->is_input ? 0 : checkmate->n, last = -1;
        checkmate->first[x] = -1;
        if (!tensor->is_input && tess_remat_may_repeat(graph, tensor->producers[0]))
            continue;
        for (int i = 0; i < tensor->n_producers; i++) {
            first = tess_min_int(first, checkmate->place[tensor->producers[i]]);
            last = tess_max_int(last, checkmate->place[tensor->producers[i]]);
        }
        for (int i = 0; i < tensor->n_consumers; i++)
            last = tess_max_int(last, checkmate->place[tensor->consumers[i]]);
        checkmate->first[x] = first;
        checkmate->last[x] = tensor->is_retained ? checkmate->n : last;
    }
}

static enum tess_status init(struct checkmate *checkmate, struct tess_error *error)
{
    const struct tess_task_graph *graph = checkmate->problem->graph;
    size_t n = (size_t)graph->n_tasks + 1, m = (size_t)graph->n_tensors + 1;
    checkmate->n = graph->n_tasks;
    checkmate->place = calloc(n, sizeof *checkmate->place);
    checkmate->first = calloc(m, sizeof *checkmate->first);
    checkmate->last = calloc(m, sizeof *checkmate->last);
    checkmate->freed = calloc(m, sizeof *checkmate->freed);
    if (!checkmate->place || !checkmate->first || !checkmate->last || !checkmate->freed)
        return tess_error_nomem(error);
    for (int i = 0; i < graph->n_tasks; i++)
        checkmate->place[checkmate->problem->order[i]] = i;
    find_lives(checkmate);
    int64_t n_columns = count_columns(checkmate);
    if (n_columns > MOST_COLUMNS)
        return tess_error_set(
            error, TESS_E_USAGE,
            "this graph of %d tasks is too large for Checkmate's programme: some %lld "
            "columns, at most %d",
            graph->n_tasks, (long long)n_columns, MOST_COLUMNS);
    checkmate->run = calloc(n * n, sizeof *checkmate->run);
    checkmate->held = calloc(n * m, sizeof *checkmate->held);
    if (!checkmate->run || !checkmate->held)
        return tess_error_nomem(error);
    tess_remat_units_init(&checkmate->units, checkmate->problem);
    return tess_milp_create(&checkmate->milp, error);
}

static void release(struct checkmate *checkmate)
{
    free(checkmate->place);
    free(checkmate->first);
    free(checkmate->last);
    free(checkmate->freed);
    free(checkmate->run);
    free(checkmate->held);
    tess_milp_destroy(checkmate->milp);
}

static enum tess_status take_solution(const struct checkmate *checkmate,
                                      struct tess_remat_result *result,
                                      struct tess_error *error)
{
    struct tess_remat_sequence sequence = {0};
    int n = 0;
    for (int t = 0; t < checkmate->n; t++)
        for (int place = 0; place <= t; place++)
            n += run_of(checkmate, t, place) >= 0;
    enum tess_status status = tess_remat_sequence_reserve(&sequence, n, error);
    for (int t = 0; t < checkmate->n && status == TESS_OK; t++)
        for (int place = 0; place <= t; place++) {
            int run = run_of(checkmate, t, place);
            if (run >= 0 && tess_milp_value(checkmate->milp, run) > 0.5)
                sequence.tasks[sequence.n++] = checkmate->problem->order[place];
        }
    if (status == TESS_OK)
        status = tess_remat_result_offer(result, checkmate->problem, &sequence,
                                         tess_remat_checkmate.name, error);
    tess_remat_sequence_release(&sequence);
    return status;
}

static enum tess_status solve(struct checkmate *checkmate,
                              const struct tess_remat_limits *limits, double start_us,
                              struct tess_remat_result *result, struct tess_error *error)
{
    struct tess_milp_limits milp_limits;
    struct tess_milp_result found;
    add_columns(checkmate);
    for (int t = 0; t < checkmate->n; t++) {
        emit_presence(checkmate, t);
        emit_memory(checkmate, t);
    }
    emit_most_runs(checkmate);
    tess_milp_limits_init(&milp_limits);
    milp_limits.seconds =
        fmax(1e-3, limits->seconds - (tess_clock_us() - start_us) * 1e-6);
    milp_limits.memory_bytes = limits->memory_bytes;
    enum tess_status status =
        tess_milp_solve(checkmate->milp, &milp_limits, &found, error);
    if (status == TESS_OK && found.has_solution)
        status = take_solution(checkmate, result, error);
    return status;
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    struct checkmate checkmate = {.problem = problem};
    double start_us = tess_clock_us();
    if (!tess_milp_is_available())
        return tess_error_set(error, TESS_E_USAGE, "this build has no integer solver");
    enum tess_status status =
        tess_remat_result_init(result, problem, tess_remat_checkmate.name, error);
    if (status != TESS_OK || result->is_proven)
        return status;
    status = init(&checkmate, error);
    if (status == TESS_OK)
        status = solve(&checkmate, limits, start_us, result, error);
    release(&checkmate);
    return status;
}

const struct tess_remat_method tess_remat_checkmate = {
    .name = "checkmate",
    .description = "the published integer programme, for small graphs",
    .run = run,
};
