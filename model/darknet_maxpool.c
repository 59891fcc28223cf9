#include "model/darknet_priv.h"

static const struct tess_darknet_key keys[] = {
    {"padding", TESS_KEY_USED, NULL},         {"size", TESS_KEY_USED, NULL},
    {"stride", TESS_KEY_USED, NULL},          {"stride_x", TESS_KEY_USED, NULL},
    {"stride_y", TESS_KEY_USED, NULL},        {"antialiasing", TESS_KEY_REFUSED, "0"},
    {"maxpool_depth", TESS_KEY_REFUSED, "0"}, {"out_channels", TESS_KEY_REFUSED, "1"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

/* Output rows or columns. `padding` counts both borders together; the smaller half of it
 * lies before the map. Windows that would see padding only are refused: their maximum is
 * none. */
static enum tess_status find_side(struct tess_darknet *d, int in, int size, int stride,
                                  int padding, int64_t *out)
{
    if (in + padding < size)
        return tess_darknet_fail(d, "size", "size=%d is more than the padded input's %d",
                                 size, in + padding);
    *out = (in + padding - size) / stride + 1;
    if (padding / 2 >= size || (*out - 1) * stride - padding / 2 >= in)
        return tess_darknet_fail(d, "padding",
                                 "padding=%d leaves windows of size %d without any pixel",
                                 padding, size);
    return TESS_OK;
}

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_MAXPOOL, d->layer, &d->input);
    struct tess_window *window = &op.window;
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    int stride = tess_darknet_int(d, "stride", 1, 1, TESS_LIMIT_WINDOW);
    int size = tess_darknet_int(d, "size", stride, 1, TESS_LIMIT_WINDOW);
    int padding = tess_darknet_int(d, "padding", size - 1, 0, TESS_LIMIT_WINDOW);
    window->kernel_h = window->kernel_w = size;
    window->stride_w = tess_darknet_int(d, "stride_x", stride, 1, TESS_LIMIT_WINDOW);
    window->stride_h = tess_darknet_int(d, "stride_y", stride, 1, TESS_LIMIT_WINDOW);
    window->pad_top = window->pad_left = padding / 2;
    struct tess_shape shape = {.c = in->c};
    enum tess_status status = tess_darknet_status(d);
    if (status == TESS_OK)
        status = find_side(d, in->h, size, window->stride_h, padding, &shape.h);
    if (status == TESS_OK)
        status = find_side(d, in->w, size, window->stride_w, padding, &shape.w);
    if (status != TESS_OK)
        return status;
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_maxpool = {
    .names = {"maxpool", "max", NULL}, .keys = keys, .build = build};
