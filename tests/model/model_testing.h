/* What the tests of model/ share: graphs from cfg text, their canonical dump, seeds. Included by
 * one test file each; not for product code. */
#ifndef TESS_TESTS_MODEL_TESTING_H
#define TESS_TESTS_MODEL_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/text.h"
#include "model/darknet.h"

#define TESTING_NET "[net]\nheight=8\nwidth=8\nchannels=4\n"

/* New graph of a cfg that must be right. Its ops come in the order of layers. */
static inline struct tess_graph *testing_graph(const char *cfg)
{
    struct tess_error error;
    struct tess_graph *graph = NULL;
    tess_error_init(&error);
    if (tess_darknet_parse(cfg, strlen(cfg), "test.cfg", &graph, NULL, &error) != TESS_OK)
        fail_msg("line %d:%d: %s", error.line, error.col, error.message);
    tess_graph_assert_valid(graph);
    for (int op = 1; op < graph->n_ops; op++)
        assert_true(graph->ops[op - 1].layer <= graph->ops[op].layer);
    return graph;
}

/* Seed of a random test: TESS_TEST_SEED if set, else `fallback`; always printed. */
static inline uint64_t testing_seed(uint64_t fallback)
{
    const char *given = getenv("TESS_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 0) : fallback;
    printf("TESS_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* Reads a whole small file; the caller releases. */
static inline struct tess_text testing_read(const char *path)
{
    struct tess_text text = {0};
    struct tess_error error;
    tess_error_init(&error);
    if (tess_file_read(path, 1 << 24, &text, &error) != TESS_OK)
        fail_msg("%s: %s", path, error.message);
    return text;
}

/* The error as the command line shows it. */
static inline void testing_print_error(struct tess_text *text,
                                       const struct tess_error *error)
{
    tess_text_printf(text, "%s:%d:%d: %s\n", error->file, error->line, error->col,
                     error->message);
    if (error->hint[0])
        tess_text_printf(text, "hint: %s\n", error->hint);
}

static inline void testing_dump_op(struct tess_text *text, const struct tess_graph *graph,
                                   const struct tess_op *op)
{
    const struct tess_tensor *out = &graph->tensors[op->output];
    const struct tess_window *window = &op->window;
    tess_text_printf(text, "t%d %dx%dx%d%s = %s(", op->output, out->h, out->w, out->c,
                     out->is_output ? "!" : "", tess_op_kind_name(op->kind));
    for (int i = 0; i < op->n_inputs; i++)
        tess_text_printf(text, "%st%d", i ? ", " : "", op->inputs[i]);
    tess_text_printf(text, ") layer %d", op->layer);
    if (tess_op_has_weights(op) || op->kind == TESS_OP_MAXPOOL)
        tess_text_printf(text, " kernel %dx%d stride %d,%d dilation %d,%d pad %d,%d",
                         window->kernel_h, window->kernel_w, window->stride_h,
                         window->stride_w, window->dilation_h, window->dilation_w,
                         window->pad_top, window->pad_left);
    if (tess_op_has_weights(op))
        tess_text_printf(text, " groups %d bn %d at %" PRId64 "+%" PRId64, op->groups,
                         op->has_batch_norm, op->weights_offset,
                         tess_op_n_weights(graph, op));
    if (op->kind == TESS_OP_SLICE)
        tess_text_printf(text, " from %d", op->channel_begin);
    if (op->kind == TESS_OP_UPSAMPLE || op->kind == TESS_OP_REORG)
        tess_text_printf(text, " by %d%s", op->factor, op->is_reverse ? " reverse" : "");
    if (op->kind == TESS_OP_SOFTMAX)
        tess_text_printf(text, " groups %d", op->groups);
    tess_text_printf(text, " alpha %g beta %g %s\n", (double)op->alpha, (double)op->beta,
                     tess_activation_name(op->activation));
    if (op->head.n_anchors > 0) {
        tess_text_printf(text,
                         "  classes %d coords %d softmax %d background %d xy %g anchors",
                         op->head.n_classes, op->head.coords, op->head.is_softmax,
                         op->head.is_background, (double)op->head.scale_x_y);
        for (int i = 0; i < 2 * op->head.n_anchors; i++)
            tess_text_printf(text, " %g", (double)op->head.anchors[i]);
        tess_text_printf(text, "\n");
    }
}

/* Everything a graph says, as text. */
static inline void testing_dump(struct tess_text *text, const struct tess_graph *graph)
{
    const struct tess_picture *picture = &graph->picture;
    const struct tess_tensor *input = &graph->tensors[TESS_GRAPH_INPUT];
    tess_text_printf(text, "graph %s weights %" PRId64 "\n", graph->name,
                     graph->n_weights);
    tess_text_printf(text, "picture %dx%d crop %d,%d scale %g offset %g\n",
                     picture->image_h, picture->image_w, picture->crop_top,
                     picture->crop_left, (double)picture->scale, (double)picture->offset);
    tess_text_printf(text, "t0 %dx%dx%d\n", input->h, input->w, input->c);
    for (int i = 0; i < graph->n_ops; i++)
        testing_dump_op(text, graph, &graph->ops[i]);
    for (int i = 0; i < graph->n_layers; i++)
        tess_text_printf(text, "layer %d %s line %d t%d\n", i, graph->layers[i].name,
                         graph->layers[i].line, graph->layers[i].tensor);
}

#endif
