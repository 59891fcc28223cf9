#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/image.h"

static enum tess_status check_raw(struct tess_input *input, struct tess_error *error)
{
    struct stat info;
    if (stat(input->raw_path, &info) != 0)
        return tess_error_at(error, TESS_E_IO, input->raw_path, 0, 0, "cannot open: %s",
                             strerror(errno));
    long long wanted = 4LL * input->h * input->w * input->c;
    if (S_ISREG(info.st_mode) && info.st_size != wanted) {
        tess_error_at(
            error, TESS_E_MODEL, input->raw_path, 0, 0,
            "the network reads %lld bytes (%d channels of %dx%d float32), the file "
            "has %lld",
            wanted, input->c, input->h, input->w, (long long)info.st_size);
        return TESS_E_MODEL;
    }
    input->held_bytes = 4LL * input->w;
    return TESS_OK;
}

static enum tess_status check_image(struct tess_input *input, enum tess_fit fit,
                                    struct tess_error *error)
{
    struct tess_image *image = NULL;
    if (input->c != 3) {
        tess_error_set(error, TESS_E_MODEL,
                       "the network reads %d channels, an image has 3", input->c);
        tess_error_hint(error, "use --raw-input");
        return TESS_E_MODEL;
    }
    enum tess_status status = tess_image_open(input->image_path, &image, error);
    if (status != TESS_OK)
        return status;
    tess_letterbox_init(&input->box, fit, tess_image_width(image),
                        tess_image_height(image), input->picture.image_w,
                        input->picture.image_h);
    input->held_bytes =
        tess_image_held_bytes(image) + tess_letterbox_bytes_needed(&input->box);
    tess_image_destroy(image);
    return TESS_OK;
}

enum tess_status tess_input_init(struct tess_input *input, const struct tess_args *args,
                                 const struct tess_graph *graph, struct tess_error *error)
{
    const struct tess_tensor *tensor = &graph->tensors[TESS_GRAPH_INPUT];
    *input = (struct tess_input){.image_path = args->image,
                                 .raw_path = args->raw_input,
                                 .h = tensor->h,
                                 .w = tensor->w,
                                 .c = tensor->c,
                                 .picture = graph->picture,
                                 .fd = -1};
    if (!args->image == !args->raw_input) {
        tess_error_set(error, TESS_E_USAGE,
                       args->image ? "--image and --raw-input exclude each other"
                                   : "nothing to look at");
        tess_error_hint(error, "give --image FILE or --raw-input FILE");
        return TESS_E_USAGE;
    }
    if (args->raw_input)
        return check_raw(input, error);
    if (strcmp(args->fit, "letterbox") == 0)
        return check_image(input, TESS_FIT_LETTERBOX, error);
    if (strcmp(args->fit, "stretch") == 0)
        return check_image(input, TESS_FIT_STRETCH, error);
    tess_error_set(error, TESS_E_USAGE, "--fit %s: expected letterbox or stretch",
                   args->fit);
    return TESS_E_USAGE;
}

static enum tess_status open_image(struct tess_input *input, struct tess_error *error)
{
    enum tess_status status = tess_image_open(input->image_path, &input->image, error);
    if (status != TESS_OK)
        return status;
    if (tess_image_width(input->image) != input->box.image_w ||
        tess_image_height(input->image) != input->box.image_h)
        return tess_error_at(error, TESS_E_IO, input->image_path, 0, 0,
                             "the image changed while it was used");
    input->scratch = malloc((size_t)tess_letterbox_bytes_needed(&input->box));
    if (!input->scratch)
        return tess_error_nomem(error);
    tess_letterbox_stream_init(&input->stream, &input->box, input->image, input->scratch);
    return TESS_OK;
}

static enum tess_status open_raw(struct tess_input *input, struct tess_error *error)
{
    input->fd = open(input->raw_path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0)
        return tess_error_at(error, TESS_E_IO, input->raw_path, 0, 0, "cannot open: %s",
                             strerror(errno));
    input->scratch = malloc(sizeof(float) * (size_t)input->w);
    return input->scratch ? TESS_OK : tess_error_nomem(error);
}

enum tess_status tess_input_open(struct tess_input *input, struct tess_error *error)
{
    tess_input_release(input);
    enum tess_status status =
        input->raw_path ? open_raw(input, error) : open_image(input, error);
    if (status != TESS_OK)
        tess_input_release(input);
    return status;
}

static enum tess_status raw_row(const struct tess_input *input, int y, int c, float *to,
                                size_t stride, struct tess_error *error)
{
    const size_t n_bytes = sizeof(float) * (size_t)input->w;
    char *at = input->scratch;
    off_t offset = ((off_t)c * input->h + y) * (off_t)n_bytes;
    for (size_t n_read = 0; n_read < n_bytes;) {
        ssize_t n =
            pread(input->fd, at + n_read, n_bytes - n_read, offset + (off_t)n_read);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return tess_error_at(error, TESS_E_IO, input->raw_path, 0, 0,
                                 "the file ends in channel %d, row %d", c, y);
        n_read += (size_t)n;
    }
    const float *row = input->scratch;
    for (int x = 0; x < input->w; x++)
        to[(size_t)x * stride] = row[x];
    return TESS_OK;
}

static enum tess_status raw_rows(const struct tess_input *input,
                                 const struct tess_plane *rows, struct tess_error *error)
{
    for (int c = 0; c < rows->channels; c++) {
        for (int y = 0; y < rows->n_rows; y++) {
            enum tess_status status = raw_row(
                input, rows->row + y, c, rows->data + (size_t)y * rows->row_stride + c,
                rows->pixel_stride, error);
            if (status != TESS_OK)
                return status;
        }
    }
    return TESS_OK;
}

enum tess_status tess_input_rows(void *context, const struct tess_plane *rows,
                                 struct tess_error *error)
{
    struct tess_input *input = context;
    double start_us = tess_clock_us();
    enum tess_status status;
    if (input->raw_path) {
        status = raw_rows(input, rows, error);
    } else {
        struct tess_rgb_plane rgb = {.data = rows->data,
                                     .h = rows->n_rows,
                                     .w = rows->n_cols,
                                     .row_stride = (ptrdiff_t)rows->row_stride,
                                     .pixel_stride = (ptrdiff_t)rows->pixel_stride,
                                     .crop_top = input->picture.crop_top + rows->row,
                                     .crop_left = input->picture.crop_left,
                                     .scale = input->picture.scale,
                                     .offset = input->picture.offset};
        status = tess_letterbox_rows(&input->stream, &rgb, error);
    }
    input->read_us += tess_clock_us() - start_us;
    return status;
}

enum tess_status tess_input_finish(struct tess_input *input, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    if (input->image)
        status = tess_letterbox_finish(&input->stream, error);
    tess_input_release(input);
    return status;
}

void tess_input_release(struct tess_input *input)
{
    tess_image_destroy(input->image);
    free(input->scratch);
    if (input->raw_path && input->fd >= 0)
        close(input->fd);
    input->image = NULL;
    input->scratch = NULL;
    input->fd = -1;
}
