/* Greedy interval splitting; for now only the order it is given. */
#include "remat/method.h"

static enum tess_status run(const struct tess_remat_problem *problem,
                            const struct tess_remat_limits *limits,
                            struct tess_remat_result *result, struct tess_error *error)
{
    (void)limits;
    return tess_remat_result_init(result, problem, tess_remat_greedy.name, error);
}

const struct tess_remat_method tess_remat_greedy = {
    .name = "greedy",
    .description = "splits lifetimes one after the other, then again with chance",
    .run = run,
};
