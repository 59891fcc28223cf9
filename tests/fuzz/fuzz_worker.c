/* Any sequence of events as the life of a worker: its invariants hold after each, slots are
 * filled and freed in turn, one tile is computed at a time, and whatever has happened, it looks
 * for its coordinator again when that is silent.
 *
 * Input: events, each a byte that says which and bytes that say how. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_target.h"
#include "tests/support/fake_tiles.h"
#include "transport/worker.h"

enum { EVENTS_MAX = 400, BLOBS = 2, BLOB_BYTES = 3000000, TEXT_BYTES = 3 };

struct life {
    const uint8_t *at, *end;
    struct fake_work fake;
    struct tess_worker *worker;
    int64_t now_us;
    uint64_t session;
    int64_t here[BLOBS];
    bool is_asked; /* FIND, PUT or OPEN is under way: `asked` */
    struct tess_worker_action asked;
    bool is_held[TESS_WORKER_SLOTS], is_kept[TESS_KEPT_MAX];
    int computing;    /* slot, -1: none */
    bool is_released; /* that slot, while it is computed */
    bool is_open;
    bool is_slow; /* answers are events of their own */
    struct tess_message last_need;
};

static unsigned take(struct life *life)
{
    return life->at < life->end ? *life->at++ : 0;
}

static void send(struct life *life, const struct tess_worker_action *action)
{
    unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message message = action->message;
    if (message.kind == TESS_MESSAGE_RESULT) {
        message.payload_bytes = tess_parts_bytes(&message.as.result.parts);
        if (action->kept_slot >= 0) {
            assert(!life->is_kept[action->kept_slot]);
            life->is_kept[action->kept_slot] = true;
        }
    }
    if (message.kind == TESS_MESSAGE_NEED)
        life->last_need = message;
    assert(tess_wire_write(&message, header) > 0);
    (void)header;
}

static void open_plan(struct life *life)
{
    unsigned how = take(life);
    assert(!life->is_open);
    struct tess_worker_opened opened = {
        .status = how & 128 ? TESS_E_BUDGET : TESS_OK,
        .text = "no",
        .work = &life->fake.work,
        .credit = {(int)(how % 5), 1 << 16, how & 64 ? 0 : 1 << 14}};
    life->is_open = opened.status == TESS_OK;
    tess_worker_opened(life->worker, life->now_us, &opened);
}

static void put(struct life *life, int index)
{
    unsigned how = take(life);
    int64_t *here = &life->here[index];
    *here = how == 255 ? 0 : *here + TESS_WIRE_PIECE_BYTES;
    *here = *here > BLOB_BYTES ? BLOB_BYTES : *here;
    tess_worker_blob(life->worker, life->now_us, index, *here,
                     how == 254 ? TESS_E_IO : TESS_OK, "full");
}

/* What is under way comes to its end. */
static void answer(struct life *life)
{
    int index = life->asked.index;
    if (!life->is_asked)
        return;
    life->is_asked = false;
    if (life->asked.verb == TESS_WORKER_FIND)
        tess_worker_blob(life->worker, life->now_us, index, life->here[index], TESS_OK,
                         "");
    else if (life->asked.verb == TESS_WORKER_PUT)
        put(life, index);
    else
        open_plan(life);
}

static void ask(struct life *life, const struct tess_worker_action *action)
{
    assert(!life->is_asked && !life->is_open && life->computing < 0);
    life->is_asked = true;
    life->asked = *action;
    if (!life->is_slow)
        answer(life);
}

static void release(struct life *life, int slot)
{
    if (slot == life->computing)
        life->is_released = true;
    else
        life->is_held[slot] = false;
}

static void forget(struct life *life, int kept_slot)
{
    assert(life->is_kept[kept_slot]);
    life->is_kept[kept_slot] = false;
}

/* What a tile's input is made of is there. */
static void check_kept(const struct life *life)
{
    const struct tess_kept *kept = tess_worker_kept(life->worker);
    for (int i = 0; i < kept->n; i++)
        assert(life->is_kept[kept->tiles[i].slot]);
    (void)kept;
}

static void drain_actions(struct life *life)
{
    struct tess_worker_action action;
    while (tess_worker_next(life->worker, &action)) {
        if (action.verb == TESS_WORKER_SEND) {
            send(life, &action);
        } else if (action.verb == TESS_WORKER_FIND || action.verb == TESS_WORKER_PUT ||
                   action.verb == TESS_WORKER_OPEN) {
            ask(life, &action);
        } else if (action.verb == TESS_WORKER_PLAN) {
            assert(!life->is_asked);
        } else if (action.verb == TESS_WORKER_CLOSE) {
            assert(life->is_open && life->computing < 0 && !life->is_asked);
            life->is_open = false;
        } else if (action.verb == TESS_WORKER_HOLD) {
            assert(!life->is_held[action.slot]);
            life->is_held[action.slot] = true;
            check_kept(life);
        } else if (action.verb == TESS_WORKER_FORGET) {
            forget(life, action.slot);
        } else if (action.verb == TESS_WORKER_COMPUTE) {
            assert(life->is_open && life->computing < 0 && life->is_held[action.slot]);
            life->computing = action.slot;
            life->is_released = false;
        } else if (action.verb == TESS_WORKER_RELEASE) {
            assert(life->is_held[action.slot]);
            release(life, action.slot);
        }
    }
    tess_worker_assert_valid(life->worker);
    assert(tess_worker_wake_us(life->worker) > life->now_us);
}

static void tell(struct life *life, const struct tess_message *message,
                 const void *payload, bool is_good)
{
    tess_worker_message(life->worker, life->now_us, message, payload, is_good);
    drain_actions(life);
}

static void send_plan(struct life *life)
{
    unsigned char payload[BLOBS * TESS_WIRE_BLOB_ENTRY_BYTES + TEXT_BYTES] = {0};
    unsigned how = take(life);
    struct tess_message message = {.kind = TESS_MESSAGE_PLAN,
                                   .session = life->session,
                                   .payload_bytes = sizeof payload};
    for (int i = 0; i < BLOBS; i++) {
        struct tess_blob_entry entry = {tess_sha256_of(&"ab"[i], 1),
                                        how == 255 ? 0 : BLOB_BYTES};
        tess_wire_put_blob_entry(&entry, payload + i * TESS_WIRE_BLOB_ENTRY_BYTES);
    }
    message.as.plan = (struct tess_plan_message){1 + how % 3, BLOBS, TEXT_BYTES};
    tell(life, &message, payload, !(how & 64));
}

static void send_blob(struct life *life)
{
    unsigned how = take(life);
    const struct tess_need *need = &life->last_need.as.need;
    struct tess_message message = {.kind = TESS_MESSAGE_BLOB, .session = life->session};
    int64_t offset = need->offset + (int64_t)(how % 5) * TESS_WIRE_PIECE_BYTES;
    if (offset >= BLOB_BYTES)
        return;
    message.as.blob = (struct tess_blob_message){need->hash, offset, BLOB_BYTES};
    message.payload_bytes = 1;
    tell(life, &message, "x", !(how & 64));
}

static void send_task(struct life *life)
{
    unsigned how = take(life), where = take(life);
    struct tess_message message = {.kind = TESS_MESSAGE_TASK, .session = life->session};
    struct tess_task_message *task = &message.as.task;
    task->key = (struct tess_task_key){1 + how % 3, how / 4 % 4, (int)(where % 5),
                                       (int)(where / 5 % 17), (int)(how / 16 % 2)};
    const struct tess_work_tile *tile =
        tess_work_tile(&life->fake.work, task->key.stage, task->key.tile);
    task->parts = tile && how < 200 ? tile->inputs : life->fake.tiles[0].outputs;
    if (tile && where & 128)
        tess_kept_subtract(tess_worker_kept(life->worker), &life->fake.work, &task->key,
                           &task->parts);
    message.payload_bytes = tess_parts_bytes(&task->parts);
    tell(life, &message, NULL, how != 199);
}

static void compute(struct life *life, int code)
{
    int slot = life->computing;
    if (slot < 0)
        return;
    life->computing = -1;
    bool was_released = life->is_released;
    if (was_released)
        life->is_held[slot] = false;
    tess_worker_computed(life->worker, life->now_us, slot, code, "x", 10);
    if (was_released)
        life->is_held[slot] = true; /* released once more by what follows */
    drain_actions(life);
}

static void send_small(struct life *life, unsigned how)
{
    static const enum tess_message_kind kinds[] = {
        TESS_MESSAGE_BEAT, TESS_MESSAGE_CANCEL, TESS_MESSAGE_BYE,   TESS_MESSAGE_ERROR,
        TESS_MESSAGE_BEAT, TESS_MESSAGE_CANCEL, TESS_MESSAGE_DRAIN, TESS_MESSAGE_HELLO};
    struct tess_message message = {.kind = kinds[how % 8], .session = life->session};
    if (message.kind == TESS_MESSAGE_BEAT) {
        message.as.beat.sent_us = how;
    } else if (message.kind == TESS_MESSAGE_ERROR) {
        message.as.error.code = 1 + (int)(take(life) % TESS_ERROR_SESSION);
    } else if (message.kind == TESS_MESSAGE_CANCEL) {
        unsigned where = take(life);
        message.as.cancel =
            (struct tess_task_key){1 + how / 8 % 3, how / 32 % 4, (int)(where % 5),
                                   (int)(where / 5 % 17) - 1, 0};
    }
    tell(life, &message, NULL, true);
}

static void step(struct life *life)
{
    unsigned event = take(life);
    struct tess_message welcome = {.kind = TESS_MESSAGE_WELCOME,
                                   .session = 1 + event / 64};
    welcome.as.welcome = (struct tess_welcome){1, 200, 1500, 1 << 20};
    switch (event % 16) {
    case 0:
    case 1:
        life->now_us += (int64_t)take(life) * 10000;
        tess_worker_tick(life->worker, life->now_us);
        break;
    case 2:
        life->session = welcome.session;
        tell(life, &welcome, NULL, true);
        break;
    case 3:
    case 4: send_plan(life); break;
    case 5:
    case 6: send_blob(life); break;
    case 7: tess_worker_gone(life->worker, life->now_us); break;
    case 8:
    case 9:
    case 10: send_task(life); break;
    case 11:
    case 12: compute(life, event < 240 ? 0 : TESS_NACK_NOMEM); break;
    case 13:
        answer(life);
        if (event >= 224)
            life->is_slow = !life->is_slow;
        break;
    default: send_small(life, take(life));
    }
    drain_actions(life);
}

static void fall_silent(struct life *life)
{
    for (int i = 0; i < 30; i++) {
        life->now_us += 600000;
        compute(life, 0);
        answer(life);
        tess_worker_tick(life->worker, life->now_us);
        drain_actions(life);
    }
    assert(tess_worker_state(life->worker) == TESS_WORKER_SEARCHING);
    for (int i = 0; i < TESS_WORKER_SLOTS; i++)
        assert(!life->is_held[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct tess_hello hello = {
        .name = "w", .build = "b", .kernels = "fake", .cores = 1, .incarnation = 1};
    struct life *life = calloc(1, sizeof *life);
    if (!life)
        abort();
    life->at = data;
    life->end = data + size;
    life->computing = -1;
    fake_work_init_even(&life->fake, 1000000);
    fake_work_plan(&life->fake, 3);
    if (tess_worker_create(&hello, &life->worker, NULL) != TESS_OK)
        abort();
    for (int i = 0; i < EVENTS_MAX && life->at < life->end; i++)
        step(life);
    fall_silent(life);
    tess_worker_destroy(life->worker);
    free(life);
    return 0;
}
