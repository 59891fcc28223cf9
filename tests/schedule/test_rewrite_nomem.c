/* Rewriting while memory runs out, at each allocation once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "schedule/rewrite_search.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

/* in (1) -> a, b, d (4 each) -> concat ab (8), concat abd (12) -> relu (12) -> y (2), z (1). */
static struct tess_task_graph *create_graph(void)
{
    static const int ids[] = {0, 1, 2, 3, 4, 5, 6, 7, 8};
    static const int parts[] = {4, 3};
    static const struct tess_task_spec tasks[] = {
        {TESS_TASK_SUMS, 1, 1, &ids[0], &ids[1]},
        {TESS_TASK_SUMS, 1, 1, &ids[0], &ids[2]},
        {TESS_TASK_SUMS, 1, 1, &ids[0], &ids[3]},
        {TESS_TASK_CONCAT, 2, 1, &ids[1], &ids[4]},
        {TESS_TASK_CONCAT, 2, 1, parts, &ids[5]},
        {TESS_TASK_PARTWISE | TESS_TASK_OVERWRITES, 1, 1, &ids[5], &ids[6]},
        {TESS_TASK_SUMS, 1, 1, &ids[6], &ids[7]},
        {TESS_TASK_SUMS, 1, 1, &ids[6], &ids[8]},
    };
    static const struct tess_tensor_spec tensors[] = {
        {1, true, false},   {4, false, false}, {4, false, false},
        {4, false, false},  {8, false, false}, {12, false, false},
        {12, false, false}, {2, false, true},  {1, false, true},
    };
    struct tess_tasks_spec spec = {8, 9, tasks, tensors};
    struct tess_task_graph *graph = NULL;
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    return graph;
}

static void test_finding_survives_every_refusal(void **state)
{
    (void)state;
    struct tess_task_graph *graph = create_graph();
    enum tess_status status = TESS_E_NOMEM;
    long n_refusals = 0;
    for (; status != TESS_OK; n_refusals++) {
        struct tess_rewrite_options options;
        struct tess_rewrite_found found;
        struct tess_error error;
        long n_before = n_live;
        tess_error_init(&error);
        tess_rewrite_options_init(&options);
        options.accumulator_factor = 2;
        n_until_failure = n_refusals;
        status = tess_rewrite_find(&found, graph, &options, &error);
        n_until_failure = -1;
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        assert_int_equal(error.status, status);
        if (status == TESS_OK)
            assert_int_equal(found.rewritten.n_dissolved, 2);
        tess_rewrite_found_release(&found);
        assert_int_equal(n_live, n_before);
    }
    tess_task_graph_destroy(graph);
    printf("%ld refusals\n", n_refusals - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finding_survives_every_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: allocations cannot be refused in this build");
    return 0;
}

#endif
