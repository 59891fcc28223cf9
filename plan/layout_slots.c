/* Problem: decide where each tensor lives and which tensors can share memory, so that concat,
 * slice and element-wise ops copy nothing.
 *
 * Method: three passes over the groups in schedule order. (1) Worlds: a tensor is stored if it
 * leaves its group or its group is one tile; local if a tiled group reads it again. (2) Sharing:
 * a slice is a channel range of its input; a concat's input becomes a channel range of the
 * concat's output if its own storage holds nothing else; an op that may run in place takes over
 * the storage of an input that dies there, and so does a partial convolution that of the sums
 * it goes on from. (3) One storage per root.
 *
 * Invariant: the sharing forest never joins two tensors that need different values in one place
 * at one time: children of a concat have disjoint channels, an in-place child is born at the
 * tick at which its parent dies and the parent has no other child.
 *
 * Cost: O(ops + inputs), times the depth of the forest (concats of concats).
 */
#include "plan/layout_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct maker {
    struct tess_layout *layout;
    struct tess_sharing worlds[2]; /* by enum tess_world */
    int group_begin, group_end;
    int input_group; /* the group that alone reads the network's input, in bands; -1: none */
};

bool tess_group_is_tiled(const struct tess_group *group)
{
    return group->tiling.n_rows > 1 || group->tiling.n_cols > 1;
}

bool tess_layout_is_in_group(const struct tess_layout *layout, int op, int group)
{
    return op >= 0 && layout->group_of[op] == group;
}

static bool make_sharing(struct tess_sharing *sharing, int n_tensors)
{
    size_t n = (size_t)n_tensors;
    sharing->is_present = calloc(n, sizeof *sharing->is_present);
    sharing->parent = malloc(n * sizeof *sharing->parent);
    sharing->channel = calloc(n, sizeof *sharing->channel);
    sharing->n_children = calloc(n, sizeof *sharing->n_children);
    if (!sharing->is_present || !sharing->parent || !sharing->channel ||
        !sharing->n_children)
        return false;
    for (int tensor = 0; tensor < n_tensors; tensor++)
        sharing->parent[tensor] = -1;
    return true;
}

static void release_sharing(struct tess_sharing *sharing)
{
    free(sharing->is_present);
    free(sharing->parent);
    free(sharing->channel);
    free(sharing->n_children);
}

static int root_of(const struct tess_sharing *sharing, int tensor, int *channel_out)
{
    int channel = 0;
    while (sharing->parent[tensor] >= 0) {
        channel += sharing->channel[tensor];
        tensor = sharing->parent[tensor];
    }
    if (channel_out)
        *channel_out = channel;
    return tensor;
}

static void share(struct tess_sharing *sharing, int child, int parent, int channel)
{
    assert(sharing->parent[child] < 0 && child != parent);
    sharing->parent[child] = parent;
    sharing->channel[child] = channel;
    sharing->n_children[parent]++;
}

static bool is_read_inside(const struct tess_layout *layout, int tensor, int group)
{
    const struct tess_tensor *read = &layout->graph->tensors[tensor];
    for (int i = 0; i < read->n_consumers; i++)
        if (tess_layout_is_in_group(layout, read->consumers[i], group))
            return true;
    return false;
}

/* A tiled group whose bands are the only readers of the network's input takes it row by row: no
 * whole input exists. */
static int find_input_group(const struct tess_layout *layout)
{
    const struct tess_tensor *input = &layout->graph->tensors[TESS_GRAPH_INPUT];
    if (input->n_consumers == 0)
        return -1;
    int group = layout->group_of[input->consumers[0]];
    const struct tess_group *in = &layout->plan->groups[group];
    bool is_read_in_bands = tess_group_is_tiled(in) && in->tiling.halo == TESS_HALO_REUSE;
    for (int i = 1; i < input->n_consumers; i++)
        if (layout->group_of[input->consumers[i]] != group)
            return -1;
    return is_read_in_bands ? group : -1;
}

static void decide_slice(struct maker *maker, const struct tess_op *op, int group,
                         bool escapes)
{
    const struct tess_layout *layout = maker->layout;
    struct tess_sharing *stored = &maker->worlds[TESS_STORED];
    struct tess_sharing *local = &maker->worlds[TESS_LOCAL];
    int input = op->inputs[0], output = op->output;
    bool is_here =
        tess_layout_is_in_group(layout, layout->graph->tensors[input].producer, group) ||
        (input == TESS_GRAPH_INPUT && group == maker->input_group);
    if (is_here && local->is_present[input]) {
        local->is_present[output] = true;
        share(local, output, input, op->channel_begin);
    }
    if (stored->is_present[input]) {
        stored->is_present[output] = true;
        share(stored, output, input, op->channel_begin);
    } else {
        stored->is_present[output] = escapes;
    }
}

static void decide_worlds(struct maker *maker, int group)
{
    const struct tess_layout *layout = maker->layout;
    const struct tess_tiles *tiles = &layout->tiles[group];
    bool *is_stored = maker->worlds[TESS_STORED].is_present;
    bool *is_local = maker->worlds[TESS_LOCAL].is_present;
    for (int at = 0; at < tiles->n_ops; at++) {
        const struct tess_op *op = &layout->graph->ops[tiles->ops[at]];
        bool escapes = tiles->is_output[at];
        for (int i = 0; i < op->n_inputs; i++) {
            int producer = layout->graph->tensors[op->inputs[i]].producer;
            if (op->inputs[i] == TESS_GRAPH_INPUT && group == maker->input_group)
                is_local[TESS_GRAPH_INPUT] = true;
            else if (!tess_layout_is_in_group(layout, producer, group))
                is_stored[op->inputs[i]] = true;
        }
        if (op->kind == TESS_OP_SLICE) {
            decide_slice(maker, op, group, escapes);
        } else if (!tess_group_is_tiled(&layout->plan->groups[group])) {
            is_stored[op->output] = true;
        } else if (tiles->tiling.halo == TESS_HALO_REUSE) {
            is_stored[op->output] = escapes;
            is_local[op->output] = !escapes;
        } else {
            is_stored[op->output] = escapes;
            is_local[op->output] = is_read_inside(layout, op->output, group);
        }
    }
}

/* Makes the inputs of a concat views into its output, in the world the output is written in. */
static void share_concat(struct maker *maker, int op_id, int group)
{
    const struct tess_graph *graph = maker->layout->graph;
    const struct tess_op *op = &graph->ops[op_id];
    bool is_local = maker->worlds[TESS_LOCAL].is_present[op->output];
    struct tess_sharing *world = &maker->worlds[is_local ? TESS_LOCAL : TESS_STORED];
    int channel = 0;
    for (int i = 0; i < op->n_inputs; i++) {
        int input = op->inputs[i], offset;
        const struct tess_tensor *tensor = &graph->tensors[input];
        int root = root_of(world, input, &offset);
        bool is_reachable =
            world->is_present[input] && tensor->producer >= 0 && !tensor->is_output &&
            (!is_local ||
             tess_layout_is_in_group(maker->layout, tensor->producer, group));
        bool owns_storage = offset == 0 && graph->tensors[root].c == tensor->c &&
                            graph->tensors[root].producer >= 0;
        if (is_reachable && owns_storage && root != root_of(world, op->output, NULL))
            share(world, root, op->output, channel);
        channel += tensor->c;
    }
}

static int last_reader(const struct tess_layout *layout, int tensor)
{
    const struct tess_tensor *read = &layout->graph->tensors[tensor];
    int last = -1;
    for (int i = 0; i < read->n_consumers; i++)
        if (layout->position[read->consumers[i]] > last)
            last = layout->position[read->consumers[i]];
    return last;
}

/* Does the tensor share its storage with nobody but sums that it went on from in place, which are
 * dead? */
static bool is_last_in_place(const struct maker *maker, enum tess_world world, int tensor)
{
    const struct tess_sharing *here = &maker->worlds[world];
    const struct tess_graph *graph = maker->layout->graph;
    while (here->parent[tensor] >= 0) {
        int producer = graph->tensors[tensor].producer;
        if (producer < 0 || !tess_op_accumulates(&graph->ops[producer]) ||
            graph->ops[producer].inputs[1] != here->parent[tensor])
            return false;
        tensor = here->parent[tensor];
    }
    return true;
}

static bool can_take_over(const struct maker *maker, enum tess_world world, int input,
                          int op_id)
{
    const struct tess_layout *layout = maker->layout;
    const struct tess_sharing *here = &maker->worlds[world];
    const struct tess_sharing *other = &maker->worlds[1 - world];
    const struct tess_op *op = &layout->graph->ops[op_id];
    const struct tess_tensor *from = &layout->graph->tensors[input];
    const struct tess_tensor *to = &layout->graph->tensors[op->output];
    bool has_same_shape = from->h == to->h && from->w == to->w && from->c == to->c;
    return has_same_shape && here->is_present[input] && !other->is_present[input] &&
           here->is_present[op->output] && !other->is_present[op->output] &&
           is_last_in_place(maker, world, input) && here->n_children[input] == 0 &&
           from->producer >= 0 && !from->is_output &&
           last_reader(layout, input) == layout->position[op_id];
}

/* Lets an op overwrite its input number `which` if that dies with it. Rolling windows are left
 * alone: the rows of input and output that they hold differ. */
static void share_in_place(struct maker *maker, int op_id, int which, int group)
{
    const struct tess_layout *layout = maker->layout;
    const struct tess_op *op = &layout->graph->ops[op_id];
    const struct tess_group *in = &layout->plan->groups[group];
    if (tess_group_is_tiled(in) && in->tiling.halo == TESS_HALO_REUSE)
        return;
    enum tess_world world = tess_group_is_tiled(in) ? TESS_LOCAL : TESS_STORED;
    bool reads_it_twice = op->n_inputs == 2 && op->inputs[0] == op->inputs[1];
    if (!reads_it_twice && can_take_over(maker, world, op->inputs[which], op_id))
        share(&maker->worlds[world], op->output, op->inputs[which], 0);
}

static void share_group(struct maker *maker, int group)
{
    const struct tess_tiles *tiles = &maker->layout->tiles[group];
    for (int at = 0; at < tiles->n_ops; at++) {
        int op_id = tiles->ops[at];
        const struct tess_op *op = &maker->layout->graph->ops[op_id];
        if (op->kind == TESS_OP_CONCAT && !maker->layout->plan->copies[op_id])
            share_concat(maker, op_id, group);
        else if (op->kind == TESS_OP_ADD || op->kind == TESS_OP_REGION ||
                 op->kind == TESS_OP_YOLO)
            share_in_place(maker, op_id, 0, group);
        else if (tess_op_accumulates(op))
            share_in_place(maker, op_id, 1, group);
    }
}

static int count_roots(const struct tess_sharing *sharing, int n_tensors)
{
    int n_roots = 0;
    for (int tensor = 0; tensor < n_tensors; tensor++)
        n_roots += sharing->is_present[tensor] && sharing->parent[tensor] < 0;
    return n_roots;
}

static void make_storages(struct maker *maker, enum tess_world world)
{
    struct tess_layout *layout = maker->layout;
    const struct tess_sharing *sharing = &maker->worlds[world];
    struct tess_slot *slots = world == TESS_LOCAL ? layout->local : layout->stored;
    int n_tensors = layout->graph->n_tensors;
    for (int tensor = 0; tensor < n_tensors; tensor++) {
        if (!sharing->is_present[tensor] || sharing->parent[tensor] >= 0)
            continue;
        struct tess_storage *storage = &layout->storages[layout->n_storages];
        storage->tensor = tensor;
        storage->channels = layout->graph->tensors[tensor].c;
        storage->group = -1;
        if (world == TESS_LOCAL) {
            storage->group =
                tensor == TESS_GRAPH_INPUT
                    ? maker->input_group
                    : layout->group_of[layout->graph->tensors[tensor].producer];
            storage->is_rolling =
                layout->plan->groups[storage->group].tiling.halo == TESS_HALO_REUSE;
        }
        slots[tensor] = (struct tess_slot){layout->n_storages++, 0};
    }
    for (int tensor = 0; tensor < n_tensors; tensor++) {
        if (!sharing->is_present[tensor] || sharing->parent[tensor] < 0)
            continue;
        int channel;
        int root = root_of(sharing, tensor, &channel);
        slots[tensor] = (struct tess_slot){slots[root].storage, channel};
    }
}

enum tess_status tess_layout_make_slots(struct tess_layout *layout, int group_begin,
                                        int group_end, struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    int n_tensors = layout->graph->n_tensors;
    struct maker maker = {
        .layout = layout, .group_begin = group_begin, .group_end = group_end};
    maker.input_group = find_input_group(layout);
    layout->stored = malloc(sizeof *layout->stored * (size_t)n_tensors);
    layout->local = malloc(sizeof *layout->local * (size_t)n_tensors);
    if (!layout->stored || !layout->local || !make_sharing(&maker.worlds[0], n_tensors) ||
        !make_sharing(&maker.worlds[1], n_tensors)) {
        status = tess_error_nomem(error);
        goto out;
    }
    for (int tensor = 0; tensor < n_tensors; tensor++)
        layout->stored[tensor] = layout->local[tensor] = (struct tess_slot){-1, 0};
    for (int group = group_begin; group < group_end; group++)
        decide_worlds(&maker, group);
    for (int group = group_begin; group < group_end; group++)
        share_group(&maker, group);
    int n_storages = count_roots(&maker.worlds[TESS_STORED], n_tensors) +
                     count_roots(&maker.worlds[TESS_LOCAL], n_tensors);
    layout->storages = calloc((size_t)n_storages + 1, sizeof *layout->storages);
    if (!layout->storages) {
        status = tess_error_nomem(error);
        goto out;
    }
    make_storages(&maker, TESS_STORED);
    make_storages(&maker, TESS_LOCAL);
    assert(layout->n_storages == n_storages);
out:
    release_sharing(&maker.worlds[0]);
    release_sharing(&maker.worlds[1]);
    return status;
}
