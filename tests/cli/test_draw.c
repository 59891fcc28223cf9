#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cli/draw.h"
#include "cli/font.h"

enum { GREY = 90 };

static void make_grey(struct tess_canvas *canvas, int width, int height)
{
    assert_int_equal(tess_canvas_init(canvas, width, height, NULL), TESS_OK);
    memset(canvas->rgb, GREY, (size_t)width * (size_t)height * 3);
}

static const unsigned char *pixel_at(const struct tess_canvas *canvas, int x, int y)
{
    return canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
}

static bool is_grey(const struct tess_canvas *canvas, int x, int y)
{
    const unsigned char *pixel = pixel_at(canvas, x, y);
    return pixel[0] == GREY && pixel[1] == GREY && pixel[2] == GREY;
}

/* Is any pixel of [x0, x1) x [y0, y1) painted? */
static bool is_painted(const struct tess_canvas *canvas, int x0, int y0, int x1, int y1)
{
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            if (!is_grey(canvas, x, y))
                return true;
    return false;
}

static void draw_one(struct tess_canvas *canvas, struct tess_detection detection,
                     const struct tess_names *names)
{
    assert_int_equal(tess_draw_detections(canvas, &detection, 1, names, NULL), TESS_OK);
}

static void test_box_edges_are_painted_and_its_inside_is_not(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    make_grey(&canvas, 640, 480);
    draw_one(&canvas, (struct tess_detection){100, 200, 300, 150, 0.5f, 3}, NULL);
    assert_false(is_grey(&canvas, 100, 275));
    assert_false(is_grey(&canvas, 399, 275));
    assert_false(is_grey(&canvas, 250, 349));
    assert_false(is_painted(&canvas, 110, 210, 390, 340));
    assert_true(is_painted(&canvas, 110, 170, 200, 195)); /* the label stands above */
    assert_false(is_painted(&canvas, 0, 0, 640, 160));
    assert_false(is_painted(&canvas, 0, 360, 640, 480));
    tess_canvas_release(&canvas);
}

static void test_labels_move_inside_where_there_is_no_room_above(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    make_grey(&canvas, 640, 480);
    draw_one(&canvas, (struct tess_detection){500, 2, 138, 470, 0.5f, 3}, NULL);
    assert_true(is_painted(&canvas, 520, 8, 600, 24));
    assert_false(is_painted(&canvas, 520, 60, 600, 440));
    tess_canvas_release(&canvas);
}

static void test_classes_differ_in_colour_and_repeat_it(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    unsigned char colours[80][3];
    make_grey(&canvas, 640, 480);
    for (int class_id = 0; class_id < 80; class_id++) {
        for (int repeat = 0; repeat < 2; repeat++) {
            draw_one(&canvas, (struct tess_detection){100, 100, 200, 200, 0.5f, class_id},
                     NULL);
            const unsigned char *got = pixel_at(&canvas, 100, 200);
            if (repeat == 1)
                assert_memory_equal(got, colours[class_id], 3);
            memcpy(colours[class_id], got, 3);
        }
        for (int other = 0; other < class_id; other++)
            assert_memory_not_equal(colours[class_id], colours[other], 3);
    }
    tess_canvas_release(&canvas);
}

static void test_the_better_detection_lies_on_top(void **state)
{
    (void)state;
    struct tess_canvas both, one;
    const struct tess_detection pair[2] = {{100, 100, 200, 200, 0.9f, 1},
                                           {100, 100, 200, 200, 0.5f, 2}};
    make_grey(&both, 640, 480);
    make_grey(&one, 640, 480);
    assert_int_equal(tess_draw_detections(&both, pair, 2, NULL, NULL), TESS_OK);
    draw_one(&one, pair[0], NULL);
    assert_memory_equal(pixel_at(&both, 100, 250), pixel_at(&one, 100, 250), 3);
    tess_canvas_release(&one);
    tess_canvas_release(&both);
}

static void test_anything_can_be_drawn_on_any_canvas(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1},   {3, 200}, {200, 3},
                                   {20, 20}, {90, 70}, {2000, 1500}};
    char long_name[300];
    memset(long_name, 'W', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    char greek[] = "\xce\xb1\xce\xb2\t\xff";
    char *lines[] = {long_name, greek};
    const struct tess_names names = {.lines = lines, .n_lines = 2};
    struct tess_rng rng;
    tess_rng_init(&rng, 6);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct tess_canvas canvas;
        struct tess_detection detections[40];
        make_grey(&canvas, sizes[i][0], sizes[i][1]);
        for (int k = 0; k < 40; k++) {
            const float w = (float)sizes[i][0], h = (float)sizes[i][1];
            detections[k] =
                (struct tess_detection){.x = (tess_rng_float(&rng) * 1.2f - 0.1f) * w,
                                        .y = (tess_rng_float(&rng) * 1.2f - 0.1f) * h,
                                        .w = tess_rng_float(&rng) * w,
                                        .h = tess_rng_float(&rng) * h,
                                        .score = tess_rng_float(&rng) * 1.5f,
                                        .class_id = k % 3};
        }
        assert_int_equal(tess_draw_detections(&canvas, detections, 40, &names, NULL),
                         TESS_OK);
        tess_canvas_release(&canvas);
    }
}

static void test_nothing_found_leaves_the_canvas_alone(void **state)
{
    (void)state;
    struct tess_canvas canvas;
    make_grey(&canvas, 64, 48);
    assert_int_equal(tess_draw_detections(&canvas, NULL, 0, NULL, NULL), TESS_OK);
    assert_false(is_painted(&canvas, 0, 0, 64, 48));
    tess_canvas_release(&canvas);
}

static void test_every_printable_character_has_its_own_glyph(void **state)
{
    (void)state;
    for (int a = TESS_FONT_FIRST; a <= TESS_FONT_LAST; a++) {
        assert_in_range(tess_font_advance((unsigned char)a), 2, 9);
        for (int b = TESS_FONT_FIRST; b < a; b++)
            assert_memory_not_equal(tess_font_glyph((unsigned char)a),
                                    tess_font_glyph((unsigned char)b), TESS_FONT_ROWS);
    }
    assert_ptr_equal(tess_font_glyph(7), tess_font_glyph('?'));
    assert_ptr_equal(tess_font_glyph(200), tess_font_glyph('?'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_box_edges_are_painted_and_its_inside_is_not),
        cmocka_unit_test(test_labels_move_inside_where_there_is_no_room_above),
        cmocka_unit_test(test_classes_differ_in_colour_and_repeat_it),
        cmocka_unit_test(test_the_better_detection_lies_on_top),
        cmocka_unit_test(test_anything_can_be_drawn_on_any_canvas),
        cmocka_unit_test(test_nothing_found_leaves_the_canvas_alone),
        cmocka_unit_test(test_every_printable_character_has_its_own_glyph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
