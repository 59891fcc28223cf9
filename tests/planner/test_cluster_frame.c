/* A frame on clocks: what waits for what, what is sent, and who shares what. By hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "planner/cluster_frame.h"
#include "tests/support/random_net.h"

enum { MOST_STAGES = 4, MOST_TILES = 16, WIDTH = 10 };

/* Maps of 20 rows and 10 columns, a byte per pixel: 10 bytes a row. */
struct sample {
    struct tess_cluster cluster;
    bool keeps_weights[TESS_CLUSTER_MOST_NODES];
    int64_t kept_bytes[TESS_CLUSTER_MOST_NODES];
    struct tess_frame_stage stages[MOST_STAGES];
    struct tess_frame_tile tiles[MOST_TILES];
    int64_t reads[MOST_STAGES * MOST_STAGES];
    struct tess_frame frame;
};

/* Equal nodes of speed 1, 10 bytes per us, no latency, messages free; each stage reads the one
 * before, the first the network's input. */
static void sample_init(struct sample *sample, int n_nodes, int n_stages)
{
    *sample = (struct sample){.cluster = {.n_nodes = n_nodes}};
    for (int i = 0; i < n_nodes; i++) {
        sample->cluster.nodes[i] =
            (struct tess_cluster_node){.speed = 1, .link_mbit = 80};
        sample->keeps_weights[i] = true;
        sample->kept_bytes[i] = 1000;
    }
    for (int i = 0; i < n_stages; i++) {
        sample->stages[i].output_pixel_bytes = 1;
        if (i > 0)
            sample->reads[i * n_stages + i - 1] = 1;
    }
    sample->stages[0].input_pixel_bytes = 1;
    sample->frame = (struct tess_frame){.cluster = &sample->cluster,
                                        .keeps_weights = sample->keeps_weights,
                                        .kept_bytes = sample->kept_bytes,
                                        .n_stages = n_stages,
                                        .stages = sample->stages,
                                        .tiles = sample->tiles,
                                        .reads = sample->reads};
}

/* Appends a tile that reads rows [first, end) and puts out rows [out_first, out_end). */
static void add(struct sample *sample, int stage, int node, double us, const int rows[4])
{
    int at = sample->frame.n_tiles++;
    if (sample->stages[stage].n_tiles++ == 0)
        sample->stages[stage].first_tile = at;
    sample->tiles[at] =
        (struct tess_frame_tile){.input = {{{rows[0], rows[1]}, {0, WIDTH}}},
                                 .output = {{{rows[2], rows[3]}, {0, WIDTH}}},
                                 .compute_us = us,
                                 .load_us = 50,
                                 .node = node};
}

#define ROWS(first, end, out_first, out_end)                                             \
    (const int[4])                                                                       \
    {                                                                                    \
        first, end, out_first, out_end                                                   \
    }

static void check_us(double found, double expected)
{
    if (found < expected - 0.01 || found > expected + 0.01)
        fail_msg("%f, not %f us", found, expected);
}

/* In the head of planner/cluster_frame.c. */
static void worked_example(struct sample *sample)
{
    sample_init(sample, 2, 2);
    add(sample, 0, 0, 100, ROWS(0, 10, 0, 10));
    add(sample, 0, 1, 100, ROWS(10, 20, 10, 20));
    add(sample, 1, 0, 100, ROWS(0, 20, 0, 10));
    add(sample, 1, 1, 100, ROWS(0, 20, 10, 20));
}

static void test_the_worked_example(void **state)
{
    (void)state;
    struct sample sample;
    worked_example(&sample);
    check_us(tess_frame_run(&sample.frame), 240);
    check_us(sample.tiles[0].done_us, 100);
    check_us(sample.tiles[1].done_us, 120);
    check_us(sample.tiles[2].done_us, 220);
    check_us(sample.tiles[3].done_us, 240);
    check_us(sample.tiles[3].begin_us, 120);
    check_us(sample.stages[0].end_us, 120);
    check_us(sample.stages[1].end_us, 240);
    assert_int_equal(sample.tiles[2].in_bytes, 0);
    assert_int_equal(sample.tiles[3].in_bytes, 100);
    assert_int_equal(tess_frame_moved_bytes(&sample.frame), 100 + 100 + 100 + 100);
}

static void test_what_a_node_cannot_keep_is_sent_again(void **state)
{
    (void)state;
    struct sample sample;
    worked_example(&sample);
    sample.kept_bytes[1] = 99; /* its result has 100 */
    check_us(tess_frame_run(&sample.frame), 250);
    assert_int_equal(sample.tiles[3].in_bytes, 200);
}

static void test_the_oldest_results_are_dropped_first(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 2, 3);
    add(&sample, 0, 1, 10, ROWS(0, 10, 0, 10));
    add(&sample, 0, 1, 10, ROWS(10, 20, 10, 20));
    add(&sample, 1, 1, 10, ROWS(0, 20, 0, 20));
    add(&sample, 2, 1, 10, ROWS(0, 20, 0, 20));
    sample.reads[2 * 3 + 0] = 1; /* the last one reads both */
    sample.kept_bytes[1] = 300;
    tess_frame_run(&sample.frame);
    assert_int_equal(sample.tiles[2].in_bytes, 0);
    assert_int_equal(sample.tiles[3].in_bytes, 100); /* of tile 0 */
}

static void test_a_tile_waits_for_what_it_reads_and_for_no_more(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 3, 2);
    add(&sample, 0, 1, 100, ROWS(0, 10, 0, 10));
    add(&sample, 0, 2, 500, ROWS(10, 20, 10, 20));
    add(&sample, 1, 1, 100, ROWS(0, 10, 0, 10));
    add(&sample, 1, 2, 100, ROWS(9, 20, 10, 20));
    /* Both inputs share the coordinator's link: [0,20). Node 1: [20,120), back [120,130), has all
     * of the next tile's input: [130,230), back 240. Node 2: [20,520), back 530; one row goes
     * out [530,531), [531,631), back 641. */
    check_us(tess_frame_run(&sample.frame), 641);
    check_us(sample.tiles[2].begin_us, 130);
    check_us(sample.tiles[2].done_us, 240);
    check_us(sample.tiles[3].begin_us, 530);
    check_us(sample.stages[0].end_us, 530);
}

static void test_transfers_share_the_coordinators_link_fairly(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 4, 1);
    for (int node = 1; node < 4; node++)
        add(&sample, 0, node, 0, ROWS(0, 12, 0, 1));
    sample.cluster.nodes[3].link_mbit = 16; /* 2 bytes per us; 4 each for the others */
    tess_frame_run(&sample.frame);
    check_us(sample.tiles[0].done_us, 30 + 2.0); /* back at 5 bytes per us */
    check_us(sample.tiles[1].done_us, 30 + 2.0);
    check_us(sample.tiles[2].done_us, 60 + 5.0);
}

static void test_a_processor_that_handles_a_message_computes_half_as_fast(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 2, 1);
    add(&sample, 0, 0, 100, ROWS(0, 10, 0, 10));
    add(&sample, 0, 1, 10, ROWS(10, 20, 10, 20));
    sample.frame.messages.us = 10;
    /* Packed [0,20) at half speed, sent [20,30), checked [30,40), computed [40,50), packed [50,60),
     * back [60,70), checked [70,90) at half speed: in 90 us the coordinator did 70 of its own. */
    tess_frame_run(&sample.frame);
    check_us(sample.tiles[1].done_us, 90);
    check_us(sample.tiles[0].done_us, 120);
}

static void test_weights_are_read_by_nodes_that_do_not_keep_them(void **state)
{
    (void)state;
    struct sample sample;
    worked_example(&sample);
    sample.keeps_weights[1] = false;
    sample.cluster.nodes[1].speed = 0.5;
    /* Tile 1: [10, 10 + 150 / 0.5), back 320; tile 3: out [320,330), [330,630), back 640. */
    check_us(tess_frame_run(&sample.frame), 640);
    /* A disk that takes 100 each is done meanwhile. One that takes 400 before the node computes:
     * tile 1: [10,410) and [410,610), back 620; tile 3: out [620,630), [630,1230), back 1240. */
    for (int tile = 0; tile < 4; tile++)
        sample.tiles[tile].load_disk_us = sample.tiles[tile].stream_disk_us = 100;
    check_us(tess_frame_run(&sample.frame), 640);
    for (int tile = 0; tile < 4; tile++)
        sample.tiles[tile].load_disk_us = 400;
    check_us(tess_frame_run(&sample.frame), 1240);
}

static void test_a_worker_has_two_tiles_at_a_time(void **state)
{
    (void)state;
    struct sample sample;
    sample_init(&sample, 2, 1);
    for (int i = 0; i < 3; i++)
        add(&sample, 0, 1, 100, ROWS(0, 10, 6 * i, 6 * i + 6));
    sample.cluster.nodes[1].latency_us = 1;
    /* First: out [0,10), there at 11, [11,111), back [111,117), stored at 118, when the third goes
     * out. */
    tess_frame_run(&sample.frame);
    check_us(sample.tiles[0].done_us, 118);
    check_us(sample.tiles[1].begin_us, 0);
    check_us(sample.tiles[1].done_us, 218);
    check_us(sample.tiles[2].begin_us, 118);
    check_us(sample.tiles[2].done_us, 318);
}

/* Two nodes, each with half a map; stage 1 reads a row of the other's half. */
static void halves(struct sample *sample)
{
    sample_init(sample, 3, 2);
    add(sample, 0, 1, 100, ROWS(0, 10, 0, 10));
    add(sample, 0, 2, 100, ROWS(10, 20, 10, 20));
    add(sample, 1, 1, 100, ROWS(0, 11, 0, 10));
    add(sample, 1, 2, 100, ROWS(9, 20, 10, 20));
}

static void test_what_other_nodes_need_comes_first(void **state)
{
    (void)state;
    struct sample sample;
    halves(&sample);
    /* Out [0,20), computed [20,120), both results of 100 bytes back [120,140): a row each is sent
     * [140,142), computed [142,242), back [242,262). */
    check_us(tess_frame_run(&sample.frame), 262);
    halves(&sample);
    sample.frame.splits_results = true;
    /* A row each is back at 122, goes out [122,124), is computed [124,224). The other nine rows are
     * back at [122,140). */
    check_us(tess_frame_run(&sample.frame), 244);
    check_us(sample.tiles[0].done_us, 140);
    check_us(sample.tiles[1].done_us, 140);
    check_us(sample.tiles[2].begin_us, 122);
    check_us(sample.tiles[3].begin_us, 122);
    assert_int_equal(tess_frame_moved_bytes(&sample.frame), 200 + 200 + 20 + 200);
    /* Nodes that cannot keep theirs wait for all of it. */
    halves(&sample);
    sample.frame.splits_results = true;
    sample.kept_bytes[1] = 0;
    tess_frame_run(&sample.frame);
    check_us(sample.tiles[2].begin_us, 140);
    check_us(sample.tiles[3].begin_us, 122);
}

static void test_a_small_rest_is_not_sent_by_itself(void **state)
{
    (void)state;
    struct sample sample;
    halves(&sample);
    sample.frame.splits_results = true;
    sample.tiles[2].input.axis[0].end = 18;  /* of [10,20) two rows are left */
    sample.tiles[3].input.axis[0].begin = 8; /* of [0,10) eight */
    tess_frame_run(&sample.frame);
    /* 20 bytes and then 80, beside 100 as one: all are back at 140, nothing begins sooner. */
    check_us(sample.tiles[1].done_us, 140);
    check_us(sample.tiles[0].done_us, 140);
    check_us(sample.tiles[3].begin_us, 140);
    check_us(sample.tiles[2].begin_us, 140);
}

/* Random frames of strips; node of each tile at random. */
static void random_sample(struct sample *sample, struct tess_rng *rng)
{
    int n_nodes = tess_rng_int(rng, 1, 4), n_stages = tess_rng_int(rng, 1, MOST_STAGES);
    sample_init(sample, n_nodes, n_stages);
    for (int node = 0; node < n_nodes; node++) {
        sample->cluster.nodes[node].speed = 0.25 * tess_rng_int(rng, 1, 8);
        sample->cluster.nodes[node].link_mbit = 8 * tess_rng_int(rng, 1, 20);
        sample->cluster.nodes[node].latency_us = tess_rng_int(rng, 0, 5);
        sample->kept_bytes[node] = tess_rng_int(rng, 0, 300);
        sample->keeps_weights[node] = tess_rng_int(rng, 0, 1);
    }
    sample->frame.messages = (struct tess_message_cost){0.1 * tess_rng_int(rng, 0, 3),
                                                        tess_rng_int(rng, 0, 5), 0.01};
    sample->frame.splits_results = tess_rng_int(rng, 0, 1);
    for (int stage = 0; stage < n_stages; stage++) {
        int n_tiles = tess_rng_int(rng, 1, 4);
        for (int i = 0; i < n_tiles; i++) {
            int first = 20 * i / n_tiles, end = 20 * (i + 1) / n_tiles;
            int halo = tess_rng_int(rng, 0, 2);
            add(sample, stage, tess_rng_int(rng, 0, n_nodes - 1),
                tess_rng_int(rng, 0, 200),
                ROWS(first < halo ? 0 : first - halo, end + halo > 20 ? 20 : end + halo,
                     first, end));
            struct tess_frame_tile *last = &sample->tiles[sample->frame.n_tiles - 1];
            last->load_disk_us = tess_rng_int(rng, 0, 300);
            last->stream_disk_us = tess_rng_int(rng, 0, 300);
        }
        for (int from = 0; from + 1 < stage; from++)
            sample->reads[stage * n_stages + from] = tess_rng_int(rng, 0, 2) / 2;
    }
}

/* No tile begins before what it reads is stored, none is done sooner than it can be computed, and
 * no link carries more than it can. */
static void test_random_frames_keep_the_rules(void **state)
{
    (void)state;
    int n_cases = 2000;
    uint64_t seed = tess_random_seed(20261122, &n_cases);
    for (int c = 0; c < n_cases; c++) {
        struct sample sample;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)c);
        random_sample(&sample, &rng);
        const struct tess_frame *frame = &sample.frame;
        double us = tess_frame_run(&sample.frame), last_us = 0;
        for (int stage = 0; stage < frame->n_stages; stage++)
            for (int i = 0; i < frame->stages[stage].n_tiles; i++) {
                int at = frame->stages[stage].first_tile + i;
                const struct tess_frame_tile *tile = &frame->tiles[at];
                bool keeps = sample.keeps_weights[tile->node];
                double least_us = (tile->compute_us + (keeps ? 0 : 50)) /
                                  sample.cluster.nodes[tile->node].speed;
                assert_true(keeps ||
                            tile->done_us - tile->begin_us >=
                                tile->load_disk_us + tile->stream_disk_us - 0.01);
                assert_true(tile->done_us >= tile->begin_us + least_us - 0.01);
                last_us = tile->done_us > last_us ? tile->done_us : last_us;
                for (int from = 0; from < at; from++) {
                    const struct tess_frame_tile *other = &frame->tiles[from];
                    int of = 0;
                    while (frame->stages[of].first_tile + frame->stages[of].n_tiles <=
                           from)
                        of++;
                    if (frame->reads[stage * frame->n_stages + of] > 0 &&
                        tile->input.axis[0].begin < other->output.axis[0].end &&
                        other->output.axis[0].begin < tile->input.axis[0].end &&
                        !frame->splits_results)
                        assert_true(tile->begin_us >= other->done_us);
                }
            }
        check_us(us, last_us);
        check_us(us, frame->stages[frame->n_stages - 1].end_us);
        double hub_rate = sample.cluster.nodes[0].link_mbit / 8;
        assert_true((double)tess_frame_moved_bytes(frame) <= 2 * us * hub_rate + 0.1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_worked_example),
        cmocka_unit_test(test_what_a_node_cannot_keep_is_sent_again),
        cmocka_unit_test(test_the_oldest_results_are_dropped_first),
        cmocka_unit_test(test_a_tile_waits_for_what_it_reads_and_for_no_more),
        cmocka_unit_test(test_transfers_share_the_coordinators_link_fairly),
        cmocka_unit_test(test_a_processor_that_handles_a_message_computes_half_as_fast),
        cmocka_unit_test(test_weights_are_read_by_nodes_that_do_not_keep_them),
        cmocka_unit_test(test_a_worker_has_two_tiles_at_a_time),
        cmocka_unit_test(test_what_other_nodes_need_comes_first),
        cmocka_unit_test(test_a_small_rest_is_not_sent_by_itself),
        cmocka_unit_test(test_random_frames_keep_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
