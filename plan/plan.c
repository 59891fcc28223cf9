#include "plan/plan.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "plan/slices.h"

enum tess_status tess_plan_create(const struct tess_graph *graph,
                                  struct tess_plan **plan_out, struct tess_error *error)
{
    assert(graph->n_ops > 0);
    size_t n_ops = (size_t)graph->n_ops;
    struct tess_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return tess_error_nomem(error);
    plan->order = calloc(n_ops, sizeof *plan->order);
    plan->copies = calloc(n_ops, sizeof *plan->copies);
    plan->streamed = calloc(n_ops, sizeof *plan->streamed);
    plan->groups = calloc(n_ops, sizeof *plan->groups);
    if (!plan->order || !plan->copies || !plan->streamed || !plan->groups) {
        tess_plan_destroy(plan);
        return tess_error_nomem(error);
    }
    snprintf(plan->model, sizeof plan->model, "%s", graph->name ? graph->name : "");
    snprintf(plan->search, sizeof plan->search, "untiled");
    plan->model_hash = graph->hash;
    plan->first_layer = plan->last_layer = -1;
    plan->n_threads = 1;
    plan->n_ops = plan->n_groups = graph->n_ops;
    for (int at = 0; at < graph->n_ops; at++) {
        plan->order[at] = at;
        plan->groups[at] = (struct tess_group){
            .first = at, .last = at, .tiling = {1, 1, TESS_HALO_RECOMPUTE}};
    }
    *plan_out = plan;
    return TESS_OK;
}

static void *copy_of(const void *bytes, size_t n_bytes)
{
    void *copy = malloc(n_bytes);
    if (copy)
        memcpy(copy, bytes, n_bytes);
    return copy;
}

struct tess_plan *tess_plan_copy(const struct tess_plan *plan)
{
    struct tess_plan *copy = copy_of(plan, sizeof *plan);
    if (!copy)
        return NULL;
    copy->order = copy_of(plan->order, sizeof *plan->order * (size_t)plan->n_ops);
    copy->copies = copy_of(plan->copies, sizeof *plan->copies * (size_t)plan->n_ops);
    copy->streamed =
        copy_of(plan->streamed, sizeof *plan->streamed * (size_t)plan->n_ops);
    copy->groups = copy_of(plan->groups, sizeof *plan->groups * (size_t)plan->n_groups);
    if (!copy->order || !copy->copies || !copy->streamed || !copy->groups) {
        tess_plan_destroy(copy);
        return NULL;
    }
    return copy;
}

void tess_plan_destroy(struct tess_plan *plan)
{
    if (!plan)
        return;
    free(plan->order);
    free(plan->copies);
    free(plan->streamed);
    free(plan->groups);
    free(plan);
}

enum tess_status tess_plan_set_groups(struct tess_plan *plan,
                                      const struct tess_group *groups, int n_groups,
                                      struct tess_error *error)
{
    assert(n_groups > 0);
    struct tess_group *copy = copy_of(groups, sizeof *groups * (size_t)n_groups);
    if (!copy)
        return tess_error_nomem(error);
    free(plan->groups);
    plan->groups = copy;
    plan->n_groups = n_groups;
    return TESS_OK;
}

static enum tess_status check_order(const struct tess_plan *plan,
                                    const struct tess_graph *graph,
                                    struct tess_error *error)
{
    enum tess_status status = TESS_OK;
    bool *has_run = calloc((size_t)graph->n_ops, sizeof *has_run);
    if (!has_run)
        return tess_error_nomem(error);
    for (int at = 0; at < plan->n_ops && status == TESS_OK; at++) {
        int id = plan->order[at];
        if (id < 0 || id >= graph->n_ops || has_run[id]) {
            status = tess_error_set(error, TESS_E_CONFIG,
                                    "the schedule does not name every op exactly once");
            break;
        }
        const struct tess_op *op = &graph->ops[id];
        for (int i = 0; i < op->n_inputs; i++) {
            int producer = graph->tensors[op->inputs[i]].producer;
            if (producer >= 0 && !has_run[producer])
                status =
                    tess_error_set(error, TESS_E_CONFIG,
                                   "the schedule runs layer %d before layer %d, whose "
                                   "output it reads",
                                   op->layer, graph->ops[producer].layer);
        }
        has_run[id] = true;
    }
    free(has_run);
    return status;
}

static enum tess_status check_groups(const struct tess_plan *plan,
                                     const struct tess_graph *graph,
                                     struct tess_error *error)
{
    int next = 0;
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[i];
        if (group->first != next || group->last < group->first ||
            group->last >= plan->n_ops)
            return tess_error_set(error, TESS_E_CONFIG,
                                  "group %d does not start where the one before it ends",
                                  i + 1);
        struct tess_tiles tiles;
        enum tess_status status =
            tess_tiles_init(&tiles, graph, plan->order + group->first,
                            group->last - group->first + 1, group->tiling, error);
        if (status != TESS_OK)
            return status;
        tess_tiles_release(&tiles);
        next = group->last + 1;
    }
    if (next != plan->n_ops)
        return tess_error_set(error, TESS_E_CONFIG,
                              "the groups end before the last layer");
    return TESS_OK;
}

static enum tess_status check_streamed(const struct tess_plan *plan,
                                       const struct tess_graph *graph,
                                       struct tess_error *error)
{
    char slice[24], block[24];
    for (int op = 0; op < plan->n_ops; op++) {
        if (!plan->streamed[op])
            continue;
        int layer = graph->ops[op].layer;
        if (!tess_op_has_weights(&graph->ops[op]))
            return tess_error_set(error, TESS_E_CONFIG,
                                  "layer %d has no weights that could be streamed",
                                  layer);
        int64_t block_bytes = tess_packed_block_bytes(graph, op);
        if (plan->slice_bytes == 0 || plan->slice_bytes >= block_bytes)
            continue;
        tess_error_set(error, TESS_E_CONFIG,
                       "a slice of %s is less than a block of the weights of layer %d, "
                       "which takes %s",
                       tess_format_bytes(plan->slice_bytes, slice, sizeof slice), layer,
                       tess_format_bytes(block_bytes, block, sizeof block));
        tess_error_hint(
            error, "remove the line \"slice\", or write: slice: %lldK",
            (long long)((tess_slices_most_block_bytes(plan, graph) + 1023) / 1024));
        return TESS_E_CONFIG;
    }
    return TESS_OK;
}

enum tess_status tess_plan_check(const struct tess_plan *plan,
                                 const struct tess_graph *graph, struct tess_error *error)
{
    if (plan->model_hash != graph->hash || plan->n_ops != graph->n_ops) {
        tess_error_set(error, TESS_E_CONFIG,
                       "the plan was made for another network (\"%s\") than \"%s\"",
                       plan->model, graph->name ? graph->name : "");
        tess_error_hint(error, "make a new one with: tessera plan");
        return TESS_E_CONFIG;
    }
    enum tess_status status = check_order(plan, graph, error);
    if (status == TESS_OK)
        status = check_groups(plan, graph, error);
    return status == TESS_OK ? check_streamed(plan, graph, error) : status;
}

int64_t tess_memory_sum(const struct tess_memory *memory)
{
    return memory->base + memory->threads + memory->weights + memory->workspace +
           memory->arena + memory->window + memory->input;
}

bool tess_plan_is_untiled(const struct tess_plan *plan)
{
    for (int i = 0; i < plan->n_groups; i++)
        if (plan->groups[i].tiling.n_rows > 1 || plan->groups[i].tiling.n_cols > 1)
            return false;
    return true;
}

uint64_t tess_plan_hash(const struct tess_plan *plan)
{
    uint64_t hash = tess_hash_i64(TESS_HASH_START, (int64_t)plan->model_hash);
    for (int at = 0; at < plan->n_ops; at++) {
        hash = tess_hash_i64(hash, plan->order[at]);
        hash = tess_hash_i64(hash, plan->copies[at]);
        hash = tess_hash_i64(hash, plan->streamed[at]);
    }
    hash = tess_hash_i64(hash, plan->slice_bytes);
    if (plan->is_placed_greedily)
        hash = tess_hash_i64(hash, 1);
    for (int i = 0; i < plan->n_groups; i++) {
        const struct tess_group *group = &plan->groups[i];
        hash = tess_hash_i64(hash, group->first);
        hash = tess_hash_i64(hash, group->tiling.n_rows);
        hash = tess_hash_i64(hash, group->tiling.n_cols);
        hash = tess_hash_i64(hash, group->tiling.halo);
    }
    return hash;
}
