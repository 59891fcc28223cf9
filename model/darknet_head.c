/* The two detector heads: [region] of YOLOv2 and [yolo] of YOLOv3 and later. */
#include "model/darknet_priv.h"

#include <assert.h>

enum { LIMIT_ANCHORS = TESS_DARKNET_LIMIT_LIST / 2, COORDS = 4 };

static const struct tess_darknet_key region_keys[] = {
    {"anchors", TESS_KEY_USED, NULL},
    {"background", TESS_KEY_USED, NULL},
    {"classes", TESS_KEY_USED, NULL},
    {"coords", TESS_KEY_USED, NULL},
    {"num", TESS_KEY_USED, NULL},
    {"softmax", TESS_KEY_USED, NULL},
    {"absolute", TESS_KEY_IGNORED, NULL},
    {"bias_match", TESS_KEY_IGNORED, NULL},
    {"class_scale", TESS_KEY_IGNORED, NULL},
    {"classfix", TESS_KEY_IGNORED, NULL},
    {"coord_scale", TESS_KEY_IGNORED, NULL},
    {"focal_loss", TESS_KEY_IGNORED, NULL},
    {"jitter", TESS_KEY_IGNORED, NULL},
    {"log", TESS_KEY_IGNORED, NULL},
    {"map", TESS_KEY_IGNORED, NULL},
    {"mask_scale", TESS_KEY_IGNORED, NULL},
    {"max", TESS_KEY_IGNORED, NULL},
    {"noobject_scale", TESS_KEY_IGNORED, NULL},
    {"object_scale", TESS_KEY_IGNORED, NULL},
    {"random", TESS_KEY_IGNORED, NULL},
    {"rescore", TESS_KEY_IGNORED, NULL},
    {"sqrt", TESS_KEY_IGNORED, NULL},
    {"thresh", TESS_KEY_IGNORED, NULL},
    {"tree", TESS_KEY_REFUSED, NULL},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static const struct tess_darknet_key yolo_keys[] = {
    {"anchors", TESS_KEY_USED, NULL},
    {"classes", TESS_KEY_USED, NULL},
    {"mask", TESS_KEY_USED, NULL},
    {"num", TESS_KEY_USED, NULL},
    {"scale_x_y", TESS_KEY_USED, NULL},
    {"beta_nms", TESS_KEY_IGNORED, NULL},
    {"cls_normalizer", TESS_KEY_IGNORED, NULL},
    {"counters_per_class", TESS_KEY_IGNORED, NULL},
    {"delta_normalizer", TESS_KEY_IGNORED, NULL},
    {"dets_for_show", TESS_KEY_IGNORED, NULL},
    {"dets_for_track", TESS_KEY_IGNORED, NULL},
    {"embedding_layer", TESS_KEY_IGNORED, NULL},
    {"focal_loss", TESS_KEY_IGNORED, NULL},
    {"ignore_thresh", TESS_KEY_IGNORED, NULL},
    {"iou_loss", TESS_KEY_IGNORED, NULL},
    {"iou_normalizer", TESS_KEY_IGNORED, NULL},
    {"iou_thresh", TESS_KEY_IGNORED, NULL},
    {"iou_thresh_kind", TESS_KEY_IGNORED, NULL},
    {"jitter", TESS_KEY_IGNORED, NULL},
    {"label_smooth_eps", TESS_KEY_IGNORED, NULL},
    {"map", TESS_KEY_IGNORED, NULL},
    {"max", TESS_KEY_IGNORED, NULL},
    {"max_delta", TESS_KEY_IGNORED, NULL},
    {"nms_kind", TESS_KEY_IGNORED, NULL},
    {"obj_normalizer", TESS_KEY_IGNORED, NULL},
    {"objectness_smooth", TESS_KEY_IGNORED, NULL},
    {"random", TESS_KEY_IGNORED, NULL},
    {"resize", TESS_KEY_IGNORED, NULL},
    {"show_details", TESS_KEY_IGNORED, NULL},
    {"sim_thresh", TESS_KEY_IGNORED, NULL},
    {"track_ciou_norm", TESS_KEY_IGNORED, NULL},
    {"track_history_size", TESS_KEY_IGNORED, NULL},
    {"truth_thresh", TESS_KEY_IGNORED, NULL},
    {"uc_normalizer", TESS_KEY_IGNORED, NULL},
    {"new_coords", TESS_KEY_REFUSED, "0"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

/* Reads `num` pairs. */
static enum tess_status read_anchors(struct tess_darknet *d, int num, float *anchors)
{
    int n = tess_darknet_floats(d, "anchors", TESS_DARKNET_LIMIT_LIST, anchors);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    if (n != 2 * num)
        return tess_darknet_fail(
            d, "anchors",
            "anchors must hold %d numbers, two for each of num=%d, but "
            "there are %d",
            2 * num, num, n);
    for (int i = 0; i < n; i++)
        if (!(anchors[i] >= 0))
            return tess_darknet_fail_item(d, "anchors", i, "an anchor is negative");
    return TESS_OK;
}

static enum tess_status add_head(struct tess_darknet *d, struct tess_op *op)
{
    const struct tess_head *head = &op->head;
    const struct tess_tensor *in = tess_darknet_tensor(d, d->input);
    int64_t per_anchor = (int64_t)head->coords + 1 + head->n_classes;
    assert(head->n_anchors >= 1 && head->anchors);
    if (in->c != head->n_anchors * per_anchor) {
        tess_darknet_fail(
            d, NULL,
            "%d anchors of %lld numbers (4 coords, objectness, %d classes) need "
            "%lld channels; the layer before has %d",
            head->n_anchors, (long long)per_anchor, head->n_classes,
            (long long)(head->n_anchors * per_anchor), in->c);
        tess_error_hint(d->error, "set filters=%lld there, or correct classes%s here",
                        (long long)(head->n_anchors * per_anchor),
                        op->kind == TESS_OP_YOLO ? ", mask" : ", num");
        return TESS_E_MODEL;
    }
    return tess_darknet_add_op(d, op, (struct tess_shape){in->h, in->w, in->c},
                               &d->output);
}

static enum tess_status build_region(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_REGION, d->layer, &d->input);
    float anchors[TESS_DARKNET_LIMIT_LIST];
    int coords = tess_darknet_int(d, "coords", COORDS, 0, TESS_LIMIT_CHANNELS);
    op.head = (struct tess_head){
        .n_classes = tess_darknet_int(d, "classes", 20, 1, TESS_LIMIT_CHANNELS),
        .coords = COORDS,
        .n_anchors = tess_darknet_int(d, "num", 1, 1, LIMIT_ANCHORS),
        .anchors = anchors,
        .is_softmax = tess_darknet_bool(d, "softmax", false),
        .is_background = tess_darknet_bool(d, "background", false),
        .scale_x_y = 1,
    };
    enum tess_status status = read_anchors(d, op.head.n_anchors, anchors);
    if (status != TESS_OK)
        return status;
    if (coords != COORDS)
        return tess_darknet_fail(d, "coords", "coords=%d is not supported, only 4 is",
                                 coords);
    return add_head(d, &op);
}

/* Chooses the anchors that `mask` names (all of them without a mask); returns how many.
 */
static enum tess_status read_mask(struct tess_darknet *d, int num, const float *all,
                                  struct tess_head *head)
{
    int64_t mask[LIMIT_ANCHORS];
    int n = tess_darknet_ints(d, "mask", LIMIT_ANCHORS, mask);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    bool is_masked = n > 0;
    head->n_anchors = is_masked ? n : num;
    for (int i = 0; i < head->n_anchors; i++) {
        int64_t anchor = is_masked ? mask[i] : i;
        if (anchor < 0 || anchor >= num)
            return tess_darknet_fail_item(
                d, "mask", i, "mask names anchor %lld of num=%d", (long long)anchor, num);
        head->anchors[2 * i] = all[2 * anchor];
        head->anchors[2 * i + 1] = all[2 * anchor + 1];
    }
    return TESS_OK;
}

static enum tess_status build_yolo(struct tess_darknet *d)
{
    struct tess_op op = tess_op_neutral(TESS_OP_YOLO, d->layer, &d->input);
    float all[TESS_DARKNET_LIMIT_LIST], chosen[TESS_DARKNET_LIMIT_LIST];
    int num = tess_darknet_int(d, "num", 1, 1, LIMIT_ANCHORS);
    op.head = (struct tess_head){
        .n_classes = tess_darknet_int(d, "classes", 20, 1, TESS_LIMIT_CHANNELS),
        .coords = COORDS,
        .anchors = chosen,
        .scale_x_y = tess_darknet_float(d, "scale_x_y", 1),
    };
    enum tess_status status = read_anchors(d, num, all);
    if (status == TESS_OK)
        status = read_mask(d, num, all, &op.head);
    if (status != TESS_OK)
        return status;
    if (!(op.head.scale_x_y >= 1e-3F && op.head.scale_x_y <= 1e3F))
        return tess_darknet_fail(d, "scale_x_y", "scale_x_y must be from 0.001 to 1000");
    return add_head(d, &op);
}

const struct tess_darknet_section tess_darknet_region = {
    .names = {"region", NULL}, .keys = region_keys, .build = build_region};
const struct tess_darknet_section tess_darknet_yolo = {
    .names = {"yolo", NULL}, .keys = yolo_keys, .build = build_yolo};
