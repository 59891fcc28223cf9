/* Layer outputs written to files while a network runs, as darknet lays them out.
 *
 * A dump takes each tile as it is completed, so it needs no more memory than a row, and layers
 * inside a tiled group can be dumped although they never exist whole.
 */
#ifndef TESS_CLI_DUMP_H
#define TESS_CLI_DUMP_H

#include "base/error.h"
#include "cli/args.h"
#include "executor/executor.h"
#include "model/graph.h"

struct tess_dump {
    const char *path; /* borrowed */
    int tensor;
    int fd;
    float *row; /* [W] */
};

struct tess_dumps {
    const struct tess_graph *graph; /* borrowed */
    int n_dumps;
    struct tess_dump dumps[TESS_MAX_DUMPS];
};

/* Opens (and empties) the files. The layers must be part of `graph`. TESS_E_USAGE, TESS_E_IO. */
enum tess_status tess_dumps_init(struct tess_dumps *dumps, const struct tess_args *args,
                                 const struct tess_graph *graph,
                                 struct tess_error *error);

/* The same layers of `graph` from now on: that of before, split. TESS_E_USAGE for a layer that is
 * not there any more. */
enum tess_status tess_dumps_set_graph(struct tess_dumps *dumps,
                                      const struct tess_args *args,
                                      const struct tess_graph *graph,
                                      struct tess_error *error);

/* Closes the files. Accepts zeroed memory. TESS_E_IO if the last bytes could not be written. */
enum tess_status tess_dumps_close(struct tess_dumps *dumps, struct tess_error *error);

/* An observer's callback, `context` being the dumps: writes the tile as float32, planar C,H,W,
 * at its place in the file. */
enum tess_status tess_dumps_take(void *context, int op, const struct tess_plane *tile,
                                 struct tess_error *error);

#endif
