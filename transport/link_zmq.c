#include "transport/link_zmq.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zmq.h>

#include "base/arith.h"

/* 4.3.4 has this option although its header hides it: refuse what no ZAP handler judged. */
enum { OPTION_ZAP_ENFORCE_DOMAIN = 93 };

enum {
    ROUTING_ID_BYTES = 5,
    KEY_BYTES = 32,
    CONTROL_BYTES = 4096,   /* more than any header or command takes */
    RECEIVED_MESSAGES = 16, /* of a peer that wait here; more wait with their sender */
    CONNECTIONS_MAX = 256,
    N_ITEMS = 6,
    LONGEST_WAIT_US = 60000000
};

/* Which peer speaks through a file descriptor: monitors know connections by that only. */
struct connection {
    bool is_used;
    enum tess_channel channel;
    int fd;
    uint32_t peer;
};

struct tess_link_zmq {
    struct tess_link_zmq_config config;
    void *context;
    void *zap; /* NULL without keys */
    void *sockets[2], *monitors[2];
    char endpoints[2][TESS_LINK_ENDPOINT];
    struct connection connections[CONNECTIONS_MAX];
    enum tess_channel
        next;          /* that is looked at first: neither can keep the other waiting */
    zmq_msg_t payload; /* of the message just received */
};

struct tess_link_payload {
    zmq_msg_t message;
};

static enum tess_status zmq_failed(struct tess_error *error, const char *what)
{
    return tess_error_set(error, TESS_E_NETWORK, "%s: %s", what,
                          zmq_strerror(zmq_errno()));
}

enum tess_status tess_link_zmq_generate(struct tess_link_keys *keys_out,
                                        struct tess_error *error)
{
    struct tess_link_keys keys;
    if (zmq_curve_keypair(keys.public_key, keys.secret_key) != 0)
        return tess_error_set(error, TESS_E_INTERNAL, "libzmq has no CURVE");
    *keys_out = keys;
    return TESS_OK;
}

/* --- life --- */

static bool is_loopback(const char *endpoint)
{
    return strncmp(endpoint, "tcp://127.", 10) == 0 ||
           strncmp(endpoint, "tcp://localhost:", 16) == 0 ||
           strncmp(endpoint, "tcp://[::1]:", 12) == 0;
}

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static bool set_text(void *socket, int option, const char *text)
{
    return zmq_setsockopt(socket, option, text, strlen(text)) == 0;
}

static bool set_keys(const struct tess_link_zmq_config *config, void *socket)
{
    if (!config->keys)
        return true;
    if (!set_text(socket, ZMQ_CURVE_PUBLICKEY, config->keys->public_key) ||
        !set_text(socket, ZMQ_CURVE_SECRETKEY, config->keys->secret_key))
        return false;
    if (!config->is_coordinator)
        return set_text(socket, ZMQ_CURVE_SERVERKEY, config->coordinator_key);
    return set_int(socket, ZMQ_CURVE_SERVER, 1) &&
           set_text(socket, ZMQ_ZAP_DOMAIN, "tessera") &&
           set_int(socket, OPTION_ZAP_ENFORCE_DOMAIN, 1);
}

/* TUNING: what a kernel sends ahead of an answer. More fills the queues of switches and access
 * points until they drop packets, and a packet lost at the end of a message is missed for
 * 0.2 s. Enough for 1 Gbit/s and 2 ms. */
enum { SEND_BUFFER_BYTES = 256 * 1024 };

/* Of the largest frame. Workers send no payloads on control, coordinators plan and weights. */
static int64_t max_bytes_of(const struct tess_link_zmq_config *config,
                            enum tess_channel channel)
{
    if (channel == TESS_CHANNEL_DATA)
        return tess_max_i64(config->payload_bytes, TESS_WIRE_PIECE_BYTES);
    return config->is_coordinator ? CONTROL_BYTES : TESS_WIRE_PLAN_BYTES;
}

/* Heartbeats of ZeroMQ only end connections that are dead; the sessions' own are tighter.
 * On data only whole frames reset the timer, so it is loose there. */
static bool set_options(const struct tess_link_zmq_config *config, void *socket,
                        enum tess_channel channel)
{
    bool is_control = channel == TESS_CHANNEL_CONTROL;
    int64_t max_bytes = max_bytes_of(config, channel);
    return set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_IMMEDIATE, 1) &&
           set_int(socket, ZMQ_HANDSHAKE_IVL, 3000) &&
           set_int(socket, ZMQ_RECONNECT_IVL, 100) &&
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, 1000) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, is_control ? 1000 : 5000) &&
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, is_control ? 3000 : 30000) &&
           set_int(socket, ZMQ_SNDBUF, SEND_BUFFER_BYTES) &&
           set_int(socket, ZMQ_RCVHWM, RECEIVED_MESSAGES) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &max_bytes, sizeof max_bytes) == 0 &&
           (!config->is_coordinator || set_int(socket, ZMQ_ROUTER_MANDATORY, 1)) &&
           set_keys(config, socket);
}

static bool open_monitor(struct tess_link_zmq *link, enum tess_channel channel)
{
    char name[64];
    const int events = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    snprintf(name, sizeof name, "inproc://tessera.monitor.%d", (int)channel);
    link->monitors[channel] = zmq_socket(link->context, ZMQ_PAIR);
    return link->monitors[channel] &&
           zmq_socket_monitor(link->sockets[channel], name, events) == 0 &&
           set_int(link->monitors[channel], ZMQ_LINGER, 0) &&
           zmq_connect(link->monitors[channel], name) == 0;
}

static enum tess_status open_channel(struct tess_link_zmq *link,
                                     enum tess_channel channel, struct tess_error *error)
{
    const struct tess_link_zmq_config *config = &link->config;
    const char *endpoint =
        channel == TESS_CHANNEL_CONTROL ? config->control : config->data;
    size_t size = sizeof link->endpoints[channel];
    void *socket =
        zmq_socket(link->context, config->is_coordinator ? ZMQ_ROUTER : ZMQ_DEALER);
    link->sockets[channel] = socket;
    if (!socket || !set_options(config, socket, channel) || !open_monitor(link, channel))
        return zmq_failed(error, "cannot make a socket");
    if ((config->is_coordinator ? zmq_bind(socket, endpoint)
                                : zmq_connect(socket, endpoint)) != 0 ||
        zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, link->endpoints[channel], &size) != 0)
        return zmq_failed(error, endpoint);
    return TESS_OK;
}

static enum tess_status check_config(const struct tess_link_zmq_config *config,
                                     struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    if (!config->keys && !config->is_insecure &&
        (!is_loopback(config->control) || !is_loopback(config->data))) {
        status = tess_error_set(error, TESS_E_CONFIG,
                                "without keys only addresses of this machine are served");
        tess_error_hint(error,
                        "make keys with `tessera keygen`, or insist with --insecure");
    } else if (config->keys && !config->is_coordinator && !config->coordinator_key) {
        status = tess_error_set(error, TESS_E_CONFIG,
                                "the coordinator's public key is needed");
    }
    return status;
}

enum tess_status tess_link_zmq_create(const struct tess_link_zmq_config *config,
                                      struct tess_link_zmq **link_out,
                                      struct tess_error *error)
{
    enum tess_status status = check_config(config, error);
    if (status != TESS_OK)
        return status;
    struct tess_link_zmq *link = calloc(1, sizeof *link);
    if (!link)
        return tess_error_nomem(error);
    link->config = *config;
    zmq_msg_init(&link->payload);
    link->context = zmq_ctx_new();
    if (!link->context)
        status = tess_error_nomem(error);
    /* Before the first TCP bind: CURVE without a handler lets any key in. */
    if (status == TESS_OK && config->keys && config->is_coordinator) {
        link->zap = zmq_socket(link->context, ZMQ_REP);
        if (!link->zap || !set_int(link->zap, ZMQ_LINGER, 0) ||
            zmq_bind(link->zap, "inproc://zeromq.zap.01") != 0)
            status = zmq_failed(error, "cannot make the handler of keys");
    }
    for (int i = 0; i < 2 && status == TESS_OK; i++)
        status = open_channel(link, (enum tess_channel)i, error);
    if (status != TESS_OK) {
        tess_link_zmq_destroy(link);
        return status;
    }
    *link_out = link;
    return TESS_OK;
}

void tess_link_zmq_destroy(struct tess_link_zmq *link)
{
    if (!link)
        return;
    zmq_msg_close(&link->payload);
    for (int i = 0; i < 2; i++) {
        if (link->sockets[i])
            zmq_close(link->sockets[i]);
        if (link->monitors[i])
            zmq_close(link->monitors[i]);
    }
    if (link->zap)
        zmq_close(link->zap);
    if (link->context)
        while (zmq_ctx_term(link->context) != 0 && zmq_errno() == EINTR)
            ;
    free(link);
}

const char *tess_link_zmq_endpoint(const struct tess_link_zmq *link,
                                   enum tess_channel channel)
{
    return link->endpoints[channel];
}

/* --- sending --- */

/* libzmq's own ids: a zero byte and a number that it does not use again. */
static void make_routing_id(uint32_t peer, unsigned char id[ROUTING_ID_BYTES])
{
    id[0] = 0;
    for (int i = 0; i < 4; i++)
        id[1 + i] = (unsigned char)(peer >> (24 - 8 * i));
}

static bool send_header(struct tess_link_zmq *link, enum tess_channel channel,
                        uint32_t peer, const struct tess_message *message)
{
    unsigned char header[TESS_WIRE_HEADER_MAX_BYTES], id[ROUTING_ID_BYTES];
    void *socket = link->sockets[channel];
    size_t n_bytes = tess_wire_write(message, header);
    int more = message->payload_bytes > 0 ? ZMQ_SNDMORE : 0;
    assert(n_bytes > 0);
    make_routing_id(peer, id);
    if (link->config.is_coordinator &&
        zmq_send(socket, id, sizeof id, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return false;
    return zmq_send(socket, header, n_bytes, ZMQ_DONTWAIT | more) >= 0;
}

bool tess_link_zmq_send(struct tess_link_zmq *link, enum tess_channel channel,
                        uint32_t peer, const struct tess_message *message, void *payload,
                        void (*release)(void *payload, void *hint), void *hint)
{
    zmq_msg_t frame;
    if (message->payload_bytes == 0) {
        if (payload)
            release(payload, hint);
        return send_header(link, channel, peer, message);
    }
    if (zmq_msg_init_data(&frame, payload, (size_t)message->payload_bytes, release,
                          hint) != 0) {
        release(payload, hint);
        return false;
    }
    bool is_sent = send_header(link, channel, peer, message) &&
                   zmq_msg_send(&frame, link->sockets[channel], ZMQ_DONTWAIT) >= 0;
    if (!is_sent)
        zmq_msg_close(&frame); /* calls release */
    return is_sent;
}

/* --- keys --- */

static bool receive_frame(void *socket, unsigned char *bytes, size_t size, int *n_out,
                          bool *has_more_out)
{
    int more = 0;
    size_t more_size = sizeof more;
    int n = zmq_recv(socket, bytes, size, ZMQ_DONTWAIT);
    if (n < 0)
        return false;
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
    *n_out = n > (int)size ? (int)size : n;
    *has_more_out = more != 0;
    return true;
}

/* The name of the worker whose key this is; NULL if it is not on the list. */
static const char *name_of_key(const struct tess_link_zmq *link,
                               const unsigned char key[KEY_BYTES])
{
    char text[TESS_LINK_KEY];
    zmq_z85_encode(text, key, KEY_BYTES);
    for (int i = 0; i < link->config.n_allowed; i++)
        if (strcmp(link->config.allowed[i].public_key, text) == 0)
            return link->config.allowed[i].name;
    return NULL;
}

/* One request of ZAP (ZeroMQ RFC 27): version, request id, domain, address, routing id,
 * mechanism, key. True if it was refused, with an event. */
static bool judge_key(struct tess_link_zmq *link, struct tess_link_event *event)
{
    unsigned char frames[7][256];
    int lengths[7] = {0}, n = 0;
    bool has_more = true;
    while (has_more) {
        unsigned char rest[256];
        int length;
        bool fits = n < 7;
        if (!receive_frame(link->zap, fits ? frames[n] : rest, sizeof rest, &length,
                           &has_more))
            return false;
        if (fits)
            lengths[n] = length;
        n++;
    }
    bool is_curve = n == 7 && lengths[5] == 5 && memcmp(frames[5], "CURVE", 5) == 0 &&
                    lengths[6] == KEY_BYTES;
    const char *name = is_curve ? name_of_key(link, frames[6]) : NULL;
    zmq_send(link->zap, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(link->zap, frames[1], n > 1 ? (size_t)lengths[1] : 0, ZMQ_SNDMORE);
    zmq_send(link->zap, name ? "200" : "400", 3, ZMQ_SNDMORE);
    zmq_send(link->zap, name ? "OK" : "unknown key", name ? 2 : 11, ZMQ_SNDMORE);
    zmq_send(link->zap, name ? name : "", name ? strlen(name) : 0, ZMQ_SNDMORE);
    zmq_send(link->zap, "", 0, 0);
    if (name)
        return false;
    event->kind = TESS_LINK_REFUSED;
    if (n > 3)
        snprintf(event->address, sizeof event->address, "%.*s",
                 lengths[3] < 60 ? lengths[3] : 60, (const char *)frames[3]);
    snprintf(event->text, sizeof event->text, "its key is not on the list");
    return true;
}

/* --- connections --- */

static void note_connection(struct tess_link_zmq *link, enum tess_channel channel, int fd,
                            uint32_t peer)
{
    struct connection *free_one = NULL;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *at = &link->connections[i];
        if (at->is_used && at->channel == channel && at->fd == fd) {
            at->peer = peer;
            return;
        }
        if (!at->is_used && !free_one)
            free_one = at;
    }
    if (free_one)
        *free_one = (struct connection){true, channel, fd, peer};
}

/* Forgets the connection. False if no message ever came through it. */
static bool forget_connection(struct tess_link_zmq *link, enum tess_channel channel,
                              int fd, uint32_t *peer_out)
{
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *at = &link->connections[i];
        if (at->is_used && at->channel == channel && at->fd == fd) {
            at->is_used = false;
            *peer_out = at->peer;
            return true;
        }
    }
    return false;
}

/* One event of a monitor: { uint16 event, uint32 value } and the address. */
static bool watch(struct tess_link_zmq *link, enum tess_channel channel,
                  struct tess_link_event *event)
{
    unsigned char head[16], address[TESS_LINK_ENDPOINT];
    int length, address_length = 0;
    bool has_more;
    uint16_t what;
    int32_t value;
    if (!receive_frame(link->monitors[channel], head, sizeof head, &length, &has_more) ||
        length < 6)
        return false;
    if (has_more)
        receive_frame(link->monitors[channel], address, sizeof address, &address_length,
                      &has_more);
    memcpy(&what, head, sizeof what);
    memcpy(&value, head + sizeof what, sizeof value);
    event->channel = channel;
    snprintf(event->address, sizeof event->address, "%.*s",
             address_length < 60 ? address_length : 60, (const char *)address);
    if (what == ZMQ_EVENT_DISCONNECTED) {
        event->kind = TESS_LINK_GONE;
        return !link->config.is_coordinator ||
               forget_connection(link, channel, value, &event->peer);
    }
    event->kind = TESS_LINK_REFUSED;
    snprintf(event->text, sizeof event->text, "%s",
             what == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
                 ? "the coordinator does not know this worker's key"
                 : "the connection failed while keys were exchanged");
    /* The coordinator's own refusals were told when the key was judged. */
    return !(link->config.is_coordinator && what == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
}

/* --- messages --- */

/* Drops whatever frames are left of the message being received. */
static void drop_rest(void *socket, zmq_msg_t *frame)
{
    while (zmq_msg_more(frame))
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0)
            return;
}

static bool read_peer(zmq_msg_t *frame, uint32_t *peer_out)
{
    const unsigned char *id = zmq_msg_data(frame);
    if (zmq_msg_size(frame) != ROUTING_ID_BYTES || id[0] != 0 || !zmq_msg_more(frame))
        return false;
    *peer_out =
        (uint32_t)id[1] << 24 | (uint32_t)id[2] << 16 | (uint32_t)id[3] << 8 | id[4];
    return true;
}

/* Who sent it: what libzmq knows of the frame's connection. */
static void read_sender(struct tess_link_zmq *link, zmq_msg_t *header,
                        struct tess_link_event *event)
{
    const char *identity = link->config.keys && link->config.is_coordinator
                               ? zmq_msg_gets(header, "User-Id")
                               : NULL;
    const char *address = zmq_msg_gets(header, "Peer-Address");
    snprintf(event->identity, sizeof event->identity, "%s", identity ? identity : "");
    snprintf(event->address, sizeof event->address, "%s", address ? address : "");
    int fd = zmq_msg_get(header, ZMQ_SRCFD);
    if (link->config.is_coordinator && fd >= 0)
        note_connection(link, event->channel, fd, event->peer);
}

static void judge_message(struct tess_link_zmq *link, zmq_msg_t *header,
                          struct tess_link_event *event)
{
    event->kind = TESS_LINK_MESSAGE;
    event->payload = zmq_msg_data(&link->payload);
    event->fault = tess_wire_read(zmq_msg_data(header), zmq_msg_size(header),
                                  (int64_t)zmq_msg_size(&link->payload), event->channel,
                                  &event->message, NULL);
    bool is_known =
        !link->config.keys || !link->config.is_coordinator || event->identity[0];
    if (event->fault == TESS_WIRE_OK && is_known)
        event->is_payload_good =
            tess_wire_check_payload(&event->message, event->payload) == TESS_WIRE_OK;
    else
        event->kind = is_known ? TESS_LINK_GARBAGE : TESS_LINK_REFUSED;
    if (!is_known)
        snprintf(event->text, sizeof event->text, "it sent a message without a key");
}

/* One message, if there is one: [id] header [payload]. */
static bool receive(struct tess_link_zmq *link, enum tess_channel channel,
                    struct tess_link_event *event)
{
    void *socket = link->sockets[channel];
    zmq_msg_t header;
    bool is_whole = true;
    zmq_msg_init(&header);
    if (zmq_msg_recv(&header, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&header);
        return false;
    }
    event->channel = channel;
    if (link->config.is_coordinator)
        is_whole = read_peer(&header, &event->peer) &&
                   zmq_msg_recv(&header, socket, ZMQ_DONTWAIT) >= 0;
    read_sender(link, &header, event);
    if (is_whole && zmq_msg_more(&header)) {
        is_whole = zmq_msg_recv(&link->payload, socket, ZMQ_DONTWAIT) >= 0 &&
                   !zmq_msg_more(&link->payload);
        if (!is_whole)
            drop_rest(socket, &link->payload);
    } else if (!is_whole) {
        drop_rest(socket, &header);
    }
    if (is_whole) {
        judge_message(link, &header, event);
    } else {
        event->kind = TESS_LINK_GARBAGE;
        event->fault = TESS_WIRE_SCAN;
    }
    zmq_msg_close(&header);
    return true;
}

/* Connections first: what a message says may depend on who is gone. */
static bool take_event(struct tess_link_zmq *link, struct tess_link_event *event)
{
    memset(event, 0, sizeof *event);
    if (link->zap && judge_key(link, event))
        return true;
    for (int i = 0; i < 2; i++) {
        if (watch(link, (enum tess_channel)i, event))
            return true;
        memset(event, 0, sizeof *event); /* one that says nothing to anybody */
    }
    for (int i = 0; i < 2; i++) {
        enum tess_channel channel = link->next;
        link->next =
            channel == TESS_CHANNEL_DATA ? TESS_CHANNEL_CONTROL : TESS_CHANNEL_DATA;
        if (receive(link, channel, event))
            return true;
    }
    return false;
}

enum tess_status tess_link_zmq_wait(struct tess_link_zmq *link, int64_t timeout_us,
                                    struct tess_link_event *event_out,
                                    struct tess_error *error)
{
    zmq_pollitem_t items[N_ITEMS];
    int n_items = 0;
    zmq_msg_close(&link->payload);
    zmq_msg_init(&link->payload);
    if (take_event(link, event_out))
        return TESS_OK;
    for (int i = 0; i < 2; i++) {
        items[n_items++] =
            (zmq_pollitem_t){.socket = link->sockets[i], .events = ZMQ_POLLIN};
        items[n_items++] =
            (zmq_pollitem_t){.socket = link->monitors[i], .events = ZMQ_POLLIN};
    }
    if (link->zap)
        items[n_items++] = (zmq_pollitem_t){.socket = link->zap, .events = ZMQ_POLLIN};
    if (link->config.wake_fd > 0)
        items[n_items++] =
            (zmq_pollitem_t){.fd = link->config.wake_fd, .events = ZMQ_POLLIN};
    timeout_us = tess_min_i64(tess_max_i64(timeout_us, 0), LONGEST_WAIT_US);
    long timeout_ms = (long)tess_div_up(timeout_us, 1000);
    if (zmq_poll(items, n_items, timeout_ms) < 0 && zmq_errno() != EINTR)
        return zmq_failed(error, "cannot wait for messages");
    if (!take_event(link, event_out))
        memset(event_out, 0, sizeof *event_out);
    return TESS_OK;
}

struct tess_link_payload *tess_link_zmq_keep(struct tess_link_zmq *link)
{
    struct tess_link_payload *kept = malloc(sizeof *kept);
    if (!kept)
        return NULL;
    zmq_msg_init(&kept->message);
    zmq_msg_move(&kept->message, &link->payload);
    return kept;
}

void *tess_link_payload_bytes(struct tess_link_payload *payload)
{
    return zmq_msg_data(&payload->message);
}

void tess_link_payload_release(struct tess_link_payload *payload)
{
    if (!payload)
        return;
    zmq_msg_close(&payload->message);
    free(payload);
}
