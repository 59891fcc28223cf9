/* Sections that compute nothing at inference: they pass on what they get. */
#include "model/darknet_priv.h"

static const struct tess_darknet_key dropout_keys[] = {
    {"dropblock", TESS_KEY_IGNORED, NULL},
    {"dropblock_size_abs", TESS_KEY_IGNORED, NULL},
    {"dropblock_size_rel", TESS_KEY_IGNORED, NULL},
    {"probability", TESS_KEY_IGNORED, NULL},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static const struct tess_darknet_key cost_keys[] = {
    {"noobj", TESS_KEY_IGNORED, NULL}, {"ratio", TESS_KEY_IGNORED, NULL},
    {"scale", TESS_KEY_IGNORED, NULL}, {"thresh", TESS_KEY_IGNORED, NULL},
    {"type", TESS_KEY_IGNORED, NULL},  {NULL, TESS_KEY_IGNORED, NULL},
};

static enum tess_status build(struct tess_darknet *d)
{
    d->output = d->input;
    return TESS_OK;
}

const struct tess_darknet_section tess_darknet_dropout = {
    .names = {"dropout", NULL}, .keys = dropout_keys, .build = build};
const struct tess_darknet_section tess_darknet_cost = {
    .names = {"cost", NULL}, .keys = cost_keys, .build = build};
