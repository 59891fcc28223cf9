/* A worker process: drives transport/worker.h with a link, a cache of weights, a runner and a
 * thread that computes.
 *
 * Decides nothing: what is said when is the state machine's, how a tile is computed the
 * runner's. Makes no sockets of its own and reads no options.
 */
#ifndef TESS_TRANSPORT_NODE_WORKER_H
#define TESS_TRANSPORT_NODE_WORKER_H

#include <signal.h>

#include "transport/blobs.h"
#include "transport/link_zmq.h"
#include "transport/tile_runner.h"
#include "transport/worker.h"

struct tess_node_worker {
    struct tess_hello hello;
    struct tess_link_zmq_config link; /* wake_fd is set here */
    const struct tess_tile_runner *runner;
    struct tess_blobs *blobs;
    struct tess_credit credit; /* offered with each plan */
    void (*tell)(void *context,
                 const char *text); /* one sentence for the user; or NULL */
    void *context;
    const volatile sig_atomic_t *stop; /* not 0: finish what is held and leave; or NULL */
};

/* Runs until `stop` or the coordinator's DRAIN. Everything is borrowed. TESS_OK when it has left
 * in order; what making link and thread reports. */
enum tess_status tess_node_worker_run(const struct tess_node_worker *node,
                                      struct tess_error *error);

#endif
