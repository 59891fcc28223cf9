/* What the options of cluster commands say of nodes and stages, as a text to plan from.
 */
#ifndef TESS_CLI_CLUSTER_FILE_H
#define TESS_CLI_CLUSTER_FILE_H

#include "base/text.h"
#include "cli/args.h"
#include "model/graph.h"
#include "plan/cluster.h"

/* Reads the nodes of a cluster file or plan. TESS_E_IO, TESS_E_CONFIG with the place of the line at
 * fault, TESS_E_NOMEM. */
enum tess_status tess_cluster_file_nodes(const char *path,
                                         struct tess_cluster *cluster_out,
                                         struct tess_error *error);

/* Reads args->plan, a cluster plan for `graph`, or else the nodes of args->cluster; with both the
 * plan's stages are for the cluster's nodes. args->memory_bytes, if given, becomes the
 * coordinator's. Appends the canonical text (plan/cluster_text.h). TESS_E_USAGE if neither is
 * given; TESS_E_CONFIG with the place of the line at fault, TESS_E_IO, TESS_E_NOMEM. */
enum tess_status tess_cluster_file_read(const struct tess_args *args,
                                        const struct tess_graph *graph,
                                        struct tess_text *text_out,
                                        struct tess_error *error);

#endif
