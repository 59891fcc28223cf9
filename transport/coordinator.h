/* The coordinator of a cluster as a pure state machine: it is told what happened and when, and
 * answers with what is to be done. No sockets, clocks, threads or files; it allocates when it
 * is created and never again.
 *
 * It decides who is in the cluster, which node computes which tile (transport/dispatch.h),
 * when a node counts as lost and a tile is given to another, and when a frame is complete. It
 * holds no tensors: actions name tiles, and whoever drives it packs, sends and stores. Links
 * are made by others (transport/link_mem.h for tests); the other side of the conversation is
 * transport/worker.h; docs/wire-protocol.md describes it.
 *
 * How to drive it: call one of the functions that tell; then take actions with
 * tess_coordinator_next until there are none, carrying each out before the next is taken;
 * then wait for whatever comes first, at most until tess_coordinator_wake_us.
 *
 * Guarantees: a result is stored at most once for each tile, the first valid one; a tile is
 * given away when all that it reads is stored; the accounts of each frame are closed when it
 * ends. All functions belong to one thread. Times are us of one monotonic clock.
 */
#ifndef TESS_TRANSPORT_COORDINATOR_H
#define TESS_TRANSPORT_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/accounts.h"
#include "transport/message.h"
#include "transport/wire.h"
#include "transport/work.h"

enum {
    TESS_COORDINATOR_NODES_MAX = 32, /* workers; node 0 is the coordinator itself */
    TESS_COORDINATOR_FRAMES_MAX = 8  /* in flight */
};

struct tess_coordinator;

/* A first guess at a node that is known by name; what is measured takes its place. */
struct tess_node_guess {
    char name[TESS_WIRE_NAME];
    int64_t cost_per_s; /* of the work's tiles; 0: not known */
    int64_t link_bytes_per_s;
};

struct tess_coordinator_config {
    char name[TESS_WIRE_NAME];           /* of this node, for reports */
    const struct tess_work *work;        /* borrowed, passes tess_work_check */
    uint64_t epoch;                      /* not 0; no two runs have the same */
    char kernels[TESS_WIRE_NAME];        /* workers of another family are refused */
    const struct tess_blob_entry *blobs; /* [n_blobs], borrowed: what workers may need */
    int n_blobs;
    int64_t plan_text_bytes;
    int max_workers, max_frames;
    int beat_ms, lease_ms;
    bool is_computing;          /* computes tiles itself */
    bool is_reserve;            /* only tiles that no worker can compute */
    bool is_static;             /* tiles stay with the nodes that they are planned for */
    int64_t own_cost_per_s;     /* first guess at its own speed */
    int64_t default_cost_per_s; /* of a worker that nobody guesses */
    const struct tess_node_guess *guesses; /* [n_guesses], borrowed: workers by name; the
                                              first is number 2 in the work's plan */
    int n_guesses;
    int64_t link_bytes_per_s;   /* first guess at a worker's link */
    int64_t uplink_bytes_per_s; /* shared by all; 0: not limited */
    int64_t
        patience_us; /* a frame fails if for so long nobody can compute a tile of it */
};

/* Zeroes and fills in beats of 200 ms, a lease of 1.5 s, 100 Mbit/s, room for everything. */
void tess_coordinator_config_init(struct tess_coordinator_config *config);

/* TESS_E_CONFIG for a config that is out of range; TESS_E_NOMEM. */
enum tess_status tess_coordinator_create(const struct tess_coordinator_config *config,
                                         struct tess_coordinator **coordinator_out,
                                         struct tess_error *error);
void tess_coordinator_destroy(struct tess_coordinator *coordinator); /* accepts NULL */

/* --- what happened --- */

/* A message that tess_wire_read accepted. */
struct tess_arrival {
    enum tess_channel channel;
    uint32_t peer;        /* a connection of that channel; numbers are not used again */
    const char *identity; /* authenticated; "" if the link does not authenticate */
    const struct tess_message *message;
    bool is_payload_good; /* tess_wire_check_payload */
};
void tess_coordinator_message(struct tess_coordinator *coordinator, int64_t now_us,
                              const struct tess_arrival *arrival);

/* Bytes that tess_wire_read refused. `address` is told to the user; "": not known. */
void tess_coordinator_garbage(struct tess_coordinator *coordinator, int64_t now_us,
                              enum tess_channel channel, uint32_t peer,
                              const char *address, enum tess_wire_fault fault);

/* The connection is gone. */
void tess_coordinator_gone(struct tess_coordinator *coordinator, int64_t now_us,
                           enum tess_channel channel, uint32_t peer);

/* A frame whose given tensors are ready. *frame_out numbers it, from 0. TESS_E_BUDGET: as
 * many frames as may be are in flight. */
enum tess_status tess_coordinator_submit(struct tess_coordinator *coordinator,
                                         int64_t now_us, int64_t *frame_out);

/* A COMPUTE action is done. code: 0, or an enum tess_nack_code with a text. */
void tess_coordinator_computed(struct tess_coordinator *coordinator, int64_t now_us,
                               const struct tess_task_key *key, int code,
                               const char *text, int64_t compute_us);

/* Time has passed. */
void tess_coordinator_tick(struct tess_coordinator *coordinator, int64_t now_us);

/* Says BYE to all workers, with a reason. Frames in flight stay unfinished. */
void tess_coordinator_stop(struct tess_coordinator *coordinator, int64_t now_us,
                           const char *reason);

/* When to tick at the latest. */
int64_t tess_coordinator_wake_us(const struct tess_coordinator *coordinator);

/* --- what is to be done --- */

enum tess_coordinator_verb {
    TESS_DO_SEND,    /* `message` to `peer` of `channel`; fill in and seal its payload:
                           PLAN: blob entries and text; BLOB: the bytes it names; TASK: the
                           parts that it names. A message that cannot be sent is
                           dropped: the coordinator notices by itself. */
    TESS_DO_COMPUTE, /* tile `key` here, into memory of its own. Its input must stay
                           readable until it is done even if the frame ends before. One at
                           a time. */
    TESS_DO_STORE, /* parts `stored` of the outputs of tile `key`, out of parts `came`: the
                           payload of the message just told, or if `is_own` what the computation
                           just told has made */
    TESS_DO_STAGE_DONE, /* stage key.stage of frame key.frame, and all before: tensors that
                           no later one reads are not needed any more */
    TESS_DO_FRAME_DONE,   /* frame key.frame is complete; `accounts` are closed */
    TESS_DO_FRAME_FAILED, /* `text` says why; `accounts` are not closed by area */
    TESS_DO_TELL          /* `text` to the user: one sentence about a node */
};

struct tess_coordinator_action {
    enum tess_coordinator_verb verb;
    enum tess_channel channel;
    uint32_t peer;
    struct tess_message message;
    struct tess_task_key key;
    bool is_own;
    struct tess_parts came, stored;
    bool is_first; /* of what is stored of the tile */
    /* STORE: who computed it, when it was sent there, and for how long it was computed. */
    int node;
    int64_t sent_us, compute_us;
    struct tess_accounts accounts;
    char text[TESS_WIRE_TEXT];
};

/* Takes the next action; false if there is none. */
bool tess_coordinator_next(struct tess_coordinator *coordinator,
                           struct tess_coordinator_action *action_out);

/* --- queries --- */

enum tess_node_state {
    TESS_NODE_NONE,     /* nobody yet */
    TESS_NODE_JOINED,   /* fetches plan and weights */
    TESS_NODE_READY,    /* computes */
    TESS_NODE_DRAINING, /* finishes what it holds */
    TESS_NODE_UNABLE,   /* cannot run this plan */
    TESS_NODE_GONE,     /* left or lost; may come back */
    TESS_NODE_REFUSED   /* sent what cannot be right; only a new process may come back */
};

struct tess_node_report {
    char name[TESS_WIRE_NAME], build[TESS_WIRE_NAME];
    int cores;
    int64_t memory_bytes; /* that it may hold; 0: no limit */
    double latency_us;    /* one way; 0: not measured */
    enum tess_node_state state;
    int n_held;
    int64_t n_won, n_lost;
    int64_t compute_us;            /* of the tiles won */
    int64_t bytes_sent, bytes_got; /* payloads of tasks and results, of blobs */
    int64_t blob_bytes;
    double cost_per_us, link_bytes_per_us; /* as measured now */
    int64_t resident_bytes;                /* as it last said */
};

/* Nodes ever seen, the coordinator (0) included; 0 <= node < that. */
int tess_coordinator_n_nodes(const struct tess_coordinator *coordinator);
void tess_coordinator_report(const struct tess_coordinator *coordinator, int node,
                             struct tess_node_report *report_out);

int tess_coordinator_n_frames(const struct tess_coordinator *coordinator); /* in flight */

/* Results that no open attempt waited for: repeated, or of frames that are over. */
int64_t tess_coordinator_n_stale(const struct tess_coordinator *coordinator);

/* Own bytes, for the prediction of memory. */
int64_t tess_coordinator_bytes(const struct tess_coordinator_config *config);

/* Asserts every invariant; for tests. */
void tess_coordinator_assert_valid(const struct tess_coordinator *coordinator);

#endif
