/* Problem: of all orders of the tasks, one with a small sum over the positions of what is above the
 * budget.
 *
 * Method: simulated annealing. A move takes a task from its position to another between the last
 * of the tasks it needs and the first that needs it; those between move up by one. The bytes
 * alive at these change by what the task makes and by the inputs that it is the last to read,
 * each on a stretch of positions. A move that adds d to the sum is made with probability
 * exp(-d / heat); the heat falls exponentially. Most moves are tried near positions that are
 * above the budget: with those far away nothing is to be gained.
 *
 * Invariant: bytes[p] are the bytes alive while position p runs, were nothing overwritten.
 *
 * Worked example: a makes 5 bytes that c reads, b makes 3 that d reads and reads nothing; order
 * a b c d, budget 7. bytes = 5 8 8 4: a sum of 2. b to behind c: b's 3 bytes are gone from c's
 * position, which becomes the second; b's own is what is alive after c, 1 (c's output, which d
 * reads), and 3. bytes = 5 6 4 5: the sum is 0.
 *
 * Not done: moves of tasks that add to a tensor others add to.
 *
 * Reference: S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi, "Optimization by Simulated Annealing",
 * Science 220, 1983.
 */
#include "remat/anneal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"
#include "base/rng.h"

/* TUNING: of the heat at the beginning, how much is left at the end (2026-11). */
static const double last_share = 0.01;

struct annealing {
    const struct tess_task_graph *graph;
    int64_t budget;
    int *order, *position;
    int *last_reader;  /* [n_tensors] the task after which it dies, -1: none */
    int64_t *bytes;    /* [n_tasks] alive at each position */
    int64_t *moved;    /* [n_tasks] scratch: of the stretch that moves */
    bool *may_move;    /* [n_tasks] */
    int *high, n_high; /* [n_tasks] positions above the budget, not long ago */
    struct tess_rng rng;
    double excess;
};

/* A task, where it is and where it is to be. */
struct move {
    int task, from, to;
};

static double above(const struct annealing *annealing, int64_t bytes)
{
    return bytes > annealing->budget ? (double)(bytes - annealing->budget) : 0;
}

static double chance(struct annealing *annealing)
{
    return ((double)(tess_rng_next(&annealing->rng) >> 11) + 0.5) * 0x1p-53;
}

/* The position after which the tensor is dead; n_tasks if it stays. */
static int last_position(const struct annealing *annealing, int tensor)
{
    int reader = annealing->last_reader[tensor];
    if (annealing->graph->tensors[tensor].is_retained)
        return annealing->graph->n_tasks;
    return reader >= 0 ? annealing->position[reader] : -1;
}

static void find_last_reader(struct annealing *annealing, int tensor_id)
{
    const struct tess_task_tensor *tensor = &annealing->graph->tensors[tensor_id];
    const int *list = tensor->n_consumers > 0 ? tensor->consumers : tensor->producers;
    int n = tensor->n_consumers > 0 ? tensor->n_consumers : tensor->n_producers;
    int last = -1;
    for (int k = 0; k < n; k++)
        if (last < 0 || annealing->position[list[k]] > annealing->position[last])
            last = list[k];
    annealing->last_reader[tensor_id] = last;
}

/* ---- what a move does ---- */

static void add(struct annealing *annealing, int low, int first, int last, int64_t bytes)
{
    for (int p = first; p <= last; p++)
        annealing->moved[p - low] += bytes;
}

/* The last position before `to` and its task that reads a tensor, or makes it. */
static int other_last(const struct annealing *annealing, int tensor_id, int task)
{
    const struct tess_task_tensor *tensor = &annealing->graph->tensors[tensor_id];
    int last = -1;
    for (int k = 0; k < tensor->n_consumers; k++)
        if (tensor->consumers[k] != task)
            last = tess_max_int(last, annealing->position[tensor->consumers[k]]);
    for (int k = 0; k < tensor->n_producers && last < 0; k++)
        last = tess_max_int(last, annealing->position[tensor->producers[k]]);
    return last;
}

/* Later: the bytes of those between, in `moved`; returns those of the task's new position. */
static int64_t ask_later(struct annealing *annealing, struct move move)
{
    const struct tess_task_graph *graph = annealing->graph;
    const struct tess_task *task = &graph->tasks[move.task];
    const struct tess_task *end = &graph->tasks[annealing->order[move.to]];
    int low = move.from + 1;
    int64_t made = 0;
    memcpy(annealing->moved, annealing->bytes + low,
           sizeof *annealing->moved * (size_t)(move.to - move.from));
    for (int k = 0; k < task->n_outputs; k++) {
        int64_t bytes = graph->tensors[task->outputs[k]].bytes;
        made += bytes;
        if (last_position(annealing, task->outputs[k]) > move.from)
            add(annealing, low, low, move.to, -bytes);
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int last = last_position(annealing, task->inputs[k]);
        add(annealing, low, tess_max_int(low, last + 1), move.to,
            graph->tensors[task->inputs[k]].bytes);
    }
    int64_t bytes = annealing->moved[move.to - low] + made;
    for (int k = 0; k < end->n_outputs; k++)
        if (last_position(annealing, end->outputs[k]) == move.to)
            bytes -= graph->tensors[end->outputs[k]].bytes;
    for (int k = 0; k < end->n_inputs; k++) {
        bool is_read = false;
        for (int i = 0; i < task->n_inputs; i++)
            is_read |= task->inputs[i] == end->inputs[k];
        if (!is_read && last_position(annealing, end->inputs[k]) == move.to)
            bytes -= graph->tensors[end->inputs[k]].bytes;
    }
    return bytes;
}

/* Earlier, likewise. */
static int64_t ask_earlier(struct annealing *annealing, struct move move)
{
    const struct tess_task_graph *graph = annealing->graph;
    const struct tess_task *task = &graph->tasks[move.task];
    const struct tess_task *first = &graph->tasks[annealing->order[move.to]];
    int64_t bytes = annealing->bytes[move.to];
    for (int k = 0; k < first->n_outputs; k++) {
        const struct tess_task_tensor *tensor = &graph->tensors[first->outputs[k]];
        bool is_first = true;
        for (int p = 0; p < tensor->n_producers; p++)
            is_first &= annealing->position[tensor->producers[p]] >= move.to;
        bytes -= is_first ? tensor->bytes : 0;
    }
    memcpy(annealing->moved, annealing->bytes + move.to,
           sizeof *annealing->moved * (size_t)(move.from - move.to));
    for (int k = 0; k < task->n_outputs; k++) {
        int64_t made = graph->tensors[task->outputs[k]].bytes;
        bytes += made;
        if (last_position(annealing, task->outputs[k]) > move.from)
            add(annealing, move.to, move.to, move.from - 1, made);
    }
    for (int k = 0; k < task->n_inputs; k++) {
        int input = task->inputs[k];
        if (last_position(annealing, input) != move.from)
            continue;
        int last = other_last(annealing, input, move.task);
        add(annealing, move.to, tess_max_int(move.to, last + 1), move.from - 1,
            -graph->tensors[input].bytes);
    }
    return bytes;
}

/* The sum after the move; `moved` and *own_out are what the move makes of the bytes. */
static double ask(struct annealing *annealing, struct move move, int64_t *own_out)
{
    bool is_later = move.to > move.from;
    int low = is_later ? move.from + 1 : move.to;
    int n = is_later ? move.to - move.from : move.from - move.to;
    *own_out = is_later ? ask_later(annealing, move) : ask_earlier(annealing, move);
    double excess = annealing->excess + above(annealing, *own_out) -
                    above(annealing, annealing->bytes[move.from]);
    for (int k = 0; k < n; k++) {
        int64_t before = tess_max_i64(annealing->bytes[low + k] - annealing->budget, 0);
        int64_t after = tess_max_i64(annealing->moved[k] - annealing->budget, 0);
        excess += (double)(after - before);
    }
    return excess < 0.5 ? 0 : excess;
}

static void make_move(struct annealing *annealing, struct move move, int64_t own,
                      double excess)
{
    const struct tess_task *task = &annealing->graph->tasks[move.task];
    int *order = annealing->order;
    bool is_later = move.to > move.from;
    int n = is_later ? move.to - move.from : move.from - move.to;
    int low = is_later ? move.from : move.to + 1; /* where those between are then */
    int from = is_later ? move.from + 1 : move.to;
    memmove(order + low, order + from, sizeof *order * (size_t)n);
    memcpy(annealing->bytes + low, annealing->moved,
           sizeof *annealing->moved * (size_t)n);
    order[move.to] = move.task;
    annealing->bytes[move.to] = own;
    for (int p = tess_min_int(low, move.to); p <= tess_max_int(low + n - 1, move.to); p++)
        annealing->position[order[p]] = p;
    for (int k = 0; k < task->n_inputs; k++)
        find_last_reader(annealing, task->inputs[k]);
    annealing->excess = excess;
}

static void list_high(struct annealing *annealing)
{
    annealing->n_high = 0;
    for (int p = 0; p < annealing->graph->n_tasks; p++)
        if (annealing->bytes[p] > annealing->budget)
            annealing->high[annealing->n_high++] = p;
}

/* A position: mostly one not far from where too much is alive. */
static int draw_position(struct annealing *annealing)
{
    enum { REACH = 100 };
    struct tess_rng *rng = &annealing->rng;
    int last = annealing->graph->n_tasks - 1;
    if (annealing->n_high == 0 || tess_rng_int(rng, 0, 3) == 0)
        return tess_rng_int(rng, 0, last);
    int high = annealing->high[tess_rng_int(rng, 0, annealing->n_high - 1)];
    int reach = tess_rng_int(rng, 0, REACH);
    int position = tess_rng_int(rng, high - reach, high + reach);
    return tess_max_int(0, tess_min_int(last, position));
}

/* Draws a task and a position for it; false if there is none. */
static bool draw_move(struct annealing *annealing, struct move *move)
{
    const struct tess_task_graph *graph = annealing->graph;
    int task_id = annealing->order[draw_position(annealing)];
    const struct tess_task *task = &graph->tasks[task_id];
    int from = 0, to = graph->n_tasks - 1;
    if (!annealing->may_move[task_id])
        return false;
    for (int k = 0; k < task->n_before; k++)
        from = tess_max_int(from, annealing->position[task->before[k]] + 1);
    for (int k = 0; k < task->n_after; k++)
        to = tess_min_int(to, annealing->position[task->after[k]] - 1);
    if (from == to)
        return false;
    *move = (struct move){task_id, annealing->position[task_id],
                          tess_rng_int(&annealing->rng, from, to)};
    return move->to != move->from;
}

/* ---- the whole ---- */

static void count_bytes(struct annealing *annealing)
{
    const struct tess_task_graph *graph = annealing->graph;
    memset(annealing->bytes, 0, sizeof *annealing->bytes * (size_t)graph->n_tasks);
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        int first = tensor->is_input ? 0 : graph->n_tasks;
        for (int k = 0; k < tensor->n_producers; k++)
            first = tess_min_int(first, annealing->position[tensor->producers[k]]);
        find_last_reader(annealing, t);
        int last = tess_min_int(last_position(annealing, t), graph->n_tasks - 1);
        for (int p = first; p <= last; p++)
            annealing->bytes[p] += tensor->bytes;
    }
    list_high(annealing);
    annealing->excess = 0;
    for (int p = 0; p < graph->n_tasks; p++)
        annealing->excess += above(annealing, annealing->bytes[p]);
}

static enum tess_status start(struct annealing *annealing, struct tess_error *error)
{
    const struct tess_task_graph *graph = annealing->graph;
    size_t n = (size_t)graph->n_tasks + 1;
    annealing->position = malloc(sizeof *annealing->position * n);
    annealing->last_reader =
        malloc(sizeof *annealing->last_reader * ((size_t)graph->n_tensors + 1));
    annealing->bytes = malloc(sizeof *annealing->bytes * n);
    annealing->moved = malloc(sizeof *annealing->moved * n);
    annealing->may_move = malloc(sizeof *annealing->may_move * n);
    annealing->high = malloc(sizeof *annealing->high * n);
    if (!annealing->high || !annealing->position || !annealing->last_reader ||
        !annealing->bytes || !annealing->moved || !annealing->may_move)
        return tess_error_nomem(error);
    for (int p = 0; p < graph->n_tasks; p++)
        annealing->position[annealing->order[p]] = p;
    for (int i = 0; i < graph->n_tasks; i++) {
        annealing->may_move[i] = true;
        for (int k = 0; k < graph->tasks[i].n_outputs; k++)
            annealing->may_move[i] &=
                graph->tensors[graph->tasks[i].outputs[k]].n_producers == 1;
    }
    count_bytes(annealing);
    return TESS_OK;
}

static double mean_change(struct annealing *annealing)
{
    enum { N_SAMPLES = 1000 };
    double sum = 0;
    int n = 0;
    for (int k = 0; k < N_SAMPLES; k++) {
        struct move move;
        int64_t own;
        if (!draw_move(annealing, &move))
            continue;
        double change = fabs(ask(annealing, move, &own) - annealing->excess);
        sum += change;
        n += change > 0;
    }
    return n > 0 ? sum / n : 1;
}

/* How much of the trials is done; or of the time, if that will not be enough for all of them: an
 * order that is still hot when time is up is worth nothing. */
static double part_done(const struct tess_anneal *anneal, int64_t trial, double start_us)
{
    static const double slack = 0.05;
    double of_trials = (double)trial / (double)anneal->n_trials;
    double of_time =
        (tess_clock_us() - start_us) / fmax(1, anneal->deadline_us - start_us);
    return of_time > of_trials + slack ? fmin(1, of_time) : of_trials;
}

static void cool(struct annealing *annealing, const struct tess_anneal *anneal, int *best)
{
    double least = annealing->excess, start_us = tess_clock_us();
    double first_heat = mean_change(annealing) * anneal->warmth, heat = first_heat;
    size_t n_bytes = sizeof *best * (size_t)annealing->graph->n_tasks;
    memcpy(best, annealing->order, n_bytes);
    for (int64_t trial = 0; trial < anneal->n_trials && least > 0; trial++) {
        struct move move;
        int64_t own;
        if ((trial & 255) == 0) {
            list_high(annealing);
            double part = part_done(anneal, trial, start_us);
            heat = first_heat * pow(last_share, part);
            if (tess_deadline_is_past(anneal->deadline_us))
                break;
        }
        if (!draw_move(annealing, &move))
            continue;
        double excess = ask(annealing, move, &own), more = excess - annealing->excess;
        if (more > 0 && more > -heat * log(chance(annealing)))
            continue;
        make_move(annealing, move, own, excess);
        if (excess < least) {
            least = excess;
            memcpy(best, annealing->order, n_bytes);
        }
    }
    annealing->excess = least;
}

enum tess_status tess_anneal_order(struct tess_anneal *anneal, int *order_inout,
                                   struct tess_error *error)
{
    size_t n = (size_t)anneal->graph->n_tasks + 1;
    struct annealing annealing = {
        .graph = anneal->graph, .budget = anneal->budget_bytes, .order = order_inout};
    int *best = malloc(sizeof *best * n);
    tess_rng_init(&annealing.rng, anneal->seed);
    enum tess_status status = best ? start(&annealing, error) : tess_error_nomem(error);
    if (status == TESS_OK && anneal->graph->n_tasks > 0) {
        cool(&annealing, anneal, best);
        memcpy(order_inout, best, sizeof *best * (n - 1));
    }
    anneal->excess = annealing.excess;
    free(best);
    free(annealing.position);
    free(annealing.last_reader);
    free(annealing.bytes);
    free(annealing.moved);
    free(annealing.may_move);
    free(annealing.high);
    return status;
}
