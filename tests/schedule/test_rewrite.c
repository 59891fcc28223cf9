/* Rewriting: what it makes of small graphs, and random ones against symbols and brute force. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schedule/blocks.h"
#include "schedule/check.h"
#include "schedule/placement.h"
#include "schedule/rewrite_search.h"
#include "tests/support/random_net.h"
#include "tests/support/random_tasks.h"
#include "tests/support/symbolic_tasks.h"

enum { MAX_TASKS = 64, SMALL_TASKS = 14 };

/* A graph being written down. */
struct draft {
    struct tess_task_spec tasks[MAX_TASKS];
    struct tess_tensor_spec tensors[MAX_TASKS];
    int inputs[MAX_TASKS][4], outputs[MAX_TASKS];
    int n_tasks, n_tensors;
};

static int add_tensor(struct draft *draft, int64_t bytes)
{
    draft->tensors[draft->n_tensors] = (struct tess_tensor_spec){.bytes = bytes};
    return draft->n_tensors++;
}

static int add_input(struct draft *draft, int64_t bytes)
{
    int tensor = add_tensor(draft, bytes);
    draft->tensors[tensor].is_input = true;
    return tensor;
}

/* Adds a task of up to 4 inputs, ended by -1; its output. */
static int add_task(struct draft *draft, unsigned flags, int64_t bytes, const int *inputs)
{
    int task = draft->n_tasks++, output = add_tensor(draft, bytes), n = 0;
    for (; n < 4 && inputs[n] >= 0; n++)
        draft->inputs[task][n] = inputs[n];
    draft->outputs[task] = output;
    draft->tasks[task] =
        (struct tess_task_spec){flags, n, 1, draft->inputs[task], &draft->outputs[task]};
    return output;
}

static int add_simple(struct draft *draft, unsigned flags, int64_t bytes, int input)
{
    return add_task(draft, flags, bytes, (const int[]){input, -1});
}

static struct tess_task_graph *create(const struct draft *draft)
{
    struct tess_tasks_spec spec = {draft->n_tasks, draft->n_tensors, draft->tasks,
                                   draft->tensors};
    struct tess_task_graph *graph = NULL;
    assert_int_equal(tess_task_graph_create(&spec, &graph, NULL, NULL), TESS_OK);
    return graph;
}

enum { CONV = TESS_TASK_SUMS, RELU = TESS_TASK_PARTWISE | TESS_TASK_OVERWRITES };

/* ---- by hand ---- */

/* in (1) -> a, b (4 each) -> concat (8) -> relu (8) -> convolution y (2), retained. */
static struct tess_task_graph *small_graph(void)
{
    struct draft draft = {0};
    int in = add_input(&draft, 1);
    int a = add_simple(&draft, CONV, 4, in), b = add_simple(&draft, CONV, 4, in);
    int c = add_task(&draft, TESS_TASK_CONCAT, 8, (const int[]){a, b, -1});
    int y = add_simple(&draft, CONV, 2, add_simple(&draft, RELU, 8, c));
    draft.tensors[y].is_retained = true;
    return create(&draft);
}

static void test_a_concat_becomes_addends(void **state)
{
    (void)state;
    struct tess_task_graph *graph = small_graph();
    bool dissolve[5] = {false, false, true, false, false};
    struct tess_rewritten rewritten;
    for (int task = 0; task < 5; task++)
        assert_int_equal(tess_rewrite_is_site(graph, task), task == 2);
    assert_int_equal(tess_rewrite_apply(&rewritten, graph, dissolve, 1, NULL), TESS_OK);
    assert_true(tess_is_same_function(graph, &rewritten));
    /* a, b, two relus, two addends; tensors: in, a, b, y, two of the relu. */
    assert_int_equal(rewritten.graph->n_tasks, 6);
    assert_int_equal(rewritten.graph->n_tensors, 6);
    assert_int_equal(rewritten.n_dissolved, 1);
    assert_int_equal(rewritten.n_summed, 1);
    assert_int_equal(rewritten.n_parted, 1);
    const struct tess_rewritten_task *last = &rewritten.tasks[5];
    assert_int_equal(last->origin, 4);
    assert_int_equal(last->kind, TESS_REWRITE_PART);
    assert_int_equal(last->part, 1);
    assert_int_equal(last->n_parts, 2);
    tess_rewritten_release(&rewritten);
    tess_task_graph_destroy(graph);
}

static void test_wider_sums_are_a_tensor_of_their_own(void **state)
{
    (void)state;
    struct tess_task_graph *graph = small_graph();
    bool dissolve[5] = {false, false, true, false, false};
    struct tess_rewritten rewritten;
    assert_int_equal(tess_rewrite_apply(&rewritten, graph, dissolve, 4, NULL), TESS_OK);
    assert_true(tess_is_same_function(graph, &rewritten));
    assert_int_equal(rewritten.graph->n_tasks, 7);
    assert_int_equal(rewritten.tasks[6].kind, TESS_REWRITE_FINISH);
    int sums = rewritten.graph->tasks[6].inputs[0];
    assert_int_equal(rewritten.graph->tensors[sums].bytes, 8);
    assert_int_equal(rewritten.tensors[sums].part, -1);
    tess_rewritten_release(&rewritten);
    tess_task_graph_destroy(graph);
}

static void test_what_cannot_be_in_parts_stays(void **state)
{
    (void)state;
    struct draft draft = {0};
    int in = add_input(&draft, 6);
    int a = add_simple(&draft, CONV, 4, in), b = add_simple(&draft, CONV, 4, in);
    int added = add_task(&draft, TESS_TASK_CONCAT, 8, (const int[]){a, b, -1});
    add_task(&draft, 0, 8, (const int[]){added, in, -1});
    int kept = add_task(&draft, TESS_TASK_CONCAT, 8, (const int[]){a, b, -1});
    draft.tensors[kept].is_retained = true;
    add_simple(&draft, CONV, 1, kept);
    int twice = add_task(&draft, TESS_TASK_CONCAT, 8, (const int[]){a, a, -1});
    add_simple(&draft, CONV, 1, twice);
    add_task(&draft, TESS_TASK_CONCAT, 8, (const int[]){a, b, -1}); /* nobody reads it */
    struct tess_task_graph *graph = create(&draft);
    for (int task = 0; task < graph->n_tasks; task++)
        assert_false(tess_rewrite_is_site(graph, task));
    tess_task_graph_destroy(graph);
}

/* 3 bytes of 6 cannot be a whole share of 5: the concat is put together for it. */
static void test_odd_shares_are_put_together(void **state)
{
    (void)state;
    struct draft draft = {0};
    int in = add_input(&draft, 6);
    int a = add_simple(&draft, CONV, 3, in), b = add_simple(&draft, CONV, 3, in);
    int c = add_task(&draft, TESS_TASK_CONCAT, 6, (const int[]){a, b, -1});
    add_simple(&draft, TESS_TASK_PARTWISE, 5, c);
    add_simple(&draft, CONV, 2, c);
    struct tess_task_graph *graph = create(&draft);
    bool dissolve[5] = {false, false, true, false, false};
    struct tess_rewritten rewritten;
    assert_int_equal(tess_rewrite_apply(&rewritten, graph, dissolve, 1, NULL), TESS_OK);
    assert_true(tess_is_same_function(graph, &rewritten));
    assert_int_equal(rewritten.graph->n_tasks, 5);
    assert_int_equal(rewritten.n_dissolved, 0);
    tess_rewritten_release(&rewritten);
    tess_task_graph_destroy(graph);
}

/* ---- a published cell ---- */

/* relu, depthwise, pointwise; as often as told. */
static int add_separable(struct draft *draft, int tensor, int n_times)
{
    enum { BYTES = 4 * 48 * 28 * 28 };
    for (int i = 0; i < n_times; i++) {
        tensor = add_simple(draft, RELU, BYTES, tensor);
        tensor = add_simple(draft, TESS_TASK_PARTWISE, BYTES, tensor);
        tensor = add_simple(draft, CONV, BYTES, tensor);
    }
    return tensor;
}

static int add_sum(struct draft *draft, int a, int b)
{
    return add_task(draft, TESS_TASK_OVERWRITES, draft->tensors[a].bytes,
                    (const int[]){a, b, -1});
}

/* The normal cell of DARTS (V2, ImageNet: 48 channels of 28x28 floats), its inputs preprocessed,
 * and the first convolution of the next: H. Liu, K. Simonyan, Y. Yang, "DARTS: Differentiable
 * Architecture Search", ICLR 2019, figure 4. */
static struct tess_task_graph *darts_cell(void)
{
    enum { BYTES = 4 * 48 * 28 * 28 };
    struct draft draft = {0};
    int x = add_input(&draft, BYTES), y = add_input(&draft, BYTES);
    int n[4];
    for (int i = 0; i < 2; i++) {
        int left = add_separable(&draft, x, 2), right = add_separable(&draft, y, 2);
        n[i] = add_sum(&draft, left, right);
    }
    n[2] = add_sum(&draft, add_separable(&draft, y, 2), x);
    n[3] = add_sum(&draft, x, add_separable(&draft, n[0], 1));
    int cell = add_task(&draft, TESS_TASK_CONCAT, 4 * BYTES, n);
    int next = add_simple(&draft, CONV, BYTES, add_simple(&draft, RELU, 4 * BYTES, cell));
    draft.tensors[next].is_retained = true;
    return create(&draft);
}

static int64_t arena_bytes(const struct tess_rewrite_found *found)
{
    struct tess_placement placement;
    struct tess_blocks blocks;
    int64_t offsets[2 * MAX_TASKS];
    assert_true(found->counted->n_tensors <= 2 * MAX_TASKS);
    tess_placement_init(&placement);
    assert_int_equal(tess_blocks_init(&blocks, found->counted, found->order.order, NULL),
                     TESS_OK);
    assert_int_equal(
        tess_placement_find(&placement, blocks.blocks, blocks.n_blocks, NULL), TESS_OK);
    tess_blocks_offsets(&blocks, found->counted, offsets);
    assert_int_equal(tess_check_places(found->counted, found->order.order, offsets,
                                       placement.arena_bytes, placement.alignment, NULL),
                     TESS_OK);
    tess_blocks_release(&blocks);
    return placement.arena_bytes;
}

static void test_darts_cell_needs_five_tensors(void **state)
{
    (void)state;
    struct tess_task_graph *graph = darts_cell();
    for (int model = TESS_MODEL_BASE; model <= TESS_MODEL_VIEW; model++) {
        struct tess_rewrite_options options;
        struct tess_rewrite_found found;
        int64_t peak;
        tess_rewrite_options_init(&options);
        options.model = (enum tess_memory_model)model;
        assert_int_equal(tess_rewrite_find(&found, graph, &options, NULL), TESS_OK);
        assert_int_equal(found.order.peak_bytes, 752640);
        assert_true(found.order.is_proven);
        assert_true(found.plain_bytes >= 903168);
        assert_int_equal(found.rewritten.n_dissolved, 1);
        assert_true(tess_is_same_function(graph, &found.rewritten));
        assert_int_equal(tess_check_order(found.counted, found.order.order, &peak, NULL),
                         TESS_OK);
        assert_int_equal(peak, 752640);
        assert_int_equal(arena_bytes(&found), 752640);
        tess_rewrite_found_release(&found);
    }
    tess_task_graph_destroy(graph);
}

/* ---- random ---- */

static int draw_tensor(const struct draft *draft, struct tess_rng *rng)
{
    int low = draft->n_tensors > 5 && tess_rng_int(rng, 0, 2) ? draft->n_tensors - 5 : 0;
    return tess_rng_int(rng, low, draft->n_tensors - 1);
}

static void draw_task(struct draft *draft, struct tess_rng *rng)
{
    int kind = tess_rng_int(rng, 0, 9), inputs[] = {-1, -1, -1, -1};
    int64_t bytes = tess_rng_int(rng, 0, 8);
    for (int k = 0; k < (kind < 6 ? 1 : tess_rng_int(rng, 2, 3)); k++)
        inputs[k] = draw_tensor(draft, rng);
    int64_t input_bytes = draft->tensors[inputs[0]].bytes;
    if (kind < 3) {
        add_task(draft, CONV, bytes, inputs);
        /* Sometimes one more addend of what nobody reads yet. */
        int last = draft->n_tasks - 2;
        if (last >= 0 && tess_rng_int(rng, 0, 5) == 0 &&
            inputs[0] < draft->outputs[last]) {
            draft->outputs[draft->n_tasks - 1] = draft->outputs[last];
            draft->n_tensors--;
        }
    } else if (kind < 5) {
        add_task(draft, RELU, input_bytes, inputs);
    } else if (kind == 5) {
        bool is_odd = tess_rng_int(rng, 0, 3) == 0;
        add_task(draft, TESS_TASK_PARTWISE, is_odd ? bytes : 2 * input_bytes, inputs);
    } else if (kind < 9) {
        int64_t sum = 0;
        for (int k = 0; inputs[k] >= 0; k++)
            sum += draft->tensors[inputs[k]].bytes;
        add_task(draft, TESS_TASK_CONCAT, sum, inputs);
    } else {
        add_task(draft, tess_rng_int(rng, 0, 1) ? TESS_TASK_OVERWRITES : 0, input_bytes,
                 inputs);
    }
}

/* Up to max_tasks tasks, many of them concats and convolutions. */
static struct tess_task_graph *random_graph(int max_tasks, struct tess_rng *rng)
{
    struct draft draft = {0};
    for (int n = tess_rng_int(rng, 1, 2); n > 0; n--)
        add_input(&draft, tess_rng_int(rng, 0, 4));
    for (int n = tess_rng_int(rng, 1, max_tasks); n > 0; n--)
        draw_task(&draft, rng);
    for (int t = 0; t < draft.n_tensors; t++)
        draft.tensors[t].is_retained =
            t == draft.n_tensors - 1 || tess_rng_int(rng, 0, 19) == 0;
    return create(&draft);
}

static void test_random_rewritings_compute_the_same(void **state)
{
    (void)state;
    int n_cases = 20000, n_rewritten = 0;
    uint64_t seed = tess_random_seed(9720000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_graph(20, &rng);
        bool dissolve[MAX_TASKS] = {false};
        struct tess_rewritten rewritten;
        for (int task = 0; task < graph->n_tasks; task++)
            dissolve[task] =
                tess_rewrite_is_site(graph, task) && tess_rng_int(&rng, 0, 3);
        int factor = tess_rng_int(&rng, 0, 1) ? 1 : 4;
        assert_int_equal(tess_rewrite_apply(&rewritten, graph, dissolve, factor, NULL),
                         TESS_OK);
        if (!tess_is_same_function(graph, &rewritten))
            fail_msg("seed %" PRIu64 ": another function", seed + (uint64_t)i);
        n_rewritten += rewritten.n_dissolved > 0;
        tess_rewritten_release(&rewritten);
        tess_task_graph_destroy(graph);
    }
    printf("%d graphs, %d of them rewritten\n", n_cases, n_rewritten);
}

static int64_t brute_peak(const struct tess_task_graph *graph,
                          const struct tess_rewrite_options *options)
{
    struct tess_task_graph *counted = NULL;
    assert_int_equal(
        tess_task_graph_count(graph, options->model, options->alignment, &counted, NULL),
        TESS_OK);
    int64_t peak = tess_brute_peak(counted);
    tess_task_graph_destroy(counted);
    return peak;
}

/* The least peak over all choices and orders; -1 if a choice is too large to try. */
static int64_t brute_choice(const struct tess_task_graph *graph,
                            const struct tess_rewrite_options *options)
{
    int sites[MAX_TASKS], n_sites = 0;
    int64_t best = INT64_MAX;
    for (int task = 0; task < graph->n_tasks; task++)
        if (tess_rewrite_is_site(graph, task))
            sites[n_sites++] = task;
    for (unsigned set = 0; set < 1U << n_sites; set++) {
        bool dissolve[MAX_TASKS] = {false};
        struct tess_rewritten rewritten;
        for (int i = 0; i < n_sites; i++)
            dissolve[sites[i]] = set >> i & 1;
        assert_int_equal(tess_rewrite_apply(&rewritten, graph, dissolve,
                                            options->accumulator_factor, NULL),
                         TESS_OK);
        int64_t peak = rewritten.graph->n_tasks > SMALL_TASKS
                           ? -1
                           : brute_peak(rewritten.graph, options);
        best = peak < best ? peak : best;
        tess_rewritten_release(&rewritten);
    }
    return best;
}

static void test_random_choices_are_ordered_best(void **state)
{
    (void)state;
    int n_cases = 1500, n_gained = 0, n_missed = 0, n_large = 0;
    uint64_t seed = tess_random_seed(9730000, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_rng rng;
        struct tess_rewrite_options options;
        struct tess_rewrite_found found;
        tess_rng_init(&rng, seed + (uint64_t)i);
        struct tess_task_graph *graph = random_graph(9, &rng);
        tess_rewrite_options_init(&options);
        options.model = (enum tess_memory_model)tess_rng_int(&rng, 0, 2);
        options.alignment = tess_rng_int(&rng, 0, 1) ? 1 : 3;
        options.accumulator_factor = tess_rng_int(&rng, 0, 1) ? 1 : 4;
        assert_int_equal(tess_rewrite_find(&found, graph, &options, NULL), TESS_OK);
        assert_true(tess_is_same_function(graph, &found.rewritten));
        int64_t checked, best = brute_choice(graph, &options);
        assert_int_equal(
            tess_check_order(found.counted, found.order.order, &checked, NULL), TESS_OK);
        if (found.floor_bytes > (best < 0 ? checked : best) ||
            checked != found.order.peak_bytes || found.order.peak_bytes < best ||
            found.plain_bytes != brute_peak(graph, &options) ||
            found.order.peak_bytes > found.plain_bytes || !found.order.is_proven ||
            (found.counted->n_tasks <= SMALL_TASKS &&
             tess_brute_peak(found.counted) != checked))
            fail_msg("seed %" PRIu64 ": plain %" PRId64 ", rewritten %" PRId64
                     ", checked %" PRId64 ", best %" PRId64,
                     seed + (uint64_t)i, found.plain_bytes, found.order.peak_bytes,
                     checked, best);
        n_gained += found.order.peak_bytes < found.plain_bytes;
        n_large += best < 0;
        n_missed += best >= 0 && found.order.peak_bytes > best;
        tess_rewrite_found_release(&found);
        tess_task_graph_destroy(graph);
    }
    printf(
        "%d graphs: %d lower by rewriting, %d not the best choice, %d too large to try\n",
        n_cases, n_gained, n_missed, n_large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_concat_becomes_addends),
        cmocka_unit_test(test_wider_sums_are_a_tensor_of_their_own),
        cmocka_unit_test(test_what_cannot_be_in_parts_stays),
        cmocka_unit_test(test_odd_shares_are_put_together),
        cmocka_unit_test(test_darts_cell_needs_five_tensors),
        cmocka_unit_test(test_random_rewritings_compute_the_same),
        cmocka_unit_test(test_random_choices_are_ordered_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
