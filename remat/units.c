#include "remat/units.h"

#include "base/arith.h"

/* More units than this in the budget are too many for the solver's floating point. */
static const int64_t MOST_UNITS = 1 << 19;

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

void tess_remat_units_init(struct tess_remat_units *units,
                           const struct tess_remat_problem *problem)
{
    int64_t bytes = 0, cost = 0;
    for (int i = 0; i < problem->graph->n_tensors; i++)
        bytes = gcd(bytes, problem->graph->tensors[i].bytes);
    for (int i = 0; i < problem->graph->n_tasks; i++)
        cost = gcd(cost, problem->costs[i]);
    units->bytes = tess_max_i64(1, bytes);
    if (problem->budget_bytes / units->bytes >
        MOST_UNITS) /* a multiple rounds fewer up */
        units->bytes =
            tess_round_up(tess_div_up(problem->budget_bytes, MOST_UNITS), units->bytes);
    units->cost = (double)tess_max_i64(1, cost);
    units->budget = (double)tess_div_floor(problem->budget_bytes, units->bytes);
}

double tess_remat_units_of(const struct tess_remat_units *units, int64_t bytes)
{
    return (double)tess_div_up(bytes, units->bytes);
}
