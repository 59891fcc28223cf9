/* tessera schedule, in the planner program. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/deadline.h"
#include "base/file.h"
#include "cli/model_file.h"
#include "cli/planner_remat.h"
#include "cli/planner_schedule_report.h"
#include "cli/report_out.h"
#include "cli/verbs.h"
#include "plan/plan_text.h"
#include "planner/graph_model.h"
#include "planner/graph_rewritten.h"
#include "planner/ordering_ilp.h"

enum { PLAN_LIMIT_BYTES = 1 << 20 };

/* ---- options ---- */

static enum tess_status unknown_name(const char *option, const char *name,
                                     const char *const *known, struct tess_error *error)
{
    struct tess_text all;
    const char *nearest = tess_nearest_word(name, known);
    tess_text_init(&all);
    for (int i = 0; known[i]; i++)
        tess_text_printf(&all, "%s%s", i ? ", " : "", known[i]);
    tess_error_set(error, TESS_E_USAGE, "%s %s: expected %s", option, name,
                   tess_text_string(&all));
    if (nearest)
        tess_error_hint(error, "did you mean %s?", nearest);
    tess_text_release(&all);
    return TESS_E_USAGE;
}

static enum tess_status find_method(const char *name,
                                    const struct tess_order_method **method_out,
                                    struct tess_error *error)
{
    enum { MAX_METHODS = 16 };
    const struct tess_order_method *const *methods = tess_order_methods_all();
    const char *known[MAX_METHODS + 1] = {NULL};
    for (int i = 0; methods[i] && i < MAX_METHODS; i++)
        known[i] = methods[i]->name;
    *method_out = tess_order_method_find(methods, name);
    return *method_out ? TESS_OK : unknown_name("--method", name, known, error);
}

static enum tess_status find_parts(const char *list, unsigned *parts_out,
                                   struct tess_error *error)
{
    /* In the order of enum tess_order_part. */
    static const char *const known[] = {"fusion", "cuts",    "beam",    "climb",
                                        "safe",   "valleys", "windows", NULL};
    char copy[128];
    if (!list)
        return TESS_OK;
    snprintf(copy, sizeof copy, "%s", list);
    char *rest = copy;
    for (char *name = strsep(&rest, ","); name; name = strsep(&rest, ",")) {
        int i = 0;
        while (known[i] && strcmp(known[i], name) != 0)
            i++;
        if (!known[i])
            return unknown_name("--without", name, known, error);
        *parts_out |= 1u << i;
    }
    return TESS_OK;
}

static enum tess_status read_options(const struct tess_args *args,
                                     struct tess_schedule_options *options,
                                     struct tess_error *error)
{
    static const char *const models[] = {"base", "inplace", "view", NULL};
    tess_schedule_options_init(options);
    options->alignment = args->alignment;
    options->limits.seconds = args->limit_seconds;
    options->rewrites = args->rewrites;
    options->accumulator_factor = (int)args->accumulator_factor;
    if (!tess_memory_model_find(args->memory_model, &options->model))
        return unknown_name("--model", args->memory_model, models, error);
    if (args->rewrites && args->forbids_rewriting)
        return tess_error_set(error, TESS_E_USAGE,
                              "--rewrite and --no-rewrite exclude each other");
    enum tess_status status = find_method(args->method, &options->method, error);
    if (status == TESS_OK)
        status = find_parts(args->without, &options->limits.parts_off, error);
    return status;
}

/* ---- the graph ---- */

/* A JSON file ends so or begins so; what is no file that could be looked into twice is one, too. */
static bool is_json(const char *path)
{
    struct stat info;
    size_t n = strlen(path);
    int first = EOF;
    if (strcmp(path, "-") == 0 || (n > 5 && strcmp(path + n - 5, ".json") == 0))
        return true;
    if (stat(path, &info) != 0)
        return false;
    if (!S_ISREG(info.st_mode))
        return !S_ISDIR(info.st_mode);
    FILE *stream = fopen(path, "re");
    if (stream) {
        while ((first = fgetc(stream)) == ' ' || (first >= '\t' && first <= '\r'))
            continue;
        fclose(stream);
    }
    return first == '{';
}

static enum tess_status read_plan(const char *path, const struct tess_graph *network,
                                  struct tess_graph_file *file, struct tess_error *error)
{
    struct tess_text text;
    struct tess_plan *plan = NULL;
    struct tess_layout *layout = NULL;
    tess_text_init(&text);
    enum tess_status status = tess_file_read(path, PLAN_LIMIT_BYTES, &text, error);
    if (status == TESS_OK)
        status = tess_plan_read(tess_text_string(&text), text.len, path, network, &plan,
                                error);
    if (status == TESS_OK)
        status = tess_layout_create(network, plan, &layout, error);
    if (status == TESS_OK)
        status = tess_graph_file_of_plan(file, layout, error);
    tess_layout_destroy(layout);
    tess_plan_destroy(plan);
    tess_text_release(&text);
    return status;
}

static enum tess_status read_model(const struct tess_args *args, bool views_slices,
                                   struct tess_graph_file *file, struct tess_error *error)
{
    struct tess_model_file model;
    struct tess_text warnings;
    tess_text_init(&warnings);
    enum tess_status status = tess_model_file_init(&model, args, &warnings, error);
    if (warnings.len > 0 && !args->is_quiet)
        fputs(tess_text_string(&warnings), stderr);
    tess_text_release(&warnings);
    if (status == TESS_OK)
        status = args->plan
                     ? read_plan(args->plan, model.graph, file, error)
                     : tess_graph_file_of_network(file, model.graph, views_slices, error);
    tess_model_file_release(&model);
    return status;
}

static enum tess_status read_graph(const struct tess_args *args,
                                   const struct tess_schedule_options *options,
                                   struct tess_schedule_report *report,
                                   struct tess_graph_file *file, struct tess_error *error)
{
    report->is_from_file = is_json(args->model);
    if (!report->is_from_file)
        return read_model(args, options->model == TESS_MODEL_VIEW, file, error);
    if (args->plan || args->has_layers) {
        tess_error_set(error, TESS_E_USAGE, "%s is a graph of tasks: %s is for models",
                       args->model, args->plan ? "--plan" : "--layers");
        return TESS_E_USAGE;
    }
    return tess_graph_file_read(file, args->model, error);
}

/* ---- results ---- */

static enum tess_status put_results(const struct tess_args *args,
                                    const struct tess_schedule_report *report,
                                    struct tess_error *error)
{
    struct tess_text json, table;
    tess_text_init(&json);
    tess_text_init(&table);
    if (args->json)
        tess_schedule_json(report, &json);
    tess_schedule_table(report, &table);
    enum tess_status status =
        tess_report_put(args->json, &json, args->is_quiet ? NULL : &table, error);
    tess_text_release(&json);
    tess_text_release(&table);
    return status;
}

/* ---- interruption ---- */

static void end_searches(int number)
{
    (void)number;
    tess_deadline_end_all();
}

/* The first interruption ends the searches; a second one the program. */
static void listen(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = end_searches;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static enum tess_status report_schedule(const struct tess_args *args,
                                        struct tess_schedule_report *report,
                                        struct tess_error *error)
{
    struct tess_graph_file rewritten = {0};
    enum tess_status status = TESS_OK;
    report->tasks = report->file;
    report->is_interrupted = tess_deadline_is_ended();
    if (report->options->rewrites) {
        report->rewritten = &report->schedule->found.rewritten;
        status =
            tess_graph_rewritten_init(&rewritten, report->file, report->rewritten, error);
        report->tasks = &rewritten;
    }
    if (status == TESS_OK)
        status = put_results(args, report, error);
    tess_graph_rewritten_release(&rewritten);
    return status;
}

enum tess_status tess_verb_schedule(const struct tess_args *args,
                                    struct tess_error *error)
{
    struct tess_schedule_options options;
    struct tess_remat_options remat_options;
    struct tess_graph_file file = {0};
    struct tess_schedule schedule = {0};
    struct tess_schedule_report report = {
        .file = &file, .schedule = &schedule, .options = &options};
    enum tess_status status = read_options(args, &options, error);
    if (status == TESS_OK && args->budget)
        status = tess_planner_remat_options(args, &options, &remat_options, error);
    if (status == TESS_OK)
        status = read_graph(args, &options, &report, &file, error);
    listen();
    if (status == TESS_OK && args->budget) {
        status = tess_planner_remat(args, &remat_options, &file, error);
        report.is_interrupted = tess_deadline_is_ended();
    } else if (status == TESS_OK) {
        status = tess_schedule_init(&schedule, file.graph, &options, error);
        if (status == TESS_OK)
            status = report_schedule(args, &report, error);
    }
    tess_schedule_release(&schedule);
    tess_graph_file_release(&file);
    if (report.is_interrupted) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT); /* who started this is to see how it ended */
    }
    return status;
}
