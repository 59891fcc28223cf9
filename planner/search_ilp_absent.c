/* Stands in for search_ilp.c in builds without GLPK (TESSERA_GLPK=OFF): the method is still
 * listed and says why it is not there.
 */
#include "planner/search.h"

static enum tess_status propose(const struct tess_search_problem *problem, void *state,
                                int64_t budget_bytes, const struct tess_search_sink *sink,
                                struct tess_error *error)
{
    (void)problem;
    (void)state;
    (void)budget_bytes;
    (void)sink;
    tess_error_set(error, TESS_E_USAGE, "this planner was built without GLPK");
    tess_error_hint(error, "use --search dp, or build with -DTESSERA_GLPK=ON");
    return TESS_E_USAGE;
}

const struct tess_search tess_search_ilp = {
    .name = "ilp",
    .description = "(not in this build: needs GLPK)",
    .propose = propose,
};
