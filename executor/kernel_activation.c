#include "executor/kernel_priv.h"

#include <assert.h>
#include <math.h>

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

struct activation_task {
    enum tess_activation activation;
    const struct tess_plane *plane;
};

static void activate_row(void *context, size_t row)
{
    const struct activation_task *task = context;
    const struct tess_plane *plane = task->plane;
    float *values = plane->data + row * plane->row_stride;
    if (plane->pixel_stride == (size_t)plane->channels) {
        tess_activate(task->activation, values, (int64_t)plane->n_cols * plane->channels);
        return;
    }
    for (int x = 0; x < plane->n_cols; x++)
        tess_activate(task->activation, values + (size_t)x * plane->pixel_stride,
                      plane->channels);
}

void tess_activate_plane(enum tess_activation activation, const struct tess_plane *plane,
                         struct pthreadpool *pool)
{
    if (activation == TESS_ACT_LINEAR)
        return;
    struct activation_task task = {activation, plane};
    tess_for_rows(pool, plane->n_rows, (int64_t)plane->n_cols * plane->channels,
                  activate_row, &task);
}
