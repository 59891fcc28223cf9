/* The frames of a cluster run: which files, and how they travel.
 */
#ifndef TESS_CLI_NODE_FRAMES_H
#define TESS_CLI_NODE_FRAMES_H

#include "cli/args.h"
#include "cli/node_frame.h"

struct tess_node_frames {
    bool is_raw;
    int n_paths;
    char **paths; /* [n_paths], folders replaced by their images in the order of names */
    struct tess_frame_input input;
};

/* From --image, --raw-input and --fit. Photographs of one size travel as they are, of several
 * sizes as floats. TESS_E_USAGE, TESS_E_IO, TESS_E_MODEL, TESS_E_NOMEM. Release after success or
 * failure. */
enum tess_status tess_node_frames_init(struct tess_node_frames *frames,
                                       const struct tess_args *args,
                                       const struct tess_graph *graph,
                                       struct tess_error *error);
void tess_node_frames_release(
    struct tess_node_frames *frames); /* accepts zeroed memory */

/* Input as floats, whatever it was: for networks where nothing else can be. */
void tess_node_frames_use_floats(struct tess_node_frames *frames);

/* How frame number `index` was fitted: for its boxes. */
enum tess_status tess_node_frames_box(const struct tess_node_frames *frames, int index,
                                      struct tess_letterbox *box_out,
                                      struct tess_error *error);

#endif
