#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "transport/worker_priv.h"

/* Tiles in slots: queued in the order they came, one computed at a time. */

int tess_worker_n_held(const struct tess_worker *w)
{
    int n = 0;
    for (int i = 0; i < TESS_WORKER_SLOTS; i++)
        n += w->slots[i].state != SLOT_FREE && !w->slots[i].is_orphan;
    return n;
}

static void nack(struct tess_worker *w, const struct tess_task_key *key, int code,
                 const char *text)
{
    struct tess_message *message = tess_worker_send(w, TESS_MESSAGE_NACK);
    message->as.nack.key = *key;
    message->as.nack.code = code;
    snprintf(message->as.nack.text, TESS_WIRE_TEXT, "%s", text);
}

static void release(struct tess_worker *w, int index)
{
    tess_worker_act(w, TESS_WORKER_RELEASE)->slot = index;
    w->slots[index] = (struct slot){.state = SLOT_FREE};
}

static void compute_next(struct tess_worker *w)
{
    int next = -1;
    for (int i = 0; i < TESS_WORKER_SLOTS; i++) {
        if (w->slots[i].state == SLOT_COMPUTING)
            return;
        if (w->slots[i].state == SLOT_QUEUED &&
            (next < 0 || w->slots[i].order < w->slots[next].order))
            next = i;
    }
    if (next < 0)
        return;
    struct tess_worker_action *action = tess_worker_act(w, TESS_WORKER_COMPUTE);
    action->slot = next;
    action->key = w->slots[next].key;
    w->slots[next].state = SLOT_COMPUTING;
}

static bool is_held(const struct tess_worker *w, const struct tess_task_key *key)
{
    for (int i = 0; i < TESS_WORKER_SLOTS; i++)
        if (w->slots[i].state != SLOT_FREE &&
            tess_task_key_is_equal(&w->slots[i].key, key))
            return true;
    return false;
}

struct tess_credit tess_worker_offer(const struct tess_worker *w)
{
    struct tess_credit credit = w->credit;
    for (int i = 0; i < TESS_WORKER_SLOTS; i++)
        if (w->slots[i].is_orphan) {
            credit.tiles--;
            credit.bytes -= w->slots[i].input_bytes;
        }
    credit.tiles = tess_max_int(credit.tiles, 0);
    credit.bytes = tess_max_i64(credit.bytes, 0);
    return credit;
}

/* A slot for so many bytes more; -1 if that is more than was offered. */
static int find_room(const struct tess_worker *w, int64_t input_bytes)
{
    struct tess_credit left = tess_worker_offer(w);
    int found = -1;
    for (int i = 0; i < TESS_WORKER_SLOTS; i++) {
        if (w->slots[i].state == SLOT_FREE)
            found = i;
        else if (!w->slots[i].is_orphan)
            left.bytes -= w->slots[i].input_bytes;
    }
    return tess_worker_n_held(w) < left.tiles && left.bytes >= input_bytes ? found : -1;
}

/* 0, or why the task cannot be taken. */
static int judge_task(const struct tess_worker *w, const struct tess_task_message *task,
                      bool is_payload_good)
{
    if (w->state != TESS_WORKER_READY || task->key.epoch != w->epoch)
        return w->state == TESS_WORKER_DRAINING ? TESS_NACK_BUSY : TESS_NACK_NO_PLAN;
    const struct tess_work_tile *tile =
        tess_work_tile(w->work, task->key.stage, task->key.tile);
    if (!tile || !tess_parts_contain(&tile->inputs, &task->parts))
        return TESS_NACK_SHAPE;
    if (!is_payload_good)
        return TESS_NACK_CRC;
    return tess_kept_completes(&w->kept, w->work, &task->key, &task->parts)
               ? 0
               : TESS_NACK_NOT_KEPT;
}

static void hold(struct tess_worker *w, int index)
{
    struct tess_worker_action *action = tess_worker_act(w, TESS_WORKER_HOLD);
    action->slot = index;
    action->key = w->slots[index].key;
}

void tess_worker_on_task(struct tess_worker *w, const struct tess_message *message,
                         bool is_payload_good)
{
    const struct tess_task_message *task = &message->as.task;
    int code = judge_task(w, task, is_payload_good);
    if (code) {
        nack(w, &task->key, code, "");
        return;
    }
    if (is_held(w, &task->key))
        return; /* repeated */
    int64_t input_bytes = tess_parts_bytes(
        &tess_work_tile(w->work, task->key.stage, task->key.tile)->inputs);
    int index = find_room(w, input_bytes);
    if (index < 0) {
        nack(w, &task->key, TESS_NACK_BUSY, "");
        return;
    }
    w->slots[index] = (struct slot){.state = SLOT_QUEUED,
                                    .key = task->key,
                                    .input_bytes = input_bytes,
                                    .order = w->n_tasks++};
    w->busy_us = w->now_us;
    hold(w, index);
    compute_next(w);
}

void tess_worker_on_cancel(struct tess_worker *w, const struct tess_task_key *key)
{
    for (int i = 0; i < TESS_WORKER_SLOTS; i++) {
        struct slot *slot = &w->slots[i];
        bool is_meant =
            key->tile < 0 ? slot->key.epoch == key->epoch && slot->key.frame == key->frame
                          : tess_task_key_is_equal(&slot->key, key);
        if (slot->state == SLOT_FREE || slot->is_orphan || !is_meant)
            continue;
        slot->is_cancelled = true;
        if (slot->state == SLOT_QUEUED) {
            nack(w, &slot->key, TESS_NACK_CANCELLED, "");
            release(w, i);
        }
    }
}

static void forget(struct tess_worker *w, int slot)
{
    tess_worker_act(w, TESS_WORKER_FORGET)->slot = slot;
}

void tess_worker_forget_outputs(struct tess_worker *w)
{
    for (int i = 0; i < w->kept.n; i++)
        forget(w, w->kept.tiles[i].slot);
    tess_kept_clear(&w->kept);
}

/* Where the output that is about to be sent is kept; -1: nowhere. */
static int keep(struct tess_worker *w, const struct tess_task_key *key)
{
    int kept_slot, left[TESS_KEPT_MAX], n_left;
    int64_t n_bytes =
        tess_parts_bytes(&tess_work_tile(w->work, key->stage, key->tile)->outputs);
    if (!tess_kept_add(&w->kept, key, n_bytes, &kept_slot, left, &n_left))
        return -1;
    for (int i = 0; i < n_left; i++)
        forget(w, left[i]);
    return kept_slot;
}

static void send_parts(struct tess_worker *w, int index, int64_t compute_us,
                       const struct tess_parts *parts, int kept_slot)
{
    const struct slot *slot = &w->slots[index];
    struct tess_message *message = tess_worker_send(w, TESS_MESSAGE_RESULT);
    int last = (w->first_action + w->n_actions - 1) % WORKER_ACTIONS;
    w->actions[last].slot = index;
    w->actions[last].kept_slot = kept_slot;
    message->as.result = (struct tess_result){slot->key, compute_us, *parts};
}

/* What other nodes wait for goes first. */
static void send_result(struct tess_worker *w, int index, int64_t compute_us)
{
    const struct slot *slot = &w->slots[index];
    const struct tess_work_tile *tile =
        tess_work_tile(w->work, slot->key.stage, slot->key.tile);
    struct tess_parts early = tess_work_early(tile);
    send_parts(w, index, compute_us, &early, keep(w, &slot->key));
    if (tile->rest.n > 0)
        send_parts(w, index, compute_us, &tile->rest, -1);
}

void tess_worker_computed(struct tess_worker *w, int64_t now_us, int index, int code,
                          const char *text, int64_t compute_us)
{
    struct slot *slot = &w->slots[index];
    w->now_us = now_us > w->now_us ? now_us : w->now_us;
    w->busy_us = w->now_us;
    assert(slot->state == SLOT_COMPUTING);
    bool was_orphan = slot->is_orphan;
    if (was_orphan) { /* nobody waits for it */
    } else if (slot->is_cancelled) {
        nack(w, &slot->key, TESS_NACK_CANCELLED, "");
    } else if (code) {
        nack(w, &slot->key, code, text);
    } else {
        send_result(w, index, compute_us);
    }
    release(w, index);
    if (was_orphan && w->state == TESS_WORKER_READY)
        tess_worker_send_credit(w);
    compute_next(w);
    tess_worker_tick(w, now_us);
}

void tess_worker_drop_tiles(struct tess_worker *w)
{
    tess_worker_forget_outputs(w);
    for (int i = 0; i < TESS_WORKER_SLOTS; i++) {
        if (w->slots[i].state == SLOT_QUEUED)
            release(w, i);
        else if (w->slots[i].state == SLOT_COMPUTING)
            w->slots[i].is_orphan = true;
    }
}
