#include "model/darknet_priv.h"

#include <assert.h>

static const struct tess_darknet_key keys[] = {
    {"activation", TESS_KEY_USED, NULL},
    {"alpha", TESS_KEY_USED, NULL},
    {"beta", TESS_KEY_USED, NULL},
    {"from", TESS_KEY_USED, NULL},
    {"weights_normalization", TESS_KEY_IGNORED, NULL}, /* only with weights_type */
    {"weights_type", TESS_KEY_REFUSED, "none"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

enum { LIMIT_INPUTS = 256 };

/* darknet adds maps of different sizes by skipping pixels of the larger one, as long as
 * both directions agree on how many; a list of several layers needs equal maps. */
static enum tess_status check_planes(struct tess_darknet *d, int index, int n, int from)
{
    const struct tess_tensor *out = tess_darknet_tensor(d, d->input);
    const struct tess_tensor *in = tess_darknet_tensor(d, from);
    bool is_equal = in->h == out->h && in->w == out->w;
    bool is_scaled = in->w / out->w == in->h / out->h && out->w / in->w == out->h / in->h;
    if (is_equal || (n == 1 && is_scaled))
        return TESS_OK;
    return tess_darknet_fail_item(
        d, "from", index,
        "the map of that layer, %d x %d, does not fit this one's "
        "%d x %d",
        in->h, in->w, out->h, out->w);
}

static enum tess_status build(struct tess_darknet *d)
{
    int64_t numbers[LIMIT_INPUTS];
    struct tess_op op = tess_op_neutral(TESS_OP_ADD, d->layer, NULL);
    int n = tess_darknet_ints(d, "from", LIMIT_INPUTS, numbers);
    enum tess_activation activation = tess_darknet_activation(d, TESS_ACT_LINEAR);
    op.alpha = tess_darknet_float(d, "alpha", 1);
    op.beta = tess_darknet_float(d, "beta", 1);
    enum tess_status status = tess_darknet_status(d);
    if (status != TESS_OK)
        return status;
    if (n == 0)
        return tess_darknet_fail(d, NULL, "from is missing");
    bool is_plain_sum = !(op.alpha < 1 || op.alpha > 1 || op.beta < 1 || op.beta > 1);
    if (n > 1 && !is_plain_sum)
        return tess_darknet_fail(d, "from", "alpha and beta need a single layer here");
    d->output = d->input;
    for (int i = 0; i < n; i++) { /* several layers: one addition after another */
        const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
        struct tess_shape shape = {in->h, in->w, in->c};
        int inputs[2] = {d->output, -1};
        status = tess_darknet_find_layer(d, "from", i, numbers[i], &inputs[1]);
        if (status == TESS_OK)
            status = check_planes(d, i, n, inputs[1]);
        if (status != TESS_OK)
            return status;
        op.inputs = inputs;
        op.n_inputs = 2;
        op.activation = i == n - 1 ? activation : TESS_ACT_LINEAR;
        status = tess_darknet_add_op(d, &op, shape, &d->output);
        if (status != TESS_OK)
            return status;
    }
    assert(d->output != d->input);
    return TESS_OK;
}

const struct tess_darknet_section tess_darknet_shortcut = {
    .names = {"shortcut", NULL}, .keys = keys, .build = build};
