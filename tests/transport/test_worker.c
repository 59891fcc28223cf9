#include "transport/worker.h"

#include "tests/support/fake_tiles.h"
#include "tests/transport/transport_testing.h"

enum { SESSION = 77, EPOCH = 5 };

struct bench {
    struct fake_work fake;
    struct tess_worker *worker;
};

static void begin(struct bench *bench)
{
    const struct tess_hello hello = {
        .name = "w1", .build = "test", .kernels = "fake", .cores = 1, .incarnation = 1};
    fake_work_init_even(&bench->fake, 1000);
    assert_int_equal(tess_worker_create(&hello, &bench->worker, NULL), TESS_OK);
}

static void end(struct bench *bench)
{
    tess_worker_assert_valid(bench->worker);
    tess_worker_destroy(bench->worker);
}

/* The next action that is none of TELL; its verb must be this. */
static struct tess_worker_action next(struct bench *bench, enum tess_worker_verb verb)
{
    struct tess_worker_action action;
    do
        assert_true(tess_worker_next(bench->worker, &action));
    while (action.verb == TESS_WORKER_TELL);
    assert_int_equal(action.verb, verb);
    return action;
}

static struct tess_message sent(struct bench *bench, enum tess_message_kind kind)
{
    struct tess_message message = next(bench, TESS_WORKER_SEND).message;
    assert_string_equal(tess_message_name(message.kind), tess_message_name(kind));
    return message;
}

static void nothing(struct bench *bench)
{
    struct tess_worker_action action;
    while (tess_worker_next(bench->worker, &action))
        assert_int_equal(action.verb, TESS_WORKER_TELL);
}

static void welcome(struct bench *bench, int64_t now_us, uint64_t session)
{
    struct tess_message message = {.kind = TESS_MESSAGE_WELCOME, .session = session};
    message.as.welcome = (struct tess_welcome){EPOCH, 200, 1500, 1 << 20};
    tess_worker_message(bench->worker, now_us, &message, NULL, true);
}

static void plan(struct bench *bench, int64_t now_us, uint64_t session)
{
    struct tess_message message = {.kind = TESS_MESSAGE_PLAN, .session = session};
    message.as.plan = (struct tess_plan_message){EPOCH, 0, 4};
    message.payload_bytes = 4;
    tess_worker_message(bench->worker, now_us, &message, "plan", true);
}

/* The plan of this epoch, with one blob of n_bytes. */
static struct tess_blob_entry plan_with_blob(struct bench *bench, int64_t now_us,
                                             uint64_t session, uint64_t epoch,
                                             int64_t n_bytes)
{
    unsigned char payload[TESS_WIRE_BLOB_ENTRY_BYTES + 1] = {0};
    const struct tess_blob_entry entry = {tess_sha256_of("a", 1), n_bytes};
    struct tess_message message = {.kind = TESS_MESSAGE_PLAN, .session = session};
    tess_wire_put_blob_entry(&entry, payload);
    message.as.plan = (struct tess_plan_message){epoch, 1, 1};
    tess_worker_message(bench->worker, now_us, &message, payload, true);
    return entry;
}

static void give_piece(struct bench *bench, int64_t now_us, uint64_t session,
                       const struct tess_blob_entry *entry, int64_t offset)
{
    struct tess_message message = {.kind = TESS_MESSAGE_BLOB, .session = session};
    message.as.blob = (struct tess_blob_message){entry->hash, offset, entry->n_bytes};
    tess_worker_message(bench->worker, now_us, &message, "x", true);
}

static void give_beat(struct bench *bench, int64_t now_us, uint64_t session)
{
    struct tess_message beat = {.kind = TESS_MESSAGE_BEAT, .session = session};
    tess_worker_message(bench->worker, now_us, &beat, NULL, true);
}

/* A worker that was asked to open the plan and has not answered. */
static void begin_opening(struct bench *bench)
{
    begin(bench);
    welcome(bench, 1000, SESSION);
    plan(bench, 1000, SESSION);
    next(bench, TESS_WORKER_PLAN);
    next(bench, TESS_WORKER_OPEN);
    nothing(bench);
}

static void opened(struct bench *bench, int64_t now_us, enum tess_status status)
{
    struct tess_worker_opened answer = {.status = status,
                                        .text = status ? "too large" : NULL,
                                        .work = status ? NULL : &bench->fake.work,
                                        .credit = {2, 1 << 20, 0}};
    tess_worker_opened(bench->worker, now_us, &answer);
    tess_worker_assert_valid(bench->worker);
}

/* A worker that is ready, with room for `tiles`, and keeps what computed tiles hold. */
static void begin_with(struct bench *bench, int tiles, int64_t bytes, int64_t kept_bytes)
{
    struct tess_worker_opened opened = {.work = &bench->fake.work,
                                        .credit = {tiles, bytes, kept_bytes}};
    begin(bench);
    tess_worker_tick(bench->worker, 0);
    sent(bench, TESS_MESSAGE_HELLO);
    welcome(bench, 1000, SESSION);
    plan(bench, 1000, SESSION);
    next(bench, TESS_WORKER_PLAN);
    next(bench, TESS_WORKER_OPEN);
    tess_worker_opened(bench->worker, 1000, &opened);
    sent(bench, TESS_MESSAGE_READY);
    sent(bench, TESS_MESSAGE_CREDIT);
    nothing(bench);
}

static void begin_ready(struct bench *bench, int tiles)
{
    begin_with(bench, tiles, 1 << 20, 0);
}

static struct tess_message task(const struct bench *bench, int tile)
{
    struct tess_message message = {.kind = TESS_MESSAGE_TASK, .session = SESSION};
    message.as.task.key = (struct tess_task_key){EPOCH, 0, 0, tile, 0};
    message.as.task.parts = tess_work_tile(&bench->fake.work, 0, tile)->inputs;
    message.payload_bytes = tess_parts_bytes(&message.as.task.parts);
    return message;
}

static void give(struct bench *bench, int64_t now_us, const struct tess_message *message)
{
    tess_worker_message(bench->worker, now_us, message, NULL, true);
}

static void expect_nack(struct bench *bench, int code)
{
    assert_string_equal(tess_nack_name(sent(bench, TESS_MESSAGE_NACK).as.nack.code),
                        tess_nack_name(code));
    nothing(bench);
}

static void test_hello_is_repeated_each_second(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    for (int64_t us = 0; us <= 3000000; us += 1000000) {
        tess_worker_tick(bench.worker, us);
        assert_true(sent(&bench, TESS_MESSAGE_HELLO).session == 0);
        assert_int_equal(tess_worker_wake_us(bench.worker), us + 1000000);
        tess_worker_tick(bench.worker, us + 999999);
        nothing(&bench);
    }
    end(&bench);
}

static void test_refused_worker_asks_less_often(void **state)
{
    (void)state;
    struct bench bench;
    struct tess_message error = {.kind = TESS_MESSAGE_ERROR};
    begin(&bench);
    tess_worker_tick(bench.worker, 0);
    sent(&bench, TESS_MESSAGE_HELLO);
    error.as.error.code = TESS_ERROR_TAKEN;
    give(&bench, 1000, &error);
    tess_worker_tick(bench.worker, 4000000);
    nothing(&bench);
    tess_worker_tick(bench.worker, 5001000);
    sent(&bench, TESS_MESSAGE_HELLO);
    end(&bench);
}

static void test_tiles_are_computed_one_after_the_other(void **state)
{
    (void)state;
    struct bench bench;
    begin_ready(&bench, 2);
    struct tess_message first = task(&bench, 0), second = task(&bench, 1);
    give(&bench, 2000, &first);
    int slot = next(&bench, TESS_WORKER_HOLD).slot;
    assert_int_equal(next(&bench, TESS_WORKER_COMPUTE).slot, slot);
    give(&bench, 2000, &second);
    int ahead = next(&bench, TESS_WORKER_HOLD).slot;
    nothing(&bench);
    tess_worker_computed(bench.worker, 3000, slot, 0, "", 900);
    struct tess_message result = sent(&bench, TESS_MESSAGE_RESULT);
    assert_true(tess_task_key_is_equal(&result.as.result.key, &first.as.task.key));
    assert_int_equal(result.as.result.compute_us, 900);
    assert_true(
        tess_parts_are_equal(&result.as.result.parts, &bench.fake.tiles[0].outputs));
    assert_int_equal(next(&bench, TESS_WORKER_RELEASE).slot, slot);
    assert_int_equal(next(&bench, TESS_WORKER_COMPUTE).slot, ahead);
    nothing(&bench);
    end(&bench);
}

static void test_wrong_tasks_are_refused_with_their_reason(void **state)
{
    (void)state;
    struct bench bench;
    begin_ready(&bench, 1);
    struct tess_message wrong = task(&bench, 0);
    wrong.as.task.key.epoch++;
    give(&bench, 2000, &wrong);
    expect_nack(&bench, TESS_NACK_NO_PLAN);
    wrong = task(&bench, 0);
    wrong.as.task.key.tile = 1;
    give(&bench, 2000, &wrong);
    expect_nack(&bench, TESS_NACK_SHAPE);
    wrong.as.task.key.stage = 9;
    give(&bench, 2000, &wrong);
    expect_nack(&bench, TESS_NACK_SHAPE);
    wrong = task(&bench, 0);
    tess_worker_message(bench.worker, 2000, &wrong, NULL, false);
    expect_nack(&bench, TESS_NACK_CRC);
    give(&bench, 2000, &wrong);
    next(&bench, TESS_WORKER_HOLD);
    next(&bench, TESS_WORKER_COMPUTE);
    give(&bench, 2000, &wrong); /* the same again */
    nothing(&bench);
    wrong = task(&bench, 1);
    give(&bench, 2000, &wrong);
    expect_nack(&bench, TESS_NACK_BUSY);
    wrong.session++;
    give(&bench, 2000, &wrong); /* of another session */
    nothing(&bench);
    end(&bench);
}

static void test_window_in_bytes_is_kept(void **state)
{
    (void)state;
    struct bench bench;
    fake_work_init_even(&bench.fake, 1000);
    int64_t bytes = task(&bench, 0).payload_bytes + task(&bench, 1).payload_bytes;
    begin_with(&bench, 4, bytes - 1, 0);
    struct tess_message first = task(&bench, 0), second = task(&bench, 1);
    give(&bench, 2000, &first);
    next(&bench, TESS_WORKER_HOLD);
    next(&bench, TESS_WORKER_COMPUTE);
    give(&bench, 2000, &second);
    expect_nack(&bench, TESS_NACK_BUSY);
    end(&bench);
}

static void test_cancelled_tiles_are_dropped_at_once_or_when_computed(void **state)
{
    (void)state;
    struct bench bench;
    begin_ready(&bench, 2);
    struct tess_message first = task(&bench, 0), second = task(&bench, 1);
    struct tess_message cancel = {.kind = TESS_MESSAGE_CANCEL, .session = SESSION};
    give(&bench, 2000, &first);
    give(&bench, 2000, &second);
    int slot = next(&bench, TESS_WORKER_HOLD).slot;
    next(&bench, TESS_WORKER_COMPUTE);
    int ahead = next(&bench, TESS_WORKER_HOLD).slot;
    cancel.as.cancel = (struct tess_task_key){EPOCH, 0, 0, -1, 0};
    give(&bench, 3000, &cancel);
    struct tess_nack nack = sent(&bench, TESS_MESSAGE_NACK).as.nack;
    assert_int_equal(nack.code, TESS_NACK_CANCELLED);
    assert_int_equal(nack.key.tile, 1);
    assert_int_equal(next(&bench, TESS_WORKER_RELEASE).slot, ahead);
    nothing(&bench);
    tess_worker_computed(bench.worker, 4000, slot, 0, "", 10);
    assert_int_equal(sent(&bench, TESS_MESSAGE_NACK).as.nack.key.tile, 0);
    assert_int_equal(next(&bench, TESS_WORKER_RELEASE).slot, slot);
    nothing(&bench);
    end(&bench);
}

static void test_silent_coordinator_is_given_up_after_the_lease(void **state)
{
    (void)state;
    struct bench bench;
    begin_ready(&bench, 2);
    struct tess_message first = task(&bench, 0), second = task(&bench, 1);
    give(&bench, 2000, &first);
    give(&bench, 2000, &second);
    int slot = next(&bench, TESS_WORKER_HOLD).slot;
    next(&bench, TESS_WORKER_COMPUTE);
    next(&bench, TESS_WORKER_HOLD);
    tess_worker_tick(bench.worker, 2000 + 1500000);
    next(&bench, TESS_WORKER_RELEASE);
    sent(&bench, TESS_MESSAGE_HELLO);
    nothing(&bench);
    /* The result of a tile from before is nobody's. */
    tess_worker_computed(bench.worker, 1600000, slot, 0, "", 10);
    next(&bench, TESS_WORKER_RELEASE);
    nothing(&bench);
    /* The plan is still open: nothing is fetched or opened again. */
    welcome(&bench, 1700000, SESSION + 1);
    plan(&bench, 1700000, SESSION + 1);
    assert_true(sent(&bench, TESS_MESSAGE_READY).session == SESSION + 1);
    sent(&bench, TESS_MESSAGE_CREDIT);
    nothing(&bench);
    end(&bench);
}

static void test_tile_of_a_lost_session_takes_room_until_it_is_computed(void **state)
{
    (void)state;
    struct bench bench;
    begin_with(&bench, 2, 1 << 20, 0);
    struct tess_message first = task(&bench, 0), second = task(&bench, 1);
    struct tess_message third = task(&bench, 2);
    give(&bench, 2000, &first);
    int slot = next(&bench, TESS_WORKER_HOLD).slot;
    next(&bench, TESS_WORKER_COMPUTE);
    tess_worker_tick(bench.worker, 2000 + 1500000);
    sent(&bench, TESS_MESSAGE_HELLO);
    welcome(&bench, 1700000, SESSION + 1);
    plan(&bench, 1700000, SESSION + 1);
    sent(&bench, TESS_MESSAGE_READY);
    struct tess_credit credit = sent(&bench, TESS_MESSAGE_CREDIT).as.credit;
    assert_int_equal(credit.tiles, 1);
    assert_int_equal(credit.bytes, (1 << 20) - first.payload_bytes);
    second.session = third.session = SESSION + 1;
    give(&bench, 1700000, &second);
    int ahead = next(&bench, TESS_WORKER_HOLD).slot;
    give(&bench, 1700000, &third);
    expect_nack(&bench, TESS_NACK_BUSY);
    tess_worker_assert_valid(bench.worker);
    tess_worker_computed(bench.worker, 1800000, slot, 0, "", 10);
    next(&bench, TESS_WORKER_RELEASE);
    credit = sent(&bench, TESS_MESSAGE_CREDIT).as.credit;
    assert_int_equal(credit.tiles, 2);
    assert_int_equal(credit.bytes, 1 << 20);
    assert_int_equal(next(&bench, TESS_WORKER_COMPUTE).slot, ahead);
    nothing(&bench);
    end(&bench);
}

static void test_beats_are_answered_with_their_echo(void **state)
{
    (void)state;
    struct bench bench;
    struct tess_message beat = {.kind = TESS_MESSAGE_BEAT, .session = SESSION};
    begin_ready(&bench, 2);
    tess_worker_set_resident(bench.worker, 5000, 12345);
    assert_int_equal(sent(&bench, TESS_MESSAGE_BEAT).as.beat.echo_us, 0);
    beat.as.beat.sent_us = 42;
    give(&bench, 9000, &beat);
    struct tess_beat answer = sent(&bench, TESS_MESSAGE_BEAT).as.beat;
    assert_int_equal(answer.echo_us, 42);
    assert_int_equal(answer.sent_us, 9000);
    assert_int_equal(answer.state, TESS_WORKER_READY);
    assert_true(answer.epoch == EPOCH && answer.resident_bytes == 12345);
    end(&bench);
}

static void test_memory_that_grew_is_said_at_once(void **state)
{
    (void)state;
    struct bench bench;
    struct tess_message beat = {.kind = TESS_MESSAGE_BEAT, .session = SESSION};
    begin(&bench);
    tess_worker_set_resident(bench.worker, 0, 1600); /* nobody is there to hear it */
    tess_worker_assert_valid(bench.worker);
    nothing(&bench);
    welcome(&bench, 1000, SESSION);
    beat.as.beat.sent_us = 42;
    give(&bench, 1000, &beat);
    assert_int_equal(sent(&bench, TESS_MESSAGE_BEAT).as.beat.resident_bytes, 1600);
    tess_worker_set_resident(bench.worker, 2000, 1700); /* a sixteenth more: no news */
    nothing(&bench);
    tess_worker_set_resident(bench.worker, 3000, 1701);
    struct tess_beat said = sent(&bench, TESS_MESSAGE_BEAT).as.beat;
    assert_int_equal(said.resident_bytes, 1701);
    assert_int_equal(said.sent_us, 3000);
    assert_int_equal(said.echo_us, 0); /* it answers no beat */
    nothing(&bench);
    end(&bench);
}

static void test_weights_are_fetched_where_they_are_missing(void **state)
{
    (void)state;
    struct bench bench;
    unsigned char payload[2 * TESS_WIRE_BLOB_ENTRY_BYTES + 1] = {0};
    const struct tess_blob_entry entries[2] = {{tess_sha256_of("a", 1), 3 << 20},
                                               {tess_sha256_of("b", 1), 100}};
    struct tess_message message = {.kind = TESS_MESSAGE_PLAN, .session = SESSION};
    begin(&bench);
    for (int i = 0; i < 2; i++)
        tess_wire_put_blob_entry(&entries[i], payload + i * TESS_WIRE_BLOB_ENTRY_BYTES);
    welcome(&bench, 0, SESSION);
    message.as.plan = (struct tess_plan_message){EPOCH, 2, 1};
    tess_worker_message(bench.worker, 0, &message, payload, true);
    next(&bench, TESS_WORKER_PLAN);
    assert_int_equal(next(&bench, TESS_WORKER_FIND).index, 0);
    tess_worker_blob(bench.worker, 0, 0, 5000, TESS_OK, NULL); /* in part */
    struct tess_need need = sent(&bench, TESS_MESSAGE_NEED).as.need;
    assert_int_equal(need.offset, 5000);
    assert_int_equal(need.n_bytes, 1 << 20);
    tess_worker_tick(bench.worker, 1000000); /* no answer */
    sent(&bench, TESS_MESSAGE_BEAT);
    assert_int_equal(sent(&bench, TESS_MESSAGE_NEED).as.need.offset, 5000);
    message = (struct tess_message){.kind = TESS_MESSAGE_BLOB, .session = SESSION};
    message.as.blob = (struct tess_blob_message){entries[0].hash, 6000, 3 << 20};
    give(&bench, 1000000, &message); /* not what is next */
    nothing(&bench);
    message.as.blob.offset = 5000;
    give(&bench, 1000000, &message);
    assert_int_equal(next(&bench, TESS_WORKER_PUT).offset, 5000);
    tess_worker_blob(bench.worker, 0, 0, 3 << 20, TESS_OK, NULL);
    assert_int_equal(next(&bench, TESS_WORKER_FIND).index, 1);
    tess_worker_blob(bench.worker, 0, 1, 100, TESS_OK, NULL);
    next(&bench, TESS_WORKER_OPEN);
    give_piece(&bench, 1000000, SESSION, &entries[1], 0);
    nothing(&bench); /* nothing more is wanted while it opens */
    end(&bench);
}

static void test_weights_that_stay_wrong_are_given_up(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    welcome(&bench, 0, SESSION);
    struct tess_blob_entry entry = plan_with_blob(&bench, 0, SESSION, EPOCH, 1000);
    next(&bench, TESS_WORKER_PLAN);
    next(&bench, TESS_WORKER_FIND);
    tess_worker_blob(bench.worker, 0, 0, 0, TESS_OK, NULL);
    for (int i = 0; i < 3; i++) {
        sent(&bench, TESS_MESSAGE_NEED);
        if (i < 2) { /* the third time it comes in one piece */
            give_piece(&bench, 0, SESSION, &entry, 0);
            next(&bench, TESS_WORKER_PUT);
            tess_worker_blob(bench.worker, 0, 0, 500, TESS_OK, NULL);
            nothing(&bench); /* the rest is under way */
        }
        give_piece(&bench, 0, SESSION, &entry, i < 2 ? 500 : 0);
        next(&bench, TESS_WORKER_PUT);
        tess_worker_blob(bench.worker, 0, 0, 0, TESS_OK, NULL);
    }
    assert_int_equal(sent(&bench, TESS_MESSAGE_ERROR).as.error.code, TESS_ERROR_BLOB);
    assert_int_equal(tess_worker_state(bench.worker), TESS_WORKER_UNABLE);
    end(&bench);
}

static void test_beats_are_answered_while_it_opens(void **state)
{
    (void)state;
    struct bench bench;
    begin_opening(&bench);
    for (int64_t us = 200000; us <= 10000000; us += 200000) {
        give_beat(&bench, us, SESSION);
        assert_int_equal(sent(&bench, TESS_MESSAGE_BEAT).as.beat.state,
                         TESS_WORKER_FETCHING);
        tess_worker_tick(bench.worker, us);
        nothing(&bench);
    }
    plan(&bench, 10000000, SESSION); /* repeated */
    nothing(&bench);
    opened(&bench, 10000000, TESS_OK);
    sent(&bench, TESS_MESSAGE_READY);
    sent(&bench, TESS_MESSAGE_CREDIT);
    nothing(&bench);
    end(&bench);
}

static void test_session_that_comes_back_finds_the_plan_still_opening(void **state)
{
    (void)state;
    struct bench bench;
    /* Opened between WELCOME and PLAN, or after PLAN. */
    for (int is_late = 0; is_late < 2; is_late++) {
        begin_opening(&bench);
        tess_worker_gone(bench.worker, 2000);
        nothing(&bench);
        welcome(&bench, 3000, SESSION + 1);
        if (!is_late)
            opened(&bench, 4000, TESS_OK);
        nothing(&bench);
        plan(&bench, 5000, SESSION + 1);
        if (is_late) {
            nothing(&bench); /* it is not opened twice */
            opened(&bench, 6000, TESS_OK);
        }
        assert_true(sent(&bench, TESS_MESSAGE_READY).session == SESSION + 1);
        sent(&bench, TESS_MESSAGE_CREDIT);
        nothing(&bench);
        end(&bench);
    }
}

static void test_plan_that_fails_without_a_session_is_opened_again(void **state)
{
    (void)state;
    struct bench bench;
    begin_opening(&bench);
    tess_worker_gone(bench.worker, 2000);
    opened(&bench, 3000, TESS_E_BUDGET);
    nothing(&bench); /* nobody to tell */
    welcome(&bench, 4000, SESSION + 1);
    plan(&bench, 4000, SESSION + 1);
    next(&bench, TESS_WORKER_OPEN);
    nothing(&bench);
    opened(&bench, 5000, TESS_E_BUDGET);
    struct tess_message error = sent(&bench, TESS_MESSAGE_ERROR);
    assert_int_equal(error.as.error.code, TESS_ERROR_NOMEM);
    assert_string_equal(error.as.error.text, "too large");
    assert_int_equal(tess_worker_state(bench.worker), TESS_WORKER_UNABLE);
    end(&bench);
}

static void test_plan_of_another_epoch_waits_for_the_one_being_opened(void **state)
{
    (void)state;
    struct bench bench;
    begin_opening(&bench);
    tess_worker_gone(bench.worker, 2000);
    welcome(&bench, 3000, SESSION + 1);
    plan_with_blob(&bench, 3000, SESSION + 1, EPOCH + 1, 1000);
    nothing(&bench);
    give_beat(&bench, 4000, SESSION + 1); /* asks for it again */
    assert_true(sent(&bench, TESS_MESSAGE_BEAT).as.beat.epoch == EPOCH);
    opened(&bench, 5000, TESS_OK);
    nothing(&bench);
    plan_with_blob(&bench, 6000, SESSION + 1, EPOCH + 1, 1000);
    next(&bench, TESS_WORKER_CLOSE);
    next(&bench, TESS_WORKER_PLAN);
    next(&bench, TESS_WORKER_FIND);
    plan_with_blob(&bench, 6000, SESSION + 1, EPOCH + 2, 1000);
    nothing(&bench); /* while it looks for weights as well */
    end(&bench);
}

static void test_pieces_that_come_while_a_blob_is_verified_change_nothing(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    welcome(&bench, 0, SESSION);
    struct tess_blob_entry entry = plan_with_blob(&bench, 0, SESSION, EPOCH, 1000);
    next(&bench, TESS_WORKER_PLAN);
    next(&bench, TESS_WORKER_FIND);
    give_piece(&bench, 0, SESSION, &entry, 0);
    nothing(&bench);
    tess_worker_blob(bench.worker, 0, 0, 0, TESS_OK, NULL);
    sent(&bench, TESS_MESSAGE_NEED);
    give_piece(&bench, 0, SESSION, &entry, 0);
    next(&bench, TESS_WORKER_PUT);
    give_piece(&bench, 0, SESSION, &entry, 0);
    nothing(&bench);
    for (int64_t us = 200000; us <= 3000000; us += 200000) {
        give_beat(&bench, us, SESSION);
        sent(&bench, TESS_MESSAGE_BEAT);
        tess_worker_tick(bench.worker, us);
        nothing(&bench); /* asks for no more */
    }
    tess_worker_blob(bench.worker, 3000000, 0, 1000, TESS_OK, NULL);
    next(&bench, TESS_WORKER_OPEN);
    nothing(&bench);
    end(&bench);
}

/* The session changes between a piece and what the cache says of it. */
static void test_rest_of_a_blob_is_asked_for_in_the_new_session(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench);
    welcome(&bench, 0, SESSION);
    struct tess_blob_entry entry = plan_with_blob(&bench, 0, SESSION, EPOCH, 1000);
    next(&bench, TESS_WORKER_PLAN);
    next(&bench, TESS_WORKER_FIND);
    tess_worker_blob(bench.worker, 0, 0, 0, TESS_OK, NULL);
    sent(&bench, TESS_MESSAGE_NEED);
    give_piece(&bench, 0, SESSION, &entry, 0);
    next(&bench, TESS_WORKER_PUT);
    tess_worker_gone(bench.worker, 1000);
    welcome(&bench, 2000, SESSION + 1);
    plan_with_blob(&bench, 2000, SESSION + 1, EPOCH, 1000);
    nothing(&bench);
    tess_worker_blob(bench.worker, 3000, 0, 500, TESS_OK, NULL);
    struct tess_message need = sent(&bench, TESS_MESSAGE_NEED);
    assert_true(need.session == SESSION + 1);
    assert_int_equal(need.as.need.offset, 500);
    nothing(&bench);
    end(&bench);
}

static void test_drained_while_it_opens_it_leaves_at_once(void **state)
{
    (void)state;
    struct bench bench;
    for (int is_broken = 0; is_broken < 2; is_broken++) {
        begin_opening(&bench);
        tess_worker_drain(bench.worker, 2000);
        sent(&bench, TESS_MESSAGE_DRAIN);
        sent(&bench, TESS_MESSAGE_BYE);
        next(&bench, TESS_WORKER_LEAVE);
        opened(&bench, 3000, is_broken ? TESS_E_NOMEM : TESS_OK);
        tess_worker_tick(bench.worker, 9000000);
        nothing(&bench);
        end(&bench);
    }
}

/* A list of weights that was not understood leaves nothing that could be opened. */
static void test_plan_with_a_wrong_list_is_taken_anew(void **state)
{
    (void)state;
    struct bench bench;
    begin_ready(&bench, 1);
    plan_with_blob(&bench, 2000, SESSION, EPOCH + 1, 0);
    next(&bench, TESS_WORKER_CLOSE);
    assert_int_equal(sent(&bench, TESS_MESSAGE_ERROR).as.error.code, TESS_ERROR_PLAN);
    nothing(&bench);
    tess_worker_gone(bench.worker, 3000);
    welcome(&bench, 4000, SESSION + 1);
    plan_with_blob(&bench, 4000, SESSION + 1, EPOCH + 1, 1000);
    next(&bench, TESS_WORKER_PLAN);
    next(&bench, TESS_WORKER_FIND);
    nothing(&bench);
    end(&bench);
}

static int count_verb(struct bench *bench, enum tess_worker_verb verb)
{
    struct tess_worker_action action;
    int n = 0;
    while (tess_worker_next(bench->worker, &action))
        n += action.verb == verb;
    return n;
}

/* The first tile's output is kept for a tile of the next stage, which comes without it; the limit
 * is that of one output more. */
static void test_outputs_are_kept_for_later_tiles(void **state)
{
    (void)state;
    struct bench bench;
    fake_work_init_even(&bench.fake, 1000);
    int64_t bytes = tess_parts_bytes(&bench.fake.tiles[0].outputs);
    begin_with(&bench, 2, 1 << 20, 2 * bytes);
    struct tess_message first = task(&bench, 0);
    for (int tile = 0; tile < 3; tile++) {
        struct tess_message message = task(&bench, tile);
        give(&bench, 2000, &message);
        int slot = next(&bench, TESS_WORKER_HOLD).slot;
        next(&bench, TESS_WORKER_COMPUTE);
        tess_worker_computed(bench.worker, 3000, slot, 0, "", 900);
        assert_int_equal(count_verb(&bench, TESS_WORKER_FORGET), tile == 2);
    }
    assert_int_equal(tess_worker_kept(bench.worker)->n, 2);
    const struct tess_work *work = &bench.fake.work;
    struct tess_message later = first;
    later.as.task.key.stage = 1;
    later.as.task.parts = tess_work_tile(work, 1, 0)->inputs;
    tess_kept_subtract(tess_worker_kept(bench.worker), work, &later.as.task.key,
                       &later.as.task.parts);
    later.payload_bytes = tess_parts_bytes(&later.as.task.parts);
    assert_true(later.payload_bytes <
                tess_parts_bytes(&tess_work_tile(work, 1, 0)->inputs));
    struct tess_message other_frame = later;
    other_frame.as.task.key.frame++;
    give(&bench, 4000, &other_frame);
    expect_nack(&bench, TESS_NACK_NOT_KEPT);
    give(&bench, 4000, &later);
    int slot = next(&bench, TESS_WORKER_HOLD).slot;
    next(&bench, TESS_WORKER_COMPUTE);
    tess_worker_computed(bench.worker, 5000, slot, TESS_NACK_FAILED, "no", 1);
    sent(&bench, TESS_MESSAGE_NACK);
    next(&bench, TESS_WORKER_RELEASE);
    nothing(&bench);
    /* Long after, nothing of it is there. */
    for (int64_t us = 5000; us < 4000000; us += 200000) {
        struct tess_message beat = {.kind = TESS_MESSAGE_BEAT, .session = SESSION};
        give(&bench, us, &beat);
        tess_worker_tick(bench.worker, us);
    }
    assert_int_equal(tess_worker_kept(bench.worker)->n, 0);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_is_repeated_each_second),
        cmocka_unit_test(test_refused_worker_asks_less_often),
        cmocka_unit_test(test_tiles_are_computed_one_after_the_other),
        cmocka_unit_test(test_wrong_tasks_are_refused_with_their_reason),
        cmocka_unit_test(test_window_in_bytes_is_kept),
        cmocka_unit_test(test_cancelled_tiles_are_dropped_at_once_or_when_computed),
        cmocka_unit_test(test_silent_coordinator_is_given_up_after_the_lease),
        cmocka_unit_test(test_tile_of_a_lost_session_takes_room_until_it_is_computed),
        cmocka_unit_test(test_beats_are_answered_with_their_echo),
        cmocka_unit_test(test_memory_that_grew_is_said_at_once),
        cmocka_unit_test(test_weights_are_fetched_where_they_are_missing),
        cmocka_unit_test(test_weights_that_stay_wrong_are_given_up),
        cmocka_unit_test(test_beats_are_answered_while_it_opens),
        cmocka_unit_test(test_session_that_comes_back_finds_the_plan_still_opening),
        cmocka_unit_test(test_plan_that_fails_without_a_session_is_opened_again),
        cmocka_unit_test(test_plan_of_another_epoch_waits_for_the_one_being_opened),
        cmocka_unit_test(test_pieces_that_come_while_a_blob_is_verified_change_nothing),
        cmocka_unit_test(test_rest_of_a_blob_is_asked_for_in_the_new_session),
        cmocka_unit_test(test_drained_while_it_opens_it_leaves_at_once),
        cmocka_unit_test(test_plan_with_a_wrong_list_is_taken_anew),
        cmocka_unit_test(test_outputs_are_kept_for_later_tiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
