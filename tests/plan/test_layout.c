/* Layouts: who shares memory with whom, how much of a tensor is held, and when. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "plan/layout.h"
#include "tests/support/random_net.h"
#include "tests/support/small_graph.h"

/* A plan for a small graph and its layout. */
struct fixture {
    struct tess_graph *graph;
    struct tess_plan *plan;
    struct tess_layout *layout;
};

/* A library that wants dense rows and leaves rows of padding to us. */
static struct tess_kernel_facts dense_facts(void)
{
    struct tess_kernel_facts facts = {.family = "xnn",
                                      .align_bytes = 64,
                                      .tail_bytes = 16,
                                      .filter_block = 8,
                                      .channel_block = 4,
                                      .pixel_block = 4,
                                      .call_pixels = 1,
                                      .depthwise_block = 8,
                                      .pointer_bytes = 8,
                                      .base_bytes = 1000,
                                      .thread_bytes = 100};
    return facts;
}

static void lay_out(struct fixture *fixture)
{
    assert_int_equal(tess_plan_check(fixture->plan, fixture->graph, NULL), TESS_OK);
    assert_int_equal(
        tess_layout_create(fixture->graph, fixture->plan, &fixture->layout, NULL),
        TESS_OK);
    tess_layout_assert_valid(fixture->layout);
}

static void set_up(struct fixture *fixture, struct tess_graph *graph)
{
    fixture->graph = graph;
    assert_int_equal(tess_plan_create(graph, &fixture->plan, NULL), TESS_OK);
    fixture->plan->facts = dense_facts();
    fixture->layout = NULL;
}

static void tear_down(struct fixture *fixture)
{
    tess_layout_destroy(fixture->layout);
    tess_plan_destroy(fixture->plan);
    tess_graph_destroy(fixture->graph);
}

/* Tensors 1 and 2 are convolutions of the input, 3 is both side by side, 4 channels
 * [1, 4) of that, 5 a convolution of 4. */
static struct tess_graph *joined_graph(void)
{
    int inputs[] = {0, 1, 2, 3, 4};
    struct tess_op ops[5] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                             tess_op_neutral(TESS_OP_CONV, 1, &inputs[0]),
                             tess_op_neutral(TESS_OP_CONCAT, 2, &inputs[1]),
                             tess_op_neutral(TESS_OP_SLICE, 3, &inputs[3]),
                             tess_op_neutral(TESS_OP_CONV, 4, &inputs[4])};
    struct tess_shape in = {6, 6, 3},
                      outs[5] = {{6, 6, 2}, {6, 6, 3}, {6, 6, 5}, {6, 6, 3}, {6, 6, 1}};
    ops[0].window = ops[1].window = ops[4].window = small_graph_window(3, 1, 1);
    ops[2].n_inputs = 2;
    ops[3].channel_begin = 1;
    return small_graph_create(in, ops, outs, 5);
}

static void assert_slot(struct tess_slot slot, int storage, int channel)
{
    assert_int_equal(slot.storage, storage);
    assert_int_equal(slot.channel, channel);
}

static void test_inputs_of_a_concat_are_channels_of_its_output(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, joined_graph());
    lay_out(&fixture);
    const struct tess_slot *stored = fixture.layout->stored;
    int storage = stored[3].storage;
    assert_slot(stored[1], storage, 0);
    assert_slot(stored[2], storage, 2);
    assert_slot(stored[4], storage, 1);
    assert_int_equal(fixture.layout->storages[storage].channels, 5);
    assert_true(tess_layout_is_view(fixture.layout, 2, 0));
    assert_true(tess_layout_is_view(fixture.layout, 2, 1));
    assert_true(tess_layout_is_view(fixture.layout, 3, 0));
    tear_down(&fixture);
}

static void test_a_concat_that_copies_has_a_storage_of_its_own(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, joined_graph());
    fixture.plan->copies[2] = true;
    lay_out(&fixture);
    const struct tess_slot *stored = fixture.layout->stored;
    assert_int_not_equal(stored[1].storage, stored[3].storage);
    assert_int_not_equal(stored[2].storage, stored[3].storage);
    assert_false(tess_layout_is_view(fixture.layout, 2, 0));
    tear_down(&fixture);
}

static void test_a_shared_storage_lives_as_long_as_its_tensors(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, joined_graph());
    lay_out(&fixture);
    const struct tess_storage *joined =
        &fixture.layout->storages[fixture.layout->stored[3].storage];
    assert_int_equal(joined->first_tick, 0); /* op 0 writes tensor 1 */
    assert_int_equal(joined->last_tick, 4);  /* op 4 reads tensor 4 */
    const struct tess_storage *input =
        &fixture.layout->storages[fixture.layout->stored[0].storage];
    assert_int_equal(input->first_tick, 0);
    assert_int_equal(input->last_tick, 1);
    tear_down(&fixture);
}

static void test_rows_of_padding_are_stored_where_a_kernel_wants_them(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, joined_graph());
    lay_out(&fixture);
    const struct tess_storage *input =
        &fixture.layout->storages[fixture.layout->stored[0].storage];
    struct tess_range rows = tess_storage_rows(input, 0);
    assert_int_equal(rows.begin, -1);
    assert_int_equal(rows.end, 7);
    /* 8 rows of 6 pixels of 3 floats, 16 bytes of tail, in units of 64. */
    assert_int_equal(input->bytes, 640);
    tess_layout_destroy(fixture.layout);
    fixture.plan->facts.pointer_bytes = 0; /* plain loops pad by themselves */
    lay_out(&fixture);
    input = &fixture.layout->storages[fixture.layout->stored[0].storage];
    assert_int_equal(tess_range_len(tess_storage_rows(input, 0)), 6);
    tear_down(&fixture);
}

/* Tensor 3 = 1 + 2; with `is_read_again`, tensor 4 is a convolution of 1 that runs last. */
static struct tess_graph *residual_graph(bool is_read_again)
{
    int inputs[] = {0, 1, 1, 2};
    struct tess_op ops[4] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                             tess_op_neutral(TESS_OP_CONV, 1, &inputs[1]),
                             tess_op_neutral(TESS_OP_ADD, 2, &inputs[2]),
                             tess_op_neutral(TESS_OP_CONV, 3, &inputs[1])};
    struct tess_shape shape = {6, 6, 3}, outs[4] = {shape, shape, shape, shape};
    ops[2].n_inputs = 2;
    return small_graph_create(shape, ops, outs, is_read_again ? 4 : 3);
}

static void test_a_sum_overwrites_an_input_that_nobody_reads_again(void **state)
{
    (void)state;
    for (int is_read_again = 0; is_read_again < 2; is_read_again++) {
        struct fixture fixture;
        set_up(&fixture, residual_graph(is_read_again));
        lay_out(&fixture);
        const struct tess_slot *stored = fixture.layout->stored;
        assert_int_equal(stored[3].storage == stored[1].storage, !is_read_again);
        assert_int_not_equal(stored[3].storage, stored[2].storage);
        tear_down(&fixture);
    }
}

/* Tensor 1 is read by three partial convolutions, each going on from the one before. */
static struct tess_graph *partial_graph(void)
{
    int inputs[] = {0, 1, 0, 1, 2, 1, 3};
    struct tess_op ops[4];
    struct tess_shape shape = {6, 6, 3}, outs[4] = {shape, shape, shape, shape};
    for (int op = 0; op < 4; op++) {
        ops[op] = tess_op_neutral(TESS_OP_CONV, op, &inputs[op == 0 ? 0 : 2 * op - 1]);
        if (op == 0)
            continue;
        ops[op].n_inputs = op == 1 ? 1 : 2;
        ops[op].kernel_channels = 9;
        ops[op].channel_begin = 3 * (op - 1);
    }
    return small_graph_create(shape, ops, outs, 4);
}

static void test_all_sums_of_a_chain_lie_in_one_place(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, partial_graph());
    lay_out(&fixture);
    const struct tess_slot *stored = fixture.layout->stored;
    assert_int_equal(stored[3].storage, stored[2].storage);
    assert_int_equal(stored[4].storage, stored[2].storage);
    assert_int_not_equal(stored[1].storage, stored[2].storage);
    tear_down(&fixture);
}

/* ---- bands ---- */

static struct tess_graph *conv_chain(int n_ops, int side)
{
    int inputs[16];
    struct tess_op ops[16];
    struct tess_shape shape = {side, side, 2}, outs[16];
    assert_true(n_ops <= 16);
    for (int op = 0; op < n_ops; op++) {
        inputs[op] = op;
        ops[op] = tess_op_neutral(TESS_OP_CONV, op, &inputs[op]);
        ops[op].window = small_graph_window(3, 1, 1);
        outs[op] = shape;
    }
    return small_graph_create(shape, ops, outs, n_ops);
}

static void test_bands_hold_a_few_rows_of_each_map(void **state)
{
    (void)state;
    enum { N_OPS = 8, SIDE = 64 };
    struct fixture fixture;
    set_up(&fixture, conv_chain(N_OPS, SIDE));
    struct tess_group all = {0, N_OPS - 1, {SIDE, 1, TESS_HALO_REUSE}, 0};
    assert_int_equal(tess_plan_set_groups(fixture.plan, &all, 1, NULL), TESS_OK);
    lay_out(&fixture);
    for (int tensor = 1; tensor < N_OPS; tensor++) {
        assert_int_equal(fixture.layout->stored[tensor].storage, -1);
        const struct tess_storage *storage =
            &fixture.layout->storages[fixture.layout->local[tensor].storage];
        assert_true(storage->is_rolling);
        /* The window of 3 rows and those of a step; the longest hold a row of padding or
         * what a last step leaves over, too. */
        for (int band = 0; band < SIDE; band++)
            assert_true(tess_range_len(tess_storage_rows(storage, band)) <=
                        2 * N_OPS + 3);
        assert_true(storage->bytes < 4 * 2 * SIDE * SIDE / 2);
    }
    tear_down(&fixture);
}

static void test_grids_hold_one_tile_of_each_map(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, conv_chain(3, 30));
    struct tess_group all = {0, 2, {3, 3, TESS_HALO_RECOMPUTE}, 0};
    assert_int_equal(tess_plan_set_groups(fixture.plan, &all, 1, NULL), TESS_OK);
    lay_out(&fixture);
    const struct tess_storage *first =
        &fixture.layout->storages[fixture.layout->local[1].storage];
    /* Columns [10, 19) of the output: the outer tiles get one more. A halo of two on both
     * sides; at the border, a column of padding. */
    struct tess_range cols = tess_storage_cols(first, 1);
    assert_int_equal(cols.begin, 10 - 2);
    assert_int_equal(cols.end, 19 + 2);
    cols = tess_storage_cols(first, 0);
    assert_int_equal(cols.begin, -1);
    tear_down(&fixture);
}

/* ---- over random plans ---- */

struct lifetime {
    int first_tick, last_tick;
    int64_t begin, end;
};

static void assert_apart(const struct lifetime *lives, int n_lives)
{
    for (int i = 0; i < n_lives; i++)
        for (int j = 0; j < i; j++) {
            bool is_together = lives[i].first_tick <= lives[j].last_tick &&
                               lives[j].first_tick <= lives[i].last_tick;
            bool is_apart =
                lives[i].end <= lives[j].begin || lives[j].end <= lives[i].begin;
            assert_true(!is_together || is_apart);
        }
}

static void check_memory(const struct tess_layout *layout)
{
    struct tess_memory memory = {.input = 77};
    tess_layout_memory(layout, &memory);
    assert_int_equal(memory.peak, tess_memory_sum(&memory));
    assert_int_equal(memory.input, 77);
    assert_true(memory.arena >= layout->arena_bytes);
    assert_true(layout->arena_bytes >= layout->live_bytes);
    for (int op = 0; op < layout->plan->n_ops; op++)
        assert_true(memory.arena >=
                    tess_facts_scratch_bytes(&layout->plan->facts, layout->graph, op));
}

static void test_nothing_alive_at_a_common_tick_overlaps(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_ops = 20;
    int n_cases = 1500;
    uint64_t seed = tess_random_seed(9600000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        struct lifetime lives[256];
        int n_lives = 0;
        tess_random_case_init(&made, &nets, &plans, seed + (uint64_t)i);
        const struct tess_layout *layout = made.layout;
        tess_layout_assert_valid(layout);
        assert_true(layout->n_storages + layout->n_temps <= 256);
        for (int k = 0; k < layout->n_storages; k++) {
            const struct tess_storage *storage = &layout->storages[k];
            assert_int_equal(storage->offset % made.plan->facts.align_bytes, 0);
            lives[n_lives++] =
                (struct lifetime){storage->first_tick, storage->last_tick,
                                  storage->offset, storage->offset + storage->bytes};
        }
        for (int k = 0; k < layout->n_temps; k++) {
            const struct tess_temp *temp = &layout->temps[k];
            assert_int_equal(temp->offset % made.plan->facts.align_bytes, 0);
            lives[n_lives++] = (struct lifetime){temp->tick, temp->tick, temp->offset,
                                                 temp->offset + temp->bytes};
        }
        assert_apart(lives, n_lives);
        check_memory(layout);
        tess_random_case_release(&made);
    }
}

static void test_the_only_group_alone_peaks_as_the_whole_plan(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    plans.cut_percent = 0;
    int n_cases = 500, n_compared = 0;
    uint64_t seed = tess_random_seed(9700000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        struct tess_layout *alone = NULL;
        tess_random_case_init(&made, &nets, &plans, seed + (uint64_t)i);
        if (made.plan->n_groups == 1) {
            assert_int_equal(
                tess_layout_create_group(made.graph, made.plan, 0, &alone, NULL),
                TESS_OK);
            if (alone->live_bytes != made.layout->live_bytes)
                fprintf(stderr, "TESS_TEST_SEED=%" PRIu64 "\n", seed + (uint64_t)i);
            assert_int_equal(alone->live_bytes, made.layout->live_bytes);
            n_compared++;
        }
        tess_layout_destroy(alone);
        tess_random_case_release(&made);
    }
    assert_true(n_compared > n_cases / 4 || n_cases == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs_of_a_concat_are_channels_of_its_output),
        cmocka_unit_test(test_a_concat_that_copies_has_a_storage_of_its_own),
        cmocka_unit_test(test_a_shared_storage_lives_as_long_as_its_tensors),
        cmocka_unit_test(test_rows_of_padding_are_stored_where_a_kernel_wants_them),
        cmocka_unit_test(test_a_sum_overwrites_an_input_that_nobody_reads_again),
        cmocka_unit_test(test_all_sums_of_a_chain_lie_in_one_place),
        cmocka_unit_test(test_bands_hold_a_few_rows_of_each_map),
        cmocka_unit_test(test_grids_hold_one_tile_of_each_map),
        cmocka_unit_test(test_nothing_alive_at_a_common_tick_overlaps),
        cmocka_unit_test(test_the_only_group_alone_peaks_as_the_whole_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
