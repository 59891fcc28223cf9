/* The input of a cluster's frames: what the coordinator has of it, how tiles get it, and how the
 * rows of a tile are made from that.
 *
 * A photograph travels as it is, 8 bits a value, and each node fits its rows by itself
 * (cli/letterbox.h): fewer bytes than the network's input, and the same bits. Raw input travels
 * as floats; where all of them are one of the 256 levels of a byte, as bytes. Reads files, knows
 * no messages.
 */
#ifndef TESS_CLI_NODE_FRAME_H
#define TESS_CLI_NODE_FRAME_H

#include "base/error.h"
#include "base/text.h"
#include "cli/letterbox.h"
#include "executor/executor.h"
#include "transport/cluster_work.h"

enum tess_frame_kind {
    TESS_FRAME_FLOATS, /* the network's input */
    TESS_FRAME_BYTES,  /* the network's input, each value n / 255 */
    TESS_FRAME_PHOTO   /* a photograph of a size that all frames have */
};

struct tess_frame_input {
    enum tess_frame_kind kind;
    int h, w, c;                 /* of the network's input */
    struct tess_picture picture; /* photo: what the network makes of it */
    struct tess_letterbox box;   /* photo */
    /* Floats: made by the coordinator from photographs of any size. */
    bool is_fitted;
    enum tess_fit fit;
};

/* The network's input as floats or bytes. */
void tess_frame_input_plain(struct tess_frame_input *input,
                            const struct tess_graph *graph, bool is_bytes);

/* A photograph of this size. The network's input has 3 channels. */
void tess_frame_input_photo(struct tess_frame_input *input,
                            const struct tess_graph *graph, enum tess_fit fit,
                            int photo_w, int photo_h);

/* One line of text, "floats", "bytes" or "photo 768x576 letterbox", and back. Reading gives
 * TESS_E_CONFIG. */
void tess_frame_input_write(const struct tess_frame_input *input,
                            struct tess_text *text_out);
enum tess_status tess_frame_input_read(struct tess_frame_input *input, const char *text,
                                       const struct tess_graph *graph,
                                       struct tess_error *error);

/* For tess_cluster_work_init, borrowing `input`. True if there is something to say. */
bool tess_frame_input_work(const struct tess_frame_input *input,
                           struct tess_cluster_input *work_out);

/* Bytes of the tensor that a frame begins with. */
int64_t tess_frame_input_bytes(const struct tess_frame_input *input);

/* Reads a file into that tensor. `path` is a photograph of the right size, or raw floats, planar,
 * that are levels where the kind is bytes. TESS_E_IO, TESS_E_MODEL, TESS_E_NOMEM. */
enum tess_status tess_frame_input_load(const struct tess_frame_input *input,
                                       const char *path, void *tensor_out,
                                       struct tess_error *error);

/* What suits a raw file: bytes if all its values are levels, else floats. TESS_E_IO,
 * TESS_E_MODEL for a file of another size, TESS_E_NOMEM. */
enum tess_status tess_frame_input_detect(struct tess_frame_input *input,
                                         const struct tess_graph *graph, const char *path,
                                         struct tess_error *error);

/* --- rows of a tile --- */

/* The input of one tile being made from the part of the tensor that it got. */
struct tess_frame_rows {
    const struct tess_frame_input *input;
    struct tess_region region;           /* of the network's input that the tile reads */
    const void *part;                    /* dense, as the work says it */
    float levels[TESS_LETTERBOX_LEVELS]; /* bytes: the value of each */
    struct tess_image *image;            /* photo */
    struct tess_letterbox_stream stream;
    void *scratch;
};

/* Borrows everything. TESS_E_NOMEM. Release after success or failure. */
enum tess_status tess_frame_rows_init(struct tess_frame_rows *rows,
                                      const struct tess_frame_input *input,
                                      const struct tess_region *region, const void *part,
                                      struct tess_error *error);
void tess_frame_rows_release(struct tess_frame_rows *rows); /* accepts zeroed memory */

/* A row source's `read` (executor/executor.h), rows and columns counted from the region. */
enum tess_status tess_frame_rows_read(void *context, const struct tess_plane *rows,
                                      struct tess_error *error);

/* Most heap that making rows holds. */
int64_t tess_frame_rows_bytes(const struct tess_frame_input *input);

#endif
