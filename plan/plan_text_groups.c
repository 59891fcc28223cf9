/* Reading the groups of a plan.
 *
 * Invariant: groups [0, n_groups) cover positions [0, next) of the schedule exactly. A
 * group of the file must begin at `next` or later; the ops between become 1x1 groups of
 * their own.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/graph_build.h"
#include "plan/plan_text_priv.h"

struct groups {
    struct tess_plan_reader *reader;
    int *position;     /* [n_ops] op id -> schedule position */
    int *claimed_line; /* [n_ops] by position: line of the group that has it, or 0 */
    struct tess_group *groups; /* [n_ops] at most */
    int n_groups;
    int next;
};

static const struct tess_tiling no_tiling = {1, 1, TESS_HALO_RECOMPUTE};

/* Finds the positions of the ops of some layers, which must follow one another. */
static enum tess_status positions_of_layers(const struct groups *all,
                                            const struct tess_yaml_node *node,
                                            const struct tess_number_list *layers,
                                            struct tess_span *span_out)
{
    const struct tess_plan_reader *reader = all->reader;
    const struct tess_graph *graph = reader->graph;
    bool *is_named = calloc((size_t)reader->n_layers, sizeof *is_named);
    if (!is_named)
        return tess_error_nomem(reader->error);
    for (int i = 0; i < layers->n; i++)
        is_named[layers->values[i]] = true;
    struct tess_span span = {graph->n_ops, -1};
    for (int op = 0; op < graph->n_ops; op++) {
        if (!is_named[graph->ops[op].layer])
            continue;
        int at = all->position[op];
        span.first = at < span.first ? at : span.first;
        span.last = at > span.last ? at : span.last;
    }
    enum tess_status status = TESS_OK;
    if (span.last < 0)
        status = tess_yaml_error(
            &reader->yaml, node, reader->error,
            "layer %d computes nothing, so there is nothing to group", layers->values[0]);
    for (int at = span.first; at <= span.last && status == TESS_OK; at++) {
        int layer = graph->ops[reader->plan->order[at]].layer;
        if (is_named[layer])
            continue;
        status =
            tess_yaml_error(&reader->yaml, node, reader->error,
                            "the layers of this group do not follow one another: layer "
                            "%d runs between them",
                            layer);
        tess_error_hint(reader->error, "add layer %d, or split the group", layer);
    }
    free(is_named);
    if (status == TESS_OK)
        *span_out = span;
    return status;
}

static enum tess_status read_layers(const struct groups *all,
                                    const struct tess_yaml_node *node,
                                    struct tess_span *span_out)
{
    const struct tess_plan_reader *reader = all->reader;
    struct tess_number_list layers;
    enum tess_status status =
        tess_number_list_init(&layers, reader, node, reader->n_layers, "layer");
    if (status == TESS_OK)
        status = positions_of_layers(all, node, &layers, span_out);
    tess_number_list_release(&layers);
    return status;
}

static enum tess_status read_positions(const struct groups *all,
                                       const struct tess_yaml_node *node,
                                       struct tess_span *span_out)
{
    const struct tess_plan_reader *reader = all->reader;
    int n_ops = reader->graph->n_ops;
    if (node->kind == TESS_YAML_SCALAR && tess_parse_span(node->text, n_ops, span_out))
        return TESS_OK;
    tess_yaml_error(&reader->yaml, node, reader->error,
                    "ops must be schedule positions FIRST..LAST from 0 to %d, not %s",
                    n_ops - 1, tess_yaml_quote(node).text);
    return TESS_E_CONFIG;
}

static enum tess_status read_span(const struct groups *all,
                                  const struct tess_yaml_node *item,
                                  const struct tess_yaml_node **node_out,
                                  struct tess_span *span_out)
{
    const struct tess_plan_reader *reader = all->reader;
    const struct tess_yaml_node *layers = tess_yaml_find(item, "layers");
    const struct tess_yaml_node *ops = tess_yaml_find(item, "ops");
    if (layers && ops)
        return tess_yaml_key_error(&reader->yaml, ops, reader->error,
                                   "a group has either layers or ops, not both");
    if (!layers && !ops) {
        tess_yaml_error(&reader->yaml, item, reader->error,
                        "the group does not say which layers it holds");
        tess_error_hint(reader->error, "add a line such as \"layers: 0..7\"");
        return TESS_E_CONFIG;
    }
    *node_out = layers ? layers : ops;
    return layers ? read_layers(all, layers, span_out)
                  : read_positions(all, ops, span_out);
}

/* Is the group behind all groups before it? */
static enum tess_status check_place(const struct groups *all,
                                    const struct tess_yaml_node *node,
                                    struct tess_span span)
{
    const struct tess_plan_reader *reader = all->reader;
    assert(0 <= span.first && span.first <= span.last);
    for (int at = span.first; at <= span.last; at++) {
        if (all->claimed_line[at] == 0)
            continue;
        const struct tess_op *op = &reader->graph->ops[reader->plan->order[at]];
        return tess_yaml_error(&reader->yaml, node, reader->error,
                               "layer %d is already in the group of line %d", op->layer,
                               all->claimed_line[at]);
    }
    if (span.first >= all->next)
        return TESS_OK;
    tess_yaml_error(&reader->yaml, node, reader->error,
                    "this group runs before the one above it");
    tess_error_hint(reader->error, "list the groups in the order in which they run");
    return TESS_E_CONFIG;
}

static bool parse_grid(const char *text, struct tess_tiling *tiling)
{
    char rows[24];
    int64_t n_rows, n_cols;
    size_t n_row_digits = strcspn(text, "x");
    if (n_row_digits >= sizeof rows || text[n_row_digits] != 'x')
        return false;
    memcpy(rows, text, n_row_digits);
    rows[n_row_digits] = '\0';
    if (!tess_parse_i64(rows, 1, TESS_LIMIT_SIDE, &n_rows) ||
        !tess_parse_i64(text + n_row_digits + 1, 1, TESS_LIMIT_SIDE, &n_cols))
        return false;
    tiling->n_rows = (int)n_rows;
    tiling->n_cols = (int)n_cols;
    return true;
}

static enum tess_status read_tiling(const struct tess_plan_reader *reader,
                                    const struct tess_yaml_node *item,
                                    struct tess_tiling *tiling)
{
    static const char *const halos[] = {"recompute", "reuse", NULL};
    const struct tess_yaml_node *grid = tess_yaml_find(item, "grid");
    const struct tess_yaml_node *halo = tess_yaml_find(item, "halo");
    if (grid && (grid->kind != TESS_YAML_SCALAR || !parse_grid(grid->text, tiling))) {
        tess_yaml_error(&reader->yaml, grid, reader->error,
                        "grid must be ROWSxCOLUMNS of tiles, each from 1 to %d, not %s",
                        TESS_LIMIT_SIDE, tess_yaml_quote(grid).text);
        tess_error_hint(reader->error, "for example 5x5; 1x1 does not cut at all");
        return TESS_E_CONFIG;
    }
    if (!halo)
        return TESS_OK;
    if (strcmp(halo->text, "reuse") == 0) {
        tiling->halo = TESS_HALO_REUSE;
    } else if (strcmp(halo->text, "recompute") != 0) {
        tess_yaml_error(&reader->yaml, halo, reader->error,
                        "halo must be recompute or reuse, not %s",
                        tess_yaml_quote(halo).text);
        const char *nearest = tess_nearest_word(halo->text, halos);
        if (nearest)
            tess_error_hint(reader->error, "did you mean \"%s\"?", nearest);
        return TESS_E_CONFIG;
    }
    return TESS_OK;
}

/* Can the group be cut like this? The geometry knows why not, this knows the line. */
static enum tess_status check_tiling(const struct tess_plan_reader *reader,
                                     const struct tess_group *group,
                                     const struct tess_yaml_node *node)
{
    assert(group->first <= group->last && group->last < reader->plan->n_ops);
    struct tess_tiles tiles;
    struct tess_error found;
    tess_error_init(&found);
    enum tess_status status =
        tess_tiles_init(&tiles, reader->graph, reader->plan->order + group->first,
                        group->last - group->first + 1, group->tiling, &found);
    if (status == TESS_OK) {
        tess_tiles_release(&tiles);
        return TESS_OK;
    }
    tess_error_at(reader->error, status, reader->yaml.file_name, node->line, node->col,
                  "%s", found.message);
    if (found.hint[0])
        tess_error_hint(reader->error, "%s", found.hint);
    return status;
}

static void append(struct groups *all, struct tess_group group, int line)
{
    for (int at = group.first; at <= group.last; at++)
        all->claimed_line[at] = line;
    assert(group.first == all->next && all->n_groups < all->reader->graph->n_ops);
    all->groups[all->n_groups++] = group;
    all->next = group.last + 1;
}

/* The ops up to `end` become groups of their own. */
static void append_singles(struct groups *all, int end)
{
    assert(end >= all->next);
    while (all->next < end)
        append(all, (struct tess_group){all->next, all->next, no_tiling, 0}, 0);
}

static enum tess_status read_group(struct groups *all, const struct tess_yaml_node *item)
{
    static const char *const known[] = {"layers", "ops",          "grid",
                                        "halo",   "predicted_ms", NULL};
    const struct tess_plan_reader *reader = all->reader;
    const struct tess_yaml_node *node = item;
    struct tess_group group = {.tiling = no_tiling};
    struct tess_span span = {0, 0};
    if (item->kind != TESS_YAML_MAP)
        return tess_yaml_error(
            &reader->yaml, item, reader->error,
            "a group must be like \"layers: 0..7\" with a grid, not %s",
            tess_yaml_quote(item).text);
    enum tess_status status =
        tess_yaml_expect_keys(&reader->yaml, item, known, reader->error);
    if (status == TESS_OK)
        status = read_span(all, item, &node, &span);
    if (status == TESS_OK)
        status = check_place(all, node, span);
    if (status == TESS_OK)
        status = read_tiling(reader, item, &group.tiling);
    const struct tess_yaml_node *time = NULL;
    if (status == TESS_OK && (time = tess_yaml_find(item, "predicted_ms")))
        status = tess_plan_read_time(reader, time, &group.predicted_us);
    if (status != TESS_OK)
        return status;
    group.first = span.first;
    group.last = span.last;
    const struct tess_yaml_node *grid = tess_yaml_find(item, "grid");
    status = check_tiling(reader, &group, grid ? grid : node);
    if (status != TESS_OK)
        return status;
    append_singles(all, span.first);
    append(all, group, item->line);
    return TESS_OK;
}

enum tess_status tess_plan_read_groups(struct tess_plan_reader *reader,
                                       const struct tess_yaml_node *groups)
{
    size_t n_ops = (size_t)reader->graph->n_ops;
    struct groups all = {.reader = reader};
    enum tess_status status = TESS_OK;
    all.position = calloc(n_ops, sizeof *all.position);
    all.claimed_line = calloc(n_ops, sizeof *all.claimed_line);
    all.groups = calloc(n_ops, sizeof *all.groups);
    if (!all.position || !all.claimed_line || !all.groups) {
        status = tess_error_nomem(reader->error);
        goto out;
    }
    for (int at = 0; at < reader->graph->n_ops; at++)
        all.position[reader->plan->order[at]] = at;
    if (groups)
        status = tess_yaml_expect(&reader->yaml, groups, TESS_YAML_LIST, reader->error);
    for (const struct tess_yaml_node *item = groups ? groups->first : NULL;
         item && status == TESS_OK; item = item->next)
        status = read_group(&all, item);
    if (status != TESS_OK)
        goto out;
    append_singles(&all, reader->graph->n_ops);
    assert(all.next == reader->graph->n_ops && all.n_groups > 0);
    status = tess_plan_set_groups(reader->plan, all.groups, all.n_groups, reader->error);
out:
    free(all.position);
    free(all.claimed_line);
    free(all.groups);
    return status;
}
