/* The last ops of a network: softmax, and the heads of YOLOv2 (region) and YOLOv3 (yolo).
 */
#include "executor/kernel_priv.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

/* Softmax of n floats, `in` may be `out`. Shifted by the largest so that exp cannot
 * overflow. */
static void softmax_run(const float *in, float *out, int n)
{
    float largest = -FLT_MAX, sum = 0.0f;
    for (int i = 0; i < n; i++)
        largest = in[i] > largest ? in[i] : largest;
    for (int i = 0; i < n; i++) {
        out[i] = expf(in[i] - largest);
        sum += out[i];
    }
    for (int i = 0; i < n; i++)
        out[i] /= sum;
}

/* Softmax over channels [begin, begin + n) of all pixels together. */
static void softmax_channels(const struct tess_kernel_call *call, float alpha, int begin,
                             int n)
{
    const struct tess_plane *in = &call->in[0], *out = &call->out;
    float largest = -FLT_MAX, sum = 0.0f;
    for (int i = 0; i < out->n_rows * out->n_cols; i++) {
        const float *from = tess_plane_at(in, i / out->n_cols, i % out->n_cols) + begin;
        for (int c = 0; c < n; c++)
            largest = from[c] > largest ? from[c] : largest;
    }
    for (int i = 0; i < out->n_rows * out->n_cols; i++) {
        const float *from = tess_plane_at(in, i / out->n_cols, i % out->n_cols) + begin;
        float *to = tess_plane_at(out, i / out->n_cols, i % out->n_cols) + begin;
        for (int c = 0; c < n; c++) {
            to[c] = expf(from[c] * alpha - largest * alpha);
            sum += to[c];
        }
    }
    for (int i = 0; i < out->n_rows * out->n_cols; i++) {
        float *to = tess_plane_at(out, i / out->n_cols, i % out->n_cols) + begin;
        for (int c = 0; c < n; c++)
            to[c] /= sum;
    }
}

void tess_plain_softmax(const struct tess_kernel *kernel,
                        const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    (void)pool; /* one sum in one order */
    int groups = kernel->op->groups;
    assert(groups > 0 && call->out.channels % groups == 0);
    assert(call->out.row == 0 && call->out.col == 0);
    int n = call->out.channels / groups;
    for (int group = 0; group < groups; group++)
        softmax_channels(call, kernel->op->alpha, group * n, n);
}

struct head_task {
    const struct tess_op *op;
    const struct tess_kernel_call *call;
};

/* One anchor of one pixel: x, y, w, h, objectness, classes. */
static void head_anchor(const struct tess_op *op, const float *in, float *out)
{
    const struct tess_head *head = &op->head;
    int objectness = head->coords, classes = head->coords + 1;
    if (out != in)
        memcpy(out, in, (size_t)(classes + head->n_classes) * sizeof(float));
    tess_activate(TESS_ACT_LOGISTIC, out, 2);
    if (op->kind == TESS_OP_YOLO && head->scale_x_y != 1.0f) {
        float shift = (head->scale_x_y - 1.0f) / 2.0f;
        out[0] = out[0] * head->scale_x_y - shift;
        out[1] = out[1] * head->scale_x_y - shift;
    }
    bool has_softmax = op->kind == TESS_OP_REGION && head->is_softmax;
    bool is_background = op->kind == TESS_OP_REGION && head->is_background;
    if (!is_background)
        tess_activate(TESS_ACT_LOGISTIC, out + objectness, 1);
    if (!has_softmax)
        tess_activate(TESS_ACT_LOGISTIC, out + classes, head->n_classes);
    else if (is_background) /* the background is one more class, and comes first */
        softmax_run(out + objectness, out + objectness, head->n_classes + 1);
    else
        softmax_run(out + classes, out + classes, head->n_classes);
}

static void head_row(void *context, size_t row)
{
    const struct head_task *task = context;
    const struct tess_head *head = &task->op->head;
    const struct tess_plane *out = &task->call->out;
    int n_run = head->coords + 1 + head->n_classes;
    int y = out->row + (int)row;
    for (int x = out->col; x < out->col + out->n_cols; x++) {
        const float *from = tess_plane_at(&task->call->in[0], y, x);
        float *to = tess_plane_at(out, y, x);
        for (int anchor = 0; anchor < head->n_anchors; anchor++)
            head_anchor(task->op, from + (size_t)anchor * (size_t)n_run,
                        to + (size_t)anchor * (size_t)n_run);
    }
}

void tess_plain_head(const struct tess_kernel *kernel,
                     const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    const struct tess_head *head = &kernel->op->head;
    struct head_task task = {kernel->op, call};
    assert(call->out.channels == head->n_anchors * (head->coords + 1 + head->n_classes));
    tess_for_rows(pool, call->out.n_rows,
                  (int64_t)call->out.n_cols * call->out.channels * 8, head_row, &task);
}
