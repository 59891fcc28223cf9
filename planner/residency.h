/* Residency: which ops hold their weights and which stream them, for groups and tilings that
 * are already chosen.
 *
 * Exact: a knapsack in bytes. What an op's streaming costs comes from planner/cost.h, what the
 * slots take from plan/slices.h; how often weights are read is the tiling's affair, ask
 * planner/search.h for one.
 */
#ifndef TESS_PLANNER_RESIDENCY_H
#define TESS_PLANNER_RESIDENCY_H

#include "base/error.h"
#include "planner/cost.h"

struct tess_residency_problem {
    const struct tess_streamable *ops; /* [n_ops], each once */
    int n_ops;
    const struct tess_kernel_facts *facts;
    const struct tess_profile *profile;
    int64_t available_bytes; /* for weights held, slots and their reader */
};

struct tess_residency {
    bool *is_streamed;   /* [n_ops] as the problem lists them */
    int64_t slice_bytes; /* for the plan; 0 if nothing is streamed */
    int64_t held_bytes;  /* of the available ones */
    double read_us;      /* what streaming costs, all ops */
    bool is_proven;      /* else lists were thinned, and a better choice might exist */
};

/* Fewest bytes with which any choice works. */
int64_t tess_residency_least_bytes(const struct tess_residency_problem *problem);

/* A lower bound on read_us of any choice; INFINITY if none fits. Cost: O(n_ops^2). */
double tess_residency_bound_us(const struct tess_residency_problem *problem);

/* The choice that costs the least time, the one that holds the fewest bytes of those.
 * TESS_E_INFEASIBLE without a message if none fits, TESS_E_NOMEM. On success the caller
 * releases the result. */
enum tess_status tess_residency_solve(const struct tess_residency_problem *problem,
                                      struct tess_residency *residency_out,
                                      struct tess_error *error);
void tess_residency_release(struct tess_residency *residency); /* accepts zeroed memory */

#endif
