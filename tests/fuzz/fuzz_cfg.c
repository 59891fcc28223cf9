/* Any bytes as a cfg: an error with a place, or a graph that keeps every promise. */
#include <assert.h>
#include <string.h>

#include "model/darknet.h"
#include "tests/fuzz/fuzz_target.h"

enum { LIMIT_CHECKED_OPS = 200 }; /* the check of consumers is quadratic */

static void try_cuts(const struct tess_graph *graph)
{
    const int n = graph->n_layers;
    const int ranges[][2] = {{0, n - 1}, {n / 2, n - 1}, {0, n / 2}, {n / 3, n / 2}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        struct tess_graph *part = NULL;
        struct tess_error error;
        tess_error_init(&error);
        enum tess_status status =
            tess_graph_cut(graph, ranges[i][0], ranges[i][1], &part, &error);
        assert((status == TESS_OK) == (part != NULL));
        if (part)
            tess_graph_assert_valid(part);
        tess_graph_destroy(part);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tess_graph *graph = NULL;
    struct tess_text warnings = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = tess_darknet_parse((const char *)data, size, "fuzz.cfg",
                                                 &graph, &warnings, &error);
    if (status == TESS_OK) {
        assert(graph && error.status == TESS_OK && graph->n_ops > 0);
        if (graph->n_ops <= LIMIT_CHECKED_OPS) {
            tess_graph_assert_valid(graph);
            try_cuts(graph);
        }
    } else {
        assert(!graph && error.status == status);
        assert(error.message[0] && !strchr(error.message, '\n'));
    }
    tess_graph_destroy(graph);
    tess_text_release(&warnings);
    return 0;
}
