/* Every folder of tests/cases/cfg: input.cfg and what it must give, `error` or `dump`. */
#include "tests/model/model_testing.h"
#include "tests/support/recorded_cases.h"

static void check_case(const char *folder, void *context)
{
    (void)context;
    struct tess_graph *graph = NULL;
    struct tess_text found = {0}, warnings = {0};
    struct tess_error error;
    tess_error_init(&error);
    struct tess_text cfg = recorded_input(folder, "input.cfg");
    enum tess_status status = tess_darknet_parse(tess_text_string(&cfg), cfg.len,
                                                 "input.cfg", &graph, &warnings, &error);
    print_message("%s\n", folder);
    if (status == TESS_OK) {
        tess_graph_assert_valid(graph);
        testing_dump(&found, graph);
        tess_text_append(&found, tess_text_string(&warnings), warnings.len);
    } else {
        assert_int_equal(status, TESS_E_MODEL);
        assert_int_equal(error.status, TESS_E_MODEL);
        assert_null(graph);
        testing_print_error(&found, &error);
    }
    recorded_expect(folder, status == TESS_OK ? "dump" : "error", &found);
    tess_graph_destroy(graph);
    tess_text_release(&cfg);
    tess_text_release(&found);
    tess_text_release(&warnings);
}

static void test_every_case_gives_its_error_or_dump(void **state)
{
    (void)state;
    assert_true(recorded_each("tests/cases/cfg", check_case, NULL) >= 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_case_gives_its_error_or_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
