#include "schedule/flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

void tess_flow_release(struct tess_flow *flow)
{
    if (!flow)
        return;
    free(flow->arcs);
    free(flow->first);
    free(flow->level);
    free(flow->now);
    free(flow->queue);
    *flow = (struct tess_flow){0};
}

static bool grow_ints(int **list, int capacity)
{
    int *grown = realloc(*list, sizeof *grown * (size_t)capacity);
    if (grown)
        *list = grown;
    return grown != NULL;
}

int tess_flow_add_node(struct tess_flow *flow)
{
    if (flow->is_broken)
        return TESS_FLOW_SINK;
    if (flow->n_nodes == flow->node_capacity) {
        int capacity = flow->node_capacity ? 2 * flow->node_capacity : 256;
        flow->is_broken =
            !grow_ints(&flow->first, capacity) || !grow_ints(&flow->level, capacity) ||
            !grow_ints(&flow->now, capacity) || !grow_ints(&flow->queue, capacity);
        if (flow->is_broken)
            return TESS_FLOW_SINK;
        flow->node_capacity = capacity;
    }
    flow->first[flow->n_nodes] = -1;
    return flow->n_nodes++;
}

void tess_flow_clear(struct tess_flow *flow)
{
    flow->n_nodes = flow->n_arcs = 0;
    tess_flow_add_node(flow);
    tess_flow_add_node(flow);
}

static void add_half(struct tess_flow *flow, int from, int to, int64_t room)
{
    flow->arcs[flow->n_arcs] = (struct tess_flow_arc){to, flow->first[from], room};
    flow->first[from] = flow->n_arcs++;
}

void tess_flow_add_arc(struct tess_flow *flow, int from, int to, int64_t room)
{
    assert(room >= 0);
    if (flow->n_arcs + 2 > flow->arc_capacity && !flow->is_broken) {
        int capacity = flow->arc_capacity ? 2 * flow->arc_capacity : 1024;
        struct tess_flow_arc *arcs = realloc(flow->arcs, sizeof *arcs * (size_t)capacity);
        flow->is_broken = !arcs;
        if (arcs) {
            flow->arcs = arcs;
            flow->arc_capacity = capacity;
        }
    }
    if (flow->is_broken)
        return;
    assert(from < flow->n_nodes && to < flow->n_nodes);
    add_half(flow, from, to, room);
    add_half(flow, to, from, 0);
}

/* Levels along arcs with room from the source, or against them from the sink. */
static void mark(struct tess_flow *flow, bool is_forward)
{
    int start = is_forward ? TESS_FLOW_SOURCE : TESS_FLOW_SINK, n_queued = 1;
    memset(flow->level, 0xff, sizeof *flow->level * (size_t)flow->n_nodes);
    flow->level[start] = 0;
    flow->queue[0] = start;
    for (int at = 0; at < n_queued; at++) {
        int node = flow->queue[at];
        for (int k = flow->first[node]; k >= 0; k = flow->arcs[k].next) {
            int to = flow->arcs[k].to;
            if (flow->level[to] >= 0 || flow->arcs[is_forward ? k : k ^ 1].room == 0)
                continue;
            flow->level[to] = flow->level[node] + 1;
            flow->queue[n_queued++] = to;
        }
    }
}

void tess_flow_mark_source_side(struct tess_flow *flow)
{
    mark(flow, true);
}

void tess_flow_mark_sink_side(struct tess_flow *flow)
{
    mark(flow, false);
}

/* Pushes what fits along the path of `queue[0 .. n_path)`, arcs from source to sink; returns how
 * many of them stay usable before the first that is full. */
static int push_along(struct tess_flow *flow, int n_path, int64_t *pushed)
{
    int64_t fits = INT64_MAX;
    for (int i = 0; i < n_path; i++)
        fits = tess_min_i64(fits, flow->arcs[flow->queue[i]].room);
    int n_usable = n_path;
    for (int i = n_path - 1; i >= 0; i--) {
        int k = flow->queue[i];
        flow->arcs[k].room -= fits;
        flow->arcs[k ^ 1].room += fits;
        if (flow->arcs[k].room == 0)
            n_usable = i;
    }
    *pushed += fits;
    return n_usable;
}

/* Flow along rising levels until there is no more; the queue serves as the path. */
static int64_t push_all(struct tess_flow *flow, int64_t enough)
{
    int64_t pushed = 0;
    int n_path = 0, node = TESS_FLOW_SOURCE;
    memcpy(flow->now, flow->first, sizeof *flow->now * (size_t)flow->n_nodes);
    for (;;) {
        if (node == TESS_FLOW_SINK) {
            n_path = push_along(flow, n_path, &pushed);
            node = flow->arcs[flow->queue[n_path] ^ 1].to;
            if (pushed >= enough)
                return pushed;
            continue;
        }
        int k = flow->now[node];
        while (k >= 0 && (flow->arcs[k].room == 0 ||
                          flow->level[flow->arcs[k].to] != flow->level[node] + 1))
            k = flow->arcs[k].next;
        flow->now[node] = k;
        if (k >= 0) {
            flow->queue[n_path++] = k;
            node = flow->arcs[k].to;
        } else if (n_path > 0) {
            flow->level[node] = -1; /* leads nowhere */
            node = flow->arcs[flow->queue[--n_path] ^ 1].to;
        } else {
            return pushed;
        }
    }
}

int64_t tess_flow_run(struct tess_flow *flow, int64_t enough)
{
    assert(!flow->is_broken);
    int64_t flowing = 0;
    for (;;) {
        mark(flow, true);
        if (flow->level[TESS_FLOW_SINK] < 0 || flowing >= enough)
            return flowing;
        flowing += push_all(flow, enough - flowing);
    }
}
