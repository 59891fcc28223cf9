#include "model/synth.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/hash.h"
#include "base/rng.h"

/* Problem: weights for which every activation keeps a sensible size through hundreds of
 * layers, whatever the network's branches do, without running it.
 *
 * Method: walk the graph once and estimate mean and mean square of every tensor. A
 * convolution that reads a tensor of mean square m gets uniform weights of variance
 * 1 / (fan_in * m), so that its sums have variance about 1 (He et al., "Delving deep into
 * rectifiers", ICCV 2015, with the measured m in place of their 1/2). Its activation then
 * gives a known moment. Additions add moments: a residual network grows linearly with
 * depth, not exponentially, because the next convolution divides the growth out again.
 * Biases keep narrow networks from fading out.
 *
 * Invariant: only +, *, / and sqrt of IEEE doubles and floats, in a fixed order, so the
 * bytes are the same on every machine.
 *
 * Cost: O(weights), a buffer of 64 KiB. Not done: exact moments of maxima and means (an
 * estimate that is wrong by a factor changes all that follows by the same factor once).
 */

enum { BUFFER_BYTES = 64 * 1024, FLOAT_BYTES = 4 };

struct writer {
    int fd;
    bool has_failed;
    size_t n_bytes;
    unsigned char buffer[BUFFER_BYTES];
};

static void flush(struct writer *writer)
{
    const unsigned char *at = writer->buffer;
    size_t n_left = writer->n_bytes;
    while (n_left > 0 && !writer->has_failed) {
        ssize_t n = write(writer->fd, at, n_left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            writer->has_failed = true;
            break;
        }
        at += n;
        n_left -= (size_t)n;
    }
    writer->n_bytes = 0;
}

/* Little-endian on every machine. */
static void put_u32(struct writer *writer, uint32_t value)
{
    if (writer->n_bytes + FLOAT_BYTES > BUFFER_BYTES)
        flush(writer);
    for (int shift = 0; shift < 32; shift += 8)
        writer->buffer[writer->n_bytes++] = (unsigned char)(value >> shift);
}

static void put_float(struct writer *writer, float value)
{
    uint32_t bits;
    assert(isfinite(value));
    memcpy(&bits, &value, sizeof bits);
    put_u32(writer, bits);
}

/* `n` numbers, uniform in [low, high). */
static void put_uniform(struct writer *writer, struct tess_rng *rng, int64_t n, float low,
                        float high)
{
    float span = high - low;
    for (int64_t i = 0; i < n; i++) {
        float offset = tess_rng_float(rng) * span;
        put_float(writer, low + offset);
    }
}

/* --- moments --- */

/* What is known about the elements of a tensor. */
struct moments {
    double mean, square; /* of an element, of its square */
};

/* Of an activation of a normal variable of variance 1, by numerical integration. */
static struct moments activated(enum tess_activation activation)
{
    switch (activation) {
    case TESS_ACT_LINEAR: return (struct moments){0, 1};
    case TESS_ACT_LEAKY: return (struct moments){0.359, 0.505};
    case TESS_ACT_RELU:
    case TESS_ACT_RELU6: return (struct moments){0.399, 0.5};
    case TESS_ACT_LOGISTIC: return (struct moments){0.5, 0.293};
    case TESS_ACT_MISH: return (struct moments){0.240, 0.452};
    case TESS_ACT_SWISH: return (struct moments){0.207, 0.356};
    case TESS_ACT_HSWISH: return (struct moments){0.166, 0.332};
    case TESS_ACT_ELU: return (struct moments){0.161, 0.645};
    case TESS_ACT_TANH: return (struct moments){0, 0.394};
    }
    assert(false && "unknown activation");
    return (struct moments){0, 1};
}

/* The input of a residual block has been activated before, so it is positive already and
 * most of the sum passes an activation unchanged: count it whole, with the part that both
 * inputs' means make together. Bounded activations bound it. */
static struct moments added(const struct tess_op *op, const struct moments *inputs[2])
{
    double a = (double)op->alpha, b = (double)op->beta;
    struct moments sum = {a * inputs[0]->mean + b * inputs[1]->mean,
                          a * a * inputs[0]->square + b * b * inputs[1]->square +
                              2 * a * b * inputs[0]->mean * inputs[1]->mean};
    bool is_bounded =
        op->activation == TESS_ACT_LOGISTIC || op->activation == TESS_ACT_TANH;
    return is_bounded ? activated(op->activation) : sum;
}

static struct moments concatenated(const struct tess_graph *graph,
                                   const struct tess_op *op, const struct moments *all)
{
    struct moments sum = {0, 0};
    double n_channels = graph->tensors[op->output].c;
    for (int i = 0; i < op->n_inputs; i++) {
        double share = graph->tensors[op->inputs[i]].c / n_channels;
        sum.mean += share * all[op->inputs[i]].mean;
        sum.square += share * all[op->inputs[i]].square;
    }
    return sum;
}

static struct moments output_of(const struct tess_graph *graph, const struct tess_op *op,
                                const struct moments *all)
{
    const struct moments in = all[op->inputs[0]];
    double alpha = (double)op->alpha;
    switch (op->kind) {
    case TESS_OP_CONV:
    case TESS_OP_CONNECTED: return activated(op->activation);
    case TESS_OP_MAXPOOL: /* grows by about so much; a window of one pixel does not */
        if (op->window.kernel_h == 1)
            return in;
        return (struct moments){in.mean + 0.2 * sqrt(in.square), 1.5 * in.square};
    case TESS_OP_AVGPOOL: /* only the channel's mean is left */
        return (struct moments){in.mean, 0.35 * in.square};
    case TESS_OP_CONCAT: return concatenated(graph, op, all);
    case TESS_OP_ADD: {
        const struct moments *inputs[2] = {&all[op->inputs[0]], &all[op->inputs[1]]};
        return added(op, inputs);
    }
    case TESS_OP_UPSAMPLE:
        return (struct moments){alpha * in.mean, alpha * alpha * in.square};
    case TESS_OP_SLICE:
    case TESS_OP_CROP:
    case TESS_OP_REORG: return in;
    case TESS_OP_SOFTMAX:
    case TESS_OP_REGION:
    case TESS_OP_YOLO: return (struct moments){0.3, 0.3};
    }
    assert(false && "unknown op kind");
    return in;
}

/* --- weights --- */

static void put_statistics(struct writer *writer, struct tess_rng *rng, int n_filters)
{
    put_uniform(writer, rng, n_filters, 0.8F, 1.2F);   /* scales */
    put_uniform(writer, rng, n_filters, -0.1F, 0.1F);  /* means */
    put_uniform(writer, rng, n_filters, 0.75F, 1.25F); /* variances */
}

/* Numbers each anchor of the head that reads `tensor` has; 0 if no head does. */
static int head_stride(const struct tess_graph *graph, int tensor)
{
    for (int i = 0; i < graph->tensors[tensor].n_consumers; i++) {
        const struct tess_op *op = &graph->ops[graph->tensors[tensor].consumers[i]];
        if (op->kind == TESS_OP_REGION || op->kind == TESS_OP_YOLO)
            return op->head.coords + 1 + op->head.n_classes;
    }
    return 0;
}

/* Before a head, objectness is biased so that few boxes are found, as in a trained
 * network. */
static void put_biases(struct writer *writer, struct tess_rng *rng,
                       const struct tess_graph *graph, const struct tess_op *op)
{
    const int stride = head_stride(graph, op->output), objectness = 4;
    for (int i = 0; i < graph->tensors[op->output].c; i++) {
        bool is_objectness = stride > 0 && i % stride == objectness;
        float shift = is_objectness ? -4.0F : 0.0F;
        put_uniform(writer, rng, 1, shift - 0.25F, shift + 0.25F);
    }
}

static void put_op(struct writer *writer, const struct tess_graph *graph,
                   const struct tess_op *op, uint64_t seed, double square)
{
    const int n_filters = graph->tensors[op->output].c;
    const int64_t n_kernel = tess_op_n_kernel(graph, op);
    double fan_in = (double)(n_kernel / n_filters);
    /* A uniform number in [-b, b) has variance b * b / 3. */
    float bound = (float)sqrt(3.0 / (fan_in * (square > 1e-6 ? square : 1e-6)));
    struct tess_rng rng;
    uint64_t hash = tess_hash_i64(TESS_HASH_START, (int64_t)seed);
    tess_rng_init(&rng, tess_hash_i64(hash, op->weights_offset));
    put_biases(writer, &rng, graph, op);
    if (op->has_batch_norm && op->kind != TESS_OP_CONNECTED)
        put_statistics(writer, &rng, n_filters);
    put_uniform(writer, &rng, n_kernel, -bound, bound);
    if (op->has_batch_norm && op->kind == TESS_OP_CONNECTED)
        put_statistics(writer, &rng, n_filters);
}

static enum tess_status put_file(struct writer *writer, const struct tess_graph *graph,
                                 uint64_t seed, struct tess_error *error)
{
    static const uint32_t header[] = {0, 2, 0, 0,
                                      0}; /* major, minor, revision, seen (64) */
    struct moments *moments = calloc((size_t)graph->n_tensors, sizeof *moments);
    if (!moments)
        return tess_error_nomem(error);
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        put_u32(writer, header[i]);
    moments[TESS_GRAPH_INPUT] =
        (struct moments){0.5, 0.3}; /* a picture of values in 0..1 */
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        if (tess_op_has_weights(op))
            put_op(writer, graph, op, seed, moments[op->inputs[0]].square);
        moments[op->output] = output_of(graph, op, moments);
    }
    flush(writer);
    free(moments);
    return TESS_OK;
}

/* --- the file --- */

static enum tess_status write_error(const char *path, struct tess_error *error)
{
    return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot write: %s",
                         strerror(errno));
}

static enum tess_status create_beside(const char *path, char **temporary_out, int *fd_out,
                                      struct tess_error *error)
{
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return tess_error_at(error, TESS_E_IO, path, 0, 0, "not a regular file");
    size_t size = strlen(path) + sizeof ".XXXXXX";
    char *temporary = malloc(size);
    if (!temporary)
        return tess_error_nomem(error);
    snprintf(temporary, size, "%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        free(temporary);
        return write_error(path, error);
    }
    *temporary_out = temporary;
    *fd_out = fd;
    return TESS_OK;
}

enum tess_status tess_synth_write(const struct tess_graph *graph, uint64_t seed,
                                  const char *path, struct tess_error *error)
{
    char *temporary = NULL;
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return tess_error_nomem(error);
    writer->fd = -1;
    enum tess_status status = create_beside(path, &temporary, &writer->fd, error);
    if (status != TESS_OK)
        goto out;
    status = put_file(writer, graph, seed, error);
    bool is_written = !writer->has_failed && fchmod(writer->fd, 0644) == 0;
    if (close(writer->fd) != 0)
        is_written = false;
    if (status == TESS_OK && (!is_written || rename(temporary, path) != 0))
        status = write_error(path, error);
    if (status != TESS_OK)
        unlink(temporary);
out:
    free(temporary);
    free(writer);
    return status;
}
