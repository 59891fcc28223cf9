/* Tiles of many shapes, in any order and again and again, by one machine: the bits of the whole
 * network, weights read as often as promised, memory as planned. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arith.h"
#include "base/rng.h"
#include "executor/bundle_maps.h"
#include "executor/process_memory.h"
#include "executor/tile_machine.h"
#include "model/darknet.h"
#include "model/packed.h"
#include "partition/tile_graph.h"
#include "plan/plan.h"
#include "tests/support/made_up_weights.h"
#include "tests/support/network_maps.h"
#include "tests/support/random_net.h"
#include "tests/support/stage_cuts.h"

/* ---- tiles to run ---- */

struct piece {
    struct tess_tile_graph tile;
    struct tess_plan *plan;
    struct tess_layout *layout;
    struct tess_network_maps maps; /* its input and output, of which both are right */
    float *output;                 /* what a machine computes */
    float **sides, **right_sides;  /* [tile.n_sides] likewise, what is right of them */
};

static int n_sides_run; /* checked so far */

/* A network cut into stages and tiles, all of them ready to be run in any order. */
struct work {
    const struct tess_graph *graph;
    const struct tess_kernel_family *family;
    struct tess_network_maps whole; /* what is right */
    struct tess_made_up_weights weights;
    int *n_read; /* [n_ops] blocks */
    int n_pieces, capacity;
    struct piece *pieces;
    int streamed_percent; /* -1: no plan but the simplest */
};

static struct tess_plan *draw_plan(const struct work *work,
                                   const struct tess_graph *graph, struct tess_rng *rng)
{
    struct tess_kernel_facts facts;
    struct tess_random_plan plans;
    struct tess_plan *plan = NULL;
    work->family->facts(&facts);
    if (work->streamed_percent < 0) {
        assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
        plan->facts = facts;
        return plan;
    }
    tess_random_plan_init(&plans);
    plans.streamed_percent = work->streamed_percent;
    return tess_random_plan_create(&plans, graph, &facts, rng);
}

static size_t side_bytes(const struct piece *piece, int i)
{
    const struct tess_tile_side *side = &piece->tile.sides[i];
    int channels = piece->tile.graph->tensors[piece->tile.graph->ops[side->op].output].c;
    return (size_t)side->h * (size_t)side->w * (size_t)channels * sizeof(float);
}

/* The maps of the stage's side, each in a bundle of its own. */
static void add_sides(const struct work *work, const struct tess_stage *stage,
                      const struct tess_region *output, struct piece *piece)
{
    struct tess_region region = tess_stage_side(stage, output);
    size_t n = (size_t)piece->tile.n_sides + 1;
    assert_int_equal(piece->tile.n_sides, stage->side.n_tensors);
    piece->sides = calloc(n, sizeof *piece->sides);
    piece->right_sides = calloc(n, sizeof *piece->right_sides);
    assert_true(piece->sides && piece->right_sides);
    for (int i = 0; i < stage->side.n_tensors; i++) {
        struct tess_bundle one = stage->side;
        one.n_tensors = 1;
        one.tensors = &stage->side.tensors[i];
        one.c = work->graph->tensors[stage->side.tensors[i]].c;
        piece->sides[i] = malloc(side_bytes(piece, i));
        piece->right_sides[i] = malloc(side_bytes(piece, i));
        assert_true(piece->sides[i] && piece->right_sides[i]);
        tess_bundle_gather(work->graph, &one, work->whole.maps, &region,
                           piece->right_sides[i]);
    }
}

static void add_piece(struct work *work, const struct tess_stage *stage,
                      const struct tess_region *output, struct tess_rng *rng)
{
    if (work->n_pieces == work->capacity) {
        work->capacity = 2 * work->capacity + 1;
        work->pieces =
            realloc(work->pieces, sizeof(struct piece) * (size_t)work->capacity);
        assert_non_null(work->pieces);
    }
    struct piece *piece = &work->pieces[work->n_pieces++];
    assert_int_equal(tess_tile_graph_init(&piece->tile, stage, output, NULL), TESS_OK);
    const struct tess_graph *graph = piece->tile.graph;
    piece->plan = draw_plan(work, graph, rng);
    assert_int_equal(tess_layout_create(graph, piece->plan, &piece->layout, NULL),
                     TESS_OK);
    int last = graph->ops[piece->tile.output_op].output;
    piece->maps = tess_network_maps_create(graph);
    piece->output = malloc((size_t)tess_tensor_bytes(&graph->tensors[last]));
    assert_non_null(piece->output);
    memset(piece->output, 0, (size_t)tess_tensor_bytes(&graph->tensors[last]));
    add_sides(work, stage, output, piece);
    tess_bundle_gather(work->graph, &stage->input, work->whole.maps, &piece->tile.input,
                       piece->maps.maps[TESS_GRAPH_INPUT]);
    tess_bundle_gather(work->graph, &stage->output, work->whole.maps, output,
                       piece->maps.maps[last]);
}

static void run_whole(struct work *work, struct tess_rng *rng)
{
    struct tess_error error;
    struct tess_plan *plan = NULL;
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct tess_executor_options options = {.family = work->family,
                                            .blocks = tess_made_up_blocks(&work->weights),
                                            .n_threads = 1};
    work->whole = tess_network_maps_create(work->graph);
    tess_network_maps_draw_input(&work->whole, rng);
    struct tess_row_source input = tess_network_maps_input(&work->whole);
    struct tess_observer observer = tess_network_maps_observer(&work->whole);
    tess_error_init(&error);
    assert_int_equal(tess_plan_create(work->graph, &plan, NULL), TESS_OK);
    work->family->facts(&plan->facts);
    if (tess_layout_create(work->graph, plan, &layout, &error) != TESS_OK ||
        tess_executor_create(layout, &options, &executor, &error) != TESS_OK ||
        tess_executor_run(executor, &input, &observer, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
    tess_plan_destroy(plan);
}

/* Cuts `graph` at random. */
static void work_init(struct work *work, const struct tess_graph *graph,
                      const bool *can_end, int streamed_percent, struct tess_rng *rng)
{
    *work = (struct work){.graph = graph,
                          .family = &tess_kernel_nat,
                          .weights = {.graph = graph},
                          .streamed_percent = streamed_percent};
    run_whole(work, rng);
    work->n_read = calloc((size_t)graph->n_ops, sizeof *work->n_read);
    assert_non_null(work->n_read);
    work->weights.n_read = work->n_read;
    for (int first = 0, last; first < graph->n_ops; first = last + 1) {
        struct tess_stage stage;
        struct tess_stage_tiles tiles;
        last = tess_stage_cuts_draw(&stage, graph, can_end, first, 6, rng);
        tess_stage_tiles_draw(&tiles, &stage, 3, rng);
        for (int row = 0; row < tiles.n_parts[TESS_ROWS]; row++)
            for (int col = 0; col < tiles.n_parts[TESS_COLS]; col++) {
                struct tess_region output = tess_stage_tiles_at(&tiles, row, col);
                add_piece(work, &stage, &output, rng);
            }
        tess_stage_release(&stage);
    }
}

static void work_release(struct work *work)
{
    for (int i = 0; i < work->n_pieces; i++) {
        struct piece *piece = &work->pieces[i];
        for (int side = 0; side < piece->tile.n_sides; side++) {
            free(piece->sides[side]);
            free(piece->right_sides[side]);
        }
        free(piece->sides);
        free(piece->right_sides);
        free(piece->output);
        tess_network_maps_destroy(&piece->maps);
        tess_layout_destroy(piece->layout);
        tess_plan_destroy(piece->plan);
        tess_tile_graph_release(&piece->tile);
    }
    free(work->pieces);
    free(work->n_read);
    tess_network_maps_destroy(&work->whole);
}

static struct tess_tile_machine *new_machine(struct work *work, int n_threads,
                                             bool keeps_weights)
{
    struct tess_tile_machine *machine = NULL;
    struct tess_tile_machine_config config = {.graph = work->graph,
                                              .family = work->family,
                                              .blocks =
                                                  tess_made_up_blocks(&work->weights),
                                              .n_threads = n_threads,
                                              .keeps_weights = keeps_weights};
    assert_int_equal(tess_tile_machine_create(&config, &machine, NULL), TESS_OK);
    return machine;
}

static enum tess_status run_piece(struct tess_tile_machine *machine, struct piece *piece,
                                  struct tess_error *error)
{
    enum { SIDES_MAX = 16 };
    const struct tess_graph *graph = piece->tile.graph;
    int last = graph->ops[piece->tile.output_op].output, n_results = 0;
    const struct tess_tensor *output = &graph->tensors[last];
    struct tess_row_source input = tess_network_maps_input(&piece->maps);
    struct tess_tile_result results[1 + SIDES_MAX];
    size_t bytes = (size_t)tess_tensor_bytes(output);
    memset(piece->output, 0x7f, bytes);
    results[n_results++] = (struct tess_tile_result){
        piece->tile.output_op, 0, 0, output->h, output->w, piece->output};
    assert_true(piece->tile.n_sides <= SIDES_MAX);
    for (int i = 0; i < piece->tile.n_sides; i++) {
        const struct tess_tile_side *side = &piece->tile.sides[i];
        memset(piece->sides[i], 0x7f, side_bytes(piece, i));
        results[n_results++] = (struct tess_tile_result){
            side->op, side->row, side->col, side->h, side->w, piece->sides[i]};
    }
    enum tess_status status = tess_tile_machine_run(
        machine, piece->layout, piece->tile.origins, &input, results, n_results, error);
    if (status != TESS_OK)
        return status;
    assert_memory_equal(piece->output, piece->maps.maps[last], bytes);
    for (int i = 0; i < piece->tile.n_sides; i++)
        assert_memory_equal(piece->sides[i], piece->right_sides[i], side_bytes(piece, i));
    n_sides_run += piece->tile.n_sides;
    return status;
}

static void must_run(struct tess_tile_machine *machine, struct piece *piece)
{
    struct tess_error error;
    tess_error_init(&error);
    if (run_piece(machine, piece, &error) != TESS_OK)
        fail_msg("%s", error.message);
}

static struct piece *draw_piece(const struct work *work, struct tess_rng *rng)
{
    return &work->pieces[tess_rng_int(rng, 0, work->n_pieces - 1)];
}

/* ---- any order ---- */

static bool is_streaming(const struct piece *piece)
{
    bool is_any = false;
    for (int op = 0; op < piece->plan->n_ops; op++)
        is_any = is_any || piece->plan->streamed[op];
    return is_any;
}

/* All tiles at least once, then some again; repeated ones find what they left. */
static void check_any_order(struct work *work, int n_threads, struct tess_rng *rng)
{
    struct tess_tile_machine *machine = new_machine(work, n_threads, false);
    for (int i = 0; i < 2 * work->n_pieces; i++) {
        struct piece *piece =
            i < work->n_pieces ? &work->pieces[i] : draw_piece(work, rng);
        must_run(machine, piece);
        int n_reads = work->weights.n_reads;
        must_run(machine, piece);
        if (!is_streaming(piece))
            assert_int_equal(work->weights.n_reads, n_reads);
    }
    tess_tile_machine_destroy(machine);
}

static void check_weights_are_read_once(struct work *work, int n_threads,
                                        struct tess_rng *rng)
{
    const struct tess_graph *graph = work->graph;
    struct tess_tile_machine *machine = new_machine(work, n_threads, true);
    memset(work->n_read, 0, sizeof *work->n_read * (size_t)graph->n_ops);
    for (int i = 0; i < 3 * work->n_pieces; i++)
        must_run(machine, i < work->n_pieces ? &work->pieces[i] : draw_piece(work, rng));
    for (int op = 0; op < graph->n_ops; op++)
        if (tess_op_has_weights(&graph->ops[op]))
            assert_int_equal(work->n_read[op], tess_packed_n_blocks(graph, op));
    tess_tile_machine_destroy(machine);
}

/* ---- damaged weights ---- */

/* One read in some fails; returns how many tiles did. */
static int check_failures(struct work *work, bool keeps_weights, struct tess_rng *rng)
{
    struct tess_tile_machine *machine = new_machine(work, 1, keeps_weights);
    int n_failed = 0;
    for (int i = 0; i < 2 * work->n_pieces; i++) {
        struct piece *piece = draw_piece(work, rng);
        struct tess_error error;
        tess_error_init(&error);
        work->weights.n_until_failure = tess_rng_int(rng, 1, 4);
        enum tess_status status = run_piece(machine, piece, &error);
        bool has_failed = work->weights.n_until_failure == 0;
        work->weights.n_until_failure = 0;
        assert_int_equal(status, has_failed ? TESS_E_MODEL : TESS_OK);
        if (has_failed)
            assert_non_null(strstr(error.message, "are damaged"));
        n_failed += has_failed;
        if (tess_rng_int(rng, 0, 1) == 1) /* the same tile, or any other */
            piece = draw_piece(work, rng);
        must_run(machine, piece);
    }
    tess_tile_machine_destroy(machine);
    return n_failed;
}

/* ---- random networks ---- */

static uint64_t last_seed;

static int say_seed(void **state)
{
    (void)state;
    print_message("last case: TESS_TEST_SEED=%" PRIu64 "\n", last_seed);
    return 0;
}

/* What `check` makes of random networks that can be cut, summed. */
static int for_networks(uint64_t seed, int n_cases,
                        int (*check)(struct work *work, struct tess_rng *rng))
{
    struct tess_random_net nets;
    int n_run = 0, sum = 0;
    seed = tess_random_seed(seed, &n_cases);
    tess_random_net_init(&nets);
    nets.max_side = 16;
    nets.max_channels = 40; /* more than one block */
    nets.has_activations = true;
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct work work;
        last_seed = seed + (uint64_t)i;
        tess_rng_init(&rng, last_seed);
        struct tess_graph *graph = tess_random_net_create(&nets, &rng);
        bool *can_end = tess_stage_cuts_find(graph);
        if (can_end) {
            work_init(&work, graph, can_end, tess_rng_int(&rng, 0, 2) * 30, &rng);
            sum += check(&work, &rng);
            work_release(&work);
        }
        n_run += can_end != NULL;
        free(can_end);
        tess_graph_destroy(graph);
    }
    tess_kernel_nat.stop();
    assert_true(n_cases == 1 || n_run > n_cases / 3);
    return n_cases == 1 ? INT32_MAX : sum;
}

static int run_in_any_order(struct work *work, struct tess_rng *rng)
{
    check_any_order(work, tess_rng_int(rng, 1, 2), rng);
    return 0;
}

static void test_tiles_in_any_order(void **state)
{
    (void)state;
    for_networks(20261150, 120, run_in_any_order);
    print_message("%d maps on the side\n", n_sides_run);
    assert_true(n_sides_run > 0 || getenv("TESS_TEST_SEED"));
}

static int read_once(struct work *work, struct tess_rng *rng)
{
    check_weights_are_read_once(work, tess_rng_int(rng, 1, 2), rng);
    return 0;
}

static void test_kept_weights_are_read_once(void **state)
{
    (void)state;
    for_networks(20261151, 120, read_once);
}

static int fail_at_times(struct work *work, struct tess_rng *rng)
{
    return check_failures(work, tess_rng_int(rng, 0, 1) == 1, rng);
}

static void test_a_tile_without_weights_leaves_the_machine_whole(void **state)
{
    (void)state;
    assert_true(for_networks(20261152, 120, fail_at_times) > 60);
}

/* ---- memory ---- */

/* A stage of large maps and one of many weights. */
#define UNLIKE                                                                           \
    "[net]\nheight=64\nwidth=64\nchannels=3\n"                                           \
    "[convolutional]\nfilters=32\nsize=3\npad=1\nactivation=leaky\n"                     \
    "[convolutional]\nfilters=32\nsize=3\npad=1\nactivation=leaky\n"                     \
    "[maxpool]\nsize=4\nstride=4\n"                                                      \
    "[convolutional]\nfilters=128\nsize=3\npad=1\nactivation=leaky\n"                    \
    "[convolutional]\nfilters=128\nsize=3\npad=1\nactivation=leaky\n"

/* The two stages of UNLIKE: the second begins with op `first`. */
static int first_of_second(const struct tess_graph *graph)
{
    int op = 0;
    while (graph->ops[op].kind != TESS_OP_MAXPOOL)
        op++;
    return op + 1;
}

static struct tess_graph *unlike_graph(void)
{
    struct tess_graph *graph = NULL;
    assert_int_equal(
        tess_darknet_parse(UNLIKE, sizeof UNLIKE - 1, "unlike.cfg", &graph, NULL, NULL),
        TESS_OK);
    return graph;
}

/* Each stage in `n_tiles` bands, the last of them higher. */
static void cut_unlike(struct work *work, const struct tess_graph *graph, int n_tiles,
                       struct tess_rng *rng)
{
    int ops[64], second = first_of_second(graph), begins[] = {0, second, graph->n_ops};
    *work = (struct work){.graph = graph,
                          .family = &tess_kernel_nat,
                          .weights = {.graph = graph},
                          .streamed_percent = -1};
    assert_true(graph->n_ops <= 64);
    run_whole(work, rng);
    for (int op = 0; op < graph->n_ops; op++)
        ops[op] = op;
    for (int i = 0; i < 2; i++) {
        struct tess_stage stage;
        assert_int_equal(tess_stage_init(&stage, graph, ops + begins[i],
                                         begins[i + 1] - begins[i], NULL),
                         TESS_OK);
        struct tess_region output = tess_stage_whole(&stage);
        struct tess_range *rows = &output.axis[TESS_ROWS];
        for (int tile = 0, n_rows = rows->end; tile < n_tiles; tile++) {
            rows->begin = tile * (n_rows / (n_tiles + 1));
            rows->end =
                tile == n_tiles - 1 ? n_rows : (tile + 1) * (n_rows / (n_tiles + 1));
            add_piece(work, &stage, &output, rng);
        }
        tess_stage_release(&stage);
    }
}

/* Resident bytes after a tile, less those before all of them. */
static int64_t held_bytes(struct tess_tile_machine *machine, struct piece *piece,
                          int64_t before_bytes)
{
    must_run(machine, piece);
    return tess_process_resident_bytes() - before_bytes;
}

/* What the plan says that a tile takes beyond what the process has anyhow. */
static int64_t planned_bytes(const struct piece *piece)
{
    struct tess_memory memory = {0};
    tess_layout_memory(piece->layout, &memory);
    return memory.peak - memory.base;
}

static void check_memory(struct work *work, bool keeps_weights)
{
    enum { N_ROUNDS = 100, SLACK_BYTES = 160 * 1024 };
    struct piece *maps = &work->pieces[0], *weights = &work->pieces[1];
    struct tess_memory memory[2] = {0};
    tess_layout_memory(maps->layout, &memory[0]);
    tess_layout_memory(weights->layout, &memory[1]);
    int64_t most_bytes = tess_max_i64(planned_bytes(maps), planned_bytes(weights));
    if (keeps_weights)
        most_bytes = memory[0].weights + memory[1].weights + memory[0].workspace +
                     memory[1].workspace + tess_max_i64(memory[0].arena, memory[1].arena);
    int64_t before_bytes = tess_process_resident_bytes(), early_bytes = 0;
    struct tess_tile_machine *machine = new_machine(work, 1, keeps_weights);
    for (int i = 0; i < N_ROUNDS; i++) {
        int64_t bytes = held_bytes(machine, maps, before_bytes);
        bytes = tess_max_i64(bytes, held_bytes(machine, weights, before_bytes));
        if (bytes > most_bytes + SLACK_BYTES)
            fail_msg("round %d: %" PRId64 " bytes where %" PRId64 " are planned", i,
                     bytes, most_bytes);
        if (i == 5)
            early_bytes = bytes;
        if (i > 5)
            assert_true(bytes <= early_bytes + 16 * 1024);
    }
    tess_tile_machine_destroy(machine);
    assert_true(tess_process_resident_bytes() - before_bytes < SLACK_BYTES);
}

/* Weights of a stage are read once for tiles of several shapes, as often as stages take turns. */
static void test_tiles_of_one_stage_share_its_weights(void **state)
{
    struct tess_graph *graph = unlike_graph();
    struct tess_rng rng;
    struct work work;
    (void)state;
    tess_rng_init(&rng, 4);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    cut_unlike(&work, graph, 2, &rng);
    assert_int_equal(work.n_pieces, 4);
    struct tess_tile_machine *machine = new_machine(&work, 1, false);
    work.weights.n_reads = 0;
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < 4; i++)
            must_run(machine, &work.pieces[i]);
        assert_int_equal(work.weights.n_reads,
                         4 * round); /* there are four convolutions */
    }
    tess_tile_machine_destroy(machine);
    work_release(&work);
    tess_graph_destroy(graph);
    tess_kernel_nat.stop();
}

static void test_memory_stays_within_the_largest_plan(void **state)
{
    struct tess_rng rng;
    struct work work;
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they hold memory of their own */
#endif
    if (tess_process_resident_bytes() == 0)
        skip();
    struct tess_graph *graph = unlike_graph();
    tess_rng_init(&rng, 3);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    cut_unlike(&work, graph, 1, &rng);
    check_memory(&work, false);
    check_memory(&work, true);
    work_release(&work);
    tess_graph_destroy(graph);
    tess_kernel_nat.stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_tiles_in_any_order, say_seed),
        cmocka_unit_test_teardown(test_kept_weights_are_read_once, say_seed),
        cmocka_unit_test_teardown(test_a_tile_without_weights_leaves_the_machine_whole,
                                  say_seed),
        cmocka_unit_test(test_tiles_of_one_stage_share_its_weights),
        cmocka_unit_test(test_memory_stays_within_the_largest_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
