/* What a task graph computes, as symbols: two graphs that compute the same have the same. */
#ifndef TESS_TESTS_SUPPORT_SYMBOLIC_TASKS_H
#define TESS_TESTS_SUPPORT_SYMBOLIC_TASKS_H

#include <stdint.h>

#include "schedule/rewrite.h"

/* What a tensor holds: what its parts hold, sorted. What is no concat of anything is one part. */
struct tess_symbol {
    int n_parts;
    uint64_t *parts;
};

/* New [n_tensors]: the value of each tensor, straight from what the flags mean. A sum of what is
 * made of each part for TESS_TASK_SUMS, and of what each producer makes if there are several;
 * something made of each part for TESS_TASK_PARTWISE; all parts for a concat; something made of
 * everything, in order, for the rest. `origins` says which task each one is of another graph: what
 * they make is made in the same way. NULL: each its own. */
struct tess_symbol *tess_symbols_create(const struct tess_task_graph *graph,
                                        const struct tess_rewritten_task *origins,
                                        const struct tess_rewritten_tensor *tensors);
void tess_symbols_destroy(struct tess_symbol *symbols, int n_tensors);

/* Does `rewritten` compute what `graph` does: does every tensor that both have hold the same, is
 * every retained one there, do parts make up what they are parts of? */
bool tess_is_same_function(const struct tess_task_graph *graph,
                           const struct tess_rewritten *rewritten);

#endif
