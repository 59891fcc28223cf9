/* Reading and writing while memory runs out, at each allocation once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/plan_text.h"
#include "plan/profile.h"
#include "tests/plan/sample_graph.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

static const char plan_text[] =
    "plan: 1\nmodel: sample\nbudget: 64M\ngroups:\n"
    "  - {layers: [4, 8], grid: 2x2}\n  - {ops: 10, predicted_ms: 3}\n"
    "schedule: [0..4, 8, 9, 5, 6, 10..13]\ncopies: [10]\npredicted: {time_ms: 1}\n";

static void reading_a_plan_survives_every_refusal(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    enum tess_status status = TESS_E_NOMEM;
    long n_allocations = 0;
    while (status != TESS_OK) {
        struct tess_plan *plan = NULL;
        struct tess_error error;
        tess_error_init(&error);
        long n_before = n_live;
        n_until_failure = n_allocations++;
        status =
            tess_plan_read(plan_text, sizeof plan_text - 1, "p", graph, &plan, &error);
        n_until_failure = -1;
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        assert_true((plan != NULL) == (status == TESS_OK) && error.status == status);
        tess_plan_destroy(plan);
        assert_true(n_live == n_before);
    }
    assert_true(n_allocations > 50);
    tess_graph_destroy(graph);
}

static void a_plan_written_without_memory_is_a_broken_text(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan = NULL;
    assert_int_equal(
        tess_plan_read(plan_text, sizeof plan_text - 1, "p", graph, &plan, NULL),
        TESS_OK);
    for (long n = 0, is_broken = 1; is_broken; n++) {
        struct tess_text text;
        tess_text_init(&text);
        n_until_failure = n;
        tess_plan_write(plan, graph, &text);
        n_until_failure = -1;
        is_broken = text.is_broken;
        assert_true(is_broken || n > 0);
        tess_text_release(&text);
    }
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
}

static void reading_a_profile_survives_every_refusal(void **state)
{
    (void)state;
    static const char text[] = "profile: 1\ndevice: x\nmacs_per_us: {conv_wide: 1}\n";
    enum tess_status status = TESS_E_NOMEM;
    for (long n = 0; status != TESS_OK; n++) {
        struct tess_profile profile;
        long n_before = n_live;
        n_until_failure = n;
        status = tess_profile_read(text, sizeof text - 1, "p", &profile, NULL);
        n_until_failure = -1;
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        assert_true(n_live == n_before);
    }
}

static int read_once(void **state)
{
    /* What the C library keeps for good (the locale of numbers) is no leak. */
    double value;
    (void)state;
    return tess_parse_double("1.5", &value) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_a_plan_survives_every_refusal),
        cmocka_unit_test(a_plan_written_without_memory_is_a_broken_text),
        cmocka_unit_test(reading_a_profile_survives_every_refusal),
    };
    return cmocka_run_group_tests(tests, read_once, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
