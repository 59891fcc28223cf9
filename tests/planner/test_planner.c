#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/darknet.h"
#include "plan/layout.h"
#include "plan/verify.h"
#include "planner/planner.h"
#include "planner/search.h"
#include "tests/support/random_net.h"

/* A detector in small: halving, a passthrough and a head. */
static const char CFG[] =
    "[net]\nheight=96\nwidth=96\nchannels=3\n"
    "[conv]\nfilters=16\nsize=3\npad=1\nactivation=leaky\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[conv]\nfilters=32\nsize=3\npad=1\nactivation=leaky\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[conv]\nfilters=32\nsize=3\npad=1\nactivation=leaky\n"
    "[maxpool]\nsize=2\nstride=2\n"
    "[conv]\nfilters=64\nsize=3\npad=1\nactivation=leaky\n"
    "[route]\nlayers=-3\n"
    "[conv]\nfilters=8\nsize=1\nactivation=leaky\n"
    "[reorg]\nstride=2\n"
    "[route]\nlayers=-1,-4\n"
    "[conv]\nfilters=30\nsize=1\nactivation=linear\n"
    "[region]\nanchors=1,1,2,2,3,3,4,4,5,5\nclasses=1\ncoords=4\nnum=5\n";

static struct tess_graph *detector(void)
{
    struct tess_graph *graph = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_darknet_parse(CFG, sizeof CFG - 1, "small", &graph, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
    return graph;
}

static void make_options(struct tess_planner_options *options, const char *search)
{
    tess_planner_options_init(options);
    options->search = search;
    options->facts = (struct tess_kernel_facts){.family = "ref",
                                                .align_bytes = 64,
                                                .tail_bytes = 16,
                                                .kernel_overhead_bytes = 128,
                                                .base_bytes = 1 << 20};
}

static void make_packed(struct tess_planner_options *options, bool is_unpacked)
{
    options->facts = (struct tess_kernel_facts){.family = "nat",
                                                .align_bytes = 64,
                                                .has_packed_weights = 1,
                                                .kernel_overhead_bytes = 128,
                                                .source_bytes = 4096,
                                                .has_unpacked_source = is_unpacked,
                                                .base_bytes = 1 << 20};
}

static int64_t verified_peak(const struct tess_graph *graph, const struct tess_plan *plan)
{
    struct tess_layout *layout = NULL;
    struct tess_verdict verdict;
    struct tess_error error;
    tess_error_init(&error);
    assert_int_equal(tess_layout_create(graph, plan, &layout, NULL), TESS_OK);
    tess_layout_assert_valid(layout);
    if (tess_verify(layout, &verdict, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_layout_destroy(layout);
    return verdict.memory.peak;
}

static void test_plans_of_every_search_verify_within_their_budget(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    for (const struct tess_search *const *search = tess_searches(); *search; search++) {
        struct tess_planner_options options;
        struct tess_planner_report report;
        struct tess_plan *plan = NULL;
        make_options(&options, (*search)->name);
        enum tess_status status =
            tess_planner_plan(graph, &options, &plan, &report, NULL);
        if (status == TESS_E_USAGE)
            continue; /* built without GLPK */
        assert_int_equal(status, TESS_OK);
        int64_t fastest = plan->memory.peak;
        tess_plan_destroy(plan);
        for (int64_t budget = report.smallest_bytes; budget <= fastest;
             budget += (fastest - report.smallest_bytes) / 4 + 1) {
            plan = NULL;
            options.budget_bytes = budget;
            assert_int_equal(tess_planner_plan(graph, &options, &plan, NULL, NULL),
                             TESS_OK);
            assert_true(plan->memory.peak <= budget);
            assert_true(verified_peak(graph, plan) <= plan->memory.peak);
            tess_plan_destroy(plan);
        }
    }
    tess_graph_destroy(graph);
}

static void test_infeasible_budget_names_the_smallest_and_that_one_works(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    const char *const searches[] = {"dp", "mafat", "untiled"};
    for (int i = 0; i < 3; i++) {
        struct tess_planner_options options;
        struct tess_planner_report report = {0};
        struct tess_plan *plan = NULL;
        struct tess_error error;
        char smallest[32];
        tess_error_init(&error);
        make_options(&options, searches[i]);
        options.budget_bytes = 1000;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, &report, &error),
                         TESS_E_INFEASIBLE);
        assert_null(plan);
        snprintf(smallest, sizeof smallest, "%lldK",
                 (long long)((report.smallest_bytes + 1023) / 1024));
        assert_non_null(strstr(error.message, smallest));
        assert_non_null(strstr(error.hint, smallest));
        assert_true(report.limiting_layer >= 0 &&
                    report.limiting_layer < graph->n_layers);
        options.budget_bytes = report.smallest_bytes;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, NULL, NULL), TESS_OK);
        tess_plan_destroy(plan);
    }
    tess_graph_destroy(graph);
}

static void test_dp_needs_no_more_memory_than_the_published_search(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    int64_t smallest[2];
    const char *const searches[] = {"dp", "mafat"};
    for (int i = 0; i < 2; i++) {
        struct tess_planner_options options;
        struct tess_planner_report report = {0};
        struct tess_plan *plan = NULL;
        make_options(&options, searches[i]);
        options.budget_bytes = 1;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, &report, NULL),
                         TESS_E_INFEASIBLE);
        smallest[i] = report.smallest_bytes;
    }
    assert_true(smallest[0] < smallest[1]);
    tess_graph_destroy(graph);
}

static void test_switches_forbid_what_they_name(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    for (int bits = 0; bits < 64; bits++) {
        struct tess_planner_options options;
        struct tess_planner_report report;
        struct tess_plan *plan = NULL;
        make_options(&options, "dp");
        if (bits & 16)
            make_packed(&options, false);
        options.allows_reuse = bits & 1;
        options.allows_recompute = bits & 2;
        options.allows_columns = bits & 4;
        options.allows_copies = bits & 8;
        options.allows_reorder = bits & 16;
        options.allows_streaming = bits & 32;
        options.budget_bytes = 1;
        tess_planner_plan(graph, &options, &plan, &report, NULL);
        options.budget_bytes = report.smallest_bytes;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, NULL, NULL), TESS_OK);
        for (int i = 0; i < plan->n_groups; i++) {
            struct tess_tiling tiling = plan->groups[i].tiling;
            bool is_tiled = tiling.n_rows * tiling.n_cols > 1;
            assert_true(options.allows_columns || tiling.n_cols == 1);
            if (is_tiled && tiling.halo == TESS_HALO_REUSE)
                assert_true(options.allows_reuse);
            if (is_tiled && tiling.halo == TESS_HALO_RECOMPUTE)
                assert_true(options.allows_recompute);
        }
        for (int op = 0; op < graph->n_ops; op++)
            assert_true((options.allows_copies || !plan->copies[op]) &&
                        (options.allows_reorder || plan->order[op] == op) &&
                        (options.allows_streaming || !plan->streamed[op]));
        tess_plan_destroy(plan);
    }
    tess_graph_destroy(graph);
}

static void test_streamed_plans_verify_and_slow_down_as_memory_shrinks(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    const char *const searches[] = {"dp", "untiled"};
    for (int i = 0; i < 4; i++) {
        struct tess_planner_options options;
        struct tess_planner_report report;
        struct tess_planner *planner = NULL;
        struct tess_plan *plan = NULL;
        make_options(&options, searches[i % 2]);
        make_packed(&options, i / 2 == 1);
        assert_int_equal(tess_planner_create(graph, &options, &planner, NULL), TESS_OK);
        assert_int_equal(tess_planner_find(planner, 0, &plan, NULL, NULL), TESS_OK);
        int64_t fastest = plan->memory.peak;
        double last_us = plan->predicted_us;
        tess_plan_destroy(plan);
        plan = NULL;
        assert_int_equal(tess_planner_find(planner, 1, &plan, &report, NULL),
                         TESS_E_INFEASIBLE);
        int64_t least = report.smallest_bytes - TESS_BASE_SPREAD_BYTES;
        for (int step = 8; step >= 0; step--) {
            int64_t budget = least + (fastest - least) / 8 * step;
            int n_streamed = 0;
            assert_int_equal(tess_planner_find(planner, budget, &plan, NULL, NULL),
                             TESS_OK);
            assert_int_equal(tess_plan_check(plan, graph, NULL), TESS_OK);
            assert_true(plan->memory.peak <= budget);
            assert_true(verified_peak(graph, plan) <= plan->memory.peak);
            assert_true(plan->predicted_us >= last_us * 0.99);
            for (int op = 0; op < graph->n_ops; op++)
                n_streamed += plan->streamed[op];
            assert_true(step > 0 || n_streamed > 0);
            last_us = plan->predicted_us;
            tess_plan_destroy(plan);
        }
        tess_planner_destroy(planner);
    }
    tess_graph_destroy(graph);
}

static void test_streaming_needs_less_memory_unless_forbidden(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    int64_t smallest[3];
    const char *const searches[] = {"dp", "dp", "mafat"};
    for (int i = 0; i < 3; i++) {
        struct tess_planner_options options;
        struct tess_planner_report report;
        struct tess_plan *plan = NULL;
        make_options(&options, searches[i]);
        make_packed(&options, false);
        options.allows_streaming = i != 1;
        options.budget_bytes = 1;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, &report, NULL),
                         TESS_E_INFEASIBLE);
        smallest[i] = report.smallest_bytes;
        options.budget_bytes = report.smallest_bytes;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, NULL, NULL), TESS_OK);
        for (int op = 0; i > 0 && op < graph->n_ops; op++)
            assert_false(plan->streamed[op]);
        tess_plan_destroy(plan);
    }
    assert_true(smallest[0] < smallest[1] && smallest[1] < smallest[2]);
    tess_graph_destroy(graph);
}

/* Whatever was asked for before, a budget gives the plan that a new planner gives. */
static void test_planner_forgets_earlier_budgets(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    struct tess_planner_options options;
    struct tess_planner_report report;
    struct tess_planner *planner = NULL;
    struct tess_plan *plan = NULL, *alone = NULL;
    make_options(&options, "dp");
    make_packed(&options, true);
    assert_int_equal(tess_planner_create(graph, &options, &planner, NULL), TESS_OK);
    tess_planner_find(planner, 1, &plan, &report, NULL);
    for (int i = 0; i < 6; i++) {
        options.budget_bytes = report.smallest_bytes + (i * 5 % 6) * 70000;
        assert_int_equal(
            tess_planner_find(planner, options.budget_bytes, &plan, NULL, NULL), TESS_OK);
        assert_int_equal(tess_planner_plan(graph, &options, &alone, NULL, NULL), TESS_OK);
        assert_true(tess_plan_hash(plan) == tess_plan_hash(alone));
        tess_plan_destroy(plan);
        tess_plan_destroy(alone);
    }
    tess_planner_destroy(planner);
    tess_graph_destroy(graph);
}

static void test_unknown_search_is_a_usage_error(void **state)
{
    (void)state;
    struct tess_graph *graph = detector();
    struct tess_planner_options options;
    struct tess_plan *plan = NULL;
    make_options(&options, "magic");
    assert_int_equal(tess_planner_plan(graph, &options, &plan, NULL, NULL), TESS_E_USAGE);
    tess_graph_destroy(graph);
}

static void test_random_networks_get_plans_that_verify(void **state)
{
    (void)state;
    int n_cases = 40;
    uint64_t seed = tess_random_seed(31337, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_net nets;
        struct tess_planner_options options;
        struct tess_planner_report report;
        struct tess_plan *plan = NULL;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        tess_planner_options_init(&options);
        tess_random_facts(&options.facts, &rng);
        if (i % 2)
            make_packed(&options, i % 4 == 1);
        options.budget_bytes = 1;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, &report, NULL),
                         TESS_E_INFEASIBLE);
        options.budget_bytes = report.smallest_bytes;
        assert_int_equal(tess_planner_plan(graph, &options, &plan, NULL, NULL), TESS_OK);
        assert_true(verified_peak(graph, plan) <= options.budget_bytes);
        tess_plan_destroy(plan);
        tess_graph_destroy(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_of_every_search_verify_within_their_budget),
        cmocka_unit_test(test_infeasible_budget_names_the_smallest_and_that_one_works),
        cmocka_unit_test(test_dp_needs_no_more_memory_than_the_published_search),
        cmocka_unit_test(test_switches_forbid_what_they_name),
        cmocka_unit_test(test_streamed_plans_verify_and_slow_down_as_memory_shrinks),
        cmocka_unit_test(test_streaming_needs_less_memory_unless_forbidden),
        cmocka_unit_test(test_planner_forgets_earlier_budgets),
        cmocka_unit_test(test_unknown_search_is_a_usage_error),
        cmocka_unit_test(test_random_networks_get_plans_that_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
