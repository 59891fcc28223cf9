#include "model/weights.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/file.h"

/* TUNING: pages of the kernel are given back after this many bytes. Smaller costs system
 * calls, larger costs memory; 256 KiB is under 1 % of reading time for YOLOv2 (2025-11).
 */
enum { DROP_BYTES = 256 * 1024 };
/* What one page fault may map beside the page asked for (Linux: fault_around_bytes). */
enum { FAULT_BYTES = 64 * 1024 };
/* Versions above these are no darknet file at all, or an old one with transposed kernels.
 */
enum { LIMIT_VERSION = 1000, LIMIT_OLD_VERSION = 100000 };
enum { FLOAT_BYTES = 4 };

struct tess_weights {
    struct tess_file_map map;
    char *path;
    int64_t header_bytes;
};

/* Where the parts of an op's weights begin, in floats after the header. */
struct layout {
    int64_t biases, scales, means, variances, kernel;
    int64_t n_per_filter; /* floats of one filter's kernel */
};

static struct layout layout_of(const struct tess_graph *graph, const struct tess_op *op)
{
    assert(tess_op_has_weights(op));
    int64_t n_filters = graph->tensors[op->output].c;
    int64_t n_kernel = tess_op_n_kernel(graph, op);
    struct layout layout = {.biases = op->weights_offset,
                            .n_per_filter = n_kernel / n_filters};
    int64_t statistics = layout.biases + n_filters;
    layout.kernel = statistics;
    if (op->kind == TESS_OP_CONNECTED) /* its statistics come last */
        statistics += n_kernel;
    else if (op->has_batch_norm)
        layout.kernel += 3 * n_filters;
    layout.scales = statistics;
    layout.means = statistics + n_filters;
    layout.variances = statistics + 2 * n_filters;
    return layout;
}

/* The file is little-endian on every machine; compilers turn this into one load where the
 * machine is too. */
static uint32_t load_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

static float load_float(const unsigned char *at)
{
    uint32_t bits = load_u32(at);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- opening --- */

static enum tess_status read_header(struct tess_weights *weights,
                                    struct tess_error *error)
{
    const struct tess_file_map *map = &weights->map;
    if (map->n_bytes < 16)
        return tess_error_at(error, TESS_E_MODEL, weights->path, 0, 0,
                             "a weights file has at least 16 bytes, this one has %lld",
                             (long long)map->n_bytes);
    int32_t major = (int32_t)load_u32(map->data),
            minor = (int32_t)load_u32(map->data + 4);
    if (major < 0 || minor < 0 || major > LIMIT_OLD_VERSION || minor > LIMIT_OLD_VERSION)
        return tess_error_at(error, TESS_E_MODEL, weights->path, 0, 0,
                             "not a darknet weights file (version %d.%d)", (int)major,
                             (int)minor);
    if (major > LIMIT_VERSION || minor > LIMIT_VERSION) {
        tess_error_at(
            error, TESS_E_MODEL, weights->path, 0, 0,
            "weights of version %d.%d, with transposed kernels, are not supported",
            (int)major, (int)minor);
        tess_error_hint(error, "load and save them once with darknet");
        return TESS_E_MODEL;
    }
    bool has_wide_seen =
        major * 10 + minor >= 2 && major < LIMIT_VERSION && minor < LIMIT_VERSION;
    weights->header_bytes = has_wide_seen ? 20 : 16;
    return TESS_OK;
}

/* Layer in which a file of `n_floats` after its header ends. */
static int layer_at(const struct tess_graph *graph, int64_t n_floats)
{
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        if (op->weights_offset + tess_op_n_weights(graph, op) > n_floats)
            return op->layer;
    }
    return graph->n_layers - 1;
}

static enum tess_status check_size(const struct tess_weights *weights,
                                   const struct tess_graph *graph,
                                   struct tess_error *error)
{
    int64_t found = weights->map.n_bytes;
    int64_t expected = weights->header_bytes + FLOAT_BYTES * graph->n_weights;
    if (found == expected)
        return TESS_OK;
    tess_error_at(error, TESS_E_MODEL, weights->path, 0, 0,
                  "the network %s has %lld bytes of weights, but the file has %lld",
                  graph->name, (long long)expected, (long long)found);
    int64_t n_floats = tess_max_i64(0, found - weights->header_bytes) / FLOAT_BYTES;
    if (found < expected) {
        int layer = layer_at(graph, n_floats);
        tess_error_hint(
            error,
            "the file ends in layer %d [%s]: it is cut off or belongs to another "
            "cfg",
            layer, graph->layers[layer].name);
    } else {
        tess_error_hint(error, "%lld bytes too many: the file belongs to another cfg",
                        (long long)(found - expected));
    }
    return TESS_E_MODEL;
}

enum tess_status tess_weights_open(const struct tess_graph *graph, const char *path,
                                   struct tess_weights **weights_out,
                                   struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    struct tess_weights *weights = calloc(1, sizeof *weights);
    if (!weights)
        return tess_error_nomem(error);
    weights->path = strdup(path);
    status = weights->path ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = tess_file_map_init(&weights->map, path, error);
    if (status == TESS_OK)
        status = read_header(weights, error);
    if (status == TESS_OK)
        status = check_size(weights, graph, error);
    if (status != TESS_OK)
        goto out;
    *weights_out = weights;
    weights = NULL;
out:
    tess_weights_destroy(weights);
    return status;
}

void tess_weights_destroy(struct tess_weights *weights)
{
    if (!weights)
        return;
    tess_file_map_release(&weights->map);
    free(weights->path);
    free(weights);
}

/* --- reading --- */

/* A slice being read. */
struct slice {
    const struct tess_weights *weights;
    const struct tess_op *op;
    struct layout layout;
    int begin, end;
    int n_channels, n_taps; /* of one filter */
    struct tess_error *error;
};

static const unsigned char *at_float(const struct slice *slice, int64_t index)
{
    int64_t offset = slice->weights->header_bytes + FLOAT_BYTES * index;
    assert(index >= 0 && offset + FLOAT_BYTES <= slice->weights->map.n_bytes);
    return slice->weights->map.data + offset;
}

/* Gives back floats [begin, end) and what the faults of reading them may have mapped. */
static void drop_floats(const struct slice *slice, int64_t begin, int64_t end)
{
    const struct tess_file_map *map = &slice->weights->map;
    int64_t from = slice->weights->header_bytes + FLOAT_BYTES * begin;
    int64_t to = slice->weights->header_bytes + FLOAT_BYTES * end;
    from = from / FAULT_BYTES * FAULT_BYTES;
    to = tess_min_i64(tess_round_up(to, FAULT_BYTES), map->n_bytes);
    tess_file_map_drop(map, from, to - from);
}

static enum tess_status not_finite(const struct slice *slice, int filter,
                                   const char *what)
{
    tess_error_at(slice->error, TESS_E_MODEL, slice->weights->path, 0, 0,
                  "layer %d, filter %d: %s is not finite", slice->op->layer, filter,
                  what);
    tess_error_hint(slice->error, "the file is damaged or belongs to another cfg");
    return TESS_E_MODEL;
}

/* What batch normalisation multiplies filter `filter` by, and the bias that is left. */
static enum tess_status read_affine(const struct slice *slice, int filter, float *factor,
                                    float *bias)
{
    const struct layout *layout = &slice->layout;
    *factor = 1;
    *bias = load_float(at_float(slice, layout->biases + filter));
    if (slice->op->has_batch_norm) {
        double scale = (double)load_float(at_float(slice, layout->scales + filter));
        double mean = (double)load_float(at_float(slice, layout->means + filter));
        double variance = (double)load_float(at_float(slice, layout->variances + filter));
        double quotient = scale / (sqrt(variance) + 1e-6);
        *factor = (float)quotient;
        *bias = (float)((double)*bias - mean * quotient);
    }
    if (!isfinite(*factor))
        return not_finite(slice, filter, "a batch-norm scale or variance");
    if (!isfinite(*bias))
        return not_finite(slice, filter, "the bias or batch-norm mean");
    return TESS_OK;
}

/* Copies one filter from [C][taps] to [taps][C]. False if a result is not finite, which a
 * weight that is not finite always makes it. */
static bool copy_filter(const struct slice *slice, int filter, float factor,
                        float *kernel)
{
    const int n_channels = slice->n_channels, n_taps = slice->n_taps;
    const unsigned char *from =
        at_float(slice, slice->layout.kernel + filter * slice->layout.n_per_filter);
    bool is_finite = true;
    for (int channel = 0; channel < n_channels; channel++) {
        float *to = kernel + channel;
        for (int tap = 0; tap < n_taps; tap++) {
            float value = factor * load_float(from);
            is_finite &= isfinite(value) != 0;
            *to = value;
            to += n_channels;
            from += FLOAT_BYTES;
        }
    }
    return is_finite;
}

static enum tess_status read_slice(const struct slice *slice, float *kernel, float *bias)
{
    const struct layout *layout = &slice->layout;
    enum tess_status status = TESS_OK;
    int64_t held = 0; /* floats of kernel read and not yet given back */
    for (int filter = slice->begin; filter < slice->end; filter++) {
        int index = filter - slice->begin;
        float factor = 1;
        status = read_affine(slice, filter, &factor, &bias[index]);
        if (status == TESS_OK &&
            !copy_filter(slice, filter, factor, kernel + index * layout->n_per_filter))
            status = not_finite(slice, filter, "a weight");
        held += layout->n_per_filter;
        bool is_last = status != TESS_OK || filter == slice->end - 1;
        if (is_last || FLOAT_BYTES * held >= DROP_BYTES) {
            int64_t end = layout->kernel + (filter + 1) * layout->n_per_filter;
            drop_floats(slice, end - held, end);
            held = 0;
        }
        if (is_last)
            break;
    }
    return status;
}

/* More parameters than the house's six: a struct would only wrap two borrowed arrays. */
enum tess_status tess_weights_read(const struct tess_weights *weights,
                                   const struct tess_graph *graph, int op, int begin,
                                   int end, float *kernel, float *bias,
                                   struct tess_error *error)
{
    assert(op >= 0 && op < graph->n_ops && tess_op_has_weights(&graph->ops[op]));
    const struct tess_op *what = &graph->ops[op];
    assert(begin >= 0 && begin < end && end <= graph->tensors[what->output].c);
    struct slice slice = {
        .weights = weights,
        .op = what,
        .layout = layout_of(graph, what),
        .begin = begin,
        .end = end,
        .n_channels = graph->tensors[what->inputs[0]].c / what->groups,
        .n_taps = what->window.kernel_h * what->window.kernel_w,
        .error = error,
    };
    const struct layout *layout = &slice.layout;
    assert(layout->n_per_filter == (int64_t)slice.n_channels * slice.n_taps);
    enum tess_status status = read_slice(&slice, kernel, bias);
    drop_floats(&slice, layout->biases + begin, layout->biases + end);
    if (what->has_batch_norm) {
        drop_floats(&slice, layout->scales + begin, layout->scales + end);
        drop_floats(&slice, layout->means + begin, layout->means + end);
        drop_floats(&slice, layout->variances + begin, layout->variances + end);
    }
    return status;
}

/* Pages that touching `n_floats` neighbours may map. */
static int64_t touched_bytes(int64_t n_floats)
{
    return FLOAT_BYTES * n_floats + 2 * FAULT_BYTES;
}

int64_t tess_weights_window_bytes(const struct tess_graph *graph, int op, int n_filters)
{
    const struct tess_op *what = &graph->ops[op];
    if (!tess_op_has_weights(what))
        return 0;
    int64_t n_all = graph->tensors[what->output].c;
    assert(n_filters >= 0 && n_filters <= n_all);
    int64_t n_per_filter = tess_op_n_kernel(graph, what) / n_all;
    int64_t held =
        tess_min_i64(n_filters * n_per_filter, DROP_BYTES / FLOAT_BYTES + n_per_filter);
    int64_t n_arrays = what->has_batch_norm ? 4 : 1;
    int64_t apart = n_arrays * touched_bytes(n_filters);
    int64_t together = touched_bytes(n_arrays * n_all);
    if (what->kind == TESS_OP_CONNECTED && what->has_batch_norm)
        together = touched_bytes(n_all) + touched_bytes(3 * n_all);
    return touched_bytes(held) + tess_min_i64(apart, together);
}
