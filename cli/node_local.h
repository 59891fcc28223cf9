/* Workers on this machine, so that anybody can try a cluster: processes of their own, which end
 * with this one.
 */
#ifndef TESS_CLI_NODE_LOCAL_H
#define TESS_CLI_NODE_LOCAL_H

#include <sys/types.h>

#include "cli/args.h"
#include "plan/cluster.h"

enum { TESS_NODE_LOCAL_MAX = 16 };

struct tess_node_local {
    int n;
    pid_t pids[TESS_NODE_LOCAL_MAX];
};

/* The cluster of args->n_local workers, each with args->memory_bytes, and a coordinator that
 * leaves computing to them. */
void tess_node_local_cluster(const struct tess_args *args,
                             struct tess_cluster *cluster_out);

/* Starts them, each with its share of the processors, to connect to `endpoint`. TESS_E_IO. */
enum tess_status tess_node_local_start(struct tess_node_local *local,
                                       const struct tess_args *args, const char *endpoint,
                                       struct tess_error *error);

/* Ends those that are left and waits for them. Accepts zeroed memory. */
void tess_node_local_stop(struct tess_node_local *local);

#endif
