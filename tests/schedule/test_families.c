/* The methods on graphs that look like networks, and on random layers: valid orders, bounds that
 * hold, the same order twice, limits of time and memory that are kept.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "schedule/beam.h"
#include "schedule/check.h"
#include "schedule/ordering.h"
#include "tests/support/graph_families.h"

static struct tess_task_graph *counted(const char *family, uint64_t seed,
                                       enum tess_memory_model model)
{
    struct tess_task_graph *graph = graph_family_create(family, seed), *result = NULL;
    assert_non_null(graph);
    assert_int_equal(tess_task_graph_count(graph, model, 1, &result, NULL), TESS_OK);
    tess_task_graph_destroy(graph);
    return result;
}

/* Runs a method and checks what it says of itself; the order is the caller's to free. */
static struct tess_order_result checked_run(const struct tess_order_method *method,
                                            const struct tess_task_graph *graph,
                                            const struct tess_order_limits *limits)
{
    struct tess_order_result result = {0};
    int64_t peak;
    result.order = malloc(sizeof *result.order * (size_t)(graph->n_tasks + 1));
    assert_non_null(result.order);
    assert_int_equal(method->run(graph, limits, &result, NULL), TESS_OK);
    assert_int_equal(tess_check_order(graph, result.order, &peak, NULL), TESS_OK);
    assert_int_equal(peak, result.peak_bytes);
    assert_true(result.lower_bound_bytes <= peak);
    assert_int_equal(result.is_proven, result.lower_bound_bytes == peak);
    return result;
}

static void test_networks_are_solved_and_in_the_same_way_twice(void **state)
{
    (void)state;
    struct tess_order_limits limits;
    tess_order_limits_init(&limits);
    for (int i = 0; graph_families[i].name; i++) {
        if (!graph_families[i].is_network)
            continue;
        for (int model = TESS_MODEL_BASE; model <= TESS_MODEL_VIEW; model++) {
            struct tess_task_graph *graph =
                counted(graph_families[i].name, 101, (enum tess_memory_model)model);
            struct tess_order_result first, second;
            first = checked_run(&tess_method_exact, graph, &limits);
            second = checked_run(&tess_method_exact, graph, &limits);
            if (!first.is_proven)
                fail_msg("%s is not proven", graph_families[i].name);
            assert_memory_equal(first.order, second.order,
                                sizeof *first.order * (size_t)graph->n_tasks);
            free(first.order);
            free(second.order);
            tess_task_graph_destroy(graph);
        }
    }
}

/* More states on the way than its table holds: of old ones it must not be reminded. */
static void test_a_beam_comes_to_the_end_of_a_long_graph(void **state)
{
    (void)state;
    struct tess_task_graph *graph = counted("layered", 4, TESS_MODEL_BASE);
    struct tess_chains chains;
    assert_int_equal(tess_chains_fuse(&chains, graph, NULL), TESS_OK);
    assert_true(chains.n_chains > 100);
    struct tess_beam beam = {.chains = &chains,
                             .width = 512,
                             .upper_bytes = INT64_MAX,
                             .memory_bytes = INT64_C(1) << 30,
                             .deadline_us = tess_clock_us() + 60e6};
    int *chain_order = malloc(sizeof *chain_order * (size_t)chains.n_chains);
    int *order = malloc(sizeof *order * (size_t)graph->n_tasks);
    bool is_found = false;
    int64_t peak;
    assert_true(chain_order && order);
    assert_int_equal(tess_beam_search(&beam, chain_order, &is_found, NULL), TESS_OK);
    assert_true(is_found);
    tess_chains_expand(&chains, chain_order, order);
    assert_int_equal(tess_check_order(graph, order, &peak, NULL), TESS_OK);
    free(chain_order);
    free(order);
    tess_chains_release(&chains);
    tess_task_graph_destroy(graph);
}

/* With little time every method still has an answer, soon: generous, for slow machines. */
static void test_methods_keep_their_time_limit(void **state)
{
    (void)state;
    struct tess_order_limits limits;
    tess_order_limits_init(&limits);
    limits.seconds = 0.5;
    struct tess_task_graph *graph = counted("layered_large", 1, TESS_MODEL_BASE);
    const struct tess_order_method *const *method = tess_order_methods();
    for (; *method; method++) {
        double start_us = tess_clock_us();
        struct tess_order_result result = checked_run(*method, graph, &limits);
        double seconds = (tess_clock_us() - start_us) / 1e6;
        if (seconds > 3)
            fail_msg("%s took %.2f s", (*method)->name, seconds);
        free(result.order);
    }
    tess_task_graph_destroy(graph);
}

/* Grows by no more than its limit and what the graph itself takes. Sanitizers take memory, too,
 * and the largest is known per process only: each method gets one.
 */
static void test_methods_keep_their_memory_limit(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    static const struct tess_order_method *const methods[] = {&tess_method_exact,
                                                              &tess_method_serenity};
    enum { LIMIT_MIB = 16, GRAPH_MIB = 3 };
    struct tess_task_graph *graph = counted("layered", 4, TESS_MODEL_BASE);
    struct tess_order_limits limits;
    tess_order_limits_init(&limits);
    limits.memory_bytes = INT64_C(1) << 20;
    limits.memory_bytes *= LIMIT_MIB;
    limits.parts_off = TESS_ORDER_WINDOWS; /* which would go on until the time is up */
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct rusage before, after;
            getrusage(RUSAGE_SELF, &before);
            struct tess_order_result result = checked_run(methods[i], graph, &limits);
            getrusage(RUSAGE_SELF, &after);
            printf("%s: %" PRId64 " states, %ld KiB more\n", methods[i]->name,
                   result.n_expanded, after.ru_maxrss - before.ru_maxrss);
            fflush(stdout);
            _exit(after.ru_maxrss - before.ru_maxrss > (LIMIT_MIB + GRAPH_MIB) * 1024);
        }
        int code;
        assert_int_equal(waitpid(child, &code, 0), child);
        assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
    }
    tess_task_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods_keep_their_memory_limit), /* while it is small */
        cmocka_unit_test(test_networks_are_solved_and_in_the_same_way_twice),
        cmocka_unit_test(test_a_beam_comes_to_the_end_of_a_long_graph),
        cmocka_unit_test(test_methods_keep_their_time_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
