#include "model/darknet_priv.h"

#include <assert.h>

/* Of the many options of [net] only the input's shape matters at inference. */
static const struct tess_darknet_key keys[] = {
    {"height", TESS_KEY_USED, NULL},
    {"width", TESS_KEY_USED, NULL},
    {"channels", TESS_KEY_USED, NULL},
    {"inputs", TESS_KEY_USED, NULL},
    {"time_steps", TESS_KEY_REFUSED, "1"},
    {"B1", TESS_KEY_IGNORED, NULL},
    {"B2", TESS_KEY_IGNORED, NULL},
    {"adam", TESS_KEY_IGNORED, NULL},
    {"adversarial_lr", TESS_KEY_IGNORED, NULL},
    {"angle", TESS_KEY_IGNORED, NULL},
    {"aspect", TESS_KEY_IGNORED, NULL},
    {"attention", TESS_KEY_IGNORED, NULL},
    {"augment_speed", TESS_KEY_IGNORED, NULL},
    {"badlabels_reject_threshold", TESS_KEY_IGNORED, NULL},
    {"badlabels_rejection_percentage", TESS_KEY_IGNORED, NULL},
    {"batch", TESS_KEY_IGNORED, NULL},
    {"benchmark_layers", TESS_KEY_IGNORED, NULL},
    {"blur", TESS_KEY_IGNORED, NULL},
    {"burn_in", TESS_KEY_IGNORED, NULL},
    {"center", TESS_KEY_IGNORED, NULL},
    {"contrastive", TESS_KEY_IGNORED, NULL},
    {"contrastive_color", TESS_KEY_IGNORED, NULL},
    {"contrastive_jit_flip", TESS_KEY_IGNORED, NULL},
    {"cutmix", TESS_KEY_IGNORED, NULL},
    {"decay", TESS_KEY_IGNORED, NULL},
    {"dynamic_minibatch", TESS_KEY_IGNORED, NULL},
    {"ema_alpha", TESS_KEY_IGNORED, NULL},
    {"eps", TESS_KEY_IGNORED, NULL},
    {"equidistant_point", TESS_KEY_IGNORED, NULL},
    {"exposure", TESS_KEY_IGNORED, NULL},
    {"flip", TESS_KEY_IGNORED, NULL},
    {"gamma", TESS_KEY_IGNORED, NULL},
    {"gaussian_noise", TESS_KEY_IGNORED, NULL},
    {"hue", TESS_KEY_IGNORED, NULL},
    {"init_sequential_subdivisions", TESS_KEY_IGNORED, NULL},
    {"label_smooth_eps", TESS_KEY_IGNORED, NULL},
    {"learning_rate_min", TESS_KEY_IGNORED, NULL},
    {"letter_box", TESS_KEY_IGNORED, NULL},
    {"log_step", TESS_KEY_IGNORED, NULL},
    {"loss_scale", TESS_KEY_IGNORED, NULL},
    {"max_batches", TESS_KEY_IGNORED, NULL},
    {"max_chart_loss", TESS_KEY_IGNORED, NULL},
    {"max_crop", TESS_KEY_IGNORED, NULL},
    {"max_ratio", TESS_KEY_IGNORED, NULL},
    {"min_crop", TESS_KEY_IGNORED, NULL},
    {"min_ratio", TESS_KEY_IGNORED, NULL},
    {"mixup", TESS_KEY_IGNORED, NULL},
    {"momentum", TESS_KEY_IGNORED, NULL},
    {"mosaic", TESS_KEY_IGNORED, NULL},
    {"mosaic_bound", TESS_KEY_IGNORED, NULL},
    {"notruth", TESS_KEY_IGNORED, NULL},
    {"num_sigmas_reject_badlabels", TESS_KEY_IGNORED, NULL},
    {"optimized_memory", TESS_KEY_IGNORED, NULL},
    {"policy", TESS_KEY_IGNORED, NULL},
    {"power", TESS_KEY_IGNORED, NULL},
    {"random", TESS_KEY_IGNORED, NULL},
    {"resize_step", TESS_KEY_IGNORED, NULL},
    {"saturation", TESS_KEY_IGNORED, NULL},
    {"scale", TESS_KEY_IGNORED, NULL},
    {"scales", TESS_KEY_IGNORED, NULL},
    {"seen", TESS_KEY_IGNORED, NULL},
    {"seq_scales", TESS_KEY_IGNORED, NULL},
    {"sequential_subdivisions", TESS_KEY_IGNORED, NULL},
    {"sgdr_cycle", TESS_KEY_IGNORED, NULL},
    {"sgdr_mult", TESS_KEY_IGNORED, NULL},
    {"show_details", TESS_KEY_IGNORED, NULL},
    {"step", TESS_KEY_IGNORED, NULL},
    {"steps", TESS_KEY_IGNORED, NULL},
    {"subdivisions", TESS_KEY_IGNORED, NULL},
    {"track", TESS_KEY_IGNORED, NULL},
    {"try_fix_nan", TESS_KEY_IGNORED, NULL},
    {"unsupervised", TESS_KEY_IGNORED, NULL},
    {"use_cuda_graph", TESS_KEY_IGNORED, NULL},
    {"weights_reject_freq", TESS_KEY_IGNORED, NULL},
    {"workspace_size_limit_MB", TESS_KEY_IGNORED, NULL},
    {NULL, TESS_KEY_IGNORED, NULL},
};

static int read_side(struct tess_darknet *d, const char *key, int limit)
{
    if (!tess_cfg_find(d->section, key))
        tess_darknet_fail(d, NULL, "%s is missing", key);
    return tess_darknet_int(d, key, 1, 1, limit);
}

static enum tess_status build(struct tess_darknet *d)
{
    struct tess_shape shape = {
        .h = read_side(d, "height", TESS_LIMIT_SIDE),
        .w = read_side(d, "width", TESS_LIMIT_SIDE),
        .c = read_side(d, "channels", TESS_LIMIT_CHANNELS),
    };
    int n_inputs = tess_darknet_int(d, "inputs", 0, 1, TESS_LIMIT_ELEMS);
    if (tess_darknet_status(d) != TESS_OK)
        return tess_darknet_status(d);
    if (!tess_shape_is_sane(shape))
        return tess_darknet_fail(d, NULL, "an input of %lld x %lld x %lld is too large",
                                 (long long)shape.h, (long long)shape.w,
                                 (long long)shape.c);
    if (n_inputs && n_inputs != shape.h * shape.w * shape.c)
        return tess_darknet_fail(d, "inputs",
                                 "inputs=%d is not height * width * channels", n_inputs);
    assert(d->input == TESS_GRAPH_INPUT);
    tess_graph_builder_set_input(&d->builder, shape);
    d->output = TESS_GRAPH_INPUT;
    return TESS_OK;
}

const struct tess_darknet_section tess_darknet_net = {
    .names = {"net", "network", NULL}, .keys = keys, .build = build};
