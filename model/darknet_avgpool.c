#include "model/darknet_priv.h"

static const struct tess_darknet_key keys[] = {{NULL, TESS_KEY_IGNORED, NULL}};

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_AVGPOOL, d->layer, &d->input);
    struct tess_shape shape = {1, 1, tess_darknet_tensor(d, d->input)->c};
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_avgpool = {
    .names = {"avgpool", "avg", NULL}, .keys = keys, .build = build};
