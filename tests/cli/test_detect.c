#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cli/detect.h"

enum { MAX_FOUND = 4096 };

/* A head and its plane, dense, all zero at first. */
struct scene {
    enum tess_op_kind kind;
    struct tess_head head;
    struct tess_head_plane plane;
    float anchors[2 * 8];
    float *data;
    int n_channels;
};

static void scene_init(struct scene *scene, enum tess_op_kind kind, int side,
                       int n_anchors, int n_classes)
{
    memset(scene, 0, sizeof *scene);
    scene->kind = kind;
    scene->n_channels = n_anchors * (5 + n_classes);
    scene->data = calloc((size_t)(side * side * scene->n_channels), sizeof *scene->data);
    assert_non_null(scene->data);
    scene->head = (struct tess_head){.n_classes = n_classes,
                                     .coords = 4,
                                     .n_anchors = n_anchors,
                                     .anchors = scene->anchors,
                                     .scale_x_y = 1};
    scene->plane =
        (struct tess_head_plane){.data = scene->data,
                                 .h = side,
                                 .w = side,
                                 .row_stride = (ptrdiff_t)side * scene->n_channels,
                                 .pixel_stride = scene->n_channels};
    for (int i = 0; i < 2 * n_anchors; i++)
        scene->anchors[i] = 1;
}

static void scene_release(struct scene *scene)
{
    free(scene->data);
}

/* The channels of one anchor at one pixel. */
static float *values_at(struct scene *scene, int row, int col, int anchor)
{
    return scene->data + row * scene->plane.row_stride + col * scene->plane.pixel_stride +
           anchor * (scene->n_channels / scene->head.n_anchors);
}

static void put(struct scene *scene, int row, int col, const float box[4],
                float objectness, float probability)
{
    float *values = values_at(scene, row, col, 0);
    memcpy(values, box, 4 * sizeof *box);
    values[4] = objectness;
    values[5] = probability;
}

/* Runs one scene; returns how many detections were copied to `found`. */
static int run(const struct scene *scene, const struct tess_detect_options *options,
               const struct tess_letterbox *box, struct tess_detection *found)
{
    struct tess_detector *detector = NULL;
    int n_found = 0;
    assert_int_equal(tess_detector_create(options, box, &detector, NULL), TESS_OK);
    assert_int_equal(
        tess_detector_add(detector, scene->kind, &scene->head, &scene->plane, NULL),
        TESS_OK);
    assert_int_equal(tess_detector_finish(detector, NULL), TESS_OK);
    const struct tess_detection *all = tess_detector_detections(detector, &n_found);
    assert_true(n_found <= MAX_FOUND);
    if (n_found > 0)
        memcpy(found, all, (size_t)n_found * sizeof *found);
    tess_detector_destroy(detector);
    return n_found;
}

static void assert_box(const struct tess_detection *got, double x, double y, double w,
                       double h)
{
    const double values[4] = {(double)got->x, (double)got->y, (double)got->w,
                              (double)got->h};
    const double expected[4] = {x, y, w, h};
    for (int i = 0; i < 4; i++)
        if (fabs(values[i] - expected[i]) > 1e-3)
            fail_msg("box value %d is %g, expected %g", i, values[i], expected[i]);
}

static struct tess_detect_options defaults(void)
{
    struct tess_detect_options options;
    tess_detect_options_init(&options);
    return options;
}

static struct tess_letterbox square(int side)
{
    struct tess_letterbox box;
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, side, side, side, side);
    return box;
}

/* ---- decoding ---- */

static void test_region_anchors_count_cells(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(400);
    scene_init(&scene, TESS_OP_REGION, 4, 1, 2);
    scene.anchors[0] = 0.5f;
    scene.anchors[1] = 1.5f;
    put(&scene, 1, 2, (const float[4]){0.25f, 0.5f, logf(2), 0}, 0.9f, 0.8f);
    assert_int_equal(run(&scene, &options, &box, found), 1);
    /* Centre (2.25, 1.5) cells of 100 pixels, size 2 * 0.5 by 1.5 cells. */
    assert_box(&found[0], 225 - 50, 150 - 75, 100, 150);
    assert_true(fabsf(found[0].score - 0.72f) < 1e-6f);
    assert_int_equal(found[0].class_id, 0);
    scene_release(&scene);
}

static void test_yolo_anchors_count_input_pixels(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    struct tess_letterbox box;
    tess_letterbox_init(&box, TESS_FIT_STRETCH, 1000, 500, 200, 200);
    scene_init(&scene, TESS_OP_YOLO, 4, 2, 3);
    scene.anchors[2] = 20;
    scene.anchors[3] = 40;
    float *values = values_at(&scene, 3, 0, 1);
    const float run_of_channels[8] = {0.5f, 0.5f, 0, 0, 0.5f, 0.1f, 0.2f, 0.9f};
    memcpy(values, run_of_channels, sizeof run_of_channels);
    assert_int_equal(run(&scene, &options, &box, found), 1);
    /* Centre (0.5, 3.5) of 4 cells; 20 of 200 input pixels wide, 40 high. */
    assert_box(&found[0], 125 - 50, 437.5 - 50, 100, 100);
    assert_int_equal(found[0].class_id, 2);
    scene_release(&scene);
}

static void test_letterbox_padding_is_taken_off(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    struct tess_letterbox box;
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, 800, 400, 100, 100);
    scene_init(&scene, TESS_OP_YOLO, 1, 1, 1);
    scene.anchors[0] = scene.anchors[1] = 10;
    /* The image fills rows 25 to 75 of the input at an eighth of its size. */
    put(&scene, 0, 0, (const float[4]){0.5f, 0.35f, 0, 0}, 1, 1);
    assert_int_equal(run(&scene, &options, &box, found), 1);
    assert_box(&found[0], 400 - 40, 80 - 40, 80, 80);
    scene_release(&scene);
}

static void test_boxes_are_cut_at_the_image_and_dropped_outside(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    struct tess_letterbox box;
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, 100, 50, 100, 100);
    scene_init(&scene, TESS_OP_YOLO, 2, 1, 1);
    scene.anchors[0] = scene.anchors[1] = 30;
    put(&scene, 0, 0, (const float[4]){0.1f, 0.9f, 0, 0}, 0.9f, 1); /* over two borders */
    put(&scene, 1, 1, (const float[4]){0.5f, 0.98f, 0, -3}, 0.8f, 1); /* in the padding */
    assert_int_equal(run(&scene, &options, &box, found), 1);
    assert_box(&found[0], 0, 5, 20, 30);
    scene_release(&scene);
}

static void test_scores_must_exceed_the_threshold(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(64);
    options.threshold = 0.5f;
    scene_init(&scene, TESS_OP_REGION, 2, 1, 1);
    put(&scene, 0, 0, (const float[4]){0}, 0.5f, 1);
    put(&scene, 0, 1, (const float[4]){0}, 0.75f, 0.5f);
    put(&scene, 1, 0, (const float[4]){0.5f, 0.5f, 0, 0}, 0.75f, 0.75f);
    assert_int_equal(run(&scene, &options, &box, found), 1);
    assert_true(found[0].score == 0.5625f);
    scene_release(&scene);
}

static void test_values_that_are_not_finite_are_skipped(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(64);
    scene_init(&scene, TESS_OP_YOLO, 3, 1, 1);
    put(&scene, 0, 0, (const float[4]){NAN, 0, 0, 0}, 1, 1);
    put(&scene, 0, 1, (const float[4]){0, INFINITY, 0, 0}, 1, 1);
    put(&scene, 0, 2, (const float[4]){0, 0, 1000, 0}, 1, 1);
    put(&scene, 1, 0, (const float[4]){0, 0, 0, NAN}, 1, 1);
    put(&scene, 1, 1, (const float[4]){0}, NAN, 1);
    put(&scene, 1, 2, (const float[4]){0}, 1, NAN);
    put(&scene, 2, 0, (const float[4]){0}, INFINITY, 1);
    put(&scene, 2, 1, (const float[4]){0}, -INFINITY, -INFINITY);
    assert_int_equal(run(&scene, &options, &box, found), 0);
    scene_release(&scene);
}

static void test_background_heads_ignore_objectness(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(64);
    scene_init(&scene, TESS_OP_REGION, 1, 1, 1);
    put(&scene, 0, 0, (const float[4]){0.5f, 0.5f, 0, 0}, -7, 0.75f);
    assert_int_equal(run(&scene, &options, &box, found), 0);
    scene.head.is_background = true;
    assert_int_equal(run(&scene, &options, &box, found), 1);
    assert_true(found[0].score == 0.75f);
    scene_release(&scene);
}

static void test_strides_and_extra_coordinates_are_honoured(void **state)
{
    (void)state;
    enum { N_RUN = 4 + 2 + 1 + 1, PIXEL = N_RUN + 3, ROW = 2 * PIXEL + 5 };
    float data[2 * ROW];
    float anchors[2] = {8, 8};
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(64);
    for (int i = 0; i < 2 * ROW; i++)
        data[i] = NAN;
    const float values[N_RUN] = {0.5f, 0.5f, 0, 0, 99, 99, 1, 0.5f};
    memcpy(data + ROW + PIXEL, values, sizeof values);
    const struct scene scene = {
        .kind = TESS_OP_YOLO,
        .head = {.n_classes = 1, .coords = 6, .n_anchors = 1, .anchors = anchors},
        .plane = {.data = data, .h = 2, .w = 2, .row_stride = ROW, .pixel_stride = PIXEL},
    };
    assert_int_equal(run(&scene, &options, &box, found), 1);
    assert_box(&found[0], 44, 44, 8, 8);
}

/* ---- suppression ---- */

/* darknet's do_nms_sort over [n_boxes][n_classes] scores, written with its own loops:
 * sort by one class, let each survivor zero what overlaps it. Boxes are centre and size.
 */
struct plain_box {
    float x, y, w, h;
    float *scores;
    int order;
};

static int plain_class;

static int compare_plain(const void *a, const void *b)
{
    const struct plain_box *left = a, *right = b;
    float difference = left->scores[plain_class] - right->scores[plain_class];
    if (difference != 0)
        return difference < 0 ? 1 : -1;
    return left->order - right->order;
}

static float plain_iou(const struct plain_box *a, const struct plain_box *b)
{
    float left = fmaxf(a->x - a->w / 2, b->x - b->w / 2);
    float right = fminf(a->x + a->w / 2, b->x + b->w / 2);
    float top = fmaxf(a->y - a->h / 2, b->y - b->h / 2);
    float bottom = fminf(a->y + a->h / 2, b->y + b->h / 2);
    float w = right - left, h = bottom - top;
    float both = w < 0 || h < 0 ? 0 : w * h;
    return both / (a->w * a->h + b->w * b->h - both);
}

static void plain_suppress(struct plain_box *boxes, int n_boxes, int n_classes,
                           float overlap)
{
    for (int c = 0; c < n_classes; c++) {
        plain_class = c;
        qsort(boxes, (size_t)n_boxes, sizeof *boxes, compare_plain);
        for (int i = 0; i < n_boxes; i++)
            for (int j = i + 1; boxes[i].scores[c] != 0 && j < n_boxes; j++)
                if (plain_iou(&boxes[i], &boxes[j]) > overlap)
                    boxes[j].scores[c] = 0;
    }
}

static void fill_randomly(struct scene *scene, struct tess_rng *rng)
{
    const int n_run = 5 + scene->head.n_classes;
    for (int i = 0; i < scene->plane.h * scene->plane.w * scene->n_channels; i++)
        scene->data[i] = i % n_run == 2 || i % n_run == 3
                             ? tess_rng_float(rng) * 2 - 1
                             : (float)tess_rng_int(rng, 0, 8) / 8; /* with ties */
}

/* How many boxes survive the plain way, and of which classes. */
static int count_plain(struct scene *scene, const struct tess_detect_options *options,
                       int n_kept_by_class[])
{
    const int side = scene->plane.w, n_classes = scene->head.n_classes;
    const int n_anchors = scene->head.n_anchors, n_boxes = side * side * n_anchors;
    struct plain_box *boxes = calloc((size_t)n_boxes, sizeof *boxes);
    int n_kept = 0;
    assert_non_null(boxes);
    for (int i = 0; i < n_boxes; i++) {
        const int col = i / n_anchors % side, row = i / n_anchors / side,
                  a = i % n_anchors;
        float *values = values_at(scene, row, col, a);
        boxes[i].x = ((float)col + values[0]) / (float)side;
        boxes[i].y = ((float)row + values[1]) / (float)side;
        boxes[i].w =
            (float)(exp((double)values[2]) * (double)scene->anchors[2 * a] / side);
        boxes[i].h =
            (float)(exp((double)values[3]) * (double)scene->anchors[2 * a + 1] / side);
        boxes[i].scores = values + 5;
        boxes[i].order = i;
        for (int c = 0; c < n_classes; c++) {
            float score = values[4] * values[5 + c];
            values[5 + c] = score > options->threshold ? score : 0;
        }
    }
    plain_suppress(boxes, n_boxes, n_classes, options->overlap);
    for (int c = 0; c < n_classes; c++)
        n_kept_by_class[c] = 0;
    for (int i = 0; i < n_boxes; i++)
        for (int c = 0; c < n_classes; c++) {
            n_kept += boxes[i].scores[c] > 0;
            n_kept_by_class[c] += boxes[i].scores[c] > 0;
        }
    free(boxes);
    return n_kept;
}

static void test_suppression_keeps_what_darknets_loops_keep(void **state)
{
    (void)state;
    enum { N_CLASSES = 3 };
    const char *given = getenv("TESS_SEED");
    const uint64_t seed = given ? strtoull(given, NULL, 10) : 20261121;
    static struct tess_detection found[MAX_FOUND];
    struct tess_rng rng;
    print_message("seed %llu (set TESS_SEED to repeat)\n", (unsigned long long)seed);
    tess_rng_init(&rng, seed);
    for (int round = 0; round < 50; round++) {
        struct scene scene;
        struct tess_detect_options options = defaults();
        const struct tess_letterbox box = square(64);
        int expected_by_class[N_CLASSES], got_by_class[N_CLASSES] = {0};
        options.threshold = (float)tess_rng_int(&rng, 0, 4) / 8;
        options.overlap = (float)tess_rng_int(&rng, 1, 9) / 10;
        scene_init(&scene, TESS_OP_REGION, tess_rng_int(&rng, 1, 6), 2, N_CLASSES);
        scene.anchors[2] = 2;
        fill_randomly(&scene, &rng);
        int n_found = run(&scene, &options, &box, found);
        int n_expected = count_plain(&scene, &options, expected_by_class);
        assert_int_equal(n_found, n_expected);
        for (int i = 0; i < n_found; i++) {
            got_by_class[found[i].class_id]++;
            assert_true(i == 0 || found[i - 1].score >= found[i].score);
            assert_true(found[i].x >= 0 && found[i].x + found[i].w <= 64.001f);
        }
        assert_memory_equal(got_by_class, expected_by_class, sizeof got_by_class);
        scene_release(&scene);
    }
}

static void test_classes_do_not_suppress_each_other(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(64);
    scene_init(&scene, TESS_OP_REGION, 2, 1, 2);
    put(&scene, 0, 0, (const float[4]){1, 0.5f, 0, 0}, 1, 0.9f);
    values_at(&scene, 0, 0, 0)[6] = 0.6f;
    put(&scene, 0, 1, (const float[4]){0, 0.5f, 0, 0}, 1, 0.8f); /* the same box again */
    assert_int_equal(run(&scene, &options, &box, found), 2);
    assert_int_equal(found[0].class_id, 0);
    assert_true(found[0].score == 0.9f);
    assert_int_equal(found[1].class_id, 1);
    scene_release(&scene);
}

static void test_equal_scores_come_in_a_fixed_order(void **state)
{
    (void)state;
    struct scene scene;
    struct tess_detection found[MAX_FOUND];
    const struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(30);
    scene_init(&scene, TESS_OP_REGION, 3, 1, 2);
    for (int i = 0; i < 9; i++) {
        put(&scene, i / 3, i % 3, (const float[4]){0.5f, 0.5f, -1, -1}, 1, 0.5f);
        values_at(&scene, i / 3, i % 3, 0)[6] = 0.5f;
    }
    assert_int_equal(run(&scene, &options, &box, found), 18);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(found[i].class_id, i / 9);
        assert_int_equal((int)found[i].x / 10, i % 3);
        assert_int_equal((int)found[i].y / 10, i % 9 / 3);
    }
    scene_release(&scene);
}

static void test_the_limit_keeps_the_best_of_all_heads(void **state)
{
    (void)state;
    enum { LIMIT = 70, SIDE = 16 };
    struct tess_detector *detector = NULL;
    struct tess_detect_options options = defaults();
    const struct tess_letterbox box = square(64);
    int n_found = 0;
    options.max_candidates = LIMIT;
    options.threshold = 0;
    struct scene scenes[2];
    assert_int_equal(tess_detector_create(&options, &box, &detector, NULL), TESS_OK);
    for (int k = 0; k < 2; k++) {
        scene_init(&scenes[k], TESS_OP_REGION, SIDE, 1, 1);
        for (int i = 0; i < SIDE * SIDE; i++) { /* scores 1..512 in a mixed order */
            float score = (float)(1 + (i * 2 + k) * 197 % 512) / 512;
            put(&scenes[k], i / SIDE, i % SIDE, (const float[4]){0.5f, 0.5f, -3, -3},
                score, 1);
            values_at(&scenes[k], i / SIDE, i % SIDE, 0)[0] = 0.25f + 0.5f * (float)k;
        }
        assert_int_equal(tess_detector_add(detector, scenes[k].kind, &scenes[k].head,
                                           &scenes[k].plane, NULL),
                         TESS_OK);
    }
    assert_int_equal(tess_detector_n_dropped(detector), 2 * SIDE * SIDE - LIMIT);
    assert_int_equal(tess_detector_finish(detector, NULL), TESS_OK);
    const struct tess_detection *found = tess_detector_detections(detector, &n_found);
    assert_int_equal(n_found, LIMIT);
    for (int i = 0; i < LIMIT; i++)
        assert_true(found[i].score == (float)(512 - i) / 512);
    assert_true(tess_detector_bytes_needed(&options) < 8192);
    tess_detector_destroy(detector);
    scene_release(&scenes[0]);
    scene_release(&scenes[1]);
}

/* ---- classifiers ---- */

static void test_top_classes_are_ranked_and_finite(void **state)
{
    (void)state;
    const float scores[] = {0.1f, NAN, 0.3f, 0.1f, INFINITY, 0.4f, 0.05f, 0.05f};
    struct tess_class_score top[8];
    assert_int_equal(tess_top_classes(scores, 8, 3, top), 3);
    assert_int_equal(top[0].class_id, 5);
    assert_int_equal(top[1].class_id, 2);
    assert_int_equal(top[2].class_id, 0);
    assert_int_equal(tess_top_classes(scores, 8, 8, top), 6);
    assert_int_equal(top[3].class_id, 3);
    assert_int_equal(top[5].class_id, 7);
    assert_int_equal(tess_top_classes(scores, 0, 5, top), 0);
    assert_int_equal(tess_top_classes(scores, 8, 0, top), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_anchors_count_cells),
        cmocka_unit_test(test_yolo_anchors_count_input_pixels),
        cmocka_unit_test(test_letterbox_padding_is_taken_off),
        cmocka_unit_test(test_boxes_are_cut_at_the_image_and_dropped_outside),
        cmocka_unit_test(test_scores_must_exceed_the_threshold),
        cmocka_unit_test(test_values_that_are_not_finite_are_skipped),
        cmocka_unit_test(test_background_heads_ignore_objectness),
        cmocka_unit_test(test_strides_and_extra_coordinates_are_honoured),
        cmocka_unit_test(test_suppression_keeps_what_darknets_loops_keep),
        cmocka_unit_test(test_classes_do_not_suppress_each_other),
        cmocka_unit_test(test_equal_scores_come_in_a_fixed_order),
        cmocka_unit_test(test_the_limit_keeps_the_best_of_all_heads),
        cmocka_unit_test(test_top_classes_are_ranked_and_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
