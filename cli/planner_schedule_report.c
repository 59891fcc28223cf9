#include "cli/planner_schedule_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/json_out.h"
#include "cli/planner_table.h"

/* How far `bytes` is above `below`, in percent of it. */
static double above(int64_t bytes, int64_t below)
{
    return below > 0 ? 100.0 * (double)(bytes - below) / (double)below : 0;
}

static void put_peak(const struct tess_schedule *schedule, struct tess_text *text)
{
    int64_t peak = schedule->result.peak_bytes, of_file = schedule->file_peak_bytes;
    tess_table_put_bytes(text, "peak", peak);
    if (peak == of_file)
        tess_text_printf(text, "  as in the order given\n");
    else
        tess_text_printf(
            text, "  %.1f %% %s the order given (%" PRId64 ")\n",
            of_file > 0
                ? 100.0 * (double)(of_file > peak ? of_file - peak : peak - of_file) /
                      (double)of_file
                : 0,
            peak < of_file ? "below" : "above", of_file);
}

static const char *closed_by(const struct tess_schedule_report *report)
{
    return report->is_interrupted ? "interruption" : report->schedule->result.closed_by;
}

void tess_schedule_table(const struct tess_schedule_report *report,
                         struct tess_text *text)
{
    const struct tess_schedule *schedule = report->schedule;
    const struct tess_order_result *result = &schedule->result;
    const struct tess_task_graph *graph = schedule->counted;
    tess_text_printf(text, "%s: %d tasks, %d tensors; model %s, method %s\n",
                     report->file->name[0] ? report->file->name : "graph", graph->n_tasks,
                     graph->n_tensors, tess_memory_model_name(report->options->model),
                     report->options->method->name);
    if (report->rewritten)
        tess_text_printf(
            text,
            "rewritten    %d of %d concats are gone, %d tasks sum over parts, "
            "%d treat parts; peak without %" PRId64 "\n",
            report->rewritten->n_dissolved, schedule->found.n_sites,
            report->rewritten->n_summed, report->rewritten->n_parted,
            schedule->found.plain_bytes);
    put_peak(schedule, text);
    tess_table_put_bytes(text, "lower bound", result->lower_bound_bytes);
    if (result->is_proven)
        tess_text_printf(text, "  proven: no order%s has a lower peak\n",
                         report->rewritten ? " of what is rewritten" : "");
    else
        tess_text_printf(text, "  gap %.2f %%\n",
                         above(result->peak_bytes, result->lower_bound_bytes));
    tess_table_put_arena(text, schedule->arena_bytes, result->peak_bytes);
    tess_text_printf(text, "closed by    %s", closed_by(report));
    if (result->n_fused > 0 && result->n_fused < graph->n_tasks)
        tess_text_printf(text, "; %d tasks after fusion", result->n_fused);
    if (result->n_expanded > 0)
        tess_text_printf(text, "; %" PRId64 " states expanded", result->n_expanded);
    tess_text_printf(text, "; places found by %s\n", schedule->placed_by);
    if (result->n_variables_full > 0)
        tess_text_printf(text,
                         "variables    %" PRId64 " of tasks in slots, %" PRId64
                         " after fusion and pruning, %" PRId64
                         " for the solver, %d parts\n",
                         result->n_variables_full, result->n_variables,
                         result->n_variables_solved, result->n_parts);
    tess_text_printf(text, "time         %.3f s for the order, %.3f s for the places\n",
                     schedule->order_us / 1e6, schedule->place_us / 1e6);
}

/* ---- JSON ---- */

/* A number per tensor, under its id. */
static void put_tensors(struct tess_json *json, const struct tess_schedule_report *report,
                        const char *key, bool is_offset)
{
    const struct tess_task_graph *graph = report->schedule->counted;
    char id[16];
    tess_json_key(json, key);
    tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
    for (int t = 0; t < graph->n_tensors; t++) {
        snprintf(id, sizeof id, "%d", report->tasks->tensors[t].id);
        tess_json_put_int(
            json, id, is_offset ? report->schedule->offsets[t] : graph->tensors[t].bytes);
    }
    tess_json_end(json);
}

static void put_ids(struct tess_json *json, const struct tess_graph_file *file,
                    const char *key, const int *list, int n)
{
    tess_json_key(json, key);
    tess_json_begin(json, TESS_JSON_FLAT_ARRAY);
    for (int i = 0; i < n; i++)
        tess_json_int(json, file->tensors[list[i]].id);
    tess_json_end(json);
}

/* What a task of a rewritten graph was, by the id that it had. */
static void put_origin(struct tess_json *json, const struct tess_schedule_report *report,
                       int task)
{
    static const char *const kinds[] = {"whole", "part", "gather", "finish"};
    const struct tess_rewritten_task *from = &report->rewritten->tasks[task];
    tess_json_put_int(json, "origin", report->file->tasks[from->origin].id);
    tess_json_put_string(json, "kind", kinds[from->kind]);
    if (from->kind == TESS_REWRITE_PART) {
        tess_json_put_int(json, "part", from->part);
        tess_json_put_int(json, "parts", from->n_parts);
    }
}

static void put_tasks(struct tess_json *json, const struct tess_schedule_report *report)
{
    const struct tess_graph_file *file = report->tasks;
    tess_json_key(json, "nodes");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int i = 0; i < file->graph->n_tasks; i++) {
        const struct tess_task *task = &file->graph->tasks[i];
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_int(json, "id", file->tasks[i].id);
        tess_json_put_string(json, "name", file->tasks[i].name);
        tess_json_put_string(json, "op", file->tasks[i].op);
        put_ids(json, file, "inputs", task->inputs, task->n_inputs);
        put_ids(json, file, "outputs", task->outputs, task->n_outputs);
        tess_json_put_int(json, "cost", file->tasks[i].cost);
        if (report->rewritten)
            put_origin(json, report, i);
        tess_json_end(json);
    }
    tess_json_end(json);
}

/* As a graph file has them, so that the document can be read as one. */
static void put_graph(struct tess_json *json, const struct tess_schedule_report *report)
{
    const struct tess_graph_file *file = report->tasks;
    const struct tess_task_graph *graph = file->graph;
    put_tasks(json, report);
    tess_json_key(json, "tensors");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int t = 0; t < graph->n_tensors; t++) {
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_int(json, "id", file->tensors[t].id);
        tess_json_put_string(json, "name", file->tensors[t].name);
        tess_json_put_int(json, "bytes", graph->tensors[t].bytes);
        if (report->rewritten)
            tess_json_put_int(
                json, "origin",
                report->file->tensors[report->rewritten->tensors[t].origin].id);
        tess_json_end(json);
    }
    tess_json_end(json);
    for (int is_output = 0; is_output < 2; is_output++) {
        tess_json_key(json, is_output ? "outputs" : "inputs");
        tess_json_begin(json, TESS_JSON_FLAT_ARRAY);
        for (int t = 0; t < graph->n_tensors; t++)
            if (is_output ? graph->tensors[t].is_retained : graph->tensors[t].is_input)
                tess_json_int(json, file->tensors[t].id);
        tess_json_end(json);
    }
}

void tess_schedule_json(const struct tess_schedule_report *report, struct tess_text *text)
{
    const struct tess_schedule *schedule = report->schedule;
    const struct tess_order_result *result = &schedule->result;
    struct tess_json json;
    tess_json_init(&json, text);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "name", report->file->name);
    tess_json_put_string(&json, "model", tess_memory_model_name(report->options->model));
    tess_json_put_string(&json, "method", report->options->method->name);
    tess_json_put_int(&json, "align", report->options->alignment);
    tess_json_put_int(&json, "tasks", schedule->counted->n_tasks);
    tess_json_put_int(&json, "peak_bytes", result->peak_bytes);
    tess_json_put_int(&json, "lower_bound", result->lower_bound_bytes);
    tess_json_put_bool(&json, "proven", result->is_proven);
    tess_json_put_string(&json, "closed_by", closed_by(report));
    tess_json_put_int(&json, "arena_bytes", schedule->arena_bytes);
    tess_json_put_string(&json, "placed_by", schedule->placed_by);
    tess_json_put_int(&json, "file_order_peak_bytes", schedule->file_peak_bytes);
    if (report->rewritten) {
        tess_json_put_int(&json, "peak_without_rewriting_bytes",
                          schedule->found.plain_bytes);
        tess_json_put_int(&json, "dissolved_concats", report->rewritten->n_dissolved);
    }
    tess_json_put_int(&json, "fused_tasks", result->n_fused);
    tess_json_put_int(&json, "expanded_states", result->n_expanded);
    if (result->n_variables_full > 0) {
        tess_json_put_int(&json, "variables_full", result->n_variables_full);
        tess_json_put_int(&json, "variables", result->n_variables);
        tess_json_put_int(&json, "variables_solved", result->n_variables_solved);
        tess_json_put_int(&json, "parts", result->n_parts);
    }
    tess_json_put_double(&json, "seconds",
                         (schedule->order_us + schedule->place_us) / 1e6);
    tess_json_put_double(&json, "order_seconds", schedule->order_us / 1e6);
    tess_json_key(&json, "order");
    tess_json_begin(&json, TESS_JSON_FLAT_ARRAY);
    for (int i = 0; i < schedule->counted->n_tasks; i++)
        tess_json_int(&json, report->tasks->tasks[schedule->order[i]].id);
    tess_json_end(&json);
    put_tensors(&json, report, "offsets", true);
    put_tensors(&json, report, "sizes", false);
    if (!report->is_from_file || report->rewritten)
        put_graph(&json, report);
    tess_json_end(&json);
}
