/* Problem: a frame's tiles, each on a node, are computed in stages; a tile waits for those tiles
 * of earlier stages whose results it reads. When is the last one done?
 *
 * Method: simulation from event to event. A tile on a worker passes eight servers: the
 * coordinator's processor (packs the message), the link to the node, the node's processor (checks
 * it), the processor again (computes), the processor (packs the result), the link back, the
 * coordinator's processor. A server serves one tile after the other. A processor that has a
 * message to handle while it computes does both at half its speed. Transfers share the
 * coordinator's link fairly: each gets the same rate, unless its own link is slower; what that
 * leaves over the others share. A node has at most two tiles at a time, the coordinator one.
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
#include "planner/cluster_frame.h"

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

struct walk {
    int next;      /* in its queue */
    int n_waits;   /* tiles that are not stored yet */
    int next_own;  /* of its node, in order */
    double due_us; /* while it is on its way */
    int stage;
    enum phase phase;
};

struct runner {
    struct tess_frame *frame;
    int n_nodes, n_done;
    double now_us;
    struct server *servers; /* [N_KINDS][n_nodes] */
    int *busy;              /* [n_busy] servers that have something to do */
    int n_busy;
    bool is_shared[N_KINDS]; /* are the rates of transfers those of now? */
    struct walk *walks;      /* [n_tiles] */
    int *first_own;          /* [n_nodes] first that was not given yet */
    int *n_held;             /* [n_nodes] */
};

static struct server *server_of(const struct runner *runner, enum server_kind kind,
                                int node)
{
    return &runner->servers[(int)kind * runner->n_nodes + node];
}

static int64_t common_pixels(const struct tess_region *a, const struct tess_region *b)
{
    int64_t pixels = 1;
    for (int axis = TESS_ROWS; axis <= TESS_COLS; axis++) {
        int begin = tess_max_int(a->axis[axis].begin, b->axis[axis].begin);
        int end = tess_min_int(a->axis[axis].end, b->axis[axis].end);
        pixels *= tess_max_int(end - begin, 0);
    }
    return pixels;
}

static int64_t out_bytes(const struct tess_frame *frame, int tile, int stage)
{
    return tess_region_n_pixels(&frame->tiles[tile].output) *
           frame->stages[stage].output_pixel_bytes;
}

/* ---- who waits for whom, and what is sent ---- */

/* Bytes of the tile's own node's earlier results are counted in `own_bytes` [n_tiles + 1]: of all
 * that it has computed before that tile. */
static void set_input(struct runner *runner, int tile, const int64_t *own_bytes)
{
    struct tess_frame *frame = runner->frame;
    struct tess_frame_tile *it = &frame->tiles[tile];
    int stage = runner->walks[tile].stage;
    bool is_far = it->node != HUB;
    it->in_bytes =
        frame->stages[stage].input_pixel_bytes * tess_region_n_pixels(&it->input);
    for (int from = 0; from < stage; from++) {
        int64_t pixel_bytes = frame->reads[stage * frame->n_stages + from];
        const struct tess_frame_stage *before = &frame->stages[from];
        if (pixel_bytes == 0)
            continue;
        for (int i = before->first_tile; i < before->first_tile + before->n_tiles; i++) {
            int64_t pixels = common_pixels(&it->input, &frame->tiles[i].output);
            bool is_kept = frame->tiles[i].node == it->node &&
                           own_bytes[tile] - own_bytes[i] <= frame->kept_bytes[it->node];
            runner->walks[tile].n_waits += pixels > 0;
            it->in_bytes += is_kept ? 0 : pixels * pixel_bytes;
        }
    }
    it->in_bytes = is_far ? it->in_bytes : 0;
}

static enum tess_status set_inputs(struct runner *runner)
{
    struct tess_frame *frame = runner->frame;
    int64_t *own_bytes = calloc((size_t)frame->n_tiles + 1, sizeof *own_bytes);
    int64_t *sums = calloc((size_t)runner->n_nodes, sizeof *sums);
    if (own_bytes && sums)
        for (int stage = 0, tile = 0; stage < frame->n_stages; stage++) {
            assert(frame->stages[stage].first_tile == tile);
            for (int i = 0; i < frame->stages[stage].n_tiles; i++, tile++) {
                int64_t *sum = &sums[frame->tiles[tile].node];
                own_bytes[tile] = *sum;
                *sum += out_bytes(frame, tile, stage);
                runner->walks[tile].stage = stage;
            }
        }
    for (int tile = 0; tile < frame->n_tiles && own_bytes && sums; tile++)
        set_input(runner, tile, own_bytes);
    enum tess_status status = own_bytes && sums ? TESS_OK : TESS_E_NOMEM;
    free(own_bytes);
    free(sums);
    return status;
}

/* Each node's tiles in order. */
static void list_own(struct runner *runner)
{
    const struct tess_frame *frame = runner->frame;
    for (int node = 0; node < runner->n_nodes; node++)
        runner->first_own[node] = NONE;
    for (int tile = frame->n_tiles - 1; tile >= 0; tile--) {
        int node = frame->tiles[tile].node;
        runner->walks[tile].next_own = runner->first_own[node];
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

/* Work that the tile's phase takes of its server; or when it will be there. */
static double work_of(const struct runner *runner, int tile)
{
    const struct tess_frame *frame = runner->frame;
    const struct tess_frame_tile *it = &frame->tiles[tile];
    const struct walk *walk = &runner->walks[tile];
    double in = (double)it->in_bytes, out = (double)out_bytes(frame, tile, walk->stage);
    double load_us = frame->keeps_weights[it->node] ? 0 : it->load_us;
    double copies_us = it->node != HUB ? 0 : out * frame->messages.copy_us_per_byte;
    switch (walk->phase) {
    case PACKED:
    case CHECKED: return frame->messages.us + in * frame->messages.us_per_byte;
    case RESULT:
    case STORED: return frame->messages.us + out * frame->messages.us_per_byte;
    case SENT: return in;
    case BACK: return out;
    case COMPUTED: return it->compute_us + load_us + copies_us;
    case GOING:
    case COMING: return walk->due_us;
    case WAITS:
    default: assert(false); return 0;
    }
}

static struct server *server_for(const struct runner *runner, int tile)
{
    int node = runner->frame->tiles[tile].node;
    switch (runner->walks[tile].phase) {
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

static void enter(struct runner *runner, int tile, enum phase phase)
{
    struct walk *walk = &runner->walks[tile];
    int node = runner->frame->tiles[tile].node;
    walk->phase = phase;
    walk->next = NONE;
    if (phase == GOING || phase == COMING)
        walk->due_us = runner->now_us + runner->frame->cluster->nodes[node].latency_us;
    struct server *server = server_for(runner, tile);
    if (server->head == NONE) {
        server->head = tile;
        server->left = work_of(runner, tile);
        runner->busy[runner->n_busy++] = (int)(server - runner->servers);
        runner->is_shared[(server - runner->servers) / runner->n_nodes] = false;
    } else {
        runner->walks[server->tail].next = tile;
    }
    server->tail = tile;
}

/* Gives tiles to nodes that have room, the first that wait for nothing. */
static void give(struct runner *runner)
{
    for (int node = 0; node < runner->n_nodes; node++) {
        int window = node == HUB ? 1 : WINDOW_TILES;
        int *link = &runner->first_own[node];
        while (*link != NONE && runner->n_held[node] < window) {
            int tile = *link;
            struct walk *walk = &runner->walks[tile];
            if (walk->n_waits > 0) {
                link = &walk->next_own;
                continue;
            }
            *link = walk->next_own;
            runner->n_held[node]++;
            runner->frame->tiles[tile].begin_us = runner->now_us;
            enter(runner, tile, node == HUB ? COMPUTED : PACKED);
        }
    }
}

static void finish(struct runner *runner, int tile)
{
    struct tess_frame *frame = runner->frame;
    struct tess_frame_tile *it = &frame->tiles[tile];
    int stage = runner->walks[tile].stage;
    it->done_us = runner->now_us;
    runner->n_held[it->node]--;
    runner->n_done++;
    for (int to = stage + 1; to < frame->n_stages; to++) {
        const struct tess_frame_stage *after = &frame->stages[to];
        if (frame->reads[to * frame->n_stages + stage] == 0)
            continue;
        for (int i = after->first_tile; i < after->first_tile + after->n_tiles; i++)
            runner->walks[i].n_waits -=
                common_pixels(&frame->tiles[i].input, &it->output) > 0;
    }
}

/* The head of the queue of the server that is the n-th busy one is served. */
static void leave(struct runner *runner, int n)
{
    int number = runner->busy[n];
    struct server *server = &runner->servers[number];
    int tile = server->head;
    struct walk *walk = &runner->walks[tile];
    server->head = walk->next;
    if (server->head != NONE) {
        server->left = work_of(runner, server->head);
    } else {
        runner->busy[n] = runner->busy[--runner->n_busy];
        runner->is_shared[number / runner->n_nodes] = false;
    }
    if (walk->phase == STORED ||
        (walk->phase == COMPUTED && runner->frame->tiles[tile].node == HUB))
        finish(runner, tile);
    else
        enter(runner, tile, walk->phase + 1);
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
    runner.walks = calloc((size_t)frame->n_tiles + 1, sizeof *runner.walks);
    runner.first_own = calloc(n_nodes, sizeof *runner.first_own);
    runner.n_held = calloc(n_nodes, sizeof *runner.n_held);
    double end_us = -1;
    if (runner.servers && runner.busy && runner.walks && runner.first_own &&
        runner.n_held && set_inputs(&runner) == TESS_OK) {
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
    free(runner.walks);
    free(runner.first_own);
    free(runner.n_held);
    return end_us;
}

enum tess_status tess_frame_set_reads(const struct tess_stage *const *stages,
                                      int n_stages, bool sends_bytes,
                                      struct tess_frame_stage *frame_stages,
                                      int64_t *reads_out)
{
    const struct tess_graph *graph = stages[0]->graph;
    int *stage_of = calloc((size_t)graph->n_ops, sizeof *stage_of);
    if (!stage_of)
        return TESS_E_NOMEM;
    memset(reads_out, 0, sizeof *reads_out * (size_t)n_stages * (size_t)n_stages);
    for (int i = 0; i < n_stages; i++) {
        const struct tess_stage *stage = stages[i];
        frame_stages[i].input_pixel_bytes = 0;
        frame_stages[i].output_pixel_bytes = (int64_t)stage->output.c * 4;
        for (int at = 0; at < stage->n_ops; at++)
            stage_of[stage->ops[at]] = i;
        for (int t = 0; t < stage->input.n_tensors; t++) {
            const struct tess_tensor *tensor = &graph->tensors[stage->input.tensors[t]];
            if (tensor->producer < 0)
                frame_stages[i].input_pixel_bytes += tensor->c * (sends_bytes ? 1 : 4);
            else
                reads_out[i * n_stages + stage_of[tensor->producer]] += tensor->c * 4;
        }
    }
    free(stage_of);
    return TESS_OK;
}

int64_t tess_frame_moved_bytes(const struct tess_frame *frame)
{
    int64_t bytes = 0;
    for (int stage = 0; stage < frame->n_stages; stage++)
        for (int i = 0; i < frame->stages[stage].n_tiles; i++) {
            int tile = frame->stages[stage].first_tile + i;
            if (frame->tiles[tile].node != HUB)
                bytes += frame->tiles[tile].in_bytes + out_bytes(frame, tile, stage);
        }
    return bytes;
}
