/* Real connections over loopback: both ends in one thread. */
#include "transport/link_zmq.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/support/sample_messages.h"
#include "tests/transport/transport_testing.h"

enum { LIMIT_US = 5000000, QUIET_US = 600000 };

struct pair {
    struct tess_link_keys coordinator_keys, worker_keys;
    struct tess_link_allowed allowed;
    struct tess_link_zmq *coordinator, *worker;
    struct tess_link_event event; /* the last */
    int n_refused;                /* told by the coordinator */
};

static struct tess_link_zmq *open_coordinator(struct pair *pair, bool has_keys)
{
    struct tess_link_zmq *link = NULL;
    struct tess_link_zmq_config config = {.is_coordinator = true,
                                          .control = "tcp://127.0.0.1:*",
                                          .data = "tcp://127.0.0.1:*",
                                          .keys =
                                              has_keys ? &pair->coordinator_keys : NULL,
                                          .allowed = &pair->allowed,
                                          .n_allowed = 1,
                                          .payload_bytes = 1 << 20};
    assert_int_equal(tess_link_zmq_create(&config, &link, NULL), TESS_OK);
    return link;
}

static struct tess_link_zmq *open_worker(struct pair *pair,
                                         const struct tess_link_keys *keys)
{
    struct tess_link_zmq *link = NULL;
    struct tess_link_zmq_config config = {
        .control = tess_link_zmq_endpoint(pair->coordinator, TESS_CHANNEL_CONTROL),
        .data = tess_link_zmq_endpoint(pair->coordinator, TESS_CHANNEL_DATA),
        .keys = keys,
        .coordinator_key = pair->coordinator_keys.public_key,
        .payload_bytes = 1 << 20};
    assert_int_equal(tess_link_zmq_create(&config, &link, NULL), TESS_OK);
    return link;
}

static void begin(struct pair *pair, bool has_keys)
{
    memset(pair, 0, sizeof *pair);
    assert_int_equal(tess_link_zmq_generate(&pair->coordinator_keys, NULL), TESS_OK);
    assert_int_equal(tess_link_zmq_generate(&pair->worker_keys, NULL), TESS_OK);
    strcpy(pair->allowed.name, "w1");
    strcpy(pair->allowed.public_key, pair->worker_keys.public_key);
    pair->coordinator = open_coordinator(pair, has_keys);
}

static void end(struct pair *pair)
{
    tess_link_zmq_destroy(pair->worker);
    tess_link_zmq_destroy(pair->coordinator);
}

static void count_release(void *payload, void *hint)
{
    (void)payload;
    ++*(int *)hint;
}

/* Sends sample `index`; false if it was dropped. */
static bool send_sample(struct tess_link_zmq *link, uint32_t peer, int index,
                        int *n_released)
{
    static unsigned char payload[TESS_SAMPLE_PAYLOAD_BYTES];
    int64_t n_bytes;
    struct tess_message message = tess_sample_message(index, &n_bytes);
    memcpy(payload, tess_sample_payload(), sizeof payload);
    tess_wire_seal(&message, payload, n_bytes);
    return tess_link_zmq_send(link, tess_message_channel(message.kind), peer, &message,
                              payload, count_release, n_released);
}

/* Waits at one end for an event of this kind while the other end is served; true if it came.
 * The event is in pair->event. */
static bool wait_for(struct pair *pair, bool at_coordinator,
                     enum tess_link_event_kind kind, int64_t limit_us)
{
    double end_us = tess_clock_us() + (double)limit_us;
    struct tess_link_event event;
    while (tess_clock_us() < end_us) {
        assert_int_equal(tess_link_zmq_wait(pair->coordinator, 5000, &event, NULL),
                         TESS_OK);
        pair->n_refused += event.kind == TESS_LINK_REFUSED;
        if (at_coordinator && event.kind == kind) {
            pair->event = event;
            return true;
        }
        if (!pair->worker)
            continue;
        assert_int_equal(tess_link_zmq_wait(pair->worker, 5000, &event, NULL), TESS_OK);
        if (!at_coordinator && event.kind == kind) {
            pair->event = event;
            return true;
        }
    }
    return false;
}

/* Sends until the connection is there. */
static void send_until_sent(struct pair *pair, int index, int *n_released)
{
    double end_us = tess_clock_us() + LIMIT_US;
    while (!send_sample(pair->worker, 0, index, n_released)) {
        assert_true(tess_clock_us() < end_us);
        wait_for(pair, true, TESS_LINK_NOTHING, 20000);
    }
}

static void exchange_all(struct pair *pair, const char *identity)
{
    int n_released = 0;
    for (int i = 0; i < TESS_SAMPLE_KINDS; i++) {
        int64_t n_bytes;
        struct tess_message message = tess_sample_message(i, &n_bytes);
        send_until_sent(pair, i, &n_released);
        assert_true(wait_for(pair, true, TESS_LINK_MESSAGE, LIMIT_US));
        assert_int_equal(pair->event.message.kind, message.kind);
        assert_true(pair->event.is_payload_good);
        assert_string_equal(pair->event.identity, identity);
        assert_string_equal(pair->event.address, "127.0.0.1");
        if (n_bytes)
            assert_memory_equal(pair->event.payload, tess_sample_payload(),
                                (size_t)n_bytes);
        assert_true(send_sample(pair->coordinator, pair->event.peer, i, &n_released));
        assert_true(wait_for(pair, false, TESS_LINK_MESSAGE, LIMIT_US));
        assert_int_equal(pair->event.message.kind, message.kind);
    }
    end(pair);
    assert_in_range(n_released, 4 * 2, 4 * 2 + 1000); /* dropped ones are released, too */
}

static void test_each_message_goes_both_ways(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, false);
    pair.worker = open_worker(&pair, NULL);
    exchange_all(&pair, "");
}

static void test_key_on_the_list_is_the_identity(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, true);
    pair.worker = open_worker(&pair, &pair.worker_keys);
    exchange_all(&pair, "w1");
}

/* Tries for a while; nothing may arrive. */
static void expect_refusal(struct pair *pair)
{
    int n_released = 0;
    for (int i = 0; i < 5; i++) {
        send_sample(pair->worker, 0, 0, &n_released);
        assert_false(wait_for(pair, true, TESS_LINK_MESSAGE, QUIET_US / 5));
    }
    end(pair);
}

static void test_key_that_is_not_on_the_list_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    struct tess_link_keys other;
    begin(&pair, true);
    assert_int_equal(tess_link_zmq_generate(&other, NULL), TESS_OK);
    pair.worker = open_worker(&pair, &other);
    assert_true(wait_for(&pair, true, TESS_LINK_REFUSED, LIMIT_US));
    assert_string_equal(pair.event.text, "its key is not on the list");
    assert_string_equal(pair.event.address, "127.0.0.1");
    expect_refusal(&pair);
}

static void test_worker_is_told_that_its_key_is_unknown(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, true);
    strcpy(pair.allowed.public_key, pair.coordinator_keys.public_key);
    pair.worker = open_worker(&pair, &pair.worker_keys);
    assert_true(wait_for(&pair, false, TESS_LINK_REFUSED, LIMIT_US));
    assert_string_equal(pair.event.text,
                        "the coordinator does not know this worker's key");
    end(&pair);
}

static void test_worker_without_a_key_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    begin(&pair, true);
    pair.worker = open_worker(&pair, NULL);
    assert_true(wait_for(&pair, true, TESS_LINK_REFUSED, LIMIT_US));
    expect_refusal(&pair);
}

/* It holds the public key of another coordinator. */
static void test_false_coordinator_is_refused(void **state)
{
    (void)state;
    struct pair pair;
    struct tess_link_keys other, own;
    begin(&pair, true);
    own = pair.coordinator_keys;
    assert_int_equal(tess_link_zmq_generate(&other, NULL), TESS_OK);
    pair.coordinator_keys = other;
    pair.worker = open_worker(&pair, &pair.worker_keys);
    pair.coordinator_keys = own;
    expect_refusal(&pair);
}

static void test_closed_worker_is_noticed(void **state)
{
    (void)state;
    struct pair pair;
    int n_released = 0;
    begin(&pair, false);
    pair.worker = open_worker(&pair, NULL);
    send_until_sent(&pair, 0, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    uint32_t peer = pair.event.peer;
    tess_link_zmq_destroy(pair.worker);
    pair.worker = NULL;
    assert_true(wait_for(&pair, true, TESS_LINK_GONE, LIMIT_US));
    assert_int_equal(pair.event.channel, TESS_CHANNEL_CONTROL);
    assert_true(pair.event.peer == peer);
    /* libzmq tells of the end a moment before it forgets the peer. */
    double end_us = tess_clock_us() + LIMIT_US;
    while (send_sample(pair.coordinator, peer, 1, &n_released))
        assert_true(tess_clock_us() < end_us);
    end(&pair);
}

static void test_kept_payload_outlives_the_next_message(void **state)
{
    (void)state;
    struct pair pair;
    int n_released = 0;
    int64_t n_bytes;
    tess_sample_message(13, &n_bytes);
    begin(&pair, false);
    pair.worker = open_worker(&pair, NULL);
    send_until_sent(&pair, 13, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    struct tess_link_payload *kept = tess_link_zmq_keep(pair.coordinator);
    assert_non_null(kept);
    send_until_sent(&pair, 14, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    assert_memory_equal(tess_link_payload_bytes(kept), tess_sample_payload(),
                        (size_t)n_bytes);
    tess_link_payload_release(kept);
    end(&pair);
}

/* The connection of whoever sends too much is closed before the bytes are taken. */
static void test_oversized_message_ends_its_connection(void **state)
{
    (void)state;
    struct pair pair;
    int n_released = 0;
    const int64_t n_bytes = 8 << 20;
    unsigned char *large = calloc(1, (size_t)n_bytes);
    struct tess_message message = {.kind = TESS_MESSAGE_RESULT, .session = 1};
    assert_non_null(large);
    message.as.result.parts.n = 1;
    message.as.result.parts.at[0] =
        (struct tess_part){0, {0, 1024}, {0, 1024}, {0, 2}, 4};
    tess_wire_seal(&message, large, n_bytes);
    begin(&pair, false);
    pair.worker = open_worker(&pair, NULL);
    send_until_sent(&pair, 13, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    assert_true(tess_link_zmq_send(pair.worker, TESS_CHANNEL_DATA, 0, &message, large,
                                   count_release, &n_released));
    assert_true(wait_for(&pair, true, TESS_LINK_GONE, LIMIT_US));
    assert_int_equal(pair.event.channel, TESS_CHANNEL_DATA);
    end(&pair);
    free(large);
}

/* Workers say little on control: what is longer than a header is not taken there. */
static void test_payload_of_a_worker_on_control_ends_its_connection(void **state)
{
    (void)state;
    struct pair pair;
    int n_released = 0;
    static unsigned char piece[8192];
    struct tess_message message = {.kind = TESS_MESSAGE_BLOB, .session = 1};
    message.as.blob.total_bytes = sizeof piece;
    tess_wire_seal(&message, piece, sizeof piece);
    begin(&pair, false);
    pair.worker = open_worker(&pair, NULL);
    send_until_sent(&pair, 0, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    assert_true(tess_link_zmq_send(pair.coordinator, TESS_CHANNEL_CONTROL,
                                   pair.event.peer, &message, piece, count_release,
                                   &n_released));
    assert_true(wait_for(&pair, false, TESS_LINK_MESSAGE, LIMIT_US));
    assert_true(tess_link_zmq_send(pair.worker, TESS_CHANNEL_CONTROL, 0, &message, piece,
                                   count_release, &n_released));
    assert_true(wait_for(&pair, true, TESS_LINK_GONE, LIMIT_US));
    assert_int_equal(pair.event.channel, TESS_CHANNEL_CONTROL);
    end(&pair);
}

static void test_many_messages_on_control_do_not_hold_up_data(void **state)
{
    (void)state;
    enum { BEAT = 6, RESULT = 13, N_BEATS = 10 };
    struct pair pair;
    int n_released = 0, n_before = 0;
    begin(&pair, false);
    pair.worker = open_worker(&pair, NULL);
    send_until_sent(&pair, BEAT, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    send_until_sent(&pair, RESULT, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    for (int i = 0; i < N_BEATS; i++)
        assert_true(send_sample(pair.worker, 0, BEAT, &n_released));
    assert_true(send_sample(pair.worker, 0, RESULT, &n_released));
    usleep(QUIET_US); /* all of them have come */
    do {
        assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
        n_before += pair.event.message.kind == TESS_MESSAGE_BEAT;
    } while (pair.event.message.kind != TESS_MESSAGE_RESULT);
    assert_in_range(n_before, 0, 2);
    end(&pair);
}

static void test_strangers_bytes_change_nothing(void **state)
{
    (void)state;
    struct pair pair;
    int n_released = 0;
    struct sockaddr_in address = {.sin_family = AF_INET};
    begin(&pair, true);
    const char *endpoint = tess_link_zmq_endpoint(pair.coordinator, TESS_CHANNEL_CONTROL);
    address.sin_port = htons((uint16_t)atoi(strrchr(endpoint, ':') + 1));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_true(write(fd, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    assert_false(wait_for(&pair, true, TESS_LINK_MESSAGE, QUIET_US));
    close(fd);
    pair.worker = open_worker(&pair, &pair.worker_keys);
    send_until_sent(&pair, 0, &n_released);
    assert_true(wait_for(&pair, true, TESS_LINK_MESSAGE, LIMIT_US));
    end(&pair);
}

static void test_without_keys_only_loopback_is_served(void **state)
{
    (void)state;
    struct tess_link_zmq *link = NULL;
    struct tess_error error;
    struct tess_link_zmq_config config = {
        .is_coordinator = true, .control = "tcp://*:*", .data = "tcp://127.0.0.1:*"};
    tess_error_init(&error);
    assert_int_equal(tess_link_zmq_create(&config, &link, &error), TESS_E_CONFIG);
    assert_string_equal(error.message,
                        "without keys only addresses of this machine are served");
    assert_null(link);
    config.is_insecure = true;
    assert_int_equal(tess_link_zmq_create(&config, &link, NULL), TESS_OK);
    tess_link_zmq_destroy(link);
}

static void test_address_in_use_is_an_error(void **state)
{
    (void)state;
    struct pair pair;
    struct tess_link_zmq *link = NULL;
    struct tess_error error;
    begin(&pair, false);
    struct tess_link_zmq_config config = {
        .is_coordinator = true,
        .control = tess_link_zmq_endpoint(pair.coordinator, TESS_CHANNEL_CONTROL),
        .data = "tcp://127.0.0.1:*"};
    tess_error_init(&error);
    assert_int_equal(tess_link_zmq_create(&config, &link, &error), TESS_E_NETWORK);
    assert_non_null(strstr(error.message, "Address already in use"));
    end(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_message_goes_both_ways),
        cmocka_unit_test(test_key_on_the_list_is_the_identity),
        cmocka_unit_test(test_key_that_is_not_on_the_list_is_refused),
        cmocka_unit_test(test_worker_is_told_that_its_key_is_unknown),
        cmocka_unit_test(test_worker_without_a_key_is_refused),
        cmocka_unit_test(test_false_coordinator_is_refused),
        cmocka_unit_test(test_closed_worker_is_noticed),
        cmocka_unit_test(test_kept_payload_outlives_the_next_message),
        cmocka_unit_test(test_oversized_message_ends_its_connection),
        cmocka_unit_test(test_payload_of_a_worker_on_control_ends_its_connection),
        cmocka_unit_test(test_many_messages_on_control_do_not_hold_up_data),
        cmocka_unit_test(test_strangers_bytes_change_nothing),
        cmocka_unit_test(test_without_keys_only_loopback_is_served),
        cmocka_unit_test(test_address_in_use_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
