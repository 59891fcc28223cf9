/* make_picture FILE.jpg|FILE.png WIDTH HEIGHT: a colourful picture from arithmetic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

static unsigned char *draw(int w, int h)
{
    unsigned char *rgb = calloc((size_t)w * (size_t)h, 3);
    for (int y = 0; rgb && y < h; y++)
        for (int x = 0; x < w; x++) {
            unsigned char *pixel = rgb + 3 * ((size_t)y * (size_t)w + (size_t)x);
            pixel[0] = (unsigned char)(255 * x / w);
            pixel[1] = (unsigned char)(255 * y / h);
            pixel[2] = (x / 8 + y / 8) % 2 ? 200 : 40;
        }
    return rgb;
}

static int write_jpeg(FILE *file, unsigned char *rgb, int w, int h)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors); /* which ends the program on errors */
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)w;
    jpeg.image_height = (JDIMENSION)h;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = rgb + (size_t)jpeg.next_scanline * 3 * (size_t)w;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return 1;
}

static int write_png(FILE *file, const unsigned char *rgb, int w, int h)
{
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = (png_uint_32)w,
                       .height = (png_uint_32)h,
                       .format = PNG_FORMAT_RGB};
    return png_image_write_to_stdio(&image, file, 0, rgb, 0, NULL);
}

int main(int argc, char **argv)
{
    int w = argc == 4 ? atoi(argv[2]) : 0, h = argc == 4 ? atoi(argv[3]) : 0;
    FILE *file = w > 0 && h > 0 ? fopen(argv[1], "wb") : NULL;
    unsigned char *rgb = file ? draw(w, h) : NULL;
    if (!rgb) {
        fprintf(stderr, "usage: make_picture FILE.jpg|FILE.png WIDTH HEIGHT\n");
        return 2;
    }
    const char *suffix = strrchr(argv[1], '.');
    int is_written = suffix && strcmp(suffix, ".png") == 0 ? write_png(file, rgb, w, h)
                                                           : write_jpeg(file, rgb, w, h);
    free(rgb);
    return fclose(file) == 0 && is_written ? 0 : 1;
}
