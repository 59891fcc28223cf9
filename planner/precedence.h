/* Which chain must run before which: what the tensors ask for, and what a limit of bytes does.
 *
 * If all orders within a limit run one chain before another, that is as good as a tensor between
 * them: searches that look for orders within the limit may take it as given.
 */
#ifndef TESS_PLANNER_PRECEDENCE_H
#define TESS_PLANNER_PRECEDENCE_H

#include "schedule/chains.h"

struct tess_precedence {
    struct tess_chains
        chains;       /* the chains with all that is known before and after them */
    uint64_t *after;  /* [n][n_words] bits of the chains that must run after the row's */
    uint64_t *before; /* [n][n_words] before it; both are transitive */
    int n_words;
};

/* What the tensors ask for. `chains` must outlive it. TESS_E_NOMEM; the caller releases in every
 * case. Cost: O(n * edges * n / 64), n^2 / 4 bytes. */
enum tess_status tess_precedence_init(struct tess_precedence *precedence,
                                      const struct tess_chains *chains,
                                      struct tess_error *error);
void tess_precedence_release(
    struct tess_precedence *precedence); /* zeroed or NULL, too */

bool tess_precedence_is_before(const struct tess_precedence *precedence, int chain_a,
                               int chain_b);

/* How many chains must run before, or after, this one. */
int tess_precedence_count(const struct tess_precedence *precedence, int chain,
                          bool is_after);

/* Adds what every order has whose peak is at most `limit_bytes`, until nothing new is found or
 * `deadline_us` (base/clock.h) is over; *is_possible_out is false if there is no such order.
 * TESS_E_NOMEM. Cost: two minimum cuts per pair of chains that can run either way round, per
 * round, few rounds. */
enum tess_status tess_precedence_force(struct tess_precedence *precedence,
                                       int64_t limit_bytes, double deadline_us,
                                       bool *is_possible_out, struct tess_error *error);

#endif
