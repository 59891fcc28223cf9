#include "transport/dispatch.h"

#include "tests/transport/transport_testing.h"

static struct tess_dispatch_node node(double cost_per_us, int room_tiles)
{
    return (struct tess_dispatch_node){.is_able = true,
                                       .room_tiles = room_tiles,
                                       .room_bytes = 1 << 20,
                                       .cost_per_us = cost_per_us};
}

/* All of the input travels, to whichever node. */
static void fill(struct tess_dispatch_tile *tiles, int n, int64_t cost)
{
    static const int64_t moved[4] = {1000, 1000, 1000, 1000};
    for (int i = 0; i < n; i++)
        tiles[i] = (struct tess_dispatch_tile){
            .cost = cost, .input_bytes = 1000, .moved_bytes = moved, .planned = -1};
}

/* The example of dispatch.h. */
static void test_tiles_go_where_they_end_first(void **state)
{
    (void)state;
    struct tess_dispatch_node nodes[2] = {node(4, 6), node(1, 6)};
    struct tess_dispatch_tile tiles[6];
    const int expected[6] = {0, 0, 0, 0, 1, 0};
    fill(tiles, 6, 8);
    tess_dispatch(nodes, 2, 0, tiles, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(tiles[i].node, expected[i]);
    assert_true(tiles[4].finish_us == 8 && tiles[5].finish_us == 10);
}

/* A slow node with room gets no tile that a busy fast one would finish before. */
static void test_full_node_keeps_its_claim(void **state)
{
    (void)state;
    struct tess_dispatch_node nodes[2] = {node(4, 1), node(1, 2)};
    struct tess_dispatch_tile tiles[3];
    fill(tiles, 3, 8);
    tess_dispatch(nodes, 2, 0, tiles, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tiles[i].node, 0);
    assert_true(tiles[0].is_sent);
    assert_false(tiles[1].is_sent || tiles[2].is_sent);
}

static void test_room_is_counted_in_bytes_too(void **state)
{
    (void)state;
    struct tess_dispatch_node nodes[1] = {node(1, 4)};
    struct tess_dispatch_tile tiles[4];
    fill(tiles, 4, 8);
    nodes[0].room_bytes = 2500;
    tiles[3].input_bytes = 100; /* would fit, but does not overtake */
    tess_dispatch(nodes, 1, 0, tiles, 4);
    assert_true(tiles[0].is_sent && tiles[1].is_sent);
    assert_false(tiles[2].is_sent || tiles[3].is_sent);
}

static void test_link_and_computation_overlap(void **state)
{
    (void)state;
    struct tess_dispatch_node nodes[1] = {node(1, 2)};
    struct tess_dispatch_tile tiles[2];
    fill(tiles, 2, 100);
    nodes[0].link_bytes_per_us = 10; /* 100 us each */
    nodes[0].latency_us = 5;
    tiles[0].output_bytes = tiles[1].output_bytes = 500;
    tess_dispatch(nodes, 1, 0, tiles, 2);
    assert_true(tiles[0].arrive_us == 105 && tiles[0].computed_us == 205);
    assert_true(tiles[0].finish_us == 260);
    assert_true(tiles[1].arrive_us == 205 && tiles[1].computed_us == 305);
}

static void test_uplink_is_shared(void **state)
{
    (void)state;
    struct tess_dispatch_node nodes[2] = {node(1, 1), node(1, 1)};
    struct tess_dispatch_tile tiles[2];
    fill(tiles, 2, 300);
    nodes[0].link_bytes_per_us = nodes[1].link_bytes_per_us = 10;
    tess_dispatch(nodes, 2, 10, tiles, 2);
    assert_int_equal(tiles[1].node, 1);
    assert_true(tiles[0].arrive_us == 100 && tiles[1].arrive_us == 200);
}

/* Node 1 is planned; node 0 is idle and would have the tile done in 100 ms. */
static int chosen(int64_t ahead_ms, double slower, bool is_able)
{
    struct tess_dispatch_node nodes[2] = {node(1, 1), node(1 / slower, 1)};
    struct tess_dispatch_tile tiles[1];
    nodes[1].free_us = (double)ahead_ms * 1000;
    nodes[1].is_able = is_able;
    fill(tiles, 1, 100000);
    tiles[0].planned = 1;
    tess_dispatch(nodes, 2, 0, tiles, 1);
    return tiles[0].node;
}

static void test_tile_stays_where_it_is_planned_unless_much_is_gained(void **state)
{
    (void)state;
    assert_int_equal(chosen(0, 1, true), 1);
    assert_int_equal(chosen(100, 1, true), 1); /* what it was planned to do first */
    assert_int_equal(chosen(300, 1, true), 0);
    assert_int_equal(chosen(0, 2, true), 1);
    assert_int_equal(chosen(0, 4, true), 0); /* four times slower than was thought */
    assert_int_equal(chosen(0, 1, false), 0);
}

static void test_tile_leaves_a_slow_node_for_whoever_is_first(void **state)
{
    (void)state;
    for (int is_slow = 0; is_slow < 2; is_slow++) {
        struct tess_dispatch_node nodes[2] = {node(1, 1), node(0.5, 1)};
        struct tess_dispatch_tile tiles[1];
        nodes[1].is_slow = is_slow;
        fill(tiles, 1, 100000);
        tiles[0].planned = 1;
        tess_dispatch(nodes, 2, 0, tiles, 1);
        assert_int_equal(tiles[0].node, is_slow ? 0 : 1);
        nodes[0].room_tiles = 1;
        nodes[0].free_us = 150000; /* now the slow one is first */
        nodes[1].room_tiles = 1;
        nodes[1].free_us = 0;
        tess_dispatch(nodes, 2, 0, tiles, 1);
        assert_int_equal(tiles[0].node, 1);
    }
}

static void test_nodes_that_cannot_are_left_out(void **state)
{
    (void)state;
    struct tess_dispatch_node nodes[3] = {node(9, 1), node(9, 1), node(1, 1)};
    struct tess_dispatch_tile tiles[2];
    fill(tiles, 2, 8);
    nodes[0].is_able = false;
    nodes[1].unable_stages = 1;
    tiles[1].unable_nodes = 4;
    tess_dispatch(nodes, 3, 0, tiles, 2);
    assert_int_equal(tiles[0].node, 2);
    assert_int_equal(tiles[1].node, -1);
    assert_false(tiles[1].is_sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_go_where_they_end_first),
        cmocka_unit_test(test_full_node_keeps_its_claim),
        cmocka_unit_test(test_room_is_counted_in_bytes_too),
        cmocka_unit_test(test_link_and_computation_overlap),
        cmocka_unit_test(test_uplink_is_shared),
        cmocka_unit_test(test_tile_stays_where_it_is_planned_unless_much_is_gained),
        cmocka_unit_test(test_tile_leaves_a_slow_node_for_whoever_is_first),
        cmocka_unit_test(test_nodes_that_cannot_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
