/* What image.c and the decoders image_jpeg.c, image_png.c share. Private to them.
 */
#ifndef TESS_CLI_IMAGE_PRIV_H
#define TESS_CLI_IMAGE_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/image.h"

enum {
    TESS_IMAGE_MAGIC_BYTES = 8, /* read by image.c to choose the format */
    TESS_IMAGE_READ_BYTES =
        4096 /* decoders read the file in pieces of this size at most */
};

struct tess_image_format;

struct tess_image {
    const struct tess_image_format *format;
    void *decoder; /* the format's own state */
    FILE *file;    /* positioned after the magic bytes when a format opens */
    char *name;    /* for messages */
    unsigned char magic[TESS_IMAGE_MAGIC_BYTES];
    int width, height;
    int64_t held_bytes;
    int next_y;     /* row that comes next */
    bool is_broken; /* a row failed */
};

/* One format. `open` reads the header, and sets `decoder`, `width`, `height` and
 * `held_bytes` (of the decoder alone); after a failure of `open`, `close` is called all
 * the same. */
struct tess_image_format {
    const char *name;
    const unsigned char *magic;
    int n_magic_bytes;
    enum tess_status (*open)(struct tess_image *image, struct tess_error *error);
    enum tess_status (*next_row)(struct tess_image *image, unsigned char *rgb_row,
                                 struct tess_error *error);
    void (*close)(struct tess_image *image);
};

extern const struct tess_image_format tess_image_jpeg;
extern const struct tess_image_format tess_image_png;

/* Records that the file cannot be decoded, with the decoder's own words. */
enum tess_status tess_image_fail(const struct tess_image *image, const char *words,
                                 struct tess_error *error);

/* Checks the size that a header claims, before anything of that size is allocated, and
 * stores it. TESS_E_IO. */
enum tess_status tess_image_set_size(struct tess_image *image, int64_t width,
                                     int64_t height, struct tess_error *error);

#endif
