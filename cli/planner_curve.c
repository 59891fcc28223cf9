#include "cli/planner_curve.h"

#include <math.h>
#include <stdio.h>

#include "cli/json_out.h"

enum { BAR_WIDTH = 24 };

/* Relative to the fastest plan of the curve, which is its last. */
static double slowdown(const struct tess_curve *curve, int at)
{
    return curve->points[at].predicted_us /
           curve->points[curve->n_points - 1].predicted_us;
}

/* As long as the time above the fastest; the slowest plan has the longest. */
static void put_bar(const struct tess_curve *curve, int at, struct tess_text *text)
{
    double most = slowdown(curve, 0) - 1;
    int n = most > 0 ? (int)lround(BAR_WIDTH * (slowdown(curve, at) - 1) / most) : 0;
    for (int i = 0; i < n; i++)
        tess_text_printf(text, "%s#", i == 0 ? " " : "");
}

static void put_row(const struct tess_curve *curve, int at, struct tess_text *text)
{
    const struct tess_curve_point *point = &curve->points[at];
    char budget[32], peak[32], streamed[32] = "-", read[32] = "-";
    tess_format_bytes_exact(point->budget_bytes, budget, sizeof budget);
    tess_format_bytes(point->peak_bytes, peak, sizeof peak);
    if (point->n_streamed_ops > 0) {
        tess_format_bytes(point->streamed_bytes, streamed, sizeof streamed);
        tess_format_bytes(point->read_bytes, read, sizeof read);
    }
    tess_text_printf(text, "%9s %10s %10.1f %6.3f %6d %10s %10s %5d%s", budget, peak,
                     point->predicted_us / 1e3, slowdown(curve, at),
                     point->n_streamed_ops, streamed, read, point->n_groups,
                     point->has_new_groups ? "+" : " ");
    put_bar(curve, at, text);
    tess_text_printf(text, "\n");
}

void tess_curve_table(const struct tess_curve *curve, const struct tess_graph *graph,
                      bool has_profile, struct tess_text *text)
{
    tess_text_printf(text, "%9s %10s %10s %6s %6s %10s %10s %6s\n", "budget", "peak",
                     "ms", "times", "layers", "streamed", "read a run", "groups");
    for (int i = 0; i < curve->n_points; i++)
        put_row(curve, i, text);
    tess_text_printf(text,
                     "the smallest budget is limited by layer %d of %s; beyond the "
                     "largest, memory buys nothing\n"
                     "layers, streamed: whose weights are read again in each run; "
                     "+: other groups than above\n",
                     curve->limiting_layer, graph->name ? graph->name : "the network");
    if (!has_profile)
        tess_text_printf(text, "times are for no device in particular: measure this one "
                               "with tessera bench --profile\n");
}

static void put_point(struct tess_json *json, const struct tess_curve *curve, int at)
{
    const struct tess_curve_point *point = &curve->points[at];
    tess_json_begin(json, TESS_JSON_FLAT_OBJECT);
    tess_json_put_int(json, "budget_bytes", point->budget_bytes);
    tess_json_put_int(json, "peak_bytes", point->peak_bytes);
    tess_json_put_double(json, "predicted_ms", point->predicted_us / 1e3);
    tess_json_put_double(json, "times", slowdown(curve, at));
    tess_json_put_int(json, "streamed_layers", point->n_streamed_ops);
    tess_json_put_int(json, "streamed_bytes", point->streamed_bytes);
    tess_json_put_int(json, "read_bytes", point->read_bytes);
    tess_json_put_int(json, "groups", point->n_groups);
    tess_json_put_bool(json, "has_new_groups", point->has_new_groups);
    tess_json_end(json);
}

void tess_curve_json(const struct tess_curve *curve, const struct tess_graph *graph,
                     bool has_profile, struct tess_text *text)
{
    struct tess_json json;
    tess_json_init(&json, text);
    tess_json_begin(&json, TESS_JSON_OBJECT);
    tess_json_put_string(&json, "model", graph->name);
    tess_json_put_bool(&json, "has_profile", has_profile);
    tess_json_put_int(&json, "limiting_layer", curve->limiting_layer);
    tess_json_key(&json, "curve");
    tess_json_begin(&json, TESS_JSON_ARRAY);
    for (int i = 0; i < curve->n_points; i++)
        put_point(&json, curve, i);
    tess_json_end(&json);
    tess_json_end(&json);
}
