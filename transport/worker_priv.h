/* What the files of the worker share. Siblings: worker.c (life, actions, time, session),
 * worker_plan.c (plan and weights), worker_tiles.c (slots).
 */
#ifndef TESS_TRANSPORT_WORKER_PRIV_H
#define TESS_TRANSPORT_WORKER_PRIV_H

#include "transport/worker.h"

enum {
    WORKER_ACTIONS = 64,
    HELLO_US = 1000000,         /* between two HELLOs */
    HELLO_REFUSED_US = 5000000, /* after the coordinator said no */
    NEED_US = 1000000,          /* a NEED without an answer is repeated */
    CREDIT_US = 1000000,        /* CREDIT is repeated, in case it got lost */
    KEEP_US = 3000000,          /* outputs are kept so long after the last tile */
    NEED_BYTES = 1 << 20,
    BLOB_TRIES = 3 /* a blob that proves wrong so often is given up */
};

/* What the driver was asked to do and has not answered yet, beside computing. While it is
 * at work no plan is closed or begun: others are ignored, and sent again. */
enum asked { ASKED_NOTHING, ASKED_FIND, ASKED_PUT, ASKED_OPEN };

enum slot_state { SLOT_FREE, SLOT_QUEUED, SLOT_COMPUTING };

struct slot {
    enum slot_state state;
    bool is_cancelled;
    bool is_orphan; /* of a session that is over: nobody is told */
    struct tess_task_key key;
    int64_t input_bytes;
    uint64_t order; /* of arrival */
};

struct tess_worker {
    struct tess_hello hello;
    enum tess_worker_state state;
    int64_t now_us;
    bool is_leaving;

    uint64_t session;
    struct tess_welcome welcome;
    int64_t heard_us, beat_sent_us, hello_due_us, credit_sent_us;
    int64_t echo_us, resident_bytes;
    int64_t said_bytes; /* of these, in the last beat */

    uint64_t epoch; /* of the plan; 0: none */
    bool has_list;  /* `blobs` and the text are of that plan */
    bool is_open;
    enum asked asked; /* also while there is no session */
    int64_t peak_bytes;
    const struct tess_work *work;
    struct tess_credit credit;
    struct tess_blob_entry *blobs; /* [n_blobs] */
    int n_blobs, blob;             /* the one looked for */
    int64_t blob_bytes;            /* of it that are here, unless asked for */
    int64_t need_end, need_sent_us;
    int n_tries;

    struct slot slots[TESS_WORKER_SLOTS];
    uint64_t n_tasks;
    struct tess_kept kept;
    int64_t busy_us; /* when the last tile came or was computed */

    struct tess_worker_action actions[WORKER_ACTIONS]; /* ring */
    int first_action, n_actions;
};

struct tess_worker_action *tess_worker_act(struct tess_worker *w,
                                           enum tess_worker_verb verb);
void tess_worker_tell(struct tess_worker *w, const char *format, ...) TESS_PRINTF(2, 3);
struct tess_message *tess_worker_send(struct tess_worker *w, enum tess_message_kind kind);
void tess_worker_beat(struct tess_worker *w);

/* ERROR to the coordinator and to the user; the plan cannot be run here. */
void tess_worker_fail_plan(struct tess_worker *w, int code, const char *text);

/* --- plan --- */
bool tess_worker_is_needing(const struct tess_worker *w); /* has asked for weights */
void tess_worker_assert_plan_valid(const struct tess_worker *w);
void tess_worker_on_plan(struct tess_worker *w, const struct tess_plan_message *plan,
                         const void *payload, bool is_payload_good);
void tess_worker_on_blob(struct tess_worker *w, const struct tess_message *message,
                         bool is_payload_good);
void tess_worker_plan_tick(struct tess_worker *w);
void tess_worker_send_ready(struct tess_worker *w);
void tess_worker_send_credit(struct tess_worker *w);

/* --- tiles --- */

/* What the coordinator may give: the credit, less what is still computed of a lost session, so that
 * never more inputs are here than the credit says. */
struct tess_credit tess_worker_offer(const struct tess_worker *w);
void tess_worker_on_task(struct tess_worker *w, const struct tess_message *message,
                         bool is_payload_good);
void tess_worker_on_cancel(struct tess_worker *w, const struct tess_task_key *key);
void tess_worker_drop_tiles(struct tess_worker *w); /* the session is over */
void tess_worker_forget_outputs(struct tess_worker *w);

#endif
