/* The ordering of chains as an integer programme. The formulation is told in order_programme.c. */
#ifndef TESS_PLANNER_ORDER_PROGRAMME_H
#define TESS_PLANNER_ORDER_PROGRAMME_H

#include "planner/chain_steps.h"
#include "planner/precedence.h"
#include "solver/milp.h"

/* Something that is not before slot `from` and is from slot `to` on; between them, columns. */
struct tess_span {
    int chain; /* it is when this chain has run; -1: columns of its own */
    int from, to, first_column;
    bool is_there; /* a tensor of some bytes that another chain can see */
};

struct tess_order_programme {
    const struct tess_precedence *precedence; /* borrowed */
    int n;                                    /* chains, and as many slots */
    int64_t unit_bytes;             /* the greatest common divisor of the sizes */
    int *earliest, *latest;         /* [n] slots that a chain can be in */
    int *first_run;                 /* [n] column of "has run by slot earliest" */
    struct tess_span *begun;        /* [n_tensors] some maker has run */
    struct tess_span *ended;        /* [n_tensors] all enders have */
    struct tess_chain_steps *steps; /* [n] */
    int **first_death;              /* [n][n_deaths] column of "dies in slot earliest" */
    int **first_save; /* [n][n_steps] column of "saves in slot earliest", or -1 */
    int peak;         /* column of the most units alive */
    struct tess_milp *milp;
};

/* How many binary columns there are: the sum over chains of the slots between the earliest and
 * the latest. */
int64_t tess_order_programme_count(const struct tess_precedence *precedence);

/* What all sizes are multiples of, at least 1: and with them all peaks. */
int64_t tess_order_unit_bytes(const struct tess_task_graph *graph);

/* More units than this in sum are too many for the solver's floating point, with room to spare.
 */
enum { TESS_ORDER_PROGRAMME_MOST_UNITS = 1 << 19 };

/* Builds the programme of all orders of the chains whose peak is from floor_bytes to limit_bytes.
 * Sizes are counted in units of their greatest common divisor; round them beforehand if that
 * gives too many. TESS_E_NOMEM; the caller releases in every case. */
enum tess_status tess_order_programme_init(struct tess_order_programme *programme,
                                           const struct tess_precedence *precedence,
                                           int64_t floor_bytes, int64_t limit_bytes,
                                           struct tess_error *error);
void tess_order_programme_release(struct tess_order_programme *programme);

/* What the columns are [columns of milp] if the chains run in this order, with this peak. */
void tess_order_programme_fill(const struct tess_order_programme *programme,
                               const int *chain_order, int64_t peak_bytes,
                               double *values_out);

/* The order [n] that the solution of the programme says. */
void tess_order_programme_read(const struct tess_order_programme *programme,
                               int *chain_order_out);

#endif
