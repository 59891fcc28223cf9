#include "model/weights.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"

enum { BUFFER_FLOATS = TESS_WEIGHTS_WINDOW_BYTES / 4, STATISTICS_FLOATS = 64 };
/* Versions above these are no darknet file at all, or an old one with transposed kernels.
 */
enum { LIMIT_VERSION = 1000, LIMIT_OLD_VERSION = 100000 };
enum { FLOAT_BYTES = 4 };

struct tess_weights {
    char *path;
    int fd;
    int64_t n_bytes, header_bytes;
    unsigned char buffer[4 * BUFFER_FLOATS]; /* part of a filter being read */
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

/* Reads exactly `n_bytes` at `offset`. */
static enum tess_status read_at(const struct tess_weights *weights, void *bytes,
                                int64_t n_bytes, int64_t offset, struct tess_error *error)
{
    char *to = bytes;
    while (n_bytes > 0) {
        ssize_t n = pread(weights->fd, to, (size_t)n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return tess_error_at(error, TESS_E_IO, weights->path, 0, 0, "cannot read: %s",
                                 strerror(errno));
        if (n == 0)
            return tess_error_at(error, TESS_E_IO, weights->path, 0, 0,
                                 "the file became shorter while it was read");
        to += n;
        offset += n;
        n_bytes -= n;
    }
    return TESS_OK;
}

static enum tess_status open_file(struct tess_weights *weights, struct tess_error *error)
{
    struct stat info;
    weights->fd = open(weights->path, O_RDONLY | O_CLOEXEC);
    if (weights->fd < 0 || fstat(weights->fd, &info) != 0)
        return tess_error_at(error, TESS_E_IO, weights->path, 0, 0, "cannot open: %s",
                             strerror(errno));
    if (!S_ISREG(info.st_mode))
        return tess_error_at(error, TESS_E_IO, weights->path, 0, 0, "not a regular file");
    weights->n_bytes = info.st_size;
    return TESS_OK;
}

static enum tess_status read_header(struct tess_weights *weights,
                                    struct tess_error *error)
{
    unsigned char header[16];
    if (weights->n_bytes < 16)
        return tess_error_at(error, TESS_E_MODEL, weights->path, 0, 0,
                             "a weights file has at least 16 bytes, this one has %lld",
                             (long long)weights->n_bytes);
    enum tess_status status = read_at(weights, header, sizeof header, 0, error);
    if (status != TESS_OK)
        return status;
    int32_t major = (int32_t)load_u32(header), minor = (int32_t)load_u32(header + 4);
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
    weights->fd = -1;
    weights->path = strdup(path);
    status = weights->path ? TESS_OK : tess_error_nomem(error);
    if (status == TESS_OK)
        status = open_file(weights, error);
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
    if (weights->fd >= 0)
        close(weights->fd);
    free(weights->path);
    free(weights);
}

/* --- reading --- */

/* A slice being read. */
struct slice {
    struct tess_weights *weights;
    const struct tess_op *op;
    struct layout layout;
    int begin, end;
    int n_channels, n_taps; /* of one filter */
    struct tess_error *error;
};

/* Reads `n_floats` floats from number `index` on. */
static enum tess_status read_floats(const struct slice *slice, int64_t index,
                                    int64_t n_floats, void *bytes)
{
    int64_t offset = slice->weights->header_bytes + FLOAT_BYTES * index;
    assert(index >= 0 && offset + FLOAT_BYTES * n_floats <= slice->weights->n_bytes);
    return read_at(slice->weights, bytes, FLOAT_BYTES * n_floats, offset, slice->error);
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

/* Statistics of some neighbouring filters, as they lie in the file. */
struct statistics {
    unsigned char biases[4 * STATISTICS_FLOATS], scales[4 * STATISTICS_FLOATS];
    unsigned char means[4 * STATISTICS_FLOATS], variances[4 * STATISTICS_FLOATS];
};

static enum tess_status read_statistics(const struct slice *slice, int filter,
                                        int n_filters, struct statistics *into)
{
    const struct layout *layout = &slice->layout;
    enum tess_status status =
        read_floats(slice, layout->biases + filter, n_filters, into->biases);
    if (status != TESS_OK || !slice->op->has_batch_norm)
        return status;
    status = read_floats(slice, layout->scales + filter, n_filters, into->scales);
    if (status == TESS_OK)
        status = read_floats(slice, layout->means + filter, n_filters, into->means);
    if (status == TESS_OK)
        status =
            read_floats(slice, layout->variances + filter, n_filters, into->variances);
    return status;
}

/* What batch normalisation multiplies filter `filter` by, and the bias that is left; the
 * filter's statistics are number `at`. */
static enum tess_status fold(const struct slice *slice, int filter,
                             const struct statistics *statistics, int at, float *factor,
                             float *bias)
{
    *factor = 1;
    *bias = load_float(statistics->biases + FLOAT_BYTES * at);
    if (slice->op->has_batch_norm) {
        double scale = (double)load_float(statistics->scales + FLOAT_BYTES * at);
        double mean = (double)load_float(statistics->means + FLOAT_BYTES * at);
        double variance = (double)load_float(statistics->variances + FLOAT_BYTES * at);
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

/* Copies one filter from [C][taps] to [taps][C], times `factor`. A weight that is not finite
 * always makes a result that is not. */
static enum tess_status copy_filter(const struct slice *slice, int filter, float factor,
                                    float *kernel)
{
    const int n_channels = slice->n_channels, n_taps = slice->n_taps;
    int64_t first = slice->layout.kernel + filter * slice->layout.n_per_filter;
    int channel = 0, tap = 0;
    bool is_finite = true;
    for (int64_t done = 0, n; done < slice->layout.n_per_filter; done += n) {
        unsigned char *buffer = slice->weights->buffer;
        n = tess_min_i64(BUFFER_FLOATS, slice->layout.n_per_filter - done);
        enum tess_status status = read_floats(slice, first + done, n, buffer);
        if (status != TESS_OK)
            return status;
        for (int64_t i = 0; i < n; i++) {
            float value = factor * load_float(buffer + FLOAT_BYTES * i);
            is_finite &= isfinite(value) != 0;
            kernel[(int64_t)tap * n_channels + channel] = value;
            if (++tap == n_taps) {
                tap = 0;
                channel++;
            }
        }
    }
    return is_finite ? TESS_OK : not_finite(slice, filter, "a weight");
}

static enum tess_status read_slice(const struct slice *slice, float *kernel, float *bias)
{
    struct statistics statistics;
    for (int filter = slice->begin; filter < slice->end; filter++) {
        int index = filter - slice->begin, at = index % STATISTICS_FLOATS;
        float factor = 1;
        enum tess_status status = TESS_OK;
        if (at == 0)
            status = read_statistics(slice, filter,
                                     tess_min_int(STATISTICS_FLOATS, slice->end - filter),
                                     &statistics);
        if (status == TESS_OK)
            status = fold(slice, filter, &statistics, at, &factor, &bias[index]);
        if (status == TESS_OK)
            status = copy_filter(slice, filter, factor,
                                 kernel + index * slice->layout.n_per_filter);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

/* More parameters than the house's six: a struct would only wrap two borrowed arrays. */
enum tess_status tess_weights_read(struct tess_weights *weights,
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
    assert(slice.layout.n_per_filter == (int64_t)slice.n_channels * slice.n_taps);
    return read_slice(&slice, kernel, bias);
}
