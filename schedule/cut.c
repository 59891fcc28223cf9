/* Problem: least bytes alive over the states I (sets of chains closed under "needs") that contain
 * the chains on side RUN and none on side WAITS.
 *
 * Method: minimum cut. A free chain is a node; on the source's side it has run. "b needs a" is an
 * uncuttable arc b -> a. A tensor is alive if it has been made and has not ended:
 *     bytes * [some maker in I] * [not all enders in I]                                    (1)
 * where its enders are its consumers, or, without any, its makers. That is an arc of its bytes
 * from a node p, which uncuttable arcs from the makers pull to the source's side, to a node e,
 * which pulls all enders with it: cut exactly if p has run and e has not. With one maker or ender
 * these nodes are the chain itself; a maker that has run makes p the source, an ender that waits
 * makes e the sink.
 *
 * Invariant: node for node, finite cuts are the states.
 *
 * Cost: one maximum flow on free chains and the tensors that touch them.
 *
 * Worked example: in (3 bytes) -> a -> x (5) -> b -> y (1, retained); a has run. Node b; x is an
 * arc S -> b of 5, y an arc b -> T of 1: the cut takes y, b has run, 1 byte is alive.
 *
 * Reference: J.-C. Picard, "Maximal closure of a graph", 1976.
 */
#include "schedule/cut.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Adds the chains of tasks to a list, each once; a chain that is `not` this. */
static int add_chains(const struct tess_chains *chains, const int *tasks, int n_tasks,
                      int *list)
{
    int n = 0;
    for (int i = 0; i < n_tasks; i++) {
        int chain = chains->chain_of[tasks[i]], k = 0;
        while (k < n && list[k] != chain)
            k++;
        if (k == n)
            list[n++] = chain;
    }
    return n;
}

enum tess_status tess_cut_init(struct tess_cut *cut, const struct tess_chains *chains,
                               struct tess_error *error)
{
    const struct tess_task_graph *graph = chains->graph;
    size_t n_tensors = (size_t)graph->n_tensors + 1, n_uses = 1;
    size_t n_chains = (size_t)chains->n_chains + 1;
    *cut = (struct tess_cut){.chains = chains};
    for (int t = 0; t < graph->n_tensors; t++)
        n_uses += 2 * (size_t)graph->tensors[t].n_producers +
                  (size_t)graph->tensors[t].n_consumers;
    cut->first_maker = malloc(n_tensors * sizeof *cut->first_maker);
    cut->first_ender = malloc(n_tensors * sizeof *cut->first_ender);
    cut->lists = malloc(n_uses * sizeof *cut->lists);
    cut->node_of = malloc(n_chains * sizeof *cut->node_of);
    cut->stack = malloc(n_chains * sizeof *cut->stack);
    cut->side = calloc(n_chains, sizeof *cut->side);
    if (!cut->first_maker || !cut->first_ender || !cut->lists || !cut->node_of ||
        !cut->stack || !cut->side)
        return tess_error_nomem(error);
    int at = 0;
    for (int t = 0; t < graph->n_tensors; t++) {
        const struct tess_task_tensor *tensor = &graph->tensors[t];
        bool is_dead = tensor->n_consumers == 0;
        cut->first_maker[t] = at;
        at += add_chains(chains, tensor->producers, tensor->n_producers, cut->lists + at);
        cut->first_ender[t] = at;
        at += add_chains(chains, is_dead ? tensor->producers : tensor->consumers,
                         is_dead ? tensor->n_producers : tensor->n_consumers,
                         cut->lists + at);
    }
    cut->first_maker[graph->n_tensors] = at;
    return TESS_OK;
}

void tess_cut_release(struct tess_cut *cut)
{
    if (!cut)
        return;
    free(cut->first_maker);
    free(cut->first_ender);
    free(cut->lists);
    free(cut->node_of);
    free(cut->stack);
    free(cut->side);
    tess_flow_release(&cut->flow);
    *cut = (struct tess_cut){0};
}

void tess_cut_free_all(struct tess_cut *cut)
{
    memset(cut->side, TESS_SIDE_FREE, (size_t)cut->chains->n_chains);
}

void tess_cut_set(struct tess_cut *cut, int chain_id, enum tess_side side)
{
    int n_stack = 0;
    if (cut->side[chain_id] == (signed char)side)
        return;
    assert(cut->side[chain_id] == TESS_SIDE_FREE);
    cut->side[chain_id] = (signed char)side;
    cut->stack[n_stack++] = chain_id;
    while (n_stack > 0) {
        const struct tess_chain *chain = &cut->chains->chains[cut->stack[--n_stack]];
        bool is_run = side == TESS_SIDE_RUN;
        const int *list = is_run ? chain->before : chain->after;
        int n_list = is_run ? chain->n_before : chain->n_after;
        for (int k = 0; k < n_list; k++) {
            if (cut->side[list[k]] == (signed char)side)
                continue;
            assert(cut->side[list[k]] == TESS_SIDE_FREE);
            cut->side[list[k]] = (signed char)side;
            cut->stack[n_stack++] = list[k];
        }
    }
}

/* Of a tensor's makers, or enders: how many are free, is one on `decisive`. */
static int count_free(const struct tess_cut *cut, int first, int end,
                      enum tess_side decisive, bool *is_decided, int *free_out)
{
    int n_free = 0;
    for (int k = first; k < end; k++) {
        int chain = cut->lists[k];
        if (cut->side[chain] == (signed char)decisive)
            *is_decided = true;
        if (cut->side[chain] == TESS_SIDE_FREE) {
            *free_out = chain;
            n_free++;
        }
    }
    return n_free;
}

/* The node that stands for "some maker has run"; -1: none has or can. */
static int made_node(struct tess_cut *cut, int tensor)
{
    int first = cut->first_maker[tensor], end = cut->first_ender[tensor], last = -1;
    bool is_made = cut->chains->graph->tensors[tensor].is_input;
    int n_free = count_free(cut, first, end, TESS_SIDE_RUN, &is_made, &last);
    if (is_made)
        return TESS_FLOW_SOURCE;
    if (n_free <= 1)
        return n_free ? cut->node_of[last] : -1;
    int node = tess_flow_add_node(&cut->flow);
    for (int k = first; k < end; k++)
        if (cut->side[cut->lists[k]] == TESS_SIDE_FREE)
            tess_flow_add_arc(&cut->flow, cut->node_of[cut->lists[k]], node,
                              TESS_FLOW_UNCUTTABLE);
    return node;
}

/* The node that stands for "all enders have run"; -1: they have. */
static int ended_node(struct tess_cut *cut, int tensor)
{
    int first = cut->first_ender[tensor], end = cut->first_maker[tensor + 1], last = -1;
    bool is_waiting = cut->chains->graph->tensors[tensor].is_retained;
    int n_free = count_free(cut, first, end, TESS_SIDE_WAITS, &is_waiting, &last);
    if (is_waiting)
        return TESS_FLOW_SINK;
    if (n_free <= 1)
        return n_free ? cut->node_of[last] : -1;
    int node = tess_flow_add_node(&cut->flow);
    for (int k = first; k < end; k++)
        if (cut->side[cut->lists[k]] == TESS_SIDE_FREE)
            tess_flow_add_arc(&cut->flow, node, cut->node_of[cut->lists[k]],
                              TESS_FLOW_UNCUTTABLE);
    return node;
}

static void add_needs(struct tess_cut *cut)
{
    for (int i = 0; i < cut->chains->n_chains; i++) {
        const struct tess_chain *chain = &cut->chains->chains[i];
        if (cut->side[i] != TESS_SIDE_FREE)
            continue;
        for (int k = 0; k < chain->n_before; k++) {
            assert(cut->side[chain->before[k]] != TESS_SIDE_WAITS);
            if (cut->side[chain->before[k]] == TESS_SIDE_FREE)
                tess_flow_add_arc(&cut->flow, cut->node_of[i],
                                  cut->node_of[chain->before[k]], TESS_FLOW_UNCUTTABLE);
        }
    }
}

enum tess_status tess_cut_find(struct tess_cut *cut, int64_t enough, int64_t *bytes_out,
                               struct tess_error *error)
{
    const struct tess_task_graph *graph = cut->chains->graph;
    int64_t always = 0;
    tess_flow_clear(&cut->flow);
    for (int i = 0; i < cut->chains->n_chains; i++)
        if (cut->side[i] == TESS_SIDE_FREE)
            cut->node_of[i] = tess_flow_add_node(&cut->flow);
    add_needs(cut);
    for (int t = 0; t < graph->n_tensors; t++) {
        int64_t bytes = graph->tensors[t].bytes;
        if (bytes == 0)
            continue;
        int made = made_node(cut, t), ended = made < 0 ? -1 : ended_node(cut, t);
        if (made < 0 || ended < 0 || made == ended)
            continue;
        if (made == TESS_FLOW_SOURCE && ended == TESS_FLOW_SINK)
            always += bytes;
        else
            tess_flow_add_arc(&cut->flow, made, ended, bytes);
    }
    if (cut->flow.is_broken) {
        tess_flow_release(&cut->flow);
        return tess_error_nomem(error);
    }
    *bytes_out = always;
    if (always < enough)
        *bytes_out += tess_flow_run(&cut->flow, enough - always);
    return TESS_OK;
}

void tess_cut_decide(struct tess_cut *cut, bool is_largest)
{
    if (is_largest)
        tess_flow_mark_sink_side(&cut->flow);
    else
        tess_flow_mark_source_side(&cut->flow);
    for (int i = 0; i < cut->chains->n_chains; i++) {
        if (cut->side[i] != TESS_SIDE_FREE)
            continue;
        bool is_marked = cut->flow.level[cut->node_of[i]] >= 0;
        cut->side[i] = is_marked == is_largest ? TESS_SIDE_WAITS : TESS_SIDE_RUN;
    }
}
