/* The verifier: it passes every plan whose steps are right, and none whose steps are not.
 * What is right is decided by running the steps (tests/support/naive_steps.h). */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "plan/verify.h"
#include "plan/verify_priv.h"
#include "tests/support/naive_steps.h"
#include "tests/support/random_net.h"

/* ---- recorded steps ---- */

struct recording {
    struct tess_step *steps;
    int n_steps, capacity;
};

static enum tess_status record(void *context, const struct tess_step *step,
                               struct tess_error *error)
{
    struct recording *recording = context;
    (void)error;
    if (recording->n_steps == recording->capacity) {
        recording->capacity = 2 * recording->capacity + 64;
        recording->steps = realloc(recording->steps, sizeof *recording->steps *
                                                         (size_t)recording->capacity);
        assert_non_null(recording->steps);
    }
    recording->steps[recording->n_steps++] = *step;
    return TESS_OK;
}

static enum tess_status play(void *source, tess_step_visitor *visit, void *context,
                             struct tess_error *error)
{
    const struct recording *recording = source;
    enum tess_status status = TESS_OK;
    for (int i = 0; i < recording->n_steps && status == TESS_OK; i++)
        status = visit(context, &recording->steps[i], error);
    return status;
}

static struct recording recording_of(const struct tess_layout *layout)
{
    struct recording recording = {0};
    assert_int_equal(tess_walk(layout, record, &recording, NULL), TESS_OK);
    return recording;
}

static enum tess_status verify(const struct tess_layout *layout,
                               struct recording *recording, struct tess_error *error)
{
    struct tess_verdict verdict;
    tess_error_init(error);
    return tess_verify_steps(layout, play, recording, &verdict, error);
}

static bool computes_the_net(const struct tess_layout *layout,
                             struct recording *recording,
                             const struct tess_naive_net *net)
{
    struct tess_naive_run *run = tess_naive_run_create(layout, net);
    play(recording, tess_naive_run_step, run, NULL);
    bool is_right = tess_naive_run_is_right(run, net);
    tess_naive_run_destroy(run);
    return is_right;
}

static void report(const struct tess_random_case *made, uint64_t seed, const char *what)
{
    fprintf(stderr, "%s\nTESS_TEST_SEED=%" PRIu64 "\n", what, seed);
    tess_random_net_print(made->graph, made->plan);
}

/* ---- right plans pass ---- */

static void check_that_all_pass(const struct tess_random_net *nets,
                                const struct tess_random_plan *plans, uint64_t seed,
                                int n_cases)
{
    seed = tess_random_seed(seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        struct tess_verdict verdict;
        struct tess_error error;
        tess_error_init(&error);
        tess_random_case_init(&made, nets, plans, seed + (uint64_t)i);
        enum tess_status status = tess_verify(made.layout, &verdict, &error);
        if (status != TESS_OK)
            report(&made, seed + (uint64_t)i, error.message);
        assert_int_equal(status, TESS_OK);
        int64_t macs = 0;
        for (int group = 0; group < made.plan->n_groups; group++)
            macs += tess_tiles_macs(&made.layout->tiles[group]);
        assert_int_equal(verdict.macs, macs);
        assert_true(verdict.arena_bytes <= tess_layout_arena_bytes(made.layout));
        assert_int_equal(verdict.memory.peak, tess_memory_sum(&verdict.memory));
        tess_random_case_release(&made);
    }
}

static void test_every_plan_passes_and_its_work_is_counted(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    check_that_all_pass(&nets, &plans, 5000000, 4000);
}

/* Nets of many concats, most of whose convolutions are split. */
static void init_split_nets(struct tess_random_net *nets)
{
    tess_random_net_init(nets);
    nets->max_ops = 16;
    nets->max_side = 8;
    nets->max_channels = 4;
    nets->chain_percent = 80;
    nets->kinds = 1u << TESS_OP_CONCAT | 1u << TESS_OP_MAXPOOL;
    nets->joined_percent = 30;
    nets->split_percent = 90;
}

static void test_every_plan_of_partial_convolutions_passes(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    init_split_nets(&nets);
    tess_random_plan_init(&plans);
    check_that_all_pass(&nets, &plans, 5500000, 2000);
}

/* ---- wrong steps do not ---- */

static struct tess_place *pick_place(struct tess_step *step, struct tess_rng *rng)
{
    int which = tess_rng_int(rng, -1, step->n_in - 1);
    return which < 0 ? &step->out : &step->in[which];
}

/* Changes one field of a place by a little. */
static void change_place(struct tess_place *place, struct tess_rng *rng)
{
    int delta = tess_rng_int(rng, 0, 1) ? 1 : -1;
    switch (tess_rng_int(rng, 0, 11)) {
    case 0: place->offset += 4 * delta; break;
    case 1: place->offset += delta; break;
    case 2: place->offset += 4 * delta * place->row_stride; break;
    case 3: place->offset += 4 * delta * place->pixel_stride; break;
    case 4: place->row += delta; break;
    case 5: place->col += delta; break;
    case 6: place->n_rows += delta; break;
    case 7: place->n_cols += delta; break;
    case 8: place->channels += delta; break;
    case 9: place->row_stride += delta * tess_rng_int(rng, 1, 8); break;
    case 10: place->pixel_stride += delta; break;
    default: place->tensor += delta; break;
    }
}

/* Changes, drops, doubles or moves one step. */
static void mutate(struct recording *recording, struct tess_rng *rng)
{
    int n = recording->n_steps, at = tess_rng_int(rng, 0, n - 1);
    int other = tess_rng_int(rng, 0, n - 1);
    struct tess_step *step = &recording->steps[at];
    struct tess_step picked = *step;
    switch (tess_rng_int(rng, 0, 11)) {
    case 0: /* drop */
        memmove(step, step + 1, sizeof *step * (size_t)(n - at - 1));
        recording->n_steps--;
        break;
    case 1: /* move */
        memmove(step, step + 1, sizeof *step * (size_t)(n - at - 1));
        memmove(recording->steps + other + 1, recording->steps + other,
                sizeof *step * (size_t)(n - 1 - other));
        recording->steps[other] = picked;
        break;
    case 2: /* swap with the next */
        if (at + 1 < n) {
            step[0] = step[1];
            step[1] = picked;
        }
        break;
    case 3: *step = recording->steps[other]; break;
    case 4: step->out = recording->steps[other].out; break;
    case 5: step->in[0] = recording->steps[other].in[0]; break;
    case 6: step->op += tess_rng_int(rng, 0, 1) ? 1 : -1; break;
    case 7: step->kind = (enum tess_step_kind)tess_rng_int(rng, 0, TESS_STEP_DONE); break;
    default: change_place(pick_place(step, rng), rng); break;
    }
}

static void check_that_no_mutation_passes(const struct tess_random_net *nets,
                                          const struct tess_random_plan *plans,
                                          uint64_t seed, int n_cases)
{
    int n_wrong = 0, n_harmless = 0, n_strict = 0;
    seed = tess_random_seed(seed, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_case_init(&made, nets, plans, seed + (uint64_t)i);
        struct tess_naive_net *net = tess_naive_net_create(made.graph);
        struct recording right = recording_of(made.layout);
        for (int round = 0; round < 20; round++) {
            struct tess_error error;
            struct recording wrong = recording_of(made.layout);
            mutate(&wrong, &rng);
            bool is_right = computes_the_net(made.layout, &wrong, net);
            bool is_passed = verify(made.layout, &wrong, &error) == TESS_OK;
            n_wrong += !is_right;
            n_harmless += is_right && is_passed;
            n_strict += is_right && !is_passed;
            if (!is_right && is_passed)
                report(&made, seed + (uint64_t)i, "a wrong plan passes");
            assert_true(is_right || !is_passed);
            free(wrong.steps);
        }
        free(right.steps);
        tess_naive_net_destroy(net);
        tess_random_case_release(&made);
    }
    printf("%d mutations that change the result, all found; %d harmless ones passed, %d "
           "not\n",
           n_wrong, n_harmless, n_strict);
    assert_true(n_wrong > 5 * n_cases || n_cases == 1);
}

static void test_no_mutation_that_changes_the_result_passes(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_side = 8;
    nets.max_channels = 4;
    check_that_no_mutation_passes(&nets, &plans, 6000000, 1000);
    init_split_nets(&nets);
    check_that_no_mutation_passes(&nets, &plans, 6500000, 500);
}

/* The sums of a chain are named apart: who reads another or a missing one is found out. */
static void test_a_chain_with_a_part_missing_misread_or_late_is_refused(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    init_split_nets(&nets);
    tess_random_plan_init(&plans);
    plans.tiled_percent = 0;
    int n_cases = 300, n_refused = 0;
    uint64_t seed = tess_random_seed(6700000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        tess_random_case_init(&made, &nets, &plans, seed + (uint64_t)i);
        struct recording right = recording_of(made.layout);
        for (int at = 0; at < right.n_steps; at++) {
            const struct tess_step step = right.steps[at];
            const struct tess_op *op = &made.graph->ops[step.op];
            if (step.kind != TESS_STEP_RUN || !tess_op_is_partial(op))
                continue;
            for (int change = 0; change < 3; change++) {
                struct tess_error error;
                struct recording wrong = recording_of(made.layout);
                if (change == 0) /* missing */
                    wrong.steps[at].kind = TESS_STEP_DONE;
                else if (change == 1 &&
                         tess_op_accumulates(op)) /* reads another's sums */
                    wrong.steps[at].in[1].offset += 4;
                else if (at + 1 < wrong.n_steps) { /* after whoever reads it */
                    memmove(wrong.steps + at, wrong.steps + at + 1,
                            sizeof step * (size_t)(wrong.n_steps - at - 1));
                    wrong.steps[wrong.n_steps - 1] = step;
                }
                bool is_passed = verify(made.layout, &wrong, &error) == TESS_OK;
                if (is_passed)
                    report(&made, seed + (uint64_t)i, "a wrong chain passes");
                assert_false(is_passed);
                n_refused++;
                free(wrong.steps);
            }
        }
        free(right.steps);
        tess_random_case_release(&made);
    }
    assert_true(n_refused > n_cases || n_cases == 1);
}

/* Changes one number of the layout behind the walk. */
static void mutate_layout(struct tess_layout *layout, struct tess_rng *rng)
{
    struct tess_storage *storage =
        &layout->storages[tess_rng_int(rng, 0, layout->n_storages - 1)];
    struct tess_storage *other =
        &layout->storages[tess_rng_int(rng, 0, layout->n_storages - 1)];
    struct tess_op_layout *how =
        &layout->ops[tess_rng_int(rng, 0, layout->plan->n_ops - 1)];
    int delta = tess_rng_int(rng, 0, 1) ? 1 : -1;
    switch (tess_rng_int(rng, 0, 7)) {
    case 0: storage->offset = other->offset; break;
    case 1: storage->offset += 4 * delta * storage->channels; break;
    case 2:
        storage->rows[tess_rng_int(rng, 0, storage->n_rows - 1)].begin += delta;
        break;
    case 3: storage->rows[tess_rng_int(rng, 0, storage->n_rows - 1)].end += delta; break;
    case 4:
        storage->cols[tess_rng_int(rng, 0, storage->n_cols - 1)].begin += delta;
        break;
    case 5: storage->cols[tess_rng_int(rng, 0, storage->n_cols - 1)].end += delta; break;
    case 6:
        if (layout->n_temps > 0)
            layout->temps[tess_rng_int(rng, 0, layout->n_temps - 1)].offset =
                storage->offset;
        break;
    default: how->in_temp[0] = -1; break;
    }
}

static void test_no_broken_layout_passes(void **state)
{
    (void)state;
    struct tess_random_net nets;
    struct tess_random_plan plans;
    tess_random_net_init(&nets);
    tess_random_plan_init(&plans);
    nets.max_side = 8;
    nets.max_channels = 4;
    int n_cases = 10000, n_wrong = 0;
    uint64_t seed = tess_random_seed(7000000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_case made;
        struct tess_rng rng;
        struct tess_error error;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_case_init(&made, &nets, &plans, seed + (uint64_t)i);
        mutate_layout(made.layout, &rng);
        struct tess_naive_net *net = tess_naive_net_create(made.graph);
        struct recording wrong = recording_of(made.layout);
        bool is_right = computes_the_net(made.layout, &wrong, net);
        bool is_passed = verify(made.layout, &wrong, &error) == TESS_OK;
        n_wrong += !is_right;
        if (!is_right && is_passed)
            report(&made, seed + (uint64_t)i, "a broken layout passes");
        assert_true(is_right || !is_passed);
        free(wrong.steps);
        tess_naive_net_destroy(net);
        tess_random_case_release(&made);
    }
    printf("%d broken layouts, all found\n", n_wrong);
    assert_true(4 * n_wrong > n_cases || n_cases == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_plan_passes_and_its_work_is_counted),
        cmocka_unit_test(test_every_plan_of_partial_convolutions_passes),
        cmocka_unit_test(test_no_mutation_that_changes_the_result_passes),
        cmocka_unit_test(test_a_chain_with_a_part_missing_misread_or_late_is_refused),
        cmocka_unit_test(test_no_broken_layout_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
