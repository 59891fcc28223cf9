/* Links between a coordinator and its workers over TCP: the only file that knows ZeroMQ
 * (libzmq 4.3.4 as packaged).
 *
 * The coordinator binds two ROUTERs, control and data; a worker has a DEALER to each. With
 * keys every connection is CURVE: encrypted, the worker's key must be on the allow-list,
 * and its name there is its identity. Without keys only loopback is served unless the
 * configuration insists. Bytes are judged by transport/wire.h; what a message means is for
 * coordinator and worker. Nothing is retried here: what cannot be sent now is dropped.
 *
 * One link per process (it owns the ZeroMQ context); all functions belong to one thread.
 */
#ifndef TESS_TRANSPORT_LINK_ZMQ_H
#define TESS_TRANSPORT_LINK_ZMQ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/message.h"
#include "transport/wire.h"

enum { TESS_LINK_KEY = 41, TESS_LINK_ADDRESS = 64, TESS_LINK_ENDPOINT = 256 };

/* A CURVE key pair as Z85 text. */
struct tess_link_keys {
    char public_key[TESS_LINK_KEY];
    char secret_key[TESS_LINK_KEY];
};

struct tess_link_allowed {
    char name[TESS_WIRE_NAME];
    char public_key[TESS_LINK_KEY];
};

struct tess_link_zmq_config {
    bool is_coordinator;
    const char *control, *data; /* "tcp://HOST:PORT"; the coordinator's PORT may be * */
    const struct tess_link_keys *keys; /* NULL: no authentication */
    const char *coordinator_key;       /* public; a worker with keys needs it */
    const struct tess_link_allowed
        *allowed; /* [n_allowed], borrowed; the coordinator's */
    int n_allowed;
    bool is_insecure;      /* without keys: serve more than loopback */
    int64_t payload_bytes; /* of the largest message on data; longer ones end their
                              connection, as on control those beyond what may come there */
    int wake_fd;           /* ends a wait when it is readable; 0: none */
};

struct tess_link_zmq;

/* A new pair. TESS_E_INTERNAL where libzmq was built without CURVE. */
enum tess_status tess_link_zmq_generate(struct tess_link_keys *keys_out,
                                        struct tess_error *error);

/* Binds, or begins to connect. TESS_E_CONFIG: without keys, and not loopback, say.
 * TESS_E_NETWORK: the address cannot be bound. */
enum tess_status tess_link_zmq_create(const struct tess_link_zmq_config *config,
                                      struct tess_link_zmq **link_out,
                                      struct tess_error *error);
void tess_link_zmq_destroy(struct tess_link_zmq *link); /* accepts NULL */

/* What a channel is bound or connected to, with its real port. */
const char *tess_link_zmq_endpoint(const struct tess_link_zmq *link,
                                   enum tess_channel channel);

/* Sends a sealed message; `peer` is the coordinator's, a worker's link ignores it. The payload
 * is not copied: `release` is called once with `hint` when it is not needed any more, from
 * any thread, also if sending fails. False: dropped. */
bool tess_link_zmq_send(struct tess_link_zmq *link, enum tess_channel channel,
                        uint32_t peer, const struct tess_message *message, void *payload,
                        void (*release)(void *payload, void *hint), void *hint);

enum tess_link_event_kind {
    TESS_LINK_NOTHING, /* the time is over */
    TESS_LINK_MESSAGE,
    TESS_LINK_GARBAGE, /* `fault` says why */
    TESS_LINK_GONE,    /* the connection `peer` of `channel` */
    TESS_LINK_REFUSED  /* a connection was not let in: `address`; `text` */
};

struct tess_link_event {
    enum tess_link_event_kind kind;
    enum tess_channel channel;
    uint32_t peer;                   /* 0 at a worker */
    char identity[TESS_WIRE_NAME];   /* authenticated, else "" */
    char address[TESS_LINK_ADDRESS]; /* of the peer, for logs; may be empty */
    struct tess_message message;
    bool is_payload_good;
    void
        *payload; /* message.payload_bytes, aligned to 8 or as it came; borrowed until the
                      next wait unless kept */
    enum tess_wire_fault fault;
    char text[TESS_WIRE_TEXT];
};

/* Waits for at most `timeout_us` until something happens. TESS_E_NETWORK, TESS_E_NOMEM. */
enum tess_status tess_link_zmq_wait(struct tess_link_zmq *link, int64_t timeout_us,
                                    struct tess_link_event *event_out,
                                    struct tess_error *error);

/* Takes the payload of the message just received: it lives until it is released. NULL
 * without memory. */
struct tess_link_payload;
struct tess_link_payload *tess_link_zmq_keep(struct tess_link_zmq *link);
void *tess_link_payload_bytes(struct tess_link_payload *payload);
void tess_link_payload_release(struct tess_link_payload *payload); /* accepts NULL */

#endif
