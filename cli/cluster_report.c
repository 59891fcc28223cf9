#include "cli/cluster_report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan/cluster_text.h"

/* Of one stage. */
struct shares {
    int64_t n_pixels[TESS_CLUSTER_MOST_NODES]; /* of the output, by node */
    int64_t n_all;
    int64_t moved_bytes;
};

static enum tess_status count(const struct tess_cluster_plan *plan, int number,
                              const struct tess_graph *graph, struct shares *shares,
                              struct tess_error *error)
{
    const struct tess_cluster_stage *has = &plan->stages[number];
    struct tess_stage stage = {0};
    struct tess_region *regions = calloc((size_t)has->n_ops + 1, sizeof *regions);
    enum tess_status status =
        regions ? tess_stage_init(&stage, graph, has->ops, has->n_ops, error)
                : tess_error_nomem(error);
    for (int i = 0; i < has->n_tiles && status == TESS_OK; i++) {
        const struct tess_cluster_tile *tile = &has->tiles[i];
        int64_t n_pixels = tess_region_n_pixels(&tile->output);
        tess_stage_regions(&stage, &tile->output, regions);
        struct tess_cluster_payload payload = tess_cluster_payload_of(
            &stage, &regions[has->n_ops], &tile->output, plan->sends_bytes);
        shares->n_pixels[tile->node] += n_pixels;
        shares->n_all += n_pixels;
        if (tile->node != TESS_CLUSTER_COORDINATOR)
            shares->moved_bytes += payload.in_bytes + payload.out_bytes;
    }
    tess_stage_release(&stage);
    free(regions);
    return status;
}

/* Of the column of layers: most stages need ten. */
static size_t layers_width(const struct tess_cluster_plan *plan,
                           const struct tess_graph *graph)
{
    size_t width = 10;
    struct tess_text layers = {0};
    for (int i = 0; i < plan->n_stages; i++) {
        size_t before = layers.len;
        tess_cluster_write_layers(&plan->stages[i], graph, &layers);
        width = layers.len - before > width ? layers.len - before : width;
    }
    tess_text_release(&layers);
    return width;
}

static enum tess_status put_stage(const struct tess_cluster_plan *plan, int number,
                                  const struct tess_graph *graph, size_t width,
                                  struct tess_text *text, struct tess_error *error)
{
    const struct tess_cluster_stage *stage = &plan->stages[number];
    size_t end = text->len + width;
    struct shares shares = {.n_all = 0};
    enum tess_status status = count(plan, number, graph, &shares, error);
    if (status != TESS_OK)
        return status;
    const char *comma = "";
    tess_cluster_write_layers(stage, graph, text);
    while (text->len < end && !text->is_broken)
        tess_text_append(text, " ", 1);
    tess_text_printf(text, " %5d %12.1f %8.2f  ", stage->n_tiles,
                     stage->predicted_us / 1e3, (double)shares.moved_bytes / 1e6);
    for (int node = 0; node < plan->cluster.n_nodes; node++) {
        if (shares.n_pixels[node] == 0)
            continue;
        tess_text_printf(text, "%s%s %.0f %%", comma, plan->cluster.nodes[node].name,
                         100 * (double)shares.n_pixels[node] / (double)shares.n_all);
        comma = ", ";
    }
    tess_text_printf(text, "\n");
    return TESS_OK;
}

static void put_node(const struct tess_cluster_plan *plan, int node,
                     struct tess_text *text)
{
    const struct tess_cluster_node *who = &plan->cluster.nodes[node];
    char peak[32] = "-", limit[32] = "no limit";
    int n_tiles = 0;
    double compute_us = 0;
    int64_t peak_bytes = 0;
    for (int i = 0; i < plan->n_stages; i++)
        for (int at = 0; at < plan->stages[i].n_tiles; at++) {
            const struct tess_cluster_tile *tile = &plan->stages[i].tiles[at];
            if (tile->node != node)
                continue;
            n_tiles++;
            compute_us += tile->predicted_us / who->speed;
            peak_bytes = tile->peak_bytes > peak_bytes ? tile->peak_bytes : peak_bytes;
        }
    if (peak_bytes > 0)
        tess_format_bytes(peak_bytes, peak, sizeof peak);
    if (who->memory_bytes > 0)
        tess_format_bytes(who->memory_bytes, limit, sizeof limit);
    tess_text_printf(text, "%-10s %5d %12.1f  %10s %10s\n", who->name, n_tiles,
                     compute_us / 1e3, peak, limit);
}

/* The whole, beside the fastest node by itself. */
static void put_total(const struct tess_cluster_plan *plan, double untiled_us,
                      bool has_profile, struct tess_text *text)
{
    const struct tess_cluster *cluster = &plan->cluster;
    const struct tess_cluster_node *fastest = &cluster->nodes[0];
    for (int node = 1; node < cluster->n_nodes; node++)
        if (cluster->nodes[node].speed > fastest->speed)
            fastest = &cluster->nodes[node];
    double alone_us = untiled_us / fastest->speed;
    assert(plan->predicted_us > 0);
    tess_text_printf(text, "\n%.1f ms a frame, %.2f MB moved\n", plan->predicted_us / 1e3,
                     (double)plan->moved_bytes / 1e6);
    tess_text_printf(text, "untiled on one node of speed 1: %.1f ms", untiled_us / 1e3);
    if (fastest->speed != 1)
        tess_text_printf(text, "; on %s: %.1f ms", fastest->name, alone_us / 1e3);
    tess_text_printf(text, "; the cluster is %.2f times as fast%s%s\n",
                     alone_us / plan->predicted_us, fastest->speed != 1 ? " as " : "",
                     fastest->speed != 1 ? fastest->name : "");
    if (!has_profile)
        tess_text_printf(text, "no profile of a node of speed 1: times are guesses "
                               "(tessera bench --profile)\n");
}

enum tess_status tess_report_cluster_plan(const struct tess_cluster_plan *plan,
                                          const struct tess_graph *graph,
                                          double untiled_us, bool has_profile,
                                          struct tess_text *text_out,
                                          struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    size_t width = layers_width(plan, graph);
    tess_text_printf(text_out, "%-*s %5s %12s %8s  %s\n", (int)width, "layers", "tiles",
                     "predicted ms", "MB moved", "where");
    for (int i = 0; i < plan->n_stages && status == TESS_OK; i++)
        status = put_stage(plan, i, graph, width, text_out, error);
    if (status != TESS_OK)
        return status;
    tess_text_printf(text_out, "\n%-10s %5s %12s  %10s %10s\n", "node", "tiles",
                     "compute ms", "peak", "of");
    for (int node = 0; node < plan->cluster.n_nodes; node++)
        put_node(plan, node, text_out);
    put_total(plan, untiled_us, has_profile, text_out);
    return text_out->is_broken ? tess_error_nomem(error) : TESS_OK;
}
