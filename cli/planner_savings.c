#include "cli/planner_savings.h"

#include <stddef.h>
#include <stdio.h>

struct technique {
    const char *name;
    size_t offset; /* of its switch in struct tess_planner_options */
};

#define AT(field) offsetof(struct tess_planner_options, allows_##field)

static const struct technique TECHNIQUES[] = {
    {"--no-placement", AT(placement)}, {"--no-reorder", AT(reorder)},
    {"--no-copies", AT(copies)},       {"--no-columns", AT(columns)},
    {"--halo recompute", AT(reuse)},   {"--halo reuse", AT(recompute)},
    {"--no-streaming", AT(streaming)}};
enum { N_TECHNIQUES = sizeof TECHNIQUES / sizeof *TECHNIQUES };

static bool *switch_of(struct tess_planner_options *options, int technique)
{
    return (bool *)((char *)options + TECHNIQUES[technique].offset);
}

/* The smallest budget that works: what an impossible one is answered with. */
static enum tess_status find_smallest(struct tess_planner *planner,
                                      int64_t *smallest_bytes_out,
                                      struct tess_error *error)
{
    struct tess_planner_report report;
    struct tess_plan *plan = NULL;
    enum tess_status status = tess_planner_find(planner, 1, &plan, &report, error);
    tess_plan_destroy(plan);
    if (status != TESS_OK && status != TESS_E_INFEASIBLE)
        return status;
    tess_error_init(error);
    *smallest_bytes_out = report.smallest_bytes;
    return TESS_OK;
}

static enum tess_status put_row(const struct tess_graph *graph,
                                const struct tess_planner_options *options,
                                const char *name, struct tess_text *text,
                                struct tess_error *error)
{
    struct tess_planner *planner = NULL;
    struct tess_plan *plan = NULL;
    int64_t smallest_bytes = 0;
    char smallest[32], peak[32] = "-", arena[32] = "-", time[32] = "-";
    enum tess_status status = tess_planner_create(graph, options, &planner, error);
    if (status == TESS_OK)
        status = find_smallest(planner, &smallest_bytes, error);
    if (status == TESS_OK)
        status = tess_planner_find(planner, options->budget_bytes, &plan, NULL, error);
    if (status == TESS_OK) {
        tess_format_bytes(plan->memory.peak, peak, sizeof peak);
        tess_format_bytes(plan->memory.arena, arena, sizeof arena);
        snprintf(time, sizeof time, "%.1f", plan->predicted_us / 1e3);
    } else if (status == TESS_E_INFEASIBLE) {
        tess_error_init(error);
        status = TESS_OK;
    }
    if (status == TESS_OK)
        tess_text_printf(text, "%-18s %10s %10s %10s %12s\n", name,
                         tess_format_bytes(smallest_bytes, smallest, sizeof smallest),
                         peak, arena, time);
    tess_plan_destroy(plan);
    tess_planner_destroy(planner);
    return status;
}

enum tess_status tess_savings_table(const struct tess_graph *graph,
                                    const struct tess_planner_options *options,
                                    struct tess_text *text, struct tess_error *error)
{
    bool has_other_halo = options->allows_reuse && options->allows_recompute;
    tess_text_printf(text, "%-18s %10s %10s %10s %12s\n", "planned with", "smallest",
                     "peak", "arena", "predicted ms");
    enum tess_status status = put_row(graph, options, "everything", text, error);
    for (int i = 0; i < N_TECHNIQUES && status == TESS_OK; i++) {
        struct tess_planner_options without = *options;
        bool *allows = switch_of(&without, i);
        bool is_halo =
            allows == &without.allows_reuse || allows == &without.allows_recompute;
        if (!*allows || (is_halo && !has_other_halo))
            continue;
        *allows = false;
        status = put_row(graph, &without, TECHNIQUES[i].name, text, error);
    }
    tess_text_printf(text, "smallest: the least budget that some plan fits; the rest is "
                           "of the plan for this budget, - where none fits\n");
    return status;
}
