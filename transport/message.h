/* The messages of a cluster as plain structs: what a coordinator and its workers say to each
 * other. docs/wire-protocol.md says when.
 *
 * Data only. Bytes of a message are made and read by transport/wire.h; who sends what when is
 * decided by transport/coordinator.h and transport/worker.h.
 */
#ifndef TESS_TRANSPORT_MESSAGE_H
#define TESS_TRANSPORT_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/sha256.h"
#include "transport/part.h"

enum {
    TESS_WIRE_PROTOCOL = 2,
    TESS_WIRE_NAME = 64,               /* characters of a name, its NUL included */
    TESS_WIRE_TEXT = 256,              /* of a sentence */
    TESS_WIRE_PIECE_BYTES = 256 << 10, /* of a blob, in one message */
    TESS_WIRE_BLOBS_MAX = 4096,        /* that one plan needs */
    TESS_WIRE_BLOB_ENTRY_BYTES = TESS_SHA256_BYTES + 8,
    TESS_WIRE_PLAN_TEXT_BYTES = 1 << 24, /* at most */
    TESS_WIRE_PLAN_BYTES =               /* at most: the payload of PLAN */
    TESS_WIRE_BLOBS_MAX * TESS_WIRE_BLOB_ENTRY_BYTES + TESS_WIRE_PLAN_TEXT_BYTES
};

/* Two connections for each worker, so that no bulk delays what keeps a session alive. */
enum tess_channel { TESS_CHANNEL_CONTROL, TESS_CHANNEL_DATA };

/* The numbers are part of the protocol. Those of data are 16 and more. */
enum tess_message_kind {
    TESS_MESSAGE_HELLO = 1,
    TESS_MESSAGE_WELCOME = 2,
    TESS_MESSAGE_PLAN = 3,
    TESS_MESSAGE_NEED = 4,
    TESS_MESSAGE_BLOB = 5,
    TESS_MESSAGE_READY = 6,
    TESS_MESSAGE_BEAT = 7,
    TESS_MESSAGE_CANCEL = 8,
    TESS_MESSAGE_DRAIN = 9,
    TESS_MESSAGE_BYE = 10,
    TESS_MESSAGE_ERROR = 11,
    TESS_MESSAGE_CREDIT = 16,
    TESS_MESSAGE_TASK = 17,
    TESS_MESSAGE_RESULT = 18,
    TESS_MESSAGE_NACK = 19
};

/* One attempt at one tile. `epoch` names a coordinator's run with a plan: no two have the
 * same. Frames count from 0; stages, their tiles, and attempts at each, too. */
struct tess_task_key {
    uint64_t epoch;
    int64_t frame;
    int stage, tile, attempt;
};

enum tess_worker_state {
    TESS_WORKER_SEARCHING = 0, /* no coordinator */
    TESS_WORKER_JOINED = 1,    /* no plan */
    TESS_WORKER_FETCHING = 2,  /* weights are missing */
    TESS_WORKER_READY = 3,
    TESS_WORKER_DRAINING = 4, /* finishes what it holds, takes no more */
    TESS_WORKER_UNABLE = 5    /* cannot run this plan, and has said why */
};

enum tess_nack_code {
    TESS_NACK_CRC = 1,       /* the payload arrived damaged */
    TESS_NACK_SHAPE = 2,     /* the parts are not those of the plan */
    TESS_NACK_NO_PLAN = 3,   /* of this epoch */
    TESS_NACK_NOMEM = 4,     /* computing it takes more memory than there is */
    TESS_NACK_BUSY = 5,      /* more than was credited */
    TESS_NACK_CANCELLED = 6, /* dropped on request */
    TESS_NACK_FAILED = 7,    /* computing it failed otherwise: the text says how */
    TESS_NACK_NOT_KEPT = 8   /* what the task left out is not here any more */
};

enum tess_error_code {
    TESS_ERROR_PROTOCOL = 1,   /* the peer speaks another version */
    TESS_ERROR_TAKEN = 2,      /* another worker of this identity is at work */
    TESS_ERROR_FULL = 3,       /* no room for one more worker */
    TESS_ERROR_KERNELS = 4,    /* of another family: results would differ */
    TESS_ERROR_NOMEM = 5,      /* the plan does not fit the worker's memory */
    TESS_ERROR_PLAN = 6,       /* the plan cannot be read or run */
    TESS_ERROR_BLOB = 7,       /* weights cannot be got or kept */
    TESS_ERROR_BAD_RESULT = 8, /* a result that cannot be right */
    TESS_ERROR_SESSION = 9     /* no such session: begin again with HELLO */
};

struct tess_hello {
    char name[TESS_WIRE_NAME];
    char build[TESS_WIRE_NAME];   /* version and build, for people */
    char kernels[TESS_WIRE_NAME]; /* family; results of one family are bit-identical */
    uint64_t facts;               /* fingerprint of the kernel facts */
    uint64_t incarnation;         /* of this process: no two have the same */
    int cores;
    int64_t memory_bytes;
    int64_t macs_per_s; /* measured; 0: not measured */
};

struct tess_welcome {
    uint64_t epoch;
    int beat_ms, lease_ms;
    int64_t payload_bytes; /* of the largest message of the plan */
};

/* Payload: n_blobs times { hash [32], bytes uint64 }, then the text. */
struct tess_plan_message {
    uint64_t epoch;
    int n_blobs;
    int64_t text_bytes;
};

/* Bytes [offset, offset + n_bytes) of the blob, please. */
struct tess_need {
    struct tess_sha256 hash;
    int64_t offset, n_bytes;
};

/* Payload: the bytes from `offset` on. */
struct tess_blob_message {
    struct tess_sha256 hash;
    int64_t offset, total_bytes;
};

struct tess_ready {
    uint64_t epoch;
    int64_t peak_bytes; /* predicted, of the whole process */
};

/* From either side. A worker's says all that the coordinator must know even if everything
 * else it sent was lost; a coordinator's leaves state, n_held and resident_bytes 0. */
struct tess_beat {
    uint64_t epoch;  /* of the sender's plan; 0: none */
    int state;       /* enum tess_worker_state */
    int n_held;      /* tiles queued, being computed, or not yet given to the network */
    int64_t sent_us; /* the sender's clock */
    int64_t echo_us; /* sent_us of the last one heard; 0: none */
    int64_t resident_bytes;
};

/* How much a worker takes at a time: a window, not an increment. */
struct tess_credit {
    int tiles;
    int64_t bytes;      /* of the tiles' inputs, whole */
    int64_t kept_bytes; /* of outputs that it keeps for later tiles: transport/kept.h */
};

/* Payload: `parts`, one after the other, each [H,W,C] without gaps. They are pieces of the tile's
 * input parts; what they leave out the worker has computed itself for this frame, and kept. */
struct tess_task_message {
    struct tess_task_key key;
    struct tess_parts parts;
};

/* Payload: the output parts, likewise. */
struct tess_result {
    struct tess_task_key key;
    int64_t compute_us;
    struct tess_parts parts;
};

struct tess_nack {
    struct tess_task_key key;
    int code; /* enum tess_nack_code */
    char text[TESS_WIRE_TEXT];
};

struct tess_error_message {
    int code; /* enum tess_error_code */
    char text[TESS_WIRE_TEXT];
};

struct tess_bye {
    char text[TESS_WIRE_TEXT];
};

struct tess_message {
    enum tess_message_kind kind;
    uint64_t session;      /* 0 in HELLO, and where there is none */
    int64_t payload_bytes; /* 0: no payload */
    uint32_t payload_crc;  /* CRC-32C; 0 without a payload */
    union {
        struct tess_hello hello;
        struct tess_welcome welcome;
        struct tess_plan_message plan;
        struct tess_need need;
        struct tess_blob_message blob;
        struct tess_ready ready;
        struct tess_beat beat;
        struct tess_task_key cancel; /* tile -1: whatever of that frame */
        struct tess_bye bye;
        struct tess_error_message error;
        struct tess_credit credit;
        struct tess_task_message task;
        struct tess_result result;
        struct tess_nack nack;
    } as; /* DRAIN has no fields */
};

bool tess_task_key_is_equal(const struct tess_task_key *a, const struct tess_task_key *b);

/* "HELLO", ..., "?" for no kind. */
const char *tess_message_name(enum tess_message_kind kind);

/* The connection on which the kind travels. */
enum tess_channel tess_message_channel(enum tess_message_kind kind);

/* "NOMEM", ..., "?" for no code. */
const char *tess_nack_name(int code);

#endif
