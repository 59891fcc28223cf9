#include "model/darknet_priv.h"

static const struct tess_darknet_key keys[] = {
    {"scale", TESS_KEY_USED, NULL},
    {"stride", TESS_KEY_USED, NULL},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_UPSAMPLE, d->layer, &d->input);
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    op.factor = tess_darknet_int(d, "stride", 2, 1, TESS_LIMIT_WINDOW);
    op.alpha = tess_darknet_float(d, "scale", 1);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    struct tess_shape shape = {(int64_t)in->h * op.factor, (int64_t)in->w * op.factor,
                               in->c};
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_upsample = {
    .names = {"upsample", NULL}, .keys = keys, .build = build};
