/* Allocators of which one call fails, for tests that include the sources they test: that needs
 * neither a linker's help nor the sanitizers' consent. Such a file defines malloc and its kin as
 * these around what it includes. */
#ifndef TESS_TESTS_MODEL_FAILING_MEMORY_H
#define TESS_TESTS_MODEL_FAILING_MEMORY_H

#include "tests/model/model_testing.h"

static int n_until_failure = -1; /* -1: never */

static inline bool is_failing(void)
{
    if (n_until_failure < 0)
        return false;
    return n_until_failure-- == 0;
}

static inline void *failing_malloc(size_t size)
{
    return is_failing() ? NULL : malloc(size);
}

static inline void *failing_calloc(size_t n, size_t size)
{
    return is_failing() ? NULL : calloc(n, size);
}

static inline void *failing_realloc(void *old, size_t size)
{
    return is_failing() ? NULL : realloc(old, size);
}

static inline void *failing_aligned_alloc(size_t alignment, size_t size)
{
    return is_failing() ? NULL : aligned_alloc(alignment, size);
}

static inline char *failing_strdup(const char *text)
{
    return is_failing() ? NULL : strdup(text);
}

static inline char *failing_strndup(const char *text, size_t n)
{
    return is_failing() ? NULL : strndup(text, n);
}

/* Runs `attempt` with the first, second, third ... allocation failing until none does: how many
 * times it ran. */
static inline int fail_each(enum tess_status (*attempt)(void))
{
    for (int n = 0;; n++) {
        n_until_failure = n;
        enum tess_status status = attempt();
        bool was_reached = n_until_failure < 0;
        n_until_failure = -1;
        assert_int_equal(status, was_reached ? TESS_E_NOMEM : TESS_OK);
        if (!was_reached)
            return n + 1;
        assert_true(n < 1000);
    }
}

#endif
