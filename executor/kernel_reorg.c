/* Problem: darknet's reorg by s on a map of c x h x w. With n = c / (s s) and, for every
 * channel k, row j and column i, k2 = k mod n,  o = k div n,  i2 = i s + o mod s,  j2 = j
 * s + o div s,            (1) the plain direction copies element (k2, j2, i2) of a
 * *notional* map n x (h s) x (w s), laid over the input's memory in channel-row-column
 * order, to element (k, j, i) of a notional map c x h x w laid over the output's. The
 * output is then read as (c s s) x (h / s) x (w / s). The reverse direction writes
 * element (k2, j2, i2) of the true output n x (h s) x (w s) from element (k, j, i) of the
 * true input. So only the reverse is a depth-to-space; the plain direction mixes rows and
 * channels, and networks were trained with it.
 *
 * Method: here pixels have their channels side by side. Reverse: by (1) the output pixel
 * (j2, i2) is the run of channels [o n, o n + n) of input pixel (j, i). Plain: let L be
 * the linear place of (k, j, i) in the output's memory. Output pixel (y, x) has channel q
 * at L = x + (w/s) (y + (h/s) q). Since (h/s)(w/s) s s = h w, the channels q = r, r + s
 * s, ... of one pixel share j and i and count k up; and along each run of n such k the
 * element read moves by s s h w elements of the input's memory, that is by s s channels
 * of one input pixel.
 *
 * Invariant: every output element is written once, from one input element.
 *
 * Cost: one copy of the map, in runs of n.
 *
 * Worked example: c=4 h=2 w=2 s=2, n=1: the notional input map is 1 x 4 x 4, so (k, j, i)
 * = (1, 0, 1) has o=1, i2=3, j2=0: element 3 of the input, which is (0, 1, 1); it goes to
 * element 1*4 + 0*2 + 1 = 5 of the output, whose shape is 16 x 1 x 1: channel 5.
 *
 * Not done: in place; maps whose sides s does not divide.
 *
 * Reference: reorg_cpu in darknet's src/blas.c.
 */
#include "executor/kernel_priv.h"

#include <assert.h>
#include <string.h>

struct reorg_task {
    const struct tess_kernel_call *call;
    int s;
    int c, h, w; /* of the input */
    int n;       /* c / (s s) */
};

/* One pixel of a plain reorg: channels r + s s k for all k, r fixed. */
static void reorg_residue(const struct reorg_task *task, int64_t place, float *out)
{
    const struct tess_plane *in = &task->call->in[0];
    int s = task->s, area = task->s * task->s;
    int i = (int)(place % task->w), j = (int)(place / task->w);
    assert(j < task->h);
    for (int o = 0; o < area; o++) {
        int64_t i2 = (int64_t)i * s + o % s, j2 = (int64_t)j * s + o / s;
        int64_t from = i2 + (int64_t)task->w * s * j2; /* k2 = 0 */
        int64_t map = (int64_t)task->h * task->w;
        const float *pixel =
            tess_plane_at(in, (int)(from / task->w % task->h), (int)(from % task->w)) +
            from / map;
        for (int k2 = 0; k2 < task->n; k2++)
            out[(size_t)(o * task->n + k2) * (size_t)area] =
                pixel[(size_t)k2 * (size_t)area];
    }
}

static void reorg_row(void *context, size_t row)
{
    const struct reorg_task *task = context;
    const struct tess_plane *out = &task->call->out;
    int out_h = task->h / task->s, out_w = task->w / task->s;
    int y = out->row + (int)row;
    for (int x = out->col; x < out->col + out->n_cols; x++) {
        for (int r = 0; r < task->s * task->s; r++)
            reorg_residue(task, x + (int64_t)out_w * (y + (int64_t)out_h * r),
                          tess_plane_at(out, y, x) + r);
    }
}

static void reverse_row(void *context, size_t row)
{
    const struct reorg_task *task = context;
    const struct tess_plane *out = &task->call->out;
    int s = task->s, y = out->row + (int)row;
    for (int x = out->col; x < out->col + out->n_cols; x++) {
        int o = y % s * s + x % s;
        memcpy(tess_plane_at(out, y, x),
               tess_plane_at(&task->call->in[0], y / s, x / s) +
                   (size_t)o * (size_t)task->n,
               (size_t)task->n * sizeof(float));
    }
}

void tess_plain_reorg(const struct tess_kernel *kernel,
                      const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    const struct tess_op *op = kernel->op;
    const struct tess_tensor *in = &kernel->graph->tensors[op->inputs[0]];
    int s = op->factor;
    struct reorg_task task = {call, s, in->c, in->h, in->w, in->c / (s * s)};
    assert(s > 0 && in->c % (s * s) == 0);
    assert(op->is_reverse || (in->h % s == 0 && in->w % s == 0));
    tess_for_rows(pool, call->out.n_rows, (int64_t)call->out.n_cols * call->out.channels,
                  op->is_reverse ? reverse_row : reorg_row, &task);
}
