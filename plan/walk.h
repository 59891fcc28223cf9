/* The walk: a plan as a sequence of steps on arena addresses.
 *
 * The executor runs these steps and the verifier checks them; nothing else gives either of them
 * an address. Steps are produced one after the other and never stored: a plan of ten thousand
 * steps costs no memory.
 *
 * Serial equivalent: for each group, for each tile row, for each tile column, for each op:
 * fill padding, gather inputs, run, scatter the result.
 */
#ifndef TESS_PLAN_WALK_H
#define TESS_PLAN_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "plan/layout.h"

/* A window of a tensor at an arena address: like a plane in memory, but as an offset in bytes.
 * Pixel (y, x) of the map lies at offset + 4 * ((y - row) * row_stride + (x - col) *
 * pixel_stride). `row` and `col` may be negative: out-of-map pixels are zeros. */
struct tess_place {
    int tensor;
    int64_t offset;
    int row, col;
    int n_rows, n_cols;
    int channels;
    int64_t row_stride, pixel_stride; /* floats */
};

enum tess_step_kind {
    TESS_STEP_INPUT, /* out := the next rows of the network's input, whole rows inside the map;
                        rows come in order, each once */
    TESS_STEP_FILL, /* out := 0; every pixel of out lies outside the map */
    TESS_STEP_COPY, /* out := in[0], which is no smaller; the two may overlap (rows from the
                       last to the first) */
    TESS_STEP_MOVE, /* the bytes of in[0] move down to out, rows from the first to the last */
    TESS_STEP_RUN, /* the op's kernel computes out from in[0..n_in) */
    TESS_STEP_DONE /* `out` of this tile of the op's tensor is complete; nothing to do */
};

struct tess_step {
    enum tess_step_kind kind;
    int op; /* the op on whose behalf */
    int group, tile_row, tile_col;
    int n_in;
    struct tess_place in[2];
    struct tess_place out;
};

/* Called for every step in order; anything but TESS_OK ends the walk and is its result. */
typedef enum tess_status tess_step_visitor(void *context, const struct tess_step *step,
                                           struct tess_error *error);

enum tess_status tess_walk(const struct tess_layout *layout, tess_step_visitor *visit,
                           void *context, struct tess_error *error);

/* Where a network output lies after a walk. `tensor` must be a stored one. */
struct tess_place tess_walk_output(const struct tess_layout *layout, int tensor);

#endif
