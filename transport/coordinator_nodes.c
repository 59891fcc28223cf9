#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "base/hash.h"
#include "transport/coordinator_priv.h"

/* Sessions: who is in the cluster. A node is an identity; sessions of it come and go. */

struct node *tess_nodes_by_peer(struct tess_coordinator *c, enum tess_channel channel,
                                uint32_t peer)
{
    for (int i = 1; i < c->n_nodes; i++)
        if (c->nodes[i].has_peer[channel] && c->nodes[i].peer[channel] == peer)
            return &c->nodes[i];
    return NULL;
}

static struct node *by_session(struct tess_coordinator *c, uint64_t session)
{
    for (int i = 1; i < c->n_nodes; i++)
        if (tess_node_is_live(&c->nodes[i]) && c->nodes[i].session == session)
            return &c->nodes[i];
    return NULL;
}

static struct node *by_identity(struct tess_coordinator *c, const char *identity)
{
    for (int i = 1; i < c->n_nodes; i++)
        if (strcmp(c->nodes[i].identity, identity) == 0)
            return &c->nodes[i];
    return NULL;
}

void tess_nodes_end(struct tess_coordinator *c, struct node *node,
                    enum tess_node_state state, const char *reason)
{
    assert(node != &c->nodes[0]);
    while (node->n_held > 0)
        tess_frames_lose(c, node, node->n_held - 1);
    if (state == TESS_NODE_REFUSED) {
        struct tess_message *error = tess_coordinator_send(c, node, TESS_MESSAGE_ERROR);
        if (error) {
            error->as.error.code = TESS_ERROR_BAD_RESULT;
            snprintf(error->as.error.text, TESS_WIRE_TEXT, "%s %s", node->name, reason);
        }
    }
    node->state = state;
    node->has_credit = false;
    tess_kept_clear(&node->kept);
    tess_coordinator_tell(c, "%s %s", node->name, reason);
}

/* --- joining --- */

static void refuse(struct tess_coordinator *c, uint32_t peer, int code, const char *text)
{
    struct tess_coordinator_action *action = tess_coordinator_act(c, TESS_DO_SEND);
    action->channel = TESS_CHANNEL_CONTROL;
    action->peer = peer;
    action->message.kind = TESS_MESSAGE_ERROR;
    action->message.as.error.code = code;
    snprintf(action->message.as.error.text, TESS_WIRE_TEXT, "%s", text);
}

static void send_plan(struct tess_coordinator *c, struct node *node)
{
    struct tess_message *plan = tess_coordinator_send(c, node, TESS_MESSAGE_PLAN);
    node->plan_sent_us = c->now_us;
    if (plan)
        plan->as.plan = (struct tess_plan_message){c->config.epoch, c->config.n_blobs,
                                                   c->config.plan_text_bytes};
}

static void welcome(struct tess_coordinator *c, struct node *node)
{
    struct tess_message *message = tess_coordinator_send(c, node, TESS_MESSAGE_WELCOME);
    if (message)
        message->as.welcome =
            (struct tess_welcome){c->config.epoch, c->config.beat_ms, c->config.lease_ms,
                                  tess_max_i64(tess_work_largest_payload(c->config.work),
                                               TESS_WIRE_PIECE_BYTES)};
    send_plan(c, node);
}

/* What the configuration says of the worker; NULL for nothing. */
static const struct tess_node_guess *find_guess(const struct tess_coordinator *c,
                                                const char *name)
{
    for (int i = 0; i < c->config.n_guesses; i++)
        if (strcmp(c->config.guesses[i].name, name) == 0)
            return &c->config.guesses[i];
    return NULL;
}

static void use_guess(const struct tess_coordinator *c, struct node *node,
                      const struct tess_hello *hello, const struct tess_node_guess *guess)
{
    int64_t cost_per_s =
        hello->macs_per_s ? hello->macs_per_s : c->config.default_cost_per_s;
    if (guess && guess->cost_per_s > 0)
        cost_per_s = guess->cost_per_s;
    int64_t link_bytes_per_s =
        guess ? guess->link_bytes_per_s : c->config.link_bytes_per_s;
    node->cost_per_us = node->planned_cost_per_us = (double)cost_per_s * 1e-6;
    node->link_bytes_per_us = (double)link_bytes_per_s * 1e-6;
    node->unable_stages = 0;
}

/* A new session. What was measured of the same process stays. The name is the authenticated one, if
 * there is one, whatever the worker calls itself. */
static void begin_session(struct tess_coordinator *c, struct node *node, uint32_t peer,
                          const struct tess_hello *hello)
{
    uint64_t session =
        tess_hash_i64(tess_hash_i64(TESS_HASH_START, (int64_t)c->config.epoch),
                      (int64_t)++c->n_sessions);
    bool is_same = node->incarnation == hello->incarnation && node->cost_per_us > 0;
    const struct tess_node_guess *guess = find_guess(c, node->identity);
    if (!is_same)
        use_guess(c, node, hello, guess);
    strcpy(node->name, node->identity);
    memcpy(node->report.build, hello->build, sizeof node->report.build);
    node->report.cores = hello->cores;
    node->report.memory_bytes = hello->memory_bytes;
    node->planned = guess ? (int)(guess - c->config.guesses) + 2 : 0;
    node->incarnation = hello->incarnation;
    node->session = session ? session : 1;
    node->state = TESS_NODE_JOINED;
    node->has_peer[TESS_CHANNEL_CONTROL] = true;
    node->peer[TESS_CHANNEL_CONTROL] = peer;
    node->has_peer[TESS_CHANNEL_DATA] = false;
    node->has_credit = false;
    tess_kept_clear(&node->kept);
    node->heard_us = c->now_us;
    node->beat_sent_us = c->now_us;
    node->paused_until_us = 0;
    node->echo_us = 0;
    node->n_bad = 0;
    welcome(c, node);
}

/* The node for a HELLO; NULL after having refused it. */
static struct node *admit(struct tess_coordinator *c, const struct tess_arrival *arrival)
{
    const struct tess_hello *hello = &arrival->message->as.hello;
    const char *identity = arrival->identity[0] ? arrival->identity : hello->name;
    struct node *node = by_identity(c, identity);
    if (strcmp(hello->kernels, c->config.kernels) != 0) {
        refuse(c, arrival->peer, TESS_ERROR_KERNELS,
               "the coordinator's kernels are of another family");
        tess_coordinator_tell(c, "%s was refused: its kernels are of family %s, not %s",
                              hello->name, hello->kernels, c->config.kernels);
        return NULL;
    }
    if (node && node->incarnation != hello->incarnation && tess_node_is_live(node)) {
        refuse(c, arrival->peer, TESS_ERROR_TAKEN,
               "another worker with this key is at work");
        tess_coordinator_tell(c, "a second worker with the key of %s was refused: %s",
                              node->name, hello->name);
        return NULL;
    }
    if (node && node->state == TESS_NODE_REFUSED &&
        node->incarnation == hello->incarnation) {
        refuse(c, arrival->peer, TESS_ERROR_BAD_RESULT,
               "this worker sent a result that cannot be right");
        return NULL;
    }
    if (!node && (c->n_nodes > c->config.max_workers ||
                  strlen(identity) >= sizeof c->nodes[0].identity)) {
        refuse(c, arrival->peer, TESS_ERROR_FULL,
               "the cluster has no room for more workers");
        tess_coordinator_tell(c, "%s was refused: no room for more workers", hello->name);
        return NULL;
    }
    if (!node) {
        node = &c->nodes[c->n_nodes++];
        strcpy(node->identity, identity);
    }
    return node;
}

static void on_hello(struct tess_coordinator *c, const struct tess_arrival *arrival)
{
    const struct tess_hello *hello = &arrival->message->as.hello;
    struct node *node = admit(c, arrival);
    if (!node)
        return;
    bool is_repeated =
        tess_node_is_live(node) && node->n_held == 0 && node->state == TESS_NODE_JOINED &&
        node->incarnation == hello->incarnation && node->has_peer[TESS_CHANNEL_CONTROL] &&
        node->peer[TESS_CHANNEL_CONTROL] == arrival->peer;
    if (is_repeated) {
        node->heard_us = c->now_us;
        welcome(c, node);
        return;
    }
    if (tess_node_is_live(node))
        tess_nodes_end(c, node, TESS_NODE_GONE, "begins again");
    begin_session(c, node, arrival->peer, hello);
    tess_coordinator_tell(c, "%s joined", node->name);
}

/* --- in a session --- */

static void mark_ready(struct node *node)
{
    if (node->state == TESS_NODE_JOINED)
        node->state = TESS_NODE_READY;
}

/* More tiles counted than the worker says it holds, the oldest long overdue: its task or
 * its answer got lost with a connection. */
static void reconcile(struct tess_coordinator *c, struct node *node, int n_held)
{
    if (node->n_held <= n_held)
        return;
    const struct held *oldest = &node->held[0];
    int64_t patience_us =
        2 * (oldest->finish_us - oldest->sent_us) + (int64_t)c->config.lease_ms * 1000;
    if (c->now_us - oldest->sent_us > patience_us) {
        tess_coordinator_tell(c, "%s never answered for tile %d of stage %d", node->name,
                              oldest->key.tile, oldest->key.stage);
        tess_frames_lose(c, node, 0);
    }
}

static void on_beat(struct tess_coordinator *c, struct node *node,
                    const struct tess_beat *beat)
{
    node->echo_us = beat->sent_us;
    node->report.resident_bytes = beat->resident_bytes;
    if (beat->echo_us > 0 && beat->echo_us <= c->now_us) {
        double one_way_us = (double)(c->now_us - beat->echo_us) / 2;
        /* What a beat waited for behind other things says little: believe the fast ones. */
        if (node->latency_us <= 0 || one_way_us < node->latency_us)
            node->latency_us = one_way_us;
        else
            node->latency_us += (one_way_us - node->latency_us) / 16;
    }
    bool has_plan = beat->epoch == c->config.epoch;
    if (has_plan && beat->state == TESS_WORKER_READY)
        mark_ready(node);
    if (has_plan && beat->state == TESS_WORKER_UNABLE)
        node->state = TESS_NODE_UNABLE;
    if (beat->state == TESS_WORKER_DRAINING)
        node->state = TESS_NODE_DRAINING;
    /* A worker that kept the plan of an earlier session waits for it all the same. */
    bool needs_plan = (!has_plan && beat->state != TESS_WORKER_DRAINING) ||
                      beat->state == TESS_WORKER_JOINED;
    if (needs_plan && c->now_us - node->plan_sent_us > RESEND_US) {
        node->state = TESS_NODE_JOINED;
        send_plan(c, node);
    }
    reconcile(c, node, beat->n_held);
}

static bool has_blob(const struct tess_coordinator *c, const struct tess_need *need,
                     int64_t *total_bytes_out)
{
    for (int i = 0; i < c->config.n_blobs; i++)
        if (tess_sha256_is_equal(&c->config.blobs[i].hash, &need->hash)) {
            *total_bytes_out = c->config.blobs[i].n_bytes;
            return need->offset < c->config.blobs[i].n_bytes;
        }
    return false;
}

/* At most four pieces for one NEED: so bulk never fills the queue. */
static void on_need(struct tess_coordinator *c, struct node *node,
                    const struct tess_need *need)
{
    int64_t total_bytes;
    if (!has_blob(c, need, &total_bytes)) {
        refuse(c, node->peer[TESS_CHANNEL_CONTROL], TESS_ERROR_BLOB,
               "the coordinator has no such weights");
        tess_coordinator_tell(c, "%s asked for weights that do not exist", node->name);
        return;
    }
    int64_t end = need->offset + tess_min_i64(need->n_bytes, 4 * TESS_WIRE_PIECE_BYTES);
    end = tess_min_i64(end, total_bytes);
    for (int64_t at = need->offset; at < end; at += TESS_WIRE_PIECE_BYTES) {
        struct tess_message *blob = tess_coordinator_send(c, node, TESS_MESSAGE_BLOB);
        if (!blob)
            return;
        blob->as.blob = (struct tess_blob_message){need->hash, at, total_bytes};
        blob->payload_bytes = tess_min_i64(end - at, TESS_WIRE_PIECE_BYTES);
        node->report.blob_bytes += blob->payload_bytes;
    }
}

static void on_error(struct tess_coordinator *c, struct node *node,
                     const struct tess_error_message *error)
{
    if (error->code == TESS_ERROR_SESSION) {
        tess_nodes_end(c, node, TESS_NODE_GONE, "lost its session");
        return;
    }
    while (node->n_held > 0)
        tess_frames_lose(c, node, node->n_held - 1);
    node->state = TESS_NODE_UNABLE;
    tess_coordinator_tell(c, "%s cannot run the plan%s: %.150s", node->name,
                          error->code == TESS_ERROR_NOMEM ? ", out of memory" : "",
                          error->text);
}

static void on_bye(struct tess_coordinator *c, struct node *node,
                   const struct tess_bye *bye)
{
    char reason[TESS_WIRE_TEXT];
    snprintf(reason, sizeof reason, "left: %.200s", bye->text);
    tess_nodes_end(c, node, TESS_NODE_GONE, reason);
}

static void on_control(struct tess_coordinator *c, struct node *node,
                       const struct tess_message *message)
{
    node->heard_us = c->now_us;
    /* Kinds that only coordinators send change nothing. */
    if (message->kind == TESS_MESSAGE_BEAT)
        on_beat(c, node, &message->as.beat);
    else if (message->kind == TESS_MESSAGE_NEED)
        on_need(c, node, &message->as.need);
    else if (message->kind == TESS_MESSAGE_READY &&
             message->as.ready.epoch == c->config.epoch)
        mark_ready(node);
    else if (message->kind == TESS_MESSAGE_DRAIN)
        node->state = TESS_NODE_DRAINING;
    else if (message->kind == TESS_MESSAGE_BYE)
        on_bye(c, node, &message->as.bye);
    else if (message->kind == TESS_MESSAGE_ERROR)
        on_error(c, node, &message->as.error);
}

static bool is_from(const struct node *node, const char *identity)
{
    return !identity[0] || strcmp(node->identity, identity) == 0;
}

/* The sender of a data message. A worker whose session is over may still answer for what
 * it was given: its connection tells who it is. */
static struct node *data_sender(struct tess_coordinator *c,
                                const struct tess_arrival *arrival)
{
    struct node *node = by_session(c, arrival->message->session);
    if (node && arrival->message->kind == TESS_MESSAGE_CREDIT &&
        is_from(node, arrival->identity)) {
        node->has_peer[TESS_CHANNEL_DATA] = true;
        node->peer[TESS_CHANNEL_DATA] = arrival->peer;
    }
    return tess_nodes_by_peer(c, TESS_CHANNEL_DATA, arrival->peer);
}

static void on_data(struct tess_coordinator *c, struct node *node,
                    const struct tess_arrival *arrival)
{
    const struct tess_message *message = arrival->message;
    if (node->session == message->session)
        node->heard_us = c->now_us;
    if (message->kind == TESS_MESSAGE_CREDIT && node->session == message->session) {
        node->has_credit = true;
        node->credit = message->as.credit;
        node->credit.tiles = tess_min_int(node->credit.tiles, HELD_MAX);
        node->kept.limit_bytes = node->credit.kept_bytes;
    } else if (message->kind == TESS_MESSAGE_RESULT) {
        tess_frames_result(c, node, message, arrival->is_payload_good);
    } else if (message->kind == TESS_MESSAGE_NACK) {
        tess_frames_nack(c, node, &message->as.nack);
    }
}

void tess_nodes_message(struct tess_coordinator *c, const struct tess_arrival *arrival)
{
    const struct tess_message *message = arrival->message;
    struct node *node;
    if (message->kind == TESS_MESSAGE_HELLO) {
        on_hello(c, arrival);
    } else if (arrival->channel == TESS_CHANNEL_DATA) {
        node = data_sender(c, arrival);
        if (node && is_from(node, arrival->identity))
            on_data(c, node, arrival);
        else if (message->kind == TESS_MESSAGE_RESULT)
            c->n_stale++;
    } else {
        node = by_session(c, message->session);
        if (node && is_from(node, arrival->identity) &&
            node->peer[TESS_CHANNEL_CONTROL] == arrival->peer)
            on_control(c, node, message);
        else if (message->kind != TESS_MESSAGE_ERROR && message->kind != TESS_MESSAGE_BYE)
            refuse(c, arrival->peer, TESS_ERROR_SESSION, "no such session");
    }
}

/* --- time --- */

void tess_nodes_tick(struct tess_coordinator *c)
{
    for (int i = 1; i < c->n_nodes; i++) {
        struct node *node = &c->nodes[i];
        if (!tess_node_is_live(node))
            continue;
        if (c->now_us - node->heard_us >= (int64_t)c->config.lease_ms * 1000) {
            tess_nodes_end(c, node, TESS_NODE_GONE, "has been silent for too long");
            continue;
        }
        if (c->now_us - node->beat_sent_us < (int64_t)c->config.beat_ms * 1000)
            continue;
        struct tess_message *beat = tess_coordinator_send(c, node, TESS_MESSAGE_BEAT);
        node->beat_sent_us = c->now_us;
        if (beat)
            beat->as.beat = (struct tess_beat){
                .epoch = c->config.epoch, .sent_us = c->now_us, .echo_us = node->echo_us};
    }
}
