#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/paged_file.h"
#include "base/rng.h"
#include "executor/kernel.h"
#include "executor/weight_store.h"
#include "model/packed.h"
#include "plan/slices.h"
#include "plan/walk.h"
#include "tests/support/random_net.h"

/* A source whose every number says what it is of. */
struct source {
    const struct tess_graph *graph;
    int n_reads, failing_read; /* -1: none fails */
    int64_t n_blocks;          /* read so far */
    struct tess_rng rng;
    bool is_jittery; /* takes more or less time */
};

static uint32_t number_of(int op, int block, int64_t at)
{
    return (uint32_t)op * 1000003u + (uint32_t)block * 8191u + (uint32_t)at;
}

static void pause_a_little(struct tess_rng *rng)
{
    if (tess_rng_int(rng, 0, 3) == 0)
        usleep((unsigned)tess_rng_int(rng, 0, 60));
}

static enum tess_status read_numbers(void *context, int op, int first_block, int n_blocks,
                                     void *packed_out, struct tess_error *error)
{
    struct source *source = context;
    int64_t n_each = tess_packed_block_bytes(source->graph, op) / 4;
    uint32_t *numbers = packed_out;
    if (source->n_reads++ == source->failing_read) {
        tess_error_at(error, TESS_E_MODEL, "a.tess", 0, 0, "block %d of op %d is bad",
                      first_block, op);
        tess_error_hint(error, "compile it again");
        return TESS_E_MODEL;
    }
    source->n_blocks += n_blocks;
    if (source->is_jittery)
        pause_a_little(&source->rng);
    for (int block = first_block; block < first_block + n_blocks; block++)
        for (int64_t at = 0; at < n_each; at++)
            *numbers++ = number_of(op, block, at);
    return TESS_OK;
}

static void check_numbers(const struct tess_graph *graph, int op,
                          const struct tess_weight_slice *slice)
{
    int64_t n_each = tess_packed_block_bytes(graph, op) / 4;
    const uint32_t *numbers = slice->packed;
    assert_int_equal((uintptr_t)numbers % 64, 0);
    for (int block = 0; block < slice->n_blocks; block++)
        for (int64_t at = 0; at < n_each; at++)
            if (*numbers++ != number_of(op, slice->first_block + block, at))
                fail_msg("block %d of op %d is not what it should be",
                         slice->first_block + block, op);
}

static uint64_t last_seed;

static int say_seed(void **state)
{
    (void)state;
    print_message("last case: TESS_TEST_SEED=%llu\n", (unsigned long long)last_seed);
    return 0;
}

/* A random plan, its store, and somebody who walks the plan and takes slices. */
struct fixture {
    struct tess_graph *graph;
    struct tess_plan *plan;
    struct tess_layout *layout;
    struct source source;
    struct tess_weight_store *store;
    struct tess_rng rng;
    bool is_jittery;
    int n_steps, last_step; /* the step after which to give up; -1: none */
    int n_taken;            /* slices, in this run */
    int64_t n_needed;       /* blocks of streamed ops, for each tile they run in */
};

static struct tess_weight_store *new_store(struct fixture *fixture)
{
    struct tess_weight_store *store = NULL;
    struct tess_weight_supply supply = {.blocks = {read_numbers, &fixture->source}};
    assert_int_equal(tess_weight_store_create(fixture->layout, &supply, &store, NULL),
                     TESS_OK);
    return store;
}

static void load_all(struct fixture *fixture)
{
    for (int op = 0; op < fixture->graph->n_ops; op++) {
        assert_int_equal(tess_weight_store_load(fixture->store, op, NULL), TESS_OK);
        struct tess_weight_slice all = {tess_weight_store_resident(fixture->store, op), 0,
                                        0};
        bool is_resident =
            tess_op_has_weights(&fixture->graph->ops[op]) && !fixture->plan->streamed[op];
        assert_int_equal(all.packed != NULL, is_resident);
    }
}

static void check_resident(const struct fixture *fixture)
{
    for (int op = 0; op < fixture->graph->n_ops; op++) {
        struct tess_weight_slice all = {tess_weight_store_resident(fixture->store, op), 0,
                                        0};
        if (!all.packed)
            continue;
        all.n_blocks = tess_packed_n_blocks(fixture->graph, op);
        check_numbers(fixture->graph, op, &all);
    }
}

static void fixture_init(struct fixture *fixture, uint64_t seed, bool is_jittery)
{
    struct tess_random_net nets;
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    memset(fixture, 0, sizeof *fixture);
    last_seed = seed;
    tess_random_net_init(&nets);
    nets.max_channels = 100;
    nets.kinds = 1u << TESS_OP_CONV | 1u << TESS_OP_MAXPOOL | 1u << TESS_OP_CONNECTED |
                 1u << TESS_OP_ADD;
    tess_random_plan_init(&plans);
    plans.streamed_percent = 60;
    tess_rng_init(&fixture->rng, seed);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    tess_kernel_nat.facts(&facts);
    tess_kernel_nat.stop();
    fixture->graph = tess_random_net_create(&nets, &fixture->rng);
    fixture->plan =
        tess_random_plan_create(&plans, fixture->graph, &facts, &fixture->rng);
    assert_int_equal(
        tess_layout_create(fixture->graph, fixture->plan, &fixture->layout, NULL),
        TESS_OK);
    fixture->is_jittery = is_jittery;
    fixture->source = (struct source){
        .graph = fixture->graph, .failing_read = -1, .is_jittery = is_jittery};
    tess_rng_init(&fixture->source.rng, seed + 1);
    fixture->store = new_store(fixture);
    load_all(fixture);
}

static void fixture_release(struct fixture *fixture)
{
    tess_weight_store_destroy(fixture->store);
    tess_layout_destroy(fixture->layout);
    tess_plan_destroy(fixture->plan);
    tess_graph_destroy(fixture->graph);
}

/* A slice lies in memory as in its file, sector by sector, where its slot has room for that. */
static void check_place(const struct fixture *fixture, int op,
                        const struct tess_weight_slice *slice)
{
    int64_t block_bytes = tess_packed_block_bytes(fixture->graph, op);
    int64_t slot_bytes = tess_layout_slots_bytes(fixture->layout) / TESS_SLICES_N_SLOTS;
    int64_t lead = slice->first_block * block_bytes % TESS_PAGED_FILE_ALIGNMENT;
    int64_t place = (int64_t)((uintptr_t)slice->packed % TESS_PAGED_FILE_ALIGNMENT);
    assert_int_equal(place,
                     lead + slice->n_blocks * block_bytes <= slot_bytes ? lead : 0);
}

static enum tess_status take_all(struct fixture *fixture, int op,
                                 struct tess_error *error)
{
    int n_blocks = tess_packed_n_blocks(fixture->graph, op);
    struct tess_weight_slice slice = {0};
    for (int done = 0; done < n_blocks; done += slice.n_blocks) {
        enum tess_status status =
            tess_weight_store_take(fixture->store, op, &slice, error);
        if (status != TESS_OK)
            return status;
        assert_int_equal(slice.first_block, done);
        assert_true(slice.n_blocks >= 1 && done + slice.n_blocks <= n_blocks);
        if (fixture->is_jittery)
            pause_a_little(&fixture->rng);
        check_place(fixture, op, &slice);
        check_numbers(fixture->graph, op, &slice); /* nobody writes there meanwhile */
        tess_weight_store_give_back(fixture->store);
        fixture->n_taken++;
    }
    fixture->n_needed += n_blocks;
    return TESS_OK;
}

static enum tess_status take_step(void *context, const struct tess_step *step,
                                  struct tess_error *error)
{
    struct fixture *fixture = context;
    if (fixture->n_steps++ == fixture->last_step)
        return TESS_E_IO;
    if (step->kind != TESS_STEP_RUN || !fixture->plan->streamed[step->op])
        return TESS_OK;
    return take_all(fixture, step->op, error);
}

static enum tess_status run(struct fixture *fixture, int failing_read, int last_step,
                            struct tess_error *error)
{
    fixture->n_steps = fixture->n_taken = 0;
    fixture->n_needed = 0;
    fixture->last_step = last_step;
    fixture->source.n_reads = 0;
    fixture->source.n_blocks = 0;
    fixture->source.failing_read = failing_read;
    tess_error_init(error);
    tess_weight_store_begin_run(fixture->store);
    enum tess_status status = tess_walk(fixture->layout, take_step, fixture, error);
    tess_weight_store_end_run(fixture->store);
    return status;
}

static void test_every_slice_comes_in_order_and_whole(void **state)
{
    (void)state;
    int n_cases = 200;
    uint64_t seed = tess_random_seed(20261121, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct fixture fixture;
        struct tess_error error;
        fixture_init(&fixture, seed + (uint64_t)i, i % 2 == 0);
        for (int pass = 0; pass < 3; pass++) {
            assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
            /* Nothing is read that nobody needs, at most once for each need. */
            assert_true(fixture.source.n_blocks <= fixture.n_needed);
            assert_true(fixture.source.n_reads <= fixture.n_taken);
            assert_int_equal(fixture.source.n_reads > 0, fixture.n_taken > 0);
        }
        check_resident(&fixture);
        fixture_release(&fixture);
    }
}

static void test_the_memory_is_what_the_layout_says(void **state)
{
    (void)state;
    int n_cases = 200;
    uint64_t seed = tess_random_seed(20261122, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct fixture fixture;
        struct tess_memory memory;
        fixture_init(&fixture, seed + (uint64_t)i, false);
        tess_layout_memory(fixture.layout, &memory);
        assert_int_equal(tess_weight_store_bytes(fixture.store),
                         memory.weights + tess_layout_slots_bytes(fixture.layout));
        fixture_release(&fixture);
    }
}

static void test_a_single_slice_is_read_once_for_tiles_in_a_row(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_kernel_facts facts = {.align_bytes = 64, .has_packed_weights = 1};
    struct tess_rng rng;
    struct fixture fixture = {.last_step = -1};
    struct tess_error error;
    tess_random_net_init(&nets);
    nets.max_ops = 1;
    nets.kinds = 1u << TESS_OP_CONV;
    uint64_t seed = 1;
    do { /* a map that can be cut in three */
        tess_graph_destroy(fixture.graph);
        tess_rng_init(&rng, seed++);
        fixture.graph = tess_random_net_create(&nets, &rng);
    } while (fixture.graph->tensors[fixture.graph->ops[0].output].h < 6);
    assert_int_equal(tess_plan_create(fixture.graph, &fixture.plan, NULL), TESS_OK);
    fixture.plan->facts = facts;
    fixture.plan->streamed[0] = true;
    fixture.plan->slice_bytes = 1 << 20;
    fixture.plan->groups[0].tiling = (struct tess_tiling){3, 1, TESS_HALO_RECOMPUTE};
    assert_int_equal(tess_slices_count(fixture.plan, fixture.graph, 0), 1);
    assert_int_equal(
        tess_layout_create(fixture.graph, fixture.plan, &fixture.layout, NULL), TESS_OK);
    fixture.source = (struct source){.graph = fixture.graph, .failing_read = -1};
    fixture.store = new_store(&fixture);
    for (int pass = 0; pass < 2; pass++) { /* but again in the next run */
        assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
        assert_int_equal(fixture.n_taken, 3);
        assert_int_equal(fixture.source.n_reads, 1);
    }
    fixture_release(&fixture);
}

static void test_a_failed_read_is_met_at_its_slice(void **state)
{
    (void)state;
    int n_cases = 40, n_failures = 0;
    uint64_t seed = tess_random_seed(20261123, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct fixture fixture;
        struct tess_error error;
        fixture_init(&fixture, seed + (uint64_t)i, i % 2 == 0);
        assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
        int n_reads = fixture.source.n_reads;
        bool has_kept = fixture.n_taken > n_reads;
        for (int k = 0; k < n_reads; k++, n_failures++) {
            assert_int_equal(run(&fixture, k, -1, &error), TESS_E_MODEL);
            assert_non_null(strstr(error.message, "is bad"));
            assert_string_equal(error.file, "a.tess");
            assert_string_equal(error.hint, "compile it again");
            if (!has_kept) /* all before were met */
                assert_int_equal(fixture.n_taken, k);
            if (k % 3 == 0)
                assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
        }
        assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
        fixture_release(&fixture);
    }
    assert_true(n_cases == 1 || n_failures > 5 * n_cases);
}

static void test_a_run_may_end_at_any_step(void **state)
{
    (void)state;
    int n_cases = 40;
    uint64_t seed = tess_random_seed(20261124, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct fixture fixture;
        struct tess_error error;
        fixture_init(&fixture, seed + (uint64_t)i, i % 2 == 0);
        assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
        int n_steps = fixture.n_steps;
        for (int k = 0; k < n_steps; k += 1 + n_steps / 50)
            assert_int_equal(run(&fixture, -1, k, &error), TESS_E_IO);
        assert_int_equal(run(&fixture, -1, -1, &error), TESS_OK);
        fixture_release(&fixture);
    }
}

static void test_it_can_be_destroyed_whatever_came_before(void **state)
{
    (void)state;
    tess_weight_store_destroy(NULL);
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct fixture fixture;
        struct tess_error error;
        fixture_init(&fixture, seed, true); /* loaded, never run */
        tess_weight_store_destroy(fixture.store);
        fixture.store = new_store(&fixture); /* not even loaded */
        tess_weight_store_destroy(fixture.store);
        fixture.store = new_store(&fixture); /* a run that did nothing */
        tess_weight_store_begin_run(fixture.store);
        tess_weight_store_end_run(fixture.store);
        tess_weight_store_destroy(fixture.store);
        fixture.store = new_store(&fixture); /* a run that ended early */
        assert_int_equal(run(&fixture, -1, 0, &error), TESS_E_IO);
        tess_weight_store_destroy(fixture.store);
        fixture.store = new_store(&fixture); /* a run that failed, if it reads */
        run(&fixture, 0, -1, &error);
        fixture_release(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_slice_comes_in_order_and_whole, say_seed),
        cmocka_unit_test_teardown(test_the_memory_is_what_the_layout_says, say_seed),
        cmocka_unit_test(test_a_single_slice_is_read_once_for_tiles_in_a_row),
        cmocka_unit_test_teardown(test_a_failed_read_is_met_at_its_slice, say_seed),
        cmocka_unit_test_teardown(test_a_run_may_end_at_any_step, say_seed),
        cmocka_unit_test(test_it_can_be_destroyed_whatever_came_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
