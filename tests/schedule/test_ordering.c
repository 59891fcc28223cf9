/* Orders of random small graphs against brute force: the short tier. */
#include "tests/schedule/order_trials.h"

static void test_exact_and_serenity_find_the_best_order(void **state)
{
    (void)state;
    try_methods(9, 1000, 9700000);
}

static void test_methods_are_found_by_name(void **state)
{
    (void)state;
    const struct tess_order_method *const *methods = tess_order_methods();
    assert_ptr_equal(methods[0], &tess_method_exact);
    assert_ptr_equal(tess_order_method_find(methods, "serenity"), &tess_method_serenity);
    assert_null(tess_order_method_find(methods, "magic"));
}

static void test_a_graph_without_tasks_has_an_order(void **state)
{
    (void)state;
    struct tess_tensor_spec tensors[] = {{8, true, true}, {9, true, false}};
    struct tess_tasks_spec spec = {0, 2, NULL, tensors};
    struct tess_task_graph *graph = NULL;
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    const struct tess_order_method *const *methods = tess_order_methods();
    for (; *methods; methods++)
        assert_int_equal(checked_peak(*methods, graph, 8, 0), 8);
    tess_task_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_and_serenity_find_the_best_order),
        cmocka_unit_test(test_methods_are_found_by_name),
        cmocka_unit_test(test_a_graph_without_tasks_has_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
