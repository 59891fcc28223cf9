#include "planner/graph_model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

enum { NAME_BYTES = 32 };

struct maker {
    const struct tess_graph *network;
    const struct tess_layout *layout; /* NULL: of a network */
    bool views_slices;
    int n_tasks;
    int *task_of;   /* [n_ops] */
    int *first_op;  /* [n_tasks] the first op of each */
    int *n_ops;     /* [n_tasks] */
    int *group_of;  /* [n_tasks] its tiled group, -1: a single op */
    int *n_sharing; /* of the layout's storages: tensors in it */
    struct tess_task_spec *tasks;
    struct tess_tensor_spec *tensors; /* the network's, then the memory of each task */
    bool *is_used;                    /* of those */
    int *index_of;                    /* of those: which it is of the graph */
    int *uses;                        /* what the tasks' lists point into */
    struct tess_graph_file *file;
};

/* ---- tasks ---- */

static int op_at(const struct maker *maker, int position)
{
    return maker->layout ? maker->layout->plan->order[position] : position;
}

/* Groups ops into tasks, in the order in which they run. */
static void assign_tasks(struct maker *maker)
{
    int last_group = -1;
    for (int at = 0; at < maker->network->n_ops; at++) {
        int op = op_at(maker, at), group = -1;
        if (maker->layout) {
            group = maker->layout->group_of[op];
            const struct tess_tiling *tiling = &maker->layout->plan->groups[group].tiling;
            if (tiling->n_rows == 1 && tiling->n_cols == 1)
                group = -1;
        }
        if (group < 0 || group != last_group) {
            maker->group_of[maker->n_tasks] = group;
            maker->first_op[maker->n_tasks++] = op;
        }
        maker->task_of[op] = maker->n_tasks - 1;
        maker->n_ops[maker->n_tasks - 1]++;
        last_group = group;
    }
}

/* The input of the slice that makes the tensor, if that is no more than a range of it; or -1. */
static int viewed_by(const struct maker *maker, int tensor)
{
    int producer = maker->network->tensors[tensor].producer;
    if (!maker->views_slices || producer < 0 ||
        maker->network->ops[producer].kind != TESS_OP_SLICE)
        return -1;
    int input = maker->network->ops[producer].inputs[0];
    if (maker->layout &&
        (maker->layout->stored[input].storage < 0 ||
         maker->layout->stored[input].storage != maker->layout->stored[tensor].storage))
        return -1;
    return input;
}

/* Is the tensor there between tasks? What a plan does not store is part of what a task holds. */
static bool is_between(const struct maker *maker, int id)
{
    return !maker->layout || maker->layout->stored[id].storage >= 0;
}

/* What schedule/rewrite.h could do to an op of a network; a plan's tasks are as they are. */
static unsigned part_flags(const struct maker *maker, const struct tess_op *op)
{
    int channels = maker->network->tensors[op->inputs[0]].c;
    bool is_depthwise = op->kind == TESS_OP_CONV && op->groups == channels &&
                        channels == maker->network->tensors[op->output].c;
    if (maker->layout || op->n_inputs != 1)
        return 0;
    if (is_depthwise || op->kind == TESS_OP_MAXPOOL || op->kind == TESS_OP_AVGPOOL ||
        op->kind == TESS_OP_UPSAMPLE)
        return TESS_TASK_PARTWISE;
    if (op->kind == TESS_OP_CONNECTED || (op->kind == TESS_OP_CONV && op->groups == 1))
        return TESS_TASK_SUMS;
    return 0;
}

static unsigned flags_of(const struct maker *maker, int op_id)
{
    const struct tess_op *op = &maker->network->ops[op_id];
    if (op->kind == TESS_OP_CONCAT)
        return maker->layout && maker->layout->plan->copies[op_id] ? 0 : TESS_TASK_CONCAT;
    if (op->kind == TESS_OP_REGION || op->kind == TESS_OP_YOLO ||
        tess_op_accumulates(op) ||
        (op->kind == TESS_OP_ADD && op->inputs[0] != op->inputs[1]))
        return TESS_TASK_OVERWRITES;
    return part_flags(maker, op);
}

/* ---- bytes ---- */

static int64_t tensor_bytes(const struct maker *maker, int id)
{
    if (viewed_by(maker, id) >= 0)
        return 0;
    if (maker->layout) {
        int storage = maker->layout->stored[id].storage;
        if (storage >= 0 && maker->n_sharing[storage] == 1)
            return maker->layout->storages[storage].bytes;
    }
    return tess_tensor_bytes(&maker->network->tensors[id]);
}

/* Most bytes of local storages and temps at one tick of the task. */
static int64_t memory_of_task(const struct maker *maker, int task)
{
    const struct tess_layout *layout = maker->layout;
    int64_t most = 0;
    int first = layout->position[maker->first_op[task]];
    for (int tick = first; tick < first + maker->n_ops[task]; tick++) {
        int64_t bytes = 0;
        for (int i = 0; i < layout->n_storages; i++) {
            const struct tess_storage *storage = &layout->storages[i];
            if (storage->group >= 0 && storage->first_tick <= tick &&
                tick <= storage->last_tick)
                bytes += storage->bytes;
        }
        for (int i = 0; i < layout->n_temps; i++)
            if (layout->temps[i].tick == tick)
                bytes += layout->temps[i].bytes;
        most = tess_max_i64(most, bytes);
    }
    return most;
}

static void measure_tensors(struct maker *maker)
{
    const struct tess_graph *network = maker->network;
    for (int id = network->n_tensors - 1; id >= 0; id--) {
        struct tess_tensor_spec *spec = &maker->tensors[id];
        maker->is_used[id] = is_between(maker, id);
        spec->bytes = tensor_bytes(maker, id);
        spec->is_input = network->tensors[id].producer < 0;
        spec->is_retained = spec->is_retained || network->tensors[id].is_output;
        /* Ids rise from inputs to outputs: a retained slice retains its input in time. */
        int viewed = viewed_by(maker, id);
        if (viewed >= 0 && spec->is_retained)
            maker->tensors[viewed].is_retained = true;
    }
    for (int task = 0; task < maker->n_tasks && maker->layout; task++) {
        int id = network->n_tensors + task;
        maker->tensors[id].bytes = memory_of_task(maker, task);
        maker->is_used[id] = maker->tensors[id].bytes > 0;
    }
}

/* ---- lists ---- */

/* Adds what an op of the task reads from outside of it to the list at `at`; how many. */
static int add_inputs(const struct maker *maker, int task, int op_id, int *at)
{
    const struct tess_op *op = &maker->network->ops[op_id];
    int n = 0;
    for (int k = 0; k < op->n_inputs; k++)
        for (int id = op->inputs[k]; id >= 0; id = viewed_by(maker, id)) {
            int producer = maker->network->tensors[id].producer;
            bool is_inside = producer >= 0 && maker->task_of[producer] == task;
            if (!maker->is_used[id] || is_inside)
                continue;
            if (at)
                at[n] = maker->index_of[id];
            n++;
        }
    return n;
}

/* The ops of a task, in turn: the next after `op`, or -1. */
static int next_op(const struct maker *maker, int task, int op)
{
    int position = maker->layout ? maker->layout->position[op] : op;
    if (++position == maker->network->n_ops)
        return -1;
    int next = op_at(maker, position);
    return maker->task_of[next] == task ? next : -1;
}

static enum tess_status list_uses(struct maker *maker, struct tess_error *error)
{
    const struct tess_graph *network = maker->network;
    int64_t n_uses = 0;
    for (int op = 0; op < network->n_ops; op++)
        n_uses += 2 + add_inputs(maker, maker->task_of[op], op, NULL);
    maker->uses = malloc(sizeof *maker->uses * (size_t)(n_uses + 1));
    if (!maker->uses)
        return tess_error_nomem(error);
    int *at = maker->uses;
    for (int task = 0; task < maker->n_tasks; task++) {
        struct tess_task_spec *spec = &maker->tasks[task];
        spec->flags =
            maker->group_of[task] < 0 ? flags_of(maker, maker->first_op[task]) : 0;
        spec->inputs = at;
        for (int op = maker->first_op[task]; op >= 0; op = next_op(maker, task, op))
            at += add_inputs(maker, task, op, at);
        spec->n_inputs = (int)(at - spec->inputs);
        spec->outputs = at;
        for (int op = maker->first_op[task]; op >= 0; op = next_op(maker, task, op))
            if (maker->is_used[network->ops[op].output])
                *at++ = maker->index_of[network->ops[op].output];
        if (maker->is_used[network->n_tensors + task])
            *at++ = maker->index_of[network->n_tensors + task];
        spec->n_outputs = (int)(at - spec->outputs);
    }
    assert(at <= maker->uses + n_uses);
    return TESS_OK;
}

/* ---- names ---- */

static void name_task(struct maker *maker, int task, char *name)
{
    const struct tess_graph *network = maker->network;
    struct tess_graph_file_task *named = &maker->file->tasks[task];
    int group = maker->group_of[task], first = maker->first_op[task], last = first;
    int first_layer = network->ops[first].layer, last_layer = first_layer;
    for (int op = first; op >= 0; op = next_op(maker, task, op)) {
        named->cost += group < 0 ? tess_op_macs(network, &network->ops[op]) : 0;
        first_layer =
            first_layer < network->ops[op].layer ? first_layer : network->ops[op].layer;
        last_layer =
            last_layer > network->ops[op].layer ? last_layer : network->ops[op].layer;
        last = op;
    }
    if (group >= 0)
        named->cost = tess_tiles_macs(&maker->layout->tiles[group]);
    if (first == last)
        snprintf(name, NAME_BYTES, "layer %d", first_layer);
    else
        snprintf(name, NAME_BYTES, "layers %d..%d", first_layer, last_layer);
    named->id = task;
    named->op = group < 0 ? tess_op_kind_name(network->ops[first].kind) : "group";
    named->name = name;
}

static void name_tensor(struct maker *maker, int id, char *name)
{
    const struct tess_graph *network = maker->network;
    struct tess_graph_file_tensor *named = &maker->file->tensors[maker->index_of[id]];
    if (id >= network->n_tensors)
        snprintf(name, NAME_BYTES, "memory of task %d", id - network->n_tensors);
    else if (network->tensors[id].producer < 0)
        snprintf(name, NAME_BYTES, "input");
    else
        snprintf(name, NAME_BYTES, "layer %d",
                 network->ops[network->tensors[id].producer].layer);
    named->id = id;
    named->name = name;
}

/* ---- the graph ---- */

static enum tess_status start(struct maker *maker, struct tess_error *error)
{
    size_t n_ops = (size_t)maker->network->n_ops + 1;
    size_t n_ids = (size_t)maker->network->n_tensors + n_ops;
    maker->task_of = calloc(n_ops, sizeof *maker->task_of);
    maker->first_op = calloc(n_ops, sizeof *maker->first_op);
    maker->n_ops = calloc(n_ops, sizeof *maker->n_ops);
    maker->group_of = calloc(n_ops, sizeof *maker->group_of);
    maker->tasks = calloc(n_ops, sizeof *maker->tasks);
    maker->tensors = calloc(n_ids, sizeof *maker->tensors);
    maker->is_used = calloc(n_ids, sizeof *maker->is_used);
    maker->index_of = calloc(n_ids, sizeof *maker->index_of);
    maker->file->tasks = calloc(n_ops, sizeof *maker->file->tasks);
    maker->file->tensors = calloc(n_ids, sizeof *maker->file->tensors);
    maker->file->texts = calloc(n_ops + n_ids, NAME_BYTES);
    maker->file->name = strdup(maker->network->name ? maker->network->name : "");
    if (!maker->task_of || !maker->first_op || !maker->n_ops || !maker->group_of ||
        !maker->tasks || !maker->tensors || !maker->is_used || !maker->index_of ||
        !maker->file->tasks || !maker->file->tensors || !maker->file->texts ||
        !maker->file->name)
        return tess_error_nomem(error);
    if (!maker->layout)
        return TESS_OK;
    maker->n_sharing =
        calloc((size_t)maker->layout->n_storages + 1, sizeof *maker->n_sharing);
    if (!maker->n_sharing)
        return tess_error_nomem(error);
    for (int id = 0; id < maker->network->n_tensors; id++)
        if (maker->layout->stored[id].storage >= 0)
            maker->n_sharing[maker->layout->stored[id].storage]++;
    return TESS_OK;
}

static enum tess_status build(struct maker *maker, struct tess_error *error)
{
    enum tess_status status = start(maker, error);
    if (status != TESS_OK)
        return status;
    assign_tasks(maker);
    measure_tensors(maker);
    int n_tensors = 0;
    char *name = maker->file->texts;
    for (int id = 0; id < maker->network->n_tensors + maker->n_tasks; id++) {
        if (!maker->is_used[id])
            continue;
        /* Never above where it is moved from. */
        maker->tensors[n_tensors] = maker->tensors[id];
        maker->index_of[id] = n_tensors++;
        name_tensor(maker, id, name);
        name += NAME_BYTES;
    }
    status = list_uses(maker, error);
    if (status != TESS_OK)
        return status;
    for (int task = 0; task < maker->n_tasks; task++, name += NAME_BYTES)
        name_task(maker, task, name);
    struct tess_tasks_spec spec = {maker->n_tasks, n_tensors, maker->tasks,
                                   maker->tensors};
    return tess_task_graph_create(&spec, &maker->file->graph, NULL, error);
}

static enum tess_status make(struct maker *maker, struct tess_graph_file *file,
                             struct tess_error *error)
{
    *file = (struct tess_graph_file){0};
    maker->file = file;
    enum tess_status status = build(maker, error);
    free(maker->task_of);
    free(maker->first_op);
    free(maker->n_ops);
    free(maker->group_of);
    free(maker->n_sharing);
    free(maker->tasks);
    free(maker->tensors);
    free(maker->is_used);
    free(maker->index_of);
    free(maker->uses);
    return status;
}

enum tess_status tess_graph_file_of_network(struct tess_graph_file *file,
                                            const struct tess_graph *network,
                                            bool views_slices, struct tess_error *error)
{
    struct maker maker = {.network = network, .views_slices = views_slices};
    return make(&maker, file, error);
}

enum tess_status tess_graph_file_of_plan(struct tess_graph_file *file,
                                         const struct tess_layout *layout,
                                         struct tess_error *error)
{
    struct maker maker = {
        .network = layout->graph, .layout = layout, .views_slices = true};
    return make(&maker, file, error);
}
