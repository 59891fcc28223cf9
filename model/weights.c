#include "model/weights.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/paged_file.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the file's floats are little-endian and are not converted");

/* The window of the file that is held: a quarter of it statistics. */
enum {
    STATISTICS_FILTERS = TESS_WEIGHTS_WINDOW_BYTES / 64,
    BUFFER_FLOATS = (TESS_WEIGHTS_WINDOW_BYTES - 16 * STATISTICS_FILTERS) / 4
};
/* Versions above these are no darknet file at all, or an old one with transposed kernels.
 */
enum { LIMIT_VERSION = 1000, LIMIT_OLD_VERSION = 100000 };
enum { FLOAT_BYTES = 4 };

/* Statistics of filters [begin, end) of the op with these weights. */
struct statistics {
    int64_t weights_offset;
    int begin, end;
    float biases[STATISTICS_FILTERS], scales[STATISTICS_FILTERS];
    float means[STATISTICS_FILTERS], variances[STATISTICS_FILTERS];
};

struct tess_weights {
    struct tess_paged_file *file;
    const char *path; /* of the file */
    int64_t n_bytes, header_bytes;
    float buffer[BUFFER_FLOATS];  /* part of a filter being read */
    struct statistics statistics; /* read last: slices of an op share them */
};

/* Where the parts of an op's weights begin, in floats after the header. */
struct layout {
    int64_t biases, scales, means, variances, kernel;
    int64_t n_per_filter;   /* floats of one filter's kernel */
    int64_t share, n_share; /* those that the op has: from `share` on; all, unless it is
                               partial */
};

static struct layout layout_of(const struct tess_graph *graph, const struct tess_op *op)
{
    assert(tess_op_has_weights(op));
    int64_t n_filters = graph->tensors[op->output].c;
    int64_t n_taps = (int64_t)op->window.kernel_h * op->window.kernel_w;
    struct layout layout = {.biases = op->weights_offset,
                            .n_share = tess_op_n_kernel(graph, op) / n_filters};
    layout.n_per_filter = layout.n_share;
    if (tess_op_is_partial(op)) {
        layout.n_per_filter = op->kernel_channels * n_taps;
        layout.share = op->channel_begin * n_taps;
    }
    int64_t n_kernel = n_filters * layout.n_per_filter;
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

/* --- opening --- */

static enum tess_status read_header(struct tess_weights *weights,
                                    struct tess_error *error)
{
    int32_t header[4];
    if (weights->n_bytes < 16)
        return tess_error_at(error, TESS_E_MODEL, weights->path, 0, 0,
                             "a weights file has at least 16 bytes, this one has %lld",
                             (long long)weights->n_bytes);
    enum tess_status status =
        tess_paged_file_read(weights->file, 0, sizeof header, header, error);
    if (status != TESS_OK)
        return status;
    int32_t major = header[0], minor = header[1];
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
    int64_t found = weights->n_bytes;
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
    status = tess_paged_file_open(path, &weights->file, error);
    if (status != TESS_OK)
        goto out;
    weights->path = tess_paged_file_path(weights->file);
    weights->n_bytes = tess_paged_file_bytes(weights->file);
    status = read_header(weights, error);
    if (status == TESS_OK)
        status = check_size(weights, graph, error);
    if (status != TESS_OK)
        goto out;
    tess_paged_file_stream(weights->file, false);
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
    tess_paged_file_destroy(weights->file);
    free(weights);
}

void tess_weights_leave_cache(struct tess_weights *weights)
{
    tess_paged_file_stream(weights->file, true);
}

/* --- reading --- */

/* A slice being read. */
struct slice {
    struct tess_weights *weights;
    const struct tess_op *op;
    struct layout layout;
    int n_filters;          /* of the op */
    int begin, end;         /* those to read */
    int n_channels, n_taps; /* of one filter */
    struct tess_error *error;
};

static int64_t offset_of(const struct slice *slice, int64_t index, int64_t n_floats)
{
    int64_t offset = slice->weights->header_bytes + FLOAT_BYTES * index;
    assert(index >= 0 && offset + FLOAT_BYTES * n_floats <= slice->weights->n_bytes);
    return offset;
}

/* Reads `n_floats` floats of kernels from number `index` on. */
static enum tess_status read_floats(const struct slice *slice, int64_t index,
                                    int64_t n_floats, float *floats)
{
    return tess_paged_file_read(slice->weights->file, offset_of(slice, index, n_floats),
                                FLOAT_BYTES * n_floats, floats, slice->error);
}

/* Statistics lie beside the stream of kernels. */
static enum tess_status read_aside(const struct slice *slice, int64_t index,
                                   int64_t n_floats, float *floats)
{
    return tess_paged_file_read_aside(slice->weights->file,
                                      offset_of(slice, index, n_floats),
                                      FLOAT_BYTES * n_floats, floats, slice->error);
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

/* Makes filter `filter` one of those whose statistics are held. */
static enum tess_status hold_statistics(const struct slice *slice, int filter)
{
    const struct layout *layout = &slice->layout;
    struct statistics *held = &slice->weights->statistics;
    if (held->weights_offset == slice->op->weights_offset && held->begin <= filter &&
        filter < held->end)
        return TESS_OK;
    int begin = filter / STATISTICS_FILTERS * STATISTICS_FILTERS;
    int n = tess_min_int(STATISTICS_FILTERS, slice->n_filters - begin);
    held->end = held->begin = 0; /* until all is read */
    enum tess_status status = read_aside(slice, layout->biases + begin, n, held->biases);
    if (slice->op->has_batch_norm && status == TESS_OK)
        status = read_aside(slice, layout->scales + begin, n, held->scales);
    if (slice->op->has_batch_norm && status == TESS_OK)
        status = read_aside(slice, layout->means + begin, n, held->means);
    if (slice->op->has_batch_norm && status == TESS_OK)
        status = read_aside(slice, layout->variances + begin, n, held->variances);
    if (status != TESS_OK)
        return status;
    held->weights_offset = slice->op->weights_offset;
    held->begin = begin;
    held->end = begin + n;
    return TESS_OK;
}

/* What batch normalisation multiplies filter `filter` by, and the bias that is left. */
static enum tess_status fold(const struct slice *slice, int filter, float *factor,
                             float *bias)
{
    const struct statistics *statistics = &slice->weights->statistics;
    enum tess_status status = hold_statistics(slice, filter);
    if (status != TESS_OK)
        return status;
    int at = filter - statistics->begin;
    *factor = 1;
    *bias = statistics->biases[at];
    if (slice->op->has_batch_norm) {
        double scale = (double)statistics->scales[at];
        double mean = (double)statistics->means[at];
        double variance = (double)statistics->variances[at];
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

/* Multiplies; tells whether all products are finite. A weight that is not finite always
 * makes a product that is not. */
static bool scale(float *floats, int64_t n_floats, float factor)
{
    int32_t most = 0; /* infinities and NaNs have the largest bits but the sign */
    for (int64_t i = 0; i < n_floats; i++) {
        int32_t bits;
        floats[i] *= factor;
        memcpy(&bits, &floats[i], sizeof bits);
        bits &= INT32_MAX;
        most = bits > most ? bits : most;
    }
    return most < 0x7f800000;
}

/* Puts elements [first, first + n_floats) of a filter, stored as [C][taps], where they
 * belong in [taps][C]. */
static void transpose(const struct slice *slice, int64_t first, int64_t n_floats,
                      const float *floats, float *kernel)
{
    const int64_t n_channels = slice->n_channels, n_taps = slice->n_taps;
    for (int64_t tap = 0; tap < n_taps; tap++) {
        int64_t channel = tap < first ? tess_div_up(first - tap, n_taps) : 0;
        int64_t i = channel * n_taps + tap - first;
        for (; i < n_floats; i += n_taps, channel++)
            kernel[tap * n_channels + channel] = floats[i];
    }
}

/* Reads one filter as [taps][C], times `factor`. */
static enum tess_status read_filter(const struct slice *slice, int filter, float factor,
                                    float *kernel)
{
    float *buffer = slice->weights->buffer;
    int64_t n_floats = slice->layout.n_share;
    int64_t first =
        slice->layout.kernel + filter * slice->layout.n_per_filter + slice->layout.share;
    bool is_finite = true;
    for (int64_t done = 0, n; done < n_floats; done += n) {
        n = tess_min_i64(BUFFER_FLOATS, n_floats - done);
        enum tess_status status = read_floats(slice, first + done, n, buffer);
        if (status != TESS_OK)
            return status;
        is_finite &= scale(buffer, n, factor);
        transpose(slice, done, n, buffer, kernel);
    }
    return is_finite ? TESS_OK : not_finite(slice, filter, "a weight");
}

/* Reads the slice's filters one by one, or scales those that are in `kernel` already. */
static enum tess_status read_slice(const struct slice *slice, bool is_there,
                                   float *kernel, float *bias)
{
    for (int filter = slice->begin; filter < slice->end; filter++) {
        int index = filter - slice->begin;
        float factor = 1, *to = kernel + index * slice->layout.n_share;
        enum tess_status status = fold(slice, filter, &factor, &bias[index]);
        if (status == TESS_OK && !is_there)
            status = read_filter(slice, filter, factor, to);
        if (status == TESS_OK && is_there && !scale(to, slice->layout.n_share, factor))
            status = not_finite(slice, filter, "a weight");
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

static struct slice slice_of(struct tess_weights *weights, const struct tess_graph *graph,
                             int op, int begin, int end)
{
    assert(op >= 0 && op < graph->n_ops && tess_op_has_weights(&graph->ops[op]));
    const struct tess_op *what = &graph->ops[op];
    assert(begin >= 0 && begin < end && end <= graph->tensors[what->output].c);
    struct slice slice = {
        .weights = weights,
        .op = what,
        .layout = layout_of(graph, what),
        .n_filters = graph->tensors[what->output].c,
        .begin = begin,
        .end = end,
        .n_channels = graph->tensors[what->inputs[0]].c / what->groups,
        .n_taps = what->window.kernel_h * what->window.kernel_w,
    };
    assert(slice.layout.n_share == (int64_t)slice.n_channels * slice.n_taps);
    return slice;
}

/* Reads the kernels of the slice as they are stored: in one piece, if the op has all of them. */
static enum tess_status read_stored(const struct slice *slice, float *kernel)
{
    const struct layout *layout = &slice->layout;
    int64_t n_filters = slice->end - slice->begin;
    int64_t first = layout->kernel + slice->begin * layout->n_per_filter + layout->share;
    if (layout->n_share == layout->n_per_filter)
        return read_floats(slice, first, n_filters * layout->n_share, kernel);
    enum tess_status status = TESS_OK;
    for (int64_t i = 0; i < n_filters && status == TESS_OK; i++)
        status = read_floats(slice, first + i * layout->n_per_filter, layout->n_share,
                             kernel + i * layout->n_share);
    return status;
}

/* More parameters than the house's six: a struct would only wrap two borrowed arrays. */
enum tess_status tess_weights_read(struct tess_weights *weights,
                                   const struct tess_graph *graph, int op, int begin,
                                   int end, float *kernel, float *bias,
                                   struct tess_error *error)
{
    struct slice slice = slice_of(weights, graph, op, begin, end);
    slice.error = error;
    return read_slice(&slice, false, kernel, bias);
}

enum tess_status tess_weights_read_stored(struct tess_weights *weights,
                                          const struct tess_graph *graph, int op,
                                          int begin, int end, float *kernel, float *bias,
                                          struct tess_error *error)
{
    struct slice slice = slice_of(weights, graph, op, begin, end);
    slice.error = error;
    enum tess_status status = read_stored(&slice, kernel);
    return status == TESS_OK ? read_slice(&slice, true, kernel, bias) : status;
}
