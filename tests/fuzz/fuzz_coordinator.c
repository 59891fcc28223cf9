/* Any sequence of events as the life of a coordinator: its invariants hold after each, no tile
 * is stored twice, accounts of frames that end are closed; and whatever has happened, it
 * finishes its frames alone once everybody is gone.
 *
 * Input: events, each a byte that says which and bytes that say how. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/fake_tiles.h"
#include "transport/coordinator.h"

enum { PEERS = 4, TASKS = 16, FRAMES = 3, EVENTS_MAX = 400, FRAMES_KEPT = 1024 };

struct life {
    const uint8_t *at, *end;
    struct fake_work fake;
    struct tess_coordinator *coordinator;
    int64_t now_us;
    uint64_t sessions[PEERS]; /* last WELCOME of each peer */
    struct tess_task_key tasks[TASKS];
    uint32_t task_peers[TASKS];
    int n_tasks;
    bool is_computing;
    struct tess_task_key own;
    int64_t stored[FRAMES_KEPT][FAKE_TILES_MAX];
};

static unsigned take(struct life *life)
{
    return life->at < life->end ? *life->at++ : 0;
}

/* Nothing is stored twice. */
static void note_stored(struct life *life, const struct tess_coordinator_action *action)
{
    const struct tess_task_key *key = &action->key;
    int tile = life->fake.stages[key->stage].first_tile + key->tile;
    assert(key->frame < FRAMES_KEPT &&
           tess_parts_contain(&action->came, &action->stored));
    life->stored[key->frame][tile] += tess_parts_bytes(&action->stored);
    assert(life->stored[key->frame][tile] <=
           tess_parts_bytes(&life->fake.tiles[tile].outputs));
}

static void note_sent(struct life *life, const struct tess_coordinator_action *action)
{
    unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message message = action->message;
    if (message.kind == TESS_MESSAGE_WELCOME && action->peer < PEERS)
        life->sessions[action->peer] = message.session;
    if (message.kind == TESS_MESSAGE_TASK) {
        life->task_peers[life->n_tasks % TASKS] = action->peer;
        life->tasks[life->n_tasks++ % TASKS] = message.as.task.key;
        message.payload_bytes = tess_parts_bytes(&message.as.task.parts);
    } else if (message.kind == TESS_MESSAGE_PLAN) {
        message.payload_bytes = message.as.plan.text_bytes;
    }
    assert(tess_wire_write(&message, header) > 0);
    (void)header;
}

static void drain_actions(struct life *life)
{
    struct tess_coordinator_action action;
    while (tess_coordinator_next(life->coordinator, &action)) {
        if (action.verb == TESS_DO_SEND)
            note_sent(life, &action);
        else if (action.verb == TESS_DO_STORE)
            note_stored(life, &action);
        else if (action.verb == TESS_DO_FRAME_DONE)
            assert(tess_accounts_are_closed(&action.accounts));
        else if (action.verb == TESS_DO_COMPUTE) {
            assert(!life->is_computing);
            life->is_computing = true;
            life->own = action.key;
        }
    }
    tess_coordinator_assert_valid(life->coordinator);
    assert(tess_coordinator_wake_us(life->coordinator) > life->now_us);
}

static void tell(struct life *life, uint32_t peer, struct tess_message *message,
                 bool is_good)
{
    struct tess_arrival arrival = {tess_message_channel(message->kind), peer, "", message,
                                   is_good};
    tess_coordinator_message(life->coordinator, life->now_us, &arrival);
    drain_actions(life);
}

static void say_hello(struct life *life, uint32_t peer)
{
    struct tess_message message = {.kind = TESS_MESSAGE_HELLO};
    struct tess_hello *hello = &message.as.hello;
    unsigned how = take(life);
    strcpy(hello->name, "w0");
    hello->name[1] = (char)('0' + how % 3);
    strcpy(hello->build, "b");
    strcpy(hello->kernels, how & 64 ? "other" : "fake");
    hello->incarnation = how / 4 % 4;
    hello->cores = 1;
    hello->macs_per_s = how & 128 ? INT64_MAX : 0;
    tell(life, peer, &message, true);
}

static void answer(struct life *life, bool is_result)
{
    unsigned how = take(life), index = take(life) % TASKS;
    struct tess_message message = {.kind = TESS_MESSAGE_NACK};
    struct tess_task_key key = life->tasks[index];
    uint32_t peer = how & 8 ? take(life) % PEERS : life->task_peers[index];
    if (how & 1)
        key.attempt ^= (int)(take(life) % 4);
    if (how & 2)
        key.tile = (int)(take(life) % 20);
    message.session = life->sessions[peer % PEERS];
    if (is_result) {
        const struct tess_work_tile *tile =
            tess_work_tile(&life->fake.work, key.stage, key.tile);
        message.kind = TESS_MESSAGE_RESULT;
        message.as.result.key = key;
        message.as.result.compute_us = how & 16 ? INT64_MAX : (int64_t)take(life) * 1000;
        message.as.result.parts = life->fake.tiles[0].inputs;
        if (tile && how & 128)
            message.as.result.parts = how & 32 ? tile->rest : tess_work_early(tile);
        else if (tile && !(how & 32))
            message.as.result.parts = tile->outputs;
        message.payload_bytes = tess_parts_bytes(&message.as.result.parts);
    } else {
        message.as.nack.key = key;
        message.as.nack.code = 1 + (int)(take(life) % TESS_NACK_NOT_KEPT);
    }
    tell(life, peer, &message, !(how & 64));
}

static void say_small(struct life *life, uint32_t peer)
{
    static const enum tess_message_kind kinds[] = {
        TESS_MESSAGE_CREDIT, TESS_MESSAGE_READY, TESS_MESSAGE_BEAT, TESS_MESSAGE_DRAIN,
        TESS_MESSAGE_BYE,    TESS_MESSAGE_ERROR, TESS_MESSAGE_NEED, TESS_MESSAGE_WELCOME};
    unsigned how = take(life);
    struct tess_message message = {.kind = kinds[how % 8],
                                   .session = life->sessions[peer]};
    if (message.kind == TESS_MESSAGE_CREDIT)
        message.as.credit = (struct tess_credit){
            (int)(how / 8 % 4), how & 128 ? 0 : 1 << 20, how & 64 ? 0 : 1 << 14};
    else if (message.kind == TESS_MESSAGE_READY)
        message.as.ready.epoch = how & 8 ? 2 : 1;
    else if (message.kind == TESS_MESSAGE_BEAT)
        message.as.beat = (struct tess_beat){.epoch = how & 8 ? 0 : 1,
                                             .state = (int)(how / 16 % 6),
                                             .n_held = (int)(take(life) % 4),
                                             .echo_us = (int64_t)take(life) * 100};
    else if (message.kind == TESS_MESSAGE_ERROR)
        message.as.error.code = 1 + (int)(how / 8 % TESS_ERROR_SESSION);
    tell(life, peer, &message, true);
}

static void say_bytes(struct life *life, uint32_t peer)
{
    unsigned char header[64];
    struct tess_message message;
    size_t n_bytes = 6 + take(life) % (sizeof header - 6);
    enum tess_channel channel = take(life) & 1 ? TESS_CHANNEL_DATA : TESS_CHANNEL_CONTROL;
    for (size_t i = 0; i < n_bytes; i++)
        header[i] = (unsigned char)take(life);
    uint32_t crc = tess_crc32c(0, header, n_bytes - 5);
    header[n_bytes - 5] = 0xce;
    for (int i = 0; i < 4; i++)
        header[n_bytes - 4 + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    enum tess_wire_fault fault =
        tess_wire_read(header, n_bytes, 0, channel, &message, NULL);
    if (fault == TESS_WIRE_OK) {
        tell(life, peer, &message, true);
        return;
    }
    tess_coordinator_garbage(life->coordinator, life->now_us, channel, peer, "", fault);
    drain_actions(life);
}

static void compute(struct life *life, int code)
{
    if (!life->is_computing)
        return;
    life->is_computing = false;
    tess_coordinator_computed(life->coordinator, life->now_us, &life->own, code, "x",
                              500);
    drain_actions(life);
}

static void step(struct life *life)
{
    unsigned event = take(life), more;
    uint32_t peer = event / 16 % PEERS;
    int64_t frame;
    switch (event % 16) {
    case 0:
    case 1:
        more = take(life);
        life->now_us += (int64_t)more * more * 40; /* up to 2.6 s */
        tess_coordinator_tick(life->coordinator, life->now_us);
        break;
    case 2: tess_coordinator_submit(life->coordinator, life->now_us, &frame); break;
    case 3:
    case 4: say_hello(life, peer); break;
    case 5:
        tess_coordinator_gone(life->coordinator, life->now_us,
                              event & 128 ? TESS_CHANNEL_DATA : TESS_CHANNEL_CONTROL,
                              peer);
        break;
    case 6: say_bytes(life, peer); break;
    case 7: answer(life, false); break;
    case 8:
    case 9: compute(life, 0); break;
    case 10:
    case 11: answer(life, true); break;
    default: say_small(life, peer);
    }
    drain_actions(life);
}

/* Everybody falls silent: the coordinator is left with its frames. */
static void finish_alone(struct life *life)
{
    for (int i = 0; i < 4000 && tess_coordinator_n_frames(life->coordinator) > 0; i++) {
        life->now_us += 600000;
        tess_coordinator_tick(life->coordinator, life->now_us);
        drain_actions(life);
        compute(life, 0);
    }
    assert(tess_coordinator_n_frames(life->coordinator) == 0);
}

static const struct tess_node_guess guesses[3] = {
    {.name = "w0"}, {.name = "w1"}, {.name = "w2"}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tess_coordinator_config config;
    struct life *life = calloc(1, sizeof *life);
    if (!life)
        abort();
    life->at = data;
    life->end = data + size;
    fake_work_init_even(&life->fake, 1000000);
    fake_work_plan(&life->fake, 3);
    tess_coordinator_config_init(&config);
    config.work = &life->fake.work;
    config.epoch = 1;
    config.max_workers = 2; /* one name has no room */
    config.guesses = guesses;
    config.n_guesses = 3;
    config.max_frames = FRAMES;
    strcpy(config.kernels, "fake");
    if (tess_coordinator_create(&config, &life->coordinator, NULL) != TESS_OK)
        abort();
    for (int i = 0; i < EVENTS_MAX && life->at < life->end; i++)
        step(life);
    finish_alone(life);
    tess_coordinator_destroy(life->coordinator);
    free(life);
    return 0;
}
