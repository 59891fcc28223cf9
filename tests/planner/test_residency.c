#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arith.h"
#include "base/rng.h"
#include "plan/slices.h"
#include "planner/residency.h"
#include "tests/support/random_net.h"

enum { MAX_OPS = 7, MAX_BLOCKS = 4 };

struct instance {
    struct tess_streamable ops[MAX_OPS];
    struct tess_kernel_facts facts;
    struct tess_profile profile;
    struct tess_residency_problem problem;
};

static void draw(struct instance *instance, uint64_t seed)
{
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    instance->facts =
        (struct tess_kernel_facts){.family = "nat",
                                   .has_packed_weights = 1,
                                   .has_unpacked_source = tess_rng_int(&rng, 0, 1)};
    tess_profile_init(&instance->profile);
    int64_t bytes = 0, most_block_bytes = 0;
    int n_ops = tess_rng_int(&rng, 1, MAX_OPS);
    for (int i = 0; i < n_ops; i++) {
        int64_t block_bytes = 64 * tess_rng_int(&rng, 1, 4000);
        int n_blocks = tess_rng_int(&rng, 1, MAX_BLOCKS);
        if (i > 0 && tess_rng_int(&rng, 0, 1)) /* like layers, where ties are */
            block_bytes = instance->ops[i - 1].block_bytes;
        instance->ops[i] = (struct tess_streamable){
            .op = i,
            .weights_bytes = block_bytes * n_blocks,
            .block_bytes = block_bytes,
            .n_blocks = n_blocks,
            .n_reads = tess_rng_int(&rng, 0, 5),
            .macs = block_bytes * tess_rng_int(&rng, 0, 4000),
            .speed =
                tess_rng_int(&rng, 0, 1) ? TESS_SPEED_CONV_WIDE : TESS_SPEED_CONV_POINT};
        bytes += instance->ops[i].weights_bytes;
        most_block_bytes = tess_max_i64(most_block_bytes, block_bytes);
    }
    bytes += 4 * most_block_bytes;
    instance->problem = (struct tess_residency_problem){
        instance->ops, n_ops, &instance->facts, &instance->profile,
        (int64_t)(tess_rng_next(&rng) % (uint64_t)bytes)};
}

/* Bytes of a choice: bit i of `held` set, op i is held. */
static int64_t bytes_of(const struct instance *instance, unsigned held,
                        int64_t slice_bytes)
{
    int64_t weights = 0, slot = 0, block = 0;
    for (int i = 0; i < instance->problem.n_ops; i++) {
        const struct tess_streamable *op = &instance->ops[i];
        if (held >> i & 1) {
            weights += op->weights_bytes;
            continue;
        }
        int n = tess_slices_blocks_within(slice_bytes, op->block_bytes, op->n_blocks);
        slot = tess_max_i64(slot, n * op->block_bytes);
        block = tess_max_i64(block, op->block_bytes);
    }
    int64_t bytes = tess_round_up(weights, TESS_FACTS_PAGE_BYTES);
    return slot ? bytes + tess_slices_window_bytes(&instance->facts, slot, block) : bytes;
}

static double read_us_of(const struct instance *instance, unsigned held,
                         int64_t slice_bytes)
{
    double us = 0;
    for (int i = 0; i < instance->problem.n_ops; i++)
        if (!(held >> i & 1))
            us += tess_cost_read_us(&instance->ops[i], slice_bytes, &instance->facts,
                                    &instance->profile);
    return us;
}

/* The least cost over every set of ops and every size that a slice can have. */
static double brute_us(const struct instance *instance, int64_t available_bytes)
{
    double best_us = INFINITY;
    int n_ops = instance->problem.n_ops;
    for (unsigned held = 0; held < 1u << n_ops; held++) {
        for (int i = 0; i < n_ops; i++) {
            for (int k = 1; k <= MAX_BLOCKS; k++) {
                int64_t slice_bytes = instance->ops[i].block_bytes * k;
                bool is_possible = true;
                for (int j = 0; j < n_ops; j++)
                    is_possible &=
                        (held >> j & 1) || instance->ops[j].block_bytes <= slice_bytes;
                if (is_possible &&
                    bytes_of(instance, held, slice_bytes) <= available_bytes)
                    best_us = fmin(best_us, read_us_of(instance, held, slice_bytes));
            }
        }
    }
    return best_us;
}

static unsigned held_of(const struct instance *instance,
                        const struct tess_residency *residency)
{
    unsigned held = 0;
    for (int i = 0; i < instance->problem.n_ops; i++)
        held |= (unsigned)!residency->is_streamed[i] << i;
    return held;
}

static void test_choice_is_the_best_of_all_choices(void **state)
{
    (void)state;
    int n_cases = 2000, n_solved = 0;
    uint64_t seed = tess_random_seed(8086, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct instance instance;
        struct tess_residency residency = {0};
        draw(&instance, seed + (uint64_t)i);
        double best_us = brute_us(&instance, instance.problem.available_bytes);
        double bound_us = tess_residency_bound_us(&instance.problem);
        enum tess_status status =
            tess_residency_solve(&instance.problem, &residency, NULL);
        bool is_right = status == TESS_E_INFEASIBLE && best_us >= (double)INFINITY;
        if (status == TESS_OK) {
            unsigned held = held_of(&instance, &residency);
            int64_t bytes = bytes_of(&instance, held, residency.slice_bytes);
            is_right = residency.read_us <= best_us * 1.000001 + 1e-9 &&
                       residency.read_us >= best_us * 0.999999 - 1e-9 &&
                       bound_us <= best_us * 1.000001 + 1e-9 &&
                       bytes <= residency.held_bytes &&
                       residency.held_bytes <= instance.problem.available_bytes &&
                       residency.is_proven;
            n_solved++;
        }
        if (!is_right)
            fail_msg("found %g us, bound %g us, best %g us: TESS_TEST_SEED=%llu",
                     residency.read_us, bound_us, best_us,
                     (unsigned long long)(seed + (uint64_t)i));
        tess_residency_release(&residency);
    }
    if (n_cases > 1)
        assert_true(n_solved > n_cases / 2);
}

static void test_least_bytes_work_and_one_less_does_not(void **state)
{
    (void)state;
    int n_cases = 500;
    uint64_t seed = tess_random_seed(6502, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct instance instance;
        struct tess_residency residency = {0};
        draw(&instance, seed + (uint64_t)i);
        instance.problem.available_bytes = tess_residency_least_bytes(&instance.problem);
        if (tess_residency_solve(&instance.problem, &residency, NULL) != TESS_OK)
            fail_msg("TESS_TEST_SEED=%llu", (unsigned long long)(seed + (uint64_t)i));
        tess_residency_release(&residency);
        instance.problem.available_bytes--;
        assert_int_equal(tess_residency_solve(&instance.problem, &residency, NULL),
                         TESS_E_INFEASIBLE);
    }
}

/* A network's worth of like layers, where greedy choices are off and lists could explode. */
static void test_many_like_ops_are_solved_exactly(void **state)
{
    (void)state;
    struct tess_streamable ops[120];
    struct tess_kernel_facts facts = {.family = "nat", .has_packed_weights = 1};
    struct tess_profile profile;
    tess_profile_init(&profile);
    int64_t bytes = 0;
    for (int i = 0; i < 120; i++) {
        int64_t block_bytes = 64 * (1 + (i % 3 == 2 ? 9 : 1) * (int64_t)(128 << i % 3));
        ops[i] = (struct tess_streamable){.op = i,
                                          .weights_bytes = 16 * block_bytes,
                                          .block_bytes = block_bytes,
                                          .n_blocks = 16,
                                          .n_reads = 1 + i % 4,
                                          .macs = 1000 * block_bytes,
                                          .speed = TESS_SPEED_CONV_WIDE};
        bytes += ops[i].weights_bytes;
    }
    for (int part = 1; part < 10; part++) {
        struct tess_residency_problem problem = {ops, 120, &facts, &profile,
                                                 bytes * part / 10};
        struct tess_residency residency = {0};
        assert_int_equal(tess_residency_solve(&problem, &residency, NULL), TESS_OK);
        assert_true(residency.is_proven);
        assert_true(residency.read_us >= tess_residency_bound_us(&problem) * 0.999999);
        assert_true(residency.held_bytes <= problem.available_bytes);
        tess_residency_release(&residency);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice_is_the_best_of_all_choices),
        cmocka_unit_test(test_least_bytes_work_and_one_less_does_not),
        cmocka_unit_test(test_many_like_ops_are_solved_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
