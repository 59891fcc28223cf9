#include "model/darknet_priv.h"

#include <assert.h>

static const struct tess_darknet_key keys[] = {
    {"group_id", TESS_KEY_USED, NULL},
    {"groups", TESS_KEY_USED, NULL},
    {"layers", TESS_KEY_USED, NULL},
    {NULL, TESS_KEY_IGNORED, NULL},
};

enum { LIMIT_INPUTS = 256 };

/* Replaces tensor number `index` by the part of its channels that group `id` of `groups`
 * owns: each input gives its own part. */
static enum tess_status take_group(struct tess_darknet *d, int index, int groups, int id,
                                   int *tensor)
{
    if (groups == 1)
        return TESS_OK;
    struct tess_op op = tess_op_neutral(TESS_OP_SLICE, d->layer, tensor);
    struct tess_tensor in = *tess_darknet_tensor(d, *tensor);
    if (in.c % groups != 0)
        return tess_darknet_fail_item(
            d, "layers", index, "groups=%d does not divide the %d channels of this layer",
            groups, in.c);
    struct tess_shape shape = {in.h, in.w, in.c / groups};
    op.channel_begin = in.c / groups * id;
    return tess_darknet_add_op(d, &op, shape, tensor);
}

static enum tess_status find_inputs(struct tess_darknet *d, const int64_t *numbers, int n,
                                    int *tensors)
{
    enum tess_status status = TESS_OK;
    for (int i = 0; i < n && status == TESS_OK; i++) {
        status = tess_darknet_find_layer(d, "layers", i, numbers[i], &tensors[i]);
        if (status != TESS_OK)
            return status;
        const struct tess_tensor *first = tess_darknet_tensor(d, tensors[0]);
        const struct tess_tensor *tensor = tess_darknet_tensor(d, tensors[i]);
        if (tensor->h != first->h || tensor->w != first->w)
            status = tess_darknet_fail_item(
                d, "layers", i,
                "layer %lld puts out %d x %d, the first of the list %d x %d",
                (long long)numbers[i], tensor->h, tensor->w, first->h, first->w);
    }
    return status;
}

static enum tess_status build(struct tess_darknet *d)
{
    int64_t numbers[LIMIT_INPUTS];
    int tensors[LIMIT_INPUTS];
    int n = tess_darknet_ints(d, "layers", LIMIT_INPUTS, numbers);
    int groups = tess_darknet_int(d, "groups", 1, 1, TESS_LIMIT_CHANNELS);
    int id = tess_darknet_int(d, "group_id", 0, 0, groups - 1);
    enum tess_status status = tess_darknet_status(d);
    if (status == TESS_OK && n == 0)
        return tess_darknet_fail(d, NULL, "layers is missing");
    if (status == TESS_OK)
        status = find_inputs(d, numbers, n, tensors);
    for (int i = 0; i < n && status == TESS_OK; i++)
        status = take_group(d, i, groups, id, &tensors[i]);
    if (status != TESS_OK)
        return status;
    assert(n >= 1);
    d->output = tensors[0];
    if (n == 1)
        return TESS_OK;
    struct tess_op op = tess_op_neutral(TESS_OP_CONCAT, d->layer, tensors);
    op.n_inputs = n;
    const struct tess_tensor *first = tess_darknet_tensor(d, tensors[0]);
    struct tess_shape shape = {first->h, first->w, 0};
    for (int i = 0; i < n; i++)
        shape.c += tess_darknet_tensor(d, tensors[i])->c;
    return tess_darknet_add_op(d, &op, shape, &d->output);
}

const struct tess_darknet_section tess_darknet_route = {
    .names = {"route", NULL}, .keys = keys, .build = build};
