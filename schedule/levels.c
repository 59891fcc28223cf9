/* Problem: the order of a segment of tasks with the least peak.
 *
 * Method: a state is a set of tasks of the segment, closed under "needs". What is alive after it
 * does not depend on the order inside it, so of all orders of a set the one with the lowest peak
 * is as good as any: best[S + v] = min over v of max(best[S], peak of v after S).          (1)
 * Level k holds all sets of k tasks; only the last two are held whole, of the others the task that
 * led to each state and the state it came from.
 *
 * Invariant: best[S] is the least peak over all orders of S that keep within the budget.
 *
 * Cost: as many states as there are such sets, up to 2^n.
 *
 * Worked example: a and b free, c needs both. Levels {}; {a} {b}; {a b} with the better of
 * "a, b" and "b, a"; {a b c}.
 *
 * Reference: Ahn et al., "Ordering chaos: memory-aware scheduling of irregularly wired neural
 * networks for edge devices" (SERENITY), MLSys 2020, algorithm 1.
 */
#include "schedule/levels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "base/hash.h"
#include "schedule/frontier.h"

/* How a state was reached; kept for all levels. */
struct origin {
    int parent; /* on the level before */
    int task;   /* within the segment */
};

struct level {
    uint64_t *sets; /* [capacity][n_words] */
    int64_t *most;  /* [capacity] */
    int n_states, capacity;
};

struct solver {
    struct tess_levels *levels;
    struct tess_frontier frontier;
    int n_words, n_tasks; /* of the segment */
    uint64_t *at;         /* [n_words] the set where the frontier is */
    int *place;           /* [all tasks] within the segment */
    struct level now, next;
    struct origin **origins; /* [n_tasks + 1] per level */
    int *table;              /* [table_capacity] states of `next` */
    int table_capacity;
    int64_t held_bytes; /* of origins */
};

static void release_level(struct level *level)
{
    free(level->sets);
    free(level->most);
}

/* Room for one more state on the next level, whose origins are `*origins`. */
static bool make_room(struct solver *solver, struct origin **origins)
{
    struct level *next = &solver->next;
    if (next->n_states < next->capacity)
        return true;
    int capacity = next->capacity ? 2 * next->capacity : 64;
    size_t n = (size_t)capacity, set_bytes = sizeof(uint64_t) * (size_t)solver->n_words;
    int64_t now = (int64_t)(set_bytes + sizeof(int64_t)) * solver->now.capacity;
    int64_t more = (int64_t)(n * (set_bytes + sizeof(int64_t) + sizeof(struct origin)));
    more += more / 2; /* while it grows the old half is there, too */
    int64_t table = 3 * (int64_t)sizeof *solver->table * capacity;
    if (solver->held_bytes + now + more + table > solver->levels->memory_bytes ||
        capacity > INT32_MAX / 4)
        return false;
    uint64_t *sets = realloc(next->sets, n * set_bytes);
    next->sets = sets ? sets : next->sets;
    int64_t *most = realloc(next->most, n * sizeof *most);
    next->most = most ? most : next->most;
    struct origin *grown = realloc(*origins, n * sizeof *grown);
    *origins = grown ? grown : *origins;
    if (!sets || !most || !grown)
        return false;
    next->capacity = capacity;
    return true;
}

static uint64_t *set_of(const struct solver *solver, const struct level *level, int state)
{
    return level->sets + (size_t)solver->n_words * (size_t)state;
}

static int find_slot(const struct solver *solver, const uint64_t *set)
{
    uint64_t hash = TESS_HASH_START;
    for (int i = 0; i < solver->n_words; i++) {
        hash = (hash ^ set[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    int mask = solver->table_capacity - 1, slot = (int)(hash & (uint64_t)mask);
    while (solver->table[slot] >= 0 &&
           memcmp(set_of(solver, &solver->next, solver->table[slot]), set,
                  sizeof *set * (size_t)solver->n_words) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow_table(struct solver *solver)
{
    if (3 * (int64_t)solver->next.n_states < 2 * (int64_t)solver->table_capacity)
        return true;
    int capacity = 2 * solver->table_capacity;
    int *table = realloc(solver->table, sizeof *table * (size_t)capacity);
    if (!table)
        return false;
    solver->table = table;
    solver->table_capacity = capacity;
    memset(table, 0xff, sizeof *table * (size_t)capacity);
    for (int i = 0; i < solver->next.n_states; i++)
        table[find_slot(solver, set_of(solver, &solver->next, i))] = i;
    return true;
}

/* Moves the frontier: first back what is too much, last task first, then on. */
static void go(struct solver *solver, const uint64_t *set)
{
    const int *order = solver->levels->order + solver->levels->begin;
    for (int i = solver->n_words - 1; i >= 0; i--)
        for (uint64_t much = solver->at[i] & ~set[i]; much;) {
            int bit = 63 - __builtin_clzll(much);
            tess_frontier_back(&solver->frontier, order[64 * i + bit]);
            much &= ~(UINT64_C(1) << bit);
        }
    for (int i = 0; i < solver->n_words; i++)
        for (uint64_t few = set[i] & ~solver->at[i]; few; few &= few - 1)
            tess_frontier_run(&solver->frontier, order[64 * i + __builtin_ctzll(few)]);
    memcpy(solver->at, set, sizeof *set * (size_t)solver->n_words);
}

/* Adds the state where the frontier is, and one task more, or betters it (1). `set` is scratch
 * that holds it. False without room. */
static bool add(struct solver *solver, const uint64_t *set, int64_t most,
                struct origin origin, struct origin **origins)
{
    int slot = find_slot(solver, set), state = solver->table[slot];
    if (state >= 0) {
        if (most < solver->next.most[state]) {
            solver->next.most[state] = most;
            (*origins)[state] = origin;
        }
        return true;
    }
    if (!make_room(solver, origins))
        return false;
    state = solver->next.n_states++;
    memcpy(set_of(solver, &solver->next, state), set,
           sizeof *set * (size_t)solver->n_words);
    solver->next.most[state] = most;
    (*origins)[state] = origin;
    solver->table[slot] = state;
    return grow_table(solver);
}

/* Fills the next level from this one. */
static enum tess_levels_answer fill_next(struct solver *solver, struct origin **origins)
{
    struct tess_levels *levels = solver->levels;
    memset(solver->table, 0xff, sizeof *solver->table * (size_t)solver->table_capacity);
    solver->next.n_states = 0;
    for (int i = 0; i < solver->now.n_states; i++) {
        uint64_t *set = set_of(solver, &solver->now, i);
        go(solver, set);
        for (int k = 0; k < solver->frontier.n_ready; k++) {
            int task = solver->frontier.ready[k], place = solver->place[task];
            int64_t after;
            int64_t most = tess_frontier_probe(&solver->frontier, task, &after);
            most = tess_max_i64(most, solver->now.most[i]);
            if (most > levels->budget_bytes)
                continue;
            set[place >> 6] |= UINT64_C(1) << (place & 63);
            bool is_added = add(solver, set, most, (struct origin){i, place}, origins);
            set[place >> 6] &= ~(UINT64_C(1) << (place & 63));
            if (!is_added)
                return TESS_LEVELS_NO_ROOM;
        }
        if (solver->next.n_states > levels->limit_states)
            return TESS_LEVELS_TOO_MANY;
        if (i % 256 == 255 && tess_deadline_is_past(levels->deadline_us))
            return TESS_LEVELS_NO_ROOM;
    }
    levels->n_states += solver->next.n_states;
    return solver->next.n_states ? TESS_LEVELS_SOLVED : TESS_LEVELS_NONE;
}

static enum tess_levels_answer solve(struct solver *solver)
{
    for (int level = 0; level < solver->n_tasks; level++) {
        struct origin **origins = &solver->origins[level + 1];
        solver->next.capacity = 0; /* the origins are new */
        enum tess_levels_answer answer = fill_next(solver, origins);
        if (answer != TESS_LEVELS_SOLVED)
            return answer;
        size_t bytes = sizeof **origins * (size_t)solver->next.n_states;
        struct origin *trimmed = realloc(*origins, bytes);
        *origins = trimmed ? trimmed : *origins;
        solver->held_bytes += (int64_t)bytes;
        struct level now = solver->now;
        solver->now = solver->next;
        solver->next = now;
    }
    return TESS_LEVELS_SOLVED;
}

static enum tess_status start(struct solver *solver, struct tess_error *error)
{
    const struct tess_levels *levels = solver->levels;
    int n_all = levels->singles->n_chains;
    size_t n = (size_t)solver->n_tasks + 1;
    solver->table_capacity = 1024;
    solver->table = malloc(sizeof *solver->table * 1024);
    solver->place = malloc(sizeof *solver->place * (size_t)(n_all + 1));
    solver->at = calloc((size_t)solver->n_words, sizeof *solver->at);
    solver->origins = calloc(n, sizeof(struct origin *));
    solver->now.sets = calloc((size_t)solver->n_words, sizeof *solver->now.sets);
    solver->now.most = calloc(1, sizeof *solver->now.most);
    if (!solver->table || !solver->place || !solver->at || !solver->origins ||
        !solver->now.sets || !solver->now.most)
        return tess_error_nomem(error);
    solver->now.n_states = solver->now.capacity = 1;
    enum tess_status status =
        tess_frontier_init(&solver->frontier, levels->singles, false, error);
    if (status != TESS_OK)
        return status;
    for (int i = 0; i < n_all; i++)
        solver->place[levels->order[i]] = i - levels->begin;
    for (int i = 0; i < levels->begin; i++)
        tess_frontier_run(&solver->frontier, levels->order[i]);
    for (int i = levels->end; i < n_all; i++)
        tess_frontier_bar(&solver->frontier, levels->order[i]);
    solver->now.most[0] = solver->frontier.live.bytes;
    return TESS_OK;
}

enum tess_status tess_levels_solve(struct tess_levels *levels, int *segment_out,
                                   int64_t *peak_out, enum tess_levels_answer *answer_out,
                                   struct tess_error *error)
{
    assert(levels->begin < levels->end);
    int n_tasks = levels->end - levels->begin;
    struct solver solver = {
        .levels = levels, .n_tasks = n_tasks, .n_words = (n_tasks + 63) / 64};
    enum tess_status status = start(&solver, error);
    if (status == TESS_OK) {
        *answer_out =
            solver.now.most[0] > levels->budget_bytes ? TESS_LEVELS_NONE : solve(&solver);
        if (*answer_out == TESS_LEVELS_SOLVED) {
            assert(solver.now.n_states == 1);
            *peak_out = solver.now.most[0];
            for (int level = n_tasks, state = 0; level > 0; level--) {
                struct origin origin = solver.origins[level][state];
                segment_out[level - 1] = levels->order[levels->begin + origin.task];
                state = origin.parent;
            }
        }
    }
    for (int i = 0; solver.origins && i <= n_tasks; i++)
        free(solver.origins[i]);
    free(solver.origins);
    free(solver.table);
    free(solver.place);
    free(solver.at);
    release_level(&solver.now);
    release_level(&solver.next);
    tess_frontier_release(&solver.frontier);
    return status;
}
