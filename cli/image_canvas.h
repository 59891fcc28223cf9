/* A whole image in memory, to draw on and to save.
 *
 * It costs three bytes per pixel: load it when the network's memory is free again, and
 * only for an annotated copy. A network's input is read row by row instead (image.h,
 * letterbox.h).
 */
#ifndef TESS_CLI_IMAGE_CANVAS_H
#define TESS_CLI_IMAGE_CANVAS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct tess_canvas {
    int width, height;  /* pixels; 1 to TESS_IMAGE_MAX_SIDE */
    unsigned char *rgb; /* [height][width][3] bytes R, G, B; owned */
};

/* A black canvas. TESS_E_NOMEM. On success the caller releases. */
enum tess_status tess_canvas_init(struct tess_canvas *canvas, int width, int height,
                                  struct tess_error *error);

/* Reads a JPEG or PNG as tess_image_open does, with its errors. On success the caller
 * releases. */
enum tess_status tess_canvas_load(const char *path, struct tess_canvas *canvas_out,
                                  struct tess_error *error);

void tess_canvas_release(struct tess_canvas *canvas); /* accepts NULL and zeroed memory */

/* Can a canvas be saved under this name: does it end in .png, .jpg or .jpeg, in any case?
 */
bool tess_canvas_can_save(const char *path);

/* Writes the format that the suffix names; readers of `path` see the old file or the new
 * one, never a part. TESS_E_USAGE for another suffix, TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_canvas_save(const struct tess_canvas *canvas, const char *path,
                                  struct tess_error *error);

#endif
