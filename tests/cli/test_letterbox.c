/* The streamed letterbox against one that holds whole images, and against darknet's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "base/arith.h"
#include "base/rng.h"
#include "cli/letterbox.h"

enum { N_RANDOM = 400 };

struct whole { /* darknet's layout: [3][h][w] */
    int w, h;
    float *data;
};

static struct whole new_whole(int w, int h)
{
    struct whole image = {w, h, calloc((size_t)w * (size_t)h * 3, sizeof(float))};
    assert_non_null(image.data);
    return image;
}

static float *at(const struct whole *image, int c, int y, int x)
{
    return &image->data[((ptrdiff_t)c * image->h + y) * image->w + x];
}

/* ---- the plain way: two whole passes ---- */

static struct whole resize_rows(const struct whole *from, int w)
{
    struct whole to = new_whole(w, from->h);
    float scale = (float)(from->w - 1) / (float)(w - 1);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < from->h; y++)
            for (int x = 0; x < w; x++) {
                if (x == w - 1 || from->w == 1) {
                    *at(&to, c, y, x) = *at(from, c, y, from->w - 1);
                    continue;
                }
                float sx = (float)x * scale;
                int ix = (int)sx;
                float dx = sx - (float)ix;
                *at(&to, c, y, x) =
                    (1 - dx) * *at(from, c, y, ix) + dx * *at(from, c, y, ix + 1);
            }
    return to;
}

static struct whole resize_columns(const struct whole *from, int h)
{
    struct whole to = new_whole(from->w, h);
    float scale = h == 1 ? 0 : (float)(from->h - 1) / (float)(h - 1);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < h; y++) {
            float sy = (float)y * scale;
            int iy = (int)sy;
            float dy = sy - (float)iy;
            for (int x = 0; x < from->w; x++) {
                *at(&to, c, y, x) = (1 - dy) * *at(from, c, iy, x);
                if (y < h - 1 && from->h > 1)
                    *at(&to, c, y, x) += dy * *at(from, c, iy + 1, x);
            }
        }
    return to;
}

static struct whole plain_fit(const struct whole *from, enum tess_fit fit, int w, int h)
{
    int new_w = w, new_h = h;
    if (fit == TESS_FIT_LETTERBOX) {
        if ((float)w / (float)from->w < (float)h / (float)from->h)
            new_h = tess_max_int(1, from->h * w / from->w);
        else
            new_w = tess_max_int(1, from->w * h / from->h);
    }
    struct whole wide = resize_rows(from, new_w);
    struct whole small = resize_columns(&wide, new_h);
    struct whole to = new_whole(w, h);
    for (int i = 0; i < 3 * w * h; i++)
        to.data[i] = 0.5f;
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < new_h; y++)
            for (int x = 0; x < new_w; x++)
                *at(&to, c, y + (h - new_h) / 2, x + (w - new_w) / 2) =
                    *at(&small, c, y, x);
    free(wide.data);
    free(small.data);
    return to;
}

/* ---- photographs ---- */

struct photo {
    int w, h;
    unsigned char *rgb;
    void *png; /* the same as a file */
    size_t n_png_bytes;
};

static struct photo make_photo(int w, int h, struct tess_rng *rng)
{
    struct photo photo = {.w = w, .h = h, .rgb = malloc((size_t)w * (size_t)h * 3)};
    assert_non_null(photo.rgb);
    for (int i = 0; i < w * h * 3; i++)
        photo.rgb[i] = (unsigned char)tess_rng_next(rng);
    png_image header = {.version = PNG_IMAGE_VERSION,
                        .width = (png_uint_32)w,
                        .height = (png_uint_32)h,
                        .format = PNG_FORMAT_RGB};
    assert_true(png_image_write_get_memory_size(header, photo.n_png_bytes, 0, photo.rgb,
                                                0, NULL));
    photo.png = malloc(photo.n_png_bytes);
    assert_non_null(photo.png);
    assert_true(png_image_write_to_memory(&header, photo.png, &photo.n_png_bytes, 0,
                                          photo.rgb, 0, NULL));
    return photo;
}

static void free_photo(struct photo *photo)
{
    free(photo->rgb);
    free(photo->png);
}

static struct whole whole_of(const struct photo *photo)
{
    struct whole image = new_whole(photo->w, photo->h);
    for (int c = 0; c < 3; c++)
        for (int y = 0; y < photo->h; y++)
            for (int x = 0; x < photo->w; x++)
                *at(&image, c, y, x) =
                    (float)(photo->rgb[((ptrdiff_t)y * photo->w + x) * 3 + c] / 255.);
    return image;
}

/* Runs the streamed fit into `plane`. */
static void run_fit(const struct photo *photo, const struct tess_letterbox *box,
                    const struct tess_rgb_plane *plane)
{
    struct tess_image *image = NULL;
    assert_int_equal(
        tess_image_open_memory(photo->png, (int64_t)photo->n_png_bytes, &image, NULL),
        TESS_OK);
    void *scratch = malloc((size_t)tess_letterbox_bytes_needed(box));
    assert_non_null(scratch);
    assert_int_equal(tess_letterbox_run(box, image, scratch, plane, NULL), TESS_OK);
    free(scratch);
    tess_image_destroy(image);
}

/* Compares every float of a dense plane's channels; reports the first that differs. */
static void check_same(const struct whole *expected, const struct tess_rgb_plane *plane)
{
    for (int y = 0; y < plane->h; y++)
        for (int x = 0; x < plane->w; x++)
            for (int c = 0; c < 3; c++) {
                const float *got =
                    &plane->data[y * plane->row_stride + x * plane->pixel_stride + c];
                if (memcmp(at(expected, c, y, x), got, sizeof *got) != 0)
                    fail_msg("%d x %d, row %d column %d: %.9g, expected %.9g", plane->w,
                             plane->h, y, x, (double)*got,
                             (double)*at(expected, c, y, x));
            }
}

static uint64_t seed(void)
{
    const char *given = getenv("TESS_SEED");
    const uint64_t value = given ? strtoull(given, NULL, 10) : 20261121;
    print_message("seed %llu (set TESS_SEED to repeat)\n", (unsigned long long)value);
    return value;
}

static void check_fit(enum tess_fit fit, const int sizes[4], struct tess_rng *rng)
{
    struct photo photo = make_photo(sizes[0], sizes[1], rng);
    struct whole image = whole_of(&photo);
    struct whole expected = plain_fit(&image, fit, sizes[2], sizes[3]);
    struct whole got = new_whole(sizes[2], sizes[3]);
    struct tess_letterbox box;
    struct tess_rgb_plane plane;
    tess_letterbox_init(&box, fit, sizes[0], sizes[1], sizes[2], sizes[3]);
    tess_rgb_plane_init(&plane, &box, got.data);
    run_fit(&photo, &box, &plane);
    check_same(&expected, &plane);
    free(got.data);
    free(expected.data);
    free(image.data);
    free_photo(&photo);
}

/* ---- tests ---- */

static void test_streamed_fit_equals_whole_images_bit_for_bit(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, seed());
    for (int i = 0; i < N_RANDOM; i++) {
        int limit = i % 10 == 0 ? 300 : 40;
        int sizes[4];
        for (int k = 0; k < 4; k++)
            sizes[k] = tess_rng_int(&rng, 1, limit);
        check_fit(TESS_FIT_LETTERBOX, sizes, &rng);
        check_fit(TESS_FIT_STRETCH, sizes, &rng);
    }
}

static void test_lines_and_single_pixels_fit(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 1, 1},     {1, 1, 16, 16},  {300, 1, 32, 32},
                                   {1, 300, 32, 32}, {7, 5, 1, 1},    {2, 2, 1, 9},
                                   {5, 2000, 64, 8}, {2000, 3, 8, 64}};
    struct tess_rng rng;
    tess_rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_fit(TESS_FIT_LETTERBOX, sizes[i], &rng);
        check_fit(TESS_FIT_STRETCH, sizes[i], &rng);
    }
}

static void test_padding_is_grey_and_centred(void **state)
{
    (void)state;
    struct tess_letterbox box;
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, 768, 576, 416, 416);
    assert_int_equal(box.fitted_w, 416);
    assert_int_equal(box.fitted_h, 312);
    assert_int_equal(box.left, 0);
    assert_int_equal(box.top, 52);
    tess_letterbox_init(&box, TESS_FIT_STRETCH, 768, 576, 416, 416);
    assert_int_equal(box.fitted_h, 416);
    assert_int_equal(box.top, 0);
}

static void test_strides_leave_the_gaps_alone(void **state)
{
    (void)state;
    enum { NET_W = 12, NET_H = 10, PIXEL = 5, ROW = NET_W * PIXEL + 7 };
    struct tess_rng rng;
    tess_rng_init(&rng, 2);
    struct photo photo = make_photo(9, 4, &rng);
    struct whole image = whole_of(&photo);
    struct whole expected = plain_fit(&image, TESS_FIT_LETTERBOX, NET_W, NET_H);
    float data[NET_H * ROW];
    for (int i = 0; i < NET_H * ROW; i++)
        data[i] = -9;
    struct tess_letterbox box;
    struct tess_rgb_plane plane;
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, 9, 4, NET_W, NET_H);
    tess_rgb_plane_init(&plane, &box, data);
    plane.row_stride = ROW;
    plane.pixel_stride = PIXEL;
    run_fit(&photo, &box, &plane);
    check_same(&expected, &plane);
    for (int i = 0; i < NET_H * ROW; i++)
        if (i % ROW >= NET_W * PIXEL || i % ROW % PIXEL >= 3)
            assert_true(data[i] == -9);
    free(expected.data);
    free(image.data);
    free_photo(&photo);
}

static void test_a_crop_is_the_window_scaled_and_shifted(void **state)
{
    (void)state;
    enum { ASKED = 20, KEPT = 9, TOP = 3, LEFT = 6 };
    struct tess_rng rng;
    tess_rng_init(&rng, 3);
    struct photo photo = make_photo(31, 17, &rng);
    struct whole image = whole_of(&photo);
    struct whole all = plain_fit(&image, TESS_FIT_LETTERBOX, ASKED, ASKED);
    struct whole expected = new_whole(KEPT, KEPT);
    struct whole got = new_whole(KEPT, KEPT);
    for (int i = 0; i < 3 * KEPT * KEPT; i++) {
        int c = i / (KEPT * KEPT), y = i / KEPT % KEPT, x = i % KEPT;
        expected.data[i] = *at(&all, c, y + TOP, x + LEFT) * 2 - 1;
    }
    struct tess_letterbox box;
    tess_letterbox_init(&box, TESS_FIT_LETTERBOX, 31, 17, ASKED, ASKED);
    const struct tess_rgb_plane plane = {.data = got.data,
                                         .row_stride = 3 * KEPT,
                                         .pixel_stride = 3,
                                         .h = KEPT,
                                         .w = KEPT,
                                         .crop_top = TOP,
                                         .crop_left = LEFT,
                                         .scale = 2,
                                         .offset = -1};
    run_fit(&photo, &box, &plane);
    check_same(&expected, &plane);
    free(got.data);
    free(expected.data);
    free(all.data);
    free(image.data);
    free_photo(&photo);
}

static void test_a_damaged_end_is_noticed_though_its_rows_are_not_needed(void **state)
{
    (void)state;
    struct tess_rng rng;
    tess_rng_init(&rng, 4);
    struct photo photo = make_photo(50, 400, &rng);
    struct tess_image *image = NULL;
    struct tess_letterbox box;
    struct tess_rgb_plane plane;
    float data[3 * 4], scratch[512];
    struct tess_error error;
    tess_error_init(&error);
    tess_letterbox_init(&box, TESS_FIT_STRETCH, 50, 400, 4, 1);
    tess_rgb_plane_init(&plane, &box, data);
    assert_true(tess_letterbox_bytes_needed(&box) <= (int64_t)sizeof scratch);
    assert_int_equal(tess_image_open_memory(photo.png, (int64_t)photo.n_png_bytes - 100,
                                            &image, &error),
                     TESS_OK);
    assert_int_equal(tess_letterbox_run(&box, image, scratch, &plane, &error), TESS_E_IO);
    tess_image_destroy(image);
    free_photo(&photo);
}

/* ---- darknet itself ---- */

struct darknet_image {
    int w, h, c;
    float *data;
};
typedef struct darknet_image darknet_letterbox(struct darknet_image, int, int);

/* Debian's package `darknet` puts it there; TESS_DARKNET_LIB names another one. */
static darknet_letterbox *find_darknet(void)
{
    const char *path = getenv("TESS_DARKNET_LIB");
    void *library = dlopen(path ? path : "/usr/lib/darknet/libdarknet.so", RTLD_LAZY);
    darknet_letterbox *function = NULL;
    void *symbol = library ? dlsym(library, "letterbox_image") : NULL;
    memcpy(&function, &symbol, sizeof function);
    return function;
}

static void test_letterbox_equals_darknets_bit_for_bit(void **state)
{
    (void)state;
    darknet_letterbox *letterbox = find_darknet();
    if (!letterbox) {
        print_message("skipped: no libdarknet.so (TESS_DARKNET_LIB can name one)\n");
        skip();
    }
    struct tess_rng rng;
    tess_rng_init(&rng, seed());
    for (int i = 0; i < N_RANDOM / 4; i++) {
        int w = tess_rng_int(&rng, 2, 300), h = tess_rng_int(&rng, 2, 300);
        int net = 32 * tess_rng_int(&rng, 1, 13);
        if (w * net / h < 2 || h * net / w < 2) /* darknet divides by zero there */
            continue;
        struct photo photo = make_photo(w, h, &rng);
        struct whole image = whole_of(&photo);
        struct darknet_image given = {w, h, 3, image.data};
        struct darknet_image boxed = letterbox(given, net, net);
        struct whole expected = {net, net, boxed.data};
        struct whole got = new_whole(net, net);
        struct tess_letterbox box;
        struct tess_rgb_plane plane;
        tess_letterbox_init(&box, TESS_FIT_LETTERBOX, w, h, net, net);
        tess_rgb_plane_init(&plane, &box, got.data);
        run_fit(&photo, &box, &plane);
        check_same(&expected, &plane);
        free(got.data);
        free(boxed.data);
        free(image.data);
        free_photo(&photo);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streamed_fit_equals_whole_images_bit_for_bit),
        cmocka_unit_test(test_lines_and_single_pixels_fit),
        cmocka_unit_test(test_padding_is_grey_and_centred),
        cmocka_unit_test(test_strides_leave_the_gaps_alone),
        cmocka_unit_test(test_a_crop_is_the_window_scaled_and_shifted),
        cmocka_unit_test(test_a_damaged_end_is_noticed_though_its_rows_are_not_needed),
        cmocka_unit_test(test_letterbox_equals_darknets_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
