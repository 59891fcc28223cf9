/* Division into parts: the best orders of the parts make a best order of the whole. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "planner/order_parts.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

/* A valid order drawn at random. */
static void draw_order(const struct tess_task_graph *graph, struct tess_rng *rng,
                       int *order_out)
{
    bool has_run[16] = {false};
    for (int at = 0; at < graph->n_tasks; at++) {
        int ready[16], n_ready = 0;
        for (int i = 0; i < graph->n_tasks; i++) {
            bool is_ready = !has_run[i];
            for (int k = 0; k < graph->tasks[i].n_before; k++)
                is_ready = is_ready && has_run[graph->tasks[i].before[k]];
            if (is_ready)
                ready[n_ready++] = i;
        }
        order_out[at] = ready[tess_rng_int(rng, 0, n_ready - 1)];
        has_run[order_out[at]] = true;
    }
}

static int64_t best_of_parts(const struct tess_task_graph *graph, const int *order,
                             const bool *is_divided, int *n_parts)
{
    int64_t highest = 0;
    for (int begin = 0, at = 1; at <= graph->n_tasks; at++) {
        struct tess_task_graph *part = NULL;
        if (!is_divided[at])
            continue;
        assert_int_equal(tess_order_part_create(graph, order, begin, at, 1, &part, NULL),
                         TESS_OK);
        tess_task_graph_assert_valid(part);
        int64_t best = tess_brute_peak(part);
        highest = best > highest ? best : highest;
        tess_task_graph_destroy(part);
        begin = at;
        ++*n_parts;
    }
    return highest;
}

static void test_the_parts_best_orders_are_the_best_order(void **state)
{
    (void)state;
    int n_cases = 3000, n_parts = 0;
    uint64_t seed = tess_random_seed(9940000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_task_graph *graph = NULL;
        struct tess_chains singles;
        int order[16];
        bool is_divided[17];
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *drawn = tess_random_tasks_create(10, &rng);
        enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(&rng, 0, 2);
        assert_int_equal(tess_task_graph_count(drawn, model, 1, &graph, NULL), TESS_OK);
        draw_order(graph, &rng, order);
        assert_int_equal(tess_chains_single(&singles, graph, NULL), TESS_OK);
        assert_int_equal(tess_order_divide(&singles, order, INFINITY, is_divided, NULL),
                         TESS_OK);
        int64_t parts = best_of_parts(graph, order, is_divided, &n_parts);
        if (parts != tess_brute_peak(graph))
            fail_msg("seed %" PRIu64 ": best %" PRId64 ", of its parts %" PRId64,
                     seed + (uint64_t)i, tess_brute_peak(graph), parts);
        tess_chains_release(&singles);
        tess_task_graph_destroy(graph);
        tess_task_graph_destroy(drawn);
    }
    printf("%d graphs in %d parts\n", n_cases, n_parts);
    assert_true(n_parts > n_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_parts_best_orders_are_the_best_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
