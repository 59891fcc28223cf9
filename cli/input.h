/* The network's input: a photograph or raw floats, brought to the plane the network reads.
 *
 * Nothing is held but a few rows; the size that opening finds out goes into the budget before
 * anything is planned.
 */
#ifndef TESS_CLI_INPUT_H
#define TESS_CLI_INPUT_H

#include <stdint.h>

#include "base/error.h"
#include "cli/args.h"
#include "cli/letterbox.h"
#include "executor/kernel.h"
#include "model/graph.h"

struct tess_input {
    const char *image_path;      /* borrowed; NULL for raw input */
    const char *raw_path;        /* borrowed; NULL for an image */
    int h, w, c;                 /* of the network's input */
    struct tess_picture picture; /* image: what the network makes of it */
    struct tess_letterbox box;   /* image: how it is fitted */
    int64_t held_bytes;          /* most memory that reading holds */
    double read_us;              /* time spent reading since it was last set to 0 */

    /* While open. */
    struct tess_image *image;
    struct tess_letterbox_stream stream;
    void *scratch; /* image: of the stream; raw: one row */
    int fd;        /* raw */
};

/* Looks at the file that the arguments name and checks that it suits the network's input: an
 * image needs 3 channels, a raw file exactly h*w*c floats. TESS_E_USAGE if there is none or two,
 * TESS_E_IO, TESS_E_MODEL. */
enum tess_status tess_input_init(struct tess_input *input, const struct tess_args *args,
                                 const struct tess_graph *graph,
                                 struct tess_error *error);

/* Opens the file at its first row, again after it was closed. TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_input_open(struct tess_input *input, struct tess_error *error);

/* A row source's `read`, `context` being the open input. TESS_E_IO. */
enum tess_status tess_input_rows(void *context, const struct tess_plane *rows,
                                 struct tess_error *error);

/* Reads an image to its end, so that damage shows, and closes. TESS_E_IO. */
enum tess_status tess_input_finish(struct tess_input *input, struct tess_error *error);

/* Closes whatever is open. Accepts zeroed memory. */
void tess_input_release(struct tess_input *input);

#endif
