/* Clocks of a star: worked examples, and what more of anything may not make worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/cluster_time.h"

/* Equal nodes, 10 bytes per us, messages free. */
static struct tess_cluster nodes(int n_nodes)
{
    struct tess_cluster cluster = {.n_nodes = n_nodes};
    for (int i = 0; i < n_nodes; i++)
        cluster.nodes[i] = (struct tess_cluster_node){.speed = 1, .link_mbit = 80};
    return cluster;
}

static const bool keeps_all[TESS_CLUSTER_MOST_NODES] = {true, true, true, true};
static const bool keeps_none[TESS_CLUSTER_MOST_NODES] = {false};
static const struct tess_message_cost FREE = {0, 0, 0};

static struct tess_tile_job job(double compute_us, int64_t bytes, int node)
{
    return (struct tess_tile_job){.compute_us = compute_us,
                                  .load_us = 50,
                                  .in_bytes = bytes,
                                  .out_bytes = bytes,
                                  .node = node};
}

static void check_us(double found, double expected)
{
    assert_true(found > expected - 0.001 && found < expected + 0.001);
}

static void test_the_worked_example(void **state)
{
    (void)state;
    struct tess_cluster cluster = nodes(2);
    struct tess_tile_job jobs[] = {job(100, 100, -1), job(100, 100, -1)};
    check_us(tess_cluster_stage_us(&cluster, keeps_all, FREE, jobs, 2), 120);
    assert_int_equal(jobs[0].node, 0);
    assert_int_equal(jobs[1].node, 1);
    check_us(jobs[0].done_us, 100);
    check_us(jobs[1].done_us, 120);
}

static void test_weights_that_are_not_kept_are_read_for_each_tile(void **state)
{
    (void)state;
    struct tess_cluster cluster = nodes(2);
    struct tess_tile_job jobs[] = {job(100, 100, 0), job(100, 100, 0), job(10, 100, 1)};
    check_us(tess_cluster_stage_us(&cluster, keeps_none, FREE, jobs, 3), 300);
    check_us(jobs[2].done_us, 80);
}

static void test_a_slow_disk_is_waited_for_unless_weights_are_kept(void **state)
{
    (void)state;
    struct tess_cluster cluster = nodes(2);
    struct tess_tile_job one = job(100, 100, 1);
    one.stream_disk_us = 90; /* less than computing takes: it is done meanwhile */
    check_us(tess_cluster_stage_us(&cluster, keeps_none, FREE, &one, 1), 170);
    one.stream_disk_us = 400;
    check_us(tess_cluster_stage_us(&cluster, keeps_none, FREE, &one, 1), 470);
    one.load_disk_us = 300; /* before */
    check_us(tess_cluster_stage_us(&cluster, keeps_none, FREE, &one, 1), 720);
    check_us(tess_cluster_stage_us(&cluster, keeps_all, FREE, &one, 1), 120);
    cluster.nodes[1].speed = 0.5; /* the disk is no slower for that */
    check_us(tess_cluster_stage_us(&cluster, keeps_none, FREE, &one, 1), 720);
    one.stream_disk_us = one.load_disk_us = 90;
    check_us(tess_cluster_stage_us(&cluster, keeps_none, FREE, &one, 1), 320);
}

static void test_messages_share_the_coordinators_link(void **state)
{
    (void)state;
    struct tess_cluster cluster = nodes(3);
    struct tess_tile_job jobs[] = {job(5, 1000, 1), job(5, 1000, 2)};
    /* out: [0,100) and [100,200); back: [105,205) and [205,305) */
    check_us(tess_cluster_stage_us(&cluster, keeps_all, FREE, jobs, 2), 305);
    check_us(jobs[0].done_us, 205);
    cluster.nodes[0].link_mbit = 800; /* the nodes' links limit now, each by itself */
    jobs[0].node = 1, jobs[1].node = 2;
    check_us(tess_cluster_stage_us(&cluster, keeps_all, FREE, jobs, 2), 215);
}

static void test_a_node_receives_its_next_tile_while_it_computes(void **state)
{
    (void)state;
    struct tess_cluster cluster = nodes(2);
    struct tess_tile_job jobs[] = {job(100, 100, 1), job(100, 100, 1)};
    check_us(tess_cluster_stage_us(&cluster, keeps_all, FREE, jobs, 2), 220);
}

static void test_a_slow_node_gets_what_it_can_do_in_time(void **state)
{
    (void)state;
    struct tess_cluster cluster = nodes(4);
    struct tess_tile_job jobs[16];
    int n_slow = 0;
    cluster.nodes[3].speed = 0.25;
    for (int i = 0; i < 16; i++)
        jobs[i] = job(100, 10, -1);
    double us = tess_cluster_stage_us(&cluster, keeps_all, FREE, jobs, 16);
    for (int i = 0; i < 16; i++)
        n_slow += jobs[i].node == 3;
    assert_int_equal(n_slow, 1); /* 100 / 0.25 is as long as four elsewhere */
    assert_true(us >= 500 && us < 510);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_worked_example),
        cmocka_unit_test(test_weights_that_are_not_kept_are_read_for_each_tile),
        cmocka_unit_test(test_a_slow_disk_is_waited_for_unless_weights_are_kept),
        cmocka_unit_test(test_messages_share_the_coordinators_link),
        cmocka_unit_test(test_a_node_receives_its_next_tile_while_it_computes),
        cmocka_unit_test(test_a_slow_node_gets_what_it_can_do_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
