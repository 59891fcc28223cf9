#include "schedule/state_tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

enum { TABLE_START = 1024 };

enum tess_status tess_state_tree_init(struct tess_state_tree *tree,
                                      struct tess_frontier *frontier, int64_t limit_bytes,
                                      struct tess_error *error)
{
    size_t n = (size_t)frontier->chains->n_chains + 1;
    *tree = (struct tess_state_tree){.frontier = frontier, .limit_bytes = limit_bytes};
    tree->keys = malloc(n * sizeof *tree->keys);
    tree->path = malloc(n * sizeof *tree->path);
    tree->scratch = malloc(n * sizeof *tree->scratch);
    tree->table = malloc(TABLE_START * sizeof *tree->table);
    tree->table_allocated = TABLE_START;
    tree->states = malloc(sizeof *tree->states);
    tree->state_capacity = 1;
    if (!tree->keys || !tree->path || !tree->scratch || !tree->table || !tree->states)
        return tess_error_nomem(error);
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            tree->keys[i][k] = tess_rng_next(&rng);
    tess_state_tree_clear(tree);
    return TESS_OK;
}

void tess_state_tree_release(struct tess_state_tree *tree)
{
    if (!tree)
        return;
    free(tree->keys);
    free(tree->states);
    free(tree->moves);
    free(tree->table);
    free(tree->path);
    free(tree->scratch);
    *tree = (struct tess_state_tree){0};
}

static void empty_table(struct tess_state_tree *tree)
{
    memset(tree->table, 0xff, sizeof *tree->table * (size_t)tree->table_capacity);
    tree->n_in_table = 0;
}

/* Where the state with this key is in the table, or would be. */
static int find_slot(const struct tess_state_tree *tree, const uint64_t *key)
{
    int mask = tree->table_capacity - 1, slot = (int)(key[0] & (uint64_t)mask);
    while (tree->table[slot] >= 0) {
        const struct tess_state *state = &tree->states[tree->table[slot]];
        if (state->key[0] == key[0] && state->key[1] == key[1])
            break;
        slot = (slot + 1) & mask;
    }
    return slot;
}

void tess_state_tree_clear(struct tess_state_tree *tree)
{
    int64_t bytes = tree->frontier->live.bytes;
    tree->table_capacity = TABLE_START; /* a small table is soon emptied */
    empty_table(tree);
    tree->states[0] = (struct tess_state){.most = bytes, .bytes = bytes, .parent = -1};
    tree->n_states = 1;
    tree->n_moves = 0;
    tree->first_in_table = 0;
    tree->at = tree->path[0] = 0;
    tree->table[find_slot(tree, tree->states[0].key)] = 0;
    tree->n_in_table = 1;
}

static void take_back(struct tess_state_tree *tree, const struct tess_state *state)
{
    for (int k = state->n_moves - 1; k >= 0; k--)
        tess_frontier_back(tree->frontier, tree->moves[state->first_move + k]);
}

void tess_state_tree_go(struct tess_state_tree *tree, int target)
{
    int n_down = 0, common = target, level = tree->states[tree->at].level;
    while (tree->states[common].level > level ||
           tree->path[tree->states[common].level] != common) {
        tree->scratch[n_down++] = common;
        common = tree->states[common].parent;
    }
    for (; tree->at != common; tree->at = tree->states[tree->at].parent)
        take_back(tree, &tree->states[tree->at]);
    while (n_down > 0) {
        tree->at = tree->scratch[--n_down];
        const struct tess_state *state = &tree->states[tree->at];
        tree->path[state->level] = tree->at;
        for (int k = 0; k < state->n_moves; k++)
            tess_frontier_run(tree->frontier, tree->moves[state->first_move + k]);
    }
}

static int64_t held_bytes(const struct tess_state_tree *tree)
{
    return (int64_t)sizeof *tree->states * tree->state_capacity +
           (int64_t)sizeof *tree->moves * tree->move_capacity +
           (int64_t)sizeof *tree->table * tree->table_allocated;
}

/* Room for one state with `n_moves`; growth counts against the limit. */
static bool make_room(struct tess_state_tree *tree, int n_moves)
{
    if (tree->n_states == tree->state_capacity) {
        int capacity = 2 * tree->state_capacity;
        if (capacity < 64)
            capacity = 64;
        if (capacity > INT32_MAX / 4 ||
            held_bytes(tree) + (int64_t)sizeof *tree->states * capacity >
                tree->limit_bytes)
            return false;
        struct tess_state *states =
            realloc(tree->states, sizeof *states * (size_t)capacity);
        if (!states)
            return false;
        tree->states = states;
        tree->state_capacity = capacity;
    }
    if (tree->move_capacity - tree->n_moves < n_moves) {
        int64_t capacity = 2 * (int64_t)tree->move_capacity + n_moves + 64;
        if (capacity > INT32_MAX / 4 ||
            held_bytes(tree) + (int64_t)sizeof *tree->moves * capacity >
                tree->limit_bytes)
            return false;
        int *moves = realloc(tree->moves, sizeof *moves * (size_t)capacity);
        if (!moves)
            return false;
        tree->moves = moves;
        tree->move_capacity = (int)capacity;
    }
    return true;
}

/* Where two states are the same, the later one is the better. */
static void fill_table(struct tess_state_tree *tree)
{
    empty_table(tree);
    for (int i = tree->first_in_table; i < tree->n_states; i++) {
        int slot = find_slot(tree, tree->states[i].key);
        tree->n_in_table += tree->table[slot] < 0;
        tree->table[slot] = i;
    }
}

static bool grow_table(struct tess_state_tree *tree)
{
    if (3 * (int64_t)tree->n_in_table < 2 * (int64_t)tree->table_capacity)
        return true;
    int capacity = 2 * tree->table_capacity;
    if (capacity > tree->table_allocated) {
        int64_t bytes = (int64_t)sizeof *tree->table * capacity;
        if (capacity > INT32_MAX / 4 || held_bytes(tree) + bytes > tree->limit_bytes)
            return false;
        int *table = realloc(tree->table, (size_t)bytes);
        if (!table)
            return false;
        tree->table = table;
        tree->table_allocated = capacity;
    }
    tree->table_capacity = capacity;
    fill_table(tree);
    return true;
}

static void append(struct tess_state_tree *tree, const struct tess_state *state,
                   const int *moves, int slot)
{
    memcpy(tree->moves + tree->n_moves, moves, sizeof *moves * (size_t)state->n_moves);
    tree->n_moves += state->n_moves;
    tree->states[tree->n_states] = *state;
    tree->n_in_table += tree->table[slot] < 0;
    tree->table[slot] = tree->n_states++;
}

enum tess_state_fate tess_state_tree_add(struct tess_state_tree *tree, const int *moves,
                                         int n_moves, int64_t most, int *state_out)
{
    const struct tess_state *parent = &tree->states[tree->at];
    struct tess_state state = {{parent->key[0], parent->key[1]},
                               most,
                               tree->frontier->live.bytes,
                               tree->at,
                               parent->level + 1,
                               tree->n_moves,
                               n_moves,
                               parent->n_done + n_moves};
    for (int k = 0; k < n_moves; k++) {
        state.key[0] ^= tree->keys[moves[k]][0];
        state.key[1] ^= tree->keys[moves[k]][1];
    }
    for (int k = n_moves - 1; k >= 0; k--)
        tess_frontier_back(tree->frontier, moves[k]);
    int slot = find_slot(tree, state.key);
    if (tree->table[slot] >= 0 && tree->states[tree->table[slot]].most <= most)
        return TESS_STATE_KNOWN;
    if (!make_room(tree, n_moves) || !grow_table(tree))
        return TESS_STATE_NO_ROOM;
    *state_out = tree->n_states;
    append(tree, &state, moves, find_slot(tree, state.key));
    return TESS_STATE_ADDED;
}

bool tess_state_tree_is_best(const struct tess_state_tree *tree, int state)
{
    return tree->table[find_slot(tree, tree->states[state].key)] == state;
}

int tess_state_tree_moves(const struct tess_state_tree *tree, int state, int *moves_out)
{
    int n_done = tree->states[state].n_done, end = n_done;
    for (; state > 0; state = tree->states[state].parent) {
        const struct tess_state *from = &tree->states[state];
        end -= from->n_moves;
        memcpy(moves_out + end, tree->moves + from->first_move,
               sizeof *moves_out * (size_t)from->n_moves);
    }
    assert(end == 0);
    return n_done;
}

void tess_state_tree_keep(struct tess_state_tree *tree, int first, const int *kept,
                          int n_kept)
{
    assert(tree->at < first && first > 0);
    int n_moves = tree->states[first < tree->n_states ? first : 0].first_move;
    if (first == tree->n_states)
        n_moves = tree->n_moves;
    for (int i = 0; i < n_kept; i++) {
        struct tess_state *state = &tree->states[first + i];
        assert(kept[i] >= first + i);
        *state = tree->states[kept[i]];
        memmove(tree->moves + n_moves, tree->moves + state->first_move,
                sizeof *tree->moves * (size_t)state->n_moves);
        state->first_move = n_moves;
        n_moves += state->n_moves;
    }
    tree->n_states = first + n_kept;
    tree->n_moves = n_moves;
    tree->first_in_table = tree->n_states;
    empty_table(tree);
}
