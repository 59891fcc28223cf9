/* The split convolutions of a plan's text. A plan that has some is for the split network: whoever
 * reads it splits first, then reads the plan for what came out. */
#include <assert.h>
#include <stdlib.h>

#include "model/graph_split.h"
#include "plan/plan_text.h"
#include "plan/plan_text_priv.h"

/* The convolution that layer `layer` is; -1 for none. */
static int conv_of(const struct tess_graph *graph, int layer)
{
    for (int op = 0; op < graph->n_ops; op++)
        if (graph->ops[op].layer == layer && graph->ops[op].kind == TESS_OP_CONV)
            return op;
    return -1;
}

static enum tess_status cannot_split(const struct tess_plan_reader *reader,
                                     const struct tess_yaml_node *node, int layer)
{
    tess_yaml_error(&reader->yaml, node, reader->error, "layer %d cannot be split",
                    layer);
    tess_error_hint(reader->error,
                    "what can be is an ungrouped convolution that reads a route of "
                    "several layers, %d at most",
                    TESS_SPLIT_MAX_PARTS);
    return TESS_E_CONFIG;
}

/* Marks the ops that the list names. */
static enum tess_status read_list(const struct tess_plan_reader *reader,
                                  const struct tess_yaml_node *node, bool *is_split,
                                  bool *is_any_out)
{
    struct tess_number_list list;
    enum tess_status status =
        tess_number_list_init(&list, reader, node, reader->n_layers, "layer");
    for (int i = 0; i < list.n && status == TESS_OK; i++) {
        int op = conv_of(reader->graph, list.values[i]);
        if (op < 0 || tess_graph_n_parts(reader->graph, op) == 0)
            status = cannot_split(reader, list.nodes[i], list.values[i]);
        else
            is_split[op] = *is_any_out = true;
    }
    tess_number_list_release(&list);
    return status;
}

enum tess_status tess_plan_read_split(const char *text, size_t n_bytes,
                                      const char *file_name,
                                      const struct tess_graph *graph,
                                      struct tess_graph **split_out,
                                      struct tess_error *error)
{
    struct tess_plan whole = {.first_layer = -1, .last_layer = -1};
    struct tess_plan_reader reader = {.graph = graph,
                                      .plan = &whole,
                                      .n_layers = tess_plan_text_n_layers(graph),
                                      .error = error};
    struct tess_graph *split = NULL;
    bool is_any = false, *is_split = calloc((size_t)graph->n_ops, sizeof *is_split);
    if (!is_split)
        return tess_error_nomem(error);
    enum tess_status status =
        tess_yaml_init(&reader.yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = tess_plan_check_version(&reader.yaml, error);
    if (status == TESS_OK) {
        const struct tess_yaml_node *node = tess_yaml_find(reader.yaml.root, "split");
        if (node && (node->kind != TESS_YAML_LIST || node->first))
            status = read_list(&reader, node, is_split, &is_any);
    }
    if (status == TESS_OK && is_any)
        status = tess_graph_split(graph, is_split, &split, error);
    if (status == TESS_OK)
        *split_out = split;
    tess_yaml_release(&reader.yaml);
    free(is_split);
    return status;
}

static bool is_split_layer(const struct tess_graph *graph, int layer)
{
    int op = conv_of(graph, layer);
    return op >= 0 && tess_op_is_partial(&graph->ops[op]);
}

static int count_split(const struct tess_graph *graph)
{
    int n = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n += tess_op_is_partial(&graph->ops[op]) && graph->ops[op].n_inputs == 1;
    return n;
}

/* The list must say what was done to the graph: those who read a plan split before. */
enum tess_status tess_plan_check_split(struct tess_plan_reader *reader)
{
    const struct tess_yaml_node *node = tess_yaml_find(reader->yaml.root, "split");
    struct tess_number_list list = {.n = 0};
    enum tess_status status = TESS_OK;
    bool is_same = true;
    if (node && (node->kind != TESS_YAML_LIST || node->first))
        status = tess_number_list_init(&list, reader, node, reader->n_layers, "layer");
    for (int i = 0; i < list.n && status == TESS_OK; i++)
        is_same = is_same && is_split_layer(reader->graph, list.values[i]);
    if (status == TESS_OK && (!is_same || list.n != count_split(reader->graph)))
        status =
            tess_yaml_error(&reader->yaml, node ? node : reader->yaml.root, reader->error,
                            "the plan and the network do not have the same layers "
                            "split");
    tess_number_list_release(&list);
    return status;
}
