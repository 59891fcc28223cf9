/* Methods against brute force, for the short and the long tier. */
#ifndef TESS_TESTS_SCHEDULE_ORDER_TRIALS_H
#define TESS_TESTS_SCHEDULE_ORDER_TRIALS_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "schedule/check.h"
#include "schedule/ordering.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"

/* Runs a method on a graph of at most 16 tasks: a valid order, checked by the checker, and
 * bounds that hold. Returns the peak. */
static int64_t checked_peak(const struct tess_order_method *method,
                            const struct tess_task_graph *graph, int64_t brute_peak,
                            unsigned parts_off)
{
    int order[16];
    struct tess_order_result result = {.order = order};
    struct tess_order_limits limits;
    int64_t checked;
    tess_order_limits_init(&limits);
    limits.parts_off = parts_off;
    assert_int_equal(method->run(graph, &limits, &result, NULL), TESS_OK);
    assert_int_equal(tess_check_order(graph, order, &checked, NULL), TESS_OK);
    assert_int_equal(checked, result.peak_bytes);
    assert_true(result.lower_bound_bytes <= brute_peak);
    assert_true(brute_peak <= result.peak_bytes);
    assert_int_equal(result.is_proven, result.lower_bound_bytes == result.peak_bytes);
    return result.peak_bytes;
}

/* Draws the case's graph, counted by a model and aligned in one of several ways. */
static struct tess_task_graph *random_counted(int max_tasks, uint64_t seed)
{
    struct tess_rng rng;
    struct tess_task_graph *graph, *counted = NULL;
    tess_rng_init(&rng, seed);
    graph = tess_random_tasks_create(max_tasks, &rng);
    enum tess_memory_model model = (enum tess_memory_model)tess_rng_int(&rng, 0, 2);
    int64_t alignment = tess_rng_int(&rng, 0, 1) ? 1 : 96;
    assert_int_equal(tess_task_graph_count(graph, model, alignment, &counted, NULL),
                     TESS_OK);
    tess_task_graph_assert_valid(counted);
    tess_task_graph_destroy(graph);
    return counted;
}

static void try_methods(int max_tasks, int n_cases, uint64_t first_seed)
{
    uint64_t seed = tess_random_seed(first_seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_task_graph *graph = random_counted(max_tasks, seed + (uint64_t)i);
        int64_t brute = tess_brute_peak(graph);
        /* Bare searches as well: quick bounds hide mistakes of what comes after them. */
        unsigned bare = TESS_ORDER_BEAM | TESS_ORDER_CLIMB | TESS_ORDER_CUTS;
        unsigned parts_off = (unsigned)i * 2654435761U >> 24 & 63;
        int64_t exact = checked_peak(&tess_method_exact, graph, brute, 0);
        int64_t alone = checked_peak(&tess_method_exact, graph, brute, bare);
        int64_t mixed = checked_peak(&tess_method_exact, graph, brute, parts_off);
        int64_t serenity = checked_peak(&tess_method_serenity, graph, brute, 0);
        if (exact != brute || alone != brute || mixed != brute || serenity != brute)
            fail_msg("seed %" PRIu64 ", parts off %u: best %" PRId64 ", exact %" PRId64
                     " %" PRId64 " %" PRId64 ", serenity %" PRId64,
                     seed + (uint64_t)i, parts_off, brute, exact, alone, mixed, serenity);
        const struct tess_order_method *const *methods = tess_order_methods();
        for (; *methods; methods++)
            checked_peak(*methods, graph, brute, 0);
        tess_task_graph_destroy(graph);
    }
    printf("%d graphs of up to %d tasks: exact and serenity found the best order\n",
           n_cases, max_tasks);
}

#endif
