/* Recorded cases: tests/cases/graph/NAME/input.json, and the error or the dump of what is read. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "planner/graph_file.h"
#include "tests/support/recorded_cases.h"
#include "tests/support/scarce_memory.h"

static void put_list(struct tess_text *text, const char *what,
                     const struct tess_graph_file *file, const int *list, int n)
{
    tess_text_printf(text, " %s", what);
    for (int i = 0; i < n; i++)
        tess_text_printf(text, " %d", file->tensors[list[i]].id);
}

static void dump(const struct tess_graph_file *file, struct tess_text *text)
{
    const struct tess_task_graph *graph = file->graph;
    tess_text_printf(text, "graph \"%s\"\n", file->name);
    for (int i = 0; i < graph->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[i];
        tess_text_printf(
            text, "node %d \"%s\" %s cost %" PRId64 " flags %u:", file->tasks[i].id,
            file->tasks[i].name, file->tasks[i].op, file->tasks[i].cost, task->flags);
        put_list(text, "reads", file, task->inputs, task->n_inputs);
        put_list(text, "writes", file, task->outputs, task->n_outputs);
        tess_text_printf(text, "\n");
    }
    for (int t = 0; t < graph->n_tensors; t++)
        tess_text_printf(text, "tensor %d \"%s\" %" PRId64 "%s%s\n", file->tensors[t].id,
                         file->tensors[t].name, graph->tensors[t].bytes,
                         graph->tensors[t].is_input ? " input" : "",
                         graph->tensors[t].is_retained ? " output" : "");
}

static enum tess_status parse(struct tess_graph_file *file, const struct tess_text *text,
                              struct tess_error *error)
{
    tess_error_init(error);
    return tess_graph_file_parse(file, tess_text_string(text), text->len, "input.json",
                                 error);
}

static void run_case(const char *folder, void *context)
{
    (void)context;
    const char *name = strrchr(folder, '/') + 1;
    struct tess_text input = recorded_input(folder, "input.json"), got = {0};
    struct tess_graph_file file;
    struct tess_error error;
    enum tess_status status = parse(&file, &input, &error);
    assert_int_equal(error.status, status);
    if (status == TESS_OK) {
        tess_task_graph_assert_valid(file.graph);
        dump(&file, &got);
    } else {
        assert_int_equal(status, TESS_E_CONFIG);
        assert_true(error.line > 0 && error.col > 0 && error.hint[0]);
        recorded_put_error(&error, &got);
    }
    assert_int_equal(status == TESS_OK, strncmp(name, "fine", 4) == 0);
    recorded_expect(folder, status == TESS_OK ? "dump" : "error", &got);
    tess_graph_file_release(&file);
    tess_text_release(&input);
    tess_text_release(&got);
}

static void every_recorded_case_reads_as_recorded(void **state)
{
    (void)state;
    assert_true(recorded_each("tests/cases/graph", run_case, NULL) > 100);
}

/* Cut off anywhere, a graph is an error with a place, or is whole. */
static void every_beginning_of_a_graph_gives_an_error_with_a_place(void **state)
{
    (void)state;
    struct tess_text input = {0};
    struct tess_graph_file file;
    struct tess_error error;
    assert_int_equal(
        tess_file_read("tests/cases/graph/fine/input.json", 1 << 20, &input, NULL),
        TESS_OK);
    size_t n_whole = input.len;
    for (size_t n = 0; n < n_whole - 2; n++) {
        char *exact = malloc(n + 1); /* no byte to spare: overruns show */
        assert_non_null(exact);
        memcpy(exact, input.data, n);
        tess_error_init(&error);
        assert_int_equal(tess_graph_file_parse(&file, exact, n, "x", &error),
                         TESS_E_CONFIG);
        assert_true(error.line > 0 && error.col > 0);
        tess_graph_file_release(&file);
        free(exact);
    }
    tess_text_release(&input);
}

static void put_graph_of_shared_tensor(int n_writers, int n_readers,
                                       struct tess_text *text)
{
    tess_text_printf(text, "{\"inputs\":[],\"outputs\":[],\"nodes\":[");
    for (int i = 0; i < n_writers + n_readers; i++)
        tess_text_printf(
            text, "%s{\"id\":%d,\"op\":\"x\",\"inputs\":[%s],\"outputs\":[%s]}",
            i ? "," : "", i, i < n_writers ? "" : "0", i < n_writers ? "0" : "");
    tess_text_printf(text, "],\"tensors\":[{\"id\":0,\"bytes\":1}]}");
}

/* Each of the readers needs each of the writers. */
static void more_dependencies_than_memory_holds_are_refused(void **state)
{
    (void)state;
    struct tess_text text = {0};
    struct tess_graph_file file;
    struct tess_error error;
    put_graph_of_shared_tensor(50000, 50000, &text);
    assert_int_equal(parse(&file, &text, &error), TESS_E_CONFIG);
    assert_string_equal(error.message,
                        "more than 8388608 pairs of tasks need each other");
    tess_graph_file_release(&file);
    tess_text_release(&text);
    put_graph_of_shared_tensor(300, 300, &text);
    assert_int_equal(parse(&file, &text, &error), TESS_OK);
    tess_graph_file_release(&file);
    tess_text_release(&text);
}

static void refused_memory_is_told_and_nothing_leaks(void **state)
{
    (void)state;
#ifdef HAS_SCARCE_MEMORY
    struct tess_text input = {0};
    struct tess_graph_file file;
    struct tess_error error;
    assert_int_equal(
        tess_file_read("tests/cases/graph/fine/input.json", 1 << 20, &input, NULL),
        TESS_OK);
    enum tess_status status = TESS_E_NOMEM;
    long n_allocations = 0;
    for (; status != TESS_OK; n_allocations++) {
        long n_live_before = n_live;
        n_until_failure = n_allocations;
        status = parse(&file, &input, &error);
        n_until_failure = -1;
        assert_true(status == TESS_OK || status == TESS_E_NOMEM);
        tess_graph_file_release(&file);
        assert_int_equal(n_live, n_live_before);
    }
    assert_true(n_allocations > 30);
    tess_text_release(&input);
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_case_reads_as_recorded),
        cmocka_unit_test(every_beginning_of_a_graph_gives_an_error_with_a_place),
        cmocka_unit_test(more_dependencies_than_memory_holds_are_refused),
        cmocka_unit_test(refused_memory_is_told_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
