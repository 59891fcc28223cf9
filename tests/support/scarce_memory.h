/* An allocator that fails when told to, for a test program of one source file: including this
 * replaces malloc and its kin in that program. The sanitizers replace them, too; with them, or
 * with another C library than glibc, HAS_SCARCE_MEMORY stays undefined and there is nothing to
 * test.
 */
#ifndef TESS_TESTS_SUPPORT_SCARCE_MEMORY_H
#define TESS_TESTS_SUPPORT_SCARCE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif

#if defined(__GLIBC__) && !defined(HAS_SANITIZER)
#define HAS_SCARCE_MEMORY 1

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *old);

static long n_until_failure = -1; /* allocations that still succeed; negative: all */
static long n_live;               /* blocks not yet freed */

static bool is_refused(void)
{
    return n_until_failure >= 0 && n_until_failure-- == 0;
}

void *malloc(size_t size)
{
    void *block = is_refused() ? NULL : __libc_malloc(size);
    n_live += block != NULL;
    return block;
}

void *calloc(size_t n, size_t size)
{
    void *block = is_refused() ? NULL : __libc_calloc(n, size);
    n_live += block != NULL;
    return block;
}

void *realloc(void *old, size_t size)
{
    void *block = is_refused() ? NULL : __libc_realloc(old, size);
    n_live += block && !old;
    return block;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    void *block = is_refused() ? NULL : __libc_memalign(alignment, size);
    n_live += block != NULL;
    return block;
}

void free(void *old)
{
    n_live -= old != NULL;
    __libc_free(old);
}

#endif

#endif
