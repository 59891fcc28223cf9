/* Problem: order chains so that the most bytes alive at one moment are the fewest.
 *
 * Method: a state is a set of chains that have run, closed under "needs". An order is a path of
 * states from none to all; its peak is the most on the way. Best-first search from the state I0
 * that is settled, by (most on the way, bytes alive), each set once, with three rules that rest on
 *     alive(A or B) + alive(A and B) <= alive(A) + alive(B)                                (1)
 * (a task being two steps, one that makes and one that frees):
 *   Safe move. A ready chain after which no more is alive, and whose peak is no more than the way
 *   here or than the floor, is run at once, no other choice looked at: any way on can be had with
 *   it done first, by (1) at no point with more.                                             (2)
 *   Valley. A state C that was reached with bytes alive at most those of I0: let D be a state
 *   between I0 and C with the fewest of all (a minimum cut, the largest of them). Every way on can
 *   pass through D: it is settled, all other states are dropped. The way to D is the way to C
 *   without what is not in D. Settling C itself would be wrong: safe moves may have run past D.
 *   The same holds for any state in the place of I0, if the way from it to C raises neither the
 *   most on the way nor the floor: it has one follower then, D. Looked for are C that one chain and
 *   safe moves after it lead to.                                                            (3)
 *   Floor. The state taken is one with the least most; if that is above the floor, no order is
 *   below it, and the floor rises.                                                           (4)
 * The same from the other end, of what has not run yet. One side searches until it settles or has
 * expanded its limit of states; then the other; when neither settles, the limits grow.
 *
 * Invariant: some best order passes all settled states. A floor that was raised holds for all.
 *
 * Cost: per expansion O(moves on the way to it from the last + ready chains * their tensors).
 *
 * Worked example: two branches a -> b, c -> d of sizes a 10, b 1, c 9, d 2, joined by e (1); the
 * floor is 11, what b holds in any case. From {}: a, then b is safe (it peaks at 11): {a b}, 1
 * alive; c, then d: {c d}, 2 alive. Neither is a valley of {}, both have 11. From {a b}: c is 10
 * alive, d would peak at 12. From {c d}: a is 12 alive. All that is left has 12 at least: the floor
 * becomes 12, and {a b c d} is reached by a b c d with 12.
 *
 * Not done: states are not compared by what they can still reach; symmetric branches are tried in
 * all orders until a valley is found.
 *
 * Reference: Jin et al., "New Tools for Peak Memory Scheduling", arXiv 2312.13526 (dominant
 * schedules); the rules and their proofs for tasks that overwrite are our own.
 */
#include "schedule/lattice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "schedule/cut.h"
#include "schedule/state_tree.h"

struct entry {
    int64_t most, bytes;
    int n_done, state;
};

/* One end of what is not settled. */
struct side {
    struct tess_frontier frontier;
    struct tess_state_tree tree;
    int *settled; /* [n_chains] moves, from this end */
    int n_settled;
};

struct search {
    struct tess_lattice *lattice;
    struct side sides[2]; /* from the beginning, from the end */
    int n_free;           /* chains not settled */
    struct tess_cut cut;
    struct entry *heap;
    int n_heap, heap_capacity;
    int *moves;   /* [n_chains] */
    bool is_full; /* the last side searched had no room for more states */
};

enum outcome { SETTLED, RAISED_TO_UPPER, AT_LIMIT };

/* Of memory_bytes a quarter is for the heap, the rest for the states of the sides. */
static int64_t heap_bytes(const struct tess_lattice *lattice)
{
    return lattice->memory_bytes / 4;
}

static bool is_before(const struct entry *a, const struct entry *b)
{
    if (a->most != b->most)
        return a->most < b->most;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes;
    if (a->n_done != b->n_done)
        return a->n_done < b->n_done;
    return a->state < b->state;
}

static bool push(struct search *search, const struct entry *entry)
{
    if (search->n_heap == search->heap_capacity) {
        int capacity = search->heap_capacity ? 2 * search->heap_capacity : 256;
        /* While it grows both are there. */
        if ((int64_t)sizeof *search->heap * (capacity + search->heap_capacity) >
            heap_bytes(search->lattice))
            return false;
        struct entry *heap = realloc(search->heap, sizeof *heap * (size_t)capacity);
        if (!heap)
            return false;
        search->heap = heap;
        search->heap_capacity = capacity;
    }
    int at = search->n_heap++;
    for (; at > 0 && is_before(entry, &search->heap[(at - 1) / 2]); at = (at - 1) / 2)
        search->heap[at] = search->heap[(at - 1) / 2];
    search->heap[at] = *entry;
    return true;
}

static struct entry pop(struct search *search)
{
    struct entry top = search->heap[0], last = search->heap[--search->n_heap];
    int at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child + 1 < search->n_heap &&
            is_before(&search->heap[child + 1], &search->heap[child]))
            child++;
        if (child >= search->n_heap || !is_before(&search->heap[child], &last))
            break;
        search->heap[at] = search->heap[child];
        at = child;
    }
    search->heap[at] = last;
    return top;
}

/* Does the moves for good, and keeps them from the other side. */
static void settle(struct search *search, int side_id, const int *moves, int n_moves)
{
    struct side *side = &search->sides[side_id], *other = &search->sides[!side_id];
    for (int i = 0; i < n_moves; i++) {
        tess_frontier_run(&side->frontier, moves[i]);
        tess_frontier_bar(&other->frontier, moves[i]);
        side->settled[side->n_settled++] = moves[i];
    }
    search->n_free -= n_moves;
    tess_state_tree_clear(&side->tree);
    tess_state_tree_clear(&other->tree);
}

/* Drops from the moves to a valley what is not in the fewest of the states on the way (3). */
static enum tess_status trim_to_fewest(struct search *search, int side_id, int *n_moves,
                                       struct tess_error *error)
{
    struct tess_cut *cut = &search->cut;
    const bool *is_done = search->sides[side_id].frontier.is_done;
    enum tess_side done = side_id == 0 ? TESS_SIDE_RUN : TESS_SIDE_WAITS;
    enum tess_side open = side_id == 0 ? TESS_SIDE_WAITS : TESS_SIDE_RUN;
    for (int i = 0; i < cut->chains->n_chains; i++)
        cut->side[i] = (signed char)(is_done[i] ? done : open);
    for (int i = 0; i < *n_moves; i++)
        cut->side[search->moves[i]] = TESS_SIDE_FREE;
    int64_t bytes;
    enum tess_status status = tess_cut_find(cut, INT64_MAX, &bytes, error);
    if (status != TESS_OK)
        return status;
    tess_cut_decide(cut, side_id == 0);
    int n_kept = 0;
    for (int i = 0; i < *n_moves; i++)
        if (cut->side[search->moves[i]] == (signed char)done)
            search->moves[n_kept++] = search->moves[i];
    assert(n_kept > 0);
    *n_moves = n_kept;
    return TESS_OK;
}

/* Adds the state where the frontier is, search->moves beyond the one before; takes the moves back.
 * False without room. */
static bool add_state(struct search *search, struct side *side, int n_moves, int64_t most)
{
    int state;
    enum tess_state_fate fate =
        tess_state_tree_add(&side->tree, search->moves, n_moves, most, &state);
    if (fate != TESS_STATE_ADDED)
        return fate == TESS_STATE_KNOWN;
    const struct tess_state *added = &side->tree.states[state];
    struct entry entry = {tess_max_i64(most, search->lattice->floor_bytes), added->bytes,
                          added->n_done, state};
    return push(search, &entry);
}

/* Does a ready chain and all safe moves after it, notes them in search->moves; how many. */
static int run_on(struct search *search, struct side *side, int chain,
                  int64_t *most_inout)
{
    int n_moves = 0;
    search->moves[n_moves++] = chain;
    *most_inout = tess_max_i64(*most_inout, tess_frontier_run(&side->frontier, chain));
    if (!search->lattice->without_safe)
        tess_frontier_run_safe(&side->frontier, search->lattice->floor_bytes, most_inout,
                               search->moves, &n_moves);
    return n_moves;
}

/* Is there a ready chain which leads, by safe moves and below `allowed`, to no more bytes than
 * are alive here? search->moves [*n_moves_out] then leads there. */
static bool find_valley(struct search *search, struct side *side, const int *ready,
                        int n_ready, int64_t allowed, int *n_moves_out)
{
    struct tess_frontier *frontier = &side->frontier;
    int64_t bytes_here = frontier->live.bytes, after;
    for (int i = 0; i < n_ready; i++) {
        int64_t most = tess_frontier_probe(frontier, ready[i], &after);
        if (most > allowed)
            continue;
        *n_moves_out = run_on(search, side, ready[i], &most);
        bool is_valley = frontier->live.bytes <= bytes_here;
        for (int k = *n_moves_out - 1; k >= 0; k--)
            tess_frontier_back(frontier, search->moves[k]);
        if (is_valley)
            return true;
    }
    return false;
}

/* Adds what each ready chain, and safe moves after it, lead to; or, if one of them is a valley of
 * this state, only that (3). */
static enum tess_status expand(struct search *search, int side_id, int64_t most_here,
                               struct tess_error *error)
{
    struct side *side = &search->sides[side_id];
    struct tess_lattice *lattice = search->lattice;
    struct tess_frontier *frontier = &side->frontier;
    int64_t allowed = tess_max_i64(most_here, lattice->floor_bytes), after;
    int n_ready = frontier->n_ready, n_moves;
    int *ready = side->settled + side->n_settled; /* free room: chains not settled */
    memcpy(ready, frontier->ready, sizeof *ready * (size_t)n_ready);
    if (!lattice->without_valleys &&
        find_valley(search, side, ready, n_ready, allowed, &n_moves)) {
        enum tess_status status = trim_to_fewest(search, side_id, &n_moves, error);
        int64_t most = most_here;
        for (int k = 0; k < n_moves && status == TESS_OK; k++)
            most = tess_max_i64(most, tess_frontier_run(frontier, search->moves[k]));
        assert(most <= allowed || status != TESS_OK);
        search->is_full = status == TESS_OK && !add_state(search, side, n_moves, most);
        return status;
    }
    for (int i = 0; i < n_ready && !search->is_full; i++) {
        int64_t most = tess_frontier_probe(frontier, ready[i], &after);
        if (tess_max_i64(most, most_here) >= lattice->upper_bytes)
            continue;
        most = most_here;
        n_moves = run_on(search, side, ready[i], &most);
        search->is_full = !add_state(search, side, n_moves, most);
    }
    return TESS_OK;
}

/* Searches from one side until something is settled (which may be the rest). */
static enum tess_status search_side(struct search *search, int side_id, int64_t limit,
                                    enum outcome *outcome_out, struct tess_error *error)
{
    struct tess_lattice *lattice = search->lattice;
    struct side *side = &search->sides[side_id];
    struct tess_state_tree *tree = &side->tree;
    int64_t n_expanded = 0, start_bytes = side->frontier.live.bytes;
    tess_state_tree_clear(tree);
    search->n_heap = 0;
    search->is_full = false;
    if (!push(search, &(struct entry){tess_max_i64(start_bytes, lattice->floor_bytes),
                                      start_bytes, 0, 0})) {
        search->is_full = true;
        *outcome_out = AT_LIMIT;
        return TESS_OK;
    }
    while (search->n_heap > 0) {
        struct entry entry = pop(search);
        if (!tess_state_tree_is_best(tree, entry.state))
            continue;
        if (entry.most >= lattice->upper_bytes)
            break;
        lattice->floor_bytes = tess_max_i64(lattice->floor_bytes, entry.most); /* (4) */
        bool is_end = entry.n_done == search->n_free;
        if (is_end || (entry.bytes <= start_bytes && entry.state != 0 &&
                       !lattice->without_valleys)) {
            int n_moves = tess_state_tree_moves(tree, entry.state, search->moves);
            tess_state_tree_go(tree, 0);
            enum tess_status status = TESS_OK;
            if (!is_end)
                status = trim_to_fewest(search, side_id, &n_moves, error);
            if (status == TESS_OK)
                settle(search, side_id, search->moves, n_moves);
            *outcome_out = SETTLED;
            return status;
        }
        bool is_late = tess_deadline_is_past(lattice->deadline_us);
        tess_state_tree_go(tree, entry.state);
        enum tess_status status = TESS_OK;
        if (!is_late && n_expanded < limit)
            status = expand(search, side_id, tree->states[entry.state].most, error);
        if (is_late || n_expanded == limit || search->is_full || status != TESS_OK) {
            tess_state_tree_go(tree, 0);
            *outcome_out = AT_LIMIT;
            return status;
        }
        n_expanded++;
        lattice->n_expanded++;
    }
    lattice->floor_bytes = lattice->upper_bytes;
    tess_state_tree_go(tree, 0);
    *outcome_out = RAISED_TO_UPPER;
    return TESS_OK;
}

/* Goes to the state at `begin` forwards, to that at `end` backwards, and bars what is beyond. */
static enum tess_status start_side(struct search *search, int side_id,
                                   const int *chain_order, int begin, int end,
                                   struct tess_error *error)
{
    struct side *side = &search->sides[side_id];
    const struct tess_chains *chains = search->lattice->chains;
    enum tess_status status =
        tess_frontier_init(&side->frontier, chains, side_id == 1, error);
    if (status != TESS_OK)
        return status;
    side->settled = malloc(sizeof *side->settled * (size_t)(2 * chains->n_chains + 1));
    if (!side->settled)
        return tess_error_nomem(error);
    for (int i = 0; i < begin; i++) {
        if (side_id == 0)
            tess_frontier_run(&side->frontier, chain_order[i]);
        else
            tess_frontier_bar(&side->frontier, chain_order[i]);
    }
    for (int i = chains->n_chains - 1; i >= end; i--) {
        if (side_id == 1)
            tess_frontier_run(&side->frontier, chain_order[i]);
        else
            tess_frontier_bar(&side->frontier, chain_order[i]);
    }
    return tess_state_tree_init(&side->tree, &side->frontier,
                                search->lattice->memory_bytes / 8 * 3, error);
}

static void release(struct search *search)
{
    for (int i = 0; i < 2; i++) {
        tess_frontier_release(&search->sides[i].frontier);
        tess_state_tree_release(&search->sides[i].tree);
        free(search->sides[i].settled);
    }
    tess_cut_release(&search->cut);
    free(search->heap);
    free(search->moves);
}

static enum tess_status search_both(struct search *search,
                                    enum tess_lattice_answer *answer_out,
                                    struct tess_error *error)
{
    struct tess_lattice *lattice = search->lattice;
    int64_t limit = lattice->limit_states;
    while (search->n_free > 0) {
        enum outcome outcome = AT_LIMIT;
        for (int side = 0; side < 2 && outcome == AT_LIMIT; side++) {
            enum tess_status status = search_side(search, side, limit, &outcome, error);
            if (status != TESS_OK)
                return status;
        }
        if (outcome == RAISED_TO_UPPER) {
            *answer_out = TESS_LATTICE_NONE;
            return TESS_OK;
        }
        if (outcome == AT_LIMIT &&
            (search->is_full || limit >= lattice->max_limit_states ||
             tess_deadline_is_past(lattice->deadline_us))) {
            *answer_out = TESS_LATTICE_GAVE_UP;
            return TESS_OK;
        }
        if (outcome == AT_LIMIT)
            limit *= 4;
    }
    *answer_out = TESS_LATTICE_FOUND;
    return TESS_OK;
}

enum tess_status tess_lattice_search(struct tess_lattice *lattice, int *chain_order,
                                     int begin, int end,
                                     enum tess_lattice_answer *answer_out,
                                     struct tess_error *error)
{
    struct search search = {.lattice = lattice, .n_free = end - begin};
    enum tess_status status = tess_cut_init(&search.cut, lattice->chains, error);
    search.moves = malloc(sizeof *search.moves * (size_t)(lattice->chains->n_chains + 1));
    if (status == TESS_OK && !search.moves)
        status = tess_error_nomem(error);
    for (int side = 0; side < 2 && status == TESS_OK; side++)
        status = start_side(&search, side, chain_order, begin, end, error);
    if (status == TESS_OK)
        status = search_both(&search, answer_out, error);
    if (status == TESS_OK && *answer_out == TESS_LATTICE_FOUND) {
        for (int i = 0; i < search.sides[0].n_settled; i++)
            chain_order[begin + i] = search.sides[0].settled[i];
        for (int i = 0; i < search.sides[1].n_settled; i++)
            chain_order[end - 1 - i] = search.sides[1].settled[i];
    }
    release(&search);
    return status;
}
