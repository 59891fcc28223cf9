/* XNNPACK's allocator: every byte the library holds is counted, capped, and in a block we
 * chose.
 *
 * While a loan is open on a thread, what the library allocates there comes from the
 * loan's pen, in the order in which it makes an operator: the operator, its packed
 * weights, and a row of zeros if it pads. The operators of one loan share one row of
 * zeros and one pointer table (XNNPACK calls it indirection buffer): they read the same
 * input through the same window, so the library writes the same pointers for each of
 * them. That holds as long as all of them are set up with the same input before any is
 * set up with another; kernel_xnn_conv.c keeps to it, and tess_xnn_start checks that the
 * library behaves as described.
 *
 * Outside a loan blocks come from the C library. Does not know what operators compute.
 */
#ifndef TESS_EXECUTOR_XNN_HEAP_H
#define TESS_EXECUTOR_XNN_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/kernel_heap.h"

/* The account that everything below is counted on; kernels of the family put their blocks
 * on it, too. */
extern struct tess_kernel_heap tess_xnn_heap;

/* The functions of struct xnn_allocator, as its header describes them; `context` is not
 * used. */
void *tess_xnn_aligned_allocate(void *context, size_t alignment, size_t bytes);
void *tess_xnn_allocate(void *context, size_t bytes);
void tess_xnn_deallocate(void *context, void *block);
void *tess_xnn_reallocate(void *context, void *block, size_t bytes);

enum {
    TESS_XNN_OPERATOR, /* what an operator allocates, in this order */
    TESS_XNN_WEIGHTS,
    TESS_XNN_ZEROS,
    TESS_XNN_N_PIECES
};

struct tess_xnn_loan {
    struct tess_pen *pen;
    int64_t table_bytes; /* capacity of the shared pointer table */
    void *table;         /* NULL until the first operator asks for it */
    void *zeros;         /* NULL until the first operator asks for it */
    bool is_short;       /* a piece did not fit: the facts were too small */
    /* What the operator announced last has asked for, for probing the library. */
    int n_taken;
    int64_t asked_bytes[TESS_XNN_N_PIECES];
    int64_t asked_table_bytes;
};

/* Opens `loan` for this thread until tess_xnn_loan_close; loans do not nest. Its pen
 * outlives every operator made meanwhile. */
void tess_xnn_loan_open(struct tess_xnn_loan *loan);
void tess_xnn_loan_close(void);

/* Announces that the library will make its next operator now. */
void tess_xnn_loan_next_operator(struct tess_xnn_loan *loan);

#endif
