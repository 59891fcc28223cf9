/* Schedules of random graphs: every way to count, to align and to rewrite, checked. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schedule/check.h"
#include "schedule/schedule.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"
#include "tests/support/scarce_memory.h"

static void draw_options(struct tess_schedule_options *options, struct tess_rng *rng)
{
    const struct tess_order_method *const *methods = tess_order_methods();
    int n_methods = 0;
    while (methods[n_methods])
        n_methods++;
    tess_schedule_options_init(options);
    options->model = (enum tess_memory_model)tess_rng_int(rng, 0, 2);
    options->alignment = tess_rng_int(rng, 0, 1) ? 1 : 48;
    options->method = methods[tess_rng_int(rng, 0, n_methods - 1)];
    options->rewrites = tess_rng_int(rng, 0, 1) == 1;
    options->accumulator_factor = tess_rng_int(rng, 1, 4);
}

/* What the schedule says, against the checker and against all orders. */
static bool is_right(const struct tess_schedule *schedule,
                     const struct tess_schedule_options *options, int64_t brute_peak)
{
    const struct tess_order_result *result = &schedule->result;
    int64_t checked;
    if (tess_check_order(schedule->counted, schedule->order, &checked, NULL) != TESS_OK ||
        tess_check_places(schedule->counted, schedule->order, schedule->offsets,
                          schedule->arena_bytes, options->alignment, NULL) != TESS_OK)
        return false;
    bool is_exact = options->method == &tess_method_exact;
    return checked == result->peak_bytes && schedule->arena_bytes >= checked &&
           result->lower_bound_bytes <= result->peak_bytes &&
           brute_peak <= schedule->file_peak_bytes &&
           (options->rewrites || (brute_peak <= result->peak_bytes &&
                                  result->lower_bound_bytes <= brute_peak)) &&
           (!is_exact || result->peak_bytes <= brute_peak);
}

static void random_graphs_are_scheduled_as_told(void **state)
{
    (void)state;
    int n_cases = 6000;
    uint64_t seed = tess_random_seed(93, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_schedule_options options;
        struct tess_schedule schedule;
        struct tess_task_graph *counted = NULL;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = tess_random_tasks_create(9, &rng);
        draw_options(&options, &rng);
        assert_int_equal(tess_task_graph_count(graph, options.model, options.alignment,
                                               &counted, NULL),
                         TESS_OK);
        enum tess_status status = tess_schedule_init(&schedule, graph, &options, NULL);
        if (status != TESS_OK || !is_right(&schedule, &options, tess_brute_peak(counted)))
            fail_msg("seed %" PRIu64 ": %s, model %s, alignment %" PRId64 "%s",
                     seed + (uint64_t)i, options.method->name,
                     tess_memory_model_name(options.model), options.alignment,
                     options.rewrites ? ", rewritten" : "");
        tess_schedule_release(&schedule);
        tess_task_graph_destroy(counted);
        tess_task_graph_destroy(graph);
    }
}

static void a_graph_without_tasks_has_a_schedule(void **state)
{
    (void)state;
    const struct tess_tasks_spec none = {0, 0, NULL, NULL};
    for (int rewrites = 0; rewrites < 2; rewrites++) {
        struct tess_schedule_options options;
        struct tess_schedule schedule;
        struct tess_task_graph *graph = NULL;
        tess_schedule_options_init(&options);
        options.rewrites = rewrites == 1;
        assert_int_equal(tess_task_graph_create(&none, &graph, NULL, NULL), TESS_OK);
        assert_int_equal(tess_schedule_init(&schedule, graph, &options, NULL), TESS_OK);
        assert_int_equal(schedule.arena_bytes, 0);
        assert_true(schedule.result.is_proven);
        tess_schedule_release(&schedule);
        tess_task_graph_destroy(graph);
    }
}

static void sizes_too_large_to_be_aligned_are_refused(void **state)
{
    (void)state;
    const int output = 0;
    const struct tess_task_spec task = {.n_outputs = 1, .outputs = &output};
    const struct tess_tensor_spec tensor = {.bytes = TESS_TASKS_LIMIT_BYTES - 10};
    const struct tess_tasks_spec spec = {1, 1, &task, &tensor};
    struct tess_schedule_options options;
    struct tess_schedule schedule;
    struct tess_task_graph *graph = NULL;
    tess_schedule_options_init(&options);
    options.alignment = 1 << 20;
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    assert_int_equal(tess_schedule_init(&schedule, graph, &options, NULL), TESS_E_MODEL);
    tess_schedule_release(&schedule);
    options.alignment = 1;
    assert_int_equal(tess_schedule_init(&schedule, graph, &options, NULL), TESS_OK);
    assert_true(schedule.arena_bytes == TESS_TASKS_LIMIT_BYTES - 10);
    tess_schedule_release(&schedule);
    tess_task_graph_destroy(graph);
}

static void refused_memory_is_told_and_nothing_leaks(void **state)
{
    (void)state;
#ifdef HAS_SCARCE_MEMORY
    for (int rewrites = 0; rewrites < 2; rewrites++) {
        struct tess_schedule_options options;
        struct tess_schedule schedule;
        struct tess_rng rng;
        tess_rng_init(&rng, 7);
        struct tess_task_graph *graph = tess_random_tasks_create(8, &rng);
        tess_schedule_options_init(&options);
        options.model = TESS_MODEL_VIEW;
        options.rewrites = rewrites == 1;
        enum tess_status status = TESS_E_NOMEM;
        long n_allocations = 0;
        for (; status != TESS_OK; n_allocations++) {
            long n_live_before = n_live;
            n_until_failure = n_allocations;
            status = tess_schedule_init(&schedule, graph, &options, NULL);
            n_until_failure = -1;
            assert_true(status == TESS_OK || status == TESS_E_NOMEM);
            tess_schedule_release(&schedule);
            assert_int_equal(n_live, n_live_before);
        }
        assert_true(n_allocations > 20);
        tess_task_graph_destroy(graph);
    }
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_are_scheduled_as_told),
        cmocka_unit_test(a_graph_without_tasks_has_a_schedule),
        cmocka_unit_test(sizes_too_large_to_be_aligned_are_refused),
        cmocka_unit_test(refused_memory_is_told_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
