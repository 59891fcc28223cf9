#include "cli/planner_remat.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/text.h"
#include "cli/planner_remat_report.h"
#include "cli/report_out.h"

/* ---- options ---- */

static enum tess_status read_budget(const char *text, struct tess_remat_options *options,
                                    struct tess_error *error)
{
    char number[32];
    size_t n = strlen(text);
    options->budget_percent = 0;
    bool is_percent = n > 1 && n < sizeof number && text[n - 1] == '%';
    snprintf(number, sizeof number, "%.*s", (int)(n > 0 ? n - 1 : 0), text);
    bool is_number = is_percent ? tess_parse_double(number, &options->budget_percent) &&
                                      options->budget_percent > 0 &&
                                      options->budget_percent <= 1e6
                                : tess_parse_bytes(text, &options->budget_bytes) &&
                                      options->budget_bytes >= 0;
    if (is_number)
        return TESS_OK;
    tess_error_set(error, TESS_E_USAGE, "--budget %s: expected bytes or a percentage",
                   text);
    tess_error_hint(error, "for example 64M, or 80%% of the peak of the order given");
    return TESS_E_USAGE;
}

static enum tess_status find_method(const char *name, struct tess_remat_options *options,
                                    struct tess_error *error)
{
    struct tess_text all;
    const struct tess_remat_method *const *methods = tess_remat_methods();
    options->method = tess_remat_method_find(name);
    if (options->method)
        return TESS_OK;
    tess_text_init(&all);
    for (int i = 0; methods[i]; i++)
        tess_text_printf(&all, "%s%s", i ? ", " : "", methods[i]->name);
    tess_error_set(error, TESS_E_USAGE, "--remat %s: expected %s", name,
                   tess_text_string(&all));
    tess_text_release(&all);
    return TESS_E_USAGE;
}

enum tess_status tess_planner_remat_options(const struct tess_args *args,
                                            const struct tess_schedule_options *schedule,
                                            struct tess_remat_options *options_out,
                                            struct tess_error *error)
{
    tess_remat_options_init(options_out);
    if (args->rewrites)
        return tess_error_set(error, TESS_E_USAGE,
                              "--rewrite and --budget exclude each other");
    options_out->model = schedule->model;
    options_out->alignment = schedule->alignment;
    options_out->order_method = schedule->method;
    options_out->seconds = schedule->limits.seconds;
    options_out->keeps_order = args->keeps_order;
    options_out->most_runs = (int)args->most_runs;
    enum tess_status status = read_budget(args->budget, options_out, error);
    return status == TESS_OK ? find_method(args->remat, options_out, error) : status;
}

/* ---- results ---- */

static enum tess_status put_results(const struct tess_args *args,
                                    const struct tess_remat_report *report,
                                    struct tess_error *error)
{
    struct tess_text json, table;
    tess_text_init(&json);
    tess_text_init(&table);
    if (args->json)
        tess_remat_json(report, &json);
    tess_remat_table(report, &table);
    enum tess_status status =
        tess_report_put(args->json, &json, args->is_quiet ? NULL : &table, error);
    tess_text_release(&json);
    tess_text_release(&table);
    return status;
}

static enum tess_status refuse(const struct tess_remat *remat, struct tess_error *error)
{
    int64_t budget = remat->problem.budget_bytes;
    tess_error_set(error, TESS_E_INFEASIBLE, "%s within %" PRId64 " B%s",
                   remat->result.is_proven ? "nothing runs" : "nothing found that runs",
                   budget,
                   remat->result.is_proven ? ": proven" : ", which is not proven");
    tess_error_hint(error,
                    "the smallest budget found that works is %" PRId64 "; %s%" PRId64,
                    remat->result.value.peak_bytes, "none is below ",
                    remat->result.lower_bound_bytes);
    return TESS_E_INFEASIBLE;
}

enum tess_status tess_planner_remat(const struct tess_args *args,
                                    const struct tess_remat_options *options,
                                    const struct tess_graph_file *file,
                                    struct tess_error *error)
{
    int n_tasks = file->graph->n_tasks;
    struct tess_remat remat = {0};
    struct tess_remat_report report = {.file = file, .remat = &remat, .options = options};
    int64_t *costs = malloc(sizeof *costs * ((size_t)n_tasks + 1));
    if (!costs)
        return tess_error_nomem(error);
    for (int i = 0; i < n_tasks; i++)
        costs[i] = file->tasks[i].cost;
    enum tess_status status = tess_remat_init(&remat, file->graph, costs, options, error);
    report.is_interrupted = tess_deadline_is_ended();
    if (status == TESS_OK)
        status = put_results(args, &report, error);
    if (status == TESS_OK && !remat.result.fits)
        status = refuse(&remat, error);
    tess_remat_release(&remat);
    free(costs);
    return status;
}
