#include "tests/support/small_graph.h"

#include <assert.h>
#include <stddef.h>

struct tess_graph *small_graph_create(struct tess_shape input, const struct tess_op *ops,
                                      const struct tess_shape *outs, int n_ops)
{
    struct tess_graph_builder builder;
    struct tess_graph *graph = NULL;
    enum tess_status status = tess_graph_builder_init(&builder, "small", NULL);
    if (!status)
        tess_graph_builder_set_input(&builder, input);
    for (int i = 0; i < n_ops && !status; i++) {
        struct tess_op op = ops[i];
        int tensor;
        op.layer = i;
        op.weights_offset = -1;
        status = tess_graph_builder_add_op(&builder, &op, outs[i], &tensor, NULL);
        if (!status)
            status = tess_graph_builder_add_layer(&builder, "layer", i + 1, tensor, NULL);
    }
    if (!status)
        status = tess_graph_builder_finish(&builder, &graph, NULL);
    tess_graph_builder_release(&builder);
    assert(!status && graph);
    tess_graph_assert_valid(graph);
    return graph;
}

static int64_t window_side(int64_t in, int kernel, int stride, int dilation, int pad)
{
    return (in + 2 * pad - (dilation * (kernel - 1) + 1)) / stride + 1;
}

struct tess_shape small_graph_window_shape(struct tess_shape in,
                                           struct tess_window window, int filters)
{
    return (struct tess_shape){window_side(in.h, window.kernel_h, window.stride_h,
                                           window.dilation_h, window.pad_top),
                               window_side(in.w, window.kernel_w, window.stride_w,
                                           window.dilation_w, window.pad_left),
                               filters};
}

struct tess_window small_graph_window(int kernel, int stride, int pad)
{
    return (struct tess_window){kernel, kernel, stride, stride, 1, 1, pad, pad};
}
