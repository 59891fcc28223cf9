/* The independent checker of sequences in which tasks run more than once: shares no code with
 * those who propose.
 *
 * remat/sequence.h follows copies from run to run; this goes backwards through the sequence and
 * asks what whatever follows still needs. It corrects nothing.
 */
#ifndef TESS_REMAT_SEQUENCE_CHECK_H
#define TESS_REMAT_SEQUENCE_CHECK_H

#include "remat/sequence.h"

/* Does the sequence run every task, none more often than problem->most_runs, each when all that
 * it reads is there; in the problem's order at first, if that is to be kept? What does it cost?
 * TESS_E_VERIFY with a message if not, TESS_E_NOMEM. The budget is not looked at: compare
 * value_out->peak_bytes. Cost: O(size). */
enum tess_status tess_remat_check(const struct tess_remat_problem *problem,
                                  const struct tess_remat_sequence *sequence,
                                  struct tess_remat_value *value_out,
                                  struct tess_error *error);

#endif
