/* A coordinator process: drives transport/coordinator.h with a link, the tensors of frames in
 * flight, and a thread that computes its own tiles.
 *
 * Decides nothing: who computes what is the state machine's. Holds a tensor from the stage
 * that writes it to the last one that reads it; results are the tensors that nobody reads.
 * All functions belong to one thread.
 */
#ifndef TESS_TRANSPORT_NODE_COORDINATOR_H
#define TESS_TRANSPORT_NODE_COORDINATOR_H

#include "transport/coordinator.h"
#include "transport/link_zmq.h"
#include "transport/tile_runner.h"

struct tess_node_coordinator_config {
    struct tess_coordinator_config core; /* plan_text_bytes is set here */
    struct tess_link_zmq_config link;    /* wake_fd is set here */
    const char *plan_text;               /* borrowed: what workers open */
    int64_t plan_text_bytes;
    const struct tess_tile_runner *runner; /* open already; NULL if core.is_computing is
                                              false */
    /* Reads bytes [offset, offset + n_bytes) of blob `index`. */
    enum tess_status (*read_blob)(void *context, int index, int64_t offset,
                                  int64_t n_bytes, void *bytes_out);
    void (*tell)(void *context, const char *text); /* or NULL */
    /* Told of every tile as its result is stored: action.key, node, sent_us, compute_us; at
     * `now_us` of tess_clock_us. Or NULL. */
    void (*stored)(void *context, const struct tess_coordinator_action *action,
                   int64_t now_us);
    const bool *keeps; /* [n_tensors] tensors to be held until the frame is released; or
                          NULL: only those that no tile reads */
    void *context;
};

struct tess_node_coordinator;

/* Binds. Everything is borrowed. What core, link and thread report. */
enum tess_status
tess_node_coordinator_create(const struct tess_node_coordinator_config *config,
                             struct tess_node_coordinator **node_out,
                             struct tess_error *error);

/* Says BYE to the workers. */
void tess_node_coordinator_destroy(struct tess_node_coordinator *node); /* accepts NULL */

const char *tess_node_coordinator_endpoint(const struct tess_node_coordinator *node,
                                           enum tess_channel channel);

/* For reports. Borrowed. */
const struct tess_coordinator *
tess_node_coordinator_core(const struct tess_node_coordinator *node);

/* Begins a frame: copies its given tensors. `given` [n_tensors], NULL for those that a stage
 * writes. TESS_E_BUDGET: as many as may be are in flight or not released. TESS_E_NOMEM. */
enum tess_status tess_node_coordinator_submit(struct tess_node_coordinator *node,
                                              const void *const *given,
                                              int64_t *frame_out,
                                              struct tess_error *error);

struct tess_node_outcome {
    bool has_frame; /* one ended in this step */
    int64_t frame;
    bool is_failed;
    char text[TESS_WIRE_TEXT]; /* why */
    struct tess_accounts accounts;
};

/* Waits for at most `timeout_us` for something to happen and deals with it. */
enum tess_status tess_node_coordinator_step(struct tess_node_coordinator *node,
                                            int64_t timeout_us,
                                            struct tess_node_outcome *outcome_out,
                                            struct tess_error *error);

/* A result [H,W,C] of a frame that ended and was not released; NULL if there is none. */
const void *tess_node_coordinator_result(const struct tess_node_coordinator *node,
                                         int64_t frame, int tensor);
void tess_node_coordinator_release(struct tess_node_coordinator *node, int64_t frame);

#endif
