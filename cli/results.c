#include "cli/results.h"

#include <string.h>

static bool is_head(const struct tess_op *op)
{
    return op->kind == TESS_OP_REGION || op->kind == TESS_OP_YOLO;
}

static struct tess_plane at_executor(void *context, int tensor)
{
    return tess_executor_output(context, tensor);
}

struct tess_result_planes tess_result_planes_of(struct tess_executor *executor)
{
    return (struct tess_result_planes){at_executor, executor};
}

static enum tess_status add_head(struct tess_results *results, const struct tess_op *op,
                                 struct tess_result_planes planes,
                                 struct tess_error *error)
{
    struct tess_plane plane = planes.at(planes.context, op->output);
    struct tess_head_plane head = {.data = plane.data,
                                   .h = plane.n_rows,
                                   .w = plane.n_cols,
                                   .row_stride = (ptrdiff_t)plane.row_stride,
                                   .pixel_stride = (ptrdiff_t)plane.pixel_stride};
    return tess_detector_add(results->detector, op->kind, &op->head, &head, error);
}

static void rank(struct tess_results *results, const struct tess_op *op,
                 struct tess_result_planes planes)
{
    struct tess_plane plane = planes.at(planes.context, op->output);
    results->is_classifier = true;
    results->n_top =
        tess_top_classes(plane.data, plane.channels, TESS_RESULTS_TOP, results->top);
}

enum tess_status
tess_results_init(struct tess_results *results, const struct tess_graph *graph,
                  struct tess_result_planes planes, const struct tess_letterbox *box,
                  const struct tess_detect_options *options, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    memset(results, 0, sizeof *results);
    for (int i = 0; i < graph->n_ops && status == TESS_OK; i++) {
        const struct tess_op *op = &graph->ops[i];
        const struct tess_tensor *out = &graph->tensors[op->output];
        if (op->kind == TESS_OP_SOFTMAX && out->h == 1 && out->w == 1)
            rank(results, op, planes);
        if (!is_head(op))
            continue;
        if (!results->detector)
            status = tess_detector_create(options, box, &results->detector, error);
        if (status == TESS_OK)
            status = add_head(results, op, planes, error);
    }
    if (status == TESS_OK && results->detector) {
        status = tess_detector_finish(results->detector, error);
        results->detections =
            tess_detector_detections(results->detector, &results->n_detections);
    }
    if (status != TESS_OK)
        tess_results_release(results);
    return status;
}

void tess_results_release(struct tess_results *results)
{
    tess_detector_destroy(results->detector);
    memset(results, 0, sizeof *results);
}
