#include "executor/kernel_heap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "plan/facts.h"

enum { PEN_ALIGN = TESS_FACTS_BLOCK_ALIGN };

void tess_kernel_heap_start(struct tess_kernel_heap *heap, int64_t cap_bytes)
{
    atomic_store(&heap->cap_bytes, cap_bytes);
    atomic_store(&heap->peak_bytes, atomic_load(&heap->now_bytes));
    atomic_store(&heap->is_closed, false);
}

bool tess_kernel_heap_count(struct tess_kernel_heap *heap, int64_t bytes)
{
    int64_t now = atomic_fetch_add(&heap->now_bytes, bytes) + bytes;
    assert(now >= 0);
    if (bytes <= 0)
        return true;
    int64_t cap = atomic_load(&heap->cap_bytes);
    if (atomic_load(&heap->is_closed) || (cap > 0 && now > cap)) {
        atomic_fetch_sub(&heap->now_bytes, bytes);
        return false;
    }
    int64_t peak = atomic_load(&heap->peak_bytes);
    while (now > peak && !atomic_compare_exchange_weak(&heap->peak_bytes, &peak, now))
        ;
    return true;
}

static void *map_block(int64_t bytes)
{
    if (bytes < TESS_FACTS_MAP_FROM_BYTES)
        return aligned_alloc(PEN_ALIGN, (size_t)bytes);
    void *data = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

static void unmap_block(void *data, int64_t bytes)
{
    if (bytes < TESS_FACTS_MAP_FROM_BYTES)
        free(data);
    else
        munmap(data, (size_t)bytes);
}

enum tess_status tess_pen_init(struct tess_pen *pen, struct tess_kernel_heap *heap,
                               void *memory, int64_t memory_bytes, int64_t bytes,
                               struct tess_error *error)
{
    assert(bytes > 0 && bytes % PEN_ALIGN == 0);
    *pen = (struct tess_pen){.data = memory, .capacity_bytes = bytes};
    if (memory) {
        assert((uintptr_t)memory % PEN_ALIGN == 0);
        if (memory_bytes < bytes)
            return tess_error_set(error, TESS_E_BUDGET,
                                  "a kernel needs %lld bytes and was given %lld",
                                  (long long)bytes, (long long)memory_bytes);
        return TESS_OK;
    }
    if (!tess_kernel_heap_count(heap, bytes))
        return tess_error_set(
            error, TESS_E_BUDGET,
            "a kernel of %lld bytes does not fit: the kernels hold %lld and "
            "may hold %lld",
            (long long)bytes, (long long)atomic_load(&heap->now_bytes),
            (long long)atomic_load(&heap->cap_bytes));
    pen->data = map_block(bytes);
    if (!pen->data) {
        tess_kernel_heap_count(heap, -bytes);
        return tess_error_nomem(error);
    }
    pen->heap = heap;
    return TESS_OK;
}

void tess_pen_release(struct tess_pen *pen)
{
    if (!pen)
        return;
    if (pen->heap) {
        unmap_block(pen->data, pen->capacity_bytes);
        tess_kernel_heap_count(pen->heap, -pen->capacity_bytes);
    }
    memset(pen, 0, sizeof *pen);
}

void *tess_pen_take(struct tess_pen *pen, int64_t bytes)
{
    assert(bytes >= 0);
    int64_t taken_bytes = tess_round_up(bytes, PEN_ALIGN);
    if (taken_bytes > pen->capacity_bytes - pen->used_bytes)
        return NULL;
    void *piece = pen->data + pen->used_bytes;
    pen->used_bytes += taken_bytes;
    return piece;
}
