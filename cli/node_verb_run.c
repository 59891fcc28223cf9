#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arith.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/file.h"
#include "cli/dump.h"
#include "cli/names.h"
#include "cli/node_link.h"
#include "cli/node_local.h"
#include "cli/node_report.h"
#include "cli/node_setup.h"
#include "cli/node_verbs.h"
#include "cli/progress.h"
#include "executor/process_memory.h"
#include "transport/node_coordinator.h"

enum { STEP_US = 100000 };

/* Everything a run over a cluster holds, released together. */
struct cluster_run {
    const struct tess_args *args;
    struct tess_node_setup setup;
    const struct tess_node_job *job; /* of the setup */
    struct tess_names names;
    struct tess_dumps dumps;
    int64_t dumped_frame; /* whose layers the dumps hold */
    struct tess_node_link link;
    struct tess_node_local local;
    struct tess_node_guess *guesses; /* [nodes of the plan - 1] */
    bool *keeps;                     /* [tensors of the work] */
    struct tess_node_coordinator *node;
    struct tess_progress progress;
    int n_frames; /* paths times repeats */
    struct tess_node_frame_report *reports;
    double *begin_us; /* [n_frames] */
    int n_spans;
    struct tess_node_span *spans;
    bool has_broken_spans; /* no memory for more */
};

static void release(struct cluster_run *run)
{
    for (int i = 0; run->reports && i < run->n_frames; i++)
        tess_results_release(&run->reports[i].results);
    tess_node_coordinator_destroy(run->node);
    tess_node_local_stop(&run->local);
    tess_node_link_release(&run->link);
    tess_dumps_close(&run->dumps, NULL);
    tess_names_release(&run->names);
    tess_node_setup_release(&run->setup);
    free(run->guesses);
    free(run->keeps);
    free(run->reports);
    free(run->begin_us);
    free(run->spans);
}

static enum tess_status prepare(struct cluster_run *run, struct tess_error *error)
{
    const struct tess_args *args = run->args;
    enum tess_status status = tess_node_link_coordinator(&run->link, args, error);
    if (status == TESS_OK && args->names)
        status = tess_names_load(args->names, &run->names, error);
    if (status == TESS_OK)
        status = tess_node_setup_init(&run->setup, args, error);
    run->job = run->setup.job;
    if (status == TESS_OK)
        status = tess_dumps_init(&run->dumps, args, run->job->graph, error);
    return status;
}

static void tell(void *context, const char *text)
{
    const struct cluster_run *run = context;
    if (!run->args->is_quiet)
        fprintf(stderr, "%s\n", text);
}

/* --- the node --- */

static enum tess_status read_blob(void *context, int index, int64_t offset,
                                  int64_t n_bytes, void *bytes_out)
{
    struct cluster_run *run = context;
    return tess_op_blobs_read(&run->setup.blobs, index, offset, n_bytes, bytes_out, NULL);
}

static void note_span(void *context, const struct tess_coordinator_action *action,
                      int64_t now_us)
{
    struct cluster_run *run = context;
    if (!run->args->trace || run->has_broken_spans)
        return;
    if ((run->n_spans & (run->n_spans - 1)) == 0) { /* full: 0, 1, 2, 4, ... */
        size_t capacity = run->n_spans ? 2 * (size_t)run->n_spans : 1;
        struct tess_node_span *spans = realloc(run->spans, sizeof *spans * capacity);
        run->has_broken_spans = !spans;
        if (!spans)
            return;
        run->spans = spans;
    }
    run->spans[run->n_spans++] = (struct tess_node_span){.frame = action->key.frame,
                                                         .stage = action->key.stage,
                                                         .tile = action->key.tile,
                                                         .attempt = action->key.attempt,
                                                         .node = action->node,
                                                         .sent_us = action->sent_us,
                                                         .compute_us = action->compute_us,
                                                         .stored_us = now_us};
}

static int number_of(const struct tess_node_job *job, int tensor)
{
    for (int i = 0; i < job->work.work.n_tensors; i++)
        if (job->work.tensors[i] == tensor)
            return i;
    return -1;
}

/* Layers are at hand where stages meet. */
static enum tess_status choose_kept(struct cluster_run *run, struct tess_error *error)
{
    run->keeps = calloc((size_t)run->job->work.work.n_tensors, sizeof *run->keeps);
    if (!run->keeps)
        return tess_error_nomem(error);
    for (int i = 0; i < run->dumps.n_dumps; i++) {
        int number = number_of(run->job, run->dumps.dumps[i].tensor);
        if (number < 0) {
            tess_error_set(error, TESS_E_USAGE,
                           "--dump: layer %lld never exists whole in this cluster plan",
                           (long long)run->args->dumps[i].layer);
            tess_error_hint(error,
                            "the last layer of each stage does: see tessera cluster "
                            "plan; or dump it with tessera run");
            return TESS_E_USAGE;
        }
        run->keeps[number] = true;
    }
    return TESS_OK;
}

static int n_in_flight(const struct cluster_run *run)
{
    if (run->args->n_in_flight > 0)
        return (int)run->args->n_in_flight;
    if (run->args->is_whole_frames)
        return tess_min_int(run->job->plan->cluster.n_nodes, TESS_COORDINATOR_FRAMES_MAX);
    return run->setup.frames.n_paths > 1 ? 2 : 1;
}

static enum tess_status make_guesses(struct cluster_run *run, struct tess_error *error)
{
    const struct tess_cluster *cluster = &run->job->plan->cluster;
    run->guesses = calloc((size_t)cluster->n_nodes, sizeof *run->guesses);
    if (!run->guesses)
        return tess_error_nomem(error);
    for (int i = 1; i < cluster->n_nodes; i++) {
        const struct tess_cluster_node *node = &cluster->nodes[i];
        struct tess_node_guess *guess = &run->guesses[i - 1];
        snprintf(guess->name, sizeof guess->name, "%s", node->name);
        guess->cost_per_s = (int64_t)(node->speed * 1e9); /* costs are nanoseconds */
        guess->link_bytes_per_s = (int64_t)(node->link_mbit * 125000) + 1;
    }
    return TESS_OK;
}

static enum tess_status bind_somewhere(struct cluster_run *run,
                                       struct tess_node_coordinator_config *config,
                                       struct tess_error *error)
{
    enum { TRIES = 20, FIRST_PORT = 20000, N_PAIRS = 10000 };
    enum tess_status status = TESS_OK;
    for (int i = 0; i < TRIES; i++) {
        char endpoint[64];
        if (run->args->n_local > 0 && !run->args->listen) {
            snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d",
                     FIRST_PORT + 2 * (int)(tess_node_random() % N_PAIRS));
            tess_node_link_address(&run->link, endpoint, "--listen", NULL);
        }
        config->link = run->link.config;
        status = tess_node_coordinator_create(config, &run->node, error);
        if (status != TESS_E_NETWORK || run->args->n_local == 0 || run->args->listen)
            return status;
    }
    return status;
}

static enum tess_status start(struct cluster_run *run, struct tess_error *error)
{
    const struct tess_cluster *cluster = &run->job->plan->cluster;
    struct tess_node_coordinator_config config = {
        .plan_text = run->setup.job_text.data,
        .plan_text_bytes = (int64_t)run->setup.job_text.len,
        .runner = tess_node_runner_tiles(run->setup.runner),
        .read_blob = read_blob,
        .tell = tell,
        .stored = note_span,
        .context = run};
    enum tess_status status = choose_kept(run, error);
    if (status == TESS_OK)
        status = make_guesses(run, error);
    if (status != TESS_OK)
        return status;
    tess_coordinator_config_init(&config.core);
    snprintf(config.core.name, sizeof config.core.name, "%s", cluster->nodes[0].name);
    snprintf(config.core.kernels, sizeof config.core.kernels, "%s",
             run->setup.session.family->name);
    config.keeps = run->keeps;
    config.core.work = &run->job->work.work;
    config.core.blobs = run->setup.entries;
    config.core.n_blobs = run->setup.blobs.n_blobs;
    config.core.is_computing = true;
    config.core.is_static = run->args->is_static;
    config.core.is_reserve = cluster->nodes[0].only_serves;
    config.core.own_cost_per_s = (int64_t)(cluster->nodes[0].speed * 1e9) + 1;
    config.core.default_cost_per_s = 1000000000;
    config.core.guesses = run->guesses;
    config.core.n_guesses = cluster->n_nodes - 1;
    config.core.uplink_bytes_per_s = (int64_t)(cluster->nodes[0].link_mbit * 125000) + 1;
    config.core.max_frames = n_in_flight(run);
    config.core.epoch = tess_node_random();
    status = bind_somewhere(run, &config, error);
    if (status == TESS_OK && run->args->n_local > 0)
        status = tess_node_local_start(&run->local, run->args, run->link.control, error);
    return status;
}

/* --- waiting for workers --- */

/* How many workers can compute, and how many are getting what they need for it. */
static void count_workers(const struct cluster_run *run, int *n_ready_out,
                          int *n_coming_out, int *n_told_out)
{
    const struct tess_coordinator *core = tess_node_coordinator_core(run->node);
    *n_ready_out = *n_coming_out = *n_told_out = 0;
    for (int n = 1; n < tess_coordinator_n_nodes(core); n++) {
        struct tess_node_report report;
        tess_coordinator_report(core, n, &report);
        *n_ready_out += report.state == TESS_NODE_READY;
        *n_coming_out += report.state == TESS_NODE_JOINED;
        *n_told_out +=
            report.state == TESS_NODE_UNABLE || report.state == TESS_NODE_REFUSED;
    }
}

static enum tess_status wait_for_workers(struct cluster_run *run,
                                         struct tess_error *error)
{
    int n_wanted = run->job->plan->cluster.n_nodes - 1;
    int n_ready = 0, n_coming = 0, n_told = 0;
    double end_us = tess_clock_us() + run->args->wait_seconds * 1e6;
    enum tess_status status = TESS_OK;
    while (status == TESS_OK && n_ready + n_told < n_wanted &&
           (tess_clock_us() < end_us || n_coming > 0)) {
        struct tess_node_outcome outcome;
        status = tess_node_coordinator_step(run->node, STEP_US, &outcome, error);
        count_workers(run, &n_ready, &n_coming, &n_told);
    }
    if (status == TESS_OK && n_ready < n_wanted && !run->args->is_quiet)
        fprintf(stderr, "goes on with %d of %d workers\n", n_ready, n_wanted);
    return status;
}

/* --- frames --- */

static struct tess_plane plane_of(const struct cluster_run *run, int64_t frame,
                                  int tensor)
{
    const struct tess_tensor *of = &run->job->graph->tensors[tensor];
    const void *data =
        tess_node_coordinator_result(run->node, frame, number_of(run->job, tensor));
    return (struct tess_plane){.data = (float *)(uintptr_t)data,
                               .n_rows = of->h,
                               .n_cols = of->w,
                               .channels = of->c,
                               .row_stride = (size_t)of->w * (size_t)of->c,
                               .pixel_stride = (size_t)of->c};
}

struct frame_view {
    const struct cluster_run *run;
    int64_t frame;
};

static struct tess_plane view_plane(void *context, int tensor)
{
    const struct frame_view *view = context;
    return plane_of(view->run, view->frame, tensor);
}

static uint32_t checksum(const struct cluster_run *run, int64_t frame)
{
    const struct tess_work *work = &run->job->work.work;
    uint32_t crc = 0;
    for (int i = 0; i < work->n_tensors; i++) {
        const struct tess_part_map *map = &work->tensors[i];
        if (tess_work_last_reader(work, i) < 0)
            crc = tess_crc32c(crc, tess_node_coordinator_result(run->node, frame, i),
                              (size_t)map->h * (size_t)map->w * (size_t)map->c *
                                  (size_t)map->element_bytes);
    }
    return crc;
}

static enum tess_status take_results(struct cluster_run *run, int64_t frame,
                                     struct tess_error *error)
{
    struct tess_node_frame_report *report = &run->reports[frame];
    const struct tess_graph *graph = run->job->graph;
    struct frame_view view = {run, frame};
    struct tess_result_planes planes = {view_plane, &view};
    struct tess_detect_options options;
    struct tess_letterbox box;
    report->output_crc = checksum(run, frame);
    tess_detect_options_init(&options);
    options.threshold = (float)run->args->threshold;
    options.overlap = (float)run->args->overlap;
    enum tess_status status = tess_node_frames_box(
        &run->setup.frames, (int)(frame % run->setup.frames.n_paths), &box, error);
    if (status == TESS_OK)
        status =
            tess_results_init(&report->results, graph, planes, &box, &options, error);
    /* Frames may end in another order than they began: the last one stays. */
    bool is_latest = frame >= run->dumped_frame;
    run->dumped_frame = tess_max_i64(run->dumped_frame, frame);
    for (int i = 0; i < run->dumps.n_dumps && is_latest && status == TESS_OK; i++) {
        int tensor = run->dumps.dumps[i].tensor;
        struct tess_plane plane = plane_of(run, frame, tensor);
        status =
            tess_dumps_take(&run->dumps, graph->tensors[tensor].producer, &plane, error);
    }
    return status;
}

static enum tess_status submit(struct cluster_run *run, int index,
                               struct tess_error *error)
{
    int64_t frame;
    const void **given = calloc((size_t)run->job->work.work.n_tensors, sizeof *given);
    void *tensor = malloc((size_t)tess_frame_input_bytes(&run->setup.frames.input));
    enum tess_status status = given && tensor ? TESS_OK : tess_error_nomem(error);
    const char *path = run->setup.frames.paths[index % run->setup.frames.n_paths];
    if (status == TESS_OK)
        status = tess_frame_input_load(&run->setup.frames.input, path, tensor, error);
    if (status == TESS_OK) {
        given[number_of(run->job, TESS_GRAPH_INPUT)] = tensor;
        run->reports[index].path = path;
        run->begin_us[index] = tess_clock_us();
        status = tess_node_coordinator_submit(run->node, given, &frame, error);
    }
    free(given);
    free(tensor);
    return status;
}

static enum tess_status take_outcome(struct cluster_run *run,
                                     const struct tess_node_outcome *outcome,
                                     struct tess_error *error)
{
    struct tess_node_frame_report *report = &run->reports[outcome->frame];
    enum tess_status status = TESS_OK;
    report->us = tess_clock_us() - run->begin_us[outcome->frame];
    report->is_failed = outcome->is_failed;
    report->accounts = outcome->accounts;
    snprintf(report->text, sizeof report->text, "%s", outcome->text);
    if (!outcome->is_failed)
        status = take_results(run, outcome->frame, error);
    else
        tell(run, outcome->text);
    tess_node_coordinator_release(run->node, outcome->frame);
    return status;
}

static enum tess_status compute(struct cluster_run *run, double *all_us_out,
                                struct tess_error *error)
{
    int most = n_in_flight(run);
    int n_begun = 0, n_done = 0;
    enum tess_status status = TESS_OK;
    double start_us = tess_clock_us();
    tess_progress_init(&run->progress, "running", !run->args->is_quiet);
    while (n_done < run->n_frames && status == TESS_OK) {
        struct tess_node_outcome outcome = {.has_frame = false};
        while (status == TESS_OK && n_begun < run->n_frames && n_begun - n_done < most)
            status = submit(run, n_begun++, error);
        if (status == TESS_OK)
            status = tess_node_coordinator_step(run->node, STEP_US, &outcome, error);
        if (status == TESS_OK && outcome.has_frame) {
            status = take_outcome(run, &outcome, error);
            n_done++;
        }
        tess_progress_show(&run->progress, (double)n_done / run->n_frames);
    }
    tess_progress_finish(&run->progress);
    *all_us_out = tess_clock_us() - start_us;
    return status == TESS_OK ? tess_dumps_close(&run->dumps, error) : status;
}

/* --- reports --- */

static enum tess_status write_text(const char *path, struct tess_text *text,
                                   struct tess_error *error)
{
    enum tess_status status = tess_file_write_text(path, text, error);
    tess_text_release(text);
    return status;
}

static enum tess_status report(const struct cluster_run *run, double all_us,
                               struct tess_error *error)
{
    const struct tess_args *args = run->args;
    struct tess_node_report_input input = {.job = run->job,
                                           .names = args->names ? &run->names : NULL,
                                           .core = tess_node_coordinator_core(run->node),
                                           .n_frames = run->n_frames,
                                           .frames = run->reports,
                                           .all_us = all_us,
                                           .own_peak_bytes = tess_process_peak_bytes(),
                                           .n_spans = run->n_spans,
                                           .spans = run->spans};
    enum tess_status status = TESS_OK;
    struct tess_text text;
    tess_text_init(&text);
    if (args->json) {
        tess_node_report_json(&input, &text);
        status = write_text(args->json, &text, error);
    }
    if (status == TESS_OK && args->trace) {
        tess_node_report_trace(&input, &text);
        status = write_text(args->trace, &text, error);
    }
    bool is_json_on_stdout = args->json && strcmp(args->json, "-") == 0;
    if (status == TESS_OK && !args->is_quiet && !is_json_on_stdout) {
        tess_node_report_table(&input, &text);
        fputs(tess_text_string(&text), stdout);
    }
    tess_text_release(&text);
    for (int i = 0; i < run->n_frames && status == TESS_OK; i++)
        if (run->reports[i].is_failed)
            status = tess_error_set(error, TESS_E_NETWORK, "%s: %s", run->reports[i].path,
                                    run->reports[i].text);
    return status;
}

enum tess_status tess_verb_cluster_run(const struct tess_args *args,
                                       struct tess_error *error)
{
    struct cluster_run run = {.args = args};
    double all_us = 0;
    enum tess_status status = prepare(&run, error);
    if (status == TESS_OK)
        status = start(&run, error);
    if (status == TESS_OK)
        status = wait_for_workers(&run, error);
    if (status == TESS_OK) {
        run.n_frames = run.setup.frames.n_paths * (int)args->n_repeats;
        run.reports = calloc((size_t)run.n_frames, sizeof *run.reports);
        run.begin_us = calloc((size_t)run.n_frames, sizeof *run.begin_us);
        if (!run.reports || !run.begin_us)
            status = tess_error_nomem(error);
    }
    if (status == TESS_OK)
        status = compute(&run, &all_us, error);
    if (status == TESS_OK)
        status = report(&run, all_us, error);
    release(&run);
    return status;
}
