/* Writing plans: the canonical text, in which everything that has a default and has it is
 * left out, and layers stand for their ops wherever that says the same.
 *
 * Invariant: what is written depends on the plan and the graph only, and reading it gives
 * the plan back. So a group is named by layers only if it holds all their ops, and a
 * schedule only if each layer's ops follow one another in the graph's order; else they
 * are named by position and by op.
 *
 * Cost: O(n_ops^2) without memory of its own.
 */
#include <assert.h>
#include <math.h>
#include <stdbool.h>

#include "plan/plan_text.h"
#include "plan/plan_text_priv.h"
#include "plan/yaml_write.h"

/* The schedule positions of one layer's ops. */
struct presence {
    int first, last, n; /* first and last both included */
};

static int layer_at(const struct tess_plan *plan, const struct tess_graph *graph, int at)
{
    assert(at >= 0 && at < plan->n_ops);
    return graph->ops[plan->order[at]].layer;
}

static struct presence find_layer(const struct tess_plan *plan,
                                  const struct tess_graph *graph, int layer)
{
    struct presence where = {-1, -1, 0};
    for (int at = 0; at < plan->n_ops; at++) {
        if (layer_at(plan, graph, at) != layer)
            continue;
        where.first = where.n == 0 ? at : where.first;
        where.last = at;
        where.n++;
    }
    assert(where.n > 0); /* callers ask for layers of ops */
    return where;
}

/* A flow list in which runs of neighbours become ranges. */
struct list_writer {
    struct tess_text *text;
    const struct tess_graph *graph;
    bool is_of_layers; /* else of ops */
    bool has_items;
    struct tess_span run;
    int n_run;
};

/* The number that follows `value` in a range: layers without ops do not count. */
static int successor(const struct list_writer *list, int value)
{
    int next = list->is_of_layers ? -1 : value + 1;
    for (int op = 0; op < list->graph->n_ops && list->is_of_layers; op++) {
        int layer = list->graph->ops[op].layer;
        if (layer > value && (next < 0 || layer < next))
            next = layer;
    }
    return next;
}

static void put_item(struct list_writer *list, int first, int last)
{
    tess_text_printf(list->text, list->has_items ? ", %d" : "%d", first);
    if (last != first)
        tess_text_printf(list->text, "..%d", last);
    list->has_items = true;
}

static void flush_run(struct list_writer *list)
{
    if (list->n_run == 0)
        return;
    if (list->n_run == 2) { /* "3, 4" is no longer than "3..4" */
        put_item(list, list->run.first, list->run.first);
        put_item(list, list->run.last, list->run.last);
    } else {
        put_item(list, list->run.first, list->run.last);
    }
    list->n_run = 0;
}

static void add_to_list(struct list_writer *list, int value)
{
    if (list->n_run > 0 && value == successor(list, list->run.last)) {
        list->run.last = value;
        list->n_run++;
        return;
    }
    flush_run(list);
    list->run = (struct tess_span){value, value};
    list->n_run = 1;
}

static void put_span(struct tess_text *text, struct tess_span span)
{
    assert(0 <= span.first && span.first <= span.last);
    tess_text_printf(text, "%d", span.first);
    if (span.last != span.first)
        tess_text_printf(text, "..%d", span.last);
    tess_text_printf(text, "\n");
}

/* Does the group hold every op of the layers it has ops of? */
static bool has_whole_layers(const struct tess_plan *plan, const struct tess_graph *graph,
                             const struct tess_group *group)
{
    for (int at = group->first; at <= group->last; at++) {
        struct presence where = find_layer(plan, graph, layer_at(plan, graph, at));
        if (where.first < group->first || where.last > group->last)
            return false;
    }
    return true;
}

/* Lowest and highest layer of the group, and whether it holds all ops between them. */
static struct tess_span layer_span(const struct tess_plan *plan,
                                   const struct tess_graph *graph,
                                   const struct tess_group *group, bool *is_complete_out)
{
    struct tess_span span;
    span.first = span.last = layer_at(plan, graph, group->first);
    for (int at = group->first + 1; at <= group->last; at++) {
        int layer = layer_at(plan, graph, at);
        span.first = layer < span.first ? layer : span.first;
        span.last = layer > span.last ? layer : span.last;
    }
    int n_between = 0;
    for (int op = 0; op < graph->n_ops; op++)
        n_between +=
            graph->ops[op].layer >= span.first && graph->ops[op].layer <= span.last;
    assert(n_between >= group->last - group->first + 1);
    *is_complete_out = n_between == group->last - group->first + 1;
    return span;
}

static void put_group_layers(const struct tess_plan *plan, const struct tess_graph *graph,
                             const struct tess_group *group, struct tess_text *text)
{
    bool is_complete;
    struct tess_span span = layer_span(plan, graph, group, &is_complete);
    if (!has_whole_layers(plan, graph, group)) {
        tess_text_printf(text, "ops: ");
        put_span(text, (struct tess_span){group->first, group->last});
        return;
    }
    tess_text_printf(text, "layers: ");
    if (is_complete) {
        put_span(text, span);
        return;
    }
    struct list_writer list = {.text = text, .graph = graph, .is_of_layers = true};
    tess_text_printf(text, "[");
    for (int at = group->first; at <= group->last; at++) {
        int layer = layer_at(plan, graph, at);
        if (find_layer(plan, graph, layer).first == at)
            add_to_list(&list, layer);
    }
    flush_run(&list);
    tess_text_printf(text, "]\n");
}

static bool is_time_known(double us)
{
    return us >= 0.5; /* less is rounded to nothing */
}

static void put_time(struct tess_text *text, double us)
{
    tess_yaml_write_decimal(text, fmin(us, TESS_PLAN_LIMIT_US) / 1000, 3);
    tess_text_printf(text, "\n");
}

/* Does reading make the same group when the file does not mention it? */
static bool is_default_group(const struct tess_group *group)
{
    return group->first == group->last && group->tiling.n_rows == 1 &&
           group->tiling.n_cols == 1 && group->tiling.halo == TESS_HALO_RECOMPUTE &&
           !is_time_known(group->predicted_us);
}

static void put_groups(const struct tess_plan *plan, const struct tess_graph *graph,
                       struct tess_text *text)
{
    bool has_groups = false;
    assert(plan->groups[plan->n_groups - 1].last == plan->n_ops - 1);
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[i];
        if (is_default_group(group))
            continue;
        tess_text_printf(text, has_groups ? "  - " : "groups:\n  - ");
        has_groups = true;
        put_group_layers(plan, graph, group, text);
        tess_text_printf(text, "    grid: %dx%d\n    halo: %s\n", group->tiling.n_rows,
                         group->tiling.n_cols,
                         group->tiling.halo == TESS_HALO_REUSE ? "reuse" : "recompute");
        if (is_time_known(group->predicted_us)) {
            tess_text_printf(text, "    predicted_ms: ");
            put_time(text, group->predicted_us);
        }
    }
    if (!has_groups)
        tess_text_printf(text, "groups: []\n");
}

/* Do the ops of each layer follow one another, in the graph's order? */
static bool is_scheduled_by_layer(const struct tess_plan *plan,
                                  const struct tess_graph *graph)
{
    for (int at = 0; at < plan->n_ops; at++) {
        int layer = layer_at(plan, graph, at);
        struct presence where = find_layer(plan, graph, layer);
        if (where.last - where.first + 1 != where.n)
            return false;
        if (at > where.first && plan->order[at] < plan->order[at - 1])
            return false;
    }
    return true;
}

static void put_schedule(const struct tess_plan *plan, const struct tess_graph *graph,
                         struct tess_text *text)
{
    bool is_natural = true;
    for (int at = 0; at < plan->n_ops; at++)
        is_natural = is_natural && plan->order[at] == at;
    if (is_natural)
        return;
    struct list_writer list = {.text = text, .graph = graph};
    list.is_of_layers = is_scheduled_by_layer(plan, graph);
    tess_text_printf(text, list.is_of_layers ? "schedule: [" : "schedule_ops: [");
    for (int at = 0; at < plan->n_ops; at++) {
        if (!list.is_of_layers)
            add_to_list(&list, plan->order[at]);
        else if (at == 0 || layer_at(plan, graph, at - 1) != layer_at(plan, graph, at))
            add_to_list(&list, layer_at(plan, graph, at));
    }
    flush_run(&list);
    tess_text_printf(text, "]\n");
}

/* Ops of one kind, some of them marked. */
struct marks {
    const struct tess_graph *graph;
    const bool *is_marked; /* [n_ops] */
    bool (*is_meant)(const struct tess_op *op);
};

static bool is_concat(const struct tess_op *op)
{
    return op->kind == TESS_OP_CONCAT;
}

/* Is every op meant of the layer of `op` marked? */
static bool marks_whole_layer(const struct marks *marks, int op)
{
    const struct tess_op *ops = marks->graph->ops;
    for (int other = 0; other < marks->graph->n_ops; other++)
        if (ops[other].layer == ops[op].layer && marks->is_meant(&ops[other]) &&
            !marks->is_marked[other])
            return false;
    return true;
}

/* Is `op` the first op meant of its layer? */
static bool is_first_of_layer(const struct marks *marks, int op)
{
    const struct tess_op *ops = marks->graph->ops;
    for (int other = 0; other < op; other++)
        if (ops[other].layer == ops[op].layer && marks->is_meant(&ops[other]))
            return false;
    return true;
}

/* "key: [layers]", or "key_ops: [ops]" where that does not say it. Says whether any was. */
static bool put_marks(const struct marks *marks, const char *key, struct tess_text *text)
{
    const struct tess_graph *graph = marks->graph;
    struct list_writer list = {.text = text, .graph = graph, .is_of_layers = true};
    bool is_any = false;
    for (int op = 0; op < graph->n_ops; op++) {
        if (!marks->is_marked[op] || !marks->is_meant(&graph->ops[op]))
            continue;
        is_any = true;
        if (!marks_whole_layer(marks, op))
            list.is_of_layers = false;
    }
    if (!is_any)
        return false;
    tess_text_printf(text, "%s%s: [", key, list.is_of_layers ? "" : "_ops");
    for (int op = 0; op < graph->n_ops; op++) {
        if (!marks->is_marked[op] || !marks->is_meant(&graph->ops[op]))
            continue;
        if (!list.is_of_layers)
            put_item(&list, op, op);
        else if (is_first_of_layer(marks, op))
            put_item(&list, graph->ops[op].layer, graph->ops[op].layer);
    }
    tess_text_printf(text, "]\n");
    return true;
}

/* The layers whose convolutions are chains, each once. */
static void put_split(const struct tess_graph *graph, struct tess_text *text)
{
    struct list_writer list = {.text = text, .graph = graph, .is_of_layers = true};
    for (int op = 0; op < graph->n_ops; op++) {
        const struct tess_op *it = &graph->ops[op];
        if (!tess_op_is_partial(it) || it->n_inputs != 1)
            continue; /* the first of a chain speaks for it */
        if (!list.has_items)
            tess_text_printf(text, "split: [");
        put_item(&list, it->layer, it->layer);
    }
    if (list.has_items)
        tess_text_printf(text, "]\n");
}

static void put_streamed(const struct tess_plan *plan, const struct tess_graph *graph,
                         struct tess_text *text)
{
    const struct marks marks = {graph, plan->streamed, tess_op_has_weights};
    char slice[24];
    if (put_marks(&marks, "streamed", text) && plan->slice_bytes > 0)
        tess_text_printf(text, "slice: %s\n",
                         tess_format_bytes_exact(plan->slice_bytes, slice, sizeof slice));
}

static void put_predicted(const struct tess_plan *plan, struct tess_text *text)
{
    const struct tess_memory *memory = &plan->memory;
    const struct {
        const char *name;
        int64_t bytes;
    } terms[] = {
        {"peak", memory->peak},           {"base", memory->base},
        {"threads", memory->threads},     {"weights", memory->weights},
        {"workspace", memory->workspace}, {"arena", memory->arena},
        {"window", memory->window},       {"input", memory->input},
    };
    bool has_memory = memory->peak != 0 || tess_memory_sum(memory) != 0;
    if (!has_memory && !is_time_known(plan->predicted_us))
        return;
    tess_text_printf(text, "predicted:\n");
    if (is_time_known(plan->predicted_us)) {
        tess_text_printf(text, "  time_ms: ");
        put_time(text, plan->predicted_us);
    }
    for (size_t i = 0; i < sizeof terms / sizeof *terms && has_memory; i++)
        tess_text_printf(text, "  %s_bytes: %lld\n", terms[i].name,
                         (long long)terms[i].bytes);
}

static void put_name(struct tess_text *text, const char *key, const char *name)
{
    if (!name[0])
        return;
    tess_text_printf(text, "%s: ", key);
    tess_yaml_write_name(text, name);
    tess_text_printf(text, "\n");
}

void tess_plan_write(const struct tess_plan *plan, const struct tess_graph *graph,
                     struct tess_text *text_out)
{
    assert(plan->n_ops == graph->n_ops && plan->n_groups > 0);
    struct tess_span part = {plan->first_layer, plan->last_layer};
    char budget[24];
    if (part.first < 0)
        part = tess_plan_text_cut(graph);
    tess_text_printf(text_out, "# tessera plan 1\nplan: 1\n");
    put_name(text_out, "model", plan->model);
    /* A split graph is made of the network again: its own hash would say nothing. */
    uint64_t hash =
        plan->model_hash == graph->hash ? graph->source_hash : plan->model_hash;
    tess_text_printf(text_out, "model_hash: %016llx\n", (unsigned long long)hash);
    put_name(text_out, "search", plan->search);
    if (part.first >= 0) {
        tess_text_printf(text_out, "layers: ");
        put_span(text_out, part);
    }
    if (plan->budget_bytes > 0)
        tess_text_printf(
            text_out, "budget: %s\n",
            tess_format_bytes_exact(plan->budget_bytes, budget, sizeof budget));
    tess_text_printf(text_out, "threads: %d\n", plan->n_threads);
    put_split(graph, text_out);
    put_groups(plan, graph, text_out);
    put_schedule(plan, graph, text_out);
    put_marks(&(struct marks){graph, plan->copies, is_concat}, "copies", text_out);
    put_streamed(plan, graph, text_out);
    if (plan->is_placed_greedily)
        tess_text_printf(text_out, "placement: greedy\n");
    put_predicted(plan, text_out);
    if (plan->facts.family[0]) /* else nobody has measured them */
        tess_facts_write(&plan->facts, text_out);
}
