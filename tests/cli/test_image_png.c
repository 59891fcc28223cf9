/* PNG files that this file makes with libpng itself. */
#include "tests/cli/image_reading.h"

#include <stdio.h>
#include <string.h>

#include <png.h>

struct png_recipe {
    int width, height;
    int bit_depth;
    int color_type;
    bool is_interlaced;
    bool has_transparency; /* a tRNS chunk */
};

static void png_into_text(png_structp png, png_bytep bytes, size_t n_bytes)
{
    tess_text_append(png_get_io_ptr(png), (const char *)bytes, n_bytes);
}

static void png_no_flush(png_structp png)
{
    (void)png;
}

static int png_channels_of(int color_type)
{
    switch (color_type) {
    case PNG_COLOR_TYPE_GRAY:
    case PNG_COLOR_TYPE_PALETTE: return 1;
    case PNG_COLOR_TYPE_GRAY_ALPHA: return 2;
    case PNG_COLOR_TYPE_RGB: return 3;
    default: return 4;
    }
}

/* A stored sample: as many bits of sample_at() as the depth has; 16 bits carry noise
 * below. */
static unsigned png_sample(const struct png_recipe *recipe, int x, int y, int c)
{
    unsigned value = sample_at(x, y, c);
    if (recipe->bit_depth == 16)
        return value << 8 | ((unsigned)(x * 31 + y) & 0xff);
    return value >> (8 - recipe->bit_depth);
}

static void png_pack_row(const struct png_recipe *recipe, int y, unsigned char *row)
{
    const int n_channels = png_channels_of(recipe->color_type);
    memset(row, 0, (size_t)recipe->width * 8 + 8);
    for (int x = 0; x < recipe->width; x++) {
        for (int c = 0; c < n_channels; c++) {
            const unsigned value = png_sample(recipe, x, y, c);
            const int at = x * n_channels + c;
            if (recipe->bit_depth == 16) {
                row[2 * at] = (unsigned char)(value >> 8);
                row[2 * at + 1] = (unsigned char)value;
            } else {
                const int bit = at * recipe->bit_depth;
                const int shift = 8 - recipe->bit_depth - bit % 8;
                row[bit / 8] = (unsigned char)(row[bit / 8] | value << shift);
            }
        }
    }
}

static png_color palette_entry(int i)
{
    return (png_color){(png_byte)(255 - i), (png_byte)(i * 3), (png_byte)(i ^ 0x55)};
}

static void png_put_palette(png_structp png, png_infop info,
                            const struct png_recipe *recipe)
{
    png_color palette[256];
    png_byte alphas[256];
    png_color_16 key = {.red = 5, .green = 65, .blue = 125, .gray = 1};
    for (int i = 0; i < 256; i++) {
        palette[i] = palette_entry(i);
        alphas[i] = (png_byte)i;
    }
    if (recipe->color_type == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 1 << recipe->bit_depth);
        if (recipe->has_transparency)
            png_set_tRNS(png, info, alphas, 1 << recipe->bit_depth, NULL);
    } else if (recipe->has_transparency) {
        png_set_tRNS(png, info, NULL, 0, &key);
    }
}

static void make_png(const struct png_recipe *recipe, struct tess_text *file)
{
    unsigned char *rows =
        malloc((size_t)recipe->height * ((size_t)recipe->width * 8 + 8));
    png_bytep *starts = malloc((size_t)recipe->height * sizeof *starts);
    assert_non_null(rows);
    assert_non_null(starts);
    for (int y = 0; y < recipe->height; y++) {
        starts[y] = rows + (size_t)y * ((size_t)recipe->width * 8 + 8);
        png_pack_row(recipe, y, starts[y]);
    }
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, file, png_into_text, png_no_flush);
    png_set_IHDR(png, info, (png_uint_32)recipe->width, (png_uint_32)recipe->height,
                 recipe->bit_depth, recipe->color_type,
                 recipe->is_interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_put_palette(png, info, recipe);
    png_set_gAMA(png, info, 0.3); /* must not change what we read */
    png_write_info(png, info);
    png_write_image(png, starts);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(starts);
    free(rows);
}

/* What the reader should make of a recipe's pixel. */
static int png_expected(const struct png_recipe *recipe, int x, int y, int c)
{
    const bool is_gray = !(recipe->color_type & PNG_COLOR_MASK_COLOR);
    const int value = (int)png_sample(recipe, x, y, is_gray ? 0 : c);
    if (recipe->color_type == PNG_COLOR_TYPE_PALETTE) {
        png_color entry = palette_entry((int)png_sample(recipe, x, y, 0));
        return c == 0 ? entry.red : c == 1 ? entry.green : entry.blue;
    }
    if (recipe->bit_depth == 16)
        return value >> 8;
    return value * 255 / ((1 << recipe->bit_depth) - 1);
}

static void check_png(const struct png_recipe *recipe)
{
    struct tess_text file = {0};
    make_png(recipe, &file);
    unsigned char *pixels = read_text(&file);
    for (int y = 0; y < recipe->height; y++)
        for (int x = 0; x < recipe->width; x++)
            for (int c = 0; c < 3; c++) {
                int got = pixels[(y * recipe->width + x) * 3 + c];
                int expected = png_expected(recipe, x, y, c);
                if (got != expected)
                    fail_msg("type %d depth %d pixel %d,%d channel %d: %d, expected %d",
                             recipe->color_type, recipe->bit_depth, x, y, c, got,
                             expected);
            }
    free(pixels);
    tess_text_release(&file);
}

static const struct png_recipe recipes[] = {
    {W, H, 8, PNG_COLOR_TYPE_RGB, false, false},
    {W, H, 8, PNG_COLOR_TYPE_RGB, true, true},
    {W, H, 16, PNG_COLOR_TYPE_RGB, false, false},
    {W, H, 16, PNG_COLOR_TYPE_RGB, true, true},
    {W, H, 8, PNG_COLOR_TYPE_RGB_ALPHA, false, false},
    {W, H, 16, PNG_COLOR_TYPE_RGB_ALPHA, false, false},
    {W, H, 8, PNG_COLOR_TYPE_RGB_ALPHA, true, false},
    {W, H, 1, PNG_COLOR_TYPE_GRAY, false, false},
    {W, H, 2, PNG_COLOR_TYPE_GRAY, true, true},
    {W, H, 4, PNG_COLOR_TYPE_GRAY, false, true},
    {W, H, 8, PNG_COLOR_TYPE_GRAY, false, true},
    {W, H, 16, PNG_COLOR_TYPE_GRAY, false, true},
    {W, H, 8, PNG_COLOR_TYPE_GRAY_ALPHA, false, false},
    {W, H, 16, PNG_COLOR_TYPE_GRAY_ALPHA, true, false},
    {W, H, 1, PNG_COLOR_TYPE_PALETTE, false, false},
    {W, H, 2, PNG_COLOR_TYPE_PALETTE, true, false},
    {W, H, 4, PNG_COLOR_TYPE_PALETTE, false, true},
    {W, H, 8, PNG_COLOR_TYPE_PALETTE, true, true},
    {1, 1, 8, PNG_COLOR_TYPE_RGB, false, false},
    {1, 1, 16, PNG_COLOR_TYPE_GRAY_ALPHA, true, false},
    {1, 300, 8, PNG_COLOR_TYPE_RGB, true, false},
    {4000, 1, 16, PNG_COLOR_TYPE_RGB_ALPHA, false, false},
};
enum { N_RECIPES = sizeof recipes / sizeof *recipes };

static void test_png_of_every_kind_becomes_rgb_without_alpha(void **state)
{
    (void)state;
    for (int i = 0; i < N_RECIPES; i++)
        check_png(&recipes[i]);
}

static void test_every_cut_of_a_png_before_its_last_pixel_is_an_error(void **state)
{
    (void)state;
    enum { END_CHUNK = 12 }; /* IEND comes after the pixels: nobody misses it */
    for (int i = 0; i < N_RECIPES; i++) {
        struct tess_text file = {0};
        struct tess_error error;
        make_png(&recipes[i], &file);
        for (size_t n_bytes = 0; n_bytes < file.len - END_CHUNK; n_bytes++) {
            if (try_text(file.data, n_bytes, &error) != TESS_E_IO)
                fail_msg("recipe %d cut to %zu of %zu bytes", i, n_bytes, file.len);
            assert_true(error.message[0] && error.hint[0]);
        }
        tess_text_release(&file);
    }
}

static void test_damaged_bytes_give_rows_or_an_error(void **state)
{
    (void)state;
    struct tess_rng rng;
    rng_init_from_environment(&rng);
    for (int i = 0; i < N_RECIPES; i++) {
        struct tess_text file = {0};
        make_png(&recipes[i], &file);
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
        struct png_recipe recipe = recipes[i / 2];
        struct tess_text file = {0};
        if (i % 2 == 1) {
            recipe.width = 1500;
            recipe.height = 300;
        }
        make_png(&recipe, &file);
        check_held_bytes(&file);
        tess_text_release(&file);
    }
}

static void put_be(char *at, uint32_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        at[i] = (char)(value >> (8 * (n_bytes - 1 - i)));
}

/* CRC-32 over the IHDR chunk's type and data, as the PNG standard defines it. */
static uint32_t header_crc(const char *file)
{
    uint32_t crc = UINT32_MAX;
    for (int i = 12; i < 29; i++) {
        crc ^= (unsigned char)file[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0xedb88320) : crc >> 1;
    }
    return ~crc;
}

static void test_oversized_images_are_refused_from_their_header(void **state)
{
    (void)state;
    struct tess_text file = {0};
    struct tess_error error;
    make_png(&recipes[0], &file);
    put_be(file.data + 16, 0x7fffffff, 4);
    put_be(file.data + 29, header_crc(file.data), 4);
    assert_int_equal(try_text(file.data, file.len, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "is too large"));
    tess_text_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_png_of_every_kind_becomes_rgb_without_alpha),
        cmocka_unit_test(test_every_cut_of_a_png_before_its_last_pixel_is_an_error),
        cmocka_unit_test(test_damaged_bytes_give_rows_or_an_error),
        cmocka_unit_test(test_held_bytes_bound_the_heap),
        cmocka_unit_test(test_oversized_images_are_refused_from_their_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
