/* Regions of a map and what an op reads to compute one.
 *
 * Rows and columns are independent of each other in every op that can be tiled, so everything
 * here works on one axis at a time. Ranges are half-open. No devices, bytes or times: integer
 * geometry only.
 */
#ifndef TESS_PARTITION_REGION_H
#define TESS_PARTITION_REGION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/graph.h"

enum tess_axis { TESS_ROWS, TESS_COLS };

struct tess_range {
    int begin, end; /* half-open; empty when begin >= end */
};

bool tess_range_is_empty(struct tess_range range);
int tess_range_len(struct tess_range range); /* 0 when empty */
bool tess_range_is_equal(struct tess_range a, struct tess_range b);

/* Smallest range that holds both; an empty one adds nothing. */
struct tess_range tess_range_hull(struct tess_range a, struct tess_range b);

/* The part inside the map [0, extent). */
struct tess_range tess_range_clamp(struct tess_range range, int extent);

/* Rows or columns of a tensor. */
int tess_tensor_extent(const struct tess_tensor *tensor, enum tess_axis axis);

/* Could one line of the map, along this axis, be a single pixel of a larger map? Nobody computes
 * one: some kernels would round it differently (needs_two_pixels in plan/facts.h). */
bool tess_tensor_is_pixel_thin(const struct tess_tensor *tensor, enum tess_axis axis);

/* A range of one line widened to two, any other as it is. `extent` > 1. */
struct tess_range tess_range_two_lines(struct tess_range range, int extent);

/* A rectangle of a map. */
struct tess_region {
    struct tess_range axis[2]; /* by enum tess_axis */
};

struct tess_region tess_region_whole(const struct tess_tensor *tensor);
bool tess_region_is_equal(const struct tess_region *a, const struct tess_region *b);
int64_t tess_region_n_pixels(const struct tess_region *region);

/* The range of input number `input` of op `op` that its output range `out` reads along `axis`,
 * padding included: it may begin below 0 and end beyond the map. Empty for an empty `out`.
 * For an op that reads whole maps the answer is the whole map.
 *   window:   [S*a - P, S*(b-1) - P + D*(K-1) + 1)        (1)
 *   upsample: [a div f, (b-1) div f + 1)                  (2)
 *   crop:     [begin + S*a, begin + S*(b-1) + 1)
 *   add, from another shape: the rows y of in[1] with y = stride * (a' div sample)   (3) */
struct tess_range tess_op_reads(const struct tess_graph *graph, int op, int input,
                                enum tess_axis axis, struct tess_range out);

#endif
