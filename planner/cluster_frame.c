/* Problem: a frame's tiles, each on a node, are computed in stages; a tile waits for those tiles
 * of earlier stages whose results it reads. When is the last one done?
 *
 * Method: simulation from event to event. A tile on a worker passes seven servers: the
 * coordinator's processor (packs the message), the link to the node, the node's processor (checks
 * it, computes, packs the result), the link back, the coordinator's processor. What of a result no
 * other node needs comes after the rest of it, and who has it already does not wait for it.
 *
 * A server serves one tile after the other. A processor that has a message to handle while it
 * computes does both at half its speed. Transfers share the coordinator's link fairly: each gets
 * the same rate, unless its own link is slower; what that leaves over the others share. A node has
 * at most two tiles at a time, the coordinator one.
 *
 * Invariant: every tile is waiting, in the queue of one server, on its way (latency), or done.
 *
 * Cost: eight events per tile, each O(nodes); who waits for whom O(tiles^2).
 *
 * Worked example: two nodes of speed 1, links of 10 bytes per us, no latency, messages free. Stage
 * 0 has two tiles of 100 us, one on each node, stage 1 two that need 20 rows each of 10 bytes: 10
 * of their own, 10 of the other's. Stage 0 reads 10 rows of the input, 10 bytes each.
 *     tile 0 (node 0): [0,100)
 *     tile 1 (node 1): out [0,10), computed [10,110), back, 10 rows: [110,120)
 *     tile 2 (node 0) waits for tile 1: [120,220)
 *     tile 3 (node 1) has 10 rows already, is sent 10 in [120,130), computes [130,230), back [230,
 *     240)
 *
 * Not done: several frames in flight; messages that are cut into parts.
 *
 * Reference: fair shares are max-min fair (Bertsekas, Gallager, "Data Networks", 1992, 6.5).
 */
#include "planner/cluster_frame_priv.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"

enum { HUB = TESS_CLUSTER_COORDINATOR, WINDOW_TILES = 2, NONE = -1 };

/* Of each node one of a kind. The first four take work, the others time. */
enum server_kind {
    HANDLES,  /* messages: us of a processor of speed 1 */
    COMPUTES, /* tiles: likewise */
    SENDS,    /* coordinator to node: bytes */
    RETURNS,  /* node to coordinator: bytes */
    GOES,     /* latency of either */
    COMES,
    N_KINDS
};

struct server {
    int head, tail; /* of its queue, NONE if empty */
    double left;    /* of the head's work; or when the head is there */
    double rate;    /* of work per us */
};

static const double IS_SERVED = -1;

/* What a tile does next. */
enum phase {
    WAITS,
    PACKED,
    SENT,
    GOING,
    CHECKED,
    COMPUTED,
    RESULT,
    BACK,
    COMING,
    STORED
};

/* A tile, or the rest of its result. */
struct walk {
    int next;      /* in its queue */
    double due_us; /* while it is on its way */
    enum phase phase;
};

struct runner {
    struct tess_frame *frame;
    int n_nodes, n_done;
    double now_us;
    struct server *servers; /* [N_KINDS][n_nodes] */
    int *busy;              /* [n_busy] servers that have something to do */
    int n_busy;
    bool is_shared[N_KINDS];       /* are the rates of transfers those of now? */
    struct tess_frame_need *needs; /* [n_tiles] */
    int *next_own;                 /* [n_tiles] of its node, in order */
    struct walk *walks; /* [2 * n_tiles] tiles, then the rests of their results */
    int *first_own;     /* [n_nodes] first that was not given yet */
    int *n_held;        /* [n_nodes] */
};

static struct server *server_of(const struct runner *runner, enum server_kind kind,
                                int node)
{
    return &runner->servers[(int)kind * runner->n_nodes + node];
}

/* Each node's tiles in order. */
static void list_own(struct runner *runner)
{
    const struct tess_frame *frame = runner->frame;
    for (int node = 0; node < runner->n_nodes; node++)
        runner->first_own[node] = NONE;
    for (int tile = frame->n_tiles - 1; tile >= 0; tile--) {
        int node = frame->tiles[tile].node;
        runner->next_own[tile] = runner->first_own[node];
        runner->first_own[node] = tile;
    }
}

/* ---- servers ---- */

static double speed_of(const struct runner *runner, int node)
{
    return runner->frame->cluster->nodes[node].speed;
}

static double bytes_per_us(const struct runner *runner, int node)
{
    return runner->frame->cluster->nodes[node].link_mbit / 8;
}

/* Whose result it is. */
static int tile_of(const struct runner *runner, int walk)
{
    return walk < runner->frame->n_tiles ? walk : walk - runner->frame->n_tiles;
}

/* Bytes of the result, or of this part of it. */
static double bytes_of(const struct runner *runner, int walk)
{
    const struct tess_frame_need *need = &runner->needs[tile_of(runner, walk)];
    bool is_rest = walk >= runner->frame->n_tiles;
    return (double)(is_rest ? need->rest_bytes : need->first_bytes);
}

static double tile_work(const struct runner *runner, const struct tess_frame_tile *it)
{
    const struct tess_tile_job job = {.compute_us = it->compute_us,
                                      .load_us = it->load_us,
                                      .load_disk_us = it->load_disk_us,
                                      .stream_disk_us = it->stream_disk_us};
    return tess_cluster_tile_work(&job, runner->frame->keeps_weights[it->node],
                                  speed_of(runner, it->node));
}

/* Work that the walk's phase takes of its server; or when it will be there. */
static double work_of(const struct runner *runner, int number)
{
    const struct tess_frame *frame = runner->frame;
    const struct tess_frame_tile *it = &frame->tiles[tile_of(runner, number)];
    const struct walk *walk = &runner->walks[number];
    double in = (double)it->in_bytes, out = bytes_of(runner, number);
    double copies_us = it->node != HUB ? 0 : out * frame->messages.copy_us_per_byte;
    switch (walk->phase) {
    case PACKED:
    case CHECKED: return frame->messages.us + in * frame->messages.us_per_byte;
    case RESULT:
    case STORED: return frame->messages.us + out * frame->messages.us_per_byte;
    case SENT: return in;
    case BACK: return out;
    case COMPUTED: return tile_work(runner, it) + copies_us;
    case GOING:
    case COMING: return walk->due_us;
    case WAITS:
    default: assert(false); return 0;
    }
}

static struct server *server_for(const struct runner *runner, int walk)
{
    int node = runner->frame->tiles[tile_of(runner, walk)].node;
    switch (runner->walks[walk].phase) {
    case PACKED:
    case STORED: return server_of(runner, HANDLES, HUB);
    case SENT: return server_of(runner, SENDS, node);
    case GOING: return server_of(runner, GOES, node);
    case CHECKED:
    case RESULT: return server_of(runner, HANDLES, node);
    case COMPUTED: return server_of(runner, COMPUTES, node);
    case BACK: return server_of(runner, RETURNS, node);
    case COMING: return server_of(runner, COMES, node);
    case WAITS:
    default: assert(false); return NULL;
    }
}

static void enter(struct runner *runner, int number, enum phase phase)
{
    struct walk *walk = &runner->walks[number];
    int node = runner->frame->tiles[tile_of(runner, number)].node;
    walk->phase = phase;
    walk->next = NONE;
    if (phase == GOING || phase == COMING)
        walk->due_us = runner->now_us + runner->frame->cluster->nodes[node].latency_us;
    struct server *server = server_for(runner, number);
    if (server->head == NONE) {
        server->head = number;
        server->left = work_of(runner, number);
        runner->busy[runner->n_busy++] = (int)(server - runner->servers);
        runner->is_shared[(server - runner->servers) / runner->n_nodes] = false;
    } else {
        runner->walks[server->tail].next = number;
    }
    server->tail = number;
}

/* Gives tiles to nodes that have room, the first that wait for nothing. */
static void give(struct runner *runner)
{
    for (int node = 0; node < runner->n_nodes; node++) {
        int window = node == HUB ? 1 : WINDOW_TILES;
        int *link = &runner->first_own[node];
        while (*link != NONE && runner->n_held[node] < window) {
            int tile = *link;
            if (runner->needs[tile].n_waits > 0) {
                link = &runner->next_own[tile];
                continue;
            }
            *link = runner->next_own[tile];
            runner->n_held[node]++;
            runner->frame->tiles[tile].begin_us = runner->now_us;
            enter(runner, tile, node == HUB ? COMPUTED : PACKED);
        }
    }
}

/* The walk's result, or part of it, is in place. */
static void finish(struct runner *runner, int walk)
{
    struct tess_frame *frame = runner->frame;
    int tile = tile_of(runner, walk);
    bool is_rest = walk != tile;
    if (!is_rest)
        runner->n_held[frame->tiles[tile].node]--;
    tess_frame_supply(frame, runner->needs, tile, is_rest);
    if (is_rest || runner->needs[tile].rest_bytes == 0) {
        frame->tiles[tile].done_us = runner->now_us;
        runner->n_done++;
    }
}

/* The head of the queue of the server that is the n-th busy one is served. */
static void leave(struct runner *runner, int n)
{
    int number = runner->busy[n];
    struct server *server = &runner->servers[number];
    int head = server->head, tile = tile_of(runner, head);
    struct walk *walk = &runner->walks[head];
    server->head = walk->next;
    if (server->head != NONE) {
        server->left = work_of(runner, server->head);
    } else {
        runner->busy[n] = runner->busy[--runner->n_busy];
        runner->is_shared[number / runner->n_nodes] = false;
    }
    bool is_computed = walk->phase == COMPUTED;
    if (walk->phase == STORED || (is_computed && runner->frame->tiles[tile].node == HUB))
        finish(runner, head);
    else
        enter(runner, head, walk->phase + 1);
    if (is_computed && runner->needs[tile].rest_bytes > 0)
        enter(runner, runner->frame->n_tiles + tile, RESULT);
}

/* ---- time ---- */

/* Rates of transfers of one direction. */
static void share_link(struct runner *runner, enum server_kind kind)
{
    double left = bytes_per_us(runner, HUB);
    int first = (int)kind * runner->n_nodes, n_open = 0;
    for (int i = 0; i < runner->n_busy; i++) {
        int node = runner->busy[i] - first;
        if (node < 0 || node >= runner->n_nodes)
            continue;
        runner->servers[first + node].rate = 0;
        n_open++;
    }
    while (n_open >
           0) { /* those whose own link is slower than a fair share have it all */
        double share = left / n_open;
        int n_slower = 0;
        for (int pass = 0; pass < 2 && n_slower == 0; pass++)
            for (int i = 0; i < runner->n_busy; i++) {
                int node = runner->busy[i] - first;
                struct server *server = &runner->servers[runner->busy[i]];
                if (node < 0 || node >= runner->n_nodes || server->rate > 0)
                    continue;
                double rate = bytes_per_us(runner, node);
                if (pass == 1 || rate < share) {
                    server->rate = fmin(rate, share);
                    left -= server->rate;
                    n_open--;
                    n_slower++;
                }
            }
    }
    runner->is_shared[kind] = true;
}

/* How fast a processor works on either of its queues. */
static double processor_rate(const struct runner *runner, int node)
{
    bool has_both = server_of(runner, HANDLES, node)->head != NONE &&
                    server_of(runner, COMPUTES, node)->head != NONE;
    return speed_of(runner, node) * (has_both ? 0.5 : 1);
}

/* To the next event. */
static void step(struct runner *runner)
{
    int n_processing = SENDS * runner->n_nodes, n_working = GOES * runner->n_nodes;
    double wait_us = INFINITY;
    if (!runner->is_shared[SENDS])
        share_link(runner, SENDS);
    if (!runner->is_shared[RETURNS])
        share_link(runner, RETURNS);
    for (int i = 0; i < runner->n_busy; i++) {
        int number = runner->busy[i];
        struct server *server = &runner->servers[number];
        if (number < n_processing)
            server->rate = processor_rate(runner, number % runner->n_nodes);
        wait_us = fmin(wait_us, number < n_working ? server->left / server->rate
                                                   : server->left - runner->now_us);
    }
    assert(isfinite(wait_us));
    wait_us = fmax(wait_us, 0);
    runner->now_us += wait_us;
    for (int i = 0; i < runner->n_busy; i++) {
        int number = runner->busy[i];
        struct server *server = &runner->servers[number];
        if (number < n_working)
            server->left -= wait_us * server->rate;
        /* What would take a nanosecond more is rounding. */
        if (number < n_working ? server->left <= 0.001 * server->rate
                               : server->left <= runner->now_us + 0.001)
            server->left = IS_SERVED;
    }
}

static void serve(struct runner *runner)
{
    for (int i = runner->n_busy - 1; i >= 0; i--)
        if (runner->servers[runner->busy[i]].left == IS_SERVED)
            leave(runner, i);
}

static void set_ends(struct tess_frame *frame)
{
    double end_us = 0;
    for (int i = 0; i < frame->n_stages; i++) {
        struct tess_frame_stage *stage = &frame->stages[i];
        for (int at = 0; at < stage->n_tiles; at++)
            end_us = fmax(end_us, frame->tiles[stage->first_tile + at].done_us);
        stage->end_us = end_us;
    }
}

double tess_frame_run(struct tess_frame *frame)
{
    size_t n_nodes = (size_t)frame->cluster->n_nodes;
    struct runner runner = {.frame = frame, .n_nodes = (int)n_nodes};
    runner.servers = calloc(N_KINDS * n_nodes, sizeof *runner.servers);
    runner.busy = calloc(N_KINDS * n_nodes, sizeof *runner.busy);
    runner.needs = calloc((size_t)frame->n_tiles + 1, sizeof *runner.needs);
    runner.next_own = calloc((size_t)frame->n_tiles + 1, sizeof *runner.next_own);
    runner.walks = calloc(2 * (size_t)frame->n_tiles + 1, sizeof *runner.walks);
    runner.first_own = calloc(n_nodes, sizeof *runner.first_own);
    runner.n_held = calloc(n_nodes, sizeof *runner.n_held);
    double end_us = -1;
    if (runner.servers && runner.busy && runner.needs && runner.next_own &&
        runner.walks && runner.first_own && runner.n_held) {
        tess_frame_set_needs(frame, runner.needs);
        for (size_t i = 0; i < N_KINDS * n_nodes; i++)
            runner.servers[i].head = NONE;
        list_own(&runner);
        give(&runner);
        while (runner.n_done < frame->n_tiles) {
            step(&runner);
            serve(&runner);
            give(&runner);
        }
        set_ends(frame);
        end_us = runner.now_us;
    }
    free(runner.servers);
    free(runner.busy);
    free(runner.needs);
    free(runner.next_own);
    free(runner.walks);
    free(runner.first_own);
    free(runner.n_held);
    return end_us;
}
