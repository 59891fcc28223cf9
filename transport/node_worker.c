#include "transport/node_worker.h"

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "base/clock.h"
#include "executor/process_memory.h"
#include "plan/cluster.h"
#include "transport/garbage.h"
#include "transport/tile_thread.h"

enum { LONGEST_WAIT_US = 500000, LINGER_US = 300000 };

/* The output of a tile, from when it begins to be computed until it is sent and nobody keeps it:
 * the thread that sends gives its share back, too. */
struct output {
    atomic_int n_shares;
    max_align_t bytes[];
};

/* The input of a tile: the message as it came, or a copy where that is not aligned or not all. */
struct input {
    struct tess_link_payload *payload;
    void *copy;
};

/* What the thread does: one thing at a time. The machine sees to that. */
enum job { JOB_NONE, JOB_TILE, JOB_FIND, JOB_FINISH, JOB_OPEN };

struct worker_process {
    const struct tess_node_worker *node;
    struct tess_worker *machine;
    struct tess_link_zmq *link;
    struct tess_tile_thread *thread;
    struct input inputs[TESS_WORKER_SLOTS];
    enum job job;
    int computing;           /* slot, -1: none */
    bool is_released;        /* that slot, while it is computed */
    struct output *output;   /* of the tile being computed */
    struct output *finished; /* of the tile just computed, until it is sent */
    struct output *kept[TESS_KEPT_MAX];
    const struct tess_work *work;
    char *text; /* of the plan */
    int64_t text_bytes;
    struct tess_worker_action asked;  /* JOB_FIND, JOB_FINISH */
    int64_t here_bytes;               /* their answer */
    struct tess_worker_opened opened; /* that of JOB_OPEN */
    struct tess_garbage garbage;      /* of the coordinator */
    bool has_left, is_draining;
};

static int64_t now_us(void)
{
    return (int64_t)tess_clock_us();
}

static void tell(const struct worker_process *process, const char *text)
{
    if (process->node->tell)
        process->node->tell(process->node->context, text);
}

static struct output *output_new(int64_t n_bytes)
{
    struct output *output = malloc(sizeof *output + (size_t)n_bytes);
    if (output)
        atomic_init(&output->n_shares, 1);
    return output;
}

static void output_release(struct output *output)
{
    if (output && atomic_fetch_sub(&output->n_shares, 1) == 1)
        free(output);
}

static void release_output(void *payload, void *output)
{
    (void)payload;
    output_release(output);
}

/* --- answers to actions --- */

/* The whole input of a tile, from the pieces that came and what is kept: new, or NULL. */
static void *assemble(const struct worker_process *process,
                      const struct tess_task_key *key, const struct tess_parts *pieces,
                      const void *payload)
{
    const void *outputs[TESS_KEPT_MAX] = {NULL};
    void *input = malloc((size_t)tess_parts_bytes(
        &tess_work_tile(process->work, key->stage, key->tile)->inputs));
    for (int i = 0; i < TESS_KEPT_MAX; i++)
        outputs[i] = process->kept[i] ? process->kept[i]->bytes : NULL;
    if (input)
        tess_kept_assemble(tess_worker_kept(process->machine), process->work, key,
                           outputs, pieces, payload, input);
    return input;
}

static void hold(struct worker_process *process, const struct tess_worker_action *action,
                 const struct tess_link_event *event)
{
    const struct tess_parts *pieces = &event->message.as.task.parts;
    const struct tess_parts *parts =
        &tess_work_tile(process->work, action->key.stage, action->key.tile)->inputs;
    struct input *input = &process->inputs[action->slot];
    assert(!input->payload && !input->copy);
    if (tess_parts_are_equal(pieces, parts) && (uintptr_t)event->payload % 8 == 0)
        input->payload = tess_link_zmq_keep(process->link);
    else
        input->copy = assemble(process, &action->key, pieces, event->payload);
    /* What is not kept of the message goes now, before anything else takes memory. */
    tess_link_payload_release(input->copy ? tess_link_zmq_keep(process->link) : NULL);
}

static void release(struct worker_process *process, int slot)
{
    struct input *input = &process->inputs[slot];
    if (slot == process->computing) {
        process->is_released = true;
        return;
    }
    tess_link_payload_release(input->payload);
    free(input->copy);
    memset(input, 0, sizeof *input);
}

/* Without memory the tile is refused as soon as the machine can be told. */
static void compute(struct worker_process *process, int slot,
                    const struct tess_task_key *key)
{
    const struct input *input = &process->inputs[slot];
    const struct tess_work_tile *tile =
        tess_work_tile(process->work, key->stage, key->tile);
    const void *bytes =
        input->payload ? tess_link_payload_bytes(input->payload) : input->copy;
    output_release(process->finished); /* sent by now: there is room for the next */
    process->finished = NULL;
    process->output = bytes ? output_new(tess_parts_bytes(&tile->outputs)) : NULL;
    if (!process->output) {
        tess_worker_computed(process->machine, now_us(), slot, TESS_NACK_NOMEM,
                             "no memory for a tile's input or output", 0);
        return;
    }
    process->job = JOB_TILE;
    process->computing = slot;
    process->is_released = false;
    tess_tile_thread_start(process->thread, key->stage, key->tile, bytes,
                           process->output->bytes);
}

/* Some parts of an output, packed as a new one; NULL without memory. */
static struct output *pick(const struct tess_parts *parts, const struct tess_parts *whole,
                           const void *bytes)
{
    struct output *output = output_new(tess_parts_bytes(parts));
    if (output)
        tess_parts_pick(whole, bytes, parts, output->bytes);
    return output;
}

static void send_output(struct worker_process *process,
                        const struct tess_worker_action *action)
{
    struct tess_message message = action->message;
    const struct tess_result *result = &message.as.result;
    const struct tess_parts *whole =
        &tess_work_tile(process->work, result->key.stage, result->key.tile)->outputs;
    struct output *output = process->finished, *sent = output;
    if (action->kept_slot >= 0) {
        assert(!process->kept[action->kept_slot]);
        atomic_fetch_add(&output->n_shares, 1);
        process->kept[action->kept_slot] = output;
    }
    if (tess_parts_are_equal(&result->parts, whole))
        atomic_fetch_add(&output->n_shares, 1);
    else
        sent = pick(&result->parts, whole, output->bytes);
    if (!sent)
        return; /* as if the network had lost it */
    tess_wire_seal(&message, sent->bytes, tess_parts_bytes(&result->parts));
    tess_link_zmq_send(process->link, action->channel, 0, &message, sent->bytes,
                       release_output, sent);
}

static void send(struct worker_process *process, const struct tess_worker_action *action)
{
    if (action->message.kind == TESS_MESSAGE_RESULT)
        send_output(process, action);
    else
        tess_link_zmq_send(process->link, action->channel, 0, &action->message, NULL,
                           NULL, NULL);
}

static void forget(struct worker_process *process, int kept_slot)
{
    output_release(process->kept[kept_slot]);
    process->kept[kept_slot] = NULL;
}

static void keep_plan(struct worker_process *process, int64_t text_bytes,
                      const struct tess_link_event *event)
{
    const char *payload = event->payload;
    free(process->text);
    process->text = malloc((size_t)text_bytes);
    process->text_bytes = text_bytes;
    if (process->text)
        memcpy(process->text,
               payload + (size_t)(event->message.payload_bytes - text_bytes),
               (size_t)text_bytes);
    assert(process->job == JOB_NONE); /* which would look at text or blobs */
    tess_blobs_begin(process->node->blobs);
}

/* --- long work, on the thread --- */

static void start(struct worker_process *process, enum job job, tess_tile_call *call)
{
    process->job = job;
    tess_tile_thread_call(process->thread, call, process);
}

static enum tess_status open_plan(void *context, struct tess_error *error)
{
    struct worker_process *process = context;
    const struct tess_tile_runner *runner = process->node->runner;
    struct tess_worker_opened *opened = &process->opened;
    *opened = (struct tess_worker_opened){.credit = process->node->credit};
    if (!process->text)
        return tess_error_nomem(error);
    enum tess_status status =
        runner->open(runner->self, process->text, (size_t)process->text_bytes,
                     &opened->work, &opened->peak_bytes, error);
    opened->credit.kept_bytes =
        tess_cluster_kept_bytes(process->node->hello.memory_bytes, opened->peak_bytes);
    return status;
}

static enum tess_status find_blob(void *context, struct tess_error *error)
{
    struct worker_process *process = context;
    const struct tess_blob_entry *blob = &process->asked.blob;
    return tess_blobs_find(process->node->blobs, &blob->hash, blob->n_bytes,
                           &process->here_bytes, error);
}

static enum tess_status finish_blob(void *context, struct tess_error *error)
{
    struct worker_process *process = context;
    const struct tess_blob_entry *blob = &process->asked.blob;
    return tess_blobs_finish(process->node->blobs, &blob->hash, blob->n_bytes,
                             &process->here_bytes, error);
}

static void look_for_blob(struct worker_process *process,
                          const struct tess_worker_action *action)
{
    process->asked = *action;
    process->here_bytes = 0;
    start(process, JOB_FIND, find_blob);
}

/* A piece is written at once; a blob that is now whole is verified on the thread. */
static void put_piece(struct worker_process *process,
                      const struct tess_worker_action *action,
                      const struct tess_link_event *event)
{
    const struct tess_blob_entry *blob = &action->blob;
    int64_t here_bytes = 0;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_blobs_put(process->node->blobs, &blob->hash, blob->n_bytes, action->offset,
                       event->payload, event->message.payload_bytes, &here_bytes, &error);
    if (status == TESS_OK && here_bytes == blob->n_bytes) {
        process->asked = *action;
        process->here_bytes = 0;
        start(process, JOB_FINISH, finish_blob);
        return;
    }
    tess_worker_blob(process->machine, now_us(), action->index, here_bytes, status,
                     error.message);
}

/* Carries out all actions; `event`: the message just told, if it was one. */
static void act(struct worker_process *process, const struct tess_link_event *event)
{
    const struct tess_tile_runner *runner = process->node->runner;
    struct tess_worker_action action;
    while (tess_worker_next(process->machine, &action)) {
        switch (action.verb) {
        case TESS_WORKER_SEND: send(process, &action); break;
        case TESS_WORKER_PLAN: keep_plan(process, action.text_bytes, event); break;
        case TESS_WORKER_FIND: look_for_blob(process, &action); break;
        case TESS_WORKER_PUT: put_piece(process, &action, event); break;
        case TESS_WORKER_OPEN: start(process, JOB_OPEN, open_plan); break;
        case TESS_WORKER_CLOSE:
            assert(process->job == JOB_NONE);
            runner->close(runner->self);
            process->work = NULL;
            break;
        case TESS_WORKER_HOLD: hold(process, &action, event); break;
        case TESS_WORKER_FORGET: forget(process, action.slot); break;
        case TESS_WORKER_COMPUTE: compute(process, action.slot, &action.key); break;
        case TESS_WORKER_RELEASE: release(process, action.slot); break;
        case TESS_WORKER_LEAVE: process->has_left = true; break;
        case TESS_WORKER_TELL: tell(process, action.text); break;
        }
    }
}

/* --- what happens --- */

static void end_tile(struct worker_process *process, const struct tess_tile_done *done)
{
    int slot = process->computing;
    int code = done->status == TESS_OK        ? 0
               : done->status == TESS_E_NOMEM ? TESS_NACK_NOMEM
                                              : TESS_NACK_FAILED;
    process->computing = -1;
    process->finished = process->output;
    process->output = NULL;
    if (process->is_released)
        release(process, slot);
    tess_worker_set_resident(process->machine, now_us(), tess_process_peak_bytes());
    tess_worker_computed(process->machine, now_us(), slot, code, done->error.message,
                         done->compute_us);
    act(process, NULL);
    output_release(process->finished);
    process->finished = NULL;
}

static void end_job(struct worker_process *process, const struct tess_tile_done *done)
{
    enum job job = process->job;
    process->job = JOB_NONE;
    if (job == JOB_TILE) {
        end_tile(process, done);
    } else if (job == JOB_OPEN) {
        process->opened.status = done->status;
        process->opened.text = done->error.message;
        process->work = process->opened.work;
        tess_worker_opened(process->machine, now_us(), &process->opened);
    } else {
        tess_worker_blob(process->machine, now_us(), process->asked.index,
                         process->here_bytes, done->status, done->error.message);
    }
    act(process, NULL);
}

static void on_garbage(struct worker_process *process, enum tess_wire_fault fault)
{
    char text[TESS_WIRE_TEXT];
    if (!tess_garbage_comes(&process->garbage, now_us()))
        return;
    snprintf(text, sizeof text, "a message of the coordinator %s",
             tess_wire_fault_text(fault));
    tell(process, text);
}

static void tell_garbage(struct worker_process *process)
{
    char text[TESS_WIRE_TEXT];
    int64_t n = tess_garbage_take(&process->garbage, now_us());
    if (n == 0)
        return;
    snprintf(text, sizeof text,
             "%lld more message%s of the coordinator could not be read", (long long)n,
             n > 1 ? "s" : "");
    tell(process, text);
}

static void on_event(struct worker_process *process, const struct tess_link_event *event)
{
    if (event->kind == TESS_LINK_MESSAGE) {
        tess_worker_message(process->machine, now_us(), &event->message, event->payload,
                            event->is_payload_good);
    } else if (event->kind == TESS_LINK_GONE) {
        tess_worker_gone(process->machine, now_us());
    } else if (event->kind == TESS_LINK_GARBAGE) {
        on_garbage(process, event->fault);
    } else if (event->kind == TESS_LINK_REFUSED) {
        tell(process, event->text);
    }
    act(process, event);
}

static enum tess_status step(struct worker_process *process, struct tess_error *error)
{
    const volatile sig_atomic_t *stop = process->node->stop;
    struct tess_link_event event;
    struct tess_tile_done done;
    if (stop && *stop && !process->is_draining) {
        process->is_draining = true;
        tess_worker_drain(process->machine, now_us());
        act(process, NULL);
    }
    if (tess_worker_wake_us(process->machine) <= now_us()) {
        tess_worker_set_resident(process->machine, now_us(), tess_process_peak_bytes());
        tess_worker_tick(process->machine, now_us());
        act(process, NULL);
    }
    tell_garbage(process);
    int64_t wait_us = tess_worker_wake_us(process->machine) - now_us();
    enum tess_status status = tess_link_zmq_wait(
        process->link, tess_min_i64(wait_us, LONGEST_WAIT_US), &event, error);
    if (status != TESS_OK)
        return status;
    on_event(process, &event);
    if (tess_tile_thread_take(process->thread, &done))
        end_job(process, &done);
    return TESS_OK;
}

/* What was said last gets time to go. */
static void linger(struct worker_process *process)
{
    int64_t end_us = now_us() + LINGER_US;
    struct tess_link_event event;
    while (now_us() < end_us &&
           tess_link_zmq_wait(process->link, end_us - now_us(), &event, NULL) == TESS_OK)
        ;
}

static void clean_up(struct worker_process *process)
{
    const struct tess_tile_runner *runner = process->node->runner;
    if (process->thread)
        tess_tile_thread_finish(process->thread);
    process->job = JOB_NONE;
    process->computing = -1;
    for (int i = 0; i < TESS_WORKER_SLOTS; i++)
        release(process, i);
    runner->close(runner->self);
    tess_tile_thread_destroy(process->thread);
    tess_link_zmq_destroy(process->link);
    tess_worker_destroy(process->machine);
    output_release(process->output);
    for (int i = 0; i < TESS_KEPT_MAX; i++)
        output_release(process->kept[i]);
    free(process->text);
}

enum tess_status tess_node_worker_run(const struct tess_node_worker *node,
                                      struct tess_error *error)
{
    struct worker_process process = {.node = node, .computing = -1};
    struct tess_link_zmq_config link = node->link;
    enum tess_status status = tess_worker_create(&node->hello, &process.machine, error);
    if (status == TESS_OK)
        status = tess_tile_thread_create(node->runner, &process.thread, error);
    if (status == TESS_OK) {
        link.wake_fd = tess_tile_thread_fd(process.thread);
        status = tess_link_zmq_create(&link, &process.link, error);
    }
    while (status == TESS_OK && !process.has_left)
        status = step(&process, error);
    if (status == TESS_OK)
        linger(&process);
    clean_up(&process);
    return status;
}
