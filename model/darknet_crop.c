#include "model/darknet_priv.h"

#include <assert.h>

static const struct tess_darknet_key keys[] = {
    {"crop_height", TESS_KEY_USED, NULL},   {"crop_width", TESS_KEY_USED, NULL},
    {"noadjust", TESS_KEY_USED, NULL},      {"angle", TESS_KEY_IGNORED, NULL},
    {"exposure", TESS_KEY_IGNORED, NULL},   {"flip", TESS_KEY_IGNORED, NULL},
    {"saturation", TESS_KEY_IGNORED, NULL}, {"shift", TESS_KEY_IGNORED, NULL},
    {NULL, TESS_KEY_IGNORED, NULL},
};

/* At inference darknet takes the middle of the picture and maps 0..1 to -1..1. That is
 * how a picture becomes the input, not a layer: the graph begins with the cropped map. */
static enum tess_status build(struct tess_darknet *d)
{
    struct tess_graph *graph = d->builder.graph;
    if (d->layer != 0)
        return tess_darknet_fail(d, NULL, "supported only as the first layer");
    assert(graph->n_ops == 0);
    const struct tess_tensor in = graph->tensors[TESS_GRAPH_INPUT];
    struct tess_shape shape = {tess_darknet_int(d, "crop_height", 1, 1, in.h),
                               tess_darknet_int(d, "crop_width", 1, 1, in.w), in.c};
    bool is_raw = tess_darknet_bool(d, "noadjust", false);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    tess_graph_builder_set_input(&d->builder, shape);
    graph->picture = (struct tess_picture){
        .image_h = in.h,
        .image_w = in.w,
        .crop_top = (in.h - (int)shape.h) / 2,
        .crop_left = (in.w - (int)shape.w) / 2,
        .scale = is_raw ? 1 : 2,
        .offset = is_raw ? 0 : -1,
    };
    d->output = TESS_GRAPH_INPUT;
    return TESS_OK;
}

const struct tess_darknet_section tess_darknet_crop = {
    .names = {"crop", NULL}, .keys = keys, .build = build};
