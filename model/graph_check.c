#include "model/graph.h"

#include <assert.h>

#include "model/graph_build.h"

/* In builds without asserts every check below is empty; the file then compiles to
 * nothing. */
#ifdef NDEBUG

void tess_graph_assert_valid(const struct tess_graph *graph)
{
    (void)graph;
}

#else

static void check_window_side(int in, int out, int kernel, int stride, int dilation,
                              int pad)
{
    assert(kernel >= 1 && stride >= 1 && dilation >= 1 && pad >= 0);
    int reach = dilation * (kernel - 1) + 1;
    assert(pad < reach);                            /* the first output sees the map */
    assert((out - 1) * (int64_t)stride - pad < in); /* and so does the last one */
}

static void check_window(const struct tess_op *op, const struct tess_tensor *in,
                         const struct tess_tensor *out)
{
    const struct tess_window *window = &op->window;
    check_window_side(in->h, out->h, window->kernel_h, window->stride_h,
                      window->dilation_h, window->pad_top);
    check_window_side(in->w, out->w, window->kernel_w, window->stride_w,
                      window->dilation_w, window->pad_left);
}

static void check_partial(const struct tess_graph *graph, const struct tess_op *op)
{
    const struct tess_tensor *in = &graph->tensors[op->inputs[0]];
    const struct tess_tensor *out = &graph->tensors[op->output];
    const struct tess_tensor *sum = &graph->tensors[op->inputs[op->n_inputs - 1]];
    assert(op->kind == TESS_OP_CONV && op->groups == 1 && op->n_inputs <= 2);
    assert(op->channel_begin >= 0 && op->channel_begin + in->c <= op->kernel_channels);
    if (tess_op_accumulates(op))
        assert(sum->h == out->h && sum->w == out->w && sum->c == out->c);
}

static void check_weights(const struct tess_graph *graph, const struct tess_op *op)
{
    const struct tess_tensor *in = &graph->tensors[op->inputs[0]];
    const struct tess_tensor *out = &graph->tensors[op->output];
    assert(op->groups >= 1 && in->c % op->groups == 0 && out->c % op->groups == 0);
    assert(tess_op_n_kernel(graph, op) <= TESS_LIMIT_ELEMS);
    assert(op->weights_offset >= 0);
    assert(op->weights_offset + tess_op_n_weights(graph, op) <= graph->n_weights);
    check_window(op, in, out);
    if (tess_op_is_partial(op))
        check_partial(graph, op);
    else
        assert(op->n_inputs == 1);
    if (op->kind == TESS_OP_CONNECTED)
        assert(op->window.kernel_h == in->h && op->window.kernel_w == in->w &&
               op->window.pad_top == 0 && op->window.pad_left == 0 && op->groups == 1 &&
               out->h == 1 && out->w == 1);
}

static void check_concat(const struct tess_graph *graph, const struct tess_op *op)
{
    const struct tess_tensor *out = &graph->tensors[op->output];
    int n_channels = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        const struct tess_tensor *in = &graph->tensors[op->inputs[i]];
        assert(in->h == out->h && in->w == out->w);
        n_channels += in->c;
    }
    assert(n_channels == out->c && op->n_inputs >= 2);
}

static void check_add(const struct tess_graph *graph, const struct tess_op *op)
{
    const struct tess_tensor *in = &graph->tensors[op->inputs[0]];
    const struct tess_tensor *from = &graph->tensors[op->inputs[1]];
    const struct tess_tensor *out = &graph->tensors[op->output];
    assert(op->n_inputs == 2);
    assert(in->h == out->h && in->w == out->w && in->c == out->c);
    assert(from->h / out->h == from->w / out->w && out->h / from->h == out->w / from->w);
}

static void check_head(const struct tess_op *op, const struct tess_tensor *in,
                       const struct tess_tensor *out)
{
    const struct tess_head *head = &op->head;
    assert(head->n_anchors >= 1 && head->anchors && head->n_classes >= 1);
    assert(in->c == head->n_anchors * (head->coords + 1 + head->n_classes));
    assert(out->h == in->h && out->w == in->w && out->c == in->c);
}

static void check_reorg(const struct tess_op *op, const struct tess_tensor *in,
                        const struct tess_tensor *out)
{
    const struct tess_tensor *large = op->is_reverse ? out : in;
    const struct tess_tensor *small = op->is_reverse ? in : out;
    assert(op->factor >= 1 && in->c % (op->factor * op->factor) == 0);
    assert(large->h == small->h * op->factor && large->w == small->w * op->factor);
    assert(small->c == large->c * op->factor * op->factor);
}

/* Shapes and fields of one op against its inputs. */
static void check_op(const struct tess_graph *graph, const struct tess_op *op)
{
    const struct tess_tensor *in = &graph->tensors[op->inputs[0]];
    const struct tess_tensor *out = &graph->tensors[op->output];
    switch (op->kind) {
    case TESS_OP_CONV:
    case TESS_OP_CONNECTED: check_weights(graph, op); break;
    case TESS_OP_MAXPOOL:
        check_window(op, in, out);
        assert(in->c == out->c);
        break;
    case TESS_OP_AVGPOOL: assert(out->h == 1 && out->w == 1 && out->c == in->c); break;
    case TESS_OP_CONCAT: check_concat(graph, op); break;
    case TESS_OP_SLICE:
        assert(op->channel_begin >= 0 && op->channel_begin + out->c <= in->c);
        assert(out->h == in->h && out->w == in->w);
        break;
    case TESS_OP_ADD: check_add(graph, op); break;
    case TESS_OP_UPSAMPLE:
        assert(out->h == in->h * op->factor && out->w == in->w * op->factor);
        assert(out->c == in->c && op->factor >= 1);
        break;
    case TESS_OP_REORG: check_reorg(op, in, out); break;
    case TESS_OP_SOFTMAX:
        assert(op->groups >= 1 && in->c % op->groups == 0 && in->h == 1 && in->w == 1);
        assert(out->h == 1 && out->w == 1 && out->c == in->c);
        break;
    case TESS_OP_REGION:
    case TESS_OP_YOLO: check_head(op, in, out); break;
    case TESS_OP_CROP:
        assert(op->row_begin >= 0 && op->window.stride_h >= 1);
        assert(op->row_begin + (out->h - 1) * (int64_t)op->window.stride_h < in->h);
        assert(op->col_begin >= 0 && op->window.stride_w >= 1);
        assert(op->col_begin + (out->w - 1) * (int64_t)op->window.stride_w < in->w);
        assert(out->c == in->c);
        break;
    }
}

static void check_consumers(const struct tess_graph *graph, int tensor)
{
    const struct tess_tensor *t = &graph->tensors[tensor];
    int n_found = 0;
    for (int i = 0; i < graph->n_ops; i++) {
        bool is_read = false;
        for (int j = 0; j < graph->ops[i].n_inputs; j++)
            is_read = is_read || graph->ops[i].inputs[j] == tensor;
        if (!is_read)
            continue;
        assert(n_found < t->n_consumers && t->consumers[n_found] == i);
        n_found++;
    }
    assert(n_found == t->n_consumers);
    assert(t->n_consumers > 0 || t->is_output || tensor == TESS_GRAPH_INPUT);
}

void tess_graph_assert_valid(const struct tess_graph *graph)
{
    assert(graph->name && graph->n_ops >= 1 && graph->n_tensors == graph->n_ops + 1);
    assert(graph->tensors[TESS_GRAPH_INPUT].producer == -1);
    assert(!graph->tensors[TESS_GRAPH_INPUT].is_output);
    for (int i = 0; i < graph->n_tensors; i++) {
        const struct tess_tensor *tensor = &graph->tensors[i];
        assert(tess_shape_is_sane((struct tess_shape){tensor->h, tensor->w, tensor->c}));
        assert(i == TESS_GRAPH_INPUT || graph->ops[tensor->producer].output == i);
        check_consumers(graph, i);
    }
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *op = &graph->ops[i];
        assert(op->n_inputs >= 1 && op->output == i + 1);
        for (int j = 0; j < op->n_inputs; j++)
            assert(op->inputs[j] >= 0 && op->inputs[j] < op->output);
        assert(op->layer >= 0 && op->layer < graph->n_layers);
        assert(tess_op_macs(graph, op) <= TESS_LIMIT_MACS);
        check_op(graph, op);
    }
    for (int i = 0; i < graph->n_layers; i++)
        assert(graph->layers[i].tensor >= TESS_LAYER_DISSOLVED &&
               graph->layers[i].tensor < graph->n_tensors);
}

#endif
