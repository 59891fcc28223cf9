/* Seeded random weights for a graph, so that a network can be tried and timed without its
 * trained weights.
 *
 * He-scaled kernels, batch-norm statistics near those of a trained network; activations stay
 * finite through hundreds of layers. The same seed gives the same bytes on every machine: only
 * integer arithmetic, multiplication, addition and sqrt of IEEE floats are used, no libm.
 */
#ifndef TESS_MODEL_SYNTH_H
#define TESS_MODEL_SYNTH_H

#include <stdint.h>

#include "base/error.h"
#include "model/graph.h"

/* Writes a darknet weights file (64-bit `seen`) for `graph` to `path`, streaming, replacing an
 * old file only when complete. TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_synth_write(const struct tess_graph *graph, uint64_t seed,
                                  const char *path, struct tess_error *error);

#endif
