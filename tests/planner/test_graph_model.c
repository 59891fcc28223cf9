#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/darknet.h"
#include "planner/graph_model.h"
#include "schedule/check.h"
#include "tests/support/random_net.h"

static struct tess_graph *parse(const char *cfg)
{
    struct tess_graph *graph = NULL;
    assert_int_equal(tess_darknet_parse(cfg, strlen(cfg), "net", &graph, NULL, NULL),
                     TESS_OK);
    return graph;
}

/* Of the tasks in the order that they have. */
static int64_t peak_of(const struct tess_graph_file *file, enum tess_memory_model model)
{
    struct tess_task_graph *counted = NULL;
    int64_t peak;
    int *order = malloc(sizeof *order * (size_t)(file->graph->n_tasks + 1));
    assert_non_null(order);
    for (int i = 0; i < file->graph->n_tasks; i++)
        order[i] = i;
    assert_int_equal(tess_task_graph_count(file->graph, model, 1, &counted, NULL),
                     TESS_OK);
    tess_task_graph_assert_valid(counted);
    assert_int_equal(tess_check_order(counted, order, &peak, NULL), TESS_OK);
    tess_task_graph_destroy(counted);
    free(order);
    return peak;
}

static void ops_and_tensors_are_named_by_their_layers(void **state)
{
    (void)state;
    struct tess_graph *network = parse("[net]\nheight=8\nwidth=8\nchannels=2\n"
                                       "[conv]\nfilters=4\nsize=3\npad=1\n"
                                       "[conv]\nfilters=4\nsize=3\npad=1\n"
                                       "[shortcut]\nfrom=-2\nactivation=linear\n"
                                       "[route]\nlayers=-1,-3\n");
    struct tess_graph_file file;
    assert_int_equal(tess_graph_file_of_network(&file, network, false, NULL), TESS_OK);
    assert_string_equal(file.name, "net");
    assert_int_equal(file.graph->n_tasks, 4);
    assert_int_equal(file.graph->n_tensors, 5);
    assert_string_equal(file.tasks[0].name, "layer 0");
    assert_string_equal(file.tasks[0].op, "conv");
    assert_int_equal(file.tasks[0].cost, 8 * 8 * 4 * 2 * 9);
    assert_string_equal(file.tensors[0].name, "input");
    assert_string_equal(file.tensors[4].name, "layer 3");
    assert_int_equal(file.graph->tensors[0].bytes, 8 * 8 * 2 * 4);
    assert_true(file.graph->tensors[0].is_input);
    assert_true(file.graph->tensors[4].is_retained);
    assert_int_equal(file.graph->tasks[0].flags, TESS_TASK_SUMS);
    assert_int_equal(file.graph->tasks[2].flags, TESS_TASK_OVERWRITES);
    assert_int_equal(file.graph->tasks[3].flags, TESS_TASK_CONCAT);
    /* A map is 1024. Layer 0's is needed to the end; the sum takes layer 1's place; the concat
     * is twice as large as both. */
    assert_int_equal(peak_of(&file, TESS_MODEL_BASE), 4 * 1024);
    assert_int_equal(peak_of(&file, TESS_MODEL_INPLACE), 4 * 1024);
    assert_int_equal(peak_of(&file, TESS_MODEL_VIEW), 2 * 1024);
    tess_graph_file_release(&file);
    tess_graph_destroy(network);
}

static void flags_tell_what_can_be_taken_in_parts(void **state)
{
    (void)state;
    struct tess_graph *network = parse("[net]\nheight=8\nwidth=8\nchannels=4\n"
                                       "[conv]\nfilters=4\ngroups=4\n"
                                       "[conv]\nfilters=8\ngroups=4\n"
                                       "[conv]\nfilters=8\ngroups=2\n"
                                       "[conv]\nfilters=1\n"
                                       "[maxpool]\nsize=2\nstride=2\n"
                                       "[upsample]\nstride=2\n"
                                       "[connected]\noutput=5\n"
                                       "[softmax]\n");
    static const unsigned flags[] = {
        TESS_TASK_PARTWISE, 0, 0, TESS_TASK_SUMS, TESS_TASK_PARTWISE, TESS_TASK_PARTWISE,
        TESS_TASK_SUMS,     0};
    struct tess_graph_file file;
    assert_int_equal(tess_graph_file_of_network(&file, network, false, NULL), TESS_OK);
    assert_int_equal(file.graph->n_tasks, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(file.graph->tasks[i].flags, flags[i]);
    tess_graph_file_release(&file);
    tess_graph_destroy(network);
}

static void slices_are_ranges_of_their_inputs_where_that_is_asked_for(void **state)
{
    (void)state;
    struct tess_graph *network = parse("[net]\nheight=8\nwidth=8\nchannels=2\n"
                                       "[conv]\nfilters=8\nsize=3\npad=1\n"
                                       "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
                                       "[conv]\nfilters=1\nsize=1\n");
    struct tess_graph_file file;
    assert_int_equal(tess_graph_file_of_network(&file, network, false, NULL), TESS_OK);
    assert_int_equal(peak_of(&file, TESS_MODEL_BASE), 2048 + 1024);
    tess_graph_file_release(&file);
    assert_int_equal(tess_graph_file_of_network(&file, network, true, NULL), TESS_OK);
    assert_int_equal(file.graph->tensors[2].bytes, 0);
    assert_int_equal(file.graph->tasks[2].n_inputs, 2);
    assert_int_equal(peak_of(&file, TESS_MODEL_BASE), 512 + 2048);
    tess_graph_file_release(&file);
    tess_graph_destroy(network);
}

/* Straight from the definition: what is needed later, and what was made. */
static int64_t naive_peak(const struct tess_graph *network)
{
    int64_t peak = 0;
    for (int at = 0; at < network->n_ops; at++) {
        int64_t bytes = 0;
        for (int id = 0; id < network->n_tensors; id++) {
            const struct tess_tensor *tensor = &network->tensors[id];
            int last = tensor->is_output ? network->n_ops : tensor->producer;
            for (int k = 0; k < tensor->n_consumers; k++)
                last = last > tensor->consumers[k] ? last : tensor->consumers[k];
            if (tensor->producer <= at && last >= at)
                bytes += tess_tensor_bytes(tensor);
        }
        peak = peak > bytes ? peak : bytes;
    }
    return peak;
}

static void random_networks_peak_where_their_ops_do(void **state)
{
    (void)state;
    int n_cases = 300;
    uint64_t seed = tess_random_seed(61, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_random_net nets;
        struct tess_graph_file file;
        struct tess_rng rng;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        struct tess_graph *network = tess_random_net_create(&nets, &rng);
        assert_int_equal(tess_graph_file_of_network(&file, network, false, NULL),
                         TESS_OK);
        tess_task_graph_assert_valid(file.graph);
        int64_t peak = peak_of(&file, TESS_MODEL_BASE), naive = naive_peak(network);
        if (peak != naive)
            fail_msg("seed %" PRIu64 ": %" PRId64 " instead of %" PRId64,
                     seed + (uint64_t)i, peak, naive);
        tess_graph_file_release(&file);
        assert_int_equal(tess_graph_file_of_network(&file, network, true, NULL), TESS_OK);
        tess_task_graph_assert_valid(file.graph);
        tess_graph_file_release(&file);
        tess_graph_destroy(network);
    }
}

/* Without overwriting and without views, tasks hold no less than the plan's layout does. */
static void random_plans_hold_what_their_layouts_hold(void **state)
{
    (void)state;
    int n_cases = 300, n_groups = 0;
    uint64_t seed = tess_random_seed(62, &n_cases);
    for (int i = 0; i < n_cases; i++) {
        struct tess_kernel_facts facts = {.family = "none"};
        struct tess_random_net nets;
        struct tess_random_plan plans;
        struct tess_graph_file file;
        struct tess_layout *layout = NULL;
        struct tess_rng rng;
        facts.align_bytes = 4;
        tess_rng_init(&rng, seed + (uint64_t)i);
        tess_random_net_init(&nets);
        nets.kinds &= ~(1u << TESS_OP_CONCAT);
        tess_random_plan_init(&plans);
        struct tess_graph *network = tess_random_net_create(&nets, &rng);
        struct tess_plan *plan = tess_random_plan_create(&plans, network, &facts, &rng);
        assert_int_equal(tess_layout_create(network, plan, &layout, NULL), TESS_OK);
        assert_int_equal(tess_graph_file_of_plan(&file, layout, NULL), TESS_OK);
        tess_task_graph_assert_valid(file.graph);
        int64_t peak = peak_of(&file, TESS_MODEL_BASE);
        if (peak < layout->live_bytes)
            fail_msg("seed %" PRIu64 ": %" PRId64 ", but the layout holds %" PRId64,
                     seed + (uint64_t)i, peak, layout->live_bytes);
        for (int task = 0; task < file.graph->n_tasks; task++)
            n_groups += strcmp(file.tasks[task].op, "group") == 0;
        tess_graph_file_release(&file);
        tess_layout_destroy(layout);
        tess_plan_destroy(plan);
        tess_graph_destroy(network);
    }
    assert_true(n_groups > n_cases / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ops_and_tensors_are_named_by_their_layers),
        cmocka_unit_test(flags_tell_what_can_be_taken_in_parts),
        cmocka_unit_test(slices_are_ranges_of_their_inputs_where_that_is_asked_for),
        cmocka_unit_test(random_networks_peak_where_their_ops_do),
        cmocka_unit_test(random_plans_hold_what_their_layouts_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
