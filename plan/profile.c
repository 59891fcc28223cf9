#include "plan/profile.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "plan/yaml_doc.h"
#include "plan/yaml_write.h"

enum {
    FEW_CHANNELS =
        4, /* a vector register's worth at most: the kernel is mostly overhead */
    WIDE_CHANNELS =
        64, /* from here on a filter's weights stay ahead of its bookkeeping */
    LIMIT_THREADS = 1024,
    N_PLACES = 6 /* decimals written */
};
static const double min_speed = 1e-6, max_speed = 1e8, max_us = 1e6;
static const double max_cache_bytes = 1e12;

static const char *const class_names[TESS_SPEED_N_CLASSES + 1] = {
    [TESS_SPEED_CONV_FEW] = "conv_few",   [TESS_SPEED_CONV_NARROW] = "conv_narrow",
    [TESS_SPEED_CONV_WIDE] = "conv_wide", [TESS_SPEED_CONV_POINT] = "conv_point",
    [TESS_SPEED_DEPTHWISE] = "depthwise", [TESS_SPEED_CONNECTED] = "connected",
    [TESS_SPEED_N_CLASSES] = NULL,
};

void tess_profile_init(struct tess_profile *profile)
{
    memset(profile, 0, sizeof *profile);
    snprintf(profile->device, sizeof profile->device, "default");
    snprintf(profile->family, sizeof profile->family, "xnn");
    profile->n_threads = 1;
    /* TUNING: round numbers for an out-of-order core with 128-bit vectors at 1.5 GHz,
     * from its peak of 6000 multiply-adds per microsecond and 2 GB/s of memory, not
     * measured. Only their ratios decide between plans. November 2026. */
    profile->macs_per_us[TESS_SPEED_CONV_FEW] = 2000;
    profile->macs_per_us[TESS_SPEED_CONV_NARROW] = 4000;
    profile->macs_per_us[TESS_SPEED_CONV_WIDE] = 5000;
    profile->macs_per_us[TESS_SPEED_CONV_POINT] = 4500;
    profile->macs_per_us[TESS_SPEED_DEPTHWISE] = 1000;
    profile->macs_per_us[TESS_SPEED_CONNECTED] = 500; /* four bytes of weights each */
    profile->bytes_per_us = 2000;
    profile->cache_bytes = 512 * 1024;
    profile->stream_bytes_per_us = 1500;
    profile->pack_bytes_per_us = 300;
    profile->slice_us = 20;
    profile->call_us = 5;
    profile->row_us = 0.5;
}

enum tess_speed_class tess_speed_class_of(const struct tess_graph *graph, int op)
{
    assert(op >= 0 && op < graph->n_ops);
    const struct tess_op *it = &graph->ops[op];
    assert(tess_op_has_weights(it));
    if (it->kind == TESS_OP_CONNECTED)
        return TESS_SPEED_CONNECTED;
    if (tess_op_is_depthwise(graph, it))
        return TESS_SPEED_DEPTHWISE;
    int n_channels = graph->tensors[it->inputs[0]].c / it->groups;
    if (n_channels <= FEW_CHANNELS)
        return TESS_SPEED_CONV_FEW;
    if (it->window.kernel_h == 1 && it->window.kernel_w == 1)
        return TESS_SPEED_CONV_POINT;
    return n_channels < WIDE_CHANNELS ? TESS_SPEED_CONV_NARROW : TESS_SPEED_CONV_WIDE;
}

const char *tess_speed_class_name(enum tess_speed_class class_of)
{
    assert((int)class_of >= 0 && (int)class_of < TESS_SPEED_N_CLASSES);
    return class_names[class_of];
}

static void put_number(struct tess_text *text, const char *key, double value, double high)
{
    assert(value >= 0); /* a speed or a time */
    tess_text_printf(text, "%s: ", key);
    tess_yaml_write_decimal(text, fmin(value, high), N_PLACES);
    tess_text_printf(text, "\n");
}

void tess_profile_write(const struct tess_profile *profile, struct tess_text *text_out)
{
    tess_text_printf(text_out, "# tessera profile 1\nprofile: 1\ndevice: ");
    tess_yaml_write_name(text_out, profile->device);
    tess_text_printf(text_out, "\nfamily: ");
    tess_yaml_write_name(text_out, profile->family);
    tess_text_printf(text_out, "\nthreads: %d\nmacs_per_us:\n", profile->n_threads);
    for (int i = 0; i < TESS_SPEED_N_CLASSES; i++) {
        tess_text_printf(text_out, "  ");
        put_number(text_out, class_names[i], fmax(profile->macs_per_us[i], min_speed),
                   max_speed);
    }
    put_number(text_out, "bytes_per_us", fmax(profile->bytes_per_us, min_speed),
               max_speed);
    put_number(text_out, "cache_bytes", profile->cache_bytes, max_cache_bytes);
    put_number(text_out, "stream_bytes_per_us",
               fmax(profile->stream_bytes_per_us, min_speed), max_speed);
    put_number(text_out, "pack_bytes_per_us", fmax(profile->pack_bytes_per_us, min_speed),
               max_speed);
    if (profile->disk_bytes_per_us > 0) /* measured */
        put_number(text_out, "disk_bytes_per_us",
                   fmax(profile->disk_bytes_per_us, min_speed), max_speed);
    put_number(text_out, "slice_us", profile->slice_us, max_us);
    put_number(text_out, "call_us", profile->call_us, max_us);
    put_number(text_out, "row_us", profile->row_us, max_us);
}

static enum tess_status check_version(const struct tess_yaml *yaml,
                                      struct tess_error *error)
{
    const struct tess_yaml_node *version =
        yaml->root->kind == TESS_YAML_MAP ? tess_yaml_find(yaml->root, "profile") : NULL;
    if (!version) {
        tess_yaml_error(yaml, yaml->root, error,
                        "this is no device profile: the line \"profile: 1\" is missing");
        tess_error_hint(error, "make one with: tessera bench --profile");
        return TESS_E_CONFIG;
    }
    if (strcmp(version->text, "1") == 0)
        return TESS_OK;
    return tess_yaml_error(yaml, version, error,
                           "this program reads profiles of version 1, not of version %s",
                           tess_yaml_quote(version).text);
}

static enum tess_status read_names(const struct tess_yaml *yaml,
                                   struct tess_profile *profile, struct tess_error *error)
{
    const struct tess_yaml_node *device = tess_yaml_find(yaml->root, "device");
    const struct tess_yaml_node *family = tess_yaml_find(yaml->root, "family");
    const struct tess_yaml_node *threads = tess_yaml_find(yaml->root, "threads");
    enum tess_status status = TESS_OK;
    int64_t n_threads = profile->n_threads;
    if (device)
        status =
            tess_yaml_name(yaml, device, profile->device, sizeof profile->device, error);
    if (family && status == TESS_OK)
        status =
            tess_yaml_name(yaml, family, profile->family, sizeof profile->family, error);
    if (threads && status == TESS_OK)
        status = tess_yaml_int(yaml, threads, 1, LIMIT_THREADS, &n_threads, error);
    profile->n_threads = (int)n_threads;
    return status;
}

static enum tess_status read_speeds(const struct tess_yaml *yaml,
                                    struct tess_profile *profile,
                                    struct tess_error *error)
{
    const struct {
        const char *key;
        double low, high;
        double *value;
    } numbers[] = {
        {"bytes_per_us", min_speed, max_speed, &profile->bytes_per_us},
        {"cache_bytes", 0, max_cache_bytes, &profile->cache_bytes},
        {"stream_bytes_per_us", min_speed, max_speed, &profile->stream_bytes_per_us},
        {"pack_bytes_per_us", min_speed, max_speed, &profile->pack_bytes_per_us},
        {"disk_bytes_per_us", 0, max_speed, &profile->disk_bytes_per_us},
        {"slice_us", 0, max_us, &profile->slice_us},
        {"call_us", 0, max_us, &profile->call_us},
        {"row_us", 0, max_us, &profile->row_us},
    };
    const struct tess_yaml_node *macs = tess_yaml_find(yaml->root, "macs_per_us");
    enum tess_status status = TESS_OK;
    if (macs)
        status = tess_yaml_expect_keys(yaml, macs, class_names, error);
    for (int i = 0; i < TESS_SPEED_N_CLASSES && macs && status == TESS_OK; i++) {
        const struct tess_yaml_node *node = tess_yaml_find(macs, class_names[i]);
        if (node)
            status = tess_yaml_decimal(yaml, node, min_speed, max_speed,
                                       &profile->macs_per_us[i], error);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == TESS_OK; i++) {
        const struct tess_yaml_node *node = tess_yaml_find(yaml->root, numbers[i].key);
        if (node)
            status = tess_yaml_decimal(yaml, node, numbers[i].low, numbers[i].high,
                                       numbers[i].value, error);
    }
    return status;
}

enum tess_status tess_profile_read(const char *text, size_t n_bytes,
                                   const char *file_name,
                                   struct tess_profile *profile_out,
                                   struct tess_error *error)
{
    static const char *const known[] = {"profile",
                                        "device",
                                        "family",
                                        "threads",
                                        "macs_per_us",
                                        "cache_bytes",
                                        "bytes_per_us",
                                        "stream_bytes_per_us",
                                        "pack_bytes_per_us",
                                        "disk_bytes_per_us",
                                        "slice_us",
                                        "call_us",
                                        "row_us",
                                        NULL};
    struct tess_yaml yaml;
    struct tess_profile profile;
    tess_profile_init(&profile);
    enum tess_status status = tess_yaml_init(&yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = check_version(&yaml, error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(&yaml, yaml.root, known, error);
    if (status == TESS_OK)
        status = read_names(&yaml, &profile, error);
    if (status == TESS_OK)
        status = read_speeds(&yaml, &profile, error);
    tess_yaml_release(&yaml);
    if (status == TESS_OK)
        *profile_out = profile;
    return status;
}
