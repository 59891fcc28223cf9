#include "executor/xnn_heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "plan/facts.h"

/* In front of every block, so that it can grow in place and find its way back. */
struct block_header {
    int64_t capacity_bytes;
    bool is_lent; /* part of a pen: not freed by itself */
};

enum { HEADER_BYTES = TESS_FACTS_BLOCK_ALIGN };
_Static_assert(sizeof(struct block_header) <= HEADER_BYTES, "header");

struct tess_kernel_heap tess_xnn_heap;
static _Thread_local struct tess_xnn_loan *open_loan;

static struct block_header *header_of(void *block)
{
    return (struct block_header *)(void *)((unsigned char *)block - HEADER_BYTES);
}

static void *finish_block(void *memory, int64_t capacity_bytes, bool is_lent)
{
    if (!memory)
        return NULL;
    struct block_header *header = memory;
    header->capacity_bytes = capacity_bytes;
    header->is_lent = is_lent;
    return (unsigned char *)memory + HEADER_BYTES;
}

static void *take_lent(struct tess_xnn_loan *loan, int64_t bytes)
{
    void *block =
        finish_block(tess_pen_take(loan->pen, HEADER_BYTES + bytes), bytes, true);
    if (!block)
        loan->is_short = true;
    return block;
}

static void *take_own(int64_t bytes)
{
    int64_t capacity_bytes = tess_round_up(bytes, TESS_FACTS_BLOCK_ALIGN);
    int64_t taken_bytes = HEADER_BYTES + capacity_bytes;
    if (!tess_kernel_heap_count(&tess_xnn_heap, taken_bytes))
        return NULL;
    void *memory = aligned_alloc(TESS_FACTS_BLOCK_ALIGN, (size_t)taken_bytes);
    if (!memory)
        tess_kernel_heap_count(&tess_xnn_heap, -taken_bytes);
    return finish_block(memory, capacity_bytes, false);
}

void *tess_xnn_aligned_allocate(void *context, size_t alignment, size_t bytes)
{
    (void)context;
    (void)alignment; /* at most TESS_FACTS_BLOCK_ALIGN; start checks it */
    assert(alignment <= TESS_FACTS_BLOCK_ALIGN);
    struct tess_xnn_loan *loan = open_loan;
    if (atomic_load(&tess_xnn_heap.is_closed))
        return NULL;
    if (!loan)
        return take_own((int64_t)bytes);
    int piece = loan->n_taken++;
    if (piece < TESS_XNN_N_PIECES)
        loan->asked_bytes[piece] = (int64_t)bytes;
    if (piece != TESS_XNN_ZEROS)
        return take_lent(loan, (int64_t)bytes);
    if (!loan->zeros)
        loan->zeros = take_lent(loan, (int64_t)bytes);
    assert(!loan->zeros || header_of(loan->zeros)->capacity_bytes >= (int64_t)bytes);
    return loan->zeros;
}

void *tess_xnn_allocate(void *context, size_t bytes)
{
    return tess_xnn_aligned_allocate(context, TESS_FACTS_BLOCK_ALIGN, bytes);
}

void tess_xnn_deallocate(void *context, void *block)
{
    (void)context;
    if (!block || header_of(block)->is_lent)
        return;
    int64_t taken_bytes = HEADER_BYTES + header_of(block)->capacity_bytes;
    free(header_of(block));
    tess_kernel_heap_count(&tess_xnn_heap, -taken_bytes);
}

/* The pointer table is all that the library reallocates. */
static void *first_table(size_t bytes)
{
    struct tess_xnn_loan *loan = open_loan;
    if (!loan)
        return tess_xnn_allocate(NULL, bytes);
    loan->asked_table_bytes = (int64_t)bytes;
    if (!loan->table)
        loan->table = take_lent(loan, loan->table_bytes);
    if (loan->table && (int64_t)bytes > loan->table_bytes) {
        loan->is_short = true;
        return NULL;
    }
    return loan->table;
}

void *tess_xnn_reallocate(void *context, void *block, size_t bytes)
{
    if (!block)
        return first_table(bytes);
    struct block_header *header = header_of(block);
    if ((int64_t)bytes <= header->capacity_bytes)
        return block;
    if (header->is_lent)
        return NULL;
    void *larger = tess_xnn_allocate(context, bytes);
    if (!larger)
        return NULL;
    memcpy(larger, block, (size_t)header->capacity_bytes);
    tess_xnn_deallocate(context, block);
    return larger;
}

void tess_xnn_loan_open(struct tess_xnn_loan *loan)
{
    assert(!open_loan && loan->pen);
    open_loan = loan;
}

void tess_xnn_loan_close(void)
{
    assert(open_loan);
    open_loan = NULL;
}

void tess_xnn_loan_next_operator(struct tess_xnn_loan *loan)
{
    assert(loan == open_loan);
    loan->n_taken = 0;
    memset(loan->asked_bytes, 0, sizeof loan->asked_bytes);
    loan->asked_table_bytes = 0;
}
