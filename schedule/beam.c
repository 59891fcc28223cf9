#include "schedule/beam.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/deadline.h"
#include "schedule/state_tree.h"

struct candidate {
    int64_t most, bytes;
    int n_done, state;
};

struct run {
    const struct tess_beam *beam;
    struct tess_frontier frontier;
    struct tess_state_tree tree;
    int *moves, *ready; /* [n_chains] */
    int64_t best_bytes; /* peak of the order found; upper_bytes so far */
    int *order_out;
    bool is_full;
};

static void take_end(struct run *run, int n_moves, int64_t most)
{
    struct tess_state_tree *tree = &run->tree;
    int n_before = tess_state_tree_moves(tree, tree->at, run->order_out);
    assert(n_before + n_moves == run->beam->chains->n_chains);
    memcpy(run->order_out + n_before, run->moves, sizeof *run->moves * (size_t)n_moves);
    run->best_bytes = most;
}

/* Adds what follows the state where the frontier is. */
static void expand(struct run *run)
{
    struct tess_frontier *frontier = &run->frontier;
    int64_t most_here = run->tree.states[run->tree.at].most;
    int n_ready = frontier->n_ready, state;
    memcpy(run->ready, frontier->ready, sizeof *run->ready * (size_t)n_ready);
    for (int i = 0; i < n_ready && !run->is_full; i++) {
        int64_t after;
        int64_t most =
            tess_max_i64(most_here, tess_frontier_probe(frontier, run->ready[i], &after));
        if (most >= run->best_bytes)
            continue;
        int n_moves = 0;
        tess_frontier_run(frontier, run->ready[i]);
        run->moves[n_moves++] = run->ready[i];
        tess_frontier_run_safe(frontier, run->beam->floor_bytes, &most, run->moves,
                               &n_moves);
        if (frontier->n_ready == 0)
            take_end(run, n_moves, most);
        run->is_full = tess_state_tree_add(&run->tree, run->moves, n_moves, most,
                                           &state) == TESS_STATE_NO_ROOM;
    }
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->most != y->most)
        return x->most < y->most ? -1 : 1;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? -1 : 1;
    if (x->n_done != y->n_done)
        return x->n_done > y->n_done ? -1 : 1;
    return x->state - y->state;
}

static int compare_ints(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Chooses from the states from `first` on; the tree keeps these. Returns how many. */
static enum tess_status keep_best(struct run *run, int first, int *n_kept_out,
                                  struct tess_error *error)
{
    struct tess_state_tree *tree = &run->tree;
    size_t n_new = (size_t)(tree->n_states - first);
    struct candidate *candidates = malloc(sizeof *candidates * (n_new + 1));
    int *kept = malloc(sizeof *kept * (n_new + 1)), n_candidates = 0;
    if (!candidates || !kept) {
        free(candidates);
        free(kept);
        return tess_error_nomem(error);
    }
    for (int i = first; i < tree->n_states; i++) {
        const struct tess_state *state = &tree->states[i];
        if (state->most < run->best_bytes && tess_state_tree_is_best(tree, i))
            candidates[n_candidates++] =
                (struct candidate){state->most, state->bytes, state->n_done, i};
    }
    qsort(candidates, (size_t)n_candidates, sizeof *candidates, compare_candidates);
    *n_kept_out = tess_min_int(n_candidates, run->beam->width);
    for (int i = 0; i < *n_kept_out; i++)
        kept[i] = candidates[i].state;
    qsort(kept, (size_t)*n_kept_out, sizeof *kept, compare_ints);
    tess_state_tree_keep(tree, first, kept, *n_kept_out);
    free(candidates);
    free(kept);
    return TESS_OK;
}

static enum tess_status start(struct run *run, struct tess_error *error)
{
    size_t n = (size_t)run->beam->chains->n_chains + 1;
    run->moves = malloc(sizeof *run->moves * n);
    run->ready = malloc(sizeof *run->ready * n);
    if (!run->moves || !run->ready)
        return tess_error_nomem(error);
    enum tess_status status =
        tess_frontier_init(&run->frontier, run->beam->chains, false, error);
    if (status != TESS_OK)
        return status;
    /* The other half is for those to choose from. */
    return tess_state_tree_init(&run->tree, &run->frontier, run->beam->memory_bytes / 2,
                                error);
}

enum tess_status tess_beam_search(const struct tess_beam *beam, int *chain_order_out,
                                  bool *is_found_out, struct tess_error *error)
{
    struct run run = {
        .beam = beam, .best_bytes = beam->upper_bytes, .order_out = chain_order_out};
    enum tess_status status = start(&run, error);
    int first = 0, n_kept = 1;
    while (status == TESS_OK && n_kept > 0 && !run.is_full &&
           run.best_bytes > beam->floor_bytes &&
           !tess_deadline_is_past(beam->deadline_us)) {
        int next = run.tree.n_states;
        for (int i = 0; i < n_kept && !run.is_full; i++) {
            tess_state_tree_go(&run.tree, first + i);
            expand(&run);
        }
        status = keep_best(&run, next, &n_kept, error);
        first = next;
    }
    if (status == TESS_OK)
        *is_found_out = run.best_bytes < beam->upper_bytes;
    tess_frontier_release(&run.frontier);
    tess_state_tree_release(&run.tree);
    free(run.moves);
    free(run.ready);
    return status;
}
