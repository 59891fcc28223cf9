/* A cluster plan (plan/cluster.h) as work: which parts of which tensors each tile reads and
 * writes.
 *
 * The work's tensors are the maps that cross a cut, the network's input first; each tensor of
 * a stage's bundle is a part of its own. Runs nothing: a tile's network is made with
 * partition/tile_graph.h, from the stage and output region that `tiles` names.
 */
#ifndef TESS_TRANSPORT_CLUSTER_WORK_H
#define TESS_TRANSPORT_CLUSTER_WORK_H

#include "plan/cluster.h"
#include "transport/work.h"

/* Where a tile of the work is in the plan. */
struct tess_cluster_place {
    int stage, tile;
};

struct tess_cluster_work {
    struct tess_work work;
    struct tess_part_map *maps;        /* [work.n_tensors] */
    int *tensors;                      /* [work.n_tensors] ids in the graph */
    struct tess_work_stage *stages;    /* [work.n_stages], those of the plan */
    struct tess_work_tile *tiles;      /* [work.n_tiles] */
    struct tess_cluster_place *places; /* [work.n_tiles] */
};

/* What a frame begins with where that is not the network's input itself but something that its
 * rows are made from, a photograph say: tiles get whole rows of that. */
struct tess_cluster_input {
    struct tess_part_map
        map; /* stands for the network's input among the work's tensors */
    /* The rows of `map`, at least one, that rows `rows` of the network's input take. */
    struct tess_range (*rows)(const void *context, struct tess_range rows);
    const void *context;
};

/* The work of a plan that passes tess_cluster_plan_check. `input`: NULL where frames begin with
 * the network's input. Costs are the predicted nanoseconds where the plan has them for all tiles,
 * else multiply-adds. The same on every node, and passes
 * tess_work_check. TESS_E_CONFIG, with layers, where more tensors cross a cut than a tile may
 * have parts, or a limit of transport/work.h is passed; TESS_E_NOMEM. */
enum tess_status tess_cluster_work_init(struct tess_cluster_work *work,
                                        const struct tess_cluster_plan *plan,
                                        const struct tess_graph *graph,
                                        const struct tess_cluster_input *input,
                                        struct tess_error *error);
void tess_cluster_work_release(struct tess_cluster_work *work); /* accepts zeroed, NULL */

#endif
