/* Random cluster plans for property tests. Memory shortage ends the test program. */
#ifndef TESS_TESTS_SUPPORT_RANDOM_CLUSTER_H
#define TESS_TESTS_SUPPORT_RANDOM_CLUSTER_H

#include "base/rng.h"
#include "plan/cluster.h"

/* A plan for `graph` that passes tess_cluster_plan_check: 1 to 4 nodes, stages of any length, grids
 * of up to 4x3 tiles, of which some are cut once more. NULL where the stages drawn are none (maps
 * of two sizes). The caller destroys it. */
struct tess_cluster_plan *tess_random_cluster_plan(const struct tess_graph *graph,
                                                   struct tess_rng *rng);

#endif
