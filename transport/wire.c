#include "transport/wire.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include <msgpack.h>

#include "base/crc32c.h"
#include "transport/wire_fields.h"

enum {
    N_BEFORE_FIELDS = 5, /* protocol, kind, session, payload_bytes, payload_crc */
    N_PART_FIELDS = 8,
    CRC_BYTES = 5, /* 0xce and 32 bits */
    CRC_MARK = 0xce
};

/* Header [at] that never grows: writing beyond the end is remembered, not done. */
struct sink {
    unsigned char *at;
    size_t n_bytes;
    bool is_full;
};

static int sink_write(void *context, const char *bytes, size_t n_bytes)
{
    struct sink *sink = context;
    if (n_bytes > TESS_WIRE_HEADER_MAX_BYTES - sink->n_bytes) {
        sink->is_full = true;
        return -1;
    }
    memcpy(sink->at + sink->n_bytes, bytes, n_bytes);
    sink->n_bytes += n_bytes;
    return 0;
}

const char *tess_wire_fault_text(enum tess_wire_fault fault)
{
    static const char *const texts[] = {
        [TESS_WIRE_OK] = "is right",
        [TESS_WIRE_SCAN] = "is no header of this protocol",
        [TESS_WIRE_HEADER_CRC] = "has a damaged header",
        [TESS_WIRE_VERSION] = "is of another protocol version",
        [TESS_WIRE_KIND] = "is of a kind that does not belong here",
        [TESS_WIRE_FIELD] = "has a field that is out of its range",
        [TESS_WIRE_SIZE] = "has a payload of another size than it says",
        [TESS_WIRE_PAYLOAD_CRC] = "has a damaged payload",
        [TESS_WIRE_NOMEM] = "could not be read for want of memory",
    };
    return texts[fault];
}

void tess_wire_seal(struct tess_message *message, const void *payload, int64_t n_bytes)
{
    assert(n_bytes >= 0);
    message->payload_bytes = n_bytes;
    message->payload_crc = n_bytes ? tess_crc32c(0, payload, (size_t)n_bytes) : 0;
}

static bool is_text(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (text[i] < ' ' || text[i] > '~') /* what a terminal might act on */
            return false;
    return true;
}

static size_t text_capacity(enum tess_field_type type)
{
    return type == TESS_FIELD_NAME ? TESS_WIRE_NAME : TESS_WIRE_TEXT;
}

/* --- writing --- */

static void pack_part(msgpack_packer *packer, const struct tess_part *part)
{
    const int numbers[N_PART_FIELDS] = {
        part->tensor,   part->rows.begin,     part->rows.end,     part->cols.begin,
        part->cols.end, part->channels.begin, part->channels.end, part->element_bytes};
    msgpack_pack_array(packer, N_PART_FIELDS);
    for (int i = 0; i < N_PART_FIELDS; i++)
        msgpack_pack_int(packer, numbers[i]);
}

static bool pack_parts(msgpack_packer *packer, const struct tess_parts *parts)
{
    if (tess_parts_bytes(parts) < 0)
        return false;
    msgpack_pack_array(packer, (size_t)parts->n);
    for (int i = 0; i < parts->n; i++)
        pack_part(packer, &parts->at[i]);
    return true;
}

static bool pack_int64(msgpack_packer *packer, const struct tess_field *field,
                       int64_t value)
{
    msgpack_pack_int64(packer, value);
    return value >= field->low && value <= field->high;
}

static bool pack_text(msgpack_packer *packer, const struct tess_field *field,
                      const char *text)
{
    size_t length = strnlen(text, text_capacity(field->type));
    msgpack_pack_str(packer, length);
    msgpack_pack_str_body(packer, text, length);
    return length < text_capacity(field->type) && is_text(text, length) &&
           (length > 0 || field->type == TESS_FIELD_TEXT);
}

static bool pack_field(msgpack_packer *packer, const struct tess_field *field,
                       const struct tess_message *message)
{
    const unsigned char *at = (const unsigned char *)message + field->offset;
    switch (field->type) {
    case TESS_FIELD_UINT64:
        msgpack_pack_uint64(packer, *(const uint64_t *)(const void *)at);
        return true;
    case TESS_FIELD_INT: return pack_int64(packer, field, *(const int *)(const void *)at);
    case TESS_FIELD_INT64:
        return pack_int64(packer, field, *(const int64_t *)(const void *)at);
    case TESS_FIELD_NAME:
    case TESS_FIELD_TEXT: return pack_text(packer, field, (const char *)at);
    case TESS_FIELD_HASH:
        msgpack_pack_bin(packer, TESS_SHA256_BYTES);
        msgpack_pack_bin_body(packer, at, TESS_SHA256_BYTES);
        return true;
    case TESS_FIELD_PARTS:
        return pack_parts(packer, (const struct tess_parts *)(const void *)at);
    }
    return false;
}

static enum tess_wire_fault check_size(const struct tess_message *message)
{
    int64_t limit = 0;
    int64_t expected = tess_fields_payload_bytes(message, &limit);
    bool is_right = expected == TESS_FIELDS_ANY_PAYLOAD
                        ? message->payload_bytes >= 1 && message->payload_bytes <= limit
                        : message->payload_bytes == expected;
    if (message->payload_bytes == 0 && message->payload_crc != 0)
        is_right = false;
    return is_right ? TESS_WIRE_OK : TESS_WIRE_SIZE;
}

size_t tess_wire_write(const struct tess_message *message,
                       unsigned char header_out[TESS_WIRE_HEADER_MAX_BYTES])
{
    struct tess_fields fields = tess_fields_of((int)message->kind);
    struct sink sink = {.at = header_out};
    msgpack_packer packer;
    bool is_right = fields.n >= 0;
    if (!is_right || check_size(message) != TESS_WIRE_OK)
        return 0;
    msgpack_packer_init(&packer, &sink, sink_write);
    msgpack_pack_array(&packer, (size_t)(N_BEFORE_FIELDS + fields.n + 1));
    msgpack_pack_int(&packer, TESS_WIRE_PROTOCOL);
    msgpack_pack_int(&packer, (int)message->kind);
    msgpack_pack_uint64(&packer, message->session);
    msgpack_pack_int64(&packer, message->payload_bytes);
    msgpack_pack_uint32(&packer, message->payload_crc);
    for (int i = 0; i < fields.n; i++)
        is_right = pack_field(&packer, &fields.at[i], message) && is_right;
    msgpack_pack_fix_uint32(&packer, tess_crc32c(0, header_out, sink.n_bytes));
    assert(!sink.is_full); /* names and sentences are bounded: so is the sum */
    return is_right ? sink.n_bytes : 0;
}

/* --- reading --- */

static bool read_uint64(const msgpack_object *object, uint64_t *value_out)
{
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    *value_out = object->via.u64;
    return true;
}

static bool read_int64(const msgpack_object *object, int64_t low, int64_t high,
                       int64_t *value_out)
{
    int64_t value = object->via.i64;
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
        if (object->via.u64 > INT64_MAX)
            return false;
        value = (int64_t)object->via.u64;
    } else if (object->type != MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return false;
    }
    if (value < low || value > high)
        return false;
    *value_out = value;
    return true;
}

static bool read_int(const msgpack_object *object, int64_t low, int64_t high,
                     int *value_out)
{
    int64_t value;
    assert(low >= INT_MIN && high <= INT_MAX);
    if (!read_int64(object, low, high, &value))
        return false;
    *value_out = (int)value;
    return true;
}

static bool read_part(const msgpack_object *object, struct tess_part *part)
{
    int *const numbers[N_PART_FIELDS] = {&part->tensor,       &part->rows.begin,
                                         &part->rows.end,     &part->cols.begin,
                                         &part->cols.end,     &part->channels.begin,
                                         &part->channels.end, &part->element_bytes};
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size != N_PART_FIELDS)
        return false;
    for (int i = 0; i < N_PART_FIELDS; i++)
        if (!read_int(&object->via.array.ptr[i], 0, TESS_PART_EXTENT_MAX, numbers[i]))
            return false;
    return tess_part_is_valid(part);
}

static bool read_parts(const msgpack_object *object, struct tess_parts *parts)
{
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size > TESS_PARTS_MAX)
        return false;
    parts->n = (int)object->via.array.size;
    for (int i = 0; i < parts->n; i++)
        if (!read_part(&object->via.array.ptr[i], &parts->at[i]))
            return false;
    return true;
}

static bool read_text(const msgpack_object *object, enum tess_field_type type, char *text)
{
    if (object->type != MSGPACK_OBJECT_STR)
        return false;
    size_t length = object->via.str.size;
    if (length >= text_capacity(type) || (length == 0 && type == TESS_FIELD_NAME) ||
        !is_text(object->via.str.ptr, length))
        return false;
    if (length > 0) /* of an empty text msgpack-c gives no address */
        memcpy(text, object->via.str.ptr, length);
    text[length] = '\0';
    return true;
}

static bool read_field(const msgpack_object *object, const struct tess_field *field,
                       struct tess_message *message)
{
    unsigned char *at = (unsigned char *)message + field->offset;
    switch (field->type) {
    case TESS_FIELD_UINT64: return read_uint64(object, (uint64_t *)(void *)at);
    case TESS_FIELD_INT:
        return read_int(object, field->low, field->high, (int *)(void *)at);
    case TESS_FIELD_INT64:
        return read_int64(object, field->low, field->high, (int64_t *)(void *)at);
    case TESS_FIELD_NAME:
    case TESS_FIELD_TEXT: return read_text(object, field->type, (char *)at);
    case TESS_FIELD_HASH:
        if (object->type != MSGPACK_OBJECT_BIN ||
            object->via.bin.size != TESS_SHA256_BYTES)
            return false;
        memcpy(at, object->via.bin.ptr, TESS_SHA256_BYTES);
        return true;
    case TESS_FIELD_PARTS: return read_parts(object, (struct tess_parts *)(void *)at);
    }
    return false;
}

/* Is the last item the checksum of everything before it? */
static bool is_crc_right(const unsigned char *header, size_t n_bytes)
{
    if (n_bytes <= CRC_BYTES || header[n_bytes - CRC_BYTES] != CRC_MARK)
        return false;
    const unsigned char *at = header + n_bytes - 4;
    uint32_t stored =
        (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return stored == tess_crc32c(0, header, n_bytes - CRC_BYTES);
}

static enum tess_wire_fault read_objects(const msgpack_object *objects, int n_objects,
                                         enum tess_channel channel,
                                         struct tess_message *message,
                                         struct tess_wire_report *report)
{
    int kind;
    int64_t crc;
    if (n_objects < 2 || !read_int(&objects[0], 0, INT_MAX, &report->protocol))
        return TESS_WIRE_FIELD;
    if (report->protocol != TESS_WIRE_PROTOCOL)
        return TESS_WIRE_VERSION;
    if (!read_int(&objects[1], 0, INT_MAX, &kind) || tess_fields_of(kind).n < 0)
        return TESS_WIRE_KIND;
    report->kind = kind;
    message->kind = (enum tess_message_kind)kind;
    if (tess_message_channel(message->kind) != channel)
        return TESS_WIRE_KIND;
    struct tess_fields fields = tess_fields_of(kind);
    if (n_objects != N_BEFORE_FIELDS + fields.n + 1 ||
        !read_uint64(&objects[2], &message->session) ||
        !read_int64(&objects[3], 0, INT64_MAX, &message->payload_bytes) ||
        !read_int64(&objects[4], 0, UINT32_MAX, &crc))
        return TESS_WIRE_FIELD;
    message->payload_crc = (uint32_t)crc;
    for (int i = 0; i < fields.n; i++)
        if (!read_field(&objects[N_BEFORE_FIELDS + i], &fields.at[i], message)) {
            report->field = i;
            return TESS_WIRE_FIELD;
        }
    return TESS_WIRE_OK;
}

static enum tess_wire_fault unpack(const void *header, size_t n_bytes,
                                   enum tess_channel channel,
                                   struct tess_message *message,
                                   struct tess_wire_report *report)
{
    enum tess_wire_fault fault = TESS_WIRE_SCAN;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    msgpack_unpack_return done = msgpack_unpack_next(&unpacked, header, n_bytes, NULL);
    if (done == MSGPACK_UNPACK_NOMEM_ERROR)
        fault = TESS_WIRE_NOMEM;
    else if (done == MSGPACK_UNPACK_SUCCESS && unpacked.data.type == MSGPACK_OBJECT_ARRAY)
        fault = read_objects(unpacked.data.via.array.ptr,
                             (int)unpacked.data.via.array.size, channel, message, report);
    msgpack_unpacked_destroy(&unpacked);
    return fault;
}

enum tess_wire_fault tess_wire_read(const void *header, size_t header_bytes,
                                    int64_t payload_bytes, enum tess_channel channel,
                                    struct tess_message *message_out,
                                    struct tess_wire_report *report_out)
{
    struct tess_wire_report report = {.field = -1};
    struct tess_message message = {0};
    enum tess_wire_fault fault = TESS_WIRE_SCAN;
    report.scan = tess_wire_scan(header, header_bytes);
    if (report.scan == TESS_SCAN_OK)
        fault = is_crc_right(header, header_bytes)
                    ? unpack(header, header_bytes, channel, &message, &report)
                    : TESS_WIRE_HEADER_CRC;
    if (fault == TESS_WIRE_OK && message.payload_bytes != payload_bytes)
        fault = TESS_WIRE_SIZE;
    if (fault == TESS_WIRE_OK)
        fault = check_size(&message);
    if (fault == TESS_WIRE_OK)
        *message_out = message;
    if (report_out)
        *report_out = report;
    return fault;
}

enum tess_wire_fault tess_wire_check_payload(const struct tess_message *message,
                                             const void *payload)
{
    if (message->payload_bytes == 0)
        return TESS_WIRE_OK;
    return tess_crc32c(0, payload, (size_t)message->payload_bytes) == message->payload_crc
               ? TESS_WIRE_OK
               : TESS_WIRE_PAYLOAD_CRC;
}

/* --- entries of PLAN --- */

void tess_wire_put_blob_entry(const struct tess_blob_entry *entry,
                              unsigned char at[TESS_WIRE_BLOB_ENTRY_BYTES])
{
    memcpy(at, entry->hash.bytes, TESS_SHA256_BYTES);
    for (int i = 0; i < 8; i++)
        at[TESS_SHA256_BYTES + i] = (unsigned char)((uint64_t)entry->n_bytes >> (8 * i));
}

bool tess_wire_get_blob_entry(const unsigned char at[TESS_WIRE_BLOB_ENTRY_BYTES],
                              struct tess_blob_entry *entry_out)
{
    uint64_t n_bytes = 0;
    for (int i = 7; i >= 0; i--)
        n_bytes = n_bytes << 8 | at[TESS_SHA256_BYTES + i];
    if (n_bytes < 1 || n_bytes > INT64_MAX)
        return false;
    memcpy(entry_out->hash.bytes, at, TESS_SHA256_BYTES);
    entry_out->n_bytes = (int64_t)n_bytes;
    return true;
}
