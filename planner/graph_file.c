#include "planner/graph_file.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "plan/json_doc.h"

/* An id of the file and which it is of the list. */
struct known_id {
    int id, index;
};

struct reader {
    struct tess_yaml yaml;
    struct tess_graph_file *file;
    struct tess_error *error;
    const struct tess_yaml_node **nodes, **tensor_nodes; /* by index */
    struct known_id *node_ids, *tensor_ids;              /* sorted by id */
    struct tess_task_spec *tasks;
    struct tess_tensor_spec *tensors;
    int n_nodes, n_tensors;
    int *uses; /* what the tasks' lists point into */
    size_t n_text_bytes;
};

/* What values are called in messages. */
enum value_kind { VALUE_NUMBER, VALUE_TEXT, VALUE_LIST, VALUE_MAP };

static const struct tess_yaml_node *find(const struct tess_yaml_node *map,
                                         const char *key)
{
    return tess_yaml_find(map, key);
}

static bool is_null(const struct tess_yaml_node *node)
{
    return node->kind == TESS_YAML_SCALAR && !node->is_quoted &&
           strcmp(node->text, "null") == 0;
}

static bool is_number(const struct tess_yaml_node *node)
{
    return node->kind == TESS_YAML_SCALAR && !node->is_quoted &&
           (node->text[0] == '-' || (node->text[0] >= '0' && node->text[0] <= '9'));
}

static enum tess_status expect(const struct reader *reader,
                               const struct tess_yaml_node *node, enum value_kind kind)
{
    static const char *const names[] = {"a number", "a text in quotes", "a list [...]",
                                        "an object {...}"};
    bool is_fine = kind == VALUE_NUMBER ? is_number(node)
                   : kind == VALUE_TEXT
                       ? node->kind == TESS_YAML_SCALAR && node->is_quoted
                   : kind == VALUE_LIST ? node->kind == TESS_YAML_LIST
                                        : node->kind == TESS_YAML_MAP;
    if (is_fine)
        return TESS_OK;
    const char *label = node == reader->yaml.root ? "the file" : tess_yaml_label(node);
    const char *found = node->kind == TESS_YAML_LIST  ? "a list"
                        : node->kind == TESS_YAML_MAP ? "an object"
                        : node->is_quoted             ? "a text"
                                                      : node->text;
    tess_yaml_error(&reader->yaml, node, reader->error, "%s must be %s, not %.40s", label,
                    names[kind], found);
    if (kind == VALUE_NUMBER && node->is_quoted)
        tess_error_hint(reader->error, "write it without quotes");
    return TESS_E_CONFIG;
}

/* A whole number from 0 on. */
static enum tess_status read_number(struct reader *reader,
                                    const struct tess_yaml_node *node, int64_t high,
                                    int64_t *value_out)
{
    enum tess_status status = expect(reader, node, VALUE_NUMBER);
    if (status != TESS_OK)
        return status;
    status = tess_yaml_int(&reader->yaml, node, 0, high, value_out, reader->error);
    if (status != TESS_OK && strpbrk(node->text, ".eE"))
        tess_error_hint(reader->error,
                        "write all its digits: neither fraction nor exponent");
    return status;
}

/* The value of a key that must be there, of one kind. */
static enum tess_status need(struct reader *reader, const struct tess_yaml_node *map,
                             const char *key, enum value_kind kind,
                             const struct tess_yaml_node **value_out)
{
    const char *const wanted[] = {key, NULL};
    const struct tess_yaml_node *value = find(map, key);
    if (value) {
        *value_out = value;
        return expect(reader, value, kind);
    }
    tess_yaml_error(&reader->yaml, map, reader->error, "\"%s\" is missing", key);
    for (const struct tess_yaml_node *node = map->first; node; node = node->next)
        if (tess_nearest_word(node->key, wanted))
            tess_error_hint(reader->error, "is %s meant, in line %d?",
                            tess_yaml_quote_text(node->key).text, node->key_line);
    return TESS_E_CONFIG;
}

static int compare_ids(const void *a, const void *b)
{
    const struct known_id *x = a, *y = b;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

/* Reads the ids of a list of objects; the objects by index, and the ids sorted. */
static enum tess_status read_ids(struct reader *reader, const struct tess_yaml_node *list,
                                 const struct tess_yaml_node **nodes,
                                 struct known_id *ids)
{
    int n = 0;
    for (const struct tess_yaml_node *node = list->first; node; node = node->next, n++) {
        const struct tess_yaml_node *id_node = NULL;
        int64_t id;
        enum tess_status status = expect(reader, node, VALUE_MAP);
        if (status == TESS_OK)
            status = need(reader, node, "id", VALUE_NUMBER, &id_node);
        if (status == TESS_OK)
            status = read_number(reader, id_node, INT32_MAX - 1, &id);
        if (status != TESS_OK)
            return status;
        nodes[n] = node;
        ids[n] = (struct known_id){(int)id, n};
    }
    qsort(ids, (size_t)n, sizeof *ids, compare_ids);
    for (int i = 1; i < n; i++)
        if (ids[i].id == ids[i - 1].id)
            return tess_yaml_error(&reader->yaml, find(nodes[ids[i].index], "id"),
                                   reader->error,
                                   "id %d is given twice, first in line %d", ids[i].id,
                                   nodes[ids[i - 1].index]->line);
    return TESS_OK;
}

/* The index of the tensor that an entry of a list names. */
static enum tess_status read_reference(struct reader *reader,
                                       const struct tess_yaml_node *entry, int *index_out)
{
    int64_t id;
    enum tess_status status = read_number(reader, entry, INT32_MAX - 1, &id);
    if (status != TESS_OK)
        return status;
    int low = 0, high = reader->n_tensors;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (reader->tensor_ids[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == reader->n_tensors || reader->tensor_ids[low].id != id) {
        tess_yaml_error(&reader->yaml, entry, reader->error,
                        "there is no tensor with id %d", (int)id);
        tess_error_hint(reader->error, "the list \"tensors\" must have it");
        return TESS_E_CONFIG;
    }
    *index_out = reader->tensor_ids[low].index;
    return TESS_OK;
}

/* A text of the file, copied to the end of the texts; "" for none, and for null. */
static enum tess_status
copy_text(struct reader *reader, const struct tess_yaml_node *node, const char **text_out)
{
    char *at = reader->file->texts + reader->n_text_bytes;
    const char *text = "";
    if (node && !is_null(node)) {
        enum tess_status status = expect(reader, node, VALUE_TEXT);
        if (status != TESS_OK)
            return status;
        text = node->text;
    }
    size_t n_bytes = strlen(text) + 1;
    memcpy(at, text, n_bytes);
    reader->n_text_bytes += n_bytes;
    *text_out = at;
    return TESS_OK;
}

/* A cost is any number: it is told, and nothing rests on its last digit. */
static enum tess_status read_cost(struct reader *reader,
                                  const struct tess_yaml_node *node, int64_t *cost_out)
{
    double cost;
    if (!node || is_null(node))
        return TESS_OK;
    enum tess_status status = expect(reader, node, VALUE_NUMBER);
    if (status != TESS_OK || tess_parse_i64(node->text, 0, INT64_MAX, cost_out))
        return status;
    status = tess_yaml_decimal(&reader->yaml, node, 0, 9e18, &cost, reader->error);
    if (status == TESS_OK)
        *cost_out = (int64_t)cost;
    return status;
}

/* Reads a list of tensors of a task to `at`. */
static enum tess_status read_uses(struct reader *reader,
                                  const struct tess_yaml_node *node, const char *key,
                                  int *at, int *n_out)
{
    const struct tess_yaml_node *list = NULL;
    bool is_output = strcmp(key, "outputs") == 0;
    enum tess_status status = need(reader, node, key, VALUE_LIST, &list);
    if (status != TESS_OK)
        return status;
    for (const struct tess_yaml_node *entry = list->first; entry && status == TESS_OK;
         entry = entry->next) {
        status = read_reference(reader, entry, at);
        if (status == TESS_OK && is_output && reader->tensors[*at].is_input) {
            status = tess_yaml_error(&reader->yaml, entry, reader->error,
                                     "tensor %s is an input of the graph: no node may "
                                     "write it",
                                     entry->text);
            tess_error_hint(reader->error, "take it out of the graph's \"inputs\", or "
                                           "let the node write another tensor");
        }
        at++;
    }
    *n_out = list->n_children;
    return status;
}

static unsigned flags_of(const char *op)
{
    enum { OVERWRITES = TESS_TASK_OVERWRITES, PARTWISE = TESS_TASK_PARTWISE };
    static const struct {
        const char *op;
        unsigned flags;
    } known[] = {
        {"concat", TESS_TASK_CONCAT},
        {"conv", TESS_TASK_SUMS},
        {"fc", TESS_TASK_SUMS},
        {"dwconv", PARTWISE},
        {"maxpool", PARTWISE},
        {"avgpool", PARTWISE},
        {"gap", PARTWISE},
        {"upsample", PARTWISE},
        {"relu", PARTWISE | OVERWRITES},
        {"bnrelu", PARTWISE | OVERWRITES},
        {"swish", PARTWISE | OVERWRITES},
        {"add", OVERWRITES},
        {"reshape", OVERWRITES},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(op, known[i].op) == 0)
            return known[i].flags;
    return 0;
}

static enum tess_status read_tasks(struct reader *reader)
{
    int *at = reader->uses;
    for (int i = 0; i < reader->n_nodes; i++) {
        const struct tess_yaml_node *node = reader->nodes[i], *op = NULL;
        struct tess_graph_file_task *task = &reader->file->tasks[i];
        struct tess_task_spec *spec = &reader->tasks[i];
        int64_t id = 0;
        enum tess_status status = read_number(reader, find(node, "id"), INT32_MAX, &id);
        if (status == TESS_OK)
            status = need(reader, node, "op", VALUE_TEXT, &op);
        if (status == TESS_OK)
            status = copy_text(reader, op, &task->op);
        if (status == TESS_OK)
            status = copy_text(reader, find(node, "name"), &task->name);
        if (status == TESS_OK)
            status = read_cost(reader, find(node, "cost"), &task->cost);
        spec->inputs = at;
        if (status == TESS_OK)
            status = read_uses(reader, node, "inputs", at, &spec->n_inputs);
        at += spec->n_inputs;
        spec->outputs = at;
        if (status == TESS_OK)
            status = read_uses(reader, node, "outputs", at, &spec->n_outputs);
        at += spec->n_outputs;
        if (status != TESS_OK)
            return status;
        task->id = (int)id;
        spec->flags = flags_of(task->op);
    }
    return TESS_OK;
}

static enum tess_status read_tensors(struct reader *reader)
{
    int64_t sum = 0;
    for (int i = 0; i < reader->n_tensors; i++) {
        const struct tess_yaml_node *node = reader->tensor_nodes[i], *bytes = NULL;
        int64_t id = 0;
        enum tess_status status = read_number(reader, find(node, "id"), INT32_MAX, &id);
        if (status == TESS_OK)
            status = need(reader, node, "bytes", VALUE_NUMBER, &bytes);
        if (status == TESS_OK)
            status = read_number(reader, bytes, TESS_TASKS_LIMIT_BYTES,
                                 &reader->tensors[i].bytes);
        if (status == TESS_OK &&
            (sum += reader->tensors[i].bytes) > TESS_TASKS_LIMIT_BYTES)
            status = tess_yaml_error(&reader->yaml, bytes, reader->error,
                                     "the tensors up to here are larger than %lld bytes "
                                     "together",
                                     (long long)TESS_TASKS_LIMIT_BYTES);
        if (status == TESS_OK)
            status =
                copy_text(reader, find(node, "name"), &reader->file->tensors[i].name);
        if (status != TESS_OK)
            return status;
        reader->file->tensors[i].id = (int)id;
    }
    return TESS_OK;
}

static enum tess_status read_ends(struct reader *reader, const char *key)
{
    const struct tess_yaml_node *list = NULL;
    enum tess_status status = need(reader, reader->yaml.root, key, VALUE_LIST, &list);
    for (const struct tess_yaml_node *entry = status == TESS_OK ? list->first : NULL;
         entry && status == TESS_OK; entry = entry->next) {
        int tensor;
        status = read_reference(reader, entry, &tensor);
        if (status != TESS_OK)
            break;
        if (strcmp(key, "inputs") == 0)
            reader->tensors[tensor].is_input = true;
        else
            reader->tensors[tensor].is_retained = true;
    }
    return status;
}

/* What the graph says about the spec, at the place in the file that it is about. */
static enum tess_status make_graph(struct reader *reader)
{
    struct tess_tasks_spec spec = {reader->n_nodes, reader->n_tensors, reader->tasks,
                                   reader->tensors};
    struct tess_task_fault fault = {-1, -1};
    struct tess_error error;
    tess_error_init(&error);
    enum tess_status status =
        tess_task_graph_create(&spec, &reader->file->graph, &fault, &error);
    if (status == TESS_OK)
        return TESS_OK;
    if (status == TESS_E_NOMEM)
        return tess_error_nomem(reader->error);
    const struct tess_yaml_node *at = fault.task >= 0 ? reader->nodes[fault.task]
                                      : fault.tensor >= 0
                                          ? reader->tensor_nodes[fault.tensor]
                                          : reader->yaml.root;
    /* The graph counts from 0, the file has ids. */
    const char *what = strstr(error.message, ": ");
    what = what ? what + 2 : error.message;
    if (fault.task >= 0) {
        tess_yaml_error(&reader->yaml, at, reader->error, "node %d: %s",
                        reader->file->tasks[fault.task].id, what);
        tess_error_hint(reader->error, "the nodes form a cycle: no order can run them");
    } else if (fault.tensor >= 0) {
        tess_yaml_error(&reader->yaml, at, reader->error, "tensor %d: %s",
                        reader->file->tensors[fault.tensor].id, what);
        tess_error_hint(reader->error, "name it in the \"outputs\" of a node or in the "
                                       "\"inputs\" of the graph");
    } else {
        tess_yaml_error(&reader->yaml, at, reader->error, "%s", error.message);
    }
    return TESS_E_CONFIG;
}

/* Counts what is needed of everything, and gets it. */
static enum tess_status allocate(struct reader *reader,
                                 const struct tess_yaml_node *nodes,
                                 const struct tess_yaml_node *tensors, size_t n_bytes)
{
    size_t n_nodes = (size_t)nodes->n_children + 1;
    size_t n_tensors = (size_t)tensors->n_children + 1;
    reader->n_nodes = nodes->n_children;
    reader->n_tensors = tensors->n_children;
    reader->nodes = calloc(n_nodes, sizeof *reader->nodes);
    reader->tensor_nodes = calloc(n_tensors, sizeof *reader->tensor_nodes);
    reader->node_ids = calloc(n_nodes, sizeof *reader->node_ids);
    reader->tensor_ids = calloc(n_tensors, sizeof *reader->tensor_ids);
    reader->tasks = calloc(n_nodes, sizeof *reader->tasks);
    reader->tensors = calloc(n_tensors, sizeof *reader->tensors);
    /* A number and what parts it from the next are two bytes; no text is longer than the file
     * has it. */
    reader->uses = malloc(sizeof *reader->uses * (n_bytes / 2 + 1));
    reader->file->texts = malloc(n_bytes + n_nodes * 2 + n_tensors + 1);
    reader->file->tasks = calloc(n_nodes, sizeof *reader->file->tasks);
    reader->file->tensors = calloc(n_tensors, sizeof *reader->file->tensors);
    if (!reader->nodes || !reader->tensor_nodes || !reader->node_ids ||
        !reader->tensor_ids || !reader->tasks || !reader->tensors || !reader->uses ||
        !reader->file->texts || !reader->file->tasks || !reader->file->tensors)
        return tess_error_nomem(reader->error);
    return TESS_OK;
}

static enum tess_status read_document(struct reader *reader, size_t n_bytes)
{
    const struct tess_yaml_node *root = reader->yaml.root;
    const struct tess_yaml_node *nodes = NULL, *tensors = NULL;
    const char *name = "";
    enum tess_status status = expect(reader, root, VALUE_MAP);
    if (status == TESS_OK)
        status = need(reader, root, "nodes", VALUE_LIST, &nodes);
    if (status == TESS_OK)
        status = need(reader, root, "tensors", VALUE_LIST, &tensors);
    if (status == TESS_OK)
        status = allocate(reader, nodes, tensors, n_bytes);
    if (status == TESS_OK)
        status = copy_text(reader, find(root, "name"), &name);
    if (status == TESS_OK) {
        reader->file->name = strdup(name);
        if (!reader->file->name)
            status = tess_error_nomem(reader->error);
    }
    if (status == TESS_OK)
        status = read_ids(reader, nodes, reader->nodes, reader->node_ids);
    if (status == TESS_OK)
        status = read_ids(reader, tensors, reader->tensor_nodes, reader->tensor_ids);
    if (status == TESS_OK)
        status = read_tensors(reader);
    if (status == TESS_OK)
        status = read_ends(reader, "inputs");
    if (status == TESS_OK)
        status = read_ends(reader, "outputs");
    if (status == TESS_OK)
        status = read_tasks(reader);
    return status == TESS_OK ? make_graph(reader) : status;
}

enum tess_status tess_graph_file_parse(struct tess_graph_file *file, const char *text,
                                       size_t n_bytes, const char *file_name,
                                       struct tess_error *error)
{
    const struct tess_yaml_limits limits = {TESS_GRAPH_FILE_LIMIT_BYTES,
                                            TESS_GRAPH_FILE_LIMIT_NODES};
    struct reader reader = {.file = file, .error = error};
    *file = (struct tess_graph_file){0};
    enum tess_status status =
        tess_json_doc_init(&reader.yaml, text, n_bytes, file_name, &limits, error);
    if (status == TESS_OK)
        status = read_document(&reader, n_bytes);
    if (status == TESS_E_CONFIG)
        tess_error_hint(error, "what a task graph holds: docs/schedule.md");
    tess_yaml_release(&reader.yaml);
    free(reader.nodes);
    free(reader.tensor_nodes);
    free(reader.node_ids);
    free(reader.tensor_ids);
    free(reader.tasks);
    free(reader.tensors);
    free(reader.uses);
    return status;
}

enum tess_status tess_graph_file_read(struct tess_graph_file *file, const char *path,
                                      struct tess_error *error)
{
    struct tess_text text;
    *file = (struct tess_graph_file){0};
    tess_text_init(&text);
    enum tess_status status =
        tess_file_read(path, TESS_GRAPH_FILE_LIMIT_BYTES, &text, error);
    if (status == TESS_OK)
        status =
            tess_graph_file_parse(file, tess_text_string(&text), text.len, path, error);
    tess_text_release(&text);
    return status;
}

void tess_graph_file_release(struct tess_graph_file *file)
{
    if (!file)
        return;
    tess_task_graph_destroy(file->graph);
    free(file->name);
    free(file->tasks);
    free(file->tensors);
    free(file->texts);
    *file = (struct tess_graph_file){0};
}
