/* States that a search has found, as a tree of the moves that lead to them, and a frontier that
 * walks between them.
 *
 * A state is a set of chains that are done. It holds only what was done since its parent; the
 * frontier goes to a state by taking back and doing moves over the nearest common ancestor, so
 * that neighbours cost little. Two states are held to be the same if 128 random bits per chain,
 * xor-ed over the set, agree.
 */
#ifndef TESS_SCHEDULE_STATE_TREE_H
#define TESS_SCHEDULE_STATE_TREE_H

#include "schedule/frontier.h"

struct tess_state {
    uint64_t key[2];
    int64_t most;  /* bytes alive at one moment on the way here from the root */
    int64_t bytes; /* alive here */
    int parent, level;
    int first_move, n_moves; /* since the parent */
    int n_done;              /* since the root */
};

struct tess_state_tree {
    struct tess_frontier *frontier; /* borrowed */
    int64_t limit_bytes;            /* of memory for all below */
    uint64_t (*keys)[2];            /* [n_chains] */
    struct tess_state *states;
    int *moves;
    int n_states, n_moves, state_capacity, move_capacity;
    int *table; /* [table_capacity] states by key; -1: none */
    int table_capacity, table_allocated, n_in_table;
    int first_in_table; /* states before it are not looked up any more */
    int at;             /* state where the frontier is */
    int *path;          /* [n_chains + 1] states from the root to `at`, by level */
    int *scratch;       /* [n_chains + 1] */
};

enum tess_state_fate { TESS_STATE_ADDED, TESS_STATE_KNOWN, TESS_STATE_NO_ROOM };

/* The root is where the frontier is now. TESS_E_NOMEM; the caller releases in every case. */
enum tess_status tess_state_tree_init(struct tess_state_tree *tree,
                                      struct tess_frontier *frontier, int64_t limit_bytes,
                                      struct tess_error *error);
void tess_state_tree_release(struct tess_state_tree *tree); /* accepts zeroed and NULL */

/* Forgets all states; the frontier, which the caller may have moved, is the root again. */
void tess_state_tree_clear(struct tess_state_tree *tree);

/* Moves the frontier. */
void tess_state_tree_go(struct tess_state_tree *tree, int state);

/* Adds the state where the frontier is, `n_moves` moves beyond state `at`; the frontier stays.
 * A state that is known with no larger `most` is not added again; one with a larger is replaced
 * in the table, so that tess_state_tree_is_best is false for it from then on. Takes back the
 * moves. */
enum tess_state_fate tess_state_tree_add(struct tess_state_tree *tree, const int *moves,
                                         int n_moves, int64_t most, int *state_out);

/* Is it still the way to its set with the lowest `most`? */
bool tess_state_tree_is_best(const struct tess_state_tree *tree, int state);

/* Writes the moves from the root to the state; returns how many. */
int tess_state_tree_moves(const struct tess_state_tree *tree, int state, int *moves_out);

/* Keeps of the states from `first` on those in kept [n_kept], rising, and numbers them from `first`
 * on; empties the table. For beams, where nobody points to the others. */
void tess_state_tree_keep(struct tess_state_tree *tree, int first, const int *kept,
                          int n_kept);

#endif
