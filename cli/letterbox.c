/* Problem: resize an image that is never in memory as a whole, with the very floats that
 * a resize of the whole image gives.
 *
 * Method: darknet resizes in two passes: every row to the new width, then columns to the
 * new height, where new row r mixes the resized rows iy = floor(r * h_scale) and iy + 1.
 * iy never falls as r grows, so reading forward and keeping two resized rows is enough.
 * Row y lives in slot y % 2; neighbours never share one.
 *
 * Cost: one read of the image; at most 2 * fitted_h rows are resized.
 *
 * Worked example: 5 rows become 3, h_scale = (5 - 1) / (3 - 1) = 2: new row 0 reads rows
 * 0 and 1, new row 1 reads 2 and 3, new row 2, the last, reads 4 alone.
 *
 * Reference: src/image.c of darknet, resize_image() and letterbox_image().
 */
#include "cli/letterbox.h"

#include <assert.h>
#include <stdbool.h>

#include "base/arith.h"

enum { N_CHANNELS = 3 };

static const float padding = 0.5f;

void tess_letterbox_init(struct tess_letterbox *box, enum tess_fit fit, int image_w,
                         int image_h, int net_w, int net_h)
{
    assert(image_w >= 1 && image_w <= TESS_IMAGE_MAX_SIDE);
    assert(image_h >= 1 && image_h <= TESS_IMAGE_MAX_SIDE);
    assert(net_w >= 1 && net_h >= 1);
    int fitted_w = net_w, fitted_h = net_h;
    if (fit == TESS_FIT_LETTERBOX) {
        if ((float)net_w / (float)image_w < (float)net_h / (float)image_h)
            fitted_h = (int)((int64_t)image_h * net_w / image_w);
        else
            fitted_w = (int)((int64_t)image_w * net_h / image_h);
    }
    fitted_w = tess_max_int(1, fitted_w);
    fitted_h = tess_max_int(1, fitted_h);
    assert(fitted_w <= net_w && fitted_h <= net_h);
    *box = (struct tess_letterbox){
        .fit = fit,
        .image_w = image_w,
        .image_h = image_h,
        .net_w = net_w,
        .net_h = net_h,
        .fitted_w = fitted_w,
        .fitted_h = fitted_h,
        .left = (net_w - fitted_w) / 2,
        .top = (net_h - fitted_h) / 2,
    };
}

void tess_rgb_plane_init(struct tess_rgb_plane *plane, const struct tess_letterbox *box,
                         float *data)
{
    *plane = (struct tess_rgb_plane){
        .data = data,
        .row_stride = (ptrdiff_t)box->net_w * N_CHANNELS,
        .pixel_stride = N_CHANNELS,
        .h = box->net_h,
        .w = box->net_w,
        .scale = 1,
    };
}

int64_t tess_letterbox_bytes_needed(const struct tess_letterbox *box)
{
    int64_t slot_bytes = (int64_t)box->fitted_w * N_CHANNELS * (int64_t)sizeof(float);
    return 2 * slot_bytes + (int64_t)box->image_w * N_CHANNELS;
}

/* darknet divides by new - 1 and never looks at the result where new is 1. Zero keeps
 * that case finite. */
static float scale_of(int n_old, int n_new)
{
    return n_new == 1 ? 0 : (float)(n_old - 1) / (float)(n_new - 1);
}

static void resize_row(const struct tess_letterbox_stream *stream, float *resized)
{
    const int old_w = stream->box->image_w, new_w = stream->box->fitted_w;
    const float *levels = stream->levels;
    const float scale = scale_of(old_w, new_w);
    for (int x = 0; x < new_w; x++, resized += N_CHANNELS) {
        if (x == new_w - 1 || old_w == 1) {
            const unsigned char *last = stream->rgb_row + (old_w - 1) * N_CHANNELS;
            for (int c = 0; c < N_CHANNELS; c++)
                resized[c] = levels[last[c]];
            continue;
        }
        float sx = (float)x * scale;
        int ix = (int)sx;
        float dx = sx - (float)ix;
        const unsigned char *at = stream->rgb_row + ix * N_CHANNELS;
        assert(ix + 1 < old_w);
        for (int c = 0; c < N_CHANNELS; c++)
            resized[c] = (1 - dx) * levels[at[c]] + dx * levels[at[c + N_CHANNELS]];
    }
}

/* Reads the photograph until its next row is `end`; the last one read stays in rgb_row. */
static enum tess_status read_rows(struct tess_letterbox_stream *stream, int end,
                                  struct tess_error *error)
{
    while (stream->next_y < end) {
        enum tess_status status =
            tess_image_next_row(stream->image, stream->rgb_row, error);
        if (status != TESS_OK)
            return status;
        stream->next_y++;
    }
    return TESS_OK;
}

/* Reads forward to image row `y` and resizes it, unless its slot has it already. */
static enum tess_status fetch_row(struct tess_letterbox_stream *stream, int y,
                                  struct tess_error *error)
{
    const int slot = y % 2;
    if (stream->slot_y[slot] == y)
        return TESS_OK;
    assert(stream->next_y <= y); /* rows are asked for in ascending order */
    enum tess_status status = read_rows(stream, y + 1, error);
    if (status != TESS_OK)
        return status;
    resize_row(stream, stream->slots[slot]);
    stream->slot_y[slot] = y;
    return TESS_OK;
}

/* Writes padding to columns [begin, end) of row `y` of the uncropped image, as far as the
 * plane has them. */
static void pad_pixels(const struct tess_letterbox_stream *stream, int y, int begin,
                       int end)
{
    const struct tess_rgb_plane *plane = stream->plane;
    const int row = y - plane->crop_top;
    if (row < 0 || row >= plane->h)
        return;
    begin = tess_max_int(0, begin - plane->crop_left);
    end = tess_min_int(plane->w, end - plane->crop_left);
    for (int x = begin; x < end; x++) {
        float *pixel = plane->data + row * plane->row_stride + x * plane->pixel_stride;
        for (int c = 0; c < N_CHANNELS; c++)
            pixel[c] = padding * plane->scale + plane->offset;
    }
}

/* Mixes two resized rows into row `r` of the fitted image, as far as the plane has it. */
static void mix_rows(const struct tess_letterbox_stream *stream, int r,
                     const float *upper, const float *lower, float dy)
{
    const struct tess_letterbox *box = stream->box;
    const struct tess_rgb_plane *plane = stream->plane;
    const int row = box->top + r - plane->crop_top;
    const int left = box->left - plane->crop_left; /* of the fitted image in the plane */
    if (row < 0 || row >= plane->h)
        return;
    const int end = tess_min_int(plane->w, left + box->fitted_w);
    for (int x = tess_max_int(0, left); x < end; x++) {
        float *pixel = plane->data + row * plane->row_stride + x * plane->pixel_stride;
        for (int c = 0; c < N_CHANNELS; c++) {
            const int i = (x - left) * N_CHANNELS + c;
            float value = (1 - dy) * upper[i];
            if (lower)
                value += dy * lower[i];
            pixel[c] = value * plane->scale + plane->offset;
        }
    }
}

/* The image row that fitted row `r` begins at, and how far it is on its way to the next. */
static int source_row(const struct tess_letterbox *box, int r, float *way_out)
{
    const float sy = (float)r * scale_of(box->image_h, box->fitted_h);
    const int iy = (int)sy;
    *way_out = sy - (float)iy;
    return iy;
}

/* The last row mixes nothing in, even where rounding left it short of a whole number:
 * darknet's habit, kept because the network's input must be darknet's. */
static bool is_last_row(const struct tess_letterbox *box, int r)
{
    return r == box->fitted_h - 1 || box->image_h == 1;
}

/* Writes row `r` of the fitted image, and the padding left and right of it. */
static enum tess_status write_row(struct tess_letterbox_stream *stream, int r,
                                  struct tess_error *error)
{
    const struct tess_letterbox *box = stream->box;
    const bool is_last = is_last_row(box, r);
    float way;
    const int iy = source_row(box, r, &way);
    enum tess_status status = fetch_row(stream, iy, error);
    if (status == TESS_OK && !is_last)
        status = fetch_row(stream, iy + 1, error);
    if (status != TESS_OK)
        return status;
    const float *lower = is_last ? NULL : stream->slots[(iy + 1) % 2];
    mix_rows(stream, r, stream->slots[iy % 2], lower, way);
    pad_pixels(stream, box->top + r, 0, box->left);
    pad_pixels(stream, box->top + r, box->left + box->fitted_w, box->net_w);
    return TESS_OK;
}

void tess_letterbox_source_rows(const struct tess_letterbox *box, int begin, int end,
                                int *first_out, int *n_out)
{
    float way;
    int first = tess_max_int(begin - box->top, 0);
    int last = tess_min_int(end - box->top, box->fitted_h) - 1;
    *first_out = 0;
    *n_out = 1;
    if (first > last)
        return; /* padding only */
    *first_out = source_row(box, first, &way);
    *n_out = source_row(box, last, &way) + !is_last_row(box, last) + 1 - *first_out;
}

void tess_letterbox_stream_init(struct tess_letterbox_stream *stream,
                                const struct tess_letterbox *box,
                                struct tess_image *image, void *scratch)
{
    assert(tess_image_width(image) == box->image_w);
    assert(tess_image_height(image) == box->image_h);
    assert((uintptr_t)scratch % _Alignof(float) == 0);
    const int slot_elems = box->fitted_w * N_CHANNELS;
    *stream = (struct tess_letterbox_stream){
        .box = box,
        .image = image,
        .slots = {scratch, (float *)scratch + slot_elems},
        .slot_y = {-1, -1},
        .rgb_row = (unsigned char *)((float *)scratch + 2 * (ptrdiff_t)slot_elems),
    };
    for (int i = 0; i < TESS_LETTERBOX_LEVELS; i++)
        stream->levels[i] = (float)(i / 255.); /* divided in double, as darknet does */
}

enum tess_status tess_letterbox_rows(struct tess_letterbox_stream *stream,
                                     const struct tess_rgb_plane *plane,
                                     struct tess_error *error)
{
    const struct tess_letterbox *box = stream->box;
    assert(plane->crop_top >= 0 && plane->crop_top + plane->h <= box->net_h);
    assert(plane->crop_left >= 0 && plane->crop_left + plane->w <= box->net_w);
    stream->plane = plane;
    for (int y = plane->crop_top; y < plane->crop_top + plane->h; y++) {
        if (y < box->top || y >= box->top + box->fitted_h) {
            pad_pixels(stream, y, 0, box->net_w);
            continue;
        }
        enum tess_status status = write_row(stream, y - box->top, error);
        if (status != TESS_OK)
            return status;
    }
    return TESS_OK;
}

enum tess_status tess_letterbox_finish(struct tess_letterbox_stream *stream,
                                       struct tess_error *error)
{
    return read_rows(stream, stream->box->image_h, error);
}

enum tess_status tess_letterbox_run(const struct tess_letterbox *box,
                                    struct tess_image *image, void *scratch,
                                    const struct tess_rgb_plane *plane,
                                    struct tess_error *error)
{
    struct tess_letterbox_stream stream;
    tess_letterbox_stream_init(&stream, box, image, scratch);
    enum tess_status status = tess_letterbox_rows(&stream, plane, error);
    return status == TESS_OK ? tess_letterbox_finish(&stream, error) : status;
}
