/* Memory that outlives its users: what one executor leaves, the next finds mapped and resident.
 *
 * A block grows when more is asked for, then without its content, and gives pages back when less
 * is. Serial equivalent: a new mapping for each user. Not for two users that run at
 * one time, and not an allocator: it knows no pieces.
 */
#ifndef TESS_EXECUTOR_MEMORY_BLOCK_H
#define TESS_EXECUTOR_MEMORY_BLOCK_H

#include <stdint.h>

#include "base/error.h"

/* Zeroed memory is an empty block. */
struct tess_memory_block {
    char *data;            /* whole pages; may move when the block is fitted */
    int64_t mapped_bytes;  /* never less than was asked for before */
    int64_t touched_bytes; /* at the front: what may be resident, beyond it nothing is */
    int64_t
        spare_bytes; /* the owner's word: so much more than asked for may stay resident */
};

/* Makes room for `bytes`. Pages beyond these and spare_bytes are given back to the system. The
 * content is undefined afterwards if the block has moved; else what was touched before and is
 * so now stays as it is. TESS_E_NOMEM, with the block as it was. */
enum tess_status tess_memory_block_fit(struct tess_memory_block *block, int64_t bytes,
                                       struct tess_error *error);
void tess_memory_block_release(
    struct tess_memory_block *block); /* accepts zeroed memory */

#endif
