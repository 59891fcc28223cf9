/* Messages as bytes: a header (MessagePack, at most 1 KiB) and at most one raw payload.
 *
 *     header = [ protocol, kind, session, payload_bytes, payload_crc, field..., header_crc ]
 *
 * A fixed-order array; header_crc is CRC-32C of all bytes of the header before it and always
 * takes five bytes. Payloads are raw little-endian numbers and are never copied here.
 * docs/wire-protocol.md has the grammar.
 *
 * Whatever arrives is judged in this order: size and structure (transport/wire_scan.h, before
 * anything is allocated), header_crc, protocol, kind, every field's type and range, and that
 * the payload has the size that the fields imply. Whether parts are those of the plan, and
 * whether the sender may say this now, is for those who know the plan and the sender.
 */
#ifndef TESS_TRANSPORT_WIRE_H
#define TESS_TRANSPORT_WIRE_H

#include <stddef.h>

#include "transport/message.h"
#include "transport/wire_scan.h"

enum tess_wire_fault {
    TESS_WIRE_OK = 0,
    TESS_WIRE_SCAN,       /* the structure: tess_wire_scan says what */
    TESS_WIRE_HEADER_CRC, /* damaged, or not ours */
    TESS_WIRE_VERSION,    /* another protocol version */
    TESS_WIRE_KIND,       /* no such message, or not on this channel */
    TESS_WIRE_FIELD,      /* a field is missing, of another type, or out of its range */
    TESS_WIRE_SIZE,       /* the payload is not as long as the fields say */
    TESS_WIRE_PAYLOAD_CRC,
    TESS_WIRE_NOMEM
};

/* A clause that finishes "the message ", e.g. "is damaged". Never NULL. */
const char *tess_wire_fault_text(enum tess_wire_fault fault);

/* What a header was that could not be read: for logs and for ERROR to the peer. */
struct tess_wire_report {
    enum tess_wire_scan scan;
    int protocol; /* of the sender, with TESS_WIRE_VERSION */
    int kind;     /* as far as it was read, else 0 */
    int field;    /* index of the first bad field, else -1 */
};

/* Sets payload_bytes and payload_crc of a message from its payload (may be NULL with 0). */
void tess_wire_seal(struct tess_message *message, const void *payload, int64_t n_bytes);

/* Writes the header of a sealed message. Returns its length; 0 if the message breaks a rule
 * that tess_wire_read would refuse. Allocates nothing. */
size_t tess_wire_write(const struct tess_message *message,
                       unsigned char header_out[TESS_WIRE_HEADER_MAX_BYTES]);

/* Reads a header that came on `channel` with a payload of `payload_bytes`. The payload's CRC
 * is not looked at: ask tess_wire_check_payload. `report_out` may be NULL. Allocates at most
 * one zone of msgpack-c (8 KiB), freed before the return. */
enum tess_wire_fault tess_wire_read(const void *header, size_t header_bytes,
                                    int64_t payload_bytes, enum tess_channel channel,
                                    struct tess_message *message_out,
                                    struct tess_wire_report *report_out);

/* TESS_WIRE_OK or TESS_WIRE_PAYLOAD_CRC. Cost: one pass over the payload. */
enum tess_wire_fault tess_wire_check_payload(const struct tess_message *message,
                                             const void *payload);

/* One entry of PLAN's payload. */
struct tess_blob_entry {
    struct tess_sha256 hash;
    int64_t n_bytes;
};
void tess_wire_put_blob_entry(const struct tess_blob_entry *entry,
                              unsigned char at[TESS_WIRE_BLOB_ENTRY_BYTES]);

/* False for a size below 1 or beyond int64_t. */
bool tess_wire_get_blob_entry(const unsigned char at[TESS_WIRE_BLOB_ENTRY_BYTES],
                              struct tess_blob_entry *entry_out);

#endif
