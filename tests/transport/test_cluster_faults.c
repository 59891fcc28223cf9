/* Each fault that a cluster must survive, one at a time, on links in memory. Contents and
 * accounts of every frame are checked by the simulation. */
#include "base/crc32c.h"
#include "tests/support/cluster_sim.h"
#include "tests/support/sample_messages.h"
#include "tests/transport/transport_testing.h"
#include "transport/wire.h"

/* 4 stages of 400 ms on one node; 100 Mbit/s. */
static const struct sim_options usual = {
    .n_workers = 3,
    .seed = 1,
    .max_frames = 1,
    .has_equal_tiles = true,
    .stage_cost = 400000000,
    .weather = {.latency_us = 200, .bytes_per_us = 12.5}};

enum { ALONE_US = 4 * 400000, SECOND = 1000000 };

static void start(struct sim *sim, const struct sim_options *options)
{
    sim_init(sim, options);
    assert_true(sim_run_until_ready(sim, options->n_workers, 10 * SECOND));
}

static int64_t time_of_frame(struct sim *sim)
{
    int64_t begin_us = sim->now_us;
    assert_true(sim_run_frames(sim, 1, 60 * (int64_t)SECOND));
    return sim->now_us - begin_us;
}

static void assert_told(const struct sim *sim, const char *sentence)
{
    if (!strstr(sim->told, sentence))
        fail_msg("nobody said \"%s\":\n%s", sentence, sim->told);
}

static struct tess_node_report report(const struct sim *sim, int node)
{
    struct tess_node_report of;
    tess_coordinator_report(sim->coordinator, node, &of);
    return of;
}

/* Submits a frame and runs until the worker computes. */
static void run_into_frame(struct sim *sim, int worker)
{
    assert_true(sim_submit(sim));
    while (!sim_is_computing(sim, worker))
        sim_run(sim, sim->now_us + 1000);
}

static int64_t time_to_end(struct sim *sim)
{
    int64_t begin_us = sim->now_us;
    assert_true(sim_run_frames(sim, 0, 60 * (int64_t)SECOND));
    assert_int_equal(tess_coordinator_n_frames(sim->coordinator), 0);
    return sim->now_us - begin_us;
}

static void test_frame_is_shared_by_all(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    time_of_frame(&sim);
    int64_t us = time_of_frame(&sim);
    print_message("4 nodes: %.2f times as fast as one\n", (double)ALONE_US / (double)us);
    assert_true(us < ALONE_US / 3);
    for (int i = 0; i < 4; i++)
        assert_in_range(report(&sim, i).n_won, 16, 32);
    assert_int_equal(sim.total.ended[TESS_ATTEMPT_WON], sim.total.issued);
    sim_release(&sim);
}

/* Nodes have the same share of every map: they are sent what lies beyond it, and of what they make
 * comes first what others read. */
static void test_what_a_worker_made_is_not_sent_back(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_options options = usual;
    options.has_plan = true;
    start(&sim, &options);
    int64_t kept_us = time_of_frame(&sim);
    assert_true(sim.n_left_out > 0);
    assert_true(sim.n_in_two > 0);
    sim_release(&sim);
    options.keeps_nothing = true;
    start(&sim, &options);
    int64_t sent_us = time_of_frame(&sim);
    assert_int_equal(sim.n_left_out, 0);
    sim_release(&sim);
    print_message("%lld us, with nothing kept %lld us\n", (long long)kept_us,
                  (long long)sent_us);
}

static void test_coordinator_alone_finishes(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_options options = usual;
    options.n_workers = 0;
    start(&sim, &options);
    assert_in_range(time_of_frame(&sim), ALONE_US, ALONE_US + 100);
    sim_release(&sim);
}

static void test_frames_in_flight_fill_the_gaps_between_stages(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_options options = usual;
    options.max_frames = 4;
    start(&sim, &options);
    assert_true(sim_run_frames(&sim, 4, 10 * SECOND));
    int64_t begin_us = sim.now_us;
    assert_true(sim_run_frames(&sim, 20, 60 * (int64_t)SECOND));
    int64_t per_frame_us = (sim.now_us - begin_us) / 20;
    print_message("throughput %.2f\n", (double)ALONE_US / (double)per_frame_us);
    assert_true(per_frame_us < ALONE_US * 10 / 37);
    sim_release(&sim);
}

static void test_kill_mid_tile_costs_a_tile(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    int64_t usual_us = time_of_frame(&sim);
    run_into_frame(&sim, 1);
    sim_kill(&sim, 1);
    assert_true(time_to_end(&sim) < usual_us + 300000);
    assert_told(&sim, "w2 closed its connection");
    assert_true(sim.total.ended[TESS_ATTEMPT_LOST] > 0);
    assert_int_equal(report(&sim, 2).state, TESS_NODE_GONE);
    sim_start(&sim, 1);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    sim_release(&sim);
}

/* Nobody closes the connection of a stopped process. */
static void test_stopped_worker_costs_less_than_its_lease(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    int64_t usual_us = time_of_frame(&sim);
    run_into_frame(&sim, 1);
    sim_pause(&sim, 1, true);
    assert_true(time_to_end(&sim) < usual_us + 400000); /* a second attempt when late */
    sim_run(&sim, sim.now_us + 3 * SECOND);
    assert_told(&sim, "w2 has been silent for too long");
    sim_pause(&sim, 1, false);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    time_of_frame(&sim);
    sim_release(&sim);
}

static void cut_and_heal(int64_t cut_us)
{
    struct sim sim;
    start(&sim, &usual);
    int64_t usual_us = time_of_frame(&sim);
    run_into_frame(&sim, 0);
    int64_t begin_us = sim.now_us;
    sim_cut(&sim, 0, true);
    sim_cut(&sim, 2, true);
    assert_true(time_to_end(&sim) < usual_us + 700000); /* two of four nodes less */
    sim_run(&sim, begin_us + cut_us);
    sim_cut(&sim, 0, false);
    sim_cut(&sim, 2, false);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    assert_true(time_of_frame(&sim) < usual_us * 3 / 2);
    assert_int_equal(sim.n_sent[TESS_MESSAGE_BLOB],
                     3 * 2 * SIM_BLOBS); /* only at first */
    sim_release(&sim);
}

static void test_link_cut_for_two_seconds_heals(void **state)
{
    (void)state;
    cut_and_heal(2 * SECOND);
}

static void test_link_cut_for_ten_seconds_heals(void **state)
{
    (void)state;
    cut_and_heal(10 * SECOND);
}

/* One of four nodes is four times slower: nearly the share of 3.25 nodes is reached. */
static void test_slow_node_gets_few_tiles(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    const struct sim_worker_faults slow = {.slowness = 4};
    time_of_frame(&sim);
    sim_set_faults(&sim, 1, &slow);
    int64_t first_us = time_of_frame(&sim), us = time_of_frame(&sim);
    print_message("slowed: %.2f, then %.2f times as fast as one node; equal shares: 1\n",
                  (double)ALONE_US / (double)first_us, (double)ALONE_US / (double)us);
    assert_true(us < ALONE_US * 45 / 100);
    const struct sim_worker_faults none = {.slowness = 1};
    sim_set_faults(&sim, 1, &none);
    time_of_frame(&sim);
    time_of_frame(&sim);
    assert_true(time_of_frame(&sim) < ALONE_US / 3); /* it gets its share again */
    sim_release(&sim);
}

static void test_all_workers_die_and_the_coordinator_finishes(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    run_into_frame(&sim, 2);
    for (int i = 0; i < 3; i++)
        sim_kill(&sim, i);
    assert_true(time_to_end(&sim) < ALONE_US + 100000);
    sim_release(&sim);
}

static void test_restarted_coordinator_gets_its_workers_back(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    run_into_frame(&sim, 0);
    int64_t n_blobs = sim.n_sent[TESS_MESSAGE_BLOB];
    sim_restart_coordinator(&sim);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    time_of_frame(&sim);
    assert_int_equal(sim.n_sent[TESS_MESSAGE_BLOB], n_blobs);
    sim_release(&sim);
}

static void test_warm_restart_of_a_worker_sends_no_weights(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    int64_t n_blobs = sim.n_sent[TESS_MESSAGE_BLOB];
    assert_true(n_blobs > 0);
    sim_kill(&sim, 0);
    sim_start(&sim, 0);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    assert_int_equal(sim.n_sent[TESS_MESSAGE_BLOB], n_blobs);
    sim_release(&sim);
}

static void test_flipped_bits_are_found(void **state)
{
    (void)state;
    struct sim sim;
    struct tess_link_weather noisy = usual.weather;
    noisy.flip = 1000;
    start(&sim, &usual);
    for (int i = 0; i < 3; i++)
        tess_link_mem_set_weather(sim.links, i, &noisy);
    assert_true(sim_run_frames(&sim, 10, 200 * (int64_t)SECOND));
    assert_told(&sim, "damaged");
    assert_true(sim.n_refused > 0);
    assert_true(
        sim.total.ended[TESS_ATTEMPT_LOST] + sim.total.ended[TESS_ATTEMPT_NACKED] > 0);
    sim_release(&sim);
}

static void test_lossy_links_only_cost_time(void **state)
{
    (void)state;
    struct sim sim;
    struct tess_link_weather lossy = usual.weather;
    lossy.lose = 500;
    lossy.duplicate = 1000;
    lossy.reorder = 1000;
    lossy.jitter_us = 20000;
    start(&sim, &usual);
    for (int i = 0; i < 3; i++)
        tess_link_mem_set_weather(sim.links, i, &lossy);
    assert_true(sim_run_frames(&sim, 20, 400 * (int64_t)SECOND));
    sim_release(&sim);
}

static void test_result_of_another_shape_ends_the_worker(void **state)
{
    (void)state;
    struct sim sim;
    const struct sim_worker_faults wrong = {.slowness = 1, .sends_wrong_shape = true};
    const struct sim_worker_faults none = {.slowness = 1};
    start(&sim, &usual);
    sim_set_faults(&sim, 1, &wrong);
    time_of_frame(&sim);
    assert_told(&sim, "w2 sent a result of another shape");
    assert_int_equal(report(&sim, 2).state, TESS_NODE_REFUSED);
    sim_set_faults(&sim, 1, &none);
    sim_run(&sim, sim.now_us + 12 * SECOND);
    assert_int_equal(report(&sim, 2).state, TESS_NODE_REFUSED);
    sim_kill(&sim, 1);
    sim_start(&sim, 1);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    sim_release(&sim);
}

static void test_second_worker_of_one_key_is_refused_until_the_first_is_gone(void **state)
{
    (void)state;
    struct sim sim;
    const struct sim_worker_faults twin = {.slowness = 1, .name = "w1"};
    start(&sim, &usual);
    sim_kill(&sim, 1);
    sim_set_faults(&sim, 1, &twin);
    sim_start(&sim, 1);
    sim_run(&sim, sim.now_us + 3 * SECOND);
    assert_told(&sim, "a second worker with the key of w1 was refused");
    assert_told(&sim,
                "w2: the coordinator says: another worker with this key is at work");
    time_of_frame(&sim);
    sim_kill(&sim, 0);
    assert_true(sim_run_until_ready(&sim, 2, sim.now_us + 10 * SECOND));
    time_of_frame(&sim);
    sim_release(&sim);
}

static void test_other_kernels_are_refused(void **state)
{
    (void)state;
    struct sim sim;
    const struct sim_worker_faults other = {.slowness = 1, .kernels = "xnn"};
    start(&sim, &usual);
    sim_kill(&sim, 0);
    sim_set_faults(&sim, 0, &other);
    sim_start(&sim, 0);
    sim_run(&sim, sim.now_us + 2 * SECOND);
    assert_told(&sim, "w1 was refused: its kernels are of family xnn, not fake");
    sim_release(&sim);
}

static void test_worker_without_memory_for_the_plan_says_so_before_the_frame(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_worker_faults poor = {.slowness = 1, .has_no_memory_at_open = true};
    sim_init(&sim, &usual);
    sim_set_faults(&sim, 2, &poor);
    assert_true(sim_run_until_ready(&sim, 2, 10 * SECOND));
    assert_told(&sim, "w3 cannot run the plan, out of memory: the plan takes 60 MiB, the "
                      "limit is 48 MiB");
    time_of_frame(&sim);
    assert_int_equal(report(&sim, 3).n_won, 0);
    sim_run(&sim, sim.now_us + 10 * SECOND);
    assert_int_equal(report(&sim, 3).state, TESS_NODE_UNABLE);
    sim_release(&sim);
}

static void test_worker_out_of_memory_at_a_tile_is_named(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_worker_faults poor = {.slowness = 1, .has_no_memory_at_tiles = true};
    start(&sim, &usual);
    sim_set_faults(&sim, 2, &poor);
    time_of_frame(&sim);
    assert_told(&sim, "w3 is out of memory in stage 0");
    assert_true(sim.total.ended[TESS_ATTEMPT_NACKED] > 0);
    sim_release(&sim);
}

/* Nobody is left: the user is told who said no. */
static void test_frame_that_nobody_can_compute_fails_with_a_sentence(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_worker_faults poor = {.slowness = 1, .has_no_memory_at_tiles = true};
    struct sim_options options = usual;
    options.n_workers = 1;
    options.has_idle_coordinator = true;
    start(&sim, &options);
    sim_set_faults(&sim, 0, &poor);
    assert_true(sim_run_frames(&sim, 1, 60 * (int64_t)SECOND));
    assert_int_equal(sim.n_failed, 1);
    assert_string_equal(sim.failure,
                        "no node can compute stage 0; w1 said that it cannot");
    sim_release(&sim);
}

static void test_spoilt_cache_is_fetched_again(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    int64_t n_blobs = sim.n_sent[TESS_MESSAGE_BLOB];
    sim_kill(&sim, 0);
    sim_spoil_cache(&sim, 0);
    sim_start(&sim, 0);
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 5 * SECOND));
    assert_true(sim.n_sent[TESS_MESSAGE_BLOB] > n_blobs);
    time_of_frame(&sim);
    sim_release(&sim);
}

/* Finding, verifying and opening take longer than the lease: the worker stays, its session
 * is the first. */
static void test_slow_opening_costs_no_session(void **state)
{
    (void)state;
    struct sim sim;
    const struct sim_worker_faults slow = {.slowness = 1, .answer_us = 4 * SECOND};
    sim_init(&sim, &usual);
    sim_set_faults(&sim, 0, &slow);
    assert_true(sim_run_until_ready(&sim, 2, SECOND));
    time_of_frame(&sim); /* by the others */
    assert_true(sim_run_until_ready(&sim, 3, 40 * (int64_t)SECOND));
    assert_null(strstr(sim.told, "silent"));
    assert_null(strstr(sim.told, "again"));
    assert_int_equal(sim.n_sent[TESS_MESSAGE_WELCOME], 3);
    time_of_frame(&sim);
    sim_release(&sim);
}

/* The coordinator begins again with another epoch while a worker opens the plan before. */
static void test_coordinator_that_restarts_meanwhile_is_served_next(void **state)
{
    (void)state;
    struct sim sim;
    const struct sim_worker_faults slow = {.slowness = 1, .answer_us = 2 * SECOND};
    sim_init(&sim, &usual);
    sim_set_faults(&sim, 0, &slow);
    assert_true(sim_run_until_ready(&sim, 2, SECOND));
    for (int i = 0; i < 3; i++) {
        sim_run(&sim, sim.now_us + 3 * SECOND);
        sim_restart_coordinator(&sim);
    }
    assert_true(sim_run_until_ready(&sim, 3, sim.now_us + 40 * (int64_t)SECOND));
    time_of_frame(&sim);
    sim_release(&sim);
}

static void test_full_disk_is_told(void **state)
{
    (void)state;
    struct sim sim;
    struct sim_worker_faults full = {.slowness = 1, .has_full_disk = true};
    sim_init(&sim, &usual);
    sim_set_faults(&sim, 0, &full);
    assert_true(sim_run_until_ready(&sim, 2, 10 * SECOND));
    assert_told(&sim, "w1 cannot run the plan: cannot write the cache: no space left");
    time_of_frame(&sim);
    sim_release(&sim);
}

static void test_repeated_and_stale_results_change_nothing(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    time_of_frame(&sim);
    struct tess_link_packet *old = sim_last_result(&sim);
    struct tess_link_packet kept = *old;
    kept.header = malloc((size_t)old->header_bytes);
    kept.payload = malloc((size_t)old->payload_bytes);
    assert_true(kept.header && kept.payload);
    memcpy(kept.header, old->header, (size_t)old->header_bytes);
    memcpy(kept.payload, old->payload, (size_t)old->payload_bytes);
    int64_t n_stale = tess_coordinator_n_stale(sim.coordinator);
    for (int i = 0; i < 5; i++) {
        run_into_frame(&sim, kept.link);
        sim_inject(&sim, kept.link, TESS_CHANNEL_DATA, kept.header,
                   (size_t)kept.header_bytes, kept.payload, kept.payload_bytes);
        time_to_end(&sim);
    }
    assert_int_equal(tess_coordinator_n_stale(sim.coordinator), n_stale + 5);
    tess_link_packet_release(&kept);
    sim_release(&sim);
}

static void test_garbage_is_refused_and_told(void **state)
{
    (void)state;
    struct sim sim;
    unsigned char large[2000] = {0};
    start(&sim, &usual);
    run_into_frame(&sim, 0);
    for (int channel = 0; channel < 2; channel++) {
        enum tess_channel of = (enum tess_channel)channel;
        sim_inject(&sim, 0, of, "\xdd\xff\xff\xff\xff", 5, NULL, 0);
        sim_inject(&sim, 0, of, "\xdf\xff\xff\xff\xff", 5, NULL, 0);
        sim_inject(&sim, 0, of, "GET / HTTP/1.1\r\n\r\n", 18, NULL, 0);
        sim_inject(&sim, 0, of, large, sizeof large, large, sizeof large);
        sim_inject(&sim, 0, of, "", 0, NULL, 0);
    }
    time_to_end(&sim);
    assert_int_equal(sim.n_refused, 10);
    assert_told(&sim, "a message of w1 is no header of this protocol");
    sim_release(&sim);
}

static void test_flood_of_garbage_is_told_once_a_second(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    run_into_frame(&sim, 0);
    for (int i = 0; i < 100; i++)
        sim_inject(&sim, 0, TESS_CHANNEL_CONTROL, "GET", 3, NULL, 0);
    sim_run(&sim, sim.now_us + 2 * SECOND);
    assert_told(&sim, "a message of w1 is no header of this protocol");
    assert_told(&sim, "99 more messages of w1 could not be read");
    time_to_end(&sim);
    sim_release(&sim);
}

/* Every valid message of every kind, from a peer without a session and from one with. */
static void test_messages_out_of_turn_change_nothing(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
        int64_t n_bytes;
        struct tess_message message = tess_sample_message(i, &n_bytes);
        if (message.kind == TESS_MESSAGE_HELLO)
            continue;
        tess_wire_seal(&message, tess_sample_payload(), n_bytes);
        size_t n_header = tess_wire_write(&message, header);
        sim_inject(&sim, 0, tess_message_channel(message.kind), header, n_header,
                   n_bytes ? tess_sample_payload() : NULL, n_bytes);
    }
    time_of_frame(&sim);
    sim_release(&sim);
}

static void test_other_protocol_version_is_answered(void **state)
{
    (void)state;
    struct sim sim;
    int64_t n_bytes;
    unsigned char header[TESS_WIRE_HEADER_MAX_BYTES];
    struct tess_message hello = tess_sample_message(0, &n_bytes);
    start(&sim, &usual);
    size_t n = tess_wire_write(&hello, header);
    header[1] = TESS_WIRE_PROTOCOL + 1;
    uint32_t crc = tess_crc32c(0, header, n - 5);
    for (int i = 0; i < 4; i++)
        header[n - 4 + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    int64_t n_errors = sim.n_sent[TESS_MESSAGE_ERROR];
    sim_inject(&sim, 0, TESS_CHANNEL_CONTROL, header, n, NULL, 0);
    sim_run(&sim, sim.now_us + 100000);
    assert_int_equal(sim.n_sent[TESS_MESSAGE_ERROR], n_errors + 1);
    assert_told(&sim, "is of another protocol version");
    time_of_frame(&sim);
    sim_release(&sim);
}

static void test_drained_worker_finishes_and_leaves(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    run_into_frame(&sim, 1);
    int64_t n_won = report(&sim, 2).n_won;
    sim_drain(&sim, 1);
    time_to_end(&sim);
    assert_false(sim_is_running(&sim, 1));
    assert_true(report(&sim, 2).n_won > n_won);
    assert_int_equal(sim.total.ended[TESS_ATTEMPT_LOST], 0);
    sim_release(&sim);
}

/* Beats only: two each 200 ms for each worker, and a CREDIT and a READY each second. */
static void test_idle_cluster_is_quiet(void **state)
{
    (void)state;
    struct sim sim;
    start(&sim, &usual);
    int64_t before[TESS_MESSAGE_NACK + 1];
    memcpy(before, sim.n_sent, sizeof before);
    sim_run(&sim, sim.now_us + 10 * SECOND);
    for (int i = 0; i <= TESS_MESSAGE_NACK; i++) {
        int64_t n = sim.n_sent[i] - before[i];
        if (i == TESS_MESSAGE_BEAT)
            assert_in_range(n, 290, 310);
        else if (i == TESS_MESSAGE_READY || i == TESS_MESSAGE_CREDIT)
            assert_true(n <= 33);
        else
            assert_int_equal(n, 0);
    }
    sim_release(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_is_shared_by_all),
        cmocka_unit_test(test_what_a_worker_made_is_not_sent_back),
        cmocka_unit_test(test_coordinator_alone_finishes),
        cmocka_unit_test(test_frames_in_flight_fill_the_gaps_between_stages),
        cmocka_unit_test(test_kill_mid_tile_costs_a_tile),
        cmocka_unit_test(test_stopped_worker_costs_less_than_its_lease),
        cmocka_unit_test(test_link_cut_for_two_seconds_heals),
        cmocka_unit_test(test_link_cut_for_ten_seconds_heals),
        cmocka_unit_test(test_slow_node_gets_few_tiles),
        cmocka_unit_test(test_all_workers_die_and_the_coordinator_finishes),
        cmocka_unit_test(test_restarted_coordinator_gets_its_workers_back),
        cmocka_unit_test(test_warm_restart_of_a_worker_sends_no_weights),
        cmocka_unit_test(test_flipped_bits_are_found),
        cmocka_unit_test(test_lossy_links_only_cost_time),
        cmocka_unit_test(test_result_of_another_shape_ends_the_worker),
        cmocka_unit_test(
            test_second_worker_of_one_key_is_refused_until_the_first_is_gone),
        cmocka_unit_test(test_other_kernels_are_refused),
        cmocka_unit_test(
            test_worker_without_memory_for_the_plan_says_so_before_the_frame),
        cmocka_unit_test(test_worker_out_of_memory_at_a_tile_is_named),
        cmocka_unit_test(test_frame_that_nobody_can_compute_fails_with_a_sentence),
        cmocka_unit_test(test_spoilt_cache_is_fetched_again),
        cmocka_unit_test(test_slow_opening_costs_no_session),
        cmocka_unit_test(test_coordinator_that_restarts_meanwhile_is_served_next),
        cmocka_unit_test(test_full_disk_is_told),
        cmocka_unit_test(test_repeated_and_stale_results_change_nothing),
        cmocka_unit_test(test_garbage_is_refused_and_told),
        cmocka_unit_test(test_flood_of_garbage_is_told_once_a_second),
        cmocka_unit_test(test_messages_out_of_turn_change_nothing),
        cmocka_unit_test(test_other_protocol_version_is_answered),
        cmocka_unit_test(test_drained_worker_finishes_and_leaves),
        cmocka_unit_test(test_idle_cluster_is_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
