/* What lies where in a memory block of weights, so that nothing is read that is there already:
 * tiles of one stage differ in shape and have the same weights.
 *
 * A source of packed blocks in front of another: a read of blocks to the place where they lie
 * from an earlier read does nothing. Serial equivalent: the other source. Whoever writes to the
 * block does so through this source.
 */
#ifndef TESS_EXECUTOR_WEIGHT_LABELS_H
#define TESS_EXECUTOR_WEIGHT_LABELS_H

#include "base/error.h"
#include "executor/memory_block.h"
#include "model/packed_source.h"

struct tess_weight_label; /* some blocks of an op */

/* Zeroed memory can be released. */
struct tess_weight_labels {
    const struct tess_graph *graph;        /* whose ops are read, borrowed */
    struct tess_packed_source blocks;      /* the other source */
    const struct tess_memory_block *block; /* borrowed */
    const char *data;                      /* where it was when labels were written */
    int n_labels, capacity;
    struct tess_weight_label *labels; /* [capacity] of ranges that do not overlap */
};

/* TESS_E_NOMEM. */
enum tess_status tess_weight_labels_init(struct tess_weight_labels *labels,
                                         const struct tess_graph *graph,
                                         const struct tess_packed_source *blocks,
                                         const struct tess_memory_block *block,
                                         struct tess_error *error);
void tess_weight_labels_release(struct tess_weight_labels *labels);

/* To be called before the block is fitted again, else pages given back and taken anew would
 * seem to hold what they held. */
void tess_weight_labels_before_fit(struct tess_weight_labels *labels);

/* Borrows `labels`. Reads allocate nothing. */
struct tess_packed_source tess_weight_labels_source(struct tess_weight_labels *labels);

#endif
