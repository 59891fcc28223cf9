/* All maps of a network, dense: where a run's input comes from, and where its tiles are put
 * together. */
#ifndef TESS_TESTS_SUPPORT_NETWORK_MAPS_H
#define TESS_TESTS_SUPPORT_NETWORK_MAPS_H

#include "base/rng.h"
#include "executor/executor.h"
#include "executor/kernel.h"
#include "model/graph.h"

struct tess_network_maps {
    const struct tess_graph *graph; /* borrowed */
    float **maps;                   /* [n_tensors] [H,W,C] */
};

/* Filled with numbers that nobody computes. */
struct tess_network_maps tess_network_maps_create(const struct tess_graph *graph);
void tess_network_maps_destroy(struct tess_network_maps *all);

/* Draws the network's input. */
void tess_network_maps_draw_input(struct tess_network_maps *all, struct tess_rng *rng);

/* The network's input, for a run. */
struct tess_row_source tess_network_maps_input(struct tess_network_maps *all);

/* Puts together what a run tells of. */
struct tess_observer tess_network_maps_observer(struct tess_network_maps *all);

#endif
