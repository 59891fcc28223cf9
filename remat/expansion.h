/* A sequence in which tasks run more than once, as a graph in which each run is a task of its own
 * and each copy a tensor of its own. So whatever orders, checks or places graphs of tasks takes
 * sequences, too.
 */
#ifndef TESS_REMAT_EXPANSION_H
#define TESS_REMAT_EXPANSION_H

#include "remat/sequence.h"

struct tess_remat_expansion {
    struct tess_task_graph *graph;   /* task i is the i-th run, tensor c the copy c */
    struct tess_remat_copies copies; /* of the sequence */
};

/* Expands a sequence of the problem's graph; the sequence is then the order 0, 1, 2, ... and has
 * the same peak. TESS_E_VERIFY as tess_remat_copies_init, TESS_E_MODEL if the sizes are too large
 * in sum, TESS_E_NOMEM. The caller releases in every case. */
enum tess_status tess_remat_expand(struct tess_remat_expansion *expansion,
                                   const struct tess_task_graph *graph,
                                   const struct tess_remat_sequence *sequence,
                                   struct tess_error *error);
void tess_remat_expansion_release(
    struct tess_remat_expansion *expansion); /* zeroed, NULL */

#endif
