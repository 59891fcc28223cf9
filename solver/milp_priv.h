/* What a programme is made of, for those who hand it to a solver. */
#ifndef TESS_SOLVER_MILP_PRIV_H
#define TESS_SOLVER_MILP_PRIV_H

#include "solver/milp.h"

struct tess_milp_column {
    double low, high, cost;
    bool is_integer;
};

struct tess_milp_row {
    double low, high;
    int64_t first; /* its terms end where those of the next row begin */
};

struct tess_milp_term {
    int column;
    double weight;
};

struct tess_milp {
    int n_columns, n_rows;
    int64_t n_terms, column_capacity, row_capacity, term_capacity;
    struct tess_milp_column *columns;
    struct tess_milp_row *rows; /* rows[n_rows].first == n_terms */
    struct tess_milp_term *terms;
    double *values; /* [n_columns] of the last solution, or NULL */
    bool is_broken; /* an allocation failed */
};

/* Adds up terms of one column within a row. False if memory is short. */
bool tess_milp_merge_terms(struct tess_milp *milp);

/* Does a solution [n_columns] keep to rows, bounds, integrality? Off by 1e-6 of the largest
 * term of a row is no matter. *cost_out: what it costs. */
bool tess_milp_is_solution(const struct tess_milp *milp, const double *values,
                           double *cost_out);

#endif
