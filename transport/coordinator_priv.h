/* What the files of the coordinator share. Siblings: coordinator.c (life, actions, time),
 * coordinator_nodes.c (sessions), coordinator_frames.c (tiles and accounts),
 * coordinator_give.c (who computes what).
 */
#ifndef TESS_TRANSPORT_COORDINATOR_PRIV_H
#define TESS_TRANSPORT_COORDINATOR_PRIV_H

#include "transport/coordinator.h"
#include "transport/dispatch.h"
#include "transport/garbage.h"
#include "transport/kept.h"

enum {
    ATTEMPTS_MAX = 24,        /* at one tile; then its frame fails */
    ATTEMPTS_OF_WORKERS = 20, /* the rest are the coordinator's own */
    HELD_MAX = 4,             /* tiles at a node */
    WINDOW_TILES = 2,         /* one computed, one ahead */
    RESEND_US = 1000000,      /* a PLAN that had no effect */
    BUSY_US = 100000,         /* no tiles for a node that said BUSY */
    BAD_PAYLOADS_MAX = 8,     /* in a row, then the node is refused */
    /* TUNING: a tile of 0.1 s moves a node's speed a tenth of the way to what was measured, one
     * of 1 s halfway: boards that compute and talk at once are uneven, and tiles are not to move
     * for that. Raised from 0.3 s on 2026-11-22, with the slack of transport/dispatch.c; not
     * varied alone. */
    SPEED_MEMORY_US = 1000000,
    LINK_MEMORY_US = 300000,
    /* TUNING: a tile is late at 1.5 times its predicted time and 30 ms; chosen, not
     * measured: prediction errors of equal tiles on idle boards stay below a third. */
    LATE_PERCENT = 150,
    LATE_SLACK_US = 30000,
    /* TUNING: chosen. Boards that compute and talk are seen at 0.7 to 1.1 of their speed. */
    SLOW_TIMES = 2,
    N_CHANNELS = 2
};

struct attempt {
    int8_t node;
    uint8_t end; /* enum tess_attempt_end */
};

struct tile_state {
    bool is_won;    /* both of: */
    bool has_early; /* what others wait for is stored */
    bool has_rest;
    int n_missing; /* tiles that write what it reads and are not won */
    int n_unbegun; /* those of them that have not even the early part of that stored */
    int8_t n_open;
    uint8_t n_attempts;
    struct attempt attempts[ATTEMPTS_MAX];
};

struct frame {
    bool is_open;
    int64_t number;
    int stage;              /* the first that is not complete */
    int64_t stuck_since_us; /* -1: somebody can compute each tile */
    struct tess_accounts accounts;
    struct tile_state *tiles;        /* [work.n_tiles] */
    int n_won[TESS_WORK_STAGES_MAX]; /* tiles of each stage */
};

/* A tile at a node, until the node has answered: longer than its attempt may be open. */
struct held {
    struct tess_task_key key;
    int64_t input_bytes, moved_bytes, cost; /* inputs whole, and what of them was sent */
    int64_t sent_us, arrive_us, computed_us, finish_us; /* the last three predicted */
    int64_t compute_us;                                 /* measured, once it is */
    bool was_alone; /* nothing else was held when it was sent: measures the link */
    bool is_early;  /* computed; the rest of its output is on its way */
    bool is_cancel_sent;
};

struct node {
    char name[TESS_WIRE_NAME];
    char identity[TESS_WIRE_NAME];
    enum tess_node_state state;
    int planned; /* its number in the work's plan; 0: not in it */
    uint64_t session, incarnation;
    bool has_peer[N_CHANNELS];
    uint32_t peer[N_CHANNELS];
    bool has_credit;
    struct tess_credit credit;
    struct tess_kept kept; /* as far as is known here */
    uint64_t unable_stages;
    int64_t heard_us, beat_sent_us, plan_sent_us, paused_until_us;
    int64_t echo_us; /* sent_us of its last beat */
    double cost_per_us, link_bytes_per_us, latency_us;
    double planned_cost_per_us; /* as first said, or guessed */
    bool is_slow;               /* much slower than planned, beside the others */
    int n_bad;                  /* damaged payloads in a row */
    struct tess_garbage garbage;
    int n_held;
    struct held held[HELD_MAX];
    struct tess_node_report report; /* counters only */
};

struct tess_coordinator {
    struct tess_coordinator_config config;
    int64_t now_us;
    int n_nodes;
    struct node *nodes;                   /* [1 + max_workers] */
    struct frame *frames;                 /* [max_frames] */
    struct tile_state *tiles;             /* [max_frames][work.n_tiles] */
    int *n_before;                        /* [work.n_tiles] that write what it reads */
    uint64_t reads[TESS_WORK_STAGES_MAX]; /* bit s: the stage reads what stage s writes */
    int64_t next_frame;
    uint64_t n_sessions;
    int64_t n_stale;
    struct tess_garbage strangers;           /* whoever has no session */
    struct tess_coordinator_action *actions; /* ring */
    int n_actions, first_action, max_actions;
    struct tess_dispatch_tile *waiting; /* [max_frames * work.n_tiles] */
    struct waiting_tile {
        int frame, tile; /* of the work */
    } * waiting_at;
    int64_t *moved_bytes; /* [max_frames * work.n_tiles][1 + max_workers] */
};

/* Adds an action of this verb, zeroed, to be filled in. Never NULL: the ring holds what one
 * event can cause. */
struct tess_coordinator_action *tess_coordinator_act(struct tess_coordinator *c,
                                                     enum tess_coordinator_verb verb);
void tess_coordinator_tell(struct tess_coordinator *c, const char *format, ...)
    TESS_PRINTF(2, 3);

/* A message to a node that has this channel, session filled in; NULL if it has not. */
struct tess_message *tess_coordinator_send(struct tess_coordinator *c, struct node *node,
                                           enum tess_message_kind kind);

/* --- nodes --- */
static inline bool tess_node_is_live(const struct node *node)
{
    return node->state == TESS_NODE_JOINED || node->state == TESS_NODE_READY ||
           node->state == TESS_NODE_DRAINING || node->state == TESS_NODE_UNABLE;
}
void tess_nodes_message(struct tess_coordinator *c, const struct tess_arrival *arrival);
void tess_nodes_tick(struct tess_coordinator *c);

/* Ends the session: what the node held is lost. `state` is TESS_NODE_GONE or _REFUSED;
 * `reason` finishes "NAME ". */
void tess_nodes_end(struct tess_coordinator *c, struct node *node,
                    enum tess_node_state state, const char *reason);
struct node *tess_nodes_by_peer(struct tess_coordinator *c, enum tess_channel channel,
                                uint32_t peer);

/* --- frames --- */

/* Fills n_before and reads. Cost: each tile with those of the stages that it reads from. */
void tess_frames_prepare(struct tess_coordinator *c);

/* Stage and number in the stage of a tile of the work. */
struct tess_task_key tess_frames_key(const struct tess_coordinator *c,
                                     const struct frame *frame, int tile);
void tess_frames_result(struct tess_coordinator *c, struct node *node,
                        const struct tess_message *message, bool is_payload_good);
void tess_frames_nack(struct tess_coordinator *c, struct node *node,
                      const struct tess_nack *nack);
void tess_frames_own(struct tess_coordinator *c, const struct tess_task_key *key,
                     int64_t compute_us);

/* The node will not answer for what slot `index` holds: its attempt is lost. */
void tess_frames_lose(struct tess_coordinator *c, struct node *node, int index);

/* Registers attempt number n_attempts - 1 of a tile of the work with a node; what is held is
 * filled in by the caller. */
struct held *tess_frames_issue(struct tess_coordinator *c, struct frame *frame, int tile,
                               int node);
void tess_frames_fail(struct tess_coordinator *c, struct frame *frame, const char *text);

/* May the node get the tile, all but the parts `missing` of whose inputs it has? They are stored,
 * though tiles that wrote them may not be complete. */
bool tess_frames_has_inputs(const struct tess_coordinator *c, const struct frame *frame,
                            int tile, const struct tess_parts *missing);

/* --- giving --- */
void tess_give_tiles(struct tess_coordinator *c);
bool tess_give_is_late(const struct tess_coordinator *c, const struct held *held);

#endif
