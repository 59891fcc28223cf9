#include "cli/planner_remat_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/json_out.h"
#include "cli/planner_table.h"

static double percent(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static void put_extra(const struct tess_remat *remat, struct tess_text *text)
{
    const struct tess_remat_result *result = &remat->result;
    int n_more = result->sequence.n - remat->counted->n_tasks;
    tess_text_printf(text, "extra time   %14.4f %%",
                     tess_remat_extra_percent(remat, result->value.cost));
    if (result->value.cost == remat->least_cost)
        tess_text_printf(text, "  %d runs more than once\n", n_more);
    else if (result->fits && result->is_proven)
        tess_text_printf(text, "  %d runs more; proven: nothing takes less\n", n_more);
    else
        tess_text_printf(text, "  %d runs more; nothing takes less than %.4f %%\n",
                         n_more,
                         tess_remat_extra_percent(remat, result->lower_bound_cost));
}

void tess_remat_table(const struct tess_remat_report *report, struct tess_text *text)
{
    const struct tess_remat *remat = report->remat;
    const struct tess_remat_result *result = &remat->result;
    int64_t of_file = remat->file_peak_bytes, budget = remat->problem.budget_bytes;
    tess_text_printf(text, "%s: %d tasks, %d tensors; model %s, %s\n",
                     report->file->name[0] ? report->file->name : "graph",
                     remat->counted->n_tasks, remat->counted->n_tensors,
                     tess_memory_model_name(report->options->model),
                     report->options->keeps_order ? "in the order given" : "reordered");
    tess_table_put_bytes(text, "budget", budget);
    tess_text_printf(text, "  %.1f %% of the peak of the order given (%" PRId64 ")\n",
                     percent(budget, of_file), of_file);
    tess_table_put_bytes(text, "peak", result->value.peak_bytes);
    tess_text_printf(text, "  %s%s\n", result->fits ? "fits" : "does not fit",
                     result->fits || !result->is_proven ? "" : ": proven, nothing does");
    put_extra(remat, text);
    tess_table_put_arena(text, remat->arena_bytes, result->value.peak_bytes);
    tess_text_printf(text, "found by     %s%s; places by %s\n", result->won_by,
                     report->is_interrupted ? ", interrupted" : "", remat->placed_by);
    tess_text_printf(text,
                     "time         %.3f s for the sequence, %.3f s for the places\n",
                     remat->search_us / 1e6, remat->place_us / 1e6);
}

/* ---- JSON ---- */

/* Every copy of a tensor: where it lies, and from which position of the sequence to which. */
static void put_offsets(struct tess_json *json, const struct tess_remat_report *report)
{
    const struct tess_remat *remat = report->remat;
    const struct tess_remat_copies *copies = &remat->expansion.copies;
    tess_json_key(json, "offsets");
    tess_json_begin(json, TESS_JSON_ARRAY);
    for (int c = 0; c < copies->n_copies; c++) {
        const struct tess_remat_copy *copy = &copies->copies[c];
        tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
        tess_json_put_int(json, "tensor", report->file->tensors[copy->tensor].id);
        tess_json_put_int(json, "first", copy->first);
        tess_json_put_int(json, "last", copy->last);
        tess_json_put_int(json, "bytes", remat->counted->tensors[copy->tensor].bytes);
        tess_json_put_int(json, "offset", remat->offsets[c]);
        tess_json_end(json);
    }
    tess_json_end(json);
}

static void put_costs(struct tess_json *json, const struct tess_remat *remat)
{
    const struct tess_remat_result *result = &remat->result;
    tess_json_put_double(json, "extra_time_percent",
                         tess_remat_extra_percent(remat, result->value.cost));
    tess_json_put_double(json, "lower_bound_time_percent",
                         tess_remat_extra_percent(remat, result->lower_bound_cost));
    tess_json_put_int(json, "cost", result->value.cost);
    tess_json_put_int(json, "lower_bound_cost", result->lower_bound_cost);
    tess_json_put_int(json, "least_cost", remat->least_cost);
}

static void put_bytes_found(struct tess_json *json, const struct tess_remat *remat)
{
    const struct tess_remat_result *result = &remat->result;
    tess_json_put_int(json, "budget_bytes", remat->problem.budget_bytes);
    tess_json_put_bool(json, "fits", result->fits);
    tess_json_put_bool(json, "proven", result->is_proven);
    tess_json_put_int(json, "peak_bytes", result->value.peak_bytes);
    tess_json_put_int(json, "lower_bound", result->lower_bound_bytes);
    tess_json_put_int(json, "arena_bytes", remat->arena_bytes);
    tess_json_put_int(json, "file_order_peak_bytes", remat->file_peak_bytes);
    tess_json_put_int(json, "order_peak_bytes", remat->order_peak_bytes);
}

void tess_remat_json(const struct tess_remat_report *report, struct tess_text *text)
{
    const struct tess_remat *remat = report->remat;
    const struct tess_remat_sequence *sequence = &remat->result.sequence;
    struct tess_json json;
    tess_json_init(&json, text);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "name", report->file->name);
    tess_json_put_string(&json, "model", tess_memory_model_name(report->options->model));
    tess_json_put_int(&json, "align", report->options->alignment);
    tess_json_put_int(&json, "tasks", remat->counted->n_tasks);
    tess_json_put_int(&json, "runs", sequence->n);
    tess_json_put_int(&json, "most_runs", report->options->most_runs);
    tess_json_put_bool(&json, "keeps_order", report->options->keeps_order);
    put_bytes_found(&json, remat);
    put_costs(&json, remat);
    tess_json_put_string(&json, "won_by", remat->result.won_by);
    tess_json_put_string(&json, "placed_by", remat->placed_by);
    tess_json_put_bool(&json, "interrupted", report->is_interrupted);
    tess_json_put_double(&json, "seconds", (remat->search_us + remat->place_us) / 1e6);
    tess_json_key(&json, "sequence");
    tess_json_begin(&json, TESS_JSON_FLAT_ARRAY);
    for (int at = 0; at < sequence->n; at++)
        tess_json_int(&json, report->file->tasks[sequence->tasks[at]].id);
    tess_json_end(&json);
    put_offsets(&json, report);
    tess_json_end(&json);
}
