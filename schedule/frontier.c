#include "schedule/frontier.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

static void add_ready(struct tess_frontier *frontier, int chain)
{
    frontier->ready_at[chain] = frontier->n_ready;
    frontier->ready[frontier->n_ready++] = chain;
}

static void drop_ready(struct tess_frontier *frontier, int chain)
{
    int at = frontier->ready_at[chain], last = frontier->ready[--frontier->n_ready];
    assert(at >= 0 && frontier->ready[at] == chain);
    frontier->ready[at] = last;
    frontier->ready_at[last] = at;
    frontier->ready_at[chain] = -1;
}

static enum tess_status run_everything(struct tess_frontier *frontier,
                                       struct tess_error *error)
{
    const struct tess_task_graph *graph = frontier->chains->graph;
    int *order = malloc(sizeof *order * (size_t)(graph->n_tasks + 1));
    if (!order)
        return tess_error_nomem(error);
    enum tess_status status = tess_task_graph_file_order(graph, order, error);
    for (int i = 0; i < graph->n_tasks && status == TESS_OK; i++)
        tess_live_run(&frontier->live, order[i]);
    free(order);
    return status;
}

enum tess_status tess_frontier_init(struct tess_frontier *frontier,
                                    const struct tess_chains *chains, bool is_backward,
                                    struct tess_error *error)
{
    size_t n = (size_t)chains->n_chains + 1;
    *frontier = (struct tess_frontier){.chains = chains, .is_backward = is_backward};
    enum tess_status status = tess_live_init(&frontier->live, chains->graph, error);
    if (status != TESS_OK)
        return status;
    frontier->ready = malloc(n * sizeof *frontier->ready);
    frontier->ready_at = malloc(n * sizeof *frontier->ready_at);
    frontier->n_waiting = malloc(n * sizeof *frontier->n_waiting);
    frontier->is_done = calloc(n, sizeof *frontier->is_done);
    frontier->is_barred = calloc(n, sizeof *frontier->is_barred);
    frontier->hill = malloc(n * sizeof *frontier->hill);
    frontier->rest = malloc(n * sizeof *frontier->rest);
    frontier->is_fresh = calloc(n, sizeof *frontier->is_fresh);
    if (!frontier->ready || !frontier->ready_at || !frontier->n_waiting ||
        !frontier->is_done || !frontier->is_barred || !frontier->hill ||
        !frontier->rest || !frontier->is_fresh)
        return tess_error_nomem(error);
    for (int i = 0; i < chains->n_chains; i++) {
        const struct tess_chain *chain = &chains->chains[i];
        frontier->ready_at[i] = -1;
        frontier->n_waiting[i] = is_backward ? chain->n_after : chain->n_before;
        if (frontier->n_waiting[i] == 0)
            add_ready(frontier, i);
    }
    return is_backward ? run_everything(frontier, error) : TESS_OK;
}

void tess_frontier_release(struct tess_frontier *frontier)
{
    if (!frontier)
        return;
    tess_live_release(&frontier->live);
    free(frontier->ready);
    free(frontier->ready_at);
    free(frontier->n_waiting);
    free(frontier->is_done);
    free(frontier->is_barred);
    free(frontier->hill);
    free(frontier->rest);
    free(frontier->is_fresh);
    *frontier = (struct tess_frontier){0};
}

static int64_t live_run(struct tess_live *live, const struct tess_chain *chain)
{
    int64_t most = INT64_MIN;
    for (int i = 0; i < chain->n_tasks; i++)
        most = tess_max_i64(most, tess_live_run(live, chain->tasks[i]));
    return most;
}

static int64_t live_undo(struct tess_live *live, const struct tess_chain *chain)
{
    int64_t most = INT64_MIN;
    for (int i = chain->n_tasks - 1; i >= 0; i--)
        most = tess_max_i64(most, tess_live_undo(live, chain->tasks[i]));
    return most;
}

static void forget(struct tess_frontier *frontier, const int *tasks, int n_tasks)
{
    for (int i = 0; i < n_tasks; i++)
        frontier->is_fresh[frontier->chains->chain_of[tasks[i]]] = false;
}

/* A chain was run or taken back: forgets what others add if that may have changed. What a chain
 * adds depends on whether it is the last to read a tensor (or, backward, the first to), and on
 * who else has added to a tensor; a chain reads a tensor that it does not make in one task only.
 */
static void forget_around(struct tess_frontier *frontier, const struct tess_chain *chain)
{
    const struct tess_task_graph *graph = frontier->chains->graph;
    for (int i = 0; i < chain->n_tasks; i++) {
        const struct tess_task *task = &graph->tasks[chain->tasks[i]];
        for (int k = 0; k < task->n_inputs; k++) {
            const struct tess_task_tensor *tensor = &graph->tensors[task->inputs[k]];
            if (frontier->live.n_unread[task->inputs[k]] <= 2)
                forget(frontier, tensor->consumers, tensor->n_consumers);
        }
        for (int k = 0; k < task->n_outputs; k++) {
            const struct tess_task_tensor *tensor = &graph->tensors[task->outputs[k]];
            if (tensor->n_producers > 1)
                forget(frontier, tensor->producers, tensor->n_producers);
        }
    }
}

int64_t tess_frontier_run(struct tess_frontier *frontier, int chain_id)
{
    const struct tess_chain *chain = &frontier->chains->chains[chain_id];
    drop_ready(frontier, chain_id);
    frontier->is_done[chain_id] = true;
    frontier->n_done++;
    const int *beyond = frontier->is_backward ? chain->before : chain->after;
    int n_beyond = frontier->is_backward ? chain->n_before : chain->n_after;
    for (int k = 0; k < n_beyond; k++)
        if (--frontier->n_waiting[beyond[k]] == 0 && !frontier->is_barred[beyond[k]])
            add_ready(frontier, beyond[k]);
    int64_t most = frontier->is_backward ? live_undo(&frontier->live, chain)
                                         : live_run(&frontier->live, chain);
    forget_around(frontier, chain);
    return most;
}

void tess_frontier_back(struct tess_frontier *frontier, int chain_id)
{
    const struct tess_chain *chain = &frontier->chains->chains[chain_id];
    assert(frontier->is_done[chain_id]);
    const int *beyond = frontier->is_backward ? chain->before : chain->after;
    int n_beyond = frontier->is_backward ? chain->n_before : chain->n_after;
    for (int k = n_beyond - 1; k >= 0; k--)
        if (frontier->n_waiting[beyond[k]]++ == 0 && !frontier->is_barred[beyond[k]])
            drop_ready(frontier, beyond[k]);
    if (frontier->is_backward)
        live_run(&frontier->live, chain);
    else
        live_undo(&frontier->live, chain);
    forget_around(frontier, chain);
    frontier->is_done[chain_id] = false;
    frontier->n_done--;
    add_ready(frontier, chain_id);
}

/* Finds out what a ready chain adds. */
static void refresh(struct tess_frontier *frontier, int chain_id)
{
    const struct tess_chain *chain = &frontier->chains->chains[chain_id];
    struct tess_live *live = &frontier->live;
    int64_t most, after, before = live->bytes;
    if (frontier->is_backward) {
        most = live_undo(live, chain);
        after = live->bytes;
        live_run(live, chain);
    } else if (chain->n_tasks == 1) {
        most = tess_live_probe(live, chain->tasks[0], &after);
    } else {
        most = live_run(live, chain);
        after = live->bytes;
        live_undo(live, chain);
    }
    frontier->hill[chain_id] = most - before;
    frontier->rest[chain_id] = after - before;
    frontier->is_fresh[chain_id] = true;
}

int64_t tess_frontier_probe(struct tess_frontier *frontier, int chain, int64_t *after_out)
{
    assert(frontier->ready_at[chain] >= 0);
    if (!frontier->is_fresh[chain])
        refresh(frontier, chain);
    *after_out = frontier->live.bytes + frontier->rest[chain];
    return frontier->live.bytes + frontier->hill[chain];
}

void tess_frontier_bar(struct tess_frontier *frontier, int chain)
{
    assert(!frontier->is_done[chain]);
    if (frontier->ready_at[chain] >= 0)
        drop_ready(frontier, chain);
    frontier->is_barred[chain] = true;
}

void tess_frontier_run_safe(struct tess_frontier *frontier, int64_t allowed,
                            int64_t *most_inout, int *moves_out, int *n_moves_inout)
{
    for (int at = 0; at < frontier->n_ready;) {
        int chain = frontier->ready[at];
        int64_t after, most = tess_frontier_probe(frontier, chain, &after);
        if (after > frontier->live.bytes || most > tess_max_i64(*most_inout, allowed)) {
            at++;
            continue;
        }
        tess_frontier_run(frontier, chain);
        *most_inout = tess_max_i64(*most_inout, most);
        moves_out[(*n_moves_inout)++] = chain;
        at = 0; /* what it freed may make others safe */
    }
}
