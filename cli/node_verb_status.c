#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/cluster_file.h"
#include "cli/json_out.h"
#include "cli/node_echo.h"
#include "cli/node_link.h"
#include "cli/node_verbs.h"
#include "transport/node_coordinator.h"

/* Who is there: workers get a job that sends bytes to and fro. */

enum { STEP_US = 100000, TILES_A_WORKER = 4, BEATS_US = 1000000 };

struct status_run {
    const struct tess_args *args;
    struct tess_cluster cluster;
    struct tess_node_link link;
    struct tess_node_echo echo;
    struct tess_text job;
    struct tess_node_coordinator *node;
    double first_sent_us, last_stored_us;
    int64_t moved_bytes;
};

static void tell(void *context, const char *text)
{
    const struct status_run *run = context;
    if (!run->args->is_quiet)
        fprintf(stderr, "%s\n", text);
}

static void note_stored(void *context, const struct tess_coordinator_action *action,
                        int64_t now_us)
{
    struct status_run *run = context;
    if (run->moved_bytes == 0 || (double)action->sent_us < run->first_sent_us)
        run->first_sent_us = (double)action->sent_us;
    run->last_stored_us = (double)now_us;
    run->moved_bytes += 2 * TESS_ECHO_TILE_BYTES;
}

static enum tess_status read_cluster(struct status_run *run, struct tess_error *error)
{
    run->cluster.n_nodes = TESS_COORDINATOR_NODES_MAX;
    return run->args->cluster
               ? tess_cluster_file_nodes(run->args->cluster, &run->cluster, error)
               : TESS_OK;
}

static enum tess_status start(struct status_run *run, struct tess_error *error)
{
    const struct tess_kernel_family *family;
    struct tess_node_coordinator_config config = {
        .link = run->link.config, .tell = tell, .stored = note_stored, .context = run};
    int n_tiles = (run->args->cluster ? run->cluster.n_nodes - 1 : 1) * TILES_A_WORKER;
    enum tess_status status =
        tess_node_echo_init(&run->echo, n_tiles < 1 ? 1 : n_tiles, error);
    if (status == TESS_OK)
        status = tess_node_start_family(run->args, &family, error);
    if (status != TESS_OK)
        return status;
    tess_node_echo_write(run->echo.stage.n_tiles, &run->job);
    tess_coordinator_config_init(&config.core);
    snprintf(config.core.kernels, sizeof config.core.kernels, "%s", family->name);
    family->stop();
    config.core.work = &run->echo.work;
    config.core.max_frames = 1;
    config.core.is_computing = false;
    config.plan_text = run->job.data;
    config.plan_text_bytes = (int64_t)run->job.len;
    config.core.epoch = tess_node_random();
    return tess_node_coordinator_create(&config, &run->node, error);
}

static int count_ready(const struct status_run *run)
{
    const struct tess_coordinator *core = tess_node_coordinator_core(run->node);
    int n_ready = 0;
    for (int n = 1; n < tess_coordinator_n_nodes(core); n++) {
        struct tess_node_report report;
        tess_coordinator_report(core, n, &report);
        n_ready += report.state == TESS_NODE_READY;
    }
    return n_ready;
}

/* Until everybody is there or the time is over; a little longer for beats, which measure
 * latencies. */
static enum tess_status wait_for_workers(struct status_run *run, struct tess_error *error)
{
    double end_us = tess_clock_us() + run->args->wait_seconds * 1e6;
    enum tess_status status = TESS_OK;
    bool is_complete = false;
    while (status == TESS_OK && tess_clock_us() < end_us) {
        struct tess_node_outcome outcome;
        status = tess_node_coordinator_step(run->node, STEP_US, &outcome, error);
        if (!is_complete && count_ready(run) >= run->cluster.n_nodes - 1) {
            is_complete = true;
            end_us = tess_clock_us() + BEATS_US;
        }
    }
    return status;
}

static enum tess_status send_tiles(struct status_run *run, struct tess_error *error)
{
    int64_t frame;
    const void *given[2] = {0};
    struct tess_node_outcome outcome = {.has_frame = false};
    void *bytes = calloc((size_t)run->echo.stage.n_tiles, TESS_ECHO_TILE_BYTES);
    if (!bytes)
        return tess_error_nomem(error);
    given[0] = bytes;
    enum tess_status status =
        tess_node_coordinator_submit(run->node, given, &frame, error);
    free(bytes);
    while (status == TESS_OK && !outcome.has_frame)
        status = tess_node_coordinator_step(run->node, STEP_US, &outcome, error);
    if (status == TESS_OK && outcome.is_failed)
        status = tess_error_set(error, TESS_E_NETWORK, "%s", outcome.text);
    return status;
}

/* --- what is said --- */

static const char *is_there(const struct tess_node_report *report)
{
    return report->state == TESS_NODE_READY  ? "ready"
           : report->state == TESS_NODE_GONE ? "gone"
                                             : "refused";
}

static void put_table(const struct status_run *run)
{
    const struct tess_coordinator *core = tess_node_coordinator_core(run->node);
    double us = run->last_stored_us - run->first_sent_us;
    printf("%-16s %-8s %5s %9s %10s %8s  %s\n", "worker", "state", "cores", "memory",
           "one way ms", "Mbit/s", "build");
    for (int n = 1; n < tess_coordinator_n_nodes(core); n++) {
        struct tess_node_report report;
        char memory[24];
        tess_coordinator_report(core, n, &report);
        printf("%-16s %-8s %5d %9s %10.2f %8.1f  %s\n", report.name, is_there(&report),
               report.cores,
               report.memory_bytes > 0
                   ? tess_format_bytes(report.memory_bytes, memory, sizeof memory)
                   : "no limit",
               report.latency_us / 1e3,
               report.n_won > 0 ? report.link_bytes_per_us * 8 : 0, report.build);
    }
    if (us > 0)
        printf("all at once      %.1f Mbit/s\n", (double)run->moved_bytes * 8 / us);
    for (int i = 1; run->args->cluster && i < run->cluster.n_nodes; i++) {
        bool has_come = false;
        for (int n = 1; n < tess_coordinator_n_nodes(core); n++) {
            struct tess_node_report report;
            tess_coordinator_report(core, n, &report);
            has_come = has_come || strcmp(report.name, run->cluster.nodes[i].name) == 0;
        }
        if (!has_come)
            printf("%-16s did not come\n", run->cluster.nodes[i].name);
    }
}

static void put_json(const struct status_run *run, struct tess_text *text)
{
    const struct tess_coordinator *core = tess_node_coordinator_core(run->node);
    struct tess_json json;
    tess_json_init(&json, text);
    tess_json_begin(&json, TESS_JSON_ARRAY);
    for (int n = 1; n < tess_coordinator_n_nodes(core); n++) {
        struct tess_node_report report;
        tess_coordinator_report(core, n, &report);
        tess_json_begin(&json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_string(&json, "name", report.name);
        tess_json_put_string(&json, "state", is_there(&report));
        tess_json_put_string(&json, "build", report.build);
        tess_json_put_int(&json, "cores", report.cores);
        tess_json_put_int(&json, "memory_bytes", report.memory_bytes);
        tess_json_put_double(&json, "latency_ms", report.latency_us / 1e3);
        tess_json_put_double(&json, "link_mbit",
                             report.n_won > 0 ? report.link_bytes_per_us * 8 : 0);
        tess_json_end(&json);
    }
    tess_json_end(&json);
}

static enum tess_status report(const struct status_run *run, struct tess_error *error)
{
    const struct tess_args *args = run->args;
    struct tess_text text;
    if (!args->json || strcmp(args->json, "-") != 0)
        put_table(run);
    if (!args->json)
        return TESS_OK;
    tess_text_init(&text);
    put_json(run, &text);
    enum tess_status status = tess_file_write_text(args->json, &text, error);
    tess_text_release(&text);
    return status;
}

enum tess_status tess_verb_cluster_status(const struct tess_args *args,
                                          struct tess_error *error)
{
    struct status_run run = {.args = args};
    enum tess_status status = tess_node_link_coordinator(&run.link, args, error);
    if (status == TESS_OK)
        status = read_cluster(&run, error);
    if (status == TESS_OK)
        status = start(&run, error);
    if (status == TESS_OK)
        status = wait_for_workers(&run, error);
    if (status == TESS_OK && count_ready(&run) == 0) {
        status = tess_error_set(error, TESS_E_NETWORK, "no worker came within %.0f s",
                                args->wait_seconds);
        tess_error_hint(error, "is tessera worker running with --connect to %s?",
                        tess_node_coordinator_endpoint(run.node, TESS_CHANNEL_CONTROL));
    }
    if (status == TESS_OK)
        status = send_tiles(&run, error);
    if (status == TESS_OK)
        status = report(&run, error);
    tess_node_coordinator_destroy(run.node);
    tess_node_echo_release(&run.echo);
    tess_node_link_release(&run.link);
    tess_text_release(&run.job);
    return status;
}
