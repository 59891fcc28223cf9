#include "model/darknet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/darknet_priv.h"

/* Layers; [net] stands apart because it must come first and only there. */
static const struct tess_darknet_section *const kinds[] = {
    &tess_darknet_convolutional, &tess_darknet_connected, &tess_darknet_maxpool,
    &tess_darknet_avgpool,       &tess_darknet_route,     &tess_darknet_shortcut,
    &tess_darknet_upsample,      &tess_darknet_reorg,     &tess_darknet_crop,
    &tess_darknet_dropout,       &tess_darknet_cost,      &tess_darknet_softmax,
    &tess_darknet_region,        &tess_darknet_yolo,
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

const struct tess_tensor *tess_darknet_tensor(const struct tess_darknet *d, int tensor)
{
    assert(tensor >= 0 && tensor < d->builder.graph->n_tensors);
    return &d->builder.graph->tensors[tensor];
}

enum tess_status tess_darknet_find_layer(struct tess_darknet *d, const char *key,
                                         int index, int64_t number, int *tensor_out)
{
    int64_t layer = number < 0 ? d->layer + number : number;
    if (layer >= 0 && layer < d->layer) {
        *tensor_out = d->builder.graph->layers[layer].tensor;
        return TESS_OK;
    }
    tess_darknet_fail_item(d, key, index,
                           layer < 0           ? "%s=%lld points before the first layer"
                           : layer == d->layer ? "%s=%lld is this layer itself"
                                               : "%s=%lld is not before this layer",
                           key, (long long)number);
    if (d->layer > 0)
        tess_error_hint(d->error, "this is layer %d: give 0 to %d, or -1 to -%d",
                        d->layer, d->layer - 1, d->layer);
    else
        tess_error_hint(d->error, "this is the first layer: there is none before it");
    return TESS_E_MODEL;
}

enum tess_status tess_darknet_add_op(struct tess_darknet *d, const struct tess_op *op,
                                     struct tess_shape shape, int *tensor_out)
{
    if (!tess_shape_is_sane(shape)) {
        tess_darknet_fail(d, NULL, "output of %lld x %lld x %lld is empty or too large",
                          (long long)shape.h, (long long)shape.w, (long long)shape.c);
        tess_error_hint(
            d->error, "rows and columns: 1 to %d, channels: 1 to %d, together at most %d",
            TESS_LIMIT_SIDE, TESS_LIMIT_CHANNELS, TESS_LIMIT_ELEMS);
        return TESS_E_MODEL;
    }
    if (tess_op_has_weights(op)) {
        const struct tess_window *window = &op->window;
        int64_t n_taps = (int64_t)window->kernel_h * window->kernel_w *
                         (tess_darknet_tensor(d, op->inputs[0])->c / op->groups);
        if (n_taps > TESS_LIMIT_ELEMS || n_taps * shape.c > TESS_LIMIT_ELEMS ||
            n_taps * shape.c > TESS_LIMIT_MACS / (shape.h * shape.w))
            return tess_darknet_fail(d, NULL,
                                     "a kernel of %lld filters of %lld weights is "
                                     "too large",
                                     (long long)shape.c, (long long)n_taps);
    }
    return tess_graph_builder_add_op(&d->builder, op, shape, tensor_out, d->error);
}

static const struct tess_darknet_section *find_kind(const char *name)
{
    for (int i = 0; i < N_KINDS; i++)
        for (int j = 0; kinds[i]->names[j]; j++)
            if (strcmp(kinds[i]->names[j], name) == 0)
                return kinds[i];
    return NULL;
}

static bool is_net_section(const struct tess_cfg_section *section)
{
    return strcmp(section->name, tess_darknet_net.names[0]) == 0 ||
           strcmp(section->name, tess_darknet_net.names[1]) == 0;
}

static enum tess_status unknown_section(struct tess_darknet *d)
{
    const char *names[N_KINDS + 1];
    for (int i = 0; i < N_KINDS; i++)
        names[i] = kinds[i]->names[0];
    names[N_KINDS] = NULL;
    const struct tess_cfg_section *section = d->section;
    bool is_net = is_net_section(section);
    tess_error_at(d->error, TESS_E_MODEL, d->file_name, section->line, section->col,
                  is_net ? "[%.40s] may only be the first section"
                         : "section [%.40s] is not supported",
                  section->name);
    if (is_net)
        return TESS_E_MODEL;
    const char *near = tess_nearest_word(section->name, names);
    if (near)
        tess_error_hint(d->error, "did you mean [%s]?", near);
    tess_error_hint(
        d->error,
        "supported: convolutional, connected, maxpool, avgpool, route, shortcut, "
        "upsample, reorg, crop, dropout, cost, softmax, region, yolo");
    return TESS_E_MODEL;
}

/* Reads one section and leaves its output in d->output. */
static enum tess_status build_section(struct tess_darknet *d,
                                      const struct tess_darknet_section *kind)
{
    enum tess_status status = tess_darknet_check_keys(d, kind);
    if (status != TESS_OK)
        return status;
    d->output = -1;
    status = kind->build(d);
    assert((status == TESS_OK) == (d->error->status == TESS_OK));
    assert(status != TESS_OK || d->output >= 0);
    return status;
}

static enum tess_status build_layers(struct tess_darknet *d)
{
    for (int i = 1; i < d->cfg->n_sections; i++) {
        d->section = &d->cfg->sections[i];
        d->layer = i - 1;
        const struct tess_darknet_section *kind = find_kind(d->section->name);
        if (!kind)
            return unknown_section(d);
        enum tess_status status = build_section(d, kind);
        if (status == TESS_OK)
            status = tess_graph_builder_add_layer(&d->builder, kind->names[0],
                                                  d->section->line, d->output, d->error);
        if (status != TESS_OK)
            return status;
        d->input = d->output;
    }
    if (d->builder.graph->n_ops == 0)
        return tess_error_at(d->error, TESS_E_MODEL, d->file_name,
                             d->cfg->sections[0].line, 0,
                             "the network has no layer that computes anything");
    return TESS_OK;
}

static enum tess_status build_network(struct tess_darknet *d)
{
    d->section = d->cfg->sections; /* NULL if there is none */
    if (!d->section || !is_net_section(d->section)) {
        int line = d->section ? d->section->line : 0,
            col = d->section ? d->section->col : 0;
        tess_error_at(d->error, TESS_E_MODEL, d->file_name, line, col,
                      d->section ? "the first section must be [net]"
                                 : "there is no section: is this a cfg file?");
        return TESS_E_MODEL;
    }
    enum tess_status status = build_section(d, &tess_darknet_net);
    return status == TESS_OK ? build_layers(d) : status;
}

/* The graph's name: the file's, without folders and suffix. */
static char *name_of(const char *file_name)
{
    const char *slash = strrchr(file_name, '/');
    const char *base = slash ? slash + 1 : file_name;
    const char *dot = strrchr(base, '.');
    return dot && dot != base ? strndup(base, (size_t)(dot - base)) : strdup(base);
}

enum tess_status tess_darknet_parse(const char *text, size_t n_bytes,
                                    const char *file_name, struct tess_graph **graph_out,
                                    struct tess_text *warnings_out,
                                    struct tess_error *error)
{
    struct tess_error own_error; /* getters need one even if the caller does not */
    tess_error_init(&own_error);
    struct tess_cfg cfg = {0};
    struct tess_darknet d = {.file_name = file_name,
                             .cfg = &cfg,
                             .input = TESS_GRAPH_INPUT,
                             .warnings = warnings_out,
                             .error = &own_error};
    char *name = name_of(file_name);
    enum tess_status status = name ? TESS_OK : tess_error_nomem(&own_error);
    if (status == TESS_OK)
        status = tess_cfg_init(&cfg, text, n_bytes, file_name, &own_error);
    if (status != TESS_OK)
        goto out;
    status = tess_graph_builder_init(&d.builder, name, &own_error);
    if (status == TESS_OK)
        status = build_network(&d);
    if (status == TESS_OK)
        status = tess_graph_builder_finish(&d.builder, graph_out, &own_error);
out:
    if (status != TESS_OK && error && error->status == TESS_OK)
        *error = own_error;
    tess_graph_builder_release(&d.builder);
    tess_cfg_release(&cfg);
    free(name);
    return status;
}

enum tess_status tess_darknet_load(const char *path, struct tess_graph **graph_out,
                                   struct tess_text *warnings_out,
                                   struct tess_error *error)
{
    struct tess_text text = {0};
    enum tess_status status = tess_file_read(path, TESS_CFG_LIMIT_BYTES, &text, error);
    if (status == TESS_OK) {
        const char *file_name = strcmp(path, "-") == 0 ? "stdin" : path;
        status = tess_darknet_parse(tess_text_string(&text), text.len, file_name,
                                    graph_out, warnings_out, error);
    }
    tess_text_release(&text);
    return status;
}
