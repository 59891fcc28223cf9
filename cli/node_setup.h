/* What a coordinator needs before it meets anybody: the model, the frames, a plan for the cluster,
 * the hashes of the weights, and its own runner, all in one job.
 */
#ifndef TESS_CLI_NODE_SETUP_H
#define TESS_CLI_NODE_SETUP_H

#include "cli/node_frames.h"
#include "cli/node_runner.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "model/op_blob.h"
#include "transport/wire.h"

struct tess_node_setup {
    const struct tess_args *args; /* borrowed */
    struct tess_session session;
    struct tess_node_frames frames;
    struct tess_op_blobs blobs;
    struct tess_blob_entry *entries; /* [blobs.n_blobs] */
    struct tess_text plan_text, job_text;
    struct tess_node_runner *runner;
    const struct tess_node_job *job; /* of the runner */
    struct tess_progress progress;
};

/* From the arguments of cluster run. TESS_E_USAGE, TESS_E_CONFIG, TESS_E_MODEL, TESS_E_IO,
 * TESS_E_INFEASIBLE, TESS_E_BUDGET, TESS_E_NOMEM. Release after success or failure; stays where it
 * is until then. */
enum tess_status tess_node_setup_init(struct tess_node_setup *setup,
                                      const struct tess_args *args,
                                      struct tess_error *error);
void tess_node_setup_release(struct tess_node_setup *setup); /* accepts zeroed memory */

#endif
