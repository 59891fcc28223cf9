/* Stands in for milp_solve.c in builds without GLPK (TESSERA_GLPK=OFF): programmes can be built
 * and asking to solve one says why that is not possible.
 */
#include "solver/milp.h"

enum tess_status tess_milp_solve(struct tess_milp *milp,
                                 const struct tess_milp_limits *limits,
                                 struct tess_milp_result *result_out,
                                 struct tess_error *error)
{
    (void)milp;
    (void)limits;
    (void)result_out;
    tess_error_set(error, TESS_E_USAGE, "this program was built without GLPK");
    tess_error_hint(error, "use another method, or build with -DTESSERA_GLPK=ON");
    return TESS_E_USAGE;
}

bool tess_milp_is_available(void)
{
    return false;
}
