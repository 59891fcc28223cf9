/* Problem: the cheapest sequence within the budget, proven, of a small graph; or the proof that
 * there is none.
 *
 * Method: best-first search (A*) over states. A state says how often each task has run and which
 * tensors are held; it costs what its runs have cost. The estimate of what is still to come is one
 * run of each task that has not run, which never is too much: so the first state taken out of the
 * queue in which every task has run and every retained tensor is held is a cheapest one. Tensors
 * are dropped only when the next run does not fit otherwise, and then in every way that drops no
 * tensor needlessly: who holds more can do whatever can be done by who holds less.
 *
 * Not dropped is what could not be had again though it is needed: inputs and tensors that several
 * tasks add to, until all have run that read them; what was computed as often as allowed. A task
 * runs again only if that yields a tensor that is not held.
 *
 * Cost: exponential; gives up at a number of states or when time is up. What is at the head of the
 * queue then is a bound: no sequence costs less.
 *
 * Worked example: a -> b -> c -> d, and d reads a, too; sizes 4, 4, 8, 1, each run costs 1, the
 * budget is 13. {} costs 4, all estimate. a, then b: {a, b}, 8 bytes. c needs 16, 3 too many: it
 * reads b, so a is dropped, which may run again: {b, c}. d lacks a; a needs 16, so b is dropped,
 * which nobody needs any more: {a, c}, and the cost is 5. d: 13 bytes, the goal. Sequence
 * a b c a d.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "remat/method.h"

/* Two bits for each task's runs, one for each tensor. */
enum { MAX_TASKS = 32, MAX_TENSORS = 64, MAX_RUNS = 3 };

struct state {
    uint64_t held, runs; /* tensors; two bits for each task */
    int64_t cost;        /* with the estimate */
    int parent, task;    /* the run that led here */
    bool is_closed;
};

struct exact {
    const struct tess_remat_problem *problem;
    const struct tess_task_graph *graph;
    uint64_t reads[MAX_TASKS], writes[MAX_TASKS]; /* tensors of each task */
    uint64_t retained, lasting; /* tensors; lasting: they cannot be computed again */
    bool may_repeat[MAX_TASKS];
    struct state *states;
    int n_states, room_states;
    int *queue, n_queue; /* a heap of states */
    int *slots, n_slots; /* hash of states, -1: free; a power of two */
    int64_t limit_states;
    bool is_full;
};

static int n_runs(uint64_t runs, int task)
{
    return (int)(runs >> (2 * task) & 3);
}

static int64_t held_bytes(const struct exact *exact, uint64_t set)
{
    int64_t bytes = 0;
    for (; set; set &= set - 1)
        bytes += exact->graph->tensors[__builtin_ctzll(set)].bytes;
    return bytes;
}

/* ---- the queue: cheapest first, of equals the one with more runs behind it ---- */

static bool is_before(const struct exact *exact, int a, int b)
{
    const struct state *left = &exact->states[a], *right = &exact->states[b];
    if (left->cost != right->cost)
        return left->cost < right->cost;
    int more = __builtin_popcountll(left->runs) - __builtin_popcountll(right->runs);
    return more != 0 ? more > 0 : a > b;
}

static void push(struct exact *exact, int state)
{
    int at = exact->n_queue++, *queue = exact->queue;
    for (; at > 0 && is_before(exact, state, queue[(at - 1) / 2]); at = (at - 1) / 2)
        queue[at] = queue[(at - 1) / 2];
    queue[at] = state;
}

static int pop(struct exact *exact)
{
    int *queue = exact->queue, first = queue[0], last = queue[--exact->n_queue], at = 0;
    for (int child = 1; child < exact->n_queue; child = 2 * at + 1) {
        if (child + 1 < exact->n_queue &&
            is_before(exact, queue[child + 1], queue[child]))
            child++;
        if (!is_before(exact, queue[child], last))
            break;
        queue[at] = queue[child];
        at = child;
    }
    queue[at] = last;
    return first;
}

/* ---- states ---- */

static uint64_t hash_of(uint64_t held, uint64_t runs)
{
    uint64_t z = held * UINT64_C(0x9e3779b97f4a7c15) ^ runs;
    z = (z ^ (z >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ (z >> 32);
}

static int *find_slot(struct exact *exact, uint64_t held, uint64_t runs)
{
    uint64_t at = hash_of(held, runs);
    for (;; at++) {
        int *slot = &exact->slots[at & (uint64_t)(exact->n_slots - 1)];
        if (*slot < 0 ||
            (exact->states[*slot].held == held && exact->states[*slot].runs == runs))
            return slot;
    }
}

/* Twice the room. TESS_E_NOMEM. */
static enum tess_status grow(struct exact *exact, struct tess_error *error)
{
    int room = exact->room_states ? 2 * exact->room_states : 1024, n_slots = 4 * room;
    struct state *states = realloc(exact->states, sizeof *states * (size_t)room);
    if (states)
        exact->states = states;
    /* A state is pushed when it is found; when it is found cheaper, it is pushed again: at most
     * as often as there are ways to it, so the heap is bounded by what grows it. */
    int *queue = realloc(exact->queue, sizeof *queue * 4 * (size_t)room);
    if (queue)
        exact->queue = queue;
    int *slots = malloc(sizeof *slots * (size_t)n_slots);
    if (!states || !queue || !slots) {
        free(slots);
        return tess_error_nomem(error);
    }
    free(exact->slots);
    exact->slots = slots;
    exact->n_slots = n_slots;
    exact->room_states = room;
    memset(slots, -1, sizeof *slots * (size_t)n_slots);
    for (int s = 0; s < exact->n_states; s++)
        *find_slot(exact, exact->states[s].held, exact->states[s].runs) = s;
    return TESS_OK;
}

static enum tess_status reach(struct exact *exact, uint64_t held, uint64_t runs,
                              int64_t cost, int parent, int task,
                              struct tess_error *error)
{
    if (exact->n_states == exact->room_states ||
        exact->n_queue == 4 * exact->room_states) {
        enum tess_status status = grow(exact, error);
        if (status != TESS_OK)
            return status;
    }
    int *slot = find_slot(exact, held, runs);
    if (*slot >= 0 && exact->states[*slot].cost <= cost)
        return TESS_OK;
    assert(*slot < 0 || !exact->states[*slot].is_closed); /* the estimate is consistent */
    if (*slot < 0)
        *slot = exact->n_states++;
    exact->states[*slot] = (struct state){held, runs, cost, parent, task, false};
    push(exact, *slot);
    exact->is_full = exact->n_states >= exact->limit_states;
    return TESS_OK;
}

/* ---- runs ---- */

/* Could everything go on without this tensor? */
static bool may_drop(const struct exact *exact, int tensor_id, uint64_t runs)
{
    const struct tess_task_tensor *tensor = &exact->graph->tensors[tensor_id];
    bool is_needed = tensor->is_retained;
    for (int k = 0; k < tensor->n_consumers; k++)
        is_needed |= n_runs(runs, tensor->consumers[k]) == 0;
    if (tensor->n_producers > 1)
        for (int k = 0; k < tensor->n_producers; k++)
            is_needed |= n_runs(runs, tensor->producers[k]) == 0;
    if (!is_needed)
        return true;
    return !(exact->lasting >> tensor_id & 1) &&
           n_runs(runs, tensor->producers[0]) < exact->problem->most_runs;
}

/* One run, and what may be dropped to make room for it. */
struct step {
    int task, parent;
    uint64_t held, runs;                            /* before it */
    int64_t need_bytes;                             /* to be dropped */
    int items[MAX_TENSORS], n_items, n_overwritten; /* the last are inputs overwritten */
    int64_t least[MAX_TENSORS + 1];                 /* bytes of the items from here on */
};

static enum tess_status take_step(struct exact *exact, const struct step *step,
                                  uint64_t dropped, struct tess_error *error)
{
    int64_t cost = exact->states[step->parent].cost;
    if (n_runs(step->runs, step->task) > 0)
        cost += exact->problem->costs[step->task];
    uint64_t held = (step->held & ~dropped) | exact->writes[step->task];
    return reach(exact, held, step->runs + (UINT64_C(1) << (2 * step->task)), cost,
                 step->parent, step->task, error);
}

/* Takes every set of items that makes enough room and of which none could stay. */
static enum tess_status drop_items(struct exact *exact, const struct step *step, int item,
                                   uint64_t dropped, int64_t bytes, int64_t least,
                                   struct tess_error *error)
{
    if (bytes >= step->need_bytes)
        return bytes - least < step->need_bytes || dropped == 0
                   ? take_step(exact, step, dropped, error)
                   : TESS_OK;
    if (item == step->n_items || bytes + step->least[item] < step->need_bytes ||
        exact->is_full)
        return TESS_OK;
    int tensor = step->items[item];
    int64_t size = exact->graph->tensors[tensor].bytes;
    /* Of the inputs that could be overwritten only one is. */
    int next = item >= step->n_items - step->n_overwritten ? step->n_items : item + 1;
    enum tess_status status =
        drop_items(exact, step, next, dropped | UINT64_C(1) << tensor, bytes + size,
                   tess_min_i64(least, size), error);
    return status == TESS_OK
               ? drop_items(exact, step, item + 1, dropped, bytes, least, error)
               : status;
}

static void list_items(const struct exact *exact, struct step *step)
{
    const struct tess_task *task = &exact->graph->tasks[step->task];
    uint64_t own = exact->reads[step->task] | exact->writes[step->task];
    uint64_t runs = step->runs + (UINT64_C(1) << (2 * step->task));
    for (uint64_t set = step->held & ~own; set; set &= set - 1) {
        int tensor = __builtin_ctzll(set);
        if (exact->graph->tensors[tensor].bytes > 0 &&
            may_drop(exact, tensor, step->runs))
            step->items[step->n_items++] = tensor;
    }
    bool overwrites = (task->flags & TESS_TASK_OVERWRITES) && task->n_outputs == 1 &&
                      exact->graph->tensors[task->outputs[0]].n_producers == 1 &&
                      !(step->held & exact->writes[step->task]);
    for (int k = 0; k < task->n_inputs && overwrites; k++) {
        int input = task->inputs[k];
        int64_t bytes = exact->graph->tensors[input].bytes;
        if (bytes == exact->graph->tensors[task->outputs[0]].bytes && bytes > 0 &&
            may_drop(exact, input, runs)) {
            step->items[step->n_items++] = input;
            step->n_overwritten++;
        }
    }
    step->least[step->n_items] = 0;
    for (int i = step->n_items - 1; i >= 0; i--)
        step->least[i] = step->least[i + 1] + exact->graph->tensors[step->items[i]].bytes;
}

static bool may_run(const struct exact *exact, const struct state *state, int task_id,
                    int next_first)
{
    const struct tess_task *task = &exact->graph->tasks[task_id];
    int n = n_runs(state->runs, task_id);
    if ((exact->reads[task_id] & ~state->held) || n >= exact->problem->most_runs)
        return false;
    if (n == 0 ? exact->problem->keeps_order && task_id != next_first
               : !exact->may_repeat[task_id] || !(exact->writes[task_id] & ~state->held))
        return false;
    for (int k = 0; k < task->n_before; k++) /* of what several add to, too */
        if (n_runs(state->runs, task->before[k]) == 0)
            return false;
    return true;
}

static enum tess_status expand(struct exact *exact, int at, struct tess_error *error)
{
    const struct state state = exact->states[at];
    int next_first = -1;
    for (int i = 0; i < exact->graph->n_tasks && next_first < 0; i++)
        if (n_runs(state.runs, exact->problem->order[i]) == 0)
            next_first = exact->problem->order[i];
    for (int i = 0; i < exact->graph->n_tasks; i++) {
        if (!may_run(exact, &state, i, next_first))
            continue;
        struct step step = {
            .task = i, .parent = at, .held = state.held, .runs = state.runs};
        step.need_bytes = held_bytes(exact, state.held | exact->writes[i]) -
                          exact->problem->budget_bytes;
        list_items(exact, &step);
        enum tess_status status = drop_items(exact, &step, 0, 0, 0, INT64_MAX, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

static bool is_goal(const struct exact *exact, const struct state *state)
{
    for (int i = 0; i < exact->graph->n_tasks; i++)
        if (n_runs(state->runs, i) == 0)
            return false;
    return !(exact->retained & ~state->held);
}

/* ---- the whole ---- */

static enum tess_status take_goal(const struct exact *exact, int at,
                                  struct tess_remat_result *result,
                                  struct tess_error *error)
{
    int tasks[MAX_TASKS * MAX_RUNS], n = 0;
    for (int s = at; exact->states[s].parent >= 0; s = exact->states[s].parent)
        n++;
    struct tess_remat_sequence sequence = {n, n, tasks};
    for (int s = at; exact->states[s].parent >= 0; s = exact->states[s].parent)
        tasks[--n] = exact->states[s].task;
    enum tess_status status = tess_remat_result_offer(result, exact->problem, &sequence,
                                                      tess_remat_exact.name, error);
    if (status == TESS_OK)
        tess_remat_result_raise(result, exact->problem, exact->states[at].cost, 0);
    return status;
}

static enum tess_status search(struct exact *exact, double deadline_us,
                               struct tess_remat_result *result, struct tess_error *error)
{
    uint64_t inputs = 0;
    for (int t = 0; t < exact->graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &exact->graph->tensors[t];
        if (tensor->is_input && (tensor->is_retained || tensor->n_consumers > 0))
            inputs |= UINT64_C(1) << t;
    }
    int64_t bound = tess_remat_least_cost(exact->problem);
    enum tess_status status = reach(exact, inputs, 0, bound, -1, -1, error);
    int64_t n_expanded = 0;
    while (status == TESS_OK && exact->n_queue > 0 && !exact->is_full) {
        int at = pop(exact);
        if (exact->states[at].is_closed)
            continue;
        bound = exact->states[at].cost;
        if (is_goal(exact, &exact->states[at]))
            return take_goal(exact, at, result, error);
        if ((n_expanded++ & 255) == 0 && tess_deadline_is_past(deadline_us)) {
            exact->is_full = true;
            break;
        }
        exact->states[at].is_closed = true;
        status = expand(exact, at, error);
    }
    if (status != TESS_OK)
        return status;
    if (exact->is_full) /* what was taken last is the cheapest that is open */
        tess_remat_result_raise(
            result, exact->problem,
            result->fits ? tess_min_i64(bound, result->value.cost) : bound, 0);
    else
        tess_remat_result_raise(result, exact->problem, 0,
                                exact->problem->budget_bytes + 1);
    return TESS_OK;
}

static void describe(struct exact *exact)
{
    const struct tess_task_graph *graph = exact->graph;
    for (int i = 0; i < graph->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[i];
        for (int k = 0; k < task->n_inputs; k++)
            exact->reads[i] |= UINT64_C(1) << task->inputs[k];
        for (int k = 0; k < task->n_outputs; k++)
            exact->writes[i] |= UINT64_C(1) << task->outputs[k];
        exact->may_repeat[i] = tess_remat_may_repeat(graph, i);
    }
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        if (tensor->is_retained)
            exact->retained |= UINT64_C(1) << t;
        if (tensor->is_input || tensor->n_producers > 1)
            exact->lasting |= UINT64_C(1) << t;
    }
}

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    double deadline_us = tess_clock_us() + limits->seconds * 1e6;
    struct exact exact = {.problem = problem, .graph = problem->graph};
    enum tess_status status =
        tess_remat_result_init(result, problem, tess_remat_exact.name, error);
    if (status != TESS_OK || result->is_proven || problem->graph->n_tasks > MAX_TASKS ||
        problem->graph->n_tensors > MAX_TENSORS || problem->most_runs > MAX_RUNS)
        return status;
    describe(&exact);
    /* A state with its places in heap and hash, while they grow. */
    exact.limit_states = tess_min_i64(limits->memory_bytes / 160, 1 << 26);
    status = search(&exact, deadline_us, result, error);
    free(exact.states);
    free(exact.queue);
    free(exact.slots);
    return status;
}

const struct tess_remat_method tess_remat_exact = {
    .name = "exact",
    .description = "searches all states of graphs of up to 32 tasks, and proves",
    .run = run,
};
