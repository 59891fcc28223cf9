/* What computes tiles for a node: an interface, so that the protocol knows no kernels.
 *
 * One thread at a time calls a runner. The serial equivalent of a cluster's frame is
 *     for each stage: for each tile: run it from the given tensors into the next
 * with one runner, and results must be the same, bit for bit, whoever runs a tile.
 */
#ifndef TESS_TRANSPORT_TILE_RUNNER_H
#define TESS_TRANSPORT_TILE_RUNNER_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/work.h"

struct tess_tile_runner {
    /* Reads the text of a PLAN and makes ready to run its tiles; weights are found by their
     * hashes. *work_out is borrowed until the next open or close; *peak_bytes_out is what
     * the process will hold at most. TESS_E_BUDGET if that is more than it may. */
    enum tess_status (*open)(void *self, const char *text, size_t n_bytes,
                             const struct tess_work **work_out, int64_t *peak_bytes_out,
                             struct tess_error *error);

    /* Computes a tile. `input` holds its input parts one after the other, each [H,W,C] of
     * its element type without gaps, little-endian, aligned to 8 bytes; `output` receives
     * the output parts likewise. TESS_E_NOMEM, or what the executor reports. */
    enum tess_status (*run)(void *self, int stage, int tile, const void *input,
                            void *output, struct tess_error *error);

    void (*close)(void *self); /* gives back what open took; may be called twice */
    void *self;
};

#endif
