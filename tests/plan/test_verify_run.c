/* What the verifier says to single faults: each is found, and the sentence names the layer and
 * what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plan/verify_priv.h"
#include "tests/support/small_graph.h"

enum { N_OPS = 4, SIDE = 12 };

/* Layers 0 and 1 are 3x3 convolutions, 2 a 3x3 maxpool of layer 0's output, 3 the sum of
 * both; 12x12 maps, a library that wants dense rows and zeros above and below. */
struct fixture {
    struct tess_graph *graph;
    struct tess_plan *plan;
    struct tess_layout *layout;
    struct tess_verdict verdict;
    struct tess_error error;
};

static struct tess_graph *branched_graph(void)
{
    int inputs[] = {0, 1, 2, 3};
    struct tess_op ops[N_OPS] = {tess_op_neutral(TESS_OP_CONV, 0, &inputs[0]),
                                 tess_op_neutral(TESS_OP_CONV, 1, &inputs[1]),
                                 tess_op_neutral(TESS_OP_MAXPOOL, 2, &inputs[1]),
                                 tess_op_neutral(TESS_OP_ADD, 3, &inputs[2])};
    struct tess_shape shape = {SIDE, SIDE, 2}, outs[N_OPS] = {shape, shape, shape, shape};
    ops[0].window = ops[1].window = ops[2].window = small_graph_window(3, 1, 1);
    ops[3].n_inputs = 2;
    return small_graph_create(shape, ops, outs, N_OPS);
}

static void set_up(struct fixture *fixture, struct tess_tiling tiling)
{
    struct tess_group all = {0, N_OPS - 1, tiling, 0};
    memset(fixture, 0, sizeof *fixture);
    tess_error_init(&fixture->error);
    fixture->graph = branched_graph();
    assert_int_equal(tess_plan_create(fixture->graph, &fixture->plan, NULL), TESS_OK);
    fixture->plan->facts = (struct tess_kernel_facts){.family = "xnn",
                                                      .align_bytes = 64,
                                                      .tail_bytes = 16,
                                                      .filter_block = 8,
                                                      .channel_block = 4,
                                                      .pixel_block = 4,
                                                      .call_pixels = 1,
                                                      .depthwise_block = 8,
                                                      .pointer_bytes = 8,
                                                      .has_odd_pixel = 1,
                                                      .base_bytes = 1 << 20};
    if (tiling.n_rows > 1 || tiling.n_cols > 1)
        assert_int_equal(tess_plan_set_groups(fixture->plan, &all, 1, NULL), TESS_OK);
    assert_int_equal(
        tess_layout_create(fixture->graph, fixture->plan, &fixture->layout, NULL),
        TESS_OK);
}

static const struct tess_tiling UNTILED = {1, 1, TESS_HALO_RECOMPUTE};
static const struct tess_tiling BANDS = {4, 1, TESS_HALO_REUSE};
static const struct tess_tiling GRID = {2, 2, TESS_HALO_RECOMPUTE};

static void tear_down(struct fixture *fixture)
{
    tess_layout_destroy(fixture->layout);
    tess_plan_destroy(fixture->plan);
    tess_graph_destroy(fixture->graph);
}

/* ---- steps with one fault ---- */

/* Replays the walk, passing each step through `change`, which may return false to drop it. */
struct faulty_walk {
    const struct tess_layout *layout;
    bool (*change)(struct tess_step *step, int index, int chosen);
    int chosen; /* whatever `change` makes of it */
    int n_steps;
    tess_step_visitor *visit;
    void *context;
};

static enum tess_status pass_on(void *context, const struct tess_step *step,
                                struct tess_error *error)
{
    struct faulty_walk *walk = context;
    struct tess_step changed = *step;
    if (!walk->change(&changed, walk->n_steps++, walk->chosen))
        return TESS_OK;
    return walk->visit(walk->context, &changed, error);
}

static enum tess_status produce(void *source, tess_step_visitor *visit, void *context,
                                struct tess_error *error)
{
    struct faulty_walk *walk = source;
    walk->visit = visit;
    walk->context = context;
    walk->n_steps = 0;
    return tess_walk(walk->layout, pass_on, walk, error);
}

static enum tess_status verify_changed(struct fixture *fixture, int chosen,
                                       bool (*change)(struct tess_step *step, int index,
                                                      int chosen))
{
    struct faulty_walk walk = {
        .layout = fixture->layout, .change = change, .chosen = chosen};
    tess_error_init(&fixture->error);
    return tess_verify_steps(fixture->layout, produce, &walk, &fixture->verdict,
                             &fixture->error);
}

static void assert_says(const struct fixture *fixture, const char *words)
{
    if (!strstr(fixture->error.message, words))
        fprintf(stderr, "\"%s\" is not in \"%s\"\n", words, fixture->error.message);
    assert_non_null(strstr(fixture->error.message, words));
}

/* Untiled, with one change that must be found and described with `words`. */
static void assert_found(bool (*change)(struct tess_step *step, int index, int chosen),
                         const char *words)
{
    struct fixture fixture;
    set_up(&fixture, UNTILED);
    assert_int_equal(verify_changed(&fixture, 0, change), TESS_E_VERIFY);
    assert_says(&fixture, words);
    assert_true(fixture.error.hint[0] != '\0');
    tear_down(&fixture);
}

static bool drop_chosen(struct tess_step *step, int index, int chosen)
{
    return index != chosen || step->kind == TESS_STEP_DONE;
}

static void test_every_dropped_step_is_missed(void **state)
{
    (void)state;
    const struct tess_tiling tilings[] = {UNTILED, BANDS, GRID};
    for (size_t i = 0; i < sizeof tilings / sizeof *tilings; i++) {
        struct fixture fixture;
        set_up(&fixture, tilings[i]);
        assert_int_equal(verify_changed(&fixture, -1, drop_chosen), TESS_OK);
        int64_t n_steps = fixture.verdict.n_steps, n_found = 0;
        for (int chosen = 0; chosen < n_steps; chosen++)
            n_found += verify_changed(&fixture, chosen, drop_chosen) == TESS_E_VERIFY;
        /* One DONE per op and tile changes nothing. Neither does clearing padding again
         * that nobody has touched since the tile before. */
        int n_tiles = tilings[i].n_rows * tilings[i].n_cols;
        assert_true(n_found >= n_steps - 2 * N_OPS * n_tiles);
        assert_true(n_found > 0);
        tear_down(&fixture);
    }
}

static bool drop_fill(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    return step->kind != TESS_STEP_FILL;
}

static void test_padding_that_nobody_cleared_is_missed(void **state)
{
    (void)state;
    assert_found(drop_fill,
                 "layer 0 (conv), tile 1,1 of group 1: expects zeros of padding");
}

static bool drop_move(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    return step->kind != TESS_STEP_MOVE;
}

static void test_rows_that_stayed_behind_are_missed(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, BANDS);
    assert_int_equal(verify_changed(&fixture, 0, drop_move), TESS_E_VERIFY);
    assert_says(&fixture, "tile 2,1 of group 1");
    assert_says(&fixture, "of the network's input");
    tear_down(&fixture);
}

static bool drop_layer_0(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    return step->op != 0 || step->kind == TESS_STEP_FILL;
}

static void test_a_layer_that_did_not_run_is_missed(void **state)
{
    (void)state;
    assert_found(drop_layer_0,
                 "layer 1 (conv), tile 1,1 of group 2: expects row 0, column 0, "
                 "channel 0 of the output of layer 0");
}

static bool drop_last_layer(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    return step->op != N_OPS - 1;
}

static void test_an_output_left_out_is_missed(void **state)
{
    (void)state;
    assert_found(drop_last_layer, "after the last step: expects row 0");
}

static bool shift_a_row(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_RUN && step->op == 1)
        step->in[0].row--;
    return true;
}

static void test_an_input_read_a_row_too_low_is_found(void **state)
{
    (void)state;
    assert_found(shift_a_row, "layer 1 (conv)");
}

static bool overwrite_input(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_RUN && step->op == 2)
        step->out.offset = step->in[0].offset;
    return true;
}

static void test_a_kernel_may_not_overwrite_its_input(void **state)
{
    (void)state;
    assert_found(overwrite_input, "overwrites the output of layer 0 while reading it");
}

static bool take_zeros(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_RUN && step->op == 2) {
        step->in[0].offset -= 4 * step->in[0].row_stride;
        step->in[0].row--;
        step->in[0].n_rows++;
    }
    return true;
}

static void test_a_maxpool_may_not_take_zeros_for_padding(void **state)
{
    (void)state;
    assert_found(take_zeros, "layer 2 (maxpool), tile 1,1 of group 3: takes zeros");
}

static bool clear_a_row(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_DONE && step->op == 0)
        step->kind = TESS_STEP_FILL;
    return true;
}

static void test_clearing_a_row_of_the_map_is_found(void **state)
{
    (void)state;
    assert_found(clear_a_row, "clears row 0 of the output of layer 0");
}

static bool run_beyond(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_RUN && step->op == 3)
        step->out.offset = INT64_C(1) << 40;
    return true;
}

static void test_memory_outside_the_arena_is_found(void **state)
{
    (void)state;
    assert_found(run_beyond, "outside the arena");
}

static bool run_one_pixel(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_RUN && step->op == 0) {
        step->out.n_rows = step->out.n_cols = 1;
        step->out.row_stride = step->out.pixel_stride;
    }
    return true;
}

static void
test_a_single_pixel_is_refused_where_it_would_be_rounded_differently(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, UNTILED);
    fixture.layout->ops[0].pads_cols = false;
    assert_int_equal(verify_changed(&fixture, 0, run_one_pixel), TESS_E_VERIFY);
    assert_says(&fixture, "a single pixel");
    tear_down(&fixture);
}

static bool put_gaps(struct tess_step *step, int index, int chosen)
{
    (void)index;
    (void)chosen;
    if (step->kind == TESS_STEP_RUN && step->op == 1)
        step->in[0].row_stride++;
    return true;
}

static void test_rows_with_gaps_are_refused_where_a_kernel_wants_none(void **state)
{
    (void)state;
    assert_found(put_gaps, "gaps between them");
}

/* ---- the calls that the layout promises ---- */

static void test_a_window_larger_than_promised_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, UNTILED);
    fixture.layout->ops[1].largest.n_rows--;
    assert_int_equal(tess_verify(fixture.layout, &fixture.verdict, &fixture.error),
                     TESS_E_VERIFY);
    assert_says(&fixture, "computes 12 x 12 pixels with a kernel made for 11 x 12");
    tear_down(&fixture);
}

static void test_padding_left_to_a_kernel_without_any_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, UNTILED);
    fixture.layout->ops[1].pads_rows = true;
    assert_int_equal(tess_verify(fixture.layout, &fixture.verdict, &fixture.error),
                     TESS_E_VERIFY);
    assert_says(&fixture, "leaves padding to a kernel");
    tear_down(&fixture);
}

static void test_buffers_that_live_together_may_not_overlap(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, UNTILED);
    struct tess_storage *storages = fixture.layout->storages;
    storages[fixture.layout->stored[2].storage].offset =
        storages[fixture.layout->stored[1].storage].offset + 64;
    assert_int_equal(tess_verify(fixture.layout, &fixture.verdict, &fixture.error),
                     TESS_E_VERIFY);
    tear_down(&fixture);
}

/* ---- the budget ---- */

static void test_a_peak_above_the_budget_is_infeasible(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, BANDS);
    assert_int_equal(tess_verify(fixture.layout, &fixture.verdict, &fixture.error),
                     TESS_OK);
    fixture.plan->budget_bytes = fixture.verdict.memory.peak;
    assert_int_equal(tess_verify(fixture.layout, &fixture.verdict, &fixture.error),
                     TESS_OK);
    fixture.plan->budget_bytes--;
    assert_int_equal(tess_verify(fixture.layout, &fixture.verdict, &fixture.error),
                     TESS_E_INFEASIBLE);
    assert_says(&fixture, "budget");
    assert_non_null(strstr(fixture.error.hint, "the process itself"));
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dropped_step_is_missed),
        cmocka_unit_test(test_padding_that_nobody_cleared_is_missed),
        cmocka_unit_test(test_rows_that_stayed_behind_are_missed),
        cmocka_unit_test(test_a_layer_that_did_not_run_is_missed),
        cmocka_unit_test(test_an_output_left_out_is_missed),
        cmocka_unit_test(test_an_input_read_a_row_too_low_is_found),
        cmocka_unit_test(test_a_kernel_may_not_overwrite_its_input),
        cmocka_unit_test(test_a_maxpool_may_not_take_zeros_for_padding),
        cmocka_unit_test(test_clearing_a_row_of_the_map_is_found),
        cmocka_unit_test(test_memory_outside_the_arena_is_found),
        cmocka_unit_test(
            test_a_single_pixel_is_refused_where_it_would_be_rounded_differently),
        cmocka_unit_test(test_rows_with_gaps_are_refused_where_a_kernel_wants_none),
        cmocka_unit_test(test_a_window_larger_than_promised_is_refused),
        cmocka_unit_test(test_padding_left_to_a_kernel_without_any_is_refused),
        cmocka_unit_test(test_buffers_that_live_together_may_not_overlap),
        cmocka_unit_test(test_a_peak_above_the_budget_is_infeasible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
