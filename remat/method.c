#include "remat/method.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

void tess_remat_limits_init(struct tess_remat_limits *limits)
{
    *limits = (struct tess_remat_limits){30, INT64_C(1) << 30};
}

const struct tess_remat_method *const *tess_remat_methods(void)
{
    static const struct tess_remat_method *const all[] = {
        &tess_remat_best,     &tess_remat_exact,   &tess_remat_greedy,    &tess_remat_gap,
        &tess_remat_moccasin, &tess_remat_reorder, &tess_remat_checkmate, NULL};
    return all;
}

const struct tess_remat_method *tess_remat_method_find(const char *name)
{
    for (const struct tess_remat_method *const *method = tess_remat_methods(); *method;
         method++)
        if (strcmp((*method)->name, name) == 0)
            return *method;
    return NULL;
}

enum tess_status tess_remat_result_init(struct tess_remat_result *result,
                                        const struct tess_remat_problem *problem,
                                        const char *won_by, struct tess_error *error)
{
    enum tess_status status = tess_remat_sequence_set(&result->sequence, problem->order,
                                                      problem->graph->n_tasks, error);
    if (status == TESS_OK)
        status =
            tess_remat_measure(problem, &result->sequence, &result->value, NULL, error);
    if (status != TESS_OK)
        return status;
    result->fits = result->value.peak_bytes <= problem->budget_bytes;
    result->won_by = won_by;
    result->lower_bound_cost = result->lower_bound_bytes = 0;
    tess_remat_result_raise(result, problem, tess_remat_least_cost(problem),
                            tess_remat_least_bytes(problem));
    return TESS_OK;
}

enum tess_status tess_remat_result_offer(struct tess_remat_result *result,
                                         const struct tess_remat_problem *problem,
                                         const struct tess_remat_sequence *sequence,
                                         const char *won_by, struct tess_error *error)
{
    struct tess_remat_value value;
    enum tess_status status = tess_remat_measure(problem, sequence, &value, NULL, error);
    if (status != TESS_OK)
        return status;
    bool fits = value.peak_bytes <= problem->budget_bytes;
    bool is_better = fits != result->fits ? fits
                     : fits               ? value.cost < result->value.cost ||
                                  (value.cost == result->value.cost &&
                                   value.peak_bytes < result->value.peak_bytes)
                            : value.peak_bytes < result->value.peak_bytes ||
                                  (value.peak_bytes == result->value.peak_bytes &&
                                   value.cost < result->value.cost);
    if (!is_better)
        return TESS_OK;
    status =
        tess_remat_sequence_set(&result->sequence, sequence->tasks, sequence->n, error);
    if (status != TESS_OK)
        return status;
    result->value = value;
    result->fits = fits;
    result->won_by = won_by;
    tess_remat_result_raise(result, problem, 0, 0);
    return TESS_OK;
}

void tess_remat_result_raise(struct tess_remat_result *result,
                             const struct tess_remat_problem *problem,
                             int64_t lower_bound_cost, int64_t lower_bound_bytes)
{
    result->lower_bound_cost = tess_max_i64(result->lower_bound_cost, lower_bound_cost);
    result->lower_bound_bytes =
        tess_max_i64(result->lower_bound_bytes, lower_bound_bytes);
    assert(result->lower_bound_bytes <= result->value.peak_bytes);
    assert(!result->fits || result->lower_bound_cost <= result->value.cost);
    result->is_proven = result->fits ? result->value.cost == result->lower_bound_cost
                                     : result->lower_bound_bytes > problem->budget_bytes;
}
