#include "executor/kernel_priv.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/arith.h"

/* Everything here but tanh is free of branches and calls, so that the compiler may
 * vectorise it. That keeps the law of kernel.h: lanes and remainders do the same
 * correctly rounded operations (and no fused ones: the build forbids contraction), so an
 * element's result does not depend on where it stands. The exponential is our own for
 * that reason: vector versions of the library's differ from the scalar one, and one call
 * per element would take longer than the convolution before it (mish: 25 ns against 1.5).
 */

/* x > 0.1 x just when x > 0. Written as a maximum because a choice by the sign becomes a
 * branch, which real feature maps make unpredictable: 3.3 ns per element against 0.09. */
static void leaky(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float scaled = 0.1f * values[i];
        values[i] = values[i] > scaled ? values[i] : scaled;
    }
}

static void relu(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = values[i] > 0.0f ? values[i] : 0.0f;
}

static inline float clamp_6(float x)
{
    float positive = x > 0.0f ? x : 0.0f;
    return positive < 6.0f ? positive : 6.0f;
}

static void relu6(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = clamp_6(values[i]);
}

static void hswish(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = values[i] * clamp_6(values[i] + 3.0f) / 6.0f;
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* exp(x) within 2 units in the last place for |x| <= limit, at most 87; beyond it exp(-limit) or
 * exp(limit); a NaN counts as beyond.
 *
 * With n the integer nearest to x / ln 2 and r = x - n ln 2, exp(x) = 2^n exp(r), |r| < 0.35, and
 * the Taylor polynomial of degree 7 is exact to 5e-9. Adding 1.5 * 2^23 rounds to an integer and
 * leaves it in the low bits, from where it is shifted into the exponent. The clamp compares the
 * bits of magnitudes, which are ordered as they are: comparisons of floats would become
 * branches. */
static inline float exponential(float x, float limit)
{
    const float round_shift = 12582912.0f, ln_2_high = 0.693145752f,
                ln_2_low = 1.42860677e-6f;
    uint32_t sign = bits_of(x) & UINT32_C(0x80000000), most = bits_of(limit);
    uint32_t magnitude = bits_of(x) & UINT32_C(0x7fffffff);
    magnitude = magnitude < most ? magnitude : most;
    float clamped = float_of(sign | magnitude);
    float shifted = clamped * 1.44269504f + round_shift;
    float n = shifted - round_shift;
    float r = (clamped - n * ln_2_high) - n * ln_2_low;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    float power = float_of((bits_of(shifted) << 23) + (UINT32_C(127) << 23));
    return p * power;
}

static void logistic(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = 1.0f / (1.0f + exponential(-values[i], 87.0f));
}

static void swish(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = values[i] / (1.0f + exponential(-values[i], 87.0f));
}

/* With e = exp(x): tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), which is 1 long before e e
 * overflows at exp(44). */
static void mish(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float e = exponential(values[i], 43.0f);
        float q = e * (e + 2.0f);
        values[i] = values[i] * (q / (q + 2.0f));
    }
}

static void elu(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float below = exponential(values[i], 87.0f) - 1.0f;
        values[i] = values[i] >= 0.0f ? values[i] : below;
    }
}

static void hyperbolic_tangent(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = tanhf(values[i]);
}

void tess_activate(enum tess_activation activation, float *values, int64_t n)
{
    switch (activation) {
    case TESS_ACT_LINEAR: return;
    case TESS_ACT_LEAKY: leaky(values, n); return;
    case TESS_ACT_RELU: relu(values, n); return;
    case TESS_ACT_RELU6: relu6(values, n); return;
    case TESS_ACT_HSWISH: hswish(values, n); return;
    case TESS_ACT_LOGISTIC: logistic(values, n); return;
    case TESS_ACT_MISH: mish(values, n); return;
    case TESS_ACT_SWISH: swish(values, n); return;
    case TESS_ACT_ELU: elu(values, n); return;
    case TESS_ACT_TANH: hyperbolic_tangent(values, n); return;
    }
    assert(false && "unknown activation");
}

enum { BLOCK_PIXELS = 64 }; /* one task of the pool */

struct activation_task {
    enum tess_activation activation;
    float *data;
    int channels, n_pixels; /* of one row */
    size_t row_stride, pixel_stride;
    int n_row_blocks;
};

static void activate_block(void *context, size_t index)
{
    const struct activation_task *task = context;
    size_t row = index / (size_t)task->n_row_blocks;
    int begin = (int)(index % (size_t)task->n_row_blocks) * BLOCK_PIXELS;
    int end = tess_min_int(begin + BLOCK_PIXELS, task->n_pixels);
    float *values =
        task->data + row * task->row_stride + (size_t)begin * task->pixel_stride;
    if (task->pixel_stride == (size_t)task->channels) {
        tess_activate(task->activation, values, (int64_t)(end - begin) * task->channels);
        return;
    }
    for (int x = begin; x < end; x++, values += task->pixel_stride)
        tess_activate(task->activation, values, task->channels);
}

void tess_activate_plane(enum tess_activation activation, const struct tess_plane *plane,
                         struct pthreadpool *pool)
{
    if (activation == TESS_ACT_LINEAR)
        return;
    struct activation_task task = {
        activation,        plane->data,         plane->channels,  plane->n_cols,
        plane->row_stride, plane->pixel_stride, .n_row_blocks = 1};
    int n_rows = plane->n_rows;
    if (plane->row_stride == (size_t)plane->n_cols * plane->pixel_stride) {
        task.n_pixels *= n_rows; /* one long row */
        n_rows = 1;
    }
    task.n_row_blocks = (int)tess_div_up(task.n_pixels, BLOCK_PIXELS);
    tess_for_rows(pool, n_rows * task.n_row_blocks,
                  (int64_t)BLOCK_PIXELS * plane->channels, activate_block, &task);
}
