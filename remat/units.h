/* Bytes and costs as an integer programme counts them: in numbers that floating point holds. */
#ifndef TESS_REMAT_UNITS_H
#define TESS_REMAT_UNITS_H

#include "remat/sequence.h"

struct tess_remat_units {
    int64_t bytes; /* of a weight of 1 */
    double cost;   /* of a cost of 1: what all costs are multiples of */
    double budget; /* rounded down */
};

/* The greatest common divisors; bytes so many that the budget is not too large a number. */
void tess_remat_units_init(struct tess_remat_units *units,
                           const struct tess_remat_problem *problem);

/* Rounded up: what keeps to the budget in units does in bytes. */
double tess_remat_units_of(const struct tess_remat_units *units, int64_t bytes);

#endif
