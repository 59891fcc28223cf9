/* Computes the tiles of a cluster on one node: a tile runner (transport/tile_runner.h) over the
 * executor.
 *
 * Opening a plan reads the job (cli/node_job.h), has the planner program find a plan for each
 * shape of tile within this node's memory, and takes the weights from the node's cache, or from
 * the model where the node has it. Knows no messages.
 */
#ifndef TESS_CLI_NODE_RUNNER_H
#define TESS_CLI_NODE_RUNNER_H

#include "cli/node_job.h"
#include "executor/kernel.h"
#include "model/packed_source.h"
#include "transport/blobs.h"
#include "transport/tile_runner.h"

struct tess_node_runner;

/* Everything is borrowed. */
struct tess_node_runner_config {
    const char *name;                        /* of the node */
    const struct tess_kernel_family *family; /* started; uses_packed */
    const struct tess_blobs *blobs;   /* where the weights are; NULL: in `blocks` */
    struct tess_packed_source blocks; /* of the job's network, without blobs */
    int64_t source_bytes;             /* that reading `blocks` holds */
    int64_t held_bytes;               /* that this process holds beside its tiles */
    int64_t memory_bytes;             /* 0: no limit */
    bool is_reserve;                  /* computes rarely: prepares nothing */
    int n_threads;
    const char *profile; /* file of the device's profile; "" for none */
};

/* TESS_E_NOMEM. */
enum tess_status tess_node_runner_create(const struct tess_node_runner_config *config,
                                         struct tess_node_runner **runner_out,
                                         struct tess_error *error);
void tess_node_runner_destroy(struct tess_node_runner *runner); /* accepts NULL */

/* Borrowed. Opening fails with TESS_E_BUDGET, naming layers and bytes, if a tile that the plan
 * has given this node does not fit, or none does; running one that does not fit with
 * TESS_E_NOMEM. */
const struct tess_tile_runner *tess_node_runner_tiles(struct tess_node_runner *runner);

/* The job that is open; NULL if none is. */
const struct tess_node_job *tess_node_runner_job(const struct tess_node_runner *runner);

#endif
