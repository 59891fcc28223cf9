/* The memory kernels live in: counted, capped, and given back to the system when freed.
 *
 * A kernel asks once for one block and cuts it up itself with a pen, which only moves
 * forward; nothing is freed one by one. Large blocks are whole pages of their own, so
 * that destroying a kernel really shrinks the process. Not a general allocator, and it
 * never holds activations: those are in the executor's arena.
 */
#ifndef TESS_EXECUTOR_KERNEL_HEAP_H
#define TESS_EXECUTOR_KERNEL_HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* One family's account. Zeroed memory is an account without cap. Safe to use from several
 * threads. */
struct tess_kernel_heap {
    _Atomic int64_t now_bytes, peak_bytes;
    _Atomic int64_t cap_bytes; /* <= 0: none */
    _Atomic bool is_closed;    /* refuses everything; tests rehearse failure with it */
};

/* Forgets the peak and sets the cap. Blocks that are held stay counted. */
void tess_kernel_heap_start(struct tess_kernel_heap *heap, int64_t cap_bytes);

/* Adds `bytes` (negative: subtracts) to the account; false, and no change, if the cap or
 * closing forbids it. */
bool tess_kernel_heap_count(struct tess_kernel_heap *heap, int64_t bytes);

/* One block cut into pieces. Zeroed memory is an empty pen. */
struct tess_pen {
    unsigned char *data;
    int64_t used_bytes, capacity_bytes;
    struct tess_kernel_heap *heap; /* NULL if the block is borrowed */
};

/* Prepares `bytes` for cutting: the borrowed `memory` if that is not NULL, else a new
 * block on `heap`. Blocks are aligned to 64 bytes. TESS_E_BUDGET if the cap forbids it or
 * `memory_bytes` is less, TESS_E_NOMEM. */
enum tess_status tess_pen_init(struct tess_pen *pen, struct tess_kernel_heap *heap,
                               void *memory, int64_t memory_bytes, int64_t bytes,
                               struct tess_error *error);
void tess_pen_release(struct tess_pen *pen); /* accepts NULL and zeroed memory */

/* The next `bytes`, aligned to 64, not cleared; NULL if they do not fit. */
void *tess_pen_take(struct tess_pen *pen, int64_t bytes);

#endif
