/* What planner/cluster_*.c share: the best tiling of one stage, and predictions that remember. */
#ifndef TESS_PLANNER_CLUSTER_TILING_H
#define TESS_PLANNER_CLUSTER_TILING_H

#include "planner/cluster_plan.h"

/* What tiles of one shape within one budget were found to take: kept from one prediction to the
 * next. Zeroed memory is empty; of one network and one set of options. */
struct tess_cluster_costs {
    int n, capacity;
    struct tess_shape_cost *shapes;
};
void tess_cluster_costs_release(struct tess_cluster_costs *costs);

/* tess_cluster_plan_predict with costs that are known already. */
enum tess_status tess_cluster_predict(const struct tess_graph *graph,
                                      const struct tess_cluster_options *options,
                                      bool assigns, struct tess_cluster_costs *costs,
                                      struct tess_cluster_plan *plan, int at_fault_out[2],
                                      struct tess_error *error);

struct tess_tiling_wish {
    double below_us;     /* what is to be beaten */
    int64_t most_pixels; /* of a tile's output */
    /* 0: any tiling, and nodes have nothing of the stage's input. Otherwise bands in as many
     * columns, and each node has the part of the input map that its band lies over. */
    int aligned_columns;
};

struct tess_tiling_found {
    double us; /* what it takes */
    int n_tiles;
    struct tess_cluster_tile *tiles; /* NULL: nothing beats it; the caller frees */
};

/* Tries the whole stage on its fastest node, even grids whose tiles go where they are done first,
 * and bands sized so that all nodes end together. TESS_E_NOMEM. */
enum tess_status tess_cluster_tiling_find(const struct tess_stage *stage,
                                          const struct tess_cluster *cluster,
                                          const struct tess_cluster_options *options,
                                          const struct tess_tiling_wish *wish,
                                          struct tess_tiling_found *found_out,
                                          struct tess_error *error);

/* What computing the tile takes on the profiled device, by its ops alone, no bands, and what
 * reading its weights once does. `regions` are those of tess_stage_regions. */
double tess_cluster_tile_us(const struct tess_stage *stage,
                            const struct tess_region *regions,
                            const struct tess_cluster_options *options);
double tess_cluster_load_us(const struct tess_stage *stage,
                            const struct tess_cluster_options *options);
/* The same of its disk; 0 if nobody has measured that. */
double tess_cluster_disk_us(const struct tess_stage *stage,
                            const struct tess_cluster_options *options);

#endif
