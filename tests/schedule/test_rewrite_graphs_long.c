/* What rewriting makes of published networks, if TESS_GRAPHS_DIR names a folder that has them. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "planner/graph_file.h"
#include "schedule/blocks.h"
#include "schedule/check.h"
#include "schedule/placement.h"
#include "schedule/rewrite_search.h"
#include "tests/support/symbolic_tasks.h"

struct known {
    const char *file;
    enum tess_memory_model model;
    int64_t peak_bytes; /* at most this, not aligned, and as large an arena */
};

/* Ahn et al., "Ordering Chaos", MLSys 2020, report arenas of 226, 72 and 20 KB for the cells and
 * 188.2 KB of tensors for the first. */
static const struct known knowns[] = {
    {"swiftnet_cellA", TESS_MODEL_VIEW, 188160},
    {"swiftnet_cellA", TESS_MODEL_INPLACE, 188160},
    {"swiftnet_cellB", TESS_MODEL_VIEW, 53312},
    {"swiftnet_cellB", TESS_MODEL_INPLACE, 53312},
    {"swiftnet_cellC", TESS_MODEL_VIEW, 16856},
    {"swiftnet_cellC", TESS_MODEL_INPLACE, 16856},
    {"swiftnet_hpd", TESS_MODEL_VIEW, 200704},
    {"swiftnet_hpd", TESS_MODEL_INPLACE, 200704},
    {"unetpp_256", TESS_MODEL_VIEW, 12582912},
    {"unetpp_256", TESS_MODEL_INPLACE, 12582912},
    {"hmcos_darts_cifar", TESS_MODEL_INPLACE, 1401408},
    {"hmcos_nasnet_cifar", TESS_MODEL_INPLACE, 1786624},
    {"densenet121", TESS_MODEL_INPLACE, 1304576},
};

/* The bytes of an arena for the order found, checked. */
static int64_t arena_bytes(const struct tess_rewrite_found *found, int64_t alignment)
{
    const struct tess_task_graph *graph = found->counted;
    struct tess_placement placement;
    struct tess_blocks blocks;
    int64_t *offsets = calloc((size_t)graph->n_tensors + 1, sizeof *offsets);
    assert_non_null(offsets);
    tess_placement_init(&placement);
    placement.alignment = alignment;
    assert_int_equal(tess_blocks_init(&blocks, graph, found->order.order, NULL), TESS_OK);
    assert_int_equal(
        tess_placement_find(&placement, blocks.blocks, blocks.n_blocks, NULL), TESS_OK);
    tess_blocks_offsets(&blocks, graph, offsets);
    assert_int_equal(tess_check_places(graph, found->order.order, offsets,
                                       placement.arena_bytes, placement.alignment, NULL),
                     TESS_OK);
    tess_blocks_release(&blocks);
    free(offsets);
    return placement.arena_bytes;
}

static void check_graph(const struct known *known, const struct tess_task_graph *graph,
                        int64_t alignment)
{
    struct tess_rewrite_options options;
    struct tess_rewrite_found found;
    int64_t peak;
    tess_rewrite_options_init(&options);
    options.model = known->model;
    options.alignment = alignment;
    double start_us = tess_clock_us();
    assert_int_equal(tess_rewrite_find(&found, graph, &options, NULL), TESS_OK);
    double seconds = (tess_clock_us() - start_us) * 1e-6;
    assert_true(tess_is_same_function(graph, &found.rewritten));
    assert_int_equal(tess_check_order(found.counted, found.order.order, &peak, NULL),
                     TESS_OK);
    int64_t arena = arena_bytes(&found, alignment);
    printf("%-20s %-8s align %2d: %9" PRId64 " -> %9" PRId64 ", arena %9" PRId64
           ", %2d of %2d concats gone, %.3f s\n",
           known->file, tess_memory_model_name(known->model), (int)alignment,
           found.plain_bytes, peak, arena, found.rewritten.n_dissolved, found.n_sites,
           seconds);
    assert_int_equal(peak, found.order.peak_bytes);
    assert_true(found.order.is_proven);
    assert_int_equal(arena, peak);
    if (alignment == 1)
        assert_true(peak <= known->peak_bytes);
    tess_rewrite_found_release(&found);
}

static void test_published_networks_reach_their_peaks(void **state)
{
    (void)state;
    const char *folder = getenv("TESS_GRAPHS_DIR");
    if (!folder) {
        print_message("skipped: TESS_GRAPHS_DIR is not set\n");
        skip();
    }
    for (size_t i = 0; i < sizeof knowns / sizeof *knowns; i++) {
        struct tess_graph_file file;
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.json", folder, knowns[i].file);
        assert_int_equal(tess_graph_file_read(&file, path, NULL), TESS_OK);
        check_graph(&knowns[i], file.graph, 1);
        check_graph(&knowns[i], file.graph, 64);
        tess_graph_file_release(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_networks_reach_their_peaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
