#include "model/darknet_priv.h"

static const struct tess_darknet_key keys[] = {
    {"groups", TESS_KEY_USED, NULL},    {"temperature", TESS_KEY_USED, NULL},
    {"noloss", TESS_KEY_IGNORED, NULL}, {"spatial", TESS_KEY_REFUSED, "0"},
    {"tree", TESS_KEY_REFUSED, NULL},   {NULL, TESS_KEY_IGNORED, NULL},
};

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_SOFTMAX, d->layer, &d->input);
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    op.groups = tess_darknet_int(d, "groups", 1, 1, TESS_LIMIT_CHANNELS);
    float temperature = tess_darknet_float(d, "temperature", 1);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    if (temperature < 1e-6F || temperature > 1e6F)
        return tess_darknet_fail(d, "temperature",
                                 "temperature must be from 1e-6 to 1e6");
    op.alpha = 1 / temperature;
    if (in->h != 1 || in->w != 1)
        return tess_darknet_fail(
            d, NULL,
            "its input has %d x %d pixels; supported is one pixel, as "
            "after [avgpool] or [connected]",
            in->h, in->w);
    if (in->c % op.groups != 0)
        return tess_darknet_fail(d, "groups", "groups=%d does not divide %d channels",
                                 op.groups, in->c);
    return tess_darknet_add_op(d, &op, (struct tess_shape){1, 1, in->c}, &d->output);
}

const struct tess_darknet_section tess_darknet_softmax = {
    .names = {"softmax", "soft", NULL}, .keys = keys, .build = build};
