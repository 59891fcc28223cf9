#include "cli/node_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arith.h"
#include "cli/json_out.h"
#include "cli/report.h"

static const char *state_name(enum tess_node_state state)
{
    static const char *const names[] = {"never came", "joined", "ready",  "leaving",
                                        "too small",  "gone",   "refused"};
    return names[state];
}

/* Times of the frames that did not fail; false without any. */
static bool summarize(const struct tess_node_report_input *input,
                      struct tess_time_summary *summary_out, int *n_good_out)
{
    double *us = malloc(sizeof *us * (size_t)(input->n_frames + 1));
    int n = 0;
    for (int i = 0; us && i < input->n_frames; i++)
        if (!input->frames[i].is_failed)
            us[n++] = input->frames[i].us;
    *n_good_out = n;
    if (n > 0)
        *summary_out = tess_time_summarize(us, n);
    free(us);
    return n > 0;
}

static void put_nodes_table(const struct tess_node_report_input *input,
                            struct tess_text *text_out)
{
    tess_text_printf(text_out, "\n%-16s %-10s %6s %5s %11s %10s %9s %9s %9s\n", "node",
                     "state", "tiles", "lost", "computed ms", "waited ms", "sent", "got",
                     "peak");
    for (int n = 0; n < tess_coordinator_n_nodes(input->core); n++) {
        struct tess_node_report node;
        char sent[24], got[24], peak[24];
        tess_coordinator_report(input->core, n, &node);
        double waited_us = input->all_us - (double)node.compute_us;
        int64_t peak_bytes = n == 0 ? input->own_peak_bytes : node.resident_bytes;
        tess_text_printf(text_out, "%-16s %-10s %6lld %5lld %11.1f %10.1f %9s %9s %9s\n",
                         node.name, n == 0 ? "here" : state_name(node.state),
                         (long long)node.n_won, (long long)node.n_lost,
                         (double)node.compute_us / 1e3,
                         waited_us > 0 ? waited_us / 1e3 : 0,
                         tess_format_bytes(node.bytes_sent, sent, sizeof sent),
                         tess_format_bytes(node.bytes_got, got, sizeof got),
                         tess_format_bytes(peak_bytes, peak, sizeof peak));
    }
}

void tess_node_report_table(const struct tess_node_report_input *input,
                            struct tess_text *text_out)
{
    struct tess_time_summary times;
    int n_good;
    for (int i = 0; i < input->n_frames; i++) {
        const struct tess_node_frame_report *frame = &input->frames[i];
        if (i > 0 && frame->path == input->frames[i - 1].path && !frame->is_failed)
            continue; /* the same picture again */
        if (input->n_frames > 1)
            tess_text_printf(text_out, "%s\n", frame->path);
        if (frame->is_failed)
            tess_text_printf(text_out, "failed: %s\n", frame->text);
        else
            tess_report_results_table(&frame->results, input->names, text_out);
    }
    if (summarize(input, &times, &n_good)) {
        tess_text_printf(text_out, "\ntime    %.1f ms", times.median_us / 1e3);
        if (n_good > 1)
            tess_text_printf(
                text_out, " (median of %d, %.1f to %.1f; %.2f frames a second)", n_good,
                times.least_us / 1e3, times.most_us / 1e3, n_good * 1e6 / input->all_us);
        if (input->job->plan->predicted_us > 0)
            tess_text_printf(text_out, ", predicted %.1f ms",
                             input->job->plan->predicted_us / 1e3);
        tess_text_printf(text_out, "\n");
    }
    put_nodes_table(input, text_out);
}

/* --- JSON --- */

static void put_accounts(struct tess_json *json, const struct tess_accounts *accounts)
{
    tess_json_key(json, "accounts");
    tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
    tess_json_put_int(json, "issued", accounts->issued);
    tess_json_put_int(json, "won", accounts->ended[TESS_ATTEMPT_WON]);
    tess_json_put_int(json, "duplicate", accounts->ended[TESS_ATTEMPT_DUPLICATE]);
    tess_json_put_int(json, "late", accounts->ended[TESS_ATTEMPT_LATE]);
    tess_json_put_int(json, "lost", accounts->ended[TESS_ATTEMPT_LOST]);
    tess_json_put_int(json, "cancelled", accounts->ended[TESS_ATTEMPT_CANCELLED]);
    tess_json_put_int(json, "nacked", accounts->ended[TESS_ATTEMPT_NACKED]);
    tess_json_put_bool(json, "closed", tess_accounts_are_closed(accounts));
    tess_json_end(json);
}

static void put_frames(struct tess_json *json, const struct tess_node_report_input *input)
{
    tess_json_key(json, "frames");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int i = 0; i < input->n_frames; i++) {
        const struct tess_node_frame_report *frame = &input->frames[i];
        char crc[16];
        snprintf(crc, sizeof crc, "%08x", frame->output_crc);
        tess_json_begin(json, TESS_JSON_OBJECT);
        tess_json_put_string(json, "path", frame->path);
        tess_json_put_double(json, "time_ms", frame->us / 1e3);
        if (frame->is_failed)
            tess_json_put_string(json, "failed", frame->text);
        else {
            tess_json_put_string(json, "output_crc32c", crc);
            tess_report_results_json(&frame->results, input->names, json);
        }
        put_accounts(json, &frame->accounts);
        tess_json_end(json);
    }
    tess_json_end(json);
}

static void put_nodes(struct tess_json *json, const struct tess_node_report_input *input)
{
    tess_json_key(json, "nodes");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int n = 0; n < tess_coordinator_n_nodes(input->core); n++) {
        struct tess_node_report node;
        tess_coordinator_report(input->core, n, &node);
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_string(json, "name", node.name);
        tess_json_put_string(json, "state", n == 0 ? "here" : state_name(node.state));
        tess_json_put_int(json, "tiles", node.n_won);
        tess_json_put_int(json, "lost", node.n_lost);
        tess_json_put_double(json, "compute_ms", (double)node.compute_us / 1e3);
        tess_json_put_int(json, "sent_bytes", node.bytes_sent);
        tess_json_put_int(json, "got_bytes", node.bytes_got);
        tess_json_put_int(json, "weights_bytes", node.blob_bytes);
        tess_json_put_int(json, "peak_bytes",
                          n == 0 ? input->own_peak_bytes : node.resident_bytes);
        tess_json_put_double(json, "speed", node.cost_per_us / 1e3);
        tess_json_put_double(json, "link_mbit", node.link_bytes_per_us * 8);
        tess_json_end(json);
    }
    tess_json_end(json);
}

void tess_node_report_json(const struct tess_node_report_input *input,
                           struct tess_text *text_out)
{
    struct tess_json json;
    struct tess_time_summary times;
    const struct tess_cluster_plan *plan = input->job->plan;
    int n_good;
    tess_json_init(&json, text_out);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "model", plan->model);
    tess_json_key(&json, "time_ms");
    tess_json_begin(&json, TESS_JSON_OBJECT);
    if (summarize(input, &times, &n_good)) {
        tess_json_put_double(&json, "median", times.median_us / 1e3);
        tess_json_put_double(&json, "min", times.least_us / 1e3);
        tess_json_put_double(&json, "max", times.most_us / 1e3);
    }
    tess_json_put_double(&json, "predicted", plan->predicted_us / 1e3);
    tess_json_put_double(&json, "all", input->all_us / 1e3);
    tess_json_end(&json);
    tess_json_put_int(&json, "n_stages", plan->n_stages);
    tess_json_put_int(&json, "predicted_moved_bytes", plan->moved_bytes);
    put_frames(&json, input);
    put_nodes(&json, input);
    tess_json_put_int(&json, "stale_results", tess_coordinator_n_stale(input->core));
    tess_json_end(&json);
}

/* --- the picture --- */

static void put_event(struct tess_json *json, const char *name, int node, int row,
                      int64_t begin_us, int64_t end_us)
{
    tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
    tess_json_put_string(json, "name", name);
    tess_json_put_string(json, "ph", "X");
    tess_json_put_int(json, "pid", node);
    tess_json_put_int(json, "tid", row);
    tess_json_put_int(json, "ts", begin_us);
    tess_json_put_int(json, "dur", tess_max_i64(end_us - begin_us, 1));
    tess_json_end(json);
}

static void put_label(struct tess_json *json, const char *what, int node, int row,
                      const char *name)
{
    tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
    tess_json_put_string(json, "name", what);
    tess_json_put_string(json, "ph", "M");
    tess_json_put_int(json, "pid", node);
    tess_json_put_int(json, "tid", row);
    tess_json_key(json, "args");
    tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
    tess_json_put_string(json, "name", name);
    tess_json_end(json);
    tess_json_end(json);
}

void tess_node_report_trace(const struct tess_node_report_input *input,
                            struct tess_text *text_out)
{
    enum { COMPUTING = 1, TRAVELLING };
    struct tess_json json;
    tess_json_init(&json, text_out);
    tess_json_begin(&json, TESS_JSON_ARRAY);
    for (int n = 0; n < tess_coordinator_n_nodes(input->core); n++) {
        struct tess_node_report node;
        tess_coordinator_report(input->core, n, &node);
        put_label(&json, "process_name", n, 0, node.name);
        put_label(&json, "thread_name", n, COMPUTING, "computes");
        put_label(&json, "thread_name", n, TRAVELLING, "has the tile");
    }
    for (int i = 0; i < input->n_spans; i++) {
        const struct tess_node_span *span = &input->spans[i];
        char name[64];
        snprintf(name, sizeof name, "frame %lld stage %d tile %d%s",
                 (long long)span->frame, span->stage, span->tile,
                 span->attempt > 0 ? " again" : "");
        if (span->sent_us > 0)
            put_event(&json, name, span->node, TRAVELLING, span->sent_us,
                      span->stored_us);
        /* When in that time it was computed is not known: at its end, as on a good link. */
        put_event(&json, name, span->node, COMPUTING, span->stored_us - span->compute_us,
                  span->stored_us);
    }
    tess_json_end(&json);
}
