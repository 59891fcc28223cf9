#include "planner/split_groups.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

enum { NO_OP = -1 };

/* A plan in the making. */
struct transfer {
    const struct tess_graph *from, *to;
    const struct tess_plan *plan; /* of `from` */
    int *owner;         /* [to->n_ops] the op of `from` that it is, or is a part of */
    int *order, *group; /* [to->n_ops] by position: op, group of `plan` */
    int *position;      /* [to->n_ops] by op */
};

/* Is `a` of the one graph what `b` is of the other, or the whole of which it is the first part? */
static bool is_owner(const struct transfer *transfer, const struct tess_op *a,
                     const struct tess_op *b)
{
    const struct tess_tensor *out_a = &transfer->from->tensors[a->output];
    const struct tess_tensor *out_b = &transfer->to->tensors[b->output];
    return a->kind == b->kind && a->layer == b->layer && out_a->c == out_b->c &&
           (a->kind != TESS_OP_CONCAT || a->n_inputs == b->n_inputs);
}

/* The ops of both graphs follow one another in the same order; concats may be missing in `to`. */
static void find_owners(struct transfer *transfer)
{
    int at = 0;
    for (int op = 0; op < transfer->to->n_ops; op++) {
        const struct tess_op *it = &transfer->to->ops[op];
        bool is_next_part =
            tess_op_accumulates(it) &&
            !tess_op_is_partial(&transfer->from->ops[transfer->owner[op - 1]]);
        if (is_next_part) {
            transfer->owner[op] = transfer->owner[op - 1];
            continue;
        }
        while (!is_owner(transfer, &transfer->from->ops[at], it))
            at++;
        assert(at < transfer->from->n_ops);
        transfer->owner[op] = at++;
    }
}

static void set_order(struct transfer *transfer)
{
    int n = 0;
    for (int group = 0; group < transfer->plan->n_groups; group++)
        for (int at = transfer->plan->groups[group].first;
             at <= transfer->plan->groups[group].last; at++)
            for (int op = 0; op < transfer->to->n_ops; op++)
                if (transfer->owner[op] == transfer->plan->order[at]) {
                    transfer->order[n] = op;
                    transfer->position[op] = n;
                    transfer->group[n++] = group;
                }
    assert(n == transfer->to->n_ops);
}

/* Moves `op` behind what it reads. */
static void move_early(struct transfer *transfer, int op)
{
    const struct tess_op *it = &transfer->to->ops[op];
    int from = transfer->position[op], to = 0;
    for (int i = 0; i < it->n_inputs; i++) {
        int producer = transfer->to->tensors[it->inputs[i]].producer;
        if (producer >= 0)
            to = tess_max_int(to, transfer->position[producer] + 1);
    }
    assert(to <= from);
    int group = transfer->group[to > 0 ? to - 1 : 0];
    size_t n_moved = (size_t)(from - to);
    memmove(transfer->order + to + 1, transfer->order + to, n_moved * sizeof(int));
    memmove(transfer->group + to + 1, transfer->group + to, n_moved * sizeof(int));
    transfer->order[to] = op;
    transfer->group[to] = group;
    for (int at = to; at <= from; at++)
        transfer->position[transfer->order[at]] = at;
}

static void move_layer_early(struct transfer *transfer, int layer)
{
    const struct tess_graph *to = transfer->to;
    for (int op = 0; op + 1 < to->n_ops; op++)
        if (to->ops[op].layer == layer && tess_op_is_partial(&to->ops[op]) &&
            tess_op_accumulates(&to->ops[op + 1]) && to->ops[op + 1].layer == layer)
            move_early(transfer, op);
}

/* Writes order and groups into the new plan. */
static void write(const struct transfer *transfer, struct tess_plan *made)
{
    made->n_groups = 0;
    for (int at = 0; at < transfer->to->n_ops; at++) {
        made->order[at] = transfer->order[at];
        if (at > 0 && transfer->group[at] == transfer->group[at - 1]) {
            made->groups[made->n_groups - 1].last = at;
            continue;
        }
        struct tess_group *group = &made->groups[made->n_groups++];
        *group = transfer->plan->groups[transfer->group[at]];
        group->first = group->last = at;
        group->predicted_us = 0;
    }
    for (int op = 0; op < transfer->to->n_ops; op++)
        made->copies[op] = transfer->plan->copies[transfer->owner[op]];
}

enum tess_status tess_split_groups(const struct tess_graph *from,
                                   const struct tess_plan *plan,
                                   const struct tess_graph *to, int layer, bool is_early,
                                   struct tess_plan **plan_out, struct tess_error *error)
{
    size_t n_ops = (size_t)to->n_ops;
    struct transfer transfer = {.from = from, .to = to, .plan = plan};
    int *numbers = malloc(4 * n_ops * sizeof *numbers);
    struct tess_plan *made = NULL;
    if (!numbers)
        return tess_error_nomem(error);
    enum tess_status status = tess_plan_create(to, &made, error);
    if (status != TESS_OK)
        goto out;
    transfer.owner = numbers;
    transfer.order = numbers + n_ops;
    transfer.group = numbers + 2 * n_ops;
    transfer.position = numbers + 3 * n_ops;
    find_owners(&transfer);
    set_order(&transfer);
    if (is_early)
        move_layer_early(&transfer, layer);
    write(&transfer, made);
    memcpy(made->search, plan->search, sizeof made->search);
    made->is_placed_greedily = plan->is_placed_greedily;
    made->facts = plan->facts;
    made->n_threads = plan->n_threads;
    *plan_out = made;
out:
    free(numbers);
    return status;
}
