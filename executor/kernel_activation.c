#include "executor/kernel_priv.h"

#include <assert.h>
#include <math.h>

#include "base/arith.h"

/* The cheap activations are branch-free, so that the compiler may vectorise them: their
 * lanes and their remainders do the same correctly rounded operations. The transcendental
 * ones call the scalar library function for every element, because vector versions differ
 * from it. */

static void leaky(float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = values[i] > 0.0f ? values[i] : 0.1f * values[i];
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

static float logistic(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* log(1 + exp(x)) without overflow; beyond 20 either way it equals its asymptote in
 * float. */
static float softplus(float x)
{
    if (x > 20.0f)
        return x;
    float e = expf(x);
    return x < -20.0f ? e : logf(e + 1.0f);
}

static float mish(float x)
{
    return x * tanhf(softplus(x));
}

static float swish(float x)
{
    return x * logistic(x);
}

static float elu(float x)
{
    return x >= 0.0f ? x : expf(x) - 1.0f;
}

static void map(float (*function)(float), float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        values[i] = function(values[i]);
}

void tess_activate(enum tess_activation activation, float *values, int64_t n)
{
    switch (activation) {
    case TESS_ACT_LINEAR: return;
    case TESS_ACT_LEAKY: leaky(values, n); return;
    case TESS_ACT_RELU: relu(values, n); return;
    case TESS_ACT_RELU6: relu6(values, n); return;
    case TESS_ACT_HSWISH: hswish(values, n); return;
    case TESS_ACT_LOGISTIC: map(logistic, values, n); return;
    case TESS_ACT_MISH: map(mish, values, n); return;
    case TESS_ACT_SWISH: map(swish, values, n); return;
    case TESS_ACT_ELU: map(elu, values, n); return;
    case TESS_ACT_TANH: map(tanhf, values, n); return;
    }
    assert(!"unknown activation");
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
