#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/image.h"

static enum tess_status check_raw(struct tess_input *input, struct tess_error *error)
{
    struct stat info;
    if (stat(input->raw_path, &info) != 0)
        return tess_error_at(error, TESS_E_IO, input->raw_path, 0, 0, "cannot open: %s",
                             strerror(errno));
    long long wanted = 4LL * input->h * input->w * input->c;
    if (S_ISREG(info.st_mode) && info.st_size != wanted) {
        tess_error_at(error, TESS_E_MODEL, input->raw_path, 0, 0,
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
        tess_error_set(error, TESS_E_MODEL, "the network reads %d channels, an image has 3",
                       input->c);
        tess_error_hint(error, "use --raw-input");
        return TESS_E_MODEL;
    }
    enum tess_status status = tess_image_open(input->image_path, &image, error);
    if (status != TESS_OK)
        return status;
    tess_letterbox_init(&input->box, fit, tess_image_width(image), tess_image_height(image),
                        input->picture.image_w, input->picture.image_h);
    input->held_bytes = tess_image_held_bytes(image) + tess_letterbox_bytes_needed(&input->box);
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
                                 .picture = graph->picture};
    if (!args->image == !args->raw_input) {
        tess_error_set(error, TESS_E_USAGE, args->image
                                                ? "--image and --raw-input exclude each other"
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
    tess_error_set(error, TESS_E_USAGE, "--fit %s: expected letterbox or stretch", args->fit);
    return TESS_E_USAGE;
}

static bool read_all(int fd, void *bytes, size_t n_bytes)
{
    char *at = bytes;
    while (n_bytes > 0) {
        ssize_t n = read(fd, at, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

static enum tess_status fill_raw(const struct tess_input *input, const struct tess_plane *plane,
                                 struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int fd = open(input->raw_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tess_error_at(error, TESS_E_IO, input->raw_path, 0, 0, "cannot open: %s",
                             strerror(errno));
    size_t row_bytes = 4 * (size_t)input->w;
    float *row = malloc(row_bytes);
    if (!row) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int c = 0; c < input->c; c++) {
        for (int y = 0; y < input->h; y++) {
            if (!read_all(fd, row, row_bytes)) {
                status = tess_error_at(error, TESS_E_IO, input->raw_path, 0, 0,
                                       "the file ends in channel %d, row %d", c, y);
                goto out;
            }
            float *to = plane->data + (size_t)y * plane->row_stride + c;
            for (int x = 0; x < input->w; x++)
                to[(size_t)x * plane->pixel_stride] = row[x];
        }
    }
out:
    free(row);
    close(fd);
    return status;
}

enum tess_status tess_input_fill(const struct tess_input *input, const struct tess_plane *plane,
                                 struct tess_error *error)
{
    if (input->raw_path)
        return fill_raw(input, plane, error);
    struct tess_image *image = NULL;
    struct tess_rgb_plane rgb = {.data = plane->data,
                                 .h = input->h,
                                 .w = input->w,
                                 .row_stride = (ptrdiff_t)plane->row_stride,
                                 .pixel_stride = (ptrdiff_t)plane->pixel_stride,
                                 .crop_top = input->picture.crop_top,
                                 .crop_left = input->picture.crop_left,
                                 .scale = input->picture.scale,
                                 .offset = input->picture.offset};
    enum tess_status status = tess_image_open(input->image_path, &image, error);
    if (status != TESS_OK)
        return status;
    void *scratch = malloc((size_t)tess_letterbox_bytes_needed(&input->box));
    if (!scratch)
        status = tess_error_nomem(error);
    else if (tess_image_width(image) != input->box.image_w ||
             tess_image_height(image) != input->box.image_h)
        status = tess_error_at(error, TESS_E_IO, input->image_path, 0, 0,
                               "the image changed while it was used");
    else
        status = tess_letterbox_run(&input->box, image, scratch, &rgb, error);
    free(scratch);
    tess_image_destroy(image);
    return status;
}
