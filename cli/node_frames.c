#include "cli/node_frames.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cli/image.h"

static enum tess_status add_path(struct tess_node_frames *frames, const char *folder,
                                 const char *name, struct tess_error *error)
{
    char **paths = realloc(frames->paths, sizeof *paths * (size_t)(frames->n_paths + 1));
    if (!paths)
        return tess_error_nomem(error);
    frames->paths = paths;
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (!path)
        return tess_error_nomem(error);
    snprintf(path, size, "%s%s%s", folder, folder[0] ? "/" : "", name);
    frames->paths[frames->n_paths++] = path;
    return TESS_OK;
}

static int is_image_name(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                   strcasecmp(dot, ".png") == 0);
}

static enum tess_status add_folder(struct tess_node_frames *frames, const char *folder,
                                   struct tess_error *error)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, is_image_name, alphasort);
    if (n < 0)
        return tess_error_at(error, TESS_E_IO, folder, 0, 0, "cannot read: %s",
                             strerror(errno));
    enum tess_status status =
        n > 0 ? TESS_OK
              : tess_error_at(error, TESS_E_IO, folder, 0, 0, "no .jpg or .png in here");
    for (int i = 0; i < n; i++) {
        if (status == TESS_OK)
            status = add_path(frames, folder, entries[i]->d_name, error);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static enum tess_status add(struct tess_node_frames *frames, const char *asked,
                            struct tess_error *error)
{
    struct stat info;
    if (stat(asked, &info) == 0 && S_ISDIR(info.st_mode))
        return add_folder(frames, asked, error);
    return add_path(frames, "", asked, error);
}

static enum tess_status find_fit(const struct tess_args *args, enum tess_fit *fit_out,
                                 struct tess_error *error)
{
    bool is_stretched = strcmp(args->fit, "stretch") == 0;
    *fit_out = is_stretched ? TESS_FIT_STRETCH : TESS_FIT_LETTERBOX;
    if (is_stretched || strcmp(args->fit, "letterbox") == 0)
        return TESS_OK;
    return tess_error_set(error, TESS_E_USAGE, "--fit %s: expected letterbox or stretch",
                          args->fit);
}

/* One size: photographs; several: floats. */
static enum tess_status look_at_photos(struct tess_node_frames *frames,
                                       const struct tess_graph *graph, enum tess_fit fit,
                                       struct tess_error *error)
{
    bool is_one_size = true;
    int w = 0, h = 0;
    if (graph->tensors[TESS_GRAPH_INPUT].c != 3) {
        tess_error_set(error, TESS_E_MODEL,
                       "the network reads %d channels, an image has 3",
                       graph->tensors[TESS_GRAPH_INPUT].c);
        tess_error_hint(error, "use --raw-input");
        return TESS_E_MODEL;
    }
    for (int i = 0; i < frames->n_paths; i++) {
        struct tess_image *image = NULL;
        enum tess_status status = tess_image_open(frames->paths[i], &image, error);
        if (status != TESS_OK)
            return status;
        is_one_size =
            is_one_size &&
            (i == 0 || (tess_image_width(image) == w && tess_image_height(image) == h));
        w = tess_image_width(image);
        h = tess_image_height(image);
        tess_image_destroy(image);
    }
    tess_frame_input_photo(&frames->input, graph, fit, w, h);
    frames->input.fit = fit;
    if (!is_one_size)
        tess_node_frames_use_floats(frames);
    return TESS_OK;
}

void tess_node_frames_use_floats(struct tess_node_frames *frames)
{
    frames->input.kind = TESS_FRAME_FLOATS;
    frames->input.is_fitted = !frames->is_raw;
}

enum tess_status tess_node_frames_init(struct tess_node_frames *frames,
                                       const struct tess_args *args,
                                       const struct tess_graph *graph,
                                       struct tess_error *error)
{
    enum tess_fit fit;
    memset(frames, 0, sizeof *frames);
    frames->is_raw = args->raw_input != NULL;
    if ((args->n_images > 0) == frames->is_raw) {
        tess_error_set(error, TESS_E_USAGE,
                       frames->is_raw ? "--image and --raw-input exclude each other"
                                      : "nothing to look at");
        tess_error_hint(error, "give --image FILE or --raw-input FILE");
        return TESS_E_USAGE;
    }
    enum tess_status status = find_fit(args, &fit, error);
    for (int i = 0; i < args->n_images && status == TESS_OK; i++)
        status = add(frames, args->images[i], error);
    if (status == TESS_OK && frames->is_raw)
        status = add_path(frames, "", args->raw_input, error);
    if (status != TESS_OK)
        return status;
    return frames->is_raw
               ? tess_frame_input_detect(&frames->input, graph, frames->paths[0], error)
               : look_at_photos(frames, graph, fit, error);
}

void tess_node_frames_release(struct tess_node_frames *frames)
{
    for (int i = 0; i < frames->n_paths; i++)
        free(frames->paths[i]);
    free(frames->paths);
    memset(frames, 0, sizeof *frames);
}

enum tess_status tess_node_frames_box(const struct tess_node_frames *frames, int index,
                                      struct tess_letterbox *box_out,
                                      struct tess_error *error)
{
    const struct tess_frame_input *input = &frames->input;
    struct tess_image *image = NULL;
    *box_out = input->box;
    if (frames->is_raw)
        tess_letterbox_init(box_out, TESS_FIT_STRETCH, input->w, input->h, input->w,
                            input->h);
    if (!input->is_fitted)
        return TESS_OK;
    enum tess_status status = tess_image_open(frames->paths[index], &image, error);
    if (status != TESS_OK)
        return status;
    tess_letterbox_init(box_out, input->fit, tess_image_width(image),
                        tess_image_height(image), input->picture.image_w,
                        input->picture.image_h);
    tess_image_destroy(image);
    return TESS_OK;
}
