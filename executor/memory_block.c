#include "executor/memory_block.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arith.h"
#include "plan/facts.h"

/* The old pages are not taken along: blocks stop growing soon. */
static enum tess_status map_anew(struct tess_memory_block *block, int64_t bytes,
                                 struct tess_error *error)
{
    void *data = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED)
        return tess_error_nomem(error);
    /* Huge pages would make memory resident that nobody ever touches. */
    madvise(data, (size_t)bytes, MADV_NOHUGEPAGE);
    if (block->data)
        munmap(block->data, (size_t)block->mapped_bytes);
    block->data = data;
    block->mapped_bytes = block->touched_bytes = bytes;
    return TESS_OK;
}

enum tess_status tess_memory_block_fit(struct tess_memory_block *block, int64_t bytes,
                                       struct tess_error *error)
{
    assert(bytes >= 0 && block->spare_bytes >= 0);
    bytes = tess_round_up(tess_max_i64(bytes, 1), TESS_FACTS_PAGE_BYTES);
    if (bytes > block->mapped_bytes)
        return map_anew(block, bytes, error);
    int64_t spare_bytes =
        block->spare_bytes / TESS_FACTS_PAGE_BYTES * TESS_FACTS_PAGE_BYTES;
    int64_t excess_bytes = block->touched_bytes - bytes - spare_bytes;
    if (excess_bytes > 0) {
        block->touched_bytes -= excess_bytes;
        madvise(block->data + block->touched_bytes, (size_t)excess_bytes, MADV_DONTNEED);
    }
    block->touched_bytes = tess_max_i64(block->touched_bytes, bytes);
    return TESS_OK;
}

void tess_memory_block_release(struct tess_memory_block *block)
{
    if (block->data)
        munmap(block->data, (size_t)block->mapped_bytes);
    memset(block, 0, sizeof *block);
}
