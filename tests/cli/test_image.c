#include "tests/cli/image_reading.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

static void test_other_files_are_told_apart_from_images(void **state)
{
    (void)state;
    static const char gif[] = "GIF89a\x01\x00\x01\x00\x80";
    struct tess_error error;
    assert_int_equal(try_text(gif, sizeof gif, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "neither a JPEG nor a PNG"));
    assert_int_equal(try_text(gif, 3, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "neither a JPEG nor a PNG"));
    assert_int_equal(try_text(gif, 0, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "empty"));
}

static void test_files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    struct tess_image *image = NULL;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_image_open("no/such/image.jpg", &image, &error), TESS_E_IO);
    assert_string_equal(error.file, "no/such/image.jpg");
    tess_error_init(&error);
    assert_int_equal(tess_image_open(".", &image, &error), TESS_E_IO);
    assert_non_null(strstr(error.message, "cannot read"));
    assert_null(image);
}

/* A grey PNG of W x H pixels. */
static void make_grey(struct tess_text *file)
{
    unsigned char pixels[W * H];
    unsigned char bytes[1024];
    png_alloc_size_t n_bytes = sizeof bytes;
    png_image header = {
        .version = PNG_IMAGE_VERSION, .width = W, .height = H, .format = PNG_FORMAT_GRAY};
    for (int i = 0; i < W * H; i++)
        pixels[i] = sample_at(i % W, 0, 0);
    assert_true(png_image_write_to_memory(&header, bytes, &n_bytes, 0, pixels, 0, NULL));
    tess_text_append(file, (const char *)bytes, n_bytes);
}

static void test_format_is_told_from_content_and_standard_input_works(void **state)
{
    (void)state;
    char path[] = "/tmp/tess_image_XXXXXX";
    struct tess_text file = {0};
    struct tess_error error;
    make_grey(&file);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, file.data, file.len), file.len);
    close(fd);
    assert_non_null(freopen(path, "rb", stdin));
    const char *const names[] = {path, "-"};
    for (int i = 0; i < 2; i++) {
        struct tess_image *image = NULL;
        tess_error_init(&error);
        assert_int_equal(tess_image_open(names[i], &image, &error), TESS_OK);
        unsigned char *pixels = read_rows(image);
        assert_int_equal(pixels[3 * 5 + 1], sample_at(5, 0, 0));
        free(pixels);
        tess_image_destroy(image);
    }
    unlink(path);
    tess_text_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_files_are_told_apart_from_images),
        cmocka_unit_test(test_files_that_cannot_be_read_are_named),
        cmocka_unit_test(test_format_is_told_from_content_and_standard_input_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
