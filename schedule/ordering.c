#include "schedule/ordering.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"
#include "schedule/peak.h"

void tess_order_limits_init(struct tess_order_limits *limits)
{
    *limits = (struct tess_order_limits){60, INT64_C(1) << 30, 0};
}

const struct tess_order_method *const *tess_order_methods(void)
{
    static const struct tess_order_method *const all[] = {&tess_method_exact,
                                                          &tess_method_serenity,
                                                          &tess_method_greedy,
                                                          &tess_method_dfs,
                                                          &tess_method_kahn,
                                                          &tess_method_file,
                                                          NULL};
    return all;
}

const struct tess_order_method *
tess_order_method_find(const struct tess_order_method *const *methods, const char *name)
{
    for (; *methods; methods++)
        if (strcmp((*methods)->name, name) == 0)
            return *methods;
    return NULL;
}

enum tess_status tess_order_result_finish(const struct tess_task_graph *graph,
                                          int64_t bound_bytes, const char *closed_by,
                                          struct tess_order_result *result,
                                          struct tess_error *error)
{
    enum tess_status status =
        tess_peak_of_order(graph, result->order, &result->peak_bytes, NULL, error);
    if (status != TESS_OK)
        return status;
    result->lower_bound_bytes = tess_max_i64(bound_bytes, tess_peak_trivial_bound(graph));
    assert(result->lower_bound_bytes <= result->peak_bytes);
    result->is_proven = result->lower_bound_bytes == result->peak_bytes;
    result->closed_by = closed_by;
    return TESS_OK;
}
