#include "cli/image_canvas.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>

#include "cli/image.h"

enum {
    JPEG_QUALITY = 92, /* lines and letters stay sharp */
    WORDS_BYTES = 200
};

/* A canvas on its way into a file. Both libraries report errors by not returning. */
struct encoder {
    const struct tess_canvas *canvas;
    FILE *file;
    jmp_buf escape;
    char words[WORDS_BYTES];
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr jpeg_errors;
    png_structp png;
    png_infop info;
};

typedef void encoder_step(struct encoder *encoder);

static bool run_step(struct encoder *encoder, encoder_step *step)
{
    if (setjmp(encoder->escape))
        return false;
    step(encoder);
    return true;
}

enum tess_status tess_canvas_init(struct tess_canvas *canvas, int width, int height,
                                  struct tess_error *error)
{
    assert(width >= 1 && width <= TESS_IMAGE_MAX_SIDE);
    assert(height >= 1 && height <= TESS_IMAGE_MAX_SIDE);
    unsigned char *rgb = calloc((size_t)height, 3 * (size_t)width);
    if (!rgb)
        return tess_error_nomem(error);
    *canvas = (struct tess_canvas){.width = width, .height = height, .rgb = rgb};
    return TESS_OK;
}

enum tess_status tess_canvas_load(const char *path, struct tess_canvas *canvas_out,
                                  struct tess_error *error)
{
    struct tess_canvas canvas = {0};
    struct tess_image *image = NULL;
    enum tess_status status = tess_image_open(path, &image, error);
    if (status != TESS_OK)
        goto out;
    status = tess_canvas_init(&canvas, tess_image_width(image), tess_image_height(image),
                              error);
    for (int y = 0; status == TESS_OK && y < canvas.height; y++)
        status = tess_image_next_row(
            image, canvas.rgb + (size_t)y * 3 * (size_t)canvas.width, error);
    if (status != TESS_OK)
        goto out;
    *canvas_out = canvas;
    canvas.rgb = NULL;
out:
    tess_canvas_release(&canvas);
    tess_image_destroy(image);
    return status;
}

void tess_canvas_release(struct tess_canvas *canvas)
{
    if (!canvas)
        return;
    free(canvas->rgb);
    memset(canvas, 0, sizeof *canvas);
}

static void on_jpeg_error(j_common_ptr jpeg)
{
    struct encoder *encoder = jpeg->client_data;
    char words[JMSG_LENGTH_MAX];
    (*jpeg->err->format_message)(jpeg, words);
    snprintf(encoder->words, sizeof encoder->words, "%s", words);
    longjmp(encoder->escape, 1);
}

static void on_jpeg_output(j_common_ptr jpeg)
{
    (void)jpeg; /* libraries never print */
}

/* Opens, writes and finishes; encode() frees, whether this comes back or not. */
static void encode_jpeg(struct encoder *encoder)
{
    const struct tess_canvas *canvas = encoder->canvas;
    struct jpeg_compress_struct *jpeg = &encoder->jpeg;
    jpeg->err = jpeg_std_error(&encoder->jpeg_errors);
    jpeg->client_data = encoder;
    encoder->jpeg_errors.error_exit = on_jpeg_error;
    encoder->jpeg_errors.output_message = on_jpeg_output;
    jpeg_create_compress(jpeg);
    jpeg_stdio_dest(jpeg, encoder->file);
    jpeg->image_width = (JDIMENSION)canvas->width;
    jpeg->image_height = (JDIMENSION)canvas->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, JPEG_QUALITY, TRUE);
    /* Halved chroma would fray coloured lines and labels. */
    jpeg->comp_info[0].h_samp_factor = 1;
    jpeg->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(jpeg, TRUE);
    for (int y = 0; y < canvas->height; y++) {
        JSAMPROW row = canvas->rgb + (size_t)y * 3 * (size_t)canvas->width;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

static void on_png_error(png_structp png, png_const_charp words)
{
    struct encoder *encoder = png_get_error_ptr(png);
    snprintf(encoder->words, sizeof encoder->words, "%s", words);
    longjmp(encoder->escape, 1);
}

static void on_png_warning(png_structp png, png_const_charp words)
{
    (void)png;
    (void)words;
}

/* As encode_jpeg(); the default compression level, since boxes are drawn once and looked
 * at once. */
static void encode_png(struct encoder *encoder)
{
    const struct tess_canvas *canvas = encoder->canvas;
    encoder->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, encoder, on_png_error,
                                           on_png_warning);
    if (encoder->png)
        encoder->info = png_create_info_struct(encoder->png);
    if (!encoder->info) {
        snprintf(encoder->words, sizeof encoder->words, "no memory is left");
        longjmp(encoder->escape, 1);
    }
    png_init_io(encoder->png, encoder->file);
    png_set_IHDR(encoder->png, encoder->info, (png_uint_32)canvas->width,
                 (png_uint_32)canvas->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(encoder->png, encoder->info);
    for (int y = 0; y < canvas->height; y++)
        png_write_row(encoder->png, canvas->rgb + (size_t)y * 3 * (size_t)canvas->width);
    png_write_end(encoder->png, NULL);
}

/* The step for the name's suffix, or NULL. */
static encoder_step *step_for(const char *path)
{
    const char *suffix = strrchr(path, '.');
    if (!suffix)
        return NULL;
    if (strcasecmp(suffix, ".png") == 0)
        return encode_png;
    if (strcasecmp(suffix, ".jpg") == 0 || strcasecmp(suffix, ".jpeg") == 0)
        return encode_jpeg;
    return NULL;
}

bool tess_canvas_can_save(const char *path)
{
    return step_for(path) != NULL;
}

/* Encodes into `file`, which stays the caller's. */
static enum tess_status encode(const struct tess_canvas *canvas, encoder_step *step,
                               FILE *file, const char *path, struct tess_error *error)
{
    struct encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return tess_error_nomem(error);
    encoder->canvas = canvas;
    encoder->file = file;
    enum tess_status status = TESS_OK;
    /* The encoder lives on the heap, where longjmp leaves it alone. */
    if (!run_step(encoder, step))
        status = tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot write the image: %s",
                               encoder->words);
    jpeg_destroy_compress(&encoder->jpeg);
    png_destroy_write_struct(&encoder->png, &encoder->info);
    free(encoder);
    return status;
}

static enum tess_status write_error(const char *path, struct tess_error *error)
{
    return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot write: %s",
                         strerror(errno));
}

enum tess_status tess_canvas_save(const struct tess_canvas *canvas, const char *path,
                                  struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    char *temporary = NULL;
    FILE *file = NULL;
    int fd = -1;
    encoder_step *step = step_for(path);
    if (!step) {
        status = tess_error_at(error, TESS_E_USAGE, path, 0, 0,
                               "cannot tell which image format to write");
        tess_error_hint(error, "end the name in .png, .jpg or .jpeg");
        return status;
    }
    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return tess_error_nomem(error);
    /* base/file.h replaces files in the same way but wants all bytes in memory. */
    fd = mkostemp(temporary, O_CLOEXEC);
    file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file) {
        status = write_error(path, error);
        if (fd >= 0)
            close(fd);
        goto out;
    }
    status = encode(canvas, step, file, path, error);
    bool is_written = fflush(file) == 0 && fchmod(fd, 0644) == 0;
    is_written = fclose(file) == 0 && is_written;
    if (status == TESS_OK && (!is_written || rename(temporary, path) != 0))
        status = write_error(path, error);
out:
    if (status != TESS_OK && fd >= 0)
        unlink(temporary);
    free(temporary);
    return status;
}
