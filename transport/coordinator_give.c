#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "base/arith.h"
#include "transport/coordinator_priv.h"

/* Gives waiting tiles to nodes: tiles of older frames first, then second attempts at late
 * ones, each where it would be finished first (transport/dispatch.h). */

bool tess_give_is_late(const struct tess_coordinator *c, const struct held *held)
{
    return c->now_us - held->sent_us >=
           LATE_SLACK_US + (held->finish_us - held->sent_us) * LATE_PERCENT / 100;
}

/* When something predicted for `at_us` will come: if that is over, as much later again as
 * it is late by now. */
static double expected_us(const struct tess_coordinator *c, int64_t at_us)
{
    return (double)(at_us > c->now_us ? at_us - c->now_us : c->now_us - at_us);
}

/* How many times slower than predicted the node proves to be right now. */
static double slowness(const struct tess_coordinator *c, const struct node *node)
{
    double worst = 1;
    for (int h = 0; h < node->n_held; h++) {
        const struct held *held = &node->held[h];
        if (held->is_early)
            continue;
        double predicted = (double)tess_max_i64(held->finish_us - held->sent_us, 1);
        double elapsed = (double)(c->now_us - held->sent_us - LATE_SLACK_US);
        if (elapsed / predicted > worst)
            worst = elapsed / predicted;
    }
    return worst;
}

/* Tiles that are computed and of which only the rest is missing take no room there. */
static int room_tiles(const struct node *node, int number)
{
    int n_computed = 0;
    for (int h = 0; h < node->n_held; h++)
        n_computed += node->held[h].is_early;
    int window = tess_min_int(node->credit.tiles, number ? WINDOW_TILES : 1);
    return tess_min_int(window - (node->n_held - n_computed), HELD_MAX - node->n_held);
}

/* How many times slower than planned the node computes. */
static double lag(const struct tess_coordinator *c, const struct node *node)
{
    return node->planned_cost_per_us * slowness(c, node) / node->cost_per_us;
}

/* Those that lag twice as far behind the plan as the one that does best. Boards that all are slower
 * than was thought share the work as planned. */
static void find_slow(struct tess_coordinator *c)
{
    double least = INFINITY;
    for (int n = 0; n < c->n_nodes; n++)
        if (c->nodes[n].state == TESS_NODE_READY)
            least = fmin(least, lag(c, &c->nodes[n]));
    for (int n = 0; n < c->n_nodes; n++)
        c->nodes[n].is_slow = c->nodes[n].state == TESS_NODE_READY &&
                              lag(c, &c->nodes[n]) > SLOW_TIMES * least;
}

static struct tess_dispatch_node describe(const struct tess_coordinator *c, int number)
{
    const struct node *node = &c->nodes[number];
    struct tess_dispatch_node of = {
        .is_reserve = number == 0 && c->config.is_reserve,
        .is_able = node->state == TESS_NODE_READY && node->has_credit &&
                   node->paused_until_us <= c->now_us &&
                   (number == 0 || node->has_peer[TESS_CHANNEL_DATA]),
        .is_slow = node->is_slow,
        .unable_stages = node->unable_stages,
        .cost_per_us = node->cost_per_us / slowness(c, node),
        .link_bytes_per_us = node->link_bytes_per_us,
        .latency_us = node->latency_us,
        .room_tiles = room_tiles(node, number),
        .room_bytes = node->credit.bytes};
    for (int h = 0; h < node->n_held; h++) {
        const struct held *held = &node->held[h];
        if (held->is_early)
            continue;
        of.room_bytes -= held->input_bytes;
        if (held->arrive_us > c->now_us &&
            (double)(held->arrive_us - c->now_us) > of.link_free_us)
            of.link_free_us = (double)(held->arrive_us - c->now_us);
        if (expected_us(c, held->computed_us) > of.free_us)
            of.free_us = expected_us(c, held->computed_us);
    }
    return of;
}

/* Nodes that may not get the tile: those that try it already, those too small for its
 * input, and all workers when attempts run out. */
static uint64_t unable_nodes(const struct tess_coordinator *c,
                             const struct tile_state *state, int64_t input_bytes)
{
    uint64_t unable = 0;
    for (int a = 0; a < state->n_attempts; a++)
        if (state->attempts[a].end == TESS_ATTEMPT_OPEN)
            unable |= UINT64_C(1) << state->attempts[a].node;
    for (int n = 1; n < c->n_nodes; n++)
        if (c->nodes[n].credit.bytes < input_bytes ||
            state->n_attempts >= ATTEMPTS_OF_WORKERS)
            unable |= UINT64_C(1) << n;
    return unable;
}

/* The node that the work calls number `planned`. */
static int planned_node(const struct tess_coordinator *c, int planned)
{
    for (int n = 0; planned > 0 && n < c->n_nodes; n++)
        if (c->nodes[n].planned == planned)
            return n;
    return -1;
}

/* All nodes but one. */
static uint64_t all_but(int node)
{
    return ~(UINT64_C(1) << node);
}

/* What of the tile's inputs the node has not kept. */
static struct tess_parts missing_parts(const struct tess_coordinator *c,
                                       const struct tess_task_key *key, int node)
{
    const struct tess_work *work = c->config.work;
    struct tess_parts parts = tess_work_tile(work, key->stage, key->tile)->inputs;
    tess_kept_subtract(&c->nodes[node].kept, work, key, &parts);
    return parts;
}

static void add_waiting(struct tess_coordinator *c, int frame, int tile, int *n_waiting)
{
    const struct frame *of = &c->frames[frame];
    const struct tess_work_tile *work = &c->config.work->tiles[tile];
    struct tess_task_key key = tess_frames_key(c, of, tile);
    int64_t input_bytes = tess_parts_bytes(&work->inputs);
    int planned = planned_node(c, work->planned);
    int64_t *moved_bytes =
        c->moved_bytes + (size_t)*n_waiting * (size_t)(c->config.max_workers + 1);
    for (int n = 0; n < c->n_nodes; n++) {
        struct tess_parts parts = missing_parts(c, &key, n);
        moved_bytes[n] = tess_parts_bytes(&parts);
    }
    c->waiting_at[*n_waiting] = (struct waiting_tile){frame, tile};
    c->waiting[(*n_waiting)++] = (struct tess_dispatch_tile){
        .stage = key.stage,
        .cost = work->cost,
        .input_bytes = input_bytes,
        .moved_bytes = moved_bytes,
        .output_bytes = tess_parts_bytes(&work->outputs),
        .unable_nodes = unable_nodes(c, &of->tiles[tile], input_bytes),
        .planned = planned};
    bool must_stay = c->config.is_static || of->tiles[tile].n_missing > 0;
    if (must_stay && planned >= 0)
        c->waiting[*n_waiting - 1].unable_nodes |= all_but(planned);
}

/* Whoever has the only open attempt at the tile; NULL if there are none or several. */
static const struct held *only_attempt(const struct tess_coordinator *c,
                                       const struct frame *frame, int tile)
{
    const struct tile_state *state = &frame->tiles[tile];
    if (state->is_won || state->n_open != 1)
        return NULL;
    struct tess_task_key key = tess_frames_key(c, frame, tile);
    for (int n = 0; n < c->n_nodes; n++)
        for (int h = 0; h < c->nodes[n].n_held; h++) {
            const struct held *held = &c->nodes[n].held[h];
            if (held->key.frame == frame->number && held->key.stage == key.stage &&
                held->key.tile == key.tile &&
                state->attempts[held->key.attempt].end == TESS_ATTEMPT_OPEN)
                return held;
        }
    return NULL;
}

/* Is the only open attempt at the tile late? */
static bool needs_second(const struct tess_coordinator *c, const struct frame *frame,
                         int tile)
{
    const struct held *held = only_attempt(c, frame, tile);
    return held && frame->tiles[tile].n_attempts < ATTEMPTS_MAX &&
           frame->tiles[tile].n_missing == 0 && tess_give_is_late(c, held);
}

/* A second attempt pays off once the first has been waited for as long as the second would take:
 * then, whenever the first would have come, no more than twice that is lost. */
static bool is_worth_it(const struct tess_coordinator *c,
                        const struct tess_dispatch_tile *tile, struct waiting_tile at)
{
    const struct held *held = only_attempt(c, &c->frames[at.frame], at.tile);
    return !held || (double)(c->now_us - held->sent_us) >= tile->finish_us;
}

/* Frames [0, max_frames) in the order of their numbers: the next after `number`, -1: none. */
static int next_frame(const struct tess_coordinator *c, int64_t number)
{
    int next = -1;
    for (int i = 0; i < c->config.max_frames; i++)
        if (c->frames[i].is_open && c->frames[i].number > number &&
            (next < 0 || c->frames[i].number < c->frames[next].number))
            next = i;
    return next;
}

/* Can the tile be given to any node, or to the one that it is planned for and that has kept what
 * is not here yet? Not to that one if it is slow: others may be done sooner once all is here. */
static bool is_ready(const struct tess_coordinator *c, const struct frame *frame,
                     int tile)
{
    const struct tile_state *state = &frame->tiles[tile];
    if (state->n_missing == 0)
        return true;
    int planned = planned_node(c, c->config.work->tiles[tile].planned);
    if (state->n_unbegun > 0 || planned < 0 ||
        (c->nodes[planned].is_slow && !c->config.is_static))
        return false;
    struct tess_task_key key = tess_frames_key(c, frame, tile);
    struct tess_parts missing = missing_parts(c, &key, planned);
    return tess_frames_has_inputs(c, frame, tile, &missing);
}

static int list_waiting(struct tess_coordinator *c)
{
    int n = 0;
    for (int second = 0; second < 2; second++)
        for (int f = next_frame(c, -1); f >= 0; f = next_frame(c, c->frames[f].number)) {
            const struct frame *frame = &c->frames[f];
            for (int t = c->config.work->stages[frame->stage].first_tile;
                 t < c->config.work->n_tiles; t++) {
                const struct tile_state *state = &frame->tiles[t];
                if (second
                        ? needs_second(c, frame, t)
                        : !state->is_won && state->n_open == 0 &&
                              state->n_attempts < ATTEMPTS_MAX && is_ready(c, frame, t))
                    add_waiting(c, f, t, &n);
            }
        }
    return n;
}

/* A prediction as a point in time; beyond a year nothing is predicted. */
static int64_t time_of(const struct tess_coordinator *c, double us)
{
    const double year_us = 3.2e13;
    return c->now_us + (int64_t)(us < year_us ? us : year_us);
}

static void send_task(struct tess_coordinator *c, const struct tess_dispatch_tile *tile,
                      struct waiting_tile at)
{
    struct frame *frame = &c->frames[at.frame];
    struct node *node = &c->nodes[tile->node];
    struct held *held = tess_frames_issue(c, frame, at.tile, tile->node);
    held->input_bytes = tile->input_bytes;
    held->moved_bytes = tile->moved_bytes[tile->node];
    held->cost = tile->cost;
    held->sent_us = c->now_us;
    held->arrive_us = time_of(c, tile->arrive_us);
    held->computed_us = time_of(c, tile->computed_us);
    held->finish_us = time_of(c, tile->finish_us);
    if (tile->node == 0) {
        tess_coordinator_act(c, TESS_DO_COMPUTE)->key = held->key;
        return;
    }
    struct tess_message *task = tess_coordinator_send(c, node, TESS_MESSAGE_TASK);
    assert(task); /* a node without a data channel is not able */
    task->as.task.key = held->key;
    task->as.task.parts = missing_parts(c, &held->key, tile->node);
    node->report.bytes_sent += held->moved_bytes;
}

/* The stage of a tile that nobody is working on and nobody can work on; -1: there is none. */
static int stuck_stage(const struct tess_coordinator *c, int frame, int n_waiting)
{
    for (int i = 0; i < n_waiting; i++)
        if (c->waiting_at[i].frame == frame && c->waiting[i].node < 0 &&
            c->frames[frame].tiles[c->waiting_at[i].tile].n_open == 0)
            return c->waiting[i].stage;
    return -1;
}

/* The stage of a tile at which all attempts failed; -1: there is none. */
static int hopeless_stage(const struct tess_coordinator *c, const struct frame *frame)
{
    for (int t = 0; t < c->config.work->n_tiles; t++)
        if (frame->tiles[t].n_attempts == ATTEMPTS_MAX && !frame->tiles[t].is_won &&
            frame->tiles[t].n_open == 0)
            return tess_frames_key(c, frame, t).stage;
    return -1;
}

/* One sentence with the node that is to blame, if one is. */
static void fail_stuck(struct tess_coordinator *c, struct frame *frame, int stage)
{
    char text[TESS_WIRE_TEXT];
    const struct node *unable = NULL;
    for (int n = 0; n < c->n_nodes; n++)
        if (c->nodes[n].unable_stages >> stage & 1)
            unable = &c->nodes[n];
    if (unable)
        snprintf(text, sizeof text,
                 "no node can compute stage %d; %s said that it cannot", stage,
                 unable->name);
    else
        snprintf(text, sizeof text, "no node is left that could compute stage %d", stage);
    tess_frames_fail(c, frame, text);
}

static void fail_hopeless(struct tess_coordinator *c, struct frame *frame, int stage)
{
    char text[TESS_WIRE_TEXT];
    snprintf(text, sizeof text, "a tile of stage %d failed %d times", stage,
             ATTEMPTS_MAX);
    tess_frames_fail(c, frame, text);
}

static void watch_stuck_frames(struct tess_coordinator *c, int n_waiting)
{
    for (int f = 0; f < c->config.max_frames; f++) {
        struct frame *frame = &c->frames[f];
        if (!frame->is_open)
            continue;
        int stuck = stuck_stage(c, f, n_waiting), hopeless = hopeless_stage(c, frame);
        if (stuck < 0)
            frame->stuck_since_us = -1;
        else if (frame->stuck_since_us < 0)
            frame->stuck_since_us = c->now_us;
        if (hopeless >= 0)
            fail_hopeless(c, frame, hopeless);
        else if (stuck >= 0 && c->now_us - frame->stuck_since_us >= c->config.patience_us)
            fail_stuck(c, frame, stuck);
    }
}

void tess_give_tiles(struct tess_coordinator *c)
{
    struct tess_dispatch_node nodes[TESS_DISPATCH_NODES_MAX];
    find_slow(c);
    int n_waiting = list_waiting(c);
    for (int n = 0; n < c->n_nodes; n++)
        nodes[n] = describe(c, n);
    tess_dispatch(nodes, c->n_nodes, (double)c->config.uplink_bytes_per_s * 1e-6,
                  c->waiting, n_waiting);
    for (int i = 0; i < n_waiting; i++)
        if (c->waiting[i].node >= 0 && c->waiting[i].is_sent &&
            is_worth_it(c, &c->waiting[i], c->waiting_at[i]))
            send_task(c, &c->waiting[i], c->waiting_at[i]);
    watch_stuck_frames(c, n_waiting);
}
