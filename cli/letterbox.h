/* A photograph fitted to a network's input, row by row.
 *
 * Two habits exist. darknet keeps the aspect ratio and pads with grey ("letterbox"); the
 * AlexeyAB fork and OpenCV pull the image to the network's shape ("stretch"). Both resize
 * as darknet's resize_image() does, to the last bit: bilinear, corners aligned, first
 * along rows, then along columns, in float.
 *
 * The geometry is fixed by tess_letterbox_init(); detect.h needs it again to bring boxes
 * back. Nothing here allocates: ask tess_letterbox_bytes_needed(), place, run. Decoding
 * is image.h's.
 */
#ifndef TESS_CLI_LETTERBOX_H
#define TESS_CLI_LETTERBOX_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "cli/image.h"

enum tess_fit {
    TESS_FIT_LETTERBOX, /* keep the aspect ratio, pad with 0.5 */
    TESS_FIT_STRETCH    /* fill the network's input */
};

struct tess_letterbox {
    enum tess_fit fit;
    int image_w, image_h;   /* pixels of the photograph */
    int net_w, net_h;       /* pixels of the image that the network asks for, uncropped */
    int fitted_w, fitted_h; /* pixels of the photograph inside that image */
    int left, top;          /* where it begins there */
};

/* The network's input, [h][w][3] floats R, G, B: what `crop_top` and `crop_left` leave of
 * the fitted image, each value v from 0 to 1 turned into v * scale + offset. Networks
 * without a [crop] layer take all of it as it is (tess_rgb_plane_init). Strides count
 * floats, so that rows may be padded and pixels may be wider than three channels. */
struct tess_rgb_plane {
    float *data;
    ptrdiff_t row_stride;
    ptrdiff_t pixel_stride;
    int h, w;
    int crop_top, crop_left;
    float scale, offset;
};

/* Fits image_w x image_h into net_w x net_h; all sides are at least 1. Where darknet's
 * integer division leaves no pixel of a very long image, one row or column is kept. */
void tess_letterbox_init(struct tess_letterbox *box, enum tess_fit fit, int image_w,
                         int image_h, int net_w, int net_h);

/* A dense plane of net_h x net_w pixels at `data`, borrowed; set other fields afterwards.
 */
void tess_rgb_plane_init(struct tess_rgb_plane *plane, const struct tess_letterbox *box,
                         float *data);

/* Bytes of scratch memory that a run needs: two resized rows and one row of the image. */
int64_t tess_letterbox_bytes_needed(const struct tess_letterbox *box);

enum { TESS_LETTERBOX_LEVELS = 256 };

/* A photograph being fitted, some rows at a time. */
struct tess_letterbox_stream {
    const struct tess_letterbox *box;    /* borrowed */
    struct tess_image *image;            /* borrowed */
    const struct tess_rgb_plane *plane;  /* of the call in progress */
    float levels[TESS_LETTERBOX_LEVELS]; /* a byte as a fraction of 1 */
    float *slots[2];        /* [fitted_w][3] resized rows, in the scratch memory */
    int slot_y[2];          /* the image row that a slot holds, -1 for none */
    unsigned char *rgb_row; /* [image_w][3], in the scratch memory */
    int next_y;             /* the image row that comes next */
};

/* Starts on `image`, freshly opened and of the size given to tess_letterbox_init. `scratch` is
 * aligned for float. All arguments are borrowed until the stream is no longer used. */
void tess_letterbox_stream_init(struct tess_letterbox_stream *stream,
                                const struct tess_letterbox *box,
                                struct tess_image *image, void *scratch);

/* Writes every pixel of `plane`, which must begin at or below the end of the plane before. Errors
 * are those of tess_image_next_row(); `plane` is then undefined. */
enum tess_status tess_letterbox_rows(struct tess_letterbox_stream *stream,
                                     const struct tess_rgb_plane *plane,
                                     struct tess_error *error);

/* Reads what is left of the photograph: where it turns out damaged, the rows written may be so
 * too. */
enum tess_status tess_letterbox_finish(struct tess_letterbox_stream *stream,
                                       struct tess_error *error);

/* The rows [*first_out, *first_out + *n_out) of the photograph, at least one, that rows [begin,
 * end) of the uncropped image are made from. */
void tess_letterbox_source_rows(const struct tess_letterbox *box, int begin, int end,
                                int *first_out, int *n_out);

/* All three in one: fits the whole photograph into `plane`. */
enum tess_status tess_letterbox_run(const struct tess_letterbox *box,
                                    struct tess_image *image, void *scratch,
                                    const struct tess_rgb_plane *plane,
                                    struct tess_error *error);

#endif
