/* The state with the fewest bytes alive, of all states between two.
 *
 * A state is a set of chains that have run, closed under "needs". What is alive in it is a
 * submodular function of the set, so the least over all states that contain some chains and lack
 * others is a minimum cut: cut.c says of what. Everything that proves something rests on it.
 */
#ifndef TESS_SCHEDULE_CUT_H
#define TESS_SCHEDULE_CUT_H

#include "schedule/chains.h"
#include "schedule/flow.h"

enum tess_side {
    TESS_SIDE_FREE, /* to be decided */
    TESS_SIDE_RUN,  /* has run, and so has all that it needs */
    TESS_SIDE_WAITS /* has not, and nothing that needs it has */
};

struct tess_cut {
    const struct tess_chains *chains; /* borrowed */
    int *first_maker, *first_ender;   /* [n_tensors + 1] into `lists` */
    int *lists;   /* chains that write a tensor; chains after all of which it is dead */
    int *node_of; /* [n_chains] of the network, where it is free */
    int *stack;   /* [n_chains] */
    signed char *side; /* [n_chains] tess_side: what is asked, then what was found */
    struct tess_flow flow;
};

/* TESS_E_NOMEM; the caller releases in every case. Cost: O(size). */
enum tess_status tess_cut_init(struct tess_cut *cut, const struct tess_chains *chains,
                               struct tess_error *error);
void tess_cut_release(struct tess_cut *cut); /* accepts zeroed memory and NULL */

/* Makes all sides free. */
void tess_cut_free_all(struct tess_cut *cut);

/* Sets the side of a chain, and of all that it needs (TESS_SIDE_RUN) or that needs it
 * (TESS_SIDE_WAITS). Contradictions are the caller's mistake. */
void tess_cut_set(struct tess_cut *cut, int chain, enum tess_side side);

/* The fewest bytes alive in a state with the sides that are set, or some number >= `enough` if
 * that is not below `enough`; *bytes_out. TESS_E_NOMEM. Cost: one maximum flow on what is free.
 */
enum tess_status tess_cut_find(struct tess_cut *cut, int64_t enough, int64_t *bytes_out,
                               struct tess_error *error);

/* After tess_cut_find without `enough` (INT64_MAX): decides the free chains; the state found is
 * the largest, or the smallest, of those with the fewest bytes. */
void tess_cut_decide(struct tess_cut *cut, bool is_largest);

#endif
