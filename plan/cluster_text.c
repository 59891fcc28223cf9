#include "plan/cluster_text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/graph_build.h"
#include "plan/plan_text_priv.h"
#include "plan/yaml_doc.h"

enum { MOST_TILES = 1024 };
#define LIMIT_MEMORY_BYTES (INT64_C(1) << 50)

static const char *const root_keys[] = {"cluster",      "nodes",  "model",
                                        "model_hash",   "input",  "moved",
                                        "predicted_ms", "stages", NULL};

struct reader {
    struct tess_yaml yaml;
    const struct tess_graph *graph;
    struct tess_cluster_plan *plan;
    struct tess_error *error;
    const struct tess_yaml_node **stage_nodes; /* [graph->n_ops] where each stage is */
};

/* ---- nodes ---- */

static enum tess_status need(const struct tess_yaml *yaml,
                             const struct tess_yaml_node *map, const char *key,
                             const struct tess_yaml_node **node_out,
                             struct tess_error *error)
{
    *node_out = tess_yaml_find(map, key);
    if (*node_out)
        return TESS_OK;
    return tess_yaml_error(yaml, map, error, "the line \"%s\" is missing here", key);
}

static enum tess_status read_decimal(const struct tess_yaml *yaml,
                                     const struct tess_yaml_node *map, const char *key,
                                     double low, double high, double *value_out,
                                     struct tess_error *error)
{
    const struct tess_yaml_node *node = tess_yaml_find(map, key);
    return node ? tess_yaml_decimal(yaml, node, low, high, value_out, error) : TESS_OK;
}

static enum tess_status read_computes(const struct tess_yaml *yaml,
                                      const struct tess_yaml_node *item, bool is_first,
                                      struct tess_cluster_node *node_out,
                                      struct tess_error *error)
{
    const struct tess_yaml_node *computes = tess_yaml_find(item, "computes");
    if (!computes)
        return TESS_OK;
    enum tess_status status = tess_yaml_expect(yaml, computes, TESS_YAML_SCALAR, error);
    if (status != TESS_OK)
        return status;
    node_out->only_serves = strcmp(computes->text, "no") == 0;
    if (!node_out->only_serves && strcmp(computes->text, "yes") != 0)
        return tess_yaml_error(yaml, computes, error, "expected yes or no");
    if (node_out->only_serves && !is_first)
        return tess_yaml_error(
            yaml, computes, error,
            "only the first node, the coordinator, may leave computing "
            "to others");
    return TESS_OK;
}

static enum tess_status read_node(const struct tess_yaml *yaml,
                                  const struct tess_yaml_node *item,
                                  struct tess_cluster *cluster, struct tess_error *error)
{
    static const char *const known[] = {"name", "speed",      "computes", "memory",
                                        "mbit", "latency_ms", NULL};
    const struct tess_yaml_node *name = NULL, *memory = NULL;
    struct tess_cluster_node node = {.speed = 1, .link_mbit = 100, .latency_us = 500};
    double latency_ms = node.latency_us / 1000;
    if (cluster->n_nodes == TESS_CLUSTER_MOST_NODES)
        return tess_yaml_error(yaml, item, error, "a cluster has at most %d nodes",
                               TESS_CLUSTER_MOST_NODES);
    enum tess_status status = tess_yaml_expect(yaml, item, TESS_YAML_MAP, error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(yaml, item, known, error);
    if (status == TESS_OK)
        status = need(yaml, item, "name", &name, error);
    if (status == TESS_OK)
        status = tess_yaml_name(yaml, name, node.name, sizeof node.name, error);
    for (int i = 0; i < cluster->n_nodes && status == TESS_OK; i++)
        if (strcmp(cluster->nodes[i].name, node.name) == 0)
            status =
                tess_yaml_error(yaml, name, error, "two nodes are called %s", node.name);
    if (status == TESS_OK && (memory = tess_yaml_find(item, "memory")) != NULL)
        status = tess_yaml_bytes(yaml, memory, 1, LIMIT_MEMORY_BYTES, &node.memory_bytes,
                                 error);
    if (status == TESS_OK)
        status = read_decimal(yaml, item, "speed", 0.000001, 1e6, &node.speed, error);
    if (status == TESS_OK)
        status = read_computes(yaml, item, cluster->n_nodes == 0, &node, error);
    if (status == TESS_OK)
        status = read_decimal(yaml, item, "mbit", 0.001, 1e9, &node.link_mbit, error);
    if (status == TESS_OK)
        status = read_decimal(yaml, item, "latency_ms", 0, 1e6, &latency_ms, error);
    node.latency_us = latency_ms * 1000;
    if (status == TESS_OK)
        cluster->nodes[cluster->n_nodes++] = node;
    return status;
}

static enum tess_status read_nodes(const struct tess_yaml *yaml,
                                   struct tess_cluster *cluster, struct tess_error *error)
{
    const struct tess_yaml_node *version = NULL, *nodes = NULL;
    int64_t number = 0;
    cluster->n_nodes = 0;
    enum tess_status status = tess_yaml_expect(yaml, yaml->root, TESS_YAML_MAP, error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(yaml, yaml->root, root_keys, error);
    if (status == TESS_OK)
        status = need(yaml, yaml->root, "cluster", &version, error);
    if (status == TESS_OK)
        status = tess_yaml_int(yaml, version, 1, 1, &number, error);
    if (status == TESS_OK)
        status = need(yaml, yaml->root, "nodes", &nodes, error);
    if (status == TESS_OK)
        status = tess_yaml_expect(yaml, nodes, TESS_YAML_LIST, error);
    if (status == TESS_OK && !nodes->first)
        status = tess_yaml_error(yaml, nodes, error, "a cluster needs a node");
    for (const struct tess_yaml_node *item = status == TESS_OK ? nodes->first : NULL;
         item && status == TESS_OK; item = item->next)
        status = read_node(yaml, item, cluster, error);
    return status;
}

enum tess_status tess_cluster_read(const char *text, size_t n_bytes,
                                   const char *file_name,
                                   struct tess_cluster *cluster_out,
                                   struct tess_error *error)
{
    struct tess_yaml yaml;
    struct tess_cluster cluster;
    enum tess_status status = tess_yaml_init(&yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = read_nodes(&yaml, &cluster, error);
    if (status == TESS_OK)
        *cluster_out = cluster;
    tess_yaml_release(&yaml);
    return status;
}

enum tess_status tess_cluster_has_stages(const char *text, size_t n_bytes,
                                         const char *file_name, bool *has_stages_out,
                                         struct tess_error *error)
{
    struct tess_yaml yaml;
    enum tess_status status = tess_yaml_init(&yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = tess_yaml_expect(&yaml, yaml.root, TESS_YAML_MAP, error);
    if (status == TESS_OK)
        *has_stages_out = tess_yaml_find(yaml.root, "stages") != NULL;
    tess_yaml_release(&yaml);
    return status;
}

/* ---- stages ---- */

/* Marks the ops that one number or range of layers, or of ops, names. */
static enum tess_status mark_ops(const struct reader *reader,
                                 const struct tess_yaml_node *node, bool by_layer,
                                 bool *is_named)
{
    const struct tess_graph *graph = reader->graph;
    int limit = by_layer ? tess_plan_text_n_layers(graph) : graph->n_ops;
    struct tess_span span;
    if (node->kind != TESS_YAML_SCALAR || !tess_parse_span(node->text, limit, &span))
        return tess_yaml_error(&reader->yaml, node, reader->error,
                               "expected a %s from 0 to %d or a range FIRST..LAST of "
                               "them, not %s",
                               by_layer ? "layer" : "op", limit - 1,
                               tess_yaml_quote(node).text);
    for (int op = 0; op < graph->n_ops; op++) {
        int value = by_layer ? graph->ops[op].layer : op;
        is_named[op] = is_named[op] || (value >= span.first && value <= span.last);
    }
    return TESS_OK;
}

static enum tess_status read_ops(const struct reader *reader,
                                 const struct tess_yaml_node *item, int *ops, int *n_out)
{
    const struct tess_yaml_node *layers = tess_yaml_find(item, "layers");
    const struct tess_yaml_node *node = layers ? layers : tess_yaml_find(item, "ops");
    if (!node || (layers && tess_yaml_find(item, "ops")))
        return tess_yaml_error(&reader->yaml, item, reader->error,
                               "a stage has either layers or ops");
    bool *is_named = calloc((size_t)reader->graph->n_ops, sizeof *is_named);
    if (!is_named)
        return tess_error_nomem(reader->error);
    enum tess_status status = TESS_OK;
    if (node->kind != TESS_YAML_LIST)
        status = mark_ops(reader, node, layers != NULL, is_named);
    for (const struct tess_yaml_node *one = node->first; one && status == TESS_OK;
         one = one->next)
        status = mark_ops(reader, one, layers != NULL, is_named);
    *n_out = 0;
    for (int op = 0; op < reader->graph->n_ops; op++)
        if (is_named[op])
            ops[(*n_out)++] = op;
    if (status == TESS_OK && *n_out == 0)
        status = tess_yaml_error(&reader->yaml, node, reader->error,
                                 "the stage computes nothing");
    free(is_named);
    return status;
}

static enum tess_status read_range(const struct reader *reader,
                                   const struct tess_yaml_node *item, const char *key,
                                   struct tess_range *range_out)
{
    const struct tess_yaml_node *node = NULL;
    struct tess_span span;
    enum tess_status status = need(&reader->yaml, item, key, &node, reader->error);
    if (status != TESS_OK)
        return status;
    if (node->kind != TESS_YAML_SCALAR ||
        !tess_parse_span(node->text, TESS_LIMIT_SIDE, &span))
        return tess_yaml_error(
            &reader->yaml, node, reader->error,
            "%s must be a range FIRST..LAST, the last included, not %s", key,
            tess_yaml_quote(node).text);
    *range_out = (struct tess_range){span.first, span.last + 1};
    return TESS_OK;
}

static enum tess_status find_node(const struct reader *reader,
                                  const struct tess_yaml_node *name, int *node_out)
{
    const struct tess_cluster *cluster = &reader->plan->cluster;
    for (int i = 0; name && i < cluster->n_nodes; i++)
        if (strcmp(cluster->nodes[i].name, name->text) == 0) {
            *node_out = i;
            return TESS_OK;
        }
    if (!name)
        return TESS_OK;
    return tess_yaml_error(&reader->yaml, name, reader->error, "there is no node %s",
                           tess_yaml_quote(name).text);
}

static enum tess_status read_tile(const struct reader *reader,
                                  const struct tess_yaml_node *item,
                                  struct tess_cluster_tile *tile)
{
    static const char *const known[] = {"rows",         "cols", "node",
                                        "predicted_ms", "peak", NULL};
    double ms = 0;
    const struct tess_yaml_node *peak = NULL;
    memset(tile, 0, sizeof *tile);
    enum tess_status status =
        tess_yaml_expect(&reader->yaml, item, TESS_YAML_MAP, reader->error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(&reader->yaml, item, known, reader->error);
    if (status == TESS_OK)
        status = read_range(reader, item, "rows", &tile->output.axis[TESS_ROWS]);
    if (status == TESS_OK)
        status = read_range(reader, item, "cols", &tile->output.axis[TESS_COLS]);
    if (status == TESS_OK)
        status = find_node(reader, tess_yaml_find(item, "node"), &tile->node);
    if (status == TESS_OK)
        status =
            read_decimal(&reader->yaml, item, "predicted_ms", 0, 1e9, &ms, reader->error);
    if (status == TESS_OK && (peak = tess_yaml_find(item, "peak")) != NULL)
        status = tess_yaml_bytes(&reader->yaml, peak, 1, LIMIT_MEMORY_BYTES,
                                 &tile->peak_bytes, reader->error);
    tile->predicted_us = ms * 1000;
    return status;
}

/* Tiles of an even grid, to the nodes in turn. */
static enum tess_status make_grid(const struct reader *reader,
                                  const struct tess_yaml_node *grid,
                                  const struct tess_region *whole,
                                  struct tess_cluster_tile **tiles_out, int *n_out)
{
    int64_t n_rows = 1, n_cols = 1;
    char rows[24] = "1";
    const char *x = grid ? strchr(grid->text, 'x') : NULL;
    if (grid && x && (size_t)(x - grid->text) < sizeof rows) {
        memcpy(rows, grid->text, (size_t)(x - grid->text));
        rows[x - grid->text] = '\0';
    }
    if (grid && (!x || !tess_parse_i64(rows, 1, whole->axis[TESS_ROWS].end, &n_rows) ||
                 !tess_parse_i64(x + 1, 1, whole->axis[TESS_COLS].end, &n_cols) ||
                 n_rows * n_cols > MOST_TILES))
        return tess_yaml_error(
            &reader->yaml, grid, reader->error,
            "grid must be ROWSxCOLUMNS of tiles, at most %dx%d, not %s",
            whole->axis[TESS_ROWS].end, whole->axis[TESS_COLS].end,
            tess_yaml_quote(grid).text);
    *tiles_out = tess_cluster_grid(whole, (int)n_rows, (int)n_cols);
    if (!*tiles_out)
        return tess_error_nomem(reader->error);
    *n_out = (int)(n_rows * n_cols);
    for (int i = 0; i<*n_out && * n_out> 1; i++)
        (*tiles_out)[i].node = i % reader->plan->cluster.n_nodes;
    return TESS_OK;
}

static enum tess_status read_tiles(const struct reader *reader,
                                   const struct tess_yaml_node *item,
                                   const struct tess_stage *stage,
                                   struct tess_cluster_tile **tiles_out, int *n_out)
{
    const struct tess_yaml_node *grid = tess_yaml_find(item, "grid");
    const struct tess_yaml_node *list = tess_yaml_find(item, "tiles");
    struct tess_region whole = tess_stage_whole(stage);
    if (grid && list)
        return tess_yaml_key_error(&reader->yaml, grid, reader->error,
                                   "a stage has either a grid or tiles, not both");
    if (!list)
        return make_grid(reader, grid, &whole, tiles_out, n_out);
    enum tess_status status =
        tess_yaml_expect(&reader->yaml, list, TESS_YAML_LIST, reader->error);
    if (status == TESS_OK && (list->n_children < 1 || list->n_children > MOST_TILES))
        status = tess_yaml_error(&reader->yaml, list, reader->error,
                                 "a stage has 1 to %d tiles", MOST_TILES);
    if (status != TESS_OK)
        return status;
    *tiles_out = calloc((size_t)list->n_children, sizeof **tiles_out);
    if (!*tiles_out)
        return tess_error_nomem(reader->error);
    *n_out = 0;
    for (const struct tess_yaml_node *one = list->first; one && status == TESS_OK;
         one = one->next)
        status = read_tile(reader, one, &(*tiles_out)[(*n_out)++]);
    return status;
}

/* Records what geometry says at the node it is about. */
static enum tess_status at_node(const struct reader *reader,
                                const struct tess_yaml_node *node,
                                const struct tess_error *found)
{
    tess_error_at(reader->error, found->status, reader->yaml.file_name, node->line,
                  node->col, "%s", found->message);
    if (found->hint[0])
        tess_error_hint(reader->error, "%s", found->hint);
    return found->status;
}

static enum tess_status read_stage(struct reader *reader,
                                   const struct tess_yaml_node *item)
{
    static const char *const known[] = {"layers", "ops",          "grid",
                                        "tiles",  "predicted_ms", NULL};
    struct tess_stage stage = {0};
    struct tess_cluster_tile *tiles = NULL;
    struct tess_error found;
    double ms = 0;
    int n_tiles = 0, n_ops = 0;
    tess_error_init(&found);
    int *ops = malloc(sizeof *ops * (size_t)reader->graph->n_ops);
    if (!ops)
        return tess_error_nomem(reader->error);
    enum tess_status status =
        tess_yaml_expect(&reader->yaml, item, TESS_YAML_MAP, reader->error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(&reader->yaml, item, known, reader->error);
    if (status == TESS_OK)
        status = read_ops(reader, item, ops, &n_ops);
    if (status == TESS_OK &&
        tess_stage_init(&stage, reader->graph, ops, n_ops, &found) != TESS_OK)
        status = at_node(reader, item, &found);
    if (status == TESS_OK)
        status = read_tiles(reader, item, &stage, &tiles, &n_tiles);
    if (status == TESS_OK)
        status =
            read_decimal(&reader->yaml, item, "predicted_ms", 0, 1e9, &ms, reader->error);
    if (status == TESS_OK && reader->plan->n_stages == reader->graph->n_ops)
        status = tess_yaml_error(&reader->yaml, item, reader->error,
                                 "there are more stages than layers");
    if (status == TESS_OK) {
        reader->stage_nodes[reader->plan->n_stages] = item;
        status = tess_cluster_plan_add(reader->plan, ops, n_ops, tiles, n_tiles,
                                       reader->error);
    }
    if (status == TESS_OK)
        reader->plan->stages[reader->plan->n_stages - 1].predicted_us = ms * 1000;
    tess_stage_release(&stage);
    free(tiles);
    free(ops);
    return status;
}

/* ---- the plan ---- */

static enum tess_status read_head(struct reader *reader)
{
    const struct tess_yaml_node *root = reader->yaml.root;
    const struct tess_yaml_node *hash = tess_yaml_find(root, "model_hash");
    const struct tess_yaml_node *input = tess_yaml_find(root, "input");
    const struct tess_yaml_node *moved = tess_yaml_find(root, "moved");
    enum tess_status status = TESS_OK;
    double ms = 0;
    if (hash &&
        (strlen(hash->text) != 16 || strspn(hash->text, "0123456789abcdef") != 16))
        return tess_yaml_error(&reader->yaml, hash, reader->error,
                               "model_hash must be 16 hexadecimal digits, not %s",
                               tess_yaml_quote(hash).text);
    if (hash && strtoull(hash->text, NULL, 16) != reader->graph->hash)
        return tess_yaml_error(&reader->yaml, hash, reader->error,
                               "the cluster plan was made for another network");
    if (input && strcmp(input->text, "bytes") != 0 && strcmp(input->text, "floats") != 0)
        return tess_yaml_error(&reader->yaml, input, reader->error,
                               "input must be bytes or floats, not %s",
                               tess_yaml_quote(input).text);
    reader->plan->sends_bytes = !input || strcmp(input->text, "bytes") == 0;
    if (moved)
        status = tess_yaml_bytes(&reader->yaml, moved, 0, LIMIT_MEMORY_BYTES,
                                 &reader->plan->moved_bytes, reader->error);
    if (status == TESS_OK)
        status =
            read_decimal(&reader->yaml, root, "predicted_ms", 0, 1e9, &ms, reader->error);
    reader->plan->predicted_us = ms * 1000;
    return status;
}

static enum tess_status read_stages(struct reader *reader)
{
    const struct tess_yaml_node *stages = NULL;
    struct tess_error found;
    int at_fault = -1;
    tess_error_init(&found);
    enum tess_status status =
        need(&reader->yaml, reader->yaml.root, "stages", &stages, reader->error);
    if (status == TESS_OK)
        status = tess_yaml_expect(&reader->yaml, stages, TESS_YAML_LIST, reader->error);
    for (const struct tess_yaml_node *item = status == TESS_OK ? stages->first : NULL;
         item && status == TESS_OK; item = item->next)
        status = read_stage(reader, item);
    if (status == TESS_OK && tess_cluster_plan_check(reader->plan, reader->graph,
                                                     &at_fault, &found) != TESS_OK)
        status = at_node(reader, at_fault >= 0 ? reader->stage_nodes[at_fault] : stages,
                         &found);
    return status;
}

enum tess_status tess_cluster_plan_read(const char *text, size_t n_bytes,
                                        const char *file_name,
                                        const struct tess_graph *graph,
                                        struct tess_cluster_plan **plan_out,
                                        struct tess_error *error)
{
    struct reader reader = {.graph = graph, .error = error};
    struct tess_cluster cluster;
    enum tess_status status =
        tess_yaml_init(&reader.yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = read_nodes(&reader.yaml, &cluster, error);
    if (status == TESS_OK)
        status = tess_cluster_plan_create(graph, &cluster, &reader.plan, error);
    if (status == TESS_OK) {
        reader.stage_nodes = calloc((size_t)graph->n_ops, sizeof *reader.stage_nodes);
        if (!reader.stage_nodes)
            status = tess_error_nomem(error);
    }
    if (status == TESS_OK)
        status = read_head(&reader);
    if (status == TESS_OK)
        status = read_stages(&reader);
    if (status == TESS_OK)
        *plan_out = reader.plan;
    else
        tess_cluster_plan_destroy(reader.plan);
    free(reader.stage_nodes);
    tess_yaml_release(&reader.yaml);
    return status;
}
