#include "model/darknet_priv.h"

#include <assert.h>
#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LIMIT_WARNINGS = 100, LIMIT_NUMBER = 40, LIMIT_NAMES = 128 };

/* Every layer of every kind may carry these. */
static const struct tess_darknet_key common_keys[] = {
    {"burnin_update", TESS_KEY_IGNORED, NULL},
    {"clip", TESS_KEY_IGNORED, NULL},
    {"dontsave", TESS_KEY_IGNORED, NULL},
    {"keep_delta_gpu", TESS_KEY_IGNORED, NULL},
    {"learning_rate", TESS_KEY_IGNORED, NULL},
    {"onlyforward", TESS_KEY_IGNORED, NULL},
    {"smooth", TESS_KEY_IGNORED, NULL},
    {"stopbackward", TESS_KEY_IGNORED, NULL},
    {"stream", TESS_KEY_IGNORED, NULL},
    {"train", TESS_KEY_IGNORED, NULL},
    {"train_only_bn", TESS_KEY_IGNORED, NULL},
    {"truth", TESS_KEY_IGNORED, NULL},
    {"wait_stream", TESS_KEY_IGNORED, NULL},
    {"dontload", TESS_KEY_REFUSED, "0"},
    {"dontloadscales", TESS_KEY_REFUSED, "0"},
    {"numload", TESS_KEY_REFUSED, "0"},
    {NULL, TESS_KEY_IGNORED, NULL},
};

/* --- errors --- */

static enum tess_status fail_at(struct tess_darknet *d, int line, int col,
                                const char *format, va_list args) TESS_PRINTF(4, 0);

static enum tess_status fail_at(struct tess_darknet *d, int line, int col,
                                const char *format, va_list args)
{
    char message[sizeof d->error->message];
    vsnprintf(message, sizeof message, format, args);
    return tess_error_at(d->error, TESS_E_MODEL, d->file_name, line, col, "[%s] %s",
                         d->section->name, message);
}

enum tess_status tess_darknet_fail(struct tess_darknet *d, const char *key,
                                   const char *format, ...)
{
    const struct tess_cfg_option *option = key ? tess_cfg_find(d->section, key) : NULL;
    va_list args;
    va_start(args, format);
    if (option)
        fail_at(d, option->line, option->value_col, format, args);
    else
        fail_at(d, d->section->line, d->section->col, format, args);
    va_end(args);
    return TESS_E_MODEL;
}

/* Item `index` of a comma-separated value; NULL past the last. */
static const char *list_item(const char *value, int index)
{
    for (; index > 0 && value; index--) {
        value = strchr(value, ',');
        value = value ? value + 1 : NULL;
    }
    return value;
}

enum tess_status tess_darknet_fail_item(struct tess_darknet *d, const char *key,
                                        int index, const char *format, ...)
{
    const struct tess_cfg_option *option = tess_cfg_find(d->section, key);
    const char *item = option ? list_item(option->value, index) : NULL;
    assert(item);
    va_list args;
    va_start(args, format);
    fail_at(d, option->line, tess_cfg_value_col(option, (size_t)(item - option->value)),
            format, args);
    va_end(args);
    return TESS_E_MODEL;
}

enum tess_status tess_darknet_status(const struct tess_darknet *d)
{
    return d->error->status;
}

/* --- getters --- */

int tess_darknet_int(struct tess_darknet *d, const char *key, int fallback, int low,
                     int high)
{
    const struct tess_cfg_option *option = tess_cfg_find(d->section, key);
    int64_t value = fallback;
    if (!option)
        return fallback;
    if (!tess_parse_i64(option->value, low, high, &value))
        tess_darknet_fail(d, key, "%s=%.40s is not a whole number from %d to %d", key,
                          option->value, low, high);
    return (int)value;
}

bool tess_darknet_bool(struct tess_darknet *d, const char *key, bool fallback)
{
    return tess_darknet_int(d, key, fallback, 0, 1) != 0;
}

static bool parse_float(const char *text, float *value_out)
{
    double value;
    if (!tess_parse_double(text, &value) || value > (double)FLT_MAX ||
        value < -(double)FLT_MAX)
        return false;
    *value_out = (float)value;
    return true;
}

float tess_darknet_float(struct tess_darknet *d, const char *key, float fallback)
{
    const struct tess_cfg_option *option = tess_cfg_find(d->section, key);
    float value = fallback;
    if (option && !parse_float(option->value, &value))
        tess_darknet_fail(d, key, "%s=%.40s is not a number", key, option->value);
    return value;
}

/* Other spellings that darknet or its fork accept come after the name we print. */
static const struct {
    const char *name;
    enum tess_activation activation;
} activations[] = {
    {"linear", TESS_ACT_LINEAR},     {"leaky", TESS_ACT_LEAKY},
    {"relu", TESS_ACT_RELU},         {"relu6", TESS_ACT_RELU6},
    {"logistic", TESS_ACT_LOGISTIC}, {"mish", TESS_ACT_MISH},
    {"swish", TESS_ACT_SWISH},       {"hard_swish", TESS_ACT_HSWISH},
    {"elu", TESS_ACT_ELU},           {"tanh", TESS_ACT_TANH},
    {"hard-swish", TESS_ACT_HSWISH}, {"hardswish", TESS_ACT_HSWISH},
    {"hswish", TESS_ACT_HSWISH},
};
enum { N_ACTIVATIONS = sizeof activations / sizeof *activations };

enum tess_activation tess_darknet_activation(struct tess_darknet *d,
                                             enum tess_activation fallback)
{
    const struct tess_cfg_option *option = tess_cfg_find(d->section, "activation");
    if (!option)
        return fallback;
    const char *names[N_ACTIVATIONS + 1];
    for (int i = 0; i < N_ACTIVATIONS; i++) {
        names[i] = activations[i].name;
        if (strcmp(option->value, activations[i].name) == 0)
            return activations[i].activation;
    }
    names[N_ACTIVATIONS] = NULL;
    tess_darknet_fail(d, "activation", "activation=%.40s is not supported",
                      option->value);
    const char *near = tess_nearest_word(option->value, names);
    if (near)
        tess_error_hint(d->error, "did you mean %s?", near);
    tess_error_hint(d->error,
                    "supported: linear, leaky, relu, relu6, logistic, mish, swish, "
                    "hard_swish, elu, tanh");
    return fallback;
}

/* Copies item `index` of a list to `number`, NUL-terminated. False if it is too long. */
static bool copy_item(const char *item, char number[static LIMIT_NUMBER])
{
    size_t len = strcspn(item, ",");
    if (len >= LIMIT_NUMBER)
        return false;
    memcpy(number, item, len);
    number[len] = '\0';
    return true;
}

/* Walks the list `key`: into whichever of `ints` and `floats` is not NULL. */
static int read_list(struct tess_darknet *d, const char *key, int capacity, int64_t *ints,
                     float *floats)
{
    assert(!ints != !floats && capacity >= 1);
    const struct tess_cfg_option *option = tess_cfg_find(d->section, key);
    int n = 0;
    const char *item = option ? option->value : NULL;
    while (item) {
        char number[LIMIT_NUMBER];
        if (n == capacity) {
            tess_darknet_fail_item(d, key, n, "%s has more than %d numbers", key,
                                   capacity);
            return n;
        }
        if (!copy_item(item, number) ||
            !(ints ? tess_parse_i64(number, INT32_MIN, INT32_MAX, &ints[n])
                   : parse_float(number, &floats[n]))) {
            tess_darknet_fail_item(d, key, n, "number %d of %s is not %s number", n + 1,
                                   key, ints ? "a whole" : "a");
            return n;
        }
        n++;
        item = list_item(item, 1);
        if (item && !*item)
            break; /* darknet's own files end lists with a comma now and then */
    }
    return n;
}

int tess_darknet_ints(struct tess_darknet *d, const char *key, int capacity,
                      int64_t *values)
{
    return read_list(d, key, capacity, values, NULL);
}

int tess_darknet_floats(struct tess_darknet *d, const char *key, int capacity,
                        float *values)
{
    return read_list(d, key, capacity, NULL, values);
}

/* --- keys --- */

static const struct tess_darknet_key *find_key(const struct tess_darknet_key *keys,
                                               const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

static bool is_same_value(const char *a, const char *b)
{
    double x, y;
    if (strcmp(a, b) == 0)
        return true;
    return tess_parse_double(a, &x) && tess_parse_double(b, &y) && !(x < y) && !(x > y);
}

static void warn(struct tess_darknet *d, const struct tess_cfg_option *option)
{
    if (!d->warnings || d->n_warnings > LIMIT_WARNINGS)
        return;
    if (d->n_warnings++ == LIMIT_WARNINGS)
        tess_text_printf(d->warnings, "%s: further warnings left out\n", d->file_name);
    else
        tess_text_printf(
            d->warnings, "%s:%d:%d: [%s] unknown option '%.40s' is ignored\n",
            d->file_name, option->line, option->key_col, d->section->name, option->key);
}

/* Known options nearest to an unknown one: a slip of the pen is an error. */
static enum tess_status check_unknown(struct tess_darknet *d,
                                      const struct tess_darknet_section *kind,
                                      const struct tess_cfg_option *option)
{
    const char *names[LIMIT_NAMES];
    int n_names = 0;
    for (const struct tess_darknet_key *key = kind->keys; key->name; key++)
        names[n_names++] = key->name;
    for (const struct tess_darknet_key *key = common_keys; key->name; key++)
        names[n_names++] = key->name;
    assert(n_names < LIMIT_NAMES);
    names[n_names] = NULL;
    const char *near = tess_nearest_word(option->key, names);
    if (!near) {
        warn(d, option);
        return TESS_OK;
    }
    tess_error_at(d->error, TESS_E_MODEL, d->file_name, option->line, option->key_col,
                  "[%s] unknown option '%.40s'", d->section->name, option->key);
    tess_error_hint(d->error, "did you mean %s?", near);
    return TESS_E_MODEL;
}

static enum tess_status check_known(struct tess_darknet *d,
                                    const struct tess_darknet_key *key,
                                    const struct tess_cfg_option *option)
{
    bool is_neutral = key->neutral && is_same_value(option->value, key->neutral);
    if (key->role == TESS_KEY_REFUSED && !is_neutral) {
        tess_error_at(d->error, TESS_E_MODEL, d->file_name, option->line,
                      option->value_col, "[%s] %s=%.40s is not supported",
                      d->section->name, key->name, option->value);
        if (key->neutral)
            tess_error_hint(d->error, "only %s=%s is", key->name, key->neutral);
        return TESS_E_MODEL;
    }
    const struct tess_cfg_option *first = tess_cfg_find(d->section, key->name);
    if (key->role == TESS_KEY_USED && first != option &&
        !is_same_value(first->value, option->value)) {
        tess_error_at(d->error, TESS_E_MODEL, d->file_name, option->line, option->key_col,
                      "[%s] %s is given twice with different values", d->section->name,
                      key->name);
        tess_error_hint(d->error, "darknet uses the first one, in line %d", first->line);
        return TESS_E_MODEL;
    }
    return TESS_OK;
}

enum tess_status tess_darknet_check_keys(struct tess_darknet *d,
                                         const struct tess_darknet_section *kind)
{
    for (int i = 0; i < d->section->n_options; i++) {
        const struct tess_cfg_option *option = &d->section->options[i];
        const struct tess_darknet_key *key = find_key(kind->keys, option->key);
        if (!key)
            key = find_key(common_keys, option->key);
        enum tess_status status =
            key ? check_known(d, key, option) : check_unknown(d, kind, option);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}
