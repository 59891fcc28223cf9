/* Pairs that a limit of bytes forces, against all orders of small graphs; and the programme's
 * columns against orders. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "planner/order_programme.h"
#include "planner/precedence.h"
#include "schedule/peak.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

enum { MAX_TASKS = 7 };

/* All orders of a graph's tasks, one after the other. */
struct orders {
    const struct tess_task_graph *graph;
    int order[MAX_TASKS];
    bool has_run[MAX_TASKS];
    void (*visit)(struct orders *orders);
    const struct tess_precedence *precedence;
    struct tess_order_programme *programme;
    int64_t limit;
    uint64_t seed;
    int n_within;
};

static void visit_from(struct orders *orders, int at)
{
    const struct tess_task_graph *graph = orders->graph;
    if (at == graph->n_tasks)
        orders->visit(orders);
    for (int i = 0; i < graph->n_tasks; i++) {
        bool is_ready = !orders->has_run[i];
        for (int k = 0; k < graph->tasks[i].n_before; k++)
            is_ready = is_ready && orders->has_run[graph->tasks[i].before[k]];
        if (!is_ready)
            continue;
        orders->has_run[i] = true;
        orders->order[at] = i;
        visit_from(orders, at + 1);
        orders->has_run[i] = false;
    }
}

static struct tess_task_graph *random_counted(struct tess_rng *rng)
{
    struct tess_task_graph *graph = tess_random_tasks_create(MAX_TASKS, rng);
    struct tess_task_graph *counted = NULL;
    enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(rng, 0, 2);
    assert_int_equal(tess_task_graph_count(graph, model, 1, &counted, NULL), TESS_OK);
    tess_task_graph_destroy(graph);
    return counted;
}

/* An order within the limit must keep to every pair; its chains are single tasks. */
static void check_pairs(struct orders *orders)
{
    int64_t peak;
    int n = orders->graph->n_tasks;
    assert_int_equal(tess_peak_of_order(orders->graph, orders->order, &peak, NULL, NULL),
                     TESS_OK);
    if (peak > orders->limit)
        return;
    orders->n_within++;
    for (int i = 0; i < n; i++)
        for (int k = i + 1; k < n; k++)
            if (tess_precedence_is_before(orders->precedence, orders->order[k],
                                          orders->order[i]))
                fail_msg("seed %" PRIu64 ": %d need not run before %d", orders->seed,
                         orders->order[k], orders->order[i]);
}

static void test_orders_within_the_limit_keep_to_all_pairs(void **state)
{
    (void)state;
    int n_cases = 1500, n_impossible = 0;
    uint64_t seed = tess_random_seed(9950000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_chains singles;
        struct tess_precedence precedence;
        bool is_possible;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_counted(&rng);
        int64_t limit = tess_brute_peak(graph) + tess_rng_int(&rng, -2, 4);
        assert_int_equal(tess_chains_single(&singles, graph, NULL), TESS_OK);
        assert_int_equal(tess_precedence_init(&precedence, &singles, NULL), TESS_OK);
        assert_int_equal(
            tess_precedence_force(&precedence, limit, INFINITY, &is_possible, NULL),
            TESS_OK);
        struct orders orders = {.graph = graph,
                                .visit = check_pairs,
                                .precedence = &precedence,
                                .limit = limit,
                                .seed = seed + (uint64_t)i};
        if (is_possible)
            visit_from(&orders, 0);
        else if (tess_brute_peak(graph) <= limit)
            fail_msg("seed %" PRIu64 ": there is an order", orders.seed);
        n_impossible += !is_possible;
        tess_precedence_release(&precedence);
        tess_chains_release(&singles);
        tess_task_graph_destroy(graph);
    }
    printf("%d graphs, %d limits shown to be too low\n", n_cases, n_impossible);
}

/* The columns of an order keep to all rows exactly if they say its peak, or more. */
static void check_columns(struct orders *orders)
{
    struct tess_order_programme *programme = orders->programme;
    struct tess_milp_limits limits;
    struct tess_milp_result result;
    double values[4096];
    int64_t peak;
    assert_in_range(tess_milp_n_columns(programme->milp), 1, 4096);
    if (orders->n_within++ % 7 != 0) /* enough of them */
        return;
    assert_int_equal(tess_peak_of_order(orders->graph, orders->order, &peak, NULL, NULL),
                     TESS_OK);
    tess_milp_limits_init(&limits);
    limits.seconds = 0;
    limits.incumbent = values;
    limits.without_presolve = limits.without_cuts = true;
    for (int64_t claimed = peak; claimed >= 0 && claimed >= peak - programme->unit_bytes;
         claimed -= programme->unit_bytes) {
        tess_order_programme_fill(programme, orders->order, claimed, values);
        assert_int_equal(tess_milp_solve(programme->milp, &limits, &result, NULL),
                         TESS_OK);
        if (result.has_solution != (claimed == peak))
            fail_msg("seed %" PRIu64 ": peak %" PRId64 ", columns say %" PRId64
                     " is %spossible",
                     orders->seed, peak, claimed, result.has_solution ? "" : "im");
    }
}

static void test_the_programme_says_what_orders_need(void **state)
{
    (void)state;
    int n_cases = tess_milp_is_available() ? 150 : 0;
    uint64_t seed = tess_random_seed(9960000, &n_cases);
    for (int i = 0; i < n_cases && tess_milp_is_available(); i++) {
        struct tess_rng rng;
        struct tess_chains singles;
        struct tess_precedence precedence;
        struct tess_order_programme programme;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_counted(&rng);
        assert_int_equal(tess_chains_single(&singles, graph, NULL), TESS_OK);
        assert_int_equal(tess_precedence_init(&precedence, &singles, NULL), TESS_OK);
        assert_int_equal(tess_order_programme_init(&programme, &precedence, 0,
                                                   TESS_TASKS_LIMIT_BYTES / 2, NULL),
                         TESS_OK);
        struct orders orders = {.graph = graph,
                                .visit = check_columns,
                                .programme = &programme,
                                .seed = seed + (uint64_t)i};
        visit_from(&orders, 0);
        tess_order_programme_release(&programme);
        tess_precedence_release(&precedence);
        tess_chains_release(&singles);
        tess_task_graph_destroy(graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_within_the_limit_keep_to_all_pairs),
        cmocka_unit_test(test_the_programme_says_what_orders_need),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
