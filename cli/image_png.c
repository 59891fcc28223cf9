#include "cli/image_priv.h"

#include <assert.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

enum {
    /* TUNING: libpng's and zlib's state besides rows: inflate's window and tables,
     * chunks, the palette. Measured 45 KiB at most over the variants in test_image_png.c
     * with libpng 1.6.39 and zlib 1.2.13, 2026-11; a third more. */
    FIXED_BYTES = 60 * 1024,
    MAX_PIXEL_BYTES = 8, /* 16 bits, four channels, before we drop what we do not want */
    WORDS_BYTES = 200
};

struct png_decoder {
    png_structp png;
    png_infop info;
    FILE *file;
    jmp_buf escape; /* where errors inside libpng land */
    char words[WORDS_BYTES];
    int64_t n_held;  /* bytes that libpng and zlib hold now */
    int64_t n_limit; /* bytes that they may hold */
    bool has_no_memory;
    int n_passes; /* above 1: interlaced */
    int width, height;
    unsigned char *pixels;  /* interlaced: [height][width][3] */
    unsigned char *rgb_row; /* the caller's, while a row is being read */
};

/* A step that runs between libpng and the caller. libpng reports errors by not returning,
 * so a step must own nothing. */
typedef void png_step(struct png_decoder *decoder);

static bool run_step(struct png_decoder *decoder, png_step *step)
{
    if (setjmp(decoder->escape))
        return false;
    step(decoder);
    return true;
}

static void on_error(png_structp png, png_const_charp words)
{
    struct png_decoder *decoder = png_get_error_ptr(png);
    snprintf(decoder->words, sizeof decoder->words, "%s", words);
    longjmp(decoder->escape, 1);
}

static void on_warning(png_structp png, png_const_charp words)
{
    (void)png; /* libpng warns about chunks that do not change pixels */
    (void)words;
}

/* Each block carries its size in front, so that the sum of the living ones is known. */
union block_head {
    int64_t n_bytes;
    max_align_t aligned;
};

static png_voidp on_malloc(png_structp png, png_alloc_size_t n_bytes)
{
    struct png_decoder *decoder = png_get_mem_ptr(png);
    int64_t n_left =
        decoder->n_limit - decoder->n_held - (int64_t)sizeof(union block_head);
    if (n_left < 0 || n_bytes > (uint64_t)n_left) {
        decoder->has_no_memory = true;
        return NULL;
    }
    union block_head *head = malloc(sizeof *head + n_bytes);
    if (!head) {
        decoder->has_no_memory = true;
        return NULL;
    }
    head->n_bytes = (int64_t)(sizeof *head + n_bytes);
    decoder->n_held += head->n_bytes;
    return head + 1;
}

static void on_free(png_structp png, png_voidp block)
{
    if (!block)
        return;
    struct png_decoder *decoder = png_get_mem_ptr(png);
    union block_head *head = (union block_head *)block - 1;
    decoder->n_held -= head->n_bytes;
    assert(decoder->n_held >= 0);
    free(head);
}

/* A short read is a cut file, whatever libpng was looking for. */
static void on_read(png_structp png, png_bytep bytes, size_t n_bytes)
{
    struct png_decoder *decoder = png_get_io_ptr(png);
    if (fread(bytes, 1, n_bytes, decoder->file) != n_bytes)
        png_error(png, "it ends before its last row");
}

static void create_decoder(struct png_decoder *decoder)
{
    decoder->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, decoder, on_error,
                                            on_warning, decoder, on_malloc, on_free);
    if (decoder->png)
        decoder->info = png_create_info_struct(decoder->png);
}

static void read_header(struct png_decoder *decoder)
{
    png_structp png = decoder->png;
    png_set_read_fn(png, decoder, on_read);
    png_set_sig_bytes(png, TESS_IMAGE_MAGIC_BYTES);
    /* Our own limit has the better message. */
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    /* Profiles, texts and gamma do not reach the pixels: skip them unread. */
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(png, decoder->info);
}

/* Everything becomes 8-bit RGB. Keeping the upper byte of 16, and dropping alpha
 * unblended, is what stb_image does and hence darknet. */
static void choose_transforms(struct png_decoder *decoder)
{
    png_structp png = decoder->png;
    png_set_expand(png); /* palette to RGB, fewer than 8 bits to 8 */
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    decoder->n_passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
}

static enum tess_status fail(const struct tess_image *image, struct tess_error *error)
{
    const struct png_decoder *decoder = image->decoder;
    if (decoder->has_no_memory)
        return tess_error_nomem(error);
    return tess_image_fail(image, decoder->words, error);
}

static enum tess_status png_open(struct tess_image *image, struct tess_error *error)
{
    struct png_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return tess_error_nomem(error);
    image->decoder = decoder;
    decoder->file = image->file;
    decoder->n_limit = FIXED_BYTES;
    if (!run_step(decoder, create_decoder) || !decoder->info)
        return tess_error_nomem(error);
    if (!run_step(decoder, read_header))
        return fail(image, error);

    enum tess_status status =
        tess_image_set_size(image, png_get_image_width(decoder->png, decoder->info),
                            png_get_image_height(decoder->png, decoder->info), error);
    if (status != TESS_OK)
        return status;
    decoder->width = image->width;
    decoder->height = image->height;
    /* This row and the one before, at the widest; a bound for zlib's and libpng's
     * padding. */
    decoder->n_limit += 2 * MAX_PIXEL_BYTES * ((int64_t)image->width + 64);
    image->held_bytes = decoder->n_limit + (int64_t)sizeof *decoder;
    if (png_get_interlace_type(decoder->png, decoder->info) != PNG_INTERLACE_NONE)
        image->held_bytes += (int64_t)3 * image->width * image->height;
    return TESS_OK;
}

/* The check costs nothing and guards the caller's row against a surprise in libpng. */
static void start_rows(struct png_decoder *decoder)
{
    choose_transforms(decoder);
    if (png_get_rowbytes(decoder->png, decoder->info) != 3 * (size_t)decoder->width)
        png_error(decoder->png, "its rows are not what its header says");
}

static void read_row(struct png_decoder *decoder)
{
    png_read_row(decoder->png, decoder->rgb_row, NULL);
}

/* libpng wants to see all rows once per pass and fills in the pixels of that pass. */
static void read_passes(struct png_decoder *decoder)
{
    const size_t row_bytes = 3 * (size_t)decoder->width;
    for (int pass = 0; pass < decoder->n_passes; pass++)
        for (int y = 0; y < decoder->height; y++)
            png_read_row(decoder->png, decoder->pixels + (size_t)y * row_bytes, NULL);
}

/* Prepares rows on the first call; decodes all of an interlaced image then. */
static enum tess_status start(struct tess_image *image, struct tess_error *error)
{
    struct png_decoder *decoder = image->decoder;
    if (!run_step(decoder, start_rows))
        return fail(image, error);
    if (decoder->n_passes == 1)
        return TESS_OK;
    decoder->pixels = calloc((size_t)image->height, 3 * (size_t)image->width);
    if (!decoder->pixels)
        return tess_error_nomem(error);
    return run_step(decoder, read_passes) ? TESS_OK : fail(image, error);
}

static enum tess_status png_next_row(struct tess_image *image, unsigned char *rgb_row,
                                     struct tess_error *error)
{
    struct png_decoder *decoder = image->decoder;
    const size_t row_bytes = 3 * (size_t)image->width;
    if (image->next_y == 0) {
        enum tess_status status = start(image, error);
        if (status != TESS_OK)
            return status;
    }
    if (decoder->pixels) {
        memcpy(rgb_row, decoder->pixels + (size_t)image->next_y * row_bytes, row_bytes);
        return TESS_OK;
    }
    decoder->rgb_row = rgb_row;
    return run_step(decoder, read_row) ? TESS_OK : fail(image, error);
}

static void png_close(struct tess_image *image)
{
    struct png_decoder *decoder = image->decoder;
    if (!decoder)
        return;
    png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
    assert(decoder->n_held == 0);
    free(decoder->pixels);
    free(decoder);
}

static const unsigned char png_magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

const struct tess_image_format tess_image_png = {
    .name = "PNG",
    .magic = png_magic,
    .n_magic_bytes = sizeof png_magic,
    .open = png_open,
    .next_row = png_next_row,
    .close = png_close,
};
