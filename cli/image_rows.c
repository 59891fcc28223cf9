#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/image_priv.h"

/* What is in memory of an image. */
struct rows {
    const unsigned char *rgb;
    int first_row, n_rows;
};

static enum tess_status next_row(struct tess_image *image, unsigned char *rgb_row,
                                 struct tess_error *error)
{
    const struct rows *rows = image->decoder;
    int row = image->next_y - rows->first_row;
    size_t row_bytes = 3 * (size_t)image->width;
    (void)error;
    if (row >= 0 && row < rows->n_rows)
        memcpy(rgb_row, rows->rgb + (size_t)row * row_bytes, row_bytes);
    return TESS_OK;
}

static void close_rows(struct tess_image *image)
{
    free(image->decoder);
}

static const struct tess_image_format format = {
    .name = "plain", .next_row = next_row, .close = close_rows};

enum tess_status tess_image_open_rows(const unsigned char *rgb, int width, int height,
                                      int first_row, int n_rows,
                                      struct tess_image **image_out,
                                      struct tess_error *error)
{
    assert(width >= 1 && width <= TESS_IMAGE_MAX_SIDE);
    assert(height >= 1 && height <= TESS_IMAGE_MAX_SIDE);
    assert(first_row >= 0 && n_rows >= 1 && first_row + n_rows <= height);
    struct tess_image *image = calloc(1, sizeof *image);
    struct rows *rows = malloc(sizeof *rows);
    if (!image || !rows) {
        free(image);
        free(rows);
        return tess_error_nomem(error);
    }
    *rows = (struct rows){rgb, first_row, n_rows};
    image->format = &format;
    image->decoder = rows;
    image->width = width;
    image->height = height;
    image->held_bytes = (int64_t)(sizeof *image + sizeof *rows);
    *image_out = image;
    return TESS_OK;
}
