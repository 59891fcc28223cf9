/* JPEG files that this file makes with libjpeg itself. */
#include "tests/cli/image_reading.h"

#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "base/file.h"

struct jpeg_recipe {
    int width, height;
    J_COLOR_SPACE space; /* of the samples given to libjpeg */
    J_COLOR_SPACE stored;
    int h_samp, v_samp; /* of the first component, 0 for the default */
    bool is_progressive;
    bool is_arithmetic;
    int restart_rows;
    const jpeg_scan_info *scans; /* NULL for the default */
    int n_scans;
};

static const struct jpeg_recipe colour_jpeg = {
    .width = W, .height = H, .space = JCS_RGB, .stored = JCS_YCbCr};

static int jpeg_channels_of(J_COLOR_SPACE space)
{
    return space == JCS_GRAYSCALE ? 1 : space == JCS_CMYK ? 4 : 3;
}

static void make_jpeg(const struct jpeg_recipe *recipe, struct tess_text *file)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n_bytes = 0;
    const int n_channels = jpeg_channels_of(recipe->space);
    unsigned char *row = malloc((size_t)recipe->width * 4);
    assert_non_null(row);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n_bytes);
    jpeg.image_width = (JDIMENSION)recipe->width;
    jpeg.image_height = (JDIMENSION)recipe->height;
    jpeg.input_components = n_channels;
    jpeg.in_color_space = recipe->space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_colorspace(&jpeg, recipe->stored);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (recipe->h_samp) {
        jpeg.comp_info[0].h_samp_factor = recipe->h_samp;
        jpeg.comp_info[0].v_samp_factor = recipe->v_samp;
    }
    if (recipe->is_progressive)
        jpeg_simple_progression(&jpeg);
    if (recipe->scans) {
        jpeg.scan_info = recipe->scans;
        jpeg.num_scans = recipe->n_scans;
    }
    jpeg.arith_code = recipe->is_arithmetic;
    jpeg.restart_in_rows = recipe->restart_rows;
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < recipe->height; y++) {
        for (int x = 0; x < recipe->width; x++)
            for (int c = 0; c < n_channels; c++)
                row[x * n_channels + c] = sample_at(x, y, c);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    tess_text_append(file, (const char *)bytes, n_bytes);
    free(bytes);
    free(row);
}

/* libjpeg's own decoding of a whole file with its defaults. */
static unsigned char *decode_jpeg(const struct tess_text *file, J_COLOR_SPACE space)
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, (const unsigned char *)file->data, file->len);
    jpeg_read_header(&jpeg, TRUE);
    jpeg.out_color_space = space;
    jpeg_start_decompress(&jpeg);
    const size_t row_bytes = (size_t)jpeg.output_width * (size_t)jpeg.output_components;
    unsigned char *pixels = malloc(row_bytes * jpeg.output_height);
    assert_non_null(pixels);
    while (jpeg.output_scanline < jpeg.output_height) {
        JSAMPROW row = pixels + jpeg.output_scanline * row_bytes;
        jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_destroy_decompress(&jpeg);
    return pixels;
}

static void check_jpeg(const struct jpeg_recipe *recipe)
{
    struct tess_text file = {0};
    make_jpeg(recipe, &file);
    unsigned char *pixels = read_text(&file);
    unsigned char *expected = decode_jpeg(&file, JCS_RGB);
    assert_memory_equal(pixels, expected,
                        3 * (size_t)recipe->width * (size_t)recipe->height);
    free(expected);
    free(pixels);
    tess_text_release(&file);
}

static const struct jpeg_recipe recipes[] = {
    {W, H, JCS_RGB, JCS_YCbCr, 0, 0, false, false, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 1, 1, false, false, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 2, 1, false, false, 2, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 1, 2, false, false, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 4, 2, false, false, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 1, 4, true, false, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 0, 0, true, false, 1, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 0, 0, false, true, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_YCbCr, 0, 0, true, true, 0, NULL, 0},
    {W, H, JCS_RGB, JCS_RGB, 1, 1, false, false, 0, NULL, 0},
    {W, H, JCS_GRAYSCALE, JCS_GRAYSCALE, 0, 0, false, false, 0, NULL, 0},
    {W, H, JCS_GRAYSCALE, JCS_GRAYSCALE, 0, 0, true, false, 0, NULL, 0},
    {1, 1, JCS_RGB, JCS_YCbCr, 0, 0, false, false, 0, NULL, 0},
    {2000, 1, JCS_RGB, JCS_YCbCr, 0, 0, true, false, 0, NULL, 0},
    {1, 2000, JCS_RGB, JCS_YCbCr, 4, 2, true, false, 0, NULL, 0},
};
enum { N_RECIPES = sizeof recipes / sizeof *recipes };

static void test_jpeg_of_every_kind_decodes_as_libjpeg_does(void **state)
{
    (void)state;
    for (int i = 0; i < N_RECIPES; i++)
        check_jpeg(&recipes[i]);
}

static void test_inverted_cmyk_is_ink_times_black(void **state)
{
    (void)state;
    const J_COLOR_SPACE stored[] = {JCS_CMYK, JCS_YCCK};
    for (size_t i = 0; i < sizeof stored / sizeof *stored; i++) {
        /* libjpeg writes Adobe's marker in both cases, which says inverted. */
        const struct jpeg_recipe recipe = {
            .width = W, .height = H, .space = JCS_CMYK, .stored = stored[i]};
        struct tess_text file = {0};
        make_jpeg(&recipe, &file);
        unsigned char *cmyk = decode_jpeg(&file, JCS_CMYK);
        unsigned char *pixels = read_text(&file);
        for (int p = 0; p < W * H; p++)
            for (int c = 0; c < 3; c++) {
                double light = cmyk[4 * p + c] * cmyk[4 * p + 3] / 255.;
                assert_true(pixels[3 * p + c] >= light - 0.51);
                assert_true(pixels[3 * p + c] <= light + 0.51);
            }
        free(pixels);
        free(cmyk);
        tess_text_release(&file);
    }
}

static void test_cmyk_without_adobes_marker_is_plain(void **state)
{
    (void)state;
    const struct jpeg_recipe recipe = {
        .width = 8, .height = 8, .space = JCS_CMYK, .stored = JCS_CMYK};
    struct tess_text file = {0};
    make_jpeg(&recipe, &file);
    unsigned char *cmyk = decode_jpeg(&file, JCS_CMYK);
    char *marker = memmem(file.data, file.len, "Adobe", 5);
    assert_non_null(marker);
    marker[0] = 'B';
    unsigned char *pixels = read_text(&file);
    double light = (255 - cmyk[0]) * (255 - cmyk[3]) / 255.;
    assert_true(pixels[0] >= light - 0.51 && pixels[0] <= light + 0.51);
    free(pixels);
    free(cmyk);
    tess_text_release(&file);
}

static void test_every_cut_of_a_jpeg_is_an_error(void **state)
{
    (void)state;
    for (int i = 0; i < N_RECIPES; i++) {
        struct tess_text file = {0};
        struct tess_error error;
        make_jpeg(&recipes[i], &file);
        for (size_t n_bytes = 0; n_bytes < file.len; n_bytes++) {
            if (try_text(file.data, n_bytes, &error) != TESS_E_IO)
                fail_msg("recipe %d cut to %zu of %zu bytes", i, n_bytes, file.len);
            assert_true(error.message[0] && error.hint[0] && error.file[0]);
        }
        tess_text_release(&file);
    }
}

static void test_a_broken_image_stays_broken(void **state)
{
    (void)state;
    struct tess_text file = {0};
    struct tess_error error;
    unsigned char row[3 * W];
    make_jpeg(&colour_jpeg, &file);
    file.len /= 2;
    struct tess_image *image = open_text(&file);
    tess_error_init(&error);
    int y = 0;
    while (tess_image_next_row(image, row, &error) == TESS_OK)
        y++;
    assert_true(y < H - 1);
    tess_error_init(&error);
    assert_int_equal(tess_image_next_row(image, row, &error), TESS_E_IO);
    assert_string_equal(error.file, "image in memory");
    tess_image_destroy(image);
    tess_text_release(&file);
}

static void test_endless_progression_is_refused(void **state)
{
    (void)state;
    enum { N_AC = 63, N_SCANS = 1 + 2 * N_AC };
    jpeg_scan_info scans[N_SCANS];
    memset(scans, 0, sizeof scans);
    for (int i = 0; i < N_SCANS; i++) {
        scans[i].comps_in_scan = 1;
        if (i > 0) {
            scans[i].Ss = scans[i].Se = 1 + (i - 1) % N_AC;
            scans[i].Ah = i > N_AC;
            scans[i].Al = i <= N_AC;
        }
    }
    const struct jpeg_recipe recipe = {.width = W,
                                       .height = H,
                                       .space = JCS_GRAYSCALE,
                                       .stored = JCS_GRAYSCALE,
                                       .scans = scans,
                                       .n_scans = N_SCANS};
    struct tess_text file = {0};
    struct tess_error error;
    make_jpeg(&recipe, &file);
    assert_int_equal(try_text(file.data, file.len, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "scans"));
    tess_text_release(&file);
}

static void test_a_photograph_decodes_as_libjpeg_does(void **state)
{
    (void)state;
    const char *folder = getenv("TESS_MODELS_DIR");
    char path[512];
    struct tess_text file = {0};
    if (!folder) {
        print_message("skipped: TESS_MODELS_DIR is not set\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/dog.jpg", folder);
    if (tess_file_read(path, 1 << 24, &file, NULL) != TESS_OK) {
        print_message("skipped: no %s\n", path);
        skip();
    }
    unsigned char *pixels = read_text(&file);
    unsigned char *expected = decode_jpeg(&file, JCS_RGB);
    assert_memory_equal(pixels, expected, 3 * 768 * 576);
    free(expected);
    free(pixels);
    tess_text_release(&file);
}

static void test_damaged_bytes_give_rows_or_an_error(void **state)
{
    (void)state;
    struct tess_rng rng;
    rng_init_from_environment(&rng);
    for (int i = 0; i < N_RECIPES; i++) {
        struct tess_text file = {0};
        make_jpeg(&recipes[i], &file);
        check_damage(&file, &rng);
        tess_text_release(&file);
    }
}

static void test_held_bytes_bound_the_heap(void **state)
{
    (void)state;
    if (!can_measure_heap())
        skip();
    for (int i = 0; i < 2 * N_RECIPES; i++) {
        struct jpeg_recipe recipe = recipes[i / 2];
        struct tess_text file = {0};
        if (i % 2 == 1) {
            recipe.width = 1500;
            recipe.height = 300;
        }
        make_jpeg(&recipe, &file);
        check_held_bytes(&file);
        tess_text_release(&file);
    }
}

static void test_oversized_images_are_refused_from_their_header(void **state)
{
    (void)state;
    struct tess_text file = {0};
    struct tess_error error;
    make_jpeg(&colour_jpeg, &file);
    char *frame = memmem(file.data, file.len, "\xff\xc0\x00\x11\x08", 5);
    assert_non_null(frame);
    frame[5] = (char)((TESS_IMAGE_MAX_SIDE + 1) >> 8);
    frame[6] = (char)((TESS_IMAGE_MAX_SIDE + 1) & 0xff);
    assert_int_equal(try_text(file.data, file.len, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "37 x 16385 pixels is too large"));
    assert_non_null(strstr(error.hint, "16384"));
    tess_text_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_of_every_kind_decodes_as_libjpeg_does),
        cmocka_unit_test(test_inverted_cmyk_is_ink_times_black),
        cmocka_unit_test(test_cmyk_without_adobes_marker_is_plain),
        cmocka_unit_test(test_every_cut_of_a_jpeg_is_an_error),
        cmocka_unit_test(test_a_broken_image_stays_broken),
        cmocka_unit_test(test_endless_progression_is_refused),
        cmocka_unit_test(test_a_photograph_decodes_as_libjpeg_does),
        cmocka_unit_test(test_damaged_bytes_give_rows_or_an_error),
        cmocka_unit_test(test_held_bytes_bound_the_heap),
        cmocka_unit_test(test_oversized_images_are_refused_from_their_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
