/* Beam search: a good order of chains in a time that is known beforehand. */
#ifndef TESS_SCHEDULE_BEAM_H
#define TESS_SCHEDULE_BEAM_H

#include "schedule/chains.h"

struct tess_beam {
    const struct tess_chains *chains; /* borrowed */
    int width;                        /* states kept per step */
    int64_t upper_bytes;              /* only orders below are of interest */
    int64_t floor_bytes;              /* no order is below; ends when it is reached */
    int64_t memory_bytes;
    double deadline_us; /* base/clock.h */
};

/* Fills chain_order_out [n_chains] if an order with a peak below upper_bytes is found. Step by
 * step, from each kept state each ready chain and the safe moves after it; those with the lowest
 * peak so far, then the fewest bytes alive, are kept. TESS_E_NOMEM.
 * Cost: O(steps * width * ready chains). */
enum tess_status tess_beam_search(const struct tess_beam *beam, int *chain_order_out,
                                  bool *is_found_out, struct tess_error *error);

#endif
