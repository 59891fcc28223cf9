/* The retention-gap programme, begun with a sequence that somebody else found. The method by
 * itself: remat/method.h.
 */
#ifndef TESS_REMAT_REMAT_GAP_H
#define TESS_REMAT_REMAT_GAP_H

#include "remat/method.h"

/* Improves result->sequence, which is valid (tess_remat_result_init and _offer made it so), and
 * keeps the order of its first runs. TESS_E_NOMEM, TESS_E_USAGE if this build has no solver. */
enum tess_status tess_remat_gap_improve(const struct tess_remat_problem *problem,
                                        const struct tess_remat_limits *limits,
                                        struct tess_remat_result *result,
                                        struct tess_error *error);

#endif
