#include "cli/report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/json_out.h"

struct tess_time_summary tess_time_summarize(const double *run_us, int n_runs)
{
    assert(n_runs > 0);
    struct tess_time_summary summary = {0, run_us[0], run_us[0], 0};
    for (int i = 0; i < n_runs; i++) {
        int n_below = 0; /* runs before this one in sorted order */
        for (int j = 0; j < n_runs; j++)
            n_below += run_us[j] < run_us[i] || (j < i && run_us[j] <= run_us[i]);
        if (n_below == (n_runs - 1) / 2) {
            summary.median_us = run_us[i];
            summary.median_index = i;
        }
        summary.least_us = run_us[i] < summary.least_us ? run_us[i] : summary.least_us;
        summary.most_us = run_us[i] > summary.most_us ? run_us[i] : summary.most_us;
    }
    return summary;
}

void tess_report_results_json(const struct tess_results *results,
                              const struct tess_names *names, struct tess_json *json)
{
    char buffer[TESS_NAMES_BUFFER_BYTES];
    tess_json_key(json, "detections");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int i = 0; i < results->n_detections; i++) {
        const struct tess_detection *found = &results->detections[i];
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_string(
            json, "class", tess_names_get(names, found->class_id, buffer, sizeof buffer));
        tess_json_put_int(json, "class_id", found->class_id);
        tess_json_put_double(json, "score", (double)found->score);
        tess_json_key(json, "box");
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_double(json, "x", (double)found->x);
        tess_json_put_double(json, "y", (double)found->y);
        tess_json_put_double(json, "w", (double)found->w);
        tess_json_put_double(json, "h", (double)found->h);
        tess_json_end(json);
        tess_json_end(json);
    }
    tess_json_end(json);
    if (!results->is_classifier)
        return;
    tess_json_key(json, "classes");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int i = 0; i < results->n_top; i++) {
        const struct tess_class_score *top = &results->top[i];
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_string(json, "class",
                             tess_names_get(names, top->class_id, buffer, sizeof buffer));
        tess_json_put_int(json, "class_id", top->class_id);
        tess_json_put_double(json, "score", (double)top->score);
        tess_json_end(json);
    }
    tess_json_end(json);
}

static void describe_group(const struct tess_graph *graph, const struct tess_plan *plan,
                           int i, char *layers, size_t size)
{
    const struct tess_group *group = &plan->groups[i];
    int first = graph->ops[plan->order[group->first]].layer;
    int last = graph->ops[plan->order[group->last]].layer;
    if (first == last)
        snprintf(layers, size, "%d", first);
    else
        snprintf(layers, size, "%d..%d", first, last);
}

static const char *describe_tiling(struct tess_tiling tiling, char *text, size_t size)
{
    if (tiling.n_rows == 1 && tiling.n_cols == 1)
        snprintf(text, size, "whole");
    else
        snprintf(text, size, "%dx%d %s", tiling.n_rows, tiling.n_cols,
                 tiling.halo == TESS_HALO_REUSE ? "reuse" : "recompute");
    return text;
}

static void put_times(struct tess_json *json, const struct tess_run_report *report)
{
    struct tess_time_summary times = tess_time_summarize(report->run_us, report->n_runs);
    tess_json_key(json, "time_ms");
    tess_json_begin(json, TESS_JSON_OBJECT);
    tess_json_put_double(json, "median", times.median_us / 1e3);
    tess_json_put_double(json, "min", times.least_us / 1e3);
    tess_json_put_double(json, "max", times.most_us / 1e3);
    tess_json_put_double(json, "predicted", report->plan->predicted_us / 1e3);
    tess_json_key(json, "groups");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int i = 0; i < report->plan->n_groups; i++) {
        char layers[32], tiling[48];
        describe_group(report->graph, report->plan, i, layers, sizeof layers);
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_string(json, "layers", layers);
        tess_json_put_string(
            json, "tiling",
            describe_tiling(report->plan->groups[i].tiling, tiling, sizeof tiling));
        tess_json_put_double(json, "time", report->group_us[i] / 1e3);
        tess_json_put_double(json, "predicted",
                             report->plan->groups[i].predicted_us / 1e3);
        tess_json_end(json);
    }
    tess_json_end(json);
    tess_json_end(json);
}

static void put_memory(struct tess_json *json, const struct tess_run_report *report)
{
    const struct tess_memory *memory = &report->plan->memory;
    tess_json_key(json, "memory");
    tess_json_begin(json, TESS_JSON_OBJECT);
    tess_json_put_int(json, "budget_bytes", report->plan->budget_bytes);
    tess_json_put_int(json, "predicted_peak_bytes", memory->peak);
    tess_json_put_int(json, "verified_peak_bytes", report->verdict->memory.peak);
    tess_json_put_int(json, "measured_peak_bytes", report->measured_peak_bytes);
    tess_json_put_int(json, "base_bytes", memory->base);
    tess_json_put_int(json, "threads_bytes", memory->threads);
    tess_json_put_int(json, "weights_bytes", memory->weights);
    tess_json_put_int(json, "workspace_bytes", memory->workspace);
    tess_json_put_int(json, "arena_bytes", memory->arena);
    tess_json_put_int(json, "window_bytes", memory->window);
    tess_json_put_int(json, "input_bytes", memory->input);
    tess_json_end(json);
}

/* Layers whose weights are streamed. */
static int count_streamed(const struct tess_graph *graph, const struct tess_plan *plan)
{
    int n = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n += plan->streamed[op];
    return n;
}

void tess_report_json(const struct tess_run_report *report, struct tess_text *text_out)
{
    struct tess_json json;
    char hash[24];
    snprintf(hash, sizeof hash, "%016llx",
             (unsigned long long)tess_plan_hash(report->plan));
    tess_json_init(&json, text_out);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_report_results_json(report->results, report->names, &json);
    put_times(&json, report);
    put_memory(&json, report);
    tess_json_key(&json, "plan");
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "name", report->plan->search);
    tess_json_put_string(&json, "hash", hash);
    tess_json_put_string(&json, "model", report->plan->model);
    tess_json_put_int(&json, "n_groups", report->plan->n_groups);
    tess_json_put_int(&json, "n_streamed", count_streamed(report->graph, report->plan));
    tess_json_put_int(&json, "threads", report->plan->n_threads);
    tess_json_put_string(&json, "kernels", report->kernels);
    tess_json_end(&json);
    tess_json_end(&json);
}

void tess_report_results_table(const struct tess_results *results,
                               const struct tess_names *names, struct tess_text *text_out)
{
    char buffer[TESS_NAMES_BUFFER_BYTES];
    for (int i = 0; i < results->n_detections; i++) {
        const struct tess_detection *found = &results->detections[i];
        tess_text_printf(text_out,
                         "%-16s %3.0f %%   x %4.0f  y %4.0f  w %4.0f  h %4.0f\n",
                         tess_names_get(names, found->class_id, buffer, sizeof buffer),
                         (double)found->score * 100, (double)found->x, (double)found->y,
                         (double)found->w, (double)found->h);
    }
    if (results->detector && results->n_detections == 0)
        tess_text_printf(text_out, "nothing found\n");
    for (int i = 0; i < results->n_top; i++)
        tess_text_printf(
            text_out, "%-24s %5.1f %%\n",
            tess_names_get(names, results->top[i].class_id, buffer, sizeof buffer),
            (double)results->top[i].score * 100);
}

void tess_report_table(const struct tess_run_report *report, struct tess_text *text_out)
{
    const struct tess_memory *memory = &report->plan->memory;
    struct tess_time_summary times = tess_time_summarize(report->run_us, report->n_runs);
    char a[24], b[24], c[24], d[24], e[24];
    tess_report_results_table(report->results, report->names, text_out);
    tess_text_printf(text_out, "\ntime    %.1f ms", times.median_us / 1e3);
    if (report->n_runs > 1)
        tess_text_printf(text_out, " (median of %d, %.1f to %.1f)", report->n_runs,
                         times.least_us / 1e3, times.most_us / 1e3);
    if (report->plan->predicted_us > 0 && report->has_profile)
        tess_text_printf(text_out, ", predicted %.1f ms",
                         report->plan->predicted_us / 1e3);
    tess_text_printf(text_out, "\nmemory  predicted %s, verified %s, measured %s",
                     tess_format_bytes(memory->peak, a, sizeof a),
                     tess_format_bytes(report->verdict->memory.peak, b, sizeof b),
                     tess_format_bytes(report->measured_peak_bytes, c, sizeof c));
    if (report->plan->budget_bytes > 0)
        tess_text_printf(text_out, ", budget %s",
                         tess_format_bytes(report->plan->budget_bytes, d, sizeof d));
    tess_text_printf(
        text_out,
        "\n        weights %s, window %s, activations %s, workspace %s, process %s\n",
        tess_format_bytes(memory->weights, a, sizeof a),
        tess_format_bytes(memory->window, e, sizeof e),
        tess_format_bytes(memory->arena, b, sizeof b),
        tess_format_bytes(memory->workspace, c, sizeof c),
        tess_format_bytes(memory->base + memory->threads + memory->input, d, sizeof d));
}

void tess_report_plan(const struct tess_graph *graph, const struct tess_plan *plan,
                      bool has_profile, struct tess_text *text_out)
{
    char layers[32], tiling[48], size[24];
    tess_text_printf(text_out, "%-10s %-18s %s\n", "layers", "tiling", "predicted ms");
    int n_whole = 0;
    double whole_us = 0;
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[i];
        if (group->tiling.n_rows == 1 && group->tiling.n_cols == 1) {
            n_whole += group->last - group->first + 1;
            whole_us += group->predicted_us;
            continue;
        }
        describe_group(graph, plan, i, layers, sizeof layers);
        tess_text_printf(text_out, "%-10s %-18s %8.1f\n", layers,
                         describe_tiling(group->tiling, tiling, sizeof tiling),
                         group->predicted_us / 1e3);
    }
    if (n_whole > 0)
        tess_text_printf(text_out, "%-10s %-18s %8.1f   (%d layers)\n", "others", "whole",
                         whole_us / 1e3, n_whole);
    tess_text_printf(text_out, "predicted: %.1f ms, peak %s\n", plan->predicted_us / 1e3,
                     tess_format_bytes(plan->memory.peak, size, sizeof size));
    if (!has_profile)
        tess_text_printf(text_out,
                         "times are for no device in particular: measure this one with "
                         "tessera bench --profile\n");
}
