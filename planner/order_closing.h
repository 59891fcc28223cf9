/* Closes the gap between an order and what is proven about all orders, by integer programming. */
#ifndef TESS_PLANNER_ORDER_CLOSING_H
#define TESS_PLANNER_ORDER_CLOSING_H

#include "schedule/ordering.h"

struct tess_order_closing {
    const struct tess_task_graph *graph; /* borrowed, counted by a model */
    double deadline_us;                  /* base/clock.h */
    int64_t memory_bytes;                /* that the solver may hold */
    unsigned parts_off;                  /* of tess_order_part: fusion, cuts */
    int *order;          /* [n_tasks] in and out: an order, the best that is known */
    int64_t upper_bytes; /* in and out: its peak */
    int64_t lower_bytes; /* in and out: no order is below */
    int64_t n_nodes;     /* out, added to: of the solver's trees */
    int64_t n_solved;    /* out, added to: binary columns that the solver was given */
};

/* Raises lower_bytes and lowers upper_bytes until they meet or time or memory is up. Exact only
 * while sums of sizes are below some 500000 of their greatest common divisor; beyond that sizes
 * are rounded down, which gives a bound that holds all the same. TESS_E_NOMEM; TESS_E_USAGE
 * without a solver. */
enum tess_status tess_order_close(struct tess_order_closing *closing,
                                  struct tess_error *error);

enum tess_certificate {
    TESS_CERTIFIED, /* no order has a peak below the bytes asked for */
    TESS_REFUTED,   /* there is one; here it is */
    TESS_UNDECIDED  /* time, memory or the solver ended it */
};

/* An independent certificate: is there no order of `graph` with a peak below `bytes`? Asks the
 * solver for one, knowing no heuristic and no search; with `limits->parts_off`, not even fusion
 * and cuts. order_out [n_tasks] is filled in if there is one. As tess_order_close. */
enum tess_status tess_order_certify(const struct tess_task_graph *graph, int64_t bytes,
                                    const struct tess_order_limits *limits,
                                    int *order_out,
                                    enum tess_certificate *certificate_out,
                                    struct tess_error *error);

#endif
