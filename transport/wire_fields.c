#include "transport/wire_fields.h"

#include "base/arith.h"

#define AT(member) offsetof(struct tess_message, as.member)
#define UINT64(member)                                                                   \
    {                                                                                    \
        TESS_FIELD_UINT64, AT(member), 0, 0                                              \
    }
#define INT(member, low, high)                                                           \
    {                                                                                    \
        TESS_FIELD_INT, AT(member), low, high                                            \
    }
#define INT64(member, low, high)                                                         \
    {                                                                                    \
        TESS_FIELD_INT64, AT(member), low, high                                          \
    }
#define NAME(member)                                                                     \
    {                                                                                    \
        TESS_FIELD_NAME, AT(member), 0, 0                                                \
    }
#define TEXT(member)                                                                     \
    {                                                                                    \
        TESS_FIELD_TEXT, AT(member), 0, 0                                                \
    }
#define HASH(member)                                                                     \
    {                                                                                    \
        TESS_FIELD_HASH, AT(member), 0, 0                                                \
    }
#define PARTS(member)                                                                    \
    {                                                                                    \
        TESS_FIELD_PARTS, AT(member), 0, TESS_PARTS_MAX                                  \
    }
#define KEY(member, low_tile)                                                            \
    UINT64(member.epoch), INT64(member.frame, 0, INT64_MAX),                             \
        INT(member.stage, 0, 65535), INT(member.tile, low_tile, 65535),                  \
        INT(member.attempt, 0, 65535)

static const struct tess_field hello[] = {
    NAME(hello.name),
    NAME(hello.build),
    NAME(hello.kernels),
    UINT64(hello.facts),
    UINT64(hello.incarnation),
    INT(hello.cores, 1, 65536),
    INT64(hello.memory_bytes, 0, INT64_MAX),
    INT64(hello.macs_per_s, 0, INT64_MAX),
};
static const struct tess_field welcome[] = {
    UINT64(welcome.epoch),
    INT(welcome.beat_ms, 1, 60000),
    INT(welcome.lease_ms, 1, 600000),
    INT64(welcome.payload_bytes, 0, INT64_MAX),
};
static const struct tess_field plan[] = {
    UINT64(plan.epoch),
    INT(plan.n_blobs, 0, TESS_WIRE_BLOBS_MAX),
    INT64(plan.text_bytes, 1, TESS_WIRE_PLAN_TEXT_BYTES),
};
static const struct tess_field need[] = {
    HASH(need.hash),
    INT64(need.offset, 0, INT64_MAX),
    INT64(need.n_bytes, 1, 1 << 24),
};
static const struct tess_field blob[] = {
    HASH(blob.hash),
    INT64(blob.offset, 0, INT64_MAX),
    INT64(blob.total_bytes, 1, INT64_MAX),
};
static const struct tess_field ready[] = {
    UINT64(ready.epoch),
    INT64(ready.peak_bytes, 0, INT64_MAX),
};
static const struct tess_field beat[] = {
    UINT64(beat.epoch),
    INT(beat.state, TESS_WORKER_SEARCHING, TESS_WORKER_UNABLE),
    INT(beat.n_held, 0, 65535),
    INT64(beat.sent_us, 0, INT64_MAX),
    INT64(beat.echo_us, 0, INT64_MAX),
    INT64(beat.resident_bytes, 0, INT64_MAX),
};
static const struct tess_field cancel[] = {KEY(cancel, -1)};
static const struct tess_field bye[] = {TEXT(bye.text)};
static const struct tess_field error[] = {
    INT(error.code, TESS_ERROR_PROTOCOL, TESS_ERROR_SESSION),
    TEXT(error.text),
};
static const struct tess_field credit[] = {
    INT(credit.tiles, 0, 64),
    INT64(credit.bytes, 0, INT64_MAX),
    INT64(credit.kept_bytes, 0, INT64_MAX),
};
static const struct tess_field task[] = {KEY(task.key, 0), PARTS(task.parts)};
static const struct tess_field result[] = {
    KEY(result.key, 0),
    INT64(result.compute_us, 0, INT64_MAX),
    PARTS(result.parts),
};
static const struct tess_field nack[] = {
    KEY(nack.key, 0),
    INT(nack.code, TESS_NACK_CRC, TESS_NACK_NOT_KEPT),
    TEXT(nack.text),
};

#define FIELDS(table)                                                                    \
    {                                                                                    \
        (int)(sizeof(table) / sizeof *(table)), table                                    \
    }

static const struct tess_fields fields_of[] = {
    [0] = {-1, NULL},
    [TESS_MESSAGE_HELLO] = FIELDS(hello),
    [TESS_MESSAGE_WELCOME] = FIELDS(welcome),
    [TESS_MESSAGE_PLAN] = FIELDS(plan),
    [TESS_MESSAGE_NEED] = FIELDS(need),
    [TESS_MESSAGE_BLOB] = FIELDS(blob),
    [TESS_MESSAGE_READY] = FIELDS(ready),
    [TESS_MESSAGE_BEAT] = FIELDS(beat),
    [TESS_MESSAGE_CANCEL] = FIELDS(cancel),
    [TESS_MESSAGE_DRAIN] = {0, NULL},
    [TESS_MESSAGE_BYE] = FIELDS(bye),
    [TESS_MESSAGE_ERROR] = FIELDS(error),
    [12] = {-1, NULL},
    [13] = {-1, NULL},
    [14] = {-1, NULL},
    [15] = {-1, NULL},
    [TESS_MESSAGE_CREDIT] = FIELDS(credit),
    [TESS_MESSAGE_TASK] = FIELDS(task),
    [TESS_MESSAGE_RESULT] = FIELDS(result),
    [TESS_MESSAGE_NACK] = FIELDS(nack),
};

struct tess_fields tess_fields_of(int kind)
{
    if (kind < 0 || kind >= (int)(sizeof fields_of / sizeof *fields_of))
        return fields_of[0];
    return fields_of[kind];
}

static int64_t blob_limit(const struct tess_blob_message *piece)
{
    if (piece->offset >= piece->total_bytes)
        return 0;
    return tess_min_i64(piece->total_bytes - piece->offset, TESS_WIRE_PIECE_BYTES);
}

int64_t tess_fields_payload_bytes(const struct tess_message *message, int64_t *limit_out)
{
    const struct tess_plan_message *of_plan = &message->as.plan;
    if (message->kind == TESS_MESSAGE_PLAN)
        return (int64_t)of_plan->n_blobs * TESS_WIRE_BLOB_ENTRY_BYTES +
               of_plan->text_bytes;
    if (message->kind == TESS_MESSAGE_TASK)
        return tess_parts_bytes(&message->as.task.parts);
    if (message->kind == TESS_MESSAGE_RESULT)
        return tess_parts_bytes(&message->as.result.parts);
    if (message->kind != TESS_MESSAGE_BLOB)
        return 0;
    *limit_out = blob_limit(&message->as.blob);
    return TESS_FIELDS_ANY_PAYLOAD;
}
