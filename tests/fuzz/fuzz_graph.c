/* Any bytes as a task graph: an error with a place, or a graph that holds its promises, can be
 * counted by every model and put into file order. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "planner/graph_file.h"
#include "schedule/check.h"
#include "schedule/peak.h"
#include "tests/fuzz/fuzz_target.h"

static void try_model(const struct tess_task_graph *graph, enum tess_memory_model model)
{
    struct tess_task_graph *counted = NULL;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_task_graph_count(graph, model, 16, &counted, &error);
    assert(error.status == status && (status == TESS_OK) == (counted != NULL));
    if (!counted) {
        assert(status == TESS_E_MODEL && error.message[0]);
        return;
    }
    tess_task_graph_assert_valid(counted);
    int *order = malloc(sizeof *order * (size_t)(counted->n_tasks + 1));
    int64_t peak, checked_peak;
    if (!order)
        abort();
    status = tess_task_graph_file_order(counted, order, NULL);
    assert(status == TESS_OK);
    status = tess_peak_of_order(counted, order, &peak, NULL, NULL);
    assert(status == TESS_OK);
    status = tess_check_order(counted, order, &checked_peak, NULL);
    assert(status == TESS_OK && checked_peak == peak);
    assert(tess_peak_trivial_bound(counted) <= peak);
    free(order);
    tess_task_graph_destroy(counted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tess_graph_file file;
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_graph_file_parse(&file, (const char *)data, size, "fuzz.json", &error);
    assert(error.status == status && (status == TESS_OK) == (file.graph != NULL));
    if (status == TESS_OK) {
        tess_task_graph_assert_valid(file.graph);
        for (int model = TESS_MODEL_BASE; model <= TESS_MODEL_VIEW; model++)
            try_model(file.graph, (enum tess_memory_model)model);
    } else {
        assert(status == TESS_E_CONFIG);
        assert(strcmp(error.file, "fuzz.json") == 0 && error.line > 0 && error.col > 0);
        assert(error.message[0] && !strchr(error.message, '\n') && error.hint[0] &&
               !strchr(error.hint, '\n'));
    }
    tess_graph_file_release(&file);
    return 0;
}
