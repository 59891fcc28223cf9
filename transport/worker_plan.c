#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "transport/worker_priv.h"

/* Plan and weights: one blob after the other is looked for in the cache, and what is missing
 * of it is asked for, 1 MiB at a time. Then the plan is opened. */

void tess_worker_send_credit(struct tess_worker *w)
{
    tess_worker_send(w, TESS_MESSAGE_CREDIT)->as.credit = tess_worker_offer(w);
    w->credit_sent_us = w->now_us;
}

void tess_worker_send_ready(struct tess_worker *w)
{
    struct tess_message *ready = tess_worker_send(w, TESS_MESSAGE_READY);
    ready->as.ready = (struct tess_ready){w->epoch, w->peak_bytes};
    tess_worker_send_credit(w);
}

static bool is_computing(const struct tess_worker *w)
{
    for (int i = 0; i < TESS_WORKER_SLOTS; i++)
        if (w->slots[i].state == SLOT_COMPUTING)
            return true;
    return false;
}

bool tess_worker_is_needing(const struct tess_worker *w)
{
    return w->state == TESS_WORKER_FETCHING && w->asked == ASKED_NOTHING;
}

/* Asks for the next bytes of the blob looked for. */
static void ask(struct tess_worker *w)
{
    const struct tess_blob_entry *blob = &w->blobs[w->blob];
    int64_t n_bytes = tess_min_i64(blob->n_bytes - w->blob_bytes, NEED_BYTES);
    struct tess_message *need = tess_worker_send(w, TESS_MESSAGE_NEED);
    need->as.need = (struct tess_need){blob->hash, w->blob_bytes, n_bytes};
    w->need_end = w->blob_bytes + n_bytes;
    w->need_sent_us = w->now_us;
}

static void find_next(struct tess_worker *w)
{
    assert(w->asked == ASKED_NOTHING && !w->is_open && w->state == TESS_WORKER_FETCHING);
    if (w->blob == w->n_blobs) {
        tess_worker_act(w, TESS_WORKER_OPEN);
        w->asked = ASKED_OPEN;
        return;
    }
    struct tess_worker_action *action = tess_worker_act(w, TESS_WORKER_FIND);
    action->index = w->blob;
    action->blob = w->blobs[w->blob];
    w->asked = ASKED_FIND;
    w->blob_bytes = 0;
}

/* Copies the list of weights. False after having said why not. */
static bool take_blobs(struct tess_worker *w, const struct tess_plan_message *plan,
                       const unsigned char *payload)
{
    struct tess_blob_entry *blobs =
        malloc(sizeof *blobs * (size_t)tess_max_int(plan->n_blobs, 1));
    if (!blobs) {
        tess_worker_fail_plan(w, TESS_ERROR_NOMEM, "no memory for the list of weights");
        return false;
    }
    for (int i = 0; i < plan->n_blobs; i++)
        if (!tess_wire_get_blob_entry(payload + (size_t)i * TESS_WIRE_BLOB_ENTRY_BYTES,
                                      &blobs[i])) {
            free(blobs);
            tess_worker_fail_plan(w, TESS_ERROR_PLAN, "the list of weights is not valid");
            return false;
        }
    free(w->blobs);
    w->blobs = blobs;
    w->n_blobs = plan->n_blobs;
    w->has_list = true;
    return true;
}

static void close_plan(struct tess_worker *w)
{
    tess_worker_forget_outputs(w);
    if (w->is_open)
        tess_worker_act(w, TESS_WORKER_CLOSE);
    w->is_open = false;
    w->has_list = false;
    w->work = NULL;
    w->epoch = 0;
}

/* The plan that is here already comes again. */
static void resume_plan(struct tess_worker *w)
{
    if (w->is_open) {
        w->state = TESS_WORKER_READY;
        tess_worker_send_ready(w);
    } else if (w->state == TESS_WORKER_JOINED) { /* begun in an earlier session */
        w->state = TESS_WORKER_FETCHING;
        w->need_end = 0; /* what was asked for in that session does not come any more */
        if (w->asked == ASKED_NOTHING)
            find_next(w);
    }
}

void tess_worker_on_plan(struct tess_worker *w, const struct tess_plan_message *plan,
                         const void *payload, bool is_payload_good)
{
    if (!is_payload_good || w->state == TESS_WORKER_DRAINING || plan->epoch == 0)
        return; /* it is sent again as long as our beats ask for it */
    if (plan->epoch == w->epoch && w->has_list) {
        resume_plan(w);
        return;
    }
    if (w->asked != ASKED_NOTHING || is_computing(w))
        return; /* what is under way needs the old plan; this one is sent again */
    tess_worker_drop_tiles(w);
    close_plan(w);
    w->epoch = plan->epoch;
    w->blob = 0;
    w->n_blobs = 0;
    w->n_tries = 0;
    if (!take_blobs(w, plan, payload))
        return;
    tess_worker_act(w, TESS_WORKER_PLAN)->text_bytes = plan->text_bytes;
    w->state = TESS_WORKER_FETCHING;
    find_next(w);
}

void tess_worker_on_blob(struct tess_worker *w, const struct tess_message *message,
                         bool is_payload_good)
{
    const struct tess_blob_message *piece = &message->as.blob;
    if (!tess_worker_is_needing(w) || !is_payload_good ||
        piece->offset != w->blob_bytes ||
        piece->total_bytes != w->blobs[w->blob].n_bytes ||
        !tess_sha256_is_equal(&piece->hash, &w->blobs[w->blob].hash))
        return; /* repeated, damaged or out of order: asked for again in time */
    struct tess_worker_action *action = tess_worker_act(w, TESS_WORKER_PUT);
    action->index = w->blob;
    action->blob = w->blobs[w->blob];
    action->offset = piece->offset;
    w->asked = ASKED_PUT;
    w->need_sent_us = w->now_us;
}

void tess_worker_blob(struct tess_worker *w, int64_t now_us, int index, int64_t n_bytes,
                      enum tess_status status, const char *text)
{
    w->now_us = tess_max_i64(w->now_us, now_us);
    enum asked asked = w->asked;
    assert((asked == ASKED_FIND || asked == ASKED_PUT) && index == w->blob);
    w->asked = ASKED_NOTHING;
    if (w->state != TESS_WORKER_FETCHING)
        return; /* asked once more if the plan comes again */
    if (status != TESS_OK) {
        tess_worker_fail_plan(w, TESS_ERROR_BLOB, text);
        return;
    }
    assert(n_bytes >= 0 && n_bytes <= w->blobs[index].n_bytes);
    bool is_wrong = asked == ASKED_PUT && n_bytes == 0;
    if (is_wrong && ++w->n_tries == BLOB_TRIES) {
        tess_worker_fail_plan(w, TESS_ERROR_BLOB,
                              "weights keep arriving with another content");
        return;
    }
    bool is_first = asked == ASKED_FIND || is_wrong;
    w->blob_bytes = n_bytes;
    if (n_bytes == w->blobs[index].n_bytes) {
        w->blob++;
        w->n_tries = 0;
        find_next(w);
    } else if (is_first || n_bytes >= w->need_end) {
        ask(w);
    }
}

void tess_worker_opened(struct tess_worker *w, int64_t now_us,
                        const struct tess_worker_opened *opened)
{
    bool is_memory = opened->status == TESS_E_NOMEM || opened->status == TESS_E_BUDGET;
    w->now_us = tess_max_i64(w->now_us, now_us);
    assert(w->asked == ASKED_OPEN);
    w->asked = ASKED_NOTHING;
    if (opened->status != TESS_OK && w->state != TESS_WORKER_FETCHING)
        return; /* nobody to tell; opened again if the plan comes again */
    if (opened->status != TESS_OK) {
        tess_worker_fail_plan(w, is_memory ? TESS_ERROR_NOMEM : TESS_ERROR_PLAN,
                              opened->text);
        return;
    }
    w->is_open = true;
    w->work = opened->work;
    w->peak_bytes = opened->peak_bytes;
    w->credit = opened->credit;
    w->credit.tiles = tess_min_int(w->credit.tiles, TESS_WORKER_SLOTS);
    w->kept.limit_bytes = w->credit.kept_bytes;
    if (w->state == TESS_WORKER_FETCHING) {
        w->state = TESS_WORKER_READY;
        tess_worker_send_ready(w);
    }
}

void tess_worker_plan_tick(struct tess_worker *w)
{
    if (tess_worker_is_needing(w) && w->now_us - w->need_sent_us >= NEED_US)
        ask(w);
    if (w->state == TESS_WORKER_READY && w->now_us - w->credit_sent_us >= CREDIT_US)
        tess_worker_send_ready(w);
}

void tess_worker_assert_plan_valid(const struct tess_worker *w)
{
    assert(w->state != TESS_WORKER_READY || w->is_open);
    assert(w->state != TESS_WORKER_FETCHING || (w->has_list && !w->is_open));
    assert(!w->has_list || w->epoch);
    assert(!w->is_open || (w->has_list && w->work && w->blob == w->n_blobs));
    assert(w->asked == ASKED_NOTHING || (w->has_list && !w->is_open));
    assert(w->asked == ASKED_NOTHING || !is_computing(w));
    assert(w->blob >= 0 && w->blob <= w->n_blobs);
    if (w->asked == ASKED_OPEN)
        assert(w->blob == w->n_blobs);
    else if (w->asked != ASKED_NOTHING || tess_worker_is_needing(w))
        assert(w->blob_bytes >= 0 && w->blob_bytes < w->blobs[w->blob].n_bytes);
    (void)w;
}
