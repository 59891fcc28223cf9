#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/darknet.h"
#include "planner/order.h"
#include "tests/support/random_net.h"

static void test_passthrough_runs_at_once(void **state)
{
    (void)state;
    /* Layer 0 is read by layer 1 and, much later, by the narrow layer 4. */
    static const char cfg[] = "[net]\nheight=16\nwidth=16\nchannels=8\n"
                              "[conv]\nfilters=64\nsize=3\npad=1\n"
                              "[maxpool]\nsize=2\nstride=2\n"
                              "[conv]\nfilters=128\nsize=3\npad=1\n"
                              "[route]\nlayers=-3\n"
                              "[conv]\nfilters=4\nsize=1\n"
                              "[reorg]\nstride=2\n"
                              "[route]\nlayers=-1,-4\n"
                              "[conv]\nfilters=8\nsize=1\n";
    struct tess_graph *graph = NULL;
    assert_int_equal(
        tess_darknet_parse(cfg, sizeof cfg - 1, "narrow", &graph, NULL, NULL), TESS_OK);
    int order[16], natural[16];
    assert_true(graph->n_ops <= 16);
    for (int op = 0; op < graph->n_ops; op++)
        natural[op] = op;
    assert_int_equal(tess_order_greedy(graph, order, NULL), TESS_OK);
    int of_narrow = -1, of_wide = -1;
    for (int at = 0; at < graph->n_ops; at++) {
        if (graph->ops[order[at]].layer == 4)
            of_narrow = at;
        if (graph->ops[order[at]].layer == 2)
            of_wide = at;
    }
    assert_true(of_narrow < of_wide);
    assert_true(tess_order_byte_ticks(graph, order) <
                tess_order_byte_ticks(graph, natural));
    tess_graph_destroy(graph);
}

static void test_greedy_orders_are_topological(void **state)
{
    (void)state;
    int n_cases = 200;
    uint64_t seed = tess_random_seed(17, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_net nets;
        struct tess_plan *plan = NULL;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
        assert_int_equal(tess_order_greedy(graph, plan->order, NULL), TESS_OK);
        assert_int_equal(tess_plan_check(plan, graph, NULL), TESS_OK);
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
}

static void test_exact_orders_are_topological_and_no_worse(void **state)
{
    (void)state;
    int n_cases = 200, n_better = 0;
    uint64_t seed = tess_random_seed(18, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_net nets;
        struct tess_plan *plan = NULL;
        struct tess_rng rng;
        int64_t peak = -1, own_peak = -1;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
        int own[64];
        assert_true(graph->n_ops <= 64);
        for (int op = 0; op < graph->n_ops; op++)
            own[op] = op;
        assert_int_equal(
            tess_order_exact(graph, own, plan->order, &peak, &own_peak, NULL), TESS_OK);
        assert_int_equal(tess_plan_check(plan, graph, NULL), TESS_OK);
        assert_true(0 < peak && peak <= own_peak);
        n_better += peak < own_peak;
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
    assert_true(n_cases < 200 || n_better > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passthrough_runs_at_once),
        cmocka_unit_test(test_greedy_orders_are_topological),
        cmocka_unit_test(test_exact_orders_are_topological_and_no_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
