/* Writing clusters and cluster plans: ops are named by layers where a stage holds all ops of
 * each of its layers; times below what is written of them are left out. */
#include <inttypes.h>
#include <stdlib.h>

#include "plan/cluster_text.h"
#include "plan/yaml_write.h"

static void put_bytes(struct tess_text *text, const char *key, int64_t bytes)
{
    char buffer[32];
    tess_text_printf(text, "%s: %s\n", key,
                     tess_format_bytes_exact(bytes, buffer, sizeof buffer));
}

static void put_decimal(struct tess_text *text, const char *key, double value,
                        int n_places)
{
    tess_text_printf(text, "%s: ", key);
    tess_yaml_write_decimal(text, value, n_places);
    tess_text_printf(text, "\n");
}

static void put_nodes(struct tess_text *text, const struct tess_cluster *cluster)
{
    tess_text_printf(text, "nodes:\n");
    for (int i = 0; i < cluster->n_nodes; i++) {
        const struct tess_cluster_node *node = &cluster->nodes[i];
        tess_text_printf(text, "  - name: ");
        tess_yaml_write_name(text, node->name);
        tess_text_printf(text, "\n");
        put_decimal(text, "    speed", node->speed, 6);
        if (node->only_serves)
            tess_text_printf(text, "    computes: no\n");
        if (node->memory_bytes > 0)
            put_bytes(text, "    memory", node->memory_bytes);
        put_decimal(text, "    mbit", node->link_mbit, 3);
        put_decimal(text, "    latency_ms", node->latency_us / 1000, 3);
    }
}

void tess_cluster_write(const struct tess_cluster *cluster, struct tess_text *text_out)
{
    tess_text_printf(text_out, "cluster: 1\n");
    put_nodes(text_out, cluster);
}

/* Are all ops of the stage's layers in the stage? */
static bool has_whole_layers(const struct tess_cluster_stage *stage,
                             const struct tess_graph *graph)
{
    for (int at = 0; at < stage->n_ops; at++) {
        int n_inside = 0, n_all = 0, layer = graph->ops[stage->ops[at]].layer;
        for (int op = 0; op < graph->n_ops; op++)
            n_all += graph->ops[op].layer == layer;
        for (int other = 0; other < stage->n_ops; other++)
            n_inside += graph->ops[stage->ops[other]].layer == layer;
        if (n_inside != n_all)
            return false;
    }
    return true;
}

/* The smallest layer above `layer` that has an op; INT32_MAX if none has. */
static int next_layer(const struct tess_graph *graph, int layer)
{
    int next = INT32_MAX;
    for (int op = 0; op < graph->n_ops; op++)
        if (graph->ops[op].layer > layer && graph->ops[op].layer < next)
            next = graph->ops[op].layer;
    return next;
}

/* The stage's ops, or their layers, as numbers and ranges of such. */
static void put_numbers(struct tess_text *text, const struct tess_cluster_stage *stage,
                        const struct tess_graph *graph, bool by_layer)
{
    for (int at = 0, end; at < stage->n_ops; at = end) {
        int first = stage->ops[at], last = first;
        if (by_layer)
            first = last = graph->ops[first].layer;
        for (end = at + 1; end < stage->n_ops; end++) {
            int value = stage->ops[end];
            value = by_layer ? graph->ops[value].layer : value;
            int next = by_layer ? next_layer(graph, last) : last + 1;
            if (value != last && value != next)
                break;
            last = value;
        }
        tess_text_printf(text, "%s%d", at > 0 ? ", " : "", first);
        if (last > first)
            tess_text_printf(text, "..%d", last);
    }
}

static void put_ops(struct tess_text *text, const struct tess_cluster_stage *stage,
                    const struct tess_graph *graph)
{
    bool by_layer = has_whole_layers(stage, graph);
    tess_text_printf(text, by_layer ? "  - layers: [" : "  - ops: [");
    put_numbers(text, stage, graph, by_layer);
    tess_text_printf(text, "]\n");
}

static void put_range(struct tess_text *text, const char *key, struct tess_range range)
{
    tess_text_printf(text, "%s: %d", key, range.begin);
    if (tess_range_len(range) > 1)
        tess_text_printf(text, "..%d", range.end - 1);
    tess_text_printf(text, "\n");
}

static void put_tile(struct tess_text *text, const struct tess_cluster_plan *plan,
                     const struct tess_cluster_tile *tile)
{
    put_range(text, "      - rows", tile->output.axis[TESS_ROWS]);
    put_range(text, "        cols", tile->output.axis[TESS_COLS]);
    tess_text_printf(text, "        node: ");
    tess_yaml_write_name(text, plan->cluster.nodes[tile->node].name);
    tess_text_printf(text, "\n");
    if (tile->predicted_us >= 0.5)
        put_decimal(text, "        predicted_ms", tile->predicted_us / 1000, 3);
    if (tile->peak_bytes > 0)
        put_bytes(text, "        peak", tile->peak_bytes);
}

void tess_cluster_plan_write(const struct tess_cluster_plan *plan,
                             const struct tess_graph *graph, struct tess_text *text_out)
{
    tess_cluster_write(&plan->cluster, text_out);
    tess_text_printf(text_out, "model: ");
    tess_yaml_write_name(text_out, plan->model);
    tess_text_printf(text_out, "\nmodel_hash: %016" PRIx64 "\n", plan->model_hash);
    tess_text_printf(text_out, "input: %s\n", plan->sends_bytes ? "bytes" : "floats");
    if (plan->predicted_us >= 0.5)
        put_decimal(text_out, "predicted_ms", plan->predicted_us / 1000, 3);
    if (plan->moved_bytes > 0)
        put_bytes(text_out, "moved", plan->moved_bytes);
    tess_text_printf(text_out, "stages:\n");
    for (int i = 0; i < plan->n_stages; i++) {
        const struct tess_cluster_stage *stage = &plan->stages[i];
        put_ops(text_out, stage, graph);
        if (stage->predicted_us >= 0.5)
            put_decimal(text_out, "    predicted_ms", stage->predicted_us / 1000, 3);
        tess_text_printf(text_out, "    tiles:\n");
        for (int tile = 0; tile < stage->n_tiles; tile++)
            put_tile(text_out, plan, &stage->tiles[tile]);
    }
}

void tess_cluster_write_layers(const struct tess_cluster_stage *stage,
                               const struct tess_graph *graph, struct tess_text *text_out)
{
    put_numbers(text_out, stage, graph, true);
}
