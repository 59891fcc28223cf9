/* Weights made up from the number of the op that they belong to: the same however often, in
 * whatever parts and for whichever graph they are asked for. */
#ifndef TESS_TESTS_SUPPORT_MADE_UP_WEIGHTS_H
#define TESS_TESTS_SUPPORT_MADE_UP_WEIGHTS_H

#include "executor/kernel.h"
#include "model/graph.h"
#include "model/packed_source.h"

struct tess_made_up_weights {
    const struct tess_graph *graph; /* whose ops are asked for */
    const int
        *origins; /* [n_ops] of the ops that their weights belong to; NULL: themselves */
    int n_reads;  /* calls for packed blocks, so far */
    int n_until_failure; /* of these calls, that one fails, counted from 1; 0: none */
    int *n_read;         /* [n_ops] blocks read of each op, or NULL: nobody counts */
};

/* Borrow `from`. */
struct tess_filter_source tess_made_up_filters(struct tess_made_up_weights *from);
struct tess_packed_source tess_made_up_blocks(struct tess_made_up_weights *from);

#endif
