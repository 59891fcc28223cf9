#include "model/darknet_priv.h"

static const struct tess_darknet_key keys[] = {
    {"activation", TESS_KEY_USED, NULL}, {"batch_normalize", TESS_KEY_USED, NULL},
    {"output", TESS_KEY_USED, NULL},     {"flipped", TESS_KEY_REFUSED, "0"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_CONNECTED, d->layer, &d->input);
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    op.window.kernel_h = in->h;
    op.window.kernel_w = in->w;
    op.has_batch_norm = tess_darknet_bool(d, "batch_normalize", false);
    op.activation = tess_darknet_activation(d, TESS_ACT_LOGISTIC);
    struct tess_shape shape = {1, 1,
                               tess_darknet_int(d, "output", 1, 1, TESS_LIMIT_CHANNELS)};
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_connected = {
    .names = {"connected", "conn", NULL}, .keys = keys, .build = build};
