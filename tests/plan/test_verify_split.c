/* The check of split networks: passes what tess_graph_split makes, and no graph in which a part,
 * a sum or anything else was changed. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/graph_split.h"
#include "plan/verify_split.h"
#include "tests/support/random_net.h"

/* A random network, and the same with some convolutions split. */
struct pair {
    struct tess_graph *graph, *split;
    int n_split;
};

static void pair_init(struct pair *pair, struct tess_rng *rng)
{
    struct tess_random_net nets;
    tess_random_net_init(&nets);
    nets.max_ops = 16;
    nets.chain_percent = 80;
    nets.joined_percent = 30;
    nets.has_activations = true;
    pair->graph = tess_random_net_create(&nets, rng);
    pair->n_split = 0;
    bool *is_split = calloc((size_t)pair->graph->n_ops, sizeof *is_split);
    for (int op = 0; op < pair->graph->n_ops; op++) {
        is_split[op] =
            tess_graph_n_parts(pair->graph, op) > 0 && tess_rng_int(rng, 0, 3) > 0;
        pair->n_split += is_split[op];
    }
    assert_int_equal(tess_graph_split(pair->graph, is_split, &pair->split, NULL),
                     TESS_OK);
    free(is_split);
}

static void pair_release(struct pair *pair)
{
    tess_graph_destroy(pair->graph);
    tess_graph_destroy(pair->split);
}

static void test_every_split_passes(void **state)
{
    (void)state;
    int n_cases = 1000, n_split = 0;
    uint64_t seed = tess_random_seed(8100000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_error error;
        struct pair pair;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_error_init(&error);
        pair_init(&pair, &rng);
        n_split += pair.n_split;
        if (tess_verify_split(pair.graph, pair.split, &error) != TESS_OK)
            fail_msg("TESS_TEST_SEED=%" PRIu64 ": %s", seed + (uint64_t)i, error.message);
        pair_release(&pair);
    }
    assert_true(n_split > n_cases || n_cases == 1);
}

/* A number below `limit` other than `value`. */
static int other_than(struct tess_rng *rng, int value, int limit)
{
    int other = tess_rng_int(rng, 0, limit - 2);
    return other + (other >= value);
}

/* Changes something of `op` that must not be changed. */
static void change(struct tess_graph *graph, struct tess_op *op, struct tess_rng *rng)
{
    int n_here = op->output; /* tensors there are before it */
    switch (tess_rng_int(rng, 0, 8)) {
    case 0: op->channel_begin++; break;
    case 1: op->channel_begin--; break;
    case 2: op->kernel_channels++; break;
    case 3:
        op->activation =
            (enum tess_activation)other_than(rng, (int)op->activation, TESS_ACT_N_KINDS);
        break;
    case 4: op->weights_offset++; break;
    case 5:
        if (n_here > 1)
            op->inputs[0] = other_than(rng, op->inputs[0], n_here);
        else
            op->layer++;
        break;
    case 6:
        if (op->n_inputs == 2)
            op->inputs[1] = other_than(rng, op->inputs[1], n_here);
        else
            op->window.stride_w++;
        break;
    case 7:
        if (op->n_inputs == 2)
            op->n_inputs = 1; /* begins the sums anew */
        else
            op->has_batch_norm = !op->has_batch_norm;
        break;
    default: graph->tensors[op->output].is_output = !graph->tensors[op->output].is_output;
    }
}

static void test_no_split_with_a_part_changed_passes(void **state)
{
    (void)state;
    int n_cases = 2000, n_refused = 0;
    uint64_t seed = tess_random_seed(8200000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct pair pair;
        tess_rng_init(&rng, seed + (uint64_t)i);
        pair_init(&pair, &rng);
        for (int op = 0; op < pair.split->n_ops && pair.n_split > 0; op++) {
            struct tess_op *part = &pair.split->ops[op];
            if (!tess_op_is_partial(part) || tess_rng_int(&rng, 0, 1))
                continue;
            change(pair.split, part, &rng);
            if (tess_verify_split(pair.graph, pair.split, NULL) != TESS_E_VERIFY)
                fail_msg("TESS_TEST_SEED=%" PRIu64 ": op %d changed, and it passes",
                         seed + (uint64_t)i, op);
            n_refused++;
            break;
        }
        pair_release(&pair);
    }
    printf("%d changed splits, all refused\n", n_refused);
    assert_true(3 * n_refused > n_cases || n_cases == 1);
}

static void test_the_parts_of_another_network_are_refused(void **state)
{
    (void)state;
    struct tess_error error;
    struct tess_rng rng;
    struct pair one, other;
    tess_error_init(&error);
    tess_rng_init(&rng, 1);
    pair_init(&one, &rng);
    pair_init(&other, &rng);
    assert_int_equal(tess_verify_split(one.graph, other.split, &error), TESS_E_VERIFY);
    assert_string_equal(error.message, "the parts are those of another network");
    pair_release(&one);
    pair_release(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split_passes),
        cmocka_unit_test(test_no_split_with_a_part_changed_passes),
        cmocka_unit_test(test_the_parts_of_another_network_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
