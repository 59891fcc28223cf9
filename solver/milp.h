/* Mixed-integer linear programmes: built here, solved by GLPK behind a wall.
 *
 *     minimise  sum cost[j] x[j]   with  low[i] <= sum weight[i][j] x[j] <= high[i]  for every row,
 *     low[j] <= x[j] <= high[j],   x[j] integer for the columns that say so.
 *
 * A programme is plain data of ours. The solver exists only inside tess_milp_solve, which never
 * ends the process, never writes anything, and keeps to its limits of time and memory: whatever
 * goes wrong inside is an answer. It works with floating point: for what must be exact, keep
 * costs and weights to integers well below 1e6 and look at `answer`, not at `bound`.
 * Knows nothing of orders and plans: ask planner/.
 */
#ifndef TESS_SOLVER_MILP_H
#define TESS_SOLVER_MILP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct tess_milp;

/* New empty programme. TESS_E_NOMEM. */
enum tess_status tess_milp_create(struct tess_milp **milp_out, struct tess_error *error);
void tess_milp_destroy(struct tess_milp *milp); /* accepts NULL */

/* Did an allocation fail while it was built? Then the numbers of columns mean nothing. */
bool tess_milp_is_broken(const struct tess_milp *milp);

int tess_milp_n_columns(const struct tess_milp *milp);
int tess_milp_n_integers(const struct tess_milp *milp);
int tess_milp_n_rows(const struct tess_milp *milp);
int64_t tess_milp_n_terms(const struct tess_milp *milp);

/* Adds a column and returns its number, from 0 on. Bounds may be -INFINITY and INFINITY; those of
 * an integer column are rounded inwards. NaN is the caller's mistake. Adding never fails
 * visibly: after an allocation failure the programme is broken, and tess_milp_solve says so. */
int tess_milp_add_column(struct tess_milp *milp, double low, double high, bool is_integer,
                         double cost);

/* Begins a row; its terms follow. A column named twice counts with the sum of its weights. */
void tess_milp_begin_row(struct tess_milp *milp, double low, double high);
void tess_milp_add_term(struct tess_milp *milp, int column, double weight);

struct tess_milp_limits {
    double seconds;       /* of wall time */
    int64_t memory_bytes; /* that the solver may hold, the programme not counted */
    double cutoff; /* only solutions that cost no more are of interest; INFINITY: all */
    /* [n_columns] a solution known beforehand, or NULL; borrowed. It is handed to the solver in
     * the root of its tree, if it keeps to the rows, bounds and cutoff. */
    const double *incumbent;
    bool without_presolve; /* else the solver simplifies first; then `incumbent` is only
                              what is returned if nothing better is found */
    bool without_cuts;
};

/* 60 s, 1 GiB, no cutoff, no incumbent. */
void tess_milp_limits_init(struct tess_milp_limits *limits);

enum tess_milp_answer {
    TESS_MILP_OPTIMAL,    /* nothing is cheaper than the solution */
    TESS_MILP_INFEASIBLE, /* there is no solution (within the cutoff) */
    TESS_MILP_UNBOUNDED,  /* without integrality at least: no answer to expect */
    TESS_MILP_LIMIT,      /* time or memory is up */
    TESS_MILP_FAULT       /* the solver stumbled, twice; the solution, if any, is one */
};

struct tess_milp_result {
    enum tess_milp_answer answer;
    bool
        has_solution; /* tess_milp_value gives it; checked against rows and bounds here */
    double cost;      /* of the solution */
    double bound;    /* no solution (within the cutoff) is cheaper; -INFINITY, INFINITY */
    int64_t n_nodes; /* of the solver's tree */
    char message[160]; /* what the solver said last if it stumbled, else empty */
};

/* Solves; a solver that stumbles is asked again to go about it plainly. TESS_E_NOMEM if the
 * programme is broken; TESS_E_USAGE if this build has no solver; everything else is an answer.
 * Cost: exponential at worst; within the limits of time, but for single steps of the solver that
 * cannot be interrupted. Not two at a time in one thread. */
enum tess_status tess_milp_solve(struct tess_milp *milp,
                                 const struct tess_milp_limits *limits,
                                 struct tess_milp_result *result_out,
                                 struct tess_error *error);

/* Of the solution that tess_milp_solve found last; those of integer columns are integers. */
double tess_milp_value(const struct tess_milp *milp, int column);

/* Is there a solver in this build? */
bool tess_milp_is_available(void);

#endif
