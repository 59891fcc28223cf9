/* Coordinator and workers as they run, each worker in a thread instead of a process, over
 * loopback with keys: frames against the untiled result. */
#include "transport/node_coordinator.h"
#include "transport/node_worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tests/support/fake_tiles.h"
#include "tests/transport/transport_testing.h"

enum { N_WORKERS = 2, N_BLOBS = 2, BLOB_BYTES = 600000, LIMIT_US = 60000000 };

static const char plan_text[] = "the plan";
static unsigned char blobs[N_BLOBS][BLOB_BYTES];

struct board {
    pthread_t thread;
    bool is_running;
    struct fake_work fake;
    struct tess_tile_runner runner;
    struct tess_node_worker node;
    struct tess_link_keys keys;
    char cache[64];
    volatile sig_atomic_t stop;
    enum tess_status status;
    int open_us;
    atomic_int n_opens;
    int n_runs, n_joined; /* read when the thread has ended */
};

struct cluster {
    struct fake_work fake, untiled;
    struct tess_tile_runner runner;
    struct tess_link_keys keys;
    struct tess_link_allowed allowed[N_WORKERS];
    struct tess_blob_entry entries[N_BLOBS];
    struct tess_node_coordinator *node;
    struct board boards[N_WORKERS];
    int n_blob_reads;
};

/* --- runners --- */

static enum tess_status open_fake(void *self, const char *text, size_t n_bytes,
                                  const struct tess_work **work_out,
                                  int64_t *peak_bytes_out, struct tess_error *error)
{
    struct board *board = self;
    board->n_opens++;
    usleep((useconds_t)board->open_us);
    if (n_bytes != sizeof plan_text || memcmp(text, plan_text, n_bytes) != 0)
        return tess_error_set(error, TESS_E_CONFIG, "this is no plan");
    *work_out = &board->fake.work;
    *peak_bytes_out = 1 << 20;
    return TESS_OK;
}

static enum tess_status run_fake(void *self, int stage, int tile, const void *input,
                                 void *output, struct tess_error *error)
{
    struct board *board = self;
    (void)error;
    board->n_runs++;
    usleep(500);
    fake_run(&board->fake.work, stage, tile, input, output);
    return TESS_OK;
}

static enum tess_status run_own(void *self, int stage, int tile, const void *input,
                                void *output, struct tess_error *error)
{
    struct cluster *cluster = self;
    (void)error;
    usleep(500);
    fake_run(&cluster->fake.work, stage, tile, input, output);
    return TESS_OK;
}

static void close_fake(void *self)
{
    (void)self;
}

static enum tess_status read_blob(void *context, int index, int64_t offset,
                                  int64_t n_bytes, void *bytes_out)
{
    struct cluster *cluster = context;
    cluster->n_blob_reads++;
    memcpy(bytes_out, blobs[index] + offset, (size_t)n_bytes);
    return TESS_OK;
}

/* --- boards --- */

static void hear(void *context, const char *text)
{
    struct board *board = context;
    board->n_joined += strcmp(text, "joined the cluster") == 0;
}

static void *run_board(void *context)
{
    struct board *board = context;
    board->status = tess_node_worker_run(&board->node, NULL);
    return NULL;
}

static void start_board(struct cluster *cluster, int number)
{
    struct board *board = &cluster->boards[number];
    struct tess_hello *hello = &board->node.hello;
    fake_work_init_even(&board->fake, 1000000);
    board->runner = (struct tess_tile_runner){open_fake, run_fake, close_fake, board};
    board->stop = 0;
    snprintf(hello->name, sizeof hello->name, "w%d", number + 1);
    strcpy(hello->build, "test");
    strcpy(hello->kernels, "fake");
    hello->cores = 1;
    hello->incarnation++;
    board->node.link = (struct tess_link_zmq_config){
        .control = tess_node_coordinator_endpoint(cluster->node, TESS_CHANNEL_CONTROL),
        .data = tess_node_coordinator_endpoint(cluster->node, TESS_CHANNEL_DATA),
        .keys = &board->keys,
        .coordinator_key = cluster->keys.public_key,
        .payload_bytes = 1 << 20};
    board->node.runner = &board->runner;
    board->node.credit = (struct tess_credit){2, 1 << 20, 0};
    board->node.stop = &board->stop;
    board->node.tell = hear;
    board->node.context = board;
    assert_int_equal(
        tess_blobs_create(board->cache, hello->name, 0, &board->node.blobs, NULL),
        TESS_OK);
    assert_int_equal(pthread_create(&board->thread, NULL, run_board, board), 0);
    board->is_running = true;
}

static void join_board(struct board *board)
{
    if (!board->is_running)
        return;
    pthread_join(board->thread, NULL);
    board->is_running = false;
    tess_blobs_destroy(board->node.blobs);
    assert_int_equal(board->status, TESS_OK);
}

/* --- cluster --- */

static void make_keys(struct cluster *cluster)
{
    assert_int_equal(tess_link_zmq_generate(&cluster->keys, NULL), TESS_OK);
    for (int i = 0; i < N_WORKERS; i++) {
        struct board *board = &cluster->boards[i];
        assert_int_equal(tess_link_zmq_generate(&board->keys, NULL), TESS_OK);
        snprintf(cluster->allowed[i].name, TESS_WIRE_NAME, "w%d", i + 1);
        strcpy(cluster->allowed[i].public_key, board->keys.public_key);
        strcpy(board->cache, "/tmp/tess_node_XXXXXX");
        assert_non_null(mkdtemp(board->cache));
    }
}

static void begin(struct cluster *cluster)
{
    struct tess_rng rng;
    struct tess_node_coordinator_config config = {.plan_text = plan_text,
                                                  .plan_text_bytes = sizeof plan_text,
                                                  .read_blob = read_blob,
                                                  .context = cluster};
    memset(cluster, 0, sizeof *cluster);
    tess_rng_init(&rng, 3);
    for (int i = 0; i < N_BLOBS * BLOB_BYTES; i++)
        (&blobs[0][0])[i] = (unsigned char)tess_rng_next(&rng);
    for (int i = 0; i < N_BLOBS; i++)
        cluster->entries[i] =
            (struct tess_blob_entry){tess_sha256_of(blobs[i], BLOB_BYTES), BLOB_BYTES};
    fake_work_init_even(&cluster->fake, 1000000);
    fake_work_init_untiled(&cluster->untiled);
    make_keys(cluster);
    cluster->runner = (struct tess_tile_runner){NULL, run_own, NULL, cluster};
    tess_coordinator_config_init(&config.core);
    config.core.work = &cluster->fake.work;
    config.core.epoch = 1;
    strcpy(config.core.kernels, "fake");
    config.core.blobs = cluster->entries;
    config.core.n_blobs = N_BLOBS;
    config.core.max_frames = 3;
    config.runner = &cluster->runner;
    config.link = (struct tess_link_zmq_config){.is_coordinator = true,
                                                .control = "tcp://127.0.0.1:*",
                                                .data = "tcp://127.0.0.1:*",
                                                .keys = &cluster->keys,
                                                .allowed = cluster->allowed,
                                                .n_allowed = N_WORKERS};
    assert_int_equal(tess_node_coordinator_create(&config, &cluster->node, NULL),
                     TESS_OK);
}

static void end(struct cluster *cluster)
{
    for (int i = 0; i < N_WORKERS; i++)
        cluster->boards[i].stop = 1;
    tess_node_coordinator_destroy(cluster->node);
    for (int i = 0; i < N_WORKERS; i++) {
        char command[128];
        join_board(&cluster->boards[i]);
        snprintf(command, sizeof command, "rm -rf %s", cluster->boards[i].cache);
        assert_int_equal(system(command), 0);
    }
}

static int n_ready(const struct cluster *cluster)
{
    const struct tess_coordinator *core = tess_node_coordinator_core(cluster->node);
    int n = 0;
    for (int i = 1; i < tess_coordinator_n_nodes(core); i++) {
        struct tess_node_report report;
        tess_coordinator_report(core, i, &report);
        n += report.state == TESS_NODE_READY;
    }
    return n;
}

static void wait_until_ready(struct cluster *cluster, int wanted)
{
    double end_us = tess_clock_us() + LIMIT_US;
    struct tess_node_outcome outcome;
    while (n_ready(cluster) != wanted) {
        assert_true(tess_clock_us() < end_us);
        assert_int_equal(tess_node_coordinator_step(cluster->node, 10000, &outcome, NULL),
                         TESS_OK);
    }
}

/* The result of a frame, computed in one tile a stage. */
static void check_frame(const struct cluster *cluster, int64_t frame)
{
    unsigned char *tensors[FAKE_TENSORS];
    for (int i = 0; i < FAKE_TENSORS; i++) {
        tensors[i] = malloc((size_t)fake_tensor_bytes(&cluster->fake, i));
        assert_non_null(tensors[i]);
    }
    fake_input(&cluster->fake, frame, tensors[0]);
    for (int s = 0; s < FAKE_STAGES; s++) {
        const struct tess_work_tile *tile = tess_work_tile(&cluster->untiled.work, s, 0);
        unsigned char input[16384], output[16384];
        size_t at = 0;
        for (int i = 0; i < tile->inputs.n; i++) {
            const struct tess_part *part = &tile->inputs.at[i];
            memcpy(input + at, tensors[part->tensor], (size_t)tess_part_bytes(part));
            at += (size_t)tess_part_bytes(part);
        }
        fake_run(&cluster->untiled.work, s, 0, input, output);
        at = 0;
        for (int i = 0; i < tile->outputs.n; i++) {
            const struct tess_part *part = &tile->outputs.at[i];
            memcpy(tensors[part->tensor], output + at, (size_t)tess_part_bytes(part));
            at += (size_t)tess_part_bytes(part);
        }
    }
    int result = FAKE_TENSORS - 1;
    assert_memory_equal(tess_node_coordinator_result(cluster->node, frame, result),
                        tensors[result],
                        (size_t)fake_tensor_bytes(&cluster->fake, result));
    for (int i = 0; i < FAKE_TENSORS; i++)
        free(tensors[i]);
}

static void submit(struct cluster *cluster, int64_t frame)
{
    unsigned char image[32 * 28 * 3];
    const void *given[FAKE_TENSORS] = {image};
    int64_t number = -1;
    fake_input(&cluster->fake, frame, image);
    assert_int_equal(tess_node_coordinator_submit(cluster->node, given, &number, NULL),
                     TESS_OK);
    assert_int_equal(number, frame);
}

/* Frames [first, last), three in flight; worker `drained` is stopped in between, -1: none. */
static void run_frames(struct cluster *cluster, int64_t first, int64_t last, int drained)
{
    double end_us = tess_clock_us() + LIMIT_US;
    int64_t n_submitted = first, n_done = first;
    while (n_done < last) {
        struct tess_node_outcome outcome;
        while (n_submitted < last && n_submitted - n_done < 3)
            submit(cluster, n_submitted++);
        assert_int_equal(tess_node_coordinator_step(cluster->node, 10000, &outcome, NULL),
                         TESS_OK);
        assert_true(tess_clock_us() < end_us);
        if (!outcome.has_frame)
            continue;
        assert_false(outcome.is_failed);
        assert_true(tess_accounts_are_closed(&outcome.accounts));
        check_frame(cluster, outcome.frame);
        tess_node_coordinator_release(cluster->node, outcome.frame);
        if (++n_done == (first + last) / 2 && drained >= 0)
            cluster->boards[drained].stop = 1;
    }
}

static void test_coordinator_alone_computes_frames(void **state)
{
    (void)state;
    struct cluster cluster;
    begin(&cluster);
    run_frames(&cluster, 0, 3, -1);
    end(&cluster);
}

static void test_workers_compute_frames_with_it(void **state)
{
    (void)state;
    struct cluster cluster;
    begin(&cluster);
    for (int i = 0; i < N_WORKERS; i++)
        start_board(&cluster, i);
    wait_until_ready(&cluster, N_WORKERS);
    run_frames(&cluster, 0, 12, -1);
    end(&cluster);
    for (int i = 0; i < N_WORKERS; i++)
        assert_true(cluster.boards[i].n_runs > 0);
}

static void test_worker_leaves_and_comes_back_without_fetching_weights(void **state)
{
    (void)state;
    struct cluster cluster;
    begin(&cluster);
    for (int i = 0; i < N_WORKERS; i++)
        start_board(&cluster, i);
    wait_until_ready(&cluster, N_WORKERS);
    int n_reads = cluster.n_blob_reads;
    assert_true(n_reads >= N_WORKERS * N_BLOBS * 3);
    run_frames(&cluster, 0, 8, 0);
    wait_until_ready(&cluster, N_WORKERS - 1);
    join_board(&cluster.boards[0]);
    start_board(&cluster, 0);
    wait_until_ready(&cluster, N_WORKERS);
    assert_int_equal(cluster.n_blob_reads, n_reads);
    run_frames(&cluster, 8, 12, -1);
    end(&cluster);
    assert_int_equal(cluster.boards[0].n_opens, 2);
}

static void test_opening_longer_than_the_lease_keeps_the_session(void **state)
{
    (void)state;
    struct cluster cluster;
    begin(&cluster);
    cluster.boards[0].open_us = 3000000; /* the lease is 1.5 s */
    start_board(&cluster, 0);
    wait_until_ready(&cluster, 1);
    run_frames(&cluster, 0, 4, -1);
    end(&cluster);
    assert_int_equal(cluster.boards[0].n_opens, 1);
    assert_int_equal(cluster.boards[0].n_joined, 1);
    assert_true(cluster.boards[0].n_runs > 0);
}

static void test_worker_that_is_stopped_while_it_opens_leaves(void **state)
{
    (void)state;
    struct cluster cluster;
    begin(&cluster);
    cluster.boards[0].open_us = 1000000;
    start_board(&cluster, 0);
    struct tess_node_outcome outcome;
    while (cluster.boards[0].n_opens == 0)
        assert_int_equal(tess_node_coordinator_step(cluster.node, 10000, &outcome, NULL),
                         TESS_OK);
    cluster.boards[0].stop = 1;
    join_board(&cluster.boards[0]); /* status checked there */
    run_frames(&cluster, 0, 1, -1);
    end(&cluster);
    assert_int_equal(cluster.boards[0].n_runs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_coordinator_alone_computes_frames),
        cmocka_unit_test(test_workers_compute_frames_with_it),
        cmocka_unit_test(test_worker_leaves_and_comes_back_without_fetching_weights),
        cmocka_unit_test(test_opening_longer_than_the_lease_keeps_the_session),
        cmocka_unit_test(test_worker_that_is_stopped_while_it_opens_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
