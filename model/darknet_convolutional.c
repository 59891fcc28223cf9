#include "model/darknet_priv.h"

#include <assert.h>

static const struct tess_darknet_key keys[] = {
    {"activation", TESS_KEY_USED, NULL},
    {"batch_normalize", TESS_KEY_USED, NULL},
    {"dilation", TESS_KEY_USED, NULL},
    {"filters", TESS_KEY_USED, NULL},
    {"groups", TESS_KEY_USED, NULL},
    {"pad", TESS_KEY_USED, NULL},
    {"padding", TESS_KEY_USED, NULL},
    {"size", TESS_KEY_USED, NULL},
    {"stride", TESS_KEY_USED, NULL},
    {"stride_x", TESS_KEY_USED, NULL},
    {"stride_y", TESS_KEY_USED, NULL},
    {"angle", TESS_KEY_IGNORED, NULL},
    {"dot", TESS_KEY_IGNORED, NULL},
    {"grad_centr", TESS_KEY_IGNORED, NULL},
    {"antialiasing", TESS_KEY_REFUSED, "0"},
    {"assisted_excitation", TESS_KEY_REFUSED, "0"},
    {"bin_output", TESS_KEY_REFUSED, "0"},
    {"binary", TESS_KEY_REFUSED, "0"},
    {"deform", TESS_KEY_REFUSED, "0"},
    {"flipped", TESS_KEY_REFUSED, "0"},
    {"reverse", TESS_KEY_REFUSED, "0"},
    {"rotate", TESS_KEY_REFUSED, "0"},
    {"share_index", TESS_KEY_REFUSED, NULL},
    {"stretch", TESS_KEY_REFUSED, "0"},
    {"stretch_sway", TESS_KEY_REFUSED, "0"},
    {"sway", TESS_KEY_REFUSED, "0"},
    {"xnor", TESS_KEY_REFUSED, "0"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static void read_op(struct tess_darknet *d, struct tess_op *op)
{
    struct tess_window *window = &op->window;
    int stride = tess_darknet_int(d, "stride", 1, 1, TESS_LIMIT_WINDOW);
    int size = tess_darknet_int(d, "size", 1, 1, TESS_LIMIT_WINDOW);
    int dilation = tess_darknet_int(d, "dilation", 1, 1, TESS_LIMIT_WINDOW);
    int padding = tess_darknet_int(d, "padding", 0, 0, TESS_LIMIT_WINDOW);
    if (tess_darknet_int(d, "pad", 0, 0, TESS_LIMIT_WINDOW))
        padding = size / 2; /* darknet: any pad but 0 means "same" */
    if (size == 1)
        dilation = 1;
    window->kernel_h = window->kernel_w = size;
    window->stride_w = tess_darknet_int(d, "stride_x", stride, 1, TESS_LIMIT_WINDOW);
    window->stride_h = tess_darknet_int(d, "stride_y", stride, 1, TESS_LIMIT_WINDOW);
    window->dilation_h = window->dilation_w = dilation;
    window->pad_top = window->pad_left = padding;
    op->groups = tess_darknet_int(d, "groups", 1, 1, TESS_LIMIT_CHANNELS);
    op->has_batch_norm = tess_darknet_bool(d, "batch_normalize", false);
    op->activation = tess_darknet_activation(d, TESS_ACT_LOGISTIC);
}

static enum tess_status check_groups(struct tess_darknet *d, int groups, int n_in,
                                     int n_out)
{
    if (n_in % groups != 0)
        return tess_darknet_fail(d, "groups",
                                 "groups=%d does not divide the %d channels of the input",
                                 groups, n_in);
    if (n_out % groups != 0)
        return tess_darknet_fail(d, "groups", "groups=%d does not divide filters=%d",
                                 groups, n_out);
    return TESS_OK;
}

/* Output rows or columns as darknet sizes the layer: dilation does not enter, because it
 * scales the padding by the dilation too. Where that is not the truth it would write
 * outside its own buffers; such layers are refused. */
static enum tess_status find_side(struct tess_darknet *d, int in, int stride,
                                  const struct tess_window *window, int64_t *out)
{
    int size = window->kernel_h, padding = window->pad_top, dilation = window->dilation_h;
    int reach = dilation * (size - 1) + 1;
    if (padding * dilation >= reach) {
        const char *key = tess_cfg_find(d->section, "padding") ? "padding" : "pad";
        return tess_darknet_fail(
            d, key, "padding of %d is not less than the kernel's reach of %d",
            padding * dilation, reach);
    }
    if (in + 2 * padding < size || in + 2 * padding * dilation < reach)
        return tess_darknet_fail(
            d, "size", "the kernel reaches over %d pixels, the padded input has %d",
            reach, in + 2 * padding * dilation);
    *out = (in + 2 * padding - size) / stride + 1;
    if (*out != (in + 2 * padding * dilation - reach) / stride + 1)
        return tess_darknet_fail(
            d, "dilation", "dilation=%d needs a padding that keeps the size (pad=1)",
            dilation);
    return TESS_OK;
}

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_CONV, d->layer, &d->input);
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    struct tess_shape shape = {
        .c = tess_darknet_int(d, "filters", 1, 1, TESS_LIMIT_CHANNELS)};
    read_op(d, &op);
    enum tess_status status = tess_darknet_status(d);
    if (status == TESS_OK)
        status = check_groups(d, op.groups, in->c, (int)shape.c);
    if (status == TESS_OK)
        status = find_side(d, in->h, op.window.stride_h, &op.window, &shape.h);
    if (status == TESS_OK)
        status = find_side(d, in->w, op.window.stride_w, &op.window, &shape.w);
    if (status != TESS_OK)
        return status;
    assert(op.window.kernel_h == op.window.kernel_w);
    op.window.pad_top *= op.window.dilation_h;
    op.window.pad_left *= op.window.dilation_w;
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_convolutional = {
    .names = {"convolutional", "conv", NULL}, .keys = keys, .build = build};
