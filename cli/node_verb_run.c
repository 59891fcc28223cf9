#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cluster_search.h"
#include "cli/dump.h"
#include "cli/names.h"
#include "cli/node_frames.h"
#include "cli/node_link.h"
#include "cli/node_local.h"
#include "cli/node_report.h"
#include "cli/node_runner.h"
#include "cli/node_verbs.h"
#include "cli/progress.h"
#include "executor/process_memory.h"
#include "model/op_blob.h"
#include "plan/cluster_text.h"
#include "transport/node_coordinator.h"

enum { TEXT_LIMIT_BYTES = 4 << 20, STEP_US = 100000 };

/* Everything a run over a cluster holds, released together. */
struct cluster_run {
    const struct tess_args *args;
    struct tess_session session;
    struct tess_node_frames frames;
    struct tess_names names;
    struct tess_dumps dumps;
    struct tess_op_blobs blobs;
    struct tess_blob_entry *entries; /* [blobs.n_blobs] */
    struct tess_text plan_text, job_text;
    struct tess_node_runner *runner;
    const struct tess_node_job *job; /* of the runner */
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
    tess_node_runner_destroy(run->runner);
    tess_node_link_release(&run->link);
    tess_op_blobs_release(&run->blobs);
    tess_dumps_close(&run->dumps, NULL);
    tess_names_release(&run->names);
    tess_node_frames_release(&run->frames);
    tess_session_release(&run->session);
    tess_text_release(&run->plan_text);
    tess_text_release(&run->job_text);
    free(run->entries);
    free(run->guesses);
    free(run->keeps);
    free(run->reports);
    free(run->begin_us);
    free(run->spans);
}

static void tell(void *context, const char *text)
{
    const struct cluster_run *run = context;
    if (!run->args->is_quiet)
        fprintf(stderr, "%s\n", text);
}

/* --- the plan --- */

static enum tess_status check_args(const struct tess_args *args, struct tess_error *error)
{
    int n_given = (args->n_local > 0) + (args->cluster || args->plan);
    if (n_given == 1)
        return TESS_OK;
    tess_error_set(error, TESS_E_USAGE,
                   n_given
                       ? "--local makes a cluster of its own: --cluster and --plan do "
                         "not go with it"
                       : "no cluster given");
    tess_error_hint(error, "--cluster FILE names the nodes (docs/cluster.md); --local 2 "
                           "tries it on this machine");
    return TESS_E_USAGE;
}

/* The text that planning begins with: a cluster or a cluster plan. */
static enum tess_status read_cluster(const struct tess_args *args, struct tess_text *text,
                                     struct tess_error *error)
{
    struct tess_cluster cluster;
    if (args->n_local > 0) {
        tess_node_local_cluster(args, &cluster);
        tess_cluster_write(&cluster, text);
        return text->is_broken ? tess_error_nomem(error) : TESS_OK;
    }
    const char *path = args->plan ? args->plan : args->cluster;
    enum tess_status status = tess_file_read(path, TEXT_LIMIT_BYTES, text, error);
    if (status == TESS_OK) /* here the file has a name */
        status =
            tess_cluster_read(tess_text_string(text), text->len, path, &cluster, error);
    return status;
}

/* A plan that is given says how its input travels. */
static enum tess_status adapt_input(struct cluster_run *run, const struct tess_text *text,
                                    struct tess_error *error)
{
    struct tess_cluster_plan *plan = NULL;
    if (!run->args->plan)
        return TESS_OK;
    enum tess_status status =
        tess_cluster_plan_read(tess_text_string(text), text->len, run->args->plan,
                               run->session.graph, &plan, error);
    if (status != TESS_OK)
        return status;
    bool can_be_bytes = run->frames.input.kind != TESS_FRAME_FLOATS;
    if (!plan->sends_bytes)
        tess_node_frames_use_floats(&run->frames);
    else if (!can_be_bytes) {
        status = tess_error_at(error, TESS_E_CONFIG, run->args->plan, 0, 0,
                               "the plan sends bytes, but the input has values between "
                               "them");
        tess_error_hint(error, "write \"input: floats\" in the plan");
    }
    tess_cluster_plan_destroy(plan);
    return status;
}

static enum tess_status find_plan(struct cluster_run *run, struct tess_error *error)
{
    struct tess_text text;
    tess_text_init(&text);
    enum tess_status status = read_cluster(run->args, &text, error);
    if (status == TESS_OK)
        status = adapt_input(run, &text, error);
    if (status == TESS_OK)
        status = tess_cluster_search(&run->session, tess_text_string(&text), text.len,
                                     run->frames.input.kind != TESS_FRAME_FLOATS,
                                     &run->plan_text, error);
    tess_text_release(&text);
    return status;
}

/* --- the job --- */

static void show_hashing(void *context, double done)
{
    tess_progress_show(context, done);
}

static enum tess_status hash_weights(struct cluster_run *run,
                                     struct tess_packed_source blocks,
                                     struct tess_error *error)
{
    tess_progress_init(&run->progress, "reading weights", !run->args->is_quiet);
    enum tess_status status = tess_op_blobs_init(&run->blobs, run->session.graph, blocks,
                                                 show_hashing, &run->progress, error);
    tess_progress_finish(&run->progress);
    if (status != TESS_OK)
        return status;
    run->entries = calloc((size_t)run->blobs.n_blobs + 1, sizeof *run->entries);
    if (!run->entries)
        return tess_error_nomem(error);
    for (int i = 0; i < run->blobs.n_blobs; i++)
        run->entries[i] = (struct tess_blob_entry){
            .hash = run->blobs.blobs[i].hash, .n_bytes = run->blobs.blobs[i].n_bytes};
    return TESS_OK;
}

static enum tess_status write_job(struct cluster_run *run, struct tess_error *error)
{
    const struct tess_graph *graph = run->session.graph;
    struct tess_text cfg;
    struct tess_sha256 *hashes = calloc((size_t)graph->n_ops + 1, sizeof *hashes);
    if (!hashes)
        return tess_error_nomem(error);
    for (int i = 0; i < run->blobs.n_blobs; i++)
        hashes[run->blobs.blobs[i].op] = run->blobs.blobs[i].hash;
    tess_text_init(&cfg);
    enum tess_status status =
        tess_model_file_cfg(&run->session.model, run->args, &cfg, error);
    if (status == TESS_OK)
        tess_node_job_write(graph, hashes, &run->frames.input,
                            tess_text_string(&run->plan_text), tess_text_string(&cfg),
                            &run->job_text);
    if (status == TESS_OK && run->job_text.is_broken)
        status = tess_error_nomem(error);
    tess_text_release(&cfg);
    free(hashes);
    return status;
}

/* This node computes, too: its tiles come from the same job. */
static enum tess_status open_job(struct cluster_run *run,
                                 struct tess_packed_source blocks,
                                 struct tess_error *error)
{
    const struct tess_work *work;
    int64_t peak_bytes;
    struct tess_cluster cluster;
    enum tess_status status =
        tess_cluster_read(tess_text_string(&run->plan_text), run->plan_text.len,
                          "cluster plan", &cluster, error);
    if (status != TESS_OK)
        return status;
    struct tess_node_runner_config config = {
        .name = cluster.nodes[0].name,
        .family = run->session.family,
        .blocks = blocks,
        .source_bytes = tess_model_file_source_bytes(&run->session.model),
        .memory_bytes = cluster.nodes[0].memory_bytes,
        .is_reserve = cluster.nodes[0].only_serves,
        .n_threads = run->session.n_threads,
        .profile = run->session.profile};
    if (run->args->has_budget)
        config.memory_bytes = run->args->memory_bytes;
    status = tess_node_runner_create(&config, &run->runner, error);
    if (status != TESS_OK)
        return status;
    const struct tess_tile_runner *tiles = tess_node_runner_tiles(run->runner);
    status = tiles->open(tiles->self, tess_text_string(&run->job_text), run->job_text.len,
                         &work, &peak_bytes, error);
    run->job = tess_node_runner_job(run->runner);
    return status;
}

static enum tess_status prepare(struct cluster_run *run, struct tess_error *error)
{
    const struct tess_args *args = run->args;
    struct tess_packed_source blocks;
    enum tess_status status = check_args(args, error);
    if (status == TESS_OK && args->names)
        status = tess_names_load(args->names, &run->names, error);
    if (status == TESS_OK)
        status = tess_node_link_coordinator(&run->link, args, error);
    if (status == TESS_OK)
        status = tess_session_init(&run->session, args, error);
    if (status == TESS_OK)
        status = tess_model_file_open_weights(&run->session.model, args, error);
    if (status == TESS_OK)
        status = tess_node_frames_init(&run->frames, args, run->session.graph, error);
    if (status == TESS_OK)
        status = tess_dumps_init(&run->dumps, args, run->session.graph, error);
    if (status == TESS_OK)
        status = tess_session_start(&run->session, error);
    if (status == TESS_OK && !run->session.family->uses_packed)
        status = tess_node_start_family(args, &run->session.family, error);
    if (status == TESS_OK)
        status = tess_model_file_blocks(&run->session.model, &blocks, error);
    if (status == TESS_OK)
        status = find_plan(run, error);
    if (status == TESS_OK)
        status = hash_weights(run, blocks, error);
    if (status == TESS_OK)
        status = write_job(run, error);
    if (status == TESS_OK)
        status = open_job(run, blocks, error);
    malloc_trim(0);
    return status;
}

/* --- the node --- */

static enum tess_status read_blob(void *context, int index, int64_t offset,
                                  int64_t n_bytes, void *bytes_out)
{
    struct cluster_run *run = context;
    return tess_op_blobs_read(&run->blobs, index, offset, n_bytes, bytes_out, NULL);
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
    enum { TRIES = 20, FIRST_PORT = 20000, N_PORTS = 20000 };
    enum tess_status status = TESS_OK;
    for (int i = 0; i < TRIES; i++) {
        char endpoint[64];
        unsigned number = 0;
        if (run->args->n_local > 0 && !run->args->listen) {
            if (getrandom(&number, sizeof number, 0) < 0)
                number = (unsigned)getpid() + (unsigned)i;
            snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u",
                     FIRST_PORT + number % N_PORTS * 2 % N_PORTS);
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
        .plan_text = run->job_text.data,
        .plan_text_bytes = (int64_t)run->job_text.len,
        .runner = tess_node_runner_tiles(run->runner),
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
             run->session.family->name);
    config.keeps = run->keeps;
    config.core.work = &run->job->work.work;
    config.core.blobs = run->entries;
    config.core.n_blobs = run->blobs.n_blobs;
    config.core.is_computing = true;
    config.core.is_reserve = cluster->nodes[0].only_serves;
    config.core.own_cost_per_s = (int64_t)(cluster->nodes[0].speed * 1e9) + 1;
    config.core.default_cost_per_s = 1000000000;
    config.core.guesses = run->guesses;
    config.core.n_guesses = cluster->n_nodes - 1;
    config.core.uplink_bytes_per_s = (int64_t)(cluster->nodes[0].link_mbit * 125000) + 1;
    config.core.max_frames = run->frames.n_paths > 1 ? (int)run->args->n_in_flight : 1;
    if (getrandom(&config.core.epoch, sizeof config.core.epoch, 0) < 0)
        config.core.epoch = (uint64_t)tess_clock_us();
    config.core.epoch = config.core.epoch >> 1 | 1;
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

static enum tess_status take_results(struct cluster_run *run, int64_t frame,
                                     struct tess_error *error)
{
    struct tess_node_frame_report *report = &run->reports[frame];
    const struct tess_graph *graph = run->job->graph;
    struct frame_view view = {run, frame};
    struct tess_result_planes planes = {view_plane, &view};
    struct tess_detect_options options;
    struct tess_letterbox box;
    tess_detect_options_init(&options);
    options.threshold = (float)run->args->threshold;
    options.overlap = (float)run->args->overlap;
    enum tess_status status = tess_node_frames_box(
        &run->frames, (int)(frame % run->frames.n_paths), &box, error);
    if (status == TESS_OK)
        status =
            tess_results_init(&report->results, graph, planes, &box, &options, error);
    for (int i = 0; i < run->dumps.n_dumps && status == TESS_OK; i++) {
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
    void *tensor = malloc((size_t)tess_frame_input_bytes(&run->frames.input));
    enum tess_status status = given && tensor ? TESS_OK : tess_error_nomem(error);
    const char *path = run->frames.paths[index % run->frames.n_paths];
    if (status == TESS_OK)
        status = tess_frame_input_load(&run->frames.input, path, tensor, error);
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
    int most = run->frames.n_paths > 1 ? (int)run->args->n_in_flight : 1;
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
    enum tess_status status = text->is_broken
                                  ? tess_error_nomem(error)
                                  : tess_file_write(path, text->data, text->len, error);
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
        run.n_frames = run.frames.n_paths * (int)args->n_repeats;
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
