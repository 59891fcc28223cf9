#include "transport/coordinator.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "transport/coordinator_priv.h"

enum { FIRST_GUESS_MACS_PER_S = 1000000000, ACTIONS_PER_NODE = 16, ACTIONS_MORE = 64 };

void tess_coordinator_config_init(struct tess_coordinator_config *config)
{
    memset(config, 0, sizeof *config);
    config->max_workers = TESS_COORDINATOR_NODES_MAX;
    config->max_frames = TESS_COORDINATOR_FRAMES_MAX;
    config->beat_ms = 200;
    config->lease_ms = 1500;
    config->is_computing = true;
    config->own_cost_per_s = FIRST_GUESS_MACS_PER_S;
    config->default_cost_per_s = FIRST_GUESS_MACS_PER_S;
    config->link_bytes_per_s = 12500000;
    config->plan_text_bytes = 1;
    config->patience_us = 10000000;
}

static enum tess_status check_config(const struct tess_coordinator_config *config,
                                     struct tess_error *error)
{
    if (!config->work || config->epoch == 0 || config->max_workers < 0 ||
        config->max_workers > TESS_COORDINATOR_NODES_MAX || config->max_frames < 1 ||
        config->max_frames > TESS_COORDINATOR_FRAMES_MAX || config->beat_ms < 1 ||
        config->lease_ms <= config->beat_ms || config->own_cost_per_s < 1 ||
        config->default_cost_per_s < 1 || config->link_bytes_per_s < 1 ||
        config->uplink_bytes_per_s < 0 || config->n_blobs < 0 ||
        config->n_blobs > TESS_WIRE_BLOBS_MAX || config->plan_text_bytes < 1)
        return tess_error_set(error, TESS_E_CONFIG,
                              "a value of the cluster's configuration is out of range");
    return tess_work_check(config->work, error);
}

static int max_actions(const struct tess_coordinator_config *config)
{
    return ACTIONS_MORE + config->work->n_stages +
           ACTIONS_PER_NODE * (config->max_workers + 1);
}

static int64_t max_tiles(const struct tess_coordinator_config *config)
{
    return (int64_t)config->max_frames * config->work->n_tiles;
}

int64_t tess_coordinator_bytes(const struct tess_coordinator_config *config)
{
    return (int64_t)sizeof(struct tess_coordinator) +
           (config->max_workers + 1) * (int64_t)sizeof(struct node) +
           config->max_frames * (int64_t)sizeof(struct frame) +
           max_tiles(config) *
               ((int64_t)(sizeof(struct tile_state) + sizeof(struct tess_dispatch_tile) +
                          sizeof(struct waiting_tile)) +
                (config->max_workers + 1) * (int64_t)sizeof(int64_t)) +
           config->work->n_tiles * (int64_t)sizeof(int) +
           max_actions(config) * (int64_t)sizeof(struct tess_coordinator_action);
}

static void init_own_node(struct tess_coordinator *c)
{
    struct node *own = &c->nodes[0];
    strcpy(own->name, c->config.name[0] ? c->config.name : "coordinator");
    own->state = c->config.is_computing ? TESS_NODE_READY : TESS_NODE_UNABLE;
    own->planned = 1;
    own->has_credit = true;
    own->credit = (struct tess_credit){1, INT64_MAX, 0};
    own->cost_per_us = own->planned_cost_per_us = (double)c->config.own_cost_per_s * 1e-6;
    c->n_nodes = 1;
}

enum tess_status tess_coordinator_create(const struct tess_coordinator_config *config,
                                         struct tess_coordinator **coordinator_out,
                                         struct tess_error *error)
{
    enum tess_status status = check_config(config, error);
    if (status != TESS_OK)
        return status;
    struct tess_coordinator *c = calloc(1, sizeof *c);
    if (!c)
        return tess_error_nomem(error);
    size_t n_tiles = (size_t)max_tiles(config);
    size_t n_of_work = (size_t)config->work->n_tiles;
    c->config = *config;
    c->max_actions = max_actions(config);
    c->nodes = calloc((size_t)config->max_workers + 1, sizeof *c->nodes);
    c->frames = calloc((size_t)config->max_frames, sizeof *c->frames);
    c->tiles = calloc(n_tiles, sizeof *c->tiles);
    c->actions = calloc((size_t)c->max_actions, sizeof *c->actions);
    c->waiting = calloc(n_tiles, sizeof *c->waiting);
    c->waiting_at = calloc(n_tiles, sizeof *c->waiting_at);
    c->moved_bytes =
        calloc(n_tiles * ((size_t)config->max_workers + 1), sizeof *c->moved_bytes);
    c->n_before = calloc(n_of_work, sizeof *c->n_before);
    if (!c->nodes || !c->frames || !c->tiles || !c->actions || !c->waiting ||
        !c->waiting_at || !c->moved_bytes || !c->n_before) {
        tess_coordinator_destroy(c);
        return tess_error_nomem(error);
    }
    for (int i = 0; i < config->max_frames; i++)
        c->frames[i].tiles = c->tiles + (size_t)i * n_of_work;
    tess_frames_prepare(c);
    init_own_node(c);
    *coordinator_out = c;
    return TESS_OK;
}

void tess_coordinator_destroy(struct tess_coordinator *c)
{
    if (!c)
        return;
    free(c->nodes);
    free(c->frames);
    free(c->tiles);
    free(c->actions);
    free(c->waiting);
    free(c->waiting_at);
    free(c->moved_bytes);
    free(c->n_before);
    free(c);
}

/* --- actions --- */

struct tess_coordinator_action *tess_coordinator_act(struct tess_coordinator *c,
                                                     enum tess_coordinator_verb verb)
{
    assert(c->n_actions < c->max_actions);
    struct tess_coordinator_action *action =
        &c->actions[(c->first_action + c->n_actions++) % c->max_actions];
    memset(action, 0, sizeof *action);
    action->verb = verb;
    return action;
}

void tess_coordinator_tell(struct tess_coordinator *c, const char *format, ...)
{
    va_list arguments;
    struct tess_coordinator_action *action = tess_coordinator_act(c, TESS_DO_TELL);
    va_start(arguments, format);
    vsnprintf(action->text, sizeof action->text, format, arguments);
    va_end(arguments);
}

struct tess_message *tess_coordinator_send(struct tess_coordinator *c, struct node *node,
                                           enum tess_message_kind kind)
{
    enum tess_channel channel = tess_message_channel(kind);
    if (!node->has_peer[channel])
        return NULL;
    struct tess_coordinator_action *action = tess_coordinator_act(c, TESS_DO_SEND);
    action->channel = channel;
    action->peer = node->peer[channel];
    action->message.kind = kind;
    action->message.session = node->session;
    return &action->message;
}

bool tess_coordinator_next(struct tess_coordinator *c,
                           struct tess_coordinator_action *action_out)
{
    if (c->n_actions == 0)
        return false;
    *action_out = c->actions[c->first_action];
    c->first_action = (c->first_action + 1) % c->max_actions;
    c->n_actions--;
    return true;
}

/* --- what happened --- */

/* Time never goes back, whatever the caller says. */
static void begin(struct tess_coordinator *c, int64_t now_us)
{
    assert(c->n_actions == 0); /* the caller takes all actions before it tells more */
    c->now_us = tess_max_i64(c->now_us, now_us);
}

void tess_coordinator_message(struct tess_coordinator *c, int64_t now_us,
                              const struct tess_arrival *arrival)
{
    begin(c, now_us);
    tess_nodes_message(c, arrival);
    tess_give_tiles(c);
}

void tess_coordinator_garbage(struct tess_coordinator *c, int64_t now_us,
                              enum tess_channel channel, uint32_t peer,
                              const char *address, enum tess_wire_fault fault)
{
    begin(c, now_us);
    struct node *node = tess_nodes_by_peer(c, channel, peer);
    if (tess_garbage_comes(node ? &node->garbage : &c->strangers, c->now_us))
        tess_coordinator_tell(
            c, "a message of %s%s%.60s %s", node ? node->name : "an unknown peer",
            address[0] ? " at " : "", address, tess_wire_fault_text(fault));
    if (fault == TESS_WIRE_VERSION && channel == TESS_CHANNEL_CONTROL) {
        struct tess_coordinator_action *action = tess_coordinator_act(c, TESS_DO_SEND);
        action->channel = channel;
        action->peer = peer;
        action->message.kind = TESS_MESSAGE_ERROR;
        action->message.as.error.code = TESS_ERROR_PROTOCOL;
        snprintf(action->message.as.error.text, TESS_WIRE_TEXT,
                 "the coordinator speaks protocol version %d", TESS_WIRE_PROTOCOL);
    }
}

static void tell_garbage(struct tess_coordinator *c, struct tess_garbage *garbage,
                         const char *of)
{
    int64_t n = tess_garbage_take(garbage, c->now_us);
    if (n > 0)
        tess_coordinator_tell(c, "%lld more message%s of %s could not be read",
                              (long long)n, n > 1 ? "s" : "", of);
}

void tess_coordinator_gone(struct tess_coordinator *c, int64_t now_us,
                           enum tess_channel channel, uint32_t peer)
{
    begin(c, now_us);
    struct node *node = tess_nodes_by_peer(c, channel, peer);
    if (node) {
        node->has_peer[channel] = false;
        if (tess_node_is_live(node))
            tess_nodes_end(c, node, TESS_NODE_GONE, "closed its connection");
        tess_give_tiles(c);
    }
}

void tess_coordinator_computed(struct tess_coordinator *c, int64_t now_us,
                               const struct tess_task_key *key, int code,
                               const char *text, int64_t compute_us)
{
    begin(c, now_us);
    if (code == 0) {
        tess_frames_own(c, key, compute_us);
    } else {
        struct tess_nack nack = {.key = *key, .code = code};
        snprintf(nack.text, sizeof nack.text, "%s", text);
        tess_frames_nack(c, &c->nodes[0], &nack);
    }
    tess_give_tiles(c);
}

void tess_coordinator_tick(struct tess_coordinator *c, int64_t now_us)
{
    begin(c, now_us);
    tell_garbage(c, &c->strangers, "unknown peers");
    for (int i = 1; i < c->n_nodes; i++)
        tell_garbage(c, &c->nodes[i].garbage, c->nodes[i].name);
    tess_nodes_tick(c);
    tess_give_tiles(c);
}

void tess_coordinator_stop(struct tess_coordinator *c, int64_t now_us, const char *reason)
{
    begin(c, now_us);
    for (int i = 1; i < c->n_nodes; i++) {
        struct node *node = &c->nodes[i];
        struct tess_message *bye = tess_node_is_live(node)
                                       ? tess_coordinator_send(c, node, TESS_MESSAGE_BYE)
                                       : NULL;
        if (bye)
            snprintf(bye->as.bye.text, TESS_WIRE_TEXT, "%s", reason);
    }
}

int64_t tess_coordinator_wake_us(const struct tess_coordinator *c)
{
    int64_t wake_us = tess_garbage_due_us(&c->strangers);
    for (int i = 0; i < c->n_nodes; i++) {
        const struct node *node = &c->nodes[i];
        wake_us = tess_min_i64(wake_us, tess_garbage_due_us(&node->garbage));
        if (i > 0 && tess_node_is_live(node)) {
            wake_us = tess_min_i64(wake_us, node->beat_sent_us +
                                                (int64_t)c->config.beat_ms * 1000);
            wake_us = tess_min_i64(wake_us,
                                   node->heard_us + (int64_t)c->config.lease_ms * 1000);
        }
        for (int h = 0; h < node->n_held; h++) {
            const struct held *held = &node->held[h];
            int64_t late_us = held->sent_us + LATE_SLACK_US +
                              (held->finish_us - held->sent_us) * LATE_PERCENT / 100;
            if (tess_give_is_late(c, held)) /* a second attempt may pay off soon */
                late_us = c->now_us + LATE_SLACK_US;
            wake_us = tess_min_i64(wake_us, late_us);
        }
    }
    for (int i = 0; i < c->config.max_frames; i++)
        if (c->frames[i].is_open && c->frames[i].stuck_since_us >= 0)
            wake_us = tess_min_i64(wake_us,
                                   c->frames[i].stuck_since_us + c->config.patience_us);
    return tess_max_i64(wake_us, c->now_us + 1);
}

/* --- queries --- */

int tess_coordinator_n_nodes(const struct tess_coordinator *c)
{
    return c->n_nodes;
}

void tess_coordinator_report(const struct tess_coordinator *c, int number,
                             struct tess_node_report *report_out)
{
    const struct node *node = &c->nodes[number];
    assert(number >= 0 && number < c->n_nodes);
    *report_out = node->report;
    memcpy(report_out->name, node->name, sizeof report_out->name);
    report_out->state = node->state;
    report_out->latency_us = node->latency_us;
    report_out->n_held = node->n_held;
    report_out->cost_per_us = node->cost_per_us;
    report_out->link_bytes_per_us = node->link_bytes_per_us;
}

int tess_coordinator_n_frames(const struct tess_coordinator *c)
{
    int n = 0;
    for (int i = 0; i < c->config.max_frames; i++)
        n += c->frames[i].is_open;
    return n;
}

int64_t tess_coordinator_n_stale(const struct tess_coordinator *c)
{
    return c->n_stale;
}

static void assert_frame_valid(const struct tess_coordinator *c,
                               const struct frame *frame)
{
    const struct tess_work *work = c->config.work;
    int64_t n_attempts_open = 0, sum = 0;
    int n_won[TESS_WORK_STAGES_MAX] = {0};
    assert(frame->stage >= 0 && frame->stage < work->n_stages);
    for (int t = 0; t < work->n_tiles; t++) {
        const struct tile_state *tile = &frame->tiles[t];
        int n_open = 0, n_winners = 0;
        assert(tile->n_unbegun >= 0 && tile->n_missing >= tile->n_unbegun);
        assert(tile->n_unbegun == 0 || tile->n_attempts == 0);
        assert(tile->is_won == (tile->has_early && tile->has_rest));
        for (int a = 0; a < tile->n_attempts; a++) {
            n_open += tile->attempts[a].end == TESS_ATTEMPT_OPEN;
            n_winners += tile->attempts[a].end == TESS_ATTEMPT_WON;
        }
        assert(n_open == tile->n_open && n_winners == tile->is_won);
        n_attempts_open += n_open;
        n_won[tess_frames_key(c, frame, t).stage] += tile->is_won;
    }
    for (int s = 0; s < work->n_stages; s++) {
        assert(n_won[s] == frame->n_won[s]);
        assert(s >= frame->stage || n_won[s] == work->stages[s].n_tiles);
        assert(s != frame->stage || n_won[s] < work->stages[s].n_tiles);
    }
    for (int i = TESS_ATTEMPT_OPEN + 1; i < TESS_ATTEMPT_ENDS; i++)
        sum += frame->accounts.ended[i];
    assert(frame->accounts.ended[TESS_ATTEMPT_OPEN] == 0);
    assert(frame->accounts.issued == sum + n_attempts_open);
}

void tess_coordinator_assert_valid(const struct tess_coordinator *c)
{
    for (int i = 0; i < c->config.max_frames; i++)
        if (c->frames[i].is_open)
            assert_frame_valid(c, &c->frames[i]);
    for (int i = 0; i < c->n_nodes; i++) {
        const struct node *node = &c->nodes[i];
        assert(node->n_held >= 0 && node->n_held <= HELD_MAX);
        assert(node->n_held == 0 || i == 0 || tess_node_is_live(node));
        assert(node->cost_per_us > 0 || node->state == TESS_NODE_NONE);
        (void)node;
    }
}
