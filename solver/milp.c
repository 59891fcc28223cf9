#include "solver/milp.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "solver/milp_priv.h"

/* Of values against bounds; GLPK's own is 1e-7 on scaled rows. */
static const double TOLERANCE = 1e-6;

enum tess_status tess_milp_create(struct tess_milp **milp_out, struct tess_error *error)
{
    struct tess_milp *milp = calloc(1, sizeof *milp);
    if (!milp)
        return tess_error_nomem(error);
    *milp_out = milp;
    return TESS_OK;
}

void tess_milp_destroy(struct tess_milp *milp)
{
    if (!milp)
        return;
    free(milp->columns);
    free(milp->rows);
    free(milp->terms);
    free(milp->values);
    free(milp);
}

bool tess_milp_is_broken(const struct tess_milp *milp)
{
    return milp->is_broken;
}

int tess_milp_n_columns(const struct tess_milp *milp)
{
    return milp->n_columns;
}

int tess_milp_n_integers(const struct tess_milp *milp)
{
    int n = 0;
    for (int j = 0; j < milp->n_columns; j++)
        n += milp->columns[j].is_integer;
    return n;
}

int tess_milp_n_rows(const struct tess_milp *milp)
{
    return milp->n_rows;
}

int64_t tess_milp_n_terms(const struct tess_milp *milp)
{
    return milp->n_terms;
}

void tess_milp_limits_init(struct tess_milp_limits *limits)
{
    *limits = (struct tess_milp_limits){
        .seconds = 60, .memory_bytes = INT64_C(1) << 30, .cutoff = INFINITY};
}

/* Makes room for one more; what is there if that fails stays, and the programme is broken. */
static void *grow(struct tess_milp *milp, void *items, int64_t n_items, size_t item_bytes,
                  int64_t *capacity)
{
    if (n_items < *capacity)
        return items;
    int64_t wanted = *capacity ? 2 * *capacity : 64;
    void *grown = NULL;
    if (wanted <= INT32_MAX)
        grown = realloc(items, item_bytes * (size_t)wanted);
    if (!grown) {
        milp->is_broken = true;
        return items;
    }
    *capacity = wanted;
    return grown;
}

int tess_milp_add_column(struct tess_milp *milp, double low, double high, bool is_integer,
                         double cost)
{
    assert(!isnan(low) && !isnan(high) && isfinite(cost));
    milp->columns = grow(milp, milp->columns, milp->n_columns, sizeof *milp->columns,
                         &milp->column_capacity);
    if (milp->is_broken)
        return 0;
    milp->columns[milp->n_columns] =
        (struct tess_milp_column){.low = is_integer ? ceil(low - TOLERANCE) : low,
                                  .high = is_integer ? floor(high + TOLERANCE) : high,
                                  .cost = cost,
                                  .is_integer = is_integer};
    return milp->n_columns++;
}

void tess_milp_begin_row(struct tess_milp *milp, double low, double high)
{
    assert(!isnan(low) && !isnan(high));
    milp->rows =
        grow(milp, milp->rows, milp->n_rows + 1, sizeof *milp->rows, &milp->row_capacity);
    if (milp->is_broken)
        return;
    milp->rows[milp->n_rows++] = (struct tess_milp_row){low, high, milp->n_terms};
    milp->rows[milp->n_rows].first = milp->n_terms;
}

void tess_milp_add_term(struct tess_milp *milp, int column, double weight)
{
    assert(isfinite(weight));
    milp->terms =
        grow(milp, milp->terms, milp->n_terms, sizeof *milp->terms, &milp->term_capacity);
    if (milp->is_broken)
        return;
    assert(milp->n_rows > 0 && column >= 0 && column < milp->n_columns);
    milp->terms[milp->n_terms++] = (struct tess_milp_term){column, weight};
    milp->rows[milp->n_rows].first = milp->n_terms;
}

bool tess_milp_merge_terms(struct tess_milp *milp)
{
    int64_t *seen = malloc(sizeof *seen * ((size_t)milp->n_columns + 1));
    int64_t n_kept = 0, first = 0;
    if (!seen)
        return false;
    for (int j = 0; j < milp->n_columns; j++)
        seen[j] = -1;
    for (int i = 0; i < milp->n_rows; i++) {
        int64_t end = milp->rows[i + 1].first, row_first = n_kept;
        for (int64_t k = first; k < end; k++) {
            struct tess_milp_term term = milp->terms[k];
            if (seen[term.column] >= row_first) {
                milp->terms[seen[term.column]].weight += term.weight;
                continue;
            }
            seen[term.column] = n_kept;
            milp->terms[n_kept++] = term;
        }
        first = end;
        milp->rows[i].first = row_first;
        milp->rows[i + 1].first = end; /* where the next row's unmerged terms begin */
    }
    if (milp->n_rows > 0)
        milp->rows[milp->n_rows].first = n_kept;
    milp->n_terms = n_kept;
    free(seen);
    return true;
}

static bool is_within(double value, double low, double high, double scale)
{
    double slack = TOLERANCE * fmax(1, scale);
    return value >= low - slack && value <= high + slack; /* false for NaN */
}

bool tess_milp_is_solution(const struct tess_milp *milp, const double *values,
                           double *cost_out)
{
    double cost = 0;
    for (int j = 0; j < milp->n_columns; j++) {
        const struct tess_milp_column *column = &milp->columns[j];
        if (!is_within(values[j], column->low, column->high, fabs(values[j])))
            return false;
        if (column->is_integer && fabs(values[j] - round(values[j])) > TOLERANCE)
            return false;
        cost += column->cost * values[j];
    }
    for (int i = 0; i < milp->n_rows; i++) {
        double sum = 0, largest = 0;
        for (int64_t k = milp->rows[i].first; k < milp->rows[i + 1].first; k++) {
            double part = milp->terms[k].weight * values[milp->terms[k].column];
            sum += part;
            largest = fmax(largest, fabs(part));
        }
        if (!is_within(sum, milp->rows[i].low, milp->rows[i].high, largest))
            return false;
    }
    *cost_out = cost;
    return true;
}

double tess_milp_value(const struct tess_milp *milp, int column)
{
    assert(milp->values && column >= 0 && column < milp->n_columns);
    double value = milp->values[column];
    return milp->columns[column].is_integer ? round(value) : value;
}
