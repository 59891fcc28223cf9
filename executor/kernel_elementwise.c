/* Ops that look at single pixels: add, upsample and crop. */
#include "executor/kernel_priv.h"

#include <assert.h>
#include <string.h>

#include "base/arith.h"

struct add_task {
    const struct tess_op *op;
    const struct tess_kernel_call *call;
    int stride, sample;         /* see tess_op: how in[1] is spread over in[0] */
    int both_h, both_w, both_c; /* rows, columns and channels of in[1] that count */
};

static void add_pixel(const struct add_task *task, int y, int x)
{
    const struct tess_plane *out = &task->call->out;
    const float *a = tess_plane_at(&task->call->in[0], y, x);
    float *sum = tess_plane_at(out, y, x);
    int n_both = 0;
    if (y % task->sample == 0 && x % task->sample == 0 &&
        y / task->sample < task->both_h && x / task->sample < task->both_w) {
        const float *b =
            tess_plane_at(&task->call->in[1], y / task->sample * task->stride,
                          x / task->sample * task->stride);
        float alpha = task->op->alpha, beta = task->op->beta;
        n_both = task->both_c;
        for (int c = 0; c < n_both; c++)
            sum[c] = alpha * a[c] + beta * b[c];
    }
    /* What in[1] does not reach stays as it is, unscaled, as darknet leaves it. */
    if (sum != a)
        memcpy(sum + n_both, a + n_both,
               (size_t)(out->channels - n_both) * sizeof(float));
    tess_activate(task->op->activation, sum, out->channels);
}

static void add_row(void *context, size_t row)
{
    const struct add_task *task = context;
    const struct tess_plane *out = &task->call->out;
    for (int x = out->col; x < out->col + out->n_cols; x++)
        add_pixel(task, out->row + (int)row, x);
}

void tess_plain_add(const struct tess_kernel *kernel, const struct tess_kernel_call *call,
                    struct pthreadpool *pool)
{
    const struct tess_op *op = kernel->op;
    const struct tess_tensor *out = &kernel->graph->tensors[op->output];
    const struct tess_tensor *other = &kernel->graph->tensors[op->inputs[1]];
    struct add_task task = {
        .op = op,
        .call = call,
        .stride = tess_max_int(other->w / out->w, 1),
        .sample = tess_max_int(out->w / other->w, 1),
        .both_h = tess_min_int(other->h, out->h),
        .both_w = tess_min_int(other->w, out->w),
        .both_c = tess_min_int(other->c, out->c),
    };
    tess_for_rows(pool, call->out.n_rows, (int64_t)call->out.n_cols * call->out.channels,
                  add_row, &task);
}

static void upsample_row(void *context, size_t row)
{
    const struct add_task *task = context;
    const struct tess_plane *out = &task->call->out;
    int factor = task->op->factor;
    float alpha = task->op->alpha;
    int y = out->row + (int)row;
    for (int x = out->col; x < out->col + out->n_cols; x++) {
        const float *from = tess_plane_at(&task->call->in[0], y / factor, x / factor);
        float *to = tess_plane_at(out, y, x);
        for (int c = 0; c < out->channels; c++)
            to[c] = alpha * from[c];
    }
}

void tess_plain_upsample(const struct tess_kernel *kernel,
                         const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    struct add_task task = {.op = kernel->op, .call = call};
    assert(kernel->op->factor > 0);
    tess_for_rows(pool, call->out.n_rows, (int64_t)call->out.n_cols * call->out.channels,
                  upsample_row, &task);
}

static void crop_row(void *context, size_t row)
{
    const struct add_task *task = context;
    const struct tess_op *op = task->op;
    const struct tess_plane *out = &task->call->out;
    int y = out->row + (int)row;
    int from_y = op->row_begin + op->window.stride_h * y;
    for (int x = out->col; x < out->col + out->n_cols; x++)
        memcpy(tess_plane_at(out, y, x),
               tess_plane_at(&task->call->in[0], from_y,
                             op->col_begin + op->window.stride_w * x),
               (size_t)out->channels * sizeof(float));
}

void tess_plain_crop(const struct tess_kernel *kernel,
                     const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    struct add_task task = {.op = kernel->op, .call = call};
    tess_for_rows(pool, call->out.n_rows, (int64_t)call->out.n_cols * call->out.channels,
                  crop_row, &task);
}
