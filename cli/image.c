#include "cli/image.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/image_priv.h"

/* stdio's buffer and FILE object, the name and our own struct. */
enum { OWN_BYTES = 8192 };

static const struct tess_image_format *const formats[] = {&tess_image_jpeg,
                                                          &tess_image_png};
enum { N_FORMATS = sizeof formats / sizeof *formats };

enum tess_status tess_image_fail(const struct tess_image *image, const char *words,
                                 struct tess_error *error)
{
    /* A disk that fails looks like a short file to the decoders; say what really
     * happened. */
    if (ferror(image->file))
        return tess_error_at(error, TESS_E_IO, image->name, 0, 0,
                             "cannot read the image to its end");
    enum tess_status status =
        tess_error_at(error, TESS_E_IO, image->name, 0, 0,
                      "cannot decode this %s image: %s", image->format->name, words);
    tess_error_hint(error,
                    "the file may be cut short or damaged: copy or export it again");
    return status;
}

enum tess_status tess_image_set_size(struct tess_image *image, int64_t width,
                                     int64_t height, struct tess_error *error)
{
    if (width < 1 || height < 1)
        return tess_image_fail(image, "it has no pixels", error);
    if (width > TESS_IMAGE_MAX_SIDE || height > TESS_IMAGE_MAX_SIDE) {
        enum tess_status status =
            tess_error_at(error, TESS_E_IO, image->name, 0, 0,
                          "image of %lld x %lld pixels is too large", (long long)width,
                          (long long)height);
        tess_error_hint(error, "sides may have %d pixels at most: shrink or crop it",
                        (int)TESS_IMAGE_MAX_SIDE);
        return status;
    }
    image->width = (int)width;
    image->height = (int)height;
    return TESS_OK;
}

/* Reads the magic bytes and leaves them in the image: the file may be a pipe, which
 * cannot be wound back, so the decoders take them from there. */
static enum tess_status choose_format(struct tess_image *image, struct tess_error *error)
{
    size_t n_read = fread(image->magic, 1, sizeof image->magic, image->file);
    if (n_read < sizeof image->magic && ferror(image->file))
        return tess_error_at(error, TESS_E_IO, image->name, 0, 0, "cannot read: %s",
                             strerror(errno));
    for (int i = 0; i < N_FORMATS && n_read == sizeof image->magic; i++) {
        const struct tess_image_format *format = formats[i];
        if (memcmp(image->magic, format->magic, (size_t)format->n_magic_bytes) == 0) {
            image->format = format;
            return TESS_OK;
        }
    }
    enum tess_status status = tess_error_at(
        error, TESS_E_IO, image->name, 0, 0,
        n_read == 0 ? "the file is empty" : "neither a JPEG nor a PNG image");
    tess_error_hint(error,
                    "give a JPEG or PNG file; other formats must be converted first");
    return status;
}

/* Takes `file`, which may be NULL after a failed open. */
static enum tess_status open_file(FILE *file, const char *name,
                                  struct tess_image **image_out, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    struct tess_image *image = NULL;
    if (!file)
        return tess_error_at(error, TESS_E_IO, name, 0, 0, "cannot open: %s",
                             strerror(errno));
    image = calloc(1, sizeof *image);
    if (!image) {
        if (file != stdin)
            fclose(file);
        return tess_error_nomem(error);
    }
    image->file = file;
    image->name = strdup(name);
    if (!image->name) {
        status = tess_error_nomem(error);
        goto out;
    }
    status = choose_format(image, error);
    if (status == TESS_OK)
        status = image->format->open(image, error);
    if (status != TESS_OK)
        goto out;
    assert(image->width >= 1 && image->height >= 1 && image->held_bytes > 0);
    /* The decoder told its part; here is ours. */
    image->held_bytes += OWN_BYTES + (int64_t)strlen(name);
    *image_out = image;
    image = NULL;
out:
    tess_image_destroy(image);
    return status;
}

enum tess_status tess_image_open(const char *path, struct tess_image **image_out,
                                 struct tess_error *error)
{
    if (strcmp(path, "-") == 0)
        return open_file(stdin, "standard input", image_out, error);
    return open_file(fopen(path, "rbe"), path, image_out, error);
}

enum tess_status tess_image_open_memory(const void *bytes, int64_t n_bytes,
                                        struct tess_image **image_out,
                                        struct tess_error *error)
{
    assert(bytes && n_bytes >= 0);
    /* Opened for reading only, so the bytes stay as they are. */
    FILE *file = fmemopen((void *)(uintptr_t)bytes, (size_t)n_bytes, "rb");
    return open_file(file, "image in memory", image_out, error);
}

void tess_image_destroy(struct tess_image *image)
{
    if (!image)
        return;
    if (image->format)
        image->format->close(image);
    if (image->file && image->file != stdin)
        fclose(image->file);
    free(image->name);
    free(image);
}

int tess_image_width(const struct tess_image *image)
{
    return image->width;
}

int tess_image_height(const struct tess_image *image)
{
    return image->height;
}

int64_t tess_image_held_bytes(const struct tess_image *image)
{
    return image->held_bytes;
}

enum tess_status tess_image_next_row(struct tess_image *image, unsigned char *rgb_row,
                                     struct tess_error *error)
{
    assert(image->next_y < image->height);
    if (image->is_broken)
        return tess_image_fail(image, "an earlier row failed", error);
    enum tess_status status = image->format->next_row(image, rgb_row, error);
    image->is_broken = status != TESS_OK;
    assert(status == TESS_OK || status == TESS_E_IO || status == TESS_E_NOMEM);
    image->next_y++;
    return status;
}
