/* What the options say of a node's links: addresses, keys, who may join.
 */
#ifndef TESS_CLI_NODE_LINK_H
#define TESS_CLI_NODE_LINK_H

#include "cli/args.h"
#include "transport/link_zmq.h"

enum { TESS_NODE_PORT = 5570 }; /* control; data is the port above */

struct tess_node_link {
    struct tess_link_zmq_config config; /* borrows what follows */
    char control[TESS_LINK_ENDPOINT], data[TESS_LINK_ENDPOINT];
    struct tess_link_keys keys;
    char coordinator_key[TESS_LINK_KEY];
    struct tess_link_allowed *allowed;
};

/* A worker's: --connect, --key, --coordinator-key. TESS_E_USAGE, TESS_E_CONFIG, TESS_E_IO.
 * Release after success or failure; stays where it is until then. */
enum tess_status tess_node_link_worker(struct tess_node_link *link,
                                       const struct tess_args *args,
                                       struct tess_error *error);

/* A coordinator's: --listen, --key, --allow, --insecure. */
enum tess_status tess_node_link_coordinator(struct tess_node_link *link,
                                            const struct tess_args *args,
                                            struct tess_error *error);

/* Sets both addresses. TESS_E_USAGE if `endpoint` is not tcp://HOST:PORT. */
enum tess_status tess_node_link_address(struct tess_node_link *link, const char *endpoint,
                                        const char *option, struct tess_error *error);

/* A number that no other process has: of a run, of a worker. Not 0. */
uint64_t tess_node_random(void);

void tess_node_link_release(struct tess_node_link *link); /* accepts zeroed memory */

#endif
