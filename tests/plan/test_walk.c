/* The walk against the oracle: whatever the network, the plan and the kernel family,
 * running the steps computes what the network computes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan/walk.h"
#include "tests/support/naive_steps.h"
#include "tests/support/random_net.h"

static bool is_walk_right(const struct tess_random_case *made)
{
    struct tess_naive_net *net = tess_naive_net_create(made->graph);
    struct tess_naive_run *run = tess_naive_run_create(made->layout, net);
    tess_layout_assert_valid(made->layout);
    for (int group = 0; group < made->plan->n_groups; group++)
        tess_tiles_assert_valid(&made->layout->tiles[group]);
    enum tess_status status = tess_walk(made->layout, tess_naive_run_step, run, NULL);
    bool is_right = status == TESS_OK && tess_naive_run_is_right(run, net);
    if (run->is_broken)
        fprintf(stderr, "first broken step: kind %d of op %d, tile %d,%d of group %d\n",
                run->first_broken.kind, run->first_broken.op, run->first_broken.tile_row,
                run->first_broken.tile_col, run->first_broken.group);
    tess_naive_run_destroy(run);
    tess_naive_net_destroy(net);
    return is_right;
}

static void walk_many(const struct tess_random_net *nets,
                      const struct tess_random_plan *plans, uint64_t seed, int n_cases)
{
    seed = tess_random_seed(seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        tess_random_case_init(&made, nets, plans, seed + (uint64_t)i);
        bool is_right = is_walk_right(&made);
        if (!is_right) {
            fprintf(stderr, "TESS_TEST_SEED=%" PRIu64 "\n", seed + (uint64_t)i);
            tess_random_net_print(made.graph, made.plan);
        }
        tess_random_case_release(&made);
        assert_true(is_right);
    }
}

static void test_any_plan_of_any_net_computes_the_net(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    walk_many(&nets, &plans, 1000000, 3000);
}

static void test_untiled_plans_in_any_order_compute_the_net(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_ops = 20;
    plans.tiled_percent = 0;
    walk_many(&nets, &plans, 2000000, 500);
}

static void test_bands_of_long_chains_compute_the_net(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_side = 24;
    nets.max_channels = 3;
    nets.chain_percent = 90;
    nets.kinds = 1u << TESS_OP_MAXPOOL | 1u << TESS_OP_ADD | 1u << TESS_OP_UPSAMPLE;
    plans.max_tiles = 24;
    plans.tiled_percent = 100;
    plans.cut_percent = 5;
    plans.has_columns = false;
    walk_many(&nets, &plans, 3000000, 500);
}

static void test_nested_concats_and_slices_compute_the_net(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_ops = 20;
    nets.max_side = 6;
    nets.max_kernel = 3;
    nets.chain_percent = 40;
    nets.kinds = 1u << TESS_OP_CONCAT | 1u << TESS_OP_SLICE | 1u << TESS_OP_ADD;
    walk_many(&nets, &plans, 4000000, 1500);
}

static void test_partial_convolutions_compute_the_net(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_ops = 20;
    nets.max_side = 8;
    nets.chain_percent = 80;
    nets.kinds = 1u << TESS_OP_CONCAT | 1u << TESS_OP_ADD | 1u << TESS_OP_SLICE;
    nets.joined_percent = 30;
    nets.split_percent = 80;
    walk_many(&nets, &plans, 4500000, 2000);
    plans.tiled_percent = 0;
    walk_many(&nets, &plans, 4600000, 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_plan_of_any_net_computes_the_net),
        cmocka_unit_test(test_untiled_plans_in_any_order_compute_the_net),
        cmocka_unit_test(test_bands_of_long_chains_compute_the_net),
        cmocka_unit_test(test_nested_concats_and_slices_compute_the_net),
        cmocka_unit_test(test_partial_convolutions_compute_the_net),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
