/* Stages tile by tile, each tile a network of its own, against the whole network: every map that
 * crosses a cut has the same bits. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/rng.h"
#include "executor/bundle_maps.h"
#include "executor/executor.h"
#include "model/compiled.h"
#include "model/darknet.h"
#include "model/synth.h"
#include "model/weights.h"
#include "partition/tile_graph.h"
#include "plan/verify.h"
#include "planner/planner.h"
#include "tests/support/made_up_weights.h"
#include "tests/support/network_maps.h"
#include "tests/support/random_net.h"
#include "tests/support/reduced_net.h"
#include "tests/support/stage_cuts.h"

/* Whose weights a run takes. */
struct origin {
    const struct tess_graph *whole;
    const int *origins; /* NULL: the graph run is the whole one */
    const struct tess_compiled
        *compiled; /* where packed weights come from, if not NULL */
};

/* Runs the maps' graph as planned; all->maps[TESS_GRAPH_INPUT] is its input. */
static void run(const struct tess_kernel_family *family, const struct tess_plan *plan,
                struct origin weights, struct tess_network_maps *all)
{
    struct tess_error error;
    struct tess_layout *layout = NULL;
    struct tess_verdict verdict;
    struct tess_executor *executor = NULL;
    struct tess_row_source input = tess_network_maps_input(all);
    struct tess_observer observer = tess_network_maps_observer(all);
    struct tess_made_up_weights of_whole = {.graph = weights.whole};
    struct tess_made_up_weights of_tile = {.graph = all->graph,
                                           .origins = weights.origins};
    struct tess_packed_compiled of_file = {weights.compiled, all->graph};
    struct tess_packed_renumbered renumbered = {tess_made_up_blocks(&of_whole),
                                                weights.origins};
    struct tess_executor_options options = {.family = family,
                                            .filters = tess_made_up_filters(&of_tile),
                                            .blocks = renumbered.blocks,
                                            .n_threads = 1};
    if (weights.compiled)
        options.blocks = tess_packed_from_compiled(&of_file);
    else if (weights.origins)
        options.blocks = tess_packed_renumber(&renumbered);
    tess_error_init(&error);
    if (tess_plan_check(plan, all->graph, &error) != TESS_OK ||
        tess_layout_create(all->graph, plan, &layout, &error) != TESS_OK ||
        tess_verify(layout, &verdict, &error) != TESS_OK ||
        tess_executor_create(layout, &options, &executor, &error) != TESS_OK ||
        tess_executor_run(executor, &input, &observer, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
}

/* Every map of the whole network, untiled, from an input made up. */
static struct tess_network_maps run_whole(const struct tess_kernel_family *family,
                                          const struct tess_graph *graph,
                                          const struct tess_compiled *compiled,
                                          struct tess_rng *rng)
{
    struct tess_network_maps all = tess_network_maps_create(graph);
    tess_network_maps_draw_input(&all, rng);
    struct tess_plan *plan = NULL;
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    family->facts(&plan->facts);
    run(family, plan, (struct origin){graph, NULL, compiled}, &all);
    tess_plan_destroy(plan);
    return all;
}

/* ---- stages ---- */

/* A case being run. */
struct trial {
    const struct tess_kernel_family *family;
    const struct tess_graph *graph;
    const struct tess_compiled *compiled; /* NULL: weights are made up */
    struct tess_rng *rng;
    const struct tess_network_maps *whole; /* what is right */
    struct tess_network_maps parts;        /* what tiles put together */
    int max_tiles;                         /* rows or columns of a grid */
    int max_ops;                           /* of a stage, if it can be */
    int planned_percent; /* how often the planner plans a tile, with little memory */
    int n_tiles, n_crops, n_streamed;
};

/* The planner's plan for little memory. */
static struct tess_plan *planned(struct trial *trial, const struct tess_graph *graph)
{
    struct tess_planner_options options;
    struct tess_planner *planner = NULL;
    struct tess_plan *plan = NULL;
    struct tess_planner_report report;
    struct tess_error error;
    tess_error_init(&error);
    tess_planner_options_init(&options);
    trial->family->facts(&options.facts);
    if (tess_planner_create(graph, &options, &planner, &error) != TESS_OK)
        fail_msg("%s", error.message);
    assert_int_equal(tess_planner_find(planner, 1, &plan, &report, NULL),
                     TESS_E_INFEASIBLE);
    int64_t budget_bytes = report.smallest_bytes + tess_rng_int(trial->rng, 0, 100000);
    if (tess_planner_find(planner, budget_bytes, &plan, &report, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_planner_destroy(planner);
    return plan;
}

static struct tess_plan *pick_plan(struct trial *trial, const struct tess_graph *graph)
{
    struct tess_random_plan plans;
    struct tess_kernel_facts facts;
    if (tess_rng_int(trial->rng, 0, 99) < trial->planned_percent)
        return planned(trial, graph);
    tess_random_plan_init(&plans);
    trial->family->facts(&facts);
    plans.streamed_percent = facts.has_packed_weights ? 30 : 0;
    return tess_random_plan_create(&plans, graph, &facts, trial->rng);
}

/* Map number `i` of the stage's side, of which the tile has made its part. */
static void scatter_side(struct trial *trial, const struct tess_stage *stage,
                         const struct tess_tile_graph *tile, int i,
                         const struct tess_network_maps *maps)
{
    const struct tess_tile_side *side = &tile->sides[i];
    int tensor = stage->side.tensors[i], made = tile->graph->ops[side->op].output;
    const struct tess_tensor *has = &tile->graph->tensors[made];
    struct tess_region region = tess_stage_side(stage, &tile->output);
    for (int row = 0; row < side->h; row++)
        for (int col = 0; col < side->w; col++) {
            size_t from =
                ((size_t)(side->row + row) * (size_t)has->w + (size_t)(side->col + col)) *
                (size_t)has->c;
            size_t to =
                ((size_t)(region.axis[TESS_ROWS].begin + row) * (size_t)stage->side.w +
                 (size_t)(region.axis[TESS_COLS].begin + col)) *
                (size_t)has->c;
            memcpy(trial->parts.maps[tensor] + to, maps->maps[made] + from,
                   (size_t)has->c * sizeof(float));
        }
}

static void run_tile(struct trial *trial, const struct tess_stage *stage,
                     const struct tess_region *output)
{
    struct tess_tile_graph tile;
    assert_int_equal(tess_tile_graph_init(&tile, stage, output, NULL), TESS_OK);
    const struct tess_graph *graph = tile.graph;
    tess_graph_assert_valid(graph);
    assert_true(tess_region_is_equal(&tile.output, output));
    struct tess_plan *plan = pick_plan(trial, graph);
    struct tess_network_maps maps = tess_network_maps_create(graph);
    tess_bundle_gather(trial->graph, &stage->input, trial->parts.maps, &tile.input,
                       maps.maps[TESS_GRAPH_INPUT]);
    run(trial->family, plan, (struct origin){trial->graph, tile.origins, trial->compiled},
        &maps);
    tess_bundle_scatter(trial->graph, &stage->output,
                        maps.maps[graph->ops[tile.output_op].output], output,
                        trial->parts.maps);
    for (int i = 0; i < tile.n_sides; i++)
        scatter_side(trial, stage, &tile, i, &maps);
    for (int op = 0; op < graph->n_ops; op++) {
        trial->n_crops += graph->ops[op].kind == TESS_OP_CROP && tile.origins[op] < 0;
        trial->n_streamed += plan->streamed[op];
    }
    trial->n_tiles++;
    tess_network_maps_destroy(&maps);
    tess_plan_destroy(plan);
    tess_tile_graph_release(&tile);
}

static void run_stage(struct trial *trial, const struct tess_stage *stage)
{
    struct tess_stage_tiles tiles;
    tess_stage_tiles_draw(&tiles, stage, trial->max_tiles, trial->rng);
    for (int row = 0; row < tiles.n_parts[TESS_ROWS]; row++)
        for (int col = 0; col < tiles.n_parts[TESS_COLS]; col++) {
            struct tess_region output = tess_stage_tiles_at(&tiles, row, col);
            run_tile(trial, stage, &output);
        }
    for (int i = 0; i < stage->output.n_tensors; i++) {
        int tensor = stage->output.tensors[i];
        assert_memory_equal(trial->parts.maps[tensor], trial->whole->maps[tensor],
                            (size_t)tess_tensor_bytes(&trial->graph->tensors[tensor]));
    }
    for (int i = 0; i < stage->side.n_tensors; i++) {
        int tensor = stage->side.tensors[i];
        assert_memory_equal(trial->parts.maps[tensor], trial->whole->maps[tensor],
                            (size_t)tess_tensor_bytes(&trial->graph->tensors[tensor]));
    }
}

static void run_stages(struct trial *trial, const bool *can_end)
{
    size_t input_bytes =
        (size_t)tess_tensor_bytes(&trial->graph->tensors[TESS_GRAPH_INPUT]);
    trial->parts = tess_network_maps_create(trial->graph);
    memcpy(trial->parts.maps[TESS_GRAPH_INPUT], trial->whole->maps[TESS_GRAPH_INPUT],
           input_bytes);
    for (int first = 0, last; first < trial->graph->n_ops; first = last + 1) {
        struct tess_stage stage;
        last = tess_stage_cuts_draw(&stage, trial->graph, can_end, first, trial->max_ops,
                                    trial->rng);
        run_stage(trial, &stage);
        tess_stage_release(&stage);
    }
    tess_network_maps_destroy(&trial->parts);
}

static uint64_t last_seed;

static int say_seed(void **state)
{
    (void)state;
    print_message("last case: TESS_TEST_SEED=%" PRIu64 "\n", last_seed);
    return 0;
}

static void check_random_networks(const struct tess_kernel_family *family, int n_cases)
{
    struct tess_random_net nets;
    uint64_t seed = tess_random_seed(20261140, &n_cases);
    int n_run = 0, n_crops = 0;
    tess_random_net_init(&nets);
    nets.max_side = 20;
    nets.max_channels = 40;
    nets.has_activations = true;
    assert_int_equal(family->start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        bool *can_end = tess_stage_cuts_find(graph);
        if (can_end) {
            struct tess_network_maps whole = run_whole(family, graph, NULL, &rng);
            struct trial trial = {.family = family,
                                  .graph = graph,
                                  .rng = &rng,
                                  .whole = &whole,
                                  .max_tiles = 4,
                                  .max_ops = 12,
                                  .planned_percent = 5};
            last_seed = seed + (uint64_t)i;
            run_stages(&trial, can_end);
            n_crops += trial.n_crops;
            tess_network_maps_destroy(&whole);
        }
        n_run += can_end != NULL;
        free(can_end);
        tess_graph_destroy(graph);
    }
    family->stop();
    print_message("%d of %d networks can be cut; %d crops\n", n_run, n_cases, n_crops);
    assert_true(n_cases == 1 || (n_run > n_cases / 3 && n_crops > n_cases));
}

static void test_tiles_of_random_networks_with_plain_kernels(void **state)
{
    (void)state;
    check_random_networks(&tess_kernel_ref, 400);
}

static void test_tiles_of_random_networks_with_our_kernels(void **state)
{
    (void)state;
    check_random_networks(&tess_kernel_nat, 400);
}

/* ---- weights from the whole network's file ---- */

#define RESIDUAL                                                                         \
    "[net]\nheight=24\nwidth=24\nchannels=3\n"                                           \
    "[convolutional]\nfilters=40\nsize=3\npad=1\nbatch_normalize=1\n"                    \
    "activation=leaky\n"                                                                 \
    "[convolutional]\nfilters=40\nsize=3\npad=1\ngroups=40\nactivation=leaky\n"          \
    "[convolutional]\nfilters=40\nsize=3\npad=1\nactivation=linear\n"                    \
    "[shortcut]\nfrom=-3\nactivation=leaky\n"                                            \
    "[convolutional]\nfilters=70\nsize=3\nstride=2\npad=1\nactivation=leaky\n"           \
    "[shortcut]\nfrom=-2\nactivation=leaky\n"                                            \
    "[convolutional]\nfilters=33\nsize=1\nactivation=linear\n"

static struct tess_compiled *compile(const struct tess_graph *graph, const char *folder)
{
    char weights_path[64], compiled_path[64];
    struct tess_error error;
    struct tess_weights *weights = NULL;
    struct tess_compiled *compiled = NULL;
    int64_t scratch_bytes = tess_packed_scratch_bytes(graph);
    float *scratch = malloc((size_t)scratch_bytes);
    assert_non_null(scratch);
    tess_error_init(&error);
    snprintf(weights_path, sizeof weights_path, "%s/weights", folder);
    snprintf(compiled_path, sizeof compiled_path, "%s/compiled", folder);
    if (tess_synth_write(graph, 5, weights_path, &error) != TESS_OK ||
        tess_weights_open(graph, weights_path, &weights, &error) != TESS_OK)
        fail_msg("%s", error.message);
    struct tess_packed_darknet from = {weights, graph, scratch, scratch_bytes};
    struct tess_compiled_job job = {.cfg = RESIDUAL,
                                    .n_cfg_bytes = sizeof RESIDUAL - 1,
                                    .graph = graph,
                                    .blocks = tess_packed_from_darknet(&from)};
    if (tess_compiled_write(&job, compiled_path, &error) != TESS_OK ||
        tess_compiled_open(compiled_path, false, &compiled, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_weights_destroy(weights);
    free(scratch);
    unlink(weights_path);
    unlink(compiled_path);
    return compiled;
}

static void test_tiles_read_and_stream_from_the_whole_networks_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/tessera-test-XXXXXX";
    struct tess_graph *graph = NULL;
    struct tess_rng rng;
    tess_rng_init(&rng, 7);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(tess_darknet_parse(RESIDUAL, sizeof RESIDUAL - 1, "residual.cfg",
                                        &graph, NULL, NULL),
                     TESS_OK);
    struct tess_compiled *compiled = compile(graph, folder);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    struct tess_network_maps whole = run_whole(&tess_kernel_nat, graph, compiled, &rng);
    bool *can_end = tess_stage_cuts_find(graph);
    struct trial trial = {.family = &tess_kernel_nat,
                          .graph = graph,
                          .compiled = compiled,
                          .rng = &rng,
                          .whole = &whole,
                          .max_tiles = 3,
                          .max_ops = 7,
                          .planned_percent = 60};
    for (int i = 0; i < 6; i++)
        run_stages(&trial, can_end);
    assert_true(trial.n_streamed > 0 && trial.n_crops > 0);
    tess_kernel_nat.stop();
    free(can_end);
    tess_network_maps_destroy(&whole);
    tess_compiled_destroy(compiled);
    tess_graph_destroy(graph);
}

/* ---- published networks, on smaller maps and with an eighth of the filters ---- */

static void check_published(const char *name, int side)
{
    int n_cases = 2;
    uint64_t seed = tess_random_seed(20261141, &n_cases);
    struct tess_graph *graph = tess_reduced_net_create(name, side);
    if (!graph)
        skip();
    bool *can_end = tess_stage_cuts_find(graph);
    assert_non_null(can_end);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        last_seed = seed + (uint64_t)i;
        tess_rng_init(&rng, last_seed);
        struct tess_network_maps whole = run_whole(&tess_kernel_nat, graph, NULL, &rng);
        struct trial trial = {.family = &tess_kernel_nat,
                              .graph = graph,
                              .rng = &rng,
                              .whole = &whole,
                              .max_tiles = 3,
                              .max_ops = 10,
                              .planned_percent = 10};
        run_stages(&trial, can_end);
        print_message("%s, %dx%d: %d tiles, %d crops, %d ops streamed\n", name, side,
                      side, trial.n_tiles, trial.n_crops, trial.n_streamed);
        tess_network_maps_destroy(&whole);
    }
    tess_kernel_nat.stop();
    free(can_end);
    tess_graph_destroy(graph);
}

static void test_tiles_of_yolov2(void **state)
{
    (void)state;
    check_published("yolov2", 160);
}

static void test_tiles_of_yolov3_tiny(void **state)
{
    (void)state;
    check_published("yolov3-tiny", 128);
}

static void test_tiles_of_darknet19(void **state)
{
    (void)state;
    check_published("darknet19", 96);
}

static void test_tiles_of_resnet18(void **state)
{
    (void)state;
    check_published("resnet18", 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_tiles_of_random_networks_with_plain_kernels,
                                  say_seed),
        cmocka_unit_test_teardown(test_tiles_of_random_networks_with_our_kernels,
                                  say_seed),
        cmocka_unit_test(test_tiles_read_and_stream_from_the_whole_networks_file),
        cmocka_unit_test_teardown(test_tiles_of_yolov2, say_seed),
        cmocka_unit_test_teardown(test_tiles_of_yolov3_tiny, say_seed),
        cmocka_unit_test_teardown(test_tiles_of_darknet19, say_seed),
        cmocka_unit_test_teardown(test_tiles_of_resnet18, say_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
