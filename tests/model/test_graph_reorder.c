/* Networks in another order: the same ops on the same maps with the same weights, and the same
 * bits when run. */
#include "model/graph_reorder.h"

#include "executor/executor.h"
#include "tests/model/model_testing.h"
#include "tests/support/made_up_weights.h"
#include "tests/support/network_maps.h"
#include "tests/support/random_net.h"

/* Layer 0 has 16 channels. 1 makes 12 of them, 3 four, and 4 two of those four. */
#define FORK                                                                             \
    TESTING_NET "[conv]\nfilters=16\nsize=3\npad=1\n"                                    \
                "[conv]\nfilters=12\n[route]\nlayers=0\n"                                \
                "[conv]\nfilters=4\n[conv]\nfilters=2\n"                                 \
                "[route]\nlayers=4,1\n"

static struct tess_graph *reorder(const struct tess_graph *graph, const int *order)
{
    struct tess_graph *reordered = NULL;
    assert_int_equal(tess_graph_reorder(graph, order, &reordered, NULL), TESS_OK);
    tess_graph_assert_valid(reordered);
    return reordered;
}

static int *new_ints(int n)
{
    int *ints = calloc((size_t)n + 1, sizeof *ints);
    assert_non_null(ints);
    return ints;
}

/* New: where each op of the graph is in the order. Fails if one is there twice or not at all. */
static int *places(const struct tess_graph *graph, const int *order)
{
    int *place = new_ints(graph->n_ops);
    for (int op = 0; op < graph->n_ops; op++)
        place[op] = -1;
    for (int i = 0; i < graph->n_ops; i++) {
        assert_in_range(order[i], 0, graph->n_ops - 1);
        assert_int_equal(place[order[i]], -1);
        place[order[i]] = i;
    }
    return place;
}

/* ---- small ones ---- */

static void check_order(const struct tess_graph *graph, const int *expected)
{
    int *order = new_ints(graph->n_ops);
    tess_graph_shrinking_order(graph, order);
    for (int i = 0; i < graph->n_ops; i++)
        assert_int_equal(order[i], expected[i]);
    free(order);
}

static void test_what_shrinks_a_map_comes_right_after_it(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(FORK);
    check_order(graph, (int[]){0, 2, 3, 1, 4});
    tess_graph_destroy(graph);
}

static void test_chain_keeps_its_order(void **state)
{
    (void)state;
    struct tess_graph *graph =
        testing_graph(TESTING_NET "[conv]\nfilters=16\n[maxpool]\nsize=2\nstride=2\n"
                                  "[conv]\nfilters=4\n[conv]\nfilters=1\n");
    check_order(graph, (int[]){0, 1, 2, 3});
    tess_graph_destroy(graph);
}

static void test_hash_is_that_of_the_order(void **state)
{
    (void)state;
    struct tess_graph *graph = testing_graph(FORK);
    struct tess_graph *same = reorder(graph, (int[]){0, 1, 2, 3, 4});
    struct tess_graph *other = reorder(graph, (int[]){0, 2, 3, 1, 4});
    assert_int_equal(same->hash, graph->hash);
    assert_int_not_equal(other->hash, graph->hash);
    assert_int_equal(other->source_hash, other->hash);
    tess_graph_destroy(other);
    tess_graph_destroy(same);
    tess_graph_destroy(graph);
}

/* ---- random ones ---- */

/* Any order in which the graph's ops can run. New. */
static int *draw_order(const struct tess_graph *graph, struct tess_rng *rng)
{
    int *order = new_ints(graph->n_ops), *n_missing = new_ints(graph->n_ops);
    int *ready = new_ints(graph->n_ops), n_ready = 0, n = 0;
    for (int op = 0; op < graph->n_ops; op++)
        for (int tensor = 1; tensor < graph->n_tensors; tensor++)
            for (int i = 0; i < graph->tensors[tensor].n_consumers; i++)
                n_missing[op] += graph->tensors[tensor].consumers[i] == op;
    for (int op = 0; op < graph->n_ops; op++)
        if (n_missing[op] == 0)
            ready[n_ready++] = op;
    while (n_ready > 0) {
        int drawn = tess_rng_int(rng, 0, n_ready - 1), op = ready[drawn];
        const struct tess_tensor *output = &graph->tensors[graph->ops[op].output];
        ready[drawn] = ready[--n_ready];
        order[n++] = op;
        for (int i = 0; i < output->n_consumers; i++)
            if (--n_missing[output->consumers[i]] == 0)
                ready[n_ready++] = output->consumers[i];
    }
    assert_int_equal(n, graph->n_ops);
    free(ready);
    free(n_missing);
    return order;
}

static bool shrinks(const struct tess_graph *graph, int op)
{
    const struct tess_op *it = &graph->ops[op];
    return it->n_inputs == 1 && 2 * tess_tensor_bytes(&graph->tensors[it->output]) <=
                                    tess_tensor_bytes(&graph->tensors[it->inputs[0]]);
}

/* Does `op` come from `ancestor` by ops that shrink what they read? */
static bool is_shrunk_from(const struct tess_graph *graph, int op, int ancestor)
{
    while (op > ancestor && shrinks(graph, op))
        op = graph->tensors[graph->ops[op].inputs[0]].producer;
    return op == ancestor;
}

/* Nothing is before what it reads; an op that shrinks a map comes after its maker and others that
 * shrink it alone; the rest is in the graph's own order. Returns how many ops moved. */
static int check_shrinking_order(const struct tess_graph *graph, const int *order)
{
    int *place = places(graph, order), n_moved = 0, last = -1;
    for (int op = 0; op < graph->n_ops; op++) {
        const struct tess_op *it = &graph->ops[op];
        for (int i = 0; i < it->n_inputs; i++) {
            int maker = graph->tensors[it->inputs[i]].producer;
            assert_true(maker < 0 || place[maker] < place[op]);
        }
        int maker = graph->tensors[it->inputs[0]].producer;
        if (maker >= 0 && shrinks(graph, op))
            for (int i = place[maker] + 1; i < place[op]; i++)
                assert_true(is_shrunk_from(graph, order[i], maker));
        n_moved += place[op] != op;
    }
    for (int i = 0; i < graph->n_ops; i++) {
        int maker = graph->tensors[graph->ops[order[i]].inputs[0]].producer;
        if (maker >= 0 && shrinks(graph, order[i]))
            continue;
        assert_true(order[i] > last);
        last = order[i];
    }
    free(place);
    return n_moved;
}

/* Everything of an op but its ids. */
static void check_op(const struct tess_graph *graph, int old_id,
                     const struct tess_graph *reordered, int new_id)
{
    struct tess_text texts[2] = {{0}, {0}};
    struct tess_op now = reordered->ops[new_id];
    const struct tess_op *was = &graph->ops[old_id];
    const struct tess_tensor *maps[2] = {&graph->tensors[was->output],
                                         &reordered->tensors[now.output]};
    now.inputs = was->inputs;
    now.output = was->output;
    testing_dump_op(&texts[0], graph, was);
    testing_dump_op(&texts[1], graph, &now);
    assert_string_equal(tess_text_string(&texts[1]), tess_text_string(&texts[0]));
    assert_int_equal(now.weights_offset, was->weights_offset);
    assert_int_equal(maps[1]->h, maps[0]->h);
    assert_int_equal(maps[1]->w, maps[0]->w);
    assert_int_equal(maps[1]->c, maps[0]->c);
    assert_int_equal(maps[1]->is_output, maps[0]->is_output);
    tess_text_release(&texts[0]);
    tess_text_release(&texts[1]);
}

/* What the tensor of the graph is in the reordered one. */
static int becomes(const struct tess_graph *graph, const struct tess_graph *reordered,
                   const int *place, int tensor)
{
    int producer = tensor < 0 ? -1 : graph->tensors[tensor].producer;
    return producer < 0 ? tensor : reordered->ops[place[producer]].output;
}

static void check_reordered(const struct tess_graph *graph, const int *order,
                            const struct tess_graph *reordered)
{
    int *place = places(graph, order);
    assert_int_equal(reordered->n_ops, graph->n_ops);
    assert_int_equal(reordered->n_layers, graph->n_layers);
    assert_int_equal(reordered->n_weights, graph->n_weights);
    for (int i = 0; i < graph->n_ops; i++) {
        const struct tess_op *was = &graph->ops[order[i]];
        check_op(graph, order[i], reordered, i);
        for (int in = 0; in < was->n_inputs; in++)
            assert_int_equal(reordered->ops[i].inputs[in],
                             becomes(graph, reordered, place, was->inputs[in]));
    }
    for (int i = 0; i < graph->n_layers; i++)
        assert_int_equal(reordered->layers[i].tensor,
                         becomes(graph, reordered, place, graph->layers[i].tensor));
    /* And back. */
    struct tess_graph *back = reorder(reordered, place);
    struct tess_text texts[2] = {{0}, {0}};
    testing_dump(&texts[0], graph);
    testing_dump(&texts[1], back);
    assert_string_equal(tess_text_string(&texts[1]), tess_text_string(&texts[0]));
    assert_int_equal(back->hash, graph->hash);
    tess_text_release(&texts[0]);
    tess_text_release(&texts[1]);
    tess_graph_destroy(back);
    free(place);
}

/* Every map, from the input that is in all->maps. */
static void run(const struct tess_plan *plan, const int *origins,
                struct tess_network_maps *all)
{
    struct tess_error error;
    struct tess_layout *layout = NULL;
    struct tess_executor *executor = NULL;
    struct tess_row_source input = tess_network_maps_input(all);
    struct tess_observer observer = tess_network_maps_observer(all);
    struct tess_made_up_weights weights = {.graph = all->graph, .origins = origins};
    struct tess_executor_options options = {.family = &tess_kernel_nat,
                                            .filters = tess_made_up_filters(&weights),
                                            .blocks = tess_made_up_blocks(&weights),
                                            .n_threads = 1};
    tess_error_init(&error);
    if (tess_plan_check(plan, all->graph, &error) != TESS_OK ||
        tess_layout_create(all->graph, plan, &layout, &error) != TESS_OK ||
        tess_executor_create(layout, &options, &executor, &error) != TESS_OK ||
        tess_executor_run(executor, &input, &observer, NULL, &error) != TESS_OK)
        fail_msg("%s", error.message);
    tess_executor_destroy(executor);
    tess_layout_destroy(layout);
}

/* The two networks' maps; `order` as given to reorder. */
struct pair {
    const int *order, *place;
    struct tess_network_maps was, now;
};

/* Runs the reordered network. A plan with tiles computes of the maps between what is read. */
static void check_run(struct pair *pair, const struct tess_plan *plan, bool is_untiled)
{
    const struct tess_graph *graph = pair->was.graph;
    run(plan, pair->order, &pair->now);
    for (int tensor = 0; tensor < graph->n_tensors; tensor++) {
        int same = becomes(graph, pair->now.graph, pair->place, tensor);
        if (is_untiled || graph->tensors[tensor].is_output)
            assert_memory_equal(pair->now.maps[same], pair->was.maps[tensor],
                                (size_t)tess_tensor_bytes(&graph->tensors[tensor]));
    }
}

static struct tess_plan *untiled(const struct tess_graph *graph)
{
    struct tess_plan *plan = NULL;
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    tess_kernel_nat.facts(&plan->facts);
    return plan;
}

/* Both run, the reordered one untiled and by any plan: the bits are the same. */
static void check_bits(const struct tess_graph *graph, const int *order,
                       const struct tess_graph *reordered, struct tess_rng *rng)
{
    struct tess_random_plan plans;
    int *place = places(graph, order);
    struct pair pair = {.order = order,
                        .place = place,
                        .was = tess_network_maps_create(graph),
                        .now = tess_network_maps_create(reordered)};
    struct tess_plan *all[] = {untiled(graph), untiled(reordered), NULL};
    tess_random_plan_init(&plans);
    all[2] = tess_random_plan_create(&plans, reordered, &all[0]->facts, rng);
    tess_network_maps_draw_input(&pair.was, rng);
    memcpy(pair.now.maps[TESS_GRAPH_INPUT], pair.was.maps[TESS_GRAPH_INPUT],
           (size_t)tess_tensor_bytes(&graph->tensors[TESS_GRAPH_INPUT]));
    float nobodys = pair.was.maps[1][0];
    run(all[0], NULL, &pair.was);
    for (int tensor = 1; tensor < graph->n_tensors; tensor++) /* all were observed */
        assert_memory_not_equal(pair.was.maps[tensor], &nobodys, sizeof nobodys);
    check_run(&pair, all[1], true);
    for (int tensor = 1; tensor < graph->n_tensors; tensor++)
        pair.now.maps[tensor][0] = nobodys;
    check_run(&pair, all[2], false);
    for (int i = 0; i < 3; i++)
        tess_plan_destroy(all[i]);
    tess_network_maps_destroy(&pair.now);
    tess_network_maps_destroy(&pair.was);
    free(place);
}

/* Returns how many ops the shrinking order moves. */
static int check_net(uint64_t seed)
{
    struct tess_random_net nets;
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    tess_random_net_init(&nets);
    nets.max_ops = 16;
    nets.chain_percent = 60;
    nets.has_activations = true;
    struct tess_graph *graph = tess_random_net_create(&nets, &rng);
    int *orders[2] = {new_ints(graph->n_ops), draw_order(graph, &rng)};
    tess_graph_shrinking_order(graph, orders[0]);
    int n_moved = check_shrinking_order(graph, orders[0]);
    for (int i = 0; i < 2; i++) {
        struct tess_graph *reordered = reorder(graph, orders[i]);
        check_reordered(graph, orders[i], reordered);
        check_bits(graph, orders[i], reordered, &rng);
        tess_graph_destroy(reordered);
        free(orders[i]);
    }
    tess_graph_destroy(graph);
    return n_moved;
}

static uint64_t last_seed; /* for a case that failed */

static void test_random_networks_compute_the_same_in_any_order(void **state)
{
    (void)state;
    int n_cases = 1000, n_moved = 0;
    uint64_t seed = tess_random_seed(20261122, &n_cases);
    assert_int_equal(tess_kernel_nat.start(0, NULL), TESS_OK);
    for (int i = 0; i < n_cases; i++) {
        last_seed = seed + (uint64_t)i;
        n_moved += check_net(last_seed);
    }
    tess_kernel_nat.stop();
    last_seed = 0;
    print_message("%d networks, %d ops in another place\n", n_cases, n_moved);
    assert_true(n_moved > 0 || n_cases == 1);
}

static int print_seed(void **state)
{
    (void)state;
    if (last_seed)
        fprintf(stderr, "TESS_TEST_SEED=%" PRIu64 "\n", last_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_shrinks_a_map_comes_right_after_it),
        cmocka_unit_test(test_chain_keeps_its_order),
        cmocka_unit_test(test_hash_is_that_of_the_order),
        cmocka_unit_test_teardown(test_random_networks_compute_the_same_in_any_order,
                                  print_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
