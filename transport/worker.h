/* A worker of a cluster as a pure state machine: it is told what happened and when, and answers
 * with what is to be done. No sockets, clocks, threads or files; it allocates when it is
 * created, and once for the list of weights of each plan.
 *
 * It finds its coordinator, gets plan and weights, holds tiles within what it offered, and
 * gives up when its coordinator is silent: then it says HELLO again for as long as it lives.
 * It computes nothing and keeps no payloads: actions name slots, and whoever drives it owns
 * what lies in them. The other side is transport/coordinator.h; what is said when is in
 * docs/wire-protocol.md.
 *
 * How to drive it: as the coordinator. Call one of the functions that tell, take actions with
 * tess_worker_next until there are none, wait at most until tess_worker_wake_us. FIND, PUT, OPEN
 * and COMPUTE may take long: their answers may come at any later time, whatever was told in
 * between, a lost session included. Only one of them is under way at a time.
 *
 * All functions belong to one thread. Times are us of one monotonic clock.
 */
#ifndef TESS_TRANSPORT_WORKER_H
#define TESS_TRANSPORT_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "transport/kept.h"
#include "transport/message.h"
#include "transport/wire.h"
#include "transport/work.h"

enum { TESS_WORKER_SLOTS = 4 };

struct tess_worker;

/* `hello` is what it says of itself; its strings are not empty. TESS_E_NOMEM. */
enum tess_status tess_worker_create(const struct tess_hello *hello,
                                    struct tess_worker **worker_out,
                                    struct tess_error *error);
void tess_worker_destroy(struct tess_worker *worker); /* accepts NULL */

/* --- what happened --- */

/* A message that tess_wire_read accepted; its payload is the driver's until it is told by
 * TESS_WORKER_HOLD to keep it. `payload` is only looked at with PLAN. */
void tess_worker_message(struct tess_worker *worker, int64_t now_us,
                         const struct tess_message *message, const void *payload,
                         bool is_payload_good);

/* The connection to the coordinator broke. */
void tess_worker_gone(struct tess_worker *worker, int64_t now_us);

/* The one answer to each TESS_WORKER_FIND and TESS_WORKER_PUT: bytes [0, n_bytes) of blob
 * `index` are here; all of them means whole and verified, and a blob that proved wrong is
 * back at 0. `status` and `text` otherwise: a disk that is full. */
void tess_worker_blob(struct tess_worker *worker, int64_t now_us, int index,
                      int64_t n_bytes, enum tess_status status, const char *text);

/* The one answer to each TESS_WORKER_OPEN. A plan that failed is opened again if the
 * coordinator sends it in another session. */
struct tess_worker_opened {
    enum tess_status status;      /* TESS_E_BUDGET, TESS_E_NOMEM: not enough memory */
    const char *text;             /* what is wrong, else NULL */
    const struct tess_work *work; /* borrowed until TESS_WORKER_CLOSE */
    int64_t peak_bytes;
    struct tess_credit credit; /* at most TESS_WORKER_SLOTS tiles and what
                                  TESS_KEPT_MAX outputs take */
};
void tess_worker_opened(struct tess_worker *worker, int64_t now_us,
                        const struct tess_worker_opened *opened);

/* A TESS_WORKER_COMPUTE is done. code: 0, or TESS_NACK_NOMEM or _FAILED with a text. */
void tess_worker_computed(struct tess_worker *worker, int64_t now_us, int slot, int code,
                          const char *text, int64_t compute_us);

/* Memory that the process holds or held at most. The next beat says it; what is much more than the
 * last one said is said at once, so that reports of short runs know it. */
void tess_worker_set_resident(struct tess_worker *worker, int64_t now_us,
                              int64_t resident_bytes);

/* Take no more tiles, finish those held, then say BYE: TESS_WORKER_LEAVE follows. */
void tess_worker_drain(struct tess_worker *worker, int64_t now_us);

void tess_worker_tick(struct tess_worker *worker, int64_t now_us);

/* When to tick at the latest. */
int64_t tess_worker_wake_us(const struct tess_worker *worker);

/* --- what is to be done --- */

enum tess_worker_verb {
    TESS_WORKER_SEND, /* `message` on `channel`; RESULT: with the parts that it names of the
                           output of `slot`, to be sealed; the output is kept, whole, as
                           `kept_slot` if that is not -1; others have no payload */
    TESS_WORKER_FORGET, /* what is kept in `slot` */
    TESS_WORKER_PLAN,  /* keep the text of the plan: the last text_bytes of the payload of
                            the message just told */
    TESS_WORKER_FIND,  /* how much of blob `index` (`blob`) is in the cache? */
    TESS_WORKER_PUT,   /* the payload of the message just told is bytes [offset, ...) of
                            blob `index`; verify the blob if it is now whole */
    TESS_WORKER_OPEN,  /* make ready to compute; all blobs are in the cache */
    TESS_WORKER_CLOSE, /* give back what OPEN took; the work is not looked at any more.
                            Never before what was asked for is answered */
    TESS_WORKER_HOLD, /* keep the input of tile `key` in `slot`: the payload of the message
                            just told, completed by what is kept of the same frame now */
    TESS_WORKER_COMPUTE, /* tile `key` from the input in `slot`; one at a time */
    TESS_WORKER_RELEASE, /* free `slot`, after what was sent from it is sent; if it is being
                            computed, when that is done, which is still to be told */
    TESS_WORKER_LEAVE,   /* nothing keeps this process here any more */
    TESS_WORKER_TELL     /* `text` to the user */
};

struct tess_worker_action {
    enum tess_worker_verb verb;
    enum tess_channel channel;
    struct tess_message message;
    int slot, kept_slot;
    struct tess_task_key key;
    int index;
    struct tess_blob_entry blob;
    int64_t offset;
    int64_t text_bytes;
    char text[TESS_WIRE_TEXT];
};

bool tess_worker_next(struct tess_worker *worker, struct tess_worker_action *action_out);

/* --- queries --- */
enum tess_worker_state tess_worker_state(const struct tess_worker *worker);
int tess_worker_n_held(const struct tess_worker *worker);
const struct tess_kept *tess_worker_kept(const struct tess_worker *worker);
void tess_worker_assert_valid(const struct tess_worker *worker);

#endif
