#include "executor/kernel_priv.h"

#include <assert.h>
#include <float.h>
#include <string.h>

#include "base/arith.h"

struct pool_task {
    const struct tess_window *window;
    const struct tess_kernel_call *call;
    int map_h,
        map_w; /* of the input: what lies outside is ignored even if it is in memory */
};

/* Half-open positions of the map under one window, stepping by the dilation. */
struct tap_range {
    int begin, end;
};

static struct tap_range taps_inside(int out, int stride, int pad, int kernel,
                                    int dilation, int n_map)
{
    struct tap_range range;
    range.begin = out * stride - pad;
    range.end = range.begin + (kernel - 1) * dilation + 1;
    if (range.begin < 0)
        range.begin += (int)tess_div_up(-range.begin, dilation) * dilation;
    range.end = tess_min_int(range.end, n_map);
    return range;
}

static void take_max(float *out, const float *in, size_t n)
{
    for (size_t c = 0; c < n; c++)
        out[c] = in[c] > out[c] ? in[c] : out[c];
}

/* The common window of 2x2 inside the map, in one pass over the output. */
static void max_of_four(float *out, const float *a, const float *b, size_t row, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        float first = b[c] > a[c] ? b[c] : a[c];
        float second = b[row + c] > a[row + c] ? b[row + c] : a[row + c];
        out[c] = second > first ? second : first;
    }
}

static void max_pixel(const struct pool_task *task, struct tap_range rows,
                      struct tap_range cols, float *out)
{
    const struct tess_plane *in = &task->call->in[0];
    const struct tess_window *window = task->window;
    size_t n = (size_t)task->call->out.channels;
    if (rows.end - rows.begin == 2 && cols.end - cols.begin == 2 &&
        window->dilation_h == 1 && window->dilation_w == 1) {
        const float *corner = tess_plane_at(in, rows.begin, cols.begin);
        max_of_four(out, corner, corner + in->pixel_stride, in->row_stride, n);
        return;
    }
    for (size_t c = 0; c < n; c++)
        out[c] = -FLT_MAX;
    for (int y = rows.begin; y < rows.end; y += window->dilation_h) {
        for (int x = cols.begin; x < cols.end; x += window->dilation_w)
            take_max(out, tess_plane_at(in, y, x), n);
    }
}

static void max_row(void *context, size_t row)
{
    const struct pool_task *task = context;
    const struct tess_window *window = task->window;
    const struct tess_plane *out = &task->call->out;
    int y = out->row + (int)row;
    struct tap_range rows =
        taps_inside(y, window->stride_h, window->pad_top, window->kernel_h,
                    window->dilation_h, task->map_h);
    for (int x = out->col; x < out->col + out->n_cols; x++) {
        struct tap_range cols =
            taps_inside(x, window->stride_w, window->pad_left, window->kernel_w,
                        window->dilation_w, task->map_w);
        max_pixel(task, rows, cols, tess_plane_at(out, y, x));
    }
}

void tess_plain_maxpool(const struct tess_kernel *kernel,
                        const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    const struct tess_op *op = kernel->op;
    const struct tess_tensor *map = &kernel->graph->tensors[op->inputs[0]];
    struct pool_task task = {&op->window, call, map->h, map->w};
    int n_taps = op->window.kernel_h * op->window.kernel_w;
    tess_for_rows(pool, call->out.n_rows,
                  (int64_t)call->out.n_cols * call->out.channels * n_taps, max_row,
                  &task);
}

/* The sum runs row by row and column by column, whatever the number of threads: the only
 * output pixel is computed by the caller. */
void tess_plain_avgpool(const struct tess_kernel *kernel,
                        const struct tess_kernel_call *call, struct pthreadpool *pool)
{
    (void)pool;
    const struct tess_tensor *map = &kernel->graph->tensors[kernel->op->inputs[0]];
    const struct tess_plane *in = &call->in[0];
    size_t n = (size_t)call->out.channels;
    float *out = call->out.data;
    assert(call->out.n_rows == 1 && call->out.n_cols == 1);
    memset(out, 0, n * sizeof(float));
    for (int y = 0; y < map->h; y++) {
        for (int x = 0; x < map->w; x++) {
            const float *pixel = tess_plane_at(in, y, x);
            for (size_t c = 0; c < n; c++)
                out[c] += pixel[c];
        }
    }
    float n_pixels = (float)map->h * (float)map->w;
    for (size_t c = 0; c < n; c++)
        out[c] /= n_pixels;
}
