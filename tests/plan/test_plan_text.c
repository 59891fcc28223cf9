#include <dirent.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/rng.h"
#include "model/darknet.h"
#include "model/graph_split.h"
#include "plan/plan_text.h"
#include "plan/slices.h"
#include "tests/plan/sample_graph.h"
#include "tests/support/recorded_cases.h"

static enum tess_status read_text(const char *text, const struct tess_graph *graph,
                                  struct tess_plan **plan_out, struct tess_error *error)
{
    tess_error_init(error);
    return tess_plan_read(text, strlen(text), "input.yaml", graph, plan_out, error);
}

/* Reads a plan that must be fine. */
static struct tess_plan *plan_of(const char *text, const struct tess_graph *graph)
{
    struct tess_plan *plan = NULL;
    struct tess_error error;
    if (read_text(text, graph, &plan, &error) != TESS_OK)
        fail_msg("%d:%d: %s", error.line, error.col, error.message);
    return plan;
}

/* --- recorded cases -------------------------------------------------------------------
 */

/* Splits the network as the text says, if it does, and reads it for that. */
static enum tess_status read_split(const struct tess_text *text,
                                   const struct tess_graph *graph, struct tess_text *got,
                                   struct tess_error *error)
{
    struct tess_graph *split = NULL;
    struct tess_plan *plan = NULL;
    enum tess_status status = tess_plan_read_split(tess_text_string(text), text->len,
                                                   "input.yaml", graph, &split, error);
    if (split)
        graph = split;
    if (status == TESS_OK)
        status = tess_plan_read(tess_text_string(text), text->len, "input.yaml", graph,
                                &plan, error);
    if (status == TESS_OK)
        tess_plan_write(plan, graph, got);
    else
        recorded_put_error(error, got);
    tess_plan_destroy(plan);
    tess_graph_destroy(split);
    return status;
}

static void run_case(const char *folder, void *context)
{
    struct tess_text input = recorded_input(folder, "input.yaml"), got = {0};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status = read_split(&input, context, &got, &error);
    assert_true(status == TESS_OK || status == TESS_E_CONFIG);
    recorded_expect(folder, status == TESS_OK ? "dump" : "error", &got);
    tess_text_release(&input);
    tess_text_release(&got);
}

static void every_recorded_case_reads_as_recorded(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    assert_true(recorded_each("tests/cases/plan", run_case, graph) > 40);
    tess_graph_destroy(graph);
}

/* --- round trips ----------------------------------------------------------------------
 */

static void assert_plans_equal(const struct tess_plan *a, const struct tess_plan *b)
{
    assert_string_equal(a->model, b->model);
    assert_string_equal(a->search, b->search);
    assert_true(a->model_hash == b->model_hash && a->budget_bytes == b->budget_bytes);
    assert_int_equal(a->n_threads, b->n_threads);
    assert_int_equal(a->first_layer, b->first_layer);
    assert_int_equal(a->last_layer, b->last_layer);
    assert_int_equal(a->n_groups, b->n_groups);
    assert_true(a->slice_bytes == b->slice_bytes);
    assert_true(tess_plan_hash(a) == tess_plan_hash(b));
    for (int at = 0; at < a->n_ops; at++) {
        assert_int_equal(a->order[at], b->order[at]);
        assert_int_equal(a->copies[at], b->copies[at]);
        assert_int_equal(a->streamed[at], b->streamed[at]);
    }
    for (int i = 0; i < a->n_groups; i++) {
        const struct tess_group *x = &a->groups[i], *y = &b->groups[i];
        assert_true(x->first == y->first && x->last == y->last);
        assert_memory_equal(&x->tiling, &y->tiling, sizeof x->tiling);
        assert_true(x->predicted_us == y->predicted_us);
    }
    assert_memory_equal(&a->memory, &b->memory, sizeof a->memory);
    assert_memory_equal(&a->facts, &b->facts, sizeof a->facts);
    assert_true(a->predicted_us == b->predicted_us);
}

/* A network of random layers: chains, branches, routes with several ops, layers without.
 */
static struct tess_graph *random_graph(struct tess_rng *rng)
{
    int n_layers = tess_rng_int(rng, 1, 24);
    struct tess_graph *graph = sample_begin("random", 3 * n_layers, 16, 4);
    for (int layer = 0; layer < n_layers; layer++) {
        int newest = graph->n_tensors - 1;
        int from = tess_rng_int(rng, 0, 2) ? newest : tess_rng_int(rng, 0, newest);
        int other = tess_rng_int(rng, 0, newest);
        bool fits = graph->tensors[from].h == graph->tensors[other].h &&
                    graph->tensors[from].c + graph->tensors[other].c <= 64;
        int what = tess_rng_int(rng, 0, 9);
        if (what == 0 && from > 0) {
            sample_add_layer(graph, "route", from);
        } else if (what == 1 && fits) {
            sample_add_layer(graph, "route", sample_concat(graph, from, other));
        } else if (what == 2) {
            int a = sample_add(graph, TESS_OP_SLICE, 1, &from, 1);
            int b = sample_add(graph, TESS_OP_SLICE, 1, &from, 1);
            sample_add_layer(graph, "route", sample_concat(graph, a, b));
        } else if (what == 3) {
            int a = sample_concat(graph, from, from); /* two concats in one layer */
            sample_add_layer(graph, "route", sample_concat(graph, a, a));
        } else if (what == 4) {
            sample_layer(graph, TESS_OP_SOFTMAX, graph->tensors[from].c, from);
        } else {
            sample_layer(graph, TESS_OP_CONV, 8, from);
        }
    }
    if (graph->n_ops == 0)
        sample_layer(graph, TESS_OP_CONV, 8, TESS_GRAPH_INPUT);
    return sample_end(graph);
}

/* The graph, which it takes, with some convolutions split. */
static struct tess_graph *split_some(struct tess_graph *graph, struct tess_rng *rng)
{
    struct tess_graph *split = NULL;
    bool *is_split = calloc((size_t)graph->n_ops, sizeof *is_split);
    assert_non_null(is_split);
    for (int op = 0; op < graph->n_ops; op++)
        is_split[op] = tess_graph_n_parts(graph, op) > 0 && tess_rng_int(rng, 0, 1);
    assert_int_equal(tess_graph_split(graph, is_split, &split, NULL), TESS_OK);
    free(is_split);
    tess_graph_destroy(graph);
    return split;
}

static void randomize_order(struct tess_plan *plan, const struct tess_graph *graph,
                            struct tess_rng *rng)
{
    bool *is_placed = calloc((size_t)graph->n_ops, sizeof *is_placed);
    assert_non_null(is_placed);
    for (int at = 0; at < plan->n_ops;) {
        int id = tess_rng_int(rng, 0, graph->n_ops - 1);
        const struct tess_op *op = &graph->ops[id];
        bool is_ready = !is_placed[id];
        for (int i = 0; i < op->n_inputs; i++) {
            int producer = graph->tensors[op->inputs[i]].producer;
            is_ready = is_ready && (producer < 0 || is_placed[producer]);
        }
        if (!is_ready)
            continue;
        is_placed[id] = true;
        plan->order[at++] = id;
    }
    free(is_placed);
}

static double random_us(struct tess_rng *rng)
{
    return tess_rng_int(rng, 0, 2) ? tess_rng_int(rng, 0, INT32_MAX) : 0;
}

static void randomize_groups(struct tess_plan *plan, const struct tess_graph *graph,
                             struct tess_rng *rng)
{
    int n_groups = 0;
    for (int at = 0; at < plan->n_ops;) {
        int n = tess_rng_int(rng, 1, 5);
        struct tess_group *group = &plan->groups[n_groups++];
        group->first = at;
        group->last = at + n <= plan->n_ops ? at + n - 1 : plan->n_ops - 1;
        at = group->last + 1;
        group->tiling =
            (struct tess_tiling){tess_rng_int(rng, 1, 4), tess_rng_int(rng, 1, 4),
                                 (enum tess_halo)tess_rng_int(rng, 0, 1)};
        n = at - group->first;
        if (!tess_tiles_can_cut(graph, plan->order + group->first, n, NULL))
            group->tiling.n_rows = group->tiling.n_cols = 1;
        group->predicted_us = random_us(rng);
    }
    plan->n_groups = n_groups;
}

static void make_facts(struct tess_kernel_facts *facts)
{
    struct tess_fact_field fields[TESS_FACTS_N_FIELDS];
    memset(facts, 0, sizeof *facts);
    strcpy(facts->family, "xnn");
    tess_facts_fields(facts, fields);
    for (int i = 0; i < TESS_FACTS_N_FIELDS; i++)
        *fields[i].value = 1;
    facts->align_bytes = 64;
}

static void randomize_numbers(struct tess_plan *plan, struct tess_rng *rng)
{
    plan->n_threads = tess_rng_int(rng, 1, 16);
    plan->budget_bytes =
        tess_rng_int(rng, 0, 3) * (INT64_C(1) << tess_rng_int(rng, 0, 40));
    plan->predicted_us = random_us(rng);
    if (tess_rng_int(rng, 0, 1)) {
        plan->memory.arena = tess_rng_int(rng, 0, INT32_MAX);
        plan->memory.weights = tess_rng_int(rng, 0, INT32_MAX);
        plan->memory.base = tess_rng_int(rng, 0, INT32_MAX);
        plan->memory.peak = tess_memory_sum(&plan->memory);
    }
    if (tess_rng_int(rng, 0, 1))
        return;
    make_facts(&plan->facts);
    plan->facts.base_bytes = tess_rng_int(rng, 0, INT32_MAX);
}

static void round_trip(uint64_t seed)
{
    struct tess_rng rng;
    tess_rng_init(&rng, seed);
    struct tess_graph *graph = random_graph(&rng);
    if (tess_rng_int(&rng, 0, 1))
        graph = split_some(graph, &rng);
    struct tess_plan *plan = NULL, *again = NULL;
    struct tess_text text, text_again;
    struct tess_error error;
    tess_text_init(&text);
    tess_text_init(&text_again);
    assert_int_equal(tess_plan_create(graph, &plan, NULL), TESS_OK);
    if (tess_rng_int(&rng, 0, 2))
        randomize_order(plan, graph, &rng);
    randomize_groups(plan, graph, &rng);
    randomize_numbers(plan, &rng);
    for (int op = 0; op < graph->n_ops; op++)
        plan->copies[op] =
            graph->ops[op].kind == TESS_OP_CONCAT && tess_rng_int(&rng, 0, 1) == 0;
    for (int op = 0; op < graph->n_ops; op++)
        plan->streamed[op] =
            tess_op_has_weights(&graph->ops[op]) && tess_rng_int(&rng, 0, 1) == 0;
    plan->slice_bytes = tess_slices_most_block_bytes(plan, graph);
    if (plan->slice_bytes > 0 && tess_rng_int(&rng, 0, 1))
        plan->slice_bytes += tess_rng_int(&rng, 0, 1 << 20);
    tess_error_init(&error);
    assert_int_equal(tess_plan_check(plan, graph, &error), TESS_OK);
    tess_plan_write(plan, graph, &text);
    if (read_text(tess_text_string(&text), graph, &again, &error) != TESS_OK)
        fail_msg("seed %llu: line %d: %s\n%s", (unsigned long long)seed, error.line,
                 error.message, tess_text_string(&text));
    tess_plan_write(again, graph, &text_again);
    assert_plans_equal(plan, again);
    assert_string_equal(tess_text_string(&text), tess_text_string(&text_again));
    tess_text_release(&text);
    tess_text_release(&text_again);
    tess_plan_destroy(plan);
    tess_plan_destroy(again);
    tess_graph_destroy(graph);
}

static void random_plans_survive_writing_and_reading(void **state)
{
    (void)state;
    const char *given = getenv("TESS_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20261121;
    int n_rounds = given ? 1 : 3000;
    print_message("first seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < n_rounds; i++)
        round_trip(seed + (uint64_t)i);
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "nl_NL.UTF-8"};
    struct tess_graph *graph = sample_graph();
    const char *wanted = "predicted:\n  time_ms: 1234567.891\n";
    bool has_locale = false;
    for (size_t i = 0; i < sizeof commas / sizeof *commas && !has_locale; i++)
        has_locale = setlocale(LC_ALL, commas[i]) != NULL;
    struct tess_plan *plan =
        plan_of("{plan: 1, predicted: {time_ms: 1234567.8912}}", graph);
    struct tess_text text;
    tess_text_init(&text);
    tess_plan_write(plan, graph, &text);
    setlocale(LC_ALL, "C");
    assert_non_null(strstr(tess_text_string(&text), wanted));
    tess_text_release(&text);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
}

static void odd_names_become_text_that_reads_back(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"yolov2-608.1", "model: yolov2-608.1\n"},
        {"true", "model: \"true\"\n"},
        {"0x3", "model: \"0x3\"\n"},
        {"a: b #c", "model: \"a: b #c\"\n"},
        {"say \"\\\"", "model: \"say \\\"\\\\\\\"\"\n"},
        {"n\xc3\xa9t", "model: \"n\xc3\xa9t\"\n"},
        {"two\nlines\x7f", "model: \"two?lines?\"\n"},
        {"cut\xe2\x82", "model: \"cut??\"\n"},
        {"\xc2\x85\xe2\x80\xa8", "model: \"?????\"\n"},
    };
    struct tess_graph *graph = sample_graph();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct tess_plan *plan = plan_of("plan: 1", graph), *again;
        struct tess_text text, text_again;
        tess_text_init(&text);
        tess_text_init(&text_again);
        snprintf(plan->model, sizeof plan->model, "%s", names[i][0]);
        tess_plan_write(plan, graph, &text);
        assert_non_null(strstr(tess_text_string(&text), names[i][1]));
        again = plan_of(tess_text_string(&text), graph);
        tess_plan_write(again, graph, &text_again);
        assert_string_equal(tess_text_string(&text), tess_text_string(&text_again));
        tess_text_release(&text);
        tess_text_release(&text_again);
        tess_plan_destroy(plan);
        tess_plan_destroy(again);
    }
    tess_graph_destroy(graph);
}

/* --- parts of a network ---------------------------------------------------------------
 */

static void a_plan_of_a_cut_network_says_which_layers(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph(), *part = NULL;
    struct tess_text text;
    tess_text_init(&text);
    assert_int_equal(tess_graph_cut(graph, 0, 5, &part, NULL), TESS_OK);
    struct tess_plan *plan =
        plan_of("plan: 1\ngroups:\n- {layers: 2..4, grid: 2x2}\n", part);
    assert_int_equal(plan->first_layer, 0);
    assert_int_equal(plan->last_layer, 5);
    tess_plan_write(plan, part, &text);
    assert_non_null(strstr(tess_text_string(&text), "\nlayers: 0..5\n"));
    int first = 0, last = 0;
    assert_int_equal(tess_plan_read_layers(text.data, text.len, "p", &first, &last, NULL),
                     TESS_OK);
    assert_int_equal(first, 0);
    assert_int_equal(last, 5);
    tess_plan_destroy(plan);
    tess_text_release(&text);
    tess_graph_destroy(part);
    tess_graph_destroy(graph);
}

static void a_plan_of_part_does_not_fit_the_whole(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan = NULL;
    struct tess_error error;
    assert_int_equal(read_text("plan: 1\nlayers: 0..5\n", graph, &plan, &error),
                     TESS_E_CONFIG);
    assert_int_equal(error.line, 2);
    assert_null(plan);
    tess_graph_destroy(graph);
}

static void layers_that_were_cut_off_cannot_be_named(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph(), *part = NULL;
    struct tess_plan *plan = NULL;
    struct tess_error error;
    assert_int_equal(tess_graph_cut(graph, 0, 5, &part, NULL), TESS_OK);
    assert_int_equal(read_text("plan: 1\ngroups:\n- layers: 4..6\n", part, &plan, &error),
                     TESS_E_CONFIG);
    assert_string_equal(error.message,
                        "layer 6 is not among the layers 0..5 that are to run");
    assert_int_equal(error.line, 3);
    tess_graph_destroy(part);
    tess_graph_destroy(graph);
}

static void a_plan_without_layers_is_for_all_of_them(void **state)
{
    (void)state;
    int first = 0, last = 0;
    assert_int_equal(tess_plan_read_layers("plan: 1", 7, "p", &first, &last, NULL),
                     TESS_OK);
    assert_int_equal(first, -1);
    assert_int_equal(last, -1);
}

/* --- examples -------------------------------------------------------------------------
 */

static void read_example(const char *path, const struct tess_graph *graph)
{
    struct tess_text text;
    struct tess_plan *plan = NULL;
    struct tess_error error;
    tess_text_init(&text);
    tess_error_init(&error);
    assert_int_equal(tess_file_read(path, 1 << 20, &text, NULL), TESS_OK);
    if (tess_plan_read(text.data, text.len, path, graph, &plan, &error) != TESS_OK)
        fail_msg("%s:%d:%d: %s", path, error.line, error.col, error.message);
    assert_false(tess_plan_is_untiled(plan));
    tess_plan_destroy(plan);
    tess_text_release(&text);
}

static void every_example_plan_fits_yolov2(void **state)
{
    (void)state;
    struct tess_graph *graph = NULL, *part = NULL;
    int n_examples = 0;
    assert_int_equal(tess_darknet_load("configs/models/yolov2.cfg", &graph, NULL, NULL),
                     TESS_OK);
    assert_int_equal(tess_graph_cut(graph, 0, 15, &part, NULL), TESS_OK);
    DIR *folder = opendir("configs/plans");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char path[512];
        if (strncmp(entry->d_name, "yolov2-608-", 11) != 0)
            continue;
        snprintf(path, sizeof path, "configs/plans/%s", entry->d_name);
        read_example(path, graph);
        if (!strstr(path, "passthrough")) /* its schedule names the layers behind, too */
            read_example(path, part);
        n_examples++;
    }
    closedir(folder);
    assert_true(n_examples >= 8);
    tess_graph_destroy(part);
    tess_graph_destroy(graph);
}

/* --- facts ----------------------------------------------------------------------------
 */

static enum tess_status reread_facts(const struct tess_kernel_facts *facts,
                                     struct tess_kernel_facts *again)
{
    struct tess_text text;
    tess_text_init(&text);
    tess_facts_write(facts, &text);
    enum tess_status status = tess_facts_read(text.data, text.len, "f", again, NULL);
    tess_text_release(&text);
    return status;
}

static void facts_survive_writing_and_reading(void **state)
{
    (void)state;
    struct tess_kernel_facts facts, again;
    make_facts(&facts);
    facts.base_bytes = 123456789;
    assert_int_equal(reread_facts(&facts, &again), TESS_OK);
    assert_memory_equal(&facts, &again, sizeof facts);
}

static void facts_that_would_divide_by_zero_are_refused(void **state)
{
    (void)state;
    struct tess_kernel_facts facts, again = {.family = "old"};
    make_facts(&facts);
    int64_t *const blocks[] = {&facts.align_bytes, &facts.filter_block,
                               &facts.channel_block, &facts.pixel_block,
                               &facts.depthwise_block};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        int64_t value = *blocks[i];
        *blocks[i] = 0;
        assert_int_equal(reread_facts(&facts, &again), TESS_E_CONFIG);
        assert_string_equal(again.family, "old");
        *blocks[i] = value;
    }
    facts.align_bytes = 48;
    assert_int_equal(reread_facts(&facts, &again), TESS_E_CONFIG);
}

static void a_family_of_plain_loops_needs_no_blocks(void **state)
{
    (void)state;
    struct tess_kernel_facts facts, again;
    make_facts(&facts);
    facts.pointer_bytes = facts.filter_block = facts.channel_block = 0;
    facts.pixel_block = facts.depthwise_block = 0;
    assert_int_equal(reread_facts(&facts, &again), TESS_OK);
}

static void every_fact_must_be_given(void **state)
{
    (void)state;
    struct tess_kernel_facts facts, again;
    struct tess_text text;
    make_facts(&facts);
    tess_text_init(&text);
    tess_facts_write(&facts, &text);
    char *line = strchr(text.data, '\n') + 1;
    for (char *next; *line; line = next) {
        next = strchr(line, '\n') + 1;
        char first = line[2];
        line[2] = '#';
        assert_int_equal(tess_facts_read(text.data, text.len, "f", &again, NULL),
                         TESS_E_CONFIG);
        line[2] = first;
    }
    assert_int_equal(tess_facts_read(text.data, text.len, "f", &again, NULL), TESS_OK);
    tess_text_release(&text);
}

/* --- hostile text ---------------------------------------------------------------------
 */

static void a_huge_file_is_refused_unread(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan = NULL;
    size_t n_bytes = (1 << 20) + 1;
    char *text = malloc(n_bytes);
    assert_non_null(text);
    memset(text, '#', n_bytes);
    assert_int_equal(tess_plan_read(text, n_bytes, "p", graph, &plan, NULL),
                     TESS_E_CONFIG);
    free(text);
    tess_graph_destroy(graph);
}

static void a_file_of_a_million_entries_is_refused(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan = NULL;
    struct tess_error error;
    struct tess_text text;
    tess_text_init(&text);
    tess_text_printf(&text, "schedule: [");
    for (int i = 0; i < 400000; i++)
        tess_text_append(&text, "1,", 2);
    tess_text_append(&text, "]", 1);
    assert_int_equal(read_text(tess_text_string(&text), graph, &plan, &error),
                     TESS_E_CONFIG);
    assert_non_null(strstr(error.message, "more entries"));
    tess_text_release(&text);
    tess_graph_destroy(graph);
}

static void a_plan_is_only_for_the_network_split_as_it_says(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph(), *split = NULL;
    struct tess_plan *plan = NULL;
    struct tess_error error;
    const char *text = "plan: 1\nsplit: [13]\ngroups: []\n";
    assert_int_equal(tess_plan_read_split(text, strlen(text), "p", graph, &split, NULL),
                     TESS_OK);
    assert_non_null(split);
    assert_int_equal(read_text(text, graph, &plan, &error), TESS_E_CONFIG);
    assert_int_equal(error.line, 2);
    assert_int_equal(read_text("plan: 1\ngroups: []\n", split, &plan, &error),
                     TESS_E_CONFIG);
    assert_int_equal(read_text(text, split, &plan, &error), TESS_OK);
    assert_true(plan->model_hash == split->hash && split->hash != graph->hash);
    tess_plan_destroy(plan);
    tess_graph_destroy(split);
    tess_graph_destroy(graph);
}

static void every_prefix_of_a_plan_is_refused_or_read(void **state)
{
    (void)state;
    struct tess_graph *graph = sample_graph();
    struct tess_plan *plan =
        plan_of("plan: 1\nthreads: 2\ngroups:\n- {layers: 2..4, grid: 2x2, halo: reuse}\n"
                "schedule: [0..4, 8, 9, 5, 6, 10..13]\ncopies: [10, 11]\n",
                graph);
    struct tess_text text;
    tess_text_init(&text);
    tess_plan_write(plan, graph, &text);
    for (size_t n_bytes = 0; n_bytes < text.len; n_bytes++) {
        struct tess_plan *part = NULL;
        struct tess_error error;
        tess_error_init(&error);
        enum tess_status status =
            tess_plan_read(text.data, n_bytes, "p", graph, &part, &error);
        assert_true(status == TESS_OK || (status == TESS_E_CONFIG && error.line > 0));
        tess_plan_destroy(part);
    }
    tess_text_release(&text);
    tess_plan_destroy(plan);
    tess_graph_destroy(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recorded_case_reads_as_recorded),
        cmocka_unit_test(random_plans_survive_writing_and_reading),
        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(odd_names_become_text_that_reads_back),
        cmocka_unit_test(a_plan_of_a_cut_network_says_which_layers),
        cmocka_unit_test(a_plan_of_part_does_not_fit_the_whole),
        cmocka_unit_test(layers_that_were_cut_off_cannot_be_named),
        cmocka_unit_test(a_plan_without_layers_is_for_all_of_them),
        cmocka_unit_test(every_example_plan_fits_yolov2),
        cmocka_unit_test(facts_survive_writing_and_reading),
        cmocka_unit_test(facts_that_would_divide_by_zero_are_refused),
        cmocka_unit_test(a_family_of_plain_loops_needs_no_blocks),
        cmocka_unit_test(every_fact_must_be_given),
        cmocka_unit_test(a_huge_file_is_refused_unread),
        cmocka_unit_test(a_file_of_a_million_entries_is_refused),
        cmocka_unit_test(a_plan_is_only_for_the_network_split_as_it_says),
        cmocka_unit_test(every_prefix_of_a_plan_is_refused_or_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
