/* A darknet weights file: checked against the graph, read in slices of filters.
 *
 * Holds one window of the file, TESS_WEIGHTS_WINDOW_BYTES, and never a copy of its own. The file
 * is read, not mapped: the system maps far more of a file around a page than anybody touched
 * (docs/decisions), and that would count against the budget. Batch normalisation is folded while
 * a slice is read. Does not pack for any kernel family: that is the executor's business.
 */
#ifndef TESS_MODEL_WEIGHTS_H
#define TESS_MODEL_WEIGHTS_H

#include "base/error.h"
#include "model/graph.h"

struct tess_weights;

enum { TESS_WEIGHTS_WINDOW_BYTES = 64 * 1024 }; /* memory that an open file holds */

/* Opens `path` and checks its header and exact size against `graph` (the whole network's, not a
 * cut one's: pass the graph the cfg gave). Header: int32 major, minor, revision, then `seen` as
 * int64 if major*10+minor >= 2 (and both below 1000), else as int32. TESS_E_MODEL, naming the
 * bytes expected and found, or TESS_E_IO. The caller destroys. `graph` is only used during the
 * call. */
enum tess_status tess_weights_open(const struct tess_graph *graph, const char *path,
                                   struct tess_weights **weights_out,
                                   struct tess_error *error);
void tess_weights_destroy(struct tess_weights *weights); /* accepts NULL */

/* From now on the system's page cache is left as it is found (base/paged_file.h), for a file
 * larger than memory. Without this the system decides. */
void tess_weights_leave_cache(struct tess_weights *weights);

/* Reads filters [begin, end) of `op` of `graph` (the graph opened with, or a cut or split of it;
 * a partial convolution has its channels of each filter, C, and the biases of the whole).
 * kernel: [end-begin][kernel_h][kernel_w][C/groups], filter by filter, batch norm folded:
 *   scale / (sqrt(variance) + 1e-6) times the file's weights;
 * bias: [end-begin], folded likewise. Both borrowed from the caller. A weight that is not
 * finite is TESS_E_MODEL naming layer and filter (the sums would be garbage). Cost: one pass
 * over the slice. */
enum tess_status tess_weights_read(struct tess_weights *weights,
                                   const struct tess_graph *graph, int op, int begin,
                                   int end, float *kernel, float *bias,
                                   struct tess_error *error);

/* The same with each filter's kernel in the order of the file, [C/groups][kernel_h][kernel_w]:
 * one read and one pass over it, for those who bring it into an order of their own. */
enum tess_status tess_weights_read_stored(struct tess_weights *weights,
                                          const struct tess_graph *graph, int op,
                                          int begin, int end, float *kernel, float *bias,
                                          struct tess_error *error);

#endif
