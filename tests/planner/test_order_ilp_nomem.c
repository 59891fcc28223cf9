/* Ordering by integer programming where memory is scarce: allocations fail, ours and the
 * solver's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/rng.h"
#include "planner/ordering_ilp.h"
#include "schedule/check.h"
#include "solver/milp.h"
#include "tests/support/random_tasks.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

/* A graph for which the bare method asks the solver. */
static struct tess_task_graph *create_graph(const struct tess_order_limits *limits)
{
    for (uint64_t seed = 1;; seed++) {
        struct tess_rng rng;
        int order[16];
        struct tess_task_graph *drawn, *graph = NULL;
        struct tess_order_result result = {.order = order};
        tess_rng_init(&rng, seed);
        drawn = tess_random_tasks_create(8, &rng);
        assert_int_equal(
            tess_task_graph_count(drawn, TESS_MODEL_INPLACE, 1, &graph, NULL), TESS_OK);
        tess_task_graph_destroy(drawn);
        assert_int_equal(tess_method_ilp.run(graph, limits, &result, NULL), TESS_OK);
        if (result.n_variables_solved >= 8 && result.n_expanded > 1)
            return graph;
        tess_task_graph_destroy(graph);
    }
}

/* Every allocation fails once; of the thousands that the solver makes every few. An order that is
 * given all the same is one, within bounds that hold. */
static void test_a_failing_allocation_is_reported_or_an_open_gap(void **state)
{
    (void)state;
    struct tess_order_limits limits;
    int n_refused = 0, n_open = 0;
    bool is_proven = false;
    tess_order_limits_init(&limits);
    limits.parts_off = TESS_ORDER_CUTS | TESS_ORDER_VALLEYS;
    struct tess_task_graph *graph = create_graph(&limits);
    int64_t best = tess_brute_peak(graph);
    for (long n = 0; !is_proven; n += 1 + n / 40) {
        int order[16];
        int64_t peak;
        struct tess_order_result result = {.order = order};
        long before = n_live;
        n_until_failure = n;
        enum tess_status status = tess_method_ilp.run(graph, &limits, &result, NULL);
        bool was_refused = n_until_failure < 0;
        n_until_failure = -1;
        assert_int_equal(n_live, before);
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        n_refused += status != TESS_OK;
        if (status != TESS_OK)
            continue;
        assert_int_equal(tess_check_order(graph, order, &peak, NULL), TESS_OK);
        assert_true(result.lower_bound_bytes <= best && best <= peak);
        n_open += !result.is_proven;
        is_proven = !was_refused;
        assert_true(!is_proven || result.is_proven);
    }
    printf("%d times reported, %d times the solver gave up\n", n_refused, n_open);
    assert_true(n_refused > 20 && n_open > 0);
    tess_task_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failing_allocation_is_reported_or_an_open_gap)};
    return tess_milp_is_available() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}

#else

int main(void)
{
    return 0;
}

#endif
