/* The planner program's part of clusters: a plan for all nodes, or the plans of one node's tiles.
 */
#ifndef TESS_CLI_PLANNER_CLUSTER_H
#define TESS_CLI_PLANNER_CLUSTER_H

#include "base/error.h"
#include "cli/args.h"

/* Strings on standard input, each ended by a zero byte: kernel facts, then a cluster or a cluster
 * plan; with --tiles-of then the cfg, and a cluster plan before it. Puts a cluster plan on standard
 * output, or plans of tiles. */
enum tess_status tess_planner_cluster(const struct tess_args *args,
                                      struct tess_error *error);

#endif
