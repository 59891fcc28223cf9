/* Stages tile by tile, each tile a network of its own, against the whole network: every map that
 * crosses a cut has the same bits. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/file.h"
#include "base/rng.h"
#include "executor/bundle_maps.h"
#include "executor/executor.h"
#include "model/compiled.h"
#include "model/darknet.h"
#include "model/packed.h"
#include "model/synth.h"
#include "model/weights.h"
#include "partition/tile_graph.h"
#include "plan/verify.h"
#include "planner/planner.h"
#include "tests/support/random_net.h"

/* ---- weights, made up from the number of the op that they belong to ---- */

struct made_up {
    const struct tess_graph *graph; /* whose ops are asked for */
    const int *origins;             /* NULL: the graph is the whole one */
    const struct tess_graph *whole;
    const struct tess_compiled
        *compiled; /* where packed weights come from, if not NULL */
};

static enum tess_status made_up_filters(void *context, int op, int begin, int end,
                                        float *kernel, float *bias,
                                        struct tess_error *error)
{
    const struct made_up *from = context;
    const struct tess_graph *graph = from->graph;
    int origin = from->origins ? from->origins[op] : op;
    int64_t n_per_filter = tess_op_n_kernel(graph, &graph->ops[op]) /
                           graph->tensors[graph->ops[op].output].c;
    float scale = 3.0f / sqrtf((float)n_per_filter);
    (void)error;
    for (int filter = begin; filter < end; filter++) {
        struct tess_rng rng;
        tess_rng_init(&rng, (uint64_t)origin * 100000 + (uint64_t)filter);
        bias[filter - begin] = tess_rng_float(&rng) - 0.5f;
        for (int64_t i = 0; i < n_per_filter; i++)
            kernel[(filter - begin) * n_per_filter + i] =
                scale * (tess_rng_float(&rng) - 0.5f);
    }
    return TESS_OK;
}

static enum tess_status made_up_blocks(void *context, int op, int first_block,
                                       int n_blocks, void *packed_out,
                                       struct tess_error *error)
{
    const struct made_up *from = context;
    int64_t block_bytes = tess_packed_block_bytes(from->graph, op);
    float *kernel = malloc((size_t)block_bytes), bias[TESS_PACKED_BLOCK];
    if (!kernel)
        return tess_error_nomem(error);
    for (int i = 0; i < n_blocks; i++) {
        int begin, end;
        tess_packed_block_filters(from->graph, op, first_block + i, &begin, &end);
        made_up_filters(context, op, begin, end, kernel, bias, NULL);
        tess_packed_fill(from->graph, op, first_block + i, kernel, bias,
                         (char *)packed_out + i * block_bytes);
    }
    free(kernel);
    return TESS_OK;
}

/* ---- runs ---- */

static enum tess_status read_dense(void *context, const struct tess_plane *rows,
                                   struct tess_error *error)
{
    const float *map = context;
    size_t row_elems = (size_t)rows->n_cols * (size_t)rows->channels;
    (void)error;
    for (int y = 0; y < rows->n_rows; y++)
        for (int x = 0; x < rows->n_cols; x++)
            memcpy(rows->data + (size_t)y * rows->row_stride +
                       (size_t)x * rows->pixel_stride,
                   map + (size_t)(rows->row + y) * row_elems +
                       (size_t)x * (size_t)rows->channels,
                   sizeof(float) * (size_t)rows->channels);
    return TESS_OK;
}

static float *new_map(const struct tess_tensor *tensor)
{
    float *map = malloc((size_t)tess_tensor_bytes(tensor));
    assert_non_null(map);
    memset(map, 0x7f, (size_t)tess_tensor_bytes(tensor)); /* no number anybody computes */
    return map;
}

/* All maps of a network, by tensor. */
struct maps {
    const struct tess_graph *graph;
    float **maps;
};

static struct maps maps_create(const struct tess_graph *graph)
{
    struct maps all = {graph, malloc(sizeof *all.maps * (size_t)graph->n_tensors)};
    assert_non_null(all.maps);
    for (int i = 0; i < graph->n_tensors; i++)
        all.maps[i] = new_map(&graph->tensors[i]);
    return all;
}

static void maps_destroy(struct maps *all)
{
    for (int i = 0; i < all->graph->n_tensors; i++)
        free(all->maps[i]);
    free(all->maps);
}

static enum tess_status keep_tile(void *context, int op, const struct tess_plane *tile,
                                  struct tess_error *error)
{
    struct maps *all = context;
    int output = all->graph->ops[op].output;
    const struct tess_tensor *out = &all->graph->tensors[output];
    (void)error;
    for (int y = 0; y < tile->n_rows; y++)
        for (int x = 0; x < tile->n_cols; x++)
            memcpy(all->maps[output] + ((size_t)(tile->row + y) * (size_t)out->w +
                                        (size_t)(tile->col + x)) *
                                           (size_t)out->c,
                   tile->data + (size_t)y * tile->row_stride +
                       (size_t)x * tile->pixel_stride,
                   sizeof(float) * (size_t)out->c);
    return TESS_OK;
}

/* Runs `graph` as planned; all->maps[TESS_GRAPH_INPUT] is its input. */
static void run(const struct tess_kernel_family *family, const struct tess_plan *plan,
                struct made_up weights, struct maps *all)
{
    struct tess_error error;
    struct tess_layout *layout = NULL;
    struct tess_verdict verdict;
    struct tess_executor *executor = NULL;
    struct tess_row_source input = {read_dense, all->maps[TESS_GRAPH_INPUT]};
    struct tess_observer observer = {keep_tile, all};
    struct made_up of_whole = {weights.whole, NULL, weights.whole, NULL};
    struct tess_packed_compiled of_file = {weights.compiled, all->graph};
    struct tess_packed_renumbered renumbered = {{made_up_blocks, &of_whole},
                                                weights.origins};
    struct tess_executor_options options = {.family = family,
                                            .filters = {made_up_filters, &weights},
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
static struct maps run_whole(const struct tess_kernel_family *family,
                             const struct tess_graph *graph,
                             const struct tess_compiled *compiled, struct tess_rng *rng)
{
    struct maps all = maps_create(graph);
    const struct tess_tensor *input = &graph->tensors[TESS_GRAPH_INPUT];
    for (int64_t i = 0; i < (int64_t)input->h * input->w * input->c; i++)
        all.maps[TESS_GRAPH_INPUT][i] = tess_rng_float(rng) - 0.5f;
    struct tess_plan *plan = NULL;
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    family->facts(&plan->facts);
    run(family, plan, (struct made_up){graph, NULL, graph, compiled}, &all);
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
    const struct maps *whole; /* what is right */
    struct maps parts;        /* what tiles put together */
    int max_tiles;            /* rows or columns of a grid */
    int max_ops;              /* of a stage, if it can be */
    int planned_percent;      /* how often the planner plans a tile, with little memory */
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

static void run_tile(struct trial *trial, const struct tess_stage *stage,
                     const struct tess_region *output)
{
    struct tess_tile_graph tile;
    assert_int_equal(tess_tile_graph_init(&tile, stage, output, NULL), TESS_OK);
    const struct tess_graph *graph = tile.graph;
    tess_graph_assert_valid(graph);
    assert_true(tess_region_is_equal(&tile.output, output));
    struct tess_plan *plan = pick_plan(trial, graph);
    struct maps maps = maps_create(graph);
    tess_bundle_gather(trial->graph, &stage->input, trial->parts.maps, &tile.input,
                       maps.maps[TESS_GRAPH_INPUT]);
    run(trial->family, plan,
        (struct made_up){graph, tile.origins, trial->graph, trial->compiled}, &maps);
    tess_bundle_scatter(trial->graph, &stage->output, maps.maps[graph->n_tensors - 1],
                        output, trial->parts.maps);
    for (int op = 0; op < graph->n_ops; op++) {
        trial->n_crops += graph->ops[op].kind == TESS_OP_CROP && tile.origins[op] < 0;
        trial->n_streamed += plan->streamed[op];
    }
    trial->n_tiles++;
    maps_destroy(&maps);
    tess_plan_destroy(plan);
    tess_tile_graph_release(&tile);
}

/* Any parts, of any sizes. */
static int pick_edges(struct trial *trial, int extent, int *edges)
{
    int n_parts = tess_rng_int(trial->rng, 1, tess_min_int(extent, trial->max_tiles));
    for (int i = 0; i <= n_parts; i++)
        edges[i] = i < n_parts ? i : extent;
    for (int i = n_parts - 1; i > 0; i--) /* edges[i] may grow up to below the next */
        edges[i] = tess_rng_int(trial->rng, i, edges[i + 1] - 1);
    return n_parts;
}

static void run_stage(struct trial *trial, const struct tess_stage *stage)
{
    enum { MOST = 8 };
    int edges[2][MOST + 1], n_parts[2] = {1, 1};
    struct tess_region whole = tess_stage_whole(stage);
    assert_true(trial->max_tiles <= MOST);
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        edges[axis][0] = 0;
        edges[axis][1] = whole.axis[axis].end;
        if (stage->can_cut)
            n_parts[axis] = pick_edges(trial, whole.axis[axis].end, edges[axis]);
    }
    for (int row = 0; row < n_parts[TESS_ROWS]; row++)
        for (int col = 0; col < n_parts[TESS_COLS]; col++) {
            struct tess_region output = {
                {{edges[TESS_ROWS][row], edges[TESS_ROWS][row + 1]},
                 {edges[TESS_COLS][col], edges[TESS_COLS][col + 1]}}};
            run_tile(trial, stage, &output);
        }
    for (int i = 0; i < stage->output.n_tensors; i++) {
        int tensor = stage->output.tensors[i];
        assert_memory_equal(trial->parts.maps[tensor], trial->whole->maps[tensor],
                            (size_t)tess_tensor_bytes(&trial->graph->tensors[tensor]));
    }
}

/* can_end[first * n + last]: are ops first..last a stage, and can what follows be cut into
 * stages? NULL if the network cannot be cut into stages at all. */
static bool *find_ends(const struct tess_graph *graph)
{
    int n = graph->n_ops;
    bool *can_end = calloc((size_t)n * (size_t)n, sizeof *can_end);
    bool *can_begin = calloc((size_t)n + 1, sizeof *can_begin);
    int *ops = calloc((size_t)n, sizeof *ops);
    assert_true(can_end && can_begin && ops);
    can_begin[n] = true;
    for (int op = 0; op < n; op++)
        ops[op] = op;
    for (int first = n - 1; first >= 0; first--)
        for (int last = first; last < n; last++) {
            struct tess_stage stage;
            if (!can_begin[last + 1] ||
                tess_stage_init(&stage, graph, ops + first, last - first + 1, NULL) !=
                    TESS_OK)
                continue;
            tess_stage_release(&stage);
            can_end[first * n + last] = can_begin[first] = true;
        }
    bool can_cut = can_begin[0];
    free(can_begin);
    free(ops);
    if (!can_cut) {
        free(can_end);
        can_end = NULL;
    }
    return can_end;
}

static void run_stages(struct trial *trial, const bool *can_end)
{
    int n = trial->graph->n_ops, n_input;
    int *ops = malloc(sizeof *ops * (size_t)n);
    assert_non_null(ops);
    trial->parts = maps_create(trial->graph);
    n_input = (int)tess_tensor_bytes(&trial->graph->tensors[TESS_GRAPH_INPUT]);
    memcpy(trial->parts.maps[TESS_GRAPH_INPUT], trial->whole->maps[TESS_GRAPH_INPUT],
           (size_t)n_input);
    for (int op = 0; op < n; op++)
        ops[op] = n - 1 - op; /* a stage takes its ops in any order */
    for (int first = 0, last; first < n; first = last + 1) {
        struct tess_stage stage;
        int tries = 0;
        do
            last = tess_min_int(
                n - 1, first + tess_rng_int(trial->rng, 0, trial->max_ops + tries++));
        while (!can_end[first * n + last]);
        assert_int_equal(tess_stage_init(&stage, trial->graph, ops + n - 1 - last,
                                         last - first + 1, NULL),
                         TESS_OK);
        run_stage(trial, &stage);
        tess_stage_release(&stage);
    }
    maps_destroy(&trial->parts);
    free(ops);
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
        bool *can_end = find_ends(graph);
        if (can_end) {
            struct maps whole = run_whole(family, graph, NULL, &rng);
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
            maps_destroy(&whole);
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
    struct maps whole = run_whole(&tess_kernel_nat, graph, compiled, &rng);
    bool *can_end = find_ends(graph);
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
    maps_destroy(&whole);
    tess_compiled_destroy(compiled);
    tess_graph_destroy(graph);
}

/* ---- published networks, on smaller maps and with an eighth of the filters ---- */

#define FOLDER "/usr/share/darknet/cfg"

/* `line` of a cfg, reduced. */
static void put_reduced(struct tess_text *text, const char *line, int side)
{
    int n_filters = 0;
    if (strncmp(line, "width=", 6) == 0)
        tess_text_printf(text, "width=%d\n", side);
    else if (strncmp(line, "height=", 7) == 0)
        tess_text_printf(text, "height=%d\n", side);
    else if (sscanf(line, "filters=%d", &n_filters) == 1 && n_filters % 64 == 0)
        tess_text_printf(text, "filters=%d\n", n_filters / 8);
    else
        tess_text_printf(text, "%s\n", line);
}

static struct tess_graph *reduced_graph(const char *name, int side)
{
    char path[64];
    struct tess_text whole = {0}, reduced = {0};
    struct tess_error error;
    struct tess_graph *graph = NULL;
    tess_error_init(&error);
    snprintf(path, sizeof path, FOLDER "/%s.cfg", name);
    if (tess_file_read(path, 1 << 20, &whole, &error) != TESS_OK)
        fail_msg("%s", error.message);
    char *rest = whole.data;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        put_reduced(&reduced, line, side);
    if (tess_darknet_parse(tess_text_string(&reduced), strlen(tess_text_string(&reduced)),
                           name, &graph, NULL, &error) != TESS_OK)
        fail_msg("%s: line %d: %s", name, error.line, error.message);
    tess_text_release(&whole);
    tess_text_release(&reduced);
    return graph;
}

static void check_published(const char *name, int side)
{
    int n_cases = 2;
    uint64_t seed = tess_random_seed(20261141, &n_cases);
    if (access(FOLDER, R_OK) != 0)
        skip();
    struct tess_graph *graph = reduced_graph(name, side);
    bool *can_end = find_ends(graph);
    assert_non_null(can_end);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        last_seed = seed + (uint64_t)i;
        tess_rng_init(&rng, last_seed);
        struct maps whole = run_whole(&tess_kernel_nat, graph, NULL, &rng);
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
        maps_destroy(&whole);
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
