/* Problem: from a few hundred thousand scores, most of them noise, name each object once.
 *
 * Method: each anchor of each pixel whose objectness exceeds the threshold gives a
 * candidate for each class whose score does. A heap keeps the best max_candidates of
 * them. Then, class by class and best first, a candidate stays unless it overlaps one
 * that stayed: greedy non-maximum suppression.
 *
 * Invariant: candidates have a total order (score, class, order of arrival), so neither
 * the heap's nor qsort's ways of moving them show in the result.
 *
 * Cost: one pass over the heads; O(log n) for each candidate; O(n^2) overlaps in a class.
 *
 * Worked example: dogs A 0.9, B 0.8 and C 0.7 in a row, A and B overlapping by 0.6, B and
 * C by 0.6, A and C by 0.3. A stays, B goes, and C stays: what went suppresses nobody.
 *
 * Not done: suppression across classes; boxes that merge. darknet does neither.
 *
 * Reference: region_layer.c, yolo_layer.c and box.c (do_nms_sort) of darknet; the
 * expressions keep its mixture of float and double, so that borderline boxes fall as they
 * do there.
 */
#include "cli/detect.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/arith.h"

enum { FIRST_CAPACITY = 64 };

/* One box with one class. Coordinates are fractions of the photograph: centre and size.
 */
struct candidate {
    float x, y, w, h;
    float score;
    int class_id;
    int64_t order; /* in which it was met; no two are equal */
};

/* While heads are added, `candidates` is a heap whose root is the worst: the one to go
 * when the limit is reached. */
struct tess_detector {
    struct tess_detect_options options;
    struct tess_letterbox box;
    struct candidate *candidates;
    int n_candidates, capacity;
    int64_t n_met;
    int64_t n_dropped;
    bool is_finished;
    struct tess_detection *detections; /* NULL until finished, and if there are none */
    int n_detections;
};

void tess_detect_options_init(struct tess_detect_options *options)
{
    *options = (struct tess_detect_options){
        .threshold = 0.25f,
        .overlap = 0.45f,
        /* TUNING: photographs give tens to hundreds; untrained weights give a hundred
         * thousand, which the quadratic suppression must not see. */
        .max_candidates = 8192,
    };
}

enum tess_status tess_detector_create(const struct tess_detect_options *options,
                                      const struct tess_letterbox *box,
                                      struct tess_detector **detector_out,
                                      struct tess_error *error)
{
    assert(options->threshold >= 0 && options->threshold <= 1);
    assert(options->overlap >= 0 && options->overlap <= 1);
    assert(options->max_candidates >= 1);
    struct tess_detector *detector = calloc(1, sizeof *detector);
    if (!detector)
        return tess_error_nomem(error);
    detector->options = *options;
    detector->box = *box;
    *detector_out = detector;
    return TESS_OK;
}

void tess_detector_destroy(struct tess_detector *detector)
{
    if (!detector)
        return;
    free(detector->candidates);
    free(detector->detections);
    free(detector);
}

int64_t tess_detector_bytes_needed(const struct tess_detect_options *options)
{
    /* The array of candidates and, while it grows or when detections are made from it, an
     * array that is no larger; qsort may take as much. */
    return (int64_t)sizeof(struct tess_detector) +
           2 * (int64_t)sizeof(struct candidate) * options->max_candidates;
}

int64_t tess_detector_n_dropped(const struct tess_detector *detector)
{
    return detector->n_dropped;
}

/* A total order, so that which candidates survive does not depend on how they are stored.
 */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id;
    return a->order < b->order;
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate kept = *a;
    *a = *b;
    *b = kept;
}

/* Mends the heap after its last place, `at`, was filled. */
static void sift_up(struct candidate *heap, int at)
{
    while (at > 0 && is_better(&heap[(at - 1) / 2], &heap[at])) {
        swap(&heap[(at - 1) / 2], &heap[at]);
        at = (at - 1) / 2;
    }
}

/* Mends the heap after its root was replaced by something better. */
static void sift_down(struct candidate *heap, int n_heap)
{
    int at = 0;
    for (;;) {
        int worst = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < n_heap; child++)
            if (is_better(&heap[worst], &heap[child]))
                worst = child;
        if (worst == at)
            return;
        swap(&heap[at], &heap[worst]);
        at = worst;
    }
}

static enum tess_status grow(struct tess_detector *detector, struct tess_error *error)
{
    const int limit = detector->options.max_candidates;
    int capacity = limit;
    if (detector->capacity < limit / 2)
        capacity =
            tess_min_int(limit, tess_max_int(FIRST_CAPACITY, 2 * detector->capacity));
    struct candidate *candidates =
        realloc(detector->candidates, (size_t)capacity * sizeof *candidates);
    if (!candidates)
        return tess_error_nomem(error);
    detector->candidates = candidates;
    detector->capacity = capacity;
    return TESS_OK;
}

static enum tess_status push(struct tess_detector *detector,
                             const struct candidate *candidate, struct tess_error *error)
{
    if (detector->n_candidates == detector->options.max_candidates) {
        detector->n_dropped++;
        if (is_better(candidate, &detector->candidates[0])) {
            detector->candidates[0] = *candidate;
            sift_down(detector->candidates, detector->n_candidates);
        }
        return TESS_OK;
    }
    if (detector->n_candidates == detector->capacity) {
        enum tess_status status = grow(detector, error);
        if (status != TESS_OK)
            return status;
    }
    detector->candidates[detector->n_candidates] = *candidate;
    sift_up(detector->candidates, detector->n_candidates);
    detector->n_candidates++;
    return TESS_OK;
}

/* Brings a box from fractions of the network's input to fractions of the photograph. As
 * in darknet the padding is halved exactly here, while letterbox.c rounds it to whole
 * pixels. */
static void undo_fit(const struct tess_letterbox *fit, struct candidate *box)
{
    const int net_w = fit->net_w, net_h = fit->net_h;
    const int new_w = fit->fitted_w, new_h = fit->fitted_h;
    box->x = (float)((box->x - (net_w - new_w) / 2. / net_w) /
                     (double)((float)new_w / (float)net_w));
    box->y = (float)((box->y - (net_h - new_h) / 2. / net_h) /
                     (double)((float)new_h / (float)net_h));
    box->w *= (float)net_w / (float)new_w;
    box->h *= (float)net_h / (float)new_h;
}

/* One head on its way into the detector. */
struct head_walk {
    struct tess_detector *detector;
    const struct tess_head *head;
    const struct tess_head_plane *plane;
    double unit_w,
        unit_h; /* anchors are multiples of the network's input divided by these */
};

/* The box of one anchor at one pixel, from the anchor's channels; false if it is not a
 * box. */
static bool decode_box(const struct head_walk *walk, const float *values, int row,
                       int col, const float *anchor, struct candidate *box)
{
    box->x = ((float)col + values[0]) / (float)walk->plane->w;
    box->y = ((float)row + values[1]) / (float)walk->plane->h;
    box->w = (float)(exp((double)values[2]) * (double)anchor[0] / walk->unit_w);
    box->h = (float)(exp((double)values[3]) * (double)anchor[1] / walk->unit_h);
    undo_fit(&walk->detector->box, box);
    return isfinite(box->x) && isfinite(box->y) && isfinite(box->w) && isfinite(box->h);
}

/* Adds a candidate for each class of a box that scores above the threshold. */
static enum tess_status add_classes(const struct head_walk *walk, const float *values,
                                    float objectness, struct candidate *box,
                                    struct tess_error *error)
{
    struct tess_detector *detector = walk->detector;
    const float *classes = values + walk->head->coords + 1;
    for (int class_id = 0; class_id < walk->head->n_classes; class_id++) {
        box->score = objectness * classes[class_id];
        if (!isfinite(box->score) || box->score <= detector->options.threshold)
            continue;
        box->class_id = class_id;
        box->order = detector->n_met++;
        enum tess_status status = push(detector, box, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

/* Adds what all anchors of one pixel see. Objectness alone decides most of them: darknet
 * skips those before it looks at classes, and so must we, or scores above 1 would differ.
 */
static enum tess_status add_pixel(const struct head_walk *walk, int row, int col,
                                  struct tess_error *error)
{
    const struct tess_head *head = walk->head;
    const float *values = walk->plane->data + row * walk->plane->row_stride +
                          col * walk->plane->pixel_stride;
    const int n_run = head->coords + 1 + head->n_classes;
    for (int a = 0; a < head->n_anchors; a++, values += n_run) {
        struct candidate box;
        /* With a background class, the softmax over classes covers objectness as well. */
        float objectness = head->is_background ? 1 : values[head->coords];
        if (!isfinite(objectness) || objectness <= walk->detector->options.threshold)
            continue;
        if (!decode_box(walk, values, row, col, head->anchors + 2 * a, &box))
            continue;
        enum tess_status status = add_classes(walk, values, objectness, &box, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

enum tess_status tess_detector_add(struct tess_detector *detector, enum tess_op_kind kind,
                                   const struct tess_head *head,
                                   const struct tess_head_plane *plane,
                                   struct tess_error *error)
{
    assert(kind == TESS_OP_REGION || kind == TESS_OP_YOLO);
    assert(!detector->is_finished);
    assert(head->coords >= 4 && head->n_anchors >= 1 && head->n_classes >= 0);
    assert(plane->h >= 1 && plane->w >= 1);
    const bool is_region = kind == TESS_OP_REGION;
    const struct head_walk walk = {
        .detector = detector,
        .head = head,
        .plane = plane,
        .unit_w = is_region ? plane->w : detector->box.net_w,
        .unit_h = is_region ? plane->h : detector->box.net_h,
    };
    enum tess_status status = TESS_OK;
    for (int row = 0; status == TESS_OK && row < plane->h; row++)
        for (int col = 0; status == TESS_OK && col < plane->w; col++)
            status = add_pixel(&walk, row, col, error);
    return status;
}

static int compare_in_class(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    if (left->class_id != right->class_id)
        return left->class_id < right->class_id ? -1 : 1;
    return is_better(left, right) ? -1 : is_better(right, left) ? 1 : 0;
}

static int compare_overall(const void *a, const void *b)
{
    const struct candidate *left = a, *right = b;
    return is_better(left, right) ? -1 : is_better(right, left) ? 1 : 0;
}

/* Length that two intervals, given by centre and size, share; negative if they do not. */
static float shared_length(float centre_a, float size_a, float centre_b, float size_b)
{
    float begin = fmaxf(centre_a - size_a / 2, centre_b - size_b / 2);
    float end = fminf(centre_a + size_a / 2, centre_b + size_b / 2);
    return end - begin;
}

/* Intersection over union; 0 for boxes without area. */
static float overlap_of(const struct candidate *a, const struct candidate *b)
{
    float w = shared_length(a->x, a->w, b->x, b->w);
    float h = shared_length(a->y, a->h, b->y, b->h);
    if (w <= 0 || h <= 0)
        return 0;
    float both = w * h;
    return both / (a->w * a->h + b->w * b->h - both);
}

/* Greedy suppression inside one class, whose candidates come best first. Survivors move
 * to the front; returns how many. A candidate is compared to survivors only, which is
 * what darknet's order of loops amounts to. */
static int suppress(struct candidate *candidates, int n_candidates, float max_overlap)
{
    int n_kept = 0;
    for (int i = 0; i < n_candidates; i++) {
        bool is_kept = true;
        for (int j = 0; j < n_kept && is_kept; j++)
            is_kept = !(overlap_of(&candidates[j], &candidates[i]) > max_overlap);
        if (is_kept)
            candidates[n_kept++] = candidates[i];
    }
    return n_kept;
}

/* Candidates come sorted by class; survivors of all classes end up side by side. */
static void suppress_all(struct tess_detector *detector)
{
    struct candidate *all = detector->candidates;
    int n_kept = 0;
    for (int begin = 0, end; begin < detector->n_candidates; begin = end) {
        end = begin + 1;
        while (end < detector->n_candidates && all[end].class_id == all[begin].class_id)
            end++;
        int n_class = suppress(all + begin, end - begin, detector->options.overlap);
        for (int i = 0; i < n_class; i++)
            all[n_kept++] = all[begin + i];
    }
    detector->n_candidates = n_kept;
}

/* In pixels, cut at the photograph's border; false if nothing is left. */
static bool place_on_image(const struct tess_letterbox *fit, const struct candidate *from,
                           struct tess_detection *detection_out)
{
    const float image_w = (float)fit->image_w, image_h = (float)fit->image_h;
    float left = fmaxf(0, (from->x - from->w / 2) * image_w);
    float top = fmaxf(0, (from->y - from->h / 2) * image_h);
    float right = fminf(image_w, (from->x + from->w / 2) * image_w);
    float bottom = fminf(image_h, (from->y + from->h / 2) * image_h);
    if (!(right > left) || !(bottom > top))
        return false;
    *detection_out = (struct tess_detection){
        .x = left,
        .y = top,
        .w = right - left,
        .h = bottom - top,
        .score = from->score,
        .class_id = from->class_id,
    };
    return true;
}

enum tess_status tess_detector_finish(struct tess_detector *detector,
                                      struct tess_error *error)
{
    assert(!detector->is_finished);
    detector->is_finished = true;
    if (detector->n_candidates == 0)
        return TESS_OK;
    const size_t size = sizeof *detector->candidates;
    qsort(detector->candidates, (size_t)detector->n_candidates, size, compare_in_class);
    suppress_all(detector);
    qsort(detector->candidates, (size_t)detector->n_candidates, size, compare_overall);

    detector->detections =
        calloc((size_t)detector->n_candidates, sizeof *detector->detections);
    if (!detector->detections)
        return tess_error_nomem(error);
    for (int i = 0; i < detector->n_candidates; i++) {
        struct tess_detection *next = &detector->detections[detector->n_detections];
        detector->n_detections +=
            place_on_image(&detector->box, &detector->candidates[i], next);
    }
    return TESS_OK;
}

const struct tess_detection *
tess_detector_detections(const struct tess_detector *detector, int *n_detections_out)
{
    assert(detector->is_finished);
    *n_detections_out = detector->n_detections;
    return detector->detections;
}

int tess_top_classes(const float *scores, int n_classes, int n_top,
                     struct tess_class_score *top_out)
{
    int n_found = 0;
    for (int class_id = 0; class_id < n_classes; class_id++) {
        if (!isfinite(scores[class_id]))
            continue;
        int place = n_found; /* insertion: for five of a thousand, nothing is quicker */
        while (place > 0 && top_out[place - 1].score < scores[class_id])
            place--;
        if (place == n_top)
            continue;
        n_found = tess_min_int(n_found + 1, n_top);
        for (int i = n_found - 1; i > place; i--)
            top_out[i] = top_out[i - 1];
        top_out[place] = (struct tess_class_score){class_id, scores[class_id]};
    }
    return n_found;
}
