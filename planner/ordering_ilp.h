/* The ordering method that asks an integer programming solver; a check of the others.
 *
 * In the planner, not in schedule/: that is linked by programs without a solver. Without one in the
 * build the method is there and ends with TESS_E_USAGE where it would need it.
 */
#ifndef TESS_PLANNER_ORDERING_ILP_H
#define TESS_PLANNER_ORDERING_ILP_H

#include "schedule/ordering.h"

extern const struct tess_order_method tess_method_ilp;

/* All methods, those of schedule/ordering.h and this one, ending with NULL, the default first. */
const struct tess_order_method *const *tess_order_methods_all(void);

#endif
