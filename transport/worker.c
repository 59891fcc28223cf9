#include "transport/worker.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arith.h"
#include "transport/worker_priv.h"

enum tess_status tess_worker_create(const struct tess_hello *hello,
                                    struct tess_worker **worker_out,
                                    struct tess_error *error)
{
    struct tess_worker *w = calloc(1, sizeof *w);
    if (!w)
        return tess_error_nomem(error);
    assert(hello->name[0] && hello->build[0] && hello->kernels[0] && hello->cores > 0);
    w->hello = *hello;
    *worker_out = w;
    return TESS_OK;
}

void tess_worker_destroy(struct tess_worker *w)
{
    if (!w)
        return;
    free(w->blobs);
    free(w);
}

/* --- actions --- */

struct tess_worker_action *tess_worker_act(struct tess_worker *w,
                                           enum tess_worker_verb verb)
{
    assert(w->n_actions < WORKER_ACTIONS);
    struct tess_worker_action *action =
        &w->actions[(w->first_action + w->n_actions++) % WORKER_ACTIONS];
    memset(action, 0, sizeof *action);
    action->verb = verb;
    return action;
}

bool tess_worker_next(struct tess_worker *w, struct tess_worker_action *action_out)
{
    if (w->n_actions == 0)
        return false;
    *action_out = w->actions[w->first_action];
    w->first_action = (w->first_action + 1) % WORKER_ACTIONS;
    w->n_actions--;
    return true;
}

void tess_worker_tell(struct tess_worker *w, const char *format, ...)
{
    va_list arguments;
    struct tess_worker_action *action = tess_worker_act(w, TESS_WORKER_TELL);
    va_start(arguments, format);
    vsnprintf(action->text, sizeof action->text, format, arguments);
    va_end(arguments);
}

struct tess_message *tess_worker_send(struct tess_worker *w, enum tess_message_kind kind)
{
    struct tess_worker_action *action = tess_worker_act(w, TESS_WORKER_SEND);
    action->channel = tess_message_channel(kind);
    action->message.kind = kind;
    action->message.session = kind == TESS_MESSAGE_HELLO ? 0 : w->session;
    return &action->message;
}

void tess_worker_beat(struct tess_worker *w)
{
    struct tess_message *beat = tess_worker_send(w, TESS_MESSAGE_BEAT);
    beat->as.beat = (struct tess_beat){.epoch = w->epoch,
                                       .state = (int)w->state,
                                       .n_held = tess_worker_n_held(w),
                                       .sent_us = w->now_us,
                                       .echo_us = w->echo_us,
                                       .resident_bytes = w->resident_bytes};
    w->beat_sent_us = w->now_us;
    w->said_bytes = w->resident_bytes;
    w->echo_us = 0; /* a beat that answers none measures nothing */
}

void tess_worker_fail_plan(struct tess_worker *w, int code, const char *text)
{
    struct tess_message *error = tess_worker_send(w, TESS_MESSAGE_ERROR);
    error->as.error.code = code;
    snprintf(error->as.error.text, TESS_WIRE_TEXT, "%s", text);
    w->state = TESS_WORKER_UNABLE;
    tess_worker_tell(w, "cannot run the plan: %.200s", text);
}

/* --- session --- */

static bool has_session(const struct tess_worker *w)
{
    return w->state != TESS_WORKER_SEARCHING;
}

static void lose_session(struct tess_worker *w, const char *reason, int64_t wait_us)
{
    if (has_session(w))
        tess_worker_tell(w, "%s; looking for the coordinator", reason);
    tess_worker_drop_tiles(w);
    w->state = TESS_WORKER_SEARCHING;
    w->session = 0;
    w->hello_due_us = w->now_us + wait_us;
    w->echo_us = 0;
}

static void say_hello(struct tess_worker *w)
{
    tess_worker_send(w, TESS_MESSAGE_HELLO)->as.hello = w->hello;
    w->hello_due_us = w->now_us + HELLO_US;
}

static void on_welcome(struct tess_worker *w, const struct tess_message *message)
{
    if (has_session(w) && message->session == w->session)
        return; /* repeated */
    tess_worker_drop_tiles(w);
    w->session = message->session;
    w->welcome = message->as.welcome;
    w->state = TESS_WORKER_JOINED;
    w->heard_us = w->now_us;
    w->beat_sent_us = w->now_us;
    w->echo_us = 0;
    tess_worker_tell(w, "joined the cluster");
}

static void on_error(struct tess_worker *w, const struct tess_message *message)
{
    const struct tess_error_message *error = &message->as.error;
    if (error->code == TESS_ERROR_SESSION && has_session(w)) {
        lose_session(w, "the coordinator does not know this session", 0);
    } else if (error->code == TESS_ERROR_BLOB && has_session(w)) {
        if (w->state == TESS_WORKER_FETCHING)
            tess_worker_fail_plan(w, TESS_ERROR_BLOB, error->text);
    } else if (!has_session(w) || message->session == w->session) {
        lose_session(w, "the coordinator refused this worker", HELLO_REFUSED_US);
        w->hello_due_us = w->now_us + HELLO_REFUSED_US;
        tess_worker_tell(w, "the coordinator says: %.200s", error->text);
    }
}

/* Messages of a session that is over change nothing. */
static void on_control(struct tess_worker *w, const struct tess_message *message,
                       const void *payload, bool is_payload_good)
{
    if (!has_session(w) || message->session != w->session)
        return;
    w->heard_us = w->now_us;
    if (message->kind == TESS_MESSAGE_BEAT) {
        w->echo_us = message->as.beat.sent_us;
        tess_worker_beat(w);
    } else if (message->kind == TESS_MESSAGE_PLAN) {
        tess_worker_on_plan(w, &message->as.plan, payload, is_payload_good);
    } else if (message->kind == TESS_MESSAGE_BLOB) {
        tess_worker_on_blob(w, message, is_payload_good);
    } else if (message->kind == TESS_MESSAGE_CANCEL) {
        tess_worker_on_cancel(w, &message->as.cancel);
    } else if (message->kind == TESS_MESSAGE_BYE) {
        lose_session(w, "the coordinator left", HELLO_US);
    } else if (message->kind == TESS_MESSAGE_DRAIN) {
        tess_worker_drain(w, w->now_us);
    } else if (message->kind == TESS_MESSAGE_TASK) {
        tess_worker_on_task(w, message, is_payload_good);
    }
}

static void begin(struct tess_worker *w, int64_t now_us)
{
    w->now_us = tess_max_i64(w->now_us, now_us);
}

/* Draining, and nothing held: leave. */
static void leave_if_done(struct tess_worker *w)
{
    if (!w->is_leaving || tess_worker_n_held(w) > 0)
        return;
    if (has_session(w)) {
        struct tess_message *bye = tess_worker_send(w, TESS_MESSAGE_BYE);
        snprintf(bye->as.bye.text, TESS_WIRE_TEXT, "drained");
        w->state = TESS_WORKER_SEARCHING;
        w->session = 0;
    }
    w->hello_due_us = INT64_MAX;
    w->is_leaving = false;
    tess_worker_act(w, TESS_WORKER_LEAVE);
}

void tess_worker_message(struct tess_worker *w, int64_t now_us,
                         const struct tess_message *message, const void *payload,
                         bool is_payload_good)
{
    begin(w, now_us);
    if (message->kind == TESS_MESSAGE_WELCOME && w->hello_due_us != INT64_MAX)
        on_welcome(w, message);
    else if (message->kind == TESS_MESSAGE_ERROR)
        on_error(w, message);
    else
        on_control(w, message, payload, is_payload_good);
    leave_if_done(w);
}

void tess_worker_gone(struct tess_worker *w, int64_t now_us)
{
    begin(w, now_us);
    if (has_session(w))
        lose_session(w, "the connection broke", 0);
    leave_if_done(w);
}

void tess_worker_set_resident(struct tess_worker *w, int64_t now_us,
                              int64_t resident_bytes)
{
    enum { MUCH_PART = 16 };
    begin(w, now_us);
    w->resident_bytes = resident_bytes;
    if (has_session(w) && resident_bytes - w->said_bytes > w->said_bytes / MUCH_PART)
        tess_worker_beat(w);
}

void tess_worker_drain(struct tess_worker *w, int64_t now_us)
{
    begin(w, now_us);
    w->is_leaving = true;
    if (has_session(w)) {
        w->state = TESS_WORKER_DRAINING;
        tess_worker_send(w, TESS_MESSAGE_DRAIN);
    }
    leave_if_done(w);
}

void tess_worker_tick(struct tess_worker *w, int64_t now_us)
{
    begin(w, now_us);
    if (has_session(w) && w->now_us - w->heard_us >= (int64_t)w->welcome.lease_ms * 1000)
        lose_session(w, "the coordinator has been silent for too long", 0);
    if (!has_session(w)) {
        if (w->now_us >= w->hello_due_us)
            say_hello(w);
        leave_if_done(w);
        return;
    }
    /* The coordinator's beats are answered at once; one of our own only if none came. */
    if (w->now_us - w->beat_sent_us >= 2 * (int64_t)w->welcome.beat_ms * 1000)
        tess_worker_beat(w);
    tess_worker_plan_tick(w);
    if (w->now_us - w->busy_us >= KEEP_US)
        tess_worker_forget_outputs(w);
    leave_if_done(w);
}

int64_t tess_worker_wake_us(const struct tess_worker *w)
{
    int64_t wake_us;
    if (!has_session(w))
        return tess_max_i64(w->hello_due_us, w->now_us + 1);
    wake_us = w->beat_sent_us + 2 * (int64_t)w->welcome.beat_ms * 1000;
    wake_us = tess_min_i64(wake_us, w->heard_us + (int64_t)w->welcome.lease_ms * 1000);
    if (tess_worker_is_needing(w))
        wake_us = tess_min_i64(wake_us, w->need_sent_us + NEED_US);
    if (w->state == TESS_WORKER_READY)
        wake_us = tess_min_i64(wake_us, w->credit_sent_us + CREDIT_US);
    if (w->kept.n > 0)
        wake_us = tess_min_i64(wake_us, w->busy_us + KEEP_US);
    return tess_max_i64(wake_us, w->now_us + 1);
}

enum tess_worker_state tess_worker_state(const struct tess_worker *w)
{
    return w->state;
}

const struct tess_kept *tess_worker_kept(const struct tess_worker *w)
{
    return &w->kept;
}

void tess_worker_assert_valid(const struct tess_worker *w)
{
    int n_computing = 0, n_inputs = 0;
    int64_t bytes = 0;
    for (int i = 0; i < TESS_WORKER_SLOTS; i++) {
        const struct slot *slot = &w->slots[i];
        n_computing += slot->state == SLOT_COMPUTING;
        n_inputs += slot->state != SLOT_FREE;
        bytes += slot->state == SLOT_FREE ? 0 : slot->input_bytes;
        assert(slot->state == SLOT_FREE || w->is_open);
        assert(!slot->is_orphan || slot->state == SLOT_COMPUTING);
    }
    assert(n_computing <= 1);
    assert(n_inputs <= w->credit.tiles && bytes <= w->credit.bytes);
    assert(w->kept.n_bytes <= w->kept.limit_bytes && (w->kept.n == 0 || w->is_open));
    assert((w->session != 0) == has_session(w));
    tess_worker_assert_plan_valid(w);
    (void)bytes;
    (void)n_inputs;
    (void)n_computing;
}
