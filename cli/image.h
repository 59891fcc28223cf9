/* Photographs, read one row at a time: JPEG and PNG in, 8-bit RGB rows out.
 *
 * The format is told from the first bytes of the file, never from its name. Whatever the
 * file holds (grey, palette, CMYK, 16 bits, alpha) becomes RGB: grey is copied to three
 * channels, of 16 bits the upper 8 are kept, alpha is dropped without blending, gamma and
 * colour profiles are ignored. EXIF orientation is ignored too. All of that is what
 * darknet sees, so that boxes agree with its boxes.
 *
 * A whole image is held only where the format forces it: the coefficients of a JPEG in
 * several scans (progressive), the pixels of an interlaced PNG. tess_image_held_bytes()
 * tells before that memory is taken. A damaged or truncated file is an error, never a
 * half-grey image.
 *
 * Not here: images as one block and writing them (image_canvas.h), resizing
 * (letterbox.h).
 */
#ifndef TESS_CLI_IMAGE_H
#define TESS_CLI_IMAGE_H

#include <stdint.h>

#include "base/error.h"

/* Longest side of an image in pixels. Nothing a camera makes is longer, and it keeps
 * every product of sides below 2^28. */
enum { TESS_IMAGE_MAX_SIDE = 16384 };

struct tess_image;

/* Opens an image and reads its header; "-" is standard input. Errors name `path`:
 * TESS_E_IO if it cannot be read, is neither JPEG nor PNG, is damaged or too large;
 * TESS_E_NOMEM. On success the caller destroys. Cost: the header only. */
enum tess_status tess_image_open(const char *path, struct tess_image **image_out,
                                 struct tess_error *error);

/* The same from memory, borrowed until the image is destroyed. */
enum tess_status tess_image_open_memory(const void *bytes, int64_t n_bytes,
                                        struct tess_image **image_out,
                                        struct tess_error *error);

/* An image of width x height of which rows [first_row, first_row + n_rows) are in memory, at
 * `rgb` [n_rows][width][3], borrowed; the others are read as whatever they may be. For those
 * who know which rows they need. TESS_E_NOMEM. */
enum tess_status tess_image_open_rows(const unsigned char *rgb, int width, int height,
                                      int first_row, int n_rows,
                                      struct tess_image **image_out,
                                      struct tess_error *error);

void tess_image_destroy(struct tess_image *image); /* accepts NULL */

/* Pixels; 1 to TESS_IMAGE_MAX_SIDE. */
int tess_image_width(const struct tess_image *image);
int tess_image_height(const struct tess_image *image);

/* Upper bound of the heap that this image holds at any time until it is destroyed:
 * decoder state, row buffers, and the whole image where the format forces it. The row
 * that the caller provides is not in it. The decoders are kept to it: one that wants more
 * fails. */
int64_t tess_image_held_bytes(const struct tess_image *image);

/* Writes the next row, [width][3] bytes R, G, B, top row first. Asserts that one is left.
 * TESS_E_IO if the file is damaged or ends early, TESS_E_NOMEM; `rgb_row` is then
 * undefined and every further call fails. The first call of a progressive or interlaced
 * image decodes all of it. */
enum tess_status tess_image_next_row(struct tess_image *image, unsigned char *rgb_row,
                                     struct tess_error *error);

#endif
