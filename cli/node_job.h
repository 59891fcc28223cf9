/* What all nodes of a cluster must agree on: the network, how it is shared, what frames begin with,
 * and which weights belong to it. Made by the coordinator, carried by PLAN messages.
 *
 * As text: the hashes of the weights, a line for each op that has any; a line for the input of
 * frames (cli/node_frame.h); the cluster plan (plan/cluster_text.h); the cfg. Each part ends with
 * a zero byte. A job that was read has been checked: plan and hashes fit the network.
 */
#ifndef TESS_CLI_NODE_JOB_H
#define TESS_CLI_NODE_JOB_H

#include "base/sha256.h"
#include "cli/node_frame.h"
#include "plan/cluster.h"
#include "transport/cluster_work.h"

struct tess_node_job {
    char *text; /* own copy, whose parts are: */
    const char *plan_text, *cfg;
    struct tess_graph *graph;
    struct tess_cluster_plan *plan;
    struct tess_frame_input input;
    struct tess_cluster_work work;
    struct tess_sha256 *hashes; /* [n_ops], of those that have weights */
    struct tess_region
        *inputs;               /* [work.n_tiles] of its stage's input what a tile reads */
    struct tess_stage *stages; /* [plan->n_stages] */
};

/* Appends the text. `hashes` as above. */
void tess_node_job_write(const struct tess_graph *graph, const struct tess_sha256 *hashes,
                         const struct tess_frame_input *input, const char *plan_text,
                         const char *cfg, struct tess_text *text_out);

/* Reads it. TESS_E_CONFIG, TESS_E_MODEL, TESS_E_NOMEM. Release after success or failure. */
enum tess_status tess_node_job_read(struct tess_node_job *job, const char *text,
                                    size_t n_bytes, struct tess_error *error);
void tess_node_job_release(struct tess_node_job *job); /* accepts zeroed memory */

/* May frames of `plan` begin with anything but floats? Not where a stage reads the network's input
 * beside other maps. */
bool tess_node_job_can_convert(const struct tess_graph *graph,
                               const struct tess_cluster_plan *plan);

#endif
