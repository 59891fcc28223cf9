/* Rematerialization where memory is scarce: each allocation fails once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "remat/remat.h"
#include "tests/support/scarce_memory.h"

#ifdef HAS_SCARCE_MEMORY

/* a is read by b and by the last of a chain of n tasks; sizes fall after the middle. */
static struct tess_task_graph *make_graph(int n)
{
    struct tess_task_spec tasks[40] = {{0}};
    struct tess_tensor_spec tensors[40] = {{0}};
    int ids[40], inputs[40][2];
    struct tess_task_graph *graph = NULL;
    for (int i = 0; i < n; i++) {
        ids[i] = i;
        inputs[i][0] = i - 1;
        inputs[i][1] = 0;
        tensors[i].bytes = i == n / 2 ? 9 : 4;
        tasks[i] = (struct tess_task_spec){.n_inputs = i == n - 1 ? 2 : i > 0,
                                           .n_outputs = 1,
                                           .inputs = inputs[i],
                                           .outputs = &ids[i]};
    }
    struct tess_tasks_spec spec = {n, n, tasks, tensors};
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    return graph;
}

static enum tess_status fit(const struct tess_task_graph *graph,
                            const struct tess_remat_method *method, bool keeps_order,
                            int n_allocations)
{
    static const int64_t costs[40] = {3, 5};
    struct tess_remat_options options;
    struct tess_remat remat;
    tess_remat_options_init(&options);
    options.method = method;
    options.keeps_order = keeps_order;
    options.budget_percent = 0;
    options.budget_bytes = 13;
    options.seconds = 0.05;
    n_until_failure = n_allocations;
    enum tess_status status = tess_remat_init(&remat, graph, costs, &options, NULL);
    n_until_failure = -1;
    tess_remat_release(&remat);
    return status;
}

static void try_method(const char *name, bool keeps_order, int n_tasks)
{
    const struct tess_remat_method *method = tess_remat_method_find(name);
    struct tess_task_graph *graph = make_graph(n_tasks);
    int n_failures = 0;
    assert_non_null(method);
    for (enum tess_status status = TESS_E_NOMEM; status != TESS_OK; n_failures++) {
        long before = n_live;
        status = fit(graph, method, keeps_order, n_failures);
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        assert_int_equal(n_live, before);
        assert_true(n_failures < 3000);
    }
    assert_true(n_failures > 20);
    tess_task_graph_destroy(graph);
}

static void test_each_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    (void)state;
    try_method("exact", false, 8);
    try_method("greedy", false, 30);
    try_method("greedy", true, 30);
    try_method("moccasin", true, 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failing_allocation_is_reported_and_leaks_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif
