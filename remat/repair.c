/* Problem: positions of a sequence have more bytes alive than the budget. Which few runs more, or
 * which other order, bring all of them below it?
 *
 * Method: take the position with most bytes (or, by chance, another above the budget). Whatever is
 * alive there and not used there may go:
 *   split    the copy is dropped after its last use before, and its task runs again before its
 *            next use; or earlier, where one of the inputs it needs is still alive;
 *   delay    nobody has read it yet: its task runs later;
 *   advance  it is kept for one more reader: that one runs before.
 * The last two cost no time, and are left out where the order is to be kept. Of all these changes
 * the one with the most excess taken away per cost is made; the excess is the sum over all
 * positions of what is above the budget, so that a change is also charged what it adds elsewhere.
 * An input that a split prolongs can be split in turn: chains of runs come about so.
 *
 * Cost: per change O(copies alive * (length of their gaps + degree) + size of the sequence).
 *
 * Reference: the splitting of retention intervals is that of Bartan, Li, Teague, Lott, Dilkina,
 * "Moccasin: Efficient Tensor Rematerialization for Neural Networks", ICML 2023, without a solver.
 */
#include "remat/repair.h"

#include <assert.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/deadline.h"

void tess_repair_init(struct tess_repair *repair, struct tess_timeline *timeline,
                      double seconds, uint64_t seed)
{
    const struct tess_remat_problem *problem = timeline->problem;
    double average =
        (double)tess_remat_least_cost(problem) / (double)(problem->graph->n_tasks + 1);
    *repair = (struct tess_repair){.timeline = timeline,
                                   .average_cost = average,
                                   .unit_cost = average / 50 + 1e-3,
                                   .deadline_us = tess_clock_us() + seconds * 1e6,
                                   .limit_cost = INT64_MAX};
    tess_rng_init(&repair->rng, seed);
}

enum tess_status tess_repair_keep(const struct tess_repair *repair,
                                  struct tess_repair_base *base, struct tess_error *error)
{
    const struct tess_timeline *timeline = repair->timeline;
    base->cost = timeline->cost;
    base->excess = timeline->excess;
    return tess_remat_sequence_set(&base->sequence, timeline->sequence.tasks,
                                   timeline->sequence.n, error);
}

enum change_kind { CHANGE_NONE, CHANGE_INSERT, CHANGE_MOVE };

struct change {
    enum change_kind kind;
    int what; /* a task to insert, or a position to move from */
    int to;
    double score;
};

static double chance(struct tess_repair *repair)
{
    return (double)(tess_rng_next(&repair->rng) >> 11) * 0x1p-53;
}

static void consider(struct tess_repair *repair, struct change *best,
                     enum change_kind kind, int what, int to)
{
    struct tess_timeline *timeline = repair->timeline;
    double cost = repair->unit_cost, excess;
    if (kind == CHANGE_INSERT) {
        excess = tess_timeline_ask_insert(timeline, what, to);
        cost += (double)timeline->problem->costs[what];
    } else {
        excess = tess_timeline_ask_move(timeline, what, to);
    }
    double gain = timeline->excess - excess;
    if (gain <= 0)
        return;
    double score = gain / cost;
    if (repair->noise > 0)
        score *= 1 + repair->noise * chance(repair);
    if (score > best->score)
        *best = (struct change){kind, what, to, score};
}

/* Does dropping the copy from its last use before `peak` to `next_use` take away enough excess to
 * beat the best change, were it for nothing but the cost? */
static bool could_win(const struct tess_repair *repair, const struct change *best, int c,
                      int peak, int next_use)
{
    const struct tess_timeline *timeline = repair->timeline;
    const struct tess_timeline_copy *copy = &timeline->copies[c];
    int n_before = tess_timeline_uses_before(timeline, c, peak);
    int last =
        n_before > 0 ? timeline->uses[copy->first_use + n_before - 1] : copy->first;
    double bytes = (double)timeline->problem->graph->tensors[copy->tensor].bytes;
    double gain = bytes * (timeline->n_above[next_use] - timeline->n_above[last + 1]);
    int task = timeline->sequence.tasks[copy->first];
    double cost = repair->unit_cost + (double)timeline->problem->costs[task];
    if (gain > timeline->excess)
        gain = timeline->excess;
    return gain / cost * (1 + repair->noise) > best->score;
}

static void consider_split(struct tess_repair *repair, struct change *best, int c,
                           int peak, int next_use)
{
    const struct tess_timeline *timeline = repair->timeline;
    const struct tess_task_graph *graph = timeline->problem->graph;
    const struct tess_timeline_copy *copy = &timeline->copies[c];
    if (copy->first < 0)
        return;
    int task_id = timeline->sequence.tasks[copy->first];
    const struct tess_task *task = &graph->tasks[task_id];
    if (!timeline->may_repeat[task_id] ||
        timeline->n_runs[task_id] >= timeline->problem->most_runs)
        return;
    if (task->n_outputs == 1 && !could_win(repair, best, c, peak, next_use))
        return;
    consider(repair, best, CHANGE_INSERT, task_id, next_use);
    for (int k = 0; k < task->n_inputs; k++) {
        int input = tess_timeline_copy_before(timeline, task->inputs[k], next_use);
        int end = timeline->copies[input].last;
        if (end >= peak && end + 1 < next_use)
            consider(repair, best, CHANGE_INSERT, task_id, end + 1);
    }
}

static void consider_delay(struct tess_repair *repair, struct change *best, int position,
                           int peak)
{
    int need = tess_timeline_first_need(repair->timeline, position);
    if (need <= peak)
        return;
    if (need < repair->timeline->sequence.n)
        consider(repair, best, CHANGE_MOVE, position, need);
    if (peak + 1 != need)
        consider(repair, best, CHANGE_MOVE, position, peak + 1);
}

static void consider_advance(struct tess_repair *repair, struct change *best,
                             int position, int peak)
{
    int from = tess_timeline_first_chance(repair->timeline, position);
    if (from > peak)
        return;
    consider(repair, best, CHANGE_MOVE, position, peak);
    if (from < peak)
        consider(repair, best, CHANGE_MOVE, position, from);
}

static struct change best_change(struct tess_repair *repair, int peak)
{
    const struct tess_timeline *timeline = repair->timeline;
    const struct tess_task_graph *graph = timeline->problem->graph;
    bool may_reorder = !timeline->problem->keeps_order;
    struct change best = {CHANGE_NONE, 0, 0, 0};
    for (int c = 0; c < timeline->n_copies; c++) {
        const struct tess_timeline_copy *copy = &timeline->copies[c];
        if (copy->first > peak || copy->last < peak ||
            graph->tensors[copy->tensor].bytes == 0)
            continue;
        int n_before = tess_timeline_uses_before(timeline, c, peak + 1);
        const int *uses = timeline->uses + copy->first_use;
        if (may_reorder && copy->first >= 0 && n_before == 0)
            consider_delay(repair, &best, copy->first, peak);
        if (may_reorder && n_before < copy->n_uses)
            consider_advance(repair, &best, uses[copy->n_uses - 1], peak);
        if (copy->first == peak || (n_before > 0 && uses[n_before - 1] == peak))
            continue;
        if (n_before < copy->n_uses)
            consider_split(repair, &best, c, peak, uses[n_before]);
        else if (copy->last > peak)
            consider_split(repair, &best, c, peak, timeline->sequence.n);
    }
    return best;
}

/* The position with most bytes, or any above the budget. */
static int pick_position(struct tess_repair *repair, bool is_any)
{
    const struct tess_timeline *timeline = repair->timeline;
    int best = 0, n = 0;
    for (int at = 0; at < timeline->sequence.n; at++) {
        if (is_any && timeline->bytes[at] > timeline->problem->budget_bytes &&
            tess_rng_int(&repair->rng, 0, n++) == 0)
            best = at;
        if (!is_any && timeline->bytes[at] > timeline->bytes[best])
            best = at;
    }
    return best;
}

enum tess_status tess_repair_run(struct tess_repair *repair, struct tess_error *error)
{
    enum { MAX_STUCK = 12 };
    struct tess_timeline *timeline = repair->timeline;
    enum tess_status status = TESS_OK;
    int n_stuck = 0, limit_changes = 8 * timeline->problem->graph->n_tasks + 100;
    while (status == TESS_OK && timeline->excess > 0 && n_stuck < MAX_STUCK &&
           limit_changes-- > 0 && timeline->cost < repair->limit_cost &&
           !tess_deadline_is_past(repair->deadline_us)) {
        bool is_any =
            n_stuck > 0 || (repair->noise > 0 && tess_rng_int(&repair->rng, 0, 2) == 0);
        struct change change = best_change(repair, pick_position(repair, is_any));
        n_stuck = change.kind == CHANGE_NONE ? n_stuck + 1 : 0;
        if (change.kind == CHANGE_INSERT)
            status = tess_timeline_insert(timeline, change.what, change.to, error);
        else if (change.kind == CHANGE_MOVE)
            status = tess_timeline_move(timeline, change.what, change.to, error);
    }
    return status;
}

/* Does a run of the same task come before? */
static bool is_repeat(const struct tess_timeline *timeline, int position)
{
    int task = timeline->sequence.tasks[position];
    if (timeline->n_runs[task] < 2)
        return false;
    for (int at = 0; at < position; at++)
        if (timeline->sequence.tasks[at] == task)
            return true;
    return false;
}

enum tess_status tess_repair_prune(struct tess_repair *repair, struct tess_error *error)
{
    struct tess_timeline *timeline = repair->timeline;
    const int64_t *costs = timeline->problem->costs;
    for (;;) {
        int best = -1;
        for (int at = 0; at < timeline->sequence.n; at++) {
            int task = timeline->sequence.tasks[at];
            if (timeline->n_runs[task] < 2 ||
                (best >= 0 && costs[task] <= costs[timeline->sequence.tasks[best]]))
                continue;
            if (is_repeat(timeline, at) &&
                tess_timeline_ask_erase(timeline, at) <= timeline->excess)
                best = at;
        }
        if (best < 0)
            return TESS_OK;
        int task = timeline->sequence.tasks[best];
        double excess = timeline->excess;
        enum tess_status status = tess_timeline_erase(timeline, best, error);
        if (status != TESS_OK)
            return status;
        if (timeline->excess > excess) /* what overwrites was not asked about */
            return tess_timeline_insert(timeline, task, best, error);
    }
}

enum tess_status tess_repair_shake(struct tess_repair *repair, int centre, int reach,
                                   struct tess_error *error)
{
    const struct tess_timeline *timeline = repair->timeline;
    int n = timeline->sequence.n;
    int position = tess_rng_int(&repair->rng, tess_max_int(0, centre - reach),
                                tess_min_int(n - 1, centre + reach));
    int from = tess_timeline_first_chance(timeline, position);
    int to = tess_min_int(n, tess_timeline_first_need(timeline, position));
    from = tess_max_int(from, position - reach);
    to = tess_min_int(to, position + reach);
    if (from > to)
        return TESS_OK;
    int target = tess_rng_int(&repair->rng, from, to);
    return target == position || target == position + 1
               ? TESS_OK
               : tess_timeline_move(repair->timeline, position, target, error);
}
