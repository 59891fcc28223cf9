#include "transport/coordinator.h"

#include "tests/support/fake_tiles.h"
#include "tests/transport/transport_testing.h"

enum { EPOCH = 5, MS = 1000 };

/* A coordinator that computes nothing itself, and what it last did. */
struct bench {
    struct fake_work fake;
    struct tess_coordinator *coordinator;
    uint64_t session[2];
    struct tess_coordinator_action actions[128];
    int n_actions;
    int64_t kept_bytes; /* that workers offer */
};

static void collect(struct bench *bench)
{
    bench->n_actions = 0;
    while (tess_coordinator_next(bench->coordinator, &bench->actions[bench->n_actions]))
        assert_true(++bench->n_actions < 128);
    tess_coordinator_assert_valid(bench->coordinator);
}

static void begin(struct bench *bench, bool is_computing)
{
    struct tess_coordinator_config config;
    bench->kept_bytes = 0;
    fake_work_init_even(&bench->fake, 16000000); /* 1 ms each tile of stage 0 */
    tess_coordinator_config_init(&config);
    config.work = &bench->fake.work;
    config.epoch = EPOCH;
    config.is_computing = is_computing;
    config.max_workers = 2;
    config.max_frames = 2;
    strcpy(config.kernels, "fake");
    assert_int_equal(tess_coordinator_create(&config, &bench->coordinator, NULL),
                     TESS_OK);
}

static void end(struct bench *bench)
{
    tess_coordinator_destroy(bench->coordinator);
}

static int count(const struct bench *bench, enum tess_coordinator_verb verb)
{
    int n = 0;
    for (int i = 0; i < bench->n_actions; i++)
        n += bench->actions[i].verb == verb;
    return n;
}

/* The message of a kind among what was done; NULL if there is none. */
static const struct tess_coordinator_action *sent(const struct bench *bench,
                                                  enum tess_message_kind kind, int skip)
{
    for (int i = 0; i < bench->n_actions; i++)
        if (bench->actions[i].verb == TESS_DO_SEND &&
            bench->actions[i].message.kind == kind && skip-- == 0)
            return &bench->actions[i];
    return NULL;
}

static void tell_as(struct bench *bench, int64_t us, uint32_t peer, const char *identity,
                    const struct tess_message *message)
{
    struct tess_arrival arrival = {tess_message_channel(message->kind), peer, identity,
                                   message, true};
    tess_coordinator_message(bench->coordinator, us, &arrival);
    collect(bench);
}

static void tell(struct bench *bench, int64_t us, uint32_t peer,
                 const struct tess_message *message)
{
    tell_as(bench, us, peer, "", message);
}

static struct tess_message hello(const char *name, uint64_t incarnation)
{
    struct tess_message message = {.kind = TESS_MESSAGE_HELLO};
    snprintf(message.as.hello.name, TESS_WIRE_NAME, "%s", name);
    strcpy(message.as.hello.build, "test");
    strcpy(message.as.hello.kernels, "fake");
    message.as.hello.cores = 1;
    message.as.hello.incarnation = incarnation;
    return message;
}

/* Worker "w0" or "w1" joins as peer 0 or 1 and is ready for two tiles. */
static void join(struct bench *bench, int64_t us, int worker)
{
    struct tess_message message = hello(worker ? "w1" : "w0", 1);
    tell(bench, us, (uint32_t)worker, &message);
    bench->session[worker] = sent(bench, TESS_MESSAGE_WELCOME, 0)->message.session;
    assert_non_null(sent(bench, TESS_MESSAGE_PLAN, 0));
    message = (struct tess_message){.kind = TESS_MESSAGE_READY,
                                    .session = bench->session[worker]};
    message.as.ready.epoch = EPOCH;
    tell(bench, us, (uint32_t)worker, &message);
    message.kind = TESS_MESSAGE_CREDIT;
    message.as.credit = (struct tess_credit){2, 1 << 20, bench->kept_bytes};
    tell(bench, us, (uint32_t)worker, &message);
}

static struct tess_message result_of(const struct bench *bench, int worker,
                                     const struct tess_task_key *key)
{
    struct tess_message message = {.kind = TESS_MESSAGE_RESULT,
                                   .session = bench->session[worker]};
    message.as.result.key = *key;
    message.as.result.compute_us = 900;
    message.as.result.parts =
        tess_work_tile(&bench->fake.work, key->stage, key->tile)->outputs;
    message.payload_bytes = tess_parts_bytes(&message.as.result.parts);
    return message;
}

static void submit(struct bench *bench, int64_t us)
{
    int64_t frame;
    assert_int_equal(tess_coordinator_submit(bench->coordinator, us, &frame), TESS_OK);
    collect(bench);
}

static void test_ready_worker_gets_one_tile_and_one_ahead(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    join(&bench, 0, 0);
    submit(&bench, 10 * MS);
    assert_non_null(sent(&bench, TESS_MESSAGE_TASK, 1));
    assert_null(sent(&bench, TESS_MESSAGE_TASK, 2));
    struct tess_task_key first = sent(&bench, TESS_MESSAGE_TASK, 0)->message.as.task.key;
    assert_true(first.epoch == EPOCH && first.frame == 0 && first.attempt == 0);
    struct tess_message result = result_of(&bench, 0, &first);
    tell(&bench, 12 * MS, 0, &result);
    assert_int_equal(count(&bench, TESS_DO_STORE), 1);
    assert_non_null(sent(&bench, TESS_MESSAGE_TASK, 0));
    end(&bench);
}

static void test_frames_beyond_the_limit_are_refused(void **state)
{
    (void)state;
    struct bench bench;
    int64_t frame = -1;
    begin(&bench, true);
    submit(&bench, 0);
    submit(&bench, 0);
    assert_int_equal(tess_coordinator_submit(bench.coordinator, 0, &frame),
                     TESS_E_BUDGET);
    assert_int_equal(frame, -1);
    end(&bench);
}

/* w0 falls silent with a tile, w1 gets it and wins, w0 wakes up and answers. */
static void test_late_result_is_booked_and_not_stored(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    join(&bench, 0, 0);
    submit(&bench, 0);
    struct tess_task_key key = sent(&bench, TESS_MESSAGE_TASK, 0)->message.as.task.key;
    tess_coordinator_tick(bench.coordinator, 1500 * MS);
    collect(&bench);
    assert_int_equal(count(&bench, TESS_DO_TELL), 1);
    join(&bench, 1600 * MS, 1);
    struct tess_task_key again = sent(&bench, TESS_MESSAGE_TASK, 0)->message.as.task.key;
    assert_int_equal(again.tile, key.tile);
    assert_int_equal(again.attempt, 1);
    struct tess_message result = result_of(&bench, 1, &again);
    tell(&bench, 1602 * MS, 1, &result);
    assert_int_equal(count(&bench, TESS_DO_STORE), 1);
    result = result_of(&bench, 0, &key);
    tell(&bench, 1603 * MS, 0, &result);
    assert_int_equal(count(&bench, TESS_DO_STORE), 0);
    assert_int_equal(tess_coordinator_n_stale(bench.coordinator),
                     0); /* late, not stale */
    tell(&bench, 1604 * MS, 0, &result);
    assert_int_equal(tess_coordinator_n_stale(bench.coordinator), 1); /* repeated */
    end(&bench);
}

/* What was given up wins if it comes before anything else. */
static void test_lost_attempt_can_still_win(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    join(&bench, 0, 0);
    submit(&bench, 0);
    struct tess_task_key key = sent(&bench, TESS_MESSAGE_TASK, 0)->message.as.task.key;
    tess_coordinator_tick(bench.coordinator, 1500 * MS);
    collect(&bench);
    struct tess_message result = result_of(&bench, 0, &key);
    tell(&bench, 1600 * MS, 0, &result);
    assert_int_equal(count(&bench, TESS_DO_STORE), 1);
    end(&bench);
}

/* Adds the keys of the tasks just sent to peer `peer`. */
static void note_tasks(const struct bench *bench, uint32_t peer,
                       struct tess_task_key *keys, int *n_keys)
{
    const struct tess_coordinator_action *task;
    for (int i = 0; (task = sent(bench, TESS_MESSAGE_TASK, i)); i++)
        if (task->peer == peer)
            keys[(*n_keys)++] = task->message.as.task.key;
}

/* w0 does nothing with its two tiles, w1 does all others and those of the next stage that do not
 * read them. */
static void test_late_tile_gets_a_second_attempt_elsewhere(void **state)
{
    (void)state;
    struct bench bench;
    struct tess_task_key keys[64];
    int n_keys = 0, n_done = 0;
    int64_t us = MS;
    begin(&bench, false);
    join(&bench, 0, 0);
    submit(&bench, 0);
    join(&bench, us, 1);
    note_tasks(&bench, 1, keys, &n_keys);
    while (n_done < n_keys) {
        struct tess_message result = result_of(&bench, 1, &keys[n_done++]);
        tell(&bench, us += MS, 1, &result);
        note_tasks(&bench, 1, keys, &n_keys);
    }
    int n_in_time = n_done;
    assert_in_range(n_in_time, 15, 14 + 8);
    while (n_keys == n_in_time && us < 200 * MS) { /* long before the lease */
        us = tess_coordinator_wake_us(bench.coordinator);
        tess_coordinator_tick(bench.coordinator, us);
        collect(&bench);
        note_tasks(&bench, 1, keys, &n_keys);
    }
    assert_in_range(n_keys, n_in_time + 1, n_in_time + 2);
    assert_int_equal(keys[n_in_time].stage, 0);
    assert_int_equal(keys[n_in_time].attempt, 1);
    end(&bench);
}

/* The worker computes everything, and at last refuses a tile for want of what it has not kept. */
static void test_what_is_not_kept_is_sent_again(void **state)
{
    (void)state;
    struct bench bench;
    struct tess_task_key keys[64];
    int n_keys = 0, n_done = 0;
    int64_t us = MS;
    begin(&bench, false);
    bench.kept_bytes = 1 << 20;
    join(&bench, 0, 0);
    submit(&bench, 0);
    note_tasks(&bench, 0, keys, &n_keys);
    const struct tess_coordinator_action *task = NULL;
    while (n_done < n_keys && !task) {
        struct tess_message result = result_of(&bench, 0, &keys[n_done++]);
        tell(&bench, us += MS, 0, &result);
        note_tasks(&bench, 0, keys, &n_keys);
        task = sent(&bench, TESS_MESSAGE_TASK, 0);
        if (task && task->message.as.task.key.stage == 0)
            task = NULL;
    }
    assert_non_null(task);
    struct tess_task_message short_of = task->message.as.task;
    const struct tess_parts *inputs =
        &tess_work_tile(&bench.fake.work, short_of.key.stage, short_of.key.tile)->inputs;
    assert_true(tess_parts_bytes(&short_of.parts) < tess_parts_bytes(inputs));
    struct tess_message nack = {.kind = TESS_MESSAGE_NACK, .session = bench.session[0]};
    nack.as.nack.key = short_of.key;
    nack.as.nack.code = TESS_NACK_NOT_KEPT;
    tell(&bench, us + MS, 0, &nack);
    task = sent(&bench, TESS_MESSAGE_TASK, 0);
    assert_non_null(task);
    assert_int_equal(task->message.as.task.key.tile, short_of.key.tile);
    assert_int_equal(task->message.as.task.key.attempt, short_of.key.attempt + 1);
    assert_true(tess_parts_are_equal(&task->message.as.task.parts, inputs));
    end(&bench);
}

static void test_identity_of_another_key_is_not_believed(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    struct tess_message message = hello("w0", 1);
    tell_as(&bench, 0, 0, "key-a", &message);
    uint64_t session = sent(&bench, TESS_MESSAGE_WELCOME, 0)->message.session;
    message = (struct tess_message){.kind = TESS_MESSAGE_BYE, .session = session};
    tell_as(&bench, 1000, 7, "key-b", &message);
    struct tess_node_report report;
    tess_coordinator_report(bench.coordinator, 1, &report);
    assert_int_equal(report.state, TESS_NODE_JOINED);
    message.kind = TESS_MESSAGE_CREDIT;
    tell_as(&bench, 1000, 7, "key-b", &message);
    message.kind = TESS_MESSAGE_BYE;
    tell_as(&bench, 1000, 0, "key-a", &message);
    tess_coordinator_report(bench.coordinator, 1, &report);
    assert_int_equal(report.state, TESS_NODE_GONE);
    end(&bench);
}

static void test_authenticated_name_is_the_workers_name(void **state)
{
    (void)state;
    struct bench bench;
    struct tess_node_report report;
    begin(&bench, false);
    struct tess_message message = hello("another", 1);
    tell_as(&bench, 0, 0, "w0", &message);
    tess_coordinator_report(bench.coordinator, 1, &report);
    assert_string_equal(report.name, "w0");
    tell_as(&bench, 0, 1, "", &message); /* nobody knows better */
    tess_coordinator_report(bench.coordinator, 2, &report);
    assert_string_equal(report.name, "another");
    end(&bench);
}

static void test_third_worker_finds_no_room(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    join(&bench, 0, 0);
    join(&bench, 0, 1);
    struct tess_message message = hello("w2", 1);
    tell(&bench, 0, 2, &message);
    assert_int_equal(sent(&bench, TESS_MESSAGE_ERROR, 0)->message.as.error.code,
                     TESS_ERROR_FULL);
    end(&bench);
}

static void test_unknown_session_is_answered(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    struct tess_message message = {.kind = TESS_MESSAGE_BEAT, .session = 1};
    tell(&bench, 0, 3, &message);
    assert_int_equal(sent(&bench, TESS_MESSAGE_ERROR, 0)->message.as.error.code,
                     TESS_ERROR_SESSION);
    message.kind = TESS_MESSAGE_ERROR; /* errors are never answered */
    message.as.error.code = TESS_ERROR_SESSION;
    tell(&bench, 0, 3, &message);
    assert_int_equal(bench.n_actions, 0);
    end(&bench);
}

static void test_plan_is_sent_again_while_beats_ask_for_it(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    struct tess_message message = hello("w0", 1);
    tell(&bench, 0, 0, &message);
    message = (struct tess_message){
        .kind = TESS_MESSAGE_BEAT,
        .session = sent(&bench, TESS_MESSAGE_WELCOME, 0)->message.session};
    message.as.beat.state = TESS_WORKER_JOINED;
    tell(&bench, 500 * MS, 0, &message);
    assert_null(sent(&bench, TESS_MESSAGE_PLAN, 0));
    tell(&bench, 1001 * MS, 0, &message);
    assert_non_null(sent(&bench, TESS_MESSAGE_PLAN, 0));
    message.as.beat.epoch = EPOCH; /* kept from an earlier session */
    tell(&bench, 2002 * MS, 0, &message);
    assert_non_null(sent(&bench, TESS_MESSAGE_PLAN, 0));
    message.as.beat.state = TESS_WORKER_FETCHING;
    tell(&bench, 3003 * MS, 0, &message);
    assert_null(sent(&bench, TESS_MESSAGE_PLAN, 0));
    end(&bench);
}

static void test_answer_that_never_comes_is_noticed_by_beats(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    join(&bench, 0, 0);
    submit(&bench, 0);
    struct tess_message beat = {.kind = TESS_MESSAGE_BEAT, .session = bench.session[0]};
    beat.as.beat.state = TESS_WORKER_READY;
    beat.as.beat.epoch = EPOCH;
    struct tess_node_report report;
    for (int64_t us = 0; us <= 1400 * MS; us += 200 * MS)
        tell(&bench, us, 0, &beat);
    tess_coordinator_report(bench.coordinator, 1, &report);
    assert_int_equal(report.n_lost, 0);
    tell(&bench, 2000 * MS, 0, &beat);
    tess_coordinator_report(bench.coordinator, 1, &report);
    assert_true(report.n_lost > 0);
    assert_non_null(sent(&bench, TESS_MESSAGE_TASK, 0)); /* given again */
    end(&bench);
}

static void test_stop_says_bye_to_all(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, false);
    join(&bench, 0, 0);
    join(&bench, 0, 1);
    tess_coordinator_stop(bench.coordinator, 0, "done");
    collect(&bench);
    assert_string_equal(sent(&bench, TESS_MESSAGE_BYE, 1)->message.as.bye.text, "done");
    end(&bench);
}

static void test_largest_cluster_takes_little_memory(void **state)
{
    (void)state;
    struct tess_coordinator_config config;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    tess_coordinator_config_init(&config);
    config.work = &fake.work;
    int64_t many = tess_coordinator_bytes(&config);
    config.max_workers = 0;
    assert_in_range(tess_coordinator_bytes(&config), 1, many);
    assert_true(many < 2 << 20);
}

static void test_configs_out_of_range_are_refused(void **state)
{
    (void)state;
    struct tess_coordinator_config config;
    struct tess_coordinator *coordinator = NULL;
    struct fake_work fake;
    fake_work_init_even(&fake, 1000);
    tess_coordinator_config_init(&config);
    config.work = &fake.work;
    assert_int_equal(tess_coordinator_create(&config, &coordinator, NULL), TESS_E_CONFIG);
    config.epoch = 1;
    config.max_workers = TESS_COORDINATOR_NODES_MAX + 1;
    assert_int_equal(tess_coordinator_create(&config, &coordinator, NULL), TESS_E_CONFIG);
    config.max_workers = 1;
    fake.tiles[0].cost = 0;
    assert_int_equal(tess_coordinator_create(&config, &coordinator, NULL), TESS_E_CONFIG);
    assert_null(coordinator);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_worker_gets_one_tile_and_one_ahead),
        cmocka_unit_test(test_frames_beyond_the_limit_are_refused),
        cmocka_unit_test(test_late_result_is_booked_and_not_stored),
        cmocka_unit_test(test_lost_attempt_can_still_win),
        cmocka_unit_test(test_late_tile_gets_a_second_attempt_elsewhere),
        cmocka_unit_test(test_what_is_not_kept_is_sent_again),
        cmocka_unit_test(test_identity_of_another_key_is_not_believed),
        cmocka_unit_test(test_authenticated_name_is_the_workers_name),
        cmocka_unit_test(test_third_worker_finds_no_room),
        cmocka_unit_test(test_unknown_session_is_answered),
        cmocka_unit_test(test_plan_is_sent_again_while_beats_ask_for_it),
        cmocka_unit_test(test_answer_that_never_comes_is_noticed_by_beats),
        cmocka_unit_test(test_stop_says_bye_to_all),
        cmocka_unit_test(test_largest_cluster_takes_little_memory),
        cmocka_unit_test(test_configs_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
