#include "transport/message.h"

bool tess_task_key_is_equal(const struct tess_task_key *a, const struct tess_task_key *b)
{
    return a->epoch == b->epoch && a->frame == b->frame && a->stage == b->stage &&
           a->tile == b->tile && a->attempt == b->attempt;
}

const char *tess_message_name(enum tess_message_kind kind)
{
    static const char *const names[] = {
        [TESS_MESSAGE_HELLO] = "HELLO", [TESS_MESSAGE_WELCOME] = "WELCOME",
        [TESS_MESSAGE_PLAN] = "PLAN",   [TESS_MESSAGE_NEED] = "NEED",
        [TESS_MESSAGE_BLOB] = "BLOB",   [TESS_MESSAGE_READY] = "READY",
        [TESS_MESSAGE_BEAT] = "HB",     [TESS_MESSAGE_CANCEL] = "CANCEL",
        [TESS_MESSAGE_DRAIN] = "DRAIN", [TESS_MESSAGE_BYE] = "BYE",
        [TESS_MESSAGE_ERROR] = "ERROR", [TESS_MESSAGE_CREDIT] = "CREDIT",
        [TESS_MESSAGE_TASK] = "TASK",   [TESS_MESSAGE_RESULT] = "RESULT",
        [TESS_MESSAGE_NACK] = "NACK",
    };
    if ((int)kind < 0 || (int)kind >= (int)(sizeof names / sizeof *names) || !names[kind])
        return "?";
    return names[kind];
}

enum tess_channel tess_message_channel(enum tess_message_kind kind)
{
    return kind >= TESS_MESSAGE_CREDIT ? TESS_CHANNEL_DATA : TESS_CHANNEL_CONTROL;
}

const char *tess_nack_name(int code)
{
    static const char *const names[] = {
        [TESS_NACK_CRC] = "CRC",         [TESS_NACK_SHAPE] = "SHAPE",
        [TESS_NACK_NO_PLAN] = "NO_PLAN", [TESS_NACK_NOMEM] = "NOMEM",
        [TESS_NACK_BUSY] = "BUSY",       [TESS_NACK_CANCELLED] = "CANCELLED",
        [TESS_NACK_FAILED] = "FAILED",   [TESS_NACK_NOT_KEPT] = "NOT_KEPT",
    };
    if (code < 1 || code >= (int)(sizeof names / sizeof *names))
        return "?";
    return names[code];
}
