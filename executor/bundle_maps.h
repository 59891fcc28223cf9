/* Rectangles of a stage's bundle against the whole maps that it is made of: what goes to a tile
 * and what comes back.
 *
 * Maps are dense, [H,W,C], one per tensor; a rectangle is dense, too, [rows, columns, C of the
 * bundle]. Knows no ops and no devices.
 */
#ifndef TESS_EXECUTOR_BUNDLE_MAPS_H
#define TESS_EXECUTOR_BUNDLE_MAPS_H

#include "partition/stage.h"

/* Copies the rectangle `region` of the bundle's maps to `rect_out`. `maps` [n_tensors of the
 * graph], of which those of the bundle are read. */
void tess_bundle_gather(const struct tess_graph *graph, const struct tess_bundle *bundle,
                        float *const *maps, const struct tess_region *region,
                        float *rect_out);

/* The other way: `rect` becomes rectangle `region` of the bundle's maps. */
void tess_bundle_scatter(const struct tess_graph *graph, const struct tess_bundle *bundle,
                         const float *rect, const struct tess_region *region,
                         float *const *maps);

#endif
