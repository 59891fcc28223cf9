#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "planner/curve.h"
#include "tests/support/random_net.h"

static void random_options(struct tess_planner_options *options, struct tess_rng *rng)
{
    tess_planner_options_init(options);
    tess_random_facts(&options->facts, rng);
    if (tess_rng_int(rng, 0, 3) == 0)
        return;
    options->facts = (struct tess_kernel_facts){.family = "nat",
                                                .align_bytes = 64,
                                                .has_packed_weights = 1,
                                                .kernel_overhead_bytes = 128,
                                                .base_bytes = 1 << 20};
}

/* Every point is a budget that works, buys time for memory and gives that time again. */
static void check(const struct tess_curve *curve, struct tess_planner *planner,
                  uint64_t seed)
{
    bool is_right = curve->n_points > 0 && curve->points[0].has_new_groups;
    for (int i = 0; i < curve->n_points && is_right; i++) {
        const struct tess_curve_point *point = &curve->points[i];
        struct tess_plan *plan = NULL;
        if (i > 0)
            is_right = point->budget_bytes > point[-1].budget_bytes &&
                       point->predicted_us < point[-1].predicted_us;
        is_right &=
            tess_planner_find(planner, point->budget_bytes, &plan, NULL, NULL) == TESS_OK;
        is_right = is_right && plan->memory.peak == point->peak_bytes &&
                   point->peak_bytes <= point->budget_bytes &&
                   plan->predicted_us <= point->predicted_us && point->read_bytes >= 0 &&
                   point->budget_bytes % 1024 == 0;
        tess_plan_destroy(plan);
    }
    if (!is_right)
        fail_msg("TESS_TEST_SEED=%llu", (unsigned long long)seed);
}

static void test_points_work_and_buy_time_for_memory(void **state)
{
    (void)state;
    int n_cases = 30;
    uint64_t seed = tess_random_seed(68000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_net nets;
        struct tess_planner_options options;
        struct tess_planner *planner = NULL;
        struct tess_planner_report report;
        struct tess_plan *plan = NULL;
        struct tess_curve curve;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        random_options(&options, &rng);
        assert_int_equal(tess_planner_create(graph, &options, &planner, NULL), TESS_OK);
        assert_int_equal(tess_curve_init(&curve, graph, planner, NULL), TESS_OK);
        check(&curve, planner, seed + (uint64_t)i);
        assert_int_equal(tess_planner_find(planner, 1, &plan, &report, NULL),
                         TESS_E_INFEASIBLE);
        assert_true(curve.points[0].budget_bytes - report.smallest_bytes < 1024);
        assert_int_equal(curve.limiting_layer, report.limiting_layer);
        assert_int_equal(tess_planner_find(planner, 0, &plan, NULL, NULL), TESS_OK);
        double last_us = curve.points[curve.n_points - 1].predicted_us;
        assert_true(last_us <= plan->predicted_us * 1.001);
        tess_plan_destroy(plan);
        tess_curve_release(&curve);
        tess_planner_destroy(planner);
        tess_graph_destroy(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points_work_and_buy_time_for_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
