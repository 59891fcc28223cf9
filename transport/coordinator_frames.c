#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/arith.h"
#include "transport/coordinator_priv.h"

/* Frames, their tiles, attempts at them, and the accounts.
 *
 * An attempt and what its node holds are two things: an attempt ends when the frame does not
 * need it any more, but the node is busy with it until it answers or its session ends. */

static struct frame *find_frame(struct tess_coordinator *c, int64_t number)
{
    for (int i = 0; i < c->config.max_frames; i++)
        if (c->frames[i].is_open && c->frames[i].number == number)
            return &c->frames[i];
    return NULL;
}

/* --- tiles of the work --- */

/* Stages whose tensors a stage reads, as bits. */
static uint64_t stages_read(const struct tess_work *work, int stage)
{
    uint64_t reads = 0;
    for (int t = 0; t < work->stages[stage].n_tiles; t++) {
        const struct tess_parts *inputs = &tess_work_tile(work, stage, t)->inputs;
        for (int i = 0; i < inputs->n; i++) {
            int writer = tess_work_writer(work, inputs->at[i].tensor);
            if (writer >= 0)
                reads |= UINT64_C(1) << writer;
        }
    }
    return reads;
}

void tess_frames_prepare(struct tess_coordinator *c)
{
    const struct tess_work *work = c->config.work;
    for (int s = 0; s < work->n_stages; s++) {
        c->reads[s] = stages_read(work, s);
        for (int from = 0; from < s; from++)
            for (int t = 0; t < work->stages[s].n_tiles && c->reads[s] >> from & 1; t++)
                for (int w = 0; w < work->stages[from].n_tiles; w++)
                    c->n_before[work->stages[s].first_tile + t] +=
                        tess_parts_meet(&tess_work_tile(work, s, t)->inputs,
                                        &tess_work_tile(work, from, w)->outputs);
    }
}

struct tess_task_key tess_frames_key(const struct tess_coordinator *c,
                                     const struct frame *frame, int tile)
{
    const struct tess_work *work = c->config.work;
    int stage = 0;
    while (tile >= work->stages[stage].first_tile + work->stages[stage].n_tiles)
        stage++;
    return (struct tess_task_key){.epoch = c->config.epoch,
                                  .frame = frame->number,
                                  .stage = stage,
                                  .tile = tile - work->stages[stage].first_tile};
}

static struct tile_state *tile_at(const struct tess_coordinator *c,
                                  const struct frame *frame,
                                  const struct tess_task_key *key)
{
    return &frame->tiles[c->config.work->stages[key->stage].first_tile + key->tile];
}

/* The attempt that the key names, if it was node `node`'s. */
static struct attempt *find_attempt(struct tess_coordinator *c,
                                    const struct tess_task_key *key, int node,
                                    struct frame **frame_out)
{
    struct frame *frame =
        key->epoch == c->config.epoch ? find_frame(c, key->frame) : NULL;
    if (!frame || !tess_work_tile(c->config.work, key->stage, key->tile))
        return NULL;
    struct tile_state *tile = tile_at(c, frame, key);
    if (key->attempt < 0 || key->attempt >= tile->n_attempts ||
        tile->attempts[key->attempt].node != node)
        return NULL;
    *frame_out = frame;
    return &tile->attempts[key->attempt];
}

/* Ends an open attempt, or moves one given up to its final end. */
static void end_attempt(struct frame *frame, struct tile_state *tile,
                        struct attempt *attempt, enum tess_attempt_end end)
{
    assert(attempt->end == TESS_ATTEMPT_OPEN || attempt->end == TESS_ATTEMPT_LOST);
    if (attempt->end == TESS_ATTEMPT_OPEN)
        tile->n_open--;
    else
        frame->accounts.ended[TESS_ATTEMPT_LOST]--;
    frame->accounts.ended[end]++;
    attempt->end = (uint8_t)end;
}

static void drop_held(struct node *node, int index)
{
    assert(index >= 0 && index < node->n_held);
    node->n_held--;
    memmove(&node->held[index], &node->held[index + 1],
            sizeof *node->held * (size_t)(node->n_held - index));
}

static int find_held(const struct node *node, const struct tess_task_key *key)
{
    for (int i = 0; i < node->n_held; i++)
        if (tess_task_key_is_equal(&node->held[i].key, key))
            return i;
    return -1;
}

static void cancel_held(struct tess_coordinator *c, struct node *node, struct held *held)
{
    struct tess_message *cancel =
        held->is_cancel_sent ? NULL : tess_coordinator_send(c, node, TESS_MESSAGE_CANCEL);
    held->is_cancel_sent = true;
    if (cancel)
        cancel->as.cancel = held->key;
}

/* Tells the nodes that still work on a tile of the frame, or on any (key NULL). */
static void cancel_others(struct tess_coordinator *c, const struct frame *frame,
                          const struct tess_task_key *key)
{
    for (int n = 1; n < c->n_nodes; n++)
        for (int h = 0; h < c->nodes[n].n_held; h++) {
            struct held *held = &c->nodes[n].held[h];
            if (held->key.frame == frame->number &&
                (!key || (held->key.stage == key->stage && held->key.tile == key->tile)))
                cancel_held(c, &c->nodes[n], held);
        }
}

/* --- frames --- */

static void begin_frame(struct tess_coordinator *c, struct frame *frame)
{
    const struct tess_work *work = c->config.work;
    memset(&frame->accounts, 0, sizeof frame->accounts);
    memset(frame->n_won, 0, sizeof frame->n_won);
    memset(frame->tiles, 0, sizeof *frame->tiles * (size_t)work->n_tiles);
    frame->is_open = true;
    frame->number = c->next_frame++;
    frame->stage = 0;
    frame->stuck_since_us = -1;
    for (int t = 0; t < work->n_tiles; t++) {
        frame->tiles[t].n_missing = frame->tiles[t].n_unbegun = c->n_before[t];
        frame->accounts.needed_bytes += tess_parts_bytes(&work->tiles[t].outputs);
    }
}

/* Whatever is still open is not needed any more. */
static void cancel_open_attempts(struct tess_coordinator *c, struct frame *frame)
{
    for (int t = 0; t < c->config.work->n_tiles; t++) {
        struct tile_state *tile = &frame->tiles[t];
        for (int a = 0; a < tile->n_attempts; a++)
            if (tile->attempts[a].end == TESS_ATTEMPT_OPEN)
                end_attempt(frame, tile, &tile->attempts[a], TESS_ATTEMPT_CANCELLED);
    }
    cancel_others(c, frame, NULL);
}

static void end_frame(struct tess_coordinator *c, struct frame *frame)
{
    cancel_open_attempts(c, frame);
    assert(tess_accounts_are_closed(&frame->accounts));
    struct tess_coordinator_action *action = tess_coordinator_act(c, TESS_DO_FRAME_DONE);
    action->key.frame = frame->number;
    action->accounts = frame->accounts;
    frame->is_open = false;
}

/* Stages that are now complete, in their order. */
static void end_stages(struct tess_coordinator *c, struct frame *frame)
{
    const struct tess_work *work = c->config.work;
    while (frame->stage < work->n_stages &&
           frame->n_won[frame->stage] == work->stages[frame->stage].n_tiles) {
        struct tess_coordinator_action *action =
            tess_coordinator_act(c, TESS_DO_STAGE_DONE);
        action->key.frame = frame->number;
        action->key.stage = frame->stage++;
    }
    if (frame->stage == work->n_stages)
        end_frame(c, frame);
}

void tess_frames_fail(struct tess_coordinator *c, struct frame *frame, const char *text)
{
    cancel_open_attempts(c, frame);
    struct tess_coordinator_action *action =
        tess_coordinator_act(c, TESS_DO_FRAME_FAILED);
    action->key.frame = frame->number;
    action->key.stage = frame->stage;
    action->accounts = frame->accounts;
    snprintf(action->text, sizeof action->text, "%s", text);
    frame->is_open = false;
}

enum tess_status tess_coordinator_submit(struct tess_coordinator *c, int64_t now_us,
                                         int64_t *frame_out)
{
    assert(c->n_actions == 0);
    c->now_us = tess_max_i64(c->now_us, now_us);
    for (int i = 0; i < c->config.max_frames; i++) {
        struct frame *frame = &c->frames[i];
        if (frame->is_open)
            continue;
        begin_frame(c, frame);
        *frame_out = frame->number;
        tess_give_tiles(c);
        return TESS_OK;
    }
    return TESS_E_BUDGET;
}

struct held *tess_frames_issue(struct tess_coordinator *c, struct frame *frame, int tile,
                               int number)
{
    struct tile_state *state = &frame->tiles[tile];
    struct node *node = &c->nodes[number];
    assert(state->n_attempts < ATTEMPTS_MAX && node->n_held < HELD_MAX);
    state->attempts[state->n_attempts] =
        (struct attempt){.node = (int8_t)number, .end = TESS_ATTEMPT_OPEN};
    struct held *held = &node->held[node->n_held];
    memset(held, 0, sizeof *held);
    held->was_alone = node->n_held++ == 0;
    held->key = tess_frames_key(c, frame, tile);
    held->key.attempt = state->n_attempts++;
    state->n_open++;
    frame->accounts.issued++;
    return held;
}

void tess_frames_lose(struct tess_coordinator *c, struct node *node, int index)
{
    struct frame *frame;
    struct tess_task_key key = node->held[index].key;
    struct attempt *attempt = find_attempt(c, &key, (int)(node - c->nodes), &frame);
    if (attempt && attempt->end == TESS_ATTEMPT_OPEN) {
        end_attempt(frame, tile_at(c, frame, &key), attempt, TESS_ATTEMPT_LOST);
        node->report.n_lost++;
    }
    drop_held(node, index);
}

/* --- results --- */

/* When a tile was sent to a node, and for how long it was computed there; 0, 0: not known any
 * more. */
struct timing {
    int64_t sent_us, compute_us;
};

/* Tiles that read what this one has written lack one less: all of it, or its early part. */
static void supply_readers(struct tess_coordinator *c, struct frame *frame,
                           const struct tess_task_key *key, bool is_early)
{
    const struct tess_work *work = c->config.work;
    const struct tess_work_tile *writer = tess_work_tile(work, key->stage, key->tile);
    for (int s = key->stage + 1; s < work->n_stages; s++)
        for (int t = 0; t < work->stages[s].n_tiles && c->reads[s] >> key->stage & 1; t++)
            if (tess_parts_meet(&tess_work_tile(work, s, t)->inputs, &writer->outputs)) {
                struct tile_state *reader = &frame->tiles[work->stages[s].first_tile + t];
                reader->n_unbegun -= is_early;
                reader->n_missing -= !is_early;
            }
}

static void win(struct tess_coordinator *c, struct frame *frame, struct attempt *attempt,
                const struct tess_task_key *key)
{
    struct tile_state *tile = tile_at(c, frame, key);
    end_attempt(frame, tile, attempt, TESS_ATTEMPT_WON);
    tile->is_won = true;
    frame->n_won[key->stage]++;
    if (tile->n_open > 0)
        cancel_others(c, frame, key);
    supply_readers(c, frame, key, false);
    end_stages(c, frame);
}

/* Asks for what of `parts` is not stored yet to be stored. */
static void store(struct tess_coordinator *c, struct frame *frame,
                  const struct tess_result *result, int number, struct timing timing)
{
    const struct tess_work_tile *work =
        tess_work_tile(c->config.work, result->key.stage, result->key.tile);
    struct tile_state *tile = tile_at(c, frame, &result->key);
    bool is_whole = tess_parts_are_equal(&result->parts, &work->outputs);
    bool is_rest = !is_whole && tess_parts_are_equal(&result->parts, &work->rest);
    bool takes_early = !is_rest && !tile->has_early;
    bool takes_rest = (is_rest || is_whole) && !tile->has_rest;
    if (!takes_early && !takes_rest)
        return;
    struct tess_coordinator_action *action = tess_coordinator_act(c, TESS_DO_STORE);
    action->key = result->key;
    action->is_own = number == 0;
    action->node = number;
    action->sent_us = timing.sent_us;
    action->compute_us = timing.compute_us;
    action->is_first = !tile->has_early && !tile->has_rest;
    action->came = result->parts;
    action->stored = takes_early && takes_rest ? work->outputs
                     : takes_rest              ? work->rest
                                               : tess_work_early(work);
    frame->accounts.won_bytes += tess_parts_bytes(&action->stored);
    if (takes_early)
        supply_readers(c, frame, &result->key, true);
    tile->has_early = tile->has_early || takes_early;
    tile->has_rest = tile->has_rest || takes_rest;
}

/* Is there more to come of it? */
static bool is_early_part(const struct tess_coordinator *c,
                          const struct tess_result *result)
{
    const struct tess_work_tile *tile =
        tess_work_tile(c->config.work, result->key.stage, result->key.tile);
    return tile->rest.n > 0 && !tess_parts_are_equal(&result->parts, &tile->rest) &&
           !tess_parts_are_equal(&result->parts, &tile->outputs);
}

/* A valid result: books it, and its node's if it won. The attempt ends with the last of it. */
static void book_result(struct tess_coordinator *c, const struct tess_result *result,
                        int number, struct timing timing)
{
    const struct tess_task_key *key = &result->key;
    struct frame *frame;
    struct attempt *attempt = find_attempt(c, key, number, &frame);
    if (!attempt ||
        (attempt->end != TESS_ATTEMPT_OPEN && attempt->end != TESS_ATTEMPT_LOST)) {
        c->n_stale++;
        return;
    }
    struct tile_state *tile = tile_at(c, frame, key);
    bool was_won = tile->is_won;
    bool was_lost = attempt->end == TESS_ATTEMPT_LOST;
    if (!was_won)
        store(c, frame, result, number, timing);
    if (!was_won && tile->has_early && tile->has_rest) {
        win(c, frame, attempt, key);
        c->nodes[number].report.n_won++;
        c->nodes[number].report.compute_us += timing.compute_us;
    } else if (!is_early_part(c, result)) {
        end_attempt(frame, tile, attempt,
                    was_lost ? TESS_ATTEMPT_LATE : TESS_ATTEMPT_DUPLICATE);
    }
}

/* A rate per us, after `amount` took `us`: an average over the last `memory_us` or so, in which a
 * measurement weighs what it is long, or should have been. A tile of 3 ms may have had the
 * processor for itself by chance, and says little. */
static double average_rate(double rate_per_us, double amount, double us, double memory_us)
{
    double expected_us = amount / rate_per_us,
           long_us = us > expected_us ? us : expected_us;
    double weight = long_us / (long_us + memory_us);
    double us_per_unit = 1 / rate_per_us;
    return 1 / (us_per_unit + (us / amount - us_per_unit) * weight);
}

/* Speed and link of the node. Returns how long the tile was computed at most: a node may lie. */
static int64_t measure(struct tess_coordinator *c, struct node *node,
                       const struct held *held, int64_t compute_us, int64_t output_bytes)
{
    int64_t elapsed_us = c->now_us - held->sent_us;
    compute_us = tess_max_i64(tess_min_i64(compute_us, elapsed_us), 1);
    node->cost_per_us = average_rate(node->cost_per_us, (double)held->cost,
                                     (double)compute_us, SPEED_MEMORY_US);
    if (!held->was_alone || node == &c->nodes[0])
        return compute_us; /* it waited for others: says nothing about the link */
    double moving_us = (double)(elapsed_us - compute_us) - 2 * node->latency_us;
    node->link_bytes_per_us =
        average_rate(node->link_bytes_per_us, (double)(held->moved_bytes + output_bytes),
                     moving_us > 1 ? moving_us : 1, LINK_MEMORY_US);
    return compute_us;
}

bool tess_frames_has_inputs(const struct tess_coordinator *c, const struct frame *frame,
                            int tile, const struct tess_parts *missing)
{
    const struct tess_work *work = c->config.work;
    int stage = tess_frames_key(c, frame, tile).stage;
    if (frame->tiles[tile].n_missing == 0)
        return true;
    for (int t = 0; t < work->stages[stage].first_tile; t++) {
        const struct tile_state *writer = &frame->tiles[t];
        const struct tess_work_tile *of = &work->tiles[t];
        if (writer->is_won || !tess_parts_meet(&work->tiles[tile].inputs, &of->outputs))
            continue;
        if (!writer->has_early || tess_parts_meet(missing, &of->rest))
            return false;
    }
    return true;
}

static bool is_right_shape(const struct tess_coordinator *c,
                           const struct tess_result *result)
{
    const struct tess_work_tile *tile =
        tess_work_tile(c->config.work, result->key.stage, result->key.tile);
    if (!tile)
        return false;
    struct tess_parts early = tess_work_early(tile);
    return tess_parts_are_equal(&tile->outputs, &result->parts) ||
           (tile->rest.n > 0 && (tess_parts_are_equal(&early, &result->parts) ||
                                 tess_parts_are_equal(&tile->rest, &result->parts)));
}

/* The node answered, uselessly: an open attempt is lost, the node is free again. */
static void lose_key(struct tess_coordinator *c, struct node *node,
                     const struct tess_task_key *key)
{
    int index = find_held(node, key);
    if (index >= 0)
        tess_frames_lose(c, node, index);
}

/* The worker keeps what it sends first. */
static void keep(const struct tess_coordinator *c, struct node *node,
                 const struct tess_message *message)
{
    const struct tess_result *result = &message->as.result;
    const struct tess_work_tile *tile =
        tess_work_tile(c->config.work, result->key.stage, result->key.tile);
    int slot;
    if (node->session == message->session &&
        !(tile->rest.n > 0 && tess_parts_are_equal(&result->parts, &tile->rest)))
        tess_kept_add(&node->kept, &result->key, tess_parts_bytes(&tile->outputs), &slot,
                      NULL, NULL);
}

/* What the node held for this result, it holds no more, or only the rest of its output. */
static struct timing let_go(struct tess_coordinator *c, struct node *node,
                            const struct tess_result *result, int64_t payload_bytes)
{
    int index = find_held(node, &result->key);
    struct timing timing = {0, 0};
    if (index < 0)
        return timing;
    struct held *held = &node->held[index];
    timing.sent_us = held->sent_us;
    if (!held->is_early)
        held->compute_us = measure(c, node, held, result->compute_us, payload_bytes);
    timing.compute_us = held->compute_us;
    held->is_early = is_early_part(c, result);
    if (!held->is_early)
        drop_held(node, index);
    return timing;
}

void tess_frames_result(struct tess_coordinator *c, struct node *node,
                        const struct tess_message *message, bool is_payload_good)
{
    const struct tess_result *result = &message->as.result;
    node->report.bytes_got += message->payload_bytes;
    if (result->key.epoch != c->config.epoch) {
        c->n_stale++;
        return;
    }
    if (!is_payload_good) {
        lose_key(c, node, &result->key);
        tess_coordinator_tell(c, "a result of %s arrived damaged", node->name);
        if (++node->n_bad == BAD_PAYLOADS_MAX && tess_node_is_live(node))
            tess_nodes_end(c, node, TESS_NODE_REFUSED,
                           "sends nothing but damaged results");
        return;
    }
    if (!is_right_shape(c, result)) {
        lose_key(c, node, &result->key);
        if (tess_node_is_live(node))
            tess_nodes_end(c, node, TESS_NODE_REFUSED, "sent a result of another shape");
        return;
    }
    node->n_bad = 0;
    keep(c, node, message);
    book_result(c, result, (int)(node - c->nodes),
                let_go(c, node, result, message->payload_bytes));
}

void tess_frames_own(struct tess_coordinator *c, const struct tess_task_key *key,
                     int64_t compute_us)
{
    struct tess_result result = {
        *key, compute_us, tess_work_tile(c->config.work, key->stage, key->tile)->outputs};
    assert(find_held(&c->nodes[0], key) >= 0);
    book_result(c, &result, 0, let_go(c, &c->nodes[0], &result, 0));
}

/* --- refusals --- */

/* What the refusal says about the node. */
static void judge_nack(struct tess_coordinator *c, struct node *node,
                       const struct tess_nack *nack)
{
    if (nack->code == TESS_NACK_NOMEM || nack->code == TESS_NACK_FAILED) {
        node->unable_stages |= UINT64_C(1) << nack->key.stage;
        tess_coordinator_tell(c, "%s %s in stage %d: %.150s", node->name,
                              nack->code == TESS_NACK_NOMEM ? "is out of memory"
                                                            : "failed",
                              nack->key.stage, nack->text);
    } else if (nack->code == TESS_NACK_SHAPE) {
        node->state = TESS_NODE_UNABLE;
        tess_coordinator_tell(c, "%s has another plan than the coordinator", node->name);
    } else if (nack->code == TESS_NACK_NO_PLAN && node->state == TESS_NODE_READY) {
        node->state = TESS_NODE_JOINED; /* its next beat asks for the plan */
    } else if (nack->code == TESS_NACK_BUSY) {
        node->paused_until_us = c->now_us + BUSY_US;
    } else if (nack->code == TESS_NACK_NOT_KEPT) {
        tess_kept_clear(&node->kept);
    } else if (nack->code == TESS_NACK_CRC) {
        tess_coordinator_tell(c, "a task for %s arrived damaged", node->name);
    }
}

void tess_frames_nack(struct tess_coordinator *c, struct node *node,
                      const struct tess_nack *nack)
{
    struct frame *frame;
    int index = find_held(node, &nack->key);
    struct attempt *attempt = find_attempt(c, &nack->key, (int)(node - c->nodes), &frame);
    if (index >= 0)
        drop_held(node, index);
    else
        return; /* repeated, or of a session that is over */
    if (attempt && attempt->end == TESS_ATTEMPT_OPEN)
        end_attempt(frame, tile_at(c, frame, &nack->key), attempt,
                    nack->code == TESS_NACK_CANCELLED ? TESS_ATTEMPT_CANCELLED
                                                      : TESS_ATTEMPT_NACKED);
    judge_nack(c, node, nack);
}
