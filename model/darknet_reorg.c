#include "model/darknet_priv.h"

static const struct tess_darknet_key keys[] = {
    {"reverse", TESS_KEY_USED, NULL}, {"stride", TESS_KEY_USED, NULL},
    {"extra", TESS_KEY_REFUSED, "0"}, {"flatten", TESS_KEY_REFUSED, "0"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_REORG, d->layer, &d->input);
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    const int factor = tess_darknet_int(d, "stride", 1, 1, TESS_LIMIT_WINDOW);
    op.factor = factor;
    op.is_reverse = tess_darknet_bool(d, "reverse", false);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    if (in->c % (factor * factor) != 0)
        return tess_darknet_fail(
            d, "stride", "%d channels are not a multiple of stride * stride", in->c);
    struct tess_shape shape = {(int64_t)in->h * factor, (int64_t)in->w * factor,
                               in->c / (factor * factor)};
    if (!op.is_reverse) {
        if (in->h % factor != 0 || in->w % factor != 0)
            return tess_darknet_fail(d, "stride",
                                     "stride=%d does not divide the %d x %d pixels",
                                     factor, in->h, in->w);
        shape = (struct tess_shape){in->h / factor, in->w / factor,
                                    (int64_t)in->c * factor * factor};
    }
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_reorg = {
    .names = {"reorg", NULL}, .keys = keys, .build = build};
