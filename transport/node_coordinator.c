#include "transport/node_coordinator.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "transport/tile_thread.h"

enum { LINGER_US = 200000 };

struct stored_frame {
    bool is_used, has_ended, is_failed;
    int64_t number;
    void **tensors; /* [n_tensors], NULL when not held */
    bool is_told;   /* its outcome */
    struct tess_accounts accounts;
    char text[TESS_WIRE_TEXT];
};

/* The buffers of a tile that is computed here. */
struct own_tile {
    const void *input; /* packed, or a part of a frame's tensor */
    void *packed;      /* NULL: it is a part of `tensor` */
    void *tensor;
    bool is_tensor_left; /* the frame does not need it any more: freed with the tile */
    void *output;
};

struct tess_node_coordinator {
    struct tess_node_coordinator_config config;
    const struct tess_work *work;
    struct tess_coordinator *core;
    struct tess_link_zmq *link;
    struct tess_tile_thread *thread;
    struct stored_frame *frames; /* [max_frames] */
    struct tess_task_key own;    /* the tile being computed */
    struct own_tile own_tile;
};

static int64_t now_us(void)
{
    return (int64_t)tess_clock_us();
}

static void tell(const struct tess_node_coordinator *node, const char *text)
{
    if (node->config.tell)
        node->config.tell(node->config.context, text);
}

static void release_payload(void *payload, void *hint)
{
    (void)hint;
    free(payload);
}

/* --- tensors --- */

static int64_t tensor_bytes(const struct tess_work *work, int tensor)
{
    const struct tess_part_map *map = &work->tensors[tensor];
    return (int64_t)map->h * map->w * map->c * map->element_bytes;
}

static struct stored_frame *find_frame(const struct tess_node_coordinator *node,
                                       int64_t number)
{
    for (int i = 0; i < node->config.core.max_frames; i++)
        if (node->frames[i].is_used && node->frames[i].number == number)
            return &node->frames[i];
    return NULL;
}

/* A tensor that our own tile reads is freed when that is done. */
static void release_tensor(struct tess_node_coordinator *node, void **tensor)
{
    if (*tensor && *tensor == node->own_tile.tensor)
        node->own_tile.is_tensor_left = true;
    else
        free(*tensor);
    *tensor = NULL;
}

static void release_tensors(struct tess_node_coordinator *node,
                            struct stored_frame *frame)
{
    for (int i = 0; i < node->work->n_tensors; i++)
        release_tensor(node, &frame->tensors[i]);
}

/* The tensors that a stage writes. False without memory. */
static bool begin_stage(const struct tess_node_coordinator *node,
                        struct stored_frame *frame, int stage)
{
    for (int i = 0; i < node->work->n_tensors; i++)
        if (tess_work_writer(node->work, i) == stage && !frame->tensors[i]) {
            frame->tensors[i] = malloc((size_t)tensor_bytes(node->work, i));
            if (!frame->tensors[i])
                return false;
        }
    return true;
}

static void end_stage(struct tess_node_coordinator *node, struct stored_frame *frame,
                      int stage)
{
    for (int i = 0; i < node->work->n_tensors; i++)
        if (tess_work_last_reader(node->work, i) == stage &&
            !(node->config.keeps && node->config.keeps[i]))
            release_tensor(node, &frame->tensors[i]);
}

/* Parts of the tensors of a frame, packed: new, NULL without memory. */
static void *pack(const struct tess_node_coordinator *node, int64_t number,
                  const struct tess_parts *parts, int64_t *n_bytes_out)
{
    const struct stored_frame *frame = find_frame(node, number);
    int64_t at = 0;
    *n_bytes_out = tess_parts_bytes(parts);
    unsigned char *packed = malloc((size_t)tess_max_i64(*n_bytes_out, 1));
    for (int i = 0; packed && i < parts->n; i++) {
        int tensor = parts->at[i].tensor;
        tess_part_pack(&parts->at[i], &node->work->tensors[tensor],
                       frame->tensors[tensor], packed + at);
        at += tess_part_bytes(&parts->at[i]);
    }
    return packed;
}

/* Allocates what the tile's stage writes when its first result comes. */
static enum tess_status store(const struct tess_node_coordinator *node,
                              const struct tess_coordinator_action *action,
                              const void *packed, struct tess_error *error)
{
    const struct tess_task_key *key = &action->key;
    struct stored_frame *frame = find_frame(node, key->frame);
    if (!begin_stage(node, frame, key->stage))
        return tess_error_nomem(error);
    if (node->config.stored && action->is_first)
        node->config.stored(node->config.context, action, now_us());
    for (int i = 0; i < action->stored.n; i++) {
        int tensor = action->stored.at[i].tensor;
        tess_part_place(&action->stored.at[i], &action->came, packed,
                        &node->work->tensors[tensor], frame->tensors[tensor]);
    }
    return TESS_OK;
}

/* --- actions --- */

/* The payload of a message: new; NULL if it cannot be made. */
static void *make_payload(const struct tess_node_coordinator *node,
                          const struct tess_message *message, int64_t *n_bytes_out)
{
    const struct tess_node_coordinator_config *config = &node->config;
    unsigned char *payload = NULL;
    if (message->kind == TESS_MESSAGE_TASK)
        return pack(node, message->as.task.key.frame, &message->as.task.parts,
                    n_bytes_out);
    if (message->kind == TESS_MESSAGE_PLAN) {
        int64_t table_bytes = (int64_t)config->core.n_blobs * TESS_WIRE_BLOB_ENTRY_BYTES;
        *n_bytes_out = table_bytes + config->plan_text_bytes;
        payload = malloc((size_t)*n_bytes_out);
        for (int i = 0; payload && i < config->core.n_blobs; i++)
            tess_wire_put_blob_entry(&config->core.blobs[i],
                                     payload + (size_t)i * TESS_WIRE_BLOB_ENTRY_BYTES);
        if (payload)
            memcpy(payload + table_bytes, config->plan_text,
                   (size_t)config->plan_text_bytes);
        return payload;
    }
    *n_bytes_out = message->payload_bytes;
    payload = malloc((size_t)*n_bytes_out);
    for (int i = 0; payload && i < config->core.n_blobs; i++)
        if (tess_sha256_is_equal(&config->core.blobs[i].hash, &message->as.blob.hash) &&
            config->read_blob(config->context, i, message->as.blob.offset, *n_bytes_out,
                              payload) == TESS_OK)
            return payload;
    free(payload);
    return NULL;
}

static void send(struct tess_node_coordinator *node,
                 const struct tess_coordinator_action *action)
{
    struct tess_message message = action->message;
    bool has_payload = message.kind == TESS_MESSAGE_TASK ||
                       message.kind == TESS_MESSAGE_PLAN ||
                       message.kind == TESS_MESSAGE_BLOB;
    int64_t n_bytes = 0;
    void *payload = has_payload ? make_payload(node, &message, &n_bytes) : NULL;
    if (has_payload && !payload) {
        tell(node, "a message could not be sent for want of memory or of a file");
        return; /* as if the network had lost it */
    }
    tess_wire_seal(&message, payload, n_bytes);
    tess_link_zmq_send(node->link, action->channel, action->peer, &message, payload,
                       release_payload, NULL);
}

/* The input of our own tile: where it lies, if that is in one piece, else packed. */
static void take_own_input(const struct tess_node_coordinator *node,
                           const struct tess_task_key *key, struct own_tile *own)
{
    const struct tess_parts *parts =
        &tess_work_tile(node->work, key->stage, key->tile)->inputs;
    const struct stored_frame *frame = find_frame(node, key->frame);
    int tensor = parts->at[0].tensor;
    int64_t offset, n_bytes;
    if (parts->n == 1 &&
        tess_part_is_contiguous(&parts->at[0], &node->work->tensors[tensor], &offset) &&
        offset % 8 == 0) {
        own->tensor = frame->tensors[tensor];
        own->input = (const char *)own->tensor + offset;
    } else {
        own->input = own->packed = pack(node, key->frame, parts, &n_bytes);
    }
}

static void release_own(struct own_tile *own)
{
    free(own->packed);
    free(own->output);
    if (own->is_tensor_left)
        free(own->tensor);
    memset(own, 0, sizeof *own);
}

/* False without memory: the core is told so after its actions are done. */
static bool compute(struct tess_node_coordinator *node, const struct tess_task_key *key)
{
    const struct tess_work_tile *tile = tess_work_tile(node->work, key->stage, key->tile);
    struct own_tile *own = &node->own_tile;
    node->own = *key;
    take_own_input(node, key, own);
    own->output = malloc((size_t)tess_parts_bytes(&tile->outputs));
    if (!own->input || !own->output) {
        release_own(own);
        return false;
    }
    tess_tile_thread_start(node->thread, key->stage, key->tile, own->input, own->output);
    return true;
}

static void end_frame(struct tess_node_coordinator *node,
                      const struct tess_coordinator_action *action, bool is_failed)
{
    struct stored_frame *frame = find_frame(node, action->key.frame);
    frame->has_ended = true;
    frame->is_failed = is_failed;
    frame->accounts = action->accounts;
    memcpy(frame->text, action->text, sizeof frame->text);
    if (is_failed)
        release_tensors(node, frame);
}

/* Carries out all actions. `payload`: of the message or tile just told. */
static enum tess_status act(struct tess_node_coordinator *node, const void *payload,
                            struct tess_error *error)
{
    struct tess_coordinator_action action;
    enum tess_status status = TESS_OK;
    bool is_refused = false;
    while (tess_coordinator_next(node->core, &action)) {
        if (action.verb == TESS_DO_SEND)
            send(node, &action);
        else if (action.verb == TESS_DO_COMPUTE)
            is_refused = !compute(node, &action.key);
        else if (action.verb == TESS_DO_STORE && status == TESS_OK)
            status = store(node, &action, payload, error);
        else if (action.verb == TESS_DO_STAGE_DONE)
            end_stage(node, find_frame(node, action.key.frame), action.key.stage);
        else if (action.verb == TESS_DO_FRAME_DONE)
            end_frame(node, &action, false);
        else if (action.verb == TESS_DO_FRAME_FAILED)
            end_frame(node, &action, true);
        else if (action.verb == TESS_DO_TELL)
            tell(node, action.text);
    }
    if (!is_refused || status != TESS_OK)
        return status;
    tess_coordinator_computed(node->core, now_us(), &node->own, TESS_NACK_NOMEM,
                              "no memory for a tile", 0);
    return act(node, NULL, error); /* it gives this stage to us no more */
}

/* --- what happens --- */

static void on_event(struct tess_node_coordinator *node,
                     const struct tess_link_event *event)
{
    char text[TESS_WIRE_TEXT + TESS_LINK_ADDRESS + 32];
    if (event->kind == TESS_LINK_MESSAGE) {
        struct tess_arrival arrival = {event->channel, event->peer, event->identity,
                                       &event->message, event->is_payload_good};
        tess_coordinator_message(node->core, now_us(), &arrival);
    } else if (event->kind == TESS_LINK_GONE) {
        tess_coordinator_gone(node->core, now_us(), event->channel, event->peer);
    } else if (event->kind == TESS_LINK_GARBAGE) {
        tess_coordinator_garbage(node->core, now_us(), event->channel, event->peer,
                                 event->address, event->fault);
    } else if (event->kind == TESS_LINK_REFUSED) {
        snprintf(text, sizeof text, "a connection from %s was refused: %s",
                 event->address, event->text);
        tell(node, text);
    }
}

static enum tess_status end_own_tile(struct tess_node_coordinator *node,
                                     const struct tess_tile_done *done,
                                     struct tess_error *error)
{
    int code = done->status == TESS_OK        ? 0
               : done->status == TESS_E_NOMEM ? TESS_NACK_NOMEM
                                              : TESS_NACK_FAILED;
    struct own_tile own = node->own_tile;
    memset(&node->own_tile, 0,
           sizeof node->own_tile); /* the next one may begin at once */
    tess_coordinator_computed(node->core, now_us(), &node->own, code, done->error.message,
                              done->compute_us);
    enum tess_status status = act(node, own.output, error);
    release_own(&own);
    return status;
}

static void take_outcome(struct tess_node_coordinator *node,
                         struct tess_node_outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    for (int i = 0; i < node->config.core.max_frames; i++) {
        struct stored_frame *frame = &node->frames[i];
        if (!frame->is_used || !frame->has_ended || frame->is_told)
            continue;
        frame->is_told = true;
        outcome->has_frame = true;
        outcome->frame = frame->number;
        outcome->is_failed = frame->is_failed;
        outcome->accounts = frame->accounts;
        memcpy(outcome->text, frame->text, sizeof outcome->text);
        return;
    }
}

enum tess_status tess_node_coordinator_step(struct tess_node_coordinator *node,
                                            int64_t timeout_us,
                                            struct tess_node_outcome *outcome_out,
                                            struct tess_error *error)
{
    struct tess_link_event event;
    struct tess_tile_done done;
    take_outcome(node, outcome_out);
    if (outcome_out->has_frame)
        return TESS_OK;
    int64_t wait_us = tess_coordinator_wake_us(node->core) - now_us();
    enum tess_status status =
        tess_link_zmq_wait(node->link, tess_min_i64(wait_us, timeout_us), &event, error);
    if (status == TESS_OK && event.kind != TESS_LINK_NOTHING) {
        on_event(node, &event);
        status = act(node, event.payload, error);
    }
    if (status == TESS_OK && node->thread && tess_tile_thread_take(node->thread, &done))
        status = end_own_tile(node, &done, error);
    if (status == TESS_OK && tess_coordinator_wake_us(node->core) <= now_us()) {
        tess_coordinator_tick(node->core, now_us());
        status = act(node, NULL, error);
    }
    if (status == TESS_OK)
        take_outcome(node, outcome_out);
    return status;
}

/* --- frames --- */

static enum tess_status copy_given(struct tess_node_coordinator *node,
                                   struct stored_frame *frame, const void *const *given,
                                   struct tess_error *error)
{
    for (int i = 0; i < node->work->n_tensors; i++) {
        if (tess_work_writer(node->work, i) >= 0)
            continue;
        frame->tensors[i] = malloc((size_t)tensor_bytes(node->work, i));
        if (!frame->tensors[i]) {
            release_tensors(node, frame);
            return tess_error_nomem(error);
        }
        memcpy(frame->tensors[i], given[i], (size_t)tensor_bytes(node->work, i));
    }
    return TESS_OK;
}

enum tess_status tess_node_coordinator_submit(struct tess_node_coordinator *node,
                                              const void *const *given,
                                              int64_t *frame_out,
                                              struct tess_error *error)
{
    struct stored_frame *frame = NULL;
    for (int i = 0; i < node->config.core.max_frames && !frame; i++)
        if (!node->frames[i].is_used)
            frame = &node->frames[i];
    if (!frame)
        return tess_error_set(error, TESS_E_BUDGET, "all frames are in flight");
    enum tess_status status = copy_given(node, frame, given, error);
    if (status != TESS_OK)
        return status;
    status = tess_coordinator_submit(node->core, now_us(), &frame->number);
    assert(status == TESS_OK); /* the core has room when we have */
    frame->is_used = true;
    frame->has_ended = frame->is_failed = frame->is_told = false;
    *frame_out = frame->number;
    return act(node, NULL, error);
}

const void *tess_node_coordinator_result(const struct tess_node_coordinator *node,
                                         int64_t number, int tensor)
{
    const struct stored_frame *frame = find_frame(node, number);
    return frame && frame->has_ended ? frame->tensors[tensor] : NULL;
}

void tess_node_coordinator_release(struct tess_node_coordinator *node, int64_t number)
{
    struct stored_frame *frame = find_frame(node, number);
    assert(frame && frame->has_ended);
    release_tensors(node, frame);
    frame->is_used = false;
}

/* --- life --- */

static enum tess_status make_frames(struct tess_node_coordinator *node,
                                    struct tess_error *error)
{
    int n = node->config.core.max_frames;
    node->frames = calloc((size_t)n, sizeof *node->frames);
    for (int i = 0; node->frames && i < n; i++) {
        node->frames[i].tensors =
            calloc((size_t)node->work->n_tensors, sizeof *node->frames[i].tensors);
        if (!node->frames[i].tensors)
            return tess_error_nomem(error);
    }
    return node->frames ? TESS_OK : tess_error_nomem(error);
}

enum tess_status
tess_node_coordinator_create(const struct tess_node_coordinator_config *config,
                             struct tess_node_coordinator **node_out,
                             struct tess_error *error)
{
    struct tess_node_coordinator *node = calloc(1, sizeof *node);
    if (!node)
        return tess_error_nomem(error);
    node->config = *config;
    node->config.core.plan_text_bytes = config->plan_text_bytes;
    node->work = config->core.work;
    enum tess_status status =
        tess_coordinator_create(&node->config.core, &node->core, error);
    if (status == TESS_OK)
        status = make_frames(node, error);
    if (status == TESS_OK && config->core.is_computing)
        status = tess_tile_thread_create(config->runner, &node->thread, error);
    if (status == TESS_OK) {
        node->config.link.wake_fd = node->thread ? tess_tile_thread_fd(node->thread) : 0;
        node->config.link.payload_bytes = tess_work_largest_payload(node->work);
        status = tess_link_zmq_create(&node->config.link, &node->link, error);
    }
    if (status != TESS_OK) {
        tess_node_coordinator_destroy(node);
        return status;
    }
    *node_out = node;
    return TESS_OK;
}

/* The workers are told, and what was said gets time to go. */
static void say_bye(struct tess_node_coordinator *node)
{
    int64_t end_us = now_us() + LINGER_US;
    struct tess_link_event event;
    tess_coordinator_stop(node->core, now_us(), "the coordinator is done");
    act(node, NULL, NULL);
    while (tess_coordinator_n_nodes(node->core) > 1 && now_us() < end_us &&
           tess_link_zmq_wait(node->link, end_us - now_us(), &event, NULL) == TESS_OK)
        ;
}

void tess_node_coordinator_destroy(struct tess_node_coordinator *node)
{
    if (!node)
        return;
    if (node->link)
        say_bye(node);
    if (node->thread)
        tess_tile_thread_finish(node->thread);
    tess_tile_thread_destroy(node->thread);
    tess_link_zmq_destroy(node->link);
    for (int i = 0; node->frames && i < node->config.core.max_frames; i++)
        if (node->frames[i].tensors) {
            release_tensors(node, &node->frames[i]);
            free(node->frames[i].tensors);
        }
    free(node->frames);
    tess_coordinator_destroy(node->core);
    release_own(&node->own_tile);
    free(node);
}

const char *tess_node_coordinator_endpoint(const struct tess_node_coordinator *node,
                                           enum tess_channel channel)
{
    return tess_link_zmq_endpoint(node->link, channel);
}

const struct tess_coordinator *
tess_node_coordinator_core(const struct tess_node_coordinator *node)
{
    return node->core;
}
