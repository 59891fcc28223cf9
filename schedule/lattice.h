/* Exact search: an order of chains with the least peak, or the proof that none is below a given
 * one. The method and its proofs are in lattice.c.
 */
#ifndef TESS_SCHEDULE_LATTICE_H
#define TESS_SCHEDULE_LATTICE_H

#include "schedule/chains.h"

/* What to search, and what it cost. */
struct tess_lattice {
    const struct tess_chains *chains; /* borrowed */
    int64_t
        floor_bytes; /* in: no order of interest is below; out: raised as far as proven */
    int64_t upper_bytes; /* only orders below this are of interest */
    int64_t
        limit_states; /* expanded from one side before the other is tried; doubled.. */
    int64_t max_limit_states; /* ..up to this, where the search gives up */
    int64_t memory_bytes;     /* for the states of both sides */
    double deadline_us;       /* base/clock.h */
    bool without_safe, without_valleys;
    int64_t n_expanded; /* out: added to */
};

enum tess_lattice_answer {
    TESS_LATTICE_FOUND,  /* an order whose peak is at most floor_bytes, as it is now */
    TESS_LATTICE_NONE,   /* there is none below upper_bytes */
    TESS_LATTICE_GAVE_UP /* floor_bytes is what could be proven */
};

/* Looks for a better order of the chains at [begin, end) of chain_order [n_chains], a valid order;
 * the rest stays. On TESS_LATTICE_FOUND it is put there. TESS_E_NOMEM. */
enum tess_status tess_lattice_search(struct tess_lattice *lattice, int *chain_order,
                                     int begin, int end,
                                     enum tess_lattice_answer *answer_out,
                                     struct tess_error *error);

#endif
