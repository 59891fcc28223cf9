/* Problem: prove that a graph with chains of partial convolutions is another with convolutions of
 * concats.
 *
 * Method: walk both lists of ops side by side. Ops that are no parts must be the same, on inputs
 * that are images of the same tensors; concats of the network may be missing, since an op that
 * read one would then find no image. The parts of one chain stand for one convolution: each of its
 * channels is traced through concats to the tensor that gives it, on both sides.
 *
 * Invariant: image[t] of a tensor of the split graph is the tensor of the network with its values,
 * or NO_IMAGE for sums.
 *
 * Not done: other orders than that of the network, which splitting keeps.
 */
#include "plan/verify_split.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { NO_IMAGE = -1 };

struct side_by_side {
    const struct tess_graph *graph, *split;
    int *image;       /* [split->n_tensors] */
    bool *has_image;  /* [graph->n_tensors] is some tensor's image */
    bool *is_covered; /* [most channels] of the kernel at hand */
    int at, split_at; /* the next op of either */
    struct tess_error *error;
};

static enum tess_status fail(const struct side_by_side *both, int layer, const char *what)
{
    tess_error_set(both->error, TESS_E_VERIFY, "layer %d, split: %s", layer, what);
    tess_error_hint(both->error,
                    "do not run this plan; the parts follow from the layers it names, so "
                    "please report it with the network");
    return TESS_E_VERIFY;
}

static bool has_same_shape(const struct tess_tensor *a, const struct tess_tensor *b)
{
    return a->h == b->h && a->w == b->w && a->c == b->c;
}

static bool has_same_window(const struct tess_window *a, const struct tess_window *b)
{
    return a->kernel_h == b->kernel_h && a->kernel_w == b->kernel_w &&
           a->stride_h == b->stride_h && a->stride_w == b->stride_w &&
           a->dilation_h == b->dilation_h && a->dilation_w == b->dilation_w &&
           a->pad_top == b->pad_top && a->pad_left == b->pad_left;
}

static bool has_same_head(const struct tess_head *a, const struct tess_head *b)
{
    if (a->n_classes != b->n_classes || a->coords != b->coords ||
        a->n_anchors != b->n_anchors || a->is_softmax != b->is_softmax ||
        a->is_background != b->is_background ||
        memcmp(&a->scale_x_y, &b->scale_x_y, sizeof a->scale_x_y) != 0)
        return false;
    return a->n_anchors == 0 ||
           memcmp(a->anchors, b->anchors,
                  2 * sizeof *a->anchors * (size_t)a->n_anchors) == 0;
}

/* What whole and partial convolutions have in common, too. */
static bool has_same_weights(const struct tess_op *a, const struct tess_op *b)
{
    return a->kind == b->kind && a->layer == b->layer && a->groups == b->groups &&
           a->has_batch_norm == b->has_batch_norm &&
           a->weights_offset == b->weights_offset &&
           has_same_window(&a->window, &b->window);
}

static bool is_same_op(const struct side_by_side *both, const struct tess_op *a,
                       const struct tess_op *b)
{
    if (!has_same_weights(a, b) || a->n_inputs != b->n_inputs ||
        a->activation != b->activation || a->channel_begin != b->channel_begin ||
        a->factor != b->factor || a->is_reverse != b->is_reverse ||
        a->kernel_channels != b->kernel_channels ||
        memcmp(&a->alpha, &b->alpha, sizeof a->alpha) != 0 ||
        memcmp(&a->beta, &b->beta, sizeof a->beta) != 0 ||
        !has_same_head(&a->head, &b->head))
        return false;
    for (int i = 0; i < a->n_inputs; i++)
        if (a->inputs[i] != both->image[b->inputs[i]])
            return false;
    return true;
}

/* Says that output `tensor` of the split graph is `image`, if their shapes agree. */
static enum tess_status match(struct side_by_side *both, const struct tess_op *op,
                              const struct tess_op *part)
{
    const struct tess_tensor *a = &both->graph->tensors[op->output];
    const struct tess_tensor *b = &both->split->tensors[part->output];
    if (!has_same_shape(a, b) || a->is_output != b->is_output)
        return fail(both, op->layer, "puts out another map than in the network");
    both->image[part->output] = op->output;
    both->has_image[op->output] = true;
    return TESS_OK;
}

/* ---- chains ---- */

struct channel {
    int tensor, index;
};

/* The tensor that is no concat from which a channel comes. */
static struct channel origin_of(const struct tess_graph *graph, struct channel channel)
{
    int producer = graph->tensors[channel.tensor].producer;
    while (producer >= 0 && graph->ops[producer].kind == TESS_OP_CONCAT) {
        const struct tess_op *concat = &graph->ops[producer];
        int input = 0;
        while (channel.index >= graph->tensors[concat->inputs[input]].c)
            channel.index -= graph->tensors[concat->inputs[input++]].c;
        channel.tensor = concat->inputs[input];
        producer = graph->tensors[channel.tensor].producer;
    }
    return channel;
}

/* The channels that `part` takes of the kernel of `whole`. */
static enum tess_status check_channels(struct side_by_side *both,
                                       const struct tess_op *whole,
                                       const struct tess_op *part)
{
    int n_channels = both->split->tensors[part->inputs[0]].c;
    int image = both->image[part->inputs[0]], begin = part->channel_begin;
    int n_all = both->graph->tensors[whole->inputs[0]].c;
    if (part->kernel_channels != n_all || begin < 0 || n_channels > n_all - begin)
        return fail(both, whole->layer, "a part has channels that the kernel has not");
    if (image == NO_IMAGE || both->graph->tensors[image].c != n_channels)
        return fail(both, whole->layer, "a part reads what is no map of the network");
    for (int i = 0; i < n_channels; i++) {
        struct channel here = origin_of(both->graph, (struct channel){image, i});
        struct channel there =
            origin_of(both->graph, (struct channel){whole->inputs[0], begin + i});
        if (here.tensor != there.tensor || here.index != there.index)
            return fail(both, whole->layer, "a part reads another map than its channels");
        if (both->is_covered[begin + i])
            return fail(both, whole->layer, "two parts have the same channels");
        both->is_covered[begin + i] = true;
    }
    return TESS_OK;
}

/* Sums go from part to part and nowhere else. `before` NULL: the first part. */
static enum tess_status check_sum(const struct side_by_side *both,
                                  const struct tess_op *before,
                                  const struct tess_op *part)
{
    if (part->n_inputs != (before ? 2 : 1))
        return fail(both, part->layer, "a chain of sums is begun anew or not at all");
    if (!before)
        return TESS_OK;
    const struct tess_tensor *sum = &both->split->tensors[before->output];
    if (part->inputs[1] != before->output || sum->n_consumers != 1 || sum->is_output ||
        !has_same_shape(sum, &both->split->tensors[part->output]))
        return fail(both, part->layer, "a part does not go on from the one before it");
    if (before->activation != TESS_ACT_LINEAR)
        return fail(both, part->layer, "a part before the last has an activation");
    return TESS_OK;
}

/* Takes the whole chain that begins at split_at, for the op of the network at `at`. */
static enum tess_status check_chain(struct side_by_side *both)
{
    const struct tess_op *whole = &both->graph->ops[both->at++], *before = NULL;
    int n_all = both->graph->tensors[whole->inputs[0]].c, n_covered = 0;
    enum tess_status status = TESS_OK;
    memset(both->is_covered, 0, sizeof *both->is_covered * (size_t)n_all);
    while (n_covered < n_all && status == TESS_OK) {
        bool has_part = both->split_at < both->split->n_ops;
        const struct tess_op *part = &both->split->ops[has_part ? both->split_at : 0];
        if (!has_part || !tess_op_is_partial(part) || !has_same_weights(whole, part) ||
            whole->groups != 1)
            return fail(both, whole->layer, "some channels have no part");
        status = check_sum(both, before, part);
        if (status == TESS_OK)
            status = check_channels(both, whole, part);
        n_covered += both->split->tensors[part->inputs[0]].c;
        before = part;
        both->split_at++;
    }
    if (status != TESS_OK)
        return status;
    assert(before); /* a kernel has channels */
    if (before->activation != whole->activation)
        return fail(both, whole->layer, "the last part has another activation");
    return match(both, whole, before);
}

/* ---- the whole network ---- */

static bool is_concat(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONCAT;
}

/* The next op or chain of the split graph. */
static enum tess_status check_next(struct side_by_side *both)
{
    const struct tess_graph *graph = both->graph;
    const struct tess_op *op = &both->split->ops[both->split_at];
    while (both->at < graph->n_ops && is_concat(&graph->ops[both->at]) &&
           !is_same_op(both, &graph->ops[both->at], op))
        both->at++; /* left out */
    if (both->at == graph->n_ops)
        return fail(both, op->layer, "there are more ops than in the network");
    if (tess_op_is_partial(op))
        return check_chain(both);
    if (!is_same_op(both, &graph->ops[both->at], op))
        return fail(both, op->layer, "an op differs from that of the network");
    both->split_at++;
    return match(both, &graph->ops[both->at++], op);
}

static enum tess_status check_rest(const struct side_by_side *both)
{
    const struct tess_graph *graph = both->graph, *split = both->split;
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        int producer = graph->tensors[tensor].producer;
        if (both->has_image[tensor])
            continue;
        const struct tess_op *op = &graph->ops[producer];
        if (!is_concat(op) || graph->tensors[tensor].is_output)
            return fail(both, op->layer, "is left out");
    }
    for (int i = 0; i < graph->n_layers; i++) {
        int tensor = split->layers[i].tensor, whole = graph->layers[i].tensor;
        bool is_same = tensor >= 0 ? both->image[tensor] == whole
                       : whole < 0 ? tensor == whole
                                   : !both->has_image[whole];
        if (!is_same)
            return fail(both, i, "puts out another map than in the network");
    }
    return TESS_OK;
}

static enum tess_status check_frame(const struct side_by_side *both)
{
    const struct tess_graph *graph = both->graph, *split = both->split;
    bool is_same = split->source_hash == graph->hash &&
                   split->n_weights == graph->n_weights &&
                   split->n_layers == graph->n_layers &&
                   memcmp(&split->picture, &graph->picture, sizeof graph->picture) == 0 &&
                   has_same_shape(&split->tensors[TESS_GRAPH_INPUT],
                                  &graph->tensors[TESS_GRAPH_INPUT]);
    return is_same ? TESS_OK
                   : tess_error_set(both->error, TESS_E_VERIFY,
                                    "the parts are those of another network");
}

enum tess_status tess_verify_split(const struct tess_graph *graph,
                                   const struct tess_graph *split,
                                   struct tess_error *error)
{
    struct side_by_side both = {.graph = graph, .split = split, .error = error};
    int most_channels = 1;
    for (int i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i].c > most_channels)
            most_channels = graph->tensors[i].c;
    both.image = malloc(sizeof *both.image * (size_t)split->n_tensors);
    both.has_image = calloc((size_t)graph->n_tensors, sizeof *both.has_image);
    both.is_covered = calloc((size_t)most_channels, sizeof *both.is_covered);
    enum tess_status status = TESS_OK;
    if (!both.image || !both.has_image || !both.is_covered) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int i = 0; i < split->n_tensors; i++)
        both.image[i] = NO_IMAGE;
    both.image[TESS_GRAPH_INPUT] = TESS_GRAPH_INPUT;
    both.has_image[TESS_GRAPH_INPUT] = true;
    status = check_frame(&both);
    while (both.split_at < split->n_ops && status == TESS_OK)
        status = check_next(&both);
    if (status == TESS_OK)
        status = check_rest(&both);
out:
    free(both.image);
    free(both.has_image);
    free(both.is_covered);
    return status;
}
