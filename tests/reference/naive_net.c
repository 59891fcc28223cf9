#include "tests/reference/naive_net.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

noreturn void naive_die(const char *what, const char *name)
{
    fprintf(stderr, "naive: %s %s\n", what, name);
    exit(1);
}

void *naive_alloc(double n_items, double item_bytes)
{
    void *memory = calloc((size_t)n_items + 1, (size_t)item_bytes);
    if (!memory)
        naive_die("no memory", "");
    return memory;
}

/* ---- cfg ---- */

static void strip(char *line)
{
    char *to = line;
    for (const char *from = line; *from && *from != '#' && *from != ';'; from++)
        if (!isspace((unsigned char)*from))
            *to++ = *from;
    *to = '\0';
}

static void add_option(struct naive_layer *layer, const char *line)
{
    const char *equals = strchr(line, '=');
    if (!equals || layer->n_options == NAIVE_MAX_OPTIONS)
        naive_die("not an option, or too many:", line);
    struct naive_option *option = &layer->options[layer->n_options++];
    snprintf(option->key, sizeof option->key, "%.*s", (int)(equals - line), line);
    snprintf(option->value, sizeof option->value, "%s", equals + 1);
}

const char *naive_text(const struct naive_layer *layer, const char *key,
                       const char *fallback)
{
    for (int i = 0; i < layer->n_options; i++)
        if (strcmp(layer->options[i].key, key) == 0)
            return layer->options[i].value;
    return fallback;
}

double naive_number(const struct naive_layer *layer, const char *key, double fallback)
{
    const char *text = naive_text(layer, key, NULL);
    return text ? strtod(text, NULL) : fallback;
}

int naive_item(const struct naive_layer *layer, const char *key, int n, double *value_out)
{
    const char *at = naive_text(layer, key, "");
    for (; n > 0 && at; n--)
        at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL;
    if (!at || !*at)
        return 0;
    *value_out = strtod(at, NULL);
    return 1;
}

static int whole(const struct naive_layer *layer, const char *key, int fallback)
{
    return (int)naive_number(layer, key, fallback);
}

void naive_net_init(struct naive_net *net, const char *cfg_path)
{
    char line[512];
    FILE *file = fopen(cfg_path, "r");
    if (!file)
        naive_die("cannot open", cfg_path);
    net->n_layers = 0;
    net->layers = naive_alloc(NAIVE_MAX_LAYERS, sizeof *net->layers);
    while (fgets(line, sizeof line, file)) {
        strip(line);
        if (line[0] == '[' && net->n_layers < NAIVE_MAX_LAYERS)
            snprintf(net->layers[net->n_layers++].kind, sizeof net->layers->kind, "%.*s",
                     (int)strcspn(line + 1, "]"), line + 1);
        else if (line[0] && net->n_layers > 0)
            add_option(&net->layers[net->n_layers - 1], line);
    }
    fclose(file);
    struct naive_layer *input = &net->layers[0];
    input->c = whole(input, "channels", 3);
    input->h = whole(input, "height", 0);
    input->w = whole(input, "width", 0);
    input->out = naive_alloc((double)input->c * input->h * input->w, sizeof(double));
}

void naive_net_release(struct naive_net *net)
{
    for (int i = 0; i < net->n_layers; i++)
        free(net->layers[i].out);
    free(net->layers);
}

/* ---- layers ---- */

static void shape(struct naive_layer *layer, int c, int h, int w)
{
    layer->c = c;
    layer->h = h;
    layer->w = w;
    layer->out = naive_alloc((double)c * h * w, sizeof(double));
}

static double *pixel(const struct naive_layer *layer, int c, int y, int x)
{
    return &layer->out[((size_t)c * (size_t)layer->h + (size_t)y) * (size_t)layer->w +
                       (size_t)x];
}

static size_t n_elems(const struct naive_layer *layer)
{
    return (size_t)layer->c * (size_t)layer->h * (size_t)layer->w;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

static void activate(struct naive_layer *layer)
{
    const char *name = naive_text(layer, "activation", "linear");
    for (size_t i = 0; i < n_elems(layer); i++) {
        double x = layer->out[i];
        if (strcmp(name, "leaky") == 0)
            layer->out[i] = x > 0 ? x : x * 0.1;
        else if (strcmp(name, "relu") == 0)
            layer->out[i] = fmax(x, 0);
        else if (strcmp(name, "relu6") == 0)
            layer->out[i] = fmin(fmax(x, 0), 6);
        else if (strcmp(name, "mish") == 0)
            layer->out[i] = x * tanh(log1p(exp(x)));
        else if (strcmp(name, "logistic") == 0)
            layer->out[i] = logistic(x);
        else if (strcmp(name, "linear") != 0)
            naive_die("unknown activation", name);
    }
}

static float *read_floats(FILE *weights, int n)
{
    float *values = naive_alloc(n, sizeof *values);
    if (fread(values, sizeof *values, (size_t)n, weights) != (size_t)n)
        naive_die("the weights file is too short", "");
    return values;
}

static double sum_window(const struct naive_layer *in, const float *kernel,
                         int first_channel, int n_channels, int size, int top, int left)
{
    double sum = 0;
    for (int c = 0; c < n_channels; c++)
        for (int ky = 0; ky < size; ky++)
            for (int kx = 0; kx < size; kx++) {
                int y = top + ky, x = left + kx;
                if (y >= 0 && y < in->h && x >= 0 && x < in->w)
                    sum += *pixel(in, first_channel + c, y, x) *
                           (double)kernel[(c * size + ky) * size + kx];
            }
    return sum;
}

static void convolve(struct naive_layer *layer, const struct naive_layer *in,
                     FILE *weights)
{
    int n = whole(layer, "filters", 1), size = whole(layer, "size", 1);
    int stride = whole(layer, "stride", 1), groups = whole(layer, "groups", 1);
    int pad = whole(layer, "pad", 0) ? size / 2 : whole(layer, "padding", 0);
    int n_channels = in->c / groups, has_norm = whole(layer, "batch_normalize", 0);
    shape(layer, n, (in->h + 2 * pad - size) / stride + 1,
          (in->w + 2 * pad - size) / stride + 1);
    float *bias = read_floats(weights, n);
    float *scale = has_norm ? read_floats(weights, n) : NULL;
    float *mean = has_norm ? read_floats(weights, n) : NULL;
    float *variance = has_norm ? read_floats(weights, n) : NULL;
    float *kernels = read_floats(weights, n * n_channels * size * size);
    for (int f = 0; f < n; f++)
        for (int y = 0; y < layer->h; y++)
            for (int x = 0; x < layer->w; x++) {
                double sum = sum_window(in, kernels + f * n_channels * size * size,
                                        f / (n / groups) * n_channels, n_channels, size,
                                        y * stride - pad, x * stride - pad);
                if (has_norm)
                    sum = (double)scale[f] * (sum - (double)mean[f]) /
                          (sqrt((double)variance[f]) + 1e-6);
                *pixel(layer, f, y, x) = sum + (double)bias[f];
            }
    free(bias);
    free(scale);
    free(mean);
    free(variance);
    free(kernels);
    activate(layer);
}

static void pool(struct naive_layer *layer, const struct naive_layer *in)
{
    int stride = whole(layer, "stride", 1), size = whole(layer, "size", stride);
    int pad = whole(layer, "padding", size - 1);
    shape(layer, in->c, (in->h + pad - size) / stride + 1,
          (in->w + pad - size) / stride + 1);
    for (int c = 0; c < layer->c; c++)
        for (int y = 0; y < layer->h; y++)
            for (int x = 0; x < layer->w; x++) {
                double most = -INFINITY;
                for (int ky = 0; ky < size; ky++)
                    for (int kx = 0; kx < size; kx++) {
                        int iy = y * stride + ky - pad / 2,
                            ix = x * stride + kx - pad / 2;
                        if (iy >= 0 && iy < in->h && ix >= 0 && ix < in->w)
                            most = fmax(most, *pixel(in, c, iy, ix));
                    }
                *pixel(layer, c, y, x) = most;
            }
}

static void upsample(struct naive_layer *layer, const struct naive_layer *in)
{
    int factor = whole(layer, "stride", 2);
    shape(layer, in->c, in->h * factor, in->w * factor);
    for (int c = 0; c < layer->c; c++)
        for (int y = 0; y < layer->h; y++)
            for (int x = 0; x < layer->w; x++)
                *pixel(layer, c, y, x) = *pixel(in, c, y / factor, x / factor);
}

/* The layer that `number`, absolute or relative to layer `at`, means. */
static const struct naive_layer *other(const struct naive_net *net, int at, double number)
{
    int index = (int)number < 0 ? at + (int)number : (int)number + 1;
    if (index < 1 || index >= at)
        naive_die("there is no such layer before", net->layers[at].kind);
    return &net->layers[index];
}

static void route(const struct naive_net *net, int at)
{
    struct naive_layer *layer = &net->layers[at];
    double number = 0;
    int c = 0;
    for (int i = 0; naive_item(layer, "layers", i, &number); i++)
        c += other(net, at, number)->c;
    naive_item(layer, "layers", 0, &number);
    shape(layer, c, other(net, at, number)->h, other(net, at, number)->w);
    double *to = layer->out;
    for (int i = 0; naive_item(layer, "layers", i, &number); i++) {
        const struct naive_layer *from = other(net, at, number);
        memcpy(to, from->out, n_elems(from) * sizeof *to);
        to += n_elems(from);
    }
}

static void add(const struct naive_net *net, int at)
{
    struct naive_layer *layer = &net->layers[at];
    const struct naive_layer *in = layer - 1;
    const struct naive_layer *from = other(net, at, naive_number(layer, "from", 0));
    if (n_elems(from) != n_elems(in) || from->c != in->c)
        naive_die("shortcut between unlike maps", "");
    shape(layer, in->c, in->h, in->w);
    for (size_t i = 0; i < n_elems(layer); i++)
        layer->out[i] = in->out[i] + from->out[i];
    activate(layer);
}

/* x, y, objectness and classes are logistic, w and h stay. */
static void yolo(struct naive_layer *layer, const struct naive_layer *in)
{
    int n_run = 5 + whole(layer, "classes", 0);
    shape(layer, in->c, in->h, in->w);
    for (int c = 0; c < layer->c; c++)
        for (int y = 0; y < layer->h; y++)
            for (int x = 0; x < layer->w; x++) {
                double value = *pixel(in, c, y, x);
                bool stays = c % n_run == 2 || c % n_run == 3;
                *pixel(layer, c, y, x) = stays ? value : logistic(value);
            }
}

static FILE *open_weights(const char *path)
{
    int32_t version[3];
    unsigned char seen[8];
    FILE *file = fopen(path, "rb");
    if (!file || fread(version, sizeof *version, 3, file) != 3)
        naive_die("cannot read", path);
    size_t n_seen = version[0] * 10 + version[1] >= 2 ? 8 : 4;
    if (fread(seen, 1, n_seen, file) != n_seen)
        naive_die("cannot read", path);
    return file;
}

void naive_net_run(struct naive_net *net, const char *weights_path)
{
    FILE *weights = open_weights(weights_path);
    for (int i = 1; i < net->n_layers; i++) {
        struct naive_layer *layer = &net->layers[i];
        const char *kind = layer->kind;
        if (strcmp(kind, "convolutional") == 0)
            convolve(layer, layer - 1, weights);
        else if (strcmp(kind, "maxpool") == 0)
            pool(layer, layer - 1);
        else if (strcmp(kind, "upsample") == 0)
            upsample(layer, layer - 1);
        else if (strcmp(kind, "route") == 0)
            route(net, i);
        else if (strcmp(kind, "shortcut") == 0)
            add(net, i);
        else if (strcmp(kind, "yolo") == 0)
            yolo(layer, layer - 1);
        else if (strcmp(kind, "dropout") == 0) {
            shape(layer, layer[-1].c, layer[-1].h, layer[-1].w);
            memcpy(layer->out, layer[-1].out, n_elems(layer) * sizeof(double));
        } else
            naive_die("unknown layer", kind);
    }
    if (fgetc(weights) != EOF)
        naive_die("the weights file is too long:", weights_path);
    fclose(weights);
}
