#include "plan/plan_text.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plan/plan_text_priv.h"

enum { LIMIT_THREADS = 1024 };
#define LIMIT_MEMORY_BYTES (INT64_C(1) << 50) /* sums of eight stay far below 2^63 */

static const char *const plan_keys[] = {
    "plan",         "model",     "model_hash", "search",       "layers",
    "budget",       "threads",   "split",      "groups",       "schedule",
    "schedule_ops", "copies",    "copies_ops", "streamed",     "streamed_ops",
    "slice",        "placement", "predicted",  "kernel_facts", NULL};

int tess_plan_text_n_layers(const struct tess_graph *graph)
{
    int n_layers = graph->n_layers;
    for (int op = 0; op < graph->n_ops; op++)
        if (graph->ops[op].layer >= n_layers)
            n_layers = graph->ops[op].layer + 1;
    return n_layers;
}

struct tess_span tess_plan_text_cut(const struct tess_graph *graph)
{
    struct tess_span span = {-1, -1};
    bool is_cut = false;
    for (int layer = 0; layer < graph->n_layers; layer++) {
        if (graph->layers[layer].tensor == TESS_LAYER_CUT) {
            is_cut = true;
            continue;
        }
        span.first = span.first < 0 ? layer : span.first;
        span.last = layer;
    }
    return is_cut ? span : (struct tess_span){-1, -1};
}

bool tess_parse_span(const char *text, int limit, struct tess_span *span_out)
{
    char first_text[24];
    const char *dots = strstr(text, "..");
    size_t n_first = dots ? (size_t)(dots - text) : strlen(text);
    int64_t first, last;
    if (n_first >= sizeof first_text)
        return false;
    memcpy(first_text, text, n_first);
    first_text[n_first] = '\0';
    if (!tess_parse_i64(first_text, 0, limit - 1, &first))
        return false;
    last = first;
    if (dots && !tess_parse_i64(dots + 2, first, limit - 1, &last))
        return false;
    assert(0 <= first && first <= last && last < limit);
    *span_out = (struct tess_span){(int)first, (int)last};
    return true;
}

/* Appends the numbers of one scalar. */
static enum tess_status add_numbers(struct tess_number_list *list,
                                    const struct tess_plan_reader *reader,
                                    const struct tess_yaml_node *node, int limit,
                                    const char *what, bool *is_listed)
{
    struct tess_span span;
    if (node->kind != TESS_YAML_SCALAR || !tess_parse_span(node->text, limit, &span)) {
        tess_yaml_error(
            &reader->yaml, node, reader->error,
            "expected a %s from 0 to %d or a range FIRST..LAST of them, not %s", what,
            limit - 1, tess_yaml_quote(node).text);
        tess_error_hint(reader->error,
                        "count as \"tessera info\" does, the last included: "
                        "0..7 are eight");
        return TESS_E_CONFIG;
    }
    struct tess_span part = {reader->plan->first_layer, reader->plan->last_layer};
    bool is_of_part = part.first >= 0 && strcmp(what, "layer") == 0;
    for (int value = span.first; value <= span.last; value++) {
        if (is_of_part && (value < part.first || value > part.last))
            return tess_yaml_error(
                &reader->yaml, node, reader->error,
                "layer %d is not among the layers %d..%d that are to run", value,
                part.first, part.last);
        if (is_listed[value])
            return tess_yaml_error(&reader->yaml, node, reader->error,
                                   "%s %d is named twice", what, value);
        assert(list->n < limit);
        is_listed[value] = true;
        list->nodes[list->n] = node;
        list->values[list->n++] = value;
    }
    return TESS_OK;
}

enum tess_status tess_number_list_init(struct tess_number_list *list,
                                       const struct tess_plan_reader *reader,
                                       const struct tess_yaml_node *node, int limit,
                                       const char *what)
{
    assert(limit > 0);
    memset(list, 0, sizeof *list);
    enum tess_status status = TESS_OK;
    bool *is_listed = calloc((size_t)limit, sizeof *is_listed);
    list->values = calloc((size_t)limit, sizeof *list->values);
    list->nodes = calloc((size_t)limit, sizeof *list->nodes);
    if (!is_listed || !list->values || !list->nodes)
        status = tess_error_nomem(reader->error);
    else if (node->kind != TESS_YAML_LIST)
        status = add_numbers(list, reader, node, limit, what, is_listed);
    else if (!node->first)
        status = tess_yaml_error(&reader->yaml, node, reader->error, "%s names no %s",
                                 tess_yaml_label(node), what);
    else
        for (node = node->first; node && status == TESS_OK; node = node->next)
            status = add_numbers(list, reader, node, limit, what, is_listed);
    free(is_listed);
    return status;
}

void tess_number_list_release(struct tess_number_list *list)
{
    free(list->values);
    free(list->nodes);
    memset(list, 0, sizeof *list);
}

enum tess_status tess_plan_read_time(const struct tess_plan_reader *reader,
                                     const struct tess_yaml_node *node, double *us_out)
{
    assert(TESS_PLAN_LIMIT_US <= 1e14); /* whole in a double, see yaml_write.h */
    double ms;
    enum tess_status status = tess_yaml_decimal(
        &reader->yaml, node, 0, TESS_PLAN_LIMIT_US / 1000, &ms, reader->error);
    if (status == TESS_OK)
        *us_out = round(ms * 1000);
    return status;
}

enum tess_status tess_plan_check_version(const struct tess_yaml *yaml,
                                         struct tess_error *error)
{
    const struct tess_yaml_node *version =
        yaml->root->kind == TESS_YAML_MAP ? tess_yaml_find(yaml->root, "plan") : NULL;
    if (!version) {
        tess_yaml_error(yaml, yaml->root, error,
                        "this is no plan: the line \"plan: 1\" is missing");
        tess_error_hint(error,
                        "every plan begins with \"plan: 1\", the version of the format");
        return TESS_E_CONFIG;
    }
    if (strcmp(version->text, "1") == 0)
        return TESS_OK;
    return tess_yaml_error(yaml, version, error,
                           "this program reads plans of version 1, not of version %s",
                           tess_yaml_quote(version).text);
}

/* Is the plan for this network? The hash decides; without one the name has to do. */
static enum tess_status read_model(struct tess_plan_reader *reader)
{
    const struct tess_yaml_node *name = tess_yaml_find(reader->yaml.root, "model");
    const struct tess_yaml_node *hash = tess_yaml_find(reader->yaml.root, "model_hash");
    const char *graph_name = reader->graph->name ? reader->graph->name : "";
    struct tess_plan *plan = reader->plan;
    if (name) {
        enum tess_status status = tess_yaml_name(&reader->yaml, name, plan->model,
                                                 sizeof plan->model, reader->error);
        if (status != TESS_OK)
            return status;
    }
    if (hash) {
        bool is_hex = hash->kind == TESS_YAML_SCALAR && strlen(hash->text) == 16 &&
                      strspn(hash->text, "0123456789abcdefABCDEF") == 16;
        if (!is_hex)
            return tess_yaml_error(&reader->yaml, hash, reader->error,
                                   "model_hash must be 16 hexadecimal digits, not %s",
                                   tess_yaml_quote(hash).text);
        if (strtoull(hash->text, NULL, 16) == reader->graph->source_hash)
            return TESS_OK;
        tess_yaml_error(
            &reader->yaml, hash, reader->error,
            "the plan was made for another network (\"%s\") than \"%s\", whose "
            "hash is %016llx",
            plan->model, graph_name, (unsigned long long)reader->graph->source_hash);
        tess_error_hint(reader->error,
                        "make a new one with: tessera plan; or remove model_hash "
                        "to use the groups all the same");
        return TESS_E_CONFIG;
    }
    if (!name || strcmp(name->text, graph_name) == 0)
        return TESS_OK;
    tess_yaml_error(&reader->yaml, name, reader->error,
                    "the plan is for the network \"%s\", not for \"%s\"", plan->model,
                    graph_name);
    tess_error_hint(reader->error, "remove this line to use the plan with any network");
    return TESS_E_CONFIG;
}

static enum tess_status read_part(const struct tess_yaml *yaml,
                                  const struct tess_yaml_node *node,
                                  struct tess_span *span_out, struct tess_error *error)
{
    if (node->kind == TESS_YAML_SCALAR &&
        tess_parse_span(node->text, INT32_MAX, span_out))
        return TESS_OK;
    return tess_yaml_error(yaml, node, error,
                           "layers must be a range FIRST..LAST, not %s",
                           tess_yaml_quote(node).text);
}

/* Is the graph the part of the network that the plan is for? */
static enum tess_status read_cut(struct tess_plan_reader *reader)
{
    const struct tess_yaml_node *node = tess_yaml_find(reader->yaml.root, "layers");
    struct tess_span span = tess_plan_text_cut(reader->graph);
    if (node) {
        enum tess_status status = read_part(&reader->yaml, node, &span, reader->error);
        if (status != TESS_OK)
            return status;
        if (span.last >= reader->n_layers)
            return tess_yaml_error(&reader->yaml, node, reader->error,
                                   "there is no layer %d: the last one is %d", span.last,
                                   reader->n_layers - 1);
    }
    for (int op = 0; op < reader->graph->n_ops && node; op++) {
        int layer = reader->graph->ops[op].layer;
        if (layer >= span.first && layer <= span.last)
            continue;
        tess_yaml_error(&reader->yaml, node, reader->error,
                        "the plan is for layers %d..%d, but layer %d is to run, too",
                        span.first, span.last, layer);
        tess_error_hint(
            reader->error,
            "run only those with --layers %d..%d, or remove this line and model_hash",
            span.first, span.last);
        return TESS_E_CONFIG;
    }
    reader->plan->first_layer = span.first;
    reader->plan->last_layer = span.last;
    return TESS_OK;
}

static enum tess_status read_settings(struct tess_plan_reader *reader)
{
    struct tess_plan *plan = reader->plan;
    const struct tess_yaml_node *root = reader->yaml.root;
    const struct tess_yaml_node *search = tess_yaml_find(root, "search");
    const struct tess_yaml_node *budget = tess_yaml_find(root, "budget");
    const struct tess_yaml_node *threads = tess_yaml_find(root, "threads");
    enum tess_status status = TESS_OK;
    int64_t n_threads = plan->n_threads;
    assert(sizeof "hand" <= sizeof plan->search);
    memcpy(plan->search, "hand", sizeof "hand");
    if (search)
        status = tess_yaml_name(&reader->yaml, search, plan->search, sizeof plan->search,
                                reader->error);
    if (budget && status == TESS_OK)
        status = tess_yaml_bytes(&reader->yaml, budget, 1, LIMIT_MEMORY_BYTES,
                                 &plan->budget_bytes, reader->error);
    if (threads && status == TESS_OK)
        status = tess_yaml_int(&reader->yaml, threads, 1, LIMIT_THREADS, &n_threads,
                               reader->error);
    plan->n_threads = (int)n_threads;
    return status;
}

/* A schedule being read. */
struct schedule {
    struct tess_plan_reader *reader;
    bool *is_placed; /* [n_ops] */
    int n_placed;
};

/* Gives `op` the next place, if all that it reads has one. */
static enum tess_status schedule_op(struct schedule *schedule, int op,
                                    const struct tess_yaml_node *node)
{
    const struct tess_plan_reader *reader = schedule->reader;
    const struct tess_graph *graph = reader->graph;
    const struct tess_op *it = &graph->ops[op];
    for (int i = 0; i < it->n_inputs; i++) {
        int producer = graph->tensors[it->inputs[i]].producer;
        if (producer < 0 || schedule->is_placed[producer])
            continue;
        int layer = graph->ops[producer].layer;
        bool is_same = layer == it->layer; /* then only the ops tell them apart */
        return tess_yaml_error(
            &reader->yaml, node, reader->error,
            "the schedule runs %s %d before %s %d, whose output it reads",
            is_same ? "op" : "layer", is_same ? op : it->layer, is_same ? "op" : "layer",
            is_same ? producer : layer);
    }
    assert(!schedule->is_placed[op] && schedule->n_placed < graph->n_ops);
    schedule->is_placed[op] = true;
    reader->plan->order[schedule->n_placed++] = op;
    return TESS_OK;
}

static enum tess_status check_complete(const struct tess_plan_reader *reader,
                                       const struct tess_yaml_node *node,
                                       const bool *is_placed)
{
    for (int op = 0; op < reader->graph->n_ops; op++) {
        if (is_placed[op])
            continue;
        return tess_yaml_error(&reader->yaml, node, reader->error,
                               "the schedule leaves out layer %d (op %d)",
                               reader->graph->ops[op].layer, op);
    }
    return TESS_OK;
}

static enum tess_status read_schedule(struct tess_plan_reader *reader)
{
    const struct tess_graph *graph = reader->graph;
    const struct tess_yaml_node *layers = tess_yaml_find(reader->yaml.root, "schedule");
    const struct tess_yaml_node *ops = tess_yaml_find(reader->yaml.root, "schedule_ops");
    const struct tess_yaml_node *node = layers ? layers : ops;
    if (!node)
        return TESS_OK;
    if (layers && ops)
        return tess_yaml_key_error(
            &reader->yaml, ops, reader->error,
            "a plan has either schedule or schedule_ops, not both");
    struct tess_number_list list;
    struct schedule schedule = {.reader = reader};
    schedule.is_placed = calloc((size_t)graph->n_ops, sizeof *schedule.is_placed);
    enum tess_status status =
        layers ? tess_number_list_init(&list, reader, node, reader->n_layers, "layer")
               : tess_number_list_init(&list, reader, node, graph->n_ops, "op");
    if (!schedule.is_placed && status == TESS_OK)
        status = tess_error_nomem(reader->error);
    for (int i = 0; i < list.n && status == TESS_OK; i++) {
        if (ops)
            status = schedule_op(&schedule, list.values[i], list.nodes[i]);
        for (int op = 0; op < graph->n_ops && layers && status == TESS_OK; op++)
            if (graph->ops[op].layer == list.values[i])
                status = schedule_op(&schedule, op, list.nodes[i]);
    }
    if (status == TESS_OK)
        status = check_complete(reader, node, schedule.is_placed);
    assert(status != TESS_OK || schedule.n_placed == graph->n_ops);
    free(schedule.is_placed);
    tess_number_list_release(&list);
    return status;
}

/* A list of layers, or of ops, that marks ops of one kind. */
struct marks {
    const char *key;
    bool is_of_layers;
    bool *is_marked; /* [n_ops] */
    bool (*is_meant)(const struct tess_op *op);
    const char *why_none; /* said where no op of that kind is */
};

static bool is_concat(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONCAT;
}

static enum tess_status read_marks(struct tess_plan_reader *reader, struct marks marks)
{
    const struct tess_graph *graph = reader->graph;
    const struct tess_yaml_node *node = tess_yaml_find(reader->yaml.root, marks.key);
    if (!node || (node->kind == TESS_YAML_LIST && !node->first))
        return TESS_OK;
    struct tess_number_list list;
    enum tess_status status =
        marks.is_of_layers
            ? tess_number_list_init(&list, reader, node, reader->n_layers, "layer")
            : tess_number_list_init(&list, reader, node, graph->n_ops, "op");
    for (int i = 0; i < list.n && status == TESS_OK; i++) {
        bool is_any = false;
        for (int op = 0; op < graph->n_ops; op++) {
            int number = marks.is_of_layers ? graph->ops[op].layer : op;
            if (number != list.values[i] || !marks.is_meant(&graph->ops[op]))
                continue;
            is_any = true;
            marks.is_marked[op] = true;
        }
        if (!is_any)
            status = tess_yaml_error(&reader->yaml, list.nodes[i], reader->error,
                                     "%s %d %s", marks.is_of_layers ? "layer" : "op",
                                     list.values[i], marks.why_none);
    }
    tess_number_list_release(&list);
    return status;
}

static enum tess_status read_copies(struct tess_plan_reader *reader)
{
    struct marks marks = {"copies", true, reader->plan->copies, is_concat,
                          "joins no maps, so there is nothing to copy"};
    enum tess_status status = read_marks(reader, marks);
    marks.key = "copies_ops";
    marks.is_of_layers = false;
    return status == TESS_OK ? read_marks(reader, marks) : status;
}

static enum tess_status read_streamed(struct tess_plan_reader *reader)
{
    struct marks marks = {"streamed", true, reader->plan->streamed, tess_op_has_weights,
                          "has no weights, so there is nothing to stream"};
    const struct tess_yaml_node *slice = tess_yaml_find(reader->yaml.root, "slice");
    enum tess_status status = read_marks(reader, marks);
    marks.key = "streamed_ops";
    marks.is_of_layers = false;
    if (status == TESS_OK)
        status = read_marks(reader, marks);
    if (status == TESS_OK && slice)
        status = tess_yaml_bytes(&reader->yaml, slice, 1, LIMIT_MEMORY_BYTES,
                                 &reader->plan->slice_bytes, reader->error);
    return status;
}

static enum tess_status read_placement(struct tess_plan_reader *reader)
{
    static const char *const placements[] = {"best", "greedy", NULL};
    const struct tess_yaml_node *node = tess_yaml_find(reader->yaml.root, "placement");
    if (!node || strcmp(node->text, placements[0]) == 0)
        return TESS_OK;
    if (strcmp(node->text, placements[1]) == 0) {
        reader->plan->is_placed_greedily = true;
        return TESS_OK;
    }
    return tess_yaml_error(&reader->yaml, node, reader->error,
                           "placement must be best or greedy, not %s",
                           tess_yaml_quote(node).text);
}

static enum tess_status read_predicted(struct tess_plan_reader *reader)
{
    static const char *const known[] = {"time_ms",       "peak_bytes",
                                        "base_bytes",    "threads_bytes",
                                        "weights_bytes", "workspace_bytes",
                                        "arena_bytes",   "window_bytes",
                                        "input_bytes",   NULL};
    struct tess_plan *plan = reader->plan;
    struct tess_memory *memory = &plan->memory;
    int64_t *const terms[] = {&memory->peak,    &memory->base,      &memory->threads,
                              &memory->weights, &memory->workspace, &memory->arena,
                              &memory->window,  &memory->input};
    const struct tess_yaml_node *map = tess_yaml_find(reader->yaml.root, "predicted");
    if (!map)
        return TESS_OK;
    enum tess_status status =
        tess_yaml_expect_keys(&reader->yaml, map, known, reader->error);
    if (status != TESS_OK)
        return status;
    assert(sizeof known / sizeof *known == sizeof terms / sizeof *terms + 2);
    const struct tess_yaml_node *time = tess_yaml_find(map, "time_ms");
    if (time)
        status = tess_plan_read_time(reader, time, &plan->predicted_us);
    for (size_t i = 0; i < sizeof terms / sizeof *terms && status == TESS_OK; i++) {
        const struct tess_yaml_node *node = tess_yaml_find(map, known[i + 1]);
        if (node)
            status = tess_yaml_bytes(&reader->yaml, node, 0, LIMIT_MEMORY_BYTES, terms[i],
                                     reader->error);
    }
    return status;
}

static enum tess_status read_facts(struct tess_plan_reader *reader)
{
    const struct tess_yaml_node *map = tess_yaml_find(reader->yaml.root, "kernel_facts");
    return map ? tess_facts_read_map(&reader->yaml, map, &reader->plan->facts,
                                     reader->error)
               : TESS_OK;
}

/* Each part relies on those before it: groups on the schedule, all on the root's keys. */
static enum tess_status read_root(struct tess_plan_reader *reader)
{
    const struct tess_yaml_node *root = reader->yaml.root;
    enum tess_status status = tess_plan_check_version(&reader->yaml, reader->error);
    if (status == TESS_OK)
        status = tess_yaml_expect_keys(&reader->yaml, root, plan_keys, reader->error);
    if (status == TESS_OK)
        status = read_cut(reader); /* first: a part has another hash than the whole */
    if (status == TESS_OK)
        status = read_model(reader);
    if (status == TESS_OK)
        status = tess_plan_check_split(reader);
    if (status == TESS_OK)
        status = read_settings(reader);
    if (status == TESS_OK)
        status = read_schedule(reader);
    if (status == TESS_OK)
        status = tess_plan_read_groups(reader, tess_yaml_find(root, "groups"));
    if (status == TESS_OK)
        status = read_copies(reader);
    if (status == TESS_OK)
        status = read_streamed(reader);
    if (status == TESS_OK)
        status = read_placement(reader);
    if (status == TESS_OK)
        status = read_predicted(reader);
    return status == TESS_OK ? read_facts(reader) : status;
}

enum tess_status tess_plan_read(const char *text, size_t n_bytes, const char *file_name,
                                const struct tess_graph *graph,
                                struct tess_plan **plan_out, struct tess_error *error)
{
    assert(graph->n_ops > 0);
    struct tess_plan_reader reader = {
        .graph = graph, .n_layers = tess_plan_text_n_layers(graph), .error = error};
    enum tess_status status =
        tess_yaml_init(&reader.yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = tess_plan_create(graph, &reader.plan, error);
    if (status == TESS_OK)
        status = read_root(&reader);
    if (status == TESS_OK)
        status = tess_plan_check(reader.plan, graph, error);
    tess_yaml_release(&reader.yaml);
    if (status == TESS_OK)
        *plan_out = reader.plan;
    else
        tess_plan_destroy(reader.plan);
    return status;
}

enum tess_status tess_plan_read_layers(const char *text, size_t n_bytes,
                                       const char *file_name, int *first_out,
                                       int *last_out, struct tess_error *error)
{
    struct tess_yaml yaml;
    struct tess_span span = {-1, -1};
    enum tess_status status = tess_yaml_init(&yaml, text, n_bytes, file_name, error);
    if (status == TESS_OK)
        status = tess_plan_check_version(&yaml, error);
    if (status == TESS_OK) {
        const struct tess_yaml_node *layers = tess_yaml_find(yaml.root, "layers");
        if (layers)
            status = read_part(&yaml, layers, &span, error);
    }
    tess_yaml_release(&yaml);
    if (status != TESS_OK)
        return status;
    *first_out = span.first;
    *last_out = span.last;
    return TESS_OK;
}
