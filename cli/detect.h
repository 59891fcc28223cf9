/* From a network's last tensors to boxes on the photograph.
 *
 * A detector gathers candidates from each head, then suppresses overlaps class by class,
 * and gives boxes in pixels, best first. Formulas and defaults are darknet's. A
 * classifier has no boxes: tess_top_classes() ranks its probabilities.
 *
 * Activations are not applied here: heads come as the REGION and YOLO ops of
 * model/graph.h leave them. Names are names.h's, drawing is draw.h's.
 */
#ifndef TESS_CLI_DETECT_H
#define TESS_CLI_DETECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/letterbox.h"
#include "model/graph.h"

struct tess_detect_options {
    float threshold;    /* scores above it count; 0 to 1 */
    float overlap;      /* boxes of one class overlapping by more are one; IoU, 0 to 1 */
    int max_candidates; /* before suppression; the best of all heads are kept */
};

/* threshold 0.25, overlap 0.45, 8192 candidates. */
void tess_detect_options_init(struct tess_detect_options *options);

/* The output of a REGION or YOLO op, [h][w][n_anchors * (coords + 1 + n_classes)].
 * Strides count floats; the channels of a pixel are adjacent. */
struct tess_head_plane {
    const float *data;
    int h, w;
    ptrdiff_t row_stride;
    ptrdiff_t pixel_stride;
};

/* An object found. The box is in pixels of the photograph, x and y its upper left corner,
 * and lies inside the photograph; w and h are above 0. */
struct tess_detection {
    float x, y, w, h;
    float score; /* objectness times class probability, 0 to 1 */
    int class_id;
};

struct tess_detector;

/* New detector for a photograph that was fitted by `box` (copied, like `options`). It
 * holds at most tess_detector_bytes_needed(). TESS_E_NOMEM. */
enum tess_status tess_detector_create(const struct tess_detect_options *options,
                                      const struct tess_letterbox *box,
                                      struct tess_detector **detector_out,
                                      struct tess_error *error);
void tess_detector_destroy(struct tess_detector *detector); /* accepts NULL */

/* Upper bound of the memory that a detector holds. */
int64_t tess_detector_bytes_needed(const struct tess_detect_options *options);

/* Candidates that the limit pushed out so far: above 0, raise the threshold. */
int64_t tess_detector_n_dropped(const struct tess_detector *detector);

/* Adds the candidates of one head; `kind` is TESS_OP_REGION or TESS_OP_YOLO. Boxes or
 * scores that are not finite are skipped. `head` and `plane` are not kept. TESS_E_NOMEM;
 * the detector then holds some of the candidates. Cost: O(pixels * anchors * classes +
 * candidates * log). */
enum tess_status tess_detector_add(struct tess_detector *detector, enum tess_op_kind kind,
                                   const struct tess_head *head,
                                   const struct tess_head_plane *plane,
                                   struct tess_error *error);

/* Suppresses overlaps; call it once, after all heads. TESS_E_NOMEM. Cost: O(n^2) in the
 * candidates of one class. */
enum tess_status tess_detector_finish(struct tess_detector *detector,
                                      struct tess_error *error);

/* What a finished detector found, best first; equal scores come in the order of class,
 * head, row, column, anchor. Borrowed, NULL if there is nothing. */
const struct tess_detection *
tess_detector_detections(const struct tess_detector *detector, int *n_detections_out);

struct tess_class_score {
    int class_id;
    float score;
};

/* The best `n_top` of `n_classes` adjacent scores, best first, equal ones by class;
 * scores that are not finite do not count. Returns how many were written to `top_out`.
 * Cost: O(n_classes * n_top). */
int tess_top_classes(const float *scores, int n_classes, int n_top,
                     struct tess_class_score *top_out);

#endif
