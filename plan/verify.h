/* Independent check of a plan: does running its steps compute the network?
 *
 * Simulates the walk (plan/walk.h) on a model of the arena that remembers, for every run
 * of bytes, which pixels of which tensor were last written there. Shares no code with the
 * planner, the layout or the partition: receptive fields, shapes and coverage are derived
 * anew from the graph. Whoever proposes is not who checks.
 *
 * Finds: an input pixel read before it was computed or after something else overwrote it;
 * a padding pixel that is not zero; a step outside the arena; an output left incomplete;
 * a kernel called in a way its facts exclude; a peak above the budget.
 */
#ifndef TESS_PLAN_VERIFY_H
#define TESS_PLAN_VERIFY_H

#include "base/error.h"
#include "plan/layout.h"

struct tess_verdict {
    int64_t n_steps;
    int64_t arena_bytes; /* highest address that any step touches */
    int64_t macs;        /* multiply-adds of all runs, redundant ones included */
    struct tess_memory
        memory; /* as verified: the layout's terms, with the arena replaced by
                   what the steps touch (at least the unpacking scratch) */
};

/* Checks the plan behind `layout`. TESS_E_VERIFY with one sentence that names the layer,
 * tile and tensor; TESS_E_INFEASIBLE if the verified peak is above the plan's budget;
 * TESS_E_NOMEM. Cost: proportional to the rows of all step windows; memory: to the rows
 * alive. */
enum tess_status tess_verify(const struct tess_layout *layout,
                             struct tess_verdict *verdict_out, struct tess_error *error);

#endif
