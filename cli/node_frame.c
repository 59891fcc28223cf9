#include "cli/node_frame.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/image.h"

static float level(int byte)
{
    return (float)(byte / 255.); /* divided in double, as photographs are */
}

static int64_t n_values(const struct tess_frame_input *input)
{
    return (int64_t)input->h * input->w * input->c;
}

void tess_frame_input_plain(struct tess_frame_input *input,
                            const struct tess_graph *graph, bool is_bytes)
{
    const struct tess_tensor *tensor = &graph->tensors[TESS_GRAPH_INPUT];
    *input =
        (struct tess_frame_input){.kind = is_bytes ? TESS_FRAME_BYTES : TESS_FRAME_FLOATS,
                                  .h = tensor->h,
                                  .w = tensor->w,
                                  .c = tensor->c,
                                  .picture = graph->picture};
}

void tess_frame_input_photo(struct tess_frame_input *input,
                            const struct tess_graph *graph, enum tess_fit fit,
                            int photo_w, int photo_h)
{
    tess_frame_input_plain(input, graph, true);
    assert(input->c == 3);
    input->kind = TESS_FRAME_PHOTO;
    tess_letterbox_init(&input->box, fit, photo_w, photo_h, graph->picture.image_w,
                        graph->picture.image_h);
}

/* --- text --- */

void tess_frame_input_write(const struct tess_frame_input *input,
                            struct tess_text *text_out)
{
    if (input->kind == TESS_FRAME_PHOTO)
        tess_text_printf(text_out, "photo %dx%d %s", input->box.image_w,
                         input->box.image_h,
                         input->box.fit == TESS_FIT_STRETCH ? "stretch" : "letterbox");
    else
        tess_text_printf(text_out, "%s",
                         input->kind == TESS_FRAME_BYTES ? "bytes" : "floats");
}

enum tess_status tess_frame_input_read(struct tess_frame_input *input, const char *text,
                                       const struct tess_graph *graph,
                                       struct tess_error *error)
{
    char width[16] = "", height[16] = "", fit[16] = "";
    int64_t w = 0, h = 0;
    int n_used = 0;
    bool is_bytes = strcmp(text, "bytes") == 0;
    if (is_bytes || strcmp(text, "floats") == 0) {
        tess_frame_input_plain(input, graph, is_bytes);
        return TESS_OK;
    }
    bool is_stretched = false, is_photo = false;
    if (sscanf(text, "photo %15[0-9]x%15[0-9] %15[a-z]%n", width, height, fit, &n_used) ==
            3 &&
        text[n_used] == '\0') {
        is_stretched = strcmp(fit, "stretch") == 0;
        is_photo = (is_stretched || strcmp(fit, "letterbox") == 0) &&
                   tess_parse_i64(width, 1, TESS_IMAGE_MAX_SIDE, &w) &&
                   tess_parse_i64(height, 1, TESS_IMAGE_MAX_SIDE, &h);
    }
    if (!is_photo || graph->tensors[TESS_GRAPH_INPUT].c != 3)
        return tess_error_set(error, TESS_E_CONFIG,
                              "the input of frames is not understood: %.60s", text);
    tess_frame_input_photo(input, graph,
                           is_stretched ? TESS_FIT_STRETCH : TESS_FIT_LETTERBOX, (int)w,
                           (int)h);
    return TESS_OK;
}

/* --- the work's view --- */

static struct tess_range photo_rows(const void *context, struct tess_range rows)
{
    const struct tess_frame_input *input = context;
    int first, n, top = input->picture.crop_top;
    tess_letterbox_source_rows(&input->box, top + rows.begin, top + rows.end, &first, &n);
    return (struct tess_range){first, first + n};
}

bool tess_frame_input_work(const struct tess_frame_input *input,
                           struct tess_cluster_input *work_out)
{
    if (input->kind != TESS_FRAME_PHOTO)
        return false;
    *work_out = (struct tess_cluster_input){
        {input->box.image_h, input->box.image_w, 3, 1}, photo_rows, input};
    return true;
}

int64_t tess_frame_input_bytes(const struct tess_frame_input *input)
{
    if (input->kind == TESS_FRAME_PHOTO)
        return 3LL * input->box.image_h * input->box.image_w;
    return n_values(input) * (input->kind == TESS_FRAME_BYTES ? 1 : 4);
}

/* --- files --- */

static enum tess_status load_photo(const struct tess_frame_input *input, const char *path,
                                   unsigned char *rgb_out, struct tess_error *error)
{
    struct tess_image *image = NULL;
    enum tess_status status = tess_image_open(path, &image, error);
    if (status != TESS_OK)
        return status;
    if (tess_image_width(image) != input->box.image_w ||
        tess_image_height(image) != input->box.image_h)
        status = tess_error_at(error, TESS_E_IO, path, 0, 0,
                               "this photograph has %dx%d pixels, the frames have %dx%d",
                               tess_image_width(image), tess_image_height(image),
                               input->box.image_w, input->box.image_h);
    for (int y = 0; y < input->box.image_h && status == TESS_OK; y++)
        status = tess_image_next_row(
            image, rgb_out + 3 * (size_t)y * (size_t)input->box.image_w, error);
    tess_image_destroy(image);
    return status;
}

/* A photograph of any size, fitted here. */
static enum tess_status fit_photo(const struct tess_frame_input *input, const char *path,
                                  float *tensor_out, struct tess_error *error)
{
    struct tess_image *image = NULL;
    struct tess_letterbox box;
    enum tess_status status = tess_image_open(path, &image, error);
    if (status != TESS_OK)
        return status;
    tess_letterbox_init(&box, input->fit, tess_image_width(image),
                        tess_image_height(image), input->picture.image_w,
                        input->picture.image_h);
    void *scratch = malloc((size_t)tess_letterbox_bytes_needed(&box));
    struct tess_rgb_plane rgb = {.data = tensor_out,
                                 .h = input->h,
                                 .w = input->w,
                                 .row_stride = 3 * (ptrdiff_t)input->w,
                                 .pixel_stride = 3,
                                 .crop_top = input->picture.crop_top,
                                 .crop_left = input->picture.crop_left,
                                 .scale = input->picture.scale,
                                 .offset = input->picture.offset};
    status = scratch ? tess_letterbox_run(&box, image, scratch, &rgb, error)
                     : tess_error_nomem(error);
    free(scratch);
    tess_image_destroy(image);
    return status;
}

/* All values of a raw file, planar: new. */
static enum tess_status read_raw(const struct tess_frame_input *input, const char *path,
                                 float **values_out, struct tess_error *error)
{
    size_t n = (size_t)n_values(input);
    FILE *file = fopen(path, "rbe");
    if (!file)
        return tess_error_at(error, TESS_E_IO, path, 0, 0, "cannot open: %s",
                             strerror(errno));
    float *values = malloc(sizeof *values * n);
    size_t n_read = values ? fread(values, sizeof *values, n, file) : 0;
    bool is_right = n_read == n && fgetc(file) == EOF && !ferror(file);
    fclose(file);
    if (!values)
        return tess_error_nomem(error);
    if (!is_right) {
        free(values);
        return tess_error_at(
            error, TESS_E_MODEL, path, 0, 0,
            "the network reads %lld bytes (%d channels of %dx%d float32), "
            "the file has %s",
            (long long)n * 4, input->c, input->h, input->w,
            n_read < n ? "fewer" : "more");
    }
    *values_out = values;
    return TESS_OK;
}

/* The level of a value; -1 if it is none. */
static int find_level(float value)
{
    if (!(value >= 0 && value <= 1))
        return -1;
    int byte = (int)(value * 255 + 0.5f);
    float found = level(byte);
    return memcmp(&found, &value, sizeof value) == 0 ? byte : -1;
}

enum tess_status tess_frame_input_detect(struct tess_frame_input *input,
                                         const struct tess_graph *graph, const char *path,
                                         struct tess_error *error)
{
    float *values = NULL;
    tess_frame_input_plain(input, graph, true);
    enum tess_status status = read_raw(input, path, &values, error);
    for (int64_t i = 0; i < n_values(input) && status == TESS_OK; i++)
        if (find_level(values[i]) < 0)
            input->kind = TESS_FRAME_FLOATS;
    free(values);
    return status;
}

static enum tess_status load_raw(const struct tess_frame_input *input, const char *path,
                                 void *tensor_out, struct tess_error *error)
{
    size_t plane = (size_t)input->h * (size_t)input->w, channels = (size_t)input->c;
    unsigned char *bytes = tensor_out;
    float *floats = tensor_out, *values = NULL;
    enum tess_status status = read_raw(input, path, &values, error);
    for (size_t c = 0; c < channels && status == TESS_OK; c++)
        for (size_t i = 0; i < plane && status == TESS_OK; i++) {
            float value = values[c * plane + i];
            int byte = input->kind == TESS_FRAME_BYTES ? find_level(value) : 0;
            if (byte < 0)
                status = tess_error_at(error, TESS_E_IO, path, 0, 0,
                                       "the file changed while it was used");
            else if (input->kind == TESS_FRAME_BYTES)
                bytes[i * channels + c] = (unsigned char)byte;
            else
                floats[i * channels + c] = value;
        }
    free(values);
    return status;
}

enum tess_status tess_frame_input_load(const struct tess_frame_input *input,
                                       const char *path, void *tensor_out,
                                       struct tess_error *error)
{
    if (input->is_fitted)
        return fit_photo(input, path, tensor_out, error);
    return input->kind == TESS_FRAME_PHOTO ? load_photo(input, path, tensor_out, error)
                                           : load_raw(input, path, tensor_out, error);
}

/* --- rows of a tile --- */

enum tess_status tess_frame_rows_init(struct tess_frame_rows *rows,
                                      const struct tess_frame_input *input,
                                      const struct tess_region *region, const void *part,
                                      struct tess_error *error)
{
    *rows = (struct tess_frame_rows){.input = input, .region = *region, .part = part};
    for (int i = 0; i < TESS_LETTERBOX_LEVELS; i++)
        rows->levels[i] = level(i);
    if (input->kind != TESS_FRAME_PHOTO)
        return TESS_OK;
    struct tess_range has = photo_rows(input, region->axis[TESS_ROWS]);
    enum tess_status status =
        tess_image_open_rows(part, input->box.image_w, input->box.image_h, has.begin,
                             tess_range_len(has), &rows->image, error);
    if (status != TESS_OK)
        return status;
    rows->scratch = malloc((size_t)tess_letterbox_bytes_needed(&input->box));
    if (!rows->scratch)
        return tess_error_nomem(error);
    tess_letterbox_stream_init(&rows->stream, &input->box, rows->image, rows->scratch);
    return TESS_OK;
}

void tess_frame_rows_release(struct tess_frame_rows *rows)
{
    tess_image_destroy(rows->image);
    free(rows->scratch);
    memset(rows, 0, sizeof *rows);
}

static enum tess_status fit_rows(struct tess_frame_rows *rows,
                                 const struct tess_plane *to, struct tess_error *error)
{
    const struct tess_picture *picture = &rows->input->picture;
    struct tess_rgb_plane rgb = {
        .data = to->data,
        .h = to->n_rows,
        .w = to->n_cols,
        .row_stride = (ptrdiff_t)to->row_stride,
        .pixel_stride = (ptrdiff_t)to->pixel_stride,
        .crop_top = picture->crop_top + rows->region.axis[TESS_ROWS].begin + to->row,
        .crop_left = picture->crop_left + rows->region.axis[TESS_COLS].begin + to->col,
        .scale = picture->scale,
        .offset = picture->offset};
    return tess_letterbox_rows(&rows->stream, &rgb, error);
}

enum tess_status tess_frame_rows_read(void *context, const struct tess_plane *to,
                                      struct tess_error *error)
{
    struct tess_frame_rows *rows = context;
    const struct tess_frame_input *input = rows->input;
    if (input->kind == TESS_FRAME_PHOTO)
        return fit_rows(rows, to, error);
    size_t channels = (size_t)input->c;
    size_t width = (size_t)tess_range_len(rows->region.axis[TESS_COLS]) * channels;
    for (int y = 0; y < to->n_rows; y++)
        for (int x = 0; x < to->n_cols; x++) {
            size_t at = (size_t)(to->row + y) * width + (size_t)(to->col + x) * channels;
            float *pixel =
                to->data + (size_t)y * to->row_stride + (size_t)x * to->pixel_stride;
            for (size_t c = 0; c < channels; c++)
                pixel[c] = input->kind == TESS_FRAME_BYTES
                               ? rows->levels[((const unsigned char *)rows->part)[at + c]]
                               : ((const float *)rows->part)[at + c];
        }
    return TESS_OK;
}

int64_t tess_frame_rows_bytes(const struct tess_frame_input *input)
{
    enum { IMAGE_BYTES = 4096 };
    return input->kind == TESS_FRAME_PHOTO
               ? tess_letterbox_bytes_needed(&input->box) + IMAGE_BYTES
               : 0;
}
