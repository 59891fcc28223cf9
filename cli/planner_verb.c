#include "cli/verbs.h"

#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "cli/model_file.h"
#include "cli/planner_curve.h"
#include "cli/planner_input.h"
#include "cli/planner_savings.h"
#include "cli/report_out.h"
#include "plan/plan_text.h"
#include "planner/planner.h"
#include "planner/rewriting.h"
#include "planner/search.h"

enum { TEXT_LIMIT_BYTES = 1 << 20 };

static enum tess_status read_facts(struct tess_kernel_facts *facts_out,
                                   struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = tess_file_read("-", TEXT_LIMIT_BYTES, &text, error);
    if (status == TESS_OK)
        status = tess_facts_read(tess_text_string(&text), text.len, "kernel facts",
                                 facts_out, error);
    tess_text_release(&text);
    return status;
}

static enum tess_status unknown_search(const char *name, struct tess_error *error)
{
    struct tess_text known;
    tess_text_init(&known);
    for (const struct tess_search *const *at = tess_searches(); *at; at++)
        tess_text_printf(&known, "%s%s", known.len ? ", " : "", (*at)->name);
    tess_error_set(error, TESS_E_USAGE, "--search %s: no such method", name);
    tess_error_hint(error, "methods: %s", tess_text_string(&known));
    tess_text_release(&known);
    return TESS_E_USAGE;
}

static enum tess_status read_options(const struct tess_args *args,
                                     struct tess_planner_options *options,
                                     struct tess_error *error)
{
    tess_planner_options_init(options);
    options->search = args->search;
    options->budget_bytes = args->has_budget ? args->memory_bytes : 0;
    options->n_threads = (int)args->n_threads;
    options->input_bytes = args->input_bytes;
    options->allows_columns = !args->forbids_columns;
    options->allows_copies = !args->forbids_copies;
    options->allows_reorder = !args->forbids_reorder;
    options->allows_placement = !args->forbids_placement;
    options->allows_streaming = !args->forbids_streaming;
    options->allows_rewrite = args->rewrites;
    options->allows_reuse = strcmp(args->halo, "recompute") != 0;
    options->allows_recompute = strcmp(args->halo, "reuse") != 0;
    if (strcmp(args->halo, "any") != 0 && options->allows_reuse &&
        options->allows_recompute) {
        tess_error_set(error, TESS_E_USAGE, "--halo %s: expected any, reuse or recompute",
                       args->halo);
        return TESS_E_USAGE;
    }
    if (!tess_search_find(args->search))
        return unknown_search(args->search, error);
    enum tess_status status = read_facts(&options->facts, error);
    return status == TESS_OK
               ? tess_planner_read_profile(args->profile, &options->profile, error)
               : status;
}

static enum tess_status put_curve(const struct tess_args *args,
                                  const struct tess_curve *curve,
                                  const struct tess_graph *graph,
                                  struct tess_error *error)
{
    bool has_profile = args->profile != NULL;
    struct tess_text json, table;
    tess_text_init(&json);
    tess_text_init(&table);
    if (args->json)
        tess_curve_json(curve, graph, has_profile, &json);
    tess_curve_table(curve, graph, has_profile, &table);
    enum tess_status status = tess_report_put(args->json, &json, &table, error);
    tess_text_release(&json);
    tess_text_release(&table);
    return status;
}

static enum tess_status plan_curve(const struct tess_args *args,
                                   const struct tess_graph *graph,
                                   const struct tess_planner_options *options,
                                   struct tess_error *error)
{
    struct tess_planner *planner = NULL;
    struct tess_curve curve = {0};
    if (args->has_budget) {
        tess_error_set(error, TESS_E_USAGE, "--curve looks at every budget");
        tess_error_hint(error, "leave out --memory");
        return TESS_E_USAGE;
    }
    if (args->rewrites) {
        tess_error_set(error, TESS_E_USAGE, "--curve is of the network as it is");
        tess_error_hint(error, "leave out --rewrite");
        return TESS_E_USAGE;
    }
    enum tess_status status = tess_planner_create(graph, options, &planner, error);
    if (status == TESS_OK)
        status = tess_curve_init(&curve, graph, planner, error);
    if (status == TESS_OK)
        status = put_curve(args, &curve, graph, error);
    tess_curve_release(&curve);
    tess_planner_destroy(planner);
    return status;
}

static enum tess_status list_savings(const struct tess_args *args,
                                     const struct tess_graph *graph,
                                     const struct tess_planner_options *options,
                                     struct tess_error *error)
{
    struct tess_text text;
    if (args->rewrites) {
        tess_error_set(error, TESS_E_USAGE, "--savings is of the network as it is");
        tess_error_hint(error, "leave out --rewrite");
        return TESS_E_USAGE;
    }
    tess_text_init(&text);
    enum tess_status status = tess_savings_table(graph, options, &text, error);
    if (status == TESS_OK)
        status = tess_file_write_text("-", &text, error);
    tess_text_release(&text);
    return status;
}

static enum tess_status plan_once(const struct tess_graph *graph,
                                  const struct tess_planner_options *options,
                                  struct tess_error *error)
{
    struct tess_plan *plan = NULL;
    struct tess_graph *split = NULL;
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status =
        tess_rewriting_plan(graph, options, &split, &plan, NULL, error);
    if (status == TESS_OK) {
        tess_plan_write(plan, split ? split : graph, &text);
        status = tess_file_write_text("-", &text, error);
    }
    tess_text_release(&text);
    tess_plan_destroy(plan);
    tess_graph_destroy(split);
    return status;
}

enum tess_status tess_verb_plan_here(const struct tess_args *args,
                                     struct tess_error *error)
{
    struct tess_model_file model;
    struct tess_planner_options options;
    enum tess_status status = tess_model_file_init(&model, args, NULL, error);
    if (status == TESS_OK)
        status = read_options(args, &options, error);
    if (status == TESS_OK && args->is_curve)
        status = plan_curve(args, model.graph, &options, error);
    else if (status == TESS_OK && args->is_savings)
        status = list_savings(args, model.graph, &options, error);
    else if (status == TESS_OK)
        status = plan_once(model.graph, &options, error);
    tess_model_file_release(&model);
    return status;
}
