#include "cli/verbs.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/draw.h"
#include "cli/dump.h"
#include "cli/image_canvas.h"
#include "cli/input.h"
#include "cli/names.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/results.h"
#include "cli/session.h"
#include "executor/executor.h"
#include "executor/process_memory.h"
#include "plan/verify.h"

/* Everything a run holds, released together. */
struct run {
    const struct tess_args *args;
    struct tess_session session;
    struct tess_input input;
    struct tess_names names;
    struct tess_plan *plan;
    struct tess_layout *layout;
    struct tess_verdict verdict;
    struct tess_executor *executor;
    struct tess_dumps dumps;
    struct tess_results results;
    struct tess_progress progress;
    double *run_us;       /* [n_repeats] */
    double *group_us;     /* [n_groups] of the median run so far reported */
    double *all_group_us; /* [n_repeats][n_groups] */
    double macs_done, macs_total;
};

static void release(struct run *run)
{
    tess_results_release(&run->results);
    tess_dumps_close(&run->dumps, NULL);
    tess_executor_destroy(run->executor);
    tess_input_release(&run->input);
    tess_layout_destroy(run->layout);
    tess_plan_destroy(run->plan);
    tess_names_release(&run->names);
    tess_session_release(&run->session);
    free(run->run_us);
    free(run->group_us);
    free(run->all_group_us);
}

static void show_loading(void *context, int n_done, int n_total)
{
    struct run *run = context;
    tess_progress_show(&run->progress, (double)n_done / n_total);
}

static enum tess_status take_tile(void *context, int op, const struct tess_plane *tile,
                                  struct tess_error *error)
{
    struct run *run = context;
    const struct tess_graph *graph = run->session.graph;
    const struct tess_tensor *out = &graph->tensors[graph->ops[op].output];
    double share = (double)tile->n_rows * tile->n_cols / ((double)out->h * out->w);
    run->macs_done += share * (double)tess_op_macs(graph, &graph->ops[op]);
    tess_progress_show(&run->progress,
                       run->macs_total > 0 ? run->macs_done / run->macs_total : 0);
    return run->dumps.n_dumps > 0 ? tess_dumps_take(&run->dumps, op, tile, error)
                                  : TESS_OK;
}

static enum tess_status check_arguments(const struct tess_args *args,
                                        struct tess_error *error)
{
    if (args->plan && args->is_untiled)
        return tess_error_set(error, TESS_E_USAGE,
                              "--plan and --untiled exclude each other");
    if (args->annotate && !args->image)
        return tess_error_set(error, TESS_E_USAGE,
                              "--annotate draws on the --image: give one");
    if (args->annotate && !tess_canvas_can_save(args->annotate))
        return tess_error_set(error, TESS_E_USAGE,
                              "--annotate %s: the name must end in .png or "
                              ".jpg",
                              args->annotate);
    return TESS_OK;
}

static enum tess_status check_budget(const struct tess_plan *plan,
                                     struct tess_error *error)
{
    if (plan->budget_bytes == 0 || plan->memory.peak <= plan->budget_bytes)
        return TESS_OK;
    /* The next start may measure more base memory. */
    int64_t safe_bytes = plan->memory.peak + TESS_BASE_SPREAD_BYTES;
    long long needed_kib = (long long)((plan->memory.peak + 1023) / 1024);
    long long safe_kib = (long long)((safe_bytes + 1023) / 1024);
    char budget[24];
    tess_error_set(error, TESS_E_INFEASIBLE,
                   "this plan needs %lldK, more than the budget of %s", needed_kib,
                   tess_format_bytes(plan->budget_bytes, budget, sizeof budget));
    tess_error_hint(error,
                    "raise --memory to %lldK, or leave out --plan to have one searched",
                    safe_kib);
    return TESS_E_INFEASIBLE;
}

/* From arguments to a verified layout. */
static enum tess_status prepare(struct run *run, struct tess_error *error)
{
    const struct tess_args *args = run->args;
    enum tess_status status = check_arguments(args, error);
    if (status == TESS_OK && args->names)
        status = tess_names_load(args->names, &run->names, error);
    if (status == TESS_OK)
        status = tess_session_init(&run->session, args, error);
    if (status ==
        TESS_OK) /* before any planning: a wrong file should not cost a search */
        status = tess_model_file_open_weights(&run->session.model, args, error);
    if (status == TESS_OK)
        status = tess_input_init(&run->input, args, run->session.graph, error);
    if (status == TESS_OK)
        status = tess_dumps_init(&run->dumps, args, run->session.graph, error);
    if (status == TESS_OK)
        status = tess_session_start(&run->session, error);
    if (status == TESS_OK)
        status =
            tess_session_plan(&run->session, run->input.held_bytes, &run->plan, error);
    if (status == TESS_OK) /* the plan may split the graph */
        status = tess_dumps_set_graph(&run->dumps, args, run->session.graph, error);
    if (status == TESS_OK)
        status = check_budget(run->plan, error);
    if (status == TESS_OK)
        status = tess_layout_create(run->session.graph, run->plan, &run->layout, error);
    if (status == TESS_OK)
        status = tess_verify(run->layout, &run->verdict, error);
    malloc_trim(0);
    return status;
}

static enum tess_status load(struct run *run, struct tess_error *error)
{
    struct tess_executor_options options = {
        .family = run->session.family,
        .filters = tess_model_file_filters(&run->session.model),
        .n_threads = run->session.n_threads,
        .progress = show_loading,
        .progress_context = run,
    };
    enum tess_status status =
        tess_model_file_blocks(&run->session.model, &options.blocks, error);
    if (status != TESS_OK)
        return status;
    size_t n_runs = (size_t)run->args->n_repeats, n_groups = (size_t)run->plan->n_groups;
    run->run_us = calloc(n_runs, sizeof *run->run_us);
    run->group_us = calloc(n_groups, sizeof *run->group_us);
    run->all_group_us = calloc(n_runs * n_groups, sizeof *run->all_group_us);
    if (!run->run_us || !run->group_us || !run->all_group_us)
        return tess_error_nomem(error);
    tess_progress_init(&run->progress, "loading", !run->args->is_quiet);
    status = tess_executor_create(run->layout, &options, &run->executor, error);
    tess_progress_finish(&run->progress);
    tess_model_file_drop_scratch(&run->session.model);
    return status;
}

static enum tess_status compute_once(struct run *run, int index, struct tess_error *error)
{
    const struct tess_observer observer = {take_tile, run};
    const struct tess_row_source source = {tess_input_rows, &run->input};
    enum tess_status status = tess_input_open(&run->input, error);
    if (status != TESS_OK)
        return status;
    run->macs_done = 0;
    run->input.read_us = 0;
    double start_us = tess_clock_us();
    status = tess_executor_run(
        run->executor, &source, &observer,
        run->all_group_us + (size_t)index * (size_t)run->plan->n_groups, error);
    run->run_us[index] = tess_clock_us() - start_us - run->input.read_us;
    return status == TESS_OK ? tess_input_finish(&run->input, error) : status;
}

static enum tess_status compute(struct run *run, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    run->macs_total = (double)run->verdict.macs;
    tess_progress_init(&run->progress, "running", !run->args->is_quiet);
    for (int i = 0; i < run->args->n_repeats && status == TESS_OK; i++)
        status = compute_once(run, i, error);
    tess_progress_finish(&run->progress);
    if (status != TESS_OK)
        return status;
    int median = tess_time_summarize(run->run_us, (int)run->args->n_repeats).median_index;
    memcpy(run->group_us,
           run->all_group_us + (size_t)median * (size_t)run->plan->n_groups,
           sizeof *run->group_us * (size_t)run->plan->n_groups);
    return tess_dumps_close(&run->dumps, error);
}

static enum tess_status collect(struct run *run, struct tess_error *error)
{
    struct tess_detect_options options;
    struct tess_letterbox box = run->input.box;
    tess_detect_options_init(&options);
    options.threshold = (float)run->args->threshold;
    options.overlap = (float)run->args->overlap;
    if (!run->args->image)
        tess_letterbox_init(&box, TESS_FIT_STRETCH, run->input.w, run->input.h,
                            run->input.w, run->input.h);
    return tess_results_init(&run->results, run->session.graph,
                             tess_result_planes_of(run->executor), &box, &options, error);
}

static enum tess_status check_measured(const struct run *run, int64_t measured_bytes,
                                       struct tess_error *error)
{
    if (run->plan->budget_bytes == 0 || measured_bytes <= run->plan->budget_bytes)
        return TESS_OK;
    const struct tess_memory *memory = &run->plan->memory;
    int64_t counted = memory->peak - memory->base - memory->threads;
    char measured[24], budget[24], base[24], planned[24];
    return tess_error_set(
        error, TESS_E_BUDGET,
        "measured %s, above the budget of %s: the process itself takes %s where %s were "
        "planned",
        tess_format_bytes(measured_bytes, measured, sizeof measured),
        tess_format_bytes(run->plan->budget_bytes, budget, sizeof budget),
        tess_format_bytes(measured_bytes - counted, base, sizeof base),
        tess_format_bytes(memory->base + memory->threads, planned, sizeof planned));
}

static enum tess_status annotate(const struct run *run, struct tess_error *error)
{
    struct tess_canvas canvas = {0};
    enum tess_status status = tess_canvas_load(run->args->image, &canvas, error);
    if (status == TESS_OK)
        status = tess_draw_detections(&canvas, run->results.detections,
                                      run->results.n_detections,
                                      run->args->names ? &run->names : NULL, error);
    if (status == TESS_OK)
        status = tess_canvas_save(&canvas, run->args->annotate, error);
    tess_canvas_release(&canvas);
    return status;
}

static enum tess_status write_reports(const struct run *run, int64_t measured_bytes,
                                      struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    struct tess_run_report report = {
        .graph = run->session.graph,
        .plan = run->plan,
        .verdict = &run->verdict,
        .results = &run->results,
        .names = run->args->names ? &run->names : NULL,
        .kernels = run->session.family->name,
        .measured_peak_bytes = measured_bytes,
        .has_profile = run->session.profile[0] != '\0',
        .n_runs = (int)run->args->n_repeats,
        .run_us = run->run_us,
        .group_us = run->group_us,
    };
    struct tess_text text;
    tess_text_init(&text);
    bool is_json_on_stdout = run->args->json && strcmp(run->args->json, "-") == 0;
    if (run->args->json) {
        tess_report_json(&report, &text);
        status = tess_file_write_text(run->args->json, &text, error);
    }
    if (status == TESS_OK && !run->args->is_quiet && !is_json_on_stdout) {
        tess_text_release(&text);
        tess_report_table(&report, &text);
        fputs(tess_text_string(&text), stdout);
    }
    tess_text_release(&text);
    return status;
}

static enum tess_status finish(struct run *run, struct tess_error *error)
{
    /* Candidates take memory that no term counts: the weights make room for them. */
    tess_executor_drop_kernels(run->executor);
    enum tess_status status = collect(run, error);
    int64_t measured_bytes = tess_process_peak_bytes();
    if (status != TESS_OK)
        return status;
    /* The network's memory makes room for the picture. */
    tess_executor_destroy(run->executor);
    run->executor = NULL;
    if (run->args->annotate)
        status = annotate(run, error);
    if (status == TESS_OK)
        status = write_reports(run, measured_bytes, error);
    return status == TESS_OK ? check_measured(run, measured_bytes, error) : status;
}

enum tess_status tess_verb_run(const struct tess_args *args, struct tess_error *error)
{
    struct run run = {.args = args, .input.fd = -1};
    enum tess_status status = prepare(&run, error);
    if (status == TESS_OK)
        status = load(&run, error);
    if (status == TESS_OK)
        status = compute(&run, error);
    if (status == TESS_OK)
        status = finish(&run, error);
    release(&run);
    return status;
}
