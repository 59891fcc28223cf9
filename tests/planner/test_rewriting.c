/* Plans that may split convolutions: split only when allowed, needed and better, into networks
 * that are right and plans that fit. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "model/darknet.h"
#include "model/graph_split.h"
#include "plan/plan_text.h"
#include "plan/verify.h"
#include "plan/verify_split.h"
#include "planner/rewriting.h"
#include "planner/split_order.h"
#include "tests/support/random_net.h"

/* Layer 0 waits for layer 5, of which a small part needs it. */
static const char WAITING[] = "[net]\nheight=32\nwidth=32\nchannels=4\n"
                              "[conv]\nfilters=32\nsize=1\nactivation=leaky\n"
                              "[conv]\nfilters=4\nsize=1\nactivation=leaky\n"
                              "[conv]\nfilters=32\nsize=3\npad=1\nactivation=leaky\n"
                              "[conv]\nfilters=4\nsize=1\nactivation=leaky\n"
                              "[route]\nlayers=-1,0\n"
                              "[conv]\nfilters=4\nsize=1\nactivation=leaky\n";

static struct tess_graph *parse(const char *cfg)
{
    struct tess_graph *graph = NULL;
    struct tess_error error;
    tess_error_init(&error);
    if (tess_darknet_parse(cfg, strlen(cfg), "small", &graph, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
    return graph;
}

static void make_options(struct tess_planner_options *options, const char *search,
                         bool is_packed)
{
    tess_planner_options_init(options);
    options->search = search;
    options->allows_rewrite = true;
    options->facts = (struct tess_kernel_facts){.align_bytes = 64,
                                                .has_packed_weights = is_packed,
                                                .kernel_overhead_bytes = 128,
                                                .base_bytes = 1 << 20};
    strcpy(options->facts.family, is_packed ? "nat" : "ref");
}

struct made {
    struct tess_graph *split;
    struct tess_plan *plan;
    struct tess_planner_report report;
    enum tess_status status;
};

static struct made plan_it(const struct tess_graph *graph,
                           const struct tess_planner_options *options)
{
    struct made made = {0};
    struct tess_error error;
    tess_error_init(&error);
    made.status = tess_rewriting_plan(graph, options, &made.split, &made.plan,
                                      &made.report, &error);
    if (made.status != TESS_OK && made.status != TESS_E_INFEASIBLE)
        fail_msg("%s", error.message);
    return made;
}

static void made_release(struct made *made)
{
    tess_plan_destroy(made->plan);
    tess_graph_destroy(made->split);
}

/* The smallest peak of any plan. */
static int64_t least_bytes(const struct tess_graph *graph,
                           struct tess_planner_options options)
{
    options.budget_bytes = 1;
    struct made made = plan_it(graph, &options);
    assert_int_equal(made.status, TESS_E_INFEASIBLE);
    assert_null(made.plan);
    return made.report.smallest_bytes - TESS_BASE_SPREAD_BYTES;
}

/* Right, within its budget, and the same again when it is written and read. */
static void check(const struct tess_graph *graph, const struct made *made)
{
    const struct tess_graph *of = made->split ? made->split : graph;
    struct tess_layout *layout = NULL;
    struct tess_verdict verdict;
    struct tess_error error;
    struct tess_text text;
    struct tess_graph *again = NULL;
    struct tess_plan *read = NULL;
    tess_error_init(&error);
    if (made->split && tess_verify_split(graph, made->split, &error) != TESS_OK)
        fail_msg("%s", error.message);
    assert_int_equal(tess_plan_check(made->plan, of, NULL), TESS_OK);
    assert_int_equal(tess_layout_create(of, made->plan, &layout, NULL), TESS_OK);
    if (tess_verify(layout, &verdict, &error) != TESS_OK)
        fail_msg("%s", error.message);
    assert_true(made->plan->budget_bytes == 0 ||
                made->plan->memory.peak <= made->plan->budget_bytes);
    tess_text_init(&text);
    tess_plan_write(made->plan, of, &text);
    assert_int_equal(tess_plan_read_split(tess_text_string(&text), text.len, "p", graph,
                                          &again, &error),
                     TESS_OK);
    assert_int_equal(again != NULL, made->split != NULL);
    assert_int_equal(tess_plan_read(tess_text_string(&text), text.len, "p",
                                    again ? again : graph, &read, &error),
                     TESS_OK);
    assert_true(tess_plan_hash(read) == tess_plan_hash(made->plan));
    tess_plan_destroy(read);
    tess_graph_destroy(again);
    tess_text_release(&text);
    tess_layout_destroy(layout);
}

static void test_a_budget_that_needs_it_splits(void **state)
{
    (void)state;
    const char *const searches[] = {"dp", "untiled"};
    for (int i = 0; i < 4; i++) {
        struct tess_graph *graph = parse(WAITING);
        struct tess_planner_options options;
        make_options(&options, searches[i / 2], i % 2);
        int64_t split_bytes = least_bytes(graph, options);
        options.allows_rewrite = false;
        int64_t whole_bytes = least_bytes(graph, options);
        assert_true(split_bytes < whole_bytes);
        options.budget_bytes = split_bytes;
        struct made made = plan_it(graph, &options);
        assert_int_equal(made.status, TESS_E_INFEASIBLE);
        made_release(&made);
        options.allows_rewrite = true;
        made = plan_it(graph, &options);
        assert_int_equal(made.status, TESS_OK);
        assert_non_null(made.split);
        check(graph, &made);
        made_release(&made);
        tess_graph_destroy(graph);
    }
}

static void test_a_budget_that_does_not_need_it_does_not_split(void **state)
{
    (void)state;
    struct tess_graph *graph = parse(WAITING);
    struct tess_planner_options options;
    make_options(&options, "dp", true);
    for (int i = 0; i < 2; i++) {
        options.budget_bytes = i == 0 ? 0 : 1 << 30;
        struct made made = plan_it(graph, &options);
        assert_int_equal(made.status, TESS_OK);
        assert_null(made.split);
        check(graph, &made);
        made_release(&made);
    }
    tess_graph_destroy(graph);
}

static void test_families_that_cannot_add_up_sums_are_not_asked_to(void **state)
{
    (void)state;
    struct tess_graph *graph = parse(WAITING);
    struct tess_planner_options options;
    make_options(&options, "untiled", false);
    int64_t split_bytes = least_bytes(graph, options);
    strcpy(options.facts.family, "xnn");
    options.facts.pointer_bytes = 8;
    options.facts.filter_block = options.facts.channel_block = 4;
    options.facts.pixel_block = options.facts.depthwise_block = 4;
    options.budget_bytes = split_bytes;
    struct made made = plan_it(graph, &options);
    assert_int_equal(made.status, TESS_E_INFEASIBLE);
    made_release(&made);
    tess_graph_destroy(graph);
}

static void test_parts_run_early_where_their_sums_are_smaller(void **state)
{
    (void)state;
    struct tess_graph *graph = parse(WAITING), *split = NULL;
    bool is_split[6] = {0};
    is_split[5] = true;
    assert_int_equal(tess_graph_split(graph, is_split, &split, NULL), TESS_OK);
    int order[6];
    assert_int_equal(split->n_ops, 6); /* the concat is gone, a part more */
    assert_int_equal(tess_split_order(split, order, NULL), TESS_OK);
    const int expected[] = {0, 4, 1, 2, 3, 5};
    assert_memory_equal(order, expected, sizeof order);
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
}

/* Whatever the network and the budget: no worse than without, and right. */
static void test_random_networks_are_planned_no_worse(void **state)
{
    (void)state;
    int n_cases = 60, n_split = 0;
    uint64_t seed = tess_random_seed(9100000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_net nets;
        struct tess_rng rng;
        struct tess_planner_options options;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        nets.max_side = 24;
        nets.max_channels = 16;
        nets.chain_percent = 80;
        nets.joined_percent = 25;
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        make_options(&options, tess_rng_int(&rng, 0, 1) ? "dp" : "untiled",
                     tess_rng_int(&rng, 0, 1));
        int64_t with_bytes = least_bytes(graph, options);
        options.allows_rewrite = false;
        int64_t without_bytes = least_bytes(graph, options);
        if (with_bytes > without_bytes)
            fail_msg("TESS_TEST_SEED=%" PRIu64 ": %lld bytes, without splits %lld",
                     seed + (uint64_t)i, (long long)with_bytes, (long long)without_bytes);
        options.allows_rewrite = true;
        options.budget_bytes = with_bytes + tess_rng_int(&rng, 0, 1) * 4096;
        struct made made = plan_it(graph, &options);
        assert_int_equal(made.status, TESS_OK);
        n_split += made.split != NULL;
        check(graph, &made);
        made_release(&made);
        tess_graph_destroy(graph);
    }
    printf("%d of %d networks split\n", n_split, n_cases);
    assert_true(n_split > 0 || n_cases == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_budget_that_needs_it_splits),
        cmocka_unit_test(test_a_budget_that_does_not_need_it_does_not_split),
        cmocka_unit_test(test_families_that_cannot_add_up_sums_are_not_asked_to),
        cmocka_unit_test(test_parts_run_early_where_their_sums_are_smaller),
        cmocka_unit_test(test_random_networks_are_planned_no_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
