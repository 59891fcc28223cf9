/* The network as data: ops and the tensors between them.
 *
 * Tensors are float32 planes of channels, shape [H,W,C] with C innermost; the batch is always
 * one. A graph is built once, by an importer, and then only read. It holds no weights (ask
 * model/weights.h), no tiles (partition) and no memory addresses (plan).
 *
 * Layers are how the user counts: the sections of a darknet cfg after [net], from 0. A layer
 * that computes nothing at inference (dropout, cost, a route of one layer) has no op; its
 * tensor is the one it passes on.
 */
#ifndef TESS_MODEL_GRAPH_H
#define TESS_MODEL_GRAPH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

enum { TESS_GRAPH_INPUT = 0 }; /* tensor id of the network's input */

enum tess_op_kind {
    TESS_OP_CONV, /* 1 input; grouped, dilated, strided. Partial ones have 2: see tess_op */
    TESS_OP_CONNECTED, /* 1 input, read whole: a convolution whose kernel is the whole map */
    TESS_OP_MAXPOOL,  /* 1 input; padding counts as -FLT_MAX */
    TESS_OP_AVGPOOL,  /* 1 input; mean over the whole map, output [1,1,C] */
    TESS_OP_CONCAT,   /* n inputs of one plane size, channels side by side */
    TESS_OP_SLICE,    /* 1 input; channels [channel_begin, channel_begin + C) of it */
    TESS_OP_ADD,      /* 2 inputs, see below */
    TESS_OP_UPSAMPLE, /* 1 input; nearest neighbour by `factor`, times `alpha` */
    TESS_OP_REORG,    /* 1 input, read whole: darknet's reorg by `factor`, see below */
    TESS_OP_SOFTMAX, /* 1 input, read whole: softmax over `groups` equal runs of channels */
    TESS_OP_REGION, /* 1 input: YOLOv2's head, see tess_head */
    TESS_OP_YOLO,   /* 1 input: YOLOv3's head, see tess_head */
    TESS_OP_CROP    /* 1 input; some of its rows and columns, see row_begin */
};
enum { TESS_OP_N_KINDS = TESS_OP_CROP + 1 };

enum tess_activation {
    TESS_ACT_LINEAR,
    TESS_ACT_LEAKY,    /* x > 0 ? x : 0.1 x */
    TESS_ACT_RELU,     /* max(x, 0) */
    TESS_ACT_RELU6,    /* min(max(x, 0), 6) */
    TESS_ACT_LOGISTIC, /* 1 / (1 + exp(-x)) */
    TESS_ACT_MISH,     /* x tanh(log(1 + exp(x))) */
    TESS_ACT_SWISH,    /* x logistic(x) */
    TESS_ACT_HSWISH,   /* x min(max(x + 3, 0), 6) / 6 */
    TESS_ACT_ELU,      /* x >= 0 ? x : exp(x) - 1 */
    TESS_ACT_TANH
};
enum { TESS_ACT_N_KINDS = TESS_ACT_TANH + 1 };

/* How output pixels look at input pixels. Output row y reads the input rows
 * stride_h * y - pad_top + dilation_h * k for k in [0, kernel_h), rows outside the map being
 * padding; columns alike. What is padded below and to the right follows from the output
 * shape. */
struct tess_window {
    int kernel_h, kernel_w;
    int stride_h, stride_w;
    int dilation_h, dilation_w;
    int pad_top, pad_left;
};

/* A detector head. The input has n_anchors * (coords + 1 + n_classes) channels; anchor a owns
 * a run of them: x, y, w, h (coords of them), objectness, classes. The op computes logistic(x),
 * logistic(y) (times scale_x_y, minus (scale_x_y - 1) / 2), logistic(objectness); w and h stay;
 * the classes become a softmax (region with `is_softmax`) or logistics (otherwise). Boxes are
 * decoded by the command line. */
struct tess_head {
    int n_classes;
    int coords;    /* 4 */
    int n_anchors; /* anchors of this head */
    float *
        anchors; /* [n_anchors][2] width, height; in cells (region) or input pixels (yolo) */
    bool is_softmax;
    bool is_background; /* region: no logistic on objectness; a softmax includes it */
    float scale_x_y;    /* yolo: 1 in v3, above 1 in v4 */
};

struct tess_op {
    enum tess_op_kind kind;
    int layer; /* darknet's number of the layer it comes from */
    int n_inputs;
    int *inputs;                     /* [n_inputs] tensor ids */
    int output;                      /* tensor id */
    enum tess_activation activation; /* conv, connected, add: applied to the result */

    struct tess_window window; /* conv, connected, maxpool */
    int groups;                /* conv: channel groups; softmax: runs; else 1 */
    bool has_batch_norm; /* conv, connected: the weights file carries its statistics */
    int channel_begin;   /* slice; partial conv */
    /* conv: 0, or it is a partial one (model/graph_split.h): of a kernel over this many channels
     * it has [channel_begin, channel_begin + C of in[0]). Without a second input it starts from
     * the biases as any other does, else from in[1], of the output's shape, and adds no biases. */
    int kernel_channels;
    /* crop: out[y][x] = in[row_begin + stride_h * y][col_begin + stride_w * x], with the strides
     * of `window`. */
    int row_begin, col_begin;
    int factor; /* upsample, reorg */
    /* add: out = alpha * in[0] + beta * in[1], in[0] having the output's shape. in[1] may have
     * another: with stride = its width / output width and sample = output width / its width
     * (each at least 1), out[y * sample][x * sample][c] gets in[1][y * stride][x * stride][c]
     * for the rows, columns and channels that both have (darknet's shortcut); everywhere else
     * out = in[0], without alpha. Both maps have the same stride and sample across and down.
     * in[0] is the layer before, in[1] the `from` layer. upsample: alpha is the scale.
     * softmax: alpha is 1 / temperature. */
    float alpha, beta;
    /* reorg keeps darknet's element order, which is not a space-to-depth: see ref kernels. */
    bool is_reverse;        /* reorg */
    struct tess_head head;  /* region, yolo */
    int64_t weights_offset; /* conv, connected: floats before its first one in the file,
                                * its header not counted */
};

struct tess_tensor {
    int h, w, c;
    int producer; /* op id, -1 for the network's input */
    int n_consumers;
    int *consumers; /* [n_consumers] op ids, ascending; an op that reads it twice once */
    bool is_output; /* kept until the end: heads, softmax, the last layer, whatever nobody
                       * reads; never the network's input */
};

enum { TESS_LAYER_CUT = -1, TESS_LAYER_DISSOLVED = -2 };

struct tess_layer {
    char name[24]; /* section name without brackets */
    int line;      /* in the cfg */
    int tensor; /* what the layer puts out. TESS_LAYER_CUT for the layers that a cut graph
                      leaves out, TESS_LAYER_DISSOLVED for concats that a split one does
                      (model/graph_split.h) */
};

/* How a picture becomes the network's input: bring it to image_h x image_w with values 0..1,
 * keep the rows and columns of the input's shape from (crop_top, crop_left) on, and turn each
 * value v into v * scale + offset. Networks without [crop] have the image's size as their
 * input's, no crop, scale 1 and offset 0. A cut graph that does not begin at the network's
 * input has no picture: its numbers are those neutral ones. */
struct tess_picture {
    int image_h, image_w;
    int crop_top, crop_left;
    float scale, offset;
};

struct tess_graph {
    char *name; /* base name of the cfg without its suffix */
    struct tess_picture picture;
    int n_ops;
    struct tess_op *ops; /* in an order in which they can run */
    int n_tensors;
    struct tess_tensor *tensors;
    int n_layers;
    struct tess_layer *layers;
    int64_t n_weights; /* floats in the weights file after its header */
    uint64_t hash; /* of everything above that changes the result: not names or lines */
    uint64_t source_hash; /* of the graph it was split from; its own if it was not */
};

/* Frees a graph and everything it owns. Accepts NULL. */
void tess_graph_destroy(struct tess_graph *graph);

/* Fills producer, consumers, is_output of unconsumed tensors, and hash, from the ops. Called
 * once, by an importer. TESS_E_NOMEM. */
enum tess_status tess_graph_finish(struct tess_graph *graph, struct tess_error *error);

/* Asserts every invariant the fields promise: shapes follow from inputs, ids are in range,
 * order is topological, consumer lists match. Does nothing in builds without asserts.
 * (model/graph_check.c; tess_graph_cut is in model/graph_cut.c.) */
void tess_graph_assert_valid(const struct tess_graph *graph);

/* Bytes of a tensor stored densely. */
int64_t tess_tensor_bytes(const struct tess_tensor *tensor);

/* Multiply-adds of an op over its whole output (conv, connected, avgpool, add); 0 for ops
 * that only move, compare or squash data. At most TESS_LIMIT_MACS of model/graph_build.h. */
int64_t tess_op_macs(const struct tess_graph *graph, const struct tess_op *op);

/* Floats of an op's kernel (conv, connected: filters * kernel_h * kernel_w * C/groups), else 0.
 * Of a partial one its share. */
int64_t tess_op_n_kernel(const struct tess_graph *graph, const struct tess_op *op);

/* Floats of an op in the weights file: kernel, biases and batch-norm statistics; else 0. */
int64_t tess_op_n_weights(const struct tess_graph *graph, const struct tess_op *op);

/* Does the op carry weights? */
bool tess_op_has_weights(const struct tess_op *op);

/* Is it one of several convolutions that are one in the network? Does it go on from what those
 * before it came to, its second input? */
bool tess_op_is_partial(const struct tess_op *op);
bool tess_op_accumulates(const struct tess_op *op);

/* Is it a convolution with one input and one output channel per group? */
bool tess_op_is_depthwise(const struct tess_graph *graph, const struct tess_op *op);

/* Does every output pixel depend on the whole input map (connected, avgpool, reorg, softmax)?
 * Such an op cannot be cut into tiles. */
bool tess_op_reads_whole(const struct tess_op *op);

/* Names as darknet writes them ("leaky") or as this project prints them ("maxpool"). */
const char *tess_op_kind_name(enum tess_op_kind kind);
const char *tess_activation_name(enum tess_activation activation);

/* Layer number as the user gives it: 0.. from the front, -1.. from the end. False if there is
 * no such layer. */
bool tess_graph_find_layer(const struct tess_graph *graph, int64_t number,
                           int *layer_out);

/* New graph holding only the layers [first, last] of `graph`: its input is whatever tensor from
 * before `first` those layers read. Its outputs are heads, softmaxes, the last layer and what
 * nothing inside reads. TESS_E_USAGE, with the layers named, if they read more than one such
 * tensor, compute nothing or do not exist; TESS_E_NOMEM. Layer numbers, names and weights
 * offsets stay those of the whole network: graph->layers keeps its length. */
enum tess_status tess_graph_cut(const struct tess_graph *graph, int first, int last,
                                struct tess_graph **graph_out, struct tess_error *error);

#endif
