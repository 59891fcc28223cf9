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
    if (!frontier->ready || !frontier->ready_at || !frontier->n_waiting ||
        !frontier->is_done || !frontier->is_barred)
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
    return frontier->is_backward ? live_undo(&frontier->live, chain)
                                 : live_run(&frontier->live, chain);
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
    frontier->is_done[chain_id] = false;
    frontier->n_done--;
    add_ready(frontier, chain_id);
}

int64_t tess_frontier_probe(struct tess_frontier *frontier, int chain_id,
                            int64_t *after_out)
{
    const struct tess_chain *chain = &frontier->chains->chains[chain_id];
    struct tess_live *live = &frontier->live;
    int64_t most;
    if (frontier->is_backward) {
        most = live_undo(live, chain);
        *after_out = live->bytes;
        live_run(live, chain);
    } else if (chain->n_tasks == 1) {
        most = tess_live_probe(live, chain->tasks[0], after_out);
    } else {
        most = live_run(live, chain);
        *after_out = live->bytes;
        live_undo(live, chain);
    }
    return most;
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
