/* Greedy orders of chains: quick upper bounds. */
#ifndef TESS_SCHEDULE_GREEDY_H
#define TESS_SCHEDULE_GREEDY_H

#include "schedule/chains.h"

enum tess_greedy_rule {
    TESS_GREEDY_FEWEST, /* fewest bytes alive after it, then the lower peak */
    TESS_GREEDY_LOWEST /* lowest peak, no matter below the peak so far, then fewest bytes */
};

/* Fills chain_order_out [n_chains]. `is_safe`: moves that cannot hurt come first. Ties: the lower
 * chain. TESS_E_NOMEM. Cost: O(n_chains * ready chains). */
enum tess_status tess_greedy_order(const struct tess_chains *chains,
                                   enum tess_greedy_rule rule, bool is_safe,
                                   int *chain_order_out, struct tess_error *error);

#endif
