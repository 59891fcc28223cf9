/* Checked integer arithmetic for sizes.
 *
 * Every size that comes from a file, a command line or a peer goes through these. They refuse
 * to wrap: the result is left untouched and false is returned. Sizes are int64_t throughout,
 * because differences of sizes are common and 2^63 bytes are enough.
 */
#ifndef TESS_BASE_ARITH_H
#define TESS_BASE_ARITH_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

/* *sum_out = a + b; false on overflow. */
static inline bool tess_add_i64(int64_t a, int64_t b, int64_t *sum_out)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *sum_out = sum;
    return true;
}

/* *product_out = a * b; false on overflow. */
static inline bool tess_mul_i64(int64_t a, int64_t b, int64_t *product_out)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *product_out = product;
    return true;
}

/* Smallest multiple of `unit` that is not below `value`. `value` >= 0, `unit` > 0. */
static inline int64_t tess_round_up(int64_t value, int64_t unit)
{
    assert(value >= 0 && unit > 0 && value <= INT64_MAX - unit);
    return (value + unit - 1) / unit * unit;
}

/* Quotient rounded towards positive infinity. `value` >= 0, `unit` > 0. */
static inline int64_t tess_div_up(int64_t value, int64_t unit)
{
    assert(value >= 0 && unit > 0);
    return value / unit + (value % unit != 0);
}

/* Quotient rounded towards negative infinity, for positive `unit`. */
static inline int64_t tess_div_floor(int64_t value, int64_t unit)
{
    assert(unit > 0);
    return value / unit - (value % unit < 0);
}

static inline int tess_min_int(int a, int b)
{
    return a < b ? a : b;
}
static inline int tess_max_int(int a, int b)
{
    return a > b ? a : b;
}
static inline int64_t tess_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t tess_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
